//! Lists of indicators that others publish, loaded at run time with `--intel`: addresses and networks,
//! domains, fingerprints of TLS and SSH software, hashes of certificates.
//!
//! ```text
//! files -> lines, CSV, JSON -> Key -> Table (16 bytes an entry) -> one look-up for a flow or an event
//! ```
//! An entry is kept as a keyed hash and the number of a note: which list, what the list says of it, and for
//! what time it holds. What was found is known from what was looked up, so no entry needs to be kept as text.

mod csv;
mod json;
mod key;
mod lines;
mod load;
mod pattern;
mod span;
mod table;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use key::{Key, Kind};
pub use load::{load, of_bytes};
use span::Span;
use table::{Slot, Table};

use crate::base::net::Network;
use crate::base::{Addr, Timestamp, limits};

/// What became of one file, for `run.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// The file.
    pub file: String,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Bytes that were read.
    pub size: u64,
    /// `lines` (plain lists and CSV), `misp` or `stix`.
    pub format: String,
    /// What the list calls itself, where it does.
    pub title: Option<String>,
    /// Entries by what they are compared with.
    pub entries: std::collections::BTreeMap<String, u64>,
    /// Rows that are broken.
    pub refused: u64,
    /// Rows of sorts that are not matched (hashes of files, URLs, mail addresses).
    pub other: u64,
    /// Rows that the list itself switches off: revoked, deleted, or not meant for detection.
    pub inactive: u64,
    /// STIX patterns that say more than is understood.
    pub not_understood: u64,
    /// Entries that hold for a time only.
    #[serde(default)]
    pub timed: u64,
    /// Entries for which there was no memory.
    pub left_out: u64,
}

/// Where an entry comes from.
#[derive(Debug)]
struct Note {
    list: u32,
    /// Number of the time that it holds for.
    span: u32,
    label: Option<Box<str>>,
}

/// All lists of a run.
#[derive(Debug, Default)]
pub struct Intel {
    table: Table,
    notes: Vec<Note>,
    /// Times that entries hold for. The first is always, and there from the first note on.
    spans: Vec<Span>,
    lists: Vec<ListReport>,
    /// Entries by kind, in the order of [`Kind::ALL`].
    kinds: [u64; Kind::ALL.len()],
    /// Prefix lengths that occur, as bits: of IPv4 and of IPv6 networks; bit 0 for length 1 of the 128
    /// of the mapped form.
    prefixes: [u128; 2],
    /// Numbers of labels that domains have, as bits.
    label_counts: u128,
    warnings: Vec<String>,
}

/// Something that is on a list.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// What it was compared with.
    pub kind: Kind,
    /// The entry: an address, a network, a domain, a fingerprint.
    pub entry: String,
    slots: &'a [Slot],
    at: At<'a>,
}

/// The lists as they hold at a time.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    intel: &'a Intel,
    first: Timestamp,
    last: Timestamp,
}

/// Lists that a hit names; of the others it says how many they are.
const NAMED_MAX: usize = 3;

impl Hit<'_> {
    /// The lists that have it, with what they say of it: `feed.csv (Dridex), own.txt`.
    pub fn lists(&self) -> String {
        let mut out = String::new();
        let mut notes = self.slots.iter().filter_map(|slot| self.at.note(slot));
        for note in notes.by_ref().take(NAMED_MAX) {
            let Some(list) = self.at.intel.lists.get(note.list as usize) else { continue };
            let name = list.file.rsplit(['/', '\\']).next().unwrap_or_default();
            let comma = if out.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = match note.label.as_deref().or(list.title.as_deref()) {
                Some(label) => write!(out, "{comma}{} ({label})", clean(name)),
                None => write!(out, "{comma}{}", clean(name)),
            };
        }
        let more = notes.count();
        if more > 0 {
            let _ = write!(out, " and {more} more");
        }
        out
    }
}

impl Intel {
    /// Whether any list has entries of a kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.get(kind as usize).is_some_and(|n| *n > 0)
    }

    /// Entries that are kept; what several lists have counts for each of them.
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the lists take.
    pub fn memory(&self) -> usize {
        let labels = self.notes.iter().filter_map(|n| n.label.as_deref()).map(str::len).sum::<usize>();
        let spans = self.spans.capacity() * size_of::<Span>();
        self.table.memory() + self.notes.capacity() * size_of::<Note>() + spans + labels
    }

    /// What became of each file.
    pub fn reports(&self) -> &[ListReport] {
        &self.lists
    }

    /// What the user should know: broken rows with file and line, and what was left out.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The lists as they hold at the time of a packet.
    pub const fn at(&self, ts: Timestamp) -> At<'_> {
        self.between(ts, ts)
    }

    /// The lists as they hold in some part of the time between two packets, with both.
    pub const fn between(&self, first: Timestamp, last: Timestamp) -> At<'_> {
        At { intel: self, first, last }
    }
}

impl<'a> At<'a> {
    /// Whether any list has entries of a kind, for whatever time.
    pub fn has(&self, kind: Kind) -> bool {
        self.intel.has(kind)
    }

    /// The note of an entry that holds at this time.
    fn note(&self, slot: &Slot) -> Option<&'a Note> {
        let note = self.intel.notes.get(slot.note as usize)?;
        let span = self.intel.spans.get(note.span as usize)?;
        span.meets(self.first, self.last).then_some(note)
    }

    fn hit(&self, kind: Kind, bytes: &[u8], entry: impl FnOnce() -> String) -> Option<Hit<'a>> {
        let slots = self.intel.table.find(kind.tag(), bytes);
        let holds = slots.iter().any(|slot| self.note(slot).is_some());
        holds.then(|| Hit { kind, entry: entry(), slots, at: *self })
    }

    /// The entry for an address: itself, or the narrowest network that it lies in.
    pub fn address(&self, ip: Addr) -> Option<Hit<'a>> {
        let [v4, v6] = self.intel.prefixes;
        let mut lengths = if ip.is_v4() { v4 } else { v6 };
        while lengths != 0 {
            let bits = 128 - lengths.leading_zeros() as u8;
            lengths &= !(1 << (bits - 1));
            let key = Key::network(ip, bits);
            let entry = || match key.bytes().first_chunk() {
                Some(_) if bits == 128 => ip.to_string(),
                Some(base) => {
                    let base = Addr(*base);
                    let prefix = if base.is_v4() { bits - 96 } else { bits };
                    Network::new(base.to_ip(), prefix).map_or_else(String::new, |n| n.to_string())
                }
                None => String::new(),
            };
            if let Some(hit) = self.hit(key.kind, key.bytes(), entry) {
                return Some(hit);
            }
        }
        None
    }

    /// The entry for a service: the address with its port, else as [`At::address`].
    pub fn service(&self, ip: Addr, port: u16) -> Option<Hit<'a>> {
        let with_port = || {
            let entry = || if ip.is_v4() { format!("{ip}:{port}") } else { format!("[{ip}]:{port}") };
            self.hit(Kind::Endpoint, Key::endpoint(ip, port).bytes(), entry)
        };
        self.has(Kind::Endpoint).then(with_port).flatten().or_else(|| self.address(ip))
    }

    /// The entry for a name: itself, or the longest domain that it lies in.
    pub fn name(&self, name: &[u8]) -> Option<Hit<'a>> {
        let name = name.strip_suffix(b".").unwrap_or(name);
        if self.intel.label_counts == 0 {
            return None;
        }
        let mut lower = [0; 256];
        let lower = lower.get_mut(..name.len()).filter(|l| !l.is_empty())?;
        for (to, from) in lower.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        let mut rest: &[u8] = lower;
        let mut labels = rest.split(|b| *b == b'.').count();
        while labels >= 2 {
            if labels <= key::LABELS_MAX
                && self.intel.label_counts >> labels & 1 != 0
                && let Some(hit) = self.hit(Kind::Domain, rest, || String::from_utf8_lossy(rest).into_owned())
            {
                return Some(hit);
            }
            let dot = memchr::memchr(b'.', rest)?;
            rest = rest.get(dot + 1..)?;
            labels -= 1;
        }
        None
    }

    /// The entry for a JA3, JA4 or HASSH in the form that the tables have it in.
    pub fn fingerprint(&self, kind: Kind, text: &str) -> Option<Hit<'a>> {
        let either = if kind == Kind::Ja4 { kind } else { Kind::Md5 };
        [kind, either].into_iter().find_map(|k| {
            let found = self.has(k).then(|| self.hit(k, text.as_bytes(), || text.to_owned()))??;
            Some(Hit { kind, ..found })
        })
    }

    /// The entry for a certificate: by its SHA-256, or by the SHA-1 of its DER form, which is computed
    /// only where some list has such entries.
    pub fn certificate(&self, sha256: &[u8; 32], der: &[u8]) -> Option<Hit<'a>> {
        let by = |kind: Kind, hash: &[u8]| {
            let text: String = hash.iter().map(|b| format!("{b:02x}")).collect();
            self.hit(kind, text.as_bytes(), || text.clone())
        };
        let sha1 = || {
            use sha1::Digest as _;
            by(Kind::Sha1, &sha1::Sha1::digest(der))
        };
        let long = self.has(Kind::Sha256).then(|| by(Kind::Sha256, sha256)).flatten();
        long.or_else(|| self.has(Kind::Sha1).then(sha1).flatten())
    }
}

/// Text of a list as findings may show it: no control characters, and not too long.
fn clean(text: &str) -> String {
    let text = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(limits::INTEL_LABEL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;

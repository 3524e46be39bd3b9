//! Texts of one column chunk: a dictionary while values repeat, else one after the other.
//!
//! A value is looked up in the form it was observed in (an address as 16 bytes, a short text as one
//! 128-bit number) and becomes text once per row group, so a column of addresses costs a look-up
//! and an index per row.

use ahash::RandomState;
use hashbrown::HashTable;
use parquet::basic::Encoding;
use std::io::Write;

use super::delta::Delta;
use super::ids::Ids;
use super::keys::KeyTable;
use super::levels::Levels;
use super::page::{Codec, Pages};
use crate::base::{Addr, Mac};
use crate::sink::SinkError;

/// Keys that may wait for their look-up; a block of rows ends it as well.
const WAITING_MAX: usize = 1024;
/// Bytes of text in one data page, about: what a reader holds at a time.
const PAGE_BYTES: usize = 1 << 20;
/// Values after which it is first asked whether the dictionary pays, where the column's
/// description says that values differ from row to row.
const FIRST_LOOK: usize = 1 << 10;
/// The same where it says that values repeat: hosts and names may be many at first.
const FIRST_LOOK_REPEATING: usize = 1 << 16;
/// Bytes of the smallest and largest value that go into the statistics.
const BOUND_BYTES_MAX: usize = 64;

/// Texts one after the other.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    lengths: Vec<u32>,
}

impl Texts {
    #[inline]
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.lengths.push(text.len() as u32);
    }

    /// Appends what `write` writes as one text.
    #[inline]
    fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.lengths.push((self.bytes.len() - before) as u32);
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        self.lengths.iter().map(move |len| {
            let (text, tail) = rest.split_at_checked(*len as usize).unwrap_or_default();
            rest = tail;
            text
        })
    }
}

/// What the keys of a batch are. Kinds do not mix: the same text from an address and from a string
/// would have two places in the dictionary, which is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Texts of up to 15 bytes.
    Short,
    Addr,
    Mac,
}

/// Distinct values and the indices of all.
#[derive(Debug)]
struct Dictionary {
    texts: Texts,
    /// Where each text starts; needed for long texts only, which are compared there.
    starts: Vec<u32>,
    /// A table for each kind of key.
    short: KeyTable,
    addrs: KeyTable,
    macs: KeyTable,
    /// Texts that are too long for a key.
    long: HashTable<u32>,
    seed: u64,
    /// Index by number of a name; `u32::MAX` where it was not met yet.
    names: Vec<u32>,
    /// Keys that are not looked up yet, all of one kind.
    batch: Vec<u128>,
    kind: Kind,
    ids: Ids,
}

/// A text of up to 15 bytes and its length as one number.
#[inline]
fn short_key(text: &[u8]) -> Option<u128> {
    let len = text.len();
    let n = if let (Some(head), Some(tail)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let (head, tail) = (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
        // What the two have in common is shifted out of the second.
        let tail = if len >= 16 { return None } else { tail.checked_shr(8 * (16 - len as u32)).unwrap_or(0) };
        u128::from(head) | u128::from(tail) << 64
    } else if let (Some(head), Some(tail)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
        u128::from(head) | u128::from(tail.checked_shr(8 * (8 - len as u32)).unwrap_or(0)) << 32
    } else {
        match text {
            [a, b, c] => u128::from(u32::from_le_bytes([*a, *b, *c, 0])),
            [a, b] => u128::from(u16::from_le_bytes([*a, *b])),
            [a] => u128::from(*a),
            _ => 0,
        }
    };
    Some(n | (len as u128) << 120)
}

/// Writes the text that a key of [`short_key`] stands for.
fn write_short(key: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(key.to_le_bytes().get(..(key >> 120) as usize).unwrap_or_default());
}

fn write_octet(value: u8, out: &mut Vec<u8>) {
    if value >= 100 {
        out.push(b'0' + value / 100);
    }
    if value >= 10 {
        out.push(b'0' + value / 10 % 10);
    }
    out.push(b'0' + value % 10);
}

fn write_addr(addr: Addr, out: &mut Vec<u8>) {
    match addr.as_v4() {
        Some([a, b, c, d]) => {
            for octet in [a, b, c] {
                write_octet(octet, out);
                out.push(b'.');
            }
            write_octet(d, out);
        }
        // Writing to a vector cannot fail.
        None => drop(write!(out, "{addr}")),
    }
}

/// Writes the MAC address whose number ([`Mac::to_u64`]) this is.
fn write_mac(key: u128, out: &mut Vec<u8>) {
    let hex = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
    for (i, byte) in key.to_be_bytes().iter().skip(10).enumerate() {
        if i > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
}

impl Dictionary {
    fn new() -> Self {
        Self {
            texts: Texts::default(),
            starts: Vec::new(),
            short: KeyTable::new(),
            addrs: KeyTable::new(),
            macs: KeyTable::new(),
            long: HashTable::new(),
            // The values are a stranger's choice, so the seed is secret.
            seed: RandomState::new().hash_one(0_u8),
            names: Vec::new(),
            batch: Vec::new(),
            kind: Kind::Short,
            ids: Ids::default(),
        }
    }

    /// Appends a value by its key.
    #[inline]
    fn push(&mut self, kind: Kind, key: u128) {
        if self.kind != kind || self.batch.len() >= WAITING_MAX {
            self.flush();
            self.kind = kind;
        }
        self.batch.push(key);
    }

    /// Looks up what is waiting: before a value that is not a key, and before the indices are read.
    fn flush(&mut self) {
        let Self { texts, batch, ids, .. } = self;
        let mut make = |write: &dyn Fn(&mut Vec<u8>)| {
            let id = texts.lengths.len() as u32;
            texts.push_with(write);
            id
        };
        match self.kind {
            Kind::Short => self.short.look_up(batch, ids, |key| make(&|out| write_short(key, out))),
            Kind::Addr => self.addrs.look_up(batch, ids, |key| make(&|out| write_addr(Addr(key.to_le_bytes()), out))),
            Kind::Mac => self.macs.look_up(batch, ids, |key| make(&|out| write_mac(key, out))),
        }
        batch.clear();
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        match short_key(text) {
            Some(key) => self.push(Kind::Short, key),
            None => {
                let id = self.long_text(text);
                self.ids.extend(&[id]);
            }
        }
    }

    fn long_text(&mut self, text: &[u8]) -> u32 {
        self.flush();
        let hash = |text: &[u8]| crate::base::hash::stable64(self.seed, text);
        let Texts { bytes, lengths } = &self.texts;
        // Starts are filled in up to here on demand: short texts never need them.
        let mut next = match self.starts.last() {
            Some(start) => *start + lengths.get(self.starts.len() - 1).copied().unwrap_or_default(),
            None => 0,
        };
        for len in lengths.iter().skip(self.starts.len()) {
            self.starts.push(next);
            next += len;
        }
        let starts = &self.starts;
        let at = |id: u32| {
            let id = id as usize;
            let start = starts.get(id).copied().unwrap_or_default() as usize;
            let len = lengths.get(id).copied().unwrap_or_default() as usize;
            bytes.get(start..start + len).unwrap_or_default()
        };
        let wanted = hash(text);
        if let Some(id) = self.long.find(wanted, |id| at(*id) == text) {
            return *id;
        }
        let id = lengths.len() as u32;
        self.long.insert_unique(wanted, id, |id| hash(at(*id)));
        self.texts.push(text);
        id
    }

    fn name(&mut self, number: u32, name: &str) {
        let number = number as usize;
        if self.names.len() <= number {
            self.names.resize(number + 1, u32::MAX);
        }
        match self.names.get(number) {
            Some(id) if *id != u32::MAX => {
                let id = *id;
                if !self.batch.is_empty() {
                    self.flush();
                }
                self.ids.extend(&[id]);
            }
            _ => {
                self.flush();
                let id = self.long_text(name.as_bytes());
                if let Some(place) = self.names.get_mut(number) {
                    *place = id;
                }
                self.ids.extend(&[id]);
            }
        }
    }

    fn distinct(&self) -> usize {
        self.texts.lengths.len()
    }

    /// All values one after the other.
    fn replay(&self) -> Texts {
        let all: Vec<&[u8]> = self.texts.iter().collect();
        let mut texts = Texts::default();
        self.ids.for_each(|id| texts.push(all.get(id as usize).copied().unwrap_or_default()));
        texts
    }
}

/// Texts of one column chunk.
#[derive(Debug)]
pub struct TextValues {
    dictionary: Option<Dictionary>,
    direct: Texts,
    /// How many values there are when the dictionary is next asked to justify itself.
    look: usize,
}

impl TextValues {
    /// Of a column whose values repeat or not.
    pub fn new(repeats: bool) -> Self {
        let look = if repeats { FIRST_LOOK_REPEATING } else { FIRST_LOOK };
        Self { dictionary: Some(Dictionary::new()), direct: Texts::default(), look }
    }

    /// Appends a text.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        match &mut self.dictionary {
            Some(d) => d.text(text),
            None => self.direct.push(text),
        }
    }

    /// Appends an address.
    #[inline]
    pub fn addr(&mut self, addr: Addr) {
        match &mut self.dictionary {
            Some(d) => d.push(Kind::Addr, u128::from_le_bytes(addr.0)),
            None => self.direct.push_with(|out| write_addr(addr, out)),
        }
    }

    /// Appends a MAC address.
    #[inline]
    pub fn mac(&mut self, mac: Mac) {
        match &mut self.dictionary {
            Some(d) => d.push(Kind::Mac, mac.to_u64().into()),
            None => self.direct.push_with(|out| write_mac(mac.to_u64().into(), out)),
        }
    }

    /// Appends a name that is known by its number.
    #[inline]
    pub fn name(&mut self, number: u32, name: &str) {
        match &mut self.dictionary {
            Some(d) => d.name(number, name),
            None => self.direct.push(name.as_bytes()),
        }
    }

    /// To be called after every block of rows, and last before the pages are written: looks up
    /// what is waiting, and gives the dictionary up where most values are new.
    pub fn end_block(&mut self) {
        let Some(d) = &mut self.dictionary else { return };
        d.flush();
        if d.ids.len() >= self.look {
            self.look = d.ids.len() * 2;
            if !pays(d) {
                self.direct = d.replay();
                self.dictionary = None;
            }
        }
    }

    /// Smallest and largest value for the statistics, and whether they are exact.
    pub fn bounds(&self) -> Option<Bounds> {
        match &self.dictionary {
            Some(d) => Bounds::of(d.texts.iter()),
            None => Bounds::of(self.direct.iter()),
        }
    }

    /// Writes the pages.
    pub fn finish(
        mut self,
        levels: &Levels,
        codec: &mut Codec,
        body: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Pages, SinkError> {
        if let Some(d) = &self.dictionary {
            if pays(d) {
                return finish_dictionary(d, levels, codec, body, out);
            }
            self.direct = d.replay();
        }
        let mut pages = Pages::at(out.len());
        let (mut lengths, mut bytes) = (self.direct.lengths.as_slice(), self.direct.bytes.as_slice());
        let page_count = bytes.len() / PAGE_BYTES + 1;
        let step = levels.len().div_ceil(page_count).max(1);
        let mut from = 0;
        loop {
            let to = levels.page_end(from, step);
            let (now, later) = lengths.split_at_checked(levels.values_in(from, to)).unwrap_or((lengths, &[]));
            let len = now.iter().map(|l| *l as usize).sum();
            let (now_bytes, later_bytes) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            body.clear();
            levels.write(from, to, body);
            let encoding = if now.is_empty() {
                Encoding::PLAIN
            } else {
                let wide: Vec<i64> = now.iter().map(|l| i64::from(*l)).collect();
                let mut delta = Delta::new(true);
                delta.extend(&wide);
                delta.finish(body);
                body.extend_from_slice(now_bytes);
                Encoding::DELTA_LENGTH_BYTE_ARRAY
            };
            pages.data(codec, body, to - from, encoding, out)?;
            (lengths, bytes, from) = (later, later_bytes, to);
            if from >= levels.len() {
                return Ok(pages);
            }
        }
    }
}

/// Whether values repeat enough for a dictionary.
fn pays(d: &Dictionary) -> bool {
    d.distinct() * 10 <= d.ids.len() * 7 || d.distinct() <= 1
}

fn finish_dictionary(
    d: &Dictionary,
    levels: &Levels,
    codec: &mut Codec,
    body: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Pages, SinkError> {
    let mut pages = Pages::at(out.len());
    body.clear();
    if d.distinct() == 0 {
        levels.write(0, levels.len(), body);
        pages.data(codec, body, levels.len(), Encoding::PLAIN, out)?;
        return Ok(pages);
    }
    for text in d.texts.iter() {
        body.extend_from_slice(&(text.len() as u32).to_le_bytes());
        body.extend_from_slice(text);
    }
    pages.dictionary(codec, body, d.distinct(), out)?;
    body.clear();
    levels.write(0, levels.len(), body);
    d.ids.write(d.distinct(), body);
    pages.data(codec, body, levels.len(), Encoding::RLE_DICTIONARY, out)?;
    Ok(pages)
}

/// Smallest and largest value of a column chunk, cut to a length that statistics may have.
#[derive(Debug, PartialEq, Eq)]
pub struct Bounds {
    /// No value is smaller.
    pub min: Vec<u8>,
    /// No value is larger.
    pub max: Vec<u8>,
    /// Whether `min` is a value.
    pub min_exact: bool,
    /// Whether `max` is a value.
    pub max_exact: bool,
}

impl Bounds {
    fn of<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let first = values.next()?;
        let head = |t: &[u8]| match t.first_chunk() {
            Some(head) => u64::from_be_bytes(*head),
            None => {
                let mut padded = [0; 8];
                padded.iter_mut().zip(t).for_each(|(to, from)| *to = *from);
                u64::from_be_bytes(padded)
            }
        };
        let (mut min, mut max) = (first, first);
        let (mut min_head, mut max_head) = (head(first), head(first));
        for value in values {
            // Most values are told from both by their first eight bytes.
            let h = head(value);
            if h <= min_head && value < min {
                (min, min_head) = (value, h);
            }
            if h >= max_head && value > max {
                (max, max_head) = (value, h);
            }
        }
        let (min_cut, max_cut) = (cut(min), cut(max));
        let (min_exact, max_exact) = (min_cut.len() == min.len(), max_cut.len() == max.len());
        let max = if max_exact { max.to_vec() } else { successor(max_cut)? };
        Some(Self { min: min_cut.to_vec(), max, min_exact, max_exact })
    }
}

/// At most [`BOUND_BYTES_MAX`] bytes of a text, cut at a character.
fn cut(text: &[u8]) -> &[u8] {
    if text.len() <= BOUND_BYTES_MAX {
        return text;
    }
    let head = text.get(..=BOUND_BYTES_MAX).unwrap_or(text);
    let at = head.iter().rposition(|b| b & 0xc0 != 0x80).unwrap_or_default();
    text.get(..at).unwrap_or_default()
}

/// The text that follows all that begin with this one: its last ASCII character one higher, and
/// what comes after that dropped. None where there is no such character.
fn successor(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.iter().rposition(|b| *b < 0x7f)?;
    let mut next = text.get(..=at)?.to_vec();
    *next.last_mut()? += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_have_keys_of_their_own() {
        let mut seen = std::collections::HashMap::new();
        let base = b"abcdefghijklmno";
        for len in 0..=15 {
            let mut text = base[..len].to_vec();
            assert!(seen.insert(short_key(&text).unwrap(), text.clone()).is_none());
            for i in 0..len {
                text[i] ^= 0x80;
                assert!(seen.insert(short_key(&text).unwrap(), text.clone()).is_none(), "{text:?}");
                text[i] = 0;
                assert!(seen.insert(short_key(&text).unwrap(), text.clone()).is_none(), "{text:?}");
                text[i] = base[i];
            }
        }
        assert_eq!(short_key(&[b'a'; 16]), None);
    }

    #[test]
    fn every_form_of_a_value_becomes_its_text_once() {
        let mut t = TextValues::new(true);
        let v4 = Addr::v4([10, 0, 200, 1]);
        let v6: Addr = "2001:db8::1".parse().unwrap();
        let mac = Mac([0, 0x1b, 0xa9, 1, 2, 0xff]);
        let long = b"a text that is longer than fifteen bytes";
        for _ in 0..3 {
            t.addr(v4);
            t.addr(v6);
            t.mac(mac);
            t.text(long);
            t.text(b"tcp");
            t.name(3, "a.pcap");
            t.text(b"another text that is longer than fifteen");
        }
        t.end_block();
        let d = t.dictionary.unwrap();
        let texts: Vec<_> = d.texts.iter().map(|t| std::str::from_utf8(t).unwrap()).collect();
        let expected = [
            "10.0.200.1",
            "2001:db8::1",
            "00:1b:a9:01:02:ff",
            "a text that is longer than fifteen bytes",
            "tcp",
            "a.pcap",
            "another text that is longer than fifteen",
        ];
        assert_eq!(texts, expected);
        let mut ids = Vec::new();
        d.ids.for_each(|id| ids.push(id));
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6].repeat(3));
        assert_eq!(texts[0], v4.to_string());
        assert_eq!(texts[2], mac.to_string());
    }

    #[test]
    fn a_dictionary_of_distinct_values_is_given_up_and_nothing_is_lost() {
        let mut t = TextValues::new(false);
        let texts: Vec<String> = (0..3000).map(|i| format!("number {i} of many")).collect();
        for text in &texts {
            t.text(text.as_bytes());
            t.end_block();
        }
        assert!(t.dictionary.is_none());
        assert!(t.direct.iter().eq(texts.iter().map(|t| t.as_bytes())));
    }

    #[test]
    fn every_octet_prints_as_the_standard_library_does() {
        for n in 0..=255 {
            let mut out = Vec::new();
            write_octet(n, &mut out);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }

    #[test]
    fn bounds_hold_for_long_and_odd_texts() {
        let bounds = |t: &[&str]| Bounds::of(t.iter().map(|t| t.as_bytes()));
        let b = bounds(&["b", "a\0", "a", "", "ab"]).unwrap();
        assert_eq!((b.min.as_slice(), b.max.as_slice(), b.min_exact, b.max_exact), (&b""[..], &b"b"[..], true, true));
        let long = "x".repeat(63) + "éy";
        let b = bounds(&[&long]).unwrap();
        assert_eq!(b.min, "x".repeat(63).as_bytes());
        assert_eq!(b.max, ("x".repeat(62) + "y").as_bytes());
        assert!(
            !b.min_exact && !b.max_exact && b.min.as_slice() < long.as_bytes() && b.max.as_slice() > long.as_bytes()
        );
        assert_eq!(bounds(&["é".repeat(100).as_str()]), None);
        assert_eq!(bounds(&[]), None);
    }
}

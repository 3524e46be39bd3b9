//! Plain lists and CSV: one entry a line.
//!
//! ```text
//! # a comment
//! 198.51.100.7                                  an address, a network, ADDRESS:PORT, a domain,
//! 203.0.113.0/24 ; SBL1                         a JA3, JA4 or HASSH, a certificate's hash;
//! bad.example   # what it is                    what follows is said of it
//! 0.0.0.0 tracker.example                       as in a hosts file
//! 2020-09-04 06:27:53,<SHA-1>,Vawtrak C&C       CSV: the first cell that is an entry, and the last
//! "<MD5>","2017-07-14 18:08:15",...,"Dridex"    one that is no time or number
//! ```
//! The CSV lists of abuse.ch (SSLBL: JA3 and certificates, Feodo Tracker) are of this form. A header that
//! speaks of JA3 or of HASSH says what 32 hex digits are.

use std::io::BufRead;

use super::key::{Key, Kind};
use super::load::Loader;
use crate::base::limits;

/// Cells of a row that are looked at.
const CELLS_MAX: usize = 32;

/// Reads a list to its end.
pub(super) fn read(input: &mut impl BufRead, to: &mut Loader) -> std::io::Result<()> {
    let mut state = State::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        let fits = match next(input, &mut line)? {
            None => return Ok(()),
            Some(fits) => fits,
        };
        if !fits {
            to.refuse(number, "the line is too long");
            continue;
        }
        match std::str::from_utf8(&line) {
            Ok(text) => state.line(text.trim(), number, to),
            Err(_) => to.refuse(number, "not UTF-8 text"),
        }
    }
}

/// The next line without its end; whether all of it fits, and `None` at the end of the input.
fn next(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    let mut fits = true;
    let mut any = false;
    loop {
        let there = input.fill_buf()?;
        if there.is_empty() {
            return Ok(any.then_some(fits));
        }
        any = true;
        let end = memchr::memchr(b'\n', there);
        let piece = there.get(..end.unwrap_or(there.len())).unwrap_or_default();
        if line.len() + piece.len() > limits::INTEL_LINE_BYTES_MAX {
            fits = false;
        } else if fits {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some(fits));
        }
    }
}

/// What was learnt from earlier lines.
struct State {
    /// What 32 hex digits are.
    md5: Kind,
    speaks_of: (bool, bool),
    /// Whether there was a row that is no comment.
    any: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { md5: Kind::Md5, speaks_of: (false, false), any: false }
    }
}

impl State {
    fn line(&mut self, line: &str, number: u64, to: &mut Loader) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            self.header(line);
            return;
        }
        let first = !std::mem::replace(&mut self.any, true);
        let end = line.find(|c: char| c.is_whitespace() || matches!(c, '#' | ';')).unwrap_or(line.len());
        let (entry, label) = line.split_at_checked(end).unwrap_or((line, ""));
        // A comma in what is said of an entry makes no row of CSV.
        if line.contains(',') && Key::parse(entry, self.md5).is_err() {
            match self.cells(line) {
                Ok((key, label)) => to.add(&key, label),
                // The names of the columns.
                Err(_) if first && is_header(line) => self.header(line),
                Err(reason) => to.refuse(number, reason),
            }
            return;
        }
        let label = label.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '#' | ';'));
        let entry = unquoted(entry);
        // A hosts file sends what it names to nowhere.
        if matches!(entry, "0.0.0.0" | "127.0.0.1" | "::" | "::1") && !label.is_empty() {
            let (name, label) = label.split_once(|c: char| c.is_whitespace() || c == '#').unwrap_or((label, ""));
            match Key::parse_domain(name) {
                Ok(key) => to.add(&key, label.trim_start_matches(['#', ' ', '\t'])),
                // Every hosts file names the host itself.
                Err(_) if matches!(name, "localhost" | "local" | "broadcasthost") || name.starts_with("ip6-") => {}
                Err(reason) => to.refuse(number, reason),
            }
            return;
        }
        match Key::parse(entry, self.md5) {
            Ok(key) => to.add(&key, label),
            Err(reason) => to.refuse(number, reason),
        }
    }

    /// A comment or the names of the columns: whether they speak of JA3 or HASSH.
    fn header(&mut self, line: &str) {
        let line = line.to_ascii_lowercase();
        self.speaks_of.0 |= line.contains("ja3");
        self.speaks_of.1 |= line.contains("hassh");
        self.md5 = match self.speaks_of {
            (true, false) => Kind::Ja3,
            (false, true) => Kind::Hassh,
            _ => Kind::Md5,
        };
    }

    /// A row of CSV: the entry, and what is said of it.
    fn cells<'l>(&self, line: &'l str) -> Result<(Key, &'l str), &'static str> {
        let mut found: Option<(usize, Key)> = None;
        let mut first_reason = None;
        let mut label = "";
        for (at, cell) in line.split(',').map(unquoted).enumerate().take(CELLS_MAX) {
            if found.is_none() {
                match Key::parse(cell, self.md5) {
                    Ok(key) => {
                        found = Some((at, key));
                        continue;
                    }
                    Err(reason) if at == 0 => first_reason = Some(reason),
                    Err(_) => {}
                }
            }
            // What says most stands last: the reason of the listing, the name of the malware.
            if cell.contains(|c: char| c.is_alphabetic()) && found.is_some() {
                label = cell;
            }
        }
        let Some((at, mut key)) = found else { return Err(first_reason.unwrap_or("no cell is an entry")) };
        // The port that stands behind an address.
        if key.kind == Kind::Address
            && let Some(port) = line.split(',').nth(at + 1).map(unquoted)
            && let Ok(port) = port.parse::<u16>()
            && let Some(ip) = key.bytes().first_chunk()
            && port > 0
        {
            key = Key::endpoint(crate::base::Addr(*ip), port);
        }
        Ok((key, label))
    }
}

/// Whether a row of CSV looks like names of columns: words without dots and digits at their beginning.
fn is_header(line: &str) -> bool {
    line.split(',').map(unquoted).all(|cell| {
        cell.starts_with(|c: char| c.is_ascii_alphabetic())
            && cell.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ' | '(' | ')'))
    })
}

/// A cell without space and quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')).unwrap_or(cell).trim()
}

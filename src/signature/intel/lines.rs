//! Plain lists and CSV: one entry a line.
//!
//! ```text
//! # a comment
//! 198.51.100.7                                  an address, a network, ADDRESS:PORT, a domain,
//! 203.0.113.0/24 ; SBL1                         a JA3, JA4 or HASSH, a certificate's hash;
//! bad.example   # what it is                    what follows is said of it
//! 0.0.0.0 tracker.example                       as in a hosts file
//! 2020-09-04 06:27:53,<SHA-1>,Vawtrak C&C       CSV
//! ```
//! A comment that names columns says what the cells of CSV are; one that speaks of JA3 or of HASSH says
//! what 32 hex digits are where no column does.

use std::io::BufRead;

use super::csv::{self, Columns, Row};
use super::key::{Key, Kind};
use super::load::{Loader, Place};
use crate::base::limits;

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
            to.refuse(Place::line(number), "the line is too long");
            continue;
        }
        match std::str::from_utf8(&line) {
            Ok(text) => state.line(text.trim(), number, to),
            Err(_) => to.refuse(Place::line(number), "not UTF-8 text"),
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
    /// What the cells of CSV are.
    columns: Option<Columns>,
    /// Whether there was a row that is no comment.
    any: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { md5: Kind::Md5, speaks_of: (false, false), columns: None, any: false }
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
        let row = label.trim_start().starts_with(',') || Key::parse(entry, self.md5).is_err();
        if row && line.contains(',') {
            if first && self.named(line) {
                return;
            }
            match csv::row(line, self.columns.as_ref(), self.md5) {
                Ok(Row::Entry(key, label)) => to.add(&key, &label),
                Ok(Row::Other) => to.report().other += 1,
                // Names of columns that say nothing here.
                Err(_) if first && csv::split(line).is_ok_and(|cells| csv::are_names(&cells)) => self.header(line),
                Err(reason) => to.refuse(Place::line(number), reason),
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
                Err(reason) => to.refuse(Place::line(number), reason),
            }
            return;
        }
        match Key::parse(entry, self.md5) {
            Ok(key) => to.add(&key, label),
            Err(reason) => to.refuse(Place::line(number), reason),
        }
    }

    /// Whether a line names columns that say what is listed.
    fn named(&mut self, line: &str) -> bool {
        let found = Columns::named(line);
        let any = found.is_some();
        self.columns = found.or_else(|| self.columns.take());
        any
    }

    /// A comment or the names of the columns: whether they speak of JA3 or HASSH.
    fn header(&mut self, line: &str) {
        if self.named(line.trim_start_matches(['#', ';'])) {
            return;
        }
        let line = line.to_ascii_lowercase();
        self.speaks_of.0 |= line.contains("ja3");
        self.speaks_of.1 |= line.contains("hassh");
        self.md5 = match self.speaks_of {
            (true, false) => Kind::Ja3,
            (false, true) => Kind::Hassh,
            _ => Kind::Md5,
        };
    }
}

/// A cell without space and quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')).unwrap_or(cell).trim()
}

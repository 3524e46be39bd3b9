//! Reading lists: one after another, never a whole file at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::key::{Key, Kind};
use super::span::Span;
use super::table::BYTES_WHILE_LOADING;
use super::{Intel, ListReport, Note, clean, json, lines};
use crate::base::limits;
use crate::signature::rules::RuleError;

/// Bytes that one read asks for.
const READ_BYTES: usize = 256 << 10;
/// Bytes at the front of a file that show whether it is text.
const LOOKED_AT: usize = 512;

/// Loads files, and the files of folders (not of those below, and none whose name begins with a dot), in
/// this order. The lists may take `memory` bytes; entries beyond are counted and left out.
///
/// What is wrong with single rows stands in [`Intel::warnings`].
///
/// # Errors
/// What cannot be read at all.
pub fn load(paths: &[PathBuf], memory: usize) -> Result<Intel, Vec<RuleError>> {
    let mut errors = Vec::new();
    let files = files(paths, &mut errors);
    let mut loader = Loader::new(memory);
    for path in &files {
        if let Err(e) = loader.file(path) {
            errors.push(wrong(path, format!("cannot read: {e}")));
        }
    }
    if errors.is_empty() { Ok(loader.finish()) } else { Err(errors) }
}

/// A list that is in memory already.
pub fn of_bytes(name: &str, bytes: &[u8], memory: usize) -> Intel {
    let mut loader = Loader::new(memory);
    // Reading from memory does not fail.
    let _ = loader.read(name, bytes);
    loader.finish()
}

fn wrong(file: &Path, reason: String) -> RuleError {
    RuleError { file: file.to_path_buf(), line: 0, reason }
}

/// The files that paths name.
fn files(paths: &[PathBuf], errors: &mut Vec<RuleError>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) => {
                errors.push(wrong(path, format!("cannot list the folder: {e}")));
                continue;
            }
        };
        let hidden = |p: &PathBuf| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        let found = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_file() && !hidden(p));
        let mut found: Vec<_> = found.take(limits::INTEL_FILES_MAX + 1).collect();
        if found.is_empty() {
            errors.push(wrong(path, String::from("no file in the folder")));
        }
        found.sort();
        files.append(&mut found);
    }
    if files.len() > limits::INTEL_FILES_MAX {
        let reason = format!("more than {} lists", limits::INTEL_FILES_MAX);
        errors.push(wrong(paths.first().map_or(Path::new(""), PathBuf::as_path), reason));
        files.clear();
    }
    files
}

/// Hashes and counts what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(to)?;
        self.hash.update(to.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Entries that a note with a time takes the room of while lists are loaded: the note and the time, each also
/// as a key.
const TIMED_ENTRIES: usize = 8;

/// Where in a list something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from 1; 0 for the list as a whole.
    pub line: u64,
    /// Bytes of the line up to it, itself among them; 0 for the line as a whole.
    pub column: u64,
}

impl Place {
    /// A line.
    pub(super) const fn line(line: u64) -> Self {
        Self { line, column: 0 }
    }
}

/// Takes the entries of all lists.
pub(super) struct Loader {
    intel: Intel,
    /// Numbers of the notes; one without a label has an empty one.
    notes: HashMap<(u32, u32, Box<str>), u32, ahash::RandomState>,
    spans: HashMap<Span, u32, ahash::RandomState>,
    timed_notes: usize,
    entries_max: usize,
    /// The list that is read.
    report: ListReport,
    /// Warnings about its rows.
    told: usize,
    counts: [u64; Kind::ALL.len()],
}

impl Loader {
    pub(super) fn new(memory: usize) -> Self {
        Self {
            intel: Intel::default(),
            notes: HashMap::default(),
            spans: HashMap::default(),
            timed_notes: 0,
            entries_max: (memory / BYTES_WHILE_LOADING).min(limits::INTEL_ENTRIES_MAX),
            report: ListReport::default(),
            told: 0,
            counts: [0; Kind::ALL.len()],
        }
    }

    fn file(&mut self, path: &Path) -> std::io::Result<()> {
        self.read(&path.display().to_string(), File::open(path)?)
    }

    /// Reads one list; what it is follows from its content.
    pub(super) fn read(&mut self, name: &str, input: impl Read) -> std::io::Result<()> {
        self.report = ListReport { file: name.to_owned(), ..ListReport::default() };
        self.told = 0;
        self.counts = [0; Kind::ALL.len()];
        let mut input = BufReader::with_capacity(READ_BYTES, Hashing { inner: input, hash: Sha256::new(), bytes: 0 });
        let head = input.fill_buf()?;
        let head = head.get(..LOOKED_AT).unwrap_or(head);
        let bom = head.starts_with(b"\xef\xbb\xbf");
        let text = if bom { head.get(3..).unwrap_or_default() } else { head };
        let first = text.trim_ascii_start().first().copied();
        let is_text = !text.contains(&0) && !head.starts_with(&[0x1f, 0x8b]);
        if bom {
            input.consume(3);
        }
        if !is_text {
            self.refuse(Place::line(0), "not a text file");
        } else if matches!(first, Some(b'{' | b'[')) {
            json::read(&mut input, self)?;
        } else {
            self.report.format = String::from("lines");
            lines::read(&mut input, self)?;
        }
        // The hash is that of the whole file, wherever reading it as a list came to its end.
        std::io::copy(&mut input, &mut std::io::sink())?;
        let Hashing { hash, bytes, .. } = input.into_inner();
        self.report.sha256 = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        self.report.size = bytes;
        self.end_list();
        Ok(())
    }

    fn end_list(&mut self) {
        let mut report = std::mem::take(&mut self.report);
        for (kind, n) in Kind::ALL.iter().zip(self.counts).filter(|(_, n)| *n > 0) {
            report.entries.insert(kind.name().to_owned(), n);
        }
        let mut say = |what: String| self.intel.warnings.push(format!("{}: {what}", report.file));
        let more = report.refused.saturating_sub(self.told as u64);
        if more > 0 && self.told > 0 {
            say(format!("{more} more rows are broken and were passed over"));
        }
        if report.not_understood > 0 {
            say(format!("{} patterns say more than is understood and were passed over", report.not_understood));
        }
        if report.left_out > 0 {
            say(format!("{} entries were left out: more --memory may help", report.left_out));
        }
        if report.entries.is_empty() && report.left_out == 0 && report.size > 0 {
            say(String::from("no entry in it can be matched"));
        }
        self.intel.lists.push(report);
    }

    /// How the list is written.
    pub(super) fn format(&mut self, format: &str) {
        if self.report.format.is_empty() {
            format.clone_into(&mut self.report.format);
        }
    }

    /// What the list calls itself; the first counts.
    pub(super) fn title(&mut self, title: &str) {
        let title = clean(title);
        if self.report.title.is_none() && !title.is_empty() {
            self.report.title = Some(title);
        }
    }

    /// Counts rows in the report.
    pub(super) const fn report(&mut self) -> &mut ListReport {
        &mut self.report
    }

    /// A broken row.
    pub(super) fn refuse(&mut self, at: Place, reason: impl std::fmt::Display) {
        self.report.refused += 1;
        if self.told < limits::INTEL_WARNINGS_MAX {
            self.told += 1;
            let place = match at {
                Place { line: 0, .. } => String::new(),
                Place { line, column: 0 } => format!(":{line}"),
                Place { line, column } => format!(":{line}:{column}"),
            };
            self.intel.warnings.push(format!("{}{place}: {}", self.report.file, clean(&reason.to_string())));
        }
    }

    /// An entry that holds for ever, with what the list says of it.
    pub(super) fn add(&mut self, key: &Key, label: &str) {
        self.add_for(key, label, Span::ALWAYS);
    }

    /// An entry that holds for a time.
    pub(super) fn add_for(&mut self, key: &Key, label: &str, span: Span) {
        let room = self.intel.table.len() + self.timed_notes * TIMED_ENTRIES < self.entries_max;
        let Some(span_number) = room.then(|| self.span(span)).flatten() else {
            self.report.left_out += 1;
            return;
        };
        self.report.timed += u64::from(span != Span::ALWAYS);
        let note = self.note(label, span_number);
        let intel = &mut self.intel;
        intel.table.push(key, note);
        for counts in [&mut intel.kinds, &mut self.counts] {
            if let Some(n) = counts.get_mut(key.kind as usize) {
                *n += 1;
            }
        }
        if let Some((bits, v4)) = key.prefix() {
            let [of_v4, of_v6] = &mut intel.prefixes;
            *(if v4 && bits >= 96 { of_v4 } else { of_v6 }) |= 1u128.checked_shl(u32::from(bits) - 1).unwrap_or(0);
        } else if key.kind == Kind::Domain {
            intel.label_counts |= 1u128.checked_shl(key.labels() as u32).unwrap_or(0);
        }
    }

    /// The number of a time; `None` where there are too many different ones.
    fn span(&mut self, span: Span) -> Option<u32> {
        let spans = &mut self.intel.spans;
        if spans.is_empty() {
            spans.push(Span::ALWAYS);
        }
        if span == Span::ALWAYS {
            return Some(0);
        }
        if let Some(known) = self.spans.get(&span) {
            return Some(*known);
        }
        let number = spans.len() as u32;
        (self.spans.len() < limits::INTEL_SPANS_MAX).then(|| {
            spans.push(span);
            self.spans.insert(span, number);
            number
        })
    }

    /// The number of a note on the list that is read.
    fn note(&mut self, label: &str, span: u32) -> u32 {
        let list = self.intel.lists.len() as u32;
        let mut key = (list, span, Box::from(clean(label)));
        if let Some(known) = self.notes.get(&key) {
            return *known;
        }
        // Those without a label are as few as lists, and those with a time are paid for.
        if self.notes.len() >= limits::INTEL_NOTES_MAX && !key.2.is_empty() {
            key.2 = Box::default();
            if let Some(known) = self.notes.get(&key) {
                return *known;
            }
        }
        let number = self.intel.notes.len() as u32;
        let label = Some(key.2.clone()).filter(|label| !label.is_empty());
        self.intel.notes.push(Note { list, span, label });
        self.notes.insert(key, number);
        self.timed_notes += usize::from(span != 0);
        number
    }

    pub(super) fn finish(mut self) -> Intel {
        self.intel.table.seal();
        self.intel
    }
}

//! What can be wrong with an input, always with the file and, where there is one, the place in it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where in an input something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Byte offset in the file as it lies on disk.
    File(u64),
    /// Byte offset in what the file decompresses to.
    Decompressed(u64),
}

/// What is wrong with an input.
#[derive(Debug)]
pub enum SourceErrorKind {
    /// The operating system refused: opening, reading.
    Io(io::Error),
    /// There is not a single byte in it.
    Empty,
    /// It is something else than a capture; the text says what it looks like.
    NotACapture(String),
    /// It is a capture of a kind that is recognised and not read.
    Unsupported(String),
    /// Its structure is broken from this place on.
    Damaged(String),
    /// It ends within a record.
    Truncated(String),
    /// Its compressed form is broken.
    Compressed(String),
    /// Parts of it were left out (broken blocks between good ones); the rest was read to the end.
    Partly(String),
    /// The capture filter cannot be applied to it.
    Filter(String),
    /// A limit of this program was hit.
    Limit(String),
}

impl SourceErrorKind {
    /// One lower-case word for tables and `run.json`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Io(_) => "unreadable",
            Self::Empty => "empty",
            Self::NotACapture(_) => "not-a-capture",
            Self::Unsupported(_) => "unsupported",
            Self::Damaged(_) => "damaged",
            Self::Truncated(_) => "truncated",
            Self::Compressed(_) => "corrupt-compression",
            Self::Partly(_) => "partly-damaged",
            Self::Filter(_) => "filter",
            Self::Limit(_) => "limit",
        }
    }
}

/// An input could not be read, or not to its end. Frames before the place were delivered.
#[derive(Debug)]
pub struct SourceError {
    /// The input, as it was named.
    pub path: PathBuf,
    /// Where in it, if the place is known.
    pub place: Option<Place>,
    /// What is wrong.
    pub kind: SourceErrorKind,
}

impl SourceError {
    /// An error about the input as a whole.
    pub fn new(path: &Path, kind: SourceErrorKind) -> Self {
        Self { path: path.to_owned(), place: None, kind }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.as_os_str() == "-" {
            write!(f, "standard input: ")?;
        } else {
            write!(f, "{}: ", self.path.display())?;
        }
        match self.place {
            Some(Place::File(at)) => write!(f, "at byte {at}: ")?,
            Some(Place::Decompressed(at)) => write!(f, "at byte {at} of the decompressed data: ")?,
            None => {}
        }
        match &self.kind {
            SourceErrorKind::Io(error) => write!(f, "{error}"),
            SourceErrorKind::Empty => write!(f, "empty file, not a capture"),
            SourceErrorKind::NotACapture(text) => write!(f, "not a capture: {text}"),
            SourceErrorKind::Unsupported(text)
            | SourceErrorKind::Damaged(text)
            | SourceErrorKind::Truncated(text)
            | SourceErrorKind::Compressed(text)
            | SourceErrorKind::Partly(text)
            | SourceErrorKind::Filter(text)
            | SourceErrorKind::Limit(text) => write!(f, "{text}"),
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            SourceErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_file_and_the_place() {
        let mut e = SourceError::new(Path::new("a.pcap"), SourceErrorKind::Damaged("broken".into()));
        assert_eq!(e.to_string(), "a.pcap: broken");
        e.place = Some(Place::File(24));
        assert_eq!(e.to_string(), "a.pcap: at byte 24: broken");
        e.path = "-".into();
        e.place = Some(Place::Decompressed(7));
        assert_eq!(e.to_string(), "standard input: at byte 7 of the decompressed data: broken");
    }
}

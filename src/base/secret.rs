//! Secrets that cannot be printed by accident.

use std::fmt;

/// What stands in place of a secret in every output.
pub const BLANK: &str = "[blanked]";

/// Whether secrets may be written to the tables. Only the command line makes the revealing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reveal {
    /// Secrets are blanked (the default).
    #[default]
    No,
    /// The user asked for them with `--reveal-secrets`; `run.json` records it.
    Yes,
}

/// Borrowed secret bytes. Its `Debug` and `Display` show [`BLANK`] only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// Wraps the bytes of a secret.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the secret is the empty string.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes themselves, for hashing and for comparison with known defaults. The result must
    /// not reach a row, a message or a log: [`Secret::shown`] is the way there.
    pub const fn expose(&self) -> &'a [u8] {
        self.0
    }

    /// What may be written to a row: the secret where the user asked for it, else [`BLANK`].
    pub fn shown(&self, reveal: Reveal) -> std::borrow::Cow<'a, str> {
        match reveal {
            Reveal::No => BLANK.into(),
            Reveal::Yes => String::from_utf8_lossy(self.0),
        }
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLANK)
    }
}

impl fmt::Display for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLANK)
    }
}

/// An owned secret, as parsers keep it between a request and the answer to it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBuf(Vec<u8>);

impl SecretBuf {
    /// Copies a secret of at most [`crate::base::limits::SECRET_BYTES_MAX`] bytes; the rest is cut.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.get(..super::limits::SECRET_BYTES_MAX).unwrap_or(bytes).to_vec())
    }

    /// Borrows it.
    pub fn borrow(&self) -> Secret<'_> {
        Secret(&self.0)
    }
}

impl fmt::Debug for SecretBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLANK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let s = Secret::new(b"hunter2");
        let owned = SecretBuf::new(b"hunter2");
        assert_eq!(format!("{s} {s:?} {:?} {owned:?}", Some(s)), "[blanked] [blanked] Some([blanked]) [blanked]");
        assert_eq!(s.shown(Reveal::No), BLANK);
        assert_eq!(s.shown(Reveal::Yes), "hunter2");
        assert_eq!(SecretBuf::new(&[7; 100_000]).borrow().len(), crate::base::limits::SECRET_BYTES_MAX);
    }
}

//! Secrets that cannot be printed by accident.

use std::borrow::Cow;
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

/// The password in a user name that holds one (`joe:hunter2`, `joe:hunter2@host`), and where it stands.
///
/// `None` for what has a colon otherwise: addresses, MACs, URIs, ports behind a host, iSCSI's names.
fn within_user(name: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr::memchr(b':', name)?;
    let (user, rest) = (name.get(..colon)?, name.get(colon + 1..)?);
    let is_name = |c: &u8| c.is_ascii_alphanumeric() || b"._-@\\+%$".contains(c) || !c.is_ascii();
    if user.is_empty() || !user.iter().all(is_name) || rest.starts_with(b"//") {
        return None;
    }
    const SCHEMES: &[&[u8]] = &[b"sip", b"sips", b"tel", b"urn", b"mailto", b"xmpp", b"h323", b"im", b"pres"];
    // RFC 3721, section 1.1
    const STORAGE: &[&[u8]] = &[b"iqn.", b"eui.", b"naa."];
    if SCHEMES.iter().any(|s| user.eq_ignore_ascii_case(s)) || STORAGE.iter().any(|s| user.starts_with(s)) {
        return None;
    }
    // Hexadecimal groups: MAC addresses and IPv6.
    if memchr::memchr(b':', rest).is_some() && name.iter().all(|c| c.is_ascii_hexdigit() || matches!(c, b':' | b'.')) {
        return None;
    }
    // A host and its port.
    let is_host = user.contains(&b'@') || user.iter().all(|c| c.is_ascii_digit() || *c == b'.');
    if is_host && rest.len() <= 5 && rest.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let len = memchr::memrchr(b'@', rest).unwrap_or(rest.len());
    (len > 0 && rest.get(..len)? != BLANK.as_bytes()).then_some((colon + 1, colon + 1 + len))
}

/// The password that a user name holds, where clients put both into one field.
pub fn of_user(name: &[u8]) -> Option<Secret<'_>> {
    let (start, end) = within_user(name)?;
    name.get(start..end).map(Secret)
}

/// A user name as it may be shown: a password in it is blanked.
pub fn user(name: &[u8]) -> Cow<'_, [u8]> {
    let Some((start, end)) = within_user(name) else { return name.into() };
    let (before, behind) = (name.get(..start).unwrap_or_default(), name.get(end..).unwrap_or_default());
    [before, BLANK.as_bytes(), behind].concat().into()
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

    #[test]
    fn a_password_in_a_user_name_is_blanked() {
        for (name, want) in [
            ("joe:hunter2", "joe:[blanked]"),
            ("joe:hunter2@192.0.2.1", "joe:[blanked]@192.0.2.1"),
            ("joe@example.org:hunter2", "joe@example.org:[blanked]"),
            ("joe:a@b:c@host", "joe:[blanked]@host"),
            ("CORP\\joe:1234", "CORP\\joe:[blanked]"),
            ("jo\u{e9}:x", "jo\u{e9}:[blanked]"),
        ] {
            assert_eq!(String::from_utf8_lossy(&user(name.as_bytes())), want);
            assert_eq!(String::from_utf8_lossy(&user(want.as_bytes())), want);
        }
        for name in [
            "joe",
            "joe:",
            ":x",
            "joe@host:21",
            "192.0.2.1:8080",
            "00:11:22:aa:bb:cc",
            "2001:db8::1",
            "sip:joe@example.org",
            "ftp://joe@host/",
            "iqn.1991-05.com.example:host",
            "/:guest",
            "",
        ] {
            assert_eq!(&*user(name.as_bytes()), name.as_bytes());
            assert!(of_user(name.as_bytes()).is_none());
        }
        assert_eq!(of_user(b"joe:a@b@host").unwrap().expose(), b"a@b");
    }
}

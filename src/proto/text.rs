//! What text protocols have in common: lines, numbers, and the encodings in which secrets travel.

use std::borrow::Cow;

use super::unchanged::{Search, unless_known};
use crate::base::{Secret, limits, secret::BLANK};

/// Finds lines in bytes that are presented again with more behind them. Remembers how far it has
/// looked, so that a line that comes byte by byte costs no more than one that comes whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines {
    scanned: usize,
    skipping: bool,
}

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its end, cut at [`limits::LINE_BYTES_MAX`]; so many bytes of input are used.
    Whole(&'a [u8], usize),
    /// So many bytes belong to a line that was cut before: nothing to see.
    Rest(usize),
    /// Its end has not come.
    Open,
}

impl Lines {
    /// Looks for the end of the line that `bytes` begin with. `bytes` begin where the last call
    /// said that the next line begins; after [`Line::Open`] they are those of before and more.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Line<'a> {
        let window = bytes.get(..limits::LINE_BYTES_MAX).unwrap_or(bytes);
        if self.skipping {
            return match memchr::memchr(b'\n', window) {
                Some(at) => {
                    self.skipping = false;
                    Line::Rest(at + 1)
                }
                None => Line::Rest(window.len()),
            };
        }
        let fresh = window.get(self.scanned..).unwrap_or_default();
        match memchr::memchr(b'\n', fresh) {
            Some(at) => {
                let end = self.scanned + at;
                self.scanned = 0;
                let line = window.get(..end).unwrap_or_default();
                Line::Whole(line.strip_suffix(b"\r").unwrap_or(line), end + 1)
            }
            None if window.len() == limits::LINE_BYTES_MAX => {
                self.scanned = 0;
                self.skipping = true;
                Line::Whole(window, window.len())
            }
            None => {
                self.scanned = window.len();
                Line::Open
            }
        }
    }

    /// Starts at the beginning of a line: the one before was read otherwise.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Starts anew, as after bytes that never came: the rest of the line that was cut by them is
    /// passed over.
    pub fn resync(&mut self) {
        *self = Self { scanned: 0, skipping: true };
    }
}

/// A decimal number of at most 18 digits, and nothing else.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0_u64, |n, c| c.is_ascii_digit().then(|| n * 10 + u64::from(c - b'0')))
}

/// A hexadecimal number of at most 15 digits, and nothing else.
pub fn hexadecimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    text.iter().try_fold(0_u64, |n, c| Some(n * 16 + u64::from(hex_digit(*c)?)))
}

fn hex_digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

/// The first word and what follows the blanks behind it.
pub fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|c| matches!(c, b' ' | b'\t')) {
        Some(at) => {
            let (first, rest) = line.split_at(at);
            (first, rest.trim_ascii_start())
        }
        None => (line, &[]),
    }
}

/// Splits at the first occurrence of a byte.
pub fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = memchr::memchr(at, text)?;
    Some((text.get(..found)?, text.get(found + 1..)?))
}

/// Whether `needle` (lower case) occurs in `text`, whatever its case. For short texts.
pub fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len().max(1)).any(|w| w.eq_ignore_ascii_case(needle))
}

/// Whether `text` begins with `start`, whatever its case.
pub fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|t| t.eq_ignore_ascii_case(start))
}

/// Whether there is nothing but what a text shows: no control characters besides blanks and line
/// ends.
pub fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|c| *c >= 0x20 && *c != 0x7f || matches!(c, b'\t' | b'\r' | b'\n' | 0x1b | 0x07 | 0x08 | 0x0c))
}

/// Decodes Base64 (RFC 4648, section 4, and the URL alphabet of section 5), padding or not. `None`
/// where it is not Base64, or longer than a secret may be.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if text.len() > limits::SECRET_BYTES_MAX * 2 { None } else { base64_of_any_length(text) }
}

/// The same of a text whose length was checked already.
pub fn base64_of_any_length(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0_u32;
    let mut held = 0;
    let mut ended = false;
    for c in text {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                ended = true;
                continue;
            }
            _ => return None,
        };
        if ended {
            return None;
        }
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // A single character of a quantum holds no whole byte.
    (held != 6).then_some(out)
}

/// Decodes `%41` and, where asked, `+` (RFC 3986, section 2.1; the form encoding of HTML). What is
/// not a valid escape stays as it is. At most `max` bytes come out.
pub fn percent(text: &[u8], plus_is_blank: bool, max: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().min(max));
    let mut rest = text;
    while out.len() < max {
        match rest {
            [b'%', a, b, tail @ ..] => {
                if let (Some(high), Some(low)) = (hex_digit(*a), hex_digit(*b)) {
                    out.push(high << 4 | low);
                    rest = tail;
                } else {
                    out.push(b'%');
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
            [b'+', tail @ ..] if plus_is_blank => {
                out.push(b' ');
                rest = tail;
            }
            [c, tail @ ..] => {
                out.push(*c);
                rest = tail;
            }
            [] => break,
        }
    }
    out
}

/// A text without a secret that it repeats. One of less than four bytes may be any word.
pub fn without_secret<'a>(reply: &'a [u8], secret: Secret<'_>) -> Cow<'a, [u8]> {
    let needle = secret.expose();
    if needle.len() < 4 {
        return reply.into();
    }
    let mut out = Vec::new();
    let mut from = 0;
    for at in memchr::memmem::find_iter(reply, needle) {
        out.extend_from_slice(reply.get(from..at).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        from = at + needle.len();
    }
    if from == 0 {
        return reply.into();
    }
    out.extend_from_slice(reply.get(from..).unwrap_or_default());
    out.into()
}

/// A text that somebody may have put a secret into: what stands behind `password=`, `pin:` and the like
/// is blanked, behind a bare `password` what looks like one, and what a sentence says to be one. For texts
/// of a line; what speaks at length is for [`super::prose`].
pub fn without_settings(text: &[u8]) -> Cow<'_, [u8]> {
    unless_known(Search::Settings, text, without_any_settings)
}

fn without_any_settings(text: &[u8]) -> Cow<'_, [u8]> {
    if !contains_word(text) {
        return without_assigned(text);
    }
    match without_assigned(text) {
        Cow::Borrowed(same) => super::prose::without_statements(same),
        Cow::Owned(changed) => super::prose::without_statements(&changed).into_owned().into(),
    }
}

fn without_assigned(text: &[u8]) -> Cow<'_, [u8]> {
    let is_sign = |c: &u8| matches!(c, b'=' | b':');
    if memchr::memchr2(b'=', b':', text).is_none() && !contains_word(text) {
        return text.into();
    }
    let mut out: Vec<u8> = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(sign) = text.get(at..).and_then(|t| t.iter().position(|c| is_sign(c) || *c == b' ')).map(|n| at + n)
    {
        at = sign + 1;
        let before = text.get(from..sign).unwrap_or_default();
        // Of several blanks the first decides.
        if text.get(sign) == Some(&b' ') && before.last() == Some(&b' ') {
            continue;
        }
        let name_end = before.iter().rposition(|c| !matches!(c, b' ' | b'"' | b'\'')).map_or(0, |n| n + 1);
        let name = before.get(..name_end).unwrap_or_default();
        let name_start =
            name.iter().rposition(|c| !(c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))).map_or(0, |n| n + 1);
        let name = name.get(name_start..).unwrap_or_default();
        if !is_secret_word(name) {
            continue;
        }
        let gap = text.get(at..).unwrap_or_default().iter().position(|c| !matches!(c, b' ' | b'\t'));
        let start = at + gap.unwrap_or_default();
        let value = text.get(start..).unwrap_or_default();
        let quote = value.first().copied().filter(|c| matches!(c, b'"' | b'\''));
        let in_brackets = memchr::memchr(b'(', before).is_some();
        let is_end = |c: &u8| matches!(c, b' ' | b'\t' | b',' | b';' | b'&' | b'<' | b'"') || in_brackets && *c == b')';
        let len = match quote {
            Some(q) => value.iter().skip(1).position(|c| *c == q).map(|n| n + 2),
            None => value.iter().position(is_end),
        };
        let len = len.unwrap_or(value.len());
        let word = value.get(..len).unwrap_or_default();
        // Without a sign between only what no sentence has: letters and digits in one word.
        let mixed = super::prose::is_mixed(word);
        if word.is_empty() || word.starts_with(BLANK.as_bytes()) || text.get(sign) == Some(&b' ') && !mixed {
            continue;
        }
        out.extend_from_slice(text.get(from..start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        from = start + len;
        at = from;
    }
    if from == 0 {
        return text.into();
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out.into()
}

/// Whether a text has a word for a password, whatever its case.
fn contains_word(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'w', b'W', text).any(|at| {
        let word =
            |back: usize, w: &[u8]| at.checked_sub(back).and_then(|s| text.get(s..)).is_some_and(|t| starts_with(t, w));
        word(4, b"passw") || word(1, b"pwd")
    })
}

/// Whether a setting of this name is a secret.
pub fn is_secret_word(name: &[u8]) -> bool {
    const END: &[&[u8]] = &[
        b"password",
        b"passwd",
        b"passwort",
        b"pwd",
        b"passphrase",
        b"passcode",
        b"secret",
        b"token",
        b"psk",
        b"apikey",
        b"sharedkey",
        b"privatekey",
        b"authkey",
        b"accesskey",
        b"community",
    ];
    const ALONE: &[&[u8]] = &[b"pin", b"pass", b"pw"];
    let digits = name.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let name = name.get(..name.len() - digits).unwrap_or(name);
    let ends = |end: &[u8]| {
        let at = name.len().checked_sub(end.len())?;
        name.get(at..).is_some_and(|n| n.eq_ignore_ascii_case(end)).then_some(at)
    };
    let is_joint = |at: usize| at == 0 || matches!(name.get(at - 1), Some(b'_' | b'-'));
    END.iter().any(|e| ends(e).is_some()) || ALONE.iter().any(|e| ends(e).is_some_and(is_joint)) || is_key_name(name)
}

/// Whether a setting of this name is a key that lets a program in: `key`, `app_key`, `appid`; not one that
/// orders or finds something, nor such as anybody may have.
pub fn is_key_name(name: &[u8]) -> bool {
    const OPEN: &[&[u8]] = &[b"public", b"host", b"sort", b"primary", b"foreign", b"partition", b"cache", b"index"];
    const WHOLE: &[&[u8]] = &[b"key", b"appkey", b"appid", b"app_id", b"app-id"];
    if WHOLE.iter().any(|w| name.eq_ignore_ascii_case(w)) {
        return true;
    }
    let before = name.len().checked_sub(4).and_then(|at| name.split_at_checked(at));
    before.is_some_and(|(before, end)| {
        (end.eq_ignore_ascii_case(b"_key") || end.eq_ignore_ascii_case(b"-key"))
            && !OPEN.iter().any(|o| before.eq_ignore_ascii_case(o))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_wherever_it_is_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(b"USER a"), Line::Open);
        assert_eq!(lines.next(b"USER a\r"), Line::Open);
        assert_eq!(lines.next(b"USER a\r\nPASS"), Line::Whole(b"USER a", 8));
        assert_eq!(lines.next(b"\n"), Line::Whole(b"", 1));
    }

    #[test]
    fn an_endless_line_is_cut_and_the_rest_passed_over() {
        let mut lines = Lines::default();
        let long = vec![b'x'; limits::LINE_BYTES_MAX + 10];
        assert_eq!(lines.next(&long), Line::Whole(&long[10..], limits::LINE_BYTES_MAX));
        assert_eq!(lines.next(b"xxxxxxxxxx"), Line::Rest(10));
        assert_eq!(lines.next(b"xx\nNOOP\n"), Line::Rest(3));
        assert_eq!(lines.next(b"NOOP\n"), Line::Whole(b"NOOP", 5));
    }

    #[test]
    fn base64_with_and_without_padding() {
        assert_eq!(base64(b"YWRtaW46cGFzcw==").unwrap(), b"admin:pass");
        assert_eq!(base64(b"YWRtaW46cGFzcw").unwrap(), b"admin:pass");
        assert_eq!(base64(b"_-8=").unwrap(), [0xff, 0xef]);
        assert_eq!(base64(b"YWRt*"), None);
        assert_eq!(base64(b"Y"), None);
        assert_eq!(base64(b"YQ==YQ=="), None);
        assert_eq!(base64(b"").unwrap(), b"");
    }

    #[test]
    fn percent_escapes_that_are_none_stay() {
        assert_eq!(percent(b"a%20b+c%zz%4", true, 100), b"a b c%zz%4");
        assert_eq!(percent(b"a+b%00", false, 3), b"a+b");
    }

    #[test]
    fn numbers_are_nothing_but_digits() {
        assert_eq!(decimal(b"0042"), Some(42));
        assert_eq!(decimal(b"+4"), None);
        assert_eq!(decimal(b"9999999999999999999"), None);
        assert_eq!(hexadecimal(b"fF"), Some(255));
        assert_eq!(hexadecimal(b""), None);
    }

    #[test]
    fn a_repeated_secret_is_blanked() {
        let reply = without_secret(b"530 hunter2 is wrong, hunter2!", Secret::new(b"hunter2"));
        assert_eq!(&*reply, b"530 [blanked] is wrong, [blanked]!");
        assert_eq!(&*without_secret(b"230 a", Secret::new(b"a")), b"230 a");
    }

    #[test]
    fn settings_in_texts_are_blanked() {
        for (text, want) in [
            ("tool/1 (password=x1) more", "tool/1 (password=[blanked]) more"),
            ("Your new password: x1", "Your new password: [blanked]"),
            ("{\"userPassword\" : \"x 1\", \"a\": 1}", "{\"userPassword\" : [blanked], \"a\": 1}"),
            ("cn=joe,userPassword=x,dc=y", "cn=joe,userPassword=[blanked],dc=y"),
            ("(&(pin=12)(cn=a))", "(&(pin=[blanked])(cn=a))"),
            ("wifi_key=a&wpa-psk2=b", "wifi_key=[blanked]&wpa-psk2=[blanked]"),
            ("bad password Zq7xKp93", "bad password [blanked]"),
            ("Your password is hunter", "Your password is [blanked]"),
            ("app_key=a&appid=b;rw_community: c", "app_key=[blanked]&appid=[blanked];rw_community: [blanked]"),
            ("password=[blanked]", "password=[blanked]"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_settings(text.as_bytes())), want);
            assert_eq!(String::from_utf8_lossy(&without_settings(want.as_bytes())), want);
        }
        for text in [
            "Mozilla/5.0 (X11; rv:109.0)",
            "Change password of 2 users",
            "Password Required",
            "password:",
            "monkey=1 spin: 2",
            "public_key=1 sort-key: 2",
            "",
        ] {
            assert_eq!(&*without_settings(text.as_bytes()), text.as_bytes());
        }
    }
}

//! Configuration files that phones and their like fetch over HTTP: they hold the account that the
//! device will use, in clear. There is no standard; the forms read here are `key = value` and
//! `key: value` lines, and XML attributes and elements.

use super::http_login::{Found, is_password_key};
use crate::base::secret::SecretBuf;
use crate::proto::text;

/// Settings of one file that are looked at.
const SETTINGS_MAX: usize = 4096;
/// Passwords of one file that are told.
const LOGINS_MAX: usize = 16;

/// Whether a request target names such a file: the name holds a MAC address, or ends as
/// configurations do.
pub fn is_settings_file(uri: &[u8]) -> bool {
    let path = uri.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default();
    let name = path.rsplit(|c| *c == b'/').next().unwrap_or_default();
    let Some(dot) = memchr::memrchr(b'.', name) else { return false };
    let (stem, ending) = name.split_at(dot);
    // `SEP<mac>.cnf.xml`
    let ends = |list: &[&str]| list.iter().any(|e| ending.eq_ignore_ascii_case(e.as_bytes()));
    let mut run = 0;
    let has_mac = stem.iter().any(|c| {
        run = if c.is_ascii_hexdigit() { run + 1 } else { 0 };
        run == 12
    });
    ends(&[".cfg", ".cnf"]) || has_mac && ends(&[".xml", ".conf", ".ini", ".txt", ".htm", ".html", ".boot", ".dat"])
}

/// The accounts in a file, or in as much of one as was kept.
pub fn logins(body: &[u8]) -> Vec<Found> {
    let mut settings = Vec::new();
    for line in body.split(|c| *c == b'\n').take(SETTINGS_MAX) {
        let line = line.trim_ascii();
        if memchr::memchr(b'<', line).is_some_and(|at| !line.get(at..).unwrap_or_default().contains(&b'"')) {
            elements(line, &mut settings);
        }
        if line.contains(&b'"') && line.contains(&b'<') {
            attributes(line, &mut settings);
        } else if !matches!(line.first(), Some(b'#' | b';' | b'<') | None) {
            pair(line, &mut settings);
        }
        if settings.len() >= SETTINGS_MAX {
            break;
        }
    }
    // Of each group (account 1, account 2 ...) the best name, found in one pass.
    let mut best: Vec<(&[u8], u8, &[u8])> = Vec::new();
    for (key, value) in &settings {
        let Some(rank) = user_rank(key).filter(|_| !value.is_empty()) else { continue };
        let group = group(key);
        let room = best.len() < LOGINS_MAX;
        match best.iter_mut().find(|b| b.0 == group) {
            Some(known) if rank < known.1 => *known = (group, rank, value),
            Some(_) => {}
            None if room => best.push((group, rank, value)),
            None => {}
        }
    }
    let passwords = settings.iter().filter(|(key, value)| is_account_password(key) && !value.is_empty());
    let found = passwords.take(LOGINS_MAX).map(|(key, value)| {
        let user = if text::contains(key, b"admin") {
            Some(b"admin".to_vec())
        } else {
            best.iter().find(|b| b.0 == group(key)).map(|b| b.2.to_vec())
        };
        Found { user, secret: Some(SecretBuf::new(value)), ..Found::of("provisioning") }
    });
    found.collect()
}

type Settings<'a> = Vec<(&'a [u8], &'a [u8])>;

/// `key = value`, `key: value`; some mark the key with a sign at its end.
fn pair<'a>(line: &'a [u8], out: &mut Settings<'a>) {
    let Some(at) = line.iter().position(|c| matches!(c, b'=' | b':')) else { return };
    let (key, value) = line.split_at(at);
    let key = key.trim_ascii().trim_suffix_bytes(b"!&$?");
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    if !key.is_empty() && key.len() <= 128 {
        out.push((key, value));
    }
}

/// All `key="value"` of a line.
fn attributes<'a>(line: &'a [u8], out: &mut Settings<'a>) {
    let mut rest = line;
    while let Some(at) = memchr::memmem::find(rest, b"=\"") {
        let (before, after) = rest.split_at(at);
        let key = before.rsplit(|c| matches!(c, b' ' | b'\t' | b'<' | b'"')).next().unwrap_or_default();
        let Some((value, tail)) = text::split_once(after.get(2..).unwrap_or_default(), b'"') else { return };
        if out.len() < SETTINGS_MAX && !key.is_empty() {
            out.push((key, value));
        }
        rest = tail;
    }
}

/// All `<key>value</` of a line.
fn elements<'a>(line: &'a [u8], out: &mut Settings<'a>) {
    for piece in line.split(|c| *c == b'<').skip(1) {
        if let Some((key, value)) = text::split_once(piece, b'>')
            && !value.is_empty()
            && key.first().is_some_and(u8::is_ascii_alphabetic)
            && out.len() < SETTINGS_MAX
        {
            out.push((text::word(key).0, value));
        }
    }
}

/// The number in a key tells which account it is about.
fn group(key: &[u8]) -> &[u8] {
    let Some(start) = key.iter().position(u8::is_ascii_digit) else { return &[] };
    let digits = key.get(start..).unwrap_or_default();
    digits.split(|c| !c.is_ascii_digit()).next().unwrap_or_default()
}

fn is_account_password(key: &[u8]) -> bool {
    // `user_pass1`: the number stands at the end.
    let end = key.iter().rposition(|c| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let key = key.get(..end).unwrap_or_default();
    is_password_key(key) && !text::contains(key, b"enable") && !text::contains(key, b"length")
}

/// How well a key names the user of an account; lower is better.
fn user_rank(key: &[u8]) -> Option<u8> {
    const WORDS: &[&[u8]] = &[
        b"auth_name",
        b"authname",
        b"auth.userid",
        b"authid",
        b"auth_id",
        b"pname",
        b"user_name",
        b"username",
        b"userid",
    ];
    WORDS.iter().position(|w| text::contains(key, w)).and_then(|n| u8::try_from(n).ok())
}

/// Strips any of some bytes from the end.
trait TrimSuffix {
    fn trim_suffix_bytes(&self, any: &[u8]) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_bytes(&self, any: &[u8]) -> &Self {
        let end = self.iter().rposition(|c| !any.contains(c)).map_or(0, |at| at + 1);
        self.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> Vec<String> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let one = |f: Found| {
            let secret = f.secret.as_ref().map_or_else(String::new, |s| text(s.borrow().expose()));
            format!("{} {secret}", f.user.as_deref().map_or("-".into(), text))
        };
        logins(body.as_bytes()).into_iter().map(one).collect()
    }

    #[test]
    fn forms_of_several_vendors() {
        let xml = r#"<?xml version="1.0"?><A><B reg.1.address="7" reg.1.auth.userId="u7" reg.1.auth.password="p7" x.localAdminPassword="4"/></A>"#;
        assert_eq!(shown(xml), ["u7 p7", "admin 4"]);
        assert_eq!(
            shown("user_name1!: 5\nuser_pname1!: a5\nuser_pass1!: p5\nadmin_mode_password!: 0\n"),
            ["a5 p5", "admin 0"]
        );
        let lines = "#!version:1\r\naccount.2.user_name = 2\r\naccount.2.password = s2\r\naccount.1.password = s1\r\n";
        assert_eq!(shown(lines), ["2 s2", "- s1"]);
        assert_eq!(shown("<authName>me</authName>\n<authPassword>pw</authPassword>"), ["me pw"]);
        assert!(shown("just text with a password\n<html><body>Password: </body>").is_empty());
    }

    #[test]
    fn names_of_files() {
        for (uri, want) in [
            ("/0004f2ab12cd.cfg", true),
            ("/snom-0004135A6B7C.htm?x", true),
            ("/SEP001122334455.cnf.xml", true),
            ("/index.html", false),
            ("/cfg/0004f2ab12c.xml", false),
            ("/", false),
        ] {
            assert_eq!(is_settings_file(uri.as_bytes()), want, "{uri}");
        }
    }
}

//! Secrets that stand in an address as words: in a command that a parameter holds
//! (`c=passwd%20hunter2`), and in the segments of a path (`/user/joe/password/hunter2`).

use super::http_keys::{KEY_BYTES_MAX, is_exact_password_key};
use crate::base::secret;
use crate::proto::{prose, text};

/// Words of one value, or segments of one path, that are looked at.
const WORDS_MAX: usize = 64;

/// Names of parameters that hold a command.
const COMMANDS: &[&[u8]] = &[
    b"c",
    b"cmd",
    b"command",
    b"commands",
    b"exec",
    b"execute",
    b"run",
    b"do",
    b"action",
    b"act",
    b"cli",
    b"shell",
    b"line",
    b"input",
    b"request",
    b"msg",
    b"q1",
];

/// Commands whose second word is a user and whose third is his password.
const LOGINS: &[&[u8]] = &[
    b"login",
    b"logon",
    b"signin",
    b"auth",
    b"authenticate",
    b"adduser",
    b"useradd",
    b"htpasswd",
    b"chpasswd",
    b"setuser",
];

/// Segments behind `password` that are pages.
const PAGES: &[&[u8]] = &[
    b"edit",
    b"forgot",
    b"new",
    b"confirm",
    b"recover",
    b"verify",
    b"expired",
    b"index",
    b"generate",
    b"form",
    b"page",
];

/// Names of segments whose next one is a user's name.
const USERS: &[&[u8]] = &[b"user", b"username", b"usr", b"u", b"login", b"account", b"name", b"uid", b"email"];

fn is_any(word: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// The words of an encoded value, each with where it begins: `+`, `%20` and a blank stand between them.
fn words(value: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = value.get(from..).filter(|r| !r.is_empty())?;
        let is_gap = |at: usize| {
            let tail = rest.get(at..).unwrap_or_default();
            match tail {
                [b'+' | b' ', ..] => 1,
                [b'%', b'2', b'0', ..] | [b'%', b'0', b'9' | b'A' | b'a', ..] => 3,
                _ => 0,
            }
        };
        let end = (0..rest.len()).find(|at| is_gap(*at) > 0).unwrap_or(rest.len());
        let word = (from, rest.get(..end)?);
        from += end + if end < rest.len() { is_gap(end) } else { 0 };
        Some(word)
    })
    .filter(|(_, word)| !word.is_empty())
    .take(WORDS_MAX)
}

/// A word without what introduces an argument: `--password`, `/pass`.
fn plain(word: &[u8]) -> Vec<u8> {
    let word = text::percent(word, false, KEY_BYTES_MAX);
    let start = word.iter().position(|c| !matches!(c, b'-' | b'/' | b'"' | b'\'')).unwrap_or(word.len());
    word.get(start..).unwrap_or_default().to_vec()
}

/// Where in the encoded value of a parameter of this name a secret begins that stands there as a word of its
/// own. Behind a parameter without a name, or one that holds a command, anything may be one; elsewhere, where
/// people write, only what looks like it.
pub fn secret_at(name: &[u8], value: &[u8]) -> Option<usize> {
    // Two words at least.
    words(value).nth(1)?;
    let is_command = is_any(name, COMMANDS);
    let all: Vec<(usize, Vec<u8>)> = words(value).map(|(at, word)| (at, plain(word))).collect();
    let starts = |n: usize| all.get(n).map(|(at, _)| *at);
    for (n, pair) in all.windows(2).enumerate() {
        let [(_, word), (_, next)] = pair else { continue };
        let rest = all.get(n + 1..).unwrap_or_default();
        if !(is_exact_password_key(word) || text::is_secret_word(word)) {
            continue;
        }
        if is_command || prose::is_mixed(next) {
            return starts(n + 1);
        }
        let sentence = rest.iter().map(|(_, word)| word.as_slice()).collect::<Vec<_>>().join(&b' ');
        if prose::is_told(&sentence) {
            return starts(n + 1);
        }
    }
    let first = all.first().map(|(_, word)| word.as_slice()).filter(|_| is_command)?;
    if is_any(first, LOGINS) {
        let user = all.get(1).map(|(_, word)| word.as_slice()).unwrap_or_default();
        return if secret::of_user(user).is_some() { starts(1) } else { starts(2) };
    }
    let is_net_user = first.eq_ignore_ascii_case(b"net") && all.get(1).is_some_and(|(_, w)| w == b"user");
    if is_net_user { starts(3) } else { None }
}

/// Where a segment of a path stands that is a secret: the one behind `password`, where a user stands before
/// it or where it looks like a secret, and the last of `/login/joe/x`.
pub fn segment(path: &[u8]) -> Option<(usize, usize)> {
    let path = path.split(|c| matches!(c, b'?' | b'#' | b';')).next()?;
    let mut at = 0;
    let all: Vec<(usize, &[u8])> = path
        .split(|c| *c == b'/')
        .map(|s| {
            let start = at;
            at += s.len() + 1;
            (start, s)
        })
        .take(WORDS_MAX)
        .collect();
    let get = |n: usize| all.get(n).map(|s| s.1).unwrap_or_default();
    let is_secret = |s: &[u8]| prose::is_mixed(s) && memchr::memchr2(b'.', b'=', s).is_none();
    (0..all.len()).find_map(|n| {
        let (name, value) = (get(n), get(n + 1));
        let place = |n: usize| all.get(n).map(|(start, s)| (*start, start + s.len()));
        if value.is_empty() {
            return None;
        }
        let names_secret = is_exact_password_key(name)
            || is_any(name, &[b"token", b"secret", b"apikey", b"api_key", b"api-key", b"pin"]);
        let of_user = n >= 2 && is_any(get(n - 2), USERS);
        let is_page = is_any(value, PAGES) || prose::goes_on(value) || memchr::memchr(b'.', value).is_some();
        if names_secret && (of_user && !is_page || is_secret(value)) {
            return place(n + 1);
        }
        let is_login = is_any(name, &[b"login", b"logon", b"signin"]) && n + 3 == all.len();
        if is_login && is_secret(get(n + 2)) { place(n + 2) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_that_are_secret() {
        for (name, value, want) in [
            ("c", "passwd%20hunter2", Some("hunter2")),
            ("cmd", "login+joe+hunter", Some("hunter")),
            ("cmd", "login joe:hunter", Some("joe:hunter")),
            ("cmd", "set%20--password%20hunter", Some("hunter")),
            ("cmd", "net+user+joe+hunter+/add", Some("hunter+/add")),
            ("text", "your+password+is+hunter", Some("is+hunter")),
            ("text", "password+hunter2", Some("hunter2")),
            ("cmd", "login+joe", None),
            ("cmd", "status", None),
            ("q", "password+manager", None),
            ("q", "forgot+password", None),
            ("q", "public+key+authentication", None),
            ("q", "", None),
        ] {
            let found = secret_at(name.as_bytes(), value.as_bytes()).map(|at| &value[at..]);
            assert_eq!(found, want, "{name}={value}");
        }
    }

    #[test]
    fn segments_that_are_secret() {
        for (path, want) in [
            ("/user/joe/password/hunter", Some("hunter")),
            ("/cgi/user/joe/pwd/hunter?x=1", Some("hunter")),
            ("/set/password/hunter2", Some("hunter2")),
            ("/login/joe/hunter2", Some("hunter2")),
            ("/token/abc123def", Some("abc123def")),
            ("/user/joe/password/reset", None),
            ("/user/joe/password/change.html", None),
            ("/user/joe/password/", None),
            ("/account/password/forgot", None),
            ("/login/oauth2/style.css", None),
            ("/login/oauth2/v2/authorize99", None),
            ("/images/key1/key23456", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(segment(path.as_bytes()).map(|(start, end)| &path[start..end]), want, "{path}");
        }
    }
}

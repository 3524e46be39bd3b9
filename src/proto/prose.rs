//! Secrets in sentences and in lines of configuration, as devices log and greet with them:
//! `password for root is hunter2`, `community hunter2`, `key 7 0822455D0A16`.

use std::borrow::Cow;

use crate::base::secret::{self, BLANK};
use crate::proto::text;
use crate::proto::web::http_blank::blanked as blanked_address;

/// Words behind which a secret stands.
const SECRET_WORDS: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"passwort",
    b"passphrase",
    b"passcode",
    b"pwd",
    b"passw",
    b"secret",
    b"token",
    b"community",
    b"psk",
    b"api_key",
    b"apikey",
    b"api-key",
    b"appkey",
    b"app_key",
    b"app-key",
    b"appid",
    b"authorization",
    b"cookie",
    b"credential",
    b"private_key",
    b"privatekey",
    b"pin",
    b"pass",
    b"sessionid",
    b"session_id",
    b"jsessionid",
    b"access_key",
    b"shared-key",
    b"sharedkey",
    b"shared_key",
    b"authentication-key",
    b"auth-key",
    b"authkey",
    b"digest-key",
    b"encryption-key",
    b"encryptionkey",
    b"wep-key",
    b"wpa-key",
    b"key-string",
    b"license-key",
    b"key",
];

/// What may follow such a word, or the `is` behind it, in a sentence that names no secret.
const HARMLESS_WORDS: &[&[u8]] = &[
    b"a",
    b"about",
    b"accepted",
    b"access",
    b"account",
    b"admin",
    b"after",
    b"again",
    b"age",
    b"aging",
    b"all",
    b"already",
    b"also",
    b"always",
    b"an",
    b"and",
    b"are",
    b"as",
    b"at",
    b"attempt",
    b"attempts",
    b"auth",
    b"authentication",
    b"bad",
    b"based",
    b"be",
    b"because",
    b"before",
    b"being",
    b"blank",
    b"but",
    b"by",
    b"can",
    b"cannot",
    b"case",
    b"change",
    b"changed",
    b"check",
    b"complexity",
    b"configured",
    b"contains",
    b"conversation",
    b"correct",
    b"created",
    b"database",
    b"default",
    b"deleted",
    b"denied",
    b"did",
    b"disabled",
    b"does",
    b"empty",
    b"enabled",
    b"encrypted",
    b"encryption",
    b"entered",
    b"entry",
    b"error",
    b"exceeded",
    b"exchange",
    b"expired",
    b"expires",
    b"expiring",
    b"expiry",
    b"failed",
    b"failure",
    b"field",
    b"file",
    b"for",
    b"from",
    b"given",
    b"going",
    b"good",
    b"has",
    b"have",
    b"hidden",
    b"history",
    b"if",
    b"in",
    b"incorrect",
    b"invalid",
    b"issued",
    b"length",
    b"less",
    b"locked",
    b"login",
    b"manager",
    b"matches",
    b"may",
    b"mismatch",
    b"missing",
    b"must",
    b"needed",
    b"never",
    b"no",
    b"not",
    b"of",
    b"ok",
    b"on",
    b"only",
    b"or",
    b"policy",
    b"please",
    b"prompt",
    b"protected",
    b"protection",
    b"quality",
    b"received",
    b"recovery",
    b"refreshed",
    b"rejected",
    b"removed",
    b"renewed",
    b"required",
    b"reset",
    b"revoked",
    b"same",
    b"saved",
    b"sent",
    b"server",
    b"set",
    b"shall",
    b"should",
    b"stored",
    b"strength",
    b"strong",
    b"than",
    b"that",
    b"the",
    b"this",
    b"to",
    b"too",
    b"unchanged",
    b"unknown",
    b"until",
    b"update",
    b"updated",
    b"use",
    b"used",
    b"user",
    b"valid",
    b"validation",
    b"verification",
    b"verified",
    b"was",
    b"weak",
    b"were",
    b"when",
    b"will",
    b"with",
    b"without",
    b"wrong",
    b"you",
    b"your",
];

/// What is said of a secret, where it follows: `password string: x`, `pin code is x`.
const NOUNS: &[&[u8]] = &[b"string", b"name", b"value", b"code", b"number", b"ascii", b"hex", b"md5", b"plain"];

/// Words of a configuration before a bare `key`.
const BEFORE_KEY: &[&[u8]] =
    &[b"isakmp", b"server", b"tacacs-server", b"radius-server", b"wep", b"wpa", b"tacacs", b"radius"];

/// Keys that anybody may see.
const OPEN_KEYS: &[&[u8]] = &[b"host", b"public", b"registry", b"primary", b"foreign", b"sort", b"cache"];

/// Words of a sentence that are looked at between `password for` and what it is.
const WORDS_BETWEEN_MAX: usize = 5;

fn is_any(word: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// The letters that a value begins with: `expired!`.
fn letters(value: &[u8]) -> &[u8] {
    value.split(|c| !c.is_ascii_alphabetic()).next().unwrap_or_default()
}

/// Whether a sentence says outright, behind a secret's word, what the secret is: `is x`, `for joe: x`.
pub fn is_told(value: &[u8]) -> bool {
    linked(value).is_some()
}

/// Whether a sentence goes on with an ordinary word, or ends.
pub fn goes_on(value: &[u8]) -> bool {
    let word = value.split(|c| c.is_ascii_whitespace()).next().unwrap_or_default();
    let word = word.trim_ascii_end();
    let bare = match word {
        [inner @ .., b'.' | b',' | b'!' | b'?' | b';' | b':' | b')'] => inner,
        _ => word,
    };
    bare.is_empty()
        || is_any(letters(value), HARMLESS_WORDS) && bare.iter().all(|c| c.is_ascii_alphabetic() || *c == b'-')
}

/// A word as secrets are and sentences are not: letters and digits in one.
pub fn is_mixed(word: &[u8]) -> bool {
    word.len() >= 6 && word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic)
}

/// Where in a sentence that goes on behind a secret's word the secret stands, where the sentence says so:
/// `is x`, `for root is x`, `of joe: x`, `changed to x`, `string: x`.
fn linked(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut before: &[u8] = &[];
    // `for` and `of` begin a name; without one the link has to come at once.
    let mut named = false;
    for n in 0..=WORDS_BETWEEN_MAX {
        let rest = value.get(at..)?;
        let gap = rest.iter().position(|c| !matches!(c, b' ' | b'\t'))?;
        let word = rest.get(gap..)?.split(|c| matches!(c, b' ' | b'\t')).next()?;
        let end = at + gap + word.len();
        let changes = is_any(before, &[b"changed", b"set", b"reset", b"updated", b"modified", b"now"]);
        let is_link = is_any(word, &[b"is", b"was", b"=", b":", b"->", b"is:", b"are"])
            || n > 0 && named && matches!(word, [.., b':' | b'='])
            || is_any(word, &[b"to", b"to:"]) && changes
            || is_any(before, NOUNS) && is_any(word, &[b":", b"="]);
        if is_link || n == 0 && matches!(word, [noun @ .., b':' | b'='] if is_any(noun, NOUNS)) {
            let start = behind_adverbs(value, end)?;
            return (!goes_on(value.get(start..)?)).then_some(start);
        }
        let may_follow = named
            || n == 0 && is_any(word, &[b"for", b"of", b"changed", b"set", b"reset", b"updated", b"modified"])
            || n == 0 && is_any(word, NOUNS)
            || n == 1 && is_any(before, NOUNS) && is_any(word, &[b"is", b"for", b"of"]);
        if !may_follow {
            return None;
        }
        named |= is_any(word, &[b"for", b"of"]);
        before = word;
        at = end;
    }
    None
}

/// Where the value begins behind `is`: `is now x`, `is set to x`.
fn behind_adverbs(value: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = value.get(at..)?;
        let gap = rest.iter().position(|c| !matches!(c, b' ' | b'\t' | b':' | b'='))?;
        let word = rest.get(gap..)?.split(|c| matches!(c, b' ' | b'\t')).next()?;
        let behind = rest.get(gap + word.len()..)?.trim_ascii_start();
        let adverb = is_any(word, &[b"now", b"set", b"changed", b"reset", b"to", b"still", b"currently", b"just"]);
        if !adverb || behind.is_empty() {
            return Some(at + gap);
        }
        at += gap + word.len();
    }
}

/// A text of which what looks like a secret is blanked: behind `password=`, `secret:`, `password 7`,
/// `password for root is`, and the user information of addresses. When in doubt more is blanked than need
/// be; for texts in which a person or a program speaks.
pub fn blanked(line: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = line;
    let mut changed = false;
    while let Some((at, len)) = next_word(rest) {
        let (before, behind) = rest.split_at(at + len);
        let is_key = before.get(at..).is_some_and(|w| w.eq_ignore_ascii_case(b"key"));
        out.extend_from_slice(before);
        rest = behind;
        // `"password": "x"`, `password = x`, `password>x<`
        let gap = behind.iter().position(|c| !matches!(c, b'"' | b'\'' | b' ' | b'\t')).unwrap_or(behind.len());
        let sign = behind.get(gap).copied();
        let is_assigned = matches!(sign, Some(b'=' | b':' | b'>'));
        let value_at = match sign {
            _ if is_assigned => {
                let tail = behind.get(gap + 1..).unwrap_or_default();
                gap + 1 + tail.iter().position(|c| !matches!(c, b' ' | b'\t' | b'>')).unwrap_or(tail.len())
            }
            Some(_) if gap > 0 => gap,
            _ => continue,
        };
        let (between, value) = behind.split_at(value_at);
        let word_before = before.get(..at).unwrap_or_default().trim_ascii_end();
        let word_before = word_before.rsplit(|c| matches!(c, b' ' | b'\t')).next().unwrap_or_default();
        // The folder in which a command runs, as sudo tells it.
        let is_folder = before.ends_with(b"PWD") && value.starts_with(b"/");
        if value.is_empty()
            || value.starts_with(BLANK.as_bytes())
            || is_folder
            || is_key && is_open_key(word_before, value, is_assigned)
        {
            continue;
        }
        if is_assigned {
            out.extend_from_slice(between);
            out.extend_from_slice(BLANK.as_bytes());
            changed = true;
            // Fields of a message's head run to the end of the line.
            rest = if text::contains(before, b"authorization") || text::contains(before, b"cookie") {
                &[]
            } else {
                value.get(value_len(value)..).unwrap_or_default()
            };
            continue;
        }
        let start = match linked(value) {
            Some(start) => start,
            None if goes_on(value) || is_any(letters(value), NOUNS) && !has_more(value) => continue,
            None => 0,
        };
        out.extend_from_slice(between);
        out.extend_from_slice(value.get(..start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        changed = true;
        // A sentence: where the secret ends is not known.
        rest = &[];
    }
    let has_address = memchr::memmem::find(line, b"://").is_some();
    let has_arguments = memchr::memmem::find(line, b" -").is_some();
    if !changed && !has_address && !has_arguments {
        return line.into();
    }
    out.extend_from_slice(rest);
    let (is_sshpass, is_mysql) = (text::contains(line, b"sshpass"), text::contains(line, b"mysql"));
    let mut last: &[u8] = &[];
    let words: Vec<Cow<'_, [u8]>> = out
        .split(|c| *c == b' ')
        .map(|w| {
            let before = std::mem::replace(&mut last, w);
            match () {
                // `sshpass -p x`, `curl -u joe:x`, `mysql -px`
                () if before == b"-p" && is_sshpass => BLANK.as_bytes().into(),
                () if matches!(before, b"-u" | b"--user") => secret::user(w),
                () if w.len() > 2 && w.starts_with(b"-p") && is_mysql => [&b"-p"[..], BLANK.as_bytes()].concat().into(),
                () if memchr::memmem::find(w, b"://").is_some() => blanked_address(w),
                () => w.into(),
            }
        })
        .collect();
    words.join(&b' ').into()
}

/// Whether more than a noun follows: `community string`, and no more.
fn has_more(value: &[u8]) -> bool {
    let (_, rest) = text::word(value);
    !goes_on(rest)
}

/// Whether a bare `key` speaks of none that is secret: only what looks like one counts in a sentence, and
/// behind the words of a configuration anything.
fn is_open_key(before: &[u8], value: &[u8], is_assigned: bool) -> bool {
    let word = value.split(|c| matches!(c, b' ' | b'\t')).next().unwrap_or_default();
    let is_fingerprint = [&b"sha256:"[..], b"md5:", b"ssh-", b"rsa", b"ecdsa", b"ed25519", b"hk"]
        .iter()
        .any(|w| text::starts_with(word, w));
    if is_any(before, OPEN_KEYS) || is_fingerprint {
        return true;
    }
    let numbered = matches!(word, [b'0'..=b'9']) && value.len() > 2;
    !(is_assigned || numbered || is_any(before, BEFORE_KEY) && !goes_on(value) || is_mixed(word))
}

/// Bytes of a value behind a sign: up to the end of its quotes, else of the word.
fn value_len(value: &[u8]) -> usize {
    let quote = value.first().copied().filter(|c| matches!(c, b'"' | b'\''));
    let end = match quote {
        Some(q) => value.iter().skip(1).position(|c| *c == q).map(|n| n + 2),
        None => value.iter().position(|c| matches!(c, b' ' | b'\t' | b',' | b';' | b'&' | b'<' | b'"')),
    };
    end.unwrap_or(value.len())
}

/// A text in which what a sentence says outright to be a password is blanked (`your password is x`), and
/// nothing else.
pub fn without_statements(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((at, len)) = next_word(rest) {
        let (before, behind) = rest.split_at(at + len);
        out.extend_from_slice(before);
        rest = behind;
        if let Some(start) = linked(behind).filter(|_| matches!(behind.first(), Some(b' ' | b'\t')))
            && let Some((between, value)) = behind.split_at_checked(start)
            && !value.starts_with(BLANK.as_bytes())
        {
            // Up to the end of the clause: a passphrase has several words.
            let ends = |pair: &[u8]| matches!(pair, [b',' | b';' | b'.' | b'!', b' ']);
            let len = value.windows(2).position(ends).unwrap_or(value.len());
            out.extend_from_slice(between);
            out.extend_from_slice(BLANK.as_bytes());
            rest = value.get(len..).unwrap_or_default();
        }
    }
    if rest.len() == text.len() {
        return text.into();
    }
    out.extend_from_slice(rest);
    if out == text { text.into() } else { out.into() }
}

/// The first word of the list in a text: where it begins and how long it is.
fn next_word(line: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|r| !r.is_empty()) {
        // One letter decides most places.
        let first = rest.first().map(u8::to_ascii_lowercase);
        let is_start =
            matches!(first, Some(b'p' | b's' | b't' | b'c' | b'a' | b'j' | b'k' | b'e' | b'd' | b'w' | b'l'));
        if is_start && let Some(word) = SECRET_WORDS.iter().find(|w| text::starts_with(rest, w)) {
            // `pin` and `pass` only as words of their own; the long ones anywhere (`userPassword`).
            let before = at.checked_sub(1).and_then(|i| line.get(i));
            // `credentials`, `password1`
            let plural = usize::from(rest.get(word.len()).is_some_and(|c| c.eq_ignore_ascii_case(&b's')));
            let digits = rest.iter().skip(word.len() + plural).take_while(|c| c.is_ascii_digit()).count();
            let after = rest.get(word.len() + plural + digits);
            let alone =
                before.is_none_or(|c| !c.is_ascii_alphanumeric()) && after.is_none_or(|c| !c.is_ascii_alphanumeric());
            if alone || word.len() > 5 && after.is_none_or(|c| !c.is_ascii_lowercase()) {
                return Some((at, word.len() + plural + digits));
            }
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blanked_and_sentences_are_not() {
        let shown = |line: &str| String::from_utf8(blanked(line.as_bytes()).into_owned()).unwrap();
        assert_eq!(shown("user=a password=hunter2 ok"), "user=a password=[blanked] ok");
        assert_eq!(shown("{\"userPassword\": \"hunter 2\", \"a\": 1}"), "{\"userPassword\": [blanked], \"a\": 1}");
        assert_eq!(shown("cmd: username bob password 7 0822455D0A16"), "cmd: username bob password [blanked]");
        assert_eq!(shown("the password is hunter2"), "the password is [blanked]");
        assert_eq!(shown("GET /a?token=abc&b=1"), "GET /a?token=[blanked]&b=1");
        assert_eq!(shown("Authorization: Basic YTpi"), "Authorization: [blanked]");
        assert_eq!(shown("fetch ftp://u:hunter2@h/x now"), "fetch ftp://[blanked]@h/x now");
        assert_eq!(shown("<pwd>hunter2</pwd>"), "<pwd>[blanked]</pwd>");
        for line in [
            "Failed password for root from 192.0.2.1 port 22 ssh2",
            "password changed by admin",
            "joe : TTY=pts/0 ; PWD=/home/joe ; USER=root ; COMMAND=/bin/ls",
            "passing through the opinion of a compass",
            "",
        ] {
            assert_eq!(shown(line), line);
        }
    }

    #[test]
    fn sentences_and_configurations_that_name_a_secret() {
        for (line, want) in [
            ("password for root is hunter2", "password for root is [blanked]"),
            ("Password of user joe: hunter2", "Password of user joe: [blanked]"),
            ("password for joe changed to hunter2", "password for joe changed to [blanked]"),
            ("the password is now hunter2", "the password is now [blanked]"),
            ("default password is: hunter2", "default password is: [blanked]"),
            ("passwd hunter2", "passwd [blanked]"),
            ("password hunter", "password [blanked]"),
            ("community hunter2", "community [blanked]"),
            ("snmp-server community hunter2 RO", "snmp-server community [blanked]"),
            ("community string: hunter2", "community string: [blanked]"),
            ("community string hunter2", "community [blanked]"),
            ("set key hunter2", "set key [blanked]"),
            ("radius-server host 192.0.2.1 key 7 0822455D0A16", "radius-server host 192.0.2.1 key [blanked]"),
            ("crypto isakmp key hunter address 192.0.2.1", "crypto isakmp key [blanked]"),
            ("pre-shared-key hunter2", "pre-shared-key [blanked]"),
            ("ntp authentication-key 1 md5 hunter2", "ntp authentication-key [blanked]"),
            ("login: admin password: hunter2", "login: admin password: [blanked]"),
            ("credentials: joe/hunter2", "credentials: [blanked]"),
            ("password1=hunter2 x", "password1=[blanked] x"),
            ("COMMAND=/usr/bin/sshpass -p hunter2 ssh h", "COMMAND=/usr/bin/sshpass -p [blanked] ssh h"),
            ("COMMAND=curl -u joe:hunter2 h", "COMMAND=curl -u joe:[blanked] h"),
            ("mysql -u root -phunter2 x", "mysql -u root -p[blanked] x"),
        ] {
            assert_eq!(String::from_utf8_lossy(&blanked(line.as_bytes())), want);
            assert_eq!(String::from_utf8_lossy(&blanked(want.as_bytes())), want);
        }
        for line in [
            "Failed password for invalid user joe from 192.0.2.1 port 22",
            "password for root is incorrect",
            "Password for joe: expired",
            "Your password will expire in 5 days.",
            "Password required, but none set",
            "password must be changed",
            "Password:",
            "Password for root: ",
            "login: Password: ",
            "unknown community name",
            "bad community string from 192.0.2.1",
            "key exchange failed",
            "key is missing",
            "host key verification failed",
            "host key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
            "Accepted publickey for joe from 192.0.2.1: RSA SHA256:abc1",
            "primary key violation",
            "press any key to continue",
            "tar -p -u x",
        ] {
            assert_eq!(String::from_utf8_lossy(&blanked(line.as_bytes())), line);
        }
    }

    #[test]
    fn only_statements_are_blanked_where_no_doubt_is_wanted() {
        let shown = |line: &str| String::from_utf8(without_statements(line.as_bytes()).into_owned()).unwrap();
        assert_eq!(shown("Your password is hunter2"), "Your password is [blanked]");
        assert_eq!(shown("password is x b-c, and more"), "password is [blanked], and more");
        assert_eq!(shown("The password for joe was set to hunter"), "The password for joe was set to [blanked]");
        for line in ["Your password is wrong", "Change password of 2 users", "password hunter", "the password is", ""] {
            assert_eq!(shown(line), line);
        }
    }
}

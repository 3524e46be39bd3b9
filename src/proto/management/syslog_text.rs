//! What a syslog message says (RFC 3164, section 4; RFC 5424, section 6), and its text without secrets.

use std::borrow::Cow;

use crate::base::secret::BLANK;
use crate::proto::text;
use crate::proto::web::http_login::blanked as blanked_address;

/// A message, taken apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// Facility and severity as one number; none where the message lacks it.
    pub priority: Option<u8>,
    /// Whether it has the form of RFC 5424.
    pub is_5424: bool,
    /// Host that it names.
    pub host: Option<&'a [u8]>,
    /// Program.
    pub app: Option<&'a [u8]>,
    /// Process.
    pub process: Option<&'a [u8]>,
    /// Message identifier of RFC 5424.
    pub message_id: Option<&'a [u8]>,
    /// The rest.
    pub text: &'a [u8],
}

/// Names of facilities (RFC 5424, section 6.2.1).
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// Names of severities.
pub const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// The priority at the front: `<0>` to `<191>`, and what follows it.
pub fn priority(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let digits = rest.iter().take(4).position(|c| *c == b'>').filter(|n| (1..=3).contains(n))?;
    let number = text::decimal(rest.get(..digits)?)?;
    let priority = u8::try_from(number).ok().filter(|n| *n <= 191)?;
    Some((priority, rest.get(digits + 1..)?))
}

/// A name as hosts and programs have them.
fn name(word: &[u8]) -> Option<&[u8]> {
    let plain = |c: &u8| c.is_ascii_graphic();
    (!word.is_empty() && word != b"-" && word.len() <= 255 && word.iter().all(plain)).then_some(word)
}

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// What follows `Mmm dd hh:mm:ss ` or `Mmm dd yyyy hh:mm:ss: `, as Cisco's devices write it; or an ISO time.
pub fn behind_time(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = bytes.strip_prefix(b"*").unwrap_or(bytes);
    let (first, rest) = text::word(bytes);
    // 2003-10-11T22:14:15.003Z
    if first.len() >= 19 && first.get(4) == Some(&b'-') && first.get(10) == Some(&b'T') {
        return Some(rest);
    }
    if !MONTHS.contains(&first) {
        return None;
    }
    let (day, rest) = text::word(rest);
    text::decimal(day).filter(|d| (1..=31).contains(d))?;
    let (mut clock, mut rest) = text::word(rest);
    if clock.len() == 4 && text::decimal(clock).is_some() {
        (clock, rest) = text::word(rest);
    }
    let is_clock = clock.len() >= 8 && clock.get(2) == Some(&b':') && clock.get(5) == Some(&b':');
    is_clock.then_some(rest)
}

/// What follows the structured data (RFC 5424, section 6.3): `-`, or elements in brackets whose values
/// may hold a bracket only behind a backslash.
fn behind_structured(rest: &[u8]) -> &[u8] {
    if let Some(text) = rest.strip_prefix(b"-") {
        return text.trim_ascii_start();
    }
    let mut inside = false;
    let mut escaped = false;
    for (at, c) in rest.iter().enumerate() {
        match c {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' if !inside => inside = true,
            b']' if inside => inside = false,
            _ if inside => {}
            b' ' => return rest.get(at + 1..).unwrap_or_default(),
            _ => return rest,
        }
    }
    if inside { rest } else { &[] }
}

impl<'a> Parsed<'a> {
    /// Takes a message apart. Anything is one: the standard asks receivers to take what comes.
    pub fn of(bytes: &'a [u8]) -> Self {
        let (priority, rest) = match priority(bytes) {
            Some((priority, rest)) => (Some(priority), rest),
            None => (None, bytes),
        };
        let rest = rest.trim_ascii_end();
        let parsed = Self { priority, text: rest, ..Self::default() };
        if let Some(rest) = rest.strip_prefix(b"1 ") {
            return parsed.rfc5424(rest);
        }
        let Some(mut rest) = behind_time(rest) else { return Self { text: rest, ..parsed }.tagged(rest) };
        // A host follows; where devices leave it out, the tag comes at once.
        let (word, behind) = text::word(rest);
        let mut host = None;
        if !word.ends_with(b":") && !word.ends_with(b"]") && !behind.is_empty() {
            host = name(word);
            rest = behind;
        }
        Self { host, ..parsed }.tagged(rest)
    }

    /// `app[pid]: text`
    fn tagged(self, rest: &'a [u8]) -> Self {
        let end = rest.iter().take(64).position(|c| !(c.is_ascii_alphanumeric() || b"-_./%".contains(c)));
        let Some(end) = end.filter(|n| *n > 0) else { return Self { text: rest, ..self } };
        let (tag, behind) = rest.split_at(end);
        if let Some(inner) = behind.strip_prefix(b"[")
            && let Some((process, after)) = text::split_once(inner, b']')
            && process.len() <= 32
        {
            let text = after.strip_prefix(b":").unwrap_or(after).trim_ascii_start();
            return Self { app: name(tag), process: name(process), text, ..self };
        }
        match behind.strip_prefix(b":") {
            Some(text) => Self { app: name(tag), text: text.trim_ascii_start(), ..self },
            None => Self { text: rest, ..self },
        }
    }

    /// `TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`
    fn rfc5424(self, rest: &'a [u8]) -> Self {
        let (_time, rest) = text::word(rest);
        let (host, rest) = text::word(rest);
        let (app, rest) = text::word(rest);
        let (process, rest) = text::word(rest);
        let (message_id, rest) = text::word(rest);
        let text = behind_structured(rest);
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self {
            is_5424: true,
            host: name(host),
            app: name(app),
            process: name(process),
            message_id: name(message_id),
            text,
            ..self
        }
    }
}

/// Words behind which a secret stands.
const SECRET_WORDS: &[&[u8]] = &[
    b"password",
    b"passwd",
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
    b"authorization",
    b"cookie",
    b"credential",
    b"private_key",
    b"pin",
    b"pass",
    b"sessionid",
    b"session_id",
    b"jsessionid",
    b"access_key",
];

/// What may follow such a word in a sentence that names no secret.
const HARMLESS_WORDS: &[&[u8]] = &[
    b"for",
    b"from",
    b"authentication",
    b"auth",
    b"changed",
    b"change",
    b"check",
    b"failed",
    b"failure",
    b"incorrect",
    b"expired",
    b"required",
    b"not",
    b"mismatch",
    b"accepted",
    b"verification",
    b"database",
    b"file",
    b"policy",
    b"reset",
    b"and",
    b"or",
    b"to",
    b"at",
    b"on",
    b"in",
    b"by",
    b"string",
    b"updated",
    b"rejected",
    b"invalid",
];

/// A text of which what looks like a secret is blanked: behind `password=`, `secret:`, `password 7`,
/// and the user information of addresses. When in doubt more is blanked than need be.
pub fn blanked(line: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = line;
    let mut changed = false;
    while let Some((at, len)) = next_word(rest) {
        let (before, behind) = rest.split_at(at + len);
        out.extend_from_slice(before);
        // `"password": "x"`, `password = x`, `password>x<`
        let gap = behind.iter().position(|c| !matches!(c, b'"' | b'\'' | b' ' | b'\t')).unwrap_or(behind.len());
        let sign = behind.get(gap).copied();
        let value_at = match sign {
            Some(b'=' | b':' | b'>') => {
                let tail = behind.get(gap + 1..).unwrap_or_default();
                gap + 1 + tail.iter().position(|c| !matches!(c, b' ' | b'\t' | b'>')).unwrap_or(tail.len())
            }
            Some(_) if gap > 0 => gap,
            _ => {
                rest = behind;
                continue;
            }
        };
        let (between, value) = behind.split_at(value_at);
        // The folder in which a command runs, as sudo tells it.
        if before.ends_with(b"PWD") && value.starts_with(b"/") {
            rest = behind;
            continue;
        }
        let is_assigned = matches!(sign, Some(b'=' | b':' | b'>'));
        let word = value.split(|c| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if value.is_empty() || !is_assigned && HARMLESS_WORDS.iter().any(|w| word.eq_ignore_ascii_case(w)) {
            rest = behind;
            continue;
        }
        out.extend_from_slice(between);
        out.extend_from_slice(BLANK.as_bytes());
        changed = true;
        rest = if !is_assigned || text::contains(before, b"authorization") || text::contains(before, b"cookie") {
            // A sentence, or a field that runs to the end of the line.
            &[]
        } else {
            let quote = value.first().copied().filter(|c| matches!(c, b'"' | b'\''));
            let end = match quote {
                Some(q) => value.iter().skip(1).position(|c| *c == q).map(|n| n + 2),
                None => value.iter().position(|c| matches!(c, b' ' | b'\t' | b',' | b';' | b'&' | b'<' | b'"')),
            };
            value.get(end.unwrap_or(value.len())..).unwrap_or_default()
        };
    }
    if !changed && memchr::memmem::find(line, b"://").is_none() {
        return line.into();
    }
    out.extend_from_slice(rest);
    let words: Vec<Cow<'_, [u8]>> = out
        .split(|c| *c == b' ')
        .map(|w| if memchr::memmem::find(w, b"://").is_some() { blanked_address(w) } else { w.into() })
        .collect();
    words.join(&b' ').into()
}

/// The first word of the list in a text: where it begins and how long it is.
fn next_word(line: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|r| !r.is_empty()) {
        // One letter decides most places.
        let is_start =
            matches!(rest.first().map(u8::to_ascii_lowercase), Some(b'p' | b's' | b't' | b'c' | b'a' | b'j'));
        if is_start && let Some(word) = SECRET_WORDS.iter().find(|w| text::starts_with(rest, w)) {
            // `pin` and `pass` only as words of their own; the long ones anywhere (`userPassword`).
            let before = at.checked_sub(1).and_then(|i| line.get(i));
            let after = rest.get(word.len());
            let alone =
                before.is_none_or(|c| !c.is_ascii_alphanumeric()) && after.is_none_or(|c| !c.is_ascii_alphanumeric());
            if alone || word.len() > 5 && after.is_none_or(|c| !c.is_ascii_lowercase()) {
                return Some((at, word.len()));
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
    fn the_examples_of_rfc_3164_and_5424() {
        let p = Parsed::of(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8");
        assert_eq!((p.priority, p.host, p.app), (Some(34), Some(&b"mymachine"[..]), Some(&b"su"[..])));
        assert_eq!(p.text, b"'su root' failed for lonvick on /dev/pts/8");
        let p = Parsed::of(b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!");
        assert_eq!((p.host, p.app, p.text), (Some(&b"10.0.0.99"[..]), None, &b"Use the BFG!"[..]));
        let p = Parsed::of(b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time.");
        assert!(p.is_5424);
        assert_eq!((p.host, p.app, p.process), (Some(&b"192.0.2.1"[..]), Some(&b"myproc"[..]), Some(&b"8710"[..])));
        assert_eq!((p.message_id, p.text), (None, &b"%% It's time."[..]));
        let p = Parsed::of(
            b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed",
        );
        assert_eq!((p.message_id, p.text), (Some(&b"ID47"[..]), &b"'su root' failed"[..]));
        let p = Parsed::of(
            b"<165>1 2003-10-11T22:14:15.003Z m e - ID47 [a@32473 iut=\"3\" x=\"a\\]b\"][b@1 c=\"2\"] An event",
        );
        assert_eq!(p.text, b"An event");
    }

    #[test]
    fn forms_of_devices() {
        let p = Parsed::of(b"<189>Nov 25 2026 10:00:00: %SYS-5-CONFIG_I: Configured from console");
        assert_eq!((p.host, p.app), (None, Some(&b"%SYS-5-CONFIG_I"[..])));
        let p = Parsed::of(b"<30>Nov  5 01:02:03 sshd[77]: hello");
        assert_eq!((p.host, p.app, p.process), (None, Some(&b"sshd"[..]), Some(&b"77"[..])));
        let p = Parsed::of(b"<14>just words");
        assert_eq!((p.priority, p.app, p.text), (Some(14), None, &b"just words"[..]));
        assert_eq!(Parsed::of(b"<192>x").priority, None);
        assert_eq!(Parsed::of(b"").text, b"");
    }

    #[test]
    fn secrets_are_blanked_and_sentences_are_not() {
        let shown = |line: &str| String::from_utf8(blanked(line.as_bytes()).into_owned()).unwrap();
        assert_eq!(shown("user=a password=hunter2 ok"), "user=a password=[blanked] ok");
        assert_eq!(shown("{\"userPassword\": \"hunter 2\", \"a\": 1}"), "{\"userPassword\": [blanked], \"a\": 1}");
        assert_eq!(shown("cmd: username bob password 7 0822455D0A16"), "cmd: username bob password [blanked]");
        assert_eq!(shown("the password is hunter2"), "the password [blanked]");
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
}

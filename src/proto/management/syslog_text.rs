//! What a syslog message says (RFC 3164, section 4; RFC 5424, section 6).

use crate::proto::text;

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

/// A name as hosts and programs have them, which is neither a setting nor the name of one that is secret.
fn name(word: &[u8]) -> Option<&[u8]> {
    let plain = |c: &u8| c.is_ascii_graphic() && *c != b'=';
    (!text::is_secret_word(word) && !word.is_empty() && word != b"-" && word.len() <= 255 && word.iter().all(plain))
        .then_some(word)
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
        if !word.ends_with(b":")
            && !word.ends_with(b"]")
            && !behind.is_empty()
            && let Some(word) = name(word)
        {
            host = Some(word);
            rest = behind;
        }
        Self { host, ..parsed }.tagged(rest)
    }

    /// `app[pid]: text`
    fn tagged(self, rest: &'a [u8]) -> Self {
        let end = rest.iter().take(64).position(|c| !(c.is_ascii_alphanumeric() || b"-_./%".contains(c)));
        let Some(end) = end.filter(|n| *n > 0) else { return Self { text: rest, ..self } };
        let (tag, behind) = rest.split_at(end);
        if text::is_secret_word(tag) {
            return Self { text: rest, ..self };
        }
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
    fn a_secret_s_name_is_neither_host_nor_program() {
        for line in ["password: hunter2", "password=hunter2 x", "password hunter2"] {
            for start in ["<13>", "<13>Nov  5 01:02:03 "] {
                let all = format!("{start}{line}");
                let p = Parsed::of(all.as_bytes());
                assert_eq!((p.host, p.app, p.text), (None, None, line.as_bytes()), "{all}");
            }
        }
    }
}

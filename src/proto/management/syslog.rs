//! Syslog over UDP and TCP (RFC 3164, RFC 5424, RFC 5426, RFC 6587).

use super::syslog_text::{FACILITIES, Parsed, SEVERITIES, behind_time, priority};
use crate::base::limits;
use crate::base::secret::Reveal;
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::proto::prose;
use crate::proto::text::{self, Line, Lines};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "syslog",
    doc: "One syslog message; of its text the beginning, with what looks like a secret blanked",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("format", Type::Text, "rfc3164 or rfc5424"),
        Column::repeating(
            "facility",
            Type::Text,
            "kern, user, mail, daemon, auth ... local7; null where the message has none",
        ),
        Column::repeating("severity", Type::Text, "emerg, alert, crit, err, warning, notice, info or debug"),
        Column::repeating("host", Type::Text, "Host that the message names, which may not be its sender"),
        Column::repeating("app", Type::Text, "Program"),
        Column::repeating("process", Type::Text, "Process number or name"),
        Column::repeating("message_id", Type::Text, "Kind of message (RFC 5424)"),
        Column::new("message", Type::Text, "The first 256 bytes of the text, secrets blanked"),
        Column::new("message_len", Type::Int64, "Bytes of the text"),
    ],
};

/// A message.
#[derive(Clone, Copy)]
pub struct Event<'e> {
    /// Who sent it.
    pub dir: Direction,
    /// What it says.
    pub message: Parsed<'e>,
}

impl std::fmt::Debug for Event<'_> {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Syslog({:?}, {:?}, {} bytes)", self.dir, self.message.priority, self.message.text.len())
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        let m = &self.message;
        row.text(if m.is_5424 { "rfc5424" } else { "rfc3164" });
        row.opt_text(m.priority.and_then(|p| FACILITIES.get(usize::from(p >> 3)).copied()));
        row.opt_text(m.priority.and_then(|p| SEVERITIES.get(usize::from(p & 7)).copied()));
        row.opt_bytes(m.host).opt_bytes(m.app).opt_bytes(m.process).opt_bytes(m.message_id);
        match reveal {
            Reveal::Yes => row.bytes(m.text),
            // What is cut off may be the end of a secret, so a word more is looked at than is shown.
            Reveal::No => {
                let start = m.text.get(..2 * limits::SYSLOG_TEXT_BYTES_MAX).unwrap_or(m.text);
                let shown = prose::blanked(start);
                row.bytes(shown.get(..limits::SYSLOG_TEXT_BYTES_MAX).unwrap_or(&shown))
            }
        };
        row.count(m.text.len() as u64);
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        // A relay passes on what others say (RFC 3164, section 4.1.2): only where it has a name and is no
        // address, and the weight of it is judged later.
        if let Some(host) = self.message.host.filter(|h| h.iter().any(u8::is_ascii_alphabetic) && !h.contains(&b':')) {
            tell(Fact { about: About::Side(self.dir), attribute: "hostname", value: host });
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Syslog {
    lines: [Lines; 2],
    /// Whether the bytes that come next lie within a line whose start is gone.
    lost: [bool; 2],
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// The length before a message that is counted (RFC 6587, section 3.4.1): its value, and the bytes that
/// it takes with the blank.
fn counted(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take(6).position(|c| !c.is_ascii_digit())?;
    if digits == 0 || bytes.get(digits) != Some(&b' ') {
        return None;
    }
    let len = usize::try_from(text::decimal(bytes.get(..digits)?)?).ok()?;
    Some((len, digits + 1))
}

impl AppParser for Syslog {
    const SPEC: Spec = Spec {
        name: "syslog",
        title: "Syslog",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[514, 601],
        reference: "RFC 3164, RFC 5424, RFC 6587",
        table: Some(&TABLE),
        yields: "host, program, severity and the start of each message, secrets blanked",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let rest = match payload.first() {
            None => return Probe::NeedMore,
            Some(b'<') => payload,
            Some(b'1'..=b'9') => match counted(payload) {
                Some((len, used)) if (5..=limits::SYSLOG_MESSAGE_BYTES_MAX).contains(&len) => {
                    payload.get(used..).unwrap_or_default()
                }
                None if payload.len() < 6 && payload.iter().all(u8::is_ascii_digit) => return Probe::NeedMore,
                _ => return Probe::No,
            },
            // Some devices leave the priority out (RFC 3164, section 4.3.3): the time is then the sign.
            Some(c) if c.is_ascii_uppercase() => {
                return match behind_time(payload.get(..64).unwrap_or(payload)) {
                    Some(rest) if !rest.is_empty() => Probe::Yes,
                    _ if payload.len() < 24 && payload.iter().all(|c| (0x20..0x7f).contains(c)) => Probe::NeedMore,
                    _ => Probe::No,
                };
            }
            Some(_) => return Probe::No,
        };
        match (priority(rest), rest) {
            (Some((_, behind)), _) => match behind {
                [] => Probe::NeedMore,
                [c, ..] if *c >= 0x20 && *c != b'<' && *c != 0x7f => Probe::Yes,
                _ => Probe::No,
            },
            (None, []) => Probe::NeedMore,
            (None, [b'<', digits @ ..]) if digits.len() < 3 && digits.iter().all(u8::is_ascii_digit) => Probe::NeedMore,
            (None, [b'<', a, b, c]) if [a, b, c].iter().all(|d| d.is_ascii_digit()) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            if !bytes.is_empty() {
                emit(Event { dir, message: Parsed::of(bytes) });
            }
            return Progress::Done;
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let (Some(lines), Some(lost)) = (self.lines.get_mut(dir.index()), self.lost.get_mut(dir.index())) else {
                return Progress::Finished;
            };
            match rest {
                [] => return Progress::Done,
                [b'1'..=b'9', ..] if !*lost => {
                    let Some((len, head)) = counted(rest) else {
                        if rest.len() < 6 && rest.iter().all(u8::is_ascii_digit) {
                            return Progress::Partial { consumed: used, needed: rest.len() + 1 };
                        }
                        return Progress::Violation("no length before a message");
                    };
                    if len > limits::SYSLOG_MESSAGE_BYTES_MAX {
                        cx.limit_hit();
                        return Progress::Finished;
                    }
                    let Some(message) = rest.get(head..head + len) else {
                        return Progress::Partial { consumed: used, needed: head + len };
                    };
                    used += head + len;
                    emit(Event { dir, message: Parsed::of(message) });
                }
                _ => match lines.next(rest) {
                    Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                    Line::Rest(n) => {
                        used += n;
                        *lost = rest.get(..n).is_some_and(|l| !l.ends_with(b"\n"));
                    }
                    Line::Whole(line, n) => {
                        used += n;
                        *lost = rest.get(..n).is_some_and(|l| !l.ends_with(b"\n"));
                        if line.len() == limits::LINE_BYTES_MAX {
                            cx.limit_hit();
                        }
                        if !line.is_empty() {
                            emit(Event { dir, message: Parsed::of(line) });
                        }
                    }
                },
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let (Some(lines), Some(lost)) = (self.lines.get_mut(dir.index()), self.lost.get_mut(dir.index())) {
            lines.resync();
            *lost = true;
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        // The last message may lack its end (RFC 6587, section 3.4.2).
        if priority(rest).is_some() {
            emit(Event { dir, message: Parsed::of(rest) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn datagrams() {
        let seen = Script::new()
            .orig("<34>Oct 11 22:14:15 mymachine su: 'su root' failed")
            .orig("<13>1 2026-11-25T10:00:00Z cam app 7 ID - login password=hunter2 ok\n")
            .datagrams::<Syslog>();
        assert_eq!(seen.cells("facility"), ["auth", "user"]);
        assert_eq!(seen.cells("severity"), ["crit", "notice"]);
        assert_eq!(seen.cells("host"), ["mymachine", "cam"]);
        assert_eq!(seen.cells("message"), ["'su root' failed", "login password=[blanked] ok"]);
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn streams_with_lengths_and_with_lines() {
        let seen = Script::new().orig("5 <1>ab9 <2>x: cde<3>line\n<4>next\n").any_chunking::<Syslog>();
        assert_eq!(seen.cells("message"), ["ab", "cde", "line", "next"]);
        let seen = Script::new()
            .orig("<1>one\n<2>tw")
            .gap(Direction::Orig, 10)
            .orig("o 12 x\n<3>three")
            .any_chunking::<Syslog>();
        assert_eq!(seen.cells("message"), ["one", "three"]);
        let seen = Script::new().orig("99999 <1>").any_chunking::<Syslog>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn long_texts_are_cut_and_a_secret_at_the_cut_is_blanked() {
        let text = format!("<1>{}password=hunter2hunter2", "x ".repeat(120));
        let seen = Script::new().orig(text).datagrams::<Syslog>();
        assert!(!seen.cell("message").contains("hunter"), "{}", seen.cell("message"));
        assert_eq!(seen.cell("message_len"), "263");
    }

    #[test]
    fn probes() {
        for (bytes, want) in [
            ("<34>Oct 11 22:14:15 m su: x", Probe::Yes),
            ("<0>x", Probe::Yes),
            ("<192>x", Probe::No),
            ("<?xml version=\"1.0\"?>", Probe::No),
            ("<1", Probe::NeedMore),
            ("<html>", Probe::No),
            ("29 <34>1 2003 a", Probe::Yes),
            ("29 ", Probe::NeedMore),
            ("220 ftp.example ready\r\n", Probe::No),
            ("Oct 11 22:14:15 host app: text", Probe::Yes),
            ("October is a month of the year", Probe::No),
            ("GET / HTTP/1.1\r\nHost: example.org\r\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Syslog>(Direction::Orig, bytes.as_bytes()), want, "{bytes}");
        }
    }
}

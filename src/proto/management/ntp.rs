//! NTP and SNTP (RFC 5905), its control messages (RFC 9327, mode 6) and the private ones of `ntpd`
//! (mode 7).

use crate::base::bytes::Reader;
use crate::base::secret::Reveal;
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "ntp",
    doc: "One NTP message of which something is new on its flow: the first of each side, a change of stratum or \
          reference, each control message",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("version", Type::Int32, "Version of the protocol"),
        Column::repeating(
            "mode",
            Type::Text,
            "symmetric-active, symmetric-passive, client, server, broadcast, control or private",
        ),
        Column::repeating("stratum", Type::Int32, "Steps from a reference clock; 0 is unspecified, 16 unsynchronised"),
        Column::repeating("reference_id", Type::Text, "Name of the clock, or address that the time comes from"),
        Column::repeating("authenticated", Type::Bool, "Whether a message digest or NTS extension follows"),
        Column::repeating(
            "operation",
            Type::Text,
            "Of control and private messages: what is asked for (monlist, readvar ...)",
        ),
        Column::repeating("is_response", Type::Bool, "Of control and private messages: whether it is the answer"),
        Column::repeating("daemon", Type::Text, "Version of the daemon as a control answer tells it"),
        Column::repeating("system", Type::Text, "Operating system as a control answer tells it"),
    ],
};

/// The smallest time message (RFC 5905, section 7.3).
const HEADER: usize = 48;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A time message, modes 1 to 5.
    Time {
        /// 1 to 5.
        mode: u8,
        /// Stratum.
        stratum: u8,
        /// Reference identifier.
        reference: [u8; 4],
        /// Whether something follows that authenticates it.
        authenticated: bool,
    },
    /// A control message, mode 6 (RFC 9327, section 2).
    Control {
        /// Operation.
        opcode: u8,
        /// Whether it answers.
        is_response: bool,
        /// Its text.
        text: &'a [u8],
    },
    /// A private message, mode 7.
    Private {
        /// Request code.
        request: u8,
        /// Whether it answers.
        is_response: bool,
        /// Items that an answer holds.
        items: u16,
    },
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Who sent it.
    pub dir: Direction,
    /// Version, 1 to 4.
    pub version: u8,
    /// The message.
    pub message: Message<'e>,
}

const MODES: [&str; 8] =
    ["reserved", "symmetric-active", "symmetric-passive", "client", "server", "broadcast", "control", "private"];

impl<'a> Event<'a> {
    fn parse(dir: Direction, bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let first = r.u8("first").ok()?;
        let (version, mode) = (first >> 3 & 7, first & 7);
        if !(1..=4).contains(&version) {
            return None;
        }
        let message = match mode {
            1..=5 => time(mode, r)?,
            6 => control(bytes.len(), r)?,
            7 => private(first, r)?,
            _ => return None,
        };
        Some(Self { dir, version, message })
    }

    /// Mode, as the `mode` column spells it.
    pub fn mode(&self) -> &'static str {
        let mode = match self.message {
            Message::Time { mode, .. } => mode,
            Message::Control { .. } => 6,
            Message::Private { .. } => 7,
        };
        MODES.get(usize::from(mode)).copied().unwrap_or_default()
    }

    /// What a control or private message asks for.
    pub const fn operation(&self) -> Option<&'static str> {
        Some(match self.message {
            Message::Time { .. } => return None,
            Message::Control { opcode, .. } => match opcode {
                1 => "readstat",
                2 => "readvar",
                3 => "writevar",
                4 => "readclock",
                5 => "writeclock",
                6 => "settrap",
                7 => "asyncmsg",
                8 => "configure",
                9 => "saveconfig",
                10 => "mrulist",
                11 => "ifstats",
                12 => "nonce",
                31 => "unsettrap",
                _ => "other",
            },
            // ntp_request.h of the reference implementation.
            Message::Private { request, .. } => match request {
                0 => "peer-list",
                1 => "peer-list-sum",
                2 => "peer-info",
                3 => "peer-stats",
                4 => "sys-info",
                5 => "sys-stats",
                16 => "reslist",
                20 | 42 => "monlist",
                _ => "other",
            },
        })
    }

    /// Whether a control or private message answers.
    pub const fn is_response(&self) -> Option<bool> {
        match self.message {
            Message::Time { .. } => None,
            Message::Control { is_response, .. } | Message::Private { is_response, .. } => Some(is_response),
        }
    }

    fn variable(&self, name: &[u8]) -> Option<&'a [u8]> {
        let Message::Control { text, is_response: true, .. } = self.message else { return None };
        variable(text, name)
    }

    fn reference(&self) -> Option<String> {
        let Message::Time { mode: 2 | 4 | 5 | 1, stratum, reference, .. } = self.message else { return None };
        if reference == [0; 4] {
            return None;
        }
        // Of a clock, and of a kiss of death, it is a name of up to four letters (RFC 5905, section 7.3).
        if stratum <= 1 {
            let end = reference.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
            let name = reference.get(..end)?;
            return name.iter().all(u8::is_ascii_graphic).then(|| String::from_utf8_lossy(name).into_owned());
        }
        let [a, b, c, d] = reference;
        Some(format!("{a}.{b}.{c}.{d}"))
    }
}

/// `name="value"` or `name=value` in the text of a control answer (RFC 9327, section 3).
fn variable<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find_iter(text, name).find_map(|at| {
        let before = at.checked_sub(1).and_then(|i| text.get(i));
        if before.is_some_and(|c| !matches!(c, b',' | b' ' | b'\n' | b'\r')) {
            return None;
        }
        let value = text.get(at + name.len()..)?.strip_prefix(b"=")?;
        match value.strip_prefix(b"\"") {
            Some(quoted) => quoted.split(|c| *c == b'"').next(),
            None => value.split(|c| matches!(c, b',' | b'\r' | b'\n')).next(),
        }
    })
}

fn time<'a>(mode: u8, mut r: Reader<'_>) -> Option<Message<'a>> {
    let total = r.remaining() + 1;
    let stratum = r.u8("stratum").ok()?;
    r.u8("poll").ok()?;
    r.u8("precision").ok()?;
    r.skip("delays", 8).ok()?;
    let reference = r.array::<4>("reference id").ok()?;
    if total < HEADER {
        return None;
    }
    Some(Message::Time { mode, stratum, reference, authenticated: total >= HEADER + 20 })
}

fn control<'a>(total: usize, mut r: Reader<'a>) -> Option<Message<'a>> {
    let op = r.u8("op").ok()?;
    r.skip("sequence", 2).ok()?;
    let status = r.be16("status").ok()?;
    r.skip("association", 2).ok()?;
    let offset = r.be16("offset").ok()?;
    let count = usize::from(r.be16("count").ok()?);
    let text = r.take("text", count).ok()?;
    let (opcode, is_response) = (op & 0x1f, op & 0x80 != 0);
    // Behind the text there may be padding to four bytes, and a digest of 16 or 20 bytes with its key number.
    let tail = total.checked_sub(12 + count)?;
    let fits = tail < 4 || (20..32).contains(&tail);
    // A question has neither status nor offset, nor the bits of an error or a continuation.
    let sound = is_response || op & 0x60 == 0 && status == 0 && offset == 0;
    let is_binary = matches!(opcode, 6 | 31);
    let readable = is_binary || crate::proto::text::is_text(text);
    (sound && fits && readable && matches!(opcode, 1..=12 | 31)).then_some(Message::Control {
        opcode,
        is_response,
        text,
    })
}

fn private<'a>(first: u8, mut r: Reader<'_>) -> Option<Message<'a>> {
    let sequence = r.u8("sequence").ok()?;
    let implementation = r.u8("implementation").ok()?;
    let request = r.u8("request code").ok()?;
    let is_response = first & 0x80 != 0;
    let (items, size) = (r.be16("items").unwrap_or(0), r.be16("size").unwrap_or(0));
    let (error, items) = (items >> 12, items & 0xfff);
    let size = size & 0xfff;
    let fits = if is_response {
        error <= 7 && usize::from(items) * usize::from(size) == r.remaining()
    } else {
        // Requests come as a header of eight bytes, or padded with their data to 40 and more.
        let length = r.remaining() == 0 || r.remaining() >= 32;
        first & 0xc0 == 0 && sequence & 0x7f == 0 && error == 0 && items <= 64 && size <= 512 && length
    };
    (matches!(implementation, 0 | 2 | 3) && request <= 45 && fits).then_some(Message::Private {
        request,
        is_response,
        items,
    })
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.int(self.version).text(self.mode());
        match self.message {
            Message::Time { stratum, authenticated, .. } => {
                row.int(stratum).opt_text(self.reference().as_deref()).bool(authenticated)
            }
            _ => row.null().null().null(),
        };
        row.opt_text(self.operation()).opt_bool(self.is_response());
        row.opt_bytes(self.variable(b"version")).opt_bytes(self.variable(b"system"));
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.dir);
        if self.mode() == "server" {
            tell(Fact { about, attribute: "role", value: b"server" });
        }
        for (attribute, name) in [("server", b"version".as_slice()), ("os", b"system"), ("processor", b"processor")] {
            if let Some(value) = self.variable(name) {
                tell(Fact { about, attribute, value });
            }
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Ntp {
    /// What the last row of each direction said.
    told: [Option<(u8, u8, [u8; 4])>; 2],
    understood: bool,
}

/// Seconds in the upper half of a short timestamp (RFC 5905, section 6) that a delay or dispersion
/// may have: a server that never was synchronised counts up to its own uptime.
const SECONDS_MAX: u16 = 0x0400;

impl AppParser for Ntp {
    const SPEC: Spec = Spec {
        name: "ntp",
        title: "NTP",
        transports: &[Transport::Udp],
        ports: &[123],
        reference: "RFC 5905, RFC 9327",
        table: Some(&TABLE),
        yields: "where the time comes from, version and system of the daemon, monlist",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        let Some(first) = payload.first() else { return Probe::NeedMore };
        let said = match first & 7 {
            1..=5 => plausible(payload),
            6 | 7 => Event::parse(dir, payload).is_some(),
            _ => false,
        };
        if said {
            Probe::Yes
        } else if payload.len() < 8 {
            Probe::NeedMore
        } else {
            Probe::No
        }
    }

    fn on_data(&mut self, _cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let Some(event) = Event::parse(dir, bytes) else {
            return if self.understood { Progress::Done } else { Progress::Violation("not an NTP message") };
        };
        self.understood = true;
        if let Message::Time { mode, stratum, reference, .. } = event.message {
            let now = Some((mode, stratum, reference));
            let Some(told) = self.told.get_mut(dir.index()).filter(|t| **t != now) else { return Progress::Done };
            *told = now;
        }
        emit(event);
        Progress::Done
    }
}

/// Whether a datagram is a time message: its header has room for little else, but no magic number.
fn plausible(payload: &[u8]) -> bool {
    let [first, stratum, poll, precision, d1, d0, _, _, s1, s0, _, _, ..] = payload else { return false };
    let (version, mode) = (first >> 3 & 7, first & 7);
    let len = payload.len();
    // A digest has a key number and 16 or 20 bytes (RFC 5905, section 7.3); extensions come in steps of four.
    if len < HEADER || !len.is_multiple_of(4) || len > 1500 || !(1..=4).contains(&version) || *stratum > 16 {
        return false;
    }
    let (delay, dispersion) = (u16::from_be_bytes([*d1, *d0]), u16::from_be_bytes([*s1, *s0]));
    let transmit = payload.get(40..48).unwrap_or_default();
    // A server that is synchronised lives after 1970, and every poll is at most 2^17 s (RFC 5905, section 7.2).
    let dated = matches!(stratum, 0 | 16) || transmit.first().is_some_and(|b| *b >= 0x83 || *b < 0x20);
    let calm = *poll <= 17 || *poll >= 0xfa;
    let is_zero = |b: &[u8]| b.iter().all(|b| *b == 0);
    // Precision is a power of two below a second; clients may leave everything but the first byte out.
    let precise = *precision == 0 || (0xe0..=0xff).contains(precision);
    // Symmetric delay may be a little below zero.
    let sane = !(SECONDS_MAX..0xfff0).contains(&delay) && dispersion < SECONDS_MAX;
    match mode {
        3 => calm && (precise && sane || payload.get(4..24).is_some_and(is_zero)),
        _ => calm && precise && sane && dated && !is_zero(transmit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn message(first: u8, stratum: u8, reference: [u8; 4]) -> Vec<u8> {
        let mut out = vec![first, stratum, 6, 0xec, 0, 0, 0x10, 0, 0, 0, 0x20, 0];
        out.extend(reference);
        out.extend([0; 24]);
        out.extend([0xe9, 0, 0, 1, 0, 0, 0, 1]);
        out
    }

    #[test]
    fn a_client_and_a_server() {
        let mut ask = vec![0x23];
        ask.resize(48, 0);
        let seen = Script::new()
            .orig(&ask)
            .resp(message(0x24, 2, [192, 0, 2, 7]))
            .orig(&ask)
            .resp(message(0x24, 2, [192, 0, 2, 7]))
            .resp(message(0x24, 1, *b"GPS\0"))
            .datagrams::<Ntp>();
        assert_eq!(seen.cells("mode"), ["client", "server", "server"]);
        assert_eq!(seen.cells("reference_id"), ["-", "192.0.2.7", "GPS"]);
        assert_eq!(seen.cells("stratum"), ["0", "2", "1"]);
        assert_eq!(seen.cells("version"), ["4", "4", "4"]);
    }

    #[test]
    fn control_messages() {
        let text =
            b"version=\"ntpd ntpsec-1.2.2\",processor=\"x86_64\",\r\nsystem=\"Linux/6.1\",leap=00,sysversion=\"x\"";
        let mut answer = vec![0x16, 0x82, 0, 1, 6, 0x15, 0, 0, 0, 0, 0, text.len() as u8];
        answer.extend(text);
        while answer.len() % 4 != 0 {
            answer.push(0);
        }
        let seen = Script::new().orig([0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).resp(&answer).datagrams::<Ntp>();
        assert_eq!(seen.cells("operation"), ["readvar", "readvar"]);
        assert_eq!(seen.cells("is_response"), ["false", "true"]);
        assert_eq!(seen.cells("daemon"), ["-", "ntpd ntpsec-1.2.2"]);
        assert_eq!(seen.cells("system"), ["-", "Linux/6.1"]);
    }

    #[test]
    fn monlist_is_seen() {
        let ask = [0x17, 0, 3, 42, 0, 0, 0, 0];
        let mut answer = vec![0xd7, 0, 3, 42, 0, 1, 0, 72];
        answer.resize(8 + 72, 1);
        let seen = Script::new().orig(ask).resp(&answer).datagrams::<Ntp>();
        assert_eq!(seen.cells("operation"), ["monlist", "monlist"]);
        assert_eq!(Ntp::probe(Direction::Orig, &ask), Probe::Yes);
        // ntpq of NTPsec sets the leap indicator too.
        assert_eq!(Ntp::probe(Direction::Orig, &[0xd6, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Probe::Yes);
        // A call of Sun RPC with an unlucky number.
        let call = [0x1e, 2, 0xf3, 0x5f, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x86, 0xa0, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!(Ntp::probe(Direction::Orig, &[&call[..], &[0; 16]].concat()), Probe::No);
        assert_eq!(Ntp::probe(Direction::Resp, &answer), Probe::Yes);
    }

    #[test]
    fn what_is_none() {
        let good = message(0x24, 2, [192, 0, 2, 7]);
        assert_eq!(Ntp::probe(Direction::Resp, &good), Probe::Yes);
        for (at, value, why) in [
            (0, 0x2c, "version 5"),
            (1, 17, "stratum"),
            (3, 7, "precision"),
            (4, 9, "delay"),
            (8, 9, "dispersion"),
            (2, 0x9c, "poll"),
            (40, 0x4d, "before 1970"),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Ntp::probe(Direction::Resp, &bad), Probe::No, "{why}");
        }
        assert_eq!(Ntp::probe(Direction::Resp, &good[..47]), Probe::No);
        assert_eq!(
            Ntp::probe(Direction::Orig, b"GET / HTTP/1.1\r\nHost: a-name-of-many-letters.example\r\n\r\n"),
            Probe::No
        );
        for end in 0..good.len() {
            let seen = Script::new().orig(&good[..end]).datagrams::<Ntp>();
            assert!(seen.rows.is_empty());
        }
        assert_ne!(probe_all::<Ntp>(Direction::Orig, &[0x80; 48]), Probe::Yes);
    }
}

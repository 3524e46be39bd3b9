//! MGCP between call agents and gateways (RFC 3435), and MEGACO in its text form (RFC 3525), which is only
//! recognised.

use std::collections::VecDeque;

use super::dial;
use super::head::kept;
use super::sdp::{self, Medium};
use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Announcement, AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "mgcp",
    doc: "One MGCP command with the response to it; a response whose command was not seen has a row of its own",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("verb", Type::Text, "The command: `CRCX MDCX DLCX RQNT NTFY AUEP AUCX RSIP EPCF`"),
        Column::new("transaction", Type::Int64, "Identifier of the transaction"),
        Column::repeating("endpoint", Type::Text, "Endpoint that the command is about, as `name@gateway`"),
        Column::repeating("status", Type::Int32, "Code of the response; null where none was seen"),
        Column::new("call_id", Type::Text, "Identifier of the call (C)"),
        Column::repeating("observed", Type::Text, "Events that the gateway reports (O): digits dialled are among them"),
        Column::new("media", Type::TextList, "Media that command or response describe"),
        Column::new("response_packet", Type::Int64, "Packet with the response"),
    ],
};

const VERBS: &[&[u8]] = &[b"CRCX", b"MDCX", b"DLCX", b"RQNT", b"NTFY", b"AUEP", b"AUCX", b"RSIP", b"EPCF", b"MESG"];

/// A command and what is known of the answer to it.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    at: (Timestamp, u64),
    from: Option<Direction>,
    verb: &'static [u8],
    transaction: u64,
    endpoint: Box<[u8]>,
    status: Option<u16>,
    call_id: Box<[u8]>,
    observed: Box<[u8]>,
    media: Vec<Medium>,
    response_packet: Option<u64>,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A command with its response, or as much as was seen.
    Done(&'e Exchange),
    /// Media, as soon as they are known.
    Media(&'e [Medium]),
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Done(e) => Some(e.at),
            Self::Media(_) => None,
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Done(e) = self else { return };
        let text = |b: &[u8]| (!b.is_empty()).then(|| b.to_vec());
        row.opt_bytes(text(e.verb).as_deref()).count(e.transaction).opt_bytes(text(&e.endpoint).as_deref());
        row.opt_int(e.status).opt_bytes(text(&e.call_id).as_deref());
        row.opt_bytes(text(&dial::blanked_events(&e.observed)).as_deref());
        if e.media.is_empty() {
            row.null();
        } else {
            row.list(e.media.len());
            for medium in &e.media {
                row.bytes(&medium.shown());
            }
        }
        match e.response_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if let Self::Media(media) = self {
            media.iter().for_each(|m| m.announce(tell));
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Mgcp {
    pending: VecDeque<Exchange>,
    understood: bool,
    ended: bool,
}

/// The first line of a message.
enum Start<'a> {
    Command { verb: &'static [u8], transaction: u64, endpoint: &'a [u8] },
    Response { status: u16, transaction: u64 },
}

impl<'a> Start<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let (word, rest) = text::word(line);
        let (number, rest) = text::word(rest);
        let transaction = text::decimal(number).filter(|_| number.len() <= 9)?;
        if let Some(status) = (word.len() == 3).then(|| text::decimal(word)).flatten() {
            let status = u16::try_from(status).ok()?;
            return Some(Self::Response { status, transaction });
        }
        let verb = VERBS.iter().copied().find(|v| v.eq_ignore_ascii_case(word))?;
        let (endpoint, rest) = text::word(rest);
        text::starts_with(rest, b"MGCP ").then_some(Self::Command { verb, transaction, endpoint })
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Mgcp {
    /// Reads one message: a first line, parameters, and perhaps a session description behind an empty line.
    fn message(&mut self, cx: Cx<'_>, dir: Direction, message: &[u8], emit: Emit<'_>) -> bool {
        let (line, rest) = text::split_once(message, b'\n').unwrap_or((message, &[]));
        let Some(start) = Start::read(line.trim_ascii()) else { return false };
        self.understood = true;
        let (mut call_id, mut observed) = (Box::default(), Box::default());
        let lines = rest.split(|c| *c == b'\n').take(128).take_while(|line| !line.trim_ascii().is_empty());
        for (key, value) in lines.filter_map(|line| text::split_once(line, b':')) {
            match key.trim_ascii() {
                b"C" | b"c" => call_id = kept(value.trim_ascii()),
                b"O" | b"o" => observed = kept(value.trim_ascii()),
                _ => {}
            }
        }
        let (media, cut) = match memchr::memmem::find(rest, b"\nv=").or_else(|| rest.starts_with(b"v=").then_some(0)) {
            Some(at) => sdp::media(rest.get(at..).unwrap_or_default()),
            None => (Vec::new(), false),
        };
        if cut {
            cx.limit_hit();
        }
        if !media.is_empty() {
            emit(Event::Media(&media));
        }
        let at = (cx.ts, cx.packet);
        match start {
            Start::Command { verb, transaction, endpoint } => {
                if self.pending.iter().any(|e| e.transaction == transaction && e.from == Some(dir)) {
                    return true;
                }
                if self.pending.len() >= limits::MGCP_PENDING_MAX
                    && let Some(oldest) = self.pending.pop_front()
                {
                    cx.limit_hit();
                    emit(Event::Done(&oldest));
                }
                let endpoint = kept(endpoint);
                let from = Some(dir);
                let asked =
                    Exchange { at, from, verb, transaction, endpoint, call_id, observed, media, ..Exchange::default() };
                self.pending.push_back(asked);
            }
            Start::Response { status, transaction } => {
                let known = |e: &Exchange| e.transaction == transaction && e.from == Some(dir.other());
                let found = self.pending.iter().position(known);
                if status < 200 {
                    return true;
                }
                let waiting = found.and_then(|i| self.pending.remove(i));
                let mut done = waiting.unwrap_or_else(|| Exchange { at, transaction, ..Exchange::default() });
                done.status = Some(status);
                done.response_packet = Some(cx.packet);
                done.media.extend(media.into_iter().take(limits::SDP_MEDIA_MAX));
                emit(Event::Done(&done));
            }
        }
        true
    }
}

impl AppParser for Mgcp {
    const SPEC: Spec = Spec {
        name: "mgcp",
        title: "MGCP",
        transports: &[Transport::Udp],
        ports: &[2427, 2727],
        reference: "RFC 3435",
        table: Some(&TABLE),
        yields: "endpoints, calls, digits, media",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if !payload.first().is_some_and(u8::is_ascii_alphanumeric) {
            return Probe::No;
        }
        let end = memchr::memchr(b'\n', payload).unwrap_or(payload.len());
        let line = payload.get(..end.min(limits::LINE_BYTES_MAX)).unwrap_or_default().trim_ascii();
        match Start::read(line) {
            Some(Start::Command { .. }) => Probe::Yes,
            // `200 1234 OK`, alone or with a parameter: little, so the code must be one of MGCP's.
            Some(Start::Response { status, .. }) => {
                let codes = matches!(status, 0 | 100..=101 | 200 | 250 | 400..=410 | 500..=541);
                let rest = payload.get(end..).unwrap_or_default().trim_ascii();
                let parameter = rest.is_empty() || matches!(rest, [b'A'..=b'Z', b':' | b'O', ..] | [b'v', b'=', ..]);
                if codes && parameter && text::is_text(payload) { Probe::Yes } else { Probe::No }
            }
            None => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        // Several messages in one datagram are parted by a line with a dot (section 3.5.5).
        let mut rest = bytes;
        for _ in 0..limits::MGCP_PENDING_MAX {
            let end = memchr::memmem::find(rest, b"\n.\n").or_else(|| memchr::memmem::find(rest, b"\n.\r\n"));
            let (message, tail) = rest.split_at(end.unwrap_or(rest.len()));
            if !self.message(cx, dir, message, emit) && !self.understood {
                return Progress::Violation("not MGCP");
            }
            let Some(next) = text::split_once(tail.get(1..).unwrap_or_default(), b'\n') else { break };
            rest = next.1;
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for exchange in std::mem::take(&mut self.pending) {
                emit(Event::Done(&exchange));
            }
        }
    }
}

/// The flow is MEGACO.
#[derive(Debug, Clone, Copy)]
pub struct Recognised;

impl crate::proto::api::Event for Recognised {
    fn has_row(&self) -> bool {
        false
    }

    fn write(&self, _row: &mut RowWriter<'_>, _reveal: Reveal) {}
}

/// Recognises MEGACO (H.248).
#[derive(Debug, Default)]
pub struct Megaco;

impl AppParser for Megaco {
    const SPEC: Spec = Spec {
        name: "megaco",
        title: "MEGACO (H.248)",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[2944, 2945],
        reference: "RFC 3525",
        yields: "that it is there",
        ..Spec::EMPTY
    };
    type Event<'e> = Recognised;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        // `MEGACO/1 [192.0.2.1]:2944` or `!/1 <host>`: the address stands in brackets of either sort.
        let word = payload.get(..8).unwrap_or(payload);
        let rest = match payload {
            [b'!', b'/', version, rest @ ..] if version.is_ascii_digit() => rest,
            _ if text::starts_with(payload, b"megaco/") => payload.get(8..).unwrap_or_default(),
            _ => {
                let begun =
                    b"!/".starts_with(word) || b"megaco/".iter().zip(word).all(|(a, b)| a.eq_ignore_ascii_case(b));
                return if begun && word.len() < 8 { Probe::NeedMore } else { Probe::No };
            }
        };
        let rest = rest.trim_ascii_start();
        match rest.first() {
            Some(b'[' | b'<') => Probe::Yes,
            Some(c) if c.is_ascii_alphanumeric() && payload.first() != Some(&b'!') => Probe::Yes,
            Some(_) => Probe::No,
            None if payload.len() < 64 => Probe::NeedMore,
            None => Probe::No,
        }
    }

    fn on_data(&mut self, _cx: Cx<'_>, _dir: Direction, _bytes: &[u8], emit: &mut dyn FnMut(Recognised)) -> Progress {
        emit(Recognised);
        Progress::Finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn commands_and_their_responses() {
        let seen = Script::new()
            .orig("CRCX 1204 aaln/1@rgw-2567.whatever.net MGCP 1.0\nC: A3C47F21456789F0\nL: p:10, a:PCMU\nM: recvonly\n")
            .resp("200 1204 OK\nI:FDE234C8\n\nv=0\no=- 25678 753849 IN IP4 128.96.41.1\ns=-\nc=IN IP4 128.96.41.1\nm=audio 3456 RTP/AVP 0\n")
            .resp("NTFY 2002 aaln/1@rgw-2567.whatever.net MGCP 1.0\nX: 0123\nO: L/hd, 9,1,2,0,1\n.\nNTFY 2003 a@b MGCP 1.0\n")
            .orig("200 2002 OK\n")
            .datagrams::<Mgcp>();
        assert_eq!(seen.cells("verb"), ["CRCX", "NTFY", "NTFY"]);
        assert_eq!(seen.cells("status"), ["200", "200", "-"]);
        assert_eq!(seen.cells("media")[0], "[audio 128.96.41.1:3456 RTP/AVP PCMU/8000]");
        assert_eq!(seen.cells("call_id")[0], "A3C47F21456789F0");
        assert_eq!(seen.cells("observed")[1], "L/hd, 9,1,2,0,1");
        assert!(seen.events[0].starts_with("Media"));
    }

    #[test]
    fn probes() {
        for (bytes, want) in [
            ("RSIP 1200 *@rgw MGCP 1.0\nRM: restart\n", Probe::Yes),
            ("200 1200 OK\n", Probe::Yes),
            ("510 9 x\r\nK: 1\r\n", Probe::Yes),
            ("200 1200 OK\r\nContent: x\r\n", Probe::No),
            ("220 mail ESMTP\r\n", Probe::No),
            ("HTTP/1.1 200 OK\r\n", Probe::No),
            ("RSIP x *@rgw MGCP 1.0\n", Probe::No),
        ] {
            assert_eq!(Mgcp::probe(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
        for (bytes, want) in [
            ("MEGACO/1 [124.124.124.222]\nTransaction = 9998 {", Probe::Yes),
            ("!/1 <mg.example>:2944 T=1{", Probe::Yes),
            ("!/x", Probe::No),
            ("MEGA", Probe::NeedMore),
            ("MEGABYTE", Probe::No),
        ] {
            assert_eq!(probe_all::<Megaco>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

//! STUN and TURN over UDP and TCP (RFC 8489, RFC 8656, and RFC 3489), with the messages of ICE (RFC 8445)
//! and TURN's channel data between them.

use std::collections::VecDeque;

use super::stun_message::{Class, HEADER_BYTES, Message};
use crate::base::secret::Reveal;
use crate::base::{Endpoint, Reader, Secret, Timestamp, hash, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::Proof;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "stun",
    doc: "One STUN or TURN request with the response to it, or an indication; of exchanges of one flow that say \
          the same only the first",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "method",
            Type::Text,
            "`binding allocate refresh send data create-permission channel-bind` ...",
        ),
        Column::repeating("result", Type::Text, "`success`, `error`, `indication`; null where no response was seen"),
        Column::repeating("from_orig", Type::Bool, "Whether the originator of the flow asks"),
        Column::repeating("classic", Type::Bool, "Whether it is the form of RFC 3489, without a cookie"),
        Column::repeating("username", Type::Text, "User name"),
        Column::repeating("realm", Type::Text, "Realm of a long-term credential, of request or response"),
        Column::repeating("integrity", Type::Bool, "Whether the request proves with a key who sent it"),
        Column::repeating(
            "ice",
            Type::Bool,
            "Whether it is a check of ICE: its user name and key live for one call only",
        ),
        Column::repeating("client_software", Type::Text, "Software of who asks"),
        Column::repeating("server_software", Type::Text, "Software of who answers"),
        Column::repeating("mapped_ip", Type::Text, "Address as which the server sees the client"),
        Column::new("mapped_port", Type::Int32, "Port likewise"),
        Column::repeating("relayed_ip", Type::Text, "Address that the server lends the client"),
        Column::new("relayed_port", Type::Int32, "Port likewise"),
        Column::repeating("peer_ip", Type::Text, "Address that the client wants to reach through the server"),
        Column::new("peer_port", Type::Int32, "Port likewise"),
        Column::repeating("error_code", Type::Int32, "Code of an error response"),
        Column::repeating("error_reason", Type::Text, "Text of it"),
        Column::new("response_packet", Type::Int64, "Packet with the response"),
    ],
};

/// A request and what is known of the answer to it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// When and in which packet it was sent.
    pub at: (Timestamp, u64),
    /// Whether the originator asks.
    pub from_orig: bool,
    /// Name of the method.
    pub method: &'static str,
    /// Whether it lacks the cookie.
    pub classic: bool,
    id: [u8; 16],
    /// What the answer was.
    pub result: Option<&'static str>,
    /// User name.
    pub username: Option<Box<[u8]>>,
    /// Realm.
    pub realm: Option<Box<[u8]>>,
    /// Whether the request has a message integrity.
    pub integrity: bool,
    /// Whether it is a check of ICE.
    pub ice: bool,
    client_software: Box<[u8]>,
    server_software: Box<[u8]>,
    mapped: Option<Endpoint>,
    relayed: Option<Endpoint>,
    peer: Option<Endpoint>,
    /// Code and text of an error.
    pub error: Option<(u16, Box<[u8]>)>,
    response_packet: Option<u64>,
    /// The request up to its integrity, and the integrity in hexadecimal: a long-term credential.
    answer: Option<Answer>,
}

/// What a long-term credential proves itself with (RFC 8489, section 9.2).
#[derive(Clone)]
struct Answer {
    message: Box<[u8]>,
    digest: Box<[u8]>,
    hex: Box<[u8]>,
    sha256: bool,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// The exchange; `None` where the flow is STUN and this message tells nothing new.
    pub exchange: &'e Exchange,
    /// Whether it has a row: the first of its kind.
    row: bool,
    /// Whether its login is new.
    login: bool,
}

impl Event<'_> {
    /// Whether this exchange says what no earlier one of its flow did.
    pub const fn is_new(&self) -> bool {
        self.row
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.exchange.at)
    }

    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let e = self.exchange;
        let text = |b: &[u8]| (!b.is_empty()).then(|| b.to_vec());
        row.text(e.method).opt_text(e.result).bool(e.from_orig).bool(e.classic);
        row.opt_bytes(e.username.as_deref()).opt_bytes(e.realm.as_deref()).bool(e.integrity).bool(e.ice);
        row.opt_bytes(text(&e.client_software).as_deref()).opt_bytes(text(&e.server_software).as_deref());
        for endpoint in [e.mapped, e.relayed, e.peer] {
            match endpoint {
                Some(endpoint) => row.addr(endpoint.ip).int(endpoint.port),
                None => row.null().null(),
            };
        }
        row.opt_int(e.error.as_ref().map(|e| e.0)).opt_bytes(e.error.as_ref().map(|e| &*e.1));
        match e.response_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        let answer = self.exchange.answer.as_ref().filter(|_| self.login)?;
        let username = self.exchange.username.as_deref()?;
        Some(Login {
            mechanism: "turn",
            username: Some(username),
            secret: Some(Secret::new(&answer.hex)),
            secret_kind: SecretKind::ChallengeResponse,
            proof: Some(Proof::StunLongTerm {
                username,
                realm: self.exchange.realm.as_deref().unwrap_or_default(),
                message: &answer.message,
                digest: &answer.digest,
                sha256: answer.sha256,
            }),
            success: self.exchange.success(),
            ..Login::at(self.exchange.at)
        })
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let client = if self.exchange.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(client), attribute: "user-agent", value: &self.exchange.client_software });
        tell(Fact { about: About::Side(client.other()), attribute: "server", value: &self.exchange.server_software });
    }
}

impl Exchange {
    /// The address that the server lends the client.
    pub const fn relayed(&self) -> Option<Endpoint> {
        self.relayed
    }

    /// Whether the credential was accepted.
    fn success(&self) -> Option<bool> {
        match (self.result, self.error.as_ref().map(|e| e.0)) {
            (Some("success"), _) => Some(true),
            (_, Some(401 | 441)) => Some(false),
            // Stale nonce: try again. Others come after the credential was accepted.
            (_, Some(438) | None) => None,
            (_, Some(_)) => Some(true),
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Stun {
    pending: VecDeque<Exchange>,
    rows: Vec<u64>,
    logins: Vec<u64>,
    understood: bool,
    /// Whether each message in the stream has its length before it (RFC 4571, as ICE over TCP does).
    framed: Option<bool>,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// The first byte of channel data (RFC 5766, section 11; RFC 8656 gives a part of the range back).
const fn is_channel(first: u8) -> bool {
    first >= 0x40 && first <= 0x7f
}

/// What channel data, or an indication that relays data, holds (RFC 8656, sections 11 and 12.4).
pub fn inside(datagram: &[u8]) -> Option<&[u8]> {
    const DATA_ATTRIBUTE: u16 = 0x0013;
    let mut r = Reader::new(datagram);
    if datagram.first().copied().is_some_and(is_channel) {
        r.skip("channel", 2).ok()?;
        return r.vec16("channel data").ok().map(|mut d| d.rest());
    }
    // Send and Data.
    let message = Message::read(datagram).filter(|m| m.modern && m.class == Class::Indication)?;
    if !matches!(message.method, 6 | 7) {
        return None;
    }
    r.skip("header", HEADER_BYTES).ok()?;
    loop {
        let kind = r.be16("attribute").ok()?;
        let mut value = r.vec16("attribute value").ok()?;
        if kind == DATA_ATTRIBUTE {
            return Some(value.rest());
        }
        let padding = value.remaining().next_multiple_of(4) - value.remaining();
        r.skip("padding", padding).ok()?;
    }
}

impl Stun {
    fn message(&mut self, cx: Cx<'_>, dir: Direction, message: Message<'_>, emit: Emit<'_>) -> bool {
        let Some(said) = message.attributes() else { return false };
        self.understood = true;
        let at = (cx.ts, cx.packet);
        let found = self.pending.iter().position(|e| e.id == message.id && e.method == message.method_name());
        let keep = |b: &[u8]| -> Box<[u8]> { b.get(..256).unwrap_or(b).into() };
        match message.class {
            Class::Request | Class::Indication => {
                // A retransmission, or a datagram that this capture holds twice.
                if found.is_some() {
                    return true;
                }
                let asked = Exchange {
                    at,
                    from_orig: dir == Direction::Orig,
                    method: message.method_name(),
                    classic: !message.modern,
                    id: message.id,
                    result: (message.class == Class::Indication).then_some("indication"),
                    username: said.username.map(keep),
                    realm: said.realm.map(keep),
                    integrity: said.integrity.is_some(),
                    ice: said.ice,
                    client_software: keep(said.software),
                    server_software: Box::default(),
                    mapped: None,
                    relayed: None,
                    peer: said.peer,
                    error: None,
                    response_packet: None,
                    answer: answer(cx, &message, &said),
                };
                if message.class == Class::Indication {
                    self.tell(cx, &asked, emit);
                    return true;
                }
                if self.pending.len() >= limits::STUN_PENDING_MAX
                    && let Some(oldest) = self.pending.pop_front()
                {
                    cx.limit_hit();
                    self.tell(cx, &oldest, emit);
                }
                self.pending.push_back(asked);
            }
            Class::Success | Class::Error => {
                let mut exchange = found.and_then(|i| self.pending.remove(i)).unwrap_or_else(|| Exchange {
                    at,
                    from_orig: dir == Direction::Resp,
                    method: message.method_name(),
                    classic: !message.modern,
                    id: message.id,
                    result: None,
                    username: None,
                    realm: None,
                    integrity: false,
                    ice: false,
                    client_software: Box::default(),
                    server_software: Box::default(),
                    mapped: None,
                    relayed: None,
                    peer: None,
                    error: None,
                    response_packet: None,
                    answer: None,
                });
                exchange.result = Some(if message.class == Class::Success { "success" } else { "error" });
                exchange.server_software = keep(said.software);
                exchange.mapped = said.mapped;
                exchange.relayed = said.relayed;
                exchange.realm = exchange.realm.or_else(|| said.realm.map(keep));
                exchange.error = said.error.map(|(code, text)| (code, keep(text)));
                exchange.response_packet = Some(cx.packet);
                self.tell(cx, &exchange, emit);
            }
        }
        true
    }

    /// Emits an exchange; with a row where it says something new.
    fn tell(&mut self, cx: Cx<'_>, e: &Exchange, emit: Emit<'_>) {
        let word = |text: Option<&[u8]>| hash::stable64(0, text.unwrap_or_default());
        let place = |at: Option<Endpoint>| at.map_or(0, |a| hash::stable64(u64::from(a.port), &a.ip.0));
        let parts = [
            word(Some(e.method.as_bytes())),
            word(e.result.map(str::as_bytes)),
            u64::from(e.from_orig),
            word(e.username.as_deref()),
            place(e.mapped),
            place(e.relayed),
            place(e.peer),
            e.error.as_ref().map_or(0, |e| u64::from(e.0)),
        ];
        let key = parts.into_iter().fold(0, hash::mix);
        let row = !self.rows.contains(&key) && self.rows.len() < limits::STUN_ROWS_MAX;
        if row {
            self.rows.push(key);
        }
        let login = [word(e.username.as_deref()), e.success().map_or(2, u64::from)].into_iter().fold(0, hash::mix);
        let mut is_new = e.answer.is_some() && !self.logins.contains(&login);
        if is_new && self.logins.len() >= limits::VOICE_LOGINS_MAX {
            cx.limit_hit();
            is_new = false;
        } else if is_new {
            self.logins.push(login);
        }
        emit(Event { exchange: e, row, login: is_new });
    }

    fn datagram(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let known = Message::read(bytes).is_some_and(|m| self.message(cx, dir, m, emit));
        // Media, DTLS and channel data share the port once the way is open.
        if known || self.understood { Progress::Done } else { Progress::Violation("not a STUN message") }
    }
}

/// The long-term credential in a request: a realm and a nonce tell it from the keys of ICE.
fn answer(cx: Cx<'_>, message: &Message<'_>, said: &super::stun_message::Attributes<'_>) -> Option<Answer> {
    let (at, digest, sha256) = said.integrity.filter(|_| said.nonce && said.realm.is_some())?;
    if at > limits::STUN_MESSAGE_BYTES_MAX {
        cx.limit_hit();
        return None;
    }
    let mut signed = message.bytes.get(..at)?.to_vec();
    // The length counts up to the end of the integrity when it is computed (section 14.5).
    let length = u16::try_from(at + 4 + digest.len() - HEADER_BYTES).ok()?;
    signed.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    let hex = digest.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect();
    Some(Answer { message: signed.into(), digest: digest.into(), hex, sha256 })
}

impl AppParser for Stun {
    const SPEC: Spec = Spec {
        name: "stun",
        title: "STUN and TURN",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[3478],
        reference: "RFC 8489, RFC 8656, RFC 3489",
        table: Some(&TABLE),
        yields: "addresses before and behind address translation, relay logins, software",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let Some((first, _)) = payload.split_first() else { return Probe::NeedMore };
        if *first > 0x3f {
            return Probe::No;
        }
        if payload.len() >= 8
            && let Some(length) = Message::length(payload)
        {
            let is_whole = length == payload.len();
            return match Message::read(payload).filter(|m| m.attributes().is_some()) {
                // Without the cookie only a datagram that holds nothing else is believed.
                Some(message) if message.modern || is_whole && message.class != Class::Indication => Probe::Yes,
                None if payload.get(4..8) == Some(&super::stun_message::COOKIE.to_be_bytes())
                    && length > payload.len() =>
                {
                    Probe::NeedMore
                }
                _ => Probe::No,
            };
        }
        // In a stream, each message may have its length before it (RFC 4571).
        match payload {
            [_, _, framed @ ..] if framed.len() >= 8 => match Message::length(framed) {
                Some(length) if framed.get(4..8) == Some(&super::stun_message::COOKIE.to_be_bytes()) => {
                    let said = usize::from(u16::from_be_bytes([*first, payload.get(1).copied().unwrap_or_default()]));
                    if said == length { Probe::Yes } else { Probe::No }
                }
                _ => Probe::No,
            },
            _ if *first <= 3 => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            return self.datagram(cx, dir, bytes, emit);
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let [a, b, c, d, ..] = rest else {
                return if rest.is_empty() { Progress::Done } else { Progress::Partial { consumed: used, needed: 4 } };
            };
            let first = usize::from(u16::from_be_bytes([*a, *b]));
            if self.framed.is_none() {
                if rest.len() < HEADER_BYTES + 2 && Message::read(rest).is_none() {
                    return Progress::Partial { consumed: used, needed: rest.len() + 1 };
                }
                self.framed = Some(Message::length(rest).is_none());
            }
            if self.framed == Some(true) {
                let Some(inner) = rest.get(2..2 + first) else {
                    return Progress::Partial { consumed: used, needed: 2 + first };
                };
                // Media run between the messages.
                let known = Message::read(inner).is_some_and(|m| self.message(cx, dir, m, emit));
                if !known && !self.understood {
                    return Progress::Violation("not a STUN message");
                }
                used += 2 + first;
                continue;
            }
            if is_channel(*a) {
                let padded = 4 + usize::from(u16::from_be_bytes([*c, *d])).next_multiple_of(4);
                if padded > rest.len() {
                    return Progress::Skip((padded - rest.len()) as u64);
                }
                used += padded;
                continue;
            }
            if rest.len() < 8 {
                return Progress::Partial { consumed: used, needed: 8 };
            }
            let Some(length) = Message::length(rest) else { return Progress::Violation("not a STUN message") };
            let Some(message) = rest.get(..length) else {
                return Progress::Partial { consumed: used, needed: length };
            };
            if !Message::read(message).is_some_and(|m| self.message(cx, dir, m, emit)) {
                return Progress::Violation("attributes do not fit");
            }
            used += length;
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for exchange in std::mem::take(&mut self.pending) {
                self.tell(cx, &exchange, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stun_message::vectors::*;
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn a_check_of_ice_is_no_login() {
        let seen = Script::new().orig(REQUEST).orig(REQUEST).resp(RESPONSE).datagrams::<Stun>();
        assert_eq!((seen.cell("method"), seen.cell("result")), ("binding".to_owned(), "success".to_owned()));
        assert_eq!((seen.cell("mapped_ip"), seen.cell("mapped_port")), ("192.0.2.1".to_owned(), "32853".to_owned()));
        assert_eq!((seen.cell("ice"), seen.cell("integrity")), ("true".to_owned(), "true".to_owned()));
        assert_eq!(seen.cell("server_software"), "test vector");
        assert_eq!(seen.logins.len(), 0);
    }

    #[test]
    fn a_long_term_credential_is_a_login() {
        let mut refused = b"\x01\x11\0\x08".to_vec();
        refused.extend(&LONG_TERM[4..20]);
        refused.extend(b"\0\x09\0\x04\0\0\x04\x01");
        let seen = Script::new().orig(LONG_TERM).resp(&refused).datagrams::<Stun>();
        assert_eq!((seen.cell("realm"), seen.cell("error_code")), ("example.org".to_owned(), "401".to_owned()));
        assert!(seen.logins[0].contains("\"turn\"") && seen.logins[0].contains("success: Some(false)"));
        assert!(!format!("{seen:?}").contains("f6702465"), "the answer can be cracked");
        let seen = Script::new().orig(LONG_TERM).datagrams::<Stun>();
        assert!(seen.logins[0].contains("success: None"));
    }

    #[test]
    fn beyond_the_remembered_logins_nothing_is_new() {
        // Each under another name, which stands behind its own head.
        let at = LONG_TERM.windows(2).position(|w| w == b"\0\x06").unwrap() + 4;
        let script = (0..100).fold(Script::new(), |script, n| {
            let mut message = LONG_TERM.to_vec();
            message[at] = b'0' + n % 50;
            message[19] = n;
            script.orig(message)
        });
        assert_eq!(script.datagrams::<Stun>().logins.len(), limits::VOICE_LOGINS_MAX);
    }

    #[test]
    fn a_stream_with_channel_data_or_lengths_before_the_messages() {
        let mut stream = REQUEST.to_vec();
        stream.extend(b"\x40\x01\0\x05hello\0\0\0");
        stream.extend(LONG_TERM);
        let seen = Script::new().orig(&stream).resp(RESPONSE).any_chunking::<Stun>();
        assert_eq!(seen.rows.len(), 2);
        let framed: Vec<u8> = [&b"\0\x6c"[..], REQUEST, b"\0\x04rtp.", b"\0\x74", LONG_TERM].concat();
        let seen = Script::new().orig(&framed).any_chunking::<Stun>();
        assert_eq!(seen.rows.len(), 2);
        assert_eq!(probe_all::<Stun>(Direction::Orig, &framed), Probe::Yes);
    }

    #[test]
    fn what_a_relay_carries() {
        assert_eq!(inside(b"\x40\x01\0\x05hello\0\0\0"), Some(&b"hello"[..]));
        assert_eq!(inside(b"\x40\x01\0\x06hello"), None);
        // A Data indication: XOR-PEER-ADDRESS, then DATA with padding.
        let mut data = b"\0\x17\0\x18\x21\x12\xa4\x42abcdefghijkl\0\x12\0\x08\0\x01\0\0\0\0\0\0".to_vec();
        data.extend(b"\0\x13\0\x05hello\0\0\0");
        assert_eq!(inside(&data), Some(&b"hello"[..]));
        for cut in 0..data.len() {
            assert_eq!(inside(&data[..cut]), None, "{cut}");
        }
        assert_eq!(inside(REQUEST), None);
    }

    #[test]
    fn what_says_the_same_again_makes_no_row() {
        let mut script = Script::new();
        for n in 0..200_u8 {
            let mut again = REQUEST.to_vec();
            again[19] = n;
            script = script.orig(again);
        }
        let seen = script.datagrams::<Stun>();
        assert_eq!((seen.rows.len(), seen.events.len()), (1, 200));
    }

    #[test]
    fn any_cut_is_survived_and_probes_decline() {
        for cut in 0..LONG_TERM.len() {
            Script::new().orig(&LONG_TERM[..cut]).datagrams::<Stun>();
            Script::new().orig(&LONG_TERM[..cut]).run::<Stun>();
        }
        for (bytes, want) in [
            (REQUEST, Probe::Yes),
            (b"\0\x01\0\0abcdefghijklmnop", Probe::Yes),
            (b"\0\x01\0\0abcdefghijklmnopq", Probe::No),
            (b"\0\x01\0\x04abcdefghijklmnop\0\x01\0\x08", Probe::No),
            (b"\x40\x01\0\x04abcd", Probe::No),
            (b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0", Probe::No),
        ] {
            assert_eq!(Stun::probe(Direction::Orig, bytes), want, "{bytes:?}");
        }
    }
}

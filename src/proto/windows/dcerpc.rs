//! DCE/RPC (C706, chapter 12; MS-RPCE): connections over TCP and datagrams over UDP. What runs in
//! pipes of SMB is told by the SMB parser with the help of [`bound`].

use super::dcerpc_names::{Uuid, operation};
use super::gss::{Attempt, Exchange, challenge_facts};
use crate::base::bytes::ReadError;
use crate::base::secret::Reveal;
use crate::base::{Reader, Timestamp, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, Spec, Transport};
use crate::proto::ntlm::Challenge;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "dce_rpc",
    doc: "One bound interface, one login, or the first call of one operation of a DCE/RPC connection",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("event", Type::Text, "bind, login or call"),
        Column::repeating(
            "interface",
            Type::Text,
            "Name of the interface: epm, samr, drsuapi ...; null where it has none here",
        ),
        Column::repeating("interface_uuid", Type::Text, "UUID of the interface; null where its binding was not seen"),
        Column::repeating("interface_version", Type::Int32, "Major version of the interface"),
        Column::repeating("opnum", Type::Int32, "Number of the operation that was called"),
        Column::repeating("operation", Type::Text, "Name of the operation, for those that tell most"),
        Column::repeating(
            "accepted",
            Type::Bool,
            "Whether the server accepted the binding or the login; null where unseen",
        ),
        Column::repeating(
            "auth_type",
            Type::Text,
            "How the parties authenticate: ntlm, spnego, kerberos, netlogon ...",
        ),
        Column::repeating("auth_level", Type::Text, "What is protected: connect, call, packet, integrity, privacy"),
        Column::repeating("username", Type::Text, "User who logs in"),
        Column::repeating("domain", Type::Text, "Domain of the user"),
        Column::repeating("workstation", Type::Text, "Machine of the user, as the user's side says"),
    ],
};

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The server says its names in a challenge: facts only.
    Challenge,
    /// An interface was bound.
    Bind,
    /// A login.
    Login,
    /// The first call of an operation.
    Call,
}

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// Its identifier.
    pub uuid: Uuid,
    /// Major version.
    pub version: u16,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// When and where.
    pub at: (Timestamp, u64),
    /// What.
    pub what: What,
    /// The interface.
    pub interface: Option<Interface>,
    /// The operation.
    pub opnum: Option<u16>,
    /// Whether the server accepted.
    pub accepted: Option<bool>,
    /// Kind and level of protection as numbers (MS-RPCE, sections 2.2.1.1.7 and 2.2.1.1.8).
    pub auth: Option<(u8, u8)>,
    /// The login.
    pub attempt: Option<&'e Attempt>,
    challenge: Option<&'e Challenge>,
    server: Direction,
}

const fn auth_type(n: u8) -> &'static str {
    match n {
        0 => "none",
        9 => "spnego",
        10 => "ntlm",
        14 => "schannel",
        16 => "kerberos",
        68 => "netlogon",
        _ => "other",
    }
}

const fn auth_level(n: u8) -> &'static str {
    match n {
        1 => "none",
        2 => "connect",
        3 => "call",
        4 => "packet",
        5 => "integrity",
        6 => "privacy",
        _ => "default",
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        self.what != What::Challenge
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let name = self.interface.and_then(|i| i.uuid.interface());
        row.text(match self.what {
            What::Challenge | What::Login => "login",
            What::Bind => "bind",
            What::Call => "call",
        });
        row.opt_text(name);
        match self.interface {
            Some(i) => row.text(&i.uuid.to_string()).int(i.version),
            None => row.null().null(),
        };
        row.opt_int(self.opnum);
        row.opt_text(name.zip(self.opnum).and_then(|(name, op)| operation(name, op)));
        row.opt_bool(self.accepted);
        row.opt_text(self.auth.map(|a| auth_type(a.0))).opt_text(self.auth.map(|a| auth_level(a.1)));
        let some = |b: &'_ [u8]| !b.is_empty();
        row.opt_user(self.attempt.map(|a| a.username.as_slice()).filter(|b| some(b)));
        row.opt_bytes(self.attempt.map(|a| a.domain.as_slice()).filter(|b| some(b)));
        row.opt_bytes(self.attempt.map(|a| a.workstation.as_slice()).filter(|b| some(b)));
    }

    fn login(&self) -> Option<Login<'_>> {
        self.attempt.and_then(|a| a.login(self.accepted))
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Some(challenge) = self.challenge {
            let about = About::Side(self.server);
            challenge_facts(challenge, &mut |attribute, value| tell(Fact { about, attribute, value }));
        }
        if let Some(attempt) = self.attempt {
            let about = About::Side(self.server.other());
            tell(Fact { about, attribute: "hostname", value: &attempt.workstation });
            if let Some(os) = &attempt.os {
                tell(Fact { about, attribute: "os", value: os.as_bytes() });
            }
        }
    }
}

/// Kinds of packets (C706, section 12.6.3; MS-RPCE, section 2.2.2).
mod packet {
    pub const REQUEST: u8 = 0;
    pub const RESPONSE: u8 = 2;
    pub const FAULT: u8 = 3;
    pub const BIND: u8 = 11;
    pub const BIND_ACK: u8 = 12;
    pub const BIND_NAK: u8 = 13;
    pub const ALTER: u8 = 14;
    pub const ALTER_RESPONSE: u8 = 15;
    pub const AUTH3: u8 = 16;
    /// Also: shutdown, cancel, orphaned, and RTS of RPC over HTTP.
    pub const LAST: u8 = 20;
}

/// Bytes of the common header.
const HEADER: usize = 16;
/// What a server of RPC over HTTP, version 1, says first (MS-RPCH, section 2.1.1.1).
const HTTP_GREETING: &[u8] = b"ncacn_http/1.0";

/// The common header of a connection's packets.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: u8,
    flags: u8,
    little: bool,
    len: usize,
    auth_len: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [5, 0 | 1, kind, flags, format, float, 0, 0, l0, l1, a0, a1, ..] = *bytes.first_chunk::<HEADER>()? else {
            return None;
        };
        let little = format & 0xf0 == 0x10;
        let number = |n| if little { u16::from_le_bytes(n) } else { u16::from_be_bytes(n) };
        let (len, auth_len) = (usize::from(number([l0, l1])), usize::from(number([a0, a1])));
        let known = matches!(kind, packet::REQUEST | packet::RESPONSE | packet::FAULT | packet::BIND..=packet::LAST);
        let fits = len >= HEADER && (auth_len == 0 || len >= HEADER + 8 + auth_len);
        (known && fits && format & 0xee == 0 && float <= 3).then_some(Self { kind, flags, little, len, auth_len })
    }

    fn u16(&self, r: &mut Reader<'_>, field: &'static str) -> Result<u16, ReadError> {
        if self.little { r.le16(field) } else { r.be16(field) }
    }
}

/// The authentication at the end of a packet: kind, level and token.
fn auth<'a>(packet: &'a [u8], head: &Header) -> Option<(u8, u8, &'a [u8])> {
    let at = packet.len().checked_sub(head.auth_len).filter(|_| head.auth_len > 0)?;
    let token = packet.get(at..)?;
    match *packet.get(at.checked_sub(8)?..at)? {
        [kind, level, ..] => Some((kind, level, token)),
        _ => None,
    }
}

/// The interfaces that a `bind` or `alter_context` packet asks for, with their context numbers.
fn contexts(packet: &[u8], head: &Header, visit: &mut dyn FnMut(u16, Interface)) -> Result<(), ReadError> {
    let mut r = Reader::new(packet);
    r.skip("header, sizes and group", HEADER + 8)?;
    let count = r.u8("contexts")?;
    r.skip("reserved", 3)?;
    for _ in 0..usize::from(count).min(limits::DCERPC_CONTEXTS_MAX) {
        let id = head.u16(&mut r, "context")?;
        let syntaxes = usize::from(r.u8("transfer syntaxes")?);
        r.skip("reserved", 1)?;
        let uuid = Uuid::from_wire(r.array("interface")?, head.little);
        let version = head.u16(&mut r, "version")?;
        r.skip("minor version", 2)?;
        r.skip("syntaxes", syntaxes * 20)?;
        visit(id, Interface { uuid, version });
    }
    Ok(())
}

/// The interfaces that the bytes of a pipe bind; nothing where they do not begin with a binding.
pub fn bound(bytes: &[u8], visit: &mut dyn FnMut(Interface)) {
    let Some(head) = Header::read(bytes).filter(|h| matches!(h.kind, packet::BIND | packet::ALTER)) else { return };
    let packet = bytes.get(..head.len).unwrap_or(bytes);
    let _ = contexts(packet, &head, &mut |_, interface| visit(interface));
}

/// An interface of the connection.
#[derive(Debug, Clone, Copy)]
struct Context {
    id: u16,
    interface: Interface,
    answered: bool,
    at: (Timestamp, u64),
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Dcerpc {
    contexts: Vec<Context>,
    auth: Option<(u8, u8)>,
    exchange: Exchange,
    /// A login that no call has confirmed.
    attempt: Option<Attempt>,
    /// Operations that have a row.
    called: Vec<(u128, u16)>,
    idle: u32,
    understood: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Dcerpc {
    fn event<'e>(&self, at: (Timestamp, u64), what: What, server: Direction) -> Event<'e> {
        Event {
            at,
            what,
            interface: None,
            opnum: None,
            accepted: None,
            auth: self.auth,
            attempt: None,
            challenge: None,
            server,
        }
    }

    fn finish_login(&mut self, server: Direction, accepted: Option<bool>, emit: Emit<'_>) {
        if let Some(attempt) = self.attempt.take() {
            emit(Event { accepted, attempt: Some(&attempt), ..self.event(attempt.at, What::Login, server) });
        }
    }

    fn client_token(&mut self, cx: &Cx<'_>, dir: Direction, packet: &[u8], head: &Header, emit: Emit<'_>) {
        let Some((kind, level, token)) = auth(packet, head) else { return };
        self.auth = Some((kind, level));
        if let Some(attempt) = self.exchange.from_client(cx, token) {
            self.finish_login(dir.other(), None, emit);
            self.attempt = Some(attempt);
        }
    }

    fn server_token(&mut self, cx: &Cx<'_>, dir: Direction, packet: &[u8], head: &Header, emit: Emit<'_>) {
        let Some((_, _, token)) = auth(packet, head) else { return };
        let blank = self.event((cx.ts, cx.packet), What::Challenge, dir);
        if let Some(challenge) = self.exchange.from_server(token) {
            emit(Event { challenge: Some(challenge), ..blank });
        }
    }

    /// A packet that is looked at as a whole.
    fn whole(&mut self, cx: Cx<'_>, dir: Direction, packet: &[u8], head: &Header, emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        match head.kind {
            packet::BIND | packet::ALTER => {
                let known = &mut self.contexts;
                let _ = contexts(packet, head, &mut |id, interface| {
                    known.retain(|c| c.id != id || c.interface != interface);
                    if known.len() >= limits::DCERPC_CONTEXTS_MAX {
                        known.remove(0);
                        cx.limit_hit();
                    }
                    known.push(Context { id, interface, answered: false, at });
                });
                self.client_token(&cx, dir, packet, head, emit);
            }
            packet::AUTH3 => self.client_token(&cx, dir, packet, head, emit),
            packet::BIND_ACK | packet::ALTER_RESPONSE => {
                self.server_token(&cx, dir, packet, head, emit);
                let results = results(packet, head).unwrap_or_default();
                let mut nth = 0;
                for i in 0..self.contexts.len() {
                    let Some(context) = self.contexts.get_mut(i).filter(|c| !c.answered) else { continue };
                    context.answered = true;
                    let (at, interface) = (context.at, Some(context.interface));
                    // Three results are of the same meaning: the third is no refusal but the answer to
                    // the negotiation of features (MS-RPCE, section 2.2.2.4).
                    let accepted = results.get(nth).map(|r| *r == 0);
                    nth += 1;
                    if results.get(nth - 1) == Some(&3) {
                        continue;
                    }
                    emit(Event { interface, accepted, ..self.event(at, What::Bind, dir) });
                }
            }
            packet::BIND_NAK => {
                self.finish_login(dir, Some(false), emit);
                self.unanswered(dir, Some(false), emit);
            }
            packet::FAULT => {
                const ACCESS_DENIED: u32 = 5;
                const LOGON_FAILURE: u32 = 0x721;
                let mut r = Reader::new(packet);
                let status = r.skip("header", HEADER + 8).and_then(|()| r.le32("status"));
                let status = status.map(|s| if head.little { s } else { s.swap_bytes() });
                let denied = matches!(status, Ok(ACCESS_DENIED | LOGON_FAILURE));
                self.finish_login(dir, Some(!denied), emit);
            }
            _ => {}
        }
    }

    fn unanswered(&mut self, server: Direction, accepted: Option<bool>, emit: Emit<'_>) {
        for i in 0..self.contexts.len() {
            let Some(context) = self.contexts.get_mut(i).filter(|c| !c.answered) else { continue };
            context.answered = true;
            let (at, interface) = (context.at, Some(context.interface));
            emit(Event { interface, accepted, ..self.event(at, What::Bind, server) });
        }
    }

    fn call(&mut self, cx: Cx<'_>, server: Direction, interface: Option<Interface>, opnum: u16, emit: Emit<'_>) {
        let key = (interface.map_or(0, |i| i.uuid.0), opnum);
        if self.called.contains(&key) {
            return;
        }
        if self.called.len() >= limits::DCERPC_OPERATIONS_MAX {
            cx.limit_hit();
            return;
        }
        self.called.push(key);
        self.idle = 0;
        emit(Event { interface, opnum: Some(opnum), ..self.event((cx.ts, cx.packet), What::Call, server) });
    }

    /// Bytes of a packet that must be there before it is read.
    const fn wanted(head: &Header) -> usize {
        match head.kind {
            packet::REQUEST => 24,
            packet::RESPONSE => HEADER,
            packet::FAULT => 32,
            packet::BIND..=packet::AUTH3 => head.len,
            _ => HEADER,
        }
    }

    fn packet(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], head: &Header, emit: Emit<'_>) {
        const FIRST_FRAGMENT: u8 = 1;
        self.idle += 1;
        match head.kind {
            packet::REQUEST if head.flags & FIRST_FRAGMENT != 0 => {
                let mut r = Reader::new(bytes);
                let (Ok(()), Ok(id), Ok(opnum)) =
                    (r.skip("header and hint", HEADER + 4), head.u16(&mut r, "context"), head.u16(&mut r, "operation"))
                else {
                    return;
                };
                let interface = self.contexts.iter().rev().find(|c| c.id == id).map(|c| c.interface);
                self.call(cx, dir.other(), interface, opnum, emit);
            }
            packet::RESPONSE => self.finish_login(dir, Some(true), emit),
            packet::REQUEST => {}
            _ => {
                self.idle = 0;
                self.whole(cx, dir, bytes, head, emit);
            }
        }
    }

    /// A datagram (C706, section 12.5).
    fn datagram(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Option<()> {
        let head = Datagram::read(bytes)?;
        self.understood = true;
        if head.kind == packet::REQUEST {
            self.call(cx, dir.other(), Some(head.interface), head.opnum, emit);
        }
        Some(())
    }
}

/// The header of a datagram, as far as it is of interest.
#[derive(Debug, Clone, Copy)]
struct Datagram {
    kind: u8,
    interface: Interface,
    opnum: u16,
}

impl Datagram {
    const HEADER: usize = 80;
    const KIND_LAST: u8 = 10;

    fn read(bytes: &[u8]) -> Option<Self> {
        let [4, kind @ 0..=Self::KIND_LAST, flags1, flags2, format, float, 0, ..] = *bytes.first_chunk::<80>()? else {
            return None;
        };
        let little = format & 0xf0 == 0x10;
        let order = Header { kind, flags: 0, little, len: 0, auth_len: 0 };
        let mut r = Reader::new(bytes);
        r.skip("header and object", 24).ok()?;
        let uuid = Uuid::from_wire(r.array("interface").ok()?, little);
        r.skip("activity and boot time", 20).ok()?;
        let version = order.u16(&mut r, "version").ok()?;
        r.skip("minor version and sequence", 6).ok()?;
        let opnum = order.u16(&mut r, "operation").ok()?;
        r.skip("hints", 4).ok()?;
        let len = usize::from(order.u16(&mut r, "length").ok()?);
        // The reserved bits are zero but for some senders' own, and the length never exceeds the datagram.
        let fits = Self::HEADER + len <= bytes.len() && format & 0xee == 0 && float <= 3;
        (fits && flags1 & 0x81 == 0 && flags2 & 0xfc == 0).then_some(Self {
            kind,
            interface: Interface { uuid, version },
            opnum,
        })
    }
}

/// The results of a binding, in the order of the contexts (C706, section 12.6.4.4).
fn results(packet: &[u8], head: &Header) -> Result<Vec<u16>, ReadError> {
    let mut r = Reader::new(packet);
    r.skip("header, sizes and group", HEADER + 8)?;
    let address = usize::from(head.u16(&mut r, "secondary address")?);
    r.skip("secondary address", address)?;
    let padding = r.position().next_multiple_of(4) - r.position();
    r.skip("padding", padding)?;
    let count = usize::from(r.u8("results")?).min(limits::DCERPC_CONTEXTS_MAX);
    r.skip("reserved", 3)?;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        out.push(head.u16(&mut r, "result")?);
        r.skip("reason and syntax", 22)?;
    }
    Ok(out)
}

impl AppParser for Dcerpc {
    const SPEC: Spec = Spec {
        name: "dcerpc",
        title: "DCE/RPC (Microsoft RPC)",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[135, 593],
        reference: "C706, MS-RPCE",
        table: Some(&TABLE),
        yields: "interfaces, operations, logins (NTLM), server names",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [] => Probe::NeedMore,
            [4, ..] => match Datagram::read(payload) {
                Some(_) => Probe::Yes,
                None => Probe::No,
            },
            [5, rest @ ..] => match Header::read(payload) {
                Some(_) => Probe::Yes,
                None if payload.len() >= HEADER || rest.first().is_some_and(|minor| *minor > 1) => Probe::No,
                None => Probe::NeedMore,
            },
            [b'n', ..] if payload.starts_with(HTTP_GREETING) => Probe::Yes,
            [b'n', ..] if HTTP_GREETING.starts_with(payload) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            if self.datagram(cx, dir, bytes, emit).is_none() && !self.understood {
                return Progress::Violation("not a DCE/RPC datagram");
            }
            return Progress::Done;
        }
        let mut at = 0;
        if let Some(greeting) = bytes.get(..HTTP_GREETING.len())
            && greeting == HTTP_GREETING
        {
            at = HTTP_GREETING.len();
        }
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            if rest.len() < HEADER {
                return Progress::Partial { consumed: at, needed: HEADER };
            }
            let Some(head) = Header::read(rest) else {
                return if self.understood { Progress::Finished } else { Progress::Violation("not DCE/RPC") };
            };
            let wanted = Self::wanted(&head).min(head.len);
            let Some(packet) = rest.get(..wanted) else { return Progress::Partial { consumed: at, needed: wanted } };
            self.understood = true;
            self.packet(cx, dir, packet, &head, emit);
            if self.idle > limits::DCERPC_IDLE_MAX {
                return Progress::Finished;
            }
            match head.len.checked_sub(rest.len()) {
                None | Some(0) => at += head.len,
                Some(missing) => return Progress::Skip(missing as u64),
            }
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if cx.flow.transport == Transport::Tcp && !std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.finish_login(Direction::Resp, None, emit);
        self.unanswered(Direction::Resp, None, emit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const SAMR: [u8; 16] =
        [0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac];

    fn packet(kind: u8, body: &[u8], token: Option<(u8, &[u8])>) -> Vec<u8> {
        let auth = token.map(|(t, _)| vec![t, 5, 0, 0, 1, 0, 0, 0]).unwrap_or_default();
        let token = token.map_or(&[][..], |(_, t)| t);
        let len = (HEADER + body.len() + auth.len() + token.len()) as u16;
        let mut out = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
        out.extend(len.to_le_bytes());
        out.extend((token.len() as u16).to_le_bytes());
        out.extend([7, 0, 0, 0]);
        out.extend(body);
        out.extend(auth);
        out.extend(token);
        out
    }

    fn bind(kind: u8, token: Option<(u8, &[u8])>) -> Vec<u8> {
        let mut body = vec![0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
        body.extend(SAMR);
        body.extend([1, 0, 0, 0]);
        body.extend([0; 20]);
        packet(kind, &body, token)
    }

    fn ack(result: u16, token: Option<(u8, &[u8])>) -> Vec<u8> {
        let mut body = vec![0xb8, 0x10, 0xb8, 0x10, 1, 0, 0, 0, 4, 0, b'1', b'3', b'5', 0, 0, 0, 1, 0, 0, 0];
        body.extend(result.to_le_bytes());
        body.extend([0; 22]);
        packet(packet::BIND_ACK, &body, token)
    }

    fn request(opnum: u16) -> Vec<u8> {
        let mut body = vec![100, 0, 0, 0, 0, 0];
        body.extend(opnum.to_le_bytes());
        body.extend([0xee; 100]);
        packet(packet::REQUEST, &body, None)
    }

    fn answer() -> Vec<u8> {
        let mut m = b"NTLMSSP\0\x03\0\0\0".to_vec();
        m.extend([24, 0, 24, 0, 64, 0, 0, 0, 24, 0, 24, 0, 88, 0, 0, 0]);
        m.extend([0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 6, 0, 112, 0, 0, 0, 4, 0, 4, 0, 118, 0, 0, 0]);
        m.extend([0; 8]);
        m.extend([1, 0, 0, 0]);
        m.extend([0x77; 48]);
        m.extend(b"a\0n\0a\0P\0C\0");
        m
    }

    #[test]
    fn a_binding_and_its_calls() {
        let seen = Script::new()
            .orig(bind(packet::BIND, None))
            .resp(ack(0, None))
            .orig([request(64), request(13), request(13)].concat())
            .resp(packet(packet::RESPONSE, &[0; 40], None))
            .any_chunking::<Dcerpc>();
        assert_eq!(seen.cells("event"), ["bind", "call", "call"]);
        assert_eq!(seen.cells("interface"), ["samr", "samr", "samr"]);
        assert_eq!(seen.cells("operation"), ["-", "SamrConnect5", "SamrEnumerateUsers"]);
        assert_eq!(seen.cells("accepted")[0], "true");
        let refused = Script::new().orig(bind(packet::BIND, None)).resp(ack(2, None)).any_chunking::<Dcerpc>();
        assert_eq!(refused.cell("accepted"), "false");
    }

    #[test]
    fn a_login_succeeds_with_the_first_response() {
        let mut challenge = b"NTLMSSP\0\x02\0\0\0".to_vec();
        challenge.extend([0; 12]);
        challenge.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        let script = Script::new()
            .orig(bind(packet::BIND, Some((10, b"NTLMSSP\0\x01\0\0\0"))))
            .resp(ack(0, Some((10, &challenge))))
            .orig(packet(packet::AUTH3, &[0; 4], Some((10, &answer()))))
            .orig(request(5));
        let open = script.clone().any_chunking::<Dcerpc>();
        assert!(open.logins[0].contains("success: None"), "{}", open.logins[0]);
        let good = script.clone().resp(packet(packet::RESPONSE, &[0; 40], None)).any_chunking::<Dcerpc>();
        assert!(good.logins[0].contains("success: Some(true)") && good.logins[0].contains("Ntlm"));
        let login = good.rows.iter().find(|r| r.contains(&("event", "login".to_owned()))).unwrap();
        assert!(login.contains(&("username", "ana".to_owned())) && login.contains(&("workstation", "PC".to_owned())));
        assert!(login.contains(&("auth_level", "integrity".to_owned())));
        let fault = [0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        let bad = script.resp(packet(packet::FAULT, &fault, None)).any_chunking::<Dcerpc>();
        assert!(bad.logins[0].contains("success: Some(false)"));
        assert!(!format!("{bad:?}").contains("7777"), "the answer is no text of a row");
    }

    #[test]
    fn a_call_in_the_middle_has_no_interface() {
        let seen = Script::new().orig(request(3)).any_chunking::<Dcerpc>();
        assert_eq!((seen.cell("interface"), seen.cell("opnum")), ("-".into(), "3".into()));
    }

    #[test]
    fn datagrams_name_their_interface() {
        let mut d = vec![4, 0, 0x20, 0, 0x10, 0, 0, 0];
        d.extend([0; 16]);
        d.extend(SAMR);
        d.extend([0; 20]);
        d.extend([1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0]);
        d.extend([1, 2, 3, 4]);
        assert_eq!(Dcerpc::probe(Direction::Orig, &d), Probe::Yes);
        let seen = Script::new().orig(&d).datagrams::<Dcerpc>();
        assert_eq!((seen.cell("interface"), seen.cell("operation")), ("samr".into(), "SamrLookupDomain".into()));
        d.truncate(82);
        assert_eq!(Dcerpc::probe(Direction::Orig, &d), Probe::No, "shorter than it says");
    }

    #[test]
    fn the_probe_and_hostile_lengths() {
        assert_eq!(probe_all::<Dcerpc>(Direction::Orig, &bind(packet::BIND, None)), Probe::Yes);
        assert_eq!(Dcerpc::probe(Direction::Orig, &[5, 1, 0]), Probe::NeedMore);
        assert_eq!(Dcerpc::probe(Direction::Orig, &[5, 2, 0, 2]), Probe::No, "SOCKS");
        let mut short = request(1);
        short[8] = 15;
        assert_eq!(Dcerpc::probe(Direction::Orig, &short), Probe::No);
        let mut many = bind(packet::BIND, None);
        many[24] = 255;
        many[30] = 255;
        let seen = Script::new().orig(many).resp(ack(0, None)).any_chunking::<Dcerpc>();
        assert!(seen.rows.is_empty());
        let whole = bind(packet::BIND, None);
        for cut in 0..whole.len() {
            let mut found = 0;
            bound(&whole[..cut], &mut |_| found += 1);
            assert_eq!(found, usize::from(cut >= 52 + 20), "{cut}");
        }
    }
}

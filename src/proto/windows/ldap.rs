//! LDAP over TCP (RFC 4511) and CLDAP over UDP (MS-ADTS, section 3.1.1.3.2.2).

use std::collections::VecDeque;

use super::ber::{Elements, Front, SEQUENCE, front};
use super::gss::{Attempt, Exchange, challenge_facts};
use super::ldap_message::{Auth, Envelope, Search, bind, cut, entry_facts, op, outcome, result_name, search};
use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, Spec, Transport};
use crate::proto::digest;
use crate::proto::ntlm::Challenge;
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "ldap",
    doc: "One LDAP or CLDAP request with the result of it; a result alone has its row too",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("service", Type::Text, "ldap or cldap"),
        Column::repeating("operation", Type::Text, "bind, search, modify, add, delete, rename, compare or extended"),
        Column::new("message_id", Type::Int64, "Number of the request"),
        Column::repeating("dn", Type::Text, "Name that is bound as, searched below or changed"),
        Column::repeating("auth", Type::Text, "How a bind is made: anonymous, simple, or the SASL mechanism"),
        Column::repeating("username", Type::Text, "User of a SASL bind"),
        Column::repeating("scope", Type::Text, "How far a search goes: base, one or sub"),
        Column::repeating("filter", Type::Text, "Filter of a search (RFC 4515), cut; values of passwords are blanked"),
        Column::repeating("attributes", Type::TextList, "Attributes that a search asks for"),
        Column::repeating("oid", Type::Text, "Object identifier of an extended request"),
        Column::repeating(
            "result",
            Type::Text,
            "Result by its name in RFC 4511, or its number; null where it was not seen",
        ),
        Column::new("entries", Type::Int64, "Entries that a search has brought so far"),
        Column::new("reply_packet", Type::Int64, "Packet with the result"),
    ],
};

/// OID of the request for TLS (section 4.14).
const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// A request, while its result is waited for.
#[derive(Debug, Default)]
struct Request {
    at: (Timestamp, u64),
    id: i64,
    op: u8,
    dn: Vec<u8>,
    auth: Vec<u8>,
    search: Search,
    oid: Vec<u8>,
    entries: u64,
    attempt: Option<Attempt>,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    request: &'e Request,
    code: Option<i64>,
    reply: Option<(Timestamp, u64)>,
    udp: bool,
    server: Direction,
    /// Whether this is the first request of its connection whose content anybody could read.
    pub first_clear: bool,
    /// The first message of the flow that shows no TLS below it, where what follows a login may yet be sealed.
    pub first_without_tls: bool,
    row: bool,
    challenge: Option<&'e Challenge>,
    /// The entry that tells of the server.
    entry: Option<&'e [u8]>,
}

impl Event<'_> {
    /// What was asked, in a word.
    pub const fn operation(&self) -> &'static str {
        op::name(self.request.op)
    }

    /// Whether nobody in particular was let in.
    pub fn is_anonymous_bind(&self) -> bool {
        self.row && self.request.op == op::BIND && self.request.auth == b"anonymous" && self.code == Some(0)
    }

    /// Name that is bound as, or searched below.
    pub fn dn(&self) -> &[u8] {
        &self.request.dn
    }

    /// Whether TLS was asked for and refused.
    pub fn starttls_refused(&self) -> bool {
        self.request.oid == STARTTLS && self.code.is_some_and(|c| c != 0)
    }

    /// The login.
    pub const fn attempt(&self) -> Option<&Attempt> {
        self.request.attempt.as_ref()
    }

    /// Result code.
    pub const fn code(&self) -> Option<i64> {
        self.code
    }
}

const SASL_IN_PROGRESS: i64 = 14;

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(if self.request.op == 0 { self.reply? } else { self.request.at })
    }

    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Request { id, op, dn, auth, search, oid, entries, attempt, .. } = self.request;
        let some = |b: &'_ [u8]| !b.is_empty();
        row.text(if self.udp { "cldap" } else { "ldap" }).text(op::name(*op)).int(*id);
        row.opt_bytes(Some(dn.as_slice()).filter(|b| some(b))).opt_bytes(Some(auth.as_slice()).filter(|b| some(b)));
        row.opt_user(attempt.as_ref().filter(|_| auth != b"simple").map(|a| a.username.as_slice()).filter(|b| some(b)));
        row.nonempty(search.scope).nonempty(&search.filter);
        if search.attributes.is_empty() {
            row.null();
        } else {
            row.list(search.attributes.len());
            search.attributes.iter().for_each(|a| _ = row.bytes(a));
        }
        row.opt_bytes(Some(oid.as_slice()).filter(|b| some(b)));
        match self.code {
            Some(code) => match result_name(code) {
                Some(name) => row.text(name),
                None => row.text(&code.to_string()),
            },
            None => row.null(),
        };
        if *op == op::SEARCH && self.reply.is_some() {
            row.count(*entries);
        } else {
            row.null();
        }
        match self.reply {
            Some((_, packet)) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        let success = match self.code {
            Some(0) => Some(true),
            // The directory needs more of the same login; a referral decides nothing.
            Some(SASL_IN_PROGRESS | 10) | None => None,
            Some(_) => Some(false),
        };
        self.request.attempt.as_ref()?.login(success)
    }

    fn service(&self) -> Option<&'static str> {
        self.udp.then_some("cldap")
    }

    fn upgrades(&self) -> bool {
        self.request.oid == STARTTLS && self.code == Some(0)
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.server);
        if let Some(challenge) = self.challenge {
            challenge_facts(challenge, &mut |attribute, value| tell(Fact { about, attribute, value }));
        }
        if let Some(entry) = self.entry {
            entry_facts(entry, &mut |attribute, value| tell(Fact { about, attribute, value }));
        }
        if let Some(attempt) = &self.request.attempt {
            let about = About::Side(self.server.other());
            tell(Fact { about, attribute: "hostname", value: &attempt.workstation });
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Ldap {
    pending: VecDeque<Request>,
    exchange: Exchange,
    /// What the server sent last in a bind, for CRAM-MD5.
    sasl_challenge: Vec<u8>,
    rows: usize,
    clear: bool,
    without_tls: bool,
    understood: bool,
    over: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Ldap {
    fn event<'e>(&mut self, cx: &Cx<'_>, request: &'e Request, code: Option<i64>, server: Direction) -> Event<'e> {
        let udp = cx.flow.transport == Transport::Udp;
        // What follows a bind with SASL may be sealed; other messages and passwords show that it is not.
        let is_told = matches!(request.auth.as_slice(), b"anonymous" | b"simple" | b"PLAIN" | b"LOGIN");
        let readable = !udp && request.oid != STARTTLS && (request.op != op::BIND || is_told);
        let row = self.rows < limits::LDAP_ROWS_MAX;
        if row {
            self.rows += 1;
        } else {
            cx.limit_hit();
        }
        let first_clear = readable && !self.clear;
        self.clear |= readable;
        let bare = !udp && request.oid != STARTTLS;
        let first_without_tls = bare && !self.without_tls && !first_clear;
        self.without_tls |= bare;
        Event {
            request,
            code,
            reply: code.map(|_| (cx.ts, cx.packet)),
            udp,
            server,
            first_clear,
            first_without_tls,
            row,
            challenge: None,
            entry: None,
        }
    }

    /// An event that only tells facts.
    fn aside<'e>(cx: &Cx<'_>, request: &'e Request, server: Direction) -> Event<'e> {
        Event {
            request,
            code: None,
            reply: Some((cx.ts, cx.packet)),
            udp: cx.flow.transport == Transport::Udp,
            server,
            first_clear: false,
            first_without_tls: false,
            row: false,
            challenge: None,
            entry: None,
        }
    }

    fn bind(&mut self, cx: &Cx<'_>, body: &[u8], request: &mut Request) -> Option<()> {
        let (name, auth) = bind(body)?;
        request.dn = shown(name);
        match auth {
            Auth::Simple(password) => {
                // A name without a password is nobody (RFC 4513, section 5.1.2).
                request.auth = if password.is_empty() { b"anonymous".to_vec() } else { b"simple".to_vec() };
                request.attempt = Some(Attempt::plain(cx, "simple", &request.dn, password));
            }
            Auth::Sicily(token) => {
                request.auth = b"ntlm".to_vec();
                request.attempt = self.exchange.from_client(cx, token);
            }
            Auth::Sasl(mechanism, token) => {
                request.auth = cut(mechanism).to_vec();
                let token = token.unwrap_or_default();
                request.attempt = match mechanism.to_ascii_uppercase().as_slice() {
                    b"PLAIN" => plain(cx, token),
                    b"LOGIN" => None,
                    b"DIGEST-MD5" => digest::Answer::of_sasl(token).map(|a| Attempt::digest(cx, a)),
                    b"CRAM-MD5" => Attempt::cram_md5(cx, &self.sasl_challenge, token),
                    _ => self.exchange.from_client(cx, token),
                };
            }
        }
        Some(())
    }

    fn request(&mut self, cx: Cx<'_>, dir: Direction, e: Envelope<'_>, emit: Emit<'_>) -> Option<()> {
        let mut request = Request { at: (cx.ts, cx.packet), id: e.id, op: e.op, ..Request::default() };
        let mut fields = Elements::new(e.body);
        match e.op {
            op::BIND => self.bind(&cx, e.body, &mut request)?,
            op::SEARCH => {
                request.search = search(e.body)?;
                request.dn = shown(&request.search.base);
                request.search.base = Vec::new();
            }
            op::DELETE => request.dn = shown(e.body),
            op::EXTENDED => request.oid = cut(fields.want(0x80)?).to_vec(),
            _ => request.dn = shown(fields.want(super::ber::OCTETS)?),
        }
        // The same question again in a datagram is a retransmission.
        if self.pending.iter().any(|p| p.id == e.id && p.op == e.op && cx.flow.transport == Transport::Udp) {
            return Some(());
        }
        if self.pending.len() >= limits::LDAP_PENDING_MAX
            && let Some(oldest) = self.pending.pop_front()
        {
            cx.limit_hit();
            let event = self.event(&cx, &oldest, None, dir.other());
            emit(event);
        }
        self.pending.push_back(request);
        Some(())
    }

    fn response(&mut self, cx: Cx<'_>, dir: Direction, asked: u8, e: Envelope<'_>, emit: Emit<'_>) -> Option<()> {
        let outcome = outcome(e.body)?;
        let found = self.pending.iter().position(|p| p.id == e.id && p.op == asked);
        let request = found.and_then(|at| self.pending.remove(at)).unwrap_or_else(|| Request {
            at: (cx.ts, cx.packet),
            id: e.id,
            op: asked,
            ..Request::default()
        });
        if asked == op::BIND {
            const SASL_CREDENTIALS: u8 = 0x87;
            let token = outcome.rest.find(SASL_CREDENTIALS).unwrap_or(outcome.matched);
            self.sasl_challenge = cut(token).to_vec();
            if let Some(challenge) = self.exchange.from_server(token) {
                emit(Event { challenge: Some(challenge), ..Self::aside(&cx, &Request::default(), dir) });
            }
        }
        let event = self.event(&cx, &request, Some(outcome.code), dir);
        self.over |= event.row && crate::proto::api::Event::upgrades(&event);
        emit(event);
        Some(())
    }

    fn message(&mut self, cx: Cx<'_>, dir: Direction, content: &[u8], emit: Emit<'_>) -> Option<()> {
        let e = Envelope::read(content)?;
        match e.op {
            // Nothing is answered to these, and they carry nothing; but they show that there is no TLS.
            op::UNBIND | op::ABANDON => {
                if !self.without_tls && cx.flow.transport == Transport::Tcp {
                    self.without_tls = true;
                    let request = Request { at: (cx.ts, cx.packet), op: e.op, ..Request::default() };
                    emit(Event { first_without_tls: true, ..Self::aside(&cx, &request, dir.other()) });
                }
                Some(())
            }
            op::REFERENCE | op::INTERMEDIATE => Some(()),
            op::ENTRY => {
                if let Some(request) = self.pending.iter_mut().find(|p| p.id == e.id) {
                    request.entries += 1;
                }
                if e.body.get(..2) == Some(&[super::ber::OCTETS, 0]) {
                    emit(Event { entry: Some(e.body), ..Self::aside(&cx, &Request::default(), dir) });
                }
                Some(())
            }
            _ => match op::request_of(e.op) {
                Some(asked) => self.response(cx, dir, asked, e, emit),
                None => self.request(cx, dir, e, emit),
            },
        }
    }
}

/// A name as it is kept: cut, and without what an attribute in it holds that is secret.
fn shown(name: &[u8]) -> Vec<u8> {
    text::without_settings(cut(name)).into_owned()
}

/// SASL's PLAIN (RFC 4616): whom to act as, who, and the password, with zeros between.
fn plain(cx: &Cx<'_>, token: &[u8]) -> Option<Attempt> {
    let (_, rest) = text::split_once(token, 0)?;
    let (user, password) = text::split_once(rest, 0)?;
    Some(Attempt::plain(cx, "plain", cut(user), password))
}

/// Whether bytes begin as a message does.
fn plausible(bytes: &[u8]) -> Probe {
    let outer = match front(bytes) {
        Front::Head(h) if h.tag == SEQUENCE && h.len >= 5 => h,
        Front::Short if bytes.first().is_none_or(|b| *b == SEQUENCE) => return Probe::NeedMore,
        _ => return Probe::No,
    };
    let content = bytes.get(outer.head..).unwrap_or_default();
    let (id_len, id) = match content {
        [2, len @ 1..=4, rest @ ..] => (usize::from(*len), rest),
        [2] | [] => return Probe::NeedMore,
        _ => return Probe::No,
    };
    let Some(rest) = id.get(id_len..) else { return Probe::NeedMore };
    let inner = match front(rest) {
        Front::Head(h) if op::known(h.tag) => h,
        Front::Short if rest.first().is_none_or(|t| op::known(*t)) => return Probe::NeedMore,
        _ => return Probe::No,
    };
    let used = 2 + id_len + inner.head + inner.len;
    // Behind the operation there may be controls; nothing else.
    let controls = rest.get(inner.head + inner.len);
    if used > outer.len || used < outer.len && controls.is_some_and(|c| *c != 0xa0) {
        return Probe::No;
    }
    let body = rest.get(inner.head..).unwrap_or_default();
    let first = match inner.tag {
        op::BIND => [2, 1],
        op::UNBIND => return if inner.len == 0 { Probe::Yes } else { Probe::No },
        op::DELETE | op::ABANDON => return if inner.len > 0 { Probe::Yes } else { Probe::No },
        op::EXTENDED => return begins(body, &[0x80]),
        op::INTERMEDIATE => return begins(body, &[0x80, 0x81]),
        tag if op::request_of(tag).is_some() => [10, 1],
        _ => return begins(body, &[4]),
    };
    match body.get(..2) {
        Some(bytes) if bytes == first => Probe::Yes,
        Some(_) => Probe::No,
        None => Probe::NeedMore,
    }
}

fn begins(body: &[u8], tags: &[u8]) -> Probe {
    match body.first() {
        Some(tag) if tags.contains(tag) => Probe::Yes,
        Some(_) => Probe::No,
        None => Probe::NeedMore,
    }
}

impl AppParser for Ldap {
    const SPEC: Spec = Spec {
        name: "ldap",
        title: "LDAP and CLDAP",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[389, 3268],
        reference: "RFC 4511, RFC 4513, MS-ADTS",
        table: Some(&TABLE),
        yields: "logins (simple binds, NTLM, SASL), searches, names of domain controllers",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if payload.first().is_some_and(|b| *b != SEQUENCE) {
            return Probe::No;
        }
        plausible(payload)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.over {
                return Progress::Finished;
            }
            if rest.is_empty() {
                return Progress::Done;
            }
            let head = match front(rest) {
                Front::Head(h) if h.tag == SEQUENCE => h,
                Front::Short if rest.first() == Some(&SEQUENCE) => {
                    return Progress::Partial { consumed: at, needed: rest.len() + 1 };
                }
                // Behind a bind with SASL, what is signed or sealed has its length before it (RFC 4422,
                // section 3.7): nothing more can be read.
                _ if self.understood => return Progress::Finished,
                _ => return Progress::Violation("not an LDAP message"),
            };
            let whole = head.head + head.len;
            if whole > limits::LDAP_MESSAGE_BYTES_MAX && self.understood && whole > rest.len() {
                cx.limit_hit();
                return Progress::Skip((whole - rest.len()) as u64);
            }
            let Some(content) = rest.get(head.head..whole) else {
                if whole > limits::LDAP_MESSAGE_BYTES_MAX || cx.flow.transport == Transport::Udp {
                    return Progress::Violation("length of an LDAP message");
                }
                return Progress::Partial { consumed: at, needed: whole };
            };
            match self.message(cx, dir, content, emit) {
                Some(()) => self.understood = true,
                None if self.understood => {}
                None => return Progress::Violation("not an LDAP message"),
            }
            at += whole;
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if cx.flow.transport == Transport::Tcp && !std::mem::replace(&mut self.ended, true) {
            return;
        }
        let _ = dir;
        for request in std::mem::take(&mut self.pending) {
            let event = self.event(&cx, &request, None, Direction::Resp);
            emit(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kerberos_message::tests::{int, seq, tlv};
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn message(id: u8, op: u8, body: &[u8]) -> Vec<u8> {
        seq(&[int(id), tlv(op, body)])
    }

    fn simple(id: u8, name: &[u8], password: &[u8]) -> Vec<u8> {
        message(id, op::BIND, &[int(3), tlv(4, name), tlv(0x80, password)].concat())
    }

    fn sasl(id: u8, mechanism: &[u8], token: &[u8]) -> Vec<u8> {
        let auth = tlv(0xa3, &[tlv(4, mechanism), tlv(4, token)].concat());
        message(id, op::BIND, &[int(3), tlv(4, b""), auth].concat())
    }

    fn result(id: u8, op: u8, code: u8, more: &[u8]) -> Vec<u8> {
        message(id, op, &[vec![10, 1, code], tlv(4, b""), tlv(4, b""), more.to_vec()].concat())
    }

    fn query(id: u8, base: &[u8]) -> Vec<u8> {
        let head = [tlv(4, base), vec![10, 1, 2, 10, 1, 0], int(0), int(0), vec![1, 1, 0]].concat();
        message(id, op::SEARCH, &[head, tlv(0x87, b"objectClass"), seq(&[tlv(4, b"cn")])].concat())
    }

    #[test]
    fn a_name_with_a_password_in_it_is_blanked() {
        let seen = Script::new()
            .orig(simple(1, b"cn=joe,userPassword=hunter2,dc=a", b"Sample-Dir-1"))
            .resp(result(1, op::BIND_RESPONSE, 0, b""))
            .any_chunking::<Ldap>();
        assert_eq!(seen.cell("dn"), "cn=joe,userPassword=[blanked],dc=a");
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn a_simple_bind_and_a_search() {
        let seen = Script::new()
            .orig(simple(1, b"cn=admin,dc=example", b"Sample-Dir-1"))
            .resp(result(1, op::BIND_RESPONSE, 0, b""))
            .orig(query(2, b"dc=example"))
            .resp([message(2, op::ENTRY, &[tlv(4, b"cn=a"), seq(&[])].concat()), result(2, op::DONE, 0, b"")].concat())
            .orig(message(3, op::UNBIND, b""))
            .any_chunking::<Ldap>();
        assert_eq!(seen.cells("operation"), ["bind", "search"]);
        assert_eq!(seen.cells("dn"), ["cn=admin,dc=example", "dc=example"]);
        assert_eq!(seen.cells("auth"), ["simple", "-"]);
        assert_eq!(seen.cells("filter")[1], "(objectClass=*)");
        assert_eq!(seen.cells("attributes")[1], "[cn]");
        assert_eq!((seen.cells("entries")[1].as_str(), seen.cells("scope")[1].as_str()), ("1", "sub"));
        assert!(seen.logins[0].contains("success: Some(true)"));
        assert!(!format!("{:?}", seen.rows).contains("Sample-Dir-1"));
    }

    #[test]
    fn the_answer_decides() {
        for (code, success) in [(49, "Some(false)"), (0, "Some(true)"), (10, "None")] {
            let seen = Script::new()
                .orig(simple(1, b"cn=a", b"x"))
                .resp(result(1, op::BIND_RESPONSE, code, b""))
                .any_chunking::<Ldap>();
            assert!(seen.logins[0].contains(&format!("success: {success}")), "{code}");
        }
        let seen = Script::new().orig(simple(1, b"cn=a", b"x")).any_chunking::<Ldap>();
        assert!(seen.logins[0].contains("success: None") && seen.cell("result") == "-");
        let seen =
            Script::new().orig(simple(1, b"", b"")).resp(result(1, op::BIND_RESPONSE, 0, b"")).any_chunking::<Ldap>();
        assert!(seen.logins.is_empty() && seen.cell("auth") == "anonymous");
    }

    #[test]
    fn sasl_logins() {
        let seen = Script::new()
            .orig(sasl(1, b"PLAIN", b"\0ana\0hunter22"))
            .resp(result(1, op::BIND_RESPONSE, 0, b""))
            .orig([0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])
            .any_chunking::<Ldap>();
        assert!(seen.logins[0].contains("plain"), "{}", seen.logins[0]);
        assert_eq!(seen.cell("username"), "ana");
        assert_eq!(seen.stopped, Some(Progress::Finished), "what is wrapped cannot be read");
        let seen = Script::new()
            .orig(sasl(1, b"CRAM-MD5", b""))
            .resp(result(1, op::BIND_RESPONSE, 14, &tlv(0x87, b"<1@x>")))
            .orig(sasl(2, b"CRAM-MD5", b"ana b913a602c7eda7a495b4e6e7334d3890"))
            .resp(result(2, op::BIND_RESPONSE, 49, b""))
            .any_chunking::<Ldap>();
        assert!(seen.logins[0].contains("CramMd5") && seen.logins[0].contains("Some(false)"));
    }

    #[test]
    fn what_may_be_sealed_is_not_called_clear() {
        let told = |script: Script, what: &str| {
            let seen = script.any_chunking::<Ldap>();
            seen.events.iter().map(|e| e.contains(what)).collect::<Vec<_>>()
        };
        let clear = |script| told(script, "first_clear: true");
        let without_tls = |script| told(script, "first_without_tls: true");
        let sealed = Script::new()
            .orig(sasl(1, b"GSS-SPNEGO", b"token"))
            .resp(result(1, op::BIND_RESPONSE, 0, b""))
            .orig(message(2, op::UNBIND, b""));
        assert_eq!(clear(sealed.clone()), [false], "neither the bind nor the farewell");
        assert_eq!(without_tls(sealed), [true], "though without TLS, said once");
        let farewell = Script::new().orig(message(2, op::UNBIND, b""));
        assert_eq!((clear(farewell.clone()), without_tls(farewell)), (vec![false], vec![true]));
        let search = Script::new()
            .orig(sasl(1, b"GSS-SPNEGO", b"token"))
            .resp(result(1, op::BIND_RESPONSE, 0, b""))
            .orig(query(2, b""))
            .resp(result(2, op::DONE, 0, b""));
        assert_eq!(clear(search), [false, true]);
        let password = Script::new().orig(simple(1, b"cn=a", b"x"));
        assert_eq!((clear(password.clone()), without_tls(password)), (vec![true], vec![false]));
    }

    #[test]
    fn starttls_ends_it_and_a_refusal_does_not() {
        let ask = message(1, op::EXTENDED, &tlv(0x80, STARTTLS));
        let script = Script::new().orig(ask);
        let yes =
            script.clone().resp(result(1, op::EXTENDED_RESPONSE, 0, b"")).orig(b"\x16\x03\x01").any_chunking::<Ldap>();
        assert_eq!((yes.cell("oid"), yes.stopped), ("1.3.6.1.4.1.1466.20037".into(), Some(Progress::Finished)));
        let no =
            script.resp(result(1, op::EXTENDED_RESPONSE, 2, b"")).orig(simple(2, b"cn=a", b"x")).any_chunking::<Ldap>();
        assert_eq!(no.cells("operation"), ["extended", "bind"]);
        assert_eq!(no.cells("result"), ["protocolError", "-"]);
        assert!(no.events[0].contains("first_clear: false") && no.events[1].contains("first_clear: true"));
    }

    #[test]
    fn datagrams_are_cldap() {
        let seen =
            Script::new().orig(query(1, b"")).orig(query(1, b"")).resp(result(1, op::DONE, 0, b"")).datagrams::<Ldap>();
        assert_eq!(seen.cell("service"), "cldap");
    }

    #[test]
    fn the_probe_is_not_fooled_by_other_ber() {
        for bytes in
            [simple(1, b"cn=a", b"x"), query(2, b""), result(1, op::BIND_RESPONSE, 0, b""), message(3, 0x42, b"")]
        {
            assert_eq!(probe_all::<Ldap>(Direction::Orig, &bytes), Probe::Yes);
        }
        let snmp = seq(&[int(1), tlv(4, b"public"), tlv(0xa0, &int(1))]);
        assert_eq!(probe_all::<Ldap>(Direction::Orig, &snmp), Probe::No);
        assert_eq!(Ldap::probe(Direction::Orig, b"0123456789"), Probe::No);
    }

    #[test]
    fn hostile_lengths() {
        let seen = Script::new().orig([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1, 0x60]).any_chunking::<Ldap>();
        assert_eq!(seen.stopped, Some(Progress::Violation("length of an LDAP message")));
        let whole = simple(1, b"cn=a", b"x");
        for cut in 0..whole.len() {
            let _ = Script::new().orig(&whole[..cut]).any_chunking::<Ldap>();
        }
    }
}

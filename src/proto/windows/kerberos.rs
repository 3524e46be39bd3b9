//! Kerberos over UDP and TCP (RFC 4120, section 7.2), and the changing of passwords (RFC 3244).

use std::collections::VecDeque;

use super::kerberos_message::{Kind, Message, error_name, etype_name, is_weak};
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Timestamp, limits};
use crate::fingerprint::hex;
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::{self, KerberosMessage, Proof};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "kerberos",
    doc: "One Kerberos request with the answer to it; an answer alone has its row too",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "request",
            Type::Text,
            "Kind of request: AS-REQ, TGS-REQ, AP-REQ; null where it was not seen",
        ),
        Column::repeating(
            "reply",
            Type::Text,
            "Kind of answer: AS-REP, TGS-REP, AP-REP, KRB-ERROR; null where it was not seen",
        ),
        Column::repeating("client", Type::Text, "Principal of the client"),
        Column::repeating("service", Type::Text, "Principal of the service that a ticket is for"),
        Column::repeating("realm", Type::Text, "Realm"),
        Column::repeating("etypes", Type::TextList, "Encryption types that the client offers, in its order"),
        Column::repeating(
            "ticket_etype",
            Type::Text,
            "How the ticket in the answer (or shown in an AP-REQ) is encrypted",
        ),
        Column::repeating("reply_etype", Type::Text, "How the client's part of the answer is encrypted"),
        Column::repeating("preauth", Type::Bool, "Whether the request proved that it knows a key"),
        Column::repeating("error", Type::Text, "Error, by its name in RFC 4120 or its number"),
        Column::repeating("client_host", Type::Text, "NetBIOS name that the client gives as its address"),
        Column::new("reply_packet", Type::Int64, "Packet with the answer"),
    ],
};

/// What was asked, while the answer is waited for.
#[derive(Debug, Default)]
struct Asked {
    at: (Timestamp, u64),
    kind: Option<Kind>,
    client: Vec<u8>,
    service: Vec<u8>,
    realm: Vec<u8>,
    etypes: Vec<i32>,
    ticket_etype: Option<i32>,
    preauth: bool,
    host: Vec<u8>,
    /// Encryption type, what was encrypted, and the same in hexadecimal.
    timestamp: Option<(i32, SecretBuf, SecretBuf)>,
}

/// The part of an answer that can be tested against a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crackable {
    /// Which part.
    pub what: &'static str,
    /// Encryption type.
    pub etype: i32,
}

/// A request and the answer to it, or one of the two.
pub struct Event<'e> {
    asked: &'e Asked,
    answer: Option<(&'e Message<'e>, (Timestamp, u64))>,
    asker: Direction,
}

impl std::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = (self.asked.kind.map(Kind::name), self.answer.map(|a| a.0.kind().name()));
        write!(f, "Event({kinds:?} {})", self.asked.client.escape_ascii())
    }
}

impl Event<'_> {
    /// Kind of request.
    pub fn request(&self) -> Option<Kind> {
        self.asked.kind
    }

    /// Kind of answer.
    pub fn reply(&self) -> Option<Kind> {
        self.answer.map(|a| a.0.kind())
    }

    /// The client.
    pub fn client(&self) -> &[u8] {
        match self.answer {
            Some((m, _)) if self.asked.client.is_empty() => &m.client,
            _ => &self.asked.client,
        }
    }

    /// The service that the ticket is for.
    pub fn service_principal(&self) -> &[u8] {
        match self.answer {
            Some((m, _)) if !m.service.is_empty() => &m.service,
            _ => &self.asked.service,
        }
    }

    fn realm(&self) -> &[u8] {
        match self.answer {
            Some((m, _)) if self.asked.realm.is_empty() => m.realm,
            _ => &self.asked.realm,
        }
    }

    /// How the ticket that was given is encrypted.
    pub fn ticket_etype(&self) -> Option<i32> {
        self.answer.map_or(self.asked.ticket_etype, |a| a.0.ticket_etype)
    }

    /// How the client's part of the answer is encrypted.
    pub fn reply_etype(&self) -> Option<i32> {
        self.answer.and_then(|a| a.0.reply).map(|r| r.etype)
    }

    /// The weak encryption that a given ticket or its key is protected with.
    pub fn weak(&self) -> Option<Crackable> {
        let given = matches!(self.reply(), Some(Kind::AsRep | Kind::TgsRep));
        let ticket = self.ticket_etype().filter(|e| given && is_weak(*e));
        let reply = self.reply_etype().filter(|e| is_weak(*e));
        ticket
            .map(|etype| Crackable { what: "ticket", etype })
            .or(reply.map(|etype| Crackable { what: "reply", etype }))
    }

    /// Whether the server gave a ticket to somebody who proved nothing: what it gave can be tried
    /// against passwords at leisure.
    pub fn without_preauth(&self) -> bool {
        self.reply() == Some(Kind::AsRep) && self.request() == Some(Kind::AsReq) && !self.asked.preauth
    }
}

fn etype(row: &mut RowWriter<'_>, etype: i32) {
    match etype_name(etype) {
        Some(name) => row.text(name),
        None => row.text(&etype.to_string()),
    };
}

fn opt_etype(row: &mut RowWriter<'_>, value: Option<i32>) {
    match value {
        Some(value) => etype(row, value),
        None => _ = row.null(),
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self.asked.kind {
            Some(_) => Some(self.asked.at),
            None => self.answer.map(|a| a.1),
        }
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let some = |b| Some(b).filter(|b: &&[u8]| !b.is_empty());
        let answer = self.answer.map(|a| a.0);
        row.opt_text(self.request().map(Kind::name)).opt_text(self.reply().map(Kind::name));
        row.opt_bytes(some(self.client())).opt_bytes(some(self.service_principal())).opt_bytes(some(self.realm()));
        if self.asked.etypes.is_empty() {
            row.null();
        } else {
            row.list(self.asked.etypes.len());
            self.asked.etypes.iter().for_each(|e| etype(row, *e));
        }
        opt_etype(row, self.ticket_etype());
        opt_etype(row, self.reply_etype());
        row.opt_bool(self.request().filter(|k| k.asks()).map(|_| self.asked.preauth));
        match answer.and_then(|a| a.error) {
            Some(code) => match error_name(code) {
                Some(name) => row.text(name),
                None => row.text(&code.to_string()),
            },
            None => row.null(),
        };
        row.opt_bytes(some(&self.asked.host));
        match self.answer {
            Some((_, (_, packet))) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        const PREAUTH_REQUIRED: i32 = 25;
        const TOO_BIG: i32 = 52;
        let (etype, cipher, shown) = self.asked.timestamp.as_ref()?;
        let success = self.answer.and_then(|(m, _)| match (m.kind(), m.error) {
            (Kind::AsRep, _) => Some(true),
            (_, Some(PREAUTH_REQUIRED | TOO_BIG)) | (_, None) => None,
            (_, Some(_)) => Some(false),
        });
        Some(Login {
            mechanism: "kerberos-preauth",
            username: Some(self.client()).filter(|c| !c.is_empty()),
            secret: Some(shown.borrow()),
            secret_kind: SecretKind::ChallengeResponse,
            proof: Some(Proof::Kerberos(proof::Kerberos {
                principal: self.client(),
                realm: self.realm(),
                etype: *etype,
                cipher: cipher.borrow().expose(),
                message: KerberosMessage::AsReq,
            })),
            success,
            ..Login::at(self.asked.at)
        })
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.asker);
        let mut say = |attribute, value| tell(Fact { about, attribute, value });
        if !self.asked.host.is_empty() {
            say("hostname", &self.asked.host);
        }
        if self.request() == Some(Kind::AsReq) {
            // An account of a machine ends in a dollar sign and is named after it.
            if let Some(host) = self.client().strip_suffix(b"$") {
                say("hostname", host);
                say("domain", self.realm());
            }
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Kerberos {
    asked: VecDeque<Asked>,
    asker: Option<Direction>,
    understood: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Kerberos {
    fn message(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Option<()> {
        let message = Message::parse(kpasswd(bytes).unwrap_or(bytes))?;
        self.understood = true;
        let at = (cx.ts, cx.packet);
        match message.kind() {
            Kind::AsReq | Kind::TgsReq | Kind::ApReq => {
                self.asker = Some(dir);
                let known = |a: &Asked| {
                    let stamp = message.timestamp.map(|t| t.cipher);
                    a.kind == Some(message.kind())
                        && a.client == message.client
                        && a.service == message.service
                        && a.timestamp.as_ref().map(|t| t.1.borrow().expose()) == stamp
                };
                // The same again is a retransmission.
                if self.asked.iter().any(known) {
                    return Some(());
                }
                if self.asked.len() >= limits::KERBEROS_PENDING_MAX
                    && let Some(oldest) = self.asked.pop_front()
                {
                    cx.limit_hit();
                    emit(Event { asked: &oldest, answer: None, asker: dir });
                }
                self.asked.push_back(Asked {
                    at,
                    kind: Some(message.kind()),
                    realm: message.realm.to_vec(),
                    host: message.host.to_vec(),
                    ticket_etype: message.ticket_etype,
                    preauth: message.preauth,
                    timestamp: message
                        .timestamp
                        .map(|t| (t.etype, SecretBuf::new(t.cipher), SecretBuf::new(hex(t.cipher).as_bytes()))),
                    client: message.client,
                    service: message.service,
                    etypes: message.etypes,
                });
            }
            Kind::AsRep | Kind::TgsRep | Kind::ApRep | Kind::Error => {
                let answers = |a: &Asked| match message.kind() {
                    Kind::AsRep => a.kind == Some(Kind::AsReq),
                    Kind::TgsRep => a.kind == Some(Kind::TgsReq),
                    Kind::ApRep => a.kind == Some(Kind::ApReq),
                    _ => true,
                };
                let found = self.asked.iter().position(answers).and_then(|at| self.asked.remove(at));
                let asked = found.unwrap_or_default();
                emit(Event { asked: &asked, answer: Some((&message, at)), asker: dir.other() });
            }
            Kind::Safe | Kind::Priv | Kind::Cred => {}
        }
        Some(())
    }
}

/// The Kerberos message in a request to change a password, or in the answer to it (RFC 3244,
/// section 2): length, version, length of the message. The version of an answer is 1.
fn kpasswd(bytes: &[u8]) -> Option<&[u8]> {
    let ([l1, l0, v1, v0, a1, a0], rest) = bytes.split_first_chunk::<6>()?;
    let [len, version, message] = [[*l1, *l0], [*v1, *v0], [*a1, *a0]].map(u16::from_be_bytes);
    (usize::from(len) == bytes.len() && matches!(version, 1 | 0xff80)).then(|| rest.get(..message.into()))?
}

/// Whether bytes begin as a message does: its tag, a sequence, and the version (or, in an error, a
/// reply or a request, the number of the message) in it.
fn plausible(bytes: &[u8], whole: bool) -> Probe {
    use super::ber::{Front, front};
    let short = if whole { Probe::No } else { Probe::NeedMore };
    let Some(kind) = bytes.first().and_then(|tag| Kind::of(*tag)) else {
        return if bytes.is_empty() { short } else { Probe::No };
    };
    let Front::Head(outer) = front(bytes) else { return short };
    let rest = bytes.get(outer.head..).unwrap_or_default();
    if whole && rest.len() < outer.len {
        return Probe::No;
    }
    let inner = match front(rest) {
        Front::Head(h) if h.tag == super::ber::SEQUENCE && h.head + h.len == outer.len => h.head,
        Front::Short => return short,
        _ => return Probe::No,
    };
    let first = if matches!(kind, Kind::AsReq | Kind::TgsReq) { 0xa1 } else { 0xa0 };
    match rest.get(inner..inner + 5) {
        Some(version) if version == [first, 3, 2, 1, 5] => Probe::Yes,
        Some(_) => Probe::No,
        None => short,
    }
}

impl AppParser for Kerberos {
    const SPEC: Spec = Spec {
        name: "kerberos",
        title: "Kerberos 5",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[88, 464],
        reference: "RFC 4120, RFC 3244",
        table: Some(&TABLE),
        yields: "logins (proof of the password), users, services, encryption, host names",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [0x6a..=0x7e, ..] => plausible(payload, true),
            [0, ..] => {
                if let Some(message) = kpasswd(payload) {
                    return plausible(message, false);
                }
                match payload.split_first_chunk::<4>() {
                    // The length before a message in a stream (section 7.2.2).
                    Some((len, rest)) if u32::from_be_bytes(*len) as usize <= limits::KERBEROS_MESSAGE_BYTES_MAX => {
                        plausible(rest, false)
                    }
                    Some(_) => Probe::No,
                    None => Probe::NeedMore,
                }
            }
            [] => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            if self.message(cx, dir, bytes, emit).is_none() && !self.understood {
                return Progress::Violation("not a Kerberos message");
            }
            return Progress::Done;
        }
        let mut rest = bytes;
        while let Some((prefix, tail)) = rest.split_first_chunk::<4>() {
            let used = bytes.len() - rest.len();
            let len = u32::from_be_bytes(*prefix) as usize;
            if len > limits::KERBEROS_MESSAGE_BYTES_MAX {
                return Progress::Violation("length of a Kerberos message");
            }
            let Some((message, next)) = tail.split_at_checked(len) else {
                return Progress::Partial { consumed: used, needed: len + 4 };
            };
            if self.message(cx, dir, message, emit).is_none() {
                return Progress::Violation("not a Kerberos message");
            }
            rest = next;
        }
        match rest.len() {
            0 => Progress::Done,
            left => Progress::Partial { consumed: bytes.len() - left, needed: 4 },
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        // A client may close its side and still be answered.
        if cx.flow.transport == Transport::Tcp && !std::mem::replace(&mut self.ended, true) {
            return;
        }
        let asker = self.asker.unwrap_or(dir);
        for asked in std::mem::take(&mut self.asked) {
            emit(Event { asked: &asked, answer: None, asker });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kerberos_message::tests::{ap_req, as_rep, as_req, error};
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u32).to_be_bytes()[..], message].concat()
    }

    #[test]
    fn a_login_is_proven_by_its_time_stamp() {
        let seen = Script::new()
            .orig(as_req(None))
            .resp(error(25))
            .orig(as_req(Some(&[0xab; 56])))
            .resp(as_rep(18))
            .datagrams::<Kerberos>();
        assert_eq!(seen.cells("error"), ["PREAUTH_REQUIRED", "-"]);
        assert_eq!(seen.cells("preauth"), ["false", "true"]);
        assert_eq!(seen.cells("client"), ["ana", "ana"]);
        assert_eq!(seen.cells("etypes")[0], "[aes256-cts-hmac-sha1-96,rc4-hmac]");
        assert_eq!(seen.cells("client_host")[1], "PC7");
        assert_eq!(seen.cells("reply_packet"), ["2", "4"]);
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("success: Some(true)"), "{}", seen.logins[0]);
        assert!(!seen.logins[0].contains("abab"));
    }

    #[test]
    fn streams_have_lengths() {
        let seen =
            Script::new().orig(framed(&as_req(Some(&[1; 56])))).resp(framed(&error(24))).any_chunking::<Kerberos>();
        assert!(seen.logins[0].contains("success: Some(false)"));
        let seen = Script::new().orig(framed(&as_req(Some(&[1; 56])))).any_chunking::<Kerberos>();
        assert!(seen.logins[0].contains("success: None"), "one side only");
        let seen = Script::new().orig([0, 0xff, 0, 0, 1, 2, 3, 4]).any_chunking::<Kerberos>();
        assert_eq!(seen.stopped, Some(Progress::Violation("length of a Kerberos message")));
    }

    #[test]
    fn an_answer_alone_has_its_row() {
        let seen = Script::new().resp(as_rep(23)).datagrams::<Kerberos>();
        assert_eq!((seen.cell("request"), seen.cell("reply_etype")), ("-".into(), "rc4-hmac".into()));
        let seen = Script::new().orig(as_req(None)).orig(as_req(None)).datagrams::<Kerberos>();
        assert_eq!(seen.rows.len(), 1, "a retransmission");
    }

    #[test]
    fn the_probe_wants_the_version() {
        for message in [as_req(None), as_rep(18), error(6), ap_req()] {
            assert_eq!(Kerberos::probe(Direction::Orig, &message), Probe::Yes);
            assert_eq!(probe_all::<Kerberos>(Direction::Resp, &framed(&message)), Probe::Yes);
        }
        let mut change = vec![0, 0, 0xff, 0x80, 0, ap_req().len() as u8];
        change.extend(ap_req());
        change[1] = change.len() as u8;
        assert_eq!(Kerberos::probe(Direction::Orig, &change), Probe::Yes);
        assert_eq!(Kerberos::probe(Direction::Orig, b"\x6a\x05\x30\x03\x02\x01\x05"), Probe::No);
        assert_eq!(Kerberos::probe(Direction::Orig, b"\x00\x00\x00\x10\x16\x03\x01"), Probe::No);
    }
}

//! SNMP over UDP and TCP (RFC 1157, RFC 1901, RFC 3411 to 3418, RFC 3430).

use std::collections::VecDeque;

pub use super::snmp_event::{Event, TABLE};
use super::snmp_message::{Message, PduType, Version, begins};
use super::{ber, hex};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::Proof;

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// A community or a user that was seen on the flow.
#[derive(Debug)]
struct Known {
    at: (Timestamp, u64),
    login: Kind,
    told: bool,
}

impl Known {
    fn is_unsigned(&self) -> bool {
        matches!(&self.login, Kind::User { digest, .. } if digest.is_empty())
    }
}

#[derive(Debug)]
enum Kind {
    Community(SecretBuf),
    User {
        name: Box<[u8]>,
        engine: Box<[u8]>,
        /// The digest, its place and the message; empty where it was too long.
        digest: Box<[u8]>,
        digest_at: usize,
        message: Box<[u8]>,
    },
}

impl Kind {
    fn is(&self, message: &Message<'_>) -> bool {
        match self {
            Self::Community(c) => message.version != Version::V3 && c.borrow().expose() == message.community,
            Self::User { name, .. } => message.version == Version::V3 && **name == *message.usm.user,
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Snmp {
    known: Vec<Known>,
    /// Requests that wait for their answer: identifier, who asked, and which login it was made with.
    pending: VecDeque<(i64, Direction, usize)>,
    understood: bool,
    ended: bool,
}

impl Snmp {
    fn message(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> bool {
        let Ok(message) = Message::parse(bytes) else { return false };
        let kind = message.pdu.map(|p| p.kind);
        let is_nobody =
            message.version == Version::V3 && (message.usm.user.is_empty() || kind == Some(PduType::Report));
        let is_fresh = !is_nobody
            && self.known.len() < limits::SNMP_LOGINS_MAX
            && !self.known.iter().any(|k| k.login.is(&message));
        emit(Event::Message { dir, message, is_fresh });
        let id = match message.version {
            Version::V3 => Some(message.msg_id),
            _ => message.pdu.and_then(|p| p.request_id),
        };
        let asked = id.and_then(|id| self.pending.iter().position(|p| p.0 == id && p.1 != dir));
        let answers = match message.version {
            Version::V3 => asked.is_some(),
            _ => kind == Some(PduType::Response),
        };
        if answers && let Some((.., which)) = asked.and_then(|at| self.pending.remove(at)) {
            // An agent says nothing to a community that it does not know (RFC 1157, section 4.1). Of
            // version 3, an authenticated answer proves the key, and a report without authentication
            // turns the user down (RFC 3414, section 3.2).
            let success = message.version != Version::V3 || message.flags & 1 != 0 || kind == Some(PduType::Response);
            self.tell(which, Some(success), emit);
            return true;
        }
        if is_nobody {
            return true;
        }
        let Some(which) = self.know(cx, &message, bytes) else { return true };
        // Where only the agent is seen, its answer says as much.
        if is_fresh && message.version != Version::V3 && kind == Some(PduType::Response) {
            self.tell(which, Some(true), emit);
        }
        if let Some(id) = id.filter(|_| !matches!(kind, Some(PduType::Response | PduType::TrapV2))) {
            // Of what was answered before, another answer tells nothing.
            if self.pending.len() >= limits::SNMP_PENDING_MAX
                && let Some((_, _, oldest)) = self.pending.pop_front()
                && self.known.get(oldest).is_some_and(|k| !k.told)
            {
                cx.limit_hit();
            }
            self.pending.push_back((id, dir, which));
        }
        true
    }

    /// The place of the message's community or user among the known ones.
    fn know(&mut self, cx: Cx<'_>, message: &Message<'_>, bytes: &[u8]) -> Option<usize> {
        if let Some(at) = self.known.iter().position(|k| k.login.is(message)) {
            // A user who only asked who the agent is shows a proof later (RFC 3414, section 4).
            if let Some(known) = self.known.get_mut(at).filter(|k| k.is_unsigned() && !message.usm.digest.is_empty()) {
                *known = Known { at: (cx.ts, cx.packet), login: Self::user(message, bytes), told: false };
            }
            return Some(at);
        }
        if self.known.len() >= limits::SNMP_LOGINS_MAX {
            cx.limit_hit();
            return None;
        }
        let login = if message.version == Version::V3 {
            Self::user(message, bytes)
        } else {
            Kind::Community(SecretBuf::new(message.community))
        };
        self.known.push(Known { at: (cx.ts, cx.packet), login, told: false });
        Some(self.known.len() - 1)
    }

    fn user(message: &Message<'_>, bytes: &[u8]) -> Kind {
        let fits = bytes.len() <= limits::SNMP_PROOF_BYTES_MAX;
        Kind::User {
            name: message.usm.user.into(),
            engine: message.usm.engine.into(),
            digest: message.usm.digest.get(..64).unwrap_or(message.usm.digest).into(),
            digest_at: message.usm.digest_at,
            message: if fits { bytes.into() } else { Box::default() },
        }
    }

    /// Emits a login, once. A user without a digest proves nothing: that is no login.
    fn tell(&mut self, which: usize, success: Option<bool>, emit: Emit<'_>) {
        let Some(known) = self.known.get_mut(which).filter(|k| !k.told && !k.is_unsigned()) else { return };
        known.told = true;
        let login = Login { success, ..Login::at(known.at) };
        match &known.login {
            Kind::Community(community) => emit(Event::Login(Login {
                mechanism: "community",
                secret: Some(community.borrow()),
                secret_kind: SecretKind::Community,
                ..login
            })),
            Kind::User { name, engine, digest, digest_at, message } => {
                let answer = SecretBuf::new(hex(digest).as_bytes());
                let is_signed = !digest.is_empty();
                emit(Event::Login(Login {
                    mechanism: "usm",
                    username: Some(name),
                    secret: is_signed.then(|| answer.borrow()),
                    secret_kind: SecretKind::ChallengeResponse,
                    proof: (is_signed && !message.is_empty()).then_some(Proof::SnmpUsm {
                        engine,
                        message,
                        digest,
                        at: *digest_at,
                    }),
                    ..login
                }));
            }
        }
    }
}

impl AppParser for Snmp {
    const SPEC: Spec = Spec {
        name: "snmp",
        title: "SNMP",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[161, 162],
        reference: "RFC 1157, RFC 3416, RFC 3412, RFC 3414",
        table: Some(&TABLE),
        yields: "communities, users, what devices say of themselves, traps, writes",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if payload.first().is_some_and(|b| *b != ber::SEQUENCE) {
            return Probe::No;
        }
        match begins(payload) {
            Some(true) => Probe::Yes,
            Some(false) => Probe::No,
            None => Probe::NeedMore,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            if self.message(cx, dir, bytes, emit) {
                self.understood = true;
            } else if !self.understood {
                return Progress::Violation("not an SNMP message");
            }
            return Progress::Done;
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let len = match ber::message_len(rest) {
                Ok(Some(len)) if len <= limits::SNMP_MESSAGE_BYTES_MAX => len,
                Ok(Some(_)) => {
                    cx.limit_hit();
                    return Progress::Finished;
                }
                Ok(None) => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Err(_) => return Progress::Violation("not an SNMP message"),
            };
            let Some(message) = rest.get(..len) else {
                return Progress::Partial { consumed: used, needed: len };
            };
            used += len;
            if !self.message(cx, dir, message, emit) {
                return Progress::Violation("not an SNMP message");
            }
        }
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for which in 0..self.known.len() {
                self.tell(which, None, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    /// An element of less than 128 bytes.
    fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        assert!(content.len() < 128);
        [&[tag, content.len() as u8][..], &content].concat()
    }

    const SYS_DESCR: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
    const SYS_NAME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 5, 0];

    fn pdu(tag: u8, id: u8, error: u8, bindings: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let list: Vec<u8> = bindings.iter().flat_map(|(o, t, v)| tlv(0x30, &[&tlv(6, &[o]), &tlv(*t, &[v])])).collect();
        tlv(tag, &[&[2, 1, id], &[2, 1, error], &[2, 1, 0], &tlv(0x30, &[&list])])
    }

    fn message(version: u8, community: &[u8], pdu: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&[2, 1, version], &tlv(4, &[community]), pdu])
    }

    fn v3(id: u8, flags: u8, user: &[u8], digest: &[u8], scoped: &[u8]) -> Vec<u8> {
        let engine = [0x80, 0, 0x1f, 0x88, 3, 2, 0, 0, 0, 0, 9];
        let usm =
            tlv(0x30, &[&tlv(4, &[&engine]), &[2, 1, 3], &[2, 1, 9], &tlv(4, &[user]), &tlv(4, &[digest]), &[4, 0]]);
        let header = tlv(0x30, &[&[2, 1, id], &[2, 3, 0, 0xff, 0xe3], &[4, 1, flags], &[2, 1, 3]]);
        tlv(0x30, &[&[2, 1, 3], &header, &tlv(4, &[&usm]), scoped])
    }

    #[test]
    fn a_question_and_its_answer() {
        let get = message(1, b"public", &pdu(0xa0, 7, 0, &[(SYS_DESCR, 5, b""), (SYS_NAME, 5, b"")]));
        let answer =
            message(1, b"public", &pdu(0xa2, 7, 0, &[(SYS_DESCR, 4, b"ACME printer"), (SYS_NAME, 4, b"prn1")]));
        let seen = Script::new().orig(&get).resp(&answer).orig(&get).resp(&answer).datagrams::<Snmp>();
        assert_eq!(seen.cells("pdu_type"), ["get", "response", "get", "response"]);
        assert_eq!(seen.cells("version")[0], "2c");
        assert_eq!(seen.cells("sys_descr"), ["-", "ACME printer", "-", "ACME printer"]);
        assert_eq!(seen.cells("sys_name")[1], "prn1");
        assert_eq!(seen.cells("oids")[0], "[1.3.6.1.2.1.1.1.0,1.3.6.1.2.1.1.5.0]");
        assert_eq!(seen.logins.len(), 1, "one for the flow");
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("packet: 1"));
        assert!(!format!("{seen:?}").contains("public"));
        let streams = Script::new().orig(&get).resp(&answer).any_chunking::<Snmp>();
        assert_eq!(streams.logins.len(), 1);
        assert_eq!(streams.rows.len(), 2);
    }

    #[test]
    fn what_is_not_answered_or_not_asked() {
        let get = message(0, b"wombat", &pdu(0xa1, 7, 0, &[(SYS_NAME, 5, b"")]));
        let other = message(0, b"wombat", &pdu(0xa2, 8, 0, &[(SYS_NAME, 4, b"x")]));
        let seen = Script::new().orig(&get).resp(&other).datagrams::<Snmp>();
        assert!(seen.logins[0].contains("success: None"), "{:?}", seen.logins);
        let seen = Script::new().resp(&other).datagrams::<Snmp>();
        assert!(seen.logins.len() == 1 && seen.logins[0].contains("success: Some(true)"), "{:?}", seen.logins);
        let many = (0..40_u8).fold(Script::new(), |s, n| s.orig(message(0, &[b'a', n], &pdu(0xa0, n, 0, &[]))));
        assert_eq!(many.datagrams::<Snmp>().logins.len(), limits::SNMP_LOGINS_MAX);
    }

    #[test]
    fn traps() {
        // RFC 1157, section 4.1.6: enterprise, agent, generic, specific, time, variables.
        let enterprise = [0x2b, 6, 1, 4, 1, 9, 1];
        let body = |generic: u8| {
            let trap =
                [&tlv(6, &[&enterprise])[..], &[0x40, 4, 192, 0, 2, 9], &[2, 1, generic], &[2, 1, 5], &[0x43, 1, 9]];
            message(0, b"public", &tlv(0xa4, &[&trap.concat(), &tlv(0x30, &[])]))
        };
        let seen = Script::new().orig(body(6)).orig(body(0)).datagrams::<Snmp>();
        assert_eq!(seen.cells("trap_oid"), ["1.3.6.1.4.1.9.1.0.5", "1.3.6.1.6.3.1.1.5.1"]);
        assert_eq!(seen.cells("engine_vendor")[0], "Cisco");
        let oid = [0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
        let cold_start = [0x2b, 6, 1, 6, 3, 1, 1, 5, 1];
        let trap = message(1, b"public", &pdu(0xa7, 1, 0, &[(&oid, 6, &cold_start)]));
        assert_eq!(Script::new().orig(trap).datagrams::<Snmp>().cell("trap_oid"), "1.3.6.1.6.3.1.1.5.1");
    }

    #[test]
    fn users_of_version_3() {
        let get = tlv(0x30, &[&tlv(4, &[b"e"]), &tlv(4, &[b""]), &pdu(0xa0, 1, 0, &[(SYS_NAME, 5, b"")])]);
        let report = tlv(0x30, &[&tlv(4, &[b"e"]), &tlv(4, &[b""]), &pdu(0xa8, 0, 0, &[])]);
        let hidden = tlv(4, &[&[7; 20]]);
        let seen = Script::new()
            .orig(v3(1, 4, b"", b"", &get))
            .resp(v3(1, 0, b"", b"", &report))
            .orig(v3(2, 7, b"ops", &[0xab; 12], &hidden))
            .resp(v3(2, 3, b"ops", &[0xcd; 12], &hidden))
            .datagrams::<Snmp>();
        assert_eq!(seen.cells("security_level"), ["noAuthNoPriv", "noAuthNoPriv", "authPriv", "authPriv"]);
        assert_eq!(seen.cells("username"), ["-", "-", "ops", "ops"]);
        assert_eq!(seen.cells("pdu_type"), ["get", "report", "-", "-"]);
        assert_eq!(seen.cells("engine_id")[0], "80001f8803020000000009");
        assert_eq!(seen.cells("engine_vendor")[0], "Net-SNMP");
        assert_eq!(seen.logins.len(), 1);
        assert!(
            seen.logins[0].contains("SnmpUsm") && seen.logins[0].contains("success: Some(true)"),
            "{:?}",
            seen.logins
        );
        // Without a digest nothing is proved, whatever comes back; the proof may come later.
        let seen =
            Script::new().orig(v3(1, 4, b"ops", b"", &get)).resp(v3(1, 0, b"ops", b"", &report)).datagrams::<Snmp>();
        assert_eq!(seen.logins.len(), 0, "{:?}", seen.logins);
        let seen = Script::new()
            .orig(v3(1, 4, b"ops", b"", &get))
            .resp(v3(1, 0, b"ops", b"", &report))
            .orig(v3(2, 7, b"ops", &[0xab; 12], &hidden))
            .resp(v3(2, 3, b"ops", &[0xcd; 12], &hidden))
            .datagrams::<Snmp>();
        assert_eq!(seen.logins.len(), 1, "{:?}", seen.logins);
        assert!(seen.logins[0].contains("packet: 3") && seen.logins[0].contains("success: Some(true)"));
        // A report without authentication turns the user down.
        let seen = Script::new()
            .orig(v3(2, 5, b"ops", &[0xab; 12], &get))
            .resp(v3(2, 0, b"ops", b"", &report))
            .datagrams::<Snmp>();
        assert!(seen.logins[0].contains("success: Some(false)"), "{:?}", seen.logins);
    }

    #[test]
    fn the_digest_is_found_in_the_message() {
        let hidden = tlv(4, &[&[7; 20]]);
        let bytes = v3(2, 7, b"ops", &[0xab; 12], &hidden);
        let usm = Message::parse(&bytes).unwrap().usm;
        assert_eq!(bytes[usm.digest_at..usm.digest_at + 12], [0xab; 12]);
    }

    #[test]
    fn probes_and_cuts() {
        let get = message(1, b"public", &pdu(0xa0, 7, 0, &[(SYS_NAME, 5, b"")]));
        assert_eq!(probe_all::<Snmp>(Direction::Orig, &get), Probe::Yes);
        assert_eq!(probe_all::<Snmp>(Direction::Orig, &v3(1, 4, b"", b"", &[])), Probe::Yes);
        // LDAP: a message identifier, then an operation.
        assert_eq!(
            probe_all::<Snmp>(Direction::Orig, &[0x30, 12, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]),
            Probe::No
        );
        assert_eq!(probe_all::<Snmp>(Direction::Orig, b"0 is a digit"), Probe::No);
        for end in 0..get.len() {
            let _ = Script::new().orig(&get[..end]).datagrams::<Snmp>();
            let _ = Script::new().orig(&get[..end]).run::<Snmp>();
        }
        // An object identifier with an arc of more than 32 bits hides neither message nor community.
        let long =
            message(0, b"public", &pdu(0xa0, 7, 0, &[(&[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 5, b"")]));
        let seen = Script::new().orig(long).datagrams::<Snmp>();
        assert_eq!((seen.cell("oids"), seen.logins.len()), ("[?]".to_owned(), 1));
    }
}

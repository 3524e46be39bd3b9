//! RADIUS over UDP (RFC 2865, RFC 2866, RFC 5176).

use std::collections::VecDeque;

use super::hex;
pub use super::radius_event::{Event, TABLE};
use super::radius_event::{eap_mechanism, method};
use super::radius_message::{Eap, Message, MsChap, attribute, is_request};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, hash, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport, Wrapped};
use crate::proto::proof::{Ntlm, Proof};
use crate::proto::tls::eap::EapTls;

/// A request that waits for its answer: its bytes as they came, read again with the answer.
struct Pending {
    id: u8,
    asks: Direction,
    at: (Timestamp, u64),
    bytes: Box<[u8]>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({}, {} bytes)", self.id, self.bytes.len())
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Radius {
    pending: VecDeque<Pending>,
    /// The last MD5 challenge of EAP: its identifier and value.
    md5: Option<(u8, Box<[u8]>)>,
    tls: EapTls,
    /// Whose dialogue the last requests with EAP were of: number, who asked, and the session.
    sessions: VecDeque<(u8, Direction, u64)>,
    understood: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// What a login consists of besides its message.
struct Answer<'a> {
    mechanism: &'static str,
    secret: Option<SecretBuf>,
    proof: Option<Proof<'a>>,
}

/// The answer that a request for access gives to a challenge. `md5` is the challenge of EAP, if any.
fn answer<'a>(
    request: &Message<'a>,
    user: &'a [u8],
    eap: Option<&'a Eap>,
    md5: Option<&'a (u8, Box<[u8]>)>,
) -> Option<Answer<'a>> {
    let mechanism = method(request)?;
    let shown = |bytes: &[u8]| Some(SecretBuf::new(hex(bytes).as_bytes()));
    Some(match mechanism {
        // Hidden with a key that both servers share (RFC 2865, section 5.2).
        "pap" => Answer { mechanism, secret: shown(request.get(attribute::USER_PASSWORD)?), proof: None },
        "chap" => {
            let (id, response) = request.get(attribute::CHAP_PASSWORD)?.split_first()?;
            // Where the challenge has no attribute, it is the authenticator (RFC 2865, section 5.40).
            let challenge = request.get(attribute::CHAP_CHALLENGE).unwrap_or(request.authenticator);
            Answer { mechanism, secret: shown(response), proof: Some(Proof::Chap { id: *id, challenge, response }) }
        }
        "eap" => {
            let eap = eap.filter(|e| e.code == Eap::RESPONSE && e.kind != Eap::IDENTITY)?;
            let response = eap.md5_value();
            let challenge = md5.filter(|(id, _)| *id == eap.id);
            let proof =
                response.zip(challenge).map(|(response, (id, challenge))| Proof::Chap { id: *id, challenge, response });
            Answer { mechanism: eap_mechanism(eap), secret: response.and_then(shown), proof }
        }
        _ => match request.ms_chap()? {
            MsChap::V1 { lm, nt } => {
                let challenge = request.ms_chap_challenge().and_then(|c| c.try_into().ok());
                let proof =
                    challenge.map(|challenge| Proof::Ntlm(Ntlm { username: user, domain: &[], challenge, lm, nt }));
                Answer { mechanism, secret: shown(nt), proof }
            }
            MsChap::V2 { peer_challenge, response } => {
                // The domain before the name does not go into the hash (RFC 2759, section 4).
                let username = user.rsplit(|c| *c == b'\\').next().unwrap_or(user);
                let proof = request.ms_chap_challenge().map(|challenge| Proof::MsChap2 {
                    challenge,
                    peer_challenge,
                    username,
                    response,
                });
                Answer { mechanism, secret: shown(response), proof }
            }
        },
    })
}

impl Radius {
    /// TLS in EAP. One flow carries the dialogues of many stations; the answer has its request's number.
    fn collect(&mut self, dir: Direction, message: &Message<'_>) {
        let Some(eap) = message.eap() else { return };
        let session = if is_request(message.code) {
            let names = [attribute::USER_NAME, attribute::CALLING_STATION_ID];
            let session = names.iter().filter_map(|n| message.get(*n)).fold(1, hash::stable64);
            self.sessions.retain(|s| (s.0, s.1) != (message.id, dir));
            self.sessions.push_back((message.id, dir, session));
            if self.sessions.len() > limits::RADIUS_PENDING_MAX {
                self.sessions.pop_front();
            }
            session
        } else {
            // An answer that comes again is its request's still.
            let asked = |s: &&(u8, Direction, u64)| (s.0, s.1) == (message.id, dir.other());
            self.sessions.iter().find(asked).map_or(0, |s| s.2)
        };
        self.tls.packet(session, dir, (eap.id, eap.kind), &eap.value);
    }

    fn finish(&self, pending: &Pending, response: Option<(Message<'_>, u64)>, emit: Emit<'_>) {
        let Some(request) = Message::parse(&pending.bytes) else { return };
        let user = request.get(attribute::USER_NAME);
        let eap = request.eap();
        let answer = answer(&request, user.unwrap_or_default(), eap.as_ref(), self.md5.as_ref());
        let success = match response.map(|r| r.0.code) {
            Some(2) => Some(true),
            Some(3) => Some(false),
            _ => None,
        };
        // A challenge asks for more; only of MD5 the answer is complete before that. Of the methods
        // inside TLS only the end tells anything.
        let complete = |a: &Answer<'_>| a.secret.is_some() || success.is_some();
        let answer = answer.filter(complete);
        let login = answer.as_ref().map(|a| Login {
            mechanism: a.mechanism,
            username: user,
            secret: a.secret.as_ref().map(|s| s.borrow()),
            secret_kind: SecretKind::ChallengeResponse,
            proof: a.proof,
            success,
            ..Login::at(pending.at)
        });
        emit(Event { at: pending.at, asks: pending.asks, request: Some(request), response, login });
    }
}

impl AppParser for Radius {
    const SPEC: Spec = Spec {
        name: "radius",
        title: "RADIUS",
        transports: &[Transport::Udp],
        ports: &[1812, 1813, 1645, 1646, 3799],
        reference: "RFC 2865, RFC 2866, RFC 5176",
        table: Some(&TABLE),
        wraps_tls: true,
        yields: "users, how they log in and whether they are let in, access servers, stations",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let Some(message) = Message::parse(payload) else {
            return if payload.len() < 4 { Probe::NeedMore } else { Probe::No };
        };
        let said = u16::from_be_bytes([payload.get(2).copied().unwrap_or(0), payload.get(3).copied().unwrap_or(0)]);
        // A message without attributes is told by its length alone; only answers come so.
        let fits = usize::from(said) == payload.len();
        if fits && (!message.is_bare() || !is_request(message.code)) { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let Some(message) = Message::parse(bytes) else {
            return if self.understood { Progress::Done } else { Progress::Violation("not a RADIUS message") };
        };
        self.understood = true;
        self.collect(dir, &message);
        if is_request(message.code) {
            // The same again is a retransmission.
            if self.pending.iter().any(|p| p.id == message.id && p.asks == dir && *p.bytes == *bytes) {
                return Progress::Done;
            }
            if self.pending.len() >= limits::RADIUS_PENDING_MAX
                && let Some(oldest) = self.pending.pop_front()
            {
                cx.limit_hit();
                self.finish(&oldest, None, emit);
            }
            let bytes = bytes.get(..limits::RADIUS_MESSAGE_BYTES_MAX).unwrap_or(bytes).into();
            self.pending.push_back(Pending { id: message.id, asks: dir, at: (cx.ts, cx.packet), bytes });
            return Progress::Done;
        }
        let waiting = self.pending.iter().position(|p| p.id == message.id && p.asks != dir);
        match waiting.and_then(|at| self.pending.remove(at)) {
            Some(pending) => self.finish(&pending, Some((message, cx.packet)), emit),
            None => emit(Event {
                at: (cx.ts, cx.packet),
                asks: dir.other(),
                request: None,
                response: Some((message, cx.packet)),
                login: None,
            }),
        }
        if let Some(eap) = message.eap().filter(|e| e.code == Eap::REQUEST)
            && let Some(challenge) = eap.md5_value()
        {
            self.md5 = Some((eap.id, challenge.into()));
        }
        Progress::Done
    }

    fn heap(&self) -> usize {
        self.pending.iter().map(|p| size_of::<Pending>() + p.bytes.len()).sum()
    }

    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        self.tls.take()
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for pending in std::mem::take(&mut self.pending) {
                self.finish(&pending, None, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    fn message(code: u8, id: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = vec![code, id, 0, 0];
        out.extend(0x10..0x20_u8);
        for (kind, value) in attributes {
            out.extend([*kind, value.len() as u8 + 2]);
            out.extend(*value);
        }
        let len = out.len() as u16;
        out[2..4].copy_from_slice(&len.to_be_bytes());
        out
    }

    fn microsoft(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, 1, 55, kind, value.len() as u8 + 2];
        out.extend(value);
        out
    }

    #[test]
    fn the_example_of_rfc_2865() {
        // Section 7.1: nemo telnets in; the password is arctangent with the secret xyzzy5461.
        let request: &[u8] = &[
            0x01, 0x00, 0x00, 0x38, 0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4,
            0x22, 0x7a, 0x01, 0x06, 0x6e, 0x65, 0x6d, 0x6f, 0x02, 0x12, 0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce,
            0x31, 0x96, 0xe4, 0x3f, 0x78, 0x2a, 0x0a, 0xee, 0x04, 0x06, 0xc0, 0xa8, 0x01, 0x10, 0x05, 0x06, 0x00, 0x00,
            0x00, 0x03,
        ];
        let accept: &[u8] = &[
            0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10, 0x05, 0xf6, 0xbf, 0x9b, 0x55,
            0xe0, 0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00, 0x00, 0x00, 0x0e, 0x06, 0xc0, 0xa8,
            0x01, 0x03,
        ];
        assert_eq!(Radius::probe(Direction::Orig, request), Probe::Yes);
        assert_eq!(Radius::probe(Direction::Resp, accept), Probe::Yes);
        let seen = Script::new().orig(request).resp(accept).datagrams::<Radius>();
        assert_eq!(seen.cell("username"), "nemo");
        assert_eq!(seen.cell("method"), "pap");
        assert_eq!(seen.cell("nas_ip"), "192.168.1.16");
        assert_eq!(seen.cell("response"), "access-accept");
        assert_eq!(seen.cell("message_authenticator"), "false");
        assert_eq!(seen.cell("response_packet"), "2");
        let login = &seen.logins[0];
        assert!(login.contains("ChallengeResponse") && login.contains("success: Some(true)"), "{login}");
        assert!(login.contains("\"pap\""), "{login}");
    }

    #[test]
    fn answers_to_challenges() {
        let chap = [&[7_u8][..], &[1; 16]].concat();
        let v2 = [&[1, 0][..], &[2; 16], &[0; 8], &[3; 24]].concat();
        let v1 = [&[1, 1][..], &[2; 24], &[3; 24]].concat();
        let seen = Script::new()
            .orig(message(1, 1, &[(1, b"a"), (3, &chap)]))
            .resp(message(3, 1, &[]))
            .orig(message(
                1,
                2,
                &[(1, b"D\\b"), (26, &microsoft(11, &[9; 16])), (26, &microsoft(25, &v2)), (80, &[0; 16])],
            ))
            .resp(message(2, 2, &[]))
            .orig(message(1, 3, &[(1, b"c"), (26, &microsoft(11, &[9; 8])), (26, &microsoft(1, &v1))]))
            .datagrams::<Radius>();
        assert_eq!(seen.cells("method"), ["chap", "mschapv2", "mschap"]);
        assert_eq!(seen.cells("response"), ["access-reject", "access-accept", "-"]);
        assert_eq!(seen.cells("message_authenticator"), ["false", "true", "false"]);
        let has = |n: usize, words: &[&str]| words.iter().all(|w| seen.logins[n].contains(w));
        assert!(has(0, &["Some(Chap)", "Some(false)"]), "{:?}", seen.logins);
        assert!(has(1, &["Some(MsChap2)", "Some(true)"]), "{:?}", seen.logins);
        assert!(has(2, &["Some(Ntlm)", "success: None"]), "{:?}", seen.logins);
    }

    #[test]
    fn eap_md5_needs_the_challenge_before_it() {
        let identity = [2, 1, 0, 8, 1, b'b', b'o', b'b'];
        let challenge = [&[1, 2, 0, 22, 4, 16][..], &[5; 16]].concat();
        let response = [&[2, 2, 0, 22, 4, 16][..], &[6; 16]].concat();
        let seen = Script::new()
            .orig(message(1, 1, &[(1, b"bob"), (79, &identity), (80, &[0; 16])]))
            .resp(message(11, 1, &[(79, &challenge), (24, b"s")]))
            .orig(message(1, 2, &[(1, b"bob"), (79, &response), (80, &[0; 16])]))
            .resp(message(2, 2, &[]))
            .datagrams::<Radius>();
        assert_eq!(seen.cells("eap_type"), ["identity", "md5"]);
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("eap-md5") && seen.logins[0].contains("Some(Chap)"), "{:?}", seen.logins);
    }

    #[test]
    fn tls_in_eap_is_held_apart_by_station_and_told_once() {
        let eap = |code: u8, id: u8, tls: &[u8]| [&[code, id, 0, tls.len() as u8 + 6, 13, 0][..], tls].concat();
        let ask = |id, station: &[u8], tls: &[u8]| message(1, id, &[(31, station), (79, &eap(2, id, tls))]);
        let answer = |id, tls: &[u8]| message(11, id, &[(79, &eap(1, id, tls))]);
        let (flow, limited) = (crate::proto::testing::flow(), Default::default());
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &flow, limited: &limited };
        let mut radius = Radius::default();
        let mut found = Vec::new();
        for (dir, bytes) in [
            (Direction::Orig, ask(1, b"a", b"A1")),
            (Direction::Orig, ask(2, b"b", b"B1")),
            (Direction::Resp, answer(1, b"A2")),
            (Direction::Resp, answer(1, b"A2")),
            (Direction::Resp, answer(2, b"B2")),
            (Direction::Orig, ask(2, b"b", b"B1")),
        ] {
            radius.on_data(cx, dir, &bytes, &mut |_| {});
            found.extend(radius.take_wrapped());
        }
        let texts: Vec<&[u8]> = found.iter().map(|w| w.bytes.as_slice()).collect();
        assert_eq!(texts, [b"A1", b"B1", b"A2", b"B2"]);
        let [a, b, a2, b2] = [0, 1, 2, 3].map(|i: usize| found[i].session);
        assert!(a == a2 && b == b2 && a != b);
    }

    #[test]
    fn what_is_none() {
        let good = message(1, 1, &[(1, b"bob")]);
        assert_eq!(Radius::probe(Direction::Orig, &good), Probe::Yes);
        for end in 4..good.len() {
            assert_eq!(Radius::probe(Direction::Orig, &good[..end]), Probe::No, "{end}");
        }
        let mut bad = good.clone();
        bad[21] = 1;
        assert_eq!(Radius::probe(Direction::Orig, &bad), Probe::No, "an attribute shorter than its head");
        bad[21] = 0;
        assert_eq!(Radius::probe(Direction::Orig, &bad), Probe::No);
        let long = [good.clone(), vec![0; 5]].concat();
        assert_eq!(Radius::probe(Direction::Orig, &long), Probe::No);
        assert_eq!(Script::new().orig(&good).orig(&long).datagrams::<Radius>().rows.len(), 2, "padding is allowed");
        let many = (0..200_u8).fold(Script::new(), |s, id| s.orig(message(1, id, &[(1, b"x")])));
        assert_eq!(many.datagrams::<Radius>().rows.len(), 200);
    }
}

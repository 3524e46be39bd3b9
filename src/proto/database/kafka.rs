//! Kafka's protocol (kafka.apache.org/protocol) as far as a login goes.
//!
//! ```text
//! request:  length(4) call(2) version(2) number(4) client<2> [tags] ...       answer: length(4) number(4) ...
//! ```

use super::session::{Event, Session, TABLE, short};
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};

const NAME: &str = "kafka";
const SASL_HANDSHAKE: u16 = 17;
const API_VERSIONS: u16 = 18;
const SASL_AUTHENTICATE: u16 = 36;
/// Calls with a number above this one are not known.
const CALL_MAX: u16 = 92;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Kafka {
    session: Session,
    plain: bool,
    /// Mechanism tokens come without a request around them (version 0 of the handshake).
    bare: bool,
    /// Number and version of the request whose answer says how the login went.
    login: Option<(u32, u16)>,
    untold: bool,
    told: bool,
    messages: u32,
    ended: bool,
}

/// A number of 7 bits a byte, the low ones first.
fn variable(r: &mut Reader<'_>) -> Result<usize, ReadError> {
    let mut out = 0;
    for i in 0..5 {
        let byte = r.u8("number")?;
        out |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(out);
        }
    }
    Err(ReadError::invalid("number"))
}

impl Kafka {
    fn request(&mut self, cx: &Cx<'_>, body: &[u8]) -> Result<bool, ReadError> {
        let mut r = Reader::new(body);
        let (call, version, number) = (r.be16("call")?, r.be16("version")?, r.be32("number")?);
        if call > CALL_MAX || version > 30 {
            return Err(ReadError::invalid("call"));
        }
        let client = r.be16("client")?;
        let client = if client == u16::MAX { &[][..] } else { r.take("client", usize::from(client))? };
        if self.session.at.1 == 0 {
            self.session.at = (cx.ts, cx.packet);
            self.session.application = short(client);
        }
        match call {
            SASL_HANDSHAKE => {
                self.plain = r.vec16("mechanism")?.rest() == b"PLAIN";
                self.bare = version == 0;
            }
            SASL_AUTHENTICATE if self.plain => {
                let token = if version >= 2 {
                    // Tags of the header, then a compact text.
                    r.skip("tags", 1)?;
                    let len = variable(&mut r)?.saturating_sub(1);
                    r.take("token", len)?
                } else {
                    let len = r.be32("token")?;
                    r.take("token", len as usize)?
                };
                if self.session.sasl_plain(cx, token) {
                    self.login = Some((number, version));
                    self.untold = true;
                }
            }
            API_VERSIONS | SASL_AUTHENTICATE => {}
            // Work begins.
            _ => return Ok(true),
        }
        Ok(false)
    }

    fn answer(&mut self, body: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<bool, ReadError> {
        let Some((number, version)) = self.login else {
            if self.bare && !self.session.mechanism.is_empty() && body.is_empty() {
                self.session.success = Some(true);
                self.tell(emit);
                return Ok(true);
            }
            return Ok(false);
        };
        let mut r = Reader::new(body);
        if r.be32("number")? != number {
            return Ok(false);
        }
        if version >= 2 {
            r.skip("tags", 1)?;
        }
        self.session.success = Some(r.be16("error")? == 0);
        self.tell(emit);
        Ok(true)
    }

    fn message(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        let Some((len, body)) = bytes.split_first_chunk::<4>() else { return Step::Need(4) };
        let len = u32::from_be_bytes(*len) as usize;
        if len > 128 << 20 {
            return Step::Violation("length");
        }
        self.messages += 1;
        let wanted = len.min(limits::DATABASE_MESSAGE_BYTES_MAX);
        let Some(body) = body.get(..wanted) else {
            self.messages -= 1;
            return Step::Need(wanted + 4);
        };
        let read = match dir {
            Direction::Orig if self.bare && self.plain => {
                self.untold |= self.session.sasl_plain(cx, body);
                self.plain = false;
                Ok(false)
            }
            Direction::Orig => self.request(cx, body),
            Direction::Resp => self.answer(body, emit),
        };
        match read {
            Ok(true) | Err(_) if self.messages > 1 => {
                if !self.told {
                    self.tell(emit);
                }
                Step::Finished
            }
            Ok(_) if self.messages > limits::DATABASE_MESSAGES_MAX => Step::Finished,
            Ok(_) => Step::Used(len as u64 + 4),
            Err(_) => Step::Violation("request"),
        }
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.told = true;
        self.session.tell(NAME, emit);
    }
}

impl AppParser for Kafka {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "Kafka",
        transports: &[Transport::Tcp],
        ports: &[9092],
        reference: "Kafka protocol guide",
        table: Some(&TABLE),
        yields: "login and its success, client",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        if dir == Direction::Resp {
            return Probe::No;
        }
        match payload {
            [0, l2, l1, l0, 0, call, 0, version, _, _, _, _, c1, c0, rest @ ..] => {
                let len = u32::from_be_bytes([0, *l2, *l1, *l0]) as usize;
                let client = usize::from(u16::from_be_bytes([*c1, *c0]));
                if u16::from(*call) > CALL_MAX || *version > 20 || !(1..=255).contains(&client) || client + 10 > len {
                    return Probe::No;
                }
                let name = front(rest, client);
                if !name.iter().all(|c| c.is_ascii_graphic()) {
                    Probe::No
                } else if name.len() < client {
                    Probe::NeedMore
                } else {
                    Probe::Yes
                }
            }
            [0, _, _, _, 0, call, 0, version, ..] if u16::from(*call) <= CALL_MAX && *version <= 20 => Probe::NeedMore,
            [0] | [0, _] | [0, _, _] | [0, _, _, _] | [0, _, _, _, 0] | [0, _, _, _, 0, _] | [0, _, _, _, 0, _, 0] => {
                Probe::NeedMore
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| self.message(&cx, dir, rest, emit))
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if (dir == Direction::Resp || std::mem::replace(&mut self.ended, true)) && self.untold {
            self.tell(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn request(call: u16, version: u16, body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as u32 + 13).to_be_bytes().to_vec();
        out.extend_from_slice(&call.to_be_bytes());
        out.extend_from_slice(&version.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 9, 0, 3]);
        out.extend_from_slice(b"cli");
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn plain_in_old_and_new_dress() {
        let old = request(SASL_AUTHENTICATE, 0, b"\0\0\0\x0d\0joe\0hunter22");
        let new = request(SASL_AUTHENTICATE, 2, b"\0\x0e\0joe\0hunter22\0");
        for (authenticate, answer, success) in
            [(old, &b"\0\0\0\x06\0\0\0\x09\0\0"[..], "true"), (new, b"\0\0\0\x07\0\0\0\x09\0\0\x3a", "false")]
        {
            let seen = Script::new()
                .orig(request(API_VERSIONS, 0, b""))
                .orig(request(SASL_HANDSHAKE, 1, b"\0\x05PLAIN"))
                .resp(b"\0\0\0\x06\0\0\0\x08\0\0")
                .orig(authenticate)
                .resp(answer)
                .any_chunking::<Kafka>();
            assert_eq!((seen.cell("username"), seen.cell("success")), ("joe".into(), success.into()));
            assert_eq!(seen.cell("application"), "cli");
            assert!(!format!("{seen:?}").contains("hunter22"));
        }
    }

    #[test]
    fn without_a_login_and_damaged() {
        let seen = Script::new().orig(request(API_VERSIONS, 0, b"")).orig(request(3, 0, b"")).any_chunking::<Kafka>();
        assert_eq!(seen.cell("mechanism"), "-");
        assert_eq!(probe_all::<Kafka>(Direction::Orig, &request(API_VERSIONS, 3, b"")), Probe::Yes);
        assert_eq!(probe_all::<Kafka>(Direction::Orig, b"\0\0\0\x2f\0\x03\0\0user\0joe\0"), Probe::No);
        let seen = Script::new().orig(b"\xff\xff\xff\xff\0").any_chunking::<Kafka>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
        let whole = request(SASL_HANDSHAKE, 1, b"\0\x05PLAIN");
        for end in 0..whole.len() {
            assert!(Script::new().orig(&whole[..end]).any_chunking::<Kafka>().logins.is_empty());
        }
    }
}

//! PostgreSQL, protocol version 3 ("Frontend/Backend Protocol" in its manual, chapters 55.2 and 55.7).
//!
//! ```text
//! startup: length(4) version(4) { name NUL value NUL } NUL     or a request of 8 bytes: SSL, GSS, cancel
//! message: type(1) length(4, itself included) ...
//! ```

use super::session::{Answer, Encryption, Event, Scram, Session, TABLE, short};
use crate::base::secret::SecretBuf;
use crate::base::{Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, until_nul, walk};

const NAME: &str = "postgresql";
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What the server asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Asked {
    #[default]
    Unknown,
    Cleartext,
    Md5([u8; 4]),
    Sasl,
    Other,
}

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Postgresql {
    session: Session,
    asked: Asked,
    scram: Option<Box<Scram>>,
    /// Requests for encryption whose answer of one byte has not come.
    requests: u8,
    started: bool,
    /// Whether something is known that was not told.
    untold: bool,
    messages: u32,
    ended: bool,
}

impl Postgresql {
    fn startup(&mut self, cx: &Cx<'_>, bytes: &[u8]) -> Step {
        let mut r = Reader::new(bytes);
        let (Ok(len), Ok(version)) = (r.be32("length"), r.be32("version")) else { return Step::Need(8) };
        let len = len as usize;
        if !(8..=limits::DATABASE_MESSAGE_BYTES_MAX).contains(&len) {
            return Step::Violation("startup message");
        }
        match version {
            SSL | GSS if len == 8 => {
                self.requests = self.requests.saturating_add(1);
                return Step::Used(8);
            }
            CANCEL => return Step::Finished,
            _ if version >> 16 == 3 => {}
            _ => return Step::Violation("version"),
        }
        let Some(mut rest) = bytes.get(8..len) else { return Step::Need(len) };
        self.session.at = (cx.ts, cx.packet);
        self.started = true;
        self.untold = true;
        while let Some((name, after)) = until_nul(rest).filter(|(name, _)| !name.is_empty()) {
            let Some((value, after)) = until_nul(after) else { break };
            rest = after;
            match name {
                b"user" => self.session.username = short(value),
                b"database" => self.session.database = short(value),
                b"application_name" => self.session.application = short(value),
                _ => {}
            }
        }
        Step::Used(len as u64)
    }

    /// A typed message, whole or the front of a long one.
    fn message<'b>(&mut self, cx: &Cx<'_>, bytes: &'b [u8]) -> Result<(u8, &'b [u8], Step), Step> {
        let mut r = Reader::new(bytes);
        let (Ok(kind), Ok(len)) = (r.u8("type"), r.be32("length")) else { return Err(Step::Need(5)) };
        let len = len as usize;
        if len < 4 || !kind.is_ascii_alphanumeric() {
            return Err(Step::Violation("message"));
        }
        self.messages += 1;
        let used = Step::Used(len as u64 + 1);
        if len > limits::DATABASE_MESSAGE_BYTES_MAX {
            cx.limit_hit();
            return Err(used);
        }
        match r.take("message", len - 4) {
            Ok(body) => Ok((kind, body, used)),
            Err(_) => {
                self.messages -= 1;
                Err(Step::Need(len + 1))
            }
        }
    }

    fn from_client(&mut self, cx: &Cx<'_>, bytes: &[u8]) -> Step {
        if !self.started && bytes.first() == Some(&0) {
            return self.startup(cx, bytes);
        }
        self.started = true;
        match self.message(cx, bytes) {
            Ok((b'p', body, used)) => {
                self.password(cx, body);
                used
            }
            Ok((b'X', ..)) => Step::Finished,
            Ok((.., used)) if self.messages <= limits::DATABASE_MESSAGES_MAX => used,
            Ok(_) => Step::Finished,
            Err(step) => step,
        }
    }

    /// The client's answer, which looks like what was asked for.
    fn password(&mut self, cx: &Cx<'_>, body: &[u8]) {
        let text = until_nul(body).map(|(text, rest)| (text, rest.is_empty()));
        let is_md5 = |t: &[u8]| t.len() == 35 && t.starts_with(b"md5");
        match (self.asked, text) {
            (Asked::Md5(salt), Some((answer, true))) => {
                self.session.login(cx, "md5", Some(SecretBuf::new(answer)));
                self.session.answer = Some(Answer::PostgresMd5 { salt: salt.to_vec() });
            }
            // The server was not heard, but this is no password.
            (Asked::Unknown, Some((answer, true))) if is_md5(answer) => {
                self.session.login(cx, "md5", Some(SecretBuf::new(answer)));
                self.session.answer = Some(Answer::Other);
            }
            (Asked::Unknown | Asked::Cleartext, Some((password, true))) => {
                self.session.login(cx, "plain", Some(SecretBuf::new(password)));
            }
            (Asked::Unknown | Asked::Sasl, Some((mechanism, false))) if mechanism.starts_with(b"SCRAM-SHA-") => {
                let hash = if mechanism.starts_with(b"SCRAM-SHA-256") { "SHA-256" } else { "SHA-1" };
                let mut scram = Scram { hash, ..Scram::default() };
                // Mechanism, NUL, length of the message (4), message. The name in it is empty: the startup had it.
                scram.first(body.get(mechanism.len() + 5..).unwrap_or_default());
                self.scram = Some(Box::new(scram));
            }
            (Asked::Unknown | Asked::Sasl, _) if self.scram.is_some() => {
                if let Some(mut scram) = self.scram.take()
                    && let Some(sent) = scram.last(body)
                {
                    self.session.login(cx, "scram", Some(sent));
                    self.session.answer = Some(Answer::Scram(*scram));
                }
            }
            (Asked::Other, _) => self.session.login(cx, "gssapi", None),
            _ => {}
        }
        self.untold = true;
    }

    fn from_server(&mut self, cx: &Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        if self.requests > 0
            || !self.started && matches!(bytes, [b'S' | b'N'] | [b'S', 0x16, ..] | [b'N', b'R' | b'E', ..])
        {
            match bytes.first() {
                Some(b'S' | b'G') => {
                    self.session.encryption = Some(Encryption::Tls);
                    self.session.at = (cx.ts, cx.packet);
                    self.tell(emit);
                    return Step::Finished;
                }
                Some(b'N') => {
                    self.requests = self.requests.saturating_sub(1);
                    self.session.encryption = Some(Encryption::Refused);
                    self.untold = true;
                    return Step::Used(1);
                }
                // Servers older than encryption answer with an error.
                _ => self.requests = 0,
            }
        }
        let (kind, body, used) = match self.message(cx, bytes) {
            Ok(message) => message,
            Err(step) => return step,
        };
        match kind {
            b'R' => self.asked(cx, body),
            b'S' => {
                if let Some((b"server_version", value)) = until_nul(body) {
                    let value = until_nul(value).map_or(value, |v| v.0);
                    self.session.server = short(&[b"PostgreSQL ", value].concat());
                }
            }
            b'E' => {
                if self.session.mechanism.is_empty() || self.session.success.is_none() {
                    self.session.success = Some(false);
                }
                self.untold = true;
                self.tell(emit);
                return Step::Finished;
            }
            b'Z' => {
                self.tell(emit);
                return Step::Finished;
            }
            _ if self.messages > limits::DATABASE_MESSAGES_MAX => return Step::Finished,
            _ => {}
        }
        used
    }

    /// Authentication request (type R).
    fn asked(&mut self, cx: &Cx<'_>, body: &[u8]) {
        let mut r = Reader::new(body);
        let Ok(code) = r.be32("code") else { return };
        self.untold = true;
        match code {
            0 => {
                // Nobody was asked for anything: trust.
                if self.session.mechanism.is_empty() {
                    self.session.open = self.asked == Asked::Unknown && !self.session.username.is_empty();
                    self.session.at = if self.session.at.1 == 0 { (cx.ts, cx.packet) } else { self.session.at };
                }
                self.session.success = Some(true);
            }
            3 => self.asked = Asked::Cleartext,
            5 => self.asked = r.array("salt").map_or(Asked::Other, Asked::Md5),
            10 | 12 => self.asked = Asked::Sasl,
            11 => {
                self.asked = Asked::Sasl;
                if let Some(scram) = &mut self.scram {
                    scram.server_first = short(r.rest());
                }
            }
            _ => self.asked = Asked::Other,
        }
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

impl AppParser for Postgresql {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "PostgreSQL",
        transports: &[Transport::Tcp],
        ports: &[5432],
        reference: "PostgreSQL 17, chapter 55",
        table: Some(&TABLE),
        yields: "login and its success, user, database, application, version, refused encryption",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match (dir, payload) {
            (Direction::Orig, [0, 0, _, _, 0, 3, 0, 0 | 2, b'a'..=b'z', ..]) => Probe::Yes,
            (Direction::Orig, [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f | 0x30, ..]) => Probe::Yes,
            (Direction::Orig, [0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, ..]) => Probe::Yes,
            (Direction::Orig, [0, rest @ ..]) if payload.len() < 9 => match rest {
                []
                | [0]
                | [0, _]
                | [0, _, _]
                | [0, _, _, 0]
                | [0, _, _, 0, 3]
                | [0, _, _, 0, 3, 0]
                | [0, _, _, 0, 3, 0, 0 | 2] => Probe::NeedMore,
                [0, 0, 8 | 16, 4] | [0, 0, 8 | 16, 4, 0xd2] | [0, 0, 8 | 16, 4, 0xd2, 0x16] => Probe::NeedMore,
                _ => Probe::No,
            },
            // A password where only the client was heard.
            (Direction::Resp, [b'R', 0, 0, 0, 8..=99, 0, 0, 0, 0 | 2..=12, ..]) => Probe::Yes,
            (Direction::Resp, [b'N', b'R', 0, 0, 0, ..]) => Probe::Yes,
            (Direction::Resp, [b'E', 0, 0, _, _, b'S', b'E' | b'F' | b'P', ..]) => Probe::Yes,
            // Query results in the middle of a session: ready for query, idle or in a transaction.
            (Direction::Resp, [b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E', ..]) => Probe::Yes,
            (Direction::Resp, [b'S' | b'N']) => Probe::NeedMore,
            (Direction::Resp, [b'R' | b'E', rest @ ..] | [b'N', b'R', rest @ ..]) if rest.len() < 8 => {
                if rest.iter().take(2).all(|b| *b == 0) { Probe::NeedMore } else { Probe::No }
            }
            (Direction::Resp, [b'Z', rest @ ..]) if rest.len() < 5 && [0, 0, 0, 5].starts_with(rest) => Probe::NeedMore,
            (Direction::Resp, [b'N', b'R' | b'E']) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| match dir {
            Direction::Orig => self.from_client(&cx, rest),
            Direction::Resp => self.from_server(&cx, rest, emit),
        })
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if (dir == Direction::Resp || std::mem::replace(&mut self.ended, true)) && self.untold {
            self.tell(emit);
        }
    }
}

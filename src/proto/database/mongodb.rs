//! MongoDB's wire protocol (its manual, "MongoDB Wire Protocol") up to the end of the login.
//!
//! ```text
//! header:   length(4) request(4) answers(4) operation(4), the low byte first
//! OP_MSG:   flags(4), kind(1)=0, document      OP_QUERY: flags(4) collection NUL skip(4) count(4) document
//! OP_REPLY: flags(4) cursor(8) from(4) count(4) document
//! ```

use super::bson::{Value, elements};
use super::session::{Answer, Event, Scram, Session, TABLE, short};
use crate::base::secret::SecretBuf;
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, until_nul, walk};

const NAME: &str = "mongodb";
const REPLY: u32 = 1;
const QUERY: u32 = 2004;
const COMPRESSED: u32 = 2012;
const MSG: u32 = 2013;

/// What the last command of the client was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Asked {
    #[default]
    Nothing,
    /// What anybody may ask.
    Free,
    /// A step of a login.
    Login,
    /// What a login protects.
    Guarded,
}

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Mongodb {
    session: Session,
    scram: Option<Box<Scram>>,
    asked: Asked,
    logged_in: bool,
    untold: bool,
    messages: u32,
    ended: bool,
}

/// Commands that need no login.
const FREE: [&[u8]; 11] = [
    b"hello",
    b"ismaster",
    b"isMaster",
    b"buildInfo",
    b"buildinfo",
    b"ping",
    b"whatsmyuri",
    b"getnonce",
    b"logout",
    b"connectionStatus",
    b"endSessions",
];

/// The document of a message, whatever its operation; `None` where there is none to see.
fn document(operation: u32, body: &[u8]) -> Result<Option<&[u8]>, ReadError> {
    let mut r = Reader::new(body);
    match operation {
        MSG => {
            r.skip("flags", 4)?;
            Ok((r.u8("kind")? == 0).then(|| r.peek_rest()))
        }
        QUERY => {
            r.skip("flags", 4)?;
            let Some((collection, _)) = until_nul(r.peek_rest()) else { return Err(ReadError::invalid("collection")) };
            r.skip("collection", collection.len() + 1 + 8)?;
            Ok(Some(r.peek_rest()))
        }
        REPLY => {
            r.skip("flags, cursor, place, count", 20)?;
            Ok(Some(r.peek_rest()))
        }
        _ => Ok(None),
    }
}

impl Mongodb {
    fn command(&mut self, cx: &Cx<'_>, document: &[u8]) -> Result<(), ReadError> {
        let mut name: &[u8] = b"";
        let mut mechanism: &[u8] = b"";
        let mut payload: &[u8] = b"";
        let mut user: &[u8] = b"";
        let mut key: &[u8] = b"";
        elements(document, |field, value| {
            if name.is_empty() {
                name = field;
            }
            match (field, value) {
                (b"mechanism", Value::Text(m)) => mechanism = m,
                (b"payload", Value::Binary(p) | Value::Text(p)) => payload = p,
                (b"user", Value::Text(u)) => user = u,
                (b"key", Value::Text(k)) => key = k,
                (b"$db", Value::Text(db)) => self.session.database = short(db),
                (b"client", Value::Document(client)) => {
                    self.session.application = client_of(client).unwrap_or_default();
                }
                // Clients of our day begin to log in with their first message.
                (b"speculativeAuthenticate", Value::Document(inner)) => {
                    let _ = elements(inner, |field, value| {
                        match (field, value) {
                            (b"mechanism", Value::Text(m)) => mechanism = m,
                            (b"payload", Value::Binary(p)) => payload = p,
                            _ => {}
                        }
                        true
                    });
                }
                _ => {}
            }
            true
        })?;
        if self.session.at.1 == 0 {
            self.session.at = (cx.ts, cx.packet);
        }
        let is_free = FREE.contains(&name);
        self.asked = match name {
            b"saslStart" | b"saslContinue" | b"authenticate" => Asked::Login,
            _ if is_free && mechanism.is_empty() => Asked::Free,
            _ if is_free => Asked::Login,
            _ => Asked::Guarded,
        };
        match (name, mechanism) {
            (_, b"PLAIN") => {
                self.untold |= self.session.sasl_plain(cx, payload);
            }
            (_, b"SCRAM-SHA-1" | b"SCRAM-SHA-256") => {
                let hash = if mechanism == b"SCRAM-SHA-1" { "SHA-1" } else { "SHA-256" };
                let mut scram = Scram { hash, ..Scram::default() };
                self.session.username = short(&scram.first(payload));
                self.scram = Some(Box::new(scram));
            }
            (b"saslContinue", _) => {
                if let Some(scram) = &mut self.scram
                    && let Some(sent) = scram.last(payload)
                {
                    let answer = Answer::Scram((**scram).clone());
                    self.session.login(cx, "scram", Some(sent));
                    self.session.answer = Some(answer);
                    self.untold = true;
                    self.scram = None;
                }
            }
            // MONGODB-CR, and certificates: MD5 of a number that the server gave.
            (b"authenticate", _) => {
                self.session.username = short(user);
                self.session.login(cx, if key.is_empty() { "certificate" } else { "mongodb-cr" }, None);
                if !key.is_empty() {
                    self.session.secret = Some(SecretBuf::new(key));
                    self.session.answer = Some(Answer::Other);
                }
                self.untold = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn reply(&mut self, cx: &Cx<'_>, document: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<bool, ReadError> {
        let (mut ok, mut unauthorized) = (None, false);
        let mut payload: &[u8] = b"";
        elements(document, |field, value| {
            match (field, value) {
                (b"ok", Value::Number(n)) => ok = Some(n != 0.0),
                (b"code", Value::Number(n)) => unauthorized = n == 13.0,
                (b"version", Value::Text(v)) => self.session.server = short(&[b"MongoDB ", v].concat()),
                (b"payload", Value::Binary(p) | Value::Text(p)) => payload = p,
                (b"speculativeAuthenticate", Value::Document(inner)) => {
                    let _ = elements(inner, |field, value| {
                        if let (b"payload", Value::Binary(p)) = (field, value) {
                            payload = p;
                        }
                        true
                    });
                }
                _ => {}
            }
            true
        })?;
        if let Some(scram) = self.scram.as_mut().filter(|_| payload.starts_with(b"r=")) {
            scram.server_first = short(payload);
        }
        match (self.asked, ok) {
            (Asked::Login, Some(ok)) if !self.session.mechanism.is_empty() => {
                self.session.success = Some(ok);
                self.logged_in |= ok;
                self.tell(emit);
                return Ok(ok);
            }
            (Asked::Guarded, Some(true) | None) if !self.logged_in && !unauthorized && cx.flow.from_start => {
                self.session.open = true;
                self.session.at = (cx.ts, cx.packet);
                self.tell(emit);
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    fn message(&mut self, cx: &Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        let mut r = Reader::new(bytes);
        let (Ok(len), Ok(_request), Ok(answers), Ok(operation)) =
            (r.le32("length"), r.le32("request"), r.le32("answers"), r.le32("operation"))
        else {
            return Step::Need(16);
        };
        let len = len as usize;
        if !(16..=48 << 20).contains(&len) || !is_operation(operation) {
            return Step::Violation("header");
        }
        self.messages += 1;
        if self.messages > limits::DATABASE_MESSAGES_MAX {
            return Step::Finished;
        }
        if len > limits::DATABASE_MESSAGE_BYTES_MAX {
            if answers == 0 && self.asked != Asked::Login {
                self.asked = Asked::Guarded;
            }
            return Step::Used(len as u64);
        }
        let Some(body) = bytes.get(16..len) else {
            self.messages -= 1;
            return Step::Need(len);
        };
        let Ok(document) = document(operation, body) else { return Step::Violation("message") };
        let Some(document) = document else { return Step::Used(len as u64) };
        // A request answers nothing.
        let read = if answers == 0 && operation != REPLY {
            self.command(cx, document).map(|()| false)
        } else {
            self.reply(cx, document, emit)
        };
        match read {
            Ok(true) => Step::Finished,
            _ => Step::Used(len as u64),
        }
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

/// Driver and application in what a client says of itself.
fn client_of(client: &[u8]) -> Option<Vec<u8>> {
    let mut out: &[u8] = b"";
    elements(client, |field, value| {
        if let (b"application" | b"driver", Value::Document(inner)) = (field, value) {
            let _ = elements(inner, |name, value| {
                if let (b"name", Value::Text(text)) = (name, value)
                    && (out.is_empty() || field == b"application")
                {
                    out = text;
                }
                true
            });
        }
        true
    })
    .ok()?;
    Some(short(out))
}

const fn is_operation(operation: u32) -> bool {
    matches!(operation, REPLY | 2001 | 2002 | QUERY..=2007 | 2010 | 2011 | COMPRESSED | MSG)
}

impl AppParser for Mongodb {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "MongoDB",
        transports: &[Transport::Tcp],
        ports: &[27017],
        reference: "MongoDB wire protocol, BSON 1.1",
        table: Some(&TABLE),
        yields: "login and its success, whether anybody is served, application, version",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [_, _, _, 0..=2, _, _, _, _, _, _, _, _, o0, o1, 0, 0, rest @ ..] => {
                let operation = u32::from(u16::from_le_bytes([*o0, *o1]));
                if !is_operation(operation) {
                    return Probe::No;
                }
                // A reply's number is 1, which is common: its flags are few.
                match (operation, rest) {
                    (REPLY, [0..=15, 0, 0, 0, ..]) => Probe::Yes,
                    (REPLY, [_, ..]) if rest.len() >= 4 => Probe::No,
                    (REPLY, _) => Probe::NeedMore,
                    _ => Probe::Yes,
                }
            }
            _ if payload.len() < 16 && payload.get(3).is_none_or(|b| *b <= 2) => {
                if payload.first().is_some_and(|b| *b >= 16) || payload.get(1).is_none_or(|b| *b > 0) {
                    Probe::NeedMore
                } else {
                    Probe::No
                }
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| self.message(&cx, rest, emit))
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

    fn text(name: &str, value: &str) -> Vec<u8> {
        let mut out = vec![2];
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
        out.extend_from_slice(value.as_bytes());
        out.push(0);
        out
    }

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        let mut out = vec![5];
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.push(0);
        out.extend_from_slice(value);
        out
    }

    fn number(name: &str, value: i32) -> Vec<u8> {
        [&[16][..], name.as_bytes(), &[0], &value.to_le_bytes()].concat()
    }

    /// OP_MSG with a document of these elements.
    fn msg(answers: u32, parts: &[Vec<u8>]) -> Vec<u8> {
        let inner = parts.concat();
        let document = [&(inner.len() as u32 + 5).to_le_bytes()[..], &inner, &[0]].concat();
        let mut out = (document.len() as u32 + 21).to_le_bytes().to_vec();
        out.extend_from_slice(&7_u32.to_le_bytes());
        out.extend_from_slice(&answers.to_le_bytes());
        out.extend_from_slice(&MSG.to_le_bytes());
        out.extend_from_slice(&[0; 5]);
        out.extend(document);
        out
    }

    #[test]
    fn scram_and_plain() {
        // The exchange of RFC 7677, section 3.
        let first = msg(
            0,
            &[
                number("saslStart", 1),
                text("mechanism", "SCRAM-SHA-256"),
                binary("payload", b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
                text("$db", "admin"),
            ],
        );
        let challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let seen = Script::new()
            .orig(&first)
            .resp(msg(7, &[binary("payload", challenge), number("ok", 1)]))
            .orig(msg(0, &[number("saslContinue", 1), binary("payload", last)]))
            .resp(msg(7, &[number("ok", 1), number("done", 1)]))
            .any_chunking::<Mongodb>();
        assert_eq!((seen.cell("username"), seen.cell("success")), ("user".into(), "true".into()));
        assert!(seen.logins[0].contains("Some(Scram)"));
        assert_eq!(probe_all::<Mongodb>(Direction::Orig, &first), Probe::Yes);
        let plain = Script::new()
            .orig(msg(0, &[number("saslStart", 1), text("mechanism", "PLAIN"), binary("payload", b"\0joe\0hunter22")]))
            .resp(msg(7, &[number("ok", 0), number("code", 18)]))
            .any_chunking::<Mongodb>();
        assert_eq!((plain.cell("username"), plain.cell("success")), ("joe".into(), "false".into()));
        assert!(!format!("{plain:?}").contains("hunter22"));
    }

    #[test]
    fn who_is_served_without_a_login() {
        let hello = [msg(0, &[number("hello", 1)]), msg(0, &[text("find", "users"), text("$db", "shop")])];
        let seen = Script::new()
            .orig(&hello[0])
            .resp(msg(7, &[number("ok", 1), text("version", "7.0.5")]))
            .orig(&hello[1])
            .resp(msg(7, &[number("ok", 1)]))
            .any_chunking::<Mongodb>();
        assert_eq!((seen.cell("without_login"), seen.cell("database")), ("true".into(), "shop".into()));
        assert_eq!(seen.cell("server_version"), "MongoDB 7.0.5");
        let refused = Script::new().orig(&hello[1]).resp(msg(7, &[number("ok", 0), number("code", 13)]));
        assert!(refused.any_chunking::<Mongodb>().rows.is_empty());
        let later = Script::new().orig(&hello[1]).resp(msg(7, &[number("ok", 1)])).midstream();
        let later = later.any_chunking::<Mongodb>();
        assert!(later.cells("without_login").iter().all(|w| w == "false"), "the login may have gone before");
    }

    #[test]
    fn damage() {
        let whole =
            msg(0, &[number("saslStart", 1), text("mechanism", "PLAIN"), binary("payload", b"\0joe\0hunter22")]);
        for end in 0..whole.len() {
            assert!(Script::new().orig(&whole[..end]).run::<Mongodb>().logins.is_empty());
        }
        let seen = Script::new().orig([15, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0]).any_chunking::<Mongodb>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
        assert_eq!(probe_all::<Mongodb>(Direction::Orig, b"GET / HTTP/1.1\r\nHost: x\r\n"), Probe::No);
    }
}

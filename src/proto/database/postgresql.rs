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
    /// Whether the server asked for nothing; a role or database may yet be turned down.
    trusted: bool,
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

    fn client_says(&mut self, cx: &Cx<'_>, bytes: &[u8]) -> Step {
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

    fn server_says(&mut self, cx: &Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        // Where the request was not seen, one byte may be the answer to it or begin a message.
        if self.requests == 0 && !self.started && matches!(bytes, [b'S' | b'N']) {
            return Step::Need(2);
        }
        if self.requests > 0 || !self.started && matches!(bytes, [b'S', 0x16, ..] | [b'N', b'R' | b'E', ..]) {
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
                // A role or database that does not exist is turned down after the password was right.
                if self.session.mechanism.is_empty() || self.session.success.is_none() {
                    self.session.success = Some(false);
                }
                self.untold = true;
                self.tell(emit);
                return Step::Finished;
            }
            b'Z' => {
                self.session.open = self.trusted;
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
                // Nobody was asked for anything: trust, if the server lets the user go on.
                if self.session.mechanism.is_empty() {
                    self.trusted =
                        self.asked == Asked::Unknown && !self.session.username.is_empty() && cx.flow.from_start;
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
            Direction::Orig => self.client_says(&cx, rest),
            Direction::Resp => self.server_says(&cx, rest, emit),
        })
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if dir == Direction::Resp && self.requests == 0 && !self.started && self.session.encryption.is_none() {
            // Nothing but the answer to a request for encryption was seen.
            self.session.encryption = match rest {
                b"S" => Some(Encryption::Tls),
                b"N" => Some(Encryption::Refused),
                _ => None,
            };
            if self.session.encryption.is_some() {
                self.session.at = (cx.ts, cx.packet);
                self.untold = true;
            }
        }
        if (dir == Direction::Resp || std::mem::replace(&mut self.ended, true)) && self.untold {
            self.tell(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn an_answer_whose_request_was_not_seen_means_the_same_in_any_pieces() {
        for (answer, shown) in [(&b"S"[..], "tls"), (b"N", "refused"), (b"S\x16\x03\x03", "tls")] {
            assert_eq!(Script::new().resp(answer).any_chunking::<Postgresql>().cell("encryption"), shown);
        }
        // A message that begins with the same letter.
        let status = b"S\0\0\0\x0aab\0c\0";
        assert!(Script::new().resp(status).any_chunking::<Postgresql>().rows.is_empty());
    }

    const STARTUP: &[u8] = b"\0\0\0\x36\0\x03\0\0user\0joe\0database\0shop\0application_name\0psql\0\0";

    fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn a_password_in_clear_after_encryption_was_refused() {
        assert_eq!(STARTUP.len(), 0x36);
        let seen = Script::new()
            .orig([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])
            .resp("N")
            .orig(STARTUP)
            .resp(typed(b'R', &[0, 0, 0, 3]))
            .orig(typed(b'p', b"hunter22\0"))
            .resp([typed(b'R', &[0; 4]), typed(b'S', b"server_version\x0017.2\0"), typed(b'Z', b"I")].concat())
            .any_chunking::<Postgresql>();
        assert_eq!((seen.cell("username"), seen.cell("database")), ("joe".into(), "shop".into()));
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("plain".into(), "true".into()));
        assert_eq!(
            (seen.cell("encryption"), seen.cell("server_version")),
            ("refused".into(), "PostgreSQL 17.2".into())
        );
        assert!(seen.logins[0].contains("Password") && seen.logins[0].contains("packet: 5"));
        assert!(!format!("{seen:?}").contains("hunter22"));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn md5_and_scram_keep_what_a_guess_needs() {
        let seen = Script::new()
            .orig(STARTUP)
            .resp(typed(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]))
            .orig(typed(b'p', b"md5b9cd23fd4c15511e25389f7173173f2d\0"))
            .resp(typed(b'E', b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"))
            .any_chunking::<Postgresql>();
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("md5".into(), "false".into()));
        assert!(seen.logins[0].contains("PostgresMd5") && seen.logins[0].contains("ChallengeResponse"));
        // The exchange of RFC 7677, section 3.
        let first = b"SCRAM-SHA-256\0\0\0\0\x20n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let server: &[u8] =
            b"\0\0\0\x0br=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let seen = Script::new()
            .orig(STARTUP)
            .resp(typed(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
            .orig(typed(b'p', first))
            .resp(typed(b'R', server))
            .orig(typed(b'p', last))
            .resp([typed(b'R', b"\0\0\0\x0cv=6rri"), typed(b'R', &[0; 4]), typed(b'Z', b"I")].concat())
            .any_chunking::<Postgresql>();
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("scram".into(), "true".into()));
        assert!(seen.logins[0].contains("Some(Scram)"));
        assert!(seen.events[0].contains("W22ZaJ0SNY7soEsUEjb6gQ") || seen.events[0].contains("server_first: ["));
    }

    #[test]
    fn encryption_and_trust() {
        let seen = Script::new()
            .orig([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])
            .resp("S")
            .orig(b"\x16\x03\x01")
            .any_chunking::<Postgresql>();
        assert_eq!(seen.cell("encryption"), "tls");
        let trusted = Script::new().orig(STARTUP).resp([typed(b'R', &[0; 4]), typed(b'Z', b"I")].concat());
        let seen = trusted.any_chunking::<Postgresql>();
        assert_eq!((seen.cell("without_login"), seen.cell("mechanism")), ("true".into(), "-".into()));
        assert!(seen.logins.is_empty());
        let no_role = typed(b'E', b"SFATAL\0C28000\0Mrole \"joe\" does not exist\0\0");
        let refused = Script::new().orig(STARTUP).resp([typed(b'R', &[0; 4]), no_role].concat());
        let seen = refused.any_chunking::<Postgresql>();
        assert_eq!((seen.cell("without_login"), seen.cell("success")), ("false".into(), "false".into()));
        let cut = Script::new().orig(STARTUP).resp(typed(b'R', &[0; 4])).any_chunking::<Postgresql>();
        assert_eq!(cut.cell("without_login"), "false", "what came next was not seen");
    }

    #[test]
    fn the_client_alone() {
        let seen = Script::new().orig(STARTUP).orig(typed(b'p', b"hunter22\0")).any_chunking::<Postgresql>();
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("plain".into(), "-".into()));
        for bytes in [&b"\0\0\0\x07\0\x03\0\0"[..], b"\0\xff\xff\xff\0\x03\0\0", b"\0\0\0\x09\0\x02\0\0x"] {
            let seen = Script::new().orig(bytes).any_chunking::<Postgresql>();
            assert!(matches!(seen.stopped, Some(Progress::Violation(_))), "{bytes:?}");
        }
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Direction::Orig, STARTUP, Probe::Yes),
            (Direction::Orig, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f], Probe::Yes),
            (Direction::Orig, b"\0\0\0\x85\xffSMB", Probe::No),
            (Direction::Resp, b"R\0\0\0\x08\0\0\0\x03", Probe::Yes),
            (Direction::Resp, b"Z\0\0\0\x05I", Probe::Yes),
            (Direction::Resp, b"S", Probe::NeedMore),
            (Direction::Resp, b"SSH-2.0", Probe::No),
        ] {
            // One byte of an answer may be anything: what follows tells.
            if bytes != b"SSH-2.0" {
                assert_eq!(probe_all::<Postgresql>(dir, bytes), want, "{bytes:?}");
            }
            assert_eq!(Postgresql::probe(dir, bytes), want, "{bytes:?}");
        }
    }
}

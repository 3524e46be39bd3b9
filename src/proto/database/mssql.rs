//! Microsoft SQL Server and Sybase: TDS up to the end of the login (MS-TDS, sections 2.2.3, 2.2.6).
//!
//! ```text
//! packet:   type(1) status(1) length(2, header included) process(2) number(1) window(1)
//! PRELOGIN: { option(1) offset(2) length(2) } 0xff, values
//! LOGIN7:   length(4) version(4) ... offsets and lengths of texts, from byte 36 on
//! ```
//! The password of LOGIN7 is written so that it cannot be read at a glance: the halves of each byte are
//! swapped and all bits of 0xA5 turned round (section 2.2.6.4). TLS runs inside PRELOGIN packets.

use super::session::{Encryption, Event, Session, TABLE, short};
use crate::base::secret::SecretBuf;
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport, Wrapped};
use crate::proto::framing::{Step, utf16_le, walk};

const NAME: &str = "mssql";
const HEADER: usize = 8;

const OLD_LOGIN: u8 = 2;
const RESPONSE: u8 = 4;
const LOGIN7: u8 = 0x10;
const PRELOGIN: u8 = 0x12;

/// What a PRELOGIN says of encryption (section 2.2.6.5).
const ENCRYPT_ON: u8 = 1;
const ENCRYPT_NOT_SUPPORTED: u8 = 2;
const ENCRYPT_REQUIRED: u8 = 3;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Mssql {
    session: Session,
    /// What each side said of encryption.
    encrypt: [Option<u8>; 2],
    untold: bool,
    messages: u32,
    ended: bool,
    /// The handshake of TLS has begun, and what of it was not taken yet.
    in_tls: bool,
    wrapped: Vec<Wrapped>,
}

/// Undoes what LOGIN7 does to a password.
fn unscrambled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|b| (b ^ 0xa5).rotate_left(4)).collect()
}

impl Mssql {
    /// Options of a PRELOGIN: version and encryption.
    fn prelogin(&mut self, dir: Direction, body: &[u8]) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        // There are less than ten kinds.
        for _ in 0..16 {
            let option = r.u8("option")?;
            if option == 0xff {
                break;
            }
            let (offset, len) = (usize::from(r.be16("offset")?), usize::from(r.be16("length")?));
            let value = body.get(offset..offset + len).ok_or(ReadError::invalid("option"))?;
            match (option, value, dir) {
                (0, [major, minor, build1, build0, ..], Direction::Resp) => {
                    let build = u16::from_be_bytes([*build1, *build0]);
                    self.session.server = format!("Microsoft SQL Server {major}.{minor}.{build}").into_bytes();
                }
                (1, [encryption], _) => {
                    let [orig, resp] = &mut self.encrypt;
                    *(if dir == Direction::Orig { orig } else { resp }) = Some(*encryption);
                }
                _ => {}
            }
        }
        let on = |e: Option<u8>| matches!(e, Some(ENCRYPT_ON | ENCRYPT_REQUIRED));
        if let [Some(client), Some(server)] = self.encrypt {
            self.session.encryption = match (client, server) {
                _ if on(Some(client)) && server == ENCRYPT_NOT_SUPPORTED => Some(Encryption::Refused),
                (ENCRYPT_NOT_SUPPORTED, _) | (_, ENCRYPT_NOT_SUPPORTED) => None,
                _ if on(Some(client)) || on(Some(server)) => Some(Encryption::Tls),
                _ => Some(Encryption::LoginOnly),
            };
        }
        Ok(())
    }

    /// LOGIN7 (section 2.2.6.4). False where Windows makes the login.
    fn login7(&mut self, cx: &Cx<'_>, body: &[u8]) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        let len = r.le32("length")? as usize;
        let whole = body.get(..len.min(body.len())).unwrap_or(body);
        r.skip("versions, flags and zone", 32)?;
        let mut field = || -> Result<&[u8], ReadError> {
            let (offset, len) = (usize::from(r.le16("offset")?), usize::from(r.le16("length")?) * 2);
            whole.get(offset..offset + len).ok_or(ReadError::invalid("text"))
        };
        let (host, user, password, application) = (field()?, field()?, field()?, field()?);
        let _server = field()?;
        let _extension = field()?;
        let _library = field()?;
        let _language = field()?;
        let database = field()?;
        let name = |b| utf16_le(b, limits::DATABASE_NAME_BYTES_MAX * 2);
        self.session.client_host = name(host);
        self.session.application = name(application);
        self.session.database = name(database);
        self.session.username = name(user);
        self.untold = true;
        if user.is_empty() {
            r.skip("client identifier", 6)?;
            let (offset, len) = (usize::from(r.le16("offset")?), usize::from(r.le16("length")?));
            let ticket = whole.get(offset..offset.saturating_add(len)).unwrap_or_default();
            self.session.login(cx, if ticket.is_empty() { "none" } else { "sspi" }, None);
            if ticket.is_empty() {
                self.session.mechanism = "";
            }
        } else {
            let password = utf16_le(&unscrambled(password), limits::SECRET_BYTES_MAX * 2);
            self.session.login(cx, "plain", Some(SecretBuf::new(&password)));
        }
        Ok(())
    }

    /// The login of TDS 4.2 and 5.0: texts of 30 bytes, each with its length behind it.
    fn old_login(&mut self, cx: &Cx<'_>, body: &[u8]) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        let mut field = |max: usize| -> Result<&[u8], ReadError> {
            let text = r.take("text", max)?;
            let len = usize::from(r.u8("length")?);
            text.get(..len).ok_or(ReadError::invalid("length"))
        };
        self.session.client_host = short(field(30)?);
        self.session.username = short(field(30)?);
        let password = field(30)?;
        self.session.login(cx, "plain", Some(SecretBuf::new(password)));
        self.untold = true;
        Ok(())
    }

    /// Tokens behind a login: it is over when one says how it went (section 2.2.7).
    fn response(&mut self, body: &[u8]) -> Result<bool, ReadError> {
        const ERROR: u8 = 0xaa;
        const INFO: u8 = 0xab;
        const LOGIN_ACK: u8 = 0xad;
        const ENVIRONMENT: u8 = 0xe3;
        let mut r = Reader::new(body);
        for _ in 0..limits::DATABASE_MESSAGES_MAX {
            match r.u8("token")? {
                LOGIN_ACK => {
                    self.session.success = Some(true);
                    return Ok(true);
                }
                ERROR => {
                    self.session.success = Some(false);
                    return Ok(true);
                }
                INFO | ENVIRONMENT => {
                    let len = r.le16("length")?;
                    r.skip("token", usize::from(len))?;
                }
                _ => break,
            }
        }
        Ok(false)
    }

    fn packet(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        // Behind the handshake records of TLS stand alone.
        if self.in_tls && matches!(bytes, [0x14..=0x17, 3, ..]) {
            return Step::Finished;
        }
        let [kind, _status, l1, l0, _, _, _, _, body @ ..] = bytes else { return Step::Need(HEADER) };
        let len = usize::from(u16::from_be_bytes([*l1, *l0]));
        if len < HEADER || *kind > 0x20 {
            return Step::Violation("header");
        }
        if !matches!(*kind, OLD_LOGIN | RESPONSE | LOGIN7 | PRELOGIN) && self.session.mechanism.is_empty() {
            // Queries: the login is past or hidden.
            return if std::mem::replace(&mut self.untold, false) || self.messages == 0 {
                self.session.at = (cx.ts, cx.packet);
                self.session.tell(NAME, emit);
                Step::Finished
            } else {
                Step::Finished
            };
        }
        let Some(body) = body.get(..len - HEADER) else { return Step::Need(len) };
        self.messages += 1;
        if self.messages > limits::DATABASE_MESSAGES_MAX {
            cx.limit_hit();
            return Step::Finished;
        }
        if self.session.at.1 == 0 {
            self.session.at = (cx.ts, cx.packet);
        }
        self.untold = true;
        let read = match *kind {
            PRELOGIN | RESPONSE if matches!(body, [0x14..=0x17, 3, ..]) || self.in_tls && *kind == PRELOGIN => {
                if !std::mem::replace(&mut self.in_tls, true) {
                    if self.session.encryption != Some(Encryption::LoginOnly) {
                        self.session.encryption = Some(Encryption::Tls);
                    }
                    self.tell(emit);
                }
                self.untold = false;
                self.wrapped.push(Wrapped { session: 0, dir, bytes: body.to_vec(), datagram: false });
                return Step::Used(len as u64);
            }
            _ if self.in_tls => return Step::Finished,
            PRELOGIN => self.prelogin(dir, body),
            LOGIN7 => self.login7(cx, body),
            OLD_LOGIN => self.old_login(cx, body),
            // The answer to a PRELOGIN has this type as well, and begins with option 0.
            RESPONSE if body.first() == Some(&0) => self.prelogin(dir, body),
            RESPONSE if !self.session.mechanism.is_empty() => match self.response(body) {
                Ok(true) => {
                    self.tell(emit);
                    return Step::Finished;
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        };
        match read {
            Ok(()) => Step::Used(len as u64),
            Err(_) => Step::Violation("login"),
        }
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

impl AppParser for Mssql {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "Microsoft SQL Server, Sybase (TDS)",
        transports: &[Transport::Tcp],
        ports: &[1433],
        reference: "MS-TDS",
        table: Some(&TABLE),
        wraps_tls: true,
        yields: "login and its success, user, database, application, client machine, version, encryption",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let [kind @ (1..=4 | 0xe | LOGIN7 | 0x11 | PRELOGIN), rest @ ..] = payload else { return Probe::No };
        // Status, length of at least a header, and the window, which is not used.
        match rest {
            [] => return Probe::NeedMore,
            [status, ..] if *status > 0x11 => return Probe::No,
            [_] | [_, _] => return Probe::NeedMore,
            [_, 0, 0..=8, ..] => return Probe::No,
            [_, l1, ..] if *l1 > 0x7f => return Probe::No,
            [_, _, _, _, _, _, window, ..] if *window != 0 => return Probe::No,
            _ => {}
        }
        let Some(body) = payload.get(HEADER..) else { return Probe::NeedMore };
        let len = rest.get(1..3).map_or(0, |l| l.iter().fold(0, |n, b| n << 8 | usize::from(*b)));
        let need = if payload.len() < 64 { Probe::NeedMore } else { Probe::No };
        match (*kind, body) {
            // Version comes first, behind the options.
            (PRELOGIN | RESPONSE, [0, 0, 6..=0x60, 0, 6, 1, ..]) => Probe::Yes,
            (PRELOGIN, [0x16, 3, 0..=4, ..]) => Probe::Yes,
            // Fixed part, and offsets from right behind it.
            (LOGIN7, [_, _, 0, 0, _, 0, 0, 0x70..=0x74, ..] | [_, _, 0, 0, 0x70..=0x74, _, _, _, ..]) => Probe::Yes,
            (OLD_LOGIN, _) if len == 512 => match body.get(30) {
                Some(0..=30) => match body.get(61) {
                    Some(0..=30) if body.iter().take(30).all(|c| *c == 0 || c.is_ascii_graphic()) => Probe::Yes,
                    Some(_) => Probe::No,
                    None => Probe::NeedMore,
                },
                Some(_) => Probe::No,
                None => Probe::NeedMore,
            },
            // All headers: their length, and that of the first, which is about transactions (section 2.2.5.3).
            (1 | 3 | 0xe, [0x16, 0, 0, 0, 0x12, 0, 0, 0, 2, 0, ..]) => Probe::Yes,
            // Tokens that begin a table or end it (section 2.2.7).
            (RESPONSE, [0x81, n, 0, _, _, _, _, ..]) if *n > 0 => Probe::Yes,
            (RESPONSE, [0xe3 | 0xaa | 0xab | 0xad, _, 0 | 1, ..]) => Probe::Yes,
            (RESPONSE, [0xfd | 0xfe, 0..=0x7f, 0 | 1, ..]) if len == 21 => Probe::Yes,
            (1 | 3 | 0xe, short) => {
                if [0x16, 0, 0, 0, 0x12, 0, 0, 0, 2, 0].starts_with(short) {
                    need
                } else {
                    Probe::No
                }
            }
            (_, short) if short.len() < 11 => need,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| self.packet(&cx, dir, rest, emit))
    }

    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        std::mem::take(&mut self.wrapped)
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

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind, 1];
        out.extend_from_slice(&(body.len() as u16 + 8).to_be_bytes());
        out.extend_from_slice(&[0, 0, 1, 0]);
        out.extend_from_slice(body);
        out
    }

    fn prelogin(kind: u8, encryption: u8) -> Vec<u8> {
        packet(kind, &[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 0x10, 0x2e, 0, 0, encryption])
    }

    fn login(user: &str, password: &str) -> Vec<u8> {
        let wide = |s: &str| s.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let scrambled: Vec<u8> = wide(password).iter().map(|b| b.rotate_left(4) ^ 0xa5).collect();
        let texts =
            [wide("PC7"), wide(user), scrambled, wide("isql"), wide("db"), vec![], wide("lib"), vec![], wide("shop")];
        let mut place = 36 + 4 * 9 + 6 + 4 * 3;
        let mut table = Vec::new();
        for t in &texts {
            table.extend_from_slice(&(place as u16).to_le_bytes());
            table.extend_from_slice(&(t.len() as u16 / 2).to_le_bytes());
            place += t.len();
        }
        table.extend_from_slice(&[0; 6 + 12]);
        let mut body = (place as u32).to_le_bytes().to_vec();
        body.extend_from_slice(&[4, 0, 0, 0x74]);
        body.extend_from_slice(&[0; 28]);
        body.extend(table);
        body.extend(texts.concat());
        packet(LOGIN7, &body)
    }

    #[test]
    fn a_login_in_clear_is_unscrambled() {
        // The example of MS-TDS, section 4.2: `A` with its halves swapped and turned round.
        assert_eq!(unscrambled(&[0xa2, 0xa5, 0xb3, 0xa5, 0x92, 0xa5]), b"p\0a\0s\0");
        let seen = Script::new()
            .orig(prelogin(PRELOGIN, 2))
            .resp(prelogin(RESPONSE, 2))
            .orig(login("sa", "hunter22"))
            .resp(packet(RESPONSE, &[0xe3, 2, 0, 1, 2, 0xad, 1, 0, 1]))
            .any_chunking::<Mssql>();
        assert_eq!((seen.cell("username"), seen.cell("database")), ("sa".into(), "shop".into()));
        assert_eq!((seen.cell("application"), seen.cell("client_host")), ("isql".into(), "PC7".into()));
        assert_eq!((seen.cell("success"), seen.cell("encryption")), ("true".into(), "-".into()));
        assert_eq!(seen.cell("server_version"), "Microsoft SQL Server 15.0.4142");
        assert!(!format!("{seen:?}").contains("hunter22"));
        assert_eq!(seen.logins.len(), 1);
        let refused = Script::new().orig(login("sa", "hunter22")).resp(packet(RESPONSE, &[0xaa, 1, 0, 1]));
        assert_eq!(refused.any_chunking::<Mssql>().cell("success"), "false");
    }

    #[test]
    fn what_encryption_was_agreed_on() {
        for (client, server, want) in [(0, 0, "login-only"), (1, 1, "tls"), (0, 3, "tls"), (1, 2, "refused")] {
            let seen = Script::new()
                .orig(prelogin(PRELOGIN, client))
                .resp(prelogin(RESPONSE, server))
                .orig(packet(PRELOGIN, &[0x16, 3, 1, 0, 5]))
                .any_chunking::<Mssql>();
            assert_eq!(seen.cell("encryption"), if want == "refused" { "tls" } else { want }, "{client} {server}");
            assert!(seen.logins.is_empty());
        }
        let seen =
            Script::new().orig(prelogin(PRELOGIN, 1)).resp(prelogin(RESPONSE, 2)).orig(login("sa", "x")).run::<Mssql>();
        assert_eq!(seen.cell("encryption"), "refused");
    }

    #[test]
    fn the_old_login_has_its_lengths_behind_its_texts() {
        let mut body = Vec::new();
        for text in ["PC7", "sa", "hunter22"] {
            let mut field = text.as_bytes().to_vec();
            field.resize(30, 0);
            field.push(text.len() as u8);
            body.extend(field);
        }
        body.resize(504, 0);
        let whole = packet(OLD_LOGIN, &body);
        assert_eq!(probe_all::<Mssql>(Direction::Orig, &whole), Probe::Yes);
        let seen = Script::new().orig(&whole).any_chunking::<Mssql>();
        assert_eq!((seen.cell("username"), seen.logins.len()), ("sa".into(), 1));
        assert!(!format!("{seen:?}").contains("hunter22"));
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Mssql>(Direction::Orig, &prelogin(PRELOGIN, 0)), Probe::Yes);
        assert_eq!(probe_all::<Mssql>(Direction::Resp, &prelogin(RESPONSE, 0)), Probe::Yes);
        assert_eq!(probe_all::<Mssql>(Direction::Orig, &login("a", "b")), Probe::Yes);
        assert_eq!(probe_all::<Mssql>(Direction::Orig, b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), Probe::No);
        let whole = login("sa", "hunter22");
        for end in 8..whole.len() - 8 {
            // Texts whose place is outside of what there is.
            let seen = Script::new().orig(packet(LOGIN7, &whole[8..end])).run::<Mssql>();
            assert!(!format!("{seen:?}").contains("hunter22"));
        }
        assert!(matches!(
            Script::new().orig([0x12, 1, 0, 7, 0, 0, 0, 0]).run::<Mssql>().stopped,
            Some(Progress::Violation(_))
        ));
    }
}

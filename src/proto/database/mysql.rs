//! MySQL and MariaDB up to the end of the login (MySQL internals manual, "Connection Phase").
//!
//! ```text
//! packet:    length(3, the low byte first) number(1) payload
//! greeting:  10, version NUL, thread(4), scramble(8), 0, capabilities(2), charset(1), status(2),
//!            capabilities(2), scramble length(1), 0(10), scramble(12) NUL, plugin NUL
//! response:  capabilities(4) longest packet(4) charset(1) 0(23) user NUL, answer, [database NUL], [plugin NUL], [attributes]
//! ```

use super::session::{Answer, Encryption, Event, Session, TABLE, hexadecimal, short};
use crate::base::secret::SecretBuf;
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, until_nul, walk};

const NAME: &str = "mysql";

const CONNECT_WITH_DB: u32 = 8;
const PROTOCOL_41: u32 = 0x200;
const CLIENT_SSL: u32 = 0x800;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;
const CONNECT_ATTRS: u32 = 0x10_0000;
const LENENC_DATA: u32 = 0x20_0000;

/// How a login is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Plugin {
    #[default]
    Native,
    /// `caching_sha2_password`.
    Sha2,
    /// `mysql_clear_password`, and PAM's `dialog`.
    Clear,
    /// Another: Kerberos, Ed25519 ...
    Other,
}

impl Plugin {
    fn of(name: &[u8]) -> Self {
        match name {
            b"mysql_native_password" | b"" => Self::Native,
            b"caching_sha2_password" => Self::Sha2,
            b"mysql_clear_password" | b"dialog" => Self::Clear,
            _ => Self::Other,
        }
    }
}

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Mysql {
    session: Session,
    salt: Vec<u8>,
    plugin: Plugin,
    /// The server asked for the whole password (`caching_sha2_password`, full authentication).
    full: bool,
    /// The client asked for the server's key, so that what follows is encrypted with it.
    key_asked: bool,
    /// Whether the client's first answer was seen.
    answered: bool,
    untold: bool,
    messages: u32,
    ended: bool,
}

fn lenenc(r: &mut Reader<'_>) -> Result<u64, ReadError> {
    Ok(match r.u8("length")? {
        0xfc => u64::from(r.le16("length")?),
        0xfd => u64::from(r.le16("length")?) | u64::from(r.u8("length")?) << 16,
        0xfe => r.le64("length")?,
        n => u64::from(n),
    })
}

fn text<'b>(r: &mut Reader<'b>) -> Result<&'b [u8], ReadError> {
    let Some((text, _)) = until_nul(r.peek_rest()) else { return Err(ReadError::invalid("text")) };
    r.skip("text", text.len() + 1)?;
    Ok(text)
}

fn counted<'b>(r: &mut Reader<'b>) -> Result<&'b [u8], ReadError> {
    let len = lenenc(r)?;
    r.take("counted text", usize::try_from(len).unwrap_or(usize::MAX))
}

impl Mysql {
    fn greeting(&mut self, cx: &Cx<'_>, payload: &[u8]) -> Result<(), ReadError> {
        let mut r = Reader::new(payload);
        let protocol = r.u8("protocol")?;
        let version = text(&mut r)?;
        // MariaDB puts this before its own version for the sake of old clients.
        let version = version
            .strip_prefix(b"5.5.5-")
            .filter(|v| v.ends_with(b"MariaDB") || crate::proto::text::contains(v, b"maria"))
            .unwrap_or(version);
        let name: &[u8] = if crate::proto::text::contains(version, b"maria") { b"" } else { b"MySQL " };
        self.session.server = short(&[name, version].concat());
        self.session.at = (cx.ts, cx.packet);
        self.untold = true;
        r.skip("thread", 4)?;
        self.salt = r.take("scramble", 8)?.to_vec();
        if protocol < 10 {
            return Ok(());
        }
        r.skip("filler", 1)?;
        let low = r.le16("capabilities")?;
        if r.is_empty() {
            return Ok(());
        }
        r.skip("charset and status", 3)?;
        let capabilities = u32::from(low) | u32::from(r.le16("capabilities")?) << 16;
        let len = usize::from(r.u8("scramble length")?);
        r.skip("reserved", 10)?;
        if capabilities & SECURE_CONNECTION != 0 {
            let more = r.take("scramble", len.saturating_sub(8).max(13).min(r.remaining()))?;
            self.salt.extend(more.iter().take(12));
        }
        self.plugin = Plugin::of(text(&mut r).unwrap_or_else(|_| r.peek_rest()));
        Ok(())
    }

    fn response(&mut self, cx: &Cx<'_>, payload: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<bool, ReadError> {
        let mut r = Reader::new(payload);
        let low = u32::from(r.le16("capabilities")?);
        if low & PROTOCOL_41 == 0 {
            r.skip("longest packet", 3)?;
            if low & CLIENT_SSL != 0 && r.is_empty() {
                self.encrypted(cx, emit);
                return Ok(true);
            }
            self.session.username = short(text(&mut r)?);
            let answer = if low & CONNECT_WITH_DB != 0 { text(&mut r)? } else { r.rest() };
            self.session.database = short(until_nul(r.peek_rest()).map_or(r.peek_rest(), |t| t.0));
            // The hash of versions before 4.1: eight bytes that cannot be told a guess from with `Proof`.
            self.session.login(cx, "mysql-old", (!answer.is_empty()).then(|| hexadecimal(answer)));
            self.session.answer = Some(Answer::Other);
            self.untold = true;
            return Ok(false);
        }
        let capabilities = low | u32::from(r.le16("capabilities")?) << 16;
        r.skip("longest packet, charset, reserved", 28)?;
        if capabilities & CLIENT_SSL != 0 && r.is_empty() {
            self.encrypted(cx, emit);
            return Ok(true);
        }
        self.session.username = short(text(&mut r)?);
        let answer = if capabilities & LENENC_DATA != 0 {
            counted(&mut r)?
        } else if capabilities & SECURE_CONNECTION != 0 {
            r.vec8("answer")?.rest()
        } else {
            text(&mut r)?
        };
        if capabilities & CONNECT_WITH_DB != 0 {
            self.session.database = short(text(&mut r)?);
        }
        if capabilities & PLUGIN_AUTH != 0 {
            let name = text(&mut r).unwrap_or_else(|_| r.rest());
            self.plugin = Plugin::of(name);
        }
        if capabilities & CONNECT_ATTRS != 0 {
            // A client that is no good at this has logged in all the same.
            let _ = self.attributes(&mut r);
        }
        self.answer(cx, answer);
        Ok(false)
    }

    fn attributes(&mut self, r: &mut Reader<'_>) -> Result<(), ReadError> {
        let mut all = Reader::new(counted(r)?);
        let (mut program, mut client) = (&[][..], &[][..]);
        while !all.is_empty() {
            let (name, value) = (counted(&mut all)?, counted(&mut all)?);
            match name {
                b"program_name" => program = value,
                b"_client_name" => client = value,
                b"_server_host" | b"_client_version" => {}
                _ => {}
            }
        }
        self.session.application = short(if program.is_empty() { client } else { program });
        Ok(())
    }

    fn encrypted(&mut self, cx: &Cx<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        self.session.encryption = Some(Encryption::Tls);
        if self.session.at.1 == 0 {
            self.session.at = (cx.ts, cx.packet);
        }
        self.tell(emit);
    }

    /// What the client makes of the scramble, or its password.
    fn answer(&mut self, cx: &Cx<'_>, answer: &[u8]) {
        self.untold = true;
        let response = SecretBuf::new(answer);
        let salt = std::mem::take(&mut self.salt);
        match self.plugin {
            _ if answer.is_empty() => self.session.login(cx, "none", None),
            Plugin::Native => {
                self.session.login(cx, "mysql-native", Some(hexadecimal(answer)));
                self.session.answer = Some(Answer::MysqlNative { salt: salt.clone(), response });
            }
            Plugin::Sha2 => {
                self.session.login(cx, "mysql-sha2", Some(hexadecimal(answer)));
                self.session.answer = Some(Answer::MysqlSha2 { salt: salt.clone(), response });
            }
            Plugin::Clear => {
                let password = answer.strip_suffix(b"\0").unwrap_or(answer);
                self.session.login(cx, "plain", Some(SecretBuf::new(password)));
            }
            Plugin::Other => self.session.login(cx, "other", None),
        }
        self.salt = salt;
    }

    fn client_says(&mut self, cx: &Cx<'_>, payload: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        if !self.answered {
            return match self.response(cx, payload, emit) {
                Ok(true) => Step::Finished,
                Ok(false) => {
                    self.answered = true;
                    Step::Used(0)
                }
                Err(_) => Step::Violation("handshake response"),
            };
        }
        match (self.plugin, self.full) {
            (Plugin::Sha2, true) => match payload {
                [2] => self.key_asked = true,
                // Encrypted with the server's key.
                _ if self.key_asked => {}
                [.., 0] => self.session.login(
                    cx,
                    "plain",
                    Some(SecretBuf::new(payload.strip_suffix(b"\0").unwrap_or(payload))),
                ),
                _ => {}
            },
            // After a switch of the method.
            _ => self.answer(cx, payload),
        }
        Step::Used(0)
    }

    fn server_says(&mut self, cx: &Cx<'_>, number: u8, payload: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        match (payload, self.answered) {
            ([0xff, ..], _) => {
                self.session.success = if self.session.mechanism.is_empty() { None } else { Some(false) };
                self.tell(emit);
                Step::Finished
            }
            ([9 | 10, ..], false) if number == 0 => match self.greeting(cx, payload) {
                Ok(()) => Step::Used(0),
                Err(_) => Step::Violation("greeting"),
            },
            ([0, ..], true) => {
                self.session.success = Some(true);
                self.tell(emit);
                Step::Finished
            }
            ([0xfe, rest @ ..], true) => {
                let (name, scramble) = until_nul(rest).unwrap_or((b"mysql_old_password", &[]));
                self.plugin = Plugin::of(name);
                self.salt = front(scramble, 20).to_vec();
                Step::Used(0)
            }
            ([1, rest @ ..], true) => {
                self.full |= rest == [4];
                Step::Used(0)
            }
            // The client's side is missing, or it is the middle of a session.
            _ if self.messages > limits::DATABASE_MESSAGES_MAX => Step::Finished,
            _ => Step::Used(0),
        }
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

impl AppParser for Mysql {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "MySQL, MariaDB",
        transports: &[Transport::Tcp],
        ports: &[3306],
        reference: "MySQL client/server protocol, connection phase",
        table: Some(&TABLE),
        yields: "login and its success, user, database, application, version",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match (dir, payload) {
            (Direction::Resp, [_, _, 0, 0, 9 | 10, version @ ..]) => {
                let version = front(version, 64);
                let name = version.split(|c| *c == 0).next().unwrap_or_default();
                if !name.first().is_none_or(u8::is_ascii_digit) || !name.iter().all(u8::is_ascii_graphic) {
                    return Probe::No;
                }
                match name.len() < version.len() {
                    true if name.contains(&b'.') => Probe::Yes,
                    false if version.len() < 64 => Probe::NeedMore,
                    _ => Probe::No,
                }
            }
            // A host that is turned away gets an error and no greeting: number above 1000, then words.
            (Direction::Resp, [_, 0, 0, 0, 0xff, _, 4, b'#' | b'H' | b'T', ..]) => Probe::Yes,
            (Direction::Resp, [_, _, 0, 0, 0xff, ..]) if payload.len() < 8 => Probe::NeedMore,
            (Direction::Resp, [_] | [_, _] | [_, _, 0] | [_, _, 0, 0]) => Probe::NeedMore,
            // The client's first answer has number 1 and many reserved bytes.
            (Direction::Orig, [len, _, 0, 1, low, high, rest @ ..]) if *len >= 32 || *low != 0 => {
                if u32::from(u16::from_le_bytes([*low, *high])) & PROTOCOL_41 == 0 {
                    return Probe::No;
                }
                match rest.get(7..26) {
                    Some(reserved) if reserved.iter().all(|b| *b == 0) => Probe::Yes,
                    Some(_) => Probe::No,
                    None => Probe::NeedMore,
                }
            }
            (Direction::Orig, [_] | [_, _] | [_, _, 0] | [_, _, 0, 1] | [_, _, 0, 1, _]) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| {
            let [l0, l1, l2, number, body @ ..] = rest else { return Step::Need(4) };
            let len = u32::from_le_bytes([*l0, *l1, *l2, 0]) as usize;
            if len > limits::DATABASE_MESSAGE_BYTES_MAX {
                cx.limit_hit();
                return Step::Finished;
            }
            let Some(payload) = body.get(..len) else { return Step::Need(len + 4) };
            self.messages += 1;
            let step = match dir {
                Direction::Orig => self.client_says(&cx, payload, emit),
                Direction::Resp => self.server_says(&cx, *number, payload, emit),
            };
            if step == Step::Used(0) { Step::Used(len as u64 + 4) } else { step }
        })
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

    fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = (payload.len() as u32).to_le_bytes()[..3].to_vec();
        out.push(number);
        out.extend_from_slice(payload);
        out
    }

    fn greeting(plugin: &str) -> Vec<u8> {
        let mut p = b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0\xff\xff\x08\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0"
            .to_vec();
        p.extend_from_slice(plugin.as_bytes());
        p.push(0);
        packet(0, &p)
    }

    /// Capabilities: protocol 4.1, secure connection, a database, a plugin.
    fn response(answer: &[u8], plugin: &str) -> Vec<u8> {
        let mut p = b"\x08\x82\x08\0\0\0\0\x01\x21".to_vec();
        p.extend_from_slice(&[0; 23]);
        p.extend_from_slice(b"joe\0");
        p.push(answer.len() as u8);
        p.extend_from_slice(answer);
        p.extend_from_slice(b"shop\0");
        p.extend_from_slice(plugin.as_bytes());
        p.push(0);
        packet(1, &p)
    }

    #[test]
    fn a_native_login_with_all_that_a_guess_needs() {
        let seen = Script::new()
            .resp(greeting("mysql_native_password"))
            .orig(response(&[7; 20], "mysql_native_password"))
            .resp(packet(2, &[0, 0, 0, 2, 0, 0, 0]))
            .any_chunking::<Mysql>();
        assert_eq!((seen.cell("username"), seen.cell("database")), ("joe".into(), "shop".into()));
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("mysql-native".into(), "true".into()));
        assert_eq!(seen.cell("server_version"), "MySQL 8.0.36");
        assert!(seen.logins[0].contains("Some(MysqlNative)"));
        // The scramble without the zero behind it.
        assert!(seen.events[0].contains(&format!("salt: {:?}", b"abcdefghijklmnopqrst")));
    }

    #[test]
    fn the_whole_password_when_the_server_asks_for_it() {
        let seen = Script::new()
            .resp(greeting("caching_sha2_password"))
            .orig(response(&[7; 32], "caching_sha2_password"))
            .resp(packet(2, &[1, 4]))
            .orig(packet(3, b"hunter22\0"))
            .resp(packet(4, &[0, 0, 0, 2, 0, 0, 0]))
            .any_chunking::<Mysql>();
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("plain".into(), "true".into()));
        assert!(seen.logins[0].contains("Password") && !format!("{seen:?}").contains("hunter22"));
        // Encrypted with the server's key: the first answer stays what there is.
        let seen = Script::new()
            .resp(greeting("caching_sha2_password"))
            .orig(response(&[7; 32], "caching_sha2_password"))
            .resp(packet(2, &[1, 4]))
            .orig(packet(3, &[2]))
            .resp(packet(4, b"\x01-----BEGIN PUBLIC KEY-----"))
            .orig(packet(5, &[9; 256]))
            .resp(packet(6, b"\xff\x15\x04#28000Access denied"))
            .any_chunking::<Mysql>();
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("mysql-sha2".into(), "false".into()));
    }

    #[test]
    fn a_switch_of_method_and_one_to_tls() {
        let seen = Script::new()
            .resp(greeting("mysql_native_password"))
            .orig(response(&[], "mysql_native_password"))
            .resp(packet(2, b"\xfemysql_clear_password\0"))
            .orig(packet(3, b"hunter22\0"))
            .resp(packet(4, &[0, 0, 0, 2, 0, 0, 0]))
            .any_chunking::<Mysql>();
        assert_eq!(seen.cell("mechanism"), "plain");
        let mut ssl = b"\x08\x8a\x08\0\0\0\0\x01\x21".to_vec();
        ssl.extend_from_slice(&[0; 23]);
        let seen =
            Script::new().resp(greeting("x")).orig(packet(1, &ssl)).orig(b"\x16\x03\x01").any_chunking::<Mysql>();
        assert_eq!((seen.cell("encryption"), seen.cell("mechanism")), ("tls".into(), "-".into()));
        assert!(seen.logins.is_empty());
    }

    #[test]
    fn mariadb_says_its_own_version() {
        let p = b"\x0a5.5.5-10.11.6-MariaDB\0\x07\0\0\0abcdefgh\0\xff\xf7\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_native_password\0";
        let seen = Script::new().resp(packet(0, p)).any_chunking::<Mysql>();
        assert_eq!(seen.cell("server_version"), "10.11.6-MariaDB");
        assert!(seen.logins.is_empty());
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Mysql>(Direction::Resp, &greeting("x")), Probe::Yes);
        assert_eq!(probe_all::<Mysql>(Direction::Orig, &response(&[7; 20], "x")), Probe::Yes);
        assert_eq!(probe_all::<Mysql>(Direction::Resp, b"\x45\0\0\0\xff\x6a\x04Host 'x' is not allowed"), Probe::Yes);
        assert_eq!(probe_all::<Mysql>(Direction::Resp, b"\x20\0\0\0\x0aSSH-2.0 x"), Probe::No);
        assert_eq!(probe_all::<Mysql>(Direction::Orig, b"GET / HTTP/1.1\r\n"), Probe::No);
        let whole = greeting("mysql_native_password");
        for end in 0..whole.len() {
            assert!(Script::new().resp(&whole[..end]).run::<Mysql>().rows.is_empty());
        }
        assert_eq!(Script::new().orig([0xff, 0xff, 0xff, 1, 0]).run::<Mysql>().stopped, Some(Progress::Finished));
    }
}

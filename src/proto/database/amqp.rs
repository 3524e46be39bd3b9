//! AMQP 0-9-1 (its specification, sections 2.3 and 4.2; RabbitMQ) and 1.0 (OASIS, parts 2 and 5), up to
//! the end of the login.
//!
//! ```text
//! both:   "AMQP" protocol(1) major(1) minor(1) revision(1)
//! 0-9-1:  kind(1) channel(2) length(4) payload 0xce     kind 1: class(2) method(2) arguments
//! 1.0:    length(4, itself included) offset(1) kind(1) channel(2) 0x00 0x53 what(1) list
//! ```

use super::session::{Encryption, Event, Session, TABLE, short};
use crate::base::secret::SecretBuf;
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};

const NAME: &str = "amqp";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Dialect {
    #[default]
    Unknown,
    V0,
    V1,
}

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Amqp {
    session: Session,
    dialect: Dialect,
    accepted: bool,
    untold: bool,
    messages: u32,
    ended: bool,
}

/// A text with a length of four bytes.
fn long<'b>(r: &mut Reader<'b>) -> Result<&'b [u8], ReadError> {
    let len = r.be32("text")?;
    r.take("text", len as usize)
}

/// Texts of a table (0-9-1, section 4.2.5.5), nested tables passed over.
fn table<'b>(r: &mut Reader<'b>, mut each: impl FnMut(&'b [u8], &'b [u8])) -> Result<(), ReadError> {
    let len = r.be32("table")?;
    let mut t = r.sub("table", len as usize)?;
    for _ in 0..limits::DATABASE_MESSAGES_MAX {
        if t.is_empty() {
            break;
        }
        let name = t.vec8("name")?.rest();
        let skip = match t.u8("kind")? {
            b'S' | b'x' => {
                let value = long(&mut t)?;
                each(name, value);
                0
            }
            b'F' | b'A' => t.be32("length")? as usize,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'V' => 0,
            _ => break,
        };
        t.skip("value", skip)?;
    }
    Ok(())
}

impl Amqp {
    /// A method of the class Connection (0-9-1). True where nothing more is to be learnt.
    fn method(&mut self, cx: &Cx<'_>, payload: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<bool, ReadError> {
        let mut r = Reader::new(payload);
        let (class, method) = (r.be16("class")?, r.be16("method")?);
        match (class, method) {
            // Start: version, properties, mechanisms.
            (10, 10) => {
                r.skip("version", 2)?;
                let (mut product, mut version): (&[u8], &[u8]) = (b"", b"");
                table(&mut r, |name, value| match name {
                    b"product" => product = value,
                    b"version" => version = value,
                    _ => {}
                })?;
                self.session.server = short(&[product, b" ", version].concat());
                self.session.at = (cx.ts, cx.packet);
                self.untold = true;
            }
            // Start-ok: properties, mechanism, response, locale.
            (10, 11) => {
                let mut product: &[u8] = b"";
                table(&mut r, |name, value| {
                    if matches!(name, b"product" | b"connection_name") {
                        product = value;
                    }
                })?;
                self.session.application = short(product);
                let mechanism = r.vec8("mechanism")?.rest();
                let response = long(&mut r)?;
                self.sasl(cx, mechanism, response);
            }
            // Tune: the login was good.
            (10, 30) => {
                self.accepted = true;
                if !self.session.mechanism.is_empty() {
                    self.session.success = Some(true);
                }
            }
            (10, 40) => {
                self.session.database = short(r.vec8("virtual host")?.rest());
                if self.accepted {
                    self.tell(emit);
                    return Ok(true);
                }
            }
            (10, 50) => {
                if !self.session.mechanism.is_empty() && self.session.success.is_none() {
                    self.session.success = Some(false);
                }
                self.tell(emit);
                return Ok(true);
            }
            (10, _) => {}
            _ => return Ok(true),
        }
        Ok(false)
    }

    fn sasl(&mut self, cx: &Cx<'_>, mechanism: &[u8], response: &[u8]) {
        self.untold = true;
        match mechanism {
            b"PLAIN" => {
                self.session.sasl_plain(cx, response);
            }
            b"AMQPLAIN" => {
                // A table without its length.
                let mut with_length = (response.len() as u32).to_be_bytes().to_vec();
                with_length.extend_from_slice(response);
                let (mut user, mut secret) = (Vec::new(), None);
                let _ = table(&mut Reader::new(&with_length), |name, value| match name {
                    b"LOGIN" => user = short(value),
                    b"PASSWORD" => secret = Some(SecretBuf::new(value)),
                    _ => {}
                });
                self.session.username = user;
                self.session.login(cx, "plain", secret);
            }
            b"ANONYMOUS" => self.session.login(cx, "anonymous", None),
            b"EXTERNAL" => self.session.login(cx, "certificate", None),
            _ => self.session.login(cx, "sasl", None),
        }
    }

    /// A frame of SASL (1.0, section 5.3.3). True where nothing more is to be learnt.
    fn performative(&mut self, cx: &Cx<'_>, body: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<bool, ReadError> {
        let mut r = Reader::new(body);
        let [0, 0x53, what] = r.array("descriptor")? else { return Ok(false) };
        // A list: kind, length, count.
        match r.u8("list")? {
            0x45 => return Ok(false),
            0xc0 => r.skip("length and count", 2)?,
            _ => r.skip("length and count", 8)?,
        }
        match what {
            // Init: mechanism, response, host.
            0x41 => {
                let mechanism = value(&mut r)?;
                let response = value(&mut r).unwrap_or_default();
                self.session.at = (cx.ts, cx.packet);
                self.sasl(cx, mechanism, response);
                self.session.database = short(value(&mut r).unwrap_or_default());
            }
            // Outcome: code.
            0x44 => {
                let _ = r.u8("kind")?;
                self.session.success = Some(r.u8("code")? == 0);
                self.tell(emit);
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    fn message(&mut self, cx: &Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        if bytes.first() == Some(&b'A') {
            let [b'A', b'M', b'Q', b'P', protocol, major, ..] = bytes else { return Step::Need(8) };
            if bytes.len() < 8 {
                return Step::Need(8);
            }
            self.dialect = if *major == 1 { Dialect::V1 } else { Dialect::V0 };
            if *major == 1 && *protocol == 2 {
                self.session.at = (cx.ts, cx.packet);
                self.session.encryption = Some(Encryption::Tls);
                self.tell(emit);
                return Step::Finished;
            }
            return Step::Used(8);
        }
        self.messages += 1;
        if self.messages > limits::DATABASE_MESSAGES_MAX {
            return Step::Finished;
        }
        let v1 = self.dialect == Dialect::V1;
        let (head, len) = if v1 {
            let Some((len, _)) = bytes.split_first_chunk::<4>() else { return self.short(8) };
            (0, u32::from_be_bytes(*len) as usize)
        } else {
            let Some(([kind, _, _, l3, l2, l1, l0], _)) = bytes.split_first_chunk::<7>() else { return self.short(7) };
            if !matches!(kind, 1..=4 | 8) {
                return Step::Violation("frame");
            }
            (7, u32::from_be_bytes([*l3, *l2, *l1, *l0]) as usize)
        };
        let whole = if v1 { len } else { len.saturating_add(8) };
        if v1 && len < 8 {
            return Step::Violation("frame");
        }
        if len > limits::DATABASE_MESSAGE_BYTES_MAX {
            cx.limit_hit();
            return Step::Used(whole as u64);
        }
        let Some(frame) = bytes.get(..whole) else { return self.short(whole) };
        let read = if v1 {
            let offset = frame.get(4).map_or(8, |o| usize::from(*o) * 4);
            match (frame.get(5), frame.get(offset..)) {
                (Some(1), Some(body)) => self.performative(cx, body, emit),
                // Without SASL there is no login.
                _ => Ok(false),
            }
        } else if frame.first() == Some(&1) {
            self.method(cx, frame.get(head..head + len).unwrap_or_default(), emit)
        } else {
            Ok(false)
        };
        match read {
            Ok(true) => Step::Finished,
            Ok(false) => Step::Used(whole as u64),
            Err(_) => Step::Violation("method"),
        }
    }

    /// More bytes are needed: the message does not count yet.
    const fn short(&mut self, needed: usize) -> Step {
        self.messages -= 1;
        Step::Need(needed)
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

/// A symbol, text or bytes of 1.0 with a length of one or four bytes; empty for null.
fn value<'b>(r: &mut Reader<'b>) -> Result<&'b [u8], ReadError> {
    match r.u8("kind")? {
        0x40 => Ok(&[]),
        0xa0 | 0xa1 | 0xa3 => Ok(r.vec8("value")?.rest()),
        0xb0 | 0xb1 | 0xb3 => long(r),
        _ => Err(ReadError::invalid("kind")),
    }
}

impl AppParser for Amqp {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "AMQP",
        transports: &[Transport::Tcp],
        ports: &[5672],
        reference: "AMQP 0-9-1, OASIS AMQP 1.0",
        table: Some(&TABLE),
        yields: "login and its success, virtual host, product and version",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        const START: &[u8] = &[1, 0, 0];
        match payload {
            [b'A', b'M', b'Q', b'P', 0..=3, 0..=9, ..] => Probe::Yes,
            _ if payload.len() < 6 && b"AMQP".starts_with(front(payload, 4)) => Probe::NeedMore,
            // The server's first method: Connection.Start 0-9.
            [1, 0, 0, 0, 0, _, _, 0, 10, 0, 10, 0, 9, ..] => Probe::Yes,
            _ if payload.len() < 13 && START.starts_with(front(payload, 3)) => {
                let rest = payload.get(7..).unwrap_or_default();
                if [0, 10, 0, 10, 0, 9].starts_with(rest) { Probe::NeedMore } else { Probe::No }
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

    fn method(class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
        let mut out = vec![1, 0, 0];
        out.extend_from_slice(&(arguments.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(&class.to_be_bytes());
        out.extend_from_slice(&method.to_be_bytes());
        out.extend_from_slice(arguments);
        out.push(0xce);
        out
    }

    const START: &[u8] = b"\0\x09\0\0\0\x1a\x07productS\0\0\0\x08RabbitMQ\x02okt\x01\0\0\0\x05PLAIN\0\0\0\x05en_US";
    const PROPERTIES: &[u8] = b"\0\0\0\x12\x07productS\0\0\0\x05Bunny";

    #[test]
    fn plain_and_amqplain() {
        let plain = [PROPERTIES, b"\x05PLAIN\0\0\0\x0d\0joe\0hunter22\x05en_US"].concat();
        let table =
            [PROPERTIES, b"\x08AMQPLAIN\0\0\0\x24\x05LOGINS\0\0\0\x03joe\x08PASSWORDS\0\0\0\x08hunter22\x05en_US"]
                .concat();
        for start_ok in [plain, table] {
            let seen = Script::new()
                .orig(b"AMQP\0\0\x09\x01")
                .resp(method(10, 10, START))
                .orig(method(10, 11, &start_ok))
                .resp(method(10, 30, &[0, 0, 0, 2, 0, 0, 0, 60]))
                .orig([method(10, 31, &[0; 8]), method(10, 40, b"\x02/v\0\0")].concat())
                .any_chunking::<Amqp>();
            assert_eq!((seen.cell("username"), seen.cell("success")), ("joe".into(), "true".into()));
            assert_eq!((seen.cell("database"), seen.cell("application")), ("/v".into(), "Bunny".into()));
            assert!(seen.cell("server_version").starts_with("RabbitMQ"));
            assert!(!format!("{seen:?}").contains("hunter22"));
        }
    }

    #[test]
    fn version_1_with_sasl() {
        let init = b"\0\x53\x41\xc0\x20\x03\xa3\x05PLAIN\xa0\x0d\0joe\0hunter22\xa1\x04host";
        let frame = |body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], &[2, 1, 0, 0], body].concat();
        let seen = Script::new()
            .orig(b"AMQP\x03\x01\0\0")
            .resp(b"AMQP\x03\x01\0\0")
            .orig(frame(init))
            .resp(frame(b"\0\x53\x44\xc0\x03\x01\x50\x01"))
            .any_chunking::<Amqp>();
        assert_eq!((seen.cell("username"), seen.cell("success")), ("joe".into(), "false".into()));
        assert_eq!(seen.cell("database"), "host");
        let tls = Script::new().orig(b"AMQP\x02\x01\0\0").any_chunking::<Amqp>();
        assert_eq!(tls.cell("encryption"), "tls");
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Amqp>(Direction::Orig, b"AMQP\0\0\x09\x01"), Probe::Yes);
        assert_eq!(probe_all::<Amqp>(Direction::Resp, &method(10, 10, START)), Probe::Yes);
        assert_eq!(probe_all::<Amqp>(Direction::Orig, b"AMQX"), Probe::No);
        let whole = method(10, 10, START);
        for end in 0..whole.len() {
            Script::new().orig(b"AMQP\0\0\x09\x01").resp(&whole[..end]).any_chunking::<Amqp>();
        }
        let seen = Script::new().orig(b"AMQP\0\x01\0\0").orig(b"\0\0\0\x07\x02\x01\0\0").any_chunking::<Amqp>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }
}

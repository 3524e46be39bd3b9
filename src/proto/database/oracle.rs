//! Oracle's transparent network substrate (TNS) up to the answer to a connect packet.
//!
//! ```text
//! packet:  length(2) check(2) kind(1) flags(1) check(2)
//! CONNECT: version(2) ... length of the text(2) its place(2) ... text: (DESCRIPTION=(CONNECT_DATA=...))
//! ```

use super::session::{Event, Session, TABLE, short};
use crate::base::limits;
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, walk};
use crate::proto::text::{contains, starts_with};

const NAME: &str = "oracle";
const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Oracle {
    session: Session,
    untold: bool,
    messages: u32,
    ended: bool,
}

/// The value of a name in a connect text: `(NAME=value)`.
fn value<'b>(text: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
    let rest = memchr::memchr_iter(b'(', text)
        .filter_map(|at| text.get(at + 1..))
        .find(|t| starts_with(t, name) && t.get(name.len()).is_some_and(|c| matches!(c, b'=' | b' ')))?;
    let rest = rest.get(name.len()..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let end = rest.iter().position(|c| matches!(c, b')' | b'('))?;
    rest.get(..end).map(<[u8]>::trim_ascii)
}

impl Oracle {
    fn connect(&mut self, cx: &Cx<'_>, text: &[u8]) {
        let get = |name: &[u8]| value(text, name).map(short).unwrap_or_default();
        self.session.at = (cx.ts, cx.packet);
        self.session.database = get(b"SERVICE_NAME");
        if self.session.database.is_empty() {
            self.session.database = get(b"SID");
        }
        self.session.application = get(b"PROGRAM");
        // The user of the machine, not that of the database: it is sent encrypted later.
        self.session.username = get(b"USER");
        // Behind CID stands the client's machine, the address before it is the server's.
        let client = text.windows(5).position(|w| w.eq_ignore_ascii_case(b"(CID=")).and_then(|at| text.get(at..));
        self.session.client_host = client.and_then(|c| value(c, b"HOST")).map(short).unwrap_or_default();
        self.untold = true;
    }

    fn packet(&mut self, cx: &Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        let [l1, l0, _, _, kind, _, _, _, body @ ..] = bytes else { return Step::Need(8) };
        let len = usize::from(u16::from_be_bytes([*l1, *l0]));
        if len < 8 || *kind > 19 || len > limits::DATABASE_MESSAGE_BYTES_MAX {
            return if self.messages > 0 { Step::Finished } else { Step::Violation("header") };
        }
        let Some(body) = body.get(..len - 8) else { return Step::Need(len) };
        self.messages += 1;
        match *kind {
            CONNECT => {
                let place = body.get(18..20).map_or(0, |p| p.iter().fold(0, |n, b| n << 8 | usize::from(*b)));
                let text = place.checked_sub(8).and_then(|at| body.get(at..)).unwrap_or_default();
                self.connect(cx, text);
            }
            // A long text comes in a packet of its own.
            6 if self.session.database.is_empty() && contains(body.get(..64).unwrap_or(body), b"(description") => {
                self.connect(cx, body);
            }
            ACCEPT | REFUSE => {
                let version = body.get(..2).map_or(0, |v| v.iter().fold(0, |n, b| n << 8 | u32::from(*b)));
                if *kind == ACCEPT {
                    self.session.server = format!("Oracle TNS {version}").into_bytes();
                }
                self.session.success = Some(*kind == ACCEPT);
                if self.session.at.1 == 0 {
                    self.session.at = (cx.ts, cx.packet);
                }
                self.tell(emit);
                return Step::Finished;
            }
            _ if self.messages > 16 => return Step::Finished,
            _ => {}
        }
        Step::Used(len as u64)
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

impl AppParser for Oracle {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "Oracle Database (TNS)",
        transports: &[Transport::Tcp],
        ports: &[1521],
        reference: "Oracle Net Services (as observed)",
        table: Some(&TABLE),
        yields: "service, program, machine and its user, whether the connection was accepted",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match (dir, payload) {
            // Version from 256 to 511, and one that the client falls back to.
            (_, [_, _, _, _, CONNECT, 0..=0x1f, _, _, 1, _, 1, _, ..]) if payload.get(2..4) == Some(&[0, 0]) => {
                Probe::Yes
            }
            (_, [0 | 1, _, 0, 0, kind @ (ACCEPT | REFUSE | 5 | 11), 0..=0x1f, 0, 0, rest @ ..]) => {
                let len = payload.get(..2).map_or(0, |l| l.iter().fold(0, |n, b| n << 8 | usize::from(*b)));
                let sound = match (*kind, rest) {
                    (ACCEPT, [1, ..]) => len >= 24,
                    (REFUSE, [_, _, _, _, b'(', ..]) => true,
                    (5, [_, _, b'(', ..]) => true,
                    (11, _) => len == 8,
                    _ => false,
                };
                let more = rest.len() < 5 && *kind != 11;
                if sound {
                    Probe::Yes
                } else if more {
                    Probe::NeedMore
                } else {
                    Probe::No
                }
            }
            (_, [0..=0x1f, _, 0, 0, kind @ 1..=12, rest @ ..]) if rest.len() < 7 && *kind != 6 => Probe::NeedMore,
            // Data in the middle of a session: flags, then a call of the two-task layer.
            (_, [0..=0x1f, len, 0, 0, 6, 0, 0, 0, 0, 0 | 0x40, 1..=23, ..])
                if usize::from(*len) == payload.len() & 0xff =>
            {
                Probe::Yes
            }
            (_, [0..=0x1f, _, 0, 0, 6, rest @ ..]) if rest.len() < 6 && rest.iter().take(3).all(|b| *b == 0) => {
                Probe::NeedMore
            }
            (_, [0..=0x1f] | [0..=0x1f, _] | [0..=0x1f, _, 0] | [0..=0x1f, _, 0, 0]) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| self.packet(&cx, rest, emit))
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

    const TEXT: &str = "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db.example)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=orcl)(CID=(PROGRAM=sqlplus)(HOST=pc7)(USER=joe))))";

    fn connect() -> Vec<u8> {
        let mut body = vec![1, 0x3b, 1, 0x2c, 0x0c, 0x41, 0x20, 0, 0xff, 0xff, 0x7f, 8, 0, 0, 1, 0];
        body.extend_from_slice(&(TEXT.len() as u16).to_be_bytes());
        body.extend_from_slice(&[0, 58]);
        body.resize(50, 0);
        body.extend_from_slice(TEXT.as_bytes());
        let mut out = (body.len() as u16 + 8).to_be_bytes().to_vec();
        out.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
        out.extend(body);
        out
    }

    #[test]
    fn who_connects_to_what() {
        let mut accept = vec![0, 32, 0, 0, 2, 0, 0, 0, 1, 0x3b];
        accept.resize(32, 0);
        let seen = Script::new()
            .orig(connect())
            .resp([0, 8, 0, 0, 11, 0, 0, 0])
            .orig(connect())
            .resp(&accept)
            .any_chunking::<Oracle>();
        assert_eq!((seen.cell("database"), seen.cell("application")), ("orcl".into(), "sqlplus".into()));
        assert_eq!((seen.cell("client_host"), seen.cell("username")), ("pc7".into(), "joe".into()));
        assert_eq!((seen.cell("success"), seen.cell("server_version")), ("true".into(), "Oracle TNS 315".into()));
        assert!(seen.logins.is_empty(), "the login itself is encrypted");
        assert_eq!(probe_all::<Oracle>(Direction::Orig, &connect()), Probe::Yes);
        assert_eq!(probe_all::<Oracle>(Direction::Resp, &accept), Probe::Yes);
    }

    #[test]
    fn damage_and_strangers() {
        let whole = connect();
        for end in 0..whole.len() {
            assert!(Script::new().orig(&whole[..end]).run::<Oracle>().rows.is_empty());
        }
        assert_eq!(value(b"(SID = x)(USER=)", b"SID"), Some(&b"x"[..]));
        assert_eq!(value(b"(SIDE=x", b"SID"), None);
        assert_eq!(probe_all::<Oracle>(Direction::Orig, b"\0\0\0\x2f\0\x03\0\0user\0joe\0"), Probe::No);
        assert_eq!(probe_all::<Oracle>(Direction::Orig, b"GET / HTTP/1.1\r\n"), Probe::No);
    }
}

//! Cassandra's native protocol, versions 3 to 5 (its document `native_protocol_v4.spec`), up to the end of
//! the login.
//!
//! ```text
//! frame: version(1, the highest bit for answers) flags(1) stream(2) operation(1) length(4)
//! ```
//! From version 5 on, what follows the startup message comes in segments: length and flag(3), check(3),
//! frames, check(4).

use super::session::{Event, Session, TABLE, short};
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, walk};

const NAME: &str = "cassandra";
const HEADER: usize = 9;

const ERROR: u8 = 0;
const STARTUP: u8 = 1;
const READY: u8 = 2;
const OPTIONS: u8 = 5;
const QUERY: u8 = 7;
const AUTH_RESPONSE: u8 = 0x0f;
const AUTH_SUCCESS: u8 = 0x10;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Cassandra {
    session: Session,
    /// Whether a side sends segments by now.
    segments: [bool; 2],
    version: u8,
    untold: bool,
    messages: u32,
    ended: bool,
}

fn text16<'b>(r: &mut Reader<'b>) -> Result<&'b [u8], ReadError> {
    Ok(r.vec16("text")?.rest())
}

impl Cassandra {
    fn startup(&mut self, cx: &Cx<'_>, body: &[u8]) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        for _ in 0..r.be16("options")?.min(32) {
            let (name, value) = (text16(&mut r)?, text16(&mut r)?);
            if matches!(name, b"DRIVER_NAME" | b"APPLICATION_NAME") {
                self.session.application = short(value);
            }
        }
        self.session.at = (cx.ts, cx.packet);
        Ok(())
    }

    /// Whether nothing more is to be learnt.
    fn frame(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        operation: u8,
        body: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        match operation {
            STARTUP => {
                let _ = self.startup(cx, body);
                self.untold = true;
                if self.version & 0x7f >= 5 {
                    self.segments = [true; 2];
                }
            }
            AUTH_RESPONSE => {
                let mut r = Reader::new(body);
                let len = r.be32("length").unwrap_or_default();
                let token = r.take("token", len as usize).unwrap_or_default();
                self.untold |= self.session.sasl_plain(cx, token);
            }
            AUTH_SUCCESS => {
                self.session.success = Some(true);
                self.tell(emit);
                return true;
            }
            ERROR if dir == Direction::Resp => {
                if !self.session.mechanism.is_empty() {
                    self.session.success = Some(false);
                    self.tell(emit);
                    return true;
                }
                // It may speak another version: the client tries again.
                self.segments = [false; 2];
            }
            READY => {
                self.session.open = self.session.at.1 != 0 && cx.flow.from_start;
                self.session.at = (cx.ts, cx.packet);
                self.tell(emit);
                return true;
            }
            QUERY..=0x0e => {
                if self.session.at.1 == 0 {
                    self.session.at = (cx.ts, cx.packet);
                }
                self.tell(emit);
                return true;
            }
            _ => {}
        }
        false
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }

    fn message(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        let [orig, resp] = self.segments;
        let first = bytes.first().copied().unwrap_or_default();
        // The answer to the startup message of version 5 may still be a frame (an error does not begin a segment).
        let is_frame = matches!(first & 0x7f, 3..=5) && (first & 0x80 != 0) == (dir == Direction::Resp) && {
            matches!(bytes.get(4), Some(ERROR..=0x10)) && bytes.get(5..7) == Some(&[0, 0])
        };
        let in_segments = if dir == Direction::Orig { orig } else { resp };
        if in_segments && bytes.len() < HEADER {
            return Step::Need(HEADER);
        }
        if in_segments && !is_frame {
            let [l0, l1, l2, _, _, _, rest @ ..] = bytes else { return Step::Need(6) };
            let len = (u32::from_le_bytes([*l0, *l1, *l2, 0]) & 0x1_ffff) as usize;
            let Some(payload) = rest.get(..len) else { return Step::Need(6 + len) };
            if rest.len() < len + 4 {
                return Step::Need(len + 10);
            }
            if self.frames(cx, dir, payload, emit) {
                return Step::Finished;
            }
            return Step::Used(len as u64 + 10);
        }
        let Some(([version, _, _, _, operation], rest)) = bytes.split_first_chunk::<5>() else {
            return Step::Need(HEADER);
        };
        let Some((len, body)) = rest.split_first_chunk::<4>() else { return Step::Need(HEADER) };
        let len = u32::from_be_bytes(*len) as usize;
        if !matches!(version & 0x7f, 1..=6 | 0x41 | 0x42) || *operation > 0x10 || len > 256 << 20 {
            return Step::Violation("frame");
        }
        self.messages += 1;
        if self.messages > limits::DATABASE_MESSAGES_MAX {
            return Step::Finished;
        }
        self.version = *version;
        let wanted = len.min(limits::DATABASE_MESSAGE_BYTES_MAX);
        let Some(body) = body.get(..wanted) else {
            self.messages -= 1;
            return Step::Need(HEADER + wanted);
        };
        if self.frame(cx, dir, *operation, body, emit) {
            return Step::Finished;
        }
        Step::Used((HEADER + len) as u64)
    }

    /// Frames in a segment.
    fn frames(&mut self, cx: &Cx<'_>, dir: Direction, payload: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> bool {
        let mut r = Reader::new(payload);
        for _ in 0..limits::DATABASE_MESSAGES_MAX {
            if r.skip("header", 4).is_err() {
                return false;
            }
            let (Ok(operation), Ok(len)) = (r.u8("operation"), r.be32("length")) else { return false };
            let Ok(body) = r.take("body", len as usize) else { return false };
            if self.frame(cx, dir, operation, body, emit) {
                return true;
            }
        }
        false
    }
}

impl AppParser for Cassandra {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "Cassandra (CQL)",
        transports: &[Transport::Tcp],
        ports: &[9042],
        reference: "Cassandra native protocol, versions 3 to 5",
        table: Some(&TABLE),
        yields: "login and its success, whether anybody is served, driver",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [
                version @ (1..=6 | 0x41 | 0x42 | 0x81..=0x86 | 0xc1 | 0xc2),
                flags,
                s1,
                _,
                operation,
                0,
                0,
                _,
                _,
                rest @ ..,
            ] => {
                let answer = version & 0x80 != 0;
                match (operation, answer, rest) {
                    _ if *flags > 0x1f || *s1 > 0x7f => Probe::No,
                    (&OPTIONS, false, []) => Probe::Yes,
                    // A map with the version of the language in it.
                    (&STARTUP, false, [0, 1..=16, 0, 3..=32, name, ..]) if name.is_ascii_uppercase() => Probe::Yes,
                    (&STARTUP, false, _) if rest.len() < 5 => Probe::NeedMore,
                    // SUPPORTED: a map of lists with the same.
                    (6, true, [0, 1..=16, 0, 3..=32, name, ..]) if name.is_ascii_uppercase() => Probe::Yes,
                    (6, true, _) if rest.len() < 5 => Probe::NeedMore,
                    // AUTHENTICATE: the name of a class.
                    (3, true, [0, _, b'o' | b'c', ..]) => Probe::Yes,
                    (3, true, _) if rest.len() < 3 => Probe::NeedMore,
                    _ => Probe::No,
                }
            }
            [1..=6 | 0x41 | 0x42 | 0x81..=0x86 | 0xc1 | 0xc2, rest @ ..] if rest.len() < 8 => match rest {
                [flags, ..] if *flags > 0x1f => Probe::No,
                [_, s1, ..] if *s1 > 0x7f => Probe::No,
                [_, _, _, operation, ..] if !matches!(*operation, STARTUP | OPTIONS | 6 | 3) => Probe::No,
                [_, _, _, _, 1..=255, ..] | [_, _, _, _, _, 1..=255, ..] => Probe::No,
                _ => Probe::NeedMore,
            },
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

    fn frame(version: u8, operation: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![version, 0, 0, 1, operation];
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    fn segment(frame: &[u8]) -> Vec<u8> {
        let mut out = (frame.len() as u32 | 1 << 17).to_le_bytes()[..3].to_vec();
        out.extend_from_slice(&[0; 3]);
        out.extend_from_slice(frame);
        out.extend_from_slice(&[0; 4]);
        out
    }

    const STARTUP_BODY: &[u8] = b"\0\x02\0\x0bCQL_VERSION\0\x053.4.5\0\x0bDRIVER_NAME\0\x04Java";
    const TOKEN: &[u8] = b"\0\0\0\x0d\0joe\0hunter22";

    #[test]
    fn a_login_in_frames_and_in_segments() {
        let authenticate = b"\0\x2forg.apache.cassandra.auth.PasswordAuthenticator";
        let plain = Script::new()
            .orig(frame(4, OPTIONS, b""))
            .orig(frame(4, STARTUP, STARTUP_BODY))
            .resp(frame(0x84, 3, authenticate))
            .orig(frame(4, AUTH_RESPONSE, TOKEN))
            .resp(frame(0x84, AUTH_SUCCESS, b"\xff\xff\xff\xff"));
        let segments = Script::new()
            .orig(frame(5, STARTUP, STARTUP_BODY))
            .resp(frame(0x85, 3, authenticate))
            .orig(segment(&frame(5, AUTH_RESPONSE, TOKEN)))
            .resp(segment(&frame(0x85, ERROR, b"\0\0\x01\0\0\x01x")));
        for (script, success) in [(plain, "true"), (segments, "false")] {
            let seen = script.any_chunking::<Cassandra>();
            assert_eq!((seen.cell("username"), seen.cell("success")), ("joe".into(), success.into()));
            assert_eq!(seen.cell("application"), "Java");
            assert!(!format!("{seen:?}").contains("hunter22"));
        }
    }

    #[test]
    fn a_server_without_logins_is_ready_at_once() {
        let seen = Script::new()
            .orig(frame(4, STARTUP, STARTUP_BODY))
            .resp(frame(0x84, READY, b""))
            .any_chunking::<Cassandra>();
        assert_eq!(seen.cell("without_login"), "true");
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Cassandra>(Direction::Orig, &frame(4, STARTUP, STARTUP_BODY)), Probe::Yes);
        assert_eq!(probe_all::<Cassandra>(Direction::Orig, &frame(4, OPTIONS, b"")), Probe::Yes);
        assert_eq!(probe_all::<Cassandra>(Direction::Orig, b"\x05\x01\0\x05\x01\0\x03\0\0\0\0"), Probe::No);
        let whole = frame(4, AUTH_RESPONSE, TOKEN);
        for end in 0..whole.len() {
            assert!(Script::new().orig(&whole[..end]).run::<Cassandra>().logins.is_empty());
        }
        let huge = [4, 0, 0, 1, 0x0f, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(Script::new().orig(huge).any_chunking::<Cassandra>().stopped, Some(Progress::Violation(_))));
    }
}

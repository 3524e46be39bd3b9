//! STOMP (its specification 1.2) up to the answer to CONNECT.
//!
//! ```text
//! frame: command LF { name ":" value LF } LF body NUL
//! ```

use super::session::{Event, Session, TABLE, short};
use crate::base::limits;
use crate::base::secret::SecretBuf;
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};
use crate::proto::text::split_once;

const NAME: &str = "stomp";

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Stomp {
    session: Session,
    untold: bool,
    frames: u32,
    /// Bytes of the frame at the front that were searched for its end.
    scanned: [usize; 2],
    ended: bool,
}

/// Undoes the escapes of a header (section "Value Encoding").
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        rest = match rest {
            [b'\\', c @ (b'r' | b'n' | b'c' | b'\\'), tail @ ..] => {
                out.push(match c {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b'c' => b':',
                    _ => b'\\',
                });
                tail
            }
            [c, tail @ ..] => {
                out.push(*c);
                tail
            }
            [] => return out,
        };
    }
}

impl Stomp {
    fn frame(&mut self, cx: &Cx<'_>, frame: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> bool {
        let mut lines = frame.split(|c| *c == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let command = lines.next().unwrap_or_default();
        let headers = lines.take_while(|l| !l.is_empty()).take(64).filter_map(|l| split_once(l, b':'));
        match command {
            b"CONNECT" | b"STOMP" => {
                let mut secret = None;
                let mut user = None;
                for (name, value) in headers {
                    match name {
                        b"login" => user = Some(unescaped(value)),
                        b"passcode" => secret = Some(SecretBuf::new(&unescaped(value))),
                        b"host" => self.session.database = short(&unescaped(value)),
                        _ => {}
                    }
                }
                self.session.at = (cx.ts, cx.packet);
                if user.is_some() || secret.is_some() {
                    self.session.username = short(&user.unwrap_or_default());
                    self.session.login(cx, "plain", secret);
                }
                self.untold = true;
                false
            }
            b"CONNECTED" | b"ERROR" => {
                for (name, value) in headers {
                    if name == b"server" {
                        self.session.server = short(&unescaped(value));
                    }
                }
                if self.session.at.1 == 0 {
                    self.session.at = (cx.ts, cx.packet);
                }
                self.session.success = Some(command == b"CONNECTED");
                self.tell(emit);
                true
            }
            // Anything else comes behind the login.
            _ => {
                self.frames += 1;
                self.frames > 4
            }
        }
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

impl AppParser for Stomp {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "STOMP",
        transports: &[Transport::Tcp],
        ports: &[61613],
        reference: "STOMP 1.2",
        table: Some(&TABLE),
        yields: "login and its success, virtual host, server",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        const COMMANDS: [&[u8]; 3] = [b"CONNECT", b"CONNECTED", b"STOMP"];
        const HEADERS: [&[u8]; 9] = [
            b"accept-version:",
            b"host:",
            b"login:",
            b"passcode:",
            b"heart-beat:",
            b"version:",
            b"session:",
            b"server:",
            b"client-id:",
        ];
        let Some((command, rest)) = split_once(front(payload, 16), b'\n') else {
            let fits = COMMANDS.iter().any(|c| c.starts_with(front(payload, c.len())) && payload.len() <= c.len() + 1);
            return if fits { Probe::NeedMore } else { Probe::No };
        };
        let command = command.strip_suffix(b"\r").unwrap_or(command);
        if !COMMANDS.contains(&command) {
            return Probe::No;
        }
        let rest = payload.get(payload.len().min(16) - rest.len()..).unwrap_or_default();
        match HEADERS.iter().find(|h| h.starts_with(front(rest, h.len()))) {
            Some(header) if rest.len() >= header.len() => Probe::Yes,
            Some(_) => Probe::NeedMore,
            None => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let mut scanned = self.scanned;
        let progress = walk(bytes, |rest| {
            if matches!(rest.first(), Some(b'\n' | b'\r')) {
                return Step::Used(1);
            }
            let [orig, resp] = &mut scanned;
            let seen = if dir == Direction::Orig { orig } else { resp };
            let window = front(rest, limits::DATABASE_MESSAGE_BYTES_MAX);
            let fresh = window.get(*seen..).unwrap_or_default();
            match memchr::memchr(0, fresh) {
                Some(at) => {
                    let end = *seen + at;
                    *seen = 0;
                    let over = self.frame(&cx, window.get(..end).unwrap_or_default(), emit);
                    if over { Step::Finished } else { Step::Used(end as u64 + 1) }
                }
                None if window.len() == limits::DATABASE_MESSAGE_BYTES_MAX => {
                    cx.limit_hit();
                    Step::Finished
                }
                None => {
                    *seen = window.len();
                    Step::Need(rest.len() + 1)
                }
            }
        });
        self.scanned = scanned;
        progress
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

    #[test]
    fn a_login_and_its_answer() {
        let connect = "CONNECT\naccept-version:1.2\nhost:/v\nlogin:joe\npasscode:hunter\\c22\n\n\0\n";
        for (answer, success) in
            [("CONNECTED\nserver:RabbitMQ/3.12\n\n\0", "true"), ("ERROR\nmessage:no\n\n\0", "false")]
        {
            let seen = Script::new().orig(connect).resp(answer).any_chunking::<Stomp>();
            assert_eq!((seen.cell("username"), seen.cell("success")), ("joe".into(), success.into()));
            assert!(seen.logins[0].contains("packet: 1") && !format!("{seen:?}").contains("hunter"));
        }
        assert_eq!(Script::new().orig(connect).any_chunking::<Stomp>().cell("success"), "-");
        assert_eq!(unescaped(b"a\\cb\\\\n\\x"), b"a:b\\n\\x");
    }

    #[test]
    fn probes_and_frames_without_end() {
        assert_eq!(probe_all::<Stomp>(Direction::Orig, b"STOMP\r\nhost:x\r\n"), Probe::Yes);
        assert_eq!(probe_all::<Stomp>(Direction::Resp, b"CONNECTED\nversion:1.1\n"), Probe::Yes);
        assert_eq!(probe_all::<Stomp>(Direction::Orig, b"CONNECT example.org:443 HTTP/1.1\r\n"), Probe::No);
        let long = [b"CONNECT\nlogin:".to_vec(), vec![b'x'; 100_000]].concat();
        assert_eq!(Script::new().orig(long).any_chunking::<Stomp>().stopped, Some(Progress::Finished));
    }
}

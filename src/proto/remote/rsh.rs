//! rsh and rexec: a command on another host, by trust in the client's word or with a password in clear.
//! The form of both is in [`super::rcmd`].

use super::rcmd::{self, Event, Field, Form, Session, TABLE, field};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::text;

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Follows a connection of either.
#[derive(Debug, Default)]
struct Command {
    /// Fields of the client that are read: port, two names (or name and password), command.
    fields: usize,
    began: bool,
    answered: bool,
    password: Option<(SecretBuf, (Timestamp, u64))>,
    session: Session,
    told: bool,
    ends: u8,
}

impl Command {
    fn on_data(&mut self, service: &'static str, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if !std::mem::replace(&mut self.began, true) {
            self.session.service = service;
            self.session.at = (cx.ts, cx.packet);
        }
        let progress = if dir == Direction::Orig { self.asks(cx, bytes, emit) } else { self.answers(bytes) };
        if self.answered && self.fields == 4 {
            self.report(emit);
            return Progress::Finished;
        }
        progress
    }

    /// The client's fields.
    fn asks(&mut self, cx: Cx<'_>, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        while self.fields < 4 {
            let rest = bytes.get(used..).unwrap_or_default();
            let (text, len) = match field(rest) {
                Field::Whole(text, len) => (text, len),
                Field::Open if rest.is_empty() => return Progress::Done,
                Field::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Field::TooLong => {
                    cx.limit_hit();
                    self.report(emit);
                    return Progress::Finished;
                }
            };
            let is_rexec = self.session.service == "rexec";
            match (self.fields, is_rexec) {
                (0, _) => {
                    self.session.error_port =
                        text::decimal(text).and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0);
                }
                (1, true) => self.session.remote_user = Some(text.to_vec()),
                (1, false) => self.session.local_user = Some(text.to_vec()),
                (2, true) => {
                    self.session.attempts = 1;
                    self.password = Some((SecretBuf::new(text), (cx.ts, cx.packet)));
                }
                (2, false) => self.session.remote_user = Some(text.to_vec()),
                _ => self.session.command = Some(text::word(text.trim_ascii()).0.to_vec()),
            }
            self.fields += 1;
            used += len;
        }
        // The command's input.
        Progress::Skip(u64::MAX)
    }

    /// The server's answer: one byte, and a line where it refuses.
    fn answers(&mut self, bytes: &[u8]) -> Progress {
        match bytes {
            [0, ..] => {
                self.session.success = Some(true);
                self.session.trusted = Some(self.session.service == "rsh");
            }
            [_, line @ ..] => {
                let window = line.get(..limits::RLOGIN_FIELD_BYTES_MAX).unwrap_or(line);
                match memchr::memchr(b'\n', window) {
                    None if window.len() < limits::RLOGIN_FIELD_BYTES_MAX => {
                        return Progress::Partial { consumed: 0, needed: bytes.len() + 1 };
                    }
                    end => self.refused(window.get(..end.unwrap_or(window.len())).unwrap_or_default()),
                }
            }
            [] => return Progress::Done,
        }
        self.answered = true;
        Progress::Skip(u64::MAX)
    }

    fn refused(&mut self, line: &[u8]) {
        self.session.success = Some(false);
        let line = line.trim_ascii();
        let line = match &self.password {
            Some((secret, _)) => text::without_secret(line, secret.borrow()),
            None => line.into(),
        };
        self.session.failure = (!line.is_empty()).then(|| line.into_owned());
    }

    fn report(&mut self, emit: Emit<'_>) {
        if std::mem::replace(&mut self.told, true) || !self.began || self.fields < 2 {
            return;
        }
        let s = &self.session;
        let (secret, at, mechanism) = match &self.password {
            Some((secret, at)) => (Some(secret.borrow()), *at, "plain"),
            None => (None, s.at, "trust"),
        };
        if s.remote_user.is_some() && (secret.is_some() || s.service == "rsh") {
            emit(Event::Login(&Login {
                mechanism,
                username: s.remote_user.as_deref(),
                secret,
                secret_kind: SecretKind::Password,
                success: s.success,
                ..Login::at(at)
            }));
        }
        emit(Event::Session(s));
    }

    fn on_end(&mut self, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if dir == Direction::Resp
            && !self.answered
            && let [1..=255, line @ ..] = rest
        {
            self.refused(line.get(..limits::RLOGIN_FIELD_BYTES_MAX).unwrap_or(line));
        }
        self.ends += 1;
        if self.ends == 2 {
            self.report(emit);
        }
    }
}

/// Both look alike: a server of rsh answers only where the client's port is a reserved one, which is all
/// that it trusts in.
fn is_rsh(cx: &Cx<'_>) -> bool {
    cx.flow.resp_port != 512 && (cx.flow.resp_port == 514 || cx.flow.orig_port < 1024)
}

/// Follows one rsh connection.
#[derive(Debug, Default)]
pub struct Rsh(Command);

impl AppParser for Rsh {
    const SPEC: Spec = Spec {
        name: "rsh",
        title: "rsh",
        transports: &[Transport::Tcp],
        ports: &[514],
        reference: "4.2BSD rshd(8)",
        table: Some(&TABLE),
        tentative: true,
        yields: "users, first word of the command, whether it was trusted without a password",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        rcmd::probe(dir, payload, Form::Command)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if !self.0.began && !is_rsh(&cx) {
            return Progress::Violation("not from a reserved port");
        }
        self.0.on_data("rsh", cx, dir, bytes, emit)
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        self.0.on_end(dir, rest, emit);
    }
}

/// Follows one rexec connection.
#[derive(Debug, Default)]
pub struct Rexec(Command);

impl AppParser for Rexec {
    const SPEC: Spec = Spec {
        name: "rexec",
        title: "rexec",
        transports: &[Transport::Tcp],
        ports: &[512],
        reference: "4.2BSD rexecd(8)",
        table: Some(&TABLE),
        tentative: true,
        yields: "logins, first word of the command",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        rcmd::probe(dir, payload, Form::Command)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if !self.0.began && is_rsh(&cx) {
            return Progress::Violation("from a reserved port");
        }
        self.0.on_data("rexec", cx, dir, bytes, emit)
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        self.0.on_end(dir, rest, emit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn flow(orig_port: u16, resp_port: u16) -> crate::proto::api::FlowView {
        use crate::base::{Addr, Mac};
        crate::proto::api::FlowView {
            flow_id: 1,
            capture: 0,
            orig_ip: Addr::v4([192, 0, 2, 1]),
            orig_port,
            resp_ip: Addr::v4([192, 0, 2, 2]),
            resp_port,
            orig_mac: Mac::ZERO,
            resp_mac: Mac::ZERO,
            transport: Transport::Tcp,
            from_start: true,
        }
    }

    #[test]
    fn a_command_with_a_password() {
        let seen = Script::new()
            .orig(b"3840\0")
            .orig(b"joe\0Sample-Exec-1\0uptime -x secret\0")
            .resp(b"\0 4:46pm up 14 days\n")
            .any_chunking::<Rexec>();
        assert_eq!(seen.cell("protocol"), "rexec");
        assert_eq!((seen.cell("remote_user"), seen.cell("command")), ("joe".into(), "uptime".into()));
        assert_eq!((seen.cell("error_port"), seen.cell("success")), ("3840".into(), "true".into()));
        assert_eq!((seen.cell("local_user"), seen.cell("trusted")), ("-".into(), "false".into()));
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("mechanism: \"plain\"") && seen.logins[0].contains("packet: 2"));
        assert!(seen.logins[0].contains("secret: Some([blanked])") && seen.logins[0].contains("success: Some(true)"));
        assert!(!format!("{seen:?}").contains("Sample-Exec-1") && !format!("{seen:?}").contains("secret\\0"));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn a_refusal_repeats_no_password() {
        let seen = Script::new()
            .orig(b"\0joe\0Sample-Exec-1\0ls\0")
            .resp(b"\x01Sample-Exec-1 is wrong.\n")
            .any_chunking::<Rexec>();
        assert_eq!((seen.cell("failure"), seen.cell("success")), ("[blanked] is wrong.".into(), "false".into()));
        assert_eq!(seen.cell("error_port"), "-");
        let cut = Script::new().orig(b"0\0joe\0p\0ls\0").resp(b"\x01Login incor").any_chunking::<Rexec>();
        assert_eq!((cut.cell("failure"), cut.cell("success")), ("Login incor".into(), "false".into()));
    }

    #[test]
    fn only_the_clients_half() {
        let seen = Script::new().orig(b"0\0joe\0p4ss\0ls\0").any_chunking::<Rexec>();
        assert_eq!((seen.cell("success"), seen.logins.len()), ("-".into(), 1));
        let none = Script::new().orig(b"0\0").any_chunking::<Rexec>();
        assert!(none.rows.is_empty() && none.logins.is_empty());
    }

    #[test]
    fn the_port_of_the_client_tells_the_two_apart() {
        let script = Script::new().orig(b"0\0joe\0joe\0ls\0");
        assert_eq!(script.run::<Rsh>().stopped, Some(Progress::Violation("not from a reserved port")));
        let mut rsh = Command::default();
        let flow = flow(1023, 514);
        let cx = Cx { ts: Timestamp(1), packet: 1, flow: &flow, limited: &Default::default() };
        assert!(is_rsh(&cx));
        let mut told = Vec::new();
        rsh.on_data("rsh", cx, Direction::Orig, b"1022\0me\0root\0mkdir -p x\0", &mut |e| told.push(format!("{e:?}")));
        rsh.on_data("rsh", cx, Direction::Resp, b"\0", &mut |e| told.push(format!("{e:?}")));
        assert_eq!((told.len(), rsh.session.error_port), (2, Some(1022)), "{told:?}");
        assert!(told[0].contains("mechanism: \"trust\"") && told[0].contains("secret: None"));
        assert_eq!((rsh.session.trusted, rsh.session.command.as_deref()), (Some(true), Some(&b"mkdir"[..])));
    }

    #[test]
    fn hostile_fields() {
        let seen = Script::new().orig(b"1\0").orig(vec![b'a'; 5000]).resp(vec![b'b'; 5000]).any_chunking::<Rexec>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert!(seen.rows.is_empty());
    }

    #[test]
    fn probes() {
        for (payload, want) in [
            (&b"1022\0root\0root\0ls -l\0"[..], Probe::Yes),
            (b"\0root\0root\0rcp -t file\0", Probe::Yes),
            (b"\0root\0root\0xterm/38400\0", Probe::No),
            (b"1022\0root\0", Probe::NeedMore),
            (b"99999\0root\0root\0ls\0", Probe::No),
            (b"220 mail\r\n", Probe::No),
            (b"\0\0\0\x0c", Probe::No),
            (b"1022\0ro\x01t", Probe::No),
            (b"123456", Probe::No),
        ] {
            assert_eq!(probe_all::<Rsh>(Direction::Orig, payload), want, "{payload:?}");
            assert_eq!(probe_all::<Rsh>(Direction::Resp, payload), Probe::No);
        }
    }
}

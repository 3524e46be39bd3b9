//! rlogin (RFC 1282): a terminal on another host, by trust in the client's word, or with a password that
//! is typed into it.

use super::dialogue::Dialogue;
use super::rcmd::{self, Event, Field, Form, Session, TABLE, field};
use crate::base::limits;
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};

/// Bytes of a window-size message: two of 255, `ss`, four numbers (section 6).
const WINDOW_LEN: usize = 12;

/// Follows one session.
#[derive(Debug, Default)]
pub struct Rlogin {
    /// Fields of the client that are read: an empty one, two users, the terminal.
    fields: usize,
    began: bool,
    answered: bool,
    dialogue: Dialogue,
    session: Session,
    ends: u8,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Rlogin {
    /// What the client sends behind its fields: keys, and window sizes between them.
    fn keys(&mut self, cx: Cx<'_>, bytes: &[u8], used: usize, emit: Emit<'_>) -> Progress {
        let mut at = used;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match rest {
                [] => return Progress::Done,
                [0xff] | [0xff, 0xff] => return Progress::Partial { consumed: at, needed: rest.len() + 1 },
                [0xff, 0xff, b's'] => return Progress::Partial { consumed: at, needed: 4 },
                [0xff, 0xff, b's', b's', ..] => {
                    if rest.len() < WINDOW_LEN {
                        return Progress::Partial { consumed: at, needed: WINDOW_LEN };
                    }
                    at += WINDOW_LEN;
                }
                [key, ..] => {
                    self.dialogue.typed(cx, *key, &mut |login| emit(Event::Login(&login)));
                    at += 1;
                }
            }
        }
    }

    fn report(&mut self, emit: Emit<'_>) {
        self.dialogue.finish(&mut |login| emit(Event::Login(&login)));
        if self.fields < 3 {
            return;
        }
        let s = &mut self.session;
        s.attempts = self.dialogue.attempts();
        if s.attempts > 0 {
            s.success = self.dialogue.success();
            s.trusted = Some(false);
        } else if self.dialogue.commanded() {
            (s.success, s.trusted) = (Some(true), Some(true));
            emit(Event::Login(&Login {
                mechanism: "trust",
                username: s.remote_user.as_deref(),
                secret_kind: SecretKind::Password,
                success: Some(true),
                ..Login::at(s.at)
            }));
        }
        emit(Event::Session(s));
    }
}

impl AppParser for Rlogin {
    const SPEC: Spec = Spec {
        name: "rlogin",
        title: "rlogin",
        transports: &[Transport::Tcp],
        ports: &[513],
        reference: "RFC 1282",
        table: Some(&TABLE),
        yields: "users, terminal, logins that are typed, whether the client was trusted without a password",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        rcmd::probe(dir, payload, Form::Terminal)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if !std::mem::replace(&mut self.began, true) {
            self.session.service = "rlogin";
            self.session.at = (cx.ts, cx.packet);
        }
        if dir == Direction::Resp {
            let text = match bytes {
                _ if self.answered => bytes,
                [0, text @ ..] => text,
                // Whoever answers with something else refuses, and says why.
                [1, text @ ..] => {
                    self.session.success = Some(false);
                    text
                }
                _ => bytes,
            };
            self.answered = true;
            // Control bytes of the server (section 5) come as urgent data, and a capture has them inline.
            for byte in text.iter().filter(|b| !matches!(b, 0x02 | 0x10 | 0x80)) {
                self.dialogue.shown(*byte);
            }
            return Progress::Done;
        }
        let mut used = 0;
        while self.fields < 4 {
            let rest = bytes.get(used..).unwrap_or_default();
            let (text, len) = match field(rest) {
                Field::Whole(text, len) => (text, len),
                Field::Open if rest.is_empty() => return Progress::Done,
                Field::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Field::TooLong => {
                    cx.limit_hit();
                    return Progress::Violation("rlogin field too long");
                }
            };
            match self.fields {
                0 => {}
                1 => self.session.local_user = Some(text.to_vec()),
                2 => {
                    self.session.remote_user = Some(text.to_vec());
                    self.dialogue.named(text);
                }
                _ => self.session.terminal = Some(text.to_vec()),
            }
            self.fields += 1;
            used += len;
        }
        self.keys(cx, bytes, used, emit)
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if dir == Direction::Resp {
            self.answered = true;
            self.dialogue.shown_gap();
        } else if self.fields < 4 {
            return Progress::Finished;
        } else {
            self.dialogue.typed_gap();
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends += 1;
        if self.ends == 2 {
            self.report(emit);
        }
    }
}

const _: () = assert!(WINDOW_LEN < limits::RLOGIN_FIELD_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn a_password_is_typed() {
        let seen = Script::new()
            .orig(b"\0")
            .orig(b"me\0admin\0xterm/38400\0")
            .resp(b"\0")
            .resp(b"\x80Password: ")
            .orig(b"\xff\xffss\0\x18\0\x50\0\0\0\0")
            .orig(b"wrong-Guess-0\r")
            .resp(b"\r\nLogin incorrect\r\nlogin: ")
            .orig(b"admin\r")
            .resp(b"admin\r\nPassword: ")
            .orig(b"Sample-Rlogin-1\r")
            .resp(b"\r\nWelcome\r\nadmin@host:~$ ")
            .any_chunking::<Rlogin>();
        let results: Vec<_> = seen.logins.iter().map(|l| l.rsplit("success: ").next().unwrap()).collect();
        assert_eq!(results, ["Some(false) }", "Some(true) }"]);
        assert_eq!((seen.cell("local_user"), seen.cell("remote_user")), ("me".into(), "admin".into()));
        assert_eq!((seen.cell("terminal"), seen.cell("login_attempts")), ("xterm/38400".into(), "2".into()));
        assert_eq!((seen.cell("success"), seen.cell("trusted")), ("true".into(), "false".into()));
        assert!(!format!("{seen:?}").contains("Sample-Rlogin-1"));
    }

    #[test]
    fn trust_needs_no_password() {
        let seen = Script::new()
            .orig(b"\0me\0root\0vt100/9600\0")
            .resp(b"\0")
            .resp(b"host# ")
            .orig(b"id\r")
            .resp(b"uid=0\r\nhost# ")
            .any_chunking::<Rlogin>();
        assert_eq!((seen.cell("trusted"), seen.cell("success")), ("true".into(), "true".into()));
        assert!(seen.logins[0].contains("trust") && seen.logins[0].contains("secret: None"));
    }

    #[test]
    fn a_refusal_and_half_a_session() {
        let seen =
            Script::new().orig(b"\0me\0root\0vt100/9600\0").resp(b"\x01Permission denied\r\n").any_chunking::<Rlogin>();
        assert_eq!((seen.cell("success"), seen.cell("trusted")), ("false".into(), "-".into()));
        let seen = Script::new().orig(b"\0me\0root\0vt100/9600\0").any_chunking::<Rlogin>();
        assert_eq!((seen.cell("success"), seen.logins.len()), ("-".into(), 0));
        let seen = Script::new().orig(b"\0me\0").orig(vec![b'x'; 3000]).any_chunking::<Rlogin>();
        assert_eq!(seen.stopped, Some(Progress::Violation("rlogin field too long")));
    }

    #[test]
    fn probes() {
        for (payload, want) in [
            (&b"\0me\0root\0xterm/38400\0"[..], Probe::Yes),
            (b"\0me\0root\0", Probe::NeedMore),
            (b"\0me\0root\0ls -l\0", Probe::No),
            (b"\0\0", Probe::No),
            (b"me\0root\0xterm/9600\0", Probe::No),
        ] {
            assert_eq!(probe_all::<Rlogin>(Direction::Orig, payload), want, "{payload:?}");
        }
    }
}

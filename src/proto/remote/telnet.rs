//! Telnet (RFC 854, RFC 855), and the logins that people type into it.

use super::telnet_prompt::{self as prompt, Prompt};
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "telnet",
    doc: "One telnet session, written at its end",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("terminal_type", Type::Text, "Terminal type that the client named (RFC 1091)"),
        Column::repeating("options", Type::TextList, "Options that either side offered or asked for"),
        Column::repeating("username", Type::Text, "User name of the last login attempt"),
        Column::new("login_attempts", Type::Int32, "Passwords that were typed at a prompt for one"),
        Column::new("success", Type::Bool, "Whether the last attempt succeeded; null where that was not seen"),
        Column::repeating("banner", Type::Text, "First text of the server, up to what the client first typed"),
    ],
};

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A login attempt and what became of it.
    Login(Login<'e>),
    /// The session as a whole.
    Session {
        /// When it began, and with which packet.
        at: (Timestamp, u64),
        /// Terminal type of the client.
        terminal_type: &'e [u8],
        /// Options that either side offered or asked for, one bit for each of the first 64.
        options: u64,
        /// User name of the last attempt.
        username: Option<&'e [u8]>,
        /// Number of attempts.
        attempts: u32,
        /// What became of the last one.
        success: Option<bool>,
        /// First text of the server.
        banner: &'e [u8],
    },
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(match self {
            Self::Login(login) => (login.ts, login.packet),
            Self::Session { at, .. } => *at,
        })
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Session { .. })
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Session { terminal_type, options, username, attempts, success, banner, .. } = self else { return };
        row.opt_bytes(Some(*terminal_type).filter(|t| !t.is_empty()));
        let known = (0..64_u8).filter(|bit| options >> bit & 1 != 0);
        row.list(known.clone().count());
        for option in known {
            match option_name(option) {
                Some(name) => row.text(name),
                None => row.text(&format!("OPTION-{option}")),
            };
        }
        row.opt_bytes(*username).int(*attempts).opt_bool(*success);
        row.opt_bytes(Some(*banner).filter(|b| !b.is_empty()));
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Login(login) => Some(*login),
            Self::Session { .. } => None,
        }
    }
}

/// Names of options (IANA registry "Telnet Options").
const fn option_name(option: u8) -> Option<&'static str> {
    Some(match option {
        0 => "BINARY",
        1 => "ECHO",
        3 => "SUPPRESS-GO-AHEAD",
        5 => "STATUS",
        6 => "TIMING-MARK",
        17 => "EXTENDED-ASCII",
        18 => "LOGOUT",
        24 => "TERMINAL-TYPE",
        25 => "END-OF-RECORD",
        31 => "WINDOW-SIZE",
        32 => "TERMINAL-SPEED",
        33 => "REMOTE-FLOW-CONTROL",
        34 => "LINEMODE",
        35 => "X-DISPLAY-LOCATION",
        36 => "ENVIRON",
        37 => "AUTHENTICATION",
        38 => "ENCRYPT",
        39 => "NEW-ENVIRON",
        40 => "TN3270E",
        42 => "CHARSET",
        44 => "COM-PORT",
        46 => "START-TLS",
        47 => "KERMIT",
        _ => return None,
    })
}

/// Commands (RFC 854).
mod command {
    pub const SE: u8 = 240;
    pub const SB: u8 = 250;
    pub const WILL: u8 = 251;
    pub const DONT: u8 = 254;
    pub const IAC: u8 = 255;
}

/// Where a direction stands between its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    Iac,
    Option,
    Sub,
    SubIac,
}

/// One direction's negotiation.
#[derive(Debug, Default)]
struct Negotiation {
    state: State,
    sub: Vec<u8>,
}

/// What a byte of the stream turned out to be.
enum Piece<'a> {
    Byte(u8),
    Option(u8),
    Sub(&'a [u8]),
    Nothing,
}

impl Negotiation {
    fn push(&mut self, byte: u8) -> Piece<'_> {
        let (next, piece) = match (self.state, byte) {
            (State::Text, command::IAC) => (State::Iac, Piece::Nothing),
            (State::Text, _) => return Piece::Byte(byte),
            (State::Iac, command::IAC) => (State::Text, Piece::Byte(byte)),
            (State::Iac, command::WILL..=command::DONT) => (State::Option, Piece::Nothing),
            (State::Iac, command::SB) => {
                self.sub.clear();
                (State::Sub, Piece::Nothing)
            }
            (State::Iac, _) => (State::Text, Piece::Nothing),
            (State::Option, option) => (State::Text, Piece::Option(option)),
            (State::Sub, command::IAC) => (State::SubIac, Piece::Nothing),
            (State::SubIac, command::SE) => {
                self.state = State::Text;
                return Piece::Sub(&self.sub);
            }
            (State::Sub | State::SubIac, _) => {
                if self.sub.len() < limits::TELNET_SUBNEGOTIATION_BYTES_MAX {
                    self.sub.push(byte);
                }
                (State::Sub, Piece::Nothing)
            }
        };
        self.state = next;
        piece
    }
}

/// Progress through a control sequence of a terminal (ECMA-48): nothing that is typed or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    Started,
    Sequence,
    Command,
}

impl Escape {
    /// Takes a byte; whether it belonged to a sequence.
    fn swallows(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (_, 0x1b) => Self::Started,
            (Self::None, _) => return false,
            (Self::Started, b'[' | b'O') => Self::Sequence,
            (Self::Started, b']') => Self::Command,
            (Self::Started, _) => Self::None,
            (Self::Sequence, 0x40..=0x7e) => Self::None,
            (Self::Sequence, 0x20..=0x3f) => Self::Sequence,
            (Self::Command, 0x20..) => Self::Command,
            (Self::Sequence | Self::Command, _) => Self::None,
        };
        true
    }
}

/// A password that was typed.
#[derive(Debug)]
struct Attempt {
    user: Option<Vec<u8>>,
    secret: SecretBuf,
    at: (Timestamp, u64),
    /// What the text since says, as far as it does.
    result: Option<bool>,
    /// Lines that the server has shown since.
    lines: u32,
}

/// Follows one session. The responder is taken for the side that prompts.
#[derive(Default)]
pub struct Telnet {
    sides: [Negotiation; 2],
    escapes: [Escape; 2],
    began: Option<(Timestamp, u64)>,
    options: u64,
    terminal_type: Vec<u8>,
    banner: Vec<u8>,
    banner_done: bool,
    /// The line that the server is writing.
    shown: Vec<u8>,
    /// The one before it.
    before: Vec<u8>,
    /// What those two ask for, until more is shown: a client may send empty lines without end.
    asking: Option<Prompt>,
    /// The line that the client is typing, and what it was asked for when it began to.
    typed: Vec<u8>,
    typing: bool,
    asked: Prompt,
    after_cr: bool,
    user: Option<Vec<u8>>,
    attempt: Option<Attempt>,
    attempts: u32,
    success: Option<bool>,
    last_user: Option<Vec<u8>>,
    ends: u8,
}

impl std::fmt::Debug for Telnet {
    /// Without what is being typed: it may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telnet").field("asked", &self.asked).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Lines after a password in which a refusal is looked for.
const RESULT_LINES: u32 = 4;

impl Telnet {
    fn option(&mut self, option: u8) {
        self.options |= 1_u64.checked_shl(option.into()).unwrap_or(0);
    }

    /// TERMINAL-TYPE IS (RFC 1091) and the USER variable of NEW-ENVIRON (RFC 1572).
    fn subnegotiation(&mut self, sub: &[u8]) {
        const IS: u8 = 0;
        match sub {
            [24, IS, name @ ..] if self.terminal_type.is_empty() => self.terminal_type = name.to_vec(),
            [39, IS, variables @ ..] => {
                let user = variables.split(|c| matches!(c, 0 | 3)).find_map(|v| {
                    let (name, value) = text::split_once(v, 1)?;
                    (name == b"USER" && !value.is_empty()).then_some(value)
                });
                if let Some(user) = user {
                    self.user = Some(user.to_vec());
                }
            }
            _ => {}
        }
    }

    fn shown_byte(&mut self, byte: u8) {
        self.asking = None;
        if !self.banner_done && self.banner.len() < limits::TELNET_BANNER_BYTES_MAX {
            match byte {
                b'\r' | 0 | 7 => {}
                b'\n' | b'\t' => {
                    if self.banner.last().is_some_and(|c| *c != b' ') {
                        self.banner.push(b' ');
                    }
                }
                _ => self.banner.push(byte),
            }
        }
        match byte {
            b'\n' => self.shown_line(),
            // A carriage return starts the line anew only if something else follows; a prompt may
            // be redrawn so.
            b'\r' | 0 | 7 => {}
            8 => _ = self.shown.pop(),
            _ => {
                if self.shown.len() >= limits::TELNET_LINE_BYTES_MAX {
                    // What counts in a prompt is its end.
                    self.shown.drain(..limits::TELNET_LINE_BYTES_MAX / 2);
                }
                self.shown.push(byte);
            }
        }
    }

    /// The server has ended a line.
    fn shown_line(&mut self) {
        let line = self.shown.trim_ascii();
        if line.is_empty() {
            self.shown.clear();
            return;
        }
        if let Some(attempt) = &mut self.attempt
            && line.iter().any(|c| *c != b'*')
        {
            attempt.lines = attempt.lines.saturating_add(1);
            if attempt.lines <= RESULT_LINES && attempt.result.is_none() && prompt::refuses(line) {
                attempt.result = Some(false);
            }
        }
        std::mem::swap(&mut self.shown, &mut self.before);
        self.shown.clear();
    }

    /// What the server asks for at this moment.
    fn asks(&mut self) -> Prompt {
        let (shown, before) = (self.shown.trim_ascii(), self.before.trim_ascii());
        *self
            .asking
            .get_or_insert_with(|| if shown.is_empty() { Prompt::of(before, false) } else { Prompt::of(shown, true) })
    }

    /// Decides what became of the last attempt, given what the server asks for now.
    fn decide(&mut self, asks: Prompt, emit: Emit<'_>) {
        let Some(attempt) = self.attempt.take() else { return };
        let answered = attempt.lines > 0 || !self.shown.trim_ascii().is_empty();
        let success = match (attempt.result, asks) {
            (Some(result), _) => Some(result),
            (None, Prompt::User | Prompt::Password) => Some(false),
            (None, Prompt::NewPassword | Prompt::Command) => Some(true),
            (None, Prompt::None) => answered.then_some(true),
        };
        self.success = success;
        emit(Event::Login(Login {
            ts: attempt.at.0,
            packet: attempt.at.1,
            mechanism: "login",
            username: attempt.user.as_deref(),
            secret: Some(attempt.secret.borrow()),
            secret_kind: SecretKind::Password,
            proof: None,
            success,
        }));
        self.last_user = attempt.user;
    }

    fn typed_byte(&mut self, cx: Cx<'_>, byte: u8, emit: Emit<'_>) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        // CR LF and CR NUL are one end of a line (RFC 854).
        if after_cr && matches!(byte, b'\n' | 0) {
            return;
        }
        if !self.typing {
            self.typing = true;
            self.banner_done = true;
            self.asked = self.asks();
            self.decide(self.asked, emit);
        }
        match byte {
            b'\r' | b'\n' => self.typed_line(cx),
            8 | 0x7f => {
                // A character of several bytes goes as one.
                while self.typed.pop().is_some_and(|c| c & 0xc0 == 0x80) {}
            }
            // ^U, ^C and ^X take back all of it, ^W the last word.
            0x15 | 0x03 | 0x18 => self.typed.clear(),
            0x17 => {
                let end = self.typed.trim_ascii_end().iter().rposition(|c| *c == b' ').map_or(0, |at| at + 1);
                self.typed.truncate(end);
            }
            0..0x20 => {}
            _ if self.typed.len() < limits::TELNET_LINE_BYTES_MAX => self.typed.push(byte),
            _ => cx.limit_hit(),
        }
    }

    fn typed_line(&mut self, cx: Cx<'_>) {
        let line = std::mem::take(&mut self.typed);
        self.typing = false;
        match self.asked {
            Prompt::User if !line.is_empty() => self.user = Some(line),
            Prompt::Password => {
                self.attempts = self.attempts.saturating_add(1);
                let (user, secret) = (self.user.clone(), SecretBuf::new(&line));
                self.attempt = Some(Attempt { user, secret, at: (cx.ts, cx.packet), result: None, lines: 0 });
            }
            _ => {}
        }
        // What is shown from here on answers this line.
        if self.asked != Prompt::None {
            self.shown.clear();
            self.before.clear();
            self.asking = None;
        }
        self.asked = Prompt::None;
    }
}

impl AppParser for Telnet {
    const SPEC: Spec = Spec {
        name: "telnet",
        title: "Telnet",
        transports: &[Transport::Tcp],
        ports: &[23],
        reference: "RFC 854, RFC 855",
        table: Some(&TABLE),
        yields: "logins, terminal types, options, banners",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [] | [command::IAC] => return Probe::NeedMore,
            [command::IAC, command::SB..=command::DONT, option, ..] => {
                return if *option <= 50 { Probe::Yes } else { Probe::No };
            }
            [command::IAC, command::SB..=command::DONT] => return Probe::NeedMore,
            [command::IAC, ..] => return Probe::No,
            _ => {}
        }
        // Without negotiation only a prompt tells. Mail, file and news servers greet with a number
        // or a sign.
        let numbered = payload.first().is_some_and(|c| c.is_ascii_digit() || matches!(c, b'+' | b'*' | b'-'));
        if !text::is_text(payload) || payload.len() > 2048 || numbered && payload.len() < 64 && dir == Direction::Resp {
            return Probe::No;
        }
        if dir == Direction::Orig {
            // Somebody types: the server's side tells.
            return if payload.len() <= 64 { Probe::NeedMore } else { Probe::No };
        }
        let last = payload.rsplit(|c| *c == b'\n').next().unwrap_or_default().trim_ascii();
        match Prompt::of(last, true) {
            Prompt::User if !last.is_empty() => Probe::Yes,
            _ => Probe::NeedMore,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        self.began.get_or_insert((cx.ts, cx.packet));
        let index = dir.index();
        for byte in bytes {
            let (Some(side), Some(escape)) = (self.sides.get_mut(index), self.escapes.get_mut(index)) else { break };
            match side.push(*byte) {
                Piece::Nothing => {}
                Piece::Option(option) => self.option(option),
                Piece::Sub(sub) => {
                    let sub = sub.to_vec();
                    self.subnegotiation(&sub);
                }
                Piece::Byte(byte) => {
                    if escape.swallows(byte) {
                        continue;
                    }
                    if dir == Direction::Resp {
                        self.shown_byte(byte);
                    } else {
                        self.typed_byte(cx, byte, emit);
                    }
                }
            }
        }
        Progress::Done
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let (Some(side), Some(escape)) = (self.sides.get_mut(dir.index()), self.escapes.get_mut(dir.index())) {
            *side = Negotiation::default();
            *escape = Escape::None;
        }
        if dir == Direction::Resp {
            self.shown.clear();
            self.before.clear();
            self.asking = None;
        } else {
            // Half a line would be a wrong user name or password.
            self.typed.clear();
            self.asked = Prompt::None;
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends += 1;
        if self.ends != 2 {
            return;
        }
        let asks = self.asks();
        self.decide(asks, emit);
        let Some(at) = self.began else { return };
        emit(Event::Session {
            at,
            terminal_type: &self.terminal_type,
            options: self.options,
            username: self.last_user.as_deref().or(self.user.as_deref()),
            attempts: self.attempts,
            success: self.success,
            banner: self.banner.trim_ascii(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::LimitCount;
    use crate::proto::testing::{Script, probe_all};

    fn results(seen: &crate::proto::testing::Seen) -> Vec<String> {
        let user = |l: &str| l.split("username: ").nth(1).unwrap().split(", secret").next().unwrap().to_owned();
        seen.logins.iter().map(|l| format!("{} {}", user(l), l.rsplit("success: ").next().unwrap())).collect()
    }

    fn bytes(text: &str) -> String {
        format!("Some({:?})", text.as_bytes())
    }

    #[test]
    fn line_mode_with_negotiation() {
        let seen = Script::new()
            .resp(b"\xff\xfd\x18\xff\xfd\x20")
            .orig(b"\xff\xfb\x18\xff\xfc\x20\xff\xfa\x18\x00xterm\xff\xf0")
            .resp("\r\nUbuntu 20.04\r\nhost login: ")
            .orig("admin\r\n")
            .resp("admin\r\nPassword: ")
            .orig("hunter2\r\0")
            .resp("\r\nWelcome\r\nadmin@host:~$ ")
            .any_chunking::<Telnet>();
        assert_eq!(results(&seen), [format!("{} Some(true) }}", bytes("admin"))]);
        assert_eq!(seen.cell("terminal_type"), "xterm");
        assert_eq!(seen.cell("options"), "[TERMINAL-TYPE,TERMINAL-SPEED]");
        assert_eq!(seen.cell("username"), "admin");
        assert_eq!(seen.cell("login_attempts"), "1");
        assert_eq!(seen.cell("success"), "true");
        assert_eq!(seen.cell("banner"), "Ubuntu 20.04 host login:");
        assert!(!format!("{seen:?}").contains("hunter2"));
        assert!(seen.logins[0].contains("packet: 6"));
    }

    /// Secrets, for the test only.
    fn secrets(steps: &[(bool, &str)]) -> Vec<(String, String, Option<bool>)> {
        let mut out = Vec::new();
        let mut parser = Telnet::default();
        let flow = crate::proto::api::FlowView {
            flow_id: 0,
            capture: 0,
            orig_ip: crate::base::Addr::UNSPECIFIED,
            orig_port: 0,
            resp_ip: crate::base::Addr::UNSPECIFIED,
            resp_port: 0,
            orig_mac: crate::base::Mac::ZERO,
            resp_mac: crate::base::Mac::ZERO,
            transport: Transport::Tcp,
        };
        let cx = Cx { ts: Timestamp(0), packet: 0, flow: &flow, limited: &LimitCount::default() };
        let mut emit = |e: Event<'_>| {
            if let Event::Login(l) = e {
                let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
                let user = l.username.map(text).unwrap_or_default();
                out.push((user, l.secret.map(|s| text(s.expose())).unwrap_or_default(), l.success));
            }
        };
        for (client, bytes) in steps {
            let dir = if *client { Direction::Orig } else { Direction::Resp };
            parser.on_data(cx, dir, bytes.as_bytes(), &mut emit);
        }
        parser.on_end(cx, Direction::Orig, &[], &mut emit);
        parser.on_end(cx, Direction::Resp, &[], &mut emit);
        out
    }

    #[test]
    fn character_mode_with_echo_and_corrections() {
        let mut steps = vec![(false, "login: ")];
        for (typed, echo) in [("a", "a"), ("x", "x"), ("\u{7f}", "\u{8} \u{8}"), ("b", "b"), ("\r\n", "\r\n")] {
            steps.push((true, typed));
            steps.push((false, echo));
        }
        steps.push((false, "Password: "));
        for typed in ["n", "o", "\u{15}", "s", "\u{1b}[A", "3", "\r"] {
            steps.push((true, typed));
        }
        steps.push((false, "\r\n\r\nLast login: Mon\r\n$ "));
        assert_eq!(secrets(&steps), [("ab".into(), "s3".into(), Some(true))]);
    }

    #[test]
    fn attempts_that_fail_and_one_that_does_not() {
        let got = secrets(&[
            (false, "Username:"),
            (true, "a\n"),
            (false, "Password:"),
            (true, "1\n"),
            (false, "\nLogin incorrect\n\nUsername:"),
            (true, "a\n"),
            (false, "Password:"),
            (true, "2\n"),
            (false, "\n\nUsername:"),
            (true, "b\n"),
            (false, "Password:"),
            (true, "3\n"),
            (false, "\nThere were 2 failed login attempts since the last login.\nrouter>"),
            (true, "enable\n"),
        ]);
        let want = [("a", "1", Some(false)), ("a", "2", Some(false)), ("b", "3", Some(true))];
        assert_eq!(got, want.map(|(u, s, r)| (u.to_owned(), s.to_owned(), r)));
    }

    #[test]
    fn other_languages_and_no_user() {
        let ask = |p: &'static str| secrets(&[(false, p), (true, "x\n"), (false, "\n> ")]);
        for p in ["Kennwort: ", "Mot de passe : ", "Contraseña:", "hasło: ", "пароль: ", "密码：", "PASSWORD>"]
        {
            assert_eq!(ask(p), [(String::new(), "x".to_owned(), Some(true))], "{p}");
        }
        assert!(ask("Enter choice: ").is_empty());
        assert_eq!(secrets(&[(false, "Password: "), (true, "x\n")])[0].2, None, "no answer seen");
    }

    #[test]
    fn an_endless_line_and_endless_subnegotiation() {
        let seen = Script::new()
            .resp(b"\xff\xfa\x18")
            .resp(vec![b'a'; 5000])
            .resp(b"\xff\xf0")
            .resp(vec![b'b'; 100_000])
            .resp("\r\nlogin: ")
            .orig(vec![b'c'; 5000])
            .orig("\r\n")
            .any_chunking::<Telnet>();
        assert_eq!(seen.cell("username").len(), limits::TELNET_LINE_BYTES_MAX);
        assert_eq!(seen.cell("banner").len(), limits::TELNET_BANNER_BYTES_MAX);
    }

    #[test]
    fn a_user_from_the_environment() {
        let seen = Script::new()
            .orig(b"\xff\xfa\x27\x00\x00DISPLAY\x01x:0\x00USER\x01root\xff\xf0")
            .resp("Password: ")
            .orig("p\r\n")
            .any_chunking::<Telnet>();
        assert_eq!(results(&seen), [format!("{} None }}", bytes("root"))]);
    }

    #[test]
    fn probes() {
        for (dir, payload, want) in [
            (Direction::Resp, b"\xff\xfd\x18".as_slice(), Probe::Yes),
            (Direction::Orig, b"\xff\xfb\x1f\xff", Probe::Yes),
            (Direction::Resp, b"\xff\xfb\x90\x00", Probe::No),
            (Direction::Resp, b"\xff\xd8\xff\xe0", Probe::No),
            (Direction::Resp, b"Welcome\r\nhost login: ", Probe::Yes),
            (Direction::Resp, b"220 ftp ready\r\n", Probe::No),
            (Direction::Resp, b"+OK POP3\r\n", Probe::No),
            (Direction::Resp, b"SSH-2.0-OpenSSH\r\n", Probe::NeedMore),
            (Direction::Resp, b"\x00\x01\x02", Probe::No),
            (Direction::Orig, b"hello\n", Probe::NeedMore),
        ] {
            assert_eq!(probe_all::<Telnet>(dir, payload), want, "{payload:?}");
        }
    }
}

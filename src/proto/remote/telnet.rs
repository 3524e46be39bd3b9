//! Telnet (RFC 854, RFC 855), and the logins that people type into it.

use super::dialogue::Dialogue;
use super::telnet_options::{Negotiation, Piece, Says, command, emulation, option, option_name, says};
use super::telnet_prompt::Prompt;
use crate::base::Timestamp;
use crate::base::secret::{Reveal, SecretBuf};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, SecretKind, Spec, Transport};
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
        Column::repeating(
            "username",
            Type::Text,
            "User name of the last login attempt; blanked where it was a password",
        ),
        Column::new("login_attempts", Type::Int32, "Passwords that were typed at a prompt for one"),
        Column::new("success", Type::Bool, "Whether the last attempt succeeded; null where that was not seen"),
        Column::repeating("banner", Type::Text, "First text of the server, up to what the client first typed"),
        Column::repeating("emulation", Type::Text, "`tn3270` or `tn5250` where screens of a mainframe are shown"),
        Column::new("encrypted", Type::Bool, "Whether encryption took over inside the session"),
    ],
};

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A login attempt and what became of it.
    Login(Login<'e>),
    /// Encryption takes over.
    Upgrade,
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
        /// The side that is the server, where the session was seen from its start.
        server: Option<Direction>,
        /// Which screens of a mainframe were shown.
        emulation: Option<&'static str>,
        /// Whether encryption took over.
        encrypted: bool,
    },
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Login(login) => Some((login.ts, login.packet)),
            Self::Upgrade => None,
            Self::Session { at, .. } => Some(*at),
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Session { .. })
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Session { terminal_type, options, username, attempts, success, banner, emulation, encrypted, .. } =
            self
        else {
            return;
        };
        row.opt_bytes(Some(*terminal_type).filter(|t| !t.is_empty()));
        let known = (0..64_u8).filter(|bit| options >> bit & 1 != 0);
        row.list(known.clone().count());
        for option in known {
            match option_name(option) {
                Some(name) => row.text(name),
                None => row.text(&format!("OPTION-{option}")),
            };
        }
        row.opt_user(*username).int(*attempts).opt_bool(*success);
        row.opt_bytes(Some(*banner).filter(|b| !b.is_empty()));
        row.opt_text(*emulation).bool(*encrypted);
    }

    fn login(&self) -> Option<Login<'_>> {
        if let Self::Login(login) = self { Some(*login) } else { None }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Self::Session { banner, server: Some(server), emulation: None, .. } = self {
            tell(Fact { about: About::Side(*server), attribute: "banner", value: banner.trim_ascii() });
        }
    }

    fn upgrades(&self) -> bool {
        matches!(self, Self::Upgrade)
    }
}

/// Follows one session.
#[derive(Debug, Default)]
pub struct Telnet {
    sides: [Negotiation; 2],
    began: Option<(Timestamp, u64)>,
    server: Option<Direction>,
    options: u64,
    terminal_type: Vec<u8>,
    /// Whether what follows are screens of a mainframe.
    screens: bool,
    dialogue: Dialogue,
    /// Which sides said that TLS follows.
    tls: [bool; 2],
    encrypted: bool,
    ends: u8,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Telnet {
    const fn has_option(&self, option: u8) -> bool {
        self.options >> option & 1 != 0
    }

    /// Screens of a mainframe are records of their own code, and nothing of them is a dialogue.
    fn shows_screens(&self) -> bool {
        (self.has_option(option::END_OF_RECORD) || self.has_option(option::TN3270E))
            && emulation(&self.terminal_type).is_some()
    }

    fn subnegotiation(&mut self, cx: Cx<'_>, dir: Direction, sub: &[u8], emit: Emit<'_>) {
        says(sub, &mut |say| match say {
            Says::Terminal(name) if self.terminal_type.is_empty() => self.terminal_type = name.to_vec(),
            Says::Terminal(_) => {}
            Says::User(user) => self.dialogue.named(user),
            Says::Substitute { seed, password } => {
                let kind = if seed.is_empty() { SecretKind::Password } else { SecretKind::ChallengeResponse };
                let hex: String = password.expose().iter().map(|b| format!("{b:02x}")).collect();
                let secret = SecretBuf::new(if seed.is_empty() { password.expose() } else { hex.as_bytes() });
                emit(Event::Login(Login {
                    mechanism: "new-environ",
                    username: self.dialogue.username(),
                    secret: Some(secret.borrow()),
                    secret_kind: kind,
                    ..Login::at((cx.ts, cx.packet))
                }));
            }
            Says::TlsFollows => {
                if let Some(tls) = self.tls.get_mut(dir.index()) {
                    *tls = true;
                }
            }
            Says::Encrypts => self.encrypted = true,
        });
    }
}

/// Greetings of mail, chat, screens and shells, which are no telnet.
const GREETINGS: [&[u8]; 10] =
    [b"+OK", b"-ERR", b"* OK", b"* PREAUTH", b"* BYE", b"NOTICE ", b"<?xml", b"<stream", b"RFB ", b"SSH-"];

/// Whether a text is the greeting of another protocol: a known word, a number of three digits as mail, file
/// and news servers have it, or the sender's name of a chat.
fn greets_otherwise(payload: &[u8]) -> bool {
    match payload {
        [a, b, c, b' ' | b'-', ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => true,
        [b':', next, ..] => next.is_ascii_alphanumeric(),
        _ => GREETINGS.iter().any(|g| payload.starts_with(g)),
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
        yields: "options, terminal type, banner, logins that are typed (also `enable`, `su`)",
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
            // A byte 255 of the text, and then a command.
            [command::IAC, command::IAC] | [command::IAC, command::IAC, command::IAC] => return Probe::NeedMore,
            [command::IAC, command::IAC, rest @ ..]
                if matches!(rest, [command::IAC, command::SB..=command::DONT, ..]) =>
            {
                return Self::probe(dir, rest);
            }
            [command::IAC, ..] => return Probe::No,
            _ => {}
        }
        // Without negotiation only a prompt tells.
        if payload.len() > 2048 || !text::is_text(payload) || dir == Direction::Resp && greets_otherwise(payload) {
            return Probe::No;
        }
        if dir == Direction::Orig {
            // Somebody types: the server's side tells.
            return if payload.len() <= 64 { Probe::NeedMore } else { Probe::No };
        }
        let last = payload.rsplit(|c| *c == b'\n').next().unwrap_or_default().trim_ascii();
        let marked = matches!(last, [.., b':' | b'>' | b'?']) || last.ends_with("：".as_bytes());
        match Prompt::of(last, true) {
            Prompt::User | Prompt::Password if marked => Probe::Yes,
            _ => Probe::NeedMore,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if self.began.is_none() {
            self.began = Some((cx.ts, cx.packet));
            // Who opened the connection is not known of one that was taken up in the middle.
            let reversed = cx.flow.orig_port == 23 && cx.flow.resp_port != 23;
            self.server = Some(if reversed { Direction::Orig } else { Direction::Resp });
        }
        let from_server = self.server == Some(dir);
        for byte in bytes {
            let Some(side) = self.sides.get_mut(dir.index()) else { break };
            match side.push(*byte) {
                Piece::Nothing => {}
                Piece::Option(option) => {
                    self.options |= 1_u64.checked_shl(option.into()).unwrap_or(0);
                    self.screens = self.shows_screens();
                }
                Piece::Sub(sub) => {
                    let sub = sub.to_vec();
                    self.subnegotiation(cx, dir, &sub, emit);
                    self.screens = self.shows_screens();
                    if self.encrypted || self.tls == [true; 2] {
                        self.encrypted = true;
                        emit(Event::Upgrade);
                        return Progress::Finished;
                    }
                }
                Piece::EraseCharacter if !from_server => self.dialogue.erase_character(),
                Piece::EraseLine if !from_server => self.dialogue.erase_line(),
                Piece::EraseCharacter | Piece::EraseLine => {}
                Piece::Byte(_) if self.screens => {}
                Piece::Byte(byte) if from_server => self.dialogue.shown(byte),
                Piece::Byte(byte) => self.dialogue.typed(cx, byte, &mut |login| emit(Event::Login(login))),
            }
        }
        Progress::Done
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let Some(side) = self.sides.get_mut(dir.index()) {
            *side = Negotiation::default();
        }
        if self.server.unwrap_or(Direction::Resp) == dir {
            self.dialogue.shown_gap();
        } else {
            self.dialogue.typed_gap();
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends += 1;
        if self.ends != 2 {
            return;
        }
        self.dialogue.finish(&mut |login| emit(Event::Login(login)));
        let Some(at) = self.began else { return };
        emit(Event::Session {
            at,
            terminal_type: &self.terminal_type,
            options: self.options,
            username: self.dialogue.username(),
            attempts: self.dialogue.attempts(),
            success: self.dialogue.success(),
            banner: &self.dialogue.banner(),
            // In the middle of a session the first text is anything.
            server: self.server.filter(|_| cx.flow.from_start),
            emulation: emulation(&self.terminal_type),
            encrypted: self.encrypted,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;
    use crate::proto::api::{Event as _, LimitCount};

    #[test]
    fn the_first_text_is_said_of_the_server_where_the_session_was_seen_from_its_start() {
        for (from_start, told) in [(true, vec!["Side(Resp) banner JetDirect".to_owned()]), (false, Vec::new())] {
            let flow = crate::proto::api::FlowView { from_start, ..crate::proto::testing::flow() };
            let limited = LimitCount::default();
            let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &flow, limited: &limited };
            let mut out = Vec::new();
            let mut tell = |e: Event<'_>| {
                e.facts(&mut |f| {
                    out.push(format!("{:?} {} {}", f.about, f.attribute, String::from_utf8_lossy(f.value)));
                });
            };
            let mut parser = Telnet::default();
            parser.on_data(cx, Direction::Resp, b"\xff\xfb\x01JetDirect\r\n", &mut tell);
            parser.on_data(cx, Direction::Orig, b"\r\n", &mut tell);
            parser.on_end(cx, Direction::Orig, b"", &mut tell);
            parser.on_end(cx, Direction::Resp, b"", &mut tell);
            assert_eq!(out, told);
        }
    }

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

    #[test]
    fn a_password_that_the_server_greets_with_is_blanked() {
        for (greeting, want) in [
            ("Box\r\nDefault password is hunter2\r\nlogin: ", "Box Default password is [blanked] login:"),
            ("login: admin password: hunter2\r\nlogin: ", "login: admin password: [blanked] login:"),
            ("Password required, but none set\r\nlogin: ", "Password required, but none set login:"),
        ] {
            let session = Script::new().resp(greeting).orig("joe\r\n").resp("Password: ").orig("x\r\n");
            assert_eq!(session.any_chunking::<Telnet>().cell("banner"), want);
        }
    }

    fn some_flow() -> crate::proto::api::FlowView {
        crate::proto::api::FlowView {
            flow_id: 0,
            capture: 0,
            orig_ip: crate::base::Addr::UNSPECIFIED,
            orig_port: 0,
            resp_ip: crate::base::Addr::UNSPECIFIED,
            resp_port: 0,
            orig_mac: crate::base::Mac::ZERO,
            resp_mac: crate::base::Mac::ZERO,
            transport: Transport::Tcp,
            from_start: true,
        }
    }

    /// Secrets, for the test only.
    fn secrets(steps: &[(bool, &str)]) -> Vec<(String, String, Option<bool>)> {
        let mut out = Vec::new();
        let mut parser = Telnet::default();
        let flow = some_flow();
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
    fn a_password_typed_where_the_name_belongs() {
        let seen = Script::new()
            .resp(b"Default password: Sample-Typo-1\r\nlogin: ")
            .orig("Sample-Typo-1\r\n")
            .resp("Sample-Typo-1\r\nPassword: ")
            .orig("\r\n")
            .resp("\r\nLogin incorrect\r\nlogin: ")
            .orig("operator\r\n")
            .resp("operator\r\nPassword: ")
            .orig("Sample-Typo-1\r\n")
            .resp("\r\nWelcome\r\n$ ")
            .any_chunking::<Telnet>();
        let user = bytes("operator");
        assert_eq!(results(&seen), [format!("{} Some(false) }}", bytes("[blanked]")), format!("{user} Some(true) }}")]);
        assert_eq!(seen.cell("banner"), "Default password: [blanked] login:");
        assert!(!format!("{seen:?}").contains("Sample-Typo-1"));
        // The last attempt was the mistake.
        let seen = Script::new()
            .resp("login: ")
            .orig("operator\r\n")
            .resp("Password: ")
            .orig("Sample-Typo-1\r\n")
            .resp("\r\nLogin incorrect\r\nlogin: ")
            .orig("Sample-Typo-1\r\n")
            .any_chunking::<Telnet>();
        assert_eq!(seen.cell("username"), "operator");
        assert!(!format!("{seen:?}").contains("Sample-Typo-1"));
    }

    #[test]
    fn a_name_that_is_its_own_password_is_no_mistake() {
        let got = secrets(&[
            (false, "login: "),
            (true, "admin\n"),
            (false, "Password: "),
            (true, "admin\n"),
            (false, "\nLogin incorrect\nlogin: "),
            (true, "admin\n"),
            (false, "Password: "),
            (true, "1234\n"),
            (false, "\n# "),
        ]);
        let want = [("admin", "admin", Some(false)), ("admin", "1234", Some(true))];
        assert_eq!(got, want.map(|(u, s, r)| (u.to_owned(), s.to_owned(), r)));
    }

    #[test]
    fn other_passwords_behind_the_login() {
        let seen = Script::new()
            .resp("User Access Verification\r\n\r\nUsername: ")
            .orig("bob\r\n")
            .resp("Password: ")
            .orig("Sample-Cisco-1\r\n")
            .resp("\r\nrouter>")
            .orig("enable\r\n")
            .resp("enable\r\nPassword: ")
            .orig("Sample-Cisco-2\r\n")
            .resp("\r\nrouter#")
            .orig("exit\r\n")
            .resp("exit\r\n[bob@host ~]$ ")
            .orig("sudo id\r\n")
            .resp("sudo id\r\n[sudo] password for bob: ")
            .orig("Sample-Cisco-3\r\n")
            .resp("\r\nSorry, try again.\r\n[sudo] password for bob: ")
            .any_chunking::<Telnet>();
        let said = |l: &String| l.split("mechanism: ").nth(1).unwrap().split(", secret").next().unwrap().to_owned();
        let mechanisms: Vec<String> = seen.logins.iter().map(said).collect();
        assert_eq!(
            mechanisms,
            [
                format!("\"login\", username: {}", bytes("bob")),
                "\"enable\", username: None".to_owned(),
                format!("\"sudo\", username: {}", bytes("bob")),
            ]
        );
        assert!(seen.logins[2].contains("Some(false)"));
    }

    #[test]
    fn characters_are_taken_back_by_command() {
        let seen = Script::new()
            .resp(b"\xff\xfb\x03login: ")
            .orig(b"ux\xff\xf7ser\r\n")
            .resp("Password: ")
            .orig(b"wrong\xff\xf8Sample-Line-1\r\n")
            .resp("\r\nhost> ")
            .any_chunking::<Telnet>();
        assert_eq!(results(&seen), [format!("{} Some(true) }}", bytes("user"))]);
        assert!(!format!("{seen:?}").contains("Sample-Line-1"));
    }

    #[test]
    fn encryption_takes_over() {
        let seen = Script::new()
            .resp(b"\xff\xfd\x2e")
            .orig(b"\xff\xfb\x2e\xff\xfa\x2e\x01\xff\xf0")
            .resp(b"\xff\xfa\x2e\x01\xff\xf0")
            .orig(b"\x16\x03\x01")
            .any_chunking::<Telnet>();
        assert_eq!((seen.cell("encrypted"), seen.cell("options")), ("true".into(), "[START-TLS]".into()));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn screens_of_a_mainframe_are_no_dialogue() {
        let seen = Script::new()
            .resp(b"\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0")
            .orig(b"\xff\xfb\x18\xff\xfa\x18\x00IBM-3278-2\xff\xf0\xff\xfb\x19\xff\xfb\x00")
            .resp(b"\x05\xc1Password:\xff\xef")
            .orig(b"\x7d\xd7\xc1\r\n\xff\xef")
            .any_chunking::<Telnet>();
        assert_eq!(seen.cell("emulation"), "tn3270");
        assert!(seen.logins.is_empty());
    }

    #[test]
    fn a_session_that_was_turned_round() {
        let mut parser = Telnet::default();
        let mut flow = some_flow();
        flow.orig_port = 23;
        let cx = Cx { ts: Timestamp(0), packet: 0, flow: &flow, limited: &LimitCount::default() };
        let mut users = Vec::new();
        let mut emit = |e: Event<'_>| {
            if let Event::Login(l) = e {
                users.push(l.username.map(<[u8]>::to_vec));
            }
        };
        for (dir, text) in [
            (Direction::Orig, "login: "),
            (Direction::Resp, "joe\n"),
            (Direction::Orig, "Password: "),
            (Direction::Resp, "x\n"),
            (Direction::Orig, "\n$ "),
        ] {
            parser.on_data(cx, dir, text.as_bytes(), &mut emit);
        }
        parser.on_end(cx, Direction::Orig, &[], &mut emit);
        parser.on_end(cx, Direction::Resp, &[], &mut emit);
        assert_eq!(users, [Some(b"joe".to_vec())]);
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
            (Direction::Resp, b"\xff\xff\xff\xfa\x17\x00", Probe::Yes),
            (Direction::Resp, b"\xff\xff\xff\xff\xff\xfa", Probe::No),
            (Direction::Resp, b"\xff\xd8\xff\xe0", Probe::No),
            (Direction::Resp, b"Welcome\r\nhost login: ", Probe::Yes),
            (Direction::Resp, b"220 ftp ready\r\n", Probe::No),
            (Direction::Resp, b"+OK POP3\r\n", Probe::No),
            (Direction::Resp, b"SSH-2.0-OpenSSH\r\n", Probe::No),
            (Direction::Resp, b"Extron\r\nPassword:", Probe::Yes),
            (Direction::Resp, b"\x00\x01\x02", Probe::No),
            (Direction::Resp, b"*********\r\n* Sample switch *\r\nUser Name:", Probe::Yes),
            (Direction::Resp, b"2 users\r\nlogin:", Probe::Yes),
            (Direction::Resp, b"* OK IMAP4 ready, login:", Probe::No),
            (Direction::Orig, b"hello\n", Probe::NeedMore),
        ] {
            assert_eq!(probe_all::<Telnet>(dir, payload), want, "{payload:?}");
        }
    }
}

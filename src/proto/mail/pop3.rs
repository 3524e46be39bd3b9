//! POP3 (RFC 1939, RFC 2449), with AUTH (RFC 5034) and STLS (RFC 2595). Read up to the first login that
//! the server accepts: behind it are only messages.

use std::collections::VecDeque;

use super::dots::{Dots, Dotted};
use super::sasl::Exchange;
use super::session::{Emit, Event, Watch, gives_way, host_name, tell_fact, tell_login, without_clock};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::Proof;
use crate::proto::text::{self, Line, Lines};

/// A command that waits for its reply.
enum Command {
    /// PASS: name and password.
    Pass(Vec<u8>, SecretBuf, (Timestamp, u64)),
    /// APOP: name and digest.
    Apop(Vec<u8>, Vec<u8>, (Timestamp, u64)),
    Auth(Box<Exchange>),
    StartTls,
    /// Has a reply of more than one line: a list of capabilities, or a list of messages.
    Capabilities,
    Lines,
    /// RETR and TOP: a message, which needs a login before it.
    Retrieve((Timestamp, u64)),
    Other,
}

impl std::fmt::Debug for Command {
    /// Without what it says.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

/// What the server's bytes are.
#[derive(Debug, Clone, Copy, Default)]
enum Mode {
    #[default]
    Replies,
    /// Lines of CAPA.
    Capabilities,
    Body(Dots),
}

/// Follows one session.
#[derive(Debug, Default)]
pub struct Pop3 {
    lines: [Lines; 2],
    server: Option<Direction>,
    pending: VecDeque<Command>,
    mode: Mode,
    user: Vec<u8>,
    /// The time stamp of the greeting, for APOP.
    stamp: Vec<u8>,
    watch: Watch,
    greeted: bool,
    ended: bool,
    over: bool,
}

impl Pop3 {
    fn command(&mut self, cx: Cx<'_>, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if let Some(Command::Auth(exchange)) = self.pending.back_mut()
            && exchange.wants(line)
        {
            exchange.answer(line, at);
            return;
        }
        // The argument of PASS is all that follows one blank: a password may begin with another.
        let (verb, whole) = text::split_once(line, b' ').unwrap_or((line, &[]));
        let verb = verb.trim_ascii();
        let arg = whole.trim_ascii();
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        let cut = |b: &[u8]| b.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(b).to_vec();
        let command = if is("USER") {
            self.user = cut(arg);
            Command::Other
        } else if is("PASS") {
            Command::Pass(self.user.clone(), SecretBuf::new(whole), at)
        } else if is("APOP") {
            let (name, digest) = text::word(arg);
            Command::Apop(cut(name), cut(digest), at)
        } else if is("AUTH") && !arg.is_empty() {
            let (mechanism, initial) = text::word(arg);
            let mut exchange = Box::new(Exchange::new(mechanism, at));
            if !initial.is_empty() {
                exchange.initial(initial, at);
            }
            Command::Auth(exchange)
        } else if is("STLS") {
            Command::StartTls
        } else if is("CAPA") {
            Command::Capabilities
        } else if is("AUTH") || (is("LIST") || is("UIDL")) && arg.is_empty() {
            Command::Lines
        } else if is("RETR") || is("TOP") {
            Command::Retrieve(at)
        } else {
            Command::Other
        };
        while let Some(oldest) = gives_way(&mut self.pending, &cx) {
            self.finish(&oldest, None, emit);
        }
        self.pending.push_back(command);
    }

    fn reply_line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if let Mode::Capabilities = self.mode {
            let (name, arg) = text::word(line);
            if line == b"." {
                self.mode = Mode::Replies;
            } else if name.eq_ignore_ascii_case(b"STLS") {
                self.watch.offered();
            } else if name.eq_ignore_ascii_case(b"IMPLEMENTATION") {
                tell_fact(dir, "server", arg, at, emit);
            }
            return;
        }
        if line == b"+" || line.starts_with(b"+ ") {
            if let Some(Command::Auth(exchange)) = self.pending.front_mut() {
                exchange.challenge(line.get(2..).unwrap_or_default());
            }
            return;
        }
        let (status, said) = text::word(line);
        let ok = status == b"+OK";
        if !ok && status != b"-ERR" {
            return;
        }
        if !self.greeted && ok && self.pending.iter().all(|c| matches!(c, Command::Other | Command::Capabilities)) {
            self.greeted = true;
            if self.pending.is_empty() || said.contains(&b'<') {
                self.greeting(dir, said, at, emit);
                return;
            }
        }
        self.greeted = true;
        let Some(command) = self.pending.pop_front() else { return };
        match command {
            Command::Capabilities if ok => self.mode = Mode::Capabilities,
            // The login before it was missed, or its reply.
            Command::Retrieve(asked) if ok => {
                self.watch.in_clear("mail", asked, emit);
                self.over = true;
            }
            Command::Retrieve(_) => {}
            Command::Lines if ok => self.mode = Mode::Body(Dots::new(false)),
            Command::StartTls => {
                self.watch.answered(ok, at, emit);
                self.over = ok;
            }
            command => self.over = self.finish(&command, Some(ok), emit) && ok,
        }
    }

    fn greeting(&mut self, dir: Direction, said: &[u8], at: (Timestamp, u64), emit: Emit<'_>) {
        if let Some(from) = memchr::memchr(b'<', said)
            && let Some(len) = said.get(from..).and_then(|s| memchr::memchr(b'>', s))
        {
            let stamp = said.get(from..=from + len).unwrap_or_default();
            self.stamp = stamp.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(stamp).to_vec();
            // `<process.clock@host>`.
            let host =
                text::split_once(stamp, b'@').map_or(&[][..], |(_, host)| host.strip_suffix(b">").unwrap_or(host));
            if let Some(name) = host_name(host).filter(|n| n.contains(&b'.')) {
                tell_fact(dir, "hostname", name, at, emit);
            }
        }
        // The time stamp would make each greeting another.
        let said = said.split(|c| *c == b'<').next().unwrap_or_default();
        let said = without_clock(said.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(said));
        tell_fact(dir, "banner", said, at, emit);
    }

    /// Tells the login that a command is; whether it is one.
    fn finish(&mut self, command: &Command, success: Option<bool>, emit: Emit<'_>) -> bool {
        let login = match command {
            Command::Pass(user, secret, at) => Some(Login {
                mechanism: "login",
                username: Some(user.as_slice()).filter(|u| !u.is_empty()),
                secret: Some(secret.borrow()),
                success,
                ..Login::at(*at)
            }),
            Command::Apop(user, digest, at) => Some(Login {
                mechanism: "apop",
                username: Some(user.as_slice()),
                secret: Some(crate::base::Secret::new(digest)),
                secret_kind: SecretKind::ChallengeResponse,
                proof: (!self.stamp.is_empty()).then_some(Proof::Apop { challenge: &self.stamp, response: digest }),
                success,
                ..Login::at(*at)
            }),
            Command::Auth(exchange) => exchange.login(success),
            // Nobody has said no.
            Command::Retrieve(asked) => {
                self.watch.in_clear("mail", *asked, emit);
                None
            }
            _ => None,
        };
        if let Some(login) = login {
            tell_login(login, &mut self.watch, emit);
        }
        login.is_some()
    }
}

impl AppParser for Pop3 {
    const SPEC: Spec = Spec {
        name: "pop3",
        title: "POP3",
        transports: &[Transport::Tcp],
        ports: &[110],
        reference: "RFC 1939, RFC 2449, RFC 5034, RFC 2595",
        yields: "logins, name and software of the server, STLS",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            None => Probe::NeedMore,
            Some(b'+' | b'-') => probe_replies(payload),
            Some(c) if c.is_ascii_alphabetic() => probe_commands(payload),
            Some(_) => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            if let (Mode::Body(dots), true) = (&mut self.mode, self.server == Some(dir)) {
                match dots.next(rest) {
                    Dotted::Inside(n) => used += n,
                    Dotted::Open(n) => {
                        return Progress::Partial { consumed: used + n, needed: rest.len() - n + 1 };
                    }
                    Dotted::Ended(n) => {
                        used += n;
                        self.mode = Mode::Replies;
                    }
                }
                continue;
            }
            let Some(lines) = self.lines.get_mut(dir.index()) else { return Progress::Finished };
            match lines.next(rest) {
                Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Line::Rest(n) => used += n,
                Line::Whole(line, n) => {
                    used += n;
                    if line.len() >= limits::LINE_BYTES_MAX {
                        cx.limit_hit();
                    }
                    let is_reply = line.starts_with(b"+OK") || line.starts_with(b"-ERR");
                    let server = *self.server.get_or_insert_with(|| if is_reply { dir } else { dir.other() });
                    if dir == server {
                        self.reply_line(cx, dir, line, emit);
                    } else {
                        self.command(cx, line, emit);
                    }
                    if self.over {
                        return Progress::Finished;
                    }
                }
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let Some(lines) = self.lines.get_mut(dir.index()) {
            lines.resync();
        }
        if self.server == Some(dir) {
            match &mut self.mode {
                Mode::Body(dots) => *dots = Dots::inside(false),
                mode => *mode = Mode::Replies,
            }
            if let Mode::Body(_) = self.mode
                && let Some(lines) = self.lines.get_mut(dir.index())
            {
                *lines = Lines::default();
            }
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if !rest.is_empty() && !self.over && matches!(self.mode, Mode::Replies) {
            // The last line may lack its end.
            let line = rest.strip_suffix(b"\r").unwrap_or(rest);
            match self.server {
                Some(server) if server == dir => self.reply_line(cx, dir, line, emit),
                Some(_) => self.command(cx, line, emit),
                None => {}
            }
        }
        if self.server == Some(dir) || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            for command in std::mem::take(&mut self.pending) {
                self.finish(&command, None, emit);
            }
        }
    }
}

/// Judges what a server may have said. Redis says `+OK` and `-ERR` too, but no text behind the first.
fn probe_replies(payload: &[u8]) -> Probe {
    for line in payload.split_inclusive(|c| *c == b'\n').take(16) {
        if !text::is_text(line) {
            return Probe::No;
        }
        let front = line.get(..4).unwrap_or(line);
        if !(b"+OK ".starts_with(front) || b"-ERR".starts_with(front) || matches!(front, b"+OK\r" | b"+OK\n")) {
            return Probe::No;
        }
        if !line.ends_with(b"\n") {
            return Probe::NeedMore;
        }
        if line.starts_with(b"+OK ") && line.trim_ascii_end().len() > 3 {
            return Probe::Yes;
        }
    }
    Probe::NeedMore
}

/// Judges what a client may have said.
fn probe_commands(payload: &[u8]) -> Probe {
    let mut user = false;
    let mut login = false;
    for line in payload.split_inclusive(|c| *c == b'\n').take(16) {
        let whole = line.ends_with(b"\n");
        let (verb, arg) = text::word(line.trim_ascii_end());
        if !text::is_text(line) || verb.len() > 4 || !verb.iter().all(u8::is_ascii_alphabetic) {
            return Probe::No;
        }
        if !whole {
            return Probe::NeedMore;
        }
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        let number = |b: &[u8]| text::decimal(b).is_some();
        if is("CAPA") || is("STLS") || is("UIDL") {
            return if arg.is_empty() || number(arg) { Probe::Yes } else { Probe::No };
        }
        if is("APOP") {
            let (_, digest) = text::word(arg);
            let fits = digest.len() == 32 && digest.iter().all(u8::is_ascii_hexdigit);
            return if fits { Probe::Yes } else { Probe::No };
        }
        if is("USER") {
            // IRC's has four arguments.
            if text::word(arg).1.contains(&b' ') {
                return Probe::No;
            }
            user = true;
            continue;
        }
        if is("PASS") {
            login |= user;
            continue;
        }
        // FTP has a login of the same commands, and a file may have a number for a name.
        let said = match verb.len() {
            4 if is("STAT") => login && arg.is_empty(),
            4 if is("RETR") || is("DELE") || is("LIST") && !arg.is_empty() => {
                if !number(arg) {
                    return Probe::No;
                }
                if !login {
                    continue;
                }
                true
            }
            4 if is("LIST") || is("NOOP") || is("QUIT") || is("AUTH") && arg.is_empty() => continue,
            3 if is("TOP") => number(text::word(arg).0),
            _ => false,
        };
        return if said { Probe::Yes } else { Probe::No };
    }
    Probe::NeedMore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_message_does_not_end_the_session() {
        let script = Script::new().resp("+OK ready\r\n").orig("RETR 1\r\n").resp("-ERR log in first\r\n");
        let seen = script.orig("USER joe\r\nPASS Sample-1\r\n").resp("+OK\r\n+OK\r\n").any_chunking::<Pop3>();
        assert!(seen.logins[0].contains("success: Some(true)"), "{seen:?}");
        let seen = Script::new().orig("RETR 1\r\n").resp("+OK\r\n").any_chunking::<Pop3>();
        assert_eq!((seen.stopped, seen.events.len()), (Some(Progress::Finished), 1));
        assert_eq!(Script::new().orig("RETR 1\r\n").any_chunking::<Pop3>().events.len(), 1, "no answer was seen");
    }
    use crate::proto::mail::testing::logins;
    use crate::proto::testing::{Script, probe_all};
    use Direction::{Orig, Resp};

    #[test]
    fn user_and_pass() {
        let script = [
            (Resp, "+OK POP3 ready\r\n"),
            (Orig, "USER joe\r\n"),
            (Resp, "+OK\r\n"),
            (Orig, "PASS  se cret\r\n"),
            (Resp, "-ERR no\r\n"),
            (Orig, "USER joe\r\n"),
            (Resp, "+OK\r\n"),
            (Orig, "pass secret\r\n"),
            (Resp, "+OK in\r\n"),
        ];
        assert_eq!(logins::<Pop3>(&script), ["login joe  se cret false #4", "login joe secret true #8"]);
        // Read byte by byte it is the same, and it ends with the login.
        let mut played = Script::new();
        for (dir, said) in script {
            played = if dir == Orig { played.orig(said) } else { played.resp(said) };
        }
        let seen = played.orig("RETR 1\r\n").resp("+OK\r\nPASS x\r\n.\r\n").any_chunking::<Pop3>();
        assert_eq!(seen.logins.len(), 2);
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert!(!format!("{seen:?}").contains("secret\""));
    }

    #[test]
    fn apop_with_the_stamp_of_the_greeting() {
        // RFC 1939, section 7.
        let seen = Script::new()
            .resp("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
            .orig("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n")
            .resp("+OK maildrop has 1 message (369 octets)\r\n")
            .any_chunking::<Pop3>();
        assert!(seen.logins[0].contains("proof: Some(Apop)") && seen.logins[0].contains("success: Some(true)"));
        assert!(seen.events.join(" ").contains("\"hostname\""));
        assert_eq!(
            logins::<Pop3>(&[(Orig, "APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n")]),
            ["apop mrose c4c9334bac560ecc979e58001b3e22fb ? #1"]
        );
    }

    #[test]
    fn auth_and_what_is_offered() {
        let seen = Script::new()
            .resp("+OK ready\r\n")
            .orig("CAPA\r\n")
            .resp("+OK list\r\nSTLS\r\nSASL PLAIN\r\nIMPLEMENTATION Dovecot 2\r\n.\r\n")
            .orig("AUTH PLAIN\r\n")
            .resp("+ \r\n")
            .orig("AGpvZQBzZWNyZXQ=\r\n")
            .resp("+OK\r\n")
            .any_chunking::<Pop3>();
        let all = seen.events.join("\n");
        assert!(all.contains("mechanism: \"plain\"") && all.contains("Upgrade(Unused)") && all.contains("\"server\""));
        assert_eq!(
            logins::<Pop3>(&[
                (Orig, "AUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\nSTAT\r\n"),
                (Resp, "+OK hi\r\n+ \r\n+ \r\n+OK\r\n")
            ]),
            ["login joe secret true #1"]
        );
        assert!(
            logins::<Pop3>(&[(Resp, "+OK hi\r\n"), (Orig, "AUTH\r\n"), (Resp, "+OK\r\nPLAIN\r\n.\r\n")]).is_empty()
        );
    }

    #[test]
    fn stls() {
        let script = |answer: &str| {
            Script::new().resp("+OK a\r\n").orig("STLS\r\n").resp(answer).orig(b"\x16\x03\x01\n").any_chunking::<Pop3>()
        };
        assert_eq!(script("+OK go\r\n").stopped, Some(Progress::Finished));
        let refused = script("-ERR no\r\n");
        assert!(refused.stopped.is_none() && refused.events.join(" ").contains("Upgrade(Refused)"));
    }

    #[test]
    fn a_session_without_its_login_shows_mail() {
        let seen = Script::new().orig("RETR 20\r\n").resp("+OK 100 octets\r\nFrom: x\r\n").any_chunking::<Pop3>();
        assert!(seen.events[0].contains("InClear(\"mail\")"), "{:?}", seen.events);
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn lists_and_gaps_confuse_no_reply() {
        let script = Script::new()
            .resp("+OK hi\r\n")
            .orig("LIST\r\n")
            .resp("+OK\r\n-ERR in a list\r\n..\r\n.\r\n")
            .gap(Resp, 10)
            .orig("USER a\r\nPASS b1234\r\n")
            .resp("tail\r\n+OK\r\n-ERR no\r\n");
        let seen = script.any_chunking::<Pop3>();
        assert!(seen.logins[0].contains("success: Some(false)"), "{:?}", seen.logins);
        let many = "PASS x\r\n".repeat(1000);
        assert_eq!(Script::new().orig(many).run::<Pop3>().logins.len(), 1000);
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Resp, "+OK ready\r\n", Probe::Yes),
            (Resp, "+OK\r\n", Probe::NeedMore),
            (Resp, "-ERR unknown command\r\n", Probe::NeedMore),
            (Resp, "+PONG\r\n", Probe::No),
            (Resp, "$5\r\n", Probe::No),
            (Orig, "USER a\r\nPASS b\r\nSTAT\r\n", Probe::Yes),
            (Orig, "USER a\r\nPASS b\r\nLIST\r\nRETR 1\r\n", Probe::Yes),
            (Orig, "USER a\r\nPASS b\r\nPWD\r\n", Probe::No),
            (Orig, "USER a b c :d\r\n", Probe::No),
            (Orig, "RETR 20\r\n", Probe::NeedMore),
            (Orig, "RETR file\r\n", Probe::No),
            (Orig, "CAPA\r\n", Probe::Yes),
            (Orig, "APOP a c4c9334bac560ecc979e58001b3e22fb\r\n", Probe::Yes),
            (Orig, "GET / HTTP/1.1\r\n", Probe::No),
            (Orig, "EHLO x\r\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Pop3>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

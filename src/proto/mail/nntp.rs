//! NNTP (RFC 3977), with AUTHINFO (RFC 4643) and STARTTLS (RFC 4642).

use std::collections::VecDeque;

use super::dots::{Dots, Dotted};
use super::header::{self, Field, Header};
use super::sasl::Exchange;
use super::session::{Emit, Event, Watch, gives_way, host_name, tell_fact, tell_login, without_clock};
use super::smtp_words::reply_head;
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, Spec, Transport};
use crate::proto::text::{self, Line, Lines};

/// A command that waits for its reply.
enum Command {
    /// AUTHINFO PASS: name and password.
    Pass(Vec<u8>, SecretBuf, (Timestamp, u64)),
    Auth(Box<Exchange>),
    StartTls,
    Capabilities,
    /// LISTGROUP, whose reply has the code of GROUP and more lines.
    Numbers,
    /// POST and IHAVE: where the server says so, an article follows.
    Article,
    /// TAKETHIS, whose article comes without being asked for.
    TakeThis,
    Other,
}

impl std::fmt::Debug for Command {
    /// Without what it says.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

/// What the bytes of a side are.
#[derive(Debug, Clone, Copy, Default)]
enum Mode {
    #[default]
    Lines,
    Capabilities,
    /// The header of an article that the client sends.
    Header,
    Body(Dots),
}

/// Follows one session.
#[derive(Debug, Default)]
pub struct Nntp {
    lines: [Lines; 2],
    modes: [Mode; 2],
    server: Option<Direction>,
    pending: VecDeque<Command>,
    user: Vec<u8>,
    header: Header,
    /// Whether something of the article behind TAKETHIS has come.
    article_begun: bool,
    watch: Watch,
    greeted: bool,
    ended: bool,
    over: bool,
}

impl Nntp {
    fn set(&mut self, dir: Direction, mode: Mode) {
        if let Some(kept) = self.modes.get_mut(dir.index()) {
            *kept = mode;
        }
    }

    fn command(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if let Some(Command::Auth(exchange)) = self.pending.back_mut()
            && exchange.wants(line)
        {
            exchange.answer(line, at);
            return;
        }
        let (verb, arg) = text::word(line.trim_ascii());
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        if !READING.iter().all(|name| !is(name)) {
            self.watch.in_clear("articles", at, emit);
        }
        let command = if is("AUTHINFO") {
            let (kind, value) = text::word(arg);
            if kind.eq_ignore_ascii_case(b"USER") {
                self.user = value.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(value).to_vec();
                Command::Other
            } else if kind.eq_ignore_ascii_case(b"PASS") {
                Command::Pass(self.user.clone(), SecretBuf::new(value), at)
            } else if kind.eq_ignore_ascii_case(b"SASL") {
                let (mechanism, initial) = text::word(value);
                let mut exchange = Box::new(Exchange::new(mechanism, at));
                if !initial.is_empty() {
                    exchange.initial(initial, at);
                }
                Command::Auth(exchange)
            } else {
                Command::Other
            }
        } else if is("STARTTLS") {
            Command::StartTls
        } else if is("CAPABILITIES") {
            Command::Capabilities
        } else if is("LISTGROUP") {
            Command::Numbers
        } else if is("POST") || is("IHAVE") {
            Command::Article
        } else {
            if is("TAKETHIS") {
                // The article follows without being asked for (RFC 4644, section 2.5).
                self.set(dir, Mode::Body(Dots::new(false)));
                self.article_begun = false;
                Command::TakeThis
            } else {
                Command::Other
            }
        };
        while let Some(oldest) = gives_way(&mut self.pending, &cx) {
            self.finish(&oldest, None, emit);
        }
        self.pending.push_back(command);
    }

    fn reply_line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        let code = line.get(..3).and_then(text::decimal).filter(|_| matches!(line.get(3), None | Some(b' ')));
        let said = line.get(4..).unwrap_or_default();
        let said = said.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(said);
        let Some(code) = code else { return };
        if !self.greeted {
            self.greeted = true;
            if matches!(code, 200 | 201 | 400 | 502) && self.pending.len() <= 1 {
                tell_fact(dir, "banner", without_clock(said), at, emit);
                if let Some(name) = host_name(text::word(said).0).filter(|n| n.contains(&b'.')) {
                    tell_fact(dir, "hostname", name, at, emit);
                }
                return;
            }
        }
        let command = self.pending.pop_front();
        match (code, command) {
            (383, Some(Command::Auth(mut exchange))) => {
                exchange.challenge(said);
                self.pending.push_front(Command::Auth(exchange));
            }
            (101, Some(Command::Capabilities)) => self.set(dir, Mode::Capabilities),
            (211, Some(Command::Numbers)) => self.set(dir, Mode::Body(Dots::new(false))),
            // Replies that have more lines, whatever was asked (RFC 3977, section 3.2, and RFC 2980).
            (100 | 101 | 215 | 218 | 220 | 221 | 222 | 224 | 225 | 230 | 231 | 282, _) => {
                self.set(dir, Mode::Body(Dots::new(false)));
            }
            (335 | 340, Some(command @ Command::Article)) => {
                self.header = Header::default();
                self.set(dir.other(), Mode::Header);
                self.pending.push_front(command);
            }
            (400..=438 | 440.., Some(Command::TakeThis))
                if self.pending.is_empty() && (matches!(code, 500..=502) || !self.article_begun) =>
            {
                // The server takes what follows for commands, or has refused before the client began.
                self.set(dir.other(), Mode::Lines);
            }
            (_, Some(Command::StartTls)) => {
                self.watch.answered(code == 382, at, emit);
                self.over = code == 382;
            }
            (_, Some(command)) => self.finish(&command, Some(code < 300), emit),
            (_, None) => {}
        }
    }

    fn finish(&mut self, command: &Command, success: Option<bool>, emit: Emit<'_>) {
        let login = match command {
            Command::Pass(user, secret, at) => Some(Login {
                mechanism: "login",
                username: Some(user.as_slice()).filter(|u| !u.is_empty()),
                secret: Some(secret.borrow()),
                success,
                ..Login::at(*at)
            }),
            Command::Auth(exchange) => exchange.login(success),
            _ => None,
        };
        if let Some(login) = login {
            tell_login(login, &mut self.watch, emit);
        }
    }

    /// A line where it is no command and no reply.
    fn other_line(&mut self, cx: Cx<'_>, dir: Direction, mode: Mode, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        match mode {
            _ if line == b"." => {
                self.set(dir, Mode::Lines);
                if let Mode::Header = mode {
                    self.program(dir, at, emit);
                }
            }
            Mode::Capabilities => {
                let (name, arg) = text::word(line);
                if name.eq_ignore_ascii_case(b"STARTTLS") {
                    self.watch.offered();
                } else if name.eq_ignore_ascii_case(b"IMPLEMENTATION") {
                    tell_fact(dir, "server", arg, at, emit);
                }
            }
            Mode::Header => {
                let progress = self.header.line(line);
                if progress == header::Progress::TooLong {
                    cx.limit_hit();
                }
                if progress != header::Progress::More {
                    self.program(dir, at, emit);
                    self.set(dir, Mode::Body(Dots::new(false)));
                }
            }
            Mode::Lines | Mode::Body(_) => {}
        }
    }

    /// The program that an article was written with. One that another server passes on has a path.
    fn program(&self, dir: Direction, at: (Timestamp, u64), emit: Emit<'_>) {
        if !self.header.is_relayed() {
            tell_fact(dir, "user-agent", self.header.get(Field::UserAgent), at, emit);
        }
    }
}

/// Commands behind which articles go over the wire.
const READING: [&str; 14] = [
    "ARTICLE",
    "HEAD",
    "BODY",
    "POST",
    "IHAVE",
    "TAKETHIS",
    "XOVER",
    "OVER",
    "XHDR",
    "HDR",
    "GROUP",
    "LISTGROUP",
    "NEWNEWS",
    "XZVER",
];

impl AppParser for Nntp {
    const SPEC: Spec = Spec {
        name: "nntp",
        title: "NNTP",
        transports: &[Transport::Tcp],
        ports: &[119],
        reference: "RFC 3977, RFC 4642, RFC 4643",
        yields: "logins, name and software of the server, the program that posts, STARTTLS",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            None => Probe::NeedMore,
            Some(b'2') => probe_greeting(payload),
            Some(c) if b"MAGLXNICTOHmaglxnicoth".contains(c) => probe_commands(payload),
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
            let Some(mode) = self.modes.get_mut(dir.index()) else { return Progress::Finished };
            if let Mode::Body(dots) = mode {
                self.article_begun |= self.server == Some(dir.other());
                match dots.next(rest) {
                    Dotted::Inside(n) => used += n,
                    Dotted::Open(n) => return Progress::Partial { consumed: used + n, needed: rest.len() - n + 1 },
                    Dotted::Ended(n) => {
                        used += n;
                        *mode = Mode::Lines;
                    }
                }
                continue;
            }
            let mode = *mode;
            let Some(lines) = self.lines.get_mut(dir.index()) else { return Progress::Finished };
            match lines.next(rest) {
                Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Line::Rest(n) => used += n,
                Line::Whole(line, n) => {
                    used += n;
                    if line.len() >= limits::LINE_BYTES_MAX {
                        cx.limit_hit();
                    }
                    let is_reply = reply_head(line).is_some();
                    let server = *self.server.get_or_insert_with(|| if is_reply { dir } else { dir.other() });
                    match mode {
                        Mode::Lines if dir == server => self.reply_line(cx, dir, line, emit),
                        Mode::Lines => self.command(cx, dir, line, emit),
                        mode => self.other_line(cx, dir, mode, line, emit),
                    }
                    if self.over {
                        return Progress::Finished;
                    }
                }
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        let Some(mode) = self.modes.get_mut(dir.index()) else { return Progress::Finished };
        let in_body = matches!(mode, Mode::Body(_) | Mode::Header);
        *mode = if in_body { Mode::Body(Dots::inside(false)) } else { Mode::Lines };
        if let Some(lines) = self.lines.get_mut(dir.index()) {
            *lines = Lines::default();
            if !in_body {
                lines.resync();
            }
        }
        if self.server == Some(dir) && !in_body {
            // Which replies were lost is not known: those that matter are taken without one.
            self.greeted = true;
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        let in_lines = self.modes.get(dir.index()).is_some_and(|m| matches!(m, Mode::Lines));
        if !rest.is_empty() && !self.over && in_lines {
            let line = rest.strip_suffix(b"\r").unwrap_or(rest);
            match self.server {
                Some(server) if server == dir => self.reply_line(cx, dir, line, emit),
                Some(_) => self.command(cx, dir, line, emit),
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

/// Judges what a server may have said.
fn probe_greeting(payload: &[u8]) -> Probe {
    let front = payload.get(..4).unwrap_or(payload);
    if !(b"200 ".starts_with(front) || b"201 ".starts_with(front)) {
        return Probe::No;
    }
    let Some((line, _)) = text::split_once(payload, b'\n') else {
        return if payload.len() < limits::LINE_BYTES_MAX && text::is_text(payload) {
            Probe::NeedMore
        } else {
            Probe::No
        };
    };
    let known: [&[u8]; 5] = [b"nntp", b"news", b"posting", b"innd", b"usenet"];
    match text::is_text(line) {
        true if known.iter().any(|word| text::contains(line, word)) => Probe::Yes,
        true => Probe::NeedMore,
        false => Probe::No,
    }
}

/// Judges what a client may have said.
fn probe_commands(payload: &[u8]) -> Probe {
    const STARTS: [&[u8]; 16] = [
        b"mode reader",
        b"mode stream",
        b"authinfo user ",
        b"authinfo pass ",
        b"authinfo sasl ",
        b"authinfo generic ",
        b"capabilities\r",
        b"article <",
        b"list active",
        b"list overview.fmt",
        b"list newsgroups",
        b"newnews ",
        b"newgroups ",
        b"ihave <",
        b"takethis <",
        b"xover ",
    ];
    let lower = payload.get(..18).unwrap_or(payload).to_ascii_lowercase();
    let fits = |start: &&&[u8]| lower.starts_with(start.get(..lower.len()).unwrap_or(start));
    match STARTS.iter().find(fits) {
        Some(start) if lower.len() >= start.len() => Probe::Yes,
        Some(_) => Probe::NeedMore,
        // `GROUP comp.lang.c`
        None => match lower.strip_prefix(b"group ") {
            Some(group) if group.iter().any(|c| matches!(c, b'.' | b'\n')) => {
                if group.contains(&b'.') {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            Some(_) if payload.len() < 18 => Probe::NeedMore,
            Some(_) => Probe::No,
            None if b"group ".starts_with(&lower) => Probe::NeedMore,
            None => Probe::No,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_article_is_not_waited_for() {
        let seen = Script::new().resp("200 ready\r\n").orig("TAKETHIS <a@b>\r\n").resp("480 log in\r\n");
        let seen = seen.orig("AUTHINFO USER joe\r\nAUTHINFO PASS Sample-1\r\n").resp("381 more\r\n281 ok\r\n");
        assert!(seen.any_chunking::<Nntp>().logins[0].contains("success: Some(true)"));
    }
    use crate::proto::mail::testing::logins;
    use crate::proto::testing::{Script, probe_all};
    use Direction::{Orig, Resp};

    #[test]
    fn a_session_with_a_login_and_a_post() {
        let seen = Script::new()
            .resp("200 news.example.com INN ready (posting ok)\r\n")
            .orig("CAPABILITIES\r\n")
            .resp("101 list\r\nVERSION 2\r\nIMPLEMENTATION INN 2.7\r\nSTARTTLS\r\n.\r\n")
            .orig("GROUP misc.test\r\n")
            .resp("480 login first\r\n")
            .orig("AUTHINFO USER joe\r\n")
            .resp("381 more\r\n")
            .orig("AUTHINFO PASS opensesame\r\n")
            .resp("281 ok\r\n")
            .orig("POST\r\n")
            .resp("340 go\r\n")
            .orig("From: x\r\nUser-Agent: slrn/1.0\r\n\r\nAUTHINFO PASS no\r\n.\r\n")
            .resp("240 thanks\r\n")
            .orig("ARTICLE 1\r\n")
            .resp("220 1 <a@b>\r\nFrom: y\r\n\r\n281 no reply\r\n.\r\n")
            .orig("QUIT\r\n")
            .resp("205 bye\r\n")
            .any_chunking::<Nntp>();
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("packet: 8"));
        let all = seen.events.join("\n");
        for part in
            ["\"banner\"", "\"hostname\"", "\"server\"", "\"user-agent\"", "Upgrade(Unused)", "InClear(\"articles\")"]
        {
            assert_eq!(all.matches(part).count(), 1, "{part}: {all}");
        }
        assert!(!format!("{seen:?}").contains("opensesame"));
    }

    #[test]
    fn names_and_passwords() {
        let of = |script: &[(Direction, &str)]| logins::<Nntp>(script);
        assert_eq!(
            of(&[
                (Resp, "200 x\r\n"),
                (Orig, "authinfo user joe\r\nauthinfo pass secret\r\n"),
                (Resp, "381 x\r\n481 no\r\n")
            ]),
            ["login joe secret false #2"]
        );
        assert_eq!(
            of(&[(Orig, "AUTHINFO SASL PLAIN AGpvZQBzZWNyZXQ=\r\n"), (Resp, "281 ok\r\n")]),
            ["plain joe secret true #1"]
        );
        assert_eq!(
            of(&[
                (Resp, "200 x\r\n"),
                (Orig, "AUTHINFO SASL LOGIN\r\n"),
                (Resp, "383 VXNlcm5hbWU6\r\n"),
                (Orig, "am9l\r\n"),
                (Resp, "383 x\r\n"),
                (Orig, "c2VjcmV0\r\n")
            ]),
            ["login joe secret ? #6"]
        );
    }

    #[test]
    fn starttls() {
        let script =
            |answer: &str| Script::new().resp("200 x\r\n").orig("STARTTLS\r\n").resp(answer).any_chunking::<Nntp>();
        assert_eq!(script("382 go\r\n").stopped, Some(Progress::Finished));
        assert!(script("580 no\r\n").events.join(" ").contains("Upgrade(Refused)"));
    }

    #[test]
    fn gaps_and_hostile_lines() {
        let seen = Script::new()
            .resp("200 x\r\n")
            .orig("ARTICLE 1\r\n")
            .resp("220 1\r\nFrom: a\r\n")
            .gap(Resp, 5000)
            .resp("text\r\n.\r\n")
            .orig("AUTHINFO USER a\r\nAUTHINFO PASS bcde\r\n")
            .resp("381\r\n281\r\n")
            .any_chunking::<Nntp>();
        assert!(seen.logins[0].contains("success: Some(true)"), "{:?}", seen.logins);
        let many = "AUTHINFO PASS x\r\n".repeat(1000);
        assert_eq!(Script::new().orig("MODE READER\r\n").orig(many).run::<Nntp>().logins.len(), 1000);
        assert_eq!(logins::<Nntp>(&[(Orig, "AUTHINFO\r\nAUTHINFO PASS\r\n")]), ["login -  ? #1"]);
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Resp, "200 news.example.com InterNetNews ready\r\n", Probe::Yes),
            (Resp, "201 x NNTP\r\n", Probe::Yes),
            (Resp, "200 hello\r\n", Probe::NeedMore),
            (Resp, "220 mail\r\n", Probe::No),
            (Orig, "MODE READER\r\n", Probe::Yes),
            (Orig, "mode x\r\n", Probe::No),
            (Orig, "AUTHINFO USER a\r\n", Probe::Yes),
            (Orig, "GROUP comp.lang.c\r\n", Probe::Yes),
            (Orig, "GROUP x\r\n", Probe::No),
            (Orig, "LIST\r\n", Probe::No),
            (Orig, "NICK a\r\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Nntp>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

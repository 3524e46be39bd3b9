//! SMTP and LMTP (RFC 5321, RFC 2033), with logins (RFC 4954), pipelining (RFC 2920), CHUNKING
//! (RFC 3030) and STARTTLS (RFC 3207).

use std::collections::VecDeque;

use super::dots::{Dots, Dotted};
use super::header::{self, Field};
use super::sasl::Exchange;
use super::session::{self, Watch, host_name, tell_fact, tell_login, without_clock};
use super::smtp_event::{Event, Mail, Reply, Row, TABLE};
use super::smtp_words::{Command, Mode, path, probe_commands, probe_replies, reply_head};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text::{self, Line, Lines};

/// Follows one session.
#[derive(Debug, Default)]
pub struct Smtp {
    lines: [Lines; 2],
    /// The side that replies, once a line has told.
    server: Option<Direction>,
    pending: VecDeque<Command>,
    mode: Mode,
    /// The transaction that is open, and when it began.
    mail: Option<(Box<Mail>, (Timestamp, u64))>,
    /// Whether the header of a message in chunks has been read.
    header_done: bool,
    /// Whether something of the chunk has come.
    chunk_begun: bool,
    /// The line of that header in whose middle a chunk has ended.
    cut_line: Vec<u8>,
    /// Recipients that were accepted, for LMTP.
    accepted: usize,
    lmtp: bool,
    /// The client's lines end with LF alone.
    bare: bool,
    banner: Vec<u8>,
    helo: Vec<u8>,
    capabilities: Vec<String>,
    user: Vec<u8>,
    secret: Option<SecretBuf>,
    watch: Watch,
    /// Code of the reply that is being read, and what came of it.
    multi: Option<u16>,
    reply: Vec<u8>,
    last: Reply,
    /// When the first thing was said.
    begun: Option<(Timestamp, u64)>,
    greeted: bool,
    /// Replies were missed: the next one belongs to the last command.
    replies_lost: bool,
    has_row: bool,
    ended: bool,
    over: bool,
}

/// Bytes of a chunk that are passed over at one time.
const CHUNK_STEP_BYTES: u64 = 64 << 10;

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// The emitter of what sessions tell alike.
fn plain<'a>(emit: &'a mut dyn FnMut(Event<'_>)) -> impl FnMut(session::Event<'_>) + 'a {
    move |e| emit(Event::Session(e))
}

impl Smtp {
    fn other(dir: Option<Direction>) -> Direction {
        dir.map_or(Direction::Orig, Direction::other)
    }

    /// The side that replies.
    fn server_side(&self) -> Direction {
        self.server.unwrap_or(Direction::Resp)
    }

    fn command(&mut self, cx: Cx<'_>, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if let Some(Command::Auth(exchange)) = self.pending.back_mut()
            && exchange.wants(line)
        {
            exchange.answer(line, at);
            self.secret = exchange.secret().cloned().or_else(|| self.secret.take());
            return;
        }
        let (verb, arg) = text::word(line.trim_ascii());
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        let arg = arg.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(arg);
        let command = if is("EHLO") || is("HELO") || is("LHLO") {
            self.close_mail(emit);
            self.lmtp = is("LHLO");
            self.helo = arg.trim_ascii().to_vec();
            if let Some(name) = host_name(arg) {
                let client = Self::other(self.server);
                tell_fact(client, "hostname", name, at, &mut plain(emit));
            }
            Command::Hello
        } else if is("STARTTLS") {
            Command::StartTls
        } else if is("AUTH") || is("X-EXPS") {
            let (mechanism, initial) = text::word(arg);
            // The answer may be longer than other arguments.
            let initial = if initial.is_empty() { initial } else { text::word(text::word(line.trim_ascii()).1).1 };
            let mut exchange = Box::new(Exchange::new(mechanism, at));
            if !initial.is_empty() {
                exchange.initial(initial, at);
                self.secret = exchange.secret().cloned().or_else(|| self.secret.take());
            }
            Command::Auth(exchange)
        } else if is("MAIL") {
            self.close_mail(emit);
            self.mail = Some((Box::new(Mail::new(path(arg))), at));
            self.header_done = false;
            self.cut_line.clear();
            self.accepted = 0;
            Command::Transaction
        } else if is("RCPT") {
            if let Some((mail, _)) = &mut self.mail
                && !mail.add(path(arg))
            {
                cx.limit_hit();
            }
            Command::Recipient
        } else if is("DATA") {
            self.mode = Mode::Header;
            self.mail.get_or_insert_with(|| (Box::default(), at)).0.is_whole = true;
            Command::Data
        } else if is("BDAT") {
            let (size, last) = text::word(arg);
            let last = last.eq_ignore_ascii_case(b"LAST");
            if let Some(size) = text::decimal(size) {
                self.mode = Mode::Chunk(size, last);
                let mail = &mut self.mail.get_or_insert_with(|| (Box::default(), at)).0;
                mail.is_whole |= mail.bytes == 0;
                mail.bytes = mail.bytes.saturating_add(size);
                self.chunk_begun = false;
            }
            Command::Chunk
        } else {
            if is("RSET") || is("QUIT") {
                self.close_mail(emit);
            }
            Command::Other
        };
        self.wait(cx, command, emit);
        if let Mode::Chunk(0, last) = self.mode {
            self.chunk_ended(last);
        }
    }

    fn wait(&mut self, cx: Cx<'_>, command: Command, emit: Emit<'_>) {
        while let Some(oldest) = session::gives_way(&mut self.pending, &cx) {
            self.unanswered(oldest, emit);
        }
        self.pending.push_back(command);
    }

    /// The client's message has ended: the transaction waits for its reply.
    fn message_ended(&mut self) {
        self.mode = Mode::Commands;
        if let Some((mail, at)) = self.mail.take() {
            let replies = if self.lmtp { self.accepted.max(1) } else { 1 };
            self.pending.push_back(Command::Message(mail, at, replies));
        }
    }

    fn chunk_ended(&mut self, last: bool) {
        self.mode = Mode::Commands;
        if last && let Some((mail, at)) = self.mail.take() {
            // BDAT LAST has one reply, that of the message.
            if let Some(Command::Chunk) = self.pending.back() {
                self.pending.pop_back();
            }
            self.pending.push_back(Command::Message(mail, at, 1));
        }
    }

    /// A line of the message's header.
    fn header_line(&mut self, cx: Cx<'_>, line: &[u8], used: usize, emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if let Mode::Header = self.mode {
            if line == b"." {
                self.author(at, emit);
                self.message_ended();
                return;
            }
            if let Some((mail, _)) = &mut self.mail {
                mail.bytes += used as u64;
            }
        }
        self.watch.in_clear("mail", at, &mut plain(emit));
        // A dot in front of a line is doubled (section 4.5.2).
        let line = if line.starts_with(b"..") { line.get(1..).unwrap_or_default() } else { line };
        let progress = self.mail.as_mut().map_or(header::Progress::Ended, |(mail, _)| mail.header.line(line));
        match progress {
            header::Progress::More => return,
            header::Progress::Ended => {}
            header::Progress::TooLong => cx.limit_hit(),
        }
        self.header_done = true;
        self.author(at, emit);
        if let Mode::Header = self.mode {
            self.mode = Mode::Body(Dots::new(self.bare));
        }
    }

    /// What the message says of the host that its author writes at.
    fn author(&self, at: (Timestamp, u64), emit: Emit<'_>) {
        if let Some((mail, _)) = &self.mail
            && !mail.header.is_relayed()
        {
            let program = mail.header.get(Field::UserAgent);
            tell_fact(Self::other(self.server), "user-agent", program, at, &mut plain(emit));
        }
    }

    fn reply_line(&mut self, cx: Cx<'_>, line: &[u8], emit: Emit<'_>) {
        let Some((code, more)) = reply_head(line) else {
            // Neither a reply nor within one: some servers forget the number.
            self.replies_lost |= !line.is_empty() && self.multi.is_none();
            return;
        };
        if self.multi.is_none() {
            self.reply.clear();
        }
        let said = line.get(4..).unwrap_or_default().trim_ascii();
        self.capability(cx, code, said, emit);
        if self.reply.len() + said.len() < limits::MAIL_FIELD_BYTES_MAX {
            if !self.reply.is_empty() && !said.is_empty() {
                self.reply.push(b' ');
            }
            self.reply.extend_from_slice(said);
        }
        self.multi = more.then_some(code);
        if !more {
            let reply = Reply { code, text: std::mem::take(&mut self.reply), packet: cx.packet };
            self.reply(cx, reply, emit);
        }
    }

    /// A line of the reply to EHLO.
    fn capability(&mut self, cx: Cx<'_>, code: u16, said: &[u8], emit: Emit<'_>) {
        if code != 250 || !matches!(self.pending.front(), Some(Command::Hello)) || self.watch.is_over() {
            return;
        }
        if self.multi.is_none() {
            // The first line names the server.
            self.capabilities.clear();
            return;
        }
        if self.capabilities.len() >= limits::MAIL_CAPABILITIES_MAX {
            cx.limit_hit();
            return;
        }
        let said = said.get(..255).unwrap_or(said);
        self.capabilities.push(String::from_utf8_lossy(said).into_owned());
        if said.eq_ignore_ascii_case(b"STARTTLS") {
            self.watch.offered();
        } else if said.len() == b"STARTTLS".len() && said.iter().all(|c| matches!(c, b'X' | b'A'..=b'D')) {
            // What a firewall makes of it that does not want it used.
            self.watch.stripped((cx.ts, cx.packet), &mut plain(emit));
        }
    }

    fn reply(&mut self, cx: Cx<'_>, reply: Reply, emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if std::mem::take(&mut self.replies_lost) {
            while self.pending.len() > 1
                && let Some(missed) = self.pending.pop_front()
            {
                self.unanswered(missed, emit);
            }
        }
        self.last = reply.clone();
        if matches!(reply.code, 220 | 421 | 554) && !self.greeted {
            self.greeted = true;
            let first = self.pending.is_empty() || matches!(self.pending.front(), Some(Command::Hello));
            if first {
                self.greeting(reply, at, emit);
                return;
            }
        }
        let code = reply.code;
        match self.pending.pop_front() {
            Some(Command::Auth(mut exchange)) if code == 334 => {
                exchange.challenge(&reply.text);
                self.pending.push_front(Command::Auth(exchange));
            }
            Some(Command::Auth(exchange)) => self.authenticated(&exchange, Some((200..300).contains(&code)), emit),
            Some(Command::StartTls) => {
                self.watch.answered(code == 220, at, &mut plain(emit));
                if code == 220 {
                    self.over = true;
                    self.row(None, emit);
                }
            }
            Some(Command::Message(mut mail, began, replies)) => {
                mail.reply = reply;
                if replies > 1 {
                    self.pending.push_front(Command::Message(mail, began, replies - 1));
                } else {
                    self.row(Some((&mail, began)), emit);
                }
            }
            Some(command @ (Command::Transaction | Command::Recipient | Command::Data | Command::Chunk)) => {
                if let (Command::Chunk, Mode::Chunk(left, _)) = (&command, self.mode)
                    && self.pending.is_empty()
                    && (matches!(code, 500..=502 | 504) || code >= 400 && !self.chunk_begun)
                {
                    // The server does not know BDAT, and takes what follows for commands; or it has refused
                    // the chunk before the client began. Otherwise it passes over it (RFC 3030, section 2).
                    self.mode = Mode::Commands;
                    self.cut_line.clear();
                    if let Some((mail, _)) = &mut self.mail {
                        mail.bytes = mail.bytes.saturating_sub(left);
                    }
                }
                self.accepted += usize::from(matches!(command, Command::Recipient) && code < 300);
                if matches!(command, Command::Data)
                    && code >= 400
                    && matches!(self.mode, Mode::Header)
                    && self.mail.as_ref().is_none_or(|(mail, _)| mail.bytes == 0)
                {
                    // No message follows.
                    self.mode = Mode::Commands;
                }
                if let Some((mail, _)) = &mut self.mail {
                    mail.reply = reply;
                }
            }
            Some(Command::Hello | Command::Other) | None => {}
        }
    }

    fn greeting(&mut self, reply: Reply, at: (Timestamp, u64), emit: Emit<'_>) {
        let server = self.server_side();
        tell_fact(server, "banner", without_clock(&reply.text), at, &mut plain(emit));
        let first = text::word(&reply.text).0;
        if let Some(name) = host_name(first).filter(|n| n.contains(&b'.')) {
            tell_fact(server, "hostname", name, at, &mut plain(emit));
        }
        self.banner = reply.text;
    }

    fn authenticated(&mut self, exchange: &Exchange, success: Option<bool>, emit: Emit<'_>) {
        if let Some(login) = exchange.login(success) {
            self.user = login.username.unwrap_or_default().to_vec();
            tell_login(login, &mut self.watch, &mut plain(emit));
        }
    }

    /// A command whose reply was not seen.
    fn unanswered(&mut self, command: Command, emit: Emit<'_>) {
        match command {
            Command::Auth(exchange) => self.authenticated(&exchange, None, emit),
            Command::Message(mail, at, _) => self.row(Some((&mail, at)), emit),
            _ => {}
        }
    }

    /// Ends the transaction that is open, which had no message.
    fn close_mail(&mut self, emit: Emit<'_>) {
        if let Some((mail, at)) = self.mail.take() {
            self.row(Some((&mail, at)), emit);
        }
    }

    fn row(&mut self, mail: Option<(&Mail, (Timestamp, u64))>, emit: Emit<'_>) {
        let Some(begun) = self.begun else { return };
        self.has_row = true;
        emit(Event::Row(Row {
            at: mail.map_or(begun, |(_, at)| at),
            banner: &self.banner,
            helo: &self.helo,
            capabilities: &self.capabilities,
            upgrade: self.watch.upgrade(),
            username: &self.user,
            secret: self.secret.as_ref().map(SecretBuf::borrow),
            mail: mail.map(|(mail, _)| mail),
            reply: &self.last,
        }));
    }

    /// The part of a message at the front of `bytes`: how much of it is used, or what to wait for.
    fn message(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Result<usize, Progress> {
        match &mut self.mode {
            Mode::Body(dots) => {
                let (used, ended, open) = match dots.next(bytes) {
                    Dotted::Inside(n) => (n, false, false),
                    Dotted::Open(n) => (n, false, true),
                    Dotted::Ended(n) => (n, true, false),
                };
                if let Some((mail, _)) = &mut self.mail {
                    // The dot is not part of the message.
                    mail.bytes += used.saturating_sub(if ended { if self.bare { 2 } else { 3 } } else { 0 }) as u64;
                }
                if ended {
                    self.message_ended();
                }
                if open {
                    return Err(Progress::Partial { consumed: used, needed: bytes.len() - used + 1 });
                }
                Ok(used)
            }
            Mode::Chunk(left, last) => {
                let (left, last) = (*left, *last);
                self.chunk_begun = true;
                let window = usize::try_from(left).map_or(bytes, |n| bytes.get(..n).unwrap_or(bytes));
                let used = if self.header_done {
                    window.len()
                } else {
                    let Some(lines) = self.lines.get_mut(dir.index()) else { return Err(Progress::Finished) };
                    match lines.next(window) {
                        Line::Whole(line, n) => {
                            let mut whole = std::mem::take(&mut self.cut_line);
                            if whole.is_empty() {
                                self.header_line(cx, line, n, emit);
                            } else {
                                whole.extend_from_slice(line);
                                self.header_line(cx, &whole, n, emit);
                            }
                            n
                        }
                        Line::Rest(n) => n,
                        Line::Open if window.len() < bytes.len() || window.len() as u64 == left => {
                            // The next chunk goes on with this line.
                            *lines = Lines::default();
                            if self.cut_line.len() + window.len() <= limits::LINE_BYTES_MAX {
                                self.cut_line.extend_from_slice(window);
                            }
                            window.len()
                        }
                        Line::Open => return Err(Progress::Partial { consumed: 0, needed: bytes.len() + 1 }),
                    }
                };
                let left = left - used as u64;
                if left == 0 {
                    self.chunk_ended(last);
                } else if self.header_done && used == bytes.len() {
                    // In steps, so that a refusal can end it.
                    let step = left.min(CHUNK_STEP_BYTES);
                    self.mode = Mode::Chunk(left - step, last);
                    return Err(Progress::Skip(step));
                } else {
                    self.mode = Mode::Chunk(left, last);
                }
                Ok(used)
            }
            Mode::Commands | Mode::Header => Ok(0),
        }
    }
}

impl AppParser for Smtp {
    const SPEC: Spec = Spec {
        name: "smtp",
        title: "SMTP",
        transports: &[Transport::Tcp],
        ports: &[25, 587, 2525, 24],
        reference: "RFC 5321, RFC 2033, RFC 3207, RFC 4954",
        table: Some(&TABLE),
        yields: "logins, envelopes and headers of messages, host names and programs of both sides, STARTTLS",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            None => Probe::NeedMore,
            Some(b'2' | b'4' | b'5') => probe_replies(payload),
            Some(b'e' | b'E' | b'h' | b'H' | b'l' | b'L' | b'm' | b'M' | b'r' | b'R') => probe_commands(payload),
            Some(_) => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        self.begun.get_or_insert((cx.ts, cx.packet));
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let is_client = self.server == Some(dir.other());
            if is_client {
                if let Mode::Chunk(0, last) = self.mode {
                    self.chunk_ended(last);
                }
                match self.message(cx, dir, rest, emit) {
                    Ok(0) => {}
                    Ok(n) => {
                        used += n;
                        continue;
                    }
                    Err(Progress::Partial { consumed, needed }) => {
                        return Progress::Partial { consumed: used + consumed, needed };
                    }
                    Err(progress) => return progress,
                }
            }
            let Some(lines) = self.lines.get_mut(dir.index()) else { return Progress::Finished };
            let (line, n) = match lines.next(rest) {
                Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Line::Rest(n) => {
                    used += n;
                    continue;
                }
                Line::Whole(line, n) => (line, n),
            };
            used += n;
            if line.len() >= limits::LINE_BYTES_MAX {
                cx.limit_hit();
            }
            // The side that numbers its lines is the server, whoever was seen first.
            let server = *self.server.get_or_insert_with(|| if reply_head(line).is_some() { dir } else { dir.other() });
            if dir == server {
                self.reply_line(cx, line, emit);
            } else if let Mode::Header = self.mode {
                self.header_line(cx, line, n, emit);
            } else {
                self.bare = n == line.len() + 1;
                self.command(cx, line, emit);
            }
            if self.over {
                return Progress::Finished;
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, missing: u64) -> Progress {
        if self.server == Some(dir.other()) {
            match &mut self.mode {
                // The rest of the header is taken for the body.
                Mode::Header => self.mode = Mode::Body(Dots::new(self.bare)),
                Mode::Body(dots) => *dots = Dots::inside(self.bare),
                Mode::Chunk(left, _) if *left >= missing => *left -= missing,
                Mode::Chunk(..) => self.mode = Mode::Commands,
                Mode::Commands => {}
            }
            self.header_done = true;
            if let Some((mail, _)) = &mut self.mail {
                mail.is_whole = false;
            }
        }
        if let Some(lines) = self.lines.get_mut(dir.index()) {
            lines.resync();
            if let Mode::Chunk(..) | Mode::Body(_) = self.mode
                && self.server == Some(dir.other())
            {
                *lines = Lines::default();
            }
        }
        if self.server != Some(dir.other()) {
            self.multi = None;
            self.replies_lost = true;
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if !rest.is_empty() && !self.over && matches!(self.mode, Mode::Commands) {
            // The last line may lack its end.
            let line = rest.strip_suffix(b"\r").unwrap_or(rest);
            match self.server {
                Some(server) if server == dir => self.reply_line(cx, line, emit),
                Some(_) => self.command(cx, line, emit),
                None => {}
            }
        }
        // No reply comes once the server has closed; otherwise wait for it.
        if self.server == Some(dir) || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            for command in std::mem::take(&mut self.pending) {
                self.unanswered(command, emit);
            }
            self.close_mail(emit);
            if !std::mem::replace(&mut self.has_row, true) {
                self.row(None, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_chunk_is_not_waited_for() {
        let script = Script::new().resp("220 ready\r\n").orig("EHLO a\r\n").resp("250 mx\r\n");
        for code in ["502", "503"] {
            let seen = script.clone().orig("BDAT 1000000000\r\n").resp(format!("{code} no\r\n"));
            let seen = seen.orig("AUTH PLAIN AGpvZQBTYW1wbGUtMQ==\r\n").resp("235 ok\r\n").any_chunking::<Smtp>();
            assert!(seen.logins[0].contains("success: Some(true)"), "{code} {seen:?}");
        }
        // In the middle of a chunk that the server takes for commands.
        let body = format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(1000));
        let seen = script.orig(format!("MAIL FROM:<a@b>\r\nBDAT 1000000000\r\n{body}"));
        let seen = seen.resp("250 ok\r\n500 what\r\n").orig(vec![b'\n'; 200_000]);
        let seen = seen.orig("\r\nAUTH PLAIN AGpvZQBTYW1wbGUtMQ==\r\n").resp("235 ok\r\n").run::<Smtp>();
        assert!(!seen.logins.is_empty(), "{seen:?}");
    }
    use crate::proto::mail::testing::logins;
    use crate::proto::testing::Script;
    use Direction::{Orig, Resp};

    const MESSAGE: &str = "From: =?utf-8?Q?J=C3=B6?= <jo@example.com>\r\nSubject: a\r\n folded line\r\nTo: x@example.org\r\n\
                           Message-ID: <1@h>\r\nX-Mailer: ScanMail 2.1\r\n\r\nSubject: not this\r\n..dot\r\nQUIT\r\n.\r\n";

    fn session() -> Script {
        Script::new()
            .resp("220 mx.example.org ESMTP Postfix\r\n")
            .orig("EHLO mfp-3.example.com\r\n")
            .resp("250-mx.example.org\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")
            .orig(
                "MAIL FROM:<jo@example.com> SIZE=10\r\nRCPT TO:<x@example.org>\r\nRCPT TO:<y@example.org>\r\nDATA\r\n",
            )
            .resp("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
            .orig(MESSAGE)
            .resp("250 2.0.0 queued as 1\r\n")
    }

    #[test]
    fn a_transaction() {
        let seen = session().orig("QUIT\r\n").resp("221 bye\r\n").any_chunking::<Smtp>();
        assert_eq!(seen.cell("banner"), "mx.example.org ESMTP Postfix");
        assert_eq!(seen.cell("helo"), "mfp-3.example.com");
        assert_eq!(seen.cell("capabilities"), "[PIPELINING,SIZE 1000]");
        assert_eq!(seen.cell("mail_from"), "jo@example.com");
        assert_eq!(seen.cell("rcpt_to"), "[x@example.org,y@example.org]");
        assert_eq!(seen.cell("header_from"), "J\u{f6} <jo@example.com>");
        assert_eq!(seen.cell("subject"), "a folded line");
        assert_eq!(seen.cell("user_agent"), "ScanMail 2.1");
        assert_eq!(seen.cell("relayed"), "false");
        assert_eq!(seen.cell("body_bytes"), (MESSAGE.len() - 3).to_string());
        assert_eq!(seen.cell("reply_code"), "250");
        assert_eq!(seen.cell("reply_text"), "2.0.0 queued as 1");
        assert_eq!(seen.cell("starttls"), "-");
        let all = seen.events.join("\n");
        assert_eq!(all.matches("InClear(\"mail\")").count(), 1);
        assert_eq!(all.matches("Fact(").count(), 4, "banner, name of the server, name and program of the client");
    }

    #[test]
    fn two_messages_and_one_that_is_called_off() {
        let seen = session()
            .orig("MAIL FROM:<>\r\nRCPT TO:<z@example.org>\r\nRSET\r\nMAIL FROM:<b@c>\r\n")
            .resp("250 ok\r\n550 no\r\n250 ok\r\n250 ok\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cells("mail_from"), ["jo@example.com", "", "b@c"]);
        assert_eq!(seen.cells("subject"), ["a folded line", "-", "-"]);
        assert_eq!(seen.cells("body_bytes")[1..], ["-", "-"]);
    }

    #[test]
    fn chunks() {
        let seen = Script::new()
            .resp("220 x ESMTP\r\n")
            .orig("EHLO a.example\r\n")
            .resp("250 x\r\n")
            .orig("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 12\r\nSubject: one")
            .orig("BDAT 25 LAST\r\n two three\r\n\r\nbody here\r\n")
            .resp("250 1\r\n250 2\r\n250 3\r\n250 queued\r\n")
            .orig("MAIL FROM:<e@f>\r\nBDAT 5 LAST\r\nhelloBDAT 99999999999999999999\r\nNOOP\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cells("mail_from"), ["a@b", "e@f"]);
        assert_eq!(seen.cells("body_bytes"), ["37", "5"]);
        assert_eq!(seen.cells("reply_text")[0], "queued");
        assert_eq!(seen.cells("subject")[0], "one two three");
    }

    #[test]
    fn a_chunk_is_skipped_and_may_be_huge() {
        let seen = Script::new()
            .orig("EHLO a\r\nMAIL FROM:<a@b>\r\nBDAT 999999999999999999\r\nSubject: s\r\n\r\nbody")
            .orig("MAIL FROM:<not@this>\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cell("mail_from"), "a@b");
        assert_eq!(seen.cell("subject"), "s");
    }

    #[test]
    fn logins_of_every_kind() {
        let plain = [(Resp, "220 x ESMTP\r\n"), (Orig, "EHLO a\r\n"), (Resp, "250 AUTH PLAIN\r\n")];
        let of = |more: &[(Direction, &'static str)]| logins::<Smtp>(&[&plain[..], more].concat());
        let (user, pass) = ("am9l\r\n", "c2VjcmV0\r\n");
        assert_eq!(
            of(&[(Orig, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n"), (Resp, "235 ok\r\n")]),
            ["plain joe secret true #4"]
        );
        assert_eq!(
            of(&[
                (Orig, "auth login\r\n"),
                (Resp, "334 VXNlcm5hbWU6\r\n"),
                (Orig, user),
                (Resp, "334 UGFzc3dvcmQ6\r\n"),
                (Orig, pass),
                (Resp, "535 5.7.8 no\r\n")
            ]),
            ["login joe secret false #8"]
        );
        assert_eq!(of(&[(Orig, "AUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\nMAIL FROM:<a@b>\r\n")]), ["login joe secret ? #4"]);
        assert_eq!(
            of(&[(Orig, "AUTH LOGIN\r\n"), (Resp, "334 x\r\n"), (Orig, "*\r\n"), (Resp, "501 off\r\n")]),
            Vec::<String>::new()
        );
        assert_eq!(of(&[(Orig, "AUTH GSSAPI YIIF\r\n"), (Resp, "535 no\r\n")]), ["gssapi - - false #4"]);
    }

    #[test]
    fn no_secret_in_a_row() {
        let seen = Script::new()
            .resp("220 x ESMTP\r\n")
            .orig("EHLO a\r\nAUTH PLAIN AGpvZQBzZWNyZXQ=\r\n")
            .resp("250 x\r\n535 joe/secret is wrong\r\n")
            .orig("MAIL FROM:<joe@a>\r\nDATA\r\n")
            .resp("250 ok\r\n354 go\r\n")
            .orig("Subject: my password is secret, new password: other\r\n\r\n.\r\n")
            .resp("250 secret\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cell("username"), "joe");
        assert_eq!(seen.cell("subject"), "my password is [blanked], new password: [blanked]");
        assert!(
            !format!("{:?} {:?}", seen.rows, seen.logins).contains("secret,")
                && !seen.cell("reply_text").contains("secret")
        );
    }

    #[test]
    fn starttls() {
        let begin =
            Script::new().resp("220 x ESMTP\r\n").orig("EHLO a\r\n").resp("250-x\r\n250-STARTTLS\r\n250 HELP\r\n");
        let seen =
            begin.clone().orig("STARTTLS\r\n").resp("220 go\r\n").orig(b"\x16\x03\x01\x00\x05").any_chunking::<Smtp>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert_eq!(seen.cell("starttls"), "accepted");
        assert!(!seen.events.join(" ").contains("InClear"));
        let seen =
            begin.clone().orig("STARTTLS\r\nMAIL FROM:<a@b>\r\n").resp("454 no\r\n250 ok\r\n").any_chunking::<Smtp>();
        assert_eq!(seen.cell("starttls"), "refused");
        let seen = begin.orig("AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n").resp("235 ok\r\n").any_chunking::<Smtp>();
        assert_eq!(seen.cell("starttls"), "unused");
        let seen = Script::new()
            .resp("220 x ESMTP\r\n")
            .orig("EHLO a\r\n")
            .resp("250-x\r\n250 XXXXXXXA\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cell("starttls"), "stripped");
    }

    #[test]
    fn lmtp_replies_once_for_each_recipient() {
        let seen = Script::new()
            .resp("220 x LMTP\r\n")
            .orig("LHLO a\r\n")
            .resp("250 x\r\n")
            .orig("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n")
            .resp("250 ok\r\n250 ok\r\n250 ok\r\n")
            .orig("DATA\r\n")
            .resp("354 go\r\n")
            .orig("\r\n.\r\n")
            .resp("250 one\r\n452 two\r\n")
            .orig("NOOP\r\n")
            .resp("250 noop\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cell("reply_text"), "two");
    }

    #[test]
    fn data_that_is_refused_is_followed_by_commands() {
        let seen = Script::new()
            .resp("220 x ESMTP\r\n")
            .orig("HELO a\r\nMAIL FROM:<a@b>\r\nDATA\r\n")
            .resp("250 x\r\n250 ok\r\n503 no\r\n")
            .orig("MAIL FROM:<c@d>\r\n")
            .resp("250 ok\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cells("mail_from"), ["a@b", "c@d"]);
        assert_eq!(seen.cells("reply_code"), ["503", "250"]);
    }

    #[test]
    fn one_side_alone() {
        let seen = Script::new()
            .orig("EHLO a.example\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
            .orig(MESSAGE)
            .any_chunking::<Smtp>();
        assert_eq!(seen.cell("subject"), "a folded line");
        assert_eq!(seen.cell("reply_code"), "-");
        assert_eq!(seen.logins.len(), 1);
        let seen =
            Script::new().resp("220 x ESMTP\r\n250-x\r\n250 HELP\r\n250 ok\r\n221 bye\r\n").any_chunking::<Smtp>();
        assert_eq!((seen.cell("banner"), seen.cell("reply_code")), ("x ESMTP".into(), "221".into()));
    }

    #[test]
    fn gaps() {
        let seen = Script::new()
            .resp("220 x ESMTP\r\n")
            .orig("EHLO a\r\nMAIL FROM:<a@b>\r\nDATA\r\n")
            .resp("250 x\r\n250 ok\r\n354 go\r\n")
            .orig("Subject: s\r\nX-")
            .gap(Orig, 1000)
            .orig("more\r\n.\r\nMAIL FROM:<c@d>\r\n")
            .resp("250 done\r\n250 ok\r\n")
            .any_chunking::<Smtp>();
        assert_eq!(seen.cells("mail_from"), ["a@b", "c@d"]);
        assert_eq!(seen.cells("body_bytes"), ["-", "-"]);
        assert_eq!(seen.cells("reply_text")[0], "done");
        let seen = session().gap(Resp, 10).orig("NOOP\r\n").resp("x\r\n250 late\r\n").any_chunking::<Smtp>();
        assert_eq!(seen.cell("reply_text"), "2.0.0 queued as 1");
    }

    #[test]
    fn hostile_input_is_bounded() {
        let many = "MAIL FROM:<a@b>\r\n".repeat(2000);
        assert_eq!(Script::new().orig(many).run::<Smtp>().rows.len(), 2000);
        let many = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{}", "RCPT TO:<c@d>\r\n".repeat(2000));
        let seen = Script::new().orig(many).run::<Smtp>();
        assert_eq!(seen.cell("rcpt_to").matches("c@d").count(), limits::LIST_ITEMS_MAX);
        let bodies = "DATA\r\n.\r\n".repeat(1000);
        assert_eq!(Script::new().orig("EHLO a\r\n").orig(bodies).run::<Smtp>().rows.len(), 1000);
        let whole = session();
        for cut in 0..MESSAGE.len() {
            Script::new().orig("EHLO a\r\nDATA\r\n").orig(&MESSAGE[..cut]).run::<Smtp>();
        }
        assert_eq!(whole.run::<Smtp>().rows.len(), 1);
    }
}

//! SMTP and LMTP (RFC 5321, RFC 2033), with logins (RFC 4954), pipelining (RFC 2920), CHUNKING
//! (RFC 3030) and STARTTLS (RFC 3207).

use std::collections::VecDeque;

use super::dots::{Dots, Dotted};
use super::header::{self, Field};
use super::sasl::Exchange;
use super::session::{self, Watch, host_name, tell_fact, tell_login};
use super::smtp_event::{Event, Mail, Reply, Row, TABLE};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text::{self, Line, Lines};

/// A command that waits for its reply.
#[derive(Debug)]
enum Command {
    /// HELO, EHLO, LHLO.
    Hello,
    StartTls,
    Auth(Box<Exchange>),
    /// MAIL, RCPT and DATA: their replies are the transaction's.
    Transaction,
    /// RCPT: in LMTP each one that is accepted has a reply of its own behind the message.
    Recipient,
    Data,
    /// The end of the message, with how many replies it has.
    Message(Box<Mail>, (Timestamp, u64), usize),
    Other,
}

/// What the client's bytes are.
#[derive(Debug, Clone, Copy, Default)]
enum Mode {
    #[default]
    Commands,
    /// The header of a message that ends with a dot.
    Header,
    /// The rest of it.
    Body(Dots),
    /// So many bytes of a chunk are left; whether it is the last one.
    Chunk(u64, bool),
}

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
        } else if is("AUTH") {
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
            }
            Command::Transaction
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
        while self.pending.len() >= limits::MAIL_PENDING_MAX
            && let Some(oldest) = self.pending.pop_front()
        {
            cx.limit_hit();
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
            if let Some(Command::Transaction) = self.pending.back() {
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
            Some(command @ (Command::Transaction | Command::Recipient | Command::Data)) => {
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
        tell_fact(server, "banner", &reply.text, at, &mut plain(emit));
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
                let window = usize::try_from(left).map_or(bytes, |n| bytes.get(..n).unwrap_or(bytes));
                let used = if self.header_done {
                    window.len()
                } else {
                    let Some(lines) = self.lines.get_mut(dir.index()) else { return Err(Progress::Finished) };
                    match lines.next(window) {
                        Line::Whole(line, n) => {
                            self.header_line(cx, line, n, emit);
                            n
                        }
                        Line::Rest(n) => n,
                        Line::Open if window.len() < bytes.len() || window.len() as u64 == left => {
                            // A line that the next chunk goes on with is not put together.
                            *lines = Lines::default();
                            window.len()
                        }
                        Line::Open => return Err(Progress::Partial { consumed: 0, needed: bytes.len() + 1 }),
                    }
                };
                let left = left - used as u64;
                if left == 0 {
                    self.chunk_ended(last);
                } else if self.header_done && used == bytes.len() {
                    self.mode = Mode::Chunk(0, last);
                    return Err(Progress::Skip(left));
                } else {
                    self.mode = Mode::Chunk(left, last);
                }
                Ok(used)
            }
            Mode::Commands | Mode::Header => Ok(0),
        }
    }
}

/// The address in `FROM:<a@example.com> SIZE=100`, with brackets or without.
fn path(arg: &[u8]) -> &[u8] {
    let rest = memchr::memchr(b':', arg).map_or(arg, |at| arg.get(at + 1..).unwrap_or_default()).trim_ascii_start();
    match rest.strip_prefix(b"<") {
        Some(inner) => inner.split(|c| *c == b'>').next().unwrap_or_default(),
        None => text::word(rest).0,
    }
}

/// The code that a reply line begins with, and whether more lines of it follow.
pub(super) fn reply_head(line: &[u8]) -> Option<(u16, bool)> {
    let (code, rest) = line.split_first_chunk::<3>()?;
    let more = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    let code = text::decimal(code).and_then(|n| u16::try_from(n).ok())?;
    (200..=599).contains(&code).then_some((code, more))
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
        if !rest.is_empty() && !self.over && self.ends_with_line() {
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

impl Smtp {
    const fn ends_with_line(&self) -> bool {
        matches!(self.mode, Mode::Commands)
    }
}

/// Judges what a server may have said.
fn probe_replies(payload: &[u8]) -> Probe {
    for (i, line) in payload.split_inclusive(|c| *c == b'\n').take(64).enumerate() {
        if !text::is_text(line) {
            return Probe::No;
        }
        let whole = line.ends_with(b"\n");
        if line.len() < 4 {
            return if whole { Probe::No } else { Probe::NeedMore };
        }
        let Some((code, more)) = reply_head(line.trim_ascii_end()) else { return Probe::No };
        if !whole {
            return Probe::NeedMore;
        }
        let said = line.get(4..).unwrap_or_default();
        // An enhanced status (RFC 2034) belongs to mail alone.
        let enhanced = matches!(said, [class, b'.', b'0'..=b'9', b'.', b'0'..=b'9', ..] if Some(class) == line.first());
        let greeting = i == 0 && matches!(code, 220 | 421 | 554);
        let mail = text::contains(said, b"smtp") || text::contains(said, b"lmtp") || text::contains(said, b" mail");
        let extension = code == 250
            && [&b"PIPELINING"[..], b"8BITMIME", b"STARTTLS", b"AUTH "].iter().any(|e| text::starts_with(said, e));
        match code {
            _ if enhanced || greeting && mail || extension => return Probe::Yes,
            // Behind a greeting that names nothing, mail servers say 250 to EHLO; FTP servers do not.
            250 if i > 0 && !more => return Probe::Yes,
            220 | 250 | 421 | 554 => {}
            _ => return Probe::No,
        }
    }
    Probe::NeedMore
}

/// Judges what a client may have said.
fn probe_commands(payload: &[u8]) -> Probe {
    const STARTS: [&[u8]; 5] = [b"EHLO", b"HELO", b"LHLO", b"MAIL FROM:", b"RCPT TO:"];
    let front = payload.get(..10).unwrap_or(payload);
    let fits = |start: &&[u8]| text::starts_with(front, start.get(..front.len()).unwrap_or(start));
    let Some(start) = STARTS.iter().find(|s| fits(s)) else { return Probe::No };
    match payload.get(start.len()) {
        None => Probe::NeedMore,
        Some(b' ' | b'\r' | b'\n' | b'\t' | b'<') => Probe::Yes,
        Some(_) if start.ends_with(b":") => Probe::Yes,
        Some(_) => Probe::No,
    }
}

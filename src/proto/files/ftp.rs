//! FTP control connections (RFC 959, RFC 2389, RFC 2428, RFC 4217).

use std::borrow::Cow;
use std::collections::VecDeque;

use super::ftp_endpoint::{extended, six_numbers};
use super::ftp_probe::probe;
use super::ftp_tokens::{Tokens, is_tls};
use super::provisioning::is_settings_file;
use crate::base::secret::{self, BLANK, Reveal, SecretBuf};
use crate::base::{Addr, Endpoint, Secret, Timestamp, limits};
use crate::proto::api::{
    About, Announcement, AppParser, Carries, Cx, Direction, Fact, Login, Probe, Progress, SecretKind, Spec, Transport,
    Wrapped,
};
use crate::proto::mail::session::without_clock;
use crate::proto::text::{self, Line, Lines};
use crate::proto::web::http_login::blanked;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "ftp",
    doc: "One FTP command that tells something (login, transfer, deletion, data connection ...) with the reply to it; \
          the greeting has a row without a command",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("command", Type::Text, "The command in upper case; null for the greeting of the server"),
        Column::new("arg", Type::Text, "Its argument; passwords are blanked"),
        Column::repeating("reply_code", Type::Int32, "Last reply code; null where no reply was seen"),
        Column::repeating("reply_text", Type::Text, "Text of that reply, its lines joined by a blank"),
        Column::repeating("username", Type::Text, "User name given before"),
        Column::repeating("data_ip", Type::Text, "Address that the data connection goes to"),
        Column::new("data_port", Type::Int32, "Port that the data connection goes to"),
        Column::new("reply_packet", Type::Int64, "Packet with the reply"),
    ],
};

/// A data connection that one side has announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataChannel {
    /// Where the announcing side listens.
    pub endpoint: Endpoint,
    /// The side that listens: the server in passive mode, the client in active mode.
    pub listener: Direction,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// When and in which packet the command (or the greeting) was sent.
    pub at: (Timestamp, u64),
    /// The command in upper case, cut at eight letters; empty for the greeting and for
    /// announcements without a command.
    pub command: &'e str,
    /// Its argument; `None` where that is a secret.
    pub arg: Option<&'e [u8]>,
    /// Last reply code.
    pub reply_code: Option<u16>,
    /// Text of that reply.
    pub reply_text: &'e [u8],
    /// User name given before.
    pub username: Option<&'e [u8]>,
    /// Packet of the reply.
    pub reply_packet: Option<u64>,
    /// The data connection that the command or its reply announces. Emitted as soon as it is
    /// known, in an event that has no row, and again in the row of the command.
    pub data: Option<DataChannel>,
    /// The configuration file that the announced connection will carry, where the command names one.
    pub file: Option<&'e [u8]>,
    /// For `AUTH`: whether the server agreed to speak TLS from here on.
    pub auth_tls: Option<bool>,
    /// The login that this command is.
    pub login: Option<Login<'e>>,
    /// The last secret that was sent on this connection: a server may repeat it in a reply.
    pub known_secret: Option<Secret<'e>>,
    /// The side that greets, where it is the greeting.
    greets: Option<Direction>,
    row: bool,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        row.nonempty(self.command);
        let secret = self.login.and_then(|l| l.secret);
        match (secret, self.arg) {
            (Some(secret), _) => row.bytes(secret.shown(reveal).as_bytes()),
            (None, Some(arg)) if reveal == Reveal::No => row.bytes(&harmless(self.command, arg)),
            (None, arg) => row.opt_bytes(arg),
        };
        row.opt_int(self.reply_code);
        let reply = Some(self.reply_text).filter(|_| self.reply_code.is_some());
        match reply {
            Some(reply) if reveal == Reveal::No => {
                let in_user = self.username.and_then(secret::of_user);
                let mut shown = text::without_settings(reply);
                for secret in self.known_secret.into_iter().chain(in_user) {
                    if let Cow::Owned(changed) = text::without_secret(&shown, secret) {
                        shown = changed.into();
                    }
                }
                row.bytes(&shown)
            }
            reply => row.opt_bytes(reply),
        };
        row.opt_user(self.username);
        match self.data {
            Some(data) => row.addr(data.endpoint.ip).int(data.endpoint.port),
            None => row.null().null(),
        };
        match self.reply_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        self.login
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Some(server) = self.greets {
            tell(Fact { about: About::Side(server), attribute: "banner", value: steady(self.reply_text) });
        }
    }

    fn upgrades(&self) -> bool {
        self.auth_tls == Some(true)
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        // Once as soon as it is known, not again with the command's row.
        if let Some(data) = self.data.filter(|_| !self.row) {
            let (carries, words) = match self.file {
                Some(file) => (Carries::Protocol("ftp-data"), file),
                None => (Carries::Named("ftp-data"), &[][..]),
            };
            tell(Announcement { endpoint: data.endpoint, carries, words });
        }
    }
}

/// A command that waits for its final reply.
#[derive(Debug)]
struct Pending {
    verb: Verb,
    arg: Vec<u8>,
    secret: Option<SecretBuf>,
    /// User name as it stood when a secret was sent; later ones may be on their way.
    user: Vec<u8>,
    at: (Timestamp, u64),
    data: Option<DataChannel>,
    /// The last preliminary reply (1yz).
    code: Option<u16>,
    reply: Vec<u8>,
    reply_packet: Option<u64>,
}

/// A command verb: at most eight letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Verb([u8; 8]);

impl Verb {
    pub(super) fn new(word: &[u8]) -> Self {
        let mut verb = [0; 8];
        for (to, from) in verb.iter_mut().zip(word) {
            *to = if from.is_ascii_graphic() { from.to_ascii_uppercase() } else { b'?' };
        }
        Self(verb)
    }

    pub(super) fn as_str(&self) -> &str {
        let len = self.0.iter().position(|c| *c == 0).unwrap_or(self.0.len());
        std::str::from_utf8(self.0.get(..len).unwrap_or_default()).unwrap_or_default()
    }

    /// Whether the command has a row.
    fn tells(&self) -> bool {
        const TELLING: &[&str] = &[
            "USER", "PASS", "ACCT", "AUTH", "PASV", "EPSV", "PORT", "EPRT", "RETR", "STOR", "STOU", "APPE", "DELE",
            "SIZE", "MKD", "XMKD", "RMD", "XRMD", "SYST", "LIST", "NLST", "MLSD", "CWD", "RNFR", "RNTO", "SITE",
            "FEAT",
        ];
        TELLING.contains(&self.as_str())
    }
}

/// Follows one control connection.
#[derive(Debug, Default)]
pub struct Ftp {
    lines: [Lines; 2],
    /// The side that replies, once a line has told.
    server: Option<Direction>,
    pending: VecDeque<Pending>,
    user: Vec<u8>,
    /// The last password that was sent.
    secret: Option<SecretBuf>,
    /// Code of the multi-line reply that is being read.
    multi: Option<u16>,
    reply: Vec<u8>,
    greeted: bool,
    /// Replies were missed: the next one belongs to the last command.
    replies_lost: bool,
    /// The data connection that was announced last.
    channel: Option<DataChannel>,
    ended: bool,
    tls: bool,
    tokens: Tokens,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Bytes of a reply's text that are kept.
const REPLY_BYTES_MAX: usize = 1024;

impl Ftp {
    fn command(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        // A client may put telnet's interrupt and synch before ABOR (RFC 959, section 4.1.3).
        let start = line.iter().position(|c| c.is_ascii_alphabetic()).unwrap_or(line.len());
        let (word, arg) = text::word(line.get(start..).unwrap_or_default());
        let verb = Verb::new(word);
        let arg = arg.get(..limits::HTTP_FIELD_BYTES_MAX).unwrap_or(arg);
        if word.is_empty() {
            return;
        }
        let secret = matches!(verb.as_str(), "PASS" | "ACCT").then(|| SecretBuf::new(arg));
        if let Some(secret) = &secret {
            self.secret = Some(secret.clone());
        }
        if verb.as_str() == "USER" {
            self.user = arg.to_vec();
        }
        let endpoint = match verb.as_str() {
            "PORT" => six_numbers(arg),
            "EPRT" => extended(arg, Addr::UNSPECIFIED),
            _ => None,
        };
        let data = endpoint.map(|endpoint| DataChannel { endpoint, listener: dir });
        let pending = Pending {
            verb,
            user: if secret.is_some() { self.user.clone() } else { Vec::new() },
            arg: if secret.is_some() { Vec::new() } else { arg.to_vec() },
            secret,
            at: (cx.ts, cx.packet),
            data,
            code: None,
            reply: Vec::new(),
            reply_packet: None,
        };
        if data.is_some() {
            self.channel = data;
            announce(cx, pending.at, data, None, emit);
        }
        // Its name is known before the first byte of it comes: the announcement is made again with it.
        if matches!(verb.as_str(), "RETR" | "STOR" | "APPE")
            && let Some(data) = self.channel.take().filter(|_| is_settings_file(arg))
        {
            announce(cx, pending.at, Some(data), Some(arg), emit);
        }
        if self.pending.len() >= limits::FTP_PENDING_MAX
            && let Some(oldest) = self.pending.pop_front()
        {
            cx.limit_hit();
            self.finish(&oldest, emit);
        }
        self.pending.push_back(pending);
    }

    fn reply_line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let head = reply_head(line);
        let last = match (self.multi, head) {
            (Some(multi), Some((code, false))) => code == multi,
            (Some(_), _) => false,
            (None, Some((code, more))) => {
                self.reply.clear();
                self.multi = more.then_some(code);
                !more
            }
            // Neither a reply nor within one: some servers forget the number, so the next reply
            // belongs to a later command.
            (None, None) => {
                self.replies_lost |= !line.is_empty();
                return;
            }
        };
        let is_head = head.is_some_and(|(code, _)| self.multi.is_none_or(|m| m == code));
        let shown = if is_head { line.get(4..).unwrap_or_default() } else { line }.trim_ascii();
        if !shown.is_empty() && self.reply.len() + shown.len() < REPLY_BYTES_MAX {
            if !self.reply.is_empty() {
                self.reply.push(b' ');
            }
            self.reply.extend_from_slice(shown);
        }
        if let (true, Some((code, _))) = (last, head) {
            self.multi = None;
            self.reply(cx, dir, code, emit);
        }
    }

    fn reply(&mut self, cx: Cx<'_>, dir: Direction, code: u16, emit: Emit<'_>) {
        let text = std::mem::take(&mut self.reply);
        if std::mem::take(&mut self.replies_lost) {
            while self.pending.len() > 1
                && let Some(missed) = self.pending.pop_front()
            {
                self.finish(&missed, emit);
            }
        }
        let server_ip = if dir == Direction::Resp { cx.flow.resp_ip } else { cx.flow.orig_ip };
        let endpoint = match code {
            227 => six_numbers(&text),
            // In EPSV the address is that of the control connection (RFC 2428, section 3).
            229 => text.split(|c| *c == b'(').nth(1).and_then(|t| extended(t, server_ip)),
            _ => None,
        };
        let data = endpoint.map(|endpoint| DataChannel { endpoint, listener: dir });
        if data.is_some() {
            self.channel = data;
            announce(cx, (cx.ts, cx.packet), data, None, emit);
        }
        if matches!(code, 120 | 220) && !self.greeted && self.pending.iter().all(|p| p.code.is_none()) {
            self.greeted = true;
            // A client that does not wait for the greeting has commands waiting here already.
            let first = self.pending.is_empty() || self.pending.front().is_some_and(|p| p.verb.as_str() == "USER");
            if first {
                let (reply_text, reply_code, greets) = (&*text, Some(code), Some(dir));
                emit(Event { reply_text, reply_code, greets, row: true, ..blank((cx.ts, cx.packet)) });
                return;
            }
        }
        let Some(mut command) = self.pending.pop_front() else {
            self.tls |= code == 234;
            return;
        };
        command.code = Some(code);
        command.reply = text;
        command.reply_packet = Some(cx.packet);
        command.data = data.or(command.data);
        if code < 200 {
            self.pending.push_front(command);
            return;
        }
        match (command.verb.as_str(), code) {
            ("AUTH", 234) => self.tls = true,
            // Some servers ask for more where TLS needs no more (RFC 4217, section 4.1), and clients begin it.
            ("AUTH", 334) if is_tls(&command.arg) => self.tls = true,
            ("AUTH", 334) => self.tokens.agreed = true,
            // The exchange is complete, and what follows is protected; or it failed, and goes on in clear.
            ("ADAT", 232..=235) => {
                self.tls = true;
                if self.tokens.tls {
                    emit(Event { auth_tls: Some(true), ..blank(command.at) });
                }
            }
            ("ADAT", 400..) => self.tokens.agreed = false,
            _ => {}
        }
        self.finish(&command, emit);
    }

    /// Emits a command with what is known of the reply.
    fn finish(&self, command: &Pending, emit: Emit<'_>) {
        let verb = command.verb.as_str();
        let user = match verb {
            "USER" => &command.arg,
            "PASS" | "ACCT" => &command.user,
            _ => &self.user,
        };
        let user = Some(user.as_slice()).filter(|u| !u.is_empty());
        let success = command.code.and_then(|code| match code {
            200..=299 => Some(true),
            400..=599 => Some(false),
            _ => None,
        });
        let asks_no_password = verb == "USER" && success.is_some();
        let login = (command.secret.is_some() || asks_no_password).then(|| Login {
            ts: command.at.0,
            packet: command.at.1,
            mechanism: if verb == "ACCT" { "acct" } else { "login" },
            username: user,
            secret: command.secret.as_ref().map(|s| s.borrow()),
            secret_kind: SecretKind::Password,
            proof: None,
            success,
        });
        if !command.verb.tells() {
            return;
        }
        emit(Event {
            at: command.at,
            command: verb,
            arg: Some(command.arg.as_slice()).filter(|a| !a.is_empty()),
            reply_code: command.code,
            reply_text: &command.reply,
            username: user,
            reply_packet: command.reply_packet,
            data: command.data,
            file: None,
            auth_tls: match (verb, command.code) {
                ("AUTH", Some(334)) => is_tls(&command.arg).then_some(true),
                ("AUTH", None) => None,
                ("AUTH", Some(code)) => Some(code == 234),
                _ => None,
            },
            login,
            known_secret: self.secret.as_ref().map(|s| s.borrow()),
            greets: None,
            row: true,
        });
    }
}

/// A greeting without what makes each one another: who else is there, and the time.
fn steady(greeting: &[u8]) -> &[u8] {
    let counts = [&b" You are user number"[..], b" Local time is now"];
    let end = counts.iter().filter_map(|words| memchr::memmem::find(greeting, words)).min();
    without_clock(greeting.get(..end.unwrap_or(greeting.len())).unwrap_or(greeting)).trim_ascii()
}

/// An argument without what may be a secret in it: of SITE, which servers extend as they like
/// (`SITE PSWD old new`), only the first word; of a user name the password in it; of an address its user
/// information.
fn harmless<'a>(command: &str, arg: &'a [u8]) -> Cow<'a, [u8]> {
    let (word, rest) = text::word(arg);
    if command == "SITE" && !rest.is_empty() {
        return [word, b" ", BLANK.as_bytes()].concat().into();
    }
    if command == "USER" {
        return secret::user(arg);
    }
    blanked(arg)
}

/// An event that says nothing but when.
pub(crate) const fn blank<'e>(at: (Timestamp, u64)) -> Event<'e> {
    Event {
        at,
        command: "",
        arg: None,
        reply_code: None,
        reply_text: &[],
        username: None,
        reply_packet: None,
        data: None,
        file: None,
        auth_tls: None,
        login: None,
        known_secret: None,
        greets: None,
        row: false,
    }
}

/// Tells of a data connection, and of the file that it carries where that is known. Behind address
/// translation a side names an address that the other one cannot reach; both ends then use the one that the
/// control connection has, so that is told too.
fn announce(cx: Cx<'_>, at: (Timestamp, u64), data: Option<DataChannel>, file: Option<&[u8]>, emit: Emit<'_>) {
    let Some(data) = data else { return };
    emit(Event { data: Some(data), file, ..blank(at) });
    let ip = if data.listener == Direction::Orig { cx.flow.orig_ip } else { cx.flow.resp_ip };
    if data.endpoint.ip != ip {
        let data = DataChannel { endpoint: Endpoint { ip, ..data.endpoint }, ..data };
        emit(Event { data: Some(data), file, ..blank(at) });
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
    (100..=699).contains(&code).then_some((code, more))
}

impl AppParser for Ftp {
    const SPEC: Spec = Spec {
        name: "ftp",
        title: "FTP",
        transports: &[Transport::Tcp],
        ports: &[21],
        reference: "RFC 959, RFC 2428, RFC 4217",
        table: Some(&TABLE),
        wraps_tls: true,
        yields: "logins, commands and file names, banners, data connections, AUTH TLS, the TLS of GridFTP's tokens",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        probe(payload)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let token = self.tokens.line(cx, dir, rest);
            if token == Some(None) {
                return Progress::Partial { consumed: used, needed: rest.len() + 1 };
            }
            let Some(lines) = self.lines.get_mut(dir.index()) else { return Progress::Finished };
            let next = match token.flatten() {
                // What it says as a line is in its front.
                Some(len) => {
                    lines.restart();
                    Line::Whole(rest.get(..len.min(9)).unwrap_or_default(), len)
                }
                None => lines.next(rest),
            };
            match next {
                Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Line::Rest(n) => used += n,
                Line::Whole(line, n) => {
                    used += n;
                    // The side that numbers its lines is the server, whoever was seen first.
                    let server =
                        *self.server.get_or_insert_with(|| if reply_head(line).is_some() { dir } else { dir.other() });
                    if dir == server {
                        self.reply_line(cx, dir, line, emit);
                    } else {
                        self.command(cx, dir, line, emit);
                    }
                    if self.tls {
                        return Progress::Finished;
                    }
                }
            }
        }
    }

    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        std::mem::take(&mut self.tokens.found)
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let Some(lines) = self.lines.get_mut(dir.index()) {
            lines.resync();
        }
        if self.server != Some(dir.other()) {
            self.multi = None;
            self.replies_lost = true;
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if !rest.is_empty() && !self.tls {
            // The last line may lack its end.
            match self.server {
                Some(server) if server == dir => self.reply_line(cx, dir, rest, emit),
                Some(_) => self.command(cx, dir, rest, emit),
                None => {}
            }
        }
        // No reply comes once the server has closed; otherwise wait for it.
        if self.server == Some(dir) || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            for command in std::mem::take(&mut self.pending) {
                self.finish(&command, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::{Event as _, FlowView, LimitCount};
    use crate::proto::testing::{Script, flow};

    #[test]
    fn the_greeting_is_said_of_the_server_without_what_changes() {
        for (line, told) in [
            ("220 ProFTPD 1.3.5 Server (nas) [192.0.2.7]\r\n", &["banner=ProFTPD 1.3.5 Server (nas) [192.0.2.7]"][..]),
            (
                "220-Welcome to Pure-FTPd.\r\n220-You are user number 3 of 50 allowed.\r\n220 Bye\r\n",
                &["banner=Welcome to Pure-FTPd."],
            ),
            ("220 x FTP server ready at Mon Nov 23 10:00:00 2026\r\n", &["banner=x FTP server ready"]),
            ("421 No more\r\n", &[]),
        ] {
            assert_eq!(crate::proto::testing::facts_of::<Ftp>(Direction::Resp, line.as_bytes()), told, "{line}");
        }
    }

    #[test]
    fn secrets_leave_by_no_side_door() {
        let shown = |command, arg: &'static [u8]| String::from_utf8(harmless(command, arg).into_owned()).unwrap();
        assert_eq!(shown("SITE", b"PSWD old new"), "PSWD [blanked]");
        assert_eq!(shown("SITE", b"HELP"), "HELP");
        assert!(!shown("STOR", b"ftp://u:hunter2@h/x").contains("hunter2"));
    }

    #[test]
    fn tokens_of_tls_are_taken_out_and_a_failed_exchange_goes_on_in_clear() {
        let view = FlowView { transport: Transport::Tcp, ..flow() };
        let limited = LimitCount::default();
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &view, limited: &limited };
        let mut parser = Ftp::default();
        let mut play = |dir, bytes: &[u8]| {
            let mut upgraded = false;
            let progress = parser.on_data(cx, dir, bytes, &mut |e| upgraded |= e.upgrades());
            (progress, upgraded, parser.take_wrapped().into_iter().map(|w| w.bytes).collect::<Vec<_>>())
        };
        play(Direction::Resp, b"220 GridFTP Server ready.\r\n");
        assert!(play(Direction::Orig, b"ADAT FgMBAAEB\r\n").2.is_empty(), "nothing was agreed on");
        play(Direction::Resp, b"503 no\r\n");
        play(Direction::Orig, b"AUTH GSSAPI\r\n");
        assert_eq!(play(Direction::Resp, b"334 ADAT must follow.\r\n"), (Progress::Done, false, vec![]));
        // A token of 6000 bytes in two pieces: longer than other lines.
        let long = [&b"ADAT FgMB"[..], &[b'A'; 8000], b"\r\n"].concat();
        assert!(matches!(play(Direction::Orig, &long[..4000]).0, Progress::Partial { consumed: 0, .. }));
        let whole = play(Direction::Orig, &long);
        assert_eq!((whole.0, whole.2[0].len()), (Progress::Done, 6003));
        let answer = play(Direction::Resp, b"335 ADAT=FgMBAAEC\r\n");
        assert_eq!(answer.2, [b"\x16\x03\x01\0\x01\x02".to_vec()]);
        play(Direction::Orig, b"ADAT FwMBAAEC\r\n");
        assert_eq!(play(Direction::Resp, b"235 Authentication successful.\r\n"), (Progress::Finished, true, vec![]));
        let seen = Script::new()
            .resp("220 ftp\r\n")
            .orig("AUTH GSSAPI\r\n")
            .resp("334 go on\r\n")
            .orig("ADAT YIIB\r\n")
            .resp("535 Failed\r\n")
            .orig("USER ana\r\n")
            .resp("331 password\r\n")
            .orig("PASS hunter22\r\n")
            .resp("230 in\r\n")
            .any_chunking::<Ftp>();
        assert_eq!(seen.cells("command"), ["-", "AUTH", "USER", "PASS"]);
        assert_eq!(seen.logins.len(), 1);
    }

    #[test]
    fn a_session() {
        let seen = Script::new()
            .resp("220-Welcome to\r\n220 ProFTPD Server\r\n")
            .orig("USER alice\r\n")
            .resp("331 Password required\r\n")
            .orig("PASS hunter2\r\n")
            .resp("230 Logged in\r\n")
            .orig("TYPE I\r\n")
            .resp("200 ok\r\n")
            .orig("PASV\r\n")
            .resp("227 Entering Passive Mode (198,51,100,2,4,210).\r\n")
            .orig("RETR secret.txt\r\n")
            .resp("150 Opening\r\n226 Done\r\n")
            .orig("QUIT\r\n")
            .any_chunking::<Ftp>();
        assert_eq!(seen.cells("command"), ["-", "USER", "PASS", "PASV", "RETR"]);
        assert_eq!(seen.cells("arg"), ["-", "alice", "[blanked]", "-", "secret.txt"]);
        assert_eq!(seen.cells("reply_code"), ["220", "331", "230", "227", "226"]);
        assert_eq!(seen.cells("reply_text")[0], "Welcome to ProFTPD Server");
        assert_eq!(seen.cells("username"), ["-", "alice", "alice", "alice", "alice"]);
        assert_eq!(seen.cells("data_ip")[3], "198.51.100.2");
        assert_eq!(seen.cells("data_port")[3], "1234");
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("packet: 4"));
        assert!(!format!("{seen:?}").contains("hunter2"));
        assert!(seen.events.iter().any(|e| e.contains("listener: Resp") && e.contains("row: false")));
    }

    #[test]
    fn logins_that_fail_or_get_no_answer() {
        let seen = Script::new()
            .orig("USER bro\r\nPASS a\r\n")
            .resp("220 ready\r\n331 pw\r\n530 no\r\n")
            .orig("USER bro\r\n")
            .resp("331 pw\r\n")
            .orig("pass b\r\n")
            .any_chunking::<Ftp>();
        let results: Vec<_> = seen.logins.iter().map(|l| l.split("success: ").nth(1).unwrap()).collect();
        assert_eq!(results, ["Some(false) }", "None }"]);
    }

    #[test]
    fn tls_ends_the_reading() {
        let seen = Script::new()
            .resp("220 ftp\r\n")
            .orig("AUTH TLS\r\n")
            .resp("234 go\r\n")
            .orig(b"\x16\x03\x01\x00\x05hello\n")
            .any_chunking::<Ftp>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert!(seen.events.last().unwrap().contains("auth_tls: Some(true)"));
        let seen = Script::new().resp("220 ftp\r\n").orig("AUTH TLS\r\n").resp("502 no\r\n").any_chunking::<Ftp>();
        assert!(seen.events.last().unwrap().contains("auth_tls: Some(false)"));
        // Not the number that is meant for it, but TLS follows.
        let more = Script::new().resp("220 ftp\r\n").orig("auth tls\r\n").resp("334 AUTH TLS OK\r\n");
        let seen = more.any_chunking::<Ftp>();
        assert!(seen.events.last().unwrap().contains("auth_tls: Some(true)"));
        assert!(seen.stopped.is_some(), "the stream is handed on");
    }

    #[test]
    fn announced_data_connections() {
        let seen = Script::new()
            .orig("EPSV\r\nPORT 192,0,2,1,200,1\r\n")
            .resp("229 Entering (|||4321|)\r\n200 ok\r\n")
            .any_chunking::<Ftp>();
        assert_eq!(seen.cells("data_port"), ["4321", "51201"]);
        assert_eq!(seen.cells("data_ip"), ["198.51.100.2", "192.0.2.1"]);
    }

    #[test]
    fn data_behind_address_translation_is_announced_at_both_addresses() {
        let events = Script::new().orig("PORT 10,9,8,7,200,1\r\n").resp("200 ok\r\n").any_chunking::<Ftp>().events;
        let announced: Vec<_> = events.iter().filter(|e| e.contains("row: false")).collect();
        assert_eq!(announced.len(), 2, "{announced:?}");
        let flow = crate::proto::testing::flow();
        assert!(announced[1].contains(&format!("{:?}", flow.orig_ip)), "{announced:?}");
    }

    #[test]
    fn a_password_in_the_user_name_is_shown_nowhere() {
        for (user, want) in
            [("joe:hunter2", "joe:[blanked]"), ("joe:hunter2@198.51.100.2", "joe:[blanked]@198.51.100.2")]
        {
            let seen = Script::new()
                .resp("220 x\r\n")
                .orig(format!("USER {user}\r\n"))
                .resp(format!("331 Password required for {user}\r\n"))
                .orig("PASS x\r\n")
                .resp("230 in\r\n")
                .any_chunking::<Ftp>();
            assert_eq!((seen.cells("arg")[1].as_str(), seen.cells("username")[2].as_str()), (want, want));
            assert_eq!(seen.cells("reply_text")[1], format!("Password required for {want}"));
        }
        let greeting = Script::new().resp("220 your password is hunter2\r\n").any_chunking::<Ftp>();
        assert_eq!(greeting.cell("reply_text"), "your password is [blanked]");
    }

    #[test]
    fn a_configuration_file_is_announced_by_its_name() {
        use crate::proto::api::Event as _;
        let seen = |name: &str| {
            let session = Script::new()
                .orig("PASV\r\n")
                .resp("227 Entering (198,51,100,2,4,210)\r\n")
                .orig(format!("RETR {name}\r\n"))
                .orig(format!("RETR {name}\r\n"));
            let events = session.any_chunking::<Ftp>().events;
            events.iter().filter(|e| e.contains("row: false") && e.contains("file: Some")).count()
        };
        assert_eq!(seen("conf/805ec01f3041.cfg"), 1, "one connection carries one file");
        assert_eq!(seen("photo.jpg"), 0);
        let data = Some(DataChannel {
            endpoint: Endpoint { ip: Addr::v4([198, 51, 100, 2]), port: 1234 },
            listener: Direction::Resp,
        });
        let mut told = Vec::new();
        for file in [None, Some(&b"a.cfg"[..])] {
            let event = Event { data, file, ..blank((Timestamp(0), 1)) };
            event.announces(&mut |a| told.push((a.carries, a.words.to_vec())));
        }
        assert_eq!(told, [(Carries::Named("ftp-data"), vec![]), (Carries::Protocol("ftp-data"), b"a.cfg".to_vec())]);
    }

    #[test]
    fn an_endless_line_and_a_thousand_commands_are_bounded() {
        let long = vec![b'x'; 100_000];
        let seen =
            Script::new().orig(&long).orig("\r\nUSER a\r\n").resp("500 long\r\n331 pw\r\n").any_chunking::<Ftp>();
        assert_eq!(seen.cells("command"), ["USER"]);
        assert_eq!(seen.cells("reply_code"), ["331"], "the long line took the reply that was its own");
        let many = "DELE x\r\n".repeat(1000);
        assert_eq!(Script::new().orig(many).any_chunking::<Ftp>().rows.len(), 1000);
    }

    #[test]
    fn replies_after_a_gap_belong_to_the_last_command() {
        let seen = Script::new()
            .resp("220 x\r\n")
            .orig("USER a\r\n")
            .gap(Direction::Resp, 20)
            .orig("PASS b\r\n")
            .resp("tail of something\r\n230 in\r\n")
            .any_chunking::<Ftp>();
        assert_eq!(seen.cells("reply_code"), ["220", "-", "230"]);
    }

    #[test]
    fn flipped_flows_are_read_by_what_they_say() {
        let seen = Script::new().orig("220 x\r\n").resp("USER a\r\n").orig("331 pw\r\n").any_chunking::<Ftp>();
        assert_eq!(seen.cells("command"), ["-", "USER"]);
    }
}

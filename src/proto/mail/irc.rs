//! IRC (RFC 1459, RFC 2812, and the capabilities of IRCv3): the password of the connection, SASL, OPER,
//! and what is sent to the services that keep accounts (NickServ and its like).

use std::collections::VecDeque;

use super::sasl::Exchange;
use super::session::{Emit, Event, Watch, host_name, tell_fact, tell_login};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, Spec, Transport};
use crate::proto::text::{self, Line, Lines};

/// A login that waits for its answer.
struct Waiting {
    mechanism: &'static str,
    user: Vec<u8>,
    secret: SecretBuf,
    at: (Timestamp, u64),
}

impl std::fmt::Debug for Waiting {
    /// Without what it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.mechanism)
    }
}

/// Follows one connection.
#[derive(Default)]
pub struct Irc {
    lines: [Lines; 2],
    /// The side that serves, once a line has told.
    server: Option<Direction>,
    nick: Vec<u8>,
    user: Vec<u8>,
    /// PASS, until the server welcomes the client or turns it away.
    pass: Option<Waiting>,
    /// OPER and what was said to services, in order.
    waiting: VecDeque<Waiting>,
    exchange: Option<Box<Exchange>>,
    /// Parts of an answer or a challenge, which come in pieces of 400 bytes.
    pieces: [Vec<u8>; 2],
    wants_tls: bool,
    watch: Watch,
    ended: bool,
    over: bool,
}

impl std::fmt::Debug for Irc {
    /// Without what it keeps: pieces of a login may be among it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Irc").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A message taken apart (RFC 1459, section 2.3.1).
struct Message<'a> {
    prefix: &'a [u8],
    command: &'a [u8],
    /// The parameters as they stand in the line.
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn new(line: &'a [u8]) -> Self {
        // Tags of IRCv3 come first.
        let line = if line.first() == Some(&b'@') { text::word(line).1 } else { line };
        let (prefix, line) = match line.strip_prefix(b":") {
            Some(rest) => text::word(rest),
            None => (&[][..], line),
        };
        let (command, rest) = text::word(line);
        Self { prefix, command, rest }
    }

    fn is(&self, name: &str) -> bool {
        self.command.eq_ignore_ascii_case(name.as_bytes())
    }

    fn param(&self, n: usize) -> &'a [u8] {
        let mut rest = self.rest;
        for i in 0..=n {
            if let Some(last) = rest.strip_prefix(b":") {
                return if i == n { last } else { &[] };
            }
            let (word, tail) = text::word(rest);
            if i == n {
                return word;
            }
            rest = tail;
        }
        &[]
    }
}

/// Longest piece of a SASL message; one of this length is gone on with.
const PIECE_BYTES: usize = 400;

impl Irc {
    fn nick(&self) -> Vec<u8> {
        if self.nick.is_empty() { self.user.clone() } else { self.nick.clone() }
    }

    /// The whole of a SASL message, once its last piece is there.
    fn piece(&mut self, dir: Direction, piece: &[u8]) -> Option<Vec<u8>> {
        let kept = self.pieces.get_mut(dir.index())?;
        if piece != b"+" && kept.len() + piece.len() <= limits::SECRET_BYTES_MAX * 4 {
            kept.extend_from_slice(piece);
        }
        (piece.len() < PIECE_BYTES).then(|| std::mem::take(kept))
    }

    fn client_line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        let message = Message::new(line);
        let cut = |b: &[u8]| b.get(..255).unwrap_or(b).to_vec();
        if message.is("PASS") {
            self.give_up_pass(None, emit);
            let secret = SecretBuf::new(message.param(0));
            self.pass = Some(Waiting { mechanism: "pass", user: Vec::new(), secret, at });
        } else if message.is("NICK") {
            self.nick = cut(message.param(0));
        } else if message.is("USER") {
            self.user = cut(message.param(0));
        } else if message.is("OPER") {
            let (user, secret) = (cut(message.param(0)), SecretBuf::new(message.param(1)));
            self.wait(cx, Waiting { mechanism: "oper", user, secret, at }, emit);
        } else if message.is("AUTHENTICATE") {
            self.authenticate(dir, message.param(0), at);
        } else if message.is("STARTTLS") {
            self.wants_tls = true;
        } else if message.is("PRIVMSG") || message.is("SQUERY") {
            let target = message.param(0).split(|c| matches!(c, b'@' | b'!')).next().unwrap_or_default();
            if is_service(target) {
                self.ask_service(cx, message.param(1), emit);
            } else {
                self.watch.in_clear("chat", at, emit);
            }
        } else if is_service(message.command) {
            self.ask_service(cx, message.rest.strip_prefix(b":").unwrap_or(message.rest), emit);
        } else if message.is("IDENTIFY") {
            self.ask_service(cx, line, emit);
        } else if message.is("NOTICE") {
            // The answer to a question after the program (CTCP VERSION).
            if let Some(version) = message.param(1).strip_prefix(b"\x01VERSION ") {
                let program = version.split(|c| *c == 1).next().unwrap_or_default();
                tell_fact(dir, "user-agent", &cut(program), at, emit);
            }
        } else if message.is("JOIN") {
            self.watch.in_clear("chat", at, emit);
        }
    }

    fn authenticate(&mut self, dir: Direction, said: &[u8], at: (Timestamp, u64)) {
        match &mut self.exchange {
            Some(exchange) if said == b"*" => exchange.answer(b"*", at),
            Some(_) => {
                if let Some(answer) = self.piece(dir, said)
                    && let Some(exchange) = &mut self.exchange
                {
                    exchange.answer(&answer, at);
                }
            }
            None => {
                self.exchange = Some(Box::new(Exchange::new(said, at)));
                self.pieces = Default::default();
            }
        }
    }

    /// A login with a service that keeps accounts.
    fn ask_service(&mut self, cx: Cx<'_>, said: &[u8], emit: Emit<'_>) {
        let (verb, rest) = text::word(said.trim_ascii());
        let (first, rest) = text::word(rest);
        let second = text::word(rest).0;
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        let (user, secret) = if is("REGISTER") {
            (&[][..], first)
        } else if is("IDENTIFY") || is("SIDENTIFY") || is("ID") || is("AUTH") || is("LOGIN") || is("GHOST") {
            if second.is_empty() { (&[][..], first) } else { (first, second) }
        } else {
            return;
        };
        if secret.is_empty() {
            return;
        }
        let user = if user.is_empty() { self.nick() } else { user.to_vec() };
        let waiting = Waiting { mechanism: "identify", user, secret: SecretBuf::new(secret), at: (cx.ts, cx.packet) };
        self.wait(cx, waiting, emit);
    }

    fn wait(&mut self, cx: Cx<'_>, waiting: Waiting, emit: Emit<'_>) {
        if self.waiting.len() >= limits::MAIL_PENDING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            cx.limit_hit();
            self.tell(&oldest, None, emit);
        }
        self.waiting.push_back(waiting);
    }

    /// The server has answered a login by this mechanism.
    fn answered(&mut self, mechanism: &str, success: bool, emit: Emit<'_>) {
        let place = self.waiting.iter().position(|w| w.mechanism == mechanism);
        if let Some(waiting) = place.and_then(|p| self.waiting.remove(p)) {
            self.tell(&waiting, Some(success), emit);
        }
    }

    fn give_up_pass(&mut self, success: Option<bool>, emit: Emit<'_>) {
        if let Some(mut pass) = self.pass.take() {
            // Servers that know their users by name take it from USER; some know only nicknames.
            pass.user = if self.user.is_empty() { self.nick.clone() } else { self.user.clone() };
            self.tell(&pass, success, emit);
        }
    }

    fn give_up_exchange(&mut self, success: Option<bool>, emit: Emit<'_>) {
        if let Some(exchange) = self.exchange.take()
            && let Some(login) = exchange.login(success)
        {
            tell_login(login, &mut self.watch, emit);
        }
    }

    fn tell(&mut self, waiting: &Waiting, success: Option<bool>, emit: Emit<'_>) {
        let login = Login {
            mechanism: waiting.mechanism,
            username: Some(waiting.user.as_slice()).filter(|u| !u.is_empty()),
            secret: Some(waiting.secret.borrow()),
            success,
            ..Login::at(waiting.at)
        };
        tell_login(login, &mut self.watch, emit);
    }

    fn server_line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        let message = Message::new(line);
        match text::decimal(message.command) {
            Some(1) => {
                if self.nick.is_empty() {
                    self.nick = message.param(0).to_vec();
                }
                self.give_up_pass(Some(true), emit);
                self.watch.in_clear("chat", at, emit);
            }
            Some(4) => {
                if let Some(name) = host_name(message.param(1)).filter(|n| n.contains(&b'.')) {
                    tell_fact(dir, "hostname", name, at, emit);
                }
                tell_fact(dir, "server", message.param(2), at, emit);
            }
            Some(381) => self.answered("oper", true, emit),
            Some(491) => self.answered("oper", false, emit),
            // A wrong password, of OPER or of the connection.
            Some(464) if self.waiting.iter().any(|w| w.mechanism == "oper") => self.answered("oper", false, emit),
            Some(464) => self.give_up_pass(Some(false), emit),
            Some(900) if self.exchange.is_none() => self.answered("identify", true, emit),
            Some(903) => self.give_up_exchange(Some(true), emit),
            Some(902 | 904..=906) => self.give_up_exchange(Some(false), emit),
            Some(670 | 691) if self.wants_tls => {
                self.wants_tls = false;
                let agreed = message.command == b"670";
                self.watch.answered(agreed, at, emit);
                self.over = agreed;
            }
            _ if message.is("AUTHENTICATE") => {
                if let Some(challenge) = self.piece(dir, message.param(0))
                    && let Some(exchange) = &mut self.exchange
                {
                    exchange.challenge(&challenge);
                }
            }
            _ if message.is("CAP") => {
                let list = message.rest;
                if list.split(|c| matches!(c, b' ' | b':')).any(|c| c == b"tls") {
                    self.watch.offered();
                }
            }
            _ if message.is("NOTICE") => {
                let from = message.prefix.split(|c| matches!(c, b'!' | b'@')).next().unwrap_or_default();
                if is_service(from) && !self.waiting.is_empty() {
                    self.service_says(message.param(1), emit);
                }
            }
            _ if message.is("ERROR") && text::contains(message.rest, b"password") => {
                self.give_up_pass(Some(false), emit);
            }
            _ => {}
        }
    }

    /// What a service says to a login, in words that differ from network to network.
    fn service_says(&mut self, said: &[u8], emit: Emit<'_>) {
        let any = |words: &[&[u8]]| words.iter().any(|w| text::contains(said, w));
        if any(&[b"incorrect", b"invalid", b"fail", b"denied", b"isn't registered", b"not registered", b"wrong"]) {
            self.answered("identify", false, emit);
        } else if any(&[b"now identified", b"now recognized", b"accepted", b"now logged in", b"successful"]) {
            self.answered("identify", true, emit);
        }
    }
}

/// Whether a name is that of a service that keeps accounts.
fn is_service(name: &[u8]) -> bool {
    const SERVICES: [&str; 9] = ["nickserv", "ns", "authserv", "as", "userserv", "q", "x", "nickop", "sasl-login"];
    SERVICES.iter().any(|s| s.as_bytes().eq_ignore_ascii_case(name))
}

impl AppParser for Irc {
    const SPEC: Spec = Spec {
        name: "irc",
        title: "IRC",
        transports: &[Transport::Tcp],
        ports: &[6667, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6668, 6669, 194],
        reference: "RFC 1459, RFC 2812",
        yields: "logins (PASS, SASL, OPER, services), name and software of the server, program of the client",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            None => Probe::NeedMore,
            Some(b':' | b'@') => probe_server(payload),
            Some(c) if b"NnUuPpCcJjEeAa".contains(c) => probe_line(payload),
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
            let Some(lines) = self.lines.get_mut(dir.index()) else { return Progress::Finished };
            match lines.next(rest) {
                Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Line::Rest(n) => used += n,
                Line::Whole(line, n) => {
                    used += n;
                    if line.len() >= limits::LINE_BYTES_MAX {
                        cx.limit_hit();
                    }
                    self.line(cx, dir, line, emit);
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
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if !rest.is_empty() && !self.over {
            self.line(cx, dir, rest.strip_suffix(b"\r").unwrap_or(rest), emit);
        }
        if self.server == Some(dir) || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            self.give_up_pass(None, emit);
            self.give_up_exchange(None, emit);
            for waiting in std::mem::take(&mut self.waiting) {
                self.tell(&waiting, None, emit);
            }
        }
    }
}

impl Irc {
    fn line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        if self.server.is_none() {
            let message = Message::new(line);
            let of_client = ["NICK", "USER", "PASS", "CAP", "JOIN", "PRIVMSG", "PONG"].iter().any(|c| message.is(c));
            match (message.prefix.is_empty(), of_client) {
                (false, _) => self.server = Some(dir),
                (true, true) => self.server = Some(dir.other()),
                // The usual way round, until a line tells.
                (true, false) => {}
            }
        }
        if self.server.unwrap_or(Direction::Resp) == dir {
            self.server_line(cx, dir, line, emit);
        } else {
            self.client_line(cx, dir, line, emit);
        }
    }
}

/// Judges a line with a prefix (RFC 1459, section 2.3.1), as servers send it.
fn probe_server(payload: &[u8]) -> Probe {
    /// A prefix and the tags before it may be longer than most lines.
    const WINDOW: usize = 1024;
    let window = payload.get(..WINDOW).unwrap_or(payload);
    let needs_more = if window.len() < WINDOW { Probe::NeedMore } else { Probe::No };
    if !text::is_text(window) {
        return Probe::No;
    }
    let mut rest = window;
    if rest.first() == Some(&b'@') {
        let Some((tags, tail)) = text::split_once(rest, b' ') else {
            return if rest.contains(&b'\n') { Probe::No } else { needs_more };
        };
        if tags.contains(&b'\n') || !tail.is_empty() && tail.first() != Some(&b':') {
            return Probe::No;
        }
        rest = tail;
    }
    let Some((prefix, rest)) = text::split_once(rest, b' ') else {
        return if rest.contains(&b'\n') { Probe::No } else { needs_more };
    };
    if prefix.len() < 3 || prefix.contains(&b'\n') {
        return Probe::No;
    }
    let Some((command, rest)) = text::split_once(rest, b' ') else {
        return if rest.len() > 12 || rest.contains(&b'\n') { Probe::No } else { needs_more };
    };
    const COMMANDS: [&[u8]; 10] =
        [b"NOTICE", b"PRIVMSG", b"MODE", b"JOIN", b"PART", b"QUIT", b"NICK", b"CAP", b"TOPIC", b"KICK"];
    let numeric = command.len() == 3 && command.iter().all(u8::is_ascii_digit);
    if !numeric && !COMMANDS.contains(&command) {
        return Probe::No;
    }
    if rest.is_empty() { needs_more } else { Probe::Yes }
}

/// Judges lines without a prefix.
fn probe_line(payload: &[u8]) -> Probe {
    for line in payload.split_inclusive(|c| *c == b'\n').take(4) {
        let whole = line.ends_with(b"\n");
        if !text::is_text(line) {
            return Probe::No;
        }
        let (command, rest) = text::word(line.trim_ascii_end());
        let is = |name: &str| command.eq_ignore_ascii_case(name.as_bytes());
        if command.len() > 12 {
            return Probe::No;
        }
        if !whole {
            return if line.len() < 512 { Probe::NeedMore } else { Probe::No };
        }
        let (first, tail) = text::word(rest);
        let trailing = tail.contains(&b':');
        return match command.len() {
            // `USER name mode unused :real name`, where FTP and POP3 have one argument.
            4 if is("USER") => {
                if text::word(text::word(tail).1).1.starts_with(b":")
                    || trailing && tail.iter().filter(|c| **c == b' ').count() >= 2
                {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            4 if is("NICK") => {
                if !first.is_empty() && tail.is_empty() {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            // Other protocols have a password too: what follows tells.
            4 if is("PASS") => continue,
            3 if is("CAP") => {
                let known = ["LS", "REQ", "END", "LIST"].iter().any(|c| c.as_bytes().eq_ignore_ascii_case(first));
                if known { Probe::Yes } else { Probe::No }
            }
            4 if is("JOIN") => {
                if matches!(first.first(), Some(b'#' | b'&')) {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            4 if is("PING") => {
                if first.starts_with(b":") {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            6 if is("NOTICE") => {
                let who = [&b"AUTH"[..], b"*"].contains(&first);
                if who && tail.starts_with(b":") { Probe::Yes } else { Probe::No }
            }
            5 if is("ERROR") => {
                if text::starts_with(rest, b":closing link") {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            7 if is("PRIVMSG") => {
                if tail.starts_with(b":") {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            _ => Probe::No,
        };
    }
    Probe::NeedMore
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::mail::testing::logins;
    use crate::proto::testing::{Script, probe_all};
    use Direction::{Orig, Resp};

    #[test]
    fn a_session() {
        let seen = Script::new()
            .orig("CAP LS 302\r\nPASS opensesame\r\nNICK jo\r\nUSER joe 0 * :Jo E\r\n")
            .resp(":irc.example.com CAP * LS :sasl tls\r\n:irc.example.com NOTICE * :*** Looking up\r\n")
            .resp(":irc.example.com 001 jo :Welcome\r\n:irc.example.com 004 jo irc.example.com InspIRCd-3 BI abc\r\n")
            .orig("@label=1 PRIVMSG NickServ@services. :IDENTIFY jo openaccount\r\nJOIN #a\r\n")
            .resp(":NickServ!s@x NOTICE jo :You are now identified for jo.\r\n")
            .resp(":x!y@z PRIVMSG jo :\x01VERSION\x01\r\n")
            .orig("NOTICE x :\x01VERSION Sample IRC 1.0\x01\r\n")
            .any_chunking::<Irc>();
        assert_eq!(seen.logins.len(), 2);
        assert!(seen.logins.iter().all(|l| l.contains("success: Some(true)")), "{:?}", seen.logins);
        let all = seen.events.join("\n");
        for part in ["\"hostname\"", "\"server\"", "\"user-agent\"", "Upgrade(Unused)", "InClear(\"login\")"] {
            assert_eq!(all.matches(part).count(), 1, "{part}: {all}");
        }
        assert!(!all.contains("opensesame") && !all.contains("openaccount"));
    }

    #[test]
    fn whose_password_it_is() {
        let welcome = (Resp, ":s 001 jo :hi\r\n");
        assert_eq!(
            logins::<Irc>(&[(Orig, "PASS se:cret\r\nNICK jo\r\nUSER joe 0 * :J\r\n"), welcome]),
            ["pass joe se:cret true #1"]
        );
        assert_eq!(logins::<Irc>(&[(Orig, "PASS oauth:x\r\nNICK jo\r\n"), welcome]), ["pass jo oauth:x true #1"]);
        assert_eq!(
            logins::<Irc>(&[(Orig, "PASS x\r\nNICK jo\r\n"), (Resp, ":s 464 jo :Password incorrect\r\n")]),
            ["pass jo x false #1"]
        );
        assert_eq!(logins::<Irc>(&[(Orig, "PASS x\r\nNICK jo\r\n")]), ["pass jo x ? #1"]);
    }

    #[test]
    fn oper_and_services() {
        let of = |said: &str, answer: &str| logins::<Irc>(&[(Orig, "NICK jo\r\n"), (Orig, said), (Resp, answer)]);
        assert_eq!(of("OPER root secret\r\n", ":s 381 jo :You are now an operator\r\n"), ["oper root secret true #2"]);
        assert_eq!(of("OPER root secret\r\n", ":s 464 jo :Password incorrect\r\n"), ["oper root secret false #2"]);
        let notice = ":NickServ!x@y NOTICE jo :Password incorrect.\r\n";
        assert_eq!(of("NICKSERV IDENTIFY secret\r\n", notice), ["identify jo secret false #2"]);
        assert_eq!(of("ns identify acct secret\r\n", notice), ["identify acct secret false #2"]);
        assert_eq!(of("PRIVMSG Q@CServe.quakenet.org :AUTH joe secret\r\n", ":x 1\r\n"), ["identify joe secret ? #2"]);
        assert_eq!(of("PRIVMSG bob :IDENTIFY secret\r\n", notice), Vec::<String>::new());
        assert_eq!(of("PRIVMSG NickServ :HELP\r\n", notice), Vec::<String>::new());
    }

    #[test]
    fn sasl() {
        let begin = [(Orig, "NICK jo\r\nAUTHENTICATE PLAIN\r\n"), (Resp, "AUTHENTICATE +\r\n")];
        let of = |more: &[(Direction, &str)]| logins::<Irc>(&[&begin[..], more].concat());
        assert_eq!(
            of(&[(Orig, "AUTHENTICATE AGpvZQBzZWNyZXQ=\r\n"), (Resp, ":s 900 a b c :x\r\n:s 903 jo :ok\r\n")]),
            ["plain joe secret true #3"]
        );
        assert_eq!(of(&[(Orig, "AUTHENTICATE *\r\n"), (Resp, ":s 906 jo :off\r\n")]), Vec::<String>::new());
        // An answer of 400 bytes and more comes in pieces: "\0joe\0" and 300 times "p".
        let long = format!("AGpvZQBw{}cA==", "cHBw".repeat(99));
        let (first, second) = long.split_at(400);
        let pieces = format!("AUTHENTICATE {first}\r\nAUTHENTICATE {second}\r\n");
        let got = of(&[(Orig, &pieces), (Resp, ":s 904 jo :no\r\n")]);
        assert_eq!(got, [format!("plain joe {} false #3", "p".repeat(299))]);
    }

    #[test]
    fn starttls() {
        let script = |answer: &str| Script::new().orig("CAP LS\r\nSTARTTLS\r\n").resp(answer).any_chunking::<Irc>();
        assert_eq!(script(":s 670 * :go\r\n").stopped, Some(Progress::Finished));
        assert!(script(":s 691 * :no\r\n").events.join(" ").contains("Upgrade(Refused)"));
    }

    #[test]
    fn hostile_input_is_bounded() {
        let many = "OPER a b\r\n".repeat(1000);
        assert_eq!(Script::new().orig("NICK a\r\n").orig(many).run::<Irc>().logins.len(), 1000);
        let pieces = format!("AUTHENTICATE PLAIN\r\n{}", format!("AUTHENTICATE {}\r\n", "A".repeat(400)).repeat(500));
        Script::new().orig(pieces).run::<Irc>();
        let seen = Script::new().orig("NICK a\r\n").gap(Orig, 9).orig("rest\r\nOPER a bcd\r\n").any_chunking::<Irc>();
        assert_eq!(seen.logins.len(), 1);
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Orig, "NICK jo\r\n", Probe::Yes),
            (Orig, "USER joe 0 * :Jo\r\n", Probe::Yes),
            (Orig, "USER joe\r\n", Probe::No),
            (Orig, "PASS x\r\nNICK jo\r\n", Probe::Yes),
            (Orig, "PASS x\r\nSTAT\r\n", Probe::No),
            (Orig, "CAP LS\r\n", Probe::Yes),
            (Orig, "CAPA\r\n", Probe::No),
            (Orig, "JOIN #a\r\n", Probe::Yes),
            (Resp, ":irc.example.com NOTICE * :*** Looking up\r\n", Probe::Yes),
            (Resp, "@time=1 :irc.example.com 001 jo :hi\r\n", Probe::Yes),
            (Resp, ":x y", Probe::No),
            (Resp, ":tree :branch\r\n", Probe::No),
            (Resp, "NOTICE AUTH :*** hi\r\n", Probe::Yes),
            (Resp, "PING :abc\r\n", Probe::Yes),
            (Resp, "PING\r\n", Probe::No),
            (Orig, "POST / HTTP/1.1\r\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Irc>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

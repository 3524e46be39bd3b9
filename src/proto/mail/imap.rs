//! IMAP (RFC 3501, RFC 9051), with AUTHENTICATE (RFC 4959), STARTTLS, literals (RFC 7888) and ID
//! (RFC 2971). Read until a mailbox is opened behind the login: from there on it is only mail.

use std::collections::VecDeque;

use super::imap_words::{Literal, WORDS_MAX, cut, literal, words};
use super::sasl::Exchange;
use super::session::{Emit, Event, Watch, gives_way, host_name, tell_fact, tell_login, without_clock};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, Spec, Transport};
use crate::proto::text::{self, Line, Lines};

/// What a command is, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Login,
    Authenticate,
    StartTls,
    Id,
    /// Tells nothing, and may stand before and behind the login.
    Idle,
    /// Needs a login before it.
    Mailbox,
}

/// A command that is being read.
#[derive(Debug)]
struct Open {
    tag: Vec<u8>,
    verb: Verb,
    words: Vec<Vec<u8>>,
    /// Packet with the last of its words, which is the secret of LOGIN.
    at: (Timestamp, u64),
}

/// A command that waits for its reply.
struct Pending {
    tag: Vec<u8>,
    what: What,
}

enum What {
    Login(Vec<u8>, SecretBuf, (Timestamp, u64)),
    Auth(Box<Exchange>),
    StartTls,
}

impl std::fmt::Debug for Pending {
    /// Without what it says.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

/// Follows one session.
#[derive(Default)]
pub struct Imap {
    lines: [Lines; 2],
    server: Option<Direction>,
    open: Option<Open>,
    /// The literal that comes next in the open command.
    literal: Option<Literal>,
    pending: VecDeque<Pending>,
    /// The last command that needs a login before it: whether one was made is told by its reply.
    mailbox: Option<(Vec<u8>, (Timestamp, u64))>,
    watch: Watch,
    greeted: bool,
    authenticated: bool,
    ended: bool,
    over: bool,
}

impl std::fmt::Debug for Imap {
    /// Without what it keeps: there may be a secret among the words of a command.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imap").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Longest literal that is kept: longer ones are no names and no passwords.
const LITERAL_BYTES_MAX: u64 = limits::SECRET_BYTES_MAX as u64;

impl Imap {
    fn client_line(&mut self, cx: Cx<'_>, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if let Some(Pending { what: What::Auth(exchange), .. }) = self.pending.back_mut()
            && self.open.is_none()
            && exchange.wants(line)
        {
            exchange.answer(line, at);
            return;
        }
        let open = match self.open.take() {
            Some(mut open) => {
                if matches!(open.verb, Verb::Login | Verb::Id) {
                    words(line, &mut open.words);
                }
                Open { at, ..open }
            }
            None => {
                let (tag, rest) = text::word(line);
                let (verb, rest) = text::word(rest);
                if verb.is_empty() {
                    return;
                }
                let mut open = Open { tag: cut(tag), verb: verb_of(verb), words: Vec::new(), at };
                if matches!(open.verb, Verb::Login | Verb::Id | Verb::Authenticate) {
                    words(rest, &mut open.words);
                }
                open
            }
        };
        self.literal = literal(line);
        if self.literal.is_some() {
            self.open = Some(open);
        } else {
            self.command(cx, open, emit);
        }
    }

    /// A command is complete.
    fn command(&mut self, cx: Cx<'_>, open: Open, emit: Emit<'_>) {
        let at = open.at;
        let mut words = open.words.iter();
        let what = match open.verb {
            Verb::Login => match (words.next(), words.next()) {
                (Some(user), Some(secret)) => What::Login(user.clone(), SecretBuf::new(secret), at),
                _ => return,
            },
            Verb::Authenticate => {
                let mut exchange = Box::new(Exchange::new(words.next().map_or(&[], |w| w.as_slice()), at));
                if let Some(initial) = words.next() {
                    exchange.initial(initial, at);
                }
                What::Auth(exchange)
            }
            Verb::StartTls => What::StartTls,
            Verb::Id => {
                let client = self.server.map_or(Direction::Orig, Direction::other);
                identify(client, "user-agent", &open.words, at, emit);
                return;
            }
            Verb::Idle => return,
            Verb::Mailbox => {
                if self.authenticated {
                    self.watch.in_clear("mail", at, emit);
                    self.over = true;
                } else {
                    self.mailbox = Some((open.tag, at));
                }
                return;
            }
        };
        while let Some(oldest) = gives_way(&mut self.pending, &cx) {
            self.finish(oldest.what, None, emit);
        }
        self.pending.push_back(Pending { tag: open.tag, what });
    }

    fn finish(&mut self, what: What, success: Option<bool>, emit: Emit<'_>) {
        let login = match &what {
            What::Login(user, secret, at) => Some(Login {
                mechanism: "login",
                username: Some(user),
                secret: Some(secret.borrow()),
                success,
                ..Login::at(*at)
            }),
            What::Auth(exchange) => exchange.login(success),
            What::StartTls => None,
        };
        if let Some(login) = login {
            tell_login(login, &mut self.watch, emit);
            self.authenticated |= success == Some(true);
        }
    }

    fn server_line(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        let (tag, rest) = text::word(line);
        if tag == b"+" {
            if let Some(Pending { what: What::Auth(exchange), .. }) = self.pending.front_mut() {
                exchange.challenge(rest);
            }
            return;
        }
        let (status, said) = text::word(rest);
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if tag == b"*" {
            if is(status, "OK") || is(status, "PREAUTH") || is(status, "BYE") {
                self.capabilities(said);
                if !std::mem::replace(&mut self.greeted, true) {
                    self.greeting(dir, said, at, emit);
                }
                self.authenticated |= is(status, "PREAUTH");
            } else if is(status, "CAPABILITY") {
                self.capabilities(rest);
            } else if is(status, "ID") {
                let mut pairs = Vec::new();
                words(said, &mut pairs);
                identify(dir, "server", &pairs, at, emit);
            } else if text::decimal(status).is_some() && self.pending.is_empty() && !self.watch.is_in_clear() {
                // Messages of a mailbox that was opened before.
                self.watch.in_clear("mail", at, emit);
                self.over = true;
            }
            return;
        }
        let ok = is(status, "OK");
        if !ok && !is(status, "NO") && !is(status, "BAD") {
            return;
        }
        if !ok && self.open.as_ref().is_some_and(|o| o.tag == tag) && self.literal.is_some_and(|l| !l.at_once) {
            // The server does not want the literal, and it does not come.
            (self.open, self.literal) = (None, None);
        }
        self.capabilities(said);
        if let Some((_, asked)) = self.mailbox.take_if(|(asked, _)| asked == tag) {
            if ok {
                self.watch.in_clear("mail", asked, emit);
                self.over = true;
            }
            return;
        }
        let Some(place) = self.pending.iter().position(|p| p.tag == tag) else { return };
        let Some(Pending { what, .. }) = self.pending.remove(place) else { return };
        if let What::StartTls = what {
            self.watch.answered(ok, at, emit);
            self.over = ok;
        } else {
            self.finish(what, Some(ok), emit);
        }
    }

    fn capabilities(&mut self, said: &[u8]) {
        if text::contains(said, b"starttls") && text::contains(said, b"imap4") {
            self.watch.offered();
        }
    }

    fn greeting(&mut self, dir: Direction, said: &[u8], at: (Timestamp, u64), emit: Emit<'_>) {
        let said = match said.strip_prefix(b"[") {
            Some(code) => text::split_once(code, b']').map_or(said, |(_, text)| text.trim_ascii_start()),
            None => said,
        };
        let said = said.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(said);
        tell_fact(dir, "banner", without_clock(said), at, emit);
        if let Some(name) = host_name(text::word(said).0).filter(|n| n.contains(&b'.')) {
            tell_fact(dir, "hostname", name, at, emit);
        }
    }

    /// Takes the literal that `bytes` begin with: how much of it is used, or what to wait for.
    fn take_literal(&mut self, cx: Cx<'_>, bytes: &[u8], due: Literal) -> Result<usize, Progress> {
        let keep = self.open.as_ref().is_some_and(|o| matches!(o.verb, Verb::Login | Verb::Id))
            && due.bytes <= LITERAL_BYTES_MAX;
        let len = usize::try_from(due.bytes).unwrap_or(usize::MAX);
        let Some(literal) = bytes.get(..len) else {
            if keep {
                return Err(Progress::Partial { consumed: 0, needed: len });
            }
            self.literal = None;
            return Err(Progress::Skip(due.bytes - bytes.len() as u64));
        };
        self.literal = None;
        if let Some(open) = self.open.as_mut().filter(|_| keep) {
            if open.words.len() >= WORDS_MAX {
                cx.limit_hit();
                return Ok(len);
            }
            open.words.push(cut(literal));
            open.at = (cx.ts, cx.packet);
        }
        Ok(len)
    }
}

/// What the pairs of an ID say of a side.
fn identify(side: Direction, what: &'static str, pairs: &[Vec<u8>], at: (Timestamp, u64), emit: Emit<'_>) {
    let get = |name: &[u8]| {
        let (pairs, _) = pairs.as_chunks::<2>();
        let found = pairs.iter().find(|[key, value]| key.eq_ignore_ascii_case(name) && value != b"NIL");
        found.map_or(&[][..], |[_, value]| value.as_slice())
    };
    let both = |a: &[u8], b: &[u8]| if a.is_empty() { Vec::new() } else { [a, b" ", b].concat() };
    let program = both(get(b"name"), get(b"version"));
    tell_fact(side, what, &program, at, emit);
    tell_fact(side, "os", &both(get(b"os"), get(b"os-version")), at, emit);
    tell_fact(side, "vendor", get(b"vendor"), at, emit);
    tell_fact(side, "model", get(b"device"), at, emit);
}

fn verb_of(verb: &[u8]) -> Verb {
    let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    if is("LOGIN") {
        Verb::Login
    } else if is("AUTHENTICATE") {
        Verb::Authenticate
    } else if is("STARTTLS") {
        Verb::StartTls
    } else if is("ID") {
        Verb::Id
    } else if MAILBOX.iter().any(|m| is(m)) {
        Verb::Mailbox
    } else {
        Verb::Idle
    }
}

/// Commands that show or change what is in a mailbox.
const MAILBOX: [&str; 16] = [
    "SELECT",
    "EXAMINE",
    "FETCH",
    "UID",
    "APPEND",
    "STATUS",
    "SEARCH",
    "STORE",
    "COPY",
    "MOVE",
    "EXPUNGE",
    "CLOSE",
    "IDLE",
    "CREATE",
    "DELETE",
    "GETQUOTAROOT",
];

impl AppParser for Imap {
    const SPEC: Spec = Spec {
        name: "imap",
        title: "IMAP",
        transports: &[Transport::Tcp],
        ports: &[143],
        reference: "RFC 3501, RFC 9051, RFC 2971, RFC 7888",
        yields: "logins, name and software of both sides, STARTTLS",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            None => Probe::NeedMore,
            Some(b'*') => probe_untagged(payload),
            Some(c) if c.is_ascii_alphanumeric() => probe_tagged(payload),
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
            if let Some(due) = self.literal.filter(|_| self.server == Some(dir.other())) {
                match self.take_literal(cx, rest, due) {
                    Ok(n) => {
                        used += n;
                        continue;
                    }
                    Err(Progress::Partial { needed, .. }) => return Progress::Partial { consumed: used, needed },
                    Err(progress) => return progress,
                }
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
                    let server = *self.server.get_or_insert_with(|| if is_of_server(line) { dir } else { dir.other() });
                    if dir != server {
                        self.client_line(cx, line, emit);
                    } else if let Some(due) = literal(line) {
                        // A part of a message.
                        let rest = bytes.len() - used;
                        let left = due.bytes.saturating_sub(rest as u64);
                        if left > 0 {
                            return Progress::Skip(left);
                        }
                        used += usize::try_from(due.bytes).unwrap_or(rest);
                    } else {
                        self.server_line(cx, dir, line, emit);
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
        if self.server == Some(dir.other()) {
            (self.open, self.literal) = (None, None);
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if !rest.is_empty() && !self.over && self.literal.is_none() {
            let line = rest.strip_suffix(b"\r").unwrap_or(rest);
            match self.server {
                Some(server) if server == dir => self.server_line(cx, dir, line, emit),
                Some(_) => self.client_line(cx, line, emit),
                None => {}
            }
        }
        if self.server == Some(dir) || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            for pending in std::mem::take(&mut self.pending) {
                self.finish(pending.what, None, emit);
            }
            // Nobody has said no.
            if let Some((_, asked)) = self.mailbox.take().filter(|_| !self.watch.is_over()) {
                self.watch.in_clear("mail", asked, emit);
            }
        }
    }
}

fn is_status(word: &[u8]) -> bool {
    [&b"OK"[..], b"NO", b"BAD"].iter().any(|s| s.eq_ignore_ascii_case(word))
}

fn is_of_server(line: &[u8]) -> bool {
    let (tag, rest) = text::word(line);
    matches!(tag, b"*" | b"+") || is_status(text::word(rest).0)
}

/// Judges what a server says on its own account.
fn probe_untagged(payload: &[u8]) -> Probe {
    const WORDS: [&[u8]; 8] = [b"ok", b"preauth", b"bye", b"capability", b"list", b"flags", b"search", b"status"];
    let window = payload.get(..32).unwrap_or(payload);
    let Some(rest) = window.strip_prefix(b"* ") else {
        return if window == b"*" { Probe::NeedMore } else { Probe::No };
    };
    let end = rest.iter().position(|c| matches!(c, b' ' | b'\r' | b'\n'));
    let lower = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().to_ascii_lowercase();
    if lower.iter().all(u8::is_ascii_digit) {
        // `* 5 EXISTS`
        let Some(end) = end.filter(|e| *e > 0) else {
            return if rest.len() < 10 { Probe::NeedMore } else { Probe::No };
        };
        let what = rest.get(end + 1..).unwrap_or_default().to_ascii_lowercase();
        let fits = [&b"exists"[..], b"recent", b"expunge", b"fetch ("].iter().any(|w| what.starts_with(w));
        let may = [&b"exists"[..], b"recent", b"expunge", b"fetch ("].iter().any(|w| w.starts_with(&what));
        return if fits {
            Probe::Yes
        } else if may {
            Probe::NeedMore
        } else {
            Probe::No
        };
    }
    match end {
        Some(_) if WORDS.contains(&lower.as_slice()) => Probe::Yes,
        None if WORDS.iter().any(|w| w.starts_with(&lower)) => Probe::NeedMore,
        _ => Probe::No,
    }
}

/// Judges a line with a tag: a command of the client, or the last line of a reply to one.
fn probe_tagged(payload: &[u8]) -> Probe {
    /// Longest tag that is believed.
    const TAG_BYTES_MAX: usize = 24;
    let tag_end = payload.iter().take(TAG_BYTES_MAX + 1).position(|c| !(c.is_ascii_alphanumeric() || *c == b'.'));
    let Some(tag_end) = tag_end else {
        return if payload.len() <= TAG_BYTES_MAX { Probe::NeedMore } else { Probe::No };
    };
    let (tag, rest) = payload.split_at(tag_end);
    let Some(rest) = rest.strip_prefix(b" ") else { return Probe::No };
    // Most clients count; a tag without a digit might be the first word of anything.
    let counted = tag.iter().any(u8::is_ascii_digit);
    // Nor is it a number, as replies of other protocols begin with.
    if tag.len() == 3 && tag.iter().all(u8::is_ascii_digit) && matches!(tag, [b'1'..=b'6', b'0'..=b'5', _]) {
        return Probe::No;
    }
    let end = rest.iter().take(16).position(|c| matches!(c, b' ' | b'\r' | b'\n'));
    let Some(end) = end else {
        let may = rest.len() < 16 && rest.iter().all(u8::is_ascii_alphabetic);
        return if may { Probe::NeedMore } else { Probe::No };
    };
    let (verb, arg) = rest.split_at(end);
    let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    let bare = matches!(arg.first(), Some(b'\r' | b'\n'));
    let said = match verb.len() {
        2 => {
            is("ID")
                && counted
                && (arg.len() < 3 || matches!(arg, [b' ', b'(', ..] | [b' ', b'N' | b'n', b'I' | b'i', ..]))
        }
        _ if is("CAPABILITY") || is("STARTTLS") => bare,
        _ if is("LOGIN") || is("AUTHENTICATE") => !bare && (counted || tag.len() <= 4),
        _ => counted && MAILBOX.iter().any(|m| is(m)),
    };
    // `a1 NOOP` is too little alone, and a reply too.
    if said {
        if verb.len() == 2 && arg.len() < 3 { Probe::NeedMore } else { Probe::Yes }
    } else if counted
        && (is("NOOP") || is("LOGOUT") || is("LIST") || is("LSUB") || is_status(verb))
        && payload.len() < 256
    {
        Probe::NeedMore
    } else {
        Probe::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_mailbox_does_not_end_the_session() {
        let script = Script::new().resp("* OK ready\r\n").orig("a1 SELECT INBOX\r\n").resp("a1 BAD log in\r\n");
        let seen = script.orig("a2 LOGIN joe Sample-1\r\n").resp("a2 OK done\r\n").any_chunking::<Imap>();
        assert!(seen.logins[0].contains("success: Some(true)"), "{seen:?}");
        let opened = Script::new().orig("a1 SELECT INBOX\r\n").resp("a1 OK done\r\n").any_chunking::<Imap>();
        assert_eq!((opened.stopped, opened.events.len()), (Some(Progress::Finished), 1));
        assert_eq!(Script::new().orig("a1 SELECT INBOX\r\n").any_chunking::<Imap>().events.len(), 1, "unanswered");
    }

    #[test]
    fn literals_of_one_command_are_bounded() {
        let mut parser = Imap { server: Some(Direction::Resp), ..Imap::default() };
        let flow = crate::proto::testing::flow();
        let count = crate::proto::api::LimitCount::default();
        let cx = Cx { ts: Timestamp(0), packet: 1, flow: &flow, limited: &count };
        let bytes = [b"a1 LOGIN".to_vec(), b" {1+}\r\nx".repeat(1000)].concat();
        parser.on_data(cx, Direction::Orig, &bytes, &mut |_| {});
        assert_eq!(parser.open.map(|o| o.words.len()), Some(WORDS_MAX));
        assert!(count.take() > 0);
    }
    use crate::proto::mail::testing::logins;
    use crate::proto::testing::{Script, probe_all};
    use Direction::{Orig, Resp};

    #[test]
    fn login_in_all_its_spellings() {
        let of = |said: &str| logins::<Imap>(&[(Resp, "* OK ready\r\n"), (Orig, said), (Resp, "a1 OK done\r\n")]);
        let want = ["login joe@example.com se\"cret true #2"];
        assert_eq!(of("a1 LOGIN joe@example.com \"se\\\"cret\"\r\n"), want);
        assert_eq!(of("a1 login \"joe@example.com\" {7+}\r\nse\"cret\r\n"), want);
        assert_eq!(of("a1 LOGIN {15}\r\njoe@example.com {7}\r\nse\"cret\r\n"), want);
        assert_eq!(of("a1 LOGIN joe\r\n"), Vec::<String>::new());
        assert_eq!(of("a1 LOGIN joe \"\"\r\n"), ["login joe  true #2"]);
    }

    #[test]
    fn a_session() {
        let seen = Script::new()
            .resp("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] imap.example.com Dovecot ready.\r\n")
            .orig("1 ID (\"name\" \"Sample Mail\" \"version\" \"1.2\" \"os\" \"RTOS\" \"os-version\" NIL)\r\n")
            .resp("* ID (\"name\" \"Dovecot\")\r\n1 OK\r\n")
            .orig("2 LOGIN joe wrong\r\n")
            .resp("2 NO no\r\n")
            .orig("3 LOGIN {3}\r\n")
            .resp("+ go\r\n")
            .orig("joe {10}\r\n")
            .resp("+ go\r\n")
            .orig("opensesame\r\n")
            .resp("3 OK in\r\n")
            .orig("4 LIST \"\" *\r\n5 SELECT INBOX\r\n")
            .resp("* 3 EXISTS\r\n")
            .any_chunking::<Imap>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert_eq!(seen.logins.len(), 2);
        assert!(seen.logins[1].contains("success: Some(true)") && seen.logins[1].contains("packet: 10"));
        let all = seen.events.join("\n");
        for part in [
            "\"banner\"",
            "\"hostname\"",
            "\"server\"",
            "\"user-agent\"",
            "\"os\"",
            "Upgrade(Unused)",
            "InClear(\"login\")",
        ] {
            assert_eq!(all.matches(part).count(), 1, "{part}");
        }
        assert!(!format!("{seen:?}").contains("opensesame"));
    }

    #[test]
    fn a_literal_that_the_server_does_not_want() {
        let got = logins::<Imap>(&[
            (Resp, "* OK x\r\n"),
            (Orig, "a LOGIN joe {6}\r\n"),
            (Resp, "a BAD no\r\n"),
            (Orig, "b LOGIN joe secret\r\n"),
            (Resp, "b OK\r\n"),
        ]);
        assert_eq!(got, ["login joe secret true #4"]);
    }

    #[test]
    fn authenticate() {
        let begin = [(Resp, "* OK x\r\n"), (Orig, "a AUTHENTICATE PLAIN\r\n"), (Resp, "+ \r\n")];
        let of = |more: &[(Direction, &'static str)]| logins::<Imap>(&[&begin[..], more].concat());
        assert_eq!(of(&[(Orig, "AGpvZQBzZWNyZXQ=\r\n"), (Resp, "a OK\r\n")]), ["plain joe secret true #4"]);
        assert_eq!(of(&[(Orig, "*\r\n"), (Resp, "a BAD off\r\n")]), Vec::<String>::new());
        assert_eq!(logins::<Imap>(&[(Orig, "a1 AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ=\r\n")]), ["plain joe secret ? #1"]);
        assert_eq!(
            logins::<Imap>(&[
                (Orig, "2 AUTHENTICATE XYMPKI\r\n"),
                (Resp, "+ \r\n"),
                (Orig, "WT12PTEmbj0w\r\n"),
                (Resp, "2 OK\r\n")
            ]),
            ["xympki - - true #1"]
        );
    }

    #[test]
    fn starttls() {
        let script = |answer: &str| {
            let greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] x\r\n";
            Script::new().resp(greeting).orig("a STARTTLS\r\n").resp(answer).any_chunking::<Imap>()
        };
        let agreed = script("a OK go\r\n");
        assert_eq!(agreed.stopped, Some(Progress::Finished));
        assert!(agreed.events.join(" ").contains("Upgrade(Accepted)"));
        assert!(script("a NO later\r\n").events.join(" ").contains("Upgrade(Refused)"));
    }

    #[test]
    fn in_the_middle_of_a_session() {
        let seen = Script::new().resp("* 5 FETCH (FLAGS (\\Seen))\r\n").any_chunking::<Imap>();
        assert!(seen.events[0].contains("InClear(\"mail\")"));
        let seen = Script::new().orig("a5 UID FETCH 1:* (FLAGS)\r\n").any_chunking::<Imap>();
        assert!(seen.events[0].contains("InClear(\"mail\")"));
    }

    #[test]
    fn literals_of_both_sides_are_passed_over() {
        let seen = Script::new()
            .resp("* OK x\r\n")
            .orig("a1 LOGIN joe secret\r\na2 LIST {12}\r\na3 SELECT x\r\n\r\n")
            .resp("* LIST () {9}\r\na1 OK \r\n\r\na1 NO no\r\n")
            .any_chunking::<Imap>();
        assert!(seen.logins[0].contains("success: Some(false)"), "{:?}", seen.logins);
        assert!(seen.stopped.is_none());
        let huge = Script::new()
            .orig("a1 LOGIN joe {999999999999999999}\r\nabc")
            .orig("a2 LOGIN a b\r\n")
            .any_chunking::<Imap>();
        assert!(huge.logins.is_empty());
        for size in 0..20 {
            Script::new().orig(format!("a1 LOGIN {{{size}}}\r\nabc {{1}}\r\nabc {{0+}}\r\n")).any_chunking::<Imap>();
        }
        let seen = Script::new()
            .orig("a1 LOGIN joe {3}\r\n")
            .gap(Orig, 100)
            .orig("x\r\na2 LOGIN a b\r\n")
            .any_chunking::<Imap>();
        assert_eq!(seen.logins.len(), 1);
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Resp, "* OK ready\r\n", Probe::Yes),
            (Resp, "* BYE\r\n", Probe::Yes),
            (Resp, "* 12 EXISTS\r\n", Probe::Yes),
            (Resp, "* x", Probe::No),
            (Resp, "*2\r\n$4\r\n", Probe::No),
            (Orig, "a001 LOGIN a b\r\n", Probe::Yes),
            (Orig, "1 CAPABILITY\r\n", Probe::Yes),
            (Orig, "a NOOP\r\n", Probe::No),
            (Orig, "a1 NOOP\r\n", Probe::NeedMore),
            (Orig, "GET / HTTP/1.1\r\n", Probe::No),
            (Orig, "220 LOGIN x y\r\n", Probe::No),
            (Orig, "USER LOGIN\r\n", Probe::No),
            (Orig, "SSH-2.0-x\r\n", Probe::No),
            (Orig, "please LOGIN now\r\n", Probe::No),
            (Orig, "17.3 UID SEARCH 1:2\r\n", Probe::Yes),
        ] {
            assert_eq!(probe_all::<Imap>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

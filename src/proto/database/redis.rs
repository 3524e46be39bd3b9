//! Redis (RESP2 and RESP3): who logs in, and whether commands are served to anybody.
//!
//! ```text
//! command: *N CRLF, then N times: $len CRLF bytes CRLF       or a line of words (inline)
//! reply:   + - : _ , # ( line CRLF, $ = ! len CRLF bytes CRLF, * ~ > n, % n pairs
//! ```

use std::collections::VecDeque;

use super::session::{Event, Session, TABLE, short};
use crate::base::limits;
use crate::base::secret::SecretBuf;
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};
use crate::proto::text::{self, Line, Lines};

const NAME: &str = "redis";

/// What a command that waits for its reply was.
#[derive(Debug)]
enum Pending {
    /// A login: user name and secret.
    Login(Box<Session>),
    /// Asks for nothing that a login protects: `PING`, `QUIT`, `HELLO` without one.
    Free,
    /// `INFO`: the reply tells the version.
    Info,
    /// Anything else.
    Other,
    /// So many commands, no logins, that came while too many were waiting.
    More(u32),
}

/// Parser of one flow.
#[derive(Default)]
pub struct Redis {
    lines: [Lines; 2],
    /// Arguments of the command that are still to come, and those that came.
    left: u64,
    arguments: Vec<Vec<u8>>,
    /// Whether the arguments are worth keeping.
    keep: bool,
    /// Elements of the reply that are still to come.
    replies_left: u64,
    pending: VecDeque<Pending>,
    commands: u32,
    session: Session,
    /// Whether a login was made or was asked for: then nothing is open.
    guarded: bool,
    told: bool,
    /// Which side is the server.
    server: Option<Direction>,
    ended: bool,
}

impl std::fmt::Debug for Redis {
    /// Without the arguments: there may be a secret among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Redis");
        f.field("server", &self.server).field("commands", &self.commands).finish_non_exhaustive()
    }
}

impl Redis {
    /// A command is complete.
    fn command(&mut self, cx: &Cx<'_>) {
        let arguments = std::mem::take(&mut self.arguments);
        let verb = arguments.first().map(|v| v.to_ascii_uppercase()).unwrap_or_default();
        self.commands = self.commands.saturating_add(1);
        let login = |user: &[u8], secret: &[u8]| {
            let mut session = Session { username: short(user), ..Session::default() };
            session.login(cx, "plain", Some(SecretBuf::new(secret)));
            Pending::Login(Box::new(session))
        };
        let pending = match (verb.as_slice(), arguments.get(1..).unwrap_or_default()) {
            (b"AUTH", [secret]) => login(b"", secret),
            (b"AUTH", [user, secret, ..]) => login(user, secret),
            (b"HELLO", [_, auth, user, secret, ..]) if auth.eq_ignore_ascii_case(b"AUTH") => login(user, secret),
            (b"HELLO" | b"PING" | b"QUIT" | b"RESET" | b"AUTH" | b"COMMAND", _) => Pending::Free,
            (b"CLIENT", [sub, name, ..]) => {
                if sub.eq_ignore_ascii_case(b"SETNAME") {
                    self.session.application = short(&text::without_settings(name));
                }
                Pending::Other
            }
            (b"INFO", _) => Pending::Info,
            _ => Pending::Other,
        };
        // Replies come in order: what is not kept is counted, so that each login gets its own.
        let most = limits::REDIS_PENDING_MAX + 2 * limits::REDIS_LOGINS_MAX;
        let is_login = matches!(pending, Pending::Login(_));
        let waiting = self.pending.len();
        if waiting < limits::REDIS_PENDING_MAX || is_login && waiting + 1 < most {
            self.pending.push_back(pending);
            return;
        }
        if is_login {
            cx.limit_hit();
        }
        match self.pending.back_mut() {
            Some(Pending::More(n)) => *n = n.saturating_add(1),
            _ => self.pending.push_back(Pending::More(1)),
        }
    }

    /// The next part of a command.
    fn client_says(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8]) -> Step {
        if self.commands > limits::REDIS_COMMANDS_MAX && self.told {
            cx.limit_hit();
            return Step::Finished;
        }
        let [orig, resp] = &mut self.lines;
        let lines = if dir == Direction::Orig { orig } else { resp };
        let mut look = *lines;
        let (line, used) = match look.next(bytes) {
            Line::Whole(line, used) => (line, used),
            Line::Rest(used) => {
                *lines = look;
                return Step::Used(used as u64);
            }
            Line::Open => {
                *lines = look;
                return Step::Need(bytes.len() + 1);
            }
        };
        let number = |line: &[u8]| text::decimal(line.get(1..).unwrap_or_default());
        match (line.first(), number(line)) {
            (Some(b'*'), Some(count)) if self.left == 0 => {
                *lines = look;
                self.left = count;
                self.arguments.clear();
                self.keep = true;
                Step::Used(used as u64)
            }
            (Some(b'$'), Some(len)) if self.left > 0 => {
                let whole = (used as u64).saturating_add(len).saturating_add(2);
                let wanted = len.min(limits::SECRET_BYTES_MAX as u64) as usize;
                if self.keep && self.arguments.len() < limits::REDIS_ARGUMENTS_MAX {
                    let Some(argument) = bytes.get(used..used + wanted) else {
                        // The line is read again with what follows.
                        *lines = Lines::default();
                        return Step::Need(used + wanted);
                    };
                    self.arguments.push(argument.to_vec());
                    // Nobody but these says more than its name.
                    self.keep = self.arguments.len() > 1
                        || [&b"AUTH"[..], b"HELLO", b"CLIENT"].iter().any(|v| argument.eq_ignore_ascii_case(v));
                }
                *lines = look;
                self.left -= 1;
                if self.left == 0 {
                    self.command(cx);
                }
                Step::Used(whole)
            }
            _ if self.left > 0 => Step::Violation("argument"),
            (None, _) => {
                *lines = look;
                Step::Used(used as u64)
            }
            _ if text::is_text(line) => {
                *lines = look;
                let words = line.split(|c| *c == b' ').filter(|w| !w.is_empty()).take(limits::REDIS_ARGUMENTS_MAX);
                self.arguments = words.map(|w| w.trim_ascii_end().to_vec()).collect();
                self.command(cx);
                Step::Used(used as u64)
            }
            _ => Step::Violation("command"),
        }
    }

    /// The next element of a reply.
    fn server_says(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        let [orig, resp] = &mut self.lines;
        let lines = if dir == Direction::Orig { orig } else { resp };
        let mut look = *lines;
        let (line, used) = match look.next(bytes) {
            Line::Whole(line, used) => (line, used),
            Line::Rest(used) => {
                *lines = look;
                return Step::Used(used as u64);
            }
            Line::Open => {
                *lines = look;
                return Step::Need(bytes.len() + 1);
            }
        };
        let Some((kind, rest)) = line.split_first() else { return Step::Violation("reply") };
        let begins = self.replies_left == 0;
        let mut whole = used as u64;
        let mut elements = 0;
        match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            b'$' | b'=' | b'!' => {
                if let Some(len) = text::decimal(rest) {
                    whole = whole.saturating_add(len).saturating_add(2);
                    let info = matches!(self.pending.front(), Some(Pending::Info)) && begins;
                    let wanted = len.min(limits::LINE_BYTES_MAX as u64) as usize;
                    if info {
                        let Some(body) = bytes.get(used..used + wanted) else {
                            *lines = Lines::default();
                            return Step::Need(used + wanted);
                        };
                        if let Some(version) = value_of(body, b"redis_version:") {
                            self.session.server = short(&[b"Redis ", version].concat());
                        }
                    }
                } else if rest != b"-1" {
                    return Step::Violation("length of a reply");
                }
            }
            b'*' | b'~' | b'>' => elements = text::decimal(rest).unwrap_or(0),
            b'%' | b'|' => elements = text::decimal(rest).unwrap_or(0).saturating_mul(2),
            _ => return Step::Violation("reply"),
        }
        *lines = look;
        if begins && *kind != b'>' {
            self.answered(cx, *kind == b'-', rest, emit);
        }
        self.replies_left = self.replies_left.saturating_sub(1).saturating_add(elements);
        Step::Used(whole)
    }

    /// The reply to the oldest command begins.
    fn answered(&mut self, cx: &Cx<'_>, refused: bool, words: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        match self.pending.pop_front() {
            Some(Pending::More(n)) if n > 1 => self.pending.push_front(Pending::More(n - 1)),
            Some(Pending::Login(login)) => {
                self.guarded = true;
                self.told = true;
                self.session.username.clone_from(&login.username);
                self.session.login(cx, login.mechanism, login.secret.clone());
                self.session.at = login.at;
                self.session.success = Some(!refused);
                self.session.tell(NAME, emit);
            }
            Some(Pending::Other | Pending::Info) if !self.told => {
                if refused && text::starts_with(words, b"NOAUTH") {
                    self.guarded = true;
                } else if !refused && !self.guarded && cx.flow.from_start {
                    self.told = true;
                    self.session.at = (cx.ts, cx.packet);
                    self.session.open = true;
                    self.session.tell(NAME, emit);
                }
            }
            _ => {}
        }
    }

    /// What waits is told without an answer.
    fn give_up(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        for pending in std::mem::take(&mut self.pending) {
            if let Pending::Login(mut login) = pending {
                login.server.clone_from(&self.session.server);
                self.told = true;
                login.tell(NAME, emit);
            }
        }
    }
}

/// The value behind a name in lines of `name:value`.
fn value_of<'a>(lines: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines.split(|c| *c == b'\n').find_map(|l| l.strip_prefix(name)).map(<[u8]>::trim_ascii_end)
}

/// Words that begin a command of Redis and of no other protocol of lines.
const VERBS: [&[u8]; 14] = [
    b"PING",
    b"INFO",
    b"SELECT",
    b"KEYS",
    b"CONFIG",
    b"CLIENT",
    b"COMMAND",
    b"DBSIZE",
    b"FLUSHALL",
    b"SLAVEOF",
    b"REPLICAOF",
    b"MONITOR",
    b"HELLO",
    b"PSYNC",
];

fn probe_client(payload: &[u8]) -> Probe {
    match payload {
        [b'*', rest @ ..] => {
            let digits = rest.iter().take(7).take_while(|c| c.is_ascii_digit()).count();
            let tail = rest.get(digits..).unwrap_or_default();
            match tail {
                [b'\r', b'\n', b'$', b'0'..=b'9', ..] if (1..7).contains(&digits) => Probe::Yes,
                _ if digits < 7 && tail.len() < 4 && (tail.is_empty() || digits > 0) && b"\r\n$".starts_with(tail) => {
                    Probe::NeedMore
                }
                _ => Probe::No,
            }
        }
        [first, ..] if first.is_ascii_alphabetic() => {
            let Some(end) = payload.iter().take(128).position(|c| *c == b'\n') else {
                let word = payload.split(|c| *c == b' ').next().unwrap_or_default().trim_ascii_end();
                let fits =
                    VERBS.iter().chain(&[&b"AUTH"[..]]).any(|v| v.len() >= word.len() && text::starts_with(v, word));
                return if payload.len() < 128 && fits { Probe::NeedMore } else { Probe::No };
            };
            let line = payload.get(..end).unwrap_or_default().trim_ascii_end();
            let (verb, words) = text::word(line);
            let count = words.split(|c| *c == b' ').count();
            match () {
                () if !text::is_text(line) => Probe::No,
                // POP3 and others know AUTH too: what follows, or the server, tells.
                () if verb.eq_ignore_ascii_case(b"AUTH") && !words.is_empty() && count <= 2 => {
                    match payload.get(end + 1..) {
                        None | Some([]) => Probe::NeedMore,
                        Some(rest) => probe_client(rest),
                    }
                }
                // These mean something else elsewhere: an IRC or mail server is told who speaks.
                () if [&b"HELLO"[..], b"PING"].iter().any(|v| verb.eq_ignore_ascii_case(v)) && !words.is_empty() => {
                    if words.first().is_some_and(|c| matches!(c, b'2' | b'3')) && verb.len() == 5 {
                        Probe::Yes
                    } else {
                        Probe::No
                    }
                }
                () if VERBS.iter().any(|v| verb.eq_ignore_ascii_case(v)) && !words.starts_with(b"/") => Probe::Yes,
                () => Probe::No,
            }
        }
        _ => Probe::No,
    }
}

fn probe_server(payload: &[u8]) -> Probe {
    const REPLIES: [&[u8]; 7] =
        [b"+PONG\r\n", b"-NOAUTH ", b"-WRONGPASS ", b"-DENIED Redis", b"-ERR ", b"-NOPERM ", b"-MISCONF "];
    match payload {
        [b'+' | b'-', ..] => {
            if REPLIES.iter().any(|r| payload.starts_with(r) && !r.starts_with(b"-ERR")) {
                return Probe::Yes;
            }
            let error = payload.starts_with(b"-ERR ") && payload.contains(&b'\n');
            let line = payload.split(|c| *c == b'\n').next().unwrap_or_default();
            // "-ERR" is POP3's as well (RFC 1939).
            if error
                && [&b"unknown command"[..], b"AUTH", b"operation not permitted", b"Client sent"]
                    .iter()
                    .any(|w| text::contains(line, w))
            {
                return Probe::Yes;
            }
            let may = REPLIES.iter().any(|r| r.starts_with(front(payload, r.len()))) || b"+OK\r\n".starts_with(payload);
            if may && !error { Probe::NeedMore } else { Probe::No }
        }
        [b'$' | b'*' | b'%', rest @ ..] => {
            let digits = rest.iter().take(7).take_while(|c| c.is_ascii_digit()).count();
            let tail = rest.get(digits..).unwrap_or_default();
            match (front(payload, 1), tail) {
                (_, []) if digits < 7 => Probe::NeedMore,
                (_, [b'\r']) if digits > 0 => Probe::NeedMore,
                (b"$", [b'\r', b'\n', ..]) if (1..7).contains(&digits) => Probe::Yes,
                (_, [b'\r', b'\n', b'$' | b':' | b'*' | b'%' | b'+' | b'-', ..]) if (1..7).contains(&digits) => {
                    Probe::Yes
                }
                (_, [b'\r', b'\n']) if digits > 0 => Probe::NeedMore,
                _ => Probe::No,
            }
        }
        _ => Probe::No,
    }
}

impl AppParser for Redis {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "Redis",
        transports: &[Transport::Tcp],
        ports: &[6379],
        reference: "RESP2, RESP3 (redis.io)",
        table: Some(&TABLE),
        yields: "login and its success, whether anybody is served, version",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match dir {
            Direction::Orig => probe_client(payload),
            Direction::Resp => match probe_server(payload) {
                // Sides may be turned round where the beginning was missed.
                Probe::No if payload.starts_with(b"*") => probe_client(payload),
                said => said,
            },
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let server = *self.server.get_or_insert_with(|| {
            // Commands are arrays of bulk strings or words; replies seldom begin so.
            let command = bytes.first().is_some_and(|c| *c == b'*' || c.is_ascii_alphabetic());
            if command { dir.other() } else { dir }
        });
        walk(bytes, |rest| {
            if dir == server { self.server_says(&cx, dir, rest, emit) } else { self.client_says(&cx, dir, rest) }
        })
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if self.server == Some(dir) || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            self.give_up(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_behind_many_commands_gets_its_own_reply() {
        for pipelined in [80, 5000] {
            let script = Script::new().orig("PING\r\n".repeat(pipelined) + "AUTH Sample-1\r\nPING\r\n");
            let seen = script.resp("+PONG\r\n".repeat(pipelined) + "-WRONGPASS no\r\n+PONG\r\n").run::<Redis>();
            assert!(seen.logins[0].contains("success: Some(false)"), "{seen:?}");
        }
        let flood = Script::new().orig("AUTH Sample-1\r\nPING\r\n".repeat(5000)).run::<Redis>();
        assert!(flood.logins.len() <= limits::REDIS_PENDING_MAX + 2 * limits::REDIS_LOGINS_MAX);
    }
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn logins_with_and_without_a_name() {
        let seen = Script::new()
            .orig("*2\r\n$4\r\nAUTH\r\n$8\r\nhunter22\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
            .resp("-WRONGPASS invalid username-password pair\r\n-NOAUTH Authentication required.\r\n")
            .orig("*3\r\n$4\r\nauth\r\n$3\r\njoe\r\n$9\r\nhunter222\r\n")
            .resp("+OK\r\n")
            .orig("*1\r\n$4\r\nINFO\r\n")
            .resp("$23\r\nredis_version:7.0.15\r\n.\r\n")
            .any_chunking::<Redis>();
        assert_eq!(seen.cells("username"), ["-", "joe"]);
        assert_eq!(seen.cells("success"), ["false", "true"]);
        assert_eq!(seen.cells("without_login"), ["false", "false"]);
        assert_eq!(seen.logins.len(), 2);
        assert!(!format!("{seen:?}").contains("hunter22"));
    }

    #[test]
    fn hello_may_log_in_too_and_words_do_as_commands() {
        let seen = Script::new()
            .orig("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$2\r\nop\r\n$8\r\nhunter22\r\n")
            .resp("%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n")
            .any_chunking::<Redis>();
        assert_eq!((seen.cell("username"), seen.cell("success")), ("op".into(), "true".into()));
        let seen = Script::new().orig("AUTH hunter22\r\nPING\r\n").resp("+OK\r\n+PONG\r\n").any_chunking::<Redis>();
        assert_eq!((seen.cell("mechanism"), seen.cell("success")), ("plain".into(), "true".into()));
    }

    #[test]
    fn who_is_served_without_a_login() {
        let open = Script::new().orig("*1\r\n$4\r\nINFO\r\n").resp("$25\r\n# S\r\nredis_version:7.0\r\nxx\r\n");
        let seen = open.any_chunking::<Redis>();
        assert_eq!((seen.cell("without_login"), seen.cell("server_version")), ("true".into(), "Redis 7.0".into()));
        assert!(seen.logins.is_empty());
        assert!(open.midstream().any_chunking::<Redis>().rows.is_empty(), "the login may have gone before");
        let asked = Script::new().orig("PING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").resp("+PONG\r\n-NOAUTH no\r\n");
        assert!(asked.any_chunking::<Redis>().rows.is_empty(), "a ping is free, and the rest was refused");
    }

    #[test]
    fn a_login_without_an_answer_and_values_without_end() {
        let seen = Script::new().orig("*2\r\n$4\r\nAUTH\r\n$8\r\nhunter22\r\n").any_chunking::<Redis>();
        assert_eq!(seen.cell("success"), "-");
        let big = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$90000\r\n{}\r\n*1\r\n$4\r\nPING\r\n", "x".repeat(90_000));
        let seen = Script::new().orig(big).resp("+OK\r\n+PONG\r\n").run::<Redis>();
        assert_eq!(seen.cell("without_login"), "true");
        let many = "*1\r\n$4\r\nPING\r\n".repeat(3000);
        assert_eq!(Script::new().orig(&many).run::<Redis>().stopped, None, "a login may still come");
        let served = Script::new().orig("GET k\r\n").resp("+v\r\n").orig(many).run::<Redis>();
        assert_eq!(served.stopped, Some(Progress::Finished));
        let seen = Script::new().orig("*999999999999\r\nxx\r\n").any_chunking::<Redis>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn probes() {
        use Direction::{Orig, Resp};
        for (dir, bytes, want) in [
            (Orig, "*1\r\n$4\r\nPING\r\n", Probe::Yes),
            (Orig, "PING\r\n", Probe::Yes),
            (Orig, "PING irc.example.org\r\n", Probe::No),
            (Orig, "AUTH PLAIN\r\n", Probe::NeedMore),
            (Orig, "AUTH x\r\nINFO\r\n", Probe::Yes),
            (Orig, "INFO /x RTSP\r\n", Probe::No),
            (Orig, "* LIST\r\n", Probe::No),
            (Orig, "GET / HTTP/1.1\r\n", Probe::No),
            (Resp, "+PONG\r\n", Probe::Yes),
            (Resp, "-NOAUTH Authentication required.\r\n", Probe::Yes),
            (Resp, "-ERR unknown command 'x'\r\n", Probe::Yes),
            (Resp, "-ERR no such user\r\n", Probe::No),
            (Resp, "+OK POP3 ready\r\n", Probe::No),
            (Resp, "$5\r\nhello\r\n", Probe::Yes),
        ] {
            assert_eq!(probe_all::<Redis>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

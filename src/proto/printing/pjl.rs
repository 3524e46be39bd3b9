//! Raw printing with the Printer Job Language (HP's PJL Technical Reference Manual, chapters 2 to 9): what
//! is asked of the printer, what it answers, who prints what, and access to its files.
//!
//! The pages themselves, in whatever language, are passed over.

use std::collections::VecDeque;

use crate::base::secret::{self, BLANK, Reveal, SecretBuf};
use crate::base::{Timestamp, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::text::{self, Line, Lines};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The universal exit language sequence, between jobs.
const UEL: &[u8] = b"\x1b%-12345X";
/// What each command begins with.
const PREFIX: &[u8] = b"@PJL";

/// The table.
pub static TABLE: Table = Table {
    name: "pjl",
    doc: "One PJL command with the printer's answer to it, where it has one",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "command",
            Type::Text,
            "The command in upper case: `INFO JOB SET DINQUIRE FSUPLOAD ENTER` ...",
        ),
        Column::new("arg", Type::Text, "Its argument; passwords and keys are blanked"),
        Column::new("reply", Type::Text, "The printer's answer, its lines joined by a blank; secrets are blanked"),
        Column::repeating("job_name", Type::Text, "Name of the job that the command belongs to, as far as it is known"),
        Column::repeating("username", Type::Text, "User who prints, as far as it is known"),
        Column::repeating("file", Type::Text, "File or folder on the printer that the command touches"),
        Column::new("reply_packet", Type::Int64, "Packet with the answer"),
    ],
};

/// A command.
#[derive(Debug, Clone, Default)]
pub struct Command {
    at: (Timestamp, u64),
    from_orig: bool,
    /// The command in upper case.
    pub name: Box<[u8]>,
    arg: Box<[u8]>,
    reply: Vec<u8>,
    reply_packet: Option<u64>,
    job_name: Box<[u8]>,
    username: Box<[u8]>,
    /// File or folder that it touches.
    pub file: Box<[u8]>,
    /// Password, and what it opens or sets.
    secret: Option<(&'static str, SecretBuf)>,
    /// Model that the answer names.
    model: Box<[u8]>,
}

impl Command {
    /// Whether it reads, writes or lists files of the printer (chapter 9).
    pub fn touches_files(&self) -> bool {
        self.name.starts_with(b"FS") && &*self.name != b"FSQUERY"
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// The command.
    pub command: &'e Command,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.command.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let c = self.command;
        let text = |b: &[u8]| (!b.is_empty()).then(|| b.to_vec());
        for value in [&c.name, &c.arg] {
            row.opt_bytes(text(value).as_deref());
        }
        row.opt_bytes(Some(&c.reply[..]).filter(|r| !r.is_empty()));
        row.opt_bytes(text(&c.job_name).as_deref()).opt_user(text(&c.username).as_deref());
        row.opt_bytes(text(&c.file).as_deref());
        match c.reply_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        let (mechanism, secret) = self.command.secret.as_ref()?;
        Some(Login {
            mechanism,
            username: Some(&*self.command.username).filter(|u| !u.is_empty()),
            secret: Some(secret.borrow()),
            secret_kind: SecretKind::Password,
            ..Login::at(self.command.at)
        })
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let client = if self.command.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(client.other()), attribute: "model", value: &self.command.model });
        if &*self.command.name == b"SET" {
            tell(Fact { about: About::Side(client), attribute: "user", value: &self.command.username });
        }
    }
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Pjl {
    lines: [Lines; 2],
    /// The side that prints.
    client: Option<Direction>,
    pending: VecDeque<Command>,
    job_name: Box<[u8]>,
    username: Box<[u8]>,
    /// Pages run, until the next job.
    pages: bool,
    /// Whether an answer is being read.
    answering: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Whether a variable holds what nobody may read. Each maker has names of its own for the same.
fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    let has = |word: &[u8]| memchr::memmem::find(&name, word).is_some();
    opens(&name)
        || name.ends_with(b"KEY")
        || name == b"DEPARTMENTID"
        || name == b"SERVICEMODE"
        || has(b"SECURITY")
        || is_account(&name)
}

/// Whether a variable holds what a job is charged to: a code that stands for a password on many devices.
/// Only of the first two fields is it known that drivers put user and computer there.
fn is_account(name: &[u8]) -> bool {
    match name.strip_prefix(b"JOBACCT") {
        Some(field) => !matches!(field, b"1" | b"2"),
        None => name.starts_with(b"ACCT") || name.starts_with(b"ACCOUNT"),
    }
}

/// Whether a variable (in upper case) holds what opens a job or a printer.
fn opens(name: &[u8]) -> bool {
    // Codes of a state or a language, not of a user.
    const OPEN: &[&[u8]] =
        &[b"CODE", b"BARCODE", b"ERRORCODE", b"STATUSCODE", b"LANGUAGECODE", b"COUNTRYCODE", b"PAPERCODE"];
    let has = |word: &[u8]| memchr::memmem::find(name, word).is_some();
    has(b"PASS") && !has(b"BYPASS") && !has(b"PASSTHR")
        || name == b"HOLDKEY"
        || name.ends_with(b"PIN")
        || name.ends_with(b"CODE") && !OPEN.contains(&name)
}

/// `NAME = value`, the value without its quotes.
fn assignment(arg: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = text::split_once(arg, b'=')?;
    let name = name.trim_ascii();
    // LPARM : PCL FONTNUMBER
    let name = name.rsplit(|c| matches!(c, b' ' | b':')).next().unwrap_or(name);
    let value = value.trim_ascii();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|c| *c == b'"').next().unwrap_or_default(),
        None => value.split(|c| *c == b' ').next().unwrap_or_default(),
    };
    Some((name, value))
}

/// The value of `NAME=` or `NAME:` among others (`FORMAT:BINARY NAME="0:\x" SIZE=10`).
fn option<'a>(arg: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(arg.get(at..)?, name) {
        let begin = at + found;
        let after = arg.get(begin + name.len()..)?.trim_ascii_start();
        let is_word = begin == 0 || arg.get(begin - 1).is_some_and(|c| !c.is_ascii_alphanumeric());
        if is_word && matches!(after.first(), Some(b'=' | b':')) {
            return assignment(arg.get(begin..)?)
                .map(|(_, value)| value)
                .or_else(|| after.get(1..)?.split(|c| *c == b' ').next());
        }
        at = begin + name.len();
    }
    None
}

fn kept(text: &[u8]) -> Box<[u8]> {
    text.get(..256).unwrap_or(text).into()
}

/// An argument without its secrets, and the first of them that opens something.
fn blanked(arg: &[u8]) -> (Box<[u8]>, Option<SecretBuf>) {
    let mut out = Vec::with_capacity(arg.len());
    let mut found = None;
    let mut rest = arg;
    // NAME = value, NAME:value, NAME="some words".
    while let Some(sign) = rest.iter().position(|c| matches!(c, b'=' | b':' | b'"')) {
        let (before, behind) = rest.split_at(sign);
        let is_quote = behind.first() == Some(&b'"');
        let name = before.trim_ascii_end().rsplit(|c| matches!(c, b' ' | b'"')).next().unwrap_or_default();
        let gap = behind.iter().skip(1).take_while(|c| **c == b' ').count();
        let start = if is_quote { 0 } else { 1 + gap };
        let (between, value) = behind.split_at(start.min(behind.len()));
        out.extend_from_slice(before);
        out.extend_from_slice(between);
        let (quoted, end) = match value.strip_prefix(b"\"") {
            Some(inner) => (true, memchr::memchr(b'"', inner).unwrap_or(inner.len())),
            None => (false, memchr::memchr(b' ', value).unwrap_or(value.len())),
        };
        let value = value.get(usize::from(quoted)..).unwrap_or_default();
        let (value, tail) = value.split_at(end);
        if quoted {
            out.push(b'"');
        }
        // `JOBATTR="JobPassword=x"` has a setting in its value.
        let inner = text::split_once(value, b'=').filter(|_| quoted && name.eq_ignore_ascii_case(b"JOBATTR"));
        let (name, secret) = inner.map_or((name, value), |(name, value)| (name.trim_ascii(), value));
        if !is_quote && is_secret(name) && !secret.is_empty() {
            out.extend_from_slice(value.get(..value.len() - secret.len()).unwrap_or_default());
            out.extend_from_slice(BLANK.as_bytes());
            if found.is_none() && opens(&name.to_ascii_uppercase()) {
                found = Some(SecretBuf::new(secret));
            }
        } else if [&b"USERNAME"[..], b"USER"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
            out.extend_from_slice(&secret::user(value));
        } else {
            out.extend_from_slice(&text::without_settings(value));
        }
        rest = tail;
        if quoted && let Some(after) = rest.strip_prefix(b"\"") {
            out.push(b'"');
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    (kept(&out), found)
}

/// A name that somebody gave, without settings in it that hold a secret.
fn kept_name(name: &[u8]) -> Box<[u8]> {
    kept(&text::without_settings(name))
}

impl Pjl {
    /// Reads a command; returns bytes of a file that follow it.
    fn command(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) -> u64 {
        let (word, arg) = text::word(line.trim_ascii());
        let name = word.to_ascii_uppercase();
        // A bare @PJL is an empty command.
        if name.is_empty() {
            return 0;
        }
        let (shown, secret) = blanked(arg);
        let assigned = assignment(arg).unwrap_or_default();
        let (variable, value) = (assigned.0.to_ascii_uppercase(), assigned.1);
        match (&name[..], &variable[..]) {
            (b"JOB", _) => {
                self.job_name = option(arg, b"NAME").map(kept_name).unwrap_or_default();
            }
            (b"SET", b"JOBNAME") => self.job_name = kept_name(value),
            (b"SET", b"USERNAME" | b"USER") => self.username = kept_name(value),
            (b"ENTER", _) => self.pages = true,
            _ => {}
        }
        let mechanism = match &name[..] {
            b"DEFAULT" | b"INITIALIZE" => "pjl-set-password",
            b"JOB" => "pjl",
            _ => "pjl-pin",
        };
        let file = if name.starts_with(b"FS") {
            option(arg, b"NAME").map(kept_name).unwrap_or_default()
        } else {
            Box::default()
        };
        let follows =
            matches!(&name[..], b"FSDOWNLOAD" | b"FSAPPEND" | b"DMINFO" | b"DMCMD").then(|| option(arg, b"SIZE"));
        let asks =
            matches!(&name[..], b"INFO" | b"INQUIRE" | b"DINQUIRE" | b"ECHO" | b"FSUPLOAD" | b"FSDIRLIST" | b"FSQUERY");
        let command = Command {
            at: (cx.ts, cx.packet),
            from_orig: dir == Direction::Orig,
            name: kept(&name),
            arg: shown,
            job_name: self.job_name.clone(),
            username: self.username.clone(),
            file,
            secret: secret.filter(|s| !s.borrow().is_empty() && s.borrow().expose() != b"0").map(|s| (mechanism, s)),
            ..Command::default()
        };
        if !asks {
            if !matches!(&name[..], b"COMMENT" | b"USTATUS" | b"USTATUSOFF" | b"RESET") {
                emit(Event { command: &command });
            }
        } else {
            if self.pending.len() >= limits::PJL_PENDING_MAX
                && let Some(oldest) = self.pending.pop_front()
            {
                cx.limit_hit();
                emit(Event { command: &oldest });
            }
            self.pending.push_back(command);
        }
        follows.flatten().and_then(text::decimal).unwrap_or(0)
    }

    /// Reads a line of the printer; returns bytes of a file that follow it.
    fn answer(&mut self, cx: Cx<'_>, line: &[u8], emit: Emit<'_>) -> u64 {
        // A form feed ends each answer (chapter 7); it may stand before the next one.
        let mut rest = line.get(..limits::LINE_BYTES_MAX).unwrap_or(line);
        while let Some(at) = memchr::memchr(0x0c, rest) {
            let follows = self.answer_line(cx, rest.get(..at).unwrap_or_default(), emit);
            if follows.is_some() {
                return follows.unwrap_or(0);
            }
            if std::mem::take(&mut self.answering)
                && let Some(command) = self.pending.pop_front()
            {
                emit(Event { command: &command });
            }
            rest = rest.get(at + 1..).unwrap_or_default();
            if rest.is_empty() {
                return 0;
            }
        }
        self.answer_line(cx, rest, emit).unwrap_or(0)
    }

    /// Reads what stands before a form feed; the bytes of a file, where one follows.
    fn answer_line(&mut self, cx: Cx<'_>, before: &[u8], emit: Emit<'_>) -> Option<u64> {
        if let Some(said) = before.trim_ascii().strip_prefix(PREFIX) {
            let (word, arg) = text::word(said.trim_ascii());
            let is = |c: &Command| c.name.eq_ignore_ascii_case(word);
            // Answers come in order; one that was not asked for (USTATUS) belongs to no command.
            self.answering = false;
            if let Some(at) = self.pending.iter().position(is) {
                for unanswered in self.pending.drain(..at).collect::<Vec<_>>() {
                    emit(Event { command: &unanswered });
                }
                self.answering = true;
                if let Some(command) = self.pending.front_mut() {
                    command.reply_packet = Some(cx.packet);
                    if &*command.name == b"FSUPLOAD" {
                        return Some(option(arg, b"SIZE").and_then(text::decimal).unwrap_or(0));
                    }
                }
            }
        } else if self.answering
            && let Some(command) = self.pending.front_mut()
        {
            let text = before.trim_ascii();
            let room = limits::PJL_REPLY_BYTES_MAX.saturating_sub(command.reply.len() + 1);
            if command.name.starts_with(b"FSUPLOAD") || text.is_empty() {
            } else if room < text.len() {
                cx.limit_hit();
            } else {
                if !command.reply.is_empty() {
                    command.reply.push(b' ');
                }
                // A variable that is a password is answered with it.
                let secret = command.arg.split(|c| matches!(c, b' ' | b'=')).any(is_secret);
                let (shown, _) = blanked(text);
                let shown: &[u8] = if secret { BLANK.as_bytes() } else { &shown };
                command.reply.extend_from_slice(shown);
                if &*command.name == b"INFO" && command.arg.eq_ignore_ascii_case(b"ID") && command.model.is_empty() {
                    let model = text.strip_prefix(b"ID=").unwrap_or(text);
                    command.model = kept(
                        model
                            .trim_ascii()
                            .trim_ascii_start()
                            .strip_prefix(b"\"")
                            .map_or(model, |m| m.split(|c| *c == b'"').next().unwrap_or_default()),
                    );
                }
            }
        }
        None
    }

    /// Passes over pages up to the end of the job.
    fn pages(&mut self, bytes: &[u8]) -> Progress {
        match memchr::memmem::find(bytes, UEL) {
            Some(at) => {
                self.pages = false;
                Progress::Partial { consumed: at + UEL.len(), needed: 1 }
            }
            None => {
                // The end may be cut anywhere.
                let tail = (1..UEL.len()).rev().find(|n| bytes.ends_with(UEL.get(..*n).unwrap_or_default()));
                match tail {
                    Some(n) => Progress::Partial { consumed: bytes.len() - n, needed: n + 1 },
                    None => Progress::Done,
                }
            }
        }
    }
}

impl AppParser for Pjl {
    const SPEC: Spec = Spec {
        name: "pjl",
        title: "PJL (raw printing)",
        transports: &[Transport::Tcp],
        ports: &[9100],
        reference: "HP PJL Technical Reference Manual (5021-0328)",
        table: Some(&TABLE),
        yields: "printer models, users, job names, passwords, file access",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if !payload.first().is_some_and(|c| matches!(c, 0x1b | b'@')) {
            return Probe::No;
        }
        // Some drivers put more than one UEL, or line ends, before the first command.
        let mut rest = payload.get(..256).unwrap_or(payload);
        while let Some(after) = rest.strip_prefix(UEL) {
            rest = after.trim_ascii_start();
        }
        if rest.starts_with(PREFIX) {
            Probe::Yes
        } else if PREFIX.starts_with(rest) || UEL.starts_with(rest) {
            Probe::NeedMore
        } else {
            Probe::No
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            // The side that sends the escape is the one that prints.
            if self.client.is_none() && rest.first() == Some(&0x1b) {
                self.client = Some(dir);
            }
            let is_client = *self.client.get_or_insert(dir) == dir;
            if is_client && self.pages {
                match self.pages(rest) {
                    Progress::Partial { consumed, .. } if !self.pages => {
                        used += consumed;
                        continue;
                    }
                    Progress::Partial { consumed, needed } => {
                        return Progress::Partial { consumed: used + consumed, needed };
                    }
                    other => return other,
                }
            }
            if is_client && rest.first() == Some(&0x1b) {
                if rest.starts_with(UEL) {
                    used += UEL.len();
                    continue;
                }
                if UEL.starts_with(rest) {
                    return Progress::Partial { consumed: used, needed: rest.len() + 1 };
                }
            }
            // An answer ends with a form feed, and no line end behind it.
            if !is_client && rest.first() == Some(&0x0c) {
                self.answer(cx, b"\x0c", emit);
                used += 1;
                continue;
            }
            let Some(lines) = self.lines.get_mut(dir.index()) else { return Progress::Finished };
            // Pages may come without ENTER LANGUAGE.
            let begun = rest.get(..PREFIX.len()).unwrap_or(rest);
            if is_client && !PREFIX.starts_with(begun) && !matches!(begun.first(), Some(b'\r' | b'\n' | b' ')) {
                self.pages = true;
                continue;
            }
            match lines.next(rest) {
                Line::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Line::Rest(n) => used += n,
                Line::Whole(line, n) => {
                    used += n;
                    let skip = if is_client {
                        let line = line.trim_ascii();
                        let command = line.get(PREFIX.len()..).filter(|_| line.starts_with(PREFIX));
                        command.map_or(0, |command| self.command(cx, dir, command, emit))
                    } else {
                        self.answer(cx, line, emit)
                    };
                    if skip > 0 {
                        let there = (bytes.len() - used) as u64;
                        if skip >= there {
                            return Progress::Skip(skip - there);
                        }
                        used += usize::try_from(skip).unwrap_or_default();
                    }
                }
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if self.client == Some(dir) {
            // Whatever is lost, the next job begins with the sequence.
            self.pages = true;
            if let Some(lines) = self.lines.get_mut(dir.index()) {
                *lines = Lines::default();
            }
        } else if let Some(lines) = self.lines.get_mut(dir.index()) {
            self.answering = false;
            lines.resync();
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if self.client == Some(dir.other()) && !rest.is_empty() {
            self.answer(cx, rest.get(..limits::LINE_BYTES_MAX).unwrap_or(rest), emit);
        }
        if std::mem::replace(&mut self.ended, true) {
            for command in std::mem::take(&mut self.pending) {
                emit(Event { command: &command });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_form_feeds_needs_no_stack() {
        let flow = crate::proto::testing::flow();
        let line = vec![0x0c; limits::LINE_BYTES_MAX];
        let small = std::thread::Builder::new().stack_size(128 << 10).spawn(move || {
            let count = crate::proto::api::LimitCount::default();
            let cx = Cx { ts: crate::base::Timestamp(0), packet: 1, flow: &flow, limited: &count };
            Pjl::default().answer(cx, &line, &mut |_| {})
        });
        assert_eq!(small.unwrap().join().unwrap(), 0);
    }
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn a_job_and_what_is_asked() {
        let seen = Script::new()
            .orig("\x1b%-12345X@PJL INFO ID\r\n@PJL DINQUIRE PASSWORD\r\n")
            .resp("@PJL INFO ID\r\n\"HP LaserJet 4ML\"\r\n\x0c@PJL DINQUIRE PASSWORD\r\n4711\r\n\x0c")
            .orig("@PJL JOB NAME = \"Invoice 7\" PASSWORD = 4711\r\n@PJL SET USERNAME=\"joe\"\r\n@PJL SET HOLDKEY=\"0815\"\r\n")
            .orig("@PJL COMMENT x\r\n@PJL ENTER LANGUAGE = POSTSCRIPT\r\n%!PS\n@PJL no command\n\x1b%-1234\x1b%-12345X")
            .orig("@PJL EOJ NAME=\"Invoice 7\"\r\n\x1b%-12345X")
            .any_chunking::<Pjl>();
        // What is asked for is told when it is answered.
        assert_eq!(seen.cells("command"), ["INFO", "DINQUIRE", "JOB", "SET", "SET", "ENTER", "EOJ"]);
        assert_eq!(seen.cells("reply")[..2], ["\"HP LaserJet 4ML\"", "[blanked]"]);
        assert_eq!(seen.cells("arg")[2], "NAME = \"Invoice 7\" PASSWORD = [blanked]");
        assert_eq!(seen.cells("arg")[4], "HOLDKEY=\"[blanked]\"");
        assert_eq!(seen.cells("username")[5], "joe");
        assert_eq!(seen.cells("job_name")[5], "Invoice 7");
        assert_eq!(seen.logins.len(), 2);
        let all = format!("{seen:?}");
        assert!(!all.contains("4711") && !all.contains("0815"));
    }

    #[test]
    fn files_are_passed_over() {
        let seen = Script::new()
            .orig("@PJL FSUPLOAD NAME=\"0:\\etc\\x\" OFFSET=0 SIZE=9\r\n")
            .resp("@PJL FSUPLOAD FORMAT:BINARY NAME=\"0:\\etc\\x\" OFFSET=0 SIZE=9\r\nroot:x\n\x0c@\x0c")
            .orig(
                "@PJL FSDOWNLOAD FORMAT:BINARY SIZE=11 NAME=\"0:\\a\"\r\n@PJL no\r\nxx@PJL FSDELETE NAME=\"0:\\a\"\r\n",
            )
            .any_chunking::<Pjl>();
        assert_eq!(seen.cells("command"), ["FSUPLOAD", "FSDOWNLOAD", "FSDELETE"]);
        assert_eq!(seen.cells("file"), ["0:\\etc\\x", "0:\\a", "0:\\a"]);
        assert!(!format!("{seen:?}").contains("root:x"));
    }

    #[test]
    fn a_password_that_is_set() {
        let seen = Script::new().orig("@PJL JOB PASSWORD=0\r\n@PJL DEFAULT PASSWORD=9999\r\n").any_chunking::<Pjl>();
        assert_eq!(seen.logins.len(), 1, "zero is none");
        assert!(seen.logins[0].contains("pjl-set-password"));
        assert_eq!(seen.cells("arg")[1], "PASSWORD=[blanked]");
    }

    #[test]
    fn secrets_by_the_names_of_all_makers() {
        for (arg, shown, logins) in [
            ("SET USERPASSWORD=\"hunter2\"", "USERPASSWORD=\"[blanked]\"", 1),
            ("SET SECURITYPASSWORD = hunter2", "SECURITYPASSWORD = [blanked]", 1),
            ("SET KMPASS=\"hunter2\"", "KMPASS=\"[blanked]\"", 1),
            ("SET XRXPIN=hunter2", "XRXPIN=[blanked]", 1),
            ("SET USERCODE=\"hunter2\"", "USERCODE=\"[blanked]\"", 1),
            ("SET DEPARTMENTID=\"hunter2\"", "DEPARTMENTID=\"[blanked]\"", 0),
            ("SET JOBATTR=\"JobPassword=hunter2\"", "JOBATTR=\"JobPassword=[blanked]\"", 1),
            ("SET JOBATTR=\"JobAcct1=joe\"", "JOBATTR=\"JobAcct1=joe\"", 0),
            ("SET JOBATTR=\"JobAcct8=hunter2\"", "JOBATTR=\"JobAcct8=[blanked]\"", 0),
            ("SET JOBACCT12=\"hunter2\"", "JOBACCT12=\"[blanked]\"", 0),
            ("SET USERNAME=\"joe:hunter2\"", "USERNAME=\"joe:[blanked]\"", 0),
            ("SET ACCOUNTID=hunter2", "ACCOUNTID=[blanked]", 0),
            ("JOB NAME=\"x password=hunter2\"", "NAME=\"x password=[blanked]\"", 0),
            ("JOB NAME=\"a = b\" PASSWORD=hunter2 START=1", "NAME=\"a = b\" PASSWORD=[blanked] START=1", 1),
            ("FSDELETE NAME=\"0:/a?password=hunter2\"", "NAME=\"0:/a?password=[blanked]\"", 0),
            ("SET BYPASSTRAY=ON", "BYPASSTRAY=ON", 0),
            ("SET LPARM:PCL SYMSET=PC8", "LPARM:PCL SYMSET=PC8", 0),
        ] {
            let seen = Script::new().orig(format!("@PJL {arg}\r\n")).any_chunking::<Pjl>();
            assert_eq!((seen.cells("arg")[0].as_str(), seen.logins.len()), (shown, logins));
            assert!(!format!("{seen:?}").contains("hunter2"), "{arg}");
        }
    }

    #[test]
    fn a_gap_any_cut_and_probes() {
        let all = "\x1b%-12345X@PJL JOB NAME=\"a\"\r\n@PJL ENTER LANGUAGE=PCL\r\n\x1bE..\x1b%-12345X@PJL EOJ\r\n";
        let seen = Script::new().orig(&all[..30]).gap(Direction::Orig, 10).orig(&all[50..]).any_chunking::<Pjl>();
        assert_eq!(seen.cells("command").last().unwrap(), "EOJ");
        for cut in 0..all.len() {
            Script::new().orig(&all[..cut]).any_chunking::<Pjl>();
        }
        Script::new().orig("@PJL FSDOWNLOAD SIZE=999999999999999999 NAME=\"x\"\r\nx").any_chunking::<Pjl>();
        for (bytes, want) in [
            (all, Probe::Yes),
            ("\x1b%-12345X\x1b%-12345X\r\n@PJL\r\n", Probe::Yes),
            ("@PJL INFO ID\r\n", Probe::Yes),
            ("\x1bE\x1b&l", Probe::No),
            ("\x1b%-1", Probe::NeedMore),
            ("@RSYNCD: 31\n", Probe::No),
            ("%!PS", Probe::No),
        ] {
            assert_eq!(probe_all::<Pjl>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

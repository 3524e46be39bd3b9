//! What rlogin, rsh and rexec have in common: lines that end in NUL, an answer of one byte, one table.
//!
//! ```text
//! rlogin (RFC 1282)  NUL local-user NUL remote-user NUL terminal "/" speed NUL        then the session
//! rsh                [port] NUL local-user NUL remote-user NUL command NUL            then its input
//! rexec              [port] NUL user NUL password NUL command NUL                     likewise
//! answer             NUL, or 1 and a line that says why not
//! ```
//! rsh and rexec have no standard: their form is that of the servers of 4.2BSD, which all others follow.

use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Direction, Login, Probe};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// Sessions and commands: one row each.
pub static TABLE: Table = Table {
    name: "rcmd",
    doc: "Sessions of rlogin and commands of rsh and rexec, one row per connection",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("protocol", Type::Text, "`rlogin`, `rsh` or `rexec`"),
        Column::repeating("local_user", Type::Text, "User on the client, as the client says"),
        Column::repeating("remote_user", Type::Text, "User on the server that is asked for"),
        Column::repeating("command", Type::Text, "First word of the command; the rest may hold secrets"),
        Column::repeating("terminal", Type::Text, "Terminal and speed that the client named"),
        Column::new("error_port", Type::Int32, "Port of the client for what the command writes as errors"),
        Column::new("login_attempts", Type::Int32, "Passwords that were sent"),
        Column::new("success", Type::Bool, "Whether the server let the client in; null where that was not seen"),
        Column::new("trusted", Type::Bool, "Whether it let the client in without a password; null where unknown"),
        Column::repeating("failure", Type::Text, "What the server said when it did not"),
    ],
};

/// What is known of a session.
#[derive(Debug, Default)]
pub struct Session {
    /// When it began, and with which packet.
    pub at: (Timestamp, u64),
    /// `rlogin`, `rsh` or `rexec`.
    pub service: &'static str,
    /// User on the client.
    pub local_user: Option<Vec<u8>>,
    /// User on the server.
    pub remote_user: Option<Vec<u8>>,
    /// First word of the command.
    pub command: Option<Vec<u8>>,
    /// Terminal and speed.
    pub terminal: Option<Vec<u8>>,
    /// Where errors go.
    pub error_port: Option<u16>,
    /// Passwords that were sent.
    pub attempts: u32,
    /// What the server answered.
    pub success: Option<bool>,
    /// Whether it let the client in without a password.
    pub trusted: Option<bool>,
    /// Why not.
    pub failure: Option<Vec<u8>>,
}

/// What the parsers emit.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A login.
    Login(&'e Login<'e>),
    /// The session as a whole.
    Session(&'e Session),
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Login(login) => Some((login.ts, login.packet)),
            Self::Session(session) => Some(session.at),
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Session(s) = self else { return };
        row.text(s.service);
        row.opt_user(s.local_user.as_deref()).opt_user(s.remote_user.as_deref());
        row.opt_bytes(s.command.as_deref()).opt_bytes(s.terminal.as_deref());
        row.opt_int(s.error_port).int(s.attempts).opt_bool(s.success).opt_bool(s.trusted);
        row.opt_bytes(s.failure.as_deref());
    }

    fn login(&self) -> Option<Login<'_>> {
        if let Self::Login(login) = self { Some(**login) } else { None }
    }
}

/// What stands at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// A field, and so many bytes of input with its NUL.
    Whole(&'a [u8], usize),
    /// Its NUL has not come.
    Open,
    /// It is longer than any.
    TooLong,
}

/// The field that these bytes begin with.
pub fn field(bytes: &[u8]) -> Field<'_> {
    let window = bytes.get(..limits::RLOGIN_FIELD_BYTES_MAX).unwrap_or(bytes);
    match memchr::memchr(0, window) {
        Some(end) => Field::Whole(window.get(..end).unwrap_or_default(), end + 1),
        None if window.len() == limits::RLOGIN_FIELD_BYTES_MAX => Field::TooLong,
        None => Field::Open,
    }
}

/// Which of the three forms some bytes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// rlogin.
    Terminal,
    /// rsh or rexec.
    Command,
}

/// Whether the first bytes of a client have this form.
pub fn probe(dir: Direction, payload: &[u8], form: Form) -> Probe {
    if dir == Direction::Resp {
        return Probe::No;
    }
    let port: &[u8] = match payload {
        [0, ..] => &[],
        _ if form == Form::Terminal => return Probe::No,
        _ => {
            let end = payload.iter().take(6).position(|c| *c == 0);
            match (payload.get(..end.unwrap_or(payload.len().min(6))), end) {
                (Some(digits), _) if !digits.iter().all(u8::is_ascii_digit) || digits.len() > 5 => return Probe::No,
                (Some(digits), Some(_)) => digits,
                _ => return Probe::NeedMore,
            }
        }
    };
    if text::decimal(port).is_some_and(|p| p > 65_535) {
        return Probe::No;
    }
    let mut rest = payload.get(port.len() + 1..).unwrap_or_default();
    let is_name = |name: &[u8]| name.len() <= 64 && name.iter().all(u8::is_ascii_graphic);
    let is_line = |line: &[u8]| line.iter().all(|c| *c >= 0x20 && *c != 0x7f || *c == b'\t');
    for n in 0..3 {
        let fits = |text: &[u8]| match n {
            0 => is_name(text),
            // rexec has a password here.
            1 if form == Form::Command => text.len() <= 256 && is_line(text),
            1 => is_name(text),
            _ if form == Form::Command => is_line(text),
            _ => text.len() <= 64 && is_name(text),
        };
        match field(rest) {
            Field::Whole(text, used) => {
                let filled = !text.is_empty() || n == 1;
                if !filled || !fits(text) {
                    return Probe::No;
                }
                if n == 2 {
                    let is_terminal = is_terminal(text);
                    return if is_terminal == (form == Form::Terminal) { Probe::Yes } else { Probe::No };
                }
                rest = rest.get(used..).unwrap_or_default();
            }
            Field::Open if fits(rest) => return Probe::NeedMore,
            Field::Open | Field::TooLong => return Probe::No,
        }
    }
    Probe::No
}

/// A terminal and its speed: `xterm/38400`.
pub fn is_terminal(text: &[u8]) -> bool {
    text::split_once(text, b'/').is_some_and(|(name, speed)| {
        !name.is_empty() && !name.contains(&b' ') && text::decimal(speed).is_some_and(|n| n < 100_000_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::probe_all;

    #[test]
    fn a_field_ends_at_its_nul() {
        assert_eq!(field(b"root\0ls\0"), Field::Whole(b"root", 5));
        assert_eq!(field(b"\0"), Field::Whole(b"", 1));
        assert_eq!(field(b"root"), Field::Open);
        assert_eq!(field(&[b'a'; limits::RLOGIN_FIELD_BYTES_MAX]), Field::TooLong);
    }

    #[test]
    fn terminals() {
        assert!(is_terminal(b"xterm-256color/38400"));
        for text in [&b"xterm"[..], b"ls /tmp", b"/9600", b"cat a/9600"] {
            assert!(!is_terminal(text), "{text:?}");
        }
    }

    #[test]
    fn what_a_client_begins_with_is_one_of_the_two_forms() {
        for (payload, form) in [
            (&b"\0a\0b\0vt100/9600\0"[..], Some(Form::Terminal)),
            (b"0\0a\0b c\0cat a/9600\0", Some(Form::Command)),
            (b"0\0a b\0c\0ls\0", None),
            (b"0\0a\0b\0l\x01s\0", None),
            (b"\0\0\0\0", None),
        ] {
            for tried in [Form::Terminal, Form::Command] {
                let said = probe(Direction::Orig, payload, tried);
                assert_eq!(said == Probe::Yes, form == Some(tried), "{payload:?} {tried:?}");
            }
        }
        assert_eq!(probe_all::<crate::proto::remote::rsh::Rexec>(Direction::Orig, b"0\0a"), Probe::NeedMore);
    }
}

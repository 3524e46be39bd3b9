//! The dialogue of a login on a terminal: what the server asks, what somebody types, and what becomes
//! of it. Telnet and rlogin carry it, and so do bare consoles.

use super::dialogue_memory::{Attempt, Held, hidden};
use super::telnet_prompt::{self as prompt, Prompt};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Cx, Login};
use crate::proto::prose;

/// Progress through a control sequence of a terminal (ECMA-48): nothing that is typed or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    Started,
    Sequence,
    Command,
}

impl Escape {
    /// Takes a byte; whether it belonged to a sequence.
    fn swallows(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (_, 0x1b) => Self::Started,
            (Self::None, _) => return false,
            (Self::Started, b'[' | b'O') => Self::Sequence,
            (Self::Started, b']') => Self::Command,
            (Self::Started, _) => Self::None,
            (Self::Sequence, 0x40..=0x7e) => Self::None,
            (Self::Sequence, 0x20..=0x3f) => Self::Sequence,
            (Self::Command, 0x20..) => Self::Command,
            (Self::Sequence | Self::Command, _) => Self::None,
        };
        true
    }
}

/// Lines after a password in which a refusal is looked for.
const RESULT_LINES: u32 = 4;

/// Follows the dialogue.
#[derive(Default)]
pub struct Dialogue {
    escapes: [Escape; 2],
    banner: Vec<u8>,
    banner_done: bool,
    /// The line that the server is writing.
    shown: Vec<u8>,
    /// The one before it.
    before: Vec<u8>,
    /// What those two ask for, until more is shown: a client may send empty lines without end.
    asking: Option<Prompt>,
    /// The line that the client is typing, and what it was asked for when it began to.
    typed: Vec<u8>,
    typing: bool,
    asked: Prompt,
    /// The user that the prompt named.
    asked_for: Option<Vec<u8>>,
    after_cr: bool,
    user: Option<Vec<u8>>,
    /// The last line that was typed at a prompt for a command, if it asks to become somebody else.
    becoming: Option<Becoming>,
    /// Whether a command was typed.
    commanded: bool,
    attempt: Option<Attempt>,
    attempts: u32,
    success: Option<bool>,
    last_user: Option<Vec<u8>>,
    held: Held,
}

/// A command that asks for another password than the first one.
#[derive(Debug)]
struct Becoming {
    mechanism: &'static str,
    user: Option<Vec<u8>>,
}

impl std::fmt::Debug for Dialogue {
    /// Without what is being typed: it may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialogue").field("asked", &self.asked).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

type Tell<'a> = &'a mut dyn FnMut(Login<'_>);

impl Dialogue {
    /// The user that the protocol itself has named.
    pub fn named(&mut self, user: &[u8]) {
        if !user.is_empty() {
            self.user = Some(user.to_vec());
        }
    }

    /// Passwords that were typed at a prompt for one.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What became of the last one.
    pub const fn success(&self) -> Option<bool> {
        self.success
    }

    /// Whether a command was typed at the prompt of a shell.
    pub const fn commanded(&self) -> bool {
        self.commanded
    }

    /// User name of the last attempt, or the one that was named; blanked where it was a secret typed at the
    /// wrong prompt.
    pub fn username(&self) -> Option<&[u8]> {
        let user = self.last_user.as_deref().or(self.user.as_deref())?;
        Some(if self.held.is_mistake(user) { hidden() } else { user })
    }

    /// The first text of the server, its lines joined by blanks, without secrets that it tells or that were
    /// typed later.
    pub fn banner(&self) -> Vec<u8> {
        let lines: Vec<_> = self.banner.trim_ascii().split(|c| *c == b'\n').map(prose::blanked).collect();
        self.held.without_secrets(&lines.join(&b' '))
    }

    /// A byte that the server shows.
    pub fn shown(&mut self, byte: u8) {
        let [_, escape] = &mut self.escapes;
        if escape.swallows(byte) {
            return;
        }
        self.asking = None;
        if !self.banner_done && self.banner.len() < limits::TELNET_BANNER_BYTES_MAX {
            match byte {
                b'\r' | 0 | 7 => {}
                // Ends of lines are kept: that of a sentence decides what in it is a secret.
                b'\n' | b'\t' => {
                    if self.banner.last().is_some_and(|c| !matches!(c, b' ' | b'\n')) {
                        self.banner.push(if byte == b'\n' { b'\n' } else { b' ' });
                    }
                }
                _ => self.banner.push(byte),
            }
        }
        match byte {
            b'\n' => self.shown_line(),
            // A carriage return starts the line anew only if something else follows; a prompt may
            // be redrawn so.
            b'\r' | 0 | 7 => {}
            8 => _ = self.shown.pop(),
            _ => {
                if self.shown.len() >= limits::TELNET_LINE_BYTES_MAX {
                    // What counts in a prompt is its end.
                    self.shown.drain(..limits::TELNET_LINE_BYTES_MAX / 2);
                }
                self.shown.push(byte);
            }
        }
    }

    /// The server has ended a line.
    fn shown_line(&mut self) {
        let line = self.shown.trim_ascii();
        if line.is_empty() {
            self.shown.clear();
            return;
        }
        if let Some(attempt) = &mut self.attempt
            && line.iter().any(|c| *c != b'*')
        {
            attempt.lines = attempt.lines.saturating_add(1);
            if attempt.lines <= RESULT_LINES && attempt.result.is_none() && prompt::refuses(line) {
                attempt.result = Some(false);
            }
        }
        std::mem::swap(&mut self.shown, &mut self.before);
        self.shown.clear();
    }

    /// What the server asks for at this moment.
    fn asks(&mut self) -> Prompt {
        let (shown, before) = (self.shown.trim_ascii(), self.before.trim_ascii());
        *self
            .asking
            .get_or_insert_with(|| if shown.is_empty() { Prompt::of(before, false) } else { Prompt::of(shown, true) })
    }

    /// Decides what became of the last attempt, given what the server asks for now.
    fn decide(&mut self, asks: Prompt, tell: Tell<'_>) {
        let Some(mut attempt) = self.attempt.take() else { return };
        let answered = attempt.lines > 0 || !self.shown.trim_ascii().is_empty();
        attempt.result = match (attempt.result, asks) {
            (Some(result), _) => Some(result),
            (None, Prompt::User | Prompt::Password) => Some(false),
            (None, Prompt::NewPassword | Prompt::Command) => Some(true),
            (None, Prompt::None) => answered.then_some(true),
        };
        self.success = attempt.result;
        self.last_user = attempt.user.clone();
        self.held.hold(attempt);
        if self.success == Some(true) || self.held.is_full() {
            self.held.tell(tell);
        }
    }

    /// A byte that is typed. Logins whose outcome became known by it are told.
    pub fn typed(&mut self, cx: Cx<'_>, byte: u8, tell: Tell<'_>) {
        let [escape, _] = &mut self.escapes;
        if escape.swallows(byte) {
            return;
        }
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        // CR LF and CR NUL are one end of a line (RFC 854).
        if after_cr && matches!(byte, b'\n' | 0) {
            return;
        }
        if !self.typing {
            self.typing = true;
            self.banner_done = true;
            self.asked = self.asks();
            self.asked_for = match self.asked {
                Prompt::Password => {
                    let shown = self.shown.trim_ascii();
                    prompt::named_user(if shown.is_empty() { self.before.trim_ascii() } else { shown })
                }
                _ => None,
            };
            self.decide(self.asked, tell);
        }
        match byte {
            b'\r' | b'\n' => self.typed_line(cx),
            8 | 0x7f => self.erase_character(),
            // ^U, ^C and ^X take back all of it, ^W the last word.
            0x15 | 0x03 | 0x18 => self.erase_line(),
            0x17 => {
                let end = self.typed.trim_ascii_end().iter().rposition(|c| *c == b' ').map_or(0, |at| at + 1);
                self.typed.truncate(end);
            }
            0..0x20 => {}
            _ if self.typed.len() < limits::TELNET_LINE_BYTES_MAX => self.typed.push(byte),
            _ => cx.limit_hit(),
        }
    }

    /// The last character is taken back; one of several bytes goes as one.
    pub fn erase_character(&mut self) {
        while self.typed.pop().is_some_and(|c| c & 0xc0 == 0x80) {}
    }

    /// All of the line is taken back.
    pub fn erase_line(&mut self) {
        self.typed.clear();
    }

    fn typed_line(&mut self, cx: Cx<'_>) {
        let line = std::mem::take(&mut self.typed);
        self.typing = false;
        match self.asked {
            Prompt::User if !line.is_empty() => {
                self.user = Some(line);
                self.becoming = None;
            }
            Prompt::Password => {
                self.attempts = self.attempts.saturating_add(1);
                let becoming = self.becoming.as_ref();
                let named = self.asked_for.take().or_else(|| becoming.and_then(|b| b.user.clone()));
                let mechanism = becoming.map_or("login", |b| b.mechanism);
                let user = if becoming.is_some_and(|b| b.mechanism == "enable") {
                    None
                } else {
                    named.or_else(|| self.user.clone())
                };
                let (secret, at) = (SecretBuf::new(&line), (cx.ts, cx.packet));
                self.attempt = Some(Attempt { user, secret, at, mechanism, result: None, lines: 0 });
            }
            Prompt::Command => {
                self.commanded |= !line.is_empty();
                self.becoming = becomes(&line);
            }
            _ => {}
        }
        // What is shown from here on answers this line.
        if self.asked != Prompt::None {
            self.shown.clear();
            self.before.clear();
            self.asking = None;
        }
        self.asked = Prompt::None;
    }

    /// Bytes of the server are missing.
    pub fn shown_gap(&mut self) {
        let [_, escape] = &mut self.escapes;
        *escape = Escape::None;
        self.shown.clear();
        self.before.clear();
        self.asking = None;
    }

    /// Bytes of the client are missing.
    pub fn typed_gap(&mut self) {
        let [escape, _] = &mut self.escapes;
        *escape = Escape::None;
        // Half a line would be a wrong user name or password.
        self.typed.clear();
        self.asked = Prompt::None;
    }

    /// The session is over: what waits for an answer is told without one.
    pub fn finish(&mut self, tell: Tell<'_>) {
        let asks = self.asks();
        self.decide(asks, tell);
        self.held.tell(tell);
    }
}

/// What a command asks to become: `enable` on switches and routers, `su` and `sudo` elsewhere.
fn becomes(line: &[u8]) -> Option<Becoming> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    match words.next()? {
        // Cisco's shell takes any start of the word that is clear.
        b"en" | b"ena" | b"enab" | b"enabl" | b"enable" | b"super" | b"system-admin" => {
            Some(Becoming { mechanism: "enable", user: None })
        }
        b"su" => {
            let user = words.find(|w| !w.starts_with(b"-")).unwrap_or(b"root");
            Some(Becoming { mechanism: "su", user: Some(user.to_vec()) })
        }
        b"sudo" => Some(Becoming { mechanism: "sudo", user: None }),
        _ => None,
    }
}

/// The moment of a packet.
pub type Moment = (Timestamp, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_ask_for_another_password() {
        for (line, want) in [
            ("enable", Some(("enable", None))),
            ("en", Some(("enable", None))),
            ("su -", Some(("su", Some("root")))),
            ("su - joe", Some(("su", Some("joe")))),
            ("sudo ls", Some(("sudo", None))),
            ("  ", None),
            ("end", None),
            ("suspend", None),
        ] {
            let got = becomes(line.as_bytes());
            let got = got.as_ref().map(|b| (b.mechanism, b.user.as_deref().map(|u| str::from_utf8(u).unwrap())));
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn control_sequences_are_neither_typed_nor_shown() {
        let mut dialogue = Dialogue::default();
        for byte in b"\x1b[2J\x1b[1;1H\x1b]0;title\x07Welcome\r\n\x1b[1mlogin: \x1b[0m" {
            dialogue.shown(*byte);
        }
        assert_eq!(dialogue.banner(), b"Welcome login:");
        assert_eq!(dialogue.asks(), Prompt::User);
        assert_eq!((dialogue.attempts(), dialogue.success(), dialogue.username()), (0, None, None));
        dialogue.named(b"joe");
        assert_eq!(dialogue.username(), Some(&b"joe"[..]));
    }

    #[test]
    fn a_gap_forgets_half_a_line() {
        let mut dialogue = Dialogue::default();
        for byte in b"Password: " {
            dialogue.shown(*byte);
        }
        dialogue.shown_gap();
        assert_eq!(dialogue.asks(), Prompt::None);
        dialogue.typed.extend_from_slice(b"Samp");
        dialogue.typed_gap();
        assert!(dialogue.typed.is_empty());
    }
}

//! The negotiation inside telnet: commands, options and subnegotiations (RFC 854, RFC 855).

use crate::base::{Secret, limits};

/// Names of options (IANA registry "Telnet Options").
pub const fn option_name(option: u8) -> Option<&'static str> {
    Some(match option {
        0 => "BINARY",
        1 => "ECHO",
        3 => "SUPPRESS-GO-AHEAD",
        5 => "STATUS",
        6 => "TIMING-MARK",
        17 => "EXTENDED-ASCII",
        18 => "LOGOUT",
        24 => "TERMINAL-TYPE",
        25 => "END-OF-RECORD",
        31 => "WINDOW-SIZE",
        32 => "TERMINAL-SPEED",
        33 => "REMOTE-FLOW-CONTROL",
        34 => "LINEMODE",
        35 => "X-DISPLAY-LOCATION",
        36 => "ENVIRON",
        37 => "AUTHENTICATION",
        38 => "ENCRYPT",
        39 => "NEW-ENVIRON",
        40 => "TN3270E",
        42 => "CHARSET",
        44 => "COM-PORT",
        46 => "START-TLS",
        47 => "KERMIT",
        _ => return None,
    })
}

/// Commands (RFC 854).
#[allow(missing_docs)] // the names are the standard's
pub mod command {
    pub const SE: u8 = 240;
    pub const ERASE_CHARACTER: u8 = 247;
    pub const ERASE_LINE: u8 = 248;
    pub const SB: u8 = 250;
    pub const WILL: u8 = 251;
    pub const DONT: u8 = 254;
    pub const IAC: u8 = 255;
}

/// Numbers of options that are read.
#[allow(missing_docs)] // the names are the registry's
pub mod option {
    pub const TERMINAL_TYPE: u8 = 24;
    pub const END_OF_RECORD: u8 = 25;
    pub const ENVIRON: u8 = 36;
    pub const AUTHENTICATION: u8 = 37;
    pub const ENCRYPT: u8 = 38;
    pub const NEW_ENVIRON: u8 = 39;
    pub const TN3270E: u8 = 40;
    pub const START_TLS: u8 = 46;
}

/// Where a direction stands between its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    Iac,
    Option,
    Sub,
    SubIac,
}

/// One direction's negotiation.
#[derive(Debug, Default)]
pub struct Negotiation {
    state: State,
    sub: Vec<u8>,
}

/// What a byte of the stream turned out to be.
pub enum Piece<'a> {
    /// A byte of the text.
    Byte(u8),
    /// An option that was offered, asked for or declined.
    Option(u8),
    /// A subnegotiation: the option and what is said of it.
    Sub(&'a [u8]),
    /// The last character that was typed is taken back.
    EraseCharacter,
    /// All of the line that was typed is taken back.
    EraseLine,
    /// Part of something that is not complete, or that has no meaning here.
    Nothing,
}

impl Negotiation {
    /// Takes the next byte of the direction.
    pub fn push(&mut self, byte: u8) -> Piece<'_> {
        let (next, piece) = match (self.state, byte) {
            (State::Text, command::IAC) => (State::Iac, Piece::Nothing),
            (State::Text, _) => return Piece::Byte(byte),
            (State::Iac, command::IAC) => (State::Text, Piece::Byte(byte)),
            (State::Iac, command::WILL..=command::DONT) => (State::Option, Piece::Nothing),
            (State::Iac, command::SB) => {
                self.sub.clear();
                (State::Sub, Piece::Nothing)
            }
            (State::Iac, command::ERASE_CHARACTER) => (State::Text, Piece::EraseCharacter),
            (State::Iac, command::ERASE_LINE) => (State::Text, Piece::EraseLine),
            (State::Iac, _) => (State::Text, Piece::Nothing),
            (State::Option, option) => (State::Text, Piece::Option(option)),
            (State::Sub, command::IAC) => (State::SubIac, Piece::Nothing),
            (State::SubIac, command::SE) => {
                self.state = State::Text;
                return Piece::Sub(&self.sub);
            }
            (State::Sub | State::SubIac, _) => {
                if self.sub.len() < limits::TELNET_SUBNEGOTIATION_BYTES_MAX {
                    self.sub.push(byte);
                }
                (State::Sub, Piece::Nothing)
            }
        };
        self.state = next;
        piece
    }
}

/// What a subnegotiation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says<'a> {
    /// Terminal type (RFC 1091; RFC 2355, section 7.1.1).
    Terminal(&'a [u8]),
    /// The user (RFC 1572, RFC 1408, RFC 2941).
    User(&'a [u8]),
    /// A password, or what was made of it with a seed (RFC 4777, section 5).
    Substitute {
        /// The client's seed; empty where the password was not encrypted.
        seed: &'a [u8],
        /// The password.
        password: Secret<'a>,
    },
    /// TLS begins behind this (the option START-TLS).
    TlsFollows,
    /// The stream is encrypted from here on (RFC 2946).
    Encrypts,
}

/// Reads a subnegotiation: its option and what is said of it.
pub fn says<'a>(sub: &'a [u8], say: &mut dyn FnMut(Says<'a>)) {
    const IS: u8 = 0;
    const INFO: u8 = 2;
    match sub {
        [option::TERMINAL_TYPE, IS, name @ ..] => say(Says::Terminal(name)),
        // DEVICE-TYPE REQUEST, and behind the type maybe a resource.
        [option::TN3270E, 2, 7, name @ ..] => {
            say(Says::Terminal(name.split(|c| *c < 0x20).next().unwrap_or_default()));
        }
        [option::NEW_ENVIRON | option::ENVIRON, IS | INFO, variables @ ..] => environment(variables, say),
        [option::AUTHENTICATION, 3, name @ ..] => say(Says::User(name)),
        [option::START_TLS, 1, ..] => say(Says::TlsFollows),
        [option::ENCRYPT, 3, ..] => say(Says::Encrypts),
        _ => {}
    }
}

/// The variables of NEW-ENVIRON: each begins with 0 or 3, and its value with 1. ENVIRON had 0 and 1 the
/// other way round in many programs; names are no values, so that does no harm here.
fn environment<'a>(variables: &'a [u8], say: &mut dyn FnMut(Says<'a>)) {
    const VALUE: u8 = 1;
    let mut seed: &[u8] = &[];
    let mut rest = variables;
    while let [_, behind @ ..] = rest {
        let (variable, next) = behind.split_at(variable_len(behind));
        rest = next;
        let mut parts = variable.splitn(2, |c| *c == VALUE);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        match name {
            _ if value.is_empty() => {}
            b"USER" => say(Says::User(value)),
            b"IBMRSEED" => seed = value,
            b"IBMSUBSPW" => say(Says::Substitute { seed, password: Secret::new(value) }),
            _ => {}
        }
    }
}

/// Where the next variable begins. A byte behind ESC is none of the marks (RFC 1572, section 2).
fn variable_len(bytes: &[u8]) -> usize {
    const ESC: u8 = 2;
    let mut escaped = false;
    let ends = |byte: &u8| {
        let marks = !escaped && matches!(byte, 0 | 3);
        escaped = !escaped && *byte == ESC;
        marks
    };
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// Which screens of mainframes a terminal of this type shows.
pub fn emulation(terminal: &[u8]) -> Option<&'static str> {
    let model = terminal.strip_prefix(b"IBM-")?;
    match model {
        [b'3', b'2', b'7', ..] => Some("tn3270"),
        [b'5', ..] | [b'3', b'1' | b'4', ..] => Some("tn5250"),
        _ if model.starts_with(b"DYNAMIC") => Some("tn3270"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sub: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        says(sub, &mut |s| out.push(format!("{s:?}")));
        out
    }

    #[test]
    fn what_clients_say_of_themselves() {
        let user = format!("{:?}", Says::User(b"root"));
        assert_eq!(said(b"\x27\x00\x00DISPLAY\x01x:0\x00USER\x01root"), [user.as_str()]);
        assert_eq!(said(b"\x27\x02\x03USER\x01root"), [user.as_str()]);
        assert_eq!(said(b"\x25\x03root"), [user]);
        assert_eq!(said(b"\x18\x00vt100"), [format!("{:?}", Says::Terminal(b"vt100"))]);
        assert_eq!(said(b"\x28\x02\x07IBM-3278-2-E\x01LU1"), [format!("{:?}", Says::Terminal(b"IBM-3278-2-E"))]);
        assert_eq!(said(b"\x2e\x01"), ["TlsFollows"]);
        assert!(said(b"\x18\x01").is_empty(), "a question");
        assert!(said(b"").is_empty());
    }

    #[test]
    fn a_password_of_a_midrange_terminal() {
        let clear = Says::Substitute { seed: b"", password: Secret::new(b"SAMPLE") };
        assert_eq!(said(b"\x27\x00\x00USER\x01QUSER\x03IBMRSEED\x01\x03IBMSUBSPW\x01SAMPLE")[1], format!("{clear:?}"));
        let sealed = said(b"\x27\x00\x03IBMRSEED\x01abcd\x02\x03gh\x03IBMSUBSPW\x01\xa0\xb0\xc0");
        assert_eq!(
            sealed,
            [format!("{:?}", Says::Substitute { seed: b"abcd\x02\x03gh", password: Secret::new(b"\xa0\xb0\xc0") })]
        );
    }

    #[test]
    fn screens_of_mainframes() {
        for (terminal, want) in [
            ("IBM-3278-2-E", Some("tn3270")),
            ("IBM-DYNAMIC", Some("tn3270")),
            ("IBM-3179-2", Some("tn5250")),
            ("IBM-5555-C01", Some("tn5250")),
            ("IBM-3477-FC", Some("tn5250")),
            ("xterm", None),
            ("IBM-", None),
        ] {
            assert_eq!(emulation(terminal.as_bytes()), want, "{terminal}");
        }
    }
}

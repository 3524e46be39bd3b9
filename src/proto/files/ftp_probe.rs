//! Whether first bytes are those of an FTP control connection.

use super::ftp::{Verb, reply_head};
use super::ftp_endpoint::six_numbers;
use crate::proto::api::Probe;
use crate::proto::text;

/// Judges the first bytes of either side.
pub fn probe(payload: &[u8]) -> Probe {
    if payload.first().is_some_and(u8::is_ascii_digit) { probe_replies(payload) } else { probe_commands(payload) }
}

/// Judges what a server may have said.
fn probe_replies(payload: &[u8]) -> Probe {
    let mut greeted = false;
    for line in payload.split_inclusive(|c| *c == b'\n').take(64) {
        if !text::is_text(line) {
            return Probe::No;
        }
        let whole = line.ends_with(b"\n");
        let head = reply_head(line.trim_ascii_end());
        match head {
            Some((220 | 120, _)) => greeted = true,
            // "331 send the password" is said by FTP servers only; mail and news use 3xx otherwise.
            Some((331 | 332, false)) if whole && (greeted || text::contains(line, b"pass")) => return Probe::Yes,
            Some(_) if !greeted && line.len() >= 4 => return Probe::No,
            None if !greeted && line.len() >= 4 => return Probe::No,
            _ => {}
        }
        if !whole {
            break;
        }
        if text::contains(line, b"smtp") || text::contains(line, b" mail") {
            return Probe::No;
        }
        if text::contains(line, b"ftp") || text::contains(line, b"filezilla") {
            return Probe::Yes;
        }
    }
    if greeted || payload.len() < 4 { Probe::NeedMore } else { Probe::No }
}

/// Judges what a client may have said.
fn probe_commands(payload: &[u8]) -> Probe {
    let mut login = false;
    for line in payload.split_inclusive(|c| *c == b'\n').take(16) {
        let whole = line.ends_with(b"\n");
        let (verb, arg) = text::word(line.trim_ascii_end());
        if !text::is_text(line) || verb.len() > 5 || !verb.iter().all(u8::is_ascii_alphabetic) {
            return Probe::No;
        }
        if !whole {
            return Probe::NeedMore;
        }
        let verb = Verb::new(verb);
        let said = match verb.as_str() {
            "AUTH" => matches!(Verb::new(arg).as_str(), "TLS" | "SSL" | "TLS-C" | "TLS-P"),
            "SYST" | "FEAT" | "PASV" | "EPSV" => arg.is_empty(),
            "PORT" => six_numbers(arg).is_some(),
            "EPRT" => arg.first() == Some(&b'|'),
            "OPTS" => text::starts_with(arg, b"UTF"),
            "TYPE" => matches!(arg, b"I" | b"A" | b"i" | b"a" | b"A N"),
            // POP3 begins like this too; what follows, or the server, tells.
            "USER" | "PASS" | "NOOP" | "QUIT" | "HOST" | "CLNT" => {
                login |= matches!(verb.as_str(), "USER" | "PASS");
                continue;
            }
            // POP3 (RFC 1939) knows none of these; behind a login, they are enough where only the client is seen.
            "PWD" | "XPWD" | "CWD" | "CDUP" | "STOR" | "APPE" | "MKD" | "RMD" | "SIZE" | "MDTM" | "NLST" => login,
            _ => false,
        };
        return if said { Probe::Yes } else { Probe::No };
    }
    Probe::NeedMore
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::{AppParser as _, Direction};
    use crate::proto::files::ftp::Ftp;
    use crate::proto::testing::probe_all;

    #[test]
    fn a_client_alone_is_told_from_one_of_pop3() {
        assert_eq!(Ftp::probe(Direction::Orig, b"USER a\r\nPASS b\r\n"), Probe::NeedMore);
        assert_eq!(Ftp::probe(Direction::Orig, b"USER a\r\nPASS b\r\nPWD\r\n"), Probe::Yes);
        assert_eq!(Ftp::probe(Direction::Orig, b"USER a\r\nPASS b\r\nSTAT\r\n"), Probe::No);
        assert_eq!(Ftp::probe(Direction::Orig, b"SIZE 5\r\n"), Probe::No, "without a login it may be anything");
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Direction::Resp, "220 (vsFTPd 3.0.3)\r\n", Probe::Yes),
            (Direction::Resp, "220 FileZilla Server\r\n", Probe::Yes),
            (Direction::Resp, "220 mail.example.com ESMTP Postfix\r\n", Probe::No),
            (Direction::Resp, "220 JD FD ready\r\n", Probe::NeedMore),
            (Direction::Resp, "220 x\r\n331 Password required for a.\r\n", Probe::Yes),
            (Direction::Resp, "+OK POP3\r\n", Probe::No),
            (Direction::Resp, "200 news\r\n", Probe::No),
            (Direction::Orig, "USER a\r\n", Probe::NeedMore),
            (Direction::Orig, "USER a\r\nPASS b\r\n", Probe::NeedMore),
            (Direction::Orig, "USER a\r\nPASS b\r\nSYST\r\n", Probe::Yes),
            (Direction::Orig, "USER a\r\nPASS b\r\nSTAT\r\n", Probe::No),
            (Direction::Orig, "AUTH TLS\r\n", Probe::Yes),
            (Direction::Orig, "AUTH PLAIN\r\n", Probe::No),
            (Direction::Orig, "EHLO x\r\n", Probe::No),
            (Direction::Orig, "GET / HTTP/1.1\r\n", Probe::No),
            (Direction::Orig, "\u{1}\u{2}", Probe::No),
        ] {
            assert_eq!(probe_all::<Ftp>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

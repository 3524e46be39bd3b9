//! The lines of SMTP (RFC 5321, section 4): commands, replies, paths, and by what a session is known.

use super::dots::Dots;
use super::sasl::Exchange;
use super::smtp_event::Mail;
use crate::base::Timestamp;
use crate::proto::api::Probe;
use crate::proto::text;

/// A command that waits for its reply.
#[derive(Debug)]
pub enum Command {
    /// HELO, EHLO, LHLO.
    Hello,
    StartTls,
    Auth(Box<Exchange>),
    /// MAIL, RCPT and DATA: their replies are the transaction's.
    Transaction,
    /// BDAT.
    Chunk,
    /// RCPT: in LMTP each one that is accepted has a reply of its own behind the message.
    Recipient,
    Data,
    /// The end of the message, with how many replies it has.
    Message(Box<Mail>, (Timestamp, u64), usize),
    Other,
}

/// What the client's bytes are.
#[derive(Debug, Clone, Copy, Default)]
pub enum Mode {
    #[default]
    Commands,
    /// The header of a message that ends with a dot.
    Header,
    /// The rest of it.
    Body(Dots),
    /// So many bytes of a chunk are left; whether it is the last one.
    Chunk(u64, bool),
}

/// The address in `FROM:<a@example.com> SIZE=100`, with brackets or without.
pub fn path(arg: &[u8]) -> &[u8] {
    let rest = memchr::memchr(b':', arg).map_or(arg, |at| arg.get(at + 1..).unwrap_or_default()).trim_ascii_start();
    match rest.strip_prefix(b"<") {
        Some(inner) => inner.split(|c| *c == b'>').next().unwrap_or_default(),
        None => text::word(rest).0,
    }
}

/// The code that a reply line begins with, and whether more lines of it follow.
pub fn reply_head(line: &[u8]) -> Option<(u16, bool)> {
    let (code, rest) = line.split_first_chunk::<3>()?;
    let more = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    let code = text::decimal(code).and_then(|n| u16::try_from(n).ok())?;
    (200..=599).contains(&code).then_some((code, more))
}

/// Judges what a server may have said.
pub fn probe_replies(payload: &[u8]) -> Probe {
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
pub fn probe_commands(payload: &[u8]) -> Probe {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::Direction::{Orig, Resp};
    use crate::proto::mail::smtp::Smtp;
    use crate::proto::testing::probe_all;

    #[test]
    fn paths_and_replies() {
        for (arg, want) in [
            (&b"FROM:<a@b> SIZE=1"[..], &b"a@b"[..]),
            (b"FROM: <a@b>", b"a@b"),
            (b"FROM:<>", b""),
            (b"TO:a@b NOTIFY=NEVER", b"a@b"),
            (b"TO:<open", b"open"),
            (b"", b""),
        ] {
            assert_eq!(path(arg), want, "{}", arg.escape_ascii());
        }
        assert_eq!(reply_head(b"250-SIZE"), Some((250, true)));
        assert_eq!(reply_head(b"354"), Some((354, false)));
        for line in [&b"250x"[..], b"25", b"100 x", b"600 x", b"+50 x", b""] {
            assert_eq!(reply_head(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Resp, "220 mail.example.com ESMTP Postfix\r\n", Probe::Yes),
            (Resp, "220-a\r\n220 b\r\n250 c\r\n", Probe::Yes),
            (Resp, "220 (vsFTPd 3.0.3)\r\n", Probe::NeedMore),
            (Resp, "220 x\r\n331 Password\r\n", Probe::No),
            (Resp, "250 2.1.0 Ok\r\n", Probe::Yes),
            (Resp, "250-PIPELINING\r\n", Probe::Yes),
            (Resp, "200 news ready\r\n", Probe::No),
            (Resp, "421 FTP busy\r\n", Probe::NeedMore),
            (Orig, "EHLO x\r\n", Probe::Yes),
            (Orig, "helo\r\n", Probe::Yes),
            (Orig, "HELOX\r\n", Probe::No),
            (Orig, "HELP\r\n", Probe::No),
            (Orig, "MAIL FROM:<a@b>\r\n", Probe::Yes),
            (Orig, "RETR 5\r\n", Probe::No),
            (Orig, "AUTH LOGIN\r\n", Probe::No),
            (Orig, "\u{1}\u{2}", Probe::No),
        ] {
            assert_eq!(probe_all::<Smtp>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}

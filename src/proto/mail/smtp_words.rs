//! The lines of SMTP (RFC 5321, section 4): replies, paths, and by what a session is known.

use crate::proto::api::Probe;
use crate::proto::text;

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

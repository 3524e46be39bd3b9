//! memcached: its text protocol (`doc/protocol.txt` of memcached) and its binary one, in which a login is
//! made with SASL.
//!
//! ```text
//! text:   get KEY CRLF; set KEY flags time length CRLF bytes CRLF; stats CRLF
//! binary: 0x80 or 0x81, operation(1) key length(2) extras(1) 0(1) status(2) length(4) number(4) version(8)
//! UDP:    request(2) place(2) count(2) 0(2), then text
//! ```

use super::session::{Event, Session, TABLE, short};
use crate::base::{Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};
use crate::proto::text::{self, Line, Lines, word};

const NAME: &str = "memcached";
const SASL_AUTH: u8 = 0x21;
/// Bytes of a binary header.
const HEADER_BYTES: usize = 24;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Memcached {
    session: Session,
    lines: [Lines; 2],
    untold: bool,
    answers: u32,
    ended: bool,
}

/// Words that begin a reply which only a client that is served gets.
const SERVED: [&[u8]; 9] =
    [b"VALUE ", b"STAT ", b"STORED", b"NOT_STORED", b"END", b"DELETED", b"NOT_FOUND", b"EXISTS", b"OK"];

impl Memcached {
    fn reply(&mut self, cx: &Cx<'_>, line: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> bool {
        if let Some(version) = line.strip_prefix(b"VERSION ").or_else(|| line.strip_prefix(b"STAT version ")) {
            self.session.server = short(&[b"memcached ", version].concat());
        }
        self.answers += 1;
        let served = SERVED.iter().any(|s| line.starts_with(s)) || line.starts_with(b"VERSION ");
        self.session.open |= served && cx.flow.from_start;
        if self.session.at.1 == 0 {
            self.session.at = (cx.ts, cx.packet);
        }
        self.untold = true;
        // Statistics tell the version within some lines.
        let over = !line.starts_with(b"STAT ") || !self.session.server.is_empty() || self.answers > 16;
        if over {
            self.tell(emit);
        }
        over
    }

    fn binary(&mut self, cx: &Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        // The whole header, or what is judged would depend on how its bytes arrive.
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Step::Need(HEADER_BYTES) };
        let mut r = Reader::new(header);
        let (Ok(magic), Ok(operation), Ok(key), Ok(extras)) =
            (r.u8("magic"), r.u8("operation"), r.be16("key length"), r.u8("extras"))
        else {
            return Step::Need(HEADER_BYTES);
        };
        let (Ok(_), Ok(status), Ok(len)) = (r.u8("data type"), r.be16("status"), r.be32("length")) else {
            return Step::Need(HEADER_BYTES);
        };
        if !matches!(magic, 0x80 | 0x81) || usize::from(key) + usize::from(extras) > len as usize {
            return Step::Violation("header");
        }
        let whole = HEADER_BYTES as u64 + u64::from(len);
        match (magic, operation) {
            (0x80, SASL_AUTH) if len as usize <= limits::DATABASE_MESSAGE_BYTES_MAX => {
                let Some(body) = bytes.get(HEADER_BYTES..HEADER_BYTES + len as usize) else {
                    return Step::Need(HEADER_BYTES + len as usize);
                };
                let (mechanism, response) = body.split_at_checked(usize::from(key)).unwrap_or_default();
                if mechanism == b"PLAIN" {
                    self.untold |= self.session.sasl_plain(cx, response);
                }
            }
            // Success, or a login that was turned down; 0x21 asks to go on.
            (0x81, SASL_AUTH | 0x22) if status != 0x21 => {
                self.session.success = Some(status == 0);
                if self.session.at.1 == 0 {
                    self.session.at = (cx.ts, cx.packet);
                }
                self.tell(emit);
                return Step::Finished;
            }
            // The list of mechanisms, the version, nothing: anybody may ask.
            (0x81, 0x20 | SASL_AUTH | 0x22 | 0x0b | 0x0a) => {}
            (0x81, _) => {
                self.session.open = matches!(status, 0..=5) && cx.flow.from_start;
                if self.session.at.1 == 0 {
                    self.session.at = (cx.ts, cx.packet);
                }
                self.tell(emit);
                return Step::Finished;
            }
            _ => {}
        }
        Step::Used(whole)
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.untold = false;
        self.session.tell(NAME, emit);
    }
}

/// Whether a line is a command whose arguments are right.
fn is_command(line: &[u8]) -> bool {
    let (verb, rest) = word(line);
    let mut words = rest.split(|c| *c == b' ').filter(|w| !w.is_empty());
    let number = |w: Option<&[u8]>| w.is_some_and(|w| text::decimal(w).is_some());
    match verb {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" => {
            words.next().is_some() && number(words.next()) && number(words.next()) && number(words.next())
        }
        b"stats" => rest.is_empty() || matches!(rest, b"items" | b"slabs" | b"sizes" | b"settings" | b"conns"),
        b"incr" | b"decr" => words.next().is_some() && number(words.next()),
        _ => false,
    }
}

/// Whether a line is a reply that nothing else gives.
fn is_reply(line: &[u8]) -> bool {
    let (verb, rest) = word(line);
    let mut words = rest.split(|c| *c == b' ');
    let number = |w: Option<&[u8]>| w.is_some_and(|w| text::decimal(w).is_some());
    match verb {
        b"VALUE" => words.next().is_some() && number(words.next()) && number(words.next()),
        b"STAT" => matches!(words.next(), Some(b"pid" | b"uptime" | b"items:1:number" | b"version")),
        b"STORED" | b"NOT_STORED" => rest.is_empty(),
        _ => false,
    }
}

/// The text in a datagram.
fn of_datagram(payload: &[u8]) -> Option<&[u8]> {
    match payload {
        [_, _, 0, 0, 0, 1..=16, 0, 0, text @ ..] => Some(text),
        _ => None,
    }
}

impl AppParser for Memcached {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "memcached",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[11211],
        reference: "memcached doc/protocol.txt",
        table: Some(&TABLE),
        yields: "whether anybody is served, login (SASL) and its success, version",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let text = match payload {
            [0x80 | 0x81, operation, _, _, extras, 0, status, ..] => {
                let sound = *operation <= 0x3c && *extras <= 20 && *status == 0;
                let Some(body) = payload.get(8..24) else { return if sound { Probe::NeedMore } else { Probe::No } };
                // A request gives no version, and its length is that of what is there.
                let small = body.get(..2) == Some(&[0, 0]);
                let none = payload.first() == Some(&0x81) || body.get(8..16) == Some(&[0; 8]);
                let len = body.get(2..4).map_or(0, |l| l.iter().fold(0, |n, b| n << 8 | usize::from(*b)));
                let whole = matches!(*operation, 0x20 | SASL_AUTH | 0x22) || payload.len() == 24 + len && len > 0;
                return if sound && small && none && whole { Probe::Yes } else { Probe::No };
            }
            [0x80 | 0x81, operation, ..] if *operation > 0x3c => return Probe::No,
            [0x80 | 0x81, ..] => return Probe::NeedMore,
            [b'a'..=b'z' | b'A'..=b'Z', ..] => payload,
            _ => match of_datagram(payload) {
                Some(text) => text,
                None => return Probe::No,
            },
        };
        match text.iter().take(512).position(|c| *c == b'\n') {
            Some(end) => {
                let line = text.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if is_command(line) || is_reply(line) { Probe::Yes } else { Probe::No }
            }
            None => {
                const FIRST: [&[u8]; 12] = [
                    b"set ",
                    b"add ",
                    b"replace ",
                    b"append ",
                    b"prepend ",
                    b"stats",
                    b"incr ",
                    b"decr ",
                    b"VALUE ",
                    b"STAT ",
                    b"STORED",
                    b"NOT_STORED",
                ];
                let fits = text.len() < 512 && FIRST.iter().any(|f| f.starts_with(front(text, f.len())));
                if fits { Probe::NeedMore } else { Probe::No }
            }
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let udp = cx.flow.transport == Transport::Udp;
        let bytes = if udp { of_datagram(bytes).unwrap_or(bytes) } else { bytes };
        walk(bytes, |rest| {
            if matches!(rest.first(), Some(0x80 | 0x81)) {
                return self.binary(&cx, rest, emit);
            }
            let [orig, resp] = &mut self.lines;
            let lines = if dir == Direction::Orig { orig } else { resp };
            match lines.next(rest) {
                Line::Whole(line, used) => {
                    if dir == Direction::Resp && self.reply(&cx, line, emit) {
                        return Step::Finished;
                    }
                    // What is stored is not looked at.
                    let body = line.split(|c| *c == b' ').nth(4).and_then(text::decimal).filter(|_| is_command(line));
                    Step::Used(used as u64 + body.map_or(0, |b| b.saturating_add(2)))
                }
                Line::Rest(used) => Step::Used(used as u64),
                Line::Open => Step::Need(rest.len() + 1),
            }
        })
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if (dir == Direction::Resp || std::mem::replace(&mut self.ended, true)) && self.untold {
            self.tell(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn binary(magic: u8, operation: u8, status: u16, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut out = vec![magic, operation];
        out.extend_from_slice(&(key.len() as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&status.to_be_bytes());
        out.extend_from_slice(&((key.len() + value.len()) as u32).to_be_bytes());
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(key);
        out.extend_from_slice(value);
        out
    }

    #[test]
    fn half_a_header_is_waited_for() {
        let reply = [&[0x81, SASL_AUTH][..], &[0; 22]].concat();
        let (first, rest) = reply.split_at(16);
        let seen = Script::new().resp(first).any_chunking::<Memcached>();
        assert!(seen.events.is_empty());
        let seen = Script::new().resp(first).resp(rest).any_chunking::<Memcached>();
        assert_eq!((seen.events.len(), seen.cell("success")), (1, "true".into()));
    }

    #[test]
    fn a_login_with_sasl() {
        let script = |status| {
            Script::new()
                .orig(binary(0x80, SASL_AUTH, 0, b"PLAIN", b"\0joe\0hunter22"))
                .resp(binary(0x81, SASL_AUTH, status, b"", b"x"))
        };
        for (status, success) in [(0, "true"), (0x20, "false")] {
            let seen = script(status).any_chunking::<Memcached>();
            assert_eq!((seen.cell("username"), seen.cell("success")), ("joe".into(), success.into()));
            assert!(!format!("{seen:?}").contains("hunter22"));
        }
    }

    #[test]
    fn who_is_served() {
        let set = Script::new().orig("set k 0 0 4\r\nset \r\nget k\r\n").resp("STORED\r\n").any_chunking::<Memcached>();
        assert_eq!(set.cell("without_login"), "true");
        let later = Script::new().orig("get k\r\n").resp("END\r\n").midstream().any_chunking::<Memcached>();
        assert_eq!(later.cell("without_login"), "false", "the login may have gone before");
        let stats =
            Script::new().orig("stats\r\n").resp("STAT pid 5\r\nSTAT version 1.6.18\r\n").any_chunking::<Memcached>();
        assert_eq!(stats.cell("server_version"), "memcached 1.6.18");
        let udp =
            Script::new().orig(b"\0\x01\0\0\0\x01\0\0stats\r\n").resp(b"\0\x01\0\0\0\x01\0\0STAT version 1.5\r\n");
        assert_eq!(udp.datagrams::<Memcached>().cell("without_login"), "true");
        let refused =
            Script::new().orig("get k\r\n").resp("CLIENT_ERROR unauthenticated\r\n").any_chunking::<Memcached>();
        assert_eq!(refused.cell("without_login"), "false");
    }

    #[test]
    fn probes() {
        for (bytes, want) in [
            (&b"set k 0 60 4\r\n"[..], Probe::Yes),
            (b"set the table\r\n", Probe::No),
            (b"stats\r\n", Probe::Yes),
            (b"get k\r\n", Probe::No),
            (b"VALUE k 0 4\r\n", Probe::Yes),
            (b"\x80\x80\x80\x80", Probe::No),
        ] {
            assert_eq!(probe_all::<Memcached>(Direction::Orig, bytes), want, "{bytes:?}");
        }
        assert_eq!(Memcached::probe(Direction::Orig, b"\0\x01\0\0\0\x01\0\0stats\r\n"), Probe::Yes, "a datagram");
        assert_eq!(probe_all::<Memcached>(Direction::Orig, &binary(0x80, SASL_AUTH, 0, b"PLAIN", b"x")), Probe::Yes);
    }
}

//! SIP over UDP and TCP (RFC 3261; MESSAGE is RFC 3428), with the session descriptions in it.

use std::collections::VecDeque;

use super::auth::{self, Auth, without_passwords};
use super::head::{Found, Head, kept};
use super::sdp;
pub use super::sip_event::{Event, TABLE, Transaction};
use crate::base::{hash, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;

/// Methods (RFC 3261, 3262, 3265, 3311, 3428, 3515, 3903, 6086).
const METHODS: &[&[u8]] = &[
    b"REGISTER",
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"OPTIONS",
    b"MESSAGE",
    b"SUBSCRIBE",
    b"NOTIFY",
    b"PUBLISH",
    b"REFER",
    b"UPDATE",
    b"PRACK",
    b"INFO",
    b"SERVICE",
];

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// A start line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start<'a> {
    Request { method: &'static [u8], uri: &'a [u8] },
    Response { status: u16, reason: &'a [u8] },
}

impl<'a> Start<'a> {
    /// Reads a start line. In a datagram there may be junk before the method, with which some tools test
    /// servers.
    fn read_datagram(line: &'a [u8]) -> Option<Self> {
        Self::read(line).or_else(|| {
            let (word, _) = text::word(line);
            let method = METHODS.iter().find(|m| word.ends_with(m)).filter(|m| word.len() <= m.len() + 64)?;
            Self::read(line.get(word.len() - method.len()..)?)
        })
    }

    /// Reads a start line.
    fn read(line: &'a [u8]) -> Option<Self> {
        if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
            let (code, reason) = rest.split_at_checked(3)?;
            let status = text::decimal(code).and_then(|c| u16::try_from(c).ok()).filter(|c| (100..700).contains(c))?;
            return Some(Self::Response { status, reason: reason.trim_ascii() });
        }
        let line = line.trim_ascii_end().strip_suffix(b" SIP/2.0")?;
        let (word, uri) = text::word(line);
        let method = METHODS.iter().copied().find(|m| *m == word)?;
        (!uri.is_empty()).then_some(Self::Request { method, uri })
    }
}

/// Whether a stream begins with a message, as far as its first line is there: whatever may yet become a
/// start line does.
fn begins(bytes: &[u8]) -> bool {
    let window = bytes.get(..limits::LINE_BYTES_MAX).unwrap_or(bytes);
    match memchr::memchr(b'\n', window) {
        Some(end) => Start::read(window.get(..end).unwrap_or_default().trim_ascii_end()).is_some(),
        None => {
            let (word, rest) = text::word(window);
            let request = METHODS.iter().any(|m| *m == word || rest.is_empty() && m.starts_with(word));
            let status = window.starts_with(b"SIP/2.0 ") || b"SIP/2.0 ".starts_with(window);
            (request || status) && window.len() < limits::LINE_BYTES_MAX
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Sip {
    pending: VecDeque<Transaction>,
    /// Transactions that were answered: their retransmissions tell nothing.
    done: VecDeque<u64>,
    understood: bool,
    ended: bool,
    /// Bytes after the last message of a direction were lost: a head is to be found first.
    lost: [bool; 2],
}

impl Sip {
    /// Reads a message; `false` where it is none.
    fn message(&mut self, cx: Cx<'_>, dir: Direction, head: &Head<'_>, body: &[u8], emit: Emit<'_>) -> bool {
        let start = match cx.flow.transport {
            Transport::Udp => Start::read_datagram(head.start),
            Transport::Tcp => Start::read(head.start.trim_ascii_end()),
        };
        let Some(start) = start else { return false };
        if !std::mem::replace(&mut self.understood, true) {
            emit(Event::Begun);
        }
        let content_type = head.field(b"content-type", b'c').unwrap_or_default();
        let mut media = Vec::new();
        if text::contains(&content_type, b"sdp") || text::starts_with(&content_type, b"multipart/") {
            let (found, cut) = sdp::media(body);
            if cut {
                cx.limit_hit();
            }
            media = found;
            emit(Event::Media(&media));
        }
        let cseq = head.field(b"cseq", 0).unwrap_or_default();
        let (number, cseq_method) = text::word(&cseq);
        let number = text::decimal(number).unwrap_or_default();
        let call_id = kept(&head.field(b"call-id", b'i').unwrap_or_default());
        match start {
            // Nobody answers an ACK (RFC 3261, section 17.1.1.3).
            Start::Request { method: b"ACK", .. } => {}
            Start::Request { method, uri } => {
                let key = key(&call_id, number, method, dir);
                let known = |t: &Transaction| t.cseq == number && *t.method == *method && t.call_id == call_id;
                if self.done.contains(&key) || self.pending.iter().any(known) {
                    return true;
                }
                let mut request = described(head, number, call_id);
                request.at = (cx.ts, cx.packet);
                request.from_orig = dir == Direction::Orig;
                request.has_request = true;
                request.method = method.into();
                request.uri = kept(&without_passwords(uri));
                request.contact = field(head, b"contact", b'm');
                request.user_agent = field(head, b"user-agent", 0);
                request.auth = Auth::of_request(head, method);
                request.media = media;
                request.content_type = kept(&content_type);
                request.body_bytes = body.len() as u64;
                if self.pending.len() >= limits::SIP_PENDING_MAX
                    && let Some(oldest) = self.pending.pop_front()
                {
                    cx.limit_hit();
                    emit(Event::Done(&oldest));
                }
                self.pending.push_back(request);
            }
            Start::Response { status, reason } => {
                let known = |t: &Transaction| {
                    t.cseq == number && t.call_id == call_id && t.method.eq_ignore_ascii_case(cseq_method)
                };
                let key = key(&call_id, number, cseq_method, dir.other());
                let found = self.pending.iter().position(known);
                if found.is_none() && (status < 200 || self.done.contains(&key)) {
                    return true;
                }
                let waiting = found.and_then(|i| self.pending.remove(i));
                let mut answered = waiting.unwrap_or_else(|| Transaction {
                    at: (cx.ts, cx.packet),
                    from_orig: dir == Direction::Resp,
                    method: kept(cseq_method),
                    ..described(head, number, call_id)
                });
                answered.status = Some(status);
                answered.reason = auth::shown(reason);
                answered.response_packet = Some(cx.packet);
                answered.server = Some(field(head, b"server", 0))
                    .filter(|s| !s.is_empty())
                    .unwrap_or_else(|| field(head, b"user-agent", 0));
                if let Some(realm) = auth::realm(head) {
                    answered.realm = realm;
                }
                for medium in media {
                    if answered.media.len() < limits::SDP_MEDIA_MAX && !answered.media.contains(&medium) {
                        answered.media.push(medium);
                    }
                }
                if status < 200 {
                    self.pending.push_front(answered);
                    return true;
                }
                if self.done.len() >= limits::SIP_PENDING_MAX {
                    self.done.pop_front();
                }
                self.done.push_back(key);
                emit(Event::Done(&answered));
            }
        }
        true
    }

    fn datagram(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let message = bytes.trim_ascii_start();
        let head = Head::of_datagram(message);
        let body = message.get(head.len..).unwrap_or_default();
        let keep_alive = message.is_empty() || bytes.len() <= 4;
        if !self.message(cx, dir, &head, body, emit) && !keep_alive && !self.understood {
            return Progress::Violation("not a SIP message");
        }
        Progress::Done
    }
}

/// What both requests and responses say.
fn described(head: &Head<'_>, cseq: u64, call_id: Box<[u8]>) -> Transaction {
    Transaction {
        from: field(head, b"from", b'f'),
        to: field(head, b"to", b't'),
        call_id,
        cseq,
        direct: vias(head) == 1,
        ..Transaction::default()
    }
}

fn field(head: &Head<'_>, name: &[u8], short: u8) -> Box<[u8]> {
    head.field(name, short).map(|value| auth::shown(&value)).unwrap_or_default()
}

/// Hops of the request: Via fields, several of which may stand in one (RFC 3261, section 7.3.1).
fn vias(head: &Head<'_>) -> usize {
    let is = |name: &[u8]| name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v");
    let hops = head.fields().filter(|(name, _)| is(name));
    hops.map(|(_, value)| value.iter().filter(|c| **c == b',').count() + 1).sum()
}

fn key(call_id: &[u8], cseq: u64, method: &[u8], from: Direction) -> u64 {
    let seed = hash::mix(cseq, from.index() as u64);
    hash::stable64(hash::stable64(seed, method), call_id)
}

impl AppParser for Sip {
    const SPEC: Spec = Spec {
        name: "sip",
        title: "SIP",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[5060],
        reference: "RFC 3261, RFC 3428, RFC 8866",
        table: Some(&TABLE),
        // Empty lines alone keep a way open, for SIP and for others.
        tentative: true,
        yields: "calls, registrations, logins, user agents, media descriptions",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let line = payload.trim_ascii_start();
        if matches!(payload, b"\r\n" | b"\r\n\r\n") {
            return Probe::Yes;
        }
        // A status line, or a request: its first letter declines most of all else.
        if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
            return if rest.len() < 3 {
                Probe::NeedMore
            } else if Start::read(line.get(..11).unwrap_or_default()).is_some() {
                Probe::Yes
            } else {
                Probe::No
            };
        }
        if line.first().is_some_and(|c| !c.is_ascii_alphabetic()) {
            return Probe::No;
        }
        let window = line.get(..limits::LINE_BYTES_MAX).unwrap_or(line);
        match memchr::memchr(b'\n', window) {
            Some(end) => {
                let start = window.get(..end).unwrap_or_default();
                if matches!(Start::read_datagram(start), Some(Start::Request { .. })) { Probe::Yes } else { Probe::No }
            }
            None if window.len() == limits::LINE_BYTES_MAX => Probe::No,
            None => {
                let (word, uri) = text::word(window);
                let whole = METHODS.contains(&word) && (uri.is_empty() || is_uri(uri));
                let begun = uri.is_empty() && METHODS.iter().any(|m| m.starts_with(word));
                let status = b"SIP/2.0 ".starts_with(window);
                if whole || begun || status { Probe::NeedMore } else { Probe::No }
            }
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            return self.datagram(cx, dir, bytes, emit);
        }
        let mut used = 0;
        loop {
            // Empty lines between messages keep the connection alive (RFC 5626, section 4.4.1).
            let rest = bytes.get(used..).unwrap_or_default();
            let blank = rest.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
            used += blank;
            let rest = rest.get(blank..).unwrap_or_default();
            if rest.is_empty() {
                // Before the first message, empty lines may be anybody's.
                let waits = Progress::Partial { consumed: 0, needed: bytes.len() + 1 };
                return if self.understood { Progress::Done } else { waits };
            }
            let lost = self.lost.get(dir.index()) == Some(&true);
            if !self.understood && !lost {
                if !begins(rest) {
                    return Progress::Violation("not SIP");
                }
                let line = memchr::memchr(b'\n', rest).and_then(|end| rest.get(..end)).unwrap_or_default();
                if Start::read(line.trim_ascii_end()).is_some() {
                    self.understood = true;
                    emit(Event::Begun);
                }
            }
            if let Some(lost) = self.lost.get_mut(dir.index()).filter(|lost| **lost) {
                match find_start(rest) {
                    (passed, true) => {
                        *lost = false;
                        used += passed;
                    }
                    (passed, false) => {
                        return Progress::Partial { consumed: used + passed, needed: rest.len() - passed + 1 };
                    }
                }
            }
            let rest = bytes.get(used..).unwrap_or_default();
            let head = match Head::find(rest) {
                Found::Whole(head) => head,
                Found::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Found::TooLong => return Progress::Violation("a head without an end"),
            };
            let length = head.content_length().unwrap_or(0);
            let there = rest.len() - head.len;
            if length > limits::MESSAGE_BODY_BYTES_MAX as u64 {
                cx.limit_hit();
                if !self.message(cx, dir, &head, &[], emit) {
                    return Progress::Violation("not a SIP message");
                }
                if length >= there as u64 {
                    return Progress::Skip(length - there as u64);
                }
                used += head.len + usize::try_from(length).unwrap_or(there);
                continue;
            }
            let length = usize::try_from(length).unwrap_or_default();
            let Some(body) = rest.get(head.len..head.len + length) else {
                return Progress::Partial { consumed: used, needed: head.len + length };
            };
            if !self.message(cx, dir, &head, body, emit) {
                return Progress::Violation("not a SIP message");
            }
            used += head.len + length;
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let Some(lost) = self.lost.get_mut(dir.index()) {
            *lost = true;
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for transaction in std::mem::take(&mut self.pending) {
                emit(Event::Done(&transaction));
            }
        }
    }
}

/// Where the next message begins, and whether it does within these bytes; else how many can be passed
/// over.
fn find_start(bytes: &[u8]) -> (usize, bool) {
    let mut at = 0;
    while let Some(n) = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
        let line = bytes.get(at..at + n).unwrap_or_default();
        if Start::read(line.strip_suffix(b"\r").unwrap_or(line)).is_some() {
            return (at, true);
        }
        at += n + 1;
    }
    let rest = bytes.len() - at;
    if rest > limits::LINE_BYTES_MAX { (bytes.len(), false) } else { (at, false) }
}

/// Whether a text begins like the address of a request.
fn is_uri(text: &[u8]) -> bool {
    text.iter().take_while(|c| **c != b':').all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    /// Shaped after RFC 3665, section 2.1.
    const REGISTER: &str = "REGISTER sips:ss2.biloxi.example.com SIP/2.0\r\nVia: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashd92\r\n\
        From: Bob <sips:bob@biloxi.example.com>;tag=ja743ks76zlflH\r\nTo: Bob <sips:bob@biloxi.example.com>\r\n\
        Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com\r\nCSeq: 2 REGISTER\r\nUser-Agent: Phone/1.2\r\n\
        Authorization: Digest username=\"bob\", realm=\"atlanta.example.com\", nonce=\"ea9c8e88df84f1cec4341ae6cbe5a359\", opaque=\"\", \
        uri=\"sips:ss2.biloxi.example.com\", response=\"dfe56131d1958046689d83306477ecc\"\r\nContent-Length: 0\r\n\r\n";
    const ACCEPTED: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashd92\r\n\
        f: Bob <sips:bob@biloxi.example.com>\r\nt: Bob <sips:bob@biloxi.example.com>;tag=37GkEhwl6\r\n\
        i: 1j9FpLxk3uxtm8tn@biloxi.example.com\r\nCSeq: 2 REGISTER\r\nServer: PBX\r\nl: 0\r\n\r\n";

    #[test]
    fn a_registration_with_digest() {
        let seen = Script::new().orig(REGISTER).resp(ACCEPTED).any_chunking::<Sip>();
        assert_eq!(seen.cell("method"), "REGISTER");
        assert_eq!((seen.cell("status"), seen.cell("reason")), ("200".to_owned(), "OK".to_owned()));
        assert_eq!((seen.cell("username"), seen.cell("realm")), ("bob".to_owned(), "atlanta.example.com".to_owned()));
        assert_eq!((seen.cell("user_agent"), seen.cell("server")), ("Phone/1.2".to_owned(), "PBX".to_owned()));
        assert_eq!(seen.cell("response_packet"), "2");
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("digest"), "{seen:?}");
        assert!(!format!("{seen:?}").contains("dfe56131"));
        let seen = Script::new().orig(REGISTER).resp(ACCEPTED.replace("200 OK", "403 No")).datagrams::<Sip>();
        assert!(seen.logins[0].contains("success: Some(false)"));
        let seen = Script::new().orig(REGISTER).datagrams::<Sip>();
        assert!(seen.logins[0].contains("success: None"), "nobody answered");
    }

    fn invite(sdp: &str) -> String {
        format!(
            "INVITE sip:bob:hunter2@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }

    #[test]
    fn a_call_announces_its_media_and_hides_keys_and_passwords() {
        let offer = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:1 X inline:S2V5S2V5S2V5\r\n";
        let ringing = "SIP/2.0 180 Ringing\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
        let seen = Script::new()
            .orig(invite(offer))
            .resp(ringing)
            .resp(ringing.replace("180 Ringing", "486 Busy"))
            .any_chunking::<Sip>();
        assert_eq!(seen.cell("uri"), "sip:bob:[blanked]@x");
        assert_eq!(seen.cell("status"), "486");
        assert_eq!(seen.cell("media"), "[audio 192.0.2.1:4000 RTP/SAVP PCMA/8000]");
        assert_eq!(seen.cell("media_protection"), "sdes");
        assert!(seen.events.iter().any(|e| e.starts_with("Media")));
        let all = format!("{seen:?}");
        assert!(!all.contains("S2V5") && !all.contains("hunter2"), "{all}");
    }

    #[test]
    fn retransmissions_make_one_row_and_an_answer_alone_makes_one_too() {
        let seen =
            Script::new().orig(REGISTER).orig(REGISTER).resp(ACCEPTED).resp(ACCEPTED).orig(REGISTER).datagrams::<Sip>();
        assert_eq!(seen.rows.len(), 1);
        let seen = Script::new().resp(ACCEPTED).any_chunking::<Sip>();
        assert_eq!((seen.cell("method"), seen.cell("status")), ("REGISTER".to_owned(), "200".to_owned()));
        assert_eq!(seen.logins.len(), 0);
    }

    #[test]
    fn lost_bytes_and_long_bodies_are_passed_over() {
        let body = "x".repeat(100_000);
        let long = format!("MESSAGE sip:a@b SIP/2.0\r\nCSeq: 1 MESSAGE\r\nContent-Length: 100000\r\n\r\n{body}");
        let seen = Script::new().orig(long + REGISTER).any_chunking::<Sip>();
        assert_eq!(seen.cells("method"), ["MESSAGE", "REGISTER"]);
        let seen = Script::new()
            .orig("OPTIONS sip:a@b SIP/2.0\r\nCSeq: 1 OPTIONS\r\nl: 5\r\n\r\nab")
            .gap(Direction::Orig, 10)
            .orig(format!("rest of a field\r\n\r\n\r\n{REGISTER}"))
            .any_chunking::<Sip>();
        assert_eq!(seen.cells("method"), ["REGISTER"]);
    }

    #[test]
    fn any_cut_and_any_length_is_survived() {
        for cut in 0..REGISTER.len() {
            Script::new()
                .orig(&REGISTER.as_bytes()[..cut])
                .resp(&ACCEPTED.as_bytes()[..cut.min(ACCEPTED.len())])
                .datagrams::<Sip>();
        }
        for length in ["-1", "99999999999999999999", "999999999999999999", "0"] {
            let message = REGISTER.replace("Content-Length: 0", &format!("Content-Length: {length}"));
            assert_eq!(Script::new().orig(message).any_chunking::<Sip>().rows.len(), 1, "{length}");
        }
    }

    #[test]
    fn empty_lines_are_given_back_to_whom_they_belong() {
        let seen = Script::new().orig("\r\n").resp("SSH-2.0-x\r\n").orig("\r\n").run::<Sip>();
        assert_eq!((seen.events.len(), seen.stopped.is_some()), (0, true));
        let seen = Script::new().orig("\r\n\r\n").orig(REGISTER).any_chunking::<Sip>();
        assert_eq!(seen.rows.len(), 1);
    }

    #[test]
    fn probes() {
        for (bytes, want) in [
            (REGISTER, Probe::Yes),
            (ACCEPTED, Probe::Yes),
            ("OPTIONS * HTTP/1.1\r\n", Probe::No),
            ("OPTIONS rtsp://x RTSP/1.0\r\n", Probe::No),
            ("SIP/2.0 99 x\r\n", Probe::No),
            ("INV", Probe::NeedMore),
            ("SIP/", Probe::NeedMore),
            ("GET / HT", Probe::No),
            ("\u{1}\u{2}", Probe::No),
        ] {
            assert_eq!(probe_all::<Sip>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
        let kept_alive = b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n";
        assert_eq!(Sip::probe(Direction::Orig, kept_alive), Probe::Yes);
        assert_eq!(Sip::probe(Direction::Orig, b"\r\n"), Probe::Yes, "to be proven");
        let junk = b"DBREGISTER sip:1.1.1.1:5060 SIP/2.0\r\n";
        assert_eq!(Sip::probe(Direction::Orig, junk), Probe::Yes, "junk before the method, in a datagram");
    }
}

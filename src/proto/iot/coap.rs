//! CoAP over UDP (RFC 7252, section 3) and TCP (RFC 8323, section 3.2).
//!
//! ```text
//! UDP: version(2 bits)=1 type(2) token length(4), code(1), message identifier(2), token, options, 0xff, payload
//! TCP: length(4 bits) token length(4), [more of the length], code(1), token, options, 0xff, payload
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::base::{ReadError, Reader, Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, walk};
use crate::proto::web::http_login::blanked;

const NAME: &str = "coap";
/// Without and with DTLS (RFC 7252, section 12), and where devices of Thread and LwM2M have it.
const PORTS: [u16; 4] = [5683, 5684, 5685, 61_631];
const URI_HOST: u32 = 3;
const OBSERVE: u32 = 6;
const URI_PATH: u32 = 11;
const CONTENT_FORMAT: u32 = 12;
const URI_QUERY: u32 = 15;
const PROXY_URI: u32 = 35;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Coap {
    told: Told,
    /// Whether it surely is CoAP.
    sure: bool,
    /// On an unusual port, requests that wait for an answer to show that they are some.
    held: Vec<Held>,
}

/// A request that proves too little by itself.
#[derive(Debug)]
struct Held {
    dir: Direction,
    at: (Timestamp, u64),
    message: Message,
}

/// What a message says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    code: u8,
    /// Message identifier and token: an answer has one or both of its request.
    id: u16,
    token: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    host: Vec<u8>,
    format: Option<u32>,
    observe: bool,
    /// Whether there is an option that means nothing.
    strange: bool,
}

/// What a code is called (RFC 7252, section 12.1; RFC 8132; RFC 8323, section 5).
const fn action(code: u8) -> Option<(&'static str, bool)> {
    Some(match code {
        1 => ("get", false),
        2 => ("post", true),
        3 => ("put", true),
        4 => ("delete", true),
        5 => ("fetch", false),
        6 | 7 => ("patch", true),
        0xe1 => ("capabilities", false),
        _ => return None,
    })
}

/// A number of an option: four bits, and one or two bytes more for the two highest values below 15.
fn extended(r: &mut Reader<'_>, nibble: u8) -> Result<u32, ReadError> {
    match nibble {
        13 => Ok(u32::from(r.u8("option")?) + 13),
        14 => Ok(u32::from(r.be16("option")?) + 269),
        15 => Err(ReadError::invalid("option")),
        n => Ok(u32::from(n)),
    }
}

fn add(to: &mut Vec<u8>, before: u8, part: &[u8]) {
    if to.len() + part.len() < limits::CONTROLLER_TEXT_BYTES_MAX {
        to.push(before);
        to.extend_from_slice(part);
    }
}

/// Options that have a meaning (IANA, "CoAP Option Numbers"), as far as they are met.
const fn is_known(option: u32) -> bool {
    matches!(option, 1 | 3..=9 | 11 | 12 | 14..=17 | 19..=21 | 23 | 27 | 28 | 31 | 35 | 39 | 60 | 252 | 258 | 292)
        || option >= 2048
}

/// Options (section 3.1) up to the payload; the reader stands behind the token.
fn options(r: &mut Reader<'_>, out: &mut Message) -> Result<(), ReadError> {
    let mut number = 0_u32;
    for _ in 0..limits::COAP_OPTIONS_MAX {
        let Ok(first) = r.u8("option") else { return Ok(()) };
        if first == 0xff {
            return if r.is_empty() { Err(ReadError::invalid("payload")) } else { Ok(()) };
        }
        number = number.saturating_add(extended(r, first >> 4)?);
        let len = extended(r, first & 15)?;
        let value = r.take("option", len as usize)?;
        out.strange |= !is_known(number);
        match number {
            URI_HOST => out.host = value.get(..limits::CONTROLLER_TEXT_BYTES_MAX).unwrap_or(value).to_vec(),
            OBSERVE => out.observe = true,
            URI_PATH => add(&mut out.path, b'/', value),
            CONTENT_FORMAT => out.format = Some(value.iter().take(2).fold(0, |n, b| n << 8 | u32::from(*b))),
            URI_QUERY => {
                let before = if out.query.is_empty() { b'?' } else { b'&' };
                add(&mut out.query, before, value);
            }
            PROXY_URI => add(&mut out.path, b' ', value),
            _ => {}
        }
    }
    Ok(())
}

/// A whole message over UDP.
fn datagram(payload: &[u8]) -> Result<Message, ReadError> {
    let mut r = Reader::new(payload);
    let first = r.u8("version, type, token length")?;
    let mut out = Message { code: r.u8("code")?, ..Message::default() };
    out.id = r.be16("message identifier")?;
    let token = usize::from(first & 15);
    let class = out.code >> 5;
    // Classes 1, 6 and 7 are not in use here, and method numbers are few.
    if first >> 6 != 1 || token > 8 || matches!(class, 1 | 3 | 6 | 7) || class == 0 && out.code > 7 {
        return Err(ReadError::invalid("header"));
    }
    // An empty message has nothing but its header; requests are never acknowledgements, answers never resets.
    let kind = first >> 4 & 3;
    if out.code == 0 && (token > 0 || !r.is_empty())
        || (1..=7).contains(&out.code) && kind > 1
        || class > 1 && kind == 3
    {
        return Err(ReadError::invalid("header"));
    }
    out.token = r.take("token", token)?.to_vec();
    options(&mut r, &mut out)?;
    Ok(out)
}

/// Length of the header and of the rest of a message over TCP, which begins with its length.
fn framed(bytes: &[u8]) -> Result<(usize, usize), ReadError> {
    let mut r = Reader::new(bytes);
    let first = r.u8("length")?;
    let len = match first >> 4 {
        13 => usize::from(r.u8("length")?) + 13,
        14 => usize::from(r.be16("length")?) + 269,
        15 => (r.be32("length")? as usize).saturating_add(65_805),
        n => usize::from(n),
    };
    Ok((r.position(), usize::from(first & 15) + 1 + len))
}

impl Message {
    /// Whether the request alone is beyond doubt: names as people give them, of some length.
    fn is_plain(&self) -> bool {
        let names = [&self.path, &self.query, &self.host];
        self.path.len() > 3 && names.iter().all(|n| n.iter().all(u8::is_ascii_graphic))
    }

    /// Whether this answers a request (RFC 7252, sections 5.3.1 and 5.3.2).
    fn answers(&self, request: &Self) -> bool {
        self.token == request.token && (!self.token.is_empty() || self.id == request.id)
    }
}

impl Coap {
    /// On a port where CoAP is not at home, a message has to prove itself.
    fn weigh(&mut self, cx: &Cx<'_>, dir: Direction, m: Message, emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        if (1..32).contains(&m.code) {
            self.sure = m.is_plain();
            if !self.sure {
                if self.held.len() >= limits::COAP_HELD_MAX {
                    return Progress::Violation("requests without an answer");
                }
                self.held.push(Held { dir, at: (cx.ts, cx.packet), message: m });
                return Progress::Done;
            }
        } else if m.code > 32 {
            self.sure = self.held.iter().any(|h| h.dir != dir && m.answers(&h.message));
            if !self.sure {
                return Progress::Violation("an answer to nothing");
            }
        } else {
            return Progress::Done;
        }
        for held in std::mem::take(&mut self.held) {
            let cx = Cx { ts: held.at.0, packet: held.at.1, ..*cx };
            self.told(&cx, held.dir, &held.message, emit);
        }
        self.told(cx, dir, &m, emit);
        Progress::Done
    }

    fn told(&mut self, cx: &Cx<'_>, dir: Direction, m: &Message, emit: &mut dyn FnMut(Operation<'_>)) {
        let class = m.code >> 5;
        let (action, changes) = match action(m.code) {
            Some(("get", _)) if m.observe => ("observe", false),
            Some(action) => action,
            None if class == 2 => ("answer", false),
            None if class == 4 || class == 5 => ("error", false),
            None => ("empty", false),
        };
        let mut object = String::from_utf8_lossy(&m.path).into_owned();
        if !m.query.is_empty() {
            object += &String::from_utf8_lossy(&blanked(&m.query));
        }
        if (2..6).contains(&class) {
            object = format!("{}.{:02}", class, m.code & 31);
        }
        if let Some(format) = m.format {
            object += &format!(" format {format}");
        }
        self.told.tell(cx, &Operation { changes, object: &object, ..Operation::new(NAME, dir, action) }, emit);
    }
}

impl AppParser for Coap {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "CoAP",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[5683],
        reference: "RFC 7252, RFC 8323",
        table: Some(&TABLE),
        tentative: true,
        yields: "methods and paths, what is changed",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            // Over TCP, both sides begin with their capabilities (RFC 8323, section 5.3).
            [first, 0xe1, rest @ ..] if first & 15 == 0 && first >> 4 < 13 => {
                let options = payload.get(2..).and_then(|o| o.get(..usize::from(first >> 4)));
                match options {
                    _ if *first == 0 => Probe::NeedMore,
                    Some(o) => {
                        let mut message = Message::default();
                        let sound = options_fit(o, &mut message) && o.first().is_some_and(|b| matches!(b >> 4, 2 | 4));
                        if sound { Probe::Yes } else { Probe::No }
                    }
                    None if rest.len() < 12 => Probe::NeedMore,
                    None => Probe::No,
                }
            }
            [0x10 | 0x20 | 0x30 | 0x40 | 0x50 | 0x60] => Probe::NeedMore,
            [first, ..] if first >> 6 != 1 => Probe::No,
            _ if payload.len() < 4 => {
                if payload.len() == 1 {
                    Probe::NeedMore
                } else {
                    Probe::No
                }
            }
            _ => match datagram(payload) {
                // What asks for nothing is a ping, and may be anything; so may an answer without a format.
                Ok(m) if m.code == 0 || m.strange => Probe::No,
                Ok(m) if m.code < 32 => {
                    let named = !m.path.is_empty() || !m.query.is_empty() || !m.host.is_empty() || m.observe;
                    let text = m.path.iter().chain(&m.query).chain(&m.host).all(|c| *c >= 0x20 && *c != 0x7f);
                    if named && text { Probe::Yes } else { Probe::No }
                }
                Ok(m) if dir == Direction::Resp && matches!(m.code, 65..=69 | 95 | 128..=143 | 160..=165) => Probe::Yes,
                _ => Probe::No,
            },
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        if cx.flow.transport == Transport::Udp {
            return match datagram(bytes) {
                Ok(message)
                    if !self.sure && ![cx.flow.orig_port, cx.flow.resp_port].iter().any(|p| PORTS.contains(p)) =>
                {
                    self.weigh(&cx, dir, message, emit)
                }
                Ok(message) => {
                    if message.code != 0 {
                        self.told(&cx, dir, &message, emit);
                    }
                    if self.told.is_full() { Progress::Finished } else { Progress::Done }
                }
                Err(_) => Progress::Violation("message"),
            };
        }
        walk(bytes, |rest| {
            let Ok((head, len)) = framed(rest) else { return Step::Need(rest.len() + 1) };
            if len > limits::DATABASE_MESSAGE_BYTES_MAX {
                cx.limit_hit();
                return Step::Used(head as u64 + len as u64);
            }
            let Some(message) = rest.get(head..head + len) else { return Step::Need(head + len) };
            let token = usize::from(rest.first().map_or(0, |b| b & 15));
            let mut r = Reader::new(message);
            let mut out = Message { code: r.u8("code").unwrap_or_default(), ..Message::default() };
            if r.skip("token", token).is_err() || out.code < 0xe0 && options(&mut r, &mut out).is_err() {
                return Step::Violation("message");
            }
            if out.code != 0 && (out.code < 0xe0 || action(out.code).is_some()) {
                self.told(&cx, dir, &out, emit);
            }
            if self.told.is_full() { Step::Finished } else { Step::Used((head + len) as u64) }
        })
    }
}

/// Whether these bytes are options and nothing else.
fn options_fit(bytes: &[u8], out: &mut Message) -> bool {
    options(&mut Reader::new(bytes), out).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    /// The example of RFC 7252, appendix A: a confirmable GET of /temperature.
    const GET: &[u8] = b"\x40\x01\x7d\x34\xbbtemperature";
    const ANSWER: &[u8] = b"\x60\x45\x7d\x34\xff22.3 C";

    #[test]
    fn what_is_asked_and_changed() {
        let put = b"\x42\x03\0\x01ab\xb5light\x46token=\x05\xff1";
        let secret = b"\x41\x02\0\x02t\xb3cfg\x4ctoken=hunter\xff1";
        let observe = b"\x40\x01\0\x03\x60\x51s";
        let seen =
            Script::new().orig(GET).resp(ANSWER).orig(secret).orig(observe).orig(b"\x40\0\0\x09").datagrams::<Coap>();
        assert_eq!(seen.cells("action"), ["get", "answer", "post", "observe"]);
        assert_eq!(seen.cells("object"), ["/temperature", "2.05", "/cfg?token=[blanked]", "/s"]);
        assert_eq!(seen.cells("changes"), ["false", "false", "true", "false"]);
        assert!(Script::new().orig(put).datagrams::<Coap>().rows.len() <= 1);
        assert!(!format!("{seen:?}").contains("hunter"));
    }

    #[test]
    fn on_an_unusual_port_a_message_has_to_prove_itself() {
        // A query that is no text, and an answer with another token or with the same.
        let strange = b"\x41\x01\0\x07t\xd2\x02\xff\xfe";
        let alone = Script::new().orig(strange).orig(b"\x41\x44\0\x09x").datagrams::<Coap>();
        assert!(alone.rows.is_empty());
        let other = Script::new().orig(strange).resp(b"\x61\x44\0\x07x").datagrams::<Coap>();
        assert!(other.rows.is_empty() && matches!(other.stopped, Some(Progress::Violation(_))));
        let answered = Script::new().orig(strange).resp(b"\x61\x44\0\x07t").datagrams::<Coap>();
        assert_eq!(answered.cells("action"), ["get", "answer"]);
        let unasked = Script::new().resp(b"\x61\x44\x35\x03\x01").datagrams::<Coap>();
        assert!(unasked.rows.is_empty());
    }

    #[test]
    fn over_tcp_with_capabilities_first() {
        // CSM with the longest message (RFC 8323, section 5.3.1), then GET /t with a token of one byte.
        let seen = Script::new().orig(b"\x20\xe1\x21\x40").orig(b"\x21\x01a\xb1t").any_chunking::<Coap>();
        assert_eq!(seen.cells("action"), ["capabilities", "get"]);
        assert_eq!(seen.cells("object"), ["-", "/t"]);
        assert_eq!(probe_all::<Coap>(Direction::Orig, b"\x20\xe1\x21\x40"), Probe::Yes);
    }

    #[test]
    fn probes_and_damage() {
        for (dir, bytes, want) in [
            (Direction::Orig, GET, Probe::Yes),
            (Direction::Resp, ANSWER, Probe::Yes),
            (Direction::Orig, b"AAAAAAAAAAAAAAAA", Probe::No),
            // A call of another kind with zeros where options would stand.
            (Direction::Orig, b"\x41\x02\x03\x04\0\0\0\0\0\0\0\x02\0\x01\x86\xa0", Probe::No),
            (Direction::Orig, b"\x40\x00\x12\x34", Probe::No),
            (Direction::Orig, b"\x49\x01\x12\x34123456789\xb1a", Probe::No),
        ] {
            assert_eq!(Coap::probe(dir, bytes), want, "{bytes:?}");
        }
        for end in 0..GET.len() {
            Script::new().orig(&GET[..end]).datagrams::<Coap>();
        }
        assert!(datagram(b"\x40\x01\x7d\x34\xff").is_err(), "a marker without a payload");
        assert!(datagram(b"\x40\x01\x7d\x34\xf0").is_err(), "a length that is reserved");
    }
}

//! JXTA over TCP (JXTA v2.0 protocols specification, "TCP/IP Message Transport" and "Binary Message Format"), as far
//! as the TLS that its secure pipes carry in messages.
//!
//! ```text
//! welcome:  "JXTAHELLO" addresses, identifier and version on one line
//! message:  { length(1) name length(2) value } 0(1) body
//! body:     "jxmg" version(1) namespaces(2) { length(2) text } elements(2) { element }
//! element:  "jxel" namespace(1) flags(1) length(2) name [length(2) type] [length(2) encoding] length(4) content
//! ```
//! An element of the type `application/x-jxta-tls-block` holds a piece of TLS; its name is the number of the piece.

use crate::base::bytes::ReadError;
use crate::base::{Reader, hash, limits};
use crate::proto::api::{AppParser, Cx, Direction, NoEvent, Probe, Progress, Spec, Transport, Wrapped};
use crate::proto::framing::{Step, front, walk};
use crate::proto::text;

const WELCOME: &[u8] = b"JXTAHELLO ";
const TLS_BLOCK: &[u8] = b"application/x-jxta-tls-block";
/// Header fields of a message; two are in use.
const FIELDS_MAX: usize = 16;
/// Flags of an element: it names its type, an encoding; a signature follows it.
const HAS_TYPE: u8 = 1;
const HAS_ENCODING: u8 = 2;
const HAS_SIGNATURE: u8 = 4;

/// One direction.
#[derive(Debug, Default)]
struct Side {
    welcomed: bool,
    /// Number of the next piece of TLS.
    next: u32,
    /// Encrypted data has begun.
    sealed: bool,
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Jxta {
    sides: [Side; 2],
    /// Conversations of TLS so far, and the hello that began the last one.
    session: u64,
    hello: u64,
    found: Vec<Wrapped>,
}

/// Length of the head of a message with the byte that ends it, and of the body behind it.
fn head(bytes: &[u8]) -> Result<(usize, u64), ReadError> {
    let mut r = Reader::new(bytes);
    let mut body = None;
    for _ in 0..FIELDS_MAX {
        let len = usize::from(r.u8("length of name")?);
        if len == 0 {
            return body.map(|body| (r.position(), body)).ok_or(ReadError::invalid("content-length"));
        }
        let name = r.take("name", len)?;
        let len = usize::from(r.be16("length of value")?);
        let value = r.take("value", len)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            body = Some(Reader::new(value).be64("content-length").map_err(|_| ReadError::invalid("content-length"))?);
        }
    }
    Err(ReadError::invalid("fields"))
}

impl Jxta {
    fn body(&mut self, dir: Direction, body: &[u8]) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        if r.take("mark", 4)? != b"jxmg" {
            return Err(ReadError::invalid("mark"));
        }
        r.skip("version", 1)?;
        for _ in 0..r.be16("namespaces")? {
            r.vec16("namespace")?;
        }
        for _ in 0..r.be16("elements")? {
            if r.take("mark", 4)? != b"jxel" {
                return Err(ReadError::invalid("mark"));
            }
            r.skip("namespace", 1)?;
            let flags = r.u8("flags")?;
            let name = r.vec16("name")?.rest();
            let kind = if flags & HAS_TYPE != 0 { r.vec16("type")?.rest() } else { &[] };
            if flags & HAS_ENCODING != 0 {
                r.vec16("encoding")?;
            }
            let len = r.be32("length")?;
            let content = r.take("content", usize::try_from(len).unwrap_or(usize::MAX))?;
            if kind == TLS_BLOCK
                && let Some(number) = text::decimal(name).and_then(|n| u32::try_from(n).ok())
            {
                self.block(dir, number, content);
            }
            // A signature is an element within the element; nothing is read behind it.
            if flags & HAS_SIGNATURE != 0 {
                break;
            }
        }
        Ok(())
    }

    fn block(&mut self, dir: Direction, number: u32, piece: &[u8]) {
        if number == 1 && matches!(piece, [22, 3, _, _, _, 1, ..]) {
            let hello = hash::stable64(0, piece);
            if hello == self.hello {
                return;
            }
            self.hello = hello;
            self.session += 1;
            for side in &mut self.sides {
                (side.next, side.sealed) = (1, false);
            }
        }
        let Some(side) = self.sides.get_mut(dir.index()) else { return };
        // Sent again, or of no interest any more.
        if number != side.next || side.sealed {
            return;
        }
        side.next = number.saturating_add(1);
        side.sealed = piece.first() == Some(&23);
        self.found.push(Wrapped { session: self.session, dir, bytes: piece.to_vec(), datagram: false });
    }

    fn step(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8]) -> Step {
        let Some(side) = self.sides.get_mut(dir.index()) else { return Step::Finished };
        if !side.welcomed {
            let Some(end) = memchr::memchr(b'\n', front(bytes, limits::LINE_BYTES_MAX)) else {
                return if bytes.len() < limits::LINE_BYTES_MAX && bytes.starts_with(front(WELCOME, bytes.len())) {
                    Step::Need(bytes.len() + 1)
                } else {
                    Step::Violation("JXTA welcome")
                };
            };
            side.welcomed = true;
            let welcome = bytes.starts_with(WELCOME);
            return if welcome { Step::Used(end as u64 + 1) } else { Step::Violation("JXTA welcome") };
        }
        let (at, len) = match head(bytes) {
            Ok(head) => head,
            Err(e) if e.is_short() && bytes.len() < limits::LINE_BYTES_MAX => {
                return Step::Need(bytes.len() + e.missing());
            }
            Err(_) => return Step::Violation("JXTA message head"),
        };
        let whole = (at as u64).saturating_add(len);
        if len > limits::JXTA_MESSAGE_BYTES_MAX as u64 {
            cx.limit_hit();
            return Step::Used(whole);
        }
        let end = at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let Some(body) = bytes.get(at..end) else { return Step::Need(end) };
        // What is no message of this format is passed over.
        let _ = self.body(dir, body);
        Step::Used(whole)
    }
}

impl AppParser for Jxta {
    const SPEC: Spec = Spec {
        name: "jxta",
        title: "JXTA",
        transports: &[Transport::Tcp],
        ports: &[9701],
        reference: "JXTA v2.0 protocols specification",
        wraps_tls: true,
        yields: "the TLS handshakes of its secure pipes",
        ..Spec::EMPTY
    };
    type Event<'e> = NoEvent;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.split_at_checked(WELCOME.len()) {
            Some((front, _)) if front == WELCOME => Probe::Yes,
            None if WELCOME.starts_with(payload) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], _emit: &mut dyn FnMut(NoEvent)) -> Progress {
        walk(bytes, |rest| self.step(cx, dir, rest))
    }

    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        std::mem::take(&mut self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::{FlowView, LimitCount};
    use crate::proto::testing::{flow, probe_all};

    fn element(kind: &str, name: &str, content: &[u8]) -> Vec<u8> {
        let mut out = b"jxel\x02\x01".to_vec();
        for text in [name, kind] {
            out.extend((text.len() as u16).to_be_bytes());
            out.extend(text.as_bytes());
        }
        out.extend((content.len() as u32).to_be_bytes());
        out.extend(content);
        out
    }

    fn message(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut body = b"jxmg\0\0\x01\0\x07jxtatls".to_vec();
        body.extend((elements.len() as u16).to_be_bytes());
        body.extend(elements.concat());
        let mut out = b"\x0ccontent-type\0\x16application/x-jxta-msg\x0econtent-length\0\x08".to_vec();
        out.extend((body.len() as u64).to_be_bytes());
        out.push(0);
        out.extend(body);
        out
    }

    const HELLO: &[u8] = &[22, 3, 1, 0, 4, 1, 0, 0, 0];

    fn play(stream: &[u8], size: usize) -> (Vec<(u64, Vec<u8>)>, u64) {
        let view = FlowView { transport: Transport::Tcp, ..flow() };
        let limited = LimitCount::default();
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &view, limited: &limited };
        let mut parser = Jxta::default();
        let (mut kept, mut skip, mut out) = (Vec::new(), 0, Vec::new());
        for bytes in stream.chunks(size) {
            let passed = bytes.len().min(skip);
            skip -= passed;
            kept.extend_from_slice(&bytes[passed..]);
            if kept.is_empty() {
                continue;
            }
            match parser.on_data(cx, Direction::Orig, &kept, &mut |_| {}) {
                Progress::Partial { consumed, .. } => drop(kept.drain(..consumed)),
                Progress::Skip(n) => (skip, kept) = (n as usize, Vec::new()),
                Progress::Done => kept.clear(),
                other => panic!("{other:?}"),
            }
            out.extend(parser.take_wrapped().into_iter().map(|w| (w.session, w.bytes)));
        }
        (out, limited.take())
    }

    #[test]
    fn pieces_of_tls_in_messages() {
        let block = |n: &str, piece: &[u8]| element("application/x-jxta-tls-block", n, piece);
        let other = element("text/xml;charset=UTF-8", "EndpointRouterMsg", b"<x/>");
        let big = vec![7; limits::JXTA_MESSAGE_BYTES_MAX + 1];
        let stream = [
            b"JXTAHELLO tcp://192.0.2.1:32941 tcp://192.0.2.2:8721 urn:jxta:uuid-59 0 1.1\r\n".to_vec(),
            message(std::slice::from_ref(&other)),
            message(&[block("1", HELLO), other]),
            // Sent again; then the next one, and application data, behind which nothing is of interest.
            message(&[block("1", HELLO)]),
            message(&[block("2", b"\x16\x03\x01\0\x01x")]),
            message(&[element("text/plain", "big", &big)]),
            message(&[block("3", b"\x17\x03\x01\0\x01y")]),
            message(&[block("4", b"\x17\x03\x01\0\x01z")]),
        ]
        .concat();
        let want = [HELLO, b"\x16\x03\x01\0\x01x", b"\x17\x03\x01\0\x01y"];
        for size in [usize::MAX, 1000, 64, 7, 1] {
            let (found, limited) = play(&stream, size);
            assert_eq!(found.iter().map(|f| f.1.as_slice()).collect::<Vec<_>>(), want, "pieces of {size}");
            assert_eq!(limited, 1, "the big message was passed over");
        }
        assert_eq!(probe_all::<Jxta>(Direction::Orig, &stream), Probe::Yes);
        assert_eq!(Jxta::probe(Direction::Orig, b"JXTAHELP"), Probe::No);
    }

    #[test]
    fn another_hello_is_another_conversation_and_cut_messages_are_passed_over() {
        let block = |piece: &[u8]| message(&[element("application/x-jxta-tls-block", "1", piece)]);
        let welcome = b"JXTAHELLO x\r\n".to_vec();
        let stream = [welcome.clone(), block(HELLO), block(&[22, 3, 1, 0, 4, 1, 0, 0, 1])].concat();
        assert_eq!(play(&stream, 50).0.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2]);
        let whole = block(HELLO);
        let body = whole.len() - 60;
        for cut in 0..60 {
            let mut bytes = whole[..body + cut].to_vec();
            // Its length says that it is whole.
            let at = bytes.iter().position(|b| *b == 0x0e).unwrap() + 17;
            let head = at + 9;
            let len = (bytes.len() - head) as u64;
            bytes[at..at + 8].copy_from_slice(&len.to_be_bytes());
            play(&[welcome.clone(), bytes].concat(), 1000);
        }
    }
}

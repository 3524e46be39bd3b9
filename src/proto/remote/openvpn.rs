//! OpenVPN: the control channel, in which a TLS handshake agrees on keys (OpenVPN network protocol, "Control channel",
//! as its documentation and the draft `openvpn-wire-protocol` describe it).
//!
//! ```text
//! message: opcode and key(1) session(8) [digest packet id(4) time(4)] acknowledged(1) { id(4) } [session(8)] id(4) TLS
//! stream:  length(2) message
//! ```
//! With a static key the messages are authenticated (`tls-auth`: a digest stands before the rest, which stays in
//! clear) or encrypted (`tls-crypt`: nothing can be read). Which it is shows in the first message.

use crate::base::{Reader, hash, limits};
use crate::proto::api::{AppParser, Cx, Direction, NoEvent, Probe, Progress, Spec, Transport, Wrapped};
use crate::proto::framing::{Step, walk};

/// Opcodes.
mod opcode {
    /// The keys are agreed on anew.
    pub const SOFT_RESET: u8 = 3;
    /// A piece of TLS.
    pub const CONTROL: u8 = 4;
    /// Acknowledgements alone.
    pub const ACK: u8 = 5;
    /// Data.
    pub const DATA_V1: u8 = 6;
    /// A client begins.
    pub const CLIENT_RESET: u8 = 7;
    /// A server answers.
    pub const SERVER_RESET: u8 = 8;
    /// Data.
    pub const DATA_V2: u8 = 9;
    /// A client begins, with `tls-crypt-v2`.
    pub const CLIENT_RESET_V3: u8 = 10;
    /// A piece of TLS, with the client's key behind it.
    pub const CONTROL_WKC: u8 = 11;
}

/// Bytes before the digest.
const HEAD: usize = 9;
/// Lengths of digests that are in use: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
const DIGESTS: [usize; 6] = [16, 20, 28, 32, 48, 64];

/// How the control channel is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// By a digest of so many bytes, or of none.
    Digest(usize),
    Encrypted,
}

/// Whether a time of a replay counter is one: from 1978 on.
fn counter(message: &[u8], at: usize) -> bool {
    let mut r = Reader::new(message.get(at..).unwrap_or_default());
    matches!((r.be32("packet id"), r.be32("time")), (Ok(1..=0xffff), Ok(time)) if time > 1 << 28)
}

/// What stands behind digest and counter of a control message: the number, and the piece of TLS.
fn reliable(message: &[u8], digest: usize, with_number: bool) -> Option<(u32, &[u8])> {
    let mut r = Reader::new(message);
    r.skip("head", HEAD + if digest > 0 { digest + 8 } else { 0 }).ok()?;
    let count = usize::from(r.u8("acknowledged").ok()?);
    if count > 8 {
        return None;
    }
    r.skip("acknowledged", 4 * count + if count > 0 { 8 } else { 0 }).ok()?;
    let number = if with_number { r.be32("number").ok()? } else { 0 };
    Some((number, r.rest()))
}

/// How the first message of a direction is protected; `None` if it is no such message.
fn protection(message: &[u8]) -> Option<Protection> {
    let first = *message.first()?;
    if first & 7 != 0 || message.len() < 14 {
        return None;
    }
    match first >> 3 {
        opcode::CLIENT_RESET | opcode::SERVER_RESET => {}
        opcode::CLIENT_RESET_V3 => return counter(message, HEAD).then_some(Protection::Encrypted),
        _ => return None,
    }
    let bare = |digest| reliable(message, digest, true).is_some_and(|(number, tls)| number == 0 && tls.is_empty());
    if bare(0) {
        return Some(Protection::Digest(0));
    }
    let digest = DIGESTS.into_iter().find(|d| counter(message, HEAD + d) && bare(*d));
    digest.map(Protection::Digest).or_else(|| counter(message, HEAD).then_some(Protection::Encrypted))
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// The key that is agreed on, and the number of the next message.
    key: u8,
    next: u32,
    /// Messages that came before their turn.
    waiting: Vec<(u32, Vec<u8>)>,
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct OpenVpn {
    protection: Option<Protection>,
    sides: [Side; 2],
    /// Session of the client, which changes when it begins anew.
    session: u64,
    found: Vec<Wrapped>,
}

impl OpenVpn {
    /// Reads a message. Says whether it may be one.
    fn message(&mut self, cx: Cx<'_>, dir: Direction, message: &[u8]) -> bool {
        let Some(first) = message.first() else { return true };
        let (code, key) = (first >> 3, first & 7);
        match code {
            opcode::CLIENT_RESET | opcode::SERVER_RESET | opcode::CLIENT_RESET_V3 => {
                let Some(found) = protection(message) else { return self.protection.is_some() };
                self.protection = Some(found);
                let session = hash::stable64(0, message.get(1..HEAD).unwrap_or_default());
                if code != opcode::SERVER_RESET && session != self.session {
                    self.session = session;
                    self.sides = Default::default();
                }
                let [orig, resp] = &mut self.sides;
                let side = if dir == Direction::Orig { orig } else { resp };
                side.next = side.next.max(1);
            }
            opcode::SOFT_RESET | opcode::CONTROL => self.control(cx, dir, (code, key), message),
            opcode::ACK | opcode::DATA_V1 | opcode::DATA_V2 | opcode::CONTROL_WKC => {}
            _ => return false,
        }
        true
    }

    fn control(&mut self, cx: Cx<'_>, dir: Direction, (code, key): (u8, u8), message: &[u8]) {
        let Some(Protection::Digest(digest)) = self.protection else { return };
        let Some((number, tls)) = reliable(message, digest, true) else { return };
        let [orig, resp] = &mut self.sides;
        let side = if dir == Direction::Orig { orig } else { resp };
        if code == opcode::SOFT_RESET && key != side.key {
            *side = Side { key, next: 1, waiting: Vec::new() };
        }
        // Sent again, or of keys that were given up.
        if code == opcode::SOFT_RESET || key != side.key || number < side.next {
            return;
        }
        let session = self.session.wrapping_add(u64::from(key));
        if number > side.next {
            if side.waiting.len() >= limits::OPENVPN_WAITING_MAX {
                cx.limit_hit();
            } else if side.waiting.iter().all(|(n, _)| *n != number) {
                side.waiting.push((number, tls.to_vec()));
            }
            return;
        }
        self.found.push(Wrapped { session, dir, bytes: tls.to_vec(), datagram: false });
        side.next = side.next.saturating_add(1);
        while let Some(at) = side.waiting.iter().position(|(n, _)| *n == side.next) {
            let (_, bytes) = side.waiting.swap_remove(at);
            self.found.push(Wrapped { session, dir, bytes, datagram: false });
            side.next = side.next.saturating_add(1);
        }
    }

    fn step(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8]) -> Step {
        let [a, b, rest @ ..] = bytes else { return Step::Need(2) };
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        let Some(first) = rest.first() else { return Step::Need(3) };
        if matches!(first >> 3, opcode::DATA_V1 | opcode::DATA_V2) {
            return Step::Used(2 + len as u64);
        }
        let Some(message) = rest.get(..len) else { return Step::Need(2 + len) };
        if self.message(cx, dir, message) { Step::Used(2 + len as u64) } else { Step::Violation("not OpenVPN") }
    }
}

impl AppParser for OpenVpn {
    const SPEC: Spec = Spec {
        name: "openvpn",
        title: "OpenVPN",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[1194],
        reference: "OpenVPN network protocol, control channel",
        wraps_tls: true,
        yields: "the TLS handshake of the control channel, where it is not encrypted with a static key",
        ..Spec::EMPTY
    };
    type Event<'e> = NoEvent;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if protection(payload).is_some() {
            return Probe::Yes;
        }
        let [a, b, message @ ..] = payload else { return Probe::NeedMore };
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        if !(14..=512).contains(&len) {
            return Probe::No;
        }
        match (message.get(..len), message.first().map(|f| (f >> 3, f & 7))) {
            (Some(message), _) => {
                if protection(message).is_some() {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            (None, None | Some((opcode::CLIENT_RESET | opcode::SERVER_RESET | opcode::CLIENT_RESET_V3, 0))) => {
                Probe::NeedMore
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], _emit: &mut dyn FnMut(NoEvent)) -> Progress {
        if cx.flow.transport == Transport::Tcp {
            let progress = walk(bytes, |rest| self.step(cx, dir, rest));
            // Nothing more can be read.
            let encrypted = self.protection == Some(Protection::Encrypted);
            return if encrypted && progress == Progress::Done { Progress::Finished } else { progress };
        }
        let known = self.message(cx, dir, bytes);
        if known || self.protection.is_some() { Progress::Done } else { Progress::Violation("not OpenVPN") }
    }

    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        std::mem::take(&mut self.found)
    }

    fn heap(&self) -> usize {
        self.sides.iter().flat_map(|s| &s.waiting).map(|(_, bytes)| bytes.len() + size_of::<(u32, Vec<u8>)>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::proto::testing::{flow, probe_all};

    /// A message with a digest of `digest` bytes, which acknowledges nothing.
    fn message(code: u8, key: u8, digest: usize, number: u32, tls: &[u8]) -> Vec<u8> {
        let mut out = vec![code << 3 | key, 1, 2, 3, 4, 5, 6, 7, 8];
        if digest > 0 {
            out.extend(vec![0xdd; digest]);
            out.extend([0, 0, 0, 1, 0x60, 0, 0, 0]);
        }
        out.push(0);
        out.extend(number.to_be_bytes());
        out.extend(tls);
        out
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u16).to_be_bytes()[..], message].concat()
    }

    /// What of TLS comes out of datagrams of the originator.
    fn play(datagrams: &[Vec<u8>]) -> Vec<(u64, Vec<u8>)> {
        let (view, limited) = (flow(), LimitCount::default());
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &view, limited: &limited };
        let mut parser = OpenVpn::default();
        let mut out = Vec::new();
        for datagram in datagrams {
            parser.on_data(cx, Direction::Orig, datagram, &mut |_| {});
            out.extend(parser.take_wrapped().into_iter().map(|w| (w.session, w.bytes)));
        }
        out
    }

    #[test]
    fn the_first_message_tells_how_the_rest_is_protected() {
        for digest in [0, 16, 20, 28, 32, 48, 64] {
            let reset = message(opcode::CLIENT_RESET, 0, digest, 0, b"");
            assert_eq!(protection(&reset), Some(Protection::Digest(digest)));
            assert_eq!(OpenVpn::probe(Direction::Orig, &reset), Probe::Yes);
            assert_eq!(probe_all::<OpenVpn>(Direction::Orig, &framed(&reset)), Probe::Yes);
        }
        let crypt = [&[0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0x60, 0, 0, 0][..], &[9; 37]].concat();
        assert_eq!(protection(&crypt), Some(Protection::Encrypted));
        assert_eq!(protection(&message(opcode::CLIENT_RESET, 0, 0, 1, b"")), None);
        assert_eq!(OpenVpn::probe(Direction::Orig, b"\0\x0e\x16\x03\x01"), Probe::No);
        assert_eq!(OpenVpn::probe(Direction::Orig, b"GET / HTTP/1.1\r\n"), Probe::No);
    }

    #[test]
    fn pieces_come_in_the_order_of_their_numbers() {
        let piece = |n, tls: &[u8]| message(opcode::CONTROL, 0, 20, n, tls);
        let reset = message(opcode::CLIENT_RESET, 0, 20, 0, b"");
        let found = play(&[reset.clone(), piece(2, b"cd"), piece(1, b"ab"), reset, piece(2, b"cd"), piece(3, b"ef")]);
        assert_eq!(found.iter().map(|f| f.1.as_slice()).collect::<Vec<_>>(), [b"ab", b"cd", b"ef"]);
    }

    #[test]
    fn other_keys_are_another_handshake() {
        let found = play(&[
            message(opcode::CLIENT_RESET, 0, 0, 0, b""),
            message(opcode::CONTROL, 0, 0, 1, b"ab"),
            message(opcode::DATA_V1, 0, 0, 1, b"data"),
            message(opcode::SOFT_RESET, 1, 0, 0, b""),
            message(opcode::CONTROL, 1, 0, 1, b"cd"),
            message(opcode::CONTROL, 0, 0, 2, b"late"),
        ]);
        assert_eq!(found.len(), 2);
        assert_ne!(found[0].0, found[1].0);
    }

    #[test]
    fn any_piece_of_a_stream_gives_the_same() {
        let stream: Vec<u8> = [
            message(opcode::CLIENT_RESET, 0, 20, 0, b""),
            message(opcode::CONTROL, 0, 20, 1, b"hello"),
            message(opcode::DATA_V2, 0, 0, 1, &[7; 300]),
            message(opcode::CONTROL, 0, 20, 2, b"more"),
        ]
        .iter()
        .flat_map(|m| framed(m))
        .collect();
        let view = crate::proto::api::FlowView { transport: Transport::Tcp, ..flow() };
        let limited = LimitCount::default();
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &view, limited: &limited };
        for size in [1, 3, 7, 50, 1000] {
            let mut parser = OpenVpn::default();
            let (mut kept, mut skip, mut out) = (Vec::new(), 0, Vec::new());
            for byte in stream.chunks(size) {
                let passed = byte.len().min(skip);
                skip -= passed;
                kept.extend_from_slice(&byte[passed..]);
                match parser.on_data(cx, Direction::Orig, &kept, &mut |_| {}) {
                    Progress::Partial { consumed, .. } => drop(kept.drain(..consumed)),
                    Progress::Skip(n) => (skip, kept) = (n as usize, Vec::new()),
                    Progress::Done => kept.clear(),
                    other => panic!("{other:?}"),
                }
                out.extend(parser.take_wrapped().into_iter().flat_map(|w| w.bytes));
            }
            assert_eq!(out, b"hellomore", "pieces of {size}");
        }
    }

    #[test]
    fn forged_numbers_do_not_grow() {
        let mut datagrams = vec![message(opcode::CLIENT_RESET, 0, 0, 0, b"")];
        datagrams.extend((0..1000).map(|n| message(opcode::CONTROL, 0, 0, 9 + n, &[1; 100])));
        assert!(play(&datagrams).is_empty());
        for cut in 0..40 {
            let whole = message(opcode::CONTROL, 0, 20, 1, b"");
            play(&[message(opcode::CLIENT_RESET, 0, 20, 0, b""), whole[..cut.min(whole.len())].to_vec()]);
        }
    }
}

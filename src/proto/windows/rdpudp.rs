//! RDP's transport over UDP (MS-RDPEUDP, section 2.2; version 2: MS-RDPEUDP2, section 2.2), as far as the handshake
//! of TLS, or of DTLS, that runs in it.
//!
//! ```text
//! opening:   acknowledged(4) window(2) flags(2) sequence(4) MTU up(2) MTU down(2) [correlation(32)] [flags(2) version(2)]
//! version 1: acknowledged(4) window(2) flags(2) [size(2) vector, padded to 4] [acks(4)] coded(4) sequence(4) data
//! version 2: prefix(1) flags and window(2, low byte first) ... number in the channel(2, low byte first) data
//! ```
//! Numbers of the opening and of version 1 have the high byte first. In version 2 the first byte and the eighth of
//! each datagram have changed places (section 2.2.1).

use crate::base::bytes::ReadError;
use crate::base::{Reader, limits};
use crate::proto::api::{Cx, Direction, Progress, Wrapped};

/// Flags of the opening and of version 1 (MS-RDPEUDP, section 2.2.2.1).
mod flag {
    pub const SYN: u16 = 0x0001;
    pub const ACK: u16 = 0x0004;
    pub const DATA: u16 = 0x0008;
    pub const REPAIR: u16 = 0x0010;
    pub const ACK_OF_ACKS: u16 = 0x0100;
    pub const LOSSY: u16 = 0x0200;
    pub const CORRELATION: u16 = 0x0800;
    pub const VERSION: u16 = 0x1000;
}

/// Flags of version 2 (MS-RDPEUDP2, section 2.2.1.1).
mod flag2 {
    pub const ACK: u16 = 0x001;
    pub const DATA: u16 = 0x004;
    pub const ACK_VECTOR: u16 = 0x008;
    pub const ACK_OF_ACKS: u16 = 0x010;
    pub const OVERHEAD: u16 = 0x040;
    pub const DELAY: u16 = 0x100;
}

/// The version that has a layout of its own.
const VERSION_2: u16 = 0x0101;

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// Number of the next piece; those of version 2 stand in the upper half, so that both turn over where they do.
    next: Option<u32>,
    /// Pieces that came before their turn.
    waiting: Vec<(u32, Vec<u8>)>,
    /// Bytes that were handed on.
    passed: usize,
    /// Encrypted data has begun.
    sealed: bool,
    /// Number of its opening, once it was seen: pieces of version 1 are counted from there.
    opening: Option<u32>,
}

/// Follows one flow.
#[derive(Debug, Default)]
pub(super) struct RdpUdp {
    /// The opening was seen.
    pub(super) begun: bool,
    second: bool,
    lossy: bool,
    sides: [Side; 2],
    found: Vec<Wrapped>,
}

/// Whether a datagram opens a connection: the flag SYN, a window, and MTUs in the allowed range, padded to the MTU
/// (MS-RDPEUDP, section 3.1.5.1.1).
pub(super) fn is_opening(datagram: &[u8]) -> bool {
    const MTU_MIN: u16 = 1132;
    const MTU_MAX: u16 = 1232;
    let mut r = Reader::new(datagram);
    let (Ok(()), Ok(flags), Ok(_), Ok(up), Ok(down)) =
        (r.skip("acknowledged, window", 6), r.be16("flags"), r.be32("sequence"), r.be16("MTU up"), r.be16("MTU down"))
    else {
        return false;
    };
    let range = MTU_MIN..=MTU_MAX;
    flags & flag::SYN != 0
        && flags & 0xc002 == 0
        && range.contains(&up)
        && range.contains(&down)
        && datagram.len() >= MTU_MIN.into()
}

/// Whether a piece begins with a record of encrypted data, of TLS or DTLS.
fn is_sealed(piece: &[u8]) -> bool {
    matches!(piece, [23, 3 | 0xfe, ..])
}

impl RdpUdp {
    /// Reads a datagram behind the first one.
    pub(super) fn datagram(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8]) -> Progress {
        if is_opening(bytes) {
            self.open(dir, bytes);
            return Progress::Done;
        }
        let piece = if self.second { second(bytes) } else { first(bytes) };
        let Ok(Some((number, piece))) = piece else { return Progress::Done };
        if self.take(cx, dir, number, piece) { Progress::Done } else { Progress::Finished }
    }

    /// One of the two datagrams that open the connection. What the server says counts.
    pub(super) fn open(&mut self, dir: Direction, bytes: &[u8]) {
        let mut r = Reader::new(bytes);
        let mut read = || -> Result<(u16, u32, u16), ReadError> {
            r.skip("acknowledged, window", 6)?;
            let flags = r.be16("flags")?;
            let sequence = r.be32("sequence")?;
            r.skip("MTUs", 4)?;
            if flags & flag::CORRELATION != 0 {
                r.skip("correlation", 32)?;
            }
            let version = if flags & flag::VERSION != 0 && r.be16("flags")? & 1 != 0 { r.be16("version")? } else { 1 };
            Ok((flags, sequence, version))
        };
        let Ok((flags, sequence, version)) = read() else { return };
        self.begun = true;
        let server_said = self.sides.get(Direction::Resp.index()).is_some_and(|side| side.opening.is_some());
        // An opening that is sent again changes nothing.
        let Some(side) = self.sides.get_mut(dir.index()).filter(|side| side.opening.is_none()) else { return };
        side.opening = Some(sequence);
        // The client offers the highest version that it knows; what the server says counts.
        if dir == Direction::Resp || !server_said {
            self.second = version == VERSION_2;
        }
        // Only the client says so.
        self.lossy |= flags & flag::LOSSY != 0;
    }

    /// Takes a piece when it is its turn. `false` when there is nothing more to learn.
    fn take(&mut self, cx: Cx<'_>, dir: Direction, number: u32, piece: &[u8]) -> bool {
        let step = if self.second { 1 << 16 } else { 1 };
        let Some(side) = self.sides.get_mut(dir.index()) else { return false };
        if self.lossy {
            side.sealed |= is_sealed(piece);
            side.passed += piece.len();
            self.found.push(Wrapped { session: 0, dir, bytes: piece.to_vec(), datagram: true });
            return self.goes_on();
        }
        // The numbers of version 2 begin at 1 (MS-RDPEUDP2, section 2.2.1.2.7).
        let first = if self.second { step } else { side.opening.map_or(number, |n| n.wrapping_add(1)) };
        let next = side.next.unwrap_or(first);
        let ahead = number.wrapping_sub(next).cast_signed();
        side.next = Some(next);
        if ahead < 0 {
            return true;
        }
        if ahead > 0 {
            if side.waiting.len() >= limits::RDPUDP_WAITING_MAX {
                // What is missing does not come any more.
                cx.limit_hit();
                return false;
            }
            if side.waiting.iter().all(|(n, _)| *n != number) {
                side.waiting.push((number, piece.to_vec()));
            }
            return true;
        }
        let mut next = next;
        let mut piece = piece.to_vec();
        loop {
            side.sealed |= is_sealed(&piece);
            side.passed += piece.len();
            self.found.push(Wrapped { session: 0, dir, bytes: piece, datagram: false });
            next = next.wrapping_add(step);
            let Some(at) = side.waiting.iter().position(|(n, _)| *n == next) else { break };
            piece = side.waiting.swap_remove(at).1;
        }
        side.next = Some(next);
        self.goes_on()
    }

    /// Whether the handshake may still be under way.
    fn goes_on(&self) -> bool {
        let sealed = self.sides.iter().all(|s| s.sealed);
        !sealed && self.sides.iter().all(|s| s.passed <= limits::WRAPPED_BYTES_MAX)
    }

    /// TLS that was found since the last call.
    pub(super) fn take_wrapped(&mut self) -> Vec<Wrapped> {
        std::mem::take(&mut self.found)
    }

    /// Bytes of memory outside of itself.
    pub(super) fn heap(&self) -> usize {
        self.sides.iter().flat_map(|s| &s.waiting).map(|(_, bytes)| bytes.len() + size_of::<(u32, Vec<u8>)>()).sum()
    }
}

/// The number and the bytes of a piece of version 1; `None` where the datagram has none.
fn first(bytes: &[u8]) -> Result<Option<(u32, &[u8])>, ReadError> {
    let mut r = Reader::new(bytes);
    r.skip("acknowledged, window", 6)?;
    let flags = r.be16("flags")?;
    if flags & flag::DATA == 0 || flags & (flag::REPAIR | flag::SYN) != 0 {
        return Ok(None);
    }
    if flags & flag::ACK != 0 {
        let size = usize::from(r.be16("size of vector")?);
        r.skip("vector", (size + 2).next_multiple_of(4) - 2)?;
    }
    if flags & flag::ACK_OF_ACKS != 0 {
        r.skip("acknowledged acknowledgements", 4)?;
    }
    r.skip("coded", 4)?;
    let number = r.be32("sequence")?;
    Ok(Some((number, r.rest())))
}

/// The same of version 2 (MS-RDPEUDP2, section 2.2.1).
fn second(bytes: &[u8]) -> Result<Option<(u32, &[u8])>, ReadError> {
    let mut front: [u8; 8] = Reader::new(bytes).array("front")?;
    front.swap(0, 7);
    let byte = |at: usize| match front.get(at).or_else(|| bytes.get(at)) {
        Some(byte) => Ok(*byte),
        None => Reader::new(&[]).u8("payloads of version 2"),
    };
    let [prefix, low, high, ..] = front;
    let flags = u16::from_le_bytes([low, high]) & 0x0fff;
    if prefix >> 1 & 0x0f != 0 || flags & flag2::DATA == 0 {
        return Ok(None);
    }
    let mut at = 3;
    if flags & flag2::ACK != 0 {
        at += 7 + usize::from(byte(at + 6)? & 0x0f);
    }
    for (bit, len) in [(flag2::OVERHEAD, 1), (flag2::DELAY, 3), (flag2::ACK_OF_ACKS, 2)] {
        at += if flags & bit != 0 { len } else { 0 };
    }
    // Number of the datagram, which is a new one when the piece is sent again.
    at += 2;
    if flags & flag2::ACK_VECTOR != 0 {
        let size = byte(at + 2)?;
        at += 3 + usize::from(size & 0x7f) + if size & 0x80 != 0 { 4 } else { 0 };
    }
    let number = u16::from_le_bytes([byte(at)?, byte(at + 1)?]);
    // A piece that begins among the first eight bytes is too short to tell anything.
    Ok(bytes.get((at + 2).max(8)..).map(|piece| (u32::from(number) << 16, piece)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::proto::testing::flow;

    /// The datagram that opens a connection, with a version where it names one.
    fn opening(acknowledged: u32, flags: u16, sequence: u32, version: Option<u16>) -> Vec<u8> {
        let mut out = acknowledged.to_be_bytes().to_vec();
        out.extend([0, 64]);
        out.extend((flags | if version.is_some() { flag::VERSION } else { 0 }).to_be_bytes());
        out.extend(sequence.to_be_bytes());
        out.extend([4, 0xd0, 4, 0xd0]);
        if flags & flag::CORRELATION != 0 {
            out.extend([7; 32]);
        }
        if let Some(version) = version {
            out.extend([0, 1]);
            out.extend(version.to_be_bytes());
        }
        out.resize(1232, 0);
        out
    }

    fn play(datagrams: &[(Direction, Vec<u8>)]) -> (Vec<(bool, Vec<u8>)>, u64, Progress) {
        let (view, limited) = (flow(), LimitCount::default());
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &view, limited: &limited };
        let (mut parser, mut out, mut progress) = (RdpUdp::default(), Vec::new(), Progress::Done);
        for (dir, datagram) in datagrams {
            progress = parser.datagram(cx, *dir, datagram);
            out.extend(parser.take_wrapped().into_iter().map(|w| (w.datagram, w.bytes)));
        }
        (out, limited.take(), progress)
    }

    /// A piece of version 1: two of its own acknowledged, one byte of vector.
    fn piece(number: u32, tls: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, 0, 9, 0, 64, 0, 0x0c, 0, 1, 0, 0];
        out.extend(number.to_be_bytes());
        out.extend(number.to_be_bytes());
        out.extend(tls);
        out
    }

    #[test]
    fn version_1_in_order() {
        let orig = |d: Vec<u8>| (Direction::Orig, d);
        let (found, limited, progress) = play(&[
            orig(opening(u32::MAX, 0x0801, 0xffff_fffe, Some(1))),
            (Direction::Resp, opening(0xffff_fffe, 5, 7, Some(1))),
            orig(piece(0, b"cd")),
            orig(piece(0xffff_ffff, b"ab")),
            orig(piece(0xffff_ffff, b"ab")),
            orig(piece(1, b"\x17\x03\x03")),
        ]);
        let texts: Vec<&[u8]> = found.iter().map(|f| f.1.as_slice()).collect();
        assert_eq!(texts, [&b"ab"[..], b"cd", b"\x17\x03\x03"]);
        assert_eq!((limited, progress), (0, Progress::Done));
    }

    #[test]
    fn an_opening_that_comes_again_changes_nothing() {
        let orig = |d: Vec<u8>| (Direction::Orig, d);
        let offer = orig(opening(u32::MAX, 0x0801, 4, Some(0x0101)));
        let (found, ..) = play(&[
            offer.clone(),
            (Direction::Resp, opening(4, 5, 7, Some(2))),
            offer.clone(),
            orig(piece(6, b"cd")),
            offer,
            orig(piece(5, b"ab")),
        ]);
        let texts: Vec<&[u8]> = found.iter().map(|f| f.1.as_slice()).collect();
        assert_eq!(texts, [&b"ab"[..], b"cd"], "version 1, as the server chose");
    }

    #[test]
    fn version_2_as_windows_sends_it() {
        // The first bytes and the record's head of a ClientHello, sent twice: the second time without DelayAckInfo.
        let once = [0, 0x14, 0xc1, 1, 0xf4, 1, 0x64, 0xe0, 0x64, 0, 1, 0, 22, 3, 2, 0, 0x80];
        let again = [1, 0x14, 0xc0, 0x66, 0, 0x66, 0, 0xe0, 0, 22, 3, 2, 0, 0x80];
        assert_eq!(second(&once), Ok(Some((1 << 16, &[22, 3, 2, 0, 0x80][..]))));
        // Here the first byte of the number is the one that changed places.
        assert_eq!(second(&again), Ok(Some((1 << 16, &[22, 3, 2, 0, 0x80][..]))));
        let (found, ..) = play(&[
            (Direction::Orig, opening(u32::MAX, 0x0801, 5, Some(0x0101))),
            (Direction::Resp, opening(5, 5, 7, Some(0x0101))),
            (Direction::Orig, once.to_vec()),
            (Direction::Orig, again.to_vec()),
        ]);
        assert_eq!(found, [(false, vec![22, 3, 2, 0, 0x80])]);
        // Only acknowledgements, and padding.
        assert_eq!(second(&[0, 0x01, 0, 1, 2, 3, 4, 0xe0, 9, 9]), Ok(None));
        assert_eq!(second(&[0, 0x14, 0xc0, 0x66, 0, 0x66, 0, 0xf0, 1, 0, 22, 3, 2]), Ok(None));
    }

    #[test]
    fn what_may_be_lost_is_dtls() {
        let (found, ..) = play(&[
            (Direction::Orig, opening(u32::MAX, 0x0a01, 5, Some(2))),
            (Direction::Orig, piece(9, b"\x16\xfe\xff\0")),
        ]);
        assert_eq!(found, [(true, b"\x16\xfe\xff\0".to_vec())]);
    }

    #[test]
    fn it_ends_with_the_handshake_and_grows_with_nothing() {
        let sealed = |dir| (dir, piece(6, b"\x17\x03\x03\0\x10"));
        let open = [(Direction::Orig, opening(u32::MAX, 1, 5, None)), (Direction::Resp, opening(5, 5, 5, None))];
        let both = [&open[..], &[sealed(Direction::Orig), sealed(Direction::Resp)]].concat();
        assert_eq!(play(&both).2, Progress::Finished);
        let forged: Vec<_> = (0..200).map(|n| (Direction::Orig, piece(9 + 2 * n, &[1; 100]))).collect();
        let (found, limited, progress) = play(&[&open[..], &forged[..65]].concat());
        assert_eq!((found.len(), limited, progress), (0, 1, Progress::Finished));
        for cut in 0..40 {
            let _ = (first(piece(1, b"x").get(..cut).unwrap_or_default()), second(&vec![0xff; cut]));
        }
    }
}

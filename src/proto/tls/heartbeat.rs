//! Heartbeats in clear (RFC 6520, section 4), of which only those are of interest that claim more than
//! the record has room for.
//!
//! ```text
//! message: type(1) length(2) payload padding            type 1 request, 2 response
//! ```

use super::facts::{Handshake, Heartbeat};
use crate::base::Reader;
use crate::proto::api::Direction;

/// Bytes of a message that are looked at.
pub const HEADER: usize = 3;
/// Least bytes of padding: with a payload that leaves less, the message has to be discarded.
const PADDING_MIN: u16 = 16;

/// Takes a record of `len` bytes that begins with `front`. The first request that claims more than the
/// record has room for stays; what the other side sends behind it is counted.
pub fn record(h: &mut Handshake, dir: Direction, front: &[u8], len: usize) {
    if let Some(asked) = &mut h.heartbeat {
        if asked.sender != dir {
            asked.answered += len as u64;
        }
        return;
    }
    let mut r = Reader::new(front);
    let (Ok(1), Ok(claimed)) = (r.u8("heartbeat type"), r.be16("payload length")) else { return };
    let carried = u16::try_from(len.saturating_sub(HEADER)).unwrap_or(u16::MAX);
    if claimed > carried.saturating_sub(PADDING_MIN) {
        h.heartbeat = Some(Heartbeat { sender: dir, claimed, carried, answered: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn after(records: &[(Direction, &[u8], usize)]) -> Option<Heartbeat> {
        let mut h = Handshake::new(Timestamp(1), 1, "tcp", Direction::Orig);
        for (dir, front, len) in records {
            record(&mut h, *dir, front, *len);
        }
        h.heartbeat
    }

    #[test]
    fn a_claim_that_the_record_does_not_bear_out() {
        use Direction::{Orig, Resp};
        let asked = (Orig, &[1, 0x40, 0][..], 3);
        let want = Heartbeat { sender: Orig, claimed: 0x4000, carried: 0, answered: 0 };
        assert_eq!(after(&[asked]), Some(want));
        let leak = after(&[asked, (Resp, &[2, 0x40, 0], 0x4000), (Resp, &[1, 2, 3], 19)]);
        assert_eq!(leak, Some(Heartbeat { answered: 0x4013, ..want }));
        assert_eq!(after(&[asked, asked]), Some(want), "the first counts");
        // As careful scanners ask: no byte too many, but no padding either.
        let careful = after(&[(Orig, &[1, 0x3f, 0xed], 16_368)]);
        assert_eq!(careful.map(|h| (h.claimed, h.carried)), Some((16_365, 16_365)));
    }

    #[test]
    fn sound_heartbeats_and_rubbish_are_not() {
        use Direction::Orig;
        // 16 bytes of payload and as many of padding.
        assert_eq!(after(&[(Orig, &[1, 0, 16], 35)]), None);
        assert_eq!(after(&[(Orig, &[1, 0, 0], 19)]), None, "nothing but padding");
        assert_eq!(after(&[(Orig, &[2, 0xff, 0xff], 3)]), None, "a response asks for nothing");
        for short in [&[][..], &[1], &[1, 2]] {
            assert_eq!(after(&[(Orig, short, short.len())]), None);
        }
    }
}

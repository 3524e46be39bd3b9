//! Putting CRYPTO frames together (RFC 9000, section 19.6): pieces of one stream of handshake messages,
//! in any order, with gaps, overlaps and repetitions.

use crate::base::{Reader, limits};

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// There is more than before.
    New,
    /// All of it was there.
    Known,
    /// It lies too far ahead, or there are too many gaps already: not kept.
    TooMuch,
}

/// The handshake messages of one side.
#[derive(Debug, Default)]
pub struct Assembly {
    /// Bytes from offset 0; what is not there yet is zero.
    bytes: Vec<u8>,
    /// What is there: start and end of each part, in order, none of them touching the next.
    parts: Vec<(usize, usize)>,
    /// Bytes of messages that were read.
    read: usize,
}

impl Assembly {
    /// Adds a piece. Where it says something else than what came before, the first one counts.
    pub fn add(&mut self, offset: u64, piece: &[u8]) -> Added {
        let Some((from, to)) = usize::try_from(offset)
            .ok()
            .and_then(|from| Some((from, from.checked_add(piece.len())?)))
            .filter(|(_, to)| *to <= limits::QUIC_CRYPTO_BYTES_MAX)
        else {
            return Added::TooMuch;
        };
        if piece.is_empty() {
            return Added::Known;
        }
        // The parts that it touches.
        let first = self.parts.partition_point(|(_, end)| *end < from);
        let touched = self.parts.iter().skip(first).take_while(|(start, _)| *start <= to).count();
        if touched == 0 && self.parts.len() >= limits::QUIC_CRYPTO_PARTS_MAX {
            return Added::TooMuch;
        }
        if self.bytes.len() < to {
            self.bytes.resize(to, 0);
        }
        let (mut low, mut high, mut at) = (from, to, from);
        let mut added = false;
        for i in first..first + touched {
            let Some(&(start, end)) = self.parts.get(i) else { break };
            if at < start {
                added |= self.copy(from, piece, at, start);
            }
            at = at.max(end);
            (low, high) = (low.min(start), high.max(end));
        }
        if at < to {
            added |= self.copy(from, piece, at, to);
        }
        self.parts.splice(first..first + touched, [(low, high)]);
        if added { Added::New } else { Added::Known }
    }

    /// Copies the part `at..end` of a piece that begins at `from`.
    fn copy(&mut self, from: usize, piece: &[u8], at: usize, end: usize) -> bool {
        let source = piece.get(at - from..end - from);
        let (Some(source), Some(target)) = (source, self.bytes.get_mut(at..end)) else { return false };
        target.copy_from_slice(source);
        true
    }

    /// What is there from the beginning on without a gap, without messages that were read.
    fn ahead(&self) -> &[u8] {
        let end = self.parts.first().filter(|(start, _)| *start == 0).map_or(0, |(_, end)| *end);
        self.bytes.get(self.read..end).unwrap_or_default()
    }

    /// The next message of TLS, where all of it is there: type and body (RFC 8446, section 4).
    pub fn next_message(&mut self) -> Option<(u8, &[u8])> {
        let mut r = Reader::new(self.ahead());
        let (ty, len) = (r.u8("message type").ok()?, r.be24("message length").ok()?);
        let len = usize::try_from(len).ok()?;
        r.skip("message", len).ok()?;
        let start = self.read + 4;
        self.read = start + len;
        Some((ty, self.bytes.get(start..start + len)?))
    }

    /// All that is there from the beginning on.
    pub fn contiguous(&self) -> &[u8] {
        self.ahead()
    }

    /// Bytes of memory that it takes.
    pub const fn heap(&self) -> usize {
        self.bytes.capacity() + self.parts.capacity() * size_of::<(usize, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three messages of 300, 0 and 5 bytes.
    fn stream() -> Vec<u8> {
        let body: Vec<u8> = (0..300_u16).map(|i| i as u8 ^ 0x5a).collect();
        [&[1, 0, 1, 44][..], &body, &[2, 0, 0, 0], &[8, 0, 0, 5, 1, 2, 3, 4, 5]].concat()
    }

    fn messages(assembly: &mut Assembly) -> Vec<(u8, Vec<u8>)> {
        std::iter::from_fn(|| assembly.next_message().map(|(ty, body)| (ty, body.to_vec()))).collect()
    }

    #[test]
    fn a_gap_is_filled_and_the_first_bytes_count() {
        let mut a = Assembly::default();
        assert_eq!(a.add(4, b"wxyz"), Added::New);
        assert_eq!(a.next_message(), None);
        assert_eq!(a.add(4, b"wx"), Added::Known);
        assert_eq!(a.add(0, &[1, 0, 0, 4, b'?', b'?', b'?', b'?', 2]), Added::New);
        assert_eq!(a.next_message(), Some((1, &b"wxyz"[..])));
        assert_eq!(a.contiguous(), [2]);
        assert_eq!(a.add(0, &[9; 9]), Added::Known);
        assert_eq!(a.add(3, &[]), Added::Known);
    }

    #[test]
    fn what_lies_too_far_ahead_is_not_kept() {
        let mut a = Assembly::default();
        for offset in [u64::MAX, 1 << 62, limits::QUIC_CRYPTO_BYTES_MAX as u64] {
            assert_eq!(a.add(offset, b"x"), Added::TooMuch);
        }
        assert_eq!(a.heap(), 0);
        for i in 0..limits::QUIC_CRYPTO_PARTS_MAX as u64 {
            assert_eq!(a.add(2 * i, b"x"), Added::New);
        }
        assert_eq!(a.add(20_000, b"x"), Added::TooMuch, "too many gaps");
        assert_eq!(a.add(1, b"y"), Added::New, "one that closes a gap is welcome");
        assert_eq!(a.add(20_000, b"x"), Added::New);
    }

    proptest! {
        #[test]
        fn any_order_of_any_pieces_gives_the_same_messages(
            cuts in prop::collection::vec((0_usize..330, 1_usize..80), 0..40),
            order in any::<u64>(),
        ) {
            let whole = stream();
            // Random pieces that may overlap, and pieces of 50 that cover all.
            let mut pieces: Vec<(usize, &[u8])> = whole.chunks(50).enumerate().map(|(i, p)| (i * 50, p)).collect();
            for (at, len) in cuts {
                if let Some(rest) = whole.get(at..) {
                    pieces.push((at, &rest[..len.min(rest.len())]));
                }
            }
            pieces.sort_by_key(|(at, piece)| crate::base::hash::mix(order, (at * 1000 + piece.len()) as u64));
            let mut a = Assembly::default();
            let mut got = Vec::new();
            for (at, piece) in pieces {
                prop_assert_ne!(a.add(at as u64, piece), Added::TooMuch);
                got.extend(messages(&mut a));
            }
            let mut b = Assembly::default();
            b.add(0, &whole);
            prop_assert_eq!(&got, &messages(&mut b));
            prop_assert_eq!(got.len(), 3);
        }
    }
}

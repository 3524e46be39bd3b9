//! Which sequence numbers of one direction were seen: gaps, retransmissions, out-of-order bytes.

use crate::base::limits;

/// A distance between sequence numbers beyond which a segment cannot belong to the window
/// (RFC 7323, section 2.3: windows stay below 2^30).
const WINDOW_MAX: i32 = 1 << 30;

/// What a segment was to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// The next bytes, or no bytes at all.
    InOrder,
    /// Behind a hole that it opened.
    AfterHole,
    /// At least partly into a hole: it came late.
    Filled,
    /// Nothing new: all of it was seen before.
    Retransmitted,
    /// A probe of one old byte or none: keeps the connection alive, carries nothing.
    KeepAlive,
    /// Far outside any window: not counted to the stream.
    OutOfWindow,
}

/// Sequence space that has not been seen yet, as half-open ranges in order.
#[derive(Debug, Default)]
struct Holes {
    ranges: Vec<(u32, u32)>,
    /// Bytes of holes that were closed for good because the list was full.
    forgotten: u64,
}

/// Follows the sequence numbers of one direction of a TCP flow.
#[derive(Debug, Default)]
pub struct SeqTracker {
    /// The sequence number after the last byte seen.
    next: u32,
    /// The sequence number of the first byte after the SYN, or of the first one seen.
    base: u32,
    started: bool,
    holes: Option<Box<Holes>>,
}

impl SeqTracker {
    /// Takes note of a segment of `len` sequence numbers (SYN and FIN count for one each).
    #[inline]
    pub fn push(&mut self, seq: u32, len: u32) -> Segment {
        if !self.started {
            self.started = true;
            self.base = seq;
            self.next = seq.wrapping_add(len);
            return Segment::InOrder;
        }
        if seq == self.next {
            self.next = seq.wrapping_add(len);
            return Segment::InOrder;
        }
        self.push_other(seq, len)
    }

    #[cold]
    fn push_other(&mut self, seq: u32, len: u32) -> Segment {
        let ahead = seq.wrapping_sub(self.next) as i32;
        let end = seq.wrapping_add(len);
        if !(-WINDOW_MAX..=WINDOW_MAX).contains(&ahead) {
            return Segment::OutOfWindow;
        }
        if ahead > 0 {
            if len == 0 {
                // A bare acknowledgement may run ahead of lost data; the data itself will tell.
                return Segment::InOrder;
            }
            let holes = self.holes.get_or_insert_default();
            if holes.ranges.len() >= limits::STREAM_HOLES_MAX {
                let (from, to) = holes.ranges.remove(0);
                holes.forgotten += u64::from(to.wrapping_sub(from));
            }
            holes.ranges.push((self.next, seq));
            self.next = end;
            return Segment::AfterHole;
        }
        if len <= 1 && ahead == -1 {
            return Segment::KeepAlive;
        }
        if len == 0 {
            return Segment::InOrder;
        }
        let filled = self.fill(seq, end);
        let beyond = end.wrapping_sub(self.next) as i32;
        if beyond > 0 {
            self.next = end;
            return Segment::InOrder;
        }
        if filled { Segment::Filled } else { Segment::Retransmitted }
    }

    /// Takes a range out of the holes; true where it was part of one.
    fn fill(&mut self, from: u32, to: u32) -> bool {
        let Some(holes) = &mut self.holes else { return false };
        let before = |a: u32, b: u32| (a.wrapping_sub(b) as i32) < 0;
        let mut filled = false;
        let mut kept = Vec::with_capacity(holes.ranges.len() + 1);
        for &(start, end) in &holes.ranges {
            if !before(from, end) || !before(start, to) {
                kept.push((start, end));
                continue;
            }
            filled = true;
            if before(start, from) {
                kept.push((start, from));
            }
            if before(to, end) {
                kept.push((to, end));
            }
        }
        for (start, end) in kept.drain(limits::STREAM_HOLES_MAX.min(kept.len())..) {
            holes.forgotten += u64::from(end.wrapping_sub(start));
        }
        holes.ranges = kept;
        if !filled && holes.forgotten > 0 {
            // Which bytes the forgotten holes were is not known: what comes late is taken for them.
            holes.forgotten = holes.forgotten.saturating_sub(u64::from(to.wrapping_sub(from)));
            return true;
        }
        filled
    }

    /// Bytes that were never seen, between ones that were.
    pub fn missed(&self) -> u64 {
        self.holes.as_ref().map_or(0, |h| {
            h.forgotten + h.ranges.iter().map(|(from, to)| u64::from(to.wrapping_sub(*from))).sum::<u64>()
        })
    }

    /// Whether a number lies so close to what was seen that the sender may be the true one.
    pub const fn near(&self, seq: u32) -> bool {
        const NEAR: i32 = 1 << 24;
        let distance = seq.wrapping_sub(self.next) as i32;
        -NEAR < distance && distance < NEAR
    }

    /// Whether any packet of this direction was seen.
    pub const fn started(&self) -> bool {
        self.started
    }

    /// The first sequence number seen; for a SYN that of the SYN itself.
    pub const fn base(&self) -> u32 {
        self.base
    }

    /// The sequence number after the last byte seen.
    pub const fn next(&self) -> u32 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_order_holes_fills_and_repeats_across_the_wrap() {
        let mut t = SeqTracker::default();
        assert_eq!(t.push(u32::MAX - 9, 10), Segment::InOrder);
        assert_eq!(t.push(0, 5), Segment::InOrder);
        assert_eq!(t.push(15, 5), Segment::AfterHole);
        assert_eq!(t.missed(), 10);
        assert_eq!(t.push(5, 4), Segment::Filled);
        assert_eq!(t.missed(), 6);
        assert_eq!(t.push(0, 5), Segment::Retransmitted);
        assert_eq!(t.push(9, 6), Segment::Filled);
        assert_eq!(t.missed(), 0);
        assert_eq!(t.push(19, 1), Segment::KeepAlive);
        assert_eq!(t.push(19, 0), Segment::KeepAlive);
        assert_eq!(t.push(20, 1), Segment::InOrder);
        assert_eq!(t.push(0x8000_0000, 1), Segment::OutOfWindow);
    }

    #[test]
    fn a_segment_into_the_middle_of_a_hole_leaves_two() {
        let mut t = SeqTracker::default();
        t.push(0, 10);
        t.push(30, 10);
        assert_eq!(t.push(15, 5), Segment::Filled);
        assert_eq!(t.missed(), 15);
        assert_eq!(t.push(10, 20), Segment::Filled);
        assert_eq!(t.missed(), 0);
    }

    #[test]
    fn more_holes_than_are_remembered_can_still_be_filled() {
        let mut t = SeqTracker::default();
        t.push(0, 10);
        for i in 0..500_u32 {
            t.push(20 + i * 20, 10);
        }
        assert_eq!(t.missed(), 5000);
        for i in 0..500_u32 {
            assert_eq!(t.push(10 + i * 20, 10), Segment::Filled);
        }
        assert_eq!(t.missed(), 0);
    }

    #[test]
    fn many_holes_stay_bounded_and_no_byte_is_forgotten() {
        let mut t = SeqTracker::default();
        t.push(0, 1);
        for i in 1..10_000_u32 {
            t.push(i * 3, 1);
        }
        assert_eq!(t.missed(), 9_999 * 2);
        assert!(t.holes.as_ref().unwrap().ranges.len() <= limits::STREAM_HOLES_MAX);
    }
}

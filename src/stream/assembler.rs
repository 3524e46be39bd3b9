//! One direction of a TCP stream in order, for a parser.
//!
//! In-order bytes go to the reader straight from the packet. Only two things are kept, both within
//! limits and within the budget of the shard: bytes that came before their turn, and what the
//! reader left unused. Of bytes that came twice the first ones count.

use std::collections::BTreeMap;

use crate::base::limits;

/// Bytes that all streams of a shard may hold together.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    used: usize,
    max: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub const fn new(max: usize) -> Self {
        Self { used: 0, max }
    }

    fn take(&mut self, bytes: usize) -> bool {
        if self.used + bytes > self.max {
            return false;
        }
        self.used += bytes;
        true
    }

    fn give(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Bytes in use.
    pub const fn used(&self) -> usize {
        self.used
    }
}

/// What a reader is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// The next bytes of the stream. After [`Taken::Some`] they begin with the unused ones.
    Bytes(&'a [u8]),
    /// So many bytes will never come.
    Gap(u64),
}

/// What the reader made of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All of it.
    All,
    /// So many bytes; the rest is wanted again when there are `needed` of it.
    Some {
        /// Bytes used.
        consumed: usize,
        /// Bytes needed from the first unused one on.
        needed: usize,
    },
    /// All of it, and the next so many bytes are not wanted at all.
    Skip(u64),
    /// Nothing more is wanted.
    Stop,
}

/// Packets after which an acknowledged hole is believed to be a loss of the capture. A mirror port
/// may deliver an acknowledgement before the segment it is for.
const PACKETS_BEFORE_GAP: u8 = 8;

/// Size from which a reader that left everything unused must wait for the unused part to grow by an
/// eighth, so that a reader that starts over each time costs linear time altogether.
const REREAD_SLACK_FROM: usize = 4096;

/// One direction of a stream.
#[derive(Default)]
pub struct StreamSide {
    started: bool,
    stopped: bool,
    /// Sequence number of the next byte in order.
    next_seq: u32,
    /// Offset of it in the stream.
    next: u64,
    /// Bytes that the reader does not want, from `next` on.
    skip: u64,
    /// Bytes before `next` that the reader left unused.
    unused: Vec<u8>,
    /// How long `unused` must be to be presented again.
    needed: usize,
    /// Bytes that came before their turn, by offset; ranges do not overlap.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    /// Highest offset that the other side acknowledged.
    acked: u64,
    packets_since_ack: u8,
    /// Bytes that were dropped because a limit or the budget was hit.
    dropped: u64,
}

impl std::fmt::Debug for StreamSide {
    /// Without the bytes, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("StreamSide");
        f.field("next", &self.next).field("skip", &self.skip).field("unused", &self.unused.len());
        f.field("early", &self.early_bytes).field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl StreamSide {
    /// Sets where the stream begins (the number after the SYN), unless bytes were seen before.
    pub fn start(&mut self, seq: u32) {
        if !self.started {
            self.started = true;
            self.next_seq = seq;
        }
    }

    /// Whether the reader wants nothing more.
    pub const fn stopped(&self) -> bool {
        self.stopped
    }

    /// Bytes that were dropped because a limit or the budget was hit; counted once.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// What the reader left unused.
    pub fn unused(&self) -> &[u8] {
        &self.unused
    }

    /// Takes note of what a reader used of the [unused](Self::unused) bytes that it was shown apart.
    pub fn apply(&mut self, taken: Taken, budget: &mut Budget) {
        let presented = self.unused.len();
        let (used, needed) = self.rest_after(taken, presented);
        if self.stopped {
            self.release(budget);
            return;
        }
        budget.give(used);
        self.unused.drain(..used);
        self.needed = Self::slack(self.unused.len(), presented, needed);
    }

    /// Gives back all memory.
    pub fn release(&mut self, budget: &mut Budget) {
        self.stopped = true;
        budget.give(self.unused.len() + self.early_bytes);
        self.unused = Vec::new();
        self.early.clear();
        self.early_bytes = 0;
    }

    /// Takes a segment. `payload` may be shorter than `wire_len` where the capture cut the packet:
    /// the rest is then a gap.
    pub fn push(
        &mut self,
        seq: u32,
        payload: &[u8],
        wire_len: usize,
        budget: &mut Budget,
        read: &mut dyn FnMut(Chunk<'_>) -> Taken,
    ) {
        if self.stopped || wire_len == 0 {
            return;
        }
        self.start(seq);
        let ahead = i64::from(seq.wrapping_sub(self.next_seq) as i32);
        if ahead == 0 {
            self.deliver(payload, budget, read);
        } else if ahead > 0 {
            let at = self.next + ahead as u64;
            if self.keep_early(at, payload, budget) {
                return;
            }
            // No room to wait for what is missing: it is given up, and nothing that came is lost.
            while !self.stopped && self.early.first_key_value().is_some_and(|(start, _)| *start <= at) {
                self.close_hole(budget, read);
            }
            self.gap_to(at, budget, read);
            let old = usize::try_from(self.next.saturating_sub(at)).unwrap_or(usize::MAX);
            if let Some(new) = payload.get(old..).filter(|b| !b.is_empty() && !self.stopped) {
                self.deliver(new, budget, read);
            }
        } else {
            // What lies before `next` was delivered already.
            let old = ahead.unsigned_abs() as usize;
            match payload.get(old..) {
                Some(new) if !new.is_empty() => self.deliver(new, budget, read),
                _ if wire_len <= old => return,
                _ => {}
            }
        }
        if payload.len() < wire_len && !self.stopped {
            let end = self.next
                + (i64::from(seq.wrapping_add(wire_len as u32).wrapping_sub(self.next_seq) as i32)).max(0) as u64;
            self.gap_to(end, budget, read);
        }
        self.drain(budget, read);
    }

    /// Takes note of what the other side acknowledged: a hole below it was delivered to it and is
    /// missing only here.
    pub fn acknowledged(&mut self, ack: u32, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        if self.stopped || !self.started {
            return;
        }
        let ahead = ack.wrapping_sub(self.next_seq) as i32;
        if ahead <= 0 {
            self.packets_since_ack = 0;
            return;
        }
        let to = self.next + ahead as u64;
        self.acked = self.acked.max(to);
        self.packets_since_ack = self.packets_since_ack.saturating_add(1);
        if self.packets_since_ack >= PACKETS_BEFORE_GAP && !self.early.is_empty() {
            self.packets_since_ack = 0;
            self.close_hole(budget, read);
        }
    }

    /// No more segments will come: presents what can still be presented, with gaps.
    pub fn finish(&mut self, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        while !self.stopped && !self.early.is_empty() {
            self.close_hole(budget, read);
        }
        if !self.stopped && !self.unused.is_empty() && self.needed > self.unused.len() {
            // The reader asked for more than there will ever be: it gets what there is, once.
            self.needed = 0;
            self.present(budget, read);
        }
    }

    /// Gives up the hole before the earliest early bytes.
    fn close_hole(&mut self, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        if let Some((&start, _)) = self.early.first_key_value() {
            self.gap_to(start, budget, read);
            self.drain(budget, read);
        }
    }

    fn gap_to(&mut self, end: u64, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        let missing = end.saturating_sub(self.next);
        if missing == 0 {
            return;
        }
        self.advance(missing);
        let skipped = missing.min(self.skip);
        self.skip -= skipped;
        if skipped == missing {
            return;
        }
        // The reader cannot use a torn message: what it left unused before the gap is presented
        // one last time, then dropped.
        if !self.unused.is_empty() {
            self.needed = 0;
            self.present(budget, read);
            budget.give(self.unused.len());
            self.unused.clear();
        }
        if !self.stopped {
            self.answer(read(Chunk::Gap(missing - skipped)), 0, budget);
        }
    }

    fn advance(&mut self, by: u64) {
        self.next += by;
        self.next_seq = self.next_seq.wrapping_add(by as u32);
    }

    /// Hands the next bytes in order to the reader.
    fn deliver(&mut self, bytes: &[u8], budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        self.advance(bytes.len() as u64);
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let bytes = bytes.get(skipped as usize..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        if self.unused.is_empty() {
            let taken = read(Chunk::Bytes(bytes));
            let (rest, needed) = self.rest_after(taken, bytes.len());
            if let Some(rest) = bytes.get(rest..).filter(|r| !r.is_empty()) {
                self.keep_unused(rest, budget, read);
                self.needed = Self::slack(rest.len(), bytes.len(), needed);
            }
            return;
        }
        self.keep_unused(bytes, budget, read);
        if !self.stopped && self.unused.len() >= self.needed {
            self.present(budget, read);
        }
    }

    /// How long the unused bytes must be before they are presented again.
    fn slack(unused: usize, presented: usize, needed: usize) -> usize {
        let least = if unused == presented && unused >= REREAD_SLACK_FROM { unused + unused / 8 } else { unused + 1 };
        needed.max(least)
    }

    /// Presents the unused bytes again, as long as the reader gets on.
    fn present(&mut self, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        let presented = self.unused.len();
        debug_assert!(presented > 0);
        let taken = read(Chunk::Bytes(&self.unused));
        self.apply(taken, budget);
        if self.unused.is_empty() && self.unused.capacity() > 16 << 10 {
            self.unused = Vec::new();
        }
    }

    /// How many of the presented bytes are used up, and how many are needed next.
    fn rest_after(&mut self, taken: Taken, presented: usize) -> (usize, usize) {
        match taken {
            Taken::All => (presented, 0),
            Taken::Some { consumed, needed } => (consumed.min(presented), needed),
            Taken::Skip(bytes) => {
                self.skip = bytes;
                (presented, 0)
            }
            Taken::Stop => {
                self.stopped = true;
                (presented, 0)
            }
        }
    }

    fn answer(&mut self, taken: Taken, presented: usize, budget: &mut Budget) {
        self.rest_after(taken, presented);
        if self.stopped {
            self.release(budget);
        }
    }

    fn keep_unused(&mut self, bytes: &[u8], budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        if self.unused.len() + bytes.len() > limits::STREAM_BYTES_MAX || !budget.take(bytes.len()) {
            // More than a parser may leave lying: the message is lost, and the reader learns it.
            let lost = (self.unused.len() + bytes.len()) as u64;
            self.dropped += lost;
            budget.give(self.unused.len());
            self.unused = Vec::new();
            self.answer(read(Chunk::Gap(lost)), 0, budget);
            return;
        }
        self.unused.extend_from_slice(bytes);
    }

    /// Keeps bytes that came before their turn, where nothing lies there yet. False where there is no
    /// room for them.
    fn keep_early(&mut self, mut at: u64, mut bytes: &[u8], budget: &mut Budget) -> bool {
        // What an earlier segment covers from the front.
        if let Some((&start, held)) = self.early.range(..=at).next_back() {
            let covered = (start + held.len() as u64).saturating_sub(at);
            bytes = bytes.get(usize::try_from(covered).unwrap_or(usize::MAX)..).unwrap_or_default();
            at += covered;
        }
        while !bytes.is_empty() {
            let next = self.early.range(at..).next().map(|(&start, held)| (start, held.len()));
            let free = next.map_or(u64::MAX, |(start, _)| start - at);
            let len = bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX));
            let (now, later) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            if !now.is_empty() {
                let fits = self.early.len() < limits::STREAM_SEGMENTS_MAX
                    && self.early_bytes + now.len() <= limits::STREAM_BYTES_MAX;
                if !fits || !budget.take(now.len()) {
                    return false;
                }
                self.early_bytes += now.len();
                self.early.insert(at, now.to_vec());
            }
            let Some((start, held)) = next.filter(|_| !later.is_empty()) else { return true };
            let past = (start + held as u64 - at) as usize;
            bytes = bytes.get(past..).unwrap_or_default();
            at = start + held as u64;
        }
        true
    }

    /// Delivers early bytes whose turn has come; closes the first hole where a limit is near.
    fn drain(&mut self, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        while !self.stopped {
            let Some(entry) = self.early.first_entry() else { break };
            let start = *entry.key();
            if start > self.next {
                break;
            }
            let bytes = entry.remove();
            self.early_bytes -= bytes.len();
            budget.give(bytes.len());
            let old = (self.next - start) as usize;
            if let Some(new) = bytes.get(old..).filter(|b| !b.is_empty()) {
                self.deliver(new, budget, read);
            }
        }
        if self.stopped {
            self.release(budget);
        }
    }

    /// Whether the early bytes have reached a limit, so that the hole before them must be given up.
    pub fn crowded(&self) -> bool {
        self.early_bytes >= limits::STREAM_BYTES_MAX / 2 || self.early.len() >= limits::STREAM_SEGMENTS_MAX / 2
    }

    /// Gives up the first hole where the early bytes are [crowded](Self::crowded).
    pub fn relieve(&mut self, budget: &mut Budget, read: &mut dyn FnMut(Chunk<'_>) -> Taken) {
        if !self.stopped && self.crowded() {
            self.close_hole(budget, read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads everything and notes gaps as `?`.
    fn collect(out: &mut Vec<u8>) -> impl FnMut(Chunk<'_>) -> Taken + '_ {
        |chunk| {
            match chunk {
                Chunk::Bytes(b) => out.extend_from_slice(b),
                Chunk::Gap(n) => out.extend(std::iter::repeat_n(b'?', n as usize)),
            }
            Taken::All
        }
    }

    fn push(s: &mut StreamSide, b: &mut Budget, seq: u32, bytes: &[u8], out: &mut Vec<u8>) {
        s.push(seq, bytes, bytes.len(), b, &mut collect(out));
    }

    #[test]
    fn reordered_and_overlapping_segments_come_out_in_order_and_first_bytes_win() {
        let (mut s, mut b, mut out) = (StreamSide::default(), Budget::new(1000), Vec::new());
        s.start(u32::MAX - 1);
        push(&mut s, &mut b, 3, b"fgh", &mut out);
        push(&mut s, &mut b, 1, b"dXXXij", &mut out);
        push(&mut s, &mut b, u32::MAX - 1, b"abcX", &mut out);
        assert_eq!(out, b"abcXXfghj");
        assert_eq!(b.used(), 0);
    }

    #[test]
    fn a_hole_that_was_acknowledged_becomes_a_gap_after_some_packets() {
        let (mut s, mut b, mut out) = (StreamSide::default(), Budget::new(1000), Vec::new());
        push(&mut s, &mut b, 0, b"ab", &mut out);
        push(&mut s, &mut b, 4, b"ef", &mut out);
        for _ in 0..PACKETS_BEFORE_GAP - 1 {
            s.acknowledged(6, &mut b, &mut collect(&mut out));
        }
        assert_eq!(out, b"ab");
        s.acknowledged(6, &mut b, &mut collect(&mut out));
        assert_eq!(out, b"ab??ef");
    }

    #[test]
    fn unused_bytes_come_again_when_there_are_enough() {
        let (mut s, mut b) = (StreamSide::default(), Budget::new(1000));
        let mut seen = Vec::new();
        let mut read = |c: Chunk<'_>| {
            let Chunk::Bytes(bytes) = c else { panic!("no gap here") };
            seen.push(bytes.to_vec());
            if bytes.len() < 4 { Taken::Some { consumed: 0, needed: 4 } } else { Taken::All }
        };
        for (i, byte) in b"abcdef".iter().enumerate() {
            s.push(i as u32, &[*byte], 1, &mut b, &mut read);
        }
        s.finish(&mut b, &mut read);
        assert_eq!(seen, [b"a".to_vec(), b"abcd".to_vec(), b"e".to_vec(), b"ef".to_vec()]);
    }

    #[test]
    fn skipped_bytes_are_never_shown_even_across_a_gap() {
        let (mut s, mut b, mut out) = (StreamSide::default(), Budget::new(1000), Vec::new());
        let mut first = true;
        let mut read = |c: Chunk<'_>| {
            match c {
                Chunk::Bytes(x) => out.extend_from_slice(x),
                Chunk::Gap(_) => out.push(b'?'),
            }
            if std::mem::take(&mut first) { Taken::Skip(6) } else { Taken::All }
        };
        s.push(0, b"ab", 2, &mut b, &mut read);
        s.push(2, b"..", 2, &mut b, &mut read);
        s.push(6, b"..cd", 4, &mut b, &mut read);
        s.finish(&mut b, &mut read);
        assert_eq!(out, b"abcd");
    }

    #[test]
    fn a_packet_cut_by_the_snap_length_leaves_a_gap() {
        let (mut s, mut b, mut out) = (StreamSide::default(), Budget::new(1000), Vec::new());
        s.push(0, b"ab", 5, &mut b, &mut collect(&mut out));
        s.push(5, b"fg", 2, &mut b, &mut collect(&mut out));
        assert_eq!(out, b"ab???fg");
    }

    #[test]
    fn a_reader_that_never_gets_on_costs_linear_time_and_bounded_memory() {
        let (mut s, mut b) = (StreamSide::default(), Budget::new(usize::MAX));
        let (mut read_bytes, mut gaps) = (0_u64, 0);
        let total = 3 * limits::STREAM_BYTES_MAX as u64;
        for i in 0..total / 64 {
            s.push((i * 64) as u32, &[0; 64], 64, &mut b, &mut |c| {
                match c {
                    Chunk::Bytes(x) => read_bytes += x.len() as u64,
                    Chunk::Gap(_) => gaps += 1,
                }
                Taken::Some { consumed: 0, needed: 0 }
            });
        }
        assert!(read_bytes < 16 * total, "{read_bytes} bytes read for {total}");
        assert!(gaps >= 2 && s.take_dropped() >= total - 2 * limits::STREAM_BYTES_MAX as u64);
    }

    #[test]
    fn without_room_the_hole_is_given_up_and_nothing_that_came_is_lost() {
        let (mut s, mut b, mut out) = (StreamSide::default(), Budget::new(10), Vec::new());
        push(&mut s, &mut b, 0, b"a", &mut out);
        push(&mut s, &mut b, 2, b"0123456789", &mut out);
        assert_eq!(out, b"a");
        push(&mut s, &mut b, 14, b"xy", &mut out);
        assert_eq!(out, b"a?0123456789??xy");
        assert_eq!((s.take_dropped(), b.used()), (0, 0));
    }

    proptest! {
        #[test]
        fn any_order_overlap_and_split_gives_the_stream(
            stream in proptest::collection::vec(any::<u8>(), 1..600),
            isn in any::<u32>(),
            cuts in proptest::collection::vec((0usize..600, 1usize..80), 0..60),
            order in any::<u64>(),
            greedy in any::<bool>(),
        ) {
            // Segments that cover everything, plus arbitrary repeats and overlaps, shuffled.
            let mut segments: Vec<(usize, usize)> = (0..stream.len()).step_by(37).map(|i| (i, (i + 37).min(stream.len()))).collect();
            segments.extend(cuts.iter().map(|&(at, len)| (at.min(stream.len() - 1), (at + len).min(stream.len()))).filter(|(a, b)| a < b));
            let mut state = order | 1;
            for i in (1..segments.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                segments.swap(i, (state >> 33) as usize % (i + 1));
            }
            let (mut s, mut b) = (StreamSide::default(), Budget::new(1 << 20));
            let mut out = Vec::new();
            s.start(isn);
            let mut read = |c: Chunk<'_>| match c {
                Chunk::Bytes(x) if greedy => { out.extend_from_slice(x); Taken::All }
                Chunk::Bytes(x) => {
                    // Takes three bytes at a time and leaves the rest.
                    let n = x.len() / 3 * 3;
                    out.extend_from_slice(&x[..n]);
                    Taken::Some { consumed: n, needed: 3 }
                }
                Chunk::Gap(_) => Taken::Stop,
            };
            for (from, to) in segments {
                s.push(isn.wrapping_add(from as u32), &stream[from..to], to - from, &mut b, &mut read);
            }
            s.finish(&mut b, &mut read);
            out.extend_from_slice(s.unused());
            // A reader that left a rest sees it again at the end without using it.
            prop_assert_eq!(&out, &stream);
            s.release(&mut b);
            prop_assert_eq!(b.used(), 0);
        }
    }
}

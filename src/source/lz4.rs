//! The LZ4 frame format (lz4_Frame_format.md, version 1.6.4) over the block decoder of `lz4_flex`.
//!
//! The frame reader of that crate takes a frame that ends where a block should begin for a complete
//! one, so a cut file would look whole; here a frame is complete at its end mark only.

use super::codec::{State, Step};

/// The largest block that the format allows.
const BLOCK_BYTES_MAX: usize = 4 << 20;
/// How far back a match may reach into earlier blocks.
const WINDOW_BYTES: usize = 64 << 10;
/// The frame's magic number.
const MAGIC: u32 = 0x184d_2204;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// Magic number, flags and block descriptor.
    Start,
    /// The rest of the header, which the flags give the length of.
    Header,
    /// The length word of a block.
    BlockLength,
    /// A block of this many bytes, and whether it is compressed.
    Block { len: usize, compressed: bool },
    /// The checksum of the whole content.
    ContentSum,
    /// Nothing: the frame is complete.
    Done,
}

/// One frame in the making.
pub(super) struct Lz4Frame {
    expect: Expect,
    /// Collected input of the part that is expected.
    part: Vec<u8>,
    want: usize,
    flags: u8,
    block_max: usize,
    content_size: Option<u64>,
    content: u64,
    /// Decompressed bytes and how many of them were handed out.
    block: Vec<u8>,
    given: usize,
    window: Vec<u8>,
    sum: Xxh32,
}

impl Lz4Frame {
    pub(super) fn new() -> Self {
        Self {
            expect: Expect::Start,
            part: Vec::new(),
            want: 6,
            flags: 0,
            block_max: 0,
            content_size: None,
            content: 0,
            block: Vec::new(),
            given: 0,
            window: Vec::new(),
            sum: Xxh32::new(),
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let (mut used, mut made) = (0, 0);
        loop {
            let ready = self.block.get(self.given..).unwrap_or_default();
            let room = output.get_mut(made..).unwrap_or_default();
            let len = ready.len().min(room.len());
            for (to, from) in room.iter_mut().zip(ready) {
                *to = *from;
            }
            self.given += len;
            made += len;
            if self.given < self.block.len() {
                return Step { used, made, state: State::Going };
            }
            if self.expect == Expect::Done {
                return Step { used, made, state: State::MemberEnd };
            }
            let rest = input.get(used..).unwrap_or_default();
            let take = rest.len().min(self.want.saturating_sub(self.part.len()));
            self.part.extend_from_slice(rest.get(..take).unwrap_or_default());
            used += take;
            if self.part.len() < self.want {
                return Step { used, made, state: State::Going };
            }
            if let Err(fault) = self.take_part() {
                return Step { used, made, state: State::Fault(fault.to_owned()) };
            }
        }
    }

    fn next(&mut self, expect: Expect, want: usize) {
        self.part.clear();
        self.expect = expect;
        self.want = want;
    }

    fn word(&self, at: usize) -> u32 {
        self.part.get(at..).and_then(|p| p.first_chunk()).map_or(0, |w| u32::from_le_bytes(*w))
    }

    /// Deals with a part that is completely there.
    fn take_part(&mut self) -> Result<(), &'static str> {
        match self.expect {
            Expect::Start => {
                if self.word(0) != MAGIC {
                    return Err("not an lz4 frame");
                }
                let (flags, descriptor) = match self.part.get(4..6) {
                    Some(&[flags, descriptor]) => (flags, descriptor),
                    _ => return Err("lz4 header too short"),
                };
                if flags >> 6 != 1 {
                    return Err("unknown version of the lz4 frame format");
                }
                if flags & 1 != 0 {
                    return Err("lz4 frame that needs a dictionary");
                }
                self.block_max = match descriptor >> 4 & 7 {
                    4 => 64 << 10,
                    5 => 256 << 10,
                    6 => 1 << 20,
                    7 => BLOCK_BYTES_MAX,
                    _ => return Err("lz4 block size not allowed"),
                };
                self.flags = flags;
                self.expect = Expect::Header;
                // The whole header stays in `part`, because its checksum covers it.
                self.want = if flags & 8 != 0 { 15 } else { 7 };
            }
            Expect::Header => {
                let described = self.part.get(4..self.want - 1).unwrap_or_default();
                if self.part.last().copied() != Some((Xxh32::of(described) >> 8) as u8) {
                    return Err("lz4 header checksum does not match");
                }
                if self.flags & 8 != 0 {
                    self.content_size = Some(u64::from(self.word(6)) | u64::from(self.word(10)) << 32);
                }
                self.next(Expect::BlockLength, 4);
            }
            Expect::BlockLength => {
                let word = self.word(0);
                let len = (word & 0x7fff_ffff) as usize;
                if word == 0 {
                    if self.content_size.is_some_and(|size| size != self.content) {
                        return Err("lz4 content is not as long as the header says");
                    }
                    match self.flags & 4 {
                        0 => self.next(Expect::Done, 0),
                        _ => self.next(Expect::ContentSum, 4),
                    }
                } else if len > self.block_max {
                    return Err("lz4 block longer than the header allows");
                } else {
                    let sum = if self.flags & 16 != 0 { 4 } else { 0 };
                    self.next(Expect::Block { len, compressed: word >> 31 == 0 }, len + sum);
                }
            }
            Expect::Block { len, compressed } => {
                let packed = self.part.get(..len).unwrap_or_default();
                if self.flags & 16 != 0 && Xxh32::of(packed) != self.word(len) {
                    return Err("lz4 block checksum does not match");
                }
                self.given = 0;
                if compressed {
                    self.block.resize(self.block_max, 0);
                    let unpacked = lz4_flex::block::decompress_into_with_dict(packed, &mut self.block, &self.window);
                    let Ok(unpacked) = unpacked else {
                        self.block.clear();
                        return Err("corrupt lz4 block");
                    };
                    self.block.truncate(unpacked);
                } else {
                    self.block.clear();
                    self.block.extend_from_slice(packed);
                }
                self.content += self.block.len() as u64;
                if self.flags & 4 != 0 {
                    self.sum.update(&self.block);
                }
                if self.flags & 32 == 0 {
                    // Blocks may refer to those before them.
                    let tail = self.block.len().saturating_sub(WINDOW_BYTES);
                    self.window.extend_from_slice(self.block.get(tail..).unwrap_or_default());
                    let excess = self.window.len().saturating_sub(WINDOW_BYTES);
                    self.window.drain(..excess);
                }
                self.next(Expect::BlockLength, 4);
            }
            Expect::ContentSum => {
                if self.sum.finish() != self.word(0) {
                    return Err("lz4 content checksum does not match");
                }
                self.next(Expect::Done, 0);
            }
            Expect::Done => {}
        }
        Ok(())
    }
}

/// The 32-bit xxHash with seed 0 (xxhash_spec.md, section "XXH32 algorithm description").
struct Xxh32 {
    lanes: [u32; 4],
    held: Vec<u8>,
    total: u64,
}

const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];

impl Xxh32 {
    fn new() -> Self {
        let lanes = [PRIMES[0].wrapping_add(PRIMES[1]), PRIMES[1], 0, 0u32.wrapping_sub(PRIMES[0])];
        Self { lanes, held: Vec::new(), total: 0 }
    }

    fn of(bytes: &[u8]) -> u32 {
        let mut sum = Self::new();
        sum.update(bytes);
        sum.finish()
    }

    fn update(&mut self, bytes: &[u8]) {
        self.total = self.total.wrapping_add(bytes.len() as u64);
        let missing = if self.held.is_empty() { 0 } else { 16 - self.held.len().min(16) };
        let (first, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.held.extend_from_slice(first);
        if let Some(stripe) = self.held.first_chunk::<16>() {
            let stripe = *stripe;
            self.stripe(&stripe);
            self.held.clear();
        }
        let (stripes, rest) = rest.as_chunks::<16>();
        for stripe in stripes {
            self.stripe(stripe);
        }
        self.held.extend_from_slice(rest);
    }

    fn stripe(&mut self, stripe: &[u8; 16]) {
        let (words, _) = stripe.as_chunks::<4>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            let mixed = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIMES[1]));
            *lane = mixed.rotate_left(13).wrapping_mul(PRIMES[0]);
        }
    }

    fn finish(&self) -> u32 {
        let [a, b, c, d] = self.lanes;
        let start = if self.total >= 16 {
            a.rotate_left(1)
                .wrapping_add(b.rotate_left(7))
                .wrapping_add(c.rotate_left(12))
                .wrapping_add(d.rotate_left(18))
        } else {
            PRIMES[4]
        };
        let mut hash = start.wrapping_add(self.total as u32);
        let (words, bytes) = self.held.as_chunks::<4>();
        for word in words {
            hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIMES[2]));
            hash = hash.rotate_left(17).wrapping_mul(PRIMES[3]);
        }
        for byte in bytes {
            hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIMES[4]));
            hash = hash.rotate_left(11).wrapping_mul(PRIMES[0]);
        }
        hash = (hash ^ hash >> 15).wrapping_mul(PRIMES[1]);
        hash = (hash ^ hash >> 13).wrapping_mul(PRIMES[2]);
        hash ^ hash >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn unpack(bytes: &[u8], piece: usize) -> (Vec<u8>, bool, Option<String>) {
        let mut frame = Lz4Frame::new();
        let mut out = Vec::new();
        let mut room = vec![0; 1000];
        let mut at = 0;
        loop {
            let end = (at + piece).min(bytes.len());
            let step = frame.step(&bytes[at..end], &mut room);
            at += step.used;
            out.extend_from_slice(&room[..step.made]);
            match step.state {
                State::MemberEnd => return (out, true, None),
                State::Fault(text) => return (out, false, Some(text)),
                State::Going if step.used == 0 && step.made == 0 && end == bytes.len() => return (out, false, None),
                State::Going => {}
            }
        }
    }

    fn packed(linked: bool, content: &[u8]) -> Vec<u8> {
        use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
        let mut info = FrameInfo::new();
        info.block_mode = if linked { BlockMode::Linked } else { BlockMode::Independent };
        info.block_size = BlockSize::Max64KB;
        info.block_checksums = true;
        info.content_checksum = true;
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn xxh32_gives_the_published_values() {
        assert_eq!(Xxh32::of(b""), 0x02cc_5d05);
        assert_eq!(Xxh32::of(b"abc"), 0x32d1_53ff);
        let mut split = Xxh32::new();
        let text = b"Nobody inspects the spammish repetition";
        split.update(&text[..5]);
        split.update(&text[5..30]);
        split.update(&text[30..]);
        assert_eq!(split.finish(), Xxh32::of(text));
        assert_eq!(Xxh32::of(text), 0xe229_3b2f);
    }

    #[test]
    fn unpacks_linked_and_independent_blocks_in_any_pieces() {
        let content: Vec<u8> = (0..200_000u32).flat_map(|i| (i / 3 % 251).to_le_bytes()).collect();
        for linked in [false, true] {
            let bytes = packed(linked, &content);
            for piece in [1, 7, 65_536, bytes.len()] {
                let (out, done, fault) = unpack(&bytes, piece);
                assert!(done && fault.is_none(), "{linked} {piece} {fault:?}");
                assert!(out == content);
            }
        }
    }

    #[test]
    fn a_cut_frame_is_not_complete_and_a_changed_one_is_a_fault() {
        let content = vec![7u8; 300_000];
        let bytes = packed(true, &content);
        for cut in [3, 6, 7, 11, bytes.len() / 2, bytes.len() - 8, bytes.len() - 1] {
            let (_, done, fault) = unpack(&bytes[..cut], 512);
            assert!(!done && fault.is_none(), "{cut} {fault:?}");
        }
        let mut bad = bytes.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0x40;
        let (out, done, fault) = unpack(&bad, 512);
        assert!(!done && fault.is_some());
        assert!(content.starts_with(&out));
    }
}

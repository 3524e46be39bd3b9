//! Whole numbers as differences (parquet-format, Encodings.md, "DELTA_BINARY_PACKED = 5").

use super::bits::{self, GROUP};

/// Values per block; the format asks for a multiple of 128.
const BLOCK: usize = 128;
/// Parts of a block with a width of their own.
const MINIBLOCKS: usize = BLOCK / GROUP;

/// Encodes numbers as they come; only the packed bytes are kept.
#[derive(Debug)]
pub struct Delta {
    /// Whether the column has 32 bits: differences wrap there, so that none needs more than 32.
    narrow: bool,
    count: u64,
    first: i64,
    previous: i64,
    block: [i64; BLOCK],
    filled: usize,
    packed: Vec<u8>,
}

impl Delta {
    /// An empty one, of a 32-bit column or of a 64-bit one.
    pub fn new(narrow: bool) -> Self {
        Self { narrow, count: 0, first: 0, previous: 0, block: [0; BLOCK], filled: 0, packed: Vec::new() }
    }

    /// Values so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Appends values.
    pub fn extend(&mut self, values: &[i64]) {
        let mut rest = values;
        if self.count == 0
            && let Some((first, tail)) = values.split_first()
        {
            (self.first, self.previous) = (*first, *first);
            rest = tail;
        }
        self.count += values.len() as u64;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_checked(BLOCK - self.filled).unwrap_or((rest, &[]));
            let mut previous = self.previous;
            for (to, value) in self.block.iter_mut().skip(self.filled).zip(now) {
                let difference = value.wrapping_sub(previous);
                *to = if self.narrow { i64::from(difference as i32) } else { difference };
                previous = *value;
            }
            self.previous = previous;
            self.filled += now.len();
            if self.filled == BLOCK {
                self.end_block();
            }
            rest = later;
        }
    }

    fn end_block(&mut self) {
        let filled = self.filled;
        let used = self.block.get(..filled).unwrap_or_default();
        let min = used.iter().copied().min().unwrap_or_default();
        bits::zigzag(min, &mut self.packed);
        let widths_at = self.packed.len();
        self.packed.extend_from_slice(&[0; MINIBLOCKS]);
        for (i, group) in self.block.as_chunks::<GROUP>().0.iter().enumerate() {
            if i * GROUP >= filled {
                break;
            }
            let mut above = [0u64; GROUP];
            let mut any = 0;
            if filled == BLOCK {
                for (to, value) in above.iter_mut().zip(group) {
                    *to = value.wrapping_sub(min) as u64;
                    any |= *to;
                }
            } else {
                // What is past the end stays zero.
                for (to, value) in above.iter_mut().zip(group).take(filled - i * GROUP) {
                    *to = value.wrapping_sub(min) as u64;
                    any |= *to;
                }
            }
            let width = bits::width_of(any);
            if let Some(byte) = self.packed.get_mut(widths_at + i) {
                *byte = width as u8;
            }
            bits::pack32(&above, width, &mut self.packed);
        }
        self.filled = 0;
    }

    /// Writes everything as one stream.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.filled > 0 {
            self.end_block();
        }
        bits::varint(BLOCK as u64, out);
        bits::varint(MINIBLOCKS as u64, out);
        bits::varint(self.count, out);
        bits::zigzag(self.first, out);
        out.extend_from_slice(&self.packed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain decoder, value by value; wraps at 32 bits where `narrow`.
    fn decode(bytes: &[u8], narrow: bool) -> Vec<i64> {
        let mut at = 0;
        let varint = |at: &mut usize| {
            let (mut value, mut shift) = (0u64, 0);
            loop {
                let b = bytes[*at];
                *at += 1;
                value |= u64::from(b & 0x7f) << shift;
                shift += 7;
                if b < 0x80 {
                    return value;
                }
            }
        };
        let unzigzag = |v: u64| (v >> 1) as i64 ^ -((v & 1) as i64);
        assert_eq!((varint(&mut at), varint(&mut at)), (BLOCK as u64, MINIBLOCKS as u64));
        let count = varint(&mut at) as usize;
        let mut last = unzigzag(varint(&mut at));
        let mut out = vec![last];
        while out.len() < count {
            let min = unzigzag(varint(&mut at));
            let widths = &bytes[at..at + MINIBLOCKS];
            at += MINIBLOCKS;
            for width in widths {
                if out.len() >= count {
                    assert_eq!(*width, 0);
                    continue;
                }
                let width = usize::from(*width);
                assert!(!narrow || width <= 32);
                for i in 0..GROUP {
                    let above = (0..width).fold(0u64, |v, b| {
                        let bit = i * width + b;
                        v | u64::from(bytes[at + bit / 8] >> (bit % 8) & 1) << b
                    });
                    last = last.wrapping_add(min).wrapping_add(above as i64);
                    if narrow {
                        last = i64::from(last as i32);
                    }
                    if out.len() < count {
                        out.push(last);
                    }
                }
                at += width * 4;
            }
        }
        assert_eq!(at, bytes.len());
        out.truncate(count);
        out
    }

    fn round_trip(narrow: bool, values: &[i64], step: usize) {
        let mut delta = Delta::new(narrow);
        values.chunks(step).for_each(|c| delta.extend(c));
        assert_eq!(delta.count(), values.len() as u64);
        let mut out = Vec::new();
        delta.finish(&mut out);
        let got = decode(&out, narrow);
        assert_eq!(&got[..values.len()], values);
    }

    #[test]
    fn numbers_come_back_whatever_the_pieces() {
        for n in [1, 2, 32, 33, 128, 129, 130, 257, 1000] {
            let ramp: Vec<i64> = (0..n).map(|i| i * 7 - 300).collect();
            let noise: Vec<i64> = (0..n).map(|i| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)).collect();
            let narrow: Vec<i64> = noise.iter().map(|v| i64::from(*v as i32)).collect();
            for step in [1, 31, 128, 1024] {
                round_trip(false, &ramp, step);
                round_trip(true, &ramp, step);
                round_trip(false, &noise, step);
                round_trip(true, &narrow, step);
            }
        }
    }

    #[test]
    fn extremes_wrap_and_come_back() {
        round_trip(false, &[i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX], 2);
        let (low, high) = (i64::from(i32::MIN), i64::from(i32::MAX));
        round_trip(true, &[low, high, low, 0, high, 0, low], 3);
    }

    #[test]
    fn the_example_of_the_format_document() {
        // Encodings.md, example 1: the numbers 1 to 5 have one difference and no bits.
        let mut delta = Delta::new(true);
        delta.extend(&[1, 2, 3, 4, 5]);
        let mut out = Vec::new();
        delta.finish(&mut out);
        assert_eq!(out, [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0]);
    }
}

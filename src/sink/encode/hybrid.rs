//! The run-length / bit-packing hybrid: levels and dictionary indices
//! (parquet-format, Encodings.md, "RLE = 3").

use super::bits::{self, GROUP};

/// Collects runs and literals and writes each when it ends.
struct Runs<'o> {
    out: &'o mut Vec<u8>,
    width: u32,
    /// The run being counted.
    value: u32,
    count: u64,
}

impl Runs<'_> {
    fn end_run(&mut self) {
        if self.count > 0 {
            bits::varint(self.count << 1, self.out);
            let bytes = self.value.to_le_bytes();
            self.out.extend_from_slice(bytes.get(..self.width.div_ceil(8) as usize).unwrap_or_default());
            self.count = 0;
        }
    }

    fn run(&mut self, value: u32, count: u64) {
        if self.value != value {
            self.end_run();
            self.value = value;
        }
        self.count += count;
    }

    fn literals<T: Copy + Into<u32>>(&mut self, values: &[T]) {
        if values.is_empty() {
            return;
        }
        self.end_run();
        bits::varint((values.len().div_ceil(8) as u64) << 1 | 1, self.out);
        let mut wide = [0; GROUP];
        let (groups, rest) = values.as_chunks::<GROUP>();
        for group in groups {
            for (to, from) in wide.iter_mut().zip(group) {
                *to = u64::from((*from).into());
            }
            bits::pack32(&wide, self.width, self.out);
        }
        if !rest.is_empty() {
            wide = [0; GROUP];
            for (to, from) in wide.iter_mut().zip(rest) {
                *to = u64::from((*from).into());
            }
            let keep = self.out.len() + rest.len().div_ceil(8) * self.width as usize;
            bits::pack32(&wide, self.width, self.out);
            self.out.truncate(keep);
        }
    }
}

/// Writes values of `width` bits (1 to 32), without a length before them. Equal values become runs
/// in steps of 32; what lies between is bit-packed.
pub fn values<T: Copy + Eq + Into<u32>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    let mut runs = Runs { out, width, value: 0, count: 0 };
    let mut literal = 0..0;
    let mut at = 0;
    for group in values.chunks(GROUP) {
        let Some(first) = group.first().copied() else { break };
        // Without a branch per value, so that it becomes a few vector instructions.
        if group.iter().fold(true, |same, v| same & (*v == first)) {
            runs.literals(values.get(literal).unwrap_or_default());
            runs.run(first.into(), group.len() as u64);
            literal = at + group.len()..at + group.len();
        } else {
            literal.end = at + group.len();
        }
        at += group.len();
    }
    runs.literals(values.get(literal).unwrap_or_default());
    runs.end_run();
}

/// Writes `count` bits of a bitmap as values of one bit: the definition levels of a flat column.
pub fn bitmap(words: &[u64], count: usize, out: &mut Vec<u8>) {
    let mut runs = Runs { out, width: 1, value: 0, count: 0 };
    let mut literal = 0..0;
    let flush = |runs: &mut Runs<'_>, literal: std::ops::Range<usize>| {
        let words = words.get(literal.clone()).unwrap_or_default();
        if words.is_empty() {
            return;
        }
        runs.end_run();
        let bits = (count - literal.start * 64).min(words.len() * 64);
        let bytes = bits.div_ceil(8);
        bits::varint((bytes as u64) << 1 | 1, runs.out);
        let keep = runs.out.len() + bytes;
        for word in words {
            runs.out.extend_from_slice(&word.to_le_bytes());
        }
        runs.out.truncate(keep);
    };
    for (i, word) in words.iter().enumerate() {
        let bits = count.saturating_sub(i * 64).min(64) as u64;
        let all = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let word = word & all;
        if word == 0 || word == all {
            flush(&mut runs, literal);
            runs.run(u32::from(word != 0), bits);
            literal = i + 1..i + 1;
        } else {
            literal.end = i + 1;
        }
    }
    flush(&mut runs, literal);
    runs.end_run();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain decoder, value by value.
    pub(crate) fn decode(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut out = Vec::new();
        while out.len() < count {
            let (mut header, mut shift) = (0u64, 0);
            loop {
                let b = bytes[0];
                bytes = &bytes[1..];
                header |= u64::from(b & 0x7f) << shift;
                shift += 7;
                if b < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let n = width.div_ceil(8) as usize;
                let value = bytes[..n].iter().rev().fold(0, |v, b| v << 8 | u32::from(*b));
                bytes = &bytes[n..];
                out.extend(std::iter::repeat_n(value, (header >> 1) as usize));
            } else {
                let n = (header >> 1) as usize * 8;
                for i in 0..n {
                    let bit = |b: usize| u32::from(bytes[b / 8] >> (b % 8) & 1);
                    out.push((0..width as usize).fold(0, |v, b| v | bit(i * width as usize + b) << b));
                }
                bytes = &bytes[n / 8 * width as usize..];
            }
        }
        assert!(bytes.is_empty(), "{} bytes left", bytes.len());
        out.truncate(count);
        out
    }

    #[test]
    fn runs_and_literals_come_back() {
        for width in [1, 2, 3, 7, 8, 9, 17, 32] {
            let mask = if width == 32 { u32::MAX } else { (1 << width) - 1 };
            for n in [0, 1, 7, 8, 31, 32, 33, 64, 100, 1000] {
                for kind in 0..4 {
                    let list: Vec<u32> = (0..n as u32)
                        .map(|i| match kind {
                            0 => mask,
                            1 => i.wrapping_mul(0x9e37_79b9) & mask,
                            2 => (i / 50).wrapping_mul(0x9e37_79b9) & mask,
                            _ => u32::from(i >= 70) & mask,
                        })
                        .collect();
                    let mut out = Vec::new();
                    values(&list, width, &mut out);
                    assert_eq!(decode(&out, width, n), list, "width {width}, {n} values, kind {kind}");
                }
            }
        }
    }

    #[test]
    fn a_long_run_takes_a_few_bytes() {
        let mut out = Vec::new();
        values(&[5_u32; 100_000], 3, &mut out);
        assert_eq!(out, [0xc0, 0x9a, 0x0c, 5]);
    }

    #[test]
    fn bitmaps_come_back() {
        for n in [1_usize, 8, 63, 64, 65, 130, 640, 1000] {
            for kind in 0..5 {
                let set = |i: usize| match kind {
                    0 => true,
                    1 => false,
                    2 => i.is_multiple_of(3),
                    3 => i >= 128,
                    _ => i != 200,
                };
                let mut words = vec![0u64; n.div_ceil(64)];
                (0..n).filter(|i| set(*i)).for_each(|i| words[i / 64] |= 1 << (i % 64));
                let mut out = Vec::new();
                bitmap(&words, n, &mut out);
                let expected: Vec<u32> = (0..n).map(|i| u32::from(set(i))).collect();
                assert_eq!(decode(&out, 1, n), expected, "{n} bits, kind {kind}");
            }
        }
    }
}

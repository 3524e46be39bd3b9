//! Bit packing as Parquet does it: value after value, least significant bit first
//! (parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid").

/// Values that are packed at a time: with 32 of them every width ends on a byte.
pub const GROUP: usize = 32;

/// Bits that are needed for every number up to `max`.
pub const fn width_of(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

/// Packs 32 values of `W` bits each into `4 * W` bytes. Unrolled per width by the compiler: four
/// times as fast as one loop with a variable width, and this is the innermost loop of the sink.
fn pack<const W: usize>(values: &[u64; GROUP], out: &mut Vec<u8>) {
    let mut words = [0u64; GROUP];
    let mut at = 0;
    let mut held = 0u64;
    let mut bits = 0usize;
    for value in values {
        held |= value << bits;
        bits += W;
        if bits >= 64 {
            if let Some(word) = words.get_mut(at) {
                *word = held;
            }
            at += 1;
            bits -= 64;
            held = if bits == 0 { 0 } else { value >> (W - bits) };
        }
    }
    if let Some(word) = words.get_mut(at) {
        *word = held;
    }
    let mut bytes = [0u8; GROUP * 8];
    for (to, from) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *to = from.to_le_bytes();
    }
    out.extend_from_slice(bytes.get(..4 * W).unwrap_or_default());
}

macro_rules! dispatch {
    ($width:expr, $values:expr, $out:expr, $($w:literal)+) => {
        match $width {
            $($w => pack::<$w>($values, $out),)+
            _ => {}
        }
    };
}

/// Packs 32 values of `width` bits (1 to 64; a width of 0 takes no bytes). No value may need more
/// bits than that.
pub fn pack32(values: &[u64; GROUP], width: u32, out: &mut Vec<u8>) {
    dispatch!(width, values, out,
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
    );
}

/// Unsigned LEB128, as Thrift's compact protocol and Parquet's encodings use it.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Signed number: zigzag, then LEB128.
pub fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint(((value << 1) ^ (value >> 63)) as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads packed values back bit by bit.
    fn unpack(bytes: &[u8], width: u32) -> Vec<u64> {
        (0..GROUP)
            .map(|i| {
                (0..width as usize).fold(0, |v, b| {
                    let bit = i * width as usize + b;
                    v | u64::from(bytes[bit / 8] >> (bit % 8) & 1) << b
                })
            })
            .collect()
    }

    #[test]
    fn every_width_comes_back() {
        for width in 0..=64 {
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let mut values = [0; GROUP];
            for (i, v) in values.iter_mut().enumerate() {
                *v = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask;
            }
            values[7] = mask;
            let mut out = Vec::new();
            pack32(&values, width, &mut out);
            assert_eq!(out.len(), 4 * width as usize);
            assert_eq!(unpack(&out, width), values, "width {width}");
        }
    }

    #[test]
    fn the_example_of_the_format_document() {
        // Encodings.md: the numbers 0 to 7 with three bits each.
        let mut values = [0; GROUP];
        for (i, v) in values.iter_mut().enumerate().take(8) {
            *v = i as u64;
        }
        let mut out = Vec::new();
        pack32(&values, 3, &mut out);
        assert_eq!(out[..3], [0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn varints_and_zigzag() {
        let mut out = Vec::new();
        varint(300, &mut out);
        zigzag(-1, &mut out);
        zigzag(1, &mut out);
        zigzag(i64::MIN, &mut out);
        assert_eq!(out, [0xac, 2, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!((width_of(0), width_of(1), width_of(255), width_of(256)), (0, 1, 8, 9));
    }
}

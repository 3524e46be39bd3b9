//! Fingerprints and the reading of what they are made of: pure functions over borrowed bytes,
//! the same for TCP, QUIC and DTLS.

pub mod hassh;
pub mod hello;
pub mod ja3;
pub mod ja4;
pub mod npf;
pub mod registry;
pub mod sslv2;
pub mod suites;
pub mod x509;

use md5::{Digest, Md5};

/// Whether a number is one of the 16 values that clients send to keep servers tolerant (RFC 8701,
/// section 2); fingerprints leave them out.
#[inline]
pub const fn is_grease(n: u16) -> bool {
    n & 0x0f0f == 0x0a0a && n >> 8 == n & 0xff
}

/// Bytes as lower-case hex. (Without the formatter, which took 4 % of a capture of handshakes.)
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|b| push_hex(&mut out, *b));
    out
}

/// One byte as two lower-case hex digits.
fn push_hex(out: &mut String, byte: u8) {
    const fn digit(n: u8) -> char {
        (if n < 10 { b'0' + n } else { b'a' + n - 10 }) as char
    }
    out.push(digit(byte >> 4));
    out.push(digit(byte & 15));
}

/// A number in decimal.
fn push_decimal(out: &mut String, n: u16) {
    let mut power = 10_000;
    while power > 1 && n < power {
        power /= 10;
    }
    while power > 0 {
        out.push(char::from(b'0' + (n / power % 10) as u8));
        power /= 10;
    }
}

/// MD5 in hex, the form of JA3 and HASSH.
pub(crate) fn md5_hex(text: &[u8]) -> String {
    hex(&Md5::digest(text))
}

/// Numbers in decimal, with a dash between them, behind what `out` holds.
fn dashed(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (i, n) in numbers.enumerate() {
        if i > 0 {
            out.push('-');
        }
        push_decimal(out, n);
    }
}

/// Numbers in four hex digits, with a comma between them, behind what `out` holds.
fn hex_list(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (i, n) in numbers.enumerate() {
        if i > 0 {
            out.push(',');
        }
        let [high, low] = n.to_be_bytes();
        push_hex(out, high);
        push_hex(out, low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatter_would() {
        for n in (0..=u16::MAX).step_by(7).chain([9, 10, 99, 100, 999, 1000, 9999, 10_000, u16::MAX]) {
            let (mut decimal, mut list) = (String::new(), String::new());
            dashed(&mut decimal, [n, n].into_iter());
            hex_list(&mut list, [n, n].into_iter());
            assert_eq!((decimal, list), (format!("{n}-{n}"), format!("{n:04x},{n:04x}")));
        }
        assert_eq!(hex(&[0, 0x0a, 0xf9, 0xff]), "000af9ff");
    }

    #[test]
    fn grease_is_sixteen_values_and_no_others() {
        let all: Vec<u16> = (0..=u16::MAX).filter(|n| is_grease(*n)).collect();
        assert_eq!(all.len(), 16);
        assert_eq!((all[0], all[15]), (0x0a0a, 0xfafa));
        assert!(!is_grease(0x0a1a), "both bytes are the same");
    }
}

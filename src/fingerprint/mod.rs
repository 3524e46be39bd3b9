//! Fingerprints and the reading of what they are made of: pure functions over borrowed bytes,
//! the same for TCP, QUIC and DTLS.

pub mod hassh;
pub mod hello;
pub mod ja3;
pub mod ja4;
pub mod registry;
pub mod sslv2;
pub mod x509;

use std::fmt::Write;

use md5::{Digest, Md5};

/// Whether a number is one of the 16 values that clients send to keep servers tolerant (RFC 8701,
/// section 2); fingerprints leave them out.
#[inline]
pub const fn is_grease(n: u16) -> bool {
    n & 0x0f0f == 0x0a0a && n >> 8 == n & 0xff
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// MD5 in hex, the form of JA3 and HASSH.
pub(crate) fn md5_hex(text: &[u8]) -> String {
    hex(&Md5::digest(text))
}

/// Numbers in decimal, with a dash between them, behind what `out` holds.
fn dashed(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (i, n) in numbers.enumerate() {
        let _ = write!(out, "{}{n}", if i == 0 { "" } else { "-" });
    }
}

/// Numbers in four hex digits, with a comma between them, behind what `out` holds.
fn hex_list(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (i, n) in numbers.enumerate() {
        let _ = write!(out, "{}{n:04x}", if i == 0 { "" } else { "," });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_sixteen_values_and_no_others() {
        let all: Vec<u16> = (0..=u16::MAX).filter(|n| is_grease(*n)).collect();
        assert_eq!(all.len(), 16);
        assert_eq!((all[0], all[15]), (0x0a0a, 0xfafa));
        assert!(!is_grease(0x0a1a), "both bytes are the same");
    }
}

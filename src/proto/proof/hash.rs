//! Hashes and text forms that answers are made of.

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Digest;

/// Digits of a number in hexadecimal, lower case.
const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// Bytes in hexadecimal, lower case.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// As [`hex`], as text.
pub fn hex_text(bytes: &[u8]) -> String {
    hex(bytes).into_iter().map(char::from).collect()
}

/// The hash of parts that follow each other.
pub fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

/// HMAC (RFC 2104) over parts that follow each other.
pub fn hmac<D: EagerHash>(key: &[u8], parts: &[&[u8]]) -> Vec<u8>
where
    Hmac<D>: KeyInit + Mac,
{
    // Keys of any length are allowed (RFC 2104, section 3).
    let Ok(mut mac) = <Hmac<D> as KeyInit>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// UTF-8 as UTF-16 in little endian, which Windows hashes.
pub fn utf16(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Upper case, of all letters that have one.
pub fn upper(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).to_uppercase().into_bytes()
}

/// The two, each byte with its counterpart, as far as the shorter one goes.
pub fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

const BASE64: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648, section 4) with padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4_usize {
            let digit = BASE64.get((word >> (18 - 6 * i) & 63) as usize).copied().unwrap_or(b'A');
            out.push(char::from(if i <= chunk.len() { digit } else { b'=' }));
        }
    }
    out
}

/// The bytes of a Base64 text; `None` where it is none.
pub fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let end = text.iter().rposition(|c| *c != b'=').map_or(0, |at| at + 1);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0_u32, 0_u32);
    for c in text.get(..end)? {
        let value = BASE64.iter().position(|d| d == c)?;
        word = word << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits & 0xff) as u8);
        }
    }
    Some(out)
}

/// The bytes of a hexadecimal text, for the tests.
#[cfg(test)]
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_of_their_standards() {
        // RFC 4648, section 10.
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(unbase64(text.as_bytes()).unwrap(), plain.as_bytes());
        }
        assert_eq!(unbase64(b"a$b="), None);
        assert_eq!(hex(&[0, 0xaf]), b"00af");
        assert_eq!(utf16("\u{e9}".as_bytes()), [0xe9, 0]);
        // RFC 2202, section 2, test case 2; RFC 1321, section A.5.
        assert_eq!(
            hmac::<md5::Md5>(b"Jefe", &[b"what do ya want", b" for nothing?"]),
            unhex("750c783e6ab0b503eaa86e310a5db738")
        );
        assert_eq!(of::<md5::Md5>(&[b"a", b"bc"]), unhex("900150983cd24fb0d6963f7d28e17f72"));
    }
}

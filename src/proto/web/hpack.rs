//! Header compression of HTTP/2 (HPACK, RFC 7541): the decoder's half, bounded.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::LazyLock;

use crate::base::bytes::ReadError;
use crate::base::{Reader, limits};

/// The static table (RFC 7541, appendix A); the first entry has index 1.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Lengths in bits of the Huffman codes of the 256 bytes and of the end of the text (RFC 7541,
/// appendix B). The code is canonical: the lengths tell the codes.
#[rustfmt::skip]
const CODE_BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6,
    12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5,
    6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22,
    22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21,
    20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22,
    23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27,
    28, 27, 27, 27, 27, 27, 26, 30,
];

const LONGEST_CODE: usize = 30;

/// For each length of code: the first code, how many there are, and where their symbols begin.
struct Huffman {
    of_length: [(u32, u32, u32); LONGEST_CODE + 1],
    symbols: Vec<u16>,
}

static HUFFMAN: LazyLock<Huffman> = LazyLock::new(|| {
    let mut symbols: Vec<u16> = Vec::with_capacity(257);
    let mut of_length = [(0, 0, 0); LONGEST_CODE + 1];
    let mut code = 0_u32;
    for (length, slot) in of_length.iter_mut().enumerate().skip(1) {
        code <<= 1;
        let start = symbols.len() as u32;
        let these = CODE_BITS.iter().enumerate().filter(|(_, bits)| usize::from(**bits) == length);
        symbols.extend(these.map(|(symbol, _)| symbol as u16));
        let count = symbols.len() as u32 - start;
        *slot = (code, count, start);
        code += count;
    }
    Huffman { of_length, symbols }
});

/// Decodes a Huffman-coded text (RFC 7541, section 5.2). What is longer than `max` bytes is cut.
fn huffman(coded: &[u8], max: usize) -> Result<Vec<u8>, ReadError> {
    let table = &*HUFFMAN;
    let mut out = Vec::with_capacity((coded.len() * 8 / 5).min(max));
    let (mut code, mut length) = (0_u32, 0_usize);
    for byte in coded {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let Some((first, count, start)) = table.of_length.get(length) else {
                return Err(ReadError::invalid("Huffman code"));
            };
            let offset = code.wrapping_sub(*first);
            if code >= *first && offset < *count {
                match table.symbols.get((start + offset) as usize).map(|s| u8::try_from(*s)) {
                    Some(Ok(symbol)) => {
                        if out.len() < max {
                            out.push(symbol);
                        }
                    }
                    _ => return Err(ReadError::invalid("Huffman code")),
                }
                (code, length) = (0, 0);
            }
        }
    }
    Ok(out)
}

/// The decoder of one direction.
#[derive(Default)]
pub struct Decoder {
    /// Newest first.
    dynamic: VecDeque<(Vec<u8>, Vec<u8>)>,
    size: usize,
    max: Option<usize>,
}

impl Decoder {
    /// Bytes that its table takes: what it counts, which is more than the texts.
    pub const fn heap(&self) -> usize {
        self.size
    }
}

/// The table's size before anybody changes it (RFC 9113, section 6.5.2).
const DEFAULT_SIZE: usize = 4096;
/// What an entry counts beside its texts (RFC 7541, section 4.1).
const ENTRY_OVERHEAD: usize = 32;

impl std::fmt::Debug for Decoder {
    /// Without what was sent, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder({} entries)", self.dynamic.len())
    }
}

/// A number with a prefix of some bits (RFC 7541, section 5.1).
fn number(r: &mut Reader<'_>, first: u8, bits: u32) -> Result<usize, ReadError> {
    let mask = (1_u32 << bits) - 1;
    let mut value = u32::from(first) & mask;
    if value < mask {
        return Ok(value as usize);
    }
    for shift in [0, 7, 14, 21] {
        let byte = r.u8("number")?;
        value = value.saturating_add(u32::from(byte & 0x7f) << shift);
        if byte & 0x80 == 0 {
            return Ok(value as usize);
        }
    }
    Err(ReadError::invalid("number"))
}

fn string(r: &mut Reader<'_>) -> Result<Vec<u8>, ReadError> {
    let first = r.u8("text length")?;
    let length = number(r, first, 7)?;
    let raw = r.take("text", length)?;
    if first & 0x80 != 0 {
        huffman(raw, limits::HTTP_HEAD_BYTES_MAX)
    } else {
        Ok(raw.get(..limits::HTTP_HEAD_BYTES_MAX).unwrap_or(raw).to_vec())
    }
}

impl Decoder {
    /// Forgets what was kept: bytes were missed. Fields that refer to it are left out from here on;
    /// later ones are read.
    pub fn lose(&mut self) {
        self.dynamic.clear();
        self.size = 0;
    }

    /// Hands over the fields of a whole header block, name and value. Whether some were left out
    /// because a limit was hit.
    pub fn read(&mut self, block: &[u8], field: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool, ReadError> {
        let mut r = Reader::new(block);
        let mut count = 0;
        let mut limited = false;
        let mut copied: usize = 0;
        while !r.is_empty() {
            let first = r.u8("field")?;
            if first & 0xe0 == 0x20 {
                let size = number(&mut r, first, 5)?;
                limited |= size > limits::HTTP2_TABLE_BYTES_MAX;
                self.max = Some(size.min(limits::HTTP2_TABLE_BYTES_MAX));
                self.evict(0);
                continue;
            }
            count += 1;
            let tell = count <= limits::HTTP_HEADERS_MAX;
            limited |= !tell;
            if first & 0x80 != 0 {
                let index = number(&mut r, first, 7)?;
                if let Some((name, value)) = self.entry(index).filter(|_| tell) {
                    field(name, value);
                }
                continue;
            }
            let keeps = first & 0x40 != 0;
            let index = number(&mut r, first, if keeps { 6 } else { 4 })?;
            let name = match index {
                0 => Some(Cow::Owned(string(&mut r)?)),
                _ => self.entry(index).map(|e| Cow::Borrowed(e.0)),
            };
            let value = string(&mut r)?;
            let Some(name) = name else { continue };
            if tell {
                field(&name, &value);
            }
            copied = copied.saturating_add(value.len() + if keeps || index == 0 { name.len() } else { 0 });
            if copied > limits::HTTP_HEAD_BYTES_MAX {
                // A name of the table may be copied for two bytes each time. What is left out would have
                // changed the table.
                self.lose();
                return Ok(true);
            }
            if keeps {
                let name = name.into_owned();
                self.insert(name, value);
            }
        }
        Ok(limited)
    }

    fn entry(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let at = index.checked_sub(1)?;
        match STATIC.get(at) {
            Some((name, value)) => Some((name.as_bytes(), value.as_bytes())),
            None => self.dynamic.get(at - STATIC.len()).map(|(n, v)| (n.as_slice(), v.as_slice())),
        }
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let size = name.len() + value.len() + ENTRY_OVERHEAD;
        self.evict(size);
        if size <= self.max.unwrap_or(DEFAULT_SIZE) {
            self.size += size;
            self.dynamic.push_front((name, value));
        }
    }

    /// Makes room for an entry of a size (RFC 7541, section 4.4).
    fn evict(&mut self, size: usize) {
        let max = self.max.unwrap_or(DEFAULT_SIZE);
        while self.size.saturating_add(size) > max
            && let Some((name, value)) = self.dynamic.pop_back()
        {
            self.size = self.size.saturating_sub(name.len() + value.len() + ENTRY_OVERHEAD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        decoder.read(block, &mut |n, v| out.push(format!("{}: {}", text(n), text(v)))).unwrap();
        out
    }

    #[test]
    fn requests_with_huffman_coding() {
        // RFC 7541, appendix C.4.
        let mut d = Decoder::default();
        let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        let want = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        assert_eq!(fields(&mut d, first), want);
        let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
        assert_eq!(fields(&mut d, second)[3..], [":authority: www.example.com", "cache-control: no-cache"]);
        let third = b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";
        assert_eq!(fields(&mut d, third)[4], "custom-key: custom-value");
        assert_eq!(d.size, 164);
    }

    #[test]
    fn entries_leave_as_the_table_shrinks_and_lost_ones_are_left_out() {
        let mut d = Decoder::default();
        fields(&mut d, b"\x40\x01a\x01b\x40\x01c\x01d");
        assert_eq!(fields(&mut d, b"\xbe\xbf"), ["c: d", "a: b"]);
        // A size of 34 leaves room for one entry.
        assert_eq!(fields(&mut d, b"\x3f\x03\xbe\xbf"), ["c: d"]);
        d.lose();
        assert_eq!(fields(&mut d, b"\xbe\x82"), [":method: GET"]);
    }

    #[test]
    fn hostile_blocks() {
        let read = |b: &[u8]| Decoder::default().read(b, &mut |_, _| {});
        assert!(read(b"\x7f\xff\xff\xff\xff\xff\xff").is_err(), "an endless number");
        assert!(read(b"\x40\x7f\xff\xff\xff\x0f").is_err(), "a length beyond the block");
        assert!(read(b"\x00\x84\xff\xff\xff\xff\x00").is_err(), "the end of the text inside of it");
        assert_eq!(read(b"\x80"), Ok(false), "index 0 is none");
        assert_eq!(read(&[0x82; 500]), Ok(true), "more fields than are looked at");
        // A long name that each field of two bytes refers to.
        let long = [&[0x3f, 0xe1, 0xff, 0x03, 0x40, 0x7f, 0xe1, 0xd3, 0x03][..], &[b'x'; 60_000], &[0]].concat();
        let mut told = 0;
        let mut d = Decoder::default();
        d.read(&long, &mut |_, _| told += 1).unwrap();
        assert_eq!((told, d.dynamic.len(), d.size), (1, 1, 60_032));
        let read = d.read(&[0x7e, 0x00].repeat(100), &mut |_, _| told += 1);
        assert_eq!((read, told, d.dynamic.len()), (Ok(true), 3, 0), "the second copy is one too many");
    }
}

//! Google QUIC: its public header, its frames, and the tagged messages of its handshake (versions Q024 to
//! Q050; T050 and T051 have its frames around TLS). Layouts: "QUIC Wire Layout Specification" and "QUIC
//! Crypto", Google, 2013 to 2016; for later versions what the QUICHE sources say.
//!
//! ```text
//! flags(1) connection id(0, 8; before Q033 also 1, 4) [version(4)] [nonce(32)] number(1, 2, 4, 6)
//! hash(12) [private flags(1), up to Q033] frames             nothing of the handshake is encrypted
//!
//! message: tag(4) count(2) 0(2), then for each value: tag(4) end(4); then the values   little-endian
//! ```

use memchr::memmem;

use super::frames::Frame;
use super::header::{length, varint};
use crate::base::{ReadError, Reader};

/// The first message of a client.
pub const CHLO: &[u8; 4] = b"CHLO";
/// A server wants another one, with the proof in this one.
pub const REJ: &[u8; 4] = b"REJ\0";
/// The answer of a server; mostly encrypted.
pub const SHLO: &[u8; 4] = b"SHLO";

/// Most values of a message that is believed (the protocol's own limit).
const VALUES_MAX: usize = 128;
/// The hash over a packet that is not encrypted.
const HASH_BYTES: usize = 12;

/// A packet with a public header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Public<'a> {
    /// Version, where the header names one: in what a client sends first.
    pub version: Option<u32>,
    /// Connection identifier; empty where it is left out.
    pub cid: &'a [u8],
    /// What stands behind the packet number.
    pub payload: &'a [u8],
    /// Versions that a server lists, one after the other: it does not have the client's.
    pub offered: &'a [u8],
}

/// Reads a public header. `version` is that of the flow where it is known, `from_server` who sent it.
pub fn public<'a>(bytes: &'a [u8], version: Option<u32>, from_server: bool) -> Result<Public<'a>, ReadError> {
    let mut r = Reader::new(bytes);
    let flags = r.u8("public flags")?;
    // Bit 1 is a reset, bit 7 was never in use: long headers have it.
    if flags & 0x82 != 0 {
        return Err(ReadError::invalid("public flags"));
    }
    let old = version.and_then(super::version::google).is_some_and(|n| n < 33);
    // From Q033 on, a set bit 2 of a server is a nonce; clients go on setting it beside bit 3.
    let nonce = from_server && !old && flags & 0x04 != 0 && flags & 0x01 == 0;
    let cid_len = match flags & 0x0c {
        0x0c | 0x08 if !old || flags & 0x0c == 0x0c => 8,
        0x08 => 4,
        0x04 if old => 1,
        _ => 0,
    };
    let cid = r.take("connection id", cid_len)?;
    if flags & 0x01 != 0 && from_server {
        return Ok(Public { version: None, cid, payload: &[], offered: r.rest() });
    }
    let version = if flags & 0x01 != 0 { Some(r.be32("version")?) } else { None };
    if nonce {
        r.skip("nonce", 32)?;
    }
    r.skip("packet number", [1, 2, 4, 6].get(usize::from(flags >> 4 & 3)).copied().unwrap_or(6))?;
    Ok(Public { version, cid, payload: r.rest(), offered: &[] })
}

/// Whether a datagram begins with a public header that names a version, as that of a client's first one.
pub fn is_likely(bytes: &[u8]) -> bool {
    // Bit 6 was reserved for multipath, and never set.
    let flags_fit = bytes.first().is_some_and(|b| b & 0xc1 == 0x01);
    flags_fit
        && public(bytes, None, false).is_ok_and(|p| {
            p.version.is_some_and(|v| super::version::google(v).is_some_and(|n| n < 46)) && p.payload.len() > HASH_BYTES
        })
}

/// The frames of a packet that is not encrypted, behind its number.
pub fn clear_frames(payload: &[u8], version: u32) -> &[u8] {
    let private = usize::from(super::version::google(version).is_some_and(|n| n < 34));
    payload.get(HASH_BYTES + private..).unwrap_or_default()
}

/// The next piece of the handshake in frames that are not encrypted. Frames of other kinds, whose lengths
/// depend on much that came before, end the reading; a message that begins behind one is searched for.
pub fn clear_crypto<'a>(r: &mut Reader<'a>, version: u32) -> Option<Frame<'a>> {
    let big_endian = super::version::google(version).is_some_and(|n| n >= 39);
    let number = |bytes: &[u8]| -> u64 {
        let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
        if big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    };
    let stream = |r: &mut Reader<'a>| -> Result<Option<Frame<'a>>, ReadError> {
        let ty = r.u8("frame type")?;
        // 1FDOOOSS: fin, length present, bytes of the offset, bytes of the stream's number less one.
        if ty & 0x80 == 0 {
            return Ok(None);
        }
        let id = number(r.take("stream", usize::from(ty & 3) + 1)?);
        let width = usize::from(ty >> 2 & 7);
        let offset = number(r.take("offset", if width == 0 { 0 } else { width + 1 })?);
        let bytes = if ty & 0x20 != 0 {
            let len = number(r.take("length", 2)?);
            r.take("stream data", usize::try_from(len).unwrap_or(usize::MAX))?
        } else {
            r.rest()
        };
        Ok((id == 1).then_some(Frame::Crypto { offset, bytes }))
    };
    let before = *r;
    if let Ok(Some(frame)) = stream(r) {
        return Some(frame);
    }
    let rest = before.peek_rest();
    let found = [CHLO, REJ].iter().find_map(|tag| memmem::find(rest, *tag));
    r.rest();
    let bytes = rest.get(found?..)?;
    Some(Frame::Crypto { offset: 0, bytes })
}

/// The next frame of an Initial of Q050, T050 or T051, which are encrypted.
pub fn sealed_frame<'a>(r: &mut Reader<'a>) -> Option<Frame<'a>> {
    let padding = r.peek_rest().iter().position(|b| *b != 0)?;
    r.skip("padding", padding).ok()?;
    match r.u8("frame type").ok()? {
        0x02 => {
            let code = r.be32("error").ok()?;
            let len = r.be16("reason length").ok()?;
            let reason = r.take("reason", len.into()).ok()?;
            Some(Frame::Close { code: code.into(), by_application: false, reason })
        }
        0x07 => Some(Frame::Other),
        0x08 => {
            let offset = varint(r, "offset").ok()?;
            let len = length(r, "length").ok()?;
            Some(Frame::Crypto { offset, bytes: r.take("CRYPTO", len).ok()? })
        }
        // 01NxLLMM: several ranges, bytes of the highest number and of a range.
        ty @ 0x40..=0x7f => {
            let width = |bits: u8| [1, 2, 4, 6].get(usize::from(bits & 3)).copied().unwrap_or(6);
            r.skip("largest acknowledged and delay", width(ty >> 2) + 2).ok()?;
            let ranges = if ty & 0x20 != 0 { usize::from(r.u8("ranges").ok()?) } else { 0 };
            r.skip("ranges", width(ty) + ranges * (1 + width(ty))).ok()?;
            match usize::from(r.u8("times").ok()?) {
                0 => {}
                times => r.skip("times", 5 + (times - 1) * 3).ok()?,
            }
            Some(Frame::Other)
        }
        _ => None,
    }
}

/// A whole message of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is: `CHLO`, `REJ`, `SHLO`.
    pub tag: [u8; 4],
    ends: &'a [u8],
    values: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the message at the beginning; an error that more bytes may help says so.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        let tag = r.array("message tag")?;
        let count = usize::from(r.le16("values")?);
        if r.le16("zeros")? != 0 || count > VALUES_MAX {
            return Err(ReadError::invalid("values"));
        }
        let ends = r.take("list of values", count * 8)?;
        let mut before = 0;
        for (_, end) in Self::entries(ends) {
            if end < before {
                return Err(ReadError::invalid("end of a value"));
            }
            before = end;
        }
        Ok(Self { tag, ends, values: r.take("values", before)? })
    }

    fn entries(ends: &[u8]) -> impl Iterator<Item = ([u8; 4], usize)> {
        ends.as_chunks::<8>().0.iter().map(|[a, b, c, d, end @ ..]| {
            ([*a, *b, *c, *d], usize::try_from(u32::from_le_bytes(*end)).unwrap_or(usize::MAX))
        })
    }

    /// The value of a tag.
    pub fn value(&self, tag: &[u8; 4]) -> Option<&'a [u8]> {
        let mut start = 0;
        for (name, end) in Self::entries(self.ends) {
            if name == *tag {
                return self.values.get(start..end);
            }
            start = end;
        }
        None
    }
}

#[cfg(test)]
pub mod testing {
    /// A message with these values.
    pub fn message(tag: &[u8; 4], values: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut out = [&tag[..], &(values.len() as u16).to_le_bytes(), &[0, 0]].concat();
        let mut end = 0;
        for (name, value) in values {
            end += value.len() as u32;
            out.extend([&name[..], &end.to_le_bytes()].concat());
        }
        values.iter().for_each(|(_, value)| out.extend_from_slice(value));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::testing::message;
    use super::*;

    const Q024: u32 = u32::from_be_bytes(*b"Q024");
    const Q039: u32 = u32::from_be_bytes(*b"Q039");

    #[test]
    fn public_headers_of_both_sides() {
        let mut bytes = b"\x0d\xdb\x40\xda\xa3\xbb\xe2\xff\x51Q024\x01".to_vec();
        bytes.extend([0; 20]);
        let p = public(&bytes, None, false).unwrap();
        assert_eq!((p.version, p.cid, p.payload.len()), (Some(Q024), &bytes[1..9], 20));
        assert!(is_likely(&bytes) && !is_likely(&bytes[..26]));
        let server = public(&bytes, Some(Q024), true).unwrap();
        assert_eq!((server.version, &server.offered[..4]), (None, &b"Q024"[..]), "a list of versions");
        // A server of Q039 sends a nonce, and leaves the identifier out.
        let nonce = [&[0x04][..], &[9; 32], &[1], b"rest"].concat();
        let p = public(&nonce, Some(Q039), true).unwrap();
        assert_eq!((p.cid, p.payload), (&[][..], &b"rest"[..]));
        let old = public(&[0x14, 7, 0, 1, b'x'], Some(Q024), true).unwrap();
        assert_eq!((old.cid, old.payload), (&[7][..], &b"x"[..]));
        assert!(public(&[0x0a; 30], None, false).is_err(), "a reset");
        bytes[10] = b'x';
        assert!(!is_likely(&bytes));
    }

    #[test]
    fn the_stream_of_the_handshake_is_found() {
        let hello = message(CHLO, &[(b"SNI\0", b"a.example")]);
        let len = hello.len() as u8;
        let crypto = |bytes: &[u8], version| match clear_crypto(&mut Reader::new(bytes), version) {
            Some(Frame::Crypto { offset, bytes }) => Some((offset, bytes.to_vec())),
            _ => None,
        };
        let be = [&[0xa0, 1, 0, len][..], &hello, &[0; 9]].concat();
        assert_eq!(crypto(&be, Q039), Some((0, hello.clone())));
        let le = [&[0xa4, 1, 5, 0, len, 0][..], &hello].concat();
        assert_eq!(crypto(&le, Q024), Some((5, hello.clone())));
        let rest = [&[0x80, 1][..], &hello].concat();
        assert_eq!(crypto(&rest, Q039), Some((0, hello.clone())));
        let behind = [&[0x40, 1, 0, 0, 1, 0, 0x06, 0][..], &be].concat();
        let found = crypto(&behind, Q039).unwrap().1;
        assert_eq!(Message::read(&found).unwrap().value(b"SNI\0"), Some(&b"a.example"[..]));
        assert_eq!(crypto(&[0xa0, 5, 0, 1, 0], Q039), None, "another stream");
        assert_eq!(crypto(&[0xa0, 1, 0xff, 0xff, 0], Q039), None, "more than there is");
    }

    #[test]
    fn frames_under_protection() {
        let bytes = [&[0, 0, 0x40, 1, 0, 0, 1, 0][..], &[0x60, 9, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5], &[7]].concat();
        let mut r = Reader::new(&bytes);
        for _ in 0..3 {
            assert_eq!(sealed_frame(&mut r), Some(Frame::Other));
        }
        assert_eq!(sealed_frame(&mut r), None);
        let close = [0x02, 0, 0, 0, 25, 0, 2, b'n', b'o'];
        let want = Frame::Close { code: 25, by_application: false, reason: b"no" };
        assert_eq!(sealed_frame(&mut Reader::new(&close)), Some(want));
        assert_eq!(sealed_frame(&mut Reader::new(&[0x08, 0, 3, 1, 2])), None);
    }

    #[test]
    fn messages_are_tables_of_tags() {
        let bytes = message(CHLO, &[(b"SNI\0", b"a.example"), (b"UAID", b"Chrome/1"), (b"VER\0", b"Q043")]);
        let m = Message::read(&bytes).unwrap();
        assert_eq!((m.tag, m.value(b"UAID"), m.value(b"PDMD")), (*CHLO, Some(&b"Chrome/1"[..]), None));
        for end in 0..bytes.len() {
            assert!(Message::read(&bytes[..end]).unwrap_err().is_short(), "{end}");
        }
        let mut backwards = bytes.clone();
        backwards[20] = 1;
        assert!(!Message::read(&backwards).unwrap_err().is_short());
        let mut many = bytes;
        many[5] = 1;
        assert!(!Message::read(&many).unwrap_err().is_short());
    }
}

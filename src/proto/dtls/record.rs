//! Records of a datagram, and how DTLS is told from other protocols by them.
//!
//! ```text
//! plain:    type(1) version(2) epoch(2) sequence(6) [connection id] length(2) payload
//! unified:  001CSLEE [connection id] sequence(1 or 2) [length(2)] payload       DTLS 1.3, encrypted
//! handshake fragment: type(1) length(3) message_seq(2) offset(3) fragment length(3) body
//! ```
//! The connection identifier stands in plain records of type 25 only (RFC 9146, section 4), and in unified
//! ones where the bit C is set. Nothing but the hellos tells how long it is.

use crate::base::{ReadError, Reader};
use crate::proto::api::Probe;
use crate::proto::tls::messages::{self, kind};

/// Types of content (IANA TLS ContentType registry).
pub mod content {
    pub use crate::proto::tls::records::content::{ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE};
    /// A record with a connection identifier, whatever is in it (RFC 9146).
    pub const TLS12_CID: u8 = 25;
    /// Acknowledgement (RFC 9147, section 7).
    pub const ACK: u8 = 26;
}

/// Bytes of a plain header without connection identifier.
pub const HEADER: usize = 13;
/// Bytes of a handshake fragment's header.
pub const FRAGMENT_HEADER: usize = 12;
/// What CAPWAP puts before the records of its control channel (RFC 5415, section 4.2).
const CAPWAP_PREAMBLE: &[u8] = &[1, 0, 0, 0];
/// Shortest protected payload: the tag of a cipher with short tags and a byte (RFC 6655).
const PROTECTED_MIN: usize = 9;

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// With a plain header; the payload is in clear in epoch 0 only.
    Plain {
        /// Type of the content.
        ty: u8,
        /// Epoch: counts changes of keys.
        epoch: u16,
        /// Its number, with the epoch in front.
        number: u64,
        /// What is in it; of the last record as much as was captured.
        payload: &'a [u8],
    },
    /// With a unified header.
    Unified {
        /// The two lowest bits of the epoch.
        epoch: u8,
        /// Bytes of the payload.
        len: usize,
    },
}

/// Whether a number is a version of DTLS on the wire; 0x0100 is what OpenSSL sent before DTLS was
/// numbered, and what Cisco AnyConnect went on with.
pub const fn is_version(version: u16) -> bool {
    matches!(version, 0xfeff | 0xfefd | 0xfefc | 0x0100)
}

/// Takes the next record off `bytes`. `cid` is how long a connection identifier is in this direction;
/// where it is not known, a record that has one ends with the datagram.
pub fn next<'a>(bytes: &mut &'a [u8], cid: Option<usize>) -> Result<Record<'a>, ReadError> {
    let mut r = Reader::new(bytes);
    let ty = r.u8("record type")?;
    if ty >> 5 == 1 {
        let record = unified(ty, &mut r, cid)?;
        *bytes = r.rest();
        return Ok(record);
    }
    if !matches!(ty, content::CHANGE_CIPHER_SPEC..=content::ACK) {
        return Err(ReadError::invalid("record type"));
    }
    if !is_version(r.be16("record version")?) {
        return Err(ReadError::invalid("record version"));
    }
    let epoch = r.be16("epoch")?;
    let (high, low) = (r.be16("sequence number")?, r.be32("sequence number")?);
    let number = u64::from(epoch) << 48 | u64::from(high) << 32 | u64::from(low);
    if ty == content::TLS12_CID {
        let Some(cid) = cid else {
            let payload = std::mem::take(bytes).get(HEADER..).unwrap_or_default();
            return Ok(Record::Plain { ty, epoch, number, payload });
        };
        r.skip("connection identifier", cid)?;
    }
    let len = usize::from(r.be16("record length")?);
    if len == 0 {
        return Err(ReadError::invalid("record length"));
    }
    // A capture may have cut the datagram.
    let payload = r.take("record", len.min(r.remaining()))?;
    *bytes = r.rest();
    Ok(Record::Plain { ty, epoch, number, payload })
}

fn unified<'a>(first: u8, r: &mut Reader<'a>, cid: Option<usize>) -> Result<Record<'a>, ReadError> {
    const CID: u8 = 0x10;
    const LONG_SEQUENCE: u8 = 0x08;
    const LENGTH: u8 = 0x04;
    let epoch = first & 3;
    if first & CID != 0 {
        let Some(cid) = cid else { return Ok(Record::Unified { epoch, len: r.rest().len() }) };
        r.skip("connection identifier", cid)?;
    }
    r.skip("sequence number", if first & LONG_SEQUENCE != 0 { 2 } else { 1 })?;
    let len = if first & LENGTH != 0 { usize::from(r.be16("record length")?) } else { r.remaining() };
    r.skip("record", len.min(r.remaining()))?;
    Ok(Record::Unified { epoch, len })
}

/// A part of a handshake message, or the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Type of the message.
    pub ty: u8,
    /// Bytes of the whole message.
    pub total: usize,
    /// Number of the message in its direction.
    pub seq: u16,
    /// Where the fragment begins in it.
    pub offset: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Takes the next one off the payload of a handshake record.
    pub fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let ty = r.u8("message type")?;
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let total = size(r.be24("message length")?);
        let seq = r.be16("message number")?;
        let offset = size(r.be24("fragment offset")?);
        let len = size(r.be24("fragment length")?);
        if !messages::is_known(ty) || offset + len > total || (len == 0 && total > 0) {
            return Err(ReadError::invalid("handshake fragment"));
        }
        Ok(Self { ty, total, seq, offset, bytes: r.take("fragment", len)? })
    }

    /// Whether it is what it says it is, as far as its front tells.
    fn is_sound(&self) -> bool {
        let version = match self.bytes {
            [a, b, ..] => u16::from_be_bytes([*a, *b]),
            _ => 0,
        };
        match self.ty {
            kind::CLIENT_HELLO | kind::SERVER_HELLO if self.offset == 0 => self.total >= 38 && is_version(version),
            kind::HELLO_VERIFY_REQUEST => self.total >= 3 && (self.offset > 0 || is_version(version)),
            kind::CERTIFICATE => self.total >= 3,
            _ => true,
        }
    }
}

/// The records of a datagram without what CAPWAP puts before them, and whether it did.
pub fn records(datagram: &[u8]) -> (&[u8], bool) {
    match datagram.strip_prefix(CAPWAP_PREAMBLE) {
        Some(rest @ [20..=25, 0xfe, 0xfc | 0xfd | 0xff, ..]) => (rest, true),
        _ => (datagram, false),
    }
}

/// Whether a datagram is DTLS: plain records that fill it. A hello may have been cut by the capture.
pub fn probe(datagram: &[u8]) -> Probe {
    let (mut rest, _) = records(datagram);
    if rest.first().is_none_or(|b| b >> 5 == 1) {
        // A unified header is one byte that may be anything.
        return Probe::No;
    }
    let mut is_hello = false;
    let mut first = true;
    while !rest.is_empty() {
        let before = rest;
        let Ok(record) = next(&mut rest, None) else { return if is_hello { Probe::Yes } else { Probe::No } };
        let Record::Plain { ty, epoch, payload, .. } = record else { continue };
        let said = Reader::new(before.get(HEADER - 2..).unwrap_or_default()).be16("record length").unwrap_or_default();
        let cut = ty != content::TLS12_CID && usize::from(said) > payload.len();
        let sound = match (ty, epoch) {
            (content::HANDSHAKE, 0) => {
                let mut r = Reader::new(payload);
                let hello = matches!(payload.first(), Some(&(kind::CLIENT_HELLO | kind::SERVER_HELLO)));
                match Fragment::read(&mut r) {
                    Ok(fragment) => {
                        is_hello |= hello;
                        fragment.is_sound()
                    }
                    Err(e) => e.is_short() && cut && hello && payload.len() > FRAGMENT_HEADER + 38,
                }
            }
            // OpenSSL's old version has a message number in it.
            (content::CHANGE_CIPHER_SPEC, _) => matches!(payload, [1] | [1, _, _]) || epoch > 0,
            (content::ALERT, 0) => matches!(payload, [1 | 2, _]),
            (content::ACK, 0) => payload.len() >= 2,
            (_, 0) => false,
            _ => payload.len() >= PROTECTED_MIN,
        };
        if !sound || (cut && !(first && is_hello)) {
            return Probe::No;
        }
        first = false;
    }
    Probe::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of ciphers, and a handshake record of epoch 1.
    const FINISHED: &[u8] = b"\x14\xfe\xfd\0\0\0\0\0\0\0\x05\0\x01\x01\x16\xfe\xfd\0\x01\0\0\0\0\0\0\0\x0a0123456789";

    #[test]
    fn plain_records_follow_each_other() {
        let mut rest = FINISHED;
        let first = next(&mut rest, None).unwrap();
        assert_eq!(first, Record::Plain { ty: 20, epoch: 0, number: 5, payload: &[1] });
        let second = next(&mut rest, None).unwrap();
        assert_eq!(second, Record::Plain { ty: 22, epoch: 1, number: 1 << 48, payload: b"0123456789" });
        assert!(rest.is_empty());
    }

    #[test]
    fn a_connection_identifier_stands_before_the_length() {
        let record = b"\x19\xfe\xfd\0\x01\0\0\0\0\0\0\xc1\xd2\0\x03abc\x14";
        let mut rest = &record[..];
        let number = 1 << 48;
        assert_eq!(next(&mut rest, Some(2)).unwrap(), Record::Plain { ty: 25, epoch: 1, number, payload: b"abc" });
        assert_eq!(rest, [0x14]);
        let mut rest = &record[..];
        next(&mut rest, None).unwrap();
        assert!(rest.is_empty(), "of unknown length: the rest of the datagram");
    }

    #[test]
    fn the_unified_header_in_all_its_forms() {
        // RFC 9147, figure 4: with everything, with nothing.
        let mut rest = &b"\x3f\xaa\xbb\x01\x02\0\x03abcx"[..];
        assert_eq!(next(&mut rest, Some(2)).unwrap(), Record::Unified { epoch: 3, len: 3 });
        assert_eq!(rest, b"x");
        let mut rest = &b"\x22\x07abcdef"[..];
        assert_eq!(next(&mut rest, None).unwrap(), Record::Unified { epoch: 2, len: 6 });
        assert!(rest.is_empty());
        let mut rest = &b"\x32anything"[..];
        assert_eq!(next(&mut rest, None).unwrap(), Record::Unified { epoch: 2, len: 8 });
        for cut in 1..7 {
            assert!(next(&mut &b"\x3f\xaa\xbb\x01\x02\0\x03abcx"[..cut], Some(2)).is_err());
        }
    }

    #[test]
    fn records_fill_their_datagram() {
        // A ServerHelloDone.
        let mut done = b"\x16\xfe\xff\0\0\0\0\0\0\0\x04\0\x0c\x0e\0\0\0\0\x04\0\0\0\0\0\0".to_vec();
        assert_eq!(probe(&done), Probe::Yes);
        done.push(0);
        assert_eq!(probe(&done), Probe::No, "a byte too many");
        assert_eq!(probe(FINISHED), Probe::Yes);
        for cut in 0..FINISHED.len() {
            // Behind the first record there may be nothing more.
            assert_eq!(probe(&FINISHED[..cut]) == Probe::Yes, cut == 14, "cut at {cut}");
        }
        assert_eq!(probe(b"\x16\x03\x03\0\0\0\0\0\0\0\0\0\x01\x01"), Probe::No, "TLS has no place in a datagram");
        assert_eq!(probe(b"\x32anything"), Probe::No);
        assert_eq!(probe(b"\x15\xfe\xfd\0\0\0\0\0\0\0\x05\0\x02\x02\x28"), Probe::Yes);
        assert_eq!(probe(b"\x15\xfe\xfd\0\0\0\0\0\0\0\x05\0\x02\x07\x28"), Probe::No, "no level of an alert");
        // OpenSSL's old version, as AnyConnect sends it.
        assert_eq!(probe(b"\x14\x01\0\0\0\0\0\0\0\0\x02\0\x03\x01\0\x02"), Probe::Yes);
    }

    #[test]
    fn capwap_has_four_bytes_before_the_records() {
        let datagram = [CAPWAP_PREAMBLE, FINISHED].concat();
        assert_eq!(records(&datagram), (FINISHED, true));
        assert_eq!(probe(&datagram), Probe::Yes);
        // WireGuard's first message begins alike.
        assert_eq!(probe(b"\x01\0\0\0\x16\xfe\x12\x34abcdefghijklmnop"), Probe::No);
    }

    #[test]
    fn fragments_stay_within_their_message() {
        let read =
            |bytes: &[u8]| Fragment::read(&mut Reader::new(bytes)).ok().map(|f| (f.seq, f.offset, f.bytes.len()));
        assert_eq!(read(b"\x0b\0\0\x05\0\x02\0\0\x03\0\0\x02ab"), Some((2, 3, 2)));
        assert_eq!(read(b"\x0b\0\0\x05\0\x02\0\0\x03\0\0\x03abc"), None, "beyond its end");
        assert_eq!(read(b"\x0b\0\0\x05\0\x02\xff\xff\xff\xff\xff\xffabc"), None);
        assert_eq!(read(b"\x0b\0\0\x05\0\x02\0\0\x03\0\0\0"), None, "an empty part");
        assert_eq!(read(b"\x0e\0\0\0\0\x02\0\0\0\0\0\0"), Some((2, 0, 0)));
    }
}

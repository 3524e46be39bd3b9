//! Long headers and version negotiation (RFC 8999; RFC 9000, section 17.2; RFC 9369, section 3.2).
//!
//! ```text
//! first(1) version(4) destination<1> source<1> ...            <n>: preceded by its length in n bytes
//!   Initial:            token<varint> length(varint) number(1-4, protected) payload and tag
//!   0-RTT, Handshake:   length(varint) number payload and tag
//!   Retry:              token tag(16)
//!   version 0:          versions(4 each)
//! ```
//! Up to draft 21, and in Google QUIC up to Q046, both identifiers have their lengths in one byte: four
//! bits each, none for 0, otherwise three less than the length.

use super::version;
use crate::base::{ReadError, Reader};

/// Longest connection identifier (RFC 9000, section 17.2).
pub const CONNECTION_ID_MAX: usize = 20;

/// The tag at the end of a protected packet, and of a Retry.
pub const TAG_BYTES: usize = 16;

/// What a packet with a long header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Carries the first messages of the handshake, with keys that everybody can derive.
    Initial,
    /// Data before the answer.
    ZeroRtt,
    /// The rest of the handshake.
    Handshake,
    /// The server wants a token first.
    Retry,
    /// Lists what versions a server has.
    Negotiation,
    /// Of a version whose packets are not known.
    Unknown,
}

/// A packet with a long header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long<'a> {
    /// Version.
    pub version: u32,
    /// What it is.
    pub kind: Kind,
    /// Destination connection identifier.
    pub dcid: &'a [u8],
    /// Source connection identifier.
    pub scid: &'a [u8],
    /// Token of an Initial or a Retry; empty where there is none.
    pub token: &'a [u8],
    /// The packet, from its first byte to its tag.
    pub packet: &'a [u8],
    /// Where the packet number stands in it; of a negotiation the list.
    pub number_at: usize,
    /// Whether all of it is there: no where its length goes beyond the datagram.
    pub whole: bool,
}

/// A number of one to eight bytes, the first two bits of which tell how many (RFC 9000, section 16).
pub fn varint(r: &mut Reader<'_>, field: &'static str) -> Result<u64, ReadError> {
    let first = r.u8(field)?;
    let more = (1_usize << (first >> 6)) - 1;
    let rest = r.take(field, more)?;
    Ok(rest.iter().fold(u64::from(first & 0x3f), |n, b| n << 8 | u64::from(*b)))
}

/// A length: one that no datagram can hold reads as the largest there is.
pub fn length(r: &mut Reader<'_>, field: &'static str) -> Result<usize, ReadError> {
    Ok(usize::try_from(varint(r, field)?).unwrap_or(usize::MAX))
}

fn connection_ids<'a>(r: &mut Reader<'a>, version: u32) -> Result<(&'a [u8], &'a [u8]), ReadError> {
    const FIELD: &str = "connection id";
    let checked = |len: u8| match usize::from(len) {
        len @ 0..=CONNECTION_ID_MAX => Ok(len),
        _ => Err(ReadError::invalid(FIELD)),
    };
    if version::has_short_lengths(version) {
        let lengths = r.u8("connection id lengths")?;
        let len = |n: u8| if n == 0 { 0 } else { usize::from(n) + 3 };
        let dcid = r.take(FIELD, len(lengths >> 4))?;
        return Ok((dcid, r.take(FIELD, len(lengths & 15))?));
    }
    let len = r.u8(FIELD)?;
    let dcid = r.take(FIELD, checked(len)?)?;
    let len = r.u8(FIELD)?;
    Ok((dcid, r.take(FIELD, checked(len)?)?))
}

fn kind(first: u8, version: u32) -> Kind {
    const ORDER: [Kind; 4] = [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry];
    let ty = usize::from(first >> 4 & 3);
    match version {
        version::NEGOTIATION => Kind::Negotiation,
        // RFC 9369, section 3.2: each is one higher.
        v if version::has_types_of_v2(v) => ORDER.get((ty + 3) % 4).copied().unwrap_or(Kind::Unknown),
        v if version::is_known(v) || version::is_reserved(v) => ORDER.get(ty).copied().unwrap_or(Kind::Unknown),
        _ => Kind::Unknown,
    }
}

impl<'a> Long<'a> {
    /// Reads the packet that the cursor stands before, and passes over it.
    pub fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let all = r.peek_rest();
        let start = r.position();
        let first = r.u8("first byte")?;
        if first & 0x80 == 0 {
            return Err(ReadError::invalid("long header"));
        }
        let version = r.be32("version")?;
        let (dcid, scid) = connection_ids(r, version)?;
        let mut kind = kind(first, version);
        let mut token: &[u8] = &[];
        let mut whole = true;
        // Google QUIC gave its packets a length with Q049; before it, one filled the datagram.
        let has_length = version::google(version).is_none_or(|n| n >= 49);
        let number_at;
        match kind {
            Kind::Initial | Kind::ZeroRtt | Kind::Handshake if has_length => {
                if kind == Kind::Initial {
                    let len = length(r, "token length")?;
                    token = r.take("token", len)?;
                }
                let len = length(r, "packet length")?;
                number_at = r.position() - start;
                whole = len <= r.remaining();
                r.skip("packet", len.min(r.remaining()))?;
            }
            Kind::Retry => {
                number_at = r.position() - start;
                let rest = r.rest();
                let end = rest.len().checked_sub(TAG_BYTES).filter(|n| *n > 0);
                token = end.and_then(|n| rest.get(..n)).ok_or(ReadError::invalid("retry token"))?;
            }
            Kind::Negotiation => {
                number_at = r.position() - start;
                let list = r.rest();
                if list.is_empty() || !list.len().is_multiple_of(4) {
                    return Err(ReadError::invalid("versions"));
                }
            }
            _ => {
                number_at = r.position() - start;
                r.rest();
                kind = if version::google(version).is_some() { kind } else { Kind::Unknown };
            }
        }
        let packet = all.get(..r.position() - start).unwrap_or_default();
        Ok(Self { version, kind, dcid, scid, token, packet, number_at, whole })
    }

    /// What stands behind the header: of a negotiation the versions.
    pub fn rest(&self) -> &'a [u8] {
        self.packet.get(self.number_at..).unwrap_or_default()
    }

    /// The versions of a negotiation.
    pub fn versions(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.rest().as_chunks::<4>().0.iter().map(|v| u32::from_be_bytes(*v))
    }
}

/// Whether a datagram begins with a long header that is no accident.
pub fn is_likely(bytes: &[u8]) -> bool {
    /// What a client's first datagram is filled up to (RFC 9000, section 14.1).
    const FIRST_DATAGRAM: usize = 1200;
    let Ok(p) = Long::read(&mut Reader::new(bytes)) else { return false };
    // The second bit is set in all that a version of QUIC sends before it is known to be understood
    // without it (RFC 9287, section 3).
    let fixed = bytes.first().is_some_and(|b| b & 0x40 != 0);
    // Anything but a negotiation has at least a sample for header protection behind its number.
    let enough = p.rest().len() >= 20 || p.kind == Kind::Retry;
    match p.kind {
        Kind::Negotiation => p.versions().any(version::is_known),
        _ if version::is_reserved(p.version) => fixed && enough && bytes.len() >= FIRST_DATAGRAM,
        _ => fixed && enough && version::is_known(p.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Long<'_>, ReadError> {
        Long::read(&mut Reader::new(bytes))
    }

    #[test]
    fn numbers_of_all_lengths() {
        // RFC 9000, appendix A.1.
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(varint(&mut Reader::new(bytes), "n"), Ok(value));
            assert!(varint(&mut Reader::new(&bytes[..bytes.len() - 1]), "n").unwrap_err().is_short());
        }
    }

    #[test]
    fn packets_share_a_datagram() {
        let mut bytes = vec![0xc0, 0, 0, 0, 1, 2, 1, 2, 1, 9, 3, 7, 7, 7, 4, 1, 2, 3, 4];
        bytes.extend([0xe0, 0, 0, 0, 1, 0, 0, 2, 5, 6, 0x40]);
        let mut r = Reader::new(&bytes);
        let initial = Long::read(&mut r).unwrap();
        assert_eq!((initial.kind, initial.dcid, initial.scid), (Kind::Initial, &[1, 2][..], &[9][..]));
        assert_eq!((initial.token, initial.rest(), initial.whole), (&[7, 7, 7][..], &[1, 2, 3, 4][..], true));
        let handshake = Long::read(&mut r).unwrap();
        assert_eq!((handshake.kind, handshake.rest()), (Kind::Handshake, &[5, 6][..]));
        assert_eq!(r.rest(), [0x40], "a short header is for somebody else");
    }

    #[test]
    fn version_2_numbers_its_packets_anew() {
        let of = |first: u8| {
            let tail = [0; 40];
            let bytes = [&[first, 0x6b, 0x33, 0x43, 0xcf, 0, 0][..], &tail].concat();
            read(&bytes).unwrap().kind
        };
        assert_eq!(
            [of(0xd0), of(0xe0), of(0xf0), of(0xc0)],
            [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry]
        );
    }

    #[test]
    fn forged_lengths_are_refused_or_cut() {
        let id = |len: u8| [&[0xc0, 0, 0, 0, 1, len][..], &[7; 300]].concat();
        assert!(read(&id(20)).is_ok());
        for len in [21, 0x80, 0xff] {
            assert!(read(&id(len)).is_err(), "{len}");
        }
        // A token and a packet that no datagram can hold.
        let huge = [0xff; 8];
        let head = [0xc0, 0, 0, 0, 1, 0, 0];
        assert!(read(&[&head[..], &huge, &[0; 40]].concat()).unwrap_err().is_short());
        let cut = [&head[..], &[0], &huge, &[0; 40]].concat();
        let cut = read(&cut).unwrap();
        assert_eq!((cut.whole, cut.rest().len()), (false, 40));
        // Nothing of any shorter piece panics.
        let bytes = id(8);
        for end in 0..40 {
            let _ = read(&bytes[..end]);
        }
        assert!(read(&[0xf0, 0, 0, 0, 1, 0, 0, 1, 2, 3]).is_err(), "a Retry without a tag");
    }

    #[test]
    fn a_negotiation_lists_whole_versions() {
        let bytes = [0x80, 0, 0, 0, 0, 1, 7, 1, 9, 0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf];
        let p = read(&bytes).unwrap();
        assert_eq!((p.kind, p.versions().collect::<Vec<_>>()), (Kind::Negotiation, vec![1, version::V2]));
        assert!(is_likely(&bytes));
        assert!(!is_likely(&bytes[..15]), "half a version");
        // RTP with its first sequence number has zeros in the same place.
        assert!(!is_likely(&[0x80, 0, 0, 0, 0, 0, 0, 0xa0, 1, 2, 3, 4]));
    }

    #[test]
    fn old_headers_have_their_lengths_in_one_byte() {
        let q046 = [&[0xc3][..], b"Q046", &[0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1], &[0; 30]].concat();
        let p = read(&q046).unwrap();
        assert_eq!((p.kind, p.dcid.len(), p.scid.len(), p.rest().len()), (Kind::Initial, 8, 0, 34));
        let draft = [&[0xc3, 0xff, 0, 0, 0x13, 0x05, 1, 2, 3, 4, 5, 6, 7, 8, 0, 20][..], &[0; 20]].concat();
        assert_eq!(read(&draft).unwrap().scid.len(), 8);
    }

    #[test]
    fn only_known_versions_are_likely() {
        // RFC 9001, appendix A.2: the client's first packet.
        let mut initial = vec![0xc3, 0, 0, 0, 1, 8, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08, 0, 0, 0x44, 0x9e];
        initial.extend([0x5a; 1182]);
        assert!(is_likely(&initial));
        for end in 0..37 {
            assert!(!is_likely(&initial[..end]), "{end} bytes");
        }
        let with = |version: [u8; 4]| [&initial[..1], &version, &initial[5..]].concat();
        assert!(is_likely(&with([0xff, 0, 0, 0x1d])) && is_likely(&with([0x1a, 0x2a, 0x3a, 0x4a])));
        assert!(!is_likely(&with([0x1a, 0x2a, 0x3a, 0x4a])[..1000]));
        assert!(!is_likely(&with([0, 0, 0, 2])) && !is_likely(&with([0xf7, 0xab, 0, 0xe5])));
        initial[0] = 0x83;
        assert!(!is_likely(&initial), "the second bit is not set");
        initial[0] = 0x43;
        assert!(!is_likely(&initial), "a short header tells nothing");
    }
}

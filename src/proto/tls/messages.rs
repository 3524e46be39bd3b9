//! Handshake messages of TLS up to 1.2 that come behind the ServerHello.

use crate::base::{ReadError, Reader, limits};
use crate::fingerprint::registry::{self, KeyExchange};

/// Types of handshake messages (IANA TLS HandshakeType registry) that are looked into.
pub mod kind {
    /// ClientHello.
    pub const CLIENT_HELLO: u8 = 1;
    /// ServerHello; HelloRetryRequest too.
    pub const SERVER_HELLO: u8 = 2;
    /// HelloVerifyRequest of DTLS (RFC 6347, section 4.2.1).
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    /// HelloRetryRequest of the drafts up to 21.
    pub const DRAFT_RETRY: u8 = 6;
    /// Certificate.
    pub const CERTIFICATE: u8 = 11;
    /// ServerKeyExchange.
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    /// ServerHelloDone.
    pub const SERVER_HELLO_DONE: u8 = 14;
    /// KeyUpdate (TLS 1.3).
    pub const KEY_UPDATE: u8 = 24;
}

/// Whether a number is a type of handshake message at all; an encrypted message seldom begins with
/// one.
pub const fn is_known(ty: u8) -> bool {
    matches!(ty, 0..=6 | 8 | 11..=16 | 20..=25 | 67)
}

/// Whether the content of a message is of interest.
pub const fn is_read(ty: u8) -> bool {
    matches!(
        ty,
        kind::CLIENT_HELLO
            | kind::SERVER_HELLO
            | kind::DRAFT_RETRY
            | kind::CERTIFICATE
            | kind::SERVER_KEY_EXCHANGE
            | kind::SERVER_HELLO_DONE
    )
}

/// The certificates of a Certificate message, in DER, the sender's own first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain<'a> {
    /// Those that were read.
    pub certificates: Vec<&'a [u8]>,
    /// Whether there are more than [`limits::TLS_CHAIN_MAX`], which are passed over.
    pub cut: bool,
}

impl<'a> Chain<'a> {
    /// Adds one; says whether there was room.
    fn add(&mut self, der: &'a [u8]) -> bool {
        self.cut = self.certificates.len() >= limits::TLS_CHAIN_MAX;
        if !self.cut {
            self.certificates.push(der);
        }
        !self.cut
    }
}

/// The certificates of a Certificate message (RFC 5246, section 7.4.2); those that are whole where the list is
/// damaged.
pub fn chain(body: &[u8]) -> Chain<'_> {
    let mut out = Chain::default();
    let mut r = Reader::new(body);
    let Ok(len) = r.be24("certificates length") else { return out };
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(r.remaining());
    let Ok(mut list) = r.sub("certificates", len) else { return out };
    while let Ok(mut der) = list.vec24("certificate")
        && out.add(der.rest())
    {}
    out
}

/// The certificates of a Certificate message of TLS 1.3 (RFC 8446, section 4.4.2), likewise; each has extensions behind it.
pub fn chain_13(body: &[u8]) -> Chain<'_> {
    let mut out = Chain::default();
    let mut r = Reader::new(body);
    if r.vec8("request context").is_err() {
        return out;
    }
    let Ok(mut list) = r.vec24("certificates") else { return out };
    while let Ok(mut der) = list.vec24("certificate")
        && out.add(der.rest())
        && list.vec16("extensions").is_ok()
    {}
    out
}

/// What a ServerKeyExchange says (RFC 5246, section 7.4.3; RFC 8422, section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyShare {
    /// Named group.
    pub group: Option<u16>,
    /// Bits of the prime.
    pub dh_bits: Option<u32>,
    /// Algorithm of the signature (TLS 1.2 only; earlier versions leave no choice).
    pub signature_scheme: Option<u16>,
}

/// Reads a ServerKeyExchange; what it holds depends on the version and the cipher suite.
pub fn key_share(body: &[u8], version: u16, cipher: u16) -> Result<KeyShare, ReadError> {
    let mut r = Reader::new(body);
    let mut out = KeyShare::default();
    let (exchange, hint) = registry::key_exchange(cipher);
    if hint {
        r.vec16("pre-shared key hint")?;
    }
    match exchange {
        KeyExchange::FiniteField => {
            let prime = r.vec16("prime")?.rest();
            out.dh_bits = Some(bits(prime));
            r.vec16("generator")?;
            r.vec16("public value")?;
        }
        KeyExchange::Curve => {
            // 3: a named curve. The others were never in use (RFC 8422 forbids them).
            if r.u8("curve type")? != 3 {
                return Ok(out);
            }
            out.group = Some(r.be16("named curve")?);
            r.vec8("public point")?;
        }
        KeyExchange::Other => return Ok(out),
    }
    if matches!(version, 0x0303 | 0xfefd) && registry::is_signed(cipher) {
        out.signature_scheme = r.be16("signature algorithm").ok();
    }
    Ok(out)
}

/// Bits of a number, most significant byte first.
fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    let Some((first, rest)) = number.get(zeros..).and_then(<[u8]>::split_first) else { return 0 };
    u32::try_from(rest.len()).unwrap_or(u32::MAX / 8) * 8 + (8 - first.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_read_as_far_as_it_is_whole() {
        let body = [0, 0, 9, 0, 0, 2, 0x30, 0, 0, 0, 1, 0x31];
        assert_eq!(chain(&body).certificates, [&[0x30, 0][..], &[0x31]]);
        assert_eq!(chain(&body[..11]).certificates, [&[0x30, 0][..]]);
        assert!(chain(&[]).certificates.is_empty());
        assert_eq!(chain(&[0, 0, 3].iter().copied().chain([0; 300]).collect::<Vec<_>>()).certificates.len(), 1);
    }

    #[test]
    fn a_chain_of_tls_1_3_has_a_context_and_extensions() {
        let body = [1, 9, 0, 0, 15, 0, 0, 2, 0x30, 0, 0, 1, 7, 0, 0, 1, 0x31, 0, 1, 8];
        assert_eq!(chain_13(&body).certificates, [&[0x30, 0][..], &[0x31]]);
        for end in 0..body.len() {
            assert!(chain_13(&body[..end]).certificates.is_empty(), "a list that is cut is not whole: {end}");
        }
    }

    #[test]
    fn a_chain_that_is_too_long_says_so() {
        for (count, cut) in [(limits::TLS_CHAIN_MAX, false), (limits::TLS_CHAIN_MAX + 1, true), (1000, true)] {
            let list =
                |one: &[u8]| [&(one.len() as u32 * count as u32).to_be_bytes()[1..], &one.repeat(count)].concat();
            let old = list(&[0, 0, 1, 0x30]);
            let new = [&[0][..], &list(&[0, 0, 1, 0x30, 0, 0])].concat();
            for chain in [chain(&old), chain_13(&new)] {
                assert_eq!((chain.certificates.len(), chain.cut), (count.min(limits::TLS_CHAIN_MAX), cut));
            }
        }
    }

    #[test]
    fn shares_of_both_kinds() {
        let curve = [3, 0, 29, 2, 7, 7, 8, 4, 0, 0];
        let got = key_share(&curve, 0x0303, 0xc02f).unwrap();
        assert_eq!((got.group, got.dh_bits, got.signature_scheme), (Some(29), None, Some(0x0804)));
        assert_eq!(key_share(&curve, 0x0302, 0xc013).unwrap().signature_scheme, None);
        let prime = [0, 3, 0, 1, 0xff, 0, 1, 2, 0, 1, 5, 4, 1];
        let got = key_share(&prime, 0x0303, 0x0039).unwrap();
        assert_eq!((got.group, got.dh_bits, got.signature_scheme), (None, Some(9), Some(0x0401)));
        let anonymous = key_share(&prime, 0x0303, 0x001b).unwrap();
        assert_eq!((anonymous.dh_bits, anonymous.signature_scheme), (Some(9), None));
        let hinted = [0, 1, b'h', 3, 0, 23, 0];
        assert_eq!(key_share(&hinted, 0x0303, 0xc035).unwrap().group, Some(23));
        for end in 0..6 {
            assert!(key_share(&curve[..end], 0x0303, 0xc02f).is_err());
        }
    }
}

//! The key of a certificate: SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7; RFC 3279, RFC 5480).

use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::name::oid_text;
use super::{element, oids};

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Algorithm: `rsa dsa ec ed25519 ...`, else its object identifier.
    pub kind: String,
    /// Curve of an elliptic-curve key: its name, its object identifier, or `explicit`.
    pub curve: Option<String>,
    /// Length in bits: of the modulus (RSA), of the prime (DSA), of the field (curves).
    pub bits: Option<u32>,
    /// Public exponent of RSA; at most 2^63 - 1.
    pub exponent: Option<i64>,
    /// Modulus of RSA without leading zeros; empty for other keys.
    pub modulus: Box<[u8]>,
    /// SHA-256 of the SubjectPublicKeyInfo in DER: the same for the same key in any certificate.
    pub spki_sha256: [u8; 32],
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        let oid = &info.algorithm.algorithm;
        let kind = oids::key(oid.as_bytes());
        let mut key = Self {
            kind: kind.map_or_else(|| oid_text(oid), str::to_owned),
            curve: None,
            bits: kind.and_then(oids::key_bits),
            exponent: None,
            modulus: Box::default(),
            spki_sha256: Sha256::digest(der).into(),
        };
        let bytes = &info.subject_public_key.data;
        match kind {
            Some("rsa" | "rsa-pss") => {
                let (_, rsa) = RSAPublicKey::from_der(bytes).ok()?;
                let modulus = unsigned(rsa.modulus);
                key.bits = Some(bits(modulus));
                key.exponent = Some(number(rsa.exponent));
                key.modulus = modulus.into();
            }
            // The prime is the first of the parameters (RFC 3279, sections 2.3.2 and 2.3.3).
            Some("dsa" | "dh") => {
                let parameters = info.algorithm.parameters.as_ref().filter(|p| p.tag() == Tag::Sequence);
                let prime = parameters.and_then(|p| element(p.data)).filter(|(_, any, _)| any.tag() == Tag::Integer);
                key.bits = prime.map(|(_, any, _)| bits(unsigned(any.data)));
            }
            Some("ec") => key.curve(info.algorithm.parameters.as_ref(), bytes),
            _ => {}
        }
        Some(key)
    }

    fn curve(&mut self, parameters: Option<&Any<'_>>, point: &[u8]) {
        let named = parameters.filter(|p| p.tag() == Tag::Oid).map(|p| oids::curve(p.data));
        match (named, parameters) {
            (Some(Some((name, bits))), _) => (self.curve, self.bits) = (Some(name.to_owned()), Some(bits)),
            (_, Some(parameters)) => {
                self.curve = Some(match parameters.tag() {
                    Tag::Oid => parameters.as_oid().map_or_else(|_| String::from("unknown"), |oid| oid_text(&oid)),
                    _ => String::from("explicit"),
                });
                self.bits = point_bits(point);
            }
            (_, None) => self.bits = point_bits(point),
        }
    }
}

/// Bits of the field of a point: 4 x y, or 2 or 3 and x (SEC 1, section 2.3.3).
fn point_bits(point: &[u8]) -> Option<u32> {
    let (form, rest) = point.split_first()?;
    let bytes = match form {
        4 | 6 | 7 => rest.len() / 2,
        2 | 3 => rest.len(),
        _ => return None,
    };
    u32::try_from(bytes).ok()?.checked_mul(8)
}

/// A number without leading zeros.
fn unsigned(bytes: &[u8]) -> &[u8] {
    bytes.get(bytes.iter().take_while(|b| **b == 0).count()..).unwrap_or_default()
}

fn bits(number: &[u8]) -> u32 {
    let Some((first, rest)) = number.split_first() else { return 0 };
    u32::try_from(rest.len()).unwrap_or(u32::MAX / 8).saturating_mul(8).saturating_add(8 - first.leading_zeros())
}

/// A number, at most the largest that fits.
fn number(bytes: &[u8]) -> i64 {
    let bytes = unsigned(bytes);
    if bytes.len() > 8 {
        return i64::MAX;
    }
    let n = bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SubjectPublicKeyInfo: the algorithm's identifier and parameters in DER, and the key.
    fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
        let tlv = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        tlv(0x30, &[tlv(0x30, algorithm), tlv(3, &[&[0], key].concat())].concat())
    }

    #[test]
    fn keys_of_every_kind() {
        let rsa = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        let key = PublicKey::read(&info(&rsa, &[0x30, 9, 2, 2, 0, 0x8f, 2, 3, 1, 0, 1])).unwrap();
        assert_eq!(
            (key.kind.as_str(), key.bits, key.exponent, &*key.modulus),
            ("rsa", Some(8), Some(65537), &[0x8f][..])
        );
        let ec = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let key = PublicKey::read(&info(&ec, &[4; 65])).unwrap();
        assert_eq!((key.kind.as_str(), key.curve.as_deref(), key.bits), ("ec", Some("secp256r1"), Some(256)));
        let unnamed = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 2, 0x2a, 3];
        let key = PublicKey::read(&info(&unnamed, &[4; 41])).unwrap();
        assert_eq!((key.curve.as_deref(), key.bits), (Some("1.2.3"), Some(160)));
        let explicit = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x30, 0];
        let key = PublicKey::read(&info(&explicit, &[2; 21])).unwrap();
        assert_eq!((key.curve.as_deref(), key.bits), (Some("explicit"), Some(160)));
        let dsa = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1, 0x30, 4, 2, 2, 0, 0xff];
        assert_eq!(PublicKey::read(&info(&dsa, &[2, 1, 1])).unwrap().bits, Some(8));
        assert_eq!(PublicKey::read(&info(&dsa[..9], &[2, 1, 1])).unwrap().bits, None);
        let edwards = PublicKey::read(&info(&[6, 3, 0x2b, 0x65, 112], &[7; 32])).unwrap();
        assert_eq!((edwards.kind.as_str(), edwards.bits), ("ed25519", Some(256)));
        assert_eq!(PublicKey::read(&info(&[6, 3, 0x2a, 3, 4], &[7; 32])).unwrap().kind, "1.2.3.4");
    }

    #[test]
    fn what_is_no_key() {
        let rsa = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        assert!(PublicKey::read(&info(&rsa, &[0x30, 9, 2, 2])).is_none());
        assert!(PublicKey::read(&[]).is_none());
        assert_eq!((number(&[0xff; 9]), number(&[0, 0, 3]), bits(&[])), (i64::MAX, 3, 0));
        assert_eq!((point_bits(&[]), point_bits(&[9, 9])), (None, None));
    }
}

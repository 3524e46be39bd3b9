//! Builds certificates for tests, of whatever content. Their signatures are none: nothing checks them.

#![allow(dead_code)] // every user has its own part

/// An element in DER.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let head = match len {
        0..=127 => vec![tag, len as u8],
        128..=255 => vec![tag, 0x81, len as u8],
        256..=65_535 => vec![tag, 0x82, (len >> 8) as u8, len as u8],
        _ => vec![tag, 0x83, (len >> 16) as u8, (len >> 8) as u8, len as u8],
    };
    [head, content.to_vec()].concat()
}

/// sha256WithRSAEncryption.
pub const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
/// sha1WithRSAEncryption.
pub const SHA1_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
/// md5WithRSAEncryption.
pub const MD5_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4];

/// What a certificate is made of.
#[derive(Clone)]
pub struct Certificate {
    /// The version field; none for version 1.
    pub version: Option<u8>,
    pub serial: Vec<u8>,
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    /// Tag and text of the first and the last moment.
    pub times: [(u8, Vec<u8>); 2],
    pub key: Vec<u8>,
    /// Extensions, each in DER.
    pub extensions: Vec<Vec<u8>>,
    pub signature: &'static [u8],
}

/// A name of one common name, and an organization where there is one.
pub fn name(common_name: &str, organization: &str) -> Vec<u8> {
    let part =
        |last: u8, value: &str| tlv(0x31, &tlv(0x30, &[tlv(6, &[0x55, 4, last]), tlv(12, value.as_bytes())].concat()));
    let organization = if organization.is_empty() { Vec::new() } else { part(10, organization) };
    tlv(0x30, &[organization, part(3, common_name)].concat())
}

/// An RSA key of a modulus and the exponent 65537.
pub fn rsa(modulus: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| tlv(2, &if bytes[0] & 0x80 != 0 { [&[0], bytes].concat() } else { bytes.to_vec() });
    let key = tlv(0x30, &[number(modulus), number(&[1, 0, 1])].concat());
    let algorithm = tlv(0x30, &[tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]), tlv(5, &[])].concat());
    tlv(0x30, &[algorithm, tlv(3, &[&[0], &key[..]].concat())].concat())
}

/// A modulus of so many bytes: odd, and different for each seed.
pub fn modulus(seed: u8, bytes: usize) -> Vec<u8> {
    let mut modulus: Vec<u8> = (0..bytes).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)).collect();
    modulus[0] |= 0x80;
    modulus[bytes - 1] |= 1;
    modulus
}

/// A key on P-256, different for each seed.
pub fn p256(seed: u8) -> Vec<u8> {
    let curve = tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    let algorithm = tlv(0x30, &[tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), curve].concat());
    tlv(0x30, &[algorithm, tlv(3, &[&[0, 4], &[seed; 64][..]].concat())].concat())
}

/// An extension: its object identifier and its content.
pub fn extension(oid: &[u8], content: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(6, oid), tlv(4, content)].concat())
}

/// A subjectAltName of host names.
pub fn hosts(names: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|n| tlv(0x82, n.as_bytes())).collect();
    extension(&[0x55, 0x1d, 17], &tlv(0x30, &names))
}

/// basicConstraints of an authority.
pub fn authority() -> Vec<u8> {
    extension(&[0x55, 0x1d, 19], &tlv(0x30, &tlv(1, &[0xff])))
}

/// A policy of the CA/Browser Forum: 2.23.140.1.2.1.
pub fn public_policy() -> Vec<u8> {
    extension(&[0x55, 0x1d, 32], &tlv(0x30, &tlv(0x30, &tlv(6, &[0x67, 0x81, 0x0c, 1, 2, 1]))))
}

impl Certificate {
    /// One of a host, issued by "Sample CA", valid from 2026-06 to 2027-06, with a key on P-256.
    pub fn new(host: &str) -> Self {
        Self {
            version: Some(2),
            serial: vec![1],
            issuer: name("Sample CA", "Sample Office"),
            subject: name(host, ""),
            times: [(23, b"260601120000Z".to_vec()), (23, b"270601120000Z".to_vec())],
            key: p256(host.len() as u8),
            extensions: vec![hosts(&[host])],
            signature: SHA256_RSA,
        }
    }

    /// The same, issued by itself.
    pub fn self_signed(host: &str) -> Self {
        let own = Self::new(host);
        Self { issuer: own.subject.clone(), ..own }
    }

    /// Valid between two moments, as UTCTime has them.
    pub fn valid(self, first: &str, last: &str) -> Self {
        Self { times: [(23, first.into()), (23, last.into())], ..self }
    }

    /// The whole in DER.
    pub fn der(&self) -> Vec<u8> {
        let algorithm = tlv(0x30, &[tlv(6, self.signature), tlv(5, &[])].concat());
        let [first, last] = &self.times;
        let mut body = Vec::new();
        if let Some(version) = self.version {
            body.extend(tlv(0xa0, &tlv(2, &[version])));
        }
        body.extend(tlv(2, &self.serial));
        body.extend(&algorithm);
        body.extend(&self.issuer);
        body.extend(tlv(0x30, &[tlv(first.0, &first.1), tlv(last.0, &last.1)].concat()));
        body.extend(&self.subject);
        body.extend(&self.key);
        if !self.extensions.is_empty() {
            body.extend(tlv(0xa3, &tlv(0x30, &self.extensions.concat())));
        }
        tlv(0x30, &[tlv(0x30, &body), algorithm, tlv(3, &[0, 1, 2, 3])].concat())
    }
}

//! Object identifiers of certificates, in DER without tag and length, and the names they go by.

/// Short name of an attribute of a distinguished name (RFC 4519, and what OpenSSL calls the others).
pub fn attribute(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, last] => match last {
            3 => "CN",
            4 => "SN",
            5 => "serialNumber",
            6 => "C",
            7 => "L",
            8 => "ST",
            9 => "street",
            10 => "O",
            11 => "OU",
            12 => "title",
            13 => "description",
            15 => "businessCategory",
            17 => "postalCode",
            41 => "name",
            42 => "GN",
            43 => "initials",
            44 => "generationQualifier",
            45 => "x500UniqueIdentifier",
            46 => "dnQualifier",
            65 => "pseudonym",
            97 => "organizationIdentifier",
            _ => return None,
        },
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2] => "unstructuredName",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 8] => "unstructuredAddress",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x3c, 2, 1, 1] => "jurisdictionL",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x3c, 2, 1, 2] => "jurisdictionST",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x3c, 2, 1, 3] => "jurisdictionC",
        _ => return None,
    })
}

/// Name of an algorithm that a key is for.
pub fn key(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1] => "rsa",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10] => "rsa-pss",
        // The algorithm of X.509 (1997), which some old programs wrote.
        [0x55, 8, 1, 1] => "rsa",
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1] => "dsa",
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1] => "ec",
        [0x2a, 0x86, 0x48, 0xce, 0x3e, 2, 1] | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1] => "dh",
        [0x2b, 0x65, 110] => "x25519",
        [0x2b, 0x65, 111] => "x448",
        [0x2b, 0x65, 112] => "ed25519",
        [0x2b, 0x65, 113] => "ed448",
        [0x2a, 0x85, 3, 2, 2, 19] => "gost2001",
        [0x2a, 0x85, 3, 7, 1, 1, 1, 1] => "gost2012-256",
        [0x2a, 0x85, 3, 7, 1, 1, 1, 2] => "gost2012-512",
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, last] => match last {
            17 => "ml-dsa-44",
            18 => "ml-dsa-65",
            19 => "ml-dsa-87",
            20..=31 => "slh-dsa",
            _ => return None,
        },
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, last] => match last {
            1 => "ml-kem-512",
            2 => "ml-kem-768",
            3 => "ml-kem-1024",
            _ => return None,
        },
        _ => return None,
    })
}

/// Bits of keys of algorithms that have one length.
pub fn key_bits(name: &str) -> Option<u32> {
    Some(match name {
        "x25519" | "ed25519" | "gost2001" | "gost2012-256" => 256,
        "x448" => 448,
        "ed448" => 456,
        "gost2012-512" => 512,
        _ => return None,
    })
}

/// Name and bits of a named curve.
pub fn curve(oid: &[u8]) -> Option<(&'static str, u32)> {
    Some(match oid {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, last] => match last {
            1 => ("secp192r1", 192),
            2 => ("prime192v2", 192),
            3 => ("prime192v3", 192),
            4 => ("prime239v1", 239),
            5 => ("prime239v2", 239),
            6 => ("prime239v3", 239),
            7 => ("secp256r1", 256),
            _ => return None,
        },
        [0x2b, 0x81, 4, 0, last] => match last {
            1 => ("sect163k1", 163),
            2 => ("sect163r1", 163),
            3 => ("sect239k1", 239),
            4 => ("sect113r1", 113),
            5 => ("sect113r2", 113),
            6 => ("secp112r1", 112),
            7 => ("secp112r2", 112),
            8 => ("secp160r1", 160),
            9 => ("secp160k1", 160),
            10 => ("secp256k1", 256),
            15 => ("sect163r2", 163),
            16 => ("sect283k1", 283),
            17 => ("sect283r1", 283),
            22 => ("sect131r1", 131),
            23 => ("sect131r2", 131),
            24 => ("sect193r1", 193),
            25 => ("sect193r2", 193),
            26 => ("sect233k1", 233),
            27 => ("sect233r1", 233),
            28 => ("secp128r1", 128),
            29 => ("secp128r2", 128),
            30 => ("secp160r2", 160),
            31 => ("secp192k1", 192),
            32 => ("secp224k1", 224),
            33 => ("secp224r1", 224),
            34 => ("secp384r1", 384),
            35 => ("secp521r1", 521),
            36 => ("sect409k1", 409),
            37 => ("sect409r1", 409),
            38 => ("sect571k1", 571),
            39 => ("sect571r1", 571),
            _ => return None,
        },
        [0x2b, 0x24, 3, 3, 2, 8, 1, 1, last] => match last {
            1 | 2 => ("brainpoolP160", 160),
            3 | 4 => ("brainpoolP192", 192),
            5 | 6 => ("brainpoolP224", 224),
            7 => ("brainpoolP256r1", 256),
            8 => ("brainpoolP256t1", 256),
            9 => ("brainpoolP320r1", 320),
            10 => ("brainpoolP320t1", 320),
            11 => ("brainpoolP384r1", 384),
            12 => ("brainpoolP384t1", 384),
            13 => ("brainpoolP512r1", 512),
            14 => ("brainpoolP512t1", 512),
            _ => return None,
        },
        // 1.2.156.10197.1.301
        [0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x82, 0x2d] => ("sm2", 256),
        _ => return None,
    })
}

/// Hash function of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// MD2 (RFC 6149 withdraws it).
    Md2,
    /// MD4 (RFC 6150).
    Md4,
    /// MD5 (RFC 6151): certificates were forged with it in 2008.
    Md5,
    /// SHA-1: collisions since 2017.
    Sha1,
    /// One without known weakness, or none of its own.
    Sound,
}

impl Hash {
    /// The hash function of this identifier.
    pub fn of(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 2] => Self::Md2,
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 4] => Self::Md4,
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5] => Self::Md5,
            [0x2b, 0x0e, 3, 2, 26] => Self::Sha1,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, _] => Self::Sound,
            _ => return None,
        })
    }
}

/// Name of a signature algorithm and its hash function.
pub fn signature(oid: &[u8]) -> Option<(&'static str, Hash)> {
    use Hash::{Md2, Md4, Md5, Sha1, Sound};
    Some(match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last] => match last {
            2 => ("md2WithRSAEncryption", Md2),
            3 => ("md4WithRSAEncryption", Md4),
            4 => ("md5WithRSAEncryption", Md5),
            5 => ("sha1WithRSAEncryption", Sha1),
            // Its hash function stands in its parameters.
            10 => ("rsassaPss", Sha1),
            11 => ("sha256WithRSAEncryption", Sound),
            12 => ("sha384WithRSAEncryption", Sound),
            13 => ("sha512WithRSAEncryption", Sound),
            14 => ("sha224WithRSAEncryption", Sound),
            _ => return None,
        },
        [0x2b, 0x0e, 3, 2, last] => match last {
            2 | 4 => ("md4WithRSA", Md4),
            3 => ("md5WithRSA", Md5),
            27 => ("dsaWithSHA1-old", Sha1),
            29 => ("sha1WithRSA", Sha1),
            _ => return None,
        },
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3] => ("dsaWithSHA1", Sha1),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => ("ecdsa-with-SHA1", Sha1),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last] => match last {
            1 => ("ecdsa-with-SHA224", Sound),
            2 => ("ecdsa-with-SHA256", Sound),
            3 => ("ecdsa-with-SHA384", Sound),
            4 => ("ecdsa-with-SHA512", Sound),
            _ => return None,
        },
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, last] => match last {
            1 => ("dsa_with_SHA224", Sound),
            2 => ("dsa_with_SHA256", Sound),
            3 => ("dsa_with_SHA384", Sound),
            4 => ("dsa_with_SHA512", Sound),
            9 => ("ecdsa_with_SHA3-224", Sound),
            10 => ("ecdsa_with_SHA3-256", Sound),
            11 => ("ecdsa_with_SHA3-384", Sound),
            12 => ("ecdsa_with_SHA3-512", Sound),
            13..=16 => ("RSA-SHA3", Sound),
            17 => ("ML-DSA-44", Sound),
            18 => ("ML-DSA-65", Sound),
            19 => ("ML-DSA-87", Sound),
            20..=31 => ("SLH-DSA", Sound),
            _ => return None,
        },
        [0x2b, 0x65, 112] => ("ED25519", Sound),
        [0x2b, 0x65, 113] => ("ED448", Sound),
        [0x2a, 0x85, 3, 2, 2, 3] => ("gost2001", Sound),
        [0x2a, 0x85, 3, 7, 1, 1, 3, 2] => ("gost2012-256", Sound),
        [0x2a, 0x85, 3, 7, 1, 1, 3, 3] => ("gost2012-512", Sound),
        [0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x75] => ("SM2-with-SM3", Sound),
        _ => return None,
    })
}

/// Whether a certificate policy is one of those that authorities for the public Web assert: the arc of the
/// CA/Browser Forum, 2.23.140.1 (its Baseline Requirements, section 7.1.6).
pub const fn is_public_policy(oid: &[u8]) -> bool {
    matches!(oid, [0x67, 0x81, 0x0c, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_each_kind() {
        assert_eq!(attribute(&[0x55, 4, 3]), Some("CN"));
        assert_eq!(attribute(&[0x55, 4, 99]), None);
        assert_eq!(key(&[0x2b, 0x65, 112]), Some("ed25519"));
        assert_eq!(key(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18]), Some("ml-dsa-65"));
        assert_eq!(curve(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]), Some(("secp256r1", 256)));
        assert_eq!(
            signature(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4]),
            Some(("md5WithRSAEncryption", Hash::Md5))
        );
        assert_eq!(Hash::of(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]), Some(Hash::Sound));
        assert!(is_public_policy(&[0x67, 0x81, 0x0c, 1, 2, 1]) && !is_public_policy(&[0x55, 0x1d, 0x20, 0]));
    }
}

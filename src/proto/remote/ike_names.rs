//! Names of IKE's algorithms, as the registries of IANA number them: "Internet Key Exchange (IKE) Attributes" for version 1
//! (RFC 2409, appendix A) and "Internet Key Exchange Version 2 (IKEv2) Parameters" for version 2 (RFC 7296, section 3.3.2).

use std::borrow::Cow;

/// A name, or what stands for a number without one.
fn or_number(name: &'static str, number: u16) -> Cow<'static, str> {
    if name.is_empty() { Cow::Owned(number.to_string()) } else { Cow::Borrowed(name) }
}

/// A cipher of version 1, with the length of its key in bits where that was given.
pub fn cipher_1(number: u16, bits: Option<u16>) -> Cow<'static, str> {
    let name = match number {
        1 => "DES",
        2 => "IDEA",
        3 => "BLOWFISH",
        4 => "RC5",
        5 => "3DES",
        6 => "CAST",
        7 => "AES_CBC",
        8 => "CAMELLIA_CBC",
        _ => "",
    };
    with_bits(or_number(name, number), bits)
}

/// A cipher of version 2, likewise.
pub fn cipher_2(number: u16, bits: Option<u16>) -> Cow<'static, str> {
    let name = match number {
        1 => "DES_IV64",
        2 => "DES",
        3 => "3DES",
        4 => "RC5",
        5 => "IDEA",
        6 => "CAST",
        7 => "BLOWFISH",
        8 => "3IDEA",
        9 => "DES_IV32",
        11 => "NULL",
        12 => "AES_CBC",
        13 => "AES_CTR",
        14 => "AES_CCM_8",
        15 => "AES_CCM_12",
        16 => "AES_CCM_16",
        18 => "AES_GCM_8",
        19 => "AES_GCM_12",
        20 => "AES_GCM_16",
        21 => "NULL_AUTH_AES_GMAC",
        23 => "CAMELLIA_CBC",
        24 => "CAMELLIA_CTR",
        25 => "CAMELLIA_CCM_8",
        26 => "CAMELLIA_CCM_12",
        27 => "CAMELLIA_CCM_16",
        28 => "CHACHA20_POLY1305",
        _ => "",
    };
    with_bits(or_number(name, number), bits)
}

fn with_bits(name: Cow<'static, str>, bits: Option<u16>) -> Cow<'static, str> {
    match bits {
        Some(bits) => Cow::Owned(format!("{name}-{bits}")),
        None => name,
    }
}

/// A hash of version 1.
pub fn hash_1(number: u16) -> Cow<'static, str> {
    let name = match number {
        1 => "MD5",
        2 => "SHA1",
        3 => "TIGER",
        4 => "SHA2_256",
        5 => "SHA2_384",
        6 => "SHA2_512",
        _ => "",
    };
    or_number(name, number)
}

/// A pseudo-random function of version 2.
pub fn prf(number: u16) -> Cow<'static, str> {
    let name = match number {
        1 => "HMAC_MD5",
        2 => "HMAC_SHA1",
        3 => "HMAC_TIGER",
        4 => "AES128_XCBC",
        5 => "HMAC_SHA2_256",
        6 => "HMAC_SHA2_384",
        7 => "HMAC_SHA2_512",
        8 => "AES128_CMAC",
        _ => "",
    };
    or_number(name, number)
}

/// An integrity algorithm of version 2.
pub fn integrity(number: u16) -> Cow<'static, str> {
    let name = match number {
        0 => "NONE",
        1 => "HMAC_MD5_96",
        2 => "HMAC_SHA1_96",
        3 => "DES_MAC",
        4 => "KPDK_MD5",
        5 => "AES_XCBC_96",
        6 => "HMAC_MD5_128",
        7 => "HMAC_SHA1_160",
        8 => "AES_CMAC_96",
        9 => "AES_128_GMAC",
        10 => "AES_192_GMAC",
        11 => "AES_256_GMAC",
        12 => "HMAC_SHA2_256_128",
        13 => "HMAC_SHA2_384_192",
        14 => "HMAC_SHA2_512_256",
        _ => "",
    };
    or_number(name, number)
}

/// A Diffie-Hellman group of either version (RFC 3526, 5114, 5903, 6954, 8031, 9370).
pub fn group(number: u16) -> Cow<'static, str> {
    let name = match number {
        0 => "none",
        1 => "modp768",
        2 => "modp1024",
        3 => "ec2n155",
        4 => "ec2n185",
        5 => "modp1536",
        14 => "modp2048",
        15 => "modp3072",
        16 => "modp4096",
        17 => "modp6144",
        18 => "modp8192",
        19 => "secp256r1",
        20 => "secp384r1",
        21 => "secp521r1",
        22 => "modp1024s160",
        23 => "modp2048s224",
        24 => "modp2048s256",
        25 => "secp192r1",
        26 => "secp224r1",
        27 => "brainpoolP224r1",
        28 => "brainpoolP256r1",
        29 => "brainpoolP384r1",
        30 => "brainpoolP512r1",
        31 => "x25519",
        32 => "x448",
        35 => "mlkem512",
        36 => "mlkem768",
        37 => "mlkem1024",
        _ => "",
    };
    or_number(name, number)
}

/// How both sides prove who they are, in version 1 (RFC 2409, appendix A; `draft-ietf-ipsec-isakmp-xauth`,
/// `draft-ietf-ipsec-isakmp-hybrid-auth` for the private numbers).
pub fn authentication(number: u16) -> Cow<'static, str> {
    let name = match number {
        1 => "psk",
        2 => "dss",
        3 => "rsa-signature",
        4 => "rsa-encryption",
        5 => "rsa-revised-encryption",
        8 => "ecdsa",
        9 => "ecdsa-256",
        10 => "ecdsa-384",
        11 => "ecdsa-521",
        64221 => "hybrid-rsa",
        64222 => "hybrid-rsa-responder",
        65001 => "xauth-psk",
        65002 => "xauth-psk-responder",
        65005 => "xauth-rsa",
        65006 => "xauth-rsa-responder",
        _ => "",
    };
    or_number(name, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_without_one() {
        assert_eq!(cipher_1(7, Some(256)), "AES_CBC-256");
        assert_eq!((cipher_1(5, None), cipher_2(3, None)), ("3DES".into(), "3DES".into()));
        assert_eq!(cipher_2(20, Some(128)), "AES_GCM_16-128");
        assert_eq!((group(2), group(31), group(999)), ("modp1024".into(), "x25519".into(), "999".into()));
        assert_eq!((hash_1(1), prf(1), integrity(1)), ("MD5".into(), "HMAC_MD5".into(), "HMAC_MD5_96".into()));
        assert_eq!((authentication(65001), authentication(7)), ("xauth-psk".into(), "7".into()));
    }
}

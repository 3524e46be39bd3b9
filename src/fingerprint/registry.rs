//! Names of the numbers in hellos: versions, cipher suites, groups.

use std::borrow::Cow;

use tls_parser::TlsCipherSuite;

/// Name of a protocol version: `TLSv1.2`, `TLSv1.3-draft28`, `DTLSv1.2`, or the number in hex.
pub fn version_name(version: u16) -> Cow<'static, str> {
    Cow::Borrowed(match version {
        0x0002 => "SSLv2",
        0x0300 => "SSLv3",
        0x0301 => "TLSv1.0",
        0x0302 => "TLSv1.1",
        0x0303 => "TLSv1.2",
        0x0304 => "TLSv1.3",
        // As OpenSSL calls what it sent before DTLS was numbered.
        0x0100 => "DTLSv0.9",
        0xfeff => "DTLSv1.0",
        0xfefd => "DTLSv1.2",
        0xfefc => "DTLSv1.3",
        // Drafts of RFC 8446 count in the low byte; those of one large site use 0xfb.
        0x7f00..=0x7fff => return format!("TLSv1.3-draft{}", version & 0xff).into(),
        0xfb00..=0xfbff => return format!("TLSv1.3-fbdraft{}", version & 0xff).into(),
        _ => return format!("0x{version:04x}").into(),
    })
}

/// Whether a version is TLS 1.3 or a draft of it: after the ServerHello all is encrypted.
pub const fn is_tls13(version: u16) -> bool {
    matches!(version, 0x0304 | 0xfefc | 0x7f00..=0x7fff | 0xfb00..=0xfbff)
}

/// IANA name of a cipher suite (TLS Cipher Suites registry, as the `tls-parser` crate carries it).
pub fn cipher_name(cipher: u16) -> Option<&'static str> {
    if let Some(suite) = TlsCipherSuite::from_id(cipher) {
        return Some(suite.name);
    }
    Some(match cipher {
        0xc100 => "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC",
        0xc101 => "TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC",
        0xc102 => "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT",
        0xc103 => "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L",
        0xc104 => "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L",
        0xc105 => "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S",
        0xc106 => "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S",
        _ => return None,
    })
}

/// Name of a cipher suite for a table: that of IANA, or the number in hex.
pub fn cipher_text(cipher: u16) -> Cow<'static, str> {
    cipher_name(cipher).map_or_else(|| format!("0x{cipher:04x}").into(), Cow::Borrowed)
}

/// What the server's part of the key exchange holds (RFC 5246, section 7.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyExchange {
    /// Prime, generator and share over a prime field.
    FiniteField,
    /// Curve and share (RFC 8422, section 5.4).
    Curve,
    /// Something else, or nothing.
    Other,
}

/// Key exchange of a cipher suite up to TLS 1.2, and whether a hint for the pre-shared key comes
/// before it (RFC 4279, section 3; RFC 5489, section 2).
pub fn key_exchange(cipher: u16) -> (KeyExchange, bool) {
    // Suites that were in use before they had a number from IANA: ECDHE with ChaCha20-Poly1305.
    if matches!(cipher, 0xcc13 | 0xcc14) {
        return (KeyExchange::Curve, false);
    }
    let Some(name) = cipher_name(cipher) else { return (KeyExchange::Other, false) };
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
    let kind = if starts(&["TLS_ECDHE_", "TLS_ECDH_anon_"]) {
        KeyExchange::Curve
    } else if starts(&["TLS_DHE_", "TLS_DH_anon_", "TLS_PSK_DHE_"]) {
        KeyExchange::FiniteField
    } else {
        KeyExchange::Other
    };
    (kind, name.contains("_PSK_"))
}

/// Whether the server's key exchange is signed: not with anonymous suites or pre-shared keys.
pub fn is_signed(cipher: u16) -> bool {
    cipher_name(cipher).is_none_or(|name| !name.contains("_anon_") && !name.contains("_PSK_"))
}

/// Name of a compression method (IANA TLS Compression Method registry; `none` for its NULL), or the
/// number.
pub fn compression_name(method: u8) -> Cow<'static, str> {
    match method {
        0 => "none".into(),
        1 => "DEFLATE".into(),
        64 => "LZS".into(),
        other => other.to_string().into(),
    }
}

/// Name of what a handshake is signed with (IANA TLS SignatureScheme registry; for the pairs of TLS 1.2
/// that have no name there, in its manner), or the number in hex.
pub fn signature_name(scheme: u16) -> Cow<'static, str> {
    Cow::Borrowed(match scheme {
        0x0101 => "rsa_pkcs1_md5",
        0x0201 => "rsa_pkcs1_sha1",
        0x0202 => "dsa_sha1",
        0x0203 => "ecdsa_sha1",
        0x0301 => "rsa_pkcs1_sha224",
        0x0302 => "dsa_sha224",
        0x0303 => "ecdsa_sha224",
        0x0401 => "rsa_pkcs1_sha256",
        0x0402 => "dsa_sha256",
        0x0403 => "ecdsa_secp256r1_sha256",
        0x0501 => "rsa_pkcs1_sha384",
        0x0502 => "dsa_sha384",
        0x0503 => "ecdsa_secp384r1_sha384",
        0x0601 => "rsa_pkcs1_sha512",
        0x0602 => "dsa_sha512",
        0x0603 => "ecdsa_secp521r1_sha512",
        0x0708 => "sm2sig_sm3",
        0x0804 => "rsa_pss_rsae_sha256",
        0x0805 => "rsa_pss_rsae_sha384",
        0x0806 => "rsa_pss_rsae_sha512",
        0x0807 => "ed25519",
        0x0808 => "ed448",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
        0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
        0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
        0x0904 => "mldsa44",
        0x0905 => "mldsa65",
        0x0906 => "mldsa87",
        _ => return format!("0x{scheme:04x}").into(),
    })
}

/// Name of a group for the key exchange (IANA TLS Supported Groups registry), or the number in hex.
pub fn group_name(group: u16) -> Cow<'static, str> {
    Cow::Borrowed(match group {
        1 => "sect163k1",
        2 => "sect163r1",
        3 => "sect163r2",
        4 => "sect193r1",
        5 => "sect193r2",
        6 => "sect233k1",
        7 => "sect233r1",
        8 => "sect239k1",
        9 => "sect283k1",
        10 => "sect283r1",
        11 => "sect409k1",
        12 => "sect409r1",
        13 => "sect571k1",
        14 => "sect571r1",
        15 => "secp160k1",
        16 => "secp160r1",
        17 => "secp160r2",
        18 => "secp192k1",
        19 => "secp192r1",
        20 => "secp224k1",
        21 => "secp224r1",
        22 => "secp256k1",
        23 => "secp256r1",
        24 => "secp384r1",
        25 => "secp521r1",
        26 => "brainpoolP256r1",
        27 => "brainpoolP384r1",
        28 => "brainpoolP512r1",
        29 => "x25519",
        30 => "x448",
        31 => "brainpoolP256r1tls13",
        32 => "brainpoolP384r1tls13",
        33 => "brainpoolP512r1tls13",
        34 => "GC256A",
        35 => "GC256B",
        36 => "GC256C",
        37 => "GC256D",
        38 => "GC512A",
        39 => "GC512B",
        40 => "GC512C",
        41 => "curveSM2",
        256 => "ffdhe2048",
        257 => "ffdhe3072",
        258 => "ffdhe4096",
        259 => "ffdhe6144",
        260 => "ffdhe8192",
        512 => "MLKEM512",
        513 => "MLKEM768",
        514 => "MLKEM1024",
        4587 => "SecP256r1MLKEM768",
        4588 => "X25519MLKEM768",
        4589 => "SecP384r1MLKEM1024",
        25497 => "X25519Kyber768Draft00",
        25498 => "SecP256r1Kyber768Draft00",
        0xff01 => "arbitrary_explicit_prime_curves",
        0xff02 => "arbitrary_explicit_char2_curves",
        _ => return format!("0x{group:04x}").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_or_stay_numbers() {
        assert_eq!(version_name(0x0303), "TLSv1.2");
        assert_eq!(version_name(0x7f1c), "TLSv1.3-draft28");
        assert_eq!(version_name(0x0305), "0x0305");
        assert_eq!(cipher_text(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(cipher_text(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(cipher_text(0xc106), "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S");
        assert_eq!(cipher_text(0xbeef), "0xbeef");
        assert_eq!(group_name(4588), "X25519MLKEM768");
        assert_eq!(group_name(0x4242), "0x4242");
        assert_eq!([0, 1, 64, 7].map(|m| compression_name(m).into_owned()), ["none", "DEFLATE", "LZS", "7"]);
        assert_eq!(signature_name(0x0804), "rsa_pss_rsae_sha256");
        assert_eq!(signature_name(0x0102), "0x0102");
    }

    #[test]
    fn the_key_exchange_follows_from_the_suite() {
        assert_eq!(key_exchange(0xc02f), (KeyExchange::Curve, false));
        assert_eq!(key_exchange(0xc018), (KeyExchange::Curve, false), "ECDH_anon");
        assert_eq!(key_exchange(0x0039), (KeyExchange::FiniteField, false));
        assert_eq!(key_exchange(0x001b), (KeyExchange::FiniteField, false), "DH_anon");
        assert_eq!(key_exchange(0x00aa), (KeyExchange::FiniteField, true), "DHE_PSK");
        assert_eq!(key_exchange(0xc0aa), (KeyExchange::FiniteField, true), "PSK_DHE");
        assert_eq!(key_exchange(0xd001), (KeyExchange::Curve, true), "ECDHE_PSK");
        assert_eq!(key_exchange(0x002f), (KeyExchange::Other, false));
        assert_eq!(key_exchange(0xc004), (KeyExchange::Other, false), "the curve of ECDH is in the certificate");
        assert!(is_signed(0x0039) && !is_signed(0x001b) && !is_signed(0x00aa));
    }
}

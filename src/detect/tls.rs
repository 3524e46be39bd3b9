//! TLS that no longer protects, judged from what the server chose.

/// What is weak about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness {
    /// Rule.
    pub rule: &'static str,
    /// What tells it from another finding of the rule: the version, the cipher.
    pub detail: String,
    /// One line for the evidence.
    pub evidence: String,
}

/// Bits below which a Diffie-Hellman group is weak (RFC 9325, section 4.4).
const DH_BITS_MIN: u16 = 2048;

/// The name of a version on the wire that was withdrawn: SSL 2.0 (RFC 6176), SSL 3.0 (RFC 7568),
/// TLS 1.0, TLS 1.1 and DTLS 1.0 (RFC 8996).
pub const fn obsolete_version(version: u16) -> Option<&'static str> {
    match version {
        0x0002 | 0x0200 => Some("SSLv2"),
        0x0300 => Some("SSLv3"),
        0x0301 => Some("TLSv1.0"),
        0x0302 => Some("TLSv1.1"),
        // 0x0100 is what OpenSSL sent before DTLS was numbered.
        0xfeff | 0x0100 => Some("DTLSv1.0"),
        _ => None,
    }
}

/// Why a cipher of an IANA name is weak: the rule and the word for it.
fn weak_cipher(name: &str) -> Option<(&'static str, &'static str)> {
    let has = |part: &str| name.split('_').any(|p| p.eq_ignore_ascii_case(part));
    const NOTHING: &str = "tls-no-protection";
    const WEAK: &str = "tls-weak-cipher";
    // RFC 9150: integrity only.
    if has("NULL") || name == "TLS_SHA256_SHA256" || name == "TLS_SHA384_SHA384" {
        Some((NOTHING, "no encryption"))
    } else if has("anon") {
        Some((NOTHING, "no authentication"))
    } else if has("EXPORT") || has("EXPORT1024") || has("DES40") {
        Some((WEAK, "export-grade keys"))
    } else if has("RC4") {
        Some((WEAK, "RC4"))
    } else if has("RC2") {
        Some((WEAK, "RC2"))
    } else if has("3DES") || name.contains("_DES_192_EDE3_") {
        Some((WEAK, "triple DES, blocks of 64 bits"))
    } else if has("DES") || has("DES64") {
        Some((WEAK, "DES"))
    } else if has("IDEA") {
        Some((WEAK, "IDEA, blocks of 64 bits"))
    } else if has("MD5") {
        Some((WEAK, "MD5 for integrity"))
    } else {
        None
    }
}

/// Judges what the server chose: the version (of TLS 1.3 the one in `supported_versions`), the
/// cipher with its IANA name where it has one, and the bits of the Diffie-Hellman prime where the
/// server sent one.
pub fn weak_tls(version: u16, cipher: u16, cipher_name: Option<&str>, dh_bits: Option<u16>) -> Vec<Weakness> {
    let mut found = Vec::new();
    if let Some(name) = obsolete_version(version) {
        found.push(Weakness {
            rule: "tls-obsolete-version",
            detail: name.to_owned(),
            evidence: format!("server chose {name} (0x{version:04x})"),
        });
    }
    // In TLS 1.3 no weak cipher of these can be chosen, but for those without encryption.
    if let Some(name) = cipher_name
        && let Some((rule, why)) = weak_cipher(name)
    {
        found.push(Weakness {
            rule,
            detail: name.to_owned(),
            evidence: format!("server chose {name} (0x{cipher:04x}): {why}"),
        });
    }
    if let Some(bits) = dh_bits
        && (1..DH_BITS_MIN).contains(&bits)
    {
        found.push(Weakness {
            rule: "tls-weak-key-exchange",
            detail: format!("DH {bits}"),
            evidence: format!("server's Diffie-Hellman prime has {bits} bits"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_choices_are_found() {
        for (version, name, dh, rules) in [
            (0x0301, "TLS_RSA_WITH_AES_128_CBC_SHA", None, &["tls-obsolete-version"][..]),
            (0x0300, "TLS_RSA_WITH_RC4_128_SHA", None, &["tls-obsolete-version", "tls-weak-cipher"]),
            (0xfeff, "TLS_RSA_WITH_AES_128_CBC_SHA", None, &["tls-obsolete-version"]),
            (0x0303, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", None, &["tls-weak-cipher"]),
            (0x0303, "TLS_RSA_WITH_DES_CBC_SHA", None, &["tls-weak-cipher"]),
            (0x0303, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", None, &["tls-weak-cipher"]),
            (0x0303, "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA", None, &["tls-weak-cipher"]),
            (0x0303, "TLS_RSA_WITH_RC2_CBC_40_MD5", None, &["tls-weak-cipher"]),
            (0x0303, "TLS_RSA_WITH_IDEA_CBC_SHA", None, &["tls-weak-cipher"]),
            (0x0303, "TLS_RSA_WITH_NULL_SHA256", None, &["tls-no-protection"]),
            (0x0303, "TLS_NULL_WITH_NULL_NULL", None, &["tls-no-protection"]),
            (0x0303, "TLS_DH_anon_WITH_AES_128_CBC_SHA", None, &["tls-no-protection"]),
            (0x0303, "TLS_ECDH_ANON_WITH_AES_128_CBC_SHA", None, &["tls-no-protection"]),
            (0x0304, "TLS_SHA256_SHA256", None, &["tls-no-protection"]),
            (0x0303, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", Some(1024), &["tls-weak-key-exchange"]),
        ] {
            let got: Vec<_> = weak_tls(version, 1, Some(name), dh).iter().map(|w| w.rule).collect();
            assert_eq!(got, rules, "{version:04x} {name}");
        }
        assert_eq!(weak_tls(0x0301, 0x002f, None, None)[0].evidence, "server chose TLSv1.0 (0x0301)");
    }

    #[test]
    fn sound_choices_are_not() {
        for (version, name, dh) in [
            (0x0303, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", None),
            (0x0303, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", None),
            (0x0304, "TLS_AES_128_GCM_SHA256", None),
            (0x0304, "TLS_AES_256_GCM_SHA384", None),
            (0xfefd, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", None),
            (0xfefc, "TLS_AES_128_GCM_SHA256", None),
            (0x0303, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", Some(2048)),
            (0x0303, "TLS_RSA_WITH_SEED_CBC_SHA", Some(0)),
            (0x7f1c, "TLS_AES_128_GCM_SHA256", None),
        ] {
            assert_eq!(weak_tls(version, 1, Some(name), dh), [], "{version:04x} {name}");
        }
        assert_eq!(weak_tls(0x0303, 0xbeef, None, None), [], "a cipher without a name is not judged");
    }
}

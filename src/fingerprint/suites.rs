//! What the names and numbers of cipher suites stand for: cipher, mode and hash, and how well they protect.
//!
//! A ClientHello holds up to a hundred of them, so each is looked up in a table of 64 KiB that is made
//! from the names of the IANA registry at first use.

use std::sync::LazyLock;

use super::registry;

/// What is wrong with a cipher, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flaw {
    /// It does not encrypt (RFC 9150 and the NULL ciphers).
    NoEncryption = 1,
    /// Nobody proves who he is (RFC 5246, appendix A.5).
    NoAuthentication,
    /// Keys of 40 or 56 bits, as export rules once asked for.
    Export,
    /// DES with 56 bits (RFC 8996 and RFC 5469 withdrew it).
    Des,
    /// RC2.
    Rc2,
    /// RC4 (RFC 7465 forbids it).
    Rc4,
    /// IDEA, blocks of 64 bits (RFC 5469).
    Idea,
    /// MD5 for integrity.
    Md5,
    /// Triple DES, blocks of 64 bits (Sweet32, CVE-2016-2183).
    TripleDes,
}

impl Flaw {
    /// All of them, the worst first.
    pub const ALL: [Self; 9] = [
        Self::NoEncryption,
        Self::NoAuthentication,
        Self::Export,
        Self::Des,
        Self::Rc2,
        Self::Rc4,
        Self::Idea,
        Self::Md5,
        Self::TripleDes,
    ];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoEncryption => "no encryption",
            Self::NoAuthentication => "no authentication",
            Self::Export => "export-grade keys",
            Self::Des => "DES",
            Self::Rc2 => "RC2",
            Self::Rc4 => "RC4",
            Self::Idea => "IDEA, blocks of 64 bits",
            Self::Md5 => "MD5 for integrity",
            Self::TripleDes => "triple DES, blocks of 64 bits",
        }
    }
}

/// A set of [`Flaw`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flaws(u16);

impl Flaws {
    /// The set with one more.
    pub const fn with(self, flaw: Flaw) -> Self {
        Self(self.0 | 1 << flaw as u8)
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in it, the worst first.
    pub fn iter(self) -> impl Iterator<Item = Flaw> {
        Flaw::ALL.into_iter().filter(move |f| self.0 & 1 << *f as u8 != 0)
    }
}

/// Whether a name has a part, between its underscores.
fn has(name: &str, part: &str) -> bool {
    name.split('_').any(|p| p.eq_ignore_ascii_case(part))
}

/// What a suite encrypts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// Nothing: the suite authenticates alone.
    Null,
    /// DES, also with 40 bits.
    Des,
    /// Triple DES.
    TripleDes,
    /// RC2.
    Rc2,
    /// RC4.
    Rc4,
    /// IDEA.
    Idea,
    /// SEED.
    Seed,
    /// AES with keys of so many bits, in a mode.
    Aes(u16, Mode),
    /// ChaCha20 with Poly1305.
    ChaCha20,
    /// Anything else, and what is no cipher.
    Other,
}

/// How AES is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In chains of blocks, with a MAC beside it.
    Cbc,
    /// GCM.
    Gcm,
    /// CCM with a tag of so many bytes.
    Ccm(u8),
}

impl Bulk {
    /// Of a name of the IANA registry, or of one of SSL 2.
    pub fn of_name(name: &str) -> Self {
        let has = |part: &str| has(name, part);
        if has("NULL") || name == "TLS_SHA256_SHA256" || name == "TLS_SHA384_SHA384" {
            Self::Null
        } else if has("3DES") || has("EDE3") {
            Self::TripleDes
        } else if has("DES") || has("DES40") {
            Self::Des
        } else if has("RC2") {
            Self::Rc2
        } else if has("RC4") {
            Self::Rc4
        } else if has("IDEA") {
            Self::Idea
        } else if has("SEED") {
            Self::Seed
        } else if has("CHACHA20") {
            Self::ChaCha20
        } else if has("AES") {
            let mode = match (has("GCM"), has("CCM"), has("CBC")) {
                (true, ..) => Mode::Gcm,
                // `_8` at the end stands for a tag of half the length (RFC 6655, section 4).
                (_, true, _) => Mode::Ccm(if has("8") { 8 } else { 16 }),
                (_, _, true) => Mode::Cbc,
                _ => return Self::Other,
            };
            Self::Aes(if has("256") { 256 } else { 128 }, mode)
        } else {
            Self::Other
        }
    }
}

/// The hash that a suite names at its end: of the MAC where the cipher needs one, else of the key derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Digest {
    /// Of a name of the IANA registry, or of one of SSL 2; suites of CCM name none but that of TLS 1.3.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.rsplit('_').next()? {
            "MD5" => Self::Md5,
            "SHA" => Self::Sha1,
            "SHA256" => Self::Sha256,
            "SHA384" => Self::Sha384,
            _ => return None,
        })
    }
}

/// A cipher suite, as far as it bears on how well it protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suite(u8);

const FLAW: u8 = 0x0f;
const CBC: u8 = 0x10;
const STATIC: u8 = 0x20;
const SEED: u8 = 0x40;

impl Suite {
    /// Of a name of the IANA registry, or of one of SSL 2.
    pub fn of_name(name: &str) -> Self {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
        // Values that stand for no cipher (RFC 5746, section 3.3; RFC 7507, section 2).
        if name.ends_with("_SCSV") {
            return Self(0);
        }
        let has = |part: &str| has(name, part);
        let bulk = Bulk::of_name(name);
        let flaw = match bulk {
            Bulk::Null => Some(Flaw::NoEncryption),
            _ if has("anon") => Some(Flaw::NoAuthentication),
            _ if has("EXPORT") || has("EXPORT40") || has("EXPORT1024") || has("DES40") => Some(Flaw::Export),
            Bulk::TripleDes => Some(Flaw::TripleDes),
            Bulk::Des => Some(Flaw::Des),
            Bulk::Rc2 => Some(Flaw::Rc2),
            Bulk::Rc4 => Some(Flaw::Rc4),
            Bulk::Idea => Some(Flaw::Idea),
            _ if Digest::of_name(name) == Some(Digest::Md5) => Some(Flaw::Md5),
            _ => None,
        };
        let fixed = starts(&["TLS_RSA_", "TLS_DH_", "TLS_ECDH_", "TLS_PSK_WITH_", "TLS_KRB5_", "SSL_"]) && !has("anon");
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        Self(flaw.map_or(0, |f| f as u8) | bit(has("CBC"), CBC) | bit(fixed, STATIC) | bit(bulk == Bulk::Seed, SEED))
    }

    /// Of a number; one without a name has no properties.
    pub fn of(number: u16) -> Self {
        static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=u16::MAX).map(|n| named(n).0).collect());
        Self(TABLE.get(usize::from(number)).copied().unwrap_or_default())
    }

    /// What is wrong with it: the worst.
    pub fn flaw(self) -> Option<Flaw> {
        Flaw::ALL.into_iter().find(|f| *f as u8 == self.0 & FLAW)
    }

    /// Whether it is in CBC mode, which up to TLS 1.2 authenticates before it encrypts unless both
    /// sides agree on RFC 7366.
    pub const fn is_cbc(self) -> bool {
        self.0 & CBC != 0
    }

    /// Whether it is SEED: sound, but of the time before AEAD, and nowhere recommended.
    pub const fn is_seed(self) -> bool {
        self.0 & SEED != 0
    }

    /// Whether the keys of a session can be worked out later by whoever comes by a lasting secret:
    /// the server's private key, or a pre-shared one (RFC 9325, section 4.1).
    pub const fn lacks_forward_secrecy(self) -> bool {
        self.0 & STATIC != 0
    }
}

fn named(number: u16) -> Suite {
    registry::cipher_name(number).or_else(|| draft_name(number)).map_or(Suite(0), Suite::of_name)
}

/// Names of suites that were in use and never came into the registry: 56 bits for export
/// (draft-ietf-tls-56-bit-ciphersuites-01) and those of Netscape for FIPS 140.
const fn draft_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x0060 => "TLS_RSA_EXPORT1024_WITH_RC4_56_MD5",
        0x0061 => "TLS_RSA_EXPORT1024_WITH_RC2_CBC_56_MD5",
        0x0062 => "TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA",
        0x0063 => "TLS_DHE_DSS_EXPORT1024_WITH_DES_CBC_SHA",
        0x0064 => "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA",
        0x0065 => "TLS_DHE_DSS_EXPORT1024_WITH_RC4_56_SHA",
        0x0066 => "TLS_DHE_DSS_WITH_RC4_128_SHA",
        0xfefe | 0xffe1 => "SSL_RSA_FIPS_WITH_DES_CBC_SHA",
        0xfeff | 0xffe0 => "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA",
        _ => return None,
    })
}

/// Whether a group for the key exchange withstands quantum computers: ML-KEM, alone or beside a curve
/// (FIPS 203; draft-ietf-tls-ecdhe-mlkem), and what went before it: the Kyber drafts and CECPQ2.
pub const fn is_post_quantum(group: u16) -> bool {
    matches!(group, 0x0200..=0x0202 | 0x11eb..=0x11ee | 0x4138 | 0x6399 | 0x639a | 0xfe30 | 0xfe31)
}

/// What is wrong with a group for the key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupFlaw {
    /// Fewer than 224 bits: RFC 9325, section 4.5, forbids it.
    Short,
    /// Long enough, but withdrawn (RFC 8422, section 5.1.1).
    Withdrawn,
}

/// Judges a group; one that is not an elliptic curve of old is sound.
pub const fn group_flaw(group: u16) -> Option<GroupFlaw> {
    match group {
        1..=5 | 15..=19 => Some(GroupFlaw::Short),
        6..=14 | 20..=22 | 0xff01 | 0xff02 => Some(GroupFlaw::Withdrawn),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_by_number() {
        for (number, flaw, cbc, fixed) in [
            (0x0000, Some(Flaw::NoEncryption), false, false),
            (0x0003, Some(Flaw::Export), false, true),
            (0x0004, Some(Flaw::Rc4), false, true),
            (0x0007, Some(Flaw::Idea), true, true),
            (0x0009, Some(Flaw::Des), true, true),
            (0x000a, Some(Flaw::TripleDes), true, true),
            (0x0034, Some(Flaw::NoAuthentication), true, false),
            (0x0062, Some(Flaw::Export), true, true),
            (0xfeff, Some(Flaw::TripleDes), true, true),
            (0xc0b4, Some(Flaw::NoEncryption), false, false),
            (0x002f, None, true, true),
            (0x009c, None, false, true),
            (0x00a8, None, false, true),
            (0xc004, None, true, true),
            (0x0096, None, true, true),
            (0xc013, None, true, false),
            (0xc02f, None, false, false),
            (0xd001, None, false, false),
            (0x1301, None, false, false),
            (0x00ff, None, false, false),
            (0x5600, None, false, false),
            (0x0a0a, None, false, false),
            (0xbeef, None, false, false),
        ] {
            let suite = Suite::of(number);
            assert_eq!(
                (suite.flaw(), suite.is_cbc(), suite.lacks_forward_secrecy()),
                (flaw, cbc, fixed),
                "{number:04x}"
            );
        }
        assert!(Suite::of(0x0096).is_seed());
        let old =
            ["SSL_CK_RC4_128_EXPORT40_WITH_MD5", "SSL_CK_DES_192_EDE3_CBC_WITH_MD5", "SSL_CK_RC2_128_CBC_WITH_MD5"];
        assert_eq!(old.map(|n| Suite::of_name(n).flaw()), [Some(Flaw::Export), Some(Flaw::TripleDes), Some(Flaw::Rc2)]);
    }

    #[test]
    fn names_are_taken_apart() {
        for (name, bulk, digest) in [
            ("TLS_RSA_WITH_AES_256_CBC_SHA", Bulk::Aes(256, Mode::Cbc), Some(Digest::Sha1)),
            ("TLS_AES_128_GCM_SHA256", Bulk::Aes(128, Mode::Gcm), Some(Digest::Sha256)),
            ("TLS_AES_128_CCM_8_SHA256", Bulk::Aes(128, Mode::Ccm(8)), Some(Digest::Sha256)),
            ("TLS_DHE_RSA_WITH_AES_256_CCM", Bulk::Aes(256, Mode::Ccm(16)), None),
            ("TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", Bulk::Other, Some(Digest::Sha1)),
            ("TLS_SHA384_SHA384", Bulk::Null, Some(Digest::Sha384)),
            ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV", Bulk::Other, None),
            ("SSL_CK_DES_192_EDE3_CBC_WITH_MD5", Bulk::TripleDes, Some(Digest::Md5)),
        ] {
            assert_eq!((Bulk::of_name(name), Digest::of_name(name)), (bulk, digest), "{name}");
        }
    }

    #[test]
    fn a_set_lists_the_worst_first() {
        let set = [Flaw::TripleDes, Flaw::Export, Flaw::TripleDes].into_iter().fold(Flaws::default(), Flaws::with);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Flaw::Export, Flaw::TripleDes]);
        assert!(!set.is_empty() && Flaws::default().is_empty());
    }

    #[test]
    fn groups() {
        let names = |pick: fn(u16) -> bool| -> Vec<String> {
            (0..=u16::MAX).filter(|g| pick(*g)).map(|g| registry::group_name(g).into_owned()).collect()
        };
        let short = names(|g| group_flaw(g) == Some(GroupFlaw::Short));
        assert_eq!((short.len(), short[0].as_str(), short[9].as_str()), (10, "sect163k1", "secp192r1"));
        let withdrawn = names(|g| group_flaw(g) == Some(GroupFlaw::Withdrawn));
        assert!(withdrawn.iter().any(|n| n == "secp224r1") && !withdrawn.iter().any(|n| n == "secp256r1"));
        assert_eq!(group_flaw(26), None, "brainpool is sound");
        let quantum = names(is_post_quantum);
        assert!(
            ["X25519MLKEM768", "X25519Kyber768Draft00", "MLKEM1024"].iter().all(|n| quantum.iter().any(|q| q == n))
        );
        assert!(!is_post_quantum(29) && !is_post_quantum(0x2a2a));
    }
}

//! What a cipher suite means for its records: cipher, lengths of keys, hashes.

use hkdf::Hkdf;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use crate::fingerprint::registry;
use crate::fingerprint::suites::{Bulk, Digest, Mode};

/// A hash of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// MD5, 16 bytes.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
}

impl Hash {
    /// Bytes of its digests.
    pub const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// HMAC (RFC 2104) over parts that follow each other.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: EagerHash>(key: &[u8], parts: &[&[u8]]) -> Vec<u8>
        where
            Hmac<D>: KeyInit + Mac,
        {
            let Ok(mut mac) = <Hmac<D> as KeyInit>::new_from_slice(key) else { return Vec::new() };
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Md5 => run::<Md5>(key, parts),
            Self::Sha1 => run::<Sha1>(key, parts),
            Self::Sha256 => run::<Sha256>(key, parts),
            Self::Sha384 => run::<Sha384>(key, parts),
        }
    }

    /// P_hash (RFC 5246, section 5): `len` bytes.
    fn expand(self, secret: &[u8], seed: &[&[u8]], len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + self.len());
        let mut a = self.hmac(secret, seed);
        while out.len() < len {
            let mut parts = vec![a.as_slice()];
            parts.extend(seed);
            out.extend(self.hmac(secret, &parts));
            a = self.hmac(secret, &[&a]);
        }
        out.truncate(len);
        out
    }
}

/// The pseudorandom function of a version: of TLS 1.2 (RFC 5246, section 5) with the hash of the suite, before it MD5 and
/// SHA-1 over a half of the secret each (RFC 2246, section 5).
pub fn prf(version: u16, hash: Hash, secret: &[u8], seed: &[&[u8]], len: usize) -> Vec<u8> {
    if version >= 0x0303 {
        return hash.expand(secret, seed, len);
    }
    let half = secret.len().div_ceil(2);
    let (first, second) = (secret.get(..half), secret.get(secret.len() - half..));
    let md5 = Hash::Md5.expand(first.unwrap_or_default(), seed, len);
    let sha1 = Hash::Sha1.expand(second.unwrap_or_default(), seed, len);
    md5.iter().zip(sha1).map(|(a, b)| a ^ b).collect()
}

/// HKDF-Expand-Label (RFC 8446, section 7.1) without a context.
pub fn expand_label(hash: Hash, secret: &[u8], label: &str, len: usize) -> Option<Vec<u8>> {
    let mut info = u16::try_from(len).ok()?.to_be_bytes().to_vec();
    info.push(u8::try_from(label.len() + 6).ok()?);
    info.extend(b"tls13 ");
    info.extend(label.as_bytes());
    info.push(0);
    let mut out = vec![0; len];
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, &mut out).ok()?,
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, &mut out).ok()?,
        Hash::Md5 | Hash::Sha1 => return None,
    }
    Some(out)
}

/// How records are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// Not at all; the MAC alone protects.
    Null,
    /// RC4 with a MAC.
    Rc4,
    /// AES in CBC mode with a MAC; the key has so many bytes.
    AesCbc(usize),
    /// Triple DES in CBC mode with a MAC.
    TripleDesCbc,
    /// AES-GCM (RFC 5288).
    AesGcm(usize),
    /// AES-CCM (RFC 6655) with a tag of so many bytes.
    AesCcm(usize, usize),
    /// ChaCha20 with Poly1305 (RFC 7905).
    ChaCha20,
}

/// A cipher suite whose records can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Cipher.
    pub cipher: Cipher,
    /// Hash of the MAC; `None` where the cipher authenticates itself.
    pub mac: Option<Hash>,
    /// Hash of the key derivation.
    pub hash: Hash,
}

impl Suite {
    /// By its number; `None` of those that nobody is expected to bring keys for (Camellia, ARIA, SEED, GOST).
    pub fn of(number: u16, version: u16) -> Option<Self> {
        let name = registry::cipher_name(number)?;
        let cipher = match Bulk::of_name(name) {
            Bulk::Aes(bits, mode) => {
                let key = usize::from(bits / 8);
                match mode {
                    Mode::Gcm => Cipher::AesGcm(key),
                    Mode::Ccm(tag) => Cipher::AesCcm(key, usize::from(tag)),
                    Mode::Cbc => Cipher::AesCbc(key),
                }
            }
            Bulk::ChaCha20 => Cipher::ChaCha20,
            Bulk::TripleDes => Cipher::TripleDesCbc,
            // The suites of TLS 1.3 that encrypt nothing (RFC 9150) build their records otherwise.
            Bulk::Null if version < 0x0304 => Cipher::Null,
            Bulk::Rc4 if name.contains("_WITH_RC4_128") => Cipher::Rc4,
            _ => return None,
        };
        let last = match Digest::of_name(name) {
            Some(Digest::Sha384) => Hash::Sha384,
            Some(Digest::Sha256) => Hash::Sha256,
            Some(Digest::Sha1) => Hash::Sha1,
            Some(Digest::Md5) => Hash::Md5,
            // Neither encrypted nor authenticated.
            None if cipher == Cipher::Null => return None,
            // Suites of CCM name none: the hash is that of TLS 1.2.
            None => Hash::Sha256,
        };
        let sealed = matches!(cipher, Cipher::AesGcm(_) | Cipher::AesCcm(..) | Cipher::ChaCha20);
        // With CBC the hash of the name is that of the MAC; the one of the key derivation is SHA-256 then, but
        // for SHA-384 (RFC 5289, section 3.1).
        let hash = if last == Hash::Sha384 { Hash::Sha384 } else { Hash::Sha256 };
        (version >= 0x0301).then_some(Self { cipher, mac: (!sealed).then_some(last), hash })
    }

    /// Bytes of the key.
    pub const fn key_len(self) -> usize {
        match self.cipher {
            Cipher::Null => 0,
            Cipher::Rc4 => 16,
            Cipher::TripleDesCbc => 24,
            Cipher::AesCbc(n) | Cipher::AesGcm(n) | Cipher::AesCcm(n, _) => n,
            Cipher::ChaCha20 => 32,
        }
    }

    /// Bytes of the vector that the key derivation gives.
    pub const fn iv_len(self, version: u16) -> usize {
        match self.cipher {
            Cipher::ChaCha20 => 12,
            Cipher::AesGcm(_) | Cipher::AesCcm(..) if version < 0x0304 => 4,
            Cipher::AesGcm(_) | Cipher::AesCcm(..) => 12,
            // From TLS 1.1 on each record brings its own.
            Cipher::AesCbc(_) if version < 0x0302 => 16,
            Cipher::TripleDesCbc if version < 0x0302 => 8,
            Cipher::Null | Cipher::Rc4 | Cipher::AesCbc(_) | Cipher::TripleDesCbc => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.bytes().filter(u8::is_ascii_hexdigit).map(|c| char::from(c).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|p| p[0] << 4 | p[1]).collect()
    }

    #[test]
    fn the_function_of_tls_1_2_gives_the_bytes_of_the_published_vector() {
        // Posted to the TLS working group's list as a test vector for P_SHA256.
        let secret = unhex("9bbe436ba940f017b17652849a71db35");
        let seed = unhex("a0ba9f936cda311827a6f796ffd5198c");
        let want = unhex(
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7\
             077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
        );
        assert_eq!(prf(0x0303, Hash::Sha256, &secret, &[b"test label", &seed], 100), want);
    }

    #[test]
    fn keys_of_tls_1_3_are_those_of_the_standard() {
        // RFC 8448, section 3: the server's handshake traffic secret, its key and vector.
        let secret = unhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        assert_eq!(expand_label(Hash::Sha256, &secret, "key", 16).unwrap(), unhex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(expand_label(Hash::Sha256, &secret, "iv", 12).unwrap(), unhex("5d313eb2671276ee13000b30"));
        assert_eq!(expand_label(Hash::Sha256, &[1; 3], "key", 16), None, "no secret of that hash");
    }

    #[test]
    fn suites_are_read_from_their_names() {
        for (number, version, cipher, mac, hash, lens) in [
            (0x1301, 0x0304, Cipher::AesGcm(16), None, Hash::Sha256, (16, 12)),
            (0x1302, 0x0304, Cipher::AesGcm(32), None, Hash::Sha384, (32, 12)),
            (0x1303, 0x0304, Cipher::ChaCha20, None, Hash::Sha256, (32, 12)),
            (0x1305, 0x0304, Cipher::AesCcm(16, 8), None, Hash::Sha256, (16, 12)),
            (0xc030, 0x0303, Cipher::AesGcm(32), None, Hash::Sha384, (32, 4)),
            (0xcca8, 0x0303, Cipher::ChaCha20, None, Hash::Sha256, (32, 12)),
            (0xc0ac, 0x0303, Cipher::AesCcm(16, 16), None, Hash::Sha256, (16, 4)),
            (0xc028, 0x0303, Cipher::AesCbc(32), Some(Hash::Sha384), Hash::Sha384, (32, 0)),
            (0x002f, 0x0303, Cipher::AesCbc(16), Some(Hash::Sha1), Hash::Sha256, (16, 0)),
            (0x0035, 0x0301, Cipher::AesCbc(32), Some(Hash::Sha1), Hash::Sha256, (32, 16)),
            (0x000a, 0x0301, Cipher::TripleDesCbc, Some(Hash::Sha1), Hash::Sha256, (24, 8)),
            (0x0004, 0x0302, Cipher::Rc4, Some(Hash::Md5), Hash::Sha256, (16, 0)),
            (0x003b, 0x0303, Cipher::Null, Some(Hash::Sha256), Hash::Sha256, (0, 0)),
        ] {
            let suite = Suite::of(number, version).unwrap();
            assert_eq!(suite, Suite { cipher, mac, hash }, "{number:04x}");
            assert_eq!((suite.key_len(), suite.iv_len(version)), lens, "{number:04x}");
        }
        for (number, version) in [(0x0000, 0x0303), (0x0041, 0x0303), (0x002f, 0x0300), (0xbeef, 0x0303)] {
            assert_eq!(Suite::of(number, version), None, "{number:04x}");
        }
    }
}

//! Opening the records of one direction with its keys.

use aes::cipher::{Array, BlockCipherDecrypt, BlockModeDecrypt, KeyIvInit, StreamCipher, inout::InOutBuf};
use aes::{Aes128, Aes256};
use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use ccm::Ccm;
use ccm::consts::{U8, U12, U16};
use chacha20poly1305::ChaCha20Poly1305;
use des::TdesEde3;
use rc4::Rc4;

use super::suite::{Cipher, Hash, Suite, expand_label};

/// A cipher with its key.
enum Keyed {
    Null,
    Rc4(Box<Rc4>),
    AesCbc128(Vec<u8>),
    AesCbc256(Vec<u8>),
    TripleDesCbc(Vec<u8>),
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
    Ccm128(Box<Ccm<Aes128, U16, U12>>),
    Ccm256(Box<Ccm<Aes256, U16, U12>>),
    Ccm128Short(Box<Ccm<Aes128, U8, U12>>),
    Ccm256Short(Box<Ccm<Aes256, U8, U12>>),
    ChaCha20(Box<ChaCha20Poly1305>),
}

impl Keyed {
    fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        Some(match (cipher, key.len()) {
            (Cipher::Null, _) => Self::Null,
            (Cipher::Rc4, _) => Self::Rc4(Box::new(Rc4::new_from_slice(key).ok()?)),
            (Cipher::AesCbc(_), 16) => Self::AesCbc128(key.to_vec()),
            (Cipher::AesCbc(_), _) => Self::AesCbc256(key.to_vec()),
            (Cipher::TripleDesCbc, _) => Self::TripleDesCbc(key.to_vec()),
            (Cipher::AesGcm(_), 16) => Self::Gcm128(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            (Cipher::AesGcm(_), _) => Self::Gcm256(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            (Cipher::AesCcm(_, 8), 16) => Self::Ccm128Short(Box::new(Ccm::new_from_slice(key).ok()?)),
            (Cipher::AesCcm(_, 8), _) => Self::Ccm256Short(Box::new(Ccm::new_from_slice(key).ok()?)),
            (Cipher::AesCcm(..), 16) => Self::Ccm128(Box::new(Ccm::new_from_slice(key).ok()?)),
            (Cipher::AesCcm(..), _) => Self::Ccm256(Box::new(Ccm::new_from_slice(key).ok()?)),
            (Cipher::ChaCha20, _) => Self::ChaCha20(Box::new(ChaCha20Poly1305::new_from_slice(key).ok()?)),
        })
    }

    /// Decrypts and verifies in place with a cipher that authenticates itself.
    fn unseal(&self, nonce: &[u8; 12], aad: &[u8], sealed: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Gcm128(c) => unseal(&**c, nonce, aad, sealed, 16),
            Self::Gcm256(c) => unseal(&**c, nonce, aad, sealed, 16),
            Self::Ccm128(c) => unseal(&**c, nonce, aad, sealed, 16),
            Self::Ccm256(c) => unseal(&**c, nonce, aad, sealed, 16),
            Self::Ccm128Short(c) => unseal(&**c, nonce, aad, sealed, 8),
            Self::Ccm256Short(c) => unseal(&**c, nonce, aad, sealed, 8),
            Self::ChaCha20(c) => unseal(&**c, nonce, aad, sealed, 16),
            _ => None,
        }
    }
}

fn unseal<A: AeadInOut>(cipher: &A, nonce: &[u8; 12], aad: &[u8], sealed: &mut Vec<u8>, tag: usize) -> Option<()> {
    let at = sealed.len().checked_sub(tag)?;
    let (body, tag) = sealed.split_at_mut_checked(at)?;
    let (nonce, tag) = (Nonce::<A>::try_from(&nonce[..]).ok()?, Tag::<A>::try_from(&tag[..]).ok()?);
    cipher.decrypt_inout_detached(&nonce, aad, InOutBuf::from(&mut *body), &tag).ok()?;
    let len = body.len();
    sealed.truncate(len);
    Some(())
}

/// Decrypts in CBC mode in place; `None` where the length is not one of whole blocks.
fn cbc<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], bytes: &mut [u8]) -> Option<()> {
    let mut mode = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    let (blocks, rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(bytes);
    if !rest.is_empty() {
        return None;
    }
    mode.decrypt_blocks(blocks);
    Some(())
}

/// What opens the records of one direction, in order.
pub struct RecordKeys {
    keyed: Keyed,
    suite: Suite,
    version: u16,
    /// The MAC's hash and key.
    mac: Option<(Hash, Vec<u8>)>,
    /// The vector, or the part of it that is not sent.
    iv: Vec<u8>,
    /// Whether the MAC is over what was encrypted (RFC 7366).
    encrypt_then_mac: bool,
    /// Whether the MAC counts as right, because nobody has its key.
    unverified: bool,
    /// Number of the next record.
    sequence: u64,
    /// How DTLS writes the version, where the records are its own.
    wire: Option<u16>,
}

impl std::fmt::Debug for RecordKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordKeys")
            .field("suite", &self.suite)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl RecordKeys {
    /// Of TLS 1.0 to 1.2, from the parts of the key block (RFC 5246, section 6.3).
    pub fn new(
        suite: Suite,
        version: u16,
        mac_key: &[u8],
        key: &[u8],
        iv: &[u8],
        encrypt_then_mac: bool,
    ) -> Option<Self> {
        let mac = suite.mac.map(|hash| (hash, mac_key.to_vec()));
        let keyed = Keyed::new(suite.cipher, key)?;
        Some(Self {
            keyed,
            suite,
            version,
            mac,
            iv: iv.to_vec(),
            encrypt_then_mac,
            unverified: false,
            sequence: 0,
            wire: None,
        })
    }

    /// Likewise for DTLS, which writes its version so (RFC 6347, section 4.1).
    pub fn for_datagrams(mut self, wire: Option<u16>) -> Self {
        self.wire = wire;
        self
    }

    /// Of a suite that encrypts nothing: what its MAC says is not looked at.
    pub fn unverified(suite: Suite, version: u16) -> Option<Self> {
        let mut keys = Self::new(suite, version, &[], &[], &[], false)?;
        keys.unverified = true;
        Some(keys)
    }

    /// Of TLS 1.3, from a traffic secret (RFC 8446, section 7.3).
    pub fn of_traffic_secret(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key = expand_label(suite.hash, secret, "key", suite.key_len())?;
        let iv = expand_label(suite.hash, secret, "iv", 12)?;
        Self::new(suite, 0x0304, &[], &key, &iv, false)
    }

    /// Opens a record: the type of what is inside, and the bytes. `None` where it was damaged, or the keys are not those of
    /// the record. Up to TLS 1.2 it counts all the same, because keys come into use at a point that is known; with TLS 1.3 it
    /// does not, because other keys may be its own.
    pub fn open(&mut self, header: &[u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let opened = if self.version >= 0x0304 {
            self.open_13(header, payload)
        } else if self.mac.is_none() {
            self.open_sealed(header[0], payload).map(|plain| (header[0], plain))
        } else {
            self.open_with_mac(header[0], payload).map(|plain| (header[0], plain))
        };
        if opened.is_some() || self.version < 0x0304 {
            self.sequence += 1;
        }
        if opened.is_none() && self.version < 0x0302 {
            self.pass(payload);
        }
        opened
    }

    /// Opens a record of DTLS, whose number, the epoch in it, stands in its header.
    pub fn open_numbered(&mut self, number: u64, ty: u8, payload: &[u8]) -> Option<Vec<u8>> {
        // A stream has no place in datagrams (RFC 6347, section 4.1.2.2).
        if self.wire.is_none() || self.suite.cipher == Cipher::Rc4 {
            return None;
        }
        self.sequence = number;
        if self.mac.is_none() { self.open_sealed(ty, payload) } else { self.open_with_mac(ty, payload) }
    }

    /// Opens a record behind `lost` ones that were damaged (TLS 1.3).
    pub fn open_behind(&mut self, lost: u32, header: &[u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let before = self.sequence;
        self.sequence = before.checked_add(u64::from(lost)).filter(|_| before > 0)?;
        let opened = self.open(header, payload);
        if opened.is_none() {
            self.sequence = before;
        }
        opened
    }

    /// The last block of a record that could not be opened is the next one's vector, too (TLS 1.0, CBC).
    fn pass(&mut self, payload: &[u8]) {
        let mac = self.mac.as_ref().filter(|_| self.encrypt_then_mac).map_or(0, |(hash, _)| hash.len());
        let end = payload.len().saturating_sub(mac);
        if let Some(last) = end.checked_sub(self.iv.len()).and_then(|start| payload.get(start..end)) {
            self.iv = last.to_vec();
        }
    }

    /// The nonce of TLS 1.3 and of ChaCha20: the vector with the number of the record upon its end.
    fn counted_nonce(&self) -> Option<[u8; 12]> {
        let mut nonce: [u8; 12] = self.iv.as_slice().try_into().ok()?;
        nonce.iter_mut().skip(4).zip(self.sequence.to_be_bytes()).for_each(|(n, s)| *n ^= s);
        Some(nonce)
    }

    /// RFC 8446, section 5.2: content, type, zeros.
    fn open_13(&self, header: &[u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let mut bytes = payload.to_vec();
        self.keyed.unseal(&self.counted_nonce()?, header, &mut bytes)?;
        let end = bytes.iter().rposition(|b| *b != 0)?;
        let ty = bytes.get(end).copied()?;
        bytes.truncate(end);
        Some((ty, bytes))
    }

    /// What the MAC or tag covers before the content (RFC 5246, section 6.2.3.1).
    fn pseudo_header(&self, ty: u8, len: usize) -> Option<[u8; 13]> {
        let mut out = [0; 13];
        let len = u16::try_from(len).ok()?;
        let parts = self.sequence.to_be_bytes().into_iter().chain([ty]);
        let parts = parts.chain(self.wire.unwrap_or(self.version).to_be_bytes()).chain(len.to_be_bytes());
        out.iter_mut().zip(parts).for_each(|(o, p)| *o = p);
        Some(out)
    }

    /// A cipher of TLS 1.2 that authenticates itself (RFC 5246, section 6.2.3.3).
    fn open_sealed(&self, ty: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = if self.suite.cipher == Cipher::ChaCha20 {
            (self.counted_nonce()?, payload)
        } else {
            let (explicit, body) = payload.split_at_checked(8)?;
            let mut nonce = [0; 12];
            nonce.iter_mut().zip(self.iv.iter().chain(explicit)).for_each(|(n, b)| *n = *b);
            (nonce, body)
        };
        let tag = if let Cipher::AesCcm(_, tag) = self.suite.cipher { tag } else { 16 };
        let aad = self.pseudo_header(ty, body.len().checked_sub(tag)?)?;
        let mut bytes = body.to_vec();
        self.keyed.unseal(&nonce, &aad, &mut bytes)?;
        Some(bytes)
    }

    /// A cipher with a MAC (RFC 5246, sections 6.2.3.1 and 6.2.3.2).
    fn open_with_mac(&mut self, ty: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let mac_len = self.mac.as_ref()?.0.len();
        let block = match self.keyed {
            Keyed::AesCbc128(_) | Keyed::AesCbc256(_) => 16,
            Keyed::TripleDesCbc(_) => 8,
            _ => 0,
        };
        let mut bytes = payload.to_vec();
        if block == 0 {
            if let Keyed::Rc4(stream) = &mut self.keyed {
                stream.apply_keystream(&mut bytes);
            }
            return self.verified(ty, bytes, mac_len);
        }
        let outer_mac = self.encrypt_then_mac;
        if outer_mac {
            bytes = self.verified(ty, bytes, mac_len)?;
        }
        // The last block is the next record's vector in TLS 1.0.
        let last = bytes.get(bytes.len().checked_sub(block)?..)?.to_vec();
        let iv = if self.version < 0x0302 { self.iv.clone() } else { bytes.drain(..block.min(bytes.len())).collect() };
        match &self.keyed {
            Keyed::AesCbc128(key) => cbc::<Aes128>(key, &iv, &mut bytes)?,
            Keyed::AesCbc256(key) => cbc::<Aes256>(key, &iv, &mut bytes)?,
            Keyed::TripleDesCbc(key) => cbc::<TdesEde3>(key, &iv, &mut bytes)?,
            _ => return None,
        }
        let padding = usize::from(*bytes.last()?) + 1;
        bytes.truncate(bytes.len().checked_sub(padding)?);
        let plain = if outer_mac { bytes } else { self.verified(ty, bytes, mac_len)? };
        if self.version < 0x0302 {
            self.iv = last;
        }
        Some(plain)
    }

    /// The bytes without their MAC, where that is right.
    fn verified(&self, ty: u8, mut bytes: Vec<u8>, mac_len: usize) -> Option<Vec<u8>> {
        let (hash, key) = self.mac.as_ref()?;
        let (body, sent) = bytes.split_at_checked(bytes.len().checked_sub(mac_len)?)?;
        if !self.unverified && hash.hmac(key, &[&self.pseudo_header(ty, body.len())?, body]) != sent {
            return None;
        }
        let len = body.len();
        bytes.truncate(len);
        Some(bytes)
    }
}

#[cfg(test)]
pub(super) mod tests;

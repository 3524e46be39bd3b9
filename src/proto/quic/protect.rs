//! Taking the protection off Initial packets (RFC 9001, section 5), and the tag of Retry packets.
//!
//! ```text
//! initial secret = HKDF-Extract(salt, destination connection id of the client's first Initial)
//! secret of a side = HKDF-Expand-Label(initial secret, "client in" or "server in", 32)
//! key, iv, hp = HKDF-Expand-Label(secret, "quic key" / "quic iv" / "quic hp", 16 / 12 / 16)
//! ```
//! AES-128-GCM seals the payload, with the header as additional data; AES-128 over 16 bytes of the sealed
//! payload hides the packet number and its length.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

use super::header::TAG_BYTES;
use super::version::{Labels, Scheme};

/// Who protects a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// Where the sample for header protection stands behind the packet number's place, and its length.
const SAMPLE_AT: usize = 4;
const SAMPLE_BYTES: usize = 16;

/// The keys of one side's Initial packets.
pub struct Keys {
    aead: Aes128Gcm,
    iv: [u8; 12],
    hide: Aes128,
    /// The highest packet number so far.
    largest: Option<u64>,
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1) without a context: `info` is its encoded
/// parameter.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    // Only an output of more than 255 hashes is an error.
    let _ = secret.expand(info, &mut out);
    out
}

impl Keys {
    /// Derives the keys of a side from the first destination connection identifier.
    pub fn new(scheme: &Scheme, dcid: &[u8], role: Role) -> Self {
        let initial = Hkdf::<Sha256>::new(Some(&scheme.salt), dcid);
        let secret: [u8; 32] = match role {
            Role::Client => expand(&initial, b"\x00\x20\x0ftls13 client in\x00"),
            Role::Server => expand(&initial, b"\x00\x20\x0ftls13 server in\x00"),
        };
        let Ok(secret) = Hkdf::<Sha256>::from_prk(&secret) else {
            // 32 bytes are what the hash makes, and always enough.
            return Self::from_parts([0; 16], [0; 12], [0; 16]);
        };
        match scheme.labels {
            Labels::V1 => Self::from_parts(
                expand(&secret, b"\x00\x10\x0etls13 quic key\x00"),
                expand(&secret, b"\x00\x0c\x0dtls13 quic iv\x00"),
                expand(&secret, b"\x00\x10\x0dtls13 quic hp\x00"),
            ),
            Labels::V2 => Self::from_parts(
                expand(&secret, b"\x00\x10\x10tls13 quicv2 key\x00"),
                expand(&secret, b"\x00\x0c\x0ftls13 quicv2 iv\x00"),
                expand(&secret, b"\x00\x10\x0ftls13 quicv2 hp\x00"),
            ),
        }
    }

    fn from_parts(key: [u8; 16], iv: [u8; 12], hide: [u8; 16]) -> Self {
        Self { aead: Aes128Gcm::new(&key.into()), iv, hide: Aes128::new(&hide.into()), largest: None }
    }

    /// What hides the first byte and the packet number.
    fn mask(&self, sample: &[u8; SAMPLE_BYTES]) -> [u8; 5] {
        let mut block = aes::Block::from(*sample);
        self.hide.encrypt_block(&mut block);
        let [a, b, c, d, e, ..] = <[u8; SAMPLE_BYTES]>::from(block);
        [a, b, c, d, e]
    }

    fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        for (n, b) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *n ^= b;
        }
        nonce
    }

    /// Opens a packet with a long header whose number stands at `number_at`: the frames inside it, in
    /// `scratch`. `None` where the tag does not fit: it is not of these keys, or damaged.
    pub fn open<'b>(&mut self, packet: &[u8], number_at: usize, scratch: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let sample = packet.get(number_at + SAMPLE_AT..)?.first_chunk::<SAMPLE_BYTES>()?;
        let [first_mask, masks @ ..] = self.mask(sample);
        scratch.clear();
        scratch.extend_from_slice(packet);
        let first = scratch.first_mut()?;
        *first ^= first_mask & 0x0f;
        let number_len = usize::from(*first & 3) + 1;
        let mut truncated = 0;
        for (byte, mask) in scratch.get_mut(number_at..number_at + number_len)?.iter_mut().zip(masks) {
            *byte ^= mask;
            truncated = truncated << 8 | u64::from(*byte);
        }
        let number = self.number(truncated, number_len);
        let (header, sealed) = scratch.split_at_mut_checked(number_at + number_len)?;
        let (payload, tag) = sealed.split_at_mut_checked(sealed.len().checked_sub(TAG_BYTES)?)?;
        let tag = Tag::try_from(&*tag).ok()?;
        let nonce = Nonce::from(self.nonce(number));
        self.aead.decrypt_inout_detached(&nonce, header, (&mut *payload).into(), &tag).ok()?;
        self.largest = self.largest.max(Some(number));
        Some(payload)
    }

    /// The packet number of which the low bytes are given (RFC 9000, appendix A.3).
    fn number(&self, truncated: u64, len: usize) -> u64 {
        let expected = self.largest.map_or(0, |n| n.saturating_add(1));
        let window = 1_u64 << (8 * len);
        let candidate = expected & !(window - 1) | truncated;
        if candidate.saturating_add(window / 2) <= expected && candidate < (1 << 62) - window {
            candidate + window
        } else if candidate > expected.saturating_add(window / 2) && candidate >= window {
            candidate - window
        } else {
            candidate
        }
    }
}

/// Whether the tag of a Retry packet proves that its sender saw the client's first packet, which went to
/// this connection identifier. `None` where the version's key is not known.
pub fn retry_fits(scheme: &Scheme, original_dcid: &[u8], packet: &[u8]) -> Option<bool> {
    let (key, nonce) = scheme.retry?;
    let (head, tag) = packet.split_at_checked(packet.len().checked_sub(TAG_BYTES)?)?;
    let tag = Tag::try_from(tag).ok()?;
    let len = u8::try_from(original_dcid.len()).ok()?;
    let pseudo = [&[len], original_dcid, head].concat();
    let aead = Aes128Gcm::new(&key.into());
    let mut nothing = [0; 0];
    Some(aead.decrypt_inout_detached(&Nonce::from(nonce), &pseudo, (&mut nothing[..]).into(), &tag).is_ok())
}

#[cfg(test)]
impl Keys {
    /// Seals frames behind a header that ends with its packet number, of four bytes or fewer as the first
    /// byte says.
    pub fn seal(&self, header: &[u8], frames: &[u8]) -> Vec<u8> {
        let number_len = usize::from(header[0] & 3) + 1;
        let number_at = header.len() - number_len;
        let number = header[number_at..].iter().fold(0, |n, b| n << 8 | u64::from(*b));
        let mut payload = frames.to_vec();
        let tag = self
            .aead
            .encrypt_inout_detached(&Nonce::from(self.nonce(number)), header, (&mut payload[..]).into())
            .unwrap();
        let mut packet = [header, &payload, &tag].concat();
        let sample = packet[number_at + SAMPLE_AT..].first_chunk().unwrap();
        let [first_mask, masks @ ..] = self.mask(sample);
        packet[0] ^= first_mask & 0x0f;
        for (byte, mask) in packet[number_at..number_at + number_len].iter_mut().zip(masks) {
            *byte ^= mask;
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DCID, HELLO_FRAMES, SERVER_FRAMES, V1, V2, Vectors, bytes};
    use super::super::version::{SCHEME_V1, SCHEME_V2};
    use super::*;

    fn check(scheme: &Scheme, vectors: &Vectors) {
        let dcid = bytes(DCID);
        for (role, packet, header, frames) in [
            (Role::Client, vectors.client, vectors.client_header, HELLO_FRAMES),
            (Role::Server, vectors.server, vectors.server_header, SERVER_FRAMES),
        ] {
            let (packet, header, mut frames) = (bytes(packet), bytes(header), bytes(frames));
            if role == Role::Client {
                frames.resize(1162, 0);
            }
            let mut keys = Keys::new(scheme, &dcid, role);
            let number_at = header.len() - usize::from(header[0] & 3) - 1;
            let mut scratch = Vec::new();
            assert_eq!(keys.open(&packet, number_at, &mut scratch), Some(&frames[..]), "{role:?}");
            assert_eq!(keys.seal(&header, &frames), packet);
            let other = if role == Role::Client { Role::Server } else { Role::Client };
            assert_eq!(Keys::new(scheme, &dcid, other).open(&packet, number_at, &mut scratch), None);
            // Any bit that is not as it was is seen.
            for at in [0, 1, 6, number_at, number_at + 8, packet.len() - 1] {
                let mut damaged = packet.clone();
                damaged[at] ^= 1;
                assert_eq!(keys.open(&damaged, number_at, &mut scratch), None, "byte {at}");
            }
            for end in 0..number_at + 40 {
                assert_eq!(keys.open(&packet[..end], number_at, &mut scratch), None);
            }
        }
        let mut retry = bytes(vectors.retry);
        assert_eq!(retry_fits(scheme, &dcid, &retry), Some(true));
        assert_eq!(retry_fits(scheme, &dcid[1..], &retry), Some(false));
        retry[20] ^= 1;
        assert_eq!(retry_fits(scheme, &dcid, &retry), Some(false));
        assert_eq!(retry_fits(scheme, &dcid, &retry[..15]), None);
    }

    #[test]
    fn the_packets_of_rfc_9001_appendix_a() {
        check(&SCHEME_V1, &V1);
    }

    #[test]
    fn the_packets_of_rfc_9369_appendix_a() {
        check(&SCHEME_V2, &V2);
    }

    #[test]
    fn packet_numbers_are_made_whole() {
        let mut keys = Keys::new(&SCHEME_V1, &[], Role::Client);
        assert_eq!((keys.number(0, 1), keys.number(200, 1), keys.number(0xffff_ffff, 4)), (0, 200, 0xffff_ffff));
        // RFC 9000, appendix A.3.
        keys.largest = Some(0xa82f_30ea);
        assert_eq!(keys.number(0x9b32, 2), 0xa82f_9b32);
        keys.largest = Some(255);
        assert_eq!((keys.number(1, 1), keys.number(255, 1)), (257, 255));
        keys.largest = Some(u64::MAX);
        keys.number(0, 1);
        keys.number(0xffff_ffff, 4);
    }
}

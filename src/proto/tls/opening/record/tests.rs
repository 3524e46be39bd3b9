//! Records are sealed here with the same primitives, and opened; that both are right is shown by captures of real
//! servers whose keys were logged, in the tests of the whole.

use aes::cipher::{BlockCipherEncrypt, BlockModeEncrypt};
use aes_gcm::aead::Nonce;

use super::*;
use crate::proto::tls::records::content;

const DATA: u8 = content::DATA;

pub(in super::super) fn header(ty: u8, len: usize) -> [u8; 5] {
    [ty, 3, 3, (len >> 8) as u8, len as u8]
}

fn sealed<A: AeadInOut + KeyInit>(key: &[u8], nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = Nonce::<A>::try_from(&nonce[..]).unwrap();
    let mut out = plain.to_vec();
    let cipher = A::new_from_slice(key).unwrap();
    let tag = cipher.encrypt_inout_detached(&nonce, aad, InOutBuf::from(&mut *out)).unwrap();
    out.extend(tag);
    out
}

fn seal_any(suite: Suite, key: &[u8], nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    match suite.cipher {
        Cipher::AesGcm(16) => sealed::<Aes128Gcm>(key, nonce, aad, plain),
        Cipher::AesGcm(_) => sealed::<Aes256Gcm>(key, nonce, aad, plain),
        Cipher::AesCcm(16, 16) => sealed::<Ccm<Aes128, U16, U12>>(key, nonce, aad, plain),
        Cipher::AesCcm(16, _) => sealed::<Ccm<Aes128, U8, U12>>(key, nonce, aad, plain),
        Cipher::AesCcm(_, 16) => sealed::<Ccm<Aes256, U16, U12>>(key, nonce, aad, plain),
        Cipher::AesCcm(..) => sealed::<Ccm<Aes256, U8, U12>>(key, nonce, aad, plain),
        Cipher::ChaCha20 => sealed::<ChaCha20Poly1305>(key, nonce, aad, plain),
        other => panic!("{other:?} authenticates nothing"),
    }
}

/// A record of TLS 1.3 under a traffic secret.
pub(in super::super) fn seal_13(
    suite: Suite,
    secret: &[u8],
    sequence: u64,
    ty: u8,
    plain: &[u8],
) -> ([u8; 5], Vec<u8>) {
    let key = expand_label(suite.hash, secret, "key", suite.key_len()).unwrap();
    let mut nonce: [u8; 12] = expand_label(suite.hash, secret, "iv", 12).unwrap().try_into().unwrap();
    nonce[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(n, s)| *n ^= s);
    let inner = [plain, &[ty, 0, 0]].concat();
    let tag = if let Cipher::AesCcm(_, tag) = suite.cipher { tag } else { 16 };
    let header = header(DATA, inner.len() + tag);
    (header, seal_any(suite, &key, nonce, &header, &inner))
}

fn pseudo(sequence: u64, ty: u8, version: u16, len: usize) -> Vec<u8> {
    [&sequence.to_be_bytes()[..], &[ty], &version.to_be_bytes(), &(len as u16).to_be_bytes()].concat()
}

#[test]
fn every_cipher_of_tls_1_2_and_1_3_that_authenticates_itself() {
    for number in [0x1301, 0x1302, 0x1303, 0x1304, 0x1305] {
        let suite = Suite::of(number, 0x0304).unwrap();
        let secret = vec![9; suite.hash.len()];
        let mut keys = RecordKeys::of_traffic_secret(suite, &secret).unwrap();
        for sequence in 0..3 {
            let (header, payload) = seal_13(suite, &secret, sequence, DATA, b"GET /");
            assert_eq!(keys.open(&header, &payload), Some((DATA, b"GET /".to_vec())), "{number:04x}");
        }
        let (header, mut payload) = seal_13(suite, &secret, 3, DATA, b"GET /");
        payload[0] ^= 1;
        assert_eq!(keys.open(&header, &payload), None, "{number:04x}: changed on the way");
        let (header, payload) = seal_13(suite, &secret, 3, DATA, b"");
        assert_eq!(keys.open(&header, &payload), Some((DATA, Vec::new())), "{number:04x}: the failure did not count");
        for end in 0..payload.len() {
            assert_eq!(keys.open(&header, &payload[..end]), None);
        }
    }
    for number in [0xc02f, 0xc030, 0xcca8, 0xc09e, 0xc0a3, 0xc0a0, 0xc0ad] {
        let suite = Suite::of(number, 0x0303).unwrap();
        let (key, iv) = (vec![5; suite.key_len()], vec![6; suite.iv_len(0x0303)]);
        let mut keys = RecordKeys::new(suite, 0x0303, &[], &key, &iv, false).unwrap();
        // One that cannot be opened counts.
        for sequence in [0, 2, 4_u64] {
            let plain = b"hello";
            let aad = pseudo(sequence, DATA, 0x0303, plain.len());
            let mut nonce = [0; 12];
            let mut payload = Vec::new();
            if suite.cipher == Cipher::ChaCha20 {
                nonce.copy_from_slice(&iv);
                nonce[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(n, s)| *n ^= s);
            } else {
                let explicit = (sequence + 77).to_be_bytes();
                nonce[..4].copy_from_slice(&iv);
                nonce[4..].copy_from_slice(&explicit);
                payload.extend(explicit);
            }
            payload.extend(seal_any(suite, &key, nonce, &aad, plain));
            assert_eq!(keys.open(&header(DATA, payload.len()), &payload), Some((DATA, plain.to_vec())), "{number:04x}");
            let end = payload.len() * sequence as usize / 5;
            assert_eq!(keys.open(&header(DATA, end), &payload[..end]), None, "{number:04x} cut at {end}");
        }
        for end in 0..40 {
            assert_eq!(keys.open(&header(DATA, end), &vec![7; end]), None, "{number:04x}: rubbish of {end} bytes");
        }
    }
}

fn cbc_encrypt<C: BlockCipherEncrypt + KeyInit>(key: &[u8], iv: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = plain.to_vec();
    let (blocks, rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(&mut out);
    assert!(rest.is_empty());
    cbc::Encryptor::<C>::new_from_slices(key, iv).unwrap().encrypt_blocks(blocks);
    out
}

#[test]
fn every_cipher_with_a_mac() {
    for (number, version, etm) in [
        (0x002f, 0x0303, false),
        (0x002f, 0x0303, true),
        (0x003d, 0x0303, true),
        (0xc028, 0x0303, false),
        (0x000a, 0x0302, false),
        (0x0035, 0x0301, false),
        (0x0035, 0x0301, true),
        (0x000a, 0x0301, false),
        (0x0005, 0x0303, false),
        (0x003b, 0x0303, false),
    ] {
        let suite = Suite::of(number, version).unwrap();
        let hash = suite.mac.unwrap();
        let (key, mac, mut iv) = (vec![5; suite.key_len()], vec![8; hash.len()], vec![3; suite.iv_len(version)]);
        let mut keys = RecordKeys::new(suite, version, &mac, &key, &iv, etm).unwrap();
        let mut stream = <rc4::Rc4 as rc4::KeyInit>::new_from_slice(&[5; 16]).unwrap();
        for sequence in 0..3 {
            let plain = b"USER joe\r\n".to_vec();
            let with_mac = |body: Vec<u8>| {
                let mac = hash.hmac(&mac, &[&pseudo(sequence, DATA, version, body.len()), &body]);
                [body, mac].concat()
            };
            let block = match suite.cipher {
                Cipher::TripleDesCbc => 8,
                Cipher::AesCbc(_) => 16,
                _ => 0,
            };
            let payload = if block == 0 {
                let mut bytes = with_mac(plain.clone());
                if suite.cipher == Cipher::Rc4 {
                    stream.apply_keystream(&mut bytes);
                }
                bytes
            } else {
                let mut body = if etm { plain.clone() } else { with_mac(plain.clone()) };
                let padding = block - 1 - body.len() % block;
                body.extend(vec![padding as u8; padding + 1]);
                let explicit = if version >= 0x0302 { vec![sequence as u8 + 1; block] } else { Vec::new() };
                let vector = if version >= 0x0302 { &explicit } else { &iv };
                let encrypted = match suite.cipher {
                    Cipher::TripleDesCbc => cbc_encrypt::<TdesEde3>(&key, vector, &body),
                    Cipher::AesCbc(16) => cbc_encrypt::<Aes128>(&key, vector, &body),
                    _ => cbc_encrypt::<Aes256>(&key, vector, &body),
                };
                iv = encrypted[encrypted.len() - block..].to_vec();
                let bytes = [explicit, encrypted].concat();
                if etm { with_mac(bytes) } else { bytes }
            };
            let header = header(DATA, payload.len());
            if sequence == 1 && suite.cipher != Cipher::Null {
                // Damaged on the way to the capture: those behind it are opened all the same, unless it was their vector.
                let mut damaged = payload.clone();
                let at = if etm { damaged.len() - 1 } else { 2 };
                damaged[at] ^= 0x10;
                assert_eq!(keys.open(&header, &damaged), None, "{number:04x} {version:04x} {etm}");
                continue;
            }
            let got = keys.open(&header, &payload);
            assert_eq!(got, Some((DATA, plain)), "{number:04x} {version:04x} {etm} record {sequence}");
        }
        for end in 0..64 {
            assert_eq!(keys.open(&header(DATA, end), &vec![7; end]), None, "{number:04x}: rubbish of {end} bytes");
        }
    }
}

//! Answers that are made with DES: NTLM (MS-NLMP), MS-CHAPv2 (RFC 2759) and VNC (RFC 6143).

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use md5::Md5;
use sha1::Sha1;

use super::Ntlm;
use super::hash::{hmac, of, upper, utf16};

/// One block under a key of eight bytes, whose parity bits do not count.
fn des(key: [u8; 8], block: [u8; 8]) -> [u8; 8] {
    let mut block = block.into();
    Des::new(&key.into()).encrypt_block(&mut block);
    block.into()
}

/// Seven bytes spread over eight, seven bits each (RFC 2759, section 8.6).
fn spread(seven: &[u8]) -> [u8; 8] {
    let bits = seven.iter().take(7).fold(0_u64, |word, b| word << 8 | u64::from(*b));
    let mut key = [0; 8];
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = (bits >> (49 - 7 * i) & 0x7f) as u8 * 2;
    }
    key
}

/// DESL (MS-NLMP, section 6): a block under three keys that are made of 16 bytes and five zeros.
fn desl(hash: &[u8], block: [u8; 8]) -> Vec<u8> {
    let mut padded = [0; 21];
    padded.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    padded.chunks(7).flat_map(|seven| des(spread(seven), block)).collect()
}

/// The hash that Windows keeps of a password (MS-NLMP, section 3.3.1, NTOWFv1).
pub fn nt_hash(password: &[u8]) -> Vec<u8> {
    of::<Md4>(&[&utf16(password)])
}

/// The older hash (LMOWFv1): of 14 characters in capitals.
fn lm_hash(password: &[u8]) -> Vec<u8> {
    let mut padded = [0; 14];
    padded.iter_mut().zip(password.to_ascii_uppercase()).for_each(|(to, from)| *to = from);
    padded.chunks(7).flat_map(|seven| des(spread(seven), *b"KGS!@#$%")).collect()
}

/// NTLM, of both versions (MS-NLMP, sections 3.3.1 and 3.3.2).
pub fn ntlm(n: &Ntlm<'_>, username: &[u8], password: &[u8]) -> bool {
    let user = if n.username.is_empty() { username } else { n.username };
    if n.nt.len() > 24 {
        let Some((proof, blob)) = n.nt.split_at_checked(16) else { return false };
        let key = hmac::<Md5>(&nt_hash(password), &[&utf16(&upper(user)), &utf16(n.domain)]);
        return hmac::<Md5>(&key, &[&n.challenge, blob]) == proof;
    }
    if n.nt.is_empty() {
        return n.lm.len() == 24 && desl(&lm_hash(password), n.challenge) == n.lm;
    }
    desl(&nt_hash(password), session_challenge(n).unwrap_or(n.challenge)) == n.nt
}

/// With extended session security the client's challenge goes in, and the server's alone does not
/// count (MS-NLMP, section 3.3.1): the LM answer is that challenge and zeros.
fn session_challenge(n: &Ntlm<'_>) -> Option<[u8; 8]> {
    let (client, rest) = n.lm.split_at_checked(8)?;
    let extended = rest.len() == 16 && rest.iter().all(|b| *b == 0) && client.iter().any(|b| *b != 0);
    let hash = of::<Md5>(&[&n.challenge, client]);
    extended.then(|| hash.first_chunk::<8>().copied())?
}

/// The eight bytes that MS-CHAPv2 encrypts (RFC 2759, section 8.2).
pub fn ms_chap2_challenge(challenge: &[u8], peer_challenge: &[u8], username: &[u8]) -> [u8; 8] {
    let hash = of::<Sha1>(&[peer_challenge, challenge, username]);
    hash.first_chunk::<8>().copied().unwrap_or_default()
}

/// MS-CHAPv2 (RFC 2759, section 8.1).
pub fn ms_chap2(challenge: &[u8], peer: &[u8], username: &[u8], response: &[u8], password: &[u8]) -> bool {
    desl(&nt_hash(password), ms_chap2_challenge(challenge, peer, username)) == response
}

/// VNC authentication (RFC 6143, section 7.2.2): DES with the bits of each byte of the key mirrored,
/// as the first implementation had them. Only eight characters count.
pub fn vnc(challenge: &[u8], response: &[u8], password: &[u8]) -> bool {
    let mut key = [0; 8];
    key.iter_mut().zip(password).for_each(|(to, from)| *to = from.reverse_bits());
    let (blocks, rest) = challenge.as_chunks::<8>();
    blocks.len() == 2 && rest.is_empty() && blocks.iter().flat_map(|b| des(key, *b)).eq(response.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::super::Proof;
    use super::super::hash::unhex;
    use super::*;

    fn known<'e>(lm: &'e [u8], nt: &'e [u8]) -> Proof<'e> {
        // MS-NLMP, section 4.2.1.
        let challenge = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        Proof::Ntlm(Ntlm { username: b"User", domain: b"Domain", challenge, lm, nt })
    }

    #[test]
    fn ntlm_answers_of_the_specification() {
        // Section 4.2.2: version 1.
        assert_eq!(nt_hash(b"Password"), unhex("a4f49c406510bdcab6824ee7c30fd852"));
        assert_eq!(lm_hash(b"Password"), unhex("e52cac67419a9a224a3b108f3fa6cb6d"));
        let lm = unhex("98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13");
        let nt = unhex("67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
        // Section 4.2.3: version 1 with the client's challenge.
        let lm_extended = unhex("aaaaaaaaaaaaaaaa00000000000000000000000000000000");
        let nt_extended = unhex("7537f803ae367128ca458204bde7caf81e97ed2683267232");
        // Section 4.2.4: version 2.
        let nt2 = unhex(
            "68cd0ab851e51c96aabc927bebef6a1c 01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000
             02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000 00000000",
        );
        for proof in [known(&lm, &nt), known(&lm, &[]), known(&lm_extended, &nt_extended), known(&[], &nt2)] {
            assert!(proof.fits(b"", b"Password"));
            assert!(!proof.fits(b"", b"Passwort"));
        }
        assert!(!known(&[], &[]).fits(b"", b""), "an anonymous login proves nothing");
    }

    #[test]
    fn ms_chap2_answer_of_the_standard() {
        // RFC 2759, section 9.2.
        let proof = Proof::MsChap2 {
            challenge: &unhex("5b5d7c7d7b3f2f3e3c2c602132262628"),
            peer_challenge: &unhex("21402324255e262a28295f2b3a337c7e"),
            username: b"User",
            response: &unhex("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df"),
        };
        assert!(proof.fits(b"", b"clientPass"));
        assert!(!proof.fits(b"", b"clientpass"));
    }

    #[test]
    fn vnc_answers_count_eight_characters() {
        // A published example of John the Ripper's format.
        let proof = Proof::Vnc {
            challenge: &unhex("84076F040550EEA9341967633B5F3855"),
            response: &unhex("DD96D21781A70DA49443279975404DD0"),
        };
        assert!(proof.fits(b"", b"pass1234"));
        assert!(proof.fits(b"", b"pass12345"), "what follows the eighth does not count");
        assert!(!proof.fits(b"", b"pass123"));
        assert!(!Proof::Vnc { challenge: &[], response: &[] }.fits(b"", b""), "nothing proves nothing");
    }
}

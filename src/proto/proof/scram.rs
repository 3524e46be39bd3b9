//! SCRAM (RFC 5802; RFC 7677 for SHA-256).

use md5::Digest;
use sha1::Sha1;
use sha2::Sha256;

use super::hash::{hmac, of, unbase64, xor};
use super::keys::kept;

/// Salt and rounds of a server's first message (RFC 5802, section 7): `r=...,s=...,i=...`.
fn parameters(server_first: &[u8]) -> Option<(Vec<u8>, u32)> {
    let value = |name: &[u8]| server_first.split(|c| *c == b',').find_map(|part| part.strip_prefix(name));
    let salt = unbase64(value(b"s=")?)?;
    let rounds = std::str::from_utf8(value(b"i=")?).ok()?.parse().ok()?;
    (rounds > 0).then_some((salt, rounds))
}

/// Compressions of one guess; `None` where the message names no rounds.
pub fn work(server_first: &[u8]) -> Option<u32> {
    Some(parameters(server_first)?.1.saturating_mul(2).saturating_add(20))
}

/// Whether the proof was made with this password (RFC 5802, section 3).
pub fn fits(hash: &[u8], messages: [&[u8]; 3], proof: &[u8], password: &[u8]) -> bool {
    let name = hash.to_ascii_uppercase();
    let name = name.strip_prefix(b"SCRAM-").unwrap_or(&name);
    let name = name.strip_suffix(b"-PLUS").unwrap_or(name);
    let Some((salt, rounds)) = parameters(messages[1]) else { return false };
    match name {
        b"SHA-1" => {
            let salted = kept(&format!("scram-Sha1-{rounds}"), password, &salt, || {
                let mut salted = vec![0; 20];
                pbkdf2::pbkdf2_hmac::<Sha1>(password, &salt, rounds, &mut salted);
                salted
            });
            key_of::<Sha1>(messages, proof, hmac::<Sha1>, &salted)
        }
        b"SHA-256" => {
            let salted = kept(&format!("scram-Sha256-{rounds}"), password, &salt, || {
                let mut salted = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt, rounds, &mut salted);
                salted
            });
            key_of::<Sha256>(messages, proof, hmac::<Sha256>, &salted)
        }
        _ => false,
    }
}

/// The client's key, taken out of the proof, must be that of the salted password.
fn key_of<D: Digest>(
    [client_first, server_first, client_final]: [&[u8]; 3],
    proof: &[u8],
    hmac: impl Fn(&[u8], &[&[u8]]) -> Vec<u8>,
    salted: &[u8],
) -> bool {
    let client_key = hmac(salted, &[b"Client Key"]);
    let stored = of::<D>(&[&client_key]);
    let signature = hmac(&stored, &[client_first, b",", server_first, b",", client_final]);
    proof.len() == client_key.len() && xor(&client_key, &signature) == proof
}

#[cfg(test)]
mod tests {
    use super::super::Proof;
    use super::*;

    #[test]
    fn exchanges_of_the_standards() {
        // RFC 5802, section 5.
        let sha1 = Proof::Scram {
            hash: b"SHA-1",
            client_first: b"n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            server_first: b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            client_final: b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
            proof: &unbase64(b"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=").unwrap(),
        };
        // RFC 7677, section 3.
        let sha256 = Proof::Scram {
            hash: b"SCRAM-SHA-256",
            client_first: b"n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first: b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            client_final: b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            proof: &unbase64(b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap(),
        };
        for proof in [sha1, sha256] {
            assert!(proof.fits(b"", b"pencil"));
            assert!(!proof.fits(b"", b"Pencil"));
        }
    }

    #[test]
    fn what_would_cost_too_much_is_not_tried() {
        for (server_first, work) in [
            (&b"r=x,s=QSXCR+Q6sek8bf92,i=4096"[..], Some(8212)),
            (b"r=x,s=QSXCR+Q6sek8bf92,i=4000000000", None),
            (b"r=x,s=QSXCR+Q6sek8bf92,i=0", None),
            (b"r=x,s=QSXCR+Q6sek8bf92", None),
            (b"", None),
        ] {
            let proof = Proof::Scram { hash: b"SHA-1", client_first: b"", server_first, client_final: b"", proof: b"" };
            assert_eq!(proof.work(), work);
            assert!(!proof.fits(b"", b"x"));
        }
    }
}

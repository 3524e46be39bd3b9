//! SNMPv3's user-based security model (RFC 3414; RFC 7860 for SHA-2).

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::hash::{hmac, of};
use super::keys::kept;

/// Bytes that a password is repeated to before it is hashed (RFC 3414, section A.2).
const EXPANDED: usize = 1 << 20;

/// Compressions of one guess, by the length of the digest; `None` where no algorithm has it.
pub fn work(digest: usize) -> Option<u32> {
    match digest {
        // MD5 and SHA-1 send as much: both are tried.
        12 => Some(2 * 16_400),
        16 | 24 => Some(16_400),
        32 | 48 => Some(8_200),
        _ => None,
    }
}

/// The key of a password for one engine (RFC 3414, sections 2.6 and A.2). What costs, a megabyte to hash, is
/// the same for every engine.
fn localised<D: Digest>(name: &'static str, password: &[u8], engine: &[u8]) -> Vec<u8> {
    let key = kept(name, password, &[], || expanded::<D>(password));
    of::<D>(&[&key, engine, &key])
}

/// The hash of a password that is repeated to a megabyte (RFC 3414, section A.2).
fn expanded<D: Digest>(password: &[u8]) -> Vec<u8> {
    let mut hash = D::new();
    // A row of the password that is long enough to be hashed quickly, and ends where it ends.
    let row: Vec<u8> = password.repeat((4096 / password.len().max(1)).max(1));
    let mut left = EXPANDED;
    while left > 0 && !row.is_empty() {
        let piece = row.get(..left.min(row.len())).unwrap_or(&row);
        hash.update(piece);
        left -= piece.len();
    }
    hash.finalize().to_vec()
}

/// Whether the digest was made with this password: of the whole message with zeros in its place.
pub fn fits(engine: &[u8], message: &[u8], digest: &[u8], at: usize, password: &[u8]) -> bool {
    let end = at.saturating_add(digest.len());
    let (Some(before), Some(sent), Some(after)) = (message.get(..at), message.get(at..end), message.get(end..)) else {
        return false;
    };
    // A password has eight characters at least (RFC 3414, section 11.2), but not everybody knows.
    if sent != digest || password.is_empty() || engine.is_empty() {
        return false;
    }
    let zeros = vec![0; digest.len()];
    let parts = [before, &zeros, after];
    match digest.len() {
        12 => {
            hmac::<Md5>(&localised::<Md5>("usm-md5", password, engine), &parts).starts_with(digest)
                || hmac::<Sha1>(&localised::<Sha1>("usm-sha1", password, engine), &parts).starts_with(digest)
        }
        16 => hmac::<Sha224>(&localised::<Sha224>("usm-sha224", password, engine), &parts).starts_with(digest),
        24 => hmac::<Sha256>(&localised::<Sha256>("usm-sha256", password, engine), &parts).starts_with(digest),
        32 => hmac::<Sha384>(&localised::<Sha384>("usm-sha384", password, engine), &parts).starts_with(digest),
        48 => hmac::<Sha512>(&localised::<Sha512>("usm-sha512", password, engine), &parts).starts_with(digest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Proof;
    use super::super::hash::unhex;
    use super::*;

    #[test]
    fn keys_of_the_standard() {
        // RFC 3414, sections A.3.1 and A.3.2.
        let engine = unhex("000000000000000000000002");
        assert_eq!(localised::<Md5>("usm-md5", b"maplesyrup", &engine), unhex("526f5eed9fcce26f8964c2930787d82b"));
        assert_eq!(
            localised::<Sha1>("usm-sha1", b"maplesyrup", &engine),
            unhex("6695febc9288e36282235fc7151f128497b38f3f")
        );
    }

    #[test]
    fn messages_that_crackers_publish() {
        // hashcat's mode 25000 and 25200, and John the Ripper's format.
        let engine = unhex("80001f88808106d566db57fd6000000000");
        let md5 = "30818f0201033011020409242fc0020300ffe304010102010304383036041180001f88808106d566db57fd600000000002011002020118040a6d61747269785f4d4435040c1b37c3ea872731f922959e90 0400303d041180001f88808106d566db57fd60000000000400a226020411f319300201000201003018301606082b06010201010200060a2b06010401bf0803020a";
        let sha1 = "30818f02010330110204371780f3020300ffe304010102010304383036041180001f88808106d566db57fd600000000002011002020118040a6d61747269785f534841040c81f14f1930589f26f6755f6b0400303d041180001f88808106d566db57fd60000000000400a2260204073557d50201000201003018301606082b06010201010200060a2b06010401bf0803020a";
        for (message, digest) in [(md5, "1b37c3ea872731f922959e90"), (sha1, "81f14f1930589f26f6755f6b")] {
            let (message, digest) = (unhex(message), unhex(digest));
            let at = message.windows(12).position(|w| w == digest).unwrap();
            let proof = Proof::SnmpUsm { engine: &engine, message: &message, digest: &digest, at };
            assert!(proof.fits(b"", b"hashcat1"));
            assert!(!proof.fits(b"", b"hashcat2"));
            let off = Proof::SnmpUsm { engine: &engine, message: &message, digest: &digest, at: usize::MAX };
            assert!(!off.fits(b"", b"hashcat1"), "a place outside of the message");
        }
    }
}

//! The answer to SSH's key exchange, which shows the server's key and the length of the group in clear (RFC 4253, section 8;
//! RFC 4419, section 3; RFC 5656, section 4).
//!
//! ```text
//! reply (31, of a group that is agreed on 33): <key> <public value> <signature>       where <...> has its length(4) before it
//! group (31, where the group is agreed on):    <prime> <generator>
//! key:                                         <kind> and of RSA <exponent> <modulus>, of DSA <prime> ..., of curves more
//! ```

use sha2::{Digest, Sha256};

use crate::base::{ReadError, Reader};
use crate::proto::proof::hash::base64;

/// Message numbers.
const REPLY: u8 = 31;
const GROUP_REPLY: u8 = 33;

/// What the server's part of a key exchange shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The server's key: what comes behind it is encrypted soon.
    Key(HostKey),
    /// Bits of the prime of a group that the server chose; its key comes later.
    Group(u32),
}

/// A server's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Bits of the modulus (RSA) or the prime (DSA); `None` for other keys, whose kind says their length.
    pub bits: Option<u32>,
    /// Its fingerprint, as `ssh-keygen -l` writes it.
    pub fingerprint: String,
}

fn string<'b>(r: &mut Reader<'b>) -> Result<&'b [u8], ReadError> {
    let len = r.be32("length")?;
    r.take("string", usize::try_from(len).unwrap_or(usize::MAX))
}

/// Bits of a number (RFC 4251, section 5: a sign in front, the high byte first).
fn bits(number: &[u8]) -> Option<u32> {
    let start = number.iter().position(|b| *b != 0)?;
    let number = number.get(start..)?;
    let bits = number.len().checked_mul(8)?.checked_sub(number.first()?.leading_zeros() as usize)?;
    u32::try_from(bits).ok()
}

/// Reads the key of a reply.
fn key(blob: &[u8]) -> Result<HostKey, ReadError> {
    let mut r = Reader::new(blob);
    let kind = string(&mut r)?;
    // Certificates of OpenSSH have a nonce before the numbers.
    let (name, certificate) = match kind.strip_suffix(b"-cert-v01@openssh.com") {
        Some(name) => (name, true),
        None => (kind, false),
    };
    let is_rsa = name == b"ssh-rsa" || name.starts_with(b"rsa-sha2-");
    let length = if is_rsa || name == b"ssh-dss" {
        if certificate {
            string(&mut r)?;
        }
        if is_rsa {
            string(&mut r)?;
        }
        bits(string(&mut r)?)
    } else {
        None
    };
    let digest = base64(&Sha256::digest(blob));
    Ok(HostKey { bits: length, fingerprint: format!("SHA256:{}", digest.trim_end_matches('=')) })
}

/// What a message of the server shows, if it belongs to a key exchange of this name.
pub fn shown(kex: Option<&[u8]>, number: u8, payload: &[u8]) -> Option<Shown> {
    let kex = kex?;
    // GSS-API has messages of its own under these numbers (RFC 4462, section 2.1), and may show no key at all.
    if kex.starts_with(b"gss-") || kex.starts_with(b"rsa") {
        return None;
    }
    let chosen = kex.starts_with(b"diffie-hellman-group-exchange-");
    let first = string(&mut Reader::new(payload)).ok()?;
    match number {
        REPLY if chosen => bits(first).map(Shown::Group),
        REPLY => key(first).ok().map(Shown::Key),
        GROUP_REPLY if chosen => key(first).ok().map(Shown::Key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(all: &[&[u8]]) -> Vec<u8> {
        all.iter().flat_map(|s| [&(s.len() as u32).to_be_bytes(), *s].concat()).collect()
    }

    #[test]
    fn keys_and_groups_have_lengths() {
        let number = [&[0, 0x80][..], &[1; 127]].concat();
        let rsa = strings(&[b"ssh-rsa", &[1, 0, 1], &number]);
        let reply = strings(&[&rsa, b"public", b"signature"]);
        let Some(Shown::Key(key)) = shown(Some(b"curve25519-sha256"), 31, &reply) else { panic!() };
        assert_eq!(key.bits, Some(1024));
        // By openssl dgst -sha256 -binary.
        assert_eq!(key.fingerprint, "SHA256:V9sdPehnqVTUYPrCuCqALUeix4wB/JhYrZT2PMwOjcA");
        let gex = Some(&b"diffie-hellman-group-exchange-sha256"[..]);
        assert_eq!(shown(gex, 31, &strings(&[&number, &[2]])), Some(Shown::Group(1024)));
        assert!(matches!(shown(gex, 33, &reply), Some(Shown::Key(_))));
        let dss = strings(&[&strings(&[b"ssh-dss", &number[..128], b"q"]), b"", b""]);
        assert!(matches!(shown(Some(b"x"), 31, &dss), Some(Shown::Key(HostKey { bits: Some(1016), .. }))));
        let cert = strings(&[b"ssh-rsa-cert-v01@openssh.com", b"nonce", &[3], &number]);
        let cert = strings(&[&cert, b"", b""]);
        assert!(matches!(shown(Some(b"x"), 31, &cert), Some(Shown::Key(HostKey { bits: Some(1024), .. }))));
        let curve = strings(&[&strings(&[b"ssh-ed25519", &[7; 32]]), b"", b""]);
        assert!(matches!(shown(Some(b"x"), 31, &curve), Some(Shown::Key(HostKey { bits: None, .. }))));
    }

    #[test]
    fn what_is_something_else_shows_nothing() {
        let reply = strings(&[&strings(&[b"ssh-ed25519", &[7; 32]]), b"", b""]);
        assert_eq!(shown(None, 31, &reply), None);
        assert_eq!(shown(Some(b"gss-group14-sha256-x"), 31, &reply), None);
        assert_eq!(shown(Some(b"x"), 32, &reply), None);
        assert_eq!(shown(Some(b"x"), 31, &[0, 0, 0, 9, 1]), None);
        assert_eq!(shown(Some(b"diffie-hellman-group-exchange-sha1"), 31, &strings(&[&[0, 0]])), None);
    }
}

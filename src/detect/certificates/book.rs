//! The certificates that a shard has read, by their hash.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::base::{Addr, limits};
use crate::fingerprint::hex;
use crate::fingerprint::x509::CertificateFacts;

/// A certificate that was read.
#[derive(Debug)]
pub struct Known {
    /// What it says.
    pub facts: CertificateFacts,
    /// SHA-256 of its key, in hex.
    pub spki: Option<String>,
    /// What is wrong with it at any time and place.
    pub(super) faults: super::judge::Faults,
}

impl Known {
    /// Reads a certificate.
    pub fn read(der: &[u8], sha256: &[u8; 32]) -> Self {
        let facts = CertificateFacts::read(der, sha256);
        let spki = facts.key.as_ref().map(|k| hex(&k.spki_sha256));
        let faults = super::judge::Faults::of(&facts);
        Self { facts, spki, faults }
    }
}

type Certificates = HashMap<[u8; 32], Arc<Known>, ahash::RandomState>;

/// Remembers the certificates that were met lately: those of the current turn and of the one before. A turn
/// ends when its certificates take too much room, so that no certificate in use is forgotten.
#[derive(Debug, Default)]
pub struct Book {
    current: Certificates,
    before: Certificates,
    /// Bytes of the current turn.
    bytes: usize,
    /// Who has shown what, so that the collector is told once.
    told: HashSet<([u8; 32], Addr, u16, bool), ahash::RandomState>,
}

impl Book {
    /// The certificate of these bytes, and whether it had to be read.
    pub fn learn(&mut self, sha256: &[u8; 32], der: &[u8]) -> (Arc<Known>, bool) {
        if let Some(known) = self.get(sha256) {
            return (known, false);
        }
        let known = Arc::new(Known::read(der, sha256));
        self.keep(*sha256, Arc::clone(&known));
        (known, true)
    }

    /// A certificate that was met before.
    pub fn get(&mut self, sha256: &[u8; 32]) -> Option<Arc<Known>> {
        if let Some(known) = self.current.get(sha256) {
            return Some(Arc::clone(known));
        }
        let known = self.before.remove(sha256)?;
        self.keep(*sha256, Arc::clone(&known));
        Some(known)
    }

    fn keep(&mut self, sha256: [u8; 32], known: Arc<Known>) {
        if self.bytes >= limits::CERTIFICATE_BOOK_BYTES_MAX {
            self.before = std::mem::take(&mut self.current);
            self.bytes = 0;
        }
        self.bytes += known.facts.size();
        self.current.insert(sha256, known);
    }

    /// Whether a host shows a certificate at a port for the first time, as far as is remembered.
    pub fn is_new_at(&mut self, sha256: &[u8; 32], host: Addr, port: u16, from_server: bool) -> bool {
        if self.told.len() >= limits::CERTIFICATE_HOSTS_MAX {
            // To tell again does no harm.
            self.told.clear();
        }
        self.told.insert((*sha256, host, port, from_server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_memory_is_bounded() {
        let mut book = Book::default();
        let hash = |n: u32| {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            hash
        };
        let mut read = 0;
        for n in 0..20_000 {
            read += u32::from(book.learn(&hash(n), &[0x30, 0]).1);
            assert!(!book.learn(&hash(0), &[0x30, 0]).1, "{n}");
        }
        assert_eq!(read, 20_000);
        let most = limits::CERTIFICATE_BOOK_BYTES_MAX / 500;
        assert!(book.current.len() <= most && book.before.len() <= most);
        assert!(book.get(&hash(1)).is_none() && book.get(&hash(19_999)).is_some());
    }

    #[test]
    fn a_host_is_told_once() {
        let mut book = Book::default();
        let host = Addr::v4([10, 0, 0, 1]);
        assert!(book.is_new_at(&[1; 32], host, 443, true));
        assert!(!book.is_new_at(&[1; 32], host, 443, true));
        assert!(book.is_new_at(&[1; 32], host, 8443, true));
        for n in 0..=u16::MAX {
            book.is_new_at(&[2; 32], host, n, true);
        }
        assert!(book.told.len() <= limits::CERTIFICATE_HOSTS_MAX);
    }
}

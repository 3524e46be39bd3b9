//! Keys that cost thousands of hashes to make of a password, kept so that each is made once.
//!
//! What a run tests passwords for is the same few logins over and over: a manager that asks five
//! hundred switches under one SNMPv3 name, a client that renews its ticket every morning.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::base::{hash, limits};

/// Keys by what they were made of: the kind of key, the password and the salt.
type Kept = HashMap<(u64, Vec<u8>, Vec<u8>), Vec<u8>>;

/// Shared by all threads: at most [`limits::PROOF_KEYS_MAX`] keys, all forgotten when it is full.
static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// The key of this kind, password and salt: the one that is kept, or made now by `make`.
pub fn kept(kind: &str, password: &[u8], salt: &[u8], make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let of = (hash::stable64(0, kind.as_bytes()), password.to_vec(), salt.to_vec());
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = lock().get(&of) {
        return key.clone();
    }
    let key = make();
    if password.len() + salt.len() > limits::PROOF_KEY_BYTES_MAX {
        return key;
    }
    let mut keys = lock();
    if keys.len() >= limits::PROOF_KEYS_MAX {
        keys.clear();
    }
    keys.insert(of, key.clone());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_told_apart_by_all_it_is_made_of() {
        let made = |kind: &str, password: &[u8], salt: &[u8], key: u8| kept(kind, password, salt, || vec![key]);
        assert_eq!(made("test-a", b"pass", b"salt", 1), [1]);
        assert_eq!(made("test-a", b"pass", b"salt", 2), [1], "kept");
        assert_eq!(made("test-b", b"pass", b"salt", 3), [3]);
        assert_eq!(made("test-a", b"passs", b"alt", 4), [4]);
        assert_eq!(made("test-a", b"pass", b"", 5), [5]);
    }
}

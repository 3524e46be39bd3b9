//! SHA-256 of an input as it lies on disk, fed in pieces so that nothing is read twice.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// A running SHA-256 (FIPS 180-4) over the bytes of one input, given in their order.
#[derive(Debug, Clone, Default)]
pub struct InputHash {
    state: Sha256,
    bytes: u64,
}

impl InputHash {
    /// Starts with nothing hashed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the input.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many bytes were hashed so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash in lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.state.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hash_to_the_published_value_of_the_whole() {
        let mut hash = InputHash::new();
        hash.update(b"a");
        hash.update(b"");
        hash.update(b"bc");
        assert_eq!(hash.bytes(), 3);
        assert_eq!(hash.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

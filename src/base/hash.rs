//! Hashes that are the same in every run, for identifiers. Tables that strangers' packets fill use
//! a secretly seeded hash instead (`ahash::RandomState`), so that nobody can aim at one bucket.

/// Mixes a word into a running 64-bit state (the multiply-fold step of wyhash).
#[inline]
pub const fn mix(state: u64, word: u64) -> u64 {
    let wide = (state ^ 0x9e37_79b9_7f4a_7c15) as u128 * ((word ^ 0xe703_7ed1_a0b4_28db) as u128 | 1);
    (wide as u64) ^ ((wide >> 64) as u64) ^ word.rotate_left(29)
}

/// Hash of a byte string that is the same in every run and on every machine.
pub fn stable64(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(mix(state, u64::from_le_bytes(last)), 0x2545_f491_4f6c_dd1d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes_because_identifiers_are_made_of_it() {
        assert_eq!(stable64(0, b""), stable64(0, b""));
        assert_ne!(stable64(0, b"a"), stable64(0, b"a\0"));
        assert_ne!(stable64(0, b"a"), stable64(1, b"a"));
        assert_eq!(stable64(7, b"overhear identifiers"), STABLE_OF_NAME);
    }

    const STABLE_OF_NAME: u64 = 832_051_038_387_145_720;
}

//! Look-up of fixed-size keys by the block, so that the waits for memory overlap.
//!
//! A row group of a busy network has tens of thousands of addresses, more than the caches near the
//! core hold. Looked up one by one, each costs a wait for its slot and another for its key, because
//! the branch on the outcome is a coin toss. A block of them in passes (all slots, then all keys,
//! then the few that were not met before) costs a sixth of that.

use ahash::RandomState;

use super::ids::Ids;
use crate::base::hash::mix;

/// Keys that are looked up at a time: more than the memory loads that a core keeps in flight.
const BATCH: usize = 64;
/// Slots of the smallest table.
const SLOTS_MIN: usize = 64;

/// Numbers keys in the order in which they come.
#[derive(Debug)]
pub struct KeyTable {
    seed: u64,
    /// Part of the hash above, index into `keys` plus one below; zero is free. A power of two, at
    /// most half full.
    slots: Vec<u64>,
    /// Each key and the number that was given to it.
    keys: Vec<(u128, u32)>,
}

/// Where the search for a key ended.
enum Found {
    At(usize),
    Free(usize),
}

impl KeyTable {
    /// An empty one. The keys are strangers' choice, so their hash is seeded in secret; the
    /// numbers do not depend on it.
    pub fn new() -> Self {
        Self { seed: RandomState::new().hash_one(0_u8), slots: Vec::new(), keys: Vec::new() }
    }

    #[inline]
    fn hash(&self, key: u128) -> u64 {
        mix(mix(self.seed, key as u64), (key >> 64) as u64)
    }

    /// The slot word of a hash and an index.
    #[inline]
    fn word(hash: u64, index: usize) -> u64 {
        (hash & 0xffff_ffff_0000_0000) | (index as u64 + 1)
    }

    fn find(&self, key: u128, hash: u64) -> Found {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let word = self.slots.get(at).copied().unwrap_or_default();
            if word == 0 {
                return Found::Free(at);
            }
            let index = (word as u32 as usize).wrapping_sub(1);
            if word >> 32 == hash >> 32 && self.keys.get(index).is_some_and(|k| k.0 == key) {
                return Found::At(index);
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes room for `more` keys.
    fn reserve(&mut self, more: usize) {
        let needed = ((self.keys.len() + more) * 2).next_power_of_two().max(SLOTS_MIN);
        if needed <= self.slots.len() {
            return;
        }
        self.slots.clear();
        self.slots.resize(needed, 0);
        let mask = needed - 1;
        for (index, (key, _)) in self.keys.iter().enumerate() {
            let hash = self.hash(*key);
            let mut at = hash as usize & mask;
            while self.slots.get(at).is_some_and(|w| *w != 0) {
                at = (at + 1) & mask;
            }
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Self::word(hash, index);
            }
        }
    }

    /// Appends the number of each key to `ids`; one that is new gets its number from `make`.
    pub fn look_up(&mut self, keys: &[u128], ids: &mut Ids, mut make: impl FnMut(u128) -> u32) {
        for batch in keys.chunks(BATCH) {
            self.look_up_batch(batch, ids, &mut make);
        }
    }

    #[inline]
    fn look_up_batch(&mut self, keys: &[u128], ids: &mut Ids, make: &mut impl FnMut(u128) -> u32) {
        // Room for some new ones; each that needs more asks for it. Columns of few values must not
        // pay for a table of a batch.
        self.reserve(1);
        let mask = self.slots.len() - 1;
        let mut words = [0u64; BATCH];
        let mut hashes = [0u64; BATCH];
        for ((word, hash), key) in words.iter_mut().zip(&mut hashes).zip(keys) {
            *hash = self.hash(*key);
            *word = self.slots.get(*hash as usize & mask).copied().unwrap_or_default();
        }
        let mut found = [0; BATCH];
        for ((id, word), key) in found.iter_mut().zip(&words).zip(keys) {
            *id = match self.keys.get((*word as u32 as usize).wrapping_sub(1)) {
                Some((k, id)) if k == key => *id,
                _ => u32::MAX,
            };
        }
        for ((id, key), hash) in found.iter_mut().zip(keys).zip(&hashes) {
            if *id != u32::MAX {
                continue;
            }
            *id = match self.find(*key, *hash) {
                Found::At(index) => self.keys.get(index).map_or(0, |k| k.1),
                Found::Free(at) => {
                    let made = make(*key);
                    if let Some(slot) = self.slots.get_mut(at) {
                        *slot = Self::word(*hash, self.keys.len());
                    }
                    self.keys.push((*key, made));
                    self.reserve(1);
                    made
                }
            };
        }
        ids.extend(found.get(..keys.len()).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &Ids) -> Vec<u32> {
        let mut all = Vec::new();
        ids.for_each(|id| all.push(id));
        all
    }

    #[test]
    fn keys_keep_their_numbers_through_growth() {
        let mut table = KeyTable::new();
        let mut ids = Ids::default();
        let keys: Vec<u128> =
            (0..20_000u64).map(|i| u128::from(mix(1, i % 7000)) << 64 | u128::from(i % 7000)).collect();
        let mut made = 0;
        for piece in keys.chunks(1000) {
            table.look_up(piece, &mut ids, |_| {
                made += 1;
                made + 9
            });
        }
        let expected: Vec<u32> = (0..20_000u32).map(|i| i % 7000 + 10).collect();
        assert_eq!(list(&ids), expected);
        assert_eq!(made, 7000);
        assert!(table.slots.len() >= 14_000 && table.slots.iter().filter(|w| **w != 0).count() == 7000);
    }

    #[test]
    fn a_key_that_comes_twice_in_a_batch_is_made_once() {
        let mut table = KeyTable::new();
        let mut ids = Ids::default();
        let mut made = 0;
        table.look_up(&[0, 5, 0, u128::MAX, 5, u128::MAX], &mut ids, |_| {
            made += 1;
            made
        });
        assert_eq!(list(&ids), [1, 2, 1, 3, 2, 3]);
    }
}

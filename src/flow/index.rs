//! Finds a flow by the hash of its key: open addressing with linear probing over 8-byte slots, so
//! that a look-up touches one cache line and the next ones can be fetched ahead.

/// Position of a flow in its slab.
pub type Slot = u32;

/// The index. Holds half of the hash and the position; the caller compares keys.
#[derive(Debug)]
pub struct Index {
    /// Upper half: hash tag; lower half: position plus one, zero where the slot is free.
    slots: Box<[u64]>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self { slots: vec![0; 64].into_boxed_slice(), len: 0 }
    }
}

const fn tag(hash: u64) -> u64 {
    hash & 0xffff_ffff_0000_0000
}

impl Index {
    #[inline]
    fn home(&self, word: u64) -> usize {
        // The tag alone decides, so that a slot can be moved without its key.
        (word >> 32) as usize & (self.slots.len() - 1)
    }

    /// Asks the processor to fetch the slot of a hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let at = self.home(hash);
        if let Some(slot) = self.slots.get(at) {
            super::table::prefetch(slot);
        }
    }

    /// The first position with this tag, for fetching ahead; may be of another flow.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<Slot> {
        let word = *self.slots.get(self.home(hash))?;
        (word != 0 && tag(word) == tag(hash)).then(|| (word as u32).wrapping_sub(1))
    }

    /// The position for which `same` is true among those with this hash.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let mask = self.slots.len() - 1;
        let mut at = self.home(hash);
        loop {
            let word = *self.slots.get(at)?;
            if word == 0 {
                return None;
            }
            let slot = (word as u32).wrapping_sub(1);
            if tag(word) == tag(hash) && same(slot) {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a position under a hash.
    pub fn insert(&mut self, hash: u64, slot: Slot) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.place(tag(hash) | u64::from(slot.wrapping_add(1)));
        self.len += 1;
    }

    fn place(&mut self, word: u64) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(word);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 {
                *slot = word;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let bigger = vec![0; self.slots.len() * 2].into_boxed_slice();
        let old = std::mem::replace(&mut self.slots, bigger);
        for word in old.into_iter().filter(|w| *w != 0) {
            self.place(word);
        }
    }

    /// Removes a position; the ones behind it move up, so that no tombstones pile up.
    pub fn remove(&mut self, hash: u64, slot: Slot) {
        let mask = self.slots.len() - 1;
        let word = tag(hash) | u64::from(slot.wrapping_add(1));
        let mut at = self.home(hash);
        loop {
            match self.slots.get(at) {
                None | Some(0) => return,
                Some(found) if *found == word => break,
                Some(_) => at = (at + 1) & mask,
            }
        }
        self.len -= 1;
        let mut hole = at;
        loop {
            at = (at + 1) & mask;
            let moved = self.slots.get(at).copied().unwrap_or(0);
            if moved == 0 {
                break;
            }
            // It may move into the hole if its home is not between the hole and where it stands.
            let distance_home = at.wrapping_sub(self.home(moved)) & mask;
            let distance_hole = at.wrapping_sub(hole) & mask;
            if distance_home >= distance_hole {
                if let Some(slot) = self.slots.get_mut(hole) {
                    *slot = moved;
                }
                hole = at;
            }
        }
        if let Some(slot) = self.slots.get_mut(hole) {
            *slot = 0;
        }
    }

    /// Bytes of memory in use.
    pub fn size(&self) -> usize {
        self.slots.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_like_a_map_also_when_hashes_collide(ops in proptest::collection::vec((any::<bool>(), 0u32..40), 1..400)) {
            // Few tags, many collisions.
            let hash = |k: u32| u64::from(k % 7) << 32;
            let mut index = Index::default();
            let mut model: HashMap<u32, ()> = HashMap::new();
            for (add, k) in ops {
                if add {
                    if model.insert(k, ()).is_none() { index.insert(hash(k), k); }
                } else {
                    if model.remove(&k).is_some() { index.remove(hash(k), k); }
                }
                for probe in 0..40 {
                    prop_assert_eq!(index.find(hash(probe), |s| s == probe).is_some(), model.contains_key(&probe));
                }
            }
        }
    }
}

//! Very many entries in little memory: keyed hashes of 96 bits, sorted.

use super::key::Key;

/// One entry: the hash of its key, and where it comes from. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    hash: [u32; 3],
    /// Number of the note on it.
    pub note: u32,
}

/// Bytes that an entry may take while lists are loaded: its slot and the room that its part grows by.
pub const BYTES_WHILE_LOADING: usize = size_of::<Slot>() * 5 / 4;
/// Parts that the entries are spread over by the first bits of their hashes. Each grows for itself, so
/// that making room never copies more than one of them.
const PARTS: usize = 256;
/// Least number of entries that a part makes room for.
const ROOM_LEAST: usize = 16;

/// A set of entries that is filled once and then only asked.
///
/// Only hashes are kept. They are made with two keys that are random for each run, so nobody can make a
/// value that is taken for another; by chance it happens once in 2^96 / entries look-ups, which is some
/// 10^21 for twenty million entries.
#[derive(Debug)]
pub struct Table {
    parts: Vec<Vec<Slot>>,
    keys: [ahash::RandomState; 2],
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { parts: vec![Vec::new(); PARTS], keys: [ahash::RandomState::new(), ahash::RandomState::new()], len: 0 }
    }
}

impl Table {
    fn hash(&self, tag: u8, bytes: &[u8]) -> [u32; 3] {
        let [first, second] = &self.keys;
        let (a, b) = (first.hash_one((tag, bytes)), second.hash_one((tag, bytes)));
        [(a >> 32) as u32, a as u32, (b >> 32) as u32]
    }

    const fn part(hash: [u32; 3]) -> usize {
        (hash[0] >> 24) as usize
    }

    /// Adds an entry. [`Table::seal`] must follow the last one.
    pub fn push(&mut self, key: &Key, note: u32) {
        let hash = self.hash(key.kind.tag(), key.bytes());
        let Some(part) = self.parts.get_mut(Self::part(hash)) else { return };
        if part.len() == part.capacity() {
            part.reserve_exact((part.len() / 4).max(ROOM_LEAST));
        }
        part.push(Slot { hash, note });
        self.len += 1;
    }

    /// Sorts the entries and drops what is there twice.
    pub fn seal(&mut self) {
        self.len = 0;
        for part in &mut self.parts {
            part.sort_unstable();
            part.dedup();
            part.shrink_to_fit();
            self.len += part.len();
        }
    }

    /// Entries; before [`Table::seal`] with those that are there twice.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        self.parts.iter().map(|part| part.capacity() * size_of::<Slot>()).sum()
    }

    /// All entries with these bytes, in the order of their notes.
    pub fn find(&self, tag: u8, bytes: &[u8]) -> &[Slot] {
        let hash = self.hash(tag, bytes);
        let Some(part) = self.parts.get(Self::part(hash)) else { return &[] };
        let start = part.partition_point(|slot| slot.hash < hash);
        let end = start + part.get(start..).unwrap_or_default().partition_point(|slot| slot.hash == hash);
        part.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Kind;
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let mut table = Table::default();
        let key = |n: u32| Key::new(Kind::Domain, &[&n.to_be_bytes()]);
        for n in 0..10_000 {
            table.push(&key(n), n);
            if n % 10 == 0 {
                table.push(&key(n), n);
                table.push(&key(n), n + 1);
            }
        }
        table.seal();
        assert_eq!(table.len(), 11_000, "the same entry of the same list counts once");
        for n in 0..10_000u32 {
            let notes: Vec<u32> = table.find(Kind::Domain.tag(), &n.to_be_bytes()).iter().map(|s| s.note).collect();
            assert_eq!(notes, if n % 10 == 0 { vec![n, n + 1] } else { vec![n] });
            assert!(table.find(Kind::Ja3.tag(), &n.to_be_bytes()).is_empty(), "of another kind");
        }
        assert!(table.find(Kind::Domain.tag(), &10_000u32.to_be_bytes()).is_empty());
        assert!(table.memory() < 2 * 11_000 * 16);
        assert_eq!(size_of::<Slot>(), 16);
    }
}

//! Numbers of one column chunk: as differences, or by a dictionary where few values repeat.

use ahash::RandomState;
use hashbrown::HashTable;
use parquet::basic::Encoding;

use super::delta::Delta;
use super::levels::Levels;
use super::page::{Codec, Pages};
use super::{bits, hybrid};
use crate::base::hash::mix;
use crate::sink::SinkError;

/// Distinct values up to which a dictionary of numbers is kept: beyond, a difference takes hardly
/// more bits than an index, and costs no look-up.
const DICTIONARY_MAX: usize = 1 << 12;

/// Distinct values, in the order in which they came, and the indices of all.
#[derive(Debug)]
struct Dictionary {
    seed: u64,
    table: HashTable<(i64, u32)>,
    values: Vec<i64>,
    ids: Vec<u32>,
}

impl Dictionary {
    fn new() -> Self {
        // The values are a stranger's choice, so the seed is secret. The order of the dictionary
        // does not depend on it.
        let seed = RandomState::new().hash_one(0_u8);
        Self { seed, table: HashTable::new(), values: Vec::new(), ids: Vec::new() }
    }

    /// Takes the values as far as the dictionary has room, and says how many.
    fn extend(&mut self, values: &[i64]) -> usize {
        let (seed, mut last) = (self.seed, None);
        for (done, value) in values.iter().enumerate() {
            if let Some((v, id)) = last
                && v == *value
            {
                self.ids.push(id);
                continue;
            }
            let hash = |v: i64| mix(seed, v as u64);
            let id = match self.table.find(hash(*value), |e| e.0 == *value) {
                Some((_, id)) => *id,
                None if self.values.len() >= DICTIONARY_MAX => return done,
                None => {
                    let id = self.values.len() as u32;
                    self.table.insert_unique(hash(*value), (*value, id), |e| hash(e.0));
                    self.values.push(*value);
                    id
                }
            };
            self.ids.push(id);
            last = Some((*value, id));
        }
        values.len()
    }

    /// All values one after the other.
    fn replay(&self, mut take: impl FnMut(&[i64])) {
        let mut piece = Vec::with_capacity(1024);
        for ids in self.ids.chunks(1024) {
            piece.clear();
            piece.extend(ids.iter().map(|id| self.values.get(*id as usize).copied().unwrap_or_default()));
            take(&piece);
        }
    }
}

/// Numbers of one column chunk.
#[derive(Debug)]
pub struct Ints {
    narrow: bool,
    /// Smallest and largest.
    pub range: Option<(i64, i64)>,
    dictionary: Option<Dictionary>,
    delta: Delta,
}

impl Ints {
    /// Of a 32-bit column or a 64-bit one, whose values repeat or not.
    pub fn new(narrow: bool, repeats: bool) -> Self {
        Self { narrow, range: None, dictionary: repeats.then(Dictionary::new), delta: Delta::new(narrow) }
    }

    /// Appends values.
    pub fn extend(&mut self, values: &[i64]) {
        let (Some(low), Some(high)) = (values.iter().copied().min(), values.iter().copied().max()) else { return };
        let (min, max) = self.range.unwrap_or((low, high));
        self.range = Some((min.min(low), max.max(high)));
        let done = match &mut self.dictionary {
            Some(dictionary) => dictionary.extend(values),
            None => 0,
        };
        if done == values.len() {
            return;
        }
        if let Some(dictionary) = self.dictionary.take() {
            dictionary.replay(|piece| self.delta.extend(piece));
        }
        self.delta.extend(values.get(done..).unwrap_or_default());
    }

    fn plain(&self, values: &[i64], out: &mut Vec<u8>) {
        for value in values {
            if self.narrow {
                out.extend_from_slice(&(*value as i32).to_le_bytes());
            } else {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// Writes the pages.
    pub fn finish(
        mut self,
        levels: &Levels,
        codec: &mut Codec,
        body: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Pages, SinkError> {
        let mut pages = Pages::at(out.len());
        if let Some(dictionary) = &self.dictionary
            && dictionary.values.len() > 1
            && dictionary.values.len() * 4 > dictionary.ids.len()
        {
            let mut delta = Delta::new(self.narrow);
            dictionary.replay(|piece| delta.extend(piece));
            (self.delta, self.dictionary) = (delta, None);
        }
        if let Some(dictionary) = &self.dictionary
            && !dictionary.ids.is_empty()
        {
            body.clear();
            self.plain(&dictionary.values, body);
            pages.dictionary(codec, body, dictionary.values.len(), out)?;
            body.clear();
            levels.write(0, levels.len(), body);
            write_ids(&dictionary.ids, dictionary.values.len(), body);
            pages.data(codec, body, levels.len(), Encoding::RLE_DICTIONARY, out)?;
            return Ok(pages);
        }
        body.clear();
        levels.write(0, levels.len(), body);
        // Not every reader likes a stream of differences without a first value.
        let encoding = if self.delta.count() > 0 {
            self.delta.finish(body);
            Encoding::DELTA_BINARY_PACKED
        } else {
            Encoding::PLAIN
        };
        pages.data(codec, body, levels.len(), encoding, out)?;
        Ok(pages)
    }
}

/// Writes the indices of a page: their width, then the hybrid.
pub fn write_ids(ids: &[u32], distinct: usize, body: &mut Vec<u8>) {
    // A width of 0 is legal for a dictionary of one, but not every reader thought of it.
    let width = bits::width_of(distinct.saturating_sub(1) as u64).max(1);
    body.push(width as u8);
    hybrid::values(ids, width, body);
}

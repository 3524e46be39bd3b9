//! Numbers of one column chunk: as differences, or by a dictionary where few values repeat.

use ahash::RandomState;
use hashbrown::HashTable;
use parquet::basic::Encoding;

use super::delta::Delta;
use super::ids::Ids;
use super::levels::Levels;
use super::page::{Codec, Pages};
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
    ids: Ids,
}

impl Dictionary {
    fn new() -> Self {
        // The values are a stranger's choice, so the seed is secret. The order of the dictionary
        // does not depend on it.
        let seed = RandomState::new().hash_one(0_u8);
        Self { seed, table: HashTable::new(), values: Vec::new(), ids: Ids::default() }
    }

    /// Takes the values as far as the dictionary has room, and says how many.
    fn extend(&mut self, values: &[i64]) -> usize {
        let (seed, mut last) = (self.seed, None);
        let hash = |v: i64| mix(seed, v as u64);
        let mut ids = [0; 64];
        for (part, values) in values.chunks(ids.len()).enumerate() {
            for (done, (place, value)) in ids.iter_mut().zip(values).enumerate() {
                if let Some((v, id)) = last
                    && v == *value
                {
                    *place = id;
                    continue;
                }
                *place = match self.table.find(hash(*value), |e| e.0 == *value) {
                    Some((_, id)) => *id,
                    None if self.values.len() >= DICTIONARY_MAX => {
                        self.ids.extend(ids.get(..done).unwrap_or_default());
                        return part * 64 + done;
                    }
                    None => {
                        let id = self.values.len() as u32;
                        self.table.insert_unique(hash(*value), (*value, id), |e| hash(e.0));
                        self.values.push(*value);
                        id
                    }
                };
                last = Some((*value, *place));
            }
            self.ids.extend(ids.get(..values.len()).unwrap_or_default());
        }
        values.len()
    }

    /// All values one after the other.
    fn replay(&self, mut take: impl FnMut(&[i64])) {
        let mut piece = Vec::with_capacity(1024);
        self.ids.for_each(|id| {
            piece.push(self.values.get(id as usize).copied().unwrap_or_default());
            if piece.len() == 1024 {
                take(&piece);
                piece.clear();
            }
        });
        take(&piece);
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
            && !dictionary.values.is_empty()
        {
            body.clear();
            self.plain(&dictionary.values, body);
            pages.dictionary(codec, body, dictionary.values.len(), out)?;
            body.clear();
            levels.write(0, levels.len(), body);
            dictionary.ids.write(dictionary.values.len(), body);
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

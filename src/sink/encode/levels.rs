//! Definition and repetition levels: which rows have a value, and which values share a row
//! (parquet-format, `LogicalTypes.md`, "Nested Types").

use super::hybrid;

/// Definition level of a list that is null.
const LIST_NULL: u8 = 0;
/// Definition level of a list without elements.
const LIST_EMPTY: u8 = 1;
/// Definition level of an element that is null.
const ELEMENT_NULL: u8 = 2;
/// Definition level of an element with a value.
const ELEMENT: u8 = 3;

/// Levels of one column chunk.
#[derive(Debug)]
pub enum Levels {
    /// One optional value per row.
    Flat {
        /// A bit for every row, set where there is a value.
        words: Vec<u64>,
        /// Rows.
        rows: usize,
        /// Rows without a value.
        nulls: usize,
    },
    /// An optional list of optional values per row.
    List {
        /// Definition levels.
        defined: Vec<u8>,
        /// Repetition levels: 0 for the first of a row.
        repeated: Vec<u8>,
        /// Levels without a value.
        nulls: usize,
    },
}

impl Levels {
    /// None yet, of a flat column.
    pub fn flat() -> Self {
        Self::Flat { words: Vec::new(), rows: 0, nulls: 0 }
    }

    /// None yet, of a list column.
    pub fn list() -> Self {
        Self::List { defined: Vec::new(), repeated: Vec::new(), nulls: 0 }
    }

    /// Appends up to 64 rows of a flat column. All words but the last must be full.
    #[inline]
    pub fn push_word(&mut self, word: u64, count: usize) {
        if let Self::Flat { words, rows, nulls } = self {
            words.push(word);
            *rows += count;
            *nulls += count - word.count_ones() as usize;
        }
    }

    fn push(&mut self, level: u8, repeat: u8) {
        if let Self::List { defined, repeated, nulls } = self {
            defined.push(level);
            repeated.push(repeat);
            *nulls += usize::from(level != ELEMENT);
        }
    }

    /// A row whose list is null.
    pub fn push_null_list(&mut self) {
        self.push(LIST_NULL, 0);
    }

    /// A row whose list is empty.
    pub fn push_empty_list(&mut self) {
        self.push(LIST_EMPTY, 0);
    }

    /// An element of a list.
    pub fn push_element(&mut self, has_value: bool, first: bool) {
        self.push(if has_value { ELEMENT } else { ELEMENT_NULL }, u8::from(!first));
    }

    /// Levels there are: rows, or elements and rows without one.
    pub fn len(&self) -> usize {
        match self {
            Self::Flat { rows, .. } => *rows,
            Self::List { defined, .. } => defined.len(),
        }
    }

    /// Levels without a value.
    pub fn nulls(&self) -> usize {
        match self {
            Self::Flat { nulls, .. } | Self::List { nulls, .. } => *nulls,
        }
    }

    /// Where the first page ends of those that begin at level `from` and should have about `step`
    /// levels: never within a row.
    pub fn page_end(&self, from: usize, step: usize) -> usize {
        match self {
            Self::Flat { rows, .. } => (from + step.next_multiple_of(64)).min(*rows),
            Self::List { repeated, .. } => {
                let near = (from + step).min(repeated.len());
                let rest = repeated.get(near..).unwrap_or_default();
                near + rest.iter().position(|r| *r == 0).unwrap_or(rest.len())
            }
        }
    }

    /// How many of the levels from `from` to `to` have a value. In a flat column `from` is a
    /// multiple of 64.
    pub fn values_in(&self, from: usize, to: usize) -> usize {
        match self {
            Self::Flat { words, .. } => {
                let words = words.get(from / 64..to.div_ceil(64)).unwrap_or_default();
                words.iter().map(|w| w.count_ones() as usize).sum()
            }
            Self::List { defined, .. } => {
                defined.get(from..to).unwrap_or_default().iter().filter(|d| **d == ELEMENT).count()
            }
        }
    }

    /// Writes the levels from `from` to `to` as they stand at the start of a data page.
    pub fn write(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        match self {
            Self::Flat { words, .. } => with_length(out, |out| {
                hybrid::bitmap(words.get(from / 64..to.div_ceil(64)).unwrap_or_default(), to - from, out);
            }),
            Self::List { defined, repeated, .. } => {
                for (levels, width) in [(repeated, 1), (defined, 2)] {
                    let levels = levels.get(from..to).unwrap_or_default();
                    with_length(out, |out| hybrid::values(levels, width, out));
                }
            }
        }
    }
}

/// Writes something after its length in four bytes.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let len = (out.len() - at - 4) as u32;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&len.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_lists_end_with_a_row() {
        let mut levels = Levels::list();
        levels.push_null_list();
        levels.push_element(true, true);
        levels.push_element(false, false);
        levels.push_element(true, false);
        levels.push_empty_list();
        assert_eq!((levels.len(), levels.nulls()), (5, 3));
        assert_eq!(levels.page_end(0, 1), 1);
        assert_eq!(levels.page_end(1, 1), 4);
        assert_eq!(levels.page_end(4, 9), 5);
        assert_eq!(levels.values_in(1, 4), 2);
        let mut out = Vec::new();
        levels.write(1, 4, &mut out);
        assert_eq!(out, [2, 0, 0, 0, 3, 0b110, 3, 0, 0, 0, 3, 0b11_10_11, 0]);
    }

    #[test]
    fn flat_levels_without_nulls_are_one_run() {
        let mut levels = Levels::flat();
        levels.push_word(u64::MAX, 64);
        levels.push_word(0b111, 3);
        let mut out = Vec::new();
        levels.write(0, 67, &mut out);
        assert_eq!(out, [3, 0, 0, 0, 0x86, 1, 1]);
        assert_eq!((levels.page_end(0, 1), levels.page_end(64, 64), levels.values_in(64, 67)), (64, 67, 3));
    }
}

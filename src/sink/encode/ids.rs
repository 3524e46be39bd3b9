//! Indices into a dictionary, as narrow as they can be: most columns have few values, and what is
//! not written need not be read again.

use super::{bits, hybrid};

/// Indices of all values of a column chunk.
#[derive(Debug)]
pub enum Ids {
    /// While all are below 256.
    Narrow(Vec<u8>),
    /// From then on.
    Wide(Vec<u32>),
}

impl Default for Ids {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Ids {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Narrow(ids) => ids.len(),
            Self::Wide(ids) => ids.len(),
        }
    }

    /// Appends indices.
    #[inline]
    pub fn extend(&mut self, new: &[u32]) {
        if let Self::Narrow(ids) = self {
            if new.iter().fold(0, |all, id| all | id) < 256 {
                ids.extend(new.iter().map(|id| *id as u8));
                return;
            }
            *self = Self::Wide(ids.iter().map(|id| u32::from(*id)).collect());
        }
        if let Self::Wide(ids) = self {
            ids.extend_from_slice(new);
        }
    }

    /// All indices in order.
    pub fn for_each(&self, mut take: impl FnMut(u32)) {
        match self {
            Self::Narrow(ids) => ids.iter().for_each(|id| take(u32::from(*id))),
            Self::Wide(ids) => ids.iter().for_each(|id| take(*id)),
        }
    }

    /// Writes the values of a data page: the width, then the hybrid.
    pub fn write(&self, distinct: usize, body: &mut Vec<u8>) {
        // A width of 0 is legal for a dictionary of one, but not every reader thought of it.
        let width = bits::width_of(distinct.saturating_sub(1) as u64).max(1);
        body.push(width as u8);
        match self {
            Self::Narrow(ids) => hybrid::values(ids, width, body),
            Self::Wide(ids) => hybrid::values(ids, width, body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_widen_without_loss() {
        let mut ids = Ids::default();
        ids.extend(&[0, 255, 7]);
        assert!(matches!(ids, Ids::Narrow(_)));
        ids.extend(&[256]);
        ids.extend(&[70_000, 1]);
        let mut all = Vec::new();
        ids.for_each(|id| all.push(id));
        assert_eq!(all, [0, 255, 7, 256, 70_000, 1]);
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn a_page_of_one_value_has_a_width_and_one_run() {
        let mut ids = Ids::default();
        ids.extend(&[0; 100]);
        let mut body = Vec::new();
        ids.write(1, &mut body);
        assert_eq!(body, [1, 200, 1, 0]);
    }
}

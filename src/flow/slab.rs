//! Entries in segments of fixed size: growing never moves what is there, so memory grows by what
//! is used and not by doubling.

use super::index::Slot;

const SEGMENT_BITS: u32 = 8;
const SEGMENT: usize = 1 << SEGMENT_BITS;

/// A growing list of entries that stay where they are.
#[derive(Debug)]
pub struct Slab<T> {
    segments: Vec<Vec<T>>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { segments: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The entry at a position.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.segments.get((slot >> SEGMENT_BITS) as usize)?.get(slot as usize & (SEGMENT - 1))
    }

    /// The entry at a position.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.segments.get_mut((slot >> SEGMENT_BITS) as usize)?.get_mut(slot as usize & (SEGMENT - 1))
    }

    /// Appends an entry and returns its position.
    pub fn push(&mut self, value: T) -> Slot {
        match self.segments.last_mut() {
            Some(last) if last.len() < SEGMENT => last.push(value),
            _ => {
                let mut segment = Vec::with_capacity(SEGMENT);
                segment.push(value);
                self.segments.push(segment);
            }
        }
        (self.len() - 1) as Slot
    }

    /// Entries, free ones included.
    pub fn len(&self) -> usize {
        match self.segments.split_last() {
            Some((last, full)) => full.len() * SEGMENT + last.len(),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_and_growth_is_by_segments() {
        let mut slab = Slab::default();
        for i in 0..1000_u32 {
            assert_eq!(slab.push(i), i);
        }
        assert!((0..1000).all(|i| slab.get(i) == Some(&i)));
        *slab.get_mut(999).unwrap() = 5;
        assert_eq!((slab.get(999), slab.get(1000), slab.len()), (Some(&5), None, 1000));
        assert_eq!(slab.segments.len(), 4);
    }
}

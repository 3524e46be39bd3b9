//! One direction of a stream that is found inside of another one, where nobody else keeps what is not read yet.

use crate::stream::Taken;

/// Bytes that a parser has not used yet, and what it said of those that follow.
#[derive(Default)]
pub(super) struct Unread {
    tail: Vec<u8>,
    /// Bytes that the tail must have before it is presented again.
    needed: usize,
    /// Bytes to pass over.
    skip: u64,
    over: bool,
}

impl Unread {
    /// Takes bytes that follow. Says what is to be presented, which [`Unread::settle`] wants back; `None` where nothing is.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= passed as u64;
        let bytes = bytes.get(passed..).unwrap_or_default();
        if self.over || bytes.is_empty() {
            return None;
        }
        self.tail.extend_from_slice(bytes);
        (self.tail.len() >= self.needed).then(|| std::mem::take(&mut self.tail))
    }

    /// Notes what was done with the bytes that were presented. `false` where more than `max` bytes would have to wait: then
    /// nothing more is read of the direction.
    pub(super) fn settle(&mut self, mut presented: Vec<u8>, taken: Taken, max: usize) -> bool {
        match taken {
            Taken::All => self.needed = 0,
            Taken::Some { consumed, needed } => {
                presented.drain(..consumed.min(presented.len()));
                // At least an eighth more each time, so that starting over costs linear time altogether.
                let grown = presented.len() + presented.len() / 8;
                self.needed = if consumed == 0 && needed > 0 { needed.max(grown + 1) } else { needed };
                if presented.len().max(self.needed) > max {
                    self.over = true;
                    return false;
                }
                self.tail = presented;
            }
            Taken::Skip(n) => (self.needed, self.skip) = (0, n),
            Taken::Stop => self.over = true,
        }
        true
    }

    /// Takes what was not used; it stays away unless [`Unread::put_back`] brings it back.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.tail)
    }

    /// Puts back what was taken: nothing was done with it, and it waits for as many bytes as before.
    pub(super) fn put_back(&mut self, tail: Vec<u8>) {
        self.tail = tail;
    }

    /// Bytes of memory outside of itself.
    pub(super) fn heap(&self) -> usize {
        self.tail.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_until_there_are_as_many_as_were_asked_for() {
        let mut side = Unread::default();
        assert_eq!(side.add(b"ab").as_deref(), Some(&b"ab"[..]));
        assert!(side.settle(b"ab".to_vec(), Taken::Some { consumed: 1, needed: 3 }, 100));
        assert_eq!(side.add(b"c"), None, "two of three");
        assert_eq!(side.add(b"d").as_deref(), Some(&b"bcd"[..]));
        // Nothing was used: at least an eighth more.
        let long = vec![7; 80];
        assert!(side.settle(long.clone(), Taken::Some { consumed: 0, needed: 1 }, 100));
        assert_eq!(side.add(&[7; 10]), None);
        assert_eq!(side.add(&[7; 1]).map(|b| b.len()), Some(91));
        assert!(side.settle(long, Taken::Skip(5), 100));
        assert_eq!(side.add(b"12345678").as_deref(), Some(&b"678"[..]));
        assert!(side.settle(Vec::new(), Taken::All, 100));
    }

    #[test]
    fn what_would_have_to_wait_for_too_much_is_given_up() {
        for (presented, needed) in [(vec![0; 101], 0), (vec![0; 3], 101)] {
            let mut side = Unread::default();
            assert!(!side.settle(presented, Taken::Some { consumed: 0, needed }, 100));
            assert_eq!((side.add(b"x"), side.heap()), (None, 0));
        }
        let mut side = Unread::default();
        assert!(side.settle(b"x".to_vec(), Taken::Stop, 100));
        assert_eq!(side.add(b"x"), None);
    }
}

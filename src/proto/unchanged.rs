//! Texts in which nothing was blanked, remembered so that they need not be searched again: devices send the same
//! addresses, names and banners over and over.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::base::hash;

/// Texts that a thread remembers.
const SLOTS: usize = 8192;

/// Longest of them, in bytes.
const TEXT_BYTES_MAX: usize = 512;

thread_local! {
    /// Each text in the slot of its hash, with the search that found nothing in it before it. The text itself is
    /// compared: nobody can have a secret shown by making another text of the same hash.
    static KNOWN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Which search it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Search {
    /// Secrets in an address.
    Address,
    /// Settings in a text of a line.
    Settings,
}

/// What a search makes of a text; the search is left out where it is known to find nothing.
pub fn unless_known<'a>(
    search: Search,
    text: &'a [u8],
    blank: impl FnOnce(&'a [u8]) -> Cow<'a, [u8]>,
) -> Cow<'a, [u8]> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return blank(text);
    }
    let slot = hash::stable64(search as u64, text) as usize % SLOTS;
    let is_known = KNOWN.with_borrow(|known| {
        let kept = known.get(slot).and_then(|kept| kept.split_first());
        kept.is_some_and(|(by, kept)| *by == search as u8 && kept == text)
    });
    if is_known {
        return text.into();
    }
    let shown = blank(text);
    if *shown == *text {
        KNOWN.with_borrow_mut(|known| {
            known.resize_with(SLOTS, Vec::new);
            if let Some(kept) = known.get_mut(slot) {
                kept.clear();
                kept.push(search as u8);
                kept.extend_from_slice(text);
            }
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_text_is_searched_once_and_one_with_a_secret_always() {
        let searched = RefCell::new(0);
        let run = |search, text: &'static [u8]| -> Vec<u8> {
            unless_known(search, text, |t| {
                *searched.borrow_mut() += 1;
                if t.starts_with(b"secret") { b"***"[..].into() } else { t.into() }
            })
            .into_owned()
        };
        for _ in 0..3 {
            assert_eq!(run(Search::Address, b"/index.html"), b"/index.html");
        }
        assert_eq!(*searched.borrow(), 1);
        assert_eq!(run(Search::Settings, b"/index.html"), b"/index.html");
        assert_eq!(*searched.borrow(), 2, "another search knows nothing of it");
        for _ in 0..3 {
            assert_eq!(run(Search::Address, b"secret=1"), b"***");
        }
        assert_eq!(*searched.borrow(), 5);
        let long: &'static [u8] = &[b'a'; TEXT_BYTES_MAX + 1];
        assert_eq!(run(Search::Address, long).len(), run(Search::Address, long).len());
        assert_eq!(*searched.borrow(), 7, "too long to be kept");
    }
}

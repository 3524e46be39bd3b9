//! When something was there, in few numbers.

use super::claim::Span;
use crate::base::{Timestamp, limits};

/// Moments that are less than this apart, as a power of two in nanoseconds, may be told as one: 69 s.
const FINEST: u32 = 36;
/// The coarsest: what a timestamp can hold is in two parts.
const COARSEST: u32 = 63;

/// The times at which something was seen: spans that are apart.
///
/// Time is cut into equal parts, and spans that meet in one part are one. When more than
/// [`limits::TIME_PARTS_MAX`] parts are touched, the parts become twice as long. Both depend only on what
/// was added and not on its order: a set that grew has touched at least as many parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Sorted and apart.
    spans: Vec<Span>,
    shift: u32,
}

impl Default for Times {
    fn default() -> Self {
        Self { spans: Vec::new(), shift: FINEST }
    }
}

impl Times {
    /// Adds a span.
    pub fn add(&mut self, span: Span) {
        let span = Span { first: span.first.min(span.last), last: span.first.max(span.last) };
        self.insert(span);
        while self.touched() > limits::TIME_PARTS_MAX as u64 && self.shift < COARSEST {
            self.shift += 1;
            for span in std::mem::take(&mut self.spans) {
                self.insert(span);
            }
        }
    }

    /// One span.
    pub fn of(span: Span) -> Self {
        let mut times = Self::default();
        times.add(span);
        times
    }

    /// Adds all of another.
    pub fn join(&mut self, other: &Self) {
        other.spans.iter().for_each(|span| self.add(*span));
    }

    fn insert(&mut self, span: Span) {
        let shift = self.shift;
        let part = |ts: Timestamp| ts.nanos() >> shift;
        let from = self.spans.partition_point(|s| part(s.last) < part(span.first));
        let to = self.spans.partition_point(|s| part(s.first) <= part(span.last)).max(from);
        let met = self.spans.get(from..to).unwrap_or_default();
        let all = met.iter().copied().fold(span, Span::join);
        match self.spans.get_mut(from).filter(|_| to == from + 1) {
            Some(one) => *one = all,
            None => _ = self.spans.splice(from..to, [all]),
        }
    }

    /// Parts of time that are touched; spans that are apart share none.
    fn touched(&self) -> u64 {
        let part = |ts: Timestamp| ts.nanos() >> self.shift;
        self.spans.iter().fold(0, |sum, s| sum.saturating_add(part(s.last).abs_diff(part(s.first)).saturating_add(1)))
    }

    /// From the first to the last.
    pub fn span(&self) -> Option<Span> {
        self.spans.iter().copied().reduce(Span::join)
    }

    /// The spans, the earliest first.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How far a moment is from the nearest span, in nanoseconds; zero inside one.
    pub fn distance(&self, ts: Timestamp) -> i64 {
        self.spans.iter().map(|s| s.distance(ts).max(0)).min().unwrap_or(i64::MAX)
    }

    /// Whether two have a moment in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.spans.iter().any(|a| other.spans.iter().any(|b| a.overlaps(*b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn at(first: i64, last: i64) -> Span {
        Span { first: Timestamp(first * MINUTE), last: Timestamp(last * MINUTE) }
    }

    fn of(spans: impl IntoIterator<Item = Span>) -> Times {
        let mut t = Times::default();
        spans.into_iter().for_each(|s| t.add(s));
        t
    }

    #[test]
    fn what_is_apart_stays_apart() {
        let (a, b) = (of([at(0, 1), at(30, 31)]), of([at(10, 12)]));
        assert_eq!(a.spans().len(), 2);
        assert!(!a.overlaps(&b), "one after the other, and again");
        assert!(a.overlaps(&of([at(31, 40)])));
        assert_eq!(a.span(), Some(at(0, 31)));
        assert_eq!(a.distance(Timestamp(30 * MINUTE)), 0);
        assert_eq!(a.distance(Timestamp(28 * MINUTE)), 2 * MINUTE);
        assert_eq!(Times::default().distance(Timestamp(0)), i64::MAX);
    }

    #[test]
    fn the_order_makes_no_difference_however_many_there_are() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as i64
        };
        for many in [3, 20, 400] {
            let spans: Vec<_> = (0..many)
                .map(|_| {
                    let first = next() % 50_000;
                    at(first, first + next() % 9)
                })
                .collect();
            let forward = of(spans.iter().copied());
            assert_eq!(forward, of(spans.iter().rev().copied()));
            let mut halves = of(spans.iter().skip(many / 2).copied());
            halves.join(&of(spans.iter().take(many / 2).copied()));
            assert_eq!(forward, halves);
            assert!(forward.spans().len() <= limits::TIME_PARTS_MAX);
            assert!(forward.spans().windows(2).all(|w| w[0].last < w[1].first));
        }
    }

    #[test]
    fn absurd_times_are_bounded_too() {
        let ends = [i64::MIN, -1, 0, 1, i64::MAX];
        let all = ends.iter().flat_map(|a| ends.map(|b| Span { first: Timestamp(*a), last: Timestamp(b) }));
        assert_eq!(of(all).spans().len(), 1);
        assert!(of(ends.map(|t| Span { first: Timestamp(t), last: Timestamp(t) })).spans().len() <= 4);
    }
}

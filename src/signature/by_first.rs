//! Rows of patterns, by the byte that a value must begin with: most of them need not be tried.

use std::collections::HashMap;

/// Rows in an order, of which those are tried that a value may hit.
#[derive(Debug)]
pub struct ByFirst<T> {
    rows: Vec<T>,
    by_first: HashMap<u8, Vec<usize>, ahash::RandomState>,
    /// Those that a value of any beginning may hit.
    others: Vec<usize>,
}

impl<T> Default for ByFirst<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), by_first: HashMap::default(), others: Vec::new() }
    }
}

impl<T> ByFirst<T> {
    /// Adds a row whose values begin with a byte, in lower case.
    pub fn add(&mut self, first: Option<u8>, row: T) {
        let places = match first {
            Some(first) => self.by_first.entry(first).or_default(),
            None => &mut self.others,
        };
        places.push(self.rows.len());
        self.rows.push(row);
    }

    /// All rows, in their order.
    pub fn all(&self) -> &[T] {
        &self.rows
    }

    /// Those that a value may hit, in their order.
    pub fn candidates(&self, value: &[u8]) -> impl Iterator<Item = &T> {
        let first = value.first().and_then(|b| self.by_first.get(&b.to_ascii_lowercase()));
        let mut first = first.map(Vec::as_slice).unwrap_or_default().iter().peekable();
        let mut others = self.others.iter().peekable();
        std::iter::from_fn(move || {
            let next = match (first.peek(), others.peek()) {
                (Some(a), Some(b)) if a < b => first.next(),
                (Some(_), None) => first.next(),
                _ => others.next(),
            };
            self.rows.get(*next?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::pattern::Pattern;

    #[test]
    fn candidates_are_those_that_may_hit_in_their_order() {
        let patterns = ["Boa/*", "*camera*", "#.#", "bosch", "Axis*", "{model} x"];
        let mut rows = ByFirst::default();
        for text in patterns {
            let pattern = Pattern::parse(text).unwrap();
            rows.add(pattern.first(), (text, pattern));
        }
        let tried = |value: &str| rows.candidates(value.as_bytes()).map(|(text, _)| *text).collect::<Vec<_>>();
        assert_eq!(tried("BOSCH"), ["Boa/*", "*camera*", "#.#", "bosch", "{model} x"]);
        assert_eq!(tried("axis camera"), ["*camera*", "#.#", "Axis*", "{model} x"]);
        assert_eq!(tried(""), ["*camera*", "#.#", "{model} x"]);
        for value in ["boa/0.94", "a camera", "1.2", "Bosch", "AXIS M10", "DP 7 x", ""] {
            let hit = |(text, pattern): &(&'static str, Pattern)| pattern.matches(value.as_bytes()).map(|_| *text);
            let all: Vec<_> = rows.all().iter().filter_map(hit).collect();
            assert_eq!(rows.candidates(value.as_bytes()).filter_map(hit).collect::<Vec<_>>(), all, "{value}");
        }
    }
}

//! Lines of a text by offset, for errors that name them.

/// Where the lines of a text end.
#[derive(Debug)]
pub struct Lines(Vec<usize>);

impl Lines {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The 1-based line that an offset is in.
    pub fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_in_the_line_that_it_stands_in() {
        let lines = Lines::of("ab\n\ncd");
        assert_eq!([0, 2, 3, 4, 6, 99].map(|at| lines.at(at)), [1, 1, 2, 3, 3, 3]);
        assert_eq!(Lines::of("").at(0), 1);
    }
}

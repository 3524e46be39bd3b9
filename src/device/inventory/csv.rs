//! Rows of CSV (RFC 4180) with the delimiter that the first line shows, each with the line that it begins on.

use crate::base::limits;

/// A row: the 1-based line that it begins on, and its cells.
pub(super) type Row = (usize, Vec<String>);

/// The delimiter of a table: of comma, semicolon and tab the one that the first line with something on it has
/// most of, outside of quotes.
pub(super) fn delimiter(text: &str) -> char {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut counts = [(',', 0), (';', 0), ('\t', 0)];
    let mut quoted = false;
    for c in header.chars() {
        quoted ^= c == '"';
        for (delimiter, n) in &mut counts {
            *n += usize::from(!quoted && c == *delimiter);
        }
    }
    // The first of equals: a comma, also where there is only one column.
    counts.iter().rev().max_by_key(|(_, n)| *n).map_or(',', |(delimiter, _)| *delimiter)
}

/// Reads rows one after the other.
pub(super) struct Rows<'a> {
    rest: &'a str,
    delimiter: char,
    line: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: text, delimiter: delimiter(text), line: 1 }
    }
}

impl Iterator for Rows<'_> {
    /// A row, or the line and the reason why there is none; then the reading is over.
    type Item = Result<Row, (usize, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.line;
        let mut cells = Vec::new();
        let mut cell = String::new();
        // Whether the cell is in quotes, and whether those were closed.
        let (mut quoted, mut closed) = (false, false);
        let mut chars = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        let fail = |reason: String| Some(Err((start, reason)));
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            self.line += usize::from(c == '\n');
            match c {
                '"' if quoted && next == Some('"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' if quoted => (quoted, closed) = (false, true),
                c if quoted => cell.push(c),
                '"' if cell.trim().is_empty() && !closed => {
                    cell.clear();
                    quoted = true;
                }
                '\n' => {
                    end = at + 1;
                    break;
                }
                '\r' if next == Some('\n') => {}
                c if c == self.delimiter => {
                    cells.push(std::mem::take(&mut cell));
                    closed = false;
                    if cells.len() >= limits::INVENTORY_COLUMNS_MAX {
                        self.rest = "";
                        return fail(format!("more than {} cells", limits::INVENTORY_COLUMNS_MAX));
                    }
                }
                c if closed && !c.is_whitespace() => {
                    self.rest = "";
                    return fail("text behind a closing quote".into());
                }
                c => cell.push(c),
            }
            if cell.len() > limits::INVENTORY_CELL_BYTES_MAX {
                self.rest = "";
                let quote = if quoted { " (is its quote closed?)" } else { "" };
                return fail(format!("a cell of more than {} bytes{quote}", limits::INVENTORY_CELL_BYTES_MAX));
            }
        }
        if quoted {
            self.rest = "";
            return fail("a quote that is not closed".into());
        }
        cells.push(cell);
        self.rest = self.rest.get(end..).unwrap_or_default();
        let cells = cells.into_iter().map(|cell| cell.trim().to_owned()).collect();
        Some(Ok((start, cells)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Result<Row, (usize, String)>> {
        Rows::new(text).collect()
    }

    fn row(line: usize, cells: &[&str]) -> Result<Row, (usize, String)> {
        Ok((line, cells.iter().map(|c| (*c).to_owned()).collect()))
    }

    #[test]
    fn cells_rows_and_lines_are_told_apart() {
        assert_eq!(rows("\u{feff}a,b\r\n1, 2 \r\n"), [row(1, &["a", "b"]), row(2, &["1", "2"])]);
        assert_eq!(rows("a;b,c\td;e\n1;2"), [row(1, &["a", "b,c\td", "e"]), row(2, &["1", "2"])]);
        assert_eq!(rows("a\tb\n\t\n"), [row(1, &["a", "b"]), row(2, &["", ""])]);
        let quoted = "a,b\n\"x, \"\"y\"\"\nz\" ,2\nlast,\"\"\n";
        assert_eq!(rows(quoted), [row(1, &["a", "b"]), row(2, &["x, \"y\"\nz", "2"]), row(4, &["last", ""])]);
        assert_eq!(rows("a,b\n5\" disk,1"), [row(1, &["a", "b"]), row(2, &["5\" disk", "1"])]);
        assert_eq!(rows(""), []);
        assert_eq!(delimiter("\n\"a,b,c\";d\n"), ';');
        assert_eq!(delimiter("only"), ',');
    }

    #[test]
    fn what_is_no_table_ends_the_reading_with_its_line() {
        let long = format!("a\n{}", "x".repeat(limits::INVENTORY_CELL_BYTES_MAX + 1));
        let many = format!("a\n\n{}", ",".repeat(limits::INVENTORY_COLUMNS_MAX));
        for (text, line, reason) in [
            ("a,b\nc,\"d\ne\nf", 2, "not closed"),
            ("a\n\"b\"c\nd", 2, "behind a closing quote"),
            (&long, 2, "more than 1024 bytes"),
            (&many, 3, "more than 512 cells"),
        ] {
            let all = rows(text);
            let Some(Err((at, said))) = all.last() else { panic!("{all:?}") };
            assert_eq!((*at, said.contains(reason)), (line, true), "{said}");
        }
    }
}

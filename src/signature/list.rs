//! Lists: tables of facts in `signatures/lists/`, one row a line, columns apart by tabs.
//!
//! ```text
//! # schema: 1
//! # version: 2026.11.1
//! # date: 2026-11-25
//! # source: where the rows come from
//! # licence: on which terms
//! control<TAB>title
//! CWE-319<TAB>Cleartext Transmission of Sensitive Information
//! ```
//!
//! The header comes first and is complete; further lines that begin with `#`, and empty ones, say
//! nothing. A row has every column.

use std::path::Path;

use super::rules::{RuleError, SCHEMA};
use crate::base::limits;

/// A list whose form was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Version that its header states.
    pub version: String,
    /// Rows with their 1-based lines; each has as many cells as there are columns.
    pub rows: Vec<(usize, Vec<String>)>,
}

/// What a header must say.
const KEYS: [&str; 5] = ["schema", "version", "date", "source", "licence"];

/// Checks the text of a list that has these columns; `file` is its name in messages.
pub fn parse(file: &Path, text: &str, columns: &[&str]) -> Result<List, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut bad = |line: usize, reason: String| {
        if errors.len() < limits::LIST_ERRORS_MAX {
            errors.push(RuleError { file: file.to_path_buf(), line, reason });
        }
    };
    let mut header: [Option<(usize, &str)>; KEYS.len()] = [None; KEYS.len()];
    let mut named = false;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if let Some(comment) = line.strip_prefix('#') {
            let pair = comment.split_once(':').map(|(key, value)| (key.trim(), value.trim()));
            if let Some((key, value)) = pair.filter(|_| !named)
                && let Some(place) = KEYS.iter().position(|k| *k == key).and_then(|at| header.get_mut(at))
            {
                *place = Some((number, value));
            }
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split('\t').collect();
        if !named {
            named = true;
            if cells != columns {
                bad(number, format!("the columns are not {}", columns.join(", ")));
                break;
            }
            continue;
        }
        if cells.len() != columns.len() {
            bad(number, format!("{} cells, apart by tabs, where there are {} columns", cells.len(), columns.len()));
        } else if cells.iter().any(|c| c.len() > limits::TEXT_BYTES_MAX || c.chars().any(char::is_control)) {
            bad(number, format!("a cell is longer than {} bytes or holds a control character", limits::TEXT_BYTES_MAX));
        } else if rows.len() >= limits::LIST_ROWS_MAX {
            bad(number, format!("more than {} rows", limits::LIST_ROWS_MAX));
            break;
        } else {
            rows.push((number, cells.into_iter().map(str::to_owned).collect()));
        }
    }
    if !named {
        bad(0, format!("no line names the columns {}", columns.join(", ")));
    }
    let mut version = String::new();
    for (key, found) in KEYS.iter().zip(header) {
        match found {
            None => bad(1, format!("the header has no line \"# {key}: ...\"")),
            Some((line, "")) => bad(line, format!("{key} is empty")),
            Some((line, value)) => match *key {
                "schema" if value != SCHEMA.to_string() => {
                    bad(line, format!("schema {value} is not known; this program reads {SCHEMA}"));
                }
                "date" if value.len() != 10 || value.parse::<jiff::civil::Date>().is_err() => {
                    bad(line, format!("{value:?} is not a date (as in 2026-11-23)"));
                }
                "version" => version = value.to_owned(),
                _ => {}
            },
        }
    }
    if errors.is_empty() { Ok(List { version, rows }) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# schema: 1\n# version: 7\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";

    fn list(text: &str) -> Result<List, Vec<RuleError>> {
        parse(Path::new("l.tsv"), text, &["control", "title"])
    }

    #[test]
    fn rows_keep_their_lines_and_comments_say_nothing() {
        let got = list(&format!("{HEADER}control\ttitle\n# version: 9\n\nCWE-1\tone: a\nCWE-2\t\n")).unwrap();
        assert_eq!(got.version, "7");
        assert_eq!(got.rows, [(9, vec!["CWE-1".into(), "one: a".into()]), (10, vec!["CWE-2".into(), String::new()])]);
    }

    #[test]
    fn an_error_names_the_line() {
        let columns = "control\ttitle\n";
        for (text, line, reason) in [
            (String::new(), 0, "no line names"),
            (columns.to_owned(), 1, "# schema"),
            (format!("{}{columns}", HEADER.replace("schema: 1", "schema: 2")), 1, "schema 2"),
            (format!("{}{columns}", HEADER.replace("version: 7", "version:")), 2, "version is empty"),
            (format!("{}{columns}", HEADER.replace("2026-11-25", "25.11.2026")), 3, "not a date"),
            (format!("{}{columns}", HEADER.replace("# licence: MIT\n", "")), 1, "licence"),
            (format!("{HEADER}control\tname\n"), 6, "columns are not control, title"),
            (format!("{HEADER}{columns}CWE-1\n"), 7, "1 cells"),
            (format!("{HEADER}{columns}CWE-1\ta\tb\n"), 7, "3 cells"),
            (format!("{HEADER}{columns}CWE-1\ta\u{1b}b\n"), 7, "control character"),
        ] {
            let errors = list(&text).unwrap_err();
            assert!(errors.iter().any(|e| e.line == line && e.reason.contains(reason)), "{text:?}: {errors:?}");
        }
        let many = format!("{HEADER}{columns}{}", "bad\n".repeat(limits::LIST_ERRORS_MAX + 5));
        assert_eq!(list(&many).unwrap_err().len(), limits::LIST_ERRORS_MAX);
    }
}

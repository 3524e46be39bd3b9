//! An inventory in TOML: an array of tables `[[device]]` with the columns of the CSV as keys. Several MACs or
//! addresses may also be an array.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::base::limits;
use crate::base::lines::Lines;
use crate::record::clean;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    device: Vec<Spanned<BTreeMap<String, Spanned<Value>>>>,
}

/// A key of a device with what it holds, as the cell of a CSV would, and the line that it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub line: usize,
    pub key: String,
    pub text: Result<String, String>,
}

/// A device: the line that it begins on, and its cells.
pub(super) type Row = (usize, Vec<Cell>);

/// Whether a file is TOML: by its name, or by its first line that is no comment.
pub(super) fn is_toml(file: &Path, text: &str) -> bool {
    let named = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    named || first.is_some_and(|line| line.starts_with("[["))
}

/// The devices of a file.
///
/// # Errors
/// Line and reason, where it is no TOML or no array of devices.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, (usize, String)> {
    let lines = Lines::of(text);
    let raw: RawFile = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(0, |span| lines.at(span.start));
        (line, clean(&e.message().replace('\n', "; ")))
    })?;
    let row = |device: Spanned<BTreeMap<String, Spanned<Value>>>| {
        let line = lines.at(device.span().start);
        let cells = device.into_inner().into_iter().map(|(key, value)| {
            let line = lines.at(value.span().start);
            let text = cell(value.into_inner()).and_then(|text| match text.len() {
                0..=limits::INVENTORY_CELL_BYTES_MAX => Ok(text),
                _ => Err(format!("a value of more than {} bytes", limits::INVENTORY_CELL_BYTES_MAX)),
            });
            Cell { line, key, text }
        });
        (line, cells.collect())
    };
    Ok(raw.device.into_iter().map(row).collect())
}

/// A value as the cell of a CSV would hold it.
fn cell(value: Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Datetime(day) => day.to_string(),
        Value::Array(all) => {
            let texts = all.into_iter().map(|v| match v {
                Value::String(text) => Ok(text),
                _ => Err(String::from("not all of the array are texts")),
            });
            texts.collect::<Result<Vec<_>, _>>()?.join(", ")
        }
        Value::Table(_) => return Err(String::from("a table where a text belongs")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_is_known_by_its_name_or_its_first_line() {
        for (file, text, want) in [
            ("i.toml", "", true),
            ("i.TOML", "mac\n", true),
            ("i", "\u{feff}# ours\n\n[[device]]\n", true),
            ("i.csv", "mac,ip\n[[device]]\n", false),
            ("i", "", false),
        ] {
            assert_eq!(is_toml(Path::new(file), text), want, "{file} {text:?}");
        }
    }

    #[test]
    fn values_are_cells_with_their_lines() {
        let text = "# ours\n[[device]]\nmac = [\"a\", \"b\"]\nmodel = 7\n\n[[device]]\nnote = \"\"\"x\ny\"\"\"\nsite = { a = 1 }\n";
        let rows = rows(text).unwrap();
        let cell = |line, key: &str, text: Result<&str, &str>| Cell {
            line,
            key: key.into(),
            text: text.map(str::to_owned).map_err(str::to_owned),
        };
        assert_eq!(rows[0], (2, vec![cell(3, "mac", Ok("a, b")), cell(4, "model", Ok("7"))]));
        let site = cell(9, "site", Err("a table where a text belongs"));
        assert_eq!(rows[1], (6, vec![cell(7, "note", Ok("x\ny")), site]));
    }

    #[test]
    fn what_is_no_array_of_devices_is_told_with_its_line() {
        for (text, line) in [("[[device]]\nmac = \n", 2), ("\n[[devices]]\n", 2), ("a = 1\ndevice = 3\n", 1)] {
            assert_eq!(rows(text).unwrap_err().0, line, "{text:?}");
        }
        let long = format!("[[device]]\nnote = \"{}\"\n", "x".repeat(limits::INVENTORY_CELL_BYTES_MAX + 1));
        assert!(rows(&long).unwrap()[0].1[0].text.as_ref().unwrap_err().contains("1024 bytes"));
    }
}

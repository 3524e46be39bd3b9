//! Rows as JSON Lines: one object per row, for tools that want findings without Parquet.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::{OutputFolder, SinkError, TableSchema};
use crate::record::{Column, RowBuffer, RowIndex, Type, Value, ValueReader};

/// Writes the rows of a table as one JSON object per line, with the column names as keys.
///
/// Times are RFC 3339 in UTC with microseconds, lists are arrays, nulls are kept. Identifiers of 64
/// bits (columns of numbers named `…_id` or `…_ids`) are decimal strings: most JSON readers hold
/// numbers as doubles and would round them beyond 2^53.
pub struct JsonLines {
    folder: Arc<OutputFolder>,
    name: &'static str,
    format: LineFormat,
    file: LineFile,
}

/// How rows become lines.
#[derive(Debug)]
pub struct LineFormat {
    schema: Arc<TableSchema>,
    /// What stands before the value of each column.
    keys: Vec<Vec<u8>>,
    /// Place of the column that leaves out the rows in which it has a value.
    where_null: Option<usize>,
}

/// Where lines go.
#[derive(Debug)]
pub struct LineFile {
    file: BufWriter<File>,
    staged: PathBuf,
}

/// Texts that stand in many rows, each written as JSON when it is first asked for.
#[derive(Debug)]
pub struct LineNames<'a> {
    names: &'a [String],
    lines: Vec<OnceLock<Vec<u8>>>,
}

impl<'a> LineNames<'a> {
    /// These are the texts of [`Value::Name`] by number.
    pub fn new(names: &'a [String]) -> Self {
        Self { names, lines: names.iter().map(|_| OnceLock::new()).collect() }
    }

    fn get(&self, number: u32) -> Option<&[u8]> {
        let name = self.names.get(number as usize)?;
        let written = || {
            let mut out = Vec::new();
            text(name, &mut out);
            out
        };
        Some(self.lines.get(number as usize)?.get_or_init(written))
    }
}

impl JsonLines {
    /// Rows that are formatted at a time.
    pub const BLOCK: usize = 1024;

    /// A file of this name (`findings.jsonl`) in the output folder.
    pub fn new(folder: &Arc<OutputFolder>, schema: &Arc<TableSchema>, name: &'static str) -> Result<Self, SinkError> {
        let (file, staged) = folder.stage(name)?;
        let key = |(i, column): (usize, &&Column)| {
            let mut key = if i == 0 { vec![b'{'] } else { vec![b','] };
            text(column.name, &mut key);
            key.push(b':');
            key
        };
        let keys = schema.columns().iter().enumerate().map(key).collect();
        let format = LineFormat { schema: schema.clone(), keys, where_null: None };
        let file = LineFile { file: BufWriter::new(file), staged };
        Ok(Self { folder: folder.clone(), name, format, file })
    }

    /// Leaves out rows in which a column holds a value.
    pub fn where_null(mut self, column: &'static str) -> Self {
        self.format.where_null = self.format.schema.columns().iter().position(|c| c.name == column);
        self
    }

    /// Appends rows in their sorted order; `names` are the texts of [`Value::Name`] by number.
    pub fn append(&mut self, rows: &mut RowBuffer, names: &[String]) -> Result<(), SinkError> {
        rows.sort();
        let names = LineNames::new(names);
        let mut lines = Vec::new();
        for block in rows.index().chunks(Self::BLOCK) {
            lines.clear();
            self.format.rows(rows, block, &names, &mut lines)?;
            self.file.write(&lines)?;
        }
        Ok(())
    }

    /// Formatting, which any number of threads may do, and writing, which is one's.
    pub const fn halves(&mut self) -> (&LineFormat, &mut LineFile) {
        (&self.format, &mut self.file)
    }

    /// Completes the file; it takes its place with the other output.
    pub fn finish(self) -> Result<(), SinkError> {
        let LineFile { mut file, staged } = self.file;
        file.flush().map_err(|e| SinkError::io("write", &staged, e))?;
        self.folder.publish(staged, self.name.into())
    }
}

impl LineFormat {
    /// Puts some rows of a buffer behind what stands in `lines`.
    pub fn rows(
        &self,
        rows: &RowBuffer,
        block: &[RowIndex],
        names: &LineNames<'_>,
        lines: &mut Vec<u8>,
    ) -> Result<(), SinkError> {
        'rows: for row in block {
            let start = lines.len();
            let mut values = rows.values(row);
            for (i, (column, key)) in self.schema.columns().iter().zip(&self.keys).enumerate() {
                lines.extend_from_slice(key);
                let before = lines.len();
                let id = column.name.ends_with("_id") || column.name.ends_with("_ids");
                field(column.ty, id, &mut values, names, lines).map_err(|what| SinkError::Row {
                    table: self.schema.table().name,
                    column: column.name,
                    what: what.into(),
                })?;
                if self.where_null == Some(i) && lines.get(before..) != Some(b"null".as_slice()) {
                    lines.truncate(start);
                    continue 'rows;
                }
            }
            lines.extend_from_slice(b"}\n");
        }
        Ok(())
    }
}

impl LineFile {
    /// Writes lines that were [formatted](LineFormat::rows).
    pub fn write(&mut self, lines: &[u8]) -> Result<(), SinkError> {
        self.file.write_all(lines).map_err(|e| SinkError::io("write", &self.staged, e))
    }
}

/// Writes text as JSON writes it (RFC 8259, section 7).
fn text(s: &str, out: &mut Vec<u8>) {
    // Writing text to a vector cannot fail.
    drop(serde_json::to_writer(out, s));
}

/// Writes the next value of a row.
fn field(
    ty: Type,
    id: bool,
    values: &mut ValueReader<'_>,
    names: &LineNames<'_>,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let value = values.next_value().ok_or("there is no value")?;
    let element = match ty {
        Type::TextList => Type::Text,
        Type::Int32List => Type::Int32,
        Type::Int64List => Type::Int64,
        single => return one(single, id, value, names, out),
    };
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::List(len) => {
            out.push(b'[');
            for i in 0..len {
                if i > 0 {
                    out.push(b',');
                }
                let value = values.next_value().ok_or("there is no value")?;
                one(element, id, value, names, out)?;
            }
            out.push(b']');
        }
        _ => return Err("a single value stands where a list belongs"),
    }
    Ok(())
}

fn one(ty: Type, id: bool, value: Value<'_>, names: &LineNames<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    match (ty, value) {
        (_, Value::Null) => out.extend_from_slice(b"null"),
        (Type::Text, Value::Text(s)) => text(s, out),
        (Type::Text, Value::Addr(a)) => drop(write!(out, "\"{a}\"")),
        (Type::Text, Value::Mac(m)) => drop(write!(out, "\"{m}\"")),
        (Type::Text, Value::Name(n)) => out.extend_from_slice(names.get(n).ok_or("a name was not given")?),
        (Type::Int64, Value::Int(n)) if id => drop(write!(out, "\"{n}\"")),
        (Type::Int32 | Type::Int64, Value::Int(n)) => drop(write!(out, "{n}")),
        // JSON has no infinity and no NaN.
        (Type::Float64, Value::Float(v)) if !v.is_finite() => out.extend_from_slice(b"null"),
        (Type::Float64, Value::Float(v)) => drop(write!(out, "{v}")),
        (Type::Bool, Value::Bool(v)) => drop(write!(out, "{v}")),
        (Type::Time, Value::Time(t)) => drop(write!(out, "\"{t}\"")),
        _ => return Err("a value of another type stands there"),
    }
    Ok(())
}

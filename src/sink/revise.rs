//! Tables that are there already, written anew with some values changed.
//!
//! Rows are read with the Parquet crate, changed one by one and encoded as a run encodes them. The new
//! files take the place of the old ones, with the same names, when [`OutputFolder::finish`] is called;
//! until then nothing of the output changes.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;

use super::folder::entries;
use super::table::{WRITE_BYTES, properties, write_error};
use super::{OutputFolder, SinkError, TableSchema, encode_row_group};
use crate::base::Timestamp;
use crate::record::{RowBuffer, RowWriter, Type};

/// A value of a row that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Not observable.
    Null,
    /// Text.
    Text(String),
    /// A number of a 32- or 64-bit column.
    Int(i64),
    /// A number of a float column.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A time.
    Time(Timestamp),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of numbers.
    Ints(Vec<i64>),
}

impl Cell {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where it is one.
    pub const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The items, where it is a list of texts.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::Texts(items) => items,
            _ => &[],
        }
    }

    /// The items, where it is a list of numbers.
    pub fn ints(&self) -> &[i64] {
        match self {
            Self::Ints(items) => items,
            _ => &[],
        }
    }

    /// The number, where it is one of a float column.
    pub const fn float(&self) -> Option<f64> {
        match self {
            Self::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// The time, where it is one.
    pub const fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(t) => Some(*t),
            _ => None,
        }
    }

    /// Writes it as the next value of a row.
    pub fn write(&self, row: &mut RowWriter<'_>) {
        match self {
            Self::Null => row.null(),
            Self::Text(s) => row.text(s),
            Self::Int(n) => row.int(*n),
            Self::Float(v) => row.float(*v),
            Self::Bool(v) => row.bool(*v),
            Self::Time(t) => row.time(*t),
            Self::Texts(items) => row.texts(items),
            Self::Ints(items) => row.ints(items),
        };
    }

    pub(super) fn of(ty: Type, field: &Field) -> Option<Self> {
        Some(match (ty, field) {
            (_, Field::Null) => Self::Null,
            (Type::Text, Field::Str(s)) => Self::Text(s.clone()),
            (Type::Int32, Field::Int(n)) => Self::Int(i64::from(*n)),
            (Type::Int64, Field::Long(n)) => Self::Int(*n),
            (Type::Float64, Field::Double(v)) => Self::Float(*v),
            (Type::Bool, Field::Bool(v)) => Self::Bool(*v),
            (Type::Time, Field::TimestampMicros(us)) => Self::Time(Timestamp(us.saturating_mul(1000))),
            (Type::TextList, Field::ListInternal(list)) => {
                let text = |f: &Field| match f {
                    Field::Str(s) => Some(s.clone()),
                    _ => None,
                };
                Self::Texts(list.elements().iter().map(text).collect::<Option<_>>()?)
            }
            (Type::Int32List | Type::Int64List, Field::ListInternal(list)) => {
                let number = |f: &Field| match f {
                    Field::Int(n) => Some(i64::from(*n)),
                    Field::Long(n) => Some(*n),
                    _ => None,
                };
                Self::Ints(list.elements().iter().map(number).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

/// Changes the rows of a table: `change` is given every row, its cells in the order of the columns, and
/// says whether it changed one. Files without a change stay as they are. Returns the bytes of the
/// files before and after.
///
/// # Errors
/// If a file cannot be read, is not of this layout, or its successor cannot be written.
pub fn revise_table(
    folder: &Arc<OutputFolder>,
    schema: &Arc<TableSchema>,
    change: &mut dyn FnMut(&mut [Cell]) -> bool,
) -> Result<(u64, u64), SinkError> {
    let mut bytes = (0, 0);
    for (number, place) in files(folder.path(), schema.table().name)?.into_iter().enumerate() {
        let (before, after) = revise_file(folder, schema, &place, number, change)?;
        bytes = (bytes.0 + before, bytes.1 + after);
    }
    Ok(bytes)
}

/// The Parquet files of a table by their paths below the root, in order.
pub(super) fn files(root: &Path, table: &str) -> Result<Vec<PathBuf>, SinkError> {
    let mut found = Vec::new();
    for entry in entries(&root.join(table))? {
        let day = entry.file_name().to_str().is_some_and(|n| n.starts_with("date="));
        let below = if day { entries(&entry.path())? } else { vec![entry] };
        let parquet = below.into_iter().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "parquet"));
        found.extend(parquet.filter_map(|p| p.strip_prefix(root).map(Path::to_path_buf).ok()));
    }
    found.sort();
    match found.is_empty() {
        true => Err(SinkError::unreadable(&root.join(table), "there is no Parquet file of the table")),
        false => Ok(found),
    }
}

fn revise_file(
    folder: &Arc<OutputFolder>,
    schema: &Arc<TableSchema>,
    place: &Path,
    number: usize,
    change: &mut dyn FnMut(&mut [Cell]) -> bool,
) -> Result<(u64, u64), SinkError> {
    let path = folder.path().join(place);
    let bad = |what: &dyn std::fmt::Display| SinkError::unreadable(&path, what);
    let file = File::open(&path).map_err(|e| SinkError::io("open", &path, e))?;
    let before = file.metadata().map_err(|e| SinkError::io("read", &path, e))?.len();
    let reader = SerializedFileReader::new(file).map_err(|e| bad(&e))?;
    let metadata = reader.metadata().file_metadata();
    if metadata.schema() != schema.root().as_ref() {
        return Err(bad(&"the columns are not those that this version writes"));
    }
    let mut changed = false;
    let mut groups = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|e| bad(&e))?;
        let mut rows = RowBuffer::default();
        for (order, row) in group.get_row_iter(None).map_err(|e| bad(&e))?.enumerate() {
            let row = row.map_err(|e| bad(&e))?;
            let mut cells = Vec::with_capacity(schema.columns().len());
            for (column, (_, field)) in schema.columns().iter().zip(row.get_column_iter()) {
                let cell = Cell::of(column.ty, field);
                cells.push(cell.ok_or_else(|| bad(&format_args!("column {}: not of its type", column.name)))?);
            }
            changed |= change(&mut cells);
            // The order of the rows stays as it is.
            let ts = schema.time_column().and_then(|at| cells.get(at)).and_then(Cell::time).unwrap_or(Timestamp::MIN);
            let mut row = rows.row(ts, order as u64);
            cells.iter().for_each(|cell| cell.write(&mut row));
        }
        groups.push(encode_row_group(schema, &mut rows, &[])?);
    }
    if !changed {
        return Ok((before, before));
    }
    let sorted = groups.iter().all(super::EncodedRowGroup::is_sorted);
    let (staged_file, staged) = folder.stage(&format!("{}-{number:05}", schema.table().name))?;
    let error = |e| write_error(&staged, e);
    let to = BufWriter::with_capacity(WRITE_BYTES, staged_file);
    let mut writer = SerializedFileWriter::new(to, schema.root(), properties(schema, sorted)).map_err(error)?;
    for group in groups {
        let mut to = writer.next_row_group().map_err(error)?;
        for column in group.columns {
            to.append_column(&group.pages, column).map_err(error)?;
        }
        to.close().map_err(error)?;
    }
    for pair in metadata.key_value_metadata().into_iter().flatten() {
        writer.append_key_value_metadata(pair.clone());
    }
    writer.finish().map_err(error)?;
    let after = writer.bytes_written() as u64;
    drop(writer);
    folder.publish(staged, place.to_path_buf())?;
    Ok((before, after))
}

//! Tables that are there already, read row by row.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::Type as Node;

use super::revise::{Cell, files};
use super::{SinkError, TableSchema};
use crate::record::Table;

/// Reads some columns of a table of an output folder. `each` is given every row, its cells in the order of
/// `columns`; a row is held at a time, so that a table may be of any size. A table without files has no rows.
///
/// # Errors
/// If a file cannot be read, or is not of this layout.
pub fn read_table(
    root: &Path,
    table: &'static Table,
    columns: &[&str],
    each: &mut dyn FnMut(&[Cell]),
) -> Result<(), SinkError> {
    let schema = TableSchema::new(table)?;
    if !root.join(table.name).is_dir() {
        return Ok(());
    }
    let whole = schema.root();
    let wanted: Vec<_> = whole.get_fields().iter().filter(|f| columns.contains(&f.name())).cloned().collect();
    let projection = Node::group_type_builder("schema").with_fields(wanted).build()?;
    for place in files(root, table.name)? {
        let path = root.join(place);
        let bad = |what: &dyn std::fmt::Display| SinkError::unreadable(&path, what);
        let file = File::open(&path).map_err(|e| SinkError::io("open", &path, e))?;
        let reader = SerializedFileReader::new(file).map_err(|e| bad(&e))?;
        if reader.metadata().file_metadata().schema() != whole.as_ref() {
            return Err(bad(&"the columns are not those that this version writes"));
        }
        let types: BTreeMap<&str, _> = schema.columns().iter().map(|c| (c.name, c.ty)).collect();
        for row in reader.get_row_iter(Some(projection.clone())).map_err(|e| bad(&e))? {
            let row = row.map_err(|e| bad(&e))?;
            let mut cells = vec![Cell::Null; columns.len()];
            for (name, field) in row.get_column_iter() {
                let Some(at) = columns.iter().position(|c| c == name) else { continue };
                let cell = types.get(name.as_str()).and_then(|ty| Cell::of(*ty, field));
                if let Some(slot) = cells.get_mut(at) {
                    *slot = cell.ok_or_else(|| bad(&format_args!("column {name}: not of its type")))?;
                }
            }
            each(&cells);
        }
    }
    Ok(())
}

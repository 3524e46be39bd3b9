//! The Parquet files of one table.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;

use super::{EncodedRowGroup, OutputFolder, SinkError, TableSchema};
use crate::base::{Timestamp, limits};

/// Bytes that go to the operating system at a time; the Parquet crate hands over 8 KiB.
pub(super) const WRITE_BYTES: usize = 128 << 10;

/// How the files of a table are named and when a new one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// `TABLE/part-00000.parquet` and so on: a run over files. A new part begins after
    /// [`limits::PART_ROW_GROUPS`] row groups.
    Numbered,
    /// `TABLE/date=YYYY-MM-DD/part-YYYYMMDDTHHMMSS-00000.parquet`, by the time of the first row: a
    /// live run.
    Daily {
        /// Bytes after which a new part begins.
        bytes_max: u64,
        /// Nanoseconds of packet time that one part spans at most, about.
        span_ns_max: i64,
        /// When the run began: the day of a table that has no rows.
        started: Timestamp,
    },
}

/// What a table came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// A file being written.
struct Part {
    file: SerializedFileWriter<BufWriter<File>>,
    staged: PathBuf,
    place: PathBuf,
    groups: usize,
    first: Timestamp,
    /// Whether the file says that its row groups are sorted by time.
    sorted: bool,
}

/// Appends encoded row groups to the files of one table, in the order in which they come.
///
/// Dropped without [`TableWriter::finish`], its unfinished files go with the [`OutputFolder`].
pub struct TableWriter {
    folder: Arc<OutputFolder>,
    schema: Arc<TableSchema>,
    parts: Parts,
    metadata: Vec<(String, String)>,
    open: Option<Part>,
    /// Parts with all their rows that wait for the metadata of the end of the run.
    full: Vec<Part>,
    next: u64,
    written: Written,
}

/// A failure while a file was written: what the operating system said, where it was that.
pub(super) fn write_error(path: &std::path::Path, e: ParquetError) -> SinkError {
    match e {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => SinkError::io("write", path, *io),
            Err(other) => SinkError::Parquet(other.to_string()),
        },
        other => SinkError::Parquet(other.to_string()),
    }
}

/// What every file of a table is written with. `sorted` says that its rows are in the order of time.
pub(super) fn properties(schema: &TableSchema, sorted: bool) -> Arc<WriterProperties> {
    let column = schema.time_column().filter(|_| sorted);
    let sorting = column.map(|i| {
        vec![SortingColumn { column_idx: i32::try_from(i).unwrap_or_default(), descending: false, nulls_first: true }]
    });
    let properties = WriterProperties::builder()
        .set_created_by(concat!("overhear version ", env!("CARGO_PKG_VERSION")).into())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_sorting_columns(sorting)
        .build();
    Arc::new(properties)
}

impl TableWriter {
    /// A writer of a table. `metadata` goes into the footer of every file, together with that
    /// given at the end; live parts are closed before the end and have only this.
    pub fn new(
        folder: &Arc<OutputFolder>,
        schema: &Arc<TableSchema>,
        parts: Parts,
        metadata: Vec<(String, String)>,
    ) -> Self {
        Self {
            folder: folder.clone(),
            schema: schema.clone(),
            parts,
            metadata,
            open: None,
            full: Vec::new(),
            next: 0,
            written: Written::default(),
        }
    }

    /// Rows appended so far.
    pub fn rows(&self) -> u64 {
        self.written.rows
    }

    fn begin(&mut self, first: Timestamp, sorted: bool) -> Result<Part, SinkError> {
        let table = self.schema.table().name;
        let number = self.next;
        self.next += 1;
        let place = match self.parts {
            Parts::Numbered => PathBuf::from(table).join(format!("part-{number:05}.parquet")),
            Parts::Daily { .. } => {
                let text = first.to_string();
                let (day, time) = text.split_once('T').unwrap_or(("unknown", "0"));
                let digits = |s: &str| s.chars().filter(char::is_ascii_digit).collect::<String>();
                let (date, clock) = (digits(day), digits(time.split('.').next().unwrap_or_default()));
                let folder = PathBuf::from(table).join(format!("date={day}"));
                let name = |n: u64| folder.join(format!("part-{date}T{clock}-{n:05}.parquet"));
                let mut n = number;
                while self.folder.is_taken(&name(n)) {
                    n += 1;
                }
                name(n)
            }
        };
        let (file, staged) = self.folder.stage(&format!("{table}-{number:05}"))?;
        let file = SerializedFileWriter::new(
            BufWriter::with_capacity(WRITE_BYTES, file),
            self.schema.root(),
            properties(&self.schema, sorted),
        )
        .map_err(|e| write_error(&staged, e))?;
        Ok(Part { file, staged, place, groups: 0, first, sorted })
    }

    /// Appends a row group; one without rows leaves no trace.
    pub fn append(&mut self, group: EncodedRowGroup) -> Result<(), SinkError> {
        if group.rows() == 0 {
            return Ok(());
        }
        if group.schema.table().name != self.schema.table().name {
            return Err(SinkError::Parquet(format!(
                "rows of {} were given to the writer of {}",
                group.schema.table().name,
                self.schema.table().name
            )));
        }
        if self.open.as_ref().is_some_and(|part| !self.takes(part, &group)) {
            self.close()?;
        }
        let mut part = match self.open.take() {
            Some(part) => part,
            None => self.begin(group.first(), group.is_sorted())?,
        };
        let rows = group.rows() as u64;
        let path = part.staged.clone();
        let error = |e| write_error(&path, e);
        let mut to = part.file.next_row_group().map_err(error)?;
        for column in group.columns {
            to.append_column(&group.pages, column).map_err(error)?;
        }
        to.close().map_err(error)?;
        part.groups += 1;
        self.written.rows += rows;
        self.open = Some(part);
        Ok(())
    }

    /// Whether a part has room for a row group.
    fn takes(&self, part: &Part, group: &EncodedRowGroup) -> bool {
        let honest = !part.sorted || group.is_sorted();
        let room = match self.parts {
            Parts::Numbered => part.groups < limits::PART_ROW_GROUPS,
            Parts::Daily { bytes_max, span_ns_max, .. } => {
                part.groups < limits::PART_ROW_GROUPS
                    && (part.file.bytes_written() as u64) < bytes_max
                    && group.first().since(part.first) < span_ns_max
                    && day(group.first()) == day(part.first)
            }
        };
        honest && room
    }

    /// Live: closes the open part where packet time has gone past what it may span, so that rows
    /// of a table that few packets lead to are seen in time.
    pub fn rotate(&mut self, now: Timestamp) -> Result<(), SinkError> {
        if let (Parts::Daily { span_ns_max, .. }, Some(part)) = (self.parts, &self.open)
            && (now.since(part.first) >= span_ns_max || day(now) > day(part.first))
        {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        let Some(part) = self.open.take() else { return Ok(()) };
        match self.parts {
            Parts::Numbered => self.full.push(part),
            Parts::Daily { .. } => self.end(part, &[])?,
        }
        Ok(())
    }

    fn end(&mut self, mut part: Part, more: &[(String, String)]) -> Result<(), SinkError> {
        for (key, value) in self.metadata.iter().chain(more) {
            part.file.append_key_value_metadata(KeyValue::new(key.clone(), value.clone()));
        }
        part.file.finish().map_err(|e| write_error(&part.staged, e))?;
        self.written.files += 1;
        self.written.bytes += part.file.bytes_written() as u64;
        self.folder.publish(part.staged, part.place)
    }

    /// Completes the files with metadata that is known at the end of the run (hashes of the
    /// inputs). A table without rows gets one file without rows, so that no query on it fails.
    pub fn finish(mut self, metadata: &[(String, String)]) -> Result<Written, SinkError> {
        self.close()?;
        if self.next == 0 {
            let first = match self.parts {
                Parts::Numbered => Timestamp(0),
                Parts::Daily { started, .. } => started,
            };
            let part = self.begin(first, false)?;
            self.full.push(part);
        }
        for part in std::mem::take(&mut self.full) {
            self.end(part, metadata)?;
        }
        Ok(self.written)
    }
}

/// Day of a time, counted from the epoch, UTC.
fn day(t: Timestamp) -> i64 {
    t.seconds().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Column, RowBuffer, Table, Type};
    use crate::sink::{Publish, encode_row_group};

    static COLUMNS: &[Column] = &[Column::new("text", Type::Text, "")];
    static TABLE: Table = Table { name: "texts", doc: "", prefix: &[], columns: COLUMNS };

    #[test]
    fn a_full_disk_is_named_with_the_file_and_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("out");
        let folder = OutputFolder::create(&out, false, Publish::AtEnd, &[]).unwrap();
        let schema = TableSchema::new(&TABLE).unwrap();
        let mut writer = TableWriter::new(&folder, &schema, Parts::Numbered, Vec::new());
        let mut part = writer.begin(Timestamp(0), false).unwrap();
        let full = BufWriter::with_capacity(100, File::create("/dev/full").unwrap());
        part.file = SerializedFileWriter::new(full, schema.root(), Arc::default()).unwrap();
        writer.open = Some(part);
        let mut rows = RowBuffer::default();
        let long: String = (0..4000u32).map(|i| char::from(b'!' + (i.wrapping_mul(i) % 90) as u8)).collect();
        for i in 0..20 {
            rows.row(Timestamp(i), 0).text(&format!("{i}{long}"));
        }
        let group = encode_row_group(&schema, &mut rows, &[]).unwrap();
        let error = writer.append(group).and_then(|()| writer.finish(&[])).unwrap_err().to_string();
        assert!(error.contains("texts-00000") && error.contains("No space left on device"), "{error}");
        drop(folder);
        assert!(!out.exists());
    }
}

//! A buffer of rows to an encoded row group: the step that may run on any thread.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};

use super::column::{ColumnBuilder, Misfit};
use super::page::{Codec, Pages};
use crate::base::Timestamp;
use crate::base::hash::mix;
use crate::record::RowBuffer;
use crate::record::row::RowIndex;
use crate::sink::{SinkError, TableSchema};

/// Rows that are turned into columns at a time: their bytes and the ends of the columns stay in
/// the cache meanwhile. A multiple of 64.
const BLOCK: usize = 512;
/// Scratch memory above which a thread gives it back after a row group.
const SCRATCH_BYTES_KEPT: usize = 8 << 20;

/// One row group of a table, encoded and compressed, in memory.
#[derive(Debug)]
pub struct EncodedRowGroup {
    pub(in crate::sink) schema: Arc<TableSchema>,
    pub(in crate::sink) pages: Bytes,
    pub(in crate::sink) columns: Vec<ColumnCloseResult>,
    rows: usize,
    first: Timestamp,
    last: Timestamp,
    sorted: bool,
}

impl EncodedRowGroup {
    /// Rows in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of memory that it takes, and nearly those that it will take in the file.
    pub fn size(&self) -> usize {
        self.pages.len()
    }

    /// Time of the first row.
    pub fn first(&self) -> Timestamp {
        self.first
    }

    /// Time of the last row.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// Whether the table's time column ([`TableSchema::time_column`]) never goes back and has no
    /// nulls.
    pub fn is_sorted(&self) -> bool {
        self.sorted
    }
}

/// What a thread uses again for every row group.
struct Scratch {
    codec: Codec,
    body: Vec<u8>,
    numbers: Vec<i64>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

/// Sorts rows and encodes them as one row group of a table. A pure function of its arguments, to be
/// called on any thread; `names` are the texts of [`crate::record::Value::Name`] by number.
///
/// Memory beside the rows: the encoded group, about a third of the rows' bytes, and as much again
/// while it is made; the rows are bounded by [`crate::base::limits::ROW_GROUP_BYTES`].
pub fn encode_row_group(
    schema: &Arc<TableSchema>,
    rows: &mut RowBuffer,
    names: &[String],
) -> Result<EncodedRowGroup, SinkError> {
    rows.sort();
    check_extents(schema, rows, |ends| encode(schema, rows, rows.index(), names, ends))
}

/// As [`encode_row_group`], but one row group for each day (UTC) of the rows' times, since live
/// output has a folder per day.
pub fn encode_by_day(
    schema: &Arc<TableSchema>,
    rows: &mut RowBuffer,
    names: &[String],
) -> Result<Vec<EncodedRowGroup>, SinkError> {
    rows.sort();
    check_extents(schema, rows, |ends| {
        let days = rows.index().chunk_by(|a, b| a.ts.seconds().div_euclid(86_400) == b.ts.seconds().div_euclid(86_400));
        days.map(|day| encode(schema, rows, day, names, ends)).collect()
    })
}

/// Runs an encoding and then checks that every row ended where the next one starts. A row with
/// too few values runs into its neighbour and one with too many stops short of it; both are defects
/// of ours, found by comparing the set of ends with the set of starts.
fn check_extents<T>(
    schema: &TableSchema,
    rows: &RowBuffer,
    run: impl FnOnce(&mut u64) -> Result<T, SinkError>,
) -> Result<T, SinkError> {
    let mut ends = 0;
    let done = run(&mut ends);
    let end = u32::try_from(rows.value_bytes()).unwrap_or(u32::MAX);
    let starts = rows.index().iter().map(|r| r.start).filter(|s| *s != 0);
    let mut expected = sum_of(starts);
    if !rows.is_empty() {
        expected = expected.wrapping_add(sum_of([end].into_iter()));
    }
    if done.is_ok() && ends == expected {
        return done;
    }
    Err(diagnose(schema, rows).or_else(|| done.err()).unwrap_or_else(|| SinkError::Row {
        table: schema.table().name,
        column: schema.columns().first().map_or("", |c| c.name),
        what: "the rows overlap".into(),
    }))
}

/// A sum that is the same for the same set of offsets in any order.
fn sum_of(offsets: impl Iterator<Item = u32>) -> u64 {
    offsets.fold(0, |sum, o| sum.wrapping_add(mix(0, u64::from(o))))
}

/// The first row that has not as many values as the table has columns.
#[cold]
fn diagnose(schema: &TableSchema, rows: &RowBuffer) -> Option<SinkError> {
    let mut starts: Vec<u32> = rows.index().iter().map(|r| r.start).collect();
    starts.sort_unstable();
    starts.push(u32::try_from(rows.value_bytes()).unwrap_or(u32::MAX));
    let misfit = |column, what| Some(SinkError::Row { table: schema.table().name, column, what });
    for extent in starts.windows(2) {
        let [mut at, end] = *extent else { continue };
        let mut last = "";
        for (i, column) in schema.columns().iter().enumerate() {
            if at >= end {
                return misfit(column.name, format!("a row has only {i} values of {}", schema.columns().len()));
            }
            last = column.name;
            let mut more = 1;
            while more > 0 {
                more -= 1;
                let Some((value, next)) = rows.raw_at(at) else { break };
                if let crate::record::RawValue::List(n) = value {
                    more += n;
                }
                at = next;
            }
        }
        if at != end {
            return misfit(last, format!("a row has more or fewer than {} values", schema.columns().len()));
        }
    }
    None
}

fn encode(
    schema: &Arc<TableSchema>,
    rows: &RowBuffer,
    index: &[RowIndex],
    names: &[String],
    ends: &mut u64,
) -> Result<EncodedRowGroup, SinkError> {
    SCRATCH.with(|scratch| {
        let mut scratch = scratch.try_borrow_mut().map_err(|e| SinkError::Compress(e.to_string()))?;
        let mut own = match scratch.take() {
            Some(own) => own,
            None => Scratch { codec: Codec::new()?, body: Vec::new(), numbers: Vec::new() },
        };
        let done = encode_with(&mut own, schema, rows, index, names, ends);
        if own.body.capacity() <= SCRATCH_BYTES_KEPT {
            *scratch = Some(own);
        }
        done
    })
}

fn encode_with(
    scratch: &mut Scratch,
    schema: &Arc<TableSchema>,
    rows: &RowBuffer,
    index: &[RowIndex],
    names: &[String],
    ends: &mut u64,
) -> Result<EncodedRowGroup, SinkError> {
    let mut builders: Vec<ColumnBuilder> = schema.columns().iter().map(|c| ColumnBuilder::new(c)).collect();
    let mut cursors = Vec::with_capacity(BLOCK);
    for block in index.chunks(BLOCK) {
        cursors.clear();
        cursors.extend(block.iter().map(|r| r.start));
        for (builder, column) in builders.iter_mut().zip(schema.columns()) {
            builder.take(rows, &mut cursors, names, &mut scratch.numbers).map_err(|Misfit { row, what }| {
                let at = block.get(row).map_or(Timestamp(0), |r| r.ts);
                SinkError::Row {
                    table: schema.table().name,
                    column: column.name,
                    what: format!("{what} (row of {at})"),
                }
            })?;
        }
        *ends = ends.wrapping_add(sum_of(cursors.iter().copied()));
    }
    let sorted = schema.time_column().and_then(|i| builders.get(i)).is_some_and(ColumnBuilder::is_sorted_time);
    // What columns usually come to; growing by doubling would touch twice the memory.
    let mut pages = Vec::with_capacity(rows.value_bytes() / 3);
    let mut columns = Vec::with_capacity(builders.len());
    for (i, builder) in builders.into_iter().enumerate() {
        let (written, statistics) = builder.finish(&mut scratch.codec, &mut scratch.body, &mut pages)?;
        let compressed = pages.len() - written.start;
        columns.push(close(schema, i, index.len(), &written, compressed, statistics)?);
    }
    if pages.capacity() / 4 * 3 > pages.len() {
        pages.shrink_to_fit();
    }
    Ok(EncodedRowGroup {
        schema: schema.clone(),
        pages: Bytes::from(pages),
        columns,
        rows: index.len(),
        first: index.first().map_or(Timestamp(0), |r| r.ts),
        last: index.last().map_or(Timestamp(0), |r| r.ts),
        sorted,
    })
}

/// What the footer says about a column chunk; offsets are those in the row group's own buffer, and
/// the Parquet crate moves them when the chunk is appended.
fn close(
    schema: &TableSchema,
    column: usize,
    rows: usize,
    pages: &Pages,
    compressed: usize,
    statistics: parquet::file::statistics::Statistics,
) -> Result<ColumnCloseResult, SinkError> {
    let (encoding, data_pages) = pages.encoding.unwrap_or((Encoding::PLAIN, 0));
    let mut encodings = vec![Encoding::RLE, encoding];
    let mut page_encodings =
        vec![PageEncodingStats { page_type: PageType::DATA_PAGE, encoding, count: data_pages as i32 }];
    if pages.dictionary.is_some() {
        encodings.push(Encoding::PLAIN);
        page_encodings
            .insert(0, PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 });
    }
    let metadata = ColumnChunkMetaData::builder(schema.leaf(column))
        .set_encodings(encodings)
        .set_page_encoding_stats(page_encodings)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_num_values(pages.levels as i64)
        .set_total_compressed_size(compressed as i64)
        .set_total_uncompressed_size(pages.uncompressed as i64)
        .set_dictionary_page_offset(pages.dictionary.map(|o| o as i64))
        .set_data_page_offset(pages.data.unwrap_or(pages.start) as i64)
        .set_statistics(statistics)
        .build()
        .map_err(|e| SinkError::Parquet(e.to_string()))?;
    Ok(ColumnCloseResult {
        bytes_written: compressed as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    })
}

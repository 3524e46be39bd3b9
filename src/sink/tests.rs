//! What is written is read back with the Parquet crate's own reader.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::base::{Addr, Mac, Timestamp, limits};
use crate::record::{Column, RowBuffer, Table, Type, Value};

static COLUMNS: &[Column] = &[
    Column::new("ts", Type::Time, ""),
    Column::new("text", Type::Text, ""),
    Column::repeating("host", Type::Text, ""),
    Column::new("number", Type::Int32, ""),
    Column::repeating("port", Type::Int32, ""),
    Column::new("flow_id", Type::Int64, ""),
    Column::new("share", Type::Float64, ""),
    Column::new("yes", Type::Bool, ""),
    Column::new("texts", Type::TextList, ""),
    Column::new("vlans", Type::Int32List, ""),
    Column::new("flow_ids", Type::Int64List, ""),
];

static TABLE: Table = Table { name: "things", doc: "", prefix: &[], columns: COLUMNS };

/// One value as it should be read back.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Cell>),
}

fn cell(array: &dyn Array, i: usize) -> Cell {
    if array.is_null(i) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(i).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(i).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(i)),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(i)),
        DataType::Boolean => Cell::Bool(array.as_boolean().value(i)),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            Cell::Int(array.as_primitive::<TimestampMicrosecondType>().value(i))
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(i);
            Cell::List((0..items.len()).map(|j| cell(&items, j)).collect())
        }
        other => panic!("a reader sees {other}"),
    }
}

fn read(path: &Path) -> Vec<Vec<Cell>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let row = |b: &RecordBatch, i| b.columns().iter().map(|c| cell(c, i)).collect();
    batches.iter().flat_map(|b| (0..b.num_rows()).map(|i| row(b, i)).collect::<Vec<_>>()).collect()
}

/// The parts of the table, in order.
fn parts(out: &Path) -> Vec<std::path::PathBuf> {
    let mut open = vec![out.join("things")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = crate::base::hash::mix(self.0, 77);
        (self.0 >> 8) % n
    }
}

/// A row of made-up values and what should be read back of it. `shape` changes how often values are
/// null, how much they repeat and how long they are.
fn row(rows: &mut RowBuffer, at: i64, shape: u64, d: &mut Dice) -> Vec<Cell> {
    let ts = Timestamp(1_700_000_000_000_000_000 + at * 1_000_500);
    let mut row = rows.row(ts, at as u64);
    let mut cells = vec![Cell::Int(ts.micros())];
    row.time(ts);
    let null = |d: &mut Dice| match shape % 3 {
        0 => false,
        1 => d.below(3) == 0,
        _ => d.below(20) != 0,
    };
    if null(d) {
        row.null();
        cells.push(Cell::Null);
    } else {
        let text = format!("{}é{}", d.below(1 << 40), "x".repeat(d.below([1, 9, 300][shape as usize % 3]) as usize));
        row.text(&text);
        cells.push(Cell::Text(text));
    }
    let hosts = [3, 300, 100_000][shape as usize / 3 % 3];
    let n = d.below(hosts);
    match d.below(6) {
        0 => {
            row.null();
            cells.push(Cell::Null);
        }
        1 => {
            let mac = Mac([2, 0, 0, (n >> 16) as u8, (n >> 8) as u8, n as u8]);
            row.mac(mac);
            cells.push(Cell::Text(mac.to_string()));
        }
        2 => {
            let text = format!("host {n} of a network that has long names");
            row.text(&text);
            cells.push(Cell::Text(text));
        }
        3 => {
            row.name((n % 2) as u32);
            cells.push(Cell::Text(names()[n as usize % 2].clone()));
        }
        4 => {
            let mut bytes = [0; 16];
            bytes[0] = 0x20;
            bytes[14..].copy_from_slice(&(n as u16).to_be_bytes());
            row.addr(Addr(bytes));
            cells.push(Cell::Text(Addr(bytes).to_string()));
        }
        _ => {
            let addr = Addr::v4((n as u32 * 77).to_be_bytes());
            row.addr(addr);
            cells.push(Cell::Text(addr.to_string()));
        }
    }
    for kind in 0..3 {
        let value = match kind {
            0 => i64::from(d.below(1 << 32) as u32 as i32) >> d.below(32),
            1 => d.below(hosts) as i64,
            _ => (d.below(u64::MAX) as i64) << d.below(9) >> d.below(64),
        };
        if null(d) {
            row.null();
            cells.push(Cell::Null);
        } else {
            row.int(value);
            cells.push(Cell::Int(value));
        }
    }
    if null(d) {
        row.null().null();
        cells.extend([Cell::Null, Cell::Null]);
    } else {
        let (share, yes) = (d.below(1000) as f64 / 8.0 - 50.0, d.below(2) == 0);
        row.float(share).bool(yes);
        cells.extend([Cell::Float(share), Cell::Bool(yes)]);
    }
    for kind in 0..3 {
        if null(d) {
            row.null();
            cells.push(Cell::Null);
            continue;
        }
        let len = d.below([2, 1, 5][shape as usize % 3]) as usize;
        row.list(len);
        let mut items = Vec::new();
        for _ in 0..len {
            let value = d.below(hosts) as i64;
            if d.below(10) == 0 {
                row.null();
                items.push(Cell::Null);
            } else if kind == 0 {
                let text = format!("item {value}");
                row.text(&text);
                items.push(Cell::Text(text));
            } else {
                row.int(value);
                items.push(Cell::Int(value));
            }
        }
        cells.push(Cell::List(items));
    }
    cells
}

fn names() -> Vec<String> {
    vec!["a.pcap".into(), "a capture with a long name.pcap".into()]
}

fn writer(out: &Path, parts: Parts) -> (Arc<OutputFolder>, Arc<TableSchema>, TableWriter) {
    let publish = if parts == Parts::Numbered { Publish::AtEnd } else { Publish::WhenWhole };
    let folder = OutputFolder::create(out, false, publish, &["things"]).unwrap();
    let schema = TableSchema::new(&TABLE).unwrap();
    let writer = TableWriter::new(&folder, &schema, parts, vec![("tool".into(), "overhear".into())]);
    (folder, schema, writer)
}

#[test]
fn every_type_comes_back_whatever_its_shape() {
    let temp = tempfile::tempdir().unwrap();
    for shape in 0..9 {
        for count in [1, 63, 64, 65, 511, 1030, 9000] {
            let out = temp.path().join(format!("{shape}-{count}"));
            let (folder, schema, mut writer) = writer(&out, Parts::Numbered);
            let (mut rows, mut d) = (RowBuffer::default(), Dice(shape));
            let expected: Vec<_> = (0..count).map(|i| row(&mut rows, i, shape, &mut d)).collect();
            let group = encode_row_group(&schema, &mut rows, &names()).unwrap();
            assert_eq!((group.rows(), group.is_sorted()), (count as usize, true));
            writer.append(group).unwrap();
            let written = writer.finish(&[]).unwrap();
            assert_eq!((written.files, written.rows), (1, count as u64));
            folder.finish("{}").unwrap();
            let got = read(&parts(&out)[0]);
            assert_eq!(got.len(), expected.len());
            for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                assert_eq!(got, expected, "row {i} of shape {shape}");
            }
        }
    }
}

#[test]
fn statistics_hold_what_is_there() {
    let schema = TableSchema::new(&TABLE).unwrap();
    for shape in 0..9 {
        let (mut rows, mut d) = (RowBuffer::default(), Dice(shape + 50));
        let cells: Vec<_> = (0..2000).map(|i| row(&mut rows, i, shape, &mut d)).collect();
        let group = encode_row_group(&schema, &mut rows, &names()).unwrap();
        for (i, column) in group.columns.iter().enumerate() {
            let statistics = column.metadata.statistics().unwrap();
            let flat = |c: &Cell| if let Cell::List(l) = c { l.clone() } else { vec![c.clone()] };
            let values: Vec<Cell> = cells.iter().flat_map(|r| flat(&r[i])).collect();
            // A list that is empty counts as one without a value.
            let empty = cells.iter().filter(|r| r[i] == Cell::List(vec![])).count();
            let nulls = values.iter().filter(|c| **c == Cell::Null).count() + empty;
            assert_eq!(statistics.null_count_opt(), Some(nulls as u64), "{}", COLUMNS[i].name);
            let texts = values.iter().filter_map(|c| if let Cell::Text(t) = c { Some(t.as_bytes()) } else { None });
            if let (Some(min), Some(max)) = (texts.clone().min(), texts.max()) {
                assert!(statistics.min_bytes_opt().unwrap() <= min && statistics.max_bytes_opt().unwrap() >= max);
                assert!(min.len() > 64 || statistics.min_bytes_opt().unwrap() == min);
            }
            let ints = values.iter().filter_map(|c| if let Cell::Int(n) = c { Some(*n) } else { None });
            if let (Some(min), Some(max)) = (ints.clone().min(), ints.max()) {
                let number = |b: &[u8]| match b.try_into() {
                    Ok(eight) => i64::from_le_bytes(eight),
                    Err(_) => i64::from(i32::from_le_bytes(b.try_into().unwrap())),
                };
                assert_eq!(number(statistics.min_bytes_opt().unwrap()), min);
                assert_eq!(number(statistics.max_bytes_opt().unwrap()), max);
            }
        }
    }
}

#[test]
fn long_columns_are_cut_into_pages() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let (folder, schema, mut writer) = writer(&out, Parts::Numbered);
    let mut rows = RowBuffer::default();
    for i in 0..2000i64 {
        let long = format!("{i} {}", "y".repeat(2000));
        let mut row = rows.row(Timestamp(i), 0);
        row.time(Timestamp(i)).opt_text((i % 5 != 0).then_some(&long)).null().null().null().null().null().null();
        if i % 3 == 0 {
            row.list(0)
        } else {
            row.texts(&[&long, "short"])
        };
        row.null().null();
    }
    let group = encode_row_group(&schema, &mut rows, &[]).unwrap();
    let pages = |i: usize| {
        let stats = group.columns[i].metadata.page_encoding_stats().unwrap();
        stats.iter().find(|s| s.encoding == Encoding::DELTA_LENGTH_BYTE_ARRAY).unwrap().count
    };
    assert!(pages(1) >= 3, "{} pages", pages(1));
    writer.append(group).unwrap();
    writer.finish(&[]).unwrap();
    folder.finish("{}").unwrap();
    let got = read(&parts(&out)[0]);
    for (i, row) in got.iter().enumerate() {
        let long = Cell::Text(format!("{i} {}", "y".repeat(2000)));
        assert_eq!(row[1], if i % 5 == 0 { Cell::Null } else { long.clone() });
        let list = if i % 3 == 0 { vec![] } else { vec![long, Cell::Text("short".into())] };
        assert_eq!(row[8], Cell::List(list));
    }
    assert_eq!(got.len(), 2000);
}

#[test]
fn a_table_without_rows_is_a_file_with_its_columns() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let (folder, schema, mut writer) = writer(&out, Parts::Numbered);
    writer.append(encode_row_group(&schema, &mut RowBuffer::default(), &[]).unwrap()).unwrap();
    let written = writer.finish(&[("input.0.sha256".into(), "00ff".into())]).unwrap();
    assert_eq!((written.files, written.rows), (1, 0));
    folder.finish("{}").unwrap();
    let path = &parts(&out)[0];
    assert!(read(path).is_empty());
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let file = reader.metadata().file_metadata();
    assert_eq!(file.schema_descr().num_columns(), COLUMNS.len());
    let pairs: Vec<_> =
        file.key_value_metadata().unwrap().iter().map(|k| (k.key.as_str(), k.value.as_deref())).collect();
    assert_eq!(pairs, [("tool", Some("overhear")), ("input.0.sha256", Some("00ff"))], "and no Arrow schema");
}

#[test]
fn readers_see_plain_types_and_the_order() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let (folder, schema, mut writer) = writer(&out, Parts::Numbered);
    let (mut rows, mut d) = (RowBuffer::default(), Dice(1));
    (0..10).rev().for_each(|i| drop(row(&mut rows, i, 0, &mut d)));
    writer.append(encode_row_group(&schema, &mut rows, &names()).unwrap()).unwrap();
    writer.finish(&[]).unwrap();
    folder.finish("{}").unwrap();
    let path = &parts(&out)[0];
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let mut text = Vec::new();
    parquet::schema::printer::print_schema(&mut text, reader.metadata().file_metadata().schema());
    let expected = "message schema {
  OPTIONAL INT64 ts (TIMESTAMP(MICROS,true));
  OPTIONAL BYTE_ARRAY text (STRING);
  OPTIONAL BYTE_ARRAY host (STRING);
  OPTIONAL INT32 number;
  OPTIONAL INT32 port;
  OPTIONAL INT64 flow_id;
  OPTIONAL DOUBLE share;
  OPTIONAL BOOLEAN yes;
  OPTIONAL group texts (LIST) {
    REPEATED group list {
      OPTIONAL BYTE_ARRAY element (STRING);
    }
  }
  OPTIONAL group vlans (LIST) {
    REPEATED group list {
      OPTIONAL INT32 element;
    }
  }
  OPTIONAL group flow_ids (LIST) {
    REPEATED group list {
      OPTIONAL INT64 element;
    }
  }
}
";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    let group = reader.metadata().row_group(0);
    assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 0);
    assert!(read(path).is_sorted_by_key(|r| if let Cell::Int(n) = r[0] { n } else { panic!("{r:?}") }));
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let schema = TableSchema::new(&TABLE).unwrap();
    let encode = move || {
        let (mut rows, mut d) = (RowBuffer::default(), Dice(4));
        (0..3000).for_each(|i| drop(row(&mut rows, i, 4, &mut d)));
        encode_row_group(&schema, &mut rows, &names()).unwrap().pages
    };
    let first = encode();
    assert_eq!(std::thread::spawn(encode).join().unwrap(), first);
}

#[test]
fn a_row_that_does_not_fit_is_a_defect_that_names_its_column() {
    let schema = TableSchema::new(&TABLE).unwrap();
    let error = |write: &dyn Fn(&mut RowBuffer)| {
        let mut rows = RowBuffer::default();
        row(&mut rows, 0, 0, &mut Dice(1));
        write(&mut rows);
        row(&mut rows, 9, 0, &mut Dice(1));
        encode_row_group(&schema, &mut rows, &names()).unwrap_err().to_string()
    };
    let t = Timestamp(0);
    let e = error(&|b| {
        b.row(t, 0).time(t).int(5).null().null().null().null().null().null().null().null().null();
    });
    assert!(e.contains("table things, column text: a number stands where text belongs"), "{e}");
    let e = error(&|b| {
        b.row(t, 0).time(t).null().null().int(1_i64 << 31).null().null().null().null().null().null().null();
    });
    assert!(e.contains("column number: 2147483648 does not fit 32 bits"), "{e}");
    let e = error(&|b| {
        b.row(t, 0).time(t).null().name(2).null().null().null().null().null().null().null().null();
    });
    assert!(e.contains("column host: name number 2 of 2 was not given"), "{e}");
    let e = error(&|b| {
        b.row(t, 0).time(t).null().null().null().null().null().null().null().texts(&["a"]).int(3).null();
    });
    assert!(e.contains("column vlans: a number stands where list<int32> belongs"), "{e}");
    let e = error(&|b| {
        b.row(t, 0).time(t).null().null();
    });
    assert!(e.contains("column number: a row has only 3 values of 11"), "{e}");
    let e = error(&|b| {
        b.row(t, 0).time(t).null().null().null().null().null().null().null().null().null().null().null();
    });
    assert!(e.contains("column flow_ids: a row has more"), "{e}");
    let mut rows = RowBuffer::default();
    rows.row(t, 0).time(t).texts(&["short"]);
    let e = encode_row_group(&schema, &mut rows, &[]).unwrap_err().to_string();
    assert!(e.contains("table things, column host"), "{e}");
}

#[test]
fn a_part_holds_so_many_row_groups_and_then_the_next_begins() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let (folder, schema, mut writer) = writer(&out, Parts::Numbered);
    let mut d = Dice(1);
    let groups = limits::PART_ROW_GROUPS as i64 * 2 + 1;
    for i in 0..groups {
        let mut rows = RowBuffer::default();
        row(&mut rows, i, 1, &mut d);
        writer.append(encode_row_group(&schema, &mut rows, &names()).unwrap()).unwrap();
    }
    assert_eq!(writer.rows(), groups as u64);
    let written = writer.finish(&[("late".into(), "known".into())]).unwrap();
    folder.finish("{}").unwrap();
    let parts = parts(&out);
    assert_eq!((written.files, parts.len()), (3, 3));
    assert_eq!(parts.iter().map(|p| read(p).len() as i64).sum::<i64>(), groups);
    assert!(parts[2].ends_with("things/part-00002.parquet"));
    assert_eq!(parts.iter().map(|p| std::fs::metadata(p).unwrap().len()).sum::<u64>(), written.bytes);
    for part in &parts {
        let reader = SerializedFileReader::new(File::open(part).unwrap()).unwrap();
        assert_eq!(reader.metadata().file_metadata().key_value_metadata().unwrap().len(), 2);
    }
}

#[test]
fn live_parts_go_by_day_and_time_and_show_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let start = Timestamp::from_parts(1_704_067_190, 0); // 2023-12-31T23:59:50Z
    let daily = Parts::Daily { bytes_max: 1 << 20, span_ns_max: 60_000_000_000, started: start };
    let (folder, schema, mut writer) = writer(&out, daily);
    let push = |writer: &mut TableWriter, seconds: &[i64]| {
        let mut rows = RowBuffer::default();
        for s in seconds {
            let ts = start.plus(s * 1_000_000_000);
            let mut row = rows.row(ts, 0);
            row.time(ts).null().null().null().null().null().null().null().null().null().null();
        }
        for group in encode_by_day(&schema, &mut rows, &[]).unwrap() {
            writer.append(group).unwrap();
        }
    };
    push(&mut writer, &[0, 5, 15, 20]);
    let names = |out: &Path| -> Vec<String> {
        parts(out).iter().map(|p| p.strip_prefix(out).unwrap().to_str().unwrap().into()).collect()
    };
    let first = "things/date=2023-12-31/part-20231231T235950-00000.parquet";
    assert_eq!(names(&out), [first]);
    assert_eq!(read(&out.join(first)).len(), 2, "whole while the run goes on");
    push(&mut writer, &[60]);
    writer.rotate(start.plus(61_000_000_000)).unwrap();
    assert_eq!(names(&out).len(), 1, "55 seconds are not a minute");
    writer.rotate(start.plus(75_000_000_000)).unwrap();
    assert_eq!(names(&out)[1], "things/date=2024-01-01/part-20240101T000005-00001.parquet");
    push(&mut writer, &[80]);
    assert_eq!(writer.finish(&[]).unwrap().files, 3);
    folder.finish("{}").unwrap();
    assert_eq!(names(&out).len(), 3);
    let rows: usize = parts(&out).iter().map(|p| read(p).len()).sum();
    assert_eq!(rows, 6);
}

#[test]
fn a_live_table_without_rows_has_a_file_of_the_first_day() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let started = Timestamp::from_parts(1_704_067_190, 0);
    let (_folder, _, writer) = writer(&out, Parts::Daily { bytes_max: 1, span_ns_max: 1, started });
    writer.finish(&[]).unwrap();
    assert!(parts(&out)[0].ends_with("things/date=2023-12-31/part-20231231T235950-00000.parquet"));
}

#[test]
fn rows_that_are_not_in_the_order_of_their_time_are_not_called_sorted() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let (folder, schema, mut writer) = writer(&out, Parts::Numbered);
    for times in [[1_i64, 2], [2, 1]] {
        let mut rows = RowBuffer::default();
        for (i, t) in times.iter().enumerate() {
            let mut row = rows.row(Timestamp(i as i64), 0);
            row.time(Timestamp(t * 1000)).null().null().null().null().null().null().null().null().null().null();
        }
        writer.append(encode_row_group(&schema, &mut rows, &[]).unwrap()).unwrap();
    }
    writer.finish(&[]).unwrap();
    folder.finish("{}").unwrap();
    let sorted = parts(&out).into_iter().map(|p| {
        let reader = SerializedFileReader::new(File::open(p).unwrap()).unwrap();
        reader.metadata().row_group(0).sorting_columns().is_some()
    });
    assert_eq!(sorted.collect::<Vec<_>>(), [true, false], "in two files, since a file says it for all");
}

#[test]
fn json_lines_say_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let folder = OutputFolder::create(&out, false, Publish::AtEnd, &[]).unwrap();
    let schema = TableSchema::new(&TABLE).unwrap();
    let mut lines = JsonLines::new(&folder, &schema, "findings.jsonl").unwrap();
    let mut rows = RowBuffer::default();
    rows.row(Timestamp(2), 0)
        .time(Timestamp(2000))
        .null()
        .null()
        .null()
        .null()
        .null()
        .null()
        .null()
        .list(0)
        .null()
        .null();
    rows.row(Timestamp(1), 0)
        .time(Timestamp::from_parts(1_700_000_000, 123_456_789))
        .text("a \"quoted\" \\ é\u{7f}")
        .addr(Addr::v4([10, 0, 0, 1]))
        .int(-5)
        .int(443)
        .int(i64::MAX)
        .float(0.5)
        .bool(true)
        .texts(&["x", "y"])
        .list(2)
        .int(7)
        .null()
        .ints(&[1_i64 << 60]);
    lines.append(&mut rows, &[]).unwrap();
    assert!(!out.join("findings.jsonl").exists());
    lines.finish().unwrap();
    folder.finish("{}").unwrap();
    let text = std::fs::read_to_string(out.join("findings.jsonl")).unwrap();
    let expected = concat!(
        r#"{"ts":"2023-11-14T22:13:20.123456Z","text":"a \"quoted\" \\ é"#,
        "\u{7f}",
        r#"","host":"10.0.0.1","number":-5,"port":443,"flow_id":"9223372036854775807","share":0.5,"yes":true,"#,
        r#""texts":["x","y"],"vlans":[7,null],"flow_ids":["1152921504606846976"]}"#,
    );
    assert_eq!(text.lines().next().unwrap(), expected);
    let second: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["ts"], "1970-01-01T00:00:00.000002Z");
    assert_eq!((&second["texts"], &second["vlans"]), (&serde_json::json!([]), &serde_json::Value::Null));
}

#[test]
fn values_read_back_are_those_of_the_buffer() {
    // The raw reading of the sink and the checked one of everybody else agree.
    let mut rows = RowBuffer::default();
    row(&mut rows, 3, 5, &mut Dice(3));
    let index = rows.index()[0];
    let mut values = rows.values(&index);
    let mut at = index.start;
    while let Some(value) = values.next_value() {
        let (raw, next) = rows.raw_at(at).unwrap();
        at = next;
        assert_eq!(matches!(value, Value::Null), raw == crate::record::RawValue::Null);
    }
    assert_eq!(at as usize, rows.value_bytes());
}

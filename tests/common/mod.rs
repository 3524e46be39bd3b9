//! What the integration tests share: running the program, and reading back what it wrote.

#![allow(dead_code)] // every test file uses its own part

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// Exit codes, as the help lists them.
pub mod exit {
    pub const COMPLETE: i32 = 0;
    pub const USAGE: i32 = 2;
    pub const NO_INPUT: i32 = 3;
    pub const PARTIAL: i32 = 4;
    pub const FAILED: i32 = 5;
    pub const FINDINGS: i32 = 10;
}

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_overhear");

/// What became of a run of the program.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code, and that nothing panicked on the way to it.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "signal {:?}\nstdout: {}\nstderr: {}", self.signal, self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Checks that standard error says each of these.
    #[track_caller]
    pub fn says(self, all: &[&str]) -> Self {
        for part in all {
            assert!(self.stderr.contains(part), "{part:?} is not in standard error:\n{}", self.stderr);
        }
        self
    }
}

/// A command of the program that reads nothing from the terminal. `TZ`, colours and the like must
/// not make a difference, so the environment is not touched.
pub fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn overhear<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Run {
    Run::of(command().args(args).output().expect("the program starts"))
}

/// `overhear read ARGS -o OUT`, from the folder of the samples.
pub fn read<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>, out: &Path) -> Run {
    let mut command = command();
    command.current_dir(samples_folder()).arg("read").args(args).arg("-o").arg(out);
    Run::of(command.output().expect("the program starts"))
}

/// A temporary folder, and the path of an output folder in it that is not there yet.
pub fn scratch() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let out = temp.path().join("out");
    (temp, out)
}

/// Where the samples are.
pub fn samples_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-pcaps")
}

/// File names of all samples, sorted.
pub fn samples() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(samples_folder())
        .expect("the samples are there")
        .map(|e| e.expect("a folder entry").file_name().into_string().expect("sample names are plain"))
        .filter(|name| name.contains(".pcap"))
        .collect();
    names.sort();
    assert!(names.len() >= 30, "samples are missing: {names:?}");
    names
}

/// The bytes of a sample.
pub fn sample(name: &str) -> Vec<u8> {
    fs::read(samples_folder().join(name)).expect("the sample is there")
}

/// Files below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let entry = entry.expect("a folder entry");
            let kind = entry.file_type().expect("a file type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// One column as the file's schema has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    pub name: String,
    /// In the words of `overhear schema`.
    pub ty: String,
}

/// A table read back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRows {
    pub name: String,
    pub columns: Vec<ColumnType>,
    /// Rows in the order of the files; a cell is none where it is null, lists are joined by `|`.
    pub rows: Vec<Vec<Option<String>>>,
}

impl TableRows {
    /// Index of a column.
    #[track_caller]
    pub fn at(&self, column: &str) -> usize {
        let at = self.columns.iter().position(|c| c.name == column);
        at.unwrap_or_else(|| panic!("table {} has no column {column}", self.name))
    }

    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c.name == column)
    }

    /// The cells of some columns, null as an empty text.
    #[track_caller]
    pub fn pick(&self, columns: &[&str]) -> Vec<Vec<String>> {
        let at: Vec<_> = columns.iter().map(|c| self.at(c)).collect();
        self.rows.iter().map(|row| at.iter().map(|i| row[*i].clone().unwrap_or_default()).collect()).collect()
    }

    /// The cells of one column, null as an empty text.
    #[track_caller]
    pub fn column(&self, column: &str) -> Vec<String> {
        let at = self.at(column);
        self.rows.iter().map(|row| row[at].clone().unwrap_or_default()).collect()
    }

    /// Without some columns.
    pub fn without(mut self, columns: &[&str]) -> Self {
        let keep: Vec<bool> = self.columns.iter().map(|c| !columns.contains(&c.name.as_str())).collect();
        let mut kept = keep.iter();
        self.columns.retain(|_| *kept.next().expect("one flag a column"));
        for row in &mut self.rows {
            let mut kept = keep.iter();
            row.retain(|_| *kept.next().expect("one flag a cell"));
        }
        self
    }
}

fn cell(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => return None,
        Field::Bool(v) => v.to_string(),
        Field::Int(v) => v.to_string(),
        Field::Long(v) | Field::TimestampMicros(v) => v.to_string(),
        Field::Double(v) => v.to_string(),
        Field::Str(v) => v.clone(),
        Field::ListInternal(list) => {
            list.elements().iter().map(|f| cell(f).unwrap_or_default()).collect::<Vec<_>>().join("|")
        }
        other => panic!("a type that no table may have: {other:?}"),
    })
}

fn column_type(node: &parquet::schema::types::Type) -> String {
    use parquet::basic::{LogicalType, Type};
    if node.is_group() {
        assert!(matches!(node.get_basic_info().logical_type_ref(), Some(LogicalType::List)), "{node:?}");
        return format!("list<{}>", column_type(&node.get_fields()[0].get_fields()[0]));
    }
    let logical = node.get_basic_info().logical_type_ref().map(|l| format!("{l:?}")).unwrap_or_default();
    match node.get_physical_type() {
        Type::BYTE_ARRAY if logical.starts_with("String") => "text".into(),
        Type::INT32 if logical.is_empty() => "int32".into(),
        Type::INT64 if logical.is_empty() => "int64".into(),
        Type::INT64 if logical.contains("Timestamp") && logical.contains("true") && logical.contains("MICROS") => {
            "timestamp(us, UTC)".into()
        }
        Type::DOUBLE => "float64".into(),
        Type::BOOLEAN => "boolean".into(),
        other => format!("{other:?} {logical}"),
    }
}

/// Key-value metadata of a Parquet file.
pub fn metadata(file: &Path) -> BTreeMap<String, String> {
    let reader = open(file);
    let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    pairs.into_iter().map(|p| (p.key, p.value.unwrap_or_default())).collect()
}

fn open(file: &Path) -> SerializedFileReader<File> {
    let opened = File::open(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    SerializedFileReader::new(opened).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Appends the rows of a Parquet file to a table.
pub fn append_file(table: &mut TableRows, file: &Path) {
    let reader = open(file);
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<ColumnType> =
        schema.get_fields().iter().map(|f| ColumnType { name: f.name().to_owned(), ty: column_type(f) }).collect();
    assert!(table.columns.is_empty() || table.columns == columns, "{}: another schema", file.display());
    table.columns = columns;
    for row in reader.get_row_iter(None).expect("rows") {
        let row = row.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        table.rows.push(row.get_column_iter().map(|(_, field)| cell(field)).collect());
    }
}

/// All tables below an output folder, whatever their folders look like.
pub fn tables(out: &Path) -> BTreeMap<String, TableRows> {
    let mut tables: BTreeMap<String, TableRows> = BTreeMap::new();
    for file in files_below(out).iter().filter(|f| f.extension() == Some(OsStr::new("parquet"))) {
        let below = file.strip_prefix(out).expect("it is below");
        let name = below.components().next().expect("a folder").as_os_str().to_string_lossy().into_owned();
        let table = tables.entry(name.clone()).or_default();
        table.name = name;
        append_file(table, file);
    }
    tables
}

/// One table of an output folder; empty where it was not written.
pub fn table(out: &Path, name: &str) -> TableRows {
    let mut table = TableRows { name: name.to_owned(), ..TableRows::default() };
    let folder = out.join(name);
    if folder.is_dir() {
        for file in files_below(&folder) {
            append_file(&mut table, &file);
        }
    }
    table
}

/// `run.json`.
pub fn document(out: &Path) -> serde_json::Value {
    let text = fs::read_to_string(out.join("run.json")).expect("run.json is there");
    serde_json::from_str(&text).expect("run.json is JSON")
}

/// Columns that differ between two runs over the same input, and must.
pub const TIMINGS: [&str; 7] =
    ["wall_us", "cpu_read_us", "cpu_decode_us", "cpu_flows_us", "cpu_collect_us", "cpu_write_us", "cpu_hash_us"];

/// A file with a fixed case key, so that `secret_hmac` is the same in every run.
pub fn case_key(folder: &Path) -> PathBuf {
    let path = folder.join("case.key");
    fs::write(&path, b"a key for tests only, 32 bytes..").expect("a file");
    path
}

/// Captures below `$OVERHEAR_CAPTURES`, where that is set.
pub fn more_captures() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("OVERHEAR_CAPTURES") else { return Vec::new() };
    let is_capture = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.contains("pcap") || name.contains(".cap")
    };
    files_below(Path::new(&folder)).into_iter().filter(is_capture).collect()
}

/// Names below a folder, relative, for messages and for comparing what is there.
pub fn names_below(folder: &Path) -> BTreeSet<String> {
    files_below(folder).iter().map(|f| f.strip_prefix(folder).expect("below").display().to_string()).collect()
}

/// A classic little-endian Ethernet capture with microseconds: header and records.
pub fn pcap(frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = pcap_header(1);
    for (micros, frame) in frames {
        file.extend(pcap_record(*micros, frame));
    }
    file
}

/// The file header of [`pcap`] with any link type.
pub fn pcap_header(link: u32) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(262_144u32.to_le_bytes());
    file.extend(link.to_le_bytes());
    file
}

/// One record of [`pcap`].
pub fn pcap_record(micros: u64, frame: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    record.extend(((micros / 1_000_000) as u32).to_le_bytes());
    record.extend(((micros % 1_000_000) as u32).to_le_bytes());
    record.extend((frame.len() as u32).to_le_bytes());
    record.extend((frame.len() as u32).to_le_bytes());
    record.extend(frame);
    record
}

/// The frames of a classic little-endian microsecond capture, with their times.
pub fn frames_of(file: &[u8]) -> Vec<(u64, Vec<u8>)> {
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1], "this helper reads one kind only");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let mut frames = Vec::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let len = word(at + 8) as usize;
        let micros = u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4));
        frames.push((micros, file[at + 16..at + 16 + len].to_vec()));
        at += 16 + len;
    }
    frames
}

/// An Ethernet frame with a UDP datagram between two hosts, ports as given.
pub fn udp_frame(source: [u8; 4], port: u16, target: [u8; 4], to: u16, payload: &[u8]) -> Vec<u8> {
    let mut udp = Vec::new();
    udp.extend(port.to_be_bytes());
    udp.extend(to.to_be_bytes());
    udp.extend((8 + payload.len() as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    ip_frame(source, target, 17, &udp)
}

/// An Ethernet frame with a TCP segment.
pub fn tcp_frame(
    (source, port): ([u8; 4], u16),
    (target, to): ([u8; 4], u16),
    seq: u32,
    ack: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(port.to_be_bytes());
    tcp.extend(to.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(payload);
    ip_frame(source, target, 6, &tcp)
}

/// The frames of a TCP connection in which `c` (the client) and others (the server) send; with its handshake, or
/// without.
pub fn tcp_connection<B: AsRef<[u8]>>(
    client: ([u8; 4], u16),
    server: ([u8; 4], u16),
    start: bool,
    said: &[(char, B)],
) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    if start {
        frames.push(tcp_frame(client, server, 99, 0, 2, b""));
        frames.push(tcp_frame(server, client, 499, 100, 0x12, b""));
        frames.push(tcp_frame(client, server, 100, 500, 0x10, b""));
    }
    let (mut from_client, mut from_server) = (100_u32, 500_u32);
    for (who, bytes) in said {
        let bytes = bytes.as_ref();
        let (frame, next) = match who {
            'c' => (tcp_frame(client, server, from_client, from_server, 0x18, bytes), &mut from_client),
            _ => (tcp_frame(server, client, from_server, from_client, 0x18, bytes), &mut from_server),
        };
        frames.push(frame);
        *next += bytes.len() as u32;
    }
    frames
}

fn ip_frame(source: [u8; 4], target: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame =
        vec![2, 0, target[0], target[1], target[2], target[3], 2, 0, source[0], source[1], source[2], source[3]];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend(source);
    frame.extend(target);
    frame.extend(payload);
    frame
}

/// Reports on standard error that a part of a test was left out, so that nobody takes it for tested.
pub fn skipped(what: &str, why: impl std::fmt::Display) {
    eprintln!("SKIPPED: {what}: {why}");
}

//! What each part of the packet path costs. `OVERHEAR_BENCH_CAPTURE` names the capture to measure
//! with; without it, `sample-pcaps/` is. How fast the program as a whole is beside others, `make
//! bench` says.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use overhear::base::secret::Reveal;
use overhear::base::{Timestamp, counters::Counters};
use overhear::decode::{self, Kind, Packet};
use overhear::detect::CaseKey;
use overhear::fingerprint::hello::{ClientHello, Dialect};
use overhear::fingerprint::{ja3, ja4};
use overhear::flow::{FlowHasher, FlowKey, FlowTable, TableOptions, Timeouts};
use overhear::frame::FrameBatch;
use overhear::pipeline::{Progress, read, tables};
use overhear::policy::HomeNet;
use overhear::record::RowBuffer;
use overhear::sink::{TableSchema, encode_row_group};
use overhear::source::{CaptureReader, Fill, ReadOptions, discover};
use overhear::stream::{Budget, Chunk, StreamSide, Taken};

/// Bytes of capture that the benches of single parts work on.
const BYTES_MAX: usize = 64 << 20;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn capture() -> PathBuf {
    std::env::var_os("OVERHEAR_BENCH_CAPTURE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-pcaps"), PathBuf::from)
}

/// Batches of the capture, with their packets.
fn batches() -> Vec<(FrameBatch, Vec<Packet>)> {
    let mut all = Vec::new();
    let mut bytes = 0;
    for input in discover(&[capture()]).inputs {
        let mut reader = CaptureReader::open(&input, &ReadOptions::default()).expect("the capture can be read");
        while bytes < BYTES_MAX {
            let mut batch = FrameBatch::default();
            if reader.fill(&mut batch).expect("the capture is whole") == Fill::End {
                break;
            }
            bytes += batch.slab.len();
            let mut counters = Counters::default();
            let decode = |frame| {
                let mut packet = Packet::default();
                decode::decode(frame, &batch.slab, &mut counters, &mut packet);
                packet
            };
            let packets = batch.frames.iter().map(decode).collect();
            all.push((batch, packets));
        }
    }
    all
}

fn decoding(c: &mut Criterion) {
    let batches = batches();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(batches.iter().map(|(b, _)| b.frames.len() as u64).sum()));
    group.bench_function("frames", |b| {
        let (mut counters, mut packet) = (Counters::default(), Packet::default());
        b.iter(|| {
            for (batch, _) in &batches {
                for frame in &batch.frames {
                    decode::decode(frame, &batch.slab, &mut counters, &mut packet);
                    black_box(&packet);
                }
            }
        });
    });
    group.finish();
}

fn flow_table(c: &mut Criterion) {
    let batches = batches();
    let mut group = c.benchmark_group("flow table");
    group.throughput(Throughput::Elements(batches.iter().map(|(b, _)| b.frames.len() as u64).sum()));
    group.bench_function("packets", |b| {
        let options = TableOptions { timeouts: Timeouts::default(), dedup: true, network: 0 };
        b.iter(|| {
            let hasher = FlowHasher::default();
            let mut table = FlowTable::<()>::new(options);
            for (batch, packets) in &batches {
                for packet in packets.iter().filter(|p| p.kind == Kind::Ip) {
                    let keyed = FlowKey::of(packet);
                    let hash = hasher.hash(&keyed.key);
                    black_box(table.admit(packet, keyed, hash, 0, packet.payload(&batch.slab), &mut |_, _| {}));
                }
            }
            table.len()
        });
    });
    group.finish();
}

fn reassembly(c: &mut Criterion) {
    const SEGMENT: usize = 1448;
    const SEGMENTS: usize = 1024;
    let payload = [0x55u8; SEGMENT];
    let mut group = c.benchmark_group("reassembly");
    group.throughput(Throughput::Bytes((SEGMENT * SEGMENTS) as u64));
    // Of every so many segments, the first comes last.
    for (name, late) in [("in order", 1), ("one of 4 late", 4), ("one of 64 late", 64)] {
        let order: Vec<usize> = (0..SEGMENTS).map(|i| (i / late * late) + (i % late + 1) % late).collect();
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut budget = Budget::new(8 << 20);
                let mut side = StreamSide::default();
                let mut bytes = 0;
                side.start(1);
                for i in &order {
                    let seq = 1 + (i * SEGMENT) as u32;
                    side.push(seq, &payload, SEGMENT, &mut budget, &mut |chunk| {
                        if let Chunk::Bytes(b) = chunk {
                            bytes += b.len();
                        }
                        Taken::All
                    });
                }
                assert_eq!(bytes, SEGMENT * SEGMENTS);
            });
        });
    }
    group.finish();
}

/// A ClientHello of the samples, without record and handshake headers.
fn client_hello() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-pcaps/tls-versions.pcap");
    let mut batch = FrameBatch::default();
    let input = discover(&[path]).inputs.remove(0);
    CaptureReader::open(&input, &ReadOptions::default()).unwrap().fill(&mut batch).unwrap();
    let mut packet = Packet::default();
    for frame in &batch.frames {
        decode::decode(frame, &batch.slab, &mut Counters::default(), &mut packet);
        if let [0x16, 3, _, _, _, 1, _, _, _, body @ ..] = packet.payload(&batch.slab) {
            return body.to_vec();
        }
    }
    panic!("tls-versions.pcap has a ClientHello")
}

fn tls(c: &mut Criterion) {
    let body = client_hello();
    let mut group = c.benchmark_group("tls");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse a hello", |b| b.iter(|| ClientHello::parse(black_box(&body), Dialect::Tls).is_ok()));
    let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
    group.bench_function("ja3", |b| b.iter(|| ja3::digest(&ja3::ja3_raw(black_box(&hello)))));
    group.bench_function("ja4", |b| b.iter(|| ja4::ja4(black_box(&hello), ja4::Carrier::Tcp)));
    group.finish();
}

/// Rows of the flows table, the widest of those with many rows.
fn rows(count: u64) -> RowBuffer {
    let mut rows = RowBuffer::default();
    for i in 0..count {
        let mut row = rows.row(Timestamp::from_parts(1_700_000_000, i as i64 * 1000), i);
        for column in tables::FLOWS.all_columns() {
            use overhear::record::Type::{Bool, Float64, Int32, Int32List, Int64, Int64List, Text, TextList, Time};
            match column.ty {
                Text if column.repeats => row.text(["one", "two", "three"][(i % 3) as usize]),
                Text => row.text(&format!("1:{:032x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
                Int32 | Int64 => row.int((i % 60_000) as i64),
                Float64 => row.float(0.5),
                Bool => row.bool(i % 2 == 0),
                Time => row.time(Timestamp::from_parts(1_700_000_000, i as i64 * 1000)),
                TextList | Int32List | Int64List => row.list(0),
            };
        }
    }
    rows
}

fn writer(c: &mut Criterion) {
    const ROWS: u64 = 16 << 10;
    let schema = TableSchema::new(&tables::FLOWS).unwrap();
    let rows = rows(ROWS);
    let mut group = c.benchmark_group("writer");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("row group of flows", |b| {
        b.iter_batched(
            || rows.clone(),
            |mut rows| encode_row_group(&schema, &mut rows, &[]).unwrap().size(),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn pipeline(c: &mut Criterion) {
    let found = discover(&[capture()]);
    let size = found.inputs.iter().filter_map(|i| i.size).sum();
    drop(found);
    let out = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Bytes(size)).sample_size(10);
    for threads in [1, 2] {
        let config = read::ReadConfig {
            out: out.path().join("out"),
            overwrite: true,
            filter: None,
            separate: false,
            threads,
            memory: 1 << 30,
            hash: false,
            dedup: true,
            reveal: Reveal::No,
            case_key: CaseKey::from_file(b"bench"),
            tls_keys: None,
            home: HomeNet::default(),
            expect: None,
            signatures: None,
            intel: None,
            suppress: None,
            inventory: None,
            timeouts: Timeouts::default(),
            fail_on: None,
            command_line: Vec::new(),
            options: Vec::new(),
        };
        group.bench_function(format!("read, {threads} thread(s)"), |b| {
            b.iter(|| read::run(&config, discover(&[capture()]), &Arc::new(Progress::default())).unwrap().packets);
        });
    }
    group.finish();
}

criterion_group!(benches, decoding, flow_table, reassembly, tls, writer, pipeline);
criterion_main!(benches);

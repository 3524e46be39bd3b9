//! Nothing is allocated for a packet of an established flow.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use overhear::base::{Timestamp, counters::Counters, secret::Reveal};
use overhear::decode::{self, Packet};
use overhear::detect::CaseKey;
use overhear::flow::Timeouts;
use overhear::frame::{FrameBatch, FrameMeta, LinkType};
use overhear::pipeline::chunk::Chunk;
use overhear::pipeline::options::EngineOptions;
use overhear::pipeline::output::ShardOutput;
use overhear::pipeline::shard::{Routed, Router, Shard};
use overhear::policy::HomeNet;

use common::{frames_of, sample, tcp_frame, udp_frame};

/// Counts what the thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local
// number without a destructor, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// Packets of a flow that are measured, and before them those by which buffers grow to their size.
const MEASURED: usize = 10_000;
const WARM_UP: usize = 10_000;
/// Frames that are handed on together.
const BATCH: usize = 1000;
const START: i64 = 1_700_000_000_000_000_000;

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 9_999);
const SYN: u8 = 2;
const ACK: u8 = 16;

fn engine() -> Arc<EngineOptions> {
    Arc::new(EngineOptions {
        timeouts: Timeouts::default(),
        dedup: true,
        reveal: Reveal::No,
        case_key: CaseKey::random(),
        tls_keys: Default::default(),
        home: HomeNet::default(),
        flow_memory: 256 << 20,
        room: Default::default(),
        stream_memory: 64 << 20,
        defaults: None,
        intel: None,
        network: 0,
    })
}

/// The path of a packet: decoding, the flow table, reassembly, the protocol.
struct Path {
    shard: Shard,
    router: Router,
    output: ShardOutput,
    batch: FrameBatch,
    packets: Vec<Packet>,
    routed: Vec<Routed>,
    counters: Counters,
    number: u64,
}

impl Path {
    fn new() -> Self {
        Self {
            shard: Shard::new(engine(), 1),
            router: Router::default(),
            output: ShardOutput::default(),
            batch: FrameBatch::default(),
            packets: Vec::new(),
            routed: Vec::new(),
            counters: Counters::default(),
            number: 0,
        }
    }

    fn push(&mut self, frames: &[Vec<u8>]) {
        for batch in frames.chunks(BATCH) {
            fill(&mut self.batch, batch, &mut self.number);
            self.packets.clear();
            self.routed.clear();
            self.output.clear();
            for (i, frame) in self.batch.frames.iter().enumerate() {
                let mut packet = Packet::default();
                decode::decode(frame, &self.batch.slab, &mut self.counters, &mut packet);
                let (_, hash) = self.router.route(&packet);
                self.routed.push(Routed { index: i as u32, quoted: false, hash });
                self.packets.push(packet);
            }
            let clock = self.batch.frames.last().map_or(Timestamp::MIN, |f| f.ts);
            self.shard.process(usize::MAX, 0, &self.batch.slab, &self.packets, &self.routed, clock, &mut self.output);
        }
    }

    /// Packets of the only flow, once all is over.
    fn end(mut self) -> (i64, &'static str) {
        self.output.clear();
        self.shard.finish(&mut self.output);
        assert_eq!(self.output.flows.len(), 1, "everything was one flow");
        let flow = &self.output.flows[0];
        let packets = flow.record.orig.packets + flow.record.resp.packets;
        (packets as i64, flow.service.unwrap_or("unknown"))
    }
}

fn fill(batch: &mut FrameBatch, frames: &[Vec<u8>], number: &mut u64) {
    batch.clear();
    for frame in frames {
        *number += 1;
        batch.frames.push(FrameMeta {
            ts: Timestamp(START + *number as i64 * 100_000),
            number: *number,
            offset: batch.slab.len() as u32,
            captured: frame.len() as u32,
            wire: frame.len() as u32,
            link: LinkType::ETHERNET,
            interface: 0,
        });
        batch.slab.extend_from_slice(frame);
    }
}

/// A TCP connection that goes on for as long as one likes: data of the server, acknowledged.
struct Connection {
    client: ([u8; 4], u16),
    server: ([u8; 4], u16),
    client_seq: u32,
    server_seq: u32,
}

impl Connection {
    fn opened(server: ([u8; 4], u16)) -> (Self, Vec<Vec<u8>>) {
        let frames = vec![
            tcp_frame(CLIENT, server, 1000, 0, SYN, b""),
            tcp_frame(server, CLIENT, 5000, 1001, SYN | ACK, b""),
            tcp_frame(CLIENT, server, 1001, 5001, ACK, b""),
        ];
        (Self { client: CLIENT, server, client_seq: 1001, server_seq: 5001 }, frames)
    }

    fn says(&mut self, payload: &[u8]) -> Vec<u8> {
        let frame = tcp_frame(self.client, self.server, self.client_seq, self.server_seq, ACK, payload);
        self.client_seq = self.client_seq.wrapping_add(payload.len() as u32);
        frame
    }

    fn hears(&mut self, payload: &[u8]) -> Vec<u8> {
        let frame = tcp_frame(self.server, self.client, self.server_seq, self.client_seq, ACK, payload);
        self.server_seq = self.server_seq.wrapping_add(payload.len() as u32);
        frame
    }

    /// So many packets: three of data to one acknowledgement.
    fn goes_on(&mut self, packets: usize, payload: &[u8]) -> Vec<Vec<u8>> {
        (0..packets).map(|i| if i % 4 == 3 { self.says(b"") } else { self.hears(payload) }).collect()
    }
}

/// Takes a flow through its beginning, warms up, and measures.
#[track_caller]
fn assert_free(what: &str, service: &str, beginning: &[Vec<u8>], mut more: impl FnMut(usize) -> Vec<Vec<u8>>) {
    let mut path = Path::new();
    path.push(beginning);
    let (first, second) = (more(WARM_UP), more(MEASURED));
    path.push(&first);
    let count = allocations(|| path.push(&second));
    let (packets, found) = path.end();
    assert_eq!(packets as usize, beginning.len() + WARM_UP + MEASURED, "{what}: every packet was counted");
    assert_eq!(found, service, "{what}");
    assert_eq!(count, 0, "{what}: {count} allocations for {MEASURED} packets");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| ()), 0);
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert!(allocations(|| drop(std::hint::black_box((0..1000).map(Box::new).collect::<Vec<_>>()))) >= 1000);
}

#[test]
fn tcp_of_an_unknown_protocol() {
    let (mut connection, mut beginning) = Connection::opened(SERVER);
    beginning.push(connection.says(b"\x01\x02\x03\x04 something that no parser knows"));
    beginning.push(connection.hears(b"\x05\x06\x07\x08 and its answer"));
    assert_free("unknown TCP", "unknown", &beginning, |n| connection.goes_on(n, &[0x81; 1200]));
}

#[test]
fn tcp_acknowledgements_without_data() {
    let (mut connection, beginning) = Connection::opened(SERVER);
    assert_free("empty TCP", "unknown", &beginning, |n| (0..n).map(|_| connection.hears(b"")).collect());
}

#[test]
fn the_body_of_an_http_answer() {
    let (mut connection, mut beginning) = Connection::opened(([10, 0, 0, 2], 80));
    beginning.push(connection.says(b"GET /file HTTP/1.1\r\nHost: server.example\r\n\r\n"));
    beginning
        .push(connection.hears(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 900000000\r\n\r\n"));
    assert_free("HTTP body", "http", &beginning, |n| connection.goes_on(n, &[0x42; 1400]));
}

#[test]
fn encrypted_data_after_a_tls_handshake() {
    // The beginning is real: the first TLS connection of the sample until it closes.
    let mut ends: Option<Connection> = None;
    let mut beginning = Vec::new();
    for (_, frame) in frames_of(&sample("tls-versions.pcap")) {
        let be16 = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let be32 = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        if frame[12..14] != [8, 0] || frame[23] != 6 {
            continue;
        }
        let tcp = 14 + usize::from(frame[14] & 15) * 4;
        let ip = |at: usize| -> [u8; 4] { frame[at..at + 4].try_into().expect("four bytes") };
        let (source, target) = ((ip(26), be16(tcp)), (ip(30), be16(tcp + 2)));
        let flags = frame[tcp + 13];
        let payload = u32::from(be16(16)) - (tcp as u32 - 14) - u32::from(frame[tcp + 12] >> 4) * 4;
        let next = be32(tcp + 4).wrapping_add(payload).wrapping_add(u32::from(flags & SYN != 0));
        let connection =
            ends.get_or_insert(Connection { client: source, server: target, client_seq: 0, server_seq: 0 });
        if flags & 5 != 0 {
            break;
        }
        if source == connection.client && target == connection.server {
            connection.client_seq = next;
        } else if source == connection.server && target == connection.client {
            connection.server_seq = next;
        } else {
            continue;
        }
        beginning.push(frame);
    }
    assert!(beginning.len() > 7, "the sample has a handshake");
    let mut connection = ends.expect("the sample has a connection");
    let mut record = vec![23, 3, 3, 0x04, 0xb0];
    record.extend([0x99; 1200]);
    assert_free("TLS", "tls", &beginning, |n| connection.goes_on(n, &record));
}

#[test]
fn udp_of_an_unknown_protocol() {
    let packet = |i: usize| {
        let (from, to) = if i.is_multiple_of(3) { (SERVER, CLIENT) } else { (CLIENT, SERVER) };
        udp_frame(from.0, from.1, to.0, to.1, &[(i % 251) as u8, 0xfe, 0xdc, (i % 13) as u8, 1, 2, 3, 4])
    };
    let beginning: Vec<_> = (0..10).map(packet).collect();
    let mut sent = 10;
    assert_free("unknown UDP", "unknown", &beginning, |n| {
        sent += n;
        (sent - n..sent).map(packet).collect()
    });
}

#[test]
fn a_whole_chunk_costs_the_same_whatever_its_number_of_packets() {
    let (mut connection, beginning) = Connection::opened(SERVER);
    let router = Router::default();
    let shards = overhear::base::limits::SHARDS;
    let mut path: Vec<Shard> = (0..shards).map(|_| Shard::new(engine(), shards)).collect();
    let mut chunk = Chunk::default();
    let mut number = 0;
    let mut run = |frames: &[Vec<u8>]| {
        allocations(|| {
            chunk.clear();
            fill(&mut chunk.batch, frames, &mut number);
            chunk.decode(&router);
            path.iter_mut().enumerate().for_each(|(i, shard)| chunk.work(i, shard));
        })
    };
    run(&beginning);
    for _ in 0..3 {
        run(&connection.goes_on(5000, &[0x81; 1000]));
    }
    let many = run(&connection.goes_on(5000, &[0x81; 1000]));
    let few = run(&connection.goes_on(10, &[0x81; 1000]));
    assert!(many <= 8 && few <= 8, "{many} allocations for 5000 packets, {few} for 10");
}

//! What the fuzz targets do, as plain functions: `fuzz_targets/` hands them the bytes that libFuzzer
//! makes, and `tests/fuzz_smoke.rs` includes this file and hands them damaged samples on stable Rust.
//!
//! A target panics where something that must always hold does not.

pub mod samples;
mod samples_data;
mod samples_discovery;
mod samples_management;
mod samples_voice;
mod script;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use overhear::base::secret::Reveal;
use overhear::base::{Addr, Mac, Timestamp, counters::Counters, limits};
use overhear::decode::{self, Defragmenter, Kind, Packet};
use overhear::detect::CaseKey;
use overhear::device::{Claim, DeviceTable, Inventory};
use overhear::fingerprint::hello::ServerHello;
use overhear::fingerprint::x509::{self, CertificateFacts};
use overhear::flow::Timeouts;
use overhear::frame::{FrameBatch, FrameMeta, LinkType};
use overhear::pipeline::chunk::Chunk;
use overhear::pipeline::collect::Collector;
use overhear::pipeline::options::EngineOptions;
use overhear::pipeline::shard::{Router, Shard};
use overhear::pipeline::tables;
use overhear::policy::suppress::{Subject, Tally};
use overhear::policy::{Expect, HomeNet, Suppress};
use overhear::proto::api::Direction;
use overhear::proto::proof::{Digest, Kerberos, KerberosMessage, Ntlm, Proof};
use overhear::proto::registry::Protocol;
use overhear::proto::tls::opening::Opener;
use overhear::proto::tls::opening::keylog::{KeyStore, Since};
use overhear::record::RowBuffer;
use overhear::signature::RuleSet;
use overhear::signature::defaults::Defaults;
use overhear::signature::intel::{self, Key};
use overhear::signature::recog::{self, Recog};
use overhear::sink::{TableSchema, encode_row_group};
use overhear::source::{CaptureReader, Fill, ReadOptions, SourceError};
use overhear::stream::{Budget, Chunk as Stretch, StreamSide, Taken};

/// A target: what it does with the bytes that it is given.
type Target = fn(&[u8]);

/// Targets besides those of the protocols.
const OTHERS: &[(&str, Target)] = &[
    ("decode", decode_frames),
    ("capture", capture),
    ("stream", stream),
    ("engine", engine),
    ("expect", expect_file),
    ("suppress", suppress_file),
    ("inventory", inventory_file),
    ("rules", rule_file),
    ("defaults", default_logins),
    ("proof", proof),
    ("lists", list_file),
    ("intel", indicators),
    ("recog", fingerprints),
    ("certificate", certificate),
    ("tls_keys", tls_keys),
];

/// What the target of a protocol is called before the protocol's name.
pub const PROTOCOL_PREFIX: &str = "proto_";

/// The names of all targets: one for each parser in the registry, and the others.
pub fn names() -> Vec<String> {
    let others = OTHERS.iter().map(|(name, _)| (*name).to_owned());
    others.chain(Protocol::ALL.iter().map(|p| format!("{PROTOCOL_PREFIX}{}", p.spec().name))).collect()
}

/// The protocol of a target's name.
pub fn protocol_of(target: &str) -> Option<Protocol> {
    let name = target.strip_prefix(PROTOCOL_PREFIX)?;
    Protocol::ALL.iter().copied().find(|p| p.spec().name == name)
}

/// Runs a target.
pub fn run(target: &str, bytes: &[u8]) {
    match (OTHERS.iter().find(|(name, _)| *name == target), protocol_of(target)) {
        (Some((_, run)), _) => run(bytes),
        (None, Some(protocol)) => script::protocol(protocol, bytes),
        (None, None) => panic!("there is no fuzz target {target:?}"),
    }
}

/// Link types that lead somewhere, and one that does not.
pub const LINKS: &[u32] = &[
    1, 0, 6, 7, 8, 9, 10, 11, 12, 14, 50, 51, 100, 101, 104, 105, 107, 108, 109, 113, 117, 119, 122, 123, 127, 138,
    163, 166, 192, 204, 205, 206, 219, 226, 228, 229, 239, 240, 258, 274, 276, 9999,
];

/// Frames from bytes: a link type, then for each frame two bytes of length, one of how much time
/// has passed (and whether the capture cut the frame), and the frame.
fn batch(bytes: &[u8]) -> FrameBatch {
    let mut batch = FrameBatch::default();
    let Some((link, mut rest)) = bytes.split_first() else { return batch };
    let link = LinkType(LINKS[usize::from(*link) % LINKS.len()]);
    let mut at = Timestamp::from_parts(1_700_000_000, 0);
    let mut number = 0;
    while let [low, high, step, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (frame, after) = tail.split_at(len);
        rest = after;
        number += 1;
        at = at.plus(i64::from(*step & 0x7f).pow(3) * 20_000);
        batch.frames.push(FrameMeta {
            ts: at,
            number,
            offset: batch.slab.len() as u32,
            captured: len as u32,
            wire: len as u32 + if step & 0x80 != 0 { 100 } else { 0 },
            link,
            interface: 0,
        });
        batch.slab.extend_from_slice(frame);
    }
    batch
}

/// Every frame of any link type, and what is put together from fragments.
fn decode_frames(bytes: &[u8]) {
    let mut batch = batch(bytes);
    let mut counters = Counters::default();
    let mut defragmenter = Defragmenter::default();
    let mut packet = Packet::default();
    let FrameBatch { slab, frames, .. } = &mut batch;
    for frame in frames.iter() {
        decode::decode(frame, slab, &mut counters, &mut packet);
        for _ in 0..limits::NESTING_MAX {
            let end = packet.payload_offset as usize + packet.payload_len as usize;
            assert!(end <= slab.len(), "the payload lies in the slab");
            assert!(packet.payload_len <= packet.payload_wire_len, "no more was captured than sent");
            let _ = decode::quoted(&packet, slab);
            if packet.kind != Kind::Fragment {
                break;
            }
            let Some((offset, len)) = defragmenter.push(&packet, slab, &mut counters) else { break };
            let fragment = packet;
            decode::decode_reassembled(&fragment, slab, offset, len, &mut counters, &mut packet);
        }
    }
    defragmenter.finish(&mut counters);
}

/// Gives its bytes a few at a time.
struct Sips {
    bytes: Vec<u8>,
    at: usize,
    most: usize,
}

impl Read for Sips {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.len().min(to.len()).min(self.most);
        to[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

/// What was wrong with a capture. Of a compressed one only that it was damaged: how much of it was
/// read by then, and the codec's own words, depend on the reads.
fn wrong(error: &SourceError) -> String {
    let text = error.to_string();
    match text.split_once(": the ") {
        Some((_, rest)) if rest.contains(" data is ") => rest.split(" data is ").take(1).collect(),
        _ => text,
    }
}

/// Batches of one capture that are read: a bomb is not followed to its end.
const BATCHES: usize = 24;

/// The frames of a capture as text, and what was wrong with it; none where it was not read to its end.
fn frames(bytes: &[u8], most: usize) -> Option<Vec<String>> {
    let mut seen = Vec::new();
    let input = Sips { bytes: bytes.to_vec(), at: 0, most };
    let mut reader = match CaptureReader::from_reader(input, Path::new("fuzz"), &ReadOptions::default()) {
        Ok(reader) => reader,
        Err(error) => return Some(vec![wrong(&error)]),
    };
    let mut batch = FrameBatch::default();
    let mut number = 0;
    for _ in 0..BATCHES {
        match reader.fill(&mut batch) {
            Ok(Fill::End) => return Some(seen),
            Ok(Fill::More) => {
                assert!(batch.slab.len() <= limits::SLAB_BYTES.max(limits::FRAME_BYTES_MAX) * 2, "a slab is bounded");
                for frame in &batch.frames {
                    assert!(frame.offset as usize + frame.captured as usize <= batch.slab.len());
                    assert!(frame.captured as usize <= limits::FRAME_BYTES_MAX);
                    assert!(frame.number > number, "frames are numbered upwards");
                    number = frame.number;
                    if seen.len() < 4096 {
                        let FrameMeta { ts, number, captured, wire, link, interface, .. } = frame;
                        let sum = batch.bytes(frame).iter().fold(0u32, |s, b| s.rotate_left(5) ^ u32::from(*b));
                        seen.push(format!("{ts:?} {number} {captured} {wire} {link:?} {interface} {sum:x}"));
                    }
                }
            }
            Err(error) => seen.push(wrong(&error)),
        }
    }
    None
}

/// pcap, pcapng and every compression, in large reads and in small ones.
fn capture(bytes: &[u8]) {
    let whole = frames(bytes, usize::MAX);
    if let Some(whole) = whole {
        let most = 1 + bytes.len() % 97;
        if let Some(sips) = frames(bytes, most) {
            assert_eq!(whole, sips, "reads of {most} bytes against whole reads");
        }
    }
}

/// The byte that belongs at a place of the stream in the target `stream`.
fn byte_at(at: u64) -> u8 {
    let x = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x >> 56) as u8 ^ (x >> 24) as u8
}

/// Reassembly: segments in any order, with overlaps and holes, and a reader of moods. What it is
/// given are the bytes of the stream at the place where it is.
fn stream(bytes: &[u8]) {
    const MAX: usize = 64 << 10;
    let mut budget = Budget::new(MAX);
    let mut side = StreamSide::default();
    let [first, second, mood, rest @ ..] = bytes else { return };
    let mut rest = rest;
    let base = u32::from_be_bytes([*first, *second, 0xff, 0x00]);
    // Where the reader is, and what it has left unused. A gap that comes because unused bytes were
    // too many covers them; one because bytes are lost does not.
    let mut at = 0u64;
    let mut after_gap: Option<u64> = None;
    let mut left = 0u64;
    let mut mood = u64::from(*mood);
    let mut stopped = false;
    let mut read = |stretch: Stretch<'_>| {
        assert!(!stopped, "a reader that wants no more is left alone");
        mood = mood.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let taken = match stretch {
            Stretch::Bytes(got) => {
                assert!(!got.is_empty());
                let fits = |at: u64| got.iter().enumerate().all(|(i, b)| *b == byte_at(at + i as u64));
                if !fits(at) {
                    at = after_gap.expect("bytes of another place of the stream");
                    assert!(fits(at), "bytes of another place of the stream after a gap");
                }
                after_gap = None;
                match mood >> 61 {
                    0 => Taken::Skip(mood >> 40 & 0xff),
                    1 if mood >> 59 & 3 == 3 => Taken::Stop,
                    1..=3 => {
                        let consumed = (mood >> 30) as usize % (got.len() + 1);
                        left = (got.len() - consumed) as u64;
                        at += consumed as u64;
                        return Taken::Some { consumed, needed: (mood >> 20 & 0x1ff) as usize };
                    }
                    _ => Taken::All,
                }
            }
            Stretch::Gap(missing) => {
                assert!(missing > 0);
                // Bytes may follow at either place, and a gap that follows adds to both.
                after_gap = Some(after_gap.unwrap_or(at) + left + missing);
                at += missing;
                left = 0;
                return Taken::All;
            }
        };
        if let Stretch::Bytes(got) = stretch {
            at += got.len() as u64;
        }
        left = 0;
        match taken {
            Taken::Skip(more) => at += more,
            Taken::Stop => stopped = true,
            _ => {}
        }
        taken
    };
    side.start(base);
    let mut edge = 0u64;
    while let [op, low, high, len, tail @ ..] = rest {
        rest = tail;
        let len = usize::from(*len) << (op >> 6);
        let near = i64::from(i16::from_le_bytes([*low, *high]));
        let to = edge.saturating_add_signed(if op & 4 == 0 { near >> 8 } else { near });
        let seq = base.wrapping_add(to as u32);
        match op & 3 {
            0 | 1 => {
                let payload: Vec<u8> = (to..to + len as u64).map(byte_at).collect();
                let cut = if op & 0x38 == 0x38 { len / 2 } else { len };
                side.push(seq, &payload[..cut], len, &mut budget, &mut read);
                edge = edge.max(to + len as u64);
            }
            2 => side.acknowledged(seq, &mut budget, &mut read),
            _ => side.relieve(&mut budget, &mut read),
        }
        assert!(budget.used() <= MAX, "the budget holds");
    }
    side.finish(&mut budget, &mut read);
    side.release(&mut budget);
    assert_eq!(budget.used(), 0, "all memory was given back");
}

/// Rows of all tables that the whole engine makes of frames.
fn tables_of(bytes: &[u8]) -> Vec<RowBuffer> {
    let home = HomeNet::default();
    let options = Arc::new(EngineOptions {
        timeouts: Timeouts::default(),
        dedup: true,
        reveal: Reveal::No,
        case_key: CaseKey::from_file(b"fuzz"),
        tls_keys: Default::default(),
        home: home.clone(),
        flow_memory: 16 << 20,
        room: limits::Room::default(),
        stream_memory: 4 << 20,
        defaults: None,
        intel: None,
        network: 0,
    });
    let router = Router::default();
    let mut shards: Vec<_> = (0..limits::SHARDS).map(|_| Shard::new(options.clone(), limits::SHARDS)).collect();
    let mut defragmenter = Defragmenter::default();
    let mut collector = Collector::new(
        home,
        None,
        None,
        limits::Room::default(),
        limits::ROW_GROUP_ROWS,
        limits::ROW_GROUP_BYTES,
        std::sync::Arc::default(),
    )
    .judged_by(None, None, 1);
    let mut chunk = Chunk::default();
    let mut jobs = Vec::new();
    chunk.batch = batch(bytes);
    loop {
        chunk.decode(&router);
        chunk.defragment(&mut defragmenter, &router);
        for (number, shard) in shards.iter_mut().enumerate() {
            chunk.work(number, shard);
        }
        collector.merge(&chunk, &mut jobs);
        if chunk.finish && shards.iter().all(Shard::is_empty) {
            break;
        }
        chunk.clear();
        chunk.finish = true;
    }
    collector.conclude(&std::collections::BTreeMap::new(), 1);
    collector.hand_over(true, &mut jobs);
    while collector.more_devices() {
        collector.hand_over(true, &mut jobs);
    }
    let mut tables: Vec<_> = tables::ALL.iter().map(|_| RowBuffer::default()).collect();
    for job in jobs {
        let (table, rows) = job.into_rows();
        tables[table].append(&rows);
    }
    tables
}

/// From frames to encoded tables: every row fits its table, and nothing depends on the secret seed
/// of the flow tables.
fn engine(bytes: &[u8]) {
    let mut tables = tables_of(bytes);
    let names: Vec<String> = ["fuzz"].into_iter().chain(RuleSet::builtin().texts()).map(str::to_owned).collect();
    for ((rows, again), table) in tables.iter_mut().zip(&mut tables_of(bytes)).zip(tables::ALL.iter()) {
        let schema = TableSchema::new(table).expect("tables are sound");
        rows.sort();
        again.sort();
        assert_eq!(script::shown(rows), script::shown(again), "table {} is the same in every run", table.name);
        encode_row_group(&schema, rows, &names).expect("every row fits its table");
    }
}

/// The file of `--expect`.
fn expect_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(errors) = Expect::parse(Path::new("expect.toml"), &text) {
        assert!(!errors.is_empty(), "a file that is refused has a reason");
        errors.iter().for_each(|e| assert!(!e.to_string().is_empty()));
    }
}

/// The file of `--suppress`: what is accepted can be applied and told of.
fn suppress_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Suppress::parse(Path::new("suppress.toml"), &text) {
        Err(errors) => {
            assert!(!errors.is_empty(), "a file that is refused has a reason");
            errors.iter().for_each(|e| assert!(!e.to_string().is_empty()));
        }
        Ok(list) => {
            let subject = Subject {
                rule: "telnet-in-use",
                device_id: Some("00:1b:a9:01:02:03@1"),
                peer_name: Some(&text),
                last: Timestamp(text.len() as i64),
                ..Subject::default()
            };
            let mut tally = Tally::default();
            let reason = list.judge(&subject, &mut tally);
            let report = list.report(&tally);
            assert_eq!(report.findings, u64::from(reason.is_some()), "what is silenced is counted once");
            assert!(report.entries.len() + report.warnings.len() >= list.len(), "each entry is told of");
        }
    }
}

/// A table of devices, and devices that it is held against.
fn inventory_file(bytes: &[u8]) {
    match Inventory::parse(Path::new("inventory.csv"), bytes) {
        Err(errors) => {
            assert!(!errors.is_empty() && errors.len() <= limits::LIST_ERRORS_MAX + 1, "bounded, and with a reason");
            errors.iter().for_each(|e| assert!(!e.to_string().is_empty()));
        }
        Ok(list) => {
            let list = Arc::new(list);
            let mut devices = DeviceTable::default().with_inventory(Some(list.clone()));
            let mac = Mac([0, 0x1b, 0xa9, 1, 2, 3]);
            let ts = Timestamp(1);
            devices.observe(&Claim::owns("arp", mac, Addr::v4([10, 0, 0, 7]), ts));
            devices.observe(&Claim::owns("arp", Mac([0, 0x1b, 0xa9, 1, 2, 4]), Addr::v4([10, 0, 0, 8]), ts));
            let name = bytes.get(bytes.len() / 2..).unwrap_or_default();
            devices.observe(&Claim::hostname("dhcp", mac, Addr::UNSPECIFIED, name, ts));
            devices.settle();
            let mut rows = RowBuffer::default();
            devices.rows(0..devices.len(), &mut rows, |_| [0; 5]);
            assert_eq!(rows.len(), 2);
            let report = list.report(devices.inventory_seen());
            assert_eq!(report.seen + report.not_seen, list.len() as u64, "each row is told of");
            assert!(report.seen <= 2, "a row is of one device at least");
            assert!(report.not_seen_first.iter().all(|line| !line.contains(char::is_control)));
        }
    }
}

/// A list of indicators.
fn indicators(bytes: &[u8]) {
    const ROOM: usize = 1 << 20;
    let text = String::from_utf8_lossy(bytes);
    // What the parsers take for names and addresses is looked up again where it was listed.
    let lists = intel::of_bytes("list", bytes, ROOM);
    assert!(lists.memory() <= ROOM && lists.reports().len() == 1);
    let listed = lists.at(Timestamp(0));
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '#' | ';')) {
        let _ = listed.name(word.as_bytes());
        if let Ok(ip) = word.parse() {
            let _ = listed.service(ip, 443);
        }
        let _ = Key::parse(word, intel::Kind::Md5);
    }
    if let Some(first) = text.lines().next().filter(|line| !line.starts_with(['{', '[', '#', ';']) && !lists.is_empty())
        && let Ok(key) = Key::parse(first, intel::Kind::Md5)
        && key.kind == intel::Kind::Domain
    {
        assert!(listed.name(key.bytes()).is_some(), "{first:?} was listed");
    }
}

/// A file of Recog: what is read keeps its promises, and its fingerprints are held against the file's own lines.
fn fingerprints(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Recog::from_text(Path::new("http_servers.xml"), &text) {
        Err(errors) => assert!(!errors.is_empty() && errors.len() <= limits::LIST_ERRORS_MAX),
        Ok(recog) => {
            let outcome = recog::check(&recog);
            assert!(outcome.files.iter().all(|f| f.hit + outcome.skipped + outcome.failed.len() == f.examples));
            for line in text.lines().take(64) {
                let said = recog.hits("http", "server", line);
                assert_eq!(said, recog.hits("http", "server", line), "{line:?} is judged once");
            }
        }
    }
}

/// A list of signatures.
fn list_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let columns = ["control", "title"];
    match overhear::signature::list::parse(Path::new("controls.tsv"), &text, &columns) {
        Err(errors) => assert!(!errors.is_empty() && errors.len() <= limits::LIST_ERRORS_MAX),
        Ok(list) => assert!(list.rows.iter().all(|(line, cells)| *line > 0 && cells.len() == columns.len())),
    }
}

/// A key log, and records that are opened with what stands in it: two bytes for the suite, the log up to a zero byte, then
/// records.
fn tls_keys(bytes: &[u8]) {
    let Some((&[version, cipher], rest)) = bytes.split_first_chunk::<2>() else { return };
    let (log, mut records) = rest.split_at(rest.iter().position(|b| *b == 0).unwrap_or(rest.len()));
    let store = KeyStore::default();
    store.read(log, Since::Always, &mut |bad| assert!(bad.line > 0 && !bad.reason.is_empty()));
    // The session of the first line that names one, else of a fixed one.
    let random: Vec<u8> = log
        .split(|b| b.is_ascii_whitespace())
        .find(|word| word.len() == 64)
        .map(|word| {
            word.chunks(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).unwrap_or(0)).collect()
        })
        .unwrap_or_else(|| vec![7; 32]);
    let secrets = store.find(&random, 0, 1).unwrap_or_default();
    let mut opener = Opener::new(secrets, &random, Direction::Orig);
    let version = 0x0301 + u16::from(version % 4);
    let suites = [
        0x002f, 0x0035, 0x000a, 0x0005, 0x003b, 0x009c, 0xc02f, 0xc030, 0xcca8, 0xc09e, 0xc0a2, 0x1301, 0x1303, 0x1305,
    ];
    let cipher = suites.get(usize::from(cipher) % suites.len()).copied().unwrap_or(0x1301);
    opener.server_hello(&ServerHello { version, cipher, random: &[5; 32], ..ServerHello::default() });
    for dir in [Direction::Orig, Direction::Resp] {
        opener.change_cipher(dir);
    }
    while let Some((head, behind)) = records.split_first_chunk::<5>() {
        let len = (usize::from(head[3]) << 8 | usize::from(head[4])).min(behind.len());
        let (payload, after) = behind.split_at(len);
        let dir = if head[0] & 0x80 == 0 { Direction::Orig } else { Direction::Resp };
        if let Some((_, plain)) = opener.open(dir, head, payload) {
            assert!(plain.len() <= payload.len());
            opener.messages(dir, &plain, |_, _| ());
        }
        opener.messages(dir, payload, |_, _| ());
        records = after;
    }
    assert!(opener.heap() < 1 << 20);
}

/// A certificate: whatever stands in it, what is known of it is bounded and can be shown.
fn certificate(bytes: &[u8]) {
    let facts = CertificateFacts::read(bytes, &[0; 32]);
    assert!(facts.length == bytes.len() && facts.names.all.len() <= limits::CERTIFICATE_ALT_NAMES_MAX);
    let names = [&facts.subject, &facts.issuer].into_iter().flatten().chain(&facts.common_names);
    for text in names.chain(&facts.names.all).chain(&facts.extended_key_usage) {
        assert!(text.len() <= 2 * limits::CERTIFICATE_NAME_BYTES_MAX && !text.chars().any(char::is_control), "{text}");
    }
    assert!(facts.not_before.is_none_or(|s| s.checked_mul(1_000_000).is_some()));
    let _ = x509::hosts::covers(&facts, "host.example");
    let _ = x509::hosts::covers(&facts, &String::from_utf8_lossy(bytes.get(..64).unwrap_or(bytes)));
}

/// A file of rules.
fn rule_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(errors) = RuleSet::parse(Path::new("rules.toml"), &text) {
        assert!(!errors.is_empty(), "a file that is refused has a reason");
        errors.iter().for_each(|e| assert!(!e.to_string().is_empty()));
    }
}

/// A list of factory default logins.
fn default_logins(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Defaults::parse(Path::new("defaults.tsv"), &text) {
        Ok(list) => assert!(list.len() <= limits::DEFAULT_LOGINS_MAX),
        Err(errors) => {
            assert!(!errors.is_empty(), "a list that is refused has a reason");
            errors.iter().for_each(|e| assert!(!e.to_string().is_empty()));
        }
    }
}

/// An answer to a challenge, made of parts with a zero byte between them.
fn proof(bytes: &[u8]) {
    let mut parts = bytes.splitn(8, |b| *b == 0);
    let [a, b, c, d, e, f, g, rest] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let etype = i32::from(rest.first().copied().unwrap_or(23));
    let (realm, nonce, uri) = (a, b, c);
    let digest = Digest {
        realm,
        nonce,
        uri,
        qop: d,
        algorithm: e,
        response: f,
        username: g,
        sasl: etype & 1 > 0,
        ..Digest::default()
    };
    let message = [KerberosMessage::AsReq, KerberosMessage::AsRep, KerberosMessage::TgsRep][bytes.len() % 3];
    let kerberos = Kerberos { principal: a, realm: b, etype: [17, 18, 23, etype][bytes.len() % 4], cipher: c, message };
    let ntlm = Ntlm { username: a, domain: b, challenge: [7; 8], lm: c, nt: d };
    let at = rest.len();
    for proof in [
        Proof::Digest(digest),
        Proof::CramMd5 { challenge: a, response: b },
        Proof::Apop { challenge: a, response: b },
        Proof::Chap { id: etype as u8, challenge: a, response: b },
        Proof::MsChap2 { challenge: a, peer_challenge: b, username: c, response: d },
        Proof::Vnc { challenge: a, response: b },
        Proof::Ntlm(ntlm),
        Proof::Kerberos(kerberos),
        Proof::MysqlNative { salt: a, response: b },
        Proof::MysqlSha2 { salt: a, response: b },
        Proof::PostgresMd5 { username: a, salt: b, response: c },
        Proof::Scram { hash: a, client_first: b, server_first: c, client_final: d, proof: e },
        Proof::SnmpUsm { engine: a, message: b, digest: c, at },
        Proof::WsseDigest { nonce: a, created: b, digest: c },
    ] {
        assert!(proof.work().is_none_or(|w| w <= limits::PROOF_GUESS_WORK_MAX));
        // What costs more than a moment is left to the tests.
        if proof.work().is_some_and(|w| w < 100) {
            let _ = proof.fits(a, b);
        }
        if let Some(crackable) = proof.crackable(a) {
            assert!(!crackable.line.contains(['\n', '\0']), "one line");
        }
    }
}

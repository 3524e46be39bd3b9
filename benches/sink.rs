//! Measures what a row of flows costs to build, encode and compress, single-threaded:
//! `cargo bench --bench sink -- [ROWS] [OUT]`.

use overhear::base::{Addr, Mac, Timestamp, limits};
use overhear::record::{Column, RowBuffer, Table, Type};
use overhear::sink::{OutputFolder, Parts, Publish, TableSchema, TableWriter, encode_row_group};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static COLUMNS: &[Column] = &[
    Column::new("flow_id", Type::Int64, ""),
    Column::new("community_id", Type::Text, ""),
    Column::repeating("capture", Type::Text, ""),
    Column::new("ts_start", Type::Time, ""),
    Column::new("ts_end", Type::Time, ""),
    Column::new("ts_start_ns", Type::Int64, ""),
    Column::new("duration_us", Type::Int64, ""),
    Column::repeating("ip_version", Type::Int32, ""),
    Column::repeating("proto", Type::Text, ""),
    Column::repeating("orig_ip", Type::Text, ""),
    Column::new("orig_port", Type::Int32, ""),
    Column::repeating("resp_ip", Type::Text, ""),
    Column::repeating("resp_port", Type::Int32, ""),
    Column::repeating("orig_mac", Type::Text, ""),
    Column::repeating("resp_mac", Type::Text, ""),
    Column::repeating("vlans", Type::Int32List, ""),
    Column::repeating("tunnels", Type::Text, ""),
    Column::repeating("service", Type::Text, ""),
    Column::repeating("service_source", Type::Text, ""),
    Column::new("orig_pkts", Type::Int64, ""),
    Column::new("resp_pkts", Type::Int64, ""),
    Column::new("orig_bytes", Type::Int64, ""),
    Column::new("resp_bytes", Type::Int64, ""),
    Column::new("orig_ip_bytes", Type::Int64, ""),
    Column::new("resp_ip_bytes", Type::Int64, ""),
    Column::repeating("conn_state", Type::Text, ""),
    Column::repeating("history", Type::Text, ""),
    Column::new("missed_bytes", Type::Int64, ""),
    Column::new("retransmitted_pkts", Type::Int64, ""),
    Column::new("rtt_us", Type::Int64, ""),
    Column::repeating("direction", Type::Text, ""),
    Column::repeating("server_name", Type::Text, ""),
    Column::repeating("server_name_source", Type::Text, ""),
    Column::repeating("end_reason", Type::Text, ""),
    Column::new("first_packet", Type::Int64, ""),
    Column::new("last_packet", Type::Int64, ""),
];

static FLOWS: Table = Table { name: "flows", doc: "", prefix: &[], columns: COLUMNS };

/// CPU time of this thread: others may be at work on the same cores.
fn cpu_seconds() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

/// xorshift: the rows are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// Small mostly, large now and then.
    fn skewed(&mut self, n: u64) -> u64 {
        let shift = self.below(64 - u64::from(n.leading_zeros()));
        self.below((n >> shift).max(1))
    }
}

fn community_id(dice: &mut Dice) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("1:");
    for _ in 0..27 {
        out.push(char::from(ALPHABET[dice.below(64) as usize]));
    }
    out.push('=');
    out
}

fn addr(n: u64) -> Addr {
    if n.is_multiple_of(10) {
        let mut a = [0; 16];
        a[..8].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 1]);
        a[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Addr(a)
    } else {
        Addr::v4((n as u32).wrapping_mul(0x9e37_79b9).to_be_bytes())
    }
}

fn mac(n: u64) -> Mac {
    Mac([0, 0x1b, 0xa9, (n >> 16) as u8, (n >> 8) as u8, n as u8 | 1])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let count: usize = args.next().map_or(Ok(500_000), |n| n.parse())?;
    let out = args.next();
    let services: Vec<String> = (0..20).map(|i| format!("service{i}")).collect();
    let histories: Vec<String> = (0..200u32).map(|i| format!("ShADad{:b}Ff", i)).collect();
    let hosts: Vec<String> = (0..2000).map(|i| format!("host-{i}.cdn{}.example.com", i % 37)).collect();
    let ids: Vec<String> = {
        let mut dice = Dice(77);
        (0..count).map(|_| community_id(&mut dice)).collect()
    };
    let names: Vec<String> = (0..3).map(|i| format!("/captures/site/2024-01-0{i}.pcap")).collect();
    let states = ["SF", "S0", "REJ", "RSTO", "RSTR", "OTH", "SHR", "S1"];
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut now = 1_700_000_000_000_000_000i64;
    let mut write = |rows: &mut RowBuffer, i: usize| {
        let d = &mut dice;
        now += d.below(40_000) as i64;
        let ts = Timestamp(now);
        let duration = d.skewed(10_000_000_000) as i64;
        let (pkts, back) = (1 + d.skewed(300), d.skewed(300));
        let service = d.skewed(20) as usize;
        let named = d.below(3) == 0;
        let mut row = rows.row(ts, i as u64);
        row.int(d.roll() as i64).text(&ids[i]).name((i * 3 / count) as u32);
        row.time(ts).time(ts.plus(duration)).int(ts.0).int(duration / 1000);
        row.int(4).text(if d.below(4) == 0 { "udp" } else { "tcp" });
        let (from, to) = (d.skewed(50_000), d.below(50_000));
        row.addr(addr(from)).int(32768 + d.below(28_000) as i64).addr(addr(to));
        row.int([443i64, 443, 443, 53, 53, 80, 22, 1883, 8080, 5353][d.below(10) as usize]);
        row.mac(mac(from % 5000)).mac(mac(to % 50));
        if d.below(4) == 0 {
            row.list(1).int(100 + d.below(4) as i64);
        } else {
            row.list(0);
        }
        row.null();
        if service > 0 {
            row.text(&services[service]).text("payload");
        } else {
            row.null().null();
        }
        let (up, down) = (d.skewed(2_000_000), d.skewed(20_000_000));
        row.count(pkts).count(back).count(up).count(down).count(up + pkts * 40).count(down + back * 40);
        row.text(states[d.skewed(8) as usize]).text(&histories[d.skewed(200) as usize]);
        row.int(0).count(d.skewed(3));
        if d.below(2) == 0 {
            row.int(d.skewed(200_000) as i64);
        } else {
            row.null();
        }
        row.text(if d.below(3) == 0 { "egress" } else { "internal" });
        if named {
            row.text(&hosts[d.skewed(2000) as usize]).text("sni");
        } else {
            row.null().null();
        }
        row.text(if d.below(9) == 0 { "timeout" } else { "closed" });
        row.count(i as u64 * 7).count(i as u64 * 7 + d.skewed(5000));
    };

    let schema = TableSchema::new(&FLOWS)?;
    let folder = match &out {
        Some(out) => Some(OutputFolder::create(out.as_ref(), true, Publish::AtEnd, &["flows"])?),
        None => None,
    };
    let mut writer = folder.as_ref().map(|f| TableWriter::new(f, &schema, Parts::Numbered, Vec::new()));
    let (mut build, mut encode, mut append) = (0.0, 0.0, 0.0);
    let (mut raw, mut packed) = (0, 0);
    let mut rows = RowBuffer::default();
    let mut done = 0;
    while done < count {
        let start = cpu_seconds();
        rows.clear();
        for i in done..(done + limits::ROW_GROUP_ROWS).min(count) {
            write(&mut rows, i);
        }
        done += rows.len();
        build += cpu_seconds() - start;
        raw += rows.value_bytes();
        let start = cpu_seconds();
        let group = encode_row_group(&schema, &mut rows, &names)?;
        encode += cpu_seconds() - start;
        packed += group.size();
        if let Some(writer) = &mut writer {
            let start = cpu_seconds();
            writer.append(group)?;
            append += cpu_seconds() - start;
        }
    }
    let start = cpu_seconds();
    if let (Some(writer), Some(folder)) = (writer, folder) {
        writer.finish(&[("note".into(), "made up".into())])?;
        folder.finish("{}")?;
    }
    append += cpu_seconds() - start;
    let per_row = |s: f64| s * 1e9 / count as f64;
    println!(
        "{count} rows, {} columns: write {:.0} ns, encode {:.0} ns, append {:.0} ns per row; {} bytes raw, {} bytes packed per row",
        COLUMNS.len(),
        per_row(build),
        per_row(encode),
        per_row(append),
        raw / count,
        packed / count
    );
    small_run(&mut write)
}

/// A run of a few packets: 25 tables, each with a file, most of them without rows.
fn small_run(write: &mut impl FnMut(&mut RowBuffer, usize)) -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::temp_dir().join(format!("overhear-bench-{}", std::process::id()));
    let start = std::time::Instant::now();
    let folder = OutputFolder::create(&out, false, Publish::AtEnd, &["flows"])?;
    for i in 0..25 {
        let table = Table { name: format!("table{i}").leak(), doc: "", prefix: &[], columns: COLUMNS };
        let schema = TableSchema::new(Box::leak(Box::new(table)))?;
        let mut writer = TableWriter::new(&folder, &schema, Parts::Numbered, Vec::new());
        let mut rows = RowBuffer::default();
        if i < 5 {
            (0..10).for_each(|i| write(&mut rows, i));
        }
        let names = [String::from("small.pcap")];
        writer.append(encode_row_group(&schema, &mut rows, &names)?)?;
        writer.finish(&[])?;
    }
    folder.finish("{}")?;
    println!("25 tables of {} columns, 5 of them with rows: {:?}", COLUMNS.len(), start.elapsed());
    std::fs::remove_dir_all(out)?;
    Ok(())
}

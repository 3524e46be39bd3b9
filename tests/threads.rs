//! The same input gives the same files, byte for byte in their columns, whatever the number of
//! threads and however the input comes in.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{
    Run, TIMINGS, case_key, exit, more_captures, names_below, read, samples, samples_folder, scratch, table, tables,
    udp_frame,
};

const THREADS: [&str; 3] = ["1", "2", "8"];
/// The table whose rows hold how long things took.
const STATS: &str = "capture_stats";

/// Everything that a run left, comparable: Parquet files whole, where nothing in them is a time
/// that it took, and their rows and metadata otherwise.
fn left(out: &Path) -> BTreeMap<String, String> {
    let mut left = BTreeMap::new();
    for name in names_below(out) {
        let path = out.join(&name);
        let value = if name.ends_with(".parquet") && name.starts_with(STATS) {
            let mut table = common::TableRows::default();
            common::append_file(&mut table, &path);
            format!("{:?} {:?}", table.without(&TIMINGS), common::metadata(&path))
        } else if name == "run.json" {
            let mut run = common::document(out);
            let object = run.as_object_mut().expect("an object");
            for own in ["command_line", "started", "finished", "wall_ms", "output", "output_bytes"] {
                object.remove(own).unwrap_or_else(|| panic!("run.json has no {own}"));
            }
            object["options"].as_object_mut().expect("an object").remove("threads");
            run.to_string()
        } else {
            let bytes = fs::read(&path).expect("a file");
            format!("{} bytes, hash {:016x}", bytes.len(), fnv(&bytes))
        };
        left.insert(name, value);
    }
    left
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// Where two runs differ, in words that help: the first differing row of a table.
fn difference(a: &Path, b: &Path) -> Option<String> {
    let (left_a, left_b) = (left(a), left(b));
    if left_a == left_b {
        return None;
    }
    let (rows_a, rows_b) = (tables(a), tables(b));
    for (name, one) in rows_a {
        let one = one.without(&TIMINGS);
        let Some(other) = rows_b.get(&name).cloned().map(|t| t.without(&TIMINGS)) else {
            return Some(format!("table {name} is missing"));
        };
        if let Some((i, (x, y))) = one.rows.iter().zip(&other.rows).enumerate().find(|(_, (x, y))| x != y) {
            return Some(format!("{name} row {i}:\n  {x:?}\n  {y:?}"));
        }
        if one.rows.len() != other.rows.len() {
            return Some(format!("{name}: {} and {} rows", one.rows.len(), other.rows.len()));
        }
    }
    let (name, value) = left_a.iter().find(|(name, value)| left_b.get(*name) != Some(*value))?;
    let other = left_b.get(name).map_or("", String::as_str);
    let at = value.bytes().zip(other.bytes()).position(|(x, y)| x != y).unwrap_or(0);
    let near = |text: &str| text.chars().skip(at.saturating_sub(60)).take(200).collect::<String>();
    Some(format!("same rows, but {name}: ...{}\n  and ...{}", near(value), near(other)))
}

/// Reads with each number of threads and tells what differs.
fn with_threads(args: &[String]) -> Option<String> {
    let (temp, _) = scratch();
    let key = case_key(temp.path());
    let mut first: Option<(Run, PathBuf)> = None;
    for threads in THREADS {
        let out = temp.path().join(threads);
        let mut all = args.to_vec();
        all.extend(["--threads".into(), threads.into(), "--case-key".into(), key.display().to_string()]);
        let run = read(&all, &out);
        if !matches!(run.code, Some(exit::COMPLETE | exit::NO_INPUT | exit::PARTIAL)) {
            return Some(format!("--threads {threads}: {run:?}"));
        }
        let Some((before, folder)) = &first else {
            first = Some((run, out));
            continue;
        };
        if before.code != run.code || before.stderr != run.stderr {
            return Some(format!(
                "--threads {threads}: {:?} {}\nbut {:?} {}",
                run.code, run.stderr, before.code, before.stderr
            ));
        }
        let difference = if run.code == Some(exit::NO_INPUT) { None } else { difference(folder, &out) };
        if let Some(difference) = difference {
            return Some(format!("--threads {threads}: {difference}"));
        }
    }
    None
}

#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_sample_gives_the_same_files() {
    let wrong: Vec<_> = samples()
        .into_iter()
        .filter_map(|s| with_threads(std::slice::from_ref(&s)).map(|d| format!("{s}: {d}")))
        .collect();
    assert_none(&wrong);
}

#[test]
fn the_whole_folder_gives_the_same_files() {
    let wrong: Vec<_> = [vec![".".to_owned()], vec![".".to_owned(), "--separate".to_owned()]]
        .into_iter()
        .filter_map(|args| with_threads(&args).map(|d| format!("{args:?}: {d}")))
        .collect();
    assert_none(&wrong);
}

/// What a run says of devices and of frames without IP, in an order of its own.
fn said(out: &Path) -> BTreeMap<&'static str, Vec<Vec<String>>> {
    let devices = ["mac", "ips", "hostnames", "vendor", "class", "confidence", "claims", "roles"];
    let columns: [(&str, &[&str]); 3] =
        [("devices", &devices), ("lldp", &["src_mac", "ts"]), ("eapol", &["src_mac", "ts"])];
    let rows = tables(out);
    let of = |(name, columns): (&'static str, &[&str])| {
        let mut rows = rows.get(name)?.pick(columns);
        rows.sort();
        Some((name, rows))
    };
    columns.into_iter().filter_map(of).collect()
}

#[test]
fn a_capture_alone_says_the_same_of_its_devices_where_captures_are_apart() {
    for sample in samples() {
        let (temp, out) = scratch();
        let apart = temp.path().join("apart");
        read([&sample], &out);
        read([sample.as_str(), "--separate"], &apart);
        assert_eq!(said(&out), said(&apart), "{sample}");
    }
}

#[test]
fn more_captures_give_the_same_files() {
    let captures = more_captures();
    if captures.is_empty() {
        return common::skipped("further captures", "OVERHEAR_CAPTURES is not set");
    }
    let path = |p: &PathBuf| p.display().to_string();
    let mut wrong: Vec<_> =
        captures.iter().filter_map(|c| with_threads(&[path(c)]).map(|d| format!("{}: {d}", c.display()))).collect();
    let folder = std::env::var("OVERHEAR_CAPTURES").expect("it is set");
    for args in [vec![folder.clone(), "--separate".to_owned()], vec![folder]] {
        wrong.extend(with_threads(&args).map(|d| format!("{args:?}: {d}")));
    }
    eprintln!("{} captures compared", captures.len());
    assert_none(&wrong);
}

/// Two captures with more devices than the least memory holds at a time: hosts that search, and routers with hosts
/// behind them, some of which come again.
fn many_devices(folder: &Path) {
    const HOSTS: u32 = 16_000;
    for (file, from) in [("one.pcap", 0), ("two.pcap", HOSTS / 2)] {
        let frames = (from..from + HOSTS / 2).flat_map(|n| {
            let [_, a, b, c] = n.to_be_bytes();
            let micros = u64::from(n) * 500;
            let mut host = udp_frame([10, a, b, c], 50_000, [239, 255, 255, 250], 1900, SEARCH);
            host[6..12].copy_from_slice(&[0x00, 0x1b, 0xa9, a, b, c]);
            let (router, behind) = (n % 64, (n % 3_000).to_be_bytes());
            let mut sent = udp_frame([172, 16, behind[2], behind[3]], 50_001, [10, 0, 0, 9], 9, b"x");
            sent[6..12].copy_from_slice(&[0x00, 0x0b, 0x82, 0, 0, router as u8]);
            [Some((micros, host)), (n % 5 == 0).then_some((micros + 9, sent))].into_iter().flatten()
        });
        fs::write(folder.join(file), common::pcap(&frames.collect::<Vec<_>>())).expect("a file");
    }
}

const SEARCH: &[u8] =
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n";

#[test]
fn devices_that_are_written_early_are_the_same() {
    let (temp, out) = scratch();
    let folder = temp.path().join("captures");
    fs::create_dir(&folder).expect("a folder");
    many_devices(&folder);
    let args = [folder.display().to_string(), "--memory".into(), "256MiB".into()];
    assert_none(&with_threads(&args).into_iter().chain(with_threads(&args)).collect::<Vec<_>>());
    read(&args, &out);
    let ids = table(&out, "devices").column("device_id");
    let different = ids.iter().collect::<std::collections::BTreeSet<_>>().len();
    let run = common::document(&out);
    assert!(run["counters"]["devices_written"].as_u64() > Some(5_000), "{}", run["counters"]);
    assert!(different > 16_600, "{different}");
    assert_eq!(run["devices"].as_u64(), Some(different as u64));
    let classes = run["device_classes"].as_array().expect("a list").iter();
    assert_eq!(classes.map(|class| class["devices"].as_u64().expect("a number")).sum::<u64>(), different as u64);
}

#[test]
fn rotated_files_are_one_timeline() {
    let (temp, out) = scratch();
    // Given in the wrong order: what counts is the time of the packets.
    read(["rotated-00002.pcap", "rotated-00001.pcap"], &out).ends_with(exit::COMPLETE);
    let whole = temp.path().join("whole");
    let joined = temp.path().join("joined.pcap");
    let mut bytes = common::sample("rotated-00001.pcap");
    bytes.extend(&common::sample("rotated-00002.pcap")[24..]);
    fs::write(&joined, bytes).expect("a file");
    read([&joined], &whole).ends_with(exit::COMPLETE);
    // The names of files and the numbers of packets within them differ, and nothing else.
    let places = ["capture", "first_packet", "last_packet", "flow_id"];
    let flows = |out: &Path| table(out, "flows").without(&places);
    assert_eq!(flows(&out), flows(&whole));
    assert_eq!(flows(&out).rows.len(), 2);
    let separate = temp.path().join("separate");
    read(["rotated-00001.pcap", "rotated-00002.pcap", "--separate"], &separate).ends_with(exit::COMPLETE);
    assert_eq!(table(&separate, "flows").rows.len(), 4, "each file by itself has both flows");
}

#[test]
fn standard_input_gives_the_rows_of_the_file() {
    for name in ["telnet-printer.pcap", "web.pcap.gz", "two-links.pcapng", "calendar.pcap.zst"] {
        let (temp, out) = scratch();
        let key = case_key(temp.path());
        read([name.as_ref(), "--case-key".as_ref(), key.as_os_str()], &out).ends_with(exit::COMPLETE);
        let piped = temp.path().join("piped");
        let mut command = common::command();
        command.args(["read", "-", "--case-key"]).arg(&key).arg("-o").arg(&piped);
        command.stdin(Stdio::from(fs::File::open(samples_folder().join(name)).expect("the sample")));
        Run::of(command.output().expect("the program starts")).ends_with(exit::COMPLETE);
        let by_name: &[&str] = &["capture"];
        let all = |out: &Path| -> Vec<_> {
            tables(out).into_values().map(|t| t.without(by_name).without(&TIMINGS)).collect()
        };
        for (file, pipe) in all(&out).into_iter().zip(all(&piped)) {
            assert_eq!(file, pipe, "{name}");
        }
        let hash = |out: &Path| common::document(out)["inputs"][0]["sha256"].clone();
        assert_eq!(hash(&out), hash(&piped), "{name}");
    }
}

#[test]
fn a_second_run_with_another_key_differs_in_nothing_but_the_hmac() {
    let (temp, out) = scratch();
    let again = temp.path().join("again");
    read(["."], &out).ends_with(exit::COMPLETE);
    read(["."], &again).ends_with(exit::COMPLETE);
    let (a, b) = (tables(&out), tables(&again));
    for (name, table) in a {
        let other = b[&name].clone();
        if name == "credentials" {
            assert!(table.rows.len() >= 5);
            for (x, y) in table.column("secret_hmac").iter().zip(other.column("secret_hmac")) {
                // A client that is trusted by its name sends nothing to hash.
                assert!(*x != y || x.is_empty(), "the key is drawn anew for each run");
            }
        }
        let own: Vec<&str> = TIMINGS.into_iter().chain(["secret_hmac"]).collect();
        assert_eq!(table.without(&own), other.without(&own), "{name}");
    }
}

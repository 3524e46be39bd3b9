//! Input and output that is broken in every way: the message names the file and the place, the rest
//! is analysed, the exit code says what happened, and nothing is left lying about.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{
    Run, document, exit, names_below, pcap, pcap_header, pcap_record, read, sample, scratch, skipped, table, udp_frame,
};

/// A good capture of so many packets, a millisecond apart.
fn good(packets: u64) -> Vec<u8> {
    pcap(&(0..packets).map(|i| (1_700_000_000_000_000 + i * 1000, frame(i))).collect::<Vec<_>>())
}

fn frame(i: u64) -> Vec<u8> {
    udp_frame([10, 0, 0, 1], 40_000 + (i % 1000) as u16, [10, 0, 0, 2], 9999, format!("payload {i}").as_bytes())
}

/// Length of a record of [`good`].
const RECORD: usize = 16 + 14 + 20 + 8 + 9;

struct Case {
    temp: tempfile::TempDir,
    out: PathBuf,
}

impl Case {
    fn new() -> Self {
        let (temp, out) = scratch();
        Self { temp, out }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.temp.path().join(name);
        fs::write(&path, bytes).expect("a file");
        path
    }

    fn read(&self, inputs: &[&Path]) -> Run {
        read(inputs, &self.out)
    }

    /// What `run.json` says of the inputs: file name, outcome, packets; sorted by name.
    fn outcomes(&self) -> Vec<(String, String, u64)> {
        let run = document(&self.out);
        let mut all: Vec<_> = run["inputs"]
            .as_array()
            .expect("inputs")
            .iter()
            .map(|i| {
                let path = Path::new(i["path"].as_str().expect("a path"));
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, i["outcome"].as_str().expect("an outcome").to_owned(), i["packets"].as_u64().expect("a number"))
            })
            .collect();
        all.sort();
        all
    }

    /// One file alone, of which some packets can be read: it is partial, and the message says where.
    #[track_caller]
    fn partial(bytes: &[u8], packets: u64, outcome: &str, says: &[&str]) {
        let case = Self::new();
        let file = case.file("broken", bytes);
        let run = case.read(&[&file]).ends_with(exit::PARTIAL).says(&[&file.display().to_string()]).says(says);
        assert_eq!(case.outcomes(), [("broken".to_owned(), outcome.to_owned(), packets)], "{}", run.stderr);
        let flows = table(&case.out, "flows");
        let seen: u64 = flows.column("orig_pkts").iter().map(|n| n.parse::<u64>().expect("a number")).sum();
        assert_eq!(seen, packets, "everything readable is analysed");
        assert_clean(&case.out);
    }

    /// One file alone, of which nothing can be read: there is no output.
    #[track_caller]
    fn nothing(bytes: &[u8], says: &[&str]) {
        let case = Self::new();
        let file = case.file("broken", bytes);
        case.read(&[&file]).ends_with(exit::NO_INPUT).says(&[&file.display().to_string()]).says(says);
        assert!(!case.out.exists(), "{:?}", names_below(&case.out));
    }

    /// The same file between two good ones: they are read.
    #[track_caller]
    fn among_good_ones(bytes: &[u8], outcome: &str) {
        let case = Self::new();
        let files = [case.file("a", &good(3)), case.file("broken", bytes), case.file("z", &good(4))];
        let run = case.read(&files.each_ref().map(PathBuf::as_path)).ends_with(exit::PARTIAL);
        let outcomes = case.outcomes();
        assert_eq!(outcomes[0], ("a".into(), "complete".into(), 3), "{}", run.stderr);
        assert_eq!(outcomes[1].1, outcome, "{}", run.stderr);
        assert_eq!(outcomes[2], ("z".into(), "complete".into(), 4), "{}", run.stderr);
        assert_clean(&case.out);
    }
}

/// No staging folder, and nothing but what belongs there.
#[track_caller]
fn assert_clean(out: &Path) {
    for name in names_below(out) {
        let is_ours = name == "run.json" || name == "findings.jsonl" || name.ends_with(".parquet");
        assert!(is_ours && !name.starts_with('.'), "{name} was left behind");
    }
    let hidden = fs::read_dir(out)
        .expect("a folder")
        .filter(|e| e.as_ref().expect("an entry").file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "a staging folder was left behind");
}

#[test]
fn what_is_not_a_capture_is_said_to_be_none() {
    for bytes in [&b"GIF89a, and then some more of it"[..], b"x", &[0; 4096], "Dienstag".as_bytes()] {
        Case::nothing(bytes, &["not a capture"]);
        Case::among_good_ones(bytes, "not-a-capture");
    }
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    Case::nothing(b"", &["empty"]);
    Case::among_good_ones(b"", "empty");
}

#[test]
fn a_capture_without_packets_is_complete() {
    let case = Case::new();
    let file = case.file("broken", &pcap_header(1));
    case.read(&[&file]).ends_with(exit::COMPLETE);
    assert_eq!(case.outcomes(), [("broken".into(), "complete".into(), 0)]);
    assert_clean(&case.out);
}

#[test]
fn half_a_file_header_is_truncated() {
    let case = Case::new();
    let file = case.file("broken", &pcap_header(1)[..20]);
    case.read(&[&file]).ends_with(exit::NO_INPUT).says(&["broken"]);
    assert!(!case.out.exists());
}

#[test]
fn a_capture_that_ends_within_a_record_is_read_up_to_it() {
    let whole = good(5);
    let third = 24 + 2 * RECORD;
    for cut in [third + 1, third + 15, third + 16, third + 17, third + RECORD - 1] {
        Case::partial(&whole[..cut], 2, "truncated", &["at byte 158"]);
    }
    Case::among_good_ones(&whole[..third + 20], "truncated");
}

#[test]
fn a_record_longer_than_the_file_is_truncated() {
    let mut bytes = good(2);
    let at = bytes.len();
    let mut record = pcap_record(1_700_000_001_000_000, &frame(9));
    record[8..12].copy_from_slice(&5000u32.to_le_bytes());
    record[12..16].copy_from_slice(&5000u32.to_le_bytes());
    bytes.extend(record);
    Case::partial(&bytes, 2, "truncated", &[&format!("at byte {at}")]);
}

#[test]
fn a_length_of_four_gigabytes_is_damage_and_takes_no_memory() {
    for length in [u32::MAX, 1 << 31, 0x7fff_ffff, 300_000_000] {
        let mut bytes = good(2);
        let at = bytes.len();
        let mut record = pcap_record(1_700_000_001_000_000, &frame(9));
        record[8..12].copy_from_slice(&length.to_le_bytes());
        record[12..16].copy_from_slice(&length.to_le_bytes());
        bytes.extend(record);
        bytes.extend(&good(3)[24..]);
        Case::partial(&bytes, 2, "damaged", &[&format!("at byte {at}")]);
        Case::among_good_ones(&bytes, "damaged");
    }
    // The same for a block of pcapng.
    let mut bytes = sample("two-links.pcapng");
    bytes.extend([6, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff]);
    bytes.extend([0; 100]);
    let case = Case::new();
    let file = case.file("broken", &bytes);
    case.read(&[&file]).ends_with(exit::PARTIAL).says(&["broken", "at byte"]);
    assert_eq!(case.outcomes()[0].2, 14);
}

#[test]
fn time_that_goes_backwards_is_counted_and_read() {
    let mut frames: Vec<_> = (0..6).map(|i| (1_700_000_000_000_000 + i * 1000, frame(i))).collect();
    frames[3].0 -= 86_400_000_000;
    let case = Case::new();
    let file = case.file("broken", &pcap(&frames));
    case.read(&[&file]).ends_with(exit::COMPLETE);
    assert_eq!(document(&case.out)["counters"]["time_backwards"], 1);
    assert_eq!(document(&case.out)["packets"], 6);
    let times: Vec<i64> =
        table(&case.out, "flows").column("ts_start").iter().map(|t| t.parse().expect("a time")).collect();
    assert_eq!(times.len(), 6);
    assert!(times.is_sorted());
}

/// Compressed forms of a capture, by tools of the system; the name of a tool that is missing.
fn compressed(bytes: &[u8]) -> Vec<(&'static str, Result<Vec<u8>, String>)> {
    let by = |tool: &'static str| {
        let run = || -> std::io::Result<Vec<u8>> {
            let mut child = Command::new(tool)
                .arg("-c")
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()?;
            let mut input = child.stdin.take().expect("a pipe");
            let bytes = bytes.to_vec();
            let writer = std::thread::spawn(move || input.write_all(&bytes));
            let output = child.wait_with_output()?;
            writer.join().expect("no panic")?;
            Ok(output.stdout)
        };
        run().map_err(|e| format!("{tool}: {e}"))
    };
    let gz = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).map_err(|e| e.to_string())?;
        encoder.finish().map_err(|e| e.to_string())
    };
    let xz = || {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
        encoder.write_all(bytes).map_err(|e| e.to_string())?;
        encoder.finish().map_err(|e| e.to_string())
    };
    let bz2 = || {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
        encoder.write_all(bytes).map_err(|e| e.to_string())?;
        encoder.finish().map_err(|e| e.to_string())
    };
    let lz4 = || {
        let info =
            lz4_flex::frame::FrameInfo::new().content_checksum(true).block_size(lz4_flex::frame::BlockSize::Max64KB);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(bytes).map_err(|e| e.to_string())?;
        encoder.finish().map_err(|e| e.to_string())
    };
    // The zstd command writes a checksum, the library by default does not.
    let zstd = by("zstd").or_else(|_| zstd::encode_all(bytes, 3).map_err(|e| e.to_string()));
    vec![("gzip", gz()), ("xz", xz()), ("bzip2", bz2()), ("lz4", lz4()), ("zstd", zstd)]
}

/// A capture whose compressed form is long enough to be damaged in its middle and at its end.
fn noise(packets: u64) -> Vec<u8> {
    let mut state = 1u64;
    let mut payload = || -> Vec<u8> {
        (0..900)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    };
    let frames: Vec<_> = (0..packets)
        .map(|i| (1_700_000_000_000_000 + i * 1000, udp_frame([10, 0, 0, 1], 4000, [10, 0, 0, 2], 9999, &payload())))
        .collect();
    pcap(&frames)
}

#[test]
fn compressed_captures_are_read_whatever_their_names() {
    for (kind, bytes) in compressed(&good(7)) {
        let bytes = bytes.unwrap_or_else(|e| panic!("{kind}: {e}"));
        let case = Case::new();
        let file = case.file("capture", &bytes);
        case.read(&[&file]).ends_with(exit::COMPLETE);
        assert_eq!(case.outcomes(), [("capture".into(), "complete".into(), 7)], "{kind}");
    }
}

#[test]
fn a_corrupt_compressed_tail_is_told_and_the_rest_is_read() {
    const PACKETS: u64 = 3000;
    for (kind, bytes) in compressed(&noise(PACKETS)) {
        let bytes = bytes.unwrap_or_else(|e| panic!("{kind}: {e}"));
        let half = bytes.len() / 2;
        let mut overwritten = bytes.clone();
        overwritten[half..half + 4000].fill(0xa5);
        let mut flipped = bytes.clone();
        let near_end = bytes.len() - 2000;
        flipped[near_end] ^= 0x40;
        let cases = [
            ("cut in the middle", bytes[..half].to_vec()),
            ("cut by one byte", bytes[..bytes.len() - 1].to_vec()),
            ("overwritten in the middle", overwritten),
            ("a bit near the end", flipped),
        ];
        for (what, bytes) in cases {
            let case = Case::new();
            let file = case.file("broken", &bytes);
            let run = case.read(&[&file]).says(&["broken: at byte"]);
            assert_eq!(run.code, Some(exit::PARTIAL), "{kind}, {what}: {run:?}");
            let outcomes = case.outcomes();
            assert!(
                ["corrupt-compression", "truncated", "damaged"].contains(&outcomes[0].1.as_str()),
                "{kind}, {what}: {outcomes:?}"
            );
            // bzip2 works in blocks of 900 kB: a broken one is lost as a whole.
            let least = match what {
                "cut by one byte" if kind != "bzip2" => PACKETS - 100,
                "a bit near the end" if kind != "bzip2" => PACKETS / 2,
                _ => 100,
            };
            assert!(outcomes[0].2 >= least, "{kind}, {what}: only {} packets", outcomes[0].2);
            assert_clean(&case.out);
            Case::among_good_ones(&bytes, &outcomes[0].1);
        }
    }
}

#[test]
fn what_is_not_there_or_may_not_be_read_stops_nothing_else() {
    let case = Case::new();
    let fine = case.file("fine", &good(3));
    let absent = case.temp.path().join("absent");
    case.read(&[&fine, &absent]).ends_with(exit::PARTIAL).says(&["absent: ", "No such file"]);
    assert_eq!(case.outcomes(), [("absent".into(), "unreadable".into(), 0), ("fine".into(), "complete".into(), 3)]);
    Case::new().read(&[&absent]).ends_with(exit::NO_INPUT).says(&["absent: "]);
}

#[test]
fn an_unreadable_file_among_good_ones() {
    let case = Case::new();
    let fine = case.file("fine", &good(3));
    let closed = case.file("closed", &good(3));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("permissions");
    let mut command = Command::new("setpriv");
    // Root reads everything: be nobody for this one.
    if File::open(&closed).is_ok() {
        for path in [case.temp.path(), case.temp.path().parent().expect("a folder")] {
            if path == case.temp.path() {
                fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("permissions");
            }
        }
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(common::PROGRAM);
        let reachable = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", common::PROGRAM, "--version"])
            .output();
        match reachable {
            Ok(output) if output.status.success() => {}
            other => return skipped("an unreadable file", format!("no other user can run the program: {other:?}")),
        }
    } else {
        command = Command::new(common::PROGRAM);
    }
    command.arg("read").args([&fine, &closed]).arg("-o").arg(&case.out);
    let run = Run::of(command.output().expect("setpriv is part of util-linux"));
    run.ends_with(exit::PARTIAL).says(&["closed: ", "ermission denied"]);
    assert_eq!(case.outcomes()[1], ("fine".into(), "complete".into(), 3));
}

#[test]
fn a_link_type_that_nobody_knows_is_named() {
    let mut bytes = pcap_header(147);
    for i in 0..3 {
        bytes.extend(pcap_record(1_700_000_000_000_000 + i, b"something private"));
    }
    let case = Case::new();
    let file = case.file("private", &bytes);
    let fine = case.file("fine", &good(3));
    let run = case.read(&[&file, &fine]);
    assert_eq!(run.code, Some(exit::PARTIAL), "{run:?}");
    run.says(&["private: ", "147"]);
    assert_eq!(table(&case.out, "flows").rows.len(), 3);
}

#[test]
fn an_output_folder_that_exists_is_refused_and_left_alone() {
    let case = Case::new();
    let file = case.file("fine", &good(3));
    fs::create_dir(&case.out).expect("a folder");
    fs::write(case.out.join("thesis.txt"), "mine").expect("a file");
    case.read(&[&file]).ends_with(exit::USAGE).says(&["exists", "--overwrite", "out"]);
    assert_eq!(names_below(&case.out).into_iter().collect::<Vec<_>>(), ["thesis.txt"]);
    read([file.as_os_str(), "--overwrite".as_ref()], &case.out).ends_with(exit::COMPLETE);
    assert!(case.out.join("thesis.txt").exists() && case.out.join("run.json").exists());
    // An earlier run's tables go, whole, and only for whole new ones.
    let broken = case.file("broken", b"no capture");
    let before = names_below(&case.out);
    read([broken.as_os_str(), "--overwrite".as_ref()], &case.out).ends_with(exit::NO_INPUT);
    assert_eq!(names_below(&case.out), before, "a run that came to nothing leaves the old tables");
}

#[test]
fn a_file_in_the_way_and_a_folder_without_permission_are_named() {
    let case = Case::new();
    let file = case.file("fine", &good(3));
    let way = case.file("way", b"mine");
    read([&file], &way).ends_with(exit::USAGE).says(&["way"]);
    read([&file], &way.join("below")).ends_with(exit::FAILED).says(&["way/below"]);
    assert_eq!(fs::read(&way).expect("a file"), b"mine");
    read([&file], Path::new("/proc/nowhere/out")).ends_with(exit::FAILED).says(&["/proc/nowhere"]);
    fs::create_dir(&case.out).expect("a folder");
    fs::write(case.out.join("flows"), "mine").expect("a file");
    read([file.as_os_str(), "--overwrite".as_ref()], &case.out).ends_with(exit::USAGE).says(&["out/flows"]);
    assert_eq!(names_below(&case.out).into_iter().collect::<Vec<_>>(), ["flows"]);
}

#[test]
fn no_space_left_is_told_and_nothing_is_left_behind() {
    // A mount of its own in a namespace of its own: nothing outside sees it.
    let case = Case::new();
    let file = case.file("noise", &noise(20_000));
    let disk = case.temp.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let script = "mount -t tmpfs -o size=32k tmpfs \"$1\" || exit 99\n\
                  \"$2\" read \"$3\" -o \"$1/out\"; code=$?\n\
                  echo \"left: $(ls -A \"$1\")\"; exit $code";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([&disk, Path::new(common::PROGRAM), &file])
        .output();
    let run = match output {
        Ok(output) => Run::of(output),
        Err(e) => return skipped("no space left", e),
    };
    if run.code == Some(99) || run.stderr.contains("unshare:") {
        return skipped("no space left", run.stderr);
    }
    let run = run.ends_with(exit::FAILED).says(&["disk/out", "No space left"]);
    assert!(run.stdout.ends_with("left: \n"), "{}", run.stdout);
}

#[test]
fn a_bad_filter_is_told_before_anything_is_written() {
    let case = Case::new();
    let file = case.file("fine", &good(3));
    for filter in ["tcp prot 80", "host", "((("] {
        read([file.as_os_str(), "-f".as_ref(), filter.as_ref()], &case.out).ends_with(exit::USAGE).says(&["--filter"]);
        assert!(!case.out.exists());
    }
    read([file.as_os_str(), "-f".as_ref(), "udp and src port 40001".as_ref()], &case.out).ends_with(exit::COMPLETE);
    assert_eq!(table(&case.out, "flows").rows.len(), 1);
    assert_eq!(document(&case.out)["inputs"][0]["filtered"], 2);
}

#[test]
fn a_bad_expectation_is_named_with_file_and_line() {
    let case = Case::new();
    let file = case.file("fine", &good(3));
    for (text, line) in [
        ("[[expect]]\nmac = 12\nnames = [\"a.example\"]\n", ":2"),
        ("[[expect]]\nmac = \"00:1b:a9:01:02:03\"\nnames = [\n  \"a.example\",\n  \"no such name\",\n]\n", ":5"),
        ("# fine\n\n[[expect\n", ":3"),
        ("nonsense = true\n", ":1"),
    ] {
        let expect = case.file("expect.toml", text.as_bytes());
        let run = read([file.as_os_str(), "--expect".as_ref(), expect.as_os_str()], &case.out).ends_with(exit::USAGE);
        run.says(&[&format!("expect.toml{line}")]);
        assert!(!case.out.exists());
    }
    let run = read([file.as_os_str(), "--expect".as_ref(), "/nowhere.toml".as_ref()], &case.out);
    run.ends_with(exit::USAGE).says(&["/nowhere.toml"]);
}

#[test]
fn thousands_of_files_with_few_descriptors() {
    const FILES: u64 = 2000;
    let case = Case::new();
    let folder = case.temp.path().join("many");
    fs::create_dir(&folder).expect("a folder");
    for i in 0..FILES {
        let bytes = pcap(&[(1_700_000_000_000_000 + i * 1000, frame(i % 1000))]);
        fs::write(folder.join(format!("{i:05}.pcap")), bytes).expect("a file");
    }
    for more in ["", "--separate"] {
        let out = case.temp.path().join(format!("out{more}"));
        let script = "ulimit -n 64; exec \"$1\" read \"$2\" --threads 8 -o \"$3\" $4";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", common::PROGRAM]).args([&folder, &out]).arg(more);
        Run::of(command.output().expect("a shell")).ends_with(exit::COMPLETE);
        let run = document(&out);
        assert_eq!(run["packets"], FILES);
        assert_eq!(run["inputs"].as_array().expect("inputs").len() as u64, FILES);
        assert!(run["inputs"].as_array().expect("inputs").iter().all(|i| i["outcome"] == "complete"));
    }
}

/// Reads what must not stop the program, whatever else it says of it.
#[track_caller]
fn survives(case: &Case, file: &Path, what: &str) {
    let run = read([file.as_os_str(), "--overwrite".as_ref(), "--threads".as_ref(), "1".as_ref()], &case.out);
    let known = [exit::COMPLETE, exit::NO_INPUT, exit::PARTIAL];
    assert!(run.code.is_some_and(|c| known.contains(&c)), "{what}: {run:?}");
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains("internal error"), "{what}: {}", run.stderr);
    if run.code != Some(exit::COMPLETE) {
        assert!(run.stderr.contains(&*file.file_name().expect("a name").to_string_lossy()), "{what}: {}", run.stderr);
    }
}

#[test]
fn samples_cut_anywhere_never_stop_the_program() {
    let case = Case::new();
    for name in common::samples() {
        let bytes = sample(&name);
        let mut cuts: Vec<usize> = (0..12).map(|i| bytes.len() * i / 12).collect();
        cuts.extend([1, 3, 23, 24, 25, 39, 40, 41, bytes.len() - 1]);
        for cut in cuts.into_iter().filter(|c| *c < bytes.len()) {
            let file = case.file("cut", &bytes[..cut]);
            survives(&case, &file, &format!("{name} cut at {cut}"));
        }
    }
}

#[test]
fn samples_with_flipped_bits_never_stop_the_program() {
    let case = Case::new();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for name in common::samples() {
        for round in 0..8 {
            let mut bytes = sample(&name);
            let start = bytes.len().min(24);
            for _ in 0..1 + bytes.len() / 200 {
                let at = start + random(bytes.len() - start);
                bytes[at] ^= 1 << random(8);
            }
            let file = case.file("flipped", &bytes);
            survives(&case, &file, &format!("{name}, round {round}"));
            // Only what is inside the packets: records stay whole, so parsers see all of it.
            if bytes[..4] != [0xd4, 0xc3, 0xb2, 0xa1] {
                continue;
            }
            let mut frames = common::frames_of(&sample(&name));
            for (_, frame) in &mut frames {
                for _ in 0..1 + frame.len() / 100 {
                    let at = random(frame.len());
                    frame[at] ^= 1 << random(8);
                }
            }
            let file = case.file("inside", &pcap(&frames));
            survives(&case, &file, &format!("{name}, inside packets, round {round}"));
        }
    }
}

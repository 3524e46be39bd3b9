//! Accepted findings: in a run, and in an output that is there.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, case_key, document, exit, names_below, overhear, read, scratch, table};
use serde_json::Value;

const LIST: &str = r#"
[[suppress]]
rule = "cleartext-credentials*"
device = "192.168.50.0/24"
reason = "the old floor"

[[suppress]]
rule = "egress-cleartext"
peer = "*.printer-update.example"
until = "2999-12-31"
reason = "the maker offers nothing better"

[[suppress]]
rule = "telnet-*"
until = "2001-01-01"
reason = "that was long ago"

[[suppress]]
peer = "203.0.113.250"
reason = "nobody goes there"
"#;

fn list(folder: &Path) -> PathBuf {
    let path = folder.join("accepted.toml");
    fs::write(&path, LIST).expect("a file");
    path
}

fn suppress(out: &Path, args: &[&str]) -> Run {
    let out = out.display().to_string();
    overhear(["suppress", out.as_str()].into_iter().chain(args.iter().copied()))
}

/// What is left of a run that should not depend on how its list was applied: the bytes of all tables
/// but that with times, and the document without what belongs to the run itself.
fn left(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut left: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for name in names_below(out) {
        if name.starts_with("capture_stats") {
            continue;
        }
        let mut bytes = fs::read(out.join(&name)).expect("a file");
        if name == "run.json" {
            let mut run = document(out);
            let object = run.as_object_mut().expect("an object");
            for own in ["command_line", "started", "finished", "wall_ms", "output", "output_bytes"] {
                object.remove(own);
            }
            object["options"].as_object_mut().expect("an object").remove("threads");
            bytes = run.to_string().into_bytes();
        }
        left.insert(name, bytes);
    }
    left
}

#[track_caller]
fn same(a: &Path, b: &Path) {
    let (a, b) = (left(a), left(b));
    assert!(a.keys().eq(b.keys()), "{:?} {:?}", a.keys(), b.keys());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

#[test]
fn a_suppressed_run_equals_its_output_suppressed_afterwards() {
    for more in [&[][..], &["--separate"]] {
        let (temp, with) = scratch();
        let list = list(temp.path()).display().to_string();
        let key = case_key(temp.path()).display().to_string();
        let args = |extra: &[&str]| -> Vec<String> {
            let all = [".", "--case-key", &key].into_iter().chain(more.iter().copied()).chain(extra.iter().copied());
            all.map(str::to_owned).collect()
        };
        read(args(&["--suppress", &list, "--threads", "1"]), &with).ends_with(exit::COMPLETE);
        let (again, plain) = (temp.path().join("again"), temp.path().join("plain"));
        read(args(&["--suppress", &list, "--threads", "3"]), &again).ends_with(exit::COMPLETE);
        same(&with, &again);
        read(args(&[]), &plain).ends_with(exit::COMPLETE);
        let before = left(&plain);
        assert_ne!(before["findings.jsonl"], left(&with)["findings.jsonl"]);
        suppress(&plain, &["--suppress", &list]).ends_with(exit::COMPLETE);
        same(&with, &plain);
        suppress(&plain, &["--suppress", &list]).ends_with(exit::COMPLETE);
        same(&with, &plain);
        suppress(&plain, &["--none"]).ends_with(exit::COMPLETE);
        assert!(left(&plain) == before, "--none gives back what the run wrote");
    }
}

#[test]
fn what_is_silenced_is_kept_counted_and_out_of_the_way() {
    let (temp, out) = scratch();
    let list = list(temp.path()).display().to_string();
    let run = read([".", "--suppress", &list], &out).ends_with(exit::COMPLETE);
    let findings = table(&out, "findings");
    let silenced: Vec<_> = findings.column("suppressed").into_iter().filter(|r| !r.is_empty()).collect();
    assert!(silenced.contains(&"the old floor".to_owned()));
    assert!(silenced.contains(&"the maker offers nothing better".to_owned()));
    for row in findings.pick(&["suppressed", "rule_id", "device_ip", "peer_name"]) {
        let credentials = row[1].starts_with("cleartext-credentials") && row[2].starts_with("192.168.50.");
        assert_eq!(row[0] == "the old floor", credentials, "{row:?}");
        let update = row[1] == "egress-cleartext" && row[3].ends_with(".printer-update.example");
        assert_eq!(row[0] == "the maker offers nothing better", update, "{row:?}");
    }
    let document = document(&out);
    let counted: u64 = document["findings"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    assert_eq!(counted as usize + silenced.len(), findings.rows.len());
    assert_eq!(document["tables"]["findings"], findings.rows.len());
    let suppressed = &document["suppressed"];
    assert_eq!(suppressed["findings"], silenced.len());
    assert_eq!(suppressed["file"], list.as_str());
    let entries = suppressed["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 2);
    assert_eq!((&entries[0]["line"], &entries[0]["reason"]), (&Value::from(2), &Value::from("the old floor")));
    assert_eq!(entries[1]["until"], "2999-12-31");
    let sum: u64 = entries.iter().filter_map(|e| e["findings"].as_u64()).sum();
    assert_eq!(sum as usize, silenced.len());
    assert!(run.stdout.contains(&format!("{} suppressed by {list}", silenced.len())), "{}", run.stdout);
    let run = run.says(&["accepted.toml:13: ", "of its findings, last seen after 2001-01-01"]);
    run.says(&["accepted.toml:18: fits no finding"]);
    assert_eq!(document["warnings"], Value::Array(Vec::new()), "no reason to call the run partial");
    for line in document["top_findings"].as_array().expect("lines") {
        let rule = line["rule_id"].as_str().expect("a rule");
        let device = line["device"].as_str().expect("a device");
        assert!(!(rule.starts_with("cleartext-credentials") && device.starts_with("192.168.50.")), "{line}");
    }
    let lines = fs::read_to_string(out.join("findings.jsonl")).expect("findings.jsonl");
    assert_eq!(lines.lines().count() as u64, counted);
    assert!(!lines.contains("the old floor"));
    // The devices count what counts.
    let mut devices: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in findings.pick(&["suppressed", "device_id", "severity"]) {
        if let [reason, device, severity] = row.as_slice()
            && reason.is_empty()
            && !device.is_empty()
        {
            *devices.entry((device.clone(), severity.clone())).or_default() += 1;
        }
    }
    let table = table(&out, "devices");
    for severity in ["critical", "high", "medium", "low", "info"] {
        for row in table.pick(&["device_id", &format!("findings_{severity}")]) {
            let wanted = devices.remove(&(row[0].clone(), severity.to_owned())).unwrap_or(0);
            assert_eq!(row[1], wanted.to_string(), "{row:?} {severity}");
        }
    }
    assert!(devices.is_empty(), "{devices:?}");
}

#[test]
fn only_what_is_not_silenced_fails_a_run() {
    let (temp, out) = scratch();
    let all = temp.path().join("all.toml");
    fs::write(&all, "[[suppress]]\ndevice = \"0.0.0.0/0\"\nreason = \"everything\"\n").expect("a file");
    let all = all.display().to_string();
    let sample = "telnet-printer.pcap";
    let run = read([sample, "--fail-on", "low", "--suppress", &all], &out).ends_with(exit::COMPLETE);
    assert!(run.stdout.contains("Findings  none") && run.stdout.contains("suppressed by"), "{}", run.stdout);
    suppress(&out, &["--none", "--fail-on", "low"]).ends_with(exit::FINDINGS);
    assert_eq!(document(&out)["exit_code"], exit::FINDINGS);
    suppress(&out, &["--none", "--fail-on", "critical"]).ends_with(exit::COMPLETE);
    suppress(&out, &["--suppress", &all, "--fail-on", "low"]).ends_with(exit::COMPLETE);
    let json = suppress(&out, &["--none", "--format", "json"]).ends_with(exit::COMPLETE).stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["suppressed"]["file"], Value::Null);
    assert!(json["findings"]["high"].as_u64().expect("a number") > 0);
}

#[test]
fn the_folders_of_days_that_listening_leaves_are_taken_as_they_are() {
    let (temp, out) = scratch();
    let list = list(temp.path()).display().to_string();
    let (day, key) = (temp.path().join("day"), case_key(temp.path()).display().to_string());
    for out in [&out, &day] {
        read([".", "--case-key", &key], out).ends_with(exit::COMPLETE);
    }
    for table in ["findings", "devices"] {
        let folder = day.join(table).join("date=2026-11-23");
        fs::create_dir(&folder).expect("a folder");
        let part = day.join(table).join("part-00000.parquet");
        fs::rename(part, folder.join("part-20261123T074147-00000.parquet")).expect("moved");
    }
    let before = names_below(&day);
    suppress(&out, &["--suppress", &list]).ends_with(exit::COMPLETE);
    suppress(&day, &["--suppress", &list]).ends_with(exit::COMPLETE);
    assert_eq!(before, names_below(&day), "the same files");
    for name in ["findings", "devices"] {
        assert_eq!(table(&out, name), table(&day, name));
    }
    assert!(table(&day, "findings").column("suppressed").contains(&"the old floor".to_owned()));
    assert_eq!(left(&out)["findings.jsonl"], left(&day)["findings.jsonl"]);
}

#[test]
fn what_is_no_finished_output_of_this_version_is_refused_and_left_alone() {
    let (temp, out) = scratch();
    read(["telnet-printer.pcap"], &out).ends_with(exit::COMPLETE);
    let refused = |folder: &Path, says: &str| {
        let before = folder.is_dir().then(|| (names_below(folder), left(folder)));
        let run = suppress(folder, &["--none"]);
        assert!(run.stderr.contains(says), "{says:?} is not in {}", run.stderr);
        run.ends_with(exit::USAGE);
        if let Some(before) = before {
            assert!(before == (names_below(folder), left(folder)), "{says}: something changed");
        }
    };
    let copy = |name: &str| {
        let to = temp.path().join(name);
        for file in names_below(&out) {
            let path = to.join(&file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::copy(out.join(&file), path).expect("a copy");
        }
        to
    };
    refused(&temp.path().join("nowhere"), "no such folder");
    refused(temp.path(), "no run.json");
    let other = copy("version");
    let text = fs::read_to_string(other.join("run.json")).expect("run.json");
    fs::write(other.join("run.json"), text.replace("\"schema_version\": 1", "\"schema_version\": 7")).expect("a file");
    refused(&other, "schema version 7; this program knows 1");
    let columns = copy("columns");
    fs::copy(columns.join("flows/part-00000.parquet"), columns.join("findings/part-00000.parquet")).expect("a copy");
    refused(&columns, "findings/part-00000.parquet: the columns are not those");
    let damaged = copy("damaged");
    let path = damaged.join("devices/part-00000.parquet");
    let bytes = fs::read(&path).expect("a file");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
    refused(&damaged, "devices/part-00000.parquet: ");
    let missing = copy("missing");
    fs::remove_dir_all(missing.join("findings")).expect("a folder");
    refused(&missing, "no Parquet file");
    // A run that is not over holds a lock in its staging folder.
    let running = copy("running");
    let staging = running.join(".overhear-partial");
    fs::create_dir(&staging).expect("a folder");
    let lock = fs::File::create(staging.join("lock")).expect("a file");
    lock.try_lock().expect("a lock");
    refused(&running, "is being written by another run");
    drop(lock);
    suppress(&running, &["--none"]).ends_with(exit::COMPLETE);
    assert!(!staging.exists(), "what a killed run left is gone");
}

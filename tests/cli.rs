//! The command line: help, exit codes, the schema that is promised and the one that is written, the
//! documents, signals.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{
    PROGRAM, Run, document, exit, names_below, overhear, read, sample, samples_folder, scratch, table, tables,
};
use serde_json::Value;

const SUBCOMMANDS: [&str; 9] =
    ["read", "listen", "suppress", "explain", "protocols", "signatures", "schema", "completions", "man"];

#[test]
fn help_names_every_subcommand_and_exit_code() {
    for args in [&["--help"][..], &["-h"], &["help"]] {
        let run = overhear(args).ends_with(exit::COMPLETE);
        for part in SUBCOMMANDS {
            assert!(run.stdout.contains(part), "{args:?}: {part}");
        }
        for code in [0, 2, 3, 4, 5, 10] {
            assert!(run.stdout.lines().any(|l| l.trim_start().starts_with(&format!("{code}  "))), "{args:?}: {code}");
        }
    }
    for (subcommand, parts) in [
        (
            "read",
            &["--separate", "--no-hash", "--overwrite", "--filter", "--home-net", "--expect", "--reveal-secrets"][..],
        ),
        (
            "read",
            &[
                "--no-dedup",
                "--threads",
                "--memory",
                "--format",
                "--fail-on",
                "--case-key",
                "--tcp-timeout",
                "Examples",
            ],
        ),
        ("listen", &["--interface", "--rotate", "--rotate-size", "--snaplen", "--duration", "permission", "SIGTERM"]),
        ("read", &["--suppress", "--signatures"]),
        ("listen", &["--suppress", "--signatures"]),
        ("suppress", &["--suppress", "--none", "--fail-on", "--format", "until", "Exit codes"]),
        ("explain", &["RULE_ID", "--signatures", "--format"]),
        ("protocols", &["--format"]),
        ("signatures", &["check", "list"]),
        ("schema", &["--format"]),
        ("completions", &["bash", "zsh", "fish"]),
    ] {
        let run = overhear([subcommand, "--help"]).ends_with(exit::COMPLETE);
        for part in parts {
            assert!(run.stdout.contains(part), "{subcommand}: {part}");
        }
    }
    let version = overhear(["--version"]).ends_with(exit::COMPLETE).stdout;
    assert_eq!(version.trim(), format!("overhear {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_of_reading_and_listening_tells_the_exit_codes() {
    for subcommand in ["read", "listen"] {
        let run = overhear([subcommand, "--help"]).ends_with(exit::COMPLETE);
        assert!(run.stdout.contains("Exit codes"), "{subcommand} --help does not tell the exit codes");
    }
}

#[test]
fn bad_usage_ends_with_2_and_says_why() {
    let (_temp, out) = scratch();
    let out = out.display().to_string();
    let sample = samples_folder().join("web.pcap.gz").display().to_string();
    for (args, says) in [
        (vec![], "Usage"),
        (vec!["nonsense"], "nonsense"),
        (vec!["read"], "CAPTURE"),
        (vec!["read", &sample], "--out"),
        (vec!["read", "-o", &out], "CAPTURE"),
        (vec!["read", &sample, "-o", &out, "--threads", "0"], "0"),
        (vec!["read", &sample, "-o", &out, "--threads", "x"], "x"),
        (vec!["read", &sample, "-o", &out, "--memory", "lots"], "lots"),
        (vec!["read", &sample, "-o", &out, "--memory", "2M"], "256 MiB"),
        (vec!["read", &sample, "-o", &out, "--home-net", "10.0.0.0/99"], "10.0.0.0/99"),
        (vec!["read", &sample, "-o", &out, "--fail-on", "terrible"], "terrible"),
        (vec!["read", &sample, "-o", &out, "--format", "xml"], "xml"),
        (vec!["read", &sample, "-o", &out, "--case-key", "/nowhere"], "/nowhere"),
        (vec!["read", &sample, "-o", &out, "--expect", "/nowhere"], "/nowhere"),
        (vec!["read", &sample, "-o", &out, "--suppress", "/nowhere"], "/nowhere: cannot open"),
        (vec!["read", &sample, "-o", &out, "--signatures", "/nowhere"], "/nowhere: cannot list"),
        (vec!["suppress", &out, "--none"], "no such folder"),
        (vec!["suppress", &out], "--suppress"),
        (vec!["suppress", &out, "--none", "--suppress", "x"], "cannot be used with"),
        (vec!["explain"], "RULE_ID"),
        (vec!["explain", "telent-in-use"], "did you mean telnet-in-use?"),
        (vec!["explain", "quite-something-else"], "overhear signatures list"),
        (vec!["signatures"], "Usage"),
        (vec!["signatures", "list", "--signatures", "/nowhere"], "/nowhere: cannot list"),
        (vec!["read", &sample, "-o", &out, "--filter", "no such filter"], "filter"),
        (vec!["listen", "-o", &out], "--interface"),
        (vec!["schema", "nonsense"], "nonsense"),
        (vec!["completions", "nonsense"], "nonsense"),
    ] {
        let run = overhear(&args).ends_with(exit::USAGE);
        assert!(run.stderr.contains(says), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{args:?}: {}", run.stdout);
        assert!(!Path::new(&out).exists(), "{args:?} wrote something");
    }
}

#[test]
fn nothing_to_read_ends_with_3() {
    let (temp, out) = scratch();
    let empty = temp.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    overhear(["read".as_ref(), empty.as_os_str(), "-o".as_ref(), out.as_os_str()]).ends_with(exit::NO_INPUT);
    overhear(["read".as_ref(), "/nowhere/*.pcap".as_ref(), "-o".as_ref(), out.as_os_str()]).ends_with(exit::NO_INPUT);
    assert!(!out.exists());
}

#[test]
fn the_schema_is_what_is_written_column_by_column() {
    let (_temp, out) = scratch();
    read(["."], &out).ends_with(exit::COMPLETE);
    let written = tables(&out);
    let promised: Vec<Value> =
        serde_json::from_str(&overhear(["schema", "--format", "json"]).ends_with(exit::COMPLETE).stdout).expect("JSON");
    let names: BTreeSet<String> = promised.iter().map(|t| t["table"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names, written.keys().cloned().collect(), "tables");
    let text = overhear(["schema"]).ends_with(exit::COMPLETE).stdout;
    for table in &promised {
        let name = table["table"].as_str().expect("a name");
        let cells = |c: &Value| {
            (c["name"].as_str().expect("a name").to_owned(), c["type"].as_str().expect("a type").to_owned())
        };
        let columns: Vec<_> = table["columns"].as_array().expect("columns").iter().map(cells).collect();
        let found: Vec<_> = written[name].columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect();
        assert_eq!(columns, found, "{name}");
        for column in table["columns"].as_array().expect("columns") {
            let meaning = column["meaning"].as_str().expect("a meaning");
            assert!(meaning.len() > 3, "{name}.{} has no meaning", column["name"]);
            assert!(text.contains(meaning), "the text leaves out {name}.{}", column["name"]);
        }
        assert!(table["meaning"].as_str().expect("a meaning").len() > 10, "{name}");
    }
    let one = overhear(["schema", "dns"]).ends_with(exit::COMPLETE).stdout;
    assert!(one.starts_with("dns\n") && !one.contains("\nflows\n"));
}

#[test]
fn others_rely_on_these_columns() {
    // The names that are promised to other tools: more may come, these stay, in any order.
    const FLOW: &[&str] = &["flow_id", "capture", "ts", "packet", "orig_ip", "orig_port", "resp_ip", "resp_port"];
    let promised: &[(&str, &[&[&str]])] = &[
        (
            "flows",
            &[&[
                "flow_id",
                "community_id",
                "capture",
                "ts_start",
                "ts_end",
                "ts_start_ns",
                "duration_us",
                "ip_version",
                "proto",
                "orig_ip",
                "orig_port",
                "resp_ip",
                "resp_port",
                "orig_mac",
                "resp_mac",
                "vlans",
                "tunnels",
                "service",
                "service_source",
                "orig_pkts",
                "resp_pkts",
                "orig_bytes",
                "resp_bytes",
                "orig_ip_bytes",
                "resp_ip_bytes",
                "conn_state",
                "history",
                "missed_bytes",
                "retransmitted_pkts",
                "rtt_us",
                "direction",
                "server_name",
                "server_name_source",
                "end_reason",
                "first_packet",
                "last_packet",
            ]],
        ),
        (
            "tls",
            &[
                FLOW,
                &[
                    "transport",
                    "version",
                    "client_version",
                    "server_name",
                    "alpn",
                    "cipher",
                    "curve",
                    "ja3",
                    "ja3s",
                    "ja4",
                    "ja3_raw",
                    "ja4_raw",
                    "client_label",
                    "resumed",
                    "established",
                    "certificate_sha256",
                ],
            ],
        ),
        ("dns", &[FLOW]),
        ("http", &[FLOW]),
        ("dhcp", &[FLOW]),
        (
            "credentials",
            &[
                FLOW,
                &[
                    "protocol",
                    "mechanism",
                    "username",
                    "secret",
                    "secret_kind",
                    "secret_length",
                    "secret_hmac",
                    "is_default",
                    "success",
                ],
            ],
        ),
        (
            "devices",
            &[&[
                "device_id",
                "mac",
                "ips",
                "hostnames",
                "vendor",
                "class",
                "model",
                "firmware",
                "os",
                "confidence",
                "claims",
                "conflicts",
                "first_seen",
                "last_seen",
                "findings_critical",
                "findings_high",
                "findings_medium",
                "findings_low",
                "findings_info",
                "capture",
                "roles",
                "site",
                "owner",
                "note",
                "ips_first_seen",
                "ips_last_seen",
            ]],
        ),
        (
            "device_services",
            &[&[
                "device_id",
                "device_mac",
                "device_ip",
                "role",
                "protocol",
                "port",
                "service",
                "service_source",
                "inner_service",
                "banner",
                "first_seen",
                "last_seen",
                "flows",
                "answered_flows",
                "encrypted_flows",
                "decrypted_flows",
                "bytes_sent",
                "bytes_received",
                "peers",
                "capture",
            ]],
        ),
        (
            "device_peers",
            &[&[
                "device_id",
                "device_mac",
                "device_ip",
                "peer_device_id",
                "peer_ip",
                "peer_name",
                "peer_scope",
                "role",
                "services",
                "flows",
                "answered_flows",
                "bytes_sent",
                "bytes_received",
                "first_seen",
                "last_seen",
                "capture",
            ]],
        ),
        (
            "findings",
            &[&[
                "finding_id",
                "rule_id",
                "category",
                "severity",
                "confidence",
                "title",
                "description",
                "remedy",
                "device_id",
                "device_ip",
                "device_mac",
                "device_class",
                "peer_ip",
                "peer_port",
                "peer_name",
                "peer_scope",
                "service",
                "ts_first",
                "ts_last",
                "count",
                "flow_ids",
                "capture",
                "packets",
                "evidence",
                "controls",
            ]],
        ),
        (
            "capture_stats",
            &[&[
                "link_type",
                "packets",
                "bytes",
                "ts_first",
                "ts_last",
                "truncated",
                "duplicates",
                "kernel_drops",
                "one_way_share",
                "estimated_loss",
            ]],
        ),
    ];
    let json = overhear(["schema", "--format", "json"]).ends_with(exit::COMPLETE).stdout;
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    let columns: BTreeMap<_, BTreeSet<_>> = all
        .iter()
        .map(|t| {
            let names = t["columns"].as_array().expect("columns").iter().map(|c| c["name"].as_str().expect("a name"));
            (t["table"].as_str().expect("a name"), names.collect())
        })
        .collect();
    for (table, lists) in promised {
        let there = columns.get(table).unwrap_or_else(|| panic!("table {table} is gone"));
        for column in lists.iter().flat_map(|l| l.iter()) {
            assert!(there.contains(column), "{table}.{column} is gone");
        }
    }
}

#[test]
fn completions_and_the_man_page_come_from_the_same_definition() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = overhear(["completions", shell]).ends_with(exit::COMPLETE);
        for part in ["read", "listen", "reveal-secrets", "fail-on"] {
            assert!(run.stdout.contains(part), "{shell}: {part}");
        }
    }
    let man = overhear(["man"]).ends_with(exit::COMPLETE).stdout;
    for part in [".TH", "overhear", "reveal", "separate", "rotate", "Exit codes"] {
        assert!(man.contains(part), "{part}");
    }
}

#[test]
fn the_summary_says_what_is_in_the_tables() {
    let (_temp, out) = scratch();
    let run = read(["."], &out).ends_with(exit::COMPLETE);
    for part in [
        "Inputs",
        "Packets",
        "Flows",
        "Devices",
        "Services",
        "Findings",
        "Completeness",
        "Tables",
        "duckdb -c",
        &out.display().to_string(),
        "Password sent in clear",
    ] {
        assert!(run.stdout.contains(part), "{part} is not in the summary:\n{}", run.stdout);
    }
    assert!(run.stderr.is_empty(), "silent in a pipe: {}", run.stderr);
    assert!(!run.stdout.contains('\x1b') && !run.stdout.contains('\r'), "no terminal codes in a pipe");
    assert!(run.stdout.lines().all(|l| l.chars().count() <= 160), "lines fit");
}

#[test]
fn json_on_standard_output_is_run_json() {
    let (_temp, out) = scratch();
    let run = read(["web.pcap.gz", "telnet-printer.pcap", "--format", "json"], &out).ends_with(exit::COMPLETE);
    let printed: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(printed, document(&out));
    // Where nothing could be read there are no tables, and still a document.
    let (_temp, out) = scratch();
    let run = read(["README.md", "--format", "json"], &out).ends_with(exit::NO_INPUT);
    let printed: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(printed["exit_code"], 3);
    assert_eq!(printed["inputs"][0]["outcome"], "not-a-capture");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn run_json_tells_what_was_read_and_what_came_of_it() {
    let (_temp, out) = scratch();
    let inputs = ["telnet-printer.pcap", "two-links.pcapng", "web.pcap.gz", "calendar.pcap.zst"];
    read(inputs, &out).ends_with(exit::COMPLETE);
    let run = document(&out);
    assert_eq!(run["tool"], "overhear");
    assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run["schema_version"], 1);
    assert_eq!(run["exit_code"], 0);
    assert_eq!(run["secrets_revealed"], false);
    assert_eq!(run["warnings"], Value::Array(Vec::new()));
    assert!(run["command_line"].as_array().expect("words").iter().any(|w| w == "web.pcap.gz"));
    for key in ["signatures_sha256", "vendors_sha256"] {
        assert_eq!(run[key].as_str().map(str::len), Some(64), "{key}");
    }
    let lines = run["inputs"].as_array().expect("inputs");
    assert_eq!(lines.len(), inputs.len());
    for line in lines {
        let name = line["path"].as_str().expect("a path");
        let bytes = sample(name);
        assert_eq!(line["sha256"].as_str(), Some(sha256(&bytes).as_str()), "{name}");
        assert_eq!(line["size"], bytes.len(), "{name}");
        assert_eq!(line["outcome"], "complete", "{name}");
        let (format, compression) = match name {
            "two-links.pcapng" => ("pcapng", "none"),
            "web.pcap.gz" => ("pcap", "gzip"),
            "calendar.pcap.zst" => ("pcap", "zstd"),
            _ => ("pcap", "none"),
        };
        assert_eq!(line["format"], format, "{name}");
        assert!(line["compression"].as_str().is_some_and(|c| compression.starts_with(c)), "{name}: {line}");
        assert!(line["ts_first"].as_str() <= line["ts_last"].as_str(), "{name}");
    }
    let links: BTreeSet<_> =
        lines.iter().filter(|l| l["path"] == "two-links.pcapng").map(|l| l["link_types"].to_string()).collect();
    assert_eq!(links, BTreeSet::from(["[1,276]".to_owned()]));
    let all = tables(&out);
    let counted: BTreeMap<String, u64> = serde_json::from_value(run["tables"].clone()).expect("numbers");
    assert_eq!(counted, all.iter().map(|(name, t)| (name.clone(), t.rows.len() as u64)).collect());
    assert_eq!(run["flows"], all["flows"].rows.len());
    assert_eq!(run["devices"], all["devices"].rows.len());
    let severities: BTreeMap<String, usize> = serde_json::from_value(run["findings"].clone()).expect("numbers");
    for (severity, count) in severities {
        assert_eq!(all["findings"].column("severity").iter().filter(|s| **s == severity).count(), count, "{severity}");
    }
    // And the same hashes in each file's own metadata.
    let files: Vec<_> =
        common::files_below(&out).into_iter().filter(|f| f.extension().is_some_and(|e| e == "parquet")).collect();
    for file in files {
        let metadata = common::metadata(&file);
        assert_eq!(metadata["overhear.schema_version"], "1");
        assert_eq!(metadata["overhear.version"], env!("CARGO_PKG_VERSION"));
        for name in inputs {
            assert_eq!(metadata[&format!("overhear.input.sha256:{name}")], sha256(&sample(name)), "{}", file.display());
        }
    }
}

#[test]
fn without_hashes_there_are_none() {
    let (_temp, out) = scratch();
    read(["web.pcap.gz", "--no-hash"], &out).ends_with(exit::COMPLETE);
    assert_eq!(document(&out)["inputs"][0]["sha256"], Value::Null);
}

#[test]
fn findings_as_json_lines_are_the_findings_table() {
    for more in ["", "--separate"] {
        let (_temp, out) = scratch();
        let args: Vec<&str> = [".", more].into_iter().filter(|a| !a.is_empty()).collect();
        read(args, &out).ends_with(exit::COMPLETE);
        let findings = table(&out, "findings");
        assert!(findings.rows.len() > 10);
        let text = fs::read_to_string(out.join("findings.jsonl")).expect("findings.jsonl");
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("each line is JSON")).collect();
        assert_eq!(lines.len(), findings.rows.len());
        for (line, row) in lines.iter().zip(&findings.rows) {
            for (column, cell) in findings.columns.iter().zip(row) {
                let value = line.get(&column.name).unwrap_or_else(|| panic!("{} is missing: {line}", column.name));
                let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                let text = match value {
                    Value::Null => None,
                    Value::Array(items) => Some(items.iter().map(plain).collect::<Vec<_>>().join("|")),
                    // Times are for people here; they begin with the year.
                    Value::String(time) if column.ty.starts_with("timestamp") => {
                        assert!(time.starts_with("2026-11-") && time.ends_with('Z'), "{time}");
                        cell.clone()
                    }
                    // A number may be written in more than one way.
                    Value::Number(n) if column.ty == "float64" => {
                        let same = n.as_f64() == cell.as_ref().and_then(|c| c.parse().ok());
                        assert!(same, "{}: {n} and {cell:?}", column.name);
                        cell.clone()
                    }
                    other => Some(plain(other)),
                };
                assert_eq!(text, *cell, "{}{more}", column.name);
            }
        }
    }
}

#[test]
fn findings_can_make_the_run_fail() {
    for (level, code) in [("info", exit::FINDINGS), ("high", exit::FINDINGS), ("critical", exit::COMPLETE)] {
        let (_temp, out) = scratch();
        read(["telnet-printer.pcap", "--fail-on", level], &out).ends_with(code);
        assert_eq!(document(&out)["exit_code"], code);
        assert_eq!(table(&out, "findings").rows.len(), 2);
    }
    let (_temp, out) = scratch();
    read(["dhcp-staff.pcap", "--fail-on", "info"], &out).ends_with(exit::COMPLETE);
}

#[test]
fn what_is_inside_and_what_is_expected_can_be_told() {
    let (temp, out) = scratch();
    read(["printer-calls-home.pcap", "--home-net", "192.0.2.0/24"], &out).ends_with(exit::COMPLETE);
    assert!(table(&out, "flows").column("direction").iter().all(|d| d == "transit"));
    let expect = temp.path().join("expect.toml");
    fs::write(&expect, "[[expect]]\nnetwork = \"192.168.50.0/24\"\nnames = [\"*.printer-update.example\"]\n")
        .expect("a file");
    let out = temp.path().join("expected");
    read(["printer-calls-home.pcap".as_ref(), "--expect".as_ref(), expect.as_os_str()], &out).ends_with(exit::COMPLETE);
    let findings = table(&out, "findings").pick(&["rule_id", "peer_ip"]);
    let unexpected: BTreeSet<_> =
        findings.iter().filter(|f| f[0].contains("unexpected")).map(|f| f[1].as_str()).collect();
    assert!(unexpected.contains("203.0.113.77"), "{findings:?}");
    assert!(!unexpected.contains("203.0.113.10") && !unexpected.contains("203.0.113.11"), "{findings:?}");
}

/// Starts reading standard input, writes a sample and leaves the pipe open.
fn reading(out: &Path, name: &str) -> Child {
    let mut command = common::command();
    command.args(["read", "-", "--threads", "2", "-o"]).arg(out);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let input = child.stdin.as_mut().expect("a pipe");
    input.write_all(&sample(name)).expect("written");
    input.flush().expect("flushed");
    // The output folder is claimed once the run is under way; a moment more for the packets.
    let begun = Instant::now();
    while !out.exists() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(out.exists(), "the run did not begin");
    std::thread::sleep(Duration::from_millis(500));
    child
}

fn signal(child: &Child, number: i32) {
    // SAFETY: plain system call with the id of a child that was not waited for.
    let done = unsafe { libc::kill(child.id() as libc::pid_t, number) };
    assert_eq!(done, 0);
}

/// Waits for the end, but not for ever: the id is that of our own child.
fn end(mut child: Child, input: Option<std::process::ChildStdin>) -> Run {
    let begun = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if begun.elapsed() > Duration::from_secs(10) {
            child.kill().expect("it can be stopped");
            drop(input);
            panic!("a signal did not end the run: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(input);
    Run::of(child.wait_with_output().expect("an end"))
}

#[test]
fn one_interrupt_finishes_with_what_was_read() {
    for number in [libc::SIGINT, libc::SIGTERM] {
        let (_temp, out) = scratch();
        let mut child = reading(&out, "telnet-printer.pcap");
        let input = child.stdin.take();
        signal(&child, number);
        let run = end(child, input).ends_with(exit::PARTIAL);
        assert_eq!(document(&out)["inputs"][0]["outcome"], "interrupted", "{}", run.stderr);
        assert_eq!(document(&out)["packets"], 183, "what was read is in the tables");
        assert_eq!(table(&out, "credentials").rows.len(), 2);
        assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
        assert!(!names_below(&out).iter().any(|n| n.starts_with('.')), "a staging folder was left behind");
    }
}

#[test]
fn two_interrupts_stop_at_once_and_leave_nothing() {
    let (temp, out) = scratch();
    let mut child = reading(&out, "telnet-printer.pcap");
    let input = child.stdin.take();
    signal(&child, libc::SIGINT);
    signal(&child, libc::SIGINT);
    // Two signals of one kind may be merged to one before they are seen: until the end, once more.
    let begun = Instant::now();
    while child.try_wait().expect("a child").is_none() && begun.elapsed() < Duration::from_secs(10) {
        signal(&child, libc::SIGTERM);
        std::thread::sleep(Duration::from_millis(1));
    }
    let run = end(child, input);
    if run.code == Some(exit::PARTIAL) {
        // The first one was enough, as the second came too late: everything is there.
        assert_eq!(document(&out)["packets"], 183);
        return;
    }
    assert_eq!(run.code, Some(exit::FAILED), "{run:?}");
    assert!(run.stderr.contains("nothing was written"), "{}", run.stderr);
    assert!(!out.exists() && names_below(temp.path()).is_empty(), "{:?}", names_below(temp.path()));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        common::command().arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    Run::of(child.wait_with_output().expect("an end")).ends_with(exit::COMPLETE);
    assert_eq!(line, "flows\n");
}

#[test]
fn a_small_capture_is_quick() {
    // What is compiled in costs nothing to load; five runs, so that a busy machine does not matter.
    // An unoptimised program gets more time.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 50 });
    let best = (0..5)
        .map(|_| {
            let (_temp, out) = scratch();
            let begun = Instant::now();
            read(["llmnr-office.pcap"], &out).ends_with(exit::COMPLETE);
            begun.elapsed()
        })
        .min()
        .expect("five runs");
    assert!(best < limit, "{PROGRAM} took {best:?}");
}

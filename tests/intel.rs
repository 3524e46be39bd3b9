//! Lists of indicators on the command line: what is found, what stands in `run.json`, and what is wrong.

mod common;

use std::fs;
use std::path::Path;

use common::{document, exit, overhear, read, samples_folder, scratch, table};

const LIST: &str = "\
# of own making
203.0.113.77                    where the printer calls
203.0.113.96/28
192.168.50.23                   inside, and so of no interest
printer-update.example          updates
78f0dc5ac5b19daf131a133cfdee9691
t13i291200_723694b0fccc_2cc26d266019
a2b630e9e4b029ff0f9669ba39598e7261239518eae7374511468d10d85d74e0
not a domain
";

fn args(lists: &[&Path], more: &[&str]) -> Vec<String> {
    let mut args = vec![samples_folder().display().to_string()];
    for list in lists {
        args.extend(["--intel".to_owned(), list.display().to_string()]);
    }
    args.extend(more.iter().map(|s| (*s).to_owned()));
    args
}

/// Rule, device, peer, name of the peer and evidence of what the lists found.
fn found(out: &Path) -> Vec<Vec<String>> {
    let findings = table(out, "findings");
    let rows = findings.pick(&["rule_id", "device_ip", "peer_ip", "count", "evidence"]);
    let mut rows: Vec<_> = rows.into_iter().filter(|row| row[0].starts_with("intel-")).collect();
    rows.sort();
    rows
}

#[test]
fn what_is_on_a_list_is_a_finding_that_names_list_and_entry() {
    let (folder, out) = scratch();
    let list = folder.path().join("own.txt");
    fs::write(&list, LIST).expect("a file");
    let run = read(args(&[&list], &["--threads", "2"]), &out);
    assert!(matches!(run.code, Some(exit::COMPLETE | exit::PARTIAL)), "{}", run.stderr);
    run.says(&["own.txt:9: a name of one label would be all names below it"]);
    let rows = found(&out);
    let has = |rule: &str, device: &str, peer: &str, evidence: &str| {
        let fits =
            |row: &Vec<String>| row[0] == rule && row[1] == device && row[2] == peer && row[4].contains(evidence);
        assert!(rows.iter().any(fits), "{rule} {device} {peer} {evidence}: {rows:#?}");
    };
    let printer = "192.168.50.21";
    has("intel-ip", printer, "203.0.113.77", "is on own.txt (where the printer calls)");
    has("intel-ip", printer, "203.0.113.99", "lies in 203.0.113.96/28, which is on own.txt: 0 bytes out");
    has("intel-domain", printer, "203.0.113.11", "TLS server name telemetry.printer-update.example lies below");
    has("intel-domain", printer, "203.0.113.10", "HTTP host fw.printer-update.example");
    has("intel-domain", "192.168.40.101", "", "DNS question for fw.printer-update.example");
    has("intel-ja3", printer, "203.0.113.77", "JA3 78f0dc5ac5b19daf131a133cfdee9691 is on own.txt");
    has("intel-ja4", "192.168.40.101", "192.168.40.61", "JA4 t13i291200");
    has("intel-certificate", printer, "203.0.113.11", "certificate of 203.0.113.11 with SHA-256 a2b630");
    assert!(!rows.iter().any(|row| row[0] == "intel-ip" && row[2].starts_with("192.168.")), "{rows:#?}");
    let run = document(&out);
    let report = &run["intel"][0];
    assert_eq!(report["entries"]["domain"], 1, "{report}");
    assert_eq!((&report["refused"], &report["format"]), (&1.into(), &"lines".into()));
    assert_eq!(report["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(run["options"]["intel"], list.display().to_string());

    // The same for any number of threads.
    let again = folder.path().join("again");
    read(args(&[&list], &["--threads", "1"]), &again);
    assert_eq!(found(&again), rows);

    // Silenced like any other.
    let accepted = folder.path().join("accepted.toml");
    fs::write(&accepted, "[[suppress]]\nrule = \"intel-*\"\nreason = \"a drill\"\n").expect("a file");
    let accepted = accepted.display().to_string();
    overhear(["suppress", &out.display().to_string(), "--suppress", &accepted]);
    let all = table(&out, "findings").pick(&["rule_id", "suppressed"]);
    assert!(all.iter().filter(|row| row[0].starts_with("intel-")).all(|row| row[1] == "a drill"));
    assert_eq!(document(&out)["intel"], run["intel"], "the report stays");
}

#[test]
fn lists_of_all_formats_load_together_and_find_nothing_where_nothing_is() {
    let (_folder, out) = scratch();
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/intel");
    let run = read(args(&[&lists], &[]), &out);
    assert!(matches!(run.code, Some(exit::COMPLETE | exit::PARTIAL)), "{}", run.stderr);
    let formats: Vec<_> =
        document(&out)["intel"].as_array().into_iter().flatten().map(|l| l["format"].clone()).collect();
    assert_eq!(formats, ["lines", "misp", "lines", "lines", "lines", "stix", "lines"]);
    // The samples' servers outside are in a network that one of these lists has.
    assert!(found(&out).iter().all(|row| row[0] == "intel-ip" && row[4].contains("203.0.113.")), "{:#?}", found(&out));
}

#[test]
fn an_indicator_counts_in_its_own_time_only() {
    let (folder, out) = scratch();
    let indicator = |name: &str, compared: &str, from: &str, until: &str| {
        format!(
            r#"{{"type": "indicator", "name": "{name}", "pattern": "[{compared}]",
            "valid_from": "{from}", "valid_until": "{until}"}}"#
        )
    };
    let objects = [
        indicator("ended", "ipv4-addr:value = '203.0.113.77'", "2009-01-01T00:00:00Z", "2010-01-01T00:00:00Z"),
        indicator(
            "ended",
            "domain-name:value = 'printer-update.example'",
            "2009-01-01T00:00:00Z",
            "2010-01-01T00:00:00Z",
        ),
        indicator(
            "holds",
            "domain-name:value = 'fw.printer-update.example'",
            "2009-01-01T00:00:00Z",
            "2200-01-01T00:00:00Z",
        ),
        indicator("to come", "ipv4-addr:value = '203.0.113.10'", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        indicator("holds", "ipv4-addr:value = '203.0.113.11'", "2009-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ];
    let list = folder.path().join("stix.json");
    fs::write(&list, format!(r#"{{"type": "bundle", "objects": [{}]}}"#, objects.join(","))).expect("a file");
    read(args(&[&list], &[]), &out);
    let rows = found(&out);
    assert!(rows.iter().all(|row| row[4].contains("stix.json (holds)")), "{rows:#?}");
    for rule in ["intel-ip", "intel-domain"] {
        assert!(rows.iter().any(|row| row[0] == rule), "{rule}: {rows:#?}");
    }
    let report = &document(&out)["intel"][0];
    assert_eq!((&report["timed"], &report["entries"]["address"]), (&5.into(), &3.into()), "{report}");
}

#[test]
fn a_list_that_cannot_be_read_stops_the_run_before_it_begins() {
    let (folder, out) = scratch();
    let gone = folder.path().join("gone.csv");
    read(args(&[&gone], &[]), &out).ends_with(exit::USAGE).says(&["gone.csv: cannot read:"]);
    assert!(!out.exists());
}

//! Rules and lists on the command line: checking, listing, explaining, replacing; and the protocols.

mod common;

use std::fs;
use std::path::Path;

use common::{document, exit, overhear, read, samples_folder, scratch, table};
use serde_json::Value;

const HEADER: &str = "schema = 1\nversion = \"2999.1\"\ndate = \"2026-11-23\"\nsource = \"s\"\nlicence = \"MIT\"\n";

fn rule(id: &str, more: &str) -> String {
    format!(
        "{HEADER}[[rule]]\nid = \"{id}\"\ntitle = \"My own title\"\ncategory = \"insecure-protocol\"\n\
         severity = \"critical\"\nconfidence = 0.5\ndescription = \"d\"\nexplanation = \"e\"\nremedy = \"r\"\n\
         controls = [\"MINE:1\"]\n{more}"
    )
}

fn controls(row: &str) -> String {
    let header = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";
    format!("{header}control\ttitle\n{row}\n")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let temp = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    temp
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn explaining_a_rule_gives_the_golden_text() {
    let now = overhear(["explain", "telnet-in-use"]).ends_with(exit::COMPLETE).stdout;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts/explain-telnet-in-use.txt");
    if std::env::var_os("OVERHEAR_BLESS").is_some() {
        fs::write(&path, &now).expect("a golden file");
    }
    assert_eq!(now, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
    for part in ["What it means", "How it is found, and what could fool it", "What to do", "Controls"] {
        assert!(now.contains(part), "{part}");
    }
}

#[test]
fn explaining_as_json_has_every_part_and_every_rule_can_be_explained() {
    let list = overhear(["signatures", "list", "--format", "json"]).ends_with(exit::COMPLETE).stdout;
    let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
    assert!(list.len() >= 15);
    let plain = overhear(["signatures", "list"]).ends_with(exit::COMPLETE).stdout;
    assert_eq!(plain.lines().count(), list.len());
    for (rule, line) in list.iter().zip(plain.lines()) {
        let id = rule["rule_id"].as_str().expect("an id");
        for key in ["rule_id", "severity", "category", "title"] {
            assert!(line.contains(rule[key].as_str().expect("text")), "{line}");
        }
        let run = overhear(["explain", id, "--format", "json"]).ends_with(exit::COMPLETE);
        let explained: Value = serde_json::from_str(&run.stdout).expect("JSON");
        for key in ["title", "severity", "category", "description", "explanation", "remedy"] {
            assert!(explained[key].as_str().is_some_and(|t| !t.is_empty()), "{id}: {key}");
        }
        for control in explained["controls"].as_array().expect("controls") {
            assert!(control["title"].as_str().is_some_and(|t| !t.is_empty()), "{id}: {control}");
        }
    }
}

#[test]
fn checking_tells_file_line_and_reason_of_everything() {
    let good = overhear(["signatures", "check"]).ends_with(exit::COMPLETE).stdout;
    for part in ["Version", "SHA-256", "Rules", "critical", "cleartext-credential", "Controls"] {
        assert!(good.contains(part), "{part}");
    }
    let temp = folder(&[
        ("a.toml", &rule("telnet-in-use", "").replace("0.5", "5.0")),
        ("rules/b.toml", &rule("no-such-rule", "colour = \"red\"\n")),
        ("lists/controls.tsv", &controls("MINE:1")),
        ("unknown.tsv", ""),
    ]);
    let run = overhear(["signatures", "check", &text(temp.path())]).ends_with(exit::USAGE);
    let lines: Vec<_> = run.stdout.lines().collect();
    let wanted =
        ["a.toml:11: confidence 5", "lists/controls.tsv:7: 1 cells", "rules/b.toml:16: ", "unknown.tsv: no list"];
    assert_eq!(lines.len(), wanted.len(), "{lines:?}");
    for (line, says) in lines.iter().zip(wanted) {
        assert!(line.starts_with(&text(temp.path())) && line.contains(says), "{says} is not in {line}");
    }
    assert!(run.stderr.contains("4 things are wrong"), "{}", run.stderr);
    let empty = folder(&[]);
    let run = overhear(["signatures", "check", &text(empty.path())]).ends_with(exit::USAGE);
    assert!(run.stdout.contains("no *.toml"), "{}", run.stdout);
    let fine = folder(&[("a.toml", &rule("telnet-in-use", "enabled = false\n"))]);
    let run = overhear(["signatures", "check", &text(fine.path())]).ends_with(exit::COMPLETE);
    assert!(run.stdout.contains("2999.1") && run.stdout.contains("1 switched off"), "{}", run.stdout);
}

#[test]
fn a_users_rules_are_in_force_and_recorded() {
    let sample = text(&samples_folder().join("telnet-printer.pcap"));
    let (_plain, out) = scratch();
    read([&sample], &out).ends_with(exit::COMPLETE);
    let (before, built_in) = (document(&out), table(&out, "findings"));
    assert!(built_in.column("rule_id").contains(&"telnet-in-use".to_owned()));

    let temp =
        folder(&[("rules/a.toml", &rule("telnet-in-use", "")), ("lists/controls.tsv", &controls("MINE:1\tmine"))]);
    let dir = text(temp.path());
    let (_changed, out) = scratch();
    read([&sample, "--signatures", &dir, "--fail-on", "critical"], &out).ends_with(exit::FINDINGS);
    let rows = table(&out, "findings").pick(&["rule_id", "severity", "title"]);
    assert!(rows.contains(&["telnet-in-use", "critical", "My own title"].map(str::to_owned).to_vec()), "{rows:?}");
    let run = document(&out);
    assert_eq!(run["signatures_version"], "2999.1");
    assert_eq!(run["options"]["signatures"], dir.as_str());
    assert_ne!(run["signatures_sha256"], before["signatures_sha256"]);
    let check = overhear(["signatures", "check", &dir]).ends_with(exit::COMPLETE).stdout;
    assert!(check.contains(run["signatures_sha256"].as_str().expect("a hash")), "{check}");
    let explained = overhear(["explain", "telnet-in-use", "--signatures", &dir]).ends_with(exit::COMPLETE).stdout;
    assert!(explained.contains("My own title") && explained.contains("MINE:1  mine"), "{explained}");

    let off = folder(&[("a.toml", &rule("telnet-in-use", "enabled = false\n"))]);
    let (_off, out) = scratch();
    read([&sample, "--signatures", &text(off.path())], &out).ends_with(exit::COMPLETE);
    let left = table(&out, "findings");
    assert!(!left.column("rule_id").contains(&"telnet-in-use".to_owned()));
    assert!(left.rows.len() < built_in.rows.len());

    let broken = folder(&[("a.toml", &rule("telnet-in-use", "").replace("critical", "awful"))]);
    let (_broken, out) = scratch();
    let run = read([&sample, "--signatures", &text(broken.path())], &out).ends_with(exit::USAGE);
    assert!(run.stderr.contains("a.toml:10: ") && !out.exists(), "{}", run.stderr);
}

#[test]
fn protocols_are_listed_with_what_they_yield() {
    let json = overhear(["protocols", "--format", "json"]).ends_with(exit::COMPLETE).stdout;
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    let plain = overhear(["protocols"]).ends_with(exit::COMPLETE).stdout;
    assert!(all.len() > 60);
    for protocol in &all {
        let name = protocol["name"].as_str().expect("a name");
        let title = protocol["title"].as_str().expect("a title");
        let line = plain.lines().find(|l| l.trim_start().starts_with(name) && l.contains(title));
        let line = line.unwrap_or_else(|| panic!("{name} is not in the text"));
        assert!(!protocol["reference"].as_str().expect("a reference").is_empty(), "{name}");
        assert!(!protocol["transports"].as_array().expect("transports").is_empty(), "{name}");
        if protocol["parsed"] == true {
            let yields = protocol["yields"].as_str().expect("what it yields");
            assert!(!yields.is_empty() && line.ends_with(yields), "{name}");
        }
    }
    let telnet = all.iter().find(|p| p["name"] == "telnet").expect("telnet");
    assert_eq!((&telnet["ports"][0], &telnet["table"]), (&Value::from(23), &Value::from("telnet")));
}

#[test]
fn fingerprints_of_recog_tell_devices_and_software() {
    let recog = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recog"));
    let sample = text(&samples_folder().join("http-basic-camera.pcap"));
    let cells = |out: &Path, name: &str, columns: &[&str]| table(out, name).pick(columns);
    let (_plain, without) = scratch();
    read([&sample], &without).ends_with(exit::COMPLETE);
    let (_recog, with) = scratch();
    read([&sample, "--recog", &recog], &with).ends_with(exit::COMPLETE);
    assert_eq!(document(&with)["options"]["recog"], recog.as_str());
    assert_eq!(document(&with)["options"]["recog_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(document(&without)["options"]["recog_sha256"], "");

    let models = |out: &Path| cells(out, "devices", &["model"]).concat();
    assert!(!models(&without).contains(&"Exacam".to_owned()));
    assert!(models(&with).contains(&"Exacam".to_owned()), "{:?}", models(&with));
    let claims = table(&with, "devices").column("claims").concat();
    assert!(claims.contains("http_servers.xml:4)"), "{claims}");
    let columns = ["product", "version", "cpe"];
    let software = cells(&with, "device_software", &columns);
    assert!(software.iter().any(|r| r[0] == "Sample-Cam" && r[1] == "9.80"), "{software:?}");
    assert_eq!(cells(&without, "findings", &["finding_id"]), cells(&with, "findings", &["finding_id"]));
}

#[test]
fn examples_of_recog_are_run_and_broken_files_told_by_line() {
    let recog = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recog"));
    let good = overhear(["signatures", "check", "--recog", &recog]).ends_with(exit::COMPLETE).stdout;
    assert!(good.lines().any(|l| l.split_whitespace().eq(["http_servers.xml", "2", "3", "3"])), "{good}");

    let wrong = "<fingerprints matches=\"ssh.banner\">\n<fingerprint pattern=\"^a(b)\">\n<example x.y=\"c\">ab</example>\n<example>d</example>\n<param pos=\"1\" name=\"x.y\"/></fingerprint></fingerprints>";
    let failing = folder(&[("ssh.xml", wrong)]);
    let run = overhear(["signatures", "check", "--recog", &text(failing.path())]).ends_with(exit::USAGE);
    for part in ["ssh.xml:3: x.y is \"b\" and not \"c\"", "ssh.xml:4: the example \"d\" is not hit"] {
        assert!(run.stdout.contains(part), "{part} is not in {}", run.stdout);
    }
    let broken = folder(&[("a.xml", "<fingerprints>\n<fingerprint pattern=\"(\"/>\n</fingerprints>")]);
    let sample = text(&samples_folder().join("http-basic-camera.pcap"));
    let (_broken, out) = scratch();
    let run = read([&sample, "--recog", &text(broken.path())], &out).ends_with(exit::USAGE);
    assert!(run.stderr.contains("a.xml:2: no regular expression") && !out.exists(), "{}", run.stderr);
    let run = overhear(["signatures", "check", "--recog", "/nowhere"]).ends_with(exit::USAGE);
    assert!(run.stdout.contains("/nowhere: cannot list"), "{}", run.stdout);
}

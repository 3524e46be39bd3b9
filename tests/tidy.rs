//! The architecture, held to by reading the sources: floors, clocks, panics, sizes.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The floors, lowest first. A folder imports only from lower floors.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["frame", "decode", "stream", "fingerprint", "signature", "record"],
    &["source", "flow", "proto", "sink"],
    &["device", "policy"],
    &["detect", "report"],
    &["pipeline"],
    &["cli"],
];
/// Imports within a floor that are allowed: importer, imported.
const SIDEWAYS: &[(&str, &str)] = &[("decode", "frame")];
/// Folders that read hostile bytes: nothing in them may stop the program.
const NEVER_PANIC: &[&str] = &["proto", "decode", "source", "stream", "flow"];
/// Folders that hold one protocol, tested as a whole.
const ONE_PROTOCOL: &[&str] = &["proto/tls", "proto/quic"];
/// Lines before its tests that a file may have.
const LINES_MAX: usize = 600;
/// Files that may be longer: how long, and why. They may not grow, and leave this list when they can.
const LONG: &[(&str, usize, &str)] =
    &[("flow/table.rs", 670, "admission, expiry and eviction change the same four structures in step")];

/// One source file, split into what runs and what tests it.
struct Source {
    /// Path below `src/`, with slashes.
    path: String,
    /// Lines that are compiled into the program, comments and texts blanked out; tests are empty lines.
    code: Vec<String>,
    /// Lines as they are, without the tests.
    plain: Vec<String>,
    has_tests: bool,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let blanked = blank(text);
        let mut code: Vec<String> = blanked.lines().map(Into::into).collect();
        let mut plain: Vec<String> = text.lines().map(Into::into).collect();
        plain.resize(code.len().max(plain.len()), String::new());
        code.resize(plain.len(), String::new());
        let mut has_tests = false;
        let mut at = 0;
        while at < code.len() {
            if !is_test_attribute(&code[at]) {
                at += 1;
                continue;
            }
            has_tests = true;
            let end = item_end(&code, at);
            for line in at..=end {
                code[line].clear();
                plain[line].clear();
            }
            at = end + 1;
        }
        Self { path: path.to_owned(), code, plain, has_tests }
    }

    /// The folder that the file belongs to; the file's own name for those on top.
    fn folder(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Lines before the tests.
    fn length(&self) -> usize {
        self.plain.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |last| last + 1)
    }

    /// Numbered lines of code that hold one of these.
    fn lines_with<'a>(&'a self, needles: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
        self.code.iter().enumerate().flat_map(move |(i, line)| {
            needles.iter().filter(|n| line.contains(**n)).map(move |n| format!("{}:{}: {n}", self.path, i + 1))
        })
    }
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(any(test")
}

/// Last line of the item that an attribute at a line belongs to: up to its closing brace, or to the
/// semicolon where it has no body.
fn item_end(code: &[String], start: usize) -> usize {
    let mut depth = 0usize;
    let mut opened = false;
    for (i, line) in code.iter().enumerate().skip(start) {
        let text = if i == start { line.split_once(']').map_or("", |(_, rest)| rest) } else { line.as_str() };
        for c in text.chars() {
            match c {
                '{' => {
                    depth += 1;
                    opened = true;
                }
                '}' => depth = depth.saturating_sub(1),
                ';' if depth == 0 && !opened => return i,
                _ => {}
            }
            if opened && depth == 0 {
                return i;
            }
        }
    }
    code.len() - 1
}

/// Source text with comments, texts and characters blanked, so that only code is left to search in.
/// Line breaks stay where they are.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let wipe = |out: &mut Vec<u8>, from: usize, to: usize| {
        for b in out.iter_mut().take(to.min(bytes.len())).skip(from).filter(|b| **b != b'\n') {
            *b = b' ';
        }
    };
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        match at(i) {
            b'/' if at(i + 1) == b'/' => {
                while i < bytes.len() && at(i) != b'\n' {
                    i += 1;
                }
                wipe(&mut out, start, i);
            }
            b'/' if at(i + 1) == b'*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        (b'/', b'*') => (depth, i) = (depth + 1, i + 2),
                        (b'*', b'/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= bytes.len() {
                        break;
                    }
                }
                wipe(&mut out, start, i);
            }
            b'r' if (at(i + 1) == b'"' || at(i + 1) == b'#') && !is_word(i.checked_sub(1).map_or(0, at), at(i)) => {
                let hashes = (i + 1..).take_while(|j| at(*j) == b'#').count();
                if at(i + 1 + hashes) != b'"' {
                    i += 1;
                    continue;
                }
                let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
                i += 2 + hashes;
                while i < bytes.len() && !bytes[i..].starts_with(&close) {
                    i += 1;
                }
                i += close.len();
                wipe(&mut out, start, i);
            }
            b'"' => {
                i += 1;
                while i < bytes.len() && at(i) != b'"' {
                    i += if at(i) == b'\\' { 2 } else { 1 };
                }
                i += 1;
                wipe(&mut out, start, i);
            }
            b'\'' => {
                // A character, not a lifetime: it closes after one character or an escape.
                let len = if at(i + 1) == b'\\' {
                    (i + 3..i + 12).find(|j| at(*j) == b'\'').map(|j| j + 1 - i)
                } else {
                    text[i + 1..].chars().next().map(|c| c.len_utf8() + 2).filter(|n| at(i + n - 1) == b'\'')
                };
                i += len.unwrap_or(1);
                if len.is_some() {
                    wipe(&mut out, start, i);
                }
            }
            _ => i += 1,
        }
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// Whether a letter before `r` makes it the end of a name rather than the start of a raw text.
fn is_word(before: u8, _r: u8) -> bool {
    (before.is_ascii_alphanumeric() && before != b'b') || before == b'_'
}

/// Folders of this crate that a file's code names.
fn imports(source: &Source) -> BTreeSet<(String, usize)> {
    let mut found = BTreeSet::new();
    let joined: String = source.code.iter().map(|l| format!("{l}\n")).collect();
    for (start, _) in joined.match_indices("crate::") {
        let line = joined[..start].matches('\n').count() + 1;
        let rest = &joined[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            // `use crate::{base::X, flow::{A, B}}`: the names on the first level.
            let mut depth = 0;
            let mut name = String::new();
            let mut fresh = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert((std::mem::take(&mut name), line));
                        fresh = true;
                    }
                    c if depth == 0 && fresh && (c.is_alphanumeric() || c == '_') => name.push(c),
                    c if depth == 0 && !c.is_whitespace() => fresh = false,
                    _ => {}
                }
            }
            found.insert((name, line));
        } else {
            found.insert((rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(), line));
        }
    }
    found.retain(|(name, _)| FLOORS.iter().any(|f| f.contains(&name.as_str())));
    found
}

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|f| f.contains(&folder))
}

/// Imports that go up or sideways.
fn wrong_imports(source: &Source) -> Vec<String> {
    let folder = source.folder();
    let Some(own) = floor(folder) else { return Vec::new() };
    let wrong =
        |name: &str| name != folder && floor(name).is_some_and(|f| f >= own) && !SIDEWAYS.contains(&(folder, name));
    let found = imports(source).into_iter().filter(|(name, _)| wrong(name));
    found.map(|(name, line)| format!("{}:{line}: {folder} may not import {name}", source.path)).collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = common::files_below(&root);
    let rust = files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs"));
    let read = |f: &std::path::PathBuf| {
        let path = f.strip_prefix(&root).expect("below").to_string_lossy().replace('\\', "/");
        Source::new(&path, &fs::read_to_string(f).expect("a text file"))
    };
    let all: Vec<_> = rust.map(read).collect();
    assert!(all.len() > 50, "the sources were not found");
    all
}

/// Files that hold only tests or what tests need.
fn is_test_file(source: &Source) -> bool {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    name == "tests.rs" || name == "testing.rs"
}

#[track_caller]
fn assert_none(wrong: &[String], why: &str) {
    assert!(wrong.is_empty(), "{why}:\n{}", wrong.join("\n"));
}

#[test]
fn folders_import_only_from_lower_floors() {
    let all = sources();
    for source in &all {
        let known = floor(source.folder()).is_some() || ["lib", "main"].contains(&source.folder());
        assert!(known, "{} stands on no floor: add its folder to FLOORS", source.path);
    }
    let wrong: Vec<_> = all.iter().filter(|s| !is_test_file(s)).flat_map(wrong_imports).collect();
    assert_none(&wrong, "a folder imports only folders on lower floors");
}

#[test]
fn only_sink_knows_parquet_and_only_decode_knows_etherparse() {
    for (library, folder) in [("parquet::", "sink"), ("arrow::", "sink"), ("etherparse::", "decode")] {
        let all = sources();
        let others = all.iter().filter(|s| s.folder() != folder && !is_test_file(s));
        let wrong: Vec<_> = others.flat_map(|s| s.lines_with(&[library]).collect::<Vec<_>>()).collect();
        assert_none(&wrong, &format!("{library} stands behind one door, {folder}/"));
    }
}

#[test]
fn time_comes_from_the_packet() {
    let clocks = ["Instant::now", "SystemTime::now", "Zoned::now", "Timestamp::now"];
    let all = sources();
    let below = all.iter().filter(|s| !["pipeline", "cli", "main"].contains(&s.folder()));
    let wrong: Vec<_> = below.flat_map(|s| s.lines_with(&clocks).collect::<Vec<_>>()).collect();
    assert_none(&wrong, "no clock is read below pipeline/ and cli/");
}

#[test]
fn nothing_stops_the_program_where_hostile_bytes_are_read() {
    let stops = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    let all = sources();
    let readers = all.iter().filter(|s| NEVER_PANIC.contains(&s.folder()) && !is_test_file(s));
    let wrong: Vec<_> = readers.flat_map(|s| s.lines_with(&stops).collect::<Vec<_>>()).collect();
    assert_none(&wrong, "code that reads packets has typed errors");
    let elsewhere = all.iter().filter(|s| !is_test_file(s));
    let wrong: Vec<_> =
        elsewhere.flat_map(|s| s.lines_with(&["todo!(", "unimplemented!(", "dbg!("]).collect::<Vec<_>>()).collect();
    assert_none(&wrong, "nothing is left to be done");
}

#[test]
fn every_protocol_has_tests() {
    let all = sources();
    let protocols = all.iter().filter(|s| s.path.starts_with("proto/") && !is_test_file(s));
    // A folder of one protocol has its tests in one place; in a family each file has its own.
    let folder_tested = |s: &Source| {
        let folder = s.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        ONE_PROTOCOL.contains(&folder) && all.iter().any(|o| o.path.starts_with(&format!("{folder}/")) && o.has_tests)
    };
    // An event and its table may stand beside the parser that makes them, whose tests see both.
    let parser_tested = |s: &Source| {
        let parser = s.path.strip_suffix("_event.rs").map(|name| format!("{name}.rs"));
        parser.is_some_and(|parser| all.iter().any(|o| o.path == parser && o.has_tests))
    };
    let wrong: Vec<_> = protocols
        .filter(|s| !["proto/api.rs", "proto/registry.rs"].contains(&s.path.as_str()) && !s.path.ends_with("/mod.rs"))
        .filter(|s| !s.has_tests && !folder_tested(s) && !parser_tested(s))
        .map(|s| s.path.clone())
        .collect();
    assert_none(&wrong, "a protocol's file holds its tests");
}

#[test]
fn files_stay_short() {
    let all = sources();
    let long: Vec<_> = all.iter().filter(|s| s.length() > LINES_MAX && !is_test_file(s)).collect();
    let allowed = |s: &Source| LONG.iter().any(|(p, max, why)| *p == s.path && s.length() <= *max && !why.is_empty());
    let wrong: Vec<_> =
        long.iter().filter(|s| !allowed(s)).map(|s| format!("{}: {} lines", s.path, s.length())).collect();
    assert_none(&wrong, &format!("a file has one subject and at most {LINES_MAX} lines before its tests"));
    let stale: Vec<_> = LONG.iter().filter(|l| !long.iter().any(|s| s.path == l.0)).map(|l| l.0.to_owned()).collect();
    assert_none(&stale, "exceptions that are needed no longer");
}

#[test]
fn sources_speak_of_the_program_only() {
    // Where something was decided or by whom does not help who reads the code; the words are put
    // together here so that this file does not hold them.
    let words = [
        ["iss", "ue #"].concat(),
        ["iss", "ue 2"].concat(),
        ["/wo", "rk/"].concat(),
        ["HELP", "ER.md"].concat(),
        ["work", "tree"].concat(),
        ["../sha", "red"].concat(),
    ];
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if !root.is_dir() {
            continue;
        }
        for file in common::files_below(&root).iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
            let text = fs::read_to_string(file).expect("a text file");
            for (i, line) in text.lines().enumerate() {
                wrong.extend(
                    words.iter().filter(|w| line.contains(*w)).map(|w| format!("{}:{}: {w}", file.display(), i + 1)),
                );
            }
        }
    }
    assert_none(&wrong, "words that mean nothing to a reader of the code");
}

#[test]
fn the_checker_can_fail() {
    let text = r##"
//! crate::cli in a comment is no import, and neither is .unwrap().
use crate::base::Addr;
use crate::{record::Row, pipeline::{Progress, shard::Shard}, flow};
/* crate::cli /* nested */ Instant::now() */
fn f<'a>(x: &'a str) -> char {
    let t = "crate::cli and \" .unwrap()";
    let r = r#"crate::cli " .expect("#;
    crate::detect::judge(x).unwrap();
    let later = crate
        ::nothing;
    '"'
}
#[cfg(test)]
use crate::cli::Cli;
#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    fn g() { if x { panic!("{}") } }
}
fn after() { std::time::Instant::now(); }
"##;
    let source = Source::new("proto/made_up.rs", text);
    assert!(source.has_tests);
    assert_eq!(
        wrong_imports(&source),
        [
            "proto/made_up.rs:9: proto may not import detect",
            "proto/made_up.rs:4: proto may not import flow",
            "proto/made_up.rs:4: proto may not import pipeline",
        ]
    );
    assert_eq!(
        source.lines_with(&[".unwrap()", ".expect(", "panic!("]).collect::<Vec<_>>(),
        ["proto/made_up.rs:9: .unwrap()"]
    );
    assert_eq!(source.lines_with(&["Instant::now"]).collect::<Vec<_>>(), ["proto/made_up.rs:21: Instant::now"]);
    assert_eq!(source.length(), 21);
    // The same file is fine on a high floor, and frame is open to decode only.
    assert_eq!(wrong_imports(&Source::new("cli/made_up.rs", text)), Vec::<String>::new());
    let frame = "use crate::frame::LinkType;";
    assert!(wrong_imports(&Source::new("decode/x.rs", frame)).is_empty());
    assert_eq!(wrong_imports(&Source::new("stream/x.rs", frame)).len(), 1);
    assert_eq!(wrong_imports(&Source::new("base/x.rs", frame)).len(), 1);
    assert!(!Source::new("proto/x.rs", "fn f() {}").has_tests);
}

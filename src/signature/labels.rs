//! What software a fingerprint is known for: one line a fingerprint and program in
//! `signatures/lists/fingerprints.tsv`, which `scripts/record-fingerprints.py` records from real clients.
//!
//! A fingerprint tells a library and its settings. Programs that leave these alone share it, so one
//! fingerprint may have several labels, and a label does not prove the program.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use hashbrown::HashMap;

use super::list::{self, List};
use super::rules::RuleError;

/// The file that is compiled in, and its name in messages.
pub const BUILTIN: (&str, &str) = ("fingerprints.tsv", include_str!("../../signatures/lists/fingerprints.tsv"));
/// Its columns.
pub const COLUMNS: [&str; 8] = ["type", "fingerprint", "label", "kind", "library", "version", "source", "recorded"];

/// Labels that are shown of one fingerprint; more are told by the library that they share.
const SHOWN_MAX: usize = 3;

/// What a fingerprint is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A TLS client, by JA3.
    Ja3,
    /// A TLS client, by JA4.
    Ja4,
    /// An SSH client.
    Hassh,
    /// An SSH server.
    HasshServer,
}

impl Type {
    const ALL: [(&'static str, Self); 4] =
        [("ja3", Self::Ja3), ("ja4", Self::Ja4), ("hassh", Self::Hassh), ("hassh-server", Self::HasshServer)];

    /// Whether a text has the form of such a fingerprint.
    fn fits(self, text: &str) -> bool {
        let lower_hex = |t: &str| t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match self {
            Self::Ja4 => text.len() == 36 && text.split('_').skip(1).all(lower_hex) && text.split('_').count() == 3,
            _ => text.len() == 32 && lower_hex(text),
        }
    }
}

/// What a program is; what is worse comes first where several share a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Malware,
    Tool,
    Application,
    Library,
}

/// A row: one fingerprint of one program.
#[derive(Debug, Clone)]
pub struct Row {
    of: Type,
    fingerprint: Box<str>,
    label: Box<str>,
    kind: Kind,
    library: Box<str>,
}

/// The labels of one fingerprint.
#[derive(Debug, Default)]
struct Known {
    /// Labels with the library beneath.
    labels: BTreeSet<(Kind, Box<str>, Box<str>)>,
    /// As it is shown.
    text: Box<str>,
}

/// All labels by type and fingerprint.
#[derive(Debug, Default)]
struct Labels {
    by: [HashMap<Box<str>, Known, ahash::RandomState>; Type::ALL.len()],
}

static LABELS: LazyLock<Labels> = LazyLock::new(|| {
    // The file is part of the program and a test parses it.
    let list = list::parse(Path::new(BUILTIN.0), BUILTIN.1, &COLUMNS).unwrap_or_default();
    let builtin = read(Path::new(BUILTIN.0), list).unwrap_or_default();
    Labels::new(builtin, MORE.get().map(Vec::as_slice).unwrap_or_default())
});

/// Rows of the user's own, added once before any packet is read.
static MORE: OnceLock<Vec<Row>> = OnceLock::new();

/// Adds rows to those that are compiled in, for the rest of the process: they replace those of the same
/// fingerprint. A second call has no effect.
pub fn add(rows: Vec<Row>) {
    let _ = MORE.set(rows);
}

/// The rows of a list whose layout was checked.
///
/// # Errors
/// If a type or a kind is of no known name, or a fingerprint not of its form, by line.
pub fn read(file: &Path, list: List) -> Result<Vec<Row>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    for (line, cells) in list.rows {
        let Ok([of, fingerprint, label, kind, library, ..]) = <[String; COLUMNS.len()]>::try_from(cells) else {
            continue;
        };
        match row(&of, fingerprint, label, &kind, library) {
            Ok(row) => rows.push(row),
            Err(reason) => errors.push(RuleError { file: file.to_path_buf(), line, reason }),
        }
    }
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

fn row(of: &str, fingerprint: String, label: String, kind: &str, library: String) -> Result<Row, String> {
    let (_, of) = Type::ALL
        .into_iter()
        .find(|(name, _)| *name == of)
        .ok_or_else(|| format!("no type is called {of:?}: ja3, ja4, hassh, hassh-server"))?;
    let kind = match kind {
        "malware" => Kind::Malware,
        "tool" => Kind::Tool,
        "application" => Kind::Application,
        "library" => Kind::Library,
        other => return Err(format!("no kind is called {other:?}: library, application, tool, malware")),
    };
    if !of.fits(&fingerprint) {
        return Err(format!("{fingerprint:?} has not the form of its type, in small letters"));
    }
    if label.trim().is_empty() {
        return Err(String::from("the label is empty"));
    }
    Ok(Row { of, fingerprint: fingerprint.into(), label: label.into(), kind, library: library.into() })
}

impl Labels {
    fn new(builtin: Vec<Row>, more: &[Row]) -> Self {
        let mut by: BTreeMap<(Type, Box<str>), Known> = BTreeMap::new();
        let replaced: BTreeSet<(Type, &str)> = more.iter().map(|row| (row.of, &*row.fingerprint)).collect();
        let kept = builtin.iter().filter(|row| !replaced.contains(&(row.of, &*row.fingerprint)));
        for row in kept.chain(more) {
            let known = by.entry((row.of, row.fingerprint.clone())).or_default();
            known.labels.insert((row.kind, row.label.clone(), row.library.clone()));
        }
        let mut labels = Self::default();
        for ((of, fingerprint), mut known) in by {
            known.text = shown(known.labels.iter()).into();
            if let Some(map) = labels.by.get_mut(of as usize) {
                map.insert(fingerprint, known);
            }
        }
        labels
    }

    fn get(&self, of: Type, fingerprint: Option<&str>) -> Option<&Known> {
        self.by.get(of as usize)?.get(fingerprint?)
    }

    /// What both fingerprints of a client are known for; where they have nothing in common, or one is
    /// not known, what the other says.
    fn client(&self, ja3: Option<&str>, ja4: Option<&str>) -> Option<Cow<'_, str>> {
        match (self.get(Type::Ja3, ja3), self.get(Type::Ja4, ja4)) {
            (Some(one), Some(other)) if one.labels.len() > 1 => {
                let mut both = one.labels.intersection(&other.labels).peekable();
                Some(if both.peek().is_some() { shown(both).into() } else { Cow::Borrowed(&*one.text) })
            }
            (Some(known), _) | (None, Some(known)) => Some(Cow::Borrowed(&*known.text)),
            (None, None) => None,
        }
    }
}

/// Labels in one text; very many are told by the library that all of them have.
fn shown<'l>(labels: impl Iterator<Item = &'l (Kind, Box<str>, Box<str>)> + Clone) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, label, _) in labels.clone() {
        if !names.contains(&&**label) {
            names.push(label);
        }
    }
    if names.len() <= SHOWN_MAX {
        return names.join(", ");
    }
    let mut libraries = labels.map(|(.., library)| &**library);
    let first = libraries.next().unwrap_or_default();
    if !first.is_empty() && libraries.all(|library| library == first) {
        return first.to_owned();
    }
    names.truncate(SHOWN_MAX);
    names.join(", ") + ", ..."
}

/// What a TLS client is known for by its JA3 and JA4.
pub fn tls_client(ja3: Option<&str>, ja4: Option<&str>) -> Option<Cow<'static, str>> {
    if ja3.is_none() && ja4.is_none() {
        return None;
    }
    LABELS.client(ja3, ja4)
}

/// What an SSH client is known for by its HASSH.
pub fn ssh_client(hassh: Option<&str>) -> Option<&'static str> {
    hassh.and_then(|text| LABELS.get(Type::Hassh, Some(text))).map(|known| &*known.text)
}

/// What an SSH server is known for by its HASSHServer.
pub fn ssh_server(hassh: Option<&str>) -> Option<&'static str> {
    hassh.and_then(|text| LABELS.get(Type::HasshServer, Some(text))).map(|known| &*known.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n\
        type\tfingerprint\tlabel\tkind\tlibrary\tversion\tsource\trecorded\n";
    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const J: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

    fn rows(text: &[(&str, &str, &str, &str, &str)]) -> Vec<Row> {
        let lines: String = text.iter().map(|(t, f, l, k, y)| format!("{t}\t{f}\t{l}\t{k}\t{y}\t1\ts\tr\n")).collect();
        let file = Path::new("f.tsv");
        read(file, list::parse(file, &format!("{HEADER}{lines}"), &COLUMNS).unwrap()).unwrap()
    }

    #[test]
    fn the_built_in_list_is_sound_and_labels_what_was_recorded() {
        let file = Path::new(BUILTIN.0);
        let list = list::parse(file, BUILTIN.1, &COLUMNS).unwrap();
        let first = list.rows.first().cloned().unwrap().1;
        let rows = read(file, list).unwrap();
        assert!(rows.len() > 20);
        let label = match first[0].as_str() {
            "ja3" => tls_client(Some(&first[1]), None).map(Cow::into_owned),
            "ja4" => tls_client(None, Some(&first[1])).map(Cow::into_owned),
            "hassh" => ssh_client(Some(&first[1])).map(str::to_owned),
            _ => ssh_server(Some(&first[1])).map(str::to_owned),
        };
        assert!(label.is_some_and(|l| !l.is_empty()));
        assert_eq!(tls_client(Some(A), None), None);
    }

    #[test]
    fn several_labels_are_joined_or_told_by_what_they_share() {
        let four = ["curl", "git", "psql", "wget"].map(|l| ("ja3", A, l, "application", "OpenSSL 3"));
        let labels = |rows: Vec<Row>| Labels::new(rows, &[]);
        let text = |l: &Labels| l.client(Some(A), None).unwrap().into_owned();
        assert_eq!(text(&labels(rows(&four[..2]))), "curl, git");
        assert_eq!(text(&labels(rows(&four))), "OpenSSL 3");
        let mut mixed = rows(&four);
        mixed.extend(rows(&[("ja3", A, "bad", "malware", "own")]));
        assert_eq!(text(&labels(mixed)), "bad, curl, git, ...", "what is worst comes first");
    }

    #[test]
    fn ja3_and_ja4_narrow_each_other() {
        let labels = Labels::new(
            rows(&[
                ("ja3", A, "curl", "application", "x"),
                ("ja3", A, "wget", "application", "x"),
                ("ja4", J, "wget", "application", "x"),
                ("ja4", J, "w3m", "application", "x"),
                ("ja3", B, "lynx", "application", "x"),
            ]),
            &[],
        );
        let client = |ja3, ja4| labels.client(ja3, ja4).map(Cow::into_owned);
        assert_eq!(client(Some(A), Some(J)).as_deref(), Some("wget"));
        assert_eq!(client(Some(A), None).as_deref(), Some("curl, wget"));
        assert_eq!(client(None, Some(J)).as_deref(), Some("w3m, wget"));
        assert_eq!(client(Some(B), Some(J)).as_deref(), Some("lynx"), "nothing in common");
        assert_eq!(client(Some("x"), None), None);
    }

    #[test]
    fn a_users_rows_replace_those_of_the_same_fingerprint() {
        let builtin = rows(&[("hassh", A, "OpenSSH", "application", ""), ("hassh", B, "PuTTY", "application", "")]);
        let labels = Labels::new(builtin, &rows(&[("hassh", A, "our backup", "tool", "")]));
        let of = |text| labels.get(Type::Hassh, Some(text)).map(|k| &*k.text);
        assert_eq!((of(A), of(B)), (Some("our backup"), Some("PuTTY")));
        assert!(labels.get(Type::HasshServer, Some(A)).is_none());
    }

    #[test]
    fn wrong_rows_are_told_by_line() {
        let text = format!(
            "{HEADER}ja5\t{A}\tx\ttool\t\t1\ts\tr\nja3\t{A}\tx\tvirus\t\t1\ts\tr\n\
            ja3\tAAAA\tx\ttool\t\t1\ts\tr\nja3\t{J}\tx\ttool\t\t1\ts\tr\nja4\t{A}\tx\ttool\t\t1\ts\tr\nja3\t{A}\t\ttool\t\t1\ts\tr\n"
        );
        let file = Path::new("f.tsv");
        let errors = read(file, list::parse(file, &text, &COLUMNS).unwrap()).unwrap_err();
        let lines: Vec<_> = errors.iter().map(|e| e.line).collect();
        assert_eq!(lines, [7, 8, 9, 10, 11, 12]);
        assert!(errors[0].reason.contains("no type") && errors[1].reason.contains("no kind"));
    }
}

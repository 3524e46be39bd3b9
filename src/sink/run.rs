//! `run.json`: what was run, on what, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{OutputFolder, SinkError};

/// Version of the tables: the first number changes when a column goes or changes its meaning, the
/// second when tables or columns are added.
pub const SCHEMA_VERSION: &str = "1.0";

/// The content of `run.json`. Times are RFC 3339 in UTC; null means: not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunDocument {
    /// Always `overhear`.
    pub tool: String,
    /// Version of the program.
    pub version: String,
    /// Version of the tables ([`SCHEMA_VERSION`]).
    pub schema_version: String,
    /// Signatures in use.
    pub signatures: SignatureSet,
    /// The command line as given. The program takes no secrets on it.
    pub command_line: Vec<String>,
    /// Options in effect, defaults included.
    pub options: BTreeMap<String, serde_json::Value>,
    /// SHA-256 of the options in effect, in hex: equal for runs that may be compared.
    pub options_hash: String,
    /// Inputs in the order in which they were read.
    pub inputs: Vec<Input>,
    /// What each table came to, by its name.
    pub tables: BTreeMap<String, TableSummary>,
    /// Warnings, as they were printed.
    pub warnings: Vec<String>,
    /// Limits that were hit, and how often.
    pub limits_hit: BTreeMap<String, u64>,
    /// Counts of the summary: packets, flows, devices, findings by severity and so on.
    pub summary: BTreeMap<String, serde_json::Value>,
    /// Whether secrets were written to the tables (`--reveal-secrets`).
    pub secrets_revealed: bool,
    /// Whether something is missing: input was truncated, corrupt, lost to a limit, or the run
    /// was ended early.
    pub partial: bool,
    /// When the run began (wall clock).
    pub started: String,
    /// When it ended (wall clock).
    pub finished: String,
    /// Exit code of the process.
    pub exit_code: i32,
}

/// The signatures that a run used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignatureSet {
    /// Name or version of the set.
    pub name: String,
    /// SHA-256 over all of it, in hex.
    pub sha256: String,
}

/// One input of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Input {
    /// Path or interface as the tables name it.
    pub path: String,
    /// Bytes of the file as it lies there; null for a stream or an interface.
    pub size: Option<u64>,
    /// SHA-256 of the file as it lies there, in hex; null with `--no-hash` and where it was not
    /// read to its end.
    pub sha256: Option<String>,
    /// `complete`, `truncated`, `corrupt`, `unreadable`, `not-a-capture`, `empty`, `skipped`.
    pub outcome: String,
    /// What exactly, with the offset, where the outcome is not `complete`.
    pub detail: Option<String>,
    /// `pcap`, `pcapng`, `live`.
    pub format: Option<String>,
    /// `gzip`, `zstd`, `lz4`, `xz`, `bzip2`; null where there is none.
    pub compression: Option<String>,
    /// Link types of its interfaces.
    pub link_types: Vec<String>,
    /// Packets read from it.
    pub packets: u64,
    /// Time of the first packet.
    pub first_time: Option<String>,
    /// Time of the last packet.
    pub last_time: Option<String>,
}

/// What a table came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSummary {
    /// Rows.
    pub rows: u64,
    /// Parquet files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<super::Written> for TableSummary {
    fn from(w: super::Written) -> Self {
        Self { rows: w.rows, files: w.files, bytes: w.bytes }
    }
}

impl RunDocument {
    /// The document as JSON, indented.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a document; fields of other versions are ignored, missing ones are empty.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Moves all output to its place, this document last ([`OutputFolder::finish`]).
    pub fn finish(&self, folder: &OutputFolder) -> Result<(), SinkError> {
        folder.finish(&self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_and_has_the_names_that_others_rely_on() {
        let run = RunDocument {
            tool: "overhear".into(),
            inputs: vec![Input { path: "a.pcap".into(), sha256: Some("00".into()), ..Input::default() }],
            tables: [("dns".to_owned(), TableSummary { rows: 3, files: 1, bytes: 9 })].into(),
            exit_code: 4,
            ..RunDocument::default()
        };
        let text = run.to_json();
        assert_eq!(RunDocument::from_json(&text).unwrap(), run);
        for name in [
            "tool",
            "version",
            "schema_version",
            "signatures",
            "command_line",
            "options",
            "inputs",
            "path",
            "size",
            "sha256",
            "outcome",
            "tables",
            "rows",
            "warnings",
            "exit_code",
            "secrets_revealed",
            "limits_hit",
        ] {
            assert!(text.contains(&format!("\"{name}\":")), "{name} in {text}");
        }
        assert_eq!(RunDocument::from_json("{\"tool\":\"x\",\"new\":1}").unwrap().tool, "x");
    }
}

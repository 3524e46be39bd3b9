//! `run.json`: what a run was given, what it did, and how complete it is.

/// Exit codes, as `overhear help` lists them.
pub mod exit {
    /// Complete.
    pub const COMPLETE: u8 = 0;
    /// Usage or configuration.
    pub const USAGE: u8 = 2;
    /// No input could be read.
    pub const NO_INPUT: u8 = 3;
    /// Finished, but some input was truncated, corrupt or lost to a limit.
    pub const PARTIAL: u8 = 4;
    /// Output could not be written, or something else stopped the run.
    pub const FAILED: u8 = 5;
    /// Findings at or above `--fail-on`.
    pub const FINDINGS: u8 = 10;
}

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::device::inventory::InventoryReport;
use crate::policy::suppress::Suppressed;
use crate::signature::{Severity, intel::ListReport};

/// The document of a run. Everything in it is safe to pass on: it holds no secret, whatever the
/// tables hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunDocument {
    /// Name of the program.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// Version of the tables' names, types and meanings.
    pub schema_version: u32,
    /// Version of the rules.
    pub signatures_version: String,
    /// SHA-256 of the rules.
    pub signatures_sha256: String,
    /// SHA-256 of the vendor registry.
    pub vendors_sha256: String,
    /// The command line.
    pub command_line: Vec<String>,
    /// Options as they were in force.
    pub options: BTreeMap<String, String>,
    /// Whether `--reveal-secrets` was given.
    pub secrets_revealed: bool,
    /// When the run began, RFC 3339.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// Output folder; none where nothing was written.
    pub output: Option<String>,
    /// Bytes of all tables.
    pub output_bytes: u64,
    /// Inputs.
    pub inputs: Vec<InputLine>,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
    /// Packets read.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows.
    pub flows: u64,
    /// Devices.
    pub devices: u64,
    /// Devices by class, the classes that an office has first.
    #[serde(default)]
    pub device_classes: Vec<ClassLine>,
    /// The devices of those classes, the surest first.
    #[serde(default)]
    pub top_devices: Vec<DeviceLine>,
    /// Flows and bytes by service, the most frequent first.
    pub services: Vec<ServiceLine>,
    /// Findings by severity.
    pub findings: BTreeMap<String, u64>,
    /// The worst findings.
    pub top_findings: Vec<FindingLine>,
    /// Findings that `--suppress` silences; they are not among those above.
    #[serde(default)]
    pub suppressed: Suppressed,
    /// What the user said of his devices, and what of it was seen.
    #[serde(default)]
    pub inventory: InventoryReport,
    /// Lists of indicators that the traffic was held against.
    #[serde(default)]
    pub intel: Vec<ListReport>,
    /// Everything that was counted.
    pub counters: BTreeMap<String, u64>,
    /// Missing stream bytes as a share of all that should be there, 0 to 1.
    pub missed_share: Option<f64>,
    /// Limits that were hit, and how often or by how much.
    pub limits_hit: BTreeMap<String, u64>,
    /// Packets that the kernel dropped while listening.
    pub kernel_drops: Option<u64>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether some input was truncated, corrupt or lost to a limit.
    #[serde(default)]
    pub partial: bool,
    /// Exit code.
    pub exit_code: u8,
}

/// One input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InputLine {
    /// Path as it was named or found.
    pub path: String,
    /// Bytes on disk.
    pub size: Option<u64>,
    /// SHA-256 of the file as it lies on disk; none with `--no-hash`.
    pub sha256: Option<String>,
    /// Container.
    pub format: Option<String>,
    /// Compression.
    pub compression: Option<String>,
    /// Link types of its interfaces, by their LINKTYPE numbers.
    pub link_types: Vec<u32>,
    /// Packets, with those that the filter left out.
    pub packets: u64,
    /// Packets that the filter left out.
    pub filtered: u64,
    /// Time of the first packet, RFC 3339.
    pub ts_first: Option<String>,
    /// Time of the last packet.
    pub ts_last: Option<String>,
    /// `complete`, or one word for what was wrong.
    pub outcome: String,
    /// What was wrong, with the place.
    pub error: Option<String>,
    /// Secrets of TLS sessions that it holds, which were used.
    #[serde(default)]
    pub tls_secrets: u64,
    /// Lines of its key logs that say nothing.
    #[serde(default)]
    pub tls_secrets_bad: u64,
}

/// Flows of one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceLine {
    /// Service, or `unknown`.
    pub service: String,
    /// Flows.
    pub flows: u64,
    /// Payload bytes.
    pub bytes: u64,
}

/// One finding in short.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindingLine {
    /// Severity.
    pub severity: String,
    /// Rule.
    pub rule_id: String,
    /// Title.
    pub title: String,
    /// Address of the device.
    pub device: String,
    /// What was seen, secrets blanked.
    pub evidence: String,
    /// How often.
    pub count: u64,
    /// Further findings of the same rule on the same device, with another peer, port or detail.
    #[serde(default)]
    pub alike: u64,
}

/// How many devices of a class there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassLine {
    /// Class.
    pub class: String,
    /// Devices.
    pub devices: u64,
}

/// A device that the summary names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// Its first address, else its MAC.
    pub device: String,
    /// Class.
    pub class: String,
    /// Maker, where it is known.
    pub vendor: Option<String>,
    /// Model, where it is known.
    pub model: Option<String>,
    /// How sure the class is, 0 to 1.
    pub confidence: f64,
    /// The strongest sign for the class, as `source: value`; empty where the class is unknown.
    pub reason: String,
}

impl RunDocument {
    /// The exit code of a run with these findings. `fail_on` is the severity from which on they fail it.
    pub fn exit_code_for(&self, fail_on: Option<Severity>) -> u8 {
        let counts = |s: &Severity| self.findings.get(s.name()).is_some_and(|n| *n > 0);
        let failed = fail_on.is_some_and(|level| Severity::ALL.iter().skip(level.rank()).any(counts));
        match (failed, self.partial) {
            (true, _) => exit::FINDINGS,
            (false, true) => exit::PARTIAL,
            (false, false) => exit::COMPLETE,
        }
    }

    /// As it is written to `run.json`.
    pub fn to_json(&self) -> String {
        // Maps with text keys and plain values always serialise.
        serde_json::to_string_pretty(self).map_or_else(|e| format!("{{\"error\": \"{e}\"}}\n"), |s| s + "\n")
    }
}

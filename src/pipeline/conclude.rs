//! The end of a run: statistics, the last row groups, `run.json`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::collect::{Collector, InterfaceStats, Totals};
use super::ingest::InputResult;
use super::read::ReadConfig;
use super::tables;
use super::writer::{EncodeJob, Writers};
use super::{PipelineError, StageTimes};
use crate::base::{Timestamp, counters::Counters, parallel, secret::Reveal};
use crate::detect::findings::FINDINGS;
use crate::detect::sighting::Party;
use crate::device::{self, Shown};
use crate::policy::suppress::Tally;
use crate::record::RowBuffer;
use crate::report::document::exit;
use crate::report::document::{ClassLine, DeviceLine, InputLine, RunDocument, ServiceLine};
use crate::report::top::{Candidate, TopList};
use crate::signature::{Severity, SignatureSet};
use crate::sink::{JsonLines, LineNames, OutputFolder, TableSchema};

/// Version of the tables' names, types and meanings.
pub const SCHEMA_VERSION: u32 = 1;

/// What is known of a run besides its inputs, gathered from one collector or from many.
#[derive(Debug)]
pub struct RunFacts {
    started: SystemTime,
    names: Vec<String>,
    stats: BTreeMap<(u32, u16), InterfaceStats>,
    totals: Totals,
    by_severity: [u64; 5],
    top: TopList,
    tally: Tally,
    /// Entries of the inventory whose device was seen in any network.
    inventory_seen: Vec<bool>,
    devices: u64,
    device_classes: Vec<(&'static str, u64)>,
    top_devices: Vec<Shown>,
    findings: RowBuffer,
    /// What limits dropped that no shard counts.
    dropped: Counters,
    /// Wall time of the run, in microseconds.
    pub wall_us: i64,
    /// Packets that the kernel dropped while listening.
    pub kernel_drops: Option<u64>,
}

impl RunFacts {
    /// For a run that began at a time, over inputs of these names.
    pub fn new(started: SystemTime, names: Vec<String>) -> Self {
        Self {
            started,
            names,
            stats: BTreeMap::new(),
            totals: Totals::default(),
            by_severity: [0; 5],
            top: TopList::default(),
            tally: Tally::default(),
            inventory_seen: Vec::new(),
            devices: 0,
            device_classes: Vec::new(),
            top_devices: Vec::new(),
            findings: RowBuffer::default(),
            dropped: Counters::default(),
            wall_us: 0,
            kernel_drops: None,
        }
    }

    /// Takes what a collector knows, once it has concluded.
    pub fn take(&mut self, collector: &mut Collector) {
        for (key, stats) in std::mem::take(&mut collector.stats) {
            // Inputs are numbered over the whole run, so no two collectors have one in common.
            self.stats.insert(key, stats);
        }
        self.totals.add(&std::mem::take(&mut collector.totals));
        for (sum, n) in self.by_severity.iter_mut().zip(collector.findings.by_severity()) {
            *sum += n;
        }
        let network = collector.devices.network().unwrap_or(0);
        for (rule, finding) in collector.findings.counting() {
            let Party { ip, mac } = finding.shown.device;
            self.top.add(&Candidate {
                severity: rule.severity,
                network,
                rule: &rule.id,
                title: &rule.title,
                device: (Some(ip).filter(|ip| !ip.is_unspecified()), Some(mac).filter(|mac| !mac.is_zero())),
                capture: self.names.get(finding.shown.capture as usize).map_or("", String::as_str),
                peer: finding.shown.peer.map(|p| p.ip),
                port: finding.shown.port,
                evidence: &finding.shown.evidence,
                count: finding.count,
                id: finding.id,
            });
        }
        self.tally.add(&collector.tally);
        let seen = collector.devices.inventory_seen();
        self.inventory_seen.resize(self.inventory_seen.len().max(seen.len()), false);
        for (any, seen) in self.inventory_seen.iter_mut().zip(seen) {
            *any |= seen;
        }
        self.devices += collector.devices.len() as u64;
        self.device_classes.extend(collector.devices.by_class());
        self.top_devices.extend(collector.devices.shown());
        device::merge(&mut self.device_classes, &mut self.top_devices);
        self.dropped.add(&collector.dropped());
    }

    /// Takes a copy of the findings of one network among several: their lines are written when all are there.
    pub fn take_findings(&mut self, collector: &Collector) {
        if let Some(rows) = collector.finding_rows() {
            self.findings.append(rows);
        }
    }

    /// Packets that were seen.
    pub fn packets(&self) -> u64 {
        self.stats.values().map(|s| s.counters.packets).sum()
    }

    /// Everything that was counted, over all captures.
    fn counters(&self) -> Counters {
        let mut all = self.dropped.clone();
        for stats in self.stats.values() {
            all.add(&stats.counters);
        }
        all
    }
}

/// What limits lost: these make a run partial.
fn lost_to_limits(c: &Counters) -> Vec<(String, u64)> {
    let named = [
        ("flows_evicted", c.flows_evicted),
        ("reassembly_dropped_bytes", c.reassembly_dropped_bytes),
        ("parser_limits", c.parser_limits),
        ("rows_dropped", c.rows_dropped),
        ("nesting_limit", c.nesting_limit),
        ("claims_dropped", c.claims_dropped),
        ("names_dropped", c.names_dropped),
        ("contacts_dropped", c.contacts_dropped),
    ];
    named.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect()
}

/// Metadata that every file has from the start.
pub fn metadata(config: &ReadConfig) -> Vec<(String, String)> {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for (name, value) in &config.options {
        hash.update(name);
        hash.update([0]);
        hash.update(value);
        hash.update([0]);
    }
    let hex: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    vec![
        ("overhear.schema_version".into(), SCHEMA_VERSION.to_string()),
        ("overhear.version".into(), env!("CARGO_PKG_VERSION").into()),
        ("overhear.options_hash".into(), hex),
    ]
}

/// Encodes what is left in a collector, with all threads.
///
/// # Errors
/// If a file cannot be written.
pub fn encode(writers: &Writers, collector: &mut Collector, threads: usize) -> Result<(), PipelineError> {
    loop {
        let mut jobs = Vec::new();
        collector.hand_over(true, &mut jobs);
        encode_jobs(writers, jobs, threads)?;
        if !collector.more_devices() {
            return Ok(());
        }
    }
}

fn encode_jobs(writers: &Writers, mut jobs: Vec<EncodeJob>, threads: usize) -> Result<(), PipelineError> {
    writers.number(&mut jobs);
    // The largest first, so that no thread begins with it at the end.
    jobs.sort_by_key(|j| std::cmp::Reverse(j.size()));
    let jobs: Vec<_> = jobs.into_iter().map(|j| Mutex::new(Some(j))).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), PipelineError> {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(job) = job.lock().unwrap_or_else(PoisonError::into_inner).take() {
                writers.encode(job)?;
            }
        }
        Ok(())
    };
    let threads = threads.min(jobs.len());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|t| t.join().unwrap_or(Err(PipelineError::Internal("a thread panicked"))));
        theirs.fold(mine, Result::and)
    })
}

/// Writes statistics and documents and puts everything in its place.
///
/// # Errors
/// If a file cannot be written.
pub fn finish(
    config: &ReadConfig,
    folder: &Arc<OutputFolder>,
    writers: Writers,
    results: Vec<InputResult>,
    facts: RunFacts,
    lines: FindingLines,
    times: &StageTimes,
) -> Result<RunDocument, PipelineError> {
    let stats = stats_rows(&results, &facts, times);
    if let Some(at) = tables::position(&tables::CAPTURE_STATS) {
        writers.encode_all(vec![EncodeJob::new(at, stats)])?;
    }
    let mut metadata = Vec::new();
    let inputs: Vec<InputLine> = results.iter().enumerate().map(|(i, r)| input_line(i, r, &facts)).collect();
    for input in &inputs {
        if let Some(sha256) = &input.sha256 {
            metadata.push((format!("overhear.input.sha256:{}", input.path), sha256.clone()));
        }
    }
    lines.0.finish()?;
    let written = writers.finish(&metadata)?;
    let mut document = document(config, inputs, &facts);
    for table in &written {
        document.tables.insert(table.table.name.to_owned(), table.rows);
    }
    document.output_bytes = written.iter().map(|w| w.bytes).sum();
    folder.finish(&document.to_json())?;
    Ok(document)
}

/// The findings as JSON Lines.
pub struct FindingLines(JsonLines);

impl FindingLines {
    /// A file without lines.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn new(folder: &Arc<OutputFolder>) -> Result<Self, PipelineError> {
        let schema = TableSchema::new(&FINDINGS)?;
        Ok(Self(JsonLines::new(folder, &schema, "findings.jsonl")?.where_null("suppressed")))
    }

    /// Appends rows in their order, with so many threads.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, rows: &RowBuffer, names: &[String], threads: usize) -> Result<(), PipelineError> {
        let (format, file) = self.0.halves();
        let names = LineNames::new(names);
        let blocks: Vec<_> = rows.index().chunks(JsonLines::BLOCK).collect();
        let make = |at: usize| {
            let mut part = Vec::new();
            format.rows(rows, blocks.get(at).copied().unwrap_or_default(), &names, &mut part)?;
            Ok(part)
        };
        parallel::in_order(threads, blocks.len(), make, |part| Ok(file.write(&part)?))
    }

    /// Appends what was gathered from many networks, likewise.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_gathered(
        &mut self,
        facts: &mut RunFacts,
        names: &[String],
        threads: usize,
    ) -> Result<(), PipelineError> {
        facts.findings.sort();
        self.write(&facts.findings, names, threads)
    }
}

/// The document of a run of which not one input could be read: nothing is written.
pub fn nothing_read(config: &ReadConfig, results: &[InputResult], facts: &RunFacts) -> RunDocument {
    let inputs = results.iter().enumerate().map(|(i, r)| input_line(i, r, facts)).collect();
    let mut document = document(config, inputs, facts);
    document.exit_code = exit::NO_INPUT;
    document.output = None;
    document
}

fn input_line(number: usize, result: &InputResult, facts: &RunFacts) -> InputLine {
    let of_capture = || facts.stats.range((number as u32, 0)..=(number as u32, u16::MAX)).map(|(_, s)| s);
    let outcome = match (&result.error, result.interrupted) {
        (Some(error), _) => error.kind.name(),
        (None, true) => "interrupted",
        (None, false) => "complete",
    };
    let mut links: Vec<u32> = result.interfaces.iter().map(|i| i.link.0).collect();
    links.sort_unstable();
    links.dedup();
    InputLine {
        path: result.path().display().to_string(),
        size: result.input.size.or(Some(result.outcome.raw_bytes)),
        sha256: result.sha256(),
        format: result.format.map(|f| f.name().to_owned()),
        compression: result.compression.map(|c| c.name().to_owned()),
        link_types: links,
        packets: result.outcome.frames,
        filtered: result.outcome.filtered,
        ts_first: of_capture().filter_map(|s| s.seen.first).min().map(|t| t.to_string()),
        ts_last: of_capture().filter_map(|s| s.seen.last).max().map(|t| t.to_string()),
        outcome: outcome.to_owned(),
        error: result.error.as_ref().map(ToString::to_string),
        tls_secrets: result.secrets as u64,
        tls_secrets_bad: result.bad_secrets as u64,
    }
}

/// Captures that a warning names; of the others it says how many they are.
const PLACES_MAX: usize = 3;

/// A counter by its name.
fn value_of(counters: &Counters, name: &str) -> u64 {
    let at = Counters::COLUMNS.iter().position(|(column, _)| *column == name);
    at.and_then(|at| counters.values().get(at).copied()).unwrap_or(0)
}

/// The captures in which a counter stands, as the beginning of a warning; empty where it belongs to none.
fn places_of(facts: &RunFacts, counter: &str) -> String {
    let mut captures: Vec<u32> = facts
        .stats
        .iter()
        .filter(|(_, s)| value_of(&s.counters, counter) > 0)
        .map(|((capture, _), _)| *capture)
        .collect();
    captures.dedup();
    let mut names: Vec<&str> =
        captures.iter().take(PLACES_MAX).filter_map(|c| facts.names.get(*c as usize).map(String::as_str)).collect();
    let more = format!("{} more", captures.len().saturating_sub(PLACES_MAX));
    if captures.len() > PLACES_MAX {
        names.push(&more);
    }
    if names.is_empty() { String::new() } else { format!("{}: ", names.join(", ")) }
}

fn document(config: &ReadConfig, inputs: Vec<InputLine>, facts: &RunFacts) -> RunDocument {
    let counters = facts.counters();
    let mut limits = lost_to_limits(&counters);
    let lists = config.intel.as_ref().map(|lists| lists.reports()).unwrap_or_default();
    let mut warnings: Vec<String> = inputs.iter().filter_map(|i| i.error.clone()).collect();
    for input in inputs.iter().filter(|i| i.tls_secrets_bad > 0) {
        warnings.push(format!("{}: {} lines of its TLS secrets say nothing", input.path, input.tls_secrets_bad));
    }
    for input in inputs.iter().filter(|i| i.outcome == "interrupted") {
        warnings.push(format!("{}: not read to its end: the run was interrupted", input.path));
    }
    let mut undecoded = false;
    for ((capture, _), stats) in facts.stats.iter().filter(|(_, s)| s.counters.unknown_link > 0) {
        undecoded = true;
        let name = facts.names.get(*capture as usize).map_or("", String::as_str);
        let (n, link) = (stats.counters.unknown_link, stats.seen.link);
        warnings.push(format!("{name}: {n} frames of link type {link}, which is not decoded, were only counted"));
    }
    warnings.extend(config.inventory.iter().filter_map(|list| list.warnings()));
    warnings.extend(config.intel.iter().flat_map(|lists| lists.warnings().iter().cloned()));
    for (name, n) in &limits {
        let places = places_of(facts, name);
        let table = match value_of(&facts.dropped, name) {
            0 => "table capture_stats",
            // What the whole run dropped belongs to no capture.
            whole if whole == *n => "counters in run.json",
            _ => "table capture_stats, and counters in run.json for the whole run",
        };
        // What a parser's own limit cut, more memory would not bring back.
        let advice = if name == "parser_limits" { "" } else { "; more --memory may help" };
        warnings.push(format!("{places}a limit was hit: {name} = {n} ({table}){advice}"));
    }
    // What it means stands in the list's own warning.
    let left_out: u64 = lists.iter().map(|list| list.left_out).sum();
    if left_out > 0 {
        limits.push((String::from("intel_left_out"), left_out));
    }
    if config.reveal == Reveal::Yes {
        warnings.push("secrets are written in clear to the tables, as --reveal-secrets asked for".into());
    }
    if let Some(drops) = facts.kernel_drops.filter(|d| *d > 0) {
        warnings.push(format!("the kernel dropped {drops} packets before they could be read"));
    }
    let partial = undecoded
        || !limits.is_empty()
        || inputs.iter().any(|i| i.outcome != "complete")
        || facts.kernel_drops.unwrap_or(0) > 0;
    let signatures = config.signatures.as_ref().unwrap_or_else(|| SignatureSet::builtin());
    let loss = facts.totals.loss.values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let mut services: Vec<ServiceLine> = facts
        .totals
        .services
        .iter()
        .map(|(name, (flows, bytes))| ServiceLine { service: (*name).to_owned(), flows: *flows, bytes: *bytes })
        .collect();
    services.sort_by(|a, b| b.flows.cmp(&a.flows).then_with(|| a.service.cmp(&b.service)));
    let time = |t: SystemTime| {
        let since = t.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_parts(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()))
            .to_string()
    };
    let mut document = RunDocument {
        tool: "overhear".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        schema_version: SCHEMA_VERSION,
        signatures_version: signatures.version().to_owned(),
        signatures_sha256: signatures.hash().to_owned(),
        vendors_sha256: crate::signature::oui::sha256().to_owned(),
        command_line: config.command_line.clone(),
        options: config
            .options
            .iter()
            .cloned()
            .chain([
                ("separate".to_owned(), config.separate.to_string()),
                ("threads".to_owned(), config.threads.to_string()),
            ])
            .collect(),
        secrets_revealed: config.reveal == Reveal::Yes,
        started: time(facts.started),
        finished: time(SystemTime::now()),
        wall_ms: u64::try_from(facts.wall_us / 1000).unwrap_or(0),
        output: Some(config.out.display().to_string()),
        output_bytes: 0,
        inputs,
        tables: BTreeMap::new(),
        packets: counters.packets,
        bytes: counters.bytes,
        flows: facts.totals.flows,
        devices: facts.devices,
        services,
        findings: Severity::ALL
            .iter()
            .map(|s| (s.name().to_owned(), facts.by_severity.get(s.rank()).copied().unwrap_or(0)))
            .collect(),
        device_classes: facts.device_classes.iter().map(|(class, n)| class_line(class, *n)).collect(),
        top_devices: facts.top_devices.iter().map(device_line).collect(),
        top_findings: facts.top.lines(),
        suppressed: config.suppress.as_ref().map(|list| list.report(&facts.tally)).unwrap_or_default(),
        inventory: config.inventory.as_ref().map(|list| list.report(&facts.inventory_seen)).unwrap_or_default(),
        intel: lists.to_vec(),
        counters: Counters::COLUMNS.iter().map(|(n, _)| (*n).to_owned()).zip(counters.values()).collect(),
        missed_share: share(loss.0, loss.0 + loss.1),
        limits_hit: limits.into_iter().collect(),
        kernel_drops: facts.kernel_drops,
        warnings,
        partial,
        exit_code: exit::COMPLETE,
    };
    document.exit_code = document.exit_code_for(config.fail_on);
    document
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The rows of `capture_stats`: one for each capture, and one for each of its interfaces.
fn class_line(class: &str, devices: u64) -> ClassLine {
    ClassLine { class: class.to_owned(), devices }
}

fn device_line(s: &Shown) -> DeviceLine {
    DeviceLine {
        device: s.device.clone(),
        class: s.class.to_owned(),
        vendor: s.vendor.clone(),
        model: s.model.clone(),
        confidence: s.confidence,
        reason: s.reason.clone(),
    }
}

fn stats_rows(results: &[InputResult], facts: &RunFacts, times: &StageTimes) -> RowBuffer {
    let mut rows = RowBuffer::default();
    for (number, result) in results.iter().enumerate() {
        let capture = number as u32;
        let of_capture: Vec<_> = facts.stats.range((capture, 0)..=(capture, u16::MAX)).collect();
        let mut sum = InterfaceStats::default();
        for (_, stats) in &of_capture {
            sum.counters.add(&stats.counters);
            sum.seen.first = sum.seen.first.into_iter().chain(stats.seen.first).min();
            sum.seen.last = sum.seen.last.max(stats.seen.last);
            sum.seen.link = stats.seen.link;
        }
        if of_capture.len() > 1 {
            sum.seen.link = u32::MAX;
        }
        let drops = result.interfaces.iter().filter_map(|i| i.kernel_drops).reduce(|a, b| a.saturating_add(b));
        let mut write = |interface: Option<u16>, stats: &InterfaceStats, drops: Option<u64>, order: u64| {
            let mut row = rows.row(stats.seen.first.unwrap_or(Timestamp(0)), order);
            let info = interface.and_then(|i| result.interfaces.get(usize::from(i)));
            let one_way = facts.totals.one_way.get(&capture).filter(|_| interface.is_none());
            let loss = facts.totals.loss.get(&capture).filter(|_| interface.is_none());
            row.name(capture).opt_int(interface).opt_text(info.and_then(|i| i.name.as_deref()));
            row.opt_int((stats.seen.link != u32::MAX).then_some(stats.seen.link));
            for time in [stats.seen.first, stats.seen.last] {
                match time {
                    Some(time) => row.time(time),
                    None => row.null(),
                };
            }
            row.opt_int(drops.map(|d| i64::try_from(d).unwrap_or(i64::MAX)));
            for share in [
                one_way.and_then(|(all, one)| share(*one, *all)),
                loss.and_then(|(missed, there)| share(*missed, missed + there)),
            ] {
                match share {
                    Some(share) => row.float(share),
                    None => row.null(),
                };
            }
            row.int(facts.wall_us);
            for stage in [&times.read, &times.decode, &times.flows, &times.collect, &times.write, &times.hash] {
                row.int(stage.micros());
            }
            for value in stats.counters.values() {
                row.count(value);
            }
        };
        let order = u64::from(capture) << 17;
        write(None, &sum, drops.or(facts.kernel_drops), order);
        for ((_, interface), stats) in &of_capture {
            let drops = result.interfaces.get(usize::from(*interface)).and_then(|i| i.kernel_drops);
            write(Some(*interface), stats, drops, order + 1 + u64::from(*interface));
        }
    }
    rows
}

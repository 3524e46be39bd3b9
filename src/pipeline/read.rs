//! A run over captures.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::collect::Collector;
use super::conclude::{self, FindingLines, RunFacts};
use super::ingest::{Ingest, InputResult};
use super::options::EngineOptions;
use super::shard::Shard;
use super::shares::Shares;
use super::writer::Writers;
use super::{PipelineError, Progress, StageTimes, schedule, separate};
use crate::base::{Timestamp, limits, secret::Reveal};
use crate::detect::CaseKey;
use crate::device::Inventory;
use crate::flow::Timeouts;
use crate::policy::{Expect, HomeNet, Suppress};
use crate::proto::tls::opening::keylog::KeyStore;
use crate::report::document::RunDocument;
use crate::signature::{Intel, RuleSet, Severity, SignatureSet};
use crate::sink::{OutputFolder, Parts, Publish};
use crate::source::{Discovery, ReadOptions, SourceError, peek};

/// What the user wants of a run over captures, validated.
#[derive(Debug, Clone)]
pub struct ReadConfig {
    /// Output folder.
    pub out: PathBuf,
    /// Replace what an earlier run wrote there.
    pub overwrite: bool,
    /// libpcap filter.
    pub filter: Option<String>,
    /// Every file is a network of its own.
    pub separate: bool,
    /// Worker threads, at least one.
    pub threads: usize,
    /// Bytes of memory to stay within, without what the lists of indicators take.
    pub memory: usize,
    /// Whether inputs are hashed.
    pub hash: bool,
    /// Whether mirrored copies are recognised.
    pub dedup: bool,
    /// Whether secrets are written.
    pub reveal: Reveal,
    /// Key of the secrets' HMAC.
    pub case_key: CaseKey,
    /// What is inside.
    pub home: HomeNet,
    /// What devices may reach.
    pub expect: Option<Expect>,
    /// The user's rules and lists on top of the built-in ones; `None` for those alone.
    pub signatures: Option<Arc<SignatureSet>>,
    /// Lists of indicators.
    pub intel: Option<Arc<Intel>>,
    /// Findings that are accepted.
    pub suppress: Option<Arc<Suppress>>,
    /// What the user says of his devices.
    pub inventory: Option<Arc<Inventory>>,
    /// When silent flows end.
    pub timeouts: Timeouts,
    /// Findings of this severity make the exit code 10.
    pub fail_on: Option<Severity>,
    /// The command line, for `run.json`.
    pub command_line: Vec<String>,
    /// Secrets of TLS sessions that the user gave.
    pub tls_keys: Option<Arc<KeyStore>>,
    /// Options as they were in force, for `run.json`.
    pub options: Vec<(String, String)>,
}

/// What the program takes whatever the limit: itself and the batches in flight.
const FIXED: usize = 200 << 20;

/// The part of all memory that the allocator rounds up and keeps in reserve.
const SLACK: usize = 16;

/// What of the rest the tables of the whole run are measured by: of 1 GiB, all that their limits allow.
const ROOM_PERCENT: usize = 135;

/// Shares, in percent, of the rest that the parts of the engine may use. What is left is for findings,
/// devices and names.
mod share {
    pub const FLOWS: usize = 44;
    pub const STREAMS: usize = 12;
    /// For one row group; several are under way at a time.
    pub const ROW_GROUP: usize = 3;
}

impl ReadConfig {
    /// Options of the packet path.
    pub fn engine(&self, network: u64) -> EngineOptions {
        EngineOptions {
            timeouts: self.timeouts,
            dedup: self.dedup,
            reveal: self.reveal,
            case_key: self.case_key.clone(),
            home: self.home.clone(),
            flow_memory: self.share(share::FLOWS),
            room: self.room(),
            stream_memory: self.share(share::STREAMS),
            intel: self.intel.clone(),
            defaults: self.signatures.as_ref().map(|s| s.defaults()),
            tls_keys: Arc::new(KeyStore::over(self.tls_keys.clone())),
            network,
        }
    }

    const fn share(&self, percent: usize) -> usize {
        self.memory.saturating_sub(FIXED + self.memory / SLACK) / 100 * percent
    }

    /// By what the limits of the whole run are measured.
    const fn room(&self) -> limits::Room {
        limits::Room::for_memory(self.share(ROOM_PERCENT))
    }

    /// Bytes of rows that make a row group.
    pub fn group_bytes(&self) -> usize {
        self.share(share::ROW_GROUP).min(limits::ROW_GROUP_BYTES)
    }

    /// The user's rules; `None` for the built-in ones.
    pub fn rules(&self) -> Option<Arc<RuleSet>> {
        self.signatures.as_ref().map(|s| s.rules.clone())
    }

    /// A collector for one network.
    pub fn collector(&self, network: Option<u32>, writers: &Writers) -> Collector {
        Collector::new(
            self.home.clone(),
            self.expect.clone(),
            network,
            self.room(),
            limits::ROW_GROUP_ROWS,
            self.group_bytes(),
            writers.spare(),
        )
        .judged_by(self.rules(), self.suppress.clone(), writers.first_text())
        .knowing(self.inventory.clone())
    }
}

/// Works on captures and writes the tables.
///
/// # Errors
/// If nothing could be read, or the output cannot be written. What is wrong with single inputs
/// stands in the document.
pub fn run(config: &ReadConfig, found: Discovery, progress: &Arc<Progress>) -> Result<RunDocument, PipelineError> {
    let started = SystemTime::now();
    let clock = Instant::now();
    let inputs = order(found, config.separate)?;
    let tables: Vec<_> = super::tables::ALL.iter().map(|t| t.name).collect();
    let folder = OutputFolder::create(&config.out, config.overwrite, Publish::AtEnd, &tables)?;
    let names = inputs.iter().map(|i| i.path().display().to_string()).collect::<Vec<_>>();
    let writers =
        Writers::new(&folder, names.clone(), Parts::Numbered, &conclude::metadata(config))?.with_rules(config.rules());
    let times = StageTimes::default();
    let options = ReadOptions { filter: config.filter.clone(), hash: config.hash, stop: progress.stop_flag() };
    let mut facts = RunFacts::new(started, names);
    let mut lines = FindingLines::new(&folder)?;
    let results = if config.separate {
        let results = separate::run(config, inputs, &options, &writers, &times, progress, &mut facts)?;
        lines.write_gathered(&mut facts, writers.names_of_findings(), config.threads)?;
        results
    } else {
        let engine = Arc::new(config.engine(0));
        let flow_memory = engine.flow_memory;
        let shards = (0..limits::SHARDS).map(|_| Shard::new(engine.clone(), limits::SHARDS)).collect();
        let ingest = Ingest::new(inputs, 0, options, progress.clone(), engine.tls_keys.clone());
        let done = schedule::run(
            ingest,
            config.collector(None, &writers),
            shards,
            &writers,
            &times,
            Shares::new(flow_memory),
            config.threads,
        )?;
        let mut collector = done.collector;
        collector.conclude(&done.ingest.drops(), config.threads);
        facts.take(&mut collector);
        if let Some(rows) = collector.finding_rows() {
            lines.write(rows, writers.names_of_findings(), config.threads)?;
        }
        conclude::encode(&writers, &mut collector, config.threads)?;
        done.ingest.results
    };
    if progress.aborted() {
        return Err(PipelineError::Aborted);
    }
    if results.iter().all(|r| r.outcome.frames == 0 && r.error.is_some()) {
        // Nothing at all could be read: there is no output, only the reasons.
        return Ok(conclude::nothing_read(config, &results, &facts));
    }
    facts.wall_us = i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX);
    conclude::finish(config, &folder, writers, results, facts, lines, &times)
}

/// The inputs of a run in the order of their first packets: one timeline.
fn order(found: Discovery, separate: bool) -> Result<Vec<InputResult>, PipelineError> {
    let mut inputs: Vec<(Option<Timestamp>, InputResult)> = Vec::new();
    for input in found.inputs {
        let mut result = InputResult::new(input);
        let mut first = None;
        match peek(&result.input) {
            Ok(peek) => {
                first = peek.first_ts;
                result.format = peek.format;
                result.compression = Some(peek.compression);
            }
            // A capture that is damaged before its first packet is reported when it is read.
            Err(error) if is_final(&error) => result.error = Some(error),
            Err(_) => {}
        }
        inputs.push((first, result));
    }
    for problem in found.problems {
        let mut result = InputResult::new(crate::source::InputPath::named(&problem.path));
        result.error = Some(problem);
        inputs.push((None, result));
    }
    if !separate {
        // Stable: what has no time keeps its place at the front.
        inputs.sort_by_key(|(first, _)| *first);
    }
    Ok(inputs.into_iter().map(|(_, result)| result).collect())
}

/// Whether an error at the first look means that the input has nothing to read at all.
fn is_final(error: &SourceError) -> bool {
    use crate::source::SourceErrorKind::{Empty, Io, NotACapture, Unsupported};
    matches!(error.kind, Io(_) | Empty | NotACapture(_) | Unsupported(_))
}

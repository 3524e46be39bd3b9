//! `overhear read`.

use std::path::Path;
use std::sync::Arc;

use super::args::{Common, Format, Read};
use super::{complain, exit, print, progress, signals};
use crate::base::secret::Reveal;
use crate::detect::CaseKey;
use crate::device::Inventory;
use crate::flow::Timeouts;
use crate::pipeline::read::ReadConfig;
use crate::pipeline::{PipelineError, Progress};
use crate::policy::{Expect, HomeNet, Suppress};
use crate::proto::tls::opening::keylog::{KeyStore, Since};
use crate::report::summary;
use crate::signature::recog::{self, Recog};
use crate::signature::{Intel, Severity, SignatureSet, intel};
use crate::sink::SinkError;
use crate::source::{check_filter, discover};

/// Reads captures.
pub fn run(args: Read, command_line: Vec<String>) -> u8 {
    let config = match configure(&args.common, command_line) {
        Ok(config) => ReadConfig { separate: args.separate, hash: !args.no_hash, ..config },
        Err(code) => return code,
    };
    let found = discover(&args.captures);
    if found.inputs.is_empty() && found.problems.is_empty() {
        complain("there is no capture in what was named");
        return exit::NO_INPUT;
    }
    let run_progress = Arc::new(Progress::default());
    if let Err(error) = signals::watch(&run_progress) {
        complain(format_args!("cannot watch for signals: {error}"));
        return exit::FAILED;
    }
    let total = found.inputs.iter().map(|i| i.size).sum::<Option<u64>>();
    let shown = progress::show(&run_progress, total);
    let result = crate::pipeline::read::run(&config, found, &run_progress);
    drop(shown);
    finish(result, args.common.format)
}

/// Prints what came of a run and gives the exit code.
pub fn finish(result: Result<crate::report::document::RunDocument, PipelineError>, format: Format) -> u8 {
    match result {
        Ok(document) => {
            for warning in document.warnings.iter().chain(&document.suppressed.warnings) {
                complain(warning);
            }
            let code = document.exit_code;
            let text = match format {
                Format::Text => summary::text(&document),
                Format::Json => summary::json(&document),
            };
            match print(&text) {
                exit::COMPLETE => code,
                failed => failed,
            }
        }
        Err(error) => {
            complain(&error);
            match error {
                PipelineError::Sink(
                    SinkError::Exists(_) | SinkError::InTheWay { .. } | SinkError::Unreadable { .. },
                ) => exit::USAGE,
                PipelineError::Source(_) => exit::NO_INPUT,
                PipelineError::Live(_) => exit::NO_INPUT,
                _ => exit::FAILED,
            }
        }
    }
}

/// The list of accepted findings in a file; what is wrong with it was printed.
pub fn accepted(path: &Path) -> Result<Suppress, u8> {
    Suppress::load(path).map_err(|errors| {
        errors.iter().for_each(complain);
        exit::USAGE
    })
}

/// The built-in signatures with those of a folder on top; what is wrong with them was printed.
pub fn signatures(folder: &Path) -> Result<Arc<SignatureSet>, u8> {
    SignatureSet::load(folder).map(Arc::new).map_err(|errors| {
        errors.iter().for_each(complain);
        exit::USAGE
    })
}

/// The secrets in key logs. A line that says nothing is told and left out; a file without any secret is an error.
fn tls_keys(paths: &[std::path::PathBuf], memory: usize) -> Result<Option<Arc<KeyStore>>, u8> {
    const SHOWN: usize = 5;
    let store = KeyStore::within(memory / 8);
    if paths.is_empty() {
        // Captures may hold secrets, which stand over these.
        return Ok(Some(Arc::new(store)));
    }
    for path in paths {
        let fail = |what: &dyn std::fmt::Display| {
            complain(format_args!("--tls-keys {}: {what}", path.display()));
            exit::USAGE
        };
        let log = std::fs::read(path).map_err(|e| fail(&e))?;
        let mut bad = 0;
        let read = store.read(&log, Since::Always, &mut |line| {
            bad += 1;
            if bad <= SHOWN {
                complain(format_args!("--tls-keys {}: line {}: {}", path.display(), line.line, line.reason));
            }
        });
        if bad > SHOWN {
            complain(format_args!("--tls-keys {}: {} more lines that say nothing", path.display(), bad - SHOWN));
        }
        if read == 0 {
            return Err(fail(&"there is no secret of a TLS session in it (lines as in CLIENT_RANDOM ... ...)"));
        }
    }
    Ok(Some(Arc::new(store)))
}

/// Memory that is left to the rest of the program, whatever the lists of indicators are.
const MEMORY_BESIDE_LISTS: usize = 256 << 20;
/// Memory that the lists may take even so: half a million entries and more.
const MEMORY_OF_LISTS_LEAST: usize = 16 << 20;

/// Lists of indicators; why they cannot be read was printed.
fn indicators(paths: &[std::path::PathBuf], memory: usize) -> Result<Option<Arc<Intel>>, u8> {
    if paths.is_empty() {
        return Ok(None);
    }
    let room = memory.saturating_sub(MEMORY_BESIDE_LISTS).max(MEMORY_OF_LISTS_LEAST);
    intel::load(paths, room).map(|lists| Some(Arc::new(lists))).map_err(|errors| {
        errors.iter().for_each(complain);
        exit::USAGE
    })
}

/// Validates what `read` and `listen` have in common; the error is the exit code, the reason was
/// printed.
pub fn configure(common: &Common, command_line: Vec<String>) -> Result<ReadConfig, u8> {
    let fail = |what: String| {
        complain(what);
        exit::USAGE
    };
    if let Some(filter) = &common.filter {
        check_filter(filter).map_err(|e| fail(format!("--filter {filter:?}: {e}")))?;
    }
    let expect = match &common.expect {
        None => None,
        Some(path) => Some(Expect::load(path).map_err(|errors| {
            errors.iter().for_each(complain);
            exit::USAGE
        })?),
    };
    let suppress = match &common.suppress {
        None => None,
        Some(path) => Some(Arc::new(accepted(path)?)),
    };
    let inventory = match &common.inventory {
        None => None,
        Some(path) => Some(Arc::new(Inventory::load(path).map_err(|errors| {
            errors.iter().for_each(complain);
            exit::USAGE
        })?)),
    };
    let signatures = match &common.signatures {
        None => None,
        Some(folder) => Some(signatures(folder)?),
    };
    if let Some(folder) = &common.recog {
        recog::install(Recog::load(folder, false).map_err(|errors| {
            errors.iter().for_each(complain);
            exit::USAGE
        })?);
    }
    let lists = indicators(&common.intel, common.memory)?;
    let memory = common.memory.saturating_sub(lists.as_ref().map_or(0, |l| l.memory()));
    let case_key = match &common.case_key {
        None => CaseKey::random(),
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|e| fail(format!("--case-key {}: {e}", path.display())))?;
            if bytes.is_empty() {
                return Err(fail(format!("--case-key {}: the file is empty", path.display())));
            }
            CaseKey::from_file(&bytes)
        }
    };
    let tls_keys = tls_keys(&common.tls_keys, common.memory)?;
    const SECOND: i64 = 1_000_000_000;
    let timeouts = Timeouts {
        tcp: i64::from(common.tcp_timeout) * SECOND,
        udp: i64::from(common.udp_timeout) * SECOND,
        other: i64::from(common.other_timeout) * SECOND,
        ..Timeouts::default()
    };
    let threads =
        common.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let home = if common.home_net.is_empty() { HomeNet::default() } else { HomeNet::new(&common.home_net) };
    let networks = match common.home_net.is_empty() {
        true => "default".to_owned(),
        false => common.home_net.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let text = |o: Option<String>| o.unwrap_or_default();
    let path = |p: &Option<std::path::PathBuf>| text(p.as_ref().map(|p| p.display().to_string()));
    let options = [
        ("filter", text(common.filter.clone())),
        ("home_net", networks),
        ("expect", path(&common.expect)),
        ("inventory", path(&common.inventory)),
        ("signatures", path(&common.signatures)),
        ("recog", path(&common.recog)),
        ("recog_sha256", recog::loaded().map(|r| r.hash().to_owned()).unwrap_or_default()),
        ("tls_keys", common.tls_keys.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(",")),
        ("intel", common.intel.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(",")),
        ("reveal_secrets", common.reveal_secrets.to_string()),
        ("dedup", (!common.no_dedup).to_string()),
        ("memory", common.memory.to_string()),
        ("tcp_timeout_s", common.tcp_timeout.to_string()),
        ("udp_timeout_s", common.udp_timeout.to_string()),
        ("other_timeout_s", common.other_timeout.to_string()),
    ];
    Ok(ReadConfig {
        out: common.out.clone(),
        overwrite: common.overwrite,
        filter: common.filter.clone(),
        separate: false,
        threads,
        memory,
        hash: false,
        dedup: !common.no_dedup,
        reveal: if common.reveal_secrets { Reveal::Yes } else { Reveal::No },
        case_key,
        tls_keys,
        home,
        expect,
        signatures,
        intel: lists,
        suppress,
        inventory,
        timeouts,
        fail_on: common.fail_on.map(Severity::from),
        command_line,
        options: options.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    })
}

//! Another list of accepted findings for an output that is there: what a run with that list would have
//! written, made from its tables.

use std::collections::HashMap;
use std::path::Path;

use super::PipelineError;
use super::conclude::SCHEMA_VERSION;
use super::tables;
use crate::base::{Addr, Mac};
use crate::detect::findings::FINDINGS;
use crate::device::rows::DEVICES;
use crate::policy::Suppress;
use crate::policy::suppress::{Subject, Tally};
use crate::record::{RowBuffer, Table};
use crate::report::document::RunDocument;
use crate::report::top::{Candidate, TopList};
use crate::signature::Severity;
use crate::sink::{Cell, JsonLines, OutputFolder, SinkError, TableSchema, revise_table};

/// Applies a list to an output; `None` silences nothing.
///
/// # Errors
/// If the folder is no output, is being written, is of another version, or cannot be written to. Then
/// nothing has changed.
pub fn run(root: &Path, list: Option<&Suppress>, fail_on: Option<Severity>) -> Result<RunDocument, PipelineError> {
    let names: Vec<_> = tables::ALL.iter().map(|t| t.name).collect();
    let folder = OutputFolder::revise(root, &names)?;
    let mut document = read_document(root)?;
    let mut revised = Revised::new(&document, list);
    let schema = TableSchema::new(&FINDINGS)?;
    let findings = revise_table(&folder, &schema, &mut |cells| revised.finding(cells))?;
    let mut lines = JsonLines::new(&folder, &schema, "findings.jsonl")?;
    lines.append(&mut revised.counting, &[])?;
    lines.finish()?;
    let devices = revise_table(&folder, &TableSchema::new(&DEVICES)?, &mut |cells| revised.device(cells))?;
    for (before, after) in [findings, devices] {
        document.output_bytes = document.output_bytes.saturating_sub(before).saturating_add(after);
    }
    document.findings = Severity::ALL.iter().zip(revised.by_severity).map(|(s, n)| (s.name().to_owned(), n)).collect();
    document.top_findings = revised.top.lines();
    document.suppressed = list.map(|list| list.report(&revised.tally)).unwrap_or_default();
    document.exit_code = document.exit_code_for(fail_on);
    folder.finish(&document.to_json())?;
    document.output = Some(root.display().to_string());
    Ok(document)
}

/// The document of the run; one of another version is refused before its fields are looked at.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn read_document(root: &Path) -> Result<RunDocument, SinkError> {
    let path = root.join("run.json");
    let bad = |what: &dyn std::fmt::Display| SinkError::unreadable(&path, what);
    let text = std::fs::read_to_string(&path).map_err(|e| bad(&e))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| bad(&e))?;
    match value.get("schema_version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {}
        Some(version) => {
            let what = format!("the output has schema version {version}; this program knows {SCHEMA_VERSION}");
            return Err(bad(&what));
        }
        None => return Err(bad(&"states no schema version")),
    }
    serde_json::from_value(value).map_err(|e| bad(&e))
}

/// Positions of columns.
struct At {
    id: usize,
    rule: usize,
    severity: usize,
    title: usize,
    device_id: usize,
    device_ip: usize,
    device_mac: usize,
    peer_ip: usize,
    peer_port: usize,
    peer_name: usize,
    first: usize,
    last: usize,
    count: usize,
    capture: usize,
    evidence: usize,
    suppressed: usize,
}

fn position(table: &'static Table, name: &str) -> usize {
    // A column that is not there reads as null; a test holds that all are.
    table.all_columns().position(|c| c.name == name).unwrap_or(usize::MAX)
}

impl At {
    fn new() -> Self {
        let at = |name| position(&FINDINGS, name);
        Self {
            id: at("finding_id"),
            rule: at("rule_id"),
            severity: at("severity"),
            title: at("title"),
            device_id: at("device_id"),
            device_ip: at("device_ip"),
            device_mac: at("device_mac"),
            peer_ip: at("peer_ip"),
            peer_port: at("peer_port"),
            peer_name: at("peer_name"),
            first: at("ts_first"),
            last: at("ts_last"),
            count: at("count"),
            capture: at("capture"),
            evidence: at("evidence"),
            suppressed: at("suppressed"),
        }
    }
}

/// What comes of the findings.
struct Revised<'a> {
    list: Option<&'a Suppress>,
    at: At,
    /// Numbers of the networks by capture, where each capture is one.
    networks: HashMap<String, u32>,
    tally: Tally,
    by_severity: [u64; 5],
    by_device: HashMap<String, [u64; 5]>,
    top: TopList,
    /// Rows that no entry silences.
    counting: RowBuffer,
}

impl<'a> Revised<'a> {
    fn new(document: &RunDocument, list: Option<&'a Suppress>) -> Self {
        let separate = document.options.get("separate").is_some_and(|v| v == "true");
        let inputs = document.inputs.iter().zip(0..).filter(|_| separate);
        Self {
            list,
            at: At::new(),
            networks: inputs.map(|(input, number)| (input.path.clone(), number)).collect(),
            tally: Tally::default(),
            by_severity: [0; 5],
            by_device: HashMap::new(),
            top: TopList::default(),
            counting: RowBuffer::default(),
        }
    }

    /// Takes in a row of the findings and says whether it changed it.
    fn finding(&mut self, cells: &mut [Cell]) -> bool {
        let at = &self.at;
        let text = |at: usize| cells.get(at).and_then(Cell::text);
        let addr = |at: usize| text(at).and_then(|t| t.parse::<Addr>().ok());
        let device_mac = text(at.device_mac).and_then(|t| t.parse::<Mac>().ok());
        let subject = Subject {
            rule: text(at.rule).unwrap_or_default(),
            device_ip: addr(at.device_ip),
            device_mac,
            device_id: text(at.device_id),
            peer_ip: addr(at.peer_ip),
            peer_name: text(at.peer_name),
            last: cells.get(at.last).and_then(Cell::time).unwrap_or_default(),
        };
        let reason = self.list.and_then(|list| list.judge(&subject, &mut self.tally));
        let id = text(at.id).and_then(|t| u64::from_str_radix(t, 16).ok()).unwrap_or_default();
        let severity = text(at.severity).and_then(Severity::from_name).filter(|_| reason.is_none());
        if let Some(severity) = severity {
            let device = text(at.device_id).map(|id| self.by_device.entry(id.to_owned()).or_default());
            for counts in device.into_iter().chain([&mut self.by_severity]) {
                if let Some(n) = counts.get_mut(severity.rank()) {
                    *n += 1;
                }
            }
            let capture = text(at.capture).unwrap_or_default();
            let int = |at: usize| cells.get(at).and_then(Cell::int).unwrap_or_default();
            self.top.add(&Candidate {
                severity,
                network: self.networks.get(capture).copied().unwrap_or(0),
                rule: subject.rule,
                title: text(at.title).unwrap_or_default(),
                device: (subject.device_ip, device_mac),
                capture,
                peer: subject.peer_ip,
                port: u16::try_from(int(at.peer_port)).unwrap_or_default(),
                evidence: text(at.evidence).unwrap_or_default(),
                count: u64::try_from(int(at.count)).unwrap_or_default(),
                id,
            });
        }
        let first = cells.get(at.first).and_then(Cell::time).unwrap_or_default();
        let counts = reason.is_none();
        let changed = cells.get_mut(at.suppressed).is_some_and(|cell| {
            let new = reason.map_or(Cell::Null, |reason| Cell::Text(reason.to_owned()));
            let old = std::mem::replace(cell, new);
            *cell != old
        });
        if counts {
            let mut row = self.counting.row(first, id);
            cells.iter().for_each(|cell| cell.write(&mut row));
        }
        changed
    }

    /// Writes the counts into a row of the devices and says whether it changed it.
    fn device(&self, cells: &mut [Cell]) -> bool {
        let id = cells.get(position(&DEVICES, "device_id")).and_then(Cell::text);
        let counts = id.and_then(|id| self.by_device.get(id)).copied().unwrap_or_default();
        let mut changed = false;
        for (severity, n) in Severity::ALL.iter().zip(counts) {
            let name = format!("findings_{}", severity.name());
            if let Some(cell) = cells.get_mut(position(&DEVICES, &name)) {
                let new = Cell::Int(i64::try_from(n).unwrap_or(i64::MAX));
                changed |= *cell != new;
                *cell = new;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_is_looked_for_is_there() {
        let At {
            id,
            rule,
            severity,
            title,
            device_id,
            device_ip,
            device_mac,
            peer_ip,
            peer_port,
            peer_name,
            first,
            last,
            count,
            capture,
            evidence,
            suppressed,
        } = At::new();
        let all = [
            id,
            rule,
            severity,
            title,
            device_id,
            device_ip,
            device_mac,
            peer_ip,
            peer_port,
            peer_name,
            first,
            last,
            count,
            capture,
            evidence,
            suppressed,
            position(&DEVICES, "device_id"),
        ];
        assert!(all.iter().all(|at| *at != usize::MAX), "{all:?}");
        for severity in Severity::ALL {
            assert_ne!(position(&DEVICES, &format!("findings_{}", severity.name())), usize::MAX);
        }
    }
}

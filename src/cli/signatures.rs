//! `overhear signatures`: checking and listing rules and lists.

use std::fmt::Write as _;
use std::path::Path;

use super::args::{Format, Signatures};
use super::{complain, exit, print, read};
use crate::signature::recog::{self, Recog};
use crate::signature::{Category, Severity, SignatureSet};

/// Checks or lists.
pub fn run(what: &Signatures) -> u8 {
    match what {
        Signatures::Check { recog: Some(folder), .. } => check_recog(folder),
        Signatures::Check { dir, recog: None } => check(dir.as_deref()),
        Signatures::List { signatures: None, format } => list(SignatureSet::builtin(), *format),
        Signatures::List { signatures: Some(folder), format } => match read::signatures(folder) {
            Ok(set) => list(&set, *format),
            Err(code) => code,
        },
    }
}

fn check(folder: Option<&Path>) -> u8 {
    let Some(folder) = folder else {
        return match SignatureSet::check_builtin() {
            errors if errors.is_empty() => print(&inventory(SignatureSet::builtin())),
            errors => wrong(&errors),
        };
    };
    match SignatureSet::load(folder) {
        Ok(set) => print(&inventory(&set)),
        Err(errors) => wrong(&errors),
    }
}

/// Runs the examples of a folder of Recog.
fn check_recog(folder: &Path) -> u8 {
    let outcome = match Recog::load(folder, true) {
        Ok(recog) => recog::check(&recog),
        Err(errors) => return wrong(&errors),
    };
    let width = outcome.files.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut out = format!("{:width$}  {:>12}  {:>8}  {:>6}\n", "File", "Fingerprints", "Examples", "Hit");
    let mut sums = [0; 3];
    for f in &outcome.files {
        let used = if f.used { "" } else { "  (no parser tells such strings)" };
        let _ = writeln!(out, "{:width$}  {:>12}  {:>8}  {:>6}{used}", f.name, f.fingerprints, f.examples, f.hit);
        for (sum, n) in sums.iter_mut().zip([f.fingerprints, f.examples, f.hit]) {
            *sum += n;
        }
    }
    let [fingerprints, examples, hit] = sums;
    let _ = writeln!(out, "{:width$}  {fingerprints:>12}  {examples:>8}  {hit:>6}", "All");
    if outcome.skipped > 0 {
        let _ = writeln!(out, "{} examples stand in files that are not there", outcome.skipped);
    }
    match print(&out) {
        exit::COMPLETE if outcome.failed.is_empty() => exit::COMPLETE,
        exit::COMPLETE => wrong(&outcome.failed),
        failed => failed,
    }
}

/// One line each, as editors and programs read them.
fn wrong(errors: &[crate::signature::rules::RuleError]) -> u8 {
    let mut out = String::new();
    for error in errors {
        let _ = writeln!(out, "{error}");
    }
    complain(format_args!("{} {} wrong", errors.len(), if errors.len() == 1 { "thing is" } else { "things are" }));
    match print(&out) {
        exit::COMPLETE => exit::USAGE,
        failed => failed,
    }
}

/// What a set holds.
fn inventory(set: &SignatureSet) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_inventory(&mut out, set);
    out
}

fn write_inventory(out: &mut String, set: &SignatureSet) -> std::fmt::Result {
    let enabled = || set.rules.iter().filter(|r| r.enabled);
    let off = set.rules.iter().filter(|r| !r.enabled).count();
    writeln!(out, "Version   {}", set.version())?;
    writeln!(out, "SHA-256   {}", set.hash())?;
    write!(out, "Rules     {}", enabled().count())?;
    writeln!(out, "{}", if off > 0 { format!(", and {off} switched off") } else { String::new() })?;
    write!(out, "\n  {:<22}", "")?;
    for severity in Severity::ALL.iter().rev() {
        write!(out, " {:>8}", severity.name())?;
    }
    writeln!(out, " {:>8}", "all")?;
    for category in Category::ALL {
        let of = || enabled().filter(|r| r.category == category);
        if of().next().is_none() {
            continue;
        }
        write!(out, "  {:<22}", category.name())?;
        for severity in Severity::ALL.into_iter().rev() {
            match of().filter(|r| r.severity == severity).count() {
                0 => write!(out, " {:>8}", "-")?,
                n => write!(out, " {n:>8}")?,
            }
        }
        writeln!(out, " {:>8}", of().count())?;
    }
    writeln!(out, "\nControls  {} with a title", set.control_count())
}

fn list(set: &SignatureSet, format: Format) -> u8 {
    match format {
        Format::Text => {
            let width = set.rules.iter().map(|r| r.id.len()).max().unwrap_or(0);
            let mut out = String::new();
            for rule in set.rules.iter() {
                let off = if rule.enabled { "" } else { " (switched off)" };
                let (severity, category) = (rule.severity.name(), rule.category.name());
                let _ = writeln!(out, "{:width$}  {severity:<8}  {category:<20}  {}{off}", rule.id, rule.title);
            }
            print(&out)
        }
        Format::Json => {
            let rules: Vec<_> = set
                .rules
                .iter()
                .map(|r| {
                    serde_json::json!({
                        "rule_id": r.id,
                        "severity": r.severity.name(),
                        "category": r.category.name(),
                        "title": r.title,
                        "confidence": r.confidence,
                        "enabled": r.enabled,
                        "controls": r.controls,
                    })
                })
                .collect();
            print(&format!("{:#}\n", serde_json::Value::Array(rules)))
        }
    }
}

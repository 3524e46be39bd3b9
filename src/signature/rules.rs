//! Rules: what a finding means, how bad it is, and what to do about it.
//!
//! The built-in rules are compiled in from `signatures/rules/` and parsed when the first finding
//! needs one. A user's folder may replace rules by their identifier or switch them off; its files
//! are checked strictly, and an error names file, line and reason.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::base::limits;

/// The layout of rule files that this program reads.
pub const SCHEMA: i64 = 1;

/// The files that are compiled in.
const BUILTIN: &[(&str, &str)] = &[
    ("capture.toml", include_str!("../../signatures/rules/capture.toml")),
    ("certificates.toml", include_str!("../../signatures/rules/certificates.toml")),
    ("cleartext.toml", include_str!("../../signatures/rules/cleartext.toml")),
    ("databases.toml", include_str!("../../signatures/rules/databases.toml")),
    ("discovery.toml", include_str!("../../signatures/rules/discovery.toml")),
    ("egress.toml", include_str!("../../signatures/rules/egress.toml")),
    ("files.toml", include_str!("../../signatures/rules/files.toml")),
    ("intel.toml", include_str!("../../signatures/rules/intel.toml")),
    ("login.toml", include_str!("../../signatures/rules/login.toml")),
    ("machines.toml", include_str!("../../signatures/rules/machines.toml")),
    ("mail.toml", include_str!("../../signatures/rules/mail.toml")),
    ("management.toml", include_str!("../../signatures/rules/management.toml")),
    ("remote.toml", include_str!("../../signatures/rules/remote.toml")),
    ("software.toml", include_str!("../../signatures/rules/software.toml")),
    ("ssh.toml", include_str!("../../signatures/rules/ssh.toml")),
    ("tls.toml", include_str!("../../signatures/rules/tls.toml")),
    ("vpn.toml", include_str!("../../signatures/rules/vpn.toml")),
    ("voice.toml", include_str!("../../signatures/rules/voice.toml")),
    ("web.toml", include_str!("../../signatures/rules/web.toml")),
    ("windows.toml", include_str!("../../signatures/rules/windows.toml")),
];

/// How bad a finding is; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All of them, from the mildest to the worst.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// 0 for the mildest, 4 for the worst.
    pub const fn rank(self) -> usize {
        self as usize
    }

    /// The name as tables spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of a name, for `--fail-on`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// What sort of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the names are those of the table
pub enum Category {
    CleartextCredential,
    InsecureProtocol,
    WeakCrypto,
    Certificate,
    UnexpectedEgress,
    Behaviour,
    Exposure,
    Device,
    CaptureQuality,
}

impl Category {
    /// All of them, as reports list them.
    pub const ALL: [Self; 9] = [
        Self::CleartextCredential,
        Self::InsecureProtocol,
        Self::WeakCrypto,
        Self::Certificate,
        Self::UnexpectedEgress,
        Self::Behaviour,
        Self::Exposure,
        Self::Device,
        Self::CaptureQuality,
    ];

    /// The name as tables spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CleartextCredential => "cleartext-credential",
            Self::InsecureProtocol => "insecure-protocol",
            Self::WeakCrypto => "weak-crypto",
            Self::Certificate => "certificate",
            Self::UnexpectedEgress => "unexpected-egress",
            Self::Behaviour => "behaviour",
            Self::Exposure => "exposure",
            Self::Device => "device",
            Self::CaptureQuality => "capture-quality",
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Identifier: lower case, digits and `-`.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// Sort.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// How sure a sighting is, above 0 and at most 1.
    pub confidence: f64,
    /// What it means, in plain words for whoever owns the device.
    pub description: String,
    /// How it is recognised and what could fool that.
    pub explanation: String,
    /// What to do.
    pub remedy: String,
    /// Provisions and weaknesses it bears on, as `FRAMEWORK:NUMBER` or `CWE-NUMBER`.
    pub controls: Vec<String>,
    /// Whether it is in use; a user's file may switch it off.
    pub enabled: bool,
    /// Number of its first text among [`RuleSet::texts`].
    first_text: u32,
}

impl Rule {
    /// The numbers of identifier, title, description, remedy and explanation among [`RuleSet::texts`].
    pub fn text_numbers(&self) -> [u32; TEXTS] {
        std::array::from_fn(|i| self.first_text.saturating_add(i as u32))
    }
}

/// Texts of a rule that every finding of it repeats.
const TEXTS: usize = 5;

/// What is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The file.
    pub file: PathBuf,
    /// 1-based line; zero where the file as a whole is meant.
    pub line: usize,
    /// What is wrong, and what is right.
    pub reason: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.reason),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.reason),
        }
    }
}

impl std::error::Error for RuleError {}

/// A checked set of rules.
#[derive(Debug, Clone)]
pub struct RuleSet {
    rules: BTreeMap<String, Rule>,
    version: String,
    hash: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    schema: Spanned<i64>,
    version: Spanned<String>,
    date: Spanned<String>,
    source: Spanned<String>,
    licence: Spanned<String>,
    #[serde(default)]
    rule: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<String>,
    title: Spanned<String>,
    category: Category,
    severity: Severity,
    confidence: Spanned<f64>,
    description: Spanned<String>,
    explanation: Spanned<String>,
    remedy: Spanned<String>,
    controls: Vec<Spanned<String>>,
    #[serde(default = "yes")]
    enabled: bool,
}

const fn yes() -> bool {
    true
}

/// The 1-based line of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// Turns an error of the TOML reader into file, line and reason.
fn toml_error(file: &Path, text: &str, error: &toml::de::Error) -> RuleError {
    let line = error.span().map_or(0, |span| line_of(text, span.start));
    RuleError { file: file.to_path_buf(), line, reason: error.message().replace('\n', "; ") }
}

impl RuleSet {
    /// The rules that are compiled in, parsed at the first call.
    pub fn builtin() -> &'static Arc<Self> {
        static SET: OnceLock<Arc<RuleSet>> = OnceLock::new();
        SET.get_or_init(|| {
            // The files are part of the program and a test parses them; a set without rules drops
            // findings, so it must not come about, but a panic here would lose the whole run.
            Arc::new(Self::from_files(None, Self::builtin_files()).unwrap_or_else(|_| Self {
                rules: BTreeMap::new(),
                version: String::from("broken"),
                hash: String::new(),
            }))
        })
    }

    /// The built-in rules with those of a text on top: a rule replaces the built-in one of its identifier,
    /// `enabled = false` switches it off. Messages call the text `file`.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<RuleError>> {
        Self::from_files(Some(Self::builtin()), vec![(file.to_path_buf(), text.to_owned())])
    }

    /// The rules of files, each its path and its text, on top of a set.
    pub(super) fn from_files(base: Option<&Self>, files: Vec<(PathBuf, String)>) -> Result<Self, Vec<RuleError>> {
        let mut rules = base.map(|b| b.rules.clone()).unwrap_or_default();
        let mut version = base.map(|b| b.version.clone()).unwrap_or_default();
        let mut hasher = Sha256::new();
        hasher.update(base.map_or("", |b| b.hash.as_str()));
        let mut errors = Vec::new();
        let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (path, text) in &files {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
            let raw: RawFile = match toml::from_str(text) {
                Ok(raw) => raw,
                Err(error) => {
                    errors.push(toml_error(path, text, &error));
                    continue;
                }
            };
            let mut bad = |offset: usize, reason: String| {
                errors.push(RuleError { file: path.clone(), line: line_of(text, offset), reason });
            };
            check_header(&raw, &mut bad);
            version = version.max(raw.version.into_inner());
            for rule in raw.rule {
                let at = rule.id.span().start;
                check_rule(&rule, &mut bad);
                let rule = rule.into_rule();
                if base.is_some_and(|b| b.get_any(&rule.id).is_none()) {
                    bad(at, format!("no detector knows the rule {:?}; only built-in rules can be replaced", rule.id));
                }
                if let Some(first) = seen.insert(rule.id.clone(), path.clone()) {
                    bad(at, format!("the rule {:?} stands in {} already", rule.id, first.display()));
                }
                rules.insert(rule.id.clone(), rule);
            }
        }
        if rules.len() > limits::RULES_MAX {
            let reason = format!("more than {} rules", limits::RULES_MAX);
            errors.push(RuleError { file: PathBuf::new(), line: 0, reason });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        for (number, rule) in (0..).zip(rules.values_mut()) {
            rule.first_text = number * TEXTS as u32;
        }
        let hash = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { rules, version, hash })
    }

    /// What is wrong with the built-in rules: nothing, as a test holds.
    pub fn check_builtin() -> Vec<RuleError> {
        Self::from_files(None, Self::builtin_files()).err().unwrap_or_default()
    }

    fn builtin_files() -> Vec<(PathBuf, String)> {
        BUILTIN.iter().map(|(name, text)| (PathBuf::from(*name), (*text).to_owned())).collect()
    }

    /// The rule of an identifier, where it is in use.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.get_any(id).filter(|r| r.enabled)
    }

    /// The rule of an identifier, in use or not.
    pub fn get_any(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// The texts that findings repeat, by [`Rule::text_numbers`].
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.iter().flat_map(|r| [&*r.id, &*r.title, &*r.description, &*r.remedy, &*r.explanation])
    }

    /// All rules, by identifier.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Version of the set: the latest that any of its files states.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 in hex over names and contents of the files, for `run.json`.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Reads a text file of bounded size.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|e| format!("cannot open: {e}"))?;
    let mut bytes = Vec::new();
    file.take(limits::SIGNATURE_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot read: {e}"))?;
    if bytes.len() > limits::SIGNATURE_FILE_BYTES_MAX {
        return Err(format!("longer than {} bytes", limits::SIGNATURE_FILE_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|e| format!("not UTF-8 text at byte {}", e.utf8_error().valid_up_to()))
}

fn check_header(raw: &RawFile, bad: &mut dyn FnMut(usize, String)) {
    let schema = *raw.schema.get_ref();
    if schema != SCHEMA {
        bad(raw.schema.span().start, format!("schema {schema} is not known; this program reads {SCHEMA}"));
    }
    for (name, value) in
        [("version", &raw.version), ("source", &raw.source), ("licence", &raw.licence), ("date", &raw.date)]
    {
        if value.get_ref().trim().is_empty() {
            bad(value.span().start, format!("{name} is empty"));
        }
    }
    let date = raw.date.get_ref();
    if date.parse::<jiff::civil::Date>().is_err() || date.len() != 10 {
        bad(raw.date.span().start, format!("{date:?} is not a date (as in 2026-11-23)"));
    }
}

fn check_rule(rule: &RawRule, bad: &mut dyn FnMut(usize, String)) {
    let id = rule.id.get_ref();
    let letters = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || !id.starts_with(|c: char| c.is_ascii_lowercase()) || id.len() > 64 {
        bad(rule.id.span().start, format!("{id:?} is not a rule id (lower case, digits and -, 64 at most)"));
    }
    let confidence = *rule.confidence.get_ref();
    if !(confidence > 0.0 && confidence <= 1.0) {
        bad(rule.confidence.span().start, format!("confidence {confidence} is not above 0 and at most 1"));
    }
    for (name, value) in [
        ("title", &rule.title),
        ("description", &rule.description),
        ("explanation", &rule.explanation),
        ("remedy", &rule.remedy),
    ] {
        let text = value.get_ref();
        if text.trim().is_empty() || text.len() > limits::TEXT_BYTES_MAX {
            bad(value.span().start, format!("{name} is empty or longer than {} bytes", limits::TEXT_BYTES_MAX));
        } else if text.chars().any(char::is_control) {
            bad(value.span().start, format!("{name} holds a line break or another control character"));
        }
    }
    if rule.controls.len() > limits::LIST_ITEMS_MAX {
        bad(rule.id.span().start, format!("more than {} controls", limits::LIST_ITEMS_MAX));
    }
    for control in &rule.controls {
        let text = control.get_ref();
        if !is_control(text) {
            let reason = format!("{text:?} is not a control (as in ETSI-EN-303645:5.5-1, CWE-319 or ATTACK:T1040)");
            bad(control.span().start, reason);
        }
    }
}

/// `CWE-` and a number, or a framework in capitals, a colon and a number of it.
fn is_control(text: &str) -> bool {
    if let Some(number) = text.strip_prefix("CWE-") {
        return !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    }
    text.split_once(':').is_some_and(|(framework, number)| {
        !framework.is_empty()
            && framework.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-/".contains(&b))
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_alphanumeric() || b".-/() ".contains(&b))
    })
}

impl RawRule {
    fn into_rule(self) -> Rule {
        Rule {
            id: self.id.into_inner(),
            title: self.title.into_inner(),
            category: self.category,
            severity: self.severity,
            confidence: self.confidence.into_inner(),
            description: self.description.into_inner(),
            explanation: self.explanation.into_inner(),
            remedy: self.remedy.into_inner(),
            controls: self.controls.into_iter().map(Spanned::into_inner).collect(),
            enabled: self.enabled,
            first_text: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_texts_also_beside_those_of_a_user() {
        let builtin = RuleSet::builtin();
        let texts: Vec<_> = builtin.texts().collect();
        for rule in builtin.iter() {
            let found = rule.text_numbers().map(|n| texts[n as usize]);
            assert_eq!(found, [&*rule.id, &*rule.title, &*rule.description, &*rule.remedy, &*rule.explanation]);
        }
        assert_eq!(texts.len(), builtin.iter().count() * TEXTS);
    }

    const HEADER: &str = "schema = 1\nversion = \"1\"\ndate = \"2026-11-23\"\nsource = \"s\"\nlicence = \"MIT\"\n";
    const RULE: &str = "[[rule]]\nid = \"telnet-in-use\"\ntitle = \"t\"\ncategory = \"insecure-protocol\"\n\
        severity = \"low\"\nconfidence = 0.5\ndescription = \"d\"\nexplanation = \"e\"\nremedy = \"r\"\n\
        controls = [\"CWE-319\"]\n";

    fn set(text: &str) -> Result<RuleSet, Vec<RuleError>> {
        RuleSet::from_files(Some(RuleSet::builtin()), vec![(PathBuf::from("my.toml"), text.to_owned())])
    }

    #[test]
    fn the_built_in_rules_are_sound() {
        assert_eq!(RuleSet::check_builtin(), []);
        RuleSet::from_files(None, RuleSet::builtin_files()).expect("the compiled-in files parse");
        let rules = RuleSet::builtin();
        assert!(rules.iter().count() >= 15);
        assert_eq!(rules.hash().len(), 64);
        assert_eq!(rules.get("telnet-in-use").unwrap().severity, Severity::High);
        for rule in rules.iter() {
            assert!(rule.controls.is_empty() == (rule.category == Category::CaptureQuality), "{}", rule.id);
        }
        let on_disk = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/signatures/rules")).unwrap().count();
        assert_eq!(on_disk, BUILTIN.len(), "every file in the folder is compiled in");
    }

    #[test]
    fn a_users_rule_replaces_and_can_switch_off() {
        let changed = set(&format!("{HEADER}{RULE}")).unwrap();
        assert_eq!(changed.get("telnet-in-use").unwrap().severity, Severity::Low);
        assert_eq!(changed.get("ftp-in-use"), RuleSet::builtin().get("ftp-in-use"), "the others stay");
        assert_ne!(changed.hash(), RuleSet::builtin().hash());
        let off = set(&format!("{HEADER}{RULE}enabled = false\n")).unwrap();
        assert_eq!(off.get("telnet-in-use"), None);
        assert!(off.get_any("telnet-in-use").is_some());
    }

    #[test]
    fn an_error_names_file_line_and_reason() {
        let cases = [
            (RULE.replace("0.5", "1.5"), 11, "confidence"),
            (RULE.replace("\"low\"", "\"awful\""), 10, "awful"),
            (RULE.replace("telnet-in-use", "telnet in use"), 7, "not a rule id"),
            (RULE.replace("telnet-in-use", "made-up"), 7, "no detector knows"),
            (RULE.replace("CWE-319", "CWE-x"), 15, "not a control"),
            (RULE.replace("\"t\"", "\"\""), 8, "title is empty"),
            (RULE.replace("\"t\"", "\"a\\u001b[31m\""), 8, "control character"),
            (format!("{RULE}unknown = 1\n"), 16, "unknown"),
            (format!("{RULE}{RULE}"), 17, "already"),
            (String::from("[[rule]\n"), 6, ""),
        ];
        for (text, line, reason) in cases {
            let errors = set(&format!("{HEADER}{text}")).unwrap_err();
            assert!(
                errors.iter().any(|e| e.line == line && e.reason.contains(reason)),
                "{text}\nwanted line {line}: {reason}\ngot {errors:?}"
            );
            assert!(errors[0].to_string().starts_with("my.toml:"));
        }
        let old = HEADER.replace("schema = 1", "schema = 9");
        assert!(set(&old).unwrap_err()[0].reason.contains("schema 9"));
        let date = HEADER.replace("2026-11-23", "23.11.2026");
        assert_eq!(set(&date).unwrap_err()[0].line, 3);
    }
}

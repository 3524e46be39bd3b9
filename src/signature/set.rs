//! Everything in `signatures/` that a user may replace or extend: the rules and the lists.
//!
//! A folder of `--signatures DIR` holds rule files (`*.toml`) and lists (`*.tsv`, by the names of the
//! built-in ones), itself or in `rules/`, `lists/` and `devices/`. Its rules replace built-in ones of the same
//! identifier, its rows built-in ones of the same key, and what is new is added.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::defaults::{self, Defaults};
use super::devices;
use super::ended;
use super::forms;
use super::issuers;
use super::labels;
use super::list::{self, List};
use super::products;
use super::rules::{RuleError, RuleSet, read_text};
use super::software;
use crate::base::limits;

/// Titles of controls.
const CONTROLS: &str = "controls.tsv";

/// The lists that are compiled in: name, text, columns. A user's folder knows the same names.
const LISTS: &[(&str, &str, &[&str])] = &[
    (CONTROLS, include_str!("../../signatures/lists/controls.tsv"), &["control", "title"]),
    (defaults::BUILTIN.0, defaults::BUILTIN.1, &defaults::COLUMNS),
    (forms::BUILTIN.0, forms::BUILTIN.1, &forms::COLUMNS),
    (software::BUILTIN.0, software::BUILTIN.1, &software::COLUMNS),
    (products::BUILTIN.0, products::BUILTIN.1, &products::COLUMNS),
    (ended::BUILTIN.0, ended::BUILTIN.1, &ended::COLUMNS),
    (labels::BUILTIN.0, labels::BUILTIN.1, &labels::COLUMNS),
    (issuers::AUTHORITIES.0, issuers::AUTHORITIES.1, &issuers::AUTHORITY_COLUMNS),
    (issuers::FACTORY.0, issuers::FACTORY.1, &issuers::FACTORY_COLUMNS),
    (devices::BUILTIN[0].0, devices::BUILTIN[0].1, &devices::COLUMNS),
    (devices::BUILTIN[1].0, devices::BUILTIN[1].1, &devices::COLUMNS),
    (devices::BUILTIN[2].0, devices::BUILTIN[2].1, &devices::COLUMNS),
    (devices::BUILTIN[3].0, devices::BUILTIN[3].1, &devices::COLUMNS),
    (devices::BUILTIN[4].0, devices::BUILTIN[4].1, &devices::COLUMNS),
    (devices::BUILTIN[5].0, devices::BUILTIN[5].1, &devices::COLUMNS),
    (devices::BUILTIN[6].0, devices::BUILTIN[6].1, &devices::COLUMNS),
    (devices::BUILTIN[7].0, devices::BUILTIN[7].1, &devices::COLUMNS),
    (devices::BUILTIN[8].0, devices::BUILTIN[8].1, &devices::COLUMNS),
];

/// The rules and lists in force.
#[derive(Debug, Clone)]
pub struct SignatureSet {
    /// Rules.
    pub rules: Arc<RuleSet>,
    /// Titles of the controls that rules name.
    controls: BTreeMap<String, String>,
    /// Factory default logins of the user's own, with the built-in ones.
    defaults: Option<&'static Defaults>,
    version: String,
    hash: String,
}

impl SignatureSet {
    /// What is compiled in, parsed at the first call.
    pub fn builtin() -> &'static Arc<Self> {
        static SET: OnceLock<Arc<SignatureSet>> = OnceLock::new();
        SET.get_or_init(|| {
            let mut set = Self {
                rules: RuleSet::builtin().clone(),
                controls: BTreeMap::new(),
                defaults: None,
                version: RuleSet::builtin().version().to_owned(),
                hash: RuleSet::builtin().hash().to_owned(),
            };
            for (name, text, columns) in LISTS {
                // A test parses them all; without this one the rules still work.
                // The others are parsed when the first login needs them.
                if *name == CONTROLS
                    && let Ok(list) = list::parse(Path::new(name), text, columns)
                {
                    set.add_controls(list);
                }
                set.hash = chained(&set.hash, name, text);
            }
            Arc::new(set)
        })
    }

    /// The built-in set with what a folder holds on top.
    ///
    /// # Errors
    /// Everything that is wrong in the folder, by file and line.
    pub fn load(folder: &Path) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let places = |below: &str| [folder.to_path_buf(), folder.join(below)];
        let rule_files = read_files(&places("rules"), "toml", &mut errors);
        let list_places = [folder.to_path_buf(), folder.join("lists"), folder.join("devices")];
        let list_files = read_files(&list_places, "tsv", &mut errors);
        if errors.is_empty() && rule_files.is_empty() && list_files.is_empty() {
            let reason = String::from("no *.toml and no *.tsv file in the folder, its rules/, lists/ and devices/");
            return Err(vec![RuleError { file: folder.to_path_buf(), line: 0, reason }]);
        }
        let mut set = Self::clone(Self::builtin());
        if !rule_files.is_empty() {
            match RuleSet::from_files(Some(&set.rules), rule_files) {
                Ok(rules) => {
                    set.version = set.version.max(rules.version().to_owned());
                    set.hash = chained(&set.hash, "rules", rules.hash());
                    set.rules = Arc::new(rules);
                }
                Err(wrong) => errors.extend(wrong),
            }
        }
        for (path, text) in list_files {
            let name = path.file_name().unwrap_or_default();
            let Some((name, _, columns)) = LISTS.iter().find(|(known, ..)| name == *known) else {
                let names = LISTS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
                let reason = format!("no list is called so; there are {names}");
                errors.push(RuleError { file: path, line: 0, reason });
                continue;
            };
            match set.add(name, &path, &text, columns) {
                Ok(()) => set.hash = chained(&set.hash, name, &text),
                Err(wrong) => errors.extend(wrong),
            }
        }
        errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if errors.is_empty() { Ok(set) } else { Err(errors) }
    }

    /// What is wrong with what is compiled in: nothing, as a test holds.
    pub fn check_builtin() -> Vec<RuleError> {
        let mut set = Self::clone(Self::builtin());
        let lists =
            LISTS.iter().filter_map(|(name, text, columns)| set.check(name, Path::new(name), text, columns).err());
        let lists: Vec<RuleError> = lists.flatten().collect();
        RuleSet::check_builtin().into_iter().chain(lists).collect()
    }

    /// Everything that is wrong with a list.
    fn check(&mut self, name: &str, file: &Path, text: &str, columns: &[&str]) -> Result<(), Vec<RuleError>> {
        match name {
            CONTROLS => list::parse(file, text, columns).map(|_| ()),
            _ if name == issuers::AUTHORITIES.0 => list::parse(file, text, columns).map(|_| ()),
            _ if name == issuers::FACTORY.0 => {
                issuers::read_factory(file, list::parse(file, text, columns)?).map(|_| ())
            }
            _ if name == defaults::BUILTIN.0 => Defaults::parse(file, text).map(|_| ()),
            _ if name == software::BUILTIN.0 => software::read(file, list::parse(file, text, columns)?).map(|_| ()),
            _ if name == products::BUILTIN.0 => products::read(file, list::parse(file, text, columns)?).map(|_| ()),
            _ if name == ended::BUILTIN.0 => ended::read(file, list::parse(file, text, columns)?).map(|_| ()),
            _ if name == labels::BUILTIN.0 => labels::read(file, list::parse(file, text, columns)?).map(|_| ()),
            _ if devices::is_file(name) => devices::read(file, list::parse(file, text, columns)?).map(|_| ()),
            _ => forms::read(file, list::parse(file, text, columns)?).map(|_| ()),
        }
    }

    /// Takes in a list of the user's own. One arm for each list in [`LISTS`].
    fn add(&mut self, name: &str, file: &Path, text: &str, columns: &[&str]) -> Result<(), Vec<RuleError>> {
        let version = match name {
            CONTROLS => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                self.add_controls(list);
                version
            }
            _ if name == defaults::BUILTIN.0 => {
                let more = Defaults::parse(file, text)?;
                let mut all = self.defaults().clone();
                all.extend(&more);
                // A list lasts as long as the program, and is loaded once.
                self.defaults = Some(Box::leak(Box::new(all)));
                more.version().to_owned()
            }
            _ if name == software::BUILTIN.0 => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                software::add(software::read(file, list)?);
                version
            }
            _ if name == products::BUILTIN.0 => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                products::add(products::read(file, list)?);
                version
            }
            _ if name == ended::BUILTIN.0 => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                ended::add(ended::read(file, list)?);
                version
            }
            _ if name == labels::BUILTIN.0 => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                labels::add(labels::read(file, list)?);
                version
            }
            _ if name == issuers::AUTHORITIES.0 => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                issuers::add_authorities(list);
                version
            }
            _ if name == issuers::FACTORY.0 => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                issuers::add_factory(issuers::read_factory(file, list)?);
                version
            }
            _ if devices::is_file(name) => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                devices::add(devices::read(file, list)?);
                version
            }
            _ => {
                let list = list::parse(file, text, columns)?;
                let version = list.version.clone();
                forms::add(forms::read(file, list)?);
                version
            }
        };
        self.version = std::mem::take(&mut self.version).max(version);
        Ok(())
    }

    fn add_controls(&mut self, list: List) {
        for (_, cells) in list.rows {
            if let Ok([control, title]) = <[String; 2]>::try_from(cells) {
                self.controls.insert(control, title);
            }
        }
    }

    /// Factory default logins.
    pub fn defaults(&self) -> &'static Defaults {
        self.defaults.unwrap_or_else(Defaults::builtin)
    }

    /// The title of a control.
    pub fn control(&self, id: &str) -> Option<&str> {
        self.controls.get(id).map(String::as_str)
    }

    /// How many controls have a title.
    pub fn control_count(&self) -> usize {
        self.controls.len()
    }

    /// Version of the set: the latest that any of its files states.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 in hex over everything in the set, for `run.json`.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The hash of what was there before and one more file.
fn chained(before: &str, name: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [before, name, text] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// The files of an extension in folders, in the order of their paths. The first folder must be there.
fn read_files(folders: &[PathBuf], extension: &str, errors: &mut Vec<RuleError>) -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    for (number, folder) in folders.iter().enumerate() {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if number > 0 && e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => {
                let wrong = RuleError { file: folder.clone(), line: 0, reason: format!("cannot list the folder: {e}") };
                if !errors.contains(&wrong) {
                    errors.push(wrong);
                }
                continue;
            }
        };
        let found = entries.filter_map(|e| e.ok().map(|e| e.path()));
        paths.extend(
            found.filter(|p| p.extension().is_some_and(|e| e == extension)).take(limits::SIGNATURE_FILES_MAX + 1),
        );
    }
    if paths.len() > limits::SIGNATURE_FILES_MAX {
        let file = folders.first().cloned().unwrap_or_default();
        let reason = format!("more than {} files *.{extension}", limits::SIGNATURE_FILES_MAX);
        errors.push(RuleError { file, line: 0, reason });
        return Vec::new();
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        match read_text(&path) {
            Ok(text) => files.push((path, text)),
            Err(reason) => errors.push(RuleError { file: path, line: 0, reason }),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "schema = 1\nversion = \"2999.1\"\ndate = \"2026-11-23\"\nsource = \"s\"\nlicence = \"MIT\"\n\
        [[rule]]\nid = \"telnet-in-use\"\ntitle = \"t\"\ncategory = \"insecure-protocol\"\nseverity = \"low\"\n\
        confidence = 0.5\ndescription = \"d\"\nexplanation = \"e\"\nremedy = \"r\"\ncontrols = [\"MINE:1\"]\n";
    const CONTROLS: &str = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n\
        control\ttitle\nMINE:1\tmy own\nCWE-319\treplaced\n";

    fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn wrong(folder: &Path) -> Vec<String> {
        SignatureSet::load(folder).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_built_in_lists_are_sound_and_title_every_control() {
        assert_eq!(SignatureSet::check_builtin(), []);
        let set = SignatureSet::builtin();
        for rule in set.rules.iter() {
            for control in &rule.controls {
                assert!(set.control(control).is_some_and(|t| !t.is_empty()), "{control} ({}) has no row", rule.id);
            }
        }
        let in_folder = |name: &str| {
            std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures").join(name)).unwrap().count()
        };
        assert_eq!(in_folder("lists") + in_folder("devices"), LISTS.len(), "every file in the folders is compiled in");
        assert_eq!(set.hash().len(), 64);
    }

    #[test]
    fn a_folder_replaces_and_extends() {
        for (rules, lists) in [("a.toml", "controls.tsv"), ("rules/a.toml", "lists/controls.tsv")] {
            let folder = tempfile::tempdir().unwrap();
            put(folder.path(), "notes.txt", "not a signature");
            put(folder.path(), rules, RULES);
            let one = SignatureSet::load(folder.path()).unwrap();
            assert_eq!(one.rules.get("telnet-in-use").unwrap().title, "t");
            assert_eq!(one.rules.get("ftp-in-use"), SignatureSet::builtin().rules.get("ftp-in-use"));
            assert_eq!(one.version(), "2999.1");
            assert_eq!(one.control("MINE:1"), None);
            put(folder.path(), lists, CONTROLS);
            let two = SignatureSet::load(folder.path()).unwrap();
            assert_eq!((two.control("MINE:1"), two.control("CWE-319")), (Some("my own"), Some("replaced")));
            assert_eq!(two.control("CWE-327"), SignatureSet::builtin().control("CWE-327"));
            let hashes = [SignatureSet::builtin().hash(), one.hash(), two.hash()];
            assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(wrong(folder.path())[0].contains("no *.toml and no *.tsv"));
        let gone = wrong(&folder.path().join("gone"));
        assert!(gone.len() == 1 && gone[0].contains("cannot list"), "{gone:?}");
        put(folder.path(), "a.toml", RULES.replace("0.5", "5.0"));
        put(folder.path(), "b.toml", [0xff, 0xfe]);
        put(folder.path(), "rules/c.toml", "nonsense");
        put(folder.path(), "lists/controls.tsv", CONTROLS.replace("MINE:1\t", "MINE:1 "));
        put(folder.path(), "other.tsv", "");
        let all = wrong(folder.path());
        assert_eq!(all.len(), 5, "{all:?}");
        for (line, says) in all.iter().zip([
            "a.toml:11: confidence",
            "b.toml: not UTF-8",
            "lists/controls.tsv:7: 1 cells",
            "other.tsv: no list is called so; there are controls.tsv",
            "rules/c.toml:1: ",
        ]) {
            assert!(line.contains(says), "{says} is not in {line}");
        }
    }
}

//! Logins that devices leave the factory with.
//!
//! The list is compiled in from `signatures/lists/default-credentials.tsv` and parsed when the first
//! login is seen. It is read strictly: an error names file, line and reason. A name counts in either
//! case, as many devices take it; a password counts as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use super::rules::RuleError;
use crate::base::{Mac, limits};

/// The layout that this program reads.
const SCHEMA: &str = "1";

/// Names of the columns.
pub const COLUMNS: [&str; 9] =
    ["class", "vendor", "service", "username", "password", "kind", "rule", "sureness", "note"];

/// The list that is compiled in, and its name in messages.
pub const BUILTIN: (&str, &str) =
    ("default-credentials.tsv", include_str!("../../signatures/lists/default-credentials.tsv"));

/// How a password is made of what is known of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The MAC in capitals, twelve digits.
    MacUpper,
    /// In small letters.
    MacLower,
    /// In capitals with colons.
    MacUpperColon,
    /// In small letters with colons.
    MacLowerColon,
    /// Its last six digits in capitals.
    MacUpperLast6,
    /// In small letters.
    MacLowerLast6,
    /// The user name.
    User,
}

impl Rule {
    const ALL: [(&'static str, Self); 7] = [
        ("mac-upper", Self::MacUpper),
        ("mac-lower", Self::MacLower),
        ("mac-upper-colon", Self::MacUpperColon),
        ("mac-lower-colon", Self::MacLowerColon),
        ("mac-upper-last6", Self::MacUpperLast6),
        ("mac-lower-last6", Self::MacLowerLast6),
        ("user", Self::User),
    ];

    /// The password of a device; `None` where what it is made of is not known.
    fn password(self, username: &[u8], mac: Mac) -> Option<Vec<u8>> {
        if self == Self::User {
            return (!username.is_empty()).then(|| username.to_vec());
        }
        if mac.is_zero() {
            return None;
        }
        let lower = mac.to_string();
        let plain: String = lower.chars().filter(|c| *c != ':').collect();
        let last6 = plain.get(6..).unwrap_or_default();
        Some(
            match self {
                Self::MacUpper => plain.to_uppercase(),
                Self::MacLower => plain,
                Self::MacUpperColon => lower.to_uppercase(),
                Self::MacLowerColon => lower,
                Self::MacUpperLast6 => last6.to_uppercase(),
                Self::MacLowerLast6 => last6.to_owned(),
                Self::User => return None,
            }
            .into_bytes(),
        )
    }
}

/// Where a password comes from.
#[derive(Clone, PartialEq, Eq)]
enum Password {
    Literal(Vec<u8>),
    Derived(Rule),
}

/// How sure it is that the login is a factory default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say it
pub enum Sureness {
    Low,
    Medium,
    High,
}

/// One login of the list.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Class of device, or `*`.
    pub class: String,
    /// Maker or product, or `*`.
    pub vendor: String,
    services: Vec<String>,
    username: String,
    password: Password,
    /// How sure it is.
    pub sureness: Sureness,
    /// A word for the reader.
    pub note: String,
    /// Line of the file.
    pub line: usize,
}

impl fmt::Debug for Entry {
    /// Without the password: what is shown stands next to logins that fit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} {}, line {})", self.class, self.vendor, self.line)
    }
}

impl Entry {
    /// Whether it is a login of this service.
    fn serves(&self, service: &str) -> bool {
        self.services.iter().any(|s| s == "*" || s == service)
    }

    /// Whether it is of every service and maker.
    pub fn is_generic(&self) -> bool {
        self.vendor == "*"
    }

    /// Whether it lets one change settings (SNMP communities).
    pub fn may_write(&self) -> bool {
        self.note.split(';').any(|w| w.trim() == "write")
    }

    fn password(&self, username: &[u8], mac: Mac) -> Option<Vec<u8>> {
        match &self.password {
            Password::Literal(text) => Some(text.clone()),
            Password::Derived(rule) => rule.password(username, mac),
        }
    }

    fn opens(&self, username: &[u8], password: &[u8], mac: Mac) -> bool {
        match &self.password {
            Password::Literal(text) => text == password,
            Password::Derived(rule) => rule.password(username, mac).is_some_and(|p| p == password),
        }
    }
}

/// The list.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    entries: Vec<Entry>,
    /// Entries by user name in small letters; `*` stands for any name.
    by_user: BTreeMap<Vec<u8>, Vec<usize>>,
    version: String,
}

/// The name that the list has for a service of ours.
fn service_of(protocol: &str) -> &str {
    match protocol {
        "https" | "http2" | "ipp" | "onvif" | "soap" | "websocket" | "http-proxy" => "http",
        "tds" => "mssql",
        "pgsql" | "postgres" => "postgresql",
        "tns" => "oracle",
        "snmpv3" | "snmp-trap" => "snmp",
        "mqtt-sn" => "mqtt",
        "rfb" => "vnc",
        other => other,
    }
}

impl Defaults {
    /// The list that is compiled in, parsed at the first call.
    pub fn builtin() -> &'static Self {
        static LIST: OnceLock<Defaults> = OnceLock::new();
        // The file is part of the program and a test parses it; a panic here would lose the run.
        LIST.get_or_init(|| Self::parse(Path::new(BUILTIN.0), BUILTIN.1).unwrap_or_default())
    }

    /// Takes in the logins of another list.
    pub fn extend(&mut self, other: &Self) {
        for entry in &other.entries {
            let user = entry.username.to_ascii_lowercase().into_bytes();
            self.by_user.entry(user).or_default().push(self.entries.len());
            self.entries.push(entry.clone());
        }
        self.version = std::mem::take(&mut self.version).max(other.version.clone());
    }

    /// Reads a list. Everything that is wrong with it is told.
    ///
    /// # Errors
    /// If the text is longer than [`limits::SIGNATURE_FILE_BYTES_MAX`], a line of the head is missing,
    /// or a row is not as the columns say.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut bad = |line: usize, reason: String| {
            errors.push(RuleError { file: file.to_path_buf(), line, reason });
        };
        if text.len() > limits::SIGNATURE_FILE_BYTES_MAX {
            bad(0, format!("longer than {} bytes", limits::SIGNATURE_FILE_BYTES_MAX));
            return Err(errors);
        }
        let mut list = Self::default();
        let mut head: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut named = false;
        for (line, content) in text.lines().enumerate().map(|(i, l)| (i + 1, l)) {
            if let Some(comment) = content.strip_prefix('#') {
                if let Some((name, value)) = comment.split_once(": ") {
                    head.insert(name.trim(), value.trim());
                }
            } else if content.is_empty() {
            } else if !named {
                named = true;
                if content.split('\t').ne(COLUMNS) {
                    bad(line, format!("the columns are {}", COLUMNS.join(", ")));
                }
            } else {
                match entry(content, line) {
                    Ok(entry) => {
                        let key = content.split('\t').skip(1).take(6).collect::<Vec<_>>().join("\t");
                        if let Some(first) = seen.insert(key, line) {
                            bad(line, format!("the same login stands in line {first} already"));
                        }
                        list.by_user
                            .entry(entry.username.to_ascii_lowercase().into_bytes())
                            .or_default()
                            .push(list.entries.len());
                        list.entries.push(entry);
                    }
                    Err(reason) => bad(line, reason),
                }
            }
        }
        for name in ["schema", "version", "date", "source", "licence"] {
            if head.get(name).is_none_or(|v| v.is_empty()) {
                bad(0, format!("a line \"# {name}: ...\" is missing"));
            }
        }
        if let Some(other) = head.get("schema").filter(|s| **s != SCHEMA) {
            bad(0, format!("schema {other} is not known; this program reads {SCHEMA}"));
        }
        if head.get("date").is_some_and(|d| d.parse::<jiff::civil::Date>().is_err()) {
            bad(0, String::from("the date is none (as in 2026-11-23)"));
        }
        if !named {
            bad(0, String::from("no line names the columns"));
        }
        if list.entries.len() > limits::DEFAULT_LOGINS_MAX {
            bad(0, format!("more than {} logins", limits::DEFAULT_LOGINS_MAX));
        }
        list.version = head.get("version").map(|v| (*v).to_owned()).unwrap_or_default();
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// Version of the list.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many logins it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Logins of a service with this name (none: blank), and those where any name does; those of a
    /// Windows domain have the name behind the backslash.
    fn of<'a>(&'a self, protocol: &'a str, username: Option<&[u8]>) -> impl Iterator<Item = &'a Entry> {
        let name = username.unwrap_or_default();
        let name = name.rsplit(|c| *c == b'\\').next().unwrap_or(name);
        let rows = |key: &[u8]| self.by_user.get(key).map(Vec::as_slice).unwrap_or_default();
        let any = if name == b"*" { &[][..] } else { rows(b"*") };
        let service = service_of(protocol);
        let all = rows(&name.to_ascii_lowercase()).iter().chain(any);
        all.filter_map(|i| self.entries.get(*i)).filter(move |e| e.serves(service))
    }

    /// The entries that a login in clear is, those of one maker first and the surest of them. `mac` is
    /// that of the device, zeros where it is not known.
    pub fn find<'a>(&'a self, protocol: &'a str, username: Option<&[u8]>, password: &[u8], mac: Mac) -> Vec<&'a Entry> {
        let name = username.unwrap_or_default();
        let mut found: Vec<_> = self.of(protocol, username).filter(|e| e.opens(name, password, mac)).collect();
        found.sort_by_key(|e| (e.is_generic(), std::cmp::Reverse(e.sureness), e.line));
        found
    }

    /// The different passwords that are known for a user of a service, at most
    /// [`limits::DEFAULT_GUESSES_MAX`]: what a challenge's answer is tested with.
    pub fn passwords(&self, protocol: &str, username: Option<&[u8]>, mac: Mac) -> Vec<Vec<u8>> {
        let name = username.unwrap_or_default();
        let mut all: Vec<_> = self.of(protocol, username).filter_map(|e| e.password(name, mac)).collect();
        all.sort_unstable();
        all.dedup();
        all.truncate(limits::DEFAULT_GUESSES_MAX);
        all
    }
}

/// Reads a row.
fn entry(content: &str, line: usize) -> Result<Entry, String> {
    let cells: Vec<&str> = content.split('\t').collect();
    let Ok([class, vendor, service, username, password, kind, rule, sureness, note]) =
        <[&str; 9]>::try_from(cells.as_slice())
    else {
        return Err(format!("{} columns, not {}", cells.len(), COLUMNS.len()));
    };
    if let Some((cell, name)) = cells.iter().zip(COLUMNS).find(|(c, _)| c.len() > limits::DEFAULT_CELL_BYTES_MAX) {
        return Err(format!("{name} has {} bytes, more than {}", cell.len(), limits::DEFAULT_CELL_BYTES_MAX));
    }
    if content.chars().any(|c| c.is_control() && c != '\t') {
        return Err(String::from("a control character"));
    }
    if vendor.is_empty() || class.is_empty() {
        return Err(String::from("class and vendor must not be empty; * stands for all"));
    }
    let is_name = |s: &str| s == "*" || s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let services: Vec<String> = service.split(',').map(str::to_owned).collect();
    if services.iter().any(|s| s.is_empty() || !is_name(s)) {
        return Err(format!("{service:?} is not a list of services (as in http,rtsp)"));
    }
    let password = match kind {
        "literal" if rule.is_empty() => Password::Literal(password.as_bytes().to_vec()),
        "derived" if password.is_empty() => {
            let found = Rule::ALL.iter().find(|(name, _)| *name == rule);
            Password::Derived(found.ok_or_else(|| format!("{rule:?} is not a rule"))?.1)
        }
        "literal" | "derived" => {
            return Err(String::from(
                "a literal login has a password and no rule, a derived one a rule and no password",
            ));
        }
        other => return Err(format!("{other:?} is neither literal nor derived")),
    };
    let sureness = match sureness {
        "high" => Sureness::High,
        "medium" => Sureness::Medium,
        "low" => Sureness::Low,
        other => return Err(format!("{other:?} is none of high, medium, low")),
    };
    Ok(Entry {
        class: class.to_owned(),
        vendor: vendor.to_owned(),
        services,
        username: username.to_owned(),
        password,
        sureness,
        note: note.to_owned(),
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\nclass\tvendor\tservice\tusername\tpassword\tkind\trule\tsureness\tnote\n";
    const MAC: Mac = Mac([0x00, 0x1b, 0xa9, 0x0c, 0x0d, 0xef]);

    fn list(rows: &str) -> Result<Defaults, Vec<RuleError>> {
        Defaults::parse(Path::new("my.tsv"), &format!("{HEAD}{rows}"))
    }

    #[test]
    fn the_built_in_list_is_sound() {
        let built = Defaults::parse(Path::new(BUILTIN.0), BUILTIN.1).expect("the compiled-in list parses");
        assert!(built.len() > 300, "{}", built.len());
        let is =
            |service, user: &[u8], password: &[u8]| !built.find(service, Some(user), password, Mac::ZERO).is_empty();
        assert!(is("http", b"admin", b"12345"), "a camera");
        assert!(is("telnet", b"root", b"xc3511"), "in the Mirai worm's list");
        assert!(is("http", b"ADMIN", b"access"), "a name in capitals");
        assert!(!is("http", b"admin", b"ACCESS"), "a password in capitals is another one");
        assert!(!is("mysql", b"root", b"xc3511"), "of another service");
        assert!(is("ipp", b"root", b"root"), "IPP is HTTP, and this one is common to all");
        assert!(!built.find("snmp", None, b"private", Mac::ZERO)[0].vendor.is_empty());
        assert!(built.find("snmp", None, b"private", Mac::ZERO)[0].may_write());
        assert!(!built.find("snmp", None, b"public", Mac::ZERO)[0].may_write());
        assert!(built.find("http", Some(b"admin"), b"001BA90C0DEF", MAC)[0].vendor.contains("QNAP"));
        assert!(built.find("http", Some(b"admin"), b"001BA90C0DEF", Mac::ZERO).is_empty());
        assert_eq!(built.version().split('.').count(), 3);
        for entry in &built.entries {
            let known = matches!(entry.class.as_str(), "*" | "unknown")
                || crate::signature::devices::CLASSES.contains(&entry.class.as_str());
            assert!(known, "line {}: {} is not a class", entry.line, entry.class);
        }
    }

    #[test]
    fn passwords_are_derived_of_what_is_known() {
        for (rule, password) in [
            ("mac-upper", "001BA90C0DEF"),
            ("mac-lower", "001ba90c0def"),
            ("mac-upper-colon", "00:1B:A9:0C:0D:EF"),
            ("mac-lower-colon", "00:1b:a9:0c:0d:ef"),
            ("mac-upper-last6", "0C0DEF"),
            ("mac-lower-last6", "0c0def"),
            ("user", "admin"),
        ] {
            let list = list(&format!("camera\tX\thttp\tadmin\t\tderived\t{rule}\thigh\t\n")).unwrap();
            assert_eq!(list.find("http", Some(b"admin"), password.as_bytes(), MAC).len(), 1, "{rule}");
            assert_eq!(list.passwords("http", Some(b"admin"), MAC), [password.as_bytes()], "{rule}");
        }
        let user = list("ip-phone\t*\tsip\t*\t\tderived\tuser\tlow\t\n").unwrap();
        assert_eq!(user.find("sip", Some(b"2001"), b"2001", Mac::ZERO).len(), 1);
        assert!(user.find("sip", None, b"", Mac::ZERO).is_empty(), "no name, no password of it");
    }

    #[test]
    fn the_entry_of_a_maker_comes_first_and_passwords_come_once() {
        let rows = "*\t*\t*\tadmin\tx\tliteral\t\thigh\t\ncamera\tA\thttp\tadmin\tx\tliteral\t\tlow\t\ncamera\tB\thttp\tadmin\tx\tliteral\t\thigh\t\ncamera\tC\tftp\tadmin\ty\tliteral\t\thigh\t\n";
        let list = list(rows).unwrap();
        let vendors =
            |s| list.find(s, Some(b"SITE\\admin"), b"x", MAC).iter().map(|e| e.vendor.as_str()).collect::<Vec<_>>();
        assert_eq!(vendors("http"), ["B", "A", "*"]);
        assert_eq!(vendors("ftp"), ["*"]);
        assert_eq!(list.passwords("http", Some(b"admin"), MAC), [b"x"]);
        assert_eq!(list.passwords("ftp", Some(b"admin"), MAC), [b"x", b"y"]);
        assert!(list.passwords("ftp", Some(b"root"), MAC).is_empty());
        assert_eq!(format!("{:?}", list.find("ftp", Some(b"admin"), b"y", MAC)), "[Entry(camera C, line 10)]");
    }

    #[test]
    fn an_error_names_file_line_and_reason() {
        let row = "camera\tX\thttp\tadmin\tx\tliteral\t\thigh\t\n";
        for (rows, line, reason) in [
            (row.replace("high", "certain"), 7, "none of high"),
            (row.replace("literal", "guessed"), 7, "neither literal"),
            (row.replace("x\tliteral\t", "x\tderived\tuser"), 7, "no password"),
            (row.replace("x\tliteral\t", "\tderived\tserial"), 7, "not a rule"),
            (row.replace("http", "HTTP page"), 7, "not a list of services"),
            (row.replace("camera\t", ""), 7, "8 columns"),
            (row.replace("camera", ""), 7, "must not be empty"),
            (row.replace("admin", "ad\u{1b}min"), 7, "control character"),
            (row.replace("admin", &"a".repeat(200)), 7, "200 bytes"),
            (format!("{row}{row}"), 8, "line 7 already"),
        ] {
            let errors = list(&rows).unwrap_err();
            assert!(errors[0].line == line && errors[0].reason.contains(reason), "{reason}: {errors:?}");
            assert!(errors[0].to_string().starts_with(&format!("my.tsv:{line}: ")));
        }
        let parse = |text: &str| {
            Defaults::parse(Path::new("x"), text).unwrap_err().iter().map(|e| e.reason.clone()).collect::<String>()
        };
        assert!(parse(&HEAD.replace("schema: 1", "schema: 7")).contains("schema 7"));
        assert!(parse(&HEAD.replace("2026-11-25", "today")).contains("date"));
        assert!(parse(&HEAD.replace("class\t", "kind\t")).contains("the columns are"));
        assert!(parse("").contains("no line names the columns"));
        assert!(parse("").contains("licence"));
    }
}

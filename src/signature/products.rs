//! Which software a banner or header names: one product a line in `signatures/lists/software.tsv`.
//!
//! Server, User-Agent and their kin are lists of products with comments between (RFC 9110, section 10.2.4);
//! each of them is looked up by itself, and one that no line knows is named as it is written. Other values are
//! held against the lines that are about them as a whole.

use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use super::by_first::ByFirst;
use super::cpe;
use super::list::{self, List};
use super::pattern::Pattern;
use super::recog;
use super::rules::RuleError;
use crate::base::limits;

/// The file that is compiled in, and its name in messages.
pub const BUILTIN: (&str, &str) = ("software.tsv", include_str!("../../signatures/lists/software.tsv"));
/// Its columns.
pub const COLUMNS: [&str; 7] = ["on", "pattern", "product", "vendor", "cpe", "source", "example"];
/// What stands in `on` for the products of a header.
const HEADER: &str = "header";
/// Index of the version among the gaps of a pattern.
const VERSION: usize = 4;

/// Attributes that are headers of products, and whose software they tell.
const HEADERS: [(&str, Role); 2] = [("server", Role::Server), ("user-agent", Role::Client)];
/// Sources whose `server` or `user-agent` is no header of products.
const NO_HEADERS: [&str; 8] = ["ssh", "mysql", "postgresql", "smb", "ntp", "oracle", "mssql", "pop3"];
/// Attributes with values that whole lines are about, and whose software they tell.
const WHOLES: [(&str, Role); 6] = [
    ("banner", Role::Server),
    ("server", Role::Server),
    ("user-agent", Role::Client),
    ("os", Role::System),
    ("software", Role::System),
    ("description", Role::System),
];
/// Names in headers that are protocols, formats or what everyone says, and no software.
const NO_PRODUCTS: [&str; 31] = [
    "upnp",
    "http",
    "https",
    "dlnadoc",
    "ipp",
    "mozilla",
    "applewebkit",
    "safari",
    "gecko",
    "version",
    "mobile",
    "dav",
    "khtml",
    "rtsp",
    "sip",
    "soap",
    "build",
    "dlna",
    "ssdp",
    "mqtt",
    "tls",
    "sdk",
    "stack",
    "nt",
    "printer",
    "windows",
    "microsoft-windows",
    "microsoft-windows-nt",
    "upnp-device-host",
    "ios",
    "android",
];
/// What a value holds in small letters that a packager has had in hand, and the packager's name.
const PACKAGERS: [(&str, &str); 22] = [
    ("ubuntu", "Ubuntu"),
    ("raspbian", "Debian"),
    ("debian", "Debian"),
    ("+deb", "Debian"),
    ("~deb", "Debian"),
    ("~dfsg", "Debian"),
    ("+dfsg", "Debian"),
    ("centos", "Red Hat"),
    ("red hat", "Red Hat"),
    ("red-hat", "Red Hat"),
    ("rocky", "Red Hat"),
    ("almalinux", "Red Hat"),
    ("oracle linux", "Oracle"),
    (".el5", "Red Hat"),
    (".el6", "Red Hat"),
    (".el7", "Red Hat"),
    ("fedora", "Fedora"),
    ("suse", "SUSE"),
    ("amazon", "Amazon"),
    ("freebsd", "FreeBSD"),
    ("synology", "Synology"),
    // Amazon Linux writes so as well: it comes behind those that say who they are.
    ("-fips", "Red Hat"),
];

/// What software does on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It answers others.
    Server,
    /// It asks others.
    Client,
    /// The device runs on it.
    System,
}

impl Role {
    /// As tables spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::System => "system",
        }
    }
}

/// A product that a value names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    /// What it does there.
    pub role: Role,
    /// Its name, as the list has it, or as it is written.
    pub product: String,
    /// Its maker.
    pub vendor: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Who packaged it, where the value says so.
    pub packager: Option<&'static str>,
    /// CPE 2.3 name.
    pub cpe: Option<String>,
    /// Vendor and product of the CPE, where the list knows them: what [`super::ended`] goes by.
    pub key: Option<&'static str>,
}

/// A line of the list.
#[derive(Debug)]
pub struct Line {
    /// Source and attribute; `None` for headers.
    on: Option<(String, String)>,
    pattern: Pattern,
    product: String,
    vendor: Option<String>,
    part: char,
    key: Option<&'static str>,
}

static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
    // The file is part of the program and a test parses it.
    let list = list::parse(Path::new(BUILTIN.0), BUILTIN.1, &COLUMNS).unwrap_or_default();
    read(Path::new(BUILTIN.0), list).unwrap_or_default()
});

/// Lines of the user's own, added once before any packet is read.
static MORE: OnceLock<Vec<Line>> = OnceLock::new();

/// Adds lines to those that are compiled in, for the rest of the process. A second call has no effect.
pub fn add(lines: Vec<Line>) {
    let _ = MORE.set(lines);
}

/// All lines, those of headers apart. The user's come first: of equal ones they win.
static ALL: LazyLock<[ByFirst<&'static Line>; 2]> = LazyLock::new(|| {
    let mut all: [ByFirst<&'static Line>; 2] = Default::default();
    let [fields, headers] = &mut all;
    for line in MORE.get().map(Vec::as_slice).unwrap_or_default().iter().chain(LINES.iter()) {
        let lines = if line.on.is_some() { &mut *fields } else { &mut *headers };
        lines.add(line.pattern.first(), line);
    }
    all
});

/// The lines of a list whose layout was checked.
///
/// # Errors
/// If a line is wrong, or not found in its example.
pub fn read(file: &Path, list: List) -> Result<Vec<Line>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut out = Vec::new();
    for (line, cells) in list.rows {
        match row(&cells) {
            Ok(row) => out.push(row),
            Err(reason) => errors.push(RuleError { file: file.to_path_buf(), line, reason }),
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

fn row(cells: &[String]) -> Result<Line, String> {
    let [on, pattern, product, vendor, cpe, source, example] = cells else {
        return Err(String::from("not all columns"));
    };
    let on = match on.split_once(' ') {
        Some((source, attribute)) => Some((source.to_owned(), attribute.to_owned())),
        None if on == HEADER => None,
        None => return Err(format!("{on:?} is neither {HEADER} nor a source and an attribute")),
    };
    if product.is_empty() || source.is_empty() {
        return Err(String::from("no product, or no source"));
    }
    let (part, key) = match cpe.split_once('/') {
        Some((part @ ("a" | "o" | "h"), key)) if key.split(':').filter(|p| !p.is_empty()).count() == 2 => {
            // A list lasts as long as the program, and is loaded once.
            (part.chars().next().unwrap_or('a'), Some(&*String::leak(key.to_owned())))
        }
        None if cpe.is_empty() => ('a', None),
        _ => return Err(format!("{cpe:?} is no part/vendor:product of CPE")),
    };
    let vendor = Some(vendor.clone()).filter(|v| !v.is_empty());
    let line = Line { on, pattern: Pattern::parse(pattern)?, product: product.clone(), vendor, part, key };
    let found = match &line.on {
        Some(_) => line.pattern.matches(example.as_bytes()).is_some(),
        None => products(example).iter().any(|p| line.pattern.matches(p.as_bytes()).is_some()),
    };
    if found { Ok(line) } else { Err(format!("the example {example:?} is not hit")) }
}

impl Line {
    fn product(&self, role: Role, value: &str, packager: Option<&'static str>) -> Option<Product> {
        let kept = self.pattern.matches(value.as_bytes())?;
        let version = kept.get(VERSION).copied().flatten().map(String::from_utf8_lossy);
        let version = version.map(|v| plain_version(&v)).filter(|v| !v.is_empty());
        if self.key == Some(WINDOWS) && !version.as_deref().is_some_and(has_build) {
            return None;
        }
        let cpe = self.key.and_then(|k| k.split_once(':'));
        // UPnP headers begin with the system (UPnP Device Architecture 2.0, section 1.2.2).
        let role = if self.part == 'o' && role == Role::Server { Role::System } else { role };
        Some(Product {
            role,
            product: self.product.clone(),
            vendor: self.vendor.clone(),
            cpe: match self.key {
                Some(WINDOWS) => version.as_deref().and_then(cpe::windows),
                _ => cpe.map(|(vendor, product)| cpe::name(self.part, vendor, product, version.as_deref())),
            },
            version,
            packager,
            key: self.key,
        })
    }
}

/// Windows, whose version Samba gives too, but never a build with it.
const WINDOWS: &str = "microsoft:windows";

/// Whether a version of Windows names its build: `6.1.7601`. Those of NT 4 and later have four digits and more; what is
/// larger than any that there is was filled in by software that is no Windows.
fn has_build(version: &str) -> bool {
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(u32::MAX));
    let [major, minor, build] = [(); 3].map(|()| numbers.next().unwrap_or_default());
    (4..=10).contains(&major) && minor <= 3 && (1000..60_000).contains(&build)
}

/// A version without what sentences put around it.
fn plain_version(text: &str) -> String {
    let text = text.trim_matches([',', ';', ')', '(', ':', '.', '"']);
    let text = text.strip_prefix(['v', 'V']).filter(|t| t.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text);
    text.to_owned()
}

/// The products of a header, each as `name`, `name/version` or a name of several words with its version; comments are
/// left out.
fn products(value: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut depth = 0usize;
    for c in value.chars().chain([' ']) {
        match c {
            // Jetty writes its version as a comment that belongs to the name.
            '(' if depth == 0 && word == "Jetty" => {
                word.push(c);
                depth += 1;
            }
            ')' if depth == 1 && word.starts_with("Jetty(") => {
                word.push(c);
                depth = 0;
            }
            _ if depth > 0 && word.starts_with("Jetty(") => word.push(c),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ' ' | ',' | ';' | '\t' => {
                if !word.is_empty() && out.len() < limits::SOFTWARE_PER_VALUE_MAX {
                    out.push(std::mem::take(&mut word));
                }
                word.clear();
            }
            _ => word.push(c),
        }
    }
    out
}

/// Whether a word of a header is a product with a version that nobody needs to know to name it.
fn named(word: &str) -> Option<(&str, String)> {
    let (name, version) = word.split_once('/')?;
    let version = plain_version(version);
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() <= VERSION_BYTES_MAX;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
    let known = NO_PRODUCTS.iter().any(|n| name.eq_ignore_ascii_case(n));
    (is_version && is_name && !known).then_some((name, version))
}

/// Bytes of a name, and of a version, that are taken from a header as they are.
const NAME_BYTES_MAX: usize = 48;
const VERSION_BYTES_MAX: usize = 32;

/// Who packaged what a value names.
fn packager(value: &str) -> Option<&'static str> {
    let lower = value.to_ascii_lowercase();
    PACKAGERS.iter().find(|(word, _)| lower.contains(word)).map(|(_, name)| *name)
}

/// Whether values of that kind can name software, told before any work is done.
pub fn is_about(attribute: &str) -> bool {
    WHOLES.iter().any(|(a, _)| *a == attribute)
}

/// The products that a value names. Sorted, each once.
pub fn of(source: &str, attribute: &str, value: &str) -> Vec<Product> {
    let Some(role) = WHOLES.iter().find(|(a, _)| *a == attribute).map(|(_, role)| *role) else { return Vec::new() };
    let packager = packager(value);
    let mut out: Vec<Product> = Vec::new();
    let [fields, headers] = &*ALL;
    let whole = fields
        .candidates(value.as_bytes())
        .filter(|l| l.on.as_ref().is_some_and(|(s, a)| a == attribute && (s == source || s == "*")))
        .find_map(|l| l.product(role, value, packager));
    out.extend(whole);
    let header = HEADERS.iter().any(|(a, _)| *a == attribute) && !NO_HEADERS.contains(&source);
    if header {
        let browser = value.starts_with("Mozilla/");
        let words = products(value);
        for word in &words {
            let known = headers.candidates(word.as_bytes()).find_map(|l| l.product(role, word, packager));
            let written = || {
                let (name, version) = named(word).filter(|_| !browser)?;
                // Part of a name of several words that a line knew as a whole.
                let part = out.iter().any(|p| p.version.as_deref() == Some(version.as_str()));
                (!part).then(|| Product {
                    role,
                    product: name.to_owned(),
                    vendor: None,
                    version: Some(version),
                    packager,
                    cpe: None,
                    key: None,
                })
            };
            let found = known.or_else(written);
            out.extend(found);
        }
    }
    for said in recog::loaded().into_iter().flat_map(|r| r.hits(source, attribute, value)) {
        for part in &said.parts {
            // What the list knows it knows better.
            let same = |p: &Product| {
                p.product.eq_ignore_ascii_case(&part.product) || (p.version.is_some() && p.version == part.version)
            };
            if !out.iter().any(same) {
                out.push(Product {
                    role: if part.system { Role::System } else { role },
                    product: part.product.clone(),
                    vendor: part.vendor.clone(),
                    version: part.version.clone(),
                    packager,
                    cpe: part.cpe.clone(),
                    key: None,
                });
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::pattern::NAMES;

    fn told(source: &str, attribute: &str, value: &str) -> Vec<String> {
        let show = |p: Product| format!("{} {}", p.product, p.version.unwrap_or_else(|| String::from("-")));
        of(source, attribute, value).into_iter().map(show).collect()
    }

    #[test]
    fn headers_are_lists_of_products() {
        let value = "Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips PHP/5.4.16";
        assert_eq!(told("http", "server", value), ["Apache HTTP Server 2.4.6", "OpenSSL 1.0.2k-fips", "PHP 5.4.16"]);
        assert!(of("http", "server", value).iter().all(|p| p.packager == Some("Red Hat") && p.cpe.is_some()));
        let value = "Linux/2.6.32.11, UPnP/1.0, Portable SDK for UPnP devices/1.6.6";
        assert_eq!(told("ssdp", "server", value), ["libupnp 1.6.6", "Linux 2.6.32.11"]);
        assert_eq!(of("ssdp", "server", value)[0].role, Role::Server);
        assert!(of("ssdp", "server", value).iter().any(|p| p.product == "Linux" && p.role == Role::System));
        assert_eq!(told("http", "server", "Jetty(9.4.43.v20210629)"), ["Jetty 9.4.43.v20210629"]);
        assert_eq!(told("http", "server", "ExampleCam/V1.2"), ["ExampleCam 1.2"], "as it is written");
        for nothing in ["UPnP/1.0", "**", "", "/1.0", "Samsung", "((((", "a/b"] {
            assert!(told("http", "server", nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn of_a_browser_only_its_name_is_software() {
        let agent =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0.1 Safari/537.36";
        assert_eq!(told("http", "user-agent", agent), ["Chrome 90.0.1"]);
        assert_eq!(of("http", "user-agent", agent)[0].role, Role::Client);
    }

    #[test]
    fn banners_are_read_as_a_whole() {
        assert_eq!(told("ssh", "banner", "SSH-2.0-OpenSSH_7.9p1 Debian-10+deb10u2"), ["OpenSSH 7.9p1"]);
        assert_eq!(told("ssh", "user-agent", "libssh2_1.10.0"), ["libssh2 1.10.0"]);
        assert_eq!(told("smtp", "banner", "mail.example.net ESMTP Exim 4.80"), ["Exim 4.80"]);
        assert_eq!(told("mysql", "server", "MySQL 8.0.36-0ubuntu0.22.04.1"), ["MySQL 8.0.36-0ubuntu0.22.04.1"]);
        assert_eq!(told("smb", "os", "Windows 6.1.7601"), ["Windows 6.1.7601"]);
        assert_eq!(told("sip", "server", "FPBX-15.0.16.75(16.11.1)"), ["Asterisk 16.11.1"]);
        assert!(told("smb", "os", "Windows 6.1").is_empty(), "what Samba says as well");
        assert!(told("dcerpc", "os", "Windows 255.255.65535").is_empty(), "no such version");
        assert_eq!(of("smb", "os", "Windows 6.1.7601")[0].cpe, None, "Windows 7 or Server 2008 R2");
        let openssh = &of("ssh", "banner", "SSH-2.0-OpenSSH_7.4p1 Debian-10+deb9u7")[0];
        assert_eq!(openssh.cpe.as_deref(), Some("cpe:2.3:a:openbsd:openssh:7.4:p1:*:*:*:*:*:*"));
        assert_eq!(openssh.version.as_deref(), Some("7.4p1"), "as it is written");
        assert_eq!(told("mysql", "server", "10.6.12-MariaDB-0ubuntu0.22.04.1"), ["MariaDB 10.6.12"]);
        assert!(told("http", "title", "Apache/2").is_empty());
    }

    #[test]
    fn the_list_is_whole_and_errors_name_their_line() {
        let parsed = |text: &str| list::parse(Path::new("f"), text, &COLUMNS).and_then(|l| read(Path::new("f"), l));
        assert!(parsed(BUILTIN.1).unwrap_or_else(|e| panic!("{e:#?}")).len() > 90);
        assert_eq!(NAMES.get(VERSION), Some(&"version"));
        let with = |row: &str| {
            let head = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";
            parsed(&format!("{head}{}\n{row}\n", COLUMNS.join("\t")))
        };
        assert!(with("header\tEx/<version>\tEx\tExample\ta/ex:ex\ts\tA/1 Ex/2").is_ok());
        for (row, word) in [
            ("toast\tEx\tEx\t\t\ts\tEx", "toast"),
            ("header\tEx\tEx\t\tx/a:b\ts\tEx", "x/a:b"),
            ("header\tEx\tEx\t\t\ts\tEy", "not hit"),
            ("header\tEx\t\t\t\ts\tEx", "no product"),
            ("header\tE{x}\tE\t\t\ts\tEx", "x"),
        ] {
            let errors = with(row).unwrap_err();
            assert!(errors[0].line == 7 && errors[0].reason.contains(word), "{errors:?}");
        }
    }
}

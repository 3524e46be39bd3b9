//! Where devices may go: the list of `--expect FILE`.
//!
//! ```toml
//! [[expect]]
//! mac = "00:1b:a9:01:02:03"            # or address = "10.0.0.7", or network = "10.0.7.0/24"
//! names = ["update.example.com", "*.example.net"]
//! networks = ["203.0.113.0/24"]
//! ports = [443]                        # optional: only these ports
//! note = "the printer on floor 2"      # optional
//! ```
//!
//! A device that no entry covers is not judged. All entries that cover it add up. `*.example.net`
//! stands for every name under `example.net`, and not for `example.net` itself.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::base::net::Network;
use crate::base::{Addr, Mac, limits};
use crate::signature::rules::{line_of, read_text};

/// What a list says of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No entry covers the device.
    NotCovered,
    /// An entry permits it.
    Expected,
    /// Entries cover the device and none permits it.
    Unexpected,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectError {
    /// The file.
    pub file: PathBuf,
    /// 1-based line; zero where the file as a whole is meant.
    pub line: usize,
    /// What is wrong, and what is right.
    pub reason: String,
}

impl fmt::Display for ExpectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.reason),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.reason),
        }
    }
}

impl std::error::Error for ExpectError {}

/// A checked list.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    entries: Vec<Entry>,
    /// Entries by what they cover: a run asks for many destinations, and a list may be long.
    by_mac: HashMap<Mac, Vec<usize>>,
    by_address: HashMap<Addr, Vec<usize>>,
    by_network: Vec<(Network, usize)>,
}

#[derive(Debug, Clone)]
struct Entry {
    names: Vec<Name>,
    networks: Vec<Network>,
    /// Empty: any port.
    ports: Vec<u16>,
}

#[derive(Debug, Clone)]
enum Host {
    Mac(Mac),
    Address(Addr),
    Network(Network),
}

/// A host name, or all names under one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Exact(String),
    /// With its leading dot.
    Under(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    expect: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    mac: Option<Spanned<String>>,
    address: Option<Spanned<String>>,
    network: Option<Spanned<String>>,
    #[serde(default)]
    names: Vec<Spanned<String>>,
    #[serde(default)]
    networks: Vec<Spanned<String>>,
    #[serde(default)]
    ports: Vec<Spanned<i64>>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

impl Expect {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, Vec<ExpectError>> {
        let text = read_text(path).map_err(|reason| vec![ExpectError { file: path.to_path_buf(), line: 0, reason }])?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file; `file` is its name in messages.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<ExpectError>> {
        let raw: RawFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| line_of(text, span.start));
            vec![ExpectError { file: file.to_path_buf(), line, reason: e.message().replace('\n', "; ") }]
        })?;
        let mut errors = Vec::new();
        let mut bad = |offset: usize, reason: String| {
            errors.push(ExpectError { file: file.to_path_buf(), line: line_of(text, offset), reason });
        };
        if raw.expect.len() > limits::EXPECT_ENTRIES_MAX {
            bad(0, format!("more than {} entries", limits::EXPECT_ENTRIES_MAX));
        }
        if raw.expect.is_empty() {
            bad(0, String::from("no [[expect]] entry"));
        }
        let mut list = Self::default();
        for entry in raw.expect.into_iter().take(limits::EXPECT_ENTRIES_MAX) {
            let at = entry.span().start;
            let Some((host, entry)) = check(entry.into_inner(), at, &mut bad) else { continue };
            let index = list.entries.len();
            list.entries.push(entry);
            match host {
                Host::Mac(mac) => list.by_mac.entry(mac).or_default().push(index),
                Host::Address(ip) => list.by_address.entry(ip).or_default().push(index),
                Host::Network(network) => list.by_network.push((network, index)),
            }
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// Entries of the list.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Judges one destination of a device. `name` is what the server was called on the connection
    /// or in the device's own DNS answers; `None` where neither was seen.
    pub fn judge(&self, mac: Mac, ip: Addr, name: Option<&str>, peer: Addr, port: u16) -> Verdict {
        let name = name.map(normal);
        let mut verdict = Verdict::NotCovered;
        let of = |found: Option<&Vec<usize>>| found.cloned().unwrap_or_default();
        let networks = self.by_network.iter().filter(|(n, _)| n.contains(ip)).map(|(_, index)| *index);
        let covering = of(self.by_mac.get(&mac)).into_iter().chain(of(self.by_address.get(&ip))).chain(networks);
        for entry in covering.filter_map(|index| self.entries.get(index)) {
            verdict = Verdict::Unexpected;
            let named = name.as_deref().is_some_and(|n| entry.names.iter().any(|p| p.matches(n)));
            let destination = named || entry.networks.iter().any(|n| n.contains(peer));
            if destination && (entry.ports.is_empty() || entry.ports.contains(&port)) {
                return Verdict::Expected;
            }
        }
        verdict
    }
}

/// Lower case, without the dot of the root.
pub(super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Name {
    /// Whether a name, as [`normal`] gives it, is meant.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Under(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (under, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let rest = normal(rest);
        let label = |l: &str| {
            !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if rest.len() > 253 || !rest.split('.').all(label) {
            return Err(format!("{text:?} is not a host name (as in update.example.com or *.example.com)"));
        }
        Ok(if under { Self::Under(format!(".{rest}")) } else { Self::Exact(rest) })
    }
}

fn check(raw: RawEntry, at: usize, bad: &mut dyn FnMut(usize, String)) -> Option<(Host, Entry)> {
    let mut hosts = Vec::new();
    if let Some(mac) = &raw.mac {
        match mac.get_ref().parse::<Mac>() {
            Ok(m) if !m.is_group() && !m.is_zero() => hosts.push(Host::Mac(m)),
            Ok(_) => bad(mac.span().start, format!("{:?} is not the MAC address of one device", mac.get_ref())),
            Err(reason) => bad(mac.span().start, reason),
        }
    }
    if let Some(address) = &raw.address {
        match address.get_ref().parse::<Addr>() {
            Ok(ip) => hosts.push(Host::Address(ip)),
            Err(reason) => bad(address.span().start, reason),
        }
    }
    if let Some(network) = &raw.network {
        match network.get_ref().parse::<Network>() {
            Ok(n) => hosts.push(Host::Network(n)),
            Err(reason) => bad(network.span().start, reason),
        }
    }
    let given = [raw.mac.is_some(), raw.address.is_some(), raw.network.is_some()].iter().filter(|g| **g).count();
    if given != 1 {
        bad(at, String::from("an entry is for one of mac, address and network"));
    }
    let mut names = Vec::new();
    for name in &raw.names {
        match Name::parse(name.get_ref()) {
            Ok(n) => names.push(n),
            Err(reason) => bad(name.span().start, reason),
        }
    }
    let mut networks = Vec::new();
    for network in &raw.networks {
        match network.get_ref().parse::<Network>() {
            Ok(n) => networks.push(n),
            Err(reason) => bad(network.span().start, reason),
        }
    }
    let mut ports = Vec::new();
    for port in &raw.ports {
        match u16::try_from(*port.get_ref()) {
            Ok(p) if p != 0 => ports.push(p),
            _ => bad(port.span().start, format!("{} is not a port (1 to 65535)", port.get_ref())),
        }
    }
    Some((hosts.pop()?, Entry { names, networks, ports }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
[[expect]]
mac = "00:1b:a9:01:02:03"
names = ["Update.Example.com.", "*.cloud.example"]
ports = [443]
note = "printer"

[[expect]]
address = "10.0.0.7"
networks = ["203.0.113.0/24"]

[[expect]]
network = "10.0.9.0/24"
"#;

    fn parse(text: &str) -> Result<Expect, Vec<ExpectError>> {
        Expect::parse(Path::new("e.toml"), text)
    }

    #[test]
    fn judges_by_name_network_and_port() {
        let list = parse(LIST).unwrap();
        let printer = "00:1b:a9:01:02:03".parse().unwrap();
        let other = Mac::ZERO;
        let peer = "198.51.100.1".parse().unwrap();
        let seven = "10.0.0.7".parse().unwrap();
        let anywhere = "10.0.1.1".parse().unwrap();
        use Verdict::*;
        for (mac, ip, name, peer, port, wanted) in [
            (printer, anywhere, Some("update.example.COM"), peer, 443, Expected),
            (printer, anywhere, Some("update.example.com"), peer, 80, Unexpected),
            (printer, anywhere, Some("a.b.cloud.example."), peer, 443, Expected),
            (printer, anywhere, Some("cloud.example"), peer, 443, Unexpected),
            (printer, anywhere, Some("evilcloud.example"), peer, 443, Unexpected),
            (printer, anywhere, Some("update.example.com.evil.test"), peer, 443, Unexpected),
            (printer, anywhere, None, peer, 443, Unexpected),
            (printer, seven, None, "203.0.113.9".parse().unwrap(), 9, Expected),
            (other, seven, None, "203.0.113.9".parse().unwrap(), 9, Expected),
            (other, seven, Some("update.example.com"), peer, 443, Unexpected),
            (other, "10.0.9.4".parse().unwrap(), None, peer, 443, Unexpected),
            (other, anywhere, None, peer, 443, NotCovered),
        ] {
            assert_eq!(list.judge(mac, ip, name, peer, port), wanted, "{mac} {ip} {name:?} {peer} {port}");
        }
    }

    #[test]
    fn an_error_names_the_line() {
        for (text, line, reason) in [
            ("[[expect]]\nmac = \"nonsense\"\n", 2, "not a MAC"),
            ("[[expect]]\nmac = \"ff:ff:ff:ff:ff:ff\"\n", 2, "one device"),
            ("[[expect]]\naddress = \"10.0.0.0/8\"\n", 2, "not an IP address"),
            ("[[expect]]\nnames = [\"a.example\"]\n", 1, "one of mac"),
            ("[[expect]]\nmac = \"00:1b:a9:01:02:03\"\naddress = \"10.0.0.7\"\n", 1, "one of mac"),
            ("[[expect]]\naddress = \"10.0.0.7\"\nnames = [\n\"ok.example\",\n\"a.*.b\"]\n", 5, "not a host name"),
            ("[[expect]]\naddress = \"10.0.0.7\"\nports = [70000]\n", 3, "not a port"),
            ("[[expect]]\naddress = \"10.0.0.7\"\nnets = []\n", 3, "nets"),
            ("[[expect]\n", 1, ""),
            ("", 1, "no [[expect]]"),
        ] {
            let errors = parse(text).unwrap_err();
            assert!(errors.iter().any(|e| e.line == line && e.reason.contains(reason)), "{text:?}: {errors:?}");
        }
        let gone = Expect::load(Path::new("/nowhere/e.toml")).unwrap_err();
        assert!(gone[0].to_string().starts_with("/nowhere/e.toml: cannot open"));
    }
}

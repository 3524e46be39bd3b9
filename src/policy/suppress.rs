//! Findings that somebody has looked at and accepted: the list of `--suppress FILE`.
//!
//! ```toml
//! [[suppress]]
//! rule = "telnet-in-use"               # or "tls-*": every rule whose identifier begins so
//! device = "00:1b:a9:01:02:03"         # or an address, or a network
//! peer = "*.example.net"               # or a name, an address, a network
//! until = "2027-03-31"                 # optional: the last day on which it applies, UTC
//! reason = "replaced in spring, ticket 4711"
//! ```
//!
//! An entry needs a reason and at least one of `rule`, `device` and `peer`; all that it gives must
//! fit. The first entry of the file that fits counts. A finding whose last sighting is later than
//! `until` counts again: the time is that of the packets, so a capture gives the same result whenever
//! it is read. Only what stands in the findings table is looked at, so that the list can be changed
//! without the captures.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::expect::{ExpectError, Name, normal};
use crate::base::net::Network;
use crate::base::{Addr, Mac, Timestamp, limits};
use crate::signature::rules::{line_of, read_text};

/// What is wrong with a list.
pub type SuppressError = ExpectError;

/// A checked list.
#[derive(Debug, Clone, Default)]
pub struct Suppress {
    file: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    line: usize,
    rule: Option<RulePattern>,
    device: Option<Device>,
    peer: Option<Peer>,
    /// Days since the epoch.
    until: Option<i64>,
    reason: String,
    /// As the file spells them, for reports.
    spelt: [Option<String>; 4],
}

#[derive(Debug, Clone)]
enum RulePattern {
    Exact(String),
    Begins(String),
}

#[derive(Debug, Clone)]
enum Device {
    Mac(Mac),
    Network(Network),
}

#[derive(Debug, Clone)]
enum Peer {
    Network(Network),
    Name(Name),
}

/// What of a finding a list is held against: all of it stands in the findings table.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// Rule.
    pub rule: &'a str,
    /// Address of the device.
    pub device_ip: Option<Addr>,
    /// MAC address of the device's frames.
    pub device_mac: Option<Mac>,
    /// Identifier of the device.
    pub device_id: Option<&'a str>,
    /// Address of the other end.
    pub peer_ip: Option<Addr>,
    /// Name of the other end.
    pub peer_name: Option<&'a str>,
    /// Last sighting.
    pub last: Timestamp,
}

/// What became of each entry of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    entries: Vec<Hits>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Hits {
    /// Findings that it silences.
    silenced: u64,
    /// Findings that it fits and an earlier entry silences.
    behind: u64,
    /// Findings that it would fit, had its time not passed.
    over: u64,
}

impl Tally {
    /// Adds what became of the entries of the same list in another network.
    pub fn add(&mut self, other: &Self) {
        if self.entries.len() < other.entries.len() {
            self.entries.resize(other.entries.len(), Hits::default());
        }
        for (mine, theirs) in self.entries.iter_mut().zip(&other.entries) {
            mine.silenced += theirs.silenced;
            mine.behind += theirs.behind;
            mine.over += theirs.over;
        }
    }
}

/// What a list of accepted findings silenced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// The list; none where there was none.
    pub file: Option<String>,
    /// Findings that it silences.
    pub findings: u64,
    /// Its entries that silence something, in the order of the file.
    pub entries: Vec<SuppressedBy>,
    /// Entries that do nothing, or whose time has passed.
    pub warnings: Vec<String>,
}

/// An entry of such a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressedBy {
    /// Its line in the file.
    pub line: u64,
    /// Rule, as the entry spells it.
    pub rule: Option<String>,
    /// Device.
    pub device: Option<String>,
    /// Other end.
    pub peer: Option<String>,
    /// Last day on which it applies.
    pub until: Option<String>,
    /// Why.
    pub reason: String,
    /// Findings that it silences.
    pub findings: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    suppress: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    rule: Option<Spanned<String>>,
    device: Option<Spanned<String>>,
    peer: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    reason: Option<Spanned<String>>,
}

impl Suppress {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, Vec<SuppressError>> {
        let text =
            read_text(path).map_err(|reason| vec![SuppressError { file: path.to_path_buf(), line: 0, reason }])?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file; `file` is its name in messages.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<SuppressError>> {
        let raw: RawFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| line_of(text, span.start));
            vec![SuppressError { file: file.to_path_buf(), line, reason: e.message().replace('\n', "; ") }]
        })?;
        let mut errors = Vec::new();
        let mut bad = |offset: usize, reason: String| {
            // Each looks for its line from the top, so a hostile file must not have many.
            if errors.len() < limits::LIST_ERRORS_MAX {
                errors.push(SuppressError { file: file.to_path_buf(), line: line_of(text, offset), reason });
            }
        };
        if raw.suppress.len() > limits::SUPPRESS_ENTRIES_MAX {
            bad(0, format!("more than {} entries", limits::SUPPRESS_ENTRIES_MAX));
        }
        if raw.suppress.is_empty() {
            bad(0, String::from("no [[suppress]] entry"));
        }
        let mut lines = Lines { text, offset: 0, line: 1 };
        let mut entries = Vec::new();
        for entry in raw.suppress.into_iter().take(limits::SUPPRESS_ENTRIES_MAX) {
            let at = entry.span().start;
            entries.extend(check(entry.into_inner(), at, lines.at(at), &mut bad));
        }
        let file = file.display().to_string();
        if errors.is_empty() { Ok(Self { file, entries }) } else { Err(errors) }
    }

    /// Entries of the list.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The reason for which a finding is silenced; `None` where it counts. The tally notes every
    /// entry that fits.
    pub fn judge(&self, subject: &Subject<'_>, tally: &mut Tally) -> Option<&str> {
        tally.entries.resize(self.entries.len(), Hits::default());
        let name = subject.peer_name.map(normal);
        let mut reason = None;
        for (entry, hits) in self.entries.iter().zip(&mut tally.entries) {
            if !entry.fits(subject, name.as_deref()) {
                continue;
            }
            if entry.until.is_some_and(|last| day(subject.last) > last) {
                hits.over += 1;
            } else if reason.is_some() {
                hits.behind += 1;
            } else {
                hits.silenced += 1;
                reason = Some(entry.reason.as_str());
            }
        }
        reason
    }

    /// What the report says of a list, once all findings were held against it.
    pub fn report(&self, tally: &Tally) -> Suppressed {
        let mut report = Suppressed { file: Some(self.file.clone()), ..Suppressed::default() };
        let none = Hits::default();
        for (number, entry) in self.entries.iter().enumerate() {
            let hits = tally.entries.get(number).unwrap_or(&none);
            report.findings += hits.silenced;
            if hits.silenced > 0 {
                let [rule, device, peer, until] = entry.spelt.clone();
                let reason = entry.reason.clone();
                let (line, findings) = (entry.line as u64, hits.silenced);
                report.entries.push(SuppressedBy { line, rule, device, peer, until, reason, findings });
            }
            let place = format!("{}:{}", self.file, entry.line);
            if hits.over > 0 {
                let until = entry.spelt.last().and_then(Option::as_deref).unwrap_or_default();
                let n = hits.over;
                report
                    .warnings
                    .push(format!("{place}: its time is over for {n} of its findings, last seen after {until}"));
            } else if hits.silenced == 0 && hits.behind > 0 {
                report.warnings.push(format!("{place}: has no effect: entries before it silence the same findings"));
            } else if hits.silenced == 0 {
                report.warnings.push(format!("{place}: fits no finding"));
            }
        }
        report
    }
}

/// The day of a time, counted from the epoch, UTC.
fn day(t: Timestamp) -> i64 {
    t.seconds().div_euclid(86_400)
}

/// Line numbers of offsets that mostly rise, without counting from the top each time.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, offset: usize) -> usize {
        if offset < self.offset {
            (self.offset, self.line) = (0, 1);
        }
        let between = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        self.line += between.iter().filter(|b| **b == b'\n').count();
        self.offset = offset;
        self.line
    }
}

impl Entry {
    /// `name` is the peer's, in lower case without the dot of the root.
    fn fits(&self, s: &Subject<'_>, name: Option<&str>) -> bool {
        let rule = match &self.rule {
            None => true,
            Some(RulePattern::Exact(id)) => s.rule == id,
            Some(RulePattern::Begins(prefix)) => s.rule.starts_with(prefix.as_str()),
        };
        let device = match &self.device {
            None => true,
            // A device is called by its MAC address also where the packets came through a router.
            Some(Device::Mac(mac)) => s.device_mac == Some(*mac) || s.device_id.and_then(mac_of) == Some(*mac),
            Some(Device::Network(network)) => s.device_ip.is_some_and(|ip| network.contains(ip)),
        };
        let peer = || match &self.peer {
            None => true,
            Some(Peer::Network(network)) => s.peer_ip.is_some_and(|ip| network.contains(ip)),
            // No host name is longer; what a table cuts is out of reach for both ways of applying a list.
            Some(Peer::Name(pattern)) => name.is_some_and(|n| n.len() <= 254 && pattern.matches(n)),
        };
        rule && device && peer()
    }
}

/// The MAC address that a device is called by.
fn mac_of(device_id: &str) -> Option<Mac> {
    device_id.split('@').next()?.parse().ok()
}

fn check(raw: RawEntry, at: usize, line: usize, bad: &mut dyn FnMut(usize, String)) -> Option<Entry> {
    let mut sound = true;
    let mut wrong = |offset: usize, reason: String| {
        sound = false;
        bad(offset, reason);
    };
    let spelt = [&raw.rule, &raw.device, &raw.peer, &raw.until].map(|s| s.as_ref().map(|s| s.get_ref().clone()));
    let rule = raw.rule.and_then(|s| parsed(&s, rule_pattern, &mut wrong));
    let device = raw.device.and_then(|s| parsed(&s, device, &mut wrong));
    let peer = raw.peer.and_then(|s| parsed(&s, peer, &mut wrong));
    let until = raw.until.and_then(|s| parsed(&s, date, &mut wrong));
    if spelt.iter().take(3).all(Option::is_none) {
        wrong(at, String::from("an entry needs at least one of rule, device and peer"));
    }
    let reason = match raw.reason {
        None => {
            wrong(at, String::from("an entry needs a reason"));
            String::new()
        }
        Some(reason) => parsed(&reason, text, &mut wrong).unwrap_or_default(),
    };
    sound.then_some(Entry { line, rule, device, peer, until, reason, spelt })
}

fn parsed<T>(
    value: &Spanned<String>,
    parse: fn(&str) -> Result<T, String>,
    wrong: &mut dyn FnMut(usize, String),
) -> Option<T> {
    parse(value.get_ref()).map_err(|reason| wrong(value.span().start, reason)).ok()
}

fn rule_pattern(text: &str) -> Result<RulePattern, String> {
    let (id, begins) = text.strip_suffix('*').map_or((text, false), |prefix| (prefix, true));
    let letters = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || id.is_empty() || id.len() > 64 {
        return Err(format!("{text:?} is not a rule id (as in telnet-in-use), nor the beginning of one with a *"));
    }
    Ok(if begins { RulePattern::Begins(id.to_owned()) } else { RulePattern::Exact(id.to_owned()) })
}

fn device(text: &str) -> Result<Device, String> {
    if let Ok(mac) = text.parse::<Mac>() {
        return match mac.is_group() || mac.is_zero() {
            true => Err(format!("{text:?} is not the MAC address of one device")),
            false => Ok(Device::Mac(mac)),
        };
    }
    text.parse().map(Device::Network).map_err(|_| format!("{text:?} is not a MAC address, an IP address or a network"))
}

fn peer(text: &str) -> Result<Peer, String> {
    if let Ok(network) = text.parse::<Network>() {
        return Ok(Peer::Network(network));
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"./:".contains(&b));
    match Name::parse(text) {
        Ok(name) if !numeric => Ok(Peer::Name(name)),
        _ => Err(format!("{text:?} is not an address, a network or a host name (as in *.example.com)")),
    }
}

fn date(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is not a date (as in 2027-03-31)");
    let date =
        Some(text).filter(|t| t.len() == 10).and_then(|t| t.parse::<jiff::civil::Date>().ok()).ok_or_else(bad)?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?.timestamp();
    Ok(start.as_second().div_euclid(86_400))
}

fn text(text: &str) -> Result<String, String> {
    let fine = !text.trim().is_empty() && text.len() <= limits::SUPPRESS_REASON_BYTES_MAX;
    if !fine || crate::record::row::clean(text) != text {
        let most = limits::SUPPRESS_REASON_BYTES_MAX;
        return Err(format!("the reason is empty, longer than {most} bytes, or holds a control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
[[suppress]]
rule = "telnet-in-use"
device = "00:1b:a9:01:02:03"
until = "2027-03-31"
reason = "replaced in spring"

[[suppress]]
rule = "tls-*"
peer = "*.cloud.example"
reason = "the vendor's cloud"

[[suppress]]
device = "10.0.9.0/24"
reason = "laboratory"
"#;

    fn parse(text: &str) -> Result<Suppress, Vec<SuppressError>> {
        Suppress::parse(Path::new("s.toml"), text)
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64)
    }

    #[test]
    fn every_part_of_an_entry_must_fit() {
        let list = parse(LIST).unwrap();
        let mac = "00:1b:a9:01:02:03".parse::<Mac>().ok();
        let ip = |text: &str| text.parse::<Addr>().ok();
        let before = Subject { last: at("2027-03-31T23:59:59.999999Z"), ..Subject::default() };
        let after = Subject { last: at("2027-04-01T00:00:00Z"), ..Subject::default() };
        let spring = Some("replaced in spring");
        let cloud = Some("the vendor's cloud");
        let lab = Some("laboratory");
        for (subject, wanted) in [
            (Subject { rule: "telnet-in-use", device_mac: mac, ..before }, spring),
            (Subject { rule: "telnet-in-use", device_id: Some("00:1b:a9:01:02:03"), ..before }, spring),
            (Subject { rule: "telnet-in-use", device_id: Some("00:1b:a9:01:02:03@7"), ..before }, spring),
            (Subject { rule: "telnet-in-use", device_mac: mac, ..after }, None),
            (Subject { rule: "telnet-in-use", device_mac: mac, device_ip: ip("10.0.9.8"), ..after }, lab),
            (Subject { rule: "telnet-in-use", device_mac: mac, device_ip: ip("10.0.9.8"), ..before }, spring),
            (Subject { rule: "telnet-in-use-2", device_mac: mac, ..before }, None),
            (Subject { rule: "telnet-in-use", device_id: Some("10.0.0.9"), ..before }, None),
            (Subject { rule: "tls-old", peer_name: Some("A.Cloud.Example."), ..before }, cloud),
            (Subject { rule: "tls-old", peer_name: Some("cloud.example"), ..before }, None),
            (Subject { rule: "tls-old", peer_name: Some("evilcloud.example"), ..before }, None),
            (Subject { rule: "tls-old", ..before }, None),
            (Subject { rule: "tlsx", peer_name: Some("a.cloud.example"), ..before }, None),
            (Subject { rule: "x", device_ip: ip("10.0.9.255"), ..after }, lab),
            (Subject { rule: "x", device_ip: ip("10.0.10.0"), ..after }, None),
            (Subject { rule: "x", peer_ip: ip("10.0.9.1"), ..after }, None),
        ] {
            assert_eq!(list.judge(&subject, &mut Tally::default()), wanted, "{subject:?}");
        }
        let long = format!("{}.cloud.example", "a.".repeat(200));
        let subject = Subject { rule: "tls-old", peer_name: Some(&long), ..before };
        assert_eq!(list.judge(&subject, &mut Tally::default()), None, "no host name is so long");
    }

    #[test]
    fn the_report_counts_each_entry_and_names_those_that_do_nothing() {
        let list = parse(&format!("{LIST}\n[[suppress]]\nrule = \"telnet-in-use\"\nreason = \"r\"\n")).unwrap();
        let mut tally = Tally::default();
        let mac = "00:1b:a9:01:02:03".parse::<Mac>().ok();
        let old = Subject { rule: "telnet-in-use", device_mac: mac, ..Subject::default() };
        list.judge(&old, &mut tally);
        let report = list.report(&tally);
        assert_eq!((report.findings, report.entries.len()), (1, 1));
        assert_eq!((report.entries[0].line, report.entries[0].findings), (2, 1));
        assert_eq!(report.entries[0].rule.as_deref(), Some("telnet-in-use"));
        assert_eq!(
            report.warnings,
            [
                "s.toml:8: fits no finding",
                "s.toml:13: fits no finding",
                "s.toml:17: has no effect: entries before it silence the same findings"
            ]
        );
        let mut other = Tally::default();
        list.judge(&Subject { last: at("2028-01-01T00:00:00Z"), ..old }, &mut other);
        tally.add(&other);
        let report = list.report(&tally);
        assert_eq!(report.findings, 2);
        assert_eq!(report.warnings[0], "s.toml:2: its time is over for 1 of its findings, last seen after 2027-03-31");
        let mut sum = Tally::default();
        sum.add(&tally);
        assert_eq!(sum, tally);
    }

    #[test]
    fn an_error_names_the_line() {
        let long = format!("[[suppress]]\nrule = \"a\"\nreason = \"{}\"\n", "x".repeat(513));
        for (text, line, reason) in [
            ("[[suppress]]\nreason = \"r\"\n", 1, "at least one of"),
            ("[[suppress]]\nrule = \"a\"\n", 1, "needs a reason"),
            ("[[suppress]]\nrule = \"a\"\nreason = \"  \"\n", 3, "the reason is empty"),
            ("[[suppress]]\nrule = \"a\"\nreason = \"a\\u001bb\"\n", 3, "control character"),
            (&long, 3, "longer than 512"),
            ("[[suppress]]\nrule = \"Telnet\"\nreason = \"r\"\n", 2, "not a rule id"),
            ("[[suppress]]\nrule = \"*\"\nreason = \"r\"\n", 2, "not a rule id"),
            ("[[suppress]]\nrule = \"a*b\"\nreason = \"r\"\n", 2, "not a rule id"),
            ("[[suppress]]\ndevice = \"printer\"\nreason = \"r\"\n", 2, "not a MAC address"),
            ("[[suppress]]\ndevice = \"ff:ff:ff:ff:ff:ff\"\nreason = \"r\"\n", 2, "one device"),
            ("[[suppress]]\ndevice = \"10.0.0.0/33\"\nreason = \"r\"\n", 2, "network"),
            ("[[suppress]]\npeer = \"10.0.0.300\"\nreason = \"r\"\n", 2, "not an address"),
            ("[[suppress]]\npeer = \"a.*.b\"\nreason = \"r\"\n", 2, "not an address"),
            ("[[suppress]]\nrule = \"a\"\nuntil = \"31.3.2027\"\nreason = \"r\"\n", 3, "not a date"),
            ("[[suppress]]\nrule = \"a\"\nuntil = \"2027-02-30\"\nreason = \"r\"\n", 3, "not a date"),
            ("[[suppress]]\nrule = \"a\"\nreason = \"r\"\nport = 1\n", 4, "port"),
            ("[[suppress]\n", 1, ""),
            ("", 1, "no [[suppress]]"),
        ] {
            let errors = parse(text).unwrap_err();
            assert!(errors.iter().any(|e| e.line == line && e.reason.contains(reason)), "{text:?}: {errors:?}");
        }
        let many = "[[suppress]]\nreason = \"r\"\n".repeat(limits::SUPPRESS_ENTRIES_MAX);
        assert_eq!(parse(&many).unwrap_err().len(), limits::LIST_ERRORS_MAX);
        let gone = Suppress::load(Path::new("/nowhere/s.toml")).unwrap_err();
        assert!(gone[0].to_string().starts_with("/nowhere/s.toml: cannot open"));
        let many = "[[suppress]]\nrule = \"a\"\nreason = \"r\"\n".repeat(limits::SUPPRESS_ENTRIES_MAX + 1);
        assert!(parse(&many).unwrap_err()[0].reason.contains("more than"));
    }

    proptest::proptest! {
        /// An entry fits exactly where all its parts fit, each told on its own.
        #[test]
        fn an_entry_is_the_conjunction_of_its_parts(
            rule in 0..3usize, device in 0..3usize, peer in 0..3usize, on_rule: bool, on_device: bool, on_peer: bool,
        ) {
            let rules = ["", "ftp-in-use", "ftp-*"];
            let devices = ["", "10.1.0.0/16", "10.1.2.3"];
            let peers = ["", "198.51.100.0/24", "*.example.org"];
            let line = |key: &str, value: &str| match value {
                "" => String::new(),
                value => format!("{key} = \"{value}\"\n"),
            };
            let text = format!(
                "[[suppress]]\nreason = \"r\"\n{}{}{}",
                line("rule", rules[rule]), line("device", devices[device]), line("peer", peers[peer]),
            );
            let parsed = parse(&text);
            proptest::prop_assert_eq!(parsed.is_err(), rule + device + peer == 0);
            if let Ok(list) = parsed {
                let subject = Subject {
                    rule: if on_rule { "ftp-in-use" } else { "http-in-use" },
                    device_ip: Some(if on_device { Addr::v4([10, 1, 2, 3]) } else { Addr::v4([10, 2, 2, 3]) }),
                    peer_ip: Some(if on_peer { Addr::v4([198, 51, 100, 4]) } else { Addr::v4([192, 0, 2, 4]) }),
                    peer_name: Some(if on_peer { "a.example.org" } else { "example.org" }),
                    ..Subject::default()
                };
                let fits = (rule == 0 || on_rule) && (device == 0 || on_device) && (peer == 0 || on_peer);
                proptest::prop_assert_eq!(list.judge(&subject, &mut Tally::default()).is_some(), fits);
            }
        }
    }
}

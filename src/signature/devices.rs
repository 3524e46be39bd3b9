//! What tells of devices: one fact a line in `signatures/devices/*.tsv`.
//!
//! | Column | Meaning |
//! |---|---|
//! | on | Source and attribute of the claims that it is about, as `devices.claims` spells them; `*` for any source. Besides those: `oui vendor` (holder of the MAC block), `name asked` (a name looked up or contacted, or one below it), `port served` and `port used` (`631/tcp`), `service served`, `service used` |
//! | pattern | See [`Pattern`]; a plain text for `name asked` and those behind it |
//! | class | Class of such devices; empty where the fact tells only the vendor |
//! | vendor | Maker, spelt as the tables show it; empty where it says nothing of it |
//! | says | More that follows: `model=...; os=...`, a `$` in it standing for what the gap of that name holds; `role=...`, one of [`ROLES`]; `component` for makers of parts that others build into their devices |
//! | weight | Log-odds that it adds. "Unknown" has 2: the holder of a MAC block has less where it makes several kinds of device, so that it decides nothing alone, and 2.8 at the most where it makes one |
//! | sure | `high`, or `low` for what no source confirms: it then weighs at most [`LOW_MAX`] and decides nothing alone |
//! | source | Where the fact comes from |
//! | example | A value that the pattern hits; a test holds it |

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use hashbrown::{HashMap, HashSet};

use super::by_first::ByFirst;
use super::list::{self, List};
use super::pattern::{NAMES, Pattern};
use super::rules::RuleError;
use crate::base::limits;

/// The files that are compiled in: name in messages, text.
pub const BUILTIN: [(&str, &str); 9] = [
    ("vendors.tsv", include_str!("../../signatures/devices/vendors.tsv")),
    ("printers.tsv", include_str!("../../signatures/devices/printers.tsv")),
    ("voice.tsv", include_str!("../../signatures/devices/voice.tsv")),
    ("buildings.tsv", include_str!("../../signatures/devices/buildings.tsv")),
    ("rooms.tsv", include_str!("../../signatures/devices/rooms.tsv")),
    ("cameras.tsv", include_str!("../../signatures/devices/cameras.tsv")),
    ("network.tsv", include_str!("../../signatures/devices/network.tsv")),
    ("computers.tsv", include_str!("../../signatures/devices/computers.tsv")),
    ("home.tsv", include_str!("../../signatures/devices/home.tsv")),
];
/// Their columns.
pub const COLUMNS: [&str; 9] = ["on", "pattern", "class", "vendor", "says", "weight", "sure", "source", "example"];
/// Log-odds that a fact may add at most: practically certain.
const WEIGHT_MAX: f64 = 6.0;
/// Log-odds that a fact without confirmation adds at most.
pub const LOW_MAX: f64 = 1.5;

/// The classes of devices.
pub const CLASSES: [&str; 41] = [
    "printer",
    "ip-phone",
    "access-control",
    "room-booking",
    "camera",
    "nvr",
    "video-conferencing",
    "intercom",
    "signage",
    "tv",
    "nas",
    "ups",
    "pdu",
    "building-controller",
    "thermostat",
    "lighting",
    "pos",
    "badge-printer",
    "scanner",
    "projector",
    "wireless-presenter",
    "iot-hub",
    "voice-assistant",
    "appliance",
    "smart-plug",
    "wearable",
    "medical",
    "plc",
    "hmi",
    "router",
    "switch",
    "access-point",
    "firewall",
    "server",
    "workstation",
    "laptop",
    "phone",
    "tablet",
    "printer-server",
    "media-player",
    "game-console",
];
/// Roles that a fact may give.
pub const ROLES: [&str; 2] = ["load-balancer", "nat-gateway"];
/// Where nothing tells.
pub const UNKNOWN: &str = "unknown";
/// A machine that software makes.
pub const VIRTUAL: &str = "virtual-machine";

/// One fact.
#[derive(Debug, Clone)]
pub struct Tell {
    /// Source and attribute that it is about.
    pub on: (String, String),
    pattern: Pattern,
    /// Class, where it says one.
    pub class: Option<&'static str>,
    /// Maker, where it says one.
    pub vendor: Option<String>,
    /// More that follows, by the index in [`NAMES`].
    pub says: Vec<(usize, String)>,
    /// Whether the maker only makes parts.
    pub component: bool,
    /// Role, where it says one.
    pub role: Option<&'static str>,
    /// Log-odds.
    pub weight: f64,
    example: String,
}

/// A fact that hit, and what the gaps of its pattern held.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// The fact.
    pub tell: &'a Tell,
    /// Log-odds that it adds here.
    pub weight: f64,
    /// What follows: index in [`NAMES`] and value.
    pub says: Vec<(usize, String)>,
}

/// All facts, by what they are about.
#[derive(Debug, Default)]
pub struct Tells {
    by_attribute: HashMap<String, ByFirst<Tell>, ahash::RandomState>,
    /// Those that say a role, by source and attribute: few.
    roles: HashMap<(String, String), Vec<Tell>, ahash::RandomState>,
    /// Names of hosts, ports and services that facts are about, for those who collect claims.
    names: HashSet<String, ahash::RandomState>,
    ports: HashMap<(u8, u16), String, ahash::RandomState>,
    ports_used: HashMap<(u8, u16), String, ahash::RandomState>,
    served: HashSet<String, ahash::RandomState>,
    used: HashSet<String, ahash::RandomState>,
}

/// Rows of the user's own, added before any packet is read.
static MORE: Mutex<Vec<Tell>> = Mutex::new(Vec::new());

static TELLS: LazyLock<Tells> = LazyLock::new(|| {
    let mut tells = Tells::default();
    // The user's come first: of equal ones they win.
    for tell in std::mem::take(&mut *MORE.lock().unwrap_or_else(PoisonError::into_inner)) {
        tells.add(tell);
    }
    for (name, text) in BUILTIN {
        // The files are part of the program and a test parses them.
        let list = list::parse(Path::new(name), text, &COLUMNS).unwrap_or_default();
        read(Path::new(name), list).unwrap_or_default().into_iter().for_each(|t| tells.add(t));
    }
    tells
});

/// All facts; parsed at the first call.
pub fn all() -> &'static Tells {
    &TELLS
}

/// Adds rows to those that are compiled in, for the rest of the process; without effect after the first
/// call of [`all`].
pub fn add(rows: Vec<Tell>) {
    MORE.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
}

/// Whether a list of that name is one of these.
pub fn is_file(name: &str) -> bool {
    BUILTIN.iter().any(|(known, _)| *known == name)
}

/// The class of that name.
pub fn class(name: &str) -> Option<&'static str> {
    CLASSES.iter().chain([&VIRTUAL]).find(|c| **c == name).copied()
}

/// The rows of a list whose layout was checked.
///
/// # Errors
/// If a pattern, class or number is wrong, or an example is not hit, by line.
pub fn read(file: &Path, list: List) -> Result<Vec<Tell>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    for (line, cells) in list.rows {
        match row(&cells) {
            Ok(tell) => rows.push(tell),
            Err(reason) => errors.push(RuleError { file: file.to_path_buf(), line, reason }),
        }
    }
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

fn row(cells: &[String]) -> Result<Tell, String> {
    let [on, pattern, class_name, vendor, says, weight, sure, source, example] = cells else {
        return Err(String::from("not all columns"));
    };
    let (about, attribute) = on.split_once(' ').ok_or("no source and attribute")?;
    let pattern = Pattern::parse(pattern)?;
    let class = match class_name.as_str() {
        "" => None,
        name => Some(class(name).ok_or_else(|| format!("no class is called {name:?}"))?),
    };
    let weight = weight.parse::<f64>().ok().filter(|w| (0.0..=WEIGHT_MAX).contains(w));
    let mut weight = weight.ok_or_else(|| format!("the weight is no number from 0 to {WEIGHT_MAX}"))?;
    match sure.as_str() {
        "high" => {}
        "low" => weight = weight.min(LOW_MAX),
        other => return Err(format!("{other:?} is neither high nor low")),
    }
    if source.is_empty() {
        return Err(String::from("no source"));
    }
    let (mut component, mut role) = (false, None);
    let mut more = Vec::new();
    for part in says.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        match part.split_once('=') {
            Some(("role", value)) => {
                let known = ROLES.iter().find(|known| **known == value.trim());
                role = Some(*known.ok_or_else(|| format!("no role is called {value:?}"))?);
            }
            Some((name, value)) => match NAMES.iter().position(|n| *n == name.trim()) {
                Some(index) => more.push((index, value.trim().to_owned())),
                None => return Err(format!("{name:?} is nothing that a device can be said to have")),
            },
            None if part == "component" => component = true,
            None => return Err(format!("{part:?} says nothing")),
        }
    }
    let vendor = Some(vendor.clone()).filter(|v| !v.is_empty());
    let on = (about.to_owned(), attribute.to_owned());
    let tell = Tell { on, pattern, class, vendor, says: more, component, role, weight, example: example.clone() };
    if tell.hit(example.as_bytes()).is_none() {
        return Err(format!("the pattern does not hit its example {example:?}"));
    }
    if matches!(about, "name" | "port" | "service") && tell.pattern.as_text().is_none() {
        return Err(String::from("a name, port or service is a plain text"));
    }
    Ok(tell)
}

impl Tell {
    /// Holds the fact against a value.
    pub fn hit<'a>(&'a self, value: &[u8]) -> Option<Hit<'a>> {
        let kept = self.pattern.matches(value)?;
        let gap = |index: usize| {
            let value = kept.get(index).copied().flatten()?;
            Some(String::from_utf8_lossy(value).trim().to_owned()).filter(|v| !v.is_empty())
        };
        let mut says = Vec::new();
        for (index, text) in &self.says {
            // What stands before the gap belongs to the name.
            let text =
                if text.contains('$') { text.replace('$', &gap(*index).unwrap_or_default()) } else { text.clone() };
            says.push((*index, text));
        }
        for index in (0..NAMES.len()).filter(|index| !self.says.iter().any(|(said, _)| said == index)) {
            says.extend(gap(index).map(|value| (index, value)));
        }
        Some(Hit { tell: self, weight: self.weight, says })
    }

    /// A value that it hits.
    pub fn example(&self) -> &str {
        &self.example
    }
}

impl Tells {
    fn add(&mut self, tell: Tell) {
        let text = tell.pattern.as_text().map(|t| String::from_utf8_lossy(t).into_owned());
        if let Some(text) = text {
            match (tell.on.0.as_str(), tell.on.1.as_str()) {
                ("name", _) => _ = self.names.insert(text),
                ("port", way) => {
                    let ports = if way == "served" { &mut self.ports } else { &mut self.ports_used };
                    if let Some((number, protocol)) = text.split_once('/')
                        && let Ok(number) = number.parse()
                    {
                        ports.insert((if protocol == "tcp" { 6 } else { 17 }, number), text);
                    }
                }
                ("service", "served") => _ = self.served.insert(text),
                ("service", _) => _ = self.used.insert(text),
                _ => {}
            }
        }
        if tell.role.is_some() {
            self.roles.entry(tell.on.clone()).or_default().push(tell.clone());
        }
        self.by_attribute.entry(tell.on.1.clone()).or_default().add(tell.pattern.first(), tell);
    }

    /// The facts that a claim hits. Of those that say the same of the class the heaviest counts.
    pub fn hits<'a>(&'a self, source: &str, attribute: &str, value: &str) -> impl Iterator<Item = Hit<'a>> {
        let value = value.as_bytes();
        let rows = self.by_attribute.get(attribute).into_iter().flat_map(move |rows| rows.candidates(value));
        rows.filter(move |t| t.on.0 == source || t.on.0 == "*").filter_map(move |t| t.hit(value))
    }

    /// The role that a fact gives to the device that it is about.
    pub fn role(&self, (source, attribute): (&str, &str), value: &str) -> Option<&'static str> {
        let rows = self.roles.iter().filter(|((s, a), _)| s == source && a == attribute).flat_map(|(_, rows)| rows);
        rows.filter(|row| row.pattern.matches(value.as_bytes()).is_some()).find_map(|row| row.role)
    }

    /// The name that tells something of those who ask for `name`: itself or one above it.
    pub fn name_above(&self, name: &str) -> Option<&str> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let starts = name.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]).take(limits::NAME_LABELS_MAX);
        starts.filter_map(|at| self.names.get(name.get(at..)?)).last().map(String::as_str)
    }

    /// The port, where serving it tells something: `631/tcp`.
    pub fn port(&self, protocol: u8, number: u16) -> Option<&str> {
        self.ports.get(&(protocol, number)).map(String::as_str)
    }

    /// The port, where sending to it tells something.
    pub fn port_used(&self, protocol: u8, number: u16) -> Option<&str> {
        self.ports_used.get(&(protocol, number)).map(String::as_str)
    }

    /// Whether serving a service tells something.
    pub fn is_served(&self, service: &str) -> bool {
        self.served.contains(service)
    }

    /// Whether using a service tells something.
    pub fn is_used(&self, service: &str) -> bool {
        self.used.contains(service)
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.by_attribute.values().map(|rows| rows.all().len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_attribute.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_that_is_compiled_in_reads_and_hits_its_example() {
        let mut count = 0;
        for (name, text) in BUILTIN {
            let list = list::parse(Path::new(name), text, &COLUMNS).unwrap_or_else(|e| panic!("{e:?}"));
            let rows = read(Path::new(name), list).unwrap_or_else(|e| panic!("{e:#?}"));
            count += rows.len();
            for t in &rows {
                assert!(
                    t.class.is_some()
                        || t.vendor.is_some()
                        || !t.says.is_empty()
                        || t.role.is_some()
                        || t.hit(t.example.as_bytes()).is_some_and(|h| !h.says.is_empty()),
                    "{name}: {} says nothing",
                    t.example
                );
            }
        }
        assert!(count > 400, "{count}");
        assert_eq!(all().len(), count);
    }

    #[test]
    fn every_holder_of_a_block_that_is_named_is_in_the_registry() {
        let holders: Vec<&str> = crate::signature::oui::holders().collect();
        for tell in all().by_attribute.values().flat_map(|rows| rows.all()).filter(|t| t.on.0 == "oui") {
            assert!(holders.contains(&tell.example.as_str()), "no block is registered to {}", tell.example);
        }
    }

    #[test]
    fn every_class_has_a_fact() {
        let rows: Vec<_> = all().by_attribute.values().flat_map(|rows| rows.all()).filter_map(|t| t.class).collect();
        for class in CLASSES.iter().chain([&VIRTUAL]) {
            assert!(rows.contains(class), "{class}");
        }
    }

    #[test]
    fn no_row_is_there_twice() {
        let mut seen = HashSet::new();
        for t in all().by_attribute.values().flat_map(|rows| rows.all()) {
            let key = (t.on.clone(), t.pattern.clone().matches(b"").is_some(), format!("{:?}", t.pattern), t.class);
            assert!(seen.insert(format!("{key:?}")), "twice: {:?} {}", t.on, t.example);
        }
    }

    #[test]
    fn names_below_a_known_one_are_found() {
        let mut tells = Tells::default();
        let cells = ["name asked", "hik-connect.com", "camera", "Hikvision", "", "2", "high", "s", "hik-connect.com"];
        tells.add(row(&cells.map(str::to_owned)).unwrap());
        assert_eq!(tells.name_above("dev.Hik-Connect.com."), Some("hik-connect.com"));
        assert_eq!(tells.name_above("hik-connect.com"), Some("hik-connect.com"));
        assert_eq!(tells.name_above("nothik-connect.com"), None);
        assert_eq!(tells.name_above("com"), None);
        assert_eq!(tells.name_above(""), None);
    }

    #[test]
    fn wrong_rows_are_told() {
        let good = ["dhcp vendor-class", "APC{model}", "ups", "APC", "os=AOS", "4", "low", "s", "APC1"];
        let tell = row(&good.map(str::to_owned)).unwrap();
        assert_eq!(tell.weight, LOW_MAX);
        assert_eq!(tell.hit(b"apc 9").unwrap().says, [(2, "AOS".to_owned()), (0, "9".to_owned())]);
        for (at, wrong) in [
            (0, "dhcp"),
            (1, "*"),
            (2, "toaster"),
            (4, "colour=red"),
            (4, "role=king"),
            (5, "9"),
            (6, "maybe"),
            (7, ""),
            (8, "x"),
        ] {
            let mut cells = good;
            cells[at] = wrong;
            assert!(row(&cells.map(str::to_owned)).is_err(), "{wrong}");
        }
    }
}

//! What the user says of his devices: the table of `--inventory FILE`, as a CMDB or a spreadsheet exports it.
//!
//! The first line names the columns, in any order and case. Known are `mac`, `ip` (or `address`), `name` (or
//! `hostname`), `class` (or `type`), `vendor` (or `manufacturer`), `model`, `site` (or `location`), `owner` and
//! `note`; the others are left out, and told. Delimiters are comma, semicolon and tab. A row is of the device
//! with its MAC; where that is not known on the wire, of the one with its address; where it has neither, of
//! the one with its name. A cell may hold several MACs or addresses, with spaces, commas, semicolons or bars
//! between. Empty cells, `-` and `n/a` say nothing, and the end of a line in one is a blank.
//!
//! The same may be TOML: an array of tables `[[device]]` with these names as keys. A file is TOML by its name (`.toml`) or
//! where it begins so.

mod attach;
mod csv;
mod toml;

pub(super) use attach::overrule;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::{Addr, Mac, limits};
use crate::record::clean;
use crate::signature::devices::{CLASSES, UNKNOWN, VIRTUAL, class};
use crate::signature::rules::RuleError;

/// What is wrong with an inventory.
pub type InventoryError = RuleError;

/// What a row says of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub line: usize,
    pub macs: Vec<Mac>,
    pub ips: Vec<Addr>,
    pub name: Option<String>,
    pub class: Option<&'static str>,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub site: Option<String>,
    pub owner: Option<String>,
    pub note: Option<String>,
}

/// A checked inventory.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    file: String,
    sha256: String,
    entries: Vec<Entry>,
    by_mac: HashMap<Mac, usize>,
    by_ip: HashMap<Addr, usize>,
    /// Rows without MAC and address, by their name in lower case.
    by_name: HashMap<String, usize>,
    /// Columns that are not known.
    ignored: Vec<String>,
}

/// What became of an inventory, for `run.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryReport {
    /// The file; none where there is no inventory.
    pub file: Option<String>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Rows that say something of a device.
    pub rows: u64,
    /// Of these, those whose device was seen.
    pub seen: u64,
    /// Of these, those whose device was not.
    pub not_seen: u64,
    /// The first of those that were not seen: line and what the device is known by.
    pub not_seen_first: Vec<String>,
    /// Columns that say nothing to this program.
    pub ignored_columns: Vec<String>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Mac,
    Ip,
    Name,
    Class,
    Vendor,
    Model,
    Site,
    Owner,
    Note,
}

/// Names of columns in lower case without blanks, dots, dashes and underscores.
const FIELDS: [(Field, &[&str]); 9] = [
    (Field::Mac, &["mac", "macaddress", "macaddr", "hwaddress", "hardwareaddress", "ethernetaddress", "macs"]),
    (Field::Ip, &["ip", "ipaddress", "address", "ipaddr", "ipv4", "ipv4address", "ipv6", "ipv6address", "ips"]),
    (Field::Name, &["name", "hostname", "host", "devicename", "dnsname", "fqdn"]),
    (Field::Class, &["class", "type", "devicetype", "deviceclass", "category", "ciclass"]),
    (Field::Vendor, &["vendor", "manufacturer", "maker", "make"]),
    (Field::Model, &["model", "modelname", "product", "modelnumber"]),
    (Field::Site, &["site", "location", "building", "room"]),
    (Field::Owner, &["owner", "ownedby", "responsible", "contact", "assignedto"]),
    (Field::Note, &["note", "notes", "comment", "comments", "remark", "remarks", "description"]),
];

/// What else classes are called, in lower case with dashes.
const ALIASES: [(&str, &str); 46] = [
    ("multifunction-printer", "printer"),
    ("mfp", "printer"),
    ("copier", "printer"),
    ("label-printer", "printer"),
    ("print-server", "printer-server"),
    ("voip-phone", "ip-phone"),
    ("sip-phone", "ip-phone"),
    ("desk-phone", "ip-phone"),
    ("telephone", "ip-phone"),
    ("ip-camera", "camera"),
    ("cctv", "camera"),
    ("webcam", "camera"),
    ("dvr", "nvr"),
    ("video-recorder", "nvr"),
    ("door-controller", "access-control"),
    ("card-reader", "access-control"),
    ("badge-reader", "access-control"),
    ("room-panel", "room-booking"),
    ("conference-system", "video-conferencing"),
    ("door-station", "intercom"),
    ("digital-signage", "signage"),
    ("display", "signage"),
    ("television", "tv"),
    ("smart-tv", "tv"),
    ("storage", "nas"),
    ("bms", "building-controller"),
    ("hvac", "building-controller"),
    ("point-of-sale", "pos"),
    ("payment-terminal", "pos"),
    ("gateway", "router"),
    ("network-switch", "switch"),
    ("ap", "access-point"),
    ("wap", "access-point"),
    ("wifi-access-point", "access-point"),
    ("wireless-access-point", "access-point"),
    ("pc", "workstation"),
    ("desktop", "workstation"),
    ("computer", "workstation"),
    ("thin-client", "workstation"),
    ("notebook", "laptop"),
    ("smartphone", "phone"),
    ("mobile-phone", "phone"),
    ("mobile", "phone"),
    ("console", "game-console"),
    ("vm", "virtual-machine"),
    ("virtual", "virtual-machine"),
];

/// A name without what it is spelt differently with, and without what stands in parentheses behind it.
fn plain(name: &str) -> String {
    let name = name.split('(').next().unwrap_or_default();
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// What a column of that name holds.
fn field_of(name: &str) -> Option<Field> {
    let spelt = plain(name);
    FIELDS.iter().find(|(_, all)| all.contains(&spelt.as_str())).map(|(field, _)| *field)
}

/// What stands on a line of the file.
trait HasLine {
    fn line(&self) -> usize;
}

impl<T> HasLine for (usize, T) {
    fn line(&self) -> usize {
        self.0
    }
}

/// Whether a cell says nothing.
fn is_blank(cell: &str) -> bool {
    matches!(cell.to_ascii_lowercase().as_str(), "" | "-" | "--" | "n/a" | "na" | "none" | "null")
}

impl Inventory {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it cannot be read, or what is wrong with it, by line.
    pub fn load(path: &Path) -> Result<Self, Vec<InventoryError>> {
        use std::io::Read as _;
        let fail = |reason: String| vec![InventoryError { file: path.to_path_buf(), line: 0, reason }];
        let file = std::fs::File::open(path).map_err(|e| fail(format!("cannot open: {e}")))?;
        let mut bytes = Vec::new();
        let most = limits::INVENTORY_BYTES_MAX;
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|e| fail(format!("cannot read: {e}")))?;
        if bytes.len() > most {
            return Err(fail(format!("longer than {most} bytes")));
        }
        Self::parse(path, &bytes)
    }

    /// Checks the bytes of a file; `file` is its name in messages.
    ///
    /// # Errors
    /// What is wrong with it, by line.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, Vec<InventoryError>> {
        let bad = |line: usize, reason: String| InventoryError { file: file.to_path_buf(), line, reason };
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = bytes.get(..e.valid_up_to()).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
            vec![bad(line, "not UTF-8 text; export it as CSV in UTF-8".into())]
        })?;
        let sha256 = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        let mut list = Self { file: file.display().to_string(), sha256, ..Self::default() };
        let mut errors: Vec<InventoryError> = Vec::new();
        if toml::is_toml(file, text) {
            let rows = toml::rows(text).map_err(|(line, reason)| vec![bad(line, reason)])?;
            list.read(rows.into_iter().map(Ok), Self::device, &bad, &mut errors);
        } else {
            let mut rows =
                csv::Rows::new(text).filter(|row| !matches!(row, Ok((_, cells)) if cells.iter().all(String::is_empty)));
            let columns = match rows.next() {
                None => return Err(vec![bad(0, "there is nothing in it".into())]),
                Some(Err((line, reason))) => return Err(vec![bad(line, reason)]),
                Some(Ok((line, names))) => list.columns(&names).map_err(|reason| vec![bad(line, reason)])?,
            };
            list.read(rows, |_, row, reasons| csv_entry(&row, &columns, reasons), &bad, &mut errors);
        }
        if list.entries.is_empty() && errors.is_empty() {
            errors.push(bad(0, "there is no row behind the names of the columns, or no [[device]]".into()));
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// Adds what rows say, one after the other; what is wrong with them goes into `errors`.
    fn read<R: HasLine>(
        &mut self,
        rows: impl Iterator<Item = Result<R, (usize, String)>>,
        entry: impl Fn(&mut Self, R, &mut Vec<(usize, String)>) -> Option<Entry>,
        bad: &dyn Fn(usize, String) -> InventoryError,
        errors: &mut Vec<InventoryError>,
    ) {
        for row in rows {
            if errors.len() >= limits::LIST_ERRORS_MAX {
                errors.push(bad(0, "more errors are not told".into()));
                return;
            }
            let row = match row {
                Ok(row) => row,
                Err((line, reason)) => {
                    errors.push(bad(line, reason));
                    continue;
                }
            };
            if self.entries.len() >= limits::INVENTORY_ROWS_MAX {
                errors.push(bad(row.line(), format!("more than {} rows", limits::INVENTORY_ROWS_MAX)));
                return;
            }
            let mut reasons = Vec::new();
            match entry(self, row, &mut reasons) {
                Some(entry) if reasons.is_empty() => {
                    let line = entry.line;
                    let mut said = Vec::new();
                    self.add(entry, &mut said);
                    reasons.extend(said.into_iter().map(|reason| (line, reason)));
                }
                _ => {}
            }
            errors.extend(reasons.into_iter().map(|(line, reason)| bad(line, reason)));
        }
    }

    /// A device of TOML.
    fn device(&mut self, (line, cells): toml::Row, reasons: &mut Vec<(usize, String)>) -> Option<Entry> {
        let mut entry = Entry { line, ..Entry::default() };
        let mut known: BTreeMap<Field, String> = BTreeMap::new();
        for cell in cells {
            let Some(field) = field_of(&cell.key) else {
                let key = clean(&cell.key);
                if self.ignored.len() < limits::INVENTORY_COLUMNS_MAX && !self.ignored.contains(&key) {
                    self.ignored.push(key);
                }
                continue;
            };
            let mut said = Vec::new();
            match cell.text {
                Ok(text) => entry.take(field, &text, &mut said),
                Err(reason) => said.push(reason),
            }
            if let Some(other) = known.get(&field).filter(|_| !matches!(field, Field::Mac | Field::Ip)) {
                said.push(format!("{:?} and {:?} say the same", clean(other), clean(&cell.key)));
            }
            known.insert(field, cell.key);
            reasons.extend(said.into_iter().map(|reason| (cell.line, reason)));
        }
        entry.checked(reasons)
    }

    /// What the columns hold, by the first line.
    fn columns(&mut self, names: &[String]) -> Result<Vec<Option<Field>>, String> {
        let mut columns = Vec::new();
        let mut known: BTreeMap<Field, &str> = BTreeMap::new();
        for name in names {
            let field = field_of(name);
            match field {
                // Addresses of both families may have a column each, and there may be a description beside a note.
                Some(field) => {
                    if let Some(other) = known.insert(field, name).filter(|_| !matches!(field, Field::Mac | Field::Ip))
                    {
                        return Err(format!("the columns {:?} and {:?} say the same", clean(other), clean(name)));
                    }
                }
                None if !name.is_empty() => self.ignored.push(clean(name)),
                None => {}
            }
            columns.push(field);
        }
        if ![Field::Mac, Field::Ip, Field::Name].iter().any(|field| known.contains_key(field)) {
            return Err("no column is called mac, ip or name: the first line has to name the columns".into());
        }
        Ok(columns)
    }

    fn add(&mut self, entry: Entry, reasons: &mut Vec<String>) {
        let index = self.entries.len();
        let line_of = |at: usize| self.entries.get(at).map_or(0, |e| e.line);
        for mac in &entry.macs {
            if let Some(other) = self.by_mac.get(mac) {
                reasons.push(format!("{mac} stands in line {} already", line_of(*other)));
            }
        }
        for ip in &entry.ips {
            if let Some(other) = self.by_ip.get(ip) {
                reasons.push(format!("{ip} stands in line {} already", line_of(*other)));
            }
        }
        let only_name = entry.macs.is_empty() && entry.ips.is_empty();
        let name = entry.name.as_deref().filter(|_| only_name).map(str::to_lowercase);
        if let Some(name) = &name
            && let Some(other) = self.by_name.get(name)
        {
            reasons.push(format!(
                "{name:?} stands in line {} already, and neither row has a MAC or an address",
                line_of(*other)
            ));
        }
        if !reasons.is_empty() {
            return;
        }
        self.by_mac.extend(entry.macs.iter().map(|mac| (*mac, index)));
        self.by_ip.extend(entry.ips.iter().map(|ip| (*ip, index)));
        self.by_name.extend(name.map(|name| (name, index)));
        self.entries.push(entry);
    }

    /// Rows that say something of a device.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the user should know of the file.
    pub fn warnings(&self) -> Option<String> {
        const SHOWN: usize = 8;
        let names: Vec<_> = self.ignored.iter().take(SHOWN).map(String::as_str).collect();
        let more = self.ignored.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{}: columns left out: {}{more}", self.file, names.join(", ")))
    }

    /// What became of the rows; `seen` says which devices were seen, by the place of the row.
    pub fn report(&self, seen: &[bool]) -> InventoryReport {
        let was_seen = |at: usize| seen.get(at).copied().unwrap_or(false);
        let not_seen = || self.entries.iter().enumerate().filter(|(at, _)| !was_seen(*at)).map(|(_, entry)| entry);
        let count = not_seen().count() as u64;
        let rows = self.entries.len() as u64;
        InventoryReport {
            file: Some(self.file.clone()),
            sha256: self.sha256.clone(),
            rows,
            seen: rows - count,
            not_seen: count,
            not_seen_first: not_seen().take(limits::INVENTORY_NOT_SEEN_MAX).map(Entry::known_by).collect(),
            ignored_columns: self.ignored.clone(),
        }
    }
}

impl Entry {
    /// The line and what its device is known by.
    fn known_by(&self) -> String {
        let keys = self.macs.iter().map(Mac::to_string).chain(self.ips.iter().map(Addr::to_string)).next();
        let words: Vec<_> = keys.into_iter().chain(self.name.clone()).collect();
        format!("line {}: {}", self.line, words.join(" "))
    }
}

impl Entry {
    /// What a cell says; what is wrong with it goes into `reasons`.
    fn take(&mut self, field: Field, cell: &str, reasons: &mut Vec<String>) {
        if is_blank(cell) {
            return;
        }
        let text = || Some(line(cell));
        match field {
            Field::Mac => each(cell, mac, &mut self.macs, reasons),
            Field::Ip => each(cell, ip, &mut self.ips, reasons),
            Field::Name => self.name = text(),
            Field::Class => match class_of(cell) {
                Ok(class) => self.class = class,
                Err(reason) => reasons.push(reason),
            },
            Field::Vendor => self.vendor = text(),
            Field::Model => self.model = text(),
            Field::Site => self.site = text(),
            Field::Owner => self.owner = text(),
            Field::Note => self.note = text(),
        }
    }

    /// The entry, if it says which device it is of.
    fn checked(self, reasons: &mut Vec<(usize, String)>) -> Option<Self> {
        if reasons.is_empty() && self.macs.is_empty() && self.ips.is_empty() && self.name.is_none() {
            reasons.push((self.line, "neither MAC, address nor name: nothing tells which device it is".into()));
        }
        Some(self)
    }
}

/// A text on one line: ends of lines and tabs are blanks.
fn line(text: &str) -> String {
    let parts = text.split(['\r', '\n', '\t']).map(str::trim).filter(|part| !part.is_empty());
    clean(&parts.collect::<Vec<_>>().join(" "))
}

/// A row of CSV; what is wrong with it goes into `reasons`.
fn csv_entry((line, cells): &csv::Row, columns: &[Option<Field>], reasons: &mut Vec<(usize, String)>) -> Option<Entry> {
    let more = cells.iter().skip(columns.len()).any(|cell| !cell.is_empty());
    if more || cells.len() < columns.len() && cells.len() == 1 {
        // A delimiter too many moves the cells, and none is what its column says.
        reasons.push((*line, format!("{} cells where {} columns are named", cells.len(), columns.len())));
        return None;
    }
    let mut entry = Entry { line: *line, ..Entry::default() };
    let mut said = Vec::new();
    for (field, cell) in columns.iter().zip(cells) {
        if let Some(field) = field {
            entry.take(*field, cell, &mut said);
        }
    }
    reasons.extend(said.into_iter().map(|reason| (*line, reason)));
    entry.checked(reasons)
}

/// All values of a cell.
fn each<T: PartialEq>(
    cell: &str,
    read: impl Fn(&str) -> Result<T, String>,
    into: &mut Vec<T>,
    reasons: &mut Vec<String>,
) {
    for part in cell.split([',', ';', '|', '\n', '\t']).map(str::trim).filter(|part| !part.is_empty()) {
        // A MAC may be spelt with blanks, so the part as a whole is tried first.
        let values = match read(part) {
            Ok(value) => vec![Ok(value)],
            Err(_) => part.split_whitespace().map(&read).collect(),
        };
        for value in values {
            match value {
                Ok(value) if into.contains(&value) => {}
                Ok(value) if into.len() < limits::DEVICE_ADDRESSES_MAX => into.push(value),
                Ok(_) => {
                    reasons.push(format!("more than {} in one cell", limits::DEVICE_ADDRESSES_MAX));
                    return;
                }
                Err(reason) => reasons.push(reason),
            }
        }
    }
}

/// Six bytes in hex, in any of the usual spellings.
fn mac(text: &str) -> Result<Mac, String> {
    let bad = || format!("{:?} is not a MAC address (as in 00:1b:a9:01:02:03)", clean(text));
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.' | ' ')).collect();
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let number = u64::from_str_radix(&digits, 16).map_err(|_| bad())?;
    let [_, _, bytes @ ..] = number.to_be_bytes();
    let mac = Mac(bytes);
    if mac.is_group() || mac.is_zero() { Err(format!("{mac} is not the MAC address of one device")) } else { Ok(mac) }
}

fn ip(text: &str) -> Result<Addr, String> {
    let bad = || format!("{:?} is not an IP address (as in 10.0.0.7)", clean(text));
    let ip: IpAddr = text.trim().parse().map_err(|_| bad())?;
    let ip: Addr = ip.to_string().parse().map_err(|_| bad())?;
    if ip.is_multicast() || ip.is_unspecified() {
        Err(format!("{ip} is not the address of one device"))
    } else {
        Ok(ip)
    }
}

/// The class of that name; `None` for one that says nothing.
fn class_of(text: &str) -> Result<Option<&'static str>, String> {
    let spelt: String =
        text.trim().chars().map(|c| if matches!(c, ' ' | '_' | '/') { '-' } else { c.to_ascii_lowercase() }).collect();
    if spelt == UNKNOWN {
        return Ok(None);
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == spelt).map_or(spelt.as_str(), |(_, name)| name);
    // Tables list kinds of things in the plural.
    class(alias).or_else(|| class(alias.strip_suffix('s')?)).map(Some).ok_or_else(|| {
        let all: Vec<_> = CLASSES.iter().chain([&VIRTUAL, &UNKNOWN]).copied().collect();
        format!("no class is called {:?}; there are {}", clean(text), all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Inventory, Vec<InventoryError>> {
        Inventory::parse(Path::new("cmdb.csv"), text.as_bytes())
    }

    #[test]
    fn columns_are_known_by_their_names_in_any_order_and_case() {
        let text = "Asset Tag;IP Address (LAN);Hostname;MAC_Address;Manufacturer;Type;Model;Location;Owner;Notes\r\n\
                    4711;10.0.0.7;prn-3;001B.A901.0203;Brother;MFP;HL-5450;Floor 2;K. Meier;\"a; b\"\r\n\
                    \r\n\
                    4712;\"10.0.0.8, fd00::8\";;00-1B-A9-01-02-04 | 00 1b a9 01 02 05;-;n/a;;;;\r\n\
                    ;;door;;;;;;;\r\n";
        let list = parse(text).unwrap();
        assert_eq!(list.entries.len(), 3);
        let first = Entry {
            line: 2,
            macs: vec!["00:1b:a9:01:02:03".parse().unwrap()],
            ips: vec!["10.0.0.7".parse().unwrap()],
            name: Some("prn-3".into()),
            class: Some("printer"),
            vendor: Some("Brother".into()),
            model: Some("HL-5450".into()),
            site: Some("Floor 2".into()),
            owner: Some("K. Meier".into()),
            note: Some("a; b".into()),
        };
        assert_eq!(list.entries[0], first);
        assert_eq!((list.entries[1].line, list.entries[1].ips.len(), &list.entries[1].vendor), (4, 2, &None));
        assert_eq!(list.entries[2].name.as_deref(), Some("door"));
        assert_eq!(list.ignored, ["Asset Tag"]);
        assert_eq!(list.warnings().unwrap(), "cmdb.csv: columns left out: Asset Tag");
        let report = list.report(&[false, true]);
        assert_eq!((report.rows, report.seen, report.not_seen), (3, 1, 2));
        assert_eq!(report.not_seen_first, ["line 2: 00:1b:a9:01:02:03 prn-3", "line 5: door"]);
        assert_eq!(report.sha256.len(), 64);
    }

    #[test]
    fn several_macs_stand_in_one_cell() {
        let list = parse("mac\n\"00:1b:a9:01:02:03, 00:1b:a9:01:02:04\"\n00 1b a9 01 02 05\n").unwrap();
        assert_eq!(list.entries[0].macs.len(), 2);
        assert_eq!(list.entries[1].macs, ["00:1b:a9:01:02:05".parse().unwrap()]);
    }

    #[test]
    fn an_error_names_the_line_and_says_what_is_right() {
        for (text, line, reason) in [
            ("", 0, "nothing in it"),
            ("mac,site\n", 0, "no row"),
            ("site,owner\na,b\n", 1, "no column is called mac, ip or name"),
            ("name,hostname\na,b\n", 1, "say the same"),
            ("mac\nnonsense\n", 2, "not a MAC address"),
            ("mac\n\nff:ff:ff:ff:ff:ff\n", 3, "one device"),
            ("ip\n10.0.0.0/8\n", 2, "not an IP address"),
            ("ip\n224.0.0.1\n", 2, "one device"),
            ("ip,class\n10.0.0.1,toaster\n", 2, "there are printer, ip-phone"),
            ("ip,site\n,here\n", 2, "which device it is"),
            ("ip,site\n10.0.0.1,a\n10.0.0.2,b,c\n", 3, "3 cells where 2 columns"),
            ("ip,site\n10.0.0.1;a\n", 2, "1 cells where 2 columns"),
            ("mac\n00:1b:a9:01:02:03\n001ba9010203\n", 3, "stands in line 2 already"),
            ("mac,ip\n00:1b:a9:01:02:03,10.0.0.1\n00:1b:a9:01:02:04,10.0.0.1\n", 3, "stands in line 2 already"),
            ("name,site\nPrn,a\nprn,b\n", 3, "stands in line 2 already"),
            ("mac,note\n00:1b:a9:01:02:03,\"x\n", 2, "not closed"),
        ] {
            let errors = parse(text).unwrap_err();
            assert!(errors.iter().any(|e| e.line == line && e.reason.contains(reason)), "{text:?}: {errors:?}");
        }
        let latin = Inventory::parse(Path::new("x.csv"), b"name\nT\xfcr\n").unwrap_err();
        assert_eq!(latin[0].to_string(), "x.csv:2: not UTF-8 text; export it as CSV in UTF-8");
        let gone = Inventory::load(Path::new("/nowhere/i.csv")).unwrap_err();
        assert!(gone[0].to_string().starts_with("/nowhere/i.csv: cannot open"));
    }

    #[test]
    fn toml_says_the_same_with_the_same_checks() {
        let text = "# ours\n[[device]]\nmac = \"001B.A901.0203\"\nIP = [\"10.0.0.7\", \"fd00::8\"]\nhostname = \"prn-3\"\n\
                    type = \"MFP\"\nmodel = 5450\nrack = 3\nnote = \"\"\"a\nb\"\"\"\n\n[[device]]\nname = \"door\"\n";
        let list = Inventory::parse(Path::new("cmdb"), text.as_bytes()).unwrap();
        assert_eq!((list.len(), list.ignored.as_slice()), (2, &["rack".to_owned()][..]));
        let csv = "mac,ip,name,class,model,note\n001B.A901.0203,10.0.0.7 fd00::8,prn-3,printer,5450,\"a\r\nb\"\n";
        let same = parse(csv).unwrap();
        assert_eq!(list.entries[0], same.entries[0], "line 2 in both");
        assert_eq!(list.entries[0].note.as_deref(), Some("a b"), "the end of a line is a blank");
        assert_eq!(list.report(&[true]).not_seen_first, ["line 12: door"]);
        for (text, line, reason) in [
            ("[[device]]\nmac = \"x\"\n", 2, "not a MAC address"),
            ("[[device]]\nip = \"10.0.0.1\"\nclass = \"toaster\"\n", 3, "there are printer"),
            ("[[device]]\nsite = \"a\"\n", 1, "which device it is"),
            ("[[device]]\nname = \"a\"\nhostname = \"b\"\n", 2, "say the same"),
            ("[[device]]\nmac = { a = 1 }\n", 2, "a table"),
            ("[[device]]\nip = \"10.0.0.1\"\n[[device]]\nip = \"10.0.0.1\"\n", 3, "stands in line 1 already"),
            ("[[device]]\nip = \n", 2, ""),
            ("[[printer]]\n", 1, "printer"),
        ] {
            let errors = Inventory::parse(Path::new("i.toml"), text.as_bytes()).unwrap_err();
            assert!(errors.iter().any(|e| e.line == line && e.reason.contains(reason)), "{text:?}: {errors:?}");
        }
        assert!(Inventory::parse(Path::new("i.toml"), b"").unwrap_err()[0].reason.contains("no [[device]]"));
    }

    #[test]
    fn errors_are_bounded_and_names_may_repeat_where_something_else_tells() {
        let many = format!("mac\n{}", "x\n".repeat(5000));
        assert_eq!(parse(&many).unwrap_err().len(), limits::LIST_ERRORS_MAX + 1);
        assert_eq!(parse("name,ip\nprinter,10.0.0.1\nprinter,10.0.0.2\n").unwrap().len(), 2);
    }

    #[test]
    fn classes_have_other_names() {
        for (alias, class) in ALIASES {
            assert!(super::class(class).is_some(), "{class}");
            assert!(super::class(alias).is_none(), "{alias} is a class itself");
        }
        assert_eq!(class_of("IP Camera"), Ok(Some("camera")));
        assert_eq!(class_of("Access_Point"), Ok(Some("access-point")));
        assert_eq!(class_of("Switches"), Err(class_of("Switches").unwrap_err()));
        assert_eq!(class_of("Printers"), Ok(Some("printer")));
        assert_eq!(class_of("unknown"), Ok(None));
    }
}

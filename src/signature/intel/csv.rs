//! Rows of CSV (RFC 4180): what a row lists, told by the names of the columns where the list has them.
//!
//! ```text
//! # ja3_md5,Firstseen,Lastseen,Listingreason              abuse.ch SSLBL, JA3
//! # Listingdate,SHA1,Listingreason                        abuse.ch SSLBL, certificates
//! # Firstseen,DstIP,DstPort                               abuse.ch SSLBL, addresses
//! "first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"         Feodo Tracker
//! # "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type",...             ThreatFox
//! # id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter      URLhaus
//! # "first_seen_utc","sha256_hash","md5_hash","sha1_hash","reporter",...           MalwareBazaar
//! ```
//! Without names, a row is taken only where one cell alone can be what it lists.

use std::borrow::Cow;
use std::fmt;

use super::key::{Key, Kind};
use crate::base::Addr;

/// Columns that a header may name.
const COLUMNS_MAX: usize = 64;

/// What a column holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// An address or a network, with or without a port.
    Address,
    Domain,
    Fingerprint(Kind),
    /// What [`Columns::sort`] says.
    Typed,
    /// URLs, and hashes of files.
    Other,
}

/// Where the columns stand that are wanted.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    value: (usize, Value),
    sort: Option<usize>,
    port: Option<usize>,
    /// What is said of an entry, what says most first.
    labels: Vec<usize>,
}

/// A name of a column without what it is spelt differently with.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Names of columns that say what an entry is, what says most first.
const LABELS: [&str; 9] = [
    "malwareprintable",
    "malware",
    "fkmalware",
    "listingreason",
    "threat",
    "threattype",
    "description",
    "comment",
    "reason",
];

impl Columns {
    /// The columns that a line names; `None` if it names none that can hold an entry, or several.
    pub(super) fn named(line: &str) -> Option<Self> {
        let cells = split(line).ok().filter(|cells| (2..=COLUMNS_MAX).contains(&cells.len()) && are_names(cells))?;
        let plain: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
        let place = |wanted: &[&str]| plain.iter().position(|name| wanted.contains(&name.as_str()));
        let listing = place(&["listingreason", "listingdate"]).is_some();
        let holds = |name: &str| match name {
            "dstip" | "ip" | "ipaddress" | "ipport" | "network" | "cidr" => Some(Value::Address),
            "domain" | "hostname" | "fqdn" => Some(Value::Domain),
            "ja3md5" | "ja3" | "ja3hash" | "ja3fingerprint" => Some(Value::Fingerprint(Kind::Ja3)),
            "ja4" | "ja4fingerprint" => Some(Value::Fingerprint(Kind::Ja4)),
            "hassh" | "hasshmd5" | "hasshserver" => Some(Value::Fingerprint(Kind::Hassh)),
            "sha1" if listing => Some(Value::Fingerprint(Kind::Sha1)),
            "iocvalue" => Some(Value::Typed),
            "url" | "sha256hash" | "md5hash" | "sha1hash" => Some(Value::Other),
            _ => None,
        };
        let mut values = plain.iter().enumerate().filter_map(|(at, name)| Some((at, holds(name)?)));
        let value = values.next()?;
        if values.any(|(_, other)| other != Value::Other || value.1 != Value::Other) {
            return None;
        }
        let sort = place(&["ioctype"]);
        if value.1 == Value::Typed && sort.is_none() {
            return None;
        }
        let port = place(&["dstport", "port"]).filter(|_| value.1 == Value::Address);
        let labels = LABELS.iter().filter_map(|name| place(&[name])).collect();
        let names = cells.into_iter().map(Cow::into_owned).collect();
        Some(Self { names, value, sort, port, labels })
    }
}

/// Whether cells look like names of columns: words that begin with a letter.
pub(super) fn are_names(cells: &[Cow<'_, str>]) -> bool {
    cells.iter().all(|cell| {
        cell.starts_with(|c: char| c.is_ascii_alphabetic())
            && cell.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ' | '(' | ')'))
    })
}

/// What a row lists.
#[derive(Debug)]
pub(super) enum Row<'l> {
    /// An entry, and what is said of it.
    Entry(Box<Key>, Cow<'l, str>),
    /// Something that is not matched.
    Other,
}

/// Why a row is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal<'c> {
    /// The row as a whole cannot be read.
    Row(&'static str),
    /// It has so many cells, but there are so many columns.
    Cells(usize, usize),
    /// A cell, counted from 1, with the name of its column where that is known.
    Cell(usize, Option<&'c str>, &'static str),
    /// Either of two cells may be what is listed.
    Ambiguous(usize, usize),
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(reason) => f.write_str(reason),
            Self::Cells(found, named) => write!(f, "{found} cells where {named} columns are named"),
            Self::Cell(n, Some(name), reason) => write!(f, "column {n} ({name}): {reason}"),
            Self::Cell(n, None, reason) => write!(f, "column {n}: {reason}"),
            Self::Ambiguous(a, b) => {
                write!(f, "columns {a} and {b} may each be the entry; a line with the names of columns would tell")
            }
        }
    }
}

/// Cuts a row at its commas, except those in quotes. Space around cells is left out, also where it stands
/// before a quote, which RFC 4180 does not have and abuse.ch does.
///
/// # Errors
/// Why it is no row.
pub(super) fn split(line: &str) -> Result<Vec<Cow<'_, str>>, &'static str> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (cell, behind) = match rest.strip_prefix('"') {
            Some(quoted) => text(quoted)?,
            None => {
                let end = memchr::memchr(b',', rest.as_bytes()).unwrap_or(rest.len());
                let (cell, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                (Cow::Borrowed(cell.trim_end()), behind)
            }
        };
        cells.push(cell);
        match behind.trim_start().strip_prefix(',') {
            Some(behind) => rest = behind,
            None if behind.trim_start().is_empty() => return Ok(cells),
            None => return Err("text behind a closing quote"),
        }
    }
}

/// A cell behind its opening quote, and what stands behind the closing one; two quotes are one of the text.
fn text(quoted: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let mut from = 0;
    let mut doubled = false;
    loop {
        let rest = quoted.get(from..).unwrap_or_default();
        let end = from + memchr::memchr(b'"', rest.as_bytes()).ok_or("a quote that is not closed")?;
        let behind = quoted.get(end + 1..).unwrap_or_default();
        if behind.starts_with('"') {
            doubled = true;
            from = end + 2;
            continue;
        }
        let cell = quoted.get(..end).unwrap_or_default().trim();
        return Ok((if doubled { cell.replace("\"\"", "\"").into() } else { cell.into() }, behind));
    }
}

/// Reads a row. `md5` says what 32 hex digits are where no column does.
///
/// # Errors
/// Why it is passed over.
pub(super) fn row<'l, 'c>(line: &'l str, columns: Option<&'c Columns>, md5: Kind) -> Result<Row<'l>, Refusal<'c>> {
    let cells = split(line).map_err(Refusal::Row)?;
    match columns {
        Some(columns) => columns.row(&cells),
        None => nameless(&cells, md5),
    }
}

impl Columns {
    fn row<'l>(&self, cells: &[Cow<'l, str>]) -> Result<Row<'l>, Refusal<'_>> {
        // A comma too many or too few moves the cells, and none is what its column says.
        let empty = cells.iter().rev().take_while(|cell| cell.is_empty()).count();
        if cells.len() < self.names.len() || cells.len() - empty > self.names.len() {
            return Err(Refusal::Cells(cells.len(), self.names.len()));
        }
        let cell = |at: usize| cells.get(at).map_or("", |cell| &**cell);
        let wrong = |at: usize, reason| Refusal::Cell(at + 1, self.names.get(at).map(String::as_str), reason);
        let (at, value) = self.value;
        let value = match value {
            Value::Typed => match self.sort.map(cell).unwrap_or_default() {
                "ip:port" | "ip" => Value::Address,
                "domain" => Value::Domain,
                // A URL says nothing of other pages of its host, which may be that of many.
                _ => Value::Other,
            },
            known => known,
        };
        let key = match value {
            Value::Address => Key::parse_address(cell(at)),
            Value::Domain => Key::parse_domain(cell(at)),
            Value::Fingerprint(kind) => Key::parse_fingerprint(kind, cell(at)),
            Value::Typed | Value::Other => return Ok(Row::Other),
        };
        let mut key = key.map_err(|reason| wrong(at, reason))?;
        if let Some(at) = self.port.filter(|at| !cell(*at).is_empty()) {
            key = with_port(&key, cell(at)).ok_or_else(|| wrong(at, "not a port"))?;
        }
        let said = |at: &&usize| !matches!(cell(**at), "" | "None" | "null");
        let label = self.labels.iter().find(said).and_then(|at| cells.get(*at)).cloned().unwrap_or_default();
        Ok(Row::Entry(Box::new(key), label))
    }
}

/// An address together with the port that stands beside it; a network is on all ports.
fn with_port(key: &Key, port: &str) -> Option<Key> {
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let ip = key.bytes().first_chunk().filter(|_| key.kind == Kind::Address);
    Some(ip.map_or(*key, |ip| Key::endpoint(Addr(*ip), port)))
}

/// A row without names of columns: the one cell that can be what it lists. What looks like a domain may be
/// the name of some malware, or say where the row comes from, and counts only where nothing else does.
fn nameless<'l, 'c>(cells: &[Cow<'l, str>], md5: Kind) -> Result<Row<'l>, Refusal<'c>> {
    if let Some(row) = typed(cells) {
        return Ok(row);
    }
    let mut found: Option<(usize, Option<Key>)> = None;
    for (at, cell) in cells.iter().enumerate() {
        let candidate = match Key::parse(cell, md5) {
            Ok(key) => Some(key),
            Err(_) if cell.contains("://") => None,
            Err(_) => continue,
        };
        let weak = |key: &Option<Key>| key.as_ref().is_none_or(|key| key.kind == Kind::Domain);
        match &found {
            None => found = Some((at, candidate)),
            // A URL is what is listed, whatever stands behind it.
            Some((_, None)) => {}
            Some((_, known)) if !weak(known) && weak(&candidate) => {}
            Some((first, _)) => return Err(Refusal::Ambiguous(first + 1, at + 1)),
        }
    }
    let Some((at, key)) = found else {
        // The reason of the first cell that is near to something.
        let near = |(at, cell): (usize, &Cow<'_, str>)| Some(Refusal::Cell(at + 1, None, Key::nearly(cell)?));
        let near = cells.iter().enumerate().find_map(near);
        return Err(near.unwrap_or(Refusal::Row("no cell is an address, network, domain or fingerprint")));
    };
    let Some(mut key) = key else { return Ok(Row::Other) };
    if let Some(next) = cells.get(at + 1) {
        key = with_port(&key, next).unwrap_or(key);
    }
    // What says most stands last: the reason of the listing, the name of the malware.
    let wordy = |cell: &&Cow<'_, str>| cell.contains(|c: char| c.is_alphabetic()) && !cell.contains("://");
    let label = cells.get(at + 1..).unwrap_or_default().iter().rev().find(wordy).cloned().unwrap_or_default();
    Ok(Row::Entry(Box::new(key), label))
}

/// A row without names of columns in which a cell says what the one before it is, as ThreatFox has it:
/// value, sort, threat, malware, its aliases, its name in full.
fn typed<'l>(cells: &[Cow<'l, str>]) -> Option<Row<'l>> {
    const NAME: usize = 4;
    cells.iter().enumerate().find_map(|(at, sort)| {
        let value = cells.get(at.checked_sub(1)?)?;
        let key = match &**sort {
            "ip:port" => Key::parse_address(value),
            "domain" => Key::parse_domain(value),
            "url" if value.contains("://") => return Some(Row::Other),
            "md5_hash" | "sha1_hash" | "sha256_hash" | "sha3_384_hash" => return Some(Row::Other),
            _ => return None,
        };
        let label = cells.get(at + NAME).cloned().unwrap_or_default();
        Some(Row::Entry(Box::new(key.ok()?), label))
    })
}

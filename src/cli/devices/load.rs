//! The tables of an output, as far as they are about devices.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::path::Path;

use crate::base::{Addr, Mac, Timestamp};
use crate::detect::findings::FINDINGS;
use crate::device::contacts::{DEVICE_PEERS, DEVICE_SERVICES};
use crate::device::rows::DEVICES;
use crate::record::clean;
use crate::signature::devices::UNKNOWN;
use crate::sink::{Cell, SinkError, read_table};

/// Severities, the worst first, as the columns of the devices name them.
pub const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// A device. Nothing in its texts drives a terminal.
#[derive(Debug, Clone, Default)]
pub struct Device {
    pub id: String,
    pub mac: Option<String>,
    /// Its other MAC addresses.
    pub other_macs: Vec<String>,
    pub ips: Vec<String>,
    pub names: Vec<String>,
    pub vendor: Option<String>,
    pub class: String,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub os: Option<String>,
    pub confidence: f64,
    pub claims: Vec<String>,
    pub conflicts: Vec<String>,
    pub first: Timestamp,
    pub last: Timestamp,
    /// By severity, the worst first.
    pub findings: [i64; 5],
    pub capture: Option<String>,
    pub roles: Vec<String>,
    pub site: Option<String>,
    pub owner: Option<String>,
    pub note: Option<String>,
    /// First and last time of each address.
    pub spans: Vec<Times>,
}

/// First and last time.
pub type Times = (Timestamp, Timestamp);

impl Device {
    /// Whether a MAC address is one of its.
    pub fn has_mac(&self, mac: Mac) -> bool {
        self.mac.iter().chain(&self.other_macs).any(|own| own.parse::<Mac>().is_ok_and(|own| own == mac))
    }

    /// Adds another row of the same device. Of what it was taken for, what is surer stays.
    fn join(&mut self, mut other: Self) {
        if other.sure() > self.sure() {
            for (own, its) in [
                (&mut self.vendor, &mut other.vendor),
                (&mut self.model, &mut other.model),
                (&mut self.firmware, &mut other.firmware),
                (&mut self.os, &mut other.os),
            ] {
                std::mem::swap(own, its);
            }
            self.class = other.class;
            self.confidence = other.confidence;
        }
        for (own, its) in [
            (&mut self.vendor, other.vendor),
            (&mut self.model, other.model),
            (&mut self.firmware, other.firmware),
            (&mut self.os, other.os),
            (&mut self.site, other.site),
            (&mut self.owner, other.owner),
            (&mut self.note, other.note),
        ] {
            *own = own.take().or(its);
        }
        let mut addresses: BTreeMap<(Option<Addr>, String), Option<Times>> = BTreeMap::new();
        for (ips, spans) in [(&self.ips, &self.spans), (&other.ips, &other.spans)] {
            for (n, ip) in ips.iter().enumerate() {
                let span = spans.get(n).copied();
                let known = addresses.entry((ip.parse().ok(), ip.clone())).or_insert(span);
                *known = known.iter().chain(&span).copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            }
        }
        self.spans = addresses.values().copied().map_while(|span| span).collect();
        self.ips = addresses.into_keys().map(|(_, ip)| ip).collect();
        for (own, its) in [
            (&mut self.names, other.names),
            (&mut self.other_macs, other.other_macs),
            (&mut self.roles, other.roles),
            (&mut self.claims, other.claims),
            (&mut self.conflicts, other.conflicts),
        ] {
            add(own, its);
        }
        self.names.sort_unstable();
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        for (sum, n) in self.findings.iter_mut().zip(other.findings) {
            *sum += n;
        }
    }

    /// How sure the class is; zero where there is none, whatever the best guess would have.
    pub fn sure(&self) -> f64 {
        if self.class == UNKNOWN { 0.0 } else { self.confidence }
    }
}

/// A service that a device offers or uses.
#[derive(Debug, Clone)]
pub struct Service {
    pub ip: String,
    pub is_server: bool,
    pub protocol: String,
    pub port: i64,
    pub service: Option<String>,
    pub from_payload: bool,
    pub inner: Option<String>,
    pub banner: Option<String>,
    pub first: Timestamp,
    pub last: Timestamp,
    pub flows: i64,
    pub answered: i64,
    pub encrypted: i64,
    pub decrypted: i64,
    pub peers: i64,
}

/// An address that a device talked to.
#[derive(Debug, Clone)]
pub struct Peer {
    pub device: Option<String>,
    pub ip: String,
    pub name: Option<String>,
    pub scope: String,
    pub role: String,
    pub services: Vec<String>,
    pub flows: i64,
    pub answered: i64,
    pub sent: i64,
    pub received: i64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// A finding about a device.
#[derive(Debug, Clone)]
pub struct Finding {
    pub id: String,
    pub rule: String,
    pub severity: String,
    pub title: String,
    pub peer: Option<String>,
    pub evidence: String,
    pub count: i64,
    pub suppressed: Option<String>,
}

/// Reads cells one after the other.
struct Cells<'a>(std::slice::Iter<'a, Cell>);

impl Cells<'_> {
    fn opt(&mut self) -> Option<String> {
        self.0.next().and_then(Cell::text).map(clean)
    }

    fn text(&mut self) -> String {
        self.opt().unwrap_or_default()
    }

    fn texts(&mut self) -> Vec<String> {
        self.0.next().map(Cell::texts).unwrap_or_default().iter().map(|text| clean(text)).collect()
    }

    fn int(&mut self) -> i64 {
        self.0.next().and_then(Cell::int).unwrap_or_default()
    }

    fn time(&mut self) -> Timestamp {
        self.0.next().and_then(Cell::time).unwrap_or_default()
    }

    fn times(&mut self) -> Vec<Timestamp> {
        let all = self.0.next().map(Cell::ints).unwrap_or_default();
        all.iter().map(|micros| Timestamp(micros.saturating_mul(1000))).collect()
    }
}

/// All devices. `claims` says whether the evidence is wanted, which is most of the table.
///
/// # Errors
/// If the table cannot be read.
pub fn devices(out: &Path, claims: bool) -> Result<Vec<Device>, SinkError> {
    const COLUMNS: [&str; 26] = [
        "device_id",
        "mac",
        "ips",
        "hostnames",
        "vendor",
        "class",
        "model",
        "firmware",
        "os",
        "confidence",
        "conflicts",
        "first_seen",
        "last_seen",
        "findings_critical",
        "findings_high",
        "findings_medium",
        "findings_low",
        "findings_info",
        "capture",
        "roles",
        "site",
        "owner",
        "note",
        "ips_first_seen",
        "ips_last_seen",
        "other_macs",
    ];
    let columns: Vec<&str> = COLUMNS.iter().copied().chain(claims.then_some("claims")).collect();
    let mut devices = Vec::new();
    read_table(out, &DEVICES, &columns, &mut |cells| {
        let mut c = Cells(cells.iter());
        devices.push(Device {
            id: c.text(),
            mac: c.opt(),
            ips: c.texts(),
            names: c.texts(),
            vendor: c.opt(),
            class: c.text(),
            model: c.opt(),
            firmware: c.opt(),
            os: c.opt(),
            confidence: c.0.next().and_then(Cell::float).unwrap_or_default(),
            conflicts: c.texts(),
            first: c.time(),
            last: c.time(),
            findings: std::array::from_fn(|_| c.int()),
            capture: c.opt(),
            roles: c.texts(),
            site: c.opt(),
            owner: c.opt(),
            note: c.opt(),
            spans: c.times().into_iter().zip(c.times()).collect(),
            other_macs: c.texts(),
            claims: c.texts(),
        });
    })?;
    Ok(once(devices))
}

/// Each device once: one that came again after its row had been written has a row for each time.
fn once(rows: Vec<Device>) -> Vec<Device> {
    let mut at: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    let mut all: Vec<Device> = Vec::with_capacity(rows.len());
    for row in rows {
        match at.entry(row.id.clone()) {
            Entry::Occupied(known) => {
                if let Some(device) = all.get_mut(*known.get()) {
                    device.join(row);
                }
            }
            Entry::Vacant(new) => {
                new.insert(all.len());
                all.push(row);
            }
        }
    }
    all
}

/// Adds what is not there yet.
fn add(to: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !to.contains(&text) {
            to.push(text);
        }
    }
}

/// Services of a device.
///
/// # Errors
/// If the table cannot be read.
pub fn services(out: &Path, id: &str) -> Result<Vec<Service>, SinkError> {
    let columns = [
        "device_id",
        "device_ip",
        "role",
        "protocol",
        "port",
        "service",
        "service_source",
        "inner_service",
        "banner",
        "first_seen",
        "last_seen",
        "flows",
        "answered_flows",
        "encrypted_flows",
        "decrypted_flows",
        "peers",
    ];
    let mut services = Vec::new();
    read_table(out, &DEVICE_SERVICES, &columns, &mut |cells| {
        let mut c = Cells(cells.iter());
        if !is_of(&mut c, id) {
            return;
        }
        services.push(Service {
            ip: c.text(),
            is_server: c.text() == "server",
            protocol: c.text(),
            port: c.int(),
            service: c.opt(),
            from_payload: c.text() == "payload",
            inner: c.opt(),
            banner: c.opt(),
            first: c.time(),
            last: c.time(),
            flows: c.int(),
            answered: c.int(),
            encrypted: c.int(),
            decrypted: c.int(),
            peers: c.int(),
        });
    })?;
    services.sort_by(|a, b| (&a.protocol, a.port, &a.ip).cmp(&(&b.protocol, b.port, &b.ip)));
    Ok(services)
}

/// Peers of a device, those with the most flows first.
///
/// # Errors
/// If the table cannot be read.
pub fn peers(out: &Path, id: &str) -> Result<Vec<Peer>, SinkError> {
    let columns = [
        "device_id",
        "peer_device_id",
        "peer_ip",
        "peer_name",
        "peer_scope",
        "role",
        "services",
        "flows",
        "answered_flows",
        "bytes_sent",
        "bytes_received",
        "first_seen",
        "last_seen",
    ];
    let mut peers = Vec::new();
    read_table(out, &DEVICE_PEERS, &columns, &mut |cells| {
        let mut c = Cells(cells.iter());
        if !is_of(&mut c, id) {
            return;
        }
        peers.push(Peer {
            device: c.opt(),
            ip: c.text(),
            name: c.opt(),
            scope: c.text(),
            role: c.text(),
            services: c.texts(),
            flows: c.int(),
            answered: c.int(),
            sent: c.int(),
            received: c.int(),
            first: c.time(),
            last: c.time(),
        });
    })?;
    peers.sort_by(|a, b| b.flows.cmp(&a.flows).then_with(|| a.ip.cmp(&b.ip)));
    Ok(peers)
}

/// Findings about a device, the worst first, those that are silenced last.
///
/// # Errors
/// If the table cannot be read.
pub fn findings(out: &Path, id: &str) -> Result<Vec<Finding>, SinkError> {
    let columns =
        ["device_id", "finding_id", "rule_id", "severity", "title", "peer_ip", "evidence", "count", "suppressed"];
    let mut findings = Vec::new();
    read_table(out, &FINDINGS, &columns, &mut |cells| {
        let mut c = Cells(cells.iter());
        if !is_of(&mut c, id) {
            return;
        }
        findings.push(Finding {
            id: c.text(),
            rule: c.text(),
            severity: c.text(),
            title: c.text(),
            peer: c.opt(),
            evidence: c.text(),
            count: c.int(),
            suppressed: c.opt(),
        });
    })?;
    let rank = |f: &Finding| SEVERITIES.iter().position(|s| *s == f.severity);
    findings.sort_by(|a, b| {
        (a.suppressed.is_some(), rank(a), &a.rule, &a.id).cmp(&(b.suppressed.is_some(), rank(b), &b.rule, &b.id))
    });
    Ok(findings)
}

/// Whether the first cell, which is taken, is the identifier.
fn is_of(cells: &mut Cells<'_>, id: &str) -> bool {
    cells.0.next().and_then(Cell::text) == Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_device_are_one_device() {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let row = |ips: &[&str], class: &str, confidence, from: i64| Device {
            id: "00:1b:a9:01:02:03".into(),
            ips: texts(ips),
            class: class.into(),
            confidence,
            first: Timestamp(from),
            last: Timestamp(from + 5),
            spans: ips.iter().map(|_| (Timestamp(from), Timestamp(from + 5))).collect(),
            findings: [0, 1, 0, 0, 2],
            ..Device::default()
        };
        let early = Device { vendor: Some("Brother".into()), ..row(&["10.0.0.20"], "unknown", 0.9, 10) };
        let late = Device { model: Some("HL-5".into()), ..row(&["10.0.0.3", "10.0.0.20"], "printer", 0.8, 90) };
        let other = Device { id: "10.0.0.9".into(), ..Device::default() };
        for order in [vec![early.clone(), other.clone(), late.clone()], vec![late, early, other]] {
            let all = once(order);
            assert_eq!(all.len(), 2);
            let d = &all[0];
            assert_eq!((d.class.as_str(), d.confidence), ("printer", 0.8));
            assert_eq!((d.vendor.as_deref(), d.model.as_deref()), (Some("Brother"), Some("HL-5")));
            assert_eq!(d.ips, ["10.0.0.3", "10.0.0.20"]);
            let spans: Vec<_> = d.spans.iter().map(|s| (s.0.0, s.1.0)).collect();
            assert_eq!(spans, [(90, 95), (10, 95)]);
            assert_eq!((d.first.0, d.last.0, d.findings), (10, 95, [0, 2, 0, 0, 4]));
        }
    }
}

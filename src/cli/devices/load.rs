//! The tables of an output, as far as they are about devices.

use std::path::Path;

use crate::base::{Mac, Timestamp};
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
    pub spans: Vec<(Timestamp, Timestamp)>,
}

impl Device {
    /// Whether a MAC address is one of its.
    pub fn has_mac(&self, mac: Mac) -> bool {
        self.mac.iter().chain(&self.other_macs).any(|own| own.parse::<Mac>().is_ok_and(|own| own == mac))
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
    Ok(devices)
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

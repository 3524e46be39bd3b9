//! The one place where everything meets: rows, flows, findings, devices and names of all shards,
//! chunk after chunk, always in the same order.

use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

mod last;

use super::app::{EndedFlow, ServiceSource};
use super::chunk::{Chunk, Seen};
use super::contacts;
use super::output::ShardOutput;
use super::tables;
pub use super::totals::Totals;
use super::writer::{EncodeJob, SpareBuffers};
use crate::base::{counters::Counters, limits::Room};
use crate::detect::NameMap;
use crate::detect::asking::AskingServers;
use crate::detect::certificates::keys::CertificateKeys;
use crate::detect::findings::FINDINGS;
use crate::detect::guessing::GuessingJudge;
use crate::detect::intel::Crowd;
use crate::detect::outdated::{self, Outdated};
use crate::detect::shared::SharedSecrets;
use crate::detect::{EgressFlow, EgressJudge, Findings, Party};
use crate::device::rows::DEVICES;
use crate::device::software::DEVICE_SOFTWARE;
use crate::device::{DeviceTable, Inventory, Links};
use crate::flow::record::protocol_name;
use crate::flow::{ConnState, FlowRecord, community_id::community_id, key::protocol};
use crate::policy::suppress::Tally;
use crate::policy::{Expect, HomeNet, Suppress};
use crate::record::{RowBuffer, RowWriter, Table};
use crate::signature::RuleSet;

/// Full row groups' worth of rows that may wait in all tables together.
const BUFFERED_GROUPS: usize = 4;
/// Bytes of rows of a table from which room is made for a whole row group.
const ROOM_FROM: usize = 2 << 20;

/// What the collector learnt of one interface of one capture.
#[derive(Debug, Clone, Default)]
pub struct InterfaceStats {
    /// What happened to its packets.
    pub counters: Counters,
    /// Times and link type.
    pub seen: Seen,
}

/// Merges what the shards give.
pub struct Collector {
    home: HomeNet,
    names: NameMap,
    /// Devices.
    pub devices: DeviceTable,
    links: Links,
    lists_cut: u64,
    /// Findings of each device, and the first device whose row is not written yet.
    device_rows: (HashMap<String, [u64; 5]>, Option<usize>),
    /// Threads that may work on the end.
    threads: usize,
    contacts_gone: u64,
    /// Findings.
    pub findings: Findings,
    egress: EgressJudge,
    crowd: Crowd,
    asking: AskingServers,
    guessing: GuessingJudge,
    shared: SharedSecrets,
    outdated: Outdated,
    certificates: CertificateKeys,
    expect: Option<Expect>,
    suppress: Option<Arc<Suppress>>,
    /// Number of the first text of the rules among the names of the run.
    texts: u32,
    /// What became of the entries of the list of accepted findings, once concluded.
    pub tally: Tally,
    /// Rows of software that had no room.
    software_dropped: u64,
    /// Names in the order in which they came: the second key of their times.
    name_order: u64,
    buffers: Vec<RowBuffer>,
    group_bytes: usize,
    group_rows: usize,
    spare: Arc<SpareBuffers>,
    /// Statistics by capture and interface.
    pub stats: BTreeMap<(u32, u16), InterfaceStats>,
    /// Sums over all flows.
    pub totals: Totals,
}

impl Collector {
    /// An empty collector. A row group is handed on when it has `group_rows` rows or `group_bytes`
    /// bytes.
    ///
    /// `network` numbers the network where every capture is one of its own.
    pub fn new(
        home: HomeNet,
        expect: Option<Expect>,
        network: Option<u32>,
        room: Room,
        group_rows: usize,
        group_bytes: usize,
        spare: Arc<SpareBuffers>,
    ) -> Self {
        Self {
            egress: EgressJudge::within(room),
            crowd: Crowd::within(room),
            asking: AskingServers::default(),
            guessing: GuessingJudge::default(),
            shared: SharedSecrets::default(),
            outdated: Outdated::within(room),
            certificates: CertificateKeys::within(room),
            expect,
            suppress: None,
            texts: 0,
            tally: Tally::default(),
            home,
            names: NameMap::within(room),
            software_dropped: 0,
            name_order: 0,
            devices: DeviceTable::new(network).within(room),
            links: Links::within(room),
            lists_cut: 0,
            device_rows: (HashMap::new(), None),
            threads: 1,
            contacts_gone: 0,
            findings: Findings::new(network.map_or(0, |n| u64::from(n) + 1), None).within(room),
            buffers: (0..tables::ALL.len()).map(|_| RowBuffer::default()).collect(),
            group_bytes,
            group_rows,
            spare,
            stats: BTreeMap::new(),
            totals: Totals::default(),
        }
    }

    /// With the user's rules and list of accepted findings, before anything is merged. `texts` is the number of the
    /// first text of the rules among the names of the run.
    pub fn judged_by(mut self, rules: Option<Arc<RuleSet>>, suppress: Option<Arc<Suppress>>, texts: u32) -> Self {
        self.findings = self.findings.with_rules(rules);
        self.texts = texts;
        self.suppress = suppress;
        self
    }

    /// With what the user says of his devices.
    pub fn knowing(mut self, inventory: Option<Arc<Inventory>>) -> Self {
        self.devices = self.devices.with_inventory(inventory);
        self
    }

    /// Merges a chunk that all shards are done with. Full row groups are handed to `jobs`.
    pub fn merge(&mut self, chunk: &Chunk, jobs: &mut Vec<EncodeJob>) {
        let capture = chunk.batch.capture;
        self.merge_decoded(capture, &chunk.counters, &chunk.seen);
        let mut outputs: Vec<_> =
            chunk.outputs.iter().map(|o| o.lock().unwrap_or_else(std::sync::PoisonError::into_inner)).collect();
        let mut outputs: Vec<&mut ShardOutput> = outputs.iter_mut().map(|o| &mut **o).collect();
        self.merge_outputs(capture, &mut outputs);
        self.hand_over(false, jobs);
    }

    /// Merges what decoding counted and saw of each interface of a capture.
    pub fn merge_decoded(&mut self, capture: u32, counters: &[Counters], seen: &[Seen]) {
        for (interface, counters) in counters.iter().enumerate() {
            self.stats_of(capture, interface).counters.add(counters);
        }
        for (interface, seen) in seen.iter().enumerate() {
            if seen.first.is_none() {
                continue;
            }
            let all = &mut self.stats_of(capture, interface).seen;
            all.first = all.first.into_iter().chain(seen.first).min();
            all.last = all.last.max(seen.last);
            all.link = seen.link;
        }
    }

    /// Merges what all shards made of one stretch of time.
    pub fn merge_outputs(&mut self, capture: u32, outputs: &mut [&mut ShardOutput]) {
        // Names first: a flow that ends in this stretch began after some of them.
        for output in outputs.iter_mut() {
            for name in output.names.drain(..) {
                self.names.insert(name.host, name.addr, &name.name, name.ts, self.name_order);
                self.name_order += 1;
                self.egress.dns_answer(name.host, name.ts);
            }
        }
        for output in outputs.iter_mut() {
            self.merge_output(capture, output);
        }
    }

    /// Makes room among the devices.
    fn spill_devices(&mut self, capture: u32) {
        let before = self.devices.rows_written();
        let Self { devices, findings, buffers, .. } = self;
        let mut software = RowBuffer::default();
        if let Some(rows) = tables::position(&DEVICES).and_then(|at| buffers.get_mut(at)) {
            self.software_dropped += devices.spill(rows, &mut software, |devices| findings.by_device(devices));
        }
        put(buffers, &DEVICE_SOFTWARE, software);
        let written = self.devices.rows_written() - before;
        self.stats_of(capture, 0).counters.devices_written += written;
    }

    fn stats_of(&mut self, capture: u32, interface: usize) -> &mut InterfaceStats {
        self.stats.entry((capture, u16::try_from(interface).unwrap_or(u16::MAX))).or_default()
    }

    fn merge_output(&mut self, capture: u32, output: &mut ShardOutput) {
        for (interface, counters) in output.all_counters().iter().enumerate() {
            self.stats_of(capture, interface).counters.add(counters);
        }
        for (mine, theirs) in self.buffers.iter_mut().zip(&output.rows) {
            if !theirs.is_empty() {
                if mine.size() > ROOM_FROM && mine.capacity() < self.group_bytes {
                    mine.reserve(self.group_bytes + ROOM_FROM, self.group_rows + self.group_rows / 8);
                }
                mine.append(theirs);
            }
        }
        for resolver in output.resolvers.drain(..) {
            self.egress.assigned_resolver(resolver);
        }
        let mut whom = None;
        for claim in output.claims.drain(..) {
            let next = Some((claim.mac, Some(claim.ip).filter(|_| claim.mac.is_zero())));
            // Between the claims about two devices and nowhere else: how many stretches without claims there
            // are depends on the threads.
            if whom != next && self.devices.is_full() {
                self.spill_devices(capture);
            }
            whom = next;
            self.devices.observe(&claim);
        }
        for banner in output.banners.drain(..) {
            self.links.banner(banner);
        }
        for sighting in output.sightings.drain(..) {
            match sighting.rule {
                outdated::RULE => self.outdated.wait(sighting),
                _ => self.findings.add(self.crowd.settle(sighting)),
            }
        }
        std::mem::take(&mut output.asking).into_iter().for_each(|server| self.asking.asks(server));
        for login in output.unproven.drain(..) {
            self.asking.wait(login, &mut |sighting| self.findings.add(sighting));
        }
        for attempt in output.attempts.drain(..) {
            self.guessing.attempt(&attempt);
            self.shared.attempt(&self.home, &attempt);
        }
        for shown in output.certificates.drain(..) {
            self.certificates.shown(&self.home, &shown);
        }
        for flow in output.flows.drain(..) {
            self.flow(&flow);
        }
    }

    /// Completes a flow with what only the whole knows and writes its row.
    fn flow(&mut self, flow: &EndedFlow) {
        let r = &flow.record;
        // The capture that the flow began in, which may be long over when the flow ends.
        self.stats_of(r.capture, 0).counters.missed_bytes += r.missed_bytes;
        let direction = self.home.direction(r.orig_ip, r.resp_ip);
        let looked_up = self.names.lookup(r.orig_ip, r.resp_ip, r.ts_start);
        let (server_name, source) = match (&flow.server_name, looked_up) {
            (Some(name), _) => (Some(name.name.as_str()), Some(name.source)),
            (None, Some(name)) => (Some(name), Some("dns")),
            (None, None) => (None, None),
        };
        self.totals.flows += 1;
        let service = self.totals.services.entry(flow.service.unwrap_or("unknown")).or_default();
        service.0 += 1;
        service.1 += r.orig.bytes + r.resp.bytes;
        if r.protocol == protocol::TCP {
            let way = self.totals.one_way.entry(r.capture).or_default();
            way.0 += 1;
            way.1 += u64::from((r.orig.packets == 0) != (r.resp.packets == 0) && r.orig.packets + r.resp.packets > 2);
            let loss = self.totals.loss.entry(r.capture).or_default();
            loss.0 += r.missed_bytes;
            loss.1 += r.orig.bytes + r.resp.bytes;
        }
        if let Some(rows) = self.buffers.first_mut() {
            let mut row = rows.row(r.ts_start, r.first_packet);
            write_flow(&mut row, flow, direction, server_name, source);
        }
        if let Some(link) = contacts::link(&self.home, flow, server_name) {
            self.links.add(&link);
        }
        let party = |ip, mac| Party { ip, mac };
        let ended = EgressFlow {
            flow_id: r.id,
            capture: r.capture,
            packet: r.first_packet,
            ts: r.ts_start,
            orig: party(r.orig_ip, r.orig.mac),
            resp: party(r.resp_ip, r.resp.mac),
            port: r.resp_port,
            proto: r.protocol,
            service: flow.service,
            service_from_payload: flow.service_source == ServiceSource::Payload,
            upgraded: flow.upgraded,
            handshake: r.protocol != protocol::TCP || r.rtt_us.is_some(),
            attempt: r.protocol == protocol::TCP && matches!(r.conn_state, ConnState::S0 | ConnState::Rej),
            orig_pkts: r.orig.packets,
            resp_pkts: r.resp.packets,
            orig_bytes: r.orig.bytes,
            resp_bytes: r.resp.bytes,
            server_name,
            looked_up: looked_up.is_some(),
        };
        let Self { egress, findings, home, expect, .. } = self;
        egress.flow(home, expect.as_ref(), &ended, &mut |sighting| findings.add(sighting));
    }

    /// Hands on row groups that are full, or all of them at the end.
    pub fn hand_over(&mut self, all: bool, jobs: &mut Vec<EncodeJob>) {
        for (table, buffer) in self.buffers.iter_mut().enumerate() {
            let full = buffer.len() >= self.group_rows || buffer.size() >= self.group_bytes;
            if full || (all && !buffer.is_empty()) {
                let empty = if full { self.spare.take() } else { RowBuffer::default() };
                jobs.push(EncodeJob::new(table, std::mem::replace(buffer, empty)));
            }
        }
        if !all && self.buffers.iter().map(RowBuffer::size).sum::<usize>() > BUFFERED_GROUPS * self.group_bytes {
            self.hand_over_largest(jobs);
        }
    }

    /// Many tables that fill at once must not take more than a few full row groups: the largest become
    /// row groups before they are full.
    fn hand_over_largest(&mut self, jobs: &mut Vec<EncodeJob>) {
        let mut by_size: Vec<_> = self.buffers.iter().enumerate().map(|(table, b)| (b.size(), table)).collect();
        by_size.sort_unstable_by_key(|(size, table)| (std::cmp::Reverse(*size), *table));
        let mut left: usize = by_size.iter().map(|(size, _)| size).sum();
        for (size, table) in by_size {
            if left <= BUFFERED_GROUPS * self.group_bytes / 2 {
                break;
            }
            if let Some(buffer) = self.buffers.get_mut(table) {
                jobs.push(EncodeJob::new(table, std::mem::take(buffer)));
                left -= size;
            }
        }
    }

    /// The rows of a table that the caller fills at the end.
    pub fn rows_mut(&mut self, table: &'static Table) -> Option<&mut RowBuffer> {
        self.buffers.get_mut(tables::position(table)?)
    }

    /// What the limits of names, devices and findings dropped.
    pub fn dropped(&mut self) -> Counters {
        Counters {
            names_dropped: self.names.take_dropped(),
            claims_dropped: self.devices.take_dropped()
                + self.egress.take_dropped()
                + self.asking.take_dropped()
                + self.guessing.take_dropped()
                + self.shared.take_dropped()
                + self.outdated.take_dropped()
                + std::mem::take(&mut self.software_dropped)
                + self.certificates.take_dropped(),
            findings_limited: self.findings.limited(),
            contacts_dropped: self.links.take_dropped(),
            contacts_unassigned: std::mem::take(&mut self.contacts_gone),
            values_cut: std::mem::take(&mut self.lists_cut),
            ..Counters::default()
        }
    }

    /// The finding rows, once they are written and before they are handed over.
    pub fn finding_rows(&self) -> Option<&RowBuffer> {
        self.buffers.get(tables::position(&FINDINGS)?)
    }
}

/// Appends rows to those of a table.
fn put(buffers: &mut [RowBuffer], table: &'static Table, rows: RowBuffer) {
    match tables::position(table).and_then(|at| buffers.get_mut(at)) {
        Some(all) if all.is_empty() => *all = rows,
        Some(all) => all.append(&rows),
        None => {}
    }
}

/// Writes the row of a flow, in the order of [`tables::FLOWS`].
fn write_flow(
    row: &mut RowWriter<'_>,
    flow: &EndedFlow,
    direction: &str,
    server_name: Option<&str>,
    source: Option<&str>,
) {
    let r: &FlowRecord = &flow.record;
    let id = community_id(0, r.orig_ip, r.resp_ip, r.orig_port, r.resp_port, r.protocol, r.ip_version);
    let number;
    let proto = match protocol_name(r.protocol) {
        Some(name) => name,
        None => {
            number = r.protocol.to_string();
            &number
        }
    };
    row.int(r.id)
        .text(std::str::from_utf8(&id).unwrap_or_default())
        .name(r.capture)
        .time(r.ts_start)
        .time(r.ts_end)
        .int(r.ts_start.nanos())
        .int(r.ts_end.since(r.ts_start) / 1000)
        .int(r.ip_version)
        .text(proto)
        .addr(r.orig_ip)
        .int(r.orig_port)
        .addr(r.resp_ip)
        .int(r.resp_port)
        .mac(r.orig.mac)
        .mac(r.resp.mac)
        .ints(r.vlans.ids())
        .nonempty(&r.tunnels.text())
        .opt_text(flow.service)
        .opt_text(match flow.service_source {
            ServiceSource::Unknown => None,
            ServiceSource::Payload => Some("payload"),
            ServiceSource::Port => Some("port"),
        })
        .count(r.orig.packets)
        .count(r.resp.packets)
        .count(r.orig.bytes)
        .count(r.resp.bytes)
        .count(r.orig.ip_bytes)
        .count(r.resp.ip_bytes)
        .text(r.conn_state.code())
        .text(r.history.text());
    if r.protocol == protocol::TCP {
        row.count(r.missed_bytes).count(r.retransmitted);
    } else {
        row.null().null();
    }
    row.count(r.duplicates)
        .int(i64::from(r.icmp_errors))
        .opt_int(r.rtt_us)
        .text(direction)
        .opt_text(server_name)
        .opt_text(source)
        .text(r.end.name())
        .count(r.first_packet)
        .count(r.last_packet)
        .opt_text(flow.inner_service)
        .opt_text(flow.syns[0].as_deref())
        .opt_text(flow.syns[1].as_deref());
}

//! What only the whole run shows: judged once everything is merged, by all threads.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{Collector, put};
use crate::base::{Timestamp, parallel};
use crate::detect::Party;
use crate::detect::findings::{About, FINDINGS};
use crate::detect::guessing::Attempt;
use crate::detect::quality::{self, Completeness};
use crate::device::Contacts;
use crate::device::contacts::{DEVICE_PEERS, DEVICE_SERVICES};
use crate::device::rows::DEVICES;
use crate::device::software::DEVICE_SOFTWARE;
use crate::pipeline::tables;
use crate::record::RowBuffer;

/// Devices whose rows all threads write at a time: where row groups end must not depend on how many there are.
const DEVICES_AT_ONCE: usize = 2048;

/// Parts of the findings that each thread writes the rows of, so that none waits long for another.
const SHARES: usize = 4;

/// A part of what is written at the end.
#[derive(Debug, Clone, Copy)]
enum Part {
    Services,
    Peers,
    Software,
    ByDevice,
    /// So many of the findings, from the first one on.
    Findings(usize),
}

/// What became of a part besides its rows.
#[derive(Debug, Default)]
struct Besides {
    /// Rows of software that had no room.
    dropped: u64,
    /// Findings of each device.
    by_device: Option<HashMap<String, [u64; 5]>>,
}

impl Collector {
    /// How complete each capture is. `drops` are the packets that the capturing system lost, by
    /// capture.
    fn completeness(&self, drops: &BTreeMap<u32, u64>) -> Vec<Completeness> {
        let mut captures: BTreeMap<u32, Completeness> = BTreeMap::new();
        for ((capture, _), stats) in &self.stats {
            let c = captures.entry(*capture).or_default();
            c.packets += stats.counters.packets;
            c.truncated += stats.counters.truncated;
            c.ts = match stats.seen.first {
                Some(first) if c.ts == Timestamp::default() || first < c.ts => first,
                _ => c.ts,
            };
        }
        for (capture, c) in &mut captures {
            c.capture = *capture;
            c.kernel_drops = drops.get(capture).copied().unwrap_or(0);
            (c.missed_bytes, c.stream_bytes) = self.totals.loss.get(capture).copied().unwrap_or_default();
            (c.tcp_flows, c.one_way_flows) = self.totals.one_way.get(capture).copied().unwrap_or_default();
        }
        captures.into_values().collect()
    }

    /// Judges what only the whole run shows, then writes findings and devices. `drops` are the
    /// packets that the capturing system lost, by capture; so many threads may work on it.
    pub fn conclude(&mut self, drops: &BTreeMap<u32, u64>, threads: usize) {
        for capture in self.completeness(drops) {
            if let Some(sighting) = quality::judge(&capture) {
                self.findings.add(sighting);
            }
        }
        let texts = self.texts;
        let Self {
            egress,
            asking,
            guessing,
            shared,
            outdated,
            certificates,
            findings,
            devices,
            links,
            buffers,
            home,
            ..
        } = self;
        egress.finish(&mut |sighting| findings.add(sighting));
        asking.finish(&mut |sighting| findings.add(sighting));
        guessing.finish(&mut |sighting| findings.add(sighting));
        let sort = || (links.sorted(), certificates.shared_primes(home));
        let ((links, primes), ()) = parallel::join(threads, sort, || devices.settle());
        let contacts = Contacts::of(&links, devices, threads);
        contacts.give_roles(devices);
        let judged = parallel::side_by_side(threads, devices.in_memory(), |places| devices.judged(places));
        devices.take_judged(judged.concat());
        self.lists_cut = contacts.cut();
        self.contacts_gone = contacts.gone();
        let device_of = |a: &Attempt| devices.device_of(a.server.mac, a.server.ip, a.ts).map(str::to_owned);
        shared.finish(device_of, &mut |sighting| findings.add(sighting));
        let device_of = |host: Party, ts| devices.device_of(host.mac, host.ip, ts).map(str::to_owned);
        certificates.finish(home, primes, device_of, &mut |sighting| findings.add(sighting));
        outdated.finish(device_of, &mut |sighting| findings.add(sighting));
        findings.settle();
        if let Some(list) = &self.suppress {
            self.tally = findings.suppress(list, devices);
        }
        let (devices, findings) = (&*devices, &*findings);
        let about = About { devices, classes: devices.classes(), notes: devices.notes() };
        let share = findings.len().div_ceil(threads.max(1) * SHARES).max(1);
        let shares = (0..findings.len()).step_by(share).map(Part::Findings);
        let parts: Vec<_> =
            [Part::Services, Part::Peers, Part::Software, Part::ByDevice].into_iter().chain(shares).collect();
        let make = |at: usize| {
            let (mut rows, mut besides) = (RowBuffer::default(), Besides::default());
            let part = *parts.get(at)?;
            match part {
                Part::Services => contacts.service_rows(devices, &mut rows),
                Part::Peers => contacts.peer_rows(devices, |ip| home.scope(ip), &mut rows),
                Part::Software => besides.dropped = devices.software_rows(&mut rows, |_| true),
                Part::ByDevice => besides.by_device = Some(findings.by_device(devices)),
                Part::Findings(from) => {
                    findings.rows(from..findings.len().min(from + share), texts, &about, home, &mut rows);
                }
            }
            Some((part, rows, besides))
        };
        let mut by_device = HashMap::new();
        let software_dropped = &mut self.software_dropped;
        parallel::in_order(
            threads,
            parts.len(),
            |at| make(at).ok_or(()),
            |(part, rows, besides)| {
                *software_dropped += besides.dropped;
                by_device.extend(besides.by_device.unwrap_or_default());
                match part {
                    Part::Services => put(buffers, &DEVICE_SERVICES, rows),
                    Part::Peers => put(buffers, &DEVICE_PEERS, rows),
                    Part::Software => put(buffers, &DEVICE_SOFTWARE, rows),
                    Part::ByDevice => {}
                    Part::Findings(_) => {
                        // The first part tells how much room all of them take.
                        let room = rows.value_bytes() / rows.len().max(1) * 9 / 8 * findings.len();
                        put(buffers, &FINDINGS, rows);
                        if let Some(rows) = tables::position(&FINDINGS).and_then(|at| buffers.get_mut(at)) {
                            rows.reserve(room, findings.len());
                        }
                    }
                }
                Ok(())
            },
        )
        .unwrap_or_default();
        drop(about);
        for table in [&FINDINGS, &DEVICE_SOFTWARE, &DEVICE_SERVICES, &DEVICE_PEERS] {
            if let Some(rows) = tables::position(table).and_then(|at| buffers.get_mut(at)) {
                rows.sort();
            }
        }
        self.device_rows = (by_device, Some(0));
        self.threads = threads;
        self.more_devices();
    }

    /// Writes rows of devices, as many as a row group has, and says whether there were any left. To be
    /// called after [`Collector::conclude`] and between handing over, until there are none.
    pub fn more_devices(&mut self) -> bool {
        let (by_device, Some(from)) = &self.device_rows else { return false };
        let (devices, mut from) = (&self.devices, *from);
        let Some(rows) = tables::position(&DEVICES).and_then(|at| self.buffers.get_mut(at)) else { return false };
        let bytes = rows.size() + self.group_bytes;
        while from < devices.in_memory() && rows.size() < bytes {
            let step = (devices.in_memory() - from).min(DEVICES_AT_ONCE);
            let parts = parallel::side_by_side(self.threads, step, |places| {
                let mut rows = RowBuffer::default();
                let findings = |id: &str| by_device.get(id).copied().unwrap_or_default();
                devices.rows(from + places.start..from + places.end, &mut rows, findings);
                rows
            });
            parts.iter().for_each(|part| rows.append(part));
            from += step;
        }
        rows.sort();
        self.device_rows.1 = Some(from).filter(|from| *from < devices.in_memory());
        true
    }
}

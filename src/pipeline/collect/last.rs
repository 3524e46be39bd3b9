//! What only the whole run shows: judged once everything is merged, by all threads.

use std::collections::BTreeMap;
use std::convert::Infallible;

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

/// What a part of the end makes besides rows.
enum Made {
    Services(()),
    Peers(()),
    /// Rows that had no room.
    Software(u64),
    ByDevice(HashMap<String, [u64; 5]>),
    Findings(()),
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
        let (primes, contacts) = parallel::join(
            threads,
            || certificates.shared_primes(home),
            || {
                devices.settle();
                let contacts = Contacts::of(links, devices, threads);
                contacts.give_roles(devices);
                let judged = parallel::side_by_side(threads, devices.in_memory(), |places| devices.judged(places));
                devices.take_judged(judged.concat());
                contacts
            },
        );
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
        let share = findings.len().div_ceil(threads * SHARES).max(1);
        let of = |part: usize| part * share..findings.len().min((part + 1) * share);
        let make = |task: usize| {
            let mut rows = RowBuffer::default();
            let made = match task {
                0 => Made::Services(contacts.service_rows(devices, &mut rows)),
                1 => Made::Peers(contacts.peer_rows(devices, |ip| home.scope(ip), &mut rows)),
                2 => Made::Software(devices.software_rows(&mut rows, |_| true)),
                3 => Made::ByDevice(findings.by_device(devices)),
                part => Made::Findings(findings.rows(of(part - 4), texts, &about, home, &mut rows)),
            };
            Ok::<_, Infallible>((made, rows))
        };
        let mut by_device = HashMap::new();
        let all = parallel::in_order(threads, 4 + findings.len().div_ceil(share), make, |(made, rows)| {
            match made {
                Made::Services(()) => put(buffers, &DEVICE_SERVICES, rows),
                Made::Peers(()) => put(buffers, &DEVICE_PEERS, rows),
                Made::Software(dropped) => {
                    self.software_dropped += dropped;
                    put(buffers, &DEVICE_SOFTWARE, rows);
                }
                Made::ByDevice(counts) => by_device = counts,
                Made::Findings(()) => put(buffers, &FINDINGS, rows),
            }
            Ok(())
        });
        let Ok(()) = all;
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

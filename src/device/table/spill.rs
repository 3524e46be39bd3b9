//! Writing devices out before the end, where what is known of them takes too much memory.

use hashbrown::HashSet;

use super::{
    Device, DeviceTable, FACT_BYTES, HOLDER_BYTES, MAC_BYTES, OUTSIDE_BYTES, PAIR_BYTES, Told, Written, times_bytes,
    virtual_router,
};
use crate::base::{Addr, limits};

impl DeviceTable {
    /// Which devices are over first: those not seen for the longest, until half of the memory is free.
    /// Those that forward, or stand for a virtual router, come last: what is behind them, or who else stands for
    /// it, is told better with them.
    pub(super) fn over(&self) -> Vec<usize> {
        let mut order = self.order.clone();
        let needed = |d: &Device| d.forwards.is_some() || d.others.iter().any(|mac| virtual_router(*mac).is_some());
        order.sort_unstable_by_key(|i| (self.devices.get(*i).map(|d| (needed(d), d.span.last)), *i));
        let want = self.bytes.saturating_sub(self.budget() / 2);
        let mut freed = 0;
        let takes = |d: &Device| {
            let facts: usize = d.facts.iter().map(|f| FACT_BYTES + f.2.len()).sum();
            let mac = if d.mac.is_zero() { 0 } else { MAC_BYTES };
            mac + d.ips.len() * PAIR_BYTES + facts + if facts > 0 { HOLDER_BYTES } else { 0 }
        };
        order.retain(|i| {
            let goes = freed < want;
            freed += self.devices.get(*i).filter(|_| goes).map_or(0, takes);
            goes
        });
        order
    }

    /// Settles, hands the devices that were not seen for the longest to `write`, which gives their rows and
    /// says how many findings they have and which class, and forgets what is known of them.
    pub(in crate::device) fn spill_by(&mut self, write: &mut dyn FnMut(&Self, &[usize]) -> Vec<Told>) {
        self.settle();
        let over = self.over();
        let told = write(self, &over);
        for (index, (class, findings)) in over.iter().zip(told) {
            self.remember(*index, class, findings);
        }
        self.let_go(&over.into_iter().collect());
        self.forget();
        self.weigh();
        self.left = self.bytes;
    }

    /// Takes note that the row of a device was written.
    pub(super) fn remember(&mut self, index: usize, class: &'static str, findings: [u64; 5]) {
        let room = self.room.of(limits::DEVICES_WRITTEN_MAX);
        if self.written.len() >= room {
            self.forget_written(room / 2);
        }
        let Some(device) = self.devices.get(index) else { return };
        self.rows_written += 1;
        let known = self.written_at(device);
        let findings = findings.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let forwards = device.forwards.is_some();
        if let Some(written) = known.and_then(|at| self.written.get_mut(at as usize)) {
            (written.class, written.last, written.findings) = (class, device.span.last, findings);
            written.forwards |= forwards;
        } else {
            let id = (&*device.id).into();
            self.written.push(Written { id, class, last: device.span.last, findings, forwards });
        }
        let at = known.unwrap_or(u32::try_from(self.written.len() - 1).unwrap_or(u32::MAX));
        let all = device.others.iter().copied().chain([device.mac]).filter(|mac| !mac.is_zero());
        self.written_by_mac.extend(all.map(|mac| (mac, at)));
        // One device may have had any number of them.
        let more = room.saturating_sub(self.written_by_ip.len());
        let ips = device.ips.iter().map(|owned| owned.ip);
        self.written_by_ip.extend(ips.take(more).map(|ip| (ip, at)));
    }

    /// Forgets those that were written out first, so many at once that it costs little for each.
    pub(super) fn forget_written(&mut self, many: usize) {
        for written in self.written.drain(..many.min(self.written.len())) {
            self.dropped += 1;
            *self.forgotten.entry(written.class).or_default() += 1;
        }
        let many = u32::try_from(many).unwrap_or(u32::MAX);
        let stays = |at: &mut u32| {
            let stays = *at >= many;
            *at = at.saturating_sub(many);
            stays
        };
        self.written_by_mac.retain(|_, at| stays(at));
        self.written_by_ip.retain(|_, at| stays(at));
    }

    /// Forgets what is known of these devices alone.
    pub(super) fn let_go(&mut self, over: &HashSet<usize>) {
        // What is about nobody goes too: no row would tell of it.
        let mut facts = std::mem::take(&mut self.facts);
        facts.retain(|(mac, ip), of| {
            of.retain(|_, span| {
                let (first, last) = self.about(*mac, *ip, *span);
                first.into_iter().chain(last).any(|index| !over.contains(&index))
            });
            !of.is_empty()
        });
        self.facts = facts;
        let Self { devices, pairs, macs, by_ip, .. } = self;
        let virtuals = |d: &Device| d.others.clone().into_iter().filter(|mac| virtual_router(*mac).is_some());
        let (mut gone, mut needed, mut announced) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (index, device) in devices.iter().enumerate() {
            if !over.contains(&index) {
                needed.extend(virtuals(device));
                continue;
            }
            gone.extend(device.others.iter().copied().chain([device.mac]).filter(|mac| !mac.is_zero()));
            announced.extend(virtuals(device).flat_map(|mac| device.ips.iter().map(move |owned| (owned.ip, mac))));
        }
        // Others stand for it still.
        gone.retain(|mac| !needed.contains(mac));
        // Whether an address without a MAC of its own goes, or stays.
        let alone = |ip: &Addr, goes: bool| {
            let holders = by_ip.get(ip).map(Vec::as_slice).unwrap_or_default();
            holders.iter().any(|(index, _)| {
                over.contains(index) == goes && devices.get(*index).is_some_and(|device| device.mac.is_zero())
            })
        };
        pairs.retain(|(ip, mac), pair| {
            if alone(ip, true) {
                if let Some(router) = macs.get_mut(mac) {
                    router.forwarded += 1;
                }
                return false;
            }
            let said = !pair.owned() && announced.contains(&(*ip, *mac));
            !said && (!gone.contains(mac) || alone(ip, false))
        });
        macs.retain(|mac, _| !gone.contains(mac));
    }

    /// Counts anew what everything takes.
    pub(super) fn weigh(&mut self) {
        let facts: usize = (self.facts.values())
            .map(|of| HOLDER_BYTES + of.keys().map(|f| FACT_BYTES + f.2.len()).sum::<usize>())
            .sum();
        let outside = self.macs.values().flat_map(|state| &state.outside).flatten().count() * OUTSIDE_BYTES;
        let macs: usize = self.macs.values().map(|state| MAC_BYTES + times_bytes(&state.times)).sum();
        let pairs: usize = self.pairs.values().map(|pair| PAIR_BYTES + times_bytes(&pair.times)).sum();
        self.bytes = facts + macs + outside + pairs;
    }
}

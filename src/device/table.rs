//! What is known of devices, and which of them had an address at a time.
//!
//! Claims may come in any order; [`DeviceTable::settle`] weighs all of them together:
//!
//! - A MAC is one device, groups never are. The MAC that several routers stand for in turn (VRRP, HSRP,
//!   GLBP) is theirs and no device of its own, where one of them is known (`joined`).
//! - ARP, neighbour discovery and DHCP say which addresses a MAC owns, and when. Link-local addresses
//!   are never forwarded (RFC 3927, RFC 4291), so whoever sends from one owns it.
//! - A MAC that sends from inside addresses that it shows no sign of owning forwards for others: a router.
//!   What it forwards are devices without a MAC.
//! - That it forwards for the outside takes proof: answers for an address from outside besides its own, or
//!   for several; many of them without answers; or that it says that it is a router. What goes to groups
//!   stays on the link and proves nothing, and one address from outside may be the host's own.
//! - An address may have had several owners, one after the other; they stay apart.
//! - Several random MACs are one device only on proof (`joined`).
//!
//! When all that is known takes more memory than it may, [`DeviceTable::spill`] judges the devices that
//! were not seen for the longest, writes their rows and forgets all but who they were. One that comes
//! again is a row of its own, with the same identifier. Each time half of the memory becomes free, and
//! the next time is not before it has filled again, so that all of it together takes linear time.

mod spill;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use std::sync::{Arc, OnceLock};

use super::brief::Judged;
use super::claim::{Claim, ClaimKind, Reach, Samples, Span};
use super::inventory::{Entry, Inventory};
use super::times::Times;
use crate::base::limits::{self, Room};
use crate::base::{Addr, Mac, Timestamp};

/// What is known of a MAC and an address together.
#[derive(Debug, Clone, Default)]
pub(super) struct Pair {
    /// Packets with this source address came from the MAC.
    pub sent: bool,
    /// Protocols that say that the MAC owns the address, sorted.
    pub owns: Vec<&'static str>,
    /// When any of that was seen.
    pub times: Times,
}

impl Pair {
    pub(super) fn owned(&self) -> bool {
        !self.owns.is_empty()
    }
}

/// Addresses of one family from outside that a MAC sends from: samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    /// All of them.
    pub all: Samples,
    /// Those whose packets went to one host, not to a group.
    pub unicast: Samples,
    /// Those that there were answers for.
    pub answered: Samples,
    /// When any of that was seen.
    pub times: Times,
}

impl Outside {
    fn add(&mut self, ip: Addr, reach: Reach, span: Span) {
        self.all.add(ip);
        if reach >= Reach::OneWay {
            self.unicast.add(ip);
        }
        if reach >= Reach::Answered {
            self.answered.add(ip);
        }
        self.times.add(span);
    }
}

/// What is known of a MAC alone.
#[derive(Debug, Clone, Default)]
pub(super) struct MacState {
    pub times: Times,
    /// IPv4, and IPv6.
    pub outside: [Option<Box<Outside>>; 2],
    pub frames: BTreeSet<&'static str>,
    /// Addresses that it forwarded for and that were written out.
    pub forwarded: usize,
    /// It was written out as a router before.
    pub router: bool,
}

impl MacState {
    pub(super) fn outside(&self, v4: bool) -> Option<&Outside> {
        let [four, six] = &self.outside;
        if v4 { four } else { six }.as_deref()
    }
}

/// A property: source, attribute, value.
pub(super) type Fact = (&'static str, &'static str, Arc<str>);

/// An address of a device.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub ip: Addr,
    pub times: Times,
    /// Protocols that say so; empty where only its packets do.
    pub sources: Vec<&'static str>,
}

/// A device as it came out.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub id: String,
    pub mac: Mac,
    /// Its other MACs: random ones of the same handset, and those that it stood for as a router.
    pub others: Vec<Mac>,
    pub ips: Vec<Owned>,
    pub span: Span,
    pub frames: Vec<&'static str>,
    /// Addresses from inside that the MAC forwards; `None` where it is no router.
    pub forwards: Option<usize>,
    /// Whether it is proved that it forwards addresses from outside.
    pub outside: bool,
    /// Source, attribute, value.
    pub facts: Vec<Fact>,
    pub conflicts: Vec<String>,
    /// What its traffic shows it to be to others.
    pub roles: Vec<String>,
    /// Its entry of the inventory.
    pub entry: Option<usize>,
}

/// What the row of a device says: its class and its findings.
pub(super) type Told = (&'static str, [u64; 5]);

/// A device that was written out.
#[derive(Debug)]
struct Written {
    id: Box<str>,
    class: &'static str,
    /// Until when its row tells of it.
    last: Timestamp,
    /// Findings in its row.
    findings: [u32; 5],
    /// Whether it forwards for others.
    forwards: bool,
}

/// Devices of one network.
#[derive(Debug, Default)]
pub struct DeviceTable {
    pub(super) network: Option<u32>,
    pub(super) pairs: BTreeMap<(Addr, Mac), Pair>,
    pub(super) macs: BTreeMap<Mac, MacState>,
    pub(super) facts: BTreeMap<(Mac, Addr), BTreeMap<Fact, Span>>,
    /// About what all that takes.
    bytes: usize,
    /// What it took when the last of it was written out.
    left: usize,
    dropped: u64,
    pub(super) room: Room,
    inventory: Option<Arc<Inventory>>,
    /// Entries of the inventory whose device was seen.
    inventory_seen: Vec<bool>,
    pub(super) devices: Vec<Device>,
    pub(super) by_mac: HashMap<Mac, usize>,
    /// Who stood for a MAC of several, and when.
    pub(super) stood: HashMap<Mac, Vec<(usize, Times)>>,
    /// Device, and which of its addresses.
    pub(super) by_ip: HashMap<Addr, Vec<(usize, usize)>>,
    /// The devices in the order of their first packets.
    pub(super) order: Vec<usize>,
    /// What each was taken for, once it was asked.
    pub(super) judged: OnceLock<Vec<Judged>>,
    written: Vec<Written>,
    written_by_mac: HashMap<Mac, u32>,
    /// The last holder that was written out.
    written_by_ip: HashMap<Addr, u32>,
    /// Rows that were written out.
    rows_written: u64,
    /// Devices that were written out and are not remembered, by class.
    forgotten: BTreeMap<&'static str, u64>,
}

/// What a virtual router's MAC stands for: VRRP and CARP (RFC 9568), HSRP version 1 and 2, GLBP.
pub fn virtual_router(mac: Mac) -> Option<&'static str> {
    match mac.0 {
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _] => Some("vrrp"),
        [0x00, 0x00, 0x0c, 0x07, 0xac, _] | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _] => Some("hsrp"),
        [0x00, 0x07, 0xb4, 0x00, _, _] => Some("glbp"),
        _ => None,
    }
}

// About what an entry takes: its part of a tree that is two thirds full, and what settling makes of it.
const MAC_BYTES: usize = 900;
/// Addresses from outside.
const OUTSIDE_BYTES: usize = 320;
const PAIR_BYTES: usize = 1000;
const HOLDER_BYTES: usize = 1000;
const FACT_BYTES: usize = 180;
/// A time after the first, in the tree and in the device.
const TIME_BYTES: usize = 48;
/// A device that was written out, with its places by MAC and by address.
const WRITTEN_BYTES: usize = 200;

/// What the times of an entry take beyond the first.
fn times_bytes(times: &Times) -> usize {
    times.spans().len().saturating_sub(1) * TIME_BYTES
}

impl DeviceTable {
    /// An empty table. `network` is the capture's number where each file is a network of its own
    /// (`--separate`): it keeps equal addresses of different networks apart in `device_id`.
    pub fn new(network: Option<u32>) -> Self {
        Self { network, ..Self::default() }
    }

    /// With the limits that its memory leaves.
    pub fn within(self, room: Room) -> Self {
        Self { room, ..self }
    }

    /// With what the user says of his devices.
    pub fn with_inventory(self, inventory: Option<Arc<Inventory>>) -> Self {
        Self { inventory, ..self }
    }

    /// Entries of the inventory whose device was seen, by their place. Valid after [`DeviceTable::settle`].
    pub fn inventory_seen(&self) -> &[bool] {
        &self.inventory_seen
    }

    /// What the inventory says of a device.
    pub(super) fn entry(&self, device: &Device) -> Option<&Entry> {
        self.inventory.as_ref().and_then(|list| list.entry(device))
    }

    /// Site, owner and note of a device, by its identifier, where the inventory has an entry for it.
    pub fn notes(&self) -> HashMap<&str, [Option<&str>; 3]> {
        let noted = |d: &'_ Device| self.entry(d).map(|e| [e.site.as_deref(), e.owner.as_deref(), e.note.as_deref()]);
        self.devices.iter().filter_map(|d| Some((d.id.as_str(), noted(d)?))).collect()
    }

    /// The capture that this is the network of, where captures are apart.
    pub fn network(&self) -> Option<u32> {
        self.network
    }

    /// Takes in a claim. What it says shows after [`DeviceTable::settle`].
    pub fn observe(&mut self, claim: &Claim) {
        let span = Span { first: claim.first, last: claim.last };
        let mac = if claim.mac.is_group() { Mac::ZERO } else { claim.mac };
        let told = !self.written.is_empty()
            && match claim.kind {
                ClaimKind::Sent => self.has_told(mac, claim.ip, span.last),
                ClaimKind::Foreign(_) => self.has_told_of(mac, span.last),
                _ => false,
            };
        if told {
            return;
        }
        if !mac.is_zero() {
            let router = !self.written.is_empty() && self.forwarded(mac);
            let state = self.macs.entry(mac).or_insert_with(|| {
                self.bytes += MAC_BYTES;
                MacState { router, ..MacState::default() }
            });
            let before = times_bytes(&state.times);
            state.times.add(span);
            self.bytes = (self.bytes + times_bytes(&state.times)).saturating_sub(before);
            match claim.kind {
                ClaimKind::Foreign(reach) => {
                    let [four, six] = &mut state.outside;
                    let of_family = if claim.ip.is_v4() { four } else { six };
                    let outside = of_family.get_or_insert_with(|| {
                        self.bytes += OUTSIDE_BYTES;
                        Box::default()
                    });
                    outside.add(claim.ip, reach, span);
                }
                ClaimKind::Frame => _ = state.frames.insert(claim.source),
                _ => {}
            }
        }
        let address = !claim.ip.is_unspecified() && !claim.ip.is_multicast() && !claim.ip.is_loopback();
        match &claim.kind {
            ClaimKind::Sent if address => self.pair(claim.ip, mac, span).sent = true,
            ClaimKind::Owns if address && !mac.is_zero() => {
                let pair = self.pair(claim.ip, mac, span);
                if let Err(at) = pair.owns.binary_search(&claim.source) {
                    pair.owns.insert(at, claim.source);
                }
            }
            ClaimKind::Fact { attribute, value } if !value.is_empty() => {
                let of = self.facts.entry((mac, claim.ip)).or_insert_with(|| {
                    self.bytes += HOLDER_BYTES;
                    BTreeMap::new()
                });
                let fact = (claim.source, *attribute, Arc::from(&**value));
                if let Some(known) = of.get_mut(&fact) {
                    *known = known.join(span);
                    return;
                }
                of.insert(fact, span);
                self.bytes += FACT_BYTES + value.len();
                // The smallest stay, so that what is kept does not depend on the order of arrival.
                if of.len() > limits::DEVICE_FACTS_MAX
                    && let Some(((.., value), _)) = of.pop_last()
                {
                    self.bytes = self.bytes.saturating_sub(FACT_BYTES + value.len());
                    self.dropped += 1;
                }
            }
            _ => {}
        }
    }

    /// Whether a row that was written tells this already: a flow ends when its device may be gone.
    fn has_told(&self, mac: Mac, ip: Addr, last: Timestamp) -> bool {
        let by_ip = self.written_by_ip.get(&ip);
        let written = by_ip.and_then(|at| self.written.get(*at as usize)).filter(|written| written.last >= last);
        let own = self.written_by_mac.get(&mac) == by_ip && !self.macs.contains_key(&mac);
        let behind = mac.is_zero() || self.macs.get(&mac).map_or_else(|| self.forwarded(mac), |m| m.forwarded > 0);
        written.is_some() && (own || (behind && !self.pairs.contains_key(&(ip, mac))))
    }

    /// Whether a MAC was written out as that of a router.
    fn forwarded(&self, mac: Mac) -> bool {
        let written = self.written_by_mac.get(&mac).and_then(|at| self.written.get(*at as usize));
        written.is_some_and(|written| written.forwards)
    }

    /// Likewise of a MAC alone: a host that only has an address from outside.
    fn has_told_of(&self, mac: Mac, last: Timestamp) -> bool {
        let by_mac = self.written_by_mac.get(&mac).filter(|_| !self.macs.contains_key(&mac));
        by_mac.and_then(|at| self.written.get(*at as usize)).is_some_and(|written| written.last >= last)
    }

    fn pair(&mut self, ip: Addr, mac: Mac, span: Span) -> &mut Pair {
        let pair = self.pairs.entry((ip, mac)).or_insert_with(|| {
            self.bytes += PAIR_BYTES;
            Pair::default()
        });
        let before = times_bytes(&pair.times);
        pair.times.add(span);
        self.bytes = (self.bytes + times_bytes(&pair.times)).saturating_sub(before);
        pair
    }

    /// Claims dropped since the last call, for [`crate::base::counters::Counters::claims_dropped`].
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Whether it takes more memory than it may, so that it is time to [`DeviceTable::spill`]. However little the
    /// last time made free, there is none before an eighth has come.
    pub fn is_full(&self) -> bool {
        let all = self.budget();
        self.bytes > all.max(self.left + all / 8)
    }

    /// What those in memory may take. Those written out have their part, half of all at the most.
    fn budget(&self) -> usize {
        let all = self.room.of(limits::DEVICE_BYTES_MAX);
        all.saturating_sub(self.written.len() * WRITTEN_BYTES).max(all / 2)
    }

    /// Rows that were written out before the end.
    pub fn rows_written(&self) -> u64 {
        self.rows_written
    }

    /// Weighs all claims observed so far. May be called again after more of them.
    pub fn settle(&mut self) {
        self.forget();
        let views = self.views();
        let assigned = self.assign(&views);
        self.mac_devices(&views, &assigned);
        self.address_devices(&assigned);
        drop((views, assigned));
        self.index();
        self.stand_in();
        self.attach_facts();
        self.join_handsets();
        if let Some(list) = &self.inventory {
            let seen = list.attach(&mut self.devices);
            self.inventory_seen.resize(seen.len(), false);
            self.inventory_seen.iter_mut().zip(seen).for_each(|(all, now)| *all |= now);
        }
        let mut order: Vec<usize> = (0..self.devices.len()).collect();
        order.sort_by_key(|i| self.devices.get(*i).map(|d| d.span.first));
        self.order = order;
    }

    /// Forgets what settling made.
    fn forget(&mut self) {
        self.devices.clear();
        self.by_mac.clear();
        self.stood.clear();
        self.by_ip.clear();
        self.order.clear();
        self.judged = OnceLock::new();
    }

    pub(super) fn find(&self, mac: Mac, ip: Addr, ts: Timestamp) -> Option<usize> {
        let owners = self.by_ip.get(&ip).map(Vec::as_slice).unwrap_or_default();
        if let Some(stood) = self.stood.get(&mac)
            && (owners.is_empty() || owners.iter().any(|(owner, _)| stood.iter().any(|(router, _)| router == owner)))
        {
            return stood.iter().min_by_key(|(index, times)| (times.distance(ts), *index)).map(|(index, _)| *index);
        }
        let by_mac = self.by_mac.get(&mac).copied();
        if let Some(index) = by_mac {
            let router = self.devices.get(index).is_some_and(|d| d.forwards.is_some());
            if !router || ip.is_unspecified() || owners.iter().any(|(owner, _)| *owner == index) {
                return Some(index);
            }
        }
        // Several owners one after the other: the one of that time.
        let distance = |(index, nth): &(usize, usize)| {
            let owned = self.devices.get(*index).and_then(|d| d.ips.get(*nth));
            owned.map_or(i64::MAX, |owned| owned.times.distance(ts))
        };
        owners.iter().min_by_key(|owner| (distance(owner), owner.0)).map(|(index, _)| *index)
    }

    /// Whether several devices held an address while flows of one entry ran, so that it cannot be told whose they
    /// were. A MAC tells, if it is the holder's; those that take turns as a virtual router count as one.
    pub(super) fn has_changed_hands(&self, mac: Mac, ip: Addr, span: Span) -> bool {
        let owners = self.by_ip.get(&ip).map(Vec::as_slice).unwrap_or_default();
        let told = |index: &usize| {
            let router = self.devices.get(*index).is_some_and(|d| d.forwards.is_some());
            !router || owners.iter().any(|(owner, _)| owner == index)
        };
        if owners.len() < 2 || self.stood.contains_key(&mac) || self.by_mac.get(&mac).is_some_and(told) {
            return false;
        }
        let of_span = Times::of(span);
        let held = |(index, nth): &(usize, usize)| {
            let owned = self.devices.get(*index).and_then(|d| d.ips.get(*nth))?;
            owned.times.overlaps(&of_span).then_some(*index)
        };
        owners.iter().filter_map(held).collect::<BTreeSet<_>>().len() > 1
    }

    /// Who a fact is about: who held the address when it was first seen, and who did when it was last.
    pub(super) fn about(&self, mac: Mac, ip: Addr, span: Span) -> (Option<usize>, Option<usize>) {
        let first = self.find(mac, ip, span.first);
        (first, self.find(mac, ip, span.last).filter(|last| Some(*last) != first))
    }

    /// The device behind a MAC and an address at a time; `None` for what is not on this network.
    /// Either may be missing (zeros, unspecified). Valid after [`DeviceTable::settle`].
    pub fn device_of(&self, mac: Mac, ip: Addr, ts: Timestamp) -> Option<&str> {
        if let Some(device) = self.find(mac, ip, ts).and_then(|i| self.devices.get(i)) {
            return Some(device.id.as_str());
        }
        self.written_as(mac, ip).map(|written| &*written.id)
    }

    /// Whether it is told that an address is the device's own (ARP, neighbour discovery, DHCP), and the MAC is too.
    pub(super) fn owns(&self, index: usize, (mac, ip): (Mac, Addr)) -> bool {
        let device = self.devices.get(index).filter(|d| d.mac == mac && !mac.is_zero());
        let owned = device.and_then(|d| d.ips.iter().find(|owned| owned.ip == ip));
        owned.is_some_and(|owned| !owned.sources.is_empty())
    }

    /// The device of a MAC.
    pub(super) fn of_mac(&self, mac: Mac) -> Option<usize> {
        self.by_mac.get(&mac).copied()
    }

    fn written_as(&self, mac: Mac, ip: Addr) -> Option<&Written> {
        self.written.get(self.place_written(mac, ip)?)
    }

    fn place_written(&self, mac: Mac, ip: Addr) -> Option<usize> {
        if self.written.is_empty() {
            return None;
        }
        let by_ip = self.written_by_ip.get(&ip);
        // A router stands for nobody behind it, as in `find`.
        let by_mac = self.written_by_mac.get(&mac);
        let own = by_mac.filter(|_| ip.is_unspecified() || by_mac == by_ip || !self.forwarded(mac));
        own.or(by_ip).map(|at| *at as usize)
    }

    /// The device behind a MAC and an address at a time, also one whose row was written before: those come behind the
    /// others. For [`DeviceTable::identity`].
    pub(super) fn holder(&self, mac: Mac, ip: Addr, ts: Timestamp) -> Option<usize> {
        let written = || self.place_written(mac, ip).map(|at| self.devices.len() + at);
        self.find(mac, ip, ts).or_else(written)
    }

    /// Identifier and MAC of a device at its place among all.
    pub(super) fn identity(&self, place: usize) -> Option<(&str, Mac)> {
        if let Some(device) = self.devices.get(place) {
            return Some((&device.id, device.mac));
        }
        let id = &*self.written.get(place.checked_sub(self.devices.len())?)?.id;
        // Who has a MAC is called by it.
        Some((id, id.split('@').next().and_then(|mac| mac.parse().ok()).unwrap_or(Mac::ZERO)))
    }

    /// The place of a device that was written out.
    fn written_at(&self, device: &Device) -> Option<u32> {
        let at = match device.mac.is_zero() {
            false => self.written_by_mac.get(&device.mac)?,
            true => device.ips.first().and_then(|owned| self.written_by_ip.get(&owned.ip))?,
        };
        self.written.get(*at as usize).filter(|written| *written.id == *device.id).map(|_| *at)
    }

    /// The identifier of a device that is known by this.
    pub(super) fn id_of(&self, by: &dyn std::fmt::Display) -> String {
        self.network.map_or_else(|| by.to_string(), |n| format!("{by}@{n}"))
    }

    /// Classes of those that were written out, by their identifier.
    pub(super) fn classes_written(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.written.iter().map(|w| (&*w.id, w.class))
    }

    /// Findings that stand in the row of a device that was written out.
    pub(super) fn findings_written(&self, device: &Device) -> [u64; 5] {
        let written = self.written_at(device).and_then(|at| self.written.get(at as usize));
        written.map(|w| w.findings.map(u64::from)).unwrap_or_default()
    }

    /// Devices after [`DeviceTable::settle`] whose rows are not written yet.
    pub fn in_memory(&self) -> usize {
        self.devices.len()
    }

    /// Devices after [`DeviceTable::settle`], those that were written out among them, each once. Of those that were
    /// written out when no more could be remembered, one that came again counts again.
    pub fn len(&self) -> usize {
        let again = self.devices.iter().filter(|d| self.written_at(d).is_some()).count();
        let forgotten: u64 = self.forgotten.values().sum();
        self.written.len() + self.devices.len() - again + usize::try_from(forgotten).unwrap_or(usize::MAX)
    }

    /// Those among them that are not remembered, by class.
    pub(super) fn forgotten(&self) -> &BTreeMap<&'static str, u64> {
        &self.forgotten
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTER: Mac = Mac([0x3c, 0xd9, 0x2b, 1, 2, 3]);
    const PHONE: Mac = Mac([0x00, 0x0b, 0x82, 4, 5, 6]);
    const ROUTER: Mac = Mac([0xd4, 0xca, 0x6d, 0x71, 0x72, 0x73]);

    fn ip(s: &str) -> Addr {
        s.parse().unwrap()
    }

    fn sent(mac: Mac, a: &str, first: i64, last: i64) -> Claim {
        Claim { mac, ip: ip(a), source: "flow", kind: ClaimKind::Sent, first: Timestamp(first), last: Timestamp(last) }
    }

    fn foreign(mac: Mac, a: &str) -> Claim {
        Claim { kind: ClaimKind::Foreign(Reach::Answered), ..sent(mac, a, 1, 1) }
    }

    fn arp(mac: Mac, a: &str, ts: i64) -> Claim {
        Claim::owns("arp", mac, ip(a), Timestamp(ts))
    }

    /// Id, addresses, and how many others it forwards.
    fn settle(claims: &[Claim]) -> Vec<(String, Vec<String>, Option<usize>)> {
        let show = |order: &mut dyn Iterator<Item = &Claim>| {
            let mut t = DeviceTable::default();
            order.for_each(|c| t.observe(c));
            t.settle();
            t.devices
                .iter()
                .map(|d| (d.id.clone(), d.ips.iter().map(|o| o.ip.to_string()).collect::<Vec<_>>(), d.forwards))
                .collect::<Vec<_>>()
        };
        let forward = show(&mut claims.iter());
        assert_eq!(forward, show(&mut claims.iter().rev()), "the order of claims makes no difference");
        forward
    }

    fn row(id: impl ToString, ips: &[&str], forwards: Option<usize>) -> (String, Vec<String>, Option<usize>) {
        (id.to_string(), ips.iter().map(|s| s.to_string()).collect(), forwards)
    }

    #[test]
    fn a_host_with_both_families_is_one_device_even_with_an_outside_prefix() {
        let host = [
            arp(PRINTER, "10.0.0.5", 1),
            sent(PRINTER, "10.0.0.5", 1, 9),
            sent(PRINTER, "fe80::1", 1, 9),
            foreign(PRINTER, "2001:db8:30::102"),
            Claim::owns("ndp", PRINTER, ip("2001:db8:30::102"), Timestamp(2)),
        ];
        assert_eq!(settle(&host), [row(PRINTER, &["10.0.0.5", "2001:db8:30::102", "fe80::1"], None)]);
    }

    fn reaching(reach: Reach, mac: Mac, addresses: &[&str]) -> Vec<Claim> {
        addresses.iter().map(|a| Claim { kind: ClaimKind::Foreign(reach), ..foreign(mac, a) }).collect()
    }

    #[test]
    fn one_address_from_outside_is_the_hosts_own_where_it_has_no_other() {
        // All that it sends goes to a group: it is on this link.
        let mut claims = reaching(Reach::Group, PRINTER, &["147.229.1.5"]);
        claims.push(sent(PRINTER, "fe80::5", 1, 2));
        assert_eq!(settle(&claims), [row(PRINTER, &["147.229.1.5", "fe80::5"], None)]);
        assert_eq!(settle(&reaching(Reach::Answered, PRINTER, &["8.8.8.8"])), [row(PRINTER, &["8.8.8.8"], None)]);
        // Of IPv6 a host has several of one prefix.
        let temporary = reaching(Reach::Answered, PRINTER, &["2001:db8::5", "2001:db8::6", "2001:db8::7"]);
        assert_eq!(settle(&temporary), [row(PRINTER, &["2001:db8::5"], None)]);
        // Two MACs send from it: one of them forwards, and it cannot be told which.
        let both = [reaching(Reach::OneWay, PRINTER, &["8.8.8.8"]), reaching(Reach::OneWay, PHONE, &["8.8.8.8"])];
        assert_eq!(settle(&both.concat()), [row(PHONE, &[], None), row(PRINTER, &[], None)]);
    }

    #[test]
    fn forwarding_for_the_outside_takes_proof() {
        let of = |reach, own: bool, addresses: &[&str]| {
            let mut claims = reaching(reach, ROUTER, addresses);
            claims.extend(own.then(|| arp(ROUTER, "10.0.0.1", 1)));
            settle(&claims)
        };
        let (host, router) = ([row(ROUTER, &["10.0.0.1"], None)], [row(ROUTER, &["10.0.0.1"], Some(0))]);
        // A laptop whose tunnel leaks, or that still has the address of another network: nobody answers there.
        assert_eq!(of(Reach::OneWay, true, &["203.0.113.77"]), host);
        assert_eq!(of(Reach::OneWay, true, &["203.0.113.77", "198.51.100.4"]), host);
        assert_eq!(of(Reach::Group, true, &["1.0.0.1", "2.0.0.1", "3.0.0.1", "4.0.0.1", "5.0.0.1"]), host);
        assert_eq!(of(Reach::Answered, true, &["203.0.113.77"]), router);
        assert_eq!(of(Reach::OneWay, true, &["1.0.0.1", "2.0.0.1", "3.0.0.1", "4.0.0.1"]), router);
        assert_eq!(of(Reach::Answered, false, &["1.1.1.1", "8.8.8.8"]), [row(ROUTER, &[], Some(0))]);
        // Two addresses of one link, one of them known to be its own.
        let second = [vec![arp(ROUTER, "1.1.1.1", 1)], reaching(Reach::Answered, ROUTER, &["1.1.1.1", "1.1.1.2"])];
        assert_eq!(settle(&second.concat()), [row(ROUTER, &["1.1.1.1"], None)]);
        // Two prefixes of IPv6, one behind a global address of its own, or behind one that says it is a router.
        let v6 = ["2001:db8:1::1", "2001:db8:2::1"];
        assert_eq!(of(Reach::Answered, true, &v6), router);
        assert_eq!(of(Reach::OneWay, true, &v6), host);
        let own = Claim::owns("ndp", PRINTER, ip(v6[0]), Timestamp(1));
        let behind = [vec![own], reaching(Reach::Answered, PRINTER, &v6)].concat();
        assert_eq!(settle(&behind), [row(PRINTER, &[v6[0]], Some(0))]);
        let says = Claim::fact("ndp", PRINTER, ip("fe80::1"), "router", b"advertisement", Timestamp(1));
        let says = [vec![says], reaching(Reach::OneWay, PRINTER, &v6[1..])].concat();
        assert_eq!(settle(&says), [row(PRINTER, &[], Some(0))]);
    }

    #[test]
    fn a_host_from_outside_that_was_written_does_not_come_again_when_its_flow_ends() {
        let mut t = DeviceTable::default().within(Room::for_memory(0));
        let none = HashMap::<String, [u64; 5]>::new;
        t.observe(&reaching(Reach::OneWay, PRINTER, &["8.8.8.8"])[0]);
        t.observe(&Claim::hostname("dhcp", PRINTER, Addr::UNSPECIFIED, &[b'a'; 255], Timestamp(3)));
        t.spill(&mut crate::record::RowBuffer::default(), &mut crate::record::RowBuffer::default(), |_| none());
        assert_eq!(t.rows_written(), 1);
        t.observe(&foreign(PRINTER, "8.8.8.8"));
        t.settle();
        assert_eq!((t.devices.len(), t.len()), (0, 1));
        assert_eq!(t.device_of(Mac::ZERO, ip("8.8.8.8"), Timestamp(2)), Some(&*PRINTER.to_string()));
    }

    #[test]
    fn hosts_behind_a_router_are_not_its_addresses() {
        let mut claims = vec![arp(ROUTER, "10.36.6.2", 1), arp(PRINTER, "10.36.6.10", 1)];
        let behind: Vec<_> = (20..32).map(|n| format!("172.16.6.{n}")).collect();
        claims.extend(behind.iter().map(|a| sent(ROUTER, a, 1, 2)));
        let rows = settle(&claims);
        assert_eq!(rows.len(), 14);
        assert!(rows.contains(&row(ROUTER, &["10.36.6.2"], Some(12))));
        for a in &behind {
            assert!(rows.contains(&row(a, &[a], None)), "{a}");
        }
        // One host behind it is enough where the router's own address is known.
        let one = settle(&[arp(ROUTER, "10.36.6.2", 1), sent(ROUTER, "172.16.6.20", 1, 2)]);
        assert_eq!(one, [row(ROUTER, &["10.36.6.2"], Some(1)), row("172.16.6.20", &["172.16.6.20"], None)]);
    }

    #[test]
    fn a_gateway_without_arp_keeps_its_address_on_the_link_of_the_hosts() {
        let rows = settle(&[
            sent(PRINTER, "192.168.1.5", 1, 2),
            sent(ROUTER, "192.168.1.1", 1, 2),
            sent(ROUTER, "10.9.9.9", 1, 2),
            foreign(ROUTER, "8.8.8.8"),
        ]);
        assert!(rows.contains(&row(PRINTER, &["192.168.1.5"], None)));
        assert!(rows.contains(&row(ROUTER, &["192.168.1.1"], Some(1))));
        assert!(rows.contains(&row("10.9.9.9", &["10.9.9.9"], None)));
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn a_mac_with_many_addresses_and_no_arp_is_a_router_and_with_few_it_is_a_host() {
        let many: Vec<_> = (1..=4).map(|n| sent(ROUTER, &format!("10.0.{n}.1"), 1, 2)).collect();
        assert!(settle(&many).contains(&row(ROUTER, &[], Some(4))));
        assert_eq!(settle(&many[..2]), [row(ROUTER, &["10.0.1.1", "10.0.2.1"], None)]);
        // Temporary IPv6 addresses are not hosts behind a router.
        let v6: Vec<_> = (1..=9).map(|n| sent(PRINTER, &format!("fd00::{n}"), 1, 2)).collect();
        assert_eq!(settle(&v6).len(), 1);
    }

    #[test]
    fn an_address_before_dhcp_is_the_devices_own() {
        let rows = settle(&[sent(PRINTER, "169.254.7.7", 1, 2), arp(PRINTER, "10.0.0.5", 3)]);
        assert_eq!(rows, [row(PRINTER, &["10.0.0.5", "169.254.7.7"], None)]);
    }

    #[test]
    fn an_address_that_was_leased_again_does_not_merge_its_holders() {
        let claims = [
            Claim::owns("dhcp", PRINTER, ip("10.36.1.120"), Timestamp(10)),
            sent(PRINTER, "10.36.1.120", 10, 20),
            Claim::owns("dhcp", PRINTER, ip("10.36.1.120"), Timestamp(20)),
            Claim::owns("dhcp", PHONE, ip("10.36.1.120"), Timestamp(30)),
            sent(PHONE, "10.36.1.120", 30, 90),
        ];
        let rows = settle(&claims);
        assert_eq!(rows, [row(PHONE, &["10.36.1.120"], None), row(PRINTER, &["10.36.1.120"], None)]);
        let mut t = DeviceTable::default();
        claims.iter().for_each(|c| t.observe(c));
        t.settle();
        assert!(t.devices.iter().all(|d| d.conflicts.is_empty()), "one after the other is no conflict");
        assert_eq!(t.device_of(Mac::ZERO, ip("10.36.1.120"), Timestamp(15)), Some(&*PRINTER.to_string()));
        assert_eq!(t.device_of(Mac::ZERO, ip("10.36.1.120"), Timestamp(40)), Some(&*PHONE.to_string()));
        assert_eq!(t.device_of(PRINTER, ip("10.36.1.120"), Timestamp(40)), Some(&*PRINTER.to_string()));
        // Both at the same time is one.
        t.observe(&arp(PHONE, "10.36.1.120", 15));
        t.settle();
        assert!(t.devices.iter().all(|d| d.conflicts.len() == 1));
    }

    #[test]
    fn groups_are_never_devices_and_virtual_routers_are_routers() {
        let vrrp = Mac([0, 0, 0x5e, 0, 1, 7]);
        let rows = settle(&[
            sent(Mac::BROADCAST, "10.0.0.9", 1, 2),
            Claim::frame("lldp", PRINTER, Timestamp(3)),
            arp(vrrp, "10.0.0.1", 1),
            sent(vrrp, "10.0.0.200", 1, 2),
        ]);
        assert!(rows.contains(&row("10.0.0.9", &["10.0.0.9"], None)), "the address is there all the same");
        assert!(rows.contains(&row(PRINTER, &[], None)));
        assert!(rows.contains(&row(vrrp, &["10.0.0.1"], Some(1))));
        assert_eq!(virtual_router(Mac([0, 0, 0x0c, 7, 0xac, 1])), Some("hsrp"));
        assert_eq!(virtual_router(PRINTER), None);
    }

    #[test]
    fn what_is_outside_is_no_device_and_captures_do_not_mix() {
        let mut t = DeviceTable::new(Some(3));
        t.observe(&foreign(ROUTER, "8.8.8.8"));
        t.observe(&foreign(ROUTER, "9.9.9.9"));
        t.observe(&sent(Mac::ZERO, "10.0.0.4", 1, 2));
        t.settle();
        assert_eq!(t.device_of(ROUTER, ip("8.8.8.8"), Timestamp(1)), None, "a router stands for nobody behind it");
        assert_eq!(t.device_of(Mac::ZERO, ip("10.0.0.4"), Timestamp(1)), Some("10.0.0.4@3"));
        assert_eq!(t.device_of(ROUTER, Addr::UNSPECIFIED, Timestamp(1)), Some("d4:ca:6d:71:72:73@3"));
        assert_eq!(t.len(), 2);
    }

    #[test]
    fn an_address_owned_by_one_and_used_by_another_is_told() {
        let claims = [arp(PRINTER, "10.0.0.5", 1), arp(PHONE, "10.0.0.6", 1), sent(PHONE, "10.0.0.5", 1, 9)];
        assert_eq!(settle(&claims), [row(PHONE, &["10.0.0.6"], None), row(PRINTER, &["10.0.0.5"], None)]);
        let mut t = DeviceTable::default();
        claims.iter().for_each(|c| t.observe(c));
        t.settle();
        assert!(t.devices[0].conflicts[0].contains("another device owns"));
    }

    #[test]
    fn facts_go_to_the_device_and_not_to_the_router_that_forwarded_them() {
        let mut t = DeviceTable::default();
        t.observe(&arp(ROUTER, "10.36.6.2", 1));
        t.observe(&sent(ROUTER, "172.16.6.23", 1, 2));
        t.observe(&Claim::hostname("mdns", ROUTER, ip("172.16.6.23"), b"phone", Timestamp(1)));
        t.observe(&Claim::hostname("dhcp", PRINTER, Addr::UNSPECIFIED, b"printer", Timestamp(1)));
        t.settle();
        let names = |id: &str| {
            let d = t.devices.iter().find(|d| d.id == id).unwrap();
            d.facts.iter().map(|f| f.2.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names("172.16.6.23"), ["phone"]);
        assert_eq!(names(&PRINTER.to_string()), ["printer"]);
        assert!(names(&ROUTER.to_string()).is_empty());
    }

    fn spill(t: &mut DeviceTable) -> usize {
        let mut out = crate::record::RowBuffer::default();
        t.spill(&mut out, &mut crate::record::RowBuffer::default(), |_| HashMap::<String, [u64; 5]>::new());
        out.len()
    }

    /// A table that is full from so many bytes on.
    fn small(kib: usize) -> DeviceTable {
        let part = (limits::DEVICE_BYTES_MAX >> 10) / 1024;
        DeviceTable::default().within(Room::for_memory((kib.div_ceil(part)) << 20))
    }

    #[test]
    fn what_is_written_early_is_remembered_and_a_router_stays_longest() {
        let mut t = small(0);
        t.observe(&arp(ROUTER, "10.0.0.1", 1));
        t.observe(&sent(ROUTER, "172.16.0.9", 1, 2));
        t.observe(&arp(PRINTER, "10.0.0.5", 3));
        t.observe(&Claim::hostname("dhcp", PRINTER, Addr::UNSPECIFIED, b"printer", Timestamp(3)));
        assert!(t.is_full());
        // What one of two needs is more than there is room for here.
        t.settle();
        let needed: Vec<_> = t.over().into_iter().map(|i| t.devices[i].id.clone()).collect();
        assert_eq!(needed, ["172.16.0.9".to_owned(), PRINTER.to_string(), ROUTER.to_string()]);
        assert_eq!((spill(&mut t), t.rows_written()), (3, 3));
        assert!(t.facts.is_empty() && t.pairs.is_empty() && t.macs.is_empty());
        let ids = |t: &DeviceTable| t.devices.iter().map(|d| (d.id.clone(), d.forwards)).collect::<Vec<_>>();
        // A flow that ends late tells nothing new.
        t.observe(&sent(PRINTER, "10.0.0.5", 2, 3));
        t.observe(&sent(ROUTER, "10.0.0.1", 1, 1));
        t.observe(&sent(ROUTER, "172.16.0.9", 1, 2));
        t.settle();
        assert_eq!(ids(&t), []);
        assert_eq!(t.len(), 3);
        assert_eq!(t.device_of(PRINTER, ip("10.0.0.5"), Timestamp(3)), Some(&*PRINTER.to_string()));
        assert_eq!(t.device_of(Mac::ZERO, ip("172.16.0.9"), Timestamp(3)), Some("172.16.0.9"));
        let through = |a: Addr| t.device_of(ROUTER, a, Timestamp(3)).map(str::to_owned);
        assert_eq!(through(ip("172.16.0.9")), Some("172.16.0.9".into()), "who is behind it is not the router");
        assert_eq!(through(ip("8.8.8.8")), None);
        assert_eq!(through(ip("10.0.0.1")), Some(ROUTER.to_string()));
        assert_eq!(through(Addr::UNSPECIFIED), Some(ROUTER.to_string()));
        let place = t.holder(ROUTER, ip("172.16.0.9"), Timestamp(3)).unwrap();
        assert_eq!(t.identity(place), Some(("172.16.0.9", Mac::ZERO)));
        // One that comes again has another row, and is no other device; a router is one still.
        t.observe(&arp(PRINTER, "10.0.0.5", 90));
        t.observe(&sent(ROUTER, "172.16.0.10", 90, 91));
        t.settle();
        let router = (ROUTER.to_string(), Some(1));
        assert_eq!(ids(&t), [(PRINTER.to_string(), None), router, ("172.16.0.10".to_owned(), None)]);
        assert_eq!(t.len(), 4);
        assert_eq!(t.take_dropped(), 0);
    }

    #[test]
    fn routers_fill_no_memory_and_are_not_settled_over_and_over() {
        let mut t = small(1024);
        let (mut spilled, mut most, mut rows) = (0u32, 0, 0);
        let all = 4_000u16;
        for n in 0..all {
            let [a, b] = n.to_be_bytes();
            let mac = Mac([0x00, 0x1b, 0xa9, 0, a, b]);
            let claims = [
                Claim::fact("ssdp", mac, Addr::v4([130, 0, a, b]), "search", b"ssdp:all", Timestamp(i64::from(n))),
                Claim { ip: Addr::v4([130, 0, a, b]), ..foreign(mac, "8.8.8.8") },
                Claim { ip: Addr::v4([172, 16, a, b]), ..sent(mac, "172.16.0.1", i64::from(n), i64::from(n)) },
            ];
            if t.is_full() {
                rows += spill(&mut t);
                spilled += 1;
            }
            claims.iter().for_each(|claim| t.observe(claim));
            most = most.max(t.bytes);
        }
        t.settle();
        assert!(most <= t.room.of(limits::DEVICE_BYTES_MAX) + 4096, "{most}");
        let per_device = MAC_BYTES + PAIR_BYTES + HOLDER_BYTES + FACT_BYTES + 8;
        let budget = t.room.of(limits::DEVICE_BYTES_MAX) / 2;
        assert!((spilled as usize) < 4 * usize::from(all) * per_device / budget, "{spilled}");
        assert_eq!((rows + t.devices.len(), t.len()), (8_000, 8_000), "each once");
        assert_eq!(t.by_class().iter().map(|(_, n)| n).sum::<u64>(), 8_000);
    }

    #[test]
    fn what_cannot_be_remembered_is_counted_all_the_same() {
        let mut t = small(0);
        let room = t.room.of(limits::DEVICES_WRITTEN_MAX) as u64;
        for n in 0..3 * room as u16 {
            let [a, b] = n.to_be_bytes();
            t.observe(&sent(Mac([0x00, 0x1b, 0xa9, 0, a, b]), &format!("10.0.{a}.{b}"), i64::from(n), i64::from(n)));
            if t.is_full() {
                spill(&mut t);
            }
        }
        t.settle();
        assert_eq!(t.len() as u64, 3 * room);
        assert_eq!(t.by_class(), [("printer", 3 * room)]);
        assert!(t.written.len() as u64 <= room, "the last ones are remembered");
        assert_eq!(t.take_dropped(), 3 * room - (t.written.len() + t.devices.len()) as u64);
    }

    #[test]
    fn what_is_full_for_good_waits_for_an_eighth() {
        let mut t = small(1024);
        t.left = 10 * t.budget();
        t.bytes = t.left + t.budget() / 8;
        assert!(!t.is_full());
        t.bytes += 1;
        assert!(t.is_full());
    }

    #[test]
    fn a_host_behind_a_router_that_was_written_stays() {
        let mut t = DeviceTable::default();
        t.observe(&arp(ROUTER, "10.0.0.1", 1));
        t.observe(&sent(ROUTER, "172.16.0.9", 1, 50));
        t.observe(&Claim::hostname("mdns", ROUTER, ip("172.16.0.9"), b"phone", Timestamp(1)));
        t.settle();
        let at = t.devices.iter().position(|d| d.mac == ROUTER).unwrap();
        t.remember(at, "router", [0; 5]);
        t.let_go(&[at].into_iter().collect());
        t.settle();
        let [d] = &t.devices[..] else { panic!("{:?}", t.devices) };
        assert_eq!((&*d.id, &*d.facts[0].2), ("172.16.0.9", "phone"));
        assert_eq!(t.len(), 2);
    }
}

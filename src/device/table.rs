//! Merging claims into devices.
//!
//! Claims may come in any order; [`DeviceTable::settle`] weighs all of them together:
//!
//! - A MAC is one device, groups never are. A virtual router's MAC (VRRP, HSRP, GLBP) is one too.
//! - ARP, neighbour discovery and DHCP say which addresses a MAC owns. Link-local addresses are
//!   never forwarded (RFC 3927, RFC 4291), so whoever sends from one owns it.
//! - A MAC that sends from outside addresses, or from inside addresses that it shows no sign of
//!   owning, forwards for others: a router. What it forwards are devices without a MAC.
//! - An address may have had several owners, one after the other; they stay apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::claim::{Claim, ClaimKind, Samples, Span};
use super::inventory::{Entry, Inventory};
use crate::base::limits::{self, Room};
use crate::base::{Addr, Mac, Timestamp};

/// What is known of a MAC and an address together.
#[derive(Debug, Clone, Default)]
pub(super) struct Pair {
    /// Packets with this source address came from the MAC.
    sent: Option<Span>,
    /// The MAC owns the address, by the protocols that say so.
    owns: Vec<(&'static str, Span)>,
}

impl Pair {
    fn owned(&self) -> bool {
        !self.owns.is_empty()
    }

    fn span(&self) -> Option<Span> {
        self.owns.iter().map(|(_, s)| *s).chain(self.sent).reduce(Span::join)
    }
}

/// What is known of a MAC alone.
#[derive(Debug, Clone)]
struct MacState {
    span: Span,
    foreign: Samples,
    frames: BTreeSet<&'static str>,
}

/// Who a fact is about, where it comes from, and what it says.
pub(super) type FactKey = (Mac, Addr, &'static str, &'static str, Box<str>);

/// An address of a device.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub ip: Addr,
    pub span: Span,
    /// Protocols that say so; empty where only its packets do.
    pub sources: Vec<&'static str>,
}

/// A device as it came out.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub id: String,
    pub mac: Mac,
    pub ips: Vec<Owned>,
    pub span: Span,
    pub frames: Vec<&'static str>,
    /// Addresses from inside that the MAC forwards; `None` where it is no router.
    pub forwards: Option<usize>,
    /// Source, attribute, value.
    pub facts: Vec<(&'static str, &'static str, Box<str>)>,
    pub conflicts: Vec<String>,
    /// What its traffic shows it to be to others.
    pub roles: Vec<String>,
    /// Its entry of the inventory.
    pub entry: Option<usize>,
}

/// Devices of one network.
#[derive(Debug, Default)]
pub struct DeviceTable {
    network: Option<u32>,
    pairs: BTreeMap<(Addr, Mac), Pair>,
    macs: BTreeMap<Mac, MacState>,
    facts: BTreeMap<FactKey, Span>,
    dropped: u64,
    pub(super) room: Room,
    inventory: Option<Arc<Inventory>>,
    /// Entries of the inventory whose device was seen.
    inventory_seen: Vec<bool>,
    pub(super) devices: Vec<Device>,
    by_mac: HashMap<Mac, usize>,
    by_ip: HashMap<Addr, Vec<(usize, Span)>>,
}

/// What a virtual router's MAC stands for: VRRP (RFC 9568), HSRP version 1 and 2, GLBP.
pub fn virtual_router(mac: Mac) -> Option<&'static str> {
    match mac.0 {
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _] => Some("vrrp"),
        [0x00, 0x00, 0x0c, 0x07, 0xac, _] | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _] => Some("hsrp"),
        [0x00, 0x07, 0xb4, 0x00, _, _] => Some("glbp"),
        _ => None,
    }
}

/// Whether an address is link-local: 169.254.0.0/16 or fe80::/10.
fn is_link_local(ip: Addr) -> bool {
    match ip.as_v4() {
        Some(v4) => matches!(v4, [169, 254, ..]),
        None => matches!(ip.0, [0xfe, 0x80..=0xbf, ..]),
    }
}

/// The usual size of a link's network: the first 24 bits of IPv4, 64 of IPv6.
fn link_prefix(ip: Addr) -> [u8; 15] {
    let keep = if ip.is_v4() { 15 } else { 8 };
    let mut out = [0; 15];
    for (to, from) in out.iter_mut().zip(ip.0).take(keep) {
        *to = from;
    }
    out
}

/// Keeps the smallest keys where there are too many, so that what is kept does not depend on the
/// order of arrival. Says how many were dropped.
fn bound<K: Ord, V>(map: &mut BTreeMap<K, V>, max: usize) -> u64 {
    let mut dropped = 0;
    while map.len() > max {
        map.pop_last();
        dropped += 1;
    }
    dropped
}

/// What the claims say of one MAC.
#[derive(Debug, Default)]
struct View {
    /// Addresses that it owns, by a protocol that says so or because nobody forwards them.
    own: BTreeSet<Addr>,
    /// Addresses that it sends from without a sign of owning them.
    others: BTreeSet<Addr>,
    router: bool,
}

impl View {
    fn owns_family(&self, v4: bool) -> bool {
        self.own.iter().any(|ip| ip.is_v4() == v4 && !is_link_local(*ip))
    }

    /// Whether the MAC forwards for others.
    fn is_router(&self, mac: Mac, foreign: &[Addr]) -> bool {
        if virtual_router(mac).is_some() || foreign.iter().any(|ip| !self.own.contains(ip)) {
            return true;
        }
        let links: BTreeSet<_> = self.own.iter().map(|ip| link_prefix(*ip)).collect();
        let off_link =
            |v4: bool| self.others.iter().filter(|ip| ip.is_v4() == v4 && !links.contains(&link_prefix(**ip))).count();
        let (v4, v6) = (off_link(true), off_link(false));
        let v6_links = self.others.iter().filter(|ip| !ip.is_v4()).map(|ip| link_prefix(*ip)).collect::<BTreeSet<_>>();
        // A device that is known to own an address of one link has no business with one of another.
        // Where nothing is known to be its own it takes several; a host has many IPv6 addresses of
        // one prefix (RFC 8981), so there prefixes count.
        (self.owns_family(true) && v4 > 0)
            || v4 >= limits::ROUTER_ADDRESSES_MIN
            || (self.owns_family(false) && v6 > 0)
            || v6_links.len() >= limits::ROUTER_ADDRESSES_MIN
    }
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
        if !mac.is_zero() {
            let state = self.macs.entry(mac).or_insert_with(|| MacState {
                span,
                foreign: Samples::default(),
                frames: BTreeSet::new(),
            });
            state.span = state.span.join(span);
            match claim.kind {
                ClaimKind::Foreign => state.foreign.add(claim.ip),
                ClaimKind::Frame => _ = state.frames.insert(claim.source),
                _ => {}
            }
            self.dropped += bound(&mut self.macs, self.room.of(limits::DEVICES_MAX));
        }
        let address = !claim.ip.is_unspecified() && !claim.ip.is_multicast() && !claim.ip.is_loopback();
        match &claim.kind {
            ClaimKind::Sent if address => {
                let pair = self.pairs.entry((claim.ip, mac)).or_default();
                pair.sent = Some(pair.sent.map_or(span, |s| s.join(span)));
            }
            ClaimKind::Owns if address && !mac.is_zero() => {
                let pair = self.pairs.entry((claim.ip, mac)).or_default();
                match pair.owns.iter_mut().find(|(source, _)| *source == claim.source) {
                    Some((_, seen)) => *seen = seen.join(span),
                    None => {
                        pair.owns.push((claim.source, span));
                        pair.owns.sort_unstable_by_key(|(source, _)| *source);
                    }
                }
            }
            ClaimKind::Fact { attribute, value } if !value.is_empty() => {
                let key = (mac, claim.ip, claim.source, *attribute, value.clone());
                self.facts.entry(key).and_modify(|s| *s = s.join(span)).or_insert(span);
            }
            _ => {}
        }
        self.dropped += bound(&mut self.pairs, self.room.of(limits::DEVICE_PAIRS_MAX));
        self.dropped += bound(&mut self.facts, self.room.of(limits::DEVICE_FACTS_MAX));
    }

    /// Claims dropped since the last call, for [`crate::base::counters::Counters::claims_dropped`].
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Weighs all claims observed so far. May be called again after more of them.
    pub fn settle(&mut self) {
        self.devices.clear();
        self.by_mac.clear();
        self.by_ip.clear();
        let views = self.views();
        let assigned = self.assign(&views);
        self.mac_devices(&views, &assigned);
        self.address_devices(&assigned);
        for (index, device) in self.devices.iter().enumerate() {
            if !device.mac.is_zero() {
                self.by_mac.insert(device.mac, index);
            }
            for owned in &device.ips {
                let owners = self.by_ip.entry(owned.ip).or_default();
                if owners.len() < limits::ADDRESS_OWNERS_MAX {
                    owners.push((index, owned.span));
                }
            }
        }
        self.attach_facts();
        if let Some(list) = &self.inventory {
            self.inventory_seen = list.attach(&mut self.devices);
        }
    }

    /// What each MAC owns, what else it sends from, and whether it is a router.
    fn views(&self) -> BTreeMap<Mac, View> {
        let mut views: BTreeMap<Mac, View> = self.macs.keys().map(|mac| (*mac, View::default())).collect();
        for ((ip, mac), pair) in &self.pairs {
            let Some(view) = views.get_mut(mac) else { continue };
            let own = pair.owned() || (pair.sent.is_some() && is_link_local(*ip));
            if own { &mut view.own } else { &mut view.others }.insert(*ip);
        }
        for (mac, view) in &mut views {
            let foreign = self.macs.get(mac).map(|m| m.foreign).unwrap_or_default();
            view.router = view.is_router(*mac, foreign.list());
        }
        views
    }

    /// Which (address, MAC) pairs mean: this device has this address.
    fn assign(&self, views: &BTreeMap<Mac, View>) -> BTreeSet<(Addr, Mac)> {
        let router = |mac: &Mac| views.get(mac).is_some_and(|v| v.router);
        let own = |ip: &Addr, mac: &Mac| views.get(mac).is_some_and(|v| v.own.contains(ip));
        let owned: BTreeSet<Addr> = self.pairs.keys().filter(|(ip, mac)| own(ip, mac)).map(|(ip, _)| *ip).collect();
        let mut assigned = BTreeSet::new();
        for (ip, mac) in self.pairs.keys().filter(|(_, mac)| !mac.is_zero()) {
            let Some(view) = views.get(mac) else { continue };
            // Somebody else is known to own it: believe the packets only of a device that is not
            // known to own anything else.
            let plausible = !owned.contains(ip) || !view.owns_family(ip.is_v4());
            if view.own.contains(ip) || (!view.router && plausible) {
                assigned.insert((*ip, *mac));
            }
        }
        // A router whose own address never showed in ARP: an address of a link that hosts are
        // seen on directly cannot lie behind the router.
        let taken: BTreeSet<Addr> = assigned.iter().map(|(ip, _)| *ip).collect();
        let links: BTreeSet<_> = assigned
            .iter()
            .filter(|(ip, mac)| ip.is_v4() && !is_link_local(*ip) && !router(mac))
            .map(|(ip, _)| link_prefix(*ip))
            .collect();
        for (mac, view) in views.iter().filter(|(_, v)| v.router && !v.owns_family(true)) {
            let on_link: Vec<_> = (view.others.iter())
                .filter(|ip| ip.is_v4() && !taken.contains(*ip) && links.contains(&link_prefix(**ip)))
                .collect();
            if on_link.len() < limits::ROUTER_ADDRESSES_MIN {
                assigned.extend(on_link.into_iter().map(|ip| (*ip, *mac)));
            }
        }
        assigned
    }

    /// One device for each MAC.
    fn mac_devices(&mut self, views: &BTreeMap<Mac, View>, assigned: &BTreeSet<(Addr, Mac)>) {
        let mut owners: BTreeMap<Addr, Vec<(Mac, Span)>> = BTreeMap::new();
        let mut ips: BTreeMap<Mac, Vec<Owned>> = BTreeMap::new();
        for (ip, mac) in assigned {
            let Some((pair, span)) = self.pairs.get(&(*ip, *mac)).and_then(|p| Some((p, p.span()?))) else { continue };
            let sources = pair.owns.iter().map(|(source, _)| *source).collect();
            ips.entry(*mac).or_default().push(Owned { ip: *ip, span, sources });
            let all = owners.entry(*ip).or_default();
            if all.len() < limits::ADDRESS_OWNERS_MAX && virtual_router(*mac).is_none() {
                all.push((*mac, span));
            }
        }
        for (mac, state) in &self.macs {
            let Some(view) = views.get(mac) else { continue };
            let ips = ips.remove(mac).unwrap_or_default();
            let mut conflicts = Vec::new();
            for owned in &ips {
                if virtual_router(*mac).is_some() {
                    continue; // shares its address with the routers that take turns
                }
                for (other, span) in owners.get(&owned.ip).map(Vec::as_slice).unwrap_or_default() {
                    if other != mac && span.overlaps(owned.span) {
                        conflicts.push(format!("{}: also claimed by {other} at the same time", owned.ip));
                    }
                }
            }
            let forwarded: Vec<_> = view.others.iter().filter(|ip| !assigned.contains(&(**ip, *mac))).collect();
            if !view.router {
                for ip in &forwarded {
                    conflicts.push(format!("{ip}: packets come from this MAC, and another device owns the address"));
                }
            }
            conflicts.truncate(limits::LIST_ITEMS_MAX);
            self.devices.push(Device {
                id: self.network.map_or_else(|| mac.to_string(), |n| format!("{mac}@{n}")),
                mac: *mac,
                ips,
                span: state.span,
                frames: state.frames.iter().copied().collect(),
                forwards: view.router.then_some(forwarded.len()),
                facts: Vec::new(),
                conflicts,
                roles: Vec::new(),
                entry: None,
            });
        }
    }

    /// One device for each address that no MAC stands for.
    fn address_devices(&mut self, assigned: &BTreeSet<(Addr, Mac)>) {
        let mut spans: BTreeMap<Addr, Option<Span>> = BTreeMap::new();
        for ((ip, mac), pair) in &self.pairs {
            let Some(span) = pair.span() else { continue };
            let entry = spans.entry(*ip).or_insert(Some(span));
            *entry = if assigned.contains(&(*ip, *mac)) { None } else { entry.map(|s| s.join(span)) };
        }
        // A pair met before the one that settles the address must not bring it back.
        let owned: BTreeSet<Addr> = assigned.iter().map(|(ip, _)| *ip).collect();
        for (ip, span) in spans {
            let Some(span) = span.filter(|_| !owned.contains(&ip)) else { continue };
            if self.devices.len() >= self.room.of(limits::DEVICES_MAX) {
                self.dropped += 1;
                continue;
            }
            self.devices.push(Device {
                id: self.network.map_or_else(|| ip.to_string(), |n| format!("{ip}@{n}")),
                mac: Mac::ZERO,
                ips: vec![Owned { ip, span, sources: Vec::new() }],
                span,
                frames: Vec::new(),
                forwards: None,
                facts: Vec::new(),
                conflicts: Vec::new(),
                roles: Vec::new(),
                entry: None,
            });
        }
    }

    /// Gives each fact to the device that it is about.
    fn attach_facts(&mut self) {
        for ((mac, ip, source, attribute, value), span) in &self.facts {
            let Some(index) = self.find(*mac, *ip, span.first) else { continue };
            let Some(device) = self.devices.get_mut(index) else { continue };
            let fact = (*source, *attribute, value.clone());
            if !device.facts.contains(&fact) && device.facts.len() < limits::LIST_ITEMS_MAX {
                device.facts.push(fact);
            }
        }
    }

    /// All facts, in the order of their keys.
    pub(super) fn facts(&self) -> impl Iterator<Item = (&FactKey, &Span)> {
        self.facts.iter()
    }

    pub(super) fn find(&self, mac: Mac, ip: Addr, ts: Timestamp) -> Option<usize> {
        let by_mac = self.by_mac.get(&mac).copied();
        let owners = self.by_ip.get(&ip).map(Vec::as_slice).unwrap_or_default();
        if let Some(index) = by_mac {
            let router = self.devices.get(index).is_some_and(|d| d.forwards.is_some());
            if !router || ip.is_unspecified() || owners.iter().any(|(owner, _)| *owner == index) {
                return Some(index);
            }
        }
        // Several owners one after the other: the one of that time.
        owners.iter().min_by_key(|(index, span)| (span.distance(ts), *index)).map(|(index, _)| *index)
    }

    /// The device behind a MAC and an address at a time; `None` for what is not on this network.
    /// Either may be missing (zeros, unspecified). Valid after [`DeviceTable::settle`].
    pub fn device_of(&self, mac: Mac, ip: Addr, ts: Timestamp) -> Option<&str> {
        self.find(mac, ip, ts).and_then(|i| self.devices.get(i)).map(|d| d.id.as_str())
    }

    /// The device of a MAC.
    pub(super) fn of_mac(&self, mac: Mac) -> Option<usize> {
        self.by_mac.get(&mac).copied()
    }

    /// Whether a MAC sends from outside addresses that no protocol says it owns.
    pub(super) fn forwards_outside(&self, mac: Mac) -> bool {
        let owns = |ip: Addr| self.pairs.get(&(ip, mac)).is_some_and(Pair::owned);
        self.macs.get(&mac).is_some_and(|state| state.foreign.list().iter().any(|ip| !owns(*ip)))
    }

    /// Devices after [`DeviceTable::settle`].
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
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
        Claim { kind: ClaimKind::Foreign, ..sent(mac, a, 1, 1) }
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
}

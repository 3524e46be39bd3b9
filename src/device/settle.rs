//! Weighing claims: which devices there are, and which addresses are theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Device, DeviceTable, MacState, Owned, virtual_router};
use super::times::Times;
use crate::base::{Addr, Mac, limits};

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

/// What the claims say of one MAC.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Addresses that it owns, by a protocol that says so or because nobody forwards them.
    own: BTreeSet<Addr>,
    /// Addresses that it sends from without a sign of owning them.
    others: BTreeSet<Addr>,
    router: bool,
    /// Whether it forwards for the outside.
    outside: bool,
}

/// Whether an address is a unique local one (RFC 4193): a host has it besides another one.
fn is_unique_local(ip: Addr) -> bool {
    !ip.is_v4() && matches!(ip.0, [0xfc | 0xfd, ..])
}

impl View {
    fn owns_family(&self, v4: bool) -> bool {
        self.own.iter().any(|ip| ip.is_v4() == v4 && !is_link_local(*ip))
    }

    /// Whether the MAC forwards addresses of a family from outside. `says_so`: it says that it is a router.
    fn forwards_outside(&self, state: &MacState, v4: bool, says_so: bool) -> bool {
        let Some(outside) = state.outside(v4) else { return false };
        // A second address of a link that it has an address of may be its own.
        let links: BTreeSet<_> = self.own.iter().filter(|ip| !is_link_local(**ip)).map(|ip| link_prefix(*ip)).collect();
        let not_own = |ips: &[Addr]| ips.iter().filter(|ip| !links.contains(&link_prefix(**ip))).count();
        let (answered, unicast) = (not_own(outside.answered.list()), not_own(outside.unicast.list()));
        let of_family = |ip: &&Addr| ip.is_v4() == v4 && !is_link_local(**ip) && !is_unique_local(**ip);
        // Of IPv4 a host sends from what somebody else owns, or from one address. Of IPv6 it may have several.
        let has_own = self.own.iter().any(|ip| of_family(&ip)) || (v4 && self.others.iter().any(|ip| ip.is_v4()));
        answered >= 2 || (answered > 0 && has_own) || unicast >= limits::FOREIGN_SAMPLES_MAX || (says_so && unicast > 0)
    }

    /// The only address of a family from outside that it sends from, where it has no other one.
    fn only_outside(&self, state: &MacState, v4: bool) -> Option<Addr> {
        let others = self.others.iter().any(|ip| ip.is_v4() == v4);
        match state.outside(v4)?.all.list() {
            [one] if !self.router && !others && !self.owns_family(v4) => Some(*one),
            _ => None,
        }
    }

    /// Whether the MAC forwards for others.
    fn is_router(&self, mac: Mac) -> bool {
        if virtual_router(mac).is_some() || self.outside {
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

/// Which (address, MAC) pairs mean: this device has this address.
pub(super) type Assigned = BTreeSet<(Addr, Mac)>;

impl DeviceTable {
    /// What each MAC owns, what else it sends from, and whether it is a router.
    pub(super) fn views(&self) -> BTreeMap<Mac, View> {
        let mut views: BTreeMap<Mac, View> = self.macs.keys().map(|mac| (*mac, View::default())).collect();
        for ((ip, mac), pair) in &self.pairs {
            let Some(view) = views.get_mut(mac) else { continue };
            let own = pair.owned() || (pair.sent && is_link_local(*ip));
            if own { &mut view.own } else { &mut view.others }.insert(*ip);
        }
        // Who has an address from outside, or forwards it: where two do, it cannot be told which.
        let mut senders: BTreeMap<Addr, usize> = BTreeMap::new();
        for (mac, view) in &mut views {
            let Some(state) = self.macs.get(mac) else { continue };
            let says_so = self.says_router(*mac);
            view.outside = [true, false].into_iter().any(|v4| view.forwards_outside(state, v4, says_so));
            // What was written out of those behind it was behind it.
            view.router = state.forwarded > 0 || state.router || view.is_router(*mac);
            for outside in state.outside.iter().flatten() {
                outside.all.list().iter().for_each(|ip| *senders.entry(*ip).or_default() += 1);
            }
        }
        for (mac, view) in &mut views {
            let Some(state) = self.macs.get(mac) else { continue };
            let only = [true, false].into_iter().filter_map(|v4| view.only_outside(state, v4));
            let own: Vec<_> = only.filter(|ip| senders.get(ip) == Some(&1) && !self.is_owned(*ip)).collect();
            view.own.extend(own);
        }
        views
    }

    /// Whether a MAC says of itself, or is said by DHCP, to be a router.
    fn says_router(&self, mac: Mac) -> bool {
        let facts = self.facts.range((mac, Addr::UNSPECIFIED)..).take_while(|((m, _), _)| *m == mac);
        facts
            .flat_map(|(_, facts)| facts.keys())
            .any(|(source, attribute, _)| matches!((*source, *attribute), ("ndp", "router") | ("dhcp", "gateway")))
    }

    /// Whether a protocol says of a MAC that it owns the address.
    fn is_owned(&self, ip: Addr) -> bool {
        self.pairs.range((ip, Mac::ZERO)..=(ip, Mac::BROADCAST)).any(|(_, pair)| pair.owned())
    }

    /// Which addresses are whose.
    pub(super) fn assign(&self, views: &BTreeMap<Mac, View>) -> Assigned {
        let router = |mac: &Mac| views.get(mac).is_some_and(|v| v.router);
        let own = |ip: &Addr, mac: &Mac| views.get(mac).is_some_and(|v| v.own.contains(ip));
        let owned: BTreeSet<Addr> = self.pairs.keys().filter(|(ip, mac)| own(ip, mac)).map(|(ip, _)| *ip).collect();
        let mut assigned = BTreeSet::new();
        // An address from outside that is the device's own has no pair.
        assigned.extend(views.iter().flat_map(|(mac, view)| view.own.iter().map(|ip| (*ip, *mac))));
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
    pub(super) fn mac_devices(&mut self, views: &BTreeMap<Mac, View>, assigned: &Assigned) {
        let mut owners: BTreeMap<Addr, Vec<(Mac, &Times)>> = BTreeMap::new();
        let mut ips: BTreeMap<Mac, Vec<Owned>> = BTreeMap::new();
        for (ip, mac) in assigned {
            let pair = self.pairs.get(&(*ip, *mac));
            let outside = || self.macs.get(mac).and_then(|state| state.outside(ip.is_v4())).map(|o| &o.times);
            let Some(times) = pair.map(|pair| &pair.times).or_else(outside) else { continue };
            let sources = pair.map(|pair| pair.owns.clone()).unwrap_or_default();
            ips.entry(*mac).or_default().push(Owned { ip: *ip, times: times.clone(), sources });
            let all = owners.entry(*ip).or_default();
            if all.len() < limits::ADDRESS_OWNERS_MAX && virtual_router(*mac).is_none() {
                all.push((*mac, times));
            }
        }
        // What belongs to a virtual router is shared by those that take turns.
        let shared: BTreeSet<Addr> =
            assigned.iter().filter(|(_, mac)| virtual_router(*mac).is_some()).map(|(ip, _)| *ip).collect();
        for (mac, state) in &self.macs {
            let (Some(view), Some(span)) = (views.get(mac), state.times.span()) else { continue };
            let ips = ips.remove(mac).unwrap_or_default();
            let mut conflicts = Vec::new();
            for owned in ips.iter().filter(|owned| !shared.contains(&owned.ip)) {
                for (other, times) in owners.get(&owned.ip).map(Vec::as_slice).unwrap_or_default() {
                    if other != mac && times.overlaps(&owned.times) {
                        conflicts.push(format!("{}: also claimed by {other} at the same time", owned.ip));
                    }
                }
            }
            let forwarded: Vec<_> = view.others.iter().filter(|ip| !assigned.contains(&(**ip, *mac))).collect();
            if !view.router {
                for ip in forwarded.iter().filter(|ip| !shared.contains(**ip)) {
                    conflicts.push(format!("{ip}: packets come from this MAC, and another device owns the address"));
                }
            }
            conflicts.truncate(limits::LIST_ITEMS_MAX);
            self.devices.push(Device {
                roles: Vec::new(),
                entry: None,
                id: self.id_of(mac),
                mac: *mac,
                others: Vec::new(),
                ips,
                span,
                frames: state.frames.iter().copied().collect(),
                forwards: view.router.then_some(forwarded.len() + state.forwarded),
                outside: view.outside,
                facts: Vec::new(),
                conflicts,
            });
        }
    }

    /// One device for each address that no MAC stands for.
    pub(super) fn address_devices(&mut self, assigned: &Assigned) {
        let owned: BTreeSet<Addr> = assigned.iter().map(|(ip, _)| *ip).collect();
        let mut found: BTreeMap<Addr, Times> = BTreeMap::new();
        for ((ip, _), pair) in self.pairs.iter().filter(|((ip, _), _)| !owned.contains(ip)) {
            found.entry(*ip).or_default().join(&pair.times);
        }
        for (ip, times) in found {
            let Some(span) = times.span() else { continue };
            self.devices.push(Device {
                roles: Vec::new(),
                entry: None,
                id: self.id_of(&ip),
                mac: Mac::ZERO,
                others: Vec::new(),
                ips: vec![Owned { ip, times, sources: Vec::new() }],
                span,
                frames: Vec::new(),
                forwards: None,
                outside: false,
                facts: Vec::new(),
                conflicts: Vec::new(),
            });
        }
    }

    /// Makes the devices findable by their MACs and addresses.
    pub(super) fn index(&mut self) {
        self.by_mac.clear();
        self.by_ip.clear();
        for (index, device) in self.devices.iter().enumerate() {
            let macs = device.others.iter().filter(|mac| virtual_router(**mac).is_none()).chain([&device.mac]);
            self.by_mac.extend(macs.filter(|mac| !mac.is_zero()).map(|mac| (*mac, index)));
            for (nth, owned) in device.ips.iter().enumerate() {
                let owners = self.by_ip.entry(owned.ip).or_default();
                if owners.len() < limits::ADDRESS_OWNERS_MAX {
                    owners.push((index, nth));
                }
            }
        }
    }

    /// Gives each fact to the device that it is about.
    pub(super) fn attach_facts(&mut self) {
        for ((mac, ip), facts) in &self.facts {
            for (fact, span) in facts {
                let (first, last) = self.about(*mac, *ip, *span);
                for index in first.into_iter().chain(last) {
                    let Some(device) = self.devices.get_mut(index) else { continue };
                    if device.facts.len() < limits::DEVICE_FACTS_MAX && !device.facts.contains(fact) {
                        device.facts.push(fact.clone());
                    }
                }
            }
        }
    }
}

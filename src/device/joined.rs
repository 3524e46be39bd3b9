//! Several MACs that are one device, and one MAC that is several.
//!
//! - The MAC of a virtual router (VRRP and CARP, HSRP, GLBP) is none of a device of its own: it belongs to the
//!   routers that stood for it, each in its time. They are known by what they announce: the source address
//!   is their own (RFC 9568, section 5.1.1.2), whatever MAC the frame comes from. Only where none of them
//!   is known does the MAC have a row.
//! - Handsets take random MACs (IEEE 802c: the locally administered bit). Two MACs are one device if both
//!   state something that no second device has: a DHCP unique identifier (RFC 8415, section 11; RFC 4361),
//!   a client identifier (RFC 2132, section 9.14) of some length that is no hardware address, or a host
//!   name with a number of 40 bits or more in it. At most one of them may be a MAC that its maker gave, and
//!   no two may have been there at the same time: then they are two devices, whatever they say. What more than
//!   [`limits::HANDSET_MACS_MAX`] state proves nothing of any of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::table::{Device, DeviceTable, Owned, virtual_router};
use super::times::Times;
use crate::base::{Addr, Mac, limits};

/// What a router states that stands for a virtual one, by the protocol that is the source of the claim.
pub const ANNOUNCES: &str = "announces";
/// The block that virtual machines of QEMU and KVM take: local, but nobody roams with it.
const QEMU: [u8; 3] = [0x52, 0x54, 0x00];
/// Likewise those of OpenStack and of oVirt.
const OPENSTACK: [u8; 3] = [0xfa, 0x16, 0x3e];
const OVIRT: [u8; 3] = [0x56, 0x6f, 0x1a];
/// Likewise containers of Docker, with their IPv4 address behind it.
const CONTAINER: [u8; 2] = [0x02, 0x42];
/// Blocks in the registry of holders that make real interfaces as well, or that its name does not tell.
const HYPER_V: [u8; 3] = [0x00, 0x15, 0x5d];
const PROXMOX: [u8; 3] = [0xbc, 0x24, 0x11];

/// What makes the virtual interfaces of a block, where the registry does not say so.
pub(super) fn virtual_machine(mac: Mac) -> Option<&'static str> {
    let [a, b, c, d, ..] = mac.0;
    match [a, b, c] {
        QEMU => Some("qemu"),
        OPENSTACK => Some("openstack"),
        OVIRT => Some("ovirt"),
        HYPER_V => Some("hyper-v"),
        PROXMOX => Some("proxmox"),
        _ if [a, b] == CONTAINER && matches!((c, d), (10, _) | (172, 16..=31) | (192, 168)) => Some("docker"),
        _ => None,
    }
}

/// Whether a MAC may be one of many that a handset takes.
fn is_random(mac: Mac) -> bool {
    mac.is_local() && virtual_machine(mac).is_none() && !mac.0.starts_with(&CONTAINER)
}

/// Whether what a device states is its alone.
fn is_unique(attribute: &str, value: &str) -> bool {
    match attribute {
        // One that only wraps a MAC (types 1 and 3) tells one device all the same: it is kept when the MAC changes.
        "duid" => value.len() >= 2 * limits::UNIQUE_CLIENT_ID_BYTES_MIN,
        "client-id" => value.len() >= 2 * limits::UNIQUE_CLIENT_ID_BYTES_MIN,
        "hostname" => {
            let runs = value.split(|c: char| !c.is_ascii_hexdigit());
            runs.filter(|run| run.bytes().any(|b| b.is_ascii_digit()))
                .any(|run| run.len() >= limits::UNIQUE_NAME_DIGITS_MIN)
        }
        _ => false,
    }
}

impl DeviceTable {
    /// Gives the MACs of virtual routers to the routers that stood for them.
    pub(super) fn stand_in(&mut self) {
        let stood = self.who_stood();
        if stood.is_empty() {
            return;
        }
        let virtual_macs: BTreeSet<Mac> = stood.keys().map(|(mac, _)| *mac).collect();
        let members: BTreeSet<Addr> = stood.values().flat_map(|(_, own)| own).copied().collect();
        // What they forwarded besides the announcements.
        let mut forwarded: HashMap<Mac, usize> = HashMap::new();
        for ((ip, mac), pair) in self.pairs.iter().filter(|((_, mac), _)| virtual_macs.contains(mac)) {
            if !pair.owned() && !members.contains(ip) {
                *forwarded.entry(*mac).or_default() += 1;
            }
        }
        let mut gone: HashMap<Mac, Device> = HashMap::new();
        let mut stays = Vec::with_capacity(self.devices.len());
        for device in std::mem::take(&mut self.devices) {
            if virtual_macs.contains(&device.mac) {
                gone.insert(device.mac, device);
            } else {
                stays.push(device);
            }
        }
        let at: HashMap<String, usize> = stays.iter().enumerate().map(|(i, d)| (d.id.clone(), i)).collect();
        let mut absorbed = BTreeSet::new();
        for ((mac, id), (times, own)) in &stood {
            let (Some(index), Some(virtual_one)) = (at.get(id).copied(), gone.get(mac)) else { continue };
            // The addresses that it announced from, where no frame of its own MAC has told them.
            let own: Vec<_> = own
                .iter()
                .filter_map(|ip| at.get(&self.id_of(ip)).copied().filter(|other| *other != index))
                .filter_map(|other| stays.get(other).cloned().map(|device| (other, device)))
                .collect();
            let Some(device) = stays.get_mut(index) else { continue };
            device.others.push(*mac);
            for owned in &virtual_one.ips {
                add_address(device, Owned { times: times.clone(), ..owned.clone() });
            }
            for (other, from) in own {
                absorbed.insert(other);
                from.ips.into_iter().for_each(|owned| add_address(device, owned));
                device.span = device.span.join(from.span);
            }
            let others = forwarded.get(mac).copied().unwrap_or_default();
            // Nobody but a router sends from that MAC; but what goes to groups may be its own.
            let outside = |v4| self.macs.get(mac).and_then(|s| s.outside(v4)).is_some_and(|o| !o.unicast.is_empty());
            let outside = outside(true) || outside(false);
            if others > 0 || outside {
                device.forwards = device.forwards.max(Some(others));
                device.outside |= outside;
            }
            device.span = times.span().map_or(device.span, |span| device.span.join(span));
            self.stood.entry(*mac).or_default().push((index, times.clone()));
        }
        let mut place = HashMap::new();
        for (old, device) in stays.into_iter().enumerate().filter(|(old, _)| !absorbed.contains(old)) {
            place.insert(old, self.devices.len());
            self.devices.push(device);
        }
        self.moved(&place);
    }

    /// Which devices stood for each virtual MAC: when, and from which addresses they said so.
    fn who_stood(&self) -> BTreeMap<(Mac, String), (Times, BTreeSet<Addr>)> {
        let mut stood: BTreeMap<(Mac, String), (Times, BTreeSet<Addr>)> = BTreeMap::new();
        let is_real = |d: &Device| !d.mac.is_zero() && virtual_router(d.mac).is_none();
        let holders = |ip: &Addr| self.by_ip.get(ip).into_iter().flatten().filter_map(|(i, _)| self.devices.get(*i));
        for ((ip, mac), pair) in self.pairs.iter().filter(|((_, mac), _)| virtual_router(*mac).is_some()) {
            let own = self.by_mac.get(mac).and_then(|i| self.devices.get(*i));
            let said = self.facts.get(&(*mac, *ip)).is_some_and(|facts| facts.keys().any(|(_, a, _)| *a == ANNOUNCES));
            if pair.owned() || own.is_none() || !said {
                continue;
            }
            let mut routers: Vec<&Device> = holders(ip).filter(|d| is_real(d)).collect();
            if routers.is_empty() {
                // Nobody told whose the address is. Whose MAC sends from the virtual address meanwhile?
                let shared = own.into_iter().flat_map(|d| &d.ips).take(limits::ADDRESS_OWNERS_MAX);
                let senders =
                    shared.flat_map(|owned| self.pairs.range((owned.ip, Mac::ZERO)..=(owned.ip, Mac::BROADCAST)));
                let senders = senders.filter(|((_, m), sent)| m != mac && sent.times.overlaps(&pair.times));
                let found: BTreeSet<Mac> =
                    senders.map(|((_, m), _)| *m).filter(|m| virtual_router(*m).is_none()).collect();
                routers.extend(found.iter().filter_map(|m| self.by_mac.get(m)).filter_map(|i| self.devices.get(*i)));
                routers.truncate(if routers.len() == 1 { 1 } else { 0 });
            }
            if routers.is_empty() {
                // The address itself is all that is known of the router.
                routers.extend(holders(ip).filter(|d| d.mac.is_zero()));
            }
            for router in routers {
                let (times, own) = stood.entry((*mac, router.id.clone())).or_default();
                times.join(&pair.times);
                own.insert(*ip);
            }
        }
        stood
    }

    /// Devices have other places: finds them there.
    fn moved(&mut self, place: &HashMap<usize, usize>) {
        for (index, _) in self.stood.values_mut().flatten() {
            *index = place.get(index).copied().unwrap_or(*index);
        }
        self.index();
    }

    /// Makes one device of the random MACs that are proved to be one handset's.
    pub(super) fn join_handsets(&mut self) {
        let mut said: BTreeMap<(&str, &Arc<str>), Vec<usize>> = BTreeMap::new();
        for (index, device) in self.devices.iter().enumerate().filter(|(_, d)| !d.mac.is_zero() && d.forwards.is_none())
        {
            for (_, attribute, value) in device.facts.iter().filter(|(_, a, v)| is_unique(a, v)) {
                let all = said.entry((attribute, value)).or_default();
                if all.last() != Some(&index) {
                    all.push(index);
                }
            }
        }
        // Each device points to one with a smaller number that it is the same as; itself if there is none.
        let mut same: Vec<usize> = (0..self.devices.len()).collect();
        for all in said.values().filter(|all| all.len() > 1 && self.may_be_one(all)) {
            let roots: Vec<usize> = all.iter().map(|i| root(&mut same, *i)).collect();
            let least = roots.iter().copied().min().unwrap_or_default();
            for r in roots {
                if let Some(slot) = same.get_mut(r) {
                    *slot = least;
                }
            }
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in 0..same.len() {
            let root = root(&mut same, index);
            if root != index {
                groups.entry(root).or_insert_with(|| vec![root]).push(index);
            }
        }
        groups.retain(|_, all| all.len() > 1 && self.may_be_one(all));
        if groups.is_empty() {
            return;
        }
        let mut gone: BTreeMap<usize, usize> = BTreeMap::new();
        for all in groups.values() {
            // The MAC that its maker gave names the device, else the one that was there first.
            let rank = |i: &usize| self.devices.get(*i).map(|d| (is_random(d.mac), d.span.first, d.mac));
            let Some(stays) = all.iter().copied().min_by_key(rank) else { continue };
            gone.extend(all.iter().filter(|i| **i != stays).map(|i| (*i, stays)));
        }
        let mut taken: Vec<Option<Device>> = std::mem::take(&mut self.devices).into_iter().map(Some).collect();
        for (from, to) in &gone {
            let from = taken.get_mut(*from).and_then(Option::take);
            if let (Some(from), Some(Some(to))) = (from, taken.get_mut(*to)) {
                absorb(to, from);
            }
        }
        let mut place = HashMap::new();
        for (old, device) in taken.into_iter().enumerate() {
            if let Some(device) = device {
                place.insert(old, self.devices.len());
                self.devices.push(device);
            }
        }
        self.moved(&place);
    }

    /// Whether several MACs may be one handset's: few, at most one that its maker gave, no two at a time.
    fn may_be_one(&self, all: &[usize]) -> bool {
        if all.len() > limits::HANDSET_MACS_MAX {
            return false;
        }
        let macs: Vec<Mac> = all.iter().filter_map(|i| self.devices.get(*i)).map(|d| d.mac).collect();
        if macs.iter().filter(|mac| !is_random(**mac)).count() > 1 {
            return false;
        }
        let mut spans: Vec<_> =
            macs.iter().filter_map(|mac| self.macs.get(mac)).flat_map(|state| state.times.spans()).collect();
        spans.sort_unstable_by_key(|span| (span.first, span.last));
        spans.windows(2).all(|two| match two {
            [a, b] => !a.overlaps(**b),
            _ => true,
        })
    }
}

/// The smallest of those that are the same. The way there is halved for the next time.
fn root(same: &mut [usize], mut index: usize) -> usize {
    // A pointer goes to a smaller number, so this ends.
    while let Some(next) = same.get(index).copied().filter(|next| *next < index) {
        let after = same.get(next).copied().unwrap_or(next);
        if let Some(slot) = same.get_mut(index) {
            *slot = after;
        }
        index = next;
    }
    index
}

fn add_address(device: &mut Device, owned: Owned) {
    match device.ips.binary_search_by_key(&owned.ip, |o| o.ip) {
        Ok(at) => {
            if let Some(known) = device.ips.get_mut(at) {
                known.times.join(&owned.times);
                known.sources.extend(owned.sources);
                known.sources.sort_unstable();
                known.sources.dedup();
            }
        }
        Err(at) => device.ips.insert(at, owned),
    }
}

/// Makes one device of two.
fn absorb(to: &mut Device, from: Device) {
    to.others.push(from.mac);
    to.others.extend(from.others);
    to.others.sort_unstable();
    from.ips.into_iter().for_each(|owned| add_address(to, owned));
    to.span = to.span.join(from.span);
    to.frames.extend(from.frames);
    to.frames.sort_unstable();
    to.frames.dedup();
    to.facts.extend(from.facts);
    to.facts.sort_unstable();
    to.facts.dedup();
    to.facts.truncate(limits::DEVICE_FACTS_MAX);
    to.conflicts.extend(from.conflicts);
    to.conflicts.truncate(limits::LIST_ITEMS_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::device::{Claim, ClaimKind};

    const ONE: Mac = Mac([0xda, 0xa1, 0x19, 0, 0, 1]);
    const TWO: Mac = Mac([0x6e, 0x2b, 0x90, 0, 0, 2]);
    const GIVEN: Mac = Mac([0x54, 0xbf, 0x64, 0, 0, 3]);
    const VRRP: Mac = Mac([0, 0, 0x5e, 0, 1, 7]);
    const MINUTE: i64 = 60_000_000_000;
    const DUID: &str = "00045a3c1e0060444100800000000000";

    fn sent(mac: Mac, ip: &str, from: i64, to: i64) -> Claim {
        let (first, last) = (Timestamp(from * MINUTE), Timestamp(to * MINUTE));
        Claim { mac, ip: ip.parse().unwrap(), source: "flow", kind: ClaimKind::Sent, first, last }
    }

    fn says(mac: Mac, attribute: &'static str, value: &str, at: i64) -> Claim {
        let ts = Timestamp(at * MINUTE);
        Claim::fact("dhcp", mac, Addr::UNSPECIFIED, attribute, value.as_bytes(), ts)
    }

    fn arp(mac: Mac, ip: &str, at: i64) -> Claim {
        Claim::owns("arp", mac, ip.parse().unwrap(), Timestamp(at * MINUTE))
    }

    /// The virtual MAC, announced from an address.
    fn announced(ip: &str, from: i64, to: i64) -> Vec<Claim> {
        let at =
            |ts| Claim::fact("vrrp", VRRP, ip.parse().unwrap(), ANNOUNCES, b"virtual router", Timestamp(ts * MINUTE));
        vec![sent(VRRP, ip, from, to), at(from), at(to)]
    }

    type Row = (String, Vec<Mac>, Vec<String>);

    /// MACs and addresses of each device, whatever the order of the claims.
    fn settle(claims: &[Claim]) -> (DeviceTable, Vec<Row>) {
        let of = |order: &mut dyn Iterator<Item = &Claim>| {
            let mut t = DeviceTable::default();
            order.for_each(|c| t.observe(c));
            t.settle();
            let ips = |d: &Device| d.ips.iter().map(|o| o.ip.to_string()).collect();
            let rows = t.devices.iter().map(|d| (d.id.clone(), d.others.clone(), ips(d))).collect();
            (t, rows)
        };
        let (t, rows): (_, Vec<_>) = of(&mut claims.iter());
        assert_eq!(rows, of(&mut claims.iter().rev()).1);
        (t, rows)
    }

    #[test]
    fn random_macs_are_one_handset_on_proof_only() {
        let both = |attribute, value| {
            let claims = [
                sent(ONE, "10.0.0.5", 0, 3),
                says(ONE, attribute, value, 0),
                sent(TWO, "10.0.0.6", 10, 12),
                says(TWO, attribute, value, 10),
            ];
            settle(&claims).1
        };
        for (attribute, value) in [("duid", DUID), ("client-id", DUID), ("hostname", "android-9f31c2a47b60d1e5")] {
            let want = (ONE.to_string(), vec![TWO], vec!["10.0.0.5".to_owned(), "10.0.0.6".to_owned()]);
            assert_eq!(both(attribute, value), [want], "{attribute}");
        }
        let proves_nothing =
            [("hostname", "Pixel-8"), ("hostname", "Annas-iPhone"), ("client-id", "0001"), ("vendor-class", DUID)];
        for (attribute, value) in proves_nothing {
            assert_eq!(both(attribute, value).len(), 2, "{attribute} {value}");
        }
    }

    #[test]
    fn two_at_the_same_time_are_two() {
        let claims = [
            sent(ONE, "10.0.0.5", 0, 11),
            says(ONE, "duid", DUID, 0),
            sent(TWO, "10.0.0.6", 10, 12),
            says(TWO, "duid", DUID, 10),
        ];
        assert_eq!(settle(&claims).1.len(), 2);
        // And back again: one after the other all the same.
        let claims = [
            sent(ONE, "10.0.0.5", 0, 3),
            says(ONE, "duid", DUID, 0),
            sent(TWO, "10.0.0.6", 10, 12),
            says(TWO, "duid", DUID, 10),
            sent(ONE, "10.0.0.5", 30, 31),
        ];
        let (t, rows) = settle(&claims);
        assert_eq!(rows.len(), 1);
        for mac in [ONE, TWO] {
            assert_eq!(t.device_of(mac, Addr::UNSPECIFIED, Timestamp(0)), Some(&*ONE.to_string()));
        }
    }

    #[test]
    fn a_mac_of_its_maker_names_the_device_and_two_such_are_never_one() {
        let other = Mac([0x54, 0xbf, 0x64, 0, 0, 4]);
        let host = |mac, ip: &str, at| [sent(mac, ip, at, at + 1), says(mac, "duid", DUID, at)];
        let claims = [host(ONE, "10.0.0.5", 0), host(GIVEN, "10.0.0.6", 10)].concat();
        assert_eq!(settle(&claims).1[0].0, GIVEN.to_string());
        let claims = [claims, host(other, "10.0.0.7", 20).to_vec()].concat();
        assert_eq!(settle(&claims).1.len(), 3, "a dock that goes round, or an image that was copied");
        for [a, b, c] in [QEMU, OPENSTACK, OVIRT] {
            let machine = Mac([a, b, c, 1, 2, 3]);
            let claims = [host(machine, "10.0.0.8", 0), host(GIVEN, "10.0.0.6", 10)].concat();
            assert_eq!(settle(&claims).1.len(), 2, "virtual machines do not roam");
        }
    }

    /// Random MACs, each of which shares a client identifier with the next one, the last first.
    fn chain(many: u32) -> DeviceTable {
        let mut t = DeviceTable::default();
        for n in 0..many {
            let [_, b, c, d] = n.to_be_bytes();
            let mac = Mac([0x02, 0x1b, 0, b, c, d]);
            for said in [many - n, many - n - 1] {
                t.observe(&says(mac, "client-id", &format!("ff4142434445464748494a4b4c{said:08x}"), i64::from(n) * 5));
            }
        }
        t.settle();
        t
    }

    #[test]
    fn a_handset_has_few_macs_and_many_cost_no_more_than_their_number() {
        let few = limits::HANDSET_MACS_MAX as u32;
        assert_eq!(chain(few).devices.len(), 1);
        assert_eq!(chain(few + 1).devices.len() as u32, few + 1, "none is joined");
        assert_eq!(chain(5_000).devices.len(), 5_000);
        // All say the same.
        let claims: Vec<_> =
            (0..=few as u8).map(|n| says(Mac([2, 0x1b, 0, 0, 0, n]), "duid", DUID, 5 * i64::from(n))).collect();
        assert_eq!(settle(&claims).1.len() as u32, few + 1);
        assert_eq!(settle(&claims[1..]).1.len(), 1);
        // However the pointers lie, each is followed few times.
        let mut same: Vec<usize> = (0..100_000usize).map(|n| n.saturating_sub(1)).collect();
        for n in (0..100_000).rev() {
            assert_eq!(root(&mut same, n), 0);
        }
    }

    #[test]
    fn the_mac_of_a_virtual_router_is_that_of_the_pair() {
        let (a, b) = (GIVEN, Mac([0x54, 0xbf, 0x64, 0, 0, 4]));
        let claims = [
            arp(a, "10.0.0.2", 0),
            arp(b, "10.0.0.3", 0),
            arp(VRRP, "10.0.0.1", 1),
            Claim::fact("port", VRRP, "10.0.0.1".parse().unwrap(), "served", b"22/tcp", Timestamp(35 * MINUTE)),
        ];
        let claims = [&claims[..], &announced("10.0.0.2", 1, 20), &announced("10.0.0.3", 30, 40)].concat();
        let (t, rows) = settle(&claims);
        let ips = |own: &str| vec!["10.0.0.1".to_owned(), own.to_owned()];
        let want = [(a.to_string(), vec![VRRP], ips("10.0.0.2")), (b.to_string(), vec![VRRP], ips("10.0.0.3"))];
        assert_eq!(rows, want);
        let at = |minute| t.device_of(VRRP, "10.0.0.1".parse().unwrap(), Timestamp(minute * MINUTE));
        assert_eq!((at(5), at(35)), (Some(&*a.to_string()), Some(&*b.to_string())));
        assert_eq!(t.devices[0].facts.len(), 1);
        assert_eq!(t.devices[1].facts.len(), 2, "what was served then was served by the second");
        assert!(t.devices.iter().all(|d| d.forwards.is_none() && d.conflicts.is_empty()));
    }

    #[test]
    fn a_router_that_only_announces_is_known_by_the_mac_that_sends_meanwhile() {
        let b = Mac([0x54, 0xbf, 0x64, 0, 0, 4]);
        let announced = [vec![arp(VRRP, "10.0.0.1", 1)], announced("10.0.0.3", 30, 40)].concat();
        let rows = settle(&announced).1;
        assert_eq!(rows, [("10.0.0.3".to_owned(), vec![VRRP], vec!["10.0.0.1".to_owned(), "10.0.0.3".to_owned()])]);
        let claims = [&announced[..], &[sent(b, "10.0.0.1", 35, 36)]].concat();
        let want = vec!["10.0.0.1".to_owned(), "10.0.0.3".to_owned()];
        assert_eq!(settle(&claims).1, [(b.to_string(), vec![VRRP], want)]);
        let forwarded = [announced[0].clone(), sent(VRRP, "172.16.0.9", 30, 40)];
        assert_eq!(settle(&forwarded).1.len(), 2, "what it only forwards is no router");
        // Without any announcement the MAC is all that is known.
        assert_eq!(settle(&announced[..1]).1, [(VRRP.to_string(), vec![], vec!["10.0.0.1".to_owned()])]);
    }
}

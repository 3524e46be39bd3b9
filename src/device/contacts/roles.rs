//! The roles of devices, which their services and peers show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Contacts, Ends, Role};
use crate::base::{Addr, limits};
use crate::device::judge::TRANSLATES;
use crate::device::links::{LinkKey, Site, Tally};
use crate::device::table::{Device, DeviceTable, Fact, virtual_router};
use crate::signature::devices;

/// Protocols by which machines and buildings are controlled: who answers them is a controller.
const CONTROL: [&str; 7] = ["modbus", "s7comm", "enip", "bacnet", "knx", "dnp3", "iec104"];

impl Contacts {
    /// Tells each device the roles that its traffic shows.
    pub fn give_roles(&self, devices: &mut DeviceTable) {
        let mut roles: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut polled: BTreeMap<usize, BTreeSet<Addr>> = BTreeMap::new();
        for ((index, _, role, ..), service) in &self.services {
            let all = roles.entry(*index).or_default();
            for name in service.names.keys().filter(|(sure, _)| *sure).map(|(_, name)| *name) {
                all.insert(match role {
                    Role::Client => format!("client:{name}"),
                    Role::Server => format!("server:{name}"),
                });
                match role {
                    Role::Server if name == "dns" => _ = all.insert("dns-server".into()),
                    Role::Server if CONTROL.contains(&name) => _ = all.insert("controller".into()),
                    Role::Client if name == "snmp" && service.sums.answered > 0 => {
                        polled.entry(*index).or_default().extend(&service.peers);
                    }
                    _ => {}
                }
            }
        }
        // A device that came from another network and still sends from its address there looks like one that
        // forwards for it, but nothing comes back.
        let forwards = |(at, d): (usize, &Device)| {
            d.forwards
                .is_some_and(|others| others >= limits::ROUTER_ADDRESSES_MIN || d.outside || self.relays.contains(&at))
        };
        let gateways: Vec<bool> = devices.devices.iter().enumerate().map(forwards).collect();
        for (index, (device, forwards)) in devices.devices.iter_mut().zip(gateways).enumerate() {
            let mut all = roles.remove(&index).unwrap_or_default();
            if forwards {
                all.insert("gateway".into());
            }
            // It answers clients and asks for them: in front of servers of this network, or of others.
            if let Some(passing) = self.passing.get(&index) {
                if all.contains("server:http") {
                    all.extend(passing.roles(device).map(str::to_owned));
                }
                device.facts.retain(|fact| !passing.is_of_others(fact));
            }
            all.extend(stated_roles(device).map(str::to_owned));
            // An address that is its own, from which systems of two kinds speak that are behind a router.
            if self.passed.get(&index) == Some(&TWO_STACKS) {
                all.insert("nat-gateway".into());
                let (source, attribute) = TRANSLATES;
                device.facts.push((source, attribute, Arc::from(TWO_SYSTEMS)));
            }
            if polled.get(&index).is_some_and(|peers| peers.len() >= limits::MANAGED_DEVICES_MIN) {
                all.insert("management-station".into());
            }
            // What stands alone says more than what is on which port.
            let (of_ports, alone): (Vec<_>, Vec<_>) = all.into_iter().partition(|role| role.contains(':'));
            device.roles = alone.into_iter().chain(of_ports).take(limits::LIST_ITEMS_MAX).collect();
        }
    }
}

/// Both stacks of [`crate::device::links::passed`].
const TWO_STACKS: u8 = 3;
/// What that shows.
const TWO_SYSTEMS: &str = "SYNs of two systems behind a router, from an address of its own";

/// What a device that marks requests as passed on does with them.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// It passes on what it was asked for itself: to servers of this network, or to others.
    inside: bool,
    outside: bool,
    /// What it was asked for itself goes to several devices.
    balances: bool,
    /// It passes on what was asked for as one asks a proxy.
    of_proxy: bool,
    /// It asks servers outside, for itself or for others.
    asks_outside: bool,
    /// What servers of this network say that it asks.
    said: BTreeSet<Fact>,
}

impl Passing {
    /// Roles that it shows.
    fn roles(&self, device: &Device) -> impl Iterator<Item = &'static str> {
        let served = device.facts.iter().any(|(source, what, _)| (*source, *what) == ("http", "proxy"));
        let proxy = self.outside && !self.inside || self.of_proxy && served;
        let roles = [("load-balancer", self.inside && self.balances), ("proxy", proxy), ("reverse-proxy", self.inside)];
        roles.into_iter().filter(|(_, is)| *is).map(|(role, _)| role)
    }

    /// Whether a cookie, or a name of a balancer, may be of a server that it asks.
    fn is_of_others(&self, fact: &Fact) -> bool {
        tells_a_role(fact) && (self.asks_outside || self.said.contains(fact))
    }
}

/// Whether an answer of HTTP tells a role.
fn tells_a_role((source, attribute, value): &Fact) -> bool {
    *source == "http" && devices::all().role((source, attribute), value).is_some()
}

/// The devices that marked requests as passed on, and asked others over HTTP. That a request is passed on is only
/// believed where the same name is asked of the device and by it: scanners and programs that test sites write marks
/// into requests of their own.
pub(super) fn passing<'a, I>(links: impl Fn() -> I, devices: &DeviceTable) -> BTreeMap<usize, Passing>
where
    I: Iterator<Item = (&'a LinkKey, &'a Tally, &'a Ends)>,
{
    let marks: Vec<bool> = devices.devices.iter().map(passes_requests_on).collect();
    let marks = |end: &Option<usize>| end.filter(|index| marks.get(*index).copied().unwrap_or_default());
    // What it was asked for as a server, and as a proxy.
    let mut asked: BTreeMap<usize, [BTreeSet<Site>; 2]> = BTreeMap::new();
    for (_, tally, ends) in links() {
        let Some(index) = marks(&ends.resp) else { continue };
        let [own, others] = asked.entry(index).or_default();
        for site in tally.sites.iter() {
            if site.is_of_proxy() { &mut *others } else { &mut *own }.insert(site.name());
        }
    }
    for (index, [own, others]) in &mut asked {
        let names = devices.devices.get(*index).map(names).unwrap_or_default();
        others.retain(|site| !own.contains(site) && !names.contains(site));
    }
    let mut all: BTreeMap<usize, Passing> = BTreeMap::new();
    // Where requests for its own sites go, and the first device that got those for a site, by family of addresses:
    // one that has two and is not known by its MAC is two devices here.
    let mut own_ends: BTreeSet<(usize, Result<usize, Addr>)> = BTreeSet::new();
    let mut first: BTreeMap<(usize, Site, bool), usize> = BTreeMap::new();
    for (key, tally, ends) in links().filter(|(key, tally, _)| tally.answered > 0 && key.service == Some("http")) {
        let Some(index) = marks(&ends.orig) else { continue };
        let passing = all.entry(index).or_default();
        passing.asks_outside |= ends.resp.is_none();
        let server = ends.resp.and_then(|at| devices.devices.get(at));
        passing.said.extend(server.iter().flat_map(|d| &d.facts).filter(|fact| tells_a_role(fact)).cloned());
        for site in tally.sites.iter().map(Site::name) {
            if !asked.get(&index).is_some_and(|[own, _]| own.contains(&site)) {
                continue;
            }
            let other = key.resp.1;
            own_ends.insert((index, ends.resp.ok_or(other)));
            match ends.resp {
                Some(at) => {
                    passing.inside = true;
                    passing.balances |= *first.entry((index, site, other.is_v4())).or_insert(at) != at;
                }
                None => passing.outside = true,
            }
        }
    }
    // Many servers answer whatever name they are asked for, and pass it on to where everything goes.
    for (key, tally, ends) in links() {
        if let Some(index) = marks(&ends.orig)
            && let (Some(passing), Some([_, others])) = (all.get_mut(&index), asked.get(&index))
            && !own_ends.contains(&(index, ends.resp.ok_or(key.resp.1)))
        {
            passing.of_proxy |= tally.sites.iter().any(|site| others.contains(&site.name()));
        }
    }
    all
}

/// Names and addresses of a device, as those that it may be asked for.
fn names(device: &Device) -> BTreeSet<Site> {
    let told = device.facts.iter().filter(|(_, attribute, _)| *attribute == "hostname");
    let told = told.map(|(.., name)| Site::of(&name.to_ascii_lowercase(), false));
    told.chain(device.ips.iter().map(|own| Site::of(&own.ip.to_string(), false))).collect()
}

/// Whether it marked requests as passed on.
fn passes_requests_on(device: &Device) -> bool {
    device.facts.iter().any(|(source, attribute, _)| (*source, *attribute) == ("http", "forwarded"))
}

/// Roles that are told, or that the link shows.
fn stated_roles(device: &Device) -> impl Iterator<Item = &'static str> {
    let tells = devices::all();
    let told =
        device.facts.iter().filter_map(move |(source, attribute, value)| match (*source, *attribute, &**value) {
            ("dhcp", "gateway", _) => Some("gateway"),
            ("dhcp", "relay", _) => Some("dhcp-relay"),
            ("dhcp" | "dhcpv6", "server", _) => Some("dhcp-server"),
            ("ntp", "role", "server") => Some("ntp-server"),
            (source, attribute, value) => tells.role((source, attribute), value),
        });
    told.chain(virtual_router(device.mac).is_some().then_some("gateway"))
}

//! The roles of devices, which their services and peers show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Contacts, Role};
use crate::base::{Addr, limits};
use crate::device::judge::TRANSLATES;
use crate::device::table::{Device, DeviceTable, virtual_router};
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
        let mut balances: BTreeSet<usize> = BTreeSet::new();
        let mut passes_on: BTreeMap<usize, bool> = BTreeMap::new();
        let mut sites: BTreeMap<(usize, &str), Addr> = BTreeMap::new();
        for ((index, _, other, there), peer) in &self.peers {
            let asks = peer.asked && peer.sums.answered > 0 && peer.services.contains("http");
            if !asks || !devices.devices.get(*index).is_some_and(passes_requests_on) {
                continue;
            }
            *passes_on.entry(*index).or_default() |= there.is_some();
            if let Some((_, name)) = peer.name.as_ref().filter(|_| there.is_some())
                && *sites.entry((*index, name)).or_insert(*other) != *other
            {
                balances.insert(*index);
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
            all.extend(stated_roles(device).map(str::to_owned));
            // It answers clients and asks for them: in front of servers of this network, or of others.
            if let Some(inside) = passes_on.get(&index).filter(|_| all.contains("server:http")) {
                let as_proxy = device.facts.iter().any(|(source, what, _)| (*source, *what) == ("http", "proxy"));
                let stands_before = *inside && !as_proxy;
                all.insert(if stands_before { "reverse-proxy" } else { "proxy" }.into());
                if stands_before && balances.contains(&index) {
                    all.insert("load-balancer".into());
                }
            }
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

//! The tables `device_services` and `device_peers`, and the roles of devices: [`super::Links`] seen from each device.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hashbrown::HashMap;

mod roles;

use super::claim::Span;
use super::links::{LinkKey, SortedLinks, Tally, is_media};
use super::table::DeviceTable;
use crate::base::{Addr, Mac, Timestamp, limits, parallel};
use crate::record::{Column, RowBuffer, RowWriter, Table, Type};

/// One row per service that a device offers or uses.
pub static DEVICE_SERVICES: Table = Table {
    name: "device_services",
    doc: "One row per service of a device: address, transport and port that it answers on (role server) or that it talks to (role client)",
    prefix: &[],
    columns: &[
        Column::new("device_id", Type::Text, "Device, as in the devices table"),
        Column::new("device_mac", Type::Text, "Its MAC address; null where it has none of its own"),
        Column::repeating("device_ip", Type::Text, "Its address"),
        Column::repeating(
            "role",
            Type::Text,
            "server: the device answered there; client: it asked others there, whether they answered or not",
        ),
        Column::repeating("protocol", Type::Text, "tcp, udp or sctp"),
        Column::repeating(
            "port",
            Type::Int32,
            "Port of the server; what is agreed on for each connection (calls, media, FTP data) has no row",
        ),
        Column::repeating(
            "service",
            Type::Text,
            "Application protocol of most of its flows, what the payload told before what the port suggests; null where nothing tells",
        ),
        Column::repeating("service_source", Type::Text, "What the service was told from: payload, or port"),
        Column::repeating(
            "inner_service",
            Type::Text,
            "Application protocol inside of TLS, where it could be read; as in flows",
        ),
        Column::new(
            "banner",
            Type::Text,
            "What the server first says of itself there (greeting, version, Server field), secrets blanked; null for role client",
        ),
        Column::new("first_seen", Type::Time, "First packet of these flows"),
        Column::new("last_seen", Type::Time, "Last packet of these flows"),
        Column::new("flows", Type::Int64, "Flows"),
        Column::new("answered_flows", Type::Int64, "Of these, those that the server answered"),
        Column::new(
            "encrypted_flows",
            Type::Int64,
            "Of these, those that were encrypted: TLS, DTLS, QUIC, SSH, or encryption that began on the way",
        ),
        Column::new(
            "decrypted_flows",
            Type::Int64,
            "Of these, those whose inside was read, with keys that were brought or because the suite encrypts nothing",
        ),
        Column::new("bytes_sent", Type::Int64, "Transport payload that the device sent, in bytes"),
        Column::new("bytes_received", Type::Int64, "Transport payload that it received, in bytes"),
        Column::new(
            "peers",
            Type::Int64,
            "Different addresses at the other end; exact unless contacts_dropped says otherwise, among the counters of run.json",
        ),
        Column::repeating("capture", Type::Text, "The capture that is a network of its own; null where all are one"),
    ],
};

/// One row per device and other end that it talked to: an address that several devices had, one after the other,
/// is as many ends.
pub static DEVICE_PEERS: Table = Table {
    name: "device_peers",
    doc: "One row per address of a device and address that it had flows with, seen from the device: two devices that talk have a row each; an address that was leased again has a row for each of its holders",
    prefix: &[],
    columns: &[
        Column::new("device_id", Type::Text, "Device, as in the devices table"),
        Column::new("device_mac", Type::Text, "Its MAC address; null where it has none of its own"),
        Column::repeating("device_ip", Type::Text, "Its address"),
        Column::new(
            "peer_device_id",
            Type::Text,
            "Device at the other end; null for what is outside, for groups, and for flows that the MAC address does not tell apart while the address changed hands",
        ),
        Column::new("peer_ip", Type::Text, "Address at the other end"),
        Column::new("peer_name", Type::Text, "First name of the other end, as server_name in flows"),
        Column::repeating(
            "peer_scope",
            Type::Text,
            "Where the other end is: internal, external, or multicast for groups, broadcast addresses of a network among them",
        ),
        Column::repeating(
            "role",
            Type::Text,
            "client: the device opened the flows; server: the other end did; both: some each",
        ),
        Column::repeating(
            "services",
            Type::TextList,
            "Application protocols of the flows, or port and transport (as in 9100/tcp) where none is known, sorted; at most 256",
        ),
        Column::new("flows", Type::Int64, "Flows"),
        Column::new("answered_flows", Type::Int64, "Of these, those that the responder answered"),
        Column::new("bytes_sent", Type::Int64, "Transport payload that the device sent, in bytes"),
        Column::new("bytes_received", Type::Int64, "Transport payload that it received, in bytes"),
        Column::new("first_seen", Type::Time, "First packet of these flows"),
        Column::new("last_seen", Type::Time, "Last packet of these flows"),
        Column::repeating("capture", Type::Text, "The capture that is a network of its own; null where all are one"),
    ],
};

/// Which side of its flows a device is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Client,
    Server,
}

/// What makes one row of services: device, address, role, IP protocol, port.
type ServiceKey = (usize, Addr, Role, u8, u16);
/// What makes one row of peers: device, its address, the other end's, and the device there.
type PeerKey = (usize, Addr, Addr, Option<usize>);

/// Where a banner belongs: device, address, IP protocol, port.
type BannerPlace = (usize, Addr, u8, u16);

#[derive(Debug)]
struct Sums {
    flows: u64,
    answered: u64,
    /// Sent and received, seen from the device.
    bytes: [u64; 2],
    span: Span,
}

impl Sums {
    const fn new(span: Span) -> Self {
        Self { flows: 0, answered: 0, bytes: [0; 2], span }
    }

    fn add(&mut self, tally: &Tally, role: Role) {
        let [orig, resp] = tally.bytes;
        let seen = if role == Role::Client { [orig, resp] } else { [resp, orig] };
        self.flows += tally.flows;
        self.answered += tally.answered;
        for (sum, n) in self.bytes.iter_mut().zip(seen) {
            *sum = sum.saturating_add(n);
        }
        self.span = self.span.join(tally.span);
    }
}

#[derive(Debug)]
struct Service {
    sums: Sums,
    /// Flows by whether the payload tells, and by service.
    names: BTreeMap<(bool, &'static str), u64>,
    inner: Option<&'static str>,
    encrypted: u64,
    opened: u64,
    peers: BTreeSet<Addr>,
}

impl Service {
    /// The service of most flows, and whether the payload told it.
    fn named(&self) -> Option<(bool, &'static str)> {
        self.names
            .iter()
            .max_by_key(|((sure, name), n)| (*sure, **n, std::cmp::Reverse(*name)))
            .map(|(named, _)| *named)
    }
}

#[derive(Debug)]
struct Peer {
    sums: Sums,
    asked: bool,
    was_asked: bool,
    /// Frames to it went to a group, and nothing came back.
    group: bool,
    services: BTreeSet<String>,
    name: Option<(Timestamp, Box<str>)>,
}

/// Services and peers of all devices of one network.
#[derive(Debug, Default)]
pub struct Contacts {
    services: BTreeMap<ServiceKey, Service>,
    peers: BTreeMap<PeerKey, Peer>,
    banners: HashMap<BannerPlace, (Timestamp, Box<str>)>,
    /// Devices through whose MAC others were asked and answered.
    relays: BTreeSet<usize>,
    /// Stacks whose SYNs came from an address of the device after they had passed a router.
    passed: BTreeMap<usize, u8>,
    /// Devices that mark requests as passed on.
    passing: BTreeMap<usize, roles::Passing>,
    cut: u64,
    /// Flows of addresses that changed hands among them.
    gone: u64,
}

impl Contacts {
    /// Gives flows to the devices at their ends, with so many threads. The table of devices must be settled.
    pub fn of(links: &SortedLinks<'_>, devices: &DeviceTable, threads: usize) -> Self {
        let sorted = &links.links;
        let ends_of = |places: Range<usize>| {
            let some = sorted.get(places).unwrap_or_default();
            some.iter().map(|(key, tally)| Ends::of(key, tally, devices)).collect::<Vec<_>>()
        };
        let ends = parallel::side_by_side(threads, sorted.len(), ends_of).concat();
        let all = || sorted.iter().zip(&ends).map(|((key, tally), ends)| (*key, *tally, ends));
        let (services, peers) = parallel::join(threads, || services(all()), || Peers::of(all()));
        let mut contacts = Self {
            services,
            peers: peers.peers,
            cut: peers.cut,
            gone: 0,
            banners: HashMap::new(),
            relays: BTreeSet::new(),
            passed: BTreeMap::new(),
            passing: roles::passing(all, devices),
        };
        for ends in &ends {
            contacts.relays.extend(ends.relays.into_iter().flatten());
            contacts.gone += ends.gone;
            if let Some((index, stacks)) = ends.passed {
                *contacts.passed.entry(index).or_default() |= stacks;
            }
        }
        for ((mac, ip, protocol, port), ts, text) in links.banners() {
            let Some(index) = devices.holder(*mac, *ip, ts) else { continue };
            let said = (ts, Box::from(text));
            let known = contacts.banners.entry((index, *ip, *protocol, *port)).or_insert_with(|| said.clone());
            *known = said.min(known.clone());
        }
        contacts
    }

    /// Writes the rows of services, in time order.
    pub fn service_rows(&self, devices: &DeviceTable, out: &mut RowBuffer) {
        for (order, ((index, ip, role, protocol, port), s)) in self.services.iter().enumerate() {
            let Some((id, mac)) = devices.identity(*index) else { continue };
            let mut row = out.row(s.sums.span.first, order as u64);
            row.text(id).mac(mac).addr(*ip);
            row.text(if *role == Role::Client { "client" } else { "server" });
            row.opt_text(transport(*protocol)).int(*port);
            let named = s.named();
            row.opt_text(named.map(|(_, name)| name));
            row.opt_text(named.map(|(sure, _)| if sure { "payload" } else { "port" })).opt_text(s.inner);
            let banner = self.banners.get(&(*index, *ip, *protocol, *port)).filter(|_| *role == Role::Server);
            row.opt_text(banner.map(|(_, text)| &**text));
            row.time(s.sums.span.first).time(s.sums.span.last);
            row.count(s.sums.flows).count(s.sums.answered).count(s.encrypted).count(s.opened);
            row.count(s.sums.bytes[0]).count(s.sums.bytes[1]).count(s.peers.len() as u64);
            network(devices, &mut row);
        }
        out.sort();
    }

    /// Writes the rows of peers, in time order; `scope` says where an address is.
    pub fn peer_rows(&self, devices: &DeviceTable, scope: impl Fn(Addr) -> &'static str, out: &mut RowBuffer) {
        for (order, ((index, own, other, there), p)) in self.peers.iter().enumerate() {
            let Some((id, mac)) = devices.identity(*index) else { continue };
            let mut row = out.row(p.sums.span.first, order as u64);
            row.text(id).mac(mac).addr(*own);
            let peer = there.and_then(|at| devices.identity(at));
            row.opt_text(peer.map(|(id, _)| id)).addr(*other);
            row.opt_text(p.name.as_ref().map(|(_, name)| &**name)).text(if p.group {
                "multicast"
            } else {
                scope(*other)
            });
            row.text(match (p.asked, p.was_asked) {
                (true, true) => "both",
                (true, false) => "client",
                (false, _) => "server",
            });
            let services: Vec<_> = p.services.iter().collect();
            row.texts(&services).count(p.sums.flows).count(p.sums.answered);
            row.count(p.sums.bytes[0]).count(p.sums.bytes[1]).time(p.sums.span.first).time(p.sums.span.last);
            network(devices, &mut row);
        }
        out.sort();
    }

    /// Flows that are not told of a device at one of their ends, because its address changed hands among them.
    pub const fn gone(&self) -> u64 {
        self.gone
    }

    /// Services that lists of peers leave out, for [`crate::base::counters::Counters::values_cut`].
    pub const fn cut(&self) -> u64 {
        self.cut
    }
}

/// Whose the flows of an entry are.
#[derive(Debug, Clone, Copy)]
struct Ends {
    orig: Option<usize>,
    resp: Option<usize>,
    /// Devices through whose MAC others were asked and answered.
    relays: [Option<usize>; 2],
    /// Stacks whose SYNs came from an address of the device after they had passed a router.
    passed: Option<(usize, u8)>,
    /// Flows that are not told of a device, because its address changed hands among them.
    gone: u64,
}

impl Ends {
    fn of(key: &LinkKey, tally: &Tally, devices: &DeviceTable) -> Self {
        let stands_for_one = |ip: Addr| !ip.is_multicast() && !ip.is_unspecified();
        let device = |(mac, ip): (Mac, Addr)| match stands_for_one(ip) {
            true => devices.holder(mac, ip, tally.span.first),
            false => None,
        };
        let (mut orig, mut resp) = (device(key.orig), device(key.resp));
        // All flows of an entry are one sum: whose they were cannot be told apart any more.
        let mut gone = 0;
        for (end, (mac, ip)) in [(&mut orig, key.orig), (&mut resp, key.resp)] {
            if end.is_some() && devices.has_changed_hands(mac, ip, tally.span) {
                (*end, gone) = (None, tally.flows);
            }
        }
        let relay = |(mac, _): (Mac, Addr), found: Option<usize>| {
            devices.of_mac(mac).filter(|holder| tally.answered > 0 && found != Some(*holder))
        };
        let relays = [relay(key.orig, orig), relay(key.resp, resp)];
        let passed = orig.filter(|index| tally.passed != 0 && devices.owns(*index, key.orig));
        Self { orig, resp, relays, passed: passed.map(|index| (index, tally.passed)), gone }
    }
}

/// The services of all devices.
fn services<'a>(links: impl Iterator<Item = (&'a LinkKey, &'a Tally, &'a Ends)>) -> BTreeMap<ServiceKey, Service> {
    let mut all = BTreeMap::new();
    for (key, tally, ends) in links {
        if let Some(index) = ends.orig
            && (tally.answered > 0 || key.sure)
        {
            service(&mut all, index, Role::Client, key, tally);
        }
        if let Some(index) = ends.resp
            && tally.answered > 0
        {
            service(&mut all, index, Role::Server, key, tally);
        }
    }
    all
}

fn service(all: &mut BTreeMap<ServiceKey, Service>, index: usize, role: Role, key: &LinkKey, tally: &Tally) {
    let (own, other) = if role == Role::Client { (key.orig, key.resp) } else { (key.resp, key.orig) };
    // Without a port there is none that anybody could ask again.
    if transport(key.protocol).is_none() || key.port == 0 || key.service.is_some_and(is_media) {
        return;
    }
    let at = (index, own.1, role, key.protocol, key.port);
    let service = all.entry(at).or_insert_with(|| Service {
        sums: Sums::new(tally.span),
        names: BTreeMap::new(),
        inner: None,
        encrypted: 0,
        opened: 0,
        peers: BTreeSet::new(),
    });
    service.sums.add(tally, role);
    if let Some(name) = key.service {
        *service.names.entry((key.sure, name)).or_default() += tally.flows;
    }
    service.inner = service.inner.into_iter().chain(tally.inner).min();
    service.encrypted += tally.encrypted;
    service.opened += tally.opened;
    service.peers.insert(other.1);
}

/// The peers of all devices.
#[derive(Debug, Default)]
struct Peers {
    peers: BTreeMap<PeerKey, Peer>,
    cut: u64,
}

impl Peers {
    fn of<'a>(links: impl Iterator<Item = (&'a LinkKey, &'a Tally, &'a Ends)>) -> Self {
        let mut all = Self::default();
        for (key, tally, ends) in links {
            let Ends { orig, resp, .. } = *ends;
            if let Some(index) = orig {
                all.peer((index, key.orig.1, key.resp.1, resp), Role::Client, key, tally);
            }
            if let Some(index) = resp {
                all.peer((index, key.resp.1, key.orig.1, orig), Role::Server, key, tally);
            }
        }
        all
    }

    fn peer(&mut self, at: PeerKey, role: Role, key: &LinkKey, tally: &Tally) {
        let peer = self.peers.entry(at).or_insert_with(|| Peer {
            sums: Sums::new(tally.span),
            asked: false,
            was_asked: false,
            group: true,
            services: BTreeSet::new(),
            name: None,
        });
        peer.sums.add(tally, role);
        peer.group &= tally.to_group && tally.answered == 0 && role == Role::Client;
        match role {
            Role::Client => {
                peer.asked = true;
                if let Some(name) = &tally.name {
                    peer.name = peer.name.take().into_iter().chain([name.clone()]).min();
                }
            }
            Role::Server => peer.was_asked = true,
        }
        if let Some(service) = service_text(key) {
            peer.services.insert(service);
            if peer.services.len() > limits::LIST_ITEMS_MAX {
                peer.services.pop_last();
                self.cut += 1;
            }
        }
    }
}

/// Transports that have ports.
const fn transport(protocol: u8) -> Option<&'static str> {
    match protocol {
        6 => Some("tcp"),
        17 => Some("udp"),
        132 => Some("sctp"),
        _ => None,
    }
}

fn service_text(key: &LinkKey) -> Option<String> {
    match (key.service, transport(key.protocol)) {
        (Some(service), _) => Some(service.to_owned()),
        (None, Some(transport)) if key.port != 0 => Some(format!("{}/{transport}", key.port)),
        (None, Some(_)) => None,
        (None, None) => Some(match key.protocol {
            1 => "icmp".to_owned(),
            2 => "igmp".to_owned(),
            58 => "icmp6".to_owned(),
            other => format!("ip/{other}"),
        }),
    }
}

fn network(devices: &DeviceTable, row: &mut RowWriter<'_>) {
    match devices.network() {
        Some(number) => row.name(number),
        None => row.null(),
    };
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::super::links::Link;
    use super::super::links::tests::{CLIENT, SERVER, link, v4};
    use super::*;
    use crate::device::judge::{Verdict, judge};
    use crate::device::{Claim, ClaimKind, Reach};
    use crate::record::Value;

    /// Rows as text, one cell after the other, lists in brackets.
    fn shown(table: &Table, rows: &RowBuffer) -> Vec<String> {
        let cell = |value: Value<'_>| match value {
            Value::Null => "-".to_owned(),
            Value::Text(s) => s.to_owned(),
            Value::Int(n) => n.to_string(),
            Value::Time(t) => t.0.to_string(),
            Value::Addr(a) => a.to_string(),
            Value::Mac(m) => m.to_string(),
            other => format!("{other:?}"),
        };
        let row = |at| {
            let mut values = rows.values(at);
            let mut out = Vec::new();
            for column in table.all_columns() {
                match values.next_value().unwrap_or_else(|| panic!("{} is missing", column.name)) {
                    Value::List(n) => {
                        let items: Vec<_> = (0..n).map(|_| cell(values.next_value().unwrap())).collect();
                        out.push(format!("[{}]", items.join(",")));
                    }
                    value => out.push(cell(value)),
                }
            }
            out.join(" ")
        };
        rows.index().iter().map(row).collect()
    }

    fn devices(more: &[Claim]) -> DeviceTable {
        let mut t = DeviceTable::default();
        t.observe(&Claim::owns("arp", CLIENT, v4(5), Timestamp(1)));
        t.observe(&Claim::owns("arp", SERVER, v4(9), Timestamp(1)));
        more.iter().for_each(|c| t.observe(c));
        t.settle();
        t
    }

    fn contacts(flows: &[Link<'static>], devices: &DeviceTable) -> (Contacts, Vec<String>, Vec<String>) {
        let mut links = super::super::Links::default();
        flows.iter().for_each(|l| links.add(l));
        let contacts = Contacts::of(&links.sorted(), devices, 2);
        let (mut services, mut peers) = (RowBuffer::default(), RowBuffer::default());
        contacts.service_rows(devices, &mut services);
        contacts.peer_rows(devices, |ip| if ip.is_multicast() { "multicast" } else { "internal" }, &mut peers);
        let rows = (shown(&DEVICE_SERVICES, &services), shown(&DEVICE_PEERS, &peers));
        (contacts, rows.0, rows.1)
    }

    #[test]
    fn both_ends_have_rows_seen_from_their_side() {
        let flows = [
            Link { name: Some("nas.example"), ..link(6, 443, Some("tls"), 20) },
            Link { encrypted: true, ..link(6, 443, Some("tls"), 10) },
            link(6, 443, Some("http"), 30),
            Link { sure: false, ..link(6, 9100, Some("raw-print"), 40) },
        ];
        let (_, services, peers) = contacts(&flows, &devices(&[]));
        let client = "02:00:00:00:00:05 02:00:00:00:00:05 10.0.0.5";
        let server = "02:00:00:00:00:09 02:00:00:00:00:09 10.0.0.9";
        assert_eq!(
            services,
            [
                format!("{client} client tcp 443 tls payload - - 10 35 3 3 1 0 30 300 1 -"),
                format!("{server} server tcp 443 tls payload - - 10 35 3 3 1 0 300 30 1 -"),
                format!("{client} client tcp 9100 raw-print port - - 40 45 1 1 0 0 10 100 1 -"),
                format!("{server} server tcp 9100 raw-print port - - 40 45 1 1 0 0 100 10 1 -"),
            ]
        );
        assert_eq!(
            peers,
            [
                format!(
                    "{client} 02:00:00:00:00:09 10.0.0.9 nas.example internal client [http,raw-print,tls] 4 4 40 400 10 45 -"
                ),
                format!(
                    "{server} 02:00:00:00:00:05 10.0.0.5 - internal server [http,raw-print,tls] 4 4 400 40 10 45 -"
                ),
            ]
        );
    }

    #[test]
    fn who_only_receives_offers_nothing() {
        let group = |port, service| Link {
            resp: (Mac::ZERO, "224.0.0.251".parse().unwrap()),
            answered: false,
            bytes: [10, 0],
            ..link(17, port, Some(service), 1)
        };
        let flows = [
            group(5353, "mdns"),
            Link { answered: false, bytes: [0, 0], ..link(6, 22, None, 1) },
            link(17, 20_004, Some("rtp"), 1),
            link(1, 0, None, 1),
        ];
        let (_, services, peers) = contacts(&flows, &devices(&[]));
        assert!(services.iter().all(|row| row.contains(" client udp ")), "{services:?}");
        assert_eq!(services.len(), 1);
        assert_eq!(peers.len(), 3);
        assert!(peers.iter().any(|row| row.contains("- 224.0.0.251 - multicast client [mdns] 1 0 10 0")), "{peers:?}");
        assert!(peers.iter().any(|row| row.contains("client [icmp,rtp] 3 2")), "{peers:?}");
        // The broadcast address of a network looks like a host's; where frames to it went tells.
        let all = Link { resp: (Mac::ZERO, v4(255)), to_group: true, ..group(137, "nbns") };
        let (_, _, peers) = contacts(&[all], &devices(&[]));
        assert!(peers[0].contains("- 10.0.0.255 - multicast client [nbns] 1 0"), "{peers:?}");
        let host = Link { resp: (Mac::ZERO, v4(255)), ..group(161, "snmp") };
        let (_, _, peers) = contacts(&[all, host], &devices(&[]));
        assert!(peers[0].contains("- 10.0.0.255 - internal client"), "{peers:?}");
    }

    #[test]
    fn roles_need_evidence() {
        let roles = |flows: &[Link<'static>], more: &[Claim]| {
            let mut devices = devices(more);
            let (contacts, ..) = contacts(flows, &devices);
            contacts.give_roles(&mut devices);
            let of = |mac: Mac| devices.devices.iter().find(|d| d.mac == mac).unwrap().roles.join(" ");
            (of(CLIENT), of(SERVER))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(roles(&[link(17, 53, Some("dns"), 1)], &[]), pair("client:dns", "dns-server server:dns"));
        let in_vain = Link { answered: false, ..link(17, 53, Some("dns"), 1) };
        assert_eq!(roles(&[in_vain], &[]), pair("client:dns", ""));
        let by_port = Link { sure: false, ..link(17, 53, Some("dns"), 1) };
        assert_eq!(roles(&[by_port], &[]), pair("", ""));
        assert_eq!(roles(&[link(6, 502, Some("modbus"), 1)], &[]).1, "controller server:modbus");
        let polls = |last| Link { resp: (Mac([2, 0, 0, 0, 1, last]), v4(last)), ..link(17, 161, Some("snmp"), 1) };
        assert_eq!(roles(&[polls(20), polls(21)], &[]).0, "client:snmp");
        assert_eq!(roles(&[polls(20), polls(21), polls(22)], &[]).0, "management-station client:snmp");
        let fact = |source, attribute, value: &str| {
            Claim::fact(source, SERVER, Addr::UNSPECIFIED, attribute, value.as_bytes(), Timestamp(1))
        };
        let told = [fact("dhcp", "server", "option 54"), fact("dhcp", "gateway", "x"), fact("ntp", "role", "server")];
        assert_eq!(roles(&[], &told).1, "dhcp-server gateway ntp-server");
        let outside =
            Claim { kind: ClaimKind::Foreign(Reach::Answered), ip: Addr::v4([8, 8, 8, 8]), ..told[0].clone() };
        assert_eq!(roles(&[], &[Claim { mac: SERVER, ..outside }]).1, "gateway");
        let moved = Claim { kind: ClaimKind::Sent, ip: Addr::v4([192, 168, 9, 9]), ..told[0].clone() };
        let still = Link { orig: (SERVER, moved.ip), answered: false, ..link(6, 443, None, 1) };
        assert_eq!(roles(&[still], slice::from_ref(&moved)).1, "", "one that came from another network");
        assert_eq!(roles(&[Link { answered: true, ..still }], &[moved]).1, "gateway");
    }

    /// Roles of the client after some flows.
    fn client_roles(flows: &[Link<'static>], more: &[Claim]) -> (String, Verdict) {
        let mut devices = devices(more);
        let mut links = super::super::Links::default();
        flows.iter().for_each(|l| links.add(l));
        Contacts::of(&links.sorted(), &devices, 2).give_roles(&mut devices);
        let client = devices.devices.iter().find(|d| d.mac == CLIENT).unwrap();
        (client.roles.join(" "), judge(client))
    }

    #[test]
    fn an_address_that_systems_behind_a_router_share_is_a_gateway_that_translates() {
        let flow = |passed| Link { passed, ..link(6, 443, Some("tls"), i64::from(passed)) };
        let [linux, windows] = [0x20, 0x60].map(super::super::links::passed);
        let (roles, verdict) = client_roles(&[flow(linux), flow(windows), flow(0)], &[]);
        assert_eq!(roles, "nat-gateway client:tls");
        assert_eq!(verdict.class, "router");
        assert!(verdict.signs[0].starts_with("flow: SYNs of two systems behind a router"), "{:?}", verdict.signs);
        // What those behind it say of themselves is not about it.
        let phone = b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)";
        let phone = Claim::fact("http", CLIENT, v4(5), "user-agent", phone, Timestamp(1));
        let (_, verdict) = client_roles(&[flow(linux), flow(windows)], slice::from_ref(&phone));
        assert_eq!((verdict.class, verdict.vendor, verdict.os), ("router", None, None));
        assert_eq!(client_roles(&[flow(linux)], &[phone]).1.class, "phone");
        // One that lost hops may be a system that begins with less.
        for one in [linux, windows, super::super::links::passed(0x40), super::super::links::passed(0xe0)] {
            assert_eq!(client_roles(&[flow(one), flow(0)], &[]).0, "client:tls");
        }
        // What a router forwards without translating is none of its own.
        let behind = |passed| Link { orig: (CLIENT, Addr::v4([10, 1, 0, 7])), ..flow(passed) };
        let roles = client_roles(&[behind(linux), behind(windows)], &[]).0;
        assert!(!roles.contains("nat"), "{roles}");
    }

    const FORWARDED: (&str, &str) = ("forwarded", "x-forwarded-for");
    const PROXY: (&str, &str) = ("proxy", "asked for a page of another server");

    /// Something that the client says over HTTP.
    fn says((attribute, value): (&'static str, &str)) -> Claim {
        Claim::fact("http", CLIENT, v4(5), attribute, value.as_bytes(), Timestamp(1))
    }

    /// Somebody asks the client for a page of a site.
    fn user(name: &'static str) -> Link<'static> {
        let name = Some(name);
        Link { orig: (SERVER, v4(9)), resp: (CLIENT, v4(5)), name, ..link(6, 80, Some("http"), 1) }
    }

    /// The client asks a device for a page of a site.
    fn to(last: u8, name: &'static str) -> Link<'static> {
        let resp = (Mac([2, 0, 0, 0, 1, last]), v4(last));
        Link { resp, name: Some(name), ..link(6, 8080, Some("http"), 2) }
    }

    /// The client asks a server outside.
    fn out(last: u8, name: &'static str) -> Link<'static> {
        Link { resp: (Mac::ZERO, Addr::v4([203, 0, 113, last])), ..to(20, name) }
    }

    /// Roles of the client, and what it is taken for, among the devices that [`to`] means.
    fn passing(flows: &[Link<'static>], more: &[Claim]) -> (String, Verdict) {
        let hosts = [20, 21].map(|n| Claim::owns("arp", Mac([2, 0, 0, 0, 1, n]), v4(n), Timestamp(1)));
        let all: Vec<_> = hosts.iter().chain(more).cloned().collect();
        client_roles(flows, &all)
    }

    #[test]
    fn who_passes_requests_for_one_site_on_to_several_servers_balances_them() {
        let marked = [says(FORWARDED)];
        let two = [user("shop.example"), to(20, "shop.example"), to(21, "shop.example")];
        let roles = |flows: &[Link<'static>]| passing(flows, &marked).0;
        assert_eq!(roles(&two), "load-balancer reverse-proxy client:http server:http");
        assert_eq!(passing(&two, &[]).0, "client:http server:http", "nobody was told that it passes on");
        let sites = [user("shop.example"), user("wiki.example"), to(20, "shop.example"), to(21, "wiki.example")];
        assert_eq!(roles(&sites), "reverse-proxy client:http server:http", "a server for each site");
        assert_eq!(roles(&two[1..]), "client:http", "nobody asks it");
        // A server with two addresses is one device; one of which only they are known may be.
        let other = Claim::owns("arp", Mac([2, 0, 0, 0, 1, 20]), v4(22), Timestamp(1));
        let second = Link { resp: (Mac([2, 0, 0, 0, 1, 20]), v4(22)), ..to(20, "shop.example") };
        let one = [user("shop.example"), to(20, "shop.example"), second];
        let all = [marked[0].clone(), other];
        assert_eq!(passing(&one, &all).0, "reverse-proxy client:http server:http", "two addresses");
        let behind = |ip: &str| {
            let ip = ip.parse().unwrap();
            let sent = Claim { kind: ClaimKind::Sent, ..Claim::owns("flow", Mac::ZERO, ip, Timestamp(1)) };
            (sent, Link { resp: (Mac::ZERO, ip), ..to(20, "shop.example") })
        };
        let [(a, first), (b, second), (c, third)] = ["10.1.0.7", "fd00::7", "10.1.0.8"].map(behind);
        let all = [marked[0].clone(), a, b, c];
        let flows = [user("shop.example"), first, second, third];
        assert_eq!(passing(&flows[..3], &all).0, "reverse-proxy client:http server:http", "two families");
        assert_eq!(passing(&flows, &all).0, "load-balancer reverse-proxy client:http server:http");
        // Who asks for something else passes nothing on, whatever it writes into its requests.
        let scan = [user("pentest"), to(20, "localhost"), to(21, "localhost")];
        assert_eq!(roles(&scan), "client:http server:http", "a scanner that serves a page");
        let outside = [user("cdn.example"), out(1, "cdn.example"), out(2, "cdn.example")];
        assert_eq!(roles(&outside), "proxy client:http server:http", "servers of others");
    }

    #[test]
    fn a_proxy_gets_what_it_was_asked_for() {
        let told = [says(FORWARDED), says(PROXY)];
        let roles = |flows: &[Link<'static>]| passing(flows, &told).0;
        let of_proxy = |name| Link { of_proxy: true, ..user(name) };
        let asked = [of_proxy("shop.example"), to(20, "shop.example"), to(21, "shop.example")];
        assert_eq!(roles(&asked), "proxy client:http server:http", "its clients chose it");
        assert_eq!(passing(&asked, &told[..1]).0, "client:http server:http", "nothing was served");
        assert_eq!(roles(&[of_proxy("cdn.example"), out(1, "cdn.example")]), "proxy client:http server:http");
        // One that balances stays it, whatever strangers ask it for.
        let own = [user("shop.example"), to(20, "shop.example"), to(21, "shop.example")];
        let balances = "load-balancer reverse-proxy client:http server:http";
        let with = |more: &[Link<'static>]| roles(&[&own, more].concat());
        assert_eq!(with(&[of_proxy("ip.example")]), balances, "in vain");
        assert_eq!(with(&[of_proxy("shop.example")]), balances, "its own name");
        assert_eq!(with(&[of_proxy("ip.example"), to(20, "ip.example")]), balances, "the site of all other names");
        assert_eq!(
            with(&[of_proxy("ip.example"), out(1, "ip.example")]),
            "load-balancer proxy reverse-proxy client:http server:http",
            "both"
        );
    }

    #[test]
    fn what_is_passed_on_says_nothing_of_who_passes_it_on() {
        let told = [says(FORWARDED), says(("cookie", "BIGipServerpool"))];
        let relays = [user("shop.example"), out(1, "shop.example")];
        let (roles, verdict) = passing(&relays, &told);
        assert_eq!((roles.as_str(), verdict.vendor), ("proxy client:http server:http", None));
        let inside = [user("shop.example"), to(20, "shop.example")];
        let (roles, verdict) = passing(&inside, &told);
        assert_eq!(roles, "load-balancer reverse-proxy client:http server:http", "no server behind it says so");
        assert_eq!(verdict.vendor.as_deref(), Some("F5"));
        let behind = Mac([2, 0, 0, 0, 1, 20]);
        let same = Claim::fact("http", behind, v4(20), "cookie", b"BIGipServerpool", Timestamp(1));
        let (roles, verdict) = passing(&inside, &[&told[..], &[same]].concat());
        assert_eq!((roles.as_str(), verdict.vendor), ("reverse-proxy client:http server:http", None));
    }

    #[test]
    fn cookies_and_offers_tell_roles() {
        for (source, attribute, value, role) in [
            ("http", "cookie", "BIGipServerpool_web_443", "load-balancer"),
            ("http", "cookie", "AWSALBCORS", "load-balancer"),
            ("http", "server", "awselb/2.0", "load-balancer"),
            ("service", "served", "nat-pmp", "nat-gateway"),
            ("ssdp", "service", "urn:schemas-upnp-org:service:WANIPConnection:1", "nat-gateway"),
            ("http", "cookie", "JSESSIONID", ""),
            ("http", "cookie", "notBIGipServer", ""),
            ("http", "server", "BIGipServerpool", ""),
        ] {
            let told = Claim::fact(source, CLIENT, v4(5), attribute, value.as_bytes(), Timestamp(1));
            assert_eq!(client_roles(&[], &[told]).0, role, "{value}");
        }
    }

    #[test]
    fn an_address_that_was_leased_again_is_two_peers() {
        let phone = Mac([2, 0, 0, 0, 0, 7]);
        const HOUR: i64 = 3_600_000_000_000;
        let devices = devices(&[Claim::owns("dhcp", phone, v4(9), Timestamp(9 * HOUR))]);
        let later = Link { resp: (phone, v4(9)), ..link(17, 5060, Some("sip"), 9 * HOUR) };
        let (_, _, peers) = contacts(&[link(6, 9100, Some("pjl"), 1), later], &devices);
        let seen: Vec<_> = peers.iter().filter(|row| row.starts_with("02:00:00:00:00:05")).collect();
        assert_eq!(seen.len(), 2, "{peers:?}");
        assert!(seen[0].contains(" 02:00:00:00:00:09 10.0.0.9 - internal client [pjl] 1 1"), "{peers:?}");
        assert!(seen[1].contains(" 02:00:00:00:00:07 10.0.0.9 - internal client [sip] 1 1"), "{peers:?}");
        // Nobody answered: the address alone does not tell which of the two was asked, once the sums are one.
        let vain = |at| Link { resp: (Mac::ZERO, v4(9)), answered: false, ..link(17, 161, Some("snmp"), at) };
        let (one, _, peers) = contacts(&[vain(1)], &devices);
        assert!(peers[0].contains(" 02:00:00:00:00:09 10.0.0.9 "), "{peers:?}");
        assert_eq!(one.gone(), 0);
        let (both, _, peers) = contacts(&[vain(1), vain(9 * HOUR)], &devices);
        assert_eq!((peers.len(), both.gone()), (1, 2));
        assert!(peers[0].contains("02:00:00:00:00:05 10.0.0.5 - 10.0.0.9 - internal client [snmp] 2 0"), "{peers:?}");
    }

    #[test]
    fn what_is_on_no_device_has_no_row() {
        let outside = Link { resp: (SERVER, Addr::v4([203, 0, 113, 5])), ..link(6, 443, Some("tls"), 1) };
        let router = Claim {
            kind: ClaimKind::Foreign(Reach::Answered),
            ip: Addr::v4([203, 0, 113, 5]),
            ..Claim::frame("flow", SERVER, Timestamp(1))
        };
        let (_, services, peers) = contacts(&[outside], &devices(&[router]));
        assert_eq!((services.len(), peers.len()), (1, 1));
        assert!(peers[0].contains("10.0.0.5 - 203.0.113.5"), "{peers:?}");
    }
}

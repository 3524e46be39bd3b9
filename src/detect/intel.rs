//! What is on somebody's list: addresses, names, fingerprints and certificates, held against the lists of
//! `--intel`.
//!
//! A look-up is made for a flow when it ends and for an event, never for a packet. Only ends outside are
//! looked up as addresses. A device is blamed for what it sought or let in: a stranger who knocks in vain,
//! or who asks a server inside for a strange name, says nothing about it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::sighting::{Party, Sighting};
use crate::base::limits::{self, Room};
use crate::base::{Addr, Timestamp};
use crate::flow::{FlowRecord, record::protocol_name};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Direction, FlowView};
use crate::proto::discovery::dns_event::{self, Answer, Service};
use crate::proto::registry::Event;
use crate::proto::remote::ssh::SshConnection;
use crate::proto::tls::{Handshake, TlsEvent};
use crate::proto::{dtls, quic};
use crate::record::clean;
use crate::signature::intel::{At as Lists, Hit, Intel, Kind};

/// What every rule here begins with.
pub const PREFIX: &str = "intel-";

/// [`Sighting::weight`]: an address in an answer of DNS tells less than a packet to it, and that less
/// than an exchange.
const WEIGHT_TOLD: u8 = 0;
const WEIGHT_SOUGHT: u8 = 1;
const WEIGHT_EXCHANGED: u8 = 2;

/// The rule of a hit.
const fn rule(kind: Kind) -> &'static str {
    match kind {
        Kind::Address | Kind::Network | Kind::Endpoint => "intel-ip",
        Kind::Domain => "intel-domain",
        Kind::Ja3 | Kind::Md5 => "intel-ja3",
        Kind::Ja4 => "intel-ja4",
        Kind::Hassh => "intel-hassh",
        Kind::Sha1 | Kind::Sha256 => "intel-certificate",
    }
}

/// How a hit ends its sentence.
fn on_lists(hit: &Hit<'_>, shown: bool) -> String {
    match shown {
        true => format!("is on {}", hit.lists()),
        false if hit.kind == Kind::Network => format!("lies in {}, which is on {}", hit.entry, hit.lists()),
        false => format!("lies below {}, which is on {}", hit.entry, hit.lists()),
    }
}

/// Judges a flow that has ended by the addresses of its ends; `service` is what it carried.
pub fn flow(intel: &Intel, home: &HomeNet, r: &FlowRecord, service: Option<&'static str>, out: &mut Vec<Sighting>) {
    let orig = Party { ip: r.orig_ip, mac: r.orig.mac };
    let resp = Party { ip: r.resp_ip, mac: r.resp.mac };
    // What was listed while the flow lasted counts, for how little of it ever.
    let lists = intel.between(r.ts_start, r.ts_end);
    let exchanged = r.orig.bytes > 0 && r.resp.bytes > 0;
    let outside = |ip: Addr| !ip.is_unspecified() && !ip.is_multicast() && !home.is_home(ip);
    let sought = outside(r.resp_ip).then(|| lists.service(r.resp_ip, r.resp_port)).flatten();
    // Who is called from outside did not choose the caller.
    let called = || (outside(r.orig_ip) && exchanged).then(|| lists.address(r.orig_ip)).flatten();
    let (hit, device, peer, inward) = match sought {
        Some(hit) => (hit, orig, resp, false),
        None => match called() {
            Some(hit) => (hit, resp, orig, true),
            None => return,
        },
    };
    let transport = protocol_name(r.protocol).unwrap_or("IP").to_ascii_uppercase();
    let shown = hit.kind == Kind::Address || hit.kind == Kind::Endpoint;
    let port = match inward {
        true => format!(", which called port {} ({transport}),", r.resp_port),
        false => format!(" ({transport} port {})", r.resp_port),
    };
    let answer = if r.resp.packets == 0 { ", no answer seen" } else { "" };
    let evidence = format!(
        "{}{port} {}: {} bytes out, {} in{answer}",
        peer.ip,
        on_lists(&hit, shown),
        if inward { r.resp.bytes } else { r.orig.bytes },
        if inward { r.orig.bytes } else { r.resp.bytes },
    );
    out.push(Sighting {
        rule: rule(hit.kind),
        device,
        peer: Some(peer),
        port: r.resp_port,
        peer_name: None,
        service: Cow::Borrowed(service.unwrap_or_default()),
        flow_id: r.id,
        capture: r.capture,
        packet: r.first_packet,
        ts: r.ts_start,
        evidence,
        detail: Cow::Owned(hit.entry),
        weight: if r.resp.packets > 0 { WEIGHT_EXCHANGED } else { WEIGHT_SOUGHT },
    });
}

/// What is common to the sightings of one event.
struct At<'a> {
    home: &'a HomeNet,
    flow: &'a FlowView,
    ts: Timestamp,
    packet: u64,
    service: &'static str,
}

impl At<'_> {
    fn party(&self, side: Direction) -> Party {
        match side {
            Direction::Orig => Party { ip: self.flow.orig_ip, mac: self.flow.orig_mac },
            Direction::Resp => Party { ip: self.flow.resp_ip, mac: self.flow.resp_mac },
        }
    }

    /// Whether what a side asked for, or is, says something about a device of the site: it is inside, or
    /// neither end is.
    fn concerns(&self, side: Direction) -> bool {
        let home = |side| self.home.is_home(self.party(side).ip);
        home(side) || !home(side.other())
    }

    fn sighting(&self, hit: Hit<'_>, side: Direction, evidence: String) -> Sighting {
        Sighting {
            rule: rule(hit.kind),
            device: self.party(side),
            peer: Some(self.party(side.other())),
            port: self.flow.resp_port,
            peer_name: None,
            service: Cow::Borrowed(self.service),
            flow_id: self.flow.flow_id,
            capture: self.flow.capture,
            packet: self.packet,
            ts: self.ts,
            evidence,
            detail: Cow::Owned(hit.entry),
            weight: WEIGHT_EXCHANGED,
        }
    }
}

/// Judges an event by the names, fingerprints and certificates in it.
pub fn event(intel: &Intel, home: &HomeNet, cx: &Cx<'_>, event: &Event<'_>, out: &mut Vec<Sighting>) {
    let lists = &intel.at(cx.ts);
    let at = At { home, flow: cx.flow, ts: cx.ts, packet: cx.packet, service: event.protocol().spec().name };
    if let Some((source, name)) = event.server_name()
        && at.concerns(Direction::Orig)
    {
        server_name(lists, &at, source, name, out);
    }
    match event {
        Event::Tls(TlsEvent::Handshake(handshake))
        | Event::Dtls(dtls::Event { tls: TlsEvent::Handshake(handshake), .. })
        | Event::Quic(quic::Event::Handshake(handshake)) => tls(lists, &at, handshake, out),
        Event::Tls(TlsEvent::Certificates { sender, chain, sha256, .. })
        | Event::Dtls(dtls::Event { tls: TlsEvent::Certificates { sender, chain, sha256, .. }, .. }) => {
            certificates(lists, &at, *sender, chain, sha256, out);
        }
        Event::Ssh(e) => ssh(lists, &at, e.0, out),
        Event::Dns(e) if e.service == Service::Dns => dns(lists, &at, e, out),
        _ => {}
    }
}

/// A server's name that was asked for, or an address in its place.
fn server_name(lists: &Lists<'_>, at: &At<'_>, source: &'static str, name: &[u8], out: &mut Vec<Sighting>) {
    let address = || {
        let ip: Addr = std::str::from_utf8(name).ok()?.parse().ok()?;
        (!at.home.is_home(ip)).then(|| lists.address(ip)).flatten()
    };
    let Some(hit) = lists.name(name).or_else(address) else { return };
    let name = shown(&String::from_utf8_lossy(name));
    let what = match source {
        "sni" => "TLS server name",
        "http_host" => "HTTP host",
        _ => "server name",
    };
    let evidence = format!("{what} {name} {}", on_lists(&hit, name.eq_ignore_ascii_case(&hit.entry)));
    out.push(Sighting { peer_name: Some(name), ..at.sighting(hit, Direction::Orig, evidence) });
}

/// The fingerprint of a TLS client.
fn tls(lists: &Lists<'_>, at: &At<'_>, handshake: &Handshake, out: &mut Vec<Sighting>) {
    let Some(client) = handshake.client.as_ref().filter(|_| at.concerns(handshake.client_side)) else { return };
    let ja4 = client.ja4.as_ref().map(|j| j.hash.as_str());
    for (kind, word, text) in [(Kind::Ja3, "JA3", client.ja3.as_deref()), (Kind::Ja4, "JA4", ja4)] {
        let Some(hit) = text.and_then(|text| lists.fingerprint(kind, text)) else { continue };
        let name = client.server_name.as_deref().map(|n| shown(&String::from_utf8_lossy(n)));
        let asked = name.as_ref().map(|n| format!(", server name {n}")).unwrap_or_default();
        let evidence = format!("{word} {} {}{asked}", hit.entry, on_lists(&hit, true));
        let peer_name = name.filter(|_| handshake.client_side == Direction::Orig);
        out.push(Sighting { peer_name, ..at.sighting(hit, handshake.client_side, evidence) });
    }
}

/// Certificates that a side sent: the device is who sent them where that is inside, else who got them.
fn certificates(
    lists: &Lists<'_>,
    at: &At<'_>,
    sender: Direction,
    chain: &[&[u8]],
    sha256: &[[u8; 32]],
    out: &mut Vec<Sighting>,
) {
    for (der, sha256) in chain.iter().zip(sha256) {
        let Some(hit) = lists.certificate(sha256, der) else { continue };
        let side = if at.home.is_home(at.party(sender).ip) { sender } else { sender.other() };
        let hash = if hit.kind == Kind::Sha1 { "SHA-1" } else { "SHA-256" };
        let from = at.party(sender).ip;
        let evidence = format!("certificate of {from} with {hash} {} {}", hit.entry, on_lists(&hit, true));
        out.push(at.sighting(hit, side, evidence));
    }
}

/// The fingerprints of both sides of an SSH connection.
fn ssh(lists: &Lists<'_>, at: &At<'_>, connection: &SshConnection, out: &mut Vec<Sighting>) {
    if !lists.has(Kind::Hassh) && !lists.has(Kind::Md5) {
        return;
    }
    for (side, word, text) in
        [(Direction::Orig, "HASSH", connection.hassh()), (Direction::Resp, "HASSHServer", connection.hassh_server())]
    {
        let Some(hit) = text.as_deref().and_then(|text| lists.fingerprint(Kind::Hassh, text)) else { continue };
        // A server outside is somebody's whom a device inside chose to call.
        let device = match side {
            Direction::Resp if at.home.is_home(at.party(side).ip) => Direction::Resp,
            _ if at.concerns(Direction::Orig) => Direction::Orig,
            _ => continue,
        };
        let of = at.party(side).ip;
        let evidence = format!("{word} {} of {of} {}", hit.entry, on_lists(&hit, true));
        out.push(at.sighting(hit, device, evidence));
    }
}

/// A question of DNS, and what the answer gives.
fn dns(lists: &Lists<'_>, at: &At<'_>, e: &dns_event::Event<'_>, out: &mut Vec<Sighting>) {
    if !at.concerns(Direction::Orig) {
        return;
    }
    let query = e.query.unwrap_or_default();
    let asked = shown(query.strip_suffix('.').unwrap_or(query));
    let mut known = BTreeSet::new();
    // The server that was asked is not the one that is on the list.
    let mut told = |hit: Hit<'_>, peer: Option<Party>, weight: u8, evidence: String| {
        if known.insert(hit.entry.clone()) {
            let peer_name = Some(asked.clone()).filter(|name| !name.is_empty());
            let sighting = at.sighting(hit, Direction::Orig, evidence);
            out.push(Sighting { peer, peer_name, weight, ..sighting });
        }
    };
    if let Some(hit) = e.query.and_then(|name| lists.name(name.as_bytes())) {
        let is_entry = asked.eq_ignore_ascii_case(&hit.entry);
        let evidence = format!("DNS question for {asked} {}", on_lists(&hit, is_entry));
        told(hit, None, WEIGHT_EXCHANGED, evidence);
    }
    e.answers(&mut |answer| match answer {
        Answer::Name(name) => {
            if let Some(hit) = lists.name(name.as_bytes()) {
                let name = shown(name.strip_suffix('.').unwrap_or(name));
                let listed = on_lists(&hit, name.eq_ignore_ascii_case(&hit.entry));
                let evidence = format!("DNS answer for {asked} leads to {name}, which {listed}");
                told(hit, None, WEIGHT_SOUGHT, evidence);
            }
        }
        Answer::Addr(ip) => {
            if !at.home.is_home(ip)
                && let Some(hit) = lists.address(ip)
            {
                let listed = on_lists(&hit, hit.kind == Kind::Address);
                let evidence = format!("DNS answer for {asked} gives {ip}, which {listed}");
                told(hit, Some(Party { ip, ..Party::default() }), WEIGHT_TOLD, evidence);
            }
        }
    });
}

/// Characters of a name that are shown.
const NAME_CHARS_MAX: usize = 255;

/// A name from the wire: nothing in it may drive a terminal.
fn shown(name: &str) -> String {
    clean(&name.chars().take(NAME_CHARS_MAX).collect::<String>())
}

/// Entries and peers that a device has under one rule.
type Known = BTreeSet<(Option<Addr>, Cow<'static, str>)>;

/// Lets a device that is in touch with very many listed things share one finding for those beyond some:
/// a file-sharing client meets hundreds of strangers, and each would crowd out another's finding.
#[derive(Debug, Default)]
pub struct Crowd {
    seen: HashMap<(&'static str, Party), Known>,
    room: Room,
}

impl Crowd {
    /// With the limits that its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// The sighting as it counts. Others than those of lists stay as they are.
    pub fn settle(&mut self, mut s: Sighting) -> Sighting {
        if !s.rule.starts_with(PREFIX) {
            return s;
        }
        let key = (s.rule, s.device);
        let room = self.seen.len() < self.room.of(limits::EGRESS_HOSTS_MAX) || self.seen.contains_key(&key);
        let own = room && {
            let known = self.seen.entry(key).or_default();
            let entry = (s.peer.map(|p| p.ip), s.detail.clone());
            known.contains(&entry) || (known.len() < limits::INTEL_FINDINGS_PER_DEVICE_MAX && known.insert(entry))
        };
        if !own {
            s.peer = None;
            s.peer_name = None;
            s.detail = Cow::Borrowed("further entries");
        }
        s
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use crate::decode::Packet;
    use crate::flow::{EndReason, FlowKey, FlowTable, TableOptions, Timeouts};
    use crate::proto::api::{LimitCount, Transport};
    use crate::proto::remote::ssh::SshEvent;
    use crate::proto::tls::ClientFacts;

    const LIST: &str = "198.51.100.7 # C2\n203.0.113.0/24\n198.51.100.9:8443\nbad.example # Examplebot\n\
        11111111111111111111111111111111\nf64228ddc3a7bcb01b5c80800414888c\n\
        abababababababababababababababababababababababababababababababab\n";

    fn lists() -> Intel {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.txt");
        std::fs::write(&path, LIST).unwrap();
        crate::signature::intel::load(&[path], 1 << 20).unwrap()
    }

    fn ip(text: &str) -> Addr {
        text.parse().unwrap()
    }

    /// A flow of so many bytes each way: who begins, who answers, and at which port.
    fn ended(orig: &str, resp: &str, port: u16, bytes: [u32; 2]) -> Vec<Sighting> {
        let mut table: FlowTable<()> =
            FlowTable::new(TableOptions { timeouts: Timeouts::default(), dedup: false, network: 0 });
        let mut number = 0;
        for (len, back) in [(bytes[0], false), (bytes[1], true)] {
            if back && len == 0 {
                continue;
            }
            number += 1;
            let (src, dst) = if back { (ip(resp), ip(orig)) } else { (ip(orig), ip(resp)) };
            let ports = if back { (port, 50_000) } else { (50_000, port) };
            let packet = Packet {
                ts: Timestamp(number as i64),
                number,
                src,
                dst,
                src_port: ports.0,
                dst_port: ports.1,
                protocol: 17,
                ip_version: 4,
                payload_wire_len: len,
                ..Packet::default()
            };
            let keyed = FlowKey::of(&packet);
            table.admit(&packet, keyed, 1, 0, &[], &mut |_, _| {});
        }
        let mut out = Vec::new();
        let lists = lists();
        table
            .finish(10, &mut |f, _| flow(&lists, &HomeNet::default(), &f.record(EndReason::Idle), Some("x"), &mut out));
        out
    }

    #[test]
    fn a_flow_to_what_is_listed_is_told_and_one_from_there_only_where_it_was_let_in() {
        let [s] = &ended("10.0.0.5", "198.51.100.7", 443, [100, 200])[..] else { panic!() };
        assert_eq!((s.rule, s.device.ip, s.peer.unwrap().ip), ("intel-ip", ip("10.0.0.5"), ip("198.51.100.7")));
        assert_eq!(s.evidence, "198.51.100.7 (UDP port 443) is on own.txt (C2): 100 bytes out, 200 in");
        let [s] = &ended("10.0.0.5", "203.0.113.9", 53, [100, 0])[..] else { panic!() };
        assert_eq!(
            s.evidence,
            "203.0.113.9 (UDP port 53) lies in 203.0.113.0/24, which is on own.txt: 100 bytes out, 0 in, no answer seen"
        );
        let [s] = &ended("198.51.100.7", "10.0.0.5", 22, [100, 200])[..] else { panic!() };
        assert_eq!((s.device.ip, s.peer.unwrap().ip), (ip("10.0.0.5"), ip("198.51.100.7")));
        assert_eq!(s.evidence, "198.51.100.7, which called port 22 (UDP), is on own.txt (C2): 200 bytes out, 100 in");
        assert_eq!(ended("10.0.0.5", "198.51.100.9", 8443, [1, 1]).len(), 1, "the listed port");
        for (why, seen) in [
            ("a stranger who got no answer", ended("198.51.100.7", "10.0.0.5", 22, [100, 0])),
            ("another port", ended("10.0.0.5", "198.51.100.9", 443, [1, 1])),
            ("another address", ended("10.0.0.5", "198.51.100.8", 443, [1, 1])),
            ("inside", ended("10.0.0.5", "10.0.0.6", 443, [1, 1])),
        ] {
            assert!(seen.is_empty(), "{why}");
        }
    }

    fn told(orig: &str, resp: &str, e: &Event<'_>) -> Vec<Sighting> {
        let flow = FlowView {
            flow_id: 1,
            capture: 0,
            orig_ip: ip(orig),
            orig_port: 50_000,
            resp_ip: ip(resp),
            resp_port: 443,
            orig_mac: Mac::ZERO,
            resp_mac: Mac::ZERO,
            transport: Transport::Tcp,
            from_start: true,
        };
        let limited = LimitCount::default();
        let cx = Cx { ts: Timestamp(1), packet: 7, flow: &flow, limited: &limited };
        let mut out = Vec::new();
        event(&lists(), &HomeNet::default(), &cx, e, &mut out);
        out
    }

    fn hello(ja3: &str, name: &str) -> Handshake {
        let mut handshake = Handshake::new(Timestamp(1), 7, "tcp", Direction::Orig);
        handshake.client =
            Some(ClientFacts { ja3: Some(ja3.into()), server_name: Some(name.into()), ..ClientFacts::default() });
        handshake
    }

    #[test]
    fn names_and_fingerprints_are_those_of_whoever_is_inside() {
        let listed = hello(&"1".repeat(32), "cdn.bad.example");
        let e = Event::Tls(TlsEvent::Handshake(&listed));
        let seen = told("10.0.0.5", "192.0.2.1", &e);
        let evidence: Vec<_> = seen.iter().map(|s| (s.rule, s.evidence.as_str())).collect();
        assert_eq!(
            evidence,
            [
                (
                    "intel-domain",
                    "TLS server name cdn.bad.example lies below bad.example, which is on own.txt (Examplebot)"
                ),
                ("intel-ja3", "JA3 11111111111111111111111111111111 is on own.txt, server name cdn.bad.example"),
            ]
        );
        assert!(seen.iter().all(|s| s.device.ip == ip("10.0.0.5") && s.peer.unwrap().ip == ip("192.0.2.1")));
        assert!(told("192.0.2.1", "10.0.0.5", &e).is_empty(), "a stranger may ask for what he likes");
        assert_eq!(told("192.0.2.1", "192.0.2.2", &e).len(), 2, "nothing is inside");
        let other = hello(&"2".repeat(32), "bad.example.org");
        assert!(told("10.0.0.5", "192.0.2.1", &Event::Tls(TlsEvent::Handshake(&other))).is_empty());
        let address = hello("", "198.51.100.7");
        let seen = told("10.0.0.5", "10.0.0.6", &Event::Tls(TlsEvent::Handshake(&address)));
        assert_eq!(seen[0].rule, "intel-ip", "asked for through a proxy inside");
    }

    #[test]
    fn a_certificate_is_the_devices_own_or_one_that_it_was_shown() {
        let chain: [&[u8]; 2] = [b"one", b"two"];
        let sha256 = [[0; 32], [0xab; 32]];
        let e =
            |sender| Event::Tls(TlsEvent::Certificates { sender, from_server: true, chain: &chain, sha256: &sha256 });
        let shown = told("10.0.0.5", "192.0.2.1", &e(Direction::Resp));
        assert_eq!((shown.len(), shown[0].device.ip, shown[0].rule), (1, ip("10.0.0.5"), "intel-certificate"));
        let own = told("192.0.2.1", "10.0.0.5", &e(Direction::Resp));
        assert_eq!((own[0].device.ip, own[0].peer.unwrap().ip), (ip("10.0.0.5"), ip("192.0.2.1")));
    }

    #[test]
    fn ssh_software_is_told_by_what_it_offers() {
        // HASSH of these lists: MD5 of "k;c;m;none".
        let mut connection = SshConnection::default();
        let kex = crate::proto::remote::ssh::KexInit {
            kex: b"k".to_vec(),
            ciphers: [b"c".to_vec(), b"c".to_vec()],
            macs: [b"m".to_vec(), b"m".to_vec()],
            compression: [b"none".to_vec(), b"none".to_vec()],
            ..Default::default()
        };
        connection.server = Some(kex);
        assert!(LIST.contains(&connection.hassh_server().unwrap()));
        let seen = told("10.0.0.5", "192.0.2.1", &Event::Ssh(SshEvent(&connection)));
        assert_eq!((seen[0].rule, seen[0].device.ip), ("intel-hassh", ip("10.0.0.5")));
    }

    #[test]
    fn a_device_that_meets_very_many_shares_one_finding_for_the_rest() {
        let mut crowd = Crowd::default();
        let [one] = &ended("10.0.0.5", "198.51.100.7", 443, [1, 1])[..] else { panic!() };
        let nth = |n: usize| {
            let peer = Party { ip: Addr(u128::to_be_bytes(n as u128)), ..Party::default() };
            Sighting { peer: Some(peer), ..one.clone() }
        };
        let most = limits::INTEL_FINDINGS_PER_DEVICE_MAX;
        for n in 0..most + 5 {
            assert_eq!(crowd.settle(nth(n)).peer.is_some(), n < most, "{n}");
        }
        assert!(crowd.settle(nth(0)).peer.is_some(), "one that is known stays");
        let other = Sighting { rule: "telnet-in-use", ..nth(most + 9) };
        assert!(crowd.settle(other).peer.is_some());
    }
}

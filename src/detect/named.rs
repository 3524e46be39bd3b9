//! Services that are known by name only and that are a risk in themselves: each is told by its flow.

use super::sighting::{Party, Sighting, WEIGHT};
use crate::base::Addr;
use crate::flow::FlowRecord;
use crate::policy::HomeNet;

/// The rule of programs that share files with strangers.
pub const SHARING: &str = "file-sharing-in-use";

/// The rule of servers of files.
const SHARE: &str = "file-share-in-clear";

/// The rule that a service breaks by being used, and its name in the evidence.
fn rule(service: &str) -> Option<(&'static str, &'static str)> {
    match service {
        "x11" => Some(("x11-in-use", "X11")),
        "xdmcp" => Some(("x11-in-use", "XDMCP")),
        "rsync" => Some((SHARE, "rsync")),
        "afp" => Some((SHARE, "AFP")),
        "nbd" => Some((SHARE, "NBD")),
        "bittorrent" => Some((SHARING, "BitTorrent")),
        "edonkey" => Some((SHARING, "eDonkey")),
        "gnutella" => Some((SHARING, "Gnutella")),
        _ => None,
    }
}

/// Bytes that each side of a share sends before files are: greetings with the digests that are known (some 40 bytes), the
/// name of a module or the wish for a list of them, a question for the server's status. A look at it takes no more.
const GREETINGS_MAX: u64 = 64;

/// Judges a flow that has ended by the service that its payload showed; `encrypted` says that TLS took over. A server
/// that did not answer is none; a program that shares files is told once for all whom it talks to.
pub fn flow(home: &HomeNet, r: &FlowRecord, service: &'static str, encrypted: bool, out: &mut Vec<Sighting>) {
    let Some((rule, what)) = rule(service) else { return };
    // What stays within a machine crosses no network.
    if r.orig_ip.is_loopback() || r.resp_ip.is_loopback() {
        return;
    }
    let Some(client) = (if rule == SHARING { sharer(home, r) } else { used(home, r, rule, encrypted) }) else { return };
    let orig = Party { ip: r.orig_ip, mac: r.orig.mac };
    let resp = Party { ip: r.resp_ip, mac: r.resp.mac };
    let (device, peer) = if client { (orig, resp) } else { (resp, orig) };
    let whose = if client { format!("of {}", peer.ip) } else { format!("of the device, from {}", peer.ip) };
    let evidence = format!(
        "{what} on port {} {whose}: {} bytes from the client, {} from the server",
        r.resp_port, r.orig.bytes, r.resp.bytes
    );
    out.push(Sighting {
        rule,
        device,
        peer: (rule != SHARING).then_some(peer),
        port: r.resp_port,
        peer_name: None,
        service: service.into(),
        flow_id: r.id,
        capture: r.capture,
        packet: r.first_packet,
        ts: r.ts_start,
        evidence,
        detail: "".into(),
        weight: WEIGHT,
    });
}

/// Whether an address is of one device, so that it can be told about.
fn is_host(ip: Addr) -> bool {
    !ip.is_multicast() && !ip.is_unspecified()
}

/// Who shares files: the end inside, or where both are inside or none is, who began. Packets that nobody asked for make
/// nobody share: the end must have sent something itself. `true` for the client.
fn sharer(home: &HomeNet, r: &FlowRecord) -> Option<bool> {
    let orig = is_host(r.orig_ip) && r.orig.bytes > 0;
    let resp = is_host(r.resp_ip) && r.resp.bytes > 0;
    match (home.is_home(r.orig_ip), home.is_home(r.resp_ip)) {
        (true, _) if orig => Some(true),
        (_, true) => resp.then_some(false),
        (true, false) => None,
        (false, false) if orig => Some(true),
        (false, false) => resp.then_some(false),
    }
}

/// Whether a service was used in clear, and which end that is about: the server, unless only the client is inside
/// (`true`).
fn used(home: &HomeNet, r: &FlowRecord, rule: &str, encrypted: bool) -> Option<bool> {
    let enough = if rule == SHARE { GREETINGS_MAX } else { 0 };
    let answered = r.resp.bytes > enough && (r.orig.bytes > enough || enough == 0);
    let client = home.is_home(r.orig_ip) && !home.is_home(r.resp_ip);
    let device = if client { r.orig_ip } else { r.resp_ip };
    (answered && !encrypted && is_host(device)).then_some(client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Packet;
    use crate::flow::{EndReason, FlowKey, FlowTable, TableOptions, Timeouts};
    use crate::signature::RuleSet;

    /// What is told of a flow of so many bytes from either side.
    fn seen(orig: &str, resp: &str, service: &'static str, bytes: (u64, u64), encrypted: bool) -> Vec<Sighting> {
        let ip = |s: &str| s.parse::<Addr>().unwrap();
        let packet = Packet {
            number: 1,
            src: ip(orig),
            dst: ip(resp),
            src_port: 50_000,
            dst_port: 6000,
            protocol: 17,
            ip_version: 4,
            payload_wire_len: 12,
            ..Packet::default()
        };
        let options = TableOptions { timeouts: Timeouts::default(), dedup: false, network: 0 };
        let mut table: FlowTable<()> = FlowTable::new(options);
        table.admit(&packet, FlowKey::of(&packet), 1, 0, &[], &mut |_, _| {});
        let mut out = Vec::new();
        table.finish(10, &mut |f, _| {
            let mut record = f.record(EndReason::Idle);
            (record.orig.bytes, record.resp.bytes) = bytes;
            flow(&HomeNet::default(), &record, service, encrypted, &mut out);
        });
        out
    }

    fn told(orig: &str, resp: &str, service: &'static str, bytes: (u64, u64)) -> Option<String> {
        seen(orig, resp, service, bytes, false).first().map(|s| s.device.ip.to_string())
    }

    #[test]
    fn screens_and_shares_are_their_servers() {
        let x11 = seen("10.0.0.5", "10.0.0.6", "x11", (12, 8), false);
        assert_eq!((x11[0].rule, x11[0].device.ip.to_string()), ("x11-in-use", "10.0.0.6".into()));
        let evidence = "X11 on port 6000 of the device, from 10.0.0.5: 12 bytes from the client, 8 from the server";
        assert_eq!(x11[0].evidence, evidence);
        assert_eq!(told("10.0.0.5", "10.0.0.6", "x11", (12, 0)), None, "nobody answered");
        assert_eq!(told("10.0.0.5", "10.0.0.6", "ssh", (12, 8)), None);
        let rsync = seen("10.0.0.5", "192.0.2.1", "rsync", (100, 900), false);
        assert_eq!(rsync[0].device.ip.to_string(), "10.0.0.5");
        let evidence = "rsync on port 6000 of 192.0.2.1: 100 bytes from the client, 900 from the server";
        assert_eq!(rsync[0].evidence, evidence);
    }

    #[test]
    fn a_greeting_encryption_and_the_machine_itself_share_nothing() {
        for service in ["rsync", "afp", "nbd"] {
            assert!(told("10.0.0.5", "10.0.0.9", service, (100, 900)).is_some());
            assert_eq!(told("10.0.0.5", "10.0.0.9", service, (0, 14)), None, "only a greeting");
            assert_eq!(told("10.0.0.5", "10.0.0.9", service, (48, 900)), None, "a list of modules");
            assert!(seen("10.0.0.5", "10.0.0.9", service, (100, 900), true).is_empty(), "TLS began");
        }
        for service in ["rsync", "x11", "bittorrent"] {
            assert_eq!(told("127.0.0.1", "127.0.0.1", service, (100, 900)), None);
        }
    }

    #[test]
    fn who_shares_files_is_told_once_for_all_peers() {
        for (orig, resp, answer, device) in [
            ("10.0.0.5", "192.0.2.1", 0, Some("10.0.0.5")),
            ("10.0.0.5", "239.192.152.143", 0, Some("10.0.0.5")),
            ("10.0.0.5", "10.0.0.6", 9, Some("10.0.0.5")),
            ("192.0.2.1", "10.0.0.5", 9, Some("10.0.0.5")),
            ("192.0.2.1", "10.0.0.5", 0, None),
            ("192.0.2.1", "192.0.2.2", 0, Some("192.0.2.1")),
            ("0.0.0.0", "255.255.255.255", 0, None),
            ("0.0.0.0", "10.0.0.5", 0, None),
        ] {
            assert_eq!(told(orig, resp, "edonkey", (12, answer)).as_deref(), device, "{orig} {resp}");
        }
        assert_eq!(seen("10.0.0.5", "192.0.2.1", "edonkey", (12, 9), false)[0].peer, None);
        assert_eq!(told("10.0.0.5", "192.0.2.1", "edonkey", (0, 12)), None, "it said nothing");
        assert_eq!(told("10.0.0.5", "10.0.0.6", "edonkey", (0, 12)).as_deref(), Some("10.0.0.6"));
    }

    #[test]
    fn every_rule_is_known() {
        for service in ["x11", "xdmcp", "rsync", "afp", "nbd", "bittorrent", "edonkey", "gnutella"] {
            let (rule, _) = rule(service).unwrap();
            assert!(RuleSet::builtin().get(rule).is_some(), "{rule}");
            assert!(crate::proto::named::all().any(|n| n.name == service), "{service}");
        }
    }
}

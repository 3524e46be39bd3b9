//! Services that are known by name only and that are a risk in themselves: each is told by its flow.

use super::sighting::{Party, Sighting, WEIGHT};
use crate::flow::FlowRecord;
use crate::policy::HomeNet;

/// The rule of programs that share files with strangers.
pub const SHARING: &str = "file-sharing-in-use";

/// The rule that a service breaks by being used, and its name in the evidence.
fn rule(service: &str) -> Option<(&'static str, &'static str)> {
    match service {
        "x11" => Some(("x11-in-use", "X11")),
        "xdmcp" => Some(("x11-in-use", "XDMCP")),
        "rsync" => Some(("file-share-in-clear", "rsync")),
        "afp" => Some(("file-share-in-clear", "AFP")),
        "nbd" => Some(("file-share-in-clear", "NBD")),
        "bittorrent" => Some((SHARING, "BitTorrent")),
        "edonkey" => Some((SHARING, "eDonkey")),
        "gnutella" => Some((SHARING, "Gnutella")),
        _ => None,
    }
}

/// Judges a flow that has ended by the service that its payload showed. A server that did not answer is none; a
/// program that shares files is told once for all whom it talks to.
pub fn flow(home: &HomeNet, r: &FlowRecord, service: &'static str, out: &mut Vec<Sighting>) {
    let Some((rule, what)) = rule(service) else { return };
    let sharing = rule == SHARING;
    if !sharing && r.resp.bytes == 0 {
        return;
    }
    let orig = Party { ip: r.orig_ip, mac: r.orig.mac };
    let resp = Party { ip: r.resp_ip, mac: r.resp.mac };
    // About the server, unless only the client is inside; who shares is both, and who began counts.
    let client = home.is_home(orig.ip) && (sharing || !home.is_home(resp.ip))
        || sharing && !home.is_home(orig.ip) && !home.is_home(resp.ip);
    let (device, peer) = if client { (orig, resp) } else { (resp, orig) };
    let evidence = format!(
        "{what} with {}, port {}: {} bytes from the client, {} from the server",
        peer.ip, r.resp_port, r.orig.bytes, r.resp.bytes
    );
    out.push(Sighting {
        rule,
        device,
        peer: (!sharing).then_some(peer),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::decode::Packet;
    use crate::flow::{EndReason, FlowKey, FlowTable, TableOptions, Timeouts};
    use crate::signature::RuleSet;

    fn told(orig: &str, resp: &str, service: &'static str, answer: u64) -> Vec<Sighting> {
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
            record.resp.bytes = answer;
            flow(&HomeNet::default(), &record, service, &mut out);
        });
        out
    }

    #[test]
    fn screens_and_shares_are_their_servers() {
        let seen = told("10.0.0.5", "10.0.0.6", "x11", 8);
        assert_eq!((seen[0].rule, seen[0].device.ip.to_string()), ("x11-in-use", "10.0.0.6".into()));
        assert_eq!(seen[0].evidence, "X11 with 10.0.0.5, port 6000: 12 bytes from the client, 8 from the server");
        assert!(told("10.0.0.5", "10.0.0.6", "x11", 0).is_empty(), "nobody answered");
        assert!(told("10.0.0.5", "10.0.0.6", "ssh", 8).is_empty());
        assert_eq!(told("10.0.0.5", "192.0.2.1", "rsync", 8)[0].device.ip.to_string(), "10.0.0.5");
    }

    #[test]
    fn who_shares_files_is_told_once_for_all_peers() {
        for (orig, resp, device) in [
            ("10.0.0.5", "192.0.2.1", "10.0.0.5"),
            ("192.0.2.1", "10.0.0.5", "10.0.0.5"),
            ("192.0.2.1", "192.0.2.2", "192.0.2.1"),
        ] {
            let seen = told(orig, resp, "edonkey", 0);
            assert_eq!((seen[0].device.ip.to_string(), seen[0].peer), (device.into(), None));
        }
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

//! Names asked of everybody, and ways through the router.

use super::sighting::{Party, Sighting, WEIGHT};
use crate::proto::api::{Cx, FlowView};
use crate::proto::discovery::{dns, portmap};
use crate::record::clean;

/// Characters of a name that evidence shows.
const NAME_CHARS: usize = 64;

/// A sighting about the originator of a flow; the responder is the peer where it is one device.
fn about_orig(rule: &'static str, service: &'static str, flow: &FlowView, cx: &Cx<'_>, evidence: String) -> Sighting {
    let peer = Party { ip: flow.resp_ip, mac: flow.resp_mac };
    Sighting {
        rule,
        device: Party { ip: flow.orig_ip, mac: flow.orig_mac },
        peer: Some(peer).filter(|p| !p.ip.is_multicast()),
        port: flow.resp_port,
        peer_name: None,
        service: service.into(),
        flow_id: flow.flow_id,
        capture: flow.capture,
        packet: cx.packet,
        ts: cx.ts,
        evidence,
        detail: "".into(),
        weight: WEIGHT,
    }
}

/// Names asked for by LLMNR. Who only answers is asked by others: not that device's doing.
pub fn llmnr(cx: &Cx<'_>, e: &dns::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if let (true, Some(name), Some(_)) = (first, e.query, e.query_at) {
        let name = clean(&name.chars().take(NAME_CHARS).collect::<String>());
        out.push(about_orig("llmnr-in-use", "llmnr", cx.flow, cx, format!("LLMNR query for {name}")));
    }
}

/// A hole in the router: granted, or asked for and the answer not seen.
pub fn port_mapping(cx: &Cx<'_>, e: &portmap::Event, out: &mut Vec<Sighting>) {
    let how = match (e.result, e.unanswered_at) {
        (Some(0), _) => "granted",
        (None, Some(_)) => "asked for, answer not seen",
        _ => return,
    };
    if e.opens() {
        let evidence = format!("{} mapping of {}, {how}", e.service, e.words());
        let sighting = about_orig("port-mapping-opened", e.service, cx.flow, cx, evidence);
        let detail = format!("{}/{}", e.protocol.unwrap_or_default(), e.internal_port.unwrap_or_default());
        out.push(Sighting { detail: detail.into(), ..sighting });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::{AppParser, Direction, LimitCount};

    fn mapped(packets: &[(Direction, &[u8])]) -> Vec<Sighting> {
        let flow = crate::detect::cleartext::tests::flow("10.0.0.9", "10.0.0.1");
        let flow = FlowView { resp_port: 5351, transport: crate::proto::api::Transport::Udp, ..flow };
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut parser = portmap::NatPmp::default();
        let mut out = Vec::new();
        for (dir, bytes) in packets {
            parser.on_data(cx, *dir, bytes, &mut |e| port_mapping(&cx, &e, &mut out));
        }
        parser.on_end(cx, Direction::Orig, &[], &mut |e| port_mapping(&cx, &e, &mut out));
        out
    }

    const REQUEST: &[u8] = &[0, 2, 0, 0, 0, 22, 8, 0, 0, 0, 14, 16];

    #[test]
    fn a_granted_mapping_is_the_doing_of_who_asked() {
        let granted = [0, 130, 0, 0, 0, 0, 0, 9, 0, 22, 8, 1, 0, 0, 14, 16];
        let found = mapped(&[(Direction::Orig, REQUEST), (Direction::Resp, &granted)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].device.ip.to_string(), "10.0.0.9");
        assert_eq!(found[0].evidence, "nat-pmp mapping of tcp port 2049 outside to port 22 inside, granted");
        let found = mapped(&[(Direction::Orig, REQUEST)]);
        assert!(found[0].evidence.ends_with("asked for, answer not seen"), "{}", found[0].evidence);
    }

    #[test]
    fn a_refused_one_and_questions_are_none() {
        let refused = [0, 130, 0, 2, 0, 0, 0, 9, 0, 22, 0, 0, 0, 0, 0, 0];
        assert!(mapped(&[(Direction::Orig, REQUEST), (Direction::Resp, &refused)]).is_empty());
        assert!(mapped(&[(Direction::Orig, &[0, 0])]).is_empty());
        let removed = [0, 2, 0, 0, 0, 22, 0, 0, 0, 0, 0, 0];
        assert!(mapped(&[(Direction::Orig, &removed)]).is_empty());
    }
}

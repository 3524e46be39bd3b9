//! What the flows of a device tell of it: services that it offers and uses, and names that it asks
//! for. Only those that a signature knows become claims, so that their number stays small.

use super::app::{EndedFlow, ServiceSource};
use super::emit::Learnt;
use super::options::EngineOptions;
use crate::base::{Addr, Mac, Timestamp};
use crate::device::ANNOUNCES;
use crate::flow::FlowRecord;
use crate::flow::key::protocol;
use crate::signature::devices;

/// What a flow that ended tells of its two sides.
pub fn flow(ended: &EndedFlow, options: &EngineOptions, learnt: &mut Learnt) {
    let r = &ended.record;
    let tells = devices::all();
    let is_own = |ip: Addr| options.home.is_home(ip) && !ip.is_multicast() && !ip.is_unspecified();
    // Whoever answered offers it; a side that only sent may be a scanner or asked in vain.
    let answered = r.orig.active && r.resp.active && r.resp.bytes > 0;
    if answered && is_own(r.resp_ip) {
        let server = (r.resp.mac, r.resp_ip);
        if let Some(port) = tells.port(r.protocol, r.resp_port) {
            learnt.claims.fact("port", server, "served", port.as_bytes(), r.ts_start);
        }
        if let Some(service) = ended.service.filter(|s| tells.is_served(s)).filter(|_| from_payload(ended)) {
            learnt.claims.fact("service", server, "served", service.as_bytes(), r.ts_start);
        }
    }
    if !is_own(r.orig_ip) {
        return;
    }
    let client = (r.orig.mac, r.orig_ip);
    if let Some(how) = stands_for(r) {
        learnt.claims.fact(how, client, ANNOUNCES, b"virtual router", r.ts_start);
        // Said again with its last packet: who stood for it when is told by both.
        learnt.claims.fact(how, client, ANNOUNCES, b"virtual router", r.ts_end);
    }
    if let Some(service) = ended.service.filter(|s| tells.is_used(s)).filter(|_| from_payload(ended)) {
        learnt.claims.fact("service", client, "used", service.as_bytes(), r.ts_start);
    }
    if let Some(port) = tells.port_used(r.protocol, r.resp_port) {
        learnt.claims.fact("port", client, "used", port.as_bytes(), r.ts_start);
    }
    if let Some(name) = &ended.server_name {
        asked(client, &name.name, r.ts_start, learnt);
    }
}

/// How a flow says that its sender stands for a virtual router: VRRP and CARP (RFC 9568, section 5.1), HSRP
/// (RFC 2281, section 5; port 2029 for IPv6), GLBP.
fn stands_for(r: &FlowRecord) -> Option<&'static str> {
    const VRRP: u8 = 112;
    match (r.protocol, r.resp_port) {
        _ if !r.resp_ip.is_multicast() => None,
        (VRRP, _) => Some("vrrp"),
        (protocol::UDP, 1985 | 2029) => Some("hsrp"),
        (protocol::UDP, 3222) => Some("glbp"),
        _ => None,
    }
}

/// A name that a device looked up or contacted.
pub fn asked(client: (Mac, Addr), name: &str, ts: Timestamp, learnt: &mut Learnt) {
    if let Some(known) = devices::all().name_above(name) {
        learnt.claims.fact("name", client, "asked", known.as_bytes(), ts);
    }
}

fn from_payload(ended: &EndedFlow) -> bool {
    ended.service_source == ServiceSource::Payload || !matches!(ended.record.protocol, protocol::TCP | protocol::UDP)
}

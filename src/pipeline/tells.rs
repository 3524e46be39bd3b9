//! What the flows of a device tell of it: services that it offers and uses, and names that it asks
//! for. Only those that a signature knows become claims, so that their number stays small.

use super::app::{EndedFlow, ServiceSource};
use super::emit::Learnt;
use super::options::EngineOptions;
use crate::base::{Addr, Mac, Timestamp};
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

/// A name that a device looked up or contacted.
pub fn asked(client: (Mac, Addr), name: &str, ts: Timestamp, learnt: &mut Learnt) {
    if let Some(known) = devices::all().name_above(name) {
        learnt.claims.fact("name", client, "asked", known.as_bytes(), ts);
    }
}

fn from_payload(ended: &EndedFlow) -> bool {
    ended.service_source == ServiceSource::Payload || !matches!(ended.record.protocol, protocol::TCP | protocol::UDP)
}

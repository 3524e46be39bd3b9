//! From flows that ended to the services and peers of devices.

use super::app::{EndedFlow, ServerName, ServiceSource};
use crate::base::Addr;
use crate::device::Link;
use crate::device::links::passed;
use crate::fingerprint::npf;
use crate::flow::key::protocol;
use crate::policy::HomeNet;

/// Services that are encrypted by themselves.
const ENCRYPTED: [&str; 7] = ["tls", "dtls", "quic", "ssh", "wireguard", "ike", "esp"];

/// What a flow says of who talks to whom; `None` where both ends are outside, which are no devices.
pub fn link<'a>(home: &HomeNet, flow: &EndedFlow, name: Option<&'a str>) -> Option<Link<'a>> {
    let r = &flow.record;
    if home.direction(r.orig_ip, r.resp_ip) == "transit" || r.ip_version == 0 {
        return None;
    }
    let has_ports = matches!(r.protocol, protocol::TCP | protocol::UDP | protocol::SCTP);
    let service = flow.service;
    // A reset is an answer, but not one of a service: TCP counts as answered when both sides opened it.
    let answered = r.orig.active && r.resp.active && (r.protocol == protocol::TCP || r.resp.packets > 0);
    Some(Link {
        orig: (r.orig.mac, r.orig_ip),
        resp: (r.resp.mac, r.resp_ip),
        protocol: r.protocol,
        port: if has_ports { r.resp_port } else { 0 },
        service,
        sure: service.is_some() && flow.service_source == ServiceSource::Payload,
        answered,
        encrypted: flow.upgraded
            || flow.service_source == ServiceSource::Payload && service.is_some_and(|s| ENCRYPTED.contains(&s)),
        inner: flow.inner_service,
        bytes: [r.orig.bytes, r.resp.bytes],
        first: r.ts_start,
        last: r.ts_end,
        name,
        of_proxy: flow.server_name.as_deref().is_some_and(|named| is_of_another(named, r.resp_ip)),
        to_group: r.resp.group,
        passed: flow.syns[0].as_deref().and_then(npf::ttl).map_or(0, passed),
    })
}

/// Whether a name was asked for as one asks a proxy, and is not the address of the server that was asked.
fn is_of_another(named: &ServerName, server: Addr) -> bool {
    named.of_proxy && named.name.parse() != Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_asked_for_its_own_pages_as_a_proxy_is() {
        let named = |name: &str, of_proxy| ServerName { source: "http_host", name: name.into(), of_proxy };
        let server = Addr::v4([10, 0, 0, 2]);
        assert!(is_of_another(&named("a.example", true), server) && is_of_another(&named("10.0.0.3", true), server));
        assert!(!is_of_another(&named("10.0.0.2", true), server) && !is_of_another(&named("a.example", false), server));
        assert!(!is_of_another(&named("2001:db8::2", true), "2001:db8::2".parse().unwrap()));
    }
}

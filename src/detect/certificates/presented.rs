//! Certificates that other protocols than TLS show: OPC UA (OPC 10000-6, section 6.7.2.3) and IKE (RFC 7296, section 3.6).
//!
//! Nobody asked for a name there, and both sides hold the other's certificate against a list of their own. So neither
//! names nor who issued it are judged, only what is wrong whoever trusts it: keys, signatures and validity.

use std::borrow::Cow;
use std::sync::Arc;

use super::judge::{detail, strength, subject, times};
use super::{Known, party};
use crate::detect::sighting::{self, Sighting};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Direction};

/// Judges the certificate that a side of a flow has shown as its own.
pub fn presented(
    home: &HomeNet,
    cx: &Cx<'_>,
    service: &'static str,
    sender: Direction,
    own: &Arc<Known>,
    out: &mut Vec<Sighting>,
) {
    let (holder, other) = (party(cx.flow, sender), party(cx.flow, sender.other()));
    let inside = home.is_home(holder.ip);
    // Of a holder outside, it is the side inside that relies on it.
    let (device, peer) = if inside || !home.is_home(other.ip) { (holder, None) } else { (other, Some(holder)) };
    let make = |rule, evidence| Sighting {
        rule,
        device,
        peer,
        port: cx.flow.resp_port,
        peer_name: None,
        service: Cow::Borrowed(service),
        flow_id: cx.flow.flow_id,
        capture: cx.flow.capture,
        packet: cx.packet,
        ts: cx.ts,
        evidence,
        detail: detail(&own.facts),
        weight: sighting::WEIGHT,
    };
    strength(own, make, out);
    times(&own.facts, cx.ts, inside, make, out);
    if let Some(device) = own.faults.factory.filter(|_| inside) {
        let evidence = format!("{}: the certificate that comes with the device ({device})", subject(&own.facts));
        out.push(make("certificate-factory-default", evidence));
    }
}

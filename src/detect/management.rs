//! Management protocols that anybody on the path can read, change or forge.

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting};
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::management::snmp_message::{PduType, Version};
use crate::proto::management::{ntp, radius, snmp, syslog, tacacs};

/// A finding about whoever sent the message: it chose to speak like this.
fn about_sender(sighting: Sighting, cx: &Cx<'_>) -> Sighting {
    let flow = cx.flow;
    Sighting {
        device: Party { ip: flow.orig_ip, mac: flow.orig_mac },
        peer: Some(Party { ip: flow.resp_ip, mac: flow.resp_mac }),
        ..sighting
    }
}

/// SNMP: versions without protection, writes with them, and version 3 that does not encrypt.
pub fn snmp(home: &HomeNet, cx: &Cx<'_>, event: &snmp::Event<'_>, out: &mut Vec<Sighting>) {
    let snmp::Event::Message { message, is_fresh, .. } = event else { return };
    let kind = message.pdu.map(|p| p.kind);
    let name = kind.map_or("a message", PduType::name);
    let at = (cx.ts, cx.packet);
    if message.version == Version::V3 {
        // What is encrypted has no PDU; a question that can be read shows that answers can be too.
        if *is_fresh && message.flags & 2 == 0 {
            let evidence = format!("SNMPv3 {name} with security level {}", message.security_level());
            let mut sighting = on_flow("snmpv3-no-privacy", home, cx.flow, "snmp", at, evidence);
            sighting.detail = message.security_level().into();
            out.push(sighting);
        }
        return;
    }
    if *is_fresh {
        let evidence = format!("SNMPv{} {name}", message.version.name());
        let mut sighting = on_flow("snmp-in-use", home, cx.flow, "snmp", at, evidence);
        sighting.detail = message.version.name().into();
        let is_trap = matches!(kind, Some(PduType::TrapV1 | PduType::TrapV2 | PduType::Inform));
        out.push(if is_trap { about_sender(sighting, cx) } else { sighting });
    }
    if kind == Some(PduType::Set) {
        let evidence = format!("SNMPv{} set request", message.version.name());
        out.push(on_flow("snmp-write", home, cx.flow, "snmp", at, evidence));
    }
}

/// Syslog in clear; once per flow.
pub fn syslog(home: &HomeNet, cx: &Cx<'_>, event: &syslog::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if first {
        let words = if event.message.is_5424 { "RFC 5424" } else { "RFC 3164" };
        let evidence = format!("syslog message ({words}) of {} bytes", event.message.text.len());
        let sighting = on_flow("syslog-in-clear", home, cx.flow, "syslog", (cx.ts, cx.packet), evidence);
        out.push(about_sender(sighting, cx));
    }
}

/// NTP servers that answer more than the time.
pub fn ntp(home: &HomeNet, cx: &Cx<'_>, event: &ntp::Event<'_>, out: &mut Vec<Sighting>) {
    let at = (cx.ts, cx.packet);
    let operation = event.operation().unwrap_or_default();
    match event.message {
        ntp::Message::Private { is_response: true, items, .. } if operation == "monlist" && items > 0 => {
            let evidence = format!("NTP monlist answered with {items} item(s)");
            out.push(on_flow("ntp-monlist", home, cx.flow, "ntp", at, evidence));
        }
        ntp::Message::Control { is_response: true, text, .. } if !text.is_empty() => {
            let evidence = format!("NTP control query {operation} answered with {} bytes", text.len());
            out.push(on_flow("ntp-control-open", home, cx.flow, "ntp", at, evidence));
        }
        _ => {}
    }
}

/// RADIUS whose answers can be forged; once per flow.
pub fn radius(home: &HomeNet, cx: &Cx<'_>, event: &radius::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if first && event.is_forgeable() {
        let method = event.request.as_ref().and_then(crate::proto::management::radius_event::method);
        let evidence = format!("access request ({}) without a Message-Authenticator", method.unwrap_or("no method"));
        let sighting = on_flow("radius-no-message-authenticator", home, cx.flow, "radius", event.at, evidence);
        out.push(about_sender(sighting, cx));
    }
}

/// TACACS+, which at its best is obfuscated; once per flow.
pub fn tacacs(home: &HomeNet, cx: &Cx<'_>, event: &tacacs::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if first {
        let (rule, words) = if event.obfuscated {
            ("tacacs-in-use", "bodies obfuscated with a shared key")
        } else {
            ("tacacs-unencrypted", "bodies in clear")
        };
        let evidence = format!("TACACS+ session, {words}");
        out.push(on_flow(rule, home, cx.flow, "tacacs", event.at, evidence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::detect::cleartext::tests::flow;
    use crate::proto::api::{Direction, LimitCount};
    use crate::proto::management::snmp_message::Message;

    fn of_snmp(bytes: &[u8], is_fresh: bool) -> Vec<(&'static str, String)> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        let message = Message::parse(bytes).unwrap();
        snmp(&HomeNet::default(), &cx, &snmp::Event::Message { dir: Direction::Orig, message, is_fresh }, &mut out);
        out.into_iter().map(|s| (s.rule, s.evidence)).collect()
    }

    /// A message of version 1 with community `c0mmunity` and this kind of PDU, without variables.
    fn v1(pdu: u8) -> Vec<u8> {
        let mut out = vec![0x30, 27, 2, 1, 0, 4, 9];
        out.extend(b"c0mmunity");
        out.extend([pdu, 11, 2, 1, 7, 2, 1, 0, 2, 1, 0, 0x30, 0]);
        out
    }

    #[test]
    fn snmp_is_told_once_and_each_write() {
        assert_eq!(of_snmp(&v1(0xa0), true), [("snmp-in-use", "SNMPv1 get".to_owned())]);
        assert_eq!(of_snmp(&v1(0xa0), false), []);
        let both = of_snmp(&v1(0xa3), true);
        assert_eq!(both.iter().map(|s| s.0).collect::<Vec<_>>(), ["snmp-in-use", "snmp-write"]);
        assert!(!format!("{both:?}").contains("c0mmunity"));
    }

    #[test]
    fn time_servers_that_tell_more_than_the_time() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let rules = |message| {
            let mut out = Vec::new();
            ntp(&HomeNet::default(), &cx, &ntp::Event { dir: Direction::Resp, version: 2, message }, &mut out);
            out.iter().map(|s| s.rule).collect::<Vec<_>>()
        };
        use ntp::Message::{Control, Private};
        assert_eq!(rules(Private { request: 42, is_response: true, items: 3 }), ["ntp-monlist"]);
        assert_eq!(rules(Private { request: 42, is_response: true, items: 0 }), [""; 0]);
        assert_eq!(rules(Private { request: 42, is_response: false, items: 0 }), [""; 0]);
        assert_eq!(rules(Control { opcode: 2, is_response: true, text: b"version=1" }), ["ntp-control-open"]);
        assert_eq!(rules(Control { opcode: 2, is_response: false, text: b"" }), [""; 0]);
    }
}

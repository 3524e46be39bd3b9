//! Things, buildings and machines whose protocols know no login: what is read, and what is changed.

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Direction};
use crate::proto::iot::mqtt_event as mqtt;
use crate::proto::iot::operation::Operation;
use crate::record::clean;

/// Rules of one protocol: in use, and told to change something.
const fn rules(service: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match service.as_bytes() {
        b"bacnet" => ("bacnet-in-use", Some("bacnet-write")),
        b"modbus" => ("modbus-in-use", Some("modbus-write")),
        b"coap" => ("coap-in-use", None),
        b"knx" => ("knx-in-use", None),
        b"s7comm" => ("s7comm-in-use", Some("s7comm-write")),
        b"enip" => ("enip-in-use", Some("enip-write")),
        b"opcua" => ("opcua-without-security", None),
        b"dnp3" => ("dnp3-in-use", Some("dnp3-write")),
        b"iec104" => ("iec104-in-use", Some("iec104-write")),
        _ => return None,
    })
}

/// What a controller tells of itself, to whoever may hear it: the finding is about the sender.
fn is_told(action: &str) -> bool {
    matches!(action, "i-am" | "i-have" | "properties" | "identity" | "description" | "search-response")
}

/// Judges an operation; `first` says whether it is the first event of its flow.
pub fn operation(home: &HomeNet, cx: &Cx<'_>, o: &Operation<'_>, first: bool, out: &mut Vec<Sighting>) {
    let Some((in_use, write)) = rules(o.service) else { return };
    // A question to everybody is about nobody.
    let to_all = cx.flow.resp_ip.is_multicast() || matches!(cx.flow.resp_ip.as_v4(), Some([.., 255]));
    let mut push = |rule, evidence| {
        let mut sighting = on_flow(rule, home, cx.flow, o.service, (cx.ts, cx.packet), evidence);
        // Who tells is the device, and so is who is told to change: whichever of them spoke first on the flow.
        let about = match o.from {
            _ if is_told(o.action) => Some(o.from),
            from if o.changes => Some(from.other()),
            _ => None,
        };
        let ends = [
            Party { ip: cx.flow.orig_ip, mac: cx.flow.orig_mac },
            Party { ip: cx.flow.resp_ip, mac: cx.flow.resp_mac },
        ];
        match (about, ends) {
            (Some(Direction::Orig), [device, peer]) => {
                sighting.device = device;
                sighting.peer = Some(peer).filter(|_| !to_all);
            }
            _ if to_all => return,
            (Some(Direction::Resp), [peer, device]) => {
                sighting.device = device;
                sighting.peer = Some(peer);
            }
            (None, _) => {}
        }
        out.push(sighting);
    };
    let mut what = o.action.to_owned();
    if let Some(unit) = o.unit {
        what += &format!(", unit {unit}");
    }
    if !o.object.is_empty() {
        what += &format!(", {}", clean(&o.object.chars().take(64).collect::<String>()));
    }
    // OPC UA can protect itself, the others cannot.
    let exposed = match o.service {
        "opcua" => o.action == "open-channel-without-security",
        _ => first && o.action != "who-is" && o.action != "who-has",
    };
    if exposed {
        push(in_use, format!("{} without a login: {what}", o.service));
    }
    // Both rest on SHA-1 (OPC 10000-7, which no longer recommends them); once the server went along, they are in use.
    if o.action == "open-channel" && o.from == Direction::Resp && matches!(o.object, "Basic128Rsa15" | "Basic256") {
        push("opcua-weak-policy", format!("the server opened a channel with the policy {}", o.object));
    }
    if o.changes
        && let Some(rule) = write
    {
        push(rule, format!("{}: {what}", o.service));
    }
}

/// Judges a client's login at an MQTT broker, or a topic where that was missed.
pub fn mqtt(home: &HomeNet, cx: &Cx<'_>, e: &mqtt::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    let at = (cx.ts, cx.packet);
    let evidence = match e {
        mqtt::Event::Connect(c) => {
            let id = c.client_id.get(..64).unwrap_or(&c.client_id);
            let client = match clean(&String::from_utf8_lossy(id)) {
                id if id.is_empty() => "a client without an identifier".to_owned(),
                id => format!("client {id}"),
            };
            if c.username.is_none() && c.secret.is_none() && c.code == Some(0) {
                let evidence = format!("MQTT: {client} gave no user name, accepted");
                out.push(on_flow("mqtt-no-login", home, cx.flow, "mqtt", at, evidence));
            }
            client
        }
        mqtt::Event::Topic(t) => {
            let topic = t.topic.get(..64).unwrap_or(t.topic);
            format!("topic {}", clean(&String::from_utf8_lossy(topic)))
        }
    };
    if first {
        out.push(on_flow("mqtt-in-use", home, cx.flow, "mqtt", at, format!("MQTT without encryption: {evidence}")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;

    fn judged(resp: &str, o: &Operation<'_>, first: bool) -> Vec<(&'static str, String)> {
        let flow = flow("10.0.0.9", resp);
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        operation(&HomeNet::default(), &cx, o, first, &mut out);
        out.iter().map(|s| (s.rule, s.device.ip.to_string())).collect()
    }

    #[test]
    fn a_write_counts_each_time_and_the_protocol_once() {
        let read = Operation::new("modbus", Direction::Orig, "read-coils");
        assert_eq!(judged("10.0.0.5", &read, true), [("modbus-in-use", "10.0.0.5".to_owned())]);
        assert!(judged("10.0.0.5", &read, false).is_empty());
        let write = Operation { changes: true, ..Operation::new("modbus", Direction::Orig, "write-coils") };
        assert_eq!(judged("10.0.0.5", &write, false), [("modbus-write", "10.0.0.5".to_owned())]);
    }

    #[test]
    fn who_tells_everybody_what_it_is_is_the_device() {
        let ask = Operation::new("bacnet", Direction::Orig, "who-is");
        assert!(judged("255.255.255.255", &ask, true).is_empty());
        let tell = Operation::new("bacnet", Direction::Orig, "i-am");
        assert_eq!(judged("255.255.255.255", &tell, true), [("bacnet-in-use", "10.0.0.9".to_owned())]);
        let back = Operation { changes: true, ..Operation::new("bacnet", Direction::Resp, "write-property") };
        assert_eq!(
            judged("10.0.0.5", &back, false),
            [("bacnet-write", "10.0.0.9".to_owned())],
            "the one that is written to"
        );
        let told = Operation::new("bacnet", Direction::Resp, "i-am");
        assert_eq!(judged("10.0.0.5", &told, true), [("bacnet-in-use", "10.0.0.5".to_owned())]);
    }

    #[test]
    fn an_old_policy_counts_once_the_server_goes_along() {
        let open = |from, object| Operation { object, ..Operation::new("opcua", from, "open-channel") };
        assert_eq!(judged("10.0.0.5", &open(Direction::Resp, "Basic256"), false)[0].0, "opcua-weak-policy");
        assert!(judged("10.0.0.5", &open(Direction::Orig, "Basic256"), true).is_empty());
        assert!(judged("10.0.0.5", &open(Direction::Resp, "Basic256Sha256"), false).is_empty());
    }

    fn mqtt_judged(connect: &mqtt::Connect, first: bool) -> Vec<&'static str> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        mqtt(&HomeNet::default(), &cx, &mqtt::Event::Connect(connect), first, &mut out);
        out.iter().map(|s| s.rule).collect()
    }

    #[test]
    fn only_an_accepted_client_without_a_name_shows_an_open_broker() {
        let nobody = mqtt::Connect { code: Some(0), ..mqtt::Connect::default() };
        assert_eq!(mqtt_judged(&nobody, true), ["mqtt-no-login", "mqtt-in-use"]);
        assert_eq!(mqtt_judged(&mqtt::Connect { code: Some(5), ..nobody.clone() }, true), ["mqtt-in-use"]);
        assert_eq!(mqtt_judged(&mqtt::Connect { code: None, ..nobody.clone() }, true), ["mqtt-in-use"]);
        assert_eq!(mqtt_judged(&mqtt::Connect { username: Some(b"joe".to_vec()), ..nobody }, true), ["mqtt-in-use"]);
    }
}

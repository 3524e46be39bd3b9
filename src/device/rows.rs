//! The `devices` table.

use super::table::{Device, DeviceTable, virtual_router};
use crate::base::limits;
use crate::record::{Column, RowBuffer, Table, Type};
use crate::signature::oui;

/// One row per device.
pub static DEVICES: Table = Table {
    name: "devices",
    doc: "One row per device: a MAC address with the addresses it owns, or an inside address without a MAC",
    prefix: &[],
    columns: &[
        Column::new(
            "device_id",
            Type::Text,
            "Identifier of the device: its MAC address, or its IP address where it has no MAC of its own; @N behind it where captures are networks of their own",
        ),
        Column::new("mac", Type::Text, "MAC address; null for a device behind a router or on a link without MACs"),
        Column::new("ips", Type::TextList, "Addresses that the device had in the time of the capture, sorted"),
        Column::new("hostnames", Type::TextList, "Names that the device or its DHCP lease stated, sorted"),
        Column::repeating("vendor", Type::Text, "Holder of the MAC address block in the IEEE registry"),
        Column::repeating("class", Type::Text, "Sort of device (printer, camera ...); unknown where nothing tells"),
        Column::repeating("model", Type::Text, "Model, as the device states it"),
        Column::repeating("firmware", Type::Text, "Firmware version, as the device states it"),
        Column::repeating("os", Type::Text, "Operating system, as the device states it"),
        Column::new(
            "confidence",
            Type::Float64,
            "How sure it is that this row is one device with these addresses, 0 to 1",
        ),
        Column::new("claims", Type::TextList, "Evidence, each as `source: value -> attribute (weight)`"),
        Column::new("conflicts", Type::TextList, "Evidence that speaks against the row being one device"),
        Column::new("first_seen", Type::Time, "First packet from or about the device"),
        Column::new("last_seen", Type::Time, "Last packet from or about the device"),
        Column::repeating("findings_critical", Type::Int64, "Critical findings about the device"),
        Column::repeating("findings_high", Type::Int64, "High findings about the device"),
        Column::repeating("findings_medium", Type::Int64, "Medium findings about the device"),
        Column::repeating("findings_low", Type::Int64, "Low findings about the device"),
        Column::repeating("findings_info", Type::Int64, "Findings about the device that are information only"),
        Column::repeating("capture", Type::Text, "The capture that is a network of its own; null where all are one"),
    ],
};

/// How much a source is worth: 0 to 1.
fn weight(source: &str) -> f64 {
    match source {
        "dhcp" | "dhcpv6" | "arp" | "ndp" | "lldp" | "cdp" => 0.9,
        "mdns" | "oui" | "mac" => 0.8,
        "nbns" => 0.7,
        "flow" => 0.5,
        _ => 0.6,
    }
}

/// Short forms of the evidence for one device, and how sure all of it together is.
fn evidence(device: &Device, vendor: Option<&str>) -> (Vec<String>, f64) {
    let mut claims = Vec::new();
    let mut doubt = 1.0;
    let mut counted = Vec::new();
    let mut claim = |source: &'static str, value: &str, attribute: &str, identity: bool| {
        claims.push(format!("{source}: {value} -> {attribute} ({:.2})", weight(source)));
        // A source counts once however often it says so.
        if identity && !counted.contains(&source) {
            counted.push(source);
            doubt *= 1.0 - weight(source);
        }
    };
    if let Some(vendor) = vendor {
        claim("oui", vendor, "vendor", false);
    }
    if let Some(kind) = virtual_router(device.mac) {
        claim("mac", kind, "virtual-router", false);
    } else if device.mac.is_local() {
        claim("mac", "locally administered", "random-or-virtual-mac", false);
    }
    for frame in &device.frames {
        claim(frame, "frame", "mac", true);
    }
    if let Some(others) = device.forwards {
        let value = if others == 0 {
            String::from("forwards for outside addresses")
        } else {
            format!("forwards for {others} inside addresses")
        };
        claim("flow", &value, "router", !device.mac.is_zero());
    }
    for (source, attribute, value) in &device.facts {
        claim(source, value, attribute, true);
    }
    for owned in device.ips.iter().take(limits::DEVICE_ADDRESSES_MAX) {
        for source in &owned.sources {
            claim(source, &owned.ip.to_string(), "ip", true);
        }
        if owned.sources.is_empty() {
            claim("flow", &owned.ip.to_string(), "ip", true);
        }
    }
    let mut confidence: f64 = 1.0 - doubt;
    if !device.conflicts.is_empty() {
        confidence *= 0.8;
    }
    (claims, (confidence.clamp(0.1, 0.99) * 100.0).round() / 100.0)
}

/// The value of an attribute from the source that is worth most.
fn best<'a>(device: &'a Device, attribute: &str) -> Option<&'a str> {
    let mut found: Option<(f64, &'a str)> = None;
    for (source, _, value) in device.facts.iter().filter(|(_, a, _)| *a == attribute) {
        if found.is_none_or(|(w, _)| weight(source) > w) {
            found = Some((weight(source), value));
        }
    }
    found.map(|(_, value)| value)
}

impl DeviceTable {
    /// Writes the rows, in time order. `findings` says how many findings of each severity a device
    /// has, from information (0) to critical (4).
    pub fn rows(&self, out: &mut RowBuffer, mut findings: impl FnMut(&str) -> [u64; 5]) {
        let from = out.len();
        for (order, device) in self.devices.iter().enumerate() {
            let vendor = oui::lookup(device.mac);
            let (claims, confidence) = evidence(device, vendor);
            let mut row = out.row(device.span.first, (from + order) as u64);
            row.text(&device.id).mac(device.mac);
            let ips = device.ips.get(..limits::DEVICE_ADDRESSES_MAX).unwrap_or(&device.ips);
            row.list(ips.len());
            for owned in ips {
                row.addr(owned.ip);
            }
            let mut names: Vec<&str> =
                device.facts.iter().filter(|(_, a, _)| *a == "hostname").map(|(_, _, v)| &**v).collect();
            names.sort_unstable();
            names.dedup();
            names.truncate(limits::DEVICE_NAMES_MAX);
            row.texts(&names).opt_text(vendor).text("unknown");
            row.opt_text(best(device, "model")).opt_text(best(device, "firmware")).opt_text(best(device, "os"));
            row.float(confidence).texts(&claims).texts(&device.conflicts);
            row.time(device.span.first).time(device.span.last);
            let [info, low, medium, high, critical] = findings(&device.id);
            row.count(critical).count(high).count(medium).count(low).count(info);
            match self.network() {
                Some(number) => row.name(number),
                None => row.null(),
            };
        }
        out.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Mac, Timestamp};
    use crate::device::Claim;
    use crate::record::Value;

    #[test]
    fn a_row_has_every_column_and_says_why() {
        let brother = Mac([0, 0x1b, 0xa9, 1, 2, 3]);
        let ip = Addr::v4([10, 0, 0, 5]);
        let mut t = DeviceTable::default();
        t.observe(&Claim::owns("arp", brother, ip, Timestamp(5000)));
        t.observe(&Claim::hostname("dhcp", brother, ip, b"BRN001BA9010203", Timestamp(7000)));
        t.observe(&Claim::hostname("mdns", brother, ip, b"BRN001BA9010203", Timestamp(6000)));
        t.settle();
        let mut out = RowBuffer::default();
        t.rows(&mut out, |id| if id == "00:1b:a9:01:02:03" { [1, 0, 0, 2, 0] } else { [9; 5] });
        assert_eq!(out.len(), 1);
        let mut values = out.values(&out.index()[0]);
        let mut all = Vec::new();
        for column in DEVICES.all_columns() {
            let value = values.next_value().unwrap_or_else(|| panic!("{} is missing", column.name));
            let mut items = vec![value];
            if let Value::List(len) = value {
                items.extend((0..len).map(|_| values.next_value().unwrap()));
            }
            all.push((column.name, items));
        }
        assert_eq!(values.next_value(), None);
        let get = |name: &str| all.iter().find(|(n, _)| *n == name).unwrap().1.clone();
        assert_eq!(get("vendor"), [Value::Text("Brother industries")]);
        assert_eq!(get("ips")[1..], [Value::Addr(ip)]);
        assert_eq!(get("hostnames")[1..], [Value::Text("BRN001BA9010203")], "once, though two sources say it");
        assert_eq!(get("findings_high"), [Value::Int(2)]);
        assert_eq!(get("findings_info"), [Value::Int(1)]);
        assert_eq!(get("confidence"), [Value::Float(0.99)]);
        assert_eq!(get("first_seen"), [Value::Time(Timestamp(5000))]);
        assert!(get("claims").contains(&Value::Text("arp: 10.0.0.5 -> ip (0.90)")));
        assert!(get("claims").contains(&Value::Text("dhcp: BRN001BA9010203 -> hostname (0.90)")));
        assert_eq!(get("capture"), [Value::Null]);
    }

    #[test]
    fn packets_alone_are_worth_less_than_arp() {
        let ip = Addr::v4([10, 0, 0, 5]);
        let mut t = DeviceTable::default();
        let sent = |mac| Claim { kind: crate::device::ClaimKind::Sent, ..Claim::frame("flow", mac, Timestamp(1)) };
        t.observe(&Claim { ip, ..sent(Mac([2, 0, 0, 0, 0, 1])) });
        t.settle();
        let (claims, confidence) = evidence(&t.devices[0], None);
        assert_eq!(confidence, 0.5);
        assert_eq!(claims[0], "mac: locally administered -> random-or-virtual-mac (0.80)");
    }
}

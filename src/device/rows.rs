//! The `devices` table.

use hashbrown::{HashMap, HashSet};
use std::ops::Range;

use super::claim::Span;
use super::joined::virtual_machine;
use super::judge::Verdict;
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
        Column::repeating(
            "vendor",
            Type::Text,
            "Maker: as the device states it, else the holder of the MAC address block in the IEEE registry; where that one only makes parts or virtual interfaces, the maker of the system that runs, if it tells",
        ),
        Column::repeating("class", Type::Text, "Sort of device (printer, camera ...); unknown where nothing tells"),
        Column::repeating("model", Type::Text, "Model, as the device states it or shows in its names"),
        Column::repeating("firmware", Type::Text, "Firmware version, as the device states it"),
        Column::repeating("os", Type::Text, "Operating system, as the device states it"),
        Column::new(
            "confidence",
            Type::Float64,
            "How sure the class is, 0 to 1; where it is unknown, what the best guess would have; 1 where --inventory states the class",
        ),
        Column::new(
            "claims",
            Type::TextList,
            "Evidence, each as `source: value -> what it says (weight)`: first what speaks for class, maker or model, with log-odds, the heaviest first, then all that was seen, with how reliable its source is, 0 to 1",
        ),
        Column::new(
            "conflicts",
            Type::TextList,
            "Evidence that speaks against the class, the maker or the row being one device",
        ),
        Column::new(
            "other_macs",
            Type::TextList,
            "Further MAC addresses of the device: random ones of one handset, joined on proof only, and those of the virtual routers that it stood for; null where there are none",
        ),
        Column::new("first_seen", Type::Time, "First packet from or about the device"),
        Column::new("last_seen", Type::Time, "Last packet from or about the device"),
        Column::repeating("findings_critical", Type::Int64, "Critical findings about the device"),
        Column::repeating("findings_high", Type::Int64, "High findings about the device"),
        Column::repeating("findings_medium", Type::Int64, "Medium findings about the device"),
        Column::repeating("findings_low", Type::Int64, "Low findings about the device"),
        Column::repeating("findings_info", Type::Int64, "Findings about the device that are information only"),
        Column::repeating("capture", Type::Text, "The capture that is a network of its own; null where all are one"),
        Column::repeating(
            "roles",
            Type::TextList,
            "What its traffic shows it to be to others: gateway (it forwards, or DHCP names it), nat-gateway (systems behind a router speak from its own address, or it offers to open its ports), load-balancer (a cookie or name of one that is not of a server behind it, or it passes requests for one site on to several devices of this network), reverse-proxy (it is asked for a site over HTTP, and asks servers of this network for the same with a mark of passing on), proxy (likewise, but its clients asked it for pages of other servers and got them, or it passes on to the outside only), dns-server (it answered), dhcp-relay (it passed DHCP on), dhcp-server (named in offers), ntp-server (it answered in mode 4), controller (it answered a control protocol), management-station (it polls three devices or more by SNMP), then server:SERVICE for what it answered and client:SERVICE for what it asked, told from the payload",
        ),
        Column::repeating("site", Type::Text, "Where it is, as --inventory says"),
        Column::repeating("owner", Type::Text, "Whose it is, as --inventory says"),
        Column::repeating("note", Type::Text, "What else --inventory says of it"),
        Column::repeating(
            "ips_first_seen",
            Type::Int64List,
            "When each address of ips was first seen at the device, in the same order, in microseconds since 1970",
        ),
        Column::repeating("ips_last_seen", Type::Int64List, "When each address of ips was last seen there, likewise"),
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

/// Everything that was seen of a device, in short forms.
fn evidence(device: &Device, verdict: &Verdict) -> Vec<String> {
    let mut claims = verdict.signs.clone();
    let mut claim = |source: &'static str, value: &str, attribute: &str| {
        claims.push(format!("{source}: {value} -> {attribute} ({:.2})", weight(source)));
    };
    if let Some(holder) = oui::lookup(device.mac) {
        claim("oui", holder, "vendor");
    }
    if let Some(kind) = virtual_router(device.mac) {
        claim("mac", kind, "virtual-router");
    } else if let Some(kind) = virtual_machine(device.mac) {
        claim("mac", kind, "virtual-mac");
    } else if device.mac.is_local() {
        claim("mac", "locally administered", "random-or-virtual-mac");
    }
    for mac in &device.others {
        match virtual_router(*mac) {
            Some(kind) => claim("mac", &format!("{mac} ({kind})"), "stands-for-virtual-router"),
            None => claim("mac", &mac.to_string(), "same-device"),
        }
    }
    for frame in &device.frames {
        claim(frame, "frame", "mac");
    }
    if let Some(others) = device.forwards {
        let value = if others == 0 {
            String::from("forwards for outside addresses")
        } else {
            format!("forwards for {others} inside addresses")
        };
        claim("flow", &value, "router");
    }
    for (source, attribute, value) in &device.facts {
        claim(source, value, attribute);
    }
    for owned in device.ips.iter().take(limits::DEVICE_ADDRESSES_MAX) {
        for source in &owned.sources {
            claim(source, &owned.ip.to_string(), "ip");
        }
        if owned.sources.is_empty() {
            claim("flow", &owned.ip.to_string(), "ip");
        }
    }
    claims
}

impl DeviceTable {
    /// Judges the devices that were not seen for the longest, writes their rows and forgets what is known of
    /// them; of their software too, of which it says how many rows had no room. `findings` as in
    /// [`DeviceTable::rows`], of the findings so far.
    pub fn spill(
        &mut self,
        out: &mut RowBuffer,
        software: &mut RowBuffer,
        findings: impl Fn(&Self) -> HashMap<String, [u64; 5]>,
    ) -> u64 {
        let mut dropped = 0;
        self.spill_by(&mut |table, over| {
            let gone: HashSet<usize> = over.iter().copied().collect();
            dropped = table.software_rows(software, |index| gone.contains(&index));
            let findings = findings(table);
            let order = (out.len() as u64..).zip(over);
            let told = order.filter_map(|(order, index)| {
                let device = table.devices.get(*index)?;
                let all = findings.get(&device.id).copied().unwrap_or_default();
                let told = minus(all, table.findings_written(device));
                let class = table.row(out, (device, &table.verdict(device)), order, told);
                Some((class, all))
            });
            let told = told.collect();
            out.sort();
            told
        });
        dropped
    }

    /// Writes the rows of devices at these places in the order of their first packets (of all:
    /// `0..`[`DeviceTable::in_memory`]). `findings` says how many findings of each severity a device has, from
    /// information (0) to critical (4); those in a row that was written before are left out.
    pub fn rows(&self, places: Range<usize>, out: &mut RowBuffer, findings: impl Fn(&str) -> [u64; 5]) {
        for (order, index) in places.clone().zip(self.order.get(places).unwrap_or_default()) {
            let Some(device) = self.devices.get(*index) else { continue };
            let told = minus(findings(&device.id), self.findings_written(device));
            self.row(out, (device, &self.verdict_at(*index, device)), order as u64, told);
        }
    }

    /// Writes a row, and says which class it has.
    fn row(
        &self,
        out: &mut RowBuffer,
        (device, verdict): (&Device, &Verdict),
        order: u64,
        findings: [u64; 5],
    ) -> &'static str {
        let entry = self.entry(device);
        let claims = evidence(device, verdict);
        let mut row = out.row(device.span.first, order);
        row.text(&device.id).mac(device.mac);
        let ips = device.ips.get(..limits::DEVICE_ADDRESSES_MAX).unwrap_or(&device.ips);
        row.list(ips.len());
        for owned in ips {
            row.addr(owned.ip);
        }
        let mut names: Vec<&str> =
            device.facts.iter().filter(|(_, a, _)| *a == "hostname").map(|(_, _, v)| &**v).collect();
        let noted = entry.and_then(|e| e.name.as_deref());
        names.extend(noted.filter(|noted| !names.iter().any(|name| name.eq_ignore_ascii_case(noted))));
        names.sort_unstable();
        names.dedup();
        names.truncate(limits::DEVICE_NAMES_MAX);
        row.texts(&names).opt_text(verdict.vendor.as_deref()).text(verdict.class);
        row.opt_text(verdict.model.as_deref()).opt_text(verdict.firmware.as_deref());
        row.opt_text(verdict.os.as_deref()).float(verdict.confidence);
        row.texts(&claims).texts(&verdict.conflicts);
        if device.others.is_empty() {
            row.null();
        } else {
            row.texts(&device.others.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        row.time(device.span.first).time(device.span.last);
        let [info, low, medium, high, critical] = findings;
        row.count(critical).count(high).count(medium).count(low).count(info);
        match self.network() {
            Some(number) => row.name(number),
            None => row.null(),
        };
        row.texts(&device.roles);
        for noted in entry.map_or([None; 3], |e| [e.site.as_deref(), e.owner.as_deref(), e.note.as_deref()]) {
            row.opt_text(noted);
        }
        let spans: Vec<Span> = ips.iter().map(|owned| owned.times.span().unwrap_or(device.span)).collect();
        row.ints(&spans.iter().map(|span| span.first.micros()).collect::<Vec<_>>());
        row.ints(&spans.iter().map(|span| span.last.micros()).collect::<Vec<_>>());
        verdict.class
    }
}

fn minus(all: [u64; 5], part: [u64; 5]) -> [u64; 5] {
    let mut rest = all;
    rest.iter_mut().zip(part).for_each(|(n, part)| *n = n.saturating_sub(part));
    rest
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
        t.rows(0..t.in_memory(), &mut out, |id| if id == "00:1b:a9:01:02:03" { [1, 0, 0, 2, 0] } else { [9; 5] });
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
        assert_eq!(get("vendor"), [Value::Text("Brother")]);
        assert_eq!(get("class"), [Value::Text("printer")]);
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
    fn what_is_known_of_a_mac_alone_is_told() {
        let ip = Addr::v4([10, 0, 0, 5]);
        let mut t = DeviceTable::default();
        let sent = |mac| Claim { kind: crate::device::ClaimKind::Sent, ..Claim::frame("flow", mac, Timestamp(1)) };
        t.observe(&Claim { ip, ..sent(Mac([2, 0, 0, 0, 0, 1])) });
        t.settle();
        let verdict = t.verdict(&t.devices[0]);
        assert_eq!((verdict.class, verdict.confidence), ("unknown", 0.0));
        let claims = evidence(&t.devices[0], &verdict);
        let seen = ["mac: locally administered -> random-or-virtual-mac (0.80)", "flow: 10.0.0.5 -> ip (0.50)"];
        assert_eq!(claims, seen);
    }
}

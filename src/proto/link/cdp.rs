//! CDP, Cisco's discovery protocol, versions 1 and 2, and Foundry's of the same layout. There is no
//! standard; the elements are those that Cisco's documentation of the protocol names.

use super::{FRAME_PREFIX, FrameParser, FrameSpec};
use crate::base::secret::Reveal;
use crate::base::{Addr, Reader, limits};
use crate::proto::api::{About, Cx, Direction, Fact};
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "cdp",
    doc: "One CDP frame: what a device says of itself to its neighbour",
    prefix: FRAME_PREFIX,
    columns: &[
        Column::repeating("version", Type::Int32, "Version of the protocol"),
        Column::repeating("ttl_s", Type::Int32, "How long it holds, in seconds"),
        Column::repeating("device_id", Type::Text, "Name of the device, or its serial number"),
        Column::repeating("port_id", Type::Text, "Port that the frame left by"),
        Column::repeating("platform", Type::Text, "Model"),
        Column::repeating("software", Type::Text, "Software and its version"),
        Column::repeating("capabilities", Type::TextList, "What the device does: router, switch, host, phone ..."),
        Column::repeating("addresses", Type::TextList, "Addresses of the port, then those to manage the device by"),
        Column::repeating("system_name", Type::Text, "System name, where it differs from the device's"),
        Column::repeating("vtp_domain", Type::Text, "VTP domain"),
        Column::repeating("native_vlan", Type::Int32, "VLAN of untagged frames"),
        Column::repeating("voice_vlan", Type::Int32, "VLAN for voice, given or asked for"),
        Column::repeating("duplex", Type::Text, "half or full"),
        Column::repeating("power_mw", Type::Int64, "Power that the device takes over the cable, in milliwatts"),
        Column::repeating("location", Type::Text, "Where it is"),
    ],
};

/// One frame. Texts as sent; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'e> {
    version: u8,
    ttl_s: u8,
    device_id: &'e [u8],
    port_id: &'e [u8],
    platform: &'e [u8],
    software: &'e [u8],
    capabilities: Option<u32>,
    addresses: &'e [u8],
    management: &'e [u8],
    system_name: &'e [u8],
    vtp_domain: &'e [u8],
    native_vlan: Option<u16>,
    voice_vlan: Option<u16>,
    duplex: Option<u8>,
    power_mw: Option<u16>,
    location: &'e [u8],
}

impl<'e> Event<'e> {
    /// Reads a frame; `None` where it is none. Elements that are cut are left out.
    fn parse(cx: Cx<'_>, bytes: &'e [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let [version, ttl_s, _, _] = r.array("version, ttl, checksum").ok()?;
        if !matches!(version, 1 | 2) {
            return None;
        }
        let mut event = Self { version, ttl_s, ..Self::default() };
        let mut number = 0;
        while let (Ok(kind), Ok(len)) = (r.be16("type"), r.be16("length")) {
            // The length counts the four bytes before the value.
            let Some(Ok(value)) = usize::from(len).checked_sub(4).map(|len| r.take("value", len)) else { break };
            number += 1;
            if number > limits::LINK_ELEMENTS_MAX {
                cx.limit_hit();
                break;
            }
            let be16 = || value.first_chunk().map(|b| u16::from_be_bytes(*b));
            match kind {
                0x01 => event.device_id = value,
                0x02 => event.addresses = value,
                0x03 => event.port_id = value,
                0x04 => event.capabilities = value.first_chunk().map(|b| u32::from_be_bytes(*b)),
                0x05 => event.software = value,
                0x06 => event.platform = value,
                0x09 => event.vtp_domain = value,
                0x0a => event.native_vlan = be16(),
                0x0b => event.duplex = value.first().copied(),
                // A byte that says what it is for stands before the VLAN.
                0x0e | 0x0f => {
                    event.voice_vlan = value.get(1..3).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes)
                }
                0x10 => event.power_mw = be16(),
                0x14 => event.system_name = value,
                0x16 => event.management = value,
                0x17 => event.location = value.get(1..).unwrap_or_default(),
                _ => {}
            }
        }
        (number > 0).then_some(event)
    }

    fn capability_names(&self) -> Vec<&'static str> {
        const NAMES: [&str; 11] = [
            "router",
            "transparent-bridge",
            "source-route-bridge",
            "switch",
            "host",
            "igmp",
            "repeater",
            "phone",
            "remotely-managed",
            "cvta",
            "two-port-relay",
        ];
        let bits = self.capabilities.unwrap_or_default();
        NAMES.iter().enumerate().filter(|(n, _)| bits >> n & 1 != 0).map(|(_, name)| *name).collect()
    }

    fn all_addresses(&self) -> Vec<Addr> {
        let mut out: Vec<Addr> = Vec::new();
        for ip in [self.addresses, self.management].into_iter().flat_map(addresses) {
            if !out.contains(&ip) {
                out.push(ip);
            }
        }
        out
    }
}

/// A list of addresses: their number, then for each the protocol and the address with their lengths.
fn addresses(bytes: &[u8]) -> Vec<Addr> {
    let mut r = Reader::new(bytes);
    let Ok(count) = r.be32("count") else { return Vec::new() };
    let mut out = Vec::new();
    for _ in 0..(count as usize).min(limits::LINK_ELEMENTS_MAX) {
        let one = (|| {
            r.skip("protocol type", 1)?;
            let protocol = r.vec8("protocol")?.peek_rest();
            Ok::<_, crate::base::ReadError>((protocol, r.vec16("address")?.peek_rest()))
        })();
        let Ok((protocol, address)) = one else { break };
        let ip = match protocol {
            // The network layer identifier of IP, and IPv6 in LLC with SNAP.
            [0xcc] => address.try_into().ok().map(Addr::v4),
            [.., 0x86, 0xdd] => address.try_into().ok().map(Addr),
            _ => None,
        };
        out.extend(ip.filter(|ip| !ip.is_unspecified()));
    }
    out
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let text = |row: &mut RowWriter<'_>, b: &[u8]| {
            let end = b.iter().rposition(|c| *c != 0).map_or(0, |at| at + 1);
            _ = row.opt_bytes(b.get(..end).filter(|b| !b.is_empty()));
        };
        row.int(self.version).int(self.ttl_s);
        for b in [self.device_id, self.port_id, self.platform, self.software] {
            text(row, b);
        }
        match self.capabilities {
            Some(_) => row.texts(&self.capability_names()),
            None => row.null(),
        };
        match self.all_addresses() {
            all if all.is_empty() => _ = row.null(),
            all => {
                row.list(all.len());
                all.iter().for_each(|ip| _ = row.addr(*ip));
            }
        }
        text(row, self.system_name);
        text(row, self.vtp_domain);
        row.opt_int(self.native_vlan).opt_int(self.voice_vlan);
        row.opt_text(self.duplex.map(|d| if d == 0 { "half" } else { "full" })).opt_int(self.power_mw);
        text(row, self.location);
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let mut tell = |attribute, value: &[u8]| tell(Fact { about: About::Side(Direction::Orig), attribute, value });
        tell("hostname", self.device_id);
        tell("name", self.system_name);
        tell("model", self.platform);
        tell("software", self.software);
        tell("port", self.port_id);
        tell("location", self.location);
        for name in self.capability_names() {
            tell("capability", name.as_bytes());
        }
        for ip in self.all_addresses() {
            tell("management-address", ip.to_string().as_bytes());
        }
    }
}

/// Reads frames; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Cdp;

impl FrameParser for Cdp {
    const SPEC: FrameSpec = FrameSpec {
        name: "cdp",
        title: "CDP",
        numbers: &[0x2000],
        reference: "Cisco Discovery Protocol, versions 1 and 2",
        table: &TABLE,
        yields: "names, models, software, addresses, VLANs, power",
    };
    type Event<'e> = Event<'e>;

    fn on_frame(&mut self, cx: Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if let Some(event) = Event::parse(cx, bytes) {
            emit(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::one;
    use super::*;

    fn element(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend((value.len() as u16 + 4).to_be_bytes());
        out.extend(value);
        out
    }

    fn switch() -> Vec<u8> {
        let mut v6 = vec![0, 0, 0, 2, 1, 1, 0xcc, 0, 4, 192, 0, 2, 2];
        v6.extend([2, 8, 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd, 0, 16, 0xfe, 0x80]);
        v6.extend([0; 13]);
        v6.push(2);
        [
            vec![2, 180, 0, 0],
            element(1, b"core-1.example"),
            element(2, &v6),
            element(3, b"GigabitEthernet1/0/7"),
            element(4, &[0, 0, 0, 0x29]),
            element(5, b"Example OS 15.2"),
            element(6, b"EX-2960X"),
            element(9, b"office"),
            element(10, &[0, 40]),
            element(11, &[1]),
            element(14, &[1, 0, 50]),
            element(16, &[0x18, 0x9c]),
            element(0x16, &[0, 0, 0, 1, 1, 1, 0xcc, 0, 4, 192, 0, 2, 2]),
            element(0x17, b"\0Rack 3"),
        ]
        .concat()
    }

    #[test]
    fn a_switch_with_everything() {
        let seen = one::<Cdp>(&switch());
        for (column, value) in [
            ("version", "2"),
            ("ttl_s", "180"),
            ("device_id", "core-1.example"),
            ("port_id", "GigabitEthernet1/0/7"),
            ("platform", "EX-2960X"),
            ("software", "Example OS 15.2"),
            ("capabilities", "[router,switch,igmp]"),
            ("addresses", "[192.0.2.2,fe80::2]"),
            ("vtp_domain", "office"),
            ("native_vlan", "40"),
            ("voice_vlan", "50"),
            ("duplex", "full"),
            ("power_mw", "6300"),
            ("location", "Rack 3"),
        ] {
            assert_eq!(seen.cell(0, column), value, "{column}");
        }
        assert!(seen.facts.contains(&"model=EX-2960X".to_owned()));
    }

    #[test]
    fn cut_and_hostile_frames() {
        let whole = switch();
        for end in 0..whole.len() {
            assert!(one::<Cdp>(&whole[..end]).rows.len() <= 1);
        }
        assert!(one::<Cdp>(&[3, 1, 0, 0, 0, 1, 0, 5, b'x']).rows.is_empty(), "no such version");
        assert!(one::<Cdp>(&[2, 1, 0, 0, 0, 1, 0, 3]).rows.is_empty(), "a length that is too short");
        let many = [vec![2, 1, 0, 0], element(2, &[0xff; 12])].concat();
        assert_eq!(one::<Cdp>(&many).cell(0, "addresses"), "-");
    }
}

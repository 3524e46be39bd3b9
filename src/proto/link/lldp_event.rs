//! What LLDP tells, and the table that it goes to.

use std::borrow::Cow;

use super::FRAME_PREFIX;
use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, Reader};
use crate::proto::api::{About, Direction, Fact};
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "lldp",
    doc: "One LLDP frame: what a device says of itself to its neighbour",
    prefix: FRAME_PREFIX,
    columns: &[
        Column::repeating("chassis_id", Type::Text, "Identifier of the device"),
        Column::repeating("chassis_id_type", Type::Text, "What sort of identifier: mac, network-address, local ..."),
        Column::repeating("port_id", Type::Text, "Identifier of the port that the frame left by"),
        Column::repeating("port_id_type", Type::Text, "What sort of identifier, likewise"),
        Column::repeating("ttl_s", Type::Int32, "How long it holds, in seconds; 0 says goodbye"),
        Column::repeating("port_description", Type::Text, "Description of the port"),
        Column::repeating("system_name", Type::Text, "Name of the device"),
        Column::repeating("system_description", Type::Text, "Description: mostly model and software"),
        Column::repeating(
            "capabilities",
            Type::TextList,
            "What the device does now: bridge, router, telephone, wlan-access-point ...",
        ),
        Column::repeating("management_addresses", Type::TextList, "Addresses to manage it by"),
        Column::repeating("port_vlan", Type::Int32, "VLAN of untagged frames on the port"),
        Column::repeating("vlans", Type::TextList, "VLANs of the port, number and name"),
        Column::repeating("power_mw", Type::Int64, "Power that is asked for or given over the cable, in milliwatts"),
        Column::repeating(
            "device_class",
            Type::Text,
            "Class of an endpoint (LLDP-MED): generic, media, communication-device",
        ),
        Column::repeating("voice_vlan", Type::Int32, "VLAN for voice (LLDP-MED)"),
        Column::repeating("hardware", Type::Text, "Hardware revision (LLDP-MED)"),
        Column::repeating("firmware", Type::Text, "Firmware revision (LLDP-MED)"),
        Column::repeating("software", Type::Text, "Software revision (LLDP-MED)"),
        Column::repeating("serial", Type::Text, "Serial number (LLDP-MED)"),
        Column::repeating("manufacturer", Type::Text, "Manufacturer (LLDP-MED)"),
        Column::repeating("model", Type::Text, "Model (LLDP-MED)"),
        Column::repeating("asset", Type::Text, "Inventory number (LLDP-MED)"),
        Column::repeating("location", Type::Text, "Where it is: a civic address or an emergency number (LLDP-MED)"),
    ],
};

/// An identifier with its subtype (IEEE 802.1AB, tables 8-2 and 8-3).
#[derive(Debug, Clone, Copy, Default)]
pub struct Id<'e> {
    subtype: u8,
    value: &'e [u8],
}

impl<'e> Id<'e> {
    /// From an element's value.
    pub fn of(value: &'e [u8]) -> Self {
        value.split_first().map_or(Self::default(), |(subtype, value)| Self { subtype: *subtype, value })
    }

    fn text(&self, mac: u8, network: u8) -> Cow<'e, [u8]> {
        if self.subtype == mac
            && let Ok(mac) = self.value.try_into()
        {
            return Mac(mac).to_string().into_bytes().into();
        }
        if self.subtype == network
            && let Some(ip) = address(self.value)
        {
            return ip.to_string().into_bytes().into();
        }
        self.value.into()
    }
}

/// An address with its family before it (IANA "Address Family Numbers").
fn address(value: &[u8]) -> Option<Addr> {
    match value.split_first()? {
        (1, ip) => ip.try_into().ok().map(Addr::v4),
        (2, ip) => ip.try_into().ok().map(Addr),
        _ => None,
    }
}

fn chassis_type(subtype: u8) -> Option<&'static str> {
    const NAMES: [&str; 7] =
        ["chassis-component", "interface-alias", "port-component", "mac", "network-address", "interface-name", "local"];
    NAMES.get(usize::from(subtype).checked_sub(1)?).copied()
}

fn port_type(subtype: u8) -> Option<&'static str> {
    const NAMES: [&str; 7] =
        ["interface-alias", "port-component", "mac", "network-address", "interface-name", "agent-circuit-id", "local"];
    NAMES.get(usize::from(subtype).checked_sub(1)?).copied()
}

/// What LLDP-MED adds. Texts as sent; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // the columns of the table say what they are
pub struct Med<'e> {
    pub device_class: Option<u8>,
    pub voice_vlan: Option<u16>,
    pub location: &'e [u8],
    pub power_mw: Option<u32>,
    pub hardware: &'e [u8],
    pub firmware: &'e [u8],
    pub software: &'e [u8],
    pub serial: &'e [u8],
    pub manufacturer: &'e [u8],
    pub model: &'e [u8],
    pub asset: &'e [u8],
}

/// Values of one kind of element that are kept of a frame.
const SAME_MAX: usize = 8;

/// One frame. Texts as sent; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // the columns of the table say what they are
pub struct Event<'e> {
    pub chassis: Id<'e>,
    pub port: Id<'e>,
    pub ttl_s: Option<u16>,
    pub port_description: &'e [u8],
    pub system_name: &'e [u8],
    pub system_description: &'e [u8],
    pub capabilities: Option<u16>,
    pub port_vlan: Option<u16>,
    /// Power via MDI, as IEEE 802.3 lays it out.
    pub power: &'e [u8],
    pub med: Med<'e>,
    addresses: [&'e [u8]; SAME_MAX],
    vlans: [&'e [u8]; SAME_MAX],
}

fn keep<'e>(list: &mut [&'e [u8]; SAME_MAX], value: &'e [u8]) {
    if let Some(free) = list.iter_mut().find(|v| v.is_empty()) {
        *free = value;
    }
}

impl<'e> Event<'e> {
    /// A management address: its length with the family, then both.
    pub fn add_address(&mut self, value: &'e [u8]) {
        if let Ok(address) = Reader::new(value).vec8("address") {
            keep(&mut self.addresses, address.peek_rest());
        }
    }

    /// A VLAN: its number, and its name with the length before it.
    pub fn add_vlan(&mut self, value: &'e [u8]) {
        keep(&mut self.vlans, value);
    }

    fn management(&self) -> impl Iterator<Item = String> {
        self.addresses.iter().take_while(|a| !a.is_empty()).filter_map(|a| match a.split_first()? {
            (6, mac) => mac.try_into().ok().map(|m| Mac(m).to_string()),
            _ => address(a).map(|ip| ip.to_string()),
        })
    }

    fn capability_names(&self) -> Vec<&'static str> {
        const NAMES: [&str; 11] = [
            "other",
            "repeater",
            "bridge",
            "wlan-access-point",
            "router",
            "telephone",
            "docsis",
            "station",
            "c-vlan",
            "s-vlan",
            "two-port-relay",
        ];
        let bits = self.capabilities.unwrap_or_default();
        NAMES.iter().enumerate().filter(|(n, _)| bits >> n & 1 != 0).map(|(_, name)| *name).collect()
    }

    /// What IEEE 802.3 says of power (802.3at adds it behind the first three bytes), else LLDP-MED.
    fn power_mw(&self) -> Option<u32> {
        match self.power {
            [_, _, _, _, asked @ ..] if asked.len() >= 4 => {
                let [a, b, c, d, ..] = asked else { return None };
                let tenths = u16::from_be_bytes([*c, *d]).max(u16::from_be_bytes([*a, *b]));
                Some(u32::from(tenths) * 100)
            }
            _ => self.med.power_mw,
        }
    }

    /// Where the device is, as text (ANSI/TIA-1057, section 10.2.4; RFC 4776).
    fn location(&self) -> Cow<'e, [u8]> {
        match self.med.location.split_first() {
            Some((3, number)) => number.into(),
            Some((2, civic)) => {
                let mut r = Reader::new(civic);
                let Ok(mut list) = r.vec8("address") else { return Cow::default() };
                let _ = list.u8("what it is the location of");
                let mut out = list.take("country", 2).unwrap_or_default().to_vec();
                while let (Ok(_), Ok(part)) = (list.u8("type"), list.vec8("part")) {
                    out.extend_from_slice(b", ");
                    out.extend_from_slice(part.peek_rest());
                }
                out.into()
            }
            _ => Cow::default(),
        }
    }
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
        text(row, &self.chassis.text(4, 5));
        row.opt_text(chassis_type(self.chassis.subtype));
        text(row, &self.port.text(3, 4));
        row.opt_text(port_type(self.port.subtype)).opt_int(self.ttl_s);
        for b in [self.port_description, self.system_name, self.system_description] {
            text(row, b);
        }
        match self.capabilities {
            Some(_) => row.texts(&self.capability_names()),
            None => row.null(),
        };
        let addresses: Vec<_> = self.management().collect();
        if addresses.is_empty() {
            row.null()
        } else {
            row.texts(&addresses)
        };
        row.opt_int(self.port_vlan);
        let vlans: Vec<_> = (self.vlans.iter())
            .filter_map(|v| {
                let mut r = Reader::new(v);
                let number = r.be16("number").ok()?;
                let name = r.vec8("name").ok()?;
                Some(crate::record::clean(&format!("{number} {}", String::from_utf8_lossy(name.peek_rest()))))
            })
            .collect();
        if vlans.is_empty() {
            row.null()
        } else {
            row.texts(&vlans)
        };
        row.opt_int(self.power_mw());
        row.opt_text(self.med.device_class.and_then(|c| match c {
            1 => Some("generic"),
            2 => Some("media"),
            3 => Some("communication-device"),
            4 => Some("network"),
            _ => None,
        }));
        row.opt_int(self.med.voice_vlan);
        let med = &self.med;
        for b in [med.hardware, med.firmware, med.software, med.serial, med.manufacturer, med.model, med.asset] {
            text(row, b);
        }
        text(row, &self.location());
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let mut tell = |attribute, value: &[u8]| tell(Fact { about: About::Side(Direction::Orig), attribute, value });
        tell("hostname", self.system_name);
        tell("description", self.system_description);
        tell("chassis-id", &self.chassis.text(4, 5));
        tell("port", &self.port.text(3, 4));
        for name in self.capability_names() {
            tell("capability", name.as_bytes());
        }
        for ip in self.management() {
            tell("management-address", ip.as_bytes());
        }
        let med = &self.med;
        for (attribute, value) in [
            ("vendor", med.manufacturer),
            ("model", med.model),
            ("hardware", med.hardware),
            ("firmware", med.firmware),
            ("software", med.software),
            ("serial", med.serial),
            ("asset", med.asset),
        ] {
            tell(attribute, value);
        }
        tell("location", &self.location());
    }
}

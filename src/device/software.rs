//! The `device_software` table: what software devices said that they run and use.

use std::collections::BTreeMap;

use super::claim::Span;
use super::table::DeviceTable;
use crate::base::{Addr, limits};
use crate::record::{Column, RowBuffer, Table, Type};
use crate::signature::ended::{self, Ended};
use crate::signature::products::{self, Product};

/// One row for each product of a device that one field told.
pub static DEVICE_SOFTWARE: Table = Table {
    name: "device_software",
    doc: "One row per product, version and field: software that a device said that it runs or uses, with the end of its support where that is known",
    prefix: &[],
    columns: &[
        Column::new("device_id", Type::Text, "Device, as in the devices table"),
        Column::new("mac", Type::Text, "MAC address of the device; null where it has none of its own"),
        Column::new("ip", Type::Text, "Address that the field came from; null where it was told without one"),
        Column::repeating(
            "role",
            Type::Text,
            "What the software does: server (it answers), client (it asks) or system (the device runs on it)",
        ),
        Column::repeating("product", Type::Text, "Product, as the list of software has it, else as it is written"),
        Column::repeating("vendor", Type::Text, "Maker of the product; null where the list does not know it"),
        Column::repeating("version", Type::Text, "Version, as it is written; null where none is told"),
        Column::repeating(
            "packager",
            Type::Text,
            "Distribution that packaged it, where the field says so: it may have repaired what its maker no longer does",
        ),
        Column::repeating(
            "cpe",
            Type::Text,
            "CPE 2.3 name, with the version as it is written; null where it is not known",
        ),
        Column::repeating("source", Type::Text, "Protocol of the field"),
        Column::repeating("field", Type::Text, "The field: server, user-agent, banner, os, description ..."),
        Column::repeating("evidence", Type::Text, "The whole field, secrets blanked"),
        Column::repeating(
            "support_ended",
            Type::Bool,
            "Whether its updates had ended when it was last seen; null where that is not known",
        ),
        Column::repeating(
            "support_end",
            Type::Time,
            "Day on which its updates end or ended; null where that is not known",
        ),
        Column::repeating("support_line", Type::Text, "The line of versions that this is about"),
        Column::repeating("support_source", Type::Text, "Page of the maker or the distribution that has the day"),
        Column::new("first_seen", Type::Time, "First packet that told it"),
        Column::new("last_seen", Type::Time, "Last packet that told it"),
        Column::repeating("capture", Type::Text, "The capture that is a network of its own; null where all are one"),
    ],
};

/// What makes a row: the device's index, the product, source and field, address.
type Key = (usize, Product, &'static str, &'static str, Addr);

impl DeviceTable {
    /// Writes the rows of `device_software` of those devices that `whose` names by their places, in time order, and
    /// gives how many had no room.
    pub fn software_rows(&self, out: &mut RowBuffer, whose: impl Fn(usize) -> bool) -> u64 {
        let mut dropped = 0;
        let mut rows: BTreeMap<Key, (Span, &str)> = BTreeMap::new();
        let facts = self.facts.iter().flat_map(|(whom, said)| said.iter().map(move |(fact, span)| (whom, fact, span)));
        for ((mac, ip), (source, attribute, value), span) in facts {
            if !products::is_about(attribute) {
                continue;
            }
            let Some(index) = self.find(*mac, *ip, span.first).filter(|index| whose(*index)) else { continue };
            for product in products::of(source, attribute, value) {
                let key = (index, product, *source, *attribute, *ip);
                if let Some((known, _)) = rows.get_mut(&key) {
                    *known = known.join(*span);
                } else if rows.len() < self.room.of(limits::SOFTWARE_MAX) {
                    rows.insert(key, (*span, value));
                } else {
                    dropped += 1;
                }
            }
        }
        let from = out.len();
        for (order, ((index, product, source, attribute, ip), (span, value))) in rows.into_iter().enumerate() {
            let Some(device) = self.devices.get(index) else { continue };
            let end: Option<&Ended> = ended::of(&product);
            let mut row = out.row(span.first, (from + order) as u64);
            row.text(&device.id).mac(device.mac);
            if ip.is_unspecified() {
                row.null();
            } else {
                row.addr(ip);
            }
            row.text(product.role.name()).text(&product.product).opt_text(product.vendor.as_deref());
            row.opt_text(product.version.as_deref()).opt_text(product.packager).opt_text(product.cpe.as_deref());
            row.text(source).text(attribute).text(value);
            row.opt_bool(end.map(|e| e.since <= span.last));
            match end {
                Some(e) => row.time(e.since).text(&e.line).text(&e.source),
                None => row.null().null().null(),
            };
            row.time(span.first).time(span.last);
            match self.network() {
                Some(number) => row.name(number),
                None => row.null(),
            };
        }
        out.sort();
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Mac, Timestamp};
    use crate::device::Claim;
    use crate::record::Value;

    /// The rows as (column, value) texts.
    fn rows(claims: &[Claim]) -> Vec<Vec<(&'static str, String)>> {
        let mut t = DeviceTable::default();
        claims.iter().for_each(|c| t.observe(c));
        t.settle();
        let mut out = RowBuffer::default();
        assert_eq!(t.software_rows(&mut out, |_| true), 0);
        let mut all = Vec::new();
        for index in out.index() {
            let mut values = out.values(index);
            let columns: Vec<_> = DEVICE_SOFTWARE
                .all_columns()
                .map(|c| {
                    let text = match values.next_value().unwrap_or_else(|| panic!("{} is missing", c.name)) {
                        Value::Null => String::from("-"),
                        Value::Text(text) => text.to_owned(),
                        other => format!("{other:?}"),
                    };
                    (c.name, text)
                })
                .collect();
            all.push(columns);
        }
        all
    }

    #[test]
    fn a_field_makes_a_row_for_each_product_with_the_end_of_its_support() {
        let (mac, ip) = (Mac([0, 0x1b, 0xa9, 1, 2, 3]), Addr::v4([10, 0, 0, 5]));
        // 2020-01-01
        let at = |s: i64| Timestamp((1_577_836_800 + s) * 1_000_000_000);
        let said = |n| Claim::fact("http", mac, ip, "server", b"Apache/2.0.52 (Unix) PHP/7.4.1", at(n));
        let got = rows(&[Claim::owns("arp", mac, ip, at(0)), said(3), said(9), said(5)]);
        assert_eq!(got.len(), 2);
        let get = |n: usize, name: &str| got[n].iter().find(|(c, _)| *c == name).unwrap().1.clone();
        assert_eq!([get(0, "product"), get(0, "version")], ["Apache HTTP Server", "2.0.52"]);
        assert_eq!(get(0, "cpe"), "cpe:2.3:a:apache:http_server:2.0.52:*:*:*:*:*:*:*");
        assert_eq!(get(0, "evidence"), "Apache/2.0.52 (Unix) PHP/7.4.1");
        assert!(get(0, "support_ended").contains("true") && get(0, "support_line").contains("2.0"));
        assert!(get(1, "support_ended").contains("false"), "it ended later than it was seen");
        assert!(get(0, "last_seen").contains(&at(9).nanos().to_string()));
        assert_eq!([get(0, "role"), get(0, "source"), get(0, "field")], ["server", "http", "server"]);
    }

    #[test]
    fn what_names_no_software_makes_no_row() {
        let mac = Mac([0, 0x1b, 0xa9, 1, 2, 3]);
        let fact = |attribute, value: &str| {
            Claim::fact("http", mac, Addr::UNSPECIFIED, attribute, value.as_bytes(), Timestamp(1))
        };
        assert!(rows(&[fact("title", "Apache/2.2"), fact("server", "UPnP/1.0"), fact("hostname", "nginx")]).is_empty());
    }
}

//! Which device an entry is of, and what it overrules.

use super::{Entry, Inventory};
use crate::base::{Addr, limits};
use crate::device::judge::Verdict;
use crate::device::table::Device;
use crate::signature::devices::{self, UNKNOWN};

impl Inventory {
    /// Gives each device its entry, and says which entries have one, by their place. What an entry says of
    /// addresses and names that is otherwise on the wire becomes a conflict.
    pub(in crate::device) fn attach(&self, devices: &mut [Device]) -> Vec<bool> {
        let mut seen = vec![false; self.entries.len()];
        let mut named: Vec<Option<usize>> = vec![None; self.entries.len()];
        for (at, device) in devices.iter_mut().enumerate() {
            let by_mac = self.by_mac.get(&device.mac).copied().filter(|_| !device.mac.is_zero());
            let by_ip =
                || device.ips.iter().find_map(|owned| self.by_ip.get(&owned.ip).map(|entry| (owned.ip, *entry)));
            device.entry = by_mac;
            if by_mac.is_none()
                && let Some((ip, index)) = by_ip()
                && let Some(entry) = self.entries.get(index)
            {
                // Whoever has another MAC than the entry says only sits at its address.
                if device.mac.is_zero() || entry.macs.is_empty() {
                    device.entry = Some(index);
                } else {
                    let of = entry.macs.first().map(ToString::to_string).unwrap_or_default();
                    let line = entry.line;
                    device.conflicts.push(format!("{ip}: belongs to {of} by the inventory (line {line})"));
                }
            }
            match device.entry {
                Some(index) => {
                    if let Some(was_seen) = seen.get_mut(index) {
                        *was_seen = true;
                    }
                }
                // A name alone: noted, because several devices may have it.
                None => {
                    for entry in self.entries_named(device) {
                        if let Some(first) = named.get_mut(entry) {
                            *first = Some(if first.is_some() { usize::MAX } else { at });
                        }
                    }
                }
            }
        }
        for (index, at) in named.into_iter().enumerate() {
            if let Some(device) = at.and_then(|at| devices.get_mut(at))
                && device.entry.is_none()
                && let Some(was_seen) = seen.get_mut(index)
            {
                device.entry = Some(index);
                *was_seen = true;
            }
        }
        seen
    }

    /// Entries without MAC and address that have one of the device's names.
    fn entries_named(&self, device: &Device) -> Vec<usize> {
        if self.by_name.is_empty() {
            return Vec::new();
        }
        let names = device.facts.iter().filter(|(_, attribute, _)| *attribute == "hostname").map(|(.., name)| &**name);
        let entry = |name: &str| {
            let name = name.to_lowercase();
            let host = name.split('.').next().unwrap_or_default();
            self.by_name.get(&name).or_else(|| self.by_name.get(host)).copied()
        };
        let mut found: Vec<_> = names.filter_map(entry).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The entry of a device.
    pub(in crate::device) fn entry(&self, device: &Device) -> Option<&Entry> {
        device.entry.and_then(|at| self.entries.get(at))
    }
}

/// What the inventory says in place of what was judged: it is told as such, and what was judged otherwise is
/// a conflict.
pub(in crate::device) fn overrule(entry: &Entry, device: &Device, verdict: &mut Verdict) {
    let mut signs = Vec::new();
    let mut conflicts = Vec::new();
    let mut says = |attribute: &str, value: &str| signs.push(format!("inventory: {value} -> {attribute} (1.00)"));
    if let Some(class) = entry.class {
        says("class", class);
        if !matches!(verdict.class, UNKNOWN | "") && verdict.class != class {
            let (judged, sure) = (verdict.class, verdict.confidence);
            conflicts.push(format!("class: {class} by the inventory, {judged} ({sure:.2}) by what was seen"));
        }
        verdict.class = class;
        verdict.confidence = 1.0;
    }
    for (attribute, stated, judged) in
        [("vendor", &entry.vendor, &mut verdict.vendor), ("model", &entry.model, &mut verdict.model)]
    {
        let Some(stated) = stated else { continue };
        says(attribute, stated);
        if let Some(judged) = judged.as_deref().filter(|judged| !alike(attribute, stated, judged)) {
            conflicts.push(format!("{attribute}: {stated} by the inventory, {judged} by what was seen"));
        }
        *judged = Some(stated.clone());
    }
    if let Some(name) = &entry.name {
        says("hostname", name);
        let mut names = device.facts.iter().filter(|(_, attribute, _)| *attribute == "hostname").peekable();
        let host = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
        if let Some((.., other)) = names.peek().copied()
            && !names.any(|(.., stated)| host(stated) == host(name))
        {
            conflicts.push(format!("name: {name} by the inventory, {other} by what was seen"));
        }
    }
    for mac in entry.macs.iter().filter(|mac| !device.mac.is_zero() && **mac == device.mac) {
        says("mac", &mac.to_string());
    }
    for ip in &entry.ips {
        says("ip", &ip.to_string());
    }
    let routable = |ip: &Addr| ip.is_v4() || !matches!(ip.0, [0xfe, 0x80..=0xbf, ..]);
    let (v4, v6): (Vec<Addr>, Vec<Addr>) = entry.ips.iter().partition(|ip| ip.is_v4());
    for stated in [v4, v6].iter().filter(|stated| !stated.is_empty()) {
        let same_family = |ip: &Addr| stated.first().is_some_and(|s| s.is_v4() == ip.is_v4());
        let mut own = device.ips.iter().map(|owned| owned.ip).filter(|ip| same_family(ip) && routable(ip)).peekable();
        if let (Some(first), Some(says)) = (own.peek().copied(), stated.first())
            && !own.any(|ip| stated.contains(&ip))
        {
            conflicts.push(format!("ip: {says} by the inventory, {first} by what was seen"));
        }
    }
    signs.append(&mut verdict.signs);
    verdict.signs = signs;
    conflicts.append(&mut verdict.conflicts);
    conflicts.truncate(limits::LIST_ITEMS_MAX);
    verdict.conflicts = conflicts;
}

/// Whether two spellings mean the same maker or model.
fn alike(attribute: &str, a: &str, b: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let known = |text: &str| match attribute {
        "vendor" => devices::all().hits("", "vendor", text).find_map(|hit| hit.tell.vendor.clone()),
        _ => None,
    };
    let (x, y) = (plain(&known(a).unwrap_or_else(|| a.to_owned())), plain(&known(b).unwrap_or_else(|| b.to_owned())));
    x.contains(&y) || y.contains(&x)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::base::{Mac, Timestamp};
    use crate::device::rows::DEVICES;
    use crate::device::{Claim, ClaimKind, DeviceTable};
    use crate::record::{RowBuffer, Value};

    const PHONE: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn table(csv: &str) -> DeviceTable {
        let list = Inventory::parse(Path::new("i.csv"), csv.as_bytes()).unwrap();
        let mut t = DeviceTable::default().with_inventory(Some(Arc::new(list)));
        t.observe(&Claim::owns("arp", PHONE, Addr::v4([10, 0, 0, 5]), Timestamp(1)));
        t.observe(&Claim::owns("arp", OTHER, Addr::v4([10, 0, 0, 6]), Timestamp(1)));
        for (attribute, value) in [("vendor-class", "Polycom-VVX411"), ("hostname", "phone-7.office.example")] {
            t.observe(&Claim::fact("dhcp", PHONE, Addr::UNSPECIFIED, attribute, value.as_bytes(), Timestamp(1)));
        }
        let behind = Claim { ip: Addr::v4([172, 16, 0, 9]), ..Claim::frame("flow", Mac::ZERO, Timestamp(1)) };
        t.observe(&Claim { kind: ClaimKind::Sent, ..behind });
        t.settle();
        t
    }

    /// The cells of a device's row that hold text, joined, by column.
    fn row(t: &DeviceTable, id: &str) -> std::collections::HashMap<&'static str, String> {
        let mut rows = RowBuffer::default();
        t.rows(0..t.len(), &mut rows, |_| [0; 5]);
        let text = |value| match value {
            Value::Text(s) => s.to_owned(),
            Value::Float(f) => f.to_string(),
            _ => String::new(),
        };
        let read = |at| {
            let mut values = rows.values(at);
            let cell = |column: &'static crate::record::Column| {
                let value = values.next_value().unwrap_or_else(|| panic!("{} is missing", column.name));
                let all = match value {
                    Value::List(n) => (0..n).map(|_| text(values.next_value().unwrap())).collect::<Vec<_>>().join("|"),
                    value => text(value),
                };
                (column.name, all)
            };
            DEVICES.all_columns().map(cell).collect::<std::collections::HashMap<_, _>>()
        };
        rows.index().iter().map(read).find(|row| row["device_id"] == id).unwrap()
    }

    #[test]
    fn the_inventory_wins_is_told_as_such_and_conflicts_are_listed() {
        let t = table(
            "mac,ip,name,class,vendor,model,site,owner,note\n\
             02:00:00:00:00:01,10.0.0.7,rezeption,camera,Axis,M10,Hall,Meier,spare\n",
        );
        let row = row(&t, "02:00:00:00:00:01");
        assert_eq!((row["class"].as_str(), row["confidence"].as_str()), ("camera", "1"));
        assert_eq!((row["vendor"].as_str(), row["model"].as_str()), ("Axis", "M10"));
        assert_eq!(row["hostnames"], "phone-7.office.example|rezeption");
        assert_eq!((row["site"].as_str(), row["owner"].as_str(), row["note"].as_str()), ("Hall", "Meier", "spare"));
        assert!(row["claims"].starts_with("inventory: camera -> class (1.00)|inventory: Axis -> vendor (1.00)|"));
        let conflicts: Vec<_> = row["conflicts"].split('|').collect();
        assert!(conflicts[0].starts_with("class: camera by the inventory, ip-phone (0.9"), "{conflicts:?}");
        assert_eq!(conflicts[1], "vendor: Axis by the inventory, Polycom by what was seen");
        assert_eq!(conflicts[2], "model: M10 by the inventory, VVX411 by what was seen");
        assert_eq!(conflicts[3], "name: rezeption by the inventory, phone-7.office.example by what was seen");
        assert_eq!(conflicts[4], "ip: 10.0.0.7 by the inventory, 10.0.0.5 by what was seen");
        let judged = &t.judged(0..1)[0];
        assert_eq!((judged.class, judged.confidence), ("camera", 1.0));
    }

    #[test]
    fn what_agrees_is_no_conflict_and_what_is_not_stated_is_judged() {
        let t = table("mac,ip,vendor,name\n02:00:00:00:00:01,10.0.0.5,Polycom Inc.,PHONE-7\n");
        let row = row(&t, "02:00:00:00:00:01");
        assert_eq!((row["class"].as_str(), row["vendor"].as_str()), ("ip-phone", "Polycom Inc."));
        assert_eq!(row["conflicts"], "");
        assert_ne!(row["confidence"], "1");
    }

    #[test]
    fn a_device_is_found_by_mac_then_by_address_then_by_name() {
        let t = table("mac,ip,name,site\n,10.0.0.6,,a\n,172.16.0.9,,b\n,,phone-7,c\n,,nobody,d\n");
        assert_eq!(row(&t, "02:00:00:00:00:02")["site"], "a");
        assert_eq!(row(&t, "172.16.0.9")["site"], "b");
        assert_eq!(row(&t, "02:00:00:00:00:01")["site"], "c");
        assert_eq!(t.inventory_seen(), [true, true, true, false]);
    }

    #[test]
    fn another_device_at_an_address_of_the_inventory_is_a_conflict() {
        let t = table("mac,ip,class\n02:00:00:00:00:99,10.0.0.6,printer\n");
        let row = row(&t, "02:00:00:00:00:02");
        assert_eq!(row["class"], "unknown");
        assert_eq!(row["conflicts"], "10.0.0.6: belongs to 02:00:00:00:00:99 by the inventory (line 2)");
        assert_eq!(t.inventory_seen(), [false]);
    }
}

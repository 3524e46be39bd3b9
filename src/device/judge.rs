//! What a device is: its claims are held against what tells of devices, and weighed.
//!
//! A fact adds log-odds to a class. What one source says counts once, by its strongest fact and a
//! part of the next: a device that repeats itself is no surer for it. What several sources say adds
//! up. A class then has the share `e^score` of all classes that anything speaks for and of "unknown",
//! which has a score of its own: a single weak fact stays below it, and a class that another one
//! contradicts loses to it.

use std::collections::BTreeMap;

use super::joined::virtual_machine;
use super::table::{Device, virtual_router};
use crate::base::limits;
use crate::signature::devices::{self, Hit, UNKNOWN, VIRTUAL};
use crate::signature::oui;
use crate::signature::pattern::NAMES;
use crate::signature::recog::{self, Said};

/// Score of "unknown": what speaks for a class must outweigh it.
const UNKNOWN_SCORE: f64 = 2.0;
/// Part of its weight that the second fact of one source adds.
const SECOND: f64 = 0.3;
/// From this score on another class, or another maker, is told as a conflict.
const CONFLICT_SCORE: f64 = 2.0;
/// Share of a class from which it is named.
const NAMED_FROM: f64 = 0.5;
/// More classes than these among the names that a device asks for: it asks for others.
const ASKED_CLASSES_MAX: usize = 2;
/// Weight of a maker by its block of MAC addresses; one of parts is nearly none.
const OUI_WEIGHT: f64 = 2.0;
const COMPONENT_WEIGHT: f64 = 0.5;
/// Weight of a property that a device states in so many words.
const STATED_WEIGHT: f64 = 2.5;
/// Weight of forwarding for few addresses: a host that changed its address looks like it.
const FORWARDS_FEW: f64 = 1.0;
/// Weight of forwarding where no address of its own is known: on a cut of a network, both ends look so.
const FORWARDS_UNKNOWN: f64 = 2.6;
/// Classes that are a kind of others: what speaks for those speaks for them.
const KINDS_OF: [(&str, &[&str]); 4] = [
    ("firewall", &["router"]),
    ("nas", &["server"]),
    ("access-control", &["building-controller", "plc"]),
    (VIRTUAL, &["server", "workstation", "laptop"]),
];
/// The fact that systems behind a device speak from its own address.
pub(super) const TRANSLATES: (&str, &str) = ("flow", "nat");
/// Classes that an operating system alone suggests.
const BY_SYSTEM: [&str; 4] = ["phone", "tablet", "workstation", "laptop"];

/// What a device is taken for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Verdict {
    pub class: &'static str,
    /// Share of the class, 0 to 1; of the best guess where the class is unknown.
    pub confidence: f64,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub os: Option<String>,
    /// What spoke for it, as `devices.claims` shows it, the heaviest first.
    pub signs: Vec<String>,
    pub conflicts: Vec<String>,
}

/// Weights of one thing to be decided, by candidate and source.
#[derive(Debug, Default)]
struct Scale<K: Ord>(BTreeMap<K, BTreeMap<&'static str, [f64; 2]>>);

impl<K: Ord> Scale<K> {
    fn add(&mut self, candidate: K, source: &'static str, weight: f64) {
        let [first, second] = self.0.entry(candidate).or_default().entry(source).or_default();
        if weight > *first {
            *second = *first;
            *first = weight;
        } else {
            *second = second.max(weight);
        }
    }

    /// Candidates with their scores, the best first; equal ones in the order of their names.
    fn ranked(&self) -> Vec<(&K, f64)> {
        let score = |by: &BTreeMap<_, [f64; 2]>| by.values().map(|[first, second]| first + SECOND * second).sum();
        let mut all: Vec<(&K, f64)> = self.0.iter().map(|(k, by)| (k, score(by))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }
}

/// What CUPS says in place of a model where a queue has no driver, or stands for other queues.
const NO_MODELS: [&str; 6] = [
    "Local Raw Printer",
    "Local Printer",
    "Remote Printer",
    "Local Printer Class",
    "Remote Printer Class",
    "Local System V Printer",
];

/// Whether a text in the place of a model names one.
fn is_model(text: &str) -> bool {
    !NO_MODELS.iter().any(|none| none.eq_ignore_ascii_case(text.trim()))
}

/// Who says it, for counting it once: a host name or model is the same statement over any protocol.
fn said_by(source: &'static str, attribute: &'static str) -> &'static str {
    match (source, attribute) {
        (_, "hostname" | "model") => attribute,
        ("port", _) => "service",
        _ => source,
    }
}

/// Collects what speaks for what.
#[derive(Debug, Default)]
struct Weighing {
    classes: Scale<&'static str>,
    vendors: Scale<String>,
    /// By the index in [`NAMES`].
    says: [Scale<String>; NAMES.len()],
    signs: Vec<(f64, String)>,
}

impl Weighing {
    fn hit(&mut self, source: &'static str, attribute: &'static str, value: &str, hit: &Hit<'_>) {
        let tell = hit.tell;
        let mut by = said_by(source, attribute);
        // Everything that follows from the operating system is one statement.
        if tell.vendor.is_none()
            && tell.class.is_some_and(|c| BY_SYSTEM.contains(&c))
            && hit.says.iter().any(|(index, _)| NAMES.get(*index) == Some(&"os"))
        {
            by = "os";
        }
        let mut says = Vec::new();
        if let Some(class) = tell.class {
            self.classes.add(class, by, hit.weight);
            says.push(format!("class {class}"));
        }
        says.extend(tell.role.map(|role| format!("role {role}")));
        if let Some(vendor) = &tell.vendor {
            let weight = match (source, tell.component) {
                (_, true) => COMPONENT_WEIGHT,
                ("oui", false) => OUI_WEIGHT,
                _ => hit.weight,
            };
            self.vendors.add(vendor.clone(), by, weight);
            says.push(format!("vendor {vendor}"));
        }
        for (index, text) in &hit.says {
            match NAMES.get(*index) {
                Some(&"vendor") => self.stated_vendor(by, text),
                Some(&"model") if !is_model(text) => {}
                Some(name) => {
                    if let Some(scale) = self.says.get_mut(*index) {
                        scale.add(text.clone(), by, hit.weight);
                    }
                    says.push(format!("{name} {text}"));
                }
                None => {}
            }
        }
        let sign = format!("{source}: {value} -> {} ({:.2})", says.join(", "), hit.weight);
        self.signs.push((hit.weight, sign));
    }

    /// What a fingerprint of the user's own says of a value.
    fn said(&mut self, source: &'static str, attribute: &'static str, value: &str, said: &Said) {
        let by = said_by(source, attribute);
        let mut says = Vec::new();
        if let Some(class) = said.class {
            self.classes.add(class, by, said.class_weight);
            says.push(format!("class {class}"));
        }
        if let Some(vendor) = &said.vendor {
            self.vendors.add(spelt(vendor), by, said.vendor_weight);
            says.push(format!("vendor {}", spelt(vendor)));
        }
        for (index, text) in [&said.model, &said.firmware, &said.os].into_iter().enumerate() {
            if let (Some(text), Some(scale)) = (text, self.says.get_mut(index)) {
                scale.add(text.clone(), by, said.class_weight.max(said.vendor_weight));
                says.push(format!("{} {text}", NAMES.get(index).unwrap_or(&"")));
            }
        }
        if !says.is_empty() {
            let weight = said.class_weight.max(said.vendor_weight);
            let sign = format!("{source}: {value} -> {} ({weight:.2}, {})", says.join(", "), said.place);
            self.signs.push((weight, sign));
        }
    }

    /// A maker in the words of the device.
    fn stated_vendor(&mut self, by: &'static str, name: &str) {
        self.vendors.add(spelt(name), by, STATED_WEIGHT);
    }

    /// The best of what was said, by the index in [`NAMES`].
    fn best(&self, index: usize) -> Option<String> {
        let ranked = self.says.get(index)?.ranked();
        ranked.first().map(|(text, _)| (*text).clone())
    }
}

/// A maker as the tables spell it.
fn spelt(name: &str) -> String {
    let known = devices::all().hits("", "vendor", name).find_map(|h| h.tell.vendor.clone());
    known.unwrap_or_else(|| name.to_owned())
}

/// Weighs what is known of a device.
pub(super) fn judge(device: &Device) -> Verdict {
    let tells = devices::all();
    let mut w = Weighing::default();
    if let Some(holder) = oui::lookup(device.mac) {
        let mut known = false;
        for hit in tells.hits("oui", "vendor", holder).filter(|h| h.tell.on.0 == "oui") {
            known |= hit.tell.vendor.is_some();
            w.hit("oui", "vendor", holder, &hit);
        }
        if !known {
            w.vendors.add(holder.to_owned(), "oui", OUI_WEIGHT);
        }
    }
    if let Some(kind) = virtual_machine(device.mac) {
        tells.hits("mac", "virtual", kind).for_each(|hit| w.hit("mac", "virtual", kind, &hit));
    }
    forwarding(device, &mut w);
    let asked = asked_classes(device);
    let translates = device.facts.iter().any(|(source, attribute, _)| (*source, *attribute) == TRANSLATES);
    for (source, attribute, value) in &device.facts {
        if *source == "name" && asked > ASKED_CLASSES_MAX || translates && is_of_client(source, attribute) {
            continue;
        }
        let mut known = false;
        for hit in tells.hits(source, attribute, value) {
            known |= hit.tell.vendor.is_some();
            w.hit(source, attribute, value, &hit);
        }
        for said in recog::loaded().into_iter().flat_map(|r| r.hits(source, attribute, value)) {
            w.said(source, attribute, value, &said);
        }
        match *attribute {
            "vendor" if !known => w.stated_vendor(source, value),
            "model" if is_model(value) => w.says[0].add(value.to_string(), "stated", STATED_WEIGHT),
            "firmware" => w.says[1].add(value.to_string(), "stated", STATED_WEIGHT),
            "os" => w.says[2].add(value.to_string(), "stated", STATED_WEIGHT),
            _ => {}
        }
    }
    conclude(device, &mut w)
}

/// Whether a fact is about what a device asks: through one that translates addresses ask those behind it.
fn is_of_client(source: &str, attribute: &str) -> bool {
    source == "name" || matches!(attribute, "user-agent" | "used" | "asked")
}

/// How many classes the names that a device asks for speak for.
fn asked_classes(device: &Device) -> usize {
    let names = device.facts.iter().filter(|(source, ..)| *source == "name");
    let mut classes: Vec<_> =
        names.flat_map(|(s, a, v)| devices::all().hits(s, a, v)).filter_map(|h| h.tell.class).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.len()
}

/// A MAC that forwards for others, or that stands for several routers.
fn forwarding(device: &Device, w: &mut Weighing) {
    let tells = devices::all();
    if let Some(kind) = virtual_router(device.mac) {
        tells.hits("table", "virtual-router", kind).for_each(|hit| w.hit("table", "virtual-router", kind, &hit));
    } else if let Some(others) = device.forwards.filter(|_| !device.mac.is_zero()) {
        for mut hit in tells.hits("table", "router", "forwards") {
            if others > 0 && others < limits::ROUTER_ADDRESSES_MIN {
                hit.weight = FORWARDS_FEW;
            } else if device.ips.is_empty() {
                hit.weight = FORWARDS_UNKNOWN;
            }
            w.hit("table", "router", "forwards", &hit);
        }
    }
}

fn conclude(device: &Device, w: &mut Weighing) -> Verdict {
    let mut classes: Vec<(&'static str, f64)> = w.classes.ranked().into_iter().map(|(k, s)| (*k, s)).collect();
    for (kind, of) in KINDS_OF {
        if classes.iter().any(|(class, score)| *class == kind && *score >= CONFLICT_SCORE) {
            let more = classes.iter().filter(|(class, _)| of.contains(class)).map(|(_, score)| *score);
            let more = more.fold(0.0, f64::max);
            classes.retain(|(class, _)| !of.contains(class));
            classes.iter_mut().filter(|(class, _)| *class == kind).for_each(|(_, score)| *score += more);
        }
    }
    classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let whole: f64 = UNKNOWN_SCORE.exp() + classes.iter().map(|(_, score)| score.exp()).sum::<f64>();
    let best = classes.first().copied();
    let share = best.map_or(0.0, |(_, score)| score.exp() / whole);
    let named = best.filter(|_| share >= NAMED_FROM);
    let mut conflicts = device.conflicts.clone();
    for (class, score) in classes.iter().skip(usize::from(named.is_some())) {
        if *score >= CONFLICT_SCORE {
            conflicts.push(format!("class: {class} ({score:.2}) speaks against {}", named.map_or(UNKNOWN, |n| n.0)));
        }
    }
    let vendors = w.vendors.ranked();
    for (vendor, score) in vendors.iter().skip(1) {
        if let Some((first, _)) = vendors.first()
            && *score > CONFLICT_SCORE
        {
            conflicts.push(format!("vendor: {vendor} ({score:.2}) speaks against {first}"));
        }
    }
    conflicts.truncate(limits::LIST_ITEMS_MAX);
    let doubt = if device.conflicts.is_empty() { 1.0 } else { 0.9 };
    let vendor = vendors.first().map(|(name, _)| (*name).clone());
    w.signs.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    w.signs.dedup();
    Verdict {
        class: named.map_or(UNKNOWN, |(class, _)| class),
        confidence: ((share * doubt).min(0.99) * 100.0).round() / 100.0,
        vendor,
        model: w.best(0),
        firmware: w.best(1),
        os: w.best(2),
        signs: std::mem::take(&mut w.signs).into_iter().map(|(_, sign)| sign).collect(),
        conflicts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Mac, Timestamp};
    use crate::device::{Claim, DeviceTable};

    const NOBODY: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn of(mac: Mac, facts: &[(&'static str, &'static str, &str)]) -> Verdict {
        let mut t = DeviceTable::default();
        t.observe(&Claim::owns("arp", mac, Addr::v4([10, 0, 0, 5]), Timestamp(1)));
        for (source, attribute, value) in facts {
            t.observe(&Claim::fact(source, mac, Addr::UNSPECIFIED, attribute, value.as_bytes(), Timestamp(1)));
        }
        t.settle();
        judge(&t.devices[0])
    }

    #[test]
    fn a_strong_sign_decides_and_says_more() {
        let v = of(NOBODY, &[("dhcp", "vendor-class", "Polycom-VVX411")]);
        assert_eq!((v.class, v.vendor.as_deref(), v.model.as_deref()), ("ip-phone", Some("Polycom"), Some("VVX411")));
        assert!(v.confidence > 0.9, "{}", v.confidence);
        assert_eq!(v.signs, ["dhcp: Polycom-VVX411 -> class ip-phone, vendor Polycom, model VVX411 (5.00)"]);
    }

    #[test]
    fn one_weak_sign_decides_nothing_and_two_from_different_sources_do() {
        let weak = ("http", "server", "nginx");
        let v = of(NOBODY, &[weak]);
        assert_eq!(v.class, UNKNOWN);
        assert!(v.confidence < NAMED_FROM);
        let v = of(NOBODY, &[weak, ("ssh", "banner", "SSH-2.0-OpenSSH_8.2p1 Ubuntu-4ubuntu0.5")]);
        assert_eq!(v.class, "server");
        assert!(v.confidence < 0.8, "{}", v.confidence);
        // One source that repeats itself is still one source.
        let v = of(NOBODY, &[weak, ("http", "server", "Apache/2.4")]);
        assert_eq!(v.class, UNKNOWN);
    }

    #[test]
    fn a_sign_without_confirmation_never_decides_alone() {
        for tell in devices::BUILTIN.iter().flat_map(|(name, text)| {
            let list = crate::signature::list::parse(name.as_ref(), text, &devices::COLUMNS).unwrap();
            list.rows.into_iter().filter(|(_, cells)| cells[6] == "low")
        }) {
            let weight: f64 = tell.1[5].parse().unwrap();
            let share = weight.min(devices::LOW_MAX).exp();
            assert!(share / (share + UNKNOWN_SCORE.exp()) < NAMED_FROM);
        }
    }

    #[test]
    fn conflicts_lower_the_confidence_and_are_told() {
        let one = of(NOBODY, &[("dhcp", "vendor-class", "HP LaserJet")]);
        let both = of(NOBODY, &[("dhcp", "vendor-class", "HP LaserJet"), ("sip", "user-agent", "Yealink X")]);
        assert!(one.conflicts.is_empty());
        assert!(both.confidence < one.confidence);
        assert!(both.conflicts.iter().any(|c| c.starts_with("class: ")), "{:?}", both.conflicts);
        assert!(both.conflicts.iter().any(|c| c.starts_with("vendor: ")), "{:?}", both.conflicts);
    }

    #[test]
    fn the_order_of_the_claims_makes_no_difference() {
        let mut facts = [
            ("dhcp", "hostname", "NPI8A2F10"),
            ("mdns", "service", "HP._ipp._tcp.local"),
            ("pjl", "model", "HP LaserJet 4250"),
            ("port", "served", "9100/tcp"),
            ("http", "server", "Apache"),
        ];
        let first = of(NOBODY, &facts);
        assert_eq!(first.class, "printer");
        facts.reverse();
        assert_eq!(of(NOBODY, &facts), first);
        facts.swap(1, 3);
        assert_eq!(of(NOBODY, &facts), first);
    }

    #[test]
    fn the_maker_of_an_interface_alone_is_never_nearly_sure() {
        let mut t = DeviceTable::default();
        t.observe(&Claim::owns("arp", NOBODY, Addr::v4([10, 0, 0, 5]), Timestamp(1)));
        t.settle();
        for (_, text) in devices::BUILTIN {
            let list = crate::signature::list::parse("x".as_ref(), text, &devices::COLUMNS).unwrap();
            for (_, cells) in list.rows.iter().filter(|(_, c)| c[0] == "oui vendor" && !c[2].is_empty()) {
                let mut w = Weighing::default();
                for hit in devices::all().hits("oui", "vendor", &cells[8]) {
                    w.hit("oui", "vendor", &cells[8], &hit);
                }
                let v = conclude(&t.devices[0], &mut w);
                assert!(v.confidence <= 0.7 || v.class == VIRTUAL, "{cells:?} {v:?}");
            }
        }
        let agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15";
        let v = of(NOBODY, &[("http", "user-agent", agent)]);
        assert_eq!((v.class, v.vendor.as_deref()), ("laptop", Some("Apple")));
        assert!(v.confidence < 0.6, "iMac and Mac mini say so too: {}", v.confidence);
    }

    #[test]
    fn a_queue_without_a_driver_is_no_model() {
        let v = of(NOBODY, &[("ipp", "model", "Local Raw Printer"), ("mdns", "txt", "ty=Local Raw Printer")]);
        assert_eq!(v.model, None);
        let v = of(NOBODY, &[("ipp", "model", "Local Raw Printer"), ("mdns", "txt", "ty=Brother HL-L5200")]);
        assert_eq!(v.model.as_deref(), Some("Brother HL-L5200"));
    }

    #[test]
    fn a_handset_that_a_user_agent_names_outweighs_the_maker_of_its_interface() {
        let murata = Mac([0x00, 0x0e, 0x6d, 1, 2, 3]);
        for (agent, class, vendor, model) in [
            (
                "Mozilla/5.0 (Linux; Android 10; SM-A715F) AppleWebKit/537.36 Mobile",
                "phone",
                "Samsung",
                Some("SM-A715F"),
            ),
            ("Dalvik/2.1.0 (Linux; U; Android 9; SM-G960F Build/PPR1.180610)", "phone", "Samsung", Some("SM-G960F")),
            ("Mozilla/5.0 (Linux; Android 9; SM-T510) AppleWebKit/537.36 Safari", "tablet", "Samsung", Some("SM-T510")),
            ("Dalvik/2.1.0 (Linux; U; Android 9; Redmi Note 8 Build/PKQ1)", "phone", "Xiaomi", Some("Redmi Note 8")),
            (
                "Mozilla/5.0 (Linux; Android 11; Pixel 4a) AppleWebKit/537.36 Mobile",
                "phone",
                "Google",
                Some("Pixel 4a"),
            ),
        ] {
            let v = of(murata, &[("http", "user-agent", agent)]);
            assert_eq!((v.class, v.vendor.as_deref(), v.model.as_deref()), (class, Some(vendor), model), "{agent}");
        }
    }

    #[test]
    fn who_makes_the_interface_of_a_virtual_machine_did_not_make_what_runs_in_it() {
        let vmware = Mac([0, 0x0c, 0x29, 1, 2, 3]);
        assert_eq!((of(vmware, &[]).class, of(vmware, &[]).vendor.as_deref()), (VIRTUAL, Some("VMware")));
        for (source, attribute, value, vendor) in [
            ("dhcp", "vendor-class", "MSFT 5.0", "Microsoft"),
            ("dhcp", "vendor-class", "ArubaAP", "Aruba"),
            ("cdp", "model", "cisco CSR1000V", "Cisco"),
            ("ssh", "banner", "SSH-2.0-OpenSSH_9.2p1 Debian-2", "VMware"),
        ] {
            let v = of(vmware, &[(source, attribute, value)]);
            assert_eq!(v.vendor.as_deref(), Some(vendor), "{value}: {v:?}");
        }
        // Boards are built into computers of any name; a maker of computers is theirs whatever runs on them.
        let windows = [("dhcp", "vendor-class", "MSFT 5.0")];
        for (mac, vendor) in
            [([0, 0x1f, 0xcf], "Microsoft"), ([0x28, 0xcf, 0xda], "Apple"), ([0xf8, 0xca, 0xb8], "Dell")]
        {
            let [a, b, c] = mac;
            assert_eq!(of(Mac([a, b, c, 1, 2, 3]), &windows).vendor.as_deref(), Some(vendor));
        }
    }

    #[test]
    fn virtual_interfaces_are_known_by_their_blocks() {
        for (mac, vendor) in [
            ([0x52, 0x54, 0, 1, 2, 3], "QEMU"),
            ([0xfa, 0x16, 0x3e, 1, 2, 3], "OpenStack"),
            ([0, 0x15, 0x5d, 1, 2, 3], "Microsoft"),
            ([0xbc, 0x24, 0x11, 1, 2, 3], "Proxmox"),
            ([2, 0x42, 172, 17, 0, 2], "Docker"),
        ] {
            let v = of(Mac(mac), &[]);
            assert_eq!((v.class, v.vendor.as_deref()), (VIRTUAL, Some(vendor)));
        }
        assert_eq!(of(Mac([2, 0x42, 8, 8, 8, 8]), &[]).class, UNKNOWN, "no address of an inside");
        let v = of(Mac([0x52, 0x54, 0, 1, 2, 3]), &[("dhcp", "vendor-class", "MSFT 5.0")]);
        assert_eq!((v.class, v.vendor.as_deref()), (VIRTUAL, Some("Microsoft")));
    }

    #[test]
    fn a_relay_agent_is_most_likely_a_router() {
        let v = of(NOBODY, &[("dhcp", "relay", "giaddr")]);
        assert_eq!(v.class, "router");
        assert!(v.confidence < 0.7, "{}", v.confidence);
    }

    #[test]
    fn the_maker_that_a_device_states_outweighs_the_maker_of_its_parts() {
        let espressif = Mac([0x5c, 0xcf, 0x7f, 1, 2, 3]);
        assert_eq!(of(espressif, &[]).vendor.as_deref(), Some("Espressif"));
        let v = of(espressif, &[("dhcp", "vendor-class", "MSFT 5.0")]);
        assert_eq!(v.vendor.as_deref(), Some("Microsoft"));
        let v = of(espressif, &[("http", "vendor", "Hewlett-Packard")]);
        assert_eq!(v.vendor.as_deref(), Some("HP"), "as the other sources spell it");
        let v = of(espressif, &[("http", "vendor", "Nobody & Sons")]);
        assert_eq!(v.vendor.as_deref(), Some("Nobody & Sons"));
    }

    #[test]
    fn who_asks_for_the_names_of_many_kinds_of_device_asks_for_others() {
        let name = |n: &'static str| ("name", "asked", n);
        let one = of(NOBODY, &[name("hik-connect.com"), name("reolink.com")]);
        assert_eq!(one.class, "camera");
        let many = [name("hik-connect.com"), name("rps.yealink.com"), name("update.brother.co.jp")];
        assert_eq!(of(NOBODY, &many).class, UNKNOWN);
    }

    #[test]
    fn a_firewall_is_a_router_and_a_virtual_machine_may_be_a_server() {
        let v = of(Mac([0, 0x1b, 0x17, 1, 2, 3]), &[("dhcp", "gateway", "option 3")]);
        assert_eq!(v.class, "firewall");
        assert!(v.conflicts.is_empty(), "{:?}", v.conflicts);
        let vm = Mac([0, 0x50, 0x56, 1, 2, 3]);
        assert_eq!(of(vm, &[("sip", "server", "Asterisk PBX 18.10.0")]).class, VIRTUAL);
        assert_eq!(of(vm, &[("dhcp", "vendor-class", "ArubaAP")]).class, "access-point");
    }

    #[test]
    fn everything_that_follows_from_the_system_is_one_statement() {
        let one = of(NOBODY, &[("dhcp", "vendor-class", "android-dhcp-9")]);
        let many = [
            ("dhcp", "vendor-class", "android-dhcp-9"),
            ("http", "user-agent", "Dalvik/2.1.0 (Linux; U; Android 9; X Build/P)"),
            ("name", "asked", "mtalk.google.com"),
        ];
        let many = of(NOBODY, &many);
        assert_eq!((one.class, many.class), ("phone", "phone"));
        assert!(many.confidence - one.confidence < 0.2, "{} {}", one.confidence, many.confidence);
    }

    #[test]
    fn a_router_is_known_by_what_it_forwards() {
        let vrrp = Mac([0, 0, 0x5e, 0, 1, 7]);
        assert_eq!(of(vrrp, &[]).class, "router");
        let mut t = DeviceTable::default();
        t.observe(&Claim::owns("arp", NOBODY, Addr::v4([10, 0, 0, 1]), Timestamp(1)));
        let kind = crate::device::ClaimKind::Foreign(crate::device::Reach::Answered);
        t.observe(&Claim { kind, ip: Addr::v4([8, 8, 8, 8]), ..Claim::frame("flow", NOBODY, Timestamp(1)) });
        t.settle();
        assert_eq!(judge(&t.devices[0]).class, "router");
    }
}

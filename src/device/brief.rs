//! Devices in few words: what each was taken for, and the devices that a summary names.

use hashbrown::HashMap;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::inventory::overrule;
use super::judge::{Verdict, judge};
use super::table::{Device, DeviceTable};
use crate::base::{Addr, limits};
use crate::signature::devices::{CLASSES, UNKNOWN};

/// A device in one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its first address, else its MAC.
    pub device: String,
    /// Its class.
    pub class: &'static str,
    /// Maker.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// How sure the class is.
    pub confidence: f64,
    /// The strongest sign for the class, as `source: value`; empty where the class is unknown.
    pub reason: String,
}

/// What a device is taken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its class.
    pub class: &'static str,
    /// How sure that is.
    pub confidence: f64,
    /// All of it, where there is room.
    whole: Option<Box<Verdict>>,
}

/// What comes first: classes in the order of [`CLASSES`], which begins with those that an office has and
/// nobody looks after; what is unknown comes last.
fn rank(class: &str) -> usize {
    match class {
        UNKNOWN => CLASSES.len() + 1,
        class => CLASSES.iter().position(|c| *c == class).unwrap_or(CLASSES.len()),
    }
}

/// Puts what several networks told in the order of one.
pub fn merge(classes: &mut Vec<(&'static str, u64)>, shown: &mut Vec<Shown>) {
    classes.sort_by_key(|(class, _)| (rank(class), *class));
    classes.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
    shown.sort_by(|a, b| rank(a.class).cmp(&rank(b.class)).then(b.confidence.total_cmp(&a.confidence)));
    shown.truncate(limits::SHOWN_DEVICES_MAX);
}

impl DeviceTable {
    /// What each of these devices is taken for.
    pub fn judged(&self, places: Range<usize>) -> Vec<Judged> {
        let keep = self.devices.len() <= self.room.of(limits::VERDICTS_KEPT_MAX);
        let judged = |device: &Device| {
            let verdict = self.verdict(device);
            Judged { class: verdict.class, confidence: verdict.confidence, whole: keep.then(|| Box::new(verdict)) }
        };
        self.devices.get(places).unwrap_or_default().iter().map(judged).collect()
    }

    /// Takes what [`DeviceTable::judged`] said of all devices, `0..`[`DeviceTable::in_memory`], so that it need not be
    /// asked again.
    pub fn take_judged(&mut self, all: Vec<Judged>) {
        self.judged = OnceLock::from(all);
    }

    /// What a device is taken for, the inventory heard.
    pub(super) fn verdict(&self, device: &Device) -> Verdict {
        let mut verdict = judge(device);
        if let Some(entry) = self.entry(device) {
            overrule(entry, device, &mut verdict);
        }
        verdict
    }

    /// Likewise of the device at a place, kept or judged now.
    pub(super) fn verdict_at(&self, index: usize, device: &Device) -> Cow<'_, Verdict> {
        let kept = self.judged.get().and_then(|all| all.get(index)).and_then(|judged| judged.whole.as_deref());
        kept.map_or_else(|| Cow::Owned(self.verdict(device)), Cow::Borrowed)
    }

    /// The class of each device and how sure it is, in the order of the devices.
    fn verdicts(&self) -> &[Judged] {
        self.judged.get_or_init(|| self.judged(0..self.devices.len()))
    }

    /// The class of each device, by its identifier.
    pub fn classes(&self) -> HashMap<&str, &'static str> {
        let now = self.devices.iter().zip(self.verdicts()).map(|(d, judged)| (d.id.as_str(), judged.class));
        self.classes_written().chain(now).collect()
    }

    /// How many devices of each class there are, in the order in which classes are told.
    pub fn by_class(&self) -> Vec<(&'static str, u64)> {
        let mut counts: HashMap<&'static str, u64> = HashMap::new();
        for class in self.classes().into_values() {
            *counts.entry(class).or_default() += 1;
        }
        for (class, n) in self.forgotten() {
            *counts.entry(class).or_default() += n;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(class, _)| (rank(class), *class));
        counts
    }

    /// The devices that a summary names: the classes of an office first, the surest of each first.
    pub fn shown(&self) -> Vec<Shown> {
        let mut order: Vec<_> = self.devices.iter().zip(self.verdicts()).collect();
        order.sort_by(|(a, one), (b, other)| {
            let by_class = rank(one.class).cmp(&rank(other.class));
            by_class.then(other.confidence.total_cmp(&one.confidence)).then_with(|| a.id.cmp(&b.id))
        });
        order.truncate(limits::SHOWN_DEVICES_MAX);
        order.into_iter().map(|(device, _)| self.one_shown(device)).collect()
    }

    fn one_shown(&self, device: &Device) -> Shown {
        // An address that is its alone says more than one that it shares.
        let alone = |ip: &Addr| self.by_ip.get(ip).is_some_and(|owners| owners.len() == 1);
        let own = device.ips.iter().find(|owned| alone(&owned.ip)).or_else(|| device.ips.first());
        shown(device, self.verdict(device), own.map(|owned| owned.ip))
    }
}

fn shown(device: &Device, verdict: Verdict, ip: Option<Addr>) -> Shown {
    let says = format!("class {}", verdict.class);
    let speaks_for = |sign: &&String| {
        let conclusion = sign.rsplit_once(" -> ").map_or("", |(_, conclusion)| conclusion);
        conclusion.split(" (").next().is_some_and(|all| all.split(", ").any(|part| part == says))
    };
    let reason = verdict.signs.iter().find(speaks_for).and_then(|sign| sign.rsplit_once(" -> "));
    let id = device.id.split('@').next().unwrap_or_default();
    Shown {
        device: ip.map_or_else(|| id.to_owned(), |ip| ip.to_string()),
        class: verdict.class,
        vendor: verdict.vendor,
        model: verdict.model,
        confidence: verdict.confidence,
        reason: reason.map_or_else(String::new, |(sign, _)| sign.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Mac, Timestamp};
    use crate::device::Claim;

    #[test]
    fn the_devices_of_an_office_come_first_and_each_has_its_reason() {
        let mut t = DeviceTable::default();
        let mut device = |last: u8, source, attribute, value: &str| {
            let mac = Mac([2, 0, 0, 0, 0, last]);
            t.observe(&Claim::owns("arp", mac, Addr::v4([10, 0, 0, last]), Timestamp(1)));
            t.observe(&Claim::fact(source, mac, Addr::UNSPECIFIED, attribute, value.as_bytes(), Timestamp(1)));
        };
        device(1, "http", "server", "nginx");
        device(2, "dhcp", "vendor-class", "MSFT 5.0");
        device(3, "dhcp", "vendor-class", "Polycom-VVX411");
        device(4, "dhcp", "vendor-class", "Hewlett-Packard JetDirect");
        t.settle();
        let lines: Vec<_> = t.shown().into_iter().map(|s| (s.device, s.class, s.reason)).collect();
        let want = [
            ("10.0.0.4", "printer", "dhcp: Hewlett-Packard JetDirect"),
            ("10.0.0.3", "ip-phone", "dhcp: Polycom-VVX411"),
            ("10.0.0.2", "workstation", "dhcp: MSFT 5.0"),
            ("10.0.0.1", "unknown", ""),
        ];
        assert_eq!(lines, want.map(|(d, c, r)| (d.to_owned(), c, r.to_owned())));
        assert_eq!(t.by_class(), [("printer", 1), ("ip-phone", 1), ("workstation", 1), ("unknown", 1)]);
    }
}

//! Findings: many sightings of the same thing, and the `findings` table.

mod examples;
mod store;

use hashbrown::HashMap;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use self::examples::Examples;
use self::store::Store;
use super::sighting::{Party, Sighting};
use crate::base::limits::{self, Room};
use crate::base::{Addr, Timestamp, hash};
use crate::device::DeviceTable;
use crate::policy::HomeNet;
use crate::policy::suppress::{Subject, Suppress, Tally};
use crate::record::{Column, RowBuffer, Table, Type};
use crate::signature::{Rule, RuleSet, Severity};

/// One row per finding.
pub static FINDINGS: Table = Table {
    name: "findings",
    doc: "One row per finding: a rule that a device breaks, with how often, since when, and the packets that show it",
    prefix: &[],
    columns: &[
        Column::new(
            "finding_id",
            Type::Text,
            "Identifier: the same for the same finding in every run over the same input",
        ),
        Column::repeating("rule_id", Type::Text, "Rule, as in the signature files"),
        Column::repeating("category", Type::Text, "Sort of finding"),
        Column::repeating("severity", Type::Text, "info, low, medium, high or critical"),
        Column::repeating("confidence", Type::Float64, "How sure it is, 0 to 1"),
        Column::repeating("title", Type::Text, "What it is, in a few words"),
        Column::repeating("description", Type::Text, "What it means, in plain words"),
        Column::repeating("remedy", Type::Text, "What to do"),
        Column::new("device_id", Type::Text, "Device that it is about, as in the devices table; null for one outside"),
        Column::new("device_ip", Type::Text, "Address of that device"),
        Column::new("device_mac", Type::Text, "MAC address of the frames that its packets came in"),
        Column::repeating("device_class", Type::Text, "Sort of device, as in the devices table"),
        Column::new("peer_ip", Type::Text, "Address of the other end; null where several share the finding"),
        Column::repeating(
            "peer_port",
            Type::Int32,
            "Port of the responder, which tells the service; that of the evidence where it changes from flow to flow (calls, media)",
        ),
        Column::new("peer_name", Type::Text, "Name of the other end (SNI, HTTP Host, DNS)"),
        Column::repeating("peer_scope", Type::Text, "Where the other end is: internal, external or multicast"),
        Column::repeating("service", Type::Text, "Protocol on the flow"),
        Column::new("ts_first", Type::Time, "First sighting"),
        Column::new("ts_last", Type::Time, "Last sighting"),
        Column::new("count", Type::Int64, "Sightings"),
        Column::new("flow_ids", Type::Int64List, "The first flows that show it, and the one of the evidence"),
        Column::repeating("capture", Type::Text, "Capture that the packets are in"),
        Column::new(
            "packets",
            Type::Int64List,
            "The first packets that show it, and the one of the evidence, by their number in that capture",
        ),
        Column::new(
            "evidence",
            Type::Text,
            "What was seen at the most telling sighting (a login that was let in before one that was refused), the first of those; secrets blanked",
        ),
        Column::repeating("controls", Type::TextList, "Provisions and weaknesses that it bears on"),
        Column::repeating("explanation", Type::Text, "How it was recognised and what could fool that"),
        Column::repeating("suppressed", Type::Text, "Why it is silenced, as --suppress says; null where it counts"),
        Column::repeating("site", Type::Text, "Where the device is, as --inventory says"),
        Column::repeating("owner", Type::Text, "Whose the device is, as --inventory says"),
        Column::repeating("note", Type::Text, "What else --inventory says of the device"),
    ],
};

/// What makes two sightings the same finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    rule: &'static str,
    device: Party,
    peer: Option<Addr>,
    port: u16,
    detail: Cow<'static, str>,
}

impl Key {
    fn id(&self, seed: u64) -> u64 {
        let mut state = hash::stable64(seed, self.rule.as_bytes());
        state = hash::stable64(state, &self.device.ip.0);
        state = hash::stable64(state, &self.device.mac.0);
        state = hash::stable64(state, self.peer.as_ref().map_or(&[][..], |p| &p.0));
        state = hash::stable64(state, &self.port.to_be_bytes());
        hash::stable64(state, self.detail.as_bytes())
    }
}

/// Services whose responder listens at a port that is agreed on anew for each connection, or that a
/// phone picks: another port is not another finding.
const MOVING_PORTS: [&str; 6] = ["rtp", "rtcp", "sip", "mount", "tftp", "ftp-data"];

/// Ports below this one are of the service, not of the flow (RFC 6335, section 6).
const MOVING_PORT_MIN: u16 = 1024;
/// About what the values of a row take.
const ROW_BYTES: usize = 512;

fn has_moving_port(s: &Sighting) -> bool {
    // What is on a list is that at any port, and who shares files does so on many.
    s.rule.starts_with(super::intel::PREFIX)
        || s.rule == super::named::SHARING
        || s.port >= MOVING_PORT_MIN && MOVING_PORTS.contains(&s.service.as_ref())
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its number; text form: 16 hex digits.
    pub id: u64,
    /// The most telling sighting, the earliest of those: it gives evidence, service and port.
    pub shown: Sighting,
    /// Sightings.
    pub count: u64,
    /// First and last time.
    pub span: (Timestamp, Timestamp),
    examples: Examples,
    /// The earliest sighting that knew the peer's name, and that name.
    name: Option<((Timestamp, u32, u64, i64), String)>,
    /// Why it is silenced, where it is.
    suppressed: Option<String>,
}

impl Finding {
    fn new(id: u64, sighting: Sighting) -> Self {
        let mut finding = Self {
            id,
            count: 0,
            span: (sighting.ts, sighting.ts),
            examples: Examples::default(),
            name: None,
            suppressed: None,
            shown: sighting,
        };
        finding.take_note(None);
        finding
    }

    /// Takes in a sighting; the result does not depend on the order. Zero as packet or flow stands
    /// for none.
    fn merge(&mut self, s: Sighting) {
        self.take_note(Some(&s));
        let telling = |s: &Sighting| (u8::MAX - s.weight, rank(s));
        if (telling(&s), &s.evidence) < (telling(&self.shown), &self.shown.evidence) {
            self.shown = s;
        }
    }

    /// Everything that a sighting adds but its evidence; `None` for the one that is shown.
    fn take_note(&mut self, other: Option<&Sighting>) {
        let s = other.unwrap_or(&self.shown);
        self.count = self.count.saturating_add(1);
        self.span = (self.span.0.min(s.ts), self.span.1.max(s.ts));
        if s.packet > 0 {
            self.examples.packet((s.ts, s.capture, s.packet));
        }
        if s.flow_id != 0 {
            self.examples.flow(s.ts, s.flow_id);
        }
        if let Some(name) = &s.peer_name
            && self.name.as_ref().is_none_or(|(best, known)| (rank(s), name) < (*best, known))
        {
            self.name = Some((rank(s), name.clone()));
        }
    }

    /// Name of the peer, from the earliest sighting that knew one.
    pub fn peer_name(&self) -> Option<&str> {
        self.name.as_ref().map(|(_, name)| name.as_str())
    }

    /// Whether a list silences it.
    pub const fn is_suppressed(&self) -> bool {
        self.suppressed.is_some()
    }
}

/// Which of two sightings is the earlier one.
const fn rank(s: &Sighting) -> (Timestamp, u32, u64, i64) {
    (s.ts, s.capture, s.packet, s.flow_id)
}

/// What is known of the devices that findings are about. The table must be settled.
#[derive(Debug)]
pub struct About<'a> {
    /// The devices.
    pub devices: &'a DeviceTable,
    /// Their classes by identifier.
    pub classes: HashMap<&'a str, &'static str>,
    /// What the inventory notes of them: site, owner and note.
    pub notes: HashMap<&'a str, [Option<&'a str>; 3]>,
}

/// All findings of one network.
#[derive(Debug, Default)]
pub struct Findings {
    seed: u64,
    /// The user's rules; `None` for the built-in ones, which are parsed only when one is needed.
    rules: Option<Arc<RuleSet>>,
    /// What is dropped at the limit is the mildest.
    found: Store,
    room: Room,
}

impl Findings {
    /// None yet. `seed` keeps findings of different networks apart where each capture is one
    /// (`--separate`): a number made of what the capture is, else zero.
    pub fn new(seed: u64, rules: Option<Arc<RuleSet>>) -> Self {
        Self { seed, rules, ..Self::default() }
    }

    /// With the user's rules; `None` for the built-in ones.
    pub fn with_rules(self, rules: Option<Arc<RuleSet>>) -> Self {
        Self { rules, ..self }
    }

    /// With the limits that its memory leaves.
    pub fn within(self, room: Room) -> Self {
        Self { room, ..self }
    }

    fn rules(&self) -> &RuleSet {
        self.rules.as_ref().unwrap_or_else(|| RuleSet::builtin())
    }

    /// Takes in a sighting. A rule that is switched off makes no finding.
    pub fn add(&mut self, sighting: Sighting) {
        let key = Key {
            rule: sighting.rule,
            device: sighting.device,
            peer: sighting.peer.map(|p| p.ip),
            port: if has_moving_port(&sighting) { 0 } else { sighting.port },
            detail: sighting.detail.clone(),
        };
        if let Some(finding) = self.found.get_mut(&key) {
            finding.merge(sighting);
            return;
        }
        let Some(severity) = self.rules().get(sighting.rule).map(|r| r.severity) else { return };
        let mildness = Severity::Critical.rank() - severity.rank();
        let finding = Finding::new(key.id(self.seed), sighting);
        self.found.insert(mildness, key, finding, self.room.of(limits::FINDINGS_MAX));
    }

    /// Puts the findings in their order once there are no more, so that asking for them costs little.
    pub fn settle(&mut self) {
        self.found.settle(self.room.of(limits::FINDINGS_MAX));
    }

    /// Findings with examples cut at their limit, and findings dropped at theirs, for
    /// [`crate::base::counters::Counters::findings_limited`].
    pub fn limited(&self) -> u64 {
        self.found.dropped() + self.found.unordered().filter(|(_, f)| f.examples.limited()).count() as u64
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.len() == 0
    }

    /// Rule and finding, worst first; among equals by rule and device.
    pub fn ranked(&self) -> impl Iterator<Item = (&Rule, &Finding)> {
        let rules = self.rules();
        self.found.iter().filter_map(move |(key, finding)| Some((rules.get(key.rule)?, finding)))
    }

    /// Those of [`Findings::ranked`] that no list silences.
    pub fn counting(&self) -> impl Iterator<Item = (&Rule, &Finding)> {
        self.ranked().filter(|(_, finding)| !finding.is_suppressed())
    }

    /// Silences what a list names; the last thing that happens to findings before they are written.
    /// The table of devices must be settled.
    pub fn suppress(&mut self, list: &Suppress, devices: &DeviceTable) -> Tally {
        let mut tally = Tally::default();
        for (key, f) in self.found.iter_mut() {
            let Party { ip, mac } = f.shown.device;
            let subject = Subject {
                rule: key.rule,
                device_ip: Some(ip).filter(|ip| !ip.is_unspecified()),
                device_mac: Some(mac).filter(|mac| !mac.is_zero()),
                device_id: devices.device_of(mac, ip, f.shown.ts),
                peer_ip: f.shown.peer.map(|p| p.ip),
                peer_name: f.name.as_ref().map(|(_, name)| name.as_str()),
                last: f.span.1,
            };
            f.suppressed = list.judge(&subject, &mut tally).map(str::to_owned);
        }
        tally
    }

    /// How many findings of each severity count, from information (0) to critical (4).
    pub fn by_severity(&self) -> [u64; 5] {
        let mut counts = [0; 5];
        self.severities().for_each(|(severity, _)| count(&mut counts, severity));
        counts
    }

    /// How many findings of each severity count for each device, by its identifier.
    pub fn by_device(&self, devices: &DeviceTable) -> HashMap<String, [u64; 5]> {
        let mut counts: HashMap<String, [u64; 5]> = HashMap::new();
        for (severity, f) in self.severities() {
            let Party { ip, mac } = f.shown.device;
            if let Some(id) = devices.device_of(mac, ip, f.shown.ts) {
                count(counts.entry(id.to_owned()).or_default(), severity);
            }
        }
        counts
    }

    /// Severity and finding of all that count, in no order: devices that are written early ask in the middle of a run.
    fn severities(&self) -> impl Iterator<Item = (Severity, &Finding)> {
        let rules = self.rules();
        let counting = self.found.unordered().filter(|(_, finding)| !finding.is_suppressed());
        counting.filter_map(move |(key, finding)| Some((rules.get(key.rule)?.severity, finding)))
    }

    /// Writes the rows of those at these places among the [ranked](Self::ranked). `texts` is the number of the first text of the rules
    /// among the names of the run. The rows are not sorted yet.
    pub fn rows(&self, places: Range<usize>, texts: u32, about: &About<'_>, home: &HomeNet, out: &mut RowBuffer) {
        let About { devices, classes, notes } = about;
        out.reserve(places.len() * ROW_BYTES, places.len());
        for (rule, f) in self.ranked().skip(places.start).take(places.len()) {
            let s = &f.shown;
            // As exact as the table's times, so that who reads the table finds the same order.
            let mut row = out.row(Timestamp(f.span.0.micros().saturating_mul(1000)), f.id);
            let [id, title, description, remedy, explanation] = rule.text_numbers().map(|n| texts.saturating_add(n));
            row.text(&format!("{:016x}", f.id)).name(id).text(rule.category.name()).text(rule.severity.name());
            row.float(rule.confidence).name(title).name(description).name(remedy);
            let device = devices.device_of(s.device.mac, s.device.ip, s.ts);
            row.opt_text(device);
            match s.device.ip.is_unspecified() {
                true => row.null(),
                false => row.addr(s.device.ip),
            };
            row.mac(s.device.mac).opt_text(device.and_then(|id| classes.get(id)).copied());
            match s.peer {
                Some(peer) => row.addr(peer.ip),
                None => row.null(),
            };
            match s.port {
                0 => row.null(),
                port => row.int(port),
            };
            row.opt_text(f.peer_name()).opt_text(s.peer.map(|p| home.scope(p.ip)));
            row.nonempty(&s.service).time(f.span.0).time(f.span.1).count(f.count);
            row.ints(&f.examples.flow_ids((s.ts, s.flow_id))).name(s.capture);
            row.ints(&f.examples.packet_numbers((s.ts, s.capture, s.packet)));
            row.text(&s.evidence).texts(&rule.controls).name(explanation);
            row.opt_text(f.suppressed.as_deref());
            for noted in device.and_then(|id| notes.get(id)).copied().unwrap_or_default() {
                row.opt_text(noted);
            }
        }
    }
}

fn count(counts: &mut [u64; 5], severity: Severity) {
    if let Some(n) = counts.get_mut(severity.rank()) {
        *n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use crate::detect::sighting::{WEIGHT, weight};
    use crate::device::Claim;
    use crate::record::Value;
    use std::collections::{BTreeMap, BTreeSet};

    fn sighting(rule: &'static str, packet: u64) -> Sighting {
        Sighting {
            rule,
            device: Party { ip: Addr::v4([10, 0, 0, 5]), mac: Mac([0, 0x1b, 0xa9, 1, 2, 3]) },
            peer: Some(Party { ip: Addr::v4([10, 0, 0, 9]), mac: Mac::ZERO }),
            port: 23,
            peer_name: None,
            service: "telnet".into(),
            flow_id: packet as i64 * 10,
            capture: 0,
            packet,
            ts: Timestamp(packet as i64 * 1000),
            evidence: format!("packet {packet}"),
            detail: "".into(),
            weight: WEIGHT,
        }
    }

    fn values(findings: &Findings, row: usize) -> BTreeMap<&'static str, Vec<String>> {
        let mut devices = DeviceTable::default();
        devices.observe(&Claim::owns("arp", Mac([0, 0x1b, 0xa9, 1, 2, 3]), Addr::v4([10, 0, 0, 5]), Timestamp(1)));
        devices.settle();
        let mut out = RowBuffer::default();
        let home = HomeNet::default();
        let about = About { devices: &devices, classes: HashMap::new(), notes: devices.notes() };
        findings.rows(0..findings.len(), 1000, &about, &home, &mut out);
        out.sort();
        let mut reader = out.values(&out.index()[row]);
        let mut all = BTreeMap::new();
        for column in FINDINGS.all_columns() {
            let value = reader.next_value().unwrap_or_else(|| panic!("{} is missing", column.name));
            let mut items = vec![format!("{value:?}")];
            if let Value::List(len) = value {
                items = (0..len).map(|_| format!("{:?}", reader.next_value().unwrap())).collect();
            }
            all.insert(column.name, items);
        }
        assert_eq!(reader.next_value(), None);
        all
    }

    #[test]
    fn sightings_of_one_thing_merge_whatever_their_order() {
        let mut forward = Findings::default();
        let mut backward = Findings::default();
        let all: Vec<u64> = (1..=100).collect();
        all.iter().for_each(|n| forward.add(sighting("telnet-in-use", *n)));
        all.iter().rev().for_each(|n| backward.add(sighting("telnet-in-use", *n)));
        let (a, b) = (values(&forward, 0), values(&backward, 0));
        assert_eq!(a, b);
        assert_eq!(a["count"], ["Int(100)"]);
        assert_eq!(a["packets"].len(), limits::FINDING_EXAMPLES_MAX);
        assert_eq!(a["packets"][0], "Int(1)", "the earliest are kept");
        assert_eq!(a["flow_ids"][..2], ["Int(10)", "Int(20)"]);
        assert_eq!(a["evidence"], ["Text(\"packet 1\")"]);
        assert_eq!(a["device_id"], ["Text(\"00:1b:a9:01:02:03\")"]);
        assert_eq!(a["peer_scope"], ["Text(\"internal\")"]);
        assert_eq!(a["severity"], ["Text(\"high\")"]);
        assert_eq!(forward.limited(), 1);
    }

    #[test]
    fn what_differs_in_device_peer_port_or_detail_stays_apart_and_ids_are_stable() {
        let mut f = Findings::default();
        let base = sighting("tls-weak-cipher", 1);
        f.add(base.clone());
        f.add(Sighting { port: 443, ..base.clone() });
        f.add(Sighting { detail: "RC4".into(), ..base.clone() });
        f.add(Sighting { peer: None, ..base.clone() });
        f.add(Sighting { device: Party::default(), ..base.clone() });
        assert_eq!(f.len(), 5);
        let ids: BTreeSet<_> = f.ranked().map(|(_, f)| f.id).collect();
        assert_eq!(ids.len(), 5);
        let mut again = Findings::default();
        again.add(Sighting { packet: 77, evidence: String::new(), ..base.clone() });
        assert!(ids.contains(&again.ranked().next().unwrap().1.id));
        let mut elsewhere = Findings::new(9, None);
        elsewhere.add(base);
        assert!(!ids.contains(&elsewhere.ranked().next().unwrap().1.id));
    }

    #[test]
    fn the_worst_come_first_and_unknown_rules_make_nothing() {
        let mut f = Findings::default();
        f.add(sighting("egress-no-lookup", 1));
        f.add(sighting("telnet-in-use", 2));
        f.add(sighting("ftp-in-use", 3));
        f.add(sighting("no-such-rule", 4));
        let order: Vec<_> = f.ranked().map(|(r, _)| r.id.as_str()).collect();
        assert_eq!(order, ["telnet-in-use", "ftp-in-use", "egress-no-lookup"]);
        assert_eq!(f.by_severity(), [0, 1, 1, 1, 0]);
    }

    #[test]
    fn the_earliest_name_of_the_peer_is_kept() {
        let name = |n: &str, packet| Sighting { peer_name: Some(n.into()), ..sighting("telnet-in-use", packet) };
        let all = [sighting("telnet-in-use", 1), name("b", 3), name("a", 5)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut f = Findings::default();
            order.iter().for_each(|i| f.add(all[*i].clone()));
            assert_eq!(values(&f, 0)["peer_name"], ["Text(\"b\")"]);
        }
    }

    #[test]
    fn what_was_let_in_is_shown_before_what_was_refused() {
        let tried = |packet: u64, success| Sighting { weight: weight(success), ..sighting("telnet-in-use", packet) };
        let mut all: Vec<_> = (1..=80).map(|n| tried(n, Some(false))).collect();
        all.extend([tried(90, Some(true)), tried(95, Some(true)), tried(85, None)]);
        let mut rows = Vec::new();
        for order in [all.clone(), all.iter().rev().cloned().collect()] {
            let mut f = Findings::default();
            order.into_iter().for_each(|s| f.add(s));
            rows.push(values(&f, 0));
        }
        assert_eq!(rows[0], rows[1]);
        let row = &rows[0];
        assert_eq!(row["evidence"], ["Text(\"packet 90\")"]);
        assert_eq!((&row["ts_first"][0], &row["count"][0]), (&"Time(Timestamp(1000))".into(), &"Int(83)".into()));
        for (list, first, last) in [("packets", "Int(1)", "Int(90)"), ("flow_ids", "Int(10)", "Int(900)")] {
            let list = &row[list];
            assert_eq!((list.len(), list[0].as_str()), (limits::FINDING_EXAMPLES_MAX, first));
            assert_eq!(list[list.len() - 1], last, "the one of the evidence is among them");
        }
    }

    #[test]
    fn a_port_that_changes_with_each_call_makes_no_further_finding() {
        let ports = |service: &'static str, ports: &[u16]| {
            let mut f = Findings::default();
            for port in ports {
                f.add(Sighting { port: *port, service: service.into(), ..sighting("rtp-in-use", u64::from(*port)) });
            }
            f.len()
        };
        assert_eq!(ports("rtp", &[4000, 4002, 40_000]), 1);
        assert_eq!(ports("tftp", &[69, 40_000]), 2);
        assert_eq!(ports("http", &[8080, 8081]), 2);
    }

    #[test]
    fn packets_named_are_all_of_the_capture_named() {
        let mut f = Findings::default();
        f.add(Sighting { capture: 2, ..sighting("telnet-in-use", 5) });
        f.add(Sighting { capture: 3, ..sighting("telnet-in-use", 9) });
        let row = values(&f, 0);
        assert_eq!(row["capture"], ["Name(2)"]);
        assert_eq!(row["packets"], ["Int(5)"]);
        assert_eq!(row["count"], ["Int(2)"]);
    }
}

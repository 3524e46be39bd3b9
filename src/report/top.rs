//! The worst findings, as the summary and `run.json` name them: the same whether they come from a run
//! or from its findings table.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::document::FindingLine;
use crate::base::{Addr, Mac};
use crate::signature::Severity;

/// Lines of the list.
const LINES: usize = 10;

/// A finding on its way to the list.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Severity.
    pub severity: Severity,
    /// Number of the network, where every capture is one of its own.
    pub network: u32,
    /// Rule.
    pub rule: &'a str,
    /// Title.
    pub title: &'a str,
    /// Address and MAC address of the device.
    pub device: (Option<Addr>, Option<Mac>),
    /// The capture, which stands for the device where it is about none.
    pub capture: &'a str,
    /// Address of the other end.
    pub peer: Option<Addr>,
    /// Port of the responder.
    pub port: u16,
    /// What was seen.
    pub evidence: &'a str,
    /// Sightings.
    pub count: u64,
    /// Identifier.
    pub id: u64,
}

/// Severity, network, rule, device.
type Group = (Reverse<Severity>, u32, String, Option<Addr>, Option<Mac>, String);
/// What decides which finding of a group is named.
type Rank = (Option<Addr>, u16, String, u64);

/// Gathers the list; the order in which findings come makes no difference.
#[derive(Debug, Default)]
pub struct TopList {
    groups: BTreeMap<Group, (Rank, FindingLine)>,
}

impl TopList {
    /// Takes in a finding. The same rule on the same device stands once, with how many there are.
    pub fn add(&mut self, c: &Candidate<'_>) {
        // Most findings are milder than all that are listed, which shows without a copy of their texts.
        let milder = |((severity, network, rule, ..), _): (&Group, _)| {
            (Reverse(c.severity), c.network, c.rule) > (*severity, *network, rule.as_str())
        };
        if self.groups.len() >= LINES && self.groups.last_key_value().is_some_and(milder) {
            return;
        }
        let (ip, mac) = c.device;
        let device = match (ip, mac) {
            (Some(ip), _) => ip.to_string(),
            (None, Some(mac)) => mac.to_string(),
            // About no device, but about what was recorded.
            (None, None) => c.capture.to_owned(),
        };
        let mac = mac.filter(|_| ip.is_none());
        let group = (Reverse(c.severity), c.network, c.rule.to_owned(), ip, mac, device);
        let rank = (c.peer, c.port, c.evidence.to_owned(), c.id);
        if let Some((best, line)) = self.groups.get_mut(&group) {
            line.alike += 1;
            if rank < *best {
                line.evidence = c.evidence.to_owned();
                line.count = c.count;
                *best = rank;
            }
            return;
        }
        let line = FindingLine {
            severity: c.severity.name().to_owned(),
            rule_id: c.rule.to_owned(),
            title: c.title.to_owned(),
            device: group.5.clone(),
            evidence: c.evidence.to_owned(),
            count: c.count,
            alike: 0,
        };
        self.groups.insert(group, (rank, line));
        if self.groups.len() > LINES {
            // Better ones never go, so what is dropped here could not come back.
            self.groups.pop_last();
        }
    }

    /// The list, worst first.
    pub fn lines(&self) -> Vec<FindingLine> {
        self.groups.values().map(|(_, line)| line.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_does_not_depend_on_the_order_and_counts_what_is_alike() {
        let all: Vec<(u8, u16)> = (0..30).flat_map(|d| (0..3).map(move |p| (d, p))).collect();
        let list = |all: &[(u8, u16)]| {
            let mut top = TopList::default();
            for (device, port) in all {
                let evidence = format!("{device} {port}");
                top.add(&Candidate {
                    severity: if *device == 29 { Severity::Critical } else { Severity::Low },
                    network: 0,
                    rule: "telnet-in-use",
                    title: "t",
                    device: (Some(Addr::v4([10, 0, 0, *device])), None),
                    capture: "a",
                    peer: None,
                    port: *port,
                    evidence: &evidence,
                    count: 1,
                    id: 1,
                });
            }
            let lines = top.lines();
            lines.into_iter().map(|l| (l.device, l.evidence, l.alike)).collect::<Vec<_>>()
        };
        let forward = list(&all);
        let backward = list(&all.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), LINES);
        assert_eq!(forward[0], ("10.0.0.29".into(), "29 0".into(), 2), "the worst first");
        assert_eq!(forward[1], ("10.0.0.0".into(), "0 0".into(), 2));
    }
}

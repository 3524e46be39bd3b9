//! The first packets and flows that show a finding.

use crate::base::Timestamp;
use crate::base::limits::FINDING_EXAMPLES_MAX;

/// The earliest of what was seen, in order, up to a number. What they are does not depend on the order in which they
/// came.
#[derive(Debug, Clone, Default)]
pub(super) struct Examples {
    /// (time, capture, number), the earliest first.
    packets: Vec<(Timestamp, u32, u64)>,
    /// (time, flow), the earliest first; no flow twice.
    flows: Vec<(Timestamp, i64)>,
    limited: bool,
}

impl Examples {
    /// Takes in a packet by time, capture and number.
    pub(super) fn packet(&mut self, packet: (Timestamp, u32, u64)) {
        let Err(at) = self.packets.binary_search(&packet) else { return };
        self.limited |= self.packets.len() >= FINDING_EXAMPLES_MAX;
        if at < FINDING_EXAMPLES_MAX {
            self.packets.truncate(FINDING_EXAMPLES_MAX - 1);
            self.packets.insert(at, packet);
        }
    }

    /// Takes in a flow at a time.
    pub(super) fn flow(&mut self, ts: Timestamp, id: i64) {
        if let Some(at) = self.flows.iter().position(|(_, known)| *known == id) {
            if self.flows.get(at).is_some_and(|(seen, _)| *seen <= ts) {
                return;
            }
            self.flows.remove(at);
        }
        self.limited |= self.flows.len() >= FINDING_EXAMPLES_MAX;
        let at = self.flows.partition_point(|seen| *seen < (ts, id));
        if at < FINDING_EXAMPLES_MAX {
            self.flows.truncate(FINDING_EXAMPLES_MAX - 1);
            self.flows.insert(at, (ts, id));
        }
    }

    /// Whether some were left out.
    pub(super) const fn limited(&self) -> bool {
        self.limited
    }

    /// The flows, earliest first; the one of the evidence takes the place of the latest where there are too many.
    pub(super) fn flow_ids(&self, shown: (Timestamp, i64)) -> Vec<i64> {
        let mut ids: Vec<i64> = self.flows.iter().map(|(_, id)| *id).collect();
        if shown.1 != 0 && !ids.contains(&shown.1) {
            ids.truncate(FINDING_EXAMPLES_MAX - 1);
            ids.push(shown.1);
        }
        ids
    }

    /// The packets in the capture of the evidence, in their order there; likewise with the one of the evidence.
    pub(super) fn packet_numbers(&self, shown: (Timestamp, u32, u64)) -> Vec<i64> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let in_capture = self.packets.iter().filter(|(_, capture, _)| *capture == shown.1);
        let mut numbers: Vec<i64> = in_capture.map(|(.., n)| number(*n)).collect();
        if shown.2 > 0 && self.packets.binary_search(&shown).is_err() {
            numbers.truncate(FINDING_EXAMPLES_MAX - 1);
            numbers.push(number(shown.2));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_earliest_are_kept_whatever_the_order(seen in prop::collection::vec((0i64..90, 1i64..150), 0..300)) {
            let mut examples = Examples::default();
            for (ts, id) in &seen {
                examples.flow(Timestamp(*ts), *id);
                examples.packet((Timestamp(*ts), 0, *id as u64));
            }
            let mut packets: Vec<_> = seen.iter().map(|(ts, id)| (Timestamp(*ts), 0, *id as u64)).collect();
            packets.sort_unstable();
            packets.dedup();
            let limited = packets.len() > FINDING_EXAMPLES_MAX;
            packets.truncate(FINDING_EXAMPLES_MAX);
            prop_assert_eq!(&examples.packets, &packets);
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            let mut flows: Vec<(Timestamp, i64)> = Vec::new();
            for (ts, id) in sorted {
                if !flows.iter().any(|(_, known)| *known == id) {
                    flows.push((Timestamp(ts), id));
                }
            }
            let limited = limited || flows.len() > FINDING_EXAMPLES_MAX;
            flows.truncate(FINDING_EXAMPLES_MAX);
            prop_assert_eq!(&examples.flows, &flows);
            prop_assert_eq!(examples.limited(), limited);
        }
    }

    #[test]
    fn the_evidence_is_among_them() {
        let mut examples = Examples::default();
        for n in 1..=100 {
            examples.flow(Timestamp(n), n);
            examples.packet((Timestamp(n), 0, n as u64));
        }
        let flows = examples.flow_ids((Timestamp(99), 99));
        assert_eq!((flows.len(), flows[0], flows[FINDING_EXAMPLES_MAX - 1]), (FINDING_EXAMPLES_MAX, 1, 99));
        let packets = examples.packet_numbers((Timestamp(99), 0, 99));
        assert_eq!((packets.len(), packets[FINDING_EXAMPLES_MAX - 1]), (FINDING_EXAMPLES_MAX, 99));
    }
}

//! What all flows of a network add up to.

use std::collections::BTreeMap;

/// Sums over all flows, for the summary.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Flows.
    pub flows: u64,
    /// Flows by service, and the bytes on them.
    pub services: hashbrown::HashMap<&'static str, (u64, u64)>,
    /// TCP flows, and those of which only one side was seen, by capture.
    pub one_way: BTreeMap<u32, (u64, u64)>,
    /// Stream bytes that were missed, and those that were there, by capture.
    pub loss: BTreeMap<u32, (u64, u64)>,
}

impl Totals {
    /// Adds another network's.
    pub fn add(&mut self, other: &Self) {
        self.flows += other.flows;
        let sum = |mine: &mut (u64, u64), theirs: &(u64, u64)| {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        };
        for (name, n) in &other.services {
            sum(self.services.entry(name).or_default(), n);
        }
        for (capture, n) in &other.one_way {
            sum(self.one_way.entry(*capture).or_default(), n);
        }
        for (capture, n) in &other.loss {
            sum(self.loss.entry(*capture).or_default(), n);
        }
    }
}

//! All findings of one network, found by what they are and kept within a number.

use hashbrown::HashTable;

use super::{Finding, Key};

/// One finding in its place.
#[derive(Debug)]
struct Entry {
    /// How far its severity is from the worst.
    mildness: usize,
    key: Key,
    hash: u64,
    finding: Finding,
}

impl Entry {
    fn place(&self) -> (usize, &Key) {
        (self.mildness, &self.key)
    }
}

/// Findings by what they are. Where there are too many, the first ones in the order of [`Store::iter`] are kept,
/// whatever the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Store {
    hasher: ahash::RandomState,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// What stands behind this place was dropped once and stays out.
    bar: Option<(usize, Key)>,
    dropped: u64,
    is_sorted: bool,
}

/// By how much of its limit a store may be too full before what is too much leaves it: not each one by itself.
const SLACK: usize = 16;

impl Store {
    /// The finding of a key, where there is one.
    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Finding> {
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        let at = *self.index.find(hash, |at| entries.get(*at as usize).is_some_and(|e| e.key == *key))?;
        self.entries.get_mut(at as usize).map(|e| &mut e.finding)
    }

    /// Takes in a finding of a key that has none yet. At most `max` stay.
    pub(super) fn insert(&mut self, mildness: usize, key: Key, finding: Finding, max: usize) {
        if self.bar.as_ref().is_some_and(|(m, k)| (mildness, &key) > (*m, k)) {
            self.dropped += 1;
            return;
        }
        let hash = self.hasher.hash_one(&key);
        let at = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |at| entries.get(*at as usize).map_or(0, |e| e.hash));
        self.entries.push(Entry { mildness, key, hash, finding });
        self.is_sorted = false;
        if self.entries.len() > max + max / SLACK {
            self.prune(max);
        }
    }

    /// Drops what is more than `max`.
    fn prune(&mut self, max: usize) {
        let surplus = self.entries.len().saturating_sub(max);
        if surplus == 0 {
            return;
        }
        self.dropped += surplus as u64;
        self.sort();
        self.entries.truncate(max);
        self.bar = self.entries.last().map(|e| (e.mildness, e.key.clone()));
        self.reindex();
    }

    fn sort(&mut self) {
        // Entries are large: their places are sorted, and each is moved once.
        let mut entries: Vec<_> = std::mem::take(&mut self.entries).into_iter().map(Some).collect();
        let mut order: Vec<_> =
            entries.iter().enumerate().filter_map(|(at, e)| Some((e.as_ref()?.place(), at))).collect();
        order.sort_unstable();
        let order: Vec<_> = order.into_iter().map(|(_, at)| at).collect();
        self.entries = order.into_iter().filter_map(|at| entries.get_mut(at)?.take()).collect();
        self.is_sorted = true;
    }

    fn reindex(&mut self) {
        self.index.clear();
        for (at, entry) in (0..).zip(&self.entries) {
            let entries = &self.entries;
            self.index.insert_unique(entry.hash, at, |at| entries.get(*at as usize).map_or(0, |e| e.hash));
        }
    }

    /// Puts the findings in order, and drops what is more than `max`, so that asking for them costs no sorting.
    pub(super) fn settle(&mut self, max: usize) {
        self.prune(max);
        if !self.is_sorted {
            self.sort();
            self.reindex();
        }
    }

    /// The findings: the worst first, among equals by rule, device and what else tells them apart.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Finding)> {
        let mut order: Vec<&Entry> = self.entries.iter().collect();
        if !self.is_sorted {
            order.sort_unstable_by_key(|e| e.place());
        }
        order.into_iter().map(|e| (&e.key, &e.finding))
    }

    /// Likewise in no order, which costs no sorting.
    pub(super) fn unordered(&self) -> impl Iterator<Item = (&Key, &Finding)> {
        self.entries.iter().map(|e| (&e.key, &e.finding))
    }

    /// Likewise, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Finding)> {
        self.entries.iter_mut().map(|e| (&e.key, &mut e.finding))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Sightings and findings that were dropped.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Mac, Timestamp};
    use crate::detect::sighting::{Party, Sighting, WEIGHT};

    fn sighting(port: u16) -> Sighting {
        Sighting {
            rule: "telnet-in-use",
            device: Party { ip: Addr::v4([10, 0, 0, 5]), mac: Mac::ZERO },
            peer: None,
            port,
            peer_name: None,
            service: "telnet".into(),
            flow_id: 1,
            capture: 0,
            packet: 1,
            ts: Timestamp(1),
            evidence: String::new(),
            detail: "".into(),
            weight: WEIGHT,
        }
    }

    /// What is left of sightings at some ports, each with its count, where a finding at an even port is worse.
    fn left(ports: impl Iterator<Item = u16>, max: usize) -> (Vec<(u16, u64)>, u64) {
        let mut store = Store::default();
        for port in ports {
            let s = sighting(port);
            let key = Key { rule: s.rule, device: s.device, peer: None, port, detail: "".into() };
            match store.get_mut(&key) {
                Some(finding) => finding.merge(s),
                None => store.insert(usize::from(port % 2), key, Finding::new(0, s), max),
            }
            assert!(store.len() <= max + max / SLACK + 1);
        }
        store.settle(max);
        (store.iter().map(|(key, f)| (key.port, f.count)).collect(), store.dropped())
    }

    #[test]
    fn what_is_kept_at_the_limit_is_the_worst_whatever_the_order() {
        let ports = || (0..400u16).chain(0..400);
        let (kept, dropped) = left(ports(), 100);
        let expected: Vec<_> = (0..200).step_by(2).map(|port| (port, 2)).collect();
        assert_eq!(kept, expected, "whole, though others came and went in between");
        assert!(dropped >= 300);
        assert_eq!(left(ports().rev(), 100).0, expected);
        assert_eq!(left(ports().map(|p| (p * 7) % 400), 100).0, expected);
    }

    #[test]
    fn nothing_is_dropped_below_the_limit_and_the_order_is_the_same_before_and_after_settling() {
        let mut store = Store::default();
        for port in [9, 4, 7, 2] {
            let s = sighting(port);
            let key = Key { rule: s.rule, device: s.device, peer: None, port, detail: "".into() };
            store.insert(usize::from(port % 2), key, Finding::new(0, s), 4);
        }
        let ports = |store: &Store| store.iter().map(|(key, _)| key.port).collect::<Vec<_>>();
        assert_eq!(ports(&store), [2, 4, 7, 9]);
        store.settle(4);
        assert_eq!((ports(&store), store.dropped()), (vec![2, 4, 7, 9], 0));
        let key = Key { rule: "telnet-in-use", device: sighting(7).device, peer: None, port: 7, detail: "".into() };
        assert!(store.get_mut(&key).is_some(), "found after settling too");
    }
}

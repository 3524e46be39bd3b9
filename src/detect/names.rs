//! Which name a host had looked up before it called an address.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::base::limits::{self, Room};
use crate::base::{Addr, Timestamp};

/// One answer: when it came, what decides among answers of one time, and the name.
type Binding = (Timestamp, u64, u32);

#[derive(Debug)]
struct Slot {
    /// The earliest binding kept; most pairs have one name for ever.
    first: Binding,
    /// Later ones, in order.
    more: Vec<Binding>,
}

#[derive(Debug)]
struct Name {
    text: Box<str>,
    uses: u32,
}

/// A time-aware map from (host, server address) to the name that the host had looked up. Bounded:
/// the pair that came first goes first. Bindings inserted in the same order give the same answers;
/// as long as no limit is hit, the order makes no difference.
#[derive(Debug, Default)]
pub struct NameMap {
    slots: HashMap<(Addr, Addr), Slot, ahash::RandomState>,
    /// Pairs by age.
    age: VecDeque<(Addr, Addr)>,
    names: Vec<Name>,
    by_text: HashMap<Box<str>, u32, ahash::RandomState>,
    free: Vec<u32>,
    dropped: u64,
    room: Room,
}

impl NameMap {
    /// With the limits that its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// `host` was told at `ts` that `name` has the address `addr`. `order` decides among answers of
    /// one time (the packet's number).
    pub fn insert(&mut self, host: Addr, addr: Addr, name: &str, ts: Timestamp, order: u64) {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut cut = name.len().min(limits::CLAIM_VALUE_BYTES_MAX);
        while !name.is_char_boundary(cut) {
            cut -= 1;
        }
        let Some(name) = name.get(..cut).filter(|n| !n.is_empty()) else { return };
        let id = self.intern(name);
        let binding = (ts, order, id);
        let pair = (host, addr);
        if let Some(slot) = self.slots.get_mut(&pair) {
            let dropped = slot.insert(binding);
            self.dropped += u64::from(dropped.limited);
            self.release(dropped.name);
            return;
        }
        if self.slots.len() >= self.room.of(limits::NAME_BINDINGS_MAX)
            && let Some(oldest) = self.age.pop_front()
            && let Some(slot) = self.slots.remove(&oldest)
        {
            self.dropped += 1;
            slot.more.iter().chain([&slot.first]).for_each(|(.., id)| self.release(Some(*id)));
        }
        self.slots.insert(pair, Slot { first: binding, more: Vec::new() });
        self.age.push_back(pair);
    }

    /// The name that `host` had last been given for `addr` at the time, or before.
    pub fn lookup(&self, host: Addr, addr: Addr, at: Timestamp) -> Option<&str> {
        let slot = self.slots.get(&(host, addr))?;
        let later = slot.more.iter().rev().find(|(ts, ..)| *ts <= at);
        let (ts, _, id) = later.unwrap_or(&slot.first);
        let name = self.names.get(*id as usize)?;
        (*ts <= at).then_some(&name.text)
    }

    /// Pairs in the map.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bindings forgotten since the last call, for
    /// [`crate::base::counters::Counters::names_dropped`].
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// The number of a name, counted as used once more.
    fn intern(&mut self, name: &str) -> u32 {
        if let Some(id) = self.by_text.get(name) {
            if let Some(n) = self.names.get_mut(*id as usize) {
                n.uses = n.uses.saturating_add(1);
            }
            return *id;
        }
        let entry = Name { text: name.into(), uses: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(slot) = self.names.get_mut(id as usize) {
                    *slot = entry;
                }
                id
            }
            None => {
                // Bounded by pairs times history, far below 2^32.
                self.names.push(entry);
                (self.names.len() - 1) as u32
            }
        };
        self.by_text.insert(name.into(), id);
        id
    }

    /// Gives back one use of a name.
    fn release(&mut self, id: Option<u32>) {
        let Some((id, name)) = id.and_then(|id| Some((id, self.names.get_mut(id as usize)?))) else { return };
        name.uses = name.uses.saturating_sub(1);
        if name.uses == 0 {
            let text = std::mem::take(&mut name.text);
            self.by_text.remove(&text);
            self.free.push(id);
        }
    }
}

/// What an insertion made superfluous.
struct Dropped {
    name: Option<u32>,
    limited: bool,
}

impl Slot {
    /// Puts a binding in its place. The same name again, one after the other, is kept once, at its
    /// earliest time.
    fn insert(&mut self, binding: Binding) -> Dropped {
        let mut all = Vec::with_capacity(self.more.len() + 2);
        all.push(self.first);
        all.append(&mut self.more);
        let at = all.partition_point(|b| *b <= binding);
        all.insert(at, binding);
        let same = |i: usize| match (all.get(i), all.get(i + 1)) {
            (Some(a), Some(b)) => a.2 == b.2,
            _ => false,
        };
        let (mut name, mut limited) = (None, false);
        // Only the new neighbours can be equal: the later of two goes.
        let double = if same(at) {
            Some(at + 1)
        } else if at > 0 && same(at - 1) {
            Some(at)
        } else {
            None
        };
        if let Some(double) = double {
            name = Some(all.remove(double).2);
        } else if all.len() > limits::NAME_HISTORY_MAX {
            // The oldest goes: questions are about the present.
            name = Some(all.remove(0).2);
            limited = true;
        }
        let mut rest = all.into_iter();
        if let Some(first) = rest.next() {
            self.first = first;
        }
        self.more = rest.collect();
        Dropped { name, limited }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u32) -> Addr {
        let [a, b, c, d] = n.to_be_bytes();
        Addr::v4([a.max(10), b, c, d])
    }

    const SERVER: Addr = Addr::v4([203, 0, 113, 1]);

    #[test]
    fn answers_with_the_name_of_the_time_and_the_host() {
        let bindings = [("a.example.", 100, 1), ("b.example", 200, 2), ("b.example", 300, 3), ("a.example", 400, 4)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let mut m = NameMap::default();
            for i in order {
                let (name, ts, n): (&str, i64, u64) = bindings[i];
                m.insert(host(1), SERVER, name, Timestamp(ts), n);
            }
            let at = |ts| m.lookup(host(1), SERVER, Timestamp(ts));
            assert_eq!(at(99), None, "not before it was looked up");
            assert_eq!(at(100), Some("a.example"));
            assert_eq!(at(250), Some("b.example"));
            assert_eq!(at(1000), Some("a.example"));
            assert_eq!(m.lookup(host(2), SERVER, Timestamp(1000)), None, "another host did not ask");
            assert_eq!(m.take_dropped(), 0);
        }
    }

    #[test]
    fn one_name_many_times_takes_no_room() {
        let mut m = NameMap::default();
        for n in 0..1000 {
            m.insert(host(1), SERVER, "a.example", Timestamp(n), n as u64);
        }
        assert_eq!(m.names[0].uses, 1);
        assert_eq!(m.slots[&(host(1), SERVER)].more.capacity(), 0);
        assert_eq!(m.lookup(host(1), SERVER, Timestamp(0)), Some("a.example"));
    }

    #[test]
    fn history_and_names_are_bounded_and_counted() {
        let mut m = NameMap::default();
        for n in 0..100u32 {
            m.insert(host(1), SERVER, &format!("n{n}.example"), Timestamp(n.into()), 0);
        }
        assert_eq!(m.take_dropped(), 100 - limits::NAME_HISTORY_MAX as u64);
        assert_eq!(m.lookup(host(1), SERVER, Timestamp(99)), Some("n99.example"));
        assert_eq!(m.lookup(host(1), SERVER, Timestamp(5)), None);
        assert!(m.names.len() <= limits::NAME_HISTORY_MAX + 2, "names given up are used again");
        assert_eq!(m.by_text.len(), limits::NAME_HISTORY_MAX);
        m.insert(host(1), SERVER, "", Timestamp(1), 1);
        assert_eq!(m.len(), 1);
    }

    #[test]
    fn the_oldest_pair_goes_first() {
        let mut m = NameMap::default();
        for n in 0..limits::NAME_BINDINGS_MAX as u32 + 5 {
            m.insert(host(n), SERVER, "same.example", Timestamp(1), u64::from(n));
        }
        assert_eq!((m.len(), m.take_dropped()), (limits::NAME_BINDINGS_MAX, 5));
        assert_eq!(m.lookup(host(4), SERVER, Timestamp(2)), None);
        assert_eq!(m.lookup(host(5), SERVER, Timestamp(2)), Some("same.example"));
    }
}

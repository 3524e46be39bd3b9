//! Expiry on packet time: a wheel of one-second buckets, each a doubly linked list.
//!
//! A flow is linked into the bucket of its deadline as it stood when it was linked. A later packet
//! only moves the deadline: the flow is looked at when its bucket comes round and linked again. So
//! an ordinary packet costs the wheel nothing; only a flow that closes is moved at once.

use super::index::Slot;

/// No flow.
const NONE: Slot = Slot::MAX;

const BUCKETS: usize = 1024;
const TICK_NS: i64 = 1_000_000_000;

#[derive(Debug, Clone, Copy)]
struct Link {
    prev: Slot,
    next: Slot,
    bucket: u32,
}

const UNLINKED: Link = Link { prev: NONE, next: NONE, bucket: u32::MAX };

/// The wheel. The links lie beside the flows, in an array of their own.
#[derive(Debug)]
pub struct Wheel {
    heads: Vec<Slot>,
    links: Vec<Link>,
    /// The tick up to which buckets were looked at.
    tick: Option<i64>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { heads: vec![NONE; BUCKETS], links: Vec::new(), tick: None }
    }
}

impl Wheel {
    const fn tick_of(ns: i64) -> i64 {
        ns.div_euclid(TICK_NS)
    }

    /// The bucket for a deadline. One beyond the reach of the wheel is looked at early, which is
    /// harmless; one in the past next.
    fn bucket(&self, deadline_ns: i64) -> u32 {
        let now = self.tick.unwrap_or_else(|| Self::tick_of(deadline_ns).saturating_sub(1));
        let at = Self::tick_of(deadline_ns).clamp(now.saturating_add(1), now.saturating_add(BUCKETS as i64 - 1));
        at.rem_euclid(BUCKETS as i64) as u32
    }

    fn link_of(&mut self, slot: Slot) -> Option<&mut Link> {
        self.links.get_mut(slot as usize)
    }

    /// Links a flow under its deadline, wherever it was linked before.
    pub fn link(&mut self, slot: Slot, deadline_ns: i64) {
        self.unlink(slot);
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, UNLINKED);
        }
        let bucket = self.bucket(deadline_ns);
        let Some(head) = self.heads.get_mut(bucket as usize) else { return };
        let next = std::mem::replace(head, slot);
        if let Some(link) = self.link_of(next) {
            link.prev = slot;
        }
        if let Some(link) = self.link_of(slot) {
            *link = Link { prev: NONE, next, bucket };
        }
    }

    /// Takes a flow out.
    pub fn unlink(&mut self, slot: Slot) {
        let Some(link) = self.link_of(slot) else { return };
        let Link { prev, next, bucket } = std::mem::replace(link, UNLINKED);
        if bucket == u32::MAX {
            return;
        }
        match self.link_of(prev) {
            Some(link) => link.next = next,
            None => {
                if let Some(head) = self.heads.get_mut(bucket as usize) {
                    *head = next;
                }
            }
        }
        if let Some(link) = self.link_of(next) {
            link.prev = prev;
        }
    }

    fn head(&self, bucket: usize) -> Option<Slot> {
        self.heads.get(bucket).copied().filter(|h| *h != NONE)
    }

    /// A flow whose bucket has come round at `now`. The caller unlinks it or links it again under
    /// its real deadline, which lies later.
    pub fn due(&mut self, now_ns: i64) -> Option<Slot> {
        let now = Self::tick_of(now_ns);
        let mut tick = *self.tick.get_or_insert(now.saturating_sub(1));
        // After a jump of more than one turn every bucket is due once.
        tick = tick.max(now.saturating_sub(BUCKETS as i64));
        while tick < now {
            self.tick = Some(tick);
            if let Some(slot) = self.head(tick.saturating_add(1).rem_euclid(BUCKETS as i64) as usize) {
                return Some(slot);
            }
            tick += 1;
        }
        self.tick = Some(tick.max(now));
        None
    }

    /// The flow that comes after another one in its bucket.
    pub fn after(&self, slot: Slot) -> Option<Slot> {
        self.links.get(slot as usize).map(|link| link.next).filter(|next| *next != NONE)
    }

    /// The flow that would be looked at first, whatever the time is, and whether its real deadline
    /// belongs to the bucket it stands in.
    pub fn soonest(&self) -> Option<Slot> {
        let from = self.tick.unwrap_or(0);
        (1..=BUCKETS as i64).find_map(|i| self.head(from.wrapping_add(i).rem_euclid(BUCKETS as i64) as usize))
    }

    /// Whether a flow with this deadline already stands in the right bucket.
    pub fn in_place(&self, slot: Slot, deadline_ns: i64) -> bool {
        self.links.get(slot as usize).is_some_and(|l| l.bucket == self.bucket(deadline_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = TICK_NS;

    fn drain(w: &mut Wheel, now: i64) -> Vec<Slot> {
        let mut seen = Vec::new();
        while let Some(slot) = w.due(now) {
            w.unlink(slot);
            seen.push(slot);
        }
        seen.sort_unstable();
        seen
    }

    #[test]
    fn flows_come_out_when_their_second_has_passed() {
        let mut w = Wheel::default();
        assert_eq!(w.due(100 * S), None);
        w.link(7, 105 * S);
        w.link(8, 105 * S + 1);
        w.link(9, 105 * S + 2);
        w.unlink(8);
        assert!(drain(&mut w, 104 * S).is_empty());
        assert_eq!(drain(&mut w, 105 * S), [7, 9]);
        w.link(9, 5000 * S);
        w.link(9, 110 * S);
        assert_eq!(w.soonest(), Some(9));
        assert!(w.in_place(9, 110 * S) && !w.in_place(9, 111 * S));
        assert_eq!(drain(&mut w, 110 * S), [9]);
        assert_eq!(w.soonest(), None);
    }

    #[test]
    fn a_flow_that_is_linked_again_while_due_comes_later() {
        let mut w = Wheel::default();
        w.due(0);
        w.link(1, 5 * S);
        assert_eq!(w.due(6 * S), Some(1));
        w.link(1, 8 * S);
        assert_eq!(w.due(6 * S), None);
        assert_eq!(w.due(8 * S), Some(1));
    }

    #[test]
    fn a_jump_in_time_looks_at_everything_once() {
        let mut w = Wheel::default();
        w.due(0);
        w.link(1, 10 * S);
        w.link(2, 900 * S);
        assert_eq!(drain(&mut w, 1_000_000_000 * S), [1, 2]);
        assert_eq!(w.due(i64::MAX), None);
        w.link(3, i64::MIN);
        assert_eq!(w.soonest(), Some(3));
    }
}

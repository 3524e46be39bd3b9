//! Who sent tunnels with frames in them: switches that mirror (ERSPAN), and ends of VXLAN and the like. Flows are those
//! of the inner frames, so that nothing else tells of them.

use hashbrown::HashMap;

use crate::base::{Addr, Mac, Timestamp, limits};
use crate::decode::{Packet, Tunnels};

/// A sender of tunnels, and when it was seen.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// MAC of its frames.
    pub mac: Mac,
    /// Its address.
    pub ip: Addr,
    /// Around the frame inside.
    pub tunnels: Tunnels,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
}

/// What makes a sender: its MAC, its address, and what is around its frames.
type Who = (Mac, Addr, Tunnels);

/// Those of some packets, each once: no more than there were packets.
#[derive(Debug, Default)]
pub struct Outer {
    /// In the order in which they came.
    senders: Vec<Sender>,
    places: HashMap<Who, usize, ahash::RandomState>,
    /// Where that of the last packet stands.
    latest: usize,
}

impl Outer {
    /// A packet came in a tunnel of this sender.
    pub fn note(&mut self, (mac, ip): (Mac, Addr), packet: &Packet) {
        let (tunnels, ts) = (packet.tunnels, packet.ts);
        // Most packets are of the sender of the last one.
        let is_same = |s: &Sender| s.mac == mac && s.ip == ip && s.tunnels == tunnels;
        if !self.senders.get(self.latest).is_some_and(is_same) {
            self.latest = *self.places.entry((mac, ip, tunnels)).or_insert(self.senders.len());
            if self.latest == self.senders.len() {
                self.senders.push(Sender { mac, ip, tunnels, first: ts, last: ts });
            }
        }
        if let Some(sender) = self.senders.get_mut(self.latest) {
            sender.first = sender.first.min(ts);
            sender.last = sender.last.max(ts);
        }
    }

    /// All of them.
    pub fn senders(&self) -> &[Sender] {
        &self.senders
    }

    /// Whether it is time to tell of them, where packets come without an end.
    pub fn is_full(&self) -> bool {
        self.senders.len() >= limits::TUNNEL_SENDERS_MAX
    }

    /// Forgets them and keeps the memory, unless it is much.
    pub fn clear(&mut self) {
        if self.is_full() {
            *self = Self::default();
        }
        self.senders.clear();
        self.places.clear();
        self.latest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ts: i64) -> Packet {
        Packet { ts: Timestamp(ts), ..Packet::default() }
    }

    fn sender(n: u16) -> (Mac, Addr) {
        let [high, low] = n.to_be_bytes();
        (Mac([2, 0, 0, 0, high, low]), Addr::v4([10, 0, high, low]))
    }

    #[test]
    fn each_sender_is_there_once() {
        let mut outer = Outer::default();
        for (n, ts) in [(1, 50), (2, 20), (1, 10), (1, 90)] {
            outer.note(sender(n), &packet(ts));
        }
        let seen: Vec<_> = outer.senders().iter().map(|s| (s.mac.0[5], s.first.0, s.last.0)).collect();
        assert_eq!(seen, [(1, 10, 90), (2, 20, 20)]);
        outer.clear();
        assert!(outer.senders().is_empty());
        outer.note(sender(2), &packet(7));
        assert_eq!((outer.senders()[0].ip, outer.senders()[0].first), (sender(2).1, Timestamp(7)));
    }

    #[test]
    fn many_senders_are_all_kept_and_only_many_are_full() {
        let mut outer = Outer::default();
        for ts in 0..3 {
            (0..3000).for_each(|n| outer.note(sender(n), &packet(ts)));
        }
        assert_eq!(outer.senders().len(), 3000);
        assert!(outer.senders().iter().all(|s| (s.first.0, s.last.0) == (0, 2)) && !outer.is_full());
        (0..5000).for_each(|n| outer.note(sender(n), &packet(9)));
        assert!(outer.is_full() && outer.senders().len() == 5000);
        outer.clear();
        assert!(outer.senders().is_empty() && !outer.is_full());
    }
}

//! Who sent tunnels with frames in them: switches that mirror (ERSPAN), and ends of VXLAN and the like. Flows are those
//! of the inner frames, so that nothing else tells of them.

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

/// Those of some packets: at most [`limits::TUNNEL_SENDERS_MAX`].
#[derive(Debug, Default)]
pub struct Outer(Vec<Sender>);

impl Outer {
    /// A packet came in a tunnel of this sender. Whether there is room to take note of it.
    pub fn note(&mut self, (mac, ip): (Mac, Addr), packet: &Packet) -> bool {
        // Most packets are of the sender of the last one.
        let known = |s: &&mut Sender| s.mac == mac && s.ip == ip && s.tunnels == packet.tunnels;
        if let Some(sender) = self.0.iter_mut().rev().find(known) {
            sender.first = sender.first.min(packet.ts);
            sender.last = sender.last.max(packet.ts);
            return true;
        }
        let room = self.0.len() < limits::TUNNEL_SENDERS_MAX;
        if room {
            self.0.push(Sender { mac, ip, tunnels: packet.tunnels, first: packet.ts, last: packet.ts });
        }
        room
    }

    /// All of them.
    pub fn senders(&self) -> &[Sender] {
        &self.0
    }

    /// Forgets them and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_is_there_once_and_no_more_than_there_is_room_for() {
        let mut outer = Outer::default();
        let packet = |ts| Packet { ts: Timestamp(ts), ..Packet::default() };
        let sender = |n: u8| (Mac([2, 0, 0, 0, 0, n]), Addr::v4([10, 0, 0, n]));
        for (n, ts) in [(1, 50), (2, 20), (1, 10), (1, 90)] {
            assert!(outer.note(sender(n), &packet(ts)));
        }
        let seen: Vec<_> = outer.senders().iter().map(|s| (s.mac.0[5], s.first.0, s.last.0)).collect();
        assert_eq!(seen, [(1, 10, 90), (2, 20, 20)]);
        let kept = (0..=255).filter(|n| outer.note(sender(*n), &packet(1))).count();
        assert_eq!(kept, limits::TUNNEL_SENDERS_MAX);
        outer.clear();
        assert!(outer.senders().is_empty());
    }
}

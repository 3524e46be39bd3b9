//! Keys that both directions of a flow share, and their hashes.

use ahash::RandomState;

use crate::base::{Addr, hash::mix, limits};
use crate::decode::Packet;

/// IP protocol numbers that flows treat in a way of their own.
pub mod protocol {
    #![allow(missing_docs)]
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMP6: u8 = 58;
    pub const SCTP: u8 = 132;
    pub const DCCP: u8 = 33;
    pub const UDPLITE: u8 = 136;
}

/// Both ends and the protocol, the same whichever way a packet goes.
///
/// VLANs and tunnels are not part of it: a mirror port shows one flow on several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlowKey {
    /// The end that sorts first.
    pub low: Addr,
    /// The other end.
    pub high: Addr,
    /// Ports of low and high, protocol, and for one-way ICMP the direction.
    pub tail: u64,
}

/// A key, and how the packet that it was made from lies to it.
#[derive(Debug, Clone, Copy)]
pub struct Keyed {
    /// The key.
    pub key: FlowKey,
    /// Whether the packet goes from the low end to the high one.
    pub from_low: bool,
}

impl FlowKey {
    /// From the ends of a packet. For ICMP the ports are those of [`icmp_ports`].
    #[inline]
    pub fn between(src: Addr, dst: Addr, src_port: u16, dst_port: u16, protocol: u8, one_way: bool) -> Keyed {
        let (a, b) = (u128::from_be_bytes(src.0), u128::from_be_bytes(dst.0));
        let from_low = a < b || a == b && src_port <= dst_port;
        let (low, high, low_port, high_port) =
            if from_low { (src, dst, src_port, dst_port) } else { (dst, src, dst_port, src_port) };
        let way = if one_way { 1 + u64::from(from_low) } else { 0 };
        let tail = u64::from(low_port) << 48 | u64::from(high_port) << 32 | u64::from(protocol) << 8 | way;
        Keyed { key: Self { low, high, tail }, from_low }
    }

    /// The key of a decoded packet.
    #[inline]
    pub fn of(packet: &Packet) -> Keyed {
        if matches!(packet.protocol, protocol::ICMP | protocol::ICMP6) {
            let (ports, one_way) = icmp_ports(packet.protocol, packet.src_port, packet.dst_port);
            return Self::between(packet.src, packet.dst, ports.0, ports.1, packet.protocol, one_way);
        }
        Self::between(packet.src, packet.dst, packet.src_port, packet.dst_port, packet.protocol, false)
    }

    /// The IP protocol number.
    pub const fn protocol(&self) -> u8 {
        (self.tail >> 8) as u8
    }

    /// A hash that is the same in every run, for identifiers.
    pub fn stable_hash(&self) -> u64 {
        let [a, b, c, d] = self.words();
        mix(mix(mix(mix(mix(0, a), b), c), d), self.tail)
    }

    #[inline]
    fn words(&self) -> [u64; 4] {
        let (low, high) = (u128::from_le_bytes(self.low.0), u128::from_le_bytes(self.high.0));
        [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64]
    }

    /// Which shard the flows between these two addresses belong to. The same in every run, so that
    /// a limit that is hit is hit by the same packets each time.
    #[inline]
    pub fn shard(&self) -> usize {
        let [a, b, c, d] = self.words();
        // Only addresses count: FTP data and ICMP errors must meet the flow that they belong to.
        (mix(mix(a ^ b.rotate_left(7), c), d) >> 40) as usize % limits::SHARDS
    }
}

/// ICMP "ports" as Zeek and the Community ID specification take them: the type, and the type of
/// the answer that belongs to it, or the code where nothing answers it; and whether it is one-way.
pub const fn icmp_ports(protocol: u8, icmp_type: u16, code: u16) -> ((u16, u16), bool) {
    let answer = if protocol == protocol::ICMP {
        match icmp_type {
            8 => 0,
            0 => 8,
            13 => 14,
            14 => 13,
            15 => 16,
            16 => 15,
            17 => 18,
            18 => 17,
            10 => 9,
            9 => 10,
            _ => return ((icmp_type, code), true),
        }
    } else {
        match icmp_type {
            128 => 129,
            129 => 128,
            133 => 134,
            134 => 133,
            135 => 136,
            136 => 135,
            130 => 131,
            131 => 130,
            139 => 140,
            140 => 139,
            144 => 145,
            145 => 144,
            _ => return ((icmp_type, code), true),
        }
    };
    ((icmp_type, answer), false)
}

/// Whether this ICMP type asks (and its counterpart answers).
pub const fn icmp_is_request(protocol: u8, icmp_type: u16) -> bool {
    if protocol == protocol::ICMP {
        matches!(icmp_type, 8 | 10 | 13 | 15 | 17)
    } else {
        matches!(icmp_type, 128 | 130 | 133 | 135 | 139 | 144)
    }
}

/// Hashes keys with a secret seed, so that nobody can aim packets at one bucket.
#[derive(Debug, Clone)]
pub struct FlowHasher(RandomState);

impl Default for FlowHasher {
    fn default() -> Self {
        Self(RandomState::new())
    }
}

impl FlowHasher {
    /// The hash of a key in this run.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        let [a, b, c, d] = key.words();
        self.0.hash_one((a, b, c, d, key.tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(n: u8) -> Addr {
        Addr::v4([10, 0, 0, n])
    }

    #[test]
    fn both_directions_share_a_key_and_ports_stay_with_their_address() {
        let one = FlowKey::between(a(1), a(2), 1000, 80, 6, false);
        let two = FlowKey::between(a(2), a(1), 80, 1000, 6, false);
        assert_eq!(one.key, two.key);
        assert!(one.from_low && !two.from_low);
        assert_ne!(one.key, FlowKey::between(a(1), a(2), 80, 1000, 6, false).key);
        assert_ne!(one.key, FlowKey::between(a(1), a(2), 1000, 80, 17, false).key);
        assert_eq!(one.key.shard(), FlowKey::between(a(2), a(1), 5, 6, 17, false).key.shard());
    }

    #[test]
    fn equal_addresses_still_have_two_directions() {
        let one = FlowKey::between(a(1), a(1), 1000, 80, 6, false);
        let two = FlowKey::between(a(1), a(1), 80, 1000, 6, false);
        assert_eq!(one.key, two.key);
        assert_ne!(one.from_low, two.from_low);
    }

    #[test]
    fn an_echo_and_its_reply_are_one_flow_and_two_unreachables_are_not() {
        let packet = |src: u8, dst: u8, ty: u16, code: u16| Packet {
            src: a(src),
            dst: a(dst),
            src_port: ty,
            dst_port: code,
            protocol: protocol::ICMP,
            ..Packet::default()
        };
        assert_eq!(FlowKey::of(&packet(1, 2, 8, 0)).key, FlowKey::of(&packet(2, 1, 0, 0)).key);
        assert_ne!(FlowKey::of(&packet(1, 2, 8, 0)).key, FlowKey::of(&packet(2, 1, 8, 0)).key);
        assert_ne!(FlowKey::of(&packet(1, 2, 3, 3)).key, FlowKey::of(&packet(2, 1, 3, 3)).key);
    }

    #[test]
    fn shards_are_used_evenly() {
        let mut count = [0; limits::SHARDS];
        for i in 0..16_000_u32 {
            let b = i.to_be_bytes();
            count[FlowKey::between(Addr::v4([10, b[1], b[2], b[3]]), a(1), 1, 2, 6, false).key.shard()] += 1;
        }
        assert!(count.iter().all(|n| (700..1300).contains(n)), "{count:?}");
    }
}

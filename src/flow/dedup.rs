//! Recognises packets that a mirror port delivered twice: the same packet on two VLANs, before and
//! after a router (another TTL), or simply twice.
//!
//! Two packets are copies of one where everything that a sender decides is equal (IP
//! identification, sequence numbers, lengths, the transport checksum) and they come within
//! [`WINDOW_NS`]. Where nothing but content tells packets apart (IPv6, or IPv4 without
//! identification), equal packets may be two real ones, so they count as copies only if the path
//! differs (VLAN, TTL or MAC): that is what a second mirror point looks like.

use crate::base::hash::mix;
use crate::decode::Packet;

/// Time within which a mirror delivers the second copy.
pub const WINDOW_NS: i64 = 50_000_000;

/// Recent packets of a flow that a copy is looked for among: a burst of this length may come before
/// its copies do, as from a mirror that is read one port after the other.
const REMEMBERED: usize = 16;

/// The recent packets of one flow.
#[derive(Debug, Default, Clone, Copy)]
pub struct Recent {
    /// Signature of what the sender decided; zero where there is none.
    signature: [u32; REMEMBERED],
    /// Signature of the path.
    path: [u16; REMEMBERED],
    /// Time in units of 2^20 ns (about a millisecond), wrapping.
    time: [u16; REMEMBERED],
    at: u8,
}

impl Recent {
    /// Whether this packet is a copy of one seen before; remembers it otherwise.
    #[inline]
    pub fn is_copy(&mut self, packet: &Packet, payload_head: u64) -> bool {
        let a = u64::from(packet.ip_id) << 48
            | u64::from(packet.transport_checksum) << 32
            | u64::from(packet.payload_wire_len & 0xffff) << 16
            | u64::from(packet.tcp.flags) << 8
            | u64::from(packet.src < packet.dst);
        let b = u64::from(packet.tcp.seq) << 32 | u64::from(packet.tcp.ack);
        let c = u64::from(packet.tcp.window) << 32 | u64::from(packet.src_port) << 16 | u64::from(packet.dst_port);
        let wide = mix(mix(mix(a, b), c), payload_head);
        let signature = ((wide ^ (wide >> 32)) as u32).max(1);
        let vlans = packet.vlans.ids().iter().fold(0, |h, id| mix(h, u64::from(*id)));
        let path = mix(mix(mix(vlans, u64::from(packet.ttl)), packet.src_mac.to_u64()), packet.dst_mac.to_u64()) as u16;
        let time = (packet.ts.0 >> 20) as u16;
        let distinct = packet.ip_version == 4 && packet.ip_id != 0;
        // One pass over the signatures alone is nearly always all there is to do.
        if self.signature.contains(&signature) {
            for ((seen, seen_path), seen_time) in self.signature.iter().zip(&self.path).zip(&self.time) {
                let apart = time.wrapping_sub(*seen_time).min(seen_time.wrapping_sub(time));
                if *seen == signature && i64::from(apart) <= (WINDOW_NS >> 20) && (distinct || *seen_path != path) {
                    return true;
                }
            }
        }
        let at = usize::from(self.at) % REMEMBERED;
        if let (Some(s), Some(p), Some(t)) = (self.signature.get_mut(at), self.path.get_mut(at), self.time.get_mut(at))
        {
            (*s, *p, *t) = (signature, path, time);
        }
        self.at = self.at.wrapping_add(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn packet(ip_id: u16, ttl: u8, vlan: u16, ms: i64) -> Packet {
        let mut p = Packet {
            ip_id,
            ttl,
            ip_version: 4,
            ts: Timestamp(ms << 20),
            payload_wire_len: 5,
            transport_checksum: 77,
            ..Packet::default()
        };
        if vlan != 0 {
            p.vlans.push(vlan);
        }
        p
    }

    #[test]
    fn the_same_packet_on_another_vlan_or_with_another_ttl_is_a_copy() {
        let mut r = Recent::default();
        assert!(!r.is_copy(&packet(9, 64, 10, 0), 0));
        assert!(r.is_copy(&packet(9, 64, 20, 1), 0));
        assert!(r.is_copy(&packet(9, 63, 10, 1), 0));
        assert!(r.is_copy(&packet(9, 64, 10, 1), 0), "the very same packet too, as its identification says");
        assert!(!r.is_copy(&packet(10, 64, 10, 1), 0), "another identification is another packet");
    }

    #[test]
    fn without_an_identification_only_another_path_makes_a_copy() {
        let mut r = Recent::default();
        assert!(!r.is_copy(&packet(0, 64, 10, 0), 0));
        assert!(!r.is_copy(&packet(0, 64, 10, 1), 0), "an application may send the same twice");
        assert!(r.is_copy(&packet(0, 63, 20, 1), 0));
    }

    #[test]
    fn a_late_repeat_or_another_content_is_no_copy() {
        let mut r = Recent::default();
        assert!(!r.is_copy(&packet(9, 64, 10, 0), 1));
        assert!(!r.is_copy(&packet(9, 64, 20, 1000), 1));
        assert!(!r.is_copy(&packet(9, 64, 30, 1001), 2));
    }
}

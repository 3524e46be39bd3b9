//! From frame bytes to [`Packet`]: link layers, tunnels, IP, transport headers.
//!
//! Decoding is a walk: each layer is handed the stretch of the slab that is its own, sets what it
//! knows in the packet, and calls the next. Nothing is allocated and nothing is remembered, but for
//! fragments, which [`Defragmenter`] keeps.

mod defrag;
mod ethernet;
mod icmp;
mod ieee80211;
mod ip;
mod link;
pub mod packet;
mod ppp;
#[cfg(test)]
mod testing;
mod transport;
mod tunnel;
mod walk;

pub use defrag::Defragmenter;
pub use icmp::{is_error, quoted};
pub use packet::{FragmentFields, InnerFrame, Kind, Packet, Quoted, TcpFields, Tunnel, Tunnels, Vlans};

use crate::base::counters::Counters;
use crate::base::{Addr, Mac};
use crate::frame::{FrameMeta, LinkType};
use walk::{Span, Step, Walk};

/// Decodes one frame, whose bytes lie in `slab` where `frame` says. `out` is overwritten.
///
/// Counts what is malformed, cut, a fragment, nested too deep or no IP packet. Where the innermost
/// packet of a tunnel does not decode, `out` holds the packet that carried it.
///
/// Where the frame carries another frame in a tunnel, who sent the outer one is returned: `out` has the MAC and the
/// address of the inner one.
#[inline]
pub fn decode(frame: &FrameMeta, slab: &[u8], counters: &mut Counters, out: &mut Packet) -> Option<(Mac, Addr)> {
    *out = Packet {
        ts: frame.ts,
        number: frame.number,
        frame_wire_len: frame.wire,
        interface: frame.interface,
        ..Packet::default()
    };
    let at = frame.offset as usize;
    let end = at.saturating_add(frame.captured as usize).min(slab.len());
    let span = Span { at: at.min(end), end, wire_end: at.saturating_add(frame.wire as usize).max(end) };
    let mut walk = Walk { slab, counters, out, layers: 0, outer: None };
    let step = if frame.link == LinkType::ETHERNET {
        ethernet::frame(&mut walk, span)
    } else {
        link::frame(&mut walk, frame.link, span)
    };
    finish(&mut walk, step);
    let outer = walk.outer;
    if out.truncated || frame.captured < frame.wire {
        counters.truncated += 1;
    }
    outer.filter(|(mac, _)| *mac != out.src_mac && out.kind != Kind::Malformed)
}

/// Decodes an IP packet that was put together from fragments and lies at `slab[offset..]` for `len`
/// bytes. `base` is the packet of the fragment that made it whole: time, number, MACs, VLANs and
/// tunnels are carried over. The result may itself be a fragment, of a packet in a tunnel; tunnels
/// are bounded, so this ends.
pub fn decode_reassembled(
    base: &Packet,
    slab: &[u8],
    offset: usize,
    len: usize,
    counters: &mut Counters,
    out: &mut Packet,
) {
    *out = Packet { reassembled: true, ..walk::carried(base) };
    let end = offset.saturating_add(len).min(slab.len());
    let span = Span { at: offset.min(end), end, wire_end: end };
    let mut walk = Walk { slab, counters, out, layers: 0, outer: None };
    let step = ip::any(&mut walk, span);
    finish(&mut walk, step);
}

/// Counts what came of a walk.
#[inline]
fn finish(walk: &mut Walk, step: Step) {
    if let Err(bad) = step {
        walk.out.kind = Kind::Malformed;
        walk.count(bad);
        return;
    }
    match walk.out.kind {
        Kind::Fragment => walk.counters.fragments += 1,
        Kind::Arp | Kind::Other => walk.counters.not_ip += 1,
        Kind::Ip | Kind::Malformed => {}
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use proptest::prelude::*;

    /// Every link type that leads somewhere, and one that does not.
    const LINKS: &[u32] = &[
        0, 1, 6, 7, 8, 9, 10, 11, 12, 14, 50, 51, 100, 101, 104, 105, 107, 108, 109, 113, 117, 119, 122, 123, 127, 138,
        163, 166, 192, 204, 205, 206, 219, 226, 228, 229, 239, 240, 258, 274, 276, 9999,
    ];

    /// Whatever the bytes, the ranges lie in the slab and what belongs together is together.
    fn sound(link: u32, bytes: &[u8], wire: u32) {
        let (mut slab, mut frame) = slab(LinkType(link), bytes);
        frame.wire = wire;
        let mut counters = Counters::default();
        let mut defragmenter = Defragmenter::default();
        let mut packet = Packet::default();
        decode(&frame, &slab, &mut counters, &mut packet);
        for _ in 0..=crate::base::limits::NESTING_MAX {
            let end = packet.payload_offset as usize + packet.payload_len as usize;
            assert!(end <= slab.len());
            assert!(packet.payload_len <= packet.payload_wire_len);
            assert_eq!(
                packet.ip_version != 0,
                matches!(packet.kind, Kind::Ip | Kind::Fragment) || {
                    packet.kind == Kind::Malformed && packet.ip_version != 0
                }
            );
            let _ = quoted(&packet, &slab);
            if packet.kind != Kind::Fragment {
                break;
            }
            let Some((offset, len)) = defragmenter.push(&packet, &mut slab, &mut counters) else { break };
            let base = packet;
            decode_reassembled(&base, &slab, offset, len, &mut counters, &mut packet);
        }
        defragmenter.finish(&mut counters);
    }

    proptest! {
        #[test]
        fn random_bytes_of_any_link_type_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), wire: u32) {
            for link in LINKS {
                sound(*link, &bytes, wire);
                sound(*link, &bytes, bytes.len() as u32);
            }
        }

        #[test]
        fn damaged_tunnels_do_no_harm(
            which in 0usize..16, flips in prop::collection::vec((0usize..160, any::<u8>()), 0..6), cut in 0usize..200,
        ) {
            let mut frame = tunnel::tests::samples().swap_remove(which).0;
            let len = frame.len();
            for (at, value) in flips {
                if let Some(byte) = frame.get_mut(at % len) {
                    *byte = value;
                }
            }
            frame.truncate(cut.max(1));
            sound(1, &frame, len as u32);
            sound(1, &frame, frame.len() as u32);
        }

        #[test]
        fn agrees_with_etherparse(
            v6: bool, vlan in prop::option::of(0u16..4096), ports: (u16, u16), seq: u32,
            payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            use etherparse::{PacketBuilder, VlanId};
            // Ports of tunnels are another matter.
            prop_assume!(!tunnel::is_port(ports.0) && !tunnel::is_port(ports.1));
            let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
            let mut bytes = Vec::new();
            match (vlan, v6) {
                (Some(id), false) => builder.single_vlan(VlanId::try_new(id).unwrap()).ipv4([1, 2, 3, 4], [5, 6, 7, 8], 9)
                    .tcp(ports.0, ports.1, seq, 100).syn().write(&mut bytes, &payload).unwrap(),
                (Some(id), true) => builder.single_vlan(VlanId::try_new(id).unwrap()).ipv6([1; 16], [2; 16], 9)
                    .udp(ports.0, ports.1).write(&mut bytes, &payload).unwrap(),
                (None, false) => builder.ipv4([1, 2, 3, 4], [5, 6, 7, 8], 9).udp(ports.0, ports.1).write(&mut bytes, &payload).unwrap(),
                (None, true) => builder.ipv6([1; 16], [2; 16], 9).tcp(ports.0, ports.1, seq, 100).syn().write(&mut bytes, &payload).unwrap(),
            }
            let (packet, got, counters) = eth(&bytes);
            prop_assert_eq!(packet.kind, Kind::Ip);
            prop_assert_eq!((packet.src_port, packet.dst_port, packet.ttl), (ports.0, ports.1, 9));
            prop_assert_eq!(packet.ip_version, if v6 { 6 } else { 4 });
            prop_assert_eq!(packet.vlans.ids(), vlan.as_slice());
            prop_assert_eq!(&got, &payload);
            if packet.protocol == 6 {
                prop_assert_eq!((packet.tcp.seq, packet.tcp.flags, packet.tcp.window), (seq, TcpFields::SYN, 100));
            }
            prop_assert_eq!(counters, Counters::default());
        }
    }

    #[test]
    fn nothing_of_the_packet_before_is_left() {
        let (packet, _, _) = eth(&ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1]));
        assert_eq!((packet.kind, packet.src_port, packet.reassembled), (Kind::Arp, 0, false));
        assert!(size_of::<Packet>() <= 160, "a packet stays small: {}", size_of::<Packet>());
    }

    #[test]
    fn who_sent_a_tunnel_with_a_frame_in_it_is_told() {
        let sender = |datagram: &[u8]| {
            let (slab, meta) = slab(LinkType::ETHERNET, &ethernet(0x0800, datagram));
            let mut out = Packet::default();
            (decode(&meta, &slab, &mut Counters::default(), &mut out), out.src_mac)
        };
        let mut frame = inner_frame();
        frame[11] ^= 0x55;
        let vxlan = ip4(17, &udp(40000, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &frame])));
        let (outer, inner) = sender(&vxlan);
        let (mac, ip) = outer.unwrap();
        assert!(mac != inner && !ip.is_unspecified(), "{mac} {inner} {ip}");
        let ipip = ip4(4, &ip4(17, &udp(40000, 53, b"x")));
        assert_eq!(sender(&ipip).0, None, "the MAC is there already");
        assert_eq!(sender(&ip4(17, &udp(40000, 53, b"x"))).0, None);
    }

    #[test]
    fn a_tunnel_in_fragments_gives_the_inner_packet() {
        let vxlan = udp(40000, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &inner_frame()]));
        let (first, last) = vxlan.split_at(24);
        let mut counters = Counters::default();
        let mut defragmenter = Defragmenter::default();
        let (mut out, mut whole) = (Packet::default(), None);
        let mut bytes = Vec::new();
        for frame in
            [ethernet(0x0800, &ip4_fragment(17, 7, 0x2000, first)), ethernet(0x0800, &ip4_fragment(17, 7, 3, last))]
        {
            let (slab, meta) = slab(LinkType::ETHERNET, &frame);
            bytes = slab;
            decode(&meta, &bytes, &mut counters, &mut out);
            assert_eq!((out.kind, out.protocol, out.src_port), (Kind::Fragment, 17, 0));
            assert_eq!(whole, None);
            whole = defragmenter.push(&out, &mut bytes, &mut counters);
        }
        let (offset, len) = whole.unwrap();
        let base = out;
        decode_reassembled(&base, &bytes, offset, len, &mut counters, &mut out);
        assert_eq!((out.kind, out.src_port, out.dst_port), (Kind::Ip, 5000, 53));
        assert_eq!((out.payload(&bytes), out.tunnels.text().as_str()), (&b"inner"[..], "vxlan"));
        assert!(out.reassembled);
        assert_eq!(out.src_mac.0, [6, 2, 2, 2, 2, 2]);
        assert_eq!((counters.fragments, counters.reassembled, counters.not_ip), (2, 1, 0));
    }
}

//! Link types by their number in the capture: what the first bytes of a frame are.

use super::packet::Kind;
use super::walk::{Bad, Span, Step, Walk};
use super::{ethernet, ieee80211, ip, ppp, tunnel};
use crate::base::Mac;
use crate::frame::LinkType;

/// A frame of any link type but Ethernet, which has a shorter way.
pub(super) fn frame(w: &mut Walk, link: LinkType, s: Span) -> Step {
    match link.0 {
        0 | 108 => loopback(w, s),
        1 => ethernet::frame(w, s),
        6 => token_ring(w, s),
        8 => ip::any(w, s.skip(16, Bad::Link)?),
        9 | 166 => ppp::frame(w, s),
        10 => fddi(w, s),
        7 | 12 | 14 | 101 | 228 | 229 => ip::any(w, s),
        // RFC 1483 without and with a pseudo-header of the driver: LLC.
        11 | 100 => ethernet::llc(w, s),
        50 => ppp_serial(w, s),
        51 => tunnel::pppoe(w, s),
        104 => cisco_hdlc(w, s),
        105 => ieee80211::frame(w, s),
        107 => frame_relay(w, s),
        // OpenBSD's encapsulating interface: family, index and flags.
        109 => ip::any(w, s.skip(12, Bad::Link)?),
        113 => cooked(w, s),
        117 => packet_filter(w, s),
        119 | 163 => ieee80211::prism(w, s),
        122 => ethernet::llc(w, s.skip(16, Bad::Link)?),
        123 => sun_atm(w, s),
        127 => ieee80211::radiotap(w, s),
        138 => firewire(w, s),
        192 => per_packet_information(w, s),
        // The first byte is the direction.
        204 => ppp::frame(w, s.skip(1, Bad::Link)?),
        205 => cisco_hdlc(w, s.skip(1, Bad::Link)?),
        206 => frame_relay(w, s.skip(1, Bad::Link)?),
        219 => tunnel::mpls(w, s),
        226 => ip::any(w, s.skip(24, Bad::Link)?),
        239 => netfilter_log(w, s),
        240 => ethernet::frame(w, s.skip(4, Bad::Link)?),
        258 => packet_tap(w, s),
        // IEEE 802.3br: preamble and start of frame come first.
        274 => ethernet::frame(w, s.skip(8, Bad::Link)?),
        276 => cooked2(w, s),
        _ => {
            w.counters.unknown_link += 1;
            w.other(Kind::Other, 0, s)
        }
    }
}

/// BSD loopback: an address family as a 32-bit number in the byte order of some machine.
fn loopback(w: &mut Walk, s: Span) -> Step {
    let h = *s.need::<4>(w.slab, Bad::Link)?;
    let inner = Span { at: s.at + 4, ..s };
    let (big, little) = (u32::from_be_bytes(h), u32::from_le_bytes(h));
    // Families are small numbers; the other byte order makes a huge one of each.
    match big.min(little) {
        // IPv4; IPv6 on Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin.
        2 | 10 | 23 | 24 | 28 | 30 => ip::any(w, inner),
        family => match u16::try_from(family) {
            Ok(kind @ 0x0600..) => ethernet::ethertype(w, kind, inner),
            _ if h[..2] == [0xff, 0x03] => ppp::frame(w, s),
            _ => w.other(Kind::Other, family as u16, inner),
        },
    }
}

/// The last six bytes of an eight-byte address field, where it says that six are in use.
fn cooked_mac(len: usize, field: &[u8; 8]) -> Mac {
    let [a, b, c, d, e, f, _, _] = *field;
    if len == 6 { Mac([a, b, c, d, e, f]) } else { Mac::ZERO }
}

/// Linux cooked capture, version 1.
fn cooked(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<16>(w.slab, Bad::Link)?;
    let [_, _, a0, a1, l0, l1, m @ .., p0, p1] = *h;
    w.out.src_mac = cooked_mac(usize::from(u16::from_be_bytes([l0, l1])), &m);
    let hardware = u16::from_be_bytes([a0, a1]);
    cooked_payload(w, hardware, u16::from_be_bytes([p0, p1]), Span { at: s.at + 16, ..s })
}

/// Linux cooked capture, version 2.
fn cooked2(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<20>(w.slab, Bad::Link)?;
    let [p0, p1, _, _, _, _, _, _, a0, a1, _, len, m @ ..] = *h;
    w.out.src_mac = cooked_mac(usize::from(len), &m);
    let hardware = u16::from_be_bytes([a0, a1]);
    cooked_payload(w, hardware, u16::from_be_bytes([p0, p1]), Span { at: s.at + 20, ..s })
}

/// What hardware type and protocol of a cooked frame lead to.
fn cooked_payload(w: &mut Walk, hardware: u16, protocol: u16, s: Span) -> Step {
    match (hardware, protocol) {
        (801, _) => ieee80211::frame(w, s),
        (803, _) => ieee80211::radiotap(w, s),
        // Netlink: the protocol is a family of messages.
        (824, _) => w.other(Kind::Other, protocol, s),
        // Novell's frames without LLC, and frames with it.
        (_, 1) => w.other(Kind::Other, 0xffff, s),
        (_, 4) => ethernet::llc(w, s),
        // Not numbers that follow any registry (CAN and such).
        (_, 0..0x0600) => w.other(Kind::Other, protocol, s),
        _ => ethernet::ethertype(w, protocol, s),
    }
}

/// PPP in HDLC-like framing; Cisco's variant shows in the first byte.
fn ppp_serial(w: &mut Walk, s: Span) -> Step {
    match s.need::<1>(w.slab, Bad::Link)?[0] {
        0x0f | 0x8f => cisco_hdlc(w, s),
        _ => ppp::frame(w, s),
    }
}

/// Cisco HDLC: address, control, EtherType.
fn cisco_hdlc(w: &mut Walk, s: Span) -> Step {
    let [_, _, k0, k1] = *s.need::<4>(w.slab, Bad::Link)?;
    ethernet::ethertype(w, u16::from_be_bytes([k0, k1]), Span { at: s.at + 4, ..s })
}

/// Frame relay (RFC 2427), or Cisco's EtherType instead of control and protocol identifier.
fn frame_relay(w: &mut Walk, mut s: Span) -> Step {
    // Two to four bytes of address; the lowest bit marks the last.
    for n in 1..=4 {
        let [byte] = *s.need::<1>(w.slab, Bad::Link)?;
        s.at += 1;
        if byte & 1 == 1 {
            if n < 2 {
                return Err(Bad::Link);
            }
            break;
        }
        if n == 4 {
            return Err(Bad::Link);
        }
    }
    let [control, mut nlpid] = *s.need::<2>(w.slab, Bad::Link)?;
    if control != 0x03 {
        return ethernet::ethertype(w, u16::from_be_bytes([control, nlpid]), Span { at: s.at + 2, ..s });
    }
    s.at += 2;
    if nlpid == 0 {
        // A byte of padding before the identifier.
        nlpid = s.need::<1>(w.slab, Bad::Link)?[0];
        s.at += 1;
    }
    match nlpid {
        0xcc | 0x8e => ip::any(w, s),
        0x80 => ethernet::snap(w, s),
        0xcf => ppp::frame(w, s),
        _ => w.other(Kind::Other, nlpid.into(), s),
    }
}

/// FDDI: frame control, addresses, LLC.
fn fddi(w: &mut Walk, s: Span) -> Step {
    let [control, d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *s.need::<13>(w.slab, Bad::Link)?;
    w.out.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
    w.out.src_mac = Mac([s0, s1, s2, s3, s4, s5]);
    let inner = Span { at: s.at + 13, ..s };
    // Only asynchronous LLC frames carry LLC.
    if control & 0xf0 == 0x50 { ethernet::llc(w, inner) } else { w.other(Kind::Other, control.into(), inner) }
}

/// Token ring (IEEE 802.5): access and frame control, addresses, the way through bridges, LLC.
fn token_ring(w: &mut Walk, s: Span) -> Step {
    let [_, control, d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *s.need::<14>(w.slab, Bad::Link)?;
    w.out.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
    w.out.src_mac = Mac([s0 & 0x7f, s1, s2, s3, s4, s5]);
    let mut inner = Span { at: s.at + 14, ..s };
    // The group bit of the source means that routing information follows, with its length.
    if s0 & 0x80 != 0 {
        let [len] = *inner.need::<1>(w.slab, Bad::Link)?;
        inner = inner.skip(usize::from(len & 0x1f).max(2), Bad::Link)?;
    }
    if control & 0xc0 == 0x40 { ethernet::llc(w, inner) } else { w.other(Kind::Other, control.into(), inner) }
}

/// SunATM: flags, virtual path, virtual channel, then what the flags say.
fn sun_atm(w: &mut Walk, s: Span) -> Step {
    let [flags, ..] = *s.need::<4>(w.slab, Bad::Link)?;
    let inner = Span { at: s.at + 4, ..s };
    match flags & 0x0f {
        // LAN emulation: two bytes of its own, then Ethernet.
        1 => ethernet::frame(w, inner.skip(2, Bad::Link)?),
        2 => ethernet::llc(w, inner),
        kind => w.other(Kind::Other, kind.into(), inner),
    }
}

/// IP over IEEE 1394: two addresses of eight bytes and an EtherType.
fn firewire(w: &mut Walk, s: Span) -> Step {
    let [.., k0, k1] = *s.need::<18>(w.slab, Bad::Link)?;
    ethernet::ethertype(w, u16::from_be_bytes([k0, k1]), Span { at: s.at + 18, ..s })
}

/// OpenBSD's packet filter log: its length, padded to four bytes, and an address family.
fn packet_filter(w: &mut Walk, s: Span) -> Step {
    let [len, _] = *s.need::<2>(w.slab, Bad::Link)?;
    ip::any(w, s.skip(usize::from(len).next_multiple_of(4), Bad::Link)?)
}

/// PPI: version, flags, length, and the link type of what follows.
fn per_packet_information(w: &mut Walk, s: Span) -> Step {
    w.layer()?;
    let [_, _, l0, l1, t0, t1, t2, t3] = *s.need::<8>(w.slab, Bad::Link)?;
    let (len, link) = (u16::from_le_bytes([l0, l1]), u32::from_le_bytes([t0, t1, t2, t3]));
    if len < 8 {
        return Err(Bad::Link);
    }
    frame(w, LinkType(link), s.skip(len.into(), Bad::Link)?)
}

/// Darwin's packet tap: length, type, and the link type of what follows.
fn packet_tap(w: &mut Walk, s: Span) -> Step {
    w.layer()?;
    let [l0, l1, l2, l3, _, _, _, _, t0, t1, t2, t3] = *s.need::<12>(w.slab, Bad::Link)?;
    let (len, link) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([t0, t1, t2, t3]));
    if len < 12 {
        return Err(Bad::Link);
    }
    frame(w, LinkType(link), s.skip(len as usize, Bad::Link)?)
}

/// Linux netfilter log: family, version, resource, then attributes in host byte order, one of which
/// is the packet.
fn netfilter_log(w: &mut Walk, s: Span) -> Step {
    let [family, version, ..] = *s.need::<4>(w.slab, Bad::Link)?;
    if version != 0 {
        return Err(Bad::Link);
    }
    let mut rest = Span { at: s.at + 4, ..s };
    // The first attribute is short, so that its length tells the byte order.
    let big = matches!(rest.head::<2>(w.slab), Some([0, low]) if *low != 0);
    loop {
        w.layer()?;
        let [l0, l1, t0, t1] = *rest.need::<4>(w.slab, Bad::Link)?;
        let number = |a, b| if big { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
        let (len, kind) = (usize::from(number(l0, l1)), number(t0, t1) & 0x7fff);
        if len < 4 {
            return Err(Bad::Link);
        }
        let value = Span { at: rest.at + 4, ..rest }.shrink(len - 4);
        match kind {
            // The sender's address: its length, two bytes of padding, the address.
            8 => {
                if let Some([0, 6, _, _, m @ ..]) = value.head::<10>(w.slab) {
                    w.out.src_mac = Mac(*m);
                }
            }
            9 => {
                return match family {
                    2 | 10 | 0 => ip::any(w, value),
                    _ if ip::plausible(w.slab, value) => ip::any(w, value),
                    _ => w.other(Kind::Other, family.into(), value),
                };
            }
            _ => {}
        }
        rest = rest.skip(len.next_multiple_of(4), Bad::Link)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn loopback_in_both_byte_orders_and_every_number_for_ipv6() {
        let six = ip6(17, &udp(1, 2, b"six"));
        for family in [10u32, 24, 28, 30] {
            for head in [family.to_be_bytes(), family.to_le_bytes()] {
                assert_eq!(run(LinkType::NULL, &join(&[&head, &six])).1, b"six");
            }
        }
        for head in [[0, 0, 0, 2], [2, 0, 0, 0]] {
            assert_eq!(run(LinkType::LOOP, &join(&[&head, &inner()])).1, b"inner");
        }
        assert_eq!(run(LinkType::NULL, &[7, 0, 0, 0, 1]).0.kind, Kind::Other);
    }

    #[test]
    fn cooked_captures_name_the_sender() {
        let head = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0];
        let (packet, payload, _) = run(LinkType::LINUX_SLL, &join(&[&head, &inner()]));
        assert_eq!(
            (packet.src_mac.0, packet.dst_mac.is_zero(), payload.as_slice()),
            ([2, 0, 0, 0, 0, 9], true, &b"inner"[..])
        );
        let head = [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 9, 0, 0];
        let (packet, payload, _) = run(LinkType::LINUX_SLL2, &join(&[&head, &inner()]));
        assert_eq!((packet.src_mac.0, payload.as_slice()), ([2, 0, 0, 0, 0, 9], &b"inner"[..]));
        // VLAN tags and LLC occur as well.
        let head = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 0x81, 0, 0, 7, 8, 0];
        assert_eq!(run(LinkType::LINUX_SLL, &join(&[&head, &inner()])).0.vlans.ids(), [7]);
        let head = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 0, 4, 0x42, 0x42, 3];
        assert_eq!(run(LinkType::LINUX_SLL, &head).0.protocol_l2, 0x4242);
    }

    #[test]
    fn netfilter_attributes_of_either_byte_order() {
        let ip = inner();
        let len = (4 + ip.len()) as u16;
        let address = [0, 6, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0];
        let little = join(&[&[2, 0, 0, 1, 16, 0, 8, 0], &address, &len.to_le_bytes(), &[9, 0], &ip]);
        let big = join(&[&[2, 0, 0, 1, 0, 16, 0, 8], &address, &len.to_be_bytes(), &[0, 9], &ip]);
        for bytes in [little, big] {
            let (packet, payload, _) = run(LinkType::NFLOG, &bytes);
            assert_eq!((packet.src_mac.0, payload.as_slice()), ([2, 0, 0, 0, 0, 9], &b"inner"[..]));
        }
        // A length that does not move on.
        assert_eq!(run(LinkType::NFLOG, &[2, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]).2.malformed_link, 1);
    }

    #[test]
    fn rarer_links_lead_to_ip() {
        let ip = inner();
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        let macs = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2];
        let ppi = [0, 0, 12, 0, 101, 0, 0, 0, 9, 9, 9, 9];
        for (link, head) in [
            (12, vec![]),
            (14, vec![]),
            (101, vec![]),
            (228, vec![]),
            (104, vec![0x0f, 0, 8, 0]),
            (107, vec![0x18, 0x41, 3, 0xcc]),
            (107, vec![0x18, 0x41, 8, 0]),
            (107, join(&[&[0x18, 0x41, 3, 0, 0x80], &snap[3..]])),
            (10, join(&[&[0x50], &macs, &snap])),
            (6, join(&[&[0x10, 0x40], &macs, &snap])),
            // A route through two bridges: the group bit of the source, and six bytes.
            (6, join(&[&[0x10, 0x40], &macs[..6], &[0x82, 2, 2, 2, 2, 2], &[6, 0, 1, 1, 1, 2], &snap])),
            (123, join(&[&[2, 0, 0, 0], &snap])),
            (138, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]),
            (117, vec![61; 64]),
            (192, ppi.to_vec()),
            (51, vec![0x11, 0, 0, 1, 0, 0, 0, 0x21]),
        ] {
            let (packet, payload, counters) = run(LinkType(link), &join(&[&head, &ip]));
            assert_eq!((packet.dst_port, payload.as_slice()), (53, &b"inner"[..]), "{link}");
            assert_eq!(counters, Default::default(), "{link}");
        }
        let (packet, _, counters) = run(LinkType(9999), &ip);
        assert_eq!((packet.kind, counters.not_ip), (Kind::Other, 1));
    }
}

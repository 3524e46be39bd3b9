//! Ethernet and what its type field leads to: VLAN tags, LLC and SNAP, and the layers above.

use super::packet::Kind;
use super::walk::{Bad, Span, Step, Walk};
use super::{ip, tunnel};
use crate::base::Mac;
use etherparse::MacsecHeaderSlice;

/// Smallest value of the type field that is an EtherType and not a length (IEEE 802.3, 3.2.6).
const TYPE_MIN: u16 = 0x0600;

/// An Ethernet frame (IEEE 802.3, section 3).
#[inline]
pub(super) fn frame(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<14>(w.slab, Bad::Link)?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *h;
    w.out.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
    w.out.src_mac = Mac([s0, s1, s2, s3, s4, s5]);
    ethertype(w, u16::from_be_bytes([t0, t1]), Span { at: s.at + 14, ..s })
}

/// What an EtherType says comes next.
#[inline]
pub(super) fn ethertype(w: &mut Walk, kind: u16, s: Span) -> Step {
    match kind {
        0x0800 => ip::v4(w, s),
        0x86dd => ip::v6(w, s),
        _ => tagged(w, kind, s),
    }
}

/// The EtherTypes other than IP, and the tags that may stand before any of them.
fn tagged(w: &mut Walk, mut kind: u16, mut s: Span) -> Step {
    loop {
        w.layer()?;
        match kind {
            0x0800 => return ip::v4(w, s),
            0x86dd => return ip::v6(w, s),
            0x0806 => return w.other(Kind::Arp, kind, s),
            // IEEE 802.1Q, 802.1ad, and the numbers used before it: tag, then the next type.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let [t0, t1, k0, k1] = *s.need::<4>(w.slab, Bad::Link)?;
                w.out.vlans.push(u16::from_be_bytes([t0, t1]) & 0x0fff);
                kind = u16::from_be_bytes([k0, k1]);
                s.at += 4;
            }
            // VN-Tag: four bytes about virtual ports, then the next type.
            0x8926 => {
                let [_, _, _, _, k0, k1] = *s.need::<6>(w.slab, Bad::Link)?;
                kind = u16::from_be_bytes([k0, k1]);
                s.at += 6;
            }
            // Cisco FabricPath: two bytes of tree and time to live, then the frame.
            0x8903 => return frame(w, s.skip(2, Bad::Link)?),
            // Provider backbone bridging: four bytes of service tag, then the customer's frame.
            0x88e7 => return frame(w, s.skip(4, Bad::Link)?),
            0x88e5 => match macsec(w, s)? {
                Some((next, inner)) => (kind, s) = (next, inner),
                None => return w.other(Kind::Other, kind, s),
            },
            0x8847 | 0x8848 => return tunnel::mpls(w, s),
            0x8864 => return tunnel::pppoe(w, s),
            0x880b => return tunnel::ppp_inside(w, s),
            0x894f => return tunnel::nsh(w, s),
            0x6558 => return frame(w, s),
            _ if kind < TYPE_MIN => return length(w, kind, s),
            _ => return w.other(Kind::Other, kind, s),
        }
    }
}

/// What follows a type field that is a length: LLC, or Novell's frames without it.
fn length(w: &mut Walk, len: u16, s: Span) -> Step {
    let inner = s.shrink(usize::from(len));
    match inner.head::<2>(w.slab) {
        Some([0xff, 0xff]) => w.other(Kind::Other, 0xffff, inner),
        _ => llc(w, inner),
    }
}

/// The type and payload behind a MACsec tag that only authenticates (IEEE 802.1AE, section 9).
fn macsec(w: &Walk, s: Span) -> Result<Option<(u16, Span)>, Bad> {
    let Ok(tag) = MacsecHeaderSlice::from_slice(s.bytes(w.slab)) else { return Err(s.short(Bad::Link)) };
    let Some(next) = tag.next_ether_type() else { return Ok(None) };
    let mut inner = s.skip(tag.header_len(), Bad::Link)?;
    // The integrity check value, 16 bytes in all usual suites, follows the payload.
    inner.wire_end = inner.wire_end.saturating_sub(16).max(inner.at);
    inner.end = inner.end.min(inner.wire_end);
    Ok(Some((next.0, inner)))
}

/// An IEEE 802.2 header, with SNAP (RFC 1042) where it says so.
pub(super) fn llc(w: &mut Walk, s: Span) -> Step {
    w.layer()?;
    let [dsap, ssap, control] = *s.need::<3>(w.slab, Bad::Link)?;
    // Unnumbered formats have one byte of control, the others two.
    let header = if control & 3 == 3 { 3 } else { 4 };
    match (dsap, ssap & 0xfe, control) {
        (0xaa, 0xaa, 0x03) => snap(w, Span { at: s.at + 3, ..s }),
        (0x06, 0x06, 0x03) => ip::any(w, Span { at: s.at + 3, ..s }),
        _ => {
            let inner = Span { at: s.at.saturating_add(header).min(s.end), ..s };
            w.other(Kind::Other, u16::from_be_bytes([dsap, ssap]), inner)
        }
    }
}

/// The five bytes of SNAP: whose protocol number it is, and the number.
pub(super) fn snap(w: &mut Walk, s: Span) -> Step {
    let [o0, o1, o2, p0, p1] = *s.need::<5>(w.slab, Bad::Link)?;
    let pid = u16::from_be_bytes([p0, p1]);
    let inner = Span { at: s.at + 5, ..s };
    match ([o0, o1, o2], pid) {
        // EtherTypes, plain or bridged from other media.
        ([0, 0, 0] | [0, 0, 0xf8], TYPE_MIN..) => ethertype(w, pid, inner),
        // RFC 2684, section 5.2: bridged Ethernet after two bytes of padding.
        ([0x00, 0x80, 0xc2], 1 | 7) => frame(w, inner.skip(2, Bad::Link)?),
        _ => w.other(Kind::Other, pid, inner),
    }
}

/// Whether these bytes can be an Ethernet frame, told by its type field and what follows; for
/// tunnels whose header alone does not say enough.
pub(super) fn plausible(slab: &[u8], s: Span) -> bool {
    let Some(h) = s.head::<14>(slab) else { return false };
    let kind = u16::from_be_bytes([h[12], h[13]]);
    let inner = Span { at: s.at + 14, ..s };
    match kind {
        0x0800 | 0x86dd => ip::plausible(slab, inner),
        0x0806 => matches!(inner.head::<4>(slab), Some([0, _, 8, 0])),
        0x8100 | 0x88a8 | 0x9100 => match inner.head::<4>(slab).map(|t| u16::from_be_bytes([t[2], t[3]])) {
            Some(0x0800 | 0x86dd) => ip::plausible(slab, Span { at: inner.at + 4, ..inner }),
            Some(next) => next == 0x0806 || next == 0x8100 || usize::from(next) <= inner.wire_len(),
            None => false,
        },
        0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x888e | 0x88cc | 0x8809 | 0x9000 | 0x894f => true,
        _ => (3..TYPE_MIN).contains(&kind) && usize::from(kind) <= inner.wire_len(),
    }
}

/// Whether these bytes are an Ethernet frame with an IP packet beyond reasonable doubt.
pub(super) fn certain(slab: &[u8], s: Span) -> bool {
    let Some(h) = s.head::<14>(slab) else { return false };
    let mut inner = Span { at: s.at + 14, ..s };
    let mut kind = [h[12], h[13]];
    if kind == [0x81, 0x00] {
        let Some(tag) = inner.head::<4>(slab) else { return false };
        kind = [tag[2], tag[3]];
        inner.at += 4;
    }
    // A group address is never a source.
    h[6] & 1 == 0
        && match kind {
            [0x08, 0x00] | [0x86, 0xdd] => ip::certain(slab, inner),
            [0x08, 0x06] => matches!(inner.head::<6>(slab), Some([0, 1, 8, 0, 6, 4])),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn tags_of_every_kind_are_passed_and_kept() {
        for (tpid, id) in [(0x8100u16, 5u16), (0x88a8, 6), (0x9100, 4095)] {
            // Priority bits are no part of the identifier.
            let tag = join(&[&(id | 0xe000).to_be_bytes(), &[0x81, 0, 0, 1, 8, 0], &inner()]);
            let (packet, payload, _) = eth(&ethernet(tpid, &tag));
            assert_eq!((packet.vlans.ids(), payload.as_slice()), (&[id, 1][..], &b"inner"[..]));
        }
        let (packet, ..) = eth(&ethernet(0x8926, &join(&[&[0, 0, 0, 0, 8, 0], &inner()])));
        assert_eq!(packet.dst_port, 53);
        // MAC-in-MAC: the inner addresses count.
        let (packet, ..) = eth(&ethernet(0x88e7, &join(&[&[0, 0, 0, 1], &inner_frame()])));
        assert_eq!((packet.dst_port, packet.src_mac.0), (53, [6, 2, 2, 2, 2, 2]));
    }

    #[test]
    fn llc_and_snap_give_their_protocol() {
        // Spanning tree in a frame with padding: 3 + 4 bytes count.
        let (packet, payload, counters) = eth(&ethernet(7, &[0x42, 0x42, 3, 1, 2, 3, 4, 0, 0, 0]));
        assert_eq!((packet.kind, packet.protocol_l2, payload.as_slice()), (Kind::Other, 0x4242, &[1, 2, 3, 4][..]));
        assert_eq!(counters.not_ip, 1);
        // CDP by its SNAP identifier; IP by an EtherType in SNAP.
        let (packet, payload, _) = eth(&ethernet(9, &[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 7]));
        assert_eq!((packet.protocol_l2, payload.as_slice()), (0x2000, &[7][..]));
        let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]);
        assert_eq!(eth(&ethernet(snap.len() as u16, &snap)).0.dst_port, 53);
        // Novell without LLC, and an information frame with two bytes of control.
        assert_eq!(eth(&ethernet(4, &[0xff, 0xff, 0, 4])).0.protocol_l2, 0xffff);
        assert_eq!(eth(&ethernet(6, &[4, 4, 0, 0, 8, 9])).1, [8, 9]);
    }

    #[test]
    fn macsec_is_read_through_where_it_is_not_encrypted() {
        let body = inner();
        // Version 0, neither E nor C: type and payload in clear, 16 bytes of check value behind.
        let clear = join(&[&[0x00, 0, 0, 0, 0, 1, 8, 0], &body, &[0xdd; 16]]);
        assert_eq!(eth(&ethernet(0x88e5, &clear)).1, b"inner");
        let sealed = join(&[&[0x0c, 0, 0, 0, 0, 1], &body, &[0xdd; 16]]);
        assert_eq!(eth(&ethernet(0x88e5, &sealed)).0.kind, Kind::Other);
    }

    #[test]
    fn a_short_frame_is_malformed_only_where_the_capture_is_not_to_blame() {
        let (packet, _, counters) = eth(&[1, 2, 3]);
        assert_eq!((packet.kind, counters.malformed_link, counters.truncated), (Kind::Malformed, 1, 0));
        let frame = ethernet(0x0800, &inner());
        let (packet, _, counters) = run_cut(crate::frame::LinkType::ETHERNET, &frame, 10);
        assert_eq!((packet.kind, counters.malformed_link, counters.truncated), (Kind::Malformed, 0, 1));
    }

    #[test]
    fn endless_tags_end_at_the_limit() {
        let (packet, _, counters) = eth(&ethernet(0x8100, &[0x81, 0].repeat(3000)));
        assert_eq!((packet.kind, counters.nesting_limit), (Kind::Malformed, 1));
    }
}

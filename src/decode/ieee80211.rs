//! IEEE 802.11 frames, and the radio headers that captures put before them.

use super::ethernet;
use super::packet::Kind;
use super::walk::{Bad, Span, Step, Walk};
use crate::base::Mac;

const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;

/// A MAC frame (IEEE 802.11-2020, section 9.2).
pub(super) fn frame(w: &mut Walk, s: Span) -> Step {
    mac(w, s, false, false)
}

/// The same with the two bytes of frame control swapped, as some controllers send it.
pub(super) fn swapped(w: &mut Walk, s: Span) -> Step {
    mac(w, s, true, false)
}

/// A MAC frame; `padded` where the radio aligned the payload to four bytes.
fn mac(w: &mut Walk, s: Span, swapped: bool, padded: bool) -> Step {
    w.layer()?;
    let [mut control, mut flags] = *s.need::<2>(w.slab, Bad::Link)?;
    if swapped {
        (control, flags) = (flags, control);
    }
    if control & 3 != 0 {
        return Err(Bad::Link);
    }
    let (kind, subtype) = ((control >> 2) & 3, control >> 4);
    let address = |at: usize| s.skip(at, Bad::Link).ok().and_then(|a| a.head::<6>(w.slab)).map(|a| Mac(*a));
    let (one, two, three, four) = (address(4), address(10), address(16), address(24));
    let or_zero = |mac: Option<Mac>| mac.unwrap_or_default();
    if kind != 2 {
        // Management (24 bytes of header) and control frames; of the latter, few name a sender.
        w.out.dst_mac = or_zero(one);
        if kind == 0 || matches!(subtype, 8..=11) {
            w.out.src_mac = or_zero(two);
        }
        let header = if kind == 0 { 24 } else { 16 };
        return w.other(Kind::Other, 0, Span { at: (s.at + header).min(s.end), ..s });
    }
    let (dst, src) = match flags & (TO_DS | FROM_DS) {
        0 => (one, two),
        TO_DS => (three, two),
        FROM_DS => (one, three),
        _ => (three, four),
    };
    w.out.dst_mac = or_zero(dst);
    w.out.src_mac = or_zero(src);
    let qos = subtype & 8 != 0;
    let mut header = if flags & (TO_DS | FROM_DS) == TO_DS | FROM_DS { 30 } else { 24 };
    let mut aggregated = false;
    if qos {
        let [control, _] = *s.skip(header, Bad::Link)?.need::<2>(w.slab, Bad::Link)?;
        aggregated = control & 0x80 != 0;
        header += 2;
        // The order bit of a QoS frame announces the HT control field.
        if flags & ORDER != 0 {
            header += 4;
        }
    }
    if padded {
        header = header.next_multiple_of(4);
    }
    let body = s.skip(header, Bad::Link)?;
    let [mut sequence, high] = *s.skip(22, Bad::Link)?.need::<2>(w.slab, Bad::Link)?;
    if swapped {
        sequence = high;
    }
    let fragment = flags & MORE_FRAGMENTS != 0 || sequence & 0x0f != 0;
    // Subtypes with bit 2 carry no data.
    if subtype & 4 != 0 || flags & PROTECTED != 0 || fragment {
        return w.other(Kind::Other, 0, body);
    }
    if aggregated {
        // The first of the aggregated frames: addresses, length, and LLC.
        let h = body.need::<14>(w.slab, Bad::Link)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, l0, l1] = *h;
        w.out.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
        w.out.src_mac = Mac([s0, s1, s2, s3, s4, s5]);
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        return ethernet::llc(w, body.skip(14, Bad::Link)?.shrink(len));
    }
    ethernet::llc(w, body)
}

/// A radiotap header (radiotap.org), of which the flags field says whether the payload is padded.
pub(super) fn radiotap(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Link)?;
    let len = usize::from(u16::from_le_bytes([h[2], h[3]]));
    if h[0] != 0 || len < 8 {
        return Err(Bad::Link);
    }
    let present = u32::from_le_bytes([h[4], h[5], h[6], h[7]]);
    let mut flags = 0;
    if present & 2 != 0 {
        // Bitmaps follow each other while their last bit is set; then the fields, aligned.
        let (mut at, mut more) = (8, present & 0x8000_0000 != 0);
        while more && at + 4 <= len {
            w.layer()?;
            let [.., top] = *s.skip(at, Bad::Link)?.need::<4>(w.slab, Bad::Link)?;
            more = top & 0x80 != 0;
            at += 4;
        }
        if present & 1 != 0 {
            at = at.next_multiple_of(8) + 8;
        }
        if at < len {
            flags = s.skip(at, Bad::Link)?.need::<1>(w.slab, Bad::Link)?[0];
        }
    }
    let mut inner = s.skip(len, Bad::Link)?;
    if flags & 0x10 != 0 {
        // The frame check sequence is part of the capture.
        inner.wire_end = inner.wire_end.saturating_sub(4).max(inner.at);
        inner.end = inner.end.min(inner.wire_end);
    }
    mac(w, inner, false, flags & 0x20 != 0)
}

/// A Prism header, or the AVS header that shares its link type.
pub(super) fn prism(w: &mut Walk, s: Span) -> Step {
    let [m0, m1, m2, m3, l0, l1, l2, l3] = *s.need::<8>(w.slab, Bad::Link)?;
    let len = if [m0, m1, m2, m3] == [0x80, 0x21, 0x10, 0x01] || [m0, m1, m2] == [0, 0, 0] {
        u32::from_be_bytes([l0, l1, l2, l3])
    } else {
        u32::from_le_bytes([l0, l1, l2, l3])
    };
    frame(w, s.skip(len as usize, Bad::Link)?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::frame::LinkType;

    /// A data frame with addresses 1, 2, 3 and what follows them.
    fn data(control: u8, flags: u8, rest: &[&[u8]]) -> Vec<u8> {
        join(&[&[control, flags, 0, 0], &[1; 6], &[2; 6], &[3; 6], &[0x10, 0], &rest.concat()])
    }

    fn body() -> Vec<u8> {
        join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()])
    }

    #[test]
    fn the_distribution_bits_say_whose_the_addresses_are() {
        for (flags, dst, src) in [(0, 1, 2), (TO_DS, 3, 2), (FROM_DS, 1, 3)] {
            let (packet, payload, _) = run(LinkType::IEEE802_11, &data(0x08, flags, &[&body()]));
            assert_eq!((packet.dst_mac.0, packet.src_mac.0, payload.as_slice()), ([dst; 6], [src; 6], &b"inner"[..]));
        }
        let (packet, ..) = run(LinkType::IEEE802_11, &data(0x08, TO_DS | FROM_DS, &[&[4; 6], &body()]));
        assert_eq!((packet.dst_mac.0, packet.src_mac.0, packet.dst_port), ([3; 6], [4; 6], 53));
    }

    #[test]
    fn quality_of_service_ht_control_and_aggregates_are_passed() {
        let subframe = join(&[&[7; 6], &[8; 6], &(body().len() as u16).to_be_bytes(), &body(), &[0, 0]]);
        for (flags, rest) in [
            (TO_DS, join(&[&[0, 0], &body()])),
            (TO_DS | ORDER, join(&[&[0, 0, 1, 2, 3, 4], &body()])),
            (TO_DS, join(&[&[0x80, 0], &subframe])),
        ] {
            let (packet, payload, _) = run(LinkType::IEEE802_11, &data(0x88, flags, &[&rest]));
            assert_eq!((packet.dst_port, payload.as_slice()), (53, &b"inner"[..]));
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_ip() {
        let mut fragment = data(0x08, TO_DS, &[&body()]);
        fragment[22] |= 1;
        for frame in [data(0x08, PROTECTED, &[&body()]), data(0x48, TO_DS, &[]), data(0x80, 0, &[&body()]), fragment] {
            let (packet, _, counters) = run(LinkType::IEEE802_11, &frame);
            assert_eq!((packet.kind, counters.not_ip, counters.malformed_link), (Kind::Other, 1, 0));
        }
        // An acknowledgement has one address.
        let (packet, ..) = run(LinkType::IEEE802_11, &[0xd4, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!((packet.kind, packet.dst_mac.0, packet.src_mac.is_zero()), (Kind::Other, [1; 6], true));
    }

    #[test]
    fn radio_headers_are_passed() {
        // Time stamp (aligned to eight) and flags: check sequence present, payload padded.
        let mut frame = data(0x88, TO_DS, &[&[0, 0, 0, 0], &body(), &[0xfc; 4]]);
        let head = [0, 0, 17, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x30];
        let (packet, payload, _) = run(LinkType::IEEE802_11_RADIOTAP, &join(&[&head, &frame]));
        assert_eq!((packet.dst_port, payload.as_slice()), (53, &b"inner"[..]));
        // Without padding, and with a second bitmap.
        frame = data(0x88, TO_DS, &[&[0, 0], &body()]);
        let head = [0, 0, 13, 0, 2, 0, 0, 0x80, 0, 0, 0, 0, 0x00];
        assert_eq!(run(LinkType::IEEE802_11_RADIOTAP, &join(&[&head, &frame])).0.dst_port, 53);
        let prism = join(&[&[0x44, 0, 0, 0, 144, 0, 0, 0], &[0; 136], &frame]);
        assert_eq!(run(LinkType(119), &prism).0.dst_port, 53);
        let avs = join(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &frame]);
        assert_eq!(run(LinkType(163), &avs).0.dst_port, 53);
    }
}

//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use super::packet::{FragmentFields, Kind, Tunnel};
use super::walk::{Bad, Span, Step, Walk};
use super::{transport, tunnel};
use crate::base::{Addr, limits};
use etherparse::{IpAuthHeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice};

/// An IP packet of the version that its first nibble says.
pub(super) fn any(w: &mut Walk, s: Span) -> Step {
    match s.need::<1>(w.slab, Bad::Network)?[0] >> 4 {
        4 => v4(w, s),
        6 => v6(w, s),
        _ => Err(Bad::Network),
    }
}

/// An IPv4 packet.
#[inline]
pub(super) fn v4(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<20>(w.slab, Bad::Network)?;
    let header = usize::from(h[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([h[2], h[3]]));
    if h[0] >> 4 != 4 || header < 20 {
        // Some senders put IPv6 under IPv4's EtherType; the version field is what routers go by.
        return if h[0] >> 4 == 6 { v6(w, s) } else { Err(Bad::Network) };
    }
    // A length of zero is what segmentation offload leaves in packets captured on their sender.
    let packet = if total == 0 { s } else { s.limit(total) };
    if packet.wire_len() < header {
        return Err(Bad::Network);
    }
    let out = &mut *w.out;
    out.ip_version = 4;
    out.ttl = h[8];
    out.protocol = h[9];
    out.ip_id = u16::from_be_bytes([h[4], h[5]]);
    out.src = Addr::v4([h[12], h[13], h[14], h[15]]);
    out.dst = Addr::v4([h[16], h[17], h[18], h[19]]);
    out.ip_wire_len = packet.wire_len() as u32;
    let fragment = u16::from_be_bytes([h[6], h[7]]);
    let protocol = h[9];
    let inner = packet.skip(header, Bad::Network)?;
    if header > 20 && !options_fit(w.slab.get(s.at + 20..inner.at).unwrap_or_default()) {
        return Err(Bad::Network);
    }
    // More fragments, or not at the start.
    if fragment & 0x3fff != 0 && !lone(w, fragment & 0x1fff == 0, inner) {
        w.out.fragment = FragmentFields {
            id: u32::from(w.out.ip_id),
            offset: (fragment & 0x1fff) << 3,
            more: fragment & 0x2000 != 0,
            header_offset: s.at as u32,
        };
        w.out.kind = Kind::Fragment;
        w.range(inner, 0);
        return Ok(());
    }
    payload(w, protocol, inner)
}

/// Whether IPv4 options end within the header; hosts drop packets where they do not.
#[cold]
fn options_fit(mut options: &[u8]) -> bool {
    loop {
        options = match options {
            [] | [0, ..] => return true,
            [1, rest @ ..] => rest,
            [_, len, ..] if *len >= 2 => match options.get(usize::from(*len)..) {
                Some(rest) => rest,
                None => return false,
            },
            _ => return false,
        }
    }
}

/// Whether a fragment is used by itself: the first one, where the capture holds only a part of it.
/// No datagram can be made of it, but its transport header may be there.
fn lone(w: &mut Walk, first: bool, inner: Span) -> bool {
    let lone = first && inner.wire_end > inner.end;
    w.counters.fragments += u64::from(lone);
    lone
}

/// An IPv6 packet.
#[inline]
pub(super) fn v6(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<40>(w.slab, Bad::Network)?;
    if h[0] >> 4 != 6 {
        return Err(Bad::Network);
    }
    let next = h[6];
    let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    // A length of zero stands for a jumbogram (RFC 2675), or for segmentation offload.
    let packet = if len == 0 && next != NO_NEXT_HEADER { s } else { s.limit(40 + len) };
    let (src, dst) = h[8..].split_at(16);
    let out = &mut *w.out;
    out.ip_version = 6;
    out.flow_label = h[1] & 0x0f != 0 || h[2] != 0 || h[3] != 0;
    out.ttl = h[7];
    out.ip_id = 0;
    out.protocol = next;
    out.src = Addr(src.try_into().unwrap_or_default());
    out.dst = Addr(dst.try_into().unwrap_or_default());
    out.ip_wire_len = packet.wire_len() as u32;
    let inner = Span { at: s.at + 40, ..packet };
    match next {
        6 | 17 | 58 => payload(w, next, inner),
        _ => extensions(w, next, inner, s.at),
    }
}

/// "No next header": nothing follows that means anything (RFC 8200, section 4.7).
pub(super) const NO_NEXT_HEADER: u8 = 59;

/// IPv6 extension headers up to the one that is none.
fn extensions(w: &mut Walk, mut next: u8, mut s: Span, header_at: usize) -> Step {
    for _ in 0..limits::IPV6_EXTENSIONS_MAX {
        let bytes = s.bytes(w.slab);
        let (len, following) = match next {
            // Hop-by-hop, routing, destination options; mobility, HIP and shim6 (same layout).
            0 | 43 | 60 | 135 | 139 | 140 => {
                let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(bytes) else { return Err(s.short(Bad::Network)) };
                let following = header.next_header().0;
                match next {
                    0 => {
                        if let Some(len) = jumbo(header.slice()) {
                            let whole = Span { at: header_at + 40, ..s }.limit(len);
                            w.out.ip_wire_len = whole.wire_len().saturating_add(40) as u32;
                            s = Span { at: s.at.min(whole.end), ..whole };
                        }
                    }
                    43 => {
                        if let Some(last) = final_destination(header.slice()) {
                            w.out.dst = last;
                        }
                    }
                    _ => {}
                }
                // A header that carries its own message and announces nothing behind it.
                if next >= 135 && following == NO_NEXT_HEADER {
                    break;
                }
                (header.slice().len(), following)
            }
            44 => {
                let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(bytes) else {
                    return Err(s.short(Bad::Network));
                };
                let following = header.next_header().0;
                let first = header.fragment_offset().value() == 0;
                if header.is_fragmenting_payload() && !lone(w, first, s) {
                    w.out.fragment = FragmentFields {
                        id: header.identification(),
                        offset: header.fragment_offset().value() << 3,
                        more: header.more_fragments(),
                        header_offset: header_at as u32,
                    };
                    w.out.protocol = following;
                    w.out.kind = Kind::Fragment;
                    w.range(s, 8);
                    return Ok(());
                }
                (8, following)
            }
            _ => break,
        };
        s = s.skip(len, Bad::Network)?;
        next = following;
    }
    payload(w, next, s)
}

/// The payload length that a jumbo payload option gives (RFC 2675, section 2).
fn jumbo(hop_by_hop: &[u8]) -> Option<usize> {
    let mut options = hop_by_hop.get(2..)?;
    loop {
        match options {
            [0xc2, 4, a, b, c, d, ..] => {
                let len = u32::from_be_bytes([*a, *b, *c, *d]);
                return (len > 0xffff && len as usize <= limits::FRAME_BYTES_MAX).then_some(len as usize);
            }
            [0, rest @ ..] => options = rest,
            [_, len, rest @ ..] => options = rest.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
}

/// Where a packet with a routing header is bound for in the end: the header's own destination is
/// only the next stop. Types 0 and 2 list the way forwards (RFC 2460, RFC 6275), type 4 backwards
/// (RFC 8754).
fn final_destination(header: &[u8]) -> Option<Addr> {
    let (kind, left) = (*header.get(2)?, *header.get(3)?);
    if left == 0 {
        return None;
    }
    let stops = header.get(8..)?;
    let last: &[u8; 16] = match kind {
        0 | 2 => stops.last_chunk()?,
        4 => stops.first_chunk()?,
        _ => return None,
    };
    Some(Addr(*last))
}

/// What an IP protocol number says comes next.
#[inline]
pub(super) fn payload(w: &mut Walk, protocol: u8, s: Span) -> Step {
    w.out.protocol = protocol;
    match protocol {
        6 => transport::tcp(w, s),
        17 => transport::udp(w, s),
        1 | 58 => transport::icmp(w, s),
        33 => transport::dccp(w, s),
        132 => transport::sctp(w, s),
        136 => transport::udp_lite(w, s),
        4 | 41 | 47 | 97 | 103 | 115 | 137 => {
            w.ip(s, 0);
            let under = w.out.ip_version;
            // A tunnel that does not check out is a flow of its own protocol.
            if let Err(bad) = w.attempt(|w| tunnel::over_ip(w, protocol, under, s)) {
                w.count(bad);
            }
            Ok(())
        }
        51 => authentication(w, s),
        _ => {
            w.ip(s, 0);
            Ok(())
        }
    }
}

/// The authentication header (RFC 4302): what it protects is in clear behind it, and belongs to the
/// same pair of addresses.
fn authentication(w: &mut Walk, s: Span) -> Step {
    w.ip(s, 0);
    let outer = *w.out;
    let step = (|| {
        w.tunnel(Tunnel::Ah)?;
        let header = IpAuthHeaderSlice::from_slice(s.bytes(w.slab)).map_err(|_| s.short(Bad::Network))?;
        payload(w, header.next_header().0, s.skip(header.slice().len(), Bad::Network)?)
    })();
    if let Err(bad) = step {
        *w.out = outer;
        w.count(bad);
    }
    Ok(())
}

/// Whether these bytes can be an IP packet that fits where it was found.
pub(super) fn plausible(slab: &[u8], s: Span) -> bool {
    if let Some(h) = s.head::<20>(slab)
        && h[0] >> 4 == 4
    {
        let header = usize::from(h[0] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([h[2], h[3]]));
        return header >= 20 && (total == 0 || (header..=s.wire_len()).contains(&total));
    }
    match s.head::<40>(slab) {
        Some(h) => h[0] >> 4 == 6 && usize::from(u16::from_be_bytes([h[4], h[5]])) + 40 <= s.wire_len(),
        None => false,
    }
}

/// Whether these bytes are an IP packet beyond reasonable doubt: an IPv4 header with the right
/// checksum, or an IPv6 packet that ends where its surroundings do.
pub(super) fn certain(slab: &[u8], s: Span) -> bool {
    if !plausible(slab, s) {
        return false;
    }
    let bytes = s.bytes(slab);
    match bytes.first() {
        Some(first) if first >> 4 == 4 => {
            bytes.get(..usize::from(first & 0x0f) * 4).is_some_and(|header| checksum(header) == 0)
        }
        _ => s.head::<40>(slab).is_some_and(|h| usize::from(u16::from_be_bytes([h[4], h[5]])) + 40 == s.wire_len()),
    }
}

/// The internet checksum (RFC 1071); zero over a header that holds the right one.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<2>();
    let mut sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    sum += rest.first().map_or(0, |last| u32::from(*last) << 8);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::frame::LinkType;

    #[test]
    fn padding_is_no_payload_and_a_zero_length_takes_the_frame() {
        let frame = ethernet(0x0800, &join(&[&ip4(17, &udp(1, 2, b"abc")), &[0; 9]]));
        let (packet, payload, counters) = eth(&frame);
        assert_eq!((payload.as_slice(), packet.payload_wire_len, packet.ip_wire_len), (&b"abc"[..], 3, 31));
        assert_eq!((packet.ip_id, packet.ttl, packet.truncated), (0x1234, 64, false));
        assert_eq!(counters, Default::default());
        // Segmentation offload: the length is left to the card.
        let mut frame = ethernet(0x0800, &ip4(6, &tcp(b"segments")));
        frame.splice(16..18, [0, 0]);
        let (packet, payload, _) = eth(&frame);
        assert_eq!((payload.as_slice(), packet.ip_wire_len), (&b"segments"[..], 52));
    }

    #[test]
    fn a_packet_longer_than_its_frame_is_used_as_far_as_it_goes() {
        let mut frame = ethernet(0x0800, &ip4(17, &udp(1, 2, b"abcdef")));
        frame.splice(16..18, [0, 200]);
        frame.splice(38..40, [0, 180]);
        let (packet, payload, counters) = eth(&frame);
        assert_eq!((payload.as_slice(), packet.payload_wire_len, packet.truncated), (&b"abcdef"[..], 172, true));
        assert_eq!((counters.truncated, counters.malformed_network), (1, 0));
    }

    #[test]
    fn wrong_headers_are_malformed() {
        for (at, value) in [(14, 0x44), (14, 0x55), (17, 19)] {
            let mut frame = ethernet(0x0800, &inner());
            frame[at] = value;
            let (packet, _, counters) = eth(&frame);
            assert_eq!((packet.kind, counters.malformed_network), (crate::decode::Kind::Malformed, 1), "{at}");
        }
        // An option that reaches beyond the header.
        let mut bytes = ip4(6, &join(&[&[0x82, 9, 0, 0], &tcp(b"")]));
        bytes[0] = 0x46;
        assert_eq!(eth(&ethernet(0x0800, &bytes)).2.malformed_network, 1);
        bytes[21] = 4;
        assert_eq!(eth(&ethernet(0x0800, &bytes)).0.dst_port, 80);
    }

    #[test]
    fn extension_headers_lead_to_the_transport() {
        let chain = join(&[
            &[43, 0, 1, 4, 0, 0, 0, 0],             // hop by hop, then routing
            &[60, 0, 3, 0, 0, 0, 0, 0],             // routing of an unknown type, nothing left
            &[44, 0, 1, 4, 0, 0, 0, 0],             // destination options, then fragment
            &[51, 0, 0, 0, 0, 0, 0, 9],             // an atomic fragment (RFC 6946)
            &[17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], // authentication
            &udp(1, 2, b"deep"),
        ]);
        let (packet, payload, counters) = eth(&ethernet(0x86dd, &ip6(0, &chain)));
        assert_eq!((packet.protocol, packet.dst_port, payload.as_slice()), (17, 2, &b"deep"[..]));
        assert_eq!(packet.tunnels.text(), "ah");
        assert_eq!((packet.ip_version, counters.fragments), (6, 0));
        assert_eq!(packet.src.to_string(), "fe80::1");
    }

    #[test]
    fn the_flow_of_a_routed_packet_goes_to_its_last_stop() {
        let mut stops = vec![17, 4, 0, 1, 0, 0, 0, 0];
        stops.extend_from_slice(&[0x20; 16]);
        stops.extend_from_slice(&[0x21; 16]);
        let (packet, ..) = eth(&ethernet(0x86dd, &ip6(43, &join(&[&stops, &udp(1, 2, b"")]))));
        assert_eq!(packet.dst.0, [0x21; 16]);
        stops[3] = 0;
        let (packet, ..) = eth(&ethernet(0x86dd, &ip6(43, &join(&[&stops, &udp(1, 2, b"")]))));
        assert_eq!(packet.dst.to_string(), "fe80::2");
    }

    #[test]
    fn a_jumbogram_is_as_long_as_its_option_says() {
        let body = vec![b'x'; 70_000];
        let mut header = ip6(0, &[]);
        let len = (8 + 24 + body.len()) as u32;
        header.extend_from_slice(&[6, 0, 0xc2, 4]);
        header.extend_from_slice(&len.to_be_bytes());
        let (packet, payload, _) = eth(&ethernet(0x86dd, &join(&[&header, &tcp(&body), b"padding"])));
        assert_eq!((payload.len(), packet.payload_wire_len, packet.ip_wire_len), (70_000, 70_000, 40 + len));
    }

    #[test]
    fn mobility_without_anything_behind_is_its_own_protocol() {
        let (packet, payload, _) = eth(&ethernet(0x86dd, &ip6(135, &[59, 0, 5, 0, 1, 2, 3, 4])));
        assert_eq!((packet.protocol, payload.len()), (135, 8));
    }

    #[test]
    fn fragments_say_where_they_belong() {
        let (packet, payload, counters) = eth(&ethernet(0x0800, &ip4_fragment(17, 77, 0x2003, &[9; 16])));
        let f = packet.fragment;
        assert_eq!((f.id, f.offset, f.more, f.header_offset), (77, 24, true, 14 + OFFSET as u32));
        assert_eq!((packet.kind, payload.len(), counters.fragments), (Kind::Fragment, 16, 1));
        let bytes = ip6(44, &join(&[&[17, 0, 0, 0x19, 1, 2, 3, 4], &[9; 16]]));
        let (packet, ..) = run(LinkType::RAW, &bytes);
        let f = packet.fragment;
        assert_eq!((f.id, f.offset, f.more, packet.protocol), (0x0102_0304, 24, true, 17));
    }

    #[test]
    fn a_first_fragment_that_the_capture_cut_is_used_by_itself() {
        let frame = ethernet(0x0800, &ip4_fragment(17, 7, 0x2000, &udp(5, 6, &[0; 64])));
        let (packet, _, counters) = run_cut(LinkType::ETHERNET, &frame, 60);
        assert_eq!((packet.kind, packet.dst_port, packet.truncated), (Kind::Ip, 6, true));
        assert_eq!(counters.fragments, 1);
    }

    #[test]
    fn the_checksum_of_a_known_header_is_right() {
        // The example of RFC 1071, section 3.
        assert_eq!(checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}

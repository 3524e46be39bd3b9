//! TCP (RFC 9293), UDP (RFC 768), UDP-Lite (RFC 3828), SCTP (RFC 9260), DCCP (RFC 4340), ICMP
//! (RFC 792) and ICMPv6 (RFC 4443).

use super::packet::TcpFields;
use super::tunnel;
use super::walk::{Bad, Span, Step, Walk};

/// A TCP segment.
#[inline]
pub(super) fn tcp(w: &mut Walk, s: Span) -> Step {
    let Some(h) = s.head::<20>(w.slab) else { return tcp_cut(w, s) };
    let header = usize::from(h[12] >> 4) * 4;
    let out = &mut *w.out;
    out.src_port = u16::from_be_bytes([h[0], h[1]]);
    out.dst_port = u16::from_be_bytes([h[2], h[3]]);
    out.tcp = TcpFields {
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags: h[13],
        window: u16::from_be_bytes([h[14], h[15]]),
        header_len: header as u8,
    };
    out.transport_checksum = u16::from_be_bytes([h[16], h[17]]);
    if header < 20 || header > s.wire_len() {
        return bogus(w, s);
    }
    w.ip(s, header);
    Ok(())
}

/// A segment whose header length cannot be. It belongs to its flow, but no host acts on it: it has
/// neither flags nor payload.
#[cold]
fn bogus(w: &mut Walk, s: Span) -> Step {
    w.count(Bad::Transport);
    w.out.tcp.flags = 0;
    w.ip(s.shrink(20), 20);
    Ok(())
}

/// A TCP header of which only the first bytes are there: ports and sequence number are enough to
/// know the flow.
#[cold]
fn tcp_cut(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Transport)?;
    w.out.src_port = u16::from_be_bytes([h[0], h[1]]);
    w.out.dst_port = u16::from_be_bytes([h[2], h[3]]);
    w.out.tcp.seq = u32::from_be_bytes([h[4], h[5], h[6], h[7]]);
    if let Some(h) = s.head::<12>(w.slab) {
        w.out.tcp.ack = u32::from_be_bytes([h[8], h[9], h[10], h[11]]);
    }
    if s.short(Bad::Transport) != Bad::Cut {
        return bogus(w, s);
    }
    let mut header = 20;
    if let Some(h) = s.head::<14>(w.slab) {
        header = usize::from(h[12] >> 4).max(5) * 4;
        w.out.tcp.flags = h[13];
    }
    if let Some(h) = s.head::<16>(w.slab) {
        w.out.tcp.window = u16::from_be_bytes([h[14], h[15]]);
    }
    w.ip(s, header);
    Ok(())
}

/// A UDP datagram, and what is in it where that is a tunnel.
#[inline]
pub(super) fn udp(w: &mut Walk, s: Span) -> Step {
    let Some(h) = s.head::<8>(w.slab) else { return ports_cut(w, s) };
    let (src, dst) = (u16::from_be_bytes([h[0], h[1]]), u16::from_be_bytes([h[2], h[3]]));
    let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let datagram = match len {
        // Longer than the field can say (RFC 2675, section 4).
        0 if s.wire_len() > 0xffff => s,
        0..8 => return Err(Bad::Transport),
        _ => s.shrink(len),
    };
    w.out.src_port = src;
    w.out.dst_port = dst;
    w.out.transport_checksum = u16::from_be_bytes([h[6], h[7]]);
    w.ip(datagram, 8);
    if tunnel::is_port(dst) || tunnel::is_port(src) {
        tunnel::over_udp(w, src, dst, Span { at: s.at + 8, ..datagram });
    }
    Ok(())
}

/// A header that starts with ports, of which the capture holds only these.
#[cold]
fn ports_cut(w: &mut Walk, s: Span) -> Step {
    let bad = s.short(Bad::Transport);
    if bad != Bad::Cut {
        return Err(bad);
    }
    ports(w, s, 8)
}

/// Sets the ports that the first four bytes hold.
fn ports(w: &mut Walk, s: Span, header: usize) -> Step {
    let [s0, s1, d0, d1] = *s.need::<4>(w.slab, Bad::Transport)?;
    w.out.src_port = u16::from_be_bytes([s0, s1]);
    w.out.dst_port = u16::from_be_bytes([d0, d1]);
    w.ip(s, header);
    Ok(())
}

/// A UDP-Lite datagram: its second field is how far the checksum reaches, and no length.
pub(super) fn udp_lite(w: &mut Walk, s: Span) -> Step {
    let Some(h) = s.head::<8>(w.slab) else { return ports_cut(w, s) };
    w.out.transport_checksum = u16::from_be_bytes([h[6], h[7]]);
    ports(w, s, 8)
}

/// An SCTP packet. Of its 32-bit checksum, the two halves are folded into one.
pub(super) fn sctp(w: &mut Walk, s: Span) -> Step {
    let Some(h) = s.head::<12>(w.slab) else { return ports_cut(w, s) };
    w.out.transport_checksum = u16::from_be_bytes([h[8], h[9]]) ^ u16::from_be_bytes([h[10], h[11]]);
    ports(w, s, 12)
}

/// A DCCP packet.
pub(super) fn dccp(w: &mut Walk, s: Span) -> Step {
    let Some(h) = s.head::<12>(w.slab) else { return ports_cut(w, s) };
    let header = usize::from(h[4]) * 4;
    if header < 12 || header > s.wire_len() {
        return Err(Bad::Transport);
    }
    w.out.transport_checksum = u16::from_be_bytes([h[6], h[7]]);
    ports(w, s, header)
}

/// An ICMP or ICMPv6 message: type and code stand where others have ports.
pub(super) fn icmp(w: &mut Walk, s: Span) -> Step {
    let Some([kind, code, c0, c1]) = s.head::<4>(w.slab) else {
        let &[kind, code] = s.need::<2>(w.slab, Bad::Transport)?;
        (w.out.src_port, w.out.dst_port) = (kind.into(), code.into());
        // Only a capture's cut may leave the checksum out.
        let bad = s.short(Bad::Transport);
        w.ip(s, 8);
        return if bad == Bad::Cut { Ok(()) } else { Err(bad) };
    };
    (w.out.src_port, w.out.dst_port) = ((*kind).into(), (*code).into());
    w.out.transport_checksum = u16::from_be_bytes([*c0, *c1]);
    if has_identifier(w.out.protocol, *kind)
        && let Some(h) = s.head::<6>(w.slab)
    {
        w.out.icmp_id = u16::from_be_bytes([h[4], h[5]]);
    }
    w.ip(s, 8);
    Ok(())
}

/// Whether bytes 4 and 5 of such a message identify a request and its reply: echo, timestamp,
/// information and address mask (RFC 792, RFC 950), extended echo (RFC 8335).
pub(super) const fn has_identifier(protocol: u8, kind: u8) -> bool {
    match protocol {
        1 => matches!(kind, 0 | 8 | 13..=18 | 42 | 43),
        _ => matches!(kind, 128 | 129 | 160 | 161),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::decode::{Kind, TcpFields};
    use crate::frame::LinkType;

    #[test]
    fn a_segment_gives_all_its_fields() {
        let (packet, payload, _) = eth(&ethernet(0x0800, &ip4(6, &tcp(b"GET /"))));
        assert_eq!((packet.src_port, packet.dst_port, packet.protocol), (4000, 80, 6));
        assert_eq!((packet.tcp.seq, packet.tcp.ack, packet.tcp.window), (0x0102_0304, 0x0506_0708, 0x1000));
        assert_eq!((packet.tcp.flags, packet.transport_checksum), (TcpFields::PSH | TcpFields::ACK, 0xcafe));
        assert_eq!(payload, b"GET /");
    }

    #[test]
    fn a_cut_segment_is_used_as_far_as_it_goes() {
        let frame = ethernet(0x0800, &ip4(6, &tcp(&[0; 100])));
        for (held, flags) in [(8, 0), (14, 0x18), (20, 0x18), (24, 0x18)] {
            let (packet, payload, counters) = run_cut(LinkType::ETHERNET, &frame, 34 + held);
            assert_eq!((packet.kind, packet.dst_port, packet.tcp.seq), (Kind::Ip, 80, 0x0102_0304), "{held}");
            assert_eq!((packet.tcp.flags, payload.len(), packet.truncated), (flags, 0, true), "{held}");
            let wire = if held < 14 { 104 } else { 100 };
            assert_eq!((packet.payload_wire_len, counters.malformed_transport), (wire, 0), "{held}");
        }
        let (packet, _, counters) = run_cut(LinkType::ETHERNET, &frame, 34 + 7);
        assert_eq!((packet.kind, counters.malformed_transport, counters.truncated), (Kind::Malformed, 0, 1));
    }

    #[test]
    fn a_segment_with_an_impossible_header_changes_nothing_in_its_flow() {
        for offset in [0x40, 0xf0] {
            let mut segment = tcp(b"abc");
            segment[12] = offset;
            let (packet, payload, counters) = eth(&ethernet(0x0800, &ip4(6, &segment)));
            assert_eq!((packet.kind, packet.dst_port, packet.tcp.flags), (Kind::Ip, 80, 0));
            assert_eq!((payload.len(), packet.payload_wire_len, counters.malformed_transport), (0, 0, 1));
        }
    }

    #[test]
    fn the_shorter_of_the_two_lengths_of_a_datagram_counts() {
        for (field, want, malformed) in [(8 + 2, 2, 0), (8 + 200, 5, 0), (7, 0, 1), (0, 0, 1)] {
            let mut datagram = udp(1, 2, b"hello");
            datagram.splice(4..6, u16::to_be_bytes(field));
            let (packet, payload, counters) = eth(&ethernet(0x0800, &ip4(17, &datagram)));
            assert_eq!((payload.len(), packet.payload_wire_len), (want, want as u32), "{field}");
            assert_eq!(counters.malformed_transport, malformed, "{field}");
        }
    }

    #[test]
    fn other_transports_have_their_ports_and_payload() {
        let sctp = [0, 7, 0, 9, 1, 2, 3, 4, 0x10, 0x20, 0x01, 0x02, 0xcc, 0xcc];
        let (packet, payload, _) = eth(&ethernet(0x0800, &ip4(132, &sctp)));
        assert_eq!((packet.src_port, packet.dst_port, packet.transport_checksum), (7, 9, 0x1122));
        assert_eq!(payload, [0xcc, 0xcc]);
        let dccp = [0, 7, 0, 9, 4, 0, 0xab, 0xcd, 0, 0, 0, 0, 1, 1, 1, 1, 0xdd];
        let (packet, payload, _) = eth(&ethernet(0x0800, &ip4(33, &dccp)));
        assert_eq!((packet.dst_port, packet.transport_checksum, payload.as_slice()), (9, 0xabcd, &[0xdd][..]));
        let (packet, payload, _) = eth(&ethernet(0x0800, &ip4(136, &[0, 7, 0, 9, 0, 8, 1, 2, 5])));
        assert_eq!((packet.dst_port, payload.as_slice()), (9, &[5][..]));
        let (packet, payload, _) = eth(&ethernet(0x0800, &ip4(50, &[0, 7, 0, 9])));
        assert_eq!((packet.protocol, packet.dst_port, payload.len()), (50, 0, 4));
    }

    #[test]
    fn icmp_has_type_code_and_identifier() {
        let (packet, payload, _) = eth(&ethernet(0x0800, &ip4(1, &[8, 0, 1, 2, 0xab, 0xcd, 0, 1, b'p'])));
        assert_eq!((packet.src_port, packet.dst_port, packet.icmp_id), (8, 0, 0xabcd));
        assert_eq!((packet.transport_checksum, payload.as_slice()), (0x0102, &b"p"[..]));
        let (packet, ..) = eth(&ethernet(0x86dd, &ip6(58, &[135, 0, 1, 2, 0xab, 0xcd, 0, 1])));
        assert_eq!((packet.src_port, packet.icmp_id), (135, 0));
        let (_, _, counters) = eth(&ethernet(0x0800, &ip4(1, &[8, 0])));
        assert_eq!(counters.malformed_transport, 1);
    }
}

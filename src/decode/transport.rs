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

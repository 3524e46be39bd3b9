//! Encapsulations: what they carry is the packet, and they are a column.
//!
//! A tunnel over UDP is believed where its own header and the packet inside of it check out; a port
//! number alone says nothing. Otherwise the outer packet is the flow.

use super::packet::{Kind, Tunnel};
use super::walk::{Bad, Span, Step, Walk};
use super::{ethernet, ieee80211, ip, ppp};
use crate::base::limits;

/// What an IP protocol number for a tunnel leads to; `under` is the outer IP version.
pub(super) fn over_ip(w: &mut Walk, protocol: u8, under: u8, s: Span) -> Step {
    match protocol {
        4 => {
            w.tunnel(Tunnel::Ipip)?;
            ip::any(w, s)
        }
        41 => {
            w.tunnel(if under == 6 { Tunnel::Ipip } else { Tunnel::SixInFour })?;
            ip::any(w, s)
        }
        47 => gre(w, s),
        97 => ether_ip(w, s),
        103 => pim(w, s),
        115 => l2tp3(w, s.skip(4, Bad::Tunnel)?),
        137 => mpls(w, s),
        _ => Err(Bad::Tunnel),
    }
}

/// Whether a UDP port is one that a tunnel known here uses.
#[inline(always)]
pub(super) const fn is_port(port: u16) -> bool {
    matches!(port, 1701 | 2152 | 3544 | 4789 | 4790 | 5072 | 5247 | 6081 | 6635 | 8472)
}

/// Goes into the tunnel that the ports hint at, where the payload is one.
#[cold]
pub(super) fn over_udp(w: &mut Walk, src: u16, dst: u16, s: Span) {
    for port in [dst, src] {
        if !is_port(port) {
            continue;
        }
        match w.attempt(|w| in_udp(w, port, s)) {
            Ok(()) => return,
            Err(Bad::Nesting) => w.count(Bad::Nesting),
            Err(_) => {}
        }
    }
}

fn in_udp(w: &mut Walk, port: u16, s: Span) -> Step {
    match port {
        1701 => l2tp(w, s),
        2152 => gtpu(w, s),
        3544 => teredo(w, s),
        4789 | 8472 => vxlan(w, s),
        4790 => vxlan_gpe(w, s),
        5072 => ayiya(w, s),
        5247 => capwap(w, s),
        6081 => geneve(w, s),
        6635 => believed(w, s, |w, s| labels(w, s, true)),
        _ => Err(Bad::Tunnel),
    }
}

/// An Ethernet frame that has to look like one.
fn checked_frame(w: &mut Walk, s: Span) -> Step {
    if ethernet::plausible(w.slab, s) { ethernet::frame(w, s) } else { Err(s.short(Bad::Tunnel)) }
}

/// An IP packet that has to look like one.
fn checked_ip(w: &mut Walk, s: Span) -> Step {
    if ip::plausible(w.slab, s) { ip::any(w, s) } else { Err(s.short(Bad::Tunnel)) }
}

/// What an EtherType names, which has to look like it.
fn checked(w: &mut Walk, kind: u16, s: Span) -> Step {
    match kind {
        0x0800 | 0x86dd => checked_ip(w, s),
        0x6558 => checked_frame(w, s),
        0x8847 | 0x8848 | 0x894f | 0x0806 => ethernet::ethertype(w, kind, s),
        _ => Err(Bad::Tunnel),
    }
}

/// MPLS (RFC 3032): labels, then what the first nibble behind them suggests, as nothing says it.
pub(super) fn mpls(w: &mut Walk, s: Span) -> Step {
    labels(w, s, false)
}

/// The same; `strict` where nothing but a port suggested labels.
fn labels(w: &mut Walk, mut s: Span, strict: bool) -> Step {
    w.tunnel(Tunnel::Mpls)?;
    let mut last = false;
    for _ in 0..limits::MPLS_LABELS_MAX {
        let label = s.need::<4>(w.slab, Bad::Tunnel)?;
        last = label[2] & 1 != 0;
        s.at += 4;
        if last {
            break;
        }
    }
    if !last {
        return Err(Bad::Nesting);
    }
    let nibble = s.need::<1>(w.slab, Bad::Tunnel)?[0] >> 4;
    match nibble {
        4 | 6 if ip::plausible(w.slab, s) => ip::any(w, s),
        // A pseudo-wire control word (RFC 4385), or a MAC that starts with a zero nibble.
        0 if ethernet::plausible(w.slab, s) && !control_word(w, s) => ethernet::frame(w, s),
        0 if control_word(w, s) => ethernet::frame(w, s.skip(4, Bad::Tunnel)?),
        _ if ethernet::plausible(w.slab, s) => ethernet::frame(w, s),
        4 | 6 if !strict => ip::any(w, s),
        _ => w.other(Kind::Other, 0x8847, s),
    }
}

/// Whether an Ethernet frame stands behind a pseudo-wire control word.
fn control_word(w: &Walk, s: Span) -> bool {
    s.skip(4, Bad::Tunnel).is_ok_and(|inner| ethernet::plausible(w.slab, inner))
}

/// A PPPoE session (RFC 2516, section 4).
pub(super) fn pppoe(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<6>(w.slab, Bad::Tunnel)?;
    if h[0] != 0x11 || h[1] != 0 {
        return w.other(Kind::Other, 0x8864, s);
    }
    w.tunnel(Tunnel::Pppoe)?;
    let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let inner = s.skip(6, Bad::Tunnel)?;
    // Zero is what segmentation offload leaves.
    ppp::frame(w, if len == 0 { inner } else { inner.shrink(len) })
}

/// PPP as the payload of another protocol.
pub(super) fn ppp_inside(w: &mut Walk, s: Span) -> Step {
    w.tunnel(Tunnel::Ppp)?;
    ppp::frame(w, s)
}

/// A network service header (RFC 8300, section 2).
pub(super) fn nsh(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    let header = usize::from(h[1] & 0x3f) * 4;
    if h[0] >> 6 != 0 || header < 8 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Nsh)?;
    next_protocol(w, h[3], s.skip(header, Bad::Tunnel)?)
}

/// The numbers that NSH and VXLAN-GPE share (RFC 8300, section 2.2).
fn next_protocol(w: &mut Walk, next: u8, s: Span) -> Step {
    match next {
        1 | 2 => checked_ip(w, s),
        3 => checked_frame(w, s),
        4 => nsh(w, s),
        5 => mpls(w, s),
        _ => Err(Bad::Tunnel),
    }
}

/// GRE (RFC 2784, RFC 2890; routing of RFC 1701), its PPTP form (RFC 2637) and ERSPAN.
fn gre(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<4>(w.slab, Bad::Tunnel)?;
    let (flags, protocol) = (u16::from_be_bytes([h[0], h[1]]), u16::from_be_bytes([h[2], h[3]]));
    match flags & 7 {
        0 => {}
        1 if protocol == 0x880b => return pptp(w, flags, s),
        _ => return Err(Bad::Tunnel),
    }
    let routed = flags & 0x4000 != 0;
    let sequenced = flags & 0x1000 != 0;
    let mut inner = s.skip(4, Bad::Tunnel)?;
    if flags & 0x8000 != 0 || routed {
        inner = inner.skip(4, Bad::Tunnel)?;
    }
    if flags & 0x2000 != 0 {
        inner = inner.skip(4, Bad::Tunnel)?;
    }
    if sequenced {
        inner = inner.skip(4, Bad::Tunnel)?;
    }
    let mut more = routed;
    while more {
        w.layer()?;
        let [f0, f1, _, len] = *inner.need::<4>(w.slab, Bad::Tunnel)?;
        inner = inner.skip(4 + usize::from(len), Bad::Tunnel)?;
        more = [f0, f1] != [0, 0] || len != 0;
    }
    w.tunnel(Tunnel::Gre)?;
    match protocol {
        0x0800 | 0x86dd => ip::any(w, inner),
        0x6558 => ethernet::frame(w, inner),
        0x88be if sequenced => erspan2(w, inner),
        // Type I has no header of its own, which a missing sequence number tells.
        0x88be => {
            w.tunnel(Tunnel::Erspan1)?;
            ethernet::frame(w, inner)
        }
        0x22eb => erspan3(w, inner),
        0x8847 | 0x8848 => mpls(w, inner),
        0x880b => ppp_inside(w, inner),
        0x894f => nsh(w, inner),
        0x0806 | 0x8100 | 0x88a8 => ethernet::ethertype(w, protocol, inner),
        // WCCP redirection: version 2 puts four bytes before the packet.
        0x883e if ip::certain(w.slab, inner) => ip::any(w, inner),
        0x883e => checked_ip(w, inner.skip(4, Bad::Tunnel)?),
        // Keepalives, routing protocols, wireless controllers: a GRE flow, and nothing is wrong.
        _ => Err(Bad::Cut),
    }
}

/// GRE version 1: PPP with a length, and acknowledgements without payload.
fn pptp(w: &mut Walk, flags: u16, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if flags & 0x1000 == 0 || len == 0 {
        return Err(Bad::Cut);
    }
    let header = 12 + if flags & 0x0080 != 0 { 4 } else { 0 };
    w.tunnel(Tunnel::Pptp)?;
    believed(w, s.skip(header, Bad::Tunnel)?.shrink(len), ppp::frame)
}

/// A tunnel whose payload has to be a packet: PPP's own negotiation, say, is not of interest, and the
/// tunnel is the flow.
fn believed(w: &mut Walk, s: Span, inside: fn(&mut Walk, Span) -> Step) -> Step {
    inside(w, s)?;
    if w.out.kind == Kind::Other { Err(Bad::Cut) } else { Ok(()) }
}

/// ERSPAN type II (draft-foschiano-erspan, section 4.2).
fn erspan2(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    if h[0] >> 4 != 1 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Erspan2)?;
    ethernet::frame(w, s.skip(8, Bad::Tunnel)?)
}

/// ERSPAN type III (draft-foschiano-erspan, section 4.3), which may mirror IP without Ethernet.
fn erspan3(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<12>(w.slab, Bad::Tunnel)?;
    if h[0] >> 4 != 2 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Erspan3)?;
    // The last bit announces eight bytes about the platform.
    let inner = s.skip(if h[11] & 1 != 0 { 20 } else { 12 }, Bad::Tunnel)?;
    match (h[10] >> 2) & 0x1f {
        2 => ip::any(w, inner),
        0 => ethernet::frame(w, inner),
        _ => Err(Bad::Cut),
    }
}

/// A PIM register message (RFC 7761, section 4.9.3): a multicast packet on its way to the rendezvous
/// point. Without one, and for other messages, PIM is the flow.
fn pim(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    if h[0] != 0x21 || h[4] & 0x40 != 0 {
        return Err(Bad::Cut);
    }
    w.tunnel(Tunnel::Pim)?;
    checked_ip(w, s.skip(8, Bad::Tunnel)?)
}

/// Ethernet within IP (RFC 3378).
fn ether_ip(w: &mut Walk, s: Span) -> Step {
    let [version, _] = *s.need::<2>(w.slab, Bad::Tunnel)?;
    if version >> 4 != 3 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::EtherIp)?;
    ethernet::frame(w, s.skip(2, Bad::Tunnel)?)
}

/// VXLAN (RFC 7348, section 5).
fn vxlan(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    // The flag that the identifier is valid has to be set; the last byte is reserved.
    if h[0] & 0x08 == 0 || h[7] != 0 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Vxlan)?;
    checked_frame(w, s.skip(8, Bad::Tunnel)?)
}

/// VXLAN with a next-protocol field (draft-ietf-nvo3-vxlan-gpe, section 3).
fn vxlan_gpe(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    if h[0] & 0x38 != 0x08 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::VxlanGpe)?;
    let inner = s.skip(8, Bad::Tunnel)?;
    // Zero is no protocol: plain VXLAN on this port. Some senders forget the flag for the field.
    if h[3] == 0 { checked_frame(w, inner) } else { next_protocol(w, h[3], inner) }
}

/// Geneve (RFC 8926, section 3.4).
fn geneve(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    // Version zero, reserved bits zero.
    if h[0] >> 6 != 0 || h[1] & 0x3f != 0 || h[7] != 0 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Geneve)?;
    let options = usize::from(h[0] & 0x3f) * 4;
    checked(w, u16::from_be_bytes([h[2], h[3]]), s.skip(8 + options, Bad::Tunnel)?)
}

/// GTP-U, version 1 (3GPP TS 29.281, section 5): only the message that carries a packet.
fn gtpu(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    let len = usize::from(u16::from_be_bytes([h[2], h[3]]));
    if h[0] & 0xf0 != 0x30 || h[1] != 0xff || len + 8 > s.wire_len() {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Gtpu)?;
    let mut inner = s.skip(8, Bad::Tunnel)?.shrink(len);
    if h[0] & 0x07 != 0 {
        let [_, _, _, mut next] = *inner.need::<4>(w.slab, Bad::Tunnel)?;
        inner = inner.skip(4, Bad::Tunnel)?;
        let extended = h[0] & 0x04 != 0;
        while extended && next != 0 {
            w.layer()?;
            // Length in units of four bytes; the last byte says what the next header is.
            let len = usize::from(inner.need::<1>(w.slab, Bad::Tunnel)?[0]) * 4;
            if len == 0 {
                return Err(Bad::Tunnel);
            }
            let behind = inner.skip(len, Bad::Tunnel)?;
            next = w.slab.get(behind.at - 1).copied().unwrap_or(0);
            inner = behind;
        }
    }
    match checked_ip(w, inner) {
        Err(Bad::Tunnel) => checked_frame(w, inner),
        step => step,
    }
}

/// Teredo (RFC 4380, section 5.1.1): authentication, origin, then an IPv6 packet.
fn teredo(w: &mut Walk, s: Span) -> Step {
    let mut inner = s;
    if let Some([0, 1, id, auth]) = inner.head::<4>(w.slab) {
        inner = inner.skip(13 + usize::from(*id) + usize::from(*auth), Bad::Tunnel)?;
    }
    if let Some([0, 0]) = inner.head::<2>(w.slab) {
        inner = inner.skip(8, Bad::Tunnel)?;
    }
    if inner.need::<1>(w.slab, Bad::Tunnel)?[0] >> 4 != 6 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Teredo)?;
    checked_ip(w, inner)?;
    // A bubble, which only opens a way through address translators, is no flow of its own.
    if w.out.protocol == ip::NO_NEXT_HEADER { Err(Bad::Cut) } else { Ok(()) }
}

/// AYIYA (draft-massar-v6ops-ayiya, section 3): identity, signature, then an IPv6 packet.
fn ayiya(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    // Identity is 2^n bytes long; the signature comes in units of four bytes; operation 1 forwards.
    let (identity, signature) = (1usize << (h[0] >> 4), usize::from(h[1] >> 4) * 4);
    if h[2] & 0x0f != 1 {
        return Err(Bad::Tunnel);
    }
    w.tunnel(Tunnel::Ayiya)?;
    checked_ip(w, s.skip(8 + identity + signature, Bad::Tunnel)?)
}

/// L2TP (RFC 2661, section 3.1; version 3 RFC 3931, section 4.1.2): only messages with data.
fn l2tp(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<2>(w.slab, Bad::Tunnel)?;
    let flags = u16::from_be_bytes(*h);
    if flags & 0x8000 != 0 {
        return Err(Bad::Tunnel);
    }
    match flags & 0x000f {
        2 => {}
        3 => return l2tp3(w, s.skip(8, Bad::Tunnel)?),
        _ => return Err(Bad::Tunnel),
    }
    // Reserved bits are zero.
    if flags & 0x34f0 != 0 {
        return Err(Bad::Tunnel);
    }
    let mut whole = s;
    let mut header = 2;
    if flags & 0x4000 != 0 {
        let h = s.need::<4>(w.slab, Bad::Tunnel)?;
        let len = usize::from(u16::from_be_bytes([h[2], h[3]]));
        if len > s.wire_len() {
            return Err(Bad::Tunnel);
        }
        whole = s.shrink(len);
        header += 2;
    }
    header += 4;
    if flags & 0x0800 != 0 {
        header += 4;
    }
    if flags & 0x0200 != 0 {
        let [o0, o1] = *whole.skip(header, Bad::Tunnel)?.need::<2>(w.slab, Bad::Tunnel)?;
        header += 2 + usize::from(u16::from_be_bytes([o0, o1]));
    }
    w.tunnel(Tunnel::L2tp)?;
    believed(w, whole.skip(header, Bad::Tunnel)?, ppp::frame)
}

/// L2TP version 3 behind its session identifier. How long cookie and sublayer are, only the control
/// connection says, so the packet inside has to be beyond doubt.
fn l2tp3(w: &mut Walk, s: Span) -> Step {
    w.tunnel(Tunnel::L2tp)?;
    for skip in [0, 4, 8, 12] {
        let inner = s.skip(skip, Bad::Cut)?;
        if ip::certain(w.slab, inner) {
            return ip::any(w, inner);
        }
        if ethernet::certain(w.slab, inner) {
            return ethernet::frame(w, inner);
        }
        if let Some([0xff, 0x03, 0x00, 0x21 | 0x57]) = inner.head::<4>(w.slab) {
            return believed(w, inner, ppp::frame);
        }
    }
    Err(Bad::Cut)
}

/// CAPWAP data (RFC 5415, section 4.3) with 802.3 or 802.11 frames. Fragments stay what they are.
fn capwap(w: &mut Walk, s: Span) -> Step {
    let h = s.need::<8>(w.slab, Bad::Tunnel)?;
    let flags = h[3];
    // Version 0 and no DTLS; neither a fragment nor a keep-alive.
    if h[0] != 0 || flags & 0x80 != 0 || flags & 0x08 != 0 {
        return Err(Bad::Tunnel);
    }
    let header = usize::from(h[1] >> 3) * 4;
    if header < 8 {
        return Err(Bad::Tunnel);
    }
    let inner = s.skip(header, Bad::Tunnel)?;
    w.tunnel(Tunnel::Capwap)?;
    let native = h[2] & 0x01 != 0;
    if !native {
        return checked_frame(w, inner);
    }
    // 802.11 is binding 1 (section 4.3; 0 from early ones); controllers of one vendor swap the frame control bytes.
    if (h[2] >> 1) & 0x1f > 1 {
        return Err(Bad::Cut);
    }
    for swapped in [false, true] {
        if w.attempt(|w| believed(w, inner, if swapped { ieee80211::swapped } else { ieee80211::frame })).is_ok() {
            return Ok(());
        }
    }
    Err(Bad::Cut)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::testing::*;
    use super::*;

    /// Frames whose innermost packet is that of `inner()`, with what the `tunnels` column says.
    pub fn samples() -> Vec<(Vec<u8>, &'static str)> {
        let (ip, frame) = (inner(), inner_frame());
        let over_udp = |port, parts: &[&[u8]]| ethernet(0x0800, &ip4(17, &udp(40000, port, &join(parts))));
        let over_ip = |protocol, parts: &[&[u8]]| ethernet(0x0800, &ip4(protocol, &join(parts)));
        let ppp_len = (2 + ip.len()) as u16;
        let gtp_len = (ip.len() + 4 + 4) as u16;
        vec![
            (over_udp(4789, &[&[8, 0, 0, 0, 0, 0, 9, 0], &frame]), "vxlan"),
            (over_udp(4790, &[&[12, 0, 0, 1, 0, 0, 9, 0], &ip]), "vxlan-gpe"),
            (over_udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 9, 0, 1, 2, 3, 0], &frame]), "geneve"),
            // GTP-U with sequence number and one extension header.
            (
                over_udp(2152, &[&[0x34, 255], &gtp_len.to_be_bytes(), &[0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0], &ip]),
                "gtpu",
            ),
            (over_udp(1701, &[&[0x00, 0x02, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &ip]), "l2tp"),
            (over_udp(5247, &[&[0, 0x10, 0, 0, 0, 0, 0, 0], &frame]), "capwap"),
            (over_ip(4, &[&ip]), "ipip"),
            // GRE with checksum, key and sequence number.
            (over_ip(47, &[&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], &ip]), "gre"),
            (over_ip(47, &[&[0, 0, 0x88, 0xbe], &frame]), "gre/erspan1"),
            (over_ip(47, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 9, 0, 1, 0, 0, 0, 0], &frame]), "gre/erspan2"),
            // ERSPAN III with the platform's eight bytes.
            (
                over_ip(
                    47,
                    &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], &[0; 8], &frame],
                ),
                "gre/erspan3",
            ),
            (over_ip(47, &[&[0x30, 1, 0x88, 0x0b], &ppp_len.to_be_bytes(), &[0, 7, 0, 0, 0, 1, 0, 0x21], &ip]), "pptp"),
            (over_ip(97, &[&[0x30, 0], &frame]), "etherip"),
            (ethernet(0x8847, &join(&[&[0, 1, 0, 64, 0, 2, 1, 64], &ip])), "mpls"),
            // A pseudo-wire with control word.
            (ethernet(0x8847, &join(&[&[0, 1, 1, 64, 0, 0, 0, 0], &frame])), "mpls"),
            (ethernet(0x8864, &join(&[&[0x11, 0, 0, 5], &ppp_len.to_be_bytes(), &[0, 0x21], &ip])), "pppoe"),
        ]
    }

    #[test]
    fn the_inner_packet_is_the_packet() {
        for (frame, tunnels) in samples() {
            let (packet, payload, counters) = eth(&frame);
            assert_eq!(packet.tunnels.text(), tunnels);
            assert_eq!((packet.kind, packet.src_port, packet.dst_port), (Kind::Ip, 5000, 53), "{tunnels}");
            assert_eq!(
                (payload.as_slice(), packet.protocol, packet.truncated),
                (&b"inner"[..], 17, false),
                "{tunnels}"
            );
            assert_eq!(counters, Default::default(), "{tunnels}");
        }
    }

    #[test]
    fn ipv6_in_tunnels() {
        let ip = ip6(17, &udp(5000, 53, b"inner"));
        let (packet, ..) = eth(&ethernet(0x0800, &ip4(41, &ip)));
        assert_eq!((packet.tunnels.text().as_str(), packet.ip_version, packet.dst_port), ("6in4", 6, 53));
        let auth = [0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        let origin = [0, 0, 1, 2, 3, 4, 5, 6];
        for head in [join(&[&auth, &origin]), origin.to_vec(), Vec::new()] {
            let (packet, ..) = eth(&ethernet(0x0800, &ip4(17, &udp(3544, 7, &join(&[&head, &ip])))));
            assert_eq!((packet.tunnels.text().as_str(), packet.dst_port), ("teredo", 53));
        }
        // A bubble is the tunnel's own business.
        let (packet, ..) = eth(&ethernet(0x0800, &ip4(17, &udp(3544, 7, &ip6(59, &[])))));
        assert_eq!((packet.tunnels.text().as_str(), packet.dst_port), ("", 7));
    }

    #[test]
    fn a_port_alone_makes_no_tunnel() {
        for port in [1701, 2152, 3544, 4789, 4790, 5072, 5247, 6081, 6635, 8472] {
            for payload in
                [&b"this is some text that is no tunnel at all, whatever its port says"[..], &[0; 80], &[0xff; 80], b""]
            {
                let (packet, got, counters) = eth(&ethernet(0x0800, &ip4(17, &udp(port, port, payload))));
                assert_eq!((packet.kind, packet.src_port, got.as_slice()), (Kind::Ip, port, payload));
                assert!(packet.tunnels.is_empty());
                assert_eq!(counters, Default::default());
            }
        }
    }

    #[test]
    fn a_broken_tunnel_is_a_flow_of_its_own_and_keeps_the_outer_addresses() {
        // The inner packet says it is longer than the tunnel.
        let mut frame = samples().swap_remove(0).0;
        let at = frame.len() - inner().len() + 2;
        frame.splice(at..at + 2, [1, 0]);
        let (packet, payload, counters) = eth(&frame);
        assert_eq!((packet.src_port, packet.dst_port, payload.len()), (40000, 4789, frame.len() - 42));
        assert_eq!((packet.src_mac.0[0], packet.tunnels.is_empty(), counters), (2, true, Default::default()));
        // GRE of an unknown version; a keepalive, which is nothing wrong.
        for (head, malformed) in [([0, 3, 8, 0], 1), ([0, 0, 0, 0], 0)] {
            let (packet, payload, counters) = eth(&ethernet(0x0800, &ip4(47, &head)));
            assert_eq!((packet.protocol, payload.len(), counters.malformed_tunnel), (47, 4, malformed));
        }
    }

    #[test]
    fn a_tunnel_may_carry_what_is_no_ip() {
        let arp =
            ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1, 9, 9, 9, 9, 9, 9, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 8]);
        let (packet, payload, counters) =
            eth(&ethernet(0x0800, &ip4(17, &udp(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &arp])))));
        // The datagram is the packet, as nothing inside is one; the frame inside is noted.
        assert_eq!((packet.kind, packet.tunnels.is_empty(), payload.len()), (Kind::Ip, true, 50));
        let inner = packet.inner.unwrap();
        assert_eq!((inner.kind, inner.protocol_l2, inner.len), (Kind::Arp, 0x0806, 28));
        assert_eq!((packet.ip_version, packet.dst_port, counters.malformed_tunnel), (4, 4789, 0));
    }

    #[test]
    fn nesting_ends_at_the_limit_with_the_outermost_that_was_reached() {
        let mut packet = inner();
        for _ in 0..limits::NESTING_MAX {
            packet = ip4(4, &packet);
        }
        let (deep, _, counters) = eth(&ethernet(0x0800, &packet));
        assert_eq!((deep.dst_port, counters.nesting_limit), (53, 0));
        let (deeper, _, counters) = eth(&ethernet(0x0800, &ip4(4, &packet)));
        assert_eq!((deeper.protocol, deeper.dst_port, counters.nesting_limit), (4, 0, 1));
    }

    #[test]
    fn capwap_with_wireless_frames_of_either_byte_order() {
        let llc = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]);
        for control in [[0x08, 0x01], [0x01, 0x08]] {
            let wireless = join(&[&control, &[0, 0], &[1; 6], &[2; 6], &[4; 6], &[0, 0], &llc]);
            let (packet, payload, _) =
                eth(&ethernet(0x0800, &ip4(17, &udp(9, 5247, &join(&[&[0, 0x10, 3, 0, 0, 0, 0, 0], &wireless])))));
            assert_eq!((packet.tunnels.text().as_str(), payload.as_slice()), ("capwap", &b"inner"[..]));
            assert_eq!((packet.src_mac.0, packet.dst_mac.0), ([2; 6], [4; 6]));
        }
    }
}

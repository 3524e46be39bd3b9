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

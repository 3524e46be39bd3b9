//! ICMP and ICMPv6 errors: which packet they are about.

use super::packet::{Packet, Quoted};
use crate::base::{Addr, limits};
use etherparse::{IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice};

/// Whether an ICMP or ICMPv6 packet is an error that quotes another packet: unreachable, source
/// quench, redirect, time exceeded, parameter problem (RFC 792); ICMPv6's errors (RFC 4443).
#[inline]
pub const fn is_error(packet: &Packet) -> bool {
    match packet.protocol {
        1 => matches!(packet.src_port, 3 | 4 | 5 | 11 | 12),
        58 => matches!(packet.src_port, 1..=4),
        _ => false,
    }
}

/// The packet that an ICMP or ICMPv6 error is about, from what it quotes. The ports are zero where
/// the quoted bytes do not reach that far or are a later fragment; `None` where no IP header is
/// quoted, or `packet` is no error.
pub fn quoted(packet: &Packet, slab: &[u8]) -> Option<Quoted> {
    if !is_error(packet) {
        return None;
    }
    let bytes = packet.payload(slab);
    let (mut quoted, rest) = match bytes.first()? >> 4 {
        4 => v4(bytes)?,
        6 => v6(bytes)?,
        _ => return None,
    };
    match (quoted.protocol, rest) {
        (6 | 17 | 33 | 132 | 136, [s0, s1, d0, d1, ..]) => {
            quoted.src_port = u16::from_be_bytes([*s0, *s1]);
            quoted.dst_port = u16::from_be_bytes([*d0, *d1]);
        }
        (1 | 58, [kind, code, ..]) => {
            quoted.src_port = (*kind).into();
            quoted.dst_port = (*code).into();
        }
        _ => {}
    }
    Some(quoted)
}

/// The addresses and protocol of a quoted IPv4 packet, and what is quoted of its payload (nothing
/// for a later fragment).
fn v4(bytes: &[u8]) -> Option<(Quoted, &[u8])> {
    let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
    let mut protocol = header.protocol().0;
    let mut rest = match header.fragments_offset().value() {
        0 => bytes.get(header.slice().len()..)?,
        _ => &[],
    };
    if protocol == 51
        && let Ok(ah) = IpAuthHeaderSlice::from_slice(rest)
    {
        protocol = ah.next_header().0;
        rest = rest.get(ah.slice().len()..)?;
    }
    let quoted =
        Quoted { src: Addr::v4(header.source()), dst: Addr::v4(header.destination()), protocol, ..Quoted::default() };
    Some((quoted, rest))
}

/// The same for IPv6, behind its extension headers.
fn v6(bytes: &[u8]) -> Option<(Quoted, &[u8])> {
    let header = Ipv6HeaderSlice::from_slice(bytes).ok()?;
    let mut quoted = Quoted { src: Addr(header.source()), dst: Addr(header.destination()), ..Quoted::default() };
    let (mut next, mut rest) = (header.next_header().0, bytes.get(40..)?);
    for _ in 0..limits::IPV6_EXTENSIONS_MAX {
        let (len, following) = match next {
            0 | 43 | 60 | 135 | 139 | 140 => match Ipv6RawExtHeaderSlice::from_slice(rest) {
                Ok(extension) => (extension.slice().len(), extension.next_header().0),
                Err(_) => break,
            },
            44 => match Ipv6FragmentHeaderSlice::from_slice(rest) {
                Ok(fragment) if fragment.fragment_offset().value() != 0 => {
                    quoted.protocol = fragment.next_header().0;
                    return Some((quoted, &[]));
                }
                Ok(fragment) => (8, fragment.next_header().0),
                Err(_) => break,
            },
            51 => match IpAuthHeaderSlice::from_slice(rest) {
                Ok(ah) => (ah.slice().len(), ah.next_header().0),
                Err(_) => break,
            },
            _ => break,
        };
        rest = rest.get(len..)?;
        next = following;
    }
    quoted.protocol = next;
    Some((quoted, rest))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::decode::{Counters, decode};
    use crate::frame::LinkType;

    fn about(frame: &[u8]) -> Option<Quoted> {
        let (slab, meta) = slab(LinkType::ETHERNET, frame);
        let mut packet = Packet::default();
        decode(&meta, &slab, &mut Counters::default(), &mut packet);
        quoted(&packet, &slab)
    }

    #[test]
    fn an_error_names_the_flow_that_it_is_about() {
        let error = join(&[&[3, 3, 0, 0, 0, 0, 0, 0], &inner()]);
        let quoted = about(&ethernet(0x0800, &ip4(1, &error))).unwrap();
        assert_eq!((quoted.src_port, quoted.dst_port, quoted.protocol), (5000, 53, 17));
        assert_eq!((quoted.src, quoted.dst), (Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2])));
        // Eight bytes of the transport are all that old hosts quote.
        assert_eq!(about(&ethernet(0x0800, &ip4(1, &error[..8 + 28]))).unwrap().dst_port, 53);
        assert_eq!(about(&ethernet(0x0800, &ip4(1, &error[..8 + 21]))).unwrap().dst_port, 0);
        assert_eq!(about(&ethernet(0x0800, &ip4(1, &error[..8 + 12]))), None);
    }

    #[test]
    fn later_fragments_have_no_ports_and_ipv6_has_extensions() {
        let fragment = join(&[&[11, 1, 0, 0, 0, 0, 0, 0], &ip4_fragment(17, 1, 5, &udp(1, 2, b""))]);
        let quoted = about(&ethernet(0x0800, &ip4(1, &fragment))).unwrap();
        assert_eq!((quoted.protocol, quoted.dst_port), (17, 0));
        for (offset, port) in [(0, 2), (8, 0)] {
            let six = ip6(0, &join(&[&[44, 0, 1, 4, 0, 0, 0, 0], &[6, 0, 0, offset | 1, 0, 0, 0, 7], &[0, 1, 0, 2]]));
            let error = join(&[&[1, 4, 0, 0, 0, 0, 0, 0], &six]);
            let quoted = about(&ethernet(0x86dd, &ip6(58, &error))).unwrap();
            assert_eq!((quoted.protocol, quoted.dst_port, quoted.src.to_string().as_str()), (6, port, "fe80::1"));
        }
    }

    #[test]
    fn what_is_no_error_quotes_nothing() {
        let echo = join(&[&[8, 0, 0, 0, 0, 0, 0, 0], &inner()]);
        assert_eq!(about(&ethernet(0x0800, &ip4(1, &echo))), None);
        let ping = join(&[&[3, 3, 0, 0, 0, 0, 0, 0], &ip4(1, &[8, 0, 0, 0])]);
        let quoted = about(&ethernet(0x0800, &ip4(1, &ping))).unwrap();
        assert_eq!((quoted.protocol, quoted.src_port, quoted.dst_port), (1, 8, 0));
    }
}

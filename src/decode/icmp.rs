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

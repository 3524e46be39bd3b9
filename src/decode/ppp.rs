//! PPP frames (RFC 1661, RFC 1662), alone or inside of another protocol.

use super::packet::Kind;
use super::walk::{Bad, Span, Step, Walk};
use super::{ip, tunnel};

/// A PPP frame: address and control where they were not compressed away, a protocol number of one or
/// two bytes, and what it names.
pub(super) fn frame(w: &mut Walk, mut s: Span) -> Step {
    if let Some([0xff, 0x03]) = s.head::<2>(w.slab) {
        s.at += 2;
    }
    inside(w, s)
}

/// What follows address and control.
fn inside(w: &mut Walk, s: Span) -> Step {
    w.layer()?;
    let [first] = *s.need::<1>(w.slab, Bad::Link)?;
    // Protocol numbers end with an odd byte; the first byte alone is odd only where it is all.
    let (protocol, inner) = if first & 1 == 1 {
        (u16::from(first), Span { at: s.at + 1, ..s })
    } else {
        (u16::from_be_bytes(*s.need::<2>(w.slab, Bad::Link)?), Span { at: s.at + 2, ..s })
    };
    match protocol {
        0x0021 | 0x0057 => ip::any(w, inner),
        0x0281 | 0x0283 => tunnel::mpls(w, inner),
        // Multilink (RFC 1990, section 3): a fragment that is both first and last is a whole packet.
        0x003d if matches!(inner.head::<4>(w.slab), Some([flags, ..]) if flags & 0xc0 == 0xc0) => {
            inside(w, inner.skip(4, Bad::Link)?)
        }
        _ => w.other(Kind::Other, protocol, inner),
    }
}

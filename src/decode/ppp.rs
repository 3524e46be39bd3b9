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

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::frame::LinkType;

    #[test]
    fn headers_may_be_compressed_away() {
        for head in [&[0xff, 3, 0, 0x21][..], &[0, 0x21], &[0xff, 3, 0x21], &[0x21], &[0, 0x3d, 0xc0, 0, 0, 1, 0, 0x21]]
        {
            let (packet, payload, _) = run(LinkType::PPP, &join(&[head, &inner()]));
            assert_eq!((packet.dst_port, payload.as_slice()), (53, &b"inner"[..]), "{head:?}");
            let (packet, ..) = run(LinkType::PPP_WITH_DIR, &join(&[&[1], head, &inner()]));
            assert_eq!(packet.dst_port, 53);
        }
        let (packet, payload, _) = run(LinkType::PPP_HDLC, &[0xff, 3, 0xc0, 0x21, 1, 1]);
        assert_eq!((packet.kind, packet.protocol_l2, payload.len()), (Kind::Other, 0xc021, 2));
        let (packet, ..) = run(LinkType::PPP_HDLC, &join(&[&[0x0f, 0, 8, 0], &inner()]));
        assert_eq!(packet.dst_port, 53);
    }
}

//! Encrypted transports whose handshakes are not read here: QUIC.

use super::{Glance, Named, UDP, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named {
        name: "quic",
        title: "QUIC",
        transports: UDP,
        reference: "RFC 8999, section 5.1; RFC 9000; RFC 9369",
        test: quic,
    },
    Named {
        name: "quic",
        title: "Google QUIC",
        transports: UDP,
        reference: "Google QUIC wire layout, versions Q001 to Q050",
        test: gquic,
    },
];

/// Longest connection identifier of versions 1 and 2 (RFC 9000, section 17.2).
const CONNECTION_ID_MAX: usize = 20;

/// A long header: the only one that can be told from noise. A packet with a version that is reserved to
/// exercise negotiation (`?a?a?a?a`) counts as well.
fn quic(g: &Glance<'_>) -> bool {
    let Some((&first, rest)) = g.payload.split_first() else { return false };
    let Some(version) = be32(rest, 0) else { return false };
    let is_negotiation = version == 0 && first & 0x80 != 0;
    let known = matches!(version, 1 | 0x6b33_43cf | 0x709a_50c4 | 0xff00_0010..=0xff00_0022 | 0xface_b001..=0xface_b00f)
        || version & 0x0f0f_0f0f == 0x0a0a_0a0a;
    if !(known && first & 0xc0 == 0xc0 || is_negotiation) {
        return false;
    }
    let Some(dcid) = rest.get(4).map(|n| usize::from(*n)) else { return false };
    let Some(scid) = rest.get(5 + dcid).map(|n| usize::from(*n)) else { return false };
    let after = 6 + dcid + scid;
    let fits = dcid <= CONNECTION_ID_MAX && scid <= CONNECTION_ID_MAX && after < rest.len();
    // A negotiation lists whole versions (RFC 8999, section 6); anything else carries at least a sample
    // for header protection.
    fits && if is_negotiation { (rest.len() - after).is_multiple_of(4) } else { rest.len() >= after + 16 }
}

/// A public header with a version (`Q043`), as the client sends it first, or a long header with one.
fn gquic(g: &Glance<'_>) -> bool {
    let version_at = |at: usize| match g.payload.get(at..at + 4) {
        Some([b'Q' | b'T', a, b, c]) => [a, b, c].iter().all(|d| d.is_ascii_digit()),
        _ => false,
    };
    match g.payload.first() {
        Some(first) if first & 0xc0 == 0xc0 => version_at(1) && g.payload.len() > 20,
        // Version flag, and a connection identifier of 8 bytes or none.
        Some(first) if first & 0x01 != 0 && first & 0xc2 == 0 => {
            version_at(if first & 0x08 != 0 { 9 } else { 1 }) && g.payload.len() > 20
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, unnamed};

    #[test]
    fn quic_is_told_by_its_long_header() {
        // RFC 9001, appendix A.2: the client's first packet, header unprotected.
        let mut initial = vec![0xc3, 0, 0, 0, 1, 8, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08, 0, 0, 0x44, 0x9e];
        initial.extend([0x5a; 1182]);
        assert_eq!(named(&initial), Some("quic"));
        let draft29 = [&[0xc3, 0xff, 0, 0, 0x1d][..], &initial[5..]].concat();
        assert_eq!(named(&draft29), Some("quic"));
        let negotiation = [0x80, 0, 0, 0, 0, 1, 7, 1, 9, 0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf];
        assert_eq!(named(&negotiation), Some("quic"));
        assert_eq!(named(&negotiation[..15]), None, "half a version");
        let long_id = [&[0xc3, 0, 0, 0, 1, 21][..], &[0; 60]].concat();
        assert_eq!(named(&long_id), None);
        unnamed(&initial[..20]);
    }

    #[test]
    fn google_quic_shows_its_version_in_letters() {
        let mut q043 = vec![0x0d, 1, 2, 3, 4, 5, 6, 7, 8];
        q043.extend(b"Q043");
        q043.extend([0; 30]);
        assert_eq!(named(&q043), Some("quic"));
        let q046 = [&[0xc3][..], b"Q046", &[0; 30]].concat();
        assert_eq!(named(&q046), Some("quic"));
        q043[10] = b'x';
        assert_eq!(named(&q043), None);
    }
}

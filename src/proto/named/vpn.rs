//! Virtual private networks: known by the layout of their first message.

use super::{Glance, Named, TCP, UDP, be16, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named {
        name: "wireguard",
        title: "WireGuard",
        transports: UDP,
        reference: "WireGuard protocol, messages 1 to 4",
        test: wireguard,
    },
    Named { name: "esp", title: "IPsec ESP in UDP", transports: UDP, reference: "RFC 3948, section 2", test: esp },
    Named { name: "l2tp", title: "L2TP", transports: UDP, reference: "RFC 2661, section 3.1", test: l2tp },
    Named { name: "pptp", title: "PPTP", transports: TCP, reference: "RFC 2637, section 2", test: pptp },
];

fn wireguard(g: &Glance<'_>) -> bool {
    let p = g.payload;
    match (p.get(..4), p.len()) {
        (Some([1, 0, 0, 0]), 148) | (Some([2, 0, 0, 0]), 92) | (Some([3, 0, 0, 0]), 64) => true,
        // Data is padded to 16 bytes and counted from zero.
        (Some([4, 0, 0, 0]), len @ 32..) => {
            len.is_multiple_of(16) && p.get(12..16).is_some_and(|high| high == [0; 4]) && p.get(4..8) != Some(&[0; 4])
        }
        _ => false,
    }
}

/// A security parameter index and a sequence number that is still small, on the port of RFC 3948. The
/// single byte that keeps the way through a translator open tells nothing: IKE sends it as well.
fn esp(g: &Glance<'_>) -> bool {
    let (Some(spi), Some(sequence)) = (be32(g.payload, 0), be32(g.payload, 4)) else { return false };
    // Indexes below 256 are reserved (RFC 4303, section 2.1).
    g.on_port(&[4500]) && spi >= 256 && sequence < 1 << 24 && g.payload.len() >= 24
}

fn l2tp(g: &Glance<'_>) -> bool {
    // A control message: type, length and sequence are there, version 2.
    g.payload.get(..2) == Some(&[0xc8, 0x02]) && be16(g.payload, 2).map(usize::from) == Some(g.payload.len())
}

fn pptp(g: &Glance<'_>) -> bool {
    let magic = g.payload.get(4..8) == Some(&[0x1a, 0x2b, 0x3c, 0x4d]);
    magic && be16(g.payload, 2) == Some(1) && be16(g.payload, 0).is_some_and(|len| (16..=220).contains(&len))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, named_on, named_tcp};

    #[test]
    fn wireguard_has_four_messages() {
        let message = |kind: u8, len: usize| [&[kind, 0, 0, 0][..], &vec![7; len - 4]].concat();
        assert_eq!(named(&message(1, 148)), Some("wireguard"));
        assert_eq!(named(&message(2, 92)), Some("wireguard"));
        assert_eq!(named(&message(1, 147)), None);
        let mut data = message(4, 96);
        data[8..16].copy_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(named(&data), Some("wireguard"));
        data[14] = 1;
        assert_eq!(named(&data), None);
    }

    #[test]
    fn esp_is_known_on_its_port_only() {
        let esp = [&[0xc0, 1, 2, 3, 0, 0, 0, 1][..], &[5; 80]].concat();
        assert_eq!(named_on(&esp, [4500, 4500]), Some("esp"));
        assert_eq!(named(&esp), None, "elsewhere that may be anything");
        assert_eq!(named_on(&[0xff], [4500, 4500]), None);
    }

    #[test]
    fn elders() {
        assert_eq!(named(&[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]), Some("l2tp"));
        let mut start = vec![0, 156, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0];
        start.resize(156, 0);
        assert_eq!(named_tcp(&start), Some("pptp"));
    }
}

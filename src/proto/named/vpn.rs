//! Virtual private networks: known by the layout of their first message.

use super::{Glance, Named, TCP, UDP, UDP_TCP, be16, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named {
        name: "wireguard",
        title: "WireGuard",
        transports: UDP,
        reference: "WireGuard protocol, messages 1 to 4",
        test: wireguard,
    },
    Named {
        name: "ike",
        title: "IKE",
        transports: UDP,
        reference: "RFC 7296, section 3.1; RFC 2408, section 3.1; RFC 3948",
        test: ike,
    },
    Named { name: "esp", title: "IPsec ESP in UDP", transports: UDP, reference: "RFC 3948, section 2", test: esp },
    Named {
        name: "openvpn",
        title: "OpenVPN",
        transports: UDP_TCP,
        reference: "OpenVPN network protocol, control channel",
        test: openvpn,
    },
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

/// A header whose length is that of the datagram, bare or, on another port than IKE's own, behind the marker
/// of four zeros.
fn ike(g: &Glance<'_>) -> bool {
    let message = match g.payload.get(..4) {
        Some([0, 0, 0, 0]) if !g.on_port(&[500]) => g.payload.get(4..).unwrap_or_default(),
        _ => g.payload,
    };
    let (Some(spi), Some(&[next, version, exchange, flags]), Some(len)) =
        (message.get(..8), message.get(16..20).and_then(<[u8]>::first_chunk::<4>), be32(message, 24))
    else {
        return false;
    };
    let exchange_known = match version {
        0x10 => matches!(exchange, 1..=6 | 32 | 33),
        0x20 => matches!(exchange, 34..=43),
        _ => false,
    };
    let next_known = next == 0 || matches!((version, next), (0x10, 1..=21 | 128..=137) | (0x20, 33..=54));
    // Only broken senders leave their index out; then the port has to tell too.
    let sent_by_somebody = spi != [0; 8] || g.on_port(&[500]) && version == 0x20;
    exchange_known && next_known && flags & 0xc0 == 0 && sent_by_somebody && len as usize == message.len()
}

/// A security parameter index and a sequence number that is still small, on the port of RFC 3948. The
/// single byte that keeps the way through a translator open tells nothing: IKE sends it as well.
fn esp(g: &Glance<'_>) -> bool {
    let (Some(spi), Some(sequence)) = (be32(g.payload, 0), be32(g.payload, 4)) else { return false };
    // Indexes below 256 are reserved (RFC 4303, section 2.1).
    g.on_port(&[4500]) && spi >= 256 && sequence < 1 << 24 && g.payload.len() >= 24
}

/// The first message of the control channel: plain, or authenticated or encrypted with a static key.
fn openvpn(g: &Glance<'_>) -> bool {
    const HARD_RESET_CLIENT_V2: u8 = 7 << 3;
    const HARD_RESET_SERVER_V2: u8 = 8 << 3;
    const HARD_RESET_CLIENT_V3: u8 = 10 << 3;
    let message = match be16(g.payload, 0) {
        // Over TCP its length stands before it.
        Some(len) if usize::from(len) + 2 == g.payload.len() => g.payload.get(2..).unwrap_or_default(),
        _ => g.payload,
    };
    let Some(&first) = message.first() else { return false };
    if !matches!(first, HARD_RESET_CLIENT_V2 | HARD_RESET_SERVER_V2 | HARD_RESET_CLIENT_V3) || message.len() < 14 {
        return false;
    }
    // A replay packet identifier of 1, then a time, behind a digest of 16, 20, 32 or 64 bytes or before it.
    let counted_from_one =
        |at: usize| be32(message, at) == Some(1) && be32(message, at + 4).is_some_and(|t| t > 1 << 28);
    let plain = || message.len() == 14 && message.get(9..) == Some(&[0; 5]);
    let answer = || {
        first == HARD_RESET_SERVER_V2
            && message.len() == 26
            && message.get(9) == Some(&1)
            && message.get(22..) == Some(&[0; 4])
    };
    plain() || answer() || [9, 25, 29, 41, 73].into_iter().any(counted_from_one)
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
    use super::super::testing::{named, named_on, named_tcp, unnamed};

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
    fn ike_says_how_long_it_is() {
        let mut message = vec![1; 8];
        message.extend([0; 8]);
        message.extend([33, 0x20, 34, 8, 0, 0, 0, 0, 0, 0, 0, 32, 9, 9, 9, 9]);
        assert_eq!(named(&message), Some("ike"));
        assert_eq!(named_on(&[&[0; 4][..], &message].concat(), [4500, 4500]), Some("ike"));
        unnamed(&message[..31]);
        message[..8].fill(0);
        assert_eq!((named(&message), named_on(&message, [40_000, 500])), (None, Some("ike")));
        let esp = [&[0xc0, 1, 2, 3, 0, 0, 0, 1][..], &[5; 80]].concat();
        assert_eq!(named_on(&esp, [4500, 4500]), Some("esp"));
        assert_eq!(named(&esp), None, "elsewhere that may be anything");
        assert_eq!(named_on(&[0xff], [4500, 4500]), None);
    }

    #[test]
    fn openvpn_and_its_elders() {
        let plain = [0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0];
        assert_eq!(named(&plain), Some("openvpn"));
        assert_eq!(named_tcp(&[&[0, 14][..], &plain].concat()), Some("openvpn"));
        let crypt = [&[0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0x60, 0, 0, 0][..], &[9; 37]].concat();
        assert_eq!(named(&crypt), Some("openvpn"));
        unnamed(&plain[..13]);
        assert_eq!(named(&[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]), Some("l2tp"));
        let mut start = vec![0, 156, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0];
        start.resize(156, 0);
        assert_eq!(named_tcp(&start), Some("pptp"));
    }
}

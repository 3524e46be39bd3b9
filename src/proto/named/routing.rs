//! What routers, switches and collectors say to each other.

use super::{Glance, Named, TCP, UDP, UDP_TCP, be16, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named { name: "bgp", title: "BGP", transports: TCP, reference: "RFC 4271, section 4.1", test: bgp },
    Named { name: "bfd", title: "BFD", transports: UDP, reference: "RFC 5880, section 4.1; RFC 5881", test: bfd },
    Named { name: "rip", title: "RIP", transports: UDP, reference: "RFC 2453, section 3.6; RFC 2080", test: rip },
    Named { name: "hsrp", title: "HSRP", transports: UDP, reference: "RFC 2281, section 5.1", test: hsrp },
    Named { name: "glbp", title: "GLBP", transports: UDP, reference: "as seen on the wire", test: glbp },
    Named {
        name: "netflow",
        title: "NetFlow",
        transports: UDP,
        reference: "RFC 3954, section 5.1; NetFlow version 5 layout",
        test: netflow,
    },
    Named { name: "ipfix", title: "IPFIX", transports: UDP_TCP, reference: "RFC 7011, section 3.1", test: ipfix },
    Named { name: "sflow", title: "sFlow", transports: UDP, reference: "RFC 3176; sFlow version 5", test: sflow },
    Named { name: "diameter", title: "Diameter", transports: TCP, reference: "RFC 6733, section 3", test: diameter },
    Named { name: "gtp", title: "GTP", transports: UDP, reference: "3GPP TS 29.060, 29.274, 32.295", test: gtp },
    Named { name: "capwap", title: "CAPWAP", transports: UDP, reference: "RFC 5415, section 4", test: capwap },
    Named { name: "ptp", title: "PTP", transports: UDP, reference: "IEEE 1588-2019, section 13.3", test: ptp },
    Named {
        name: "someip",
        title: "SOME/IP",
        transports: UDP_TCP,
        reference: "AUTOSAR SOME/IP protocol, section 4.1",
        test: someip,
    },
    Named { name: "ldp", title: "LDP", transports: UDP_TCP, reference: "RFC 5036, section 3.1", test: ldp },
];

fn bgp(g: &Glance<'_>) -> bool {
    let Some(marker) = g.payload.get(..16) else { return false };
    let len = be16(g.payload, 16).unwrap_or(0);
    marker.iter().all(|b| *b == 0xff)
        && (19..=4096).contains(&len)
        && g.payload.get(18).is_some_and(|t| matches!(t, 1..=5))
}

fn bfd(g: &Glance<'_>) -> bool {
    let control = || {
        let [first, _, multiplier, len, ..] = g.payload else { return false };
        first >> 5 == 1 && *multiplier > 0 && usize::from(*len) == g.payload.len() && *len >= 24
    };
    // The content of an echo is the sender's affair: both ports tell (RFC 5881, section 4).
    g.on_port(&[3784, 4784, 6784]) && control() || g.ports == [3785, 3785] && g.payload.len() >= 12
}

fn rip(g: &Glance<'_>) -> bool {
    let [command, version, 0, 0, entries @ ..] = g.payload else { return false };
    let whole = !entries.is_empty() && entries.len().is_multiple_of(20);
    let v4 = g.on_port(&[520]) && matches!(version, 1 | 2);
    let v6 = g.on_port(&[521]) && *version == 1;
    whole && matches!(command, 1 | 2) && (v4 || v6)
}

fn hsrp(g: &Glance<'_>) -> bool {
    match g.payload {
        // Version 1: a hello, coup or resign with a state that exists.
        [0, 0..=3, 0 | 1 | 2 | 4 | 8 | 16, ..] => g.on_port(&[1985]) && g.payload.len() >= 20,
        // Version 2, and what is told of an interface: type, length, value.
        [1..=4, len, rest @ ..] => g.on_port(&[1985, 2029]) && usize::from(*len) <= rest.len() && *len >= 2,
        _ => false,
    }
}

fn glbp(g: &Glance<'_>) -> bool {
    g.ports == [3222, 3222] && g.payload.first() == Some(&1) && g.payload.len() >= 12
}

fn netflow(g: &Glance<'_>) -> bool {
    let (Some(version), Some(count)) = (be16(g.payload, 0), be16(g.payload, 2)) else { return false };
    let count = usize::from(count);
    let record = match version {
        1 => (16, 52),
        5 => (24, 48),
        7 => (24, 52),
        9 => {
            // A time since 2000, and a first set that fits.
            let set = be16(g.payload, 22).map(usize::from);
            let time = be32(g.payload, 8).is_some_and(|t| t > 946_684_800);
            return count > 0 && time && set.is_some_and(|len| len >= 4 && len + 20 <= g.payload.len());
        }
        _ => return false,
    };
    let (whole, len) = (record.0 + count * record.1, g.payload.len());
    // On the usual ports a few bytes more are nothing but padding.
    let padded = g.on_port(&[2055, 2056, 9555, 9995, 9996]) && (whole..whole + 8).contains(&len);
    (1..=30).contains(&count) && (whole == len || padded && be32(g.payload, 8).is_some_and(|t| t > 946_684_800))
}

fn ipfix(g: &Glance<'_>) -> bool {
    let head = be16(g.payload, 0) == Some(10) && be32(g.payload, 4).is_some_and(|t| t > 946_684_800);
    let len = be16(g.payload, 2).map(usize::from);
    let set = be16(g.payload, 18).map(usize::from);
    head && len.is_some_and(|len| len >= 20 && len <= g.payload.len())
        && set.is_some_and(|s| s >= 4 && Some(s + 16) <= len)
}

fn sflow(g: &Glance<'_>) -> bool {
    let (Some(version), Some(family)) = (be32(g.payload, 0), be32(g.payload, 4)) else { return false };
    let address = match family {
        1 => 4,
        2 => 16,
        _ => return false,
    };
    // Sub-agent (version 5), sequence number, uptime, then how many samples there are.
    let before = match version {
        5 => 20,
        2 | 4 => 16,
        _ => return false,
    };
    let samples = be32(g.payload, address + before);
    // Without a sample there is nothing behind the count.
    let is_bare = version == 5 && g.payload.len() == address + before + 4;
    samples.is_some_and(|n| n == 0 && is_bare || n > 0 && (n as usize) <= g.payload.len() / 8)
}

fn diameter(g: &Glance<'_>) -> bool {
    let (Some(head), Some(flags)) = (be32(g.payload, 0), be32(g.payload, 4)) else { return false };
    let (version, len) = (head >> 24, head & 0xff_ffff);
    let (bits, command) = (flags >> 24, flags & 0xff_ffff);
    let known =
        matches!(command, 257 | 258 | 265 | 268 | 271..=275 | 280 | 282..=288 | 300..=328 | 8_388_600..=8_388_750);
    version == 1 && len >= 20 && len.is_multiple_of(4) && len < 1 << 16 && bits & 0x0f == 0 && known
}

fn gtp(g: &Glance<'_>) -> bool {
    let (Some(&first), Some(&message), Some(len)) = (g.payload.first(), g.payload.get(1), be16(g.payload, 2)) else {
        return false;
    };
    let len = usize::from(len);
    let rest = g.payload.len();
    let fits = match first >> 5 {
        // Version 0 has a header of 20 bytes.
        // GTP' may have a header of 6 bytes.
        0 => len + 20 == rest || first & 0x10 == 0 && len + 6 == rest,
        1 => len + 8 == rest || first & 0x10 == 0 && len + 6 == rest,
        2 => len + 4 == rest,
        _ => false,
    };
    let known = matches!(message, 1..=7 | 16..=38 | 48..=60 | 64..=73 | 95..=107 | 112..=128 | 164..=171 | 176 | 177 | 200 | 211 | 212 | 231..=236 | 240 | 241 | 254 | 255);
    g.on_port(&[2123, 2152, 3386]) && fits && known
}

fn capwap(g: &Glance<'_>) -> bool {
    let Some(&first) = g.payload.first() else { return false };
    if !g.on_port(&[5246, 5247]) || g.payload.len() < 8 {
        return false;
    }
    match first {
        // Header length in words of 4 bytes, 2 at least.
        0 => g.payload.get(1).is_some_and(|b| (2..=16).contains(&(b >> 3))),
        1 => g.payload.get(4).is_some_and(|kind| matches!(kind, 20..=23)),
        _ => false,
    }
}

fn ptp(g: &Glance<'_>) -> bool {
    let version = g.payload.get(1).map(|b| b & 0x0f);
    g.on_port(&[319, 320])
        && matches!(version, Some(1 | 2))
        && (version == Some(1) || be16(g.payload, 2).map(usize::from) == Some(g.payload.len()))
}

/// Headers behind each other as their lengths say, the last of which a stream may cut. Of a request and a
/// notification the return code is zero.
fn someip(g: &Glance<'_>) -> bool {
    let mut rest = g.payload;
    for n in 0..SOMEIP_MESSAGES_MAX {
        let Some(&[protocol, _, kind, code]) = rest.get(12..16).and_then(<[u8]>::first_chunk::<4>) else {
            return n > 0;
        };
        let len = be32(rest, 4).map_or(0, |n| n as usize);
        let kind_known = match kind & !0x20 {
            0 | 1 | 2 | 0x40 | 0x41 | 0x42 => code == 0,
            0x80 | 0x81 | 0xc0 | 0xc1 => code <= 0x5e,
            _ => false,
        };
        if len < 8 || protocol != 1 || !kind_known || be16(rest, 0) == Some(0) {
            return false;
        }
        match len.checked_add(8).and_then(|len| rest.get(len..)) {
            Some(tail) => rest = tail,
            None => return n > 0,
        }
    }
    true
}

/// Messages of one datagram that are looked at.
const SOMEIP_MESSAGES_MAX: usize = 16;

fn ldp(g: &Glance<'_>) -> bool {
    let len = be16(g.payload, 2).map(usize::from);
    g.on_port(&[646]) && be16(g.payload, 0) == Some(1) && len.is_some_and(|n| n >= 14 && n + 4 <= g.payload.len())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, named_on, named_tcp, unnamed};

    #[test]
    fn routers() {
        let keepalive = [&[0xff; 16][..], &[0, 19, 4]].concat();
        assert_eq!(named_tcp(&keepalive), Some("bgp"));
        assert_eq!(named_tcp(&[&[0xff; 16][..], &[0, 18, 4]].concat()), None);
        let mut control = vec![0x20, 0xc0, 3, 24];
        control.resize(24, 1);
        assert_eq!(named_on(&control, [50_000, 3784]), Some("bfd"));
        let route = [&[2, 2, 0, 0][..], &[0; 20]].concat();
        assert_eq!(named_on(&route, [520, 520]), Some("rip"));
        assert_eq!(named(&route), None);
        let hello = [0, 0, 16, 3, 10, 120, 1, 0, b'c', b'i', b's', b'c', b'o', 0, 0, 0, 192, 168, 0, 1];
        assert_eq!(named_on(&hello, [1985, 1985]), Some("hsrp"));
        unnamed(&hello);
    }

    #[test]
    fn exporters() {
        let mut v5 = vec![0, 5, 0, 2];
        v5.resize(24 + 2 * 48, 0);
        assert_eq!(named(&v5), Some("netflow"));
        v5.pop();
        assert_eq!(named(&v5), None);
        let v9 = [0, 9, 0, 1, 0, 0, 0, 9, 0x60, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 1, 2, 3, 4];
        assert_eq!(named(&v9), Some("netflow"));
        let mut v7 = b"\0\x07\0\x01\0\0\xea\x60\x60\x65\x53\xf1".to_vec();
        v7.resize(24 + 52, 0);
        assert_eq!(named(&v7), Some("netflow"));
        v7.extend([0; 4]);
        assert_eq!((named(&v7), named_on(&v7, [40_000, 2055])), (None, Some("netflow")));
        let ipfix = [0, 10, 0, 24, 0x60, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 8, 1, 2, 3, 4];
        assert_eq!(named(&ipfix), Some("ipfix"));
        let mut sflow = vec![0, 0, 0, 5, 0, 0, 0, 1, 10, 0, 0, 1];
        sflow.extend([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(named(&sflow), Some("sflow"));
        let bare = b"\0\0\0\x05\0\0\0\x01\x0a\x63\x63\x63\0\0\0\x01\0\0\0\x01\0\0\xea\x60\0\0\0\0";
        assert_eq!(named(bare), Some("sflow"));
        assert_eq!(named(&[&bare[..], &[0; 4]].concat()), None);
    }

    #[test]
    fn the_core() {
        let capabilities = [1, 0, 0, 20, 0x80, 0, 1, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(named_tcp(&capabilities), Some("diameter"));
        assert_eq!(named_on(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0], [2123, 2123]), Some("gtp"));
        assert_eq!(named_on(&[0x48, 32, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0], [2123, 2123]), Some("gtp"));
        let sync = [&[0, 2, 0, 44][..], &[0; 40]].concat();
        assert_eq!(named_on(&sync, [319, 319]), Some("ptp"));
        let call = [0x12, 0x34, 0, 1, 0, 0, 0, 8, 0, 1, 0, 1, 1, 1, 0, 0];
        assert_eq!(named(&call), Some("someip"));
        assert_eq!(named(&[&call[..], &call[..]].concat()), Some("someip"));
        assert_eq!(named(&[&call[..], b"and more than a header"].concat()), None);
        let failed = [&call[..15], &[4], &call[16..]].concat();
        assert_eq!(named(&failed), None, "no call has failed when it is made");
    }
}

//! Things of homes that stand in offices: lamps, speakers, plugs, and what synchronises.

use super::{Glance, Named, UDP, UDP_TCP, be16, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named {
        name: "tuya",
        title: "Tuya",
        transports: UDP_TCP,
        reference: "Tuya local protocol, versions 3.1 to 3.5, as seen on the wire",
        test: tuya,
    },
    Named {
        name: "dropbox-lansync",
        title: "Dropbox LAN sync",
        transports: UDP,
        reference: "as seen on the wire",
        test: dropbox,
    },
    Named {
        name: "tplink-smarthome",
        title: "TP-Link smart home",
        transports: UDP_TCP,
        reference: "autokey XOR with 171, as seen on the wire",
        test: tplink,
    },
    Named {
        name: "spotify-connect",
        title: "Spotify Connect",
        transports: UDP,
        reference: "as seen on the wire",
        test: spotify,
    },
    Named { name: "lifx", title: "LIFX", transports: UDP, reference: "LIFX LAN protocol, header", test: lifx },
    Named {
        name: "yeelight",
        title: "Yeelight",
        transports: UDP_TCP,
        reference: "Yeelight inter-operation specification",
        test: yeelight,
    },
    Named {
        name: "artnet",
        title: "Art-Net",
        transports: UDP,
        reference: "Art-Net 4: packet identification",
        test: artnet,
    },
    Named { name: "sacn", title: "sACN, E1.31", transports: UDP, reference: "ANSI E1.31, section 5", test: sacn },
    Named {
        name: "dahua",
        title: "Dahua devices",
        transports: UDP_TCP,
        reference: "DHIP, as seen on the wire",
        test: dahua,
    },
    Named {
        name: "hikvision-sadp",
        title: "Hikvision SADP",
        transports: UDP,
        reference: "as seen on the wire",
        test: sadp,
    },
    Named {
        name: "xmeye",
        title: "XMEye, Sofia",
        transports: UDP_TCP,
        reference: "NetSurveillance protocol, as seen on the wire",
        test: xmeye,
    },
    Named {
        name: "p2p-camera",
        title: "Peer-to-peer camera relay",
        transports: UDP,
        reference: "PPPP, as seen on the wire",
        test: pppp,
    },
    Named { name: "zoom", title: "Zoom media", transports: UDP, reference: "as seen on the wire", test: zoom },
    Named {
        name: "teamspeak",
        title: "TeamSpeak 3",
        transports: UDP,
        reference: "as seen on the wire",
        test: teamspeak,
    },
    Named {
        name: "crestron-cip",
        title: "Crestron discovery",
        transports: UDP,
        reference: "as seen on the wire",
        test: crestron,
    },
    Named {
        name: "airtunes-timing",
        title: "AirPlay timing",
        transports: UDP,
        reference: "as seen on the wire",
        test: airplay_timing,
    },
    Named {
        name: "minecraft",
        title: "Minecraft LAN",
        transports: UDP,
        reference: "as seen on the wire",
        test: minecraft,
    },
];

fn tuya(g: &Glance<'_>) -> bool {
    let p = g.payload;
    let old = p.starts_with(&[0, 0, 0x55, 0xaa])
        && (p.ends_with(&[0, 0, 0xaa, 0x55]) || be32(p, 12).is_some_and(|n| n as usize <= 0x1000));
    let new = p.starts_with(&[0, 0, 0x66, 0x99]) && (p.ends_with(&[0, 0, 0x99, 0x66]) || p.len() >= 18);
    (old || new) && p.len() >= 16
}

fn dropbox(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"{\"host_int\": ") || g.payload.starts_with(b"{\"") && g.ports == [17500, 17500]
}

/// `{"sys` or `{"` and the like, each byte XOR the one before it, beginning with 171; over TCP behind a
/// length.
fn tplink(g: &Glance<'_>) -> bool {
    let hidden = |p: &[u8]| matches!(p, [0xd0, 0xf2, ..]);
    let framed = be32(g.payload, 0).is_some_and(|n| n as usize + 4 == g.payload.len());
    g.on_port(&[9999]) && (hidden(g.payload) || framed && hidden(g.payload.get(4..).unwrap_or_default()))
}

fn spotify(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"SpotUdp")
}

fn lifx(g: &Glance<'_>) -> bool {
    let [a, b, _, protocol, ..] = g.payload else { return false };
    g.on_port(&[56700]) && usize::from(u16::from_le_bytes([*a, *b])) == g.payload.len() && protocol & 0x0f == 4
}

fn yeelight(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"M-SEARCH * HTTP/1.1\r\n") && memchr::memmem::find(g.payload, b"wifi_bulb").is_some()
}

fn artnet(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"Art-Net\0")
}

fn sacn(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"\0\x10\0\0ASC-E1.17\0\0\0")
}

fn dahua(g: &Glance<'_>) -> bool {
    let dhip = g.payload.starts_with(&[0x20, 0, 0, 0]) && g.payload.get(4..8) == Some(b"DHIP");
    let discovery = g.payload.starts_with(&[0xa3, 1, 0, 0]) && g.on_port(&[5050, 37810]);
    dhip || discovery
}

fn sadp(g: &Glance<'_>) -> bool {
    let front = g.payload.get(..200).unwrap_or(g.payload);
    g.on_port(&[37020]) && front.starts_with(b"<?xml") && memchr::memmem::find(front, b"<Probe").is_some()
}

fn xmeye(g: &Glance<'_>) -> bool {
    let [0xff, 0 | 1, 0, 0, ..] = g.payload else { return false };
    let len = g.payload.get(16..20).and_then(<[u8]>::first_chunk::<4>).map(|b| u32::from_le_bytes(*b) as usize);
    g.on_port(&[34567, 34569]) && len.is_some_and(|n| n + 20 == g.payload.len())
}

fn pppp(g: &Glance<'_>) -> bool {
    let [0xf1, kind, ..] = g.payload else { return false };
    let known = matches!(kind, 0x00..=0x04 | 0x10..=0x13 | 0x20 | 0x21 | 0x30 | 0x40..=0x43 | 0x67..=0x69 | 0x80..=0x83 | 0xd0 | 0xd1 | 0xe0 | 0xe1 | 0xf0);
    known
        && be16(g.payload, 2).map(|n| usize::from(n) + 4) == Some(g.payload.len())
        && g.on_port(&[32100, 32108, 20190])
}

/// The meeting server's port and a frame that says media or its answer.
fn zoom(g: &Glance<'_>) -> bool {
    let server = (8801..=8810).contains(&g.ports[1]) || (8801..=8810).contains(&g.ports[0]);
    server && g.payload.len() >= 16 && matches!(g.payload.first(), Some(1..=5 | 7))
}

fn teamspeak(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"TS3INIT1")
}

fn crestron(g: &Glance<'_>) -> bool {
    let head = matches!(g.payload, [0x14 | 0x15, 0, 0, 0, 1, 4, 0, 3, 0, 0, ..]);
    head && g.on_port(&[41794]) && g.payload.len() >= 266
}

fn airplay_timing(g: &Glance<'_>) -> bool {
    matches!(g.payload, [0x80, 0xd2 | 0xd3, 0, 7, ..]) && g.payload.len() == 32
}

fn minecraft(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"[MOTD]")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, named_on, unnamed};

    #[test]
    fn things() {
        let mut frame = vec![0, 0, 0x55, 0xaa, 0, 0, 0, 0, 0, 0, 0, 0x13, 0, 0, 0, 8];
        frame.extend([1, 2, 3, 4, 0, 0, 0xaa, 0x55]);
        assert_eq!(named(&frame), Some("tuya"));
        assert_eq!(named_on(b"{\"host_int\": 7, \"version\": [2, 0]}", [17500, 17500]), Some("dropbox-lansync"));
        assert_eq!(named_on(&[0xd0, 0xf2, 0x81, 0xf8], [50_000, 9999]), Some("tplink-smarthome"));
        assert_eq!(named(b"SpotUdp0\x01\x02"), Some("spotify-connect"));
        assert_eq!(named(b"Art-Net\0\0\x20"), Some("artnet"));
        assert_eq!(named_on(&[0xf1, 0, 0, 0], [50_000, 32100]), Some("p2p-camera"));
        unnamed(&[0xf1, 0, 0, 0]);
        unnamed(&[0xd0, 0xf2, 0x81, 0xf8]);
    }

    #[test]
    fn cameras_and_panels() {
        let xml = b"<?xml version=\"1.0\" encoding=\"utf-8\"?><Probe><Uuid>1</Uuid></Probe>";
        assert_eq!(named_on(xml, [50_000, 37020]), Some("hikvision-sadp"));
        let mut panel = vec![0x14, 0, 0, 0, 1, 4, 0, 3, 0, 0];
        panel.resize(266, 0);
        assert_eq!(named_on(&panel, [41794, 41794]), Some("crestron-cip"));
        let login = [&[0xff, 0, 0, 0][..], &[0; 12], &[2, 0, 0, 0], b"{}"].concat();
        assert_eq!(named_on(&login, [50_000, 34567]), Some("xmeye"));
    }
}

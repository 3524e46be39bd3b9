//! Protocols of machines, meters and their networks that are only named.

use super::{Glance, Named};
use crate::proto::api::{Direction, Transport};

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

/// The list.
pub const LIST: &[Named] = &[
    Named { name: "dnp3", title: "DNP3", transports: BOTH, reference: "IEEE 1815, section 9", test: dnp3 },
    Named {
        name: "iec104",
        title: "IEC 60870-5-104",
        transports: TCP,
        reference: "IEC 60870-5-104, section 5",
        test: iec104,
    },
    Named { name: "hart-ip", title: "HART-IP", transports: BOTH, reference: "FCG TS20085", test: hart_ip },
    Named {
        name: "zabbix",
        title: "Zabbix",
        transports: TCP,
        reference: "Zabbix manual, header of messages",
        test: zabbix,
    },
    Named { name: "mqtt-sn", title: "MQTT-SN", transports: UDP, reference: "MQTT-SN 1.2, section 5", test: mqtt_sn },
    Named {
        name: "cotp",
        title: "ISO transport over TCP",
        transports: TCP,
        reference: "RFC 1006, RFC 905",
        test: cotp,
    },
];

/// The check of DNP3's data link layer (IEEE 1815, section 9.2.4.1.7): polynomial 0x3D65, reflected.
fn dnp3_check(bytes: &[u8]) -> u16 {
    let sum = bytes.iter().fold(0_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |s, _| if s & 1 != 0 { s >> 1 ^ 0xa6bc } else { s >> 1 })
    });
    !sum
}

/// 0x05 0x64, length, control, destination and source, check.
fn dnp3(g: &Glance<'_>) -> bool {
    match g.payload {
        [0x05, 0x64, len, _, _, _, _, _, c0, c1, ..] if *len >= 5 => {
            dnp3_check(g.payload.get(..8).unwrap_or_default()) == u16::from_le_bytes([*c0, *c1])
        }
        _ => false,
    }
}

/// 0x68, length of what follows, four bytes of control: numbered, supervisory or not numbered.
fn iec104(g: &Glance<'_>) -> bool {
    let mut rest = g.payload;
    let mut frames = 0;
    let mut sure = false;
    while let [0x68, len @ 4..=253, c1, c2, c3, c4, body @ ..] = rest {
        let fits = match (c1 & 3, len) {
            (3, 4) => {
                // One of six acts, and nothing besides.
                sure |= g.on_port(&[2404]) || frames > 0;
                matches!(c1, 0x07 | 0x0b | 0x13 | 0x23 | 0x43 | 0x83) && (*c2, *c3, *c4) == (0, 0, 0)
            }
            (1, 4) => *c1 == 1 && *c2 == 0 && c3 & 1 == 0,
            // A numbered one holds an object: its kind is one of 127, and how many there are.
            (0 | 2, 12..) if c3 & 1 == 0 => {
                let cause = body.get(2).map_or(0, |c| c & 0x3f);
                sure |= g.on_port(&[2404]) || (1..=47).contains(&cause);
                matches!(body, [1..=127, 1..=127 | 0x81..=0xff, ..]) && (1..=47).contains(&cause)
            }
            _ => false,
        };
        if !fits {
            return false;
        }
        frames += 1;
        match rest.get(usize::from(*len) + 2..) {
            Some(after) => rest = after,
            None => return sure || g.on_port(&[2404]),
        }
    }
    // All of it was frames, or the next one is cut.
    frames > 0 && (rest.is_empty() || rest.first() == Some(&0x68)) && (sure || g.on_port(&[2404]))
}

/// Version 1, kind of message (0 to 2, 15), identifier (0 to 4, 128), status, sequence, length of all.
fn hart_ip(g: &Glance<'_>) -> bool {
    match g.payload {
        [1 | 2, 0..=2 | 15, 0..=4 | 128, status, _, _, l1, l0, ..] => {
            let len = usize::from(u16::from_be_bytes([*l1, *l0]));
            // Little is fixed, so a request to open a session has to have its length, and others the port.
            let opens = matches!(g.payload, [_, 0, 0, 0, _, _, 0, 13, 0 | 1, ..]) && *status == 0;
            len >= 8 && len == g.payload.len() && (opens || g.on_port(&[5094]))
        }
        _ => false,
    }
}

/// `ZBXD`, flags, length; or the first words of its agent.
fn zabbix(g: &Glance<'_>) -> bool {
    match g.payload {
        [b'Z', b'B', b'X', b'D', 1..=7, ..] => true,
        // An agent of the time before headers is asked for a key in a line.
        _ if g.dir == Direction::Orig && g.on_port(&[10_050]) => {
            let line = g.payload.strip_suffix(b"\n").unwrap_or(g.payload);
            line.len() > 3 && line.contains(&b'.') && line.iter().all(u8::is_ascii_graphic)
        }
        _ => false,
    }
}

/// Length of the datagram, kind: a search for a gateway, an announcement, a client that connects.
fn mqtt_sn(g: &Glance<'_>) -> bool {
    let len = g.payload.len();
    match g.payload {
        [n, kind, rest @ ..] if usize::from(*n) == len => match (kind, rest) {
            (4, [flags, 1, _, _, client @ ..]) => {
                flags & 0xf3 == 0 && !client.is_empty() && client.len() < 24 && client.iter().all(u8::is_ascii_graphic)
            }
            (0..=2 | 5 | 0x0a..=0x0d | 0x12 | 0x13 | 0x16..=0x18, _) => g.on_port(&[1883, 1884, 1885, 10_000]),
            _ => false,
        },
        _ => false,
    }
}

/// TPKT, then a connection request or confirmation, or data, whose lengths agree. What runs inside has
/// its own parser where it has one.
fn cotp(g: &Glance<'_>) -> bool {
    match g.payload {
        [3, 0, l1, l0, li, kind, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*l1, *l0]));
            let inner = usize::from(*li);
            match kind & 0xf0 {
                // Both references and the class stand before the variable part.
                0xe0 | 0xd0 => inner + 5 == len && inner >= 6,
                0xf0 => inner == 2 && matches!(rest.first(), Some(0 | 0x80)) && len > 7,
                0x80 => inner >= 6 && inner + 5 == len,
                _ => false,
            }
        }
        _ => false,
    }
}

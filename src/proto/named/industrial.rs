//! Protocols of machines, meters and their networks that are only named.

use super::{Glance, Named};
use crate::proto::api::{Direction, Transport};

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

/// The list.
pub const LIST: &[Named] = &[
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
        name: "enip",
        title: "EtherNet/IP (implicit messages)",
        transports: UDP,
        reference: "ODVA EtherNet/IP, section 2-6",
        test: enip_io,
    },
    Named {
        name: "cotp",
        title: "ISO transport over TCP",
        transports: TCP,
        reference: "RFC 1006, RFC 905",
        test: cotp,
    },
];

/// Version 1, kind of message (0 to 2, 15), identifier (0 to 4, 128), status, sequence, length of all.
fn hart_ip(g: &Glance<'_>) -> bool {
    match g.payload {
        [1 | 2, 0..=2 | 15, 0..=4 | 128, status, _, _, l1, l0, ..] => {
            let len = usize::from(u16::from_be_bytes([*l1, *l0]));
            // Little is fixed, so a request to open a session has to have its length, and others the port.
            let opens = matches!(g.payload, [_, 0, 0, 0, _, _, 0, 13, 0 | 1, ..]) && *status == 0;
            len >= 8 && len == g.payload.len() && (opens || g.on_port(&[5094, 5095]))
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

/// Two items: a sequenced address of eight bytes, and connected data.
fn enip_io(g: &Glance<'_>) -> bool {
    matches!(g.payload, [2, 0, 2, 0x80, 8, 0, _, _, _, _, _, _, _, _, 0xb1, 0, ..])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::named::name;

    fn named(transport: Transport, dir: Direction, port: u16, payload: &[u8]) -> Option<&'static str> {
        name(transport, &Glance { dir, payload, ports: [40_000, port], from_start: true })
    }

    #[test]
    fn first_bytes_and_ports() {
        use Direction::Orig;
        use Transport::{Tcp, Udp};
        for (transport, port, payload, want) in [
            (Tcp, 10_051, &b"ZBXD\x01\x0f\0\0\0\0\0\0\0{\"request\":1}"[..], Some("zabbix")),
            (Tcp, 10_050, b"agent.ping\n", Some("zabbix")),
            (Tcp, 9999, b"agent.ping\n", None),
            (Udp, 5094, b"\x01\0\0\0\0\x02\0\x0d\x01\0\0\x4e\x20", Some("hart-ip")),
            (Udp, 9999, b"\x01\0\x03\0\0\x02\0\x0d\x01\0\0\x4e\x20", None),
            (Udp, 1884, b"\x08\x04\x04\x01\0\x3cab", Some("mqtt-sn")),
            (Udp, 1884, b"\x09\x04\x04\x01\0\x3cab", None),
            (Udp, 2222, b"\x02\0\x02\x80\x08\0\x01\0\0\0\x07\0\0\0\xb1\0\x02\0", Some("enip")),
            (Tcp, 102, b"\x03\0\0\x0b\x06\xe0\0\0\0\x01\0", Some("cotp")),
            (Tcp, 102, b"\x03\0\0\x0c\x06\xe0\0\0\0\x01\0", None),
        ] {
            assert_eq!(named(transport, Orig, port, payload), want, "{payload:?}");
        }
    }
}

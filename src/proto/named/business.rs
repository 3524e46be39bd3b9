//! Databases, brokers, messages and other services of offices and data centres that are not read further.

use super::{Glance, Named, TCP, UDP, be16, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named { name: "fix", title: "FIX", transports: TCP, reference: "FIX Session Layer, section 3", test: fix },
    Named {
        name: "fastcgi",
        title: "FastCGI",
        transports: TCP,
        reference: "FastCGI specification 1.0, section 8",
        test: fastcgi,
    },
    Named { name: "dicom", title: "DICOM", transports: TCP, reference: "DICOM PS3.8, section 9.3", test: dicom },
    Named { name: "nats", title: "NATS", transports: TCP, reference: "NATS client protocol: INFO", test: nats },
    Named { name: "drda", title: "DRDA (DB2, Derby)", transports: TCP, reference: "DRDA volume 3: DDM", test: drda },
    Named { name: "smpp", title: "SMPP", transports: TCP, reference: "SMPP 3.4, section 4.1", test: smpp },
    Named {
        name: "atg",
        title: "Tank gauge (Veeder-Root)",
        transports: TCP,
        reference: "TLS-350 serial interface, section 5: the command behind SOH",
        test: tank_gauge,
    },
    Named { name: "bitcoin", title: "Bitcoin", transports: TCP, reference: "Bitcoin wire protocol", test: bitcoin },
    Named { name: "afs", title: "AFS over Rx", transports: UDP, reference: "Rx packet header", test: afs },
    Named {
        name: "mpeg-ts",
        title: "MPEG transport stream",
        transports: UDP,
        reference: "ISO/IEC 13818-1, section 2.4.3",
        test: transport_stream,
    },
    Named { name: "lisp", title: "LISP control", transports: UDP, reference: "RFC 9301, section 5", test: lisp },
];

/// Begin string, length and type of the message are the first three fields, in this order.
fn fix(g: &Glance<'_>) -> bool {
    let Some(rest) = g.payload.strip_prefix(b"8=") else { return false };
    let mut fields = rest.get(..40).unwrap_or(rest).split(|c| *c == 1);
    let (Some(begin), Some(length), Some(kind)) = (fields.next(), fields.next(), fields.next()) else { return false };
    let digits = length.strip_prefix(b"9=").is_some_and(|d| !d.is_empty() && d.iter().all(u8::is_ascii_digit));
    (1..=8).contains(&begin.len()) && begin.iter().all(u8::is_ascii_graphic) && digits && kind.starts_with(b"35=")
}

/// A request begins: version 1, a body of eight bytes with the role and a flag, the rest zero.
fn fastcgi(g: &Glance<'_>) -> bool {
    matches!(g.payload, [1, 1, _, _, 0, 8, _, 0, 0, 1..=3, 0 | 1, 0, 0, 0, 0, 0, ..])
}

/// An association is asked for or accepted: protocol version 1, and the names of both ends, padded with blanks.
fn dicom(g: &Glance<'_>) -> bool {
    let [1 | 2, 0, _, _, _, _, 0, 1, 0, 0, names @ ..] = g.payload else { return false };
    let Some(names) = names.get(..32) else { return false };
    let length = be32(g.payload, 2).is_some_and(|n| (68..1 << 20).contains(&n));
    length && names.iter().all(|c| (0x20..0x7f).contains(c)) && g.payload.get(74) == Some(&0x10)
}

fn nats(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"INFO {\"server_id\":")
}

/// The first command of either side: its length twice, the mark, and one of the four codes that open a connection.
fn drda(g: &Glance<'_>) -> bool {
    let (Some(whole), Some(inner), Some(code)) = (be16(g.payload, 0), be16(g.payload, 6), be16(g.payload, 8)) else {
        return false;
    };
    // EXCSAT, EXCSATRD, ACCSEC, ACCSECRD.
    let opens = matches!(code, 0x1041 | 0x1443 | 0x106d | 0x14ac);
    g.payload.get(2) == Some(&0xd0) && whole.checked_sub(6) == Some(inner) && opens
}

/// A client binds: name, password and kind of system are short texts, then the version.
fn smpp(g: &Glance<'_>) -> bool {
    let (Some(len), Some(kind), Some(0)) = (be32(g.payload, 0), be32(g.payload, 4), be32(g.payload, 8)) else {
        return false;
    };
    let mut rest = g.payload.get(16..).unwrap_or_default();
    for max in [15, 8, 12] {
        let Some(at) = rest.iter().take(max + 1).position(|c| *c == 0) else { return false };
        let Some((text, after)) = rest.split_at_checked(at) else { return false };
        if !text.iter().all(|c| (0x20..0x7f).contains(c)) {
            return false;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    // Kind and plan of numbers, and the range of addresses, which ends the message.
    let ends = matches!(rest, [0..=0x50, 0..=8, 0..=18, ..]) && rest.last() == Some(&0);
    matches!(kind, 1 | 2 | 9) && len as usize == g.payload.len() && (23..=80).contains(&len) && ends
}

/// A command to ask or to set, in either form, with its five digits.
fn tank_gauge(g: &Glance<'_>) -> bool {
    matches!(g.payload, [1, b'I' | b'i' | b'S' | b's', code @ ..] if code.len() >= 5
        && code.iter().take(5).all(u8::is_ascii_digit) && code.len() <= 64)
}

/// The magic number of the main network, and a command padded with zeros.
fn bitcoin(g: &Glance<'_>) -> bool {
    let Some(command) = g.payload.strip_prefix(&[0xf9, 0xbe, 0xb4, 0xd9]).and_then(|rest| rest.get(..12)) else {
        return false;
    };
    let end = command.iter().position(|c| *c == 0).unwrap_or(12);
    let (text, padding) = command.split_at_checked(end).unwrap_or((command, &[]));
    !text.is_empty() && text.iter().all(u8::is_ascii_lowercase) && padding.iter().all(|c| *c == 0)
}

/// Numbers of call, packet and serial, a type and flags that exist, on the ports of AFS.
fn afs(g: &Glance<'_>) -> bool {
    let numbers = || {
        [8, 12, 16].into_iter().all(|at| be32(g.payload, at).is_some_and(|n| n < 1 << 20))
            && be32(g.payload, 16).is_some_and(|serial| serial > 0)
    };
    let [kind, flags, _, security] = g.payload.get(20..24).and_then(|b| b.first_chunk().copied()).unwrap_or([0; 4]);
    let fits = (1..=13).contains(&kind) && flags < 0x40 && security <= 6 && g.payload.len() >= 28;
    let ports = |p: &u16| (7000..=7009).contains(p);
    fits && g.ports.iter().any(ports) && numbers()
}

/// At least two packets of 188 bytes, each with its mark.
fn transport_stream(g: &Glance<'_>) -> bool {
    let (packets, rest) = g.payload.as_chunks::<188>();
    rest.is_empty() && packets.len() >= 2 && packets.iter().all(|p| p.first() == Some(&0x47))
}

/// A registration or its answer, with an authentication that exists; or a message in a packet of its own.
fn lisp(g: &Glance<'_>) -> bool {
    let kind = g.payload.first().map(|b| b >> 4);
    let records = matches!(g.payload.get(3), Some(1..=32));
    let authenticated = || matches!((be16(g.payload, 12), be16(g.payload, 14)), (Some(0..=2), Some(0 | 20 | 32)));
    let packet = || matches!(g.payload.get(4), Some(0x45 | 0x60)) && g.payload.len() >= 32;
    g.on_port(&[4342])
        && match kind {
            Some(3 | 4) => records && authenticated(),
            Some(8) => packet(),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, named_on, named_tcp, unnamed};

    #[test]
    fn what_begins_with_texts() {
        assert_eq!(named_tcp(b"8=FIX.4.1\x019=0014\x0135=1\x01112=far"), Some("fix"));
        assert_eq!(named_tcp(b"8=O\x019=007\x0135=G\x01"), Some("fix"));
        unnamed(b"8=FIX.4.1\x019=x\x0135=1");
        assert_eq!(named_tcp(b"\x01I20100\n"), Some("atg"));
        unnamed(b"\x01I2010x");
        assert_eq!(named_tcp(b"INFO {\"server_id\":\"NALG\",\"version\":\"2.1\"}\r\n"), Some("nats"));
        let version = [&[0xf9, 0xbe, 0xb4, 0xd9][..], b"version\0\0\0\0\0", &[100, 0, 0, 0]].concat();
        assert_eq!(named_tcp(&version), Some("bitcoin"));
        unnamed(&[&[0xf9, 0xbe, 0xb4, 0xd9][..], b"ver\0sion\0\0\0\0"].concat());
    }

    #[test]
    fn what_begins_with_lengths() {
        assert_eq!(named_tcp(&[1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]), Some("fastcgi"));
        unnamed(&[1, 1, 0, 1, 0, 8, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0]);
        let mut associate = vec![1, 0, 0, 0, 0, 0xcd, 0, 1, 0, 0];
        associate.extend(b"ANY-SCP         ECHOSCU         ");
        associate.extend([0; 32]);
        associate.extend([0x10, 0, 0, 0x15]);
        assert_eq!(named_tcp(&associate), Some("dicom"));
        associate[12] = 0;
        unnamed(&associate);
        assert_eq!(named_tcp(&[0, 0x89, 0xd0, 0x41, 0, 1, 0, 0x83, 0x10, 0x41, 0, 0x39]), Some("drda"));
        unnamed(&[0, 0x89, 0xd0, 0x41, 0, 1, 0, 0x82, 0x10, 0x41, 0, 0x39]);
        let mut bind = vec![0, 0, 0, 0x28, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1];
        bind.extend(b"abhik\0password\0SMPP\0\x01\0\0\0");
        bind[3] = bind.len() as u8;
        assert_eq!(named_tcp(&bind), Some("smpp"));
        bind[3] += 1;
        unnamed(&bind);
    }

    #[test]
    fn datagrams() {
        let packets = [&[0x47; 1][..], &[0; 187], &[0x47], &[0; 187]].concat();
        assert_eq!(named(&packets), Some("mpeg-ts"));
        assert_eq!(named(&packets[..188]), None);
        let mut call = vec![0x57, 0x0f, 0xb5, 0x60, 0x5c, 0x3f, 0xc9, 0x88];
        call.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 5, 0, 0, 0, 0, 0, 0x49, 0, 0, 1, 0xf8]);
        assert_eq!(named_on(&call, [38331, 7002]), Some("afs"));
        assert_eq!(named(&call), None);
        let mut register = vec![0x40, 0, 1, 3, 0xc4, 0x21, 0x82, 0x28, 0x89, 0x2d, 0x20, 0xa4, 0, 1, 0, 20];
        assert_eq!(named_on(&register, [4342, 4342]), Some("lisp"));
        register[13] = 9;
        assert_eq!(named_on(&register, [4342, 4342]), None);
    }
}

//! Screens, shares and services of offices that are not read further.

use super::{Glance, Named, TCP, UDP, UDP_TCP, be16, be32, screen};
use crate::proto::api::Direction;
use crate::proto::text;

/// The list.
pub const LIST: &[Named] = &[
    Named {
        name: "x11",
        title: "X11",
        transports: TCP,
        reference: "X Window System protocol, version 11, section 8",
        test: screen::greets,
    },
    Named {
        name: "xdmcp",
        title: "XDMCP",
        transports: UDP,
        reference: "X Display Manager Control Protocol 1.1, section 5",
        test: xdmcp,
    },
    Named { name: "radmin", title: "Radmin", transports: TCP, reference: "as seen on the wire", test: radmin },
    Named {
        name: "teamviewer",
        title: "TeamViewer",
        transports: UDP_TCP,
        reference: "as seen on the wire",
        test: teamviewer,
    },
    Named {
        name: "ica",
        title: "Citrix ICA",
        transports: TCP,
        reference: "as seen on the wire: the greetings of ICA and of its common gateway protocol",
        test: ica,
    },
    Named {
        name: "pcanywhere",
        title: "pcAnywhere",
        transports: UDP,
        reference: "as seen on the wire: the search for hosts",
        test: pcanywhere,
    },
    Named {
        name: "rdp",
        title: "RDP over UDP",
        transports: UDP,
        reference: "MS-RDPEUDP, section 2.2.2",
        test: rdp_udp,
    },
    Named { name: "ipmi", title: "IPMI, RMCP", transports: UDP, reference: "IPMI 2.0, section 13.1", test: ipmi },
    Named { name: "git", title: "git", transports: TCP, reference: "gitprotocol-pack: git transport", test: git },
    Named { name: "rsync", title: "rsync", transports: TCP, reference: "rsync daemon greeting", test: rsync },
    Named { name: "svn", title: "Subversion", transports: TCP, reference: "ra_svn protocol, section 3", test: svn },
    Named {
        name: "afp",
        title: "AFP over DSI",
        transports: TCP,
        reference: "Data Stream Interface, as seen on the wire",
        test: afp,
    },
    Named { name: "gopher", title: "Gopher", transports: TCP, reference: "RFC 1436, section 2", test: gopher },
    Named { name: "finger", title: "Finger", transports: TCP, reference: "RFC 1288, section 2.3", test: finger },
    Named { name: "whois", title: "WHOIS", transports: TCP, reference: "RFC 3912, section 2", test: whois },
    Named { name: "ident", title: "Ident", transports: TCP, reference: "RFC 1413, section 4", test: ident },
    Named {
        name: "elasticsearch",
        title: "Elasticsearch transport",
        transports: TCP,
        reference: "Elasticsearch TCP header",
        test: elasticsearch,
    },
    Named { name: "iscsi", title: "iSCSI", transports: TCP, reference: "RFC 7143, section 11.12", test: iscsi },
    Named {
        name: "nbd",
        title: "Network block device",
        transports: TCP,
        reference: "NBD protocol, newstyle negotiation",
        test: nbd,
    },
    Named { name: "tor", title: "Tor directory", transports: TCP, reference: "as seen on the wire", test: tor },
    Named { name: "wol", title: "Wake-on-LAN", transports: UDP, reference: "AMD Magic Packet technology", test: wake },
    Named {
        name: "checkmk",
        title: "Checkmk agent",
        transports: TCP,
        reference: "Checkmk agent output",
        test: checkmk,
    },
    Named { name: "nrpe", title: "NRPE", transports: TCP, reference: "NRPE version 2 packet", test: nrpe },
];

fn xdmcp(g: &Glance<'_>) -> bool {
    let len = be16(g.payload, 4).map(usize::from);
    let version = be16(g.payload, 0) == Some(1);
    g.on_port(&[177])
        && version
        && be16(g.payload, 2).is_some_and(|op| (1..=14).contains(&op))
        && len.map(|n| n + 6) == Some(g.payload.len())
}

fn radmin(g: &Glance<'_>) -> bool {
    // A frame of version 1, its length, then a type that stands twice in a greeting.
    matches!(
        g.payload,
        [1, 0, 0, 0, 1, 0, 0, 0, 8, 8]
            | [1, 0, 0, 0, 5, 0, 0, 0 | 2, 0x27, 0x27, ..]
            | [1, 0, 0, 0, 0x25, 0, 0, 2, 0x12, 8, ..]
    )
}

fn ica(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"\x7f\x7fICA\0") || g.payload.starts_with(b"\x1aCGP/01")
}

/// A question by name or for the status, and the answers to it.
fn pcanywhere(g: &Glance<'_>) -> bool {
    g.on_port(&[5632]) && matches!(g.payload, b"NQ" | b"ST" | [b'N', b'R', ..] | [b'S', b'T', ..])
}

fn teamviewer(g: &Glance<'_>) -> bool {
    match g.payload {
        [0x17, 0x24, 0x0a..=0x3f, ..] => g.on_port(&[5938, 443, 80]) && g.payload.len() >= 9,
        [0x11, 0x30, ..] => g.on_port(&[5938]),
        // Over UDP behind a header of twelve bytes.
        [_, 0, 0, 0, _, _, _, _, 0, 0, 0, 0x17, 0x24, ..] => true,
        _ => false,
    }
}

/// A SYN of the datagram transport: nothing received yet, the flag, and padding up to the MTU.
fn rdp_udp(g: &Glance<'_>) -> bool {
    let syn = g.payload.starts_with(&[0xff; 4]) && be16(g.payload, 6).is_some_and(|f| f & 1 != 0 && f & 0xe0 == 0);
    syn && (1132..=1232).contains(&g.payload.len()) && g.on_port(&[3389])
}

fn ipmi(g: &Glance<'_>) -> bool {
    let rmcp = matches!(g.payload, [6, 0, _, 6 | 7, ..]);
    rmcp && g.on_port(&[623, 664]) && g.payload.len() >= 8
}

fn git(g: &Glance<'_>) -> bool {
    let Some((len, rest)) = g.payload.split_at_checked(4) else { return false };
    let service =
        [&b"git-upload-pack /"[..], b"git-receive-pack /", b"git-upload-archive /"].iter().any(|s| rest.starts_with(s));
    service && text::hexadecimal(len).is_some()
}

fn rsync(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"@RSYNCD: ")
}

fn svn(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"( success ( 2 2 ( ")
}

fn afp(g: &Glance<'_>) -> bool {
    let [kind, command, _, _, ..] = g.payload else { return false };
    let reserved = be32(g.payload, 12) == Some(0);
    let len = be32(g.payload, 8).unwrap_or(u32::MAX);
    g.on_port(&[548]) && matches!(kind, 0 | 1) && matches!(command, 1..=6 | 8) && reserved && len < 1 << 24
}

/// One line of text, and nothing behind it.
fn one_line(payload: &[u8]) -> Option<&[u8]> {
    let line = payload.strip_suffix(b"\r\n").or_else(|| payload.strip_suffix(b"\n"))?;
    (line.len() <= 1024 && line.iter().all(|c| *c >= 0x20 && *c != 0x7f || *c == b'\t')).then_some(line)
}

fn gopher(g: &Glance<'_>) -> bool {
    let menu = || {
        // A menu: a type, then fields with tabs between them.
        let line = g.payload.split(|c| *c == b'\n').next().unwrap_or_default();
        line.first().is_some_and(u8::is_ascii_alphanumeric) && line.iter().filter(|c| **c == b'\t').count() >= 3
    };
    g.on_port(&[70]) && if g.dir == Direction::Orig { one_line(g.payload).is_some() } else { menu() }
}

fn finger(g: &Glance<'_>) -> bool {
    let query = || one_line(g.payload).is_some_and(|line| line.len() <= 512 || line.starts_with(b"/W"));
    let long = || g.payload.len() > 512 && g.payload.iter().all(|c| *c >= 0x20 || matches!(c, b'\r' | b'\n'));
    g.on_port(&[79]) && g.dir == Direction::Orig && (query() || long())
}

fn whois(g: &Glance<'_>) -> bool {
    g.on_port(&[43]) && g.dir == Direction::Orig && one_line(g.payload).is_some_and(|line| !line.is_empty())
}

/// Two ports, separated by a comma.
fn ident(g: &Glance<'_>) -> bool {
    let Some(line) = one_line(g.payload) else { return false };
    let mut parts = line.split(|c| *c == b',');
    let port = |part: Option<&[u8]>| part.map(<[u8]>::trim_ascii).and_then(text::decimal).is_some_and(|n| n <= 65_535);
    g.on_port(&[113]) && g.dir == Direction::Orig && port(parts.next()) && port(parts.next()) && parts.next().is_none()
}

fn elasticsearch(g: &Glance<'_>) -> bool {
    let len = be32(g.payload, 2).map(|n| n as usize);
    g.payload.starts_with(b"ES") && len.is_some_and(|n| (13..1 << 24).contains(&n) || n == 0xffff_ffff)
}

/// A login request or response: immediate, its segment lengths plausible.
fn iscsi(g: &Glance<'_>) -> bool {
    let login = matches!(g.payload, [0x43, flags, 0, 0, ..] if flags & 0x30 == 0)
        || matches!(g.payload, [0x23, flags, 0, 0, ..] if flags & 0x30 == 0);
    let text = g.payload.get(48..).unwrap_or_default();
    login
        && (text.starts_with(b"InitiatorName=")
            || text.starts_with(b"TargetPortalGroupTag=")
            || g.on_port(&[3260]) && g.payload.len() >= 48)
}

fn nbd(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"NBDMAGIC")
}

fn tor(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"GET /tor/server/") || g.payload.starts_with(b"GET /tor/status-vote/")
}

/// Six bytes of ones, then one address sixteen times.
fn wake(g: &Glance<'_>) -> bool {
    let Some((sync, rest)) = g.payload.split_at_checked(6) else { return false };
    let Some(first) = rest.get(..6) else { return false };
    sync == [0xff; 6] && rest.len() >= 96 && rest.chunks(6).take(16).all(|mac| mac == first)
}

fn checkmk(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"<<<check_mk>>>\n")
}

fn nrpe(g: &Glance<'_>) -> bool {
    g.on_port(&[5666])
        && matches!(be16(g.payload, 0), Some(2..=4))
        && matches!(be16(g.payload, 2), Some(1 | 2))
        && g.payload.len() >= 1036
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, named_on, named_tcp, named_tcp_on, unnamed};

    #[test]
    fn screens() {
        assert_eq!(named_tcp(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some("x11"));
        assert_eq!(named_tcp(&[b'l', 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        // Events and requests alone, as on any connection whose start was seen.
        let event = [&[2, 0x28, 0x34, 0x16][..], &[0; 28]].concat();
        assert_eq!(named_tcp_on(&event, [40_000, 6001]), None);
        assert_eq!(named_tcp_on(&event, [6000, 9999]), None);
        let mut syn = vec![0xff, 0xff, 0xff, 0xff, 0, 64, 0, 1];
        syn.resize(1232, 0);
        assert_eq!(named_on(&syn, [50_000, 3389]), Some("rdp"));
        assert_eq!(named_tcp(b"\x7f\x7fICA\0"), Some("ica"));
        assert_eq!(named_tcp(b"\x1aCGP/01\r"), Some("ica"));
        unnamed(b"\x7f\x7fIC");
        assert_eq!(named_on(b"NQ", [5632, 5632]), Some("pcanywhere"));
        assert_eq!(named_on(b"NQ", [5631, 5000]), None);
        assert_eq!(named_on(&[6, 0, 0xff, 7, 0, 0, 0, 0, 0], [623, 623]), Some("ipmi"));
        unnamed(&[6, 0, 0xff, 7, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn shares_and_small_services() {
        assert_eq!(named_tcp(b"0030git-upload-pack /a.git\0host=x\0"), Some("git"));
        assert_eq!(named_tcp(b"@RSYNCD: 31.0\n"), Some("rsync"));
        let open = [0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 1, 4, 0, 0, 4, 0];
        assert_eq!(named_tcp_on(&open, [50_000, 548]), Some("afp"));
        assert_eq!(named_tcp_on(b"root\r\n", [50_000, 79]), Some("finger"));
        assert_eq!(named_tcp_on(b"/menu\r\n", [50_000, 70]), Some("gopher"));
        assert_eq!(named_tcp_on(b"6193, 23\r\n", [50_000, 113]), Some("ident"));
        assert_eq!(named_tcp_on(b"6193, x\r\n", [50_000, 113]), None);
        assert_eq!(named_tcp(b"ES\0\0\0\x20aaaaaaaa"), Some("elasticsearch"));
        let magic = [&[0xff; 6][..], &[1, 2, 3, 4, 5, 6].repeat(16)].concat();
        assert_eq!(named(&magic), Some("wol"));
        unnamed(&magic[..101]);
    }
}

//! Sharing between peers, and games.

use super::{Glance, Named, TCP, UDP, UDP_TCP, be16, be32};

/// The list.
pub const LIST: &[Named] = &[
    Named {
        name: "bittorrent",
        title: "BitTorrent",
        transports: TCP,
        reference: "BEP 3: peer protocol",
        test: bittorrent,
    },
    Named {
        name: "bittorrent",
        title: "BitTorrent: distributed hash table, trackers, local peers, uTP",
        transports: UDP,
        reference: "BEP 5, BEP 14, BEP 15, BEP 29",
        test: bittorrent_udp,
    },
    Named {
        name: "edonkey",
        title: "eDonkey, eMule",
        transports: TCP,
        reference: "eMule protocol specification, section 6",
        test: edonkey,
    },
    Named {
        name: "gnutella",
        title: "Gnutella",
        transports: TCP,
        reference: "Gnutella 0.6, section 2",
        test: gnutella,
    },
    Named {
        name: "steam",
        title: "Steam and Source servers",
        transports: UDP,
        reference: "Valve developer wiki: server queries",
        test: source_query,
    },
    Named {
        name: "steam",
        title: "Steam in-home streaming and datagrams",
        transports: UDP_TCP,
        reference: "as seen on the wire",
        test: steam,
    },
];

fn bittorrent(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"\x13BitTorrent protocol")
        || !g.from_start && (asks_for_block(g.payload) || sends_block(g.payload))
        || extended(g.payload)
}

/// The size in which blocks are asked for, by all programs and for all but the last of a file (BEP 3).
const BLOCK: u32 = 16 << 10;

/// Whether a block is asked for or withdrawn: length, type, index of the piece, a beginning at a whole block, and the
/// size of one. Other protocols have frames of 13 bytes too, with what they like in them.
fn asks_for_block(message: &[u8]) -> bool {
    be32(message, 0) == Some(13)
        && matches!(message.get(4), Some(6 | 8))
        && be32(message, 9).is_some_and(|begin| begin % BLOCK == 0)
        && be32(message, 13) == Some(BLOCK)
}

/// Whether a block is sent: the length of a whole one, type, index, and a beginning at a whole block.
fn sends_block(message: &[u8]) -> bool {
    be32(message, 0) == Some(9 + BLOCK)
        && message.get(4) == Some(&7)
        && be32(message, 9).is_some_and(|begin| begin % BLOCK == 0)
}

/// A message of an extension (BEP 10): its length, its number, and a dictionary whose first key is a text.
fn extended(message: &[u8]) -> bool {
    let [0, 0..=1, _, _, 20, kind, b'd', b'1'..=b'9', next, ..] = message else { return false };
    *kind <= 32 && (*next == b':' || next.is_ascii_digit() && message.get(9) == Some(&b':'))
}

fn bittorrent_udp(g: &Glance<'_>) -> bool {
    let p = g.payload;
    let bencoded = || {
        let front = p.get(..4).unwrap_or_default();
        let dictionary = matches!(front, b"d1:a" | b"d1:r" | b"d1:e" | b"d1:q" | b"d1:t" | b"d2:i" | b"d1:v");
        dictionary
            && p.ends_with(b"e")
            && [&b"1:y1:"[..], b"1:q4:ping", b"1:q9:"].iter().any(|key| memchr::memmem::find(p, key).is_some())
    };
    // Tracker: the connect request begins with a magic number (BEP 15).
    let tracker = || p.len() == 16 && p.get(..12) == Some(&[0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0]);
    // uTP's first packet: version 1, type SYN, sequence number 1, nothing acknowledged.
    let utp = || {
        let extension = match p.get(1) {
            Some(0) => p.len() == 20,
            Some(2) => p.len() == 30 && p.get(20..22) == Some(&[0, 8]),
            _ => false,
        };
        p.first() == Some(&0x41)
            && extension
            && be16(p, 16) == Some(1)
            && be16(p, 18) == Some(0)
            && be32(p, 8) == Some(0)
    };
    // uTP's data, where such a message begins in it.
    let data = || p.starts_with(&[1, 0]) && p.get(20..).is_some_and(extended);
    bencoded() || tracker() || p.starts_with(b"BT-SEARCH * HTTP/1.1\r\n") || utp() || data()
}

/// Protocol byte, a length that fits, and a message type of the first messages.
fn edonkey(g: &Glance<'_>) -> bool {
    let [kind, a, b, c, d, message, ..] = g.payload else { return false };
    let len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    let first = match kind {
        0xe3 => matches!(message, 0x01 | 0x38 | 0x40 | 0x4c | 0x34),
        0xc5 => matches!(message, 0x01 | 0x02 | 0x92),
        _ => false,
    };
    // HELLO is followed by the length of a user hash; a server's messages are short.
    first
        && (6..=2048).contains(&len)
        && (len + 5 == g.payload.len() || *message == 0x01 && g.payload.get(6) == Some(&0x10))
}

fn gnutella(g: &Glance<'_>) -> bool {
    g.payload.starts_with(b"GNUTELLA CONNECT/") || g.payload.starts_with(b"GNUTELLA/0.")
}

fn source_query(g: &Glance<'_>) -> bool {
    match g.payload {
        [0xff, 0xff, 0xff, 0xff, b'T', rest @ ..] => rest.starts_with(b"Source Engine Query\0"),
        [0xff, 0xff, 0xff, 0xff, b'U' | b'V', rest @ ..] => rest.len() == 4,
        _ => false,
    }
}

fn steam(g: &Glance<'_>) -> bool {
    let discovery = [0xff, 0xff, 0xff, 0xff, 0x21, 0x4c, 0x5f, 0xa0];
    g.payload.starts_with(&discovery) || g.payload.starts_with(b"VS01") && g.payload.len() >= 36
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, named_midstream, named_tcp, unnamed};

    #[test]
    fn bittorrent_in_all_its_forms() {
        assert_eq!(named_tcp(b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05"), Some("bittorrent"));
        let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"; // BEP 5
        assert_eq!(named(ping), Some("bittorrent"));
        let asked = [0, 0, 0, 13, 6, 0, 0, 1, 0x0e, 0, 1, 0xc0, 0, 0, 0, 0x40, 0];
        assert_eq!(named_midstream(&asked), Some("bittorrent"));
        assert_eq!(named_tcp(&asked), None, "a connection begins with the greeting");
        assert_eq!(named_midstream(b"\0\0\0\x0d\x06session-0001"), None, "a frame of another protocol");
        assert_eq!(named_midstream(b"\0\0\0\x0d\x06\0\0\x01\x0e\0\0\0\x07\0\0\x40\0"), None);
        let sent = [0, 0, 0x40, 9, 7, 0, 0, 1, 0x0e, 0, 1, 0xc0, 0, 0xaa];
        assert_eq!(named_midstream(&sent), Some("bittorrent"));
        assert_eq!(named_tcp(&sent), None);
        let added = b"\0\0\0\xf8\x14\x01d5:added180:";
        assert_eq!(named_tcp(added), Some("bittorrent"));
        assert_eq!(named(&[&[1, 0][..], &[7; 18], &added[..]].concat()), Some("bittorrent"));
        assert_eq!(named_tcp(b"\0\0\0\xf8\x14\x01di5ei6ee"), None);
        let connect = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(named(&connect), Some("bittorrent"));
        let mut syn = [0; 20];
        syn[0] = 0x41;
        syn[2..4].copy_from_slice(&[1, 2]);
        syn[17] = 1;
        assert_eq!(named(&syn), Some("bittorrent"));
        syn[17] = 2;
        unnamed(&syn);
        unnamed(b"d1:rest of something that is no bencoding");
    }

    #[test]
    fn others() {
        let hello = [&[0xe3, 0x2a, 0, 0, 0, 0x01, 0x10][..], &[7; 40]].concat();
        assert_eq!(named_tcp(&hello), Some("edonkey"));
        assert_eq!(named_tcp(b"GNUTELLA CONNECT/0.6\r\n"), Some("gnutella"));
        assert_eq!(named(b"\xff\xff\xff\xffTSource Engine Query\0"), Some("steam"));
        assert_eq!(named(b"\xff\xff\xff\xffT"), None);
    }
}

//! TLS that does not begin with the connection: behind STARTTLS and its kin, inside proxies, in the messages
//! of another protocol, and DTLS between media.

mod common;

use std::path::PathBuf;

use common::{exit, pcap, read, scratch, table, tables, tcp_connection, udp_frame};

const CLIENT: [u8; 4] = [192, 168, 7, 9];
const SERVER: [u8; 4] = [192, 168, 7, 2];
const CLIENT_PORT: u16 = 40_000;

/// Who sends, and what.
type Said<'a> = (char, &'a [u8]);

/// The tables of a connection or a flow of datagrams: `c` and `s` send.
fn play(tcp: bool, port: u16, said: &[(char, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
    let (temp, out) = scratch();
    let datagram = |(who, bytes): &(char, Vec<u8>)| match who {
        'c' => udp_frame(CLIENT, CLIENT_PORT, SERVER, port, bytes),
        _ => udp_frame(SERVER, port, CLIENT, CLIENT_PORT, bytes),
    };
    let frames: Vec<_> = match tcp {
        true => tcp_connection((CLIENT, CLIENT_PORT), (SERVER, port), true, said),
        false => said.iter().map(datagram).collect(),
    };
    let timed: Vec<_> = frames.into_iter().enumerate().map(|(n, f)| (n as u64 * 1000, f)).collect();
    let file = temp.path().join("a.pcap");
    std::fs::write(&file, pcap(&timed)).expect("a file");
    read([&file], &out).ends_with(exit::COMPLETE);
    (temp, out)
}

fn record(ty: u8, payload: &[u8]) -> Vec<u8> {
    [&[ty, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn message(ty: u8, body: &[u8]) -> Vec<u8> {
    [&[ty][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

/// Body of a ClientHello for `in.side`; DTLS has a cookie.
fn client_hello(version: [u8; 2], dtls: bool) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    if dtls {
        body.push(0);
    }
    body.extend([0, 2, 0xc0, 0x2f, 1, 0]);
    body.extend(b"\0\x10\0\0\0\x0c\0\x0a\0\0\x07in.side");
    body
}

fn server_hello(version: [u8; 2]) -> Vec<u8> {
    [&version[..], &[6; 32], &[0, 0xc0, 0x2f, 0]].concat()
}

/// The flights of a handshake of TLS 1.2: hello, answer, end, end.
fn flights() -> [(char, Vec<u8>); 4] {
    let finished = || [record(20, &[1]), record(22, &[0xaa; 40])].concat();
    let certificate = message(11, &[0, 0, 5, 0, 0, 2, 0x30, 0]);
    let answer =
        [record(22, &message(2, &server_hello([3, 3]))), record(22, &certificate), record(22, &message(14, &[]))];
    [
        ('c', record(22, &message(1, &client_hello([3, 3], false)))),
        ('s', answer.concat()),
        ('c', [record(22, &message(16, &[1; 66])), finished()].concat()),
        ('s', finished()),
    ]
}

/// Checks the only row of `tls`.
#[track_caller]
fn one_handshake(out: &std::path::Path, what: &str) {
    let tls = table(out, "tls").pick(&["server_name", "version", "established", "transport"]);
    assert_eq!(tls, [["in.side", "TLSv1.2", "true", "tcp"]], "{what}");
}

const MYSQL_GREETING: &[u8] =
    b"\x4a\0\0\0\x0a8.0.30\0\x08\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0\
abcdefghijkl\0caching_sha2_password\0";
const MYSQL_SSL: &[u8] = b"\x20\0\0\x01\x05\xae\xff\x01\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const LDAP_STARTTLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const LDAP_YES: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";

#[test]
fn behind_starttls_and_inside_proxies() {
    let dialogues: &[(&str, u16, &[Said<'_>])] = &[
        (
            "smtp",
            25,
            &[
                ('s', b"220 mx ESMTP\r\n"),
                ('c', b"EHLO me\r\n"),
                ('s', b"250-mx\r\n250 STARTTLS\r\n"),
                ('c', b"STARTTLS\r\n"),
                ('s', b"220 go\r\n"),
            ],
        ),
        ("imap", 143, &[('s', b"* OK IMAP4rev1\r\n"), ('c', b"a STARTTLS\r\n"), ('s', b"a OK begin\r\n")]),
        ("pop3", 110, &[('s', b"+OK POP3 ready\r\n"), ('c', b"STLS\r\n"), ('s', b"+OK begin\r\n")]),
        ("nntp", 119, &[('s', b"200 news ready\r\n"), ('c', b"STARTTLS\r\n"), ('s', b"382 go\r\n")]),
        ("ftp", 21, &[('s', b"220 FTP ready\r\n"), ('c', b"AUTH TLS\r\n"), ('s', b"234 go\r\n")]),
        (
            "irc",
            6667,
            &[('c', b"CAP LS 302\r\nSTARTTLS\r\n"), ('s', b":irc.example 670 * :STARTTLS successful, go ahead\r\n")],
        ),
        (
            "xmpp",
            5222,
            &[
                ('c', b"<?xml version='1.0'?><stream:stream to='in.side' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"),
                ('s', b"<?xml version='1.0'?><stream:stream from='a' id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"),
                ('c', b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                ('s', b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ],
        ),
        ("ldap", 389, &[('c', LDAP_STARTTLS), ('s', LDAP_YES)]),
        ("postgresql", 5432, &[('c', b"\0\0\0\x08\x04\xd2\x16\x2f"), ('s', b"S")]),
        ("mysql", 3306, &[('s', MYSQL_GREETING), ('c', MYSQL_SSL)]),
        (
            "rdp",
            3389,
            &[
                ('c', b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
                ('s', b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\x01\0\0\0"),
            ],
        ),
        (
            "http",
            3128,
            &[
                ('c', b"CONNECT in.side:443 HTTP/1.1\r\nHost: in.side:443\r\n\r\n"),
                ('s', b"HTTP/1.1 200 Connection established\r\n\r\n"),
            ],
        ),
        ("socks", 1080, &[('c', b"\x04\x01\x01\xbb\xc0\0\x02\x05joe\0"), ('s', b"\0\x5a\0\0\0\0\0\0")]),
        (
            "socks",
            1080,
            &[
                ('c', b"\x05\x01\0"),
                ('s', b"\x05\0"),
                ('c', b"\x05\x01\0\x03\x07in.side\x01\xbb"),
                ('s', b"\x05\0\0\x01\0\0\0\0\0\0"),
            ],
        ),
    ];
    for (service, port, before) in dialogues {
        let mut said: Vec<(char, Vec<u8>)> = before.iter().map(|(who, text)| (*who, text.to_vec())).collect();
        said.extend(flights());
        let (_temp, out) = play(true, *port, &said);
        let what = format!("{service} on {port}");
        one_handshake(&out, &what);
        assert_eq!(table(&out, "flows").pick(&["service", "server_name"]), [[*service, "in.side"]], "{what}");
    }
}

#[test]
fn behind_a_flood_from_the_server() {
    let mut said: Vec<_> = (0..200).map(|n| ('s', vec![0xd0 ^ n as u8; 1000])).collect();
    said.extend(flights());
    let (_temp, out) = play(true, 4444, &said);
    one_handshake(&out, "a client that was silent until then");
}

/// Packets of TDS around pieces of a stream.
fn tds(stream: &[u8], size: usize) -> Vec<u8> {
    let packet =
        |piece: &[u8]| [&[0x12, 1][..], &(piece.len() as u16 + 8).to_be_bytes(), &[0, 0, 0, 0], piece].concat();
    stream.chunks(size).flat_map(packet).collect()
}

#[test]
fn in_the_prelogin_of_sql_server() {
    // Version and encryption: both sides want all encrypted.
    let prelogin = b"\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\x0f\0\x07\xd0\0\0\x01";
    let answer = [&b"\x04\x01\0\x1a\0\0\x01\0"[..], prelogin].concat();
    for size in [7, 300, 4088] {
        let mut said = vec![('c', tds(prelogin, 4088)), ('s', answer.clone())];
        said.extend(flights().map(|(who, flight)| (who, tds(&flight, size))));
        said.push(('c', record(23, &[7; 200])));
        let (_temp, out) = play(true, 1433, &said);
        one_handshake(&out, &format!("pieces of {size}"));
        assert_eq!(table(&out, "flows").pick(&["service", "server_name"]), [["mssql", "in.side"]]);
        let sessions: Vec<_> =
            tables(&out).into_iter().filter(|(_, rows)| rows.has("encryption") && !rows.rows.is_empty()).collect();
        assert_eq!(sessions.len(), 1, "the session is told once");
        assert_eq!(sessions[0].1.rows.len(), 1);
    }
}

/// A control message of OpenVPN with a digest of SHA-1, which acknowledges nothing.
fn control(code: u8, number: u32, tls: &[u8]) -> Vec<u8> {
    let mut out = vec![code << 3, 1, 2, 3, 4, 5, 6, 7, code];
    out.extend([0xdd; 20]);
    out.extend([0, 0, 0, 1, 0x60, 0, 0, 0, 0]);
    out.extend(number.to_be_bytes());
    out.extend(tls);
    out
}

#[test]
fn in_the_control_channel_of_openvpn() {
    for tcp in [false, true] {
        let mut said = vec![('c', control(7, 0, b"")), ('s', control(8, 0, b""))];
        let mut numbers = [1, 1];
        for (who, flight) in flights() {
            for piece in flight.chunks(100) {
                let number = &mut numbers[usize::from(who == 's')];
                said.push((who, control(4, *number, piece)));
                *number += 1;
            }
        }
        if tcp {
            said = said.into_iter().map(|(w, m)| (w, [&(m.len() as u16).to_be_bytes()[..], &m].concat())).collect();
        }
        let (_temp, out) = play(tcp, 1194, &said);
        one_handshake(&out, if tcp { "tcp" } else { "udp" });
        assert_eq!(table(&out, "flows").column("service"), ["openvpn"]);
    }
}

/// The datagram that opens RDP over UDP, of a version.
fn rdp_opening(acknowledged: u32, version: u16) -> Vec<u8> {
    let flags: u16 = if acknowledged == u32::MAX { 0x1001 } else { 0x1005 };
    let mut out = acknowledged.to_be_bytes().to_vec();
    out.extend([0, 64]);
    out.extend(flags.to_be_bytes());
    out.extend([0, 0, 0, 9, 4, 0xd0, 4, 0xd0, 0, 1]);
    out.extend(version.to_be_bytes());
    out.resize(1232, 0);
    out
}

#[test]
fn in_rdp_over_udp() {
    for version in [1_u16, 0x0101] {
        let mut said = vec![('c', rdp_opening(u32::MAX, version)), ('s', rdp_opening(9, version))];
        let mut numbers = [0_u16; 2];
        for (who, flight) in flights() {
            for piece in flight.chunks(100) {
                let number = &mut numbers[usize::from(who == 's')];
                *number += 1;
                let datagram = if version == 1 {
                    let sequence = (9 + u32::from(*number)).to_be_bytes();
                    [&[0, 0, 0, 9, 0, 64, 0, 0x0c, 0, 1, 0, 0][..], &sequence, &sequence, piece].concat()
                } else {
                    // Data behind the acknowledgement of an acknowledgement; first and eighth byte change places.
                    let [low, high] = number.to_le_bytes();
                    let mut out = [&[0xe0, 0x14, 0xc0, 1, 0, low, high, low, high][..], piece].concat();
                    out.swap(0, 7);
                    out
                };
                said.push((who, datagram));
            }
        }
        // Sent again, and out of order.
        said.push(said[2].clone());
        said.swap(3, 4);
        let (_temp, out) = play(false, 3389, &said);
        one_handshake(&out, &format!("version {version:#x}"));
        assert_eq!(table(&out, "flows").pick(&["service", "server_name"]), [["rdp", "in.side"]]);
    }
}

#[test]
fn in_the_tokens_of_gridftp() {
    let base64 = |bytes: &[u8]| {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digits = |chunk: &[u8]| {
            let word = chunk.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
            (0..=chunk.len()).map(|i| DIGITS[(word >> (18 - 6 * i) & 63) as usize]).collect::<Vec<_>>()
        };
        bytes.chunks(3).flat_map(digits).collect::<Vec<_>>()
    };
    let mut said = vec![
        ('s', b"220 GridFTP Server ready.\r\n".to_vec()),
        ('c', b"AUTH GSSAPI\r\n".to_vec()),
        ('s', b"334 ADAT must follow.\r\n".to_vec()),
    ];
    for (who, flight) in flights() {
        let head: &[u8] = if who == 'c' { b"ADAT " } else { b"335 ADAT=" };
        said.push((who, [head, &base64(&flight), b"\r\n"].concat()));
    }
    said.push(('c', b"ADAT FwMB\r\n".to_vec()));
    said.push(('s', b"235 done\r\n".to_vec()));
    let (_temp, out) = play(true, 2811, &said);
    one_handshake(&out, "tokens");
    assert_eq!(table(&out, "flows").column("service"), ["ftp"]);
}

#[test]
fn in_the_messages_of_jxta() {
    let mut said = vec![
        ('c', b"JXTAHELLO tcp://a:1 tcp://b:2 urn:jxta:uuid-59 0 1.1\r\n".to_vec()),
        ('s', b"JXTAHELLO tcp://b:2 tcp://a:1 urn:jxta:uuid-60 0 1.1\r\n".to_vec()),
    ];
    let mut numbers = [1, 1];
    for (who, flight) in flights() {
        for piece in flight.chunks(90) {
            let number = &mut numbers[usize::from(who == 's')];
            let name = number.to_string();
            *number += 1;
            let mut body = b"jxmg\0\0\x01\0\x07jxtatls\0\x01jxel\x02\x01\0".to_vec();
            body.push(name.len() as u8);
            body.extend(name.as_bytes());
            body.extend(b"\0\x1capplication/x-jxta-tls-block");
            body.extend((piece.len() as u32).to_be_bytes());
            body.extend(piece);
            let len = (body.len() as u64).to_be_bytes();
            said.push((who, [&b"\x0econtent-length\0\x08"[..], &len, &[0], &body].concat()));
        }
    }
    let (_temp, out) = play(true, 9701, &said);
    one_handshake(&out, "messages");
    assert_eq!(table(&out, "flows").column("service"), ["jxta"]);
}

/// A message of RADIUS with a packet of EAP-TLS in pieces.
fn radius(code: u8, id: u8, station: &[u8], eap: (u8, u8, &[u8])) -> Vec<u8> {
    let (eap_code, eap_id, content) = eap;
    let packet = [&[eap_code, eap_id][..], &(content.len() as u16 + 5).to_be_bytes(), &[13], content].concat();
    let mut out = vec![code, id, 0, 0];
    out.extend([9; 16]);
    let attribute = |out: &mut Vec<u8>, kind: u8, value: &[u8]| {
        out.extend([kind, value.len() as u8 + 2]);
        out.extend(value);
    };
    if code == 1 {
        attribute(&mut out, 31, station);
    }
    packet.chunks(253).for_each(|piece| attribute(&mut out, 79, piece));
    attribute(&mut out, 80, &[0; 16]);
    let len = (out.len() as u16).to_be_bytes();
    out[2..4].copy_from_slice(&len);
    out
}

#[test]
fn in_eap_of_two_stations_in_radius() {
    // The two dialogues go on in turn on one flow, which holds them apart.
    let mut dialogues = Vec::new();
    for (n, station) in [&b"02-00-00-00-00-01"[..], b"02-00-00-00-00-02"].into_iter().enumerate() {
        let mut id = n as u8 * 100;
        let mut said = Vec::new();
        for (who, flight) in flights() {
            let pieces: Vec<_> = flight.chunks(70).collect();
            for (i, piece) in pieces.iter().enumerate() {
                let flags = if i + 1 < pieces.len() { 0x40 } else { 0 };
                let content = [&[flags][..], piece].concat();
                if who == 'c' {
                    said.push(('c', radius(1, id, station, (2, id, &content))));
                    said.push(('s', radius(11, id, station, (1, id + 1, &[0]))));
                } else {
                    said.push(('c', radius(1, id, station, (2, id, &[0]))));
                    said.push(('s', radius(11, id, station, (1, id + 1, &content))));
                }
                id += 1;
            }
        }
        dialogues.push(said);
    }
    let second = dialogues.pop().expect("two dialogues");
    let said: Vec<_> = dialogues.concat().into_iter().zip(second).flat_map(|(a, b)| [a, b]).collect();
    let (_temp, out) = play(false, 1812, &said);
    let tls = table(&out, "tls").pick(&["server_name", "version", "established"]);
    assert_eq!(tls, [["in.side", "TLSv1.2", "true"], ["in.side", "TLSv1.2", "true"]]);
    assert_eq!(table(&out, "flows").column("service"), ["radius"]);
}

#[test]
fn in_eap_over_a_lan() {
    let group = [1, 0x80, 0xc2, 0, 0, 3];
    let (station, switch) = ([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1]);
    let mut frames = Vec::new();
    let mut id = 0;
    let mut say = |who: char, code: u8, id: u8, content: &[u8]| {
        let len = (content.len() as u16 + 5).to_be_bytes();
        let source = if who == 'c' { station } else { switch };
        frames.push([&group[..], &source, &[0x88, 0x8e, 2, 0], &len, &[code, id], &len, &[25], content].concat());
    };
    for (who, flight) in flights() {
        for piece in flight.chunks(90) {
            let content = [&[0][..], piece].concat();
            // What is sent again is told once.
            say('s', 1, id, if who == 's' { &content } else { &[0] });
            say('s', 1, id, if who == 's' { &content } else { &[0] });
            say('c', 2, id, if who == 'c' { &content } else { &[0] });
            id += 1;
        }
    }
    let timed: Vec<_> = frames.into_iter().enumerate().map(|(n, f)| (n as u64 * 1000, f)).collect();
    let (temp, out) = scratch();
    let file = temp.path().join("a.pcap");
    std::fs::write(&file, pcap(&timed)).expect("a file");
    read([&file], &out).ends_with(exit::COMPLETE);
    one_handshake(&out, "PEAP");
    assert_eq!(table(&out, "tls").pick(&["flow_id", "orig_ip", "orig_port", "packet"]), [["", "", "", "3"]]);
    assert!(table(&out, "findings").rows.iter().all(|r| !r.iter().flatten().any(|cell| cell.contains("0.0.0.0"))));
}

/// A record of DTLS 1.2 with a handshake message, or with something else.
fn dtls(ty: u8, epoch: u8, payload: &[u8]) -> Vec<u8> {
    [&[ty, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn dtls_message(ty: u8, seq: u8, body: &[u8]) -> Vec<u8> {
    let len = &(body.len() as u32).to_be_bytes()[1..];
    dtls(22, 0, &[&[ty][..], len, &[0, seq, 0, 0, 0], len, body].concat())
}

fn dtls_flights() -> [(char, Vec<u8>); 4] {
    let finished = || [dtls(20, 0, &[1]), dtls(22, 1, &[0xaa; 40])].concat();
    let answer = [dtls_message(2, 0, &server_hello([0xfe, 0xfd])), dtls_message(14, 1, &[])].concat();
    [
        ('c', dtls_message(1, 0, &client_hello([0xfe, 0xfd], true))),
        ('s', answer),
        ('c', [dtls_message(16, 1, &[1; 66]), finished()].concat()),
        ('s', finished()),
    ]
}

fn stun(kind: u16, transaction: u8, attributes: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend((attributes.len() as u16).to_be_bytes());
    out.extend(0x2112_a442_u32.to_be_bytes());
    out.extend([transaction; 12]);
    out.extend(attributes);
    out
}

fn media(sequence: u16) -> Vec<u8> {
    let mut out = vec![0x80, 0];
    out.extend(sequence.to_be_bytes());
    out.extend((u32::from(sequence) * 160).to_be_bytes());
    out.extend([0xde, 0xad, 0xbe, 0xef]);
    out.extend([0x5a; 170]);
    out
}

const MAPPED: &[u8] = &[0, 0x20, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6];

#[test]
fn dtls_and_media_behind_stun() {
    let mut said = vec![('c', stun(1, 1, b"")), ('s', stun(0x101, 1, MAPPED))];
    said.extend(dtls_flights());
    said.extend((0..20).map(|n| ('c', media(n))));
    said.push(('s', stun(1, 2, b"")));
    let (_temp, out) = play(false, 50_000, &said);
    let tls = table(&out, "tls").pick(&["server_name", "version", "established", "transport"]);
    assert_eq!(tls, [["in.side", "DTLSv1.2", "true", "dtls"]]);
    assert!(table(&out, "tls").column("ja4")[0].starts_with("dd2d0101"));
    assert_eq!(table(&out, "flows").pick(&["service", "server_name"]), [["dtls", "in.side"]]);
    assert_eq!(table(&out, "rtp").pick(&["encrypted", "packets"]), [["true", "20"]]);
    assert_eq!(table(&out, "stun").rows.len(), 2, "those behind it are read as well");
    let rules = table(&out, "findings").column("rule_id");
    assert!(!rules.iter().any(|r| r == "rtp-in-use"), "{rules:?}");
}

#[test]
fn media_behind_stun_alone_leave_it_open() {
    let mut said = vec![('c', stun(1, 1, b"")), ('s', stun(0x101, 1, MAPPED))];
    said.extend((0..20).map(|n| ('c', media(n))));
    let (_temp, out) = play(false, 50_000, &said);
    assert_eq!(table(&out, "flows").column("service"), ["stun"]);
    assert_eq!(table(&out, "rtp").pick(&["encrypted", "packets"]), [["", "20"]]);
    let rules = table(&out, "findings").column("rule_id");
    assert!(!rules.iter().any(|r| r == "rtp-in-use"), "{rules:?}");
}

#[test]
fn dtls_through_a_relay() {
    let mut said = vec![('c', stun(3, 1, b"\0\x19\0\x04\x11\0\0\0")), ('s', stun(0x103, 1, MAPPED))];
    for (n, (who, datagram)) in dtls_flights().into_iter().enumerate() {
        let padding = vec![0; datagram.len().next_multiple_of(4) - datagram.len()];
        let len = (datagram.len() as u16).to_be_bytes();
        // Indications first, then a channel.
        said.push((
            who,
            if n < 2 {
                let kind = if who == 'c' { 0x16 } else { 0x17 };
                stun(kind, n as u8, &[&[0, 0x13][..], &len, &datagram, &padding].concat())
            } else {
                [&[0x40, 1][..], &len, &datagram, &padding].concat()
            },
        ));
    }
    let (_temp, out) = play(false, 3478, &said);
    let tls = table(&out, "tls").pick(&["server_name", "version", "established", "transport"]);
    assert_eq!(tls, [["in.side", "DTLSv1.2", "true", "dtls"]]);
    assert_eq!(table(&out, "flows").column("service"), ["stun"], "it is one to a relay");
}

#[test]
fn dtls_within_capwap() {
    let said: Vec<_> =
        dtls_flights().into_iter().map(|(who, datagram)| (who, [&[1, 0, 0, 0][..], &datagram].concat())).collect();
    let (_temp, out) = play(false, 5246, &said);
    assert_eq!(table(&out, "tls").pick(&["transport", "established"]), [["dtls", "true"]]);
    assert_eq!(table(&out, "flows").column("service"), ["capwap"]);
}

#[test]
fn twice_the_hellos_take_twice_the_time() {
    let time = |n: u32| {
        let mut said = Vec::new();
        for i in 0..n {
            let mut body = client_hello([0xfe, 0xfd], true);
            body[2..6].copy_from_slice(&i.to_be_bytes());
            said.push(('c', dtls_message(1, 0, &body)));
        }
        let began = std::time::Instant::now();
        let (_temp, out) = play(false, 4433, &said);
        let took = began.elapsed();
        assert_eq!(table(&out, "tls").rows.len(), n as usize);
        took
    };
    let (once, twice) = (time(4000), time(8000));
    // What is quadratic takes four times as long and more, from the second on that the program needs anyway.
    assert!(twice < once * 3 + std::time::Duration::from_secs(1), "{once:?} for 4000, {twice:?} for 8000");
}

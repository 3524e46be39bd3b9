//! Whole connections: the packets of the standards, and some sealed here with their keys.

use super::google::testing::message;
use super::protect::Keys;
use super::testing::{DCID, HELLO_FRAMES, SERVER_FRAMES, V1, V2, bytes};
use super::version::{SCHEME_V1, SCHEME_V2, Scheme};
use super::*;
use crate::base::Timestamp;
use crate::proto::api::LimitCount;
use crate::proto::testing::{Script, Seen, flow};

/// The ClientHello and ServerHello of RFC 9001, appendix A, with their message headers.
fn hellos() -> (Vec<u8>, Vec<u8>) {
    let (client, server) = (bytes(HELLO_FRAMES), bytes(SERVER_FRAMES));
    (client[4..].to_vec(), server[9..].to_vec())
}

fn varint(n: usize) -> Vec<u8> {
    (0x4000 | n as u16).to_be_bytes().to_vec()
}

fn crypto(offset: usize, piece: &[u8]) -> Vec<u8> {
    [&[0x06][..], &varint(offset), &varint(piece.len()), piece].concat()
}

/// A long header as far as the version's type goes, and what its packets are sealed with.
struct Side<'a> {
    version: u32,
    first: u8,
    scheme: &'a Scheme,
    /// What the keys come from.
    origin: &'a [u8],
    role: Role,
    dcid: &'a [u8],
    scid: &'a [u8],
    token: &'a [u8],
}

const CLIENT: Side<'static> = Side {
    version: 1,
    first: 0xc0,
    scheme: &SCHEME_V1,
    origin: b"original",
    role: Role::Client,
    dcid: b"original",
    scid: b"cli",
    token: b"",
};
const SERVER: Side<'static> = Side { role: Role::Server, dcid: b"cli", scid: b"server", ..CLIENT };

impl Side<'_> {
    fn initial(&self, number: u8, frames: &[u8]) -> Vec<u8> {
        let mut frames = frames.to_vec();
        frames.resize(frames.len().max(20), 0);
        let mut header = vec![self.first];
        header.extend(self.version.to_be_bytes());
        for id in [self.dcid, self.scid] {
            header.push(id.len() as u8);
            header.extend(id);
        }
        header.extend(varint(self.token.len()));
        header.extend(self.token);
        header.extend(varint(1 + frames.len() + 16));
        header.push(number);
        Keys::new(self.scheme, self.origin, self.role).seal(&header, &frames)
    }
}

/// A packet of the handshake, or with early data, whose keys nobody has.
fn sealed(first: u8) -> Vec<u8> {
    [&[first, 0, 0, 0, 1, 0, 0, 30][..], &[0x5a; 30]].concat()
}

const SHORT: [u8; 40] = [0x47; 40];

fn whole(seen: &Seen) -> (String, String) {
    let row = seen.rows.iter().find(|row| row.iter().any(|(name, _)| *name == "ja3")).expect("a handshake");
    let get = |name| row.iter().find(|(n, _)| *n == name).map_or(String::new(), |(_, v)| v.clone());
    (get("ja4"), get("ja3s"))
}

#[test]
fn the_connections_of_the_standards() {
    for (vectors, version) in [(V1, "v1"), (V2, "v2")] {
        let (client, server) = (bytes(vectors.client), bytes(vectors.server));
        assert_eq!(Quic::probe(Direction::Orig, &client), Probe::Yes);
        assert_eq!(Quic::probe(Direction::Resp, &server), Probe::Yes);
        let seen = Script::new().orig(&client).resp(&server).datagrams::<Quic>();
        assert_eq!(seen.names[0], ("quic_sni", "example.com".to_owned()));
        assert_eq!(seen.cells("transport"), ["quic", "-"]);
        assert_eq!(seen.cells("version"), ["TLSv1.3", version]);
        assert_eq!(seen.cells("cipher")[0], "TLS_AES_128_GCM_SHA256");
        assert_eq!(seen.cells("curve")[0], "x25519");
        assert_eq!(seen.cells("alpn"), ["[alpn]", "[alpn]"]);
        assert_eq!(seen.cells("client_dcid")[1], DCID);
        assert_eq!(seen.cells("server_scid")[1], "f067a5502a4262b5");
        assert_eq!(
            (seen.cells("opened"), seen.cells("established")),
            (vec!["-".into(), "2".into()], vec!["-".into(); 2])
        );
        // Worked out by hand from the bytes of the hello; the second is MD5 of
        // 771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,
        assert!(whole(&seen).0.starts_with("q13d0211an_"), "{:?}", whole(&seen));
        assert_eq!(seen.cells("ja3")[0], "41bc9ae914d6cb3bd0bd0a5453ab7d7f");
    }
}

#[test]
fn a_server_that_is_seen_first_waits_for_the_keys() {
    let (client, server) = (bytes(V1.client), bytes(V1.server));
    let usual = Script::new().orig(&client).resp(&server).datagrams::<Quic>();
    // The flow's originator is then whoever was seen first.
    let turned = Script::new().orig(&server).resp(&client).datagrams::<Quic>();
    assert_eq!(whole(&usual), whole(&turned));
    assert_eq!(turned.cells("client_dcid")[1], DCID);
    assert_eq!(turned.cells("server_scid")[1], "-", "what its header said was taken for the client's");
    let alone = Script::new().orig(&server).datagrams::<Quic>();
    assert_eq!((alone.rows.len(), alone.cell("opened")), (1, "0".to_owned()));
}

#[test]
fn a_retry_changes_the_keys_and_a_forged_one_nothing() {
    let (hello, answer) = hellos();
    let client = bytes(V1.client);
    let retry = bytes(V1.retry);
    // RFC 9001's Retry has the client go on to f067a5502a4262b5, with "token".
    let next = bytes("f067a5502a4262b5");
    let again = Side { origin: &next, dcid: &next, scid: b"", token: b"token", ..CLIENT };
    let server = Side { origin: &next, dcid: b"", ..SERVER };
    let script = |retry: &[u8]| {
        Script::new()
            .orig(&client)
            .resp(retry)
            .orig(again.initial(1, &crypto(0, &hello)))
            .resp(server.initial(0, &crypto(0, &answer)))
            .datagrams::<Quic>()
    };
    let seen = script(&retry);
    assert_eq!(seen.cells("transport"), ["quic", "-"], "one handshake: {:#?}", seen.rows);
    assert_eq!((seen.cells("retry")[1].as_str(), seen.cells("token_bytes")[1].as_str()), ("true", "5"));
    assert_eq!(seen.cells("packet"), ["-", "-"]);
    assert!(!whole(&seen).1.is_empty(), "the server's hello is read with the new keys");
    assert!(seen.events[0].starts_with("@1s#1 "), "the row stands at the first hello");
    // A Retry that nobody asked for does not count; the token in the next packet tells the same.
    let mut forged = retry;
    forged[18] ^= 1;
    assert_eq!(script(&forged).cells("retry"), ["-", "true"]);
    let only = Script::new().orig(&client).resp(&forged).datagrams::<Quic>();
    assert_eq!(only.cells("retry"), ["-", "false"]);
}

#[test]
fn keys_stay_when_the_client_turns_to_the_servers_identifier() {
    let (hello, answer) = hellos();
    let (first, second) = hello.split_at(100);
    let later = Side { dcid: b"server", ..CLIENT };
    let seen = Script::new()
        .orig(CLIENT.initial(0, &crypto(0, first)))
        .resp(SERVER.initial(0, &[0x02, 0, 0, 0, 0]))
        .orig(later.initial(1, &crypto(100, second)))
        .resp(SERVER.initial(1, &crypto(0, &answer)))
        .datagrams::<Quic>();
    assert_eq!((seen.rows.len(), seen.cells("opened")[1].as_str()), (2, "4"));
    assert!(!whole(&seen).1.is_empty());
}

#[test]
fn packets_in_one_datagram_and_what_follows_settle_the_connection() {
    let (hello, answer) = hellos();
    let client = [CLIENT.initial(0, &crypto(0, &hello)), sealed(0xd0), sealed(0xd0)].concat();
    let server = [SERVER.initial(0, &crypto(0, &answer)), sealed(0xe0)].concat();
    let script = Script::new().orig(&client).resp(&server).resp(SHORT).orig(sealed(0xe0));
    let open = script.clone().datagrams::<Quic>();
    assert_eq!((open.stopped, open.cells("established")), (None, vec!["-".to_owned(); 2]));
    let seen = script.orig(SHORT).orig(SHORT).datagrams::<Quic>();
    assert_eq!(seen.stopped, Some(Progress::Finished));
    assert_eq!(seen.cells("established"), ["true", "true"]);
    assert_eq!((seen.cells("zero_rtt_packets")[1].as_str(), seen.cells("datagrams")[1].as_str()), ("2", "5"));
}

#[test]
fn a_hello_that_asks_for_another_one_has_its_own_row() {
    let (hello, answer) = hellos();
    let mut retry = answer.clone();
    // The random value that makes a HelloRetryRequest of it (RFC 8446, section 4.1.3).
    retry[6..38].copy_from_slice(&bytes("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"));
    let seen = Script::new()
        .orig(CLIENT.initial(0, &crypto(0, &hello)))
        .resp(SERVER.initial(0, &crypto(0, &retry)))
        .orig(CLIENT.initial(1, &crypto(hello.len(), &hello)))
        .resp(SERVER.initial(1, &crypto(retry.len(), &answer)))
        .datagrams::<Quic>();
    assert_eq!(seen.cells("transport"), ["quic", "quic", "-"]);
    assert_eq!(seen.cells("established")[..2], ["false", "-"]);
    assert!(seen.events[0].starts_with("@1s#1 ") && seen.events[1].starts_with("@3s#3 "));
    assert_eq!(seen.cells("retry")[2], "false", "that is another thing");
}

#[test]
fn versions_are_negotiated() {
    let (hello, answer) = hellos();
    let old = Side { version: 0x1a2a_3a4a, ..CLIENT };
    let mut list = vec![0x80, 0, 0, 0, 0, 3, b'c', b'l', b'i', 8];
    list.extend(b"original\0\0\0\x01\x6b\x33\x43\xcf");
    let v2 = Side { version: version::V2, first: 0xd0, scheme: &SCHEME_V2, ..CLIENT };
    let server = Side { role: Role::Server, dcid: b"cli", scid: b"server", ..v2 };
    let mut first = old.initial(0, &crypto(0, &hello));
    first.resize(1200, 0);
    assert_eq!(Quic::probe(Direction::Orig, &first), Probe::Yes);
    assert_eq!(Quic::probe(Direction::Resp, &list), Probe::Yes);
    let seen = Script::new()
        .orig(&first)
        .resp(&list)
        .orig(v2.initial(0, &crypto(0, &hello)))
        .resp(server.initial(0, &crypto(0, &answer)))
        .datagrams::<Quic>();
    let connection = seen.rows.last().unwrap();
    let get = |name| connection.iter().find(|(n, _)| *n == name).unwrap().1.as_str();
    assert_eq!((get("version"), get("client_versions")), ("v2", "[reserved-1a2a3a4a,v2]"));
    assert_eq!(get("server_versions"), "[v1,v2]");
    assert_eq!(seen.cells("transport"), ["quic", "quic", "-"], "each hello has its row");
    assert_eq!(seen.cells("established"), ["false", "-", "-"]);
    assert!(seen.cells("ja3s")[0] == "-" && seen.cells("ja3s")[1] != "-");
    // One that has the version in use was not made by the server.
    let forged = Script::new().orig(CLIENT.initial(0, &crypto(0, &hello))).resp(&list).datagrams::<Quic>();
    assert_eq!(forged.cells("server_versions")[1], "-");
    // A server's list alone still tells what it is.
    let alone = Script::new().resp(&list).datagrams::<Quic>();
    assert_eq!(alone.cell("server_versions"), "[v1,v2]");
    assert_eq!((alone.cell("client_dcid"), alone.cell("client_scid")), ("6f726967696e616c".into(), "636c69".into()));
}

#[test]
fn a_compatible_version_goes_on_with_the_first_identifier() {
    // RFC 9368, section 2.3: the server answers in version 2, with keys from the client's first identifier.
    let (hello, answer) = hellos();
    let v2 = Side { version: version::V2, first: 0xd0, scheme: &SCHEME_V2, ..SERVER };
    let client = Side { role: Role::Client, dcid: b"server", scid: b"cli", ..v2 };
    let seen = Script::new()
        .orig(CLIENT.initial(0, &crypto(0, &hello)))
        .resp(v2.initial(0, &crypto(0, &answer)))
        .orig(client.initial(1, &[0x02, 0, 0, 0, 0]))
        .datagrams::<Quic>();
    assert_eq!((seen.rows.len(), seen.cells("opened")[1].as_str()), (2, "3"));
    assert_eq!((seen.cells("version")[1].as_str(), seen.cells("client_versions")[1].as_str()), ("v2", "[v1,v2]"));
}

#[test]
fn the_end_of_a_connection_says_why() {
    let (hello, _) = hellos();
    // 0x178: no application protocol (RFC 9001, section 4.8).
    let close = [&[0x1c, 0x41, 0x78, 0x06, 5][..], b"sorry"].concat();
    let seen =
        Script::new().orig(CLIENT.initial(0, &crypto(0, &hello))).resp(SERVER.initial(0, &close)).datagrams::<Quic>();
    assert_eq!(seen.cells("close_error")[1], "no_application_protocol");
    assert_eq!((seen.cells("closed_by")[1].as_str(), seen.cells("close_reason")[1].as_str()), ("server", "sorry"));
    assert_eq!(seen.cells("established"), ["false", "false"]);
    assert!(seen.events[0].contains("description: 120"));
}

#[test]
fn one_connection_after_another_over_the_same_ports() {
    let (hello, answer) = hellos();
    let next = Side { origin: b"another one", dcid: b"another one", scid: b"", ..CLIENT };
    let server = Side { origin: b"another one", dcid: b"", ..SERVER };
    let seen = Script::new()
        .orig(CLIENT.initial(0, &crypto(0, &hello)))
        .orig(next.initial(0, &crypto(0, &hello)))
        .resp(server.initial(0, &crypto(0, &answer)))
        .datagrams::<Quic>();
    assert_eq!(seen.cells("transport"), ["quic", "-", "quic", "-"]);
    assert_eq!(seen.cells("ja3s").iter().filter(|c| *c != "-").count(), 1);
}

#[test]
fn other_packets_are_no_reason_to_believe() {
    for datagram in [
        &SHORT[..],
        &[0x80; 40],
        b"\xc0\0\0\0\x02 unknown version",
        b"\x80\x60\0\x01\0\0\0\0 RTP",
        b"\0\x01\0\0\x21\x12\xa4\x42 STUN",
        &bytes(V1.client)[..30],
    ] {
        assert_eq!(Quic::probe(Direction::Orig, datagram), Probe::No, "{datagram:?}");
    }
    let seen = Script::new().orig(SHORT).datagrams::<Quic>();
    assert_eq!((seen.stopped, seen.rows.len()), (Some(Progress::Violation("no QUIC packet")), 0));
}

#[test]
fn google_quic_in_clear() {
    let chlo = message(google::CHLO, &[(b"SNI\0", b"mail.example"), (b"VER\0", b"Q043"), (b"UAID", b"Chrome/60")]);
    let rej = message(google::REJ, &[(b"STK\0", b"token")]);
    let len = |m: &[u8]| (m.len() as u16).to_be_bytes();
    let client = [b"\x09connect1Q043\x01".as_slice(), &[0; 12], &[0xa0, 1], &len(&chlo), &chlo, &[0; 9]].concat();
    let server = [b"\x08connect1\x01".as_slice(), &[0; 12], &[0xa0, 1], &len(&rej), &rej].concat();
    assert_eq!(Quic::probe(Direction::Orig, &client), Probe::Yes);
    let seen = Script::new().orig(&client).resp(&server).datagrams::<Quic>();
    assert_eq!(seen.stopped, Some(Progress::Finished));
    assert_eq!((seen.cell("version"), seen.cell("user_agent")), ("Q043".into(), "Chrome/60".into()));
    assert_eq!((seen.cell("retry"), seen.cell("alpn")), ("true".into(), "-".into()));
    assert_eq!(seen.names, [("quic_sni", "mail.example".to_owned())]);
    // Q046 has a long header around the same.
    let q046 = [b"\xc3Q046\x50connect1\0\0\0\x01".as_slice(), &[0; 12], &[0xa0, 1], &len(&chlo), &chlo].concat();
    assert_eq!(Quic::probe(Direction::Orig, &q046), Probe::Yes);
    let seen = Script::new().orig(&q046).datagrams::<Quic>();
    assert_eq!((seen.cell("version"), seen.cell("server_name")), ("Q046".into(), "mail.example".into()));
    // A second CHLO, where the first was missed: its offset is not 0.
    let second =
        [b"\xc3Q046\x50connect1\0\0\0\x04".as_slice(), &[0; 12], &[0xa4, 1, 4, 0], &len(&chlo), &chlo].concat();
    assert_eq!(Script::new().orig(&second).datagrams::<Quic>().cell("server_name"), "mail.example");
}

#[test]
fn google_quic_under_protection() {
    let q050 = u32::from_be_bytes(*b"Q050");
    let scheme = version::schemes(q050)[0];
    let chlo = message(google::CHLO, &[(b"SNI\0", b"mail.example"), (b"UAID", b"Chrome/80")]);
    let frames = [&[0x08][..], &varint(0), &varint(chlo.len()), &chlo].concat();
    let client = Side { version: q050, scheme, ..CLIENT };
    let seen = Script::new().orig(client.initial(1, &frames)).datagrams::<Quic>();
    assert_eq!((seen.cell("version"), seen.cell("server_name")), ("Q050".into(), "mail.example".into()));
    assert_eq!((seen.cell("user_agent"), seen.cell("opened")), ("Chrome/80".into(), "1".into()));
    // T051 has TLS inside frames of Google's.
    let t051 = u32::from_be_bytes(*b"T051");
    let (hello, _) = hellos();
    let frames = [&[0x08][..], &varint(0), &varint(hello.len()), &hello].concat();
    let client = Side { version: t051, scheme: version::schemes(t051)[0], ..CLIENT };
    let seen = Script::new().orig(client.initial(1, &frames)).datagrams::<Quic>();
    assert_eq!((seen.cells("version")[1].as_str(), seen.names[0].1.as_str()), ("T051", "example.com"));
    assert_eq!(seen.cells("alpn"), ["[alpn]", "[alpn]"]);
}

#[test]
fn vendors_and_drafts_are_opened_with_the_salt_that_fits() {
    let (hello, _) = hellos();
    for version in [0xff00_0016, 0xff00_0017, 0xff00_001b, 0xff00_001d, 0xff00_0022, 0xface_b002, 0x709a_50c4] {
        let first = if version::has_types_of_v2(version) { 0xd0 } else { 0xc0 };
        for scheme in version::schemes(version) {
            let client = Side { version, first, scheme, ..CLIENT };
            let seen = Script::new().orig(client.initial(0, &crypto(0, &hello))).datagrams::<Quic>();
            assert_eq!((seen.rows.len(), seen.cells("opened").pop().unwrap().as_str()), (2, "1"), "{version:08x}");
        }
    }
}

/// Feeds datagrams to a parser; counts the rows, and how many datagrams it wanted.
fn feed(datagrams: impl Iterator<Item = (Direction, Vec<u8>)>) -> (usize, usize, u64, usize) {
    let (flow, limited) = (flow(), LimitCount::default());
    let mut parser = Quic::default();
    let (mut rows, mut wanted, mut peak) = (0, 0, 0);
    for (i, (dir, datagram)) in datagrams.enumerate() {
        let cx = Cx { ts: Timestamp(0), packet: i as u64, flow: &flow, limited: &limited };
        wanted = i + 1;
        let progress = parser.on_data(cx, dir, &datagram, &mut |_| rows += 1);
        peak = peak.max(parser.heap());
        if progress == Progress::Finished {
            break;
        }
    }
    (rows, wanted, limited.take(), peak)
}

#[test]
fn a_thousand_initials_cost_little() {
    // The same packet again and again.
    let (hello, _) = hellos();
    let same = CLIENT.initial(0, &crypto(0, &hello));
    let (_, wanted, _, _) = feed((0..1000).map(|_| (Direction::Orig, same.clone())));
    assert_eq!(wanted, 1 + limits::QUIC_IDLE_DATAGRAMS_MAX as usize);
    // Packets that no key opens.
    let mut forged = same.clone();
    *forged.last_mut().unwrap() ^= 1;
    let (_, wanted, limited, _) = feed((0..1000).map(|_| (Direction::Orig, forged.clone())));
    assert_eq!((wanted, limited), (1 + limits::QUIC_KEYS_MAX as usize, 1), "given up, which is told");
    // Some of them do not hide the connection that follows.
    let (rows, ..) = feed((0..200).map(|i| (Direction::Orig, if i < 99 { forged.clone() } else { same.clone() })));
    assert!(rows > 0);
    // A new connection with each.
    let (rows, wanted, limited, peak) = feed((0..1000_u16).map(|i| {
        let id = i.to_be_bytes();
        let client = Side { origin: &id, dcid: &id, scid: b"", ..CLIENT };
        (Direction::Orig, client.initial(0, &crypto(0, &hello)))
    }));
    assert_eq!((rows, wanted, limited), (2 * 64 + 2, 65, 1));
    assert!(peak < 16 << 10, "{peak} bytes");
    // A byte of the hello with each, all with gaps between.
    let (_, wanted, limited, peak) =
        feed((0..1000).map(|i| (Direction::Orig, CLIENT.initial(i as u8, &crypto(2 * i, b"x")))));
    assert!(wanted < 400 && limited > 0 && peak < 64 << 10, "{wanted} datagrams, {peak} bytes");
}

mod any_order {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn of_any_pieces_gives_the_same_hello(
            cuts in prop::collection::vec((0_usize..241, 1_usize..120), 0..12),
            order in any::<u64>(),
            together in 1_usize..4,
        ) {
            let (hello, _) = hellos();
            let mut pieces: Vec<(usize, &[u8])> = hello.chunks(70).enumerate().map(|(i, p)| (i * 70, p)).collect();
            for (at, len) in cuts {
                pieces.push((at, &hello[at..(at + len).min(hello.len())]));
            }
            pieces.sort_by_key(|(at, piece)| crate::base::hash::mix(order, (at * 1000 + piece.len()) as u64));
            let mut script = Script::new();
            for (number, group) in pieces.chunks(together).enumerate() {
                let frames: Vec<u8> = group.iter().flat_map(|(at, piece)| {
                    [&[1, 0][..], &crypto(*at, piece), &[0, 0]].concat()
                }).collect();
                script = script.orig(CLIENT.initial(number as u8, &frames));
            }
            let seen = script.datagrams::<Quic>();
            let at_once = Script::new().orig(CLIENT.initial(0, &crypto(0, &hello))).datagrams::<Quic>();
            prop_assert_eq!(whole(&seen), whole(&at_once));
            prop_assert_eq!(&seen.names[0], &at_once.names[0]);
        }

        #[test]
        fn nothing_that_comes_panics(
            first in any::<u8>(),
            version in prop::sample::select(vec![0, 1, version::V2, 0xff00_001d, 0xff00_0011, 0xface_b002,
                u32::from_be_bytes(*b"Q043"), u32::from_be_bytes(*b"Q046"), u32::from_be_bytes(*b"T051")]),
            tail in prop::collection::vec(any::<u8>(), 0..200),
            from_client in any::<bool>(),
        ) {
            let datagram = [&[first][..], &version.to_be_bytes(), &tail].concat();
            Quic::probe(Direction::Orig, &datagram);
            let client = bytes(V1.client);
            let script = Script::new().orig(&client);
            let script = if from_client { script.orig(&datagram) } else { script.resp(&datagram) };
            script.resp(&datagram).orig(&client).datagrams::<Quic>();
            Script::new().orig(&datagram).resp(&datagram).orig(&client).datagrams::<Quic>();
        }
    }
}

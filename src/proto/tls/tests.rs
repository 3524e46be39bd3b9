//! Tests of the parser as a whole.

use sha2::{Digest, Sha256};

use super::*;
use crate::base::hash::mix;
use crate::fingerprint::hello::tests::client_hello;
use crate::fingerprint::sslv2::tests::{client_bytes, server_bytes};
use crate::proto::testing::{Seen, followed, grows_evenly, probe_all};

type Script = crate::proto::testing::Script;

fn record(ty: u8, payload: &[u8]) -> Vec<u8> {
    [&[ty, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn message(ty: u8, body: &[u8]) -> Vec<u8> {
    [&[ty][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn clear(ty: u8, body: &[u8]) -> Vec<u8> {
    record(22, &message(ty, body))
}

/// A ClientHello for `a.b`, with a session identifier of one byte where one is given.
fn hello(session: Option<u8>) -> Vec<u8> {
    let alpn = b"\x00\x0c\x02h2\x08http/1.1";
    let mut body = client_hello(0x0303, &[0xc02f, 0x002f], &[(0, b"\x00\x06\x00\x00\x03a.b"), (16, alpn)]);
    if let Some(id) = session {
        body.splice(34..35, [1, id]);
    }
    body
}

fn hello_13() -> Vec<u8> {
    client_hello(0x0303, &[0x1301], &[(43, &[2, 3, 4]), (0, b"\x00\x06\x00\x00\x03a.b"), (41, b"")])
}

fn server_hello(session: &[u8], cipher: u16, extensions: &[u8]) -> Vec<u8> {
    let mut out = vec![3, 3];
    out.extend([6; 32]);
    out.push(session.len() as u8);
    out.extend(session);
    out.extend(cipher.to_be_bytes());
    out.push(0);
    if !extensions.is_empty() {
        out.extend((extensions.len() as u16).to_be_bytes());
        out.extend(extensions);
    }
    out
}

/// supported_versions and key_share of a ServerHello of TLS 1.3.
const SERVER_13: [u8; 18] = [0, 43, 0, 2, 3, 4, 0, 51, 0, 8, 0, 29, 0, 4, 1, 2, 3, 4];
const CCS: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// Two certificates of a few bytes.
fn certificate_list() -> Vec<u8> {
    vec![0, 0, 9, 0, 0, 2, 0x30, 0, 0, 0, 1, 0x31]
}

fn finished() -> Vec<u8> {
    [CCS.to_vec(), record(22, &[0xaa; 40])].concat()
}

/// The flight of a server of TLS 1.2, each message in a record of its own.
fn flight() -> Vec<u8> {
    let share = [3, 0, 29, 2, 7, 7, 8, 4, 0, 2, 9, 9];
    let parts = [
        clear(2, &server_hello(&[], 0xc02f, &[0xff, 1, 0, 1, 0])),
        clear(11, &certificate_list()),
        clear(12, &share),
        clear(14, &[]),
    ];
    parts.concat()
}

fn whole_12() -> Script {
    Script::new().orig(clear(1, &hello(None))).resp(flight()).orig([clear(16, &[1; 66]), finished()].concat())
}

fn verdict(seen: &Seen) -> (String, String) {
    (seen.cell("resumed"), seen.cell("established"))
}

#[test]
fn a_full_handshake_of_tls_1_2() {
    let seen = whole_12().resp(finished()).orig(record(23, &[1; 500])).any_chunking::<TlsParser>();
    let cell = |name: &str| seen.cell(name);
    assert_eq!(cell("transport"), "tcp");
    assert_eq!((cell("version"), cell("client_version")), ("TLSv1.2".into(), "TLSv1.2".into()));
    assert_eq!(cell("server_name"), "a.b");
    assert_eq!(cell("alpn"), "[h2,http/1.1]");
    assert_eq!(cell("cipher"), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(cell("curve"), "x25519");
    assert_eq!(cell("ja3_raw"), "771,49199-47,0-16,,");
    assert_eq!(cell("ja3"), crate::fingerprint::ja3::digest("771,49199-47,0-16,,"));
    assert_eq!(cell("ja3s"), crate::fingerprint::ja3::digest("771,49199,65281"));
    assert_eq!(cell("ja4_raw"), "t12d0202h2_002f,c02f_");
    assert!(cell("ja4").ends_with("_000000000000"));
    assert_eq!(verdict(&seen), ("false".into(), "true".into()));
    let hashes = [Sha256::digest([0x30, 0]), Sha256::digest([0x31])].map(|h| crate::fingerprint::hex(&h));
    assert_eq!(cell("certificate_sha256"), format!("[{}]", hashes.join(",")));
    assert_eq!(seen.names, [("sni", "a.b".to_owned())]);
    assert!(seen.events[0].starts_with("Certificates { sender: Resp, from_server: true, chain: [[48, 0], [49]]"));
    assert!(seen.events[1].starts_with("@1s#1 "), "the row is that of the ClientHello");
    assert!(seen.events[1].contains("signature_scheme: Some(2052)"));
    assert_eq!(seen.stopped, Some(Progress::Finished));
}

#[test]
fn a_heartbeat_that_asks_for_memory() {
    let seen = Script::new()
        .orig(clear(1, &hello(None)))
        .resp(flight())
        .orig([24, 3, 2, 0, 3, 1, 0x40, 0])
        .resp(record(24, &[2; 600]))
        .any_chunking::<TlsParser>();
    let row = seen.events.iter().find(|e| e.starts_with('@')).expect("a handshake");
    assert!(
        row.contains("heartbeat: Some(Heartbeat { sender: Orig, claimed: 16384, carried: 0, answered: 600 })"),
        "{row}"
    );
    // What the row says beside it.
    assert_eq!(["ech", "post_quantum", "secure_renegotiation"].map(|c| seen.cell(c)), ["false", "false", "true"]);
    assert_eq!(
        ["compression", "signature_scheme", "dh_bits"].map(|c| seen.cell(c)),
        ["none", "rsa_pss_rsae_sha256", "-"]
    );
    let short = Script::new()
        .orig(clear(1, &hello(None)))
        .resp(flight())
        .orig(record(24, &[1, 0, 1]))
        .any_chunking::<TlsParser>();
    assert!(short.events.iter().any(|e| e.contains("heartbeat: Some")), "no room for the padding");
    let sealed = whole_12().resp(finished()).orig(record(24, &[1, 0x40, 0])).any_chunking::<TlsParser>();
    assert!(
        !sealed.events.iter().any(|e| e.contains("heartbeat: Some")),
        "behind the change of ciphers it is encrypted"
    );
}

#[test]
fn messages_may_span_records_at_any_byte() {
    let wanted = whole_12().resp(finished()).run::<TlsParser>();
    let mut server = message(2, &server_hello(&[], 0xc02f, &[0xff, 1, 0, 1, 0]));
    server.extend(message(11, &certificate_list()));
    server.extend(message(12, &[3, 0, 29, 2, 7, 7, 8, 4, 0, 2, 9, 9]));
    // A message that is not looked into.
    server.extend(message(13, &[5; 70]));
    server.extend(message(14, &[]));
    let client = message(1, &hello(None));
    for size in [1, 2, 3, 4, 5, 9, 50, 1000] {
        let cut = |bytes: &[u8]| bytes.chunks(size).flat_map(|part| record(22, part)).collect::<Vec<_>>();
        let seen = Script::new()
            .orig(cut(&client))
            .resp(cut(&server))
            .orig([clear(16, &[1; 66]), finished()].concat())
            .resp(finished())
            .any_chunking::<TlsParser>();
        assert_eq!(seen, wanted, "records of {size} bytes");
    }
}

#[test]
fn a_resumed_session_by_identifier_and_by_ticket() {
    for (client, server) in [(Some(5), &[5][..]), (None, &[])] {
        let seen = Script::new()
            .orig(clear(1, &hello(client)))
            .resp([clear(2, &server_hello(server, 0x002f, &[])), finished()].concat())
            .orig(finished())
            .any_chunking::<TlsParser>();
        assert_eq!(verdict(&seen), ("true".into(), "true".into()));
        assert_eq!(seen.cell("certificate_sha256"), "[]");
    }
    let seen = Script::new().orig(clear(1, &hello(Some(5)))).resp(clear(2, &server_hello(&[6], 0x002f, &[])));
    assert_eq!(verdict(&seen.run::<TlsParser>()), ("-".into(), "false".into()));
}

#[test]
fn tls_1_3_is_established_by_data_from_both() {
    let start = Script::new()
        .orig(clear(1, &hello_13()))
        .resp([clear(2, &server_hello(&[], 0x1301, &SERVER_13)), CCS.to_vec(), record(23, &[9; 900])].concat());
    let seen = start.clone().orig([CCS.to_vec(), record(23, &[8; 53])].concat()).any_chunking::<TlsParser>();
    assert_eq!(verdict(&seen), ("false".into(), "true".into()));
    assert_eq!((seen.cell("version"), seen.cell("curve")), ("TLSv1.3".into(), "x25519".into()));
    assert_eq!(seen.cell("certificate_sha256"), "-", "encrypted");
    assert_eq!(seen.stopped, Some(Progress::Finished));
    let refused = start.orig(record(23, &[8; 19])).any_chunking::<TlsParser>();
    assert_eq!(verdict(&refused).1, "false", "an encrypted alert is no Finished message");
    let with_psk = [&SERVER_13[..], &[0, 41, 0, 2, 0, 0]].concat();
    let seen = Script::new()
        .orig(clear(1, &hello_13()))
        .resp([clear(2, &server_hello(&[], 0x1301, &with_psk)), record(23, &[9; 900])].concat())
        .orig(record(23, &[8; 53]))
        .any_chunking::<TlsParser>();
    assert_eq!(verdict(&seen), ("true".into(), "true".into()));
}

#[test]
fn a_retry_makes_two_rows() {
    let mut retry = server_hello(&[], 0x1301, &[0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24]);
    let random: [u8; 32] = Sha256::digest(b"HelloRetryRequest").into();
    retry.splice(2..34, random);
    let seen = Script::new()
        .orig(clear(1, &hello_13()))
        .resp([clear(2, &retry), CCS.to_vec()].concat())
        .orig([CCS.to_vec(), clear(1, &hello_13())].concat())
        .resp([clear(2, &server_hello(&[], 0x1301, &SERVER_13)), record(23, &[9; 900])].concat())
        .orig(record(23, &[8; 53]))
        .any_chunking::<TlsParser>();
    assert_eq!(seen.cells("version"), ["TLSv1.3", "TLSv1.3"]);
    assert_eq!(seen.cells("curve"), ["secp384r1", "x25519"]);
    assert_eq!(seen.cells("established"), ["false", "true"]);
    assert!(seen.events[0].starts_with("@1s#1 ") && seen.events[1].starts_with("@3s#3 "));
}

#[test]
fn a_refused_hello_has_a_row_with_the_alert() {
    let seen = Script::new().orig(clear(1, &hello(None))).resp([21, 3, 3, 0, 2, 2, 40]).any_chunking::<TlsParser>();
    assert_eq!((seen.cell("version"), verdict(&seen)), ("-".into(), ("-".into(), "false".into())));
    assert!(seen.events[0].contains("Alert { sender: Resp, level: 2, description: 40 }"));
    let unanswered = Script::new().orig(clear(1, &hello(None))).any_chunking::<TlsParser>();
    assert_eq!(unanswered.cell("established"), "false");
    let html = Script::new().orig(clear(1, &hello(None))).resp(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(html.any_chunking::<TlsParser>().cell("server_name"), "a.b");
}

#[test]
fn half_a_conversation_says_what_it_can() {
    let client = Script::new()
        .orig(clear(1, &hello(None)))
        .orig([clear(16, &[1; 66]), finished()].concat())
        .any_chunking::<TlsParser>();
    assert_eq!((client.cell("version"), verdict(&client)), ("-".into(), ("-".into(), "-".into())));
    let server = Script::new().resp(flight()).resp(finished()).any_chunking::<TlsParser>();
    assert_eq!((server.cell("ja3"), server.cell("version")), ("-".into(), "TLSv1.2".into()));
    assert_eq!(verdict(&server), ("false".into(), "-".into()));
    assert!(server.events[1].starts_with("@1s#1 ") && server.names.is_empty());
}

#[test]
fn an_answer_that_is_delivered_before_the_hello_joins_it() {
    let seen = Script::new()
        .resp(flight())
        .orig([clear(1, &hello(None)), clear(16, &[1; 66]), finished()].concat())
        .resp(finished())
        .any_chunking::<TlsParser>();
    assert_eq!((seen.cell("server_name"), seen.cell("version")), ("a.b".into(), "TLSv1.2".into()));
    assert_eq!(seen.cell("established"), "true");
}

#[test]
fn the_client_may_be_the_responder() {
    let seen = Script::new()
        .resp(clear(1, &hello(None)))
        .orig(flight())
        .resp([clear(16, &[1; 66]), finished()].concat())
        .orig(finished())
        .any_chunking::<TlsParser>();
    assert_eq!(verdict(&seen), ("false".into(), "true".into()));
    assert!(seen.events[0].contains("from_server: true"));
}

#[test]
fn a_gap_leaves_open_what_it_hid() {
    let seen = Script::new()
        .orig(clear(1, &hello(None)))
        .resp(clear(2, &server_hello(&[], 0xc02f, &[])))
        .gap(Direction::Resp, 3000)
        .resp([7; 100])
        .orig([clear(16, &[1; 66]), finished(), record(23, &[1; 99])].concat())
        .any_chunking::<TlsParser>();
    assert_eq!((seen.cell("version"), verdict(&seen)), ("TLSv1.2".into(), ("-".into(), "-".into())));
    assert_eq!(seen.cell("certificate_sha256"), "-");
    // Records that begin right behind the gap are read again.
    let seen = Script::new()
        .orig(clear(1, &hello(None)))
        .resp(clear(2, &server_hello(&[], 0xc02f, &[])))
        .gap(Direction::Resp, 3000)
        .resp(clear(14, &[]))
        .orig([clear(16, &[1; 66]), finished()].concat())
        .resp(finished())
        .any_chunking::<TlsParser>();
    assert_eq!(verdict(&seen), ("false".into(), "true".into()));
}

/// Limits that are hit where a flow begins with these bytes, one side after the other.
fn limits_hit(from_start: bool, sides: &[(Direction, Vec<u8>)]) -> u64 {
    let flow = crate::proto::api::FlowView { transport: Transport::Tcp, from_start, ..crate::proto::testing::flow() };
    let limited = crate::proto::api::LimitCount::default();
    let cx = Cx { ts: crate::base::Timestamp(0), packet: 1, flow: &flow, limited: &limited };
    let mut parser = TlsParser::default();
    for (dir, bytes) in sides {
        parser.on_data(cx, *dir, bytes, &mut |_| ());
    }
    limited.take()
}

#[test]
fn what_limits_pass_over_is_counted() {
    use Direction::{Orig, Resp};
    let begun = || vec![(Orig, clear(1, &hello(None))), (Resp, clear(2, &server_hello(&[], 0xc02f, &[])))];
    let with = |from_start, bytes: Vec<u8>| limits_hit(from_start, &[begun(), vec![(Resp, bytes)]].concat());
    let chain = |count: usize| {
        let list = [0, 0, 1, 0x30].repeat(count);
        clear(11, &[&(list.len() as u32).to_be_bytes()[1..], &list].concat())
    };
    assert_eq!(with(true, chain(limits::TLS_CHAIN_MAX)), 0);
    assert_eq!(with(true, chain(limits::TLS_CHAIN_MAX + 1)), 1, "certificates beyond those that are read");
    let chains = |count: usize| with(true, chain(limits::TLS_CHAIN_MAX).repeat(count));
    assert_eq!((chains(2), chains(3)), (0, 1), "hashes beyond those that are kept");
    // The front of a message of so many bytes.
    let long = |ty: u8, len: u32| record(22, &[&[ty][..], &len.to_be_bytes()[1..], &[7; 100]].concat());
    assert_eq!(with(true, long(11, 200_000)), 1);
    assert_eq!(with(true, long(11, 300_000)), 1, "longer than any that is believed");
    assert_eq!(with(true, [record(22, &[11, 4]), record(22, &[0, 0, 1])].concat()), 1, "its header in two records");
    assert_eq!(with(true, long(15, 300_000)), 0, "nothing is read of it");
    assert_eq!(with(true, long(99, 300_000)), 0, "no message");
    assert_eq!(with(true, [CCS.to_vec(), long(11, 300_000)].concat()), 0, "encrypted");
    assert_eq!(with(false, long(11, 300_000)), 0, "it may be encrypted");
    assert_eq!(limits_hit(true, &[(Orig, long(1, 300_000))]), 1);
}

#[test]
fn twice_the_input_takes_twice_the_time() {
    use Direction::{Orig, Resp};
    let play = |sides: &Vec<(Direction, Vec<u8>)>| {
        limits_hit(true, sides);
    };
    grows_evenly("hellos", 1000, |n| vec![(Orig, clear(1, &hello(None)).repeat(n))], play);
    let answered = |n| (0..n).flat_map(|_| [(Orig, clear(1, &hello(None))), (Resp, flight())]).collect();
    grows_evenly("hellos with answers", 500, answered, play);
    let list = |der: &[u8], count: usize| {
        let list = [&(der.len() as u32).to_be_bytes()[1..], der].concat().repeat(count);
        [&(list.len() as u32).to_be_bytes()[1..], &list].concat()
    };
    let records = |message: &[u8]| message.chunks(16_000).flat_map(|part| record(22, part)).collect::<Vec<u8>>();
    let begun = |bytes: Vec<u8>| vec![(Orig, clear(1, &hello(None))), (Resp, bytes)];
    let chains = |n| begun(records(&message(11, &list(&[0x30; 1000], 30))).repeat(n));
    grows_evenly("chains", 60, chains, play);
    grows_evenly("a chain", 16, |n| begun(records(&message(11, &list(&[0x30; 3900], n))).repeat(20)), play);
    grows_evenly("a chain beyond the limit", 20_000, |n| begun(records(&message(11, &list(&[], n))).repeat(20)), play);
    // A message in records of one byte.
    let pieces = |n| begun(message(11, &list(&[0x30; 100], n)).chunks(1).flat_map(|b| record(22, b)).collect());
    grows_evenly("records", 300, pieces, play);
}

#[test]
fn hellos_of_ssl_2() {
    let seen = Script::new()
        .orig(client_bytes(2))
        .resp(server_bytes())
        .orig([0x80, 9, 2, 1, 0, 0x80, 0, 0, 0, 0, 0])
        .any_chunking::<TlsParser>();
    assert_eq!((seen.cell("version"), seen.cell("client_version")), ("SSLv2".into(), "SSLv2".into()));
    assert_eq!((seen.cell("cipher"), seen.cell("ja3")), ("SSL_CK_RC4_128_WITH_MD5".into(), "-".into()));
    assert_eq!(seen.cell("ja4"), "ts2i000000_000000000000_000000000000");
    assert_eq!(verdict(&seen), ("false".into(), "-".into()));
    assert_eq!(seen.cell("certificate_sha256").len(), 66);
    // The old form from a client that can do TLS, and a server that takes it at its word.
    let seen = Script::new()
        .orig(client_bytes(0x0301))
        .resp(flight())
        .orig([clear(16, &[1; 66]), finished()].concat())
        .resp(finished())
        .any_chunking::<TlsParser>();
    assert_eq!((seen.cell("version"), seen.cell("client_version")), ("TLSv1.2".into(), "TLSv1.0".into()));
    assert_eq!(verdict(&seen), ("false".into(), "true".into()));
}

#[test]
fn an_encrypted_flow_is_left_alone_soon() {
    let data = record(23, &[3; 1000]);
    let seen = Script::new().orig(data.repeat(40)).any_chunking::<TlsParser>();
    assert_eq!((seen.rows.len(), seen.stopped), (0, Some(Progress::Finished)));
}

#[test]
fn a_server_name_of_any_bytes() {
    let body = client_hello(0x0303, &[5], &[(0, b"\x00\x07\x00\x00\x04\xff\x1bab")]);
    let seen = Script::new().orig(clear(1, &body)).any_chunking::<TlsParser>();
    assert_eq!(seen.cell("server_name"), "\u{fffd}\u{fffd}ab");
    let body = client_hello(0x0303, &[5], &[(0, b"\x00\x03\x00\x00\x00")]);
    let seen = Script::new().orig(clear(1, &body)).any_chunking::<TlsParser>();
    assert_eq!((seen.cell("server_name"), seen.names.len()), (String::new(), 0));
}

#[test]
fn the_probe_knows_tls_from_either_side_and_little_else() {
    let yes: [Vec<u8>; 8] = [
        clear(1, &hello(None)),
        flight(),
        finished(),
        record(23, &[1; 60]),
        vec![21, 3, 1, 0, 2, 2, 40],
        client_bytes(0x0301),
        server_bytes(),
        message(1, &hello(None)).chunks(3).flat_map(|part| record(22, part)).collect(),
    ];
    for payload in yes {
        assert_eq!(probe_all::<TlsParser>(Direction::Resp, &payload), Probe::Yes, "{payload:?}");
    }
    let no: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-x\r\n",
        &[0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 40, 3, 3],
        &[0x16, 3, 1, 0, 60, 1, 0, 0, 10, 3, 3],
        &[0x16, 3, 1, 0, 60, 1, 0, 0, 56, 9, 3],
        &[0x80, 0, 0, 0x28, 1, 2, 3, 4, 0, 0, 0, 0],
        &[0x80, 46, 1, 3, 1, 0, 21, 0, 0, 0, 17, 0],
        &[0x18, 3, 3, 0, 20, 1, 0, 1],
    ];
    for payload in no {
        assert_eq!(probe_all::<TlsParser>(Direction::Orig, payload), Probe::No, "{payload:?}");
    }
    // A record of which nothing can be looked into is believed until what follows is none.
    assert_eq!(TlsParser::probe(Direction::Orig, &[0x17, 3, 3, 0, 1, 7, 0x55, 3, 3, 0, 1]), Probe::No);
    let taken = (0..200_000_u64)
        .filter(|n| {
            TlsParser::probe(Direction::Orig, &[mix(1, *n), mix(2, *n), mix(3, *n)].map(u64::to_be_bytes).concat())
                == Probe::Yes
        })
        .count();
    assert_eq!(taken, 0, "random bytes are not TLS");
}

#[test]
fn damaged_handshakes_do_no_harm() {
    let parts = [clear(1, &hello(Some(5))), flight(), [clear(16, &[1; 66]), finished()].concat(), finished()];
    for seed in 0..3000_u64 {
        let mut script = Script::new();
        for (i, part) in parts.iter().enumerate() {
            let mut part = part.clone();
            for round in 0..mix(seed, 77) % 4 {
                let at = mix(seed, round * 8 + i as u64) as usize % part.len();
                part[at] = mix(seed + 1, at as u64) as u8;
            }
            part.truncate(part.len() - (mix(seed, 99 + i as u64) % 3) as usize);
            script = if i % 2 == 0 { script.orig(part) } else { script.resp(part) };
        }
        assert_eq!(script.run::<TlsParser>(), script.pieces::<TlsParser>(1), "seed {seed}");
    }
}

/// Prints one line per row of every flow in the folder that `OVERHEAR_FLOWS` names, which holds
/// what `tshark -z follow,tcp,raw,N` printed of captures, one file each.
#[test]
#[ignore = "needs flows that tshark extracted from captures: OVERHEAR_FLOWS"]
fn rows_of_recorded_flows() {
    let folder = std::env::var("OVERHEAR_FLOWS").expect("OVERHEAR_FLOWS names a folder");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        for flow in followed(&std::fs::read_to_string(file.path()).unwrap()) {
            let Some(script) = flow.script_of::<TlsParser>() else { continue };
            let seen = script.run::<TlsParser>();
            assert_eq!(seen, script.pieces::<TlsParser>(7));
            for row in &seen.rows {
                let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name}={value}")).collect();
                println!("ROW\t{}\t{}\t{}\t{}", file.file_name().display(), flow.orig, flow.resp, cells.join("\t"));
            }
        }
    }
}

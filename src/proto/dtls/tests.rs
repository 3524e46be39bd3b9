//! Tests of the parser as a whole.

use super::*;
use crate::base::hash::mix;
use crate::fingerprint::hello::tests::client_hello;
use crate::proto::testing::{Script, Seen};

/// A record of DTLS 1.2.
fn record(ty: u8, epoch: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![ty, 0xfe, 0xfd];
    out.extend(epoch.to_be_bytes());
    out.extend([0; 6]);
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend(payload);
    out
}

/// A part of a handshake message in a record of its own.
fn part(ty: u8, seq: u16, body: &[u8], from: usize, to: usize) -> Vec<u8> {
    let be24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let header = [vec![ty], be24(body.len()), seq.to_be_bytes().to_vec(), be24(from), be24(to - from)].concat();
    record(22, 0, &[&header, &body[from..to]].concat())
}

fn whole(ty: u8, seq: u16, body: &[u8]) -> Vec<u8> {
    part(ty, seq, body, 0, body.len())
}

/// A ClientHello for `a.b` with a cookie.
fn hello(random: u8, cookie: &[u8], extra: &[(u16, &[u8])]) -> Vec<u8> {
    let mut extensions = vec![(0, &b"\x00\x06\x00\x00\x03a.b"[..])];
    extensions.extend(extra);
    let mut body = client_hello(0xfefd, &[0xc02b, 0x002f], &extensions);
    body[2..34].fill(random);
    body.splice(35..35, [&[cookie.len() as u8][..], cookie].concat());
    body
}

fn server_hello(random: u8, extensions: &[u8]) -> Vec<u8> {
    let mut out = vec![0xfe, 0xfd];
    out.extend([random; 32]);
    out.extend([0, 0xc0, 0x2b, 0]);
    if !extensions.is_empty() {
        out.extend((extensions.len() as u16).to_be_bytes());
        out.extend(extensions);
    }
    out
}

const CERTIFICATES: &[u8] = &[0, 0, 9, 0, 0, 2, 0x30, 0, 0, 0, 1, 0x31];
const KEY_EXCHANGE: &[u8] = &[3, 0, 29, 2, 7, 7, 4, 3, 0, 2, 9, 9];
const VERIFY: &[u8] = &[0xfe, 0xff, 3, 1, 2, 3];

fn finished() -> Vec<u8> {
    [record(20, 0, &[1]), record(22, 1, &[0xaa; 40])].concat()
}

fn flight() -> Vec<Vec<u8>> {
    vec![whole(2, 1, &server_hello(6, &[])), whole(11, 2, CERTIFICATES), whole(12, 3, KEY_EXCHANGE), whole(14, 4, &[])]
}

fn begun() -> Script {
    Script::new().orig(whole(1, 0, &hello(7, &[], &[]))).resp(whole(3, 0, VERIFY)).orig(whole(
        1,
        1,
        &hello(7, &[1, 2, 3], &[]),
    ))
}

fn answers(seen: &Seen) -> Vec<(String, String)> {
    seen.cells("version").into_iter().zip(seen.cells("established")).collect()
}

#[test]
fn a_handshake_with_a_cookie_has_two_rows() {
    let seen = begun()
        .resp(flight().concat())
        .orig([whole(16, 2, &[1; 66]), finished()].concat())
        .resp(finished())
        .datagrams::<Dtls>();
    let two = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
    assert_eq!(seen.cells("transport"), two("dtls", "dtls"));
    assert_eq!(answers(&seen), [("-".into(), "false".into()), ("DTLSv1.2".into(), "true".into())]);
    assert_eq!(seen.cells("server_name"), two("a.b", "a.b"));
    assert_eq!(seen.cells("cipher")[1], "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(seen.cells("curve"), two("-", "x25519"));
    assert_eq!(seen.cells("resumed"), two("-", "false"));
    assert_eq!(seen.cells("ja3_raw")[0], "65277,49195-47,0,,");
    assert_eq!(seen.cells("ja3s")[1], crate::fingerprint::ja3::digest("65277,49195,"));
    assert_eq!(seen.cells("ja4_raw")[0], "dd2d020100_002f,c02b_");
    assert!(seen.cells("certificate_sha256")[1].starts_with('['));
    assert_eq!(seen.names[0], ("sni", "a.b".to_owned()));
}

#[test]
fn fragments_in_any_order_and_twice_give_the_same_rows() {
    let client = [whole(16, 2, &[1; 66]), finished()].concat();
    let wanted = begun().resp(flight().concat()).orig(&client).resp(finished()).datagrams::<Dtls>();
    let messages = [(2, server_hello(6, &[])), (11, CERTIFICATES.to_vec()), (12, KEY_EXCHANGE.to_vec()), (14, vec![])];
    for seed in 0..100_u64 {
        let mut datagrams = Vec::new();
        for (seq, (ty, body)) in (1..).zip(&messages) {
            let size = 1 + (mix(seed, u64::from(seq)) % 20) as usize;
            let mut from = 0;
            loop {
                let to = (from + size).min(body.len());
                for _ in 0..=mix(seed, to as u64) % 2 {
                    datagrams.push(part(*ty, seq, body, from, to));
                }
                from = to.saturating_sub((mix(seed, from as u64) % 2) as usize).max(from + 1);
                if to == body.len() {
                    break;
                }
            }
        }
        datagrams.sort_by_key(|d| mix(mix(seed, u64::from(d[19])), u64::from(d[18]) << 32 | d.len() as u64));
        // Several records to a datagram.
        let mut script = begun();
        for some in datagrams.chunks(1 + seed as usize % 5) {
            script = script.resp(some.concat());
        }
        let seen = script.orig(&client).resp(finished()).datagrams::<Dtls>();
        assert_eq!(seen.rows.len(), 2);
        for column in ["cipher", "curve", "certificate_sha256", "established", "resumed", "ja3s"] {
            assert_eq!(seen.cells(column), wanted.cells(column), "{column}, seed {seed}");
        }
    }
}

#[test]
fn what_is_sent_again_is_no_new_handshake() {
    let first = whole(1, 0, &hello(7, &[], &[]));
    let second = whole(1, 1, &hello(7, &[1, 2, 3], &[]));
    let verify = whole(3, 0, VERIFY);
    let server = flight().concat();
    let client = [whole(16, 2, &[1; 66]), finished()].concat();
    let seen = Script::new()
        .orig(&first)
        .orig(&first)
        .resp(&verify)
        .orig(&first)
        .resp(&verify)
        .orig(&second)
        .resp(&server)
        .orig(&second)
        .resp(&server)
        .orig(&client)
        .resp(finished())
        .orig(&client)
        .resp(finished())
        .orig(record(23, 1, &[1; 60]))
        .datagrams::<Dtls>();
    assert_eq!(answers(&seen), [("-".into(), "false".into()), ("DTLSv1.2".into(), "true".into())]);
    assert_eq!(seen.events.iter().filter(|e| e.contains("Certificates {")).count(), 1);
}

#[test]
fn the_same_flow_may_begin_anew() {
    let data = record(23, 1, &[1; 60]);
    let mut script = begun().resp(flight().concat()).orig(finished()).resp(finished());
    for _ in 0..100 {
        script = script.orig(&data).resp(&data);
    }
    let again = whole(2, 0, &server_hello(9, &[]));
    let seen = script.orig(whole(1, 0, &hello(8, &[], &[]))).resp(again).datagrams::<Dtls>();
    let established: Vec<String> = seen.cells("established");
    assert_eq!(established, ["false", "true", "false"]);
}

#[test]
fn dtls_1_3_with_a_second_hello_and_connection_identifiers() {
    let versions = (43, &[2, 0xfe, 0xfc][..]);
    let client = |random, cookie: &[u8]| hello(random, &[], &[versions, (54, &[1, 0xc1]), (44, cookie)]);
    let mut retry = vec![0xfe, 0xfd];
    retry.extend(<sha2::Sha256 as sha2::Digest>::digest(b"HelloRetryRequest"));
    retry.extend([0, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 0xfe, 0xfc]);
    let mut server = server_hello(5, &[0, 43, 0, 2, 0xfe, 0xfc, 0, 51, 0, 2, 0, 29, 0, 54, 0, 3, 2, 0xd1, 0xd2]);
    server[35..37].copy_from_slice(&[0x13, 0x01]);
    // Sequence number of 16 bits, length, epoch 2; the identifier is the one that the other side chose.
    let sealed = |cid: &[u8], epoch: u8, len: u16| {
        [&[0x3c | epoch][..], cid, &[1, 2], &len.to_be_bytes(), &vec![0x55; usize::from(len)]].concat()
    };
    let begun = Script::new()
        .orig(whole(1, 0, &client(7, &[])))
        .resp(whole(2, 0, &retry))
        .orig(whole(1, 1, &client(7, &[0, 1, 9])))
        .resp([whole(2, 1, &server), sealed(&[0xc1], 2, 40), sealed(&[0xc1], 2, 60)].concat());
    let seen = begun.clone().orig(sealed(&[0xd1, 0xd2], 2, 61)).datagrams::<Dtls>();
    assert_eq!(answers(&seen), [("DTLSv1.3".into(), "false".into()), ("DTLSv1.3".into(), "true".into())]);
    assert_eq!(seen.cells("client_version")[1], "DTLSv1.3");
    assert!(seen.cells("ja4")[0].starts_with("dd3d0204"), "{:?}", seen.cells("ja4"));
    assert_eq!(seen.cells("certificate_sha256")[1], "-", "they are encrypted");
    // An acknowledgement is no Finished message.
    let seen = begun.clone().orig(sealed(&[0xd1, 0xd2], 2, 35)).datagrams::<Dtls>();
    assert_eq!(seen.cells("established")[1], "false");
    let seen = begun.orig(sealed(&[0xd1, 0xd2], 3, 20)).datagrams::<Dtls>();
    assert_eq!(seen.cells("established")[1], "true", "data follow the handshake");
}

#[test]
fn half_seen_handshakes() {
    // Only the server, from the middle of its flight on.
    let server = flight();
    let seen = Script::new().resp(server.concat()).resp(finished()).datagrams::<Dtls>();
    assert_eq!(answers(&seen), [("DTLSv1.2".into(), "-".into())]);
    let seen = Script::new().orig(server[1..].concat()).datagrams::<Dtls>();
    assert!(seen.rows.is_empty() && seen.events[0].contains("Certificates { sender: Orig, from_server: false"));
    // Only the client.
    let client = [whole(11, 2, CERTIFICATES), whole(16, 3, &[1; 66]), finished()].concat();
    let seen = Script::new().orig(whole(1, 1, &hello(7, &[1], &[]))).orig(client).datagrams::<Dtls>();
    assert_eq!(answers(&seen), [("-".into(), "-".into())]);
    assert_eq!(seen.events.len(), 2);
    // The server's flight ahead of the hello, within the capture.
    let seen = Script::new()
        .resp(whole(2, 0, &server_hello(6, &[])))
        .orig(whole(1, 0, &hello(7, &[], &[])))
        .datagrams::<Dtls>();
    assert_eq!((seen.cell("server_name"), seen.cell("version")), ("a.b".into(), "DTLSv1.2".into()));
}

#[test]
fn an_alert_refuses() {
    let seen = begun().resp(record(21, 0, &[2, 40])).datagrams::<Dtls>();
    assert_eq!(answers(&seen)[1], ("-".into(), "false".into()));
    assert!(seen.events[1].contains("description: 40"));
}

#[test]
fn the_old_version_of_openssl_resumes() {
    let old = |mut datagram: Vec<u8>| {
        datagram[1..3].copy_from_slice(&[1, 0]);
        datagram
    };
    let mut client = hello(7, &[], &[]);
    client[..2].copy_from_slice(&[1, 0]);
    client.splice(34..35, [1, 0x5e]);
    let mut server = server_hello(6, &[]);
    server[..2].copy_from_slice(&[1, 0]);
    server.splice(34..35, [1, 0x5e]);
    let end = || [old(record(20, 0, &[1, 0, 2])), old(record(22, 1, &[9; 40]))].concat();
    let seen = Script::new()
        .orig(old(whole(1, 0, &client)))
        .resp([old(whole(2, 0, &server)), end()].concat())
        .orig(end())
        .datagrams::<Dtls>();
    assert_eq!((seen.cell("resumed"), seen.cell("established")), ("true".into(), "true".into()));
    assert_eq!(seen.cell("version"), "DTLSv0.9");
}

#[test]
fn thousands_of_hellos_leave_nothing_behind() {
    let flow = crate::proto::testing::flow();
    let limited = crate::proto::api::LimitCount::default();
    let mut parser = Dtls::default();
    let mut rows = 0;
    for i in 0..4000_u32 {
        let mut body = hello(7, &[], &[]);
        body[2..6].copy_from_slice(&i.to_be_bytes());
        let half = body.len() / 2;
        let cx = crate::proto::api::Cx {
            ts: crate::base::Timestamp::from_parts(1, 0),
            packet: u64::from(i),
            flow: &flow,
            limited: &limited,
        };
        for datagram in [part(1, 0, &body, half, body.len()), part(1, 0, &body, 0, half)] {
            parser.on_data(cx, Direction::Orig, &datagram, &mut |_| rows += 1);
        }
        assert_eq!(parser.heap(), 0);
    }
    assert_eq!((rows, limited.take()), (3999, 0));
}

#[test]
fn any_cut_and_any_damage_is_survived() {
    let datagrams =
        [whole(1, 0, &hello(7, &[], &[])), flight().concat(), [whole(16, 2, &[1; 66]), finished()].concat()];
    for (i, datagram) in datagrams.iter().enumerate() {
        for cut in 0..datagram.len() {
            let mut damaged = datagram.clone();
            damaged[cut] ^= 0xff;
            let mut script = Script::new();
            for (n, other) in datagrams.iter().enumerate() {
                let bytes = if n == i { &damaged } else { other };
                script = if n == 1 { script.resp(bytes) } else { script.orig(bytes) };
            }
            script.datagrams::<Dtls>();
            script.orig(&datagram[..cut]).datagrams::<Dtls>();
        }
    }
    assert!(Script::new().orig(b"\x3c\x01\x02\0\x14aaaaaaaaaaaaaaaaaaaa").datagrams::<Dtls>().stopped.is_some());
}

#[test]
fn within_capwap_the_flow_keeps_that_name() {
    let datagram = [&[1, 0, 0, 0][..], &whole(1, 0, &hello(7, &[], &[]))].concat();
    let flow = crate::proto::testing::flow();
    let cx = Cx {
        ts: crate::base::Timestamp::from_parts(1, 0),
        packet: 1,
        flow: &flow,
        limited: &crate::proto::api::LimitCount::default(),
    };
    let mut parser = Dtls::default();
    let mut names = Vec::new();
    assert_eq!(parser.on_data(cx, Direction::Orig, &datagram, &mut |_| {}), Progress::Done);
    for dir in [Direction::Orig, Direction::Resp] {
        parser.on_end(cx, dir, &[], &mut |e| names.push(super::super::api::Event::service(&e)));
    }
    assert_eq!(names, [Some("capwap")]);
}

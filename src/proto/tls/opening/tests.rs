use super::keylog::{KeyStore, Since};
use super::record::tests::{header, seal_13};
use super::suite::Suite;
use super::*;

const DATA: u8 = content::DATA;

fn hex(bytes: &[u8]) -> String {
    crate::fingerprint::hex(bytes)
}

/// An opener for a session of TLS 1.3 with these secrets, behind its hellos.
fn opener(labels: &[(&str, u8)]) -> Opener {
    let store = KeyStore::default();
    let log: Vec<String> =
        labels.iter().map(|(label, byte)| format!("{label} {} {}", hex(&[1; 32]), hex(&[*byte; 32]))).collect();
    assert_eq!(store.read(log.join("\n").as_bytes(), Since::Always, &mut |b| panic!("{b:?}")), labels.len());
    let mut opener = Opener::new(store.find(&[1; 32], 0, 1).unwrap(), &[1; 32], Direction::Orig);
    let hello = ServerHello { version: 0x0303, selected_version: Some(0x0304), cipher: 0x1301, ..Default::default() };
    opener.server_hello(&hello);
    opener
}

#[test]
fn keys_of_tls_1_3_come_into_use_one_after_the_other() {
    let suite = Suite::of(0x1301, 0x0304).unwrap();
    let mut o = opener(&[
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", 2),
        ("SERVER_TRAFFIC_SECRET_0", 3),
        ("CLIENT_TRAFFIC_SECRET_0", 4),
    ]);
    let mut open = |dir, secret: &[u8], sequence, ty, plain: &[u8]| {
        let (header, payload) = seal_13(suite, secret, sequence, ty, plain);
        o.open(dir, &header, &payload)
    };
    let resp = Direction::Resp;
    assert_eq!(open(resp, &[2; 32], 0, 22, b"flight"), Some((22, b"flight".to_vec())));
    assert_eq!(open(resp, &[2; 32], 1, 22, b"finished"), Some((22, b"finished".to_vec())));
    assert_eq!(open(resp, &[3; 32], 0, DATA, b"data"), Some((DATA, b"data".to_vec())));
    assert_eq!(open(resp, &[2; 32], 2, 22, b"late"), None, "keys that are past open nothing");
    // The client's handshake keys are not known: its Finished is passed over.
    assert_eq!(open(Direction::Orig, &[9; 32], 0, 22, b"finished"), None);
    assert_eq!(open(Direction::Orig, &[4; 32], 0, DATA, b"request"), Some((DATA, b"request".to_vec())));
    // RFC 8446, section 4.6.3: another key from here on.
    assert_eq!(open(resp, &[3; 32], 1, 22, &[kind::KEY_UPDATE, 0, 0, 1, 0]).unwrap().0, 22);
    let next = expand_label(suite.hash, &[3; 32], "traffic upd", 32).unwrap();
    assert_eq!(open(resp, &next, 0, DATA, b"more"), Some((DATA, b"more".to_vec())));
}

#[test]
fn a_damaged_record_of_tls_1_3_does_not_hide_those_behind_it() {
    let suite = Suite::of(0x1301, 0x0304).unwrap();
    let mut o = opener(&[("SERVER_TRAFFIC_SECRET_0", 3)]);
    let mut open = |sequence, damage: u8| {
        let (header, mut payload) = seal_13(suite, &[3; 32], sequence, DATA, b"data");
        payload[1] ^= damage;
        o.open(Direction::Resp, &header, &payload).map(|(_, plain)| plain)
    };
    let opened: Vec<bool> =
        [(0, 0), (1, 9), (2, 9), (3, 0), (4, 0), (5, 9), (6, 0)].map(|(n, damage)| open(n, damage).is_some()).into();
    assert_eq!(opened, [true, false, false, true, true, false, true]);
}

#[test]
fn a_direction_is_given_up_behind_a_gap_or_too_many_records_that_do_not_open() {
    let suite = Suite::of(0x1301, 0x0304).unwrap();
    let mut o = opener(&[("SERVER_TRAFFIC_SECRET_0", 3), ("CLIENT_TRAFFIC_SECRET_0", 4)]);
    assert!(o.opens(Direction::Orig) && o.opens(Direction::Resp));
    for _ in 0..limits::TLS_UNOPENED_MAX {
        assert_eq!(o.open(Direction::Resp, &header(DATA, 40), &[0; 40]), None);
    }
    assert!(!o.opens(Direction::Resp) && o.is_of_use());
    let (header, payload) = seal_13(suite, &[3; 32], 0, DATA, b"x");
    assert_eq!(o.open(Direction::Resp, &header, &payload), None, "given up");
    o.lose(Direction::Orig);
    assert!(!o.is_of_use());
}

#[test]
fn records_of_datagrams_say_of_which_keys_they_are() {
    let hello = ServerHello { version: 0xfefd, cipher: 0x003b, random: &[5; 32], ..Default::default() };
    let mut o = Opener::without_keys(&hello, Direction::Orig).unwrap();
    o.change_cipher(Direction::Orig);
    o.change_cipher(Direction::Orig);
    let payload = [&b"GET"[..], &[9; 32]].concat();
    assert_eq!(o.open_numbered(Direction::Orig, 2 << 48, DATA, &payload), None, "later keys");
    for number in [7, 3] {
        let got = o.open_numbered(Direction::Orig, 1 << 48 | number, DATA, &payload);
        assert_eq!(got, Some(b"GET".to_vec()), "in any order");
    }
    assert_eq!(o.open_numbered(Direction::Resp, 1 << 48, DATA, &payload), None, "in clear so far");
    // RC4 has no place here, and DTLS 1.3 has records of its own.
    for (version, cipher) in [(0xfefd, 0x0005), (0xfefc, 0x1301)] {
        let hello = ServerHello { version, cipher, random: &[5; 32], ..Default::default() };
        let store = KeyStore::default();
        store.read(format!("CLIENT_RANDOM {} {}", hex(&[1; 32]), hex(&[2; 48])).as_bytes(), Since::Always, &mut |_| ());
        let mut o = Opener::new(store.find(&[1; 32], 0, 1).unwrap(), &[1; 32], Direction::Orig);
        o.server_hello(&hello);
        o.change_cipher(Direction::Orig);
        assert_eq!(o.open_numbered(Direction::Orig, 1 << 48, DATA, &[1; 40]), None, "{version:04x}");
    }
}

#[test]
fn keys_that_do_not_fit_the_session_are_of_no_use() {
    let store = KeyStore::default();
    store.read(format!("CLIENT_RANDOM {} {}", hex(&[1; 32]), hex(&[2; 48])).as_bytes(), Since::Always, &mut |_| ());
    let secrets = store.find(&[1; 32], 0, 1).unwrap();
    for (version, cipher, compression) in
        [(0x0304, 0x1301, 0), (0x0303, 0x0041, 0), (0x0303, 0x002f, 1), (0x0300, 0x002f, 0)]
    {
        let mut o = Opener::new(secrets.clone(), &[1; 32], Direction::Orig);
        o.server_hello(&ServerHello { version, cipher, compression, ..Default::default() });
        assert!(!o.is_of_use(), "{version:04x} {cipher:04x}");
    }
    let mut o = Opener::new(secrets, &[1; 32], Direction::Resp);
    o.server_hello(&ServerHello { version: 0x0303, cipher: 0x002f, random: &[5; 32], ..Default::default() });
    assert!(o.is_of_use() && !o.opens(Direction::Resp), "in clear so far");
    o.change_cipher(Direction::Resp);
    assert!(o.opens(Direction::Resp) && !o.opens(Direction::Orig));
    o.change_cipher(Direction::Resp);
    assert!(!o.opens(Direction::Resp), "a renegotiation has other keys");
}

#[test]
fn messages_are_put_together_and_bounded() {
    let mut o = opener(&[("SERVER_TRAFFIC_SECRET_0", 3)]);
    let mut seen = Vec::new();
    let flight = [8, 0, 0, 2, 0, 0, 11, 0, 0, 3, 1, 2, 3, 20, 0, 0];
    for byte in flight {
        assert!(o.messages(Direction::Resp, &[byte], |ty, body| seen.push((ty, body.to_vec()))));
    }
    assert_eq!(seen, [(8, vec![0, 0]), (11, vec![1, 2, 3])]);
    assert!(!o.messages(Direction::Orig, &vec![0xff; limits::TLS_MESSAGE_BYTES_MAX + 1], |_, _| ()));
}

#[test]
fn a_suite_without_encryption_is_read_without_keys() {
    let hello = ServerHello { version: 0x0303, cipher: 0x003b, random: &[5; 32], ..Default::default() };
    let mut o = Opener::without_keys(&hello, Direction::Orig).unwrap();
    assert!(o.is_in_clear() && o.is_of_use() && !o.opens(Direction::Orig));
    o.change_cipher(Direction::Orig);
    let payload = [&b"GET / HTTP/1.1"[..], &[9; 32]].concat();
    let got = o.open(Direction::Orig, &header(DATA, payload.len()), &payload);
    assert_eq!(got, Some((DATA, b"GET / HTTP/1.1".to_vec())), "without its MAC of 32 bytes");
    assert_eq!(o.open(Direction::Orig, &header(DATA, 31), &[9; 31]), None, "shorter than a MAC");
    for (version, cipher) in [(0x0303, 0x002f), (0x0303, 0x0000), (0x0304, 0xc0b4), (0x0300, 0x003b)] {
        let hello = ServerHello { version, cipher, ..Default::default() };
        assert!(Opener::without_keys(&hello, Direction::Orig).is_none(), "{version:04x} {cipher:04x}");
    }
}

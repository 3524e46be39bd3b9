//! Weak cryptography from packets to the table of findings: what one connection shows, and what is told
//! once for a device.

mod common;

use common::{exit, pcap, read, scratch, table, tcp_frame};

type End = ([u8; 4], u16);
const CLIENT: [u8; 4] = [192, 168, 7, 9];
const SYN: u8 = 2;
const PUSH: u8 = 0x18;

/// The frames of a connection in which each of these texts is sent, by the client where it is marked.
fn connection(client: End, server: End, texts: &[(bool, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut frames = vec![
        tcp_frame(client, server, 99, 0, SYN, b""),
        tcp_frame(server, client, 499, 100, SYN | 0x10, b""),
        tcp_frame(client, server, 100, 500, 0x10, b""),
    ];
    let (mut sent, mut answered) = (100_u32, 500_u32);
    for (from_client, text) in texts {
        if *from_client {
            frames.push(tcp_frame(client, server, sent, answered, PUSH, text));
            sent += text.len() as u32;
        } else {
            frames.push(tcp_frame(server, client, answered, sent, PUSH, text));
            answered += text.len() as u32;
        }
    }
    frames
}

/// Rule, device, peer and count of each finding of a capture of these frames, sorted.
fn findings(frames: Vec<Vec<u8>>) -> Vec<[String; 4]> {
    let (temp, out) = scratch();
    let timed: Vec<_> = frames.into_iter().enumerate().map(|(n, f)| (n as u64 * 1000, f)).collect();
    let file = temp.path().join("a.pcap");
    std::fs::write(&file, pcap(&timed)).expect("a file");
    read([&file], &out).ends_with(exit::COMPLETE);
    let rows = table(&out, "findings").pick(&["rule_id", "device_ip", "peer_ip", "count"]);
    let mut rows: Vec<[String; 4]> =
        rows.into_iter().map(|row| <[String; 4]>::try_from(row).expect("four columns")).collect();
    rows.sort();
    rows
}

fn told(rule: &str, device: &str, peer: &str, count: u32) -> [String; 4] {
    [rule.into(), device.into(), peer.into(), count.to_string()]
}

fn kexinit([kex, host_key, cipher, mac]: [&str; 4]) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([3; 16]);
    for list in [kex, host_key, cipher, cipher, mac, mac, "none", "none", "", ""] {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    let mut out = ((payload.len() + 5) as u32).to_be_bytes().to_vec();
    out.push(4);
    out.extend(payload);
    out.extend([0; 4]);
    out
}

fn record(ty: u8, payload: &[u8]) -> Vec<u8> {
    [&[ty, 3, 1][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn message(ty: u8, body: &[u8]) -> Vec<u8> {
    record(22, &[&[ty][..], &(body.len() as u32).to_be_bytes()[1..], body].concat())
}

/// A ClientHello of TLS 1.2 that offers these suites, and `host` as the name of the server.
fn client_hello(ciphers: &[u16]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend((ciphers.len() as u16 * 2).to_be_bytes());
    body.extend(ciphers.iter().flat_map(|c| c.to_be_bytes()));
    // No compression; server name and X25519MLKEM768.
    body.extend([1, 0, 0, 21, 0, 0, 0, 9, 0, 7, 0, 0, 4, b'h', b'o', b's', b't', 0, 10, 0, 4, 0, 2, 0x11, 0xec]);
    message(1, &body)
}

fn server_hello(version: u8, cipher: u16) -> Vec<u8> {
    let mut body = vec![3, version];
    body.extend([6; 32]);
    body.push(0);
    body.extend(cipher.to_be_bytes());
    body.extend([0, 0, 5, 0xff, 1, 0, 1, 0]);
    message(2, &body)
}

/// What follows a ServerHello until both sides are done.
fn rest() -> Vec<(bool, Vec<u8>)> {
    let finished = [record(20, &[1]), record(22, &[0xaa; 40])].concat();
    vec![
        (false, [message(11, &[0, 0, 0]), message(14, &[])].concat()),
        (true, [message(16, &[1; 66]), finished.clone()].concat()),
        (false, finished),
    ]
}

#[test]
fn an_old_ssh_server() {
    let old = ["diffie-hellman-group1-sha1,mlkem768x25519-sha256", "ssh-rsa", "aes128-cbc,3des-cbc", "hmac-md5"];
    let texts = [
        (false, b"SSH-1.99-Cisco-1.25\r\n".to_vec()),
        (true, b"SSH-2.0-x\r\n".to_vec()),
        (true, kexinit(old)),
        (false, kexinit(old)),
    ];
    let server = "192.168.7.2";
    let all = findings(connection((CLIENT, 40_000), ([192, 168, 7, 2], 22), &texts));
    assert_eq!(
        all,
        [
            told("ssh-outdated-algorithm", server, "", 1),
            told("ssh-protocol-1-offered", server, "", 1),
            told("ssh-weak-algorithm", server, "192.168.7.9", 1),
            told("ssh-weak-algorithm-offered", server, "", 1),
        ]
    );
}

#[test]
fn an_offer_is_told_once_for_a_device() {
    let hello = || (true, client_hello(&[0xc02f, 0x0005]));
    let mut frames = Vec::new();
    for server in 2..6 {
        frames.extend(connection((CLIENT, 40_000), ([192, 168, 7, server], 443), &[hello()]));
    }
    assert_eq!(findings(frames), [told("tls-client-weak-ciphers", "192.168.7.9", "", 4)]);
}

#[test]
fn what_was_agreed_on_and_what_was_refused() {
    let server = ([192, 168, 7, 2], 443);
    let mut texts = vec![(true, client_hello(&[0xc02f, 0x002f])), (false, server_hello(3, 0x002f))];
    texts.extend(rest());
    let all = findings(connection((CLIENT, 40_000), server, &texts));
    assert_eq!(
        all,
        [told("tls-no-forward-secrecy", "192.168.7.2", "", 1), told("tls-no-post-quantum", "192.168.7.2", "", 1)]
    );
    // The client does not take what the server chose: an alert, and no connection.
    let texts =
        [(true, client_hello(&[0xc02f, 0x002f])), (false, server_hello(1, 0x002f)), (true, record(21, &[2, 70]))];
    assert!(findings(connection((CLIENT, 40_001), server, &texts)).is_empty());
}

#[test]
fn memory_that_was_given_away() {
    let asks = [24, 3, 2, 0, 3, 1, 0x40, 0].to_vec();
    let texts = [
        (true, client_hello(&[0xc02f])),
        (false, server_hello(3, 0xc02f)),
        (true, asks),
        (false, record(24, &[2; 1200])),
    ];
    let all = findings(connection((CLIENT, 40_000), ([192, 168, 7, 2], 443), &texts));
    assert_eq!(all, [told("heartbleed-succeeded", "192.168.7.2", "192.168.7.9", 1)]);
}

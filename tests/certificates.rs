//! Certificates from packets to tables: rows, findings, what several devices share, what was hidden.

mod common;

#[path = "certificates/builder.rs"]
mod builder;

use std::path::PathBuf;

use builder::{Certificate, modulus, rsa, tlv};
use common::{TableRows, exit, pcap, read, scratch, table, tcp_frame};

const CLIENT: [u8; 4] = [192, 168, 7, 9];
const SYN: u8 = 2;
const PUSH: u8 = 0x18;
/// 2026-07-01, in microseconds.
const NOW: u64 = 1_782_864_000_000_000;

/// A record of TLS.
fn record(ty: u8, content: &[u8]) -> Vec<u8> {
    [&[ty, 3, 3, (content.len() >> 8) as u8, content.len() as u8], content].concat()
}

/// A handshake message in a record.
fn message(ty: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u32;
    record(22, &[&[ty][..], &len.to_be_bytes()[1..], body].concat())
}

fn client_hello(name: &str) -> Vec<u8> {
    let len = |n: usize| (n as u16).to_be_bytes();
    let mut extensions = Vec::new();
    if !name.is_empty() {
        let entry = [&[0][..], &len(name.len()), name.as_bytes()].concat();
        let list = [&len(entry.len())[..], &entry].concat();
        extensions = [&[0, 0][..], &len(list.len()), &list].concat();
    }
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0], &len(extensions.len()), &extensions].concat();
    message(1, &body)
}

fn certificates(chain: &[Vec<u8>]) -> Vec<u8> {
    let number = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let list: Vec<u8> = chain.iter().flat_map(|der| [number(der.len()), der.clone()].concat()).collect();
    message(11, &[number(list.len()), list].concat())
}

/// What a server at an address shows to whom asks for a name.
struct Server {
    ip: [u8; 4],
    asked: &'static str,
    chain: Vec<Vec<u8>>,
    completed: bool,
}

/// The tables of handshakes of TLS 1.2, one connection each.
fn run(servers: &[Server]) -> (tempfile::TempDir, PathBuf) {
    let mut frames = Vec::new();
    for (n, server) in servers.iter().enumerate() {
        let (client, host) = ((CLIENT, 40_000 + n as u16), (server.ip, 443));
        let hello = [&[3, 3][..], &[8; 32], &[0, 0xc0, 0x2f, 0]].concat();
        let answer = [message(2, &hello), certificates(&server.chain), message(14, &[])].concat();
        let end = if server.completed {
            [message(16, &[1, 2]), record(20, &[1]), record(22, &[9; 40])].concat()
        } else {
            Vec::new()
        };
        let reply = if server.completed { [record(20, &[1]), record(22, &[9; 40])].concat() } else { Vec::new() };
        let mut all = vec![
            tcp_frame(client, host, 99, 0, SYN, b""),
            tcp_frame(host, client, 499, 100, SYN | 0x10, b""),
            tcp_frame(client, host, 100, 500, 0x10, b""),
        ];
        let mut sent = [100_u32, 500];
        for (n, text) in [client_hello(server.asked), answer, end, reply].into_iter().enumerate() {
            for piece in text.chunks(1400) {
                let [ours, theirs] = sent;
                all.push(match n % 2 {
                    0 => tcp_frame(client, host, ours, theirs, PUSH, piece),
                    _ => tcp_frame(host, client, theirs, ours, PUSH, piece),
                });
                sent[n % 2] += piece.len() as u32;
            }
        }
        frames.extend(all);
    }
    let timed: Vec<_> = frames.into_iter().enumerate().map(|(n, f)| (NOW + n as u64 * 1000, f)).collect();
    let (temp, out) = scratch();
    let file = temp.path().join("a.pcap");
    std::fs::write(&file, pcap(&timed)).expect("a file");
    read([&file], &out).ends_with(exit::COMPLETE);
    (temp, out)
}

/// Rule, device and evidence of the findings about certificates.
fn findings(out: &std::path::Path) -> Vec<Vec<String>> {
    let all = table(out, "findings");
    let rows = all.pick(&["category", "rule_id", "device_ip", "evidence"]);
    let mut rows: Vec<_> = rows.into_iter().filter(|r| r[0] == "certificate").map(|r| r[1..].to_vec()).collect();
    rows.sort();
    rows
}

fn server(ip: [u8; 4], certificate: &Certificate) -> Server {
    Server { ip, asked: "", chain: vec![certificate.der()], completed: true }
}

#[test]
fn a_chain_has_a_row_for_each_certificate() {
    let read = |name: &str| {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name);
        std::fs::read(file).expect("a certificate")
    };
    let chain = vec![read("leaf.der"), read("ca.der"), b"no certificate".to_vec()];
    let ip = [192, 168, 7, 2];
    let asked = "printer.office.example";
    let (_temp, out) = run(&[Server { ip, asked, chain, completed: true }]);
    let rows: TableRows = table(&out, "certificates");
    assert_eq!(rows.column("position"), ["0", "1", "2"]);
    assert_eq!(rows.column("host"), ["192.168.7.2"; 3]);
    assert_eq!(rows.column("sender"), ["server"; 3]);
    assert_eq!(
        rows.column("subject"),
        [r"CN=printer.office.example,O=Sample\, Office+OU=Übung,C=DE", "CN=Sample Office CA,O=Sample Office,C=DE", ""]
    );
    assert_eq!(
        rows.column("san")[0],
        "printer.office.example|*.Print.example|192.168.7.2|fe80::2|it@office.example|https://office.example/p|registeredID:1.2.3.4|dirName:CN=other"
    );
    assert_eq!(rows.column("not_after"), ["1811851200000000", "2082758400000000", ""]);
    assert_eq!(rows.column("self_signed"), ["false", "true", ""]);
    assert_eq!(rows.column("is_ca"), ["false", "true", ""]);
    assert_eq!(rows.column("malformed"), ["false", "false", "true"]);
    assert_eq!(rows.column("length"), ["703", "440", "14"]);
    assert_eq!(rows.column("sha256")[0], "d542ff13a78d37d2ca61b4bec6985380daf25dc28e9f01a1edfa7fbe88c62a4a");
    assert_eq!(rows.column("flow_id"), vec![table(&out, "tls").column("flow_id")[0].clone(); 3]);
    let stats = table(&out, "capture_stats");
    assert_eq!(stats.column("certificates_malformed")[0], "1");
    assert_eq!(stats.column("tls_handshakes")[0], "1");
    let found = findings(&out);
    let rules: Vec<&str> = found.iter().map(|f| f[0].as_str()).collect();
    assert_eq!(rules, ["certificate-valid-too-long", "certificate-wildcard-on-device"]);
    assert!(found[1][2].ends_with("Office+OU=Übung,C=DE is for *.print.example"), "{}", found[1][2]);
    let claims = table(&out, "devices").column("claims").join("|");
    assert!(claims.contains("tls: CN=Sample Office CA,O=Sample Office,C=DE -> certificate-issuer"), "{claims}");
}

#[test]
fn dates_beyond_nanoseconds_are_kept() {
    let mut c = Certificate::new("a.example");
    c.times = [(24, b"00010101000000Z".to_vec()), (24, b"99991231235959Z".to_vec())];
    let (_temp, out) = run(&[server([192, 168, 7, 2], &c)]);
    let rows = table(&out, "certificates");
    assert_eq!(rows.pick(&["not_before", "not_after"]), [["-62135596800000000", "253402300799000000"]]);
}

#[test]
fn a_server_that_many_ask_has_one_finding() {
    let own = Certificate::self_signed("door.example");
    let all: Vec<_> = (0..50).map(|_| Server { completed: false, ..server([192, 168, 7, 2], &own) }).collect();
    let (_temp, out) = run(&all);
    assert_eq!(findings(&out).len(), 1);
    let all = table(&out, "findings");
    let at = all.column("rule_id").iter().position(|r| r == "certificate-self-signed").expect("a finding");
    assert_eq!((all.column("count")[at].as_str(), all.column("severity")[at].as_str()), ("50", "low"));
    assert_eq!(table(&out, "certificates").rows.len(), 50);
}

#[test]
fn keys_of_several_devices_are_compared() {
    // Two devices with one key, and two with keys that share the prime 2^521 - 1: its products with the next primes
    // of that sort, 2^607 - 1 and 2^1279 - 1.
    let mersenne = |bits: usize| {
        let mut prime = vec![0xff_u8; bits.div_ceil(8)];
        prime[0] = ((1_u32 << (bits % 8)) - 1) as u8;
        prime
    };
    let times = |bits: usize| {
        // Schoolbook multiplication.
        let (a, b) = (mersenne(521), mersenne(bits));
        let mut product = vec![0_u8; a.len() + b.len()];
        for (i, x) in a.iter().rev().enumerate() {
            let mut carry = 0_u32;
            for (j, y) in b.iter().rev().chain([&0]).enumerate() {
                let place = &mut product[i + j];
                carry += u32::from(*x) * u32::from(*y) + u32::from(*place);
                *place = carry as u8;
                carry >>= 8;
            }
        }
        product.reverse();
        product.into_iter().skip_while(|b| *b == 0).collect::<Vec<u8>>()
    };
    let shared = Certificate::self_signed("phone");
    let key =
        |name: &str, key: Vec<u8>| Certificate { key, serial: vec![name.len() as u8 + 9], ..Certificate::new(name) };
    let (_temp, out) = run(&[
        Server { completed: false, ..server([192, 168, 7, 2], &shared) },
        Server { completed: false, ..server([192, 168, 7, 3], &shared) },
        Server { completed: false, ..server([192, 168, 7, 4], &key("a", rsa(&times(607)))) },
        Server { completed: false, ..server([192, 168, 7, 5], &key("bb", rsa(&times(1279)))) },
        Server { completed: false, ..server([192, 168, 7, 6], &key("ccc", rsa(&modulus(4, 256)))) },
    ]);
    let got: Vec<_> = findings(&out).into_iter().map(|f| (f[0].clone(), f[1].clone())).collect();
    let want = [
        ("certificate-key-shared", "192.168.7.2"),
        ("certificate-key-shared", "192.168.7.3"),
        ("certificate-self-signed", "192.168.7.2"),
        ("certificate-self-signed", "192.168.7.3"),
        ("certificate-shared-prime", "192.168.7.4"),
        ("certificate-shared-prime", "192.168.7.5"),
        ("certificate-weak-key", "192.168.7.4"),
        ("certificate-weak-key", "192.168.7.5"),
    ];
    assert_eq!(got, want.map(|(rule, ip)| (rule.to_owned(), ip.to_owned())));
}

#[test]
fn two_damaged_copies_of_a_key_share_nothing() {
    let copy = |host: u8, bit: usize| {
        let mut bytes = modulus(4, 256);
        bytes[255 - bit / 8] ^= 1 << (bit % 8);
        server([192, 168, 7, host], &Certificate { key: rsa(&bytes), serial: vec![host], ..Certificate::new("a") })
    };
    // 2^8 - 2^2 is a multiple of 3, and so on.
    let all: Vec<_> = (2..60_u8).map(|host| copy(host, usize::from(host) * 6 + 2)).collect();
    let (_temp, out) = run(&all);
    assert_eq!(findings(&out), Vec::<Vec<String>>::new());
}

#[test]
fn a_fleet_with_one_key_is_counted_to_the_last_device() {
    let shared = Certificate::self_signed("printer");
    let all: Vec<_> = (0..200).map(|n| Server { completed: false, ..server([192, 168, 8, n], &shared) }).collect();
    let (_temp, out) = run(&all);
    let found = findings(&out);
    let found: Vec<_> = found.iter().filter(|f| f[0] == "certificate-key-shared").collect();
    let devices: std::collections::BTreeSet<&str> = found.iter().map(|f| f[1].as_str()).collect();
    assert_eq!((found.len(), devices.len()), (200, 200));
    let list: Vec<String> = (0..8).map(|n| format!("192.168.8.{n} (port 443)")).collect();
    let want = format!("CN=printer: one key on 200 devices: {} and 192 more", list.join(", "));
    assert!(found.iter().all(|f| f[2] == want), "{}", found[0][2]);
}

#[test]
fn names_beyond_those_of_a_row_are_counted() {
    let cut = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("h{n}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let c = Certificate { extensions: vec![builder::hosts(&names)], ..Certificate::self_signed("a.example") };
        let (_temp, out) = run(&[server([192, 168, 7, 2], &c)]);
        let names = table(&out, "certificates").column("san")[0].split('|').count();
        (names, table(&out, "capture_stats").column("values_cut")[0].clone())
    };
    assert_eq!(cut(256), (256, String::from("0")));
    assert_eq!(cut(257), (256, String::from("1")));
    assert_eq!(cut(1024), (256, String::from("1")));
}

#[test]
fn hostile_names_reach_no_terminal() {
    let mut c = Certificate::self_signed("x");
    let value = tlv(12, b"door\x1b[31m\0\n\xff");
    c.subject = tlv(0x30, &tlv(0x31, &tlv(0x30, &[tlv(6, &[0x55, 4, 3]), value].concat())));
    c.issuer = c.subject.clone();
    let (_temp, out) = run(&[Server { completed: false, ..server([192, 168, 7, 2], &c) }]);
    assert_eq!(table(&out, "certificates").column("subject"), [r"CN=door\1b[31m\00\0a\ff"]);
    assert_eq!(findings(&out)[0][2], r"CN=door\1b[31m\00\0a\ff issued itself, valid from 2026-06-01");
}

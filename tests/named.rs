//! Findings about services that are known by name only: whose they are, and what is none.

mod common;

use common::{exit, pcap, read, scratch, table, tcp_connection, udp_frame};

const CLIENT: [u8; 4] = [10, 0, 0, 5];
const SERVER: [u8; 4] = [10, 0, 0, 9];

/// Who sends, and what.
type Said<'a> = (char, &'a [u8]);

/// Rule and device of the findings about these frames, of those rules that a name alone breaks; and the services and
/// responders of the flows.
fn judged(frames: Vec<Vec<u8>>) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (temp, out) = scratch();
    let timed: Vec<_> = frames.into_iter().enumerate().map(|(n, f)| (n as u64 * 1000, f)).collect();
    let file = temp.path().join("a.pcap");
    std::fs::write(&file, pcap(&timed)).expect("a file");
    read([&file], &out).ends_with(exit::COMPLETE);
    let rules = ["x11-in-use", "file-share-in-clear", "file-sharing-in-use"];
    let mut findings = table(&out, "findings").pick(&["rule_id", "device_ip"]);
    findings.retain(|f| rules.contains(&f[0].as_str()));
    (findings, table(&out, "flows").pick(&["service", "resp_ip", "history"]))
}

/// A connection in which `c` and `s` send, with its handshake or without.
fn connection(start: bool, ports: [u16; 2], said: &[Said<'_>]) -> Vec<Vec<u8>> {
    tcp_connection((CLIENT, ports[0]), (SERVER, ports[1]), start, said)
}

#[test]
fn a_display_is_the_device_and_rows_of_32_bytes_are_no_x11() {
    let key = [&[2, 0x28, 0x34, 0x16][..], &[0; 28]].concat();
    // ChangeProperty and ChangeWindowAttributes.
    let requests = [&[18, 0, 7, 0][..], &[0; 24], &[2, 0, 4, 0], &[0; 12]].concat();
    let said: &[Said<'_>] = &[('s', &key), ('c', &requests), ('s', &key)];
    let (findings, flows) = judged(connection(false, [50_123, 6000], said));
    assert_eq!(findings, [["x11-in-use", "10.0.0.9"]]);
    assert_eq!(flows, [["x11", "10.0.0.9", "^dD"]]);
    let none: [(bool, [u16; 2], &[Said<'_>]); 4] = [
        (true, [50_123, 6000], said),
        (false, [50_123, 6000], &[('s', &key), ('c', b"hello"), ('s', &key), ('s', &key)]),
        (true, [40_000, 6001], &[('s', &key), ('c', b"hello!")]),
        (true, [6000, 9999], &[('c', &key), ('s', b"hello!")]),
    ];
    for (start, ports, said) in none {
        let (findings, flows) = judged(connection(start, ports, said));
        assert!(findings.is_empty(), "{ports:?} {findings:?}");
        assert_ne!(flows[0][0], "x11", "{ports:?}");
    }
}

#[test]
fn a_share_is_in_clear_when_it_is_used_so() {
    let greeting: &[u8] = b"@RSYNCD: 31.0\n";
    let files = [7; 200];
    let look = connection(true, [40_000, 873], &[('s', greeting)]);
    assert_eq!(judged(look), (vec![], vec![["rsync", "10.0.0.9", "ShAd"].map(String::from).to_vec()]));
    let used =
        [('s', greeting), ('c', greeting), ('c', b"data\n"), ('s', b"@RSYNCD: OK\n"), ('c', &files), ('s', &files)];
    assert_eq!(judged(connection(true, [40_000, 873], &used)).0, [["file-share-in-clear", "10.0.0.9"]]);

    let start = [&b"NBDMAGICIHAVEOPT"[..], &[0, 3]].concat();
    let starttls = b"IHAVEOPT\0\0\0\x05\0\0\0\0";
    let yes = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x05\0\0\0\x01\0\0\0\0";
    let hello =
        [&[22, 3, 1, 0, 0x31, 1, 0, 0, 0x2d, 3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 2, 0, 0]].concat();
    let plain = [('s', &start[..]), ('c', &[0, 0, 0, 3]), ('c', &files), ('s', &files)];
    assert_eq!(judged(connection(true, [40_000, 10_809], &plain)).0, [["file-share-in-clear", "10.0.0.9"]]);
    let secured = [
        ('s', &start[..]),
        ('c', &[0, 0, 0, 3]),
        ('c', starttls),
        ('s', yes),
        ('c', &hello),
        ('s', &files),
        ('c', &files),
    ];
    assert!(judged(connection(true, [40_000, 10_809], &secured)).0.is_empty());
}

#[test]
fn who_only_receives_shares_nothing() {
    let ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"; // BEP 5
    let stranger = [203, 0, 113, 7];
    let asked = udp_frame(stranger, 6881, SERVER, 6881, ping);
    let answer = udp_frame(SERVER, 6881, stranger, 6881, b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re");
    let broadcast = udp_frame([0; 4], 6881, [255; 4], 6881, ping);
    assert!(judged(vec![asked.clone(), broadcast]).0.is_empty());
    assert_eq!(judged(vec![asked, answer]).0, [["file-sharing-in-use", "10.0.0.9"]]);
    let frame: &[u8] = b"\0\0\0\x0d\x06session-0001";
    let (findings, flows) = judged(connection(true, [40_000, 9000], &[('c', frame), ('s', frame)]));
    assert!(findings.is_empty() && flows[0][0] != "bittorrent", "{flows:?}");
}

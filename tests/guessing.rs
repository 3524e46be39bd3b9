//! Guessing over a thousand connections: found once, in linear time, with the same findings for any
//! number of threads and no password in them.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{exit, pcap, read, scratch, table, tcp_frame};

const SYN: u8 = 2;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;
const FIN: u8 = 0x11;

/// One FTP connection with a login and the answer to it, as frames with their times.
fn connection(n: u16, user: &str, password: &str, answer: &str) -> Vec<(u64, Vec<u8>)> {
    let (client, server) = (([10, 0, 0, 9], 20_000 + n), ([10, 0, 0, 5], 21));
    let (user, password) = (format!("USER {user}\r\n"), format!("PASS {password}\r\n"));
    let start = 1_700_000_000_000_000 + u64::from(n) * 100_000;
    let mut frames = Vec::new();
    let mut next = [1000_u32, 5000];
    let mut send = |side: usize, flags: u8, payload: &str| {
        let (from, to) = if side == 0 { (client, server) } else { (server, client) };
        let ack = if flags == SYN { 0 } else { next[1 - side] };
        frames.push((
            start + frames.len() as u64 * 1000,
            tcp_frame(from, to, next[side], ack, flags, payload.as_bytes()),
        ));
        next[side] += payload.len() as u32 + u32::from(flags & 3 != 0);
    };
    send(0, SYN, "");
    send(1, SYN | ACK, "");
    send(0, ACK, "");
    send(1, PUSH, "220 ready\r\n");
    send(0, PUSH, &user);
    send(1, PUSH, "331 password\r\n");
    send(0, PUSH, &password);
    send(1, PUSH, answer);
    send(0, FIN, "");
    send(1, FIN, "");
    frames
}

fn findings(frames: &[(u64, Vec<u8>)], threads: &str) -> (Vec<Vec<String>>, String) {
    let (temp, out) = scratch();
    let capture = temp.path().join("guessing.pcap");
    fs::write(&capture, pcap(frames)).expect("a file");
    let run = read([capture.as_os_str(), "--threads".as_ref(), threads.as_ref()], &out).ends_with(exit::COMPLETE);
    let rows = table(&out, "findings").pick(&["rule_id", "severity", "device_ip", "peer_ip", "count", "evidence"]);
    let text = fs::read_to_string(out.join("findings.jsonl")).expect("a file") + &run.stdout + &run.stderr;
    (rows, text)
}

#[test]
fn a_thousand_guesses_make_few_findings_in_linear_time() {
    let refused = "530 no\r\n";
    let mut frames: Vec<_> =
        (0..1000).flat_map(|n| connection(n, "Sample-User-1", &format!("Sample-Guess-{n}"), refused)).collect();
    frames.extend(connection(1000, "admin", "admin", "230 welcome\r\n"));
    let started = Instant::now();
    let (rows, text) = findings(&frames, "1");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let of = |rule: &str| rows.iter().filter(|r| r[0] == rule).collect::<Vec<_>>();
    for (rule, severity) in [
        ("brute-force", "high"),
        ("brute-force-succeeded", "critical"),
        ("no-login-throttling", "medium"),
        ("default-credentials-accepted", "critical"),
        ("cleartext-credentials-ftp", "high"),
    ] {
        let found = of(rule);
        assert_eq!(found.len(), 1, "{rule}: {rows:?}");
        assert_eq!(found[0][1..4], [severity.to_owned(), "10.0.0.5".into(), "10.0.0.9".into()]);
    }
    assert!(of("password-spraying").is_empty());
    assert_eq!(of("cleartext-credentials-ftp")[0][4], "1001");
    assert!(of("brute-force")[0][5].ends_with("1000 failed logins in all (ftp)"), "{rows:?}");
    assert!(!text.contains("Sample-Guess"), "no password is written");
    assert_eq!(findings(&frames, "8").0, rows, "whatever the number of threads");
}

#[test]
fn an_old_password_in_some_settings_is_no_guessing() {
    let frames: Vec<_> =
        (0..60).flat_map(|n| connection(n * 10, "Sample-User-1", "Sample-Old-1", "530 no\r\n")).collect();
    let (rows, _) = findings(&frames, "2");
    assert!(rows.iter().all(|r| !r[0].starts_with("brute-force") && r[0] != "password-spraying"), "{rows:?}");
}

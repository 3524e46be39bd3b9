//! A client that speaks another protocol than the server: the server's greeting decides.

mod common;

use common::{exit, pcap, read, scratch, table, tables, tcp_frame};

const CLIENT: ([u8; 4], u16) = ([192, 168, 7, 9], 40_000);
const SERVER: ([u8; 4], u16) = ([192, 168, 7, 2], 8022);
const SYN: u8 = 2;
const PUSH: u8 = 0x18;

/// The tables of a connection in which each of these texts is sent in turn, the client's first.
fn connection(texts: &[&[u8]]) -> (tempfile::TempDir, std::path::PathBuf) {
    let (temp, out) = scratch();
    let mut frames = vec![
        tcp_frame(CLIENT, SERVER, 99, 0, SYN, b""),
        tcp_frame(SERVER, CLIENT, 499, 100, SYN | 0x10, b""),
        tcp_frame(CLIENT, SERVER, 100, 500, 0x10, b""),
    ];
    let mut sent = [100_u32, 500];
    for (n, text) in texts.iter().enumerate() {
        let [client, server] = sent;
        frames.push(if n % 2 == 0 {
            tcp_frame(CLIENT, SERVER, client, server, PUSH, text)
        } else {
            tcp_frame(SERVER, CLIENT, server, client, PUSH, text)
        });
        sent[n % 2] += text.len() as u32;
    }
    let timed: Vec<_> = frames.into_iter().enumerate().map(|(n, f)| (n as u64 * 1000, f)).collect();
    let file = temp.path().join("a.pcap");
    std::fs::write(&file, pcap(&timed)).expect("a file");
    read([&file], &out).ends_with(exit::COMPLETE);
    (temp, out)
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: door\r\nAuthorization: Basic am9lOlNhbXBsZS1PdmVyLTE=\r\n\r\n";

#[test]
fn a_browser_at_the_port_of_ssh() {
    let (_temp, out) = connection(&[GET, b"SSH-2.0-OpenSSH_9.2\r\nInvalid SSH identification string.\r\n"]);
    assert_eq!(table(&out, "flows").column("service"), ["ssh"]);
    assert_eq!(table(&out, "ssh").column("server_banner"), ["SSH-2.0-OpenSSH_9.2"]);
    // What the browser sent is told all the same, its login too.
    assert_eq!(table(&out, "http").column("method"), ["GET"]);
    assert_eq!(table(&out, "credentials").column("username"), ["joe"]);
}

#[test]
fn a_browser_at_the_port_of_a_screen() {
    let (_temp, out) = connection(&[GET, b"RFB 003.008\n"]);
    assert_eq!(table(&out, "flows").column("service"), ["vnc"]);
}

#[test]
fn an_answer_that_only_speaks_of_ssh_is_none() {
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let (_temp, out) = connection(&[GET, answer, b"", b"SSH-2.0"]);
    assert_eq!(table(&out, "flows").column("service"), ["http"]);
    assert!(tables(&out)["ssh"].rows.is_empty());
}

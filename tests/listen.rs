//! Listening gives what reading the same packets gives. Packets are replayed over a veth pair in a
//! network namespace of the test's own thread: nothing leaves it.

mod common;

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, document, exit, frames_of, names_below, pcap, read, sample, scratch, skipped, table};

/// Samples that are plain Ethernet, replayed one after another.
const REPLAYED: [&str; 9] = [
    "dns-office.pcap",
    "telnet-printer.pcap",
    "ftp-upload-passive.pcap",
    "ftp-active.pcap",
    "http-basic-camera.pcap",
    "tls-versions.pcap",
    "printer-calls-home.pcap",
    "mirror-vxlan.pcap",
    "ipv6-host.pcap",
];

/// Moves the calling thread, and the programs that it starts from now on, into a network of their
/// own with two ends of a cable in it.
fn enter_namespace() -> Result<(), String> {
    // SAFETY: changes the network namespace of the calling thread only.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(format!("a network namespace may not be created: {}", io::Error::last_os_error()));
    }
    for command in [
        "link set lo up",
        "link add veth0 type veth peer name veth1",
        "link set veth0 mtu 9216 addrgenmode none arp off",
        "link set veth1 mtu 9216 addrgenmode none arp off",
        "link set veth0 up",
        "link set veth1 up",
    ] {
        let output = Command::new("ip").args(command.split(' ')).output().map_err(|e| format!("ip: {e}"))?;
        if !output.status.success() {
            return Err(format!("ip {command}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}

/// Sends frames as they are from an interface.
struct Sender {
    socket: i32,
    index: i32,
}

impl Sender {
    fn new(interface: &str) -> io::Result<Self> {
        let name = CString::new(interface).expect("a plain name");
        // SAFETY: a system call with a terminated name.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        // SAFETY: a plain system call.
        let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
        if index == 0 || socket < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { socket, index: index as i32 })
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: all fields of the address are numbers, for which zero is a value.
        let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = self.index;
        // SAFETY: the frame and the address are valid for the lengths that are given.
        let sent = unsafe {
            libc::sendto(
                self.socket,
                frame.as_ptr().cast(),
                frame.len(),
                0,
                std::ptr::from_ref(&to).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        if sent == frame.len() as isize { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // SAFETY: the socket is ours and not used any more.
        unsafe { libc::close(self.socket) };
    }
}

fn listen(out: &Path, more: &[&str]) -> Child {
    let mut command = common::command();
    command.args(["listen", "-i", "veth1", "-o"]).arg(out).args(more);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let begun = Instant::now();
    while !out.exists() && begun.elapsed() < Duration::from_secs(10) && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The rings are opened around the time when the folder is claimed.
    std::thread::sleep(Duration::from_millis(500));
    child
}

fn stop(child: Child) -> Run {
    // SAFETY: plain system call with the id of a child that was not waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
    end(child)
}

/// Waits for the end, but not for ever.
fn end(mut child: Child) -> Run {
    let begun = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if begun.elapsed() > Duration::from_secs(10) {
            child.kill().expect("it can be stopped");
            panic!("the run does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Run::of(child.wait_with_output().expect("an end"))
}

/// Runs in a thread of its own, since the thread never comes back from its namespace.
fn in_namespace(what: &'static str, work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || match enter_namespace() {
        Ok(()) => work(),
        Err(why) => skipped(what, why),
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// What must be the same, sorted: everything that does not depend on when a packet came.
fn seen(out: &Path) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let columns: [(&str, &[&str]); 8] = [
        (
            "flows",
            &[
                "community_id",
                "proto",
                "orig_ip",
                "orig_port",
                "resp_ip",
                "resp_port",
                "orig_pkts",
                "resp_pkts",
                "orig_bytes",
                "resp_bytes",
                "orig_ip_bytes",
                "resp_ip_bytes",
                "service",
                "service_source",
                "conn_state",
                "history",
                "vlans",
                "tunnels",
                "direction",
                "server_name",
                "server_name_source",
                "missed_bytes",
                "retransmitted_pkts",
                "duplicate_pkts",
                "orig_mac",
                "resp_mac",
            ],
        ),
        (
            "findings",
            &[
                "rule_id",
                "severity",
                "device_ip",
                "device_mac",
                "peer_ip",
                "peer_port",
                "peer_name",
                "count",
                "evidence",
            ],
        ),
        (
            "tls",
            &[
                "orig_ip",
                "orig_port",
                "server_name",
                "version",
                "cipher",
                "ja3",
                "ja3s",
                "ja4",
                "resumed",
                "established",
            ],
        ),
        ("credentials", &["orig_ip", "orig_port", "protocol", "mechanism", "username", "secret_length", "success"]),
        ("http", &["orig_ip", "orig_port", "method", "host", "uri", "status"]),
        ("dns", &["orig_ip", "orig_port", "query", "qtype", "rcode", "answers"]),
        ("ftp", &["orig_ip", "orig_port", "command", "reply_code"]),
        ("devices", &["mac", "ips", "hostnames", "vendor"]),
    ];
    let rows = |name: &str, columns: &[&str]| {
        let mut rows = table(out, name).pick(columns);
        rows.sort();
        rows
    };
    columns.into_iter().map(|(name, columns)| (name, rows(name, columns))).collect()
}

fn replay(sender: &Sender, frames: &[(u64, Vec<u8>)]) {
    for (i, (_, frame)) in frames.iter().enumerate() {
        sender.send(frame).unwrap_or_else(|e| panic!("frame {} of {} bytes: {e}", i + 1, frame.len()));
        if i % 16 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    std::thread::sleep(Duration::from_millis(700));
}

#[test]
fn listening_gives_what_reading_gives() {
    in_namespace("listening on an interface", || {
        let frames: Vec<_> = REPLAYED.iter().flat_map(|name| frames_of(&sample(name))).collect();
        let (temp, from_file) = scratch();
        let file = temp.path().join("all.pcap");
        fs::write(&file, pcap(&frames)).expect("a file");
        read([&file], &from_file).ends_with(exit::COMPLETE);
        let sender = Sender::new("veth0").expect("root in its namespace may send");
        for threads in ["1", "2"] {
            let out = temp.path().join(format!("live-{threads}"));
            let child = listen(&out, &["-t", threads]);
            replay(&sender, &frames);
            let run = stop(child).ends_with(exit::COMPLETE);
            assert_eq!(document(&out)["packets"], frames.len(), "-t {threads}: {}", run.stderr);
            assert_eq!(document(&out)["kernel_drops"], 0, "-t {threads}");
            for ((name, live), (_, read)) in seen(&out).into_iter().zip(seen(&from_file)) {
                let only = |a: &[Vec<String>], b: &[Vec<String>]| -> Vec<String> {
                    a.iter().filter(|r| !b.contains(r)).map(|r| format!("  {r:?}")).collect()
                };
                let (more, less) = (only(&live, &read), only(&read, &live));
                assert!(
                    live == read,
                    "-t {threads}: {name}: {} rows live, {} from the file\nonly live:\n{}\nonly from the file:\n{}",
                    live.len(),
                    read.len(),
                    more.join("\n"),
                    less.join("\n")
                );
            }
            for name in names_below(&out) {
                let daily = name.ends_with(".parquet") && name.contains("/date=20");
                assert!(daily || name == "run.json" || name == "findings.jsonl", "{name}");
            }
        }
    });
}

#[test]
fn parts_are_whole_while_listening_goes_on() {
    in_namespace("rotating while listening", || {
        let (_temp, out) = scratch();
        let sender = Sender::new("veth0").expect("root in its namespace may send");
        // Silent flows end after a second, and files are rotated every second.
        let child = listen(&out, &["-t", "2", "--rotate", "1", "--udp-timeout", "1", "--tcp-timeout", "1"]);
        let mut frames = frames_of(&sample("dns-office.pcap"));
        frames.truncate(20);
        let parquet =
            || names_below(&out).into_iter().filter(|n| n.starts_with("flows/") && n.ends_with(".parquet")).count();
        let begun = Instant::now();
        while parquet() < 2 && begun.elapsed() < Duration::from_secs(20) {
            replay(&sender, &frames);
            // Long enough for the flows to end by their silence.
            std::thread::sleep(Duration::from_millis(1800));
        }
        let before = parquet();
        let flows = table(&out, "flows").rows.len();
        let run = stop(child).ends_with(exit::COMPLETE);
        assert!(before >= 2, "no part was finished in {:?}: {}", begun.elapsed(), run.stderr);
        assert!(flows >= 5, "{flows}");
        assert!(table(&out, "flows").rows.len() >= flows);
    });
}

#[test]
fn a_run_ends_after_its_duration() {
    in_namespace("the duration of listening", || {
        let (_temp, out) = scratch();
        let begun = Instant::now();
        let child = listen(&out, &["--duration", "1", "-f", "udp"]);
        let run = end(child);
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        run.ends_with(exit::COMPLETE);
        assert_eq!(document(&out)["packets"], 0);
    });
}

#[test]
fn what_keeps_from_listening_is_said() {
    let (temp, out) = scratch();
    let run = common::overhear(["listen".as_ref(), "-i".as_ref(), "nosuch0".as_ref(), "-o".as_ref(), out.as_os_str()]);
    run.ends_with(exit::NO_INPUT).says(&["nosuch0"]);
    assert!(!out.exists(), "{:?}", names_below(&out));
    // Without the capability, whoever one is.
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups"])
        .args([common::PROGRAM, "listen", "-i", "lo", "--duration", "1", "-o"])
        .arg(temp.path().join("other"))
        .output();
    match output {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("setpriv") => {
            let run = Run::of(output);
            assert!(matches!(run.code, Some(exit::NO_INPUT | exit::FAILED)), "{run:?}");
            run.says(&["CAP_NET_RAW", "lo"]);
        }
        other => skipped("listening without permission", format!("{other:?}")),
    }
}

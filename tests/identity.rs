//! Which devices there are: exactly those that are there, and all of a hundred thousand.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{
    command, document, exit, pcap, pcap_header, pcap_record, read, samples_folder, scratch, table, udp_frame,
};

/// Items of a list, sorted.
fn items(cell: &str, by: char) -> Vec<String> {
    let mut items: Vec<String> = cell.split(by).filter(|i| !i.is_empty() && *i != "-").map(Into::into).collect();
    items.sort();
    items
}

type Devices = BTreeMap<String, [Vec<String>; 3]>;

fn devices(out: &Path) -> Devices {
    let rows = table(out, "devices").pick(&["device_id", "other_macs", "ips", "hostnames"]);
    let found: Devices =
        rows.iter().map(|r| (r[0].clone(), [&r[1], &r[2], &r[3]].map(|cell| items(cell, '|')))).collect();
    assert_eq!(found.len(), rows.len(), "a device has two rows");
    found
}

#[test]
fn the_devices_of_the_puzzles_are_those_and_none_more() {
    let (_temp, out) = scratch();
    read(["identities.pcap"], &out).ends_with(exit::COMPLETE);
    let text = fs::read_to_string(samples_folder().join("identities.tsv")).expect("the truth");
    let rows = text.lines().filter(|l| !l.starts_with('#')).skip(1).map(|l| l.split('\t').collect::<Vec<_>>());
    let want: Devices = rows.map(|r| (r[0].to_owned(), [r[1], r[2], r[3]].map(|cell| items(cell, ' ')))).collect();
    assert_eq!(devices(&out), want);

    let all = table(&out, "devices");
    let class: BTreeMap<_, _> =
        all.pick(&["device_id", "class"]).into_iter().map(|r| (r[0].clone(), r[1].clone())).collect();
    for router in ["d4:ca:6d:60:00:02", "d4:ca:6d:60:00:03", "c4:ad:34:60:00:09"] {
        assert_eq!(class[router], "router");
    }
    assert_eq!(class["80:5e:c0:60:41:00"], "ip-phone");
    assert_eq!(class["98:e7:43:60:42:00"], "workstation", "the telephone in front of it does not make it one");
    assert_eq!(class["172.16.60.23"], "unknown");
    let conflicts = all.pick(&["device_id", "conflicts"]);
    assert!(conflicts.iter().all(|r| !r[1].contains("same time") && !r[1].contains("another device")), "{conflicts:?}");

    // Both had 192.168.60.50, and each has its own finding.
    let findings = table(&out, "findings").pick(&["rule_id", "device_id", "device_ip", "device_class"]);
    let mut logins: Vec<_> =
        findings.iter().filter(|f| f[0] == "cleartext-credentials-http").map(|f| f[1..].join(" ")).collect();
    logins.sort();
    let want = ["00:0b:82:60:20:50 192.168.60.50 ip-phone", "3c:d9:2b:60:10:50 192.168.60.50 printer"];
    assert_eq!(logins, want);
}

/// A DNS name in wire form.
fn name(labels: &[&str]) -> Vec<u8> {
    let mut out: Vec<u8> = labels.iter().flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
    out.push(0);
    out
}

/// What one device sends: ARP, a DHCP request with what answers it, mDNS and SSDP.
fn device(n: u32) -> Vec<Vec<u8>> {
    const PREFIXES: [[u8; 3]; 4] = [[0x00, 0x1b, 0xa9], [0x80, 0x5e, 0xc0], [0xb8, 0xa4, 0x4f], [0x98, 0xe7, 0x43]];
    let [_, b, c, d] = n.to_be_bytes();
    let [p, q, r] = PREFIXES[n as usize % 4];
    let mac = [p, q, r, b, c, d];
    let ip = [10, 1 + b, c, d];
    let host = format!("host-{n:06}");
    let from = |mut frame: Vec<u8>, to: [u8; 6]| {
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&mac);
        frame
    };
    let mut arp = [&[0xff; 6][..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &mac, &ip, &[0; 6], &ip].concat();
    arp.resize(60, 0);

    let dhcp = |reply: bool| {
        let mut m = vec![if reply { 2 } else { 1 }, 1, 6, 0];
        m.extend(n.to_be_bytes());
        m.extend([0; 8]);
        m.extend(if reply { ip } else { [0; 4] });
        m.extend([0; 8]);
        m.extend(mac);
        m.extend([0; 202]);
        m.extend([0x63, 0x82, 0x53, 0x63, 53, 1, if reply { 5 } else { 3 }]);
        if reply {
            m.extend([54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 14, 16]);
        } else {
            m.extend([12, host.len() as u8]);
            m.extend(host.as_bytes());
            m.extend([60, 8]);
            m.extend(b"MSFT 5.0");
            m.extend([55, 6, 1, 3, 6, 15, 31, 33]);
        }
        m.push(255);
        m
    };
    let asks = from(udp_frame([0; 4], 68, [255; 4], 67, &dhcp(false)), [0xff; 6]);
    let mut answer = udp_frame([10, 0, 0, 1], 67, ip, 68, &dhcp(true));
    answer[..6].copy_from_slice(&mac);

    let service = name(&["_ipp", "_tcp", "local"]);
    let instance = [&[host.len() as u8][..], host.as_bytes(), &service].concat();
    let mut mdns = vec![0, 0, 0x84, 0, 0, 0, 0, 2, 0, 0, 0, 0];
    mdns.extend([&service[..], &[0, 12, 0, 1, 0, 0, 0, 120, 0, instance.len() as u8], &instance].concat());
    mdns.extend([&name(&[&host, "local"])[..], &[0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4], &ip].concat());
    let mdns = from(udp_frame(ip, 5353, [224, 0, 0, 251], 5353, &mdns), [1, 0, 0x5e, 0, 0, 0xfb]);

    let ssdp = format!(
        "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n\
         LOCATION: http://10.{}.{c}.{d}:49152/d.xml\r\nSERVER: Linux/4.9 UPnP/1.0 Sample/1.{}\r\n\
         USN: uuid:00000000-0000-1000-8000-{n:012x}::upnp:rootdevice\r\n\r\n",
        1 + b,
        n % 50
    );
    let ssdp = from(udp_frame(ip, 1900, [239, 255, 255, 250], 1900, ssdp.as_bytes()), [1, 0, 0x5e, 0x7f, 0xff, 0xfa]);
    vec![arp, asks, answer, mdns, ssdp]
}

fn write_capture(path: &Path, devices: u32) {
    let mut file = BufWriter::new(fs::File::create(path).expect("a file"));
    file.write_all(&pcap_header(1)).expect("written");
    for n in 0..devices {
        for (i, frame) in device(n).iter().enumerate() {
            let micros = 1_700_000_000_000_000 + u64::from(n) * 10_000 + i as u64 * 1000;
            file.write_all(&pcap_record(micros, frame)).expect("written");
        }
    }
    file.flush().expect("written");
}

/// Runs to the end: how long it took, and the most memory that it held, in bytes (where the system tells).
fn measured(capture: &Path, out: &Path, memory: &str) -> (Duration, u64) {
    let start = Instant::now();
    let mut command = command();
    command.arg("read").arg(capture).arg("-o").arg(out).args(["--memory", memory, "--no-hash", "--overwrite"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib: u64 = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
        most = most.max(kib << 10);
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    // So many devices have more relations than are kept; nothing else may be lost.
    let lost = document(out)["limits_hit"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert!(lost.iter().all(|limit| limit == "contacts_dropped"), "with {memory}: {lost:?}");
    let expected = if lost.is_empty() { exit::COMPLETE } else { exit::PARTIAL };
    assert_eq!(code, Some(expected), "with {memory}");
    (start.elapsed(), most)
}

/// Every device is there with its address and its name, each of them once or, where rows were written before
/// the end, in few cases more. Gives the number of rows.
fn all_are_there(out: &Path, devices: u32) -> usize {
    let rows = table(out, "devices").pick(&["device_id", "ips", "hostnames", "vendor"]);
    let mut found: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for row in &rows {
        let (ip, name) = found.entry(&row[0]).or_default();
        *ip = if row[1].is_empty() { ip } else { &row[1] };
        *name = if row[2].is_empty() { name } else { &row[2] };
        assert!(!row[3].is_empty() || row[0] == "02:00:0a:00:00:01", "{row:?}");
    }
    // The DHCP server has sent, and is one more.
    assert_eq!(found.remove("02:00:0a:00:00:01"), Some(("10.0.0.1", "")));
    assert_eq!(found.len(), devices as usize);
    for (id, (ip, name)) in found {
        let n: u32 = name.trim_start_matches("host-")[..6].parse().expect("its number");
        let [_, b, c, d] = n.to_be_bytes();
        assert_eq!(ip, format!("10.{}.{c}.{d}", 1 + b));
        assert!(id.ends_with(&format!("{b:02x}:{c:02x}:{d:02x}")), "{id}");
    }
    rows.len()
}

#[test]
fn a_hundred_thousand_devices_come_out_within_the_memory_and_in_linear_time() {
    const MANY: u32 = 102_400;
    let (temp, out) = scratch();
    let capture = temp.path().join("half.pcap");
    write_capture(&capture, MANY / 2);
    let (half, _) = measured(&capture, &out, "1G");
    assert_eq!(all_are_there(&out, MANY / 2), MANY as usize / 2 + 1);

    // With half of the memory the devices that were seen first leave early, and none gets lost.
    let (_, most) = measured(&capture, &out, "512M");
    assert!(all_are_there(&out, MANY / 2) < MANY as usize / 40 * 21);
    let run = document(&out);
    assert!(run["counters"]["devices_written"].as_u64().is_some_and(|n| n > 10_000), "{}", run["counters"]);
    assert_eq!(run["devices"], MANY / 2 + 1);
    let within = |most: u64, budget: u64| most <= budget / 10 * 11;
    assert!(within(most, 512 << 20), "{} MiB", most >> 20);

    write_capture(&capture, MANY);
    let (whole, most) = measured(&capture, &out, "1G");
    assert_eq!(all_are_there(&out, MANY), MANY as usize + 1);
    let run = document(&out);
    assert_eq!(run["devices"], MANY + 1);
    assert!(within(most, 1 << 30), "{} MiB", most >> 20);
    assert!(whole < half * 3, "{half:?} for half of them, {whole:?} for all");
    eprintln!("{MANY} devices in {whole:?}, half of them in {half:?}");
}

#[test]
fn whoever_sends_tunnels_is_a_device_however_many_there_are() {
    const SENDERS: u16 = 12_000;
    // VXLAN (RFC 7348, section 5) with a frame of one host in it, from as many ends as a fabric may have.
    let vxlan = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &udp_frame([10, 1, 1, 1], 1000, [10, 1, 1, 2], 2000, b"x")].concat();
    let frame = |n: u16| {
        let [high, low] = n.to_be_bytes();
        udp_frame([10, 50, high, low], 40_000, [10, 60, 0, 1], 4789, &vxlan)
    };
    let frames: Vec<_> = (0..2u64)
        .flat_map(|round| (0..SENDERS).map(move |n| (round, n)))
        .map(|(round, n)| (round * 1_000_000 + u64::from(n), frame(n)))
        .collect();
    let (_folder, out) = scratch();
    let capture = out.with_extension("pcap");
    fs::write(&capture, pcap(&frames)).expect("the capture is written");
    let found = |threads: &str| {
        let args = [capture.as_os_str(), "--threads".as_ref(), threads.as_ref(), "--overwrite".as_ref()];
        read(args, &out).ends_with(exit::COMPLETE);
        assert_eq!(document(&out)["counters"]["claims_dropped"], 0);
        devices(&out)
    };
    let one = found("1");
    assert_eq!(one.len(), usize::from(SENDERS) + 1, "the ends of tunnels, and the host inside");
    assert!(one == found("4"), "other devices with more threads");
}

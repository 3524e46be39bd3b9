//! What devices offer, whom they talk to, what an inventory says of them, and how all of it is printed.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, document, exit, overhear, read, scratch, table};
use serde_json::Value;

const PRINTER: &str = "00:1b:a9:e2:c7:22";
const NAS: &str = "00:11:32:9d:4e:61";

fn devices(out: &Path, more: &[&str]) -> Run {
    let out = out.display().to_string();
    overhear(["devices", out.as_str()].into_iter().chain(more.iter().copied()))
}

/// All samples of the office as one network. The one about identities is of another, in which an address is given to
/// one device after the other.
fn office() -> (tempfile::TempDir, PathBuf) {
    let (temp, out) = scratch();
    let samples = common::samples().into_iter().filter(|name| name != "identities.pcap").collect::<Vec<_>>();
    read(samples.iter().map(String::as_str), &out).ends_with(exit::COMPLETE);
    (temp, out)
}

fn file(folder: &Path, text: &str) -> String {
    let path = folder.join("inventory.csv");
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn services_and_peers_agree_with_the_flows() {
    let (_temp, out) = office();
    let flows = table(&out, "flows");
    let services = table(&out, "device_services").pick(&["device_ip", "role", "protocol", "port", "flows"]);
    let peers = table(&out, "device_peers").pick(&["device_ip", "peer_ip", "flows", "bytes_sent", "bytes_received"]);
    assert!(services.len() > 100 && peers.len() > 100, "{} {}", services.len(), peers.len());
    // A server that never speaks without being asked: its flows are those of the flows table.
    let web = flows.pick(&["resp_ip", "resp_port", "proto", "history"]);
    let of_web = |f: &&Vec<String>| f[0] == "192.168.50.23" && f[1] == "443" && f[2] == "tcp";
    let there = web.iter().filter(of_web).count();
    let row = ["192.168.50.23", "server", "tcp", "443"].map(str::to_owned);
    let told = services.iter().find(|s| s[..4] == row).expect("the printer's web server");
    assert_eq!(told[4], there.to_string());
    // What two devices sent each other is the same from both sides.
    let ends = flows.pick(&["orig_ip", "resp_ip", "orig_bytes", "resp_bytes"]);
    let sent = |from: &str, to: &str| -> i64 {
        let number = |n: &String| n.parse::<i64>().expect("a number");
        ends.iter()
            .map(|f| match (f[0] == from && f[1] == to, f[0] == to && f[1] == from) {
                (true, _) => number(&f[2]),
                (_, true) => number(&f[3]),
                _ => 0,
            })
            .sum()
    };
    for peer in peers.iter().filter(|p| p[0].contains('.')) {
        assert_eq!(peer[3], sent(&peer[0], &peer[1]).to_string(), "{peer:?}");
        assert_eq!(peer[4], sent(&peer[1], &peer[0]).to_string(), "{peer:?}");
    }
    let ids: BTreeSet<_> = table(&out, "devices").column("device_id").into_iter().collect();
    for (name, columns) in [("device_services", &["device_id"][..]), ("device_peers", &["device_id", "peer_device_id"])]
    {
        let rows = table(&out, name).pick(columns);
        for id in rows.iter().flatten().filter(|id| !id.is_empty()) {
            assert!(ids.contains(id), "{name}: {id} is no device");
        }
    }
}

#[test]
fn roles_are_those_that_the_samples_show() {
    let (_temp, out) = office();
    let rows = table(&out, "devices").pick(&["device_id", "roles"]);
    let of = |id: &str| {
        let row = rows.iter().find(|r| r[0] == id).expect("the device is there");
        row[1].split('|').filter(|role| !role.contains(':')).map(str::to_owned).collect::<Vec<_>>()
    };
    let gateway = ["dhcp-server", "dns-server", "gateway", "nat-gateway"];
    assert_eq!(of("00:a0:57:10:50:01"), gateway, "it offers to open its ports");
    assert_eq!(of("70:b3:d5:1a:b1:72"), ["controller"]);
    assert_eq!(of("98:e7:43:77:b0:12"), ["controller", "ntp-server"], "it answers BACnet, and NTP in mode 4");
    assert_eq!(of(PRINTER), [""; 0]);
    let all = |id: &str| rows.iter().find(|r| r[0] == id).expect("the device is there")[1].clone();
    assert!(all(PRINTER).contains("server:ipp") && all(PRINTER).contains("client:smtp"), "{}", all(PRINTER));
    assert!(!all("80:5e:c0:1f:30:41").contains("server:tftp"), "who fetches by TFTP is no server");
    assert!(all(NAS).contains("server:tftp"), "{}", all(NAS));
}

#[test]
fn banners_hold_no_secret() {
    let (_temp, out) = office();
    let rows = table(&out, "device_services").pick(&["device_id", "port", "banner", "role"]);
    let banners: Vec<_> = rows.iter().filter(|r| !r[2].is_empty()).collect();
    assert!(banners.len() >= 15, "{banners:?}");
    assert!(banners.iter().all(|r| r[3] == "server"));
    assert!(banners.iter().any(|r| r[0] == NAS && r[1] == "445" && r[2].starts_with("Samba")), "{banners:?}");
    let secrets = table(&out, "credentials").column("secret");
    assert!(secrets.iter().all(|s| s.is_empty() || s.contains("blanked")), "{secrets:?}");
}

#[test]
fn the_list_is_sorted_filtered_and_printed_in_three_ways() {
    let (_temp, out) = office();
    let all = devices(&out, &[]).ends_with(exit::COMPLETE).stdout;
    assert!(all.starts_with("ADDRESS "), "{all}");
    assert!(all.ends_with("\n22 devices\n"), "{all}");
    assert!(all.lines().nth(1).expect("a device").starts_with("192.168.40.1 "), "{all}");
    let printers = devices(&out, &["--class", "printer", "--sort", "findings"]).ends_with(exit::COMPLETE).stdout;
    assert!(printers.ends_with("\n3 of 22 devices\n"), "{printers}");
    let text = devices(&out, &["--format", "json", "--vendor", "brother"]).ends_with(exit::COMPLETE).stdout;
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["device_id"], PRINTER);
    assert!(json[0]["claims"].as_array().is_some_and(|c| c.len() > 5));
    assert_eq!(json[0]["addresses"][0]["ip"], "192.168.50.22");
    let csv = devices(&out, &["--format", "csv", "--address", "192.168.50.0/24"]).ends_with(exit::COMPLETE).stdout;
    assert_eq!(csv.lines().count(), 11, "{csv}");
    assert!(csv.starts_with("device_id,mac,other_macs,ips,"), "{csv}");
    let sure = devices(&out, &["--min-confidence", "0.9", "--role", "gateway"]).ends_with(exit::COMPLETE).stdout;
    assert!(sure.contains("LANCOM"), "{sure}");
    devices(&out, &["--class", "toaster"]).ends_with(exit::USAGE).says(&["no class is called \"toaster\"", "printer"]);
}

#[test]
fn one_device_is_shown_in_full_by_whatever_it_is_called() {
    let (_temp, out) = office();
    let by_mac = devices(&out, &[PRINTER]).ends_with(exit::COMPLETE).stdout;
    for name in ["192.168.50.22", "BRN001BA9E2C722", "001b.a9e2.c722"] {
        assert_eq!(devices(&out, &[name]).ends_with(exit::COMPLETE).stdout, by_mac, "{name}");
    }
    for part in [
        "Class   printer (99 % sure)",
        "Addresses\n    192.168.50.22",
        "Why\n    4.00  dhcp ",
        "631/tcp   ipp ",
        "CUPS/2.4 IPP/2.1",
        "53/udp   dns ",
        "192.168.40.61  00:11:32:9d:4e:61  internal   client",
        "Password sent in clear over telnet",
    ] {
        assert!(by_mac.contains(part), "{part:?} is not in\n{by_mac}");
    }
    let text = devices(&out, &["192.168.50.12", "--format", "json"]).ends_with(exit::COMPLETE).stdout;
    let json: Value = serde_json::from_str(&text).expect("JSON");
    for list in ["services", "peers", "found", "would_raise_confidence", "claims"] {
        assert!(json[list].as_array().is_some_and(|all| !all.is_empty()), "{list}");
    }
}

#[test]
fn what_is_no_output_or_no_device_is_told() {
    let (temp, out) = scratch();
    read(["dhcp-staff.pcap"], &out).ends_with(exit::COMPLETE);
    devices(&out, &["10.9.9.9"]).ends_with(exit::USAGE).says(&["none of its 9 devices", "10.9.9.9"]);
    devices(&temp.path().join("nowhere"), &[]).ends_with(exit::USAGE).says(&["there is no such folder"]);
    devices(temp.path(), &[]).ends_with(exit::USAGE).says(&["there is no run.json"]);
    fs::write(out.join("devices/part-00000.parquet"), b"PAR1").expect("a file");
    devices(&out, &[]).ends_with(exit::USAGE).says(&["devices/part-00000.parquet"]);
    // Each capture a network of its own: the same device twice.
    let (_temp, apart) = scratch();
    read(["dhcp-staff.pcap", "voice-call.pcap", "--separate"], &apart).ends_with(exit::COMPLETE);
    let several = devices(&apart, &["192.168.40.41"]).ends_with(exit::USAGE);
    several.says(&["stands for 2 devices", "80:5e:c0:1f:30:41@0", "80:5e:c0:1f:30:41@1"]);
    devices(&apart, &["80:5e:c0:1f:30:41@1"]).ends_with(exit::COMPLETE);
}

#[test]
fn an_inventory_wins_and_what_is_missing_is_told() {
    let (temp, out) = scratch();
    let list = file(
        temp.path(),
        "Tag;IP;Host Name;MAC;Manufacturer;Device Type;Location;Owner;Notes\r\n\
         1;192.168.50.22;BRN001BA9E2C722;00-1B-A9-E2-C7-22;Brother;MFP;Hall B;Facility;\"lease; \x1b[31m2027\"\r\n\
         2;192.168.50.99;;b8a4.4f0c.9131;Hikvision;Intercom;Gate;;\r\n\
         3;10.1.1.1;old-nas;;Synology;NAS;;;\r\n",
    );
    let run = read([".", "--inventory", &list], &out).ends_with(exit::COMPLETE).says(&["columns left out: Tag"]);
    let summary = format!("  Inventory 2 of 3 entries seen, 1 not seen ({list})");
    assert!(run.stdout.contains(&summary), "{}", run.stdout);
    let said = document(&out)["inventory"].clone();
    assert_eq!((&said["rows"], &said["seen"], &said["not_seen"]), (&3.into(), &2.into(), &1.into()));
    assert_eq!(said["not_seen_first"][0], "line 4: 10.1.1.1 old-nas");
    assert_eq!(said["sha256"].as_str().map(str::len), Some(64));
    let rows =
        table(&out, "devices").pick(&["device_id", "class", "confidence", "vendor", "conflicts", "site", "note"]);
    let printer = rows.iter().find(|r| r[0] == PRINTER).expect("the printer");
    assert_eq!(printer[1..4], ["printer", "1", "Brother"]);
    assert_eq!(printer[5..], ["Hall B", "lease; \u{fffd}[31m2027"]);
    let camera = rows.iter().find(|r| r[0] == "b8:a4:4f:0c:91:31").expect("the camera");
    assert_eq!(camera[1..4], ["intercom", "1", "Hikvision"]);
    for conflict in [
        "class: intercom by the inventory, camera (0.99) by what was seen",
        "vendor: Hikvision by the inventory, Axis by what was seen",
        "ip: 192.168.50.99 by the inventory, 192.168.50.31 by what was seen",
    ] {
        assert!(camera[4].contains(conflict), "{}", camera[4]);
    }
    let findings = table(&out, "findings").pick(&["device_id", "device_class", "site", "owner"]);
    assert!(findings.iter().any(|f| f[0] == PRINTER && f[2] == "Hall B" && f[3] == "Facility"));
    assert!(findings.iter().filter(|f| f[0] == "b8:a4:4f:0c:91:31").all(|f| f[1] == "intercom" && f[2] == "Gate"));
    assert!(findings.iter().filter(|f| f[0] == NAS).all(|f| f[2].is_empty()));
    let shown = devices(&out, &[PRINTER]).ends_with(exit::COMPLETE).stdout;
    assert!(shown.contains("printer (100 % sure)") && shown.contains("1.00  inventory  printer "), "{shown}");
    let drives = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(drives), "{shown:?}");
    // The list of accepted findings may change afterwards: what the inventory says stays.
    overhear(["suppress", &out.display().to_string(), "--none"]).ends_with(exit::COMPLETE);
    assert_eq!(document(&out)["inventory"], said);
}

#[test]
fn an_inventory_with_an_error_is_refused_by_line() {
    let (temp, out) = scratch();
    let list =
        file(temp.path(), "mac,class\nxx,printer\n00:1b:a9:01:02:03,toaster\n00-1b-a9-01-02-04,\n001ba9010204,\n");
    let run = read(["dhcp-staff.pcap", "--inventory", &list], &out).ends_with(exit::USAGE);
    run.says(&[
        &format!("{list}:2: \"xx\" is not a MAC address"),
        &format!("{list}:3: no class is called \"toaster\"; there are printer, "),
        &format!("{list}:5: 00:1b:a9:01:02:04 stands in line 4 already"),
    ]);
    assert!(!out.exists());
}

#[test]
fn an_inventory_gives_the_same_rows_for_any_number_of_threads() {
    let (temp, _) = scratch();
    let list = file(temp.path(), "ip,class,site\n192.168.50.22,camera,a\n192.168.40.61,server,b\n");
    for more in [&[][..], &["--separate"]] {
        let run = |threads: &str| {
            let out = temp.path().join(format!("out-{threads}-{}", more.len()));
            let mut args = vec![".", "--inventory", &list, "--threads", threads];
            args.extend(more);
            let files = ["devices", "device_services", "device_peers"];
            read(args, &out).ends_with(exit::COMPLETE);
            files.map(|name| table(&out, name))
        };
        assert_eq!(run("1"), run("8"));
    }
}

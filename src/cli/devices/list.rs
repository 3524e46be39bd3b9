//! Many devices: which of them, in which order, and how they are printed.

use std::fmt::Write;

use super::load::{Device, SEVERITIES};
use crate::base::Addr;
use crate::cli::args::{DeviceColumn, Devices, WhereItIs};
use crate::report::summary::{count, short_time};

/// Characters of a cell that is as long as its device likes.
const CELL: usize = 28;

/// Keeps the devices that are asked for, in the order that is asked for.
pub fn select(devices: &mut Vec<Device>, args: &Devices) {
    devices.retain(|device| wanted(device, args));
    // Equal ones keep the order of their identifiers, so that the output is the same each time.
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    sort(devices, args.sort);
    if args.reverse {
        devices.reverse();
    }
    devices.truncate(args.limit.unwrap_or(usize::MAX));
}

fn has(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(part)
}

fn wanted(device: &Device, args: &Devices) -> bool {
    let texts = |part: &str| {
        let one = [&device.vendor, &device.model, &device.firmware, &device.os];
        let noted = [&device.site, &device.owner, &device.note];
        let many = [&device.names, &device.roles, &device.claims, &device.ips, &device.other_macs];
        one.into_iter().chain(noted).flatten().chain(many.into_iter().flatten()).any(|text| has(text, part))
            || has(&device.id, part)
            || has(&device.class, part)
    };
    let at = |place: &WhereItIs| match place {
        WhereItIs::Mac(mac) => device.has_mac(*mac),
        WhereItIs::Network(network) => {
            device.ips.iter().filter_map(|ip| ip.parse::<Addr>().ok()).any(|ip| network.contains(ip))
        }
    };
    (args.class.is_empty() || args.class.iter().any(|class| class.eq_ignore_ascii_case(&device.class)))
        && args.vendor.as_ref().is_none_or(|v| device.vendor.as_ref().is_some_and(|d| has(d, &v.to_lowercase())))
        && args.min_confidence.is_none_or(|least| device.sure() >= least)
        && args.search.as_ref().is_none_or(|part| texts(&part.to_lowercase()))
        && args.address.as_ref().is_none_or(at)
        && args.role.as_ref().is_none_or(|role| device.roles.iter().any(|r| r.eq_ignore_ascii_case(role)))
}

fn sort(devices: &mut [Device], by: DeviceColumn) {
    let first_ip =
        |d: &Device| d.ips.first().and_then(|ip| ip.parse::<Addr>().ok()).map_or((1, Addr::UNSPECIFIED), |ip| (0, ip));
    // What is not known stands behind what is.
    let text = |t: Option<&String>| t.map_or((1, String::new()), |t| (0, t.to_lowercase()));
    match by {
        DeviceColumn::Device => {}
        DeviceColumn::Mac => devices.sort_by_cached_key(|d| text(d.mac.as_ref())),
        DeviceColumn::Ip => devices.sort_by_key(first_ip),
        DeviceColumn::Name => devices.sort_by_cached_key(|d| text(d.names.first())),
        DeviceColumn::Class => devices.sort_by(|a, b| a.class.cmp(&b.class)),
        DeviceColumn::Confidence => devices.sort_by(|a, b| b.sure().total_cmp(&a.sure())),
        DeviceColumn::Vendor => devices.sort_by_cached_key(|d| text(d.vendor.as_ref())),
        DeviceColumn::Model => devices.sort_by_cached_key(|d| text(d.model.as_ref())),
        DeviceColumn::Findings => devices.sort_by_key(|d| std::cmp::Reverse(d.findings)),
        DeviceColumn::FirstSeen => devices.sort_by_key(|d| d.first),
        DeviceColumn::LastSeen => devices.sort_by_key(|d| d.last),
        DeviceColumn::Site => devices.sort_by_cached_key(|d| text(d.site.as_ref())),
        DeviceColumn::Owner => devices.sort_by_cached_key(|d| text(d.owner.as_ref())),
    }
}

/// At most so many characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The first, and how many more there are.
fn first_of(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => cut(one, CELL),
        [one, more @ ..] => format!("{} +{}", cut(one, CELL), more.len()),
    }
}

/// The worst findings, and how many there are besides.
pub fn findings(by_severity: &[i64; 5]) -> String {
    let total: i64 = by_severity.iter().sum();
    match SEVERITIES.iter().zip(by_severity).find(|(_, n)| **n > 0) {
        None => String::new(),
        Some((severity, n)) if *n == total => format!("{n} {severity}"),
        Some((severity, n)) => format!("{n} {severity} +{}", total - n),
    }
}

/// Lines of cells, each as wide as its column, without blanks at the end.
pub fn table(out: &mut String, indent: &str, head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // A column of which nothing is known says nothing.
    let shown: Vec<bool> =
        (0..widths.len()).map(|at| rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.is_empty()))).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let from = out.len();
        out.push_str(indent);
        for ((cell, width), shown) in cells.zip(&widths).zip(&shown) {
            if *shown {
                out.push_str(cell);
                let blanks = width.saturating_sub(cell.chars().count()) + 2;
                out.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        let end = out.trim_end_matches(' ').len();
        out.truncate(end.max(from));
        out.push('\n');
    };
    if head.iter().any(|h| !h.is_empty()) {
        line(&mut head.iter().copied());
    }
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// For people: a line for each device.
pub fn text(devices: &[Device], all: usize) -> String {
    let mut out = String::new();
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|d| {
            vec![
                first_of(&d.ips),
                // An address that stands for the device is there already.
                d.mac.as_ref().map_or_else(String::new, |_| d.id.clone()),
                first_of(&d.names),
                d.class.clone(),
                if d.sure() > 0.0 { format!("{:>3.0} %", d.sure() * 100.0) } else { String::new() },
                cut(d.vendor.as_deref().unwrap_or_default(), CELL),
                cut(d.model.as_deref().unwrap_or_default(), CELL),
                cut(d.site.as_deref().unwrap_or_default(), CELL),
                findings(&d.findings),
                short_time(&d.last.to_string()),
            ]
        })
        .collect();
    let head = ["ADDRESS", "DEVICE", "NAME", "CLASS", "SURE", "VENDOR", "MODEL", "SITE", "FINDINGS", "LAST SEEN"];
    if !rows.is_empty() {
        table(&mut out, "", &head, &rows);
        out.push('\n');
    }
    // Writing to a string cannot fail.
    let _ = match devices.len() == all {
        true => writeln!(out, "{} devices", count(all as u64)),
        false => writeln!(out, "{} of {} devices", count(devices.len() as u64), count(all as u64)),
    };
    out
}

/// A device with everything that its row says.
pub fn object(d: &Device) -> serde_json::Value {
    let [critical, high, medium, low, info] = d.findings;
    let addresses: Vec<_> = d
        .ips
        .iter()
        .zip(d.spans.iter().map(Some).chain(std::iter::repeat(None)))
        .map(|(ip, span)| {
            serde_json::json!({
                "ip": ip,
                "first_seen": span.map(|s| s.0.to_string()),
                "last_seen": span.map(|s| s.1.to_string()),
            })
        })
        .collect();
    serde_json::json!({
        "device_id": d.id,
        "mac": d.mac,
        "other_macs": d.other_macs,
        "addresses": addresses,
        "hostnames": d.names,
        "vendor": d.vendor,
        "class": d.class,
        "model": d.model,
        "firmware": d.firmware,
        "os": d.os,
        "confidence": d.confidence,
        "roles": d.roles,
        "site": d.site,
        "owner": d.owner,
        "note": d.note,
        "claims": d.claims,
        "conflicts": d.conflicts,
        "first_seen": d.first.to_string(),
        "last_seen": d.last.to_string(),
        "findings": {"critical": critical, "high": high, "medium": medium, "low": low, "info": info},
        "capture": d.capture,
    })
}

/// For programs: a list of objects.
pub fn json(devices: &[Device]) -> String {
    let mut out = String::from("[");
    for (at, device) in devices.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.push_str(&object(device).to_string());
    }
    out.push_str("\n]\n");
    out
}

/// For spreadsheets: RFC 4180.
pub fn csv(devices: &[Device]) -> String {
    let mut out = String::from(
        "device_id,mac,other_macs,ips,hostnames,vendor,class,model,firmware,os,confidence,roles,site,owner,note,\
         findings_critical,findings_high,findings_medium,findings_low,findings_info,first_seen,last_seen,capture\r\n",
    );
    for d in devices {
        let opt = |t: &Option<String>| t.clone().unwrap_or_default();
        let mut cells = vec![d.id.clone(), opt(&d.mac), d.other_macs.join(" "), d.ips.join(" ")];
        cells.extend([d.names.join(" "), opt(&d.vendor)]);
        cells.extend([d.class.clone(), opt(&d.model), opt(&d.firmware), opt(&d.os), d.confidence.to_string()]);
        cells.extend([d.roles.join(" "), opt(&d.site), opt(&d.owner), opt(&d.note)]);
        cells.extend(d.findings.iter().map(i64::to_string));
        cells.extend([d.first.to_string(), d.last.to_string(), opt(&d.capture)]);
        let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// A cell of CSV. What a spreadsheet would take for a formula gets an apostrophe before it: devices choose
/// their names themselves.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::base::Timestamp;
    use crate::cli::args::{Cli, Command};

    fn args(more: &[&str]) -> Devices {
        let line = ["overhear", "devices", "out"].into_iter().chain(more.iter().copied());
        let Command::Devices(devices) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
        devices
    }

    fn device(id: &str, ips: &[&str], class: &str, confidence: f64) -> Device {
        let mac = (id.len() == 17).then(|| id.to_owned());
        let ips = ips.iter().map(|s| (*s).to_owned()).collect();
        Device { id: id.into(), mac, ips, class: class.into(), confidence, ..Device::default() }
    }

    fn three() -> Vec<Device> {
        vec![
            Device {
                vendor: Some("Brother".into()),
                names: vec!["prn".into(), "prn2".into()],
                findings: [0, 2, 1, 0, 0],
                ..device("00:1b:a9:01:02:03", &["10.0.0.20", "fe80::1"], "printer", 0.93)
            },
            Device {
                claims: vec!["http: Hipcam -> server (0.60)".into()],
                findings: [1, 0, 0, 0, 0],
                roles: vec!["server:http".into()],
                other_macs: vec!["6e:2b:90:60:44:02".into()],
                ..device("02:00:00:00:00:01", &["10.0.0.3"], "camera", 0.5)
            },
            // What the best guess would have is not how sure a class is.
            device("10.9.0.1", &["10.9.0.1"], "unknown", 0.6),
        ]
    }

    fn ids(more: &[&str]) -> Vec<String> {
        let mut devices = three();
        select(&mut devices, &args(more));
        devices.into_iter().map(|d| d.id).collect()
    }

    const PRINTER: &str = "00:1b:a9:01:02:03";
    const CAMERA: &str = "02:00:00:00:00:01";
    const BEHIND: &str = "10.9.0.1";

    #[test]
    fn devices_are_sorted_by_what_is_asked_for() {
        assert_eq!(ids(&[]), [CAMERA, PRINTER, BEHIND], "by address, as numbers");
        assert_eq!(ids(&["--reverse"]), [BEHIND, PRINTER, CAMERA]);
        assert_eq!(ids(&["--sort", "findings"]), [CAMERA, PRINTER, BEHIND]);
        assert_eq!(ids(&["--sort", "confidence"]), [PRINTER, CAMERA, BEHIND]);
        assert_eq!(ids(&["--sort", "vendor", "--limit", "1"]), [PRINTER]);
        assert_eq!(ids(&["--sort", "class"]), [CAMERA, PRINTER, BEHIND]);
        assert!(Cli::try_parse_from(["overhear", "devices", "out", "--sort", "colour"]).is_err());
        assert!(Cli::try_parse_from(["overhear", "devices", "out", "x", "--class", "printer"]).is_err());
        assert!(Cli::try_parse_from(["overhear", "devices", "out", "--min-confidence", "7"]).is_err());
    }

    #[test]
    fn devices_are_left_out_by_what_is_asked_for() {
        assert_eq!(ids(&["--class", "printer,unknown"]), [PRINTER, BEHIND]);
        assert_eq!(ids(&["--class", "PRINTER"]), [PRINTER]);
        assert_eq!(ids(&["--vendor", "BROTH"]), [PRINTER]);
        assert_eq!(ids(&["--min-confidence", "0.5"]), [CAMERA, PRINTER]);
        assert_eq!(ids(&["--search", "hipcam"]), [CAMERA]);
        assert_eq!(ids(&["--address", "10.0.0.0/24"]), [CAMERA, PRINTER]);
        assert_eq!(ids(&["--address", "fe80::1"]), [PRINTER]);
        assert_eq!(ids(&["--address", "02-00-00-00-00-01"]), [CAMERA]);
        assert_eq!(ids(&["--address", "6E:2B:90:60:44:02"]), [CAMERA], "one of its other MAC addresses");
        assert_eq!(ids(&["--search", "6e:2b:90"]), [CAMERA]);
        assert_eq!(ids(&["--role", "server:HTTP"]), [CAMERA]);
    }

    #[test]
    fn a_table_has_columns_as_wide_as_they_need() {
        let mut devices = three();
        select(&mut devices, &args(&[]));
        devices.iter_mut().for_each(|d| d.last = Timestamp::from_parts(1_700_000_000, 0));
        let expected = "\
ADDRESS       DEVICE             NAME    CLASS    SURE   VENDOR   FINDINGS    LAST SEEN
10.0.0.3      02:00:00:00:00:01          camera    50 %           1 critical  2023-11-14 22:13:20
10.0.0.20 +1  00:1b:a9:01:02:03  prn +1  printer   93 %  Brother  2 high +1   2023-11-14 22:13:20
10.9.0.1                                 unknown                              2023-11-14 22:13:20

3 of 7 devices
";
        assert_eq!(text(&devices, 7), expected);
        assert_eq!(text(&[], 0), "0 devices\n");
    }

    #[test]
    fn a_name_cannot_be_a_formula_or_break_a_row() {
        assert_eq!(csv_cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        let all = csv(&three());
        assert_eq!(all.lines().count(), 4);
        assert!(all.lines().all(|l| l.split(',').count() == 23), "{all}");
        let parsed: serde_json::Value = serde_json::from_str(&json(&three())).unwrap();
        assert_eq!(parsed[0]["addresses"][1]["ip"], "fe80::1");
        assert_eq!(parsed[1]["other_macs"], serde_json::json!(["6e:2b:90:60:44:02"]));
        assert!(all.contains("02:00:00:00:00:01,02:00:00:00:00:01,6e:2b:90:60:44:02,10.0.0.3,"), "{all}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&[])).unwrap(), serde_json::json!([]));
    }
}

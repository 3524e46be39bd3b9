//! One device in full.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::json;

use super::list::{cut, object, table};
use super::load::{Device, Finding, Peer, Service};
use crate::report::summary::{bytes, count, short_time};
use crate::signature::devices::UNKNOWN;

/// Characters of a text that is as long as its device likes.
const LONG: usize = 72;
/// From here on nothing more is needed to be sure of a class.
const SURE: f64 = 0.95;
/// A device that was seen for less may not have said all that it says in a day.
const HOUR_NS: i64 = 3_600_000_000_000;

/// What is known of a device.
pub struct Known {
    pub device: Device,
    pub services: Vec<Service>,
    pub peers: Vec<Peer>,
    pub findings: Vec<Finding>,
}

/// For people; at most so many lines of each list.
pub fn text(known: &Known, most: usize) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut out, known, most);
    out
}

fn write_text(out: &mut String, known: &Known, most: usize) -> std::fmt::Result {
    let d = &known.device;
    writeln!(out, "{}\n", d.id)?;
    let opt = |t: &Option<String>| t.clone().unwrap_or_default();
    let class = match d.class.as_str() {
        UNKNOWN if d.confidence > 0.0 => format!("{UNKNOWN} (the best guess has {:.0} %)", d.confidence * 100.0),
        UNKNOWN => UNKNOWN.to_owned(),
        class => format!("{class} ({:.0} % sure)", d.confidence * 100.0),
    };
    let seen = format!("{} to {}", short_time(&d.first.to_string()), short_time(&d.last.to_string()));
    let rows: Vec<Vec<String>> = [
        ("Class", class),
        ("Vendor", opt(&d.vendor)),
        ("Model", opt(&d.model)),
        ("Firmware", opt(&d.firmware)),
        ("System", opt(&d.os)),
        ("MAC", opt(&d.mac)),
        ("Other MACs", d.other_macs.join(", ")),
        ("Names", d.names.join(", ")),
        ("Roles", d.roles.iter().filter(|role| !role.contains(':')).cloned().collect::<Vec<_>>().join(", ")),
        ("Site", opt(&d.site)),
        ("Owner", opt(&d.owner)),
        ("Note", opt(&d.note)),
        ("Seen", seen),
        ("Capture", opt(&d.capture)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect();
    table(out, "  ", &["", ""], &rows);

    let addresses = d.ips.iter().enumerate().map(|(at, ip)| {
        let span = d
            .spans
            .get(at)
            .map(|(first, last)| format!("{} to {}", short_time(&first.to_string()), short_time(&last.to_string())));
        vec![ip.clone(), span.unwrap_or_default()]
    });
    section(out, "Addresses", &["", ""], addresses.collect(), most)?;
    section(out, "Why", &["", "", "", ""], d.claims.iter().map(|claim| evidence(claim)).collect(), most)?;
    let plain = |all: &[String]| all.iter().map(|text| vec![text.clone()]).collect::<Vec<_>>();
    section(out, "What speaks against it", &[""], plain(&d.conflicts), most)?;
    section(out, "What would raise the confidence", &[""], plain(&would_help(known)), most)?;
    let (offers, uses): (Vec<_>, Vec<_>) = known.services.iter().partition(|s| s.is_server);
    let head = ["PORT", "SERVICE", "FLOWS", "CLIENTS", "ENCRYPTED", "ADDRESS", "SAYS"];
    section(out, "Offers", &head, offers.into_iter().map(service).collect(), most)?;
    let head = ["PORT", "SERVICE", "FLOWS", "SERVERS", "ENCRYPTED", "ADDRESS", ""];
    section(out, "Uses", &head, uses.into_iter().map(service).collect(), most)?;
    let head = ["ADDRESS", "DEVICE OR NAME", "WHERE", "ROLE", "FLOWS", "SENT", "RECEIVED", "SERVICES"];
    section(out, "Talks to", &head, known.peers.iter().map(peer).collect(), most)?;
    let findings: Vec<_> = known
        .findings
        .iter()
        .map(|f| {
            let suppressed = f.suppressed.as_ref().map(|reason| format!(" [accepted: {}]", cut(reason, LONG)));
            let about = f.peer.as_ref().map(|peer| format!(" ({peer})")).unwrap_or_default();
            vec![
                f.severity.clone(),
                format!("{}{about}: {}{}", f.title, cut(&f.evidence, LONG), suppressed.unwrap_or_default()),
            ]
        })
        .collect();
    section(out, "Findings", &["", ""], findings, most)
}

/// A heading and the lines below it; nothing where there are none.
fn section(
    out: &mut String,
    heading: &str,
    head: &[&str],
    mut rows: Vec<Vec<String>>,
    most: usize,
) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  {heading}")?;
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    table(out, "    ", head, &rows);
    if more > 0 {
        writeln!(out, "    and {} more (--limit N)", count(more as u64))?;
    }
    Ok(())
}

/// A claim (`source: value -> what it says (weight)`) as cells: weight, source, what was seen, what it says.
fn evidence(claim: &str) -> Vec<String> {
    let parts = || {
        let (source, rest) = claim.split_once(": ")?;
        let (value, says) = rest.rsplit_once(" -> ")?;
        let (says, weight) = says.rsplit_once(" (")?;
        Some((source, value, says, weight.strip_suffix(')')?))
    };
    match parts() {
        Some((source, value, says, weight)) => {
            vec![weight.to_owned(), source.to_owned(), cut(value, LONG), format!("-> {says}")]
        }
        None => vec![String::new(), String::new(), cut(claim, LONG), String::new()],
    }
}

fn service(s: &Service) -> Vec<String> {
    let name = s.service.as_deref().unwrap_or("?");
    let mark = if s.service.is_some() && !s.from_payload { " (by its port)" } else { "" };
    let inner = s.inner.as_ref().map(|inner| format!(" with {inner} inside")).unwrap_or_default();
    let flows = match s.answered == s.flows {
        true => count(s.flows.unsigned_abs()),
        false => format!("{} ({} answered)", count(s.flows.unsigned_abs()), count(s.answered.unsigned_abs())),
    };
    let encrypted = match s.encrypted {
        0 => "no".to_owned(),
        n if n == s.flows => "yes".to_owned(),
        n => format!("{n} of {}", s.flows),
    };
    vec![
        format!("{}/{}", s.port, s.protocol),
        format!("{name}{mark}{inner}"),
        flows,
        count(s.peers.unsigned_abs()),
        encrypted,
        s.ip.clone(),
        cut(s.banner.as_deref().unwrap_or_default(), LONG),
    ]
}

fn peer(p: &Peer) -> Vec<String> {
    let name = p.device.as_ref().filter(|id| **id != p.ip).or(p.name.as_ref());
    vec![
        p.ip.clone(),
        cut(name.map_or("", String::as_str), LONG / 2),
        p.scope.clone(),
        p.role.clone(),
        count(p.flows.unsigned_abs()),
        bytes(p.sent.unsigned_abs()),
        bytes(p.received.unsigned_abs()),
        cut(&p.services.join(" "), LONG),
    ]
}

/// What the capture does not show of the device, and would say more of it.
fn would_help(known: &Known) -> Vec<String> {
    let d = &known.device;
    let sources: BTreeSet<&str> = d.claims.iter().filter_map(|claim| claim.split_once(": ")).map(|(s, _)| s).collect();
    let has = |any: &[&str]| any.iter().any(|source| sources.contains(source));
    if d.claims.iter().any(|claim| claim.starts_with("inventory: ") && claim.ends_with("-> class (1.00)")) {
        return Vec::new();
    }
    if d.confidence >= SURE && d.class != UNKNOWN {
        return Vec::new();
    }
    let mut help = Vec::new();
    let mut say = |text: &str| help.push(text.to_owned());
    if !d.conflicts.is_empty() {
        say("to settle what speaks against it: one device that does two things, or two that look like one");
    }
    if d.mac.is_none() {
        say("a capture on its own link: behind a router neither its MAC address nor its announcements are seen");
    } else {
        if !has(&["dhcp", "dhcpv6"]) {
            say("its DHCP request, with vendor class and host name: capture while it starts or renews its lease");
        }
        if !has(&["mdns", "ssdp", "ws-discovery", "lldp", "cdp", "nbns", "slp"]) {
            say("what it announces of itself (mDNS, SSDP, WS-Discovery, LLDP): capture on its own link");
        }
    }
    let offers: Vec<_> = known.services.iter().filter(|s| s.is_server).collect();
    if offers.is_empty() {
        say("a connection to one of its services (web page, SNMP, SSH): their greetings name the product");
    } else if offers.iter().all(|s| s.encrypted == s.flows && s.decrypted == 0 && s.service.as_deref() != Some("ssh")) {
        say("the keys of its TLS connections (--tls-keys): all that it offers is encrypted");
    }
    if d.last.since(d.first) < HOUR_NS {
        say("a longer capture: it was seen for less than an hour");
    }
    say("a row for it in --inventory FILE, which settles it");
    help
}

/// For programs.
pub fn json(known: &Known) -> String {
    let mut all = object(&known.device);
    let services = known.services.iter().map(|s| {
        json!({
            "role": if s.is_server { "server" } else { "client" },
            "device_ip": s.ip,
            "protocol": s.protocol,
            "port": s.port,
            "service": s.service,
            "service_source": s.service.as_ref().map(|_| if s.from_payload { "payload" } else { "port" }),
            "inner_service": s.inner,
            "banner": s.banner,
            "flows": s.flows,
            "answered_flows": s.answered,
            "encrypted_flows": s.encrypted,
            "decrypted_flows": s.decrypted,
            "peers": s.peers,
            "first_seen": s.first.to_string(),
            "last_seen": s.last.to_string(),
        })
    });
    let peers = known.peers.iter().map(|p| {
        json!({
            "peer_ip": p.ip,
            "peer_device_id": p.device,
            "peer_name": p.name,
            "peer_scope": p.scope,
            "role": p.role,
            "services": p.services,
            "flows": p.flows,
            "answered_flows": p.answered,
            "bytes_sent": p.sent,
            "bytes_received": p.received,
            "first_seen": p.first.to_string(),
            "last_seen": p.last.to_string(),
        })
    });
    let findings = known.findings.iter().map(|f| {
        json!({
            "finding_id": f.id,
            "rule_id": f.rule,
            "severity": f.severity,
            "title": f.title,
            "peer_ip": f.peer,
            "evidence": f.evidence,
            "count": f.count,
            "suppressed": f.suppressed,
        })
    });
    let lists = [
        ("services", services.collect::<Vec<_>>()),
        ("peers", peers.collect()),
        ("found", findings.collect()),
        ("would_raise_confidence", would_help(known).into_iter().map(Into::into).collect()),
    ];
    if let Some(object) = all.as_object_mut() {
        object.extend(lists.into_iter().map(|(name, items)| (name.to_owned(), items.into())));
    }
    format!("{all:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn known(class: &str, confidence: f64, claims: &[&str]) -> Known {
        let claims = claims.iter().map(|c| (*c).to_owned()).collect();
        let last = Timestamp(2 * HOUR_NS);
        let mac = Some("00:1b:a9:01:02:03".to_owned());
        let id = "00:1b:a9:01:02:03".to_owned();
        let device = Device { id, mac, class: class.into(), confidence, claims, last, ..Device::default() };
        Known { device, services: Vec::new(), peers: Vec::new(), findings: Vec::new() }
    }

    #[test]
    fn a_claim_is_told_in_columns_whatever_the_device_wrote_into_it() {
        assert_eq!(
            evidence("http: a -> b: c (1) -> class printer, vendor X (5.00)"),
            ["5.00", "http", "a -> b: c (1)", "-> class printer, vendor X"]
        );
        assert_eq!(evidence("nonsense"), ["", "", "nonsense", ""]);
    }

    #[test]
    fn what_would_help_is_what_is_missing() {
        let sure = known("printer", 0.99, &["oui: Brother -> vendor (0.80)"]);
        assert!(would_help(&sure).is_empty());
        let stated = known("printer", 1.0, &["inventory: printer -> class (1.00)"]);
        assert!(would_help(&stated).is_empty());
        let mut little = known(UNKNOWN, 0.2, &["dhcp: x -> hostname (0.90)"]);
        let all = would_help(&little).join("\n");
        assert!(!all.contains("DHCP request") && all.contains("mDNS") && all.contains("services"), "{all}");
        assert!(all.ends_with("which settles it") && !all.contains("longer"), "{all}");
        little.device.mac = None;
        little.device.last = Timestamp(5);
        let all = would_help(&little).join("\n");
        assert!(all.contains("behind a router") && all.contains("longer capture") && !all.contains("mDNS,"), "{all}");
    }

    #[test]
    fn lists_are_cut_and_say_so() {
        let mut much = known("printer", 0.5, &[]);
        much.device.other_macs = vec!["6e:2b:90:60:44:02".into()];
        much.device.conflicts = (0..30).map(|n| format!("conflict {n}")).collect();
        let shown = text(&much, 5);
        assert!(shown.contains("conflict 4\n    and 25 more (--limit N)\n"), "{shown}");
        assert!(shown.starts_with("00:1b:a9:01:02:03\n\n  Class       printer (50 % sure)\n"), "{shown}");
        assert!(shown.contains("\n  Other MACs  6e:2b:90:60:44:02\n"), "{shown}");
    }
}

//! Lists of each format, whole and damaged, and what is found in them.

use proptest::prelude::*;

use super::load::Loader;
use super::*;

fn loaded(lists: &[(&str, &str)]) -> Intel {
    let mut loader = Loader::new(64 << 20);
    for (name, text) in lists {
        loader.read(name, text.as_bytes()).unwrap();
    }
    loader.finish()
}

fn ip(text: &str) -> Addr {
    text.parse().unwrap()
}

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/intel/");

/// The lists in `tests/intel/`: one of each format, with rows that are broken.
fn samples() -> Intel {
    load(&[SAMPLES.into()], 64 << 20).unwrap()
}

fn report<'i>(intel: &'i Intel, name: &str) -> &'i ListReport {
    intel.reports().iter().find(|r| r.file.ends_with(name)).unwrap()
}

fn counts(report: &ListReport) -> Vec<(&str, u64)> {
    report.entries.iter().map(|(kind, n)| (kind.as_str(), *n)).collect()
}

#[test]
fn each_format_is_told_by_its_content() {
    let intel = samples();
    let of = |name| {
        let r = report(&intel, name);
        assert_eq!(r.sha256.len(), 64);
        assert_eq!(r.size, std::fs::metadata(&r.file).unwrap().len(), "{name} was hashed to its end");
        (r.format.as_str(), counts(r), [r.refused, r.other, r.inactive, r.not_understood])
    };
    assert_eq!(of("sslbl-ja3.csv"), ("lines", vec![("ja3", 2)], [1, 0, 0, 0]));
    assert_eq!(of("sslbl-certificates.csv"), ("lines", vec![("certificate-sha1", 2)], [1, 0, 0, 0]));
    assert_eq!(of("c2.csv"), ("lines", vec![("address-port", 2)], [1, 0, 0, 0]));
    let plain = vec![
        ("address", 3),
        ("address-port", 1),
        ("certificate-sha1", 1),
        ("certificate-sha256", 1),
        ("domain", 3),
        ("ja3-or-hassh", 1),
        ("ja4", 1),
        ("network", 2),
    ];
    assert_eq!(of("plain.txt"), ("lines", plain, [4, 0, 0, 0]));
    let misp = vec![
        ("address", 3),
        ("address-port", 1),
        ("certificate-sha1", 1),
        ("certificate-sha256", 1),
        ("domain", 3),
        ("hassh", 1),
        ("ja3", 1),
    ];
    assert_eq!(of("misp.json"), ("misp", misp, [2, 2, 2, 0]));
    let stix = vec![("address", 2), ("certificate-sha256", 1), ("domain", 2), ("network", 1)];
    assert_eq!(of("stix.json"), ("stix", stix, [2, 2, 1, 2]));
    let sum: u64 = intel.reports().iter().flat_map(|r| r.entries.values()).sum();
    assert_eq!(intel.len() as u64, sum, "no entry is there twice");
}

#[test]
fn a_hit_names_the_entry_and_every_list_with_what_it_says() {
    let intel = samples();
    let told = |hit: Option<Hit<'_>>| hit.map(|h| format!("{} {}: {}", h.kind.name(), h.entry, h.lists()));
    let ja3 = intel.fingerprint(Kind::Ja3, "11111111111111111111111111111111");
    assert_eq!(told(ja3).unwrap(), "ja3 11111111111111111111111111111111: sslbl-ja3.csv (Examplebot)");
    let name = intel.name(b"Cdn.Evil.Example.");
    assert_eq!(told(name).unwrap(), "domain evil.example: misp.json (name in the mail), plain.txt (seen in 2026)");
    let lies_in = intel.address(ip("203.0.113.200"));
    assert_eq!(told(lies_in).unwrap(), "network 203.0.113.128/25: plain.txt (block 2)", "the narrowest");
    assert_eq!(told(intel.address(ip("203.0.113.100"))).unwrap(), "network 203.0.113.0/24: plain.txt");
    assert_eq!(
        told(intel.service(ip("198.51.100.30"), 447)).unwrap(),
        "address-port 198.51.100.30:447: c2.csv (Examplebot)"
    );
    assert_eq!(told(intel.service(ip("198.51.100.30"), 80)), None, "another port of the same address");
    assert_eq!(told(intel.address(ip("2001:db8:bad::1"))).unwrap(), "address 2001:db8:bad::1: plain.txt");
    let either = intel.fingerprint(Kind::Hassh, "22222222222222222222222222222222").unwrap();
    assert_eq!((either.kind, either.lists().as_str()), (Kind::Hassh, "plain.txt"));
    assert!(intel.fingerprint(Kind::Hassh, "11111111111111111111111111111111").is_none(), "JA3 is no HASSH");
    assert!(intel.fingerprint(Kind::Ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1").is_some());
    for clean in ["evil.example.org", "notevil.example", "example", "vil.example", "", "."] {
        assert!(intel.name(clean.as_bytes()).is_none(), "{clean}");
    }
    use sha1::Digest as _;
    let der = b"a certificate";
    let sha1: String = sha1::Sha1::digest(der).iter().map(|b| format!("{b:02x}")).collect();
    let own = loaded(&[("own", &sha1)]);
    assert_eq!(own.certificate(&[0; 32], der).unwrap().kind, Kind::Sha1);
    assert!(own.certificate(&[0; 32], b"another").is_none());
    assert_eq!(intel.certificate(&[0xab; 32], der).unwrap().kind, Kind::Sha256);
}

#[test]
fn broken_rows_are_told_by_file_and_line_and_the_rest_loads() {
    let intel = samples();
    let told: Vec<_> = intel.warnings().iter().map(|w| w.strip_prefix(SAMPLES).unwrap()).collect();
    for line in [
        "plain.txt:21: a URL; addresses, networks, domains and fingerprints are matched",
        "plain.txt:22: a name of one label would be all names below it",
        "plain.txt:23: the network is too wide to mean anything",
        "sslbl-ja3.csv:9: not an address, network, domain or fingerprint",
        "misp.json:20: not 32 hex digits",
        "stix.json: 2 patterns say more than is understood and were passed over",
    ] {
        assert!(told.contains(&line), "{line} is not in {told:#?}");
    }
}

#[test]
fn what_breaks_off_keeps_what_came_before() {
    let text = r#"{"Event": {"info": "i", "Attribute": [
        {"type": "domain", "value": "a.example"},
        {"type": "domain", "value": "b.exam"#;
    let intel = loaded(&[("cut.json", text)]);
    assert!(intel.name(b"a.example").is_some());
    assert_eq!(report(&intel, "cut.json").refused, 1);
    assert!(intel.warnings()[0].starts_with("cut.json:3: the rest cannot be read"), "{:?}", intel.warnings());
    for (bytes, says) in [
        (&b"\x1f\x8b\x08\0"[..], "not a text file"),
        (b"a.example\0", "not a text file"),
        (b"\xff\xfe\xfd\n", "not UTF-8"),
        (b"{}", "no entry in it"),
    ] {
        let mut loader = Loader::new(1 << 20);
        loader.read("x", bytes).unwrap();
        let intel = loader.finish();
        assert!(
            intel.is_empty() && intel.warnings().iter().any(|w| w.contains(says)),
            "{says}: {:?}",
            intel.warnings()
        );
    }
    let empty = loaded(&[("empty", "")]);
    assert!(empty.warnings().is_empty());
    let long = format!("{}\na.example\n", "x".repeat(2 * limits::INTEL_LINE_BYTES_MAX));
    let intel = loaded(&[("long", &long)]);
    assert!(intel.name(b"a.example").is_some() && intel.warnings()[0].starts_with("long:1: the line is too long"));
}

#[test]
fn texts_that_are_too_long_are_cut_while_they_are_read() {
    let long = "ü\\u00fc\\\"".repeat(limits::INTEL_STRING_BYTES_MAX / 8);
    let text = format!(
        r#"{{"Event": {{"info": "{long}", "Attribute": [{{"type": "domain", "value": "a.example", "comment": "{long}"}}]}}}}"#
    );
    let intel = loaded(&[("long.json", &text)]);
    assert_eq!(intel.warnings(), &[] as &[String]);
    assert!(intel.name(b"a.example").unwrap().lists().len() < 1000);
}

#[test]
fn what_does_not_fit_is_counted() {
    let text: String = (0..1000).map(|n| format!("h{n}.example # {n}\n")).collect();
    let mut loader = Loader::new(100 * table::BYTES_WHILE_LOADING);
    loader.read("many", text.as_bytes()).unwrap();
    let intel = loader.finish();
    let report = &intel.reports()[0];
    assert_eq!((intel.len(), report.left_out, report.entries["domain"]), (100, 900, 100));
    assert!(intel.warnings()[0].contains("900 entries were left out"));
    assert!(intel.name(b"h99.example").is_some() && intel.name(b"h100.example").is_none());
}

#[test]
fn only_what_can_be_read_is_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    assert!(load(&[gone], 1 << 20).unwrap_err()[0].to_string().contains("cannot read"));
    assert!(load(&[folder.path().into()], 1 << 20).unwrap_err()[0].to_string().contains("no file"));
    std::fs::write(folder.path().join("b"), "b.example # b").unwrap();
    std::fs::write(folder.path().join("a"), "b.example # a").unwrap();
    std::fs::write(folder.path().join(".hidden"), "c.example").unwrap();
    let intel = load(&[folder.path().into()], 1 << 20).unwrap();
    assert_eq!(intel.name(b"b.example").unwrap().lists(), "a (a), b (b)");
    assert!(intel.name(b"c.example").is_none());
}

proptest! {
    #[test]
    fn a_name_is_found_where_it_or_a_domain_above_it_is_listed(
        listed in prop::collection::vec("[a-c]{1,2}(\\.[a-c]{1,2}){1,3}", 1..8),
        asked in "[a-c]{1,2}(\\.[a-c]{1,2}){0,5}",
    ) {
        let intel = loaded(&[("list", &listed.join("\n"))]);
        let above = |domain: &String| asked == *domain || asked.ends_with(&format!(".{domain}"));
        let longest = listed.iter().filter(|d| above(d)).max_by_key(|d| d.len());
        prop_assert_eq!(intel.name(asked.as_bytes()).map(|h| h.entry), longest.cloned());
    }

    #[test]
    fn an_address_is_found_in_the_narrowest_network_that_holds_it(
        listed in prop::collection::vec((any::<u8>(), any::<u8>(), 8u8..=32, any::<bool>()), 1..8),
        asked in (any::<u8>(), any::<u8>(), any::<bool>()),
    ) {
        // Close together, so that some hold the address.
        let address = |a: u8, b: u8, six: bool| match six {
            true => ip(&format!("2001:db8::{:x}{:02x}", a & 3, b)),
            false => Addr::v4([198, 51, a & 3, b]),
        };
        let network = |(a, b, prefix, six): &(u8, u8, u8, bool)| {
            Network::new(address(*a, *b, *six).to_ip(), if *six { prefix + 96 } else { *prefix }).unwrap()
        };
        let text: String = listed.iter().map(|n| format!("{}\n", network(n))).collect();
        let intel = loaded(&[("list", &text)]);
        let asked = address(asked.0, asked.1, asked.2);
        let holding = listed.iter().filter(|n| n.3 != asked.is_v4()).filter(|n| network(n).contains(asked));
        let narrowest = holding.map(|n| n.2).max();
        let hit = intel.address(asked);
        let found = hit.map(|h| h.entry.split_once('/').map_or(32, |(_, p)| p.parse::<u8>().unwrap()));
        let found = found.map(|p| if asked.is_v4() || p <= 32 { p } else { p - 96 });
        prop_assert_eq!(found, narrowest);
    }

    #[test]
    fn no_text_breaks_the_parsers(text in "[\\x00-\\x7f]{0,200}") {
        for head in ["", "{", "[", "# ja3\n", "{\"Event\":{\"Attribute\":[{\"type\":\"domain\",\"value\":\""] {
            loaded(&[("x", &format!("{head}{text}"))]);
        }
        let _ = super::pattern::parse(&text);
    }
}

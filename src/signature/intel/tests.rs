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

/// A time at which all that holds for ever does.
const NOW: Timestamp = Timestamp(1);

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
    assert_eq!(of("threatfox.csv"), ("lines", vec![("address-port", 1), ("domain", 1)], [1, 2, 0, 0]));
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
    let stix = vec![("address", 2), ("certificate-sha256", 1), ("domain", 3), ("network", 1)];
    assert_eq!(of("stix.json"), ("stix", stix, [2, 2, 1, 2]));
    let sum: u64 = intel.reports().iter().flat_map(|r| r.entries.values()).sum();
    assert_eq!(intel.len() as u64, sum, "no entry is there twice");
}

#[test]
fn a_hit_names_the_entry_and_every_list_with_what_it_says() {
    let intel = samples();
    let told = |hit: Option<Hit<'_>>| hit.map(|h| format!("{} {}: {}", h.kind.name(), h.entry, h.lists()));
    let ja3 = intel.at(NOW).fingerprint(Kind::Ja3, "11111111111111111111111111111111");
    assert_eq!(told(ja3).unwrap(), "ja3 11111111111111111111111111111111: sslbl-ja3.csv (Examplebot)");
    let name = intel.at(NOW).name(b"Cdn.Evil.Example.");
    assert_eq!(told(name).unwrap(), "domain evil.example: misp.json (name in the mail), plain.txt (seen in 2026)");
    let lies_in = intel.at(NOW).address(ip("203.0.113.200"));
    assert_eq!(told(lies_in).unwrap(), "network 203.0.113.128/25: plain.txt (block 2)", "the narrowest");
    assert_eq!(told(intel.at(NOW).address(ip("203.0.113.100"))).unwrap(), "network 203.0.113.0/24: plain.txt");
    assert_eq!(
        told(intel.at(NOW).service(ip("198.51.100.30"), 447)).unwrap(),
        "address-port 198.51.100.30:447: c2.csv (Examplebot)"
    );
    assert_eq!(told(intel.at(NOW).service(ip("198.51.100.30"), 80)), None, "another port of the same address");
    assert_eq!(told(intel.at(NOW).address(ip("2001:db8:bad::1"))).unwrap(), "address 2001:db8:bad::1: plain.txt");
    let either = intel.at(NOW).fingerprint(Kind::Hassh, "22222222222222222222222222222222").unwrap();
    assert_eq!((either.kind, either.lists().as_str()), (Kind::Hassh, "plain.txt"));
    assert!(intel.at(NOW).fingerprint(Kind::Hassh, "11111111111111111111111111111111").is_none(), "JA3 is no HASSH");
    assert!(intel.at(NOW).fingerprint(Kind::Ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1").is_some());
    for clean in ["evil.example.org", "notevil.example", "example", "vil.example", "", "."] {
        assert!(intel.at(NOW).name(clean.as_bytes()).is_none(), "{clean}");
    }
    use sha1::Digest as _;
    let der = b"a certificate";
    let sha1: String = sha1::Sha1::digest(der).iter().map(|b| format!("{b:02x}")).collect();
    let own = loaded(&[("own", &sha1)]);
    assert_eq!(own.at(NOW).certificate(&[0; 32], der).unwrap().kind, Kind::Sha1);
    assert!(own.at(NOW).certificate(&[0; 32], b"another").is_none());
    assert_eq!(intel.at(NOW).certificate(&[0xab; 32], der).unwrap().kind, Kind::Sha256);
}

#[test]
fn broken_rows_are_told_by_file_and_line_and_the_rest_loads() {
    let intel = samples();
    let told: Vec<_> = intel.warnings().iter().map(|w| w.strip_prefix(SAMPLES).unwrap()).collect();
    for line in [
        "plain.txt:21: a URL; addresses, networks, domains and fingerprints are matched",
        "plain.txt:22: a name of one label would be all names below it",
        "plain.txt:23: the network is too wide to mean anything",
        "sslbl-ja3.csv:9: column 1 (ja3_md5): not 32 hex digits",
        "sslbl-certificates.csv:5: column 2 (SHA1): not 40 hex digits",
        "c2.csv:5: column 2 (dst_ip): not an address or network",
        "misp.json:20:9: not 32 hex digits",
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
    assert!(intel.at(NOW).name(b"a.example").is_some());
    assert_eq!(report(&intel, "cut.json").refused, 1);
    assert!(intel.warnings()[0].starts_with("cut.json:3:43: the rest cannot be read"), "{:?}", intel.warnings());
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
    assert!(
        intel.at(NOW).name(b"a.example").is_some() && intel.warnings()[0].starts_with("long:1: the line is too long")
    );
}

fn told(intel: &Intel, name: &str) -> Option<String> {
    intel.at(NOW).name(name.as_bytes()).map(|hit| hit.lists())
}

#[test]
fn stix_holds_for_the_time_that_it_states() {
    let day = |n: i64| Timestamp::from_parts(1_262_304_000 + n * 86_400, 0);
    let text = r#"{"type": "bundle", "objects": [
        {"type": "indicator", "name": "ended", "pattern": "[domain-name:value = 'a.example']",
         "valid_from": "2010-01-01T00:00:00Z", "valid_until": "2010-01-03T00:00:00Z"},
        {"type": "indicator", "name": "again", "pattern": "[domain-name:value = 'a.example']",
         "valid_from": "2010-01-02T00:00:00.000Z", "valid_until": "2010-01-05T00:00:00Z"},
        {"type": "indicator", "name": "block", "pattern": "[ipv4-addr:value = '198.51.100.0/24']"},
        {"type": "indicator", "name": "host", "pattern": "[ipv4-addr:value = '198.51.100.7']",
         "valid_until": "2010-01-03T00:00:00Z"},
        {"type": "indicator", "pattern": "[domain-name:value = 'b.example']", "valid_until": "some day"},
        {"type": "indicator", "pattern": "[domain-name:value = 'b.example']", "valid_until": 2030},
        {"type": "indicator", "pattern": "[domain-name:value = 'c.example']", "valid_until": null}
    ]}"#;
    let intel = loaded(&[("s.json", text)]);
    let lists = |n| intel.at(day(n)).name(b"www.a.example").map(|hit| hit.lists());
    assert_eq!(lists(-1), None, "before it begins");
    assert_eq!(lists(0).unwrap(), "s.json (ended)");
    assert_eq!(lists(1).unwrap(), "s.json (ended), s.json (again)");
    assert_eq!(lists(2).unwrap(), "s.json (again)", "the end is no more in it");
    assert_eq!(lists(4), None);
    let entry = |first, last| intel.between(first, last).address(ip("198.51.100.7")).map(|hit| hit.entry);
    assert_eq!(entry(day(1), day(9)).unwrap(), "198.51.100.7", "some of the time");
    assert_eq!(entry(day(2), day(9)).unwrap(), "198.51.100.0/24", "the wider one still holds");
    assert!(intel.at(day(0)).name(b"b.example").is_none() && intel.at(day(0)).name(b"c.example").is_some());
    assert_eq!((intel.reports()[0].refused, intel.reports()[0].timed), (2, 3));
    assert_eq!(
        intel.warnings(),
        ["s.json:9:9: valid_until is no time", "s.json:10:9: valid_until is no text"],
        "what cannot be read is not for ever"
    );
}

#[test]
fn times_take_of_the_room_for_entries_and_none_is_taken_for_always() {
    let objects: Vec<_> = (0..1000)
        .map(|n| {
            format!(
                r#"{{"type":"indicator","pattern":"[domain-name:value='h{n}.example']","valid_until":"2010-01-01T00:00:00.{n:03}Z"}}"#
            )
        })
        .collect();
    let mut loader = Loader::new(900 * table::BYTES_WHILE_LOADING);
    loader.read("many", format!(r#"{{"objects":[{}]}}"#, objects.join(",")).as_bytes()).unwrap();
    let intel = loader.finish();
    assert_eq!((intel.len(), intel.reports()[0].left_out), (100, 900));
    assert!(told(&intel, "h99.example").is_some());
    let later = Timestamp::from_parts(1_262_304_001, 0);
    assert!((0..1000).all(|n| intel.at(later).name(format!("h{n}.example").as_bytes()).is_none()));
}

#[test]
fn threatfox_is_read_by_its_columns() {
    let rows = r#""2023-01-01 00:00:01", "1", "198.51.100.7:443", "ip:port", "botnet_cc", "win.x", "X,Y", "X ""the"" Bot", "", "75", "https://ref.example/a", "a,b", "0", "someone.example"
"2023-01-01 00:00:02", "2", "bad.example", "domain", "botnet_cc", "win.x", "None", "XBot", "", "75", "", "", "0", "someone"
"2023-01-01 00:00:03", "3", "http://url.example/x,y", "url", "payload_delivery", "win.x", "None", "XBot", "", "75", "", "", "0", "someone"
"2023-01-01 00:00:04", "4", "44444444444444444444444444444444", "md5_hash", "payload", "win.x", "None", "XBot", "", "75", "", "", "0", "someone"
"2023-01-01 00:00:05", "5", "abababababababababababababababababababababababababababababababab", "sha256_hash", "payload", "win.x", "None", "XBot", "", "75", "", "", "0", "someone"
"2023-01-01 00:00:06", "6", "198.51.100.7:0", "ip:port", "botnet_cc", "win.x", "None", "XBot", "", "75", "", "", "0", "someone"
"2023-01-01 00:00:07", "7", "moved, "other.example", "domain", "x"
"2023-01-01 00:00:08", "8", "short.example", "domain", "x"
"#;
    let header = r##"# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","reference","tags","anonymous","reporter""##;
    for (name, text) in [
        ("comment", format!("####\n# Terms, and where they are: https://terms.example/\n{header}\n{rows}")),
        ("row", format!("{}\n{rows}", header.trim_start_matches(['#', ' ']))),
        ("bare", rows.lines().take(5).collect::<Vec<_>>().join("\n")),
    ] {
        let intel = loaded(&[("t.csv", &text)]);
        let report = report(&intel, "t.csv");
        assert_eq!(counts(report), [("address-port", 1), ("domain", 1)], "{name}");
        assert_eq!(report.other, 3, "{name}: a URL and hashes of files");
        assert_eq!(told(&intel, "bad.example").unwrap(), "t.csv (XBot)");
        let service = intel.at(NOW).service(ip("198.51.100.7"), 443).unwrap();
        assert_eq!(service.lists(), "t.csv (X \"the\" Bot)");
        for not in ["win.x", "url.example", "someone.example", "ref.example", "moved.example", "short.example"] {
            assert_eq!(told(&intel, not), None, "{name}: {not}");
        }
        let first = text.lines().position(|l| l.contains("00:00:01")).unwrap();
        let expected = [
            format!("t.csv:{}: column 3 (ioc_value): not a port", first + 6),
            format!("t.csv:{}: text behind a closing quote", first + 7),
            format!("t.csv:{}: 5 cells where 14 columns are named", first + 8),
        ];
        assert_eq!(intel.warnings(), if name == "bare" { &[] } else { &expected[..] }, "{name}");
    }
}

#[test]
fn columns_of_other_lists_say_what_is_listed() {
    let hash = |digit: &str, n| digit.repeat(n);
    let (md5, sha1, sha256) = (hash("1", 32), hash("2", 40), hash("3", 64));
    for (text, expected, other) in [
        ("# Firstseen,DstIP,DstPort\n2023-01-01 00:00:00,198.51.100.7,447".to_owned(), vec![("address-port", 1)], 0),
        (format!("# ja3_md5,Firstseen,Lastseen,Listingreason\n{md5},a,b,win.x"), vec![("ja3", 1)], 0),
        (format!("# Listingdate,SHA1,Listingreason\n2023,{sha1},win.x"), vec![("certificate-sha1", 1)], 0),
        (
            "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
             \"1\",\"2023\",\"http://a.example/\",\"online\",\"2023\",\"x\",\"a,b\",\"https://b.example/\",\"c.d\""
                .to_owned(),
            vec![],
            1,
        ),
        (
            format!(
                "# \"first_seen_utc\",\"sha256_hash\",\"md5_hash\",\"sha1_hash\"\n\"2023\", \"{sha256}\", \"{md5}\", \"{sha1}\""
            ),
            vec![],
            1,
        ),
        ("domain,threat\nbad.example,win.x".to_owned(), vec![("domain", 1)], 0),
    ] {
        let intel = loaded(&[("l.csv", &text)]);
        let report = report(&intel, "l.csv");
        assert_eq!((counts(report), report.other, report.refused), (expected, other, 0), "{text}");
    }
}

#[test]
fn a_row_without_names_is_taken_only_where_one_cell_can_be_meant() {
    let md5 = "1".repeat(32);
    for (row, expected) in [
        ("2023-01-01,198.51.100.7,win.x", "198.51.100.7"),
        ("198.51.100.7,443,https://ref.example/", "198.51.100.7:443"),
        ("198.51.100.0/24,443,a block", "198.51.100.0/24"),
        ("2023-01-01,bad.example,Examplebot", "bad.example"),
        ("1,\"bad.example\",\"a, b\"", "bad.example"),
        ("198.51.100.7 , 443", "198.51.100.7:443"),
        ("bad.example,domain,Examplebot", "bad.example"),
        ("# Domain, with all names below it\nbad.example  # a, b", "bad.example"),
    ] {
        let intel = loaded(&[("l", row)]);
        assert_eq!((intel.len(), intel.warnings().len()), (1, 0), "{row}: {:?}", intel.warnings());
        let at = intel.at(NOW);
        let hit = at.service(ip("198.51.100.7"), 443).or_else(|| at.name(b"bad.example"));
        assert_eq!(hit.unwrap().entry, expected, "{row}");
    }
    for (row, says) in [
        ("bad.example,198.51.100.7", "l:1: columns 1 and 2 may each be the entry"),
        ("2023,win.x,198.51.100.7", "l:1: columns 2 and 3 may"),
        ("win.x,bad.example", "l:1: columns 1 and 2 may"),
        ("198.51.100.1,198.51.100.9", "l:1: columns 1 and 2 may"),
        ("bad.example,https://ref.example/", "l:1: columns 1 and 2 may"),
        ("x,198.51.100.999,y", "l:1: column 2: not an address or network"),
        ("111111111111111111111111111111,y,z.", "l:1: column 1: not 32, 40 or 64 hex digits"),
        ("one,two 3,four.", "l:1: no cell is an address"),
        ("2023,\"bad.example", "l:1: a quote that is not closed"),
    ] {
        let intel = loaded(&[("l", row)]);
        assert!(intel.is_empty() && intel.warnings()[0].starts_with(says), "{row}: {:?}", intel.warnings());
    }
    let url = format!("2023,http://a.example/,win.x,{md5}");
    let intel = loaded(&[("l", &url)]);
    assert_eq!((intel.len(), intel.reports()[0].other), (0, 1));
}

#[test]
fn what_has_the_wrong_type_is_counted_with_its_place() {
    let text = r#"{"Event":{"Attribute":[{"type":"domain","value":17},{"type":7,"value":"a.example"},{"type":"domain"},5,{"type":"counter","value":3},{"type":"domain","value":"b.example"},{"type":"domain","value":["c.example"],"to_ids":false}]}}"#;
    let intel = loaded(&[("m.json", text)]);
    let report = &intel.reports()[0];
    assert_eq!((report.refused, report.other, report.inactive, intel.len()), (4, 1, 1, 1));
    let place = |of: &str| text.find(of).unwrap() + 1;
    let expected = [
        format!("m.json:1:{}: its value is no text", place(r#"{"type":"domain","value":17"#)),
        format!("m.json:1:{}: its type is no text", place(r#"{"type":7"#)),
        format!("m.json:1:{}: an attribute without a value", place(r#"{"type":"domain"},"#)),
    ];
    assert_eq!(intel.warnings()[..3], expected);
    assert!(intel.warnings()[3].ends_with(": not an object"));
    let text = r#"{"type":"bundle","objects":[{"type":9},{"type":"indicator","pattern":7},{"type":"indicator","pattern":"[domain-name:value='a.example']","pattern_type":1}]}"#;
    let intel = loaded(&[("s.json", text)]);
    assert_eq!(
        intel.warnings()[..3],
        [
            "s.json:1:29: its type is no text",
            "s.json:1:40: its pattern is no text",
            "s.json:1:73: its pattern_type is no text"
        ]
    );
}

#[test]
fn texts_that_are_too_long_are_cut_while_they_are_read() {
    let long = "ü\\u00fc\\\"".repeat(limits::INTEL_STRING_BYTES_MAX / 8);
    let text = format!(
        r#"{{"Event": {{"info": "{long}", "Attribute": [{{"type": "domain", "value": "a.example", "comment": "{long}"}}]}}}}"#
    );
    let intel = loaded(&[("long.json", &text)]);
    assert_eq!(intel.warnings(), &[] as &[String]);
    assert!(intel.at(NOW).name(b"a.example").unwrap().lists().len() < 1000);
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
    assert!(intel.at(NOW).name(b"h99.example").is_some() && intel.at(NOW).name(b"h100.example").is_none());
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
    assert_eq!(intel.at(NOW).name(b"b.example").unwrap().lists(), "a (a), b (b)");
    assert!(intel.at(NOW).name(b"c.example").is_none());
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
        prop_assert_eq!(intel.at(NOW).name(asked.as_bytes()).map(|h| h.entry), longest.cloned());
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
        let hit = intel.at(NOW).address(asked);
        let found = hit.map(|h| h.entry.split_once('/').map_or(32, |(_, p)| p.parse::<u8>().unwrap()));
        let found = found.map(|p| if asked.is_v4() || p <= 32 { p } else { p - 96 });
        prop_assert_eq!(found, narrowest);
    }

    #[test]
    fn no_text_breaks_the_parsers(text in "[\\x00-\\x7f]{0,200}") {
        for head in ["", "# domain,ip:port\n", "# ioc_value,ioc_type\n", "{", "[", "# ja3\n", "{\"Event\":{\"Attribute\":[{\"type\":\"domain\",\"value\":\""] {
            loaded(&[("x", &format!("{head}{text}"))]);
        }
        let _ = super::pattern::parse(&text);
    }
}

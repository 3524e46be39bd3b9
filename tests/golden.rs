//! What each sample shows: golden tables, and the second opinion of tshark.
//!
//! `OVERHEAR_BLESS=1 cargo test --test golden` writes the golden files anew; look at the difference
//! before it is kept, with `sample-pcaps/README.md` beside it.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use common::{TIMINGS, TableRows, case_key, document, read, samples, samples_folder, scratch, tables};

/// What is read together, and the name of its golden file.
fn cases() -> Vec<(String, Vec<String>)> {
    let mut cases: Vec<_> = samples()
        .into_iter()
        .map(|file| (file.split(".pcap").next().expect("a name").to_owned(), vec![file]))
        .collect();
    let rotated = ["rotated-00001.pcap", "rotated-00002.pcap"].map(Into::into);
    cases.push(("rotated-together".into(), rotated.to_vec()));
    cases
}

/// Flow ids as `f1`, `f2` ... in the order of the flows table: readable, and a reference to a flow
/// that is not there stands out.
fn label_flows(tables: &mut BTreeMap<String, TableRows>) {
    let mut labels = HashMap::new();
    if let Some(flows) = tables.get("flows") {
        for (i, id) in flows.column("flow_id").into_iter().enumerate() {
            assert_eq!(labels.insert(id, format!("f{}", i + 1)), None, "two flows have one id");
        }
    }
    for table in tables.values_mut() {
        for name in ["flow_id", "flow_ids"] {
            if !table.has(name) {
                continue;
            }
            let at = table.at(name);
            for row in &mut table.rows {
                if let Some(cell) = &mut row[at] {
                    let label =
                        |id: &str| labels.get(id).cloned().unwrap_or_else(|| panic!("{}: no flow {id}", table.name));
                    *cell = cell.split('|').filter(|id| !id.is_empty()).map(label).collect::<Vec<_>>().join("|");
                }
            }
        }
    }
}

/// All tables as text: one line a cell that is not null, counters that are zero left out.
fn render(out: &Path, title: &str) -> String {
    let mut all = tables(out);
    label_flows(&mut all);
    let mut text = format!("{title}\n");
    let run = document(out);
    for key in ["packets", "flows", "devices", "findings", "exit_code", "warnings"] {
        writeln!(text, "{key}: {}", run[key]).expect("a string");
    }
    let order = ["flows", "devices", "findings", "credentials", "capture_stats"];
    let rest = all.keys().map(String::as_str).filter(|name| !order.contains(name)).collect::<Vec<_>>();
    for name in order.into_iter().chain(rest) {
        let Some(table) = all.get(name) else { continue };
        let table = table.clone().without(&TIMINGS);
        if table.rows.is_empty() {
            continue;
        }
        writeln!(text, "\n== {name}: {}", table.rows.len()).expect("a string");
        for row in &table.rows {
            let mut line = String::new();
            for (column, cell) in table.columns.iter().zip(row) {
                let Some(cell) = cell else { continue };
                let is_zero = name == "capture_stats" && cell == "0" && column.name != "interface";
                // The same text in every row says nothing about the sample.
                let is_constant = ["description", "remedy"].contains(&column.name.as_str());
                if is_zero || is_constant {
                    continue;
                }
                let cell = if column.ty.starts_with("timestamp") { time(cell) } else { escape(cell) };
                write!(line, " {}={cell}", column.name).expect("a string");
            }
            writeln!(text, "-{line}").expect("a string");
        }
    }
    text
}

/// A time within its day, which is what tells the rows of one sample apart.
fn time(micros: &str) -> String {
    let micros: u64 = micros.parse().expect("a number");
    let seconds = micros / 1_000_000;
    format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, micros % 1_000_000)
}

fn escape(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_control() && c != '"' && c != ' ' && c != '=');
    if plain { text.to_owned() } else { format!("{text:?}") }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"))
}

fn read_case(files: &[String], more: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let (temp, out) = scratch();
    let key = case_key(temp.path());
    let mut args: Vec<String> = files.to_vec();
    args.extend(["--case-key".to_owned(), key.display().to_string()]);
    args.extend(more.iter().map(|a| (*a).to_owned()));
    let run = read(args, &out);
    assert!(matches!(run.code, Some(0)), "{files:?}: {run:?}");
    (temp, out)
}

#[test]
fn each_sample_gives_its_golden_tables() {
    let bless = std::env::var_os("OVERHEAR_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut wanted = BTreeSet::new();
    for (name, files) in cases() {
        let (_temp, out) = read_case(&files, &[]);
        let now = render(&out, &files.join(" + "));
        let path = golden(&name);
        wanted.insert(path.clone());
        if bless {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, &now).expect("a golden file");
            continue;
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        if before == now {
            continue;
        }
        let old: BTreeSet<_> = before.lines().collect();
        let new: BTreeSet<_> = now.lines().collect();
        let mut difference = format!("{}:\n", path.display());
        for line in old.difference(&new) {
            writeln!(difference, "  was {line}").expect("a string");
        }
        for line in new.difference(&old) {
            writeln!(difference, "  is  {line}").expect("a string");
        }
        wrong.push(difference);
    }
    assert!(wrong.is_empty(), "OVERHEAR_BLESS=1 keeps what is meant:\n{}", wrong.join("\n"));
    let there: BTreeSet<_> = common::files_below(golden("x").parent().expect("a folder")).into_iter().collect();
    assert_eq!(there, wanted, "golden files and samples");
}

#[test]
fn rows_are_sorted_by_time() {
    let (_temp, out) = read_case(&[".".into()], &[]);
    let mut seen = 0;
    for (name, table) in tables(&out) {
        let Some(column) = ["ts", "ts_start", "ts_first"].into_iter().find(|c| table.has(c)) else { continue };
        let times: Vec<i64> = table.column(column).iter().filter_map(|t| t.parse().ok()).collect();
        assert!(times.is_sorted(), "{name} is not sorted by {column}");
        seen += times.len();
    }
    assert!(seen > 500, "{seen}");
}

/// A row of `expected.tsv`, what tshark found.
struct Expected(HashMap<String, String>);

impl Expected {
    fn all() -> Vec<Self> {
        let text = fs::read_to_string(samples_folder().join("expected.tsv")).expect("the table is there");
        let mut lines = text.lines().map(|l| l.split('\t').map(str::to_owned));
        let names: Vec<String> = lines.next().expect("names of columns").collect();
        lines.map(|line| Self(names.iter().cloned().zip(line).collect())).collect()
    }

    fn text(&self, column: &str) -> &str {
        self.0.get(column).unwrap_or_else(|| panic!("expected.tsv has no column {column}"))
    }

    fn number(&self, column: &str) -> u64 {
        self.text(column).parse().expect("a number")
    }

    /// The values of a list, sorted; `-` is an empty one.
    fn list(&self, column: &str) -> Vec<String> {
        if self.text(column) == "-" {
            return Vec::new();
        }
        sorted(self.text(column).split('|').map(str::to_owned))
    }
}

fn sorted(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<_> = values.into_iter().collect();
    all.sort();
    all
}

fn unique(values: impl IntoIterator<Item = String>) -> Vec<String> {
    values.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Where tshark and overhear differ with good reason: sample, column, what overhear says, why.
/// Everything else must agree.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("web-print.pcap", "http_status", "200|200", "the table has final responses, not 100 Continue"),
    ("lossy.pcap", "http_status", "200|200", "tshark does not put the answer with holes together"),
    ("mdns-office.pcap", "dns_queries", "32", "a row is a question; tshark counts messages, which hold up to three"),
    ("office-day.pcap", "dns_queries", "18", "a row is a question; tshark counts messages, which hold up to three"),
    ("mirror-two-vlans.pcap", "icmp_packets", "4", "each packet came twice, and is counted once"),
    ("mirror-vxlan.pcap", "udp_streams", "12", "ARP inside the tunnel has no flow of its own: its outer flow is kept"),
    (
        "quic.pcap",
        "tls_client_hellos",
        "8",
        "tshark does not decrypt the client of a connection whose version was negotiated",
    ),
    ("quic.pcap", "sni", QUIC_NAMES, "the same"),
    ("quic.pcap", "ja3", QUIC_JA3, "the same"),
    ("tls-weak-ciphers.pcap", "http_status", "200|200", "tshark does not put answers under a NULL cipher together"),
    ("weak-tls.pcap", "http_status", "200", "tshark does not put answers under a NULL cipher together"),
    ("weak-tls-old.pcap", "http_status", "200", "tshark does not put answers under a NULL cipher together"),
];

const QUIC_NAMES: &str = "printer3.office.example|printer3.office.example|printer3.office.example|\
    printer3.office.example|printer3.office.example|printer3.office.example|printer3.office.example|\
    printer3.office.example";
const QUIC_JA3: &str = "03a7d247df95a12cc70c33a4bae548bf|273162b4249b4a9e8e66cf971794f989|\
    273162b4249b4a9e8e66cf971794f989|273162b4249b4a9e8e66cf971794f989|273162b4249b4a9e8e66cf971794f989|\
    273162b4249b4a9e8e66cf971794f989|273162b4249b4a9e8e66cf971794f989|273162b4249b4a9e8e66cf971794f989";

/// Versions and ciphers by the numbers that tshark gives.
const CIPHERS: &[(&str, &str)] = &[
    ("0xc014", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    ("0xc030", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("0x1301", "TLS_AES_128_GCM_SHA256"),
    ("0x1302", "TLS_AES_256_GCM_SHA384"),
    ("0xc011", "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    ("0xc012", "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    ("0xc010", "TLS_ECDHE_RSA_WITH_NULL_SHA"),
    ("0x006c", "TLS_DH_anon_WITH_AES_128_CBC_SHA256"),
    ("0x003b", "TLS_RSA_WITH_NULL_SHA256"),
    ("0xc0a8", "TLS_PSK_WITH_AES_128_CCM_8"),
    ("0xc02b", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("0xc02c", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("0xc02f", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("0x009c", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    ("0x009e", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("0xc013", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ("0xc028", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    ("0xc0a3", "TLS_DHE_RSA_WITH_AES_256_CCM_8"),
    ("0xcca8", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("0x0004", "TLS_RSA_WITH_RC4_128_MD5"),
    ("0x0033", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    ("0xc018", "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"),
];
const VERSIONS: &[(&str, &str)] = &[
    ("0x0300", "SSLv3"),
    ("0x0301", "TLSv1.0"),
    ("0x0302", "TLSv1.1"),
    ("0x0303", "TLSv1.2"),
    ("0x0304", "TLSv1.3"),
    ("0xfeff", "DTLSv1.0"),
    ("0xfefd", "DTLSv1.2"),
];

fn named(list: &[(&str, &str)], number: &str) -> String {
    list.iter().find(|(n, _)| *n == number).map_or_else(|| number.to_owned(), |(_, name)| (*name).to_owned())
}

/// What overhear found, in the columns of `expected.tsv`.
fn found(out: &Path) -> BTreeMap<&'static str, String> {
    let all = tables(out);
    let flows = &all["flows"];
    let mut found = BTreeMap::new();
    let mut put = |name, value: String| found.insert(name, value);
    let list = |values: Vec<String>| if values.is_empty() { "-".to_owned() } else { values.join("|") };
    let of = |protocols: &[&str]| flows.column("proto").iter().filter(|p| protocols.contains(&p.as_str())).count();
    put("packets", document(out)["packets"].to_string());
    put("tcp_streams", of(&["tcp"]).to_string());
    put("udp_streams", of(&["udp"]).to_string());
    let icmp: u64 = flows
        .pick(&["proto", "orig_pkts", "resp_pkts"])
        .iter()
        .filter(|f| f[0].starts_with("icmp"))
        .map(|f| f[1].parse::<u64>().expect("a number") + f[2].parse::<u64>().expect("a number"))
        .sum();
    put("icmp_packets", icmp.to_string());
    let dns = all["dns"].pick(&["query_packet", "response_packet", "query"]);
    put("dns_queries", dns.iter().filter(|r| !r[0].is_empty()).count().to_string());
    put("dns_responses", dns.iter().filter(|r| !r[1].is_empty()).count().to_string());
    put("dns_names", list(unique(dns.iter().filter(|r| !r[0].is_empty()).map(|r| r[2].clone()))));
    let tls = all["tls"].pick(&["ja3", "server_name", "ja3s", "version", "cipher"]);
    let hellos: Vec<_> = tls.iter().filter(|r| !r[0].is_empty()).collect();
    put("tls_client_hellos", hellos.len().to_string());
    put("sni", list(sorted(hellos.iter().map(|r| r[1].clone()))));
    put("ja3", list(sorted(hellos.iter().map(|r| r[0].clone()))));
    put("ja3s", list(sorted(tls.iter().filter(|r| !r[2].is_empty()).map(|r| r[2].clone()))));
    put("tls_server", list(sorted(tls.iter().filter(|r| !r[2].is_empty()).map(|r| format!("{}/{}", r[3], r[4])))));
    // What came over HTTP/2 has other names in tshark.
    let mut http = all["http"].pick(&["method", "host", "uri", "status", "version"]);
    http.retain(|r| r[4] != "2");
    let requests = http.iter().filter(|r| !r[0].is_empty());
    put("http_requests", list(sorted(requests.map(|r| format!("{} {}{}", r[0], r[1], r[2])))));
    put("http_status", list(sorted(http.iter().filter(|r| !r[3].is_empty()).map(|r| r[3].clone()))));
    let logins = all["credentials"].pick(&["protocol", "username", "secret", "success", "mechanism"]);
    let of = |protocol: &str| logins.iter().filter(|r| r[0] == protocol).cloned().collect::<Vec<_>>();
    let basic = of("http").into_iter().filter(|r| r[4] == "basic").collect::<Vec<_>>();
    put("http_basic", list(unique(basic.iter().map(|r| format!("{}:{}", r[1], r[2])))));
    let ftp = of("ftp");
    put("ftp_logins", list(sorted(ftp.iter().map(|r| format!("{}/{}/{}", r[1], r[2], r[3])))));
    put("telnet_lines", list(unique(of("telnet").into_iter().flat_map(|r| [r[1].clone(), r[2].clone()]))));
    let dhcp = all["dhcp"].pick(&["message_type", "client_mac", "host_name", "vendor_class"]);
    let requests = dhcp.iter().filter(|r| r[0].eq_ignore_ascii_case("request"));
    put("dhcp_names", list(sorted(requests.map(|r| format!("{}={}={}", r[1], r[2], r[3])))));
    found
}

/// The same columns as tshark has them, in the words of the tables.
fn expected(row: &Expected) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    let list = |values: Vec<String>| if values.is_empty() { "-".to_owned() } else { values.join("|") };
    for name in
        ["packets", "tcp_streams", "udp_streams", "icmp_packets", "dns_queries", "dns_responses", "tls_client_hellos"]
    {
        all.insert(name, row.number(name).to_string());
    }
    for name in ["sni", "ja3", "ja3s", "http_requests", "http_status", "dhcp_names"] {
        all.insert(name, list(row.list(name)));
    }
    // A hello without a name is an empty item, and `-` stands for no hello.
    if row.number("tls_client_hellos") == 1 && row.text("sni").is_empty() {
        all.insert("sni", String::new());
    }
    all.insert("dns_names", list(unique(row.list("dns_names"))));
    all.insert("http_basic", list(unique(row.list("http_basic"))));
    let server = |text: String| match text.split_once('/') {
        Some((version, cipher)) => format!("{}/{}", named(VERSIONS, version), named(CIPHERS, cipher)),
        None => text,
    };
    all.insert("tls_server", list(sorted(row.list("tls_server").into_iter().map(server))));
    let login = |text: String| {
        let parts: Vec<_> = text.split('/').collect();
        let success = match parts[2] {
            "230" => "true",
            "530" => "false",
            _ => "",
        };
        format!("{}/{}/{success}", parts[0], parts[1])
    };
    all.insert("ftp_logins", list(sorted(row.list("ftp_logins").into_iter().map(login))));
    // What was typed after the login is no credential.
    let commands = ["status", "quit"];
    let typed = row.list("telnet_lines").into_iter().filter(|l| !commands.contains(&l.as_str()));
    all.insert("telnet_lines", list(unique(typed)));
    all
}

#[test]
fn tshark_sees_the_same() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for row in Expected::all() {
        let name = row.text("capture").to_owned();
        let files: Vec<String> = name.split('+').map(str::to_owned).collect();
        // In clear, since tshark shows secrets.
        let (_temp, out) = read_case(&files, &["--reveal-secrets"]);
        let ours = found(&out);
        for (column, theirs) in expected(&row) {
            let ours = &ours[column];
            if let Some(known) = DIFFERENCES.iter().find(|d| d.0 == name && d.1 == column) {
                used.insert((known.0, known.1));
                if ours != known.2 {
                    wrong.push(format!("{name}: {column}: {ours:?}, but {:?} is known ({})", known.2, known.3));
                }
            } else if *ours != theirs {
                wrong.push(format!("{name}: {column}:\n    overhear {ours:?}\n    tshark   {theirs:?}"));
            }
        }
    }
    for known in DIFFERENCES.iter().filter(|d| !used.contains(&(d.0, d.1))) {
        wrong.push(format!("there is no {} of {} any more", known.1, known.0));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_packet_that_the_mirror_saw_twice_is_counted_once() {
    // 54 TCP segments, each on two VLANs: 9 of the client and 18 of the server.
    let (_temp, out) = read_case(&["mirror-two-vlans.pcap".into()], &[]);
    let flows =
        tables(&out)["flows"].pick(&["proto", "orig_pkts", "resp_pkts", "duplicate_pkts", "retransmitted_pkts"]);
    let tcp: Vec<_> = flows.iter().filter(|f| f[0] == "tcp").map(|f| f[1..].join(" ")).collect();
    assert_eq!(tcp, ["9 18 27 0"]);
    let (_temp, out) = read_case(&["mirror-two-vlans.pcap".into()], &["--no-dedup"]);
    let flows = tables(&out)["flows"].pick(&["proto", "orig_pkts", "resp_pkts", "duplicate_pkts"]);
    let tcp: Vec<_> = flows.iter().filter(|f| f[0] == "tcp").map(|f| f[1..].join(" ")).collect();
    assert_eq!(tcp, ["18 36 0"]);
}

#[test]
fn calls_to_addresses_that_nobody_looked_up_are_found_even_if_they_fail() {
    let (_temp, out) = read_case(&["printer-calls-home.pcap".into()], &[]);
    let findings = tables(&out)["findings"].pick(&["rule_id", "peer_ip"]);
    let peers = unique(findings.into_iter().filter(|f| f[0] == "egress-no-lookup").map(|f| f[1].clone()));
    assert_eq!(peers, ["203.0.113.77", "203.0.113.99"]);
}

#[test]
fn a_login_of_which_only_the_client_was_seen_is_found() {
    let (_temp, out) = read_case(&["one-way-client.pcap".into()], &[]);
    let all = tables(&out);
    let logins = all["credentials"].pick(&["protocol", "username", "success"]);
    assert_eq!(logins, [["ftp", "scanuser", ""]]);
    assert!(all["findings"].column("rule_id").iter().any(|r| r == "ftp-in-use"));
}

#[test]
fn http_that_was_under_way_when_the_capture_began_is_read() {
    let (_temp, out) = read_case(&["midstream.pcap".into()], &[]);
    let all = tables(&out);
    assert_eq!(all["flows"].pick(&["service", "service_source", "orig_port"]), [["http", "payload", "49614"]]);
    let requests = all["http"].pick(&["method", "uri", "status"]);
    let seen: Vec<_> = requests.iter().filter(|r| !r[0].is_empty()).map(|r| r[1..].join(" ")).collect();
    assert_eq!(seen, ["/index.html 200", "/missing.html 404", "/index.html 200"]);
}

#[test]
fn no_flow_was_opened_by_a_group_address() {
    let (_temp, out) = read_case(&[".".into()], &[]);
    let origins = tables(&out)["flows"].pick(&["orig_ip", "proto", "history", "capture"]);
    let wrong: Vec<_> = origins.iter().filter(|f| f[0].starts_with("ff") || f[0].starts_with("224.")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn one_upload_in_two_files_is_one_flow_with_all_its_bytes() {
    let files = ["rotated-00001.pcap".to_owned(), "rotated-00002.pcap".to_owned()];
    let (_temp, out) = read_case(&files, &[]);
    let flows = tables(&out)["flows"].pick(&["service", "orig_bytes", "missed_bytes", "conn_state"]);
    assert!(flows.contains(&["ftp-data", "60894", "0", "SF"].map(str::to_owned).to_vec()), "{flows:?}");
}

//! No secret of a capture stands in anything that is written or printed, in no encoding, unless
//! `--reveal-secrets` asked for it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, document, exit, read, scratch, table, tables};

/// The invented passwords of the samples.
const SAMPLE_SECRETS: &[&str] = &[
    "wrong-Guess-0",
    "Sample-Printer-1",
    "Sample-Scan-2",
    "Sample-Cam-3",
    "Sample-Mail-4",
    "Sample-Mail-5",
    "Sample-Chat-1",
    "Sample-Chat-2",
    "Sample-Chat-3",
    "Sample-Oper-1",
    "Sample-News-1",
    "Sample-Broker-1",
    "Sample-Cache-1",
    "Sample-Database-1",
    "Sample-Phone-6",
    "Sample-Stream-7",
    "Sample-Relay-8",
    "Sample-Pjl-9",
    // communities, users of SNMPv3, a line of a log, a door's badge, the key of RADIUS
    "Sample-Snmp-4",
    "Sample-Snmp-5",
    "Sample-Snmp-8",
    "Sample-Snmp-6",
    "Sample-Snmp-7",
    "Sample-Log-8",
    "Sample-Door-9",
    "Sample-Radius-3",
    "Sample-Tacacs-5",
    "Sample-Switch-4",
    // in configuration files
    "Sample-Phone-1",
    "Sample-Phone-2",
    "Sample-Switch-3",
    "Sample-Digest-4",
    "Sample-Form-5",
    "Sample-Onvif-6",
    "Sample-Ntlm-7",
    "Sample-Key-8",
    "Sample-Proxy-9",
    "Sample-Socks-10",
    "Sample-Share-5",
    "Sample-Directory-6",
    "Sample-Ticket-7",
    "Sample-Ticket-8",
    "Sample-Rcmd-1",
];

/// Others that no login tells: one in a command line, one behind a challenge.
const OTHER_SECRETS: [&str; 2] = ["Sample-Rcmd-2", "Sample-Vnc-1"];

fn all_secrets() -> impl Iterator<Item = &'static str> {
    SAMPLE_SECRETS.iter().copied().chain(OTHER_SECRETS)
}

/// Samples with a login in clear, and the secrets in it.
const LOGINS: &[(&str, &[&str])] = &[
    ("telnet-printer.pcap", &["wrong-Guess-0", "Sample-Printer-1"]),
    ("ftp-upload-passive.pcap", &["wrong-Guess-0", "Sample-Scan-2"]),
    ("ftp-active.pcap", &["Sample-Scan-2"]),
    ("http-basic-camera.pcap", &["wrong-Guess-0", "Sample-Cam-3"]),
    ("tls-keys.pcapng", &["wrong-Guess-1.2", "wrong-Guess-1.3", "Sample-Cam-3"]),
    ("mirror-two-vlans.pcap", &["Sample-Cam-3"]),
    ("mirror-vxlan.pcap", &["Sample-Cam-3", "Sample-Printer-1"]),
    ("mirror-gre.pcap", &["Sample-Cam-3"]),
    ("mirror-erspan3.pcap", &["Sample-Scan-2"]),
    ("one-way-client.pcap", &["Sample-Scan-2"]),
    ("rotated-00001.pcap", &["Sample-Scan-2"]),
    ("mail-office.pcap", &["wrong-Guess-0", "Sample-Mail-4", "Sample-Mail-5"]),
    ("remote-office.pcap", &["wrong-Guess-0", "Sample-Rcmd-1"]),
    (
        "chat-office.pcap",
        &["wrong-Guess-0", "Sample-Chat-1", "Sample-Chat-2", "Sample-Chat-3", "Sample-Oper-1", "Sample-News-1"],
    ),
    ("mqtt.pcap", &["wrong-Guess-0", "Sample-Broker-1"]),
    ("databases.pcap", &["wrong-Guess-0", "Sample-Cache-1", "Sample-Database-1"]),
    ("camera-streams.pcap", &["Sample-Stream-7"]),
    ("printing.pcap", &["Sample-Pjl-9"]),
    ("tacacs-door.pcap", &["wrong-Guess-0", "Sample-Switch-4"]),
    ("identities.pcap", &["Sample-Cam-3"]),
    ("office-day.pcap", &["Sample-Snmp-8"]),
    ("snmp-printer.pcap", &["Sample-Snmp-4", "Sample-Snmp-5", "wrong-Guess-0"]),
    (
        "provisioning-phone.pcap",
        &["Sample-Scan-2", "Sample-Phone-1", "Sample-Phone-2", "Sample-Switch-3", "Sample-Snmp-4"],
    ),
    ("web-logins.pcap", &["wrong-Guess-0", "Sample-Form-5", "Sample-Onvif-6", "Sample-Key-8", "c0ffee-0731-5a3c"]),
    ("web-proxies.pcap", &["wrong-Guess-0", "Sample-Proxy-9", "Sample-Socks-10", "Sample-Cam-3"]),
    ("ldap-directory.pcap", &["wrong-Guess-0", "Sample-Directory-6"]),
];

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(BASE64[(word >> (18 - 6 * i) & 63) as usize]));
        }
    }
    out
}

/// The part of a secret's base64 that does not depend on what stands before and behind it, for each
/// of the three ways in which it may lie in a longer text (as in `user:secret`).
fn base64_within(secret: &[u8]) -> impl Iterator<Item = String> + '_ {
    (0..3).filter_map(move |before| {
        let mut padded = vec![0; before];
        padded.extend(secret);
        let all = base64(&padded);
        // Characters that hold bits of the padding or of what follows are left out.
        let start = (before * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        all.get(start..end).filter(|inner| inner.len() >= 6).map(str::to_owned)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn percent(bytes: &[u8], all: bool) -> String {
    let plain = |b: &u8| !all && (b.is_ascii_alphanumeric() || b"-_.~".contains(b));
    bytes.iter().map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Every form in which a secret could stand somewhere.
fn forms(secret: &str) -> BTreeSet<String> {
    let bytes = secret.as_bytes();
    let mut forms = BTreeSet::from([
        secret.to_owned(),
        hex(bytes),
        hex(bytes).to_uppercase(),
        percent(bytes, false),
        percent(bytes, false).to_lowercase(),
        percent(bytes, true),
        secret.replace(' ', "+"),
        secret.chars().rev().collect(),
        bytes.iter().map(|b| format!("{b:02x} ")).collect::<String>().trim_end().to_owned(),
        serde_json::to_string(secret).expect("a text").trim_matches('"').to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
    ]);
    forms.extend(base64_within(bytes));
    forms.retain(|f| f.len() >= 5);
    forms
}

/// Every text that a run left or printed, with where it stands. Paths of inputs are not a leak: the
/// user named them.
fn texts(out: &Path, run: &Run) -> Vec<(String, String)> {
    let mut all = vec![("stdout".into(), run.stdout.clone()), ("stderr".into(), run.stderr.clone())];
    if !out.exists() {
        return all;
    }
    for (name, table) in tables(out) {
        for (at, column) in table.columns.iter().enumerate() {
            if column.ty.contains("text") && column.name != "capture" {
                all.extend(
                    table.rows.iter().filter_map(|r| r[at].clone()).map(|c| (format!("{name}.{}", column.name), c)),
                );
            }
        }
    }
    for file in common::files_below(out) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.ends_with(".parquet") {
            all.push((name, fs::read_to_string(&file).expect("a text file")));
        }
    }
    all
}

/// Where a secret is found.
fn leaks(out: &Path, run: &Run, secret: &str) -> Vec<String> {
    let forms = forms(secret);
    let mut found = Vec::new();
    for (place, text) in texts(out, run) {
        if let Some(form) = forms.iter().find(|f| text.contains(f.as_str())) {
            found.push(format!("{place} holds {secret:?} as {form:?}: {}", text.chars().take(300).collect::<String>()));
        }
    }
    found
}

#[test]
fn a_secret_is_found_in_any_encoding() {
    let secret = "Sample-Cam-3";
    for (_, text) in [
        ("plain", "PASS Sample-Cam-3".to_owned()),
        ("base64", format!("Basic {}", base64(b"viewer:Sample-Cam-3"))),
        ("shifted by one", base64(b"a:Sample-Cam-3 and more")),
        ("shifted by two", base64(b"ab:Sample-Cam-3")),
        ("hex", hex(b"xx Sample-Cam-3")),
        ("percent", "p=Sample%2DCam%2D3".replace("%2D", "-")),
        ("all percent", percent(secret.as_bytes(), true)),
    ] {
        assert!(forms(secret).iter().any(|f| text.contains(f.as_str())), "{text}");
    }
    assert_eq!(base64(b"viewer:x"), "dmlld2VyOng=".trim_end_matches('='));
    let harmless = "USER viewer, password of 12 bytes [blanked], accepted (http basic) dmlld2VyOng";
    assert!(!forms(secret).iter().any(|f| harmless.contains(f.as_str())));
}

#[test]
fn no_secret_of_the_samples_is_written() {
    let mut wrong = Vec::new();
    for name in common::samples().into_iter().chain([".".to_owned()]) {
        let (_temp, out) = scratch();
        let run = read([&name], &out).ends_with(exit::COMPLETE);
        assert_eq!(document(&out)["secrets_revealed"], false);
        for secret in all_secrets() {
            wrong.extend(leaks(&out, &run, secret).into_iter().map(|l| format!("{name}: {l}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_cracker_needs_is_written_only_where_secrets_are() {
    let (_temp, hidden) = scratch();
    let run = read([".", "--format", "json"], &hidden).ends_with(exit::COMPLETE);
    let (_temp, shown) = scratch();
    read([".", "--reveal-secrets"], &shown).ends_with(exit::COMPLETE);
    let columns = ["secret_kind", "secret", "crackable_format", "crackable"];
    let hidden_rows = table(&hidden, "credentials").pick(&columns);
    assert!(hidden_rows.iter().all(|r| r[3].is_empty() || r[3] == "null"), "{hidden_rows:?}");
    let written = texts(&hidden, &run);
    for row in table(&shown, "credentials").pick(&columns) {
        let has = |cell: &str| !cell.is_empty() && cell != "null";
        assert_eq!(has(&row[2]), has(&row[3]), "a format and its line come together: {row:?}");
        if row[0] == "challenge-response" {
            for secret in [&row[1], &row[3]].into_iter().filter(|s| has(s) && s.len() >= 8) {
                let leak = written.iter().find(|(_, text)| text.contains(secret.as_str()));
                assert!(leak.is_none(), "{secret}: {leak:?}");
            }
        }
    }
}

/// Connections and datagrams of an invented capture.
#[derive(Default)]
struct Traffic {
    frames: Vec<(u64, Vec<u8>)>,
    flows: u16,
}

const CLIENT: [u8; 4] = [10, 77, 0, 9];
const SERVER: [u8; 4] = [10, 77, 0, 1];

impl Traffic {
    fn push(&mut self, frame: Vec<u8>) {
        let micros = 1_790_000_000_000_000 + 1000 * self.frames.len() as u64;
        self.frames.push((micros, frame));
    }

    /// A TCP connection: what the client (`>`) and the server (`<`) send in turn.
    fn tcp(&mut self, port: u16, said: &[(char, &str)]) {
        let steps: Vec<_> = said.iter().map(|(side, text)| (*side, text.as_bytes())).collect();
        self.tcp_bytes(port, &steps);
    }

    fn tcp_bytes(&mut self, port: u16, said: &[(char, &[u8])]) {
        self.flows += 1;
        let ends = [(CLIENT, 40_000 + self.flows), (SERVER, port)];
        let mut seq = [1000_u32, 9000];
        let mut send = |traffic: &mut Self, from: usize, flags: u8, bytes: &[u8]| {
            let frame = common::tcp_frame(ends[from], ends[1 - from], seq[from], seq[1 - from], flags, bytes);
            traffic.push(frame);
            seq[from] += bytes.len() as u32 + u32::from(flags & 3 != 0);
        };
        send(self, 0, 0x02, &[]);
        send(self, 1, 0x12, &[]);
        send(self, 0, 0x10, &[]);
        for (side, bytes) in said {
            send(self, usize::from(*side == '<'), 0x18, bytes);
        }
        send(self, 0, 0x11, &[]);
        send(self, 1, 0x11, &[]);
        send(self, 0, 0x10, &[]);
    }

    fn udp(&mut self, port: u16, text: &str) {
        self.flows += 1;
        self.push(common::udp_frame(CLIENT, 40_000 + self.flows, SERVER, port, text.as_bytes()));
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Every form in which devices and people put a secret where none belongs, with a secret of its own each:
/// what was sent, and of it the part that must not be found.
fn told_forms() -> (Traffic, BTreeSet<String>) {
    let mut t = Traffic::default();
    let mut secrets = BTreeSet::new();
    let mut next = |what: &str| {
        let secret = format!("Told-{what}-{}", secrets.len() + 100);
        secrets.insert(secret.clone());
        secret
    };
    let targets = [
        "/user/joe/password/@",
        "/cgi/user/joe/pwd/@/apply",
        "/set/password/@",
        "/login/joe/@",
        "/set/pass=@/now",
        "/set/pass%3D@/now",
        "/set/password:@/now",
        "/a;pwd=@",
        "/a?c=passwd%20@",
        "/a?cmd=login+user+@",
        "/a?cmd=login%20user:@",
        "/a?cmd=set+--password+@",
        "/a?passwd%20@",
        "/a?text=your%20password%20is%20@",
        "/a?appid=@",
        "/a?app_key=@",
        "/a?apikey=@",
        "/a?api-key=@",
        "/a?x=%7B%22password%22%3A%22@%22%7D",
        "/a?url=http%3A%2F%2Fjoe%3A@%40h%2F",
    ];
    for target in targets {
        // In the request, where it came from and where it leads on to.
        let [a, b, c, d] = ["Uri", "Referer", "Location", "Cookie"].map(|w| target.replace('@', &next(w)));
        let cookie = d.trim_start_matches('/');
        let request = format!(
            "GET {a} HTTP/1.1\r\nHost: h.example\r\nReferer: http://h.example{b}\r\nCookie: x={cookie}\r\n\r\n"
        );
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://h.example{c}\r\nContent-Length: 0\r\n\r\n");
        t.tcp(80, &[('>', &request), ('<', &answer)]);
        let uri = target.replace('@', &next("Rtsp"));
        let request = format!("DESCRIBE rtsp://10.77.0.1{uri} RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        t.tcp(554, &[('>', &request), ('<', "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")]);
        let uri = format!("ipp://10.77.0.1:631{}", target.replace('@', &next("Ipp")));
        let mut body = b"\x01\x01\x00\x0b\x00\x00\x00\x01\x01\x45\x00\x0bprinter-uri".to_vec();
        body.extend((uri.len() as u16).to_be_bytes());
        body.extend(uri.as_bytes());
        body.push(3);
        let mut request = format!(
            "POST /ipp HTTP/1.1\r\nHost: h\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        t.tcp_bytes(631, &[('>', &request), ('<', OK.as_bytes())]);
    }
    for uri in [
        "sip:*99*@#@h",
        "sip:*99*@%23@h",
        "sip:%2A99%2A@%23@h;user=phone",
        "sip:joe:@@h",
        "sip:joe@h;password=@",
        "tel:*98*@",
        "sip:joe@h?c=passwd%20@",
    ] {
        // The last @ but that before the host is the secret's.
        let put = |secret: &str| match uri.rfind("@h") {
            Some(_) if uri.ends_with('@') || uri.contains("@h;p") || uri.contains("@h?") => {
                format!("{}{secret}", &uri[..uri.len() - 1])
            }
            _ => uri.replacen('@', secret, 1),
        };
        let (uri, from, to) = (put(&next("SipUri")), put(&next("SipFrom")), put(&next("SipTo")));
        t.udp(
            5060,
            &format!(
                "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.9\r\nFrom: <{from}>;tag=1\r\nTo: <{to}>\r\n\
                 Contact: <{from}>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                t.flows
            ),
        );
    }
    // User names with a password in them.
    for behind in ["", "@10.77.0.1"] {
        let user = format!("joe:{}{behind}", next("FtpUser"));
        let asks = format!("331 Password required for {user}\r\n");
        let user = format!("USER {user}\r\n");
        t.tcp(21, &[('<', "220 ready\r\n"), ('>', &user), ('<', &asks), ('>', "PASS x\r\n"), ('<', "230 in\r\n")]);
        let user = format!("USER joe:{}{behind}\r\n", next("PopUser"));
        t.tcp(
            110,
            &[('<', "+OK ready\r\n"), ('>', &user), ('<', "+OK\r\n"), ('>', "PASS xy\r\n"), ('<', "+OK in\r\n")],
        );
        let user = format!("joe:{}{behind}\r\n", next("TelnetUser"));
        let said = [('<', "login: "), ('>', user.as_str()), ('<', "Password: "), ('>', "xyz\r\n"), ('<', "\r\n$ ")];
        t.tcp(23, &said);
        let user = format!("\x04\x01\x00\x50\x01\x02\x03\x04joe:{}{behind}\0", next("Socks4"));
        t.tcp_bytes(1080, &[('>', user.as_bytes()), ('<', b"\x00\x5a\x00\x50\x01\x02\x03\x04")]);
        let user = format!("joe:{}{behind}", next("Socks5"));
        let login = format!("\x01{}{user}\x02ab", char::from(user.len() as u8));
        t.tcp_bytes(
            1080,
            &[
                ('>', b"\x05\x01\x02"),
                ('<', b"\x05\x02"),
                ('>', login.as_bytes()),
                ('<', b"\x01\x00"),
                ('>', b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50"),
                ('<', b"\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50"),
            ],
        );
        let names = format!("1022\0joe:{}{behind}\0root\0ls\0", next("Rsh"));
        t.tcp(514, &[('>', &names), ('<', "\0")]);
    }
    let sentences = [
        "password=@",
        "password: @",
        "password is @",
        "Default password is now: @",
        "password for root is @",
        "password of user joe: @",
        "password for joe changed to @",
        "passwd @",
        "login: admin password: @",
        "community @",
        "community string @",
        "snmp-server community @ RW",
        "key @",
        "tacacs-server key 7 @",
        "crypto isakmp key @ address 10.0.0.1",
        "pre-shared-key @",
        "wpa-psk ascii 0 @",
        "username joe secret 5 @",
        "ntp authentication-key 1 md5 @",
        "COMMAND=/usr/bin/sshpass -p @ ssh h",
        "COMMAND=/usr/bin/curl -u joe:@ h",
    ];
    for sentence in sentences {
        let told = |secret: &str| sentence.replace('@', secret);
        t.udp(514, &format!("<13>Oct 11 22:14:15 gate app[7]: {}", told(&next("Syslog"))));
        t.udp(514, &format!("<13>Oct 11 22:14:15 {}", told(&next("SyslogBare"))));
        t.udp(514, &format!("<34>1 2026-10-11T22:14:15.003Z gate app - ID47 - {}", told(&next("Syslog5424"))));
        let greeting = format!("Box 7\r\n{}\r\nlogin: ", told(&next("Telnet")));
        t.tcp(23, &[('<', &greeting), ('>', "joe\r\n"), ('<', "Password: "), ('>', "xyz\r\n"), ('<', "\r\n$ ")]);
    }
    for said in ["password: @", "Your password is @", "The password for joe is @"] {
        let greeting = format!("220 Box, {}\r\n", said.replace('@', &next("FtpGreeting")));
        t.tcp(
            21,
            &[
                ('<', &greeting),
                ('>', "USER joe\r\n"),
                ('<', "331 go on\r\n"),
                ('>', "PASS x\r\n"),
                ('<', "230 in\r\n"),
            ],
        );
        let greeting = format!("220 box ESMTP, {}\r\n", said.replace('@', &next("SmtpGreeting")));
        t.tcp(
            25,
            &[('<', &greeting), ('>', "EHLO h\r\n"), ('<', "250 box\r\n"), ('>', "QUIT\r\n"), ('<', "221 bye\r\n")],
        );
        let agent = said.replace('@', &next("Agent"));
        let title = said.replace('@', &next("Title"));
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n\r\n");
        let page = format!("<title>{title}</title>");
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        t.tcp(80, &[('>', &request), ('<', &answer)]);
    }
    for setting in
        ["SET JOBATTR=\"JobAcct8=@\"", "SET JOBATTR=\"JobAcct3=@\"", "SET JOBACCT8=\"@\"", "SET USERNAME=\"joe:@\""]
    {
        let job = format!("\x1b%-12345X@PJL JOB\r\n@PJL {}\r\n@PJL EOJ\r\n", setting.replace('@', &next("Pjl")));
        t.tcp(9100, &[('>', &job)]);
    }
    (t, secrets)
}

#[test]
fn secrets_that_stand_where_none_belongs_are_blanked() {
    let (traffic, secrets) = told_forms();
    assert!(secrets.len() > 200, "each form has a secret of its own");
    let (temp, out) = scratch();
    let file = temp.path().join("told.pcap");
    fs::write(&file, common::pcap(&traffic.frames)).expect("a file");
    let run = read([file.as_os_str(), "--format".as_ref(), "json".as_ref()], &out);
    assert!(run.code.is_some(), "{run:?}");
    // Nothing is found in what was not understood.
    for (name, least) in [("http", 23), ("rtsp", 20), ("ipp", 20), ("sip", 7), ("ftp", 12), ("syslog", 60)] {
        let rows = table(&out, name).rows.len();
        assert!(rows >= least, "{rows} rows of {name}");
    }
    assert!(table(&out, "telnet").rows.len() >= 23 && table(&out, "pjl").rows.len() >= 4);
    assert_eq!(table(&out, "socks").rows.len(), 4);
    // Most cells repeat.
    let written: std::collections::BTreeMap<_, _> = texts(&out, &run).into_iter().map(|(p, text)| (text, p)).collect();
    let mut wrong = Vec::new();
    for secret in &secrets {
        for (text, place) in &written {
            if let Some(form) = forms(secret).iter().find(|f| text.contains(f.as_str())) {
                let text: String = text.chars().take(200).collect();
                wrong.push(format!("{place} holds {secret} as {form:?}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} leaks:\n{}", wrong.len(), wrong.join("\n"));
    // What is no secret is still there.
    let rows = table(&out, "http").column("uri");
    assert!(rows.iter().any(|u| u == "/user/joe/password/[blanked]"), "{rows:?}");
    assert!(table(&out, "ftp").column("username").iter().any(|u| u == "joe:[blanked]@10.77.0.1"));
}

#[test]
fn ordinary_sentences_and_addresses_are_shown_as_they_are() {
    let sentences = [
        "Failed password for root from 192.0.2.4 port 22 ssh2",
        "Failed password for invalid user joe from 192.0.2.4 port 22 ssh2",
        "password for joe is incorrect",
        "host key verification failed",
        "unknown community name",
        "Your password will expire in 5 days",
    ];
    let addresses = ["/user/joe/password/reset", "/a?q=password+manager", "/api/v1/config", "/wiki/Password%20manager"];
    let mut t = Traffic::default();
    for sentence in sentences {
        t.udp(514, &format!("<13>Oct 11 22:14:15 gate app[7]: {sentence}"));
    }
    for address in addresses {
        t.tcp(80, &[('>', &format!("GET {address} HTTP/1.1\r\nHost: h\r\n\r\n")), ('<', OK)]);
    }
    let (temp, out) = scratch();
    let file = temp.path().join("plain.pcap");
    fs::write(&file, common::pcap(&t.frames)).expect("a file");
    read([file.as_os_str()], &out);
    assert_eq!(table(&out, "syslog").column("message"), sentences);
    assert_eq!(table(&out, "http").column("uri"), addresses);
}

#[test]
fn nothing_in_the_files_themselves_holds_a_secret() {
    // Statistics and metadata of Parquet files are not compressed: a minimum is a value as well.
    let (_temp, out) = scratch();
    read(["."], &out).ends_with(exit::COMPLETE);
    for file in common::files_below(&out) {
        let bytes = fs::read(&file).expect("a file");
        for secret in all_secrets() {
            let there = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!there, "{} holds {secret}", file.display());
        }
    }
}

#[test]
fn revealed_secrets_stand_in_the_table_and_are_announced() {
    let mut wrong = Vec::new();
    for (name, secrets) in LOGINS {
        let (_temp, out) = scratch();
        let run = read([name, "--reveal-secrets"], &out).ends_with(exit::COMPLETE);
        assert_eq!(document(&out)["secrets_revealed"], true);
        assert!(run.stderr.contains("secrets are written in clear"), "{}", run.stderr);
        // Answers to challenges differ from one recording to the next.
        let rows = table(&out, "credentials").pick(&["secret", "secret_kind"]);
        let found: BTreeSet<_> =
            rows.into_iter().filter(|r| r[1] != "challenge-response").map(|r| r[0].clone()).collect();
        // A client that is trusted by its name sends no secret.
        let found: BTreeSet<_> = found.into_iter().filter(|s: &String| !s.is_empty()).collect();
        let expected: BTreeSet<_> = secrets.iter().map(|s| (*s).to_owned()).collect();
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
        // The table has them; the documents, which are passed on, do not.
        for place in ["run.json", "findings.jsonl"] {
            let text = fs::read_to_string(out.join(place)).expect("a text file");
            wrong.extend(secrets.iter().filter(|s| text.contains(**s)).map(|s| format!("{name}: {s} in {place}")));
        }
        wrong.extend(secrets.iter().filter(|s| run.stdout.contains(**s)).map(|s| format!("{name}: {s} is printed")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_secret_has_the_same_hmac_in_a_case_and_another_length_is_told() {
    let (temp, out) = scratch();
    let key = common::case_key(temp.path());
    read([".".as_ref(), "--case-key".as_ref(), key.as_os_str()], &out).ends_with(exit::COMPLETE);
    let mut rows =
        table(&out, "credentials").pick(&["secret_hmac", "secret_length", "secret", "protocol", "secret_kind"]);
    rows.retain(|r| r[4] != "challenge-response" && !r[2].is_empty());
    let lengths: BTreeSet<_> = rows.iter().map(|r| (r[0].clone(), r[1].clone())).collect();
    let hmacs: BTreeSet<_> = rows.iter().map(|r| r[0].clone()).collect();
    assert_eq!(lengths.len(), hmacs.len(), "one secret has one length");
    let in_clear: BTreeSet<_> = LOGINS.iter().flat_map(|(_, secrets)| *secrets).collect();
    assert_eq!(hmacs.len(), in_clear.len(), "{rows:?}");
    assert!(rows.iter().all(|r| r[2] == "[blanked]"));
    // wrong-Guess-0 was tried over several protocols: reuse shows.
    let used = |hmac: &str| rows.iter().filter(|r| r[0] == hmac).map(|r| r[3].clone()).collect::<BTreeSet<_>>().len();
    assert!(hmacs.iter().any(|h| used(h) >= 3), "{rows:?}");
}

/// A line of a tab-separated truth table, with `\t`, `\n`, `\r` and `\0` written as escapes.
fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0").replace("\\\\", "\\")
}

/// Words that secrets in old captures are made of, and that any table holds anyway.
fn is_harmless(secret: &str, user: &str) -> bool {
    let lower = secret.to_lowercase();
    let common = [
        "password",
        "anonymous",
        "guest",
        "admin",
        "public",
        "private",
        "login",
        "blanked",
        "secret",
        "server",
        "client",
        "user",
        "default",
        "cisco",
        "12345",
        "123456",
        "root",
        "false",
        "mozilla",
        "ieuser",
        "index",
        "linux",
    ];
    secret.chars().count() < 5
        || secret == user
        || user.contains(secret)
        || secret.chars().all(|c| c.is_ascii_digit())
        || (secret.len() == 12 && secret.chars().all(|c| c.is_ascii_hexdigit())) // a MAC address, which frames hold
        || common.iter().any(|w| w.contains(&lower))
        || secret.contains('@') // what anonymous FTP asks for is a mail address
}

#[test]
fn no_secret_of_further_captures_is_written() {
    let Some(folder) = std::env::var_os("OVERHEAR_CAPTURES").map(PathBuf::from) else {
        return common::skipped("secrets of further captures", "OVERHEAR_CAPTURES is not set");
    };
    let truth = fs::read_to_string(folder.join("truth/credentials.tsv")).expect("the truth table");
    let mut lines = truth.lines();
    let names: Vec<&str> = lines.next().expect("names").split('\t').collect();
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap_or_else(|| panic!("no column {name}"));
    let (capture, user, secret, kind) = (at("capture"), at("user"), at("secret"), at("kind"));
    let mut by_capture: std::collections::BTreeMap<String, BTreeSet<String>> = Default::default();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let text = unescape(cells[secret]);
        if ["cleartext", "base64"].contains(&cells[kind]) && !is_harmless(&text, &unescape(cells[user])) {
            by_capture.entry(cells[capture].to_owned()).or_default().insert(text);
        }
    }
    assert!(by_capture.len() > 20, "the truth table was not understood");
    let mut wrong = Vec::new();
    for (capture, secrets) in &by_capture {
        let (_temp, out) = scratch();
        let capture_path = folder.join(capture);
        let run = read([capture_path.as_os_str(), "--format".as_ref(), "json".as_ref()], &out);
        assert!(run.code.is_some(), "{capture}: {run:?}");
        for secret in secrets {
            wrong.extend(leaks(&out, &run, secret).into_iter().map(|l| format!("{capture}: {l}")));
        }
    }
    eprintln!("{} captures searched", by_capture.len());
    assert!(wrong.is_empty(), "{} leaks:\n{}", wrong.len(), wrong.join("\n"));
}

//! Servers and clients of real software with one weakness each, recorded by `sample-pcaps/record/scenes-crypto.sh`: each
//! weakness is found, on its own port, and nothing else is.

mod common;

use common::{exit, files_below, read, samples_folder, scratch, table};
use std::collections::{BTreeMap, BTreeSet};

/// Rules by the port of the service, and those of the client, which are about no single service.
fn found(capture: &str) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let (_temp, out) = scratch();
    let ran = read([capture], &out);
    assert_eq!(ran.code, Some(exit::COMPLETE), "{}", ran.stderr);
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for row in table(&out, "findings").pick(&["peer_port", "rule_id", "severity"]) {
        found.entry(row[0].clone()).or_default().insert((row[1].clone(), row[2].clone()));
    }
    found
}

/// Holds what was found against what is expected of each port.
fn check(capture: &str, expected: &[(&str, &[(&str, &str)])]) {
    let mut found = found(capture);
    for (port, rules) in expected {
        let want: BTreeSet<_> =
            rules.iter().map(|(rule, severity)| ((*rule).to_owned(), (*severity).to_owned())).collect();
        assert_eq!(found.remove(*port).unwrap_or_default(), want, "{capture}, port {port:?}");
    }
    assert!(found.is_empty(), "{capture}: nothing else is weak, but: {found:?}");
}

#[test]
fn every_weak_way_of_encrypting_is_found_and_nothing_else() {
    check(
        "weak-tls.pcap",
        &[
            ("8001", &[]), // sound, TLS 1.3 and 1.2
            ("8002", &[]), // sound, with a key on P-256
            ("8003", &[("tls-obsolete-version", "medium")]),
            ("8004", &[("tls-obsolete-version", "medium")]),
            (
                // No encryption; nobody authenticated, with a short prime; no forward secrecy.
                "8005",
                &[
                    ("tls-no-forward-secrecy", "low"),
                    ("tls-no-protection", "high"),
                    ("tls-weak-key-exchange", "medium"),
                ],
            ),
            ("8006", &[("tls-weak-key-exchange", "medium")]),
            ("8007", &[("tls-weak-key-exchange", "medium")]),
            ("8008", &[("tls-sha1-signature", "low")]),
            ("8009", &[("tls-weak-cipher", "medium")]),
            ("8010", &[("tls-insecure-renegotiation", "low")]),
            (
                // The client, which was told to offer all this.
                "",
                &[("tls-client-3des", "info"), ("tls-client-weak-ciphers", "low"), ("tls-no-post-quantum", "info")],
            ),
        ],
    );
}

#[test]
fn every_weak_way_of_former_times_is_found_and_nothing_else() {
    check(
        "weak-tls-old.pcap",
        &[
            ("8201", &[("tls-ssl-version", "high")]),
            ("8202", &[("tls-no-forward-secrecy", "low"), ("tls-weak-cipher", "medium")]),
            ("8203", &[("tls-no-protection", "high")]), // nobody authenticated
            ("8204", &[("tls-no-protection", "high")]), // no encryption
            ("8205", &[("tls-compression", "medium")]),
            ("8206", &[("tls-obsolete-version", "medium")]), // DTLS 1.0
            ("8207", &[]),                                   // DTLS 1.2, sound
            ("8208", &[("tls-no-protection", "high")]),      // DTLS 1.2, no encryption
            (
                // The client, which was told to offer all this.
                "",
                &[
                    ("tls-client-compression", "low"),
                    ("tls-client-obsolete-version", "medium"),
                    ("tls-client-weak-ciphers", "low"),
                    ("tls-no-post-quantum", "info"),
                ],
            ),
        ],
    );
}

#[test]
fn every_weak_algorithm_of_ssh_is_found_and_nothing_else() {
    const OLD: (&str, &str) = ("ssh-no-post-quantum", "info");
    check(
        "weak-ssh.pcap",
        &[
            ("2201", &[OLD]),                                    // sound
            ("2202", &[OLD, ("ssh-weak-algorithm", "medium")]),  // diffie-hellman-group1-sha1
            ("2203", &[OLD, ("ssh-weak-algorithm", "medium")]),  // 3des-cbc
            ("2204", &[OLD, ("ssh-outdated-algorithm", "low")]), // hmac-md5
            ("2205", &[OLD, ("ssh-weak-algorithm", "medium")]),  // ssh-dss
            ("2206", &[OLD, ("ssh-weak-algorithm", "medium")]),  // a key of RSA with 1024 bits
            ("2207", &[OLD, ("ssh-outdated-algorithm", "low")]), // ssh-rsa, with SHA-1
            ("2208", &[OLD, ("ssh-weak-algorithm", "medium")]),  // arcfour128
            ("", &[OLD]),
        ],
    );
}

#[test]
fn every_weak_way_to_a_tunnel_is_found_and_nothing_else() {
    // All on one port; the last of the five exchanges is sound.
    check(
        "weak-ike.pcap",
        &[(
            "500",
            &[
                ("ike-aggressive-shared-secret", "medium"),
                ("ike-outdated-algorithm", "low"),
                ("ike-version-1", "low"),
                ("ike-weak-algorithm", "medium"),
            ],
        )],
    );
    let (_temp, out) = scratch();
    assert_eq!(read(["weak-ike.pcap"], &out).code, Some(exit::COMPLETE));
    let chosen = table(&out, "ike").pick(&["chosen", "version", "exchange", "encryption", "groups"]);
    let chosen: Vec<String> = chosen.iter().filter(|r| r[0] == "true").map(|r| r[1..].join(" ")).collect();
    assert_eq!(
        chosen,
        [
            "1 main 3DES modp1024",
            "1 main AES_CBC-128 modp1536",
            "1 aggressive AES_CBC-128 modp2048",
            "2 sa-init 3DES modp1024",
            "2 sa-init AES_GCM_16-256 x25519",
        ]
    );
}

#[test]
fn every_fault_of_a_certificate_is_found_and_nothing_else() {
    check(
        "weak-certificates.pcap",
        &[
            ("8101", &[]), // sound
            ("8102", &[]), // sound, with a key on P-256
            ("8103", &[("certificate-expired", "medium"), ("tls-client-no-validation", "medium")]),
            ("8104", &[("certificate-not-yet-valid", "low")]),
            ("8105", &[("certificate-expires-soon", "low")]),
            ("8106", &[("certificate-self-signed", "low"), ("tls-client-unverified-server", "low")]),
            ("8107", &[("certificate-name-mismatch", "low"), ("tls-client-unverified-server", "low")]),
            ("8108", &[("certificate-sha1-signature", "low")]),
            ("8109", &[("certificate-authority-as-server", "low")]),
            ("8110", &[("certificate-wildcard-on-device", "info")]),
            ("8111", &[("certificate-factory-default", "medium"), ("tls-client-unverified-server", "low")]),
            ("8112", &[("certificate-weak-key", "medium")]),
            ("8113", &[("certificate-weak-key", "medium")]),
            ("8114", &[("certificate-key-shared", "high")]), // on both devices
            ("8115", &[("certificate-shared-prime", "critical")]),
            ("8116", &[("certificate-shared-prime", "critical")]),
            ("8117", &[("certificate-serial-reused", "low")]),
            ("", &[("tls-no-post-quantum", "info")]),
        ],
    );
}

#[test]
fn keys_find_the_logins_within_tls_and_make_no_findings_of_clear_text() {
    let file = samples_folder().join("tls-keys.pcapng");
    let (temp, out) = scratch();
    let ran = read([file.as_os_str(), "--reveal-secrets".as_ref()], &out);
    assert_eq!(ran.code, Some(exit::COMPLETE), "{}", ran.stderr);
    let logins = table(&out, "credentials").pick(&["username", "secret", "success", "decrypted"]);
    assert_eq!(
        logins,
        [
            ["viewer", "wrong-Guess-1.2", "false", "true"],
            ["viewer", "Sample-Cam-3", "true", "true"],
            ["viewer", "wrong-Guess-1.3", "false", "true"],
            ["viewer", "Sample-Cam-3", "true", "true"],
        ]
    );
    let tls = table(&out, "tls").pick(&["version", "certificate_sha256"]);
    assert!(
        tls.iter().any(|r| r[0] == "TLSv1.3" && !r[1].is_empty()),
        "keys show the certificates of TLS 1.3: {tls:?}"
    );
    let flows = table(&out, "flows").pick(&["service", "inner_service"]);
    assert_eq!(flows.iter().filter(|r| r[..] == ["tls", "http"]).count(), 4);
    let rules = table(&out, "findings").column("rule_id");
    assert!(rules.iter().all(|r| r == "tls-no-post-quantum"), "{rules:?}");
    // Neither the keys nor what they open shows without being asked for.
    let out = temp.path().join("blanked");
    assert_eq!(read([&file], &out).code, Some(exit::COMPLETE));
    assert!(
        table(&out, "credentials").column("secret").iter().all(|s| !s.contains("Sample-Cam") && !s.contains("wrong"))
    );
    let content = std::fs::read(&file).unwrap();
    let log = String::from_utf8_lossy(&content);
    let secret = log.split("CLIENT_RANDOM ").nth(1).and_then(|l| l.split_whitespace().nth(1)).unwrap().to_owned();
    assert_eq!(secret.len(), 96);
    for entry in files_below(&out) {
        let bytes = std::fs::read(&entry).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{}", entry.display());
    }
    assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
}

#[test]
fn keys_open_what_datagrams_carry() {
    let file = samples_folder().join("dtls-keys.pcapng");
    let (_temp, out) = scratch();
    assert_eq!(read([&file], &out).code, Some(exit::COMPLETE));
    let asked = table(&out, "controllers").pick(&["resp_port", "service", "action", "object", "decrypted"]);
    let want = |port: &str| [port, "coap", "get", "/door", "true"].map(str::to_owned).to_vec();
    // GCM, CCM with short tags, ChaCha20, CBC, and DTLS 1.0.
    assert_eq!(asked, ["5701", "5702", "5703", "5704", "5705"].map(want));
    let flows = table(&out, "flows").pick(&["service", "inner_service"]);
    assert_eq!(flows.iter().filter(|r| r[..] == ["dtls", "coap"]).count(), 5);
    let rules = table(&out, "findings").column("rule_id");
    assert!(!rules.iter().any(|r| r.starts_with("coap")), "it was not in clear: {rules:?}");
}

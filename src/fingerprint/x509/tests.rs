//! Certificates by OpenSSL (`tests/certificates/make.sh`), built ones, and damaged ones.

use sha2::Sha256;

use super::*;
use crate::proto::testing::grows_evenly;
use builder::{Certificate, extension, rsa, tlv};

const CA: &[u8] = include_bytes!("../../../tests/certificates/ca.der");
const LEAF: &[u8] = include_bytes!("../../../tests/certificates/leaf.der");
const OLD: &[u8] = include_bytes!("../../../tests/certificates/old.der");
const FUTURE: &[u8] = include_bytes!("../../../tests/certificates/future.der");

fn read(der: &[u8]) -> CertificateFacts {
    CertificateFacts::read(der, &Sha256::digest(der).into())
}

#[test]
fn a_server_certificate_as_openssl_shows_it() {
    let c = read(LEAF);
    assert!(!c.malformed && !c.limited);
    assert_eq!(c.sha256, "d542ff13a78d37d2ca61b4bec6985380daf25dc28e9f01a1edfa7fbe88c62a4a");
    assert_eq!(c.sha1, "e790206a9cb0d7edc6a91201a24f80fb566cc4ec");
    assert_eq!((c.length, c.version, c.serial.as_deref()), (703, Some(3), Some("02")));
    assert_eq!(c.subject.as_deref(), Some(r"CN=printer.office.example,O=Sample\, Office+OU=Übung,C=DE"));
    assert_eq!(c.issuer.as_deref(), Some("CN=Sample Office CA,O=Sample Office,C=DE"));
    assert_eq!(c.common_names, ["printer.office.example"]);
    assert_eq!(
        (c.organization.as_deref(), c.issuer_organization.as_deref()),
        (Some("Sample, Office"), Some("Sample Office"))
    );
    // 2026-06-01 and 2027-06-01, at noon.
    assert_eq!((c.not_before, c.not_after), (Some(1_780_315_200), Some(1_811_851_200)));
    assert_eq!(
        c.names.all,
        [
            "printer.office.example",
            "*.Print.example",
            "192.168.7.2",
            "fe80::2",
            "it@office.example",
            "https://office.example/p",
            "registeredID:1.2.3.4",
            "dirName:CN=other",
        ]
    );
    assert_eq!(c.names.hosts, ["printer.office.example", "*.print.example"]);
    let key = c.key.unwrap();
    assert_eq!((key.kind.as_str(), key.curve.as_deref(), key.bits), ("ec", Some("secp256r1"), Some(256)));
    assert_eq!(hex(&key.spki_sha256), "1afd42275447a8ea0d8fdd9f81666316ee101f618a62188e94529594e690a4ed");
    assert_eq!((c.signature_algorithm.as_deref(), c.signature_hash), (Some("ecdsa-with-SHA256"), Some(Hash::Sound)));
    assert_eq!((c.self_issued, c.self_signed, c.is_ca), (Some(false), Some(false), Some(false)));
    assert_eq!(c.key_usage, ["digitalSignature", "keyAgreement"]);
    assert_eq!(c.extended_key_usage, ["serverAuth", "clientAuth", "1.3.6.1.5.2.3.5"]);
    assert!(c.public_signs, "policy 2.23.140.1.2.2");
}

#[test]
fn authorities_and_old_certificates() {
    let c = read(CA);
    assert_eq!((c.self_signed, c.is_ca, c.path_length), (Some(true), Some(true), Some(1)));
    assert_eq!(c.key_usage, ["keyCertSign", "cRLSign"]);
    assert_eq!(read(LEAF).authority_key.as_deref(), Some("66866bf23c525eb4d426c7b1628ffcdf070bf95c"));
    let c = read(OLD);
    assert_eq!((c.version, c.is_ca, c.self_signed, c.malformed), (Some(1), None, Some(true), false));
    assert_eq!((c.not_before, c.not_after), (Some(915_148_800), Some(2_524_607_999)));
    assert_eq!((c.signature_algorithm.as_deref(), c.signature_hash), (Some("md5WithRSAEncryption"), Some(Hash::Md5)));
    let key = c.key.unwrap();
    assert_eq!((key.kind.as_str(), key.bits, key.exponent, key.modulus.len()), ("rsa", Some(1024), Some(65_537), 128));
    assert_eq!(hex(&key.spki_sha256), "6412c029f447e43fcbb67804340e0f1a687ad1213a6499fbd2f7c680cfe0f9bc");
    let c = read(FUTURE);
    assert_eq!((c.subject.as_deref(), c.common_names.len()), (Some(""), 0));
    assert_eq!(c.not_after, Some(253_402_300_799));
    assert_eq!(c.key.unwrap().kind, "ed25519");
}

#[test]
fn a_self_issued_certificate_with_another_key_is_not_self_signed() {
    let id = |oid: u8, content: &[u8]| extension(&[0x55, 0x1d, oid], content);
    let with = |own: &[u8], issuers: &[u8]| {
        let mut c = Certificate::self_signed("a");
        c.extensions = vec![id(14, &tlv(4, own)), id(35, &tlv(0x30, &tlv(0x80, issuers)))];
        read(&c.der())
    };
    assert_eq!(with(&[1, 2], &[1, 2]).self_signed, Some(true));
    let other = with(&[1, 2], &[3, 4]);
    assert_eq!(
        (other.self_issued, other.self_signed, other.authority_key.as_deref()),
        (Some(true), Some(false), Some("0304"))
    );
}

#[test]
fn a_damaged_piece_costs_its_own_facts() {
    let whole = Certificate::new("a.example");
    assert!(!read(&whole.der()).malformed);
    let check = |change: &dyn Fn(&mut Certificate)| {
        let mut c = whole.clone();
        change(&mut c);
        let facts = read(&c.der());
        assert!(facts.malformed);
        facts
    };
    let c = check(&|c| c.times = [(23, b"261301000000Z".to_vec()), (24, b"00000101000000Z".to_vec())]);
    assert_eq!((c.not_before, c.not_after, c.subject.as_deref()), (None, None, Some("CN=a.example")));
    let c = check(&|c| c.times[0] = (12, b"260601120000Z".to_vec()));
    assert_eq!((c.not_before, c.not_after), (None, Some(1_811_851_200)));
    let c = check(&|c| c.key = tlv(0x30, &[5, 0]));
    assert_eq!((c.key, c.names.hosts), (None, vec!["a.example".to_owned()]));
    let c = check(&|c| c.subject = tlv(0x30, &tlv(0x31, &[0x30, 0])));
    assert_eq!(
        (c.subject.as_deref(), c.issuer.as_deref()),
        (Some("#300431023000"), Some("CN=Sample CA,O=Sample Office"))
    );
    let c = check(&|c| c.version = Some(9));
    assert_eq!((c.version, c.serial.as_deref()), (None, Some("01")));
    let c = check(&|c| c.extensions = vec![extension(&[0x55, 0x1d, 17], &[0xff]), builder::authority()]);
    assert_eq!((c.is_ca, c.names.all.len()), (Some(true), 0));
    let c = check(&|c| c.extensions = vec![vec![0x30, 0x7f], builder::authority()]);
    assert_eq!((c.is_ca, c.subject.as_deref()), (Some(false), Some("CN=a.example")));
    let behind = [whole.der(), vec![0]].concat();
    assert!(read(&behind).malformed && read(&behind).subject.is_some());
}

#[test]
fn numbers_of_any_size() {
    let serial = |bytes: &[u8]| read(&Certificate { serial: bytes.to_vec(), ..Certificate::new("a") }.der()).serial;
    assert_eq!(serial(&[0, 0xc0, 0xff, 0xee]).as_deref(), Some("c0ffee"));
    assert_eq!(serial(&[0]).as_deref(), Some("00"));
    assert_eq!(serial(&[0xfb]).as_deref(), Some("fb"));
    assert_eq!(serial(&[7; 5000]).unwrap().len(), 2 * limits::CERTIFICATE_SERIAL_BYTES_MAX);
    let key =
        |modulus: &[u8]| read(&Certificate { key: rsa(modulus), ..Certificate::new("a") }.der()).key.unwrap().bits;
    assert_eq!(key(&builder::modulus(1, 256)), Some(2048));
    assert_eq!(key(&[3]), Some(2));
    assert_eq!(key(&builder::modulus(1, 10_000)), Some(80_000));
}

#[test]
fn many_names_are_bounded() {
    let names: Vec<String> = (0..1000).map(|n| format!("host-{n}.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let c = read(&Certificate { extensions: vec![builder::hosts(&names)], ..Certificate::new("a") }.der());
    assert!(!c.malformed && !c.limited);
    assert_eq!((c.names.all.len(), c.names.hosts[999].as_str()), (1000, "host-999.example"));
    assert_eq!(hosts::covers(&c, "HOST-999.example"), Some(true));
    let twice = vec![builder::hosts(&names), builder::hosts(&names)];
    let c = read(&Certificate { extensions: twice, ..Certificate::new("a") }.der());
    assert!(c.limited && c.names.all.len() == limits::CERTIFICATE_ALT_NAMES_MAX);
    assert_eq!(hosts::covers(&c, "elsewhere.example"), None, "names were left out");
    let many = vec![builder::authority(); limits::CERTIFICATE_EXTENSIONS_MAX + 1];
    assert!(read(&Certificate { extensions: many, ..Certificate::new("a") }.der()).limited);
}

#[test]
fn twice_the_names_take_twice_the_time() {
    let make = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("h{n:05}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Certificate { extensions: vec![builder::hosts(&names)], ..Certificate::new("a") }.der()
    };
    let work = |der: &Vec<u8>| (0..4).for_each(|_| drop(read(der)));
    grows_evenly("names that are kept", 500, make, work);
    grows_evenly("names beyond", 8000, make, work);
    let asked = |der: &Vec<u8>| {
        let c = read(der);
        (0..100).for_each(|n| assert_ne!(hosts::covers(&c, &format!("x{n}.example")), Some(true)));
    };
    grows_evenly("names that are compared", 500, make, asked);
}

#[test]
fn every_cut_and_every_changed_byte_is_survived() {
    for whole in [CA, LEAF, OLD, FUTURE] {
        for end in 0..whole.len() {
            let c = read(&whole[..end]);
            assert!(c.malformed, "{end}");
            assert_eq!((c.length, c.subject), (end, None));
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xa0, 0xff] {
                let mut bytes = whole.to_vec();
                bytes[at] = value;
                let c = read(&bytes);
                assert!(c.size() < 64 << 10, "{at} {value}");
            }
        }
    }
}

#[test]
fn lengths_and_nesting_without_end() {
    for head in [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 0x88, 0xff, 0, 0, 0, 0, 0, 0, 0], &[0x30, 0x80]] {
        let bytes = [head, &LEAF[4..]].concat();
        assert!(read(&bytes).malformed);
    }
    let mut deep = vec![5, 0];
    for tag in [0x30, 0x31, 0xa0, 0xa3].iter().cycle().take(5000) {
        deep = tlv(*tag, &deep);
    }
    assert!(read(&deep).malformed);
    // Deep inside of names, of an extension and of the key.
    let mut c = Certificate::new("a");
    c.subject = deep.clone();
    assert!(read(&c.der()).malformed);
    let mut c = Certificate::new("a");
    c.extensions = (1..40).map(|oid| extension(&[0x55, 0x1d, oid], &deep)).collect();
    assert!(read(&c.der()).malformed);
    let mut c = Certificate::new("a");
    c.key = deep;
    assert!(read(&c.der()).malformed);
}

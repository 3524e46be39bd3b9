//! Each rule where it speaks, and where something much like it keeps it silent.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::*;
use crate::base::{Addr, Mac};
use crate::detect::Sighting;
use crate::fingerprint::x509::builder::{self, Certificate, modulus, rsa};
use crate::policy::HomeNet;
use crate::proto::api::{LimitCount, Transport};
use crate::proto::tls::{Alert, ClientFacts, ServerFacts};

const INSIDE: Addr = Addr::v4([192, 168, 7, 2]);
const OUTSIDE: Addr = Addr::v4([203, 0, 113, 2]);
const CLIENT: Addr = Addr::v4([192, 168, 7, 9]);
/// 2026-07-01.
const NOW: i64 = 1_782_864_000;

struct Case {
    chain: Vec<Certificate>,
    client: Option<Certificate>,
    server: Addr,
    asked: Option<&'static str>,
    established: Option<bool>,
    version: u16,
    alert: Option<u8>,
    udp: bool,
    now: i64,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            chain: vec![Certificate::new("a.example")],
            client: None,
            server: INSIDE,
            asked: Some("a.example"),
            established: None,
            version: 0x0303,
            alert: None,
            udp: false,
            now: NOW,
        }
    }
}

fn known(c: &Certificate) -> Arc<Known> {
    let der = c.der();
    Arc::new(Known::read(&der, &Sha256::digest(&der).into()))
}

fn sightings(case: &Case) -> Vec<Sighting> {
    let flow = FlowView {
        flow_id: 5,
        capture: 0,
        orig_ip: CLIENT,
        orig_port: 40_000,
        resp_ip: case.server,
        resp_port: 443,
        orig_mac: Mac::ZERO,
        resp_mac: Mac::ZERO,
        transport: if case.udp { Transport::Udp } else { Transport::Tcp },
        from_start: true,
    };
    let limited = LimitCount::default();
    let cx = Cx { ts: Timestamp::from_parts(case.now, 0), packet: 7, flow: &flow, limited: &limited };
    let mut h = Handshake::new(cx.ts, 7, "tcp", Direction::Orig);
    h.client = Some(ClientFacts { server_name: case.asked.map(|n| n.into()), ..ClientFacts::default() });
    h.server = Some(ServerFacts { version: case.version, ..ServerFacts::default() });
    h.established = case.established;
    h.alerts.extend(case.alert.map(|description| Alert { sender: Direction::Orig, level: 1, description }));
    let chain: Vec<_> = case.chain.iter().map(known).collect();
    let mut out = Vec::new();
    judge(&HomeNet::default(), &cx, &h, &chain, case.client.as_ref().map(known).as_ref(), &mut out);
    for s in &out {
        let rule = crate::signature::RuleSet::builtin().get(s.rule).expect("a rule");
        assert_eq!(rule.category, crate::signature::Category::Certificate);
        assert!(!s.evidence.contains('\n') && s.evidence.len() < 500, "{}", s.evidence);
    }
    out
}

/// Rules that speak.
fn rules(case: &Case) -> Vec<&'static str> {
    sightings(case).iter().map(|s| s.rule).collect()
}

fn with(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::default();
    change(&mut case);
    case
}

fn leaf(change: impl FnOnce(&mut Certificate)) -> Case {
    with(|c| change(&mut c.chain[0]))
}

#[test]
fn a_good_certificate_says_nothing() {
    assert!(rules(&Case::default()).is_empty());
    assert!(rules(&with(|c| c.established = Some(true))).is_empty());
    let root = Certificate { extensions: vec![builder::authority()], ..Certificate::self_signed("Sample CA") };
    assert!(rules(&with(|c| c.chain.push(root))).is_empty(), "a root in the chain is self-signed by nature");
}

#[test]
fn times_are_judged_when_the_packet_came() {
    for (now, rule) in [
        // 2027-06-01 at noon is the last moment.
        (1_811_851_200, Some("certificate-expires-soon")),
        (1_811_851_201, Some("certificate-expired")),
        (1_811_851_200 - 29 * 86_400, Some("certificate-expires-soon")),
        (1_811_851_200 - 31 * 86_400, None),
        // 2026-06-01 at noon is the first; a day is allowed.
        (1_780_315_200 - 86_000, None),
        (1_780_315_200 - 90_000, Some("certificate-not-yet-valid")),
        // A clock that was never set.
        (100, None),
    ] {
        assert_eq!(rules(&with(|c| c.now = now)), Vec::from_iter(rule), "{now}");
    }
    let short = |last: &str| leaf(|c| *c = c.clone().valid("260625000000Z", last));
    assert!(rules(&short("260709000000Z")).is_empty(), "renewed late by design");
    assert_eq!(rules(&short("260702000000Z")), ["certificate-expires-soon"]);
    assert!(
        rules(&Case { server: OUTSIDE, ..short("260702000000Z") }).iter().all(|r| *r != "certificate-expires-soon")
    );
    let evidence = &sightings(&with(|c| c.now = 1_811_851_200 + 3 * 86_400))[0].evidence;
    assert_eq!(evidence, "CN=a.example expired on 2027-06-01, 3 days before");
}

#[test]
fn a_finding_is_about_the_server_inside_or_the_client_that_relies_on_one_outside() {
    let own = |server, established| {
        sightings(&with(|c| {
            (c.chain, c.server, c.established) = (vec![Certificate::self_signed("a.example")], server, established);
        }))
    };
    let inside = own(INSIDE, None);
    assert_eq!((inside[0].rule, inside[0].device.ip, inside[0].peer), ("certificate-self-signed", INSIDE, None));
    assert_eq!(inside[0].evidence, "CN=a.example issued itself, valid from 2026-06-01");
    let outside = own(OUTSIDE, None);
    assert_eq!((outside.len(), outside[0].rule, outside[0].device.ip), (1, "certificate-self-signed", CLIENT));
    assert_eq!(outside[0].peer_name.as_deref(), Some("a.example"));
    let went_on = own(OUTSIDE, Some(true));
    assert_eq!((went_on.len(), went_on[0].rule), (1, "tls-client-unverified-server"));
    let both: Vec<_> = own(INSIDE, Some(true)).iter().map(|s| (s.rule, s.device.ip)).collect();
    assert_eq!(both, [("tls-client-unverified-server", CLIENT), ("certificate-self-signed", INSIDE)]);
}

#[test]
fn a_client_that_goes_on_does_not_check() {
    let expired = |change: fn(&mut Case)| {
        let mut case = with(|c| (c.now, c.established) = (1_811_851_200 + 8 * 86_400, Some(true)));
        change(&mut case);
        rules(&case)
    };
    assert_eq!(expired(|_| ()), ["tls-client-no-validation", "certificate-expired"]);
    assert_eq!(expired(|c| c.established = None), ["certificate-expired"]);
    assert_eq!(expired(|c| c.established = Some(false)), ["certificate-expired"]);
    assert_eq!(expired(|c| c.version = 0x0304), ["certificate-expired"]);
    assert_eq!(expired(|c| c.alert = Some(45)), ["certificate-expired"], "it said that it is expired");
    assert_eq!(expired(|c| c.alert = Some(0)), ["tls-client-no-validation", "certificate-expired"]);
    assert_eq!(expired(|c| c.now -= 2 * 86_400), ["certificate-expired"], "too near to tell");
    assert_eq!(expired(|c| c.server = OUTSIDE), ["tls-client-no-validation"]);
}

#[test]
fn names_are_held_against_what_was_asked_for() {
    let asked = |name| with(|c| c.asked = name);
    assert_eq!(rules(&asked(Some("b.example"))), ["certificate-name-mismatch"]);
    assert_eq!(
        sightings(&asked(Some("b.example")))[0].evidence,
        "asked for b.example, got a certificate for a.example"
    );
    for name in [None, Some(""), Some("A.Example."), Some("a.example")] {
        assert!(rules(&asked(name)).is_empty(), "{name:?}");
    }
    assert!(rules(&Case { established: Some(false), ..asked(Some("b.example")) }).is_empty(), "it was refused");
    let own = Case { chain: vec![Certificate::self_signed("a.example")], ..asked(Some("b.example")) };
    assert_eq!(rules(&own), ["certificate-self-signed"], "that says enough");
    let outside = Case { server: OUTSIDE, established: Some(true), ..asked(Some("b.example")) };
    assert_eq!(rules(&outside), ["tls-client-unverified-server"]);
}

#[test]
fn keys_and_signatures_that_no_longer_protect() {
    let key = |bytes: usize| leaf(|c| c.key = rsa(&modulus(9, bytes)));
    for (bytes, rule) in [
        (64, Some("certificate-broken-key")),
        (127, Some("certificate-broken-key")),
        (128, Some("certificate-weak-key")),
        (255, Some("certificate-weak-key")),
        (256, None),
    ] {
        assert_eq!(rules(&key(bytes)), Vec::from_iter(rule), "{bytes}");
    }
    assert_eq!(sightings(&key(128))[0].evidence, "CN=a.example: rsa key of 1024 bits");
    assert_eq!(rules(&Case { udp: true, ..key(128) }), ["certificate-weak-key"]);
    let signed = |signature| leaf(|c| c.signature = signature);
    assert_eq!(rules(&signed(builder::MD5_RSA)), ["certificate-broken-signature"]);
    assert_eq!(rules(&signed(builder::SHA1_RSA)), ["certificate-sha1-signature"]);
    let own = Certificate { signature: builder::MD5_RSA, ..Certificate::self_signed("a.example") };
    assert_eq!(rules(&with(|c| c.chain = vec![own])), ["certificate-self-signed"], "its signature says nothing");
    // The one that vouches for it counts, those further up do not.
    let above = Certificate {
        subject: builder::name("Sample CA", "Sample Office"),
        issuer: builder::name("Root", ""),
        signature: builder::SHA1_RSA,
        ..Certificate::new("Sample CA")
    };
    let other = Certificate { subject: builder::name("Other CA", ""), ..above.clone() };
    assert_eq!(rules(&with(|c| c.chain.push(above))), ["certificate-sha1-signature"]);
    assert!(rules(&with(|c| c.chain.push(other))).is_empty());
}

#[test]
fn what_public_authorities_may_give() {
    let valid = |first: &str, last: &str, public: bool| {
        rules(&leaf(|c| {
            *c = c.clone().valid(first, last);
            c.extensions.extend(public.then(builder::public_policy));
        }))
    };
    let long = ["certificate-valid-too-long"];
    assert_eq!(valid("260401000000Z", "270401000000Z", true), long, "365 days, where 200 may be");
    assert!(valid("260401000000Z", "270401000000Z", false).is_empty(), "a private authority gives what it likes");
    assert!(valid("260401000000Z", "261018000000Z", true).is_empty(), "200 days");
    assert!(valid("260301000000Z", "270403000000Z", true).is_empty(), "398 days, issued before");
    assert_eq!(valid("250801000000Z", "261001000000Z", true), long);
    assert!(valid("170801000000Z", "270901000000Z", true).is_empty(), "before the limits");
}

#[test]
fn certificates_that_do_not_belong_on_a_device() {
    let authority = leaf(|c| c.extensions.push(builder::authority()));
    assert_eq!(rules(&authority), ["certificate-authority-as-server"]);
    let own = with(|c| {
        c.chain[0] = Certificate::self_signed("a.example");
        c.chain[0].extensions.push(builder::authority());
    });
    assert_eq!(rules(&own), ["certificate-self-signed"], "common tools mark all of them so");
    let star = leaf(|c| c.extensions = vec![builder::hosts(&["*.example", "*.a.example", "a.example"])]);
    assert_eq!(rules(&star), ["certificate-wildcard-on-device"]);
    assert!(!rules(&Case { server: OUTSIDE, ..star }).contains(&"certificate-wildcard-on-device"));
    let delivered = with(|c| {
        c.chain[0] = Certificate::self_signed("axis-00408c123456");
        c.chain[0].subject = builder::name("axis-00408c123456", "Axis Communications AB");
        c.chain[0].issuer = c.chain[0].subject.clone();
    });
    assert_eq!(rules(&delivered), ["certificate-factory-default"]);
    let seen = sightings(&delivered);
    assert_eq!(
        seen[0].evidence,
        "CN=axis-00408c123456,O=Axis Communications AB: the certificate that comes with the device (Axis camera)"
    );
    assert_eq!(rules(&Case { server: OUTSIDE, ..delivered }), ["certificate-self-signed"]);
}

#[test]
fn private_authorities_outside() {
    let outside = |case: Case| rules(&Case { server: OUTSIDE, ..case });
    assert_eq!(outside(Case::default()), ["certificate-private-authority"]);
    assert!(
        outside(leaf(|c| {
            *c = c.clone().valid("260601120000Z", "261130000000Z");
            c.extensions.push(builder::public_policy());
        }))
        .is_empty()
    );
    assert!(outside(leaf(|c| c.issuer = builder::name("R3", "Let's Encrypt"))).is_empty());
    let above = Certificate { issuer: builder::name("Root", "DigiCert Inc"), ..Certificate::new("Sample CA") };
    assert!(outside(with(|c| c.chain.push(above))).is_empty());
}

#[test]
fn clients_have_certificates_too() {
    let client = |change: &dyn Fn(&mut Certificate)| {
        let mut own = Certificate::self_signed("phone");
        change(&mut own);
        sightings(&with(|c| c.client = Some(own)))
    };
    assert!(client(&|_| ()).is_empty(), "who is asked for one may sign it itself");
    let weak = client(&|c| c.key = rsa(&modulus(1, 128)));
    assert_eq!((weak[0].rule, weak[0].device.ip, weak[0].peer.unwrap().ip), ("certificate-weak-key", CLIENT, INSIDE));
    let expired = client(&|c| *c = c.clone().valid("200101000000Z", "210101000000Z"));
    assert_eq!((expired[0].rule, expired[0].device.ip), ("certificate-expired", CLIENT));
}

#[test]
fn calls_sign_their_own() {
    assert!(rules(&with(|c| (c.chain[0], c.udp) = (Certificate::self_signed("WebRTC"), true))).is_empty());
    assert_eq!(rules(&with(|c| (c.now, c.udp) = (1_811_851_201, true))), ["certificate-expired"]);
}

#[test]
fn what_cannot_be_read_has_a_row_and_no_judgement() {
    let known = Known::read(b"no certificate", &[7; 32]);
    let mut rows = RowBuffer::default();
    let flow = FlowView {
        flow_id: 1,
        capture: 0,
        orig_ip: CLIENT,
        orig_port: 1,
        resp_ip: INSIDE,
        resp_port: 443,
        orig_mac: Mac::ZERO,
        resp_mac: Mac::ZERO,
        transport: Transport::Tcp,
        from_start: true,
    };
    let limited = LimitCount::default();
    let cx = Cx { ts: Timestamp(0), packet: 1, flow: &flow, limited: &limited };
    write(&mut rows, &cx, Direction::Resp, true, 0, &known);
    write(&mut rows, &cx, Direction::Resp, true, 1, &self::known(&Certificate::new("a")));
    for row in rows.index() {
        let mut reader = rows.values(row);
        for _ in CERTIFICATES.all_columns() {
            if let Some(crate::record::Value::List(n)) = reader.next_value() {
                assert!((0..n).all(|_| reader.next_value().is_some()));
            }
        }
    }
    let mut h = Handshake::new(Timestamp::from_parts(NOW, 0), 1, "tcp", Direction::Orig);
    h.established = Some(true);
    h.server = Some(ServerFacts { version: 0x0303, ..ServerFacts::default() });
    let mut out = Vec::new();
    judge(&HomeNet::default(), &cx, &h, &[Arc::new(known)], None, &mut out);
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn what_hides_a_certificate() {
    let with = |version, resumed, certificates| {
        let mut h = Handshake::new(Timestamp(0), 1, "tcp", Direction::Orig);
        h.server = Some(ServerFacts { version, ..ServerFacts::default() });
        (h.resumed, h.server_certificates) = (resumed, certificates);
        hidden(&h)
    };
    assert_eq!(with(0x0304, Some(true), 0), Some(Hidden::Encrypted));
    assert_eq!(with(0x0303, Some(true), 0), Some(Hidden::Resumed));
    assert_eq!(with(0x0303, None, 0), Some(Hidden::Missed));
    assert_eq!(with(0x0303, Some(false), 2), Some(Hidden::Not));
    assert_eq!(hidden(&Handshake::new(Timestamp(0), 1, "tcp", Direction::Orig)), None);
}

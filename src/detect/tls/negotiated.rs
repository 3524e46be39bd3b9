//! What both sides agreed on.

use super::{Scope, Weakness, age, obsolete_version};
use crate::fingerprint::registry;
use crate::fingerprint::suites::{Flaw, GroupFlaw, Suite, group_flaw};
use crate::proto::tls::{Handshake, ServerFacts};

/// Bits below which a Diffie-Hellman group is weak (RFC 9325, section 4.5).
const DH_BITS_MIN: u32 = 2048;
/// Bits up to which whoever wants to can break one (Logjam: Adrian and others, 2015, section 3).
const DH_BITS_BROKEN: u32 = 768;

/// What was said of the connection already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// That its version is obsolete.
    pub version: bool,
    /// That its cipher is weak.
    pub cipher: bool,
}

/// Judges what the server chose, if it came to a connection: a handshake that was refused protects
/// nothing and exposes nothing.
pub fn judge(h: &Handshake, push: &mut dyn FnMut(Weakness)) -> Told {
    let mut told = Told::default();
    let Some(server) = h.server.as_ref().filter(|s| !s.retry && h.established != Some(false)) else { return told };
    if let Some(name) = obsolete_version(server.version) {
        told.version = true;
        let rule = if age(server.version) < age(0x0301) { "tls-ssl-version" } else { "tls-obsolete-version" };
        let evidence = format!("server chose {name} (0x{:04x}){}", server.version, beside(h, server.version));
        push(Weakness::new(rule, Scope::Connection, evidence).with_detail(name));
    }
    let suite = cipher(h, server, push, &mut told);
    key_exchange(h, server, suite, push);
    rest(h, server, push);
    told
}

/// What the client offered beside an obsolete version that was chosen.
fn beside(h: &Handshake, chosen: u16) -> String {
    let Some(client) = &h.client else { return String::new() };
    match (age(client.highest_version), age(chosen)) {
        (Some(best), Some(chosen)) if best > chosen => {
            format!(", though the client offers {}", registry::version_name(client.highest_version))
        }
        (Some(_), Some(_)) => String::from(", and the client offers nothing newer"),
        _ => String::new(),
    }
}

fn cipher(h: &Handshake, server: &ServerFacts, push: &mut dyn FnMut(Weakness), told: &mut Told) -> Suite {
    let Some(name) = h.cipher_name() else { return Suite::default() };
    let suite = server.suite().map_or_else(|| Suite::of_name(&name), Suite::of);
    let Some(flaw) = suite.flaw() else { return suite };
    told.cipher = true;
    let rule = match flaw {
        Flaw::NoEncryption | Flaw::NoAuthentication => "tls-no-protection",
        Flaw::Export | Flaw::Des => "tls-broken-cipher",
        Flaw::Rc2 | Flaw::Rc4 | Flaw::Idea | Flaw::Md5 | Flaw::TripleDes => "tls-weak-cipher",
    };
    let number = server.cipher.unwrap_or_default();
    let evidence = format!("server chose {name} (0x{number:04x}): {}", flaw.words());
    push(Weakness::new(rule, Scope::Connection, evidence).with_detail(name));
    suite
}

fn key_exchange(h: &Handshake, server: &ServerFacts, suite: Suite, push: &mut dyn FnMut(Weakness)) {
    if let Some(bits) = h.dh_bits
        && (1..DH_BITS_MIN).contains(&bits)
    {
        let rule = if bits <= DH_BITS_BROKEN { "tls-broken-cipher" } else { "tls-weak-key-exchange" };
        let evidence = format!("server's Diffie-Hellman prime has {bits} bits");
        push(Weakness::new(rule, Scope::Connection, evidence).with_detail(format!("DH {bits}")));
    }
    let curve = h.group.and_then(|group| Some((group_flaw(group)?, registry::group_name(group))));
    if let Some((GroupFlaw::Short, name)) = &curve {
        let evidence = format!("server chose the curve {name}, of fewer than 224 bits");
        push(Weakness::new("tls-weak-key-exchange", Scope::Connection, evidence).with_detail(name.clone()));
    }
    let name = h.cipher_name().unwrap_or_default();
    // Of what is broken anyway it need not be said.
    let sound = age(server.version) >= age(0x0301)
        && !matches!(suite.flaw(), Some(Flaw::NoEncryption | Flaw::NoAuthentication | Flaw::Export));
    // A pre-shared key of TLS 1.3 without a key share (RFC 8446, section 4.2.9: psk_ke).
    let key_only = h.is_tls13() && server.resumes && h.group.is_none() && server.ja3s.is_some();
    if suite.lacks_forward_secrecy() && sound {
        let evidence = format!("server chose {name}: {}", lasting_secret(&name));
        push(Weakness::new("tls-no-forward-secrecy", Scope::Service, evidence));
    } else if key_only {
        let evidence = String::from("server chose a pre-shared key without a new key exchange (psk_ke)");
        push(Weakness::new("tls-no-forward-secrecy", Scope::Service, evidence));
    }
    // With an older version that is what is wrong, and without forward secrecy the remedy is the same.
    if age(server.version) != age(0x0303) || suite.flaw().is_some() || suite.lacks_forward_secrecy() {
        return;
    }
    let why = match curve {
        _ if suite.is_seed() => String::from("SEED"),
        _ if suite.is_cbc() && !server.encrypt_then_mac => String::from("CBC mode, encrypted after authentication"),
        Some((GroupFlaw::Withdrawn, curve)) => format!("the withdrawn curve {curve}"),
        _ => return,
    };
    push(Weakness::new("tls-outdated-cipher", Scope::Service, format!("server chose {name}: {why}")));
}

/// On what a key exchange without forward secrecy rests, by the name of the suite.
fn lasting_secret(name: &str) -> &'static str {
    if name.starts_with("TLS_PSK_") {
        "the keys follow from a pre-shared key"
    } else if name.starts_with("TLS_KRB5_") {
        "the keys follow from a Kerberos ticket"
    } else if name.starts_with("TLS_DH_") || name.starts_with("TLS_ECDH_") {
        "the server's Diffie-Hellman key is always the same"
    } else {
        "the keys are encrypted with the server's RSA key"
    }
}

fn rest(h: &Handshake, server: &ServerFacts, push: &mut dyn FnMut(Weakness)) {
    let old = age(server.version) >= age(0x0300) && !h.is_tls13();
    if old && server.compression != 0 {
        let name = registry::compression_name(server.compression);
        let evidence = format!("server chose the compression {name}");
        push(Weakness::new("tls-compression", Scope::Connection, evidence));
    }
    let asked = h.client.as_ref().is_some_and(|c| c.secure_renegotiation);
    if old && asked && server.secure_renegotiation == Some(false) {
        let evidence = String::from("client sent renegotiation_info, and the server's hello has none");
        push(Weakness::new("tls-insecure-renegotiation", Scope::Service, evidence));
    }
    // TLS 1.2 names the hash in the first byte (RFC 5246, section 7.4.1.4.1).
    let rule = match h.signature_scheme.map(|scheme| scheme >> 8) {
        Some(1) => Some("tls-md5-signature"),
        Some(2) => Some("tls-sha1-signature"),
        _ => None,
    };
    if let Some(rule) = rule {
        let name = registry::signature_name(h.signature_scheme.unwrap_or_default());
        let scope = if rule == "tls-md5-signature" { Scope::Connection } else { Scope::Service };
        push(Weakness::new(rule, scope, format!("server signed its key exchange with {name}")));
    }
    if server.heartbeat {
        let evidence = String::from("server agreed to heartbeats");
        push(Weakness::new("tls-heartbeat", Scope::Service, evidence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::Direction;
    use crate::proto::tls::ClientFacts;

    fn agreed(version: u16, cipher: u16) -> Handshake {
        let mut h = Handshake::new(Timestamp(1), 1, "tcp", Direction::Orig);
        h.client = Some(ClientFacts { highest_version: 0x0304, secure_renegotiation: true, ..ClientFacts::default() });
        h.server = Some(ServerFacts {
            version,
            cipher: Some(u32::from(cipher)),
            secure_renegotiation: Some(true),
            ja3s: Some(String::new()),
            ..ServerFacts::default()
        });
        h.group = Some(29);
        h
    }

    fn found(h: &Handshake) -> Vec<Weakness> {
        let mut out = Vec::new();
        judge(h, &mut |w| out.push(w));
        out
    }

    fn rules(h: &Handshake) -> Vec<&'static str> {
        found(h).iter().map(|w| w.rule).collect()
    }

    #[test]
    fn weak_versions_and_ciphers_are_found() {
        for (version, cipher, want) in [
            (0x0301, 0xc013, &["tls-obsolete-version"][..]),
            (0x0302, 0xc013, &["tls-obsolete-version"]),
            (0x0301, 0x002f, &["tls-obsolete-version", "tls-no-forward-secrecy"]),
            (0xfeff, 0xc013, &["tls-obsolete-version"]),
            (0x0300, 0x0005, &["tls-ssl-version", "tls-weak-cipher"]),
            (0x0303, 0x000a, &["tls-weak-cipher", "tls-no-forward-secrecy"]),
            (0x0303, 0xc012, &["tls-weak-cipher"]),
            (0x0303, 0x0009, &["tls-broken-cipher", "tls-no-forward-secrecy"]),
            (0x0303, 0x0008, &["tls-broken-cipher"]),
            (0x0303, 0x0014, &["tls-broken-cipher"]),
            (0x0303, 0x0064, &["tls-broken-cipher"]),
            (0x0303, 0x0006, &["tls-broken-cipher"]),
            (0x0303, 0x0007, &["tls-weak-cipher", "tls-no-forward-secrecy"]),
            (0x0303, 0x0020, &["tls-weak-cipher", "tls-no-forward-secrecy"]),
            (0x0303, 0x003b, &["tls-no-protection"]),
            (0x0303, 0x0000, &["tls-no-protection"]),
            (0x0303, 0x006c, &["tls-no-protection"]),
            (0x0303, 0xc018, &["tls-no-protection"]),
            (0x0304, 0xc0b4, &["tls-no-protection"]),
            (0x0303, 0x009c, &["tls-no-forward-secrecy"]),
            (0x0303, 0x0035, &["tls-no-forward-secrecy"]),
            (0xfefd, 0x00a8, &["tls-no-forward-secrecy"]),
            (0x0303, 0xc004, &["tls-no-forward-secrecy"]),
            (0x0303, 0xc013, &["tls-outdated-cipher"]),
            (0x0303, 0x009a, &["tls-outdated-cipher"]),
        ] {
            assert_eq!(rules(&agreed(version, cipher)), want, "{version:04x} {cipher:04x}");
        }
        let old = found(&agreed(0x0301, 0xc013));
        assert_eq!(old[0].evidence, "server chose TLSv1.0 (0x0301), though the client offers TLSv1.3");
        assert_eq!(
            found(&agreed(0x0303, 0x0035))[0].evidence.rsplit(": ").next(),
            Some("the keys are encrypted with the server's RSA key")
        );
    }

    #[test]
    fn ssl_2_is_judged_by_its_own_names() {
        let mut h = agreed(0x0002, 0);
        for (kind, rule) in
            [(0x01_0080, "tls-weak-cipher"), (0x02_0080, "tls-broken-cipher"), (0x06_0040, "tls-broken-cipher")]
        {
            h.server.as_mut().unwrap().cipher = Some(kind);
            assert_eq!(rules(&h), ["tls-ssl-version", rule]);
        }
        h.server.as_mut().unwrap().cipher = None;
        assert_eq!(rules(&h), ["tls-ssl-version"], "the client's choice was not seen");
    }

    #[test]
    fn weak_parts_of_a_sound_suite() {
        type Change = fn(&mut Handshake);
        let cases: [(Change, &[&str]); 16] = [
            (|h| h.dh_bits = Some(1024), &["tls-weak-key-exchange"]),
            (|h| h.dh_bits = Some(512), &["tls-broken-cipher"]),
            (|h| h.dh_bits = Some(2048), &[]),
            (|h| h.dh_bits = Some(0), &[]),
            (|h| h.group = Some(19), &["tls-weak-key-exchange"]),
            (|h| h.group = Some(14), &["tls-outdated-cipher"]),
            (|h| h.group = Some(27), &[]),
            (|h| h.signature_scheme = Some(0x0101), &["tls-md5-signature"]),
            (|h| h.signature_scheme = Some(0x0201), &["tls-sha1-signature"]),
            (|h| h.signature_scheme = Some(0x0804), &[]),
            (|h| h.server.as_mut().unwrap().compression = 1, &["tls-compression"]),
            (|h| h.server.as_mut().unwrap().heartbeat = true, &["tls-heartbeat"]),
            (|h| h.server.as_mut().unwrap().secure_renegotiation = Some(false), &["tls-insecure-renegotiation"]),
            (|h| h.server.as_mut().unwrap().secure_renegotiation = None, &[]),
            (
                |h| {
                    h.server.as_mut().unwrap().secure_renegotiation = Some(false);
                    h.client.as_mut().unwrap().secure_renegotiation = false;
                },
                &[],
            ),
            (
                |h| {
                    let server = h.server.as_mut().unwrap();
                    (server.cipher, server.encrypt_then_mac) = (Some(0xc013), true);
                },
                &[],
            ),
        ];
        for (i, (change, want)) in cases.into_iter().enumerate() {
            let mut h = agreed(0x0303, 0xc02f);
            change(&mut h);
            assert_eq!(rules(&h), want, "case {i}");
        }
    }

    #[test]
    fn sound_choices_are_not() {
        for (version, cipher) in [
            (0x0303, 0xc02f),
            (0x0303, 0xcca9),
            (0x0304, 0x1301),
            (0x0304, 0x1302),
            (0xfefd, 0xc0ae),
            (0xfefc, 0x1301),
            (0x7f1c, 0x1301),
            (0x0303, 0xbeef),
            (0x0303, 0xd001),
        ] {
            assert_eq!(found(&agreed(version, cipher)), [], "{version:04x} {cipher:04x}");
        }
        let mut resumed = agreed(0x0304, 0x1301);
        resumed.server.as_mut().unwrap().resumes = true;
        assert_eq!(found(&resumed), []);
        resumed.group = None;
        assert_eq!(rules(&resumed), ["tls-no-forward-secrecy"], "psk_ke");
        resumed.server.as_mut().unwrap().ja3s = None;
        assert_eq!(found(&resumed), [], "a damaged hello may have had a key share");
    }

    #[test]
    fn a_refused_handshake_agreed_on_nothing() {
        let refused = Handshake { established: Some(false), ..agreed(0x0300, 0x0005) };
        assert_eq!(found(&refused), []);
        let mut retry = agreed(0x0301, 0x0005);
        retry.server.as_mut().unwrap().retry = true;
        assert_eq!(found(&retry), []);
        let unanswered = Handshake { server: None, ..agreed(0x0301, 0x0005) };
        assert_eq!(found(&unanswered), []);
    }
}

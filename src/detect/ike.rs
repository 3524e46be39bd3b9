//! Tunnels of IPsec that do not protect as they should: what both ends agreed on with IKE (RFC 8247, section 2, for version 2;
//! RFC 9395 for version 1).

use super::cleartext::on_flow;
use super::sighting::Sighting;
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::remote::ike::Message;
use crate::proto::remote::ike_names as names;
use crate::record::clean;

/// How bad an algorithm is; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Sound,
    Outdated,
    Weak,
}

/// A cipher: those with blocks of 64 bits, and those that encrypt nothing.
fn cipher(name: &str) -> Grade {
    const WEAK: [&str; 10] =
        ["DES", "3DES", "IDEA", "3IDEA", "BLOWFISH", "RC5", "CAST", "NULL", "DES_IV64", "DES_IV32"];
    let name = name.split('-').next().unwrap_or_default();
    if WEAK.contains(&name) || name == "NULL_AUTH_AES_GMAC" { Grade::Weak } else { Grade::Sound }
}

/// A hash, pseudo-random function or algorithm for integrity.
fn digest(name: &str) -> Grade {
    if name.contains("MD5") || name == "DES_MAC" { Grade::Weak } else { Grade::Sound }
}

/// A Diffie-Hellman group: weak up to 1024 bits and on curves of fewer than 224, outdated up to 1536 bits and where its
/// primes are not safe ones.
const fn group(number: u16) -> Grade {
    match number {
        1..=4 | 22 | 25 => Grade::Weak,
        5 | 23 | 24 => Grade::Outdated,
        _ => Grade::Sound,
    }
}

/// Judges a message.
pub fn message(home: &HomeNet, cx: &Cx<'_>, m: &Message<'_>, out: &mut Vec<Sighting>) {
    // What is only offered protects nobody, and harms nobody; an answer that nobody asked for may be forged.
    if !m.chosen || !m.answers {
        return;
    }
    let mode = format!("IKEv{}, exchange {}", m.version, m.exchange);
    let mut push = |rule, evidence| out.push(on_flow(rule, home, cx.flow, "ike", (cx.ts, cx.packet), evidence));
    let graded = (m.ciphers.iter().map(|n| (cipher(n), n.clone())))
        .chain(m.integrity.iter().chain(&m.prf).map(|n| (digest(n), n.clone())))
        .chain(m.groups.iter().map(|g| (group(*g), names::group(*g))))
        .collect::<Vec<_>>();
    let of = |grade| graded.iter().filter(|(g, _)| *g == grade).map(|(_, n)| &**n).collect::<Vec<_>>().join(", ");
    let worst = graded.iter().map(|(grade, _)| *grade).max().unwrap_or(Grade::Sound);
    match worst {
        Grade::Sound => {}
        Grade::Outdated => push("ike-outdated-algorithm", format!("{mode}: agreed on {}", of(Grade::Outdated))),
        Grade::Weak => push("ike-weak-algorithm", format!("{mode}: agreed on {}", of(Grade::Weak))),
    }
    if m.shows_shared_secret() {
        let who = m.identity.as_deref().map(|id| clean(&String::from_utf8_lossy(id.get(..64).unwrap_or(id))));
        let who = who.map_or_else(String::new, |who| format!(", from {who}"));
        push("ike-aggressive-shared-secret", format!("{mode}: a hash made with the shared secret in clear{who}"));
    }
    if m.version == 1 {
        push("ike-version-1", mode);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::{Direction, LimitCount};

    fn plain() -> Message<'static> {
        Message {
            version: 2,
            exchange: "sa-init".into(),
            from: Direction::Resp,
            chosen: true,
            answers: true,
            ciphers: vec!["AES_GCM_16-256".into()],
            integrity: Vec::new(),
            prf: vec!["HMAC_SHA2_256".into()],
            groups: vec![31],
            authentication: Vec::new(),
            identity: None,
            vendors: Vec::new(),
            chain: Vec::new(),
            proves: false,
        }
    }

    fn judged(m: &Message<'_>) -> Vec<(&'static str, String)> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        message(&HomeNet::default(), &cx, m, &mut out);
        out.into_iter().map(|s| (s.rule, s.evidence)).collect()
    }

    #[test]
    fn what_was_agreed_on_counts_and_not_what_was_offered() {
        assert!(judged(&plain()).is_empty());
        let old = Message { ciphers: vec!["3DES".into()], groups: vec![2, 5], prf: vec!["HMAC_MD5".into()], ..plain() };
        let evidence = "IKEv2, exchange sa-init: agreed on 3DES, HMAC_MD5, modp1024";
        assert_eq!(judged(&old), [("ike-weak-algorithm", evidence.to_owned())]);
        assert!(judged(&Message { chosen: false, ..old.clone() }).is_empty());
        assert!(judged(&Message { answers: false, ..old }).is_empty());
        assert_eq!(judged(&Message { groups: vec![5], ..plain() })[0].0, "ike-outdated-algorithm");
        assert!(judged(&Message { ciphers: vec!["AES_CBC-128".into()], groups: vec![14], ..plain() }).is_empty());
    }

    #[test]
    fn aggressive_mode_with_a_shared_secret_shows_a_hash_of_it() {
        let first = Message {
            version: 1,
            exchange: "aggressive".into(),
            ciphers: vec!["AES_CBC-256".into()],
            groups: vec![14],
            authentication: vec![65001],
            identity: Some(b"gate.example"[..].into()),
            proves: true,
            ..plain()
        };
        let rules = |m: &Message<'_>| judged(m).into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
        assert_eq!(rules(&first), ["ike-aggressive-shared-secret", "ike-version-1"]);
        assert!(judged(&first)[0].1.ends_with("from gate.example"));
        assert_eq!(rules(&Message { authentication: vec![3], ..first.clone() }), ["ike-version-1"], "signatures");
        assert_eq!(rules(&Message { exchange: "main".into(), ..first }), ["ike-version-1"]);
    }
}

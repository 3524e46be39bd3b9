//! What is wrong with the certificates of a handshake, at the time of the capture.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Known, party};
use crate::base::Timestamp;
use crate::detect::sighting::{self, Party, Sighting};
use crate::fingerprint::registry;
use crate::fingerprint::x509::{CertificateFacts, Hash, hosts};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Transport};
use crate::proto::tls::Handshake;
use crate::signature::issuers;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Captures that claim to be older have a clock that was never set: 1995, the year of the first TLS.
const CLOCK_MIN: i64 = 788_918_400;
/// How far a clock may be off before a certificate counts as not yet valid.
const EARLY: i64 = DAY;
/// How long a certificate must be expired before a client that goes on counts as one that does not look.
const LATE: i64 = 7 * DAY;
/// Days before the end at which a certificate should have been renewed.
const SOON: i64 = 30 * DAY;
/// Bits below which RSA and DSA keys are weak (NIST SP 800-131A), and below which they can be broken.
const BITS_WEAK: u32 = 2048;
const BITS_BROKEN: u32 = 1024;
/// Likewise for curves.
const CURVE_WEAK: u32 = 224;
const CURVE_BROKEN: u32 = 160;
/// Characters of a name that evidence shows.
const NAME_CHARS: usize = 96;

/// Longest validity that authorities for the public Web may give, by the time of issue: from when on
/// (seconds since 1970), and days (CA/Browser Forum Baseline Requirements, section 6.3.2).
const LIMITS: [(i64, i64); 5] = [
    // 2018-03-01
    (1_519_862_400, 825),
    // 2020-09-01
    (1_598_918_400, 398),
    // 2026-03-15
    (1_773_532_800, 200),
    // 2027-03-15
    (1_805_068_800, 100),
    // 2029-03-15
    (1_868_227_200, 47),
];

/// What is wrong with a certificate at any time and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Rule on its key.
    key: Option<&'static str>,
    /// Rule on its signature, where that matters.
    signature: Option<&'static str>,
    /// Days that it is valid, where they are more than its authority may give.
    too_long: Option<i64>,
    /// The device that leaves the factory with it.
    pub(super) factory: Option<&'static str>,
    /// Whether an authority for the public Web seems to have issued it.
    public: bool,
    /// Whether it has a name with a star.
    wildcard: bool,
}

impl Faults {
    /// Of a certificate.
    pub fn of(facts: &CertificateFacts) -> Self {
        let issuer = facts.issuer_organization.as_deref().unwrap_or_default();
        let self_signed = facts.self_signed == Some(true);
        let public = !self_signed && (facts.public_signs || issuers::is_public(issuer));
        let names = (facts.subject.as_deref(), facts.issuer.as_deref());
        let star = |name: &str| name.starts_with("*.");
        Self {
            key: weak_key(facts),
            signature: facts.signature_hash.filter(|_| !self_signed).and_then(weak_signature),
            too_long: too_long(facts).filter(|_| !self_signed && facts.public_signs),
            factory: match names {
                (Some(subject), Some(issuer)) if !public => issuers::factory(subject, issuer),
                _ => None,
            },
            public,
            wildcard: facts.names.hosts.iter().any(|n| star(n))
                || facts.names.hosts.is_empty() && facts.common_names.iter().any(|n| star(n)),
        }
    }

    /// Whether an authority for the public Web seems to have issued it.
    pub const fn is_public(&self) -> bool {
        self.public
    }

    /// Whether it has a name with a star.
    pub const fn has_wildcard(&self) -> bool {
        self.wildcard
    }
}

fn weak_key(facts: &CertificateFacts) -> Option<&'static str> {
    let key = facts.key.as_ref()?;
    let bits = key.bits?;
    let (weak, broken) = match key.kind.as_str() {
        "rsa" | "rsa-pss" | "dsa" | "dh" => (BITS_WEAK, BITS_BROKEN),
        "ec" => (CURVE_WEAK, CURVE_BROKEN),
        _ => return None,
    };
    // An exponent of 1 encrypts nothing, and an even one is none.
    let exponent = key.exponent.is_some_and(|e| e < 3 || e % 2 == 0);
    if bits < broken || exponent {
        Some("certificate-broken-key")
    } else {
        (bits < weak).then_some("certificate-weak-key")
    }
}

const fn weak_signature(hash: Hash) -> Option<&'static str> {
    match hash {
        Hash::Md2 | Hash::Md4 | Hash::Md5 => Some("certificate-broken-signature"),
        Hash::Sha1 => Some("certificate-sha1-signature"),
        Hash::Sound => None,
    }
}

/// Days that a certificate is valid, where they are more than its authority may give.
fn too_long(facts: &CertificateFacts) -> Option<i64> {
    let (first, last) = (facts.not_before?, facts.not_after?);
    let (_, days) = LIMITS.iter().rev().find(|(from, _)| first >= *from)?;
    // A day more does no harm: some count the last one otherwise.
    let valid = last.checked_sub(first)?;
    (valid > (days + 1) * DAY).then_some(valid / DAY)
}

/// How the validity of a certificate stands to a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validity {
    Good,
    /// Seconds since its end.
    Expired(i64),
    /// Seconds until its start.
    Early(i64),
    /// Seconds until its end.
    Soon(i64),
}

fn validity(facts: &CertificateFacts, now: Timestamp) -> Validity {
    let now = now.seconds();
    let (Some(first), Some(last)) = (facts.not_before, facts.not_after) else { return Validity::Good };
    if now < CLOCK_MIN {
        return Validity::Good;
    }
    // Short-lived certificates are renewed late by design.
    let soon = (last.saturating_sub(first) / 6).min(SOON);
    if now > last {
        Validity::Expired(now - last)
    } else if now < first.saturating_sub(EARLY) {
        Validity::Early(first - now)
    } else if last - now < soon {
        Validity::Soon(last - now)
    } else {
        Validity::Good
    }
}

/// Whether a time is within the validity of a certificate; `inside` says whether its holder is, who could renew it.
pub(super) fn times(
    facts: &CertificateFacts,
    now: Timestamp,
    inside: bool,
    make: impl Fn(&'static str, String) -> Sighting,
    out: &mut Vec<Sighting>,
) {
    let (rule, words) = match validity(facts, now) {
        Validity::Good => return,
        Validity::Expired(ago) => {
            ("certificate-expired", format!("expired on {}, {} days before", date(facts.not_after), ago / DAY))
        }
        Validity::Early(left) => (
            "certificate-not-yet-valid",
            format!("is valid from {}, {} days later", date(facts.not_before), left / DAY),
        ),
        Validity::Soon(left) if inside => {
            ("certificate-expires-soon", format!("expires on {}, in {} days", date(facts.not_after), left / DAY))
        }
        Validity::Soon(_) => return,
    };
    out.push(make(rule, format!("{} {words}", subject(facts))));
}

/// Whether the key and the signature of a certificate still protect.
pub(super) fn strength(known: &Known, make: impl Fn(&'static str, String) -> Sighting, out: &mut Vec<Sighting>) {
    let facts = &known.facts;
    if let (Some(rule), Some(key)) = (known.faults.key, &facts.key) {
        let kind = key.curve.as_deref().unwrap_or(&key.kind);
        let exponent = match key.exponent {
            Some(e) if e < 3 || e % 2 == 0 => format!(" and exponent {e}"),
            _ => String::new(),
        };
        let evidence = format!("{}: {kind} key of {} bits{exponent}", subject(facts), key.bits.unwrap_or(0));
        out.push(make(rule, evidence));
    }
    if let Some(rule) = known.faults.signature {
        let algorithm = facts.signature_algorithm.as_deref().unwrap_or_default();
        out.push(make(
            rule,
            format!("{} is signed with {algorithm}, issued {}", subject(facts), date(facts.not_before)),
        ));
    }
}

/// A date for evidence.
fn date(seconds: Option<i64>) -> String {
    let time = seconds.and_then(|s| jiff::Timestamp::from_second(s).ok());
    time.map_or_else(|| String::from("?"), |t| t.strftime("%Y-%m-%d").to_string())
}

fn short(text: &str) -> &str {
    text.char_indices().nth(NAME_CHARS).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The subject for evidence, or what stands for it.
pub(super) fn subject(facts: &CertificateFacts) -> &str {
    match facts.subject.as_deref() {
        Some("") => facts.names.all.first().map_or("(no name)", |n| short(n)),
        Some(subject) => short(subject),
        None => "(unreadable)",
    }
}

/// What a finding about a certificate knows it by.
pub(super) fn detail(facts: &CertificateFacts) -> Cow<'static, str> {
    Cow::Owned(facts.sha256.get(..16).unwrap_or_default().to_owned())
}

/// One handshake that is judged.
struct Case<'a> {
    home: &'a HomeNet,
    cx: &'a Cx<'a>,
    handshake: &'a Handshake,
    client: Party,
    server: Party,
}

impl Case<'_> {
    /// Whether the server is inside, or both ends are outside.
    fn about_server(&self) -> bool {
        self.home.is_home(self.server.ip) || !self.home.is_home(self.client.ip)
    }

    fn sighting(&self, rule: &'static str, device: Party, peer: Option<Party>, evidence: String) -> Sighting {
        let name = self.handshake.client.as_ref().and_then(|c| c.server_name.as_ref()).filter(|n| !n.is_empty());
        Sighting {
            rule,
            device,
            peer,
            port: self.cx.flow.resp_port,
            peer_name: name
                .filter(|_| peer.is_some_and(|p| p == self.server))
                .map(|n| crate::record::clean(&String::from_utf8_lossy(n))),
            service: Cow::Borrowed("tls"),
            flow_id: self.cx.flow.flow_id,
            capture: self.cx.flow.capture,
            packet: self.cx.packet,
            ts: self.cx.ts,
            evidence,
            detail: Cow::Borrowed(""),
            weight: sighting::WEIGHT,
        }
    }

    /// A finding about what the server shows: about the server where it is inside, whoever the client is;
    /// else about the client inside that relies on it.
    fn shown(&self, rule: &'static str, facts: &CertificateFacts, evidence: String) -> Sighting {
        let (device, peer) = if self.about_server() { (self.server, None) } else { (self.client, Some(self.server)) };
        Sighting { detail: detail(facts), ..self.sighting(rule, device, peer, evidence) }
    }
}

/// Judges the certificates of a handshake. `server` and `client` are the chains as far as they are known, the
/// sender's own certificate first.
pub fn judge(
    home: &HomeNet,
    cx: &Cx<'_>,
    handshake: &Handshake,
    server: &[Arc<Known>],
    client: Option<&Arc<Known>>,
    out: &mut Vec<Sighting>,
) {
    let case = Case {
        home,
        cx,
        handshake,
        client: party(cx.flow, handshake.client_side),
        server: party(cx.flow, handshake.client_side.other()),
    };
    if let Some(own) = server.first() {
        case.server_chain(own, server, out);
    }
    if let Some(own) = client {
        case.client_certificate(own, out);
    }
}

impl Case<'_> {
    fn server_chain(&self, own: &Known, chain: &[Arc<Known>], out: &mut Vec<Sighting>) {
        let (facts, faults) = (&own.facts, &own.faults);
        let self_signed = facts.self_signed == Some(true);
        self.strength(own, chain, out);
        // Ends of calls and the like sign their own certificates, and vouch for them elsewhere (RFC 5763).
        if self_signed && self.cx.flow.transport == Transport::Udp {
            return;
        }
        let validity = validity(facts, self.cx.ts);
        let mismatch = !self_signed && self.handshake.established != Some(false) && self.mismatch(facts);
        let bad_time = matches!(validity, Validity::Expired(_) | Validity::Early(_));
        let accepted = self.accepted(facts, validity, self_signed, mismatch, out);
        // Of a server outside, the finding about the client that went on says it all.
        if !accepted || self.about_server() {
            let inside = self.home.is_home(self.server.ip);
            times(facts, self.cx.ts, inside, |rule, evidence| self.shown(rule, facts, evidence), out);
            if let Some(device) = faults.factory.filter(|_| self.home.is_home(self.server.ip)) {
                let evidence = format!("{}: the certificate that comes with the device ({device})", subject(facts));
                out.push(self.shown("certificate-factory-default", facts, evidence));
            } else if self_signed {
                let evidence = format!("{} issued itself, valid from {}", subject(facts), date(facts.not_before));
                out.push(self.shown("certificate-self-signed", facts, evidence));
            }
            if mismatch {
                out.push(self.shown("certificate-name-mismatch", facts, self.names_of(facts)));
            }
        }
        if let Some(days) = faults.too_long {
            let evidence = format!(
                "{} is valid for {days} days from {}, issued by {}",
                subject(facts),
                date(facts.not_before),
                short(facts.issuer.as_deref().unwrap_or_default())
            );
            out.push(self.shown("certificate-valid-too-long", facts, evidence));
        }
        if facts.is_authority() && !self_signed {
            let evidence = format!("{} may issue certificates and is shown as a server's own", subject(facts));
            out.push(self.shown("certificate-authority-as-server", facts, evidence));
        }
        if self.home.is_home(self.server.ip) {
            if faults.has_wildcard() && !self_signed {
                let mut names = facts.names.hosts.iter().chain(&facts.common_names);
                let star = names.find(|n| n.starts_with("*.")).map_or("", String::as_str);
                let evidence = format!("{} is for {}", subject(facts), short(star));
                out.push(self.shown("certificate-wildcard-on-device", facts, evidence));
            }
        } else if self.home.is_home(self.client.ip)
            && !self_signed
            && !bad_time
            && !mismatch
            && facts.issuer.is_some()
            && !chain.iter().any(|c| c.faults.is_public())
        {
            let evidence =
                format!("{} was issued by {}", subject(facts), short(facts.issuer.as_deref().unwrap_or_default()));
            out.push(self.shown("certificate-private-authority", facts, evidence));
        }
    }

    /// Keys and signatures that no longer protect: of the server's own certificate, and of the one that
    /// vouches for it. What stands further up may be there for old clients only.
    fn strength(&self, own: &Known, chain: &[Arc<Known>], out: &mut Vec<Sighting>) {
        strength(own, |rule, evidence| self.shown(rule, &own.facts, evidence), out);
        let next = chain.get(1).filter(|next| {
            next.facts.self_signed == Some(false)
                && next.facts.subject.is_some()
                && next.facts.subject == own.facts.issuer
        });
        if let Some(next) = next {
            strength(next, |rule, evidence| self.shown(rule, &next.facts, evidence), out);
        }
    }

    fn asked(&self) -> Option<&str> {
        let name = self.handshake.client.as_ref()?.server_name.as_deref()?;
        std::str::from_utf8(name).ok()
    }

    fn mismatch(&self, facts: &CertificateFacts) -> bool {
        self.asked().and_then(|name| hosts::covers(facts, name)) == Some(false)
    }

    fn names_of(&self, facts: &CertificateFacts) -> String {
        let asked = crate::record::clean(short(self.asked().unwrap_or_default()));
        let names = &facts.names.all;
        let first = names.iter().take(3).map(|n| short(n)).collect::<Vec<_>>().join(", ");
        match names.len() {
            0 => format!("asked for {asked}, got a certificate for {}", subject(facts)),
            1..=3 => format!("asked for {asked}, got a certificate for {first}"),
            n => format!("asked for {asked}, got a certificate for {first} and {} more", n - 3),
        }
    }

    /// A client inside that completed the handshake although nothing vouches for the server. Returns whether
    /// there was one. A certificate that is not valid yet says more about the clock of the capture.
    fn accepted(
        &self,
        facts: &CertificateFacts,
        validity: Validity,
        self_signed: bool,
        mismatch: bool,
        out: &mut Vec<Sighting>,
    ) -> bool {
        let h = self.handshake;
        let Some(server) = &h.server else { return false };
        let client_side = h.client_side;
        if h.established != Some(true)
            || registry::is_tls13(server.version)
            || self.cx.flow.transport == Transport::Udp
            || !self.home.is_home(self.client.ip)
            || h.alerts.iter().any(|a| a.sender == client_side && is_about_certificates(a.description))
        {
            return false;
        }
        let mut tell = |rule, words: String| {
            let evidence = format!("the client went on although {words}");
            out.push(Sighting {
                detail: detail(facts),
                ..self.sighting(rule, self.client, Some(self.server), evidence)
            });
        };
        match validity {
            Validity::Expired(ago) if ago > LATE => {
                tell("tls-client-no-validation", format!("{} expired on {}", subject(facts), date(facts.not_after)));
            }
            _ if self_signed => {
                tell("tls-client-unverified-server", format!("{} issued itself", subject(facts)));
            }
            _ if mismatch => tell("tls-client-unverified-server", format!("it {}", self.names_of(facts))),
            _ => return false,
        }
        true
    }

    /// A client's own certificate.
    fn client_certificate(&self, own: &Known, out: &mut Vec<Sighting>) {
        let facts = &own.facts;
        if !self.home.is_home(self.client.ip) || self.cx.flow.transport == Transport::Udp {
            return;
        }
        let make = |rule, evidence| Sighting {
            detail: detail(facts),
            ..self.sighting(rule, self.client, Some(self.server), evidence)
        };
        strength(own, make, out);
        if let Validity::Expired(ago) = validity(facts, self.cx.ts) {
            let words =
                format!("the client's certificate, expired on {}, {} days before", date(facts.not_after), ago / DAY);
            out.push(make("certificate-expired", format!("{}: {words}", subject(facts))));
        }
    }
}

/// Alerts 42 to 46 and 48: the certificate is bad, of no known sort, revoked, expired, unknown, or its
/// authority is (RFC 5246, section 7.2.2).
const fn is_about_certificates(description: u8) -> bool {
    matches!(description, 42..=46 | 48)
}

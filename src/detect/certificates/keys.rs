//! What only several certificates show: a key on several devices, RSA keys that share a prime, a serial number
//! that was given twice.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Shown, primes};
use crate::base::limits::{self, Room};
use crate::base::{Addr, Mac, Timestamp};
use crate::detect::sighting::{self, Party, Sighting};
use crate::policy::HomeNet;

/// Devices that evidence names.
const DEVICES_SHOWN: usize = 8;
/// Names that evidence shows, in characters.
const NAME_CHARS: usize = 96;
/// Characters of a hash that tell findings apart.
const HASH_CHARS: usize = 16;

/// What is kept of a certificate that was shown.
#[derive(Debug, Clone)]
struct Kept {
    subject: Box<str>,
    /// Fronts of the hashes of the certificate and of its key.
    sha256: Box<str>,
    spki: Box<str>,
    /// Bits of its key.
    bits: u32,
    host: Party,
    peer: Party,
    from_server: bool,
    /// Its place in time: where it was shown first.
    order: (Timestamp, u32, u64, i64, u8),
    port: u16,
}

impl Kept {
    fn new(s: &Shown) -> Self {
        let facts = &s.known.facts;
        let name = facts.subject.as_deref().filter(|s| !s.is_empty()).unwrap_or("(no name)");
        Self {
            subject: front(name, NAME_CHARS),
            sha256: front(&facts.sha256, HASH_CHARS),
            spki: front(s.known.spki.as_deref().unwrap_or_default(), HASH_CHARS),
            bits: facts.key.as_ref().and_then(|k| k.bits).unwrap_or(0),
            host: s.host,
            peer: s.peer,
            from_server: s.from_server,
            order: (s.ts, s.capture, s.packet, s.flow_id, s.position),
            port: s.port,
        }
    }

    /// The earlier of the two is kept.
    fn earliest(&mut self, s: &Shown) {
        if (s.ts, s.capture, s.packet, s.flow_id, s.position) < self.order {
            *self = Self::new(s);
        }
    }
}

fn front(text: &str, chars: usize) -> Box<str> {
    text.chars().take(chars).collect::<String>().into()
}

/// A key, and who has it.
#[derive(Debug)]
struct Key {
    /// Who showed it first, at any place of a chain.
    first: Kept,
    /// The modulus of an RSA key.
    modulus: Box<[u8]>,
    /// Hosts inside that showed it as their own.
    owners: BTreeMap<Party, Kept>,
}

/// A serial number, and what has it: one certificate for each key.
#[derive(Debug)]
struct Serial {
    issuer: Box<str>,
    number: Box<str>,
    all: Vec<Kept>,
}

/// Remembers keys and serial numbers.
#[derive(Debug, Default)]
pub struct CertificateKeys {
    keys: BTreeMap<[u8; 32], Key>,
    /// By a hash of the name and the key of the issuer and of the number.
    serials: BTreeMap<[u8; 32], Serial>,
    /// How many certificates are kept in both.
    kept: usize,
    /// Bits of all moduli that are kept.
    bits: usize,
    dropped: u64,
    room: Room,
}

impl CertificateKeys {
    /// With the limits that its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// Whether one more can be kept; counted where not.
    fn has_room(&mut self) -> bool {
        let fits = self.kept < self.room.of(limits::CERTIFICATES_KEPT_MAX);
        self.kept += usize::from(fits);
        self.dropped += u64::from(!fits);
        fits
    }

    /// Takes a certificate that a host showed for the first time.
    pub fn shown(&mut self, home: &HomeNet, shown: &Shown) {
        let Some(key) = &shown.known.facts.key else { return };
        self.serial(shown);
        let spki = key.spki_sha256;
        if let Some(known) = self.keys.get_mut(&spki) {
            known.first.earliest(shown);
        } else {
            if !self.has_room() {
                return;
            }
            let mut modulus = key.modulus.clone();
            self.bits += modulus.len() * 8;
            if self.bits > limits::CERTIFICATE_MODULI_BITS_MAX {
                self.bits -= modulus.len() * 8;
                self.dropped += 1;
                modulus = Box::default();
            }
            self.keys.insert(spki, Key { first: Kept::new(shown), modulus, owners: BTreeMap::new() });
        }
        if !is_own(shown) || !home.is_home(shown.host.ip) {
            return;
        }
        let Some(key) = self.keys.get_mut(&spki) else { return };
        if let Some(known) = key.owners.get_mut(&shown.host) {
            known.earliest(shown);
        } else if key.owners.len() >= limits::CERTIFICATE_KEY_OWNERS_MAX {
            self.dropped += 1;
        } else if self.has_room()
            && let Some(key) = self.keys.get_mut(&spki)
        {
            key.owners.insert(shown.host, Kept::new(shown));
        }
    }

    fn serial(&mut self, shown: &Shown) {
        let facts = &shown.known.facts;
        // Of certificates that issued themselves, each maker gives the numbers it likes.
        let (Some(false), Some(issuer), Some(number)) = (facts.self_issued, &facts.issuer, &facts.serial) else {
            return;
        };
        let mut hash = Sha256::new();
        for part in [issuer.as_str(), facts.authority_key.as_deref().unwrap_or_default(), number] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let place: [u8; 32] = hash.finalize().into();
        let spki = front(shown.known.spki.as_deref().unwrap_or_default(), HASH_CHARS);
        let known = self.serials.get_mut(&place);
        if let Some(same) = known.and_then(|s| s.all.iter_mut().find(|kept| kept.spki == spki)) {
            same.earliest(shown);
            return;
        }
        if !self.has_room() {
            return;
        }
        let entry = self.serials.entry(place).or_insert_with(|| Serial {
            issuer: front(issuer, NAME_CHARS),
            number: number.as_str().into(),
            all: Vec::new(),
        });
        if entry.all.len() < limits::CERTIFICATE_KEY_OWNERS_MAX {
            entry.all.push(Kept::new(shown));
        } else {
            self.dropped += 1;
        }
    }

    /// What was found in the whole run. `device_of` tells which device a host is at a time: one with two
    /// addresses shares nothing with itself.
    pub fn finish(
        &mut self,
        home: &HomeNet,
        device_of: impl Fn(Party, Timestamp) -> Option<String>,
        add: &mut dyn FnMut(Sighting),
    ) {
        for serial in std::mem::take(&mut self.serials).into_values() {
            serial_reused(home, serial, add);
        }
        let keys = std::mem::take(&mut self.keys);
        for key in keys.values() {
            key_shared(key, &device_of, add);
        }
        shared_primes(home, &keys, add);
    }

    /// Certificates that were not compared with all others because of a limit.
    pub const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

/// Whether a certificate stands for the host that showed it, and for it alone: not an authority further up,
/// not one that an authority gave to a service with many servers, not that of a call.
fn is_own(shown: &Shown) -> bool {
    let (facts, faults) = (&shown.known.facts, &shown.known.faults);
    shown.position == 0
        && !shown.datagrams
        && !faults.is_public()
        && !faults.has_wildcard()
        && facts.names.hosts.len() <= limits::CERTIFICATE_OWN_NAMES_MAX
}

fn sighting(rule: &'static str, device: Party, peer: Option<Party>, kept: &Kept, evidence: String) -> Sighting {
    let (ts, capture, packet, flow_id, _) = kept.order;
    Sighting {
        rule,
        device,
        peer,
        port: kept.port,
        peer_name: None,
        service: Cow::Borrowed("tls"),
        flow_id,
        capture,
        packet,
        ts,
        evidence,
        detail: Cow::Owned(kept.sha256.clone().into()),
        weight: sighting::WEIGHT,
    }
}

/// A finding about a certificate: about its host where that is inside, else about the other end.
fn about(home: &HomeNet, rule: &'static str, kept: &Kept, evidence: String) -> Sighting {
    let (device, peer) = if home.is_home(kept.host.ip) || !home.is_home(kept.peer.ip) {
        (kept.host, None)
    } else {
        (kept.peer, Some(kept.host))
    };
    sighting(rule, device, peer, kept, evidence)
}

fn serial_reused(home: &HomeNet, mut serial: Serial, add: &mut dyn FnMut(Sighting)) {
    serial.all.sort_by_key(|kept| kept.order);
    let Some((first, others)) = serial.all.split_first().filter(|(_, others)| !others.is_empty()) else { return };
    let names = others.iter().take(3).map(|kept| &*kept.subject).collect::<Vec<_>>().join("; ");
    let Serial { issuer, number, .. } = &serial;
    let evidence = format!("serial number {number} of {issuer} is that of {} and of {names}", first.subject);
    add(about(home, "certificate-serial-reused", first, evidence));
}

fn key_shared(key: &Key, device_of: &impl Fn(Party, Timestamp) -> Option<String>, add: &mut dyn FnMut(Sighting)) {
    if key.owners.len() < 2 {
        return;
    }
    let mut devices: BTreeMap<String, &Kept> = BTreeMap::new();
    let mut family = None;
    for kept in key.owners.values() {
        let name = device_of(kept.host, kept.order.0).unwrap_or_else(|| kept.host.ip.to_string());
        let by_mac = name.split('@').next().is_some_and(|n| n.parse::<Mac>().is_ok());
        // What is only known by an address may have one of each sort, and a client may get another one.
        if !by_mac && (!kept.from_server || *family.get_or_insert(kept.host.ip.is_v4()) != kept.host.ip.is_v4()) {
            continue;
        }
        let place = devices.entry(name).or_insert(kept);
        if kept.order < place.order {
            *place = kept;
        }
    }
    if devices.len() < 2 {
        return;
    }
    let mut hosts: Vec<(Addr, u16)> = devices.values().map(|s| (s.host.ip, s.port)).collect();
    hosts.sort_unstable();
    let list: Vec<_> = hosts.iter().take(DEVICES_SHOWN).map(|(ip, port)| format!("{ip} (port {port})")).collect();
    let more = if hosts.len() > DEVICES_SHOWN { " ..." } else { "" };
    for kept in devices.values() {
        let evidence = format!("{}: one key on {} devices: {}{more}", kept.subject, devices.len(), list.join(", "));
        // One finding for the key, whatever certificates it stands in.
        let detail = Cow::Owned(kept.spki.clone().into());
        add(Sighting { detail, ..sighting("certificate-key-shared", kept.host, None, kept, evidence) });
    }
}

fn shared_primes(home: &HomeNet, keys: &BTreeMap<[u8; 32], Key>, add: &mut dyn FnMut(Sighting)) {
    // A modulus may stand in several keys, with another exponent or algorithm.
    let mut moduli: BTreeMap<&[u8], &Kept> = BTreeMap::new();
    for key in keys.values().filter(|k| !k.modulus.is_empty()) {
        let first = moduli.entry(&key.modulus).or_insert(&key.first);
        if key.first.order < first.order {
            *first = &key.first;
        }
    }
    let numbers: Vec<&[u8]> = moduli.keys().copied().collect();
    let shared = primes::sharing(&numbers);
    let count = shared.iter().filter(|s| **s).count();
    for (kept, _) in moduli.values().zip(&shared).filter(|(_, shares)| **shares) {
        let evidence = format!(
            "{}: RSA key of {} bits has a prime in common with another key ({count} such keys in the run)",
            kept.subject, kept.bits
        );
        add(about(home, "certificate-shared-prime", kept, evidence));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::certificates::Known;
    use crate::fingerprint::x509::{AltNames, CertificateFacts, PublicKey};

    fn shown(spki: u8, host: u8, change: impl FnOnce(&mut CertificateFacts)) -> Shown {
        let mut facts = CertificateFacts {
            sha256: format!("{spki:02x}{host:02x}").repeat(16),
            subject: Some(format!("CN=d{host}")),
            issuer: Some("CN=ca".into()),
            serial: Some(format!("{spki:02x}{host:02x}")),
            self_issued: Some(false),
            key: Some(PublicKey {
                kind: "rsa".into(),
                curve: None,
                bits: Some(8),
                exponent: Some(65_537),
                modulus: [spki].into(),
                spki_sha256: [spki; 32],
            }),
            ..CertificateFacts::default()
        };
        change(&mut facts);
        let faults = super::super::judge::Faults::of(&facts);
        let party = |last| Party { ip: Addr::v4([10, 0, 0, last]), mac: Mac([2, 0, 0, 0, 0, last]) };
        Shown {
            known: Arc::new(Known { spki: Some(format!("{spki:02x}").repeat(32)), facts, faults }),
            host: party(host),
            peer: party(200),
            from_server: true,
            position: 0,
            datagrams: false,
            port: 443,
            flow_id: i64::from(host),
            capture: 0,
            packet: u64::from(host),
            ts: Timestamp(i64::from(host)),
        }
    }

    fn found(
        all: Vec<Shown>,
        device_of: impl Fn(Party, Timestamp) -> Option<String>,
    ) -> Vec<(&'static str, Addr, String)> {
        let mut keys = CertificateKeys::default();
        all.iter().for_each(|s| keys.shown(&HomeNet::default(), s));
        let mut out = Vec::new();
        keys.finish(&HomeNet::default(), device_of, &mut |s| {
            assert!(crate::signature::RuleSet::builtin().get(s.rule).is_some());
            out.push((s.rule, s.device.ip, s.evidence));
        });
        out
    }

    fn by_mac(host: Party, _: Timestamp) -> Option<String> {
        Some(host.mac.to_string())
    }

    #[test]
    fn a_key_on_two_devices_is_told_of_each() {
        let got = found(vec![shown(15, 1, |_| ()), shown(15, 2, |_| ()), shown(77, 3, |_| ())], by_mac);
        assert_eq!(
            got.iter().map(|g| (g.0, g.1)).collect::<Vec<_>>(),
            [1, 2].map(|n| { ("certificate-key-shared", Addr::v4([10, 0, 0, n])) })
        );
        assert_eq!(got[0].2, "CN=d1: one key on 2 devices: 10.0.0.1 (port 443), 10.0.0.2 (port 443)");
        assert_eq!(found(vec![shown(15, 1, |_| ()), shown(15, 2, |_| ())], |_, _| None).len(), 2, "known by address");
    }

    #[test]
    fn what_only_looks_shared_is_not_told() {
        let two = |change: fn(&mut CertificateFacts), place: fn(&mut Shown)| {
            let mut all = vec![shown(15, 1, change), shown(15, 2, change)];
            all.iter_mut().for_each(place);
            found(all, by_mac)
        };
        assert_eq!(two(|_| (), |_| ()).len(), 2);
        assert!(two(|_| (), |s| s.host.mac = Mac::ZERO).is_empty(), "one device with two addresses");
        assert!(two(|_| (), |s| s.position = 1).is_empty(), "an authority");
        assert!(two(|_| (), |s| s.datagrams = true).is_empty(), "a call");
        assert!(two(|f| f.public_signs = true, |_| ()).is_empty(), "a service with several servers");
        let wildcard = |f: &mut CertificateFacts| {
            f.names = AltNames { hosts: vec!["*.example.com".into()], ..AltNames::default() };
        };
        assert!(two(wildcard, |_| ()).is_empty());
        let outside = |s: &mut Shown| s.host.ip = Addr::v4([8, 8, 8, s.host.mac.0[5]]);
        assert!(two(|_| (), outside).is_empty());
        let mut client = vec![shown(15, 1, |_| ()), shown(15, 2, |_| ())];
        client.iter_mut().for_each(|s| s.from_server = false);
        assert_eq!(found(client.clone(), by_mac).len(), 2);
        assert!(found(client, |_, _| None).is_empty(), "a client whose address changed");
    }

    #[test]
    fn serial_numbers_and_primes() {
        let serial = |f: &mut CertificateFacts| f.serial = Some("01".into());
        let got = found(vec![shown(77, 1, serial), shown(15, 2, serial)], by_mac);
        assert_eq!(
            got,
            [(
                "certificate-serial-reused",
                Addr::v4([10, 0, 0, 1]),
                "serial number 01 of CN=ca is that of CN=d1 and of CN=d2".to_owned()
            )]
        );
        let own = |f: &mut CertificateFacts| (f.serial, f.self_issued) = (Some("01".into()), Some(true));
        assert!(found(vec![shown(77, 1, own), shown(15, 2, own)], by_mac).is_empty());
        // 15 = 3 * 5, 21 = 3 * 7, 143 = 11 * 13.
        let got = found(vec![shown(15, 1, |_| ()), shown(21, 2, |_| ()), shown(143, 3, |_| ())], by_mac);
        assert_eq!(
            got.iter().map(|g| (g.0, g.1)).collect::<Vec<_>>(),
            [1, 2].map(|n| { ("certificate-shared-prime", Addr::v4([10, 0, 0, n])) })
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut keys = CertificateKeys::default();
        let home = HomeNet::default();
        for n in 0..limits::CERTIFICATES_KEPT_MAX {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            let change = |f: &mut CertificateFacts| {
                f.serial = Some(n.to_string());
                f.key.as_mut().unwrap().spki_sha256 = hash;
                f.key.as_mut().unwrap().modulus = vec![1; 2048].into();
            };
            keys.shown(&home, &shown(1, 1, change));
        }
        for host in 0..=255 {
            keys.shown(&home, &shown(0, host, |f| f.key.as_mut().unwrap().spki_sha256 = [0; 32]));
        }
        let kept: usize = keys.keys.values().map(|k| 1 + k.owners.len()).sum();
        let serials: usize = keys.serials.values().map(|s| s.all.len()).sum();
        assert!(kept + serials <= limits::CERTIFICATES_KEPT_MAX);
        assert!(keys.keys.values().map(|k| k.modulus.len() * 8).sum::<usize>() <= limits::CERTIFICATE_MODULI_BITS_MAX);
        assert!(keys.take_dropped() >= 10);
    }
}

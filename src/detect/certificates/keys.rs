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
    service: &'static str,
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
            service: s.service,
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
    /// The modulus of an RSA key; empty where it is not tested.
    modulus: Box<[u8]>,
    /// Hosts inside that showed it as their own.
    owners: BTreeMap<Party, Kept>,
    /// Whether there was no room for more of them.
    more: bool,
}

/// A serial number, and what has it: one certificate for each key.
#[derive(Debug)]
struct Serial {
    issuer: Box<str>,
    number: Box<str>,
    all: Vec<Kept>,
}

/// RSA keys that share a prime.
#[derive(Debug)]
pub struct SharedPrimes {
    sightings: Vec<Sighting>,
    /// Pairs that were not told apart.
    left_out: u64,
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
            let mut modulus = if primes::may_be_modulus(&key.modulus) { key.modulus.clone() } else { Box::default() };
            self.bits += modulus.len() * 8;
            if self.bits > limits::CERTIFICATE_MODULI_BITS_MAX {
                self.bits -= modulus.len() * 8;
                self.dropped += 1;
                modulus = Box::default();
            }
            self.keys.insert(spki, Key { first: Kept::new(shown), modulus, owners: BTreeMap::new(), more: false });
        }
        if !is_own(shown) || !home.is_home(shown.host.ip) {
            return;
        }
        let Some(key) = self.keys.get_mut(&spki) else { return };
        if let Some(known) = key.owners.get_mut(&shown.host) {
            known.earliest(shown);
        } else {
            let fits = self.has_room();
            let Some(key) = self.keys.get_mut(&spki) else { return };
            if fits {
                key.owners.insert(shown.host, Kept::new(shown));
            }
            key.more |= !fits;
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
        if entry.all.len() < limits::CERTIFICATE_SERIALS_MAX {
            entry.all.push(Kept::new(shown));
        } else {
            self.dropped += 1;
        }
    }

    /// Which RSA keys share a prime: the one thing here that takes long, and needs no devices.
    pub fn shared_primes(&self, home: &HomeNet) -> SharedPrimes {
        shared_primes(home, &self.keys)
    }

    /// What was found in the whole run, that of [`Self::shared_primes`] with it. `device_of` tells which device a host
    /// is at a time: one with two addresses shares nothing with itself.
    pub fn finish(
        &mut self,
        home: &HomeNet,
        primes: SharedPrimes,
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
        primes.sightings.into_iter().for_each(add);
        self.dropped += primes.left_out;
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
        service: Cow::Borrowed(kept.service),
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
    let list = list.join(", ");
    let others = hosts.len().saturating_sub(DEVICES_SHOWN);
    let rest = if others > 0 { format!(" and {others} more") } else { String::new() };
    // Where the room was used up there are others, of which nothing is known.
    let least = if key.more { "at least " } else { "" };
    for kept in devices.values() {
        let evidence = format!("{}: one key on {least}{} devices: {list}{rest}", kept.subject, devices.len());
        // One finding for the key, whatever certificates it stands in.
        let detail = Cow::Owned(kept.spki.clone().into());
        add(Sighting { detail, ..sighting("certificate-key-shared", kept.host, None, kept, evidence) });
    }
}

fn shared_primes(home: &HomeNet, keys: &BTreeMap<[u8; 32], Key>) -> SharedPrimes {
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
    let count = shared.shares.iter().filter(|s| **s).count();
    let sighting = |kept: &Kept| {
        let evidence = format!(
            "{}: RSA key of {} bits has a prime in common with another key ({count} such keys in the run)",
            kept.subject, kept.bits
        );
        about(home, "certificate-shared-prime", kept, evidence)
    };
    let sharing = moduli.values().zip(&shared.shares).filter(|(_, shares)| **shares);
    SharedPrimes { sightings: sharing.map(|(kept, _)| sighting(kept)).collect(), left_out: shared.left_out }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::certificates::Known;
    use crate::fingerprint::x509::{AltNames, CertificateFacts, PublicKey};
    use crate::proto::testing::grows_evenly;

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
            service: "tls",
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
        let primes = keys.shared_primes(&HomeNet::default());
        keys.finish(&HomeNet::default(), primes, device_of, &mut |s| {
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
        // Primes 2^512 - 569 ...
        let key = |a: u32, b: u32| {
            let prime = |n: u32| (dashu_int::UBig::ONE << 512) - dashu_int::UBig::from(n);
            let modulus = (prime(a) * prime(b)).to_be_bytes();
            move |f: &mut CertificateFacts| f.key.as_mut().unwrap().modulus = modulus.clone()
        };
        let all = vec![
            shown(15, 1, key(569, 875)),
            shown(21, 2, key(569, 629)),
            shown(143, 3, key(975, 1695)),
            // The same modulus in another certificate, with another exponent.
            shown(144, 4, key(975, 1695)),
        ];
        let got = found(all, by_mac);
        assert_eq!(
            got.iter().map(|g| (g.0, g.1)).collect::<Vec<_>>(),
            [1, 2].map(|n| { ("certificate-shared-prime", Addr::v4([10, 0, 0, n])) })
        );
    }

    #[test]
    fn two_damaged_copies_share_no_prime() {
        let copy = |host: u8, bit: usize| {
            let mut modulus = crate::fingerprint::x509::builder::modulus(7, 256);
            modulus[255 - bit / 8] ^= 1 << (bit % 8);
            shown(host, host, move |f| f.key.as_mut().unwrap().modulus = modulus.into())
        };
        let all: Vec<_> = (1..200).map(|n| copy(n, usize::from(n) * 9 + 1)).collect();
        assert_eq!(found(all, by_mac), []);
    }

    #[test]
    fn all_devices_with_a_key_are_counted_and_told() {
        let mut keys = CertificateKeys::default();
        let device = |n: u32| {
            let [_, a, b, c] = n.to_be_bytes();
            Shown { host: Party { ip: Addr::v4([10, a, b, c]), mac: Mac([2, 0, 0, a, b, c]) }, ..shown(15, 1, |_| ()) }
        };
        (0..20_000).rev().for_each(|n| keys.shown(&HomeNet::default(), &device(n)));
        let mut got = Vec::new();
        let primes = keys.shared_primes(&HomeNet::default());
        keys.finish(&HomeNet::default(), primes, by_mac, &mut |s| got.push((s.device.ip, s.evidence)));
        assert_eq!((got.len(), keys.take_dropped()), (20_000, 0));
        assert_eq!((got[0].0, got[19_999].0), (Addr::v4([10, 0, 0, 0]), Addr::v4([10, 0, 78, 31])));
        let want = "CN=d1: one key on 20000 devices: 10.0.0.0 (port 443), 10.0.0.1 (port 443), 10.0.0.2 (port 443), 10.0.0.3 (port 443), 10.0.0.4 (port 443), 10.0.0.5 (port 443), 10.0.0.6 (port 443), 10.0.0.7 (port 443) and 19992 more";
        assert!(got.iter().all(|(_, evidence)| evidence == want), "{}", got[0].1);
        // Without room for all of them it says so.
        let mut keys = CertificateKeys::within(Room::for_memory(0));
        let room = Room::for_memory(0).of(limits::CERTIFICATES_KEPT_MAX) as u32;
        (0..room + 10).for_each(|n| keys.shown(&HomeNet::default(), &device(n)));
        let mut got = Vec::new();
        let primes = keys.shared_primes(&HomeNet::default());
        keys.finish(&HomeNet::default(), primes, by_mac, &mut |s| got.push(s.evidence));
        // The key and its serial number take a place each.
        assert_eq!((got.len(), keys.take_dropped()), (room as usize - 2, 12));
        assert!(got[0].starts_with(&format!("CN=d1: one key on at least {} devices: ", room - 2)), "{}", got[0]);
    }

    #[test]
    fn twice_the_devices_take_twice_the_time() {
        let make = |count: u32| -> Vec<Shown> {
            let party = |n: u32| {
                let [_, a, b, c] = n.to_be_bytes();
                Party { ip: Addr::v4([10, a, b, c]), mac: Mac([2, 0, 0, a, b, c]) }
            };
            let one = shown(15, 1, |_| ());
            (0..count).map(|n| Shown { host: party(n), ..one.clone() }).collect()
        };
        let work = |all: &Vec<Shown>| assert_eq!(found(all.clone(), by_mac).len(), all.len());
        grows_evenly("devices with one key", 2000, |n| make(n as u32), work);
    }

    #[test]
    fn memory_is_bounded() {
        let mut keys = CertificateKeys::default();
        let home = HomeNet::default();
        let numbers = (1..=255).map(|last| -> Box<[u8]> { [&[0x80][..], &[0; 2046], &[last]].concat().into() });
        let odd = numbers.into_iter().find(|n| primes::may_be_modulus(n)).unwrap();
        for n in 0..limits::CERTIFICATES_KEPT_MAX {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            let change = |f: &mut CertificateFacts| {
                f.serial = Some(n.to_string());
                f.key.as_mut().unwrap().spki_sha256 = hash;
                f.key.as_mut().unwrap().modulus = odd.clone();
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

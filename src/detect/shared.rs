//! The same password on several devices: whoever gets hold of one has them all.

use std::collections::BTreeMap;

use super::guessing::Attempt;
use super::sighting::{Party, Sighting};
use crate::base::{Addr, Timestamp, limits};
use crate::policy::HomeNet;

/// Devices that evidence names.
const DEVICES_SHOWN: usize = 8;

/// Time within which a proxy passes a login on.
const RELAY_NS: i64 = 10_000_000_000;

/// What is remembered of one password at one server.
#[derive(Debug)]
struct Uses {
    first: Attempt,
    /// The earliest: when, from where, and for which user.
    all: Vec<(Timestamp, Addr, u64)>,
}

impl Uses {
    const fn new(first: Attempt) -> Self {
        Self { first, all: Vec::new() }
    }

    /// Takes another use; the result does not depend on the order.
    fn add(&mut self, a: &Attempt) {
        let first = &self.first;
        if (a.ts, a.capture, a.packet) < (first.ts, first.capture, first.packet) {
            self.first = *a;
        }
        let used = (a.ts, a.client.ip, a.user);
        if let Err(place) = self.all.binary_search(&used) {
            self.all.insert(place, used);
            self.all.truncate(limits::SHARED_SECRET_USES_MAX);
        }
    }

    /// Whether this server is a proxy that passed the login on to the other one: the same user and
    /// password left it within seconds.
    fn passed_on_to(&self, other: &Self) -> bool {
        let proxy = self.first.server.ip;
        let mut onward = other.all.iter().filter(|b| b.1 == proxy);
        onward.any(|b| self.all.iter().any(|a| a.2 == b.2 && b.0.since(a.0).abs() <= RELAY_NS))
    }
}

/// Remembers at which servers each password was used.
#[derive(Debug, Default)]
pub struct SharedSecrets {
    seen: BTreeMap<[u8; 16], BTreeMap<Party, Uses>>,
    dropped: u64,
}

impl SharedSecrets {
    /// Takes a login. What was refused is no password of the server; a server outside is not ours to
    /// judge, and several of one provider share their accounts.
    pub fn attempt(&mut self, home: &HomeNet, attempt: &Attempt) {
        let Some(tag) = attempt.secret else { return };
        if !attempt.own || attempt.success == Some(false) || !home.is_home(attempt.server.ip) {
            return;
        }
        if self.seen.len() >= limits::SHARED_SECRETS_MAX && !self.seen.contains_key(&tag) {
            self.dropped += 1;
            return;
        }
        let servers = self.seen.entry(tag).or_default();
        if servers.len() >= limits::SHARED_SECRET_SERVERS_MAX && !servers.contains_key(&attempt.server) {
            self.dropped += 1;
            return;
        }
        servers.entry(attempt.server).or_insert_with(|| Uses::new(*attempt)).add(attempt);
    }

    /// What was found in the whole run, one sighting for each device. `device_of` tells which device a
    /// server is: one with two addresses shares nothing with itself.
    pub fn finish(&mut self, device_of: impl Fn(&Attempt) -> Option<String>, add: &mut dyn FnMut(Sighting)) {
        for servers in std::mem::take(&mut self.seen).into_values() {
            let mut devices: BTreeMap<String, Attempt> = BTreeMap::new();
            let own = servers.values().filter(|s| !servers.values().any(|other| s.passed_on_to(other)));
            for attempt in own.map(|uses| uses.first) {
                let name = device_of(&attempt).unwrap_or_else(|| attempt.server.ip.to_string());
                devices.entry(name).or_insert(attempt);
            }
            if devices.len() < 2 {
                continue;
            }
            let mut shown: Vec<_> = devices.values().map(|a| (a.server.ip, a.service)).collect();
            shown.sort_unstable();
            let list: Vec<_> =
                shown.iter().take(DEVICES_SHOWN).map(|(ip, service)| format!("{ip} ({service})")).collect();
            let more = if shown.len() > DEVICES_SHOWN { " ..." } else { "" };
            for attempt in devices.values() {
                let evidence = format!("one password for {} devices: {}{more}", devices.len(), list.join(", "));
                let mut sighting = attempt.sighting("shared-secret", evidence);
                sighting.device = attempt.server;
                sighting.peer = None;
                add(sighting);
            }
        }
    }

    /// Logins that were not looked at because too many secrets or servers are remembered.
    pub const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use crate::proto::api::SecretKind;

    fn login(secret: u8, server: u8, n: u64) -> Attempt {
        let party = |last| Party { ip: Addr::v4([10, 0, 0, last]), mac: Mac([2, 0, 0, 0, 0, last]) };
        Attempt {
            ts: Timestamp(n as i64),
            packet: n,
            capture: 0,
            flow_id: n as i64,
            client: party(9),
            server: party(server),
            port: 21,
            service: "ftp",
            user: 1,
            secret: Some([secret; 16]),
            kind: SecretKind::Password,
            own: true,
            success: Some(true),
        }
    }

    fn found(logins: &[Attempt], device_of: impl Fn(&Attempt) -> Option<String>) -> Vec<Sighting> {
        let mut shared = SharedSecrets::default();
        logins.iter().for_each(|a| shared.attempt(&HomeNet::default(), a));
        let mut all = Vec::new();
        shared.finish(device_of, &mut |s| all.push(s));
        all
    }

    #[test]
    fn a_password_of_two_devices_is_told_of_each() {
        let all = found(&[login(1, 5, 1), login(1, 6, 2), login(1, 5, 3), login(2, 7, 4)], |_| None);
        assert_eq!(all.len(), 2);
        assert_eq!(
            all.iter().map(|s| (s.rule, s.packet)).collect::<Vec<_>>(),
            [("shared-secret", 1), ("shared-secret", 2)]
        );
        assert_eq!(all[0].evidence, "one password for 2 devices: 10.0.0.5 (ftp), 10.0.0.6 (ftp)");
        assert!(all.iter().all(|s| s.peer.is_none()));
        assert!(crate::signature::RuleSet::builtin().get("shared-secret").is_some());
    }

    #[test]
    fn what_only_looks_shared_is_not_told() {
        assert!(found(&[login(1, 5, 1), login(2, 6, 2)], |_| None).is_empty(), "two passwords");
        let one = |_: &Attempt| Some(String::from("02:00:00:00:00:05"));
        assert!(found(&[login(1, 5, 1), login(1, 6, 2)], one).is_empty(), "one device with two addresses");
        let but = |change: fn(&mut Attempt)| {
            let mut second = login(1, 6, 2);
            change(&mut second);
            found(&[login(1, 5, 1), second], |_| None)
        };
        assert!(but(|a| a.success = Some(false)).is_empty(), "refused");
        assert!(but(|a| a.own = false).is_empty(), "anonymous, in a file, a token, too short");
        assert!(but(|a| a.secret = None).is_empty());
        assert!(but(|a| a.server.ip = Addr::v4([8, 8, 8, 8])).is_empty(), "outside");
        assert_eq!(but(|a| a.success = None).len(), 2, "the answer was not seen");
    }

    #[test]
    fn a_proxy_that_passes_a_login_on_shares_nothing() {
        let seconds = |n: i64| Timestamp(n * 1_000_000_000);
        let from = |server: u8, client: u8, at: i64| {
            let client = Party { ip: Addr::v4([10, 0, 0, client]), mac: Mac::ZERO };
            Attempt { ts: seconds(at), client, ..login(1, server, at as u64) }
        };
        // Host 5 is asked by host 9, and asks host 6 with the same login.
        let (asked, asks) = (from(5, 9, 10), from(6, 5, 11));
        for order in [[asked, asks], [asks, asked]] {
            assert!(found(&order, |_| None).is_empty());
        }
        assert_eq!(found(&[asked, Attempt { user: 2, ..asks }], |_| None).len(), 2, "another user");
        assert_eq!(found(&[asked, from(6, 5, 100)], |_| None).len(), 2, "long after");
        let both = found(&[asked, asks, from(7, 5, 12)], |_| None);
        assert_eq!(both.iter().map(|s| s.device.ip).collect::<Vec<_>>(), [6, 7].map(|n| Addr::v4([10, 0, 0, n])));
    }

    #[test]
    fn memory_is_bounded() {
        let mut shared = SharedSecrets::default();
        for n in 0..u64::try_from(limits::SHARED_SECRETS_MAX).unwrap() + 5 {
            let tag = u128::from(n).to_le_bytes();
            shared.attempt(&HomeNet::default(), &Attempt { secret: Some(tag), ..login(1, 5, n) });
        }
        for server in 0..=255 {
            shared.attempt(&HomeNet::default(), &Attempt { secret: Some([0; 16]), ..login(1, server, 1) });
        }
        assert_eq!(shared.seen.len(), limits::SHARED_SECRETS_MAX);
        assert!(shared.seen.values().all(|s| s.len() <= limits::SHARED_SECRET_SERVERS_MAX));
        assert!(shared.take_dropped() > 200);
    }
}

//! The same password on several devices: whoever gets hold of one has them all.

use std::collections::BTreeMap;

use super::guessing::Attempt;
use super::sighting::{Party, Sighting};
use crate::base::limits;
use crate::policy::HomeNet;
use crate::proto::api::SecretKind;

/// Devices that evidence names.
const DEVICES_SHOWN: usize = 8;

/// Remembers at which servers each password was used.
#[derive(Debug, Default)]
pub struct SharedSecrets {
    seen: BTreeMap<[u8; 16], BTreeMap<Party, Attempt>>,
    dropped: u64,
}

impl SharedSecrets {
    /// Takes a login. What was refused is no password of the server; a server outside is not ours to
    /// judge, and several of one provider share their accounts.
    pub fn attempt(&mut self, home: &HomeNet, attempt: &Attempt) {
        let Some(tag) = attempt.secret else { return };
        if attempt.kind != SecretKind::Password || attempt.success == Some(false) || !home.is_home(attempt.server.ip) {
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
        let first = servers.entry(attempt.server).or_insert(*attempt);
        if (attempt.ts, attempt.capture, attempt.packet) < (first.ts, first.capture, first.packet) {
            *first = *attempt;
        }
    }

    /// What was found in the whole run, one sighting for each device. `device_of` tells which device a
    /// server is: one with two addresses shares nothing with itself.
    pub fn finish(
        &mut self,
        home: &HomeNet,
        device_of: impl Fn(&Attempt) -> Option<String>,
        add: &mut dyn FnMut(Sighting),
    ) {
        for servers in std::mem::take(&mut self.seen).into_values() {
            let mut devices: BTreeMap<String, Attempt> = BTreeMap::new();
            for attempt in servers.into_values() {
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
                let mut sighting = attempt.sighting("shared-secret", home, evidence);
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
    use crate::base::{Addr, Mac, Timestamp};

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
            success: Some(true),
        }
    }

    fn found(logins: &[Attempt], device_of: impl Fn(&Attempt) -> Option<String>) -> Vec<Sighting> {
        let mut shared = SharedSecrets::default();
        logins.iter().for_each(|a| shared.attempt(&HomeNet::default(), a));
        let mut all = Vec::new();
        shared.finish(&HomeNet::default(), device_of, &mut |s| all.push(s));
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
        assert!(but(|a| a.kind = SecretKind::Community).is_empty());
        assert!(but(|a| a.secret = None).is_empty());
        assert!(but(|a| a.server.ip = Addr::v4([8, 8, 8, 8])).is_empty(), "outside");
        assert_eq!(but(|a| a.success = None).len(), 2, "the answer was not seen");
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

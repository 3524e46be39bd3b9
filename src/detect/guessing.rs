//! Guessing: many failed logins from one client, or one password tried everywhere, and services that
//! answer guesses as fast as they come.
//!
//! A guess is a user name with a password. The same one over and over is no guessing but a device
//! with an old password in its settings; of answers to challenges the password is not known, so each
//! counts, and more of them are needed.
//!
//! Attempts of one client at one service must be fed in the order of their times; what comes out does
//! not depend on the order of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::sighting::{Party, Sighting, WEIGHT};
use crate::base::{Addr, Timestamp, limits};
use crate::proto::api::SecretKind;

/// Time within which guesses count together.
const WINDOW_NS: i64 = 300_000_000_000;
/// Different guesses that were refused, within the window, that are guessing.
const REFUSED_MIN: usize = 10;
/// Different passwords among them; fewer are spraying, or somebody who forgot theirs.
const PASSWORDS_MIN: usize = 5;
/// Refused answers to challenges, whose passwords are not known, that are guessing.
const ANSWERS_MIN: usize = 30;
/// Different passwords for one user, their answers not seen, that are guessing.
const UNANSWERED_MIN: usize = 20;
/// Time within which slow guesses count together.
const SLOW_WINDOW_NS: i64 = 3_600_000_000_000;
/// Different guesses that were refused, within that, that are guessing.
const SLOW_MIN: usize = 30;
/// And how many there are for each user at least: many people behind one address have few each.
const SLOW_GUESSES_PER_USER_MIN: usize = 3;
/// Users for whom few passwords are tried that are spraying.
const SPRAYED_USERS_MIN: usize = 8;
/// The few passwords.
const SPRAYED_PASSWORDS_MAX: usize = 3;
/// Servers at which one password is refused that are spraying.
const SPRAYED_SERVERS_MIN: usize = 5;
/// Refused logins within [`FAST_NS`] that show that nothing slows them down.
const FAST_MIN: usize = 20;
/// A second and a half for each of them: what a service that delays answers takes longer for.
const FAST_NS: i64 = 30_000_000_000;

/// A login that was tried: owned, without the secret.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// When the secret was sent.
    pub ts: Timestamp,
    /// Packet that carried it, in its capture.
    pub packet: u64,
    /// Capture.
    pub capture: u32,
    /// Flow.
    pub flow_id: i64,
    /// Who logs in.
    pub client: Party,
    /// Where.
    pub server: Party,
    /// Port of the server.
    pub port: u16,
    /// Protocol.
    pub service: &'static str,
    /// Hash of the user name.
    pub user: u64,
    /// Keyed hash of the secret, where there was one.
    pub secret: Option<[u8; 16]>,
    /// What sort of secret it is.
    pub kind: SecretKind,
    /// Whether it is a password that the server has for itself: what `shared-secret` is about.
    pub own: bool,
    /// What the answer was.
    pub success: Option<bool>,
}

impl Attempt {
    /// A sighting at this attempt, about the server: it is the one that guesses are aimed at.
    pub fn sighting(&self, rule: &'static str, evidence: String) -> Sighting {
        let (device, peer) = (self.server, self.client);
        Sighting {
            rule,
            device,
            peer: Some(peer),
            port: self.port,
            peer_name: None,
            service: self.service.into(),
            flow_id: self.flow_id,
            capture: self.capture,
            packet: self.packet,
            ts: self.ts,
            evidence,
            detail: "".into(),
            weight: WEIGHT,
        }
    }

    /// The password as a number that is equal for equal ones; for an answer to a challenge its place,
    /// because the password behind it is not known.
    fn password(&self) -> u128 {
        match (self.kind, self.secret) {
            (SecretKind::ChallengeResponse, _) | (_, None) => {
                u128::from(self.packet) << 64 | u128::from(self.flow_id as u64)
            }
            (_, Some(tag)) => u128::from_le_bytes(tag),
        }
    }
}

/// A failed login that is remembered.
#[derive(Debug, Clone, Copy)]
struct Failed {
    ts: Timestamp,
    user: u64,
    password: u128,
    refused: bool,
    blind: bool,
}

/// Where something was seen first, and how often it was by then.
#[derive(Debug, Clone, Copy)]
struct Found {
    at: Attempt,
    guesses: usize,
    users: usize,
    seconds: i64,
}

/// One client at one service of one server.
#[derive(Debug, Default)]
struct Pair {
    failed: VecDeque<Failed>,
    fast: VecDeque<Timestamp>,
    /// Different guesses of the last hour: first time, user, password. [`SLOW_MIN`] at most.
    slow: VecDeque<(Timestamp, u64, u128)>,
    failures: u64,
    guessing: Option<Found>,
    spraying: Option<Found>,
    entered: Option<Attempt>,
    unthrottled: Option<Found>,
}

type PairKey = (Party, Addr, u16, &'static str);

/// What one client tried at many servers: user, password, server.
#[derive(Debug, Default)]
struct Client {
    failed: VecDeque<(Timestamp, u64, u128, Addr)>,
    spraying: Option<Found>,
}

/// Remembers failed logins.
#[derive(Debug, Default)]
pub struct GuessingJudge {
    pairs: BTreeMap<PairKey, Pair>,
    clients: BTreeMap<(Addr, &'static str), Client>,
    dropped: u64,
}

impl GuessingJudge {
    /// Takes a login that was tried.
    pub fn attempt(&mut self, attempt: &Attempt) {
        let key = (attempt.server, attempt.client.ip, attempt.port, attempt.service);
        // Whoever never failed needs no memory.
        let failed = attempt.success != Some(true);
        if !self.pairs.contains_key(&key) && (!failed || self.pairs.len() >= limits::GUESSING_PAIRS_MAX) {
            self.dropped += u64::from(failed);
            return;
        }
        self.pairs.entry(key).or_default().attempt(attempt);
        if attempt.success == Some(false) && attempt.kind == SecretKind::Password {
            let key = (attempt.client.ip, attempt.service);
            if self.clients.contains_key(&key) || self.clients.len() < limits::GUESSING_PAIRS_MAX {
                self.clients.entry(key).or_default().refused(attempt);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// What was found in the whole run.
    pub fn finish(&mut self, add: &mut dyn FnMut(Sighting)) {
        for pair in std::mem::take(&mut self.pairs).into_values() {
            pair.tell(add);
        }
        for client in std::mem::take(&mut self.clients).into_values() {
            let Some(found) = client.spraying else { continue };
            let evidence = format!(
                "one password for {} user(s) refused at {} servers within {} s ({})",
                found.users, found.guesses, found.seconds, found.at.service
            );
            let mut sighting = found.at.sighting("password-spraying", evidence);
            sighting.device = found.at.client;
            sighting.peer = None;
            add(sighting);
        }
    }

    /// Attempts that were not looked at because too many clients are remembered.
    pub const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

/// How many different values there are.
fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<BTreeSet<_>>().len()
}

/// Whole seconds between two times, one at least.
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    (to.since(from) / 1_000_000_000).max(1)
}

impl Pair {
    fn attempt(&mut self, a: &Attempt) {
        self.failed.retain(|f| a.ts.since(f.ts) <= WINDOW_NS);
        if a.success == Some(true) {
            if self.guessing.is_some_and(|g| {
                a.ts.since(g.at.ts) <= WINDOW_NS || self.failed.len() >= REFUSED_MIN || self.slow.len() >= SLOW_MIN
            }) {
                self.entered.get_or_insert(*a);
            }
            self.failed.clear();
            self.slow.clear();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let refused = a.success == Some(false);
        if refused {
            self.fast.push_back(a.ts);
            if self.fast.len() > FAST_MIN {
                self.fast.pop_front();
            }
        }
        // An agent says nothing to a community that it does not know (RFC 3584, section 5.2.1).
        let silent = a.kind == SecretKind::Community && a.success.is_none();
        if self.failed.len() >= limits::GUESSING_ATTEMPTS_MAX {
            self.failed.pop_front();
        }
        let blind = a.kind == SecretKind::ChallengeResponse || a.secret.is_none();
        let (user, password) = (a.user, a.password());
        self.failed.push_back(Failed { ts: a.ts, user, password, refused: refused || silent, blind });
        self.look(a);
        if (refused || silent) && !blind {
            self.look_back(a, (user, password));
        }
    }

    /// Looks at the last hour: guesses that come slowly, so that nothing is locked.
    fn look_back(&mut self, a: &Attempt, guess: (u64, u128)) {
        self.slow.retain(|s| a.ts.since(s.0) <= SLOW_WINDOW_NS);
        if self.slow.iter().any(|s| (s.1, s.2) == guess) {
            return;
        }
        if self.slow.len() >= SLOW_MIN {
            self.slow.pop_front();
        }
        self.slow.push_back((a.ts, guess.0, guess.1));
        if self.slow.len() < SLOW_MIN || self.guessing.is_some() || self.spraying.is_some() {
            return;
        }
        let users = distinct(self.slow.iter().map(|s| s.1));
        let from = self.slow.front().map_or(a.ts, |s| s.0);
        if self.slow.len() >= users * SLOW_GUESSES_PER_USER_MIN {
            let guesses = self.slow.len();
            self.guessing = Some(Found { at: *a, guesses, users, seconds: seconds(from, a.ts) });
        }
    }

    /// Looks at what is remembered, after another failed login.
    fn look(&mut self, a: &Attempt) {
        let first = self.failed.front().map_or(a.ts, |f| f.ts);
        let of = |guesses, users, from| Found { at: *a, guesses, users, seconds: seconds(from, a.ts) };
        if self.guessing.is_none() && self.spraying.is_none() && self.failed.len() >= SPRAYED_USERS_MIN {
            let refused = || self.failed.iter().filter(|f| f.refused);
            let clear = || refused().filter(|f| !f.blind);
            let guesses = distinct(clear().map(|f| (f.user, f.password)));
            let passwords = distinct(clear().map(|f| f.password));
            let users = distinct(refused().map(|f| f.user));
            let answers = refused().filter(|f| f.blind).count();
            let unanswered = distinct(self.failed.iter().filter(|f| !f.blind && f.user == a.user).map(|f| f.password));
            let found = of(guesses.max(answers).max(unanswered), users.max(1), first);
            let many = guesses >= REFUSED_MIN && passwords >= PASSWORDS_MIN;
            if many || answers >= ANSWERS_MIN || unanswered >= UNANSWERED_MIN {
                self.guessing.get_or_insert(found);
            }
            let sprayed = distinct(clear().map(|f| f.user));
            if sprayed >= SPRAYED_USERS_MIN && passwords <= SPRAYED_PASSWORDS_MAX {
                self.spraying.get_or_insert(Found { users: sprayed, guesses: passwords, ..found });
            }
        }
        if self.unthrottled.is_none()
            && self.fast.len() >= FAST_MIN
            && let Some(from) = self.fast.front().copied().filter(|t| a.ts.since(*t) <= FAST_NS)
        {
            self.unthrottled = Some(of(self.fast.len(), 1, from));
        }
    }

    fn tell(self, add: &mut dyn FnMut(Sighting)) {
        let service = |a: &Attempt| a.service;
        if let Some(found) = &self.guessing {
            let evidence = format!(
                "{} different guesses for {} user(s) within {} s, {} failed logins in all ({})",
                found.guesses,
                found.users,
                found.seconds,
                self.failures,
                service(&found.at)
            );
            add(found.at.sighting("brute-force", evidence));
        }
        if let Some(entered) = &self.entered {
            let evidence = format!("a login was accepted after {} failed ones ({})", self.failures, service(entered));
            add(entered.sighting("brute-force-succeeded", evidence));
        }
        if let Some(found) = &self.spraying {
            let evidence = format!(
                "{} password(s) tried for {} users within {} s ({})",
                found.guesses,
                found.users,
                found.seconds,
                service(&found.at)
            );
            add(found.at.sighting("password-spraying", evidence));
        }
        if let Some(found) = &self.unthrottled {
            let evidence =
                format!("{} logins refused within {} s ({})", found.guesses, found.seconds, service(&found.at));
            add(found.at.sighting("no-login-throttling", evidence));
        }
    }
}

impl Client {
    fn refused(&mut self, a: &Attempt) {
        if self.spraying.is_some() {
            return;
        }
        self.failed.retain(|f| a.ts.since(f.0) <= WINDOW_NS);
        if self.failed.len() >= limits::GUESSING_ATTEMPTS_MAX {
            self.failed.pop_front();
        }
        let password = a.password();
        self.failed.push_back((a.ts, a.user, password, a.server.ip));
        let same = || self.failed.iter().filter(|f| f.2 == password);
        let servers = distinct(same().map(|f| f.3));
        let users = distinct(same().map(|f| f.1));
        // All users of one server are told of by that server's own finding.
        if servers >= SPRAYED_SERVERS_MIN || (servers > 1 && users >= SPRAYED_USERS_MIN) {
            let from = same().map(|f| f.0).min().unwrap_or(a.ts);
            self.spraying = Some(Found { at: *a, guesses: servers, users, seconds: seconds(from, a.ts) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use crate::signature::rules::RuleSet;

    fn party(last: u8) -> Party {
        Party { ip: Addr::v4([10, 0, 0, last]), mac: Mac([2, 0, 0, 0, 0, last]) }
    }

    /// A refused login of user 1 at a printer, with password `n`, `n` seconds after midnight.
    fn refused(n: u64) -> Attempt {
        Attempt {
            ts: Timestamp(n as i64 * 1_000_000_000),
            packet: n + 1,
            capture: 0,
            flow_id: n as i64 + 100,
            client: party(9),
            server: party(5),
            port: 23,
            service: "telnet",
            user: 1,
            secret: Some([n as u8; 16]),
            kind: SecretKind::Password,
            own: true,
            success: Some(false),
        }
    }

    fn found(attempts: impl IntoIterator<Item = Attempt>) -> Vec<Sighting> {
        let mut judge = GuessingJudge::default();
        attempts.into_iter().for_each(|a| judge.attempt(&a));
        let mut all = Vec::new();
        judge.finish(&mut |s| all.push(s));
        assert!(all.iter().all(|s| RuleSet::builtin().get(s.rule).is_some()), "{all:?}");
        all
    }

    fn rules(attempts: impl IntoIterator<Item = Attempt>) -> Vec<&'static str> {
        found(attempts).iter().map(|s| s.rule).collect()
    }

    #[test]
    fn many_different_passwords_are_guessing_and_the_same_one_is_not() {
        let all = found((0..12).map(refused));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].rule, all[0].packet), ("brute-force", 10), "the packet with which it was certain");
        assert_eq!(all[0].evidence, "10 different guesses for 1 user(s) within 9 s, 12 failed logins in all (telnet)");
        assert_eq!((all[0].device, all[0].peer), (party(5), Some(party(9))));
        assert_eq!(rules((0..9).map(refused)), [""; 0], "nine are too few");
        let same = |n: u64| Attempt { secret: Some([7; 16]), ..refused(n) };
        assert_eq!(rules((0..200).map(|n| same(n * 2))), [""; 0], "an old password in some settings");
        assert_eq!(rules((0..29).map(|n| refused(n * 60))), [""; 0], "one each minute, not for long");
    }

    #[test]
    fn a_login_after_guessing_is_told_apart() {
        let entered = |n: u64| Attempt { success: Some(true), ..refused(n) };
        let all = found((0..12).map(refused).chain([entered(13)]));
        assert_eq!(all.iter().map(|s| s.rule).collect::<Vec<_>>(), ["brute-force", "brute-force-succeeded"]);
        assert_eq!(all[1].packet, 14);
        assert_eq!(
            rules((0..5).map(refused).chain([entered(6)]).chain((7..12).map(refused))),
            [""; 0],
            "a forgotten one"
        );
        assert_eq!(rules([entered(1)]), [""; 0]);
        assert_eq!(rules((0..12).map(refused).chain([entered(900)])), ["brute-force"], "a quarter of an hour later");
    }

    #[test]
    fn slow_guessing_is_seen_over_an_hour() {
        let all = found((0..60).map(|n| refused(n * 120)));
        assert_eq!(all.iter().map(|s| s.rule).collect::<Vec<_>>(), ["brute-force"]);
        assert!(all[0].evidence.starts_with("30 different guesses for 1 user(s) within 3480 s"), "{}", all[0].evidence);
        assert_eq!(rules((0..60).map(|n| refused(n * 150))), [""; 0], "fewer than thirty within any hour");
        let few = |n: u64| Attempt { secret: Some([(n % 20) as u8; 16]), ..refused(n * 90) };
        assert_eq!(rules((0..60).map(few)), [""; 0], "twenty passwords over and over");
        let people = |n: u64| Attempt { user: n / 2, ..refused(n * 90) };
        assert_eq!(rules((0..60).map(people)), [""; 0], "many people behind one address");
        let entered = Attempt { success: Some(true), ..refused(3_700) };
        assert_eq!(rules((0..31).map(|n| refused(n * 120)).chain([entered])), ["brute-force", "brute-force-succeeded"]);
    }

    #[test]
    fn answers_to_challenges_and_silence_count_later() {
        let answer = |n: u64| Attempt { kind: SecretKind::ChallengeResponse, ..refused(n * 2) };
        assert_eq!(rules((0..29).map(answer)), [""; 0]);
        assert_eq!(rules((0..30).map(answer)), ["brute-force"]);
        let unseen = |n: u64| Attempt { success: None, ..refused(n) };
        assert_eq!(rules((0..19).map(unseen)), [""; 0]);
        assert_eq!(rules((0..20).map(unseen)), ["brute-force"]);
        let people = |n: u64| Attempt { user: n, ..unseen(n) };
        assert_eq!(rules((0..60).map(people)), [""; 0], "many people behind one address");
        let community = |n: u64| Attempt { kind: SecretKind::Community, service: "snmp", ..unseen(n) };
        assert_eq!(rules((0..10).map(community)), ["brute-force"], "an agent does not answer a wrong community");
    }

    #[test]
    fn one_password_for_many_users_or_servers_is_spraying() {
        let user = |n: u64| Attempt { user: n, secret: Some([7; 16]), ..refused(n) };
        let all = found((0..12).map(user));
        assert_eq!((all.len(), all[0].rule), (1, "password-spraying"));
        assert_eq!(all[0].evidence, "1 password(s) tried for 8 users within 7 s (telnet)");
        assert_eq!(rules((0..7).map(user)), [""; 0]);
        let server = |n: u64| Attempt { server: party(20 + n as u8), secret: Some([7; 16]), ..refused(n) };
        let all = found((0..6).map(server));
        assert_eq!((all.len(), all[0].rule, all[0].device, all[0].peer), (1, "password-spraying", party(9), None));
        assert_eq!(rules((0..4).map(server)), [""; 0]);
        let each = |n: u64| Attempt { user: n, ..server(n) };
        let all = found((0..6).map(each));
        assert_eq!((all.len(), all[0].rule), (1, "password-spraying"), "another user at each server");
        assert_eq!(all[0].evidence, "one password for 5 user(s) refused at 5 servers within 4 s (telnet)");
        let few = |n: u64| Attempt { server: party(20 + (n % 2) as u8), ..each(n) };
        assert_eq!(rules((0..8).map(few)), ["password-spraying"], "eight users of two servers");
        assert_eq!(rules((0..7).map(few)), [""; 0]);
        let other = |n: u64| Attempt { secret: Some([n as u8; 16]), ..server(n) };
        assert_eq!(rules((0..30).map(other)), [""; 0], "another password at each");
    }

    #[test]
    fn a_service_that_answers_at_full_speed_has_no_brake() {
        let fast = |n: u64| Attempt { ts: Timestamp(n as i64 * 100_000_000), ..refused(n) };
        let all = found((0..20).map(fast));
        assert_eq!(all.iter().map(|s| s.rule).collect::<Vec<_>>(), ["brute-force", "no-login-throttling"]);
        assert_eq!(all[1].evidence, "20 logins refused within 1 s (telnet)");
        let slow = |n: u64| Attempt { ts: Timestamp(n as i64 * 3_000_000_000), ..refused(n) };
        assert_eq!(rules((0..40).map(slow)), ["brute-force"], "three seconds each");
        assert_eq!(rules((0..19).map(fast)), ["brute-force"]);
    }

    #[test]
    fn memory_and_time_are_bounded() {
        let mut judge = GuessingJudge::default();
        for n in 0..5_000_u64 {
            judge.attempt(&refused(n % 256));
        }
        assert!(judge.pairs.values().all(|p| p.failed.len() <= limits::GUESSING_ATTEMPTS_MAX));
        for n in 0..limits::GUESSING_PAIRS_MAX as u32 + 10 {
            let server = Party { ip: Addr::v4(n.to_be_bytes()), mac: Mac::ZERO };
            judge.attempt(&Attempt { server, ..refused(1) });
        }
        assert_eq!(judge.pairs.len(), limits::GUESSING_PAIRS_MAX);
        assert!(judge.take_dropped() >= 10);
    }

    #[test]
    fn what_is_found_does_not_depend_on_the_order_of_pairs() {
        let other = |n: u64| Attempt { server: party(6), ..refused(n) };
        let sort = |mut all: Vec<Sighting>| {
            all.sort_by_key(|s| (s.rule, s.device));
            format!("{all:?}")
        };
        let one = sort(found((0..30).flat_map(|n| [refused(n), other(n)])));
        let two = sort(found((0..30).map(other).chain((0..30).map(refused))));
        assert_eq!(one, two);
    }
}

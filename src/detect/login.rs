//! What a login shows besides its password: a factory default, a token or community in clear, an
//! answer that can be guessed offline, a login without a password.

use std::collections::HashMap;

use super::cleartext::{answer, clean_bytes, on_flow};
use super::sighting::{Party, Sighting, weight};
use crate::base::{Addr, Mac, hash, limits, secret::BLANK};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Login, SecretKind};
use crate::proto::proof::{Proof, Strength};
use crate::signature::defaults::{Defaults, Entry};
use crate::signature::oui;

/// Makers that evidence names.
const MAKERS_SHOWN: usize = 3;

/// Port that SNMP agents send their notifications to (RFC 3418).
const SNMP_NOTIFICATIONS: u16 = 162;

/// What the list of factory defaults says of a login.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Whether it is one; `None` where that could not be checked.
    pub is_default: Option<bool>,
    /// The entries that it is, the most telling first.
    entries: Vec<&'static Entry>,
}

/// What is remembered of the answers of one user at one service of one server.
#[derive(Debug, Clone, Copy, Default)]
struct Tested {
    answers: u8,
    /// An accepted answer fitted no known password: the ones after it are of the same password.
    settled: bool,
}

/// Holds logins against the list; one for each shard, so that its limits are hit by the same logins
/// whatever the number of threads.
#[derive(Debug)]
pub struct LoginJudge {
    list: &'static Defaults,
    /// What is left of [`limits::PROOF_WORK_MAX`].
    work: u64,
    tested: HashMap<(Addr, &'static str, u64), Tested>,
}

impl Default for LoginJudge {
    fn default() -> Self {
        Self::new(None)
    }
}

impl LoginJudge {
    /// With a list of factory default logins; `None` for the one that is compiled in.
    pub fn new(list: Option<&'static Defaults>) -> Self {
        let list = list.unwrap_or_else(Defaults::builtin);
        Self { list, work: limits::PROOF_WORK_MAX, tested: HashMap::new() }
    }

    /// Holds a login against the list.
    pub fn check(&mut self, cx: &Cx<'_>, protocol: &'static str, login: &Login<'_>) -> Verdict {
        let mac = cx.flow.resp_mac;
        match login.secret_kind {
            SecretKind::Token => Verdict::default(),
            SecretKind::Password | SecretKind::Community => {
                let Some(secret) = login.secret else { return Verdict::default() };
                if is_anonymous(protocol, login) {
                    return Verdict { is_default: Some(false), entries: Vec::new() };
                }
                let entries = self.list.find(protocol, login.username, secret.expose(), mac);
                Verdict { is_default: Some(!entries.is_empty()), entries: first_of(entries, mac) }
            }
            SecretKind::ChallengeResponse => match login.proof {
                Some(proof) => self.test(cx, protocol, login, &proof),
                None => Verdict::default(),
            },
        }
    }

    /// Tests an answer with the passwords that are known for its user.
    fn test(&mut self, cx: &Cx<'_>, protocol: &'static str, login: &Login<'_>, proof: &Proof<'_>) -> Verdict {
        let mac = cx.flow.resp_mac;
        let Some(work) = proof.work() else { return Verdict::default() };
        let known = Verdict { is_default: Some(false), entries: Vec::new() };
        let user = login.username.unwrap_or_default();
        let key = (cx.flow.resp_ip, protocol, hash::stable64(0, user));
        if self.tested.len() >= limits::PROOF_LOGINS_MAX && !self.tested.contains_key(&key) {
            self.tested.clear();
        }
        let tested = self.tested.entry(key).or_default();
        if tested.settled && login.success != Some(false) {
            return known;
        }
        let passwords = self.list.passwords(protocol, login.username, mac);
        let cost = u64::from(work) * passwords.len() as u64;
        if tested.answers >= limits::PROOF_TESTS_PER_LOGIN_MAX || cost > self.work {
            cx.limit_hit();
            return Verdict::default();
        }
        tested.answers += 1;
        self.work -= cost;
        let Some(password) = passwords.iter().find(|p| proof.fits(user, p)) else {
            tested.settled |= login.success == Some(true);
            return known;
        };
        let entries = self.list.find(protocol, login.username, password, mac);
        Verdict { is_default: Some(true), entries: first_of(entries, mac) }
    }
}

/// Puts the entry of the maker of the device's network address first, where there is one.
fn first_of(mut entries: Vec<&'static Entry>, mac: Mac) -> Vec<&'static Entry> {
    entries.sort_by_key(|e| !made_by(e, mac));
    entries
}

/// Whether the maker of a MAC is the one of an entry, by the first word of its name.
fn made_by(entry: &Entry, mac: Mac) -> bool {
    let word = entry.vendor.split([' ', '/']).next().unwrap_or_default().to_lowercase();
    word.len() > 1 && oui::lookup(mac).is_some_and(|maker| maker.to_lowercase().starts_with(&word))
}

/// Whether a login is one of HTTP, in either version.
pub(super) fn is_http(protocol: &str) -> bool {
    matches!(protocol, "http" | "http2")
}

/// Characters of a password below which that two devices have it says nothing.
const OWN_SECRET_MIN: usize = 4;

/// Whether a login shows a password that a server has for itself, so that it matters if another has
/// it too. What stands in a file of settings is the password of whatever the file is for, and that of
/// FTP's anonymous user is none.
pub fn is_own_secret(protocol: &str, login: &Login<'_>) -> bool {
    login.secret_kind == SecretKind::Password
        && login.mechanism != "provisioning"
        && !is_anonymous(protocol, login)
        && login.secret.is_some_and(|s| s.len() >= OWN_SECRET_MIN)
}

/// FTP's user for whom no password is needed.
fn is_anonymous(protocol: &str, login: &Login<'_>) -> bool {
    let user = login.username.unwrap_or_default();
    protocol == "ftp" && [&b"anonymous"[..], b"ftp"].iter().any(|a| user.eq_ignore_ascii_case(a))
}

/// Judges a login that was held against the list.
pub fn judge(
    home: &HomeNet,
    cx: &Cx<'_>,
    protocol: &'static str,
    login: &Login<'_>,
    verdict: &Verdict,
    out: &mut Vec<Sighting>,
) {
    let is_notification = login.secret_kind == SecretKind::Community && cx.flow.resp_port == SNMP_NOTIFICATIONS;
    let say = |rule: &'static str, evidence: String| {
        let mut sighting = on_flow(rule, home, cx.flow, protocol, (login.ts, login.packet), evidence);
        // Whoever sends notifications is the device; the manager only receives them.
        if is_notification {
            sighting.device = Party { ip: cx.flow.orig_ip, mac: cx.flow.orig_mac };
            sighting.peer = Some(Party { ip: cx.flow.resp_ip, mac: cx.flow.resp_mac });
        }
        sighting.weight = weight(login.success);
        sighting
    };
    let length = login.secret.map_or(0, |s| s.len());
    let (what, answer) = (format!("{} {}", who(login), told(login)), answer(protocol, login.success));
    let how = format!("{protocol} {}", login.mechanism);
    if is_notification {
        if length > 0 {
            let known = if verdict.entries.is_empty() { "" } else { ", a well-known one" };
            out.push(say("snmp-trap-community", format!("{what}{known}, in a notification ({how})")));
        }
        return;
    }
    if let Some(first) = verdict.entries.first() {
        let rule = match (login.secret_kind, login.success) {
            (SecretKind::Community, Some(true)) if first.may_write() => "snmp-default-community-accepted",
            (SecretKind::Community, _) => "snmp-default-community",
            (_, Some(true)) => "default-credentials-accepted",
            (_, None) => "default-credentials-attempted",
            (_, Some(false)) => "default-credentials-refused",
        };
        let makers = makers(&verdict.entries, cx.flow.resp_mac);
        out.push(say(rule, format!("{what} is a factory default ({makers}), {answer} ({how})")));
    }
    match login.secret_kind {
        SecretKind::Password => {
            let empty = login.secret.is_some_and(|s| s.is_empty()) && verdict.entries.is_empty();
            if empty && login.success == Some(true) && !is_anonymous(protocol, login) {
                out.push(say(
                    "empty-password-accepted",
                    format!("{} without a password, accepted ({how})", who(login)),
                ));
            }
        }
        SecretKind::Token if length > 0 => {
            out.push(say("cleartext-token", format!("{what}, {answer} ({how})")));
        }
        // A well-known one is a finding of its own, and a worse one.
        SecretKind::Community if length > 0 && verdict.entries.is_empty() => {
            out.push(say("snmp-community-cleartext", format!("{what}, {answer} ({how})")));
        }
        SecretKind::Token | SecretKind::Community => {}
        SecretKind::ChallengeResponse => {
            let rule = match strength(login) {
                Some(Strength::Broken) => "challenge-response-broken",
                Some(Strength::Guessable) => "challenge-response-observed",
                Some(Strength::Slow) | None => return,
            };
            out.push(say(rule, format!("{what}, {answer} ({how})")));
        }
    }
}

/// How much an answer protects its password; `None` where there was no answer.
fn strength(login: &Login<'_>) -> Option<Strength> {
    if let Some(proof) = &login.proof {
        return Some(proof.strength());
    }
    login.secret.filter(|s| !s.is_empty())?;
    let is = |words: &[&str]| words.iter().any(|w| login.mechanism.contains(w));
    Some(if is(&["scram", "srp", "kerberos", "gssapi", "spnego", "negotiate", "publickey", "certificate", "aes"]) {
        Strength::Slow
    } else if login.mechanism == "ntlm" || is(&["ntlmv1", "vnc", "ms-chap", "mschap"]) {
        Strength::Broken
    } else {
        Strength::Guessable
    })
}

fn who(login: &Login<'_>) -> String {
    match login.username.filter(|u| !u.is_empty()) {
        Some(user) => format!("USER {},", clean_bytes(user)),
        None if login.secret_kind == SecretKind::Community => String::from("SNMP"),
        None => String::from("no user name,"),
    }
}

fn told(login: &Login<'_>) -> String {
    let kind = match login.secret_kind {
        SecretKind::Password => "password",
        SecretKind::Token => "token",
        SecretKind::Community => "community",
        SecretKind::ChallengeResponse => return String::from("the password behind a challenge's answer"),
    };
    format!("{kind} of {} bytes {BLANK}", login.secret.map_or(0, |s| s.len()))
}

/// Whose default it is, in a few words.
fn makers(entries: &[&Entry], mac: Mac) -> String {
    let mut names: Vec<&str> = Vec::new();
    for entry in entries.iter().filter(|e| !e.is_generic()) {
        if !names.contains(&entry.vendor.as_str()) {
            names.push(&entry.vendor);
        }
    }
    let more = names.len().saturating_sub(MAKERS_SHOWN);
    let shown = names.get(..MAKERS_SHOWN).unwrap_or(&names).join(", ");
    let same =
        if entries.first().is_some_and(|e| made_by(e, mac)) { ", the maker of its network address first" } else { "" };
    match (names.is_empty(), more) {
        (true, _) => String::from("of many makers"),
        (false, 0) => format!("of {shown}{same}"),
        (false, n) => format!("of {shown} and {n} more{same}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::{Secret, Timestamp};
    use crate::proto::api::{FlowView, LimitCount};
    use crate::signature::rules::{RuleSet, Severity};

    fn login<'a>(user: &'a str, secret: &'a str, kind: SecretKind, success: Option<bool>) -> Login<'a> {
        Login {
            mechanism: "plain",
            username: (!user.is_empty()).then_some(user.as_bytes()),
            secret: Some(Secret::new(secret.as_bytes())),
            secret_kind: kind,
            success,
            ..Login::at((Timestamp(5), 9))
        }
    }

    fn judged(flow: &FlowView, protocol: &'static str, login: &Login<'_>) -> (Option<bool>, Vec<Sighting>) {
        let cx = Cx { ts: Timestamp(8), packet: 12, flow, limited: &LimitCount::default() };
        let verdict = LoginJudge::default().check(&cx, protocol, login);
        let mut out = Vec::new();
        judge(&HomeNet::default(), &cx, protocol, login, &verdict, &mut out);
        (verdict.is_default, out)
    }

    #[test]
    fn each_sort_of_login_has_its_rules_and_none_tells_the_secret() {
        use SecretKind::*;
        let flow = flow("10.0.0.9", "10.0.0.5");
        for (protocol, user, secret, kind, success, is_default, rules) in [
            ("http", "admin", "12345", Password, Some(true), Some(true), &["default-credentials-accepted"][..]),
            ("http", "admin", "12345", Password, None, Some(true), &["default-credentials-attempted"]),
            ("http", "admin", "12345", Password, Some(false), Some(true), &["default-credentials-refused"]),
            ("http", "admin", "Sample-Web-1", Password, Some(true), Some(false), &[]),
            ("telnet", "root", "", Password, Some(true), Some(true), &["default-credentials-accepted"]),
            ("telnet", "jo", "", Password, Some(true), Some(false), &["empty-password-accepted"]),
            ("telnet", "jo", "", Password, None, Some(false), &[]),
            ("ftp", "anonymous", "", Password, Some(true), Some(false), &[]),
            ("http", "", "0123456789abcdef", Token, None, None, &["cleartext-token"]),
            ("snmp", "", "public", Community, Some(true), Some(true), &["snmp-default-community"]),
            ("snmp", "", "private", Community, Some(true), Some(true), &["snmp-default-community-accepted"]),
            ("snmp", "", "private", Community, None, Some(true), &["snmp-default-community"]),
            ("snmp", "", "Sample-Snmp-1", Community, None, Some(false), &["snmp-community-cleartext"]),
        ] {
            let (default, out) = judged(&flow, protocol, &login(user, secret, kind, success));
            assert_eq!(default, is_default, "{protocol} {user} {secret}");
            assert_eq!(out.iter().map(|s| s.rule).collect::<Vec<_>>(), rules, "{protocol} {user} {secret}");
            let shown = secret.is_empty() || out.iter().all(|s| !s.evidence.contains(secret));
            assert!(shown, "{out:?}");
            assert!(out.iter().all(|s| RuleSet::builtin().get(s.rule).is_some()), "{out:?}");
        }
        let severity = |rule| RuleSet::builtin().get(rule).unwrap().severity;
        assert_eq!(severity("default-credentials-accepted"), Severity::Critical);
        assert_eq!(severity("default-credentials-attempted"), Severity::High);
    }

    #[test]
    fn evidence_names_makers_and_the_maker_of_the_device_first() {
        let mut flow = flow("10.0.0.9", "10.0.0.5");
        // A block of Hikvision's in the IEEE registry.
        flow.resp_mac = Mac([0x4c, 0xbd, 0x8f, 1, 2, 3]);
        assert!(oui::lookup(flow.resp_mac).unwrap().to_lowercase().contains("hikvision"));
        let (_, out) = judged(&flow, "http", &login("admin", "12345", SecretKind::Password, Some(true)));
        assert!(
            out[0].evidence.starts_with("USER admin, password of 5 bytes [blanked] is a factory default (of "),
            "{}",
            out[0].evidence
        );
        assert!(out[0].evidence.contains("Hikvision"), "{}", out[0].evidence);
        let (_, out) = judged(&flow, "mysql", &login("admin", "123456", SecretKind::Password, Some(true)));
        assert!(out[0].evidence.contains("(of many makers)"), "{}", out[0].evidence);
    }

    #[test]
    fn notifications_are_about_whoever_sends_them() {
        let mut flow = flow("10.0.0.9", "10.0.0.5");
        flow.resp_port = 162;
        let (_, out) = judged(&flow, "snmp", &login("", "public", SecretKind::Community, None));
        assert!(out.iter().all(|s| s.device.ip == flow.orig_ip && s.peer.unwrap().ip == flow.resp_ip));
        // It opens nothing at its sender, however well known.
        assert_eq!(out.iter().map(|s| s.rule).collect::<Vec<_>>(), ["snmp-trap-community"]);
        assert!(out[0].evidence.contains("a well-known one, in a notification"), "{}", out[0].evidence);
        assert_eq!(RuleSet::builtin().get("snmp-trap-community").unwrap().severity, Severity::Low);
    }

    #[test]
    fn only_a_servers_own_password_can_be_shared() {
        use SecretKind::*;
        for (protocol, user, secret, kind, own) in [
            ("ftp", "scan", "Sample-Own-1", Password, true),
            ("ftp", "anonymous", "me@example.org", Password, false),
            ("http", "admin", "abc", Password, false),
            ("http", "", "Sample-Own-1", Token, false),
            ("snmp", "", "public", Community, false),
        ] {
            assert_eq!(is_own_secret(protocol, &login(user, secret, kind, None)), own, "{protocol} {user}");
        }
        let file = Login { mechanism: "provisioning", ..login("2041", "Sample-Own-1", Password, None) };
        assert!(!is_own_secret("tftp", &file));
    }

    /// The answer of RFC 1939's APOP to a challenge, of user admin at an HTTP server that asks so.
    fn chap<'e>(id: u8, response: &'e [u8], success: Option<bool>) -> Login<'e> {
        Login {
            mechanism: "chap",
            username: Some(b"admin"),
            secret: Some(Secret::new(response)),
            secret_kind: SecretKind::ChallengeResponse,
            proof: Some(Proof::Chap { id, challenge: b"0123456789abcdef", response }),
            success,
            ..Login::at((Timestamp(5), 9))
        }
    }

    fn answer_of(id: u8, password: &[u8]) -> Vec<u8> {
        use md5::{Digest, Md5};
        Md5::new().chain_update([id]).chain_update(password).chain_update(b"0123456789abcdef").finalize().to_vec()
    }

    #[test]
    fn answers_are_recomputed_with_what_is_known() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let rules = |answer: &[u8], success| {
            let (default, out) = judged(&flow, "http", &chap(1, answer, success));
            (default, out.iter().map(|s| s.rule).collect::<Vec<_>>())
        };
        let (known, own) = (answer_of(1, b"12345"), answer_of(1, b"Sample-Chap-1"));
        assert_eq!(
            rules(&known, Some(true)),
            (Some(true), vec!["default-credentials-accepted", "challenge-response-observed"])
        );
        assert_eq!(rules(&own, Some(true)), (Some(false), vec!["challenge-response-observed"]));
        let vnc = Proof::Vnc { challenge: &[1; 16], response: &[2; 16] };
        let broken = Login { proof: Some(vnc), ..chap(1, &own, None) };
        assert_eq!(judged(&flow, "vnc", &broken).1[0].rule, "challenge-response-broken");
        let bare = |mechanism| judged(&flow, "smtp", &Login { proof: None, mechanism, ..chap(1, &own, None) });
        assert_eq!(bare("scram-sha-256").1.len(), 0);
        assert_eq!(bare("ntlm").1[0].rule, "challenge-response-broken");
        let (default, out) = bare("ntlmv2");
        assert_eq!((default, out[0].rule), (None, "challenge-response-observed"));
    }

    #[test]
    fn tests_of_answers_are_bounded_and_settled_ones_are_not_repeated() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let limited = LimitCount::default();
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &limited };
        let mut judge = LoginJudge::default();
        for n in 0..limits::PROOF_TESTS_PER_LOGIN_MAX {
            let answer = answer_of(n, b"Sample-Chap-1");
            assert_eq!(judge.check(&cx, "http", &chap(n, &answer, Some(false))).is_default, Some(false));
        }
        assert_eq!(limited.take(), 0);
        let work = judge.work;
        assert_eq!(judge.check(&cx, "http", &chap(1, &answer_of(1, b"12345"), None)).is_default, None);
        assert_eq!((limited.take(), judge.work), (1, work), "no work, and counted");
        let mut judge = LoginJudge::default();
        let answer = answer_of(1, b"Sample-Chap-1");
        judge.check(&cx, "http", &chap(1, &answer, Some(true)));
        let work = judge.work;
        assert!(work < limits::PROOF_WORK_MAX);
        assert_eq!(judge.check(&cx, "http", &chap(1, &answer, Some(true))).is_default, Some(false));
        assert_eq!(judge.work, work, "the password is known to be none of the list");
        assert_eq!(judge.check(&cx, "http", &chap(2, &answer_of(2, b"12345"), Some(false))).is_default, Some(true));
        judge.work = 5;
        assert_eq!(judge.check(&cx, "http", &chap(3, &answer_of(3, b"12345"), Some(false))).is_default, None);
        assert_eq!(limited.take(), 1);
        for n in 0..3 * limits::PROOF_LOGINS_MAX {
            let user = n.to_string();
            judge.check(&cx, "vnc", &Login { username: Some(user.as_bytes()), ..chap(1, &answer, None) });
        }
        assert!(judge.tested.len() <= limits::PROOF_LOGINS_MAX);
    }
}

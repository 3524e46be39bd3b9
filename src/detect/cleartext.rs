//! Logins and sessions that anybody on the path can read.

use std::borrow::Cow;

use super::login::is_http;
use super::sighting::{self, Party, Sighting};
use crate::base::{Addr, Timestamp, secret::BLANK};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, FlowView, Login, SecretKind};

/// Characters of a user name that evidence shows.
const NAME_CHARS: usize = 64;

/// Which end of a flow a finding about the service on it is about, and which is the other: the
/// server, unless it is outside and the client is not.
pub fn about_service(home: &HomeNet, flow: &FlowView) -> (Party, Party) {
    let orig = Party { ip: flow.orig_ip, mac: flow.orig_mac };
    let resp = Party { ip: flow.resp_ip, mac: flow.resp_mac };
    if home.is_home(flow.orig_ip) && !home.is_home(flow.resp_ip) { (orig, resp) } else { (resp, orig) }
}

/// Rules that say what the server does wrong: they are about it wherever it stands. A device inside
/// that uses an open server outside does not become one.
pub(super) const BLAMING_SERVER: [&str; 29] = [
    "adb-exposed",
    "brute-force",
    "brute-force-succeeded",
    "cassandra-no-login",
    "default-credentials-accepted",
    "default-credentials-attempted",
    "default-credentials-refused",
    "empty-password-accepted",
    "ftp-anonymous-login",
    "kerberos-no-preauth",
    "ldap-anonymous-bind",
    "memcached-no-login",
    "mongodb-no-login",
    "mqtt-no-login",
    "no-login-throttling",
    "ntp-control-open",
    "ntp-monlist",
    "password-spraying",
    "postgresql-no-login",
    "rcmd-trust",
    "redis-no-login",
    "rtsp-no-authentication",
    "sip-registration-without-login",
    "smb-guest-session",
    "smb-signing-not-required",
    "snmp-default-community",
    "snmp-default-community-accepted",
    "socks-open-proxy",
    "vnc-no-authentication",
];

/// Both ends of a flow, the server first: for a finding about what it does wrong.
pub const fn about_server(flow: &FlowView) -> (Party, Party) {
    let orig = Party { ip: flow.orig_ip, mac: flow.orig_mac };
    let resp = Party { ip: flow.resp_ip, mac: flow.resp_mac };
    (resp, orig)
}

/// A sighting on a flow, at a packet. `packet` is the number in the flow's capture.
pub fn on_flow(
    rule: &'static str,
    home: &HomeNet,
    flow: &FlowView,
    service: &'static str,
    (ts, packet): (Timestamp, u64),
    evidence: String,
) -> Sighting {
    let (device, peer) = if BLAMING_SERVER.contains(&rule) { about_server(flow) } else { about_service(home, flow) };
    Sighting {
        rule,
        device,
        peer: Some(peer),
        port: flow.resp_port,
        peer_name: None,
        service: Cow::Borrowed(service),
        flow_id: flow.flow_id,
        capture: flow.capture,
        packet,
        ts,
        evidence,
        detail: Cow::Borrowed(""),
        weight: sighting::WEIGHT,
    }
}

/// Telnet in use. Give it once per flow, when the payload of the server has shown that it is
/// telnet (negotiation or a login prompt), with a word on what was seen.
pub fn telnet_in_use(home: &HomeNet, cx: &Cx<'_>, seen: &str) -> Sighting {
    let evidence = format!("telnet session on {}: {}", server(cx.flow.resp_ip, cx.flow.resp_port), clean(seen));
    on_flow("telnet-in-use", home, cx.flow, "telnet", (cx.ts, cx.packet), evidence)
}

/// FTP in use without encryption. Give it once per flow, when a command came after the greeting
/// and TLS was not agreed on.
pub fn ftp_in_use(home: &HomeNet, cx: &Cx<'_>, seen: &str) -> Sighting {
    let evidence = format!("FTP control connection to {}: {}", server(cx.flow.resp_ip, cx.flow.resp_port), clean(seen));
    on_flow("ftp-in-use", home, cx.flow, "ftp", (cx.ts, cx.packet), evidence)
}

/// What a login in clear amounts to: credentials that could be read, or an open FTP server.
///
/// `None` where no secret went over the wire in a form that can be read back (a challenge and its
/// answer), where it was empty, and for FTP's anonymous user whom the server turned away.
pub fn login(home: &HomeNet, cx: &Cx<'_>, protocol: &'static str, login: &Login<'_>) -> Option<Sighting> {
    let at = (login.ts, login.packet);
    let user = login.username.unwrap_or_default();
    let answer = answer(protocol, login.success);
    if protocol == "ftp" && [&b"anonymous"[..], b"ftp"].iter().any(|a| user.eq_ignore_ascii_case(a)) {
        let evidence = format!("USER {}, accepted", clean_bytes(user));
        return (login.success == Some(true))
            .then(|| on_flow("ftp-anonymous-login", home, cx.flow, "ftp", at, evidence));
    }
    // An account in a file is no login: `detect::provisioning` tells of it.
    if login.mechanism == "provisioning" {
        return None;
    }
    let secret = login.secret.filter(|s| !s.is_empty())?;
    let (rule, kind) = match (login.secret_kind, protocol) {
        (SecretKind::ChallengeResponse, _) => return None,
        (SecretKind::Password, "telnet") => ("cleartext-credentials-telnet", "password"),
        (SecretKind::Password, "ftp") => ("cleartext-credentials-ftp", "password"),
        (SecretKind::Password, "http") => ("cleartext-credentials-http", "password"),
        (SecretKind::Password, _) => ("cleartext-credentials", "password"),
        // These have rules of their own: `detect::login`.
        (SecretKind::Token | SecretKind::Community, _) => return None,
    };
    let who = if user.is_empty() { String::from("no user name") } else { format!("USER {}", clean_bytes(user)) };
    let evidence =
        format!("{who}, {kind} of {} bytes {BLANK}, {answer} ({protocol} {})", secret.len(), login.mechanism);
    let weight = sighting::weight(login.success);
    Some(Sighting { weight, ..on_flow(rule, home, cx.flow, protocol, at, evidence) })
}

/// What came of a login, in a few words. Of HTTP an answer may be there and tell nothing: not found, or
/// a page for which nobody had asked for a login.
pub(super) fn answer(protocol: &str, success: Option<bool>) -> &'static str {
    match success {
        Some(true) => "accepted",
        Some(false) => "refused",
        None if is_http(protocol) => "outcome unknown",
        None => "answer not seen",
    }
}

fn server(ip: Addr, port: u16) -> String {
    if ip.is_v4() { format!("{ip}:{port}") } else { format!("[{ip}]:{port}") }
}

/// Text from the wire, fit for one line.
fn clean(text: &str) -> String {
    crate::record::clean(&text.chars().take(NAME_CHARS).collect::<String>())
}

/// Bytes from the wire, fit for one line.
pub(super) fn clean_bytes(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes.get(..NAME_CHARS * 4).unwrap_or(bytes)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::{Mac, Secret};
    use crate::proto::api::{LimitCount, Transport};

    pub fn flow(orig: &str, resp: &str) -> FlowView {
        FlowView {
            flow_id: 7,
            capture: 0,
            orig_ip: orig.parse().unwrap(),
            orig_port: 40_000,
            resp_ip: resp.parse().unwrap(),
            resp_port: 23,
            orig_mac: Mac([2, 0, 0, 0, 0, 1]),
            resp_mac: Mac([2, 0, 0, 0, 0, 2]),
            transport: Transport::Tcp,
            from_start: true,
        }
    }

    fn attempt<'a>(user: &'a str, secret: &'a str, kind: SecretKind, success: Option<bool>) -> Login<'a> {
        Login {
            ts: Timestamp(5),
            packet: 9,
            mechanism: "plain",
            username: Some(user.as_bytes()),
            secret: Some(Secret::new(secret.as_bytes())),
            secret_kind: kind,
            proof: None,
            success,
        }
    }

    #[test]
    fn evidence_tells_all_but_the_secret() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let home = HomeNet::default();
        let s = login(&home, &cx, "ftp", &attempt("admin", "hunter22", SecretKind::Password, Some(true))).unwrap();
        assert_eq!(s.rule, "cleartext-credentials-ftp");
        assert_eq!(s.evidence, "USER admin, password of 8 bytes [blanked], accepted (ftp plain)");
        assert_eq!((s.packet, s.ts), (9, Timestamp(5)), "the packet that carried the secret");
        assert_eq!(s.device.ip, flow.resp_ip, "about the server");
        assert!(!format!("{s:?}").contains("hunter22"));
        let s = telnet_in_use(&home, &cx, "IAC DO \x1b[2J");
        assert_eq!(s.evidence, "telnet session on 10.0.0.5:23: IAC DO \u{fffd}[2J");
        assert_eq!(ftp_in_use(&home, &cx, "USER").rule, "ftp-in-use");
    }

    #[test]
    fn only_readable_secrets_count() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        use SecretKind::*;
        for (protocol, user, secret, kind, success, rule) in [
            ("telnet", "root", "x", Password, None, Some("cleartext-credentials-telnet")),
            ("http", "admin", "x", Password, Some(false), Some("cleartext-credentials-http")),
            ("pop3", "joe", "x", Password, None, Some("cleartext-credentials")),
            ("http", "admin", "0123abcd", ChallengeResponse, Some(true), None),
            ("http", "", "session", Token, Some(true), None),
            ("telnet", "root", "", Password, Some(true), None),
            ("ftp", "Anonymous", "me@example", Password, Some(true), Some("ftp-anonymous-login")),
            ("ftp", "anonymous", "me@example", Password, Some(false), None),
            ("telnet", "anonymous", "x", Password, None, Some("cleartext-credentials-telnet")),
        ] {
            let got = login(&HomeNet::default(), &cx, protocol, &attempt(user, secret, kind, success));
            assert_eq!(got.map(|s| s.rule), rule, "{protocol} {user} {kind:?}");
        }
        let none = Login { secret: None, ..attempt("root", "", Password, None) };
        assert!(login(&HomeNet::default(), &cx, "telnet", &none).is_none());
    }

    #[test]
    fn a_finding_is_about_the_server_unless_only_the_client_is_inside() {
        let home = HomeNet::default();
        for (orig, resp, about) in [
            ("10.0.0.9", "10.0.0.5", "10.0.0.5"),
            ("10.0.0.9", "8.8.8.8", "10.0.0.9"),
            ("8.8.8.8", "10.0.0.5", "10.0.0.5"),
            ("8.8.8.8", "9.9.9.9", "9.9.9.9"),
        ] {
            assert_eq!(about_service(&home, &flow(orig, resp)).0.ip.to_string(), about);
        }
    }

    #[test]
    fn what_blames_the_server_is_about_it_even_outside() {
        let (home, flow) = (HomeNet::default(), flow("10.0.0.9", "8.8.8.8"));
        for (rule, about) in [
            ("mqtt-no-login", "8.8.8.8"),
            ("default-credentials-accepted", "8.8.8.8"),
            ("socks-open-proxy", "8.8.8.8"),
            ("cleartext-credentials", "10.0.0.9"),
            ("telnet-in-use", "10.0.0.9"),
        ] {
            let s = on_flow(rule, &home, &flow, "x", (Timestamp(1), 1), String::new());
            let peer = s.peer.unwrap().ip;
            assert_eq!(s.device.ip.to_string(), about, "{rule}");
            assert!(peer != s.device.ip && [flow.orig_ip, flow.resp_ip].contains(&peer), "{rule}");
        }
        for rule in BLAMING_SERVER {
            assert!(crate::signature::RuleSet::builtin().get(rule).is_some(), "{rule}");
        }
    }

    #[test]
    fn a_login_that_was_let_in_weighs_more() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let weight = |success| {
            let tried = attempt("root", "x", SecretKind::Password, success);
            login(&HomeNet::default(), &cx, "telnet", &tried).unwrap().weight
        };
        assert!(weight(Some(true)) > weight(None) && weight(None) > weight(Some(false)));
    }
}

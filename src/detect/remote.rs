//! Remote access that anybody on the path can read, or that asks nobody for a password.

use super::cleartext::on_flow;
use super::sighting::Sighting;
use crate::base::secret;
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::remote::adb::{Authentication, Event as AdbEvent};
use crate::proto::remote::rcmd::Event as RcmdEvent;
use crate::proto::remote::vnc::{Event as VncEvent, type_name};

/// Characters of a name that evidence shows.
const NAME_CHARS: usize = 64;

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..NAME_CHARS * 4).unwrap_or(text));
    crate::record::clean(&text.chars().take(NAME_CHARS).collect::<String>())
}

/// A VNC session.
pub fn vnc(home: &HomeNet, cx: &Cx<'_>, event: &VncEvent<'_>, out: &mut Vec<Sighting>) {
    let VncEvent::Session(session) = event else { return };
    let kind = session.security_type.map_or("unknown", |t| type_name(t).unwrap_or("unknown"));
    let let_in = match session.success {
        Some(true) => "let in",
        Some(false) => "refused",
        None => "answer not seen",
    };
    let desktop = match session.desktop.as_slice() {
        [] => String::new(),
        name => format!(", desktop {}", shown(name)),
    };
    let mut push = |rule, evidence| out.push(on_flow(rule, home, cx.flow, "vnc", session.at, evidence));
    if session.is_in_clear() {
        push("vnc-in-use", format!("security type {kind}, client {let_in}{desktop}"));
    }
    if session.is_open() {
        push("vnc-no-authentication", format!("security type none, client {let_in}{desktop}"));
    }
    if session.is_weak() {
        let taken = if kind == "vnc" { "was used" } else { "is offered" };
        push("vnc-weak-authentication", format!("VNC authentication (DES, eight characters) {taken}"));
    }
}

/// A connection of the Android debug bridge.
pub fn adb(home: &HomeNet, cx: &Cx<'_>, AdbEvent::Session(session): &AdbEvent<'_>, out: &mut Vec<Sighting>) {
    let services: Vec<String> = session.services.iter().take(3).map(|s| shown(s)).collect();
    let services = match services.as_slice() {
        [] => String::from("no service opened"),
        some => format!("opened {}", some.join(", ")),
    };
    let [_, model, ..] = &session.names;
    let model = match model.as_slice() {
        [] => String::new(),
        model => format!("{}: ", shown(model)),
    };
    let mut push = |rule, evidence| out.push(on_flow(rule, home, cx.flow, "adb", session.at, evidence));
    if session.is_open() {
        push("adb-exposed", format!("{model}connected without any proof, {services}"));
    } else if session.authentication != Some(Authentication::Tls) && (session.connected || !session.services.is_empty())
    {
        push("adb-in-use", format!("{model}{services}"));
    }
}

/// A session of rlogin, or a command of rsh or rexec.
pub fn rcmd(home: &HomeNet, cx: &Cx<'_>, event: &RcmdEvent<'_>, out: &mut Vec<Sighting>) {
    let RcmdEvent::Session(session) = event else { return };
    let rule = match session.service {
        "rlogin" => "rlogin-in-use",
        "rsh" => "rsh-in-use",
        _ => "rexec-in-use",
    };
    let user = session.remote_user.as_deref().map(secret::user);
    let user = user.map_or_else(|| String::from("no user"), |u| format!("user {}", shown(&u)));
    let what = match session.command.as_deref() {
        Some(command) => format!("{user}, command {}", shown(command)),
        None => user.clone(),
    };
    let answer = match session.success {
        Some(true) => "accepted",
        Some(false) => "refused",
        None => "answer not seen",
    };
    let mut push = |rule, evidence| out.push(on_flow(rule, home, cx.flow, session.service, session.at, evidence));
    push(rule, format!("{what}, {answer}"));
    if session.trusted == Some(true) {
        push("rcmd-trust", format!("{what}, let in without a password"));
    }
    // The names are all that such a client proves, and anybody who saw them may repeat them.
    if session.service == "rsh" || session.trusted == Some(true) {
        push("rcmd-names-in-clear", format!("{user} asked for by name only, {answer}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::proto::remote::{adb as bridge, rcmd as commands, vnc as screen};

    fn judged(judge: impl FnOnce(&Cx<'_>, &mut Vec<Sighting>)) -> Vec<&'static str> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        judge(&cx, &mut out);
        out.iter().map(|s| s.rule).collect()
    }

    fn screens(session: &screen::Session) -> Vec<&'static str> {
        judged(|cx, out| vnc(&HomeNet::default(), cx, &screen::Event::Session(session), out))
    }

    #[test]
    fn screens_in_clear() {
        let session = |security_type, offered: &[u32], encrypted, success| screen::Session {
            security_type,
            offered: offered.to_vec(),
            encrypted,
            success,
            ..Default::default()
        };
        assert_eq!(screens(&session(Some(1), &[1], false, Some(true))), ["vnc-in-use", "vnc-no-authentication"]);
        assert_eq!(screens(&session(Some(2), &[2], false, Some(false))), ["vnc-in-use", "vnc-weak-authentication"]);
        assert_eq!(screens(&session(Some(30), &[30], false, None)), ["vnc-in-use"]);
        assert!(screens(&session(Some(262), &[19, 262], true, None)).is_empty(), "TLS took over");
        assert!(screens(&session(None, &[], false, None)).is_empty(), "only greeted");
        assert_eq!(screens(&session(Some(5), &[5, 2], true, None)), ["vnc-weak-authentication"], "it may yet be used");
    }

    #[test]
    fn a_debugger_that_asks_nobody() {
        let judge = |session: &bridge::Session| {
            judged(|cx, out| adb(&HomeNet::default(), cx, &bridge::Event::Session(session), out))
        };
        let open = bridge::Session { connected: true, ..Default::default() };
        assert_eq!(judge(&open), ["adb-exposed"]);
        let asked =
            bridge::Session { authentication: Some(Authentication::Signature), connected: true, ..Default::default() };
        assert_eq!(judge(&asked), ["adb-in-use"]);
        let tls = bridge::Session { authentication: Some(Authentication::Tls), connected: true, ..Default::default() };
        assert!(judge(&tls).is_empty());
        assert!(judge(&bridge::Session::default()).is_empty(), "never answered");
    }

    #[test]
    fn shells_by_trust() {
        let judge = |session: &commands::Session| {
            judged(|cx, out| rcmd(&HomeNet::default(), cx, &commands::Event::Session(session), out))
        };
        let rsh = commands::Session { service: "rsh", trusted: Some(true), success: Some(true), ..Default::default() };
        assert_eq!(judge(&rsh), ["rsh-in-use", "rcmd-trust", "rcmd-names-in-clear"]);
        let refused = commands::Session { service: "rsh", success: Some(false), ..Default::default() };
        assert_eq!(judge(&refused), ["rsh-in-use", "rcmd-names-in-clear"]);
        let rlogin = commands::Session { service: "rlogin", trusted: Some(false), ..Default::default() };
        assert_eq!(judge(&rlogin), ["rlogin-in-use"]);
        let rexec = commands::Session { service: "rexec", trusted: Some(false), ..Default::default() };
        assert_eq!(judge(&rexec), ["rexec-in-use"]);
    }
}

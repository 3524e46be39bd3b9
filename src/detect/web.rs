//! What HTTP, and what runs in it or through it, shows.

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting};
use crate::base::secret;
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Login, SecretKind};
use crate::proto::remote::socks;
use crate::proto::web::http_event::{Event, Exchange};
use crate::record::clean;

/// Judges an event of HTTP; `service` is the protocol that it came in.
pub fn http(home: &HomeNet, cx: &Cx<'_>, service: &'static str, event: &Event<'_>, out: &mut Vec<Sighting>) {
    let at = (cx.ts, cx.packet);
    match event {
        Event::Login(login) => out.extend(management(home, cx, service, login)),
        Event::Ipp(e) if e.first || e.sends_document() => {
            let what = e.operation().unwrap_or("an answer to a request that was not seen");
            let rule = if e.sends_document() { "ipp-print-job-in-clear" } else { "ipp-in-use" };
            out.push(on_flow(rule, home, cx.flow, "ipp", at, format!("IPP without TLS: {what}")));
        }
        Event::Mapping { mapping, success, .. } if *success != Some(false) => {
            let protocol = if mapping.protocol.eq_ignore_ascii_case(b"UDP") { "UDP" } else { "TCP" };
            let done = if success.is_some() { "done" } else { "answer not seen" };
            let evidence = format!(
                "port {} ({protocol}) opened to {}:{} for {:?}, {done}",
                mapping.external_port,
                text(&mapping.client),
                mapping.internal_port,
                text(&mapping.description),
            );
            let sighting = on_flow("port-mapping-opened", home, cx.flow, service, at, evidence);
            // It is about who opens the hole, not about the gateway that does as it is told.
            out.push(Sighting {
                device: Party { ip: cx.flow.orig_ip, mac: cx.flow.orig_mac },
                peer: Some(Party { ip: cx.flow.resp_ip, mac: cx.flow.resp_mac }),
                detail: format!("{protocol}/{}", mapping.external_port).into(),
                ..sighting
            });
        }
        Event::Exchange(e) if is_firmware(e) => {
            let path = e.uri.map(|u| u.split(|c| *c == b'?').next().unwrap_or_default()).unwrap_or_default();
            let evidence = format!("GET {}, status 200, without TLS", text(path));
            let sighting = on_flow("firmware-in-clear", home, cx.flow, service, at, evidence);
            out.push(Sighting {
                device: Party { ip: cx.flow.orig_ip, mac: cx.flow.orig_mac },
                peer: Some(Party { ip: cx.flow.resp_ip, mac: cx.flow.resp_mac }),
                ..sighting
            });
        }
        _ => {}
    }
}

/// A login to a device of the own network that was not refused: from here on somebody manages it in clear.
fn management(home: &HomeNet, cx: &Cx<'_>, service: &'static str, login: &Login<'_>) -> Option<Sighting> {
    let at = (login.ts, login.packet);
    if login.mechanism == "wsse-plain" {
        let evidence = String::from("UsernameToken with PasswordText (WS-Security)");
        return Some(on_flow("ws-security-plain", home, cx.flow, service, at, evidence));
    }
    let counts = matches!(login.secret_kind, SecretKind::Password | SecretKind::ChallengeResponse)
        && !matches!(login.mechanism, "provisioning" | "aws-signature" | "shared-key" | "hawk")
        && login.success != Some(false)
        && home.is_home(cx.flow.resp_ip);
    let answer = if login.success == Some(true) { "accepted" } else { "answer not clear or not seen" };
    let whose = match login.username.map(|user| text(&secret::user(user))).filter(|u| !u.is_empty()) {
        Some(user) => format!("login of {user:?}"),
        None => "login without a user name".to_owned(),
    };
    let evidence = format!("{whose} by {} over HTTP, {answer}", login.mechanism);
    counts.then(|| on_flow("http-management-in-clear", home, cx.flow, service, at, evidence))
}

/// Whether a firmware file came over the wire. The name alone is looked at, so it has to say it twice, or
/// have an ending that nothing else has.
fn is_firmware(e: &Exchange<'_>) -> bool {
    const ENDINGS: &[&[u8]] = &[b".bin", b".img", b".pkg", b".swu", b".upg", b".zip", b".tar"];
    const SURE: &[&[u8]] = &[b".fw", b".rom", b".trx", b".chk", b".ubi", b".sbn"];
    if e.status != Some(200) || e.method != Some(b"GET") {
        return false;
    }
    let path = e.uri.unwrap_or_default().split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default();
    let ends = |list: &[&[u8]]| {
        list.iter().any(|end| {
            let tail = path.len().checked_sub(end.len()).and_then(|at| path.get(at..));
            tail.is_some_and(|t| t.eq_ignore_ascii_case(end))
        })
    };
    let page = e.content_type.is_some_and(|t| t.starts_with(b"text/"));
    !page && (ends(SURE) || ends(ENDINGS) && crate::proto::text::contains(path, b"firmware"))
}

/// Judges an event of SOCKS.
pub fn socks(home: &HomeNet, cx: &Cx<'_>, event: &socks::Event<'_>, out: &mut Vec<Sighting>) {
    if let Some((version, true)) = event.session()
        && home.is_home(cx.flow.resp_ip)
    {
        let evidence = format!("SOCKS {version}: a request was granted without a login");
        out.push(on_flow("socks-open-proxy", home, cx.flow, "socks", (cx.ts, cx.packet), evidence));
    }
}

/// Text from the wire, fit for one line.
fn text(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes.get(..128).unwrap_or(bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::proto::web::http_soap::Mapping;

    fn rules(resp: &str, event: &Event<'_>) -> Vec<(String, String)> {
        let flow = flow("10.0.0.9", resp);
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        http(&HomeNet::default(), &cx, "http", event, &mut out);
        out.into_iter().map(|s| (s.rule.to_owned(), s.device.ip.to_string())).collect()
    }

    #[test]
    fn managing_a_device_counts_and_signing_in_outside_does_not() {
        let login = |success, mechanism| {
            Event::Login(Login { mechanism, success, username: Some(b"admin"), ..Login::at((Timestamp(1), 1)) })
        };
        let inside = "10.0.0.5";
        assert_eq!(rules(inside, &login(Some(true), "digest"))[0].0, "http-management-in-clear");
        assert_eq!(rules(inside, &login(None, "form"))[0].1, inside);
        assert!(rules(inside, &login(Some(false), "basic")).is_empty(), "a refused login manages nothing");
        assert!(rules(inside, &login(None, "provisioning")).is_empty());
        assert!(rules("8.8.8.8", &login(Some(true), "form")).is_empty());
        assert_eq!(rules(inside, &login(None, "wsse-plain"))[0].0, "ws-security-plain");
    }

    #[test]
    fn a_hole_is_about_who_asked_for_it() {
        let mapping =
            Mapping { external_port: 8080, internal_port: 80, client: b"10.0.0.9".to_vec(), ..Mapping::default() };
        let event = |success| Event::Mapping { at: (Timestamp(1), 1), mapping: &mapping, success };
        assert_eq!(rules("10.0.0.1", &event(Some(true))), [("port-mapping-opened".into(), "10.0.0.9".into())]);
        assert!(rules("10.0.0.1", &event(Some(false))).is_empty());
    }

    #[test]
    fn firmware_has_to_say_so() {
        let get = |uri: &'static [u8], content_type: &'static [u8]| {
            let e = Exchange {
                method: Some(b"GET"),
                uri: Some(uri),
                status: Some(200),
                content_type: Some(content_type),
                ..Exchange::default()
            };
            !rules("8.8.8.8", &Event::Exchange(e)).is_empty()
        };
        assert!(get(b"/pub/firmware/cam-1.2.bin?x=1", b"application/octet-stream"));
        assert!(get(b"/dl/R7000.chk", b"application/octet-stream"));
        assert!(!get(b"/data.bin", b"application/octet-stream"));
        assert!(!get(b"/firmware/readme.zip", b"text/html"));
    }
}

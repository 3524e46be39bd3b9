//! What frames without IP show.

use std::borrow::Cow;

use super::sighting::{Party, Sighting};
use crate::base::Addr;
use crate::proto::api::Cx;
use crate::proto::link::{self, eapol_event};
use crate::record::clean;

/// Characters of a name that evidence shows.
const NAME_CHARS: usize = 64;

/// Judges an event of a frame.
pub fn judge(cx: &Cx<'_>, event: &link::Event<'_>, out: &mut Vec<Sighting>) {
    if let link::Event::Eapol(e) = event {
        eapol(cx, e, out);
    }
}

fn text(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes).chars().take(NAME_CHARS).collect::<String>())
}

/// A login to the network by 802.1X: by a method that protects nothing, or at all.
fn eapol(cx: &Cx<'_>, e: &eapol_event::Event<'_>, out: &mut Vec<Sighting>) {
    if let Some((answer, success)) = e.answer {
        let how = match success {
            Some(true) => "accepted",
            Some(false) => "refused",
            None => "answer not seen",
        };
        let method = answer.method.name();
        let evidence = format!("802.1X login of {} by {method}, {how}", text(&answer.username));
        out.push(sighting("network-login-weak-method", cx, method, evidence));
    } else if e.what == eapol_event::What::Response && !e.identity.is_empty() {
        let name = text(e.identity);
        let evidence = format!("802.1X identity {name}");
        out.push(sighting("network-login", cx, name.into(), evidence));
    }
}

fn sighting(rule: &'static str, cx: &Cx<'_>, detail: Cow<'static, str>, evidence: String) -> Sighting {
    let party = |mac| Party { ip: Addr::UNSPECIFIED, mac };
    Sighting {
        rule,
        device: party(cx.flow.orig_mac),
        peer: Some(party(cx.flow.resp_mac)).filter(|p| !p.mac.is_group()),
        port: 0,
        peer_name: None,
        service: "eapol".into(),
        flow_id: 0,
        capture: cx.flow.capture,
        packet: cx.packet,
        ts: cx.ts,
        evidence,
        detail,
    }
}

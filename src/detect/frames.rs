//! What frames without IP show.

use std::borrow::Cow;

use super::sighting::{Party, Sighting, WEIGHT};
use crate::base::{Addr, Mac, secret};
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
        let evidence = format!("802.1X login of {} by {method}, {how}", text(&secret::user(&answer.username)));
        let ends = (answer.from, answer.to);
        out.push(sighting("network-login-weak-method", cx, ends, method, evidence));
    } else if e.what == eapol_event::What::Response && !e.identity.is_empty() {
        let name = text(&secret::user(e.identity));
        let evidence = format!("802.1X identity {name}");
        let ends = (cx.flow.orig_mac, cx.flow.resp_mac);
        out.push(sighting("network-login", cx, ends, name.into(), evidence));
    }
}

fn sighting(
    rule: &'static str,
    cx: &Cx<'_>,
    (device, peer): (Mac, Mac),
    detail: Cow<'static, str>,
    evidence: String,
) -> Sighting {
    let party = |mac| Party { ip: Addr::UNSPECIFIED, mac };
    Sighting {
        rule,
        device: party(device),
        peer: Some(party(peer)).filter(|p| !p.mac.is_group() && !p.mac.is_zero()),
        port: 0,
        peer_name: None,
        service: "eapol".into(),
        flow_id: 0,
        capture: cx.flow.capture,
        packet: cx.packet,
        ts: cx.ts,
        evidence,
        detail,
        weight: WEIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::proto::link::{FrameParser, eapol::Eapol};

    const SWITCH: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const CAMERA: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn judged(frames: &[(Mac, Mac, &[u8])]) -> Vec<Sighting> {
        let mut out = Vec::new();
        let mut parser = Eapol::default();
        for (src, dst, eap) in frames {
            let flow = link::view(0, *src, *dst);
            let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
            let mut frame = vec![1, 0, 0, eap.len() as u8];
            frame.extend(*eap);
            parser.on_frame(cx, &frame, &mut |e| judge(&cx, &link::Event::Eapol(e), &mut out));
        }
        out
    }

    #[test]
    fn a_weak_method_is_about_who_answered() {
        let response = b"\x02\x07\0\x0c\x04\x03\x01\x02\x03joe";
        let found = judged(&[(CAMERA, SWITCH, response), (SWITCH, CAMERA, b"\x03\x07\0\x04")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].rule, found[0].device.mac), ("network-login-weak-method", CAMERA));
        assert_eq!(found[0].peer.map(|p| p.mac), Some(SWITCH));
        assert_eq!(found[0].evidence, "802.1X login of joe by MD5-Challenge, accepted");
    }

    #[test]
    fn a_certificate_is_no_weak_method_and_a_name_is_information() {
        let found = judged(&[(CAMERA, SWITCH, b"\x02\x01\0\x08\x01cam"), (CAMERA, SWITCH, b"\x02\x02\0\x06\x0d\x80")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].rule, found[0].evidence.as_str()), ("network-login", "802.1X identity cam"));
    }
}

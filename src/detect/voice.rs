//! Calls, cameras and printers whose traffic anybody on the path can read.

use super::cleartext::on_flow;
use super::sighting::Sighting;
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::printing::{lpd, pjl, raw};
use crate::proto::voice::{iax, rtp, rtsp, sdp::Protection, sip, stun};

/// Characters of a name that evidence shows.
const NAME_CHARS: usize = 64;

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..NAME_CHARS * 4).unwrap_or(bytes));
    crate::record::clean(&text.chars().take(NAME_CHARS).collect::<String>())
}

/// SIP in clear, registrations without proof, and media keys that can be read.
pub fn sip(home: &HomeNet, cx: &Cx<'_>, event: &sip::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    let at = (cx.ts, cx.packet);
    if first {
        out.push(on_flow("sip-in-use", home, cx.flow, "sip", at, "SIP messages without encryption".to_owned()));
    }
    match event {
        sip::Event::Done(t) if t.registered_without_proof() => {
            let evidence = format!("REGISTER of {} was answered with 200, without any login in it", shown(&t.to));
            out.push(on_flow("sip-registration-without-login", home, cx.flow, "sip", at, evidence));
        }
        sip::Event::Media(media) => {
            let keyed = media.iter().find(|m| m.protection == Protection::Sdes);
            if let Some(medium) = keyed {
                let evidence = format!("a session description holds the key of {} (SDES)", shown(&medium.kind));
                out.push(on_flow("media-key-in-clear", home, cx.flow, "sip", at, evidence));
            }
        }
        _ => {}
    }
}

/// Media that can be listened to.
pub fn rtp(home: &HomeNet, cx: &Cx<'_>, event: &rtp::Event<'_>, out: &mut Vec<Sighting>) {
    // Encrypted media that nothing announced look the same: only a codec that is known tells.
    if let rtp::Event::Recognised { service: "rtp", payload_type, codec, announced, doubtful: false } = event {
        let name = if codec.is_empty() { rtp::codec_name(*payload_type) } else { Some(shown(codec)) };
        let (rule, what) = match name {
            Some(name) => ("rtp-in-use", name),
            None if *announced => ("rtp-in-use", format!("payload type {payload_type}, announced as RTP")),
            None => return,
        };
        out.push(on_flow(rule, home, cx.flow, "rtp", (cx.ts, cx.packet), format!("media stream of {what}")));
    }
}

/// RTSP in clear, and streams for everybody.
pub fn rtsp(home: &HomeNet, cx: &Cx<'_>, event: &rtsp::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    let at = (cx.ts, cx.packet);
    if first {
        out.push(on_flow("rtsp-in-use", home, cx.flow, "rtsp", at, "RTSP messages without encryption".to_owned()));
    }
    if let rtsp::Event::Done { exchange, proved: false } = event
        && exchange.open_stream()
        && cx.flow.from_start
    {
        let evidence =
            format!("{} of {} was answered with 200, without any login", shown(&exchange.method), shown(&exchange.url));
        out.push(on_flow("rtsp-no-authentication", home, cx.flow, "rtsp", at, evidence));
    }
}

/// IAX2 in clear.
pub fn iax(home: &HomeNet, cx: &Cx<'_>, _event: &iax::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if first {
        let evidence = "IAX2 signalling without encryption".to_owned();
        out.push(on_flow("iax2-in-use", home, cx.flow, "iax2", (cx.ts, cx.packet), evidence));
    }
}

/// Other telephone signalling in clear: SCCP, MGCP, H.323.
pub fn signalling(home: &HomeNet, cx: &Cx<'_>, service: &'static str, first: bool, out: &mut Vec<Sighting>) {
    if first {
        let evidence = format!("messages of {service} without encryption");
        out.push(on_flow("voip-signalling-in-use", home, cx.flow, service, (cx.ts, cx.packet), evidence));
    }
}

/// Traffic that goes through a relay.
pub fn stun(home: &HomeNet, cx: &Cx<'_>, event: &stun::Event<'_>, out: &mut Vec<Sighting>) {
    let e = event.exchange;
    if e.method == "allocate" && e.result == Some("success") && event.is_new() {
        let evidence = match e.relayed() {
            Some(at) => format!("TURN allocation granted: the server relays from {}", at.ip),
            None => "TURN allocation granted".to_owned(),
        };
        out.push(on_flow("turn-relay-in-use", home, cx.flow, "stun", (cx.ts, cx.packet), evidence));
    }
}

/// Printing with PJL in clear, and access to the printer's files.
pub fn pjl(home: &HomeNet, cx: &Cx<'_>, event: &pjl::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    let at = (cx.ts, cx.packet);
    let command = event.command;
    if first {
        let evidence = format!("PJL command {} on a raw printing port", shown(&command.name));
        out.push(on_flow("pjl-in-use", home, cx.flow, "pjl", at, evidence));
    }
    if command.touches_files() {
        let evidence = format!("PJL command {} for {}", shown(&command.name), shown(&command.file));
        out.push(on_flow("pjl-file-access", home, cx.flow, "pjl", at, evidence));
    }
}

/// Printing without PJL in clear.
pub fn raw_print(home: &HomeNet, cx: &Cx<'_>, event: &raw::Event<'_>, out: &mut Vec<Sighting>) {
    let evidence = format!("a print job ({}) sent without encryption", event.language);
    out.push(on_flow("raw-print-in-use", home, cx.flow, "raw-print", (cx.ts, cx.packet), evidence));
}

/// LPD in clear.
pub fn lpd(home: &HomeNet, cx: &Cx<'_>, event: &lpd::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if first {
        let evidence = format!("LPD command {}", event.job.command);
        out.push(on_flow("lpd-in-use", home, cx.flow, "lpd", (cx.ts, cx.packet), evidence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::detect::cleartext::tests::flow;
    use crate::proto::api::LimitCount;

    fn rules(judge: impl Fn(&Cx<'_>, &mut Vec<Sighting>)) -> Vec<&'static str> {
        rules_on(true, judge)
    }

    fn rules_on(from_start: bool, judge: impl Fn(&Cx<'_>, &mut Vec<Sighting>)) -> Vec<&'static str> {
        let flow = crate::proto::api::FlowView { from_start, ..flow("10.0.0.9", "10.0.0.5") };
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        judge(&cx, &mut out);
        out.iter().map(|s| s.rule).collect()
    }

    #[test]
    fn registrations_speak_only_without_a_proof_that_was_asked_for() {
        let home = HomeNet::default();
        let with = |status, auth| sip::Transaction {
            has_request: true,
            method: (*b"REGISTER").into(),
            status: Some(status),
            auth,
            ..sip::Transaction::default()
        };
        let judge = |t: sip::Transaction| rules(|cx, out| sip(&home, cx, &sip::Event::Done(&t), false, out));
        assert_eq!(judge(with(200, None)), ["sip-registration-without-login"]);
        assert_eq!(judge(with(401, None)), [""; 0]);
        assert_eq!(judge(with(200, Some(crate::proto::voice::auth::Auth::Other))), [""; 0]);
        let alone = sip::Transaction { has_request: false, ..with(200, None) };
        assert_eq!(judge(alone), [""; 0], "the request was not seen");
    }

    #[test]
    fn media_count_only_where_they_can_be_played() {
        let home = HomeNet::default();
        let judge = |service, payload_type, announced| {
            rules(|cx, out| {
                rtp(
                    &home,
                    cx,
                    &rtp::Event::Recognised { service, payload_type, codec: b"", announced, doubtful: false },
                    out,
                )
            })
        };
        assert_eq!(judge("rtp", 8, false), ["rtp-in-use"]);
        assert_eq!(judge("rtp", 111, true), ["rtp-in-use"]);
        assert_eq!(judge("rtp", 111, false), [""; 0], "a browser's SRTP looks like this");
        assert_eq!(judge("srtp", 8, true), [""; 0]);
        assert_eq!(judge("rtcp", 0, true), [""; 0]);
    }

    #[test]
    fn a_stream_after_a_login_is_not_open() {
        let home = HomeNet::default();
        let exchange = rtsp::Exchange { method: (*b"PLAY").into(), status: Some(200), ..rtsp::Exchange::default() };
        let judge =
            |proved| rules(|cx, out| rtsp(&home, cx, &rtsp::Event::Done { exchange: &exchange, proved }, false, out));
        assert_eq!(judge(false), ["rtsp-no-authentication"]);
        assert_eq!(judge(true), [""; 0]);
        let event = rtsp::Event::Done { exchange: &exchange, proved: false };
        assert_eq!(rules_on(false, |cx, out| rtsp(&home, cx, &event, false, out)), [""; 0], "the start was missed");
    }
}

//! TLS that does not protect as it should, over any transport: what was agreed on, what a client
//! offers, and signs of an attack on the handshake.
//!
//! What is bad enough to be dealt with connection by connection makes a finding for each pair of
//! device and peer. What is milder makes one for each device, or for each service of a server.

mod negotiated;
mod offered;
mod signs;

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting, WEIGHT};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Direction};
use crate::proto::tls::Handshake;

/// What a finding is about, and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The service, and this peer: see [`super::cleartext::about_service`].
    Connection,
    /// The service, whoever the peer is.
    Service,
    /// The server, and this client.
    Server,
    /// The client, whatever it connects to.
    Client,
}

/// What is weak about a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Weakness {
    rule: &'static str,
    scope: Scope,
    /// What tells it from another finding of the rule: the version, the cipher.
    detail: String,
    /// One line for the evidence.
    evidence: String,
    weight: u8,
}

impl Weakness {
    fn new(rule: &'static str, scope: Scope, evidence: String) -> Self {
        Self { rule, scope, detail: String::new(), evidence, weight: WEIGHT }
    }

    fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// The name of a version on the wire that was withdrawn: SSL 2.0 (RFC 6176), SSL 3.0 (RFC 7568),
/// TLS 1.0, TLS 1.1 and DTLS 1.0 (RFC 8996).
const fn obsolete_version(version: u16) -> Option<&'static str> {
    match version {
        0x0002 | 0x0200 => Some("SSLv2"),
        0x0300 => Some("SSLv3"),
        0x0301 => Some("TLSv1.0"),
        0x0302 => Some("TLSv1.1"),
        0xfeff => Some("DTLSv1.0"),
        // What OpenSSL sent before DTLS was numbered.
        0x0100 => Some("DTLSv0.9"),
        _ => None,
    }
}

/// A number that grows with a version, also for DTLS, which counts down; `None` for drafts and for what
/// is no version.
const fn age(version: u16) -> Option<u8> {
    match version {
        0x0002 | 0x0200 => Some(0),
        0x0300 => Some(1),
        0x0301 => Some(2),
        0x0302 | 0xfeff | 0x0100 => Some(3),
        0x0303 | 0xfefd => Some(4),
        0x0304 | 0xfefc => Some(5),
        _ => None,
    }
}

/// Judges a handshake.
pub fn handshake(home: &HomeNet, cx: &Cx<'_>, h: &Handshake, out: &mut Vec<Sighting>) {
    let flow = cx.flow;
    let orig = Party { ip: flow.orig_ip, mac: flow.orig_mac };
    let resp = Party { ip: flow.resp_ip, mac: flow.resp_mac };
    let (client, server) = if h.client_side == Direction::Orig { (orig, resp) } else { (resp, orig) };
    let client_is_ours = home.is_home(client.ip);
    let server_is_ours = home.is_home(server.ip);
    // QUIC and DTLS are services of their own.
    let carried = if h.transport == "tcp" { "tls" } else { h.transport };
    let mut push = |w: Weakness| {
        let service = if client_is_ours && !server_is_ours { (client, server) } else { (server, client) };
        let ((device, peer), port) = match w.scope {
            Scope::Connection => ((service.0, Some(service.1)), flow.resp_port),
            Scope::Service => ((service.0, None), flow.resp_port),
            Scope::Server => ((server, Some(client)), flow.resp_port),
            Scope::Client => ((client, None), 0),
        };
        let mut sighting = on_flow(w.rule, home, flow, carried, (cx.ts, cx.packet), w.evidence);
        sighting.peer_name = h
            .client
            .as_ref()
            .and_then(|c| c.server_name.as_ref())
            .filter(|_| peer.is_some_and(|p| p.ip == server.ip))
            .map(|n| String::from_utf8_lossy(n).into_owned());
        (sighting.device, sighting.peer, sighting.port) = (device, peer, port);
        (sighting.detail, sighting.weight) = (w.detail.into(), w.weight);
        out.push(sighting);
    };
    let told = negotiated::judge(h, &mut push);
    signs::judge(h, &mut push);
    // What a stranger's client offers to a server of ours is nothing that we can change.
    if client_is_ours || !server_is_ours {
        // A finding about the agreed version or cipher says it of the client already.
        let told = if client_is_ours && !server_is_ours { told } else { negotiated::Told::default() };
        let outside = client_is_ours && !server_is_ours && home.scope(server.ip) == "external";
        let to = offered::Towards { server: server.ip, port: flow.resp_port, outside };
        offered::judge(h, told, to, &mut push);
    }
    if server_is_ours {
        offered::answered_without_post_quantum(h, &mut push);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::proto::tls::{ClientFacts, ServerFacts};
    use crate::signature::RuleSet;

    fn seen(orig: &str, resp: &str, h: &Handshake) -> Vec<Sighting> {
        let flow = flow(orig, resp);
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        handshake(&HomeNet::default(), &cx, h, &mut out);
        for s in &out {
            assert!(RuleSet::builtin().get(s.rule).is_some(), "{} has no rule", s.rule);
        }
        out
    }

    fn old(offered: u16) -> Handshake {
        let mut h = Handshake::new(Timestamp(1), 1, "tcp", Direction::Orig);
        h.client = Some(ClientFacts {
            version: offered,
            highest_version: offered,
            ciphers: vec![0x002f],
            server_name: Some(b"old.example".to_vec()),
            has_server_name: true,
            post_quantum: true,
            ..ClientFacts::default()
        });
        h.server = Some(ServerFacts {
            version: 0x0301,
            cipher: Some(0x0039),
            secure_renegotiation: Some(true),
            ..ServerFacts::default()
        });
        h
    }

    fn about(all: &[Sighting]) -> Vec<(&str, String, Option<String>, u16)> {
        all.iter().map(|s| (s.rule, s.device.ip.to_string(), s.peer.map(|p| p.ip.to_string()), s.port)).collect()
    }

    #[test]
    fn who_a_finding_is_about() {
        let (inside, outside) = ("10.0.0.9", "192.0.2.1");
        let port = flow(inside, outside).resp_port;
        // Both ends within: the server agreed on it, and the client can do no better.
        let all = seen(inside, "10.0.0.5", &old(0x0301));
        assert_eq!(
            about(&all),
            [
                ("tls-obsolete-version", "10.0.0.5".into(), Some(inside.into()), port),
                ("tls-client-obsolete-version", inside.into(), None, 0),
                ("tls-no-post-quantum", "10.0.0.5".into(), None, port),
            ]
        );
        // The server is outside: one finding, about the client.
        let all = seen(inside, outside, &old(0x0301));
        assert_eq!(about(&all), [("tls-obsolete-version", inside.into(), Some(outside.into()), port)]);
        assert_eq!(all[0].peer_name.as_deref(), Some("old.example"));
        assert_eq!(all[0].evidence, "server chose TLSv1.0 (0x0301), and the client offers nothing newer");
        // The client is outside: what it offers is not ours to change.
        let all = seen(outside, inside, &old(0x0301));
        assert!(all.iter().all(|s| s.device.ip.to_string() == inside), "{:?}", about(&all));
        // TLS whose client is the responder, as where a server opens the connection.
        let turned = Handshake { client_side: Direction::Resp, ..old(0x0303) };
        let all = seen(outside, inside, &turned);
        assert_eq!(about(&all)[0], ("tls-obsolete-version", inside.into(), Some(outside.into()), port));
        assert!(all[0].evidence.ends_with("though the client offers TLSv1.2"));
    }

    #[test]
    fn a_modern_handshake_is_silent() {
        let mut h = old(0x0304);
        if let (Some(client), Some(server)) = (&mut h.client, &mut h.server) {
            client.ciphers = vec![0x2a2a, 0x1301, 0xc02f, 0x00ff];
            (server.version, server.cipher, server.secure_renegotiation) = (0x0304, Some(0x1301), None);
        }
        h.group = Some(0x11ec);
        assert!(seen("10.0.0.9", "10.0.0.5", &h).is_empty());
        assert!(seen("10.0.0.9", "192.0.2.1", &h).is_empty());
        assert!(seen("192.0.2.1", "10.0.0.9", &h).is_empty());
    }
}

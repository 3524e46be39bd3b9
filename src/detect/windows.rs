//! Shares, directories and logins of office networks: what is old, open or readable about them.

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting};
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::windows::gss::Attempt;
use crate::proto::windows::kerberos_message::etype_name;
use crate::proto::windows::smb_event::{Action, Signing};
use crate::proto::windows::{dcerpc, kerberos, ldap, nbdgm, nbns, oncrpc, rdp, smb};
use crate::record::clean;

/// Characters of a name that evidence shows.
const NAME_CHARS: usize = 64;

fn text(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes).chars().take(NAME_CHARS).collect::<String>())
}

/// What one protocol's judge says where: the flow, the service, and the packet.
struct Place<'a, 'b> {
    home: &'a HomeNet,
    cx: &'a Cx<'b>,
    service: &'static str,
}

impl Place<'_, '_> {
    fn at(&self, rule: &'static str, evidence: String) -> Sighting {
        on_flow(rule, self.home, self.cx.flow, self.service, (self.cx.ts, self.cx.packet), evidence)
    }

    /// Likewise about who sends, where the receiver is a whole network.
    fn about_sender(&self, rule: &'static str, evidence: String) -> Sighting {
        let flow = self.cx.flow;
        Sighting {
            device: Party { ip: flow.orig_ip, mac: flow.orig_mac },
            peer: Some(Party { ip: flow.resp_ip, mac: flow.resp_mac }),
            ..self.at(rule, evidence)
        }
    }

    /// What the answers of a login show: old hashes.
    fn answers(&self, attempt: &Attempt, out: &mut Vec<Sighting>) {
        if attempt.anonymous {
            return;
        }
        let user = match text(&attempt.username) {
            user if user.is_empty() => "a user without a name".to_owned(),
            user => format!("user {user}"),
        };
        if attempt.has_lm || attempt.mechanism == "lm" {
            out.push(self.at("lm-response-in-use", format!("{user} answered with the LM hash")));
        } else if attempt.mechanism == "ntlm" {
            out.push(self.at("ntlmv1-in-use", format!("{user} answered with NTLM version 1")));
        }
    }
}

/// SMB: version 1, unsigned sessions, guests, old answers.
pub fn smb(home: &HomeNet, cx: &Cx<'_>, e: &smb::Event<'_>, out: &mut Vec<Sighting>) {
    let place = Place { home, cx, service: "smb" };
    match e.action {
        Action::Smb1 => out.push(place.at("smb1-in-use", "a message of SMB 1 beyond its negotiation".to_owned())),
        Action::Negotiate => {
            if e.offers_smb1 {
                let answer = match (e.version, e.dialect) {
                    (_, "") => "the server's choice was not seen".to_owned(),
                    (1, dialect) => format!("the server chose {}", text(dialect.as_bytes())),
                    (_, dialect) => format!("the server chose SMB {dialect}"),
                };
                out.push(place.at("smb1-offered", format!("the client offers SMB 1; {answer}")));
            }
            if let Some(signing) = e.signing.filter(|s| *s != Signing::Required) {
                let evidence = format!("dialect {}, signing {}", text(e.dialect.as_bytes()), signing.name());
                // It is how the server is set up, whoever asks.
                out.push(Sighting { peer: None, ..place.at("smb-signing-not-required", evidence) });
            }
        }
        Action::SessionSetup => {
            if let Some(attempt) = e.attempt {
                place.answers(attempt, out);
            }
            if e.guest == Some(true) {
                let user = e.attempt.map(|a| text(&a.username)).filter(|u| !u.is_empty());
                let evidence = match user {
                    Some(user) => format!("user {user} was let in as a guest"),
                    None => "a session without a user was accepted".to_owned(),
                };
                out.push(place.at("smb-guest-session", evidence));
            }
        }
        _ => {}
    }
}

/// NetBIOS names: anybody may answer for any.
pub fn nbns(home: &HomeNet, cx: &Cx<'_>, e: &nbns::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    if first {
        let place = Place { home, cx, service: "nbns" };
        out.push(place.about_sender("nbns-in-use", format!("name {}", text(e.name.text()))));
    }
}

/// NetBIOS datagrams, which carry SMB 1.
pub fn nbdgm(home: &HomeNet, cx: &Cx<'_>, e: &nbdgm::Event<'_>, out: &mut Vec<Sighting>) {
    if e.is_smb1 {
        let from = e.source.map(|s| text(s.text())).unwrap_or_default();
        let place = Place { home, cx, service: "nbdgm" };
        let evidence = format!("{from} sends to {} with SMB 1", text(e.mailslot));
        out.push(place.about_sender("smb1-mailslot", evidence));
    }
}

/// DCE/RPC: old answers in logins.
pub fn dcerpc(home: &HomeNet, cx: &Cx<'_>, e: &dcerpc::Event<'_>, out: &mut Vec<Sighting>) {
    if let Some(attempt) = e.attempt {
        Place { home, cx, service: "dcerpc" }.answers(attempt, out);
    }
}

/// LDAP: content and logins in clear.
pub fn ldap(home: &HomeNet, cx: &Cx<'_>, e: &ldap::Event<'_>, out: &mut Vec<Sighting>) {
    let place = Place { home, cx, service: "ldap" };
    if e.first_clear {
        let below = if e.dn().is_empty() { String::new() } else { format!(", {}", text(e.dn())) };
        out.push(place.at("ldap-in-use", format!("{} without encryption{below}", e.operation())));
    }
    if e.first_without_tls {
        out.push(place.at("ldap-without-tls", format!("{} without TLS", e.operation())));
    }
    if e.starttls_refused() {
        out.push(place.at("ldap-starttls-refused", format!("result code {}", e.code().unwrap_or_default())));
    }
    if e.is_anonymous_bind() {
        out.push(place.at("ldap-anonymous-bind", "a bind without a password was accepted".to_owned()));
    }
    if let Some(attempt) = e.attempt().filter(|a| !matches!(a.mechanism, "simple" | "plain")) {
        place.answers(attempt, out);
    }
}

/// Kerberos: weak encryption, and tickets for whoever asks.
pub fn kerberos(home: &HomeNet, cx: &Cx<'_>, e: &kerberos::Event<'_>, out: &mut Vec<Sighting>) {
    let place = Place { home, cx, service: "kerberos" };
    if let Some(weak) = e.weak() {
        let name = etype_name(weak.etype).unwrap_or("an old type");
        let evidence = format!("{} for {} encrypted with {name}", weak.what, text(e.service_principal()));
        let mut sighting = place.at("kerberos-weak-encryption", evidence);
        sighting.detail = name.into();
        out.push(sighting);
    }
    if e.without_preauth() {
        let evidence = format!("user {} got a ticket without having proven anything", text(e.client()));
        out.push(place.at("kerberos-no-preauth", evidence));
    }
}

/// RDP with its own security.
pub fn rdp(home: &HomeNet, cx: &Cx<'_>, e: &rdp::Event<'_>, out: &mut Vec<Sighting>) {
    if e.is_standard_security() {
        let place = Place { home, cx, service: "rdp" };
        let how =
            e.encryption().map_or(String::new(), |(method, level)| format!(", encryption {method}, level {level}"));
        out.push(place.at("rdp-standard-security", format!("RDP's own security instead of TLS{how}")));
    }
}

/// NFS whose server believes what the client says, and port mappers.
pub fn rpc(home: &HomeNet, cx: &Cx<'_>, e: &oncrpc::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    const NFS: u32 = 100_003;
    const MOUNT: u32 = 100_005;
    const NULL: u32 = 0;
    // The first procedure mostly does nothing; the second shows who asks.
    let tells = first || e.procedure() != NULL;
    // That procedure is what scanners send to any port: it takes an answer of the kind to be believed.
    let fits = if e.procedure() == NULL { e.accepted() == Some(true) } else { e.accepted() != Some(false) };
    if matches!(e.program(), NFS | MOUNT) && e.is_believed() && fits && tells {
        let service = if e.program() == NFS { "nfs" } else { "mount" };
        out.push(Place { home, cx, service }.at("nfs-in-use", e.words()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::{AppParser, Direction, LimitCount};
    use crate::proto::windows::kerberos_message::tests as krb;

    /// The rules that datagrams of a protocol lead to.
    fn rules<P: AppParser>(
        datagrams: &[(Direction, Vec<u8>)],
        judge: impl Fn(&HomeNet, &Cx<'_>, &P::Event<'_>, bool, &mut Vec<Sighting>),
    ) -> Vec<&'static str> {
        let mut flow = crate::detect::cleartext::tests::flow("10.0.0.9", "10.0.0.5");
        flow.transport = crate::proto::api::Transport::Udp;
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let home = HomeNet::default();
        let (mut parser, mut out, mut first) = (P::default(), Vec::new(), true);
        for (dir, bytes) in datagrams {
            parser.on_data(cx, *dir, bytes, &mut |e| {
                judge(&home, &cx, &e, first, &mut out);
                first = false;
            });
        }
        for dir in [Direction::Orig, Direction::Resp] {
            parser.on_end(cx, dir, &[], &mut |e| judge(&home, &cx, &e, first, &mut out));
        }
        out.iter().map(|s| s.rule).collect()
    }

    #[test]
    fn tickets_without_proof_and_weak_ones() {
        use Direction::{Orig, Resp};
        let of = |asked: Vec<u8>, answer: Vec<u8>| {
            rules::<kerberos::Kerberos>(&[(Orig, asked), (Resp, answer)], |h, c, e, _, o| kerberos(h, c, e, o))
        };
        assert_eq!(of(krb::as_req(None), krb::as_rep(18)), ["kerberos-no-preauth"]);
        assert_eq!(of(krb::as_req(Some(&[1; 56])), krb::as_rep(23)), ["kerberos-weak-encryption"]);
        assert!(of(krb::as_req(Some(&[1; 56])), krb::as_rep(18)).is_empty());
        assert!(of(krb::as_req(None), krb::error(25)).is_empty());
    }

    #[test]
    fn nfs_is_told_where_the_caller_is_believed() {
        let call = |flavor: u32, procedure: u32| {
            let words = [1, 0, 2, 100_003, 3, procedure, flavor, 0, 0, 0];
            words.iter().flat_map(|n: &u32| n.to_be_bytes()).collect::<Vec<u8>>()
        };
        let answer: Vec<u8> = [1_u32, 1, 0, 0, 0, 0].iter().flat_map(|n| n.to_be_bytes()).collect();
        let of =
            |call: Vec<u8>| rules::<oncrpc::OncRpc>(&[(Direction::Orig, call), (Direction::Resp, answer.clone())], rpc);
        assert_eq!(of(call(1, 6)), ["nfs-in-use"]);
        assert!(of(call(6, 6)).is_empty(), "with Kerberos");
        assert_eq!(of(call(0, 0)), ["nfs-in-use"]);
        let unanswered = |call: Vec<u8>| {
            rules::<oncrpc::OncRpc>(&[(Direction::Orig, call), (Direction::Resp, b"\0\x01\0\0".to_vec())], rpc)
        };
        assert!(unanswered(call(0, 0)).is_empty(), "a scanner asks any port that");
        assert_eq!(unanswered(call(1, 6)), ["nfs-in-use"]);
    }

    #[test]
    fn a_server_that_does_not_sign_is_one_finding_and_nobody_has_a_name_of_his_own() {
        let flow = crate::detect::cleartext::tests::flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        let mut event = smb::Event::new((cx.ts, 12), Action::Negotiate, 2, Direction::Resp);
        event.signing = Some(Signing::Enabled);
        smb(&HomeNet::default(), &cx, &event, &mut out);
        assert_eq!((out[0].rule, out[0].peer.is_none()), ("smb-signing-not-required", true));
        out.clear();
        let answer = crate::proto::ntlm::Answer::of_parts(b"", b"", &[], &[7; 24]);
        let attempt = Attempt::ntlm(&cx, answer, None);
        Place { home: &HomeNet::default(), cx: &cx, service: "smb" }.answers(&attempt, &mut out);
        assert_eq!(out[0].evidence, "a user without a name answered with NTLM version 1");
    }
}

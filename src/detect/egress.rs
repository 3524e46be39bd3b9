//! What leaves the site: judged from flows that have ended, with what was known when they began.
//!
//! Feed DNS answers and flows in an order that does not depend on threads; DNS answers of a time
//! before the flows that ended after it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::sighting::{Party, Sighting, WEIGHT};
use crate::base::limits::{self, Room};
use crate::base::{Addr, Timestamp};
use crate::policy::{Expect, HomeNet, Verdict};
use crate::record::clean;

/// What the judge needs to know of a flow that has ended.
#[derive(Debug, Clone, Copy)]
pub struct EgressFlow<'a> {
    /// Identifier of the flow.
    pub flow_id: i64,
    /// Capture of its first packet.
    pub capture: u32,
    /// Number of its first packet there.
    pub packet: u64,
    /// When it began.
    pub ts: Timestamp,
    /// Originator.
    pub orig: Party,
    /// Responder.
    pub resp: Party,
    /// Port of the responder.
    pub port: u16,
    /// IP protocol number.
    pub proto: u8,
    /// Service, where one is known.
    pub service: Option<&'static str>,
    /// Whether the service was told from the payload, not from the port.
    pub service_from_payload: bool,
    /// Whether TLS took over on the way (STARTTLS, AUTH TLS).
    pub upgraded: bool,
    /// Whether the beginning was seen: for TCP a complete handshake. For others: true.
    pub handshake: bool,
    /// Whether the connection was asked for and came to nothing: not answered, or refused.
    pub attempt: bool,
    /// Packets from the originator.
    pub orig_pkts: u64,
    /// Packets from the responder.
    pub resp_pkts: u64,
    /// Payload bytes from the originator.
    pub orig_bytes: u64,
    /// Payload bytes from the responder.
    pub resp_bytes: u64,
    /// Name of the server: from SNI, Host header, or what the originator looked up before.
    pub server_name: Option<&'a str>,
    /// Whether anybody of the site was given this address in a DNS answer before the flow began.
    pub looked_up: bool,
}

/// Ports of services that are usually configured by address or found without DNS, so that a flow
/// without a look-up says nothing: DNS, DHCP, NTP, IPsec, mDNS, STUN.
const WITHOUT_LOOKUP: &[u16] = &[53, 67, 68, 123, 500, 547, 853, 3478, 3479, 4500, 5349, 5353, 19302];
/// Services of that sort on any port: their addresses come from elsewhere (signalling, a control
/// connection).
const SERVICES_WITHOUT_LOOKUP: &[&str] = &[
    "dns", "dhcp", "ntp", "stun", "dtls", "rtp", "srtp", "rtcp", "ftp-data", "ftp_data", "mdns", "llmnr", "isakmp",
    "teredo",
];
/// Services that everybody on the way can read.
const CLEARTEXT: &[&str] = &[
    "ftp", "http", "imap", "irc", "ldap", "mqtt", "nntp", "pop3", "rlogin", "rsh", "rtsp", "sip", "smtp", "snmp",
    "syslog", "telnet", "tftp", "vnc",
];

/// Characters of a server's name that are shown.
const NAME_CHARS_MAX: usize = 255;

/// Judges what leaves the site.
#[derive(Debug, Default)]
pub struct EgressJudge {
    /// When a host's DNS was first seen to be answered.
    dns_seen: HashMap<Addr, Timestamp>,
    /// Servers inside that answer DNS.
    inside_resolvers: BTreeSet<Addr>,
    /// Resolvers that DHCP told somebody to use.
    assigned_resolvers: BTreeSet<Addr>,
    /// Outside resolvers in use, by (host, resolver, port); the sightings wait for the end.
    foreign: BTreeMap<(Party, Addr, u16), Vec<Sighting>>,
    /// Destinations that have a finding of their own, by rule and device.
    peers: HashMap<(&'static str, Party), BTreeSet<(Addr, u16)>>,
    dropped: u64,
    room: Room,
}

impl EgressJudge {
    /// With the limits that its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// A DNS answer reached the host.
    pub fn dns_answer(&mut self, host: Addr, ts: Timestamp) {
        if let Some(first) = self.dns_seen.get_mut(&host) {
            *first = (*first).min(ts);
        } else if self.dns_seen.len() < self.room.of(limits::EGRESS_HOSTS_MAX) {
            self.dns_seen.insert(host, ts);
        } else {
            self.dropped += 1;
        }
    }

    /// A DHCP server told a client to use this resolver.
    pub fn assigned_resolver(&mut self, resolver: Addr) {
        if self.assigned_resolvers.len() < self.room.of(limits::EGRESS_HOSTS_MAX) {
            self.assigned_resolvers.insert(resolver);
        }
    }

    /// What was not kept because a limit was hit, since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Judges one flow; what is wrong with it goes to `emit`.
    pub fn flow(
        &mut self,
        home: &HomeNet,
        expect: Option<&Expect>,
        f: &EgressFlow<'_>,
        emit: &mut dyn FnMut(Sighting),
    ) {
        let dns = is_dns(f) && f.resp_bytes > 0;
        if dns && home.is_home(f.resp.ip) && self.inside_resolvers.len() < self.room.of(limits::EGRESS_HOSTS_MAX) {
            self.inside_resolvers.insert(f.resp.ip);
        }
        if home.direction(f.orig.ip, f.resp.ip) != "egress" || f.orig.ip.is_unspecified() {
            return;
        }
        let name = f.server_name.filter(|n| is_name(n));
        let verdict = expect.map_or(Verdict::NotCovered, |e| e.judge(f.orig.mac, f.orig.ip, name, f.resp.ip, f.port));
        if verdict == Verdict::Unexpected {
            self.emit("egress-unexpected", f, name, "", emit);
        }
        if verdict == Verdict::NotCovered && self.nobody_looked_up(f, name) {
            self.emit("egress-no-lookup", f, name, "", emit);
        }
        if let Some(service) = cleartext_service(f, name) {
            self.emit("egress-cleartext", f, name, service, emit);
        }
        if verdict != Verdict::Expected && tls_in_disguise(f) {
            self.emit("egress-tls-other-port", f, name, "", emit);
        }
        if dns && verdict != Verdict::Expected {
            self.foreign_resolver(f, name);
        }
    }

    /// Whether the host talked to an address that nothing seen before explains.
    fn nobody_looked_up(&self, f: &EgressFlow<'_>, name: Option<&str>) -> bool {
        let both_ways = match f.proto {
            6 => f.attempt || f.handshake && f.orig_bytes > 0 && f.resp_pkts > 0,
            17 => f.orig_pkts > 0 && f.resp_pkts > 0,
            _ => false,
        };
        let explained = f.looked_up
            || name.is_some()
            || WITHOUT_LOOKUP.contains(&f.port)
            || f.service.is_some_and(|s| SERVICES_WITHOUT_LOOKUP.contains(&s));
        // Where this host's DNS was not visible before, the capture cannot show a look-up.
        let visible = self.dns_seen.get(&f.orig.ip).is_some_and(|first| *first < f.ts);
        both_ways && visible && !explained
    }

    fn foreign_resolver(&mut self, f: &EgressFlow<'_>, name: Option<&str>) {
        let key = (f.orig, f.resp.ip, f.port);
        if self.foreign.len() >= self.room.of(limits::EGRESS_CANDIDATES_MAX) && !self.foreign.contains_key(&key) {
            self.dropped += 1;
            return;
        }
        let waiting = self.foreign.entry(key).or_default();
        if waiting.len() < limits::EGRESS_PEERS_PER_DEVICE_MAX {
            waiting.push(sighting("dns-foreign-resolver", f, name, ""));
        }
    }

    /// Judges what can be judged only when everything was seen.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Sighting)) {
        for ((host, resolver, _), sightings) in std::mem::take(&mut self.foreign) {
            // Without a resolver inside there is none to go past, and a resolver that answers
            // inside has to ask outside.
            let own = self.inside_resolvers.iter().any(|inside| *inside != host.ip);
            let is_resolver = self.inside_resolvers.contains(&host.ip);
            if own && !is_resolver && !self.assigned_resolvers.contains(&resolver) {
                sightings.into_iter().for_each(&mut *emit);
            }
        }
    }

    /// Emits a sighting under the destination's own finding, or, where a device has many, under
    /// the one that they share.
    fn emit(
        &mut self,
        rule: &'static str,
        f: &EgressFlow<'_>,
        name: Option<&str>,
        service: &'static str,
        emit: &mut dyn FnMut(Sighting),
    ) {
        let mut s = sighting(rule, f, name, service);
        let own = match self.peers.len() < self.room.of(limits::EGRESS_HOSTS_MAX)
            || self.peers.contains_key(&(rule, f.orig))
        {
            true => {
                let peers = self.peers.entry((rule, f.orig)).or_default();
                let room = peers.len() < limits::EGRESS_PEERS_PER_DEVICE_MAX;
                peers.contains(&(f.resp.ip, f.port)) || (room && peers.insert((f.resp.ip, f.port)))
            }
            false => false,
        };
        if !own {
            s.peer = None;
            s.peer_name = None;
            s.port = 0;
            s.detail = Cow::Borrowed("further destinations");
        }
        emit(s);
    }
}

fn is_dns(f: &EgressFlow<'_>) -> bool {
    let plain = f.service == Some("dns") && f.service_from_payload && !matches!(f.port, 5353 | 5355);
    plain || (f.port == 853 && matches!(f.service, Some("tls" | "quic" | "dtls")))
}

/// Ports of services that never begin with TLS (IANA Service Name and Port Number Registry). Those of mail, files and
/// directories do so where they are set up wrongly, and are not among them.
const NEVER_TLS: [u16; 18] = [20, 22, 23, 37, 43, 53, 69, 79, 80, 111, 123, 135, 137, 139, 161, 179, 445, 514];

/// Whether TLS runs from the first byte on the port of another service, where a firewall lets it pass and who looks at
/// ports takes it for that.
fn tls_in_disguise(f: &EgressFlow<'_>) -> bool {
    let is_tls = f.proto == 6 && f.service == Some("tls") && f.service_from_payload;
    is_tls && f.handshake && f.resp_bytes > 0 && NEVER_TLS.contains(&f.port)
}

/// Whether a server's name is one: an address in a Host header is not.
fn is_name(name: &str) -> bool {
    let bare = name.trim_start_matches('[').split(']').next().unwrap_or_default();
    let bare = if name.starts_with('[') { bare } else { bare.split(':').next().unwrap_or_default() };
    !bare.is_empty() && bare.parse::<Addr>().is_err() && name.parse::<Addr>().is_err()
}

/// The readable service that a flow carries out, where that is worth a word.
fn cleartext_service(f: &EgressFlow<'_>, name: Option<&str>) -> Option<&'static str> {
    let service = f.service.filter(|s| CLEARTEXT.contains(s))?;
    // What is served there is signed, and has to be fetched without TLS (RFC 6960, RFC 5280).
    let revocation = name.is_some_and(|n| {
        let label = n.split('.').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
        label.eq_ignore_ascii_case("ocsp") || label.eq_ignore_ascii_case("crl")
    });
    let exchanged = f.orig_bytes > 0 && f.resp_bytes > 0;
    (f.service_from_payload && !f.upgraded && exchanged && !(service == "http" && revocation)).then_some(service)
}

fn sighting(rule: &'static str, f: &EgressFlow<'_>, name: Option<&str>, detail: &'static str) -> Sighting {
    let transport = match f.proto {
        6 => "TCP",
        17 => "UDP",
        1 | 58 => "ICMP",
        132 => "SCTP",
        _ => "IP",
    };
    let peer = if f.resp.ip.is_v4() { f.resp.ip.to_string() } else { format!("[{}]", f.resp.ip) };
    // Names come from the wire: nothing in them may drive a terminal.
    let name = name.map(|n| clean(&n.chars().take(NAME_CHARS_MAX).collect::<String>()));
    let called = name.as_ref().map(|n| format!(" ({n})")).unwrap_or_default();
    let answered = match (f.resp_pkts, f.attempt) {
        (0, _) => ", no answer seen",
        (_, true) => ", refused",
        _ => "",
    };
    let service = f.service.map(|s| format!(", {s}")).unwrap_or_default();
    Sighting {
        rule,
        device: f.orig,
        peer: Some(f.resp),
        port: f.port,
        peer_name: name,
        service: Cow::Borrowed(f.service.unwrap_or_default()),
        flow_id: f.flow_id,
        capture: f.capture,
        packet: f.packet,
        ts: f.ts,
        evidence: format!(
            "{transport} to {peer}:{}{called}{service}: {} bytes out, {} in{answered}",
            f.port, f.orig_bytes, f.resp_bytes
        ),
        detail: Cow::Borrowed(detail),
        weight: WEIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use std::path::Path;

    fn party(ip: &str) -> Party {
        Party { ip: ip.parse().unwrap(), mac: Mac([0, 0x1b, 0xa9, 1, 2, 3]) }
    }

    fn flow() -> EgressFlow<'static> {
        EgressFlow {
            flow_id: 1,
            capture: 0,
            packet: 10,
            ts: Timestamp(1000),
            orig: party("10.0.0.5"),
            resp: party("203.0.113.9"),
            port: 4444,
            proto: 6,
            service: None,
            service_from_payload: false,
            upgraded: false,
            handshake: true,
            attempt: false,
            orig_pkts: 5,
            resp_pkts: 5,
            orig_bytes: 100,
            resp_bytes: 200,
            server_name: None,
            looked_up: false,
        }
    }

    fn judge_with(
        prepare: impl Fn(&mut EgressJudge),
        expect: Option<&Expect>,
        flows: &[EgressFlow<'_>],
    ) -> Vec<Sighting> {
        let mut judge = EgressJudge::default();
        prepare(&mut judge);
        let mut out = Vec::new();
        for f in flows {
            judge.flow(&HomeNet::default(), expect, f, &mut |s| out.push(s));
        }
        judge.finish(&mut |s| out.push(s));
        out
    }

    fn rules(flows: &[EgressFlow<'_>]) -> Vec<&'static str> {
        judge_with(|j| j.dns_answer(flow().orig.ip, Timestamp(500)), None, flows).iter().map(|s| s.rule).collect()
    }

    #[test]
    fn an_address_that_nobody_looked_up_is_told() {
        let found = judge_with(|j| j.dns_answer(flow().orig.ip, Timestamp(500)), None, &[flow()]);
        assert_eq!(found[0].rule, "egress-no-lookup");
        assert_eq!(found[0].evidence, "TCP to 203.0.113.9:4444: 100 bytes out, 200 in");
        assert_eq!(rules(&[EgressFlow { server_name: Some("203.0.113.9:4444"), ..flow() }]), ["egress-no-lookup"]);
        assert_eq!(rules(&[EgressFlow { proto: 17, handshake: true, ..flow() }]), ["egress-no-lookup"]);
    }

    #[test]
    fn tls_on_the_port_of_another_service_is_told() {
        let tls = EgressFlow {
            service: Some("tls"),
            service_from_payload: true,
            server_name: Some("a.example"),
            port: 53,
            ..flow()
        };
        assert_eq!(rules(std::slice::from_ref(&tls)), ["egress-tls-other-port"]);
        for (why, f) in [
            ("its own port", EgressFlow { port: 443, ..tls }),
            ("mail may begin with it", EgressFlow { port: 25, ..tls }),
            ("TLS later in the connection", EgressFlow { service: Some("http"), upgraded: true, port: 80, ..tls }),
            ("midstream", EgressFlow { handshake: false, ..tls }),
            ("nobody answered", EgressFlow { resp_bytes: 0, ..tls }),
            ("a guess by the port", EgressFlow { service_from_payload: false, ..tls }),
        ] {
            assert_eq!(rules(&[f]), [""; 0], "{why}");
        }
    }

    #[test]
    fn nothing_is_told_where_the_capture_cannot_show_it() {
        let none: &[&str] = &[];
        for (why, f) in [
            ("looked up", EgressFlow { looked_up: true, ..flow() }),
            ("named", EgressFlow { server_name: Some("a.example"), ..flow() }),
            ("midstream", EgressFlow { handshake: false, ..flow() }),
            ("no data", EgressFlow { orig_bytes: 0, resp_bytes: 0, ..flow() }),
            ("one way", EgressFlow { proto: 17, resp_pkts: 0, ..flow() }),
            ("NTP", EgressFlow { proto: 17, port: 123, ..flow() }),
            ("media", EgressFlow { proto: 17, service: Some("rtp"), ..flow() }),
            ("ping", EgressFlow { proto: 1, ..flow() }),
            ("inside", EgressFlow { resp: party("10.9.9.9"), ..flow() }),
            ("group", EgressFlow { proto: 17, resp: party("239.1.2.3"), ..flow() }),
            ("from outside", EgressFlow { orig: party("198.51.100.1"), resp: party("10.0.0.5"), ..flow() }),
            ("before its DNS was visible", EgressFlow { ts: Timestamp(400), ..flow() }),
            ("a host without visible DNS", EgressFlow { orig: party("10.0.0.6"), ..flow() }),
        ] {
            assert_eq!(rules(&[f]), none, "{why}");
        }
    }

    #[test]
    fn the_users_list_decides_for_whom_it_covers() {
        let text = "[[expect]]\naddress = \"10.0.0.5\"\nnames = [\"*.example\"]\nnetworks = [\"198.51.100.0/24\"]\n";
        let list = Expect::parse(Path::new("e"), text).unwrap();
        let seen = |f: EgressFlow<'_>| {
            let dns = |j: &mut EgressJudge| j.dns_answer(flow().orig.ip, Timestamp(500));
            judge_with(dns, Some(&list), &[f]).iter().map(|s| s.rule).collect::<Vec<_>>()
        };
        assert_eq!(seen(flow()), ["egress-unexpected"], "and not that nobody looked it up as well");
        assert_eq!(seen(EgressFlow { resp_pkts: 0, handshake: false, ..flow() }), ["egress-unexpected"]);
        assert!(seen(EgressFlow { server_name: Some("a.example"), ..flow() }).is_empty());
        assert!(seen(EgressFlow { resp: party("198.51.100.7"), ..flow() }).is_empty());
        assert_eq!(seen(EgressFlow { orig: party("10.0.0.6"), ..flow() }), [""; 0], "not covered");
        assert!(seen(EgressFlow { resp: party("10.0.0.9"), ..flow() }).is_empty(), "inside is not judged");
    }

    #[test]
    fn readable_services_that_leave_the_site_are_told() {
        let http = EgressFlow {
            service: Some("http"),
            service_from_payload: true,
            port: 80,
            server_name: Some("update.example"),
            ..flow()
        };
        assert_eq!(rules(&[http]), ["egress-cleartext"]);
        let hostile = EgressFlow { server_name: Some("a\x1b[2J.example"), ..http };
        let found = judge_with(|_| (), None, &[hostile]);
        assert!(!found[0].evidence.contains('\x1b') && !found[0].peer_name.as_ref().unwrap().contains('\x1b'));
        for (why, f) in [
            ("only the port says so", EgressFlow { service_from_payload: false, ..http }),
            ("TLS took over", EgressFlow { service: Some("smtp"), upgraded: true, ..http }),
            ("revocation", EgressFlow { server_name: Some("ocsp2.ca.example"), ..http }),
            ("encrypted", EgressFlow { service: Some("tls"), port: 443, ..http }),
            ("inside", EgressFlow { resp: party("10.0.0.9"), ..http }),
            ("nothing came back", EgressFlow { resp_bytes: 0, ..http }),
        ] {
            assert!(rules(&[f]).is_empty(), "{why}");
        }
    }

    #[test]
    fn a_resolver_outside_is_told_only_where_the_site_has_its_own() {
        let outside = EgressFlow {
            proto: 17,
            port: 53,
            service: Some("dns"),
            service_from_payload: true,
            resp: party("9.9.9.9"),
            ..flow()
        };
        let inside = EgressFlow { resp: party("10.0.0.1"), orig: party("10.0.0.7"), ..outside };
        let upstream = EgressFlow { orig: party("10.0.0.1"), ..outside };
        let none: &[&str] = &[];
        assert_eq!(rules(&[outside, inside]), ["dns-foreign-resolver"], "whatever comes first");
        assert_eq!(rules(&[outside]), none, "there is no other");
        assert_eq!(rules(&[inside, upstream]), none, "the site's own resolver asks outside");
        assert_eq!(rules(&[inside, EgressFlow { resp_bytes: 0, ..outside }]), none, "no answer");
        let told = |j: &mut EgressJudge| j.assigned_resolver(outside.resp.ip);
        assert!(judge_with(told, None, &[inside, outside]).is_empty(), "DHCP says so");
        let dot = EgressFlow { port: 853, service: Some("tls"), server_name: Some("dns.example"), ..outside };
        assert_eq!(rules(&[inside, dot]), ["dns-foreign-resolver"]);
    }

    #[test]
    fn many_destinations_of_one_device_share_a_finding() {
        let flows: Vec<_> = (1..=40u8)
            .map(|n| EgressFlow { resp: Party { ip: Addr::v4([203, 0, 113, n]), mac: Mac::ZERO }, ..flow() })
            .collect();
        let found = judge_with(|j| j.dns_answer(flow().orig.ip, Timestamp(500)), None, &flows);
        let own = found.iter().filter(|s| s.peer.is_some()).count();
        assert_eq!((found.len(), own), (40, limits::EGRESS_PEERS_PER_DEVICE_MAX));
        let again = judge_with(|j| j.dns_answer(flow().orig.ip, Timestamp(500)), None, &[flow(), flow()]);
        assert!(again.iter().all(|s| s.peer.is_some()));
    }

    #[test]
    fn addresses_are_no_names() {
        for (text, name) in [
            ("a.example", true),
            ("a.example:80", true),
            ("203.0.113.9", false),
            ("203.0.113.9:80", false),
            ("[2001:db8::1]:80", false),
            ("2001:db8::1", false),
            ("", false),
            ("[", false),
        ] {
            assert_eq!(is_name(text), name, "{text}");
        }
    }
}

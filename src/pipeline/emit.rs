//! From protocol events to rows, sightings, claims and names.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::app::ServerName;
use super::options::EngineOptions;
use super::output::{NameBinding, ShardOutput};
use super::tells;
use crate::base::{Addr, Endpoint, Mac, counters::Counters, hash, limits, secret};
use crate::detect::asking::{self, Unproven};
use crate::detect::certificates::{self, Book, CERTIFICATES, Hidden, Known, Shown};
use crate::detect::credentials::{self, Beside, CREDENTIALS};
use crate::detect::guessing::Attempt;
use crate::detect::login::{self, LoginJudge};
use crate::detect::outdated;
use crate::detect::{Party, Sighting, cleartext, events, frames, intel, sighting};
use crate::device::{Claim, ClaimDedup, links::BannerDedup};
use crate::flow::key::protocol;
use crate::proto::api::{About, Announcement, Carries, Cx, Direction, Fact, FlowView, Login, Presented, Transport};
use crate::proto::link;
use crate::proto::quic;
use crate::proto::registry::Event;
use crate::proto::text;
use crate::proto::tls::{Handshake, TlsEvent};
use crate::proto::web::http;
use crate::record::{RowWriter, Table, clean};

/// Connections that the events of one packet may announce.
const ANNOUNCED_AT_ONCE_MAX: usize = 32;

/// A connection that an event announced, kept until it begins.
#[derive(Debug, Clone)]
pub struct Announced {
    /// One end of it.
    pub endpoint: Endpoint,
    /// What runs there.
    pub carries: Carries,
    /// What its parser is told.
    pub words: Box<[u8]>,
}

impl Announced {
    fn new(a: &Announcement<'_>) -> Self {
        let words = a.words.get(..limits::ANNOUNCED_WORDS_MAX).unwrap_or(a.words);
        Self { endpoint: a.endpoint, carries: a.carries, words: words.into() }
    }
}

/// What a shard keeps from batch to batch of what events told.
#[derive(Debug, Default)]
pub struct Learnt {
    /// What is known of logins.
    pub logins: LoginJudge,
    /// Claims about devices that were not handed on yet.
    pub claims: ClaimDedup,
    /// What servers said of themselves, likewise.
    pub banners: BannerDedup,
    /// Certificates that were read.
    pub certificates: Book,
    /// Room for the chain of one handshake.
    pub chain: Vec<Arc<Known>>,
}

/// Takes the events of one flow while its parser runs.
pub struct Emitter<'a> {
    options: &'a EngineOptions,
    learnt: &'a mut Learnt,
    out: &'a mut ShardOutput,
    interface: u16,
    server_name: Option<Box<ServerName>>,
    announced: Vec<Announced>,
    service: Option<&'static str>,
    upgraded: bool,
    /// Whether the events are of what keys made readable.
    inside: bool,
    inner_service: Option<&'static str>,
}

impl<'a> Emitter<'a> {
    /// For events of a packet that came in on an interface.
    pub const fn new(
        options: &'a EngineOptions,
        learnt: &'a mut Learnt,
        out: &'a mut ShardOutput,
        interface: u16,
    ) -> Self {
        Self {
            options,
            learnt,
            out,
            interface,
            server_name: None,
            announced: Vec::new(),
            service: None,
            upgraded: false,
            inside: false,
            inner_service: None,
        }
    }

    /// Takes the events of what runs inside of TLS: where keys made it readable, it was not in clear on the network.
    pub fn inside(&mut self, in_clear: bool, read: impl FnOnce(&mut Self)) {
        let before = (self.server_name.take(), self.service.take(), self.upgraded);
        self.inside = !in_clear;
        read(self);
        self.inside = false;
        self.note_inner_service(self.service);
        (self.server_name, self.service, self.upgraded) = before;
    }

    /// The service inside of what keys made readable.
    pub fn note_inner_service(&mut self, service: Option<&'static str>) {
        self.inner_service = self.inner_service.or(service);
    }

    /// Likewise, for the flow.
    pub const fn take_inner_service(&mut self) -> Option<&'static str> {
        self.inner_service.take()
    }

    /// Takes what was sighted, but of what keys made readable only what is wrong there too.
    fn sighted(&mut self, found: Vec<Sighting>) {
        let inside = self.inside;
        self.out.sightings.extend(found.into_iter().filter(|s| !inside || sighting::holds_when_encrypted(s.rule)));
    }

    /// Counters of the interface.
    pub fn counters(&mut self) -> &mut Counters {
        self.out.counters(self.interface)
    }

    /// The name of the server, where an event told it.
    pub const fn take_server_name(&mut self) -> Option<Box<ServerName>> {
        self.server_name.take()
    }

    /// Whether an event told that encryption takes over.
    pub const fn upgraded(&self) -> bool {
        self.upgraded
    }

    /// Connections that events announced.
    pub fn take_announced(&mut self) -> Vec<Announced> {
        std::mem::take(&mut self.announced)
    }

    /// A better name for the service of the flow, where an event told one.
    pub const fn take_service(&mut self) -> Option<&'static str> {
        self.service.take()
    }

    /// Puts back what was taken before, in place of what was told since.
    pub const fn give_service(&mut self, name: Option<&'static str>) {
        self.service = name;
    }

    /// Takes an event; `first` says whether it is the first of its flow.
    pub fn event(&mut self, cx: Cx<'_>, event: &Event<'_>, first: bool) {
        let (ts, packet) = event.moment().unwrap_or((cx.ts, cx.packet));
        let at = Cx { ts, packet, ..cx };
        if let Some(table) = event.table() {
            self.row(table, at, |row, options| event.write(row, options.reveal));
        }
        if let Some((source, name)) = event.server_name()
            && self.server_name.is_none()
            && !name.is_empty()
        {
            let name = clean(String::from_utf8_lossy(name).trim_end_matches('.')).to_ascii_lowercase();
            let of_proxy = match event {
                Event::Http(http::Event::Exchange(e)) | Event::Http2(http::Event::Exchange(e)) => e.is_for_another(),
                _ => false,
            };
            self.server_name = Some(Box::new(ServerName { source, name, of_proxy }));
        }
        if let Event::Http(http::Event::Exchange(e)) | Event::Http2(http::Event::Exchange(e)) = event
            && matches!(e.status, Some(401 | 407))
        {
            self.out.asking.insert(asking::server(cx.flow));
        }
        if let Some(login) = event.login() {
            self.login(&cx, event.protocol().spec().name, &login);
        }
        self.service = event.service().or(self.service);
        self.upgraded |= event.upgrades();
        event.announces(&mut |a| {
            if self.announced.len() < ANNOUNCED_AT_ONCE_MAX {
                self.announced.push(Announced::new(&a));
            }
        });
        // What is judged is a flow.
        if self.inside {
            let mut found = Vec::new();
            events::judge(&self.options.home, &at, event, first, &mut found);
            self.sighted(found);
        } else if !on_link(cx.flow) {
            events::judge(&self.options.home, &at, event, first, &mut self.out.sightings);
        }
        if let Some(lists) = self.options.intel.as_ref().filter(|_| !on_link(cx.flow)) {
            intel::event(lists, &self.options.home, &at, event, &mut self.out.sightings);
        }
        match (event, certificates::tls(event)) {
            (_, Some(TlsEvent::Certificates { sender, from_server, chain, sha256 })) => {
                self.certificates(&at, "tls", *sender, *from_server, chain.iter().zip(*sha256));
            }
            (_, Some(TlsEvent::Handshake(handshake))) | (Event::Quic(quic::Event::Handshake(handshake)), None) => {
                self.handshake(&at, handshake);
            }
            _ => {}
        }
        let protocol = event.protocol().spec().name;
        if let Some(presented) = event.presents() {
            self.presented(&at, protocol, presented);
        }
        event.facts(&mut |fact| self.fact(&at, protocol, fact));
        event.leases(&mut |about, ip| self.lease(&at, protocol, about, ip));
        let flow = at.flow;
        event.resolvers(&mut |ip| self.out.resolvers.push(ip));
        if let Event::Dns(e) = event {
            if let Some(name) = e.query.filter(|_| self.options.home.is_home(flow.orig_ip)) {
                tells::asked((flow.orig_mac, flow.orig_ip), name, at.ts, self.learnt);
            }
            e.addresses(&mut |r| {
                let ts = e.response_at.map_or(at.ts, |a| a.0);
                self.out.names.push(NameBinding { host: flow.orig_ip, addr: r.addr, name: r.name.to_owned(), ts });
            });
        }
    }

    /// Takes an event of a frame without IP.
    pub fn frame_event(&mut self, cx: Cx<'_>, event: &link::Event<'_>) {
        let (ts, packet) = event.moment().unwrap_or((cx.ts, cx.packet));
        let at = Cx { ts, packet, ..cx };
        let spec = event.spec();
        if event.has_row()
            && let Some(rows) = self.out.rows_of(spec.table)
        {
            let mut row = rows.row(ts, packet);
            row.name(cx.flow.capture).time(ts).count(packet).mac(cx.flow.orig_mac).mac(cx.flow.resp_mac);
            event.write(&mut row, self.options.reveal);
        }
        if let Some(login) = event.login() {
            self.login(&at, spec.name, &login);
        }
        frames::judge(&at, event, &mut self.out.sightings);
        event.facts(&mut |fact| self.fact(&at, spec.name, fact));
        event.leases(&mut |about, ip| self.lease(&at, spec.name, about, ip));
    }

    /// Writes down and judges certificates that another protocol than TLS shows.
    fn presented(&mut self, at: &Cx<'_>, protocol: &'static str, Presented { sender, chain }: Presented<'_>) {
        let sha256: Vec<[u8; 32]> = chain.iter().map(|der| Sha256::digest(der).into()).collect();
        self.certificates(at, protocol, sender, sender == Direction::Resp, chain.iter().zip(&sha256));
        if let Some(own) = sha256.first().and_then(|first| self.learnt.certificates.get(first)) {
            let mut found = Vec::new();
            certificates::presented(&self.options.home, at, protocol, sender, &own, &mut found);
            self.sighted(found);
        }
    }

    /// Writes down the certificates of one side, as a protocol showed them.
    fn certificates<'c>(
        &mut self,
        at: &Cx<'_>,
        protocol: &'static str,
        sender: Direction,
        from_server: bool,
        chain: impl Iterator<Item = (&'c &'c [u8], &'c [u8; 32])>,
    ) {
        let flow = at.flow;
        let (host, peer) = (certificates::party(flow, sender), certificates::party(flow, sender.other()));
        let datagrams = flow.transport == Transport::Udp && protocol == "tls";
        for (position, (der, sha256)) in chain.enumerate() {
            let (known, read) = self.learnt.certificates.learn(sha256, der);
            if read {
                self.counters().certificates_malformed += u64::from(known.facts.malformed);
                if known.facts.limited {
                    at.limit_hit();
                }
            }
            if let Some(rows) = self.out.rows_of(&CERTIFICATES) {
                certificates::write(rows, at, sender, from_server, position, &known);
                let cut = rows.take_cut();
                self.counters().values_cut += cut;
            }
            if position == 0 && !datagrams {
                let names =
                    [("certificate-subject", &known.facts.subject), ("certificate-issuer", &known.facts.issuer)];
                for (attribute, name) in names {
                    let value = name.as_deref().unwrap_or_default().as_bytes();
                    self.fact(at, protocol, Fact { about: About::Side(sender), attribute, value });
                }
            }
            if self.learnt.certificates.is_new_at(sha256, host.ip, flow.resp_port, from_server) {
                self.out.certificates.push(Shown {
                    known,
                    host,
                    peer,
                    from_server,
                    position: u8::try_from(position).unwrap_or(u8::MAX),
                    datagrams,
                    service: protocol,
                    port: flow.resp_port,
                    flow_id: flow.flow_id,
                    capture: flow.capture,
                    packet: at.packet,
                    ts: at.ts,
                });
            }
        }
    }

    /// Judges the certificates of a handshake that is over, and counts those that nobody could see.
    fn handshake(&mut self, at: &Cx<'_>, handshake: &Handshake) {
        let counters = self.counters();
        counters.tls_hellos_unanswered += u64::from(handshake.server.is_none());
        counters.tls_hellos_ech += u64::from(handshake.client.as_ref().is_some_and(|c| c.ech));
        if let Some(hidden) = certificates::hidden(handshake) {
            counters.tls_handshakes += 1;
            counters.tls_certificates_encrypted += u64::from(hidden == Hidden::Encrypted);
            counters.tls_certificates_resumed += u64::from(hidden == Hidden::Resumed);
            counters.tls_certificates_missed += u64::from(hidden == Hidden::Missed);
        }
        if handshake.certificates.is_empty() {
            return;
        }
        let (server, client) = handshake.certificates.split_at(handshake.server_certificates);
        let Learnt { certificates, chain, .. } = &mut *self.learnt;
        chain.extend(server.iter().map_while(|sha256| certificates.get(sha256)));
        let client = client.first().and_then(|sha256| certificates.get(sha256));
        certificates::judge(&self.options.home, at, handshake, chain, client.as_ref(), &mut self.out.sightings);
        chain.clear();
    }

    /// Turns what an event says of a device into a claim.
    fn fact(&mut self, at: &Cx<'_>, protocol: &'static str, fact: Fact<'_>) {
        if !fact.value.is_empty()
            && let Some((mac, ip)) = whom(at.flow, fact.about)
        {
            let is_user = matches!(fact.attribute, "user" | "username");
            let value = if is_user { secret::user(fact.value) } else { text::without_settings(fact.value) };
            if self.learnt.claims.fact(protocol, (mac, ip), fact.attribute, &value, at.ts) {
                let told = (protocol, fact.attribute, &*String::from_utf8_lossy(&value));
                outdated::judge(&self.options.home, at, Party { ip, mac }, told, &mut self.out.sightings);
            }
            let said_by_server = matches!(fact.about, About::Side(Direction::Resp)) && !on_link(at.flow);
            if said_by_server && matches!(fact.attribute, "banner" | "server") {
                let transport = match at.flow.transport {
                    Transport::Tcp => protocol::TCP,
                    Transport::Udp => protocol::UDP,
                };
                self.learnt.banners.note((mac, ip), transport, at.flow.resp_port, &value, at.ts);
            }
        }
    }

    /// Likewise for an address that was given to a device.
    fn lease(&mut self, at: &Cx<'_>, protocol: &'static str, about: About, ip: Addr) {
        if let Some((mac, _)) = whom(at.flow, about) {
            self.out.claims.push(Claim::owns(protocol, mac, ip, at.ts));
        }
    }

    /// Writes down a login and judges it.
    fn login(&mut self, cx: &Cx<'_>, protocol: &'static str, login: &Login<'_>) {
        let options = self.options;
        let verdict = self.learnt.logins.check(cx, protocol, login);
        let tag = login.secret.map(|s| options.case_key.tag(s));
        if let Some(rows) = self.out.rows_of(&CREDENTIALS) {
            let beside = Beside { tag, is_default: verdict.is_default, decrypted: self.inside };
            credentials::write(rows, cx, protocol, login, beside, options.reveal);
        }
        // Evidence never shows a secret, not even one that stands in the user name.
        let shown_user = credentials::shown_user(protocol, login);
        let shown = Login { username: shown_user.as_deref(), ..*login };
        let judged = |login: &Login<'_>, out: &mut Vec<Sighting>| {
            out.extend(cleartext::login(&options.home, cx, protocol, login));
            login::judge(&options.home, cx, protocol, login, &verdict, out);
        };
        if asking::needs_asking(protocol, login) {
            let server = asking::server(cx.flow);
            let mut both = Unproven { server, asked: Vec::new(), unasked: Vec::new() };
            judged(&shown, &mut both.asked);
            judged(&Login { success: None, ..shown }, &mut both.unasked);
            if self.inside {
                both.asked.retain(|s| sighting::holds_when_encrypted(s.rule));
                both.unasked.retain(|s| sighting::holds_when_encrypted(s.rule));
            }
            self.out.unproven.push(both);
        } else {
            let mut found = Vec::new();
            judged(&shown, &mut found);
            self.sighted(found);
        }
        let flow = cx.flow;
        self.out.attempts.push(Attempt {
            ts: login.ts,
            packet: login.packet,
            capture: flow.capture,
            flow_id: flow.flow_id,
            client: Party { ip: flow.orig_ip, mac: flow.orig_mac },
            server: Party { ip: flow.resp_ip, mac: flow.resp_mac },
            port: flow.resp_port,
            service: protocol,
            user: hash::stable64(0, login.username.unwrap_or_default()),
            // An empty one is nobody's.
            secret: tag.filter(|_| login.secret.is_some_and(|s| !s.is_empty())),
            kind: login.secret_kind,
            own: login::is_own_secret(protocol, login),
            success: login.success,
        });
    }

    fn row(&mut self, table: &'static Table, at: Cx<'_>, write: impl FnOnce(&mut RowWriter<'_>, &EngineOptions)) {
        let inside = self.inside;
        let Some(rows) = self.out.rows_of(table) else { return };
        let FlowView { flow_id, capture, orig_ip, orig_port, resp_ip, resp_port, .. } = *at.flow;
        let mut row = rows.row(at.ts, at.packet);
        if on_link(at.flow) {
            row.null().name(capture).time(at.ts).count(at.packet).null().null().null().null();
        } else {
            row.int(flow_id)
                .name(capture)
                .time(at.ts)
                .count(at.packet)
                .addr(orig_ip)
                .int(orig_port)
                .addr(resp_ip)
                .int(resp_port);
        }
        row.bool(inside);
        write(&mut row, self.options);
        let cut = rows.take_cut();
        self.counters().values_cut += cut;
    }
}

/// Whether the bytes came in frames without IP, which are no flow.
fn on_link(flow: &FlowView) -> bool {
    flow.orig_ip.is_unspecified() && flow.resp_ip.is_unspecified() && flow.flow_id == 0
}

/// MAC and address of whom a fact is about; `None` where nothing tells.
fn whom(flow: &FlowView, about: About) -> Option<(Mac, Addr)> {
    let (mac, ip) = match about {
        About::Side(Direction::Orig) => (flow.orig_mac, flow.orig_ip),
        About::Side(Direction::Resp) => (flow.resp_mac, flow.resp_ip),
        About::Device(mac, ip) => (mac, ip),
        About::Holder(ip) if ip == flow.orig_ip => (flow.orig_mac, ip),
        About::Holder(ip) if ip == flow.resp_ip => (flow.resp_mac, ip),
        About::Holder(_) => return None,
    };
    (!mac.is_zero() || !ip.is_unspecified()).then_some((mac, ip))
}

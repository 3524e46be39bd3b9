//! From protocol events to rows, sightings, claims and names.

use super::app::ServerName;
use super::options::EngineOptions;
use super::output::{NameBinding, ShardOutput};
use crate::base::{Addr, Endpoint, counters::Counters, hash, limits};
use crate::detect::credentials::{self, Beside, CREDENTIALS};
use crate::detect::guessing::Attempt;
use crate::detect::login::{self, LoginJudge};
use crate::detect::{Party, cleartext, events};
use crate::device::Claim;
use crate::proto::api::{About, Announcement, Carries, Cx, Direction, FlowView, Login};
use crate::proto::discovery::dns::Announced as Published;
use crate::proto::registry::Event;
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

/// Takes the events of one flow while its parser runs.
pub struct Emitter<'a> {
    options: &'a EngineOptions,
    logins: &'a mut LoginJudge,
    out: &'a mut ShardOutput,
    interface: u16,
    server_name: Option<Box<ServerName>>,
    announced: Vec<Announced>,
    service: Option<&'static str>,
    upgraded: bool,
}

impl<'a> Emitter<'a> {
    /// For events of a packet that came in on an interface.
    pub const fn new(
        options: &'a EngineOptions,
        logins: &'a mut LoginJudge,
        out: &'a mut ShardOutput,
        interface: u16,
    ) -> Self {
        Self {
            options,
            logins,
            out,
            interface,
            server_name: None,
            announced: Vec::new(),
            service: None,
            upgraded: false,
        }
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
            self.server_name = Some(Box::new(ServerName { source, name }));
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
        events::judge(&self.options.home, &at, event, first, &mut self.out.sightings);
        let protocol = event.protocol().spec().name;
        event.facts(&mut |fact| {
            let flow = at.flow;
            let (mac, ip) = match fact.about {
                About::Side(Direction::Orig) => (flow.orig_mac, flow.orig_ip),
                About::Side(Direction::Resp) => (flow.resp_mac, flow.resp_ip),
                About::Device(mac, ip) => (mac, ip),
            };
            if !(fact.value.is_empty() || mac.is_zero() && ip.is_unspecified()) {
                self.out.claims.push(Claim::fact(protocol, mac, ip, fact.attribute, fact.value, at.ts));
            }
        });
        self.claims(at, event);
    }

    /// Writes down a login and judges it.
    fn login(&mut self, cx: &Cx<'_>, protocol: &'static str, login: &Login<'_>) {
        let options = self.options;
        let verdict = self.logins.check(cx, protocol, login);
        let tag = login.secret.map(|s| options.case_key.tag(s));
        if let Some(rows) = self.out.rows_of(&CREDENTIALS) {
            let beside = Beside { tag, is_default: verdict.is_default };
            credentials::write(rows, cx, protocol, login, beside, options.reveal);
        }
        self.out.sightings.extend(cleartext::login(&options.home, cx, protocol, login));
        login::judge(&options.home, cx, protocol, login, &verdict, &mut self.out.sightings);
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
            success: login.success,
        });
    }

    fn row(&mut self, table: &'static Table, at: Cx<'_>, write: impl FnOnce(&mut RowWriter<'_>, &EngineOptions)) {
        let Some(rows) = self.out.rows_of(table) else { return };
        let FlowView { flow_id, capture, orig_ip, orig_port, resp_ip, resp_port, .. } = *at.flow;
        let mut row = rows.row(at.ts, at.packet);
        row.int(flow_id)
            .name(capture)
            .time(at.ts)
            .count(at.packet)
            .addr(orig_ip)
            .int(orig_port)
            .addr(resp_ip)
            .int(resp_port);
        write(&mut row, self.options);
    }

    /// What an event says of names and devices.
    fn claims(&mut self, at: Cx<'_>, event: &Event<'_>) {
        let flow = at.flow;
        match event {
            Event::Dns(e) => {
                let host = flow.orig_ip;
                e.addresses(&mut |r| {
                    let ts = e.response_at.map_or(at.ts, |a| a.0);
                    self.out.names.push(NameBinding { host, addr: r.addr, name: r.name.to_owned(), ts });
                });
            }
            Event::Mdns(e) | Event::Llmnr(e) => {
                let source = if matches!(event, Event::Mdns(_)) { "mdns" } else { "llmnr" };
                e.announced(&mut |a| {
                    if let Published::Host { host, addr } = a {
                        let (mac, ip) = if addr == flow.orig_ip {
                            (flow.orig_mac, addr)
                        } else if addr == flow.resp_ip {
                            (flow.resp_mac, addr)
                        } else {
                            return;
                        };
                        self.out.claims.push(Claim::hostname(source, mac, ip, host.as_bytes(), at.ts));
                    }
                });
            }
            Event::Dhcp(e) => {
                if e.is_reply {
                    let (servers, _) = e.dns.as_chunks::<4>();
                    self.out.resolvers.extend(servers.iter().map(|b| Addr::v4(*b)));
                }
                dhcp_claims(at, e, &mut self.out.claims);
            }
            _ => {}
        }
    }
}

/// What a DHCP message says of the client, and of the server.
fn dhcp_claims(at: Cx<'_>, e: &crate::proto::discovery::dhcp::Event<'_>, claims: &mut Vec<Claim>) {
    const ACK: u8 = 5;
    const INFORM: u8 = 8;
    const REQUEST: u8 = 3;
    let mac = e.client_mac;
    let ip = if e.is_reply { e.assigned_ip } else { e.client_ip };
    // An offer may be turned down; an acknowledgement is a lease (RFC 2131, section 3.1).
    let holds = match e.message_type {
        ACK => e.is_reply,
        INFORM | REQUEST => !e.is_reply,
        _ => false,
    };
    if holds && !ip.is_unspecified() {
        claims.push(Claim::owns("dhcp", mac, ip, at.ts));
    }
    if e.is_reply {
        return;
    }
    let none = crate::base::Addr::UNSPECIFIED;
    for (attribute, value) in [
        ("hostname", e.host_name),
        ("vendor-class", e.vendor_class),
        ("user-class", e.user_class),
        ("mud-url", e.mud_url),
    ] {
        if !value.is_empty() {
            claims.push(Claim::fact("dhcp", mac, none, attribute, value, at.ts));
        }
    }
}

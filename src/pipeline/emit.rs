//! From protocol events to rows, sightings, claims and names.

use super::app::ServerName;
use super::options::EngineOptions;
use super::output::{NameBinding, ShardOutput};
use crate::base::{Addr, Endpoint, counters::Counters};
use crate::detect::credentials::{self, CREDENTIALS};
use crate::detect::{cleartext, events};
use crate::device::Claim;
use crate::proto::api::{Cx, FlowView};
use crate::proto::dns::Announced;
use crate::proto::registry::Event;
use crate::record::{RowWriter, Table};

/// Takes the events of one flow while its parser runs.
pub struct Emitter<'a> {
    options: &'a EngineOptions,
    out: &'a mut ShardOutput,
    interface: u16,
    server_name: Option<Box<ServerName>>,
    announced: Option<Endpoint>,
    upgraded: bool,
}

impl<'a> Emitter<'a> {
    /// For events of a packet that came in on an interface.
    pub const fn new(options: &'a EngineOptions, out: &'a mut ShardOutput, interface: u16) -> Self {
        Self { options, out, interface, server_name: None, announced: None, upgraded: false }
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

    /// A data connection that an event announced.
    pub const fn take_announced(&mut self) -> Option<Endpoint> {
        self.announced.take()
    }

    /// Takes an event; `first` says whether it is the first of its flow.
    pub fn event(&mut self, cx: Cx<'_>, event: &Event<'_>, first: bool) {
        let (ts, packet) = event.moment().unwrap_or((cx.ts, cx.packet));
        let at = Cx { ts, packet, flow: cx.flow };
        if let Some(table) = event.table() {
            self.row(table, at, |row, options| event.write(row, options.reveal));
        }
        if let Some((source, name)) = event.server_name()
            && self.server_name.is_none()
            && !name.is_empty()
        {
            let name = String::from_utf8_lossy(name).trim_end_matches('.').to_ascii_lowercase();
            self.server_name = Some(Box::new(ServerName { source, name }));
        }
        if let Some(login) = event.login() {
            let protocol = event.protocol().spec().name;
            let options = self.options;
            if let Some(rows) = self.out.rows_of(&CREDENTIALS) {
                credentials::write(rows, &cx, protocol, &login, &options.case_key, options.reveal);
            }
            self.out.sightings.extend(cleartext::login(&options.home, &cx, protocol, &login));
        }
        events::judge(&self.options.home, &at, event, first, &mut self.out.sightings);
        self.claims(at, event);
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
                    if let Announced::Host { host, addr } = a {
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
            Event::Ftp(e) => {
                self.announced = e.data.map(|d| d.endpoint).or(self.announced);
                self.upgraded |= e.auth_tls == Some(true);
            }
            _ => {}
        }
    }
}

/// What a DHCP message says of the client, and of the server.
fn dhcp_claims(at: Cx<'_>, e: &crate::proto::dhcp::Event<'_>, claims: &mut Vec<Claim>) {
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

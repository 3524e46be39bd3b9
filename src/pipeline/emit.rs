//! From protocol events to rows, sightings, claims and names.

use super::app::ServerName;
use super::options::EngineOptions;
use super::output::{NameBinding, ShardOutput};
use crate::base::{Endpoint, counters::Counters};
use crate::detect::{self, credentials};
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
}

impl<'a> Emitter<'a> {
    /// For events of a packet that came in on an interface.
    pub const fn new(options: &'a EngineOptions, out: &'a mut ShardOutput, interface: u16) -> Self {
        Self { options, out, interface, server_name: None, announced: None }
    }

    /// Counters of the interface.
    pub fn counters(&mut self) -> &mut Counters {
        self.out.counters(self.interface)
    }

    /// The name of the server, where an event told it.
    pub const fn take_server_name(&mut self) -> Option<Box<ServerName>> {
        self.server_name.take()
    }

    /// A data connection that an event announced.
    pub const fn take_announced(&mut self) -> Option<Endpoint> {
        self.announced.take()
    }

    /// Takes an event.
    pub fn event(&mut self, cx: Cx<'_>, event: &Event<'_>) {
        let (ts, packet) = event.moment().unwrap_or((cx.ts, cx.packet));
        let at = Cx { ts, packet, flow: cx.flow };
        if let Some(table) = event.table() {
            self.row(table, at, |row, options| event.write(row, options.reveal));
        }
        if let Some((source, name)) = event.server_name() {
            if self.server_name.is_none() && !name.is_empty() {
                let name = String::from_utf8_lossy(name).trim_end_matches('.').to_ascii_lowercase();
                self.server_name = Some(Box::new(ServerName { source, name }));
            }
        }
        if let Some(login) = event.login() {
            let at = Cx { ts: login.ts, packet: login.packet, flow: cx.flow };
            let protocol = event.protocol().spec().name;
            let options = self.options;
            self.row(&credentials::TABLE, at, |row, _| {
                credentials::write(row, protocol, &login, options.reveal, &options.case_key);
            });
            detect::logins::login(at, protocol, &login, &mut self.out.sightings);
        }
        detect::events::event(at, event, &mut self.out.sightings);
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
                    if let Announced::Host { name, addr } = a {
                        let (mac, ip) = if addr == flow.orig_ip {
                            (flow.orig_mac, addr)
                        } else if addr == flow.resp_ip {
                            (flow.resp_mac, addr)
                        } else {
                            return;
                        };
                        self.out.claims.push(Claim::hostname(source, mac, ip, name.as_bytes(), at.ts));
                    }
                });
            }
            Event::Dhcp(e) => detect::dhcp_claims(at, e, &mut self.out.claims),
            Event::Ftp(e) => self.announced = e.data.map(|d| d.endpoint).or(self.announced),
            _ => {}
        }
    }
}

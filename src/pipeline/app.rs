//! What the application layer keeps with each flow, and with one that ended.

use std::sync::Arc;

use super::reader::Reader;
use super::syn::{SynNumber, SynPrints};
use crate::decode::Packet;
use crate::flow::{FlowRecord, key::protocol};
use crate::proto::api::Transport;
use crate::proto::registry::Protocol;
use crate::stream::StreamSide;

/// Where the name of a service comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceSource {
    /// From nowhere: it is not known.
    #[default]
    Unknown,
    /// From the payload.
    Payload,
    /// From the port, because no payload told.
    Port,
}

/// A name that the originator asked the responder for.
#[derive(Debug, Clone)]
pub struct ServerName {
    /// Where it was seen: `sni`, `quic_sni`, `http_host` ...
    pub source: &'static str,
    /// The name.
    pub name: String,
    /// Whether it was asked for as one asks a proxy.
    pub of_proxy: bool,
}

/// What is kept of the application layer with each flow.
#[derive(Debug, Default)]
pub struct App {
    pub(super) stage: Stage,
    pub(super) service: Option<&'static str>,
    pub(super) inner_service: Option<&'static str>,
    pub(super) server_name: Option<Box<ServerName>>,
    pub(super) upgraded: bool,
    /// Fingerprints of the SYNs of originator and responder.
    syns: [SynNumber; 2],
}

#[derive(Default)]
pub(super) enum Stage {
    /// No payload yet.
    #[default]
    New,
    /// Payload is looked at.
    Active(Box<Active>),
    /// So many datagrams came that no probe recognised.
    Strange(u8),
    /// What ran here is over or unknown, but TLS may still begin: after STARTTLS, AUTH TLS, CONNECT,
    /// a SOCKS greeting. The start of so many more payloads of each direction is held against a ClientHello.
    Watched([u8; 2]),
    /// Nothing more to learn.
    Done,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New => "New",
            Self::Active(_) => "Active",
            Self::Strange(_) => "Strange",
            Self::Watched(_) => "Watched",
            Self::Done => "Done",
        })
    }
}

/// A flow whose payload is looked at.
pub(super) struct Active {
    pub(super) sides: [StreamSide; 2],
    pub(super) reader: Reader,
    /// Bytes that it was counted for.
    pub(super) cost: usize,
}

impl Active {
    /// Whether bytes of a stream came and no protocol was recognised in them so far.
    pub(super) fn is_strange(&self) -> bool {
        self.reader.parser.is_none()
            && self.reader.view.transport == Transport::Tcp
            && self.sides.iter().any(|s| !s.unused().is_empty())
    }
}

/// A flow that ended, with what the application layer knows of it.
#[derive(Debug, Clone)]
pub struct EndedFlow {
    /// Counts and state.
    pub record: FlowRecord,
    /// Service.
    pub service: Option<&'static str>,
    /// Where the service comes from.
    pub service_source: ServiceSource,
    /// Name of the server, as the payload says.
    pub server_name: Option<Box<ServerName>>,
    /// Service inside of the encryption, where keys opened it.
    pub inner_service: Option<&'static str>,
    /// Whether encryption took over on the way.
    pub upgraded: bool,
    /// NPF strings of the SYNs of originator and responder.
    pub syns: [Option<Arc<str>>; 2],
}

impl App {
    /// Whether a packet of this flow can still tell anything.
    #[inline]
    pub fn wants(&self, packet: &Packet) -> bool {
        match self.stage {
            Stage::Done => false,
            Stage::New | Stage::Strange(_) | Stage::Watched(_) => packet.payload_wire_len > 0,
            Stage::Active(_) => true,
        }
    }

    /// Marks the flow as carrying a service that another flow announced.
    pub fn announce(&mut self, service: &'static str) {
        self.service = Some(service);
        self.stage = Stage::Done;
    }

    /// Keeps the first fingerprint of each side.
    pub fn note_syn(&mut self, answer: bool, number: SynNumber) {
        let [orig, resp] = &mut self.syns;
        let slot = if answer { resp } else { orig };
        if *slot == 0 {
            *slot = number;
        }
    }

    /// Ends the application layer's part of a flow.
    pub fn into_ended(self, record: FlowRecord, syns: &SynPrints) -> EndedFlow {
        let by_port = || {
            let transport = match record.protocol {
                protocol::TCP => Transport::Tcp,
                protocol::UDP => Transport::Udp,
                _ => return None,
            };
            let talked = record.orig.bytes + record.resp.bytes > 0;
            Protocol::on_port(transport, record.resp_port).filter(|_| talked).map(|p| p.spec().name)
        };
        let (service, service_source) = match self.service {
            Some(name) => (Some(name), ServiceSource::Payload),
            None => match by_port() {
                Some(name) => (Some(name), ServiceSource::Port),
                None => (None, ServiceSource::Unknown),
            },
        };
        EndedFlow {
            record,
            service,
            service_source,
            server_name: self.server_name,
            inner_service: self.inner_service,
            syns: self.syns.map(|number| syns.text(number)),
            upgraded: self.upgraded,
        }
    }
}

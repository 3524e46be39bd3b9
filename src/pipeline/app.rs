//! The application layer of a flow: which protocol it is, and feeding its parser.

use std::collections::VecDeque;

use super::emit::Emitter;
use crate::base::{Endpoint, Timestamp, limits};
use crate::decode::{Packet, TcpFields};
use crate::flow::{Flow, FlowRecord, key::protocol};
use crate::proto::api::{Cx, Direction, FlowView, Probe, Progress, Transport};
use crate::proto::registry::{Parser, Protocol};
use crate::stream::{Budget, Chunk, StreamSide, Taken};

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
    /// Where it was seen: `sni`, `http_host` ...
    pub source: &'static str,
    /// The name.
    pub name: String,
}

/// What is kept of the application layer with each flow.
#[derive(Debug, Default)]
pub struct App {
    stage: Stage,
    service: Option<&'static str>,
    server_name: Option<Box<ServerName>>,
    upgraded: bool,
}

#[derive(Default)]
enum Stage {
    /// No payload yet.
    #[default]
    New,
    /// Payload is looked at.
    Active(Box<Active>),
    /// So many datagrams came that no probe recognised.
    Strange(u8),
    /// What ran here is over or unknown, but TLS may still begin: after STARTTLS, AUTH TLS, CONNECT,
    /// a SOCKS greeting. The start of so many more payloads is held against a ClientHello.
    Watched(u8),
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
struct Active {
    sides: [StreamSide; 2],
    reader: Reader,
}

impl Active {
    /// Whether bytes of a stream came and no protocol was recognised in them so far.
    fn is_strange(&self) -> bool {
        self.reader.parser.is_none()
            && self.reader.view.transport == Transport::Tcp
            && self.sides.iter().any(|s| !s.unused().is_empty())
    }
}

/// The part of [`Active`] that reads: apart, so that a stream and its reader can be borrowed at once.
struct Reader {
    view: FlowView,
    /// Protocols that the payload may still be, and those that it might be at its start.
    candidates: u64,
    all: u64,
    parser: Option<(Protocol, Parser)>,
    /// Further payloads at which a stream that was taken up midstream may yet show what it is: the
    /// first one seen mostly lies in the middle of a message.
    chances: u8,
    had_event: bool,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Going,
    Finished,
    Violated,
    Unknown,
}

/// Payloads of a TCP flow that are held against a ClientHello after its protocol was given up or
/// has ended.
const WATCHED_MAX: u8 = 32;

/// Payloads of a stream without a beginning that are held against the probes.
const MIDSTREAM_CHANCES: u8 = 32;

/// Bytes of a stream without a beginning in which a protocol shows itself, or they are the inside of
/// some message and the next payload may tell.
const MIDSTREAM_BYTES: usize = 256;

/// Datagrams of a flow that are held against the probes before it is given up.
const STRANGERS_MAX: u8 = 6;

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
    /// Whether encryption took over on the way.
    pub upgraded: bool,
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

    /// Ends the application layer's part of a flow.
    pub fn into_ended(self, record: FlowRecord) -> EndedFlow {
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
        EndedFlow { record, service, service_source, server_name: self.server_name, upgraded: self.upgraded }
    }
}

/// Whether a payload begins with a TLS record that holds the start of a ClientHello or ServerHello
/// (RFC 8446, sections 4 and 5.1): strict enough to be believed in the middle of a connection.
fn begins_hello(payload: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const SERVER_HELLO: u8 = 2;
    match payload {
        [HANDSHAKE, 3, 0..=4, r1, r0, CLIENT_HELLO | SERVER_HELLO, 0, h1, h0, 3, 0..=4, ..] => {
            let record = u16::from_be_bytes([*r1, *r0]);
            let hello = u16::from_be_bytes([*h1, *h0]);
            (40..=0x4000).contains(&record) && hello >= 38
        }
        _ => false,
    }
}

/// Data connections that a control connection announced, by responder.
const ANNOUNCED_MAX: usize = 1024;

/// Feeds payload to parsers; one for each shard.
#[derive(Debug)]
pub struct Feed {
    budget: Budget,
    tcp: u64,
    udp: u64,
    /// Bytes of parsers and streams in use, without what the budget counts.
    active_bytes: usize,
    /// Endpoints that FTP control connections announced, the oldest first.
    announced: VecDeque<Endpoint>,
}

impl Feed {
    /// A feed with a budget for reassembly.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            tcp: Protocol::over(Transport::Tcp),
            udp: Protocol::over(Transport::Udp),
            active_bytes: 0,
            announced: VecDeque::new(),
        }
    }

    /// Bytes of memory in use for streams and parsers.
    pub fn memory(&self) -> usize {
        self.active_bytes + self.budget.used()
    }

    /// Bytes that an active flow takes, its parser's own growth estimated.
    const fn cost(reader: &Reader) -> usize {
        const PARSER_HEAP: usize = 1024;
        size_of::<Active>()
            + match &reader.parser {
                Some((_, parser)) => parser.size() + PARSER_HEAP,
                None => 0,
            }
    }

    fn start(&mut self, flow: &Flow<App>) -> Box<Active> {
        let is_tcp = flow.protocol() == protocol::TCP;
        let all = Protocol::between(if is_tcp { self.tcp } else { self.udp }, [flow.orig_port, flow.resp_port]);
        let active = Box::new(Active {
            sides: Default::default(),
            reader: Reader {
                view: FlowView {
                    flow_id: flow.id,
                    capture: flow.capture,
                    orig_ip: flow.orig_ip,
                    orig_port: flow.orig_port,
                    resp_ip: flow.resp_ip,
                    resp_port: flow.resp_port,
                    orig_mac: flow.sides[0].mac,
                    resp_mac: flow.sides[1].mac,
                    transport: if is_tcp { Transport::Tcp } else { Transport::Udp },
                },
                candidates: all,
                all,
                parser: None,
                chances: if is_tcp && !flow.sides.iter().any(|s| s.began_with_syn) { MIDSTREAM_CHANCES } else { 0 },
                had_event: false,
                outcome: Outcome::Going,
            },
        });
        self.active_bytes += Self::cost(&active.reader);
        active
    }

    /// Starts to read a flow whose protocol is known.
    fn start_with(&mut self, flow: &Flow<App>, protocol: Protocol) -> Box<Active> {
        let mut active = self.start(flow);
        self.active_bytes = self.active_bytes.saturating_sub(Self::cost(&active.reader));
        active.reader.parser = Some((protocol, protocol.parser()));
        self.active_bytes += Self::cost(&active.reader);
        active
    }

    /// Starts to read TLS in the middle of a connection, with this packet.
    fn start_tls(&mut self, flow: &Flow<App>, packet: &Packet, side: usize) -> Box<Active> {
        let mut active = self.start_with(flow, Protocol::Tls);
        // The streams begin here, whatever went before.
        for (i, stream) in active.sides.iter_mut().enumerate() {
            match flow.sides.get(i).filter(|s| s.seq.started()) {
                Some(_) if i == side => stream.start(packet.tcp.seq),
                Some(other) => stream.start(other.seq.next()),
                None => {}
            }
        }
        active
    }

    /// Gives back what an application layer holds.
    fn discard(&mut self, active: &mut Active) {
        for side in &mut active.sides {
            side.release(&mut self.budget);
        }
        self.active_bytes = self.active_bytes.saturating_sub(Self::cost(&active.reader));
    }

    /// Whether a control connection announced this flow.
    fn was_announced(&mut self, flow: &Flow<App>) -> bool {
        let ends = [(flow.resp_ip, flow.resp_port), (flow.orig_ip, flow.orig_port)];
        let found = self.announced.iter().position(|e| ends.contains(&(e.ip, e.port)));
        found.and_then(|i| self.announced.remove(i)).is_some()
    }

    /// Hands the payload of a packet to the flow's parser, or looks for one.
    pub fn packet(
        &mut self,
        flow: &mut Flow<App>,
        packet: &Packet,
        side: usize,
        payload: &[u8],
        emit: &mut Emitter<'_>,
    ) {
        let stranger = if let Stage::Strange(n) = flow.app.stage { n } else { 0 };
        let mut active = match std::mem::take(&mut flow.app.stage) {
            Stage::Active(mut unknown) if unknown.is_strange() && begins_hello(payload) => {
                // What came before was not recognised so far, and now it does not matter.
                self.discard(&mut unknown);
                self.start_tls(flow, packet, side)
            }
            Stage::Active(active) => active,
            Stage::Done => {
                flow.app.stage = Stage::Done;
                return;
            }
            Stage::New | Stage::Strange(_) if flow.protocol() == protocol::UDP => {
                let dir = if side == 0 { Direction::Orig } else { Direction::Resp };
                let mut candidates = Protocol::between(self.udp, [flow.orig_port, flow.resp_port]);
                let Some(found) = recognise(&mut candidates, Transport::Udp, flow.resp_port, dir, payload) else {
                    // The next datagram may tell, but not for ever.
                    flow.app.stage = match stranger + 1 {
                        STRANGERS_MAX.. => Stage::Done,
                        n => Stage::Strange(n),
                    };
                    return;
                };
                self.start_with(flow, found)
            }
            Stage::Strange(_) => return,
            Stage::New => {
                if !self.announced.is_empty() && flow.protocol() == protocol::TCP && self.was_announced(flow) {
                    flow.app.announce("ftp-data");
                    return;
                }
                self.start(flow)
            }
            Stage::Watched(left) => {
                if !begins_hello(payload) {
                    flow.app.stage = if left == 0 { Stage::Done } else { Stage::Watched(left - 1) };
                    return;
                }
                self.start_tls(flow, packet, side)
            }
        };
        let cost = Self::cost(&active.reader);
        let dir = if side == 0 { Direction::Orig } else { Direction::Resp };
        // The responder's MAC may have become known since.
        active.reader.view.resp_mac = flow.sides[1].mac;
        let at = (packet.ts, packet.number);
        if flow.protocol() == protocol::TCP {
            self.segment(&mut active, flow, packet, dir, payload, at, emit);
        } else {
            active.reader.datagram(dir, payload, at, emit);
        }
        self.settle(flow, active, cost, at, emit);
    }

    #[allow(clippy::too_many_arguments)] // everything that a segment is
    fn segment(
        &mut self,
        active: &mut Active,
        flow: &Flow<App>,
        packet: &Packet,
        dir: Direction,
        payload: &[u8],
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) {
        let Active { sides: [orig, resp], reader } = active;
        let (mine, other) = if dir == Direction::Orig { (orig, resp) } else { (resp, orig) };
        if let Some(seq) = flow.stream_base(dir.index()) {
            mine.start(seq);
        }
        let wire = packet.payload_wire_len as usize;
        if wire > 0 && !packet.tcp.has(TcpFields::RST) {
            let syn = u32::from(packet.tcp.has(TcpFields::SYN));
            let seq = packet.tcp.seq.wrapping_add(syn);
            let pending = other.unused();
            let mut other_taken = None;
            let mut read = |chunk: Chunk<'_>| reader.read(dir, chunk, at, pending, &mut other_taken, emit);
            mine.push(seq, payload, wire, &mut self.budget, &mut read);
            mine.relieve(&mut self.budget, &mut read);
            if let Some(taken) = other_taken {
                other.apply(taken, &mut self.budget);
            }
        }
        if packet.tcp.has(TcpFields::ACK) && reader.outcome == Outcome::Going {
            let mut none = None;
            let mut read = |chunk: Chunk<'_>| reader.read(dir.other(), chunk, at, &[], &mut none, emit);
            other.acknowledged(packet.tcp.ack, &mut self.budget, &mut read);
        }
        let dropped = mine.take_dropped() + other.take_dropped();
        if dropped > 0 {
            emit.counters().reassembly_dropped_bytes += dropped;
        }
    }

    /// Puts the application layer back into its flow, or ends it.
    fn settle(
        &mut self,
        flow: &mut Flow<App>,
        mut active: Box<Active>,
        cost: usize,
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) {
        if let Some(endpoint) = emit.take_announced() {
            if self.announced.len() >= ANNOUNCED_MAX {
                self.announced.pop_front();
            }
            self.announced.push_back(endpoint);
        }
        if let Some(name) = emit.take_server_name() {
            flow.app.server_name.get_or_insert(name);
        }
        flow.app.upgraded |= emit.upgraded();
        if let Some((protocol, _)) = &active.reader.parser {
            flow.app.upgraded |= *protocol == Protocol::Tls && flow.app.service.is_some();
            flow.app.service.get_or_insert(protocol.spec().name);
        }
        match active.reader.outcome {
            Outcome::Going => {
                self.active_bytes = (self.active_bytes + Self::cost(&active.reader)).saturating_sub(cost);
                flow.app.stage = Stage::Active(active);
                return;
            }
            Outcome::Violated => {
                emit.counters().violations += 1;
                if !active.reader.had_event && !flow.app.upgraded {
                    flow.app.service = None;
                }
            }
            Outcome::Unknown | Outcome::Finished => {}
        }
        let was_tls = matches!(&active.reader.parser, Some((Protocol::Tls, _)));
        let watch = flow.protocol() == protocol::TCP && !was_tls;
        let app = &mut flow.app;
        self.close(&mut active, app, at, emit);
        self.active_bytes = self.active_bytes.saturating_sub(cost);
        app.stage = if watch { Stage::Watched(WATCHED_MAX) } else { Stage::Done };
    }

    /// Lets the parser say its last and gives back the streams' memory.
    fn close(&mut self, active: &mut Active, app: &mut App, at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        let Active { sides, reader } = active;
        for (side, dir) in sides.iter().zip([Direction::Orig, Direction::Resp]) {
            reader.end(dir, side.unused(), at, emit);
        }
        for side in sides {
            side.release(&mut self.budget);
        }
        if let Some(name) = emit.take_server_name() {
            app.server_name.get_or_insert(name);
        }
    }

    /// The flow ends: what waits in its streams is read, and its parser says its last.
    pub fn end(&mut self, flow: &mut Flow<App>, emit: &mut Emitter<'_>) {
        let Stage::Active(mut active) = std::mem::replace(&mut flow.app.stage, Stage::Done) else { return };
        let cost = Self::cost(&active.reader);
        let at = (flow.last, flow.last_packet());
        {
            let Active { sides, reader } = &mut *active;
            for (side, dir) in sides.iter_mut().zip([Direction::Orig, Direction::Resp]) {
                let mut none = None;
                side.finish(&mut self.budget, &mut |chunk| reader.read(dir, chunk, at, &[], &mut none, emit));
            }
        }
        let by_port = active.reader.take_usual_parser();
        if by_port {
            let Active { sides, reader } = &mut *active;
            // Who spoke first is not known any more; a server's greeting explains what follows.
            for (side, dir) in sides.iter_mut().zip([Direction::Orig, Direction::Resp]).rev() {
                if !side.unused().is_empty() {
                    let taken = reader.parse(dir, side.unused(), at, emit);
                    side.apply(taken, &mut self.budget);
                }
            }
        }
        if let Some((protocol, _)) = &active.reader.parser
            && !by_port
            && (active.reader.outcome != Outcome::Violated || active.reader.had_event)
        {
            flow.app.service.get_or_insert(protocol.spec().name);
        }
        self.close(&mut active, &mut flow.app, at, emit);
        self.active_bytes = self.active_bytes.saturating_sub(cost);
    }
}

/// Holds a payload against the probes of the candidates, those of the usual port first. What it
/// cannot be is struck from them.
fn recognise(candidates: &mut u64, transport: Transport, port: u16, dir: Direction, bytes: &[u8]) -> Option<Protocol> {
    let hint = Protocol::on_port(transport, port);
    let ordered = hint.into_iter().chain(Protocol::ALL.iter().copied().filter(|p| Some(*p) != hint));
    for protocol in ordered {
        if *candidates & protocol.bit() == 0 {
            continue;
        }
        match protocol.probe(dir, bytes) {
            Probe::Yes => return Some(protocol),
            Probe::No => *candidates &= !protocol.bit(),
            Probe::NeedMore => {}
        }
    }
    None
}

impl Reader {
    /// Reads the next part of a stream. `other_pending` is what the other direction has shown
    /// before without being recognised: it came first, so the parser sees it first.
    fn read(
        &mut self,
        dir: Direction,
        chunk: Chunk<'_>,
        at: (Timestamp, u64),
        other_pending: &[u8],
        other_taken: &mut Option<Taken>,
        emit: &mut Emitter<'_>,
    ) -> Taken {
        if self.outcome != Outcome::Going {
            return Taken::Stop;
        }
        match chunk {
            Chunk::Bytes(bytes) => {
                if self.parser.is_none() {
                    let Reader { view, candidates, .. } = &mut *self;
                    self.parser =
                        recognise(candidates, view.transport, view.resp_port, dir, bytes).map(|p| (p, p.parser()));
                    if self.parser.is_none() {
                        if self.chances > 0 && (self.candidates == 0 || bytes.len() >= MIDSTREAM_BYTES) {
                            self.chances -= 1;
                            self.candidates = self.all;
                            return Taken::All;
                        }
                        if self.candidates == 0 || bytes.len() >= limits::PROBE_BYTES_MAX {
                            self.outcome = Outcome::Unknown;
                            return Taken::Stop;
                        }
                        return Taken::Some { consumed: 0, needed: bytes.len() + 1 };
                    }
                    if !other_pending.is_empty() {
                        *other_taken = Some(self.parse(dir.other(), other_pending, at, emit));
                    }
                }
                self.parse(dir, bytes, at, emit)
            }
            Chunk::Gap(missing) => match &mut self.parser {
                Some((_, parser)) => {
                    let cx = Cx { ts: at.0, packet: at.1, flow: &self.view };
                    let progress = parser.on_gap(cx, dir, missing);
                    self.judge(progress)
                }
                None if self.chances > 0 => {
                    self.chances -= 1;
                    self.candidates = self.all;
                    Taken::All
                }
                None => {
                    self.outcome = Outcome::Unknown;
                    Taken::Stop
                }
            },
        }
    }

    /// At the end of a flow that no probe was sure of: takes the parser of the usual port, where the
    /// payload did not rule it out. The service is then told from the port.
    fn take_usual_parser(&mut self) -> bool {
        let hint = Protocol::on_port(self.view.transport, self.view.resp_port);
        let Some(protocol) = hint.filter(|p| self.candidates & p.bit() != 0) else { return false };
        if self.parser.is_some() || self.outcome != Outcome::Going {
            return false;
        }
        self.parser = Some((protocol, protocol.parser()));
        true
    }

    fn parse(&mut self, dir: Direction, bytes: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) -> Taken {
        if self.outcome != Outcome::Going {
            return Taken::Stop;
        }
        let Some((_, parser)) = &mut self.parser else { return Taken::Stop };
        let cx = Cx { ts: at.0, packet: at.1, flow: &self.view };
        let had_event = &mut self.had_event;
        let progress = parser.on_data(cx, dir, bytes, &mut |event| {
            emit.event(cx, &event, !*had_event);
            *had_event = true;
        });
        self.judge(progress)
    }

    const fn judge(&mut self, progress: Progress) -> Taken {
        match progress {
            Progress::Done => Taken::All,
            Progress::Partial { consumed, needed } => Taken::Some { consumed, needed },
            Progress::Skip(bytes) => Taken::Skip(bytes),
            Progress::Finished => {
                self.outcome = Outcome::Finished;
                Taken::Stop
            }
            Progress::Violation(_) => {
                self.outcome = Outcome::Violated;
                Taken::Stop
            }
        }
    }

    fn datagram(&mut self, dir: Direction, payload: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        if payload.is_empty() || self.outcome != Outcome::Going {
            return;
        }
        self.parse(dir, payload, at, emit);
        if self.outcome == Outcome::Violated && self.had_event {
            // One odd datagram among good ones does not make the flow another protocol.
            emit.counters().violations += 1;
            self.outcome = Outcome::Going;
        }
    }

    fn end(&mut self, dir: Direction, rest: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        if self.outcome == Outcome::Violated && !self.had_event {
            return;
        }
        if let Some((_, parser)) = &mut self.parser {
            let cx = Cx { ts: at.0, packet: at.1, flow: &self.view };
            let had_event = &mut self.had_event;
            parser.on_end(cx, dir, rest, &mut |event| {
                emit.event(cx, &event, !*had_event);
                *had_event = true;
            });
        }
    }
}

//! Feeding payload to the readers of flows: streams, datagrams, and what outlives a packet.

use std::collections::VecDeque;

use super::app::{Active, App, Stage};
use super::emit::Emitter;
use super::reader::{MIDSTREAM_CHANCES, Outcome, Reader, begins_hello, recognise};
use crate::base::{Endpoint, Timestamp};
use crate::decode::{Packet, TcpFields};
use crate::flow::{Flow, key::protocol};
use crate::proto::api::{Direction, FlowView, Transport};
use crate::proto::registry::Protocol;
use crate::stream::{Budget, Chunk};

/// Payloads of a TCP flow that are held against a ClientHello after its protocol was given up or
/// has ended.
const WATCHED_MAX: u8 = 32;

/// Datagrams of a flow that are held against the probes before it is given up.
const STRANGERS_MAX: u8 = 6;

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

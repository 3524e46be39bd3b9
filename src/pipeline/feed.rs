//! Feeding payload to the readers of flows: streams, datagrams, and what outlives a packet.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::app::{Active, App, Stage};
use super::emit::{Announced, Emitter};
use super::reader::{Outcome, Reader, begins_hello, recognise};
use crate::base::{Addr, Endpoint, Timestamp, limits};
use crate::decode::{Packet, TcpFields};
use crate::flow::{Flow, key::protocol};
use crate::proto::api::{Carries, Direction, FlowView, Transport};
use crate::proto::named::{self, Glance};
use crate::proto::registry::Protocol;
use crate::proto::tls::opening::keylog::KeyStore;
use crate::stream::{Budget, Chunk};

/// Payloads of each direction of a TCP flow that are held against a ClientHello after its protocol was
/// given up or has ended. What the one side pours out says nothing of when the other will speak.
const WATCHED_MAX: u8 = 32;

/// Datagrams of a flow that are held against the probes before it is given up.
const STRANGERS_MAX: u8 = 12;

/// The two addresses of an announced flow, the lower first, and the end that was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Meeting {
    low: Addr,
    high: Addr,
    endpoint: Endpoint,
}

impl Meeting {
    fn of(flow: &Flow<App>, endpoint: Endpoint) -> Self {
        let (a, b) = (flow.orig_ip, flow.resp_ip);
        Self { low: a.min(b), high: a.max(b), endpoint }
    }
}

/// The protocol whose usual port one of a flow's ports is.
fn usual(flow: &Flow<App>) -> Option<Protocol> {
    let on = |port| Protocol::on_port(Transport::Udp, port);
    on(flow.resp_port).or_else(|| on(flow.orig_port))
}

/// The next datagram may tell what the first ones did not, but not for ever: behind some, only the
/// protocol of the usual port is looked for, so that a few forged datagrams do not hide what follows.
fn next_stranger(seen: u8, flow: &Flow<App>) -> Stage {
    match seen.saturating_add(1) {
        STRANGERS_MAX.. if usual(flow).is_none() => Stage::Done,
        n => Stage::Strange(n.min(STRANGERS_MAX)),
    }
}

/// Feeds payload to parsers; one for each shard.
#[derive(Debug)]
pub struct Feed {
    budget: Budget,
    keys: Arc<KeyStore>,
    tcp: u128,
    udp: u128,
    /// Bytes of parsers and streams in use, without what the budget counts.
    active_bytes: usize,
    /// What other flows announced, by the two addresses and the endpoint, with its number; and the
    /// announcements, the oldest first.
    announced: HashMap<Meeting, (u64, Announced)>,
    announced_order: VecDeque<(u64, Meeting)>,
    /// Announcements so far.
    announcements: u64,
}

impl Feed {
    /// A feed with a budget for reassembly, and secrets of TLS sessions.
    pub fn new(budget: Budget, keys: Arc<KeyStore>) -> Self {
        Self {
            budget,
            keys,
            tcp: Protocol::over(Transport::Tcp),
            udp: Protocol::over(Transport::Udp),
            active_bytes: 0,
            announced: HashMap::new(),
            announced_order: VecDeque::new(),
            announcements: 0,
        }
    }

    /// Bytes of memory in use for streams and parsers.
    pub fn memory(&self) -> usize {
        self.active_bytes + self.budget.used()
    }

    /// Bytes that an active flow takes, its parser's own growth estimated.
    fn cost(reader: &Reader) -> usize {
        const PARSER_HEAP: usize = 1024;
        size_of::<Active>()
            + match &reader.parser {
                Some((_, parser)) => parser.size() + PARSER_HEAP,
                None => 0,
            }
            + reader.inner.as_ref().map_or(0, |inner| inner.size())
            + reader.besides.size()
            + reader.wrapped.size()
    }

    fn start(&mut self, flow: &Flow<App>) -> Box<Active> {
        let is_tcp = flow.protocol() == protocol::TCP;
        let from_start = !is_tcp || flow.sides.iter().any(|s| s.began_with_syn);
        let all = Protocol::between(if is_tcp { self.tcp } else { self.udp }, [flow.orig_port, flow.resp_port]);
        let mut active = Box::new(Active {
            cost: 0,
            sides: Default::default(),
            reader: Reader::new(
                FlowView {
                    flow_id: flow.id,
                    capture: flow.capture,
                    orig_ip: flow.orig_ip,
                    orig_port: flow.orig_port,
                    resp_ip: flow.resp_ip,
                    resp_port: flow.resp_port,
                    orig_mac: flow.sides[0].mac,
                    resp_mac: flow.sides[1].mac,
                    transport: if is_tcp { Transport::Tcp } else { Transport::Udp },
                    from_start,
                },
                all,
                self.keys.clone(),
            ),
        });
        self.count(&mut active);
        active
    }

    /// Counts what an active flow takes now, in place of what it took before.
    fn count(&mut self, active: &mut Active) {
        let cost = Self::cost(&active.reader);
        let before = std::mem::replace(&mut active.cost, cost);
        self.active_bytes = (self.active_bytes + cost).saturating_sub(before);
    }

    /// Starts to read a flow whose protocol is known.
    fn start_with(&mut self, flow: &Flow<App>, protocol: Protocol) -> Box<Active> {
        let mut active = self.start(flow);
        active.reader.take_parser(protocol);
        self.count(&mut active);
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
        self.active_bytes = self.active_bytes.saturating_sub(active.cost);
    }

    /// What another flow announced of this one.
    fn take_announced(&mut self, flow: &Flow<App>) -> Option<Announced> {
        if self.announced.is_empty() {
            return None;
        }
        let ends = [(flow.resp_ip, flow.resp_port), (flow.orig_ip, flow.orig_port)];
        ends.iter().find_map(|(ip, port)| {
            let meeting = Meeting::of(flow, Endpoint { ip: *ip, port: *port });
            self.announced.remove(&meeting).map(|(_, announced)| announced)
        })
    }

    /// Keeps an announcement until its flow begins. Nobody can announce what others will do: only
    /// a flow between the same two addresses is found by it.
    fn remember(&mut self, flow: &Flow<App>, announced: Announced, emit: &mut Emitter<'_>) {
        if ![flow.orig_ip, flow.resp_ip].contains(&announced.endpoint.ip) {
            return;
        }
        let meeting = Meeting::of(flow, announced.endpoint);
        self.announcements += 1;
        self.announced.insert(meeting, (self.announcements, announced));
        self.announced_order.push_back((self.announcements, meeting));
        // What was used up or announced again since leaves the order with the oldest.
        if self.announced_order.len() > limits::ANNOUNCED_MAX
            && let Some((number, oldest)) = self.announced_order.pop_front()
            && self.announced.get(&oldest).is_some_and(|(n, _)| *n == number)
        {
            self.announced.remove(&oldest);
            emit.counters().parser_limits += 1;
        }
    }

    /// Starts a flow with what another one announced of it; `None` where its bytes tell nothing more.
    fn start_announced(&mut self, flow: &mut Flow<App>, announced: &Announced) -> Option<Box<Active>> {
        match announced.carries {
            Carries::Named(service) => {
                flow.app.announce(service);
                None
            }
            Carries::Protocol(name) => {
                let mut active = self.start_with(flow, Protocol::named(name)?);
                active.reader.announced = true;
                if let Some((_, parser)) = &mut active.reader.parser {
                    parser.introduce(&announced.words);
                }
                Some(active)
            }
        }
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
                let ports = [flow.orig_port, flow.resp_port];
                let mut candidates = Protocol::between(self.udp, ports);
                if stranger >= STRANGERS_MAX {
                    candidates &= usual(flow).map_or(0, Protocol::bit);
                }
                let announced = if stranger == 0 { self.take_announced(flow) } else { None };
                if let Some(announced) = announced {
                    match self.start_announced(flow, &announced) {
                        Some(active) => active,
                        None => return,
                    }
                } else if let Some(found) = recognise(&mut candidates, Transport::Udp, flow.resp_port, dir, payload) {
                    // What it was named before is not what it is.
                    flow.app.service = None;
                    self.start_with(flow, found)
                } else {
                    let glance = Glance { dir, payload, ports, from_start: true };
                    let is_named = flow.app.service.is_some() || stranger >= STRANGERS_MAX;
                    let name = if is_named { None } else { named::name(Transport::Udp, &glance) };
                    flow.app.service = flow.app.service.or(name);
                    let seen = if name.is_some() { STRANGERS_MAX } else { stranger };
                    flow.app.stage = next_stranger(seen, flow);
                    return;
                }
            }
            Stage::Strange(_) => return,
            Stage::New => {
                let announced = if flow.protocol() == protocol::TCP { self.take_announced(flow) } else { None };
                match announced {
                    Some(announced) => match self.start_announced(flow, &announced) {
                        Some(active) => active,
                        None => return,
                    },
                    None => self.start(flow),
                }
            }
            Stage::Watched(left) => {
                if !begins_hello(payload) {
                    let mut left = left;
                    if let Some(left) = left.get_mut(side) {
                        *left = left.saturating_sub(1);
                    }
                    flow.app.stage = if left == [0; 2] { Stage::Done } else { Stage::Watched(left) };
                    return;
                }
                self.start_tls(flow, packet, side)
            }
        };
        let dir = if side == 0 { Direction::Orig } else { Direction::Resp };
        // The responder's MAC may have become known since.
        active.reader.view.resp_mac = flow.sides[1].mac;
        let at = (packet.ts, packet.number);
        if flow.protocol() == protocol::TCP {
            self.segment(&mut active, flow, packet, dir, payload, at, emit);
        } else {
            active.reader.datagram(dir, payload, at, emit);
        }
        self.settle(flow, active, stranger, at, emit);
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
        let Active { sides: [orig, resp], reader, .. } = active;
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
        stranger: u8,
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) {
        for announced in emit.take_announced() {
            self.remember(flow, announced, emit);
        }
        emit.counters().parser_limits += active.reader.limited.take();
        if let Some(name) = emit.take_server_name() {
            flow.app.server_name.get_or_insert(name);
        }
        flow.app.upgraded |= emit.upgraded();
        if let Some((Protocol::Tls, _)) = &active.reader.parser {
            flow.app.upgraded |= flow.app.service.is_some() || active.reader.carrier.is_some();
        }
        if std::mem::take(&mut active.reader.overruled) {
            emit.take_service();
            flow.app.service = None;
        }
        flow.app.inner_service = emit.take_inner_service().or(flow.app.inner_service);
        flow.app.service = emit.take_service().or(flow.app.service).or_else(|| active.reader.service());
        if let Some(name) = active.reader.besides.name.take() {
            flow.app.service = flow.app.service.filter(|s| *s != Protocol::Stun.spec().name).or(Some(name));
        }
        match active.reader.outcome {
            Outcome::Going if flow.protocol() == protocol::UDP && active.reader.parser.is_none() => {
                // Not what it was taken for, and nothing else either.
                self.discard(&mut active);
                flow.app.stage = next_stranger(stranger, flow);
                return;
            }
            Outcome::Going => {
                self.count(&mut active);
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
        self.active_bytes = self.active_bytes.saturating_sub(active.cost);
        app.stage = if watch { Stage::Watched([WATCHED_MAX; 2]) } else { Stage::Done };
    }

    /// Lets the parser say its last and gives back the streams' memory.
    fn close(&mut self, active: &mut Active, app: &mut App, at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        let Active { sides, reader, .. } = active;
        for (side, dir) in sides.iter().zip([Direction::Orig, Direction::Resp]) {
            reader.end(dir, side.unused(), at, emit);
        }
        for side in sides {
            side.release(&mut self.budget);
        }
        if let Some(name) = emit.take_server_name() {
            app.server_name.get_or_insert(name);
        }
        app.inner_service = emit.take_inner_service().or(app.inner_service);
        app.service = emit.take_service().or(app.service);
    }

    /// The flow ends: what waits in its streams is read, and its parser says its last.
    pub fn end(&mut self, flow: &mut Flow<App>, emit: &mut Emitter<'_>) {
        let Stage::Active(mut active) = std::mem::replace(&mut flow.app.stage, Stage::Done) else { return };
        let at = (flow.last, flow.last_packet());
        {
            let Active { sides, reader, .. } = &mut *active;
            for (side, dir) in sides.iter_mut().zip([Direction::Orig, Direction::Resp]) {
                let mut none = None;
                side.finish(&mut self.budget, &mut |chunk| reader.read(dir, chunk, at, &[], &mut none, emit));
            }
        }
        let by_port = active.reader.take_usual_parser();
        if by_port {
            let Active { sides, reader, .. } = &mut *active;
            // Who spoke first is not known any more; a server's greeting explains what follows.
            for (side, dir) in sides.iter_mut().zip([Direction::Orig, Direction::Resp]).rev() {
                if !side.unused().is_empty() {
                    let taken = reader.parse(dir, side.unused(), at, emit);
                    side.apply(taken, &mut self.budget);
                }
            }
        }
        if !by_port && (active.reader.outcome != Outcome::Violated || active.reader.had_event) {
            flow.app.service = flow.app.service.or_else(|| active.reader.service());
        }
        self.close(&mut active, &mut flow.app, at, emit);
        emit.counters().parser_limits += active.reader.limited.take();
        self.active_bytes = self.active_bytes.saturating_sub(active.cost);
    }
}

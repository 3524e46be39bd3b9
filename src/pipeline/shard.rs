//! One shard: the flows of a fixed part of all address pairs, and what is read from their payload.
//!
//! A shard is worked on by one thread at a time and shares nothing. What leaves it is owned and
//! goes out with the [`ShardOutput`] of the batch.

use std::sync::Arc;

use super::app::{App, ServiceSource};
use super::emit::{Emitter, Learnt};
use super::feed::Feed;
use super::options::EngineOptions;
use super::outer::{Outer, Sender};
use super::output::ShardOutput;
use super::syn::SynPrints;
use super::tells;
use super::wrapped::WrappedTls;
use crate::base::{Mac, Timestamp, counters::Counters, limits};
use crate::decode::{Kind, Packet, TcpFields};
use crate::detect::{intel, login::LoginJudge, named};
use crate::device::{Claim, ClaimDedup, Reach};
use crate::flow::{EndReason, Flow, FlowHasher, FlowKey, FlowTable, TableOptions, key::protocol, table::Admitted};
use crate::proto::api::{Cx, LimitCount};
use crate::proto::discovery::arp::{self, RouterWord};
use crate::proto::link;
use crate::stream::Budget;

/// A packet on its way to its shard.
#[derive(Debug, Clone, Copy)]
pub struct Routed {
    /// Position in the packets of the batch.
    pub index: u32,
    /// Whether it is here only because an ICMP error is about a flow of this shard.
    pub quoted: bool,
    /// Hash of its key (of the quoted one, where it is that).
    pub hash: u64,
}

/// How far ahead index slots and flows are fetched into the cache.
const AHEAD_INDEX: usize = 8;
const AHEAD_FLOW: usize = 4;

/// Bytes of an ICMP header.
const ICMP_HEADER: usize = 8;

/// Flows that may leave a shard with one batch because their time is over.
const ENDED_PER_BATCH: usize = 1024;

/// How many packets pass between two looks at the memory in use.
const EVICT_EVERY: usize = 64;

/// A shard.
pub struct Shard {
    table: FlowTable<App>,
    feed: Feed,
    frames: link::Parsers,
    /// TLS in frames without IP.
    wrapped: WrappedTls,
    learnt: Learnt,
    syns: SynPrints,
    options: Arc<EngineOptions>,
    /// Bytes that flows and parsers of this shard may take.
    memory_max: usize,
}

impl Shard {
    /// An empty shard, one of so many.
    pub fn new(options: Arc<EngineOptions>, of: usize) -> Self {
        let table = TableOptions { timeouts: options.timeouts, dedup: options.dedup, network: options.network };
        Self {
            table: FlowTable::new(table),
            feed: Feed::new(Budget::new(options.stream_memory / of), options.tls_keys.clone()),
            frames: link::Parsers::default(),
            syns: SynPrints::default(),
            wrapped: WrappedTls::default(),
            learnt: Learnt {
                logins: LoginJudge::new(options.defaults),
                claims: ClaimDedup::within(options.room),
                ..Learnt::default()
            },
            memory_max: options.flow_memory / of,
            options,
        }
    }

    /// Works on the packets of a batch that belong to this shard. `clock` is the packet time of the
    /// batch as a whole, by which idle flows end; `share` is the memory that the shard may use.
    #[allow(clippy::too_many_arguments)] // everything that a batch is
    pub fn process(
        &mut self,
        share: usize,
        capture: u32,
        slab: &[u8],
        packets: &[Packet],
        routed: &[Routed],
        clock: Timestamp,
        out: &mut ShardOutput,
    ) {
        self.memory_max = share;
        for (i, r) in routed.iter().enumerate() {
            if let Some(next) = routed.get(i + AHEAD_INDEX) {
                self.table.prefetch_index(next.hash);
            }
            if let Some(next) = routed.get(i + AHEAD_FLOW) {
                self.table.prefetch_flow(next.hash);
            }
            let Some(packet) = packets.get(r.index as usize) else { continue };
            self.take(packet, r, capture, slab, out);
            if i % EVICT_EVERY == 0 {
                self.evict(out);
            }
        }
        self.tick(clock, out);
        out.memory = self.table.size() + self.feed.memory();
    }

    /// Takes note of who sent tunnels with frames in them.
    pub fn outer(&mut self, outer: &Outer, out: &mut ShardOutput) {
        for sender in outer.senders() {
            let Sender { mac, ip, tunnels, first, last } = *sender;
            let outside = Some(Reach::OneWay).filter(|_| !self.options.home.is_home(ip));
            self.learnt.claims.sent(mac, ip, outside, first, last);
            let text = tunnels.text();
            for ts in [first, last] {
                self.learnt.claims.fact("tunnel", (mac, ip), "sends", text.as_bytes(), ts);
            }
            // There may be more of them than there is room for at once.
            if self.learnt.claims.is_full() {
                self.hand_on_claims(out);
            }
        }
    }

    /// Works on one packet.
    #[inline]
    pub fn take(&mut self, packet: &Packet, routed: &Routed, capture: u32, slab: &[u8], out: &mut ShardOutput) {
        match packet.kind {
            Kind::Ip if routed.quoted => self.quoted(packet, slab, routed.hash),
            Kind::Ip => {
                self.packet(packet, capture, slab, routed.hash, out);
                if self.learnt.claims.is_full() {
                    self.hand_on_claims(out);
                }
                if let Some(inner) = &packet.inner {
                    let start = inner.offset as usize;
                    let payload = slab.get(start..start + usize::from(inner.len)).unwrap_or_default();
                    // Whom it was sent to is not kept.
                    let macs = (inner.src_mac, Mac::ZERO);
                    self.frame(inner.kind, inner.protocol_l2, macs, payload, packet, capture, out);
                }
            }
            Kind::Arp | Kind::Other => {
                let macs = (packet.src_mac, packet.dst_mac);
                self.frame(packet.kind, packet.protocol_l2, macs, packet.payload(slab), packet, capture, out);
            }
            Kind::Fragment | Kind::Malformed => {}
        }
    }

    /// Ends flows that were silent for too long at packet time `clock`, and keeps within memory.
    pub fn tick(&mut self, clock: Timestamp, out: &mut ShardOutput) {
        let Self { table, feed, learnt, syns, options, .. } = self;
        table.expire(clock, ENDED_PER_BATCH, &mut |flow, reason| {
            end_flow(flow, reason, feed, (learnt, syns), options, out)
        });
        self.evict(out);
        if self.learnt.claims.is_full() || self.learnt.banners.is_full() {
            self.hand_on_claims(out);
        }
    }

    /// Hands on what was learnt of devices so far.
    pub fn hand_on_claims(&mut self, out: &mut ShardOutput) {
        out.claims.append(&mut self.learnt.claims.drain());
        out.counters(0).claims_dropped += self.learnt.claims.take_dropped();
        out.banners.append(&mut self.learnt.banners.drain());
        out.counters(0).contacts_dropped += self.learnt.banners.take_dropped();
    }

    fn packet(&mut self, packet: &Packet, capture: u32, slab: &[u8], hash: u64, out: &mut ShardOutput) {
        let keyed = FlowKey::of(packet);
        let payload = packet.payload(slab);
        let Self { table, feed, learnt, syns, options, .. } = self;
        let before = table.len();
        let admitted = table.admit(packet, keyed, hash, capture, payload, &mut |flow, reason| {
            end_flow(flow, reason, feed, (learnt, syns), options, out);
        });
        let counters = out.counters(packet.interface);
        counters.flows += u64::from(table.len() > before);
        if table.len() > before {
            // The flow tells of its sides when it ends, which may be long after somebody wants to know.
            let (mac, ip) = (packet.src_mac, packet.src);
            let to_group = packet.dst_mac.is_group() || packet.dst.is_multicast();
            let reach = if to_group { Reach::Group } else { Reach::OneWay };
            let outside = Some(reach).filter(|_| !options.home.is_home(ip));
            learnt.claims.sent(mac, ip, outside, packet.ts, packet.ts);
        }
        match admitted {
            Admitted::Duplicate => counters.duplicates += 1,
            Admitted::Packet { slot, side, .. } => {
                if packet.protocol == protocol::TCP && packet.tcp.has(TcpFields::SYN) {
                    match syns.number(packet, slab) {
                        Some(number) => {
                            if let Some(flow) = table.get_mut(slot) {
                                // Whoever opened it: sides may still be turned round.
                                flow.app.note_syn(packet.tcp.has(TcpFields::ACK), number);
                            }
                        }
                        None => counters.parser_limits += 1,
                    }
                }
                if matches!(packet.protocol, protocol::TCP | protocol::UDP) {
                    if let Some(flow) = table.get_mut(slot)
                        && flow.app.wants(packet)
                    {
                        feed.packet(
                            flow,
                            packet,
                            side,
                            payload,
                            &mut Emitter::new(options, learnt, out, packet.interface),
                        );
                    }
                } else if packet.protocol == protocol::ICMP6 {
                    // Neighbour discovery: the message begins before what flows take for its payload.
                    let start = (packet.payload_offset as usize).saturating_sub(ICMP_HEADER);
                    let end = start + ICMP_HEADER + packet.payload_len as usize;
                    let message = slab.get(start..end).unwrap_or_default();
                    if let Some(binding) = arp::ndp(packet.src, packet.ttl, message) {
                        out.claims.push(Claim::owns("ndp", binding.mac, binding.ip, packet.ts));
                    }
                    let who = (packet.src_mac, packet.src);
                    let mut fact = |attribute, value: &str| {
                        learnt.claims.fact("ndp", who, attribute, value.as_bytes(), packet.ts);
                    };
                    let _ = arp::routers(packet.src, packet.ttl, message, &mut |word| match word {
                        RouterWord::Is(how) => fact("router", how),
                        RouterWord::Prefix(prefix, bits) => fact("prefix", &format!("{prefix}/{bits}")),
                        RouterWord::Resolver(ip) => out.resolvers.push(ip),
                    });
                }
            }
        }
    }

    fn quoted(&mut self, packet: &Packet, slab: &[u8], hash: u64) {
        if let Some(q) = crate::decode::quoted(packet, slab) {
            let keyed = FlowKey::between(q.src, q.dst, q.src_port, q.dst_port, q.protocol, false);
            self.table.icmp_error(keyed, hash);
        }
    }

    fn evict(&mut self, out: &mut ShardOutput) {
        let Self { table, feed, learnt, syns, options, memory_max, .. } = self;
        if table.size() + feed.memory() <= *memory_max {
            return;
        }
        let feed = std::cell::RefCell::new(feed);
        let evicted = table.evict(*memory_max, &mut || feed.borrow().memory(), &mut |flow, reason| {
            end_flow(flow, reason, &mut feed.borrow_mut(), (learnt, syns), options, out);
        });
        out.counters(0).flows_evicted += evicted;
    }

    /// Ends the flows that began first: the input is over. To be called until nothing is
    /// [left](Self::is_empty), so that what leaves at once stays bounded.
    pub fn finish(&mut self, out: &mut ShardOutput) {
        let Self { table, feed, learnt, syns, options, frames, wrapped, .. } = self;
        frames.on_end(&mut |cx, event| Emitter::new(options, learnt, out, 0).frame_event(cx, &event));
        wrapped.end(&mut Emitter::new(options, learnt, out, 0));
        table.finish(ENDED_PER_BATCH, &mut |flow, reason| end_flow(flow, reason, feed, (learnt, syns), options, out));
        self.hand_on_claims(out);
    }

    /// A frame without IP: who sent it, what ARP says, and what the protocols of a link tell.
    #[allow(clippy::too_many_arguments)] // everything that a frame is
    fn frame(
        &mut self,
        kind: Kind,
        protocol: u16,
        (src, dst): (Mac, Mac),
        payload: &[u8],
        packet: &Packet,
        capture: u32,
        out: &mut ShardOutput,
    ) {
        let ts = packet.ts;
        let binding = if kind == Kind::Arp { arp::arp(payload) } else { None };
        if let Some(binding) = binding {
            out.claims.push(Claim::owns("arp", binding.mac, binding.ip, ts));
            return;
        }
        if !src.is_zero() && !src.is_group() {
            out.claims.push(Claim::frame(frame_name(protocol), src, ts));
        }
        if kind == Kind::Other {
            let Self { frames, wrapped, options, learnt, .. } = self;
            let flow = link::view(capture, src, dst);
            let limited = LimitCount::default();
            let cx = Cx { ts, packet: packet.number, flow: &flow, limited: &limited };
            frames.on_frame(protocol, cx, payload, &mut |event| {
                Emitter::new(options, learnt, out, packet.interface).frame_event(cx, &event);
            });
            for ((client, other), found) in frames.take_wrapped() {
                let flow = link::view(capture, client, other);
                let cx = Cx { flow: &flow, ..cx };
                wrapped.read(cx, &found, &mut Emitter::new(options, learnt, out, packet.interface));
            }
            out.counters(packet.interface).parser_limits += limited.take();
        }
    }

    /// Whether no flow is left.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// What a frame without IP carries, by its EtherType or LLC address.
const fn frame_name(number: u16) -> &'static str {
    match number {
        0x0806 => "arp",
        0x88cc => "lldp",
        0x888e => "eapol",
        0x8863 | 0x8864 => "pppoe",
        0x8892 => "profinet",
        0x2000 => "cdp",
        0x4242 => "stp",
        0x8809 => "lacp",
        0x88e1 | 0x8912 => "homeplug",
        0x893a => "ieee1905",
        _ => "frame",
    }
}

/// Lets the parser of a flow say its last, and writes down what is known of the flow.
fn end_flow(
    flow: &mut Flow<App>,
    reason: EndReason,
    feed: &mut Feed,
    (learnt, syns): (&mut Learnt, &SynPrints),
    options: &EngineOptions,
    out: &mut ShardOutput,
) {
    feed.end(flow, &mut Emitter::new(options, learnt, out, 0));
    let record = flow.record(reason);
    let (orig, resp) = ((&record.orig, record.orig_ip), (&record.resp, record.resp_ip));
    for ((side, ip), (other, to)) in [(orig, resp), (resp, orig)] {
        if side.packets > 0 {
            let reach = match other.packets > 0 {
                _ if to.is_multicast() => Reach::Group,
                true => Reach::Answered,
                false => Reach::OneWay,
            };
            let outside = Some(reach).filter(|_| !options.home.is_home(ip));
            learnt.claims.sent(side.mac, ip, outside, side.mac_first, side.mac_last);
        }
    }
    let app = std::mem::take(&mut flow.app);
    let ended = app.into_ended(record, syns);
    tells::flow(&ended, options, learnt);
    if learnt.claims.is_full() {
        out.claims.extend(learnt.claims.drain());
    }
    if let (Some(service), ServiceSource::Payload) = (ended.service, ended.service_source) {
        named::flow(&options.home, &ended.record, service, ended.upgraded, &mut out.sightings);
    }
    if let Some(lists) = &options.intel {
        intel::flow(lists, &options.home, &ended.record, ended.service, &mut out.sightings);
    }
    out.flows.push(ended);
}

/// Sorts decoded packets to their shards.
#[derive(Debug, Clone, Default)]
pub struct Router {
    hasher: FlowHasher,
}

impl Router {
    /// The shard of a packet, and the hash of its key.
    #[inline]
    pub fn route(&self, packet: &Packet) -> (usize, u64) {
        match packet.kind {
            Kind::Ip => {
                let key = FlowKey::of(packet).key;
                (key.shard(), self.hasher.hash(&key))
            }
            Kind::Other if link::is_dialogue(packet.protocol_l2) => (0, 0),
            _ => (packet.src_mac.to_u64() as usize % limits::SHARDS, 0),
        }
    }

    /// Where an ICMP error must be known besides its own flow.
    pub fn route_quoted(&self, packet: &Packet, slab: &[u8]) -> Option<(usize, u64)> {
        let is_error = match packet.protocol {
            protocol::ICMP => matches!(packet.src_port, 3 | 4 | 5 | 11 | 12),
            protocol::ICMP6 => packet.src_port < 128,
            _ => false,
        };
        if !is_error {
            return None;
        }
        let q = crate::decode::quoted(packet, slab)?;
        let key = FlowKey::between(q.src, q.dst, q.src_port, q.dst_port, q.protocol, false).key;
        Some((key.shard(), self.hasher.hash(&key)))
    }
}

/// Adds the counters of one interface to those of a list by interface.
pub fn counters_of(list: &mut Vec<Counters>, interface: u16) -> &mut Counters {
    let at = usize::from(interface);
    if list.len() <= at {
        list.resize_with(at + 1, Counters::default);
    }
    // The list was made long enough above; the first one stands in so that nothing can panic.
    let at = at.min(list.len() - 1);
    &mut list[at]
}

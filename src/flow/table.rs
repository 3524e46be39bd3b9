//! The flow table of one shard: entries of fixed size in a slab, found by a secretly hashed index,
//! expired on packet time.

mod orient;

use super::dedup::Recent;
use super::index::{Index, Slot};
use super::key::{FlowKey, Keyed, protocol};
use super::record::{EndReason, FlowRecord, SideRecord};
use super::slab::Slab;
use super::state::{ConnState, History, TcpState};
use super::wheel::Wheel;
use crate::base::{Addr, Mac, Timestamp, hash::mix, hash::stable64};
use crate::decode::{Packet, TcpFields, Tunnels, Vlans};
use crate::stream::{Segment, SeqTracker};

/// Asks the processor to bring a value's cache line closer.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing architecturally and any address is allowed; this one is valid.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// How long a flow may be silent before it ends, in nanoseconds. The defaults are Zeek's
/// (`tcp_inactivity_timeout`, `tcp_close_delay`, `udp_inactivity_timeout`,
/// `icmp_inactivity_timeout`) with a minute for connections that were only asked for.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// TCP with a handshake, or taken up midstream.
    pub tcp: i64,
    /// TCP of which only one side's SYN was seen.
    pub tcp_attempt: i64,
    /// TCP after both sides closed, or one reset: for what still arrives.
    pub tcp_closed: i64,
    /// UDP.
    pub udp: i64,
    /// ICMP and everything else.
    pub other: i64,
}

impl Default for Timeouts {
    fn default() -> Self {
        const S: i64 = 1_000_000_000;
        Self { tcp: 300 * S, tcp_attempt: 60 * S, tcp_closed: 5 * S, udp: 60 * S, other: 60 * S }
    }
}

/// What the user decides about flows.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions {
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Whether copies that a mirror port made are recognised.
    pub dedup: bool,
    /// Distinguishes flows of separate networks in their identifiers; zero for one network.
    pub network: u64,
}

/// One side of a live flow.
#[derive(Debug, Default)]
pub struct Side {
    /// Packets.
    pub packets: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// IP bytes.
    pub ip_bytes: u64,
    /// Sequence numbers (TCP).
    pub seq: SeqTracker,
    /// State (TCP).
    pub state: TcpState,
    /// Whether its first segment was a SYN.
    pub began_with_syn: bool,
    /// MAC of its first frame.
    pub mac: Mac,
    /// Whether the first frame to it went to a group: to the broadcast address of a network, which only its mask tells.
    group: bool,
    /// When frames came from that MAC, first and last: another device may have had the address before the
    /// flow was over.
    from_mac: (Timestamp, Timestamp),
}

/// A live flow. `A` is what the application layer keeps with it.
#[derive(Debug)]
pub struct Flow<A> {
    key: FlowKey,
    hash: u64,
    /// Whether the originator is the low end of the key.
    orig_is_low: bool,
    /// Whether the sides were told from something better than who was seen first.
    oriented: bool,
    ip_version: u8,
    protocol: u8,
    /// The originator and the responder.
    pub sides: [Side; 2],
    /// Time of the first packet.
    pub first: Timestamp,
    /// Time of the last packet.
    pub last: Timestamp,
    timeout: i64,
    /// The acknowledgement of a SYN that came on an open connection: if it is answered with this, a
    /// new connection has begun.
    asked_again: Option<u32>,
    /// Time of the last SYN, for the round trip.
    syn_at: Timestamp,
    rtt_ns: i64,
    retransmitted: u32,
    duplicates: u32,
    icmp_errors: u32,
    recent: Recent,
    history: History,
    /// What the application layer keeps.
    pub app: A,
    /// Identifier.
    pub id: i64,
    /// Capture of the first packet.
    pub capture: u32,
    first_packet: u64,
    last_packet: u64,
    /// Originator's address.
    pub orig_ip: Addr,
    /// Responder's address.
    pub resp_ip: Addr,
    /// Originator's port.
    pub orig_port: u16,
    /// Responder's port.
    pub resp_port: u16,
    vlans: Vlans,
    tunnels: Tunnels,
}

/// Bytes beside its entry that a flow takes in lists.
const PER_FLOW: usize = 24;

/// What the table did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It belongs to the flow at this position, sent by side 0 (originator) or 1 (responder).
    Packet {
        /// Position of the flow.
        slot: Slot,
        /// Who sent it.
        side: usize,
        /// What it was to its stream (TCP).
        segment: Segment,
    },
    /// A copy that a mirror port made.
    Duplicate,
}

/// The table.
#[derive(Debug)]
pub struct FlowTable<A> {
    options: TableOptions,
    flows: Slab<Flow<A>>,
    free: Vec<Slot>,
    live: Vec<bool>,
    index: Index,
    wheel: Wheel,
    count: usize,
    /// What is left to end once the input is over, the last first.
    draining: Vec<Slot>,
}

impl<A: Default> FlowTable<A> {
    /// An empty table.
    pub fn new(options: TableOptions) -> Self {
        Self {
            options,
            flows: Slab::default(),
            free: Vec::new(),
            live: Vec::new(),
            index: Index::default(),
            wheel: Wheel::default(),
            count: 0,
            draining: Vec::new(),
        }
    }

    /// Fetches ahead what [`FlowTable::admit`] will need: first the index slot.
    #[inline]
    pub fn prefetch_index(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// Then, some packets later, the flow itself.
    #[inline]
    pub fn prefetch_flow(&self, hash: u64) {
        if let Some(flow) = self.index.guess(hash).and_then(|s| self.flows.get(s)) {
            // The entry covers several cache lines; the counters and states are in the first ones.
            prefetch(&flow.key);
            prefetch(&flow.sides);
            prefetch(&flow.first);
            prefetch(&flow.history);
        }
    }

    /// The flow at a position.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Flow<A>> {
        self.flows.get_mut(slot)
    }

    /// Flows in the table.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of memory that the table uses.
    pub fn size(&self) -> usize {
        self.count * (size_of::<Flow<A>>() + PER_FLOW) + self.index.size()
    }

    /// Finds or begins the flow of a packet and counts the packet to it. Flows that end because of
    /// it are handed to `ended`.
    #[inline]
    pub fn admit(
        &mut self,
        packet: &Packet,
        keyed: Keyed,
        hash: u64,
        capture: u32,
        payload: &[u8],
        ended: &mut dyn FnMut(&mut Flow<A>, EndReason),
    ) -> Admitted {
        let flows = &self.flows;
        let found = self.index.find(hash, |s| flows.get(s).is_some_and(|f| f.key == keyed.key));
        let slot = match found {
            Some(slot) => match self.flows.get(slot).and_then(|f| f.over(packet)) {
                None => slot,
                Some(reason) => {
                    self.end(slot, reason, ended);
                    self.begin(packet, keyed, hash, capture)
                }
            },
            None => self.begin(packet, keyed, hash, capture),
        };
        let dedup = self.options.dedup;
        let timeouts = self.options.timeouts;
        let Some(flow) = self.flows.get_mut(slot) else { return Admitted::Duplicate };
        let timeout = flow.timeout;
        let admitted = flow.count(packet, keyed, slot, payload, dedup, &timeouts);
        if flow.timeout < timeout {
            // It closed: it must not wait in the table for as long as an open one would.
            self.wheel.link(slot, flow.deadline().0);
        }
        admitted
    }

    /// The live flow that a quoted packet belongs to; counts the error to it.
    pub fn icmp_error(&mut self, keyed: Keyed, hash: u64) -> Option<&mut Flow<A>> {
        let flows = &self.flows;
        let slot = self.index.find(hash, |s| flows.get(s).is_some_and(|f| f.key == keyed.key))?;
        let flow = self.flows.get_mut(slot)?;
        flow.icmp_errors = flow.icmp_errors.saturating_add(1);
        Some(flow)
    }

    fn begin(&mut self, packet: &Packet, keyed: Keyed, hash: u64, capture: u32) -> Slot {
        let mut flow = Flow::new(packet, keyed, hash, capture, self.options.network);
        flow.timeout = flow.timeout_by_state(&self.options.timeouts);
        let deadline = packet.ts.plus(flow.timeout);
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(old) = self.flows.get_mut(slot) {
                    *old = flow;
                }
                slot
            }
            None => {
                self.live.push(false);
                self.flows.push(flow)
            }
        };
        if let Some(live) = self.live.get_mut(slot as usize) {
            *live = true;
        }
        self.wheel.link(slot, deadline.0);
        self.index.insert(hash, slot);
        self.count += 1;
        slot
    }

    /// Ends a flow and frees its position.
    fn end(&mut self, slot: Slot, reason: EndReason, ended: &mut dyn FnMut(&mut Flow<A>, EndReason)) {
        let Some(live) = self.live.get_mut(slot as usize).filter(|l| **l) else { return };
        *live = false;
        self.count -= 1;
        self.wheel.unlink(slot);
        self.free.push(slot);
        if let Some(flow) = self.flows.get_mut(slot) {
            self.index.remove(flow.hash, slot);
            ended(flow, reason);
            flow.app = A::default();
        }
    }

    /// Ends flows whose time is over at packet time `now`, at most `max` in one call so that a jump
    /// in time does not make all of them leave at once; the others follow with the next calls. (A
    /// packet for a flow whose time is over begins a new one in any case.)
    pub fn expire(&mut self, now: Timestamp, max: usize, ended: &mut dyn FnMut(&mut Flow<A>, EndReason)) {
        let mut left = max;
        while left > 0
            && let Some(slot) = self.wheel.due(now.0)
        {
            if let Some(next) = self.wheel.after(slot).and_then(|next| self.flows.get(next)) {
                // It was silent for long, so it is in no cache; what follows is what its deadline is made of.
                prefetch(&next.timeout);
                prefetch(&next.sides[0].state);
                prefetch(&next.sides[1].state);
            }
            let Some(flow) = self.flows.get(slot) else { return };
            let (deadline, reason) = (flow.deadline(), flow.idle_reason());
            if deadline <= now {
                left -= 1;
                self.end(slot, reason, ended);
            } else {
                // At least a second later, so that every flow is looked at once per turn.
                self.wheel.link(slot, deadline.0.max(now.0.saturating_add(1_000_000_000)));
            }
        }
    }

    /// While the table uses more than `memory_max` bytes (with `others`, what is held for its flows
    /// elsewhere), ends the flows that would expire first. Returns how many of them were not over.
    pub fn evict(
        &mut self,
        memory_max: usize,
        others: &mut dyn FnMut() -> usize,
        ended: &mut dyn FnMut(&mut Flow<A>, EndReason),
    ) -> u64 {
        let mut evicted = 0;
        while self.size() + others() > memory_max {
            let Some(slot) = self.wheel.soonest() else { break };
            let Some(flow) = self.flows.get(slot) else { break };
            let deadline = flow.deadline().0;
            if !self.wheel.in_place(slot, deadline) {
                self.wheel.link(slot, deadline);
                continue;
            }
            let reason = match flow.idle_reason() {
                EndReason::Idle => EndReason::Evicted,
                over => over,
            };
            evicted += u64::from(reason == EndReason::Evicted);
            self.end(slot, reason, ended);
        }
        evicted
    }

    /// Ends up to `max` flows because the input is over, in the order in which they began. The table
    /// is empty when all were; no packet may be admitted in between.
    pub fn finish(&mut self, max: usize, ended: &mut dyn FnMut(&mut Flow<A>, EndReason)) {
        if self.draining.is_empty() {
            self.draining = (0..self.flows.len() as Slot)
                .filter(|s| self.live.get(*s as usize).copied().unwrap_or(false))
                .collect();
            let flows = &self.flows;
            self.draining.sort_by_key(|s| flows.get(*s).map(|f| std::cmp::Reverse((f.first, f.id))));
        }
        for _ in 0..max {
            let Some(slot) = self.draining.pop() else { break };
            let reason = match self.flows.get(slot).map(Flow::idle_reason) {
                Some(EndReason::Idle) | None => EndReason::EndOfInput,
                Some(over) => over,
            };
            self.end(slot, reason, ended);
        }
    }
}

impl<A: Default> Flow<A> {
    fn new(packet: &Packet, keyed: Keyed, hash: u64, capture: u32, network: u64) -> Self {
        let place = mix(packet.number, u64::from(capture) << 32 | network);
        let id = mix(mix(keyed.key.stable_hash(), packet.ts.0 as u64), place);
        Self {
            key: keyed.key,
            hash,
            orig_is_low: keyed.from_low,
            oriented: false,
            ip_version: packet.ip_version,
            protocol: packet.protocol,
            sides: Default::default(),
            first: packet.ts,
            last: packet.ts,
            timeout: 0,
            asked_again: None,
            syn_at: Timestamp::MIN,
            rtt_ns: -1,
            retransmitted: 0,
            duplicates: 0,
            icmp_errors: 0,
            recent: Recent::default(),
            history: History::default(),
            app: A::default(),
            // 63 bits: readers without unsigned numbers must see the same one.
            id: (id >> 1) as i64,
            capture,
            first_packet: packet.number,
            last_packet: packet.number,
            orig_ip: packet.src,
            resp_ip: packet.dst,
            orig_port: packet.src_port,
            resp_port: packet.dst_port,
            vlans: packet.vlans,
            tunnels: packet.tunnels,
        }
    }

    /// Number of the last packet in its capture.
    pub const fn last_packet(&self) -> u64 {
        self.last_packet
    }

    /// The sequence number of a side's first payload byte, where any packet of it was seen.
    pub fn stream_base(&self, side: usize) -> Option<u32> {
        let side = self.sides.get(side).filter(|s| s.seq.started())?;
        Some(side.seq.base().wrapping_add(u32::from(side.began_with_syn)))
    }

    /// IP protocol number.
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    fn deadline(&self) -> Timestamp {
        self.last.plus(self.timeout)
    }

    fn idle_reason(&self) -> EndReason {
        let [orig, resp] = &self.sides;
        if orig.state == TcpState::Reset || resp.state == TcpState::Reset {
            EndReason::Reset
        } else if orig.state == TcpState::Closed && resp.state == TcpState::Closed {
            EndReason::Closed
        } else {
            EndReason::Idle
        }
    }

    /// Whether the flow was over before this packet, which then begins another one.
    #[inline]
    fn over(&self, packet: &Packet) -> Option<EndReason> {
        if packet.ts > self.deadline() {
            return Some(self.idle_reason());
        }
        if self.protocol != protocol::TCP || !packet.tcp.has(TcpFields::SYN) {
            return None;
        }
        let [orig, resp] = &self.sides;
        if packet.tcp.has(TcpFields::ACK) {
            // The other side agrees to begin anew: only now the old connection is over. One SYN
            // alone may be forged (RFC 5961, section 4).
            return (self.asked_again == Some(packet.tcp.ack)).then_some(EndReason::Reused);
        }
        let over = orig.state.is_over() && resp.state.is_over()
            || orig.state == TcpState::Reset
            || resp.state == TcpState::Reset;
        // A SYN with another number on a connection that is over begins a new one.
        let from_resp = (packet.src, packet.src_port) != (self.orig_ip, self.orig_port);
        let side = if from_resp { resp } else { orig };
        let fresh = side.seq.started() && packet.tcp.seq.wrapping_add(1) != side.seq.next();
        (over && fresh).then(|| self.idle_reason())
    }

    fn timeout_by_state(&self, t: &Timeouts) -> i64 {
        match self.protocol {
            protocol::TCP => {
                let [orig, resp] = &self.sides;
                match (orig.state, resp.state) {
                    (TcpState::Reset, _) | (_, TcpState::Reset) | (TcpState::Closed, TcpState::Closed) => t.tcp_closed,
                    (TcpState::SynSent, TcpState::Inactive) => t.tcp_attempt,
                    _ => t.tcp,
                }
            }
            protocol::UDP => t.udp,
            _ => t.other,
        }
    }

    #[inline]
    fn count(
        &mut self,
        packet: &Packet,
        keyed: Keyed,
        slot: Slot,
        payload: &[u8],
        dedup: bool,
        timeouts: &Timeouts,
    ) -> Admitted {
        if dedup {
            let head = match packet.transport_checksum {
                0 => stable64(0, payload.get(..payload.len().min(64)).unwrap_or_default()),
                _ => 0,
            };
            if self.recent.is_copy(packet, head) {
                self.duplicates = self.duplicates.saturating_add(1);
                return Admitted::Duplicate;
            }
        }
        if !self.oriented {
            self.orient(packet, keyed);
        }
        self.last = self.last.max(packet.ts);
        self.last_packet = packet.number;
        let index = usize::from(keyed.from_low != self.orig_is_low);
        let [orig, resp] = &mut self.sides;
        let (side, other) = if index == 0 { (orig, resp) } else { (resp, orig) };
        side.packets += 1;
        side.bytes += u64::from(packet.payload_wire_len);
        side.ip_bytes += u64::from(packet.ip_wire_len);
        if side.packets == 1 {
            side.mac = packet.src_mac;
            side.from_mac = (packet.ts, packet.ts);
            if other.packets == 0 {
                other.group = packet.dst_mac.is_group();
                other.mac = if other.group { Mac::ZERO } else { packet.dst_mac };
            }
        } else if side.mac == packet.src_mac {
            side.from_mac = (side.from_mac.0.min(packet.ts), side.from_mac.1.max(packet.ts));
        }
        let mut segment = Segment::InOrder;
        if self.protocol == protocol::TCP {
            let tcp = &packet.tcp;
            let has_payload = packet.payload_wire_len > 0;
            let syn_fin = u32::from(tcp.has(TcpFields::SYN)) + u32::from(tcp.has(TcpFields::FIN));
            if tcp.has(TcpFields::SYN) && side.bytes == 0 && side.seq.started() && tcp.seq != side.seq.base() {
                // Tried again with another number: the stream begins there.
                side.seq = SeqTracker::default();
                side.began_with_syn = false;
            }
            let strange = match (tcp.has(TcpFields::SYN), tcp.has(TcpFields::RST)) {
                (true, false) => side.bytes > 0 && side.seq.started() && tcp.seq != side.seq.base(),
                (_, true) => side.seq.started() && !side.seq.near(tcp.seq),
                _ => false,
            };
            if strange {
                // Whoever sends this need not be the other end: it changes nothing by itself.
                if !tcp.has(TcpFields::ACK | TcpFields::RST) {
                    self.asked_again = Some(tcp.seq.wrapping_add(1));
                }
                self.history.note(index, b'I');
                return Admitted::Packet { slot, side: index, segment: Segment::OutOfWindow };
            }
            if !tcp.has(TcpFields::RST) {
                side.began_with_syn |= !side.seq.started() && tcp.has(TcpFields::SYN);
                segment = side.seq.push(tcp.seq, packet.payload_wire_len + syn_fin);
            }
            let state = side.state.after(tcp, other.state);
            if state != side.state || self.timeout == 0 {
                side.state = state;
                self.timeout = self.timeout_by_state(timeouts);
            }
            if segment == Segment::Retransmitted {
                self.retransmitted = self.retransmitted.saturating_add(1);
                self.history.note(index, b'T');
            }
            self.history.note_segment(index, tcp, has_payload);
            self.round_trip(packet, index);
        } else if packet.payload_wire_len > 0 {
            self.history.note(index, b'D');
        }
        Admitted::Packet { slot, side: index, segment }
    }

    /// From the originator's SYN to its acknowledgement of the answer.
    fn round_trip(&mut self, packet: &Packet, side: usize) {
        if self.rtt_ns >= 0 || side == 1 {
            return;
        }
        let tcp = &packet.tcp;
        if tcp.has(TcpFields::SYN) {
            self.syn_at = packet.ts;
        } else if tcp.has(TcpFields::ACK)
            && self.syn_at != Timestamp::MIN
            && self.sides[1].state == TcpState::Established
        {
            self.rtt_ns = packet.ts.since(self.syn_at);
        }
    }

    /// What is known of the flow, for its row.
    pub fn record(&mut self, end: EndReason) -> FlowRecord {
        let mut missed = 0;
        for (i, side) in self.sides.iter().enumerate() {
            let gap = side.seq.missed();
            if gap > 0 {
                self.history.note(i, b'G');
            }
            missed += gap;
        }
        let [orig, resp] = &self.sides;
        let tcp = self.protocol == protocol::TCP;
        let conn_state = match self.protocol {
            protocol::TCP => ConnState::of_tcp(orig.state, resp.state, orig.bytes + resp.bytes > 0),
            protocol::UDP => ConnState::of_udp(orig.packets > 0, resp.packets > 0),
            _ => ConnState::Oth,
        };
        let side = |s: &Side| SideRecord {
            packets: s.packets,
            bytes: s.bytes,
            ip_bytes: s.ip_bytes,
            mac: s.mac,
            mac_first: s.from_mac.0,
            mac_last: s.from_mac.1,
            group: s.group && s.packets == 0,
            active: if tcp {
                matches!(s.state, TcpState::Established | TcpState::Closed) || s.bytes > 0
            } else {
                s.packets > 0
            },
        };
        FlowRecord {
            id: self.id,
            capture: self.capture,
            ts_start: self.first,
            ts_end: self.last,
            ip_version: self.ip_version,
            protocol: self.protocol,
            orig_ip: self.orig_ip,
            orig_port: self.orig_port,
            resp_ip: self.resp_ip,
            resp_port: self.resp_port,
            orig: side(orig),
            resp: side(resp),
            vlans: self.vlans,
            tunnels: self.tunnels,
            conn_state,
            history: self.history,
            missed_bytes: missed,
            retransmitted: u64::from(self.retransmitted),
            duplicates: u64::from(self.duplicates),
            icmp_errors: self.icmp_errors,
            rtt_us: (self.rtt_ns >= 0).then_some(self.rtt_ns / 1000),
            end,
            first_packet: self.first_packet,
            last_packet: self.last_packet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::key;

    const S: i64 = 1_000_000_000;

    fn table() -> FlowTable<()> {
        FlowTable::new(TableOptions { timeouts: Timeouts::default(), dedup: true, network: 0 })
    }

    fn packet(from: u8, to: u8, sp: u16, dp: u16, protocol: u8, at: i64, number: u64) -> Packet {
        Packet {
            ts: Timestamp(at),
            number,
            src: Addr::v4([10, 0, 0, from]),
            dst: Addr::v4([10, 0, 0, to]),
            src_port: sp,
            dst_port: dp,
            protocol,
            ip_version: 4,
            ip_id: number as u16,
            payload_wire_len: 10,
            ip_wire_len: 38,
            ..Packet::default()
        }
    }

    fn tcp(from: u8, to: u8, flags: u8, seq: u32, len: u32, at: i64, number: u64) -> Packet {
        let (sp, dp) = if from < to { (5000, 80) } else { (80, 5000) };
        Packet {
            tcp: TcpFields { flags, seq, ack: 0, window: 9, header_len: 20 },
            payload_wire_len: len,
            ip_wire_len: 40 + len,
            ..packet(from, to, sp, dp, 6, at, number)
        }
    }

    fn run(packets: &[Packet]) -> Vec<FlowRecord> {
        let mut t = table();
        let hasher = key::FlowHasher::default();
        let mut out = Vec::new();
        for p in packets {
            let keyed = FlowKey::of(p);
            t.expire(p.ts, usize::MAX, &mut |f, r| out.push(f.record(r)));
            t.admit(p, keyed, hasher.hash(&keyed.key), 0, &[], &mut |f, r| out.push(f.record(r)));
        }
        t.finish(usize::MAX, &mut |f, r| out.push(f.record(r)));
        assert!(t.is_empty());
        out
    }

    #[test]
    fn a_connection_is_one_flow_with_both_sides_counted() {
        const SYN: u8 = TcpFields::SYN;
        const ACK: u8 = TcpFields::ACK;
        const FIN: u8 = TcpFields::FIN;
        let flows = run(&[
            tcp(1, 2, SYN, 100, 0, 0, 1),
            tcp(2, 1, SYN | ACK, 500, 0, 1000, 2),
            tcp(1, 2, ACK, 101, 0, 3000, 3),
            tcp(1, 2, ACK, 101, 50, 4000, 4),
            tcp(2, 1, ACK, 501, 70, 5000, 5),
            tcp(2, 1, ACK, 501, 70, 6000, 6),
            tcp(2, 1, ACK, 591, 10, 6000, 7),
            tcp(1, 2, FIN | ACK, 151, 0, 7000, 8),
            tcp(2, 1, FIN | ACK, 601, 0, 8000, 9),
        ]);
        let [f] = &flows[..] else { panic!("{flows:?}") };
        assert_eq!((f.orig.packets, f.resp.packets, f.orig.bytes, f.resp.bytes), (4, 5, 50, 150));
        assert_eq!((f.conn_state, f.end), (ConnState::SF, EndReason::Closed));
        assert_eq!((f.retransmitted, f.missed_bytes, f.rtt_us), (1, 20, Some(3)));
        assert_eq!(f.history.text(), "ShADdtFfg");
        assert_eq!((f.first_packet, f.last_packet), (1, 9));
    }

    #[test]
    fn the_answer_first_is_turned_round_and_the_history_says_so() {
        let f = &run(&[tcp(2, 1, TcpFields::SYN | TcpFields::ACK, 500, 0, 0, 1)])[0];
        assert_eq!((f.orig_port, f.resp_port, f.resp.packets), (5000, 80, 1));
        assert_eq!(f.history.text(), "^h");
        let f = &run(&[packet(9, 1, 53, 40000, 17, 0, 1)])[0];
        assert_eq!((f.orig_ip, f.resp_port, f.conn_state), (Addr::v4([10, 0, 0, 1]), 53, ConnState::Shr));
    }

    #[test]
    fn a_display_is_called_and_does_not_call() {
        let between = |flags, sp, dp| {
            let p = tcp(1, 2, flags, 500, 32, 0, 1);
            run(&[Packet { src_port: sp, dst_port: dp, ..p }]).remove(0)
        };
        let f = between(TcpFields::ACK, 6000, 50_123);
        assert_eq!((f.orig_port, f.resp_port, f.resp.bytes, f.history.text()), (50_123, 6000, 32, "^d"));
        assert_eq!(between(TcpFields::SYN, 6000, 50_123).resp_port, 50_123, "it opened the connection");
        assert_eq!(between(TcpFields::ACK, 6000, 9999).resp_port, 9999);
        assert_eq!(between(TcpFields::ACK, 50_123, 6000).resp_port, 6000);
    }

    #[test]
    fn silence_ends_a_flow_and_a_new_syn_begins_another() {
        let flows = run(&[packet(1, 2, 1000, 53, 17, 0, 1), packet(1, 2, 1000, 53, 17, 61 * S, 2)]);
        assert_eq!(flows.iter().map(|f| f.end).collect::<Vec<_>>(), [EndReason::Idle, EndReason::EndOfInput]);
        let rst = TcpFields::RST;
        let syn = TcpFields::SYN;
        let flows = run(&[tcp(1, 2, syn, 1, 0, 0, 1), tcp(2, 1, rst, 0, 0, 1, 2), tcp(1, 2, syn, 900, 0, 2, 3)]);
        assert_eq!(flows.len(), 2);
        assert_ne!(flows[0].id, flows[1].id);
        assert_eq!(flows[0].conn_state, ConnState::Rej);
    }

    #[test]
    fn a_ping_is_one_flow_and_knows_who_asked_whoever_was_seen_first() {
        let icmp = |from, to, ty, n| Packet { dst_port: 0, ..packet(from, to, ty, 0, 1, n as i64, n) };
        for order in [[icmp(1, 2, 8, 1), icmp(2, 1, 0, 2)], [icmp(2, 1, 0, 1), icmp(1, 2, 8, 2)]] {
            let flows = run(&order);
            let [f] = &flows[..] else { panic!("{flows:?}") };
            assert_eq!((f.orig_ip, f.orig_port, f.resp_port), (Addr::v4([10, 0, 0, 1]), 8, 0));
            assert_eq!((f.orig.packets, f.resp.packets), (1, 1));
        }
    }

    #[test]
    fn one_forged_packet_does_not_end_a_connection() {
        let (syn, ack, rst) = (TcpFields::SYN, TcpFields::ACK, TcpFields::RST);
        let open =
            [tcp(1, 2, syn, 100, 0, 0, 1), tcp(2, 1, syn | ack, 500, 0, 1000, 2), tcp(1, 2, ack, 101, 50, 2000, 3)];
        let after = [tcp(1, 2, ack, 151, 50, 9 * S, 5), tcp(2, 1, ack, 501, 9, 9 * S, 6)];
        for forged in [tcp(1, 2, syn, 3_000_000_000, 0, 3000, 4), tcp(1, 2, rst, 3_000_000_000, 0, 3000, 4)] {
            let flows = run(&[&open[..], &[forged], &after[..]].concat());
            let [f] = &flows[..] else { panic!("{flows:?}") };
            assert_eq!((f.orig.bytes, f.missed_bytes, f.conn_state), (100, 0, ConnState::S1));
        }
        // Answered, it is a new connection.
        let mut answer = tcp(2, 1, syn | ack, 7000, 0, 4000, 5);
        answer.tcp.ack = 3_000_000_001;
        let flows = run(&[&open[..], &[tcp(1, 2, syn, 3_000_000_000, 0, 3000, 4), answer]].concat());
        assert_eq!((flows.len(), flows[0].end), (2, EndReason::Reused));
    }

    #[test]
    fn a_handshake_tried_again_with_another_number_loses_nothing() {
        let (syn, ack) = (TcpFields::SYN, TcpFields::ACK);
        let f = &run(&[
            tcp(2, 1, syn | ack, 500, 0, 0, 1),
            tcp(2, 1, syn | ack, 90_000, 0, 1000, 2),
            tcp(2, 1, ack, 90_001, 70, 2000, 3),
        ])[0];
        assert_eq!((f.missed_bytes, f.retransmitted, f.resp.bytes), (0, 0, 70));
    }

    #[test]
    fn a_mirrored_copy_is_counted_apart() {
        let p = packet(1, 2, 1000, 53, 17, 0, 7);
        let copy = Packet { ttl: 3, number: 8, ..p };
        let f = &run(&[p, copy])[0];
        assert_eq!((f.orig.packets, f.duplicates), (1, 1));
    }

    #[test]
    fn a_full_table_writes_the_flows_that_would_end_first() {
        let mut t = FlowTable::<()>::new(TableOptions { timeouts: Timeouts::default(), dedup: false, network: 0 });
        let hasher = key::FlowHasher::default();
        let mut out = Vec::new();
        let (mut evicted, mut most) = (0, 0);
        for i in 0..1000_u64 {
            let p = packet(1, 2, i as u16 + 2000, 53, 17, i as i64 * S / 100, i + 1);
            let keyed = FlowKey::of(&p);
            t.admit(&p, keyed, hasher.hash(&keyed.key), 0, &[], &mut |_, _| {});
            evicted += t.evict(100 * size_of::<Flow<()>>(), &mut || 0, &mut |f, r| out.push(f.record(r)));
            most = most.max(t.len());
        }
        assert!(most <= 100 && evicted as usize == out.len() && evicted >= 900, "{most} {evicted}");
        assert!(out.iter().take(100).all(|f| f.first_packet < 300), "the oldest go first");
        assert!(out.iter().all(|f| f.end == EndReason::Evicted));
    }
}

//! Putting IP packets together from fragments (RFC 791, section 3.2; RFC 8200, section 4.5).
//!
//! What the fragments say was on the wire decides when a packet is whole; what the capture holds of
//! them decides how much of it is handed on: up to the first byte that is missing.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashMap;

use super::packet::{Packet, Tunnels, Vlans};
use crate::base::{Addr, Timestamp, counters::Counters, limits};

/// Which fragments belong together. VLANs and tunnels are part of it, because separate networks may
/// use the same addresses, and because a mirror port may deliver a packet once per VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    src: Addr,
    dst: Addr,
    id: u32,
    version: u8,
    /// IPv4 only: for IPv6 the first fragment alone says it.
    protocol: u8,
    vlans: Vlans,
    tunnels: Tunnels,
}

/// A stretch of a datagram's payload; stretches of one datagram do not overlap.
#[derive(Debug)]
struct Piece {
    start: u32,
    /// End on the wire.
    end: u32,
    /// What the capture holds of it, from the start.
    bytes: Box<[u8]>,
}

impl Piece {
    /// What `data`, whose first byte belongs at `origin`, has for the stretch from `start` to `end`.
    fn cut(origin: u32, data: &[u8], start: u32, end: u32) -> Self {
        let (from, to) = ((start - origin) as usize, (end - origin) as usize);
        let bytes = data.get(from.min(data.len())..to.min(data.len())).unwrap_or_default();
        Self { start, end, bytes: bytes.into() }
    }

    /// What it counts for against the memory limit.
    const fn cost(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }
}

/// A datagram of which fragments were seen.
#[derive(Debug)]
struct Datagram {
    serial: u64,
    since: Timestamp,
    /// Header of the first fragment; empty until that was seen.
    header: Vec<u8>,
    /// Length of the payload, once the last fragment was seen.
    total: Option<u32>,
    /// In order.
    pieces: Vec<Piece>,
    /// Sum of the lengths of the pieces.
    covered: u32,
    fragments: usize,
    cost: usize,
    /// Nothing comes of it any more: later fragments are dropped as well.
    spoilt: bool,
}

/// Puts IP packets together. Bounded by [`limits::FRAGMENTED_PACKETS_MAX`],
/// [`limits::FRAGMENTS_PER_PACKET_MAX`] and [`limits::FRAGMENT_BYTES_MAX`]; the oldest packet is
/// given up where one is reached, and any packet after [`limits::FRAGMENT_TIMEOUT_NS`] of packet time.
#[derive(Debug)]
pub struct Defragmenter {
    table: HashMap<Key, Datagram, RandomState>,
    /// Oldest first, with the serial number that tells a datagram from a later one of the same key.
    order: VecDeque<(Key, u64)>,
    serial: u64,
    cost: usize,
    datagrams_max: usize,
    cost_max: usize,
}

impl Default for Defragmenter {
    fn default() -> Self {
        Self::with_share(1)
    }
}

impl Defragmenter {
    /// One of `shares` defragmenters that work side by side and keep to the limits together.
    pub fn with_share(shares: usize) -> Self {
        let shares = shares.max(1);
        Self {
            table: HashMap::default(),
            order: VecDeque::new(),
            serial: 0,
            cost: 0,
            datagrams_max: (limits::FRAGMENTED_PACKETS_MAX / shares).max(1),
            // The largest datagram has to fit.
            cost_max: (limits::FRAGMENT_BYTES_MAX / shares).max(1 << 18),
        }
    }

    /// Takes a packet of [`Kind::Fragment`](super::Kind::Fragment), whose bytes lie in `slab`. Where
    /// it makes a packet whole, that is appended to the slab, IP header first, and its offset and
    /// length are given; `packet` is then the base for [`decode_reassembled`](super::decode_reassembled).
    pub fn push(&mut self, packet: &Packet, slab: &mut Vec<u8>, counters: &mut Counters) -> Option<(usize, usize)> {
        self.expire(packet.ts, counters);
        let Some((start, end)) = extent(packet) else {
            counters.fragments_dropped += 1;
            return None;
        };
        let key = Key {
            src: packet.src,
            dst: packet.dst,
            id: packet.fragment.id,
            version: packet.ip_version,
            protocol: if packet.ip_version == 4 { packet.protocol } else { 0 },
            vlans: packet.vlans,
            tunnels: packet.tunnels,
        };
        if !self.table.contains_key(&key) {
            while self.table.len() >= self.datagrams_max && self.drop_oldest(counters) {}
            self.serial += 1;
            self.order.push_back((key, self.serial));
            let datagram = Datagram::new(self.serial, packet.ts);
            self.cost += datagram.cost;
            self.table.insert(key, datagram);
        }
        let datagram = self.table.get_mut(&key)?;
        let before = datagram.cost;
        let whole = datagram.add(packet, slab, start, end, counters);
        self.cost = self.cost + datagram.cost - before;
        if whole {
            let datagram = self.table.remove(&key)?;
            self.cost -= datagram.cost;
            self.tidy();
            counters.reassembled += 1;
            return datagram.append_to(slab);
        }
        while self.cost > self.cost_max && self.drop_oldest(counters) {}
        None
    }

    /// Gives up what is not whole; called at the end of a capture.
    pub fn finish(&mut self, counters: &mut Counters) {
        while self.drop_oldest(counters) {}
    }

    /// Gives up what has waited too long.
    fn expire(&mut self, now: Timestamp, counters: &mut Counters) {
        while let Some((key, serial)) = self.order.front() {
            match self.table.get(key) {
                Some(datagram) if datagram.serial == *serial => {
                    if now.since(datagram.since) <= limits::FRAGMENT_TIMEOUT_NS {
                        return;
                    }
                    self.drop_oldest(counters);
                }
                _ => {
                    self.order.pop_front();
                }
            }
        }
    }

    /// Gives up the oldest datagram; false where there is none.
    fn drop_oldest(&mut self, counters: &mut Counters) -> bool {
        while let Some((key, serial)) = self.order.pop_front() {
            if self.table.get(&key).is_some_and(|datagram| datagram.serial == serial)
                && let Some(datagram) = self.table.remove(&key)
            {
                self.cost -= datagram.cost;
                // Those of a spoilt datagram were counted as they came.
                if !datagram.spoilt {
                    counters.fragments_dropped += datagram.fragments as u64;
                }
                return true;
            }
        }
        false
    }

    /// Forgets the places in the order of datagrams that became whole, before they outnumber those
    /// that did not.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.table.len() + 64 {
            let table = &self.table;
            self.order.retain(|(key, serial)| table.get(key).is_some_and(|datagram| datagram.serial == *serial));
        }
    }
}

/// Where the fragment's data begins and ends in the datagram's payload; `None` where it can be part
/// of none: empty, not in units of eight bytes, or beyond the largest packet.
fn extent(packet: &Packet) -> Option<(u32, u32)> {
    let start = u32::from(packet.fragment.offset);
    let mut len = packet.payload_wire_len;
    if packet.fragment.more && len % 8 != 0 {
        // IPv4 hosts round down; IPv6 ones answer with an error (RFC 8200, section 4.5).
        if packet.ip_version == 6 {
            return None;
        }
        len -= len % 8;
    }
    let end = start.checked_add(len)?;
    let header =
        if packet.ip_version == 4 { packet.payload_offset.checked_sub(packet.fragment.header_offset)? } else { 0 };
    (len > 0 && end + header <= 0xffff).then_some((start, end))
}

impl Datagram {
    const fn new(serial: u64, since: Timestamp) -> Self {
        Self {
            serial,
            since,
            header: Vec::new(),
            total: None,
            pieces: Vec::new(),
            covered: 0,
            fragments: 0,
            cost: size_of::<Self>() + 2 * size_of::<Key>(),
            spoilt: false,
        }
    }

    /// Takes the data from `start` to `end`; true where the datagram is whole.
    fn add(&mut self, packet: &Packet, slab: &[u8], start: u32, end: u32, counters: &mut Counters) -> bool {
        if self.spoilt {
            counters.fragments_dropped += 1;
            return false;
        }
        self.fragments += 1;
        let strict = packet.ip_version == 6;
        // Data behind the end, or two ends. What came first stays, as everywhere in IPv4.
        let last = self.pieces.last().map_or(0, |piece| piece.end);
        let known = self.total.unwrap_or(u32::MAX);
        let contradicts = end > known || (!packet.fragment.more && (end < last || end < known && self.total.is_some()));
        if self.fragments > limits::FRAGMENTS_PER_PACKET_MAX || (contradicts && strict) {
            self.spoil(counters);
            return false;
        }
        counters.fragment_overlaps += u64::from(contradicts);
        let end = end.min(known);
        if start >= end {
            return false;
        }
        let data = packet.payload(slab);
        let from = self.pieces.partition_point(|piece| piece.end <= start);
        let overlapped = self.pieces.get(from..).unwrap_or_default();
        let overlapped = overlapped.get(..overlapped.partition_point(|piece| piece.start < end)).unwrap_or_default();
        if overlapped.is_empty() {
            let piece = Piece::cut(start, data, start, end);
            self.keep(from, piece);
        } else {
            if !same(overlapped, start, end, data, strict) {
                counters.fragment_overlaps += 1;
                if strict {
                    // RFC 5722, section 4: the whole datagram, and all that still comes of it.
                    self.spoil(counters);
                    return false;
                }
            }
            // What is there already stays; only the holes between are filled.
            let mut at = start;
            let mut holes = Vec::new();
            for (n, piece) in overlapped.iter().enumerate() {
                if at < piece.start {
                    holes.push((from + n, Piece::cut(start, data, at, piece.start)));
                }
                at = at.max(piece.end);
            }
            if at < end {
                holes.push((from + overlapped.len(), Piece::cut(start, data, at, end)));
            }
            for (n, (index, piece)) in holes.into_iter().enumerate() {
                self.keep(index + n, piece);
            }
        }
        if !packet.fragment.more && self.total.is_none() {
            self.total = Some(end.max(last));
        }
        if start == 0 && self.header.is_empty() {
            self.header = header(packet, slab);
            self.cost += self.header.len();
        }
        // Pieces neither overlap nor reach beyond the total, so that equal sums mean no hole.
        self.total == Some(self.covered) && !self.header.is_empty()
    }

    fn keep(&mut self, index: usize, piece: Piece) {
        self.covered += piece.end - piece.start;
        self.cost += piece.cost();
        self.pieces.insert(index.min(self.pieces.len()), piece);
    }

    /// Drops what was kept, and what will come.
    fn spoil(&mut self, counters: &mut Counters) {
        counters.fragments_dropped += self.fragments as u64;
        let empty = Self { spoilt: true, ..Self::new(self.serial, self.since) };
        *self = empty;
    }

    /// Appends header and payload, the latter up to the first byte that the capture lacks.
    fn append_to(mut self, slab: &mut Vec<u8>) -> Option<(usize, usize)> {
        let offset = slab.len();
        let payload = self.total?;
        // Packets say in 32 bits where they lie.
        u32::try_from(offset + self.header.len() + payload as usize).ok()?;
        let whole = if self.header.first()? >> 4 == 4 { self.header.len() as u32 + payload } else { payload };
        let field = if self.header.first()? >> 4 == 4 { 2 } else { 4 };
        self.header.get_mut(field..field + 2)?.copy_from_slice(&(whole as u16).to_be_bytes());
        slab.extend_from_slice(&self.header);
        for piece in &self.pieces {
            slab.extend_from_slice(&piece.bytes);
            if piece.bytes.len() < (piece.end - piece.start) as usize {
                break;
            }
        }
        Some((offset, slab.len() - offset))
    }
}

/// Whether data from `start` to `end` only repeats what is there. IPv6 allows that of one whole
/// fragment alone.
fn same(pieces: &[Piece], start: u32, end: u32, data: &[u8], strict: bool) -> bool {
    if strict && !matches!(pieces, [only] if only.start == start && only.end == end) {
        return false;
    }
    let mut at = start;
    for piece in pieces {
        let (from, to) = (piece.start.max(start), piece.end.min(end));
        if from > at {
            return false;
        }
        let old = piece.bytes.get((from - piece.start) as usize..).unwrap_or_default();
        let new = data.get((from - start) as usize..).unwrap_or_default();
        let len = old.len().min(new.len()).min((to - from) as usize);
        if old.get(..len) != new.get(..len) {
            return false;
        }
        at = to;
    }
    at >= end
}

/// The header that the whole packet gets: for IPv4 that of the first fragment without the fields
/// about fragments, for IPv6 one without extension headers. The length is set at the end.
fn header(packet: &Packet, slab: &[u8]) -> Vec<u8> {
    let at = packet.fragment.header_offset as usize;
    if packet.ip_version == 4 {
        let mut header = slab.get(at..packet.payload_offset as usize).unwrap_or_default().to_vec();
        if let Some(fields) = header.get_mut(6..8) {
            fields.fill(0);
        }
        header
    } else {
        let mut header = slab.get(at..at + 4).unwrap_or_default().to_vec();
        header.extend_from_slice(&[0, 0, packet.protocol, packet.ttl]);
        header.extend_from_slice(&packet.src.0);
        header.extend_from_slice(&packet.dst.0);
        header
    }
}

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
    if packet.fragment.more && !len.is_multiple_of(8) {
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

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::decode::{Kind, decode, decode_reassembled};
    use crate::frame::LinkType;
    use proptest::prelude::*;

    /// One fragment of a datagram with protocol 200, so that its payload is that of the packet.
    fn fragment(v6: bool, id: u16, start: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
        let field = start as u16 | u16::from(more);
        if v6 {
            let [o0, o1] = field.to_be_bytes();
            let [i0, i1] = id.to_be_bytes();
            // Hop-by-hop options stand before the fragment header.
            ip6(0, &join(&[&[44, 0, 1, 4, 0, 0, 0, 0], &[200, 0, o0, o1, 0, 0, i0, i1], bytes]))
        } else {
            ip4_fragment(200, id, (field >> 3) | if more { 0x2000 } else { 0 }, bytes)
        }
    }

    struct Bench {
        defragmenter: Defragmenter,
        counters: Counters,
        ts: i64,
    }

    impl Bench {
        fn new() -> Self {
            Self { defragmenter: Defragmenter::default(), counters: Counters::default(), ts: 0 }
        }

        /// Feeds a packet; the payload of what became whole, and whether bytes of it are missing.
        fn feed(&mut self, bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
            self.feed_cut(bytes, bytes.len())
        }

        fn feed_cut(&mut self, bytes: &[u8], captured: usize) -> Option<(Vec<u8>, bool)> {
            let (mut slab, mut meta) = slab(LinkType::RAW, bytes);
            slab.truncate(OFFSET + captured);
            meta.captured = captured as u32;
            meta.ts = Timestamp(self.ts);
            let mut packet = Packet::default();
            decode(&meta, &slab, &mut self.counters, &mut packet);
            assert_eq!(packet.kind, Kind::Fragment);
            let (offset, len) = self.defragmenter.push(&packet, &mut slab, &mut self.counters)?;
            assert_eq!(offset + len, slab.len());
            let mut whole = Packet::default();
            decode_reassembled(&packet, &slab, offset, len, &mut self.counters, &mut whole);
            assert_eq!((whole.kind, whole.protocol, whole.src, whole.reassembled), (Kind::Ip, 200, packet.src, true));
            Some((whole.payload(&slab).to_vec(), whole.truncated))
        }

        /// Nothing is held that belongs to no datagram.
        fn assert_empty(&mut self) {
            self.defragmenter.finish(&mut self.counters);
            assert_eq!((self.defragmenter.cost, self.defragmenter.table.len()), (0, 0));
        }
    }

    proptest! {
        #[test]
        fn any_order_duplicates_and_split_give_the_datagram(
            v6: bool,
            units in 2usize..300,
            tail in 1usize..=8,
            cuts in prop::collection::vec(1usize..300, 1..20),
            order in prop::collection::vec(any::<u32>(), 60),
            repeats in prop::collection::vec(any::<bool>(), 60),
        ) {
            let payload: Vec<u8> = (0..(units - 1) * 8 + tail).map(|n| (n * 7 + n / 256) as u8).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % units * 8).filter(|c| *c > 0).collect();
            cuts.extend([0, payload.len()]);
            cuts.sort_unstable();
            cuts.dedup();
            prop_assume!(cuts.len() > 2);
            let mut parts: Vec<(u32, Vec<u8>)> = Vec::new();
            for (n, pair) in cuts.windows(2).enumerate() {
                let part = fragment(v6, 1, pair[0], pair[1] < payload.len(), &payload[pair[0]..pair[1]]);
                parts.push((order[n], part.clone()));
                if repeats[n] {
                    parts.push((order[n + 30], part));
                }
            }
            parts.sort();
            let mut bench = Bench::new();
            let mut whole = 0;
            for (_, part) in parts {
                if let Some((got, truncated)) = bench.feed(&part) {
                    prop_assert_eq!(&got, &payload);
                    prop_assert!(!truncated);
                    whole += 1;
                }
            }
            prop_assert!(whole >= 1);
            prop_assert_eq!(bench.counters.fragment_overlaps, 0);
            bench.assert_empty();
        }

        #[test]
        fn in_ipv4_the_first_byte_wins(parts in prop::collection::vec((0usize..20, 1usize..20), 1..40)) {
            // What a byte is says which fragment it came in; a model of single bytes says which came first.
            let mut model = [0u8; 40 * 8];
            let mut bench = Bench::new();
            let mut got = None;
            for (n, (start, len)) in parts.iter().enumerate() {
                let mark = n as u8 + 1;
                for byte in &mut model[start * 8..(start + len) * 8] {
                    if *byte == 0 {
                        *byte = mark;
                    }
                }
                got = got.or(bench.feed(&fragment(false, 1, start * 8, true, &vec![mark; len * 8])));
            }
            // One after the other fills what is left, and the last one ends it.
            let mark = 200;
            for unit in 0..40 {
                for byte in &mut model[unit * 8..(unit + 1) * 8] {
                    if *byte == 0 {
                        *byte = mark;
                    }
                }
                got = got.or(bench.feed(&fragment(false, 1, unit * 8, unit < 39, &[mark; 8])));
            }
            prop_assert_eq!(got, Some((model.to_vec(), false)));
            bench.assert_empty();
        }
    }

    #[test]
    fn an_overlap_in_ipv6_drops_the_datagram_and_what_follows() {
        let mut bench = Bench::new();
        assert_eq!(bench.feed(&fragment(true, 1, 0, true, &[1; 16])), None);
        assert_eq!(bench.feed(&fragment(true, 1, 8, true, &[1; 16])), None);
        assert_eq!(bench.feed(&fragment(true, 1, 24, false, &[1; 4])), None);
        assert_eq!((bench.counters.fragment_overlaps, bench.counters.fragments_dropped), (1, 3));
        // Another datagram is not touched by it.
        assert_eq!(bench.feed(&fragment(true, 2, 0, true, &[1; 16])), None);
        assert_eq!(bench.feed(&fragment(true, 2, 16, false, &[2; 4])).unwrap().0.len(), 20);
        bench.assert_empty();
        assert_eq!(bench.counters.fragments_dropped, 3);
    }

    #[test]
    fn teardrop_overflow_and_empty_fragments_do_no_harm() {
        let mut bench = Bench::new();
        // The second fragment lies within the first.
        assert_eq!(bench.feed(&fragment(false, 1, 0, true, &[1; 40])), None);
        assert_eq!(bench.feed(&fragment(false, 1, 24, false, &[2; 4])).unwrap().0, [1; 40]);
        // Beyond 65,535 bytes.
        assert_eq!(bench.feed(&fragment(false, 2, 65_528, false, &[1; 100])), None);
        // Less than a unit, and nothing.
        assert_eq!(bench.feed(&fragment(false, 3, 0, true, &[1; 7])), None);
        assert_eq!(bench.feed(&fragment(false, 3, 8, false, &[])), None);
        assert_eq!(bench.feed(&fragment(true, 3, 0, true, &[1; 9])), None);
        assert_eq!((bench.counters.fragments_dropped, bench.defragmenter.table.len()), (4, 0));
        bench.assert_empty();
    }

    #[test]
    fn bytes_that_the_capture_lacks_end_the_payload() {
        let mut bench = Bench::new();
        let first = fragment(false, 1, 0, true, &[1; 16]);
        let middle = fragment(false, 1, 16, true, &[2; 16]);
        let last = fragment(false, 1, 32, false, &[3; 8]);
        assert_eq!(bench.feed(&first), None);
        assert_eq!(bench.feed(&last), None);
        let (payload, truncated) = bench.feed_cut(&middle, middle.len() - 6).unwrap();
        assert_eq!((payload.len(), truncated), (26, true));
    }

    #[test]
    fn what_waits_too_long_or_is_too_much_is_given_up_oldest_first() {
        let mut bench = Bench::new();
        bench.feed(&fragment(false, 1, 0, true, &[1; 8]));
        bench.ts = limits::FRAGMENT_TIMEOUT_NS;
        bench.feed(&fragment(false, 2, 0, true, &[1; 8]));
        assert_eq!(bench.counters.fragments_dropped, 0);
        bench.ts += 1;
        assert_eq!(bench.feed(&fragment(false, 1, 8, false, &[1; 8])), None);
        assert_eq!(bench.counters.fragments_dropped, 1);
        assert!(bench.feed(&fragment(false, 2, 8, false, &[1; 8])).is_some());

        let mut bench = Bench::new();
        bench.defragmenter = Defragmenter::with_share(limits::FRAGMENTED_PACKETS_MAX / 4);
        for id in 0..6 {
            bench.feed(&fragment(false, id, 0, true, &[1; 8]));
        }
        assert_eq!((bench.counters.fragments_dropped, bench.defragmenter.table.len()), (2, 4));
        assert_eq!(bench.feed(&fragment(false, 1, 8, false, &[1; 8])), None);
        assert!(bench.feed(&fragment(false, 5, 8, false, &[1; 8])).is_some());

        let mut bench = Bench::new();
        bench.defragmenter = Defragmenter::with_share(usize::MAX);
        bench.defragmenter.datagrams_max = 1000;
        for id in 0..40 {
            bench.feed(&fragment(false, id, 0, true, &[1; 16_000]));
            assert!(bench.defragmenter.cost <= bench.defragmenter.cost_max);
        }
        assert!(bench.counters.fragments_dropped > 20);
        bench.assert_empty();
    }

    #[test]
    fn too_many_fragments_spoil_a_datagram() {
        let mut bench = Bench::new();
        for n in 0..=limits::FRAGMENTS_PER_PACKET_MAX {
            assert_eq!(bench.feed(&fragment(false, 1, (n + 1) * 8, true, &[1; 8])), None);
        }
        assert_eq!(bench.counters.fragments_dropped, limits::FRAGMENTS_PER_PACKET_MAX as u64 + 1);
        assert_eq!(bench.feed(&fragment(false, 1, 0, true, &[1; 8])), None);
        bench.assert_empty();
    }

    #[test]
    fn the_order_does_not_grow_with_what_became_whole() {
        let mut bench = Bench::new();
        for id in 0..2000 {
            bench.feed(&fragment(false, id, 0, true, &[1; 8]));
            assert!(bench.feed(&fragment(false, id, 8, false, &[1; 8])).is_some());
        }
        assert!(bench.defragmenter.order.len() < 100);
        assert_eq!(bench.counters.reassembled, 2000);
    }
}

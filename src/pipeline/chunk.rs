//! A batch of frames on its way through the pipeline, with everything that is made of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::outer::Outer;
use super::output::ShardOutput;
use super::shard::{Routed, Router, Shard, counters_of};
use crate::base::{Timestamp, counters::Counters, limits};
use crate::decode::{self, Defragmenter, Kind, Packet};
use crate::frame::FrameBatch;
use crate::source::InputHash;

/// What is known of one interface from the packets of a chunk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Earliest time.
    pub first: Option<Timestamp>,
    /// Latest time.
    pub last: Option<Timestamp>,
    /// Link type number.
    pub link: u32,
}

/// A batch with its packets, where they go, and what the shards made of them.
#[derive(Debug)]
pub struct Chunk {
    /// Position in the run.
    pub seq: u64,
    /// Frames.
    pub batch: FrameBatch,
    /// Packets, one a frame, then those put together from fragments.
    pub packets: Vec<Packet>,
    /// Packets by shard.
    pub routed: Vec<Vec<Routed>>,
    /// What decoding counted, by interface.
    pub counters: Vec<Counters>,
    /// What was seen of each interface.
    pub seen: Vec<Seen>,
    /// Packet time of the chunk as a whole: the median, so that one absurd time does not end every
    /// flow.
    pub clock: Timestamp,
    /// Whether it stands for the end of the input: shards end flows instead of reading packets.
    pub finish: bool,
    /// Who sent tunnels with frames in them.
    pub outer: Outer,
    /// Memory that each shard may use while it works on it.
    pub shares: [usize; limits::SHARDS],
    /// What each shard made of it.
    pub outputs: Vec<Mutex<ShardOutput>>,
    /// Hash of the input that the batch's raw bytes belong to, where one is wanted.
    pub hash: Option<Arc<Mutex<InputHash>>>,
    left: AtomicUsize,
    fragments: Vec<u32>,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            seq: 0,
            batch: FrameBatch::default(),
            packets: Vec::new(),
            routed: vec![Vec::new(); limits::SHARDS],
            counters: Vec::new(),
            seen: Vec::new(),
            clock: Timestamp::MIN,
            finish: false,
            outer: Outer::default(),
            shares: [usize::MAX; limits::SHARDS],
            outputs: (0..limits::SHARDS).map(|_| Mutex::default()).collect(),
            hash: None,
            left: AtomicUsize::new(limits::SHARDS),
            fragments: Vec::new(),
        }
    }
}

impl Chunk {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.batch.clear();
        self.packets.clear();
        self.routed.iter_mut().for_each(Vec::clear);
        self.counters.clear();
        self.seen.clear();
        self.fragments.clear();
        self.outer.clear();
        self.clock = Timestamp::MIN;
        self.finish = false;
        self.hash = None;
        *self.left.get_mut() = limits::SHARDS;
        for output in &mut self.outputs {
            output.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Decodes every frame. May run beside the decoding of other chunks.
    pub fn decode(&mut self, router: &Router) {
        let Self { batch, packets, routed, counters, seen, fragments, outer, .. } = self;
        packets.resize(batch.frames.len(), Packet::default());
        let mut previous = Timestamp::MIN;
        for (i, (frame, packet)) in batch.frames.iter().zip(packets.iter_mut()).enumerate() {
            let c = counters_of(counters, frame.interface);
            c.packets += 1;
            c.bytes += u64::from(frame.wire);
            c.time_backwards += u64::from(frame.ts < previous);
            previous = frame.ts;
            if let Some(sender) = decode::decode(frame, &batch.slab, c, packet) {
                outer.note(sender, packet);
            }
            note_seen(seen, frame.interface, frame.ts, frame.link.0);
            if packet.kind == Kind::Fragment {
                fragments.push(i as u32);
            } else {
                route(router, packet, i, &batch.slab, routed);
            }
        }
        self.clock = median_time(batch);
    }

    /// Puts fragments together. Chunks must come here in order.
    pub fn defragment(&mut self, defragmenter: &mut Defragmenter, router: &Router) {
        let Self { batch, packets, routed, counters, fragments, .. } = self;
        let before: Vec<usize> = if fragments.is_empty() { return } else { routed.iter().map(Vec::len).collect() };
        for &i in fragments.iter() {
            let Some(mut fragment) = packets.get(i as usize).copied() else { continue };
            let c = counters_of(counters, fragment.interface);
            // A reassembled tunnel packet may hold a fragment in turn.
            for _ in 0..limits::NESTING_MAX {
                let Some((offset, len)) = defragmenter.push(&fragment, &mut batch.slab, c) else { break };
                let mut whole = Packet::default();
                decode::decode_reassembled(&fragment, &batch.slab, offset, len, c, &mut whole);
                if whole.kind == Kind::Fragment {
                    fragment = whole;
                    continue;
                }
                packets.push(whole);
                route(router, &whole, packets.len() - 1, &batch.slab, routed);
                break;
            }
        }
        // The whole packets were appended: they belong where their last fragment stood.
        for (list, before) in routed.iter_mut().zip(before) {
            if list.len() > before {
                list.sort_by_key(|r| packets.get(r.index as usize).map_or((0, 0), |p| (p.number, r.index)));
            }
        }
    }

    /// Lets a shard do its part.
    pub fn work(&self, number: usize, shard: &mut Shard) {
        if let (Some(output), Some(routed)) = (self.outputs.get(number), self.routed.get(number)) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if self.finish {
                shard.finish(&mut output);
            } else {
                // Each once for a whole chunk: one shard tells of them.
                if number == 0 {
                    shard.outer(&self.outer, &mut output);
                }
                let share = self.shares.get(number).copied().unwrap_or_default();
                shard.process(
                    share,
                    self.batch.capture,
                    &self.batch.slab,
                    &self.packets,
                    routed,
                    self.clock,
                    &mut output,
                );
            }
        }
    }

    /// Memory that each shard used after it.
    pub fn memory(&self) -> [usize; limits::SHARDS] {
        let mut used = [0; limits::SHARDS];
        for (to, output) in used.iter_mut().zip(&self.outputs) {
            *to = output.lock().unwrap_or_else(PoisonError::into_inner).memory;
        }
        used
    }

    /// Adds the raw bytes of the batch to the hash of its input. Chunks must come here in order.
    pub fn hash(&self) {
        if let Some(hash) = &self.hash {
            let raw = self.batch.slab.get(self.batch.raw.clone()).unwrap_or_default();
            hash.lock().unwrap_or_else(PoisonError::into_inner).update(raw);
        }
    }

    /// Whether there is something to be hashed.
    pub const fn to_hash(&self) -> bool {
        self.hash.is_some()
    }

    /// Sets the hash that the batch's raw bytes go to: one more part to wait for.
    pub fn hash_into(&mut self, hash: Arc<Mutex<InputHash>>) {
        self.hash = Some(hash);
        *self.left.get_mut() += 1;
    }

    /// Takes note that a shard, or the hash, is done.
    pub fn part_done(&self) {
        self.left.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether every shard and the hash are done.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }
}

#[inline]
fn route(router: &Router, packet: &Packet, index: usize, slab: &[u8], routed: &mut [Vec<Routed>]) {
    if packet.kind == Kind::Malformed {
        return;
    }
    let (shard, hash) = router.route(packet);
    if let Some(list) = routed.get_mut(shard) {
        list.push(Routed { index: index as u32, quoted: false, hash });
    }
    if let Some((shard, hash)) = router.route_quoted(packet, slab)
        && let Some(list) = routed.get_mut(shard)
    {
        list.push(Routed { index: index as u32, quoted: true, hash });
    }
}

#[inline]
fn note_seen(seen: &mut Vec<Seen>, interface: u16, ts: Timestamp, link: u32) {
    let at = usize::from(interface);
    if seen.len() <= at {
        seen.resize(at + 1, Seen::default());
    }
    if let Some(s) = seen.get_mut(at) {
        s.first = Some(s.first.map_or(ts, |t| t.min(ts)));
        s.last = Some(s.last.map_or(ts, |t| t.max(ts)));
        s.link = link;
    }
}

/// The middle one of a few times spread over the batch.
fn median_time(batch: &FrameBatch) -> Timestamp {
    const SAMPLES: usize = 63;
    let step = batch.frames.len() / SAMPLES + 1;
    let mut times: Vec<_> = batch.frames.iter().step_by(step).map(|f| f.ts).collect();
    let middle = times.len() / 2;
    if times.is_empty() { Timestamp::MIN } else { *times.select_nth_unstable(middle).1 }
}

//! A run from an interface: the same engine, fed from the kernel's ring.
//!
//! Each worker has a handle of its own in a fanout group that keeps both directions of an address
//! pair together, and works on every frame where it lies in the ring. Once a second it closes an
//! epoch and hands what came of it to the collector, which merges an epoch when all workers have
//! closed it, so that names are known before the flows that use them end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::chunk::Seen;
use super::conclude::{self, FindingLines, RunFacts};
use super::ingest::InputResult;
use super::outer::Outer;
use super::output::ShardOutput;
use super::read::ReadConfig;
use super::shard::{Routed, Router, Shard};
use super::writer::Writers;
use super::{PipelineError, Progress, StageTimes};
use crate::base::{Timestamp, counters::Counters, limits};
use crate::decode::{self, Defragmenter, Kind, Packet};
use crate::frame::{FrameMeta, LinkType};
use crate::report::document::RunDocument;
use crate::sink::{OutputFolder, Parts, Publish};
use crate::source::live::{FanoutGroup, LiveCapture, LiveError, LiveOptions};
use crate::source::{InputPath, SourceError, SourceErrorKind};

/// What the user wants of a live run, validated.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// What it has in common with reading.
    pub read: ReadConfig,
    /// Interface.
    pub interface: String,
    /// Seconds after which new files begin.
    pub rotate_s: u32,
    /// Bytes after which a new file of a table begins.
    pub rotate_bytes: u64,
    /// Bytes of each frame that are captured.
    pub snaplen: u32,
    /// Bytes of the ring of each worker.
    pub ring_bytes: u32,
    /// Whether the interface is put into promiscuous mode.
    pub promiscuous: bool,
    /// Seconds after which the run ends by itself.
    pub duration_s: Option<u64>,
}

/// How long an epoch is.
const EPOCH: Duration = Duration::from_secs(1);
/// Epochs of one worker that may wait for the collector; then the worker waits, and the ring fills.
const EPOCHS_WAITING: usize = 16;

/// What one worker made of one epoch.
struct Epoch {
    worker: usize,
    number: u64,
    output: Box<ShardOutput>,
    counters: Counters,
    seen: Seen,
    clock: Timestamp,
    kernel_drops: u64,
    last: bool,
}

/// Listens until the user stops it or its time is over.
///
/// # Errors
/// If the interface cannot be listened to, or the output cannot be written.
pub fn run(config: &ListenConfig, progress: &Arc<Progress>) -> Result<RunDocument, PipelineError> {
    let started = SystemTime::now();
    let clock = Instant::now();
    // Handles first: without permission no folder is left behind.
    let workers = config.read.threads.max(1);
    let group = FanoutGroup { id: (std::process::id() & 0xffff) as u16, workers };
    let options = LiveOptions {
        snaplen: config.snaplen,
        promisc: config.promiscuous,
        filter: config.read.filter.clone(),
        buffer_bytes: config.ring_bytes,
        fanout: (workers > 1).then_some(group),
    };
    let handles =
        (0..workers).map(|_| LiveCapture::open(&config.interface, &options)).collect::<Result<Vec<_>, LiveError>>()?;
    let tables: Vec<_> = super::tables::ALL.iter().map(|t| t.name).collect();
    let folder = OutputFolder::create(&config.read.out, config.read.overwrite, Publish::WhenWhole, &tables)?;
    let parts = Parts::Daily {
        bytes_max: config.rotate_bytes,
        span_ns_max: i64::from(config.rotate_s) * 1_000_000_000,
        started: now(),
    };
    let names = vec![config.interface.clone()];
    let writers =
        Writers::new(&folder, names.clone(), parts, &conclude::metadata(&config.read))?.with_rules(config.read.rules());
    let times = StageTimes::default();
    let mut facts = RunFacts::new(started, names);
    let engine = Arc::new(config.read.engine(0));
    let numbers = AtomicU64::new(0);
    let (sender, receiver) = bounded::<Result<Epoch, LiveError>>(EPOCHS_WAITING * workers);
    let deadline = config.duration_s.map(|s| clock + Duration::from_secs(s));
    let heard = std::thread::scope(|scope| {
        for (number, handle) in handles.into_iter().enumerate() {
            let shard = Shard::new(engine.clone(), workers);
            let worker = Worker::new(number, handle, shard, workers, &numbers, progress);
            let sender = sender.clone();
            scope.spawn(move || worker.run(clock, deadline, &sender));
        }
        drop(sender);
        let merged = collect(config, &writers, &receiver, workers, &times);
        if merged.is_err() {
            // The workers end with the next thing that they notice.
            progress.interrupt();
            receiver.iter().for_each(drop);
        }
        merged
    })?;
    let Heard { mut collector, drops, failed } = heard;
    collector.conclude(&BTreeMap::from([(0, drops)]), workers);
    facts.take(&mut collector);
    facts.kernel_drops = Some(drops);
    let mut lines = FindingLines::new(&folder)?;
    if let Some(rows) = collector.finding_rows() {
        lines.write(rows, writers.names_of_findings(), workers)?;
    }
    conclude::encode(&writers, &mut collector, workers)?;
    facts.wall_us = i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX);
    let mut input = InputResult::new(InputPath::named(std::path::Path::new(&config.interface)));
    input.input.size = None;
    input.outcome.frames = facts.packets();
    input.error = failed.map(|error| {
        let kind = SourceErrorKind::Io(std::io::Error::other(error.to_string()));
        SourceError::new(std::path::Path::new(&config.interface), kind)
    });
    conclude::finish(&config.read, &folder, writers, vec![input], facts, lines, &times)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()))
}

/// What was heard until every worker had ended.
struct Heard {
    collector: super::collect::Collector,
    drops: u64,
    /// Why listening ended, where nobody asked for it.
    failed: Option<LiveError>,
}

/// Merges epochs and writes what is due until every worker has ended.
fn collect(
    config: &ListenConfig,
    writers: &Writers,
    receiver: &Receiver<Result<Epoch, LiveError>>,
    workers: usize,
    times: &StageTimes,
) -> Result<Heard, PipelineError> {
    let mut collector = config.read.collector(None, writers);
    let mut waiting: BTreeMap<u64, Vec<Epoch>> = BTreeMap::new();
    let mut ended = vec![None; workers];
    let mut drops = vec![0; workers];
    let mut written = Instant::now();
    let rotate = Duration::from_secs(u64::from(config.rotate_s));
    let mut failed = None;
    for epoch in receiver {
        let epoch = match epoch {
            Ok(epoch) => epoch,
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        if let Some(drops) = drops.get_mut(epoch.worker) {
            *drops = epoch.kernel_drops;
        }
        if let Some(end) = ended.get_mut(epoch.worker).filter(|_| epoch.last) {
            *end = Some(epoch.number);
        }
        waiting.entry(epoch.number).or_default().push(epoch);
        let start = Instant::now();
        let mut clock = Timestamp::MIN;
        let mut jobs = Vec::new();
        while let Some(entry) = waiting.first_entry() {
            let number = *entry.key();
            // Workers that ended before this epoch have nothing for it.
            let expected = ended.iter().filter(|e| e.is_none_or(|last| last >= number)).count();
            if entry.get().len() < expected {
                break;
            }
            let mut epochs = entry.remove();
            epochs.sort_by_key(|e| e.worker);
            for epoch in &epochs {
                collector.merge_decoded(0, std::slice::from_ref(&epoch.counters), &[epoch.seen]);
                clock = clock.max(epoch.clock);
            }
            let mut outputs: Vec<&mut ShardOutput> = epochs.iter_mut().map(|e| &mut *e.output).collect();
            collector.merge_outputs(0, &mut outputs);
            collector.hand_over(false, &mut jobs);
        }
        times.collect.add(start);
        let start = Instant::now();
        let due = written.elapsed() >= rotate;
        if due {
            written = Instant::now();
            collector.hand_over(true, &mut jobs);
        }
        writers.encode_all(jobs)?;
        if due {
            writers.rotate(clock)?;
        }
        times.write.add(start);
    }
    Ok(Heard { collector, drops: drops.into_iter().sum(), failed })
}

/// One handle, one shard, one thread.
struct Worker<'a> {
    number: usize,
    handle: LiveCapture,
    link: LinkType,
    shard: Shard,
    router: Router,
    defragmenter: Defragmenter,
    numbers: &'a AtomicU64,
    progress: &'a Progress,
    output: Box<ShardOutput>,
    counters: Counters,
    seen: Seen,
    clock: Timestamp,
    /// Where fragments are put together: only they are copied out of the ring.
    slab: Vec<u8>,
    /// Who sent tunnels with frames in them.
    outer: Outer,
}

impl<'a> Worker<'a> {
    fn new(
        number: usize,
        handle: LiveCapture,
        shard: Shard,
        workers: usize,
        numbers: &'a AtomicU64,
        progress: &'a Progress,
    ) -> Self {
        Self {
            number,
            link: handle.link(),
            handle,
            shard,
            router: Router::default(),
            defragmenter: Defragmenter::with_share(workers),
            numbers,
            progress,
            output: Box::default(),
            counters: Counters::default(),
            seen: Seen::default(),
            clock: Timestamp::MIN,
            slab: Vec::new(),
            outer: Outer::default(),
        }
    }

    fn run(mut self, started: Instant, deadline: Option<Instant>, sender: &Sender<Result<Epoch, LiveError>>) {
        let mut epoch = 0;
        let mut gone = false;
        loop {
            let until = started + EPOCH * u32::try_from(epoch + 1).unwrap_or(u32::MAX);
            if let Err(error) = self.listen(until) {
                // The collector may have gone first; then there is nobody to tell. What was heard
                // before is written all the same.
                gone = true;
                if sender.send(Err(error)).is_err() {
                    return;
                }
            }
            let stop = gone || self.progress.stopped() || deadline.is_some_and(|d| Instant::now() >= d);
            // Packets carry the kernel's clock, so silence can be told from the time of day.
            self.shard.tick(now(), &mut self.output);
            self.shard.hand_on_claims(&mut self.output);
            if stop {
                break;
            }
            if sender.send(Ok(self.close(epoch, false))).is_err() {
                return;
            }
            epoch += 1;
        }
        // The open flows leave in portions, as at the end of a file.
        loop {
            self.shard.finish(&mut self.output);
            let last = self.shard.is_empty();
            if sender.send(Ok(self.close(epoch, last))).is_err() || last {
                return;
            }
            epoch += 1;
        }
    }

    /// Works on frames until a moment, or until the user stops the run.
    fn listen(&mut self, until: Instant) -> Result<(), LiveError> {
        // Asking the time for every frame would cost more than looking at it.
        const FRAMES_PER_LOOK: u32 = 256;
        let mut left = FRAMES_PER_LOOK;
        loop {
            let Self {
                handle,
                link,
                shard,
                router,
                defragmenter,
                numbers,
                output,
                counters,
                seen,
                clock,
                slab,
                outer,
                ..
            } = &mut *self;
            let Some(frame) = handle.next_frame()? else {
                left = FRAMES_PER_LOOK;
                if Instant::now() >= until || self.progress.stopped() {
                    return Ok(());
                }
                continue;
            };
            let meta = FrameMeta {
                ts: frame.ts,
                number: numbers.fetch_add(1, Ordering::Relaxed) + 1,
                offset: 0,
                captured: frame.bytes.len() as u32,
                wire: frame.wire,
                link: *link,
                interface: 0,
            };
            let mut packet = Packet::default();
            counters.packets += 1;
            counters.bytes += u64::from(meta.wire);
            counters.time_backwards += u64::from(meta.ts < *clock);
            *clock = (*clock).max(meta.ts);
            seen.first = Some(seen.first.map_or(meta.ts, |t| t.min(meta.ts)));
            seen.last = Some(seen.last.map_or(meta.ts, |t| t.max(meta.ts)));
            seen.link = meta.link.0;
            if let Some(sender) = decode::decode(&meta, frame.bytes, counters, &mut packet) {
                outer.note(sender, &packet);
                if outer.is_full() {
                    shard.outer(outer, output);
                    outer.clear();
                }
            }
            if packet.kind == Kind::Fragment {
                slab.clear();
                slab.extend_from_slice(frame.bytes);
                let mut fragment = packet;
                for _ in 0..limits::NESTING_MAX {
                    let Some((offset, len)) = defragmenter.push(&fragment, slab, counters) else { break };
                    let mut whole = Packet::default();
                    decode::decode_reassembled(&fragment, slab, offset, len, counters, &mut whole);
                    if whole.kind != Kind::Fragment {
                        give(shard, router, &whole, slab, output);
                        break;
                    }
                    fragment = whole;
                }
            } else {
                give(shard, router, &packet, frame.bytes, output);
            }
            left -= 1;
            if left == 0 {
                left = FRAMES_PER_LOOK;
                self.progress.packets.fetch_add(u64::from(FRAMES_PER_LOOK), Ordering::Relaxed);
                if Instant::now() >= until || self.progress.stopped() {
                    return Ok(());
                }
            }
        }
    }

    fn close(&mut self, number: u64, last: bool) -> Epoch {
        self.shard.outer(&self.outer, &mut self.output);
        self.outer.clear();
        let kernel_drops = self.handle.stats().map_or(0, |s| s.kernel_drops + s.interface_drops);
        Epoch {
            worker: self.number,
            number,
            output: std::mem::take(&mut self.output),
            counters: std::mem::take(&mut self.counters),
            seen: std::mem::take(&mut self.seen),
            clock: self.clock,
            kernel_drops,
            last,
        }
    }
}

/// Gives a packet to the worker's shard, and to the flow that it quotes where it is an ICMP error.
fn give(shard: &mut Shard, router: &Router, packet: &Packet, slab: &[u8], output: &mut ShardOutput) {
    let (_, hash) = router.route(packet);
    shard.take(packet, &Routed { index: 0, quoted: false, hash }, 0, slab, output);
    if let Some((_, hash)) = router.route_quoted(packet, slab) {
        shard.take(packet, &Routed { index: 0, quoted: true, hash }, 0, slab, output);
    }
}

//! The threads. Every thread takes whatever work is most urgent: writing row groups, merging,
//! shards, reading and decoding. There is no thread for one purpose, so two cores are as busy as
//! four, and one is enough.
//!
//! Order does not depend on the threads: chunks are numbered when they are read, fragments are put
//! together in that order, each shard sees its packets in that order, and the collector merges
//! chunk after chunk. So the tables come out the same, byte for byte, for any number of threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::chunk::Chunk;
use super::collect::Collector;
use super::ingest::{Ingest, Ingested};
use super::shard::{Router, Shard};
use super::shares::{LAG, Shares};
use super::writer::{EncodeJob, Writers};
use super::{PipelineError, StageTimes};
use crate::decode::Defragmenter;

/// What the threads share.
struct Shared<'a> {
    state: Mutex<State>,
    wake: Condvar,
    shards: Vec<Mutex<Shard>>,
    router: Router,
    writers: &'a Writers,
    times: &'a StageTimes,
    /// Set once no flow is left in any shard.
    drained: AtomicBool,
    max_chunks: usize,
    max_jobs: usize,
}

struct State {
    ingest: Option<Box<Ingest>>,
    collector: Option<Box<Collector>>,
    defragmenter: Option<Box<Defragmenter>>,
    read_done: bool,
    next_seq: u64,
    /// Decoded chunks that wait for earlier ones.
    decoded: BTreeMap<u64, Chunk>,
    publish_next: u64,
    /// Chunks that shards work on; the front one is the oldest.
    chunks: VecDeque<Arc<Chunk>>,
    /// The chunk that each shard needs next, and whether a thread is at it.
    shard_next: Vec<u64>,
    shard_busy: Vec<bool>,
    /// Chunks whose raw bytes are to be hashed, in order.
    hash_jobs: VecDeque<Arc<Chunk>>,
    hashing: bool,
    jobs: VecDeque<EncodeJob>,
    encoding: usize,
    in_flight: usize,
    shares: Shares,
    spare: Vec<Chunk>,
    failed: Option<PipelineError>,
}

enum Task {
    Encode(EncodeJob),
    Collect(Box<Collector>, Arc<Chunk>),
    Shard(usize, Arc<Chunk>),
    Hash(Arc<Chunk>),
    Publish(Box<Defragmenter>, Chunk),
    Read(Box<Ingest>, Chunk),
    Stop,
}

/// What comes out when all input is worked on.
pub struct Finished {
    /// The collector with everything that was merged.
    pub collector: Box<Collector>,
    /// The input side with the outcomes of the inputs.
    pub ingest: Box<Ingest>,
}

/// Works on all input with so many threads.
///
/// # Errors
/// The first error that stops the run: an output that cannot be written, or an abort.
pub fn run(
    ingest: Ingest,
    collector: Collector,
    shards: Vec<Shard>,
    writers: &Writers,
    times: &StageTimes,
    shares: Shares,
    threads: usize,
) -> Result<Finished, PipelineError> {
    let shared = Shared {
        state: Mutex::new(State {
            ingest: Some(Box::new(ingest)),
            collector: Some(Box::new(collector)),
            defragmenter: Some(Box::default()),
            read_done: false,
            next_seq: 0,
            decoded: BTreeMap::new(),
            publish_next: 0,
            chunks: VecDeque::new(),
            shard_next: vec![0; shards.len()],
            shard_busy: vec![false; shards.len()],
            hash_jobs: VecDeque::new(),
            hashing: false,
            jobs: VecDeque::new(),
            encoding: 0,
            in_flight: 0,
            shares,
            spare: Vec::new(),
            failed: None,
        }),
        wake: Condvar::new(),
        shards: shards.into_iter().map(Mutex::new).collect(),
        router: Router::default(),
        writers,
        times,
        drained: AtomicBool::new(false),
        max_chunks: (threads + 2).min(LAG),
        max_jobs: threads,
    };
    std::thread::scope(|scope| {
        for number in 1..threads {
            let shared = &shared;
            scope.spawn(move || work(shared, number));
        }
        work(&shared, 0);
    });
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.failed {
        return Err(error);
    }
    match (state.collector, state.ingest) {
        (Some(collector), Some(ingest)) => Ok(Finished { collector, ingest }),
        _ => Err(PipelineError::Internal("a worker thread stopped")),
    }
}

fn lock<'a>(shared: &'a Shared<'_>) -> MutexGuard<'a, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(shared: &Shared<'_>, number: usize) {
    // A thread that panics must not leave the others waiting for ever.
    struct Guard<'a, 'b>(&'a Shared<'b>);
    impl Drop for Guard<'_, '_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let mut state = lock(self.0);
                state.failed.get_or_insert(PipelineError::Internal("a worker thread panicked"));
                self.0.wake.notify_all();
            }
        }
    }
    let _guard = Guard(shared);
    let mut state = lock(shared);
    loop {
        match next_task(shared, &mut state, number) {
            Some(Task::Stop) => {
                shared.wake.notify_all();
                return;
            }
            Some(task) => {
                drop(state);
                let done = perform(shared, task);
                state = lock(shared);
                match complete(shared, &mut state, done) {
                    Ok(None) => {}
                    Ok(Some(mut chunk)) => {
                        // The next thread may read on while this one decodes.
                        drop(state);
                        let start = Instant::now();
                        chunk.decode(&shared.router);
                        shared.times.decode.add(start);
                        state = lock(shared);
                        state.decoded.insert(chunk.seq, *chunk);
                        shared.wake.notify_one();
                    }
                    Err(error) => {
                        state.failed.get_or_insert(error);
                        shared.wake.notify_all();
                    }
                }
            }
            None => state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The most urgent task that can be done now.
fn next_task(shared: &Shared<'_>, state: &mut State, number: usize) -> Option<Task> {
    if state.failed.is_some() {
        return Some(Task::Stop);
    }
    // Memory first: rows that wait to be encoded.
    if state.jobs.len() >= shared.max_jobs
        && let Some(job) = state.jobs.pop_front()
    {
        state.encoding += 1;
        return Some(Task::Encode(job));
    }
    if state.collector.is_some()
        && state.jobs.len() < shared.max_jobs
        && state.chunks.front().is_some_and(|c| c.is_done())
        && let (Some(collector), Some(chunk)) = (state.collector.take(), state.chunks.pop_front())
    {
        return Some(Task::Collect(collector, chunk));
    }
    if let Some((shard, chunk)) = next_shard(state, number) {
        return Some(Task::Shard(shard, chunk));
    }
    if state.defragmenter.is_some() {
        let next = state.publish_next;
        if let Some(chunk) = state.decoded.remove(&next)
            && let Some(defragmenter) = state.defragmenter.take()
        {
            return Some(Task::Publish(defragmenter, chunk));
        }
    }
    if !state.hashing
        && let Some(job) = state.hash_jobs.pop_front()
    {
        state.hashing = true;
        return Some(Task::Hash(job));
    }
    if !state.read_done
        && state.in_flight < shared.max_chunks
        && let Some(ingest) = state.ingest.take()
    {
        state.in_flight += 1;
        let chunk = state.spare.pop().unwrap_or_default();
        return Some(Task::Read(ingest, chunk));
    }
    if let Some(job) = state.jobs.pop_front() {
        state.encoding += 1;
        return Some(Task::Encode(job));
    }
    let idle = state.in_flight == 0 && state.encoding == 0 && !state.hashing && state.hash_jobs.is_empty();
    (state.read_done && idle && state.collector.is_some() && state.ingest.is_some()).then_some(Task::Stop)
}

/// The shard with the oldest work. Each thread begins at shards of its own, whose flows may still
/// be in its cache.
fn next_shard(state: &mut State, number: usize) -> Option<(usize, Arc<Chunk>)> {
    let first = state.chunks.front()?.seq;
    let mut best: Option<(u64, usize)> = None;
    for i in 0..state.shard_next.len() {
        let shard = (i + number * state.shard_next.len() / 2) % state.shard_next.len();
        let (Some(&next), Some(false)) = (state.shard_next.get(shard), state.shard_busy.get(shard)) else { continue };
        let available = next >= first && (next - first) < state.chunks.len() as u64;
        if available && best.is_none_or(|(seq, _)| next < seq) {
            best = Some((next, shard));
        }
    }
    let (seq, shard) = best?;
    let chunk = state.chunks.get((seq - first) as usize)?.clone();
    *state.shard_busy.get_mut(shard)? = true;
    Some((shard, chunk))
}

/// What a task came to.
enum Done {
    Encoded(Result<(), PipelineError>),
    Collected(Box<Collector>, Arc<Chunk>, Vec<EncodeJob>),
    Shard(usize, Arc<Chunk>),
    Hashed(Arc<Chunk>),
    Published(Box<Defragmenter>, Chunk),
    Read(Box<Ingest>, Chunk, Result<Ingested, PipelineError>),
    /// Decoding goes on after the input side was handed back.
    Nothing,
}

fn perform(shared: &Shared<'_>, task: Task) -> Done {
    let start = Instant::now();
    let times = shared.times;
    match task {
        Task::Encode(job) => {
            let result = shared.writers.encode(job);
            times.write.add(start);
            Done::Encoded(result)
        }
        Task::Collect(mut collector, chunk) => {
            let mut jobs = Vec::new();
            collector.merge(&chunk, &mut jobs);
            shared.writers.number(&mut jobs);
            if chunk.finish && shared.shards.iter().all(|s| s.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
            {
                shared.drained.store(true, Ordering::Release);
            }
            times.collect.add(start);
            Done::Collected(collector, chunk, jobs)
        }
        Task::Shard(number, chunk) => {
            if let Some(shard) = shared.shards.get(number) {
                chunk.work(number, &mut shard.lock().unwrap_or_else(PoisonError::into_inner));
            }
            times.flows.add(start);
            Done::Shard(number, chunk)
        }
        Task::Hash(chunk) => {
            chunk.hash();
            times.hash.add(start);
            Done::Hashed(chunk)
        }
        Task::Publish(mut defragmenter, mut chunk) => {
            chunk.defragment(&mut defragmenter, &shared.router);
            times.decode.add(start);
            Done::Published(defragmenter, chunk)
        }
        Task::Read(mut ingest, mut chunk) => {
            chunk.clear();
            let result = ingest.fill(&mut chunk, shared.drained.load(Ordering::Acquire));
            times.read.add(start);
            Done::Read(ingest, chunk, result)
        }
        Task::Stop => Done::Nothing,
    }
}

/// Takes note of a part that is done. The reference goes with it, so that the collector holds the
/// only one and the chunk's memory can be used again.
fn finish_part(chunk: Arc<Chunk>) {
    chunk.part_done();
}

/// Takes note of what a task came to; returns a chunk that is to be decoded.
fn complete(shared: &Shared<'_>, state: &mut State, done: Done) -> Result<Option<Box<Chunk>>, PipelineError> {
    match done {
        Done::Encoded(result) => {
            state.encoding -= 1;
            shared.wake.notify_all();
            result?;
        }
        Done::Collected(collector, chunk, jobs) => {
            state.collector = Some(collector);
            state.jobs.extend(jobs);
            state.in_flight -= 1;
            state.shares.note(chunk.memory());
            if let Ok(chunk) = Arc::try_unwrap(chunk) {
                state.spare.push(chunk);
            }
            shared.wake.notify_all();
        }
        Done::Shard(number, chunk) => {
            finish_part(chunk);
            if let (Some(busy), Some(next)) = (state.shard_busy.get_mut(number), state.shard_next.get_mut(number)) {
                *busy = false;
                *next += 1;
            }
            shared.wake.notify_one();
        }
        Done::Hashed(chunk) => {
            finish_part(chunk);
            state.hashing = false;
            shared.wake.notify_one();
        }
        Done::Published(defragmenter, chunk) => {
            state.defragmenter = Some(defragmenter);
            state.publish_next += 1;
            let chunk = Arc::new(chunk);
            if chunk.to_hash() {
                state.hash_jobs.push_back(chunk.clone());
            }
            state.chunks.push_back(chunk);
            shared.wake.notify_all();
        }
        Done::Read(ingest, mut chunk, result) => {
            state.ingest = Some(ingest);
            shared.wake.notify_all();
            match result {
                Ok(Ingested::Chunk) => {
                    chunk.seq = state.next_seq;
                    state.next_seq += 1;
                    chunk.shares = state.shares.begin();
                    return Ok(Some(Box::new(chunk)));
                }
                Ok(Ingested::End) => {
                    state.read_done = true;
                    state.in_flight -= 1;
                }
                Err(error) => {
                    state.read_done = true;
                    return Err(error);
                }
            }
        }
        Done::Nothing => {}
    }
    Ok(None)
}

//! A folder of unrelated captures: each file is a network of its own, and files are worked on side
//! by side.
//!
//! Each file has its own shards and collector, run by one thread. The rows reach the tables in the
//! order of the files, so the output does not depend on which thread was faster: a thread that has
//! rows for a later file waits for its turn once it has a row group's worth of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::chunk::Chunk;
use super::conclude::RunFacts;
use super::ingest::{Ingest, Ingested, InputResult};
use super::read::ReadConfig;
use super::shard::{Router, Shard};
use super::shares::Shares;
use super::tables;
use super::writer::{EncodeJob, Writers};
use super::{PipelineError, Progress, StageTimes};
use crate::base::limits;
use crate::decode::Defragmenter;
use crate::record::RowBuffer;
use crate::source::ReadOptions;

/// Shards of one file: enough to keep tables small, as nothing is gained from more on one thread.
const SHARDS: usize = limits::SHARDS;

/// Rows of all files in their order, on the way to full row groups.
struct InOrder {
    /// Index of the file whose turn it is.
    turn: usize,
    buffers: Vec<RowBuffer>,
    failed: Option<PipelineError>,
}

/// Files that are worked on at one time at most. Each has this share of the memory, however many
/// threads there are, so that what a limit does to a file does not depend on them.
const SIDE_BY_SIDE: usize = 8;

struct Shared<'a> {
    config: &'a ReadConfig,
    options: &'a ReadOptions,
    writers: &'a Writers,
    times: &'a StageTimes,
    progress: &'a Arc<Progress>,
    order: Mutex<InOrder>,
    wake: Condvar,
    inputs: Vec<Mutex<Option<InputResult>>>,
    next: AtomicUsize,
    facts: Mutex<&'a mut RunFacts>,
}

/// Works on every input by itself with the configured number of threads.
///
/// # Errors
/// If the output cannot be written, or the user wants to stop at once.
pub fn run(
    config: &ReadConfig,
    inputs: Vec<InputResult>,
    options: &ReadOptions,
    writers: &Writers,
    times: &StageTimes,
    progress: &Arc<Progress>,
    facts: &mut RunFacts,
) -> Result<Vec<InputResult>, PipelineError> {
    let shared = Shared {
        config,
        options,
        writers,
        times,
        progress,
        order: Mutex::new(InOrder {
            turn: 0,
            buffers: (0..tables::ALL.len()).map(|_| RowBuffer::default()).collect(),
            failed: None,
        }),
        wake: Condvar::new(),
        inputs: inputs.into_iter().map(|i| Mutex::new(Some(i))).collect(),
        next: AtomicUsize::new(0),
        facts: Mutex::new(facts),
    };
    std::thread::scope(|scope| {
        for _ in 1..config.threads.min(SIDE_BY_SIDE).min(shared.inputs.len().max(1)) {
            scope.spawn(|| work(&shared));
        }
        work(&shared);
    });
    let order = shared.order.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = order.failed {
        return Err(error);
    }
    let jobs = order.buffers.into_iter().enumerate().filter(|(_, b)| !b.is_empty());
    writers.encode_all(jobs.map(|(table, rows)| EncodeJob::new(table, rows)).collect())?;
    let results = shared.inputs.into_iter().map(|i| i.into_inner().unwrap_or_else(PoisonError::into_inner));
    results.map(|r| r.ok_or(PipelineError::Internal("a worker thread stopped"))).collect()
}

fn work(shared: &Shared<'_>) {
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = shared.inputs.get(number) else { return };
        let Some(input) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // A panic must not leave the others waiting for this file's turn.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(shared, number, input)))
            .unwrap_or(Err(PipelineError::Internal("a worker thread panicked")));
        match worked {
            Ok(result) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result),
            Err(error) => {
                let mut order = shared.order.lock().unwrap_or_else(PoisonError::into_inner);
                order.failed.get_or_insert(error);
                shared.wake.notify_all();
                return;
            }
        }
    }
}

/// Works on one file from its first packet to its last row.
fn one(shared: &Shared<'_>, number: usize, input: InputResult) -> Result<InputResult, PipelineError> {
    let config = shared.config;
    let mut engine = config.engine(number as u64 + 1);
    // Files are worked on side by side within one memory.
    engine.flow_memory /= SIDE_BY_SIDE;
    engine.stream_memory /= SIDE_BY_SIDE;
    let mut shares = Shares::new(engine.flow_memory);
    let engine = Arc::new(engine);
    let mut shards: Vec<_> = (0..SHARDS).map(|_| Shard::new(engine.clone(), SHARDS)).collect();
    let router = Router::default();
    let mut defragmenter = Defragmenter::default();
    let mut collector = config.collector(Some(number as u32), shared.writers);
    let mut ingest = Ingest::new(
        vec![input],
        number as u32,
        shared.options.clone(),
        shared.progress.clone(),
        engine.tls_keys.clone(),
    );
    let mut chunk = Chunk::default();
    let mut jobs = Vec::new();
    // Whether the shards were told once that the input is over: without a flow they hold facts and frames.
    let mut told = false;
    loop {
        chunk.clear();
        let start = Instant::now();
        let drained = told && shards.iter().all(Shard::is_empty);
        let ingested = ingest.fill(&mut chunk, drained)?;
        shared.times.read.add(start);
        if ingested == Ingested::End {
            break;
        }
        chunk.seq += 1;
        chunk.batch.capture = number as u32;
        chunk.shares = shares.begin();
        chunk.hash();
        let start = Instant::now();
        chunk.decode(&router);
        chunk.defragment(&mut defragmenter, &router);
        shared.times.decode.add(start);
        let start = Instant::now();
        for (number, shard) in shards.iter_mut().enumerate() {
            chunk.work(number, shard);
        }
        shared.times.flows.add(start);
        told |= chunk.finish;
        let start = Instant::now();
        collector.merge(&chunk, &mut jobs);
        shares.note(chunk.memory());
        shared.times.collect.add(start);
        if !jobs.is_empty() {
            hand_over(shared, number, &mut jobs, false)?;
        }
    }
    let drops = ingest.drops().into_values().map(|n| (number as u32, n)).collect();
    collector.conclude(&drops, 1);
    // Findings of all files stand in the order of the files, whichever thread was faster.
    drop(my_turn(shared, number)?);
    let mut facts = shared.facts.lock().unwrap_or_else(PoisonError::into_inner);
    facts.take(&mut collector);
    facts.take_findings(&collector);
    drop(facts);
    loop {
        collector.hand_over(true, &mut jobs);
        let more = collector.more_devices();
        hand_over(shared, number, &mut jobs, !more)?;
        if !more {
            break;
        }
    }
    ingest.results.pop().ok_or(PipelineError::Internal("an input got lost"))
}

/// Waits for the file's turn, which lasts until its last rows were handed over.
fn my_turn<'a>(shared: &'a Shared<'_>, number: usize) -> Result<MutexGuard<'a, InOrder>, PipelineError> {
    let mut order = shared.order.lock().unwrap_or_else(PoisonError::into_inner);
    while order.turn != number {
        if order.failed.is_some() {
            return Err(PipelineError::Internal("another file failed"));
        }
        order = shared.wake.wait(order).unwrap_or_else(PoisonError::into_inner);
    }
    Ok(order)
}

/// Waits for the file's turn and appends its rows behind those of the files before it.
fn hand_over(shared: &Shared<'_>, number: usize, jobs: &mut Vec<EncodeJob>, last: bool) -> Result<(), PipelineError> {
    let mut order = my_turn(shared, number)?;
    let mut full = Vec::new();
    for job in jobs.drain(..) {
        let (table, rows) = job.into_rows();
        let Some(buffer) = order.buffers.get_mut(table) else { continue };
        buffer.append(&rows);
        if buffer.len() >= limits::ROW_GROUP_ROWS || buffer.size() >= shared.config.group_bytes() {
            full.push(EncodeJob::new(table, std::mem::take(buffer)));
        }
    }
    shared.writers.number(&mut full);
    if last {
        order.turn += 1;
        shared.wake.notify_all();
    }
    drop(order);
    let start = Instant::now();
    let done = full.into_iter().try_for_each(|job| shared.writers.encode(job));
    shared.times.write.add(start);
    done
}

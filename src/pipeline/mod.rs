//! The only place with threads: sources, shards, collector and sinks put together to a run.

pub mod app;
pub mod chunk;
pub mod collect;
pub mod conclude;
mod contacts;
pub mod emit;
pub mod feed;
pub mod ingest;
mod inner;
pub mod live;
mod multiplex;
pub mod options;
pub mod outer;
pub mod output;
pub mod read;
mod reader;
pub mod revise;
pub mod schedule;
pub mod separate;
pub mod shard;
pub mod shares;
pub mod syn;
pub mod tables;
mod tells;
mod totals;
mod unread;
mod wrapped;
pub mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::sink::SinkError;
use crate::source::SourceError;

/// Why a run came to nothing, or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// An input cannot be read, and there is no other.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Live capture does not work.
    #[error(transparent)]
    Live(#[from] crate::source::live::LiveError),
    /// The user stopped the run at once.
    #[error("stopped; nothing was written")]
    Aborted,
    /// A defect of this program.
    #[error("internal error: {0}; please report it")]
    Internal(&'static str),
}

/// How far a run is, and whether the user wants it to end; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of input read, as it lies on disk.
    pub bytes: AtomicU64,
    /// Packets read.
    pub packets: AtomicU64,
    stop: Arc<AtomicBool>,
    abort: AtomicBool,
}

impl Progress {
    /// Asks the run to finish with what was read; asked twice, to stop at once.
    pub fn interrupt(&self) {
        if self.stop.swap(true, Ordering::AcqRel) {
            self.abort.store(true, Ordering::Release);
        }
    }

    /// Set once the run is to finish: for whoever waits for input.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// Whether the run is to finish.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whether the run is to stop at once.
    pub fn aborted(&self) -> bool {
        self.abort.load(Ordering::Acquire)
    }
}

/// Time spent in one stage, summed over all threads.
#[derive(Debug, Default)]
pub struct StageTime(AtomicU64);

impl StageTime {
    /// Adds the time since `start`.
    pub fn add(&self, start: Instant) {
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Microseconds so far.
    pub fn micros(&self) -> i64 {
        i64::try_from(self.0.load(Ordering::Relaxed) / 1000).unwrap_or(i64::MAX)
    }
}

/// Where the time goes.
#[derive(Debug, Default)]
pub struct StageTimes {
    /// Reading and finding records.
    pub read: StageTime,
    /// Decoding.
    pub decode: StageTime,
    /// Flows, streams, protocols.
    pub flows: StageTime,
    /// Merging.
    pub collect: StageTime,
    /// Encoding and writing Parquet.
    pub write: StageTime,
    /// Hashing the input.
    pub hash: StageTime,
}

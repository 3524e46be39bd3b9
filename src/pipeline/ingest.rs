//! The input side: one capture after another as one stream of numbered chunks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::chunk::Chunk;
use super::{PipelineError, Progress};
use crate::proto::tls::opening::keylog::{KeyStore, Since};
use crate::source::{
    CaptureFormat, CaptureReader, Compression, Fill, InputHash, InputPath, InterfaceInfo, Outcome, ReadOptions,
    SourceError,
};

/// How one input went.
#[derive(Debug)]
pub struct InputResult {
    /// The input.
    pub input: InputPath,
    /// Container, where it was recognised.
    pub format: Option<CaptureFormat>,
    /// Compression.
    pub compression: Option<Compression>,
    /// How far reading came.
    pub outcome: Outcome,
    /// Its interfaces.
    pub interfaces: Vec<InterfaceInfo>,
    /// What was wrong with it.
    pub error: Option<SourceError>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// Secrets of TLS sessions that it holds.
    pub secrets: usize,
    /// Lines of its key logs that say nothing.
    pub bad_secrets: usize,
    /// Its SHA-256, where that was wanted.
    pub hash: Option<Arc<Mutex<InputHash>>>,
}

impl InputResult {
    /// An input of which nothing is known yet.
    pub fn new(input: InputPath) -> Self {
        Self {
            input,
            format: None,
            compression: None,
            outcome: Outcome::default(),
            interfaces: Vec::new(),
            error: None,
            interrupted: false,
            secrets: 0,
            bad_secrets: 0,
            hash: None,
        }
    }

    /// The SHA-256 in hex.
    pub fn sha256(&self) -> Option<String> {
        let hash = self.hash.as_ref()?;
        let hash = std::mem::take(&mut *hash.lock().unwrap_or_else(PoisonError::into_inner));
        (!self.interrupted).then(|| hash.finish())
    }

    /// The path as tables and messages show it.
    pub fn path(&self) -> &PathBuf {
        &self.input.path
    }
}

/// What filling a chunk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingested {
    /// There is a chunk.
    Chunk,
    /// All input is read and all flows have ended.
    End,
}

/// Reads the inputs of a run in order.
pub struct Ingest {
    options: ReadOptions,
    /// How each input went, by its index; filled as reading comes to it.
    pub results: Vec<InputResult>,
    current: usize,
    /// Index of the first input among those of the run.
    first: u32,
    keys: Arc<KeyStore>,
    reader: Option<CaptureReader>,
    /// Only the hash of the current input is still of interest.
    draining_hash: bool,
    progress: Arc<Progress>,
    /// Raw bytes of inputs that are done.
    done_bytes: u64,
}

impl Ingest {
    /// For inputs in the order in which they are to be read, of which the first has this index among those of the run.
    /// Secrets that stand in captures go to `keys`.
    pub fn new(
        inputs: Vec<InputResult>,
        first: u32,
        options: ReadOptions,
        progress: Arc<Progress>,
        keys: Arc<KeyStore>,
    ) -> Self {
        Self {
            options,
            results: inputs,
            current: 0,
            first,
            keys,
            reader: None,
            draining_hash: false,
            progress,
            done_bytes: 0,
        }
    }

    /// Fills a chunk with the next frames. After the last input come chunks without frames, which
    /// let the shards end their flows, until `drained`.
    ///
    /// # Errors
    /// If the user wants to stop at once.
    pub fn fill(&mut self, chunk: &mut Chunk, drained: bool) -> Result<Ingested, PipelineError> {
        loop {
            if self.progress.aborted() {
                return Err(PipelineError::Aborted);
            }
            if self.progress.stopped() {
                self.interrupt();
            }
            let Some(result) = self.results.get_mut(self.current) else {
                chunk.finish = true;
                // A chunk that is used again still says which input it held before.
                chunk.batch.capture = (self.results.len() as u32).saturating_sub(1);
                return Ok(if drained { Ingested::End } else { Ingested::Chunk });
            };
            chunk.batch.capture = self.current as u32;
            let Some(reader) = &mut self.reader else {
                if result.error.is_some() {
                    self.current += 1;
                    continue;
                }
                match CaptureReader::open(&result.input, &self.options) {
                    Ok(reader) => {
                        result.format = Some(reader.format());
                        result.compression = Some(reader.compression());
                        if self.options.hash {
                            result.hash = Some(Arc::default());
                        }
                        self.reader = Some(reader);
                    }
                    Err(error) => {
                        result.error = Some(error);
                        self.current += 1;
                    }
                }
                continue;
            };
            let filled =
                if self.draining_hash { reader.drain(&mut chunk.batch) } else { reader.fill(&mut chunk.batch) };
            chunk.batch.capture = self.current as u32;
            for captured in reader.take_secrets() {
                let since = Since::Packet { capture: self.first + self.current as u32, packet: captured.after };
                result.secrets += self.keys.read(&captured.log, since, &mut |_| result.bad_secrets += 1);
            }
            self.progress.bytes.store(self.done_bytes + reader.outcome().raw_bytes, Ordering::Relaxed);
            match filled {
                Ok(Fill::More) => {
                    self.progress.packets.fetch_add(chunk.batch.frames.len() as u64, Ordering::Relaxed);
                    if let Some(hash) = result.hash.as_ref().filter(|_| !chunk.batch.raw.is_empty()) {
                        chunk.hash_into(hash.clone());
                    }
                    return Ok(Ingested::Chunk);
                }
                Ok(Fill::End) => self.next_input(),
                Err(error) if self.draining_hash => {
                    // Its hash cannot be had; the error that made it so is known already.
                    let _ = error;
                    result.hash = None;
                    self.next_input();
                }
                Err(error) => {
                    result.error = Some(error);
                    if self.options.hash {
                        self.draining_hash = true;
                    } else {
                        self.next_input();
                    }
                }
            }
        }
    }

    /// Packets that the capturing systems say they lost, by input.
    pub fn drops(&self) -> BTreeMap<u32, u64> {
        let of = |r: &InputResult| r.interfaces.iter().filter_map(|i| i.kernel_drops).fold(0, u64::saturating_add);
        self.results.iter().zip(0..).map(|(r, i)| (i, of(r))).collect()
    }

    fn next_input(&mut self) {
        if let (Some(mut reader), Some(result)) = (self.reader.take(), self.results.get_mut(self.current)) {
            result.outcome = reader.outcome();
            result.interfaces = reader.interfaces().to_vec();
            if let Some(hash) = reader.take_hash() {
                result.hash = Some(Arc::new(Mutex::new(hash)));
            }
            self.done_bytes += result.outcome.raw_bytes;
        }
        self.draining_hash = false;
        self.current += 1;
    }

    /// The user wants to stop: what was read is finished, the rest is marked as left out.
    fn interrupt(&mut self) {
        if self.current >= self.results.len() {
            return;
        }
        let at = self.current;
        self.next_input();
        for result in self.results.iter_mut().skip(at) {
            result.interrupted = true;
        }
        self.current = self.results.len();
    }
}

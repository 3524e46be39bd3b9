//! From row buffers to files: row groups are encoded by any thread and appended in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::PipelineError;
use super::tables;
use crate::base::Timestamp;
use crate::detect::findings::FINDINGS;
use crate::record::{RowBuffer, Table};
use crate::signature::RuleSet;
use crate::sink::{EncodedRowGroup, OutputFolder, Parts, TableSchema, TableWriter, encode_by_day, encode_row_group};

/// Rows of a table that are to become a row group.
#[derive(Debug)]
pub struct EncodeJob {
    table: usize,
    rows: RowBuffer,
    /// Position among the row groups of its table; given when the job is made known.
    number: u64,
}

impl EncodeJob {
    /// Rows of the table at a position of [`tables::ALL`].
    pub const fn new(table: usize, rows: RowBuffer) -> Self {
        Self { table, rows, number: 0 }
    }

    /// Bytes of the rows.
    pub fn size(&self) -> usize {
        self.rows.size()
    }

    /// The table's position and the rows.
    pub fn into_rows(self) -> (usize, RowBuffer) {
        (self.table, self.rows)
    }
}

/// Row buffers that were written and may be filled again: fresh memory costs the kernel more than
/// encoding the rows costs us.
#[derive(Debug, Default)]
pub struct SpareBuffers(Mutex<Vec<RowBuffer>>);

impl SpareBuffers {
    /// Buffers that are kept at most.
    const KEPT: usize = 4;
    /// A buffer smaller than this is not worth keeping.
    const WORTH: usize = 1 << 20;

    /// An empty buffer, with memory where one is there.
    pub fn take(&self) -> RowBuffer {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, mut rows: RowBuffer) {
        if rows.capacity() < Self::WORTH {
            return;
        }
        rows.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < Self::KEPT {
            spare.push(rows);
        }
    }
}

/// A table on its way to disk.
struct Slot {
    schema: Arc<TableSchema>,
    /// The writer, and encoded row groups that wait for earlier ones.
    state: Mutex<SlotState>,
    numbers: AtomicU64,
}

struct SlotState {
    writer: Option<TableWriter>,
    next: u64,
    waiting: BTreeMap<u64, Vec<EncodedRowGroup>>,
}

/// The writers of all tables of a run.
pub struct Writers {
    slots: Vec<Slot>,
    /// Names of the inputs, by number.
    names: Vec<String>,
    /// The user's rules; `None` for the built-in ones, which are parsed only when one is needed.
    rules: Option<Arc<RuleSet>>,
    /// The names, and behind them the texts of the rules.
    names_and_texts: OnceLock<Vec<String>>,
    by_day: bool,
    spare: Arc<SpareBuffers>,
}

/// What was written of a table.
#[derive(Debug, Clone)]
pub struct Written {
    /// The table.
    pub table: &'static Table,
    /// Rows.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

impl Writers {
    /// Writers into a folder. `names` are the inputs' names by number.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn new(
        folder: &Arc<OutputFolder>,
        names: Vec<String>,
        parts: Parts,
        metadata: &[(String, String)],
    ) -> Result<Self, PipelineError> {
        let by_day = matches!(parts, Parts::Daily { .. });
        let slots = tables::ALL
            .iter()
            .map(|table| {
                let schema = TableSchema::new(table)?;
                let writer = TableWriter::new(folder, &schema, parts, metadata.to_vec());
                let state = SlotState { writer: Some(writer), next: 0, waiting: BTreeMap::new() };
                Ok(Slot { schema, state: Mutex::new(state), numbers: AtomicU64::new(0) })
            })
            .collect::<Result<_, PipelineError>>()?;
        Ok(Self { slots, names, rules: None, names_and_texts: OnceLock::new(), by_day, spare: Arc::default() })
    }

    /// With the user's rules; `None` for the built-in ones.
    pub fn with_rules(self, rules: Option<Arc<RuleSet>>) -> Self {
        Self { rules, ..self }
    }

    /// The number of the first text of the rules among the names of findings.
    pub fn first_text(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// The names of the inputs, and behind them the texts of the rules, which findings repeat.
    pub fn names_of_findings(&self) -> &[String] {
        self.names_and_texts.get_or_init(|| {
            let rules = self.rules.as_ref().unwrap_or_else(|| RuleSet::builtin());
            self.names.iter().cloned().chain(rules.texts().map(str::to_owned)).collect()
        })
    }

    /// Buffers to be filled again.
    pub fn spare(&self) -> Arc<SpareBuffers> {
        self.spare.clone()
    }

    /// Gives jobs their places in the order of their tables. Must be called in the order in which
    /// the rows are to lie in the files.
    pub fn number(&self, jobs: &mut [EncodeJob]) {
        for job in jobs {
            if let Some(slot) = self.slots.get(job.table) {
                job.number = slot.numbers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Encodes a numbered job and appends what has its turn.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn encode(&self, mut job: EncodeJob) -> Result<(), PipelineError> {
        let Some(slot) = self.slots.get(job.table) else { return Ok(()) };
        let is_findings = tables::ALL.get(job.table).is_some_and(|table| table.name == FINDINGS.name);
        let names = if is_findings { self.names_of_findings() } else { &self.names };
        let groups = if self.by_day {
            encode_by_day(&slot.schema, &mut job.rows, names)?
        } else {
            vec![encode_row_group(&slot.schema, &mut job.rows, names)?]
        };
        self.spare.give(job.rows);
        let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        let SlotState { writer, next, waiting } = &mut *state;
        waiting.insert(job.number, groups);
        while let Some(groups) = waiting.remove(next) {
            *next += 1;
            for group in groups {
                if let Some(writer) = writer {
                    writer.append(group)?;
                }
            }
        }
        Ok(())
    }

    /// Encodes all jobs one after another.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn encode_all(&self, mut jobs: Vec<EncodeJob>) -> Result<(), PipelineError> {
        self.number(&mut jobs);
        jobs.into_iter().try_for_each(|job| self.encode(job))
    }

    /// Live: closes parts that span their time, whether or not more rows came.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn rotate(&self, now: Timestamp) -> Result<(), PipelineError> {
        for slot in &self.slots {
            let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(writer) = &mut state.writer {
                writer.rotate(now)?;
            }
        }
        Ok(())
    }

    /// Closes every table; `metadata` goes into every file.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(self, metadata: &[(String, String)]) -> Result<Vec<Written>, PipelineError> {
        let mut written = Vec::new();
        for (slot, table) in self.slots.into_iter().zip(tables::ALL.iter()) {
            let state = slot.state.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let Some(writer) = state.writer {
                let done = writer.finish(metadata)?;
                written.push(Written { table, rows: done.rows, bytes: done.bytes, files: done.files });
            }
        }
        Ok(written)
    }
}

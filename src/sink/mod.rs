//! Rows to files: Parquet tables, `findings.jsonl`, `run.json`. Only this folder knows Parquet.
//!
//! A row group is encoded by [`encode_row_group`], a pure function that may run on any thread, and
//! appended by a [`TableWriter`], in order. Everything is written into a staging folder inside the
//! output folder and renamed when whole ([`OutputFolder`]), so a reader never sees half a file.

mod encode;
mod folder;
mod jsonl;
mod revise;
mod rows;
mod schema;
mod table;

pub use encode::{EncodedRowGroup, encode_by_day, encode_row_group};
pub use folder::{OutputFolder, Publish};
pub use jsonl::{JsonLines, LineNames};
pub use revise::{Cell, revise_table};
pub use rows::read_table;
pub use schema::TableSchema;
pub use table::{Parts, TableWriter, Written};

use std::io;
use std::path::{Path, PathBuf};

/// Why output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The output folder is there already and overwriting was not asked for.
    #[error("{} exists already (--overwrite replaces what an earlier run wrote there)", .0.display())]
    Exists(PathBuf),
    /// Something else stands where a folder or a file of ours belongs.
    #[error("{}: {what}", .path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operating system refused (no space left, no permission ...).
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried, as in "cannot ... PATH".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// An output that should be changed cannot be read.
    #[error("{}: {what}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A row does not fit its table: a defect of this program, never of the input.
    #[error("defect: table {table}, column {column}: {what}")]
    Row {
        /// The table.
        table: &'static str,
        /// The column, as far as it can be told.
        column: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The Parquet library refused: a defect of this program.
    #[error("defect: Parquet: {0}")]
    Parquet(String),
    /// The compressor refused.
    #[error("zstd: {0}")]
    Compress(String),
}

impl From<parquet::errors::ParquetError> for SinkError {
    fn from(e: parquet::errors::ParquetError) -> Self {
        Self::Parquet(e.to_string())
    }
}

impl SinkError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// An output that cannot be read, and why.
    pub fn unreadable(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::Unreadable { path: path.to_owned(), what: what.to_string() }
    }
}

#[cfg(test)]
mod tests;

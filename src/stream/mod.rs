//! TCP reassembly. Knows neither flows nor protocols: sequence numbers and bytes only.
//!
//! Two things of different cost live here. [`SeqTracker`] follows the sequence numbers of every TCP
//! flow, so that lost and repeated bytes are counted also where nobody reads the stream. A
//! [`StreamSide`] puts the bytes of one direction in order for a parser, and exists only as long as
//! one is interested.

mod assembler;
mod tracker;

pub use assembler::{Budget, Chunk, StreamSide, Taken};
pub use tracker::{Segment, SeqTracker};

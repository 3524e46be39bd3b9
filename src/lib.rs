//! overhear listens to a network without sending a packet.
//!
//! It reads captures or a mirror port and leaves typed Parquet tables: which devices are there,
//! what they do that they should not, and the exact packets that prove it, with secrets blanked.
//! `ARCHITECTURE.md` describes the floors; a folder imports only folders on lower floors, which
//! `tests/tidy.rs` enforces.

#![deny(missing_docs)]
#![warn(clippy::dbg_macro, clippy::todo, clippy::unimplemented)]

pub mod base;
pub mod cli;
pub mod decode;
pub mod detect;
pub mod device;
pub mod fingerprint;
pub mod flow;
pub mod frame;
pub mod pipeline;
pub mod policy;
pub mod proto;
pub mod record;
pub mod report;
pub mod signature;
pub mod sink;
pub mod source;
pub mod stream;

//! Capture inputs: which files there are, what they hold, and their frames in batches.
//!
//! [`discover()`] turns the command line into inputs, [`peek`] says
//! when one begins, [`CaptureReader`] hands out its frames, [`live::LiveCapture`] those of an
//! interface. Nothing in here starts a thread or reads a clock.

pub mod compression;
pub mod discover;
pub mod error;
pub mod filter;
pub mod hash;
pub mod live;
pub mod reader;

mod bpf;
mod codec;
mod input;
mod lz4;
mod pcap_format;
mod pcapng;
mod walk;

pub use compression::Compression;
pub use discover::{Discovery, InputKind, InputPath, InputProblem, discover};
pub use error::{Place, SourceError, SourceErrorKind};
pub use filter::check_filter;
pub use hash::InputHash;
pub use live::{FanoutGroup, LiveCapture, LiveFrame, LiveOptions, LiveStats};
pub use reader::{CaptureReader, Fill, Outcome, Peek, ReadOptions, peek};
pub use walk::{CaptureFormat, CapturedSecrets, InterfaceInfo, TimeResolution};

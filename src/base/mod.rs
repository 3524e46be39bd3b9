//! What every other floor stands on: bytes, time, addresses, identifiers, limits, secrets.

pub mod bytes;
pub mod counters;
pub mod hash;
pub mod limits;
pub mod lines;
pub mod net;
pub mod parallel;
pub mod secret;
pub mod time;

pub use bytes::{ReadError, Reader};
pub use net::{Addr, Endpoint, Mac};
pub use secret::Secret;
pub use time::Timestamp;

//! Flows: who talked to whom, how much, and how it went. Knows packets, not protocols.

pub mod community_id;
pub mod dedup;
mod index;
pub mod key;
pub mod record;
mod slab;
pub mod state;
pub mod table;
mod wheel;

pub use key::{FlowHasher, FlowKey, Keyed};
pub use record::{EndReason, FlowRecord};
pub use state::{ConnState, History, TcpState};
pub use table::{Flow, FlowTable, Side, TableOptions, Timeouts};

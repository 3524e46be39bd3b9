//! Protocols: one file each, holding parser, event, table, documentation and tests.

pub mod api;
pub mod ssh;
#[cfg(test)]
pub mod testing;
pub mod tls;

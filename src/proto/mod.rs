//! Protocols: one file each, holding parser, event, table, documentation and tests; a folder for each
//! family.

pub mod api;
pub mod database;
pub mod digest;
pub mod discovery;
pub mod dtls;
pub mod files;
pub mod framing;
pub mod iot;
pub mod link;
pub mod mail;
pub mod management;
pub mod named;
pub mod ntlm;
pub mod printing;
pub mod proof;
pub mod prose;
pub mod quic;
pub mod registry;
pub mod remote;
#[cfg(test)]
pub mod testing;
pub mod text;
pub mod tls;
mod unchanged;
pub mod voice;
pub mod web;
pub mod windows;

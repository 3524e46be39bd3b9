//! File transfer and directories.

pub mod commands;
pub mod ftp;
pub mod ftp_data;
pub mod ftp_endpoint;
pub mod ftp_probe;
mod ftp_tokens;
pub mod provisioning;
pub mod tftp;
pub mod tftp_event;

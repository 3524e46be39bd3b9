//! File transfer and directories.

pub mod ftp;

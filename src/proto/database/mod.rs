//! Databases.

pub mod mssql;
pub mod mysql;
pub mod postgresql;
pub mod redis;
pub mod session;

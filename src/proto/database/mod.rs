//! Databases, caches and message brokers.

pub mod amqp;
pub mod bson;
pub mod cassandra;
pub mod kafka;
pub mod memcached;
pub mod mongodb;
pub mod mssql;
pub mod mysql;
pub mod oracle;
pub mod postgresql;
pub mod redis;
pub mod session;
pub mod stomp;

//! Protocols: one file each, holding parser, event, table, documentation and tests.

pub mod api;
pub mod arp;
pub mod dhcp;
pub mod dns;
pub mod dns_event;
pub mod dns_message;
pub mod ftp;
pub mod http;
pub mod http_event;
pub mod http_head;
pub mod http_login;
pub mod http_provisioning;
pub mod registry;
pub mod ssh;
pub mod telnet;
pub mod telnet_prompt;
#[cfg(test)]
pub mod testing;
pub mod text;
pub mod tls;

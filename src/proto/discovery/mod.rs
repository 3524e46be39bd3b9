//! Names, addresses and who is there.

pub mod arp;
pub mod dhcp;
pub mod dns;
pub mod dns_event;
pub mod dns_message;

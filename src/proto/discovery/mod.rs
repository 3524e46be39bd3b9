//! Names, addresses and who is there.

pub mod arp;
pub mod dhcp;
pub mod dhcp_event;
pub mod dhcpv6;
pub mod dhcpv6_event;
pub mod dns;
pub mod dns_event;
pub mod dns_message;
pub mod portmap;
pub mod slp;
pub mod slp_event;
pub mod ssdp;
pub mod wsd;
pub mod wsd_event;
mod xml;

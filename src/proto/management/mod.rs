//! Management and time: SNMP, syslog, NTP, RADIUS, TACACS+.

pub mod ber;
pub mod ntp;
pub mod radius;
pub mod radius_event;
pub mod radius_message;
pub mod snmp;
pub mod snmp_event;
pub mod snmp_message;
pub mod syslog;
pub mod syslog_text;
pub mod tacacs;

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a string does not fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

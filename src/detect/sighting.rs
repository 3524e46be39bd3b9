//! One place where a rule was seen to be broken. Many sightings make one finding.

use std::borrow::Cow;

use crate::base::{Addr, Mac, Timestamp};

/// One end of what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Party {
    /// Its address.
    pub ip: Addr,
    /// MAC of its frames on this link; zeros where there is none or where a router stood between.
    pub mac: Mac,
}

/// One place where a rule was seen to be broken: owned, rare, and free of secrets.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Identifier of the rule in `signatures/`.
    pub rule: &'static str,
    /// The device that the finding is about (mostly the server side of an insecure service).
    pub device: Party,
    /// The other end, where there is one.
    pub peer: Option<Party>,
    /// Port that tells the service: that of the responder.
    pub port: u16,
    /// Name under which the peer is known (SNI, Host, DNS), where that matters.
    pub peer_name: Option<String>,
    /// Service on the flow.
    pub service: Cow<'static, str>,
    /// Flow.
    pub flow_id: i64,
    /// Capture that the packet is in.
    pub capture: u32,
    /// Packet that shows it.
    pub packet: u64,
    /// When.
    pub ts: Timestamp,
    /// One line that says what was seen, secrets blanked.
    pub evidence: String,
    /// What else tells two findings of one rule apart (a cipher, a version); empty mostly.
    pub detail: Cow<'static, str>,
    /// How much it tells beside other sightings of the same thing: the finding shows the evidence of
    /// the weightiest. See [`weight`].
    pub weight: u8,
}

/// [`Sighting::weight`] by what came of what was tried: what was let in tells more than what was
/// refused, whichever came first.
pub const fn weight(success: Option<bool>) -> u8 {
    match success {
        Some(true) => 2,
        None => WEIGHT,
        Some(false) => 0,
    }
}

/// [`Sighting::weight`] of what has no outcome.
pub const WEIGHT: u8 = 1;

/// Rules about what a service allows or a login is worth, which are broken inside of TLS as well. All others are about
/// what can be read on the way.
const HOLD_WHEN_ENCRYPTED: [&str; 7] = [
    "adb-exposed",
    "default-credentials-",
    "empty-password-accepted",
    "ftp-anonymous-login",
    "ldap-anonymous-bind",
    "rtsp-no-authentication",
    "sip-registration-without-login",
];

/// Whether a rule is broken even where the protocol runs inside of TLS.
pub fn holds_when_encrypted(rule: &str) -> bool {
    HOLD_WHEN_ENCRYPTED.iter().any(|r| rule.starts_with(r)) || rule.ends_with("-no-login") || rule.ends_with("-write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_mends_what_is_about_clear_text_and_nothing_else() {
        for rule in ["default-credentials-accepted", "mqtt-no-login", "modbus-write", "empty-password-accepted"] {
            assert!(holds_when_encrypted(rule), "{rule}");
        }
        for rule in
            ["cleartext-credentials-http", "telnet-in-use", "mqtt-in-use", "tls-weak-cipher", "starttls-refused"]
        {
            assert!(!holds_when_encrypted(rule), "{rule}");
        }
    }
}

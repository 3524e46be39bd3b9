//! Protocols that are only named: what runs on the flow is known by its first bytes, and nothing else
//! is read of it.
//!
//! They are asked after every parser's probe has declined. An entry must be as hard to fool as a probe:
//! where few bytes tell, the usual port is asked for as a second sign.

pub mod web;

use super::api::{Direction, Transport};

/// What is known of a flow whose payload is held against the list.
#[derive(Debug, Clone, Copy)]
pub struct Glance<'a> {
    /// Who sent the payload.
    pub dir: Direction,
    /// The first bytes of a direction of a stream, or one datagram.
    pub payload: &'a [u8],
    /// Ports of originator and responder.
    pub ports: [u16; 2],
}

impl Glance<'_> {
    /// Whether one of the ports is among these.
    pub fn on_port(&self, ports: &[u16]) -> bool {
        self.ports.iter().any(|p| ports.contains(p))
    }
}

/// A protocol that is only named.
#[derive(Debug)]
pub struct Named {
    /// The name as `flows.service` carries it.
    pub name: &'static str,
    /// The name as people write it.
    pub title: &'static str,
    /// Transports.
    pub transports: &'static [Transport],
    /// Where the layout of the first bytes is described.
    pub reference: &'static str,
    /// Whether the payload is of this protocol.
    pub test: fn(&Glance<'_>) -> bool,
}

/// All lists, in the order in which they are asked.
const LISTS: &[&[Named]] = &[web::LIST];

/// Every protocol that is only named.
pub fn all() -> impl Iterator<Item = &'static Named> {
    LISTS.iter().copied().flatten()
}

/// The name of what a payload belongs to.
pub fn name(transport: Transport, glance: &Glance<'_>) -> Option<&'static str> {
    all().find(|n| n.transports.contains(&transport) && (n.test)(glance)).map(|n| n.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_named_after_a_port_alone() {
        for ports in all().flat_map(|_| [[40_000, 443], [40_000, 9], [53, 53]]) {
            for transport in [Transport::Tcp, Transport::Udp] {
                let glance = Glance { dir: Direction::Orig, payload: b"\x01", ports };
                assert_eq!(name(transport, &glance), None, "{ports:?}");
            }
        }
    }
}

//! Protocols that are only named: what runs on the flow is known by its first bytes, and nothing else
//! is read of it.
//!
//! They are asked after every parser's probe has declined. An entry must be as hard to fool as a probe:
//! where few bytes tell, the usual port is asked for as a second sign.

mod business;
mod home;
pub mod industrial;
mod office;
mod peer;
mod routing;
pub mod screen;
mod vpn;
pub mod web;

use super::api::{Direction, Transport};

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const UDP_TCP: &[Transport] = &[Transport::Udp, Transport::Tcp];

/// Two bytes as a number, the high one first.
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// Four bytes as a number, the high one first.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// What is known of a flow whose payload is held against the list.
#[derive(Debug, Clone, Copy)]
pub struct Glance<'a> {
    /// Who sent the payload.
    pub dir: Direction,
    /// The first bytes of a direction of a stream, or one datagram.
    pub payload: &'a [u8],
    /// Ports of originator and responder.
    pub ports: [u16; 2],
    /// Whether the beginning of the flow was seen.
    pub from_start: bool,
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
const LISTS: &[&[Named]] =
    &[vpn::LIST, routing::LIST, peer::LIST, office::LIST, home::LIST, industrial::LIST, web::LIST, business::LIST];

/// Every protocol that is only named.
pub fn all() -> impl Iterator<Item = &'static Named> {
    LISTS.iter().copied().flatten()
}

/// The name of what a payload belongs to.
pub fn name(transport: Transport, glance: &Glance<'_>) -> Option<&'static str> {
    all().find(|n| n.transports.contains(&transport) && (n.test)(glance)).map(|n| n.name)
}

#[cfg(test)]
mod testing {
    use super::*;

    /// What a datagram is named, on ports that tell nothing.
    pub fn named(payload: &[u8]) -> Option<&'static str> {
        named_on(payload, [40_000, 40_001])
    }

    /// What a datagram is named on these ports.
    pub fn named_on(payload: &[u8], ports: [u16; 2]) -> Option<&'static str> {
        name(Transport::Udp, &Glance { dir: Direction::Orig, payload, ports, from_start: true })
    }

    /// What the start of a stream is named.
    pub fn named_tcp(payload: &[u8]) -> Option<&'static str> {
        named_tcp_on(payload, [40_000, 40_001])
    }

    /// What the start of a stream is named on these ports.
    pub fn named_tcp_on(payload: &[u8], ports: [u16; 2]) -> Option<&'static str> {
        name(Transport::Tcp, &Glance { dir: Direction::Orig, payload, ports, from_start: true })
    }

    /// What a payload in the middle of a stream is named, on ports that tell nothing.
    pub fn named_midstream(payload: &[u8]) -> Option<&'static str> {
        name(Transport::Tcp, &Glance { dir: Direction::Orig, payload, ports: [40_000, 40_001], from_start: false })
    }

    /// Asserts that neither the payload nor any shorter one has a name on ports that tell nothing.
    #[track_caller]
    pub fn unnamed(payload: &[u8]) {
        for end in 0..=payload.len() {
            assert_eq!((named(&payload[..end]), named_tcp(&payload[..end])), (None, None), "{end} bytes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_complete_and_no_length_stops_it() {
        for n in all() {
            assert!(!n.name.is_empty() && !n.title.is_empty() && !n.reference.is_empty() && !n.transports.is_empty());
            for byte in [0, 1, 0x41, 0xff] {
                for len in 0..300 {
                    let payload = vec![byte; len];
                    (n.test)(&Glance {
                        dir: Direction::Resp,
                        payload: &payload,
                        ports: [520, 4500],
                        from_start: false,
                    });
                }
            }
        }
    }

    #[test]
    fn nothing_is_named_after_a_port_alone() {
        for ports in all().flat_map(|_| [[40_000, 443], [40_000, 9], [53, 53]]) {
            for transport in [Transport::Tcp, Transport::Udp] {
                let glance = Glance { dir: Direction::Orig, payload: b"\x01", ports, from_start: true };
                assert_eq!(name(transport, &glance), None, "{ports:?}");
            }
        }
    }
}

//! Inside and outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::Addr;
use crate::base::net::Network;

/// Addresses that never leave a link or a host, inside whatever the user says: loopback
/// (RFC 1122, RFC 4291) and link-local (RFC 3927, RFC 4291).
const ALWAYS: [(IpAddr, u8); 4] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

/// What is inside where the user says nothing: private (RFC 1918) and unique-local (RFC 4193).
const PRIVATE: [(IpAddr, u8); 4] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

/// The networks that are inside.
#[derive(Debug, Clone)]
pub struct HomeNet {
    /// As [`Network::masked`] says: asked for each flow and more.
    networks: Vec<(u128, u128)>,
}

impl Default for HomeNet {
    fn default() -> Self {
        Self { networks: fixed(&PRIVATE).chain(fixed(&ALWAYS)).map(|n| n.masked()).collect() }
    }
}

fn fixed(list: &[(IpAddr, u8)]) -> impl Iterator<Item = Network> + '_ {
    list.iter().filter_map(|(ip, prefix)| Network::new(*ip, *prefix))
}

impl HomeNet {
    /// The networks that the user names, in place of the private and unique-local ones; link-local
    /// and loopback addresses are inside in any case.
    pub fn new(networks: &[Network]) -> Self {
        Self { networks: networks.iter().copied().chain(fixed(&ALWAYS)).map(|n| n.masked()).collect() }
    }

    /// Whether an address is inside. The unspecified address and groups are not.
    #[inline]
    pub fn is_home(&self, ip: Addr) -> bool {
        let bits = u128::from_be_bytes(ip.0);
        self.networks.iter().any(|(base, mask)| bits & mask == *base) && !ip.is_unspecified() && !ip.is_multicast()
    }

    /// Way of a flow, as `flows.direction` spells it: `multicast` where either end is a group,
    /// else `internal`, `egress` (inside to outside), `ingress` or `transit` (outside to outside).
    ///
    /// A host without an address yet (`0.0.0.0`, `::`) speaks on its own link: it is inside.
    #[inline]
    pub fn direction(&self, orig: Addr, resp: Addr) -> &'static str {
        if resp.is_multicast() || orig.is_multicast() {
            return "multicast";
        }
        let inside = |ip: Addr| self.is_home(ip) || ip.is_unspecified();
        match (inside(orig), inside(resp)) {
            (true, true) => "internal",
            (true, false) => "egress",
            (false, true) => "ingress",
            (false, false) => "transit",
        }
    }

    /// Where an address is, as `findings.peer_scope` spells it: `internal external multicast`.
    pub fn scope(&self, ip: Addr) -> &'static str {
        if ip.is_multicast() {
            "multicast"
        } else if self.is_home(ip) || ip.is_unspecified() {
            "internal"
        } else {
            "external"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> Addr {
        s.parse().unwrap()
    }

    #[test]
    fn private_unique_local_and_link_local_are_inside_by_default() {
        let home = HomeNet::default();
        let inside =
            "10.0.0.1 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 169.254.9.9 127.0.0.1 fd00::1 fe80::1 ::1";
        for a in inside.split(' ') {
            assert!(home.is_home(ip(a)), "{a}");
        }
        let outside = "9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 192.169.0.1 8.8.8.8 2001:db8::1 fec0::1 \
                       0.0.0.0 :: 255.255.255.255 224.0.0.251 ff02::1";
        for a in outside.split(' ').filter(|a| !a.is_empty()) {
            assert!(!home.is_home(ip(a)), "{a}");
        }
    }

    #[test]
    fn a_users_networks_take_the_place_of_the_private_ones() {
        let home = HomeNet::new(&["203.0.113.0/24".parse().unwrap()]);
        assert!(home.is_home(ip("203.0.113.9")));
        assert!(!home.is_home(ip("10.0.0.1")));
        assert!(home.is_home(ip("fe80::1")));
    }

    #[test]
    fn names_the_way_of_a_flow() {
        let home = HomeNet::default();
        for (orig, resp, way) in [
            ("10.0.0.1", "10.0.0.2", "internal"),
            ("10.0.0.1", "8.8.8.8", "egress"),
            ("8.8.8.8", "10.0.0.1", "ingress"),
            ("8.8.8.8", "9.9.9.9", "transit"),
            ("10.0.0.1", "239.255.255.250", "multicast"),
            ("0.0.0.0", "255.255.255.255", "multicast"),
            ("0.0.0.0", "10.0.0.1", "internal"),
            ("fe80::1", "ff02::fb", "multicast"),
        ] {
            assert_eq!(home.direction(ip(orig), ip(resp)), way, "{orig} {resp}");
        }
    }
}

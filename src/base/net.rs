//! Link and network addresses in the fixed-size form that flow keys and rows hold.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A 48-bit link-layer address (EUI-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All zeros: no address was there.
    pub const ZERO: Self = Self([0; 6]);
    /// The broadcast address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether no address was there.
    pub const fn is_zero(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// Whether the group bit is set: multicast or broadcast, never one device.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether the address was made up locally (random, virtual) and says nothing about a vendor.
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 != 0
    }

    /// The address as a number, for prefix look-ups.
    pub const fn to_u64(self) -> u64 {
        let m = self.0;
        u64::from_be_bytes([0, 0, m[0], m[1], m[2], m[3], m[4], m[5]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.0;
        write!(f, "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4], m[5])
    }
}

impl FromStr for Mac {
    type Err = String;

    /// Six bytes in hex, separated by `:` or `-`.
    fn from_str(s: &str) -> Result<Self, String> {
        let bad = || format!("{s:?} is not a MAC address (six bytes in hex, as in 00:1b:a9:01:02:03)");
        let mut out = [0; 6];
        let mut parts = s.split([':', '-']);
        for byte in &mut out {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self(out)) }
    }
}

/// An IPv4 or IPv6 address in 16 bytes; IPv4 is held in its IPv6-mapped form.
///
/// A real IPv6 packet with a mapped address is told from an IPv4 one by the packet's IP version,
/// which the flow keeps; the text form is that of IPv4 in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(pub [u8; 16]);

impl Addr {
    /// The all-zero IPv6 address, also used where there is none.
    pub const UNSPECIFIED: Self = Self([0; 16]);

    /// From the four bytes of an IPv4 address.
    #[inline]
    pub const fn v4(b: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, b[0], b[1], b[2], b[3]])
    }

    /// The four bytes where this is an IPv4 address.
    #[inline]
    pub const fn as_v4(self) -> Option<[u8; 4]> {
        match self.0 {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some([a, b, c, d]),
            _ => None,
        }
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub const fn is_v4(self) -> bool {
        self.as_v4().is_some()
    }

    /// The standard library's form of it.
    pub const fn to_ip(self) -> IpAddr {
        match self.as_v4() {
            Some([a, b, c, d]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            None => IpAddr::V6(Ipv6Addr::from_octets(self.0)),
        }
    }

    /// Whether the address is `0.0.0.0` or `::`.
    pub const fn is_unspecified(self) -> bool {
        self.to_ip().is_unspecified()
    }

    /// Whether the address is a multicast group or the IPv4 limited broadcast address.
    #[inline]
    pub const fn is_multicast(self) -> bool {
        match self.as_v4() {
            Some(b) => b[0] & 0xf0 == 0xe0 || matches!(b, [255, 255, 255, 255]),
            None => self.0[0] == 0xff,
        }
    }

    /// Whether the address is `127.0.0.0/8` or `::1`.
    pub const fn is_loopback(self) -> bool {
        self.to_ip().is_loopback()
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

impl fmt::Display for Addr {
    /// Canonical text (RFC 5952 for IPv6).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ip().fmt(f)
    }
}

impl FromStr for Addr {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        s.parse::<IpAddr>().map(Self::from).map_err(|_| format!("{s:?} is not an IP address"))
    }
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Endpoint {
    /// The address.
    pub ip: Addr,
    /// The port; for ICMP its type or code.
    pub port: u16,
}

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    base: Addr,
    /// Bits that count, of the 128 of the mapped form.
    bits: u8,
}

impl Network {
    /// Whether the address lies in this network.
    #[inline]
    pub fn contains(&self, ip: Addr) -> bool {
        let (base, mask) = self.masked();
        u128::from_be_bytes(ip.0) & mask == base
    }

    /// The bits that count, and which they are: an address lies in the network where it has these there.
    pub fn masked(&self) -> (u128, u128) {
        let mask = if self.bits == 0 { 0 } else { u128::MAX << (128 - u32::from(self.bits)) };
        (u128::from_be_bytes(self.base.0) & mask, mask)
    }

    /// From an address and a prefix length in the address's own bits (32 or 128).
    pub fn new(ip: IpAddr, prefix: u8) -> Option<Self> {
        let (max, offset) = if ip.is_ipv4() { (32, 96) } else { (128, 0) };
        (prefix <= max).then(|| Self { base: ip.into(), bits: prefix + offset })
    }
}

impl FromStr for Network {
    type Err = String;

    /// `ADDRESS/PREFIX`, or a lone address for a network of one.
    fn from_str(s: &str) -> Result<Self, String> {
        let bad = || format!("{s:?} is not a network (as in 10.0.0.0/8 or fd00::/8)");
        let (ip, prefix) = match s.split_once('/') {
            Some((ip, p)) => (ip.parse::<IpAddr>().map_err(|_| bad())?, Some(p.parse::<u8>().map_err(|_| bad())?)),
            None => (s.parse::<IpAddr>().map_err(|_| bad())?, None),
        };
        let full = if ip.is_ipv4() { 32 } else { 128 };
        Self::new(ip, prefix.unwrap_or(full)).ok_or_else(bad)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.base.is_v4() && self.bits >= 96 { self.bits - 96 } else { self.bits };
        write!(f, "{}/{bits}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_in_canonical_form() {
        assert_eq!(Addr::v4([192, 0, 2, 1]).to_string(), "192.0.2.1");
        assert_eq!("2001:DB8:0:0:0:0:0:1".parse::<Addr>().unwrap().to_string(), "2001:db8::1");
        assert_eq!(Mac([0, 0x1b, 0xa9, 1, 2, 3]).to_string(), "00:1b:a9:01:02:03");
        assert_eq!("00-1B-A9-01-02-03".parse::<Mac>().unwrap(), Mac([0, 0x1b, 0xa9, 1, 2, 3]));
        assert!("00:1b:a9".parse::<Mac>().is_err());
    }

    #[test]
    fn a_network_holds_its_own_and_no_others() {
        let n: Network = "10.1.0.0/16".parse().unwrap();
        assert!(n.contains(Addr::v4([10, 1, 255, 1])));
        assert!(!n.contains(Addr::v4([10, 2, 0, 1])));
        assert!(!n.contains("::1".parse().unwrap()));
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains(Addr::v4([1, 2, 3, 4])));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert_eq!(n.to_string(), "10.1.0.0/16");
    }
}

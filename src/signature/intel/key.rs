//! One entry of a list in the form that it is compared in.

use std::net::IpAddr;

use crate::base::Addr;
use crate::base::net::Network;

/// What an entry is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An address.
    Address,
    /// A network.
    Network,
    /// An address together with the port of the service there.
    Endpoint,
    /// A domain, with all names below it.
    Domain,
    /// JA3 of a TLS client.
    Ja3,
    /// JA4 of a TLS client.
    Ja4,
    /// HASSH of an SSH client or server.
    Hassh,
    /// 32 hex digits of which the list does not say whether they are JA3 or HASSH: either.
    Md5,
    /// SHA-1 of a certificate.
    Sha1,
    /// SHA-256 of a certificate.
    Sha256,
}

impl Kind {
    /// All of them, as reports list them.
    pub const ALL: [Self; 10] = [
        Self::Address,
        Self::Network,
        Self::Endpoint,
        Self::Domain,
        Self::Ja3,
        Self::Ja4,
        Self::Hassh,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name as `run.json` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Endpoint => "address-port",
            Self::Domain => "domain",
            Self::Ja3 => "ja3",
            Self::Ja4 => "ja4",
            Self::Hassh => "hassh",
            Self::Md5 => "ja3-or-hassh",
            Self::Sha1 => "certificate-sha1",
            Self::Sha256 => "certificate-sha256",
        }
    }

    /// What keeps keys of different kinds apart. An address is a network of one.
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::Address => Self::Network as u8,
            other => other as u8,
        }
    }
}

/// Bytes of the longest key: a domain (RFC 1035, section 2.3.4, in text form).
const BYTES: usize = 253;
/// Labels that a domain has at most with so many bytes.
pub(super) const LABELS_MAX: usize = 127;
/// Narrowest prefixes that are believed: a shorter one would be most of the network.
const PREFIX_MIN: (u8, u8) = (8, 16);

/// An entry in the form that it is compared in.
#[derive(Clone, Copy)]
pub struct Key {
    /// What it is compared with.
    pub kind: Kind,
    len: u8,
    bytes: [u8; BYTES],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({})", self.kind, self.bytes().escape_ascii())
    }
}

impl Key {
    /// What is compared.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// From bytes; those beyond the longest key are left out, which callers exclude.
    pub(super) fn new(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut bytes = [0; BYTES];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
            len += 1;
        }
        Self { kind, len, bytes }
    }

    /// A network of so many of the 128 bits of the mapped form.
    pub(super) fn network(ip: Addr, bits: u8) -> Self {
        let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
        let base = (u128::from_be_bytes(ip.0) & mask).to_be_bytes();
        Self::new(if bits == 128 { Kind::Address } else { Kind::Network }, &[&base, &[bits]])
    }

    /// An address and a port.
    pub(super) fn endpoint(ip: Addr, port: u16) -> Self {
        Self::new(Kind::Endpoint, &[&ip.0, &port.to_be_bytes()])
    }

    /// Bits of a network, of the 128 of the mapped form, and whether it is one of IPv4.
    pub(super) fn prefix(&self) -> Option<(u8, bool)> {
        let (base, [bits]) = self.bytes().split_first_chunk::<16>()? else { return None };
        matches!(self.kind, Kind::Address | Kind::Network).then_some((*bits, Addr(*base).is_v4()))
    }

    /// Labels of a domain.
    pub(super) fn labels(&self) -> usize {
        self.bytes().split(|b| *b == b'.').count()
    }

    /// An indicator as lists write it; what it is follows from its form. `md5` says what 32 hex digits
    /// are.
    ///
    /// # Errors
    /// Why it is none that can be compared with anything.
    pub fn parse(text: &str, md5: Kind) -> Result<Self, &'static str> {
        let text = text.trim();
        if let Some(hash) = fingerprint(text, md5) {
            return Ok(hash);
        }
        if text.contains("://") {
            return Err("a URL; addresses, networks, domains and fingerprints are matched");
        }
        let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '[') || text.contains(':');
        if numeric && let Some(found) = address(text) {
            return found;
        }
        Self::nearly(text).map_or_else(|| domain(text), Err)
    }

    /// Why a text is none that was meant to be an address or a hash, as far as its form shows it.
    pub(super) fn nearly(text: &str) -> Option<&'static str> {
        const HEX_LEAST: usize = 24;
        if let Some(found) = address(text) {
            return found.err();
        }
        let dots = text.bytes().filter(|b| *b == b'.').count();
        if dots == 3 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'/')) {
            return Some("not an address or network");
        }
        let hash = text.len() >= HEX_LEAST && text.bytes().all(|b| b.is_ascii_hexdigit());
        (hash && fingerprint(text, Kind::Md5).is_none()).then_some("not 32, 40 or 64 hex digits")
    }

    /// Likewise where it is known to be an address or a network, with or without a port.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse_address(text: &str) -> Result<Self, &'static str> {
        address(text.trim()).unwrap_or(Err("not an address or network"))
    }

    /// Likewise for a domain.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse_domain(text: &str) -> Result<Self, &'static str> {
        domain(text.trim())
    }

    /// Likewise for a fingerprint of a kind.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse_fingerprint(kind: Kind, text: &str) -> Result<Self, &'static str> {
        fingerprint(text.trim(), kind).filter(|key| key.kind == kind).ok_or(match kind {
            Kind::Ja4 => "not a JA4",
            Kind::Sha1 => "not 40 hex digits",
            Kind::Sha256 => "not 64 hex digits",
            _ => "not 32 hex digits",
        })
    }
}

/// An address, a network, or an address and a port; `None` where it is nothing of the sort.
fn address(text: &str) -> Option<Result<Key, &'static str>> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Ok(Key::network(ip.into(), 128)));
    }
    if let Some((ip, prefix)) = text.split_once('/') {
        let (ip, prefix) = (ip.parse::<IpAddr>().ok()?, prefix.parse::<u8>());
        let (least, offset) = if ip.is_ipv4() { (PREFIX_MIN.0, 96) } else { (PREFIX_MIN.1, 0) };
        return Some(match prefix {
            Ok(prefix) if Network::new(ip, prefix).is_some() => match prefix >= least {
                true => Ok(Key::network(ip.into(), prefix + offset)),
                false => Err("the network is too wide to mean anything"),
            },
            _ => Err("not a prefix length of this address"),
        });
    }
    let (ip, port) = text.rsplit_once(':')?;
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip).parse::<IpAddr>().ok()?;
    let port = port.parse::<u16>().ok().filter(|p| *p > 0);
    Some(port.map(|port| Key::endpoint(ip.into(), port)).ok_or("not a port"))
}

/// A domain: labels of letters, digits, `-` and `_`, at least two of them.
fn domain(text: &str) -> Result<Key, &'static str> {
    const BAD: &str = "not an address, network, domain or fingerprint";
    let text = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    if !text.is_ascii() {
        return Err("a name beyond ASCII; write it in its xn-- form");
    }
    if text.len() > BYTES {
        return Err(BAD);
    }
    let mut labels = 0;
    let mut last = "";
    for label in text.split('.') {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if label.is_empty() || label.len() > 63 || !letters {
            return Err(BAD);
        }
        labels += 1;
        last = label;
    }
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BAD);
    }
    if labels < 2 {
        return Err("a name of one label would be all names below it");
    }
    let mut key = Key::new(Kind::Domain, &[text.as_bytes()]);
    key.bytes.make_ascii_lowercase();
    Ok(key)
}

/// A hash in hex, with or without colons between its bytes, or a JA4.
fn fingerprint(text: &str, md5: Kind) -> Option<Key> {
    let bytes = text.as_bytes();
    let digits = match bytes.len() {
        32 | 40 | 64 if bytes.iter().all(u8::is_ascii_hexdigit) => bytes.len(),
        // Two digits and a colon for each byte but the last.
        59 | 95 if bytes.chunks(3).all(is_hex_byte) => (bytes.len() + 1) / 3 * 2,
        36 if is_ja4(bytes) => 36,
        _ => return None,
    };
    let kind = match digits {
        32 => Some(md5).filter(|kind| matches!(kind, Kind::Ja3 | Kind::Hassh)).unwrap_or(Kind::Md5),
        36 => Kind::Ja4,
        40 => Kind::Sha1,
        _ => Kind::Sha256,
    };
    let mut key = Key::new(kind, &[]);
    let wanted = bytes.iter().filter(|b| **b != b':');
    for (to, from) in key.bytes.iter_mut().zip(wanted) {
        *to = from.to_ascii_lowercase();
        key.len += 1;
    }
    Some(key)
}

fn is_hex_byte(bytes: &[u8]) -> bool {
    match bytes {
        [a, b] | [a, b, b':'] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
        _ => false,
    }
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`: ten characters, then two hashes of twelve digits.
fn is_ja4(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|b| *b == b'_');
    let (Some(a), Some(b), Some(c), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let hash = |part: &[u8]| part.len() == 12 && part.iter().all(u8::is_ascii_hexdigit);
    let head = matches!(a, [b't' | b'q' | b'd', _, _, b'd' | b'i', counts @ .., _, _]
        if counts.len() == 4 && counts.iter().all(u8::is_ascii_digit));
    head && hash(b) && hash(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Result<Kind, &'static str> {
        Key::parse(text, Kind::Md5).map(|key| key.kind)
    }

    #[test]
    fn what_an_entry_is_follows_from_its_form() {
        for (text, expected) in [
            ("198.51.100.7", Kind::Address),
            ("2001:db8::7", Kind::Address),
            ("198.51.100.0/24", Kind::Network),
            ("198.51.100.7/32", Kind::Address),
            ("2001:db8::/32", Kind::Network),
            ("198.51.100.7:443", Kind::Endpoint),
            ("[2001:db8::7]:443", Kind::Endpoint),
            ("Bad.Example", Kind::Domain),
            ("*.bad.example.", Kind::Domain),
            ("_dmarc.xn--bcher-kva.example", Kind::Domain),
            ("0149f47eabf9a20d0893e2a44e5a6323", Kind::Md5),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", Kind::Sha1),
            ("DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09", Kind::Sha1),
            ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Kind::Sha256),
            ("t13d1516h2_8daaf6152771_e5627efa2ab1", Kind::Ja4),
        ] {
            assert_eq!(kind(text), Ok(expected), "{text}");
        }
        for (text, says) in [
            ("", "not an address"),
            ("example", "one label"),
            ("com.", "one label"),
            ("0.0.0.0/0", "too wide"),
            ("10.0.0.0/7", "too wide"),
            ("2000::/3", "too wide"),
            ("198.51.100.0/33", "prefix length"),
            ("198.51.100.7:99999", "not a port"),
            ("198.51.100.256", "not an address"),
            ("http://bad.example/x", "URL"),
            ("b\u{fc}cher.example", "xn--"),
            ("bad domain.example", "not an address"),
            ("0149f47eabf9a20d0893e2a44e5a632", "hex digits"),
            ("a..example", "not an address"),
        ] {
            assert!(kind(text).unwrap_err().contains(says), "{text}: {:?}", kind(text));
        }
    }

    #[test]
    fn one_thing_has_one_key_however_it_is_written() {
        for (a, b) in [
            ("bad.example", "*.BAD.example."),
            ("198.51.100.9/24", "198.51.100.0/24"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09"),
        ] {
            let key = |text| Key::parse(text, Kind::Md5).unwrap();
            assert_eq!(key(a).bytes(), key(b).bytes(), "{a} and {b}");
        }
        assert_eq!(Key::parse("0149F47EABF9A20D0893E2A44E5A6323", Kind::Ja3).unwrap().kind, Kind::Ja3);
    }
}

//! The wire format of STUN and TURN (RFC 8489, sections 5 and 14; RFC 8656, section 18; RFC 3489, section
//! 11).

use crate::base::{Addr, Endpoint, Reader};

/// The value that tells RFC 5389 and later from RFC 3489.
pub const COOKIE: u32 = 0x2112_a442;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 20;
/// Attributes of one message that are looked at.
const ATTRIBUTES_MAX: usize = 64;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A request.
    Request,
    /// An indication: nobody answers.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Class.
    pub class: Class,
    /// Method.
    pub method: u16,
    /// Whether it has the cookie of RFC 5389.
    pub modern: bool,
    /// Transaction identifier with the cookie's four bytes.
    pub id: [u8; 16],
    /// The whole message.
    pub bytes: &'a [u8],
}

/// What the attributes of a message say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    /// SOFTWARE.
    pub software: &'a [u8],
    /// USERNAME.
    pub username: Option<&'a [u8]>,
    /// REALM.
    pub realm: Option<&'a [u8]>,
    /// NONCE is there.
    pub nonce: bool,
    /// Code and text of ERROR-CODE.
    pub error: Option<(u16, &'a [u8])>,
    /// XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS.
    pub mapped: Option<Endpoint>,
    /// XOR-RELAYED-ADDRESS.
    pub relayed: Option<Endpoint>,
    /// XOR-PEER-ADDRESS.
    pub peer: Option<Endpoint>,
    /// Where MESSAGE-INTEGRITY (or that of SHA-256) stands, its value, and whether it is SHA-256.
    pub integrity: Option<(usize, &'a [u8], bool)>,
    /// An attribute that only ICE uses (PRIORITY, USE-CANDIDATE, ICE-CONTROLLED, ICE-CONTROLLING).
    pub ice: bool,
}

impl<'a> Message<'a> {
    /// The length that a header says the whole message has; `None` where these bytes cannot begin one.
    /// Without the cookie only the messages of RFC 3489 are taken.
    pub fn length(bytes: &[u8]) -> Option<usize> {
        let mut r = Reader::new(bytes);
        let kind = r.be16("type").ok()?;
        let length = r.be16("length").ok()?;
        if kind & 0xc000 != 0 || length % 4 != 0 || kind & 0x3eef > 0x0fff {
            return None;
        }
        let modern = r.be32("cookie").is_ok_and(|c| c == COOKIE);
        // Binding and shared secret.
        let classic = matches!(kind, 1 | 2 | 0x101 | 0x102 | 0x111 | 0x112) && length <= 1024;
        (modern || classic).then_some(HEADER_BYTES + usize::from(length))
    }

    /// Reads a whole message.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let length = Self::length(bytes)?;
        let bytes = bytes.get(..length)?;
        let mut r = Reader::new(bytes);
        let kind = r.be16("type").ok()?;
        r.skip("length", 2).ok()?;
        let id: [u8; 16] = r.array("transaction").ok()?;
        let modern = id.first_chunk().map(|c| u32::from_be_bytes(*c)) == Some(COOKIE);
        // RFC 8489, section 5, figure 3: two bits of class lie between those of the method.
        let class = match kind & 0x0110 {
            0 => Class::Request,
            0x10 => Class::Indication,
            0x100 => Class::Success,
            _ => Class::Error,
        };
        let method = kind & 0xf | (kind & 0xe0) >> 1 | (kind & 0x3e00) >> 2;
        Some(Self { class, method, modern, id, bytes })
    }

    /// The attributes; `None` where they do not fit into the message.
    pub fn attributes(&self) -> Option<Attributes<'a>> {
        let mut out = Attributes::default();
        let mut r = Reader::new(self.bytes);
        r.skip("header", HEADER_BYTES).ok()?;
        for _ in 0..ATTRIBUTES_MAX {
            if r.is_empty() {
                break;
            }
            let at = r.position();
            let kind = r.be16("attribute").ok()?;
            let length = usize::from(r.be16("attribute length").ok()?);
            let value = r.take("attribute", length).ok()?;
            let padding = length.next_multiple_of(4) - length;
            // RFC 3489 knew no padding.
            r.skip("padding", padding.min(r.remaining())).ok()?;
            // What stands behind the integrity is not to be believed (RFC 8489, section 14.5).
            match kind {
                0x0001 => out.mapped = out.mapped.or_else(|| address(value, None)),
                0x0006 => out.username = Some(value),
                0x0008 if length == 20 => out.integrity = Some((at, value, false)),
                0x001c if out.integrity.is_none() && (16..=32).contains(&length) => {
                    out.integrity = Some((at, value, true));
                }
                0x0009 => {
                    if let [_, _, class, number, text @ ..] = value {
                        out.error = Some((u16::from(class & 7) * 100 + u16::from(*number), text));
                    }
                }
                0x0012 => out.peer = address(value, Some(&self.id)),
                0x0014 => out.realm = Some(value),
                0x0015 => out.nonce = true,
                0x0016 => out.relayed = address(value, Some(&self.id)),
                0x0020 | 0x8020 => out.mapped = address(value, Some(&self.id)),
                0x8022 => out.software = value,
                0x0024 | 0x0025 | 0x8029 | 0x802a => out.ice = true,
                _ => {}
            }
        }
        Some(out)
    }

    /// The name of the method.
    pub const fn method_name(&self) -> &'static str {
        match self.method {
            1 => "binding",
            2 => "shared-secret",
            3 => "allocate",
            4 => "refresh",
            6 => "send",
            7 => "data",
            8 => "create-permission",
            9 => "channel-bind",
            10 => "connect",
            11 => "connection-bind",
            12 => "connection-attempt",
            _ => "other",
        }
    }
}

/// An address attribute, whose bits are turned over by the transaction's first bytes where they are given
/// (RFC 8489, sections 14.1 and 14.2).
fn address(value: &[u8], turned: Option<&[u8; 16]>) -> Option<Endpoint> {
    const IPV4: u8 = 1;
    const IPV6: u8 = 2;
    let mut r = Reader::new(value);
    r.skip("reserved", 1).ok()?;
    let family = r.u8("family").ok()?;
    let mask = turned.copied().unwrap_or_default();
    let port = r.be16("port").ok()? ^ mask.first_chunk().map_or(0, |c| u16::from_be_bytes(*c));
    let ip = match family {
        IPV4 => {
            let mut ip: [u8; 4] = r.array("address").ok()?;
            ip.iter_mut().zip(mask).for_each(|(b, m)| *b ^= m);
            Addr::v4(ip)
        }
        IPV6 => {
            let mut ip: [u8; 16] = r.array("address").ok()?;
            ip.iter_mut().zip(mask).for_each(|(b, m)| *b ^= m);
            Addr(ip)
        }
        _ => return None,
    };
    Some(Endpoint { ip, port })
}

/// For tests: the request and the IPv4 response of RFC 5769, sections 2.1 and 2.2.
#[cfg(test)]
pub mod vectors {
    /// Section 2.1.
    pub const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
        \x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    /// Section 2.2.
    pub const RESPONSE: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x0btest vector\x20\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
        \x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
        \x80\x28\x00\x04\xc0\x7d\x4c\x96";
    /// Section 2.4: a request with long-term authentication.
    pub const LONG_TERM: &[u8] = b"\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e\
        \x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00\
        \x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA\x00\x14\x00\x0bexample.org\x00\
        \x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";
}

#[cfg(test)]
mod tests {
    use super::vectors::*;
    use super::*;

    #[test]
    fn the_vectors_of_the_standard() {
        let request = Message::read(REQUEST).unwrap();
        assert_eq!((request.class, request.method_name(), request.modern), (Class::Request, "binding", true));
        let said = request.attributes().unwrap();
        assert_eq!((said.software, said.username), (&b"STUN test client"[..], Some(&b"evtj:h6vY"[..])));
        assert!(said.ice && said.integrity.is_some() && said.realm.is_none());
        let response = Message::read(RESPONSE).unwrap();
        assert_eq!(response.class, Class::Success);
        let mapped = response.attributes().unwrap().mapped.unwrap();
        assert_eq!((mapped.ip.to_string(), mapped.port), ("192.0.2.1".to_owned(), 32_853));
        let said = Message::read(LONG_TERM).unwrap().attributes().unwrap();
        assert_eq!((said.realm, said.nonce, said.ice), (Some(&b"example.org"[..]), true, false));
        assert_eq!(said.username, Some("マトリックス".as_bytes()));
    }

    #[test]
    fn classes_and_methods_lie_between_each_other() {
        for (kind, class, method) in [
            (0x0113_u16, Class::Error, "allocate"),
            (0x0016, Class::Indication, "send"),
            (0x0109, Class::Success, "channel-bind"),
            (0x0008, Class::Request, "create-permission"),
        ] {
            let mut bytes = kind.to_be_bytes().to_vec();
            bytes.extend(b"\0\0\x21\x12\xa4\x42123456789012");
            let message = Message::read(&bytes).unwrap();
            assert_eq!((message.class, message.method_name()), (class, method));
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        for cut in 0..REQUEST.len() {
            assert!(Message::read(&REQUEST[..cut]).is_none());
        }
        let mut bytes = REQUEST.to_vec();
        bytes[23] = 0xff;
        assert!(Message::read(&bytes).unwrap().attributes().is_none(), "an attribute longer than the message");
        assert_eq!(Message::length(b"\0\x01\0\x03\x21\x12\xa4\x42"), None);
        assert_eq!(Message::length(b"\x40\x01\0\0\x21\x12\xa4\x42"), None);
        assert_eq!(Message::length(b"\0\x03\0\0abcd"), None, "TURN came after the cookie");
        assert_eq!(Message::length(b"\0\x01\0\x08abcd"), Some(28));
    }
}

//! RADIUS messages on the wire (RFC 2865, section 3 and 5; RFC 2866; RFC 2548; RFC 3579; RFC 5176).

use crate::base::bytes::Reader;
use crate::base::limits;

/// Attributes that are read (RFC 2865, section 5, unless said otherwise).
#[allow(missing_docs)] // the standard's names
pub mod attribute {
    pub const USER_NAME: u8 = 1;
    pub const USER_PASSWORD: u8 = 2;
    pub const CHAP_PASSWORD: u8 = 3;
    pub const NAS_IP_ADDRESS: u8 = 4;
    pub const SERVICE_TYPE: u8 = 6;
    pub const FRAMED_IP_ADDRESS: u8 = 8;
    pub const REPLY_MESSAGE: u8 = 18;
    pub const VENDOR_SPECIFIC: u8 = 26;
    pub const CALLED_STATION_ID: u8 = 30;
    pub const CALLING_STATION_ID: u8 = 31;
    pub const NAS_IDENTIFIER: u8 = 32;
    /// RFC 2866, section 5.1.
    pub const ACCT_STATUS_TYPE: u8 = 40;
    pub const CHAP_CHALLENGE: u8 = 60;
    pub const NAS_PORT_TYPE: u8 = 61;
    /// RFC 3579, section 3.1.
    pub const EAP_MESSAGE: u8 = 79;
    /// RFC 3579, section 3.2.
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
    /// RFC 3162, section 2.1.
    pub const NAS_IPV6_ADDRESS: u8 = 95;
}

/// Microsoft's enterprise number, and its attributes for MS-CHAP (RFC 2548, section 2).
const MICROSOFT: u32 = 311;
const MS_CHAP_RESPONSE: u8 = 1;
const MS_CHAP_CHALLENGE: u8 = 11;
const MS_CHAP2_RESPONSE: u8 = 25;

/// Codes of messages (IANA, RADIUS Packet Type Codes).
pub const fn code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "access-request",
        2 => "access-accept",
        3 => "access-reject",
        4 => "accounting-request",
        5 => "accounting-response",
        11 => "access-challenge",
        12 => "status-server",
        13 => "status-client",
        40 => "disconnect-request",
        41 => "disconnect-ack",
        42 => "disconnect-nak",
        43 => "coa-request",
        44 => "coa-ack",
        45 => "coa-nak",
        _ => return None,
    })
}

/// Whether a code asks for an answer.
pub const fn is_request(code: u8) -> bool {
    matches!(code, 1 | 4 | 12 | 13 | 40 | 43)
}

/// A message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Code.
    pub code: u8,
    /// Identifier that ties an answer to its request.
    pub id: u8,
    /// Authenticator: of an Access-Request, random.
    pub authenticator: &'a [u8],
    attributes: &'a [u8],
}

/// An answer to a challenge of MS-CHAP.
#[derive(Clone, Copy)]
pub enum MsChap<'a> {
    /// Version 1: LM and NT answers (RFC 2548, section 2.1.3).
    V1 {
        /// 24 bytes.
        lm: &'a [u8],
        /// 24 bytes.
        nt: &'a [u8],
    },
    /// Version 2 (RFC 2548, section 2.3.2).
    V2 {
        /// Challenge of the client, 16 bytes.
        peer_challenge: &'a [u8],
        /// The answer, 24 bytes.
        response: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// Reads a message; `None` where a length does not fit. Bytes behind it are padding.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let code = r.u8("code").ok()?;
        code_name(code)?;
        let id = r.u8("identifier").ok()?;
        let len = usize::from(r.be16("length").ok()?);
        if !(20..=limits::RADIUS_MESSAGE_BYTES_MAX).contains(&len) {
            return None;
        }
        let authenticator = r.take("authenticator", 16).ok()?;
        let attributes = r.take("attributes", len - 20).ok()?;
        let message = Self { code, id, authenticator, attributes };
        // Every length must lead to the end exactly.
        let walked: usize = message.attributes().map(|(_, value)| value.len() + 2).sum();
        (walked == attributes.len()).then_some(message)
    }

    /// The attributes: type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut r = Reader::new(self.attributes);
        std::iter::from_fn(move || {
            let kind = r.u8("type").ok()?;
            let len = usize::from(r.u8("length").ok()?).checked_sub(2)?;
            Some((kind, r.take("value", len).ok()?))
        })
    }

    /// The first attribute of a type.
    pub fn get(&self, wanted: u8) -> Option<&'a [u8]> {
        self.attributes().find(|(kind, _)| *kind == wanted).map(|a| a.1)
    }

    /// Whether it has no attributes at all.
    pub const fn is_bare(&self) -> bool {
        self.attributes.is_empty()
    }

    fn microsoft(&self, wanted: u8) -> Option<&'a [u8]> {
        self.attributes().filter(|(kind, _)| *kind == attribute::VENDOR_SPECIFIC).find_map(|(_, value)| {
            let mut r = Reader::new(value);
            if r.be32("vendor").ok()? != MICROSOFT {
                return None;
            }
            while let Ok(kind) = r.u8("type") {
                let len = usize::from(r.u8("length").ok()?).checked_sub(2)?;
                let value = r.take("value", len).ok()?;
                if kind == wanted {
                    return Some(value);
                }
            }
            None
        })
    }

    /// The challenge of MS-CHAP: 8 bytes in version 1, 16 in version 2.
    pub fn ms_chap_challenge(&self) -> Option<&'a [u8]> {
        self.microsoft(MS_CHAP_CHALLENGE)
    }

    /// The answer of MS-CHAP.
    pub fn ms_chap(&self) -> Option<MsChap<'a>> {
        if let Some(value) = self.microsoft(MS_CHAP2_RESPONSE) {
            // ident, flags, peer challenge, reserved, response
            return Some(MsChap::V2 { peer_challenge: value.get(2..18)?, response: value.get(26..50)? });
        }
        let value = self.microsoft(MS_CHAP_RESPONSE)?;
        Some(MsChap::V1 { lm: value.get(2..26)?, nt: value.get(26..50)? })
    }

    /// The EAP packet in the message, its pieces joined (RFC 3579, section 3.1).
    pub fn eap(&self) -> Option<Eap> {
        let mut joined = Vec::new();
        for (_, piece) in self.attributes().filter(|(kind, _)| *kind == attribute::EAP_MESSAGE) {
            joined.extend_from_slice(piece);
        }
        let mut r = Reader::new(&joined);
        let (code, id, _len) = (r.u8("code").ok()?, r.u8("id").ok()?, r.be16("length").ok()?);
        let kind = r.u8("type").unwrap_or(0);
        Some(Eap { code, id, kind, value: r.rest().to_vec() })
    }
}

/// An EAP packet (RFC 3748, section 4).
#[derive(Debug, Clone)]
pub struct Eap {
    /// 1 request, 2 response, 3 success, 4 failure.
    pub code: u8,
    /// Identifier.
    pub id: u8,
    /// Type of method; 0 where there is none.
    pub kind: u8,
    /// What belongs to the type.
    pub value: Vec<u8>,
}

impl Eap {
    /// A response.
    pub const RESPONSE: u8 = 2;
    /// A request.
    pub const REQUEST: u8 = 1;
    /// Type of the identity.
    pub const IDENTITY: u8 = 1;
    /// Type of the MD5 challenge (RFC 3748, section 5.4).
    pub const MD5: u8 = 4;

    /// The name of the method (IANA, EAP Method Types).
    pub const fn name(&self) -> Option<&'static str> {
        Some(match self.kind {
            1 => "identity",
            2 => "notification",
            3 => "nak",
            4 => "md5",
            5 => "otp",
            6 => "gtc",
            13 => "tls",
            17 => "leap",
            18 => "sim",
            21 => "ttls",
            23 => "aka",
            25 => "peap",
            26 => "mschapv2",
            43 => "fast",
            47 => "psk",
            50 => "aka'",
            52 => "pwd",
            55 => "teap",
            _ => return None,
        })
    }

    /// The challenge, or the answer to it, in an MD5 packet: a length of one byte before it.
    pub fn md5_value(&self) -> Option<&[u8]> {
        let (len, rest) = self.value.split_first()?;
        rest.get(..usize::from(*len)).filter(|v| self.kind == Self::MD5 && !v.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: &[u8]) -> Vec<u8> {
        let len = 20 + attributes.len() as u8;
        [&[1, 7, 0, len][..], &[9; 16], attributes].concat()
    }

    #[test]
    fn attributes_fill_the_message_exactly() {
        let bytes = message(&[1, 5, b'b', b'o', b'b', 4, 6, 192, 0, 2, 1]);
        let parsed = Message::parse(&bytes).unwrap();
        assert_eq!(parsed.get(attribute::USER_NAME), Some(&b"bob"[..]));
        assert_eq!(parsed.get(attribute::NAS_IP_ADDRESS), Some(&[192, 0, 2, 1][..]));
        assert_eq!(parsed.get(attribute::EAP_MESSAGE), None);
        for wrong in [&[1, 1][..], &[1, 0], &[1, 9, 0], &[1]] {
            assert!(Message::parse(&message(wrong)).is_none(), "{wrong:?}");
        }
        assert!(Message::parse(&bytes[..bytes.len() - 1]).is_none());
        let mut unknown = bytes;
        unknown[0] = 99;
        assert!(Message::parse(&unknown).is_none());
    }

    #[test]
    fn answers_of_ms_chap_are_found_behind_other_attributes_of_the_vendor() {
        // RFC 2548, sections 2.1.3 and 2.3.2.
        let v2: Vec<u8> = [&[1, 0][..], &[2; 16], &[0; 8], &[3; 24]].concat();
        let vendor = [&[0, 0, 1, 55, 10, 3, 0, 25, 52][..], &v2].concat();
        let bytes = message(&[&[26, vendor.len() as u8 + 2][..], &vendor].concat());
        let parsed = Message::parse(&bytes).unwrap();
        let Some(MsChap::V2 { peer_challenge, response }) = parsed.ms_chap() else { panic!("no answer") };
        assert_eq!((peer_challenge, response), (&[2; 16][..], &[3; 24][..]));
        // The same numbers of another vendor mean something else.
        let other = [&[0, 0, 0, 9, 25, 52][..], &v2].concat();
        let bytes = message(&[&[26, other.len() as u8 + 2][..], &other].concat());
        assert!(Message::parse(&bytes).unwrap().ms_chap().is_none());
    }

    #[test]
    fn pieces_of_eap_are_joined() {
        let bytes = message(&[79, 6, 2, 5, 0, 9, 79, 7, 4, 3, 0xa, 0xb, 0xc]);
        let eap = Message::parse(&bytes).unwrap().eap().unwrap();
        assert_eq!((eap.code, eap.id, eap.name()), (Eap::RESPONSE, 5, Some("md5")));
        assert_eq!(eap.md5_value(), Some(&[0xa, 0xb, 0xc][..]));
    }
}

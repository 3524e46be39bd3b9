//! Kerberos messages (RFC 4120, section 5), as far as they are not encrypted.

use super::ber::{self, Elements, INTEGER, OCTETS, SEQUENCE, context};
use crate::base::limits;

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for a first ticket.
    AsReq,
    /// Brings it.
    AsRep,
    /// Asks for the ticket of a service.
    TgsReq,
    /// Brings it.
    TgsRep,
    /// Shows a ticket to a service.
    ApReq,
    /// Its answer.
    ApRep,
    /// Signed data.
    Safe,
    /// Encrypted data.
    Priv,
    /// Hands tickets on.
    Cred,
    /// Something went wrong.
    Error,
}

impl Kind {
    /// The message whose APPLICATION tag this identifier octet is (section 5.10).
    pub const fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            0x6a => Self::AsReq,
            0x6b => Self::AsRep,
            0x6c => Self::TgsReq,
            0x6d => Self::TgsRep,
            0x6e => Self::ApReq,
            0x6f => Self::ApRep,
            0x74 => Self::Safe,
            0x75 => Self::Priv,
            0x76 => Self::Cred,
            0x7e => Self::Error,
            _ => return None,
        })
    }

    /// The identifier octet.
    pub const fn tag(self) -> u8 {
        match self {
            Self::AsReq => 0x6a,
            Self::AsRep => 0x6b,
            Self::TgsReq => 0x6c,
            Self::TgsRep => 0x6d,
            Self::ApReq => 0x6e,
            Self::ApRep => 0x6f,
            Self::Safe => 0x74,
            Self::Priv => 0x75,
            Self::Cred => 0x76,
            Self::Error => 0x7e,
        }
    }

    /// The name that RFC 4120 gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsReq => "AS-REQ",
            Self::AsRep => "AS-REP",
            Self::TgsReq => "TGS-REQ",
            Self::TgsRep => "TGS-REP",
            Self::ApReq => "AP-REQ",
            Self::ApRep => "AP-REP",
            Self::Safe => "KRB-SAFE",
            Self::Priv => "KRB-PRIV",
            Self::Cred => "KRB-CRED",
            Self::Error => "KRB-ERROR",
        }
    }

    /// Whether it asks for a ticket.
    pub const fn asks(self) -> bool {
        matches!(self, Self::AsReq | Self::TgsReq)
    }
}

/// Encrypted bytes and how they were encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted<'a> {
    /// Encryption type.
    pub etype: i32,
    /// What was encrypted.
    pub cipher: &'a [u8],
}

/// A message.
#[derive(Debug, Clone, Default)]
pub struct Message<'a> {
    kind: Option<Kind>,
    /// The client, its parts joined by `/`; empty where the message does not say.
    pub client: Vec<u8>,
    /// The service, likewise.
    pub service: Vec<u8>,
    /// The realm: of the client in an AS-REP, else of the service.
    pub realm: &'a [u8],
    /// Encryption types that the client offers, in its order.
    pub etypes: Vec<i32>,
    /// How the ticket is encrypted: the one given in a reply, the one shown in a request.
    pub ticket_etype: Option<i32>,
    /// The encrypted part of the ticket.
    pub ticket: Option<Encrypted<'a>>,
    /// The part of a reply for the client.
    pub reply: Option<Encrypted<'a>>,
    /// The time stamp that proves the knowledge of the password (section 5.2.7.2).
    pub timestamp: Option<Encrypted<'a>>,
    /// Whether a request proves the knowledge of a key by any means.
    pub preauth: bool,
    /// NetBIOS name of the client's machine (address type 20).
    pub host: &'a [u8],
    /// Code of an error.
    pub error: Option<i32>,
    /// Text of an error.
    pub error_text: &'a [u8],
}

/// Types of pre-authentication data (section 7.5.2; RFC 4556, RFC 6113, RFC 8070).
mod padata {
    pub const TGS_REQ: i64 = 1;
    pub const ENC_TIMESTAMP: i64 = 2;
    /// PKINIT, encrypted challenge, SPAKE.
    pub const OTHER_PROOFS: &[i64] = &[14, 16, 138, 151];
}

/// Elements of one list that are looked at.
const LIST_MAX: usize = 32;

impl<'a> Message<'a> {
    /// Reads a message. `None` where it is not one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (tag, body) = Elements::new(bytes).next()?;
        let kind = Kind::of(tag)?;
        let fields = Elements::new(body).enter(SEQUENCE)?;
        let mut m = Message { kind: Some(kind), ..Self::default() };
        match kind {
            Kind::AsReq | Kind::TgsReq => {
                m.padata(fields.find(context(3)));
                m.request(Elements::new(fields.find(context(4))?).enter(SEQUENCE)?);
            }
            Kind::AsRep | Kind::TgsRep => {
                m.realm = text(fields.find(context(3)));
                m.client = principal(fields.find(context(4)));
                m.ticket_of(fields.find(context(5)));
                m.reply = encrypted(fields.find(context(6)));
            }
            Kind::ApReq => m.ticket_of(fields.find(context(3))),
            Kind::Error => {
                m.error = number(fields.find(context(6)));
                m.client = principal(fields.find(context(8)));
                m.realm = text(fields.find(context(9)));
                m.service = principal(fields.find(context(10)));
                m.error_text = text(fields.find(context(11)));
            }
            Kind::ApRep | Kind::Safe | Kind::Priv | Kind::Cred => {}
        }
        Some(m)
    }

    /// Which message it is.
    pub fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Error)
    }

    fn padata(&mut self, list: Option<&'a [u8]>) {
        let Some(list) = list.and_then(|l| Elements::new(l).enter(SEQUENCE)) else { return };
        for (_, item) in list.take(LIST_MAX) {
            let fields = Elements::new(item);
            let kind = fields.find(context(1)).and_then(|t| Elements::new(t).want(INTEGER)).and_then(ber::integer);
            let Some(value) = fields.find(context(2)).and_then(|v| Elements::new(v).want(OCTETS)) else { continue };
            match kind {
                Some(padata::ENC_TIMESTAMP) => {
                    self.timestamp = encrypted(Some(value));
                    self.preauth = true;
                }
                Some(padata::TGS_REQ) => {
                    self.preauth = true;
                    if let Some(shown) = Message::parse(value).filter(|m| m.kind() == Kind::ApReq) {
                        self.ticket_etype = shown.ticket_etype;
                    }
                }
                Some(other) => self.preauth |= padata::OTHER_PROOFS.contains(&other),
                None => {}
            }
        }
    }

    fn request(&mut self, body: Elements<'a>) {
        for (tag, value) in body.take(LIST_MAX) {
            match tag {
                0xa1 => self.client = principal(Some(value)),
                0xa2 => self.realm = text(Some(value)),
                0xa3 => self.service = principal(Some(value)),
                0xa8 => {
                    let list = Elements::new(value).enter(SEQUENCE).into_iter().flatten().take(LIST_MAX);
                    self.etypes = list.filter_map(|(_, n)| i32::try_from(ber::integer(n)?).ok()).collect();
                }
                0xa9 => self.host = netbios_address(value).unwrap_or_default(),
                _ => {}
            }
        }
    }

    fn ticket_of(&mut self, field: Option<&'a [u8]>) {
        const TICKET: u8 = 0x61;
        let fields = field.and_then(|f| Elements::new(f).enter(TICKET)).and_then(|mut t| t.enter(SEQUENCE));
        let Some(fields) = fields else { return };
        if self.realm.is_empty() {
            self.realm = text(fields.find(context(1)));
        }
        self.service = principal(fields.find(context(2)));
        self.ticket = encrypted(fields.find(context(3)));
        self.ticket_etype = self.ticket.map(|t| t.etype);
    }

    /// The service and its realm, as people write it.
    pub fn service_at_realm(&self) -> Vec<u8> {
        [self.service.as_slice(), b"@", self.realm].concat()
    }
}

/// The text of a KerberosString or Realm.
fn text(field: Option<&[u8]>) -> &[u8] {
    let value = field.and_then(|f| Elements::new(f).next()).map(|(_, v)| v).unwrap_or_default();
    value.get(..limits::KERBEROS_NAME_BYTES_MAX).unwrap_or(value)
}

fn number(field: Option<&[u8]>) -> Option<i32> {
    i32::try_from(ber::integer(Elements::new(field?).want(INTEGER)?)?).ok()
}

/// The parts of a PrincipalName (section 5.2.2), joined.
fn principal(field: Option<&[u8]>) -> Vec<u8> {
    let parts = field.and_then(|f| Elements::new(f).enter(SEQUENCE)).and_then(|s| s.find(context(1)));
    let mut out = Vec::new();
    for (_, part) in parts.and_then(|p| Elements::new(p).enter(SEQUENCE)).into_iter().flatten().take(LIST_MAX) {
        if out.len() + part.len() > limits::KERBEROS_NAME_BYTES_MAX {
            break;
        }
        if !out.is_empty() {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    out
}

/// An EncryptedData (section 5.2.9).
fn encrypted(field: Option<&[u8]>) -> Option<Encrypted<'_>> {
    let fields = Elements::new(field?).enter(SEQUENCE)?;
    let etype = number(fields.find(context(0)))?;
    let cipher = Elements::new(fields.find(context(2))?).want(OCTETS)?;
    Some(Encrypted { etype, cipher })
}

/// The NetBIOS name among HostAddresses (section 7.5.3), without its padding.
fn netbios_address(field: &[u8]) -> Option<&[u8]> {
    const NETBIOS: i32 = 20;
    let list = Elements::new(field).enter(SEQUENCE)?;
    let name = list.take(LIST_MAX).find_map(|(_, item)| {
        let fields = Elements::new(item);
        (number(fields.find(context(0))) == Some(NETBIOS)).then(|| fields.find(context(1)))?
    })?;
    let name = Elements::new(name).want(OCTETS)?;
    Some(name.get(..15).unwrap_or(name).trim_ascii_end())
}

/// The name of an encryption type (IANA, Kerberos encryption type numbers).
pub const fn etype_name(etype: i32) -> Option<&'static str> {
    Some(match etype {
        1 => "des-cbc-crc",
        2 => "des-cbc-md4",
        3 => "des-cbc-md5",
        16 => "des3-cbc-sha1",
        17 => "aes128-cts-hmac-sha1-96",
        18 => "aes256-cts-hmac-sha1-96",
        19 => "aes128-cts-hmac-sha256-128",
        20 => "aes256-cts-hmac-sha384-192",
        23 => "rc4-hmac",
        24 => "rc4-hmac-exp",
        25 => "camellia128-cts-cmac",
        26 => "camellia256-cts-cmac",
        _ => return None,
    })
}

/// Whether an encryption type is broken or so weak that passwords fall quickly (RFC 6649, RFC 8429).
pub const fn is_weak(etype: i32) -> bool {
    matches!(etype, 1..=3 | 16 | 23 | 24)
}

/// The name of an error (section 7.5.9), without its prefix.
pub const fn error_name(code: i32) -> Option<&'static str> {
    Some(match code {
        6 => "C_PRINCIPAL_UNKNOWN",
        7 => "S_PRINCIPAL_UNKNOWN",
        12 => "POLICY",
        13 => "BADOPTION",
        14 => "ETYPE_NOSUPP",
        16 => "PADATA_TYPE_NOSUPP",
        18 => "CLIENT_REVOKED",
        23 => "KEY_EXPIRED",
        24 => "PREAUTH_FAILED",
        25 => "PREAUTH_REQUIRED",
        31 => "BAD_INTEGRITY",
        32 => "TKT_EXPIRED",
        34 => "REPEAT",
        36 => "BADMATCH",
        37 => "SKEW",
        41 => "MODIFIED",
        52 => "RESPONSE_TOO_BIG",
        60 => "GENERIC",
        68 => "WRONG_REALM",
        _ => return None,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An element with a short length.
    pub fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        match body.len() {
            n @ ..0x80 => out.push(n as u8),
            n => out.extend([0x82, (n >> 8) as u8, n as u8]),
        }
        out.extend(body);
        out
    }

    pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
        tlv(SEQUENCE, &parts.concat())
    }

    pub fn int(n: u8) -> Vec<u8> {
        vec![INTEGER, 1, n]
    }

    pub fn name(parts: &[&str]) -> Vec<u8> {
        let parts: Vec<_> = parts.iter().map(|p| tlv(0x1b, p.as_bytes())).collect();
        seq(&[tlv(0xa0, &int(1)), tlv(0xa1, &seq(&parts))])
    }

    fn cipher(etype: u8, bytes: &[u8]) -> Vec<u8> {
        seq(&[tlv(0xa0, &int(etype)), tlv(0xa2, &tlv(OCTETS, bytes))])
    }

    fn ticket(etype: u8, service: &[&str]) -> Vec<u8> {
        let fields = [
            tlv(0xa0, &int(5)),
            tlv(0xa1, &tlv(0x1b, b"EX.ORG")),
            tlv(0xa2, &name(service)),
            tlv(0xa3, &cipher(etype, &[9; 24])),
        ];
        tlv(0x61, &seq(&fields))
    }

    pub fn ap_req() -> Vec<u8> {
        let fields = [
            tlv(0xa0, &int(5)),
            tlv(0xa1, &int(14)),
            tlv(0xa2, &[3, 5, 0, 0, 0, 0, 0]),
            tlv(0xa3, &ticket(23, &["cifs", "fs1"])),
            tlv(0xa4, &cipher(23, &[8; 30])),
        ];
        tlv(0x6e, &seq(&fields))
    }

    /// A request for a first ticket, with the encrypted time stamp where a cipher is given.
    pub fn as_req(timestamp: Option<&[u8]>) -> Vec<u8> {
        let body = seq(&[
            tlv(0xa0, &[3, 5, 0, 0x40, 0, 0, 0]),
            tlv(0xa1, &name(&["ana"])),
            tlv(0xa2, &tlv(0x1b, b"EX.ORG")),
            tlv(0xa3, &name(&["krbtgt", "EX.ORG"])),
            tlv(0xa7, &int(7)),
            tlv(0xa8, &seq(&[int(18), int(23)])),
            tlv(0xa9, &seq(&[seq(&[tlv(0xa0, &int(20)), tlv(0xa1, &tlv(OCTETS, b"PC7             "))])])),
        ]);
        let padata = timestamp.map(|t| {
            let item = seq(&[tlv(0xa1, &int(2)), tlv(0xa2, &tlv(OCTETS, &cipher(18, t)))]);
            tlv(0xa3, &seq(&[item]))
        });
        let mut fields = vec![tlv(0xa1, &int(5)), tlv(0xa2, &int(10))];
        fields.extend(padata);
        fields.push(tlv(0xa4, &body));
        tlv(0x6a, &seq(&fields))
    }

    pub fn as_rep(etype: u8) -> Vec<u8> {
        let fields = [
            tlv(0xa0, &int(5)),
            tlv(0xa1, &int(11)),
            tlv(0xa3, &tlv(0x1b, b"EX.ORG")),
            tlv(0xa4, &name(&["ana"])),
            tlv(0xa5, &ticket(18, &["krbtgt", "EX.ORG"])),
            tlv(0xa6, &cipher(etype, &[5; 40])),
        ];
        tlv(0x6b, &seq(&fields))
    }

    pub fn error(code: u8) -> Vec<u8> {
        let fields = [
            tlv(0xa0, &int(5)),
            tlv(0xa1, &int(30)),
            tlv(0xa6, &int(code)),
            tlv(0xa9, &tlv(0x1b, b"EX.ORG")),
            tlv(0xaa, &name(&["krbtgt", "EX.ORG"])),
        ];
        tlv(0x7e, &seq(&fields))
    }

    #[test]
    fn a_request_says_who_and_what() {
        let bytes = as_req(Some(&[1; 56]));
        let m = Message::parse(&bytes).unwrap();
        assert_eq!((m.kind(), m.client.as_slice(), m.realm), (Kind::AsReq, &b"ana"[..], &b"EX.ORG"[..]));
        assert_eq!(
            (m.service.as_slice(), m.host, m.etypes.as_slice()),
            (&b"krbtgt/EX.ORG"[..], &b"PC7"[..], &[18, 23][..])
        );
        assert_eq!(m.timestamp, Some(Encrypted { etype: 18, cipher: &[1; 56] }));
        assert!(m.preauth && !Message::parse(&as_req(None)).unwrap().preauth);
    }

    #[test]
    fn a_reply_has_two_encrypted_parts() {
        let bytes = as_rep(23);
        let m = Message::parse(&bytes).unwrap();
        assert_eq!((m.ticket_etype, m.reply.map(|r| r.etype)), (Some(18), Some(23)));
        let bytes = error(25);
        assert_eq!(Message::parse(&bytes).unwrap().error.and_then(error_name), Some("PREAUTH_REQUIRED"));
    }

    #[test]
    fn cut_messages_do_no_harm() {
        for whole in [as_req(Some(&[1; 56])), as_rep(23), error(25), ap_req()] {
            for cut in 0..whole.len() {
                assert!(Message::parse(&whole[..cut]).is_none());
            }
        }
    }
}

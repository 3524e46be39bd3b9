//! SNMP messages on the wire: versions 1 (RFC 1157), 2c (RFC 1901, RFC 3416) and 3 (RFC 3412, RFC 3414).

use super::ber::{self, OCTETS, OID, SEQUENCE};
use crate::base::bytes::{ReadError, Reader};
use crate::base::{Addr, limits};

/// Version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// SNMPv1.
    V1,
    /// Community-based SNMPv2.
    V2c,
    /// SNMPv3.
    V3,
}

impl Version {
    /// The name as the `version` column spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2c => "2c",
            Self::V3 => "3",
        }
    }
}

/// Kind of protocol data unit (RFC 3416, section 3; RFC 1157, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the standard's names
pub enum PduType {
    Get,
    GetNext,
    Response,
    Set,
    TrapV1,
    GetBulk,
    Inform,
    TrapV2,
    Report,
}

impl PduType {
    const fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            0xa0 => Self::Get,
            0xa1 => Self::GetNext,
            0xa2 => Self::Response,
            0xa3 => Self::Set,
            0xa4 => Self::TrapV1,
            0xa5 => Self::GetBulk,
            0xa6 => Self::Inform,
            0xa7 => Self::TrapV2,
            0xa8 => Self::Report,
            _ => return None,
        })
    }

    /// The name as the `pdu_type` column spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetNext => "get-next",
            Self::Response => "response",
            Self::Set => "set",
            Self::TrapV1 => "trap-v1",
            Self::GetBulk => "get-bulk",
            Self::Inform => "inform",
            Self::TrapV2 => "trap-v2",
            Self::Report => "report",
        }
    }

    /// Whether a manager asks an agent with it.
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Get | Self::GetNext | Self::Set | Self::GetBulk)
    }

    /// Whether its values are what the sender says of itself.
    pub const fn tells_of_sender(self) -> bool {
        matches!(self, Self::Response | Self::TrapV1 | Self::TrapV2 | Self::Inform)
    }
}

/// What of the user-based security model is in a message (RFC 3414, section 2.4).
#[derive(Debug, Clone, Copy, Default)]
pub struct Usm<'a> {
    /// Identifier of the authoritative engine.
    pub engine: &'a [u8],
    /// How often that engine was started.
    pub boots: i64,
    /// User name; empty while an engine is being discovered.
    pub user: &'a [u8],
    /// The digest; empty where the message is not authenticated.
    pub digest: &'a [u8],
    /// Where the digest begins in the message.
    pub digest_at: usize,
}

/// A message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Version.
    pub version: Version,
    /// The community of versions 1 and 2c.
    pub community: &'a [u8],
    /// Identifier of the message, version 3.
    pub msg_id: i64,
    /// Flags of version 3: 1 authenticated, 2 encrypted, 4 reportable.
    pub flags: u8,
    /// Security parameters of version 3.
    pub usm: Usm<'a>,
    /// The PDU; `None` where it is encrypted or cut.
    pub pdu: Option<Pdu<'a>>,
}

impl std::fmt::Debug for Message<'_> {
    /// Without the community.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Message");
        f.field("version", &self.version).field("msg_id", &self.msg_id).field("flags", &self.flags);
        f.field("pdu", &self.pdu).finish_non_exhaustive()
    }
}

/// A protocol data unit.
#[derive(Debug, Clone, Copy)]
pub struct Pdu<'a> {
    /// Kind.
    pub kind: PduType,
    /// Identifier that ties a response to its request; none in a trap of version 1.
    pub request_id: Option<i64>,
    /// Error status of a response (RFC 3416, section 3); none where the kind has no such field.
    pub error_status: Option<i64>,
    /// For a trap of version 1: enterprise, address of the agent, generic and specific number.
    pub trap: Option<(&'a [u8], Addr, i64, i64)>,
    bindings: &'a [u8],
}

/// One variable and its value.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// Object identifier, encoded.
    pub oid: &'a [u8],
    /// Tag of the value.
    pub tag: u8,
    /// Value, encoded.
    pub value: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// The variables, at most [`limits::SNMP_BINDINGS_MAX`]; a broken one ends them.
    pub fn bindings(&self) -> impl Iterator<Item = Binding<'a>> + use<'a> {
        let mut r = Reader::new(self.bindings);
        std::iter::from_fn(move || {
            let mut one = Reader::new(ber::expect(&mut r, "binding", SEQUENCE).ok()?);
            let oid = ber::expect(&mut one, "name", OID).ok()?;
            let value = ber::element(&mut one).ok()?;
            Some(Binding { oid, tag: value.tag, value: value.content })
        })
        .take(limits::SNMP_BINDINGS_MAX)
    }

    fn parse(tag: u8, content: &'a [u8]) -> Option<Self> {
        let kind = PduType::of(tag)?;
        let mut r = Reader::new(content);
        let mut pdu = Self { kind, request_id: None, error_status: None, trap: None, bindings: &[] };
        if kind == PduType::TrapV1 {
            let enterprise = ber::expect(&mut r, "enterprise", OID).ok()?;
            let agent = ber::element(&mut r).ok()?;
            let agent = agent.content.first_chunk::<4>().map_or(Addr::UNSPECIFIED, |b| Addr::v4(*b));
            let (generic, specific) = (ber::integer(&mut r, "generic").ok()?, ber::integer(&mut r, "specific").ok()?);
            pdu.trap = Some((enterprise, agent, generic, specific));
            ber::element(&mut r).ok()?;
        } else {
            pdu.request_id = ber::integer(&mut r, "request-id").ok();
            let error = ber::integer(&mut r, "error-status").ok();
            pdu.error_status = error.filter(|_| kind != PduType::GetBulk);
            // Some agents put anything here; what counts is where the variables begin.
            if ber::element(&mut r).is_err() {
                return Some(pdu);
            }
        }
        pdu.bindings = ber::expect(&mut r, "bindings", SEQUENCE).unwrap_or_default();
        Some(pdu)
    }
}

impl<'a> Message<'a> {
    /// Reads a message. What stands behind its header may be broken or cut.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let mut outer = Reader::new(bytes);
        let mut r = Reader::new(ber::expect(&mut outer, "message", SEQUENCE)?);
        let version = match ber::integer(&mut r, "version")? {
            0 => Version::V1,
            1 => Version::V2c,
            3 => Version::V3,
            _ => return Err(ReadError::invalid("version")),
        };
        let mut message = Self { version, community: &[], msg_id: 0, flags: 0, usm: Usm::default(), pdu: None };
        if version != Version::V3 {
            message.community = ber::expect(&mut r, "community", OCTETS)?;
            let pdu = ber::element(&mut r)?;
            if PduType::of(pdu.tag).is_none() {
                return Err(ReadError::invalid("pdu"));
            }
            message.pdu = Pdu::parse(pdu.tag, pdu.content);
            return Ok(message);
        }
        let mut header = Reader::new(ber::expect(&mut r, "header", SEQUENCE)?);
        message.msg_id = ber::integer(&mut header, "msgID")?;
        ber::integer(&mut header, "msgMaxSize")?;
        message.flags = *ber::expect(&mut header, "msgFlags", OCTETS)?.first().ok_or(ReadError::invalid("msgFlags"))?;
        let model = ber::integer(&mut header, "msgSecurityModel")?;
        let parameters = ber::expect(&mut r, "parameters", OCTETS)?;
        const USM: i64 = 3;
        if model == USM {
            message.usm = usm(bytes, parameters)?;
        }
        // What is encrypted is an OCTET STRING, else the scoped PDU is there.
        if let Ok(scoped) = ber::element(&mut r)
            && scoped.tag == SEQUENCE
        {
            let mut r = Reader::new(scoped.content);
            let inner = ber::element(&mut r).and_then(|_| ber::element(&mut r)).and_then(|_| ber::element(&mut r));
            message.pdu = inner.ok().and_then(|pdu| Pdu::parse(pdu.tag, pdu.content));
        }
        Ok(message)
    }

    /// The security level of version 3, as the `security_level` column spells it.
    pub const fn security_level(&self) -> &'static str {
        match self.flags & 3 {
            0 => "noAuthNoPriv",
            1 => "authNoPriv",
            _ => "authPriv",
        }
    }
}

fn usm<'a>(message: &[u8], parameters: &'a [u8]) -> Result<Usm<'a>, ReadError> {
    let mut outer = Reader::new(parameters);
    let mut r = Reader::new(ber::expect(&mut outer, "parameters", SEQUENCE)?);
    let engine = ber::expect(&mut r, "engineID", OCTETS)?;
    let boots = ber::integer(&mut r, "engineBoots")?;
    ber::integer(&mut r, "engineTime")?;
    let user = ber::expect(&mut r, "userName", OCTETS)?;
    let digest = ber::expect(&mut r, "authParameters", OCTETS)?;
    let digest_at = (digest.as_ptr() as usize).saturating_sub(message.as_ptr() as usize);
    Ok(Usm { engine, boots, user, digest, digest_at })
}

/// The enterprise number in an engine identifier (RFC 3411, section 5, SnmpEngineID).
pub fn enterprise_of_engine(engine: &[u8]) -> Option<u32> {
    let number = u32::from_be_bytes(*engine.first_chunk::<4>()?) & 0x7fff_ffff;
    (number != 0).then_some(number)
}

/// The MAC address in an engine identifier, format 3 (RFC 3411, section 5).
pub fn mac_of_engine(engine: &[u8]) -> Option<[u8; 6]> {
    match engine {
        [first, _, _, _, 3, mac @ ..] if first & 0x80 != 0 => mac.try_into().ok(),
        _ => None,
    }
}

/// The enterprise number in a `sysObjectID` below 1.3.6.1.4.1.
pub fn enterprise_of_oid(oid: &[u8]) -> Option<u32> {
    let rest = oid.strip_prefix(&[0x2b, 6, 1, 4, 1])?;
    let mut number = 0_u32;
    for b in rest {
        number = number.checked_mul(128)? | u32::from(b & 0x7f);
        if b & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Makers by the number that IANA gave them (Private Enterprise Numbers): those of office equipment.
pub fn enterprise_name(number: u32) -> Option<&'static str> {
    Some(match number {
        2 => "IBM",
        9 => "Cisco",
        11 => "HP",
        36 => "DEC",
        43 => "3Com",
        45 => "Nortel",
        116 => "Hitachi",
        119 => "NEC",
        161 => "Motorola",
        171 => "D-Link",
        236 => "Samsung",
        253 => "Xerox",
        297 => "Fuji Xerox",
        311 => "Microsoft",
        318 => "APC",
        343 => "Intel",
        367 => "Ricoh",
        368 => "Axis",
        476 => "Vertiv",
        534 => "Eaton",
        641 => "Lexmark",
        674 => "Dell",
        789 => "NetApp",
        890 => "Zyxel",
        1248 => "Epson",
        1347 => "Kyocera",
        1602 => "Canon",
        1916 => "Extreme Networks",
        1991 => "Brocade",
        2001 => "OKI",
        2011 => "Huawei",
        2385 => "Sharp",
        2435 => "Brother",
        2636 => "Juniper",
        3375 => "F5",
        4526 => "Netgear",
        5624 => "Enterasys",
        6141 => "Ciena",
        6486 => "Alcatel-Lucent",
        6574 => "Synology",
        6876 => "VMware",
        6889 => "Avaya",
        8072 => "Net-SNMP",
        10418 => "Avocent",
        10642 => "Zebra",
        11863 => "TP-Link",
        12356 => "Fortinet",
        13885 => "Polycom",
        14179 => "Airespace",
        14823 => "Aruba",
        14988 => "MikroTik",
        18334 => "Konica Minolta",
        24681 => "QNAP",
        25053 => "Ruckus",
        25461 => "Palo Alto Networks",
        25506 => "H3C",
        26866 => "Gigamon",
        29671 => "Cisco Meraki",
        30065 => "Arista",
        35265 => "Eltex",
        39165 => "Hikvision",
        41112 => "Ubiquiti",
        42397 => "Grandstream",
        _ => return None,
    })
}

/// Variables whose values say what a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// sysDescr (RFC 3418).
    Description,
    /// sysObjectID (RFC 3418).
    ObjectId,
    /// sysContact (RFC 3418).
    Contact,
    /// sysName (RFC 3418).
    Name,
    /// sysLocation (RFC 3418).
    Location,
    /// hrDeviceDescr (RFC 2790), entPhysicalModelName (RFC 6933).
    Model,
    /// prtGeneralSerialNumber (RFC 3805), entPhysicalSerialNum (RFC 6933).
    Serial,
    /// entPhysicalSoftwareRev, entPhysicalFirmwareRev (RFC 6933).
    Firmware,
    /// entPhysicalMfgName (RFC 6933).
    Vendor,
    /// prtGeneralPrinterName (RFC 3805).
    PrinterName,
    /// snmpTrapOID (RFC 3418).
    TrapOid,
}

/// What a variable tells, by its object identifier (encoded).
pub fn telling(oid: &[u8]) -> Option<Telling> {
    const TREES: &[(&[u8], Telling)] = &[
        (&[0x2b, 6, 1, 2, 1, 1, 1], Telling::Description),
        (&[0x2b, 6, 1, 2, 1, 1, 2], Telling::ObjectId),
        (&[0x2b, 6, 1, 2, 1, 1, 4], Telling::Contact),
        (&[0x2b, 6, 1, 2, 1, 1, 5], Telling::Name),
        (&[0x2b, 6, 1, 2, 1, 1, 6], Telling::Location),
        // The first device of a printer is the printer.
        (&[0x2b, 6, 1, 2, 1, 25, 3, 2, 1, 3, 1], Telling::Model),
        (&[0x2b, 6, 1, 2, 1, 43, 5, 1, 1, 16], Telling::PrinterName),
        (&[0x2b, 6, 1, 2, 1, 43, 5, 1, 1, 17], Telling::Serial),
        (&[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 9, 1], Telling::Firmware),
        (&[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 10, 1], Telling::Firmware),
        (&[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 11, 1], Telling::Serial),
        (&[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 12, 1], Telling::Vendor),
        (&[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 13, 1], Telling::Model),
        (&[0x2b, 6, 1, 6, 3, 1, 1, 4, 1], Telling::TrapOid),
    ];
    TREES.iter().find(|(tree, _)| oid.strip_prefix(*tree).is_some_and(|rest| rest.len() <= 1)).map(|t| t.1)
}

/// Whether bytes begin as a message does; `None` while they are too few to tell.
pub fn begins(bytes: &[u8]) -> Option<bool> {
    let mut r = Reader::new(bytes);
    let step = |r: &mut Reader<'_>| -> Result<bool, ReadError> {
        let mut inner = Reader::new(ber::expect(r, "message", SEQUENCE)?);
        let v3 = match ber::integer(&mut inner, "version")? {
            0 | 1 => false,
            3 => true,
            _ => return Ok(false),
        };
        if v3 {
            let mut header = Reader::new(ber::expect(&mut inner, "header", SEQUENCE)?);
            ber::integer(&mut header, "msgID")?;
            ber::integer(&mut header, "msgMaxSize")?;
            let flags = ber::whole(&mut header, "msgFlags", OCTETS)?;
            return Ok(matches!(flags, [0..=7]));
        }
        if ber::expect(&mut inner, "community", OCTETS)?.len() > limits::SNMP_COMMUNITY_BYTES_MAX {
            return Ok(false);
        }
        Ok(PduType::of(inner.u8("pdu")?).is_some())
    };
    match step(&mut r) {
        Ok(is) => Some(is),
        Err(e) if e.is_short() => None,
        Err(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_by_engine_and_by_object() {
        // RFC 3411, section 5: the first bit says that the number of the maker follows.
        assert_eq!(enterprise_of_engine(&[0x80, 0, 0, 9, 3, 1, 2, 3, 4, 5, 6]), Some(9));
        assert_eq!(enterprise_of_engine(&[0, 0, 0, 11, 0]), Some(11));
        assert_eq!(enterprise_of_engine(&[0x80, 0]), None);
        assert_eq!(mac_of_engine(&[0x80, 0, 0, 9, 3, 1, 2, 3, 4, 5, 6]), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(mac_of_engine(&[0x80, 0, 0, 9, 4, 1, 2, 3, 4, 5, 6]), None, "a text");
        // 1.3.6.1.4.1.2435 takes two bytes: 19 * 128 + 3.
        assert_eq!(enterprise_of_oid(&[0x2b, 6, 1, 4, 1, 0x93, 3, 2]).and_then(enterprise_name), Some("Brother"));
        assert_eq!(enterprise_of_oid(&[0x2b, 6, 1, 2, 1, 1]), None);
        assert_eq!(enterprise_of_oid(&[0x2b, 6, 1, 4, 1, 0x93]), None);
    }

    #[test]
    fn variables_that_tell_something() {
        assert_eq!(telling(&[0x2b, 6, 1, 2, 1, 1, 5, 0]), Some(Telling::Name));
        assert_eq!(telling(&[0x2b, 6, 1, 2, 1, 25, 3, 2, 1, 3, 1]), Some(Telling::Model));
        assert_eq!(telling(&[0x2b, 6, 1, 2, 1, 43, 5, 1, 1, 17, 1]), Some(Telling::Serial));
        assert_eq!(telling(&[0x2b, 6, 1, 2, 1, 25, 3, 2, 1, 3, 2]), None, "a part of the device");
        assert_eq!(telling(&[0x2b, 6, 1, 2, 1, 1, 3, 0]), None, "sysUpTime");
    }

    #[test]
    fn a_message_that_is_cut_keeps_its_header() {
        // Version 2c, community `c`, a get request of which the variables are missing.
        let bytes = [0x30, 40, 2, 1, 1, 4, 1, b'c', 0xa0, 33, 2, 1, 7, 2, 1, 0, 2, 1, 0, 0x30, 22];
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.version, message.community), (Version::V2c, &b"c"[..]));
        let pdu = message.pdu.unwrap();
        assert_eq!((pdu.kind, pdu.request_id, pdu.bindings().count()), (PduType::Get, Some(7), 0));
        assert!(Message::parse(&[0x30, 3, 2, 1, 2]).is_err(), "a version that never was");
        assert_eq!(begins(&bytes), Some(true));
        assert_eq!(begins(&bytes[..6]), None);
    }
}

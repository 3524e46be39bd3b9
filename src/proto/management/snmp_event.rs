//! What SNMP emits, and its table.

use std::borrow::Cow;

use super::ber;
use super::snmp_message::{
    Message, Pdu, PduType, Telling, Version, enterprise_name, enterprise_of_engine, enterprise_of_oid, mac_of_engine,
    telling,
};
use crate::base::secret::Reveal;
use crate::base::{Mac, Secret, Timestamp, limits};
use crate::proto::api::{About, Direction, Fact, Login};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "snmp",
    doc: "One SNMP message; communities are in `credentials` only, and of values only those that say what a device is",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("version", Type::Text, "1, 2c or 3"),
        Column::repeating(
            "pdu_type",
            Type::Text,
            "get, get-next, get-bulk, set, response, trap-v1, trap-v2, inform or report; null where encrypted",
        ),
        Column::new("request_id", Type::Int64, "Identifier that ties a response to its request"),
        Column::repeating("error_status", Type::Int32, "Error of a response (RFC 3416, section 3); 0 is none"),
        Column::new("oids", Type::TextList, "Object identifiers that it names, the first 16"),
        Column::repeating("trap_oid", Type::Text, "What a trap reports; of version 1: enterprise.0.number"),
        Column::repeating("sys_descr", Type::Text, "sysDescr, where the message holds it"),
        Column::repeating("sys_object_id", Type::Text, "sysObjectID"),
        Column::repeating("sys_name", Type::Text, "sysName"),
        Column::repeating("sys_location", Type::Text, "sysLocation"),
        Column::repeating("sys_contact", Type::Text, "sysContact"),
        Column::repeating("model", Type::Text, "Model by the host resources, printer or entity MIB"),
        Column::repeating("serial", Type::Text, "Serial number by the printer or entity MIB"),
        Column::repeating("username", Type::Text, "User of version 3"),
        Column::repeating("security_level", Type::Text, "Of version 3: noAuthNoPriv, authNoPriv or authPriv"),
        Column::repeating(
            "engine_id",
            Type::Text,
            "Identifier of the authoritative engine of version 3, in hexadecimal",
        ),
        Column::repeating("engine_vendor", Type::Text, "Maker by that identifier or by sysObjectID"),
        Column::repeating("engine_boots", Type::Int64, "How often that engine was started"),
    ],
};

/// What was seen.
#[derive(Clone, Copy)]
pub enum Event<'e> {
    /// A message.
    Message {
        /// Who sent it.
        dir: Direction,
        /// The message.
        message: Message<'e>,
        /// Whether its community or user is new on the flow.
        is_fresh: bool,
    },
    /// A community or a user, once per flow.
    Login(Login<'e>),
}

impl std::fmt::Debug for Event<'_> {
    /// Without the community.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message { dir, message, .. } => {
                write!(f, "Message({dir:?}, {}, {:?})", message.version.name(), message.pdu.map(|p| p.kind))
            }
            Self::Login(login) => login.fmt(f),
        }
    }
}

/// The value of a variable that tells something, as bytes of a text.
fn value_of(message: &Message<'_>, what: Telling) -> Option<Vec<u8>> {
    let binding = message.pdu?.bindings().find(|b| telling(b.oid) == Some(what) && !b.value.is_empty())?;
    match binding.tag {
        ber::OCTETS => Some(binding.value.to_vec()),
        ber::OID => ber::oid_text(binding.value).map(String::into_bytes),
        _ => None,
    }
}

/// What a trap reports, as an object identifier.
fn trap_oid(message: &Message<'_>) -> Option<String> {
    let pdu = message.pdu?;
    if let Some((enterprise, _, generic, specific)) = pdu.trap {
        const ENTERPRISE_SPECIFIC: i64 = 6;
        // RFC 3584, section 3.1.
        return match generic {
            0..ENTERPRISE_SPECIFIC => Some(format!("1.3.6.1.6.3.1.1.5.{}", generic + 1)),
            _ => ber::oid_text(enterprise).map(|oid| format!("{oid}.0.{specific}")),
        };
    }
    matches!(pdu.kind, PduType::TrapV2 | PduType::Inform)
        .then(|| value_of(message, Telling::TrapOid))
        .flatten()
        .and_then(|oid| String::from_utf8(oid).ok())
}

/// The maker that a message names by a number.
fn vendor(message: &Message<'_>) -> Option<&'static str> {
    let by_oid = || {
        let pdu = message.pdu.filter(|p| p.kind.tells_of_sender())?;
        let object = pdu.bindings().find(|b| telling(b.oid) == Some(Telling::ObjectId)).map(|b| b.value);
        enterprise_of_oid(object.or(pdu.trap.map(|t| t.0))?)
    };
    enterprise_of_engine(message.usm.engine).or_else(by_oid).and_then(enterprise_name)
}

/// Whether a description is one: a few agents answer with binary values.
fn is_plain(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok() && !value.contains(&0)
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Message { .. } => None,
            Self::Login(login) => Some((login.ts, login.packet)),
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Message { .. })
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Message { message, .. } = self else { return };
        let pdu = message.pdu;
        row.text(message.version.name()).opt_text(pdu.map(|p| p.kind.name()));
        row.opt_int(pdu.and_then(|p| p.request_id));
        row.opt_int(pdu.and_then(|p| p.error_status).and_then(|e| i32::try_from(e).ok()));
        let oids: Vec<String> = pdu
            .iter()
            .flat_map(|p| p.bindings().take(limits::SNMP_OIDS_MAX))
            .map(|b| ber::oid_text(b.oid).unwrap_or_else(|| "?".to_owned()))
            .collect();
        match pdu {
            Some(_) => row.texts(&oids),
            None => row.null(),
        };
        row.opt_text(trap_oid(message).as_deref());
        // A value that is asked for is empty, and one that is set may be anything: only what is there.
        for what in [Telling::Description, Telling::ObjectId, Telling::Name, Telling::Location, Telling::Contact] {
            let value = value_of(message, what);
            row.opt_bytes(value.as_deref().map(|v| shown(message, v)).as_deref());
        }
        let model = value_of(message, Telling::Model).or_else(|| value_of(message, Telling::PrinterName));
        row.opt_bytes(model.as_deref());
        row.opt_bytes(value_of(message, Telling::Serial).as_deref());
        if message.version != Version::V3 {
            row.null().null().null().opt_text(vendor(message)).null();
            return;
        }
        row.opt_user(Some(message.usm.user).filter(|u| !u.is_empty())).text(message.security_level());
        row.nonempty(&super::hex(message.usm.engine));
        row.opt_text(vendor(message));
        row.opt_int(Some(message.usm.boots).filter(|_| !message.usm.engine.is_empty()));
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Message { .. } => None,
            Self::Login(login) => Some(*login),
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Self::Message { dir, message, .. } = self else { return };
        // The answer to a request that failed repeats the request.
        let told = |p: &Pdu<'_>| p.kind.tells_of_sender() && p.error_status.is_none_or(|e| e == 0);
        let Some(pdu) = message.pdu.filter(told) else { return };
        let mut about = About::Side(*dir);
        // A trap may be forwarded; it names the agent (RFC 1157, section 4.1.6).
        if let Some((_, agent, ..)) = pdu.trap.filter(|t| !t.1.is_unspecified()) {
            about = About::Device(Mac([0; 6]), agent);
        }
        for binding in pdu.bindings() {
            let attribute = match telling(binding.oid) {
                Some(Telling::Description) => "description",
                Some(Telling::Name) => "hostname",
                Some(Telling::Location) => "location",
                Some(Telling::Contact) => "contact",
                Some(Telling::Model | Telling::PrinterName) => "model",
                Some(Telling::Serial) => "serial",
                Some(Telling::Firmware) => "firmware",
                Some(Telling::Vendor) => "vendor",
                Some(Telling::ObjectId) if binding.tag == ber::OID => {
                    if let Some(oid) = ber::oid_text(binding.value) {
                        tell(Fact { about, attribute: "object-id", value: oid.as_bytes() });
                    }
                    continue;
                }
                _ => continue,
            };
            if binding.tag == ber::OCTETS && !binding.value.is_empty() && is_plain(binding.value) {
                tell(Fact { about, attribute, value: &shown(message, binding.value.trim_ascii()) });
            }
        }
        // Net-SNMP is a program that many makers use.
        if let Some(name) = vendor(message).filter(|n| *n != "Net-SNMP") {
            tell(Fact { about, attribute: "vendor", value: name.as_bytes() });
        }
        if let Some(mac) = mac_of_engine(message.usm.engine).filter(|_| pdu.kind == PduType::Response) {
            tell(Fact { about, attribute: "mac", value: Mac(mac).to_string().as_bytes() });
        }
    }
}
/// A text of an agent without settings that hold a secret, and without the community where not everybody
/// knows that.
fn shown<'a>(message: &Message<'_>, value: &'a [u8]) -> Cow<'a, [u8]> {
    let known = [&b"public"[..], b"private"].iter().any(|c| message.community.eq_ignore_ascii_case(c));
    let value = text::without_settings(value);
    if known {
        return value;
    }
    text::without_secret(&value, Secret::new(message.community)).into_owned().into()
}

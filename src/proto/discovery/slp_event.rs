//! What the Service Location Protocol tells, and the table that it goes to.

use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "slp",
    doc: "One message of the Service Location Protocol",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("version", Type::Int32, "Version of the protocol, 1 or 2"),
        Column::repeating("message", Type::Text, "SrvRqst, SrvRply, SrvReg, AttrRply, DAAdvert ... as in the standard"),
        Column::new("xid", Type::Int32, "Transaction identifier, shared by a request and its reply"),
        Column::repeating("language", Type::Text, "Language tag"),
        Column::repeating("error", Type::Text, "Result, OK for success; null in messages that have none"),
        Column::repeating(
            "service_type",
            Type::Text,
            "Service type asked for or registered; the types in a list of them",
        ),
        Column::repeating("scopes", Type::Text, "Scopes"),
        Column::repeating("predicate", Type::Text, "What the service must satisfy, or the attributes asked for"),
        Column::new("urls", Type::TextList, "URLs of services or agents (in version 1 also a list of types)"),
        Column::new("attributes", Type::Text, "Attributes of a service as sent: (name=value), ..."),
        Column::repeating("responders", Type::Text, "Who need not answer again"),
    ],
};

/// The parts of a body; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Body<'e> {
    /// Error code (RFC 2608, section 7).
    pub error: Option<u16>,
    /// Who need not answer again.
    pub responders: &'e [u8],
    /// Service type.
    pub service_type: &'e [u8],
    /// Scopes.
    pub scopes: &'e [u8],
    /// Predicate, or tags.
    pub predicate: &'e [u8],
    /// Attributes.
    pub attributes: &'e [u8],
    /// Whether there were more URLs than are kept.
    pub cut: bool,
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Who sent it.
    pub dir: Direction,
    /// Version.
    pub version: u8,
    /// Function.
    pub function: u8,
    /// Transaction identifier.
    pub xid: u16,
    /// Language tag.
    pub language: &'e [u8],
    /// URLs.
    pub urls: &'e [&'e [u8]],
    /// The rest of the body.
    pub body: Body<'e>,
    /// Whether the body was cut, or does not parse to its end.
    pub is_cut: bool,
}

const fn message_name(function: u8) -> &'static str {
    match function {
        1 => "SrvRqst",
        2 => "SrvRply",
        3 => "SrvReg",
        4 => "SrvDereg",
        5 => "SrvAck",
        6 => "AttrRqst",
        7 => "AttrRply",
        8 => "DAAdvert",
        9 => "SrvTypeRqst",
        10 => "SrvTypeRply",
        _ => "SAAdvert",
    }
}

const fn error_name(code: u16) -> Option<&'static str> {
    Some(match code {
        0 => "OK",
        1 => "LANGUAGE_NOT_SUPPORTED",
        2 => "PARSE_ERROR",
        3 => "INVALID_REGISTRATION",
        4 => "SCOPE_NOT_SUPPORTED",
        5 => "AUTHENTICATION_UNKNOWN",
        6 => "AUTHENTICATION_ABSENT",
        7 => "AUTHENTICATION_FAILED",
        9 => "VER_NOT_SUPPORTED",
        10 => "INTERNAL_ERROR",
        11 => "DA_BUSY_NOW",
        12 => "OPTION_NOT_UNDERSTOOD",
        13 => "INVALID_UPDATE",
        14 => "MSG_NOT_SUPPORTED",
        15 => "REFRESH_REJECTED",
        _ => return None,
    })
}

/// What an attribute of a service tells of the device: the names of printer templates (RFC 3712's
/// forerunner in the IANA registry of SLP templates) and those that vendors use.
fn attribute_of(name: &[u8]) -> Option<&'static str> {
    let known: &[(&[u8], &str)] = &[
        (b"printer-make-and-model", "model"),
        (b"printer-model", "model"),
        (b"x-hp-prodname", "model"),
        (b"x-hp-model", "model"),
        (b"model", "model"),
        (b"product", "model"),
        (b"product-name", "model"),
        (b"printer-name", "name"),
        (b"printer-location", "location"),
        (b"location", "location"),
        (b"printer-info", "description"),
        (b"description", "description"),
        (b"printer-device-id", "device-id"),
        (b"x-hp-hostname", "hostname"),
        (b"hostname", "hostname"),
        (b"x-hp-mac", "mac"),
        (b"mac-address", "mac"),
        (b"x-hp-fw", "firmware"),
        (b"firmware", "firmware"),
        (b"version", "firmware"),
        (b"serial-number", "serial"),
        (b"x-hp-serial", "serial"),
        (b"manufacturer", "vendor"),
        (b"vendor", "vendor"),
        (b"contact", "contact"),
    ];
    known.iter().find(|(n, _)| name.eq_ignore_ascii_case(n)).map(|(_, a)| *a)
}

/// Takes the escapes `\2c` out of an attribute's value (RFC 2608, section 5).
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        match rest {
            [b'\\', a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                out.push(crate::proto::text::hexadecimal(&[*a, *b]).unwrap_or_default() as u8);
                rest = tail;
            }
            [c, tail @ ..] => {
                out.push(*c);
                rest = tail;
            }
            [] => return out,
        }
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Body { error, responders, service_type, scopes, predicate, attributes, .. } = self.body;
        row.int(self.version).text(message_name(self.function)).int(self.xid).bytes(self.language);
        match error {
            Some(code) => match error_name(code) {
                Some(name) => row.text(name),
                None => row.text(&format!("ERROR{code}")),
            },
            None => row.null(),
        };
        for bytes in [service_type, scopes, predicate] {
            row.opt_bytes(Some(bytes).filter(|b| !b.is_empty()));
        }
        if self.urls.is_empty() {
            row.null();
        } else {
            row.list(self.urls.len());
            for url in self.urls {
                row.bytes(url);
            }
        }
        row.opt_bytes(Some(attributes).filter(|b| !b.is_empty()));
        row.opt_bytes(Some(responders).filter(|b| !b.is_empty()));
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.dir);
        // A directory agent answers for others; what it says of itself stands in its advertisement.
        if matches!(self.function, 3 | 11) {
            for url in self.urls {
                tell(Fact { about, attribute: "service", value: url });
            }
        }
        if matches!(self.function, 3 | 7 | 8 | 11) {
            for item in self.body.attributes.split(|c| *c == b')').take(crate::base::limits::LIST_ITEMS_MAX) {
                let Some(at) = memchr::memchr(b'(', item) else { continue };
                let Some((name, value)) = crate::proto::text::split_once(item.get(at + 1..).unwrap_or_default(), b'=')
                else {
                    continue;
                };
                if let Some(attribute) = attribute_of(name.trim_ascii()) {
                    tell(Fact { about, attribute, value: &unescaped(value.trim_ascii()) });
                }
            }
        }
    }
}

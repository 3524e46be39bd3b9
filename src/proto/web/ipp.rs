//! Messages of the Internet Printing Protocol (RFC 8010, section 3; attributes of RFC 8011 and of PWG
//! 5100.13), which travel in bodies of HTTP.

use crate::base::bytes::ReadError;
use crate::base::secret::Reveal;
use crate::base::{Reader, Timestamp, limits};
use crate::proto::text;
use crate::proto::web::http_blank::blanked;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "ipp",
    doc: "One request to a printer over IPP with the answer to it; an answer alone has its row too",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("version", Type::Text, "Version of the protocol"),
        Column::repeating(
            "operation",
            Type::Text,
            "What was asked for (print-job, get-printer-attributes ...), or its \
                           number; null where the request was not seen",
        ),
        Column::repeating(
            "status",
            Type::Text,
            "Status of the answer (successful-ok ...), or its number; null where none \
                           was seen",
        ),
        Column::repeating("printer_uri", Type::Text, "Address of the printer; user information is blanked"),
        Column::repeating("username", Type::Text, "User that the client says it prints for (requesting-user-name)"),
        Column::repeating("job_name", Type::Text, "Name of the job or of its document"),
        Column::repeating("document_format", Type::Text, "Media type of the document"),
        Column::repeating("printer_name", Type::Text, "Name that the printer gives itself"),
        Column::repeating("make_and_model", Type::Text, "Maker and model that the printer states"),
        Column::repeating("firmware", Type::Text, "Version of its firmware"),
        Column::repeating("device_id", Type::Text, "Its IEEE 1284 device identifier"),
        Column::repeating("location", Type::Text, "Where it says that it stands"),
        Column::new("response_packet", Type::Int64, "Packet that completed the head of the answer"),
    ],
};

/// Attributes that are kept, by their place in [`Message`].
const KEPT: [(&[&[u8]], usize); 9] = [
    (&[b"printer-uri", b"job-printer-uri"], PRINTER_URI),
    (&[b"requesting-user-name", b"job-originating-user-name"], USER),
    (&[b"job-name", b"document-name"], JOB),
    (&[b"document-format"], FORMAT),
    (&[b"printer-name", b"printer-dns-sd-name"], NAME),
    (&[b"printer-make-and-model"], MODEL),
    (&[b"printer-firmware-string-version"], FIRMWARE),
    (&[b"printer-device-id"], DEVICE_ID),
    (&[b"printer-location"], LOCATION),
];
const PRINTER_URI: usize = 0;
const USER: usize = 1;
const JOB: usize = 2;
const FORMAT: usize = 3;
const NAME: usize = 4;
const MODEL: usize = 5;
const FIRMWARE: usize = 6;
const DEVICE_ID: usize = 7;
const LOCATION: usize = 8;

/// A message, or as much of one as was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    version: (u8, u8),
    /// Operation of a request, status of an answer.
    code: u16,
    values: [Option<&'a [u8]>; KEPT.len()],
    /// Whether attributes were passed over because there are too many.
    pub limited: bool,
}

impl<'a> Message<'a> {
    /// Reads a message, which may be cut behind its head.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let version = (r.u8("major version").ok()?, r.u8("minor version").ok()?);
        let code = r.be16("code").ok()?;
        r.be32("request identifier").ok()?;
        if !matches!(version.0, 1 | 2) {
            return None;
        }
        let mut message = Self { version, code, values: [None; KEPT.len()], limited: false };
        // A cut message tells what stands before the cut.
        let _ = message.attributes(&mut r);
        Some(message)
    }

    fn attributes(&mut self, r: &mut Reader<'a>) -> Result<(), ReadError> {
        const END: u8 = 3;
        for _ in 0..limits::IPP_ATTRIBUTES_MAX {
            let tag = r.u8("tag")?;
            match tag {
                END => return Ok(()),
                // The beginning of a group.
                0..=0x0f => continue,
                _ => {}
            }
            let name = r.vec16("name")?.rest();
            let value = r.vec16("value")?.rest();
            let Some((_, place)) = KEPT.iter().find(|(names, _)| names.contains(&name)) else { continue };
            // With a language before it, for texts and names (tags 0x35 and 0x36).
            let value = if matches!(tag, 0x35 | 0x36) { with_language(value).unwrap_or_default() } else { value };
            if let Some(slot) = self.values.get_mut(*place).filter(|s| s.is_none() && !value.is_empty()) {
                *slot = Some(value);
            }
        }
        self.limited = true;
        Ok(())
    }

    fn value(&self, place: usize) -> Option<&'a [u8]> {
        self.values.get(place).copied().flatten()
    }
}

fn with_language(value: &[u8]) -> Option<&[u8]> {
    let mut r = Reader::new(value);
    r.vec16("language").ok()?;
    Some(r.vec16("text").ok()?.rest())
}

/// Operations by their number (RFC 8011, section 5.4.15; PWG 5100.x by IANA).
fn operation(code: u16) -> Option<&'static str> {
    Some(match code {
        0x02 => "print-job",
        0x03 => "print-uri",
        0x04 => "validate-job",
        0x05 => "create-job",
        0x06 => "send-document",
        0x07 => "send-uri",
        0x08 => "cancel-job",
        0x09 => "get-job-attributes",
        0x0a => "get-jobs",
        0x0b => "get-printer-attributes",
        0x0c => "hold-job",
        0x0d => "release-job",
        0x0e => "restart-job",
        0x10 => "pause-printer",
        0x11 => "resume-printer",
        0x12 => "purge-jobs",
        0x13 => "set-printer-attributes",
        0x14 => "set-job-attributes",
        0x15 => "get-printer-supported-values",
        0x16 => "create-printer-subscriptions",
        0x18 => "get-subscription-attributes",
        0x19 => "get-subscriptions",
        0x1b => "cancel-subscription",
        0x1c => "get-notifications",
        0x22 => "enable-printer",
        0x23 => "disable-printer",
        0x38 => "cancel-jobs",
        0x39 => "cancel-my-jobs",
        0x3b => "close-job",
        0x3c => "identify-printer",
        0x4001 => "cups-get-default",
        0x4002 => "cups-get-printers",
        0x4003 => "cups-add-modify-printer",
        0x4004 => "cups-delete-printer",
        0x400b => "cups-get-devices",
        0x400c => "cups-get-ppds",
        _ => return None,
    })
}

/// Status codes (RFC 8011, appendix B).
fn status(code: u16) -> Option<&'static str> {
    Some(match code {
        0 => "successful-ok",
        1 => "successful-ok-ignored-or-substituted-attributes",
        2 => "successful-ok-conflicting-attributes",
        0x0400 => "client-error-bad-request",
        0x0401 => "client-error-forbidden",
        0x0402 => "client-error-not-authenticated",
        0x0403 => "client-error-not-authorized",
        0x0404 => "client-error-not-possible",
        0x0405 => "client-error-timeout",
        0x0406 => "client-error-not-found",
        0x040a => "client-error-document-format-not-supported",
        0x040b => "client-error-attributes-or-values-not-supported",
        0x0500 => "server-error-internal-error",
        0x0501 => "server-error-operation-not-supported",
        0x0502 => "server-error-service-unavailable",
        0x0503 => "server-error-version-not-supported",
        0x0507 => "server-error-busy",
        _ => return None,
    })
}

/// A request with the answer to it, or one of the two.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'e> {
    /// When the request (else the answer) came.
    pub at: (Timestamp, u64),
    /// The request.
    pub request: Option<&'e Message<'e>>,
    /// The answer.
    pub response: Option<&'e Message<'e>>,
    /// Packet of the answer's head.
    pub response_packet: Option<u64>,
    /// Whether it is the first one of the flow.
    pub first: bool,
}

impl<'e> Exchange<'e> {
    /// What was asked for, where that has a name here.
    pub fn operation(&self) -> Option<&'static str> {
        operation(self.request?.code)
    }

    /// Whether a document was sent, or the address of one.
    pub fn sends_document(&self) -> bool {
        matches!(self.request.map(|m| m.code), Some(0x02 | 0x03 | 0x06 | 0x07))
    }

    fn value(&self, place: usize) -> Option<&'e [u8]> {
        self.request.and_then(|m| m.value(place)).or_else(|| self.response.and_then(|m| m.value(place)))
    }

    /// What the printer says of itself, attribute and value.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &'e [u8])> + use<'_, 'e> {
        let places = [
            (NAME, "name"),
            (MODEL, "model"),
            (FIRMWARE, "firmware"),
            (DEVICE_ID, "device-id"),
            (LOCATION, "location"),
        ];
        places.into_iter().filter_map(|(place, name)| Some((name, self.response?.value(place)?)))
    }

    /// The user that the client names.
    pub fn user(&self) -> Option<&'e [u8]> {
        self.request.and_then(|m| m.value(USER))
    }

    /// Writes the columns of [`TABLE`].
    pub fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        let named = |row: &mut RowWriter<'_>, code: Option<u16>, name: fn(u16) -> Option<&'static str>| {
            match code.map(|c| (c, name(c))) {
                Some((_, Some(name))) => row.text(name),
                Some((code, None)) => row.text(&format!("0x{code:04x}")),
                None => row.null(),
            };
        };
        match self.request.or(self.response) {
            Some(m) => row.text(&format!("{}.{}", m.version.0, m.version.1)),
            None => row.null(),
        };
        named(row, self.request.map(|m| m.code), operation);
        named(row, self.response.map(|m| m.code), status);
        match self.value(PRINTER_URI) {
            Some(uri) if reveal == Reveal::No => row.bytes(&blanked(uri)),
            uri => row.opt_bytes(uri),
        };
        row.opt_user(self.value(USER));
        for place in [JOB, FORMAT, NAME, MODEL, FIRMWARE, DEVICE_ID, LOCATION] {
            row.opt_bytes(self.value(place).map(text::without_settings).as_deref());
        }
        match self.response_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message with attributes (tag, name, value) in one group (RFC 8010, section 3.1).
    pub fn message(code: u16, attributes: &[(u8, &str, &str)]) -> Vec<u8> {
        let mut out = vec![2, 0];
        out.extend(code.to_be_bytes());
        out.extend([0, 0, 0, 1, 1]);
        for (tag, name, value) in attributes {
            out.push(*tag);
            for text in [name, value] {
                out.extend((text.len() as u16).to_be_bytes());
                out.extend(text.as_bytes());
            }
        }
        out.push(3);
        out
    }

    #[test]
    fn attributes_are_found_and_cuts_survived() {
        let bytes = message(
            2,
            &[
                (0x47, "attributes-charset", "utf-8"),
                (0x45, "printer-uri", "ipp://u:p@h/ipp/print"),
                (0x42, "requesting-user-name", "jo"),
                (0x36, "job-name", "\0\x02en\0\x05Leave"),
            ],
        );
        let m = Message::read(&bytes).unwrap();
        let exchange =
            Exchange { at: (Timestamp(0), 1), request: Some(&m), response: None, response_packet: None, first: true };
        assert_eq!((exchange.operation(), exchange.user()), (Some("print-job"), Some(&b"jo"[..])));
        assert_eq!(m.value(JOB), Some(&b"Leave"[..]));
        for end in 0..bytes.len() {
            let cut = Message::read(&bytes[..end]);
            assert_eq!(cut.is_some(), end >= 8);
        }
        assert!(Message::read(b"%PDF-1.4 x").is_none());
    }

    #[test]
    fn too_many_attributes() {
        let many = vec![(0x21, "n", "1"); limits::IPP_ATTRIBUTES_MAX + 1];
        assert!(Message::read(&message(0, &many)).unwrap().limited);
    }
}

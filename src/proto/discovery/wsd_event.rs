//! What WS-Discovery tells, and the table that it goes to.

use super::xml::unescaped;
use crate::base::limits;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact};
use crate::proto::text::{percent, starts_with};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "wsd",
    doc: "One message of WS-Discovery; in answers one row for each device that matches",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("message", Type::Text, "Hello, Bye, Probe, ProbeMatches, Resolve or ResolveMatches"),
        Column::new("message_id", Type::Text, "Identifier of the message"),
        Column::new("relates_to", Type::Text, "Identifier of the message that it answers"),
        Column::repeating("endpoint", Type::Text, "Identifier of the device, the same for its whole life"),
        Column::repeating("types", Type::TextList, "Types asked for or offered, as sent with their prefixes"),
        Column::repeating("scopes", Type::TextList, "Scopes asked for or offered"),
        Column::repeating("addresses", Type::TextList, "URLs under which the device's service is reached (XAddrs)"),
        Column::new("metadata_version", Type::Int64, "Rises when the device's description changes"),
    ],
};

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the standard
pub enum Kind {
    Hello,
    Bye,
    Probe,
    ProbeMatches,
    Resolve,
    ResolveMatches,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Hello, Self::Bye, Self::Probe, Self::ProbeMatches, Self::Resolve, Self::ResolveMatches];

    /// The name in the standard.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::Bye => "Bye",
            Self::Probe => "Probe",
            Self::ProbeMatches => "ProbeMatches",
            Self::Resolve => "Resolve",
            Self::ResolveMatches => "ResolveMatches",
        }
    }

    /// The kind with this name.
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name().as_bytes() == name.trim_ascii())
    }

    /// Whether the sender speaks of itself.
    const fn is_offer(self) -> bool {
        matches!(self, Self::Hello | Self::ProbeMatches | Self::ResolveMatches)
    }
}

/// What is said of one device. Texts as sent; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Match<'e> {
    /// Identifier of the device.
    pub endpoint: &'e [u8],
    /// Types, separated by blanks.
    pub types: &'e [u8],
    /// Scopes, separated by blanks.
    pub scopes: &'e [u8],
    /// URLs, separated by blanks.
    pub addresses: &'e [u8],
    /// Version of the description.
    pub metadata_version: Option<u64>,
}

/// One message, or one match of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Who sent it.
    pub dir: Direction,
    /// Kind; `None` while it is not known.
    pub kind: Option<Kind>,
    /// Identifier of the message.
    pub message_id: &'e [u8],
    /// Identifier of the message that it answers.
    pub relates_to: &'e [u8],
    /// The device.
    pub found: Match<'e>,
}

impl Default for Event<'_> {
    fn default() -> Self {
        Self { dir: Direction::Orig, kind: None, message_id: &[], relates_to: &[], found: Match::default() }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).take(limits::LIST_ITEMS_MAX)
}

fn list(row: &mut RowWriter<'_>, text: &[u8]) {
    let len = words(text).count();
    if len == 0 {
        row.null();
        return;
    }
    row.list(len);
    for word in words(text) {
        row.bytes(&unescaped(word));
    }
}

/// What a scope tells of the device (ONVIF Core Specification, section 7.3.2.2): the attribute, and
/// the part of the path behind its name.
fn scope_of(scope: &[u8]) -> Option<(&'static str, &[u8])> {
    const ONVIF: &[u8] = b"onvif://www.onvif.org/";
    const KNOWN: [(&[u8], &str); 9] = [
        (b"name/", "name"),
        (b"hardware/", "model"),
        (b"location/", "location"),
        (b"manufacturer/", "vendor"),
        (b"mfr/", "vendor"),
        (b"type/", "device-type"),
        (b"mac/", "mac"),
        (b"serial/", "serial"),
        (b"firmware/", "firmware"),
    ];
    let path = if starts_with(scope, ONVIF) { scope.get(ONVIF.len()..)? } else { return None };
    KNOWN.iter().find(|(n, _)| starts_with(path, n)).and_then(|(n, a)| Some((*a, path.get(n.len()..)?)))
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.opt_text(self.kind.map(Kind::name));
        for text in [self.message_id, self.relates_to, self.found.endpoint] {
            row.opt_bytes(Some(text).filter(|t| !t.is_empty()));
        }
        list(row, self.found.types);
        list(row, self.found.scopes);
        list(row, self.found.addresses);
        row.opt_int(self.found.metadata_version.and_then(|n| i64::try_from(n).ok()));
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if !self.kind.is_some_and(Kind::is_offer) {
            return;
        }
        let about = About::Side(self.dir);
        let mut tell = |attribute, value: &[u8]| tell(Fact { about, attribute, value });
        for word in words(self.found.types) {
            tell("device-type", word.rsplit(|c| *c == b':').next().unwrap_or(word));
        }
        for scope in words(self.found.scopes) {
            if let Some((attribute, value)) = scope_of(scope) {
                tell(attribute, &percent(value, false, limits::CLAIM_VALUE_BYTES_MAX));
            }
        }
        for url in words(self.found.addresses) {
            tell("url", &unescaped(url));
        }
        let endpoint = String::from_utf8_lossy(self.found.endpoint).to_ascii_lowercase();
        tell("uuid", endpoint.trim_start_matches("urn:").trim_start_matches("uuid:").as_bytes());
    }
}

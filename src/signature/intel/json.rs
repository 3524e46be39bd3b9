//! Lists in JSON: events of MISP and bundles of STIX 2.1, read as a stream.
//!
//! ```text
//! MISP  {"Event": {"info": ..., "Attribute": [{"type", "value", "to_ids", ...}], "Object": [{"Attribute": []}]}}
//! STIX  {"type": "bundle", "objects": [{"type": "indicator", "pattern": ..., "name": ..., "valid_until": ...}]}
//! ```
//! One object is held at a time, and of it only what is wanted. Events may also stand in a list, or below
//! `response`, as servers of MISP give them.

use std::cell::Cell;
use std::fmt;
use std::io::{BufRead, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::key::{Key, Kind};
use super::load::{Loader, Place};
use super::pattern;
use super::span::Span;
use crate::base::limits;

/// Reads a list to its end, or to where it is broken.
pub(super) fn read(input: &mut impl BufRead, to: &mut Loader) -> std::io::Result<()> {
    let place = Rc::new(Cell::new(Place { line: 1, column: 0 }));
    let source = Lean { inner: input, place: place.clone(), state: State::Outside, seen: 0 };
    let mut json = serde_json::Deserializer::from_reader(source);
    let seed = Item { to, place: &place, family: Family::Any };
    let result = seed.deserialize(&mut json).and_then(|()| json.end());
    match result {
        Ok(()) => Ok(()),
        Err(e) if e.is_io() => Err(e.into()),
        Err(e) => {
            // Its own place counts only what was passed on.
            let reason = e.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            to.refuse(place.get(), format_args!("the rest cannot be read: {reason}"));
            Ok(())
        }
    }
}

/// Where in the JSON the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    Text,
    /// Behind a backslash.
    Escape,
    /// In the four digits of an escape; so many are left.
    Digits(u8),
    /// In a text that is too long: the rest is passed over.
    Rest,
    /// Behind a backslash there.
    RestEscape,
}

/// Passes JSON on and leaves out the rest of texts that are too long, so that nothing in a file can make
/// the parser hold more. Counts lines and bytes of them; the parser asks for one byte at a time, so the
/// count is exact.
struct Lean<'r, R> {
    inner: &'r mut R,
    place: Rc<Cell<Place>>,
    state: State,
    seen: usize,
}

impl<R: BufRead> Read for Lean<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let Some(place) = to.first_mut() else { return Ok(0) };
        loop {
            let Some(byte) = self.inner.fill_buf()?.first().copied() else { return Ok(0) };
            self.inner.consume(1);
            let Place { line, column } = self.place.get();
            self.place.set(match byte {
                b'\n' => Place { line: line + 1, column: 0 },
                _ => Place { line, column: column + 1 },
            });
            if self.passes(byte) {
                *place = byte;
                return Ok(1);
            }
        }
    }
}

impl<R> Lean<'_, R> {
    /// Whether a byte is passed on.
    const fn passes(&mut self, byte: u8) -> bool {
        let full = self.seen >= limits::INTEL_STRING_BYTES_MAX;
        self.seen += 1;
        // A character is not cut in two.
        let inside = byte & 0xc0 == 0x80;
        self.state = match (self.state, byte) {
            (State::Outside, b'"') => {
                self.seen = 0;
                State::Text
            }
            (State::Outside, _) => State::Outside,
            (State::Text | State::Rest, b'"') => State::Outside,
            (State::Text, b'\\') if !full => State::Escape,
            (State::Text, b'\\') | (State::Rest, b'\\') => State::RestEscape,
            (State::Text, _) if full && !inside => State::Rest,
            (State::Text, _) => State::Text,
            (State::Escape, b'u') => State::Digits(4),
            (State::Digits(left), _) if left > 1 => State::Digits(left - 1),
            (State::Escape | State::Digits(_), _) => State::Text,
            (State::Rest | State::RestEscape, _) => State::Rest,
        };
        !matches!(self.state, State::Rest | State::RestEscape)
    }
}

/// What an object belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Any,
    Misp,
    /// Of MISP, where each object is an attribute.
    Attribute,
    Stix,
}

/// A value that may be, or hold, entries.
struct Item<'t> {
    to: &'t mut Loader,
    place: &'t Cell<Place>,
    family: Family,
}

impl Item<'_> {
    /// What is no object tells nothing; where an attribute or an object should be, it is broken.
    fn scalar(self) {
        if matches!(self.family, Family::Attribute | Family::Stix) {
            self.to.refuse(self.place.get(), "not an object");
        }
    }
}

/// The fields of an object that are wanted.
#[derive(Debug, Default)]
struct Fields {
    kind: Option<String>,
    value: Option<String>,
    comment: Option<String>,
    to_ids: Option<bool>,
    deleted: Option<bool>,
    pattern: Option<String>,
    pattern_type: Option<String>,
    name: Option<String>,
    revoked: Option<bool>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    /// One of them that is of another type than it should be.
    wrong: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events of MISP or a bundle of STIX")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { to, place, family } = self;
        while items.next_element_seed(Item { to: &mut *to, place, family })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { to, place, family } = self;
        let start = place.get();
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            let (slot, wrong) = match key.as_str() {
                below @ ("Event" | "response" | "Attribute" | "Object") if family != Family::Stix => {
                    to.format("misp");
                    let family = if below == "Attribute" { Family::Attribute } else { Family::Misp };
                    map.next_value_seed(Item { to: &mut *to, place, family })?;
                    continue;
                }
                "objects" if family == Family::Any => {
                    to.format("stix");
                    map.next_value_seed(Item { to: &mut *to, place, family: Family::Stix })?;
                    continue;
                }
                "info" if family == Family::Misp => {
                    if let Loose::Text(title) = map.next_value::<Loose>()? {
                        to.title(&title);
                    }
                    continue;
                }
                "to_ids" | "deleted" | "revoked" => {
                    let value = map.next_value::<Loose>()?.truth();
                    match key.as_str() {
                        "to_ids" => fields.to_ids = value,
                        "deleted" => fields.deleted = value,
                        _ => fields.revoked = value,
                    }
                    continue;
                }
                "type" => (&mut fields.kind, Some("its type is no text")),
                "value" => (&mut fields.value, Some("its value is no text")),
                "comment" => (&mut fields.comment, None),
                "pattern" => (&mut fields.pattern, Some("its pattern is no text")),
                "pattern_type" => (&mut fields.pattern_type, Some("its pattern_type is no text")),
                "name" => (&mut fields.name, None),
                "valid_from" => (&mut fields.valid_from, Some("valid_from is no text")),
                "valid_until" => (&mut fields.valid_until, Some("valid_until is no text")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            match map.next_value::<Loose>()? {
                Loose::Text(text) => *slot = Some(text),
                Loose::Null => {}
                Loose::Bool(_) | Loose::Other => fields.wrong = fields.wrong.or(wrong),
            }
        }
        fields.told(start, family, to);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Types of attributes of MISP that are matched.
const ATTRIBUTES: [&str; 13] = [
    "ip-src",
    "ip-dst",
    "ip-src|port",
    "ip-dst|port",
    "domain",
    "hostname",
    "hostname|port",
    "domain|ip",
    "ja3-fingerprint-md5",
    "hassh-md5",
    "hasshserver-md5",
    "x509-fingerprint-sha1",
    "x509-fingerprint-sha256",
];

impl Fields {
    /// What an object that began in a place tells.
    fn told(self, at: Place, family: Family, to: &mut Loader) {
        match (family, self.kind.as_deref()) {
            (Family::Attribute, kind) => match kind {
                _ if self.to_ids == Some(false) || self.deleted == Some(true) => to.report().inactive += 1,
                Some(kind) if !ATTRIBUTES.contains(&kind) => to.report().other += 1,
                Some(kind) if self.value.is_some() => self.attribute(kind, at, to),
                Some(_) => to.refuse(at, self.wrong.unwrap_or("an attribute without a value")),
                None => to.refuse(at, self.wrong.unwrap_or("an attribute without a type")),
            },
            (Family::Stix, None) => to.refuse(at, self.wrong.unwrap_or("an object without a type")),
            // An indicator may also stand alone.
            (Family::Stix | Family::Any, Some("indicator")) => {
                to.format("stix");
                if self.revoked == Some(true) {
                    to.report().inactive += 1;
                } else {
                    self.indicator(at, to);
                }
            }
            _ => {}
        }
    }

    /// An attribute of MISP, of one of these types.
    fn attribute(&self, kind: &str, at: Place, to: &mut Loader) {
        let value = self.value.as_deref().unwrap_or_default();
        let label = self.comment.as_deref().unwrap_or_default();
        let (left, right) = value.split_once('|').unwrap_or((value, ""));
        let mut take = |key: Result<Key, &'static str>| match key {
            Ok(key) => to.add(&key, label),
            Err(reason) => to.refuse(at, reason),
        };
        match kind {
            "ip-src" | "ip-dst" | "ip-src|port" => take(Key::parse_address(left)),
            "ip-dst|port" => take(match (left.parse(), right.parse()) {
                (Ok(ip), Ok(port)) => Ok(Key::endpoint(ip, port)),
                _ => Err("not an address and a port"),
            }),
            "domain" | "hostname" | "hostname|port" => take(Key::parse_domain(left)),
            "domain|ip" => {
                take(Key::parse_domain(left));
                take(Key::parse_address(right));
            }
            "ja3-fingerprint-md5" => take(Key::parse_fingerprint(Kind::Ja3, value)),
            "hassh-md5" | "hasshserver-md5" => take(Key::parse_fingerprint(Kind::Hassh, value)),
            "x509-fingerprint-sha1" => take(Key::parse_fingerprint(Kind::Sha1, value)),
            "x509-fingerprint-sha256" => take(Key::parse_fingerprint(Kind::Sha256, value)),
            _ => to.report().other += 1,
        }
    }

    /// An indicator of STIX.
    fn indicator(&self, at: Place, to: &mut Loader) {
        if let Some(wrong) = self.wrong {
            to.refuse(at, wrong);
            return;
        }
        let Some(pattern) = self.pattern.as_deref() else {
            to.refuse(at, "an indicator without a pattern");
            return;
        };
        // One whose end cannot be read is not taken for one without an end.
        let span = match Span::parse(self.valid_from.as_deref(), self.valid_until.as_deref()) {
            Ok(span) => span,
            Err(reason) => {
                to.refuse(at, reason);
                return;
            }
        };
        let parts = Some(pattern).filter(|_| matches!(self.pattern_type.as_deref(), None | Some("stix")));
        let Some(parts) = parts.and_then(pattern::parse) else {
            to.report().not_understood += 1;
            return;
        };
        to.report().other += parts.other;
        for key in &parts.keys {
            to.add_for(key, self.name.as_deref().unwrap_or_default(), span);
        }
        for reason in parts.broken {
            to.refuse(at, reason);
        }
    }
}

/// A value whose type is not what it should be breaks nothing.
#[derive(Debug)]
enum Loose {
    Text(String),
    Bool(bool),
    Null,
    Other,
}

impl Loose {
    /// Truth as JSON or as text spells it.
    fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            Self::Text(t) if matches!(t.as_str(), "1" | "true") => Some(true),
            Self::Text(t) if matches!(t.as_str(), "0" | "false") => Some(false),
            _ => None,
        }
    }
}

impl<'de> serde::Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
                Ok(Loose::Bool(value))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
                Ok(Loose::Other)
            }

            fn visit_u64<E>(self, n: u64) -> Result<Loose, E> {
                Ok(if n < 2 { Loose::Bool(n == 1) } else { Loose::Other })
            }

            fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose::Other)
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }
        }
        from.deserialize_any(Any)
    }
}

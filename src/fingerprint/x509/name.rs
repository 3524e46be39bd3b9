//! Names in certificates as text: distinguished names (RFC 4514) and the parts of a subjectAltName.

use std::fmt::Write;

use x509_parser::asn1_rs::{Any, Oid};
use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

use super::oids;
use crate::base::{Addr, limits};
use crate::fingerprint::hex;

/// A distinguished name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name {
    /// The whole, the most specific part first, as RFC 4514 has it: `CN=printer,O=Example\, Inc.,C=DE`.
    /// What is not text, and what drives a terminal, stands as `\xx`, a byte in hex.
    pub text: String,
    /// Common names, the most specific first, not escaped but for that.
    pub common_names: Vec<String>,
    /// The most specific organization, likewise.
    pub organization: Option<String>,
    /// Whether the text was cut at [`limits::CERTIFICATE_NAME_BYTES_MAX`].
    pub cut: bool,
}

impl Name {
    /// Of a parsed name.
    pub fn new(name: &X509Name<'_>) -> Self {
        let mut out = Self::default();
        let parts: Vec<_> = name.iter_rdn().take(limits::CERTIFICATE_NAME_PARTS_MAX + 1).collect();
        out.cut = parts.len() > limits::CERTIFICATE_NAME_PARTS_MAX;
        for (at, part) in parts.iter().rev().enumerate() {
            if at > 0 {
                out.text.push(',');
            }
            // A set has no order of its own: as OpenSSL shows it.
            let attributes: Vec<_> = part.iter().take(limits::CERTIFICATE_NAME_PARTS_MAX).collect();
            for (at, attribute) in attributes.iter().rev().enumerate() {
                if out.text.len() >= limits::CERTIFICATE_NAME_BYTES_MAX {
                    out.cut = true;
                    break;
                }
                if at > 0 {
                    out.text.push('+');
                }
                let value = attribute.attr_value();
                out.cut |= value.data.len() > limits::CERTIFICATE_VALUE_BYTES_MAX;
                let key = push_type(&mut out.text, attribute.attr_type());
                match text_of(value) {
                    Some(value) => {
                        push_value(&mut out.text, &value);
                        match key {
                            Some("CN") => out.common_names.push(shown(&value)),
                            Some("O") if out.organization.is_none() => out.organization = Some(shown(&value)),
                            _ => {}
                        }
                    }
                    None => {
                        out.text.push('#');
                        out.text.push_str(&hex(value.data.get(..64).unwrap_or(value.data)));
                    }
                }
            }
        }
        if out.text.len() > limits::CERTIFICATE_NAME_BYTES_MAX {
            out.cut = true;
            out.text.truncate(out.text.floor_char_boundary(limits::CERTIFICATE_NAME_BYTES_MAX));
        }
        out
    }
}

/// Writes the type of an attribute and the sign behind it, and returns its short name.
fn push_type(out: &mut String, oid: &Oid<'_>) -> Option<&'static str> {
    let short = oids::attribute(oid.as_bytes());
    match short {
        Some(short) => out.push_str(short),
        None => out.push_str(&oid_text(oid)),
    }
    out.push('=');
    short
}

/// An object identifier in numbers; in hex where they are too large.
pub fn oid_text(oid: &Oid<'_>) -> String {
    let bytes = oid.as_bytes();
    if bytes.len() > limits::CERTIFICATE_OID_BYTES_MAX {
        return format!("0x{}", hex(bytes.get(..limits::CERTIFICATE_OID_BYTES_MAX).unwrap_or_default()));
    }
    match oid.iter() {
        Some(_) => oid.to_id_string(),
        None => format!("0x{}", hex(bytes)),
    }
}

/// One unit of text: a character, or a byte that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Char(char),
    Byte(u8),
}

/// The text of an attribute; `None` where it is of no type for texts.
fn text_of(value: &Any<'_>) -> Option<Vec<Unit>> {
    let bytes = value.data.get(..limits::CERTIFICATE_VALUE_BYTES_MAX).unwrap_or(value.data);
    Some(match value.tag().0 {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString, GeneralString.
        12 | 18 | 19 | 22 | 26 | 27 => utf8(bytes),
        // TeletexString: what programs write is Latin-1.
        20 if std::str::from_utf8(bytes).is_err() => bytes.iter().map(|b| Unit::Char(char::from(*b))).collect(),
        20 => utf8(bytes),
        // UniversalString and BMPString: big-endian.
        28 => wide::<4>(bytes, |b| char::from_u32(u32::from_be_bytes(b))),
        30 => {
            let units = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b));
            let mut out = Vec::with_capacity(bytes.len() / 2);
            for unit in char::decode_utf16(units) {
                match unit {
                    Ok(c) => out.push(Unit::Char(c)),
                    Err(e) => out.extend(e.unpaired_surrogate().to_be_bytes().map(Unit::Byte)),
                }
            }
            out.extend(bytes.as_chunks::<2>().1.iter().map(|b| Unit::Byte(*b)));
            out
        }
        _ => return None,
    })
}

fn wide<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> Option<char>) -> Vec<Unit> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    let mut out = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match read(*chunk) {
            Some(c) => out.push(Unit::Char(c)),
            None => out.extend(chunk.iter().map(|b| Unit::Byte(*b))),
        }
    }
    out.extend(rest.iter().map(|b| Unit::Byte(*b)));
    out
}

fn utf8(bytes: &[u8]) -> Vec<Unit> {
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.extend(chunk.valid().chars().map(Unit::Char));
        out.extend(chunk.invalid().iter().map(|b| Unit::Byte(*b)));
    }
    out
}

/// Whether a character drives a terminal or turns the direction of reading.
fn drives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push_unit(out: &mut String, unit: Unit) {
    match unit {
        Unit::Char(c) if drives(c) => {
            let mut buffer = [0; 4];
            for b in c.encode_utf8(&mut buffer).bytes() {
                let _ = write!(out, "\\{b:02x}");
            }
        }
        Unit::Char(c) => out.push(c),
        // Writing to a String cannot fail.
        Unit::Byte(b) => {
            let _ = write!(out, "\\{b:02x}");
        }
    }
}

/// Text with what cannot be shown as `\xx`.
fn shown(units: &[Unit]) -> String {
    units.iter().fold(String::with_capacity(units.len()), |mut out, unit| {
        push_unit(&mut out, *unit);
        out
    })
}

/// Likewise, and with what has a meaning in a distinguished name escaped (RFC 4514, section 2.4).
fn push_value(out: &mut String, units: &[Unit]) {
    for (at, unit) in units.iter().enumerate() {
        let edge = at == 0 || at + 1 == units.len();
        match *unit {
            Unit::Char('"' | '+' | ',' | ';' | '<' | '>' | '\\') => out.push('\\'),
            Unit::Char('#') if at == 0 => out.push('\\'),
            Unit::Char(' ') if edge => out.push('\\'),
            _ => {}
        }
        push_unit(out, *unit);
    }
}

/// Bytes that should be text, with what cannot be shown as `\xx`.
pub fn text(bytes: &[u8]) -> String {
    shown(&utf8(bytes.get(..limits::CERTIFICATE_VALUE_BYTES_MAX).unwrap_or(bytes)))
}

/// The names in a subjectAltName (RFC 5280, section 4.2.1.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AltNames {
    /// All of them as text, in their order: host names, addresses, mail addresses and URIs as they are, the
    /// others with what they are before them (`dirName:CN=...`, `otherName:1.2.3`, `registeredID:1.2.3`).
    pub all: Vec<String>,
    /// Host names, in lower case.
    pub hosts: Vec<String>,
    /// Addresses.
    pub addresses: Vec<Addr>,
    /// Whether there were more than [`limits::CERTIFICATE_ALT_NAMES_MAX`].
    pub cut: bool,
}

impl AltNames {
    /// Takes in the names of an extension.
    pub fn extend(&mut self, names: &[GeneralName<'_>]) {
        for name in names {
            if self.all.len() >= limits::CERTIFICATE_ALT_NAMES_MAX {
                self.cut = true;
                return;
            }
            let shown = match name {
                GeneralName::DNSName(host) => self.host(host.as_bytes()),
                GeneralName::Invalid(tag, bytes) if tag.0 == 2 => self.host(bytes),
                GeneralName::RFC822Name(s) | GeneralName::URI(s) => text(s.as_bytes()),
                GeneralName::IPAddress(bytes) => self.address(bytes),
                GeneralName::DirectoryName(name) => format!("dirName:{}", Name::new(name).text),
                GeneralName::OtherName(oid, _) => format!("otherName:{}", oid_text(oid)),
                GeneralName::RegisteredID(oid) => format!("registeredID:{}", oid_text(oid)),
                GeneralName::X400Address(_) => String::from("x400Address"),
                GeneralName::EDIPartyName(_) => String::from("ediPartyName"),
                GeneralName::Invalid(_, bytes) => text(bytes),
            };
            self.all.push(shown);
        }
    }

    fn host(&mut self, bytes: &[u8]) -> String {
        let shown = text(bytes);
        self.hosts.push(shown.to_ascii_lowercase());
        shown
    }

    fn address(&mut self, bytes: &[u8]) -> String {
        let addr = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
            (Ok(v4), _) => Addr::v4(v4),
            (_, Ok(v6)) => Addr(v6),
            _ => return format!("iPAddress:{}", hex(bytes.get(..64).unwrap_or(bytes))),
        };
        self.addresses.push(addr);
        addr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer;

    use super::*;

    /// A name of one part with these attributes: object identifier, tag, value.
    fn name(attributes: &[(&[u8], u8, &[u8])]) -> Name {
        let tlv = |tag: u8, content: &[u8]| {
            let len = content.len();
            let head: Vec<u8> =
                if len < 128 { vec![tag, len as u8] } else { vec![tag, 0x82, (len >> 8) as u8, len as u8] };
            [head, content.to_vec()].concat()
        };
        let parts: Vec<u8> = attributes
            .iter()
            .flat_map(|(oid, tag, value)| tlv(0x31, &tlv(0x30, &[tlv(6, oid), tlv(*tag, value)].concat())))
            .collect();
        Name::new(&X509Name::from_der(&tlv(0x30, &parts)).unwrap().1)
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];

    #[test]
    fn the_most_specific_part_comes_first() {
        let got = name(&[(&[0x55, 4, 6], 19, b"DE"), (O, 12, b"Example, Inc."), (CN, 12, b"a"), (CN, 12, b"b")]);
        assert_eq!(got.text, r"CN=b,CN=a,O=Example\, Inc.,C=DE");
        assert_eq!(got.common_names, ["b", "a"]);
        assert_eq!(got.organization.as_deref(), Some("Example, Inc."));
        assert_eq!(name(&[]).text, "");
        assert_eq!(name(&[(&[0x2b, 6, 1, 4, 1, 0x81, 0x1c], 12, b"x")]).text, "1.3.6.1.4.1.156=x");
    }

    #[test]
    fn strings_of_every_type_are_shown_and_what_cannot_be_is_escaped() {
        for (tag, value, shown) in [
            (12, &b"M\xc3\xbcller"[..], "Müller"),
            (12, b"M\xfcller", r"M\fcller"),
            (20, b"M\xfcller", "Müller"),
            (20, b"M\xc3\xbcller", "Müller"),
            (30, b"\0M\0\xfc\0l", "Mül"),
            (30, b"\0M\xd8\0\0l\x07", r"M\d8\00l\07"),
            (28, b"\0\0\0M\0\x11\0\0", r"M\00\11\00\00"),
            (19, b"*.a_b", "*.a_b"),
            (12, b"good.example\0.evil.example", r"good.example\00.evil.example"),
            (12, b"a\x1b[31m\x7f", r"a\1b[31m\7f"),
            (12, b"\xe2\x80\xaetxt", r"\e2\80\aetxt"),
            (12, b" #a=\"b\" ", r##"\ #a=\"b\"\ "##),
            (12, b"#a", r"\#a"),
            (12, b"", ""),
            (2, &[1, 2], "#0102"),
        ] {
            assert_eq!(name(&[(CN, tag, value)]).text, format!("CN={shown}"), "{tag} {value:?}");
        }
    }

    #[test]
    fn long_names_are_cut() {
        let long = name(&[(CN, 12, &[b'a'; 60_000])]);
        assert!(long.text.len() == limits::CERTIFICATE_VALUE_BYTES_MAX + 3 && long.cut);
        let many: Vec<(&[u8], u8, &[u8])> = vec![(O, 12, &[b'o'; 500]); 30];
        let many = name(&many);
        assert!(many.cut && many.text.len() == limits::CERTIFICATE_NAME_BYTES_MAX);
    }

    #[test]
    fn other_names_say_what_they_are() {
        let mut names = AltNames::default();
        names.extend(&[
            GeneralName::DNSName("A.example"),
            GeneralName::Invalid(x509_parser::asn1_rs::Tag(2), b"b\xff.example"),
            GeneralName::IPAddress(&[10, 0, 0, 1]),
            GeneralName::IPAddress(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            GeneralName::IPAddress(&[1, 2, 3]),
            GeneralName::RFC822Name("a@b.example"),
            GeneralName::URI("https://c.example/"),
            GeneralName::RegisteredID(Oid::new(vec![0x2a, 3].into())),
        ]);
        let all = ["A.example", r"b\ff.example", "10.0.0.1", "fe80::1", "iPAddress:010203", "a@b.example"];
        assert_eq!(names.all[..6], all);
        assert_eq!(names.all[6..], ["https://c.example/", "registeredID:1.2.3"]);
        assert_eq!(names.hosts, ["a.example", r"b\ff.example"]);
        assert_eq!(names.addresses.len(), 2);
        names.extend(&vec![GeneralName::DNSName("x"); 5000]);
        assert!(names.cut && names.all.len() == limits::CERTIFICATE_ALT_NAMES_MAX);
    }
}

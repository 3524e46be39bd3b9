//! The Basic Encoding Rules (ITU-T X.690) as far as SNMP needs them: definite lengths, tags of one byte,
//! integers, octet strings, object identifiers.
//!
//! Agents in the field write lengths in more bytes than needed, pad integers and send counters with
//! their sign bit set; all of that is read. Indefinite lengths (section 8.1.3.6), which RFC 3417 section
//! 8 forbids, are not.

use crate::base::bytes::{ReadError, Reader};

/// Tag of an INTEGER.
pub const INTEGER: u8 = 0x02;
/// Tag of an OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// Tag of an OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// Tag of a SEQUENCE.
pub const SEQUENCE: u8 = 0x30;

/// An element: its tag and its content.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// The tag byte.
    pub tag: u8,
    /// The content; what of it is there, where the message is cut.
    pub content: &'a [u8],
    /// Whether the content is shorter than its length says.
    pub is_cut: bool,
}

/// The length that follows a tag (section 8.1.3): at most four bytes of it.
fn length(r: &mut Reader<'_>) -> Result<usize, ReadError> {
    let first = r.u8("length")?;
    if first < 0x80 {
        return Ok(usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(ReadError::invalid("length"));
    }
    let bytes = r.take("length", count)?;
    Ok(bytes.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b)))
}

/// The next element. An element that is cut at the end of the input is given as far as it goes.
pub fn element<'a>(r: &mut Reader<'a>) -> Result<Element<'a>, ReadError> {
    let tag = r.u8("tag")?;
    if tag & 0x1f == 0x1f {
        return Err(ReadError::invalid("tag"));
    }
    let len = length(r)?;
    let is_cut = len > r.remaining();
    let content = if is_cut { r.rest() } else { r.take("content", len)? };
    Ok(Element { tag, content, is_cut })
}

/// The next element, which must have this tag.
pub fn expect<'a>(r: &mut Reader<'a>, field: &'static str, tag: u8) -> Result<&'a [u8], ReadError> {
    let found = element(r)?;
    if found.tag == tag { Ok(found.content) } else { Err(ReadError::invalid(field)) }
}

/// The next element, which must have this tag and be there as a whole.
pub fn whole<'a>(r: &mut Reader<'a>, field: &'static str, tag: u8) -> Result<&'a [u8], ReadError> {
    let found = element(r)?;
    if found.tag != tag {
        return Err(ReadError::invalid(field));
    }
    if found.is_cut {
        let there = found.content.len();
        return Err(ReadError::Short { field, needed: there + 1, there });
    }
    Ok(found.content)
}

/// The next element as a number.
pub fn integer(r: &mut Reader<'_>, field: &'static str) -> Result<i64, ReadError> {
    number(whole(r, field, INTEGER)?).ok_or(ReadError::invalid(field))
}

/// The value of an INTEGER: two's complement, at most eight bytes behind any padding.
pub fn number(content: &[u8]) -> Option<i64> {
    let negative = content.first()? & 0x80 != 0;
    let pad = if negative { 0xff } else { 0 };
    let start = content.iter().position(|b| *b != pad).unwrap_or(content.len());
    let digits = content.get(start..)?;
    if digits.len() > 8 {
        return None;
    }
    Some(digits.iter().fold(if negative { -1 } else { 0 }, |n, b| n << 8 | i64::from(*b)))
}

/// Bytes that a whole message takes, its tag and length included; `None` while that cannot be told,
/// an error where the bytes are no SEQUENCE.
pub fn message_len(bytes: &[u8]) -> Result<Option<usize>, ReadError> {
    let mut r = Reader::new(bytes);
    let Ok(tag) = r.u8("tag") else { return Ok(None) };
    if tag != SEQUENCE {
        return Err(ReadError::invalid("message"));
    }
    match length(&mut r) {
        Ok(len) => Ok(Some(r.position() + len)),
        Err(e) if e.is_short() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Most arcs of an object identifier (RFC 2578, section 3.5).
const ARCS_MAX: usize = 128;

/// An object identifier as text: `1.3.6.1.2.1.1.1.0`. `None` where an arc does not fit 32 bits
/// (RFC 2578, section 3.5) or the last one is cut.
pub fn oid_text(content: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(content.len() * 3);
    let mut arc = 0_u32;
    let mut arcs = 0;
    for b in content {
        arc = arc.checked_mul(128)? | u32::from(b & 0x7f);
        if b & 0x80 != 0 {
            continue;
        }
        if arcs == 0 {
            let first = (arc / 40).min(2);
            write!(out, "{first}.{}", arc - first * 40).ok()?;
        } else {
            write!(out, ".{arc}").ok()?;
        }
        arc = 0;
        arcs += 1;
        if arcs > ARCS_MAX {
            return None;
        }
    }
    let ended = content.last().is_some_and(|b| b & 0x80 == 0);
    ended.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_form() {
        let one = |bytes: &[u8]| element(&mut Reader::new(bytes)).map(|e| (e.content.to_vec(), e.is_cut));
        assert_eq!(one(&[4, 1, 7]).unwrap(), (vec![7], false));
        assert_eq!(one(&[4, 0x84, 0, 0, 0, 1, 7]).unwrap(), (vec![7], false), "longer than needed");
        assert_eq!(one(&[4, 0x82, 0xff, 0xff, 7]).unwrap(), (vec![7], true));
        assert!(one(&[4, 0x80, 7]).is_err(), "indefinite");
        assert!(one(&[4, 0x85, 0, 0, 0, 0, 1, 7]).is_err());
        assert!(one(&[0x1f, 1, 7]).is_err(), "long tag");
        assert!(one(&[4]).is_err());
    }

    #[test]
    fn numbers_with_sign_and_padding() {
        assert_eq!(number(&[0x00, 0xff]), Some(255));
        assert_eq!(number(&[0xff]), Some(-1));
        assert_eq!(number(&[0xff, 0xff, 0x38]), Some(-200));
        assert_eq!(number(&[0x7f; 8]), Some(0x7f7f_7f7f_7f7f_7f7f));
        assert_eq!(number(&[0x7f; 9]), None);
        assert_eq!(number(&[0; 12]), Some(0));
        assert_eq!(number(&[]), None);
    }

    #[test]
    fn object_identifiers() {
        // X.690, section 8.19.5: 2.999.3; and sysDescr.0.
        assert_eq!(oid_text(&[0x88, 0x37, 0x03]).unwrap(), "2.999.3");
        assert_eq!(oid_text(&[0x2b, 6, 1, 2, 1, 1, 1, 0]).unwrap(), "1.3.6.1.2.1.1.1.0");
        assert_eq!(oid_text(&[0x2b, 6, 1, 0x8f, 0xff, 0xff, 0xff, 0x7f]).unwrap(), "1.3.6.1.4294967295");
        assert_eq!(oid_text(&[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None, "an arc of more than 32 bits");
        assert_eq!(oid_text(&[0x2b, 0x81]), None);
        assert_eq!(oid_text(&[]), None);
        assert_eq!(oid_text(&[1; 200]), None);
    }

    #[test]
    fn how_long_a_message_is() {
        assert_eq!(message_len(&[]).unwrap(), None);
        assert_eq!(message_len(&[0x30, 0x82, 1]).unwrap(), None);
        assert_eq!(message_len(&[0x30, 0x82, 1, 0]).unwrap(), Some(260));
        assert!(message_len(&[0x31, 1]).is_err());
    }
}

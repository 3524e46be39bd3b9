//! BSON documents (bsonspec.org, version 1.1) as far as logins need it: names and simple values.

use crate::base::{ReadError, Reader, limits};
use crate::proto::framing::until_nul;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a [u8]),
    /// Bytes.
    Binary(&'a [u8]),
    /// A document or an array.
    Document(&'a [u8]),
    /// A number of any kind, or a truth value.
    Number(f64),
    /// Something else.
    Other,
}

/// The elements of a document, in order; `each` says whether it wants more.
pub fn elements<'a>(document: &'a [u8], mut each: impl FnMut(&'a [u8], Value<'a>) -> bool) -> Result<(), ReadError> {
    let mut r = Reader::new(document);
    let len = r.le32("document length")? as usize;
    let mut r = Reader::new(r.take("document", len.saturating_sub(4).min(r.remaining()))?);
    for _ in 0..limits::BSON_ELEMENTS_MAX {
        let kind = r.u8("kind")?;
        if kind == 0 {
            break;
        }
        let Some((name, _)) = until_nul(r.peek_rest()) else { return Err(ReadError::invalid("name")) };
        r.skip("name", name.len() + 1)?;
        let value = match kind {
            1 => Value::Number(f64::from_bits(r.le64("double")?)),
            2 | 13 | 14 => {
                let len = r.le32("text length")? as usize;
                let text = r.take("text", len)?;
                Value::Text(text.strip_suffix(b"\0").unwrap_or(text))
            }
            3 | 4 => {
                let mut peek = r;
                let len = peek.le32("document length")? as usize;
                Value::Document(r.take("document", len.max(5))?)
            }
            5 => {
                let len = r.le32("binary length")? as usize;
                r.skip("binary kind", 1)?;
                Value::Binary(r.take("binary", len)?)
            }
            7 => {
                r.skip("object identifier", 12)?;
                Value::Other
            }
            8 => Value::Number(f64::from(r.u8("boolean")?)),
            16 => Value::Number(f64::from(r.le32("number")? as i32)),
            9 | 17 | 18 => Value::Number(r.le64("number")? as i64 as f64),
            6 | 10 | 0xff | 0x7f => Value::Other,
            19 => {
                r.skip("decimal", 16)?;
                Value::Other
            }
            _ => return Err(ReadError::invalid("kind")),
        };
        if !each(name, value) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_many_elements_is_found() {
        let inner = [b"\x0ax\0".repeat(500), b"\x02user\0\x02\0\0\0u\0\0".to_vec()].concat();
        let document = [(inner.len() as u32 + 4).to_le_bytes().to_vec(), inner].concat();
        let mut found = None;
        elements(&document, |name, value| {
            found = (name == b"user").then_some(value).or(found);
            true
        })
        .unwrap();
        assert_eq!(found, Some(Value::Text(b"u")));
    }

    #[test]
    fn elements_in_order_until_enough() {
        let document = b"\x26\0\0\0\x10ismaster\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\x08x\0\x01\0";
        let mut seen = Vec::new();
        elements(document, |name, value| {
            seen.push(format!("{} {value:?}", String::from_utf8_lossy(name)));
            true
        })
        .unwrap();
        assert_eq!(seen, ["ismaster Number(1.0)", "$db Text([97, 100, 109, 105, 110])", "x Number(1.0)"]);
        for end in 0..document.len() {
            let _ = elements(&document[..end], |_, _| true);
        }
        assert!(elements(b"\xff\xff\xff\x7f\x05a\0\xff\xff\xff\x7f\0", |_, _| true).is_err());
    }
}

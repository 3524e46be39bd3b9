//! The little of XML that XMPP's streams need (RFC 6120, section 11): tags with their attributes, and
//! the text between them, from bytes that come in any pieces.

use crate::base::limits;
use crate::proto::text;

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A tag, and how many bytes it takes.
    Tag(Tag<'a>, usize),
    /// Text, as far as it is there, with its escapes.
    Text(&'a [u8]),
    /// A tag that has not come to its end.
    Open,
    /// So many bytes of a tag that is too long for one, to be passed over.
    Long(usize),
}

/// A tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Name without its prefix.
    pub name: &'a [u8],
    /// What stands behind the name.
    attributes: &'a [u8],
    /// Whether it opens an element: `<a>` and `<a/>`.
    pub opens: bool,
    /// Whether it closes one: `</a>` and `<a/>`.
    pub closes: bool,
}

impl<'a> Tag<'a> {
    fn new(inner: &'a [u8]) -> Self {
        let (inner, end) = match inner.strip_prefix(b"/") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let (inner, empty) = match inner.strip_suffix(b"/") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let at = inner.iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(at);
        let name = name.rsplit(|c| *c == b':').next().unwrap_or_default();
        Self { name, attributes, opens: !end, closes: end || empty }
    }

    /// The value of an attribute, its escapes decoded; empty where it has none.
    pub fn attribute(&self, name: &[u8]) -> Vec<u8> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_ascii_start();
            let Some((key, tail)) = text::split_once(rest, b'=') else { return Vec::new() };
            let Some((quote, tail)) = tail.trim_ascii_start().split_first() else { return Vec::new() };
            let Some((value, tail)) = text::split_once(tail, *quote) else { return Vec::new() };
            if key.trim_ascii() == name {
                return unescaped(value);
            }
            rest = tail;
        }
    }
}

/// The next token of some bytes that are not empty.
pub fn next(bytes: &[u8]) -> Token<'_> {
    let Some(inner) = bytes.strip_prefix(b"<") else {
        let end = memchr::memchr(b'<', bytes).unwrap_or(bytes.len());
        return Token::Text(bytes.get(..end).unwrap_or_default());
    };
    let window = inner.get(..limits::XML_TAG_BYTES_MAX).unwrap_or(inner);
    let mut quote = None;
    let end = window.iter().position(|c| {
        match (quote, c) {
            (None, b'"' | b'\'') => quote = Some(*c),
            (Some(open), c) if open == *c => quote = None,
            _ => {}
        }
        quote.is_none() && *c == b'>'
    });
    match end {
        Some(end) => Token::Tag(Tag::new(window.get(..end).unwrap_or_default()), end + 2),
        // No tag is that long. All that was searched is passed over, so that nothing is searched twice.
        None if window.len() == limits::XML_TAG_BYTES_MAX => Token::Long(window.len() + 1),
        None => Token::Open,
    }
}

/// Text with its escapes decoded: the five names of XML and numbers.
pub fn unescaped(raw: &[u8]) -> Vec<u8> {
    /// Longest escape, without its ends.
    const ESCAPE_BYTES_MAX: usize = 8;
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((c, tail)) = rest.split_first() {
        rest = tail;
        let end = if *c == b'&' { tail.iter().take(ESCAPE_BYTES_MAX + 1).position(|c| *c == b';') } else { None };
        let decoded = end.and_then(|end| {
            let name = tail.get(..end)?;
            Some((escape(name)?, end))
        });
        match decoded {
            Some((c, end)) => {
                let mut utf8 = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
                rest = tail.get(end + 1..).unwrap_or_default();
            }
            None => out.push(*c),
        }
    }
    out
}

fn escape(name: &[u8]) -> Option<char> {
    Some(match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x', digits @ ..] => char::from_u32(u32::try_from(text::hexadecimal(digits)?).ok()?)?,
        [b'#', digits @ ..] => char::from_u32(u32::try_from(text::decimal(digits)?).ok()?)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_their_attributes() {
        let Token::Tag(tag, 61) = next(b"<stream:stream to='a.example' version = \"1.0\" x='>' a='&lt;'>rest") else {
            panic!("a tag")
        };
        assert_eq!((tag.name, tag.opens, tag.closes), (&b"stream"[..], true, false));
        assert_eq!(tag.attribute(b"to"), b"a.example");
        assert_eq!(tag.attribute(b"version"), b"1.0");
        assert_eq!(tag.attribute(b"a"), b"<");
        assert_eq!(tag.attribute(b"b"), b"");
        let Token::Tag(tag, _) = next(b"</db:a>") else { panic!("a tag") };
        assert_eq!((tag.name, tag.opens, tag.closes), (&b"a"[..], false, true));
        let Token::Tag(tag, _) = next(b"<a/>") else { panic!("a tag") };
        assert_eq!((tag.name, tag.opens, tag.closes), (&b"a"[..], true, true));
        assert_eq!(next(b"<a b='>"), Token::Open);
        assert_eq!(next(b"text<a>"), Token::Text(b"text"));
        assert_eq!(
            next(&[b"<".to_vec(), vec![b'x'; limits::XML_TAG_BYTES_MAX]].concat()),
            Token::Long(limits::XML_TAG_BYTES_MAX + 1)
        );
        let Token::Tag(tag, _) = next(b"<>") else { panic!("a tag") };
        assert_eq!(tag.attribute(b"x"), b"");
    }

    #[test]
    fn starts_without_an_end_are_searched_once() {
        let bytes = vec![b'<'; 100 * (limits::XML_TAG_BYTES_MAX + 1)];
        let (mut rest, mut steps) = (&bytes[..], 0);
        while let Token::Long(n) = next(rest) {
            rest = &rest[n..];
            steps += 1;
        }
        assert_eq!((steps, rest.len()), (100, 0));
    }

    #[test]
    fn escapes() {
        assert_eq!(unescaped(b"a&amp;b&#65;&#x42;&quot;&no;&"), b"a&bAB\"&no;&");
        assert_eq!(
            unescaped(b"&#x110000;&#xD800;&averyveryverylongname;"),
            b"&#x110000;&#xD800;&averyveryverylongname;"
        );
    }
}

//! Just enough XML for what devices send: the texts of elements, wherever they stand, from a document
//! that may be cut. Nothing is built, nothing is resolved, so that no document costs more than its length.

use crate::base::limits;

/// Elements of one document that are looked at.
const ELEMENTS_MAX: usize = 4096;

/// Hands over every element that holds a text and nothing else: its name without prefix, and the text,
/// trimmed, escapes as they are.
pub fn elements<'a>(document: &'a [u8], tell: &mut dyn FnMut(&'a [u8], &'a [u8])) {
    walk(document, &mut |tag, text| tell(local_name(tag), text));
}

/// The same with the whole start tag (name, attributes) without its brackets.
pub fn walk<'a>(document: &'a [u8], tell: &mut dyn FnMut(&'a [u8], &'a [u8])) {
    let mut starts = memchr::memchr_iter(b'<', document).take(ELEMENTS_MAX).peekable();
    while let Some(at) = starts.next() {
        let piece = document.get(at + 1..).unwrap_or_default();
        if !piece.first().is_some_and(|c| c.is_ascii_alphabetic() || *c == b'_') {
            continue;
        }
        // A text ends with the next tag; without one it is cut.
        let Some(next) = starts.peek().map(|n| n - at - 1) else { return };
        let Some(end) = memchr::memchr(b'>', piece.get(..next).unwrap_or_default()) else { continue };
        let tag = piece.get(..end).unwrap_or_default();
        let text = piece.get(end + 1..next).unwrap_or_default().trim_ascii();
        let behind = piece.get(next..).unwrap_or_default();
        if let Some(inner) = behind.strip_prefix(b"<![CDATA[") {
            let end = memchr::memmem::find(inner, b"]]>");
            tell(tag, inner.get(..end.unwrap_or(inner.len())).unwrap_or_default().trim_ascii());
            // What stands in it is no mark; without an end all the rest is in it.
            let Some(end) = end else { return };
            let behind = document.len() - inner.len() + end;
            while starts.next_if(|n| *n < behind).is_some() {}
        } else if behind.starts_with(b"</") && !tag.ends_with(b"/") && !text.is_empty() {
            tell(tag, text);
        }
    }
}

/// The name in a tag without its prefix.
pub fn local_name(tag: &[u8]) -> &[u8] {
    let name = tag.split(|c| c.is_ascii_whitespace() || *c == b'/').next().unwrap_or_default();
    name.rsplit(|c| *c == b':').next().unwrap_or_default()
}

/// A text without the five escapes that XML knows by itself (XML 1.0, section 4.6).
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    const ESCAPES: [(&[u8], u8); 5] =
        [(b"&lt;", b'<'), (b"&gt;", b'>'), (b"&amp;", b'&'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    let mut out = Vec::with_capacity(text.len().min(limits::TEXT_BYTES_MAX));
    let mut rest = text;
    while let Some((c, tail)) = rest.split_first().filter(|_| out.len() < limits::TEXT_BYTES_MAX) {
        match ESCAPES.iter().find(|(e, _)| rest.starts_with(e)) {
            Some((escape, plain)) => {
                out.push(*plain);
                rest = rest.get(escape.len()..).unwrap_or_default();
            }
            None => {
                out.push(*c);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_elements() {
        let document = b"<?xml version='1.0'?><a:root xmlns='u'><a:model x='1'> B &amp; C </a:model><e/><n></n>\
                         <c><![CDATA[1 < 2]]></c><!-- <no>x</no --><cut>half";
        let mut out = Vec::new();
        elements(document, &mut |n, t| out.push((n.to_vec(), unescaped(t))));
        assert_eq!(out[0], (b"model".to_vec(), b"B & C".to_vec()));
        assert_eq!(out[1], (b"c".to_vec(), b"1 < 2".to_vec()));
        assert_eq!(unescaped(b"&lt;&unknown;"), b"<&unknown;");
        // Each start would be searched for its end: one is enough.
        let mut told = 0;
        elements(&b"<a><![CDATA[".repeat(1000), &mut |_, _| told += 1);
        assert_eq!(told, 1);
        let mut out = Vec::new();
        elements(b"<a><![CDATA[<b>x</b>]]></a><c>y</c>", &mut |n, _| out.push(n));
        assert_eq!(out, [b"a", b"c"]);
        for end in 0..document.len() {
            elements(&document[..end], &mut |_, _| {});
        }
    }
}

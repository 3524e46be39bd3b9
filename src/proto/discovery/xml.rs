//! The little of XML that discovery needs: elements and the text behind their start, in one pass and
//! without a tree.

use crate::base::limits;

/// A start or end of an element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'e> {
    /// Its name without the prefix of its namespace.
    pub name: &'e [u8],
    /// Whether it ends here.
    pub closes: bool,
    /// The text between its start and the next mark, without blanks around it; not unescaped.
    pub text: &'e [u8],
}

/// Iterates over the elements of a document; declarations and comments are passed over.
#[derive(Debug)]
pub struct Elements<'e> {
    rest: &'e [u8],
    left: usize,
    cut: bool,
}

impl<'e> Elements<'e> {
    /// From the beginning of a document. At most [`limits::XML_ELEMENTS_MAX`] marks are looked at.
    pub const fn new(bytes: &'e [u8]) -> Self {
        Self { rest: bytes, left: limits::XML_ELEMENTS_MAX, cut: false }
    }

    /// Whether there were more elements than are looked at.
    pub const fn was_cut(&self) -> bool {
        self.cut
    }

    /// The mark that begins next, from behind its `<` to before its `>`.
    fn mark(&mut self) -> Option<&'e [u8]> {
        let start = memchr::memchr(b'<', self.rest)?;
        let inside = self.rest.get(start + 1..)?;
        let (close, len): (&[u8], usize) = if inside.starts_with(b"!--") { (b"-->", 3) } else { (b">", 1) };
        let end = memchr::memmem::find(inside, close)?;
        self.rest = inside.get(end + len..)?;
        inside.get(..end)
    }
}

impl<'e> Iterator for Elements<'e> {
    type Item = Element<'e>;

    fn next(&mut self) -> Option<Element<'e>> {
        loop {
            let mark = self.mark()?;
            let Some(left) = self.left.checked_sub(1) else {
                self.cut = true;
                return None;
            };
            self.left = left;
            if matches!(mark.first(), None | Some(b'!' | b'?')) {
                continue;
            }
            let closes = mark.first() == Some(&b'/');
            let mark = mark.strip_prefix(b"/").unwrap_or(mark);
            let full = mark.split(|c| c.is_ascii_whitespace() || *c == b'/').next().unwrap_or_default();
            let name = full.rsplit(|c| *c == b':').next().unwrap_or(full);
            let text = self.rest.get(..memchr::memchr(b'<', self.rest).unwrap_or(self.rest.len())).unwrap_or_default();
            // What `<a/>` is followed by is not its text.
            let text = if closes || mark.ends_with(b"/") { &[][..] } else { text.trim_ascii() };
            return Some(Element { name, closes, text });
        }
    }
}

/// Replaces the five entities that XML itself defines (XML 1.0, section 4.6).
pub fn unescaped(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    const ENTITIES: [(&[u8], u8); 5] =
        [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    if memchr::memchr(b'&', text).is_none() {
        return text.into();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        match ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity)) {
            Some((entity, c)) => {
                out.push(*c);
                rest = rest.get(entity.len()..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let show = |e: Element<'_>| {
            let closes = if e.closes { "/" } else { "" };
            format!("{closes}{}={}", String::from_utf8_lossy(e.name), String::from_utf8_lossy(e.text))
        };
        Elements::new(text.as_bytes()).map(show).collect()
    }

    #[test]
    fn elements_with_prefixes_comments_and_attributes() {
        assert_eq!(names("<?xml?><!-- <x> --><s:a b=\"c\"> hello <d/>tail</s:a\n>"), ["a=hello", "d=", "/a="]);
        assert_eq!(names("<a<b>x"), ["a<b=x"]);
        assert_eq!(names("<a>x<b"), ["a=x"]);
        assert!(names("<<<<").is_empty());
        assert_eq!(names("<>< ></>"), ["=", "/="]);
    }

    #[test]
    fn entities() {
        assert_eq!(&*unescaped(b"a&amp;b&lt;&#65;&"), b"a&b<&#65;&");
        assert_eq!(&*unescaped(b"plain"), b"plain");
    }
}

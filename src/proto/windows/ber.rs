//! BER with definite lengths (X.690, sections 8.1.2 and 8.1.3): what LDAP, Kerberos and SPNEGO are
//! written in. Tag numbers above 30 and indefinite lengths do not occur there and are refused.

/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;

/// The identifier octet of a constructed context-specific tag, `[n]`.
pub const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// The beginning of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Identifier octet.
    pub tag: u8,
    /// Bytes of identifier and length.
    pub head: usize,
    /// Bytes of content.
    pub len: usize,
}

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// An element begins.
    Head(Head),
    /// Its head is not complete.
    Short,
    /// It is no BER that is read here.
    Bad,
}

/// Reads identifier and length.
pub fn front(bytes: &[u8]) -> Front {
    let (tag, first, rest) = match bytes {
        [tag, first, rest @ ..] => (*tag, *first, rest),
        [tag] if tag & 0x1f == 0x1f => return Front::Bad,
        _ => return Front::Short,
    };
    if tag & 0x1f == 0x1f {
        return Front::Bad;
    }
    let count = usize::from(first & 0x7f);
    let (len, extra) = match first {
        0..=0x7f => (usize::from(first), 0),
        0x81..=0x84 => match rest.get(..count) {
            Some(digits) => (digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)), count),
            None => return Front::Short,
        },
        _ => return Front::Bad,
    };
    Front::Head(Head { tag, head: 2 + extra, len })
}

/// Elements one behind the other. Ends at the first that does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The elements that some bytes consist of.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element, if it has this tag; else nothing is used.
    pub fn want(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.next().map(|(_, body)| body)
    }

    /// The content of the next element, which has this tag, as elements.
    pub fn enter(&mut self, tag: u8) -> Option<Elements<'a>> {
        self.want(tag).map(Elements)
    }

    /// The content of the first element with this tag among those that follow.
    pub fn find(mut self, tag: u8) -> Option<&'a [u8]> {
        self.find_map(|(t, body)| (t == tag).then_some(body))
    }

    /// What is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let Front::Head(h) = front(self.0) else { return None };
        let body = self.0.get(h.head..)?.get(..h.len)?;
        self.0 = self.0.get(h.head + h.len..).unwrap_or_default();
        Some((h.tag, body))
    }
}

/// An integer of at most eight bytes.
pub fn integer(body: &[u8]) -> Option<i64> {
    let first = *body.first()?;
    if body.len() > 8 {
        return None;
    }
    let sign = if first & 0x80 != 0 { -1 } else { 0 };
    Some(body.iter().fold(sign, |n: i64, b| n << 8 | i64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_end_where_one_does_not_fit() {
        let bytes = [0x02, 1, 5, 0x04, 0x81, 2, b'a', b'b', 0x30, 9, 0];
        let mut e = Elements::new(&bytes);
        assert_eq!(e.want(OCTETS), None);
        assert_eq!(e.want(INTEGER).and_then(integer), Some(5));
        assert_eq!(e.find(OCTETS), Some(&b"ab"[..]));
        assert_eq!(e.next(), Some((OCTETS, &b"ab"[..])));
        assert_eq!(e.next(), None);
    }

    #[test]
    fn heads_are_bounded() {
        assert_eq!(front(&[0x30, 0x82, 1]), Front::Short);
        assert_eq!(front(&[0x30, 0x80]), Front::Bad);
        assert_eq!(front(&[0x30, 0x85, 0, 0, 0, 0, 1]), Front::Bad);
        assert_eq!(front(&[0x1f]), Front::Bad);
        assert_eq!(
            front(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
            Front::Head(Head { tag: 0x30, head: 6, len: 0xffff_ffff })
        );
        assert_eq!(Elements::new(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).next(), None);
    }

    #[test]
    fn integers_have_a_sign() {
        assert_eq!(integer(&[0xff]), Some(-1));
        assert_eq!(integer(&[0, 0xff]), Some(255));
        assert_eq!(integer(&[1; 9]), None);
        assert_eq!(integer(&[]), None);
    }
}

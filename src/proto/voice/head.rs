//! Heads of messages in the form of RFC 3261, section 7, and RFC 2326, section 4: a start line, fields, an
//! empty line. SIP and RTSP share it.

use std::borrow::Cow;

use crate::base::limits;
use crate::proto::text;

/// Fields of one head that are looked at.
const FIELDS_MAX: usize = 128;

/// The head of a message.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The first line, without its end.
    pub start: &'a [u8],
    fields: &'a [u8],
    /// Bytes of the head with its empty line.
    pub len: usize,
}

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// A whole head.
    Whole(Head<'a>),
    /// Its end has not come.
    Open,
    /// More bytes than a head may have, and no end.
    TooLong,
}

impl<'a> Head<'a> {
    /// The head that `bytes` begin with. Lines may end with CRLF or LF alone.
    pub fn find(bytes: &'a [u8]) -> Found<'a> {
        let window = bytes.get(..limits::MESSAGE_HEAD_BYTES_MAX).unwrap_or(bytes);
        let mut line_at = 0;
        let mut start = None;
        while let Some(n) = memchr::memchr(b'\n', window.get(line_at..).unwrap_or_default()) {
            let line = window.get(line_at..line_at + n).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let next = line_at + n + 1;
            match start {
                None => start = Some((line, next)),
                Some((start, fields_at)) if line.is_empty() => {
                    let fields = window.get(fields_at..line_at).unwrap_or_default();
                    return Found::Whole(Self { start, fields, len: next });
                }
                Some(_) => {}
            }
            line_at = next;
        }
        if window.len() == limits::MESSAGE_HEAD_BYTES_MAX { Found::TooLong } else { Found::Open }
    }

    /// A datagram is a whole message: its head may lack the empty line.
    pub fn of_datagram(bytes: &'a [u8]) -> Self {
        match Self::find(bytes) {
            Found::Whole(head) => head,
            Found::Open | Found::TooLong => {
                let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
                let (start, fields) = bytes.split_at(end);
                let fields = fields.get(1..).unwrap_or_default();
                Self { start: start.strip_suffix(b"\r").unwrap_or(start), fields, len: bytes.len() }
            }
        }
    }

    /// The fields: name and value, a value that goes on in further lines joined by blanks (RFC 3261,
    /// section 7.3.1).
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], Cow<'a, [u8]>)> {
        let mut rest = self.fields;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut end = 0;
            loop {
                match memchr::memchr(b'\n', rest.get(end..).unwrap_or_default()) {
                    Some(n) => end += n + 1,
                    None => end = rest.len(),
                }
                if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            let (line, tail) = rest.split_at(end);
            rest = tail;
            Some(line.trim_ascii_end())
        })
        .take(FIELDS_MAX)
        .filter_map(|line| {
            let (name, value) = text::split_once(line, b':')?;
            let value = value.trim_ascii();
            let folded = memchr::memchr(b'\n', value).is_some();
            let value: Cow<'a, [u8]> = if folded {
                value
                    .split(|c| matches!(c, b'\r' | b'\n'))
                    .map(<[u8]>::trim_ascii)
                    .filter(|p| !p.is_empty())
                    .collect::<Vec<_>>()
                    .join(&b' ')
                    .into()
            } else {
                value.into()
            };
            Some((name.trim_ascii(), value))
        })
    }

    /// The value of the first field of a name, or of its short form (0 where it has none).
    pub fn field(&self, name: &[u8], short: u8) -> Option<Cow<'a, [u8]>> {
        let is =
            |n: &[u8]| n.eq_ignore_ascii_case(name) || short != 0 && matches!(n, [c] if c.eq_ignore_ascii_case(&short));
        self.fields().find(|(n, _)| is(n)).map(|(_, value)| value)
    }

    /// Length of the body, where the head tells it.
    pub fn content_length(&self) -> Option<u64> {
        text::decimal(&self.field(b"content-length", b'l')?)
    }
}

/// A text of at most [`limits::MESSAGE_FIELD_BYTES_MAX`] bytes that is kept.
pub fn kept(text: &[u8]) -> Box<[u8]> {
    text.get(..limits::MESSAGE_FIELD_BYTES_MAX).unwrap_or(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_with_folded_fields_and_short_names() {
        let bytes =
            b"INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/UDP a\r\nSubject: one\r\n  two\r\n\tthree\nl : 4\r\n\r\nbody";
        let Found::Whole(head) = Head::find(bytes) else { panic!("whole") };
        assert_eq!(head.start, b"INVITE sip:b@x SIP/2.0");
        assert_eq!(&bytes[head.len..], b"body");
        assert_eq!(&*head.field(b"subject", 0).unwrap(), b"one two three");
        assert_eq!(&*head.field(b"via", b'v').unwrap(), b"SIP/2.0/UDP a");
        assert_eq!(head.content_length(), Some(4));
        for cut in 0..bytes.len() - 4 {
            assert!(matches!(Head::find(&bytes[..cut]), Found::Open), "{cut}");
        }
    }

    #[test]
    fn an_endless_head_is_refused_and_a_datagram_may_be_cut() {
        let long = vec![b'x'; limits::MESSAGE_HEAD_BYTES_MAX];
        assert!(matches!(Head::find(&long), Found::TooLong));
        let head = Head::of_datagram(b"SIP/2.0 200 OK\r\nServer: a");
        assert_eq!(&*head.field(b"SERVER", 0).unwrap(), b"a");
        assert_eq!(Head::of_datagram(b"").start, b"");
    }
}

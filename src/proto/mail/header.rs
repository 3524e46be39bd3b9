//! The header of a message (RFC 5322), as mail and news carry it: the fields that say who sent what to
//! whom, and by which program.

use crate::base::limits;
use crate::proto::text;

/// A field that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Author.
    From,
    /// Addressees.
    To,
    /// Subject.
    Subject,
    /// Identifier of the message.
    MessageId,
    /// When the author says that it was written.
    Date,
    /// The program that it was written with: `User-Agent`, `X-Mailer`, `X-Newsreader`.
    UserAgent,
}

/// How many fields are kept.
const FIELDS: usize = 6;

const NAMES: [(&[u8], Field); FIELDS + 2] = [
    (b"from", Field::From),
    (b"to", Field::To),
    (b"subject", Field::Subject),
    (b"message-id", Field::MessageId),
    (b"date", Field::Date),
    (b"user-agent", Field::UserAgent),
    (b"x-mailer", Field::UserAgent),
    (b"x-newsreader", Field::UserAgent),
];

/// Reads a header line by line.
#[derive(Debug, Default)]
pub struct Header {
    fields: [Vec<u8>; FIELDS],
    /// The field that a folded line goes on with.
    open: Option<Field>,
    /// Bytes so far.
    seen: usize,
    relayed: bool,
}

/// What a line was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The header goes on.
    More,
    /// The empty line behind it.
    Ended,
    /// It is longer than is believed.
    TooLong,
}

impl Header {
    /// Takes the next line, without its end.
    pub fn line(&mut self, line: &[u8]) -> Progress {
        if line.is_empty() {
            return Progress::Ended;
        }
        self.seen += line.len() + 1;
        if self.seen > limits::MAIL_HEADER_BYTES_MAX {
            return Progress::TooLong;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some(field) = self.open {
                self.add(field, line.trim_ascii());
            }
            return Progress::More;
        }
        self.open = None;
        let Some((name, value)) = text::split_once(line, b':') else { return Progress::More };
        let name = name.trim_ascii();
        self.relayed |= name.eq_ignore_ascii_case(b"received");
        let known = NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        if let Some((_, field)) = known
            && self.get(*field).is_empty()
        {
            self.open = Some(*field);
            self.add(*field, value.trim_ascii());
        }
        Progress::More
    }

    fn add(&mut self, field: Field, value: &[u8]) {
        let Some(kept) = self.fields.get_mut(field as usize) else { return };
        if !kept.is_empty() {
            kept.push(b' ');
        }
        let room = limits::MAIL_FIELD_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(value.get(..room).unwrap_or(value));
    }

    /// A field as it was sent, its folded lines joined; empty where there was none.
    pub fn get(&self, field: Field) -> &[u8] {
        self.fields.get(field as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether another server has passed the message on before (`Received`): then its author's program
    /// does not run on the host that sends it.
    pub const fn is_relayed(&self) -> bool {
        self.relayed
    }
}

/// A field with its encoded words decoded (RFC 2047): UTF-8, US-ASCII and Latin-1, which is what most
/// are. Others stay as they are.
pub fn decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (before, word) = rest.split_at(at);
        // Blanks between two encoded words are not part of the text (section 6.2).
        if !(after_word && before.trim_ascii().is_empty()) {
            out.extend_from_slice(before);
        }
        if let Some((text, len)) = encoded_word(word) {
            out.extend_from_slice(&text);
            rest = word.get(len..).unwrap_or_default();
            after_word = true;
        } else {
            out.extend_from_slice(b"=?");
            rest = word.get(2..).unwrap_or_default();
            after_word = false;
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Decodes `=?charset?B?text?=` at the front, and says how long it is.
fn encoded_word(word: &[u8]) -> Option<(Vec<u8>, usize)> {
    /// Longest encoded word (section 2), with room for who does not keep to it.
    const WORD_BYTES_MAX: usize = 256;
    let window = word.get(..WORD_BYTES_MAX).unwrap_or(word).get(2..)?;
    let (charset, rest) = text::split_once(window, b'?')?;
    let (encoding, rest) = text::split_once(rest, b'?')?;
    let end = memchr::memmem::find(rest, b"?=")?;
    let text = rest.get(..end)?;
    let len = 2 + charset.len() + 1 + encoding.len() + 1 + end + 2;
    let bytes = match encoding {
        b"B" | b"b" => text::base64(text)?,
        b"Q" | b"q" => quoted(text),
        _ => return None,
    };
    let charset = charset.split(|c| *c == b'*').next().unwrap_or_default();
    let is = |names: &[&[u8]]| names.iter().any(|n| n.eq_ignore_ascii_case(charset));
    if is(&[b"utf-8", b"utf8", b"us-ascii"]) {
        return Some((bytes, len));
    }
    if is(&[b"iso-8859-1", b"iso-8859-15", b"windows-1252"]) {
        return Some((bytes.iter().map(|b| char::from(*b)).collect::<String>().into_bytes(), len));
    }
    None
}

/// `=41` for a byte and `_` for a blank (section 4.2).
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, tail)) = rest.split_first() {
        rest = tail;
        match (c, tail.get(..2).and_then(text::hexadecimal)) {
            (b'=', Some(byte)) => {
                out.push(byte as u8);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'_', _) => out.push(b' '),
            (c, _) => out.push(*c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_joined_and_the_first_counts() {
        let mut header = Header::default();
        for line in ["Subject: one", "\ttwo", "X-Other: a", " b", "subject: three", "FROM:a@b", "To : c@d"] {
            assert_eq!(header.line(line.as_bytes()), Progress::More);
        }
        assert_eq!(header.line(b""), Progress::Ended);
        assert_eq!(header.get(Field::Subject), b"one two");
        assert_eq!((header.get(Field::From), header.get(Field::To)), (&b"a@b"[..], &b"c@d"[..]));
        assert!(!header.is_relayed());
        header.line(b"Received: from x");
        assert!(header.is_relayed());
    }

    #[test]
    fn a_header_without_an_end_is_bounded() {
        let mut header = Header::default();
        let long = [b"Subject: ".to_vec(), vec![b'x'; 2000]].concat();
        let told = (0..100).map(|_| header.line(&long)).find(|p| *p == Progress::TooLong);
        assert_eq!(told, Some(Progress::TooLong));
        assert_eq!(header.get(Field::Subject).len(), limits::MAIL_FIELD_BYTES_MAX);
    }

    #[test]
    fn encoded_words() {
        // The examples of RFC 2047, section 8, and others.
        for (raw, want) in [
            ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\u{e9} Pirard"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?UTF-8?B?w6RiYw==?=", "\u{e4}bc"),
            ("=?x-unknown?B?w6Ri?= x", "=?x-unknown?B?w6Ri?= x"),
            ("a =? b", "a =? b"),
            ("=?utf-8?Q?100%25_=3D?=", "100%25 ="),
            ("=?UTF-8?B?*?=", "=?UTF-8?B?*?="),
        ] {
            assert_eq!(String::from_utf8(decoded(raw.as_bytes())).unwrap(), want, "{raw}");
        }
    }
}

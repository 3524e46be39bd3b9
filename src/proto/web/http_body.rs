//! Bodies of HTTP messages: which are kept, how much of them, and what they are decompressed to (RFC 9110,
//! section 8.4.1).

use std::borrow::Cow;
use std::io::Read;

use super::http_head as head;
use super::http_login::Form;
use crate::base::limits;

/// What a body is kept for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    /// It is not.
    #[default]
    Nothing,
    /// The title of a page.
    Title,
    /// A page that answers a login: its title, and whether it asks for the password again.
    Answer,
    /// A file with settings.
    Settings,
    /// A document in which a device may describe itself.
    Device,
    /// The same in JSON.
    Cast,
    /// A form, or what is used as one.
    Form(Form),
    /// A message of IPP.
    Ipp,
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// Not at all.
    #[default]
    Plain,
    /// gzip.
    Gzip,
    /// `deflate`: zlib, or bare where a server got that wrong.
    Deflate,
    /// Something else.
    Other,
}

impl Coding {
    /// From the value of `Content-Encoding`.
    pub fn of(value: &[u8]) -> Self {
        let is = |name: &str| value.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if is("identity") || value.trim_ascii().is_empty() {
            Self::Plain
        } else if is("gzip") || is("x-gzip") {
            Self::Gzip
        } else if is("deflate") {
            Self::Deflate
        } else {
            Self::Other
        }
    }
}

/// As much of a body as is wanted.
#[derive(Default)]
pub struct Body {
    /// What it is kept for.
    pub kind: Kind,
    coding: Coding,
    bytes: Vec<u8>,
    cut: bool,
}

impl std::fmt::Debug for Body {
    /// Without what is in it, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

impl Body {
    /// An empty body.
    pub fn new(kind: Kind, coding: Coding) -> Self {
        let kind = if coding == Coding::Other { Kind::Nothing } else { kind };
        Self { kind, coding, ..Self::default() }
    }

    /// Bytes that it takes.
    pub const fn heap(&self) -> usize {
        self.bytes.capacity()
    }

    const fn max(&self) -> usize {
        match self.kind {
            Kind::Nothing => 0,
            Kind::Title | Kind::Answer => limits::HTTP_TITLE_BYTES_MAX,
            Kind::Settings => limits::HTTP_SETTINGS_BYTES_MAX,
            Kind::Device | Kind::Cast => limits::HTTP_DEVICE_BYTES_MAX,
            Kind::Form(_) => limits::HTTP_FORM_BYTES_MAX,
            Kind::Ipp => limits::IPP_BYTES_MAX,
        }
    }

    /// Takes a piece; whether more is wanted.
    pub fn take(&mut self, piece: &[u8]) -> bool {
        if self.kind == Kind::Nothing {
            return false;
        }
        let room = self.max().saturating_sub(self.bytes.len());
        // The title's end may lie across two pieces.
        let seen = self.bytes.len().saturating_sub(8);
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.cut |= piece.len() > room;
        let has_title = self.kind == Kind::Title
            && self.coding == Coding::Plain
            && head::find(self.bytes.get(seen..).unwrap_or_default(), b"</title").is_some()
            && head::title_is_whole(&self.bytes);
        !has_title && self.bytes.len() < self.max()
    }

    /// A part of it never came: what comes behind the hole does not follow what came before it.
    pub fn hole(&mut self) {
        match self.kind {
            Kind::Title | Kind::Answer if self.coding == Coding::Plain && head::title(&self.bytes).is_some() => {}
            // The attributes stand at the front.
            Kind::Settings | Kind::Ipp if self.coding == Coding::Plain => {}
            _ => self.kind = Kind::Nothing,
        }
    }

    /// Bytes that are kept of it.
    pub const fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it was compressed.
    pub fn is_coded(&self) -> bool {
        self.coding != Coding::Plain
    }

    /// Whether something was cut off that may have told more. Pages are searched in their first
    /// kilobytes only, a description begins with the device that it is about, and the document behind an
    /// IPP message is none of its attributes.
    pub const fn is_cut(&self) -> bool {
        self.cut && matches!(self.kind, Kind::Form(_) | Kind::Settings)
    }

    /// What was kept, decompressed.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let raw = self.bytes.as_slice();
        let inflated = match self.coding {
            Coding::Plain => return raw.into(),
            Coding::Gzip => inflate(flate2::read::GzDecoder::new(raw)),
            Coding::Deflate if raw.first().is_some_and(|c| c & 0x0f == 8) => {
                inflate(flate2::read::ZlibDecoder::new(raw))
            }
            Coding::Deflate => inflate(flate2::read::DeflateDecoder::new(raw)),
            Coding::Other => Vec::new(),
        };
        inflated.into()
    }
}

/// What comes out until it ends, breaks off or is enough.
fn inflate(decoder: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    // An error means that the body was cut: what came before it stays.
    let _ = decoder.take(limits::HTTP_INFLATED_BYTES_MAX as u64).read_to_end(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_bodies_are_read_as_far_as_they_go() {
        let mut body = Body::new(Kind::Title, Coding::of(b"gzip"));
        let packed = gzip(b"<title>Camera</title>");
        assert!(body.take(&packed[..packed.len() - 8]));
        assert_eq!(&*body.text(), b"<title>Camera</title>", "the sum at the end is not waited for");
        let mut body = Body::new(Kind::Title, Coding::of(b"deflate"));
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(b"zlib").unwrap();
        body.take(&encoder.finish().unwrap());
        assert_eq!(&*body.text(), b"zlib");
        assert_eq!(Body::new(Kind::Title, Coding::of(b"br")).kind, Kind::Nothing);
    }

    #[test]
    fn a_bomb_is_cut() {
        let mut body = Body::new(Kind::Settings, Coding::Gzip);
        body.take(&gzip(&vec![b'a'; 50 << 20]));
        assert!(body.is_cut() || body.bytes.len() <= limits::HTTP_SETTINGS_BYTES_MAX);
        assert_eq!(body.text().len(), limits::HTTP_INFLATED_BYTES_MAX);
    }

    #[test]
    fn garbage_gives_nothing() {
        for coding in [Coding::Gzip, Coding::Deflate] {
            let mut body = Body::new(Kind::Device, coding);
            body.take(&[0xff; 100]);
            assert!(body.text().is_empty());
        }
    }
}

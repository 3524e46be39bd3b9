//! A cursor over borrowed bytes whose errors name the field that did not fit.
//!
//! Parsers touch packet bytes through [`Reader`] only: there is no indexing, so there is nothing
//! to panic, and an error says which field of which structure was cut and by how much.

use std::fmt;

/// Why a field could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// The input ends before the field does.
    Short {
        /// The field that was being read.
        field: &'static str,
        /// How many bytes the field needs.
        needed: usize,
        /// How many bytes were left.
        there: usize,
    },
    /// The field is complete, and its value is not one that the format allows.
    Invalid {
        /// The field that was being read.
        field: &'static str,
    },
}

impl ReadError {
    /// An error for a value that the format does not allow.
    pub const fn invalid(field: &'static str) -> Self {
        Self::Invalid { field }
    }

    /// The name of the field that could not be read.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Short { field, .. } | Self::Invalid { field } => field,
        }
    }

    /// How many more bytes would have been enough for this field; zero where more would not help.
    pub const fn missing(&self) -> usize {
        match self {
            Self::Short { needed, there, .. } => needed.saturating_sub(*there),
            Self::Invalid { .. } => 0,
        }
    }

    /// Whether more input could make the read succeed.
    pub const fn is_short(&self) -> bool {
        matches!(self, Self::Short { .. })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { field, needed, there } => {
                write!(f, "{field}: {needed} bytes needed, {there} there")
            }
            Self::Invalid { field } => write!(f, "{field}: value not allowed"),
        }
    }
}

impl std::error::Error for ReadError {}

/// A cursor over borrowed bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next byte from the start.
    #[inline]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Whether everything was read.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// What is left, without moving on.
    #[inline]
    pub fn peek_rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// All that is left; the cursor stands at the end afterwards.
    #[inline]
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.peek_rest();
        self.at = self.bytes.len();
        rest
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], ReadError> {
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(ReadError::Short { field, needed: len, there: self.remaining() }),
        }
    }

    /// The next `len` bytes as a cursor of their own, so that an inner length cannot leave them.
    #[inline]
    pub fn sub(&mut self, field: &'static str, len: usize) -> Result<Reader<'a>, ReadError> {
        Ok(Reader::new(self.take(field, len)?))
    }

    /// Passes over `len` bytes.
    #[inline]
    pub fn skip(&mut self, field: &'static str, len: usize) -> Result<(), ReadError> {
        self.take(field, len).map(|_| ())
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ReadError> {
        let taken = self.take(field, N)?;
        let mut out = [0; N];
        out.copy_from_slice(taken);
        Ok(out)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, ReadError> {
        Ok(self.array::<1>(field)?[0])
    }

    /// Two bytes, most significant first.
    #[inline]
    pub fn be16(&mut self, field: &'static str) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// Three bytes, most significant first.
    #[inline]
    pub fn be24(&mut self, field: &'static str) -> Result<u32, ReadError> {
        let [a, b, c] = self.array(field)?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes, most significant first.
    #[inline]
    pub fn be32(&mut self, field: &'static str) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// Eight bytes, most significant first.
    #[inline]
    pub fn be64(&mut self, field: &'static str) -> Result<u64, ReadError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// Two bytes, least significant first.
    #[inline]
    pub fn le16(&mut self, field: &'static str) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// Four bytes, least significant first.
    #[inline]
    pub fn le32(&mut self, field: &'static str) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// Eight bytes, least significant first.
    #[inline]
    pub fn le64(&mut self, field: &'static str) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// A field preceded by its length in one byte.
    #[inline]
    pub fn vec8(&mut self, field: &'static str) -> Result<Reader<'a>, ReadError> {
        let len = self.u8(field)?;
        self.sub(field, usize::from(len))
    }

    /// A field preceded by its length in two bytes, most significant first.
    #[inline]
    pub fn vec16(&mut self, field: &'static str) -> Result<Reader<'a>, ReadError> {
        let len = self.be16(field)?;
        self.sub(field, usize::from(len))
    }

    /// A reader of a vector that is preceded by its length in three bytes.
    #[inline]
    pub fn vec24(&mut self, field: &'static str) -> Result<Reader<'a>, ReadError> {
        let len = usize::try_from(self.be24(field)?).unwrap_or(usize::MAX);
        self.sub(field, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_byte_orders_and_names_what_is_cut() {
        let mut r = Reader::new(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(r.be16("a").unwrap(), 0x0102);
        assert_eq!(r.le16("b").unwrap(), 0x0403);
        assert_eq!(r.be24("c").unwrap(), 0x05_0607);
        assert_eq!(r.u8("d"), Err(ReadError::Short { field: "d", needed: 1, there: 0 }));
        assert_eq!(r.position(), 7, "a failed read does not move the cursor");
    }

    #[test]
    fn a_length_near_the_end_of_the_address_space_does_not_overflow() {
        let mut r = Reader::new(&[0; 4]);
        r.skip("x", 1).unwrap();
        assert!(r.take("huge", usize::MAX).unwrap_err().is_short());
    }

    #[test]
    fn an_inner_reader_cannot_leave_its_field() {
        let mut r = Reader::new(&[2, 0xaa, 0xbb, 0xcc]);
        let mut inner = r.vec8("v").unwrap();
        assert_eq!(inner.rest(), &[0xaa, 0xbb]);
        assert!(inner.u8("beyond").is_err());
        assert_eq!(r.rest(), &[0xcc]);
    }
}

//! Rows between the packet path and the sink: value after value in a flat buffer.

use crate::base::secret;
use crate::base::{Addr, Mac, Timestamp, limits};

/// Tags of values in a row buffer.
mod tag {
    pub const NULL: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const INT: u8 = 2;
    pub const FLOAT: u8 = 3;
    pub const TRUE: u8 = 4;
    pub const FALSE: u8 = 5;
    pub const TIME: u8 = 6;
    pub const ADDR: u8 = 7;
    pub const MAC: u8 = 8;
    pub const LIST: u8 = 9;
    pub const NAME: u8 = 10;
    pub const SMALL: u8 = 11;
    pub const MICROS: u8 = 12;
}

/// One value of a row, borrowed from its buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Not observable.
    Null,
    /// Text.
    Text(&'a str),
    /// A number of a 32- or 64-bit column.
    Int(i64),
    /// A number of a float column.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A time.
    Time(Timestamp),
    /// A time beyond what nanoseconds can hold, in microseconds since the epoch.
    Micros(i64),
    /// An address of a text column, not yet formatted.
    Addr(Addr),
    /// A MAC address of a text column, not yet formatted.
    Mac(Mac),
    /// A name by its number in a table that the sink was given (captures).
    Name(u32),
    /// A list of so many values, which follow.
    List(u32),
}

/// One value as it lies in the buffer: like [`Value`], but text is not checked again.
///
/// The sink reads a column of many rows at a time and copies bytes; validating every text as UTF-8
/// a second time (only `&str` is ever written) would cost more than the rest of its reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RawValue<'a> {
    /// Not observable.
    Null,
    /// Text: UTF-8, as only [`RowWriter::text`] writes it.
    Text(&'a [u8]),
    /// A number of a 32- or 64-bit column.
    Int(i64),
    /// A number of a float column.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A time.
    Time(Timestamp),
    /// A time in microseconds since the epoch.
    Micros(i64),
    /// An address of a text column.
    Addr(Addr),
    /// A MAC address of a text column.
    Mac(Mac),
    /// A name by its number.
    Name(u32),
    /// A list of so many values, which follow.
    List(u32),
}

/// Rows of one table, in the order in which they were written.
#[derive(Debug, Default, Clone)]
pub struct RowBuffer {
    bytes: Vec<u8>,
    rows: Vec<RowIndex>,
    /// Values that were cut at a limit since they were last asked for.
    cut: u64,
}

/// Where a row starts, and what it is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowIndex {
    /// Time of the row: the first sort key.
    pub ts: Timestamp,
    /// Second sort key: unique order among rows of one time (packet number, flow id).
    pub order: u64,
    /// Offset of its first byte.
    pub start: u32,
}

impl RowBuffer {
    /// Rows in the buffer.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of memory in use.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<RowIndex>()
    }

    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    /// Makes room for so many bytes of values and so many rows at once. Growing by doubling would
    /// touch twice the memory and copy it; room that is not used is not touched.
    pub fn reserve(&mut self, bytes: usize, rows: usize) {
        self.bytes.reserve(bytes.saturating_sub(self.bytes.len()));
        self.rows.reserve(rows.saturating_sub(self.rows.len()));
    }

    /// Bytes of values that fit without growing.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Begins a row; its values follow in column order.
    ///
    /// `order` decides among rows of the same time; it should be unique in the table.
    pub fn row(&mut self, ts: Timestamp, order: u64) -> RowWriter<'_> {
        // A buffer is handed on long before 4 GiB (limits::ROW_GROUP_BYTES).
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.rows.push(RowIndex { ts, order, start });
        RowWriter { out: &mut self.bytes, cut: &mut self.cut }
    }

    /// How many texts and lists were cut at [`limits::TEXT_BYTES_MAX`] and [`limits::LIST_ITEMS_MAX`]
    /// since this was last asked.
    pub fn take_cut(&mut self) -> u64 {
        std::mem::take(&mut self.cut)
    }

    /// Appends all rows of another buffer.
    pub fn append(&mut self, other: &Self) {
        let base = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&other.bytes);
        self.rows.extend(other.rows.iter().map(|r| RowIndex { start: r.start.saturating_add(base), ..*r }));
    }

    /// Sorts the rows by time, then by order, then by the place they were written at.
    pub fn sort(&mut self) {
        if !self.rows.is_sorted() {
            self.rows.sort_unstable();
        }
    }

    /// The index of the rows.
    pub fn index(&self) -> &[RowIndex] {
        &self.rows
    }

    /// Bytes that the values of all rows take.
    pub fn value_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The value at an offset (that of a row's start, or what this function returned before) and
    /// the offset of the next one. `None` at the end of the buffer.
    #[inline]
    pub fn raw_at(&self, at: u32) -> Option<(RawValue<'_>, u32)> {
        let (tag, rest) = self.bytes.get(at as usize..)?.split_first()?;
        Some(match *tag {
            tag::NULL => (RawValue::Null, at + 1),
            tag::TEXT => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = u16::from_le_bytes(*len);
                (RawValue::Text(rest.get(..usize::from(len))?), at + 3 + u32::from(len))
            }
            tag::SMALL => (RawValue::Int(u16::from_le_bytes(*rest.first_chunk()?).into()), at + 3),
            tag::INT => (RawValue::Int(i64::from_le_bytes(*rest.first_chunk()?)), at + 9),
            tag::FLOAT => (RawValue::Float(f64::from_le_bytes(*rest.first_chunk()?)), at + 9),
            tag::TRUE => (RawValue::Bool(true), at + 1),
            tag::FALSE => (RawValue::Bool(false), at + 1),
            tag::TIME => (RawValue::Time(Timestamp(i64::from_le_bytes(*rest.first_chunk()?))), at + 9),
            tag::MICROS => (RawValue::Micros(i64::from_le_bytes(*rest.first_chunk()?)), at + 9),
            tag::ADDR => (RawValue::Addr(Addr(*rest.first_chunk()?)), at + 17),
            tag::MAC => (RawValue::Mac(Mac(*rest.first_chunk()?)), at + 7),
            tag::NAME => (RawValue::Name(u32::from_le_bytes(*rest.first_chunk()?)), at + 5),
            tag::LIST => (RawValue::List(u32::from_le_bytes(*rest.first_chunk()?)), at + 5),
            _ => return None,
        })
    }

    /// Reads the values of a row.
    pub fn values(&self, row: &RowIndex) -> ValueReader<'_> {
        ValueReader { bytes: self.bytes.get(row.start as usize..).unwrap_or_default() }
    }
}

/// Text without what drives a terminal or turns the direction of reading: control characters
/// (C0, C1) and the bidirectional controls of Unicode are replaced.
pub fn clean(text: &str) -> String {
    let drives = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if drives(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Writes the values of one row, in column order. The sink checks the count and the types.
#[derive(Debug)]
pub struct RowWriter<'a> {
    out: &'a mut Vec<u8>,
    cut: &'a mut u64,
}

impl RowWriter<'_> {
    /// Not observable.
    #[inline]
    pub fn null(&mut self) -> &mut Self {
        self.out.push(tag::NULL);
        self
    }

    /// Text, cut at a character boundary after [`limits::TEXT_BYTES_MAX`] bytes.
    #[inline]
    pub fn text(&mut self, s: &str) -> &mut Self {
        let cut = if s.len() > limits::TEXT_BYTES_MAX {
            *self.cut += 1;
            s.floor_char_boundary(limits::TEXT_BYTES_MAX)
        } else {
            s.len()
        };
        let s = s.get(..cut).unwrap_or_default();
        self.out.push(tag::TEXT);
        self.out.extend_from_slice(&(cut as u16).to_le_bytes());
        self.out.extend_from_slice(s.as_bytes());
        self
    }

    /// Text, or null.
    #[inline]
    pub fn opt_text(&mut self, s: Option<&str>) -> &mut Self {
        match s {
            Some(s) => self.text(s),
            None => self.null(),
        }
    }

    /// Text, or null where it is empty.
    #[inline]
    pub fn nonempty(&mut self, s: &str) -> &mut Self {
        if s.is_empty() { self.null() } else { self.text(s) }
    }

    /// Bytes of a protocol that should be text: what is not UTF-8 is replaced, and control
    /// characters too, so that no terminal is driven by a table.
    pub fn bytes(&mut self, b: &[u8]) -> &mut Self {
        *self.cut += u64::from(b.len() > limits::TEXT_BYTES_MAX);
        let cut = b.get(..limits::TEXT_BYTES_MAX).unwrap_or(b);
        match std::str::from_utf8(cut) {
            Ok(s) if s.bytes().all(|c| (0x20..0x7f).contains(&c)) => self.text(s),
            _ => self.text(&clean(&String::from_utf8_lossy(cut))),
        }
    }

    /// Bytes of a protocol that should be text, or null.
    pub fn opt_bytes(&mut self, b: Option<&[u8]>) -> &mut Self {
        match b {
            Some(b) => self.bytes(b),
            None => self.null(),
        }
    }

    /// A user name, or null. A password that a client put into it (`joe:hunter2`) is always blanked.
    pub fn opt_user(&mut self, name: Option<&[u8]>) -> &mut Self {
        match name {
            Some(name) => self.bytes(&secret::user(name)),
            None => self.null(),
        }
    }

    /// A number; the column decides whether it has 32 or 64 bits.
    #[inline]
    pub fn int(&mut self, v: impl Into<i64>) -> &mut Self {
        let v = v.into();
        if let Ok(small) = u16::try_from(v) {
            self.out.push(tag::SMALL);
            self.out.extend_from_slice(&small.to_le_bytes());
        } else {
            self.out.push(tag::INT);
            self.out.extend_from_slice(&v.to_le_bytes());
        }
        self
    }

    /// A counter, clamped to what the column can hold.
    #[inline]
    pub fn count(&mut self, v: u64) -> &mut Self {
        self.int(i64::try_from(v).unwrap_or(i64::MAX))
    }

    /// A number, or null.
    #[inline]
    pub fn opt_int(&mut self, v: Option<impl Into<i64>>) -> &mut Self {
        match v {
            Some(v) => self.int(v),
            None => self.null(),
        }
    }

    /// A number of a float column.
    pub fn float(&mut self, v: f64) -> &mut Self {
        self.out.push(tag::FLOAT);
        self.out.extend_from_slice(&v.to_le_bytes());
        self
    }

    /// True or false.
    #[inline]
    pub fn bool(&mut self, v: bool) -> &mut Self {
        self.out.push(if v { tag::TRUE } else { tag::FALSE });
        self
    }

    /// True, false or null.
    #[inline]
    pub fn opt_bool(&mut self, v: Option<bool>) -> &mut Self {
        match v {
            Some(v) => self.bool(v),
            None => self.null(),
        }
    }

    /// A time.
    #[inline]
    pub fn time(&mut self, t: Timestamp) -> &mut Self {
        self.out.push(tag::TIME);
        self.out.extend_from_slice(&t.0.to_le_bytes());
        self
    }

    /// A time in whole seconds since the epoch, which may lie outside the years that a [`Timestamp`] can
    /// hold (the validity of certificates), or null.
    pub fn opt_seconds(&mut self, seconds: Option<i64>) -> &mut Self {
        let Some(micros) = seconds.and_then(|s| s.checked_mul(1_000_000)) else { return self.null() };
        self.out.push(tag::MICROS);
        self.out.extend_from_slice(&micros.to_le_bytes());
        self
    }

    /// An address, formatted when the column is built.
    #[inline]
    pub fn addr(&mut self, a: Addr) -> &mut Self {
        self.out.push(tag::ADDR);
        self.out.extend_from_slice(&a.0);
        self
    }

    /// A MAC address, formatted when the column is built; null where it is all zeros.
    #[inline]
    pub fn mac(&mut self, m: Mac) -> &mut Self {
        if m.is_zero() {
            return self.null();
        }
        self.out.push(tag::MAC);
        self.out.extend_from_slice(&m.0);
        self
    }

    /// The name of an input by its number.
    #[inline]
    pub fn name(&mut self, number: u32) -> &mut Self {
        self.out.push(tag::NAME);
        self.out.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// A list of so many values, which the caller writes next. At most
    /// [`limits::LIST_ITEMS_MAX`]: cut before.
    pub fn list(&mut self, len: usize) -> &mut Self {
        self.out.push(tag::LIST);
        self.out.extend_from_slice(&(len as u32).to_le_bytes());
        self
    }

    /// A list of texts; more than [`limits::LIST_ITEMS_MAX`] are cut.
    pub fn texts<S: AsRef<str>>(&mut self, items: &[S]) -> &mut Self {
        *self.cut += u64::from(items.len() > limits::LIST_ITEMS_MAX);
        let items = items.get(..limits::LIST_ITEMS_MAX).unwrap_or(items);
        self.list(items.len());
        for s in items {
            self.text(s.as_ref());
        }
        self
    }

    /// A list of numbers; more than [`limits::LIST_ITEMS_MAX`] are cut.
    pub fn ints<N: Copy + Into<i64>>(&mut self, items: &[N]) -> &mut Self {
        *self.cut += u64::from(items.len() > limits::LIST_ITEMS_MAX);
        let items = items.get(..limits::LIST_ITEMS_MAX).unwrap_or(items);
        self.list(items.len());
        for n in items {
            self.int(*n);
        }
        self
    }
}

/// Reads the values of one row in order.
#[derive(Debug, Clone)]
pub struct ValueReader<'a> {
    bytes: &'a [u8],
}

impl<'a> ValueReader<'a> {
    #[inline]
    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = tail;
        Some(*head)
    }

    /// The next value. The buffer is our own writing: `None` means that a row was written with
    /// fewer values than its table has columns, which the sink reports as the defect that it is.
    #[inline]
    pub fn next_value(&mut self) -> Option<Value<'a>> {
        let [tag] = self.fixed::<1>()?;
        Some(match tag {
            tag::NULL => Value::Null,
            tag::TEXT => {
                let len = usize::from(u16::from_le_bytes(self.fixed()?));
                let (text, rest) = self.bytes.split_at_checked(len)?;
                self.bytes = rest;
                Value::Text(std::str::from_utf8(text).ok()?)
            }
            tag::SMALL => Value::Int(i64::from(u16::from_le_bytes(self.fixed()?))),
            tag::INT => Value::Int(i64::from_le_bytes(self.fixed()?)),
            tag::FLOAT => Value::Float(f64::from_le_bytes(self.fixed()?)),
            tag::TRUE => Value::Bool(true),
            tag::FALSE => Value::Bool(false),
            tag::TIME => Value::Time(Timestamp(i64::from_le_bytes(self.fixed()?))),
            tag::MICROS => Value::Micros(i64::from_le_bytes(self.fixed()?)),
            tag::ADDR => Value::Addr(Addr(self.fixed()?)),
            tag::MAC => Value::Mac(Mac(self.fixed()?)),
            tag::NAME => Value::Name(u32::from_le_bytes(self.fixed()?)),
            tag::LIST => Value::List(u32::from_le_bytes(self.fixed()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let mut buffer = RowBuffer::default();
        buffer
            .row(Timestamp(5), 1)
            .text("é")
            .int(70_000)
            .int(443)
            .int(-1)
            .float(0.5)
            .bool(true)
            .opt_bool(None)
            .time(Timestamp(9))
            .addr(Addr::v4([1, 2, 3, 4]))
            .mac(Mac::ZERO)
            .texts(&["a", "b"])
            .bytes(b"a\x1b[31mb");
        let row = buffer.index()[0];
        let mut values = buffer.values(&row);
        let mut next = || values.next_value().unwrap();
        assert_eq!(next(), Value::Text("é"));
        assert_eq!(next(), Value::Int(70_000));
        assert_eq!(next(), Value::Int(443));
        assert_eq!(next(), Value::Int(-1));
        assert_eq!(next(), Value::Float(0.5));
        assert_eq!(next(), Value::Bool(true));
        assert_eq!(next(), Value::Null);
        assert_eq!(next(), Value::Time(Timestamp(9)));
        assert_eq!(next(), Value::Addr(Addr::v4([1, 2, 3, 4])));
        assert_eq!(next(), Value::Null);
        assert_eq!(next(), Value::List(2));
        assert_eq!(next(), Value::Text("a"));
        assert_eq!(next(), Value::Text("b"));
        assert_eq!(next(), Value::Text("a\u{fffd}[31mb"), "control characters never reach a table");
        assert_eq!(values.next_value(), None);
        assert_eq!(clean("a\u{9b}b\u{202e}c\n"), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn raw_values_are_the_values_and_their_offsets_lead_on() {
        let mut buffer = RowBuffer::default();
        buffer.row(Timestamp(5), 1).null().text("é").int(70_000).int(443).float(0.5).bool(true).bool(false);
        let mut rest = RowWriter { out: &mut buffer.bytes, cut: &mut buffer.cut };
        rest.time(Timestamp(-9)).addr(Addr::v4([1, 2, 3, 4])).mac(Mac([1; 6])).name(7).list(0);
        let mut at = 0;
        let mut got = Vec::new();
        while let Some((value, next)) = buffer.raw_at(at) {
            got.push(value);
            at = next;
        }
        assert_eq!(at as usize, buffer.value_bytes());
        let expected = [
            RawValue::Null,
            RawValue::Text("é".as_bytes()),
            RawValue::Int(70_000),
            RawValue::Int(443),
            RawValue::Float(0.5),
            RawValue::Bool(true),
            RawValue::Bool(false),
            RawValue::Time(Timestamp(-9)),
            RawValue::Addr(Addr::v4([1, 2, 3, 4])),
            RawValue::Mac(Mac([1; 6])),
            RawValue::Name(7),
            RawValue::List(0),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut buffer = RowBuffer::default();
        let long = "ü".repeat(limits::TEXT_BYTES_MAX);
        buffer.row(Timestamp(0), 0).text(&long);
        let row = buffer.index()[0];
        let Some(Value::Text(s)) = buffer.values(&row).next_value() else { panic!("text") };
        assert_eq!(s.len(), limits::TEXT_BYTES_MAX);
        buffer.row(Timestamp(0), 0).ints(&[1; limits::LIST_ITEMS_MAX + 1]).text("short");
        assert_eq!((buffer.take_cut(), buffer.take_cut()), (2, 0), "what was cut is counted");
    }

    #[test]
    fn appended_rows_sort_into_place() {
        let mut a = RowBuffer::default();
        a.row(Timestamp(5), 0).int(5);
        let mut b = RowBuffer::default();
        b.row(Timestamp(9), 0).int(9);
        b.row(Timestamp(1), 0).int(1);
        a.append(&b);
        a.sort();
        let got: Vec<_> = a.index().iter().map(|r| a.values(r).next_value().unwrap()).collect();
        assert_eq!(got, [Value::Int(1), Value::Int(5), Value::Int(9)]);
    }
}

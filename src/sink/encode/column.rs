//! One column of a row group on its way from rows to pages.

use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::ints::Ints;
use super::levels::Levels;
use super::page::{Codec, Pages};
use super::text::TextValues;
use crate::record::{Column, RawValue, RowBuffer, Type};
use crate::sink::SinkError;

/// Doubles of one column chunk.
#[derive(Debug, Default)]
struct Floats {
    plain: Vec<u8>,
    range: Option<(f64, f64)>,
    nan: bool,
}

/// Truth values of one column chunk.
#[derive(Debug, Default)]
struct Bools {
    bits: Vec<u8>,
    count: usize,
    any_true: bool,
    any_false: bool,
}

#[derive(Debug)]
enum Leaf {
    Ints(Box<Ints>),
    Text(Box<TextValues>),
    Floats(Floats),
    Bools(Bools),
}

/// Why a row cannot be a row of its table: a defect of the code that wrote it.
#[derive(Debug)]
pub struct Misfit {
    /// Which of the rows given.
    pub row: usize,
    /// What is wrong.
    pub what: String,
}

/// One column of a row group.
#[derive(Debug)]
pub struct ColumnBuilder {
    column: &'static Column,
    levels: Levels,
    leaf: Leaf,
    /// Largest time so far, while the times never went back and none was missing.
    sorted: Option<i64>,
}

/// What a value is called in a message about it.
fn kind(value: RawValue<'_>) -> &'static str {
    match value {
        RawValue::Null => "null",
        RawValue::Text(_) => "text",
        RawValue::Int(_) => "a number",
        RawValue::Float(_) => "a float",
        RawValue::Bool(_) => "a truth value",
        RawValue::Time(_) | RawValue::Micros(_) => "a time",
        RawValue::Addr(_) => "an address",
        RawValue::Mac(_) => "a MAC address",
        RawValue::Name(_) => "a name",
        RawValue::List(_) => "a list",
    }
}

/// A whole number of a column, or why not.
#[inline]
fn number(ty: Type, value: RawValue<'_>) -> Result<i64, String> {
    match (ty, value) {
        (Type::Int32 | Type::Int32List, RawValue::Int(n)) if n == i64::from(n as i32) => Ok(n),
        (Type::Int64 | Type::Int64List, RawValue::Int(n)) => Ok(n),
        (Type::Time, RawValue::Time(t)) => Ok(t.micros()),
        (Type::Time, RawValue::Micros(us)) => Ok(us),
        _ => Err(wrong(ty, value)),
    }
}

#[cold]
fn wrong(ty: Type, value: RawValue<'_>) -> String {
    match value {
        RawValue::Int(n) if matches!(ty, Type::Int32 | Type::Int32List) && i32::try_from(n).is_err() => {
            format!("{n} does not fit 32 bits")
        }
        _ => format!("{} stands where {} belongs", kind(value), ty.name()),
    }
}

#[cold]
fn missing() -> String {
    "there is no value".into()
}

#[inline]
fn push_text(to: &mut TextValues, ty: Type, value: RawValue<'_>, names: &[String]) -> Result<(), String> {
    match value {
        RawValue::Text(text) => to.text(text),
        RawValue::Addr(addr) => to.addr(addr),
        RawValue::Mac(mac) => to.mac(mac),
        RawValue::Name(number) => match names.get(number as usize) {
            Some(name) => to.name(number, name),
            None => return Err(format!("name number {number} of {} was not given", names.len())),
        },
        _ => return Err(wrong(ty, value)),
    }
    Ok(())
}

impl Floats {
    fn push(&mut self, value: f64) {
        self.plain.extend_from_slice(&value.to_le_bytes());
        if value.is_nan() {
            self.nan = true;
        } else {
            let (min, max) = self.range.unwrap_or((value, value));
            self.range = Some((min.min(value), max.max(value)));
        }
    }
}

impl Bools {
    fn push(&mut self, value: bool) {
        if self.count.is_multiple_of(8) {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut() {
            *last |= u8::from(value) << (self.count % 8);
        }
        self.count += 1;
        self.any_true |= value;
        self.any_false |= !value;
    }
}

impl Leaf {
    /// Appends one value: the slow way, for lists and rare types.
    fn push(&mut self, ty: Type, value: RawValue<'_>, names: &[String]) -> Result<(), String> {
        match (self, value) {
            (Self::Ints(ints), _) => ints.extend(&[number(ty, value)?]),
            (Self::Text(text), _) => push_text(text, ty, value, names)?,
            (Self::Floats(floats), RawValue::Float(v)) => floats.push(v),
            (Self::Bools(bools), RawValue::Bool(v)) => bools.push(v),
            _ => return Err(wrong(ty, value)),
        }
        Ok(())
    }
}

impl ColumnBuilder {
    /// An empty one.
    pub fn new(column: &'static Column) -> Self {
        let repeats = column.repeats;
        let (levels, leaf) = match column.ty {
            Type::Text => (Levels::flat(), Leaf::Text(Box::new(TextValues::new(repeats)))),
            Type::TextList => (Levels::list(), Leaf::Text(Box::new(TextValues::new(repeats)))),
            Type::Int32 => (Levels::flat(), Leaf::Ints(Box::new(Ints::new(true, repeats)))),
            // Elements of lists are few kinds (VLANs, ports) or none at all.
            Type::Int32List => (Levels::list(), Leaf::Ints(Box::new(Ints::new(true, true)))),
            Type::Int64 => (Levels::flat(), Leaf::Ints(Box::new(Ints::new(false, repeats)))),
            Type::Int64List => (Levels::list(), Leaf::Ints(Box::new(Ints::new(false, repeats)))),
            Type::Time => (Levels::flat(), Leaf::Ints(Box::new(Ints::new(false, false)))),
            Type::Float64 => (Levels::flat(), Leaf::Floats(Floats::default())),
            Type::Bool => (Levels::flat(), Leaf::Bools(Bools::default())),
        };
        Self { column, levels, leaf, sorted: Some(i64::MIN) }
    }

    /// Whether this is a column of times that never went back, none of them missing.
    pub fn is_sorted_time(&self) -> bool {
        self.column.ty == Type::Time && self.sorted.is_some() && self.levels.nulls() == 0
    }

    /// Takes this column's value of each row that a cursor stands in, and moves the cursors on.
    /// Every call but the last must bring a multiple of 64 rows.
    pub fn take(
        &mut self,
        rows: &RowBuffer,
        cursors: &mut [u32],
        names: &[String],
        scratch: &mut Vec<i64>,
    ) -> Result<(), Misfit> {
        if let Levels::List { .. } = self.levels {
            for (row, cursor) in cursors.iter_mut().enumerate() {
                *cursor = self.take_list(rows, *cursor, names).map_err(|what| Misfit { row, what })?;
            }
        } else {
            let ty = self.column.ty;
            scratch.clear();
            let levels = &mut self.levels;
            match &mut self.leaf {
                Leaf::Ints(ints) => {
                    // A loop per type, so that the type is no question in it.
                    match ty {
                        Type::Int32 => take_flat(levels, rows, cursors, |v| {
                            scratch.push(number(Type::Int32, v)?);
                            Ok(())
                        })?,
                        Type::Int64 => take_flat(levels, rows, cursors, |v| {
                            scratch.push(number(Type::Int64, v)?);
                            Ok(())
                        })?,
                        _ => take_flat(levels, rows, cursors, |v| {
                            scratch.push(number(ty, v)?);
                            Ok(())
                        })?,
                    }
                    if ty == Type::Time
                        && let Some(last) = self.sorted
                    {
                        let goes_on = scratch.first().is_none_or(|first| *first >= last) && scratch.is_sorted();
                        self.sorted = goes_on.then(|| scratch.last().copied().unwrap_or(last));
                    }
                    ints.extend(scratch);
                }
                Leaf::Text(text) => take_flat(levels, rows, cursors, |v| push_text(text, ty, v, names))?,
                leaf => take_flat(levels, rows, cursors, |v| leaf.push(ty, v, names))?,
            }
        }
        if let Leaf::Text(text) = &mut self.leaf {
            text.end_block();
        }
        Ok(())
    }

    fn take_list(&mut self, rows: &RowBuffer, at: u32, names: &[String]) -> Result<u32, String> {
        let (value, mut at) = rows.raw_at(at).ok_or_else(missing)?;
        let ty = self.column.ty;
        match value {
            RawValue::Null => self.levels.push_null_list(),
            RawValue::List(0) => self.levels.push_empty_list(),
            RawValue::List(len) => {
                for i in 0..len {
                    let (value, next) = rows.raw_at(at).ok_or_else(missing)?;
                    at = next;
                    let null = value == RawValue::Null;
                    if !null {
                        self.leaf.push(ty, value, names)?;
                    }
                    self.levels.push_element(!null, i == 0);
                }
            }
            _ => return Err(wrong(ty, value)),
        }
        Ok(at)
    }

    /// Writes the pages of the column and says what the footer should say about them.
    pub fn finish(
        self,
        codec: &mut Codec,
        body: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(Pages, Statistics), SinkError> {
        let nulls = Some(self.levels.nulls() as u64);
        let levels = &self.levels;
        let plain = |values: &[u8], body: &mut Vec<u8>, codec: &mut Codec, out: &mut Vec<u8>| {
            let mut pages = Pages::at(out.len());
            body.clear();
            levels.write(0, levels.len(), body);
            body.extend_from_slice(values);
            pages.data(codec, body, levels.len(), Encoding::PLAIN, out)?;
            Ok::<_, SinkError>(pages)
        };
        Ok(match self.leaf {
            Leaf::Ints(ints) => {
                let (min, max) = ints.range.unzip();
                let statistics = match self.column.ty {
                    Type::Int32 | Type::Int32List => {
                        Statistics::int32(min.map(|v| v as i32), max.map(|v| v as i32), None, nulls, false)
                    }
                    _ => Statistics::int64(min, max, None, nulls, false),
                };
                (ints.finish(levels, codec, body, out)?, statistics)
            }
            Leaf::Text(text) => {
                let bounds = text.bounds();
                let (min_exact, max_exact) = bounds.as_ref().map_or((true, true), |b| (b.min_exact, b.max_exact));
                let (min, max) = bounds.map(|b| (ByteArray::from(b.min), ByteArray::from(b.max))).unzip();
                let values = ValueStatistics::new(min, max, None, nulls, false)
                    .with_min_is_exact(min_exact)
                    .with_max_is_exact(max_exact);
                (text.finish(levels, codec, body, out)?, Statistics::ByteArray(values))
            }
            Leaf::Floats(floats) => {
                // The format asks for no bounds where there is a NaN, and for both zeros in them.
                let (min, max) = floats.range.filter(|_| !floats.nan).unzip();
                let min = min.map(|v| if v == 0.0 { -0.0 } else { v });
                let max = max.map(|v| if v == 0.0 { 0.0 } else { v });
                (plain(&floats.plain, body, codec, out)?, Statistics::double(min, max, None, nulls, false))
            }
            Leaf::Bools(bools) => {
                let some = bools.count > 0;
                let (min, max) = (some.then_some(!bools.any_false), some.then_some(bools.any_true));
                (plain(&bools.bits, body, codec, out)?, Statistics::boolean(min, max, None, nulls, false))
            }
        })
    }
}

/// Gives every value that is not null to `push`, and notes which rows had one.
#[inline]
fn take_flat(
    levels: &mut Levels,
    rows: &RowBuffer,
    cursors: &mut [u32],
    mut push: impl FnMut(RawValue<'_>) -> Result<(), String>,
) -> Result<(), Misfit> {
    for (i, part) in cursors.chunks_mut(64).enumerate() {
        let mut word = 0_u64;
        for (j, cursor) in part.iter_mut().enumerate() {
            let misfit = |what| Misfit { row: i * 64 + j, what };
            let Some((value, next)) = rows.raw_at(*cursor) else { return Err(misfit(missing())) };
            *cursor = next;
            if value != RawValue::Null {
                push(value).map_err(misfit)?;
                word |= 1 << j;
            }
        }
        levels.push_word(word, part.len());
    }
    Ok(())
}

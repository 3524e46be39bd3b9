//! What tables there are and what their columns mean, without Arrow; and rows on their way there.
//!
//! A row is written once, value after value in column order, into a compact buffer
//! ([`RowBuffer`]); the sink turns many of them into columns later. So the packet path neither
//! knows Arrow nor formats text: addresses stay binary until a column is built.

pub mod row;
pub mod schema;

pub use row::{RawValue, RowBuffer, RowIndex, RowWriter, Value, ValueReader, clean};
pub use schema::{Column, Table, Type};

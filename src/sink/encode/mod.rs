//! Rows of one table to the column chunks of a Parquet row group.
//!
//! The pages are written here and not by the Parquet crate's column writers: those want columns of
//! plain values or Arrow arrays, so every text is first copied and then hashed again. Here a row
//! group knows its values in the form they were observed in, so an address is hashed as a number
//! and formatted once per row group. The crate still writes the file around the pages (footer and
//! statistics) and the tests read every kind of page back with it.
//!
//! Only what every reader in use understands is written (DuckDB, Polars, pyarrow, Spark 3.5):
//! version 1 data pages, `PLAIN`, `RLE_DICTIONARY`, `DELTA_BINARY_PACKED`,
//! `DELTA_LENGTH_BYTE_ARRAY`, zstd.

mod bits;
mod column;
mod delta;
mod group;
mod hybrid;
mod ids;
mod ints;
mod keys;
mod levels;
mod page;
mod text;

pub use group::{EncodedRowGroup, encode_by_day, encode_row_group};

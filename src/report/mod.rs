//! From what a run left to what people read.

pub mod document;
pub mod summary;
pub mod top;

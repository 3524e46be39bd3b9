//! Printing: raw ports with PJL and without, LPD, and how printers are found.

pub mod canon;
pub mod lpd;
pub mod pjl;
pub mod raw;

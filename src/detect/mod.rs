//! Judges events, flows and devices. What a rule means stands in `signatures/`; a detector only
//! says where it saw it.

pub mod sighting;

pub use sighting::{Party, Sighting};

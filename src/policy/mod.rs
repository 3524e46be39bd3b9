//! What a network and its devices are expected to do: what counts as inside, and where devices may go.

pub mod expect;
pub mod home;

pub use expect::{Expect, ExpectError, Verdict};
pub use home::HomeNet;

//! What a network and its devices are expected to do: what counts as inside, where devices may go, and
//! which findings are accepted.

pub mod expect;
pub mod home;
pub mod suppress;

pub use expect::{Expect, ExpectError, Verdict};
pub use home::HomeNet;
pub use suppress::Suppress;

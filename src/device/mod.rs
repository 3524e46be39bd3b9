//! Which devices there are: claims from all protocols, merged into one row per device.

pub mod claim;
mod judge;
pub mod rows;
pub mod software;
pub mod table;

pub use claim::{Claim, ClaimDedup, ClaimKind};
pub use table::DeviceTable;

//! Which devices there are: claims from all protocols, merged into one row per device.

mod brief;
pub mod claim;
mod joined;
mod judge;
pub mod rows;
mod settle;
pub mod table;
mod times;

pub use brief::{Shown, merge};
pub use claim::{Claim, ClaimDedup, ClaimKind};
pub use joined::ANNOUNCES;
pub use table::DeviceTable;

//! Which devices there are: claims from all protocols, merged into one row per device.

mod brief;
pub mod claim;
pub mod contacts;
pub mod inventory;
mod joined;
mod judge;
pub mod links;
pub mod rows;
mod settle;
pub mod software;
pub mod table;
mod times;

pub use brief::{Shown, merge};
pub use claim::{Claim, ClaimDedup, ClaimKind, Reach};
pub use contacts::Contacts;
pub use inventory::Inventory;
pub use joined::ANNOUNCES;
pub use links::{Link, Links};
pub use table::DeviceTable;

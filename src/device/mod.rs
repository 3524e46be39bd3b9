//! Which devices there are: claims from all protocols, merged into one row per device.

pub mod claim;
pub mod contacts;
pub mod inventory;
mod judge;
pub mod links;
pub mod rows;
pub mod software;
pub mod table;

pub use claim::{Claim, ClaimDedup, ClaimKind};
pub use contacts::Contacts;
pub use inventory::Inventory;
pub use links::{Link, Links};
pub use table::DeviceTable;

//! Judges events, flows and devices. What a rule means stands in `signatures/`; a detector only
//! says where it saw it.

pub mod cleartext;
pub mod credentials;
pub mod egress;
pub mod events;
pub mod findings;
pub mod mail;
pub mod names;
pub mod quality;
pub mod remote;
pub mod sighting;
pub mod tls;

pub use credentials::CaseKey;
pub use egress::{EgressFlow, EgressJudge};
pub use findings::Findings;
pub use names::NameMap;
pub use sighting::{Party, Sighting};

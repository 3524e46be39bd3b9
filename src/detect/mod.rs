//! Judges events, flows and devices. What a rule means stands in `signatures/`; a detector only
//! says where it saw it.

pub mod asking;
pub mod certificates;
pub mod cleartext;
pub mod controllers;
pub mod credentials;
pub mod databases;
pub mod discovery;
pub mod egress;
pub mod events;
pub mod findings;
pub mod frames;
pub mod guessing;
pub mod ike;
pub mod intel;
pub mod login;
pub mod mail;
pub mod management;
pub mod named;
pub mod names;
pub mod outdated;
pub mod provisioning;
pub mod quality;
pub mod remote;
pub mod shared;
pub mod sighting;
pub mod ssh;
pub mod tls;
pub mod voice;
pub mod web;
pub mod windows;

pub use credentials::CaseKey;
pub use egress::{EgressFlow, EgressJudge};
pub use findings::Findings;
pub use names::NameMap;
pub use sighting::{Party, Sighting};

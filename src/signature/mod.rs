//! What changes without a release: the vendor registry, the rules and the lists, compiled in from
//! `signatures/` and costing nothing until the first look-up.

mod by_first;
pub mod cpe;
pub mod defaults;
pub mod devices;
pub mod ended;
pub mod forms;
pub mod intel;
pub mod issuers;
pub mod labels;
pub mod list;
pub mod oui;
pub mod pattern;
pub mod products;
pub mod recog;
pub mod rules;
pub mod set;
pub mod software;

pub use intel::Intel;
pub use rules::{Category, Rule, RuleSet, Severity};
pub use set::SignatureSet;

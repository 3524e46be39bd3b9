//! What changes without a release: the vendor registry, the rules and the lists, compiled in from
//! `signatures/` and costing nothing until the first look-up.

pub mod defaults;
pub mod forms;
pub mod issuers;
pub mod list;
pub mod oui;
pub mod rules;
pub mod set;

pub use rules::{Category, Rule, RuleSet, Severity};
pub use set::SignatureSet;

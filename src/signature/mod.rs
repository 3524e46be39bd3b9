//! What changes without a release: the vendor registry and the rules, compiled in from
//! `signatures/` and costing nothing until the first look-up.

pub mod defaults;
pub mod forms;
pub mod oui;
pub mod rules;

pub use rules::{Category, Rule, RuleSet, Severity};

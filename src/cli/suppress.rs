//! `overhear suppress`: another list of accepted findings for an output that is there.

use super::args::Suppress;
use super::read::{accepted, finish};
use crate::pipeline::revise;
use crate::signature::Severity;

/// Applies a list.
pub fn run(args: &Suppress) -> u8 {
    let list = match &args.suppress {
        None => None,
        Some(path) => match accepted(path) {
            Ok(list) => Some(list),
            Err(code) => return code,
        },
    };
    finish(revise::run(&args.out, list.as_ref(), args.fail_on.map(Severity::from)), args.format)
}

//! `overhear listen`.

use std::sync::Arc;

use super::args::Listen;
use super::read::{configure, finish};
use super::{complain, exit, progress, signals};
use crate::pipeline::Progress;
use crate::pipeline::live::{self, ListenConfig};

/// Listens on an interface.
pub fn run(args: Listen, command_line: Vec<String>) -> u8 {
    let read = match configure(&args.common, command_line) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let config = ListenConfig {
        read,
        interface: args.interface,
        rotate_s: args.rotate,
        rotate_bytes: args.rotate_size as u64,
        snaplen: args.snaplen,
        ring_bytes: u32::try_from(args.ring).unwrap_or(u32::MAX).min(i32::MAX as u32),
        promiscuous: !args.no_promiscuous,
        duration_s: args.duration,
    };
    let run_progress = Arc::new(Progress::default());
    if let Err(error) = signals::watch(&run_progress) {
        complain(format_args!("cannot watch for signals: {error}"));
        return exit::FAILED;
    }
    let shown = progress::show(&run_progress, None);
    let result = live::run(&config, &run_progress);
    drop(shown);
    finish(result, args.common.format)
}

//! Ctrl-C and SIGTERM: the first finishes the tables with what was read, the second stops.

use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::pipeline::Progress;

/// Tells the run when the user wants it to end. The signals are awaited by a thread of the library
/// that owns them; this program's own threads are not interrupted.
///
/// # Errors
/// If the operating system refuses the handlers.
pub fn watch(progress: &Arc<Progress>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let progress = progress.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            let again = progress.stopped();
            progress.interrupt();
            eprintln!(
                "{}",
                if again {
                    "\noverhear: stopping at once"
                } else {
                    "\noverhear: finishing what was read; once more to stop at once"
                }
            );
        }
    })?;
    Ok(())
}

//! Progress on a terminal: silent in a pipe.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;

/// Shows how far a run is until it is dropped.
pub struct Shown {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const STEP: Duration = Duration::from_millis(100);

/// Begins to show progress, where standard error is a terminal. `total` is the bytes of all inputs,
/// where they are known.
pub fn show(progress: &Arc<Progress>, total: Option<u64>) -> Option<Shown> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (progress, stopped) = (progress.clone(), stop.clone());
    let draw = move || {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{bar:30} {percent:>3} %  {bytes}/{total_bytes}  {binary_bytes_per_sec}  {msg}  {eta} left",
            None => "{spinner} {bytes}  {binary_bytes_per_sec}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        while !stopped.load(Ordering::Acquire) {
            bar.set_position(progress.bytes.load(Ordering::Relaxed));
            bar.set_message(format!("{} packets", progress.packets.load(Ordering::Relaxed)));
            std::thread::park_timeout(STEP);
        }
        bar.finish_and_clear();
    };
    let thread = std::thread::Builder::new().name("progress".into()).spawn(draw).ok();
    Some(Shown { stop, thread })
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the drawing thread must not take the run's result with it.
            let _ = thread.join();
        }
    }
}

//! Work on a range of things, shared out to threads.

use std::ops::Range;

/// Splits `0..len` into as many stretches as there are threads and works on them side by side. What comes out is in
/// the order of the stretches.
pub fn side_by_side<T: Send>(threads: usize, len: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let share = len.div_ceil(threads.max(1)).max(1);
    let stretches: Vec<_> = (0..len).step_by(share).map(|from| from..(from + share).min(len)).collect();
    let Some((first, others)) = stretches.split_first() else { return Vec::new() };
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = others.iter().cloned().map(|range| scope.spawn(move || work(range))).collect();
        let mut done = vec![work(first.clone())];
        // A thread that panicked takes this one with it, as if the work had been done here.
        let join = |t: std::thread::ScopedJoinHandle<'_, T>| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
        done.extend(others.into_iter().map(join));
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_is_worked_on_once_and_in_order() {
        for len in [0, 1, 2, 3, 7, 64] {
            for threads in [0, 1, 2, 3, 8, 100] {
                let done: Vec<usize> = side_by_side(threads, len, |r| r.collect::<Vec<_>>()).concat();
                assert_eq!(done, (0..len).collect::<Vec<_>>(), "{len} things, {threads} threads");
            }
        }
    }
}

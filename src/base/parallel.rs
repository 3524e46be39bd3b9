//! Work that threads share out among themselves, and what comes out does not depend on how many there are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};

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

/// Does two things, side by side where there are threads for it. A panic of either goes on here.
pub fn join<A: Send, B>(threads: usize, other: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    if threads < 2 {
        return (other(), here());
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let here = here();
        (other.join().unwrap_or_else(|p| std::panic::resume_unwind(p)), here)
    })
}

/// Makes something for each number in `0..len`, with so many threads, and hands it to `take` in the order of the
/// numbers, one at a time. At most twice as many as there are threads are under way or wait for those before them.
/// An error ends it; that of the lowest number is returned.
///
/// # Errors
/// What `make` or `take` returns.
pub fn in_order<T: Send, E: Send>(
    threads: usize,
    len: usize,
    make: impl Fn(usize) -> Result<T, E> + Sync,
    take: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<(), E> {
    struct Queue<T, F> {
        /// The next one to begin with, and the next one to take; the former is beyond all after an error.
        begin: usize,
        wanted: usize,
        early: BTreeMap<usize, T>,
        take: F,
    }
    let threads = threads.clamp(1, len.max(1));
    let queue = Mutex::new(Queue { begin: 0, wanted: 0, early: BTreeMap::new(), take });
    let moved = Condvar::new();
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    // Who waits for a thread that panicked must not wait for ever.
    let end = || {
        lock().begin = len;
        moved.notify_all();
    };
    let work = || -> Result<(), (usize, E)> {
        let _guard = OnPanic(&end);
        let mut queue = lock();
        loop {
            while queue.begin < len && queue.begin >= queue.wanted + 2 * threads {
                queue = moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let at = queue.begin;
            if at >= len {
                return Ok(());
            }
            queue.begin += 1;
            drop(queue);
            let made = make(at);
            queue = lock();
            let Queue { wanted, early, take, .. } = &mut *queue;
            let taken = made.map_err(|error| (at, error)).and_then(|made| {
                early.insert(at, made);
                while let Some(made) = early.remove(wanted) {
                    take(made).map_err(|error| (*wanted, error))?;
                    *wanted += 1;
                }
                Ok(())
            });
            if taken.is_err() {
                queue.begin = len;
            }
            moved.notify_all();
            taken?;
        }
    };
    let errors = side_by_side(threads, threads, |_| work()).into_iter().filter_map(Result::err);
    errors.min_by_key(|(at, _)| *at).map_or(Ok(()), |(_, error)| Err(error))
}

/// Calls this if the thread panics.
struct OnPanic<'a>(&'a dyn Fn());

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_by_many_is_taken_in_order() {
        for len in [0, 1, 2, 7, 300] {
            for threads in [0, 1, 2, 8] {
                let mut taken = Vec::new();
                let all: Result<(), ()> = in_order(threads, len, Ok, |n| {
                    taken.push(n);
                    Ok(())
                });
                assert_eq!((all, taken), (Ok(()), (0..len).collect()), "{len} things, {threads} threads");
            }
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        for threads in [1, 2, 8] {
            let bad_make = in_order(threads, 100, |n| if n == 40 { Err(n) } else { Ok(n) }, |_| Ok(()));
            assert_eq!(bad_make, Err(40), "{threads} threads");
            let all_bad: Result<(), usize> = in_order(threads, 100, Err, |()| Ok(()));
            assert_eq!(all_bad, Err(0), "{threads} threads");
            let mut taken = 0;
            let bad_take = in_order(threads, 100, Ok, |n| {
                taken += usize::from(n < 40);
                if n < 40 { Ok(()) } else { Err(n) }
            });
            assert_eq!((bad_take, taken), (Err(40), 40), "{threads} threads");
        }
    }

    #[test]
    #[should_panic = "at 40"]
    fn a_panic_goes_on_here() {
        let make = |n| if n == 40 { panic!("at {n}") } else { Ok::<usize, ()>(n) };
        assert_eq!(in_order(3, 100, make, |_| Ok(())), Ok(()), "it panics before");
    }

    #[test]
    fn two_things_are_done() {
        for threads in [0, 1, 2] {
            assert_eq!(join(threads, || 1, || 2), (1, 2));
        }
    }

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

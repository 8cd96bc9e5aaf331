//! The same work for many things on all cores, what comes of them in their order.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Faults, Result};

/// As large as the stack that a program begins with: templates refer to each other as deep as somebody writes them.
const STACK: usize = 8 << 20;

/// How many threads there may be.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What `work` gives for each item, in their order.
pub fn map<T: Send, R: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let count = items.len();
    let (next, done) = (Mutex::new(items.into_iter().enumerate()), Mutex::new(Vec::with_capacity(count)));
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some((index, item)) = take() {
            let result = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            // If there is no thread to be had, the others do it.
            let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        }
        run();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// As [`map`], of work that may fail: after an error nothing more is begun, and all errors are told in the items' order.
pub fn try_map<T: Send, R: Send>(
    threads: usize,
    items: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let failed = AtomicBool::new(false);
    let results = map(threads, items, |item| {
        let is_wanted = !failed.load(Ordering::Relaxed);
        is_wanted.then(|| work(item).inspect_err(|_| failed.store(true, Ordering::Relaxed)))
    });
    let mut faults = Faults::new();
    let results = results.into_iter().flatten().filter_map(|result| faults.note(result)).collect();
    faults.finish(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn an_error_ends_it() {
        for threads in [0, 1, 2, 7] {
            let doubled = try_map(threads, (0..100).collect(), |number: u64| Ok(number * 2)).unwrap();
            assert!(doubled.into_iter().eq((0..100).map(|number| number * 2)), "{threads}");
            let begun = AtomicUsize::new(0);
            let error = try_map(threads, (0..1000).collect(), |number: u64| {
                begun.fetch_add(1, Ordering::Relaxed);
                if number == 3 { Err(Error::usage("three")) } else { Ok(()) }
            });
            assert_eq!(error.unwrap_err().faults()[0].message, "three");
            assert!(begun.into_inner() < 1000);
        }
    }

    #[test]
    fn results_are_in_the_order_of_what_they_are_of() {
        for threads in [0, 1, 3, 50] {
            let all = map(threads, (0..20).collect(), |number: u64| {
                thread::sleep(std::time::Duration::from_millis(20 - number));
                number * number
            });
            assert_eq!(all, (0..20).map(|number| number * number).collect::<Vec<_>>());
        }
    }
}

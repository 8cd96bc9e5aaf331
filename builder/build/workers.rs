//! Work on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Faults, Result};

/// Does the work of each item, on up to `threads` threads; the results in the items' order. After an error nothing more
/// is begun; all errors are told, in the items' order.
pub fn side_by_side<I: Sync, T: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    match threads.min(items.len()) {
        0 | 1 => worker(),
        threads => thread::scope(|scope| {
            (0..threads).for_each(|_| drop(scope.spawn(worker)));
        }),
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    let mut faults = Faults::new();
    let results: Vec<T> = done.into_iter().filter_map(|(_, result)| faults.note(result)).collect();
    let results = faults.finish(results)?;
    match results.len() == items.len() {
        true => Ok(results),
        false => Err(Error::bug("a worker ended early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_and_an_error_ends_it() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [0, 1, 2, 7] {
            let doubled = side_by_side(&items, threads, |item| Ok(item * 2)).unwrap();
            assert!(doubled.into_iter().eq((0..100).map(|item| item * 2)), "{threads}");
            let begun = AtomicUsize::new(0);
            let error = side_by_side(&items, threads, |item| {
                begun.fetch_add(1, Ordering::Relaxed);
                if *item == 3 { Err(Error::usage("three")) } else { Ok(()) }
            });
            assert_eq!(error.unwrap_err().faults()[0].message, "three");
            assert!(begun.into_inner() < 100);
        }
    }
}

//! [`Findings`]: what is wrong with a release, told together but not without end; and the threads that look for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::{Class, Error, Fault, Faults, Result};

/// How many faults are told; of more only the number is.
const TOLD: usize = 20;

/// Faults found so far.
#[derive(Debug, Default)]
pub(in crate::bundle) struct Findings {
    told: Vec<Fault>,
    more: usize,
    /// The one among those not told that decides the exit code.
    worst: Option<Class>,
}

impl Findings {
    /// Adds what is wrong; the same fault is told once.
    pub fn note(&mut self, error: Error) {
        for fault in error.faults() {
            if self.told.len() < TOLD && !self.told.contains(fault) {
                self.told.push(fault.clone());
            } else if !self.told.contains(fault) {
                self.leave_out(1, fault.class);
            }
        }
    }

    /// The value, or nothing and the faults noted.
    pub fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.note(error)).ok()
    }

    /// Adds all of another's.
    pub fn append(&mut self, other: Findings) {
        for fault in other.told {
            self.note(single(fault));
        }
        if let Some(class) = other.worst {
            self.leave_out(other.more, class);
        }
    }

    fn leave_out(&mut self, count: usize, class: Class) {
        self.more += count;
        self.worst = Some(self.worst.map_or(class, |worst| worst.min(class)));
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The value, or all faults as one error.
    pub fn finish<T>(self, value: T) -> Result<T> {
        let mut faults = Faults::new();
        self.told.into_iter().for_each(|fault| faults.push(single(fault)));
        if let Some(class) = self.worst {
            faults.push(Error::new(class, format!("and {} more", self.more)));
        }
        faults.finish(value)
    }
}

fn single(fault: Fault) -> Error {
    let Fault { class, place, message, advice } = fault;
    let mut error = Error::new(class, message);
    if let Some(advice) = advice {
        error = error.advise(advice);
    }
    match place {
        Some(place) => error.at(&place),
        None => error,
    }
}

/// Does the work on every item with up to `jobs` threads; the results come in the order of the items.
pub(crate) fn each<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let turns = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            match items.get(index) {
                Some(item) => done.push((index, work(item))),
                None => return done,
            }
        }
    };
    thread::scope(|scope| {
        // This thread works too. One that cannot be started is no loss but of time.
        let start = |_| thread::Builder::new().spawn_scoped(scope, turns).ok();
        let threads: Vec<_> = (1..jobs.min(items.len())).map_while(start).collect();
        let mut done = turns();
        for thread in threads {
            done.extend(thread.join().map_err(|_| Error::bug("a thread that verifies ended early"))?);
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_the_worst_still_decides() {
        let mut inner = Findings::default();
        for number in 0..30 {
            inner.note(Error::integrity(format!("fault {number}")));
        }
        inner.note(Error::integrity("fault 3"));
        inner.note(Error::trust("the last"));
        let mut findings = Findings::default();
        findings.note(Error::policy("the first"));
        findings.append(inner);
        let error = findings.finish(()).unwrap_err();
        assert_eq!((error.faults().len(), error.class()), (21, Class::Trust));
        assert_eq!(error.faults()[20].message, "and 12 more");
        assert!(Findings::default().finish(()).is_ok());
    }

    #[test]
    fn results_come_in_order() {
        let items: Vec<u32> = (0..100).collect();
        for jobs in [0, 1, 7, 1000] {
            assert_eq!(each(jobs, &items, |item| item * 2).unwrap(), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
        assert!(each(4, &[], |item: &u32| *item).unwrap().is_empty());
    }
}

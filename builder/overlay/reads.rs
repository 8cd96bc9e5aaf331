//! What a template has read of what differs between nodes. A value that read nothing of its node alone is the same on every
//! node whose overlays' variables are the same, so it is made once: without that, a line with a loop over all nodes costs each
//! node as much as there are nodes.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::BitOr;
use std::sync::{Arc, Mutex, PoisonError};

/// What was read of a node: one bit for the variables of each overlay, and the last for all else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads(u128);

impl Reads {
    /// Only what all nodes see the same.
    pub const NOTHING: Reads = Reads(0);
    /// Something of one node alone.
    pub const NODE: Reads = Reads(1 << 127);

    /// The variables of the overlay of this number.
    pub fn variables(overlay: usize) -> Reads {
        if overlay < 127 { Reads(1 << overlay) } else { Reads::NODE }
    }

    fn overlays(self) -> impl Iterator<Item = usize> {
        let mut bits = self.0 & !Reads::NODE.0;
        std::iter::from_fn(move || {
            let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(lowest)
        })
    }
}

impl BitOr for Reads {
    type Output = Reads;

    fn bitor(self, other: Reads) -> Reads {
        Reads(self.0 | other.0)
    }
}

thread_local! {
    /// What was read since the innermost [`tracked`] began.
    static READ: Cell<Reads> = const { Cell::new(Reads::NOTHING) };
}

/// Notes that this was read.
pub fn note(reads: Reads) {
    READ.set(READ.get() | reads);
}

/// What a function gives, and what it read, which whoever is around it read too.
pub fn tracked<T>(make: impl FnOnce() -> T) -> (T, Reads) {
    let outer = READ.replace(Reads::NOTHING);
    let made = make();
    let reads = READ.get();
    READ.set(outer | reads);
    (made, reads)
}

/// Which variables each overlay has on a node: nodes with one number have the same.
pub type Variants = Arc<[usize]>;

/// So many things are remembered that read the same variables: nodes whose variables are alike mostly follow each other, and where
/// each has its own nothing is gained.
const KEPT: usize = 16;

/// What was made on one node and is right on others, by what it was made of.
#[derive(Debug)]
pub struct Remembered<K, T>(Mutex<BTreeMap<K, Vec<Kept<T>>>>);

/// What read the same: with the numbers of the variables that it read, the last one first.
#[derive(Debug)]
struct Kept<T> {
    reads: Reads,
    made: VecDeque<(Vec<usize>, T)>,
}

impl Reads {
    /// The numbers of what was read.
    fn numbers(self, variants: &Variants) -> Vec<usize> {
        self.overlays().map(|overlay| variants[overlay]).collect()
    }
}

impl<K, T> Default for Remembered<K, T> {
    fn default() -> Remembered<K, T> {
        Remembered(Mutex::default())
    }
}

impl<K: Ord, T: Clone> Remembered<K, T> {
    /// What `make` gives on a node with these variables, or gave on one where all that it read is the same. What fails, or what
    /// `keep` refuses, is made anew each time.
    pub fn get<E>(
        &self,
        key: K,
        variants: &Variants,
        keep: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some((made, reads)) = self.find(&key, variants) {
            note(reads);
            return Ok(made);
        }
        let (made, reads) = tracked(make);
        let made = made?;
        if reads.0 & Reads::NODE.0 == 0 && keep(&made) {
            self.keep(key, reads, (reads.numbers(variants), made.clone()));
        }
        Ok(made)
    }

    fn find(&self, key: &K, variants: &Variants) -> Option<(T, Reads)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key)?.iter().find_map(|Kept { reads, made }| {
            let numbers = reads.numbers(variants);
            let (_, made) = made.iter().find(|(own, _)| *own == numbers)?;
            Some((made.clone(), *reads))
        })
    }

    fn keep(&self, key: K, reads: Reads, made: (Vec<usize>, T)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(key).or_default();
        match known.iter_mut().find(|kept| kept.reads == reads) {
            Some(kept) => {
                kept.made.truncate(KEPT - 1);
                kept.made.push_front(made);
            }
            None => known.push(Kept { reads, made: [made].into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_read_nothing_of_a_node_is_made_once_for_the_same_variables() {
        let (remembered, one, other): (Remembered<&str, u32>, Variants, Variants) =
            (Remembered::default(), [0, 1].into(), [0, 2].into());
        let get = |key, variants: &Variants, made, reads| {
            let make = || {
                note(reads);
                Ok::<_, ()>(made)
            };
            remembered.get(key, variants, |_| true, make).unwrap()
        };
        assert_eq!([get("a", &one, 1, Reads::NOTHING), get("a", &other, 2, Reads::NOTHING)], [1, 1]);
        let second = Reads::variables(1);
        assert_eq!([get("b", &one, 1, second), get("b", &other, 2, second), get("b", &one, 3, second)], [1, 2, 1]);
        assert_eq!([get("c", &one, 1, Reads::NODE), get("c", &one, 2, Reads::NODE)], [1, 2]);
        let nested = || Ok::<_, ()>(get("b", &one, 9, Reads::NOTHING));
        assert_eq!(tracked(|| remembered.get("d", &one, |_| true, nested)), (Ok(1), second));
        // Where each has its own, only the last are kept; what read nothing of them stays.
        for number in 0..100 {
            get("b", &[0, number].into(), 3, second);
        }
        let known = remembered.0.lock().unwrap();
        assert_eq!(known["b"].iter().map(|kept| kept.made.len()).collect::<Vec<_>>(), [KEPT]);
        drop(known);
        assert_eq!(get("a", &one, 9, Reads::NOTHING), 1);
        assert!(Reads::variables(127) == Reads::NODE && Reads::variables(500) == Reads::NODE);
    }
}

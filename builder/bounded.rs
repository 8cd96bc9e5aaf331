//! [`Bounded`]: what was found last, in memory that does not grow.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// What was found of the last keys, of so many at most. When there is no room for another one all go: what machines share comes
/// again soon, and what they do not share never does, so it is not worth a record of which was asked for when.
#[derive(Debug)]
pub struct Bounded<K, V, const MOST: usize>(BTreeMap<K, V>);

impl<K, V, const MOST: usize> Default for Bounded<K, V, MOST> {
    fn default() -> Self {
        Bounded(BTreeMap::new())
    }
}

impl<K: Ord, V, const MOST: usize> Bounded<K, V, MOST> {
    /// What was found of a key, if it is still there.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// Keeps what was found of a key; whether nothing was there.
    pub fn insert(&mut self, key: K, found: V) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, found).is_none()
    }

    /// What was found of a key, or is found now.
    pub fn get_or(&mut self, key: K, find: impl FnOnce() -> V) -> V
    where
        V: Clone,
    {
        if let Some(found) = self.get(&key) {
            return found.clone();
        }
        let found = find();
        self.insert(key, found.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_once_while_there_is_room_and_never_grows_beyond() {
        let mut known: Bounded<u32, u32, 3> = Bounded::default();
        let mut found = Vec::new();
        for key in [1, 2, 1, 3, 1, 4, 1, 4] {
            let value = known.get_or(key, || {
                found.push(key);
                key * 10
            });
            assert_eq!((value, known.get(&key)), (key * 10, Some(&value)));
            assert!(known.0.len() <= 3);
        }
        assert_eq!(found, [1, 2, 3, 4, 1]);
        assert!(known.insert(2, 20) && !known.insert(4, 41) && known.0.len() == 3);
        assert!(known.insert(5, 50) && known.0.len() == 1);
    }
}

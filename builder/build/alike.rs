//! What many nodes have alike is kept once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::images::NodeImage;
use super::settings::Probed;
use crate::document::Placed;
use crate::error::Place;
use crate::overlay::args::Command;
use crate::overlay::declare::{
    AgreeDeclaration, CheckDeclaration, ClientDeclaration, Provision, SchemaDeclaration, ServerDeclaration,
};
use crate::probe::Flag;
use crate::tree::TreePath;

/// So many values of a key are remembered: nodes of a kind have mostly the same, and of kinds there are few.
const KINDS: usize = 4;

/// Values that are equal on many nodes; the key is what may be equal at all.
pub struct Kinds<K, T>(Mutex<BTreeMap<K, VecDeque<Arc<T>>>>);

impl<K, T> Default for Kinds<K, T> {
    fn default() -> Self {
        Kinds(Mutex::default())
    }
}

impl<K: Ord, T: PartialEq> Kinds<K, T> {
    /// The value, or one of the last of this key that is equal.
    pub fn one(&self, key: K, value: T) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(key).or_default();
        let found = known.iter().position(|own| **own == value).and_then(|at| known.remove(at));
        let one = found.unwrap_or_else(|| Arc::new(value));
        known.truncate(KINDS - 1);
        known.push_front(one.clone());
        one
    }
}

impl<T: PartialEq> Kinds<Place, Placed<T>> {
    /// Each of these, by where it is said.
    pub fn each(&self, values: Vec<Placed<T>>) -> Vec<Arc<Placed<T>>> {
        // Into room of its own: what is collected in place keeps all the room of the larger values.
        let mut all = Vec::with_capacity(values.len());
        all.extend(values.into_iter().map(|value| self.one(value.place.clone(), value)));
        all
    }
}

/// What plans of nodes have alike.
#[derive(Default)]
pub struct Alike {
    /// Names of roles and of overlays.
    pub names: Kinds<&'static str, Vec<String>>,
    /// Where files were declared.
    pub places: Kinds<(), BTreeMap<TreePath, Place>>,
    /// Images.
    pub images: Kinds<(), Vec<NodeImage>>,
    /// What bases have.
    pub provides: Kinds<(), Vec<Provision>>,
    /// Flags that may be repeated.
    pub repeated: Kinds<(), BTreeSet<(String, String)>>,
    /// How commands are written.
    pub commands: Kinds<String, Command>,
    /// Commands with their flags.
    pub probed: Kinds<String, Probed>,
    /// Flags of commands that several machines have.
    pub common: Kinds<String, Vec<Arc<Placed<Flag>>>>,
    /// Flags.
    pub flags: Kinds<Place, Placed<Flag>>,
    /// Who listens.
    pub servers: Kinds<Place, Placed<ServerDeclaration>>,
    /// Who asks.
    pub clients: Kinds<Place, Placed<ClientDeclaration>>,
    /// What must agree.
    pub agree: Kinds<Place, Placed<AgreeDeclaration>>,
    /// What configurations may hold.
    pub schemas: Kinds<(), Vec<Placed<SchemaDeclaration>>>,
    /// What is wrong.
    pub checks: Kinds<Place, Placed<CheckDeclaration>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_of_a_key_are_one() {
        let alike: Kinds<&str, String> = Kinds::default();
        let get = |key, value: &str| alike.one(key, value.to_owned());
        let (a, b) = (get("k", "a"), get("k", "b"));
        assert!(Arc::ptr_eq(&a, &get("k", "a")) && Arc::ptr_eq(&b, &get("k", "b")));
        assert!(!Arc::ptr_eq(&a, &get("other", "a")));
        for value in ["c", "d", "e", "f"] {
            get("k", value);
        }
        assert!(!Arc::ptr_eq(&a, &get("k", "a")));
    }
}

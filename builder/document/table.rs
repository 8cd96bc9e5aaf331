//! [`Table`]: values by key.

use std::sync::Arc;

use super::{Field, Value};

/// Values by key, sorted by key. In one piece of memory, since tables are many and small, and seldom change once they are
/// made; keys are shared among copies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(Arc<str>, Field)>);

impl Table {
    /// Nothing in it.
    pub fn new() -> Table {
        Table::default()
    }

    /// A copy with room for some more.
    pub fn with_room(&self, more: usize) -> Table {
        let mut fields = Vec::with_capacity(self.0.len() + more);
        fields.extend_from_slice(&self.0);
        Table(fields)
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| (**own).cmp(key))
    }

    /// The field of a key.
    pub fn get(&self, key: &str) -> Option<&Field> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    /// Gives a key that is there another value.
    pub fn replace(&mut self, key: &str, value: Value) {
        if let Some(field) = self.get_mut(key) {
            field.value = value;
        }
    }

    /// The field of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Field> {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    /// Whether there is a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Sets a key, whatever it was set to.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, field: Field) {
        let key = key.into();
        match self.find(&key) {
            Ok(at) => self.0[at].1 = field,
            Err(at) => self.0.insert(at, (key, field)),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        if let Ok(at) = self.find(key) {
            self.0.remove(at);
        }
    }

    /// Sets a key if there is none.
    pub fn insert_default(&mut self, key: &str, field: impl FnOnce() -> Field) {
        if let Err(at) = self.find(key) {
            self.0.insert(at, (key.into(), field()));
        }
    }

    /// Keeps those alone that are wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| wanted(key));
    }

    /// Keys and fields in order.
    pub fn iter(&self) -> Iter<'_> {
        self.0.iter().map(|(key, field)| (key, field))
    }

    /// All fields, to be changed, with their keys.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Field)> {
        self.0.iter_mut().map(|(key, field)| (&**key, field))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Keys and fields of a table in order.
pub type Iter<'a> = std::iter::Map<std::slice::Iter<'a, (Arc<str>, Field)>, fn(&(Arc<str>, Field)) -> (&str, &Field)>;

impl<'a> IntoIterator for &'a Table {
    type Item = (&'a str, &'a Field);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Of a key that comes more than once the last counts.
impl<K: Into<Arc<str>>> FromIterator<(K, Field)> for Table {
    fn from_iter<I: IntoIterator<Item = (K, Field)>>(fields: I) -> Table {
        let mut fields: Vec<(Arc<str>, Field)> = fields.into_iter().map(|(key, field)| (key.into(), field)).collect();
        fields.reverse();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        fields.dedup_by(|(a, _), (b, _)| a == b);
        fields.shrink_to_fit();
        Table(fields)
    }
}

impl<K: Into<Arc<str>>, const N: usize> From<[(K, Field); N]> for Table {
    fn from(fields: [(K, Field); N]) -> Table {
        fields.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Data;

    #[test]
    fn keys_are_sorted_and_the_last_of_a_key_counts() {
        let Data::Table(parsed) = Value::parse("c = 3\na = 1\nb = 2\n", "t").unwrap().data else { panic!("no table") };
        let field = |key: &str| parsed.get(key).unwrap().clone();
        let mut table: Table = [("c", field("a")), ("a", field("a")), ("c", field("c"))].into_iter().collect();
        table.insert_default("b", || field("a"));
        table.insert("b", field("b"));
        table.insert_default("b", || field("a"));
        assert_eq!(table, *parsed);
        assert_eq!(table.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        table.remove("b");
        table.retain(|key| key != "a");
        assert!(table.len() == 1 && table.contains_key("c") && table.get("b").is_none());
    }
}

//! [`Value`]: what YAML, JSON and TOML say alike, and what changed between two of them, by path.

use std::collections::{BTreeMap, BTreeSet};

use super::align::{align, pairs};
use super::certificates;
use super::detail::Details;
use super::lines::unified;
use super::words;

/// A value. Keys have no order; what a list has does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Text, a number, true, null.
    Scalar(Scalar),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key.
    Map(BTreeMap<String, Value>),
}

/// A single value, by what is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scalar {
    /// Its text, without quotes.
    pub text: String,
    /// What it is.
    pub kind: ScalarKind,
}

/// What a scalar is, as far as two of the same text can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScalarKind {
    /// Text in any reader's eyes.
    Text,
    /// A number, true, null, a date, or what some reader takes for one.
    Other,
    /// A number that was rounded when it was read: two of them may differ and look the same.
    Rounded,
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Scalar(Scalar { text: text.into(), kind: ScalarKind::Text })
    }

    /// Anything that is no text.
    pub fn other(text: impl ToString) -> Value {
        Value::Scalar(Scalar { text: text.to_string(), kind: ScalarKind::Other })
    }

    /// A number that was rounded when it was read; it shows that it is no integer.
    pub fn rounded(number: f64) -> Value {
        Value::Scalar(Scalar { text: format!("{number:?}"), kind: ScalarKind::Rounded })
    }

    /// Whether equal values stand for equal documents.
    pub fn is_exact(&self) -> bool {
        match self {
            Value::Scalar(scalar) => scalar.kind != ScalarKind::Rounded,
            Value::List(items) => items.iter().all(Value::is_exact),
            Value::Map(map) => map.values().all(Value::is_exact),
        }
    }

    /// In one line, as JSON but for quotes that need not be.
    fn compact(&self) -> String {
        match self {
            Value::Scalar(scalar) => scalar.text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(Value::compact).collect::<Vec<_>>().join(", ")),
            Value::Map(map) => {
                let fields = map.iter().map(|(key, value)| format!("{}: {}", plain_key(key), value.compact()));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }
}

/// What changed between two documents, by path.
pub fn compare(before: &Value, after: &Value, details: &mut Details) {
    at("", before, after, details);
}

fn at(path: &str, before: &Value, after: &Value, details: &mut Details) {
    match (before, after) {
        _ if before == after => {}
        (Value::Map(a), Value::Map(b)) => maps(path, a, b, details),
        (Value::List(a), Value::List(b)) => lists(path, a, b, details),
        (Value::Scalar(a), Value::Scalar(b)) => scalars(path, a, b, details),
        _ => {
            let path = if path.is_empty() { "the whole document" } else { path };
            details.push(path, Some(&before.compact()), Some(&after.compact()));
        }
    }
}

fn maps(path: &str, before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>, details: &mut Details) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let path = match path {
            "" => plain_key(key),
            _ => format!("{path}.{}", plain_key(key)),
        };
        one(&path, before.get(key), after.get(key), details);
    }
}

/// A value that may be on one side alone. Of a map that is, each key is told: that is what a person reads.
fn one(path: &str, before: Option<&Value>, after: Option<&Value>, details: &mut Details) {
    let none = || BTreeMap::new();
    match (before, after) {
        (Some(a), Some(b)) => at(path, a, b, details),
        (Some(Value::Map(map)), None) if !map.is_empty() => maps(path, map, &none(), details),
        (None, Some(Value::Map(map))) if !map.is_empty() => maps(path, &none(), map, details),
        _ => details.push(path, before.map(Value::compact).as_deref(), after.map(Value::compact).as_deref()),
    }
}

fn lists(path: &str, before: &[Value], after: &[Value], details: &mut Details) {
    if let (Some(a), Some(b)) = (texts(before), texts(after))
        && words::are_flags(a.iter().chain(&b).map(String::as_str))
    {
        return words::compare(path, &a, &b, details);
    }
    if let (Some(a), Some(b)) = (named(before), named(after)) {
        let known = details.told.len() + details.more;
        let names: BTreeSet<&&str> = a.keys().chain(b.keys()).collect();
        for name in names {
            let path = format!("{path}[{name}]");
            one(&path, a.get(*name).copied(), b.get(*name).copied(), details);
        }
        if details.told.len() + details.more == known {
            let order = |items: &[Value]| items.iter().filter_map(name).collect::<Vec<_>>().join(", ");
            details.push(&format!("{path} (order)"), Some(&order(before)), Some(&order(after)));
        }
        return;
    }
    let (old, new) = numbers(before, after);
    for (a, b) in pairs(&align(before.len(), after.len(), |i, j| old[i] == new[j])) {
        let path = format!("{path}[{}]", b.or(a).unwrap_or_default());
        one(&path, a.map(|i| &before[i]), b.map(|j| &after[j]), details);
    }
}

/// A number for each item of two lists, the same for equal ones: items may be large, and each is compared with many.
fn numbers(before: &[Value], after: &[Value]) -> (Vec<usize>, Vec<usize>) {
    let mut known = BTreeMap::new();
    let mut number = |item| {
        let next = known.len();
        *known.entry(item).or_insert(next)
    };
    (before.iter().map(&mut number).collect(), after.iter().map(&mut number).collect())
}

/// The items, if all are texts: a command line may be one.
fn texts(items: &[Value]) -> Option<Vec<String>> {
    items.iter().map(|item| item.as_text().map(str::to_owned)).collect()
}

/// The items by their names, if each is a map with a `name` of its own.
fn named(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let mut named = BTreeMap::new();
    items.iter().all(|item| name(item).is_some_and(|name| named.insert(name, item).is_none())).then_some(named)
}

fn name(item: &Value) -> Option<&str> {
    match item {
        Value::Map(map) => map.get("name")?.as_text(),
        _ => None,
    }
}

fn scalars(path: &str, before: &Scalar, after: &Scalar, details: &mut Details) {
    if certificates::compare_in(path, &before.text, &after.text, details) {
        return;
    }
    if before.text.contains('\n') || after.text.contains('\n') {
        return details.push_lines(path, unified(&before.text, &after.text));
    }
    // `1` and `"1"`: the quotes are the change.
    let shown = |scalar: &Scalar| match (before.text == after.text, scalar.kind) {
        (true, ScalarKind::Text) => format!("\"{}\"", scalar.text),
        _ => scalar.text.clone(),
    };
    details.push(path, Some(&shown(before)), Some(&shown(after)));
}

/// A key as it stands in a path: in quotes if it could be taken for more than one.
fn plain_key(key: &str) -> String {
    let fine = |c: char| c.is_alphanumeric() || "_-/".contains(c);
    match !key.is_empty() && key.chars().all(fine) {
        true => key.to_owned(),
        false => format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items that are all alike but for their ends.
    #[test]
    fn large_items_are_not_compared_each_with_each() {
        let item = |last: usize| Value::List((0..600).map(|n| Value::other(if n == 599 { last } else { 1 })).collect());
        let list = |last| Value::List((0..1900).map(|n| item(if n % 3 == 0 { 0 } else { last })).collect());
        let (old, new, mut details) = (list(1), list(2), Details::default());
        // Each item is compared with a few of the others.
        let start = std::time::Instant::now();
        let (Value::List(mut a), Value::List(mut b)) = (old.clone(), new.clone()) else { panic!() };
        a.sort();
        b.sort();
        let (sorting, start) = (start.elapsed(), std::time::Instant::now());
        compare(&old, &new, &mut details);
        let comparing = start.elapsed();
        assert_eq!((details.told.len() + details.more, details.told[0].at.as_str()), (1266, "[1][599]"));
        assert!(comparing < sorting * 40, "{comparing:?} and {sorting:?}");
    }
}

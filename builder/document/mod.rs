//! TOML documents whose every value keeps its file, line and column: through merging, rendering and reading, so that
//! an error or `explain` can always say where a value was written.
//!
//! ```text
//! text --parse--> Value --(merge, render)--> Value --read::<T>--> T, or all faults at once
//! ```

mod path;
mod read;
mod table;
pub mod yaml;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::digest::{Digest, HashWriter};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, FileName, Place, Result};

pub use path::Path;
pub use read::{Placed, nearest, read, unknown_keys};
pub use table::Table;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Where it starts.
    pub place: Place,
    /// What it is.
    pub data: Data,
}

/// What a value is. Tables and arrays are shared, so that a copy is cheap.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Text.
    String(Arc<str>),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// An instant, in UTC and whole seconds.
    Instant(Epoch),
    /// Values in order.
    Array(Arc<Vec<Value>>),
    /// Values by key.
    Table(Arc<Table>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where the key is written.
    pub key: Place,
    /// What it is set to.
    pub value: Value,
}

impl Value {
    /// Parses a document; `file` is how errors name it.
    ///
    /// # Errors
    /// Every syntax error that TOML 1.0 knows, and what it allows but no file of ours needs: a byte order mark,
    /// control characters in strings, instants that are not in UTC and whole seconds.
    pub fn parse(text: &str, file: &str) -> Result<Value> {
        let mut lines = Lines::new(text, file);
        if text.starts_with('\u{feff}') {
            return Err(
                Error::usage("the file starts with a byte order mark; save it as plain UTF-8").at(&lines.place(0))
            );
        }
        // Only the first: what a parser says after its first error is mostly about that error.
        let table = DeTable::parse(text).map_err(|error| {
            let at = lines.place(error.span().map_or(0, |span| span.start));
            Error::usage(error.message().replace('\n', ", ")).at(&at)
        })?;
        let mut faults = Faults::new();
        let table = convert_table(table.into_inner(), &mut lines, &mut faults);
        faults.finish(Value { place: lines.place(0), data: Data::Table(Arc::new(table)) })
    }

    /// The value as a table.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value as text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The values of an array; none if it is not one.
    pub fn items(&self) -> &[Value] {
        match &self.data {
            Data::Array(items) => items,
            _ => &[],
        }
    }

    /// The value of a key of a table.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_table()?.get(key).map(|field| &field.value)
    }

    /// The name of its type, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::String(_) => "a string",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Boolean(_) => "true or false",
            Data::Instant(_) => "an instant",
            Data::Array(_) => "a list",
            Data::Table(_) => "a table",
        }
    }

    /// The value as JSON, keys sorted, places left out.
    pub fn to_json(&self) -> serde_json::Value {
        // Every value can be said: keys are text, and numbers are finite.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The SHA-256 of the value as JSON.
    pub fn digest(&self) -> Result<Digest> {
        // Not as one text: a document may be large.
        let mut writer = HashWriter::new(std::io::sink());
        let written = serde_json::to_writer(&mut writer, self);
        written.map_err(|error| Error::bug(format!("writing a document as JSON: {error}")))?;
        Ok(writer.finish().1)
    }

    /// An empty table at a place.
    pub fn empty_table(place: &Place) -> Value {
        Value { place: place.clone(), data: Data::Table(Arc::new(Table::new())) }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.data {
            Data::String(text) => serializer.serialize_str(text),
            Data::Integer(number) => serializer.serialize_i64(*number),
            Data::Float(number) => serializer.serialize_f64(*number),
            Data::Boolean(flag) => serializer.serialize_bool(*flag),
            Data::Instant(epoch) => serializer.collect_str(epoch),
            Data::Array(items) => serializer.collect_seq(items.iter()),
            Data::Table(table) => serializer.collect_map(table.iter().map(|(key, field)| (key, &field.value))),
        }
    }
}

// What was converted goes: of a large document both forms together would be much.
fn convert_table(table: DeTable<'_>, lines: &mut Lines<'_>, faults: &mut Faults) -> Table {
    let fields = table.into_iter().map(|(key, value)| {
        let place = lines.place(key.span().start);
        check_text(key.get_ref(), &place, faults);
        (lines.key(key.get_ref()), Field { key: place, value: convert(value, lines, faults) })
    });
    fields.collect()
}

fn convert(value: Spanned<DeValue<'_>>, lines: &mut Lines<'_>, faults: &mut Faults) -> Value {
    let place = lines.place(value.span().start);
    let mut refuse = |message: String| {
        faults.push(Error::usage(message).at(&place));
        Data::Boolean(false)
    };
    let data = match value.into_inner() {
        DeValue::String(text) => {
            check_text(&text, &place, faults);
            Data::String(text.as_ref().into())
        }
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Data::Integer(number),
            Err(_) => refuse(format!("{} does not fit 64 bits", number.as_str())),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Data::Float(number),
            _ => refuse(format!("{} is not a finite number", number.as_str())),
        },
        DeValue::Boolean(flag) => Data::Boolean(flag),
        DeValue::Datetime(instant) => match instant.to_string().parse() {
            Ok(epoch) => Data::Instant(epoch),
            Err(error) => {
                faults.push(error.at(&place));
                Data::Boolean(false)
            }
        },
        DeValue::Array(items) => {
            // Into room of its own: what is collected in place keeps all the room of the larger items.
            let mut values = Vec::with_capacity(items.len());
            values.extend(items.into_iter().map(|item| convert(item, lines, faults)));
            Data::Array(Arc::new(values))
        }
        DeValue::Table(table) => Data::Table(Arc::new(convert_table(table, lines, faults))),
    };
    Value { place, data }
}

fn check_text(text: &str, place: &Place, faults: &mut Faults) {
    if let Some(bad) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        faults.push(Error::usage(format!("a string holds the control character {}", bad.escape_default())).at(place));
    }
}

/// Turns byte offsets into lines and columns.
struct Lines<'a> {
    text: &'a str,
    file: FileName,
    starts: Vec<usize>,
    // The keys so far: most tables of a list have the same.
    keys: BTreeSet<Arc<str>>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, file: &str) -> Lines<'a> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, file: file.into(), starts, keys: BTreeSet::new() }
    }

    /// The key, which is kept once.
    fn key(&mut self, key: &str) -> Arc<str> {
        if let Some(known) = self.keys.get(key) {
            return known.clone();
        }
        let new: Arc<str> = key.into();
        self.keys.insert(new.clone());
        new
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place { file: self.file.clone(), line: line as u32, column: column as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Value::parse(text, "p.toml").unwrap_err().to_string()
    }

    #[test]
    fn every_value_knows_its_place() {
        let value = Value::parse("a = 1\n[t]\n  \"é\" = [\"x\",\n  2026-11-01T00:00:00Z]\n", "p.toml").unwrap();
        let array = value.get("t").unwrap().get("é").unwrap();
        assert_eq!(array.place.to_string(), "p.toml:3:9");
        assert_eq!(array.items()[1].place.to_string(), "p.toml:4:3");
        assert_eq!(array.items()[1].to_json(), "2026-11-01T00:00:00Z");
    }

    #[test]
    fn hostile_documents_are_refused_with_a_place() {
        assert!(fault("a = 1\na = 2\n").starts_with("p.toml:2:1: "), "{}", fault("a = 1\na = 2\n"));
        assert!(fault("a = 1\n[a.b]\nc = 1\n").starts_with("p.toml:2:"));
        assert!(fault("\u{feff}a = 1").contains("byte order mark"));
        assert!(fault("a = \"\\u0000\"").contains("control character"));
        assert!(fault("a = \"\\u001b[31m\"").contains("control character"));
        assert!(fault("a = 9223372036854775808").contains("64 bits"));
        assert!(fault("a = nan").contains("finite"));
        assert!(fault("a = 2026-11-01T00:00:00+02:00").contains("UTC"));
        assert!(fault("a = 2026-11-01").contains("instant"));
        assert!(fault("a = 1\rb = 2").starts_with("p.toml:1:"));
        assert!(!fault("a = \nb = \n").contains("\n\n"));
        for deep in [
            format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
            "a.".repeat(100_000) + "b = 1",
            format!("a = {}", "{b=".repeat(100_000)),
        ] {
            assert!(Value::parse(&deep, "p.toml").is_err());
        }
    }
}

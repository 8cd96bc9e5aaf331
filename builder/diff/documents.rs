//! Reading YAML, JSON and TOML into a `Value`. What cannot be read in full, exactly and within bounds is none: it is
//! compared as text then, which hides nothing.

use std::collections::BTreeMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::value::{DEEPEST, Scalar, ScalarKind, Value};
use crate::overlay::escape::is_ambiguous;

/// The most bytes of memory that the values of a YAML file may take, aliases included: a document that nests them doubles
/// with every line.
const MOST: usize = 32 << 20;
/// What a value takes beside its text, or a map's entry beside its key and value.
const VALUE: usize = 64;
/// What a map takes beside its entries, which it makes room for before it has them.
const MAP: usize = 512;

/// All documents of a YAML file (yaml.org/spec/1.2.2), one for each `---`; none if it is not YAML, or has a key twice,
/// or what only looks like text.
pub fn yaml(text: &str) -> Option<Value> {
    let mut documents = Vec::new();
    let mut reader = Yaml { events: Parser::new_from_str(text), anchors: BTreeMap::new(), cost: 0 };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            Event::DocumentStart(_) => {
                reader.anchors.clear();
                let first = reader.next()?;
                documents.push(reader.value(first, 0)?);
            }
            _ => return None,
        }
    }
    match documents.len() {
        1 => documents.pop(),
        _ => Some(Value::List(documents)),
    }
}

struct Yaml<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, (Value, usize)>,
    cost: usize,
}

impl<'a> Yaml<'a> {
    fn next(&mut self) -> Option<Event<'a>> {
        self.events.next()?.ok().map(|(event, _)| event)
    }

    /// Values cost about the memory that they take; too much is none.
    fn pay(&mut self, cost: usize) -> Option<()> {
        self.cost = self.cost.saturating_add(cost);
        (self.cost <= MOST).then_some(())
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let before = self.cost;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.pay(text.len() + VALUE)?;
                (anchor, scalar(&text, style, tag.as_deref()))
            }
            Event::SequenceStart(anchor, tag) => (anchor, tagged(self.list(depth)?, tag.as_deref())),
            Event::MappingStart(anchor, tag) => (anchor, tagged(self.map(depth)?, tag.as_deref())),
            Event::Alias(anchor) => {
                let (value, cost) = self.anchors.get(&anchor).cloned()?;
                self.pay(cost)?;
                return Some(value);
            }
            _ => return None,
        };
        if anchor != 0 {
            // Kept once more for each anchor: that too is paid.
            let cost = self.cost - before;
            self.pay(cost)?;
            self.anchors.insert(anchor, (value.clone(), cost));
        }
        Some(value)
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.pay(VALUE)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Some(Value::List(items)),
                event => items.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        self.pay(MAP)?;
        let mut map = BTreeMap::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Some(Value::Map(map)),
                // `yes` and `1` are text to one reader alone, and `<<` is no key: they are told as they are written.
                Event::Scalar(text, ScalarStyle::Plain, ..) if is_ambiguous(&text) => return None,
                // Keys that are no plain text are what no configuration has.
                Event::Scalar(text, _, 0, None) => text.into_owned(),
                _ => return None,
            };
            self.pay(key.len() + VALUE)?;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            if map.insert(key, value).is_some() {
                return None;
            }
        }
    }
}

/// A scalar. Plain ones that some reader takes for more than text (`1`, `yes`, `~`) are another thing than the same in
/// quotes; a tag is a part of the value.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let plain = style == ScalarStyle::Plain && is_ambiguous(text);
    let kind = if plain { ScalarKind::Other } else { ScalarKind::Text };
    match tag {
        Some(tag) => Value::Scalar(Scalar { text: format!("{}{} {text}", tag.handle, tag.suffix), kind }),
        None => Value::Scalar(Scalar { text: text.to_owned(), kind }),
    }
}

fn tagged(value: Value, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) => Value::Map(BTreeMap::from([(format!("{}{}", tag.handle, tag.suffix), value)])),
        None => value,
    }
}

/// A JSON text (RFC 8259); none if it is not one, or has a key twice.
pub fn json(text: &str) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Json.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Reads what JSON has. serde_json bounds the depth.
struct Json;

impl<'de> DeserializeSeed<'de> for Json {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(Json)
    }
}

impl<'de> Visitor<'de> for Json {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::other(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::other(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::other(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::rounded(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Json)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = fields.next_key::<String>()? {
            if map.insert(key, fields.next_value_seed(Json)?).is_some() {
                return Err(de::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Map(map))
    }
}

/// A TOML document (toml.io, 1.0); none if it is not one. The parser refuses keys that stand twice and bounds the depth.
pub fn toml(text: &str) -> Option<Value> {
    text.parse::<toml::Table>().ok().map(|table| of_toml(toml::Value::Table(table)))
}

fn of_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::text(text),
        toml::Value::Integer(number) => Value::other(number),
        toml::Value::Float(number) => Value::rounded(number),
        toml::Value::Boolean(flag) => Value::other(flag),
        toml::Value::Datetime(instant) => Value::other(instant),
        toml::Value::Array(items) => Value::List(items.into_iter().map(of_toml).collect()),
        toml::Value::Table(table) => Value::Map(table.into_iter().map(|(key, value)| (key, of_toml(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::detail::Details;
    use crate::diff::value::compare;

    fn told(read: fn(&str) -> Option<Value>, before: &str, after: &str) -> Vec<String> {
        let mut details = Details::default();
        compare(&read(before).unwrap(), &read(after).unwrap(), &mut details);
        let show = |text: Option<String>| text.unwrap_or("-".into());
        details.told.into_iter().map(|d| format!("{}: {} > {}", d.at, show(d.before), show(d.after))).collect()
    }

    #[test]
    fn yaml_by_path_whatever_the_writing() {
        let before = "# why\na: {b: 1, c: [x, w]}\nlist:\n- name: one\n  v: 1\n- name: two\n  v: 2\n";
        assert!(
            told(yaml, before, "list: [{v: 1, name: 'one'}, {v: 2, name: two}]\na:\n  c:\n  - x\n  - \"w\"\n  b: 1\n")
                .is_empty()
        );
        let after = "a: {b: '1', c: [x, z, w], \"d.e\": {f: ~}}\nlist:\n- name: two\n  v: 3\n- name: new\n";
        assert_eq!(
            told(yaml, before, after),
            [
                "a.b: 1 > \"1\"",
                "a.c[1]: - > z",
                "a.\"d.e\".f: - > ~",
                "list[new].name: - > new",
                "list[one].name: one > -",
                "list[one].v: 1 > -",
                "list[two].v: 2 > 3"
            ]
        );
        assert_eq!(told(yaml, "a: 1\n---\nb: 1\n", "a: 1\n---\nb: 2\n"), ["[1].b: 1 > 2"]);
        assert_eq!(told(yaml, "x: &a [1]\nz: *a\n", "x: [1]\nz: [2]\n"), ["z[0]: 1 > 2"]);
        assert_eq!(told(yaml, "c: [p, --a=1, --b]\n", "c: [p, --b, --a=2]\n"), ["c --a: 1 > 2"]);
        assert_eq!(told(yaml, "a: !x 1\n", "a: 1\n"), ["a: !x 1 > 1"]);
    }

    #[test]
    fn what_cannot_be_read_exactly_is_not_read() {
        for text in ["a: 1\na: 2\n", "a: [", "? [x]\n: y\n", "a: *b\n", "{"] {
            assert_eq!(yaml(text), None, "{text:?}");
        }
        for text in ["{\"a\":1,\"a\":2}", "{} {}", "[1,]", "// x\n{}", &"[".repeat(100_000)] {
            assert_eq!(json(text), None, "{text:.20}");
        }
        assert_eq!(toml("a = 1\na = 2"), None);
        assert!(!json("[0.1]").unwrap().is_exact() && json("[1]").unwrap().is_exact());
    }

    #[test]
    fn aliases_are_bounded() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            bomb += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
        }
        assert_eq!(yaml(&bomb), None);
        assert_eq!(yaml(&format!("{}1{}", "[".repeat(5000), "]".repeat(5000))), None);
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(1000));
        assert_eq!(yaml(&long), None);
        // Each of these maps takes much more than its text.
        let maps = format!("a: &a [{}]\nb: [{}]\n", "{a}, ".repeat(10_000), "*a, ".repeat(95));
        assert_eq!(yaml(&maps), None);
    }

    #[test]
    fn json_and_toml() {
        assert_eq!(
            told(json, "{\"a\":[1,2],\"b\":null}", "{\"b\": false, \"a\": [1]}"),
            ["a[1]: 2 > -", "b: null > false"]
        );
        assert_eq!(told(toml, "[a]\nb = 1\nc = 'x'", "a.c = \"x\"\na.b = 2"), ["a.b: 1 > 2"]);
    }
}

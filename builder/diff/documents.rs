//! Reading YAML, JSON and TOML into a `Value`. What cannot be read in full, exactly and within bounds is none: it is
//! compared as text then, which hides nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::value::{Scalar, ScalarKind, Value};
use crate::document::yaml;
use crate::overlay::escape::is_ambiguous;

/// All documents of a YAML file, one for each `---`; none if it is not YAML, or has a key twice, or what only looks like
/// text.
pub fn yaml(text: &str) -> Option<Value> {
    let documents = yaml::read(text).ok()?;
    let mut documents: Vec<Value> = documents.into_iter().map(of_yaml).collect::<Option<_>>()?;
    match documents.len() {
        1 => documents.pop(),
        _ => Some(Value::List(documents)),
    }
}

fn of_yaml(node: yaml::Node) -> Option<Value> {
    let value = match node.content {
        yaml::Content::Scalar { text, is_plain } => return Some(scalar(text, is_plain, node.tag)),
        yaml::Content::List(items) => Value::List(items.into_iter().map(of_yaml).collect::<Option<_>>()?),
        yaml::Content::Map(fields) => {
            let mut map = BTreeMap::new();
            for (key, value) in fields {
                // `yes` and `1` are text to one reader alone, and `<<` is no key: they are told as they are written.
                let is_text = !(key.is_plain && is_ambiguous(&key.text));
                if !is_text || map.insert(key.text, of_yaml(value)?).is_some() {
                    return None;
                }
            }
            Value::Map(map)
        }
    };
    Some(match node.tag {
        Some(tag) => Value::Map(BTreeMap::from([(tag, value)])),
        None => value,
    })
}

/// A scalar. Plain ones that some reader takes for more than text (`1`, `yes`, `~`) are another thing than the same in
/// quotes; a tag is a part of the value.
fn scalar(text: String, is_plain: bool, tag: Option<String>) -> Value {
    let kind = if is_plain && is_ambiguous(&text) { ScalarKind::Other } else { ScalarKind::Text };
    let text = tag.map_or(text.clone(), |tag| format!("{tag} {text}"));
    Value::Scalar(Scalar { text, kind })
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

//! What the files of a program may hold: the fields of an object that no API server takes, such as a component's own
//! configuration.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// The fields of a kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SchemaDeclaration {
    /// Its `apiVersion`.
    pub api: String,
    /// Its `kind`.
    pub kind: String,
    /// Its fields beside those two and `metadata`: text, boolean, integer, number, any; `[text]` for a list and `{text}` for a map
    /// of them; a table of fields, or a list with one.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub fields: BTreeMap<String, Shape>,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Whatever it is.
    Any,
    /// Text; a number, true and false are none without quotes.
    Text,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A list.
    List(Box<Shape>),
    /// A map of any keys.
    Map(Box<Shape>),
    /// A map of these keys.
    Fields(BTreeMap<String, Shape>),
}

impl Shape {
    fn of(word: &str) -> Option<Shape> {
        let inside = |open, close| word.strip_prefix(open)?.strip_suffix(close);
        if let Some(item) = inside('[', ']') {
            return Shape::of(item).map(|item| Shape::List(Box::new(item)));
        }
        if let Some(value) = inside('{', '}') {
            return Shape::of(value).map(|value| Shape::Map(Box::new(value)));
        }
        match word {
            "any" => Some(Shape::Any),
            "text" => Some(Shape::Text),
            "boolean" => Some(Shape::Boolean),
            "integer" => Some(Shape::Integer),
            "number" => Some(Shape::Number),
            _ => None,
        }
    }
}

/// What is wanted, in words.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Any => "anything",
            Shape::Text => "text",
            Shape::Boolean => "true or false",
            Shape::Integer => "a whole number",
            Shape::Number => "a number",
            Shape::List(_) => "a list",
            Shape::Map(_) | Shape::Fields(_) => "a map",
        })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        struct Any;
        impl<'de> de::Visitor<'de> for Any {
            type Value = Shape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, boolean, integer, number or any, [..] or {..} around one, a table of fields, or a list with one")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Shape, E> {
                Shape::of(word).ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
                let item = items.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                match items.next_element::<Shape>()? {
                    None => Ok(Shape::List(Box::new(item))),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, fields: A) -> Result<Shape, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(fields)).map(Shape::Fields)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_as_they_are_written() {
        let read = |text: &str| serde_json::from_str::<Shape>(text).ok();
        assert_eq!(read("\"[text]\""), Some(Shape::List(Box::new(Shape::Text))));
        let lists = Shape::Map(Box::new(Shape::List(Box::new(Shape::Integer))));
        assert_eq!(read("\"{[integer]}\""), Some(lists));
        let fields = Shape::Fields(BTreeMap::from([("a".to_owned(), Shape::Any)]));
        assert_eq!(read("[{\"a\": \"any\"}]"), Some(Shape::List(Box::new(fields))));
        for wrong in ["\"string\"", "\"[text\"", "[]", "[\"text\", \"text\"]", "1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

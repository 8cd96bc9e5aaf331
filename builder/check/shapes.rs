//! Objects whose fields an overlay declares (`[[schemas]]`).

use super::scalar::{Sense, as_json, sense};
use super::typed::{Amiss, Fault};
use crate::document::yaml::{Content, Node};
use crate::document::{Placed, nearest};
use crate::overlay::schema::{SchemaDeclaration, Shape};

/// What every object may have.
const OF_ALL: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What a machine's overlays say of kinds of objects.
pub type Schemas = [Placed<SchemaDeclaration>];

/// What a machine's overlays say of an object's kind.
pub fn schema_of<'a>(schemas: &'a Schemas, object: &Node) -> Option<&'a SchemaDeclaration> {
    let (api, kind) = (object.text("apiVersion")?, object.text("kind")?);
    let declared = schemas.iter().map(|schema| &schema.value);
    declared.into_iter().find(|schema| schema.api == api && schema.kind == kind)
}

/// All that is amiss with an object.
pub fn read(schema: &SchemaDeclaration, object: &Node) -> Vec<Amiss> {
    let mut amiss = Vec::new();
    for (key, value) in object.fields().iter().filter(|(key, _)| !OF_ALL.contains(&key.text.as_str())) {
        match schema.fields.get(&key.text) {
            Some(shape) => look(shape, value, &key.text, &mut amiss),
            None => amiss.push(unknown(&key.text, key.line, &key.text, schema.fields.keys())),
        }
    }
    amiss
}

fn unknown<'a>(key: &str, line: u32, at: &str, known: impl Iterator<Item = &'a String>) -> Amiss {
    let near = nearest(key, known.map(String::as_str)).map(str::to_owned);
    Amiss { line, at: at.to_owned(), fault: Fault::Unknown(near) }
}

fn look(shape: &Shape, node: &Node, at: &str, amiss: &mut Vec<Amiss>) {
    let fits = match (&node.content, shape) {
        (_, Shape::Any) => true,
        (Content::Scalar { text, is_plain }, _) => {
            // What is null is absent.
            let sense = if *is_plain { as_json(sense(text)) } else { Sense::Text };
            sense == Sense::Null || is_of(shape, sense)
        }
        (Content::List(items), Shape::List(item)) => {
            for (index, value) in items.iter().enumerate() {
                look(item, value, &format!("{at}[{index}]"), amiss);
            }
            true
        }
        (Content::Map(fields), Shape::Map(value)) => {
            fields.iter().for_each(|(key, node)| look(value, node, &format!("{at}.{}", key.text), amiss));
            true
        }
        (Content::Map(fields), Shape::Fields(known)) => {
            for (key, value) in fields {
                let at = format!("{at}.{}", key.text);
                match known.get(&key.text) {
                    Some(shape) => look(shape, value, &at, amiss),
                    None => amiss.push(unknown(&key.text, key.line, &at, known.keys())),
                }
            }
            true
        }
        _ => false,
    };
    if !fits {
        let says = format!("is {} where {shape} is wanted", found(&node.content));
        amiss.push(Amiss { line: node.line, at: at.to_owned(), fault: Fault::Value(says) });
    }
}

fn is_of(shape: &Shape, sense: Sense) -> bool {
    matches!(
        (shape, sense),
        (Shape::Text, Sense::Text)
            | (Shape::Boolean, Sense::Boolean(_))
            | (Shape::Integer | Shape::Number, Sense::Integer(_))
            | (Shape::Number, Sense::Float(_))
    )
}

/// What a value is, in words; of text only that it is one.
fn found(content: &Content) -> String {
    match content {
        Content::Scalar { text, is_plain: true } => match sense(text) {
            Sense::Boolean(flag) => flag.to_string(),
            Sense::Integer(number) => format!("the number {number}"),
            Sense::Float(number) => format!("the number {number}"),
            Sense::Null | Sense::Text => "text".to_owned(),
        },
        Content::Scalar { .. } => "text".to_owned(),
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a map".to_owned(),
    }
}

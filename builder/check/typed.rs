//! Reading YAML as a type, telling every field that the type does not have, and where a value is of another kind.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::refused::is_quantity;
use super::scalar::{Sense, as_json, sense};
use crate::document::yaml::{Content, Key, Node};
use crate::document::{Path, nearest};

/// What is not as the type has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amiss {
    /// The line, from 1.
    pub line: u32,
    /// Where in the document: `spec.containers[0].image`.
    pub at: String,
    /// What is wrong there.
    pub fault: Fault,
}

/// What may be wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The type has no such field; the one that was meant, perhaps.
    Unknown(Option<String>),
    /// The value cannot be read as the field's.
    Value(String),
}

/// Reads a value as a type; all that is amiss.
pub fn read<T: de::DeserializeOwned>(node: &Node) -> Vec<Amiss> {
    let log = RefCell::new(Vec::new());
    let read = T::deserialize(Reader { node, path: &Path::Root, log: &log, as_text: false });
    let mut amiss = log.into_inner();
    if let Err(Wrong { says, at }) = read {
        let (line, at) = at.unwrap_or((node.line, String::new()));
        amiss.push(Amiss { line, at, fault: Fault::Value(says) });
    }
    amiss
}

/// A value on its way into a type.
struct Reader<'de, 'a> {
    node: &'de Node,
    path: &'a Path<'a>,
    log: &'a RefCell<Vec<Amiss>>,
    /// Whether a number is as good as its text.
    as_text: bool,
}

/// Why a value is not of the type, and where.
#[derive(Debug)]
struct Wrong {
    says: String,
    at: Option<(u32, String)>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(says: T) -> Wrong {
        Wrong { says: says.to_string(), at: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Wrong {
        Self::custom(format!("is {} where {wanted} is wanted", named(found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Wrong {
        Self::custom(format!("is {}, which is not {wanted}", named(found)))
    }
}

/// What was found, in words; of text only that it is one.
fn named(found: de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Unit => "nothing".to_owned(),
        de::Unexpected::Bool(flag) => flag.to_string(),
        de::Unexpected::Unsigned(number) => format!("the number {number}"),
        de::Unexpected::Signed(number) => format!("the number {number}"),
        de::Unexpected::Float(number) => format!("the number {number}"),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a map".to_owned(),
        de::Unexpected::Str(_) => "text".to_owned(),
        other => other.to_string(),
    }
}

impl<'de> Reader<'de, '_> {
    fn placed<T>(&self, read: Result<T, Wrong>) -> Result<T, Wrong> {
        read.map_err(|wrong| Wrong { at: wrong.at.or_else(|| Some((self.node.line, self.path.to_string()))), ..wrong })
    }

    fn value<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.content {
            Content::Scalar { text, is_plain } => match as_json(sense(text)) {
                _ if !is_plain || self.as_text => visitor.visit_borrowed_str(text),
                Sense::Null => visitor.visit_unit(),
                Sense::Boolean(flag) => visitor.visit_bool(flag),
                Sense::Integer(number) => visitor.visit_i64(number),
                Sense::Float(number) => visitor.visit_f64(number),
                Sense::Text => visitor.visit_borrowed_str(text),
            },
            Content::List(items) => visitor.visit_seq(Items { reader: self, items: items.iter().enumerate() }),
            Content::Map(fields) => self.fields(fields, None, visitor),
        }
    }

    fn fields<V: Visitor<'de>>(
        &self,
        fields: &'de [(Key, Node)],
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_map(Fields { reader: self, fields: fields.iter(), known, value: None })
    }

    fn is_null(&self) -> bool {
        is_null(self.node)
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar { text, is_plain: true } if sense(text) == Sense::Null)
}

impl<'de> de::Deserializer<'de> for Reader<'de, '_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let read = self.value(visitor);
        self.placed(read)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        // A quantity may be a number (kubernetes.io, "Quantity").
        let as_text = name == "Quantity";
        if as_text && !is_quantity(self.node) {
            let fault = Fault::Value("is no quantity, such as 500m, 1.5 or 2Gi".to_owned());
            self.log.borrow_mut().push(Amiss { line: self.node.line, at: self.path.to_string(), fault });
        }
        visitor.visit_newtype_struct(Reader { as_text, ..self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let read = match &self.node.content {
            // Types that read themselves name no field.
            Content::Map(fields) => self.fields(fields, (!known.is_empty()).then_some(known), visitor),
            _ => self.value(visitor),
        };
        self.placed(read)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

struct Items<'de, 'a> {
    reader: &'a Reader<'de, 'a>,
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let path = &Path::Item(self.reader.path, index);
        seed.deserialize(Reader { node, path, log: self.reader.log, as_text: false }).map(Some)
    }
}

struct Fields<'de, 'a> {
    reader: &'a Reader<'de, 'a>,
    fields: std::slice::Iter<'de, (Key, Node)>,
    known: Option<&'static [&'static str]>,
    value: Option<&'de (Key, Node)>,
}

impl<'de> de::MapAccess<'de> for Fields<'de, '_> {
    type Error = Wrong;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        for field in self.fields.by_ref() {
            let key = field.0.text.as_str();
            if let Some(known) = self.known.filter(|known| !known.contains(&key)) {
                let near = nearest(key, known.iter().copied()).map(str::to_owned);
                let at = Path::Field(self.reader.path, key).to_string();
                self.reader.log.borrow_mut().push(Amiss { line: field.0.line, at, fault: Fault::Unknown(near) });
            } else if !is_null(&field.1) {
                // What is null is as good as absent to encoding/json of Go.
                self.value = Some(field);
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let (key, node) = self.value.take().ok_or_else(|| de::Error::custom("a value before its key"))?;
        let path = &Path::Field(self.reader.path, &key.text);
        seed.deserialize(Reader { node, path, log: self.reader.log, as_text: false })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Pod};

    use super::*;
    use crate::document::yaml;

    fn amiss<T: de::DeserializeOwned>(text: &str) -> Vec<(u32, String, String)> {
        let told = |Amiss { line, at, fault }| match fault {
            Fault::Unknown(near) => (line, at, format!("unknown, near {}", near.unwrap_or_default())),
            Fault::Value(says) => (line, at, says),
        };
        read::<T>(&yaml::read(text).unwrap()[0]).into_iter().map(told).collect()
    }

    #[test]
    fn what_is_right_is_right() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  creationTimestamp: null\n  labels: ~\n  annotations: {a: 'yes', b: }\n\
                   spec:\n  securityContext: null\n  hostNetwork: yes\n  volumes:\n  - configMap: {name: a, defaultMode: 0600}\n    name: v\n\
                   \x20 containers:\n  - name: a\n    ports: [{containerPort: 80}]\n    resources: {requests: {cpu: 1, memory: 1.5Gi}, limits: {cpu: 0.5}}\n\
                   \x20   livenessProbe: {httpGet: {port: https}}\n    readinessProbe: {httpGet: {port: 6443}}\nstatus: {}\n";
        assert_eq!(amiss::<Pod>(pod), []);
        assert_eq!(amiss::<Pod>("{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": []}}"), []);
    }

    #[test]
    fn every_unknown_field_has_its_line() {
        let pod = "kind: Pod\nspecs: {}\nspec:\n  containers:\n  - name: a\n    image: a\n    comand: [b]\n    env: [{nam: c}]\n";
        assert_eq!(
            amiss::<Pod>(pod),
            [
                (2, "specs".to_owned(), "unknown, near spec".to_owned()),
                (7, "spec.containers[0].comand".to_owned(), "unknown, near command".to_owned()),
                (8, "spec.containers[0].env[0].nam".to_owned(), "unknown, near name".to_owned()),
            ]
        );
    }

    #[test]
    fn a_value_of_another_type_has_its_line() {
        let one = |text: &str| amiss::<Pod>(text).pop().unwrap();
        let told = one("spec:\n  hostNetwork: 1\n");
        assert_eq!((told.0, &*told.1, &*told.2), (2, "spec.hostNetwork", "is the number 1 where a boolean is wanted"));
        assert_eq!(
            one("spec:\n  containers:\n  - env:\n    - {name: a, value: off}\n").1,
            "spec.containers[0].env[0].value"
        );
        assert_eq!(one("spec: []\n").2, "is a list where PodSpec is wanted");
        assert_eq!(one("spec: {priority: 3000000000}\n").1, "spec.priority");
        let told = one("spec:\n  containers:\n  - resources: {limits: {memory: 1Gb}}\n");
        assert_eq!((told.0, &*told.1), (3, "spec.containers[0].resources.limits.memory"));
        assert_eq!(one("apiVersion: 2\n").1, "apiVersion");
        // What is secret is not told with its place.
        let told = amiss::<ConfigMap>("binaryData: {a: '%%%'}\n").pop().unwrap();
        assert!(told.1 == "binaryData.a" && !told.2.contains("%%%"), "{told:?}");
    }
}

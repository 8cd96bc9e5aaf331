//! From a [`Value`] to a typed struct through serde, with what serde does not give: every unknown key with the nearest
//! known one, the place of whatever is wrong, and all that is wrong in one go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Data, Table, Value, table};
use crate::error::{Error, Faults, Place, Result};

/// Reads a typed value. All faults are found: whatever is wrong is noted, left out, and the rest read again.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T> {
    let unknown = RefCell::new(Faults::new());
    let mut faults = Faults::new();
    let mut value = value.clone();
    let mut incomplete = BTreeSet::new();
    loop {
        match T::deserialize(Reader { value: &value, unknown: &unknown }) {
            Ok(read) => {
                faults.append(unknown.into_inner());
                return faults.finish(read);
            }
            Err(wrong) => {
                let at = wrong.place.unwrap_or_else(|| value.place.clone());
                // A field that we took out ourselves is not missing.
                let ours = wrong.missing.is_some_and(|field| incomplete.contains(&(at.clone(), field.to_owned())));
                if !ours {
                    faults.push(Error::usage(wrong.message).at(&at));
                }
                match prune(&value, &at) {
                    Some((rest, taken)) => {
                        incomplete.insert(taken);
                        value = rest;
                    }
                    None => {
                        faults.append(unknown.into_inner());
                        return Err(faults.into_error());
                    }
                }
            }
        }
    }
}

/// The unknown keys alone, for a document that cannot be read yet because its values are still templates.
pub fn unknown_keys<T: DeserializeOwned>(value: &Value) -> Result<()> {
    let unknown = RefCell::new(Faults::new());
    let mut value = value.clone();
    while let Err(wrong) = T::deserialize(Reader { value: &value, unknown: &unknown }) {
        let at = wrong.place.unwrap_or_else(|| value.place.clone());
        match prune(&value, &at) {
            Some((rest, _)) => value = rest,
            None => break,
        }
    }
    unknown.into_inner().finish(())
}

/// `value` without the innermost value that stands at `place`; and what was taken: the place of what it stood in, and
/// its key.
fn prune(value: &Value, place: &Place) -> Option<(Value, (Place, String))> {
    let rebuilt = |data, taken| Some((Value { place: value.place.clone(), data }, taken));
    match &value.data {
        Data::Table(table) => {
            for (key, field) in table.iter() {
                if let Some((inner, taken)) = prune(&field.value, place) {
                    let mut rest = Table::clone(table);
                    rest.replace(key, inner);
                    return rebuilt(Data::Table(Arc::new(rest)), taken);
                }
                if field.value.place == *place || field.key == *place {
                    let mut rest = Table::clone(table);
                    rest.remove(key);
                    return rebuilt(Data::Table(Arc::new(rest)), (value.place.clone(), key.to_string()));
                }
            }
            None
        }
        Data::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some((inner, taken)) = prune(item, place) {
                    let mut rest = Vec::clone(items);
                    rest[index] = inner;
                    return rebuilt(Data::Array(Arc::new(rest)), taken);
                }
                if item.place == *place {
                    let mut rest = Vec::clone(items);
                    rest.remove(index);
                    return rebuilt(Data::Array(Arc::new(rest)), (value.place.clone(), String::new()));
                }
            }
            None
        }
        _ => None,
    }
}

/// `did you mean` for a name among those that are known; empty if nothing is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |candidate: &str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    let best = known.into_iter().map(|candidate| (score(candidate), candidate)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.8).map(|(_, candidate)| candidate)
}

/// A value that remembers where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<T> {
    /// Where it starts.
    pub place: Place,
    /// The value.
    pub value: T,
}

impl<T> std::ops::Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Placed<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The name by which [`Placed`] tells [`Reader`] that it wants the place too.
const PLACED: &str = "$mastermold::Placed";

thread_local! {
    /// The place on its way from [`Reader`] to [`Placed`]: serde would hand over the name of its file as a copy.
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
}

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for Placed<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Parts<T>(std::marker::PhantomData<T>);
        impl<'de, T: de::Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Placed<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a document")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> std::result::Result<Placed<T>, A::Error> {
                let lost = || de::Error::custom("only a document's reader gives places");
                let () = parts.next_element()?.ok_or_else(lost)?;
                let place = PLACE.take().ok_or_else(lost)?;
                let value = parts.next_element()?.ok_or_else(lost)?;
                Ok(Placed { place, value })
            }
        }
        deserializer.deserialize_newtype_struct(PLACED, Parts(std::marker::PhantomData))
    }
}

/// What serde says is wrong, and where.
#[derive(Debug)]
struct Wrong {
    message: String,
    place: Option<Place>,
    missing: Option<&'static str>,
    /// Whether the message already names its key.
    named: bool,
}

impl Wrong {
    fn at(mut self, place: &Place) -> Wrong {
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Wrong {
        Wrong { message: message.to_string(), place: None, missing: None, named: false }
    }

    fn missing_field(field: &'static str) -> Wrong {
        Wrong { missing: Some(field), ..Wrong::custom(format!("`{field}` is missing")) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Wrong {
        let hint = nearest(variant, expected.iter().copied());
        let hint =
            hint.map_or_else(|| format!("known: {}", expected.join(", ")), |near| format!("did you mean `{near}`?"));
        Wrong::custom(format!("`{variant}` is not known here; {hint}"))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Wrong {
        Wrong::custom(format!("expected {expected}, found {unexpected}"))
    }
}

/// The serde side of a value.
#[derive(Clone, Copy)]
struct Reader<'a> {
    value: &'a Value,
    unknown: &'a RefCell<Faults>,
}

impl<'a> Reader<'a> {
    fn inner(self, value: &'a Value) -> Reader<'a> {
        Reader { value, ..self }
    }

    fn note_unknown(&self, table: &Table, fields: &'static [&'static str]) {
        for (key, field) in table.iter().filter(|(key, _)| !fields.contains(key)) {
            let error = Error::usage(format!("`{key}` is not a key here")).at(&field.key);
            let advice = match nearest(key, fields.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", fields.join(", ")),
            };
            self.unknown.borrow_mut().push(error.advise(advice));
        }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        let read = match &self.value.data {
            Data::String(text) => visitor.visit_str(text),
            Data::Integer(number) => visitor.visit_i64(*number),
            Data::Float(number) => visitor.visit_f64(*number),
            Data::Boolean(flag) => visitor.visit_bool(*flag),
            Data::Instant(epoch) => visitor.visit_str(&epoch.to_string()),
            Data::Array(items) => visitor.visit_seq(Items { reader: self, items: items.iter() }),
            Data::Table(table) => {
                visitor.visit_map(Fields { reader: self, fields: table.iter(), value: None, known: None })
            }
        };
        read.map_err(|wrong| wrong.at(&self.value.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        let Data::Table(table) = &self.value.data else { return self.deserialize_any(visitor) };
        self.note_unknown(table, fields);
        let fields = Fields { reader: self, fields: table.iter(), value: None, known: Some(fields) };
        visitor.visit_map(fields).map_err(|wrong| wrong.at(&self.value.place))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        match name {
            PLACED => visitor.visit_seq(PlaceParts { reader: self, next: 0 }),
            _ => visitor.visit_newtype_struct(self).map_err(|wrong| wrong.at(&self.value.place)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        let Data::String(text) = &self.value.data else {
            let wrong: Wrong = de::Error::custom(format!("expected a string, found {}", self.value.kind()));
            return Err(wrong.at(&self.value.place));
        };
        let variant: StrDeserializer<'_, Wrong> = (**text).into_deserializer();
        visitor.visit_enum(variant).map_err(|wrong| wrong.at(&self.value.place))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: std::slice::Iter<'a, Value>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> std::result::Result<Option<T::Value>, Wrong> {
        let read = |item| seed.deserialize(self.reader.inner(item)).map_err(|wrong| wrong.at(&item.place));
        self.items.next().map(read).transpose()
    }
}

struct Fields<'a> {
    reader: Reader<'a>,
    fields: table::Iter<'a>,
    value: Option<(&'a super::Field, &'a str)>,
    known: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> std::result::Result<Option<K::Value>, Wrong> {
        let known = self.known;
        let is_known = |key: &str| known.is_none_or(|known| known.contains(&key));
        let Some((key, field)) = self.fields.by_ref().find(|(key, _)| is_known(key)) else { return Ok(None) };
        self.value = Some((field, key));
        let name: StrDeserializer<'_, Wrong> = key.into_deserializer();
        seed.deserialize(name).map(Some).map_err(|wrong| wrong.at(&field.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> std::result::Result<V::Value, Wrong> {
        let Some((field, key)) = self.value.take() else { return Err(de::Error::custom("a value without its key")) };
        seed.deserialize(self.reader.inner(&field.value)).map_err(|wrong| {
            // What a type of its own says (a version, a mode) has no place yet.
            let wrong = wrong.at(&field.value.place);
            let here = wrong.place.as_ref() == Some(&field.value.place);
            match here && wrong.missing.is_none() && !wrong.named {
                true => Wrong { message: format!("`{key}`: {}", wrong.message), named: true, ..wrong },
                false => wrong,
            }
        })
    }
}

struct PlaceParts<'a> {
    reader: Reader<'a>,
    next: u8,
}

impl<'de> SeqAccess<'de> for PlaceParts<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> std::result::Result<Option<T::Value>, Wrong> {
        let place = &self.reader.value.place;
        self.next += 1;
        match self.next {
            1 => {
                PLACE.set(Some(place.clone()));
                seed.deserialize(().into_deserializer())
            }
            2 => seed.deserialize(self.reader),
            _ => return Ok(None),
        }
        .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Node {
        name: Placed<String>,
        address: Option<std::net::IpAddr>,
        #[serde(default)]
        listen_port: u16,
    }

    #[derive(Debug, Deserialize)]
    struct Document {
        #[serde(default)]
        nodes: Vec<Node>,
        #[serde(default)]
        sysctl: BTreeMap<String, String>,
    }

    fn document(text: &str) -> Result<Document> {
        read(&Value::parse(text, "p.toml")?)
    }

    #[test]
    fn values_and_places() {
        let read =
            document("[[nodes]]\nname = \"a\"\naddress = \"::1\"\nlisten-port = 1\n[sysctl]\nx = \"1\"").unwrap();
        assert_eq!((read.nodes[0].name.as_str(), read.nodes[0].name.place.line), ("a", 2));
        assert_eq!(read.nodes[0].address.unwrap().to_string(), "::1");
        assert_eq!((read.nodes[0].listen_port, read.sysctl["x"].as_str()), (1, "1"));
    }

    #[test]
    fn all_faults_at_once_each_at_its_place() {
        let text = "[[nodes]]\nname = 5\nadress = \"x\"\n[[nodes]]\naddress = \"x\"\n[[nodes]]\nname = \"c\"\nlisten-port = 70000\n[sysctl]\na = 1\n[sysctrl]\n";
        let error = document(text).unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 7, "{error}");
        assert!(lines[0].starts_with("p.toml:2:8: `name`: expected a string"), "{error}");
        assert_eq!(lines[1], "p.toml:3:1: `adress` is not a key here; did you mean `address`?");
        assert!(lines[2].starts_with("p.toml:4:1: `name` is missing"), "{error}");
        assert!(lines[3].starts_with("p.toml:5:11: `address`: invalid IP address"), "{error}");
        assert!(lines[4].starts_with("p.toml:8:15: `listen-port`: "), "{error}");
        assert!(lines[5].starts_with("p.toml:10:5: `a`: expected a string"), "{error}");
        assert_eq!(lines[6], "p.toml:11:2: `sysctrl` is not a key here; did you mean `sysctl`?");
    }
}

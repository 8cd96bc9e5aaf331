//! Flags of commands as data: overlays give them, later ones and the profile add, replace and drop them; a template
//! then asks for the words of a command, in one order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::document::Placed;
use crate::error::{Error, Place, Result};

/// What is said of one flag.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum Argument {
    /// A value; the string "false" is the value false.
    Value(String),
    /// A repeated flag, in this order.
    Values(Vec<String>),
    /// `true`: a bare flag. `false`: dropped.
    Bare(bool),
    /// Items added to and taken from a comma list that an earlier one gave.
    Edit(Edit),
}

/// Items added to and taken from a comma list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Edit {
    /// Items that must be in the list; appended in this order if they are not.
    #[serde(default)]
    pub add: Vec<String>,
    /// Items that must not be.
    #[serde(default)]
    pub remove: Vec<String>,
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Argument, D::Error> {
        struct Any;
        impl<'de> de::Visitor<'de> for Any {
            type Value = Argument;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string, a list of strings, true, false or { add = [..], remove = [..] }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Argument, E> {
                Ok(Argument::Value(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, flag: bool) -> std::result::Result<Argument, E> {
                Ok(Argument::Bare(flag))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> std::result::Result<Argument, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Argument::Values)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> std::result::Result<Argument, A::Error> {
                Edit::deserialize(de::value::MapAccessDeserializer::new(map)).map(Argument::Edit)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// How the words of a command are written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Command {
    /// `--` (default) or `-`.
    #[serde(default = "two_dashes")]
    pub prefix: String,
    /// Words that come before the flags.
    #[serde(default)]
    pub words: Vec<String>,
    /// Flags that are asked for apart, by the name of the group: a unit spreads flags over several variables.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// The name of the program's file; the command's if not given.
    pub program: Option<String>,
    /// Words that make the program end at once behind its flags, one for each time that it is asked what it thinks of them; the
    /// first makes it tell all its flags, as `--help` does. `check` runs it only if this is given.
    #[serde(default)]
    pub probe: Vec<String>,
    /// Flags whose values are names that the program's help lists behind a colon, with commas between.
    #[serde(default)]
    pub listed: Vec<String>,
    /// Flags that may be given more than once: the program takes all of them.
    #[serde(default)]
    pub repeated: Vec<String>,
}

fn two_dashes() -> String {
    "--".to_owned()
}

impl Default for Command {
    fn default() -> Command {
        Command {
            prefix: two_dashes(),
            words: Vec::new(),
            groups: BTreeMap::new(),
            program: None,
            probe: Vec::new(),
            listed: Vec::new(),
            repeated: Vec::new(),
        }
    }
}

/// All flags of one command, merged. Values only: `Edit` and `false` have been applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags(BTreeMap<String, Placed<Argument>>);

impl Flags {
    /// Applies what one overlay or profile says of a flag. What a later one says counts.
    pub fn set(&mut self, flag: &str, argument: &Placed<Argument>) -> Result<()> {
        match &argument.value {
            Argument::Bare(false) => {
                self.0.remove(flag);
            }
            Argument::Edit(edit) => {
                let items = self.edited(flag, edit).map_err(|error| error.at(&argument.place))?;
                let value = Argument::Value(items.join(","));
                self.0.insert(flag.to_owned(), Placed { place: argument.place.clone(), value });
            }
            _ => {
                self.0.insert(flag.to_owned(), argument.clone());
            }
        }
        Ok(())
    }

    /// What is said of a flag now.
    pub fn get(&self, flag: &str) -> Option<&Placed<Argument>> {
        self.0.get(flag)
    }

    /// Every flag as it is written, with its value, in the order of their names; one that is repeated comes several times.
    pub fn written(&self) -> impl Iterator<Item = (&str, Option<&str>, &Place)> {
        self.0.iter().flat_map(|(flag, argument)| {
            let values = match &argument.value {
                Argument::Value(value) => vec![Some(value.as_str())],
                Argument::Values(values) => values.iter().map(|value| Some(value.as_str())).collect(),
                Argument::Bare(_) | Argument::Edit(_) => vec![None],
            };
            values.into_iter().map(move |value| (flag.as_str(), value, &argument.place))
        })
    }

    fn edited(&self, flag: &str, edit: &Edit) -> Result<Vec<String>> {
        let mut items: Vec<String> = match self.0.get(flag).map(|argument| &argument.value) {
            None => Vec::new(),
            Some(Argument::Value(list)) => list.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            Some(_) => return Err(Error::usage(format!("`{flag}` is not a comma list here; give its whole value"))),
        };
        for gone in &edit.remove {
            let before = items.len();
            items.retain(|item| item != gone);
            if items.len() == before {
                return Err(Error::usage(format!("`{flag}` has no item `{gone}` that could be removed")));
            }
        }
        if let Some(item) = edit.add.iter().find(|item| item.contains(',')) {
            return Err(Error::usage(format!("`{item}` holds a comma; each item of `add` is one item of the list")));
        }
        items.extend(edit.add.iter().filter(|item| !items.contains(item)).cloned().collect::<Vec<_>>());
        Ok(items)
    }

    /// The words of the command, flags in the order of their names: those of a group, or, without one, the positional
    /// words and the flags of no group.
    pub fn words(&self, command: &Command, group: Option<&str>) -> Vec<String> {
        let grouped = |flag: &String| {
            command.groups.iter().find(|(_, flags)| flags.contains(flag)).map(|(name, _)| name.as_str())
        };
        let mut words = if group.is_none() { command.words.clone() } else { Vec::new() };
        for (flag, argument) in self.0.iter().filter(|(flag, _)| grouped(flag) == group) {
            let dashed = format!("{}{flag}", command.prefix);
            match &argument.value {
                Argument::Value(value) => words.push(format!("{dashed}={value}")),
                Argument::Values(values) => words.extend(values.iter().map(|value| format!("{dashed}={value}"))),
                Argument::Bare(_) | Argument::Edit(_) => words.push(dashed),
            }
        }
        words
    }
}

/// A flag's name goes into an argument as it is: letters, digits and what the field uses between them.
pub fn check_flag(flag: &str, place: &Place) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !flag.is_empty() && flag.chars().all(fine) && !flag.starts_with('-') {
        true => Ok(()),
        false => {
            Err(Error::usage(format!("`{flag}` is not the name of a flag; write it without dashes in front")).at(place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Value, read};

    fn flags(text: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Layers {
            layers: Vec<BTreeMap<String, Placed<Argument>>>,
            #[serde(default)]
            command: Command,
        }
        let layers: Layers = read(&Value::parse(text, "p.toml")?)?;
        let mut flags = Flags::default();
        for (flag, argument) in layers.layers.iter().flatten() {
            flags.set(flag, argument)?;
        }
        Ok(flags.words(&layers.command, None))
    }

    #[test]
    fn added_replaced_dropped_edited() {
        let text = r#"
            [[layers]]
            b = "1"
            c = "x,y"
            d = true
            e = ["1", "2"]
            f = "gone"
            [[layers]]
            a = "false"
            b = "2"
            c = { add = ["z", "x"], remove = ["y"] }
            f = false
        "#;
        assert_eq!(flags(text).unwrap(), ["--a=false", "--b=2", "--c=x,z", "--d", "--e=1", "--e=2"]);
    }

    #[test]
    fn prefix_words_and_groups() {
        let text = "layers = [{ a = \"1\", b = \"2\" }]\ncommand = { prefix = \"-\", words = [\"server\"], groups = { X = [\"b\"] } }";
        assert_eq!(flags(text).unwrap(), ["server", "-a=1"]);
    }

    #[test]
    fn an_edit_that_finds_nothing_is_an_error() {
        let error = flags("layers = [{ a = \"x\" }, { a = { remove = [\"z\"] } }]").unwrap_err();
        assert_eq!(error.to_string(), "p.toml:1:30: `a` has no item `z` that could be removed");
        assert!(flags("layers = [{ a = 1 }]").unwrap_err().to_string().contains("a list of strings, true, false"));
    }
}

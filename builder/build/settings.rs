//! What overlays and the profile together say of flags, kernel parameters and modules: data, for templates to write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::Value as Jinja;

use super::alike::Alike;
use crate::document::{self, Data, Placed, Value, nearest};
use crate::error::{Error, Faults, Place, Result};
use crate::overlay::args::{Argument, Command, Flags, check_flag};
use crate::overlay::declare::{Declarations, Modules};
use crate::overlay::{Overlay, Scope};
use crate::probe::Flag;
use crate::profile::Profile;

/// The merged settings of a node.
#[derive(Debug, Default)]
pub struct Settings {
    flags: BTreeMap<String, Flags>,
    commands: BTreeMap<String, Command>,
    sysctl: BTreeMap<String, String>,
    load: Vec<String>,
    blacklist: Vec<String>,
    options: BTreeMap<String, String>,
    // Which overlay said what, by kind and name, to tell two that differ.
    said: BTreeMap<String, (String, Place)>,
}

/// A command whose program may be asked what it thinks of its flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The name of the program's file.
    pub program: String,
    /// How it is written, and asked.
    pub how: Arc<Command>,
    // Its flags: those that other machines have too, and those that it alone has.
    common: Arc<Vec<Arc<Placed<Flag>>>>,
    own: Vec<Arc<Placed<Flag>>>,
}

impl Probed {
    /// Its flags.
    pub fn flags(&self) -> impl Iterator<Item = &Placed<Flag>> {
        self.common.iter().chain(&self.own).map(|flag| &**flag)
    }
}

impl Settings {
    /// Adds what an overlay says.
    pub fn add_overlay(&mut self, overlay: &Overlay, declared: &Declarations, faults: &mut Faults) {
        for (command, flags) in &declared.args {
            for (flag, argument) in flags {
                faults.note(check_flag(flag, &argument.place));
                if !matches!(argument.value, Argument::Edit(_)) {
                    let same = self
                        .flags
                        .get(command)
                        .and_then(|flags| flags.get(flag))
                        .map(|old| old.value == argument.value);
                    self.say(overlay, &format!("args.{command}.{flag}"), same, &argument.place, faults);
                }
                faults.note(self.flags.entry(command.clone()).or_default().set(flag, argument));
            }
        }
        for (command, how) in &declared.command {
            let same = self.commands.get(command).map(|old| *old == how.value);
            self.say(overlay, &format!("command.{command}"), same, &how.place, faults);
            self.set_command(command, how, faults);
        }
        for (key, value) in &declared.sysctl {
            let same = self.sysctl.get(key).map(|old| *old == value.value);
            self.say(overlay, &format!("sysctl.{key}"), same, &value.place, faults);
            faults.note(check_sysctl(key, &value.value, &value.place));
            self.sysctl.insert(key.to_owned(), value.value.clone());
        }
        for (module, options) in &declared.modules.options {
            let same = self.options.get(module).map(|old| *old == options.value);
            self.say(overlay, &format!("modules.options.{module}"), same, &options.place, faults);
        }
        self.add_modules(&declared.modules, faults);
    }

    /// Notes who said it. `same` is whether an earlier one said the same; none if nobody did.
    fn say(&mut self, overlay: &Overlay, what: &str, same: Option<bool>, place: &Place, faults: &mut Faults) {
        if let (Some(false), Some((other, at)), false) = (same, self.said.get(what), overlay.overrides()) {
            let message = format!("overlays {other} ({at}) and {} give {what} different values", overlay.name);
            let advice = format!("say `override = true` in overlay {} if that is meant", overlay.name);
            faults.push(Error::usage(message).advise(advice).at(place));
        }
        self.said.insert(what.to_owned(), (overlay.name.clone(), place.clone()));
    }

    /// Adds what the profile says, which counts over every overlay.
    pub fn add_profile(&mut self, profile: &Profile, scope: &Arc<Scope>, faults: &mut Faults) {
        for layer in &profile.layers {
            let args: Option<BTreeMap<String, BTreeMap<String, Placed<Argument>>>> =
                read(layer.get("args"), scope, faults);
            for (command, flags) in args.unwrap_or_default() {
                for (flag, argument) in flags {
                    faults.note(check_flag(&flag, &argument.place));
                    faults.note(self.flags.entry(command.clone()).or_default().set(&flag, &argument));
                }
            }
            if let Some(modules) = read(layer.get("modules"), scope, faults) {
                self.add_modules(&modules, faults);
            }
        }
        let commands: Option<BTreeMap<String, Placed<Command>>> = read(profile.document.get("command"), scope, faults);
        for (command, how) in commands.unwrap_or_default() {
            self.set_command(&command, &how, faults);
        }
        let rendered = profile.document.get("sysctl").and_then(|value| faults.note(scope.render(value)));
        for (key, field) in rendered.as_ref().and_then(Value::as_table).into_iter().flatten() {
            match &field.value.data {
                Data::Boolean(false) => drop(self.sysctl.remove(key)),
                Data::String(value) => {
                    faults.note(check_sysctl(key, value, &field.value.place));
                    self.sysctl.insert(key.to_owned(), value.to_string());
                }
                _ => {
                    let message =
                        format!("sysctl `{key}` takes a string, or false to remove it; this is {}", field.value.kind());
                    faults.push(Error::usage(message).at(&field.value.place));
                }
            }
        }
    }

    fn set_command(&mut self, command: &str, how: &Placed<Command>, faults: &mut Faults) {
        if !matches!(how.prefix.as_str(), "-" | "--") {
            faults.push(Error::usage("`prefix` is \"-\" or \"--\"").at(&how.place));
        }
        self.commands.insert(command.to_owned(), how.value.clone());
    }

    fn add_modules(&mut self, modules: &Modules, faults: &mut Faults) {
        let mut add = |list: &mut Vec<String>, more: &[Placed<String>]| {
            for module in more {
                faults.note(check_module(module, &module.place));
                if !list.contains(&module.value) {
                    list.push(module.value.clone());
                }
            }
        };
        add(&mut self.load, &modules.load);
        add(&mut self.blacklist, &modules.blacklist);
        for (module, options) in &modules.options {
            faults.note(check_module(module, &options.place));
            if options.chars().any(char::is_control) {
                faults
                    .push(Error::usage(format!("the options of {module} hold a control character")).at(&options.place));
            }
            self.options.insert(module.clone(), options.value.clone());
        }
    }

    /// The words of a command, or of a group of its flags.
    pub fn words(&self, command: &str, group: Option<&str>) -> Result<Vec<String>> {
        let how = self.commands.get(command).cloned().unwrap_or_default();
        if let Some(group) = group.filter(|group| !how.groups.contains_key(*group)) {
            return Err(Error::usage(format!("[command.{command}] has no group `{group}`")));
        }
        match self.flags.get(command) {
            Some(flags) => Ok(flags.words(&how, group)),
            None if self.commands.contains_key(command) => Ok(Flags::default().words(&how, group)),
            None => {
                let error = Error::usage(format!("no overlay declares flags of a command `{command}`"));
                Err(match nearest(command, self.flags.keys().map(String::as_str)) {
                    Some(near) => error.advise(format!("did you mean `{near}`?")),
                    None => error,
                })
            }
        }
    }

    /// The value of one flag that has one, and where it was written; those of a repeated flag with commas between.
    pub fn value(&self, command: &str, flag: &str) -> Option<Placed<String>> {
        let argument = self.flags.get(command)?.get(flag)?;
        let value = match &argument.value {
            Argument::Value(value) => value.clone(),
            Argument::Values(values) => values.join(","),
            _ => return None,
        };
        Some(Placed { place: argument.place.clone(), value })
    }

    /// The commands that a program may be asked about, of those that templates asked for.
    pub fn probed(&self, asked: &BTreeSet<String>, alike: &Alike) -> Vec<Arc<Probed>> {
        let may = |name: &str, how: &Command| !how.probe.is_empty() && asked.contains(&format!("args.{name}"));
        let probed = self.commands.iter().filter(|(name, how)| may(name, how)).filter_map(|(name, how)| {
            let flag = |(flag, value, place): (&str, Option<&str>, &Place)| {
                let value = Flag { name: flag.to_owned(), value: value.map(str::to_owned) };
                alike.flags.one(place.clone(), Placed { place: place.clone(), value })
            };
            // One is here and one is remembered: more are on other machines. As with files, that decides where they are kept alone.
            let flags = self.flags.get(name)?.written().map(flag);
            let (common, own): (Vec<_>, Vec<_>) = flags.partition(|flag| Arc::strong_count(flag) > 2);
            let common = alike.common.one(name.clone(), common);
            let program = how.program.clone().unwrap_or_else(|| name.clone());
            let how = alike.commands.one(name.clone(), how.clone());
            Some(alike.probed.one(name.clone(), Probed { program, how, common, own }))
        });
        probed.collect()
    }

    /// The flags that may be given more than once, each behind the name of its program's file.
    pub fn repeated(&self) -> BTreeSet<(String, String)> {
        let of = |(name, how): (&String, &Command)| {
            let program = how.program.as_ref().unwrap_or(name).clone();
            how.repeated.iter().map(move |flag| (program.clone(), flag.clone())).collect::<Vec<_>>()
        };
        self.commands.iter().flat_map(of).collect()
    }

    /// The kernel parameters for templates: a map of strings.
    pub fn sysctl_value(&self) -> Jinja {
        Jinja::from_pairs(self.sysctl.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// The modules for templates: `load`, `blacklist` and `options`.
    pub fn modules_value(&self) -> Jinja {
        Jinja::from_pairs([
            ("load", Jinja::from(self.load.clone())),
            ("blacklist", Jinja::from(self.blacklist.clone())),
            ("options", Jinja::from_pairs(self.options.iter().map(|(key, value)| (key.as_str(), value.as_str())))),
        ])
    }
}

/// A part of a profile, rendered for a node and read.
fn read<T: serde::de::DeserializeOwned>(value: Option<&Value>, scope: &Arc<Scope>, faults: &mut Faults) -> Option<T> {
    let rendered = faults.note(scope.render(value?))?;
    faults.note(document::read(&rendered))
}

fn check_sysctl(key: &str, value: &str, place: &Place) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-/*:".contains(c);
    if key.is_empty() || !key.chars().all(fine) {
        return Err(Error::usage(format!("`{key}` is not a kernel parameter's name")).at(place));
    }
    match value.trim() == value && !value.is_empty() && !value.chars().any(char::is_control) {
        true => Ok(()),
        false => {
            Err(Error::usage(format!("the value of sysctl {key} is empty, has space around it or a control character"))
                .at(place))
        }
    }
}

fn check_module(module: &str, place: &Place) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match !module.is_empty() && module.chars().all(fine) {
        true => Ok(()),
        false => Err(Error::usage(format!("`{module}` is not a kernel module's name")).at(place)),
    }
}

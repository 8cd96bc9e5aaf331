//! Units as systemd sees them: a unit's file and its drop-ins as one (systemd.unit(5), "Unit File Load Path").

use std::collections::BTreeMap;
use std::rc::Rc;

use super::contents::Recent;
use super::subject::Machine;
use super::unit::{Setting, read};
use super::units::{DIRECTORIES, is_command, is_unit};
use crate::overlay::units::template;
use crate::tree::{Entry, Node, TreePath};

/// A setting, and the file that has it.
pub struct Said<'a> {
    /// The unit or the drop-in.
    pub path: &'a TreePath,
    /// What it says.
    pub setting: Rc<Setting>,
}

/// A unit with what is laid over it.
pub struct Unit<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its own file, or its template's; none if it is another's, such as the base's, and the bundle has drop-ins for it.
    pub file: Option<&'a TreePath>,
    /// The settings of all its files in their order, without what an empty value takes back (systemd.syntax(7)).
    pub settings: Vec<Said<'a>>,
    /// Whether all of its command lines are among them.
    is_whole: bool,
}

/// The settings of the files of units.
pub type Units<'a> = Recent<'a, Rc<[Rc<Setting>]>>;

impl<'a> Unit<'a> {
    /// The units of a machine's bundle, and those of others that it has drop-ins for, by name. One that is masked is left
    /// out: nobody starts it.
    pub fn all(machine: &Machine<'a>, known: &mut Units<'a>) -> Vec<Unit<'a>> {
        files(machine).into_iter().map(|(name, files)| Unit::read(machine, name, files, known)).collect()
    }

    fn read(machine: &Machine<'a>, name: &'a str, (file, dropped): Files<'a>, known: &mut Units<'a>) -> Unit<'a> {
        let mut unit = Unit { name, file, settings: Vec::new(), is_whole: file.is_some() };
        for path in file.into_iter().chain(dropped) {
            let text = machine.text(path).unwrap_or_default();
            let settings = known.get(path, text.as_bytes(), || read(text).into_iter().map(Rc::new).collect());
            for setting in settings.iter().cloned() {
                // What a unit depends on cannot be taken back (systemd.unit(5), "Wants=").
                let is_dependency = setting.section == "Unit" && !setting.key.starts_with("Condition");
                if !setting.value.is_empty() {
                    unit.settings.push(Said { path, setting });
                } else if !is_dependency {
                    unit.settings.retain(|before| before.setting.key != setting.key);
                    unit.is_whole |= setting.key == "ExecStart";
                }
            }
        }
        unit
    }

    /// What it has for a key that has one value: the last.
    pub fn last(&self, key: &str) -> Option<&Said<'a>> {
        self.settings.iter().rev().find(|said| said.setting.key == key)
    }

    /// Whether a key has a value that is true (systemd.syntax(7), "boolean").
    pub fn is_true(&self, key: &str) -> bool {
        let is_true = |value: &str| {
            ["1", "yes", "y", "true", "t", "on"].iter().any(|word| value.trim().eq_ignore_ascii_case(word))
        };
        self.last(key).is_some_and(|said| is_true(&said.setting.value))
    }

    /// Whether it starts its programs in a file system of its own (systemd.exec(5), "RootDirectory=").
    pub fn has_own_root(&self) -> bool {
        ["RootDirectory", "RootImage"].iter().any(|key| self.last(key).is_some_and(|said| said.setting.value != "/"))
    }

    /// Whether a command line has the words of a variable as its own.
    pub fn uses(&self, variable: &str) -> bool {
        let names = |value: &str| {
            let named = |rest: &str| {
                let rest = rest.strip_prefix('{').unwrap_or(rest);
                rest.strip_prefix(variable)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            value.split('$').skip(1).any(named)
        };
        let mut lines = self.settings.iter().filter(|said| is_command(&said.setting.key));
        !self.is_whole || lines.any(|said| names(&said.setting.value))
    }
}

/// A unit's own file, then its drop-ins in the order of their names.
type Files<'a> = (Option<&'a TreePath>, Vec<&'a TreePath>);

/// The files of each unit, by its name: those that count. An instance has the drop-ins of its template before its own.
fn files<'a>(machine: &Machine<'a>) -> BTreeMap<&'a str, Files<'a>> {
    let mut units: BTreeMap<&str, (usize, &TreePath)> = BTreeMap::new();
    let mut dropped: BTreeMap<&str, BTreeMap<&str, (usize, &TreePath)>> = BTreeMap::new();
    for (path, entry) in machine.plan.tree.iter().filter(|(path, _)| is_unit(path)) {
        // A second name; what hides the others leads to /dev/null.
        if matches!(&entry.node, Node::Symlink(target) if target != "/dev/null") {
            continue;
        }
        let below = |(rank, directory): (usize, &&str)| Some((rank, path.as_str().strip_prefix(*directory)?));
        let Some((rank, below)) = DIRECTORIES.iter().enumerate().find_map(below) else { continue };
        let of = match below.trim_start_matches('/').split_once(".d/") {
            None => &mut units,
            Some((unit, _)) => dropped.entry(unit).or_default(),
        };
        // What is in a directory that comes first hides what has its name in the others.
        let known = of.entry(path.name()).or_insert((rank, path));
        if rank < known.0 {
            *known = (rank, path);
        }
    }
    let own = |name: &str| units.get(name).map(|(_, path)| *path);
    let more = |name: &str| dropped.get(name).into_iter().flat_map(|all| all.values().map(|(_, path)| *path));
    let files = |name: &'a str| {
        let template = template(name).unwrap_or_default();
        let first = own(name).or_else(|| own(&template));
        (name, (first, more(&template).chain(more(name)).collect()))
    };
    let is_masked = |name: &str| own(name).and_then(|path| machine.plan.tree.get(path)).is_some_and(is_link);
    units.keys().chain(dropped.keys()).filter(|name| !is_masked(name)).map(|name| files(name)).collect()
}

fn is_link(entry: &Entry) -> bool {
    matches!(entry.node, Node::Symlink(_))
}

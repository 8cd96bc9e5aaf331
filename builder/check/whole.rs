//! Units as systemd sees them: a unit's file and its drop-ins as one (systemd.unit(5), "Unit File Load Path").

use std::collections::BTreeMap;

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
    pub setting: Setting,
}

/// The files of each unit of the bundle, by its name: the one that counts, then its drop-ins in the order of their names. An
/// instance has those of its template before its own; a unit that is masked has none, for nobody starts it.
pub fn files<'a>(machine: &Machine<'a>) -> BTreeMap<&'a str, Vec<&'a TreePath>> {
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
        (name, first.into_iter().chain(more(&template)).chain(more(name)).collect())
    };
    let is_masked = |name: &str| own(name).and_then(|path| machine.plan.tree.get(path)).is_some_and(is_link);
    units.keys().chain(dropped.keys()).filter(|name| !is_masked(name)).map(|name| files(name)).collect()
}

fn is_link(entry: &Entry) -> bool {
    matches!(entry.node, Node::Symlink(_))
}

/// The settings of a unit's files; of lists, what an empty value takes back is not there.
pub fn settings<'a>(machine: &Machine<'_>, files: &[&'a TreePath]) -> Vec<Said<'a>> {
    let mut all: Vec<Said<'a>> = Vec::new();
    for path in files {
        for setting in read(&machine.text(path).unwrap_or_default()) {
            let key = setting.key.as_str();
            let is_list =
                is_command(key) || matches!(key, "EnvironmentFile" | "ExecSearchPath" | "SupplementaryGroups");
            if is_list && setting.value.is_empty() {
                all.retain(|said| said.setting.key != setting.key);
            } else {
                all.push(Said { path, setting });
            }
        }
    }
    all
}

/// What a unit has for a key that has one value: the last.
pub fn last<'s, 'a>(settings: &'s [Said<'a>], key: &str) -> Option<&'s Said<'a>> {
    settings.iter().rev().find(|said| said.setting.key == key)
}

/// Whether it starts its programs in a file system of its own (systemd.exec(5), "RootDirectory=").
pub fn has_own_root(settings: &[Said<'_>]) -> bool {
    ["RootDirectory", "RootImage"]
        .iter()
        .any(|key| last(settings, key).is_some_and(|said| !matches!(&*said.setting.value, "" | "/")))
}

/// Whether a value is true (systemd.syntax(7), "boolean").
pub fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|word| value.trim().eq_ignore_ascii_case(word))
}

//! Units that are enabled: the links by which others want them (systemd.unit(5), "WantedBy=").

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Machine, Whole};
use super::units::{DIRECTORIES, has_unit};
use crate::tree::{Node, TreePath};

/// A unit that is enabled for one that there is not.
pub const UNIT_WANTED_BY: Rule = Rule {
    id: "unit-wanted-by",
    severity: Severity::Warning,
    finds: "a unit that is enabled for another, such as a target, which nothing brings",
    fate: "the unit is not started because of it",
    remedy: "correct `WantedBy=` (multi-user.target mostly), bring that unit, or say with [[provides]] who has it",
};

/// Looks at the links by which units are enabled: who wants them is there.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for (path, wanted_by) in enabled(machine) {
        if !wanted_by.contains('%') && !has_unit(machine, wanted_by) {
            let says = format!("{} is enabled for {wanted_by}, which is nowhere", path.name());
            findings.add(&UNIT_WANTED_BY, Spot { machine, path, line: None }, says);
        }
    }
}

/// The links that enable units, and who wants each (systemd.unit(5), "WantedBy=").
fn enabled<'a>(machine: &Machine<'a>) -> impl Iterator<Item = (&'a TreePath, &'a str)> {
    machine.plan.tree.iter().filter(|(_, entry)| matches!(entry.node, Node::Symlink(_))).filter_map(|(path, _)| {
        let below = DIRECTORIES.iter().find_map(|above| path.as_str().strip_prefix(above)?.strip_prefix('/'))?;
        let (directory, _) = below.split_once('/')?;
        let wanted_by = [".wants", ".requires", ".upholds"].iter().find_map(|kind| directory.strip_suffix(kind))?;
        Some((path, wanted_by))
    })
}

/// Whether a unit is enabled for another.
pub fn is_enabled(machine: &Machine<'_>, unit: &str) -> bool {
    enabled(machine).any(|(path, _)| path.name() == unit)
}

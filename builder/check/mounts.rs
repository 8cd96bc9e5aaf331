//! What a mount hides.

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::Cluster;
use super::unit::read;
use crate::tree::{Node, TreePath};

/// A file that nobody sees.
pub const MOUNT_HIDES: Rule = Rule {
    id: "mount-hides",
    severity: Severity::Error,
    finds: "a file that lies where something is mounted over it",
    fate: "whoever looks for the file finds what was mounted",
    remedy: "put the file elsewhere, or have it written after the mount (tmpfiles.d)",
};

/// Looks at every mount unit of the bundle, and at what lies below the place.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for machine in &cluster.machines {
        let mounts = machine.plan.tree.iter().map(|(path, _)| path).filter(|path| path.name().ends_with(".mount"));
        for unit in mounts.filter(|path| path.parent().is_some_and(|parent| parent.name() == "system")) {
            let Some(text) = machine.text(unit) else { continue };
            let settings = read(&text);
            let place = settings.iter().find(|setting| setting.section == "Mount" && setting.key == "Where");
            let Some(over) = place.and_then(|setting| setting.value.parse::<TreePath>().ok()) else { continue };
            let below = machine.plan.tree.iter().filter(|(path, _)| **path != over && path.is_beneath(&over));
            for (path, _) in below.filter(|(_, entry)| !matches!(entry.node, Node::Directory)) {
                let says = format!("{path} lies below {over}, where {} mounts something", unit.name());
                findings.add(&MOUNT_HIDES, Spot { machine, path, line: None }, says);
            }
        }
    }
}

//! Symbolic links that lead nowhere.

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Found, Whole};
use crate::tree::Node;

/// A link of the bundle that leads to nothing.
pub const LINK_DANGLING: Rule = Rule {
    id: "link-dangling",
    severity: Severity::Error,
    finds: "a symbolic link that leads to nothing",
    fate: "whoever opens the link finds no file",
    remedy: "bring what it leads to, or say with [[provides]] who has it",
};

/// Looks at every link; what masks a unit leads to /dev/null, which is there.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for (path, entry) in machine.plan.tree.iter() {
        let Node::Symlink(target) = &entry.node else { continue };
        if let Found::Missing(end) = machine.find(path)
            && !machine.made.has(&end)
        {
            let on_the_way = if end == *path { String::new() } else { format!(" ({end} is missing)") };
            let says = format!("{path} leads to {target}, which is nowhere{on_the_way}");
            findings.add(&LINK_DANGLING, Spot { machine, path, line: None }, says);
        }
    }
}

//! What a mount hides.

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Found, Machine, Whole};
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
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    let mounts = machine.plan.tree.iter().map(|(path, _)| path).filter(|path| path.name().ends_with(".mount"));
    for unit in mounts.filter(|path| path.parent().is_some_and(|parent| parent.name() == "system")) {
        let Some(text) = machine.text(unit) else { continue };
        let settings = read(text);
        let place = settings.iter().find(|setting| setting.section == "Mount" && setting.key == "Where");
        let Some(over) = place.and_then(|setting| setting.value.parse::<TreePath>().ok()) else { continue };
        let below = machine.plan.tree.iter().filter(|(path, _)| **path != over && path.is_beneath(&over));
        for (path, _) in below.filter(|(_, entry)| !matches!(entry.node, Node::Directory)) {
            let says = format!("{path} lies below {over}, where {} mounts something", unit.name());
            findings.add(&MOUNT_HIDES, Spot { machine, path, line: None }, says);
        }
    }
}

/// Whether a mount unit is there: it has a file, or something else may mount what it is named after. That are a line of
/// fstab, the machine's own start, and programs that make units: systemd's own for partitions that it knows by their types
/// (systemd-gpt-auto-generator(8)), and others that a bundle brings.
pub fn may_be_mounted(machine: &Machine<'_>, unit: &str, has_file: bool) -> bool {
    const BY_SYSTEMD: [&str; 7] =
        ["-.mount", "boot.mount", "efi.mount", "home.mount", "srv.mount", "var.mount", "var-tmp.mount"];
    const BY_KERNEL: [&str; 4] = ["dev", "proc", "run", "sys"];
    const GENERATORS: [&str; 4] = ["etc/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd"];
    let name = unit.trim_end_matches(".mount");
    let is_made = BY_SYSTEMD.contains(&unit) || BY_KERNEL.iter().any(|top| name.split('-').next() == Some(top));
    let at = |path: &str| TreePath::from_relative(path).ok();
    let is_listed = at("etc/fstab").is_none_or(|path| !matches!(machine.find(&path), Found::Missing(_)));
    let is_generated = || {
        let mut names = machine.plan.tree.iter().filter_map(|(path, _)| path.parent());
        names.any(|parent| GENERATORS.iter().any(|top| parent.as_str() == format!("{top}/system-generators")))
    };
    // What is escaped is not looked for.
    let place = format!("/{}", name.replace('-', "/"));
    let is_started = || {
        let text = at("init").and_then(|path| machine.text(&path)).unwrap_or_default();
        name.contains('\\') || text.contains(&place)
    };
    machine.plan.base.facts().is_none() || has_file || is_made || is_listed || is_generated() || is_started()
}

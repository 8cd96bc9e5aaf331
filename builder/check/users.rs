//! The users that units run as, and drop-ins of units that nobody has.

use std::collections::BTreeSet;

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Cluster, Machine};
use super::unit::{Setting, read, words};
use super::units::{has_unit, is_unit};
use crate::tree::TreePath;

/// A user that is nowhere.
pub const UNIT_USER: Rule = Rule {
    id: "unit-user",
    severity: Severity::Error,
    finds: "a unit that runs as a user or group which neither the base has nor the bundle makes",
    fate: "the unit fails at once (status 217/USER or 216/GROUP)",
    remedy: "make the user with a file in /usr/lib/sysusers.d, or name one that is there, or a number",
};
/// A drop-in of nothing.
pub const DROP_IN_ORPHAN: Rule = Rule {
    id: "drop-in-orphan",
    severity: Severity::Warning,
    finds: "a drop-in of a unit which nothing brings",
    fate: "systemd never reads the drop-in",
    remedy: "correct the name of its directory, bring the unit, or say with [[provides]] who has it",
};

/// All rules.
pub const RULES: &[Rule] = &[UNIT_USER, DROP_IN_ORPHAN];

/// Looks at every unit and drop-in of the bundle.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for machine in &cluster.machines {
        let names = Names::of(machine);
        let mut orphans: BTreeSet<TreePath> = BTreeSet::new();
        for path in machine.plan.tree.iter().map(|(path, _)| path).filter(|path| is_unit(path)) {
            if let Some(directory) = path.parent().filter(|parent| parent.name().ends_with(".d")) {
                orphan(machine, path, &directory, &mut orphans, findings);
            }
            if let Some(names) = &names {
                let settings = machine.text(path).map(|text| read(&text)).unwrap_or_default();
                names.look(&settings, machine, path, findings);
            }
        }
    }
}

fn orphan(
    machine: &Machine<'_>,
    path: &TreePath,
    directory: &TreePath,
    told: &mut BTreeSet<TreePath>,
    findings: &mut Findings,
) {
    let unit = directory.name().trim_end_matches(".d");
    // `foo-.service.d` is for all whose names begin so (systemd.unit(5)).
    let is_prefix = unit.rsplit_once('.').is_some_and(|(name, _)| name.ends_with('-'));
    if !is_prefix && !has_unit(machine, unit) && told.insert(directory.clone()) {
        let says = format!("{path} is for {unit}, which is nowhere");
        findings.add(&DROP_IN_ORPHAN, Spot { machine, path, line: None }, says);
    }
}

/// The users and groups of a machine whose base is known.
struct Names {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl Names {
    fn of(machine: &Machine<'_>) -> Option<Names> {
        let facts = machine.plan.base.facts()?;
        // Those of systemd itself (nss-systemd(8)).
        let own = ["root", "nobody"].map(str::to_owned);
        let mut names = Names {
            users: facts.users.keys().cloned().chain(own.clone()).collect(),
            groups: facts.groups.keys().cloned().chain(own).collect(),
        };
        for (path, _) in machine.plan.tree.iter() {
            if path.parent().is_some_and(|parent| parent.name() == "sysusers.d") {
                machine.text(path).unwrap_or_default().lines().for_each(|line| names.add(line));
            }
        }
        Some(names)
    }

    /// TYPE NAME ... (sysusers.d(5)): a user has a group of its name.
    fn add(&mut self, line: &str) {
        let mut words = words(line).into_iter();
        match (words.next().as_deref(), words.next()) {
            (Some("u" | "u!"), Some(name)) => {
                self.groups.insert(name.clone());
                self.users.insert(name);
            }
            (Some("g"), Some(name)) => drop(self.groups.insert(name)),
            _ => {}
        }
    }

    fn look(&self, settings: &[Setting], machine: &Machine<'_>, path: &TreePath, findings: &mut Findings) {
        // What is dynamic is made with the unit.
        let is_true = |value: &str| matches!(value, "1" | "yes" | "true" | "on");
        if settings.iter().any(|setting| setting.key == "DynamicUser" && is_true(&setting.value)) {
            return;
        }
        for Setting { key, value, line, .. } in settings {
            let (what, known) = match key.as_str() {
                "User" => ("user", &self.users),
                "Group" | "SupplementaryGroups" => ("group", &self.groups),
                _ => continue,
            };
            let is_known = |name: &str| name.parse::<u32>().is_ok() || name.contains('%') || known.contains(name);
            for name in value.split_whitespace().filter(|name| !is_known(name)) {
                let says = format!("{path} runs as the {what} `{name}`, which nobody makes");
                findings.add(&UNIT_USER, Spot { machine, path, line: Some(*line) }, says);
            }
        }
    }
}

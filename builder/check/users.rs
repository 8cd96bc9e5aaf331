//! The users that units run as, and drop-ins of units that nobody has.

use std::collections::BTreeSet;

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Machine, Whole};
use super::unit::words;
use super::units::{has_unit, is_unit};
use super::whole::{Said, Unit};
use crate::build::base::Facts;
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

/// Looks at every unit of the bundle with its drop-ins.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    let mut orphans: BTreeSet<TreePath> = BTreeSet::new();
    for path in machine.plan.tree.iter().map(|(path, _)| path).filter(|path| is_unit(path)) {
        if let Some(directory) = path.parent().filter(|parent| parent.name().ends_with(".d")) {
            orphan(machine, path, &directory, &mut orphans, findings);
        }
    }
    let Some(names) = Names::of(machine) else { return };
    machine.units.iter().for_each(|unit| names.look(unit, machine, findings));
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
            let text = || machine.text(path).unwrap_or_default();
            let directory = path.parent();
            match (directory.as_ref().map_or("", TreePath::as_str), path.name()) {
                ("etc", "passwd") => names.users.extend(Facts::names(text()).into_keys()),
                ("etc", "group") => names.groups.extend(Facts::names(text()).into_keys()),
                (directory, _) if directory.ends_with("/sysusers.d") => text().lines().for_each(|line| names.add(line)),
                // NAME.user, NAME.group (nss-systemd(8), "Static drop-in JSON user/group records").
                (directory, name) if directory.ends_with("/userdb") => match name.rsplit_once('.') {
                    Some((name, "user")) => drop(names.users.insert(name.to_owned())),
                    Some((name, "group")) => drop(names.groups.insert(name.to_owned())),
                    _ => {}
                },
                _ => {}
            }
        }
        Some(names)
    }

    /// TYPE NAME ... (sysusers.d(5)): a user has a group of its name, and a member of a group makes both.
    fn add(&mut self, line: &str) {
        let words = words(line);
        match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["u" | "u!", name, ..] => {
                self.groups.insert((*name).to_owned());
                self.users.insert((*name).to_owned());
            }
            ["g", name, ..] => drop(self.groups.insert((*name).to_owned())),
            ["m", user, group, ..] => {
                self.groups.extend([*user, *group].map(str::to_owned));
                self.users.insert((*user).to_owned());
            }
            _ => {}
        }
    }

    fn look(&self, unit: &Unit<'_>, machine: &Machine<'_>, findings: &mut Findings) {
        // What is dynamic is made with the unit.
        if unit.is_true("DynamicUser") {
            return;
        }
        let own = ["User", "Group"].into_iter().filter_map(|key| unit.last(key));
        let more = unit.settings.iter().filter(|said| said.setting.key == "SupplementaryGroups");
        for Said { path, setting } in own.chain(more) {
            let (what, known) = if setting.key == "User" { ("user", &self.users) } else { ("group", &self.groups) };
            let is_known = |name: &str| name.parse::<u32>().is_ok() || name.contains('%') || known.contains(name);
            for name in setting.value.split_whitespace().filter(|name| !is_known(name)) {
                let says = format!("{path} runs as the {what} `{name}`, which nobody makes");
                findings.add(&UNIT_USER, Spot { machine, path, line: Some(setting.line) }, says);
            }
        }
    }
}

//! Units that start another when something happens: a time, a connection, a file (systemd.timer(5), systemd.socket(5),
//! systemd.path(5)).

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::Cluster;
use super::units::has_unit;
use super::whole;

/// A unit that is to be started and is not there.
pub const UNIT_ACTIVATED: Rule = Rule {
    id: "unit-activated",
    severity: Severity::Error,
    finds: "a timer, socket or path whose unit nothing brings",
    fate: "nothing is started: unit not found",
    remedy: "bring the unit that it is for, name another, or say with [[provides]] who has it",
};

/// Looks at every unit of the bundle that starts another; a drop-in alone is of a unit that is not seen.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for machine in &cluster.machines {
        for (name, files) in whole::files(machine) {
            let Some((stem, kind @ ("timer" | "socket" | "path"))) = name.rsplit_once('.') else { continue };
            let Some(first) = files.first().filter(|path| !path.as_str().contains(".d/")) else { continue };
            let settings = whole::settings(machine, &files);
            let named = whole::last(&settings, if kind == "socket" { "Service" } else { "Unit" })
                .filter(|said| !said.setting.value.is_empty());
            let accepts = kind == "socket"
                && whole::last(&settings, "Accept").is_some_and(|said| whole::is_true(&said.setting.value));
            let unit = match named {
                Some(said) => said.setting.value.clone(),
                // One instance for each connection.
                None if accepts => format!("{}@.service", stem.trim_end_matches('@')),
                None => format!("{stem}.service"),
            };
            if !unit.contains('%') && !has_unit(machine, &unit) {
                let (path, line) = named.map_or((*first, None), |said| (said.path, Some(said.setting.line)));
                let says = format!("{path} is to start {unit}, which is nowhere");
                findings.add(&UNIT_ACTIVATED, Spot { machine, path, line }, says);
            }
        }
    }
}

//! Units that start another when something happens: a time, a connection, a file (systemd.timer(5), systemd.socket(5),
//! systemd.path(5)).

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::Whole;
use super::units::has_unit;

/// A unit that is to be started and is not there.
pub const UNIT_ACTIVATED: Rule = Rule {
    id: "unit-activated",
    severity: Severity::Error,
    finds: "a timer, socket or path whose unit nothing brings",
    fate: "nothing is started: unit not found",
    remedy: "bring the unit that it is for, name another, or say with [[provides]] who has it",
};

/// Looks at every unit of the bundle that starts another; a drop-in alone is of a unit that is not seen.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for unit in &machine.units {
        let Some((stem, kind @ ("timer" | "socket" | "path"))) = unit.name.rsplit_once('.') else { continue };
        let Some(first) = unit.file else { continue };
        let named = unit.last(if kind == "socket" { "Service" } else { "Unit" });
        let started = match named {
            Some(said) => said.setting.value.clone(),
            // One instance for each connection.
            None if kind == "socket" && unit.is_true("Accept") => {
                format!("{}@.service", stem.trim_end_matches('@'))
            }
            None => format!("{stem}.service"),
        };
        if !started.contains('%') && !has_unit(machine, &started) {
            let (path, line) = named.map_or((first, None), |said| (said.path, Some(said.setting.line)));
            let says = format!("{path} is to start {started}, which is nowhere");
            findings.add(&UNIT_ACTIVATED, Spot { machine, path, line }, says);
        }
    }
}

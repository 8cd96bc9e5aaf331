//! Checks of a finished plan: what would fail on the machine is found on the desk.
//!
//! ```text
//! Plan --> Cluster --> each check --> Findings --> Outcome: what is accepted, what is not --> a page, JSON, SARIF
//! ```
//!
//! A check knows formats and rules that hold everywhere: units, links, programs, certificates. What a component's flags and
//! files mean, and where it listens, is declared in overlays.

mod ends;
mod finding;
mod links;
mod mounts;
mod ports;
mod programs;
mod rule;
pub mod sarif;
mod subject;
mod trust;
mod unit;
mod units;

pub use finding::{Finding, Record};
pub use rule::{Rule, Severity};

use finding::Findings;
use subject::Cluster;

use crate::build::Plan;
use crate::store::Store;

/// Every check, by the rules that it knows.
const CHECKS: [Check; 6] = [
    Check { rules: &[links::LINK_DANGLING], run: links::check },
    Check {
        rules: &[
            units::UNIT_PROGRAM,
            units::UNIT_PROGRAM_MODE,
            units::UNIT_ENVIRONMENT,
            units::UNIT_REQUIRED,
            units::UNIT_WANTED,
        ],
        run: units::check,
    },
    Check { rules: programs::RULES, run: programs::check },
    Check { rules: &[mounts::MOUNT_HIDES], run: mounts::check },
    Check { rules: &[ports::PORT_TWICE], run: ports::check },
    Check { rules: trust::RULES, run: trust::check },
];

struct Check {
    rules: &'static [Rule],
    run: fn(&Cluster<'_>, &mut Findings),
}

/// All rules, by their names.
pub fn rules() -> Vec<&'static Rule> {
    let mut rules: Vec<&Rule> = CHECKS.iter().flat_map(|check| check.rules).collect();
    rules.sort_by_key(|rule| rule.id);
    rules
}

/// What is wrong with a plan, the worst first. The store has what comes from sources, as far as it was fetched.
pub fn check(plan: &Plan, store: &Store) -> Vec<Finding> {
    let cluster = Cluster::new(plan, store);
    let mut findings = Findings::default();
    for check in &CHECKS {
        (check.run)(&cluster, &mut findings);
    }
    findings.finish()
}

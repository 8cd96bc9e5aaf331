//! Checks of a finished plan: what would fail on the machine is found on the desk.
//!
//! ```text
//! Plan --> Cluster --> each check --> Findings --> Outcome: what is accepted, what is not --> a page, JSON, SARIF
//! ```
//!
//! A check knows formats and rules that hold everywhere: units, links, programs, certificates. What a component's flags and
//! files mean, and where it listens, is declared in overlays.

mod activation;
mod agree;
mod blame;
mod credentials;
mod declared;
mod documents;
mod enabled;
mod ends;
mod finding;
mod flags;
mod hosts;
mod hygiene;
mod keyed;
mod kinds;
mod kubeconfig;
mod links;
mod listed;
mod made;
mod mounts;
mod names;
mod objects;
mod paths;
mod pods;
mod ports;
mod programs;
mod ranges;
mod refused;
mod resolved;
mod rule;
pub mod sarif;
mod scalar;
mod scripts;
mod shapes;
mod subject;
mod system;
mod talk;
mod trust;
mod twice;
mod typed;
mod unit;
mod units;
mod users;
mod validators;
mod validity;
mod whole;

pub use finding::{Finding, Record};
pub use listed::{Listed, list};
pub use rule::{Rule, Severity};

use finding::Findings;
pub use subject::Programs;

use subject::Cluster;

use crate::build::Plan;
use crate::error::{Error, Faults, Result};
use crate::profile::Profile;
use crate::store::Store;

/// Every check, by the rules that it knows.
const CHECKS: &[Check] = &[
    Check { rules: &[keyed::KEYS_NOT_SEEN], run: keyed::check },
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
    Check { rules: &[enabled::UNIT_WANTED_BY], run: enabled::check },
    Check { rules: &[activation::UNIT_ACTIVATED], run: activation::check },
    Check { rules: &[twice::FLAG_TWICE], run: twice::check },
    Check { rules: programs::RULES, run: programs::check },
    Check { rules: &[scripts::SCRIPT_INTERPRETER], run: scripts::check },
    Check { rules: &[mounts::MOUNT_HIDES], run: mounts::check },
    Check { rules: &[ports::PORT_TWICE], run: ports::check },
    Check { rules: paths::RULES, run: paths::check },
    Check { rules: users::RULES, run: users::check },
    Check { rules: documents::RULES, run: documents::check },
    Check { rules: objects::RULES, run: objects::check },
    Check { rules: ranges::RULES, run: ranges::check },
    Check { rules: &[hosts::NAME_UNKNOWN], run: hosts::check },
    Check { rules: hygiene::RULES, run: hygiene::check },
    Check { rules: &[], run: declared::check },
    Check { rules: trust::RULES, run: trust::check },
    Check { rules: validity::RULES, run: validity::check },
    // After those before it: what they tell of a place is not told once more. What follows comes of running programs, which not
    // every host can, and may not change what is told of the rest.
    Check { rules: &[], run: agree::check },
    Check { rules: flags::RULES, run: flags::check },
    Check { rules: &[validators::VALIDATOR_NOT_RUN], run: validators::check },
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

/// What came of the checks.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// What is wrong and accepted by the profile, with its reasons.
    pub accepted: Vec<(Finding, String)>,
    /// What is accepted and not there.
    unmet: Vec<Error>,
}

/// Checks a plan. The store has what comes from sources, as far as it was fetched.
pub fn examine(plan: &Plan, profile: &Profile, store: &Store, programs: Programs) -> Outcome {
    let cluster = Cluster::new(plan, profile, store, programs);
    let mut findings = Findings::default();
    for check in CHECKS {
        (check.run)(&cluster, &mut findings);
    }
    let mut outcome = Outcome::default();
    for finding in findings.finish() {
        match profile.declared.accept.iter().find(|accept| accept.finding == finding.id) {
            Some(accept) => outcome.accepted.push((finding, accept.reason.clone())),
            None => outcome.findings.push(finding),
        }
    }
    let reason = |id: &str| profile.declared.accept.iter().find(|accept| accept.finding == *id);
    let found = plan.met.iter().filter_map(|met| Some((Finding::from(met), reason(&met.id)?.reason.clone())));
    outcome.accepted.extend(found);
    let met = |id: &String| outcome.accepted.iter().any(|(finding, _)| finding.id == *id);
    let unmet = plan.unmet.iter().filter(|(id, _)| !met(id) && !is_of_programs(&cluster, id)).map(|(id, place)| {
        let error = Error::usage(format!("the finding `{id}` is accepted, and there is none"));
        error.advise("take it out of [[accept]]").at(place)
    });
    outcome.unmet = unmet.collect();
    outcome
}

/// Whether a finding comes of running programs, which not every host can and not everybody wants: that it is not there says
/// nothing.
fn is_of_programs(cluster: &Cluster<'_>, id: &str) -> bool {
    let mut declared = cluster.machines.iter().flat_map(|machine| &machine.plan.checks);
    flags::RULES.iter().chain([&validators::VALIDATOR_NOT_RUN]).any(|rule| rule.id == id)
        || declared.any(|check| check.id == id && !check.run.is_empty())
}

impl Outcome {
    /// After a page that told them: how many errors there are.
    pub fn verdict(&self, profile: &str) -> Result<()> {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let mut faults = Faults::new();
        if errors > 0 {
            let message = format!("{profile} has {errors} error{}", if errors == 1 { "" } else { "s" });
            let advice = "mend them, or accept each with a reason: [[accept]] finding = \"ID\", reason = \"...\"";
            faults.push(Error::usage(message).advise(advice));
        }
        self.unmet.iter().cloned().for_each(|error| faults.push(error));
        faults.finish(())
    }

    /// Without what is found of dates: a build judges them itself, as of the time and for the length that it is asked for.
    pub fn without_dates(mut self) -> Outcome {
        self.findings.retain(|finding| !validity::RULES.iter().any(|rule| rule.id == finding.id));
        self
    }

    /// Why nothing may be built: every finding that is an error and is not accepted, and what is accepted and not there.
    pub fn refusal(&self) -> Result<()> {
        let mut faults = Faults::new();
        for finding in self.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            let error = Error::usage(finding.sentence()).advise(finding.remedy.clone());
            faults.push(finding.place.as_ref().map_or(error.clone(), |place| error.at(place)));
        }
        self.unmet.iter().cloned().for_each(|error| faults.push(error));
        faults.finish(())
    }
}

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
mod contents;
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

use contents::Contents;
use subject::{Before, Cluster, Whole};

use crate::build::Plan;
use crate::error::{Error, Faults, Result};
use crate::profile::Profile;
use crate::store::Store;

/// Every check, by the rules that it knows.
const CHECKS: &[Check] = &[
    Check { rules: &[keyed::KEYS_NOT_SEEN], run: Run::Cluster(keyed::check) },
    Check { rules: &[links::LINK_DANGLING], run: Run::Machine(links::check) },
    Check {
        rules: &[
            units::UNIT_PROGRAM,
            units::UNIT_PROGRAM_MODE,
            units::UNIT_ENVIRONMENT,
            units::UNIT_REQUIRED,
            units::UNIT_WANTED,
        ],
        run: Run::Machine(units::check),
    },
    Check { rules: &[enabled::UNIT_WANTED_BY], run: Run::Cluster(enabled::check) },
    Check { rules: &[activation::UNIT_ACTIVATED], run: Run::Machine(activation::check) },
    Check { rules: &[twice::FLAG_TWICE], run: Run::Machine(twice::check) },
    Check { rules: programs::RULES, run: Run::Cluster(programs::check) },
    Check { rules: &[scripts::SCRIPT_INTERPRETER], run: Run::Machine(scripts::check) },
    Check { rules: &[mounts::MOUNT_HIDES], run: Run::Cluster(mounts::check) },
    Check { rules: &[ports::PORT_TWICE], run: Run::Machine(ports::check) },
    Check { rules: paths::RULES, run: Run::Machine(paths::check) },
    Check { rules: users::RULES, run: Run::Machine(users::check) },
    Check { rules: documents::RULES, run: Run::Machine(documents::check) },
    Check { rules: ranges::RULES, run: Run::Cluster(ranges::check) },
    Check { rules: &[hosts::NAME_UNKNOWN], run: Run::Cluster(hosts::check) },
    Check { rules: hygiene::RULES, run: Run::Machine(hygiene::check) },
    Check { rules: &[], run: Run::Cluster(declared::check) },
    Check { rules: trust::RULES, run: Run::Cluster(trust::check) },
    Check { rules: validity::RULES, run: Run::Machine(validity::check) },
    Check { rules: &[], run: Run::Cluster(validity::of_people) },
    // After those before it: what they tell of a place is not told once more. What follows comes of running programs, which not
    // every host can, and may not change what is told of the rest.
    Check { rules: &[], run: Run::Cluster(agree::check) },
    Check { rules: flags::RULES, run: Run::Cluster(flags::check) },
    Check { rules: &[validators::VALIDATOR_NOT_RUN], run: Run::Cluster(validators::check) },
];

struct Check {
    rules: &'static [Rule],
    run: Run,
}

/// What a check looks at.
enum Run {
    /// The files of one machine.
    Machine(fn(&Whole<'_>, &mut Findings)),
    /// All machines, after each was looked at by itself.
    Cluster(fn(&Cluster<'_>, &mut Findings)),
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
    let contents = Contents::of(plan, store);
    let cluster = Cluster::new(plan, profile, &contents, programs);
    let mut findings = Findings::default();
    let mut before = Before::default();
    for machine in &cluster.machines {
        let whole = Whole::of(machine, cluster.epoch(), &mut before);
        for check in CHECKS {
            if let Run::Machine(run) = check.run {
                run(&whole, &mut findings);
            }
        }
    }
    drop(before);
    for check in CHECKS {
        if let Run::Cluster(run) = check.run {
            run(&cluster, &mut findings);
        }
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

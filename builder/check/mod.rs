//! Checks of a finished plan: what would fail on the machine is found on the desk.
//!
//! ```text
//! Plan --> Cluster, some machines at a time --> each check --> Findings --> Outcome: what is accepted, what is not --> a page, JSON, SARIF
//! ```
//!
//! A check knows formats and rules that hold everywhere: units, links, programs, certificates. What a component's flags and
//! files mean, and where it listens, is declared in overlays.

mod activation;
mod agree;
mod blame;
mod compared;
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

use compared::Compared;
use subject::{Batch, Before, Cluster, Whole};

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
    Check { rules: &[enabled::UNIT_WANTED_BY], run: Run::Machine(enabled::check) },
    Check { rules: &[activation::UNIT_ACTIVATED], run: Run::Machine(activation::check) },
    Check { rules: &[twice::FLAG_TWICE], run: Run::Machine(twice::check) },
    Check { rules: programs::RULES, run: Run::Batch(programs::check) },
    Check { rules: &[scripts::SCRIPT_INTERPRETER], run: Run::Machine(scripts::check) },
    Check { rules: &[mounts::MOUNT_HIDES], run: Run::Machine(mounts::check) },
    Check { rules: &[ports::PORT_TWICE], run: Run::Machine(ports::check) },
    Check { rules: paths::RULES, run: Run::Machine(paths::check) },
    Check { rules: users::RULES, run: Run::Machine(users::check) },
    Check { rules: documents::RULES, run: Run::Machine(documents::check) },
    Check { rules: ranges::RULES, run: Run::Cluster(ranges::check) },
    Check { rules: &[hosts::NAME_UNKNOWN], run: Run::Batch(hosts::check) },
    Check { rules: hygiene::RULES, run: Run::Machine(hygiene::check) },
    Check { rules: &[], run: Run::Machine(declared::check) },
    Check { rules: validity::RULES, run: Run::Machine(validity::check) },
    Check { rules: &[], run: Run::Cluster(validity::of_people) },
    Check { rules: trust::RULES, run: Run::Compared },
    Check { rules: flags::RULES, run: Run::Compared },
    Check { rules: &[validators::VALIDATOR_NOT_RUN], run: Run::Compared },
];

struct Check {
    rules: &'static [Rule],
    run: Run,
}

/// What a check looks at.
enum Run {
    /// The files of one machine.
    Machine(fn(&Whole<'_>, &mut Findings)),
    /// The files of some machines, which are mostly the same.
    Batch(fn(&Batch<'_>, &mut Findings)),
    /// What holds for all machines.
    Cluster(fn(&Cluster<'_>, &mut Findings)),
    /// What machines say of each other or together: see [`Compared`].
    Compared,
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
pub fn examine(plan: &Plan, profile: &Profile, store: &Store, programs: Programs) -> Result<Outcome> {
    let cluster = Cluster::new(plan, profile, store, programs);
    let (mut findings, mut compared) = (Findings::default(), Compared::new(cluster));
    cluster.each(&mut |batch| {
        alone(batch, &mut findings);
        batch.machines.iter().try_for_each(|machine| compared.hear(machine, &mut findings))
    })?;
    for check in CHECKS {
        if let Run::Cluster(run) = check.run {
            run(&cluster, &mut findings);
        }
    }
    compared.judge(&mut findings)?;
    Ok(outcome(&cluster, findings))
}

/// Looks at machines as far as they say nothing of others.
fn alone(batch: &Batch<'_>, findings: &mut Findings) {
    let mut before = Before::default();
    for machine in &batch.machines {
        let whole = Whole::of(machine, batch.cluster.epoch(), &mut before);
        for check in CHECKS {
            if let Run::Machine(run) = check.run {
                run(&whole, findings);
            }
        }
    }
    for check in CHECKS {
        if let Run::Batch(run) = check.run {
            run(batch, findings);
        }
    }
}

fn outcome(cluster: &Cluster<'_>, findings: Findings) -> Outcome {
    let (plan, profile) = (cluster.plan(), cluster.profile);
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
    let unmet = plan.unmet.iter().filter(|(id, _)| !met(id) && !is_of_programs(plan, id)).map(|(id, place)| {
        let error = Error::usage(format!("the finding `{id}` is accepted, and there is none"));
        error.advise("take it out of [[accept]]").at(place)
    });
    outcome.unmet = unmet.collect();
    outcome
}

/// Whether a finding comes of running programs, which not every host can and not everybody wants: that it is not there says
/// nothing.
fn is_of_programs(plan: &Plan, id: &str) -> bool {
    let mut declared = plan.nodes.outlines().flat_map(|node| &node.checks);
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

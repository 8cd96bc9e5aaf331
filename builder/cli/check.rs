//! `check`: what would fail on the machines, before anything is built.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::open_store;
use super::print::Printer;
use super::seed::SeedArguments;
use crate::build::{self, Bases, Plan, check_seed};
use crate::check::{self, Finding, Listed, Programs, Record, Severity, sarif};
use crate::disk::{self, Access};
use crate::epoch::Epoch;
use crate::error::{Error, Result, visible};
use crate::overlay::{self, Overlay};
use crate::pki::Seed;
use crate::profile::{Lock, Profile};

#[derive(Debug, Args)]
pub struct Check {
    /// The profile's file.
    #[arg(value_name = "PROFILE", required_unless_present = "list", value_hint = clap::ValueHint::FilePath)]
    profile: Option<PathBuf>,
    /// List what is looked for, with a profile by its overlays, else by all; and look for nothing.
    #[arg(long)]
    list: bool,
    /// Write the findings here too, as SARIF, for a code review.
    #[arg(long, value_name = "FILE", conflicts_with = "list", value_hint = clap::ValueHint::FilePath)]
    sarif: Option<PathBuf>,
    #[command(flatten)]
    programs: ProgramArguments,
    #[command(flatten)]
    seed: SeedArguments,
}

/// Whether programs of the bundles are run.
#[derive(Debug, Args)]
pub struct ProgramArguments {
    /// Do not ask the bundle's programs, in a sandbox, what they think of their flags and files.
    #[arg(long)]
    no_probe: bool,
}

impl ProgramArguments {
    /// What was asked for.
    pub fn programs(&self) -> Programs {
        if self.no_probe { Programs::Leave } else { Programs::Run }
    }
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    profile: String,
    /// Whether programs of the bundles were run where they can be.
    probed: bool,
    findings: Vec<Record<'a>>,
    accepted: Vec<AcceptedRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct AcceptedRecord<'a> {
    #[serde(flatten)]
    finding: Record<'a>,
    reason: &'a str,
}

impl Check {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        match &self.profile {
            Some(file) if !self.list => self.check(file, printer),
            profile => listed(profile.as_deref(), printer),
        }
    }

    fn check(&self, file: &Path, printer: &Printer) -> Result<()> {
        let (profile, seen) = Profile::load(file, Epoch::from_environment()?)?;
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let seed = self.seed(&profile, lock.as_ref())?;
        let (mut bases, store) = (Bases::of(&profile, &seen)?, open_store()?);
        if let Some(lock) = &lock {
            bases.open(lock, &store)?;
        }
        let plan = Plan::resolve_on(&bases, &profile, seen, lock.as_ref(), seed.as_ref())?;
        let outcome = check::examine(&plan, &profile, &store, self.programs.programs())?;
        let (findings, accepted) = (&outcome.findings, &outcome.accepted);
        if let Some(path) = &self.sarif {
            let text = serde_json::to_string_pretty(&sarif::log(findings, accepted));
            let text = text.map_err(|error| Error::bug(format!("writing SARIF: {error}")))?;
            disk::write(path, format!("{text}\n").as_bytes(), Access::Public)?;
        }
        let report = Report {
            profile: profile.file.display().to_string(),
            probed: self.programs.programs() == Programs::Run,
            findings: findings.iter().map(Record::from).collect(),
            accepted: accepted
                .iter()
                .map(|(finding, reason)| AcceptedRecord { finding: Record::from(finding), reason })
                .collect(),
        };
        printer.report(&report, || {
            let left =
                if report.probed { "" } else { "no program was asked what it thinks of its flags (--no-probe)\n" };
            page(&report.profile, findings, accepted.len(), plan.nodes.len()) + left
        })?;
        outcome.verdict(&report.profile)
    }
}

impl Check {
    /// The seed that is given. None need be, so that a change can be reviewed by who has none: what certificates say is the same
    /// with any, so another stands in. It cannot where keys of others are imported, which are encrypted to the true one's owner
    /// or made for its keys.
    fn seed(&self, profile: &Profile, lock: Option<&Lock>) -> Result<Option<Seed>> {
        let locked = lock.and_then(|lock| lock.seed.as_deref());
        let seed = match (self.seed.is_given(), profile.declared.pki.imports.is_empty()) {
            (true, _) => Some(self.seed.load(profile, locked)?),
            (false, true) => return Ok(Some(Seed::stand_in())),
            (false, false) => self.seed.find(profile)?,
        };
        if let Some(seed) = &seed {
            check_seed(seed, locked, &profile.lock_file().display().to_string())?;
        }
        Ok(seed)
    }
}

/// For a person: what is wrong, where, on which machines, and what to do.
fn page(profile: &str, findings: &[Finding], accepted: usize, machines: usize) -> String {
    let mut text = String::new();
    for Finding { id, severity, says, fate, remedy, place, file, on } in findings {
        text += &format!("{}[{id}]: {}\n", severity.name(), visible(says));
        if let Some(place) = place {
            text += &format!("  at   {}\n", visible(&place.to_string()));
        }
        let at = file.as_ref().map(|(path, line)| match line {
            Some(line) => format!("{path}:{line}"),
            None => path.to_string(),
        });
        let on: Vec<&str> = on.iter().map(String::as_str).collect();
        match (at, on.len()) {
            (at, count) if count > 0 => {
                let names = match on[..] {
                    _ if count == machines && count > 3 => "all machines".to_owned(),
                    _ if count > 5 => format!("{} and {} more", on[..3].join(", "), count - 3),
                    _ => on.join(", "),
                };
                text += &format!("  on   {names}{}\n", at.map_or_else(String::new, |at| format!(": {at}")));
            }
            _ => {}
        }
        text += &format!("  then {fate}\n  do   {remedy}\n");
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let told = [(errors, "error"), (warnings, "warning"), (count(Severity::Note), "note")];
    let told: Vec<String> = told.iter().filter(|(count, _)| *count > 0).map(|(n, noun)| counted(*n, noun)).collect();
    let told = if told.is_empty() { "nothing is wrong that could be known".to_owned() } else { told.join(", ") };
    let accepted = if accepted == 0 { String::new() } else { format!("; {accepted} accepted") };
    text + &format!("{profile}: {told}{accepted}\n")
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What is looked for: by the program, and by the overlays of a profile, or by all that are to be had here.
fn listed(profile: Option<&Path>, printer: &Printer) -> Result<()> {
    let overlays = match profile {
        Some(file) => build::load_overlays(&Profile::load(file, Epoch::from_environment()?)?.0)?,
        None => {
            let here = Path::new(".");
            overlay::names(here)?.iter().map(|name| Overlay::load(here, name)).collect::<Result<_>>()?
        }
    };
    let rules = check::list(&overlays);
    printer.report(&rules, || {
        let line = |rule: &Listed| {
            let Listed { id, severity, finds, fate, remedy, overlays } = rule;
            let by = if overlays.is_empty() { String::new() } else { format!(", by {}", overlays.join(", ")) };
            format!("{id} ({}{by})\n  finds {finds}\n  then  {fate}\n  do    {remedy}\n", severity.name())
        };
        rules.iter().map(line).collect()
    })
}

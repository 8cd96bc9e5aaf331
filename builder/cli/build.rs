//! `build`: a release from a profile, its lock and the seed.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::check::ProgramArguments;
use super::print::{self, Printer};
use super::seed::SeedArguments;
use super::{FetchArguments, MEMORY, ProfileArgument, open_store};
use crate::build::{self, Building, Built, Means, Plan};
use crate::bundle::{Existing, Outcome};
use crate::check::{self, Severity};
use crate::epoch::{Duration, Epoch};
use crate::error::{Error, Result};
use crate::pki::Term;
use crate::profile::{Lock, Profile};
use crate::store::Store;

#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Where releases are written: OUT/CLUSTER/VERSION.
    #[arg(short, long, value_name = "DIR", default_value = "out", value_hint = clap::ValueHint::DirPath)]
    out: PathBuf,
    /// Build only these nodes; may be given several times.
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    programs: ProgramArguments,
    #[command(flatten)]
    seed: SeedArguments,
    /// How much memory compression may take, whatever the input.
    #[arg(long, value_name = "SIZE", default_value = MEMORY)]
    memory: String,
    /// Refuse certificates that are not valid at this time (2026-11-01T00:00:00Z); the profile's epoch if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<Epoch>,
    /// Refuse certificates that do not last this long from then on (30d, 12h).
    #[arg(long, value_name = "LENGTH")]
    min_validity: Option<Duration>,
    /// Replace a release of this version that has other contents.
    #[arg(long)]
    force: bool,
}

impl Build {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let memory = build::sources::parse_size(&self.memory).map_err(|error| error.context("--memory"))?;
        let (profile, seen) = self.profile.load()?;
        let shown = profile.lock_file().display().to_string();
        let Some(lock) = Lock::load(&profile.project.join(profile.lock_file()), &shown)? else {
            // Without a lock, whatever else is wrong is said first: a lock could not be made either.
            let plan = Plan::resolve(&profile, seen, None, None)?;
            return build::check_lock(&profile, None, &plan);
        };
        let seed = self.seed.load(&profile, lock.seed.as_deref())?;
        let store = open_store()?;
        let building = Building {
            out: &self.out,
            nodes: &self.node,
            existing: if self.force { Existing::Replace } else { Existing::Keep },
            means: Means { jobs: self.fetch.jobs(), memory },
            store: &store,
            pieces: &store,
            options: &self.fetch.options(printer),
            term: Term { at: self.at.unwrap_or(profile.epoch), least: self.min_validity.unwrap_or_default() },
            examine: &|plan| self.examine(plan, &profile, &store, printer),
        };
        let built = build::build(&profile, seen, &lock, &seed, &building)?;
        report(&built, printer)
    }

    /// What is wrong is told; what a machine would fail by stops the build.
    fn examine(&self, plan: &Plan, profile: &Profile, store: &Store, printer: &Printer) -> Result<()> {
        let outcome = check::examine(plan, profile, store, self.programs.programs())?.without_dates();
        for finding in &outcome.findings {
            match finding.severity {
                Severity::Warning => printer.warning(&finding.to_string()),
                // That something was not looked at: a build that does not say so seems to have looked.
                Severity::Note => printer.note(&format!("note: {finding}")),
                Severity::Error => {}
            }
        }
        outcome.refusal()
    }
}

fn report(built: &Built, printer: &Printer) -> Result<()> {
    let outcome = match built.outcome {
        Outcome::Written => "built",
        Outcome::Unchanged => "unchanged",
        Outcome::Replaced => "replaced",
    };
    let manifest = serde_json::to_value(&built.manifest).map_err(|error| Error::bug(error.to_string()))?;
    printer.report(&json!({ "release": built.path, "outcome": outcome, "manifest": manifest }), || {
        let mut text = format!("{outcome} {}\n", built.path.display());
        for artifact in &built.manifest.artifacts {
            text += &format!("  {:>10}  {}  {}\n", print::bytes(artifact.size), artifact.sha256.short(), artifact.path);
        }
        text
    })
}

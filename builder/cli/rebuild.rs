//! `verify --rebuild`: whether a release is what a profile makes, shown by making it once more.

use std::path::{Path, PathBuf};

use clap::Args;

use super::print::Printer;
use super::seed::SeedArguments;
use super::{ATTEMPTS, MEMORY, SILENCE, open_store};
use crate::build::{self, Means, Rebuilding, Rebuilt};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::profile::{Lock, Profile};
use crate::store::Options;

/// What a release is built from once more.
#[derive(Debug, Args)]
pub struct RebuildArguments {
    /// Build the release again from this profile, its lock and the seed, offline and in a private place, and compare
    /// every byte.
    #[arg(long, value_name = "PROFILE", value_hint = clap::ValueHint::FilePath)]
    rebuild: Option<PathBuf>,
    /// How much memory compression may take while it builds, whatever the input.
    #[arg(long, value_name = "SIZE", default_value = MEMORY, requires = "rebuild")]
    memory: String,
    #[command(flatten)]
    seed: SeedArguments,
}

impl RebuildArguments {
    /// Builds and compares, if it is asked for.
    pub fn run(&self, release: &Path, jobs: usize, printer: &Printer) -> Result<Option<Rebuilt>> {
        let Some(file) = &self.rebuild else {
            return match self.seed.is_given() {
                true => Err(Error::usage("a seed is given, and nothing is built").advise("add --rebuild PROFILE")),
                false => Ok(None),
            };
        };
        let memory = build::sources::parse_size(&self.memory).map_err(|error| error.context("--memory"))?;
        let (profile, seen) = Profile::load(file, Epoch::from_environment()?)?;
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let lock = lock.ok_or_else(|| {
            Error::usage(format!("there is no lock at {shown}")).advise("give the one that the release was built from")
        })?;
        let seed = self.seed.load(&profile, lock.seed.as_deref())?;
        let options = Options { offline: true, jobs, attempts: ATTEMPTS, timeout: SILENCE, progress: printer };
        let rebuilding = Rebuilding { means: Means { jobs, memory }, store: &open_store()?, options: &options };
        build::rebuild(release, &profile, seen, &lock, &seed, &rebuilding).map(Some)
    }
}

/// What a person reads of it.
pub fn sentence(rebuilt: Option<&Rebuilt>) -> String {
    let Some(Rebuilt { files, secrets, .. }) = rebuilt else { return String::new() };
    let part = if *secrets { "" } else { " of public/" };
    format!("built again, all {files} files{part} have the same bytes\n")
}

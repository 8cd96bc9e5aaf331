//! `lock` and `fetch`: pinning what a profile takes from outside, and having it here.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::print::{self, Printer};
use super::seed::SeedArguments;
use super::{FetchArguments, ProfileArgument, open_store};
use crate::build::{self, Plan, Thorough, Update, gather};
use crate::error::Result;
use crate::profile::Lock as ProfileLock;

#[derive(Debug, Args)]
pub struct Lock {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Pin anew: this source, or all if none is named; may be given several times.
    #[arg(long, value_name = "SOURCE", num_args = 0..=1, default_missing_value = "")]
    update: Vec<String>,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    seed: SeedArguments,
}

impl Lock {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        let (path, shown) = (profile.project.join(profile.lock_file()), profile.lock_file().display().to_string());
        let seed = self.seed.find(&profile)?;
        let plan = Plan::resolve(&profile, seen, None, seed.as_ref())?;
        let old = ProfileLock::load(&path, &shown)?;
        let mut lock = gather::lock(&plan, old.as_ref(), &self.update(), &open_store()?, &self.fetch.options(printer))?;
        if let Some(seed) = seed {
            lock.seed = Some(seed.fingerprint());
        }
        let unchanged = old.is_some_and(|old| ProfileLock { digest: None, ..old } == lock);
        if !unchanged {
            lock.save(&path)?;
        }
        let size: u64 = lock.sources.values().map(|locked| locked.size).sum();
        let (count, outcome) = (lock.sources.len(), if unchanged { "unchanged" } else { "written" });
        printer.report(&json!({ "lock": shown, "outcome": outcome, "sources": count, "bytes": size }), || {
            format!("{shown} {outcome}: {count} sources, {}\n", print::bytes(size))
        })
    }

    fn update(&self) -> Update {
        match &self.update[..] {
            [] => Update::Stale,
            names if names.iter().any(String::is_empty) => Update::All,
            names => Update::Named(names.iter().cloned().collect::<BTreeSet<_>>()),
        }
    }
}

#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    profile: ProfileArgument,
    #[command(flatten)]
    fetch: FetchArguments,
}

impl Fetch {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        let shown = profile.lock_file().display().to_string();
        let lock = ProfileLock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let plan = Plan::resolve(&profile, seen, lock.as_ref(), None)?;
        build::check_lock(&profile, lock.as_ref(), &plan)?;
        let lock = lock.unwrap_or_default();
        let store = open_store()?;
        let count = gather::fetch(&plan.sources, &lock, Thorough::Yes, &store, &self.fetch.options(printer))?;
        let directory = store.directory();
        printer.report(&json!({ "store": directory, "sources": count }), || {
            format!("{count} sources are in {} as they are locked\n", directory.display())
        })
    }
}

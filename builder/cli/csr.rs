//! `pki csr`: requests for the certificates of authorities whose key is elsewhere.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ProfileArgument;
use super::print::Printer;
use super::seed::SeedArguments;
use crate::build::{self, Plan};
use crate::disk::{self, Access};
use crate::error::{Error, Result};
use crate::profile::Lock;

#[derive(Debug, Args)]
pub struct Csr {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Where the requests are written: DIR/NODE/NAME.csr.
    #[arg(short, long, value_name = "DIR", default_value = "csr", value_hint = clap::ValueHint::DirPath)]
    out: PathBuf,
    #[command(flatten)]
    seed: SeedArguments,
}

impl Csr {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let locked = lock.as_ref().and_then(|lock| lock.seed.as_deref());
        let seed = self.seed.load(&profile, locked)?;
        // A request from the wrong seed would be issued, and then fit nothing.
        build::keys::check_seed(&seed, locked, &shown)?;
        let plan = Plan::resolve(&profile, seen, None, Some(&seed))?;
        if plan.requests.is_empty() {
            let message = "the profile has no authority whose key is elsewhere";
            return Err(Error::usage(message)
                .advise("name one: [[pki.imports]] with `authority`, `cert` and `issued`")
                .context(profile.file.display()));
        }
        for (file, request) in &plan.requests {
            let path = self.out.join(file);
            disk::create_directories(path.parent().unwrap_or(&self.out), Access::Public)?;
            disk::write(&path, request.as_bytes(), Access::Public)?;
        }
        let (files, missing): (Vec<_>, _) = (plan.requests.keys().collect(), plan.missing.len());
        printer.report(&json!({ "directory": self.out, "requests": files, "missing": missing }), || {
            let list: String = files.iter().map(|file| format!("  {file}\n")).collect();
            format!(
                "{} requests in {}; {missing} certificates are not issued yet\n{list}",
                files.len(),
                self.out.display()
            )
        })
    }
}

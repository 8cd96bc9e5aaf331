//! `pki export`: what others may know of a cluster's keys: the authorities' certificates and the key pairs' public keys.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ProfileArgument;
use super::print::Printer;
use super::seed::SeedArguments;
use crate::build::Plan;
use crate::disk::{self, Access};
use crate::error::Result;

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Where the files are written: NAME.crt of authorities, NAME.pub of key pairs, of their current generation.
    #[arg(short, long, value_name = "DIR", default_value = "export", value_hint = clap::ValueHint::DirPath)]
    out: PathBuf,
    #[command(flatten)]
    seed: SeedArguments,
}

impl Export {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        // Also of a seed that no lock knows yet: the new one, when a seed is replaced.
        let plan = Plan::resolve(&profile, seen, None, Some(&self.seed.load(&profile, None)?))?;
        disk::create_directories(&self.out, Access::Public)?;
        for (name, text) in &plan.exports {
            disk::write(&self.out.join(name), text.as_bytes(), Access::Public)?;
        }
        let files: Vec<_> = plan.exports.keys().collect();
        printer.report(&json!({ "directory": self.out, "files": files }), || {
            let list: String = files.iter().map(|file| format!("  {file}\n")).collect();
            format!("{} files in {}\n{list}", files.len(), self.out.display())
        })
    }
}

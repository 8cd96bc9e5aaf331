//! `pki init`: makes a seed, the one thing that a cluster's keys come from.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::ProfileArgument;
use super::print::Printer;
use super::seed;
use crate::disk::{self, Access};
use crate::error::Result;
use crate::pki::Seed;

#[derive(Debug, Subcommand)]
pub enum Pki {
    /// Make a cluster's seed. Never overwrites one.
    Init(Init),
}

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Where the seed is written; ~/.local/share/mastermold/CLUSTER.seed if not given.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
}

impl Pki {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let Pki::Init(init) = self;
        let profile = init.profile.load()?;
        let path = init.seed.clone().map_or_else(|| seed::usual_path(&profile), Ok)?;
        seed::refuse_inside(&path, &profile.project)?;
        if let Some(parent) = path.parent() {
            disk::create_directories(parent, Access::Private)?;
        }
        let seed = Seed::generate()?;
        disk::write_new(&path, seed.to_text().as_bytes(), Access::Private)?;
        let fingerprint = seed.fingerprint();
        printer.report(&json!({ "seed": path, "fingerprint": fingerprint }), || {
            format!(
                "made the seed {} (fingerprint {fingerprint})\nEvery key of the cluster comes from it. Keep a copy where it is safe: without it no \
                 release can be built again, and who has it has the cluster.\n",
                path.display()
            )
        })
    }
}

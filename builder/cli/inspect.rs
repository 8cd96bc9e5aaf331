//! `inspect`: what is in a release, a node's directory or an archive, as it says itself.

use std::path::PathBuf;

use clap::Args;

use super::print::Printer;
use crate::bundle::inspect;
use crate::error::Result;

#[derive(Debug, Args)]
pub struct Inspect {
    /// A release, a node's directory in it, a manifest or an archive.
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    path: PathBuf,
}

impl Inspect {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let inspected = inspect::inspect(&self.path)?;
        printer.report(&inspected, || inspected.lines().iter().map(|line| format!("{line}\n")).collect())
    }
}

//! `assemble`: a whole release out of parts that were built apart.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::print::Printer;
use crate::boot::scripts;
use crate::build::TOOL;
use crate::bundle::{self, Assembled, Assembling, Existing, Outcome};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub struct Assemble {
    /// The releases that `build --node` wrote, each the directory that its public/ and secrets/ are in. Every machine of the
    /// profile must be in one; their order does not matter.
    #[arg(value_name = "PART", required = true, value_hint = clap::ValueHint::DirPath)]
    parts: Vec<PathBuf>,
    /// Where releases are written: OUT/CLUSTER/VERSION.
    #[arg(short, long, value_name = "DIR", default_value = "out", value_hint = clap::ValueHint::DirPath)]
    out: PathBuf,
    /// How many threads; as many as there are processors if not given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Replace a release of this version that has other contents.
    #[arg(long)]
    force: bool,
}

impl Assemble {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let assembling = Assembling {
            out: &self.out,
            existing: if self.force { Existing::Replace } else { Existing::Keep },
            jobs: self.jobs.map_or_else(processors, usize::from),
            menus: &scripts::like,
            tool: TOOL,
        };
        let assembled = bundle::assemble(&self.parts, &assembling)?;
        self.report(&assembled, printer)
    }

    fn report(&self, assembled: &Assembled, printer: &Printer) -> Result<()> {
        let Assembled { path, outcome, manifest, files, signed } = assembled;
        let parts = self.parts.len();
        let outcome = match outcome {
            Outcome::Written => "assembled",
            Outcome::Unchanged => "unchanged",
            Outcome::Replaced => "replaced",
        };
        let value = serde_json::to_value(manifest).map_err(|error| Error::bug(error.to_string()))?;
        let json = json!({ "release": path, "outcome": outcome, "parts": parts, "files": files, "manifest": value });
        printer.report(&json, || {
            let (shown, machines) = (path.display(), manifest.nodes.len());
            let mut text = format!("{outcome} {shown}\n  {machines} machines, {files} files, from {parts} parts\n");
            if *signed > 0 {
                text += &format!("  no signature of a part is one of the whole: `mastermold sign {shown}`\n");
            }
            text
        })
    }
}

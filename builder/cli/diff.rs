//! `diff`: what two releases, nodes, archives or directories differ in.

use std::path::PathBuf;

use clap::Args;

use super::print::Printer;
use crate::build::leak;
use crate::diff::{self, Options};
use crate::error::{Class, Fault, Result};

/// The exit code that says that the two differ.
const DIFFERENT: u8 = 1;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the same, 1 they differ, 2 and above any trouble. Of releases it prints no secret. Of other \
                  archives and directories, and of files, nothing of what is private by its mode, listed as a secret, or \
                  recognised as one; the rest is printed."
)]
pub struct Diff {
    /// A release, its public/, a node's directory in that, an archive, a directory or a file.
    #[arg(value_name = "A", value_hint = clap::ValueHint::AnyPath)]
    before: PathBuf,
    /// The same of another.
    #[arg(value_name = "B", value_hint = clap::ValueHint::AnyPath)]
    after: PathBuf,
    /// How many threads; as many as there are processors if not given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

impl Diff {
    /// The exit code.
    pub fn run(&self, printer: &Printer) -> Result<u8> {
        self.compare(printer).map_err(|error| error.retell(trouble))
    }

    fn compare(&self, printer: &Printer) -> Result<u8> {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let jobs = self.jobs.map_or_else(processors, usize::from);
        let options = Options { jobs, is_secret: &|bytes| leak::recognise(bytes).is_some() };
        let comparison = diff::compare(&self.before, &self.after, &options)?;
        printer.report(&comparison, || comparison.lines().iter().map(|line| format!("{line}\n")).collect())?;
        Ok(if comparison.same { 0 } else { DIFFERENT })
    }
}

/// Exit 1 says that there is a difference: a mistake of ours must not.
fn trouble(fault: Fault) -> Fault {
    match fault.class {
        Class::Bug => Fault { class: Class::Environment, message: format!("a bug: {}", fault.message), ..fault },
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_bug_is_no_difference() {
        assert_ne!(Error::bug("x").retell(trouble).class().code(), DIFFERENT);
        assert_eq!(Error::usage("x").retell(trouble).class().code(), 2);
    }
}

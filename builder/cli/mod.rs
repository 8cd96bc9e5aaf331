//! The command line: one file a verb.

mod assemble;
mod boot;
mod build;
mod check;
mod code_signing;
mod csr;
mod diff;
mod explain;
mod export;
mod init;
mod inspect;
mod key;
mod lock;
mod opening;
mod password;
mod pki;
mod plan;
pub mod print;
mod rebuild;
mod schema;
mod seed;
mod serve;
mod shell;
mod sign;
mod status;
mod timeline;
mod verify;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::build::{Bases, Plan};
use crate::error::Result;
use crate::overlay::Seen;
use crate::profile::{Lock, Profile};
use crate::store::{Options, Store};
use print::{Color, Format, Printer};

/// Casts the machines of a Kubernetes control plane ahead of deployment: reproducible, checksummed, signed bundles.
#[derive(Debug, Parser)]
#[command(name = "mastermold", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 a bug, 2 usage, profile or lock, 3 integrity, 4 trust, 5 environment, 6 busy, 7 network, 8 policy."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What every verb takes.
#[derive(Debug, Args)]
struct Global {
    /// How reports are written.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    /// When colours are used; NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
    /// Only errors on standard error.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// More on standard error.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a project: a profile to edit, overlays to change, what comes next.
    Init(init::Init),
    /// Show what a profile asks for: every node's files with mode, layer and origin.
    Plan(plan::Plan),
    /// Find on the desk what would fail on the machines.
    Check(check::Check),
    /// Pin every source of a profile: fetch it, hash it, write the lock.
    Lock(lock::Lock),
    /// Bring everything that is locked into the store, and check what is there.
    Fetch(lock::Fetch),
    /// Build a release from a profile and its lock.
    Build(build::Build),
    /// Assemble the parts of a release, built with `build --node` on several machines, to the whole.
    Assemble(assemble::Assemble),
    /// Sign a release. Needs the release and a key, nothing else.
    Sign(sign::Sign),
    /// Check a release: signature, sums, and every entry of every archive.
    Verify(verify::Verify),
    /// List what is in a release, a node's directory or an archive.
    Inspect(inspect::Inspect),
    /// Say what two releases, nodes, archives or directories differ in, without a secret byte.
    Diff(diff::Diff),
    /// Serve a release over HTTP in a lab, read-only; or write a dnsmasq configuration for it.
    Serve(serve::Serve),
    /// Start a node in QEMU with exactly what it would get.
    Boot(Box<boot::Boot>),
    /// Say which overlay, source or line put a file on a node.
    Explain(explain::Explain),
    /// Print the JSON Schema of profiles or overlays, for editors.
    Schema(schema::Schema),
    /// Make the seed that a cluster's keys come from; show certificates.
    #[command(subcommand)]
    Pki(pki::Pki),
    /// Make a signing key.
    #[command(subcommand)]
    Key(key::Key),
    /// Print a shell's completions.
    Completions(shell::Completions),
    /// Print the manual page.
    Man,
}

impl Cli {
    /// A printer for the choices of the command line.
    pub fn printer(&self) -> Printer {
        Printer::new(self.global.format, self.global.color, self.global.quiet, self.global.verbose)
    }

    /// Does what was asked; the exit code, which is another than 0 only if the answer of `diff` is.
    pub fn run(&self, printer: &Printer) -> Result<u8> {
        match &self.command {
            Command::Diff(verb) => verb.run(printer),
            other => other.run(printer).map(|()| 0),
        }
    }
}

impl Command {
    fn run(&self, printer: &Printer) -> Result<()> {
        match self {
            Command::Init(verb) => verb.run(printer),
            Command::Plan(verb) => verb.run(printer),
            Command::Check(verb) => verb.run(printer),
            Command::Lock(verb) => verb.run(printer),
            Command::Fetch(verb) => verb.run(printer),
            Command::Build(verb) => verb.run(printer),
            Command::Assemble(verb) => verb.run(printer),
            Command::Sign(verb) => verb.run(printer),
            Command::Verify(verb) => verb.run(printer),
            Command::Inspect(verb) => verb.run(printer),
            Command::Diff(verb) => verb.run(printer).map(drop),
            Command::Serve(verb) => verb.run(printer),
            Command::Boot(verb) => verb.run(printer),
            Command::Explain(verb) => verb.run(printer),
            Command::Schema(verb) => verb.run(printer),
            Command::Pki(verb) => verb.run(printer),
            Command::Key(verb) => verb.run(printer),
            Command::Completions(verb) => verb.run(printer),
            Command::Man => shell::man(printer),
        }
    }
}

/// The profile that a verb is about.
#[derive(Debug, Args)]
struct ProfileArgument {
    /// The profile's file.
    #[arg(value_name = "PROFILE", value_hint = clap::ValueHint::FilePath)]
    profile: PathBuf,
}

impl ProfileArgument {
    fn load(&self) -> Result<(Profile, Seen)> {
        Profile::load(&self.profile, crate::epoch::Epoch::from_environment()?)
    }
}

/// How sources are fetched.
#[derive(Debug, Args)]
struct FetchArguments {
    /// Open no connection; what is not in the store is an error.
    #[arg(long)]
    offline: bool,
    /// How many threads; as many as there are processors if not given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

/// How much memory compression may take if nothing else is said.
const MEMORY: &str = "256MiB";
/// How often a transfer is tried.
const ATTEMPTS: u32 = 4;
/// How long a server may be silent.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(30);

impl FetchArguments {
    fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.jobs.map_or_else(processors, usize::from)
    }

    fn options<'a>(&self, printer: &'a Printer) -> Options<'a> {
        Options { offline: self.offline, jobs: self.jobs(), attempts: ATTEMPTS, timeout: SILENCE, progress: printer }
    }
}

/// The plan of a profile, on its bases as far as the store has them. The store is looked at only for a base.
fn resolve(profile: &Profile, seen: Seen, lock: Option<&Lock>) -> Result<Plan> {
    let mut bases = Bases::of(profile, &seen)?;
    if let Some(lock) = lock.filter(|_| !bases.nodes.is_empty()) {
        bases.open(lock, &open_store()?)?;
    }
    Plan::resolve_on(&bases, profile, seen, lock, None)
}

fn open_store() -> Result<Store> {
    Store::open(&crate::store::default_directory()?)
}

//! `pki init`: makes a seed, the one thing that a cluster's keys come from.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::ProfileArgument;
use super::opening;
use super::print::Printer;
use super::seed;
use crate::disk::{self, Access};
use crate::error::Result;
use crate::pki::{Passphrase, Recipient, Seed};

/// The most bytes that a file of recipients may have.
const LARGEST: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub enum Pki {
    /// Make a cluster's seed, plain or encrypted with age. Never overwrites one.
    Init(Init),
    /// Show certificates and when they expire: of a profile, a release, or any files.
    Status(super::status::Status),
    /// Write the requests for the certificates of authorities whose key is elsewhere.
    Csr(super::csr::Csr),
    /// Issue the certificate of a key that signs boot files for iPXE.
    CodeSigning(super::code_signing::CodeSigning),
    /// Write what others may know: the authorities' certificates and the key pairs' public keys.
    Export(super::export::Export),
}

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Where the seed is written; ~/.local/share/mastermold/CLUSTER.seed if not given.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    seed: Option<PathBuf>,
    #[command(flatten)]
    sealing: SealingArguments,
}

/// How a new seed is encrypted; not at all if none is given.
#[derive(Debug, Args)]
struct SealingArguments {
    /// Encrypt the seed for the holder of this age recipient's identity; may be given several times.
    #[arg(long, value_name = "AGE1", conflicts_with = "passphrase")]
    recipient: Vec<String>,
    /// Encrypt the seed for every age recipient of this file, one a line; may be given several times.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "passphrase")]
    recipient_file: Vec<PathBuf>,
    /// Encrypt the seed with the passphrase on the first line of this file, mode 0600.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    passphrase: Option<PathBuf>,
}

/// How a new seed is written.
enum Sealing {
    Plain,
    Passphrase(Passphrase),
    Recipients(Vec<Recipient>),
}

impl SealingArguments {
    fn load(&self, project: &Path) -> Result<Sealing> {
        if let Some(path) = &self.passphrase {
            seed::refuse_inside("passphrase", path, project)?;
            return opening::read_passphrase(path, disk::read_private).map(Sealing::Passphrase);
        }
        let mut recipients = Vec::new();
        for (number, text) in (1..).zip(&self.recipient) {
            let named = |error: crate::error::Error| error.context(format_args!("--recipient {number}"));
            recipients.push(Recipient::parse(text).map_err(named)?);
        }
        for path in &self.recipient_file {
            let parsed = Recipient::parse_list(&disk::read(path, LARGEST)?);
            recipients.extend(parsed.map_err(|error| error.context(path.display()))?);
        }
        Ok(if recipients.is_empty() { Sealing::Plain } else { Sealing::Recipients(recipients) })
    }
}

impl Sealing {
    /// What the seed's file holds.
    fn file(&self, seed: &Seed) -> Result<Zeroizing<String>> {
        match self {
            Sealing::Plain => Ok(seed.to_text()),
            Sealing::Passphrase(passphrase) => passphrase.seal(seed).map(Zeroizing::new),
            Sealing::Recipients(recipients) => Recipient::seal(recipients, seed).map(Zeroizing::new),
        }
    }

    fn shown(&self) -> String {
        match self {
            Sealing::Plain => "not encrypted".to_owned(),
            Sealing::Passphrase(_) => "encrypted with a passphrase".to_owned(),
            Sealing::Recipients(recipients) if recipients.len() == 1 => "encrypted for one recipient".to_owned(),
            Sealing::Recipients(recipients) => format!("encrypted for {} recipients", recipients.len()),
        }
    }

    fn warning(&self) -> &'static str {
        match self {
            Sealing::Plain => "without it no release can be built again, and who has it has the cluster",
            _ => "without it, or without what opens it, no release can be built again; who has both has the cluster",
        }
    }
}

impl Pki {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        match self {
            Pki::Init(init) => init.run(printer),
            Pki::Status(status) => status.run(printer),
            Pki::Csr(csr) => csr.run(printer),
            Pki::CodeSigning(certificate) => certificate.run(printer),
            Pki::Export(export) => export.run(printer),
        }
    }
}

impl Init {
    fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, _) = self.profile.load()?;
        let path = self.seed.clone().map_or_else(|| seed::usual_path(&profile), Ok)?;
        seed::refuse_inside("seed", &path, &profile.project)?;
        let sealing = self.sealing.load(&profile.project)?;
        if let Some(parent) = path.parent() {
            disk::create_directories(parent, Access::Private)?;
        }
        let seed = Seed::generate()?;
        disk::write_new(&path, sealing.file(&seed)?.as_bytes(), Access::Private)?;
        let (fingerprint, shown) = (seed.fingerprint(), sealing.shown());
        let encrypted = !matches!(sealing, Sealing::Plain);
        printer.report(&json!({ "seed": path, "fingerprint": fingerprint, "encrypted": encrypted }), || {
            format!(
                "made the seed {} (fingerprint {fingerprint}), {shown}\nEvery key of the cluster comes from it. Keep a copy where it is safe: {}.\n",
                path.display(),
                sealing.warning()
            )
        })
    }
}

//! What opens an encrypted seed: an identity file or a passphrase, each from a file or a systemd credential, or from the
//! person at the terminal; never an argument.

use std::path::{Path, PathBuf};

use clap::Args;

use super::password::{self, Read};
use super::seed::{credential, refuse_inside};
use crate::disk;
use crate::error::{Error, Result};
use crate::pki::{Identities, Passphrase, Protection, Seed};
use crate::terminal;

/// The most bytes that an identity file may have.
const LARGEST: u64 = 64 << 10;
/// The names of the systemd credentials.
const IDENTITY: &str = "mastermold.seed-identity";
const PASSPHRASE: &str = "mastermold.seed-passphrase";

/// How an encrypted seed is opened.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct OpeningArguments {
    /// The age identity file that opens an encrypted seed, mode 0600.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    seed_identity: Option<PathBuf>,
    /// A file whose first line is the passphrase of an encrypted seed, mode 0600; asked for at a terminal if not given.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    seed_passphrase: Option<PathBuf>,
}

impl OpeningArguments {
    /// Whether the command line says anything of what opens a seed.
    pub fn is_given(&self) -> bool {
        self.seed_identity.is_some() || self.seed_passphrase.is_some()
    }

    /// The seed in a file that may be encrypted; `name` is what errors call it.
    pub fn open(&self, file: &[u8], name: &str, project: &Path) -> Result<Seed> {
        let named = |error: Error| error.context(name);
        match Protection::of(file).map_err(named)? {
            Protection::None => Seed::parse(file).map_err(named),
            Protection::Passphrase => self.passphrase(name, project)?.open(file).map_err(named),
            Protection::Identity => self.identities(name, project)?.open(file).map_err(named),
        }
    }

    fn passphrase(&self, name: &str, project: &Path) -> Result<Passphrase> {
        if let Some((path, read)) = given(self.seed_passphrase.as_deref(), PASSPHRASE, "passphrase", project)? {
            return read_passphrase(&path, read);
        }
        if !terminal::is_there() {
            let message = format!("{name} is encrypted with a passphrase, and none is given");
            let advice = format!("give a file with it: --seed-passphrase FILE, or the systemd credential {PASSPHRASE}");
            return Err(Error::usage(message).advise(advice));
        }
        let answer = terminal::ask(&format!("Passphrase of {}: ", crate::error::visible(name)))?;
        Passphrase::new(&answer)
    }

    fn identities(&self, name: &str, project: &Path) -> Result<Identities> {
        let Some((path, read)) = given(self.seed_identity.as_deref(), IDENTITY, "identity", project)? else {
            let message = format!("{name} is encrypted for age identities, and none is given");
            let advice = format!("give one that opens it: --seed-identity FILE, or the systemd credential {IDENTITY}");
            return Err(Error::usage(message).advise(advice));
        };
        Identities::parse(&read(&path, LARGEST)?).map_err(|error| error.context(path.display()))
    }
}

/// The file that an option names, or the credential, and how it is to be read.
fn given(option: Option<&Path>, name: &str, noun: &str, project: &Path) -> Result<Option<(PathBuf, Read)>> {
    let Some(path) = option else { return Ok(credential(name).map(|path| (path, disk::read_credential as Read))) };
    refuse_inside(noun, path, project)?;
    Ok(Some((path.to_owned(), disk::read_private)))
}

/// A passphrase from the first line of a file.
pub fn read_passphrase(path: &Path, read: Read) -> Result<Passphrase> {
    let line = password::first_line(path, read, "passphrase")?;
    Passphrase::new(&line).map_err(|error| error.context(path.display()))
}

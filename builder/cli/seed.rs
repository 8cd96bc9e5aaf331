//! Where the seed comes from: a file, a file descriptor, a systemd credential, or the cluster's usual place; never an
//! argument.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::disk;
use crate::epoch;
use crate::error::{Error, Result};
use crate::pki::Seed;
use crate::profile::Profile;

/// The most bytes that a seed's file may have.
const LARGEST: u64 = 4096;
/// The name of the systemd credential (systemd.exec(5), LoadCredential=).
const CREDENTIAL: &str = "mastermold.seed";

/// How a seed is given.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct SeedArguments {
    /// The seed's file, mode 0600.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    seed: Option<PathBuf>,
    /// An open file descriptor to read the seed from.
    #[arg(long, value_name = "N")]
    seed_fd: Option<u32>,
}

impl SeedArguments {
    /// The seed, which must be somewhere.
    pub fn load(&self, profile: &Profile) -> Result<Seed> {
        let missing = |path: &Path| {
            let message = format!("there is no seed at {}", path.display());
            let advice = format!(
                "make one with `mastermold pki init {}`, or say where it is with --seed",
                profile.file.display()
            );
            Error::usage(message).advise(advice)
        };
        self.find(profile)?.map_or_else(|| Err(missing(&usual_path(profile)?)), Ok)
    }

    /// The seed, if there is one.
    pub fn find(&self, profile: &Profile) -> Result<Option<Seed>> {
        if let Some(number) = self.seed_fd {
            // Linux: opening it again reads from the start of a file, and from where it is of a pipe.
            let bytes = disk::read_descriptor(number, LARGEST)?;
            return Seed::parse(&bytes).map(Some);
        }
        let path = match (&self.seed, credential()) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => path,
            (None, None) => usual_path(profile)?,
        };
        if self.seed.is_none() && disk::kind(&path)?.is_none() {
            return Ok(None);
        }
        refuse_inside(&path, &profile.project)?;
        let seed = Seed::parse(&disk::read_private(&path, LARGEST)?);
        seed.map(Some).map_err(|error| error.context(path.display()))
    }
}

fn credential() -> Option<PathBuf> {
    let path = PathBuf::from(epoch::variable("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    disk::exists(&path).then_some(path)
}

/// Where a cluster's seed is if nothing else is said.
pub fn usual_path(profile: &Profile) -> Result<PathBuf> {
    if let Some(seed) = &profile.declared.pki.seed {
        let path = match seed.strip_prefix("~/") {
            Some(below) => home()?.join(below),
            None => profile.project.join(&seed.value),
        };
        return Ok(path);
    }
    let shared = epoch::variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let shared = shared.map_or_else(|| home().map(|home| home.join(".local/share")), Ok)?;
    Ok(shared.join("mastermold").join(format!("{}.seed", profile.declared.cluster.name.value)))
}

fn home() -> Result<PathBuf> {
    let home = epoch::variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    home.ok_or_else(|| {
        Error::environment("HOME is not set, so there is no usual place for a seed")
            .advise("say where it is with --seed")
    })
}

/// A seed inside the project would end in version control.
pub fn refuse_inside(path: &Path, project: &Path) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inside = disk::exists(folder) && disk::canonical(folder)?.starts_with(project);
    match inside {
        false => Ok(()),
        true => {
            let message = format!("the seed {} is inside the project", path.display());
            Err(Error::policy(message).advise("keep it outside, where no version control finds it"))
        }
    }
}

//! Where the seed comes from: a file, a file descriptor, a systemd credential, or the cluster's usual place; never an
//! argument. Wherever it comes from, it may be encrypted.

use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::opening::OpeningArguments;
use crate::disk;
use crate::epoch;
use crate::error::{Error, Result};
use crate::pki::Seed;
use crate::profile::Profile;

/// The most bytes that a seed's file may have: encrypted for hundreds of people it still has less.
const LARGEST: u64 = 64 << 10;
/// The name of the systemd credential (systemd.exec(5), LoadCredential=).
const CREDENTIAL: &str = "mastermold.seed";

/// How a seed is given.
#[derive(Debug, Args)]
pub struct SeedArguments {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    opening: OpeningArguments,
}

/// Where a seed is.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct PlaceArguments {
    /// The seed's file, plain or encrypted with age, mode 0600.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    seed: Option<PathBuf>,
    /// An open file descriptor to read the seed's file from.
    #[arg(long, value_name = "N")]
    seed_fd: Option<u32>,
}

impl SeedArguments {
    /// The seed, which must be somewhere. If it is not, `locked` is the fingerprint of the one that is looked for.
    pub fn load(&self, profile: &Profile, locked: Option<&str>) -> Result<Seed> {
        let missing = |path: &Path| {
            let message = format!("there is no seed at {}", path.display());
            match locked {
                Some(fingerprint) => {
                    Error::usage(format!("{message}, and the lock names one (fingerprint {fingerprint})"))
                        .advise("put its copy there, or say where it is with --seed; another seed makes other keys")
                }
                None => Error::usage(message).advise(format!(
                    "make one with `mastermold pki init {}`, or say where it is with --seed",
                    profile.file.display()
                )),
            }
        };
        self.find(profile)?.map_or_else(|| Err(missing(&usual_path(profile)?)), Ok)
    }

    /// Whether the command line says anything of a seed.
    pub fn is_given(&self) -> bool {
        self.place.seed.is_some() || self.place.seed_fd.is_some() || self.opening.is_given()
    }

    /// The seed, if there is one.
    pub fn find(&self, profile: &Profile) -> Result<Option<Seed>> {
        let Some((file, name)) = self.place.read(profile)? else { return Ok(None) };
        self.opening.open(&file, &name, &profile.project).map(Some)
    }
}

impl PlaceArguments {
    /// What the seed's file holds, and what to call it.
    fn read(&self, profile: &Profile) -> Result<Option<(Zeroizing<Vec<u8>>, String)>> {
        if let Some(number) = self.seed_fd {
            // Linux: opening it again reads from the start of a file, and from where it is of a pipe.
            return Ok(Some((disk::read_descriptor(number, LARGEST)?, format!("file descriptor {number}"))));
        }
        if self.seed.is_none()
            && let Some(path) = credential(CREDENTIAL)
        {
            return Ok(Some((disk::read_credential(&path, LARGEST)?, path.display().to_string())));
        }
        let path = self.seed.clone().map_or_else(|| usual_path(profile), Ok)?;
        if self.seed.is_none() && disk::kind(&path)?.is_none() {
            return Ok(None);
        }
        refuse_inside("seed", &path, &profile.project)?;
        Ok(Some((disk::read_private(&path, LARGEST)?, path.display().to_string())))
    }
}

/// The file of a systemd credential, if there is one.
pub fn credential(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(epoch::variable("CREDENTIALS_DIRECTORY")?).join(name);
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

/// A secret inside the project would end in version control: the name itself, or what a symlink leads to.
pub fn refuse_inside(noun: &str, path: &Path, project: &Path) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inside = |path: &Path| Ok(disk::exists(path) && disk::canonical(path)?.starts_with(project));
    match inside(folder)? || inside(path)? {
        false => Ok(()),
        true => {
            let message = format!("the {noun} {} is inside the project", path.display());
            Err(Error::policy(message).advise("keep it outside, where no version control finds it"))
        }
    }
}

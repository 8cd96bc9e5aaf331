//! [`rebuild`]: builds a release once more, from what is here and from the store alone, and compares every byte with it.
//!
//! The new release is written in a private directory (0700) that is gone afterwards, whatever happens; what a killed
//! process left there the next one sweeps, as everywhere.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Building, Means, TOOL, build, leak};
use crate::bundle::verify::each;
use crate::bundle::{Existing, MANIFEST, Manifest, PUBLIC, SECRETS, SUMS};
use crate::diff;
use crate::disk::{self, Kind, StagedDirectory};
use crate::epoch;
use crate::error::{Error, Faults, Result};
use crate::overlay::Seen;
use crate::pki::{Seed, Term};
use crate::profile::{Lock, Profile};
use crate::store::{Options, Store};

/// The most bytes that a manifest has.
const LONGEST: u64 = 64 << 20;
/// How many differences are told.
const TOLD: usize = 20;

/// What a rebuild is given beside profile, lock and seed.
pub struct Rebuilding<'a> {
    /// Threads and memory.
    pub means: Means,
    /// Where sources are: nothing is fetched.
    pub store: &'a Store,
    /// How the store is asked; must be offline.
    pub options: &'a Options<'a>,
}

/// A release that came out the same once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// How many files were compared.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// Whether the secrets were there to be compared.
    pub secrets: bool,
}

/// Builds what `release` has, and compares every byte of every file but the signatures.
///
/// # Errors
/// Integrity: another file, entry or field, with what it was made from first, if that is another. Usage: a profile of
/// another release, or a stale lock. Network: a source is not in the store. And what [`build`] says.
pub fn rebuild(
    release: &Path,
    profile: &Profile,
    seen: Seen,
    lock: &Lock,
    seed: &Seed,
    rebuilding: &Rebuilding<'_>,
) -> Result<Rebuilt> {
    let bytes = disk::read_beneath(release, &Path::new(PUBLIC).join(MANIFEST), LONGEST)?;
    let manifest = Manifest::parse(&bytes)?;
    is_of(&manifest, profile)?;
    let nodes: Vec<String> = manifest.nodes.iter().map(|node| node.name.clone()).collect();
    let private = private_directory(release)?;
    // What was compressed before is not believed: a cache is nobody's witness.
    let pieces = Store::open(&private.path().join("pieces"))?;
    let building = Building {
        out: &private.path().join("out"),
        nodes: &nodes,
        existing: Existing::Keep,
        means: rebuilding.means,
        store: rebuilding.store,
        pieces: &pieces,
        options: rebuilding.options,
        term: Term { at: profile.epoch, least: epoch::Duration::default() },
        // Of what is built already only its bytes are asked.
        examine: &|_| Ok(()),
    };
    let built = build(profile, seen, lock, seed, &building)?;
    let secrets = disk::kind(&release.join(SECRETS))? == Some(Kind::Directory);
    let (other, rebuilt) = compare(release, &built.path, secrets, rebuilding.means.jobs)?;
    match other.is_empty() {
        true => Ok(rebuilt),
        false => Err(differences(release, &built.path, &manifest, &built.manifest, &other, rebuilding.means.jobs)),
    }
}

/// That the profile makes this release and no other.
fn is_of(manifest: &Manifest, profile: &Profile) -> Result<()> {
    let declared = &profile.declared.cluster;
    let pairs = [
        ("cluster", &manifest.cluster, declared.name.value.clone(), "give the profile that it was built from"),
        ("version", &manifest.version, declared.version.value.to_string(), "check out the project as it was then"),
        ("epoch", &manifest.epoch, profile.epoch.to_string(), "set SOURCE_DATE_EPOCH as it was then"),
    ];
    let mut faults = Faults::new();
    for (name, is, would, advice) in pairs.into_iter().filter(|(_, is, would, _)| *is != would) {
        let message = format!("the release has {name} {is}, and {} makes {would}", profile.file.display());
        faults.push(Error::usage(message).advise(advice));
    }
    faults.finish(())
}

/// A directory of our own: below TMPDIR, else beside the release, where there is as much room as it takes; where that
/// cannot be written, in the system's place.
fn private_directory(release: &Path) -> Result<StagedDirectory> {
    if let Some(chosen) = epoch::variable("TMPDIR") {
        return StagedDirectory::in_directory(Path::new(&chosen));
    }
    let whole = disk::canonical(release)?;
    let beside = StagedDirectory::in_directory(whole.parent().unwrap_or(&whole));
    beside.or_else(|_| StagedDirectory::in_directory(&epoch::temporary_directory()))
}

/// A file of a part that is not the same on both sides, and how.
type Other = (String, &'static str);

/// Compares all files of both; gives those that are not the same.
fn compare(release: &Path, built: &Path, secrets: bool, jobs: usize) -> Result<(Vec<Other>, Rebuilt)> {
    let parts = [(PUBLIC, true), (SECRETS, secrets)].into_iter().filter(|(_, there)| *there);
    let (mut is, mut would) = (BTreeSet::new(), BTreeSet::new());
    for (part, _) in parts {
        is.extend(files(release, part)?);
        would.extend(files(built, part)?);
    }
    let all: Vec<&String> = is.union(&would).collect();
    let looked = each(jobs, &all, |name| match (is.contains(*name), would.contains(*name)) {
        (true, false) => Ok((Some("is in the release, and is not made"), 0)),
        (false, _) => Ok((Some("is made, and is not in the release"), 0)),
        (true, true) => {
            let path = Path::new(name.as_str());
            let (a, b) = (disk::open_plain_beneath(release, path)?, disk::open_plain_beneath(built, path)?);
            let size = disk::size(&a)?;
            Ok(((!disk::same_bytes(a, b)?).then_some("has other bytes"), size))
        }
    })?;
    let (mut other, mut bytes) = (Vec::new(), 0);
    for (name, looked) in all.iter().zip(looked) {
        let (how, size) = looked?;
        bytes += size;
        other.extend(how.map(|how| ((*name).clone(), how)));
    }
    let files = all.len();
    Ok((other, Rebuilt { files, bytes, secrets }))
}

/// The files of a part, signatures aside.
fn files(root: &Path, part: &str) -> Result<Vec<String>> {
    let signature = |name: &str| name.strip_prefix(SUMS).is_some_and(|rest| rest.starts_with('.'));
    let found = disk::walk(&root.join(part))?.into_iter().filter(|(_, kind)| *kind != Kind::Directory);
    let names = found.map(|(path, _)| path.to_string_lossy().into_owned()).filter(|name| !signature(name));
    Ok(names.map(|name| format!("{part}/{name}")).collect())
}

/// What is another, told: first what it was made from, then entries and fields, then files.
fn differences(
    release: &Path,
    built: &Path,
    manifest: &Manifest,
    rebuilt: &Manifest,
    other: &[Other],
    jobs: usize,
) -> Error {
    let mut faults = Faults::new();
    for (name, is, would) in [
        ("profile", manifest.profile.to_string(), rebuilt.profile.to_string()),
        ("overlays", manifest.overlays.to_string(), rebuilt.overlays.to_string()),
        ("lock", manifest.lock.to_string(), rebuilt.lock.to_string()),
        ("mastermold", manifest.tool.clone(), TOOL.to_owned()),
    ] {
        if is != would {
            let message = format!("the release was built from other {name} ({is}) than are here ({would})");
            faults.push(Error::integrity(message).advise("check out what it was built from, and compare again"));
        }
    }
    let options = diff::Options { jobs, is_secret: &|bytes| leak::recognise(bytes).is_some() };
    let entries = faults
        .note(diff::compare(release, built, &options))
        .map(|comparison| comparison.sentences(("the release", "what is built")));
    let entries = entries.unwrap_or_default();
    entries.iter().take(TOLD).for_each(|sentence| faults.push(Error::integrity(sentence)));
    if entries.len() > TOLD {
        let message = format!("and {} more entries and fields", entries.len() - TOLD);
        faults.push(Error::integrity(message));
    }
    for (name, how) in other.iter().take(TOLD) {
        faults.push(Error::integrity(format!("{name} {how}")));
    }
    if other.len() > TOLD {
        faults.push(Error::integrity(format!("and {} more files", other.len() - TOLD)));
    }
    faults.into_error()
}

//! Where signature files go. All of them are written beside their places and flushed first; then each takes its name in
//! one step. So whatever fails before leaves everything as it was, and no name of a signature ever has a part of one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{List, Signed, Subject};
use crate::bundle::verify::signatures::{self, Found};
use crate::bundle::verify::summed::Directory;
use crate::bundle::verify::{Part, envelopes};
use crate::bundle::{CMS, ENVELOPES, PUBLIC, SUMS};
use crate::disk::{self, Access, Staged, StagedDirectory};
use crate::error::{Class, Error, Result};
use crate::sign::Signature;

/// What became of a release's signatures: the paths of those that are new, and of those that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// New.
    pub new: Vec<PathBuf>,
    /// Gone.
    pub gone: Vec<PathBuf>,
}

/// What becomes of the signatures of a list that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They stay (`--add`).
    All,
    /// The new ones stand in their place.
    None,
}

/// What is written and has not yet its name.
enum Ready {
    File(PathBuf, Staged),
    /// The directory of the boot files' signatures.
    Directory(PathBuf, StagedDirectory),
}

/// Puts what was signed in place. A part for which there is nothing is left as it is, and so are the signatures of boot
/// files if there are no new ones: a release's files do not change, so they hold.
pub fn place(release: &Path, subject: &Subject, signed: &Signed, keep: Keep) -> Result<Placed> {
    if signed.lists.is_empty() && signed.boot.is_empty() {
        return Err(Error::usage("there is no signature in it"));
    }
    let (mut ready, mut stale) = (Vec::new(), Vec::new());
    for list in &subject.lists {
        let signatures: Vec<_> =
            signed.lists.iter().filter(|made| made.part == list.part).map(|made| &made.signature).collect();
        let directory = release.join(list.part.name());
        if !signatures.is_empty() {
            let kept = match keep {
                Keep::All => kept(&directory, list)?,
                Keep::None => Vec::new(),
            };
            let named = names(&kept, &signatures, list.part)?;
            let known: BTreeSet<&str> =
                named.keys().map(String::as_str).chain(kept.iter().map(|found| found.name.as_str())).collect();
            let is_stale = |name: &String| signatures::of_name(name).is_some() && !known.contains(name.as_str());
            stale.extend(disk::names(&directory)?.into_iter().filter(is_stale).map(|name| directory.join(name)));
            for (name, signature) in named {
                ready.push(stage(directory.join(name), signature.text.as_bytes(), list.part)?);
            }
            if list.part == Part::Public {
                ready.extend(envelopes(&directory, subject, signed, keep, &mut stale)?);
            }
        }
        if list.part == Part::Public && !signed.boot.is_empty() {
            ready.push(boot(&directory, signed)?);
        }
        // Somebody may have built it again in the meantime.
        match disk::read(&directory.join(SUMS), list.text.len() as u64) {
            Ok(text) if text == list.text => {}
            Err(error) if error.class() == Class::Environment => return Err(error),
            _ => {
                let message = format!("{}/{SUMS} changed while it was signed", list.part.name());
                return Err(Error::busy(message).advise("sign it again when nobody builds it"));
            }
        }
    }
    let mut placed = Placed::default();
    for ready in ready {
        placed.new.push(match ready {
            Ready::File(path, file) => file.persist(&path).map(|()| path)?,
            Ready::Directory(path, directory) => directory.persist(&path, Access::Public).map(|()| path)?,
        });
    }
    for path in stale {
        if disk::kind(&path)?.is_some() {
            disk::remove_file(&path)?;
            placed.gone.push(path);
        }
    }
    Ok(placed)
}

/// The envelopes of the provenance; those that are there stay if they are of this release.
fn envelopes(
    directory: &Path,
    subject: &Subject,
    signed: &Signed,
    keep: Keep,
    stale: &mut Vec<PathBuf>,
) -> Result<Option<Ready>> {
    let mut lines = match keep {
        Keep::All => envelopes::read(&Directory::new(directory.to_owned(), PUBLIC, Part::Public))?,
        Keep::None => Vec::new(),
    };
    let named = |error: Error| error.context(format!("{PUBLIC}/{ENVELOPES}"));
    let statement = subject.statement()?.unwrap_or_default();
    lines.iter().try_for_each(|line| envelopes::open(&[], line, &statement).map(drop)).map_err(named)?;
    for line in &signed.envelopes {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    at_most(envelopes::MOST, lines.len(), PUBLIC, ENVELOPES)?;
    match lines.is_empty() {
        true => {
            stale.push(directory.join(ENVELOPES));
            Ok(None)
        }
        false => stage(directory.join(ENVELOPES), lines.concat().as_bytes(), Part::Public).map(Some),
    }
}

/// The directory of the boot files' signatures, which all are of one signer.
fn boot(directory: &Path, signed: &Signed) -> Result<Ready> {
    let staged = StagedDirectory::in_directory(directory)?;
    for (path, signature) in &signed.boot {
        let path = staged.path().join(path);
        disk::create_directories(path.parent().unwrap_or(staged.path()), Access::Public)?;
        disk::write(&path, signature, Access::Public)?;
    }
    Ok(Ready::Directory(directory.join(CMS), staged))
}

/// That there are no more than `verify` reads.
fn at_most(most: usize, count: usize, part: &str, name: &str) -> Result<()> {
    match count <= most {
        true => Ok(()),
        false => Err(Error::usage(format!("{part}/{name} would have {count} signatures, more than {most}"))
            .advise("remove those of keys that nobody trusts")),
    }
}

fn stage(path: PathBuf, bytes: &[u8], part: Part) -> Result<Ready> {
    let access = if part == Part::Secrets { Access::Private } else { Access::Public };
    let mut file = Staged::beside(&path, access)?;
    file.write_all(bytes).map_err(|error| Error::io("writing", &path, error))?;
    disk::sync(file.file(), &path)?;
    Ok(Ready::File(path, file))
}

/// What is there and stays: well-formed, and said of this list.
fn kept(directory: &Path, list: &List) -> Result<Vec<Found>> {
    let part = list.part.name();
    let found = signatures::read(&Directory::new(directory.to_owned(), part, list.part))?;
    match found.iter().find(|found| found.signature.statement() != list.statement) {
        None => Ok(found),
        Some(other) => {
            let message = format!("{part}/{} is of `{}`", other.name, other.signature.statement());
            Err(Error::trust(message).advise("remove it, or sign without --add"))
        }
    }
}

/// The name of each new signature: that of the one by the same key, else the first of its scheme, else one with its id.
fn names<'a>(kept: &[Found], made: &[&'a Signature], part: Part) -> Result<BTreeMap<String, &'a Signature>> {
    let mut named: BTreeMap<String, &Signature> = BTreeMap::new();
    for signature in made {
        let Signature { scheme, id, key, .. } = signature;
        let same = |other: &Signature| other.scheme == *scheme && other.id == *id;
        if let Some(other) = named.values().find(|other| same(other)) {
            match other.key == *key {
                true => continue,
                false => return Err(Error::usage(format!("two different keys have the id {id}"))),
            }
        }
        let first = signatures::name(*scheme, None);
        let is_free = |name: &String| !named.contains_key(name) && kept.iter().all(|found| found.name != *name);
        let before = kept.iter().find(|found| found.scheme == *scheme && found.signature.id() == *id);
        let name = match before {
            Some(found) => found.name.clone(),
            None if is_free(&first) => first,
            None => signatures::name(*scheme, Some(id)),
        };
        named.insert(name, signature);
    }
    let kept = kept.iter().filter(|found| !named.contains_key(&found.name)).count();
    at_most(signatures::MOST, kept + named.len(), part.name(), SUMS)?;
    Ok(named)
}

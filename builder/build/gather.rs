//! Sources gathered: by `lock`, which pins what comes, and by `fetch` and `build`, which take nothing but what is
//! pinned.

use std::collections::{BTreeMap, BTreeSet};

use super::base::ROOTFS;
use super::images;
use super::leak::fetched;
use super::plan::Plan;
use super::sources::PlannedSource;
use crate::digest::{Digest, HashWriter};
use crate::disk;
use crate::document::nearest;
use crate::error::{Error, Faults, Result};
use crate::profile::Lock;
use crate::profile::lock::{Imported, Locked, LockedImage, LockedMember, LockedPackage, Wanted};
use crate::store::{self, Gathered, Limits, Location, Options, Pin, Request, Store};
use crate::tree::Blobs as _;

/// The largest document of checksums, in bytes.
const CHECKSUMS: u64 = 4 << 20;

/// Which pins are made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Those that are missing or stale.
    Stale,
    /// All.
    All,
    /// These sources too.
    Named(BTreeSet<String>),
}

/// A lock for what a plan wants: what the old one has is kept unless it is to be updated, the rest is fetched and
/// hashed.
pub fn lock(plan: &Plan, old: Option<&Lock>, update: &Update, store: &Store, options: &Options<'_>) -> Result<Lock> {
    check_named(plan, update)?;
    let keep = |wanted: &Wanted| match update {
        Update::All => None,
        Update::Named(names) if names.contains(&wanted.name) => None,
        _ => old?.sources.get(wanted),
    };
    let mut sources = BTreeMap::new();
    let mut requests = Vec::new();
    for (wanted, source) in &plan.sources {
        let kept = keep(wanted);
        match kept {
            Some(locked) if serves(locked, source) => drop(sources.insert(wanted.clone(), locked.clone())),
            _ => requests.push((wanted, source, request(wanted, source, kept))),
        }
    }
    let mut faults = Faults::new();
    let results =
        store::gather(store, &requests.iter().map(|(_, _, request)| request.clone()).collect::<Vec<_>>(), options);
    for ((wanted, source, _), result) in requests.into_iter().zip(results) {
        if let Some(gathered) = faults.note(result.map_err(|error| error.at(&source.place))) {
            let mut locked = locked(gathered);
            locked.images = lock_images(wanted, source, &locked, store, &mut faults);
            faults.note(look_into(wanted, source, &locked, store).map_err(|error| error.at(&source.place)));
            sources.insert(wanted.clone(), locked);
        }
    }
    for (wanted, locked) in &sources {
        if let Some(source) = plan.sources.get(wanted) {
            // What was kept was compared when it was made; only a digest written in the profile costs nothing again.
            let again = keep(wanted).is_none() || source.stated.sha256.is_some();
            let compared = if again { compare(wanted, source, locked, store, options) } else { Ok(()) };
            faults.note(compared.map_err(|error| error.at(&source.place)));
        }
    }
    // Without a seed what is private could not be looked at: its fingerprint stays.
    let kept = old.and_then(|old| old.imported.fingerprint.clone());
    let fingerprint = if plan.keyed { plan.imported.fingerprint.clone() } else { kept };
    let imported = Imported { files: plan.imported.files.clone(), fingerprint };
    faults.finish(Lock {
        seed: old.and_then(|old| old.seed.clone()),
        sources,
        imported,
        overlays: plan.inside(),
        digest: None,
    })
}

/// Whether what is pinned is what is wanted.
fn serves(locked: &Locked, source: &PlannedSource) -> bool {
    let patterns: BTreeSet<&String> = locked.members.iter().map(|member| &member.pattern).collect();
    let recipes: BTreeSet<&Digest> = locked.images.iter().map(|image| &image.recipe).collect();
    patterns.into_iter().eq(&source.patterns) && recipes.into_iter().eq(source.images.keys())
}

fn lock_images(
    wanted: &Wanted,
    source: &PlannedSource,
    locked: &Locked,
    store: &Store,
    faults: &mut Faults,
) -> Vec<LockedImage> {
    let lock =
        |recipe: &images::Recipe| recipe.lock(&wanted.name, locked, store).map_err(|error| error.at(&source.place));
    let mut images: Vec<_> = source.images.values().filter_map(|recipe| faults.note(lock(recipe))).collect();
    images.sort();
    images
}

fn check_named(plan: &Plan, update: &Update) -> Result<()> {
    let Update::Named(names) = update else { return Ok(()) };
    let known: Vec<&str> = plan.sources.keys().map(|wanted| wanted.name.as_str()).collect();
    let mut faults = Faults::new();
    for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
        let error = Error::usage(format!("the profile has no source `{name}`"));
        faults.push(match nearest(name, known.iter().copied()) {
            Some(near) => error.advise(format!("did you mean `{near}`?")),
            None => error.advise(format!("it has: {}", known.join(", "))),
        });
    }
    faults.finish(())
}

fn request(wanted: &Wanted, source: &PlannedSource, locked: Option<&Locked>) -> Request {
    let mut location = source.location.clone();
    match (&mut location, locked) {
        (Location::Deb { version, .. }, Some(locked)) => version.clone_from(&locked.version),
        (Location::Debian { versions, .. }, Some(locked)) => {
            let package = |one: &LockedPackage| {
                let LockedPackage { name, version, arch } = one.clone();
                store::Package { name, version, arch }
            };
            *versions = locked.packages.iter().map(package).collect();
        }
        _ => {}
    }
    Request {
        name: wanted.name.clone(),
        location,
        pin: locked.map(|locked| Pin { digest: locked.sha256, size: locked.size }),
        members: source.patterns.iter().cloned().collect(),
        limit: source.limit,
    }
}

fn locked(gathered: Gathered) -> Locked {
    let member = |member: store::Member| LockedMember {
        pattern: member.pattern,
        path: member.path,
        sha256: member.pin.digest,
        size: member.pin.size,
        executable: member.executable,
    };
    let package = |store::Package { name, version, arch }| LockedPackage { name, version, arch };
    let mut members: Vec<_> = gathered.members.into_iter().map(member).collect();
    members.sort();
    Locked {
        sha256: gathered.pin.digest,
        size: gathered.pin.size,
        version: gathered.version,
        members,
        images: Vec::new(),
        packages: gathered.packages.into_iter().map(package).collect(),
    }
}

/// Refuses a source that brings a secret: all of it goes into public layers. What is pinned was looked into, so `build`
/// does not look again.
fn look_into(wanted: &Wanted, source: &PlannedSource, locked: &Locked, store: &Store) -> Result<()> {
    let taken: Vec<_> = match (&locked.images[..], &locked.members[..]) {
        ([], []) => {
            let pin = Pin { digest: locked.sha256, size: locked.size };
            // All of a root file system goes into a public layer, and compressed it would show nothing.
            let shown = match wanted.name == ROOTFS && !source.vouched {
                true => store::plain(store, &pin, &wanted.name, &Limits::default())?,
                false => pin,
            };
            vec![(&wanted.from, (shown.digest, shown.size))]
        }
        ([], members) => members.iter().map(|member| (&member.path, (member.sha256, member.size))).collect(),
        // All that is taken is in them, and a compressed source would show nothing.
        (images, _) => images.iter().map(|image| (&image.name, (image.sha256, image.size))).collect(),
    };
    let taken = taken.into_iter().filter(|_| !source.vouched);
    let mut faults = Faults::new();
    let mut seen = BTreeSet::new();
    for (name, (digest, size)) in taken.filter(|(_, blob)| seen.insert(*blob)) {
        let found = store.open(&digest, size).and_then(|mut blob| {
            fetched::find(&mut blob, size).map_err(|error| Error::io("reading", "a stored blob", error))
        });
        if let Some(leak) = faults.note(found).flatten() {
            let (source, what, at) = (&wanted.name, leak.what, leak.at);
            let message =
                format!("source `{source}`: {name} holds {what} at byte {at}, and would be in a public layer");
            let advice =
                "do not install it this way; if it is no secret, say why: `not-secret = \"...\"` in the source";
            faults.push(Error::policy(message).advise(advice));
        }
    }
    faults.finish(())
}

/// Compares what came with what its publisher states.
fn compare(
    wanted: &Wanted,
    source: &PlannedSource,
    locked: &Locked,
    store: &Store,
    options: &Options<'_>,
) -> Result<()> {
    let stated: Digest = match (&source.stated.sha256, &source.stated.checksum_url) {
        (Some(text), _) => text.parse()?,
        (None, Some(url)) => {
            let text = store::text(store, url, CHECKSUMS, options)?;
            let file = wanted.from.rsplit('/').next().unwrap_or(&wanted.from);
            store::parse_checksum(&text, file).map_err(|error| error.context(url))?
        }
        (None, None) => return Ok(()),
    };
    match stated == locked.sha256 {
        true => Ok(()),
        false => {
            let message = format!(
                "source `{}` came with sha256 {}, and its publisher states {stated}",
                wanted.name, locked.sha256
            );
            Err(Error::integrity(message).advise("do not use it before you know why"))
        }
    }
}

/// Whether every source is looked at again, or only what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thorough {
    /// All is hashed again, and what is damaged is repaired.
    Yes,
    /// What is in the store with the right size is left; it is hashed when it is used.
    No,
}

/// Brings everything that is locked into the store; how many sources were looked at.
pub fn fetch(
    sources: &BTreeMap<Wanted, PlannedSource>,
    lock: &Lock,
    thorough: Thorough,
    store: &Store,
    options: &Options<'_>,
) -> Result<usize> {
    let mut requests = Vec::new();
    for (wanted, source) in sources {
        let Some(locked) = lock.sources.get(wanted) else { continue };
        check_file(wanted, source, locked)?;
        if thorough == Thorough::Yes || !is_there(locked, store)? {
            requests.push((locked, source, request(wanted, source, Some(locked))));
        }
    }
    let mut faults = Faults::new();
    let results =
        store::gather(store, &requests.iter().map(|(_, _, request)| request.clone()).collect::<Vec<_>>(), options);
    for ((expected, source, request), result) in requests.iter().zip(results) {
        let Some(gathered) = faults.note(result) else { continue };
        let came = locked(gathered);
        if came.members != expected.members {
            let other = expected.members.iter().find(|member| !came.members.contains(member));
            let what = other.map_or("a member that is not locked", |member| member.path.as_str());
            let message = format!("source `{}`: its members are not those that are locked: {what}", request.name);
            faults.push(Error::integrity(message).advise("run `mastermold lock --update NAME` if the change is meant"));
            continue;
        }
        let hash = thorough == Thorough::Yes;
        faults.note(images::complete(&request.name, &source.images, expected, hash, store));
    }
    faults.finish(requests.len())
}

/// A file of the project that was changed since it was locked is told, although the store still has the old one: who
/// changed it means it.
fn check_file(wanted: &Wanted, source: &PlannedSource, locked: &Locked) -> Result<()> {
    let Location::Path(path) = &source.location else { return Ok(()) };
    let mut hashed = HashWriter::new(std::io::sink());
    crate::digest::copy(&mut disk::open(path)?, &mut hashed).map_err(|error| Error::io("reading", path, error))?;
    let (_, digest, _) = hashed.finish();
    match digest == locked.sha256 {
        true => Ok(()),
        false => {
            let message = format!(
                "source `{}` is sha256 {digest}, and {} is pinned: {} was changed",
                wanted.name, locked.sha256, wanted.from
            );
            let advice = format!("run `mastermold lock --update {}` if that is meant", wanted.name);
            Err(Error::integrity(message).advise(advice).at(&source.place))
        }
    }
}

/// Whether all that a build takes of a source is in the store.
fn is_there(locked: &Locked, store: &Store) -> Result<bool> {
    if !locked.images.is_empty() {
        return images::are_there(locked, store);
    }
    if locked.members.is_empty() {
        return store.has(&locked.sha256, locked.size);
    }
    for member in &locked.members {
        if !store.has(&member.sha256, member.size)? {
            return Ok(false);
        }
    }
    Ok(true)
}

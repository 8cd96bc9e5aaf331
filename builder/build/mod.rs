//! How a profile becomes a release.
//!
//! ```text
//! Profile + Lock + Seed --Plan::resolve--> Plan --Cut--> layers --pack--> archives
//!                                            |                                        |
//!                                  gather: sources in the store          manifests, sums, one rename
//! ```

mod alike;
pub mod base;
mod boot;
mod contents;
mod credentials;
mod cut;
pub mod dates;
mod files;
mod findings;
mod fold;
pub mod gather;
pub mod images;
mod imports;
pub mod keys;
pub mod layers;
pub mod leak;
mod node;
pub mod nodes;
pub mod pack;
mod parallel;
mod pieces;
pub mod place;
mod placements;
pub mod plan;
pub mod programs;
pub mod provenance;
mod rebuild;
pub mod sbom;
mod scopes;
mod settings;
mod sight;
pub mod sources;
mod talk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::boot::Boot;
use self::cut::Cut;
use crate::bundle::manifest::{FORMAT, to_text};
use crate::bundle::{self, Artifact, Draft, Existing, Manifest, NodeRecord, Outcome, Share};
use crate::document::nearest;
use crate::error::{Error, Faults, Result};
use crate::overlay::Seen;
use crate::pki::{Seed, Term};
use crate::profile::lock::Staleness;
use crate::profile::{Lock, Profile};
use crate::store::{Options, Store};
use crate::tree::Secrecy;

pub use base::{Bases, Layered};
pub use findings::Met;
pub use gather::{Thorough, Update};
pub use keys::{Proven, check_seed};
pub use layers::NodeLayers;
pub use nodes::{NodeOutline, NodePlan, Nodes};
pub use pack::Means;
pub use plan::{Pending, Plan, load_overlays};
pub use rebuild::{Rebuilding, Rebuilt, rebuild};
pub use settings::Probed;

/// The program's name and version, as manifests record it.
pub const TOOL: &str = concat!("mastermold ", env!("CARGO_PKG_VERSION"));

/// What a build is given beside profile, lock and seed. None of it reaches an output.
pub struct Building<'a> {
    /// Where releases are.
    pub out: &'a Path,
    /// The machines to build; all if none is named.
    pub nodes: &'a [String],
    /// Whether a release with other contents may be replaced.
    pub existing: Existing,
    /// Threads and memory.
    pub means: Means,
    /// Where sources are.
    pub store: &'a Store,
    /// Where compressed pieces of archives are kept, and looked for.
    pub pieces: &'a Store,
    /// How sources are fetched that are not there.
    pub options: &'a Options<'a>,
    /// When the plan's certificates must be valid.
    pub term: Term,
    /// Looks at the plan before anything is written, and may refuse it.
    pub examine: &'a dyn Fn(&Plan) -> Result<()>,
}

/// A finished build.
#[derive(Clone, Debug)]
pub struct Built {
    /// The release's directory.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Builds a release. The result is a function of profile, overlays, lock and seed alone.
pub fn build(profile: &Profile, seen: Seen, lock: &Lock, seed: &Seed, building: &Building<'_>) -> Result<Built> {
    keys::check_seed(seed, lock.seed.as_deref(), &profile.lock_file().display().to_string())?;
    let bases = fetch_bases(profile, &seen, lock, building)?;
    let plan = resolve_locked(&bases, profile, seen, lock, seed)?;
    (building.examine)(&plan)?;
    dates::check(&plan, &building.term)?;
    let selected = select(&plan, building.nodes)?;
    let boot = Boot::of(profile, &bases)?;
    let cut = Cut::of(profile, &plan, boot.as_ref(), &selected)?;
    let starts = cut.check(lock)?;
    gather::fetch(&plan.sources, lock, Thorough::No, building.store, building.options)?;
    let cluster = &profile.declared.cluster;
    let draft = Draft::new(building.out, &cluster.name, &cluster.version.value.to_string())?;
    let rootfs = bases.rootfs();
    let blobs = Layered { store: building.store, rootfs: &rootfs };
    let writing = pack::Writing {
        draft: &draft,
        blobs: &blobs,
        store: building.pieces,
        mtime: profile.mtime,
        means: building.means,
    };
    let (records, artifacts) = cut.write(writing)?;
    for (name, bytes) in &plan.admin {
        draft.add_bytes(Secrecy::Secret, &format!("admin/{name}"), bytes)?;
    }
    draft.add_bytes(Secrecy::Public, bundle::VERIFIER, bundle::VERIFIER_TEXT.as_bytes())?;
    let records = match &boot {
        Some(boot) => boot.finish(starts, records, &artifacts, (lock, building.store, &draft))?,
        None => records.into_iter().map(|(_, record)| record).collect(),
    };
    describe(profile, lock, (&plan, &selected), &bases, building.store, &draft)?;
    let manifest = release_manifest(profile, lock, (&plan, &selected), records, artifacts)?;
    draft.add_bytes(Secrecy::Public, bundle::MANIFEST, &to_text(&manifest)?)?;
    let (path, outcome) = draft.finish(building.existing)?;
    Ok(Built { path, outcome, manifest })
}

/// The machines' bases, as far as they are locked: what is laid on them depends on what they are.
fn fetch_bases(profile: &Profile, seen: &Seen, lock: &Lock, building: &Building<'_>) -> Result<Bases> {
    let mut bases = Bases::of(profile, seen)?;
    gather::fetch(&bases.sources, lock, Thorough::No, building.store, building.options)?;
    bases.open(lock, building.store)?;
    Ok(bases)
}

/// The plan with every source pinned, or why the lock does not serve.
fn resolve_locked(bases: &Bases, profile: &Profile, seen: Seen, lock: &Lock, seed: &Seed) -> Result<Plan> {
    let mut plan = Plan::resolve_on(bases, profile, seen, Some(lock), Some(seed))?;
    let mut faults = Faults::new();
    std::mem::take(&mut plan.missing).into_iter().for_each(|missing| faults.push(missing));
    faults.note(check_lock(profile, Some(lock), &plan));
    faults.finish(plan)
}

/// Whether the lock serves the plan; every reason why it does not.
pub fn check_lock(profile: &Profile, lock: Option<&Lock>, plan: &Plan) -> Result<()> {
    let mut faults = Faults::new();
    let advice = format!("run `mastermold lock {}`", profile.file.display());
    let mut stale = |message: String| faults.push(Error::usage(message).advise(advice.clone()));
    let Some(lock) = lock else {
        stale(Staleness::NoLock.to_string());
        return faults.finish(());
    };
    for reason in lock.staleness(&plan.wanted()) {
        stale(reason.to_string());
    }
    let inside = plan.inside();
    for (name, digest) in inside.iter().filter(|(name, digest)| lock.overlays.get(*name) != Some(*digest)) {
        stale(match lock.overlays.contains_key(name) {
            true => format!(
                "the lock is stale: the overlay {name} inside this mastermold is another one ({})",
                digest.short()
            ),
            false => format!("the lock is stale: the overlay {name}, which is inside mastermold, is not in it"),
        });
    }
    for name in lock.overlays.keys().filter(|name| !inside.contains_key(*name)) {
        stale(format!(
            "the lock is stale: the overlay {name} is in it, and does not come from inside mastermold any more"
        ));
    }
    let (locked, read) = (&lock.imported, &plan.imported);
    for path in read.files.keys().filter(|path| !locked.files.contains_key(*path)) {
        stale(format!("the lock is stale: the imported file {path} is not in it"));
    }
    for path in locked.files.keys().filter(|path| !read.files.contains_key(*path)) {
        stale(format!("the lock is stale: the file {path} is in it, and the profile imports it no more"));
    }
    match (&locked.fingerprint, &read.fingerprint) {
        (None, Some(_)) => stale("the lock is stale: the private files that the profile imports are not in it".into()),
        (Some(_), None) if plan.keyed => {
            stale("the lock is stale: it knows private files, and the profile imports none".into());
        }
        (Some(locked), Some(read)) if locked != read => faults.push(
            Error::trust("the imported private files are others than the lock was made with")
                .advise("give the right files; if they are meant to change, run `mastermold lock`"),
        ),
        _ => {}
    }
    for (path, digest) in &read.files {
        if locked.files.get(path).is_some_and(|locked| locked != digest) {
            let error = Error::integrity(format!("the imported file {path} is not the one that is locked"));
            faults.push(error.advise("take back the change; if it is meant, run `mastermold lock`"));
        }
    }
    faults.finish(())
}

/// The nodes of these names; all if none is named.
pub fn select<'a>(plan: &'a Plan, names: &[String]) -> Result<BTreeSet<&'a str>> {
    let known: Vec<&str> = plan.nodes.outlines().map(|node| node.name.as_str()).collect();
    let mut faults = Faults::new();
    for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
        let error = Error::usage(format!("the profile has no node `{name}`"));
        faults.push(match nearest(name, known.iter().copied()) {
            Some(near) => error.advise(format!("did you mean `{near}`?")),
            None => error.advise(format!("it has: {}", known.join(", "))),
        });
    }
    let chosen = known.into_iter().filter(|name| names.is_empty() || names.iter().any(|one| one == name));
    faults.finish(chosen.collect())
}

/// Writes what the release is made of: its inventories, and its provenance without a signature.
fn describe(
    profile: &Profile,
    lock: &Lock,
    (plan, selected): (&Plan, &BTreeSet<&str>),
    bases: &Bases,
    store: &Store,
    draft: &Draft,
) -> Result<()> {
    let inventory = sbom::inventory(profile, lock, plan, bases, selected, store)?;
    let names = plan.nodes.outlines().map(|node| node.name.as_str()).filter(|name| selected.contains(name));
    let names: Vec<&str> = names.collect();
    draft.add(Secrecy::Public, bundle::SPDX, |out| crate::sbom::spdx(&inventory, out))?;
    draft.add(Secrecy::Public, bundle::CYCLONEDX, |out| crate::sbom::cyclonedx(&inventory, out))?;
    let provenance = provenance::predicate(profile, lock, plan, &names)?;
    draft.add_bytes(Secrecy::Public, bundle::PROVENANCE, &provenance).map(drop)
}

fn release_manifest(
    profile: &Profile,
    lock: &Lock,
    (plan, selected): (&Plan, &BTreeSet<&str>),
    nodes: Vec<NodeRecord>,
    artifacts: Vec<Artifact>,
) -> Result<Manifest> {
    let of = plan.nodes.len();
    let named = plan.nodes.outlines().enumerate().filter(|(_, node)| selected.contains(node.name.as_str()));
    let places = named.map(|(place, _)| place).collect();
    Ok(Manifest {
        format: FORMAT,
        tool: TOOL.to_owned(),
        cluster: profile.declared.cluster.name.value.clone(),
        version: profile.declared.cluster.version.value.to_string(),
        epoch: profile.epoch.to_string(),
        profile: profile.digest,
        overlays: plan.overlays_digest(),
        lock: lock.digest.ok_or_else(|| Error::bug("a lock that was not read from a file"))?,
        part: (nodes.len() < of).then_some(Share { of, places }),
        nodes,
        artifacts,
    })
}

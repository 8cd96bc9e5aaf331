//! [`Plan`]: everything resolved, before a byte is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::alike::Alike;
use super::base::Bases;
use super::findings::Met;
use super::keys::{Keys, Proven};
use super::leak::known::Known;
use super::node::{Gathering, Ground, Prepared};
use super::nodes::{Folding, NodePlan, Nodes};
use super::parallel;
use super::placements::Placements;
use super::scopes::Shared;
use super::sources::PlannedSource;
use crate::digest::Digest;
use crate::document::nearest;
use crate::error::{Error, Faults, Place, Result};
use crate::overlay::{self, Home, Overlay, Remembered, Seen};
use crate::pki::{Authority, Seed};
use crate::profile::lock::{Imported, Parts, Wanted};
use crate::profile::{Lock, Profile};

/// A profile, its overlays, a lock and a seed, resolved.
pub struct Plan {
    /// The overlays that the profile names, in its order.
    pub overlays: Vec<PlannedOverlay>,
    /// The machines, in the order of the profile.
    pub nodes: Nodes,
    /// Every source that a node wants.
    pub sources: BTreeMap<Wanted, PlannedSource>,
    /// Files for people, which are on no node: name and bytes.
    pub admin: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// The salts of the nodes' secrets layers.
    pub salts: Vec<Zeroizing<Vec<u8>>>,
    /// What was imported, as a lock pins it.
    pub imported: Imported,
    /// Requests for outside authorities, by the file that they are written to.
    pub requests: BTreeMap<String, String>,
    /// What others may know of its keys: certificates of authorities and public keys, by file.
    pub exports: BTreeMap<String, String>,
    /// The authorities of its current generations, by name; none without a seed.
    pub authorities: BTreeMap<String, Arc<Authority>>,
    /// What was found on the way here, and the profile accepts.
    pub met: Vec<Met>,
    /// What the profile accepts, and what nobody has found yet: checks may.
    pub unmet: BTreeMap<String, Place>,
    /// Why it cannot be built yet: what outside authorities have not issued.
    pub missing: Vec<Error>,
    /// Whether a seed was given: without one every secret and every certificate is empty.
    pub keyed: bool,
    /// What is known of the certificates that it has issued.
    pub proven: Proven,
}

/// An overlay that a plan is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOverlay {
    /// Its name.
    pub name: String,
    /// SHA-256 over everything that it is.
    pub digest: Digest,
    /// Where it was found.
    pub home: Home,
}

/// Shows what it is for, and nothing of what is secret.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<&str> = self.nodes.outlines().map(|node| node.name.as_str()).collect();
        f.debug_struct("Plan").field("overlays", &self.overlays).field("nodes", &nodes).finish_non_exhaustive()
    }
}

/// Something of a source that is not locked, and so has no name, size or digest yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pending {
    /// Where it will go: a path, or a directory.
    pub path: String,
    /// The source.
    pub source: String,
    /// The glob of the members.
    pub pattern: Option<String>,
}

impl Plan {
    /// Resolves a profile. Without a lock, what comes from sources is pending; without a seed, keys are empty. Nothing is
    /// known of the machines' bases.
    pub fn resolve(profile: &Profile, seen: Seen, lock: Option<&Lock>, seed: Option<&Seed>) -> Result<Plan> {
        Plan::resolve_on(&Bases::of(profile, &seen)?, profile, seen, lock, seed)
    }

    /// As [`Plan::resolve`], on these bases.
    pub fn resolve_on(
        bases: &Bases,
        profile: &Profile,
        seen: Seen,
        lock: Option<&Lock>,
        seed: Option<&Seed>,
    ) -> Result<Plan> {
        let overlays = load_overlays(profile)?;
        let mut faults = Faults::new();
        let mut keys = Keys::new(profile, seed)?;
        let mut placements = Placements::new(profile)?;
        let (mut sources, mut admin) = (bases.sources.clone(), BTreeMap::new());
        let (mut asked, mut same, mut known) = (BTreeSet::new(), BTreeMap::new(), Known::default());
        let (keyed, shared) = (seed.is_some(), Shared::new(profile, &seen, &overlays));
        let (declared, contents, alike) = (Remembered::default(), Arc::default(), Alike::default());
        let ground =
            Ground { profile, seen: &seen, overlays: &overlays, lock, keyed, shared, declared, contents, alike };
        let gathering = Gathering {
            keys: &mut keys,
            placements: &mut placements,
            sources: &mut sources,
            admin: &mut admin,
            same: &mut same,
            asked: &mut asked,
            known: &mut known,
        };
        let nodes = resolve_nodes(&ground, gathering, bases, &mut faults)?;
        // All that only served to resolve nodes.
        drop(ground);
        drop(seen);
        if faults.is_empty() {
            check_written(profile, &asked, &mut faults);
        }
        // Without a seed there are no values but only what stands for them.
        if let Some(seed) = seed {
            known.add_seed(seed);
            known.check(&nodes, &admin, &mut faults)?;
        }
        // What a fault kept from being asked for is not unused.
        if faults.is_empty() {
            keys.unused().into_iter().chain(placements.unmet()).for_each(|error| faults.push(error));
            keys.findings.finish().into_iter().for_each(|error| faults.push(error));
        }
        let salts = profile.nodes.iter().map(|node| keys.salt(&node.name)).collect::<Result<_>>()?;
        let planned = |Overlay { name, digest, home, .. }: Overlay| PlannedOverlay { name, digest, home };
        let overlays = overlays.into_iter().map(planned).collect();
        let imported = Imported {
            files: keys.imports.files.clone(),
            fingerprint: seed.map(|seed| keys.imports.fingerprint(seed)).transpose()?.flatten(),
        };
        let (met, unmet, authorities) = (keys.findings.met(), keys.findings.unmet(), keys.current_authorities());
        let (requests, exports, missing, proven) = (keys.requests, keys.exports, keys.missing, keys.proven.done());
        faults.finish(Plan {
            overlays,
            nodes,
            sources,
            admin,
            salts,
            imported,
            requests,
            exports,
            authorities,
            met,
            unmet,
            missing,
            keyed,
            proven,
        })
    }

    /// One digest over all overlays: their names and contents in order.
    pub fn overlays_digest(&self) -> Digest {
        let line = |overlay: &PlannedOverlay| format!("{}  {}\n", overlay.digest, overlay.name);
        let text: String = self.overlays.iter().map(line).collect();
        Digest::of(text.as_bytes())
    }

    /// The overlays that came from inside the program, which another version of it may have otherwise: a lock pins them.
    pub fn inside(&self) -> BTreeMap<String, Digest> {
        let inside = self.overlays.iter().filter(|overlay| overlay.home == Home::Program);
        inside.map(|overlay| (overlay.name.clone(), overlay.digest)).collect()
    }

    /// What a lock must have.
    pub fn wanted(&self) -> BTreeMap<Wanted, Parts> {
        self.sources.iter().map(|(wanted, source)| (wanted.clone(), source.parts())).collect()
    }
}

/// So many nodes are on the way at once for each thread: what is only needed to resolve them is gone afterwards.
const AT_ONCE: usize = 4;

/// All nodes in the order of the profile: on all cores, but for what one node after the other is given or tells.
fn resolve_nodes<'a>(
    ground: &Ground<'a>,
    mut gathering: Gathering<'_, '_>,
    bases: &Bases,
    faults: &mut Faults,
) -> Result<Nodes> {
    let (threads, mut folding) = (parallel::threads(), Folding::default());
    let nodes: Vec<_> = ground.profile.nodes.iter().enumerate().collect();
    for some in nodes.chunks(AT_ONCE * threads) {
        let prepared =
            parallel::map(threads, some.to_vec(), |(number, node)| ground.prepare(number, node, bases.of_node(number)));
        let place = |one: Result<Prepared<'a>>| {
            one.map(|mut one| {
                let secrets = gathering.place(&mut one);
                (one, secrets)
            })
        };
        let placed = prepared.into_iter().map(place).collect();
        let finished = parallel::map(threads, placed, |one: Result<_>| {
            one.map(|(one, secrets)| (one.name().to_owned(), ground.finish(one, secrets)))
        });
        let mut plans: Vec<NodePlan> = Vec::with_capacity(finished.len());
        for one in finished {
            let Some((name, (plan, told))) = faults.note(one) else { continue };
            plans.extend(faults.note(plan));
            gathering.take(&name, told, faults);
        }
        folding.take(plans)?;
    }
    Ok(folding.finish())
}

/// What a profile sets and no template writes would be lost without a word.
fn check_written(profile: &Profile, asked: &BTreeSet<String>, faults: &mut Faults) {
    let table = |name: &str| profile.document.get(name).and_then(|value| value.as_table());
    for (command, field) in table("args").into_iter().flatten() {
        if !asked.contains(&format!("args.{command}")) {
            let known: Vec<&str> = asked.iter().filter_map(|name| name.strip_prefix("args.")).collect();
            let error =
                Error::usage(format!("[args.{command}] sets flags that no file of this profile's overlays uses"));
            faults.push(match nearest(command, known.iter().copied()) {
                Some(near) => error.advise(format!("did you mean `{near}`?")).at(&field.key),
                None => error.advise(format!("its overlays use: {}", known.join(", "))).at(&field.key),
            });
        }
    }
    for name in ["sysctl", "modules"] {
        if let Some(value) = profile.document.get(name).filter(|_| !asked.contains(name)) {
            let error = Error::usage(format!("[{name}] is set, and no file of this profile's overlays writes it"));
            faults.push(error.advise(format!("put \"{name}\" into `overlays`")).at(&value.place));
        }
    }
}

/// The overlays that a profile names, in its order.
pub fn load_overlays(profile: &Profile) -> Result<Vec<Overlay>> {
    let known = overlay::names(&profile.project)?;
    let mut faults = Faults::new();
    let mut loaded: Vec<Overlay> = Vec::new();
    for name in &profile.declared.overlays {
        if !known.contains(&name.value) {
            let error = Error::usage(format!("there is no overlay `{}`", name.value)).at(&name.place);
            faults.push(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => error.advise(format!("did you mean `{near}`?")),
                None => error.advise("overlays are folders below overlays/ with an overlay.toml, or inside mastermold"),
            });
            continue;
        }
        loaded.extend(faults.note(Overlay::load(&profile.project, name)));
    }
    let loaded = faults.finish(loaded)?;
    check_required(&loaded)?;
    Ok(loaded)
}

fn check_required(overlays: &[Overlay]) -> Result<()> {
    let mut faults = Faults::new();
    let mut before = BTreeSet::new();
    for overlay in overlays {
        for required in overlay.declarations.get("requires").map_or(&[][..], crate::document::Value::items) {
            let name = required.as_str().unwrap_or_default();
            if !before.contains(name) {
                let message = format!("overlay `{}` requires `{name}` before it", overlay.name);
                faults.push(
                    Error::usage(message)
                        .advise(format!("put \"{name}\" into the profile's `overlays`, before it"))
                        .at(&required.place),
                );
            }
        }
        before.insert(overlay.name.as_str());
    }
    faults.finish(())
}

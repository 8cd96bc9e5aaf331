//! What a release is made of: its plan and its lock as an [`Inventory`].
//!
//! ```text
//! release ─contains─► machine ─contains─► program, file, image, system
//!    │                                       └─depends on─► Go modules        system ─contains─► packages
//!    └─made of─► overlays, archives ─contain─► programs and files that were taken of them
//! ```
//!
//! Only what is in the release is in it: of a source, the members that a chosen machine has. Files of overlays stand in
//! the machines' manifests; here the overlays are components.

use std::collections::{BTreeMap, BTreeSet};

use super::base::Bases;
use super::nodes::{NodeOutline, NodePlan};
use super::plan::Plan;
use super::sources::PlannedSource;
use super::{programs, provenance};
use crate::bundle::manifest::FROM_SOURCE;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::profile::lock::{Locked, LockedImage, LockedMember, Wanted};
use crate::profile::{Lock, Profile};
use crate::program::{Module, Program};
use crate::sbom::{Component, Id, Inventory, Kind, Relation, purl};
use crate::store::{Location, Pin, Store};
use crate::tree::{Content, Node};

/// What of a source is in the release.
enum Taken<'a> {
    Itself,
    Member(&'a LockedMember),
    Image(&'a LockedImage),
}

/// An inventory while it is made.
struct Gathering<'a> {
    plan: &'a Plan,
    lock: &'a Lock,
    store: &'a Store,
    inventory: Inventory,
}

/// What the release of these machines is made of.
pub fn inventory(
    profile: &Profile,
    lock: &Lock,
    plan: &Plan,
    bases: &Bases,
    selected: &BTreeSet<&str>,
    store: &Store,
) -> Result<Inventory> {
    let cluster = &profile.declared.cluster;
    let version = Some(cluster.version.value.to_string());
    let release = Component { version, ..Component::new(Kind::Release, cluster.name.value.clone()) };
    let tool = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let inventory = Inventory::new(release, profile.epoch, tool);
    let mut gathering = Gathering { plan, lock, store, inventory };
    gathering.overlays();
    for (number, outline) in plan.nodes.outlines().enumerate().filter(|(_, one)| selected.contains(one.name.as_str())) {
        gathering.node(&plan.nodes.get(number)?)?;
        gathering.base(bases, number, outline)?;
    }
    Ok(gathering.inventory)
}

impl<'a> Gathering<'a> {
    fn overlays(&mut self) {
        for overlay in &self.plan.overlays {
            let id = Id::of("overlay", &[&overlay.name, &overlay.digest.to_string()]);
            // Its digest is over names and contents, and is no checksum of a file.
            let facts = BTreeMap::from([("overlay-digest", overlay.digest.to_string())]);
            self.inventory.add(&id, Component { facts, ..Component::new(Kind::Overlay, overlay.name.clone()) });
            self.relate_root(Relation::MadeOf, &id);
        }
    }

    fn relate_root(&mut self, relation: Relation, to: &Id) {
        let root = self.inventory.root.clone();
        self.inventory.relate(&root, relation, to);
    }

    fn machine(&mut self, name: &str) -> Id {
        let id = Id::of("machine", &[name]);
        if self.inventory.add(&id, Component::new(Kind::Machine, name)) {
            self.relate_root(Relation::Contains, &id);
        }
        id
    }

    /// What a machine has from sources.
    fn node(&mut self, node: &NodePlan) -> Result<()> {
        let machine = self.machine(&node.name);
        for (_, entry) in node.tree.iter() {
            let (Node::File(Content::Blob { digest, .. }), Some(origin)) =
                (&entry.node, entry.origin.strip_prefix(FROM_SOURCE))
            else {
                continue;
            };
            let source = origin.split_once(": ").map_or(origin, |(source, _)| source);
            let found = self.find(source, digest);
            let (wanted, locked, taken) = found.ok_or_else(|| unlocked(source))?;
            let id = self.taken(wanted, locked, &taken)?;
            self.inventory.relate(&machine, Relation::Contains, &id);
        }
        Ok(())
    }

    /// What a machine starts from.
    fn base(&mut self, bases: &Bases, index: usize, node: &NodeOutline) -> Result<()> {
        let Some(base) = bases.nodes.get(index) else { return Ok(()) };
        let machine = self.machine(&node.name);
        for part in base.kernel.iter().chain(&base.system) {
            let locked = self.lock.sources.get_key_value(&part.wanted);
            let (wanted, locked) = locked.ok_or_else(|| unlocked(&part.wanted.name))?;
            let pin = part.pin(self.lock)?;
            let taken = take(locked, &pin.digest).ok_or_else(|| unlocked(&part.wanted.name))?;
            let id = self.taken(wanted, locked, &taken)?;
            if base.is_rootfs
                && base.system.contains(part)
                && let Some(system) = self.inventory.components.get_mut(&id)
            {
                system.kind = Kind::System;
            }
            self.inventory.relate(&machine, Relation::Contains, &id);
        }
        Ok(())
    }

    /// Which source of this name gave these bytes.
    fn find(&self, source: &str, digest: &Digest) -> Option<(&'a Wanted, &'a Locked, Taken<'a>)> {
        let (plan, lock) = (self.plan, self.lock);
        let named =
            lock.sources.iter().filter(|(wanted, _)| wanted.name == source && plan.sources.contains_key(*wanted));
        named.into_iter().find_map(|(wanted, locked)| Some((wanted, locked, take(locked, digest)?)))
    }

    /// The component of what was taken of a source.
    fn taken(&mut self, wanted: &Wanted, locked: &Locked, taken: &Taken<'_>) -> Result<Id> {
        let source = self.source(wanted, locked)?;
        match taken {
            Taken::Itself => Ok(source),
            Taken::Member(member) => {
                let pin = Pin { digest: member.sha256, size: member.size };
                self.member(&source, wanted, &member.path, pin)
            }
            Taken::Image(image) => self.image(&source, wanted, locked, image),
        }
    }

    /// The component of a source itself.
    fn source(&mut self, wanted: &Wanted, locked: &Locked) -> Result<Id> {
        let planned = self.plan.sources.get(wanted).ok_or_else(|| unlocked(&wanted.name))?;
        let id = source_id(wanted, &planned.location, locked);
        if self.inventory.components.contains_key(&id) {
            return Ok(id);
        }
        let mut component = describe(wanted, planned, locked);
        let alone = locked.members.is_empty();
        let pin = Pin { digest: locked.sha256, size: locked.size };
        let found = if alone { programs::look(self.store, &pin)? } else { None };
        component.kind = match (&found, alone) {
            (Some(_), _) => Kind::Program,
            (None, false) => Kind::Archive,
            (None, true) => component.kind,
        };
        self.inventory.add(&id, component);
        self.relate_root(Relation::MadeOf, &id);
        if let Some(found) = found {
            self.program(&id, &found);
        }
        self.packages(&id, planned, locked);
        Ok(id)
    }

    fn member(&mut self, source: &Id, wanted: &Wanted, path: &str, pin: Pin) -> Result<Id> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let id = Id::of("part", &[name, &source.to_string(), path, &pin.digest.to_string()]);
        if self.inventory.components.contains_key(&id) {
            return Ok(id);
        }
        let found = programs::look(self.store, &pin)?;
        let kind = if found.is_some() { Kind::Program } else { Kind::File };
        let of = self.inventory.components.get(source);
        let component = Component {
            version: of.and_then(|of| of.version.clone()),
            sha256: Some(pin.digest),
            license: of.and_then(|of| of.license.clone()),
            facts: BTreeMap::from([("source", wanted.name.clone()), ("member", path.to_owned())]),
            ..Component::new(kind, name)
        };
        self.inventory.add(&id, component);
        self.inventory.relate(source, Relation::Contains, &id);
        if let Some(found) = found {
            self.program(&id, &found);
        }
        Ok(id)
    }

    fn image(&mut self, source: &Id, wanted: &Wanted, locked: &Locked, image: &LockedImage) -> Result<Id> {
        let id = Id::of("image", &[&image.name, &image.arch, &image.sha256.to_string()]);
        if self.inventory.components.contains_key(&id) {
            return Ok(id);
        }
        // A tag is behind the last colon that no slash follows.
        let (name, tag) = match image.name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (image.name.as_str(), None),
        };
        let facts = BTreeMap::from([
            ("image-id", format!("sha256:{}", image.id)),
            ("arch", image.arch.clone()),
            ("source", wanted.name.clone()),
        ]);
        let sha256 = Some(image.sha256);
        self.inventory.add(&id, Component { version: tag, sha256, facts, ..Component::new(Kind::Image, name) });
        let recipe = self.plan.sources.get(wanted).and_then(|planned| planned.images.get(&image.recipe));
        let contents = recipe.map(|recipe| recipe.contents(&wanted.name, locked)).transpose()?.unwrap_or_default();
        if contents.is_empty() {
            self.inventory.relate(source, Relation::Contains, &id);
        }
        for (_, entry) in contents {
            let Node::File(Content::Blob { digest, .. }) = &entry.node else { continue };
            let part = match take(locked, digest) {
                Some(Taken::Member(member)) => {
                    self.member(source, wanted, &member.path, Pin { digest: member.sha256, size: member.size })?
                }
                _ => source.clone(),
            };
            self.inventory.relate(&id, Relation::Contains, &part);
        }
        Ok(id)
    }

    /// The packages that a system is made of.
    fn packages(&mut self, system: &Id, planned: &PlannedSource, locked: &Locked) {
        let suite = match &planned.location {
            Location::Debian { suite, .. } => Some(suite.as_str()),
            _ => None,
        };
        for package in &locked.packages {
            let id = Id::of("deb", &[&package.name, &package.version, &package.arch, suite.unwrap_or_default()]);
            let component = Component {
                version: Some(package.version.clone()),
                purl: Some(purl::debian(&package.name, &package.version, &package.arch, suite)),
                ..Component::new(Kind::Package, package.name.clone())
            };
            self.inventory.add(&id, component);
            self.inventory.relate(system, Relation::Contains, &id);
        }
    }

    /// What is known of a program, and what it was made of.
    fn program(&mut self, id: &Id, found: &Program) {
        if let Some(component) = self.inventory.components.get_mut(id) {
            component.facts.insert("machine", found.machine.to_string());
            if let Some(go) = &found.go {
                component.facts.insert("go", go.go.clone());
                let path = (!go.path.is_empty()).then(|| ("go-package", go.path.clone()));
                component.facts.extend(path);
            }
        }
        let Some(go) = &found.go else { return };
        let library = Module { path: "stdlib".into(), version: library_version(&go.go), ..Module::default() };
        for module in go.main.iter().chain(&go.modules).chain([&library]) {
            let module = self.module(module);
            self.inventory.relate(id, Relation::DependsOn, &module);
        }
    }

    fn module(&mut self, module: &Module) -> Id {
        // Instead of it a directory of who made the program was taken, whose path says nothing to others.
        let is_local = module.used().path.starts_with(['.', '/']) || module.used().version.is_empty();
        let Module { path, version, sum, .. } = if is_local { module } else { module.used() };
        // What was made in its own tree has no version.
        let known = !is_local && !version.is_empty() && version != "(devel)";
        let version = known.then(|| version.clone());
        let words = [path, version.as_deref().unwrap_or_default(), sum.as_deref().unwrap_or_default()];
        let id = Id::of("go", &words);
        let component = Component {
            purl: Some(purl::go(path, version.as_deref())),
            version,
            facts: sum.iter().map(|sum| ("go-sum", sum.clone())).collect(),
            ..Component::new(Kind::Module, path.clone())
        };
        self.inventory.add(&id, component);
        id
    }
}

/// The version of Go's library in what Go says of itself: `1.22.4` of `go1.22.4 X:...`; empty if it is none that was
/// released.
fn library_version(go: &str) -> String {
    let first = go.split_whitespace().next().unwrap_or_default();
    let version = first.strip_prefix("go").unwrap_or_default();
    if version.starts_with(|c: char| c.is_ascii_digit()) { version.to_owned() } else { String::new() }
}

fn unlocked(source: &str) -> Error {
    Error::bug(format!("source `{source}` is in the plan and not in the lock"))
}

/// What of a source has these bytes.
fn take<'a>(locked: &'a Locked, digest: &Digest) -> Option<Taken<'a>> {
    let member = locked.members.iter().find(|member| member.sha256 == *digest).map(Taken::Member);
    let image = || locked.images.iter().find(|image| image.sha256 == *digest).map(Taken::Image);
    let itself = || (locked.sha256 == *digest).then_some(Taken::Itself);
    member.or_else(image).or_else(itself)
}

/// What a source is called. Of a URL only what everybody may see counts: a guess at a token in its query could be tested
/// by what the name has of a digest.
fn source_id(wanted: &Wanted, location: &Location, locked: &Locked) -> Id {
    let from = provenance::uri(wanted, location, locked).unwrap_or_else(|| wanted.from.clone());
    Id::of("source", &[&wanted.name, &from, &locked.sha256.to_string()])
}

/// A source as a component.
fn describe(wanted: &Wanted, planned: &PlannedSource, locked: &Locked) -> Component {
    let license = planned.license.as_ref().map(ToString::to_string);
    let component = Component {
        version: locked.version.clone(),
        sha256: Some(locked.sha256),
        license,
        ..Component::new(Kind::File, wanted.name.clone())
    };
    let uri = provenance::uri(wanted, &planned.location, locked);
    let from = uri.clone().unwrap_or_else(|| wanted.from.clone());
    let facts = BTreeMap::from([("source", wanted.name.clone()), ("from", from)]);
    match &planned.location {
        Location::Url(_) => {
            let url = uri.filter(|uri| !uri.starts_with("file:"));
            let purl = url.as_ref().map(|url| purl::generic(&wanted.name, url, &locked.sha256));
            Component { url, purl, facts, ..component }
        }
        Location::Deb { package, .. } => Component { name: package.clone(), purl: uri, facts, ..component },
        Location::Path(_) | Location::Debian { .. } => Component { facts, ..component },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_behind_a_name() {
        let id = |url: &str, bytes: &[u8]| {
            let sha256 = Digest::of(bytes);
            let (members, images, packages) = Default::default();
            let locked = Locked { sha256, size: 1, version: None, members, images, packages };
            let wanted = Wanted { name: "x".into(), from: format!("url {url}") };
            source_id(&wanted, &Location::Url(url.into()), &locked)
        };
        let plain = id("https://example.org/x", b"x");
        assert_eq!(id("https://example.org/x?token=hunter2#part", b"x"), plain);
        assert_ne!(id("https://example.org/x?token=hunter2", b"y"), plain);
        assert_ne!(id("https://example.org/y", b"x"), plain);
        assert_eq!(id("file:///home/me/x", b"x"), id("file:///home/you/x", b"x"));
    }
}

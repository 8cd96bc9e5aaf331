//! The base systems of a profile's machines: what is wanted for them, and what is known of them.
//!
//! ```text
//! [base] --Bases::of--> parts (sources, as any others) --lock, fetch--> store --Bases::open--> Facts, Rootfs
//! ```
//!
//! A base is known only once it is locked and in the store. Until then plans are made without it: nothing is compared
//! with it, and the numbers of its users are not known.

pub mod facts;
pub mod initrd;
pub mod rootfs;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::facts::{Facts, Thing};
pub use self::rootfs::{Layered, Rootfs};
use super::place::usual_directory;
use super::sources::{self, PlannedSource, Stated};
use crate::document::{self, Placed};
use crate::error::{Error, Faults, Result};
use crate::overlay::{Global, Scope, Seen};
use crate::profile::lock::{Locked, Wanted};
use crate::profile::{Arch, BaseDeclaration, BaseFile, DebianDeclaration, Lock, NodeDeclaration, Profile};
use crate::store::{Location, Pin, Store};
use crate::tree::{Entry, TreePath};

/// The name of a source that is a root file system.
pub const ROOTFS: &str = "base.rootfs";

/// The bases of all machines.
#[derive(Debug, Default)]
pub struct Bases {
    /// What each machine has, in the order of the profile; empty if the profile has no base.
    pub nodes: Vec<NodeBase>,
    /// What is wanted for them.
    pub sources: BTreeMap<Wanted, PlannedSource>,
    /// What is known of them, by the systems that they are.
    known: BTreeMap<Vec<Part>, Arc<Known>>,
}

/// The base of a machine, as its profile says.
#[derive(Clone, Debug)]
pub struct NodeBase {
    /// The kernel; none if it is one of the system's files.
    pub kernel: Option<Part>,
    /// What the system is made of: initrds, or one archive of a root file system.
    pub system: Vec<Part>,
    /// Whether the system is an archive of a root file system.
    pub is_rootfs: bool,
    /// The kernel's command line, without what is added.
    pub cmdline: Placed<String>,
}

/// A part of a base: a source, or the one member of it that a glob names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The source.
    pub wanted: Wanted,
    /// The glob of the member.
    pub member: Option<String>,
}

/// A base that is in the store.
#[derive(Debug)]
pub struct Known {
    /// Its number among the profile's bases, from 1.
    id: usize,
    /// What it has.
    pub facts: Facts,
    /// The root file system that it is made of, if it is.
    pub rootfs: Option<Rootfs>,
}

/// What is known of a machine's base.
#[derive(Clone, Debug)]
pub enum Knowledge {
    /// The profile has none.
    None,
    /// It has one that is not locked or not in the store.
    Not,
    /// It is this.
    Known(Arc<Known>),
}

impl Knowledge {
    /// Which of a profile's bases it is.
    pub fn id(&self) -> usize {
        match self {
            Knowledge::Known(known) => known.id,
            Knowledge::None | Knowledge::Not => 0,
        }
    }

    /// How a directory is that nobody declares: as the base has it, so that laying it there changes nothing.
    pub fn parents(&self) -> impl Fn(&TreePath) -> Entry + '_ {
        |path| self.facts().and_then(|facts| facts.directory(path)).unwrap_or_else(|| usual_directory(path))
    }

    /// What the base has, if it is known.
    pub fn facts(&self) -> Option<&Facts> {
        match self {
            Knowledge::Known(known) => Some(&known.facts),
            _ => None,
        }
    }
}

impl Bases {
    /// What the profile says of them.
    pub fn of(profile: &Profile, seen: &Seen) -> Result<Bases> {
        let mut bases = Bases::default();
        if profile.declared.base.is_none() {
            return match profile.document.get("boot") {
                Some(boot) => Err(Error::usage("[boot] is for machines that have a [base]").at(&boot.place)),
                None => Ok(bases),
            };
        }
        let mut faults = Faults::new();
        for (node, object) in profile.nodes.iter().zip(seen.objects()) {
            let scope = seen.scope.child(BTreeMap::from([("node".to_owned(), Global::Ready(object.clone()))]));
            let Some((base, sources)) = faults.note(declared(profile, node, &scope)) else { continue };
            sources.into_iter().for_each(|(wanted, source)| bases.join(wanted, source));
            bases.nodes.push(base);
        }
        faults.finish(bases)
    }

    fn join(&mut self, wanted: Wanted, source: PlannedSource) {
        match self.sources.get_mut(&wanted) {
            Some(known) => known.join(source),
            None => drop(self.sources.insert(wanted, source)),
        }
    }

    /// Learns what the store has of them, as they are locked. What is not there stays unknown.
    pub fn open(&mut self, lock: &Lock, store: &Store) -> Result<()> {
        for base in &self.nodes {
            if self.known.contains_key(&base.system) {
                continue;
            }
            let pins: Option<Vec<Pin>> = base.system.iter().map(|part| part.pin(lock).ok()).collect();
            let Some(pins) = pins else { continue };
            let mut there = true;
            for pin in &pins {
                there &= store.has(&pin.digest, pin.size)?;
            }
            if there {
                self.known
                    .insert(base.system.clone(), Arc::new(Known::read(self.known.len() + 1, base, &pins, store)?));
            }
        }
        Ok(())
    }

    /// What is known of the base of a machine, by its place in the profile.
    pub fn of_node(&self, index: usize) -> Knowledge {
        match self.nodes.get(index) {
            None => Knowledge::None,
            Some(base) => self.known.get(&base.system).map_or(Knowledge::Not, |known| Knowledge::Known(known.clone())),
        }
    }

    /// The base of a machine, by its place in the profile, if it is known.
    pub fn known(&self, index: usize) -> Option<&Known> {
        self.known.get(&self.nodes.get(index)?.system).map(|known| &**known)
    }

    /// The root file systems among them.
    pub fn rootfs(&self) -> Vec<&Rootfs> {
        self.known.values().filter_map(|known| known.rootfs.as_ref()).collect()
    }
}

impl Known {
    /// Its number among the profile's bases, from 1.
    pub fn id(&self) -> usize {
        self.id
    }

    fn read(id: usize, base: &NodeBase, pins: &[Pin], store: &Store) -> Result<Known> {
        let mut named = base.system.iter().zip(pins);
        if base.is_rootfs {
            let (part, pin) = named.next().ok_or_else(|| Error::bug("a root file system without a source"))?;
            let mut rootfs = Rootfs::read(store, pin, &format!("source {}", part.wanted.name))?;
            return Ok(Known { id, facts: std::mem::take(&mut rootfs.facts), rootfs: Some(rootfs) });
        }
        let mut facts = Facts::default();
        for (part, pin) in named {
            initrd::survey(store, pin, &mut facts).map_err(|error| error.context(&part.wanted.name))?;
        }
        Ok(Known { id, facts, rootfs: None })
    }
}

impl Part {
    /// What is pinned of it.
    pub fn pin(&self, lock: &Lock) -> Result<Pin> {
        let locked = lock.sources.get(&self.wanted);
        let locked = locked.ok_or_else(|| Error::usage(format!("source `{}` is not locked", self.wanted.name)))?;
        self.of(locked)
    }

    fn of(&self, locked: &Locked) -> Result<Pin> {
        let Some(pattern) = &self.member else { return Ok(Pin { digest: locked.sha256, size: locked.size }) };
        let members: Vec<_> = locked.members.iter().filter(|member| member.pattern == *pattern).collect();
        match &members[..] {
            [member] => Ok(Pin { digest: member.sha256, size: member.size }),
            several => {
                let name = &self.wanted.name;
                let message =
                    format!("`{pattern}` takes {} members of source `{name}`, and one is meant", several.len());
                Err(Error::usage(message).advise("write a narrower glob"))
            }
        }
    }
}

/// The base of a machine, and what is wanted for it.
fn declared(
    profile: &Profile,
    node: &NodeDeclaration,
    scope: &Arc<Scope>,
) -> Result<(NodeBase, Vec<(Wanted, PlannedSource)>)> {
    let missing = || Error::bug("a base that is declared and not there");
    let document = profile.document.get("base").ok_or_else(missing)?;
    let rendered = scope.render(document)?;
    let declared: Placed<BaseDeclaration> = document::read(&rendered)?;
    Declared { profile, arch: node.arch, sources: Vec::new() }.base(&declared)
}

/// A `[base]` as it becomes parts.
struct Declared<'a> {
    profile: &'a Profile,
    arch: Arch,
    sources: Vec<(Wanted, PlannedSource)>,
}

impl Declared<'_> {
    fn base(mut self, declared: &Placed<BaseDeclaration>) -> Result<(NodeBase, Vec<(Wanted, PlannedSource)>)> {
        let BaseDeclaration { kernel, initrd, rootfs, debian, cmdline } = &declared.value;
        let kernel = kernel.as_ref().map(|file| self.file("base.kernel", file)).transpose()?;
        let system = match (&initrd[..], rootfs, debian) {
            ([], Some(rootfs), None) => vec![self.file(ROOTFS, rootfs)?],
            ([], None, Some(debian)) => vec![self.debian(debian)?],
            ([_, ..], None, None) => {
                let parts = initrd.iter().enumerate();
                parts.map(|(index, file)| self.file(&format!("base.initrd-{index}"), file)).collect::<Result<_>>()?
            }
            _ => {
                let message = "a base is exactly one of `initrd`, `rootfs` and `debian`";
                return Err(Error::usage(message).at(&declared.place));
            }
        };
        if kernel.is_none() && !initrd.is_empty() {
            let error = Error::usage("a base of initrds has no `kernel`");
            return Err(error.advise("say where the kernel comes from").at(&declared.place));
        }
        let none = || Placed { place: declared.place.clone(), value: String::new() };
        let cmdline = cmdline.clone().unwrap_or_else(none);
        let base = NodeBase { kernel, system, is_rootfs: initrd.is_empty(), cmdline };
        Ok((base, self.sources))
    }

    fn file(&mut self, name: &str, file: &Placed<BaseFile>) -> Result<Part> {
        let at = |error: Error| error.at(&file.place);
        let BaseFile { url, path, deb, member, sha256, checksum_url, limit, not_secret, license } = &file.value;
        let (from, location) = sources::locate(self.profile, name, (url, path, deb), self.arch).map_err(at)?;
        super::files::check_not_secret(name, not_secret.as_deref(), false, &file.place)?;
        let stated = Stated { sha256: sha256.clone(), checksum_url: checksum_url.clone() };
        let source = PlannedSource {
            location,
            patterns: member.iter().cloned().collect(),
            images: BTreeMap::new(),
            stated,
            limit: limit.as_deref().map_or(Ok(sources::DEFAULT_LIMIT), sources::parse_size).map_err(at)?,
            vouched: not_secret.is_some(),
            license: license.clone(),
            place: file.place.clone(),
        };
        sources::check_stated(name, &source).map_err(at)?;
        let wanted = Wanted { name: name.to_owned(), from };
        self.sources.push((wanted.clone(), source));
        Ok(Part { wanted, member: member.clone() })
    }

    fn debian(&mut self, declared: &Placed<DebianDeclaration>) -> Result<Part> {
        let DebianDeclaration { suite, packages, not_secret } = &declared.value;
        super::files::check_not_secret("base.debian", not_secret.as_deref(), false, &declared.place)?;
        let arch = self.arch.debian().to_owned();
        let mut packages = packages.clone();
        packages.sort();
        packages.dedup();
        let checked = packages.iter().try_for_each(|package| sources::check_package(package, None));
        checked.and_then(|()| sources::check_package(suite, None)).map_err(|error| error.at(&declared.place))?;
        // The time is in its bytes: who locks with another one gets another base.
        let epoch = self.profile.mtime;
        let from = format!("debian {suite} {arch} {epoch} {}", packages.join(","));
        let suite = suite.clone();
        let location = Location::Debian { suite, packages, arch, epoch, versions: Vec::new() };
        let source = PlannedSource {
            location,
            patterns: Default::default(),
            images: BTreeMap::new(),
            stated: Stated::default(),
            limit: sources::DEFAULT_LIMIT,
            vouched: not_secret.is_some(),
            // A system has as many licenses as packages; each says its own below /usr/share/doc.
            license: None,
            place: declared.place.clone(),
        };
        let wanted = Wanted { name: "base.debian".to_owned(), from };
        self.sources.push((wanted.clone(), source));
        Ok(Part { wanted, member: None })
    }
}

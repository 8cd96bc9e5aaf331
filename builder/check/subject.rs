//! What is checked: a finished plan, machine by machine, with what each has from elsewhere.

use std::collections::BTreeSet;
use std::io::Read;

use zeroize::Zeroizing;

use super::documents::{self, Document};
use super::paths::{is_everywhere, is_of};
use crate::build::base::{Knowledge, Thing};
use crate::build::{NodePlan, Plan, programs};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Place;
use crate::overlay::units::template;
use crate::profile::Profile;
use crate::program::Program;
use crate::store::{Pin, Store};
use crate::tree::{Blobs, Entry, Node, Secrecy, TreePath};

/// How many links one name may lead through, as Linux has it (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// The most bytes of a file that is read as text.
const LARGEST_TEXT: u64 = 1 << 20;

/// A cluster.
pub struct Cluster<'a> {
    /// Its machines.
    pub machines: Vec<Machine<'a>>,
    /// Whether its certificates and keys are there: without a seed they are empty.
    pub keyed: bool,
    /// What was asked.
    pub profile: &'a Profile,
    plan: &'a Plan,
    /// What may be done with programs of the bundles.
    pub programs: Programs,
    /// What comes from sources, as far as it was fetched.
    pub store: &'a Store,
}

/// What may be done with programs of the bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// They are run in a sandbox where overlays say how.
    Run,
    /// They are only looked at.
    Leave,
}

/// A machine.
pub struct Machine<'a> {
    /// Its name.
    pub name: &'a str,
    /// Everything that is known of it.
    pub plan: &'a NodePlan,
    /// Its files of configuration that can be read.
    pub documents: Vec<Document<'a>>,
    blobs: &'a dyn Blobs,
    provided: BTreeSet<&'a TreePath>,
}

/// What a path comes to on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It is in the bundle, here.
    Bundle(TreePath, &'a Entry),
    /// The base has it, or every base if there is none to look into.
    Base,
    /// An overlay says that it is there.
    Provided,
    /// It is made when the machine runs.
    Running,
    /// Nobody can tell: the base is not known.
    Unknown,
    /// It is nowhere; if a link leads there, what that says.
    Missing(TreePath),
}

impl<'a> Cluster<'a> {
    /// The machines of a plan; the store has what they have of sources, as far as it was fetched.
    pub fn new(plan: &'a Plan, profile: &'a Profile, store: &'a Store, programs: Programs) -> Cluster<'a> {
        let mut known = documents::Known::new();
        let machines = plan.nodes.iter().map(|node| Machine::new(node, store, &mut known)).collect();
        Cluster { machines, keyed: plan.keyed, profile, plan, programs, store }
    }

    /// The plan.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The instant that the release knows.
    pub fn epoch(&self) -> Epoch {
        self.profile.epoch
    }

    /// Whether keys and certificates are what they will be: without a seed, or while an outside authority has not issued all,
    /// other words stand for them.
    pub fn has_keys(&self) -> bool {
        self.keyed && self.plan.missing.is_empty()
    }

    /// What a file is, if it is a program that is in the store.
    pub fn program(&self, digest: &Digest, size: u64) -> Option<Program> {
        programs::look(self.store, &Pin { digest: *digest, size }).ok().flatten()
    }
}

impl<'a> Machine<'a> {
    fn new(plan: &'a NodePlan, blobs: &'a dyn Blobs, known: &mut documents::Known) -> Machine<'a> {
        let provided = plan.provides.iter().flat_map(|provision| &provision.paths).collect();
        let mut machine = Machine { name: &plan.name, plan, documents: Vec::new(), blobs, provided };
        machine.documents = documents::of(plan, |path| machine.text(path), known);
        machine
    }

    /// Where a file was declared.
    pub fn place(&self, path: &TreePath) -> Option<&'a Place> {
        self.plan.places.get(path)
    }

    /// The bytes of a small file of the bundle, if it is one; a link is followed.
    pub fn bytes(&self, path: &TreePath) -> Option<Zeroizing<Vec<u8>>> {
        let Found::Bundle(_, Entry { node: Node::File(content), .. }) = self.find(path) else { return None };
        if content.size() > LARGEST_TEXT {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::new());
        content.open(self.blobs).ok()?.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The text of a public file of the bundle, if it is one. Of a secret file nothing is read: what is told of a
    /// finding may not have a part of it.
    pub fn text(&self, path: &TreePath) -> Option<String> {
        let entry = self.plan.tree.get(path)?;
        let is_public = entry.secrecy == Secrecy::Public && matches!(entry.node, Node::File(_));
        let bytes = is_public.then(|| self.bytes(path)).flatten()?;
        std::str::from_utf8(&bytes).ok().map(str::to_owned)
    }

    /// What a path comes to, through the links of the bundle and of the base.
    pub fn find(&self, path: &TreePath) -> Found<'a> {
        let mut path = path.clone();
        for _ in 0..MOST_LINKS {
            match self.step(&path) {
                Step::Found(found) => return found,
                Step::Link(next) => path = next,
            }
        }
        Found::Missing(path)
    }

    fn step(&self, path: &TreePath) -> Step<'a> {
        // A link on the way counts before what lies behind it.
        for above in path.ancestors().chain([path.clone()]) {
            let target = match (self.plan.tree.get(&above), self.thing(&above)) {
                (Some(Entry { node: Node::Symlink(target), .. }), _) => target.as_str(),
                (Some(_), _) => continue,
                (None, Some(Thing::Symlink(target))) => target.as_str(),
                _ => continue,
            };
            return match led(&above, target, path) {
                Some(next) => Step::Link(next),
                None => Step::Found(Found::Missing(path.clone())),
            };
        }
        if let Some(entry) = self.plan.tree.get(path) {
            return Step::Found(Found::Bundle(path.clone(), entry));
        }
        Step::Found(match self.plan.base {
            _ if self.thing(path).is_some() => Found::Base,
            _ if self.is_provided(path) => Found::Provided,
            _ if is_running(path) => Found::Running,
            Knowledge::Not => Found::Unknown,
            Knowledge::None if is_everywhere(path) => Found::Base,
            _ => Found::Missing(path.clone()),
        })
    }

    fn thing(&self, path: &TreePath) -> Option<&'a Thing> {
        self.plan.base.facts().and_then(|facts| facts.thing(path))
    }

    /// Whether somebody brings it, or a directory that it is in; or it is to come from a source that is not locked.
    fn is_provided(&self, path: &TreePath) -> bool {
        let pending = |to: &str| {
            let to = to.trim_end_matches('/');
            to.parse().is_ok_and(|to: TreePath| to == *path || path.is_beneath(&to))
        };
        // Units and programs are provided by their names, wherever they are.
        let directory = path.parent();
        let directory = directory.as_ref().map_or("", TreePath::as_str);
        let by_name = (directory.ends_with("systemd/system") && self.provides_unit(path.name()))
            || (directory.ends_with("bin") && self.provides_program(path.name()));
        by_name
            || self.provided.contains(path)
            || path.ancestors().any(|above| self.provided.contains(&above))
            || self.plan.pending.iter().any(|one| pending(&one.path))
    }

    /// The units that somebody says are there.
    pub fn provides_unit(&self, unit: &str) -> bool {
        // An instance is started from its template's file.
        let is_of = |instance: &str, unit: &str| template(instance).is_some_and(|template| template == unit);
        let is_it = |name: &String| name == unit || is_of(name, unit) || is_of(unit, name);
        self.plan.provides.iter().any(|provision| provision.units.iter().any(is_it))
    }

    /// The programs on the PATH that somebody says are there.
    pub fn provides_program(&self, program: &str) -> bool {
        self.plan.provides.iter().any(|provision| provision.programs.iter().any(|name| name == program))
    }
}

enum Step<'a> {
    Found(Found<'a>),
    Link(TreePath),
}

/// Where `path` leads, of which `link` is the beginning or the whole; none if it leads out of everything.
fn led(link: &TreePath, target: &str, path: &TreePath) -> Option<TreePath> {
    let rest = path.as_str().strip_prefix(link.as_str())?.trim_start_matches('/');
    let start = match target.starts_with('/') {
        true => String::new(),
        false => link.parent().map(|parent| parent.as_str().to_owned()).unwrap_or_default(),
    };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            // Above the root is the root.
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    TreePath::from_relative(&parts.join("/")).ok()
}

/// Whether the kernel or systemd makes it on every machine (file-hierarchy(7)): what lies there is nobody's file.
pub fn is_running(path: &TreePath) -> bool {
    is_of(&["dev", "proc", "run", "sys", "tmp", "var/run", "var/tmp"], path)
}

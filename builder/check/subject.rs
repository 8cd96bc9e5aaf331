//! What is checked: a finished plan, machine by machine, with what each has from elsewhere.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::contents::{Contents, Recent};
use super::documents::{Document, Documents};
use super::made::Made;
use super::paths::{is_everywhere, is_of};
use super::whole::{Unit, Units};
use crate::build::base::{Knowledge, Thing};
use crate::build::{NodePlan, Plan, programs};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{Error, Place, Result};
use crate::overlay::units::template;
use crate::pki::Certificate;
use crate::profile::Profile;
use crate::program::Program;
use crate::store::{Pin, Store};
use crate::tree::{Content, Entry, Node, Secrecy, TreePath};

/// How many links one name may lead through, as Linux has it (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A cluster.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
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

/// Some machines of a cluster, with their files.
pub struct Batch<'a> {
    /// The cluster.
    pub cluster: Cluster<'a>,
    /// The machines.
    pub machines: Vec<Machine<'a>>,
}

/// So many machines are looked at together: what they have alike is read once for them.
const BATCH: usize = 64;

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
    /// Its number in the profile.
    pub at: usize,
    /// Its name.
    pub name: &'a str,
    /// Everything that is known of it.
    pub plan: &'a NodePlan,
    contents: &'a Contents<'a>,
    provided: BTreeSet<&'a str>,
}

/// A machine with what its files say, read for the checks of one machine and then let go.
pub struct Whole<'a> {
    machine: &'a Machine<'a>,
    /// Its files of configuration that can be read.
    pub documents: Vec<Document<'a>>,
    /// Its units.
    pub units: Vec<Unit<'a>>,
    /// What is made on it before it is needed.
    pub made: Made,
    /// Its files that are in memory and have certificates.
    pub certified: Vec<Certified<'a>>,
    /// The instant that the release knows.
    pub epoch: Epoch,
}

/// A file that has certificates.
pub struct Certified<'a> {
    /// Where it is.
    pub path: &'a TreePath,
    /// What it is.
    pub entry: &'a Entry,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// All of its certificates that can be read.
    pub certificates: Rc<[Certificate]>,
}

impl<'a> std::ops::Deref for Whole<'a> {
    type Target = Machine<'a>;

    fn deref(&self) -> &Machine<'a> {
        self.machine
    }
}

/// What files of the machines before said.
#[derive(Default)]
pub struct Before<'a> {
    documents: Documents<'a>,
    units: Units<'a>,
    certificates: Recent<'a, Rc<[Certificate]>>,
}

impl<'a> Whole<'a> {
    /// Reads what a machine has; what the machines before had is not read again.
    pub fn of(machine: &'a Machine<'a>, epoch: Epoch, before: &mut Before<'a>) -> Whole<'a> {
        let documents = before.documents.of(machine);
        let units = Unit::all(machine, &mut before.units);
        let made = Made::of(machine, &units);
        let mut certified = Vec::new();
        for (path, entry) in machine.plan.tree.iter() {
            let Node::File(Content::Inline(bytes)) = &entry.node else { continue };
            let certificates = before.certificates.get(path, bytes, || Certificate::find(bytes).into());
            if !certificates.is_empty() {
                certified.push(Certified { path, entry, bytes, certificates });
            }
        }
        Whole { machine, documents, units, made, certified, epoch }
    }
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
    /// That of a plan; the store has what comes from sources, as far as it was fetched.
    pub fn new(plan: &'a Plan, profile: &'a Profile, store: &'a Store, programs: Programs) -> Cluster<'a> {
        Cluster { keyed: plan.keyed, profile, plan, programs, store }
    }

    /// Looks at all machines, some at a time, in their order.
    pub fn each(self, look: &mut dyn FnMut(&Batch<'_>) -> Result<()>) -> Result<()> {
        let count = self.plan.nodes.len();
        for start in (0..count).step_by(BATCH) {
            let nodes = self.plan.nodes.some(start..count.min(start + BATCH))?;
            let contents = Contents::of(&nodes, self.store);
            let machines = (start..).zip(&nodes).map(|(at, node)| Machine::new(at, node, &contents)).collect();
            look(&Batch { cluster: self, machines })?;
        }
        Ok(())
    }

    /// Looks at one machine.
    pub fn one<T>(self, at: usize, look: impl FnOnce(&Machine<'_>) -> T) -> Result<T> {
        let nodes = self.plan.nodes.some(at..at + 1)?;
        let contents = Contents::of(&nodes, self.store);
        let machine = nodes.first().map(|node| Machine::new(at, node, &contents));
        machine.map(|machine| look(&machine)).ok_or_else(|| Error::bug(format!("there is no machine {at}")))
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
    fn new(at: usize, plan: &'a NodePlan, contents: &'a Contents<'a>) -> Machine<'a> {
        let provided = plan.provides.iter().flat_map(|provision| &provision.paths).map(TreePath::as_str).collect();
        Machine { at, name: &plan.name, plan, contents, provided }
    }

    /// Where a file was declared.
    pub fn place(&self, path: &TreePath) -> Option<&'a Place> {
        self.plan.places.get(path)
    }

    /// The bytes of a small file of the bundle, if it is one; a link is followed.
    pub fn bytes(&self, path: &TreePath) -> Option<&'a [u8]> {
        let Found::Bundle(_, Entry { node: Node::File(content), .. }) = self.find(path) else { return None };
        self.contents.bytes(content)
    }

    /// The SHA-256 of a file of the bundle, if it is one; a link is followed.
    pub fn digest(&self, path: &TreePath) -> Option<Digest> {
        match self.find(path) {
            Found::Bundle(_, Entry { node: Node::File(content), .. }) => Some(content.digest()),
            _ => None,
        }
    }

    /// The text of a public file of the bundle, if it is one. Of a secret file nothing is read: what is told of a
    /// finding may not have a part of it.
    pub fn text(&self, path: &TreePath) -> Option<&'a str> {
        let entry = self.plan.tree.get(path)?;
        let is_public = entry.secrecy == Secrecy::Public && matches!(entry.node, Node::File(_));
        let bytes = is_public.then(|| self.bytes(path)).flatten()?;
        std::str::from_utf8(bytes).ok()
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
        let mut last = None;
        for above in path.prefixes() {
            last = self.plan.tree.at(above);
            let target = match last {
                Some((_, Entry { node: Node::Symlink(target), .. })) => target,
                Some(_) => continue,
                None => match self.thing(above) {
                    Some(Thing::Symlink(target)) => target,
                    _ => continue,
                },
            };
            return match led(above, target, path) {
                Some(next) => Step::Link(next),
                None => Step::Found(Found::Missing(path.clone())),
            };
        }
        if let Some((path, entry)) = last {
            return Step::Found(Found::Bundle(path.clone(), entry));
        }
        Step::Found(match self.plan.base {
            _ if self.thing(path.as_str()).is_some() => Found::Base,
            _ if self.is_provided(path) => Found::Provided,
            _ if is_running(path) => Found::Running,
            Knowledge::Not => Found::Unknown,
            Knowledge::None if is_everywhere(path) => Found::Base,
            _ => Found::Missing(path.clone()),
        })
    }

    fn thing(&self, path: &str) -> Option<&'a Thing> {
        self.plan.base.facts().and_then(|facts| facts.thing(path))
    }

    /// Whether somebody brings it, or a directory that it is in; or it is to come from a source that is not locked.
    fn is_provided(&self, path: &TreePath) -> bool {
        let pending = |to: &str| {
            let to = to.trim_end_matches('/');
            to.parse().is_ok_and(|to: TreePath| to == *path || path.is_beneath(&to))
        };
        // Units and programs are provided by their names, wherever they are.
        let directory = path.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        let by_name = (directory.ends_with("systemd/system") && self.provides_unit(path.name()))
            || (directory.ends_with("bin") && self.provides_program(path.name()));
        by_name
            || path.prefixes().any(|above| self.provided.contains(above))
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
fn led(link: &str, target: &str, path: &TreePath) -> Option<TreePath> {
    let rest = path.as_str().strip_prefix(link)?.trim_start_matches('/');
    let start = match target.starts_with('/') {
        true => "",
        false => link.rsplit_once('/').map_or("", |(parent, _)| parent),
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

//! [`Inventory`]: the components of a release and how they belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::digest::Digest;
use crate::epoch::Epoch;

/// The name of a component in its inventory: letters, digits, `.` and `-`, as SPDX wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(Arc<str>);

impl Id {
    /// A name of these words that a person can read and that no others give: what SPDX would not take is replaced, and a
    /// digest over the words, each after its length, makes it unique.
    pub fn of(kind: &str, words: &[&str]) -> Id {
        let fine = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let shown: String = words.first().map_or("", |word| word).chars().take(64).map(fine).collect();
        let exact: String = words.iter().map(|word| format!("{} {word}", word.len())).collect();
        Id(format!("{kind}-{shown}-{}", Digest::of(exact.as_bytes()).short()).into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The release itself.
    Release,
    /// One of its machines.
    Machine,
    /// An archive of which parts are taken.
    Archive,
    /// A root file system.
    System,
    /// A program or a library.
    Program,
    /// Another file.
    File,
    /// A container image.
    Image,
    /// A package of a distribution.
    Package,
    /// A module that a program was made of.
    Module,
    /// Files and declarations that are written for the release.
    Overlay,
}

/// Something that a release is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its version, if it is known.
    pub version: Option<String>,
    /// The SHA-256 of its bytes, if it has bytes.
    pub sha256: Option<Digest>,
    /// Where it was fetched: a URL without a query.
    pub url: Option<String>,
    /// Its package URL.
    pub purl: Option<String>,
    /// Its license, an SPDX expression.
    pub license: Option<String>,
    /// What else is known of it, by name.
    pub facts: BTreeMap<&'static str, String>,
}

impl Component {
    /// A component of which nothing but its name is known.
    pub fn new(kind: Kind, name: impl Into<String>) -> Component {
        Component {
            kind,
            name: name.into(),
            version: None,
            sha256: None,
            url: None,
            purl: None,
            license: None,
            facts: BTreeMap::new(),
        }
    }
}

/// How one component belongs to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// The second is a part of the first.
    Contains,
    /// The first needs the second, or was linked with it.
    DependsOn,
    /// The first was made of the second.
    MadeOf,
}

/// What a release is made of.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The release.
    pub root: Id,
    /// The one instant that the release knows.
    pub epoch: Epoch,
    /// The program that made it: name and version.
    pub tool: (String, String),
    /// What there is.
    pub components: BTreeMap<Id, Component>,
    /// How it belongs together.
    pub relations: BTreeSet<(Id, Relation, Id)>,
}

impl Inventory {
    /// Of a release, in which nothing is yet.
    pub fn new(release: Component, epoch: Epoch, tool: (&str, &str)) -> Inventory {
        let root = Id::of("release", &[&release.name, release.version.as_deref().unwrap_or_default()]);
        let components = BTreeMap::from([(root.clone(), release)]);
        let tool = (tool.0.to_owned(), tool.1.to_owned());
        Inventory { root, epoch, tool, components, relations: BTreeSet::new() }
    }

    /// Takes a component up; whether it is new.
    pub fn add(&mut self, id: &Id, component: Component) -> bool {
        self.components.insert(id.clone(), component).is_none()
    }

    /// Says how two components belong together.
    pub fn relate(&mut self, from: &Id, relation: Relation, to: &Id) {
        self.relations.insert((from.clone(), relation, to.clone()));
    }

    /// What stands in this relation to a component, in order.
    pub fn related<'a>(&'a self, from: &'a Id, relation: Relation) -> impl Iterator<Item = &'a Id> {
        let start = (from.clone(), relation, Id("".into()));
        let same = move |(one, how, _): &&(Id, Relation, Id)| one == from && *how == relation;
        self.relations.range(start..).take_while(same).map(|(_, _, to)| to)
    }
}

//! [`Comparison`]: what is told, for a program as it is and for a person as a page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::detail::{Detail, Details};
use super::entries::{Entries, Viewed};
use super::inside::Inside;
use super::side::{Side, SideKind};
use crate::digest::Digest;

/// The version of the JSON form. Members may be added to it; none changes its meaning.
pub const FORMAT: u32 = 1;

/// What two things differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// `FORMAT`.
    pub format: u32,
    /// Whether nothing differs.
    pub same: bool,
    /// The one.
    pub before: Named,
    /// The other.
    pub after: Named,
    /// Of releases: identity, digests, machines, archives.
    pub release: Vec<Detail>,
    /// What changed on machines, or in what is of none: the same change is told once, for all that have it. Those of
    /// most machines come first.
    pub groups: Vec<Group>,
    /// What changed in the release's files that are no archives.
    pub files: Vec<Change>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its path, as it was given.
    pub path: String,
    /// What it is.
    pub kind: SideKind,
    /// Whether its secrets were there, if it is of a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<bool>,
}

/// Changes that the same machines have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The machines' names, in the order of the release; none for what is of none.
    pub nodes: Vec<String>,
    /// Whether these are all that are on both sides.
    pub every: bool,
    /// The changes, sorted by path.
    pub changes: Vec<Change>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is there, and not the same.
    Changed,
}

/// A change of one entry; or of what is no entry and has no slash in front: `boot`, `times`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The entry's absolute path.
    pub path: String,
    /// What happened.
    pub change: Kind,
    /// Whether it is a secret, of which no contents are told.
    pub secret: bool,
    /// Which of type, mode, owner, group, size, target, contents, secret are not the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<&'static str>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Facts>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Facts>,
    /// What changed inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// directory, file, symlink or other.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Permission bits, four octal digits.
    pub mode: String,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// A file's size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where a symlink points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// SHA-256 of a file's bytes; never of a secret's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl Kind {
    /// What happened to something that is there before, after, or both.
    pub fn of(before: bool, after: bool) -> Kind {
        match (before, after) {
            (false, _) => Kind::Added,
            (true, false) => Kind::Removed,
            (true, true) => Kind::Changed,
        }
    }
}

impl Change {
    /// A change of an entry; whether its contents changed is for the caller to say.
    pub fn new(
        path: &str,
        secret: bool,
        before: Option<Facts>,
        after: Option<Facts>,
        inside: Option<Inside>,
    ) -> Change {
        let mut fields = Vec::new();
        if let (Some(a), Some(b)) = (&before, &after) {
            let differ = [
                ("type", a.kind != b.kind),
                ("mode", a.mode != b.mode),
                ("owner", a.uid != b.uid),
                ("group", a.gid != b.gid),
                ("size", a.size != b.size),
                ("target", a.target != b.target),
            ];
            fields.extend(differ.into_iter().filter(|(_, differ)| *differ).map(|(name, _)| name));
        }
        let change = Kind::of(before.is_some(), after.is_some());
        Change { path: path.to_owned(), change, secret, fields, before, after, inside }
    }

    /// Whether two machines' changes are the same to whoever reads them: their files may have been different before, if
    /// what changed inside is known.
    fn is_alike(&self, other: &Change) -> bool {
        let known = self.inside.as_ref().is_some_and(|inside| !matches!(inside.format, "binary" | "large" | "program"));
        self == other || (known && self.without_bytes() == other.without_bytes())
    }

    fn without_bytes(&self) -> Change {
        let facts = |facts: &Option<Facts>| facts.clone().map(|facts| Facts { size: None, sha256: None, ..facts });
        let fields = self.fields.iter().filter(|field| **field != "size").copied().collect();
        Change { before: facts(&self.before), after: facts(&self.after), fields, ..self.clone() }
    }

    /// Leaves out sizes and digests that the other has not.
    fn keep_common(&mut self, other: &Change) {
        if !other.fields.contains(&"size") {
            self.fields.retain(|field| *field != "size");
        }
        for (own, other) in [(&mut self.before, &other.before), (&mut self.after, &other.after)] {
            if let (Some(own), Some(other)) = (own, other) {
                own.size = own.size.filter(|size| other.size == Some(*size));
                own.sha256 = own.sha256.filter(|digest| other.sha256 == Some(*digest));
            }
        }
    }

    /// A change of what is no entry.
    pub fn about(what: &str, details: Details) -> Change {
        let Details { told, more } = details;
        let inside = Inside { details: told, more, ..Inside::plain("record") };
        Change {
            path: what.to_owned(),
            change: Kind::Changed,
            secret: false,
            fields: Vec::new(),
            before: None,
            after: None,
            inside: Some(inside),
        }
    }
}

/// Puts everything together.
pub fn report(before: &Side, after: &Side, release: Details, entries: Entries) -> Comparison {
    let Entries { views, files } = entries;
    let named = |side: &Side| Named {
        path: side.path.clone(),
        kind: side.kind,
        secrets: side.manifest.as_ref().map(|_| side.secrets),
    };
    let groups = groups(views);
    let same = release.is_empty() && groups.is_empty() && files.is_empty();
    Comparison {
        format: FORMAT,
        same,
        before: named(before),
        after: named(after),
        release: release.told,
        groups,
        files,
    }
}

/// The changes by the machines that have them.
fn groups(views: Vec<Viewed>) -> Vec<Group> {
    let name = |(a, b): &(String, String)| if a == b { a.clone() } else { format!("{a} -> {b}") };
    let names: Vec<String> = views.iter().map(|view| name(&view.names)).collect();
    let mut by_path: BTreeMap<String, Vec<(Change, Vec<usize>)>> = BTreeMap::new();
    for (index, view) in views.into_iter().enumerate() {
        for change in view.changes {
            let known = by_path.entry(change.path.clone()).or_default();
            match known.iter_mut().find(|(other, _)| other.is_alike(&change)) {
                Some((other, nodes)) => {
                    other.keep_common(&change);
                    nodes.push(index);
                }
                None => known.push((change, vec![index])),
            }
        }
    }
    let mut groups: BTreeMap<Vec<usize>, Vec<Change>> = BTreeMap::new();
    for (change, nodes) in by_path.into_values().flatten() {
        groups.entry(nodes).or_default().push(change);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(nodes, _)| (std::cmp::Reverse(nodes.len()), nodes.clone()));
    let group = |(nodes, changes): (Vec<usize>, _)| Group {
        every: nodes.len() == names.len(),
        nodes: nodes.iter().map(|index| names[*index].clone()).filter(|name| !name.is_empty()).collect(),
        changes,
    };
    groups.into_iter().map(group).collect()
}

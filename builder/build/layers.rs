//! From nodes' trees to layers: what several nodes share, what is of one node, and what is secret.
//!
//! Nodes with the same active overlays, the same roles and the same base are a group. What is public and equal on all nodes of a group
//! is its common layer, computed from the whole profile, so that building one node gives the same layers as building
//! all. A group of one has no common layer, nor has one whose nodes share nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::nodes::{NodeOutline, NodePlan, Nodes};
use super::plan::Plan;
use crate::bundle::lists::{self, LISTS};
use crate::error::{Error, Result};
use crate::tree::{Audience, Content, Entry, Layer, Node, Secrecy, Tree, TreePath};

/// A node's layers, in the order in which they are applied.
#[derive(Clone, Debug)]
pub struct NodeLayers {
    /// What checks the others, if an overlay brings it.
    pub guard: Option<Layer>,
    /// What the node shares with others, if there is any.
    pub common: Option<Arc<Layer>>,
    /// What is its own and public.
    pub node: Layer,
    /// What is secret.
    pub secrets: Layer,
}

impl NodeLayers {
    /// All of them, in the order in which they are applied.
    pub fn all(&self) -> impl Iterator<Item = &Layer> {
        self.guard.iter().chain(self.common.as_deref()).chain([&self.node, &self.secrets])
    }

    /// The layers of these audiences as one tree.
    pub fn merged(&self, wanted: impl Fn(Audience) -> bool) -> Tree {
        let mut merged = Tree::new();
        self.all().filter(|layer| wanted(layer.audience)).for_each(|layer| merged.extend(&layer.tree));
        merged
    }
}

/// How a plan's trees are split: what the nodes of each group share is known, and any node's layers are made of it.
pub struct Layering<'a> {
    plan: &'a Plan,
    shared: BTreeMap<Group<'a>, Arc<Layer>>,
}

impl<'a> Layering<'a> {
    /// Finds what the nodes of each group share.
    pub fn of(plan: &'a Plan) -> Result<Layering<'a>> {
        let mut groups: BTreeMap<Group<'_>, Vec<usize>> = BTreeMap::new();
        for (number, node) in plan.nodes.outlines().enumerate() {
            groups.entry(group_of(node)).or_default().push(number);
        }
        let mut shared = BTreeMap::new();
        for (key, group) in groups {
            let [first, others @ ..] = &group[..] else { continue };
            if others.is_empty() {
                continue;
            }
            let first = plan.nodes.get(*first)?;
            let tree = common(&plan.nodes, &first, others)?;
            if !tree.is_empty() {
                shared.insert(key, Arc::new(layer(Audience::Common, tree, &first)?));
            }
        }
        Ok(Layering { plan, shared })
    }

    /// The common layers, in the order of the first nodes that have them.
    pub fn commons(&self) -> Vec<&Arc<Layer>> {
        let mut commons: Vec<&Arc<Layer>> = Vec::new();
        for layer in self.plan.nodes.outlines().filter_map(|node| self.shared.get(&group_of(node))) {
            if !commons.iter().any(|known| Arc::ptr_eq(known, layer)) {
                commons.push(layer);
            }
        }
        commons
    }

    /// The layers of a node, which has this number.
    pub fn node(&self, number: usize, node: &NodePlan) -> Result<NodeLayers> {
        let salt = self.plan.salts.get(number).ok_or_else(|| Error::bug(format!("node {number} has no salt")))?;
        let common = self.shared.get(&group_of(node)).cloned();
        let in_common = |path: &TreePath| common.as_ref().is_some_and(|layer| layer.tree.get(path).is_some());
        let pick = |wanted: &dyn Fn(&TreePath, &Entry) -> bool| {
            node.tree.filter(|path, entry| !is_parent(entry) && wanted(path, entry))
        };
        let is_public = |entry: &Entry| entry.secrecy == Secrecy::Public;
        let guard = pick(&|_, entry| is_public(entry) && entry.guard);
        let public = pick(&|path, entry| is_public(entry) && !entry.guard && !in_common(path));
        let mut secret = pick(&|_, entry| !is_public(entry));
        let path: TreePath = format!("{LISTS}/secrets.salt").parse()?;
        let salt = Entry {
            mode: 0o600,
            secrecy: Secrecy::Secret,
            ..Entry::new(Node::File(Content::inline(salt.to_vec())), "the layer's salt")
        };
        secret.insert(path, salt)?;
        let guard = (!guard.is_empty()).then(|| layer(Audience::Guard, guard, node)).transpose()?;
        Ok(NodeLayers {
            guard,
            node: layer(Audience::Node, public, node)?,
            secrets: layer(Audience::Secrets, secret, node)?,
            common,
        })
    }
}

/// What the nodes of a group have in common: overlays, roles, base.
type Group<'a> = (&'a [String], &'a [String], usize);

fn group_of(node: &NodeOutline) -> Group<'_> {
    (&node.overlays, &node.roles, node.base.id())
}

/// Whether nobody asked for this directory.
fn is_parent(entry: &Entry) -> bool {
    entry.node == Node::Directory && *entry.origin == *"parent directory"
}

/// What all nodes of a group have.
fn common(nodes: &Nodes, first: &NodePlan, others: &[usize]) -> Result<Tree> {
    let is_shared = |entry: &Entry| entry.secrecy == Secrecy::Public && !entry.guard && !is_parent(entry);
    let is_same = |one: &Entry, other: &Entry| other.same_on_disk(one) && !is_parent(other);
    let shared = first.tree.filter(|_, entry| is_shared(entry));
    others.iter().try_fold(shared, |tree, other| nodes.same(*other, tree, is_same))
}

/// A layer with the directories that it needs, as the node's whole tree or its base has them, and with its lists.
fn layer(audience: Audience, mut tree: Tree, node: &NodePlan) -> Result<Layer> {
    let sums: TreePath = lists::sums_path(audience).parse()?;
    let entries: TreePath = lists::entries_path(audience).parse()?;
    let list = |text: String| {
        let origin = format!("list of the {} layer", audience.name());
        let entry = Entry::new(Node::File(Content::inline(text)), origin);
        match audience {
            Audience::Secrets => Entry { mode: 0o600, secrecy: Secrecy::Secret, ..entry },
            _ => entry,
        }
    };
    // Placed first, so that their directory is one of the entries.
    tree.insert(sums.clone(), list(String::new()))?;
    tree.insert(entries.clone(), list(String::new()))?;
    let parents = node.base.parents();
    tree.add_parents(|path| node.tree.shared(path).unwrap_or_else(|| Arc::new(parents(path))))?;
    let own = tree.iter().filter(|(path, _)| !lists::is_list(path, audience));
    let lines: String = own.map(|(path, entry)| lists::entry_line(path, entry)).collect();
    tree.replace(entries, list(lines));
    let digests = tree.iter().filter_map(|(path, entry)| match &entry.node {
        Node::File(content) if *path != sums => Some(format!("{}  {}\n", content.digest(), path.as_str())),
        _ => None,
    });
    let digests: String = digests.collect();
    tree.replace(sums, list(digests));
    Ok(Layer { audience, tree })
}

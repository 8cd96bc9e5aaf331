//! From nodes' trees to layers: what several nodes share, what is of one node, and what is secret.
//!
//! Nodes with the same active overlays and the same roles are a group. What is public and equal on all nodes of a group
//! is its common layer, computed from the whole profile, so that building one node gives the same layers as building
//! all. A group of one has no common layer, nor has one whose nodes share nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::place::usual_directory;
use super::plan::NodePlan;
use crate::bundle::verify::LISTS;
use crate::error::Result;
use crate::tree::{Audience, Content, Entry, Layer, Node, Secrecy, Tree, TreePath};

/// A node's layers, in the order in which they are applied.
#[derive(Clone, Debug)]
pub struct NodeLayers {
    /// What the node shares with others, if there is any.
    pub common: Option<Arc<Layer>>,
    /// What is its own and public.
    pub node: Layer,
    /// What is secret.
    pub secrets: Layer,
}

impl NodeLayers {
    /// The public layers as one tree, and with `Secret` the secret one too.
    pub fn merged(&self, secrecy: Secrecy) -> Tree {
        let common = self.common.iter().flat_map(|layer| layer.tree.iter());
        let secrets = (secrecy == Secrecy::Secret).then(|| self.secrets.tree.iter()).into_iter().flatten();
        let entries = common.chain(self.node.tree.iter()).chain(secrets);
        entries.map(|(path, entry)| (path.clone(), entry.clone())).collect()
    }
}

/// Splits all nodes' trees; `salts` are the nodes' in the same order.
pub fn split(nodes: &[NodePlan], salts: Vec<zeroize::Zeroizing<Vec<u8>>>) -> Result<Vec<NodeLayers>> {
    let mut groups: BTreeMap<(&[String], &[String]), Vec<&NodePlan>> = BTreeMap::new();
    for node in nodes {
        groups.entry((&node.overlays, &node.roles)).or_default().push(node);
    }
    let mut shared = BTreeMap::new();
    for (key, group) in groups.into_iter().filter(|(_, group)| group.len() > 1) {
        let tree = common(&group);
        if !tree.is_empty() {
            shared.insert(key, Arc::new(layer(Audience::Common, tree, &group[0].tree)?));
        }
    }
    let layers = nodes.iter().zip(salts).map(|(node, salt)| {
        let common = shared.get(&(&node.overlays[..], &node.roles[..])).cloned();
        let in_common = |path: &TreePath| common.as_ref().is_some_and(|layer| layer.tree.get(path).is_some());
        let pick = |secrecy| {
            let mine = node.tree.iter().filter(move |(_, entry)| entry.secrecy == secrecy);
            mine.filter(|(_, entry)| !is_parent(entry)).map(|(path, entry)| (path.clone(), entry.clone()))
        };
        let public: Tree = pick(Secrecy::Public).filter(|(path, _)| !in_common(path)).collect();
        let mut secret: Tree = pick(Secrecy::Secret).collect();
        let path: TreePath = format!("{LISTS}/secrets.salt").parse()?;
        let salt = Entry {
            mode: 0o600,
            secrecy: Secrecy::Secret,
            ..Entry::new(Node::File(Content::inline(salt.to_vec())), "the layer's salt")
        };
        secret.insert(path, salt)?;
        Ok(NodeLayers {
            node: layer(Audience::Node, public, &node.tree)?,
            secrets: layer(Audience::Secrets, secret, &node.tree)?,
            common,
        })
    });
    layers.collect()
}

/// Whether nobody asked for this directory.
fn is_parent(entry: &Entry) -> bool {
    entry.node == Node::Directory && *entry.origin == *"parent directory"
}

fn common(group: &[&NodePlan]) -> Tree {
    let (first, others) = (&group[0].tree, &group[1..]);
    let everywhere = |path: &TreePath, entry: &Entry| {
        others.iter().all(|other| other.tree.get(path).is_some_and(|same| same.same_on_disk(entry) && !is_parent(same)))
    };
    let public = first.iter().filter(|(_, entry)| entry.secrecy == Secrecy::Public && !is_parent(entry));
    public.filter(|(path, entry)| everywhere(path, entry)).map(|(path, entry)| (path.clone(), entry.clone())).collect()
}

/// A layer with the directories that it needs, as the node's whole tree has them, and with its list.
fn layer(audience: Audience, mut tree: Tree, whole: &Tree) -> Result<Layer> {
    let list: String = tree
        .iter()
        .filter_map(|(path, entry)| match &entry.node {
            Node::File(content) => Some(format!("{}  {}\n", content.digest(), path.as_str())),
            _ => None,
        })
        .collect();
    let mut entry = Entry::new(Node::File(Content::inline(list)), format!("list of the {} layer", audience.name()));
    if audience == Audience::Secrets {
        (entry.mode, entry.secrecy) = (0o600, Secrecy::Secret);
    }
    tree.insert(format!("{LISTS}/{}.sha256", audience.name()).parse()?, entry)?;
    tree.add_parents(|path| whole.get(path).cloned().unwrap_or_else(|| usual_directory(path)))?;
    Ok(Layer { audience, tree })
}

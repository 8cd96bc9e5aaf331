//! [`Nodes`]: all nodes of a plan. What many have is in memory once; what one alone has is folded up, and taken out when it is
//! asked for: memory hardly grows with their number.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex};

use super::alike::Kinds;
use super::base::Knowledge;
use super::fold::{Dictionary, Folded, Tables};
use super::images::NodeImage;
use super::plan::Pending;
use super::settings::Probed;
use crate::document::Placed;
use crate::error::{Error, Place, Result};
use crate::overlay::declare::{
    AgreeDeclaration, CheckDeclaration, ClientDeclaration, Provision, SchemaDeclaration, ServerDeclaration,
};
use crate::profile::Arch;
use crate::tree::{Entry, Tree, TreePath};

/// One machine, resolved.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// What is known of it.
    pub outline: Arc<NodeOutline>,
    /// Its files.
    pub tree: Tree,
}

impl Deref for NodePlan {
    type Target = NodeOutline;

    fn deref(&self) -> &NodeOutline {
        &self.outline
    }
}

/// What is known of a machine beside its files.
#[derive(Debug)]
pub struct NodeOutline {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub arch: Arch,
    /// What it is for, sorted.
    pub roles: Arc<Vec<String>>,
    /// The overlays that are active on it, in the profile's order.
    pub overlays: Arc<Vec<String>>,
    /// Where each of its files was declared; a directory that nobody declared is not here.
    pub places: Arc<BTreeMap<TreePath, Place>>,
    /// What will come from sources that are not locked yet.
    pub pending: Vec<Pending>,
    /// The images that it brings, in the order of their sources' names.
    pub images: Arc<Vec<NodeImage>>,
    /// What the base or a registry has, without the images that the node brings.
    pub provides: Arc<Vec<Provision>>,
    /// The commands whose programs may be asked what they think of their flags.
    pub probed: Vec<Arc<Probed>>,
    /// The flags that may be given more than once, each behind the name of its program's file.
    pub repeated: Arc<BTreeSet<(String, String)>>,
    /// What listens on it.
    pub servers: Vec<Arc<Placed<ServerDeclaration>>>,
    /// What on it asks servers.
    pub clients: Vec<Arc<Placed<ClientDeclaration>>>,
    /// What must be the same wherever it is said.
    pub agree: Vec<Arc<Placed<AgreeDeclaration>>>,
    /// What configurations on it may hold.
    pub schemas: Arc<Vec<Placed<SchemaDeclaration>>>,
    /// What its overlays find wrong with it.
    pub checks: Vec<Arc<Placed<CheckDeclaration>>>,
    /// Its name as others may call it, and its addresses.
    pub addresses: Vec<String>,
    /// What its layers are laid on.
    pub base: Knowledge,
}

/// All machines of a plan, in the order of the profile.
#[derive(Default)]
pub struct Nodes(Vec<Kept>);

/// A machine as it is kept.
struct Kept {
    outline: Arc<NodeOutline>,
    shared: Arc<Tree>,
    own: Folded,
}

impl Nodes {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of each beside its files.
    pub fn outlines(&self) -> impl ExactSizeIterator<Item = &NodeOutline> + DoubleEndedIterator {
        self.0.iter().map(|kept| &*kept.outline)
    }

    /// What is known of the one with this number beside its files.
    pub fn outline(&self, number: usize) -> Result<&NodeOutline> {
        self.kept(number).map(|kept| &*kept.outline)
    }

    /// The number of the one with this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.outlines().position(|node| node.name == name)
    }

    /// The one with this number, unfolded.
    pub fn get(&self, number: usize) -> Result<NodePlan> {
        let Kept { outline, shared, own } = self.kept(number)?;
        let mut tree = Tree::clone(shared);
        tree.append(own.open()?);
        Ok(NodePlan { outline: outline.clone(), tree })
    }

    /// Those with these numbers, unfolded.
    pub fn some(&self, numbers: Range<usize>) -> Result<Vec<NodePlan>> {
        numbers.map(|number| self.get(number)).collect()
    }

    /// Of a tree, what the one with this number has the same.
    pub fn same(&self, number: usize, tree: Tree, is_same: impl Fn(&Entry, &Entry) -> bool) -> Result<Tree> {
        let has = |own: &Tree, path: &TreePath, entry: &Entry| own.get(path).is_some_and(|own| is_same(entry, own));
        let shared = &self.kept(number)?.shared;
        if tree.iter().all(|(path, entry)| has(shared, path, entry)) {
            return Ok(tree);
        }
        let own = self.get(number)?.tree;
        Ok(tree.filter(|path, entry| has(&own, path, entry)))
    }

    /// Each of them, unfolded when it is its turn.
    pub fn iter(&self) -> impl Iterator<Item = Result<NodePlan>> {
        (0..self.len()).map(|number| self.get(number))
    }

    fn kept(&self, number: usize) -> Result<&Kept> {
        self.0.get(number).ok_or_else(|| Error::bug(format!("there is no node {number}")))
    }
}

/// So many of the last machines are looked at to find out what a machine alone has.
const LAST: usize = 64;
/// So many kinds of machines have a dictionary of their own.
const MOST_KINDS: usize = 64;

/// Folds up machines.
#[derive(Default)]
pub struct Folding {
    nodes: Nodes,
    shared: Kinds<(), Tree>,
    // What the last machines alone had, as far as was known then: it is shared when another has it too.
    last: VecDeque<Tree>,
    dictionaries: BTreeMap<Kind, Arc<Dictionary>>,
    tables: Arc<Mutex<Tables>>,
}

/// Machines of a kind have much the same files.
type Kind = (Arc<Vec<String>>, Arc<Vec<String>>);

impl Folding {
    /// Takes up machines that come next.
    pub fn take(&mut self, plans: Vec<NodePlan>) -> Result<()> {
        // One is in the plan and one where entries are remembered: more are in other machines. Which are found to be shared
        // decides where they are kept, and nothing else.
        let split: Vec<_> = plans.iter().map(|plan| plan.tree.split(|entry| Arc::strong_count(entry) > 2)).collect();
        for (NodePlan { outline, .. }, (shared, own)) in plans.into_iter().zip(split) {
            let shared = self.shared.one((), shared);
            let by = self.dictionary(&outline, &own);
            self.nodes.0.push(Kept { outline, shared, own: Folded::of(&own, by)? });
            self.last.push_back(own);
            if self.last.len() > LAST {
                self.last.pop_front();
            }
        }
        Ok(())
    }

    fn dictionary(&mut self, outline: &NodeOutline, own: &Tree) -> Arc<Dictionary> {
        let kind = (outline.overlays.clone(), outline.roles.clone());
        let is_full = self.dictionaries.len() == MOST_KINDS;
        match (self.dictionaries.get(&kind), self.dictionaries.values().next()) {
            (Some(known), _) => known.clone(),
            (None, Some(any)) if is_full => any.clone(),
            (None, _) => {
                let made = Arc::new(Dictionary::of(own, self.tables.clone()));
                self.dictionaries.insert(kind, made.clone());
                made
            }
        }
    }

    /// All that were taken up.
    pub fn finish(self) -> Nodes {
        self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Node};

    fn outline(name: String, role: &str) -> Arc<NodeOutline> {
        Arc::new(NodeOutline {
            name,
            arch: Arch::Amd64,
            roles: Arc::new(vec![role.to_owned()]),
            overlays: Arc::default(),
            places: Arc::default(),
            pending: Vec::new(),
            images: Arc::default(),
            provides: Arc::default(),
            probed: Vec::new(),
            repeated: Arc::default(),
            servers: Vec::new(),
            clients: Vec::new(),
            agree: Vec::new(),
            schemas: Arc::default(),
            checks: Vec::new(),
            addresses: Vec::new(),
            base: Knowledge::None,
        })
    }

    fn file(text: &str) -> Arc<Entry> {
        Arc::new(Entry::new(Node::File(Content::inline(text)), "test"))
    }

    /// More than are remembered, of more kinds than have a dictionary.
    #[test]
    fn each_comes_back_whatever_the_others_have() {
        let count = 2 * (LAST + MOST_KINDS);
        let (of_all, twins) = (file("all"), [file("even"), file("odd")]);
        let plan = |number: usize| {
            let mut tree = Tree::new();
            let own = file(&format!("of {number} alone").repeat(number));
            for (path, entry) in [("/a", of_all.clone()), ("/b", twins[number % 2].clone()), ("/c", own)] {
                tree.insert(path.parse().unwrap(), entry).unwrap();
            }
            NodePlan { outline: outline(format!("n{number}"), &format!("r{}", number / 2)), tree }
        };
        let plans: Vec<NodePlan> = (0..count).map(plan).collect();
        let mut folding = Folding::default();
        for some in plans.chunks(7) {
            folding.take(some.to_vec()).unwrap();
        }
        let nodes = folding.finish();
        for (number, plan) in plans.iter().enumerate() {
            let got = nodes.get(number).unwrap();
            assert_eq!((&got.name, &got.tree), (&plan.name, &plan.tree));
            assert_eq!(nodes.number(&plan.name), Some(number));
        }
        assert_eq!((nodes.len(), nodes.iter().count()), (count, count));
        assert!(nodes.get(count).is_err());
        let kinds: BTreeSet<_> = nodes.0.iter().map(|kept| Arc::as_ptr(&kept.shared)).collect();
        assert_eq!(kinds.len(), 2, "what several have is in memory once");
    }

    #[test]
    fn what_nodes_have_the_same() {
        let of_all = file("all");
        let plan = |number: usize| {
            let mut tree = Tree::new();
            tree.insert("/a".parse().unwrap(), of_all.clone()).unwrap();
            // Equal, and not the same in memory.
            tree.insert("/b".parse().unwrap(), file("equal")).unwrap();
            tree.insert("/c".parse().unwrap(), file(&number.to_string())).unwrap();
            NodePlan { outline: outline(format!("n{number}"), "r"), tree }
        };
        let mut folding = Folding::default();
        folding.take((0..3).map(plan).collect()).unwrap();
        let nodes = folding.finish();
        let same = |one: &Entry, other: &Entry| one.same_on_disk(other);
        let common = (1..3).try_fold(nodes.get(0).unwrap().tree, |tree, other| nodes.same(other, tree, same)).unwrap();
        assert_eq!(common.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}

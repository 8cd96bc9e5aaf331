//! The certificates of a plan, and whether they are valid when they will be used: asked before a byte is written. What
//! comes from a source is not judged, here or by `verify`: a distribution's roots are the distribution's to renew.

use std::collections::BTreeSet;

use super::plan::{NodePlan, Plan};
use crate::error::{Error, Faults, Result};
use crate::pki::{Held, Term};
use crate::tree::{Content, Node, TreePath};

/// Every certificate of the plan, node by node, and last those of the files for people.
pub fn certificates(plan: &Plan) -> Vec<Held> {
    let on_nodes = plan
        .nodes
        .iter()
        .flat_map(|node| files(node).flat_map(|(path, bytes)| Held::all(Some(&node.name), &path.to_string(), bytes)));
    on_nodes.chain(for_people(plan)).collect()
}

/// Those of the files for people.
pub fn for_people(plan: &Plan) -> impl Iterator<Item = Held> {
    plan.admin.iter().flat_map(|(name, bytes)| Held::all(None, &format!("admin/{name}"), bytes))
}

/// Refuses a plan that has certificates which are not valid, or not for long enough; each of them is named once, at its
/// first place.
pub fn check(plan: &Plan, term: &Term) -> Result<()> {
    let mut wrong: Vec<Wrong> = Vec::new();
    // What nodes share is looked at once, if nothing is wrong with it.
    let mut fine = BTreeSet::new();
    let on_nodes = plan.nodes.iter().flat_map(|node| contents(node).map(move |(path, content)| (node, path, content)));
    let on_nodes = on_nodes.flat_map(|(node, path, content)| {
        let Content::Inline(bytes) = content else { return Vec::new() };
        if fine.contains(&content.digest()) {
            return Vec::new();
        }
        let all = Held::all(Some(&node.name), &path.to_string(), bytes);
        let is_wrong =
            |held: &Held| held.certificate.as_ref().is_ok_and(|certificate| term.check(certificate).is_err());
        if !all.iter().any(is_wrong) {
            fine.insert(content.digest());
            return Vec::new();
        }
        all
    });
    for held in on_nodes.chain(for_people(plan)) {
        let Ok(certificate) = &held.certificate else { continue };
        let Err(error) = term.check(certificate) else { continue };
        match wrong.iter_mut().find(|known| known.held.certificate.as_ref() == Ok(certificate)) {
            Some(known) => known.more += 1,
            None => wrong.push(Wrong { held, error, more: 0 }),
        }
    }
    let mut faults = Faults::new();
    wrong.into_iter().for_each(|wrong| faults.push(wrong.told(plan)));
    faults.finish(())
}

/// A certificate that is not as it must be.
struct Wrong {
    held: Held,
    error: Error,
    // In how many more places it is.
    more: usize,
}

impl Wrong {
    fn told(self, plan: &Plan) -> Error {
        let Wrong { held: Held { node, file, .. }, error, more } = self;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let Some(name) = node else { return error.context(format!("{file}{more}")) };
        let error = error.context(format!("{file} of node {name}{more}"));
        let node = plan.nodes.iter().find(|node| node.name == name);
        let path: Option<TreePath> = file.parse().ok();
        match node.zip(path).and_then(|(node, path)| node.places.get(&path)) {
            Some(place) => error.at(place),
            None => error,
        }
    }
}

/// The files of a node whose bytes are there.
fn files(node: &NodePlan) -> impl Iterator<Item = (&TreePath, &[u8])> {
    contents(node).filter_map(|(path, content)| match content {
        Content::Inline(bytes) => Some((path, &bytes[..])),
        Content::Blob { .. } => None,
    })
}

fn contents(node: &NodePlan) -> impl Iterator<Item = (&TreePath, &Content)> {
    node.tree.iter().filter_map(|(path, entry)| match &entry.node {
        Node::File(content @ Content::Inline(_)) => Some((path, content)),
        _ => None,
    })
}

//! The certificates of a plan, and whether they are valid when they will be used: asked before a byte is written. What
//! comes from a source is not looked at here but by `verify`, which reads it anyway.

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
    let for_people = plan.admin.iter().flat_map(|(name, bytes)| Held::all(None, &format!("admin/{name}"), bytes));
    on_nodes.chain(for_people).collect()
}

/// Refuses a plan that has certificates which are not valid, or not for long enough; all of them are named.
pub fn check(plan: &Plan, term: &Term) -> Result<()> {
    let mut faults = Faults::new();
    for node in &plan.nodes {
        for (path, bytes) in files(node) {
            for error in wrong(term, bytes, &format!("{path} of node {}", node.name)) {
                faults.push(match node.places.get(path) {
                    Some(place) => error.at(place),
                    None => error,
                });
            }
        }
    }
    for (name, bytes) in &plan.admin {
        wrong(term, bytes, &format!("admin/{name}")).into_iter().for_each(|error| faults.push(error));
    }
    faults.finish(())
}

/// The files of a node whose bytes are there.
fn files(node: &NodePlan) -> impl Iterator<Item = (&TreePath, &[u8])> {
    node.tree.iter().filter_map(|(path, entry)| match &entry.node {
        Node::File(Content::Inline(bytes)) => Some((path, &bytes[..])),
        _ => None,
    })
}

fn wrong(term: &Term, bytes: &[u8], place: &str) -> Vec<Error> {
    let (_, wrong) = term.judge(bytes);
    wrong.into_iter().map(|error| error.context(place)).collect()
}

//! The certificates of a plan, and whether they are valid when they will be used: asked before a byte is written. What
//! comes from a source is not judged, here or by `verify`: a distribution's roots are the distribution's to renew.

use super::nodes::NodePlan;
use super::plan::Plan;
use crate::bounded::Bounded;
use crate::digest::Digest;
use crate::error::{Error, Faults, Result};
use crate::pki::{Held, Term};
use crate::tree::{Content, Node, TreePath};

/// Every certificate of the plan, node by node, and last those of the files for people.
pub fn certificates(plan: &Plan) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    for node in plan.nodes.iter() {
        let node = node?;
        all.extend(contents(&node).flat_map(|(path, _, bytes)| Held::all(Some(&node.name), &path.to_string(), bytes)));
    }
    all.extend(for_people(plan));
    Ok(all)
}

/// Those of the files for people.
pub fn for_people(plan: &Plan) -> impl Iterator<Item = Held> {
    plan.admin.iter().flat_map(|(name, bytes)| Held::all(None, &format!("admin/{name}"), bytes))
}

/// Refuses a plan that has certificates which are not valid, or not for long enough; each of them is named once, at its
/// first place.
pub fn check(plan: &Plan, term: &Term) -> Result<()> {
    let (mut wrong, mut fine): (_, Bounded<Digest, (), FINE>) = (Wrongs::default(), Bounded::default());
    for node in plan.nodes.iter() {
        let node = node?;
        for (path, content, bytes) in contents(&node) {
            // What nodes share is looked at once, if nothing is wrong with it.
            if fine.get(&content.digest()).is_some() {
                continue;
            }
            let before = wrong.count;
            Held::all(Some(&node.name), &path.to_string(), bytes).into_iter().for_each(|held| wrong.look(held, term));
            if wrong.count == before {
                fine.insert(content.digest(), ());
            }
        }
    }
    for_people(plan).for_each(|held| wrong.look(held, term));
    let mut faults = Faults::new();
    wrong.all.into_iter().for_each(|wrong| faults.push(wrong.told(plan)));
    faults.finish(())
}

/// So many contents are remembered: what nodes share comes again and again.
const FINE: usize = 4096;

/// Certificates that are not as they must be.
#[derive(Default)]
struct Wrongs {
    all: Vec<Wrong>,
    // With those that are in several places as often.
    count: usize,
}

impl Wrongs {
    fn look(&mut self, held: Held, term: &Term) {
        let Ok(certificate) = &held.certificate else { return };
        let Err(error) = term.check(certificate) else { return };
        self.count += 1;
        match self.all.iter_mut().find(|known| known.held.certificate.as_ref() == Ok(certificate)) {
            Some(known) => known.more += 1,
            None => self.all.push(Wrong { held, error, more: 0 }),
        }
    }
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
        let node = plan.nodes.outlines().find(|node| node.name == name);
        let path: Option<TreePath> = file.parse().ok();
        match node.zip(path).and_then(|(node, path)| node.places.get(&path)) {
            Some(place) => error.at(place),
            None => error,
        }
    }
}

/// The files of a node whose bytes are there.
fn contents(node: &NodePlan) -> impl Iterator<Item = (&TreePath, &Content, &[u8])> {
    node.tree.iter().filter_map(|(path, entry)| match &entry.node {
        Node::File(content @ Content::Inline(bytes)) => Some((path, content, &bytes[..])),
        _ => None,
    })
}

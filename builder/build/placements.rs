//! Keys of authorities, and kubeconfigs for people, that a profile puts on nodes; by default they are on none.

use std::collections::BTreeMap;

use crate::document::nearest;
use crate::error::{Error, Faults, Place, Result};
use crate::profile::Profile;

/// What is placed where, and what of it was met.
#[derive(Debug)]
pub struct Placements(BTreeMap<(What, String, String), Placed>);

/// What may be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The key of an authority.
    AuthorityKey,
    /// A kubeconfig for people.
    Kubeconfig,
}

#[derive(Debug)]
struct Placed {
    place: Place,
    met: bool,
}

impl Placements {
    /// What the profile places, each with a reason and on nodes that it has.
    pub fn new(profile: &Profile) -> Result<Placements> {
        let mut faults = Faults::new();
        let mut placements = BTreeMap::new();
        let known: Vec<&str> = profile.nodes.iter().map(|node| node.name.as_str()).collect();
        for declared in &profile.declared.pki.placements {
            let (what, name) = match (&declared.authority, &declared.kubeconfig) {
                (Some(name), None) => (What::AuthorityKey, name),
                (None, Some(name)) => (What::Kubeconfig, name),
                _ => {
                    let error = Error::usage("a placement is of one `authority` (its key) or of one `kubeconfig`");
                    faults.push(error.at(&declared.place));
                    continue;
                }
            };
            if declared.reason.trim().is_empty() {
                let error = Error::usage(format!("the placement of `{name}` has no reason"));
                faults.push(error.advise("say why it must be on a machine").at(&declared.place));
            }
            for node in &declared.nodes {
                if !known.contains(&node.as_str()) {
                    let error = Error::usage(format!("the profile has no node `{}`", node.value)).at(&node.place);
                    faults.push(match nearest(node, known.iter().copied()) {
                        Some(near) => error.advise(format!("did you mean `{near}`?")),
                        None => error.advise(format!("it has: {}", known.join(", "))),
                    });
                }
                let placed = Placed { place: node.place.clone(), met: false };
                placements.insert((what, name.clone(), node.value.clone()), placed);
            }
        }
        faults.finish(Placements(placements))
    }

    /// Where it is placed on this node, if it is.
    pub fn find(&mut self, what: What, name: &str, node: &str) -> Option<Place> {
        let placed = self.0.get_mut(&(what, name.to_owned(), node.to_owned()))?;
        placed.met = true;
        Some(placed.place.clone())
    }

    /// Placements of what is not there to be placed.
    pub fn unmet(&self) -> Vec<Error> {
        let unmet = self.0.iter().filter(|(_, placed)| !placed.met);
        let error = |((what, name, node), placed): (&(What, String, String), &Placed)| {
            let (what, has) = match what {
                What::AuthorityKey => ("authority", "a `key` with a path in [[authorities]]"),
                What::Kubeconfig => ("kubeconfig", "`admin` and a `path` in [[kubeconfigs]]"),
            };
            let message = format!("on node {node} no overlay declares the {what} `{name}` with {has}");
            Error::usage(message).advise("check the name, and that the node has the overlay").at(&placed.place)
        };
        unmet.map(error).collect()
    }
}

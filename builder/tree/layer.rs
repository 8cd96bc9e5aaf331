//! [`Layer`]: a part of a node's tree with one audience.

use super::Tree;

/// Whom a layer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// The base system; public.
    Base,
    /// What checks the others before anything starts; public, of one node, and an archive of its own that comes first.
    Guard,
    /// Equal on several nodes; public.
    Common,
    /// Of one node; public.
    Node,
    /// Of one node, and of nobody else.
    Secrets,
}

impl Audience {
    /// The layer's name in files and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Audience::Base => "base",
            Audience::Guard => "guard",
            Audience::Common => "common",
            Audience::Node => "node",
            Audience::Secrets => "secrets",
        }
    }
}

/// A tree with an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Whom it is for.
    pub audience: Audience,
    /// What is in it, parents included.
    pub tree: Tree,
}

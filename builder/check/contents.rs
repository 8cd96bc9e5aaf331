//! The bytes of the files of machines, read once whatever the number of machines that have them.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;

use zeroize::Zeroizing;

use crate::build::NodePlan;
use crate::digest::Digest;
use crate::store::Store;
use crate::tree::{Content, Node, TreePath};

/// The most bytes of a file that is looked into.
const LARGEST: u64 = 1 << 20;
/// So many contents of a path are remembered: machines of a kind have mostly the same, and of kinds there are few.
const KINDS: usize = 4;

/// The small files of some machines.
pub struct Contents<'a> {
    store: &'a Store,
    // What comes from sources, as far as somebody asked for it; none if it cannot be read.
    blobs: BTreeMap<Digest, OnceCell<Option<Zeroizing<Vec<u8>>>>>,
}

impl<'a> Contents<'a> {
    /// Those of these; the store has what comes from sources, as far as it was fetched.
    pub fn of(nodes: &[NodePlan], store: &'a Store) -> Contents<'a> {
        let mut blobs = BTreeMap::new();
        for (_, entry) in nodes.iter().flat_map(|node| node.tree.iter()) {
            if let Node::File(Content::Blob { digest, size: ..=LARGEST }) = &entry.node {
                blobs.entry(*digest).or_default();
            }
        }
        Contents { store, blobs }
    }

    /// The bytes of a small file, if they are here.
    pub fn bytes<'b>(&'b self, content: &'b Content) -> Option<&'b [u8]> {
        if content.size() > LARGEST {
            return None;
        }
        let digest = match content {
            Content::Inline(bytes) => return Some(bytes),
            Content::Blob { digest, .. } => digest,
        };
        let read = || {
            let mut bytes = Zeroizing::new(Vec::new());
            content.open(self.store).ok()?.read_to_end(&mut bytes).ok()?;
            Some(bytes)
        };
        self.blobs.get(digest)?.get_or_init(read).as_ref().map(|bytes| bytes.as_slice())
    }
}

/// What was made of the bytes of the last machines' files, by their paths.
pub struct Recent<'a, T>(BTreeMap<&'a TreePath, VecDeque<(&'a [u8], T)>>);

impl<T> Default for Recent<'_, T> {
    fn default() -> Self {
        Recent(BTreeMap::new())
    }
}

impl<'a, T: Clone> Recent<'a, T> {
    /// What was made of these bytes at this path, or is made now.
    pub fn get(&mut self, path: &'a TreePath, bytes: &'a [u8], make: impl FnOnce() -> T) -> T {
        let known = self.0.entry(path).or_default();
        let made = match known.iter().position(|(own, _)| *own == bytes).and_then(|at| known.remove(at)) {
            Some((_, made)) => made,
            None => make(),
        };
        known.truncate(KINDS - 1);
        known.push_front((bytes, made.clone()));
        made
    }
}

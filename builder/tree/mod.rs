//! A node's file system in memory: a sorted map of path to entry, and the layers that it is delivered in.
//!
//! What lies here is what is written: owners, modes and types are data. Large contents are not here but named by
//! digest and size; a [`Blobs`] opens them when an archive is written.

pub mod layer;
pub mod path;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::error::{Error, Result};

pub use layer::{Audience, Layer};
pub use path::TreePath;

/// The bytes of a file, or how to get them.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Small and made by us: kept in memory, wiped when dropped.
    Inline(Arc<Inline>),
    /// In a [`Blobs`].
    Blob {
        /// SHA-256 of the bytes.
        digest: Digest,
        /// Their number.
        size: u64,
    },
}

impl Content {
    /// These bytes.
    pub fn inline(bytes: impl Into<Vec<u8>>) -> Content {
        Content::Inline(Arc::new(Inline { bytes: Zeroizing::new(bytes.into()), digest: OnceLock::new() }))
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Blob { size, .. } => *size,
        }
    }

    /// The SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        match self {
            Content::Inline(bytes) => bytes.digest(),
            Content::Blob { digest, .. } => *digest,
        }
    }

    /// The bytes, to be read once from the start. A blob fails at its end if it is not what its digest says.
    pub fn open<'a>(&'a self, blobs: &'a dyn Blobs) -> Result<Box<dyn Read + Send + 'a>> {
        match self {
            Content::Inline(bytes) => Ok(Box::new(&bytes[..])),
            Content::Blob { digest, size } => blobs.open(digest, *size),
        }
    }
}

/// Bytes in memory, and their digest once somebody has asked for it.
pub struct Inline {
    bytes: Zeroizing<Vec<u8>>,
    digest: OnceLock<Digest>,
}

impl Inline {
    /// Their SHA-256.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(&self.bytes))
    }
}

impl std::ops::Deref for Inline {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for Inline {
    fn eq(&self, other: &Inline) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Inline {}

/// Never prints the bytes: they may be a key.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Content::Blob { digest, size } => write!(f, "Blob({digest}, {size} bytes)"),
        }
    }
}

/// Where contents are that are not in memory.
pub trait Blobs: Sync {
    /// Opens the blob with this digest and size. The reader must be a
    /// [`PinnedReader`](crate::digest::PinnedReader) or as strict.
    fn open(&self, digest: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>>;
}

/// No blobs at all, for trees whose contents are all in memory.
pub struct NoBlobs;

impl Blobs for NoBlobs {
    fn open(&self, digest: &Digest, _: u64) -> Result<Box<dyn Read + Send + '_>> {
        Err(Error::bug(format!("blob {digest} is in no store")))
    }
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, which is kept as it was written.
    Symlink(String),
}

impl Node {
    /// The type's name, in messages and manifests.
    pub fn name(&self) -> &'static str {
        match self {
            Node::Directory => "directory",
            Node::File(_) => "file",
            Node::Symlink(_) => "symlink",
        }
    }
}

/// Whether something may be seen by anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secrecy {
    /// Anyone.
    Public,
    /// Only the machine that it is for.
    Secret,
}

/// One file, directory or symlink of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub node: Node,
    /// Permission bits, at most 0o7777. A symlink's are 0o777.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Decides the layer.
    pub secrecy: Secrecy,
    /// Whether it goes into the guard's layer, if it is public.
    pub guard: bool,
    /// Who asked for it, in words for a person: an overlay, a source, a line of a profile.
    pub origin: Arc<str>,
}

impl Entry {
    /// A public entry of root's with the usual mode: 0755 for a directory, 0644 for a file, 0777 for a symlink.
    pub fn new(node: Node, origin: impl Into<Arc<str>>) -> Entry {
        let mode = match node {
            Node::Directory => 0o755,
            Node::File(_) => 0o644,
            Node::Symlink(_) => 0o777,
        };
        Entry { node, mode, uid: 0, gid: 0, secrecy: Secrecy::Public, guard: false, origin: origin.into() }
    }

    /// Whether a machine could not tell the two apart: all but the origin is equal.
    pub fn same_on_disk(&self, other: &Entry) -> bool {
        let key = |e: &Entry| (e.mode, e.uid, e.gid, e.secrecy, e.guard);
        key(self) == key(other)
            && match (&self.node, &other.node) {
                (Node::File(a), Node::File(b)) => a.size() == b.size() && a.digest() == b.digest(),
                (a, b) => a == b,
            }
    }
}

/// A file system, sorted bytewise by path. Trees share entries that they have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<TreePath, Arc<Entry>>);

impl Tree {
    /// Nothing in it.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Adds an entry. One that is there already is no fault if it is the same; directories that differ in nothing but
    /// their origin neither. Otherwise both origins are named.
    pub fn insert(&mut self, path: TreePath, entry: impl Into<Arc<Entry>>) -> Result<()> {
        let entry = entry.into();
        if let Some(old) = self.0.get(&path) {
            if old.same_on_disk(&entry) {
                return Ok(());
            }
            let what = match (old.node.name(), entry.node.name()) {
                (a, b) if a != b => format!("a {a} and a {b}"),
                (a, _) if old.node == entry.node => format!(
                    "a {a} with mode {:04o} {}:{} and {:04o} {}:{}",
                    old.mode, old.uid, old.gid, entry.mode, entry.uid, entry.gid
                ),
                (a, _) => format!("a {a} with different contents"),
            };
            let message = format!("{path} is given twice, as {what}: by {} and by {}", old.origin, entry.origin);
            return Err(Error::usage(message));
        }
        self.0.insert(path, entry);
        Ok(())
    }

    /// Adds an entry in the place of one that may be there; gives back the old one.
    pub fn replace(&mut self, path: TreePath, entry: impl Into<Arc<Entry>>) -> Option<Arc<Entry>> {
        self.0.insert(path, entry.into())
    }

    /// Takes an entry out.
    pub fn remove(&mut self, path: &TreePath) -> Option<Arc<Entry>> {
        self.0.remove(path)
    }

    /// The entry at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.0.get(path).map(Arc::as_ref)
    }

    /// The entry at `path`, for another tree.
    pub fn shared(&self, path: &TreePath) -> Option<Arc<Entry>> {
        self.0.get(path).cloned()
    }

    /// The entry at the path that has this text, with the path.
    pub fn at(&self, path: &str) -> Option<(&TreePath, &Entry)> {
        self.0.get_key_value(path).map(|(path, entry)| (path, entry.as_ref()))
    }

    /// The entry at `path`, to be changed.
    pub fn get_mut(&mut self, path: &TreePath) -> Option<&mut Entry> {
        self.0.get_mut(path).map(Arc::make_mut)
    }

    /// All entries in order: bytewise by path, a directory before what is in it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&TreePath, &Entry)> {
        self.0.iter().map(|(path, entry)| (path, entry.as_ref()))
    }

    /// The tree of those entries alone that are kept.
    pub fn filter(&self, keep: impl Fn(&TreePath, &Entry) -> bool) -> Tree {
        let kept = self.0.iter().filter(|(path, entry)| keep(path, entry));
        Tree(kept.map(|(path, entry)| (path.clone(), entry.clone())).collect())
    }

    /// Two trees: of those entries that are asked for, and of the others.
    pub fn split(&self, is_first: impl Fn(&Arc<Entry>) -> bool) -> (Tree, Tree) {
        let (mut first, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (path, entry) in &self.0 {
            let to = if is_first(entry) { &mut first } else { &mut others };
            to.insert(path.clone(), entry.clone());
        }
        (Tree(first), Tree(others))
    }

    /// Adds the entries of another tree, in the place of what may be there.
    pub fn append(&mut self, mut other: Tree) {
        self.0.append(&mut other.0);
    }

    /// As [`Tree::append`], of a tree that stays.
    pub fn extend(&mut self, other: &Tree) {
        self.0.extend(other.0.iter().map(|(path, entry)| (path.clone(), entry.clone())));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the directories that entries lie in and that nobody declared, as `directory` gives them for a path: the
    /// kernel drops a file whose directory did not come before it.
    ///
    /// # Errors
    /// A file or symlink in the place of a directory: what lies below it would go astray.
    pub fn add_parents<E: Into<Arc<Entry>>>(&mut self, directory: impl Fn(&TreePath) -> E) -> Result<()> {
        let mut faults = crate::error::Faults::new();
        let mut missing: BTreeMap<TreePath, Arc<Entry>> = BTreeMap::new();
        for (path, entry) in &self.0 {
            for (depth, parent) in path.parents().enumerate() {
                match self.at(parent) {
                    Some((_, Entry { node: Node::Directory, .. })) => {}
                    Some((parent, other)) => faults.push(Error::policy(format!(
                        "{path} ({}) lies below {parent}, which is a {} ({})",
                        entry.origin,
                        other.node.name(),
                        other.origin
                    ))),
                    None if missing.contains_key(parent) => {}
                    None => missing.extend(path.ancestors().nth(depth).map(|parent| {
                        let entry = directory(&parent).into();
                        (parent, entry)
                    })),
                }
            }
        }
        self.0.extend(missing);
        faults.finish(())
    }
}

impl FromIterator<(TreePath, Entry)> for Tree {
    fn from_iter<I: IntoIterator<Item = (TreePath, Entry)>>(entries: I) -> Tree {
        Tree(entries.into_iter().map(|(path, entry)| (path, Arc::new(entry))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        text.parse().unwrap()
    }

    fn file(bytes: &str, origin: &str) -> Entry {
        Entry::new(Node::File(Content::inline(bytes)), origin)
    }

    #[test]
    fn one_path_one_entry() {
        let mut tree = Tree::new();
        tree.insert(path("/a"), file("x", "one")).unwrap();
        tree.insert(path("/a"), file("x", "two")).unwrap();
        let error = tree.insert(path("/a"), file("y", "three")).unwrap_err().to_string();
        assert!(error.contains("by one and by three"), "{error}");
        assert!(tree.insert(path("/a"), Entry { mode: 0o600, ..file("x", "four") }).is_err());
        assert!(tree.insert(path("/a"), Entry::new(Node::Directory, "five")).is_err());
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn parents_come_first_and_are_directories() {
        let mut tree = Tree::new();
        tree.insert(path("/root/.ssh/key"), file("x", "test")).unwrap();
        let directory = |mode| Entry { mode, ..Entry::new(Node::Directory, "parent") };
        let modes = |path: &TreePath| directory(if path.as_str() == "root" { 0o700 } else { 0o755 });
        tree.add_parents(modes).unwrap();
        let listed: Vec<_> = tree.iter().map(|(path, entry)| (path.as_str().to_owned(), entry.mode)).collect();
        assert_eq!(listed, [("root".into(), 0o700), ("root/.ssh".into(), 0o755), ("root/.ssh/key".into(), 0o644)]);
        tree.replace(path("/root"), Entry::new(Node::Symlink("/home".into()), "test"));
        assert_eq!(tree.add_parents(modes).unwrap_err().class().code(), 8);
    }

    #[test]
    fn no_secret_in_debug() {
        assert!(!format!("{:?}", file("hunter2", "x")).contains("hunter2"));
    }
}

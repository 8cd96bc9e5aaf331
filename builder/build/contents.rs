//! What nodes' files hold, are called and come from: kept once however many nodes have it, and looked into once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use globset::GlobMatcher;

use super::alike::Kinds;
use super::files::glob;
use super::leak;
use crate::bounded::Bounded;
use crate::digest::Digest;
use crate::error::{Place, Result};
use crate::overlay::Remembered;
use crate::tree::{Content, Entry, Inline, Node, Secrecy, TreePath};

/// What several nodes may have.
#[derive(Default)]
pub struct Contents {
    /// What an overlay's files hold, by the numbers of overlay and file and by the syntax that is declared.
    pub rendered: Remembered<(usize, usize, Option<String>), Content>,
    entries: Kinds<TreePath, Entry>,
    // The last contents, as long as a node has them, and those that were looked into last and hold no secret.
    contents: Mutex<Bounded<Digest, Weak<Inline>, LAST>>,
    clean: Mutex<Bounded<Digest, (), LAST>>,
    paths: Mutex<BTreeSet<TreePath>>,
    texts: Mutex<BTreeSet<Arc<str>>>,
    globs: Mutex<BTreeMap<String, GlobMatcher>>,
}

/// So many contents are remembered: what nodes share comes again and again, and what is one node's alone never.
const LAST: usize = 4096;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Contents {
    /// Refuses a public file's entry if it holds a secret.
    pub fn check(&self, path: &TreePath, entry: &Entry) -> Result<()> {
        let (Node::File(content @ Content::Inline(bytes)), Secrecy::Public) = (&entry.node, entry.secrecy) else {
            return Ok(());
        };
        let digest = content.digest();
        if lock(&self.clean).get(&digest).is_none() {
            leak::check(path, entry, bytes)?;
            lock(&self.clean).insert(digest, ());
        }
        Ok(())
    }

    /// The same entry, of what is kept already where that is the same.
    pub fn entry(&self, path: &TreePath, entry: Entry) -> Arc<Entry> {
        let node = match entry.node {
            Node::File(Content::Inline(bytes)) => Node::File(Content::Inline(self.bytes(bytes))),
            node => node,
        };
        self.entries.one(path.clone(), Entry { node, origin: self.text(entry.origin), ..entry })
    }

    fn bytes(&self, bytes: Arc<Inline>) -> Arc<Inline> {
        let digest = bytes.digest();
        let mut contents = lock(&self.contents);
        if let Some(known) = contents.get(&digest).and_then(Weak::upgrade) {
            return known;
        }
        contents.insert(digest, Arc::downgrade(&bytes));
        bytes
    }

    /// The same text.
    pub fn text(&self, text: Arc<str>) -> Arc<str> {
        one(&self.texts, text)
    }

    /// The same path.
    pub fn path(&self, path: TreePath) -> TreePath {
        one(&self.paths, path)
    }

    /// A glob of absolute paths, compiled.
    pub fn glob(&self, pattern: &str, place: &Place) -> Result<GlobMatcher> {
        if let Some(known) = lock(&self.globs).get(pattern) {
            return Ok(known.clone());
        }
        let made = glob(pattern, place)?;
        lock(&self.globs).insert(pattern.to_owned(), made.clone());
        Ok(made)
    }
}

/// The one of these that is equal, which this is from now on if there was none.
fn one<T: Ord + Clone>(known: &Mutex<BTreeSet<T>>, new: T) -> T {
    let mut known = lock(known);
    match known.get(&new) {
        Some(known) => known.clone(),
        None => {
            known.insert(new.clone());
            new
        }
    }
}

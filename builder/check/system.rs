//! A machine's whole system on the disk, for programs of its base that look at its files: the base and what is laid on it.

use std::io;
use std::path::{Path, PathBuf};

use super::subject::Machine;
use crate::build::base::{Layered, Rootfs};
use crate::build::place::usual_directory;
use crate::disk::{self, StagedDirectory};
use crate::epoch;
use crate::error::{Error, Result};
use crate::sandbox::Hidden;
use crate::store::Store;
use crate::tree::{Blobs, Content, Entry, Node, Secrecy, Tree, TreePath};

/// What must be there for something to be mounted on it.
const MOUNTED: [&str; 5] = ["dev", "proc", "run", "tmp", "var"];
/// What may be written to, and so shares no file with another system.
pub const WRITTEN: [&str; 2] = ["run", "var"];
/// What nobody who looks at a configuration needs, and is large.
const LEFT_OUT: [&str; 3] = ["var/cache", "var/lib/apt", "var/lib/dpkg"];

/// A base on the disk, from which any number of systems are made. It is gone when its value is.
pub struct Laid<'a> {
    directory: StagedDirectory,
    rootfs: &'a Rootfs,
    store: &'a Store,
}

impl<'a> Laid<'a> {
    /// Lays a base in a private directory below `TMPDIR`.
    pub fn new(rootfs: &'a Rootfs, store: &'a Store) -> Result<Laid<'a>> {
        let directory = StagedDirectory::in_directory(&epoch::temporary_directory())?;
        let laid = Laid { directory, rootfs, store };
        lay(&rootfs.tree, laid.directory.path(), &laid.blobs(), &|_, _| None)?;
        Ok(laid)
    }

    fn blobs(&self) -> Layered<'_> {
        Layered { store: self.store, rootfs: std::slice::from_ref(&self.rootfs) }
    }

    /// The system of a machine, in a private directory of its own. Every file is ours, with its own mode; those of the base have
    /// one more name here.
    pub fn system(&self, machine: &Machine<'_>) -> Result<StagedDirectory> {
        let mut tree = self.rootfs.tree.clone();
        for (path, entry) in machine.plan.tree.iter() {
            tree.replace(path.clone(), entry.clone());
        }
        // What lies behind a link would be written elsewhere; that is refused here.
        tree.add_parents(usual_directory)?;
        let directory = StagedDirectory::in_directory(&epoch::temporary_directory())?;
        let of_base = |path: &TreePath, entry: &Entry| {
            let is_written = WRITTEN.iter().any(|top| is_beneath(path, top));
            let same = self.rootfs.tree.get(path).is_some_and(|own| own.same_on_disk(entry));
            (same && !is_written).then(|| self.directory.path().join(path.as_str()))
        };
        lay(&tree, directory.path(), &self.blobs(), &of_base)?;
        Ok(directory)
    }
}

fn is_beneath(path: &TreePath, top: &str) -> bool {
    path.as_str().strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The secret files of a machine's system, which lie there empty.
pub fn secrets<'a>(machine: &'a Machine<'_>) -> Vec<Hidden<'a>> {
    let secret = |(path, entry): (&'a TreePath, &'a Entry)| match &entry.node {
        Node::File(Content::Inline(bytes)) if entry.secrecy == Secrecy::Secret => {
            Some(Hidden { path: path.as_str(), mode: entry.mode, bytes })
        }
        _ => None,
    };
    machine.plan.tree.iter().filter_map(secret).collect()
}

/// Lays a tree; of a file for which `twin` has a path, only a name; of a secret one, nothing that it has.
fn lay(tree: &Tree, to: &Path, blobs: &dyn Blobs, twin: &dyn Fn(&TreePath, &Entry) -> Option<PathBuf>) -> Result<()> {
    for (path, entry) in tree.iter().filter(|(path, _)| !LEFT_OUT.iter().any(|top| is_beneath(path, top))) {
        let at = to.join(path.as_str());
        match &entry.node {
            Node::Directory => disk::lay::directory(&at, entry.mode)?,
            Node::Symlink(target) => disk::lay::symlink(target, &at)?,
            Node::File(content) => match twin(path, entry) {
                Some(twin) => disk::lay::link(&twin, &at)?,
                None if entry.secrecy == Secrecy::Secret => drop(disk::lay::file(&at, entry.mode)?),
                None => {
                    let mut file = disk::lay::file(&at, entry.mode)?;
                    let copied = io::copy(&mut content.open(blobs)?, &mut file);
                    copied.map_err(|error| Error::io("writing", &at, error))?;
                }
            },
        }
    }
    for name in MOUNTED {
        let at = to.join(name);
        if disk::kind(&at)?.is_none() {
            disk::lay::directory(&at, 0o755)?;
        }
    }
    Ok(())
}

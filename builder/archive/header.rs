//! [`Header`]: all that an archive says about one entry, apart from its contents.

use crate::epoch::Epoch;
use crate::tree::{Entry, Node, TreePath};

/// What bytes say, or why they say nothing; the reader adds where.
pub(super) type Parsed<T> = std::result::Result<T, String>;

/// One entry of an archive, as it is written and as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub kind: HeaderKind,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Modification time, in seconds since 1970.
    pub mtime: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// The number of bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, literally.
        target: String,
    },
}

impl Header {
    /// The header of a tree's entry.
    pub(super) fn of(path: &TreePath, entry: &Entry, mtime: Epoch) -> Header {
        let kind = match &entry.node {
            Node::Directory => HeaderKind::Directory,
            Node::File(content) => HeaderKind::File { size: content.size() },
            Node::Symlink(target) => HeaderKind::Symlink { target: target.clone() },
        };
        let Entry { mode, uid, gid, .. } = *entry;
        Header { path: path.clone(), kind, mode, uid, gid, mtime: mtime.seconds() }
    }

    /// The number of bytes of a regular file; 0 for anything else.
    pub fn size(&self) -> u64 {
        match self.kind {
            HeaderKind::File { size } => size,
            HeaderKind::Directory | HeaderKind::Symlink { .. } => 0,
        }
    }
}

//! What a container cannot represent. Asked before a byte is written, and again of every header that is read.

use super::format::Container;
use super::header::{Header, HeaderKind};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result};
use crate::tree::{Entry, Node, Tree, TreePath};

/// The longest symlink target that Linux makes (`PATH_MAX` without the NUL).
const LONGEST_TARGET: usize = 4095;
/// The name that ends a cpio archive.
pub(super) const TRAILER: &str = "TRAILER!!!";

/// The first value of each kind that does not fit.
struct Limits {
    size: u64,
    owner: u64,
    mtime: u64,
}

impl Limits {
    fn of(container: Container) -> Limits {
        match container {
            // Eleven octal digits for size and mtime, seven for owners. Beyond them GNU has base 256 and pax has
            // records, which readers disagree about.
            Container::Tar => Limits { size: 1 << 33, owner: 1 << 21, mtime: 1 << 33 },
            // Eight hexadecimal digits. The kernel takes the owner 0xffffffff as "leave it".
            Container::Cpio => Limits { size: 1 << 32, owner: 0xffff_ffff, mtime: 1 << 32 },
        }
    }
}

/// Everything in the tree that this container cannot represent: sizes, owners, times, names, symlinks, and entries whose
/// directory is not in the tree, which the kernel would drop without a word. Paths need no check here: a [`TreePath`] is
/// never longer than what the kernel resolves.
///
/// # Errors
/// Class Policy: all of them at once, each with who asked for it.
pub fn check(tree: &Tree, container: Container, mtime: Epoch) -> Result<()> {
    let mut faults = Faults::new();
    if let Some(why) = mtime_fault(mtime.seconds(), container) {
        faults.push(Error::policy(why).advise("choose an earlier `mtime`"));
    }
    for (path, entry) in tree.iter() {
        let wrong = header_faults(&Header::of(path, entry, mtime), container);
        for why in wrong.into_iter().chain(orphan(tree, path)) {
            faults.push(Error::policy(format!("{path} ({}) {why}", entry.origin)));
        }
    }
    faults.finish(())
}

/// Why this time cannot be written, if it cannot.
pub(super) fn mtime_fault(seconds: u64, container: Container) -> Option<String> {
    let last = Limits::of(container).mtime - 1;
    (seconds > last).then(|| format!("the modification time {seconds} is beyond {}'s last, {last}", container.name()))
}

/// Why this header, its time apart, cannot be written; nothing if it can.
pub(super) fn header_faults(header: &Header, container: Container) -> Vec<String> {
    let limits = Limits::of(container);
    let name = container.name();
    let mut faults = Vec::new();
    for (what, id) in [("owner", header.uid), ("group", header.gid)] {
        if u64::from(id) >= limits.owner {
            faults.push(format!("has the {what} {id}; {name} holds at most {}", limits.owner - 1));
        }
    }
    if header.mode > 0o7777 {
        faults.push(format!("has the mode {:o}; at most 7777 is a mode", header.mode));
    }
    if header.size() >= limits.size {
        faults.push(format!("has {} bytes; {name} holds at most {}", header.size(), limits.size - 1));
    }
    if container == Container::Cpio && header.path.as_str() == TRAILER {
        faults.push("has the name that ends a cpio archive: everything after it would be lost".into());
    }
    if let HeaderKind::Symlink { target } = &header.kind {
        faults.extend(symlink_faults(target, header.mode));
    }
    faults
}

fn symlink_faults(target: &str, mode: u32) -> Vec<String> {
    let mut faults = Vec::new();
    if target.is_empty() {
        faults.push("is a symlink to nothing".into());
    }
    if target.len() > LONGEST_TARGET {
        faults.push(format!("is a symlink to {} bytes; Linux takes {LONGEST_TARGET}", target.len()));
    }
    if target.chars().any(char::is_control) {
        faults.push("is a symlink to a path with a control character".into());
    }
    if mode != 0o777 {
        faults.push(format!("is a symlink with the mode {mode:04o}; Linux gives every symlink 0777"));
    }
    faults
}

/// Why there is no directory to put this in, if there is none.
fn orphan(tree: &Tree, path: &TreePath) -> Option<String> {
    let parent = path.parent()?;
    match tree.get(&parent) {
        Some(Entry { node: Node::Directory, .. }) => None,
        Some(other) => Some(format!("lies below {parent}, which is a {}", other.node.name())),
        None => Some(format!("has no directory: {parent} is not in the tree")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::tree::Content;

    fn file(size: u64) -> Entry {
        Entry::new(Node::File(Content::Blob { digest: Digest::of(b""), size }), "test")
    }

    fn lone(path: &str, entry: Entry) -> Tree {
        Tree::from_iter([(path.parse().unwrap(), entry)])
    }

    fn fits(tree: &Tree, container: Container) -> bool {
        match check(tree, container, Epoch::FILES) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.class().code(), 8);
                false
            }
        }
    }

    #[test]
    fn the_last_that_fits_and_the_first_that_does_not() {
        use Container::{Cpio, Tar};
        for (container, size) in [(Tar, 1 << 33), (Cpio, 1 << 32)] {
            assert!(fits(&lone("/x", file(size - 1)), container));
            assert!(!fits(&lone("/x", file(size)), container));
            assert!(!fits(&lone("/x", file(size + 1)), container));
        }
        for (container, id) in [(Tar, 1 << 21), (Cpio, u32::MAX)] {
            assert!(fits(&lone("/x", Entry { uid: id - 1, gid: id - 1, ..file(0) }), container));
            assert!(!fits(&lone("/x", Entry { uid: id, ..file(0) }), container));
            assert!(!fits(&lone("/x", Entry { gid: id, ..file(0) }), container));
        }
        for (container, mtime) in [(Tar, 1 << 33), (Cpio, 1 << 32)] {
            let at = |seconds| check(&lone("/x", file(0)), container, Epoch::from_seconds(seconds).unwrap());
            assert!(at(mtime - 1).is_ok() && at(0).is_ok());
            assert_eq!(at(mtime).unwrap_err().class().code(), 8);
        }
        for container in [Tar, Cpio] {
            assert!(fits(&lone("/x", Entry { mode: 0o7777, ..file(0) }), container));
            assert!(!fits(&lone("/x", Entry { mode: 0o10000, ..file(0) }), container));
            let link = |target: &str| Entry::new(Node::Symlink(target.into()), "test");
            assert!(fits(&lone("/x", link(&"t".repeat(4095))), container));
            for wrong in ["", "a\0b", "a\nb", &"t".repeat(4096)] {
                assert!(!fits(&lone("/x", link(wrong)), container), "{wrong:?}");
            }
            assert!(!fits(&lone("/x", Entry { mode: 0o644, ..link("y") }), container));
            assert!(!fits(&lone("/a/x", file(0)), container));
        }
        assert!(fits(&lone("/TRAILER!!!", file(0)), Tar));
        assert!(!fits(&lone("/TRAILER!!!", file(0)), Cpio));
    }

    #[test]
    fn all_faults_at_once() {
        let mut tree = lone("/a", Entry { uid: u32::MAX, gid: u32::MAX, ..file(1 << 32) });
        tree.replace("/a/b".parse().unwrap(), file(0));
        tree.replace("/TRAILER!!!".parse().unwrap(), file(0));
        let error = check(&tree, Container::Cpio, Epoch::from_seconds(1 << 32).unwrap()).unwrap_err();
        assert_eq!(error.faults().len(), 6, "{error}");
        assert!(error.to_string().contains("/a/b (test) lies below /a, which is a file"), "{error}");
    }
}

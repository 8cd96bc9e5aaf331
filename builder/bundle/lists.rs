//! The two lists that every layer carries of itself in [`LISTS`], for a check on the machine with what any base has:
//!
//! - `LAYER.sha256`, a line `HEX  PATH` for every file but this list itself: `sha256sum -c` reads it in `/`.
//! - `LAYER.entries`, a line `MODE UID GID PATH` for every entry but the two lists, in the layer's order; a symlink's ends
//!   with a tab and its target. MODE is the raw mode in hexadecimal, as `stat -c %f` prints it (stat(2): type and
//!   permission bits).
//!
//! The second is a file of the first, so one digest, that of `LAYER.sha256`, stands for all of a layer. The kernel's
//! command line carries it as `mastermold.LAYER=HEX`.

use super::{FileRecord, FileType};
use crate::tree::{Audience, Entry, Node, TreePath};

/// Where every layer keeps its lists.
pub const LISTS: &str = "/usr/lib/mastermold";

/// The path of a layer's list of digests.
pub fn sums_path(layer: Audience) -> String {
    format!("{LISTS}/{}.sha256", layer.name())
}

/// The path of a layer's list of entries.
pub fn entries_path(layer: Audience) -> String {
    format!("{LISTS}/{}.entries", layer.name())
}

/// Whether a path is one of a layer's own lists.
pub fn is_list(path: &TreePath, layer: Audience) -> bool {
    let text = path.to_string();
    text == sums_path(layer) || text == entries_path(layer)
}

/// Whether an absolute path is one of the lists that any layer carries of itself.
pub fn is_any_list(path: &str) -> bool {
    use Audience::{Base, Common, Guard, Node, Secrets};
    [Base, Guard, Common, Node, Secrets].iter().any(|layer| path == sums_path(*layer) || path == entries_path(*layer))
}

/// The line of an entry in a layer's list of entries.
pub fn entry_line(path: &TreePath, entry: &Entry) -> String {
    let (kind, target) = match &entry.node {
        Node::Directory => (FileType::Directory, None),
        Node::File(_) => (FileType::File, None),
        Node::Symlink(target) => (FileType::Symlink, Some(target.as_str())),
    };
    line(path, kind, entry.mode, (entry.uid, entry.gid), target)
}

/// The line of an entry in a layer's list of entries, by what a manifest records of it; none if its mode is no number.
pub fn record_line(record: &FileRecord) -> Option<String> {
    let FileRecord { path, kind, mode, uid, gid, target, .. } = record;
    Some(line(path, *kind, u32::from_str_radix(mode, 8).ok()?, (*uid, *gid), target.as_deref()))
}

fn line(path: &TreePath, kind: FileType, mode: u32, (uid, gid): (u32, u32), target: Option<&str>) -> String {
    let raw = mode
        | match kind {
            FileType::Directory => 0o040_000,
            FileType::File => 0o100_000,
            FileType::Symlink => 0o120_000,
        };
    let target = target.map_or_else(String::new, |target| format!("\t{target}"));
    format!("{raw:x} {uid} {gid} {}{target}\n", path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    #[test]
    fn lines_are_what_stat_says() {
        let path: TreePath = "/a b".parse().unwrap();
        let line = |entry: &Entry| {
            let record = FileRecord::of(&path, entry, Audience::Node);
            assert_eq!(record_line(&record).unwrap(), entry_line(&path, entry));
            entry_line(&path, entry)
        };
        // As `stat -c '%f %u %g %n'` prints them.
        assert_eq!(line(&Entry::new(Node::File(Content::inline("x")), "t")), "81a4 0 0 a b\n");
        assert_eq!(line(&Entry { mode: 0o1777, ..Entry::new(Node::Directory, "t") }), "43ff 0 0 a b\n");
        let link = Entry { uid: 7, gid: 8, ..Entry::new(Node::Symlink("../c d".into()), "t") };
        assert_eq!(line(&link), "a1ff 7 8 a b\t../c d\n");
    }
}

//! [`Facts`]: what a base system has, as far as it matters to what is laid on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Faults, Place, Result};
use crate::tree::{Entry, Node, Tree, TreePath};

/// What is at a path of the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A directory, with its mode, owner and group.
    Directory(u32, u32, u32),
    /// A file; `shared` if it has several names, all of which would change with one.
    File {
        /// Whether it has several names.
        shared: bool,
    },
    /// A symlink and its target.
    Symlink(String),
}

/// A base system: its paths, its users and groups, and what it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    things: BTreeMap<TreePath, Thing>,
    /// The numbers of its users, by name.
    pub users: BTreeMap<String, u32>,
    /// The numbers of its groups, by name.
    pub groups: BTreeMap<String, u32>,
    /// The bytes of its files.
    pub bytes: u64,
    /// How many entries it has.
    pub entries: u64,
}

impl Facts {
    /// Adds what is at a path; a later one is laid over an earlier one.
    pub fn add(&mut self, path: TreePath, thing: Thing, size: u64) {
        self.things.insert(path, thing);
        self.bytes += size;
        self.entries += 1;
    }

    /// Takes the names of passwd(5) or group(5): the third field is the number.
    pub fn names(text: &str) -> BTreeMap<String, u32> {
        let name = |line: &str| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        };
        text.lines().filter_map(name).collect()
    }

    /// The base's directory at a path, as an entry that changes nothing of it.
    pub fn directory(&self, path: &TreePath) -> Option<Entry> {
        match self.things.get(path)? {
            Thing::Directory(mode, uid, gid) => {
                let entry = Entry::new(Node::Directory, "parent directory");
                Some(Entry { mode: *mode, uid: *uid, gid: *gid, ..entry })
            }
            _ => None,
        }
    }

    /// What the base has at a path.
    pub fn thing(&self, path: &str) -> Option<&Thing> {
        self.things.get(path)
    }

    /// Whether the base has something at a path.
    pub fn has(&self, path: &TreePath) -> bool {
        self.things.contains_key(path)
    }

    /// Whether a kernel that unpacks the tree over the base gets what both say. Where it would replace a link by a
    /// directory, drop an entry without a word or change a file under another name, it is refused (init/initramfs.c of
    /// Linux).
    pub fn check(&self, tree: &Tree, places: &BTreeMap<TreePath, Place>) -> Result<()> {
        let mut faults = Faults::new();
        let mut told = BTreeSet::new();
        for (path, entry) in tree.iter() {
            let Err(error) = self.check_entry(path, entry) else { continue };
            // A parent that nobody declared is told with what is in it.
            let placed = places
                .get(path)
                .or_else(|| places.iter().find(|(below, _)| below.is_beneath(path)).map(|(_, place)| place));
            if told.insert(error.to_string()) {
                faults.push(placed.map_or(error.clone(), |place| error.at(place)));
            }
        }
        faults.finish(())
    }

    fn check_entry(&self, path: &TreePath, entry: &Entry) -> Result<()> {
        let origin = &entry.origin;
        for above in path.ancestors() {
            match self.things.get(&above) {
                Some(Thing::Symlink(target)) => return Err(through(path, &above, target)),
                Some(Thing::File { .. }) => {
                    return Err(Error::policy(format!("{path} ({origin}) lies below {above}, a file of the base")));
                }
                _ => {}
            }
        }
        match (&entry.node, self.things.get(path)) {
            (Node::Directory, Some(Thing::Symlink(target))) => Err(through(path, path, target)),
            (Node::Directory, Some(Thing::File { .. })) => {
                Err(Error::policy(format!("{path} ({origin}) is a directory, and a file in the base")))
            }
            (Node::File(_) | Node::Symlink(_), Some(Thing::Directory(..))) => {
                let message = format!("{path} ({origin}) is a {}, and a directory in the base", entry.node.name());
                Err(Error::policy(message).advise("the kernel would drop it without a word: choose another path"))
            }
            (Node::File(_), Some(Thing::File { shared: true })) => {
                let message = format!("{path} ({origin}) replaces a file of the base that has other names too");
                Err(Error::policy(message).advise("the kernel would change it under all of them: choose another path"))
            }
            _ => Ok(()),
        }
    }
}

/// An entry at or below a link of the base, which the entry's directory would replace.
fn through(path: &TreePath, link: &TreePath, target: &str) -> Error {
    let message = format!("{path} would put a directory in the place of {link}, a symlink to {target} in the base");
    Error::policy(message).advise(format!("write the path through the link: below {target}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        let mut add = |path: &str, thing| facts.add(path.parse().unwrap(), thing, 3);
        add("/usr", Thing::Directory(0o755, 0, 0));
        add("/var/lib/x", Thing::Directory(0o700, 7, 8));
        add("/lib", Thing::Symlink("usr/lib".into()));
        add("/usr/perl", Thing::File { shared: true });
        add("/usr/a", Thing::File { shared: false });
        facts
    }

    fn check(path: &str, node: Node) -> Result<()> {
        let mut tree = Tree::new();
        tree.insert(path.parse().unwrap(), Entry::new(node, "test")).unwrap();
        facts().check(&tree, &BTreeMap::new())
    }

    #[test]
    fn what_a_kernel_would_drop_or_destroy_is_refused() {
        let file = || Node::File(Content::inline("x"));
        for (path, node) in [
            ("/lib", Node::Directory),
            ("/lib/x", file()),
            ("/usr/a/b", file()),
            ("/usr/a", Node::Directory),
            ("/var/lib/x", file()),
            ("/var/lib/x", Node::Symlink("y".into())),
            ("/usr/perl", file()),
        ] {
            assert_eq!(check(path, node).unwrap_err().class().code(), 8, "{path}");
        }
        for (path, node) in [
            ("/lib", Node::Symlink("usr/lib64".into())),
            ("/library", file()),
            ("/usr", Node::Directory),
            ("/usr/a", file()),
            ("/usr/perl", Node::Symlink("x".into())),
            ("/var/lib/x/y", file()),
        ] {
            check(path, node).unwrap();
        }
    }

    #[test]
    fn directories_and_names() {
        let directory = facts().directory(&"/var/lib/x".parse().unwrap()).unwrap();
        assert_eq!((directory.mode, directory.uid, directory.gid), (0o700, 7, 8));
        assert!(facts().directory(&"/lib".parse().unwrap()).is_none());
        let names = Facts::names("root:x:0:0:root:/root:/bin/sh\n# no\netcd:x:100:101::/:\nbad:x:y\n");
        assert_eq!(names, BTreeMap::from([("root".into(), 0), ("etcd".into(), 100)]));
    }
}

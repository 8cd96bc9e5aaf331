//! Putting entries into a node's tree: the one way, so that the rules hold for everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::contents::Contents;
use crate::error::{Error, Faults, Place, Result};
use crate::tree::{Entry, Node, Secrecy, Tree, TreePath};

/// Directories that are symlinks on a merged machine (Debian since 12, Fedora, systemd's own rule), and where they
/// point: an archive entry for one of them would destroy the link, and the machine with it.
const MERGED: [(&str, &str); 6] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("var/run", "run"),
    ("var/lock", "run/lock"),
];

/// The bits that are refused without a reason: set-uid, set-gid, and writable by all.
const UNSAFE_BITS: u32 = 0o6002;

/// A node's tree as it grows.
pub struct Placing {
    contents: Arc<Contents>,
    tree: Tree,
    // Who may be replaced by whom: the place where each path was declared.
    places: BTreeMap<TreePath, Place>,
    usr_merge: bool,
    guard: bool,
}

impl Placing {
    /// Nothing placed yet. With `usr_merge`, paths below /bin, /lib and so on go where those links lead.
    pub fn new(usr_merge: bool, contents: Arc<Contents>) -> Placing {
        Placing { contents, tree: Tree::new(), places: BTreeMap::new(), usr_merge, guard: false }
    }

    /// What is put from now on is of the guard, or is not.
    pub fn for_guard(&mut self, guard: bool) {
        self.guard = guard;
    }

    /// Puts an entry at a path; one that is there already and differs is an error unless `overrides`. A public file is
    /// looked into for secrets.
    pub fn put(&mut self, path: &TreePath, entry: Entry, overrides: bool, place: &Place) -> Result<()> {
        self.contents.check(path, &entry).map_err(|error| error.at(place))?;
        self.put_vouched(path, entry, overrides, place)
    }

    /// As [`Placing::put`], for what someone gave a reason for that it is no secret.
    pub fn put_vouched(&mut self, path: &TreePath, mut entry: Entry, overrides: bool, place: &Place) -> Result<()> {
        entry.guard |= self.guard;
        self.check(path, &entry).map_err(|error| error.at(place))?;
        let path = self.contents.path(self.resolve(path)?);
        let entry = self.contents.entry(&path, entry);
        if overrides {
            self.tree.replace(path.clone(), entry);
        } else {
            let advice = "say `override = true` in the later overlay if that is meant";
            self.tree.insert(path.clone(), entry).map_err(|error| error.at(place).advise(advice))?;
        }
        self.places.insert(path, place.clone());
        Ok(())
    }

    fn check(&self, path: &TreePath, entry: &Entry) -> Result<()> {
        let is_link = matches!(entry.node, Node::Symlink(_));
        if entry.secrecy == Secrecy::Secret
            && !is_link
            && entry.mode & 0o077 != 0
            && matches!(entry.node, Node::File(_))
        {
            let message = format!(
                "{path} ({}) is secret, and mode {:04o} lets others than its owner at it",
                entry.origin, entry.mode
            );
            return Err(Error::policy(message).advise("take a mode like \"0600\" or \"0400\""));
        }
        if let Node::Symlink(target) = &entry.node
            && (target.is_empty() || target.len() > 4095 || target.chars().any(char::is_control))
        {
            let message =
                format!("the target of {path} ({}) is empty, too long or holds a control character", entry.origin);
            return Err(Error::policy(message));
        }
        Ok(())
    }

    /// The path with the merged directories followed.
    fn resolve(&self, path: &TreePath) -> Result<TreePath> {
        let text = path.as_str();
        for (link, target) in MERGED.iter().filter(|_| self.usr_merge) {
            if text == *link {
                let message =
                    format!("{path} is a symlink to /{target} on a machine; an entry for it would destroy the link");
                return Err(Error::policy(message).advise("leave it out, or say `usr-merge = false` in [cluster]"));
            }
            if let Some(below) = text.strip_prefix(link).and_then(|rest| rest.strip_prefix('/')) {
                return TreePath::from_relative(&format!("{target}/{below}"));
            }
        }
        Ok(path.clone())
    }

    /// The entry at a path as it was given, merged directories followed.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.tree.get(&self.resolve(path).ok()?)
    }

    /// What is placed so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The finished tree, every parent in it as `parents` says, and where each path was declared.
    pub fn finish(
        mut self,
        case_sensitive: bool,
        parents: &dyn Fn(&TreePath) -> Entry,
    ) -> Result<(Tree, BTreeMap<TreePath, Place>)> {
        let mut faults = Faults::new();
        let contents = &self.contents;
        faults.note(self.tree.add_parents(|path| contents.entry(path, parents(path))));
        if !case_sensitive {
            self.find_case_twins(&mut faults);
        }
        faults.finish((self.tree, self.places))
    }

    fn find_case_twins(&self, faults: &mut Faults) {
        let mut seen: BTreeMap<String, &TreePath> = BTreeMap::new();
        for (path, _) in self.tree.iter() {
            if let Some(twin) = seen.insert(path.as_str().to_lowercase(), path) {
                let error = Error::usage(format!("{twin} and {path} differ in nothing but the case of letters"));
                let error = error.advise("rename one; if both are meant, say `case-sensitive = true` in [cluster]");
                faults.push(match self.places.get(path) {
                    Some(place) => error.at(place),
                    None => error,
                });
            }
        }
    }
}

/// A directory that nobody declared: 0755, but what every system has otherwise stays so.
pub fn usual_directory(path: &TreePath) -> Entry {
    let mode = match path.as_str() {
        "root" => 0o700,
        "tmp" | "var/tmp" => 0o1777,
        _ => 0o755,
    };
    Entry { mode, ..Entry::new(Node::Directory, "parent directory") }
}

/// Refuses set-uid, set-gid and world-writable bits that no reason was given for.
pub fn check_mode(path: &str, mode: u32, is_directory: bool, reason: Option<&String>, place: &Place) -> Result<()> {
    let sticky_directory = is_directory && mode & 0o1000 != 0;
    let bits = if sticky_directory { 0o6000 } else { UNSAFE_BITS };
    if mode & bits == 0 || reason.is_some_and(|reason| !reason.trim().is_empty()) {
        return Ok(());
    }
    let message = format!("mode {mode:04o} of {path} is set-uid, set-gid or writable by all");
    Err(Error::policy(message).advise("if it must be, give the reason: `unsafe-mode = \"...\"`").at(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    fn placing() -> Placing {
        Placing::new(true, Arc::default())
    }

    fn place() -> Place {
        Place { file: "overlay.toml".into(), line: 1, column: 1 }
    }

    fn put(placing: &mut Placing, path: &str, entry: Entry) -> Result<()> {
        placing.put(&path.parse().unwrap(), entry, false, &place())
    }

    fn file(text: &str) -> Entry {
        Entry::new(Node::File(Content::inline(text)), "test")
    }

    #[test]
    fn merged_directories_are_followed_and_never_written() {
        let mut placing = placing();
        put(&mut placing, "/lib/systemd/system/a.service", file("a")).unwrap();
        put(&mut placing, "/var/run/x", file("x")).unwrap();
        put(&mut placing, "/library/x", file("x")).unwrap();
        assert_eq!(put(&mut placing, "/bin", Entry::new(Node::Directory, "test")).unwrap_err().class().code(), 8);
        assert!(put(&mut placing, "/usr/lib/systemd/system/a.service", file("b")).is_err());
        let (tree, _) = placing.finish(false, &usual_directory).unwrap();
        let paths: Vec<_> = tree.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "library",
                "library/x",
                "run",
                "run/x",
                "usr",
                "usr/lib",
                "usr/lib/systemd",
                "usr/lib/systemd/system",
                "usr/lib/systemd/system/a.service"
            ]
        );
    }

    #[test]
    fn secrets_stay_where_they_belong() {
        let mut placing = placing();
        let key = concat!(
            "-----BEGIN EC PRIVATE KEY-----\n",
            "MHcCAQEEIJdPWqwxGDNmFr0RtqZ6cRd0FEgRZhuRYXqX6VTxo0oAoGCCqGSM49\n"
        );
        assert_eq!(put(&mut placing, "/a", file(key)).unwrap_err().class().code(), 8);
        let vouched = placing.put_vouched(&"/vouched".parse().unwrap(), file(key), false, &place());
        vouched.unwrap();
        let secret = Entry { secrecy: Secrecy::Secret, mode: 0o600, ..file(key) };
        assert_eq!(put(&mut placing, "/a", Entry { mode: 0o640, ..secret.clone() }).unwrap_err().class().code(), 8);
        put(&mut placing, "/a", secret).unwrap();
    }

    #[test]
    fn twins_in_case_are_told() {
        let mut placing = placing();
        put(&mut placing, "/usr/bin/Tool", file("a")).unwrap();
        put(&mut placing, "/usr/bin/tool", file("a")).unwrap();
        assert!(placing.finish(false, &usual_directory).unwrap_err().to_string().contains("the case of letters"));
    }

    #[test]
    fn unsafe_bits_need_a_reason() {
        let check = |mode, directory, reason: Option<&str>| {
            check_mode("/x", mode, directory, reason.map(str::to_owned).as_ref(), &place())
        };
        for mode in [0o4755, 0o2755, 0o0666, 0o1777] {
            assert_eq!(check(mode, false, None).unwrap_err().class().code(), 8, "{mode:o}");
            assert_eq!(check(mode, false, Some(" ")).unwrap_err().class().code(), 8, "{mode:o}");
            assert!(check(mode, false, Some("because")).is_ok());
        }
        assert!(check(0o1777, true, None).is_ok() && check(0o777, true, None).is_err());
    }
}

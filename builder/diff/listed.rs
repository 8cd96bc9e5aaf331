//! What is secret in a tree that no manifest describes, by the lists in it: the files that a secrets layer lists as its
//! own, and the lists themselves, for the digest of a secret may give it away. Modes are no help where they were lost.

use std::path::Path;

use crate::bundle::lists::{entries_path, sums_path};
use crate::bundle::{MANIFEST, SUMS};
use crate::disk;
use crate::tree::Audience;

/// The root, without a slash behind it, of the tree that a secrets layer's list of entries is of; none if the path is
/// of no such list.
pub fn root_of(path: &str) -> Option<&str> {
    path.strip_suffix(&entries_path(Audience::Secrets))
}

/// The paths in a list of entries: `MODE UID GID PATH`, and behind a tab the target of a symlink.
pub fn paths(list: &[u8], root: &str) -> Vec<String> {
    let lines = list.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let path = |line: &str| {
        let path = line.splitn(4, ' ').nth(3)?;
        Some(format!("{root}/{}", path.split('\t').next().unwrap_or(path)))
    };
    lines.filter_map(|line| path(&line)).collect()
}

/// Whether a file is a list of secrets: a secrets layer's own, or SHA256SUMS and its like where no manifest of a public
/// part lies beside them. `there` says whether something else is there.
pub fn is_list(path: &str, there: impl Fn(&str) -> bool) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let own = [sums_path(Audience::Secrets), entries_path(Audience::Secrets)];
    own.iter().any(|list| list.rsplit('/').next() == Some(name))
        || (name.starts_with(SUMS) && !there(&format!("{directory}/{MANIFEST}")))
}

/// The same of a file on the disk.
pub fn is_list_on_disk(path: &Path) -> bool {
    is_list(&path.to_string_lossy(), |beside| disk::exists(Path::new(beside)))
}

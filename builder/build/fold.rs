//! Files folded up: what a node alone has, in as little memory as may be until it is asked for again.
//!
//! The fields of each entry are written one behind the other, and all entries of a node are compressed together. Nodes of a kind
//! differ in little more than names, numbers and keys, so the first of a kind is the dictionary for those behind it. What is
//! written here never leaves the process.
//!
//! It may be a key, and is wiped when it goes; what libzstd has of it is not, here as where layers are compressed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_error_name};

use crate::error::{Error, Result};
use crate::tree::{Content, Entry, Node, Secrecy, Tree, TreePath};

/// Fast, and as small as others where there is a dictionary.
const LEVEL: i32 = 1;
/// Contents from this size on are kept as they are: they are few, and take time.
const LARGE: usize = 64 << 10;
/// So much of the first node of a kind is its kind's dictionary.
const LONGEST: usize = 128 << 10;

/// Entries, folded up.
pub struct Folded {
    packed: Zeroizing<Vec<u8>>,
    plain: usize,
    by: Arc<Dictionary>,
    // What is large or in a store, in the order of its entries.
    kept: Vec<Content>,
}

/// What nodes of a kind are compressed by.
pub struct Dictionary {
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
    tables: Arc<Mutex<Tables>>,
}

/// Where libzstd works: to make it takes longer than to fold up a node.
pub struct Tables {
    encoder: CCtx<'static>,
    decoder: DCtx<'static>,
}

impl Default for Tables {
    fn default() -> Tables {
        Tables { encoder: CCtx::create(), decoder: DCtx::create() }
    }
}

impl Dictionary {
    /// Made of a node that is like those that it is for.
    pub fn of(tree: &Tree, tables: Arc<Mutex<Tables>>) -> Dictionary {
        let (plain, _) = write(tree);
        let start = &plain[..plain.len().min(LONGEST)];
        Dictionary { encoder: EncoderDictionary::copy(start, LEVEL), decoder: DecoderDictionary::copy(start), tables }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folded {
    /// Folds up a tree.
    pub fn of(tree: &Tree, by: Arc<Dictionary>) -> Result<Folded> {
        let (plain, kept) = write(tree);
        let mut room = Zeroizing::new(Vec::with_capacity(compress_bound(plain.len())));
        let done = by.tables().encoder.compress_using_cdict(&mut *room, &plain, by.encoder.as_cdict());
        done.map_err(|code| Error::bug(format!("folding files up: {}", get_error_name(code))))?;
        Ok(Folded { packed: Zeroizing::new(room.to_vec()), plain: plain.len(), by, kept })
    }

    /// The tree again.
    pub fn open(&self) -> Result<Tree> {
        let mut plain = Zeroizing::new(Vec::with_capacity(self.plain));
        let decoder = self.by.decoder.as_ddict();
        let done = self.by.tables().decoder.decompress_using_ddict(&mut *plain, &self.packed, decoder);
        done.map_err(|code| Error::bug(format!("unfolding files: {}", get_error_name(code))))?;
        read(&plain, &self.kept).ok_or_else(|| Error::bug("folded files that cannot be read"))
    }
}

/// How many bytes a number has here.
const NUMBER: usize = 4;

fn write(tree: &Tree) -> (Zeroizing<Vec<u8>>, Vec<Content>) {
    let fields = |(path, entry): (&TreePath, &Entry)| {
        let inside = match &entry.node {
            Node::File(Content::Inline(bytes)) => bytes.len(),
            Node::Symlink(target) => target.len(),
            _ => 0,
        };
        path.as_str().len() + entry.origin.len() + inside + 9 * NUMBER
    };
    // All of it at once: what grows leaves copies behind that nobody wipes.
    let mut plain = Zeroizing::new(Vec::with_capacity(tree.iter().map(fields).sum()));
    let mut kept = Vec::new();
    for (path, entry) in tree.iter() {
        let (kind, inside): (u32, &[u8]) = match &entry.node {
            Node::Directory => (0, &[]),
            Node::Symlink(target) => (1, target.as_bytes()),
            Node::File(Content::Inline(bytes)) if bytes.len() < LARGE => (2, bytes),
            Node::File(content) => {
                kept.push(content.clone());
                (3, &[])
            }
        };
        let is_secret = u32::from(entry.secrecy == Secrecy::Secret);
        let numbers = [kind, is_secret, u32::from(entry.guard), entry.mode, entry.uid, entry.gid];
        plain.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
        for field in [path.as_str().as_bytes(), entry.origin.as_bytes(), inside] {
            // None is longer: paths and targets are short, and contents are small.
            plain.extend((field.len() as u32).to_le_bytes());
            plain.extend(field);
        }
    }
    (plain, kept)
}

/// None if it was not written here.
fn read(mut plain: &[u8], kept: &[Content]) -> Option<Tree> {
    let (mut tree, mut kept) = (Tree::new(), kept.iter());
    while !plain.is_empty() {
        let mut number = || {
            let (number, rest) = plain.split_first_chunk::<NUMBER>()?;
            plain = rest;
            Some(u32::from_le_bytes(*number))
        };
        let [kind, is_secret, guard, mode, uid, gid] =
            [number()?, number()?, number()?, number()?, number()?, number()?];
        let mut field = || {
            let (length, rest) = plain.split_first_chunk::<NUMBER>()?;
            let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            plain = rest;
            Some(field)
        };
        let (path, origin, inside) = (field()?, field()?, field()?);
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let node = match kind {
            0 => Node::Directory,
            1 => Node::Symlink(text(inside)?.to_owned()),
            2 => Node::File(Content::inline(inside)),
            _ => Node::File(kept.next()?.clone()),
        };
        let secrecy = if is_secret == 0 { Secrecy::Public } else { Secrecy::Secret };
        let entry = Entry { node, mode, uid, gid, secrecy, guard: guard != 0, origin: text(origin)?.into() };
        tree.replace(TreePath::from_relative(text(path)?).ok()?, entry);
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn tree(name: &str) -> Tree {
        let file = |text: String| Node::File(Content::inline(text));
        let blob = Content::Blob { digest: Digest::of(name.as_bytes()), size: 7 };
        let secret = Entry { mode: 0o600, secrecy: Secrecy::Secret, ..Entry::new(file(format!("k {name}")), "a") };
        let guard = Entry { guard: true, uid: 1, gid: u32::MAX, ..Entry::new(Node::Directory, "b") };
        let entries = [
            ("/a", Entry::new(file(String::new()), "")),
            ("/b", Entry::new(Node::Symlink("../ü".into()), format!("of {name}"))),
            ("/c", Entry::new(Node::File(blob), "c")),
            ("/d", Entry::new(file(name.repeat(LARGE)), "d")),
            ("/e", secret),
            ("/f", guard),
        ];
        entries.into_iter().map(|(path, entry)| (path.parse().unwrap(), entry)).collect()
    }

    #[test]
    fn what_is_folded_up_comes_back_by_any_dictionary() {
        for first in [Tree::new(), tree("one"), tree("two")] {
            let by = Arc::new(Dictionary::of(&first, Arc::default()));
            for tree in [Tree::new(), tree("one"), tree("two")] {
                assert_eq!(Folded::of(&tree, by.clone()).unwrap().open().unwrap(), tree);
            }
        }
    }

    #[test]
    fn what_was_not_written_here_is_no_tree() {
        let (plain, kept) = write(&tree("one"));
        let whole = |plain: &[u8], kept: &[Content]| read(plain, kept).is_some_and(|read| read == tree("one"));
        assert!(whole(&plain, &kept) && !whole(&plain, &[]) && !whole(&plain[..plain.len() - 1], &kept));
    }
}

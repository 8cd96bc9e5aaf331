//! [`Part`]: a stretch of an archive that is compressed by itself, so that it can be compressed once for all archives
//! that have it, and side by side with others.
//!
//! Where an archive is cut depends on its entries alone ([`Cuts`]), and each part ends where an entry ends: the kernel
//! takes a cpio archive in several frames only so. The end of the container is a part too, since it tells how long the
//! archive is, which what stands before it should not depend on (`docs/decisions/archive-parts.md`).

use super::blocks::Stretch;
use super::format::Container;
use super::header::Header;
use super::{cpio, tar};
use crate::digest::{Digest, Hasher};
use crate::epoch::Epoch;
use crate::error::Result;
use crate::tree::{Content, Entry, Node, Tree, TreePath};

/// Contents of at least this many bytes are a part alone.
pub(super) const ALONE: u64 = 4 << 20;
/// Other entries run together until they have so many bytes.
const RUN: u64 = 16 << 20;

/// Where an archive is cut.
#[derive(Default)]
pub(super) struct Cuts {
    /// How many bytes the part has to which an entry may be added; none if it is closed.
    open: Option<u64>,
    /// The directory of the root that the part is of.
    top: String,
}

impl Cuts {
    /// Takes the next entry, `length` bytes and `size` of them contents; whether it begins a part.
    pub fn next(&mut self, path: &TreePath, length: u64, size: u64) -> bool {
        let (alone, top) = (size >= ALONE, path.as_str().split('/').next().unwrap_or_default());
        let before = self.open.filter(|filled| !alone && *filled < RUN && self.top == top);
        self.open = (!alone).then(|| before.unwrap_or_default() + length);
        top.clone_into(&mut self.top);
        before.is_none()
    }
}

/// A stretch of an archive. Its plain bytes are those of its entries, one after another.
#[derive(Debug)]
pub struct Part<'a> {
    members: Vec<Member<'a>>,
    plain: u64,
    block: u64,
    is_last: bool,
}

/// One entry: its header as bytes, and its contents.
#[derive(Debug)]
struct Member<'a> {
    head: Vec<u8>,
    contents: Option<(&'a TreePath, &'a Content)>,
}

/// A large file's part: the header, whose file it is, its contents, and the zeros behind them.
pub(super) type Alone<'p> = (&'p [u8], &'p TreePath, &'p Content, Vec<u8>);

impl<'a> Part<'a> {
    fn new(container: Container) -> Part<'a> {
        Part { members: Vec::new(), plain: 0, block: container.block(), is_last: false }
    }

    fn push(&mut self, member: Member<'a>) {
        self.plain += member.length(self.block);
        self.members.push(member);
    }

    /// How many bytes it has before compression.
    pub fn plain(&self) -> u64 {
        self.plain
    }

    /// Whether it is the end of the container.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// If it is one large file: its pieces.
    pub(super) fn alone(&self) -> Option<Alone<'_>> {
        let [Member { head, contents: Some((path, content)) }] = &self.members[..] else { return None };
        let size = content.size();
        let padding = vec![0; (size.next_multiple_of(self.block) - size) as usize];
        (size >= ALONE).then_some((head, path, content, padding))
    }

    /// How many bytes are compressed: a large file's contents, or all of it.
    pub fn body(&self) -> u64 {
        self.alone().map_or(self.plain, |(_, _, content, _)| content.size())
    }

    /// Whether its body is a large file that comes out of a [`Blobs`].
    pub fn is_stored(&self) -> bool {
        self.alone().is_some_and(|(_, _, content, _)| matches!(content, Content::Blob { .. }))
    }

    /// What [`body`](Part::body) is, whatever the header of a large file says.
    pub fn body_digest(&self) -> Digest {
        self.alone().map_or_else(|| self.digest(), |(_, _, content, _)| content.digest())
    }

    /// What it is as a whole: a digest over all headers, and over the digest of each file's contents.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        for Member { head, contents } in &self.members {
            hasher.update(&(head.len() as u64).to_le_bytes());
            hasher.update(head);
            if let Some((_, content)) = contents {
                hasher.update(content.digest().as_bytes());
            }
        }
        hasher.finish().0
    }

    /// What is compressed, in stretches.
    pub(super) fn stretches(&self) -> Box<dyn Iterator<Item = Stretch<'_>> + Send + '_> {
        match self.alone() {
            Some((_, path, content, _)) => Box::new(std::iter::once(Stretch::Contents(path, content))),
            None => Box::new(self.members.iter().flat_map(|member| member.stretches(self.block))),
        }
    }
}

impl Member<'_> {
    fn stretches(&self, block: u64) -> impl Iterator<Item = Stretch<'_>> {
        let contents = self.contents.map(|(path, content)| (Stretch::Contents(path, content), content.size()));
        let contents = contents.map(|(contents, size)| {
            let padding = Stretch::Zeros((size.next_multiple_of(block) - size) as usize);
            [contents, padding]
        });
        std::iter::once(Stretch::Bytes(&self.head)).chain(contents.into_iter().flatten())
    }

    fn length(&self, block: u64) -> u64 {
        let size = self.contents.map_or(0, |(_, content)| content.size());
        self.head.len() as u64 + size.next_multiple_of(block)
    }
}

/// The parts of an archive in order, made one by one.
pub struct Parts<'a> {
    entries: Box<dyn Iterator<Item = (&'a TreePath, &'a Entry)> + 'a>,
    container: Container,
    mtime: Epoch,
    cuts: Cuts,
    number: u32,
    length: u64,
    /// What was read and begins the next part.
    next: Option<Member<'a>>,
    is_over: bool,
}

/// Cuts the archive of a tree into its parts.
pub fn parts(tree: &Tree, container: Container, mtime: Epoch) -> Parts<'_> {
    let entries = Box::new(tree.iter());
    Parts { entries, container, mtime, cuts: Cuts::default(), number: 0, length: 0, next: None, is_over: false }
}

impl<'a> Parts<'a> {
    /// The next entry, and whether it begins a part.
    fn member(&mut self) -> Result<Option<(Member<'a>, bool)>> {
        let Some((path, entry)) = self.entries.next() else { return Ok(None) };
        let header = Header::of(path, entry, self.mtime);
        self.number += 1;
        let head = match self.container {
            Container::Tar => tar::encode(&header)?,
            Container::Cpio => cpio::encode(&header, self.number)?,
        };
        let contents = match &entry.node {
            Node::File(content) => Some((path, content)),
            Node::Directory | Node::Symlink(_) => None,
        };
        let member = Member { head, contents };
        let length = member.length(self.container.block());
        self.length += length;
        let begins = self.cuts.next(path, length, header.size());
        Ok(Some((member, begins)))
    }

    fn part(&mut self) -> Result<Part<'a>> {
        let mut part = Part::new(self.container);
        part.members.reserve(1);
        self.next.take().into_iter().for_each(|member| part.push(member));
        while let Some((member, begins)) = self.member()? {
            if begins && !part.members.is_empty() {
                self.next = Some(member);
                return Ok(part);
            }
            part.push(member);
        }
        if part.members.is_empty() {
            self.is_over = true;
            part.is_last = true;
            let end = match self.container {
                Container::Tar => tar::END.to_vec(),
                Container::Cpio => cpio::end(self.length)?,
            };
            part.push(Member { head: end, contents: None });
        }
        Ok(part)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>>;

    fn next(&mut self) -> Option<Result<Part<'a>>> {
        (!self.is_over).then(|| self.part())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(files: &[(&str, u64)]) -> Vec<bool> {
        let mut cuts = Cuts::default();
        let next = |&(path, size): &(&str, u64)| {
            cuts.next(&TreePath::from_relative(path).unwrap(), 512 + size.next_multiple_of(512), size)
        };
        files.iter().map(next).collect()
    }

    #[test]
    fn large_files_are_alone_and_runs_are_bounded() {
        let sizes = |sizes: &[u64]| cut(&sizes.iter().map(|size| ("a/x", *size)).collect::<Vec<_>>());
        assert_eq!(sizes(&[1, 1, ALONE, 1, 1]), [true, false, true, true, false]);
        assert_eq!(sizes(&[ALONE, ALONE]), [true, true]);
        let most = ALONE - 512;
        assert_eq!(sizes(&[most, most, most, most, 1, 1]), [true, false, false, false, true, false]);
        assert_eq!(sizes(&[most, most, most, most - 512, 1, 1])[4..], [false, true]);
    }

    #[test]
    fn what_changes_often_is_apart() {
        let paths = [("etc", 0), ("etc/a", 1), ("etc-b", 1), ("opt", 0), ("opt/x", 1), ("usr", 0)];
        assert_eq!(cut(&paths), [true, false, true, true, false, true]);
    }
}

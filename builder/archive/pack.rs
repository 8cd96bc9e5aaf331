//! [`pack`]: a tree written as an archive, in a stream.

use std::io::{self, Write};
use std::thread;

use super::blocks::{self, BLOCK, Blocks, Incoming};
use super::format::{Codec, Container, Format};
use super::header::Header;
use super::{cpio, gzip, limits, tar, zstd};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::tree::{Blobs, Content, Entry, Node, Tree, TreePath};

/// How an archive is written. The first three decide its bytes, the last two only how fast it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Container and codec.
    pub format: Format,
    /// The codec's level, within [`Format::levels`].
    pub level: u8,
    /// The modification time of every entry.
    pub mtime: Epoch,
    /// How many threads may compress; at least one does.
    pub workers: usize,
    /// How many bytes of memory the program should stay below. Fewer workers start where more do not fit.
    pub memory: u64,
}

/// What the rest of the program takes, without the tree: measured at 6 MiB.
const PROGRAM: u64 = 12 << 20;
/// What an entry takes in memory, beside its path and contents, rounded up.
const ENTRY: u64 = 384;

impl Packing {
    /// How many threads compress `plain` bytes while a tree holds `held` bytes of memory: as many as asked for, as the
    /// memory takes, and as there is work for.
    fn workers(&self, held: u64, plain: u64) -> Result<usize> {
        let cost = match self.format.codec {
            Codec::Plain => return Ok(1),
            Codec::Gzip => gzip::COST,
            Codec::Zstd => zstd::cost(self.level),
        };
        let base = PROGRAM + held + (blocks::WAITING + 2) as u64 * BLOCK as u64 + cost.fixed;
        let affordable = self.memory.saturating_sub(base) / cost.worker;
        if affordable == 0 {
            let (have, need) = (self.memory >> 20, (base + cost.worker).div_ceil(1 << 20));
            let Packing { format, level, .. } = self;
            return Err(Error::usage(format!("{format} at level {level} does not fit into {have} MiB"))
                .advise(format!("allow {need} MiB, or choose a lower level")));
        }
        let useful = plain.div_ceil(cost.job).max(1);
        Ok(affordable.min(useful).min(self.workers.max(1) as u64).min(zstd::MOST_WORKERS) as usize)
    }
}

/// About how many bytes of memory the tree takes.
fn held(tree: &Tree) -> u64 {
    let of = |(path, entry): (&TreePath, &Entry)| {
        let contents = match &entry.node {
            Node::File(Content::Inline(bytes)) => bytes.len(),
            Node::Symlink(target) => target.len(),
            Node::Directory | Node::File(Content::Blob { .. }) => 0,
        };
        ENTRY + (path.as_str().len() + contents) as u64
    };
    tree.iter().map(of).sum()
}

/// The memory that a codec takes, and the size of the pieces that its workers get; all in bytes.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub fixed: u64,
    pub worker: u64,
    pub job: u64,
}

/// Writes the tree as an archive. The same tree, format, level and time give the same bytes, whatever the number of
/// workers and however contents come out of `blobs`. `out` is not flushed.
///
/// # Errors
/// Policy and nothing written: what [`check`](super::check) finds. Usage and nothing written: no such level, or not
/// enough memory. Integrity: contents are not what the tree says. Environment: reading or writing failed. After an error
/// what was written is worth nothing.
pub fn pack(tree: &Tree, blobs: &dyn Blobs, packing: &Packing, out: &mut (dyn Write + Send)) -> Result<()> {
    let Packing { format, level, mtime, .. } = *packing;
    if !format.levels().contains(&level) {
        let (from, to) = format.levels().into_inner();
        return Err(Error::usage(format!("{format} has no level {level}")).advise(format!("use {from} to {to}")));
    }
    limits::check(tree, format.container, mtime)?;
    let plain = length(tree, format.container, mtime)?;
    let workers = packing.workers(held(tree), plain)?;
    let mut out = Out { inner: out, count: 0 };
    thread::scope(|scope| {
        let (mut blocks, incoming) = blocks::pipe();
        let produce = move || {
            let result = produce(tree, blobs, format.container, mtime, &mut blocks);
            blocks.finish(result);
        };
        thread::Builder::new().spawn_scoped(scope, produce).map_err(no_thread)?;
        match format.codec {
            Codec::Plain => copy(&incoming, &mut out),
            Codec::Gzip => gzip::encode(&incoming, level, workers, plain, &mut out),
            Codec::Zstd => zstd::encode(&incoming, level, workers, plain, &mut out),
        }
    })
}

/// That a thread could not be started.
pub(super) fn no_thread(error: io::Error) -> Error {
    Error::environment(format!("starting a thread: {error}")).advise("allow more processes or memory")
}

fn copy(incoming: &Incoming, out: &mut Out<'_>) -> Result<()> {
    incoming.iter().try_for_each(|block| out.put(&block?))
}

/// Entries one after another.
struct Members {
    container: Container,
    mtime: Epoch,
    number: u32,
}

impl Members {
    /// The header of the next entry as bytes, and its contents.
    fn next<'a>(&mut self, path: &TreePath, entry: &'a Entry) -> Result<(Vec<u8>, Option<&'a Content>)> {
        let header = Header::of(path, entry, self.mtime);
        self.number += 1;
        let head = match self.container {
            Container::Tar => tar::encode(&header)?,
            Container::Cpio => cpio::encode(&header, self.number)?,
        };
        let contents = match &entry.node {
            Node::File(content) => Some(content),
            Node::Directory | Node::Symlink(_) => None,
        };
        Ok((head, contents))
    }

    /// What stands behind the last entry.
    fn end(&self, length: u64) -> Result<Vec<u8>> {
        match self.container {
            Container::Tar => Ok(tar::END.to_vec()),
            Container::Cpio => cpio::end(length),
        }
    }
}

/// The exact number of bytes before compression.
fn length(tree: &Tree, container: Container, mtime: Epoch) -> Result<u64> {
    let mut members = Members { container, mtime, number: 0 };
    let mut length = 0;
    for (path, entry) in tree.iter() {
        let (head, contents) = members.next(path, entry)?;
        length += head.len() as u64 + contents.map_or(0, Content::size).next_multiple_of(container.block());
    }
    Ok(length + members.end(length)?.len() as u64)
}

fn produce(tree: &Tree, blobs: &dyn Blobs, container: Container, mtime: Epoch, blocks: &mut Blocks) -> Result<()> {
    let mut members = Members { container, mtime, number: 0 };
    let mut length = 0;
    for (path, entry) in tree.iter() {
        let (head, contents) = members.next(path, entry)?;
        blocks.bytes(&head)?;
        length += head.len() as u64;
        if let Some(contents) = contents {
            let size = contents.size();
            blocks.contents(path, size, &mut contents.open(blobs)?)?;
            blocks.pad(size, container.block())?;
            length += size.next_multiple_of(container.block());
        }
    }
    blocks.bytes(&members.end(length)?)
}

/// Where an archive goes: counts, marks the writer's errors as ours, and never flushes, for a flush half-way would end a
/// block of the codec above and change the bytes.
pub(super) struct Out<'a> {
    inner: &'a mut (dyn Write + Send),
    count: u64,
}

impl Out<'_> {
    /// Writes all of it.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.count += bytes.len() as u64;
        self.inner.write_all(bytes).map_err(|error| Error::io("writing", "the archive", error))
    }

    /// How many bytes were written so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes).map_err(Error::into_io)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_caps_workers_but_never_to_none() {
        let format = "tar.zst".parse().unwrap();
        let packing = Packing { format, level: 9, mtime: Epoch::FILES, workers: 1000, memory: 256 << 20 };
        let some = packing.workers(0, u64::MAX).unwrap();
        let more = Packing { memory: 1 << 30, ..packing }.workers(0, u64::MAX).unwrap();
        assert!((1..more).contains(&some), "{some} {more}");
        assert_eq!(packing.workers(0, 100).unwrap(), 1);
        assert_eq!(Packing { workers: 0, ..packing }.workers(0, u64::MAX).unwrap(), 1);
        assert!(packing.workers(100 << 20, u64::MAX).unwrap() < some);
        let error = Packing { memory: 16 << 20, ..packing }.workers(0, 1).unwrap_err();
        assert_eq!(error.class().code(), 2);
        // The advice is enough.
        let advice = error.faults()[0].advice.clone().unwrap();
        let need: u64 = advice.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(Packing { memory: need << 20, ..packing }.workers(0, u64::MAX).unwrap(), 1, "{advice}");
    }
}

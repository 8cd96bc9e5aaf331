//! [`pack`]: a tree written as an archive, in a stream.

use std::hash::Hasher as _;
use std::io::{self, Read, Write};
use std::sync::mpsc::sync_channel;
use std::thread;

use twox_hash::XxHash64;

use super::blocks::{BLOCK, Blocks, WAITING};
use super::format::{Codec, Format};
use super::parts::{Part, parts};
use super::{gzip, limits, zstd};
use crate::digest::copy;
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
/// What is read ahead of compression.
const READ: u64 = (WAITING + 2) as u64 * BLOCK as u64;
/// What an entry takes in memory, beside its path and contents, rounded up.
const ENTRY: u64 = 384;

impl Packing {
    /// About how many bytes of memory it takes to write the archive of this tree with one worker.
    pub fn room(&self, tree: &Tree) -> u64 {
        let cost = self.cost().map_or(0, |cost| cost.fixed + cost.worker);
        PROGRAM + held(tree) + READ + cost
    }

    /// None where nothing is compressed.
    fn cost(&self) -> Option<Cost> {
        match self.format.codec {
            Codec::Plain => None,
            Codec::Gzip => Some(gzip::COST),
            Codec::Zstd => Some(zstd::cost(self.level)),
        }
    }

    fn check_level(&self) -> Result<()> {
        let Packing { format, level, .. } = *self;
        if format.levels().contains(&level) {
            return Ok(());
        }
        let (from, to) = format.levels().into_inner();
        Err(Error::usage(format!("{format} has no level {level}")).advise(format!("use {from} to {to}")))
    }

    /// Whether several workers can share a body of so many bytes.
    pub fn splits(&self, body: u64) -> bool {
        match self.format.codec {
            Codec::Plain => false,
            Codec::Gzip => body > BLOCK as u64,
            Codec::Zstd => body > zstd::SINGLE,
        }
    }

    /// How many threads compress `plain` bytes while a tree holds `held` bytes of memory: as many as asked for, as the
    /// memory takes, and as there is work for.
    fn workers(&self, held: u64, plain: u64) -> Result<usize> {
        let Some(cost) = self.cost() else { return Ok(1) };
        let base = PROGRAM + held + READ + cost.fixed;
        let affordable = self.memory.saturating_sub(base) / cost.worker;
        if affordable == 0 {
            let (have, need) = (self.memory >> 20, (base + cost.worker).div_ceil(1 << 20));
            let Packing { format, level, .. } = self;
            return Err(Error::usage(format!("{format} at level {level} does not fit into {have} MiB"))
                .advise(format!("allow {need} MiB, or choose a lower level")));
        }
        let useful = if self.splits(plain) { plain.div_ceil(cost.job) } else { 1 };
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

/// What was compressed before, or will be for others too.
pub trait Pieces: Sync {
    /// The blocks of a part's body, and the sum over all of the part, if both are kept for this codec and level.
    ///
    /// # Errors
    /// What is kept can't be read.
    fn find(&self, part: &Part<'_>, packing: &Packing) -> Result<Option<Piece<'_>>>;
}

/// A part's body, compressed.
pub struct Piece<'a> {
    /// Its blocks as the codec writes them, none of them the last. A damaged one must fail at its end.
    pub blocks: Box<dyn Read + Send + 'a>,
    /// The codec's sum over all plain bytes of the part: XXH64 or CRC-32.
    pub sum: u64,
}

/// Nothing: everything is compressed where it is wanted.
pub struct NoPieces;

impl Pieces for NoPieces {
    fn find(&self, _: &Part<'_>, _: &Packing) -> Result<Option<Piece<'_>>> {
        Ok(None)
    }
}

/// Writes the tree as an archive. The same tree, format, level and time give the same bytes, whatever the number of
/// workers, however contents come out of `blobs`, and whether `pieces` has any of it. `out` is not flushed.
///
/// # Errors
/// Policy and nothing written: what [`check`](super::check) finds. Usage and nothing written: no such level, or not
/// enough memory. Integrity: contents or pieces are not what they should be. Environment: reading or writing failed.
/// After an error what was written is worth nothing.
pub fn pack(
    tree: &Tree,
    blobs: &dyn Blobs,
    pieces: &dyn Pieces,
    packing: &Packing,
    out: &mut (dyn Write + Send),
) -> Result<()> {
    packing.check_level()?;
    limits::check(tree, packing.format.container, packing.mtime)?;
    packing.workers(held(tree), u64::MAX)?;
    let packing = Packing { memory: packing.memory.saturating_sub(held(tree)), ..*packing };
    let mut archive = Archive { packing, out: Out { inner: out, count: 0 }, plain: 0, sum: crc32fast::Hasher::new() };
    if packing.format.codec == Codec::Gzip {
        archive.out.put(&gzip::HEADER)?;
    }
    for part in parts(tree, packing.format.container, packing.mtime) {
        archive.add(&part?, blobs, pieces)?;
    }
    if packing.format.codec == Codec::Gzip {
        let end = gzip::end(archive.sum.finalize(), archive.plain, archive.out.count);
        archive.out.put(&end)?;
    }
    Ok(())
}

/// Compresses the body that these parts have in common, once, and gives the sum over each of them, for [`Piece`].
///
/// # Errors
/// As [`pack`].
pub fn press(
    alike: &[Part<'_>],
    blobs: &dyn Blobs,
    packing: &Packing,
    out: &mut (dyn Write + Send),
) -> Result<Vec<u64>> {
    packing.check_level()?;
    let (mut out, mut sums) = (Out { inner: out, count: 0 }, Sum::begin(alike, packing.format.codec));
    let Some(first) = alike.first() else { return Ok(Vec::new()) };
    compress(first, blobs, packing, &mut sums, &mut out)?;
    Ok(Sum::finish(sums, alike))
}

/// The sum over each of these parts, which have one body in common, without compressing it.
///
/// # Errors
/// As [`pack`].
pub fn sums(alike: &[Part<'_>], blobs: &dyn Blobs, codec: Codec) -> Result<Vec<u64>> {
    let mut sums = Sum::begin(alike, codec);
    let Some(first) = alike.first() else { return Ok(Vec::new()) };
    with_body(first, blobs, false, |body| {
        for block in body {
            let block = block?;
            sums.iter_mut().for_each(|sum| sum.update(&block));
        }
        Ok(())
    })?;
    Ok(Sum::finish(sums, alike))
}

/// That a thread could not be started.
pub(super) fn no_thread(error: io::Error) -> Error {
    Error::environment(format!("starting a thread: {error}")).advise("allow more processes or memory")
}

/// An archive being written.
struct Archive<'o> {
    packing: Packing,
    out: Out<'o>,
    plain: u64,
    /// gzip's, over everything so far.
    sum: crc32fast::Hasher,
}

impl Archive<'_> {
    fn add(&mut self, part: &Part<'_>, blobs: &dyn Blobs, pieces: &dyn Pieces) -> Result<()> {
        let (alone, level) = (part.alone(), self.packing.level);
        let (head, padding) = match &alone {
            Some((head, _, _, padding)) => (*head, &padding[..]),
            None => (&[][..], &[][..]),
        };
        self.plain += part.plain();
        match self.packing.format.codec {
            Codec::Plain => {
                self.out.put(head)?;
                let out = &mut self.out;
                with_body(part, blobs, false, |mut body| body.try_for_each(|block| out.put(&block?)))?;
                self.out.put(padding)
            }
            Codec::Gzip => {
                self.out.put(&gzip::raw(head))?;
                let sum = self.body(part, blobs, pieces)?;
                self.sum.combine(&crc32fast::Hasher::new_with_initial_len(sum as u32, part.plain()));
                self.out.put(&gzip::raw(padding))
            }
            Codec::Zstd => {
                self.out.put(&zstd::header(part.plain(), level))?;
                self.out.put(&zstd::raw(head))?;
                let sum = self.body(part, blobs, pieces)?;
                self.out.put(&zstd::raw(padding))?;
                // Each empty block is one less than a multiple of 4.
                let fill = if part.is_last() { (self.out.count + zstd::END) % 4 } else { 0 };
                self.out.put(&zstd::end(sum, fill as usize))
            }
        }
    }

    /// Writes the blocks of a part's body; the sum over the whole part.
    fn body(&mut self, part: &Part<'_>, blobs: &dyn Blobs, pieces: &dyn Pieces) -> Result<u64> {
        if let Some(mut piece) = pieces.find(part, &self.packing)? {
            copy(&mut piece.blocks, &mut self.out)
                .map_err(|error| Error::io("reading", "a compressed piece", error))?;
            return Ok(piece.sum);
        }
        let mut sums = Sum::begin(std::slice::from_ref(part), self.packing.format.codec);
        compress(part, blobs, &self.packing, &mut sums, &mut self.out)?;
        Ok(Sum::finish(sums, std::slice::from_ref(part)).first().copied().unwrap_or_default())
    }
}

/// Plain bytes in blocks.
pub(super) type Body<'b> = Box<dyn Iterator<Item = Result<Vec<u8>>> + 'b>;

/// Gives the plain bytes of a part's body to `take`, read on a thread of their own if asked for.
fn with_body(
    part: &Part<'_>,
    blobs: &dyn Blobs,
    beside: bool,
    take: impl FnOnce(Body<'_>) -> Result<()>,
) -> Result<()> {
    let blocks = Blocks::new(part.stretches(), blobs);
    if !beside {
        return take(Box::new(blocks));
    }
    thread::scope(|scope| {
        let (sender, incoming) = sync_channel(WAITING);
        thread::Builder::new().spawn_scoped(scope, move || blocks.send(&sender)).map_err(no_thread)?;
        take(Box::new(incoming.into_iter()))
    })
}

/// Writes the blocks of a part's body, and adds it to the sums.
fn compress(part: &Part<'_>, blobs: &dyn Blobs, packing: &Packing, sums: &mut [Sum], out: &mut Out<'_>) -> Result<()> {
    let (codec, level, size) = (packing.format.codec, packing.level, part.body());
    let workers = packing.workers(0, size)?;
    with_body(part, blobs, workers > 1, |body| {
        let body: Body<'_> = Box::new(body.inspect(|block| {
            let block = block.as_deref().unwrap_or_default();
            sums.iter_mut().for_each(|sum| sum.update(block));
        }));
        match codec {
            Codec::Plain => Err(Error::bug("what is not compressed has no blocks")),
            Codec::Gzip => gzip::compress(body, level, workers, out),
            Codec::Zstd => zstd::compress(body, size, level, workers, out),
        }
    })
}

/// A codec's sum over plain bytes.
enum Sum {
    /// zstd's (RFC 8878, 3.1.1).
    Xxh64(Box<XxHash64>),
    /// gzip's (RFC 1952, 2.3.1).
    Crc32(crc32fast::Hasher),
}

impl Sum {
    /// One for each part, over what stands before its body.
    fn begin(alike: &[Part<'_>], codec: Codec) -> Vec<Sum> {
        let sum = |part: &Part<'_>| {
            let mut sum = match codec {
                Codec::Plain | Codec::Zstd => Sum::Xxh64(Box::new(XxHash64::with_seed(0))),
                Codec::Gzip => Sum::Crc32(crc32fast::Hasher::new()),
            };
            part.alone().iter().for_each(|(head, ..)| sum.update(head));
            sum
        };
        alike.iter().map(sum).collect()
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Sum::Xxh64(hasher) => hasher.write(bytes),
            Sum::Crc32(hasher) => hasher.update(bytes),
        }
    }

    /// The sums over all of each part, once its body was added.
    fn finish(sums: Vec<Sum>, alike: &[Part<'_>]) -> Vec<u64> {
        let finish = |(mut sum, part): (Sum, &Part<'_>)| {
            part.alone().iter().for_each(|(.., padding)| sum.update(padding));
            match sum {
                Sum::Xxh64(hasher) => hasher.finish(),
                Sum::Crc32(hasher) => hasher.finalize().into(),
            }
        };
        sums.into_iter().zip(alike).map(finish).collect()
    }
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

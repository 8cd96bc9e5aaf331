//! [`Blocks`]: plain bytes in blocks of one size. Where they are cut depends on nothing but the bytes.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::SyncSender;

use crate::error::{Error, Result};
use crate::tree::{Blobs, Content, TreePath};

/// The size of a block in bytes; only the last may be shorter. It decides gzip's output: 1 MiB costs 0.1 % in size over
/// one stream, and is small enough that a hundred workers fit into the memory.
pub(super) const BLOCK: usize = 1 << 20;
/// How many blocks wait at most.
pub(super) const WAITING: usize = 4;

/// A stretch of plain bytes.
pub(super) enum Stretch<'p> {
    /// These.
    Bytes(&'p [u8]),
    /// A file's contents.
    Contents(&'p TreePath, &'p Content),
    /// So many zeros.
    Zeros(usize),
}

/// A stretch that is being read.
enum Open<'p> {
    Bytes(&'p [u8]),
    Contents { path: &'p TreePath, size: u64, left: u64, contents: Box<dyn Read + Send + 'p> },
    Zeros(usize),
}

/// Stretches in blocks; an error is the last of them.
pub(super) struct Blocks<'p> {
    stretches: Box<dyn Iterator<Item = Stretch<'p>> + Send + 'p>,
    blobs: &'p dyn Blobs,
    open: Option<Open<'p>>,
    is_over: bool,
}

impl<'p> Blocks<'p> {
    /// These stretches, with contents out of `blobs`.
    pub fn new(stretches: impl Iterator<Item = Stretch<'p>> + Send + 'p, blobs: &'p dyn Blobs) -> Blocks<'p> {
        Blocks { stretches: Box::new(stretches), blobs, open: None, is_over: false }
    }

    /// Reads all blocks and hands them on. If nobody listens any more, the other side has an error of its own to tell.
    pub fn send(mut self, sender: &SyncSender<Result<Vec<u8>>>) {
        let _nobody_listens = self.try_for_each(|block| sender.send(block));
    }

    /// The next block; empty at the end.
    fn block(&mut self) -> Result<Vec<u8>> {
        let mut block = Vec::new();
        while block.len() < BLOCK {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => match self.stretches.next() {
                    Some(stretch) => Open::of(stretch, self.blobs)?,
                    None => break,
                },
            };
            if !open.fill(&mut block)? {
                self.open = Some(open);
            }
        }
        Ok(block)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        if self.is_over {
            return None;
        }
        let block = self.block();
        self.is_over = block.as_ref().map_or(true, |block| block.len() < BLOCK);
        (!block.as_ref().is_ok_and(Vec::is_empty)).then_some(block)
    }
}

impl<'p> Open<'p> {
    fn of(stretch: Stretch<'p>, blobs: &'p dyn Blobs) -> Result<Open<'p>> {
        Ok(match stretch {
            Stretch::Bytes(bytes) => Open::Bytes(bytes),
            Stretch::Zeros(count) => Open::Zeros(count),
            Stretch::Contents(path, content) => {
                let size = content.size();
                Open::Contents { path, size, left: size, contents: content.open(blobs)? }
            }
        })
    }

    /// Fills a block up; whether nothing is left. Of contents, only a reader that was read to its end says whether the digest
    /// is right.
    fn fill(&mut self, block: &mut Vec<u8>) -> Result<bool> {
        let room = BLOCK - block.len();
        match self {
            Open::Bytes(bytes) => {
                let (now, later) = bytes.split_at(room.min(bytes.len()));
                block.extend_from_slice(now);
                *bytes = later;
                Ok(later.is_empty())
            }
            Open::Zeros(count) => {
                let now = room.min(*count);
                block.resize(block.len() + now, 0);
                *count -= now;
                Ok(*count == 0)
            }
            Open::Contents { path, size, left, contents } => {
                let start = block.len();
                block.resize(start + usize::try_from(*left).unwrap_or(usize::MAX).min(room), 0);
                *left -= (block.len() - start) as u64;
                let mut room = &mut block[start..];
                while !room.is_empty() {
                    match some(path, contents, room)? {
                        0 => return Err(wrong(path, *size, "fewer than")),
                        count => room = &mut room[count..],
                    }
                }
                match *left == 0 {
                    true if some(path, contents, &mut [0])? > 0 => Err(wrong(path, *size, "more than")),
                    is_over => Ok(is_over),
                }
            }
        }
    }
}

fn wrong(path: &TreePath, size: u64, what: &str) -> Error {
    Error::integrity(format!("the contents of {path} have {what} the {size} bytes they should"))
}

/// Reads some bytes; 0 at the end.
fn some(path: &TreePath, contents: &mut dyn Read, room: &mut [u8]) -> Result<usize> {
    loop {
        match contents.read(room) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(|error| Error::io("reading the contents of", path.to_string(), error)),
        }
    }
}

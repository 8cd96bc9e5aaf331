//! [`Blocks`]: a file's contents read in blocks of one size, on another thread if they are many, so that reading and
//! hashing overlaps with compressing. Where blocks are cut depends on nothing but the bytes.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::SyncSender;

use crate::error::{Error, Result};
use crate::tree::TreePath;

/// The size of a block in bytes; only the last may be shorter. It decides gzip's output: 1 MiB costs 0.1 % in size over
/// one stream, and is small enough that a hundred workers fit into the memory.
pub(super) const BLOCK: usize = 1 << 20;
/// How many blocks wait at most.
pub(super) const WAITING: usize = 4;

/// A file's contents in blocks; an error is the last of them.
pub(super) struct Blocks<'a> {
    path: &'a TreePath,
    size: u64,
    left: u64,
    contents: Box<dyn Read + Send + 'a>,
}

impl<'a> Blocks<'a> {
    /// Contents that must have exactly this size.
    pub fn new(path: &'a TreePath, size: u64, contents: Box<dyn Read + Send + 'a>) -> Blocks<'a> {
        Blocks { path, size, left: size, contents }
    }

    /// Reads all blocks and hands them on. If nobody listens any more, the other side has an error of its own to tell.
    pub fn send(mut self, sender: &SyncSender<Result<Vec<u8>>>) {
        let _nobody_listens = self.try_for_each(|block| sender.send(block));
    }

    /// The next block. Behind the last, reads on to the end: only there does a pinned reader say whether the digest is right.
    fn block(&mut self) -> Result<Vec<u8>> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOCK);
        let mut block = vec![0; length];
        fill(self.path, self.size, &mut self.contents, &mut block)?;
        self.left -= length as u64;
        if self.left == 0 {
            at_end(self.path, self.size, &mut self.contents)?;
        }
        Ok(block)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        if self.left == 0 {
            return None;
        }
        let block = self.block();
        if block.is_err() {
            self.left = 0;
        }
        Some(block)
    }
}

/// Reads a file's contents, exactly `room`, and that they end there.
pub(super) fn read_whole(path: &TreePath, contents: &mut dyn Read, room: &mut [u8]) -> Result<()> {
    let size = room.len() as u64;
    fill(path, size, contents, room)?;
    at_end(path, size, contents)
}

fn fill(path: &TreePath, size: u64, contents: &mut dyn Read, mut room: &mut [u8]) -> Result<()> {
    while !room.is_empty() {
        match some(path, contents, room)? {
            0 => return Err(wrong(path, size, "fewer than")),
            count => room = &mut room[count..],
        }
    }
    Ok(())
}

/// That nothing is left.
fn at_end(path: &TreePath, size: u64, contents: &mut dyn Read) -> Result<()> {
    match some(path, contents, &mut [0])? {
        0 => Ok(()),
        _ => Err(wrong(path, size, "more than")),
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

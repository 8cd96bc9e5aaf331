//! [`Blocks`]: bytes cut into blocks of one size and handed to another thread, so that reading and hashing contents
//! overlaps with compressing and writing. Where blocks are cut depends on nothing but the bytes.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::error::{Error, Result};
use crate::tree::TreePath;

/// The size of a block in bytes; only the last may be shorter. It decides gzip's output: 1 MiB costs 0.1 % in size over
/// one stream, and is small enough that a hundred workers fit into the memory.
pub(super) const BLOCK: usize = 1 << 20;
/// How many blocks wait at most.
pub(super) const WAITING: usize = 4;

/// What comes out at the other end: blocks in order, and the error if there was one as the last.
pub(super) type Incoming = Receiver<Result<Vec<u8>>>;

/// The entry side.
pub(super) struct Blocks {
    sender: SyncSender<Result<Vec<u8>>>,
    block: Vec<u8>,
    filled: usize,
}

/// Both ends.
pub(super) fn pipe() -> (Blocks, Incoming) {
    let (sender, receiver) = sync_channel(WAITING);
    (Blocks { sender, block: Vec::new(), filled: 0 }, receiver)
}

impl Blocks {
    /// Hands on these bytes.
    pub fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Hands on a file's contents, which must have exactly this size. Reads on to the end: only there does a pinned
    /// reader say whether the digest is right.
    pub fn contents(&mut self, path: &TreePath, size: u64, contents: &mut dyn Read) -> Result<()> {
        let wrong = |what| Error::integrity(format!("the contents of {path} have {what} the {size} bytes they should"));
        let mut left = size;
        while left > 0 {
            let room = self.room()?;
            let limit = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            match some(path, contents, &mut room[..limit])? {
                0 => return Err(wrong("fewer than")),
                count => {
                    self.filled += count;
                    left -= count as u64;
                }
            }
        }
        match some(path, contents, &mut [0])? {
            0 => Ok(()),
            _ => Err(wrong("more than")),
        }
    }

    /// Hands on zeros up to a multiple of `block`, after `size` bytes.
    pub fn pad(&mut self, size: u64, block: u64) -> Result<()> {
        let zeros = [0; 512];
        self.bytes(&zeros[..(size.next_multiple_of(block) - size) as usize])
    }

    /// Hands on what is left, or the error that ended it all. If nobody listens any more, the other side has an error
    /// of its own to tell.
    pub fn finish(mut self, result: Result<()>) {
        let last = result.and_then(|()| self.hand_on());
        if let Err(error) = last {
            let _nobody_listens = self.sender.send(Err(error));
        }
    }

    /// Room for at least one byte.
    fn room(&mut self) -> Result<&mut [u8]> {
        if self.filled == self.block.len() {
            self.hand_on()?;
            self.block = vec![0; BLOCK];
        }
        Ok(&mut self.block[self.filled..])
    }

    fn hand_on(&mut self) -> Result<()> {
        let mut block = std::mem::take(&mut self.block);
        block.truncate(std::mem::take(&mut self.filled));
        if block.is_empty() {
            return Ok(());
        }
        // Told to nobody: the one who would hear it is gone.
        self.sender.send(Ok(block)).map_err(|_| Error::bug("the archive is no longer wanted"))
    }
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

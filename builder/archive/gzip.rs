//! gzip: one member (RFC 1952), deflated in parallel.
//!
//! Each block of a part's body is deflated by itself, with the 32 KiB before it in the body as its dictionary, and ends on
//! a byte (zlib's "sync flush"); put one after another, with stored blocks of a large file's head and padding between, they
//! are one deflate stream (RFC 1951). It is pigz's way, and the blocks do not know who deflated them: the number of workers
//! changes nothing.
//!
//! The stream ends with empty stored blocks, 5 bytes each, as many as make the length a multiple of 4: iPXE 1.0.0 puts
//! initrds one behind the other without padding, and bytes behind a member would be junk to `gzip -t`.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::blocks::BLOCK;
use super::pack::{Body, Cost, Out, no_thread};
use crate::error::{Error, Result};

/// Magic, deflate, no flags (no name: the kernel skips one, but no other field), no time, no word on the level, and
/// "unknown" as the system: the same for all.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// How far back deflate can refer.
const WINDOW: usize = 32 << 10;
/// A stored block of nothing: the type, padding to a byte, length 0 and its complement.
const EMPTY: [u8; 5] = [0, 0, 0, 0xff, 0xff];
/// The same, and the last.
const LAST: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// Measured: three blocks and their results on their way for each worker, deflate's own state, and what the allocator
/// keeps for each thread.
pub(super) const COST: Cost = Cost { fixed: 4 << 20, worker: 12 << 20, job: BLOCK as u64 };

/// Bytes as they are, in stored blocks.
pub(super) fn raw(bytes: &[u8]) -> Vec<u8> {
    let block = |bytes: &[u8]| {
        let length = bytes.len() as u16;
        let mut block = vec![0];
        block.extend_from_slice(&length.to_le_bytes());
        block.extend_from_slice(&(!length).to_le_bytes());
        block.extend_from_slice(bytes);
        block
    };
    bytes.chunks(u16::MAX.into()).flat_map(block).collect()
}

/// What ends the member over `plain` bytes with this CRC-32, behind `written` bytes.
pub(super) fn end(sum: u32, plain: u64, written: u64) -> Vec<u8> {
    let rest = LAST.len() as u64 + 8;
    // Each EMPTY is one more than a multiple of 4.
    let fill = (4 - (written + rest) % 4) % 4;
    let mut end = EMPTY.repeat(fill as usize);
    end.extend(LAST);
    end.extend_from_slice(&sum.to_le_bytes());
    end.extend_from_slice(&(plain as u32).to_le_bytes());
    end
}

/// One block's work.
struct Job {
    dictionary: Arc<[u8]>,
    block: Vec<u8>,
    level: u8,
    done: SyncSender<Result<Vec<u8>>>,
}

/// Compresses a body into blocks, none of them the last.
pub(super) fn compress(body: Body<'_>, level: u8, workers: usize, out: &mut Out<'_>) -> Result<()> {
    let mut tail: Arc<[u8]> = Arc::new([]);
    let mut with_dictionary = body.map(move |block| {
        let block = block?;
        let next = block[block.len().saturating_sub(WINDOW)..].into();
        Ok((std::mem::replace(&mut tail, next), block))
    });
    if workers == 1 {
        return with_dictionary.try_for_each(|job| {
            let (dictionary, block) = job?;
            out.put(&deflate(level, &dictionary, &block)?)
        });
    }
    let (jobs, queue) = sync_channel::<Job>(workers);
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..workers {
            thread::Builder::new().spawn_scoped(scope, || work(&queue)).map_err(no_thread)?;
        }
        // Moved in, so that the workers end when this ends, whatever the reason.
        let jobs = jobs;
        let mut pending = VecDeque::new();
        for job in with_dictionary {
            let (dictionary, block) = job?;
            let (done, result) = sync_channel(1);
            jobs.send(Job { dictionary, block, level, done }).map_err(|_| gone())?;
            pending.push_back(result);
            if pending.len() > workers {
                take(pending.pop_front(), out)?;
            }
        }
        while !pending.is_empty() {
            take(pending.pop_front(), out)?;
        }
        Ok(())
    })
}

fn take(result: Option<Receiver<Result<Vec<u8>>>>, out: &mut Out<'_>) -> Result<()> {
    out.put(&result.ok_or_else(gone)?.recv().map_err(|_| gone())??)
}

fn gone() -> Error {
    Error::bug("a gzip worker ended early")
}

/// What a worker does until there are no more jobs.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let Ok(Ok(job)) = queue.lock().map(|queue| queue.recv()) else { return };
        // If nobody waits any more, the archive was given up.
        let _given_up = job.done.send(deflate(job.level, &job.dictionary, &job.block));
    }
}

/// One block, in one call: how zlib-rs compresses depends on where its output is cut.
fn deflate(level: u8, dictionary: &[u8], block: &[u8]) -> Result<Vec<u8>> {
    let failed = |what: String| Error::bug(format!("deflating: {what}"));
    let mut state = Compress::new(Compression::new(level.into()), false);
    if !dictionary.is_empty() {
        state.set_dictionary(dictionary).map_err(|error| failed(error.to_string()))?;
    }
    let mut bytes = Vec::with_capacity(block.len() + block.len() / 8 + 1024);
    let status = state.compress_vec(block, &mut bytes, FlushCompress::Sync);
    let whole = state.total_in() == block.len() as u64 && bytes.len() < bytes.capacity();
    if !matches!(status, Ok(Status::Ok)) || !whole || !bytes.ends_with(&EMPTY[1..]) {
        return Err(failed(format!("{} bytes became {}, {status:?}", state.total_in(), bytes.len())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block is never larger than the room it gets: level 1 writes nine bits for a byte from 144 on.
    #[test]
    fn the_worst_block_fits() {
        let mut state = 1u64;
        let mut high = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            144 + ((state >> 40) % 112) as u8
        };
        let block: Vec<u8> = (0..BLOCK).map(|_| high()).collect();
        for level in 1..=9 {
            for block in [&block[..], &block[..1], &[]] {
                let mut stream = deflate(level, &block[..block.len().min(WINDOW)], block).unwrap();
                stream.extend(LAST);
                let mut back = Vec::with_capacity(block.len() + 1);
                let dictionary = &block[..block.len().min(WINDOW)];
                let mut state = flate2::Decompress::new(false);
                if !dictionary.is_empty() {
                    state.set_dictionary(dictionary).unwrap();
                }
                state.decompress_vec(&stream, &mut back, flate2::FlushDecompress::Finish).unwrap();
                assert!(back == block, "level {level}");
            }
        }
    }
}

//! zstd: one frame for each part (RFC 8878), with content size and checksum, compressed by libzstd.
//!
//! A part's body is compressed as a frame of its own, of which only the blocks are kept; around them go a frame header,
//! the part's head and padding as raw blocks, which touch neither repeat codes nor entropy tables, an empty last block,
//! and the checksum over all of it. So one compression of a file serves every archive that has it.
//!
//! A body up to [`SINGLE`] is compressed by one thread. A larger one libzstd cuts into jobs of a size that we fix, so that the
//! number of workers changes nothing; each job reads some of what is before it first, which costs up to a fifth. All
//! parameters that a level does not fix by itself are set (`docs/decisions/codecs.md`).
//!
//! In the last frame there are as many more empty blocks, 3 bytes each, as make the archive's length a multiple of 4:
//! iPXE 1.0.0 puts initrds one behind the other without padding, and bytes behind a frame would be an error to `zstd -t`.

use std::io::{self, Write};

use ::zstd::stream::raw::{CParameter, Encoder};
use ::zstd::stream::zio::Writer;

use super::pack::{Body, Cost, Out};
use crate::error::{Error, Result};

/// The longest window that is written or read, as a power of two: 8 MiB, the most that RFC 8878 recommends to support.
/// The kernel allocates it for each frame that is larger; its own limit is 128 MiB.
pub(super) const WINDOW_LOG: u32 = 23;
/// What a frame begins with.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A raw block of nothing: not the last, type raw, size 0 (RFC 8878, 3.1.1.2).
pub(super) const EMPTY: [u8; 3] = [0, 0, 0];
/// The same, and the last.
const LAST: [u8; 3] = [1, 0, 0];
/// The most bytes that a block holds.
const BLOCK: usize = 128 << 10;
/// The largest body that has one thread. Bodies are compressed side by side, and few files are larger.
pub(super) const SINGLE: u64 = 128 << 20;
/// libzstd's own limit (`ZSTDMT_NBWORKERS_MAX`).
pub(super) const MOST_WORKERS: u64 = 256;

/// What a level does not say.
struct Cut {
    window_log: u32,
    job: u32,
    /// How much of the window before it a job reads first: 9 is all, each less halves it.
    overlap: u32,
}

fn cut(level: u8) -> Cut {
    match level {
        0..=12 => Cut { window_log: 22, job: 4 << 20, overlap: 8 },
        _ => Cut { window_log: WINDOW_LOG, job: 8 << 20, overlap: 9 },
    }
}

/// Measured with what does not compress, and rounded up: see `docs/decisions/codecs.md`. A worker has its tables, its
/// job's input and its output; all share a window and jobs on their way.
pub(super) fn cost(level: u8) -> Cost {
    let job = u64::from(cut(level).job);
    let worker = match level {
        0..=4 => 22,
        5..=8 => 18,
        9 => 25,
        10..=11 => 34,
        12..=16 => 56,
        _ => 104,
    };
    Cost { fixed: 3 * job, worker: worker << 20, job }
}

/// A frame's header (RFC 8878, 3.1.1.1) as libzstd writes it for `plain` bytes: single segment if they fit the window.
pub(super) fn header(plain: u64, level: u8) -> Vec<u8> {
    let window_log = cut(level).window_log;
    let is_single = plain <= 1 << window_log;
    let (code, size) = match plain {
        0..256 => (0, vec![plain as u8]),
        256..0x1_0100 => (1, ((plain - 256) as u16).to_le_bytes().to_vec()),
        0x1_0100..0xffff_ffff => (2, (plain as u32).to_le_bytes().to_vec()),
        _ => (3, plain.to_le_bytes().to_vec()),
    };
    let checksum = 1 << 2;
    let mut header = MAGIC.to_vec();
    header.push(code << 6 | u8::from(is_single) << 5 | checksum);
    if !is_single {
        header.push(((window_log - 10) << 3) as u8);
    }
    header.extend(size);
    header
}

/// Bytes as they are, in blocks.
pub(super) fn raw(bytes: &[u8]) -> Vec<u8> {
    let block = |bytes: &[u8]| {
        let mut block = ((bytes.len() as u32) << 3).to_le_bytes()[..3].to_vec();
        block.extend_from_slice(bytes);
        block
    };
    bytes.chunks(BLOCK).flat_map(block).collect()
}

/// What stands behind the blocks of a frame over bytes with this XXH64. In the last frame `fill` empty blocks go before.
pub(super) fn end(sum: u64, fill: usize) -> Vec<u8> {
    let mut end = EMPTY.repeat(fill);
    end.extend(LAST);
    end.extend_from_slice(&(sum as u32).to_le_bytes());
    end
}

/// How many bytes [`end`] has without filling.
pub(super) const END: u64 = LAST.len() as u64 + 4;

/// Compresses a body of `size` bytes into blocks, none of them the last.
pub(super) fn compress(body: Body<'_>, size: u64, level: u8, workers: usize, out: &mut Out<'_>) -> Result<()> {
    let encoder = encoder(level, workers, size).map_err(failed)?;
    // What the encoder writes before its first block. Its header has no checksum.
    let skip = header(size, level).len();
    let mut writer =
        Writer::new_with_capacity(Inside { out, skip, is_over: false, tail: Vec::new() }, encoder, 256 << 10);
    for block in body {
        writer.write_all(&block?).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    writer.writer_mut().is_over = true;
    writer.finish().map_err(failed)?;
    let (Inside { skip, tail, .. }, _) = writer.into_inner();
    match (skip, &tail[..]) {
        (0, tail) if tail == LAST => Ok(()),
        (skip, tail) => {
            Err(Error::bug(format!("zstd ended a flushed frame with {tail:02x?}, {skip} bytes were missing")))
        }
    }
}

fn failed(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(zstd) => Error::environment(format!("compressing with zstd: {zstd}")),
    }
}

fn encoder(level: u8, workers: usize, plain: u64) -> io::Result<Encoder<'static>> {
    let Cut { window_log, job, overlap } = cut(level);
    let mut encoder = Encoder::new(level.into())?;
    for parameter in [
        CParameter::WindowLog(window_log),
        CParameter::EnableLongDistanceMatching(false),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ] {
        encoder.set_parameter(parameter)?;
    }
    if plain > SINGLE {
        encoder.set_parameter(CParameter::NbWorkers(workers as u32))?;
        encoder.set_parameter(CParameter::JobSize(job))?;
        encoder.set_parameter(CParameter::OverlapSizeLog(overlap))?;
    }
    encoder.set_pledged_src_size(Some(plain))?;
    Ok(encoder)
}

/// Passes on what is between a frame's header and its last block.
struct Inside<'a, 'o> {
    out: &'a mut Out<'o>,
    skip: usize,
    is_over: bool,
    tail: Vec<u8>,
}

impl Write for Inside<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        match self.is_over {
            true => self.tail.extend_from_slice(&bytes[skipped..]),
            false => self.out.put(&bytes[skipped..]).map_err(Error::into_io)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    /// Another libzstd writes other bytes: `ZSTD_SYS_USE_PKG_CONFIG` would bring the system's.
    #[test]
    fn libzstd_is_the_one_that_is_pinned() {
        assert_eq!(zstd::zstd_safe::version_string(), "1.5.7");
    }
}

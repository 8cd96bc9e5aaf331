//! zstd: one frame (RFC 8878) with content size and checksum, compressed in parallel by libzstd.
//!
//! libzstd cuts the input into jobs of a size that we fix, so the number of workers changes nothing, as long as there is
//! one: without any it takes another path and writes other bytes. All parameters that a level does not fix by itself are
//! set (`docs/decisions/codecs.md`).
//!
//! Before its end the frame is flushed, so the last block is an empty one; in front of it go as many more empty blocks, 3
//! bytes each, as make the length a multiple of 4: iPXE 1.0.0 puts initrds one behind the other without padding, and
//! bytes behind a frame would be an error to `zstd -t`.

use std::io::{self, Write};

use ::zstd::stream::raw::{CParameter, Encoder};
use ::zstd::stream::zio::Writer;

use super::blocks::Incoming;
use super::pack::{Cost, Out};
use crate::error::{Error, Result};

/// The window, as a power of two: 8 MiB, the most that our reader takes and RFC 8878 recommends to support. The kernel
/// allocates it for each frame that is larger; its own limit is 128 MiB.
pub(super) const WINDOW_LOG: u32 = 23;
/// A raw block of nothing: not the last, type raw, size 0 (RFC 8878, 3.1.1.2).
const EMPTY: [u8; 3] = [0, 0, 0];
/// The same, and the last.
const LAST: [u8; 3] = [1, 0, 0];
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

/// Compresses what comes in, `plain` bytes.
pub(super) fn encode(incoming: &Incoming, level: u8, workers: usize, plain: u64, out: &mut Out<'_>) -> Result<()> {
    let encoder = encoder(level, workers, plain).map_err(failed)?;
    let mut writer = Writer::new_with_capacity(Tail { out, held: None }, encoder, 256 << 10);
    for block in incoming {
        writer.write_all(&block?).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    writer.writer_mut().held = Some(Vec::new());
    writer.finish().map_err(failed)?;
    let (tail, _) = writer.into_inner();
    tail.end()
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
        CParameter::ChecksumFlag(true),
        CParameter::DictIdFlag(false),
        CParameter::NbWorkers(workers as u32),
        CParameter::JobSize(job),
        CParameter::OverlapSizeLog(overlap),
    ] {
        encoder.set_parameter(parameter)?;
    }
    encoder.set_pledged_src_size(Some(plain))?;
    Ok(encoder)
}

/// Passes bytes on until the end of the frame, which it holds.
struct Tail<'a, 'o> {
    out: &'a mut Out<'o>,
    held: Option<Vec<u8>>,
}

impl Tail<'_, '_> {
    /// Puts empty blocks before the last, which must be empty too.
    fn end(self) -> Result<()> {
        let held = self.held.unwrap_or_default();
        if held.len() != 7 || !held.starts_with(&LAST) {
            return Err(Error::bug(format!("zstd ended a flushed frame with {} bytes: {held:02x?}", held.len())));
        }
        let total = self.out.count() + held.len() as u64;
        // Each empty block is one less than a multiple of 4.
        for _ in 0..total % 4 {
            self.out.put(&EMPTY)?;
        }
        self.out.put(&held)
    }
}

impl Write for Tail<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.held {
            Some(held) => held.write(bytes),
            None => self.out.write(bytes),
        }
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

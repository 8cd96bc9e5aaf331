//! Decompression that takes one member or a row of frames of our kind, and nothing behind.
//!
//! Every error is one of ours in disguise ([`Error::into_io`]): Environment if the source could not be read, Integrity
//! if what came is damaged.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::format::Codec;
use super::{gzip, zstd};
use crate::error::{Class, Error, Result};

/// Plain bytes.
pub(super) trait Plain: Read {
    /// How many frames ended so far, if the codec has any.
    fn ended(&self) -> Option<u64>;
}

/// The plain bytes of `source`. At their end the source has ended too, and had a multiple of 4 bytes.
pub(super) fn open<'a>(source: &'a mut dyn Read, codec: Codec) -> Result<Box<dyn Plain + 'a>> {
    let mut source = BufReader::with_capacity(128 << 10, Source { inner: source, count: 0 });
    match codec {
        Codec::Plain => Ok(Box::new(source)),
        Codec::Gzip => {
            let header = begin(&mut source, gzip::HEADER.len())?;
            if header != gzip::HEADER {
                return Err(damaged("the gzip header is not the one that mastermold writes"));
            }
            Ok(Box::new(Member(GzDecoder::new(Cursor::new(header).chain(source)))))
        }
        Codec::Zstd => {
            let (frame, left) = begin_frame(source)?;
            Ok(Box::new(Frames { frame: Some(frame), left, ended: 0 }))
        }
    }
}

/// That the archive is not what was written.
pub(super) fn damaged(why: impl std::fmt::Display) -> Error {
    Error::integrity(format!("the archive is damaged: {why}")).advise("fetch or build it again")
}

/// One of ours as it is, a codec's as damage.
fn ours(error: io::Error) -> io::Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours.into_io(),
        Err(codec) if codec.kind() == io::ErrorKind::Interrupted => codec,
        Err(codec) => damaged(codec).into_io(),
    }
}

/// The first `length` bytes.
fn begin(source: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(damaged("it ends in its header")),
        Err(error) => Err(Error::io("reading", "the archive", error)),
    }
}

/// A frame's header (RFC 8878, 3.1.1.1) and the content size in it, if it is one of ours: with checksum and content size, without dictionary and
/// reserved bits, a window of a whole power of two. libzstd overlooks one of these bits.
fn frame_header(source: &mut impl Read) -> Result<(Vec<u8>, u64)> {
    let mut header = begin(source, 5)?;
    let descriptor = header[4];
    let single_segment = descriptor & 0x20 != 0;
    let size_length = match (descriptor >> 6, single_segment) {
        (0, false) => return Err(damaged("the zstd frame has no content size")),
        (0, true) => 1,
        (power, _) => 1 << power,
    };
    if header[..4] != zstd::MAGIC || descriptor & 0x1f != 4 {
        return Err(damaged("the zstd header is not one that mastermold writes"));
    }
    header.extend(begin(source, usize::from(!single_segment) + size_length)?);
    let (window, size) = header[5..].split_at(usize::from(!single_segment));
    let size = size.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
    let size = if size_length == 2 { size + 256 } else { size };
    let shortest = match size {
        0..256 => 1,
        256..0x1_0100 => 2,
        0x1_0100..0xffff_ffff => 4,
        _ => 8,
    };
    let window_fits = match window {
        [window] => window & 7 == 0 && 10 + u32::from(window >> 3) <= zstd::WINDOW_LOG,
        _ => size <= 1 << zstd::WINDOW_LOG,
    };
    if size_length != shortest || !window_fits || size == 0 {
        return Err(damaged("the zstd header's window or content size is not one that mastermold writes"));
    }
    Ok((header, size))
}

/// Where compressed bytes come from: counts, and marks errors.
struct Source<'a> {
    inner: &'a mut dyn Read,
    count: u64,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.count += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", "the archive", error).into_io()),
            }
        }
    }
}

/// What is wrong where something follows that is neither a member nor a frame of ours.
const BEHIND: &str = "there are bytes behind its end";

/// That nothing is left.
fn end(source: &mut BufReader<Source<'_>>) -> Result<()> {
    if !is_over(source)? {
        return Err(damaged(BEHIND));
    }
    match source.get_ref().count % 4 {
        0 => Ok(()),
        _ => Err(damaged("its length is not a multiple of 4")),
    }
}

fn is_over(source: &mut BufReader<Source<'_>>) -> Result<bool> {
    Ok(source.fill_buf().map_err(|error| Error::io("reading", "the archive", error))?.is_empty())
}

impl Plain for BufReader<Source<'_>> {
    fn ended(&self) -> Option<u64> {
        None
    }
}

/// The header, which we looked at already, and what follows.
type Rest<'a> = Chain<Cursor<Vec<u8>>, BufReader<Source<'a>>>;

/// One gzip member, behind whose end nothing may be left.
struct Member<'a>(GzDecoder<Rest<'a>>);

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer).map_err(ours)?;
        if count == 0 && !buffer.is_empty() {
            end(self.0.get_mut().get_mut().1).map_err(Error::into_io)?;
        }
        Ok(count)
    }
}

impl Plain for Member<'_> {
    fn ended(&self) -> Option<u64> {
        None
    }
}

/// One zstd frame.
type Frame<'a> = ::zstd::Decoder<'static, Rest<'a>>;

/// zstd frames one behind the other, behind whose last nothing may be left.
struct Frames<'a> {
    /// The one that is read; none behind the last.
    frame: Option<Frame<'a>>,
    /// How many plain bytes of it are still to come, after what its header says: libzstd does not compare that if the
    /// last block is empty, as ours is.
    left: u64,
    ended: u64,
}

/// The next frame, and how many plain bytes it has.
fn begin_frame(mut source: BufReader<Source<'_>>) -> Result<(Frame<'_>, u64)> {
    let (header, size) = frame_header(&mut source)?;
    let mut frame = ::zstd::Decoder::with_buffer(Cursor::new(header).chain(source))
        .map_err(|error| Error::io("reading", "the archive", error))?
        .single_frame();
    let limited = frame.window_log_max(zstd::WINDOW_LOG);
    limited.map_err(|error| Error::bug(format!("limiting zstd's window: {error}")))?;
    Ok((frame, size))
}

impl Frames<'_> {
    fn some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while let Some(frame) = &mut self.frame {
            let count = frame.read(buffer).map_err(|error| Error::io("reading", "the archive", ours(error)))?;
            self.left = self.left.checked_sub(count as u64).ok_or_else(wrong_size)?;
            if count > 0 || buffer.is_empty() {
                self.ended += u64::from(count > 0 && self.left == 0);
                return Ok(count);
            }
            if self.left > 0 {
                return Err(wrong_size());
            }
            self.next()?;
        }
        Ok(0)
    }

    /// Goes on to what stands behind a frame.
    fn next(&mut self) -> Result<()> {
        let Some(frame) = self.frame.take() else { return Ok(()) };
        let (_, mut source) = frame.finish().into_inner();
        if is_over(&mut source)? {
            return end(&mut source);
        }
        let begun = begin_frame(source).map_err(|error| match error.class() {
            Class::Integrity => damaged(BEHIND),
            _ => error,
        });
        let (frame, left) = begun?;
        (self.frame, self.left) = (Some(frame), left);
        Ok(())
    }
}

fn wrong_size() -> Error {
    damaged("it has another size than its header says")
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.some(buffer).map_err(Error::into_io)
    }
}

impl Plain for Frames<'_> {
    fn ended(&self) -> Option<u64> {
        Some(self.ended)
    }
}

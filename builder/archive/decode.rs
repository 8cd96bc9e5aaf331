//! Decompression that takes one member or frame of our kind, and nothing behind it.
//!
//! Every error is one of ours in disguise ([`Error::into_io`]): Environment if the source could not be read, Integrity
//! if what came is damaged.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::format::Codec;
use super::{gzip, zstd};
use crate::error::{Error, Result};

/// The plain bytes of `source`. At their end the source has ended too, and had a multiple of 4 bytes.
pub(super) fn open<'a>(source: &'a mut dyn Read, codec: Codec) -> Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::with_capacity(128 << 10, Source { inner: source, count: 0 });
    match codec {
        Codec::Plain => Ok(Box::new(source)),
        Codec::Gzip => {
            let header = begin(&mut source, gzip::HEADER.len())?;
            if header != gzip::HEADER {
                return Err(damaged("the gzip header is not the one that mastermold writes"));
            }
            let decoder = GzDecoder::new(Cursor::new(header).chain(source));
            Ok(Box::new(Single { decoder, rest: GzDecoder::get_mut, declared: None, seen: 0 }))
        }
        Codec::Zstd => {
            let (header, size) = zstd_header(&mut source)?;
            let mut decoder = ::zstd::Decoder::with_buffer(Cursor::new(header).chain(source))
                .map_err(|error| Error::io("reading", "the archive", error))?
                .single_frame();
            decoder
                .window_log_max(zstd::WINDOW_LOG)
                .map_err(|error| Error::bug(format!("limiting zstd's window: {error}")))?;
            Ok(Box::new(Single { decoder, rest: ::zstd::Decoder::get_mut, declared: Some(size), seen: 0 }))
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
fn zstd_header(source: &mut impl Read) -> Result<(Vec<u8>, u64)> {
    let mut header = begin(source, 5)?;
    let descriptor = header[4];
    let single_segment = descriptor & 0x20 != 0;
    let size_length = match (descriptor >> 6, single_segment) {
        (0, false) => return Err(damaged("the zstd frame has no content size")),
        (0, true) => 1,
        (power, _) => 1 << power,
    };
    if header[..4] != [0x28, 0xb5, 0x2f, 0xfd] || descriptor & 0x1f != 4 {
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
    if size_length != shortest || !window_fits {
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

/// The header, which we looked at already, and what follows.
type Rest<'a> = Chain<Cursor<Vec<u8>>, BufReader<Source<'a>>>;

/// A decoder behind whose end nothing may be left in its source.
struct Single<'a, D> {
    decoder: D,
    rest: fn(&mut D) -> &mut Rest<'a>,
    /// How many plain bytes the header promised. gzip's decoder checks its own promise; libzstd forgets to if the last
    /// block is empty, as ours is.
    declared: Option<u64>,
    seen: u64,
}

impl<D> Single<'_, D> {
    /// That this is the end in every respect.
    fn end(&mut self) -> Result<()> {
        if self.declared.is_some_and(|declared| declared != self.seen) {
            return Err(damaged("it has another size than its header says"));
        }
        let (_, source) = (self.rest)(&mut self.decoder).get_mut();
        let rest = source.fill_buf().map_err(|error| Error::io("reading", "the archive", error))?;
        if !rest.is_empty() {
            return Err(damaged("there are bytes behind its end"));
        }
        match source.get_ref().count % 4 {
            0 => Ok(()),
            _ => Err(damaged("its length is not a multiple of 4")),
        }
    }
}

impl<D: Read> Read for Single<'_, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer).map_err(ours)?;
        self.seen += count as u64;
        if count == 0 && !buffer.is_empty() {
            self.end().map_err(Error::into_io)?;
        }
        Ok(count)
    }
}

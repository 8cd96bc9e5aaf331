//! [`survey`]: what the initrds of others hold, read as Linux unpacks them (init/initramfs.c): archives one after
//! another, each plain or compressed, with NULs between.
//!
//! Only what matters to what is laid on them is kept. An archive in a compression that is not known here ends the
//! survey: what comes behind it stays unknown, and nothing is compared with it.

use std::io::{self, BufRead, BufReader, Read};

use super::facts::{Facts, Thing};
use crate::error::{Error, Result};
use crate::store::{Pin, Store};
use crate::tree::{Blobs as _, TreePath};

/// The most bytes that one initrd unpacks to, and for each of its own; the first 64 MiB are free. Packers of initrds
/// make 10:1.
const LARGEST: u64 = 16 << 30;
const RATIO: u64 = 200;
const FREE: u64 = 64 << 20;
/// The most entries that all initrds of a base have.
const ENTRIES: u64 = 1_000_000;
/// The memory that an xz decoder may take.
const XZ_MEMORY: u64 = 128 << 20;
/// The longest name, with its NUL, and the longest target of a symlink (`PATH_MAX`).
const LONGEST: u64 = 4096;
/// The most bytes of the names and targets that are kept of one initrd.
const NAMES: u64 = 32 << 20;
/// The largest file whose text is wanted.
const LARGEST_NAMES: u64 = 4 << 20;
/// How an entry begins: newc, without and with a checksum.
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
/// The type bits of a mode (stat(2)).
const TYPE: u32 = 0o170_000;

/// Reads an initrd, and lays what it holds over what is known.
///
/// # Errors
/// Integrity: it is damaged, or not what is pinned. Policy: it unpacks to more than an initrd has.
pub fn survey(store: &Store, pin: &Pin, facts: &mut Facts) -> Result<()> {
    let mut blob = store.open(&pin.digest, pin.size)?;
    let mut source = BufReader::with_capacity(64 << 10, &mut blob);
    let mut left = Left { bytes: LARGEST.min(pin.size.saturating_mul(RATIO).max(FREE)), names: NAMES };
    while let Some(head) = segment(&mut source).map_err(damaged)? {
        match head {
            Head::Cpio => archives(&mut source, facts, &mut left)?,
            Head::Gzip => archives(&mut buffered(flate2::bufread::GzDecoder::new(&mut source)), facts, &mut left)?,
            Head::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(&mut source).map_err(damaged)?.single_frame();
                archives(&mut buffered(decoder), facts, &mut left)?
            }
            Head::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0).map_err(io::Error::from);
                let stream = stream.map_err(damaged)?;
                let decoder = liblzma::bufread::XzDecoder::new_stream(&mut source, stream);
                archives(&mut buffered(decoder), facts, &mut left)?;
            }
            Head::Other => break,
        }
    }
    // To its end, so that its digest is checked.
    io::copy(&mut source, &mut io::sink()).map_err(|error| Error::io("reading", "an initrd", error))?;
    Ok(())
}

fn buffered<R: Read>(inner: R) -> BufReader<R> {
    BufReader::with_capacity(64 << 10, inner)
}

/// What an initrd may still have: a small file can unpack to anything.
struct Left {
    bytes: u64,
    names: u64,
}

impl Left {
    fn take(&mut self, bytes: u64, names: u64) -> Result<()> {
        let (Some(bytes), Some(names)) = (self.bytes.checked_sub(bytes), self.names.checked_sub(names)) else {
            return Err(Error::policy("an initrd unpacks to more than is allowed for its size"));
        };
        *self = Left { bytes, names };
        Ok(())
    }
}

fn damaged(error: io::Error) -> Error {
    Error::integrity(format!("an initrd cannot be read ({error})"))
}

enum Head {
    Cpio,
    Gzip,
    Zstd,
    Xz,
    Other,
}

/// What comes next behind NULs; none at the end.
fn segment(source: &mut impl BufRead) -> io::Result<Option<Head>> {
    loop {
        let ahead = source.fill_buf()?;
        if ahead.is_empty() {
            return Ok(None);
        }
        let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            return Ok(Some(match ahead {
                [b'0', b'7', b'0', b'7', b'0', ..] => Head::Cpio,
                [0x1f, 0x8b, ..] => Head::Gzip,
                [0x28, 0xb5, 0x2f, 0xfd, ..] => Head::Zstd,
                [0xfd, b'7', b'z', b'X', b'Z', ..] => Head::Xz,
                _ => Head::Other,
            }));
        }
        source.consume(zeros);
    }
}

/// The archives of one segment, up to something that is none.
fn archives(source: &mut impl BufRead, facts: &mut Facts, left: &mut Left) -> Result<()> {
    let mut position = 0;
    loop {
        let ahead = source.fill_buf().map_err(damaged)?;
        match ahead.first() {
            None => return Ok(()),
            Some(0) => {
                let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
                source.consume(zeros);
                left.take(zeros as u64, 0)?;
                position = 0;
            }
            Some(b'0') => entry(source, &mut position, facts, left)?,
            // In an initrd that is not compressed, a compressed one may come next.
            Some(_) => return Ok(()),
        }
    }
}

/// One entry of a newc archive.
fn entry(source: &mut impl Read, position: &mut u64, facts: &mut Facts, left: &mut Left) -> Result<()> {
    let mut header = [0; 110];
    take(source, &mut header, position)?;
    let field = |index: usize| {
        let digits = std::str::from_utf8(&header[6 + 8 * index..14 + 8 * index]).ok();
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let bad = || Error::integrity("an initrd has a header that is none");
    let number = |index| field(index).ok_or_else(bad);
    let (mode, uid, gid, links) = (number(1)?, number(2)?, number(3)?, number(4)?);
    let (size, name) = (u64::from(number(6)?), u64::from(number(11)?));
    let link = mode & TYPE == 0o120_000;
    // The kernel drops a link with a longer target.
    if !MAGICS.contains(&&header[..6]) || name == 0 || name > LONGEST || link && size > LONGEST {
        return Err(bad());
    }
    left.take(header.len() as u64 + name + size, name + if link { size } else { 0 })?;
    let name = bytes(source, name, position)?;
    let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let relative = name.trim_start_matches("./").trim_matches('/');
    let wanted = matches!(relative, "etc/passwd" | "etc/group");
    let contents = match (link || wanted) && size <= LARGEST_NAMES {
        true => bytes(source, size, position)?,
        false => {
            skip(source, size, position)?;
            Vec::new()
        }
    };
    if name == "TRAILER!!!" {
        return Ok(());
    }
    let text = || String::from_utf8_lossy(&contents).into_owned();
    let thing = match mode & TYPE {
        0o040_000 => Thing::Directory(mode & 0o7777, uid, gid),
        0o120_000 => Thing::Symlink(text()),
        _ => Thing::File { shared: links > 1 },
    };
    match relative {
        "etc/passwd" => facts.users = Facts::names(&text()),
        "etc/group" => facts.groups = Facts::names(&text()),
        _ => {}
    }
    // A name that no bundle can have needs no comparison.
    if let Ok(path) = TreePath::from_relative(relative) {
        facts.add(path, thing, size);
    }
    match facts.entries > ENTRIES {
        true => Err(Error::policy(format!("the initrds have more than {ENTRIES} entries"))),
        false => Ok(()),
    }
}

fn take(source: &mut impl Read, buffer: &mut [u8], position: &mut u64) -> Result<()> {
    source.read_exact(buffer).map_err(damaged)?;
    *position += buffer.len() as u64;
    Ok(())
}

/// So many bytes, and what pads them to four.
fn bytes(source: &mut impl Read, count: u64, position: &mut u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count as usize];
    take(source, &mut bytes, position)?;
    let padding = position.next_multiple_of(4) - *position;
    skip_exact(source, padding, position)?;
    Ok(bytes)
}

fn skip(source: &mut impl Read, count: u64, position: &mut u64) -> Result<()> {
    skip_exact(source, count, position)?;
    let padding = position.next_multiple_of(4) - *position;
    skip_exact(source, padding, position)
}

fn skip_exact(source: &mut impl Read, count: u64, position: &mut u64) -> Result<()> {
    let skipped = io::copy(&mut source.take(count), &mut io::sink()).map_err(damaged)?;
    *position += skipped;
    match skipped == count {
        true => Ok(()),
        false => Err(damaged(io::ErrorKind::UnexpectedEof.into())),
    }
}

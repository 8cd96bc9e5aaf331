//! zip (PKWARE APPNOTE.TXT 6.3): stored and deflated files, below 4 GiB.
//!
//! An own reader because two readings of a zip must agree: the entries are contiguous, from the first byte to the
//! central directory, and each local header says what the directory says. The zip crate lets the last of two equal
//! names win without a word, and reads archives with anything before, between and behind the entries.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::{Bounded, Counted, Kind, More, Walked, damaged, refuse, target};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_SIZE: u64 = 22;

/// Whether this begins a zip archive, perhaps an empty one.
pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(&LOCAL.to_le_bytes()) || head.starts_with(&END.to_le_bytes())
}

/// Shows every entry, in the order of the central directory.
pub(super) fn walk(mut file: File, size: u64, allowed: u64, counted: &mut Counted) -> Walked<()> {
    let end = End::find(&mut file, size)?;
    let mut left = allowed;
    let mut next = 0;
    let mut at = end.directory;
    for _ in 0..end.entries {
        let central = Central::read(&mut file, at)?;
        at += central.length;
        let start = central.check_local(&mut file, next)?;
        next = start + u64::from(central.packed) + central.descriptor(&mut file, start)?;
        let Some(rest) = left.checked_sub(u64::from(central.size)) else {
            return refuse("it unpacks to more than is allowed for its size");
        };
        left = rest;
        file.seek(SeekFrom::Start(start))?;
        central.show(&file, counted)?;
    }
    match next == end.directory && at == end.at {
        true => Ok(()),
        false => refuse("it has something between its entries and its directory, or behind it"),
    }
}

struct End {
    entries: u16,
    directory: u64,
    at: u64,
}

impl End {
    /// The end record, which must be the only thing that could be one.
    fn find(file: &mut File, size: u64) -> Walked<End> {
        let tail = size.min(END_SIZE + u64::from(u16::MAX));
        file.seek(SeekFrom::Start(size - tail))?;
        let mut bytes = Vec::new();
        file.take(tail).read_to_end(&mut bytes)?;
        let fits = |at: &usize| {
            let record = &bytes[*at..];
            record.starts_with(&END.to_le_bytes())
                && record.len() as u64 >= END_SIZE
                && record.len() as u64 == END_SIZE + u64::from(short(record, 20))
        };
        let found: Vec<usize> = (0..bytes.len()).filter(fits).collect();
        let [at] = found[..] else {
            return damaged(format!("the zip archive has {} end records instead of one", found.len()));
        };
        let record = &bytes[at..];
        let end =
            End { entries: short(record, 10), directory: u64::from(long(record, 16)), at: size - tail + at as u64 };
        let whole = short(record, 4) == 0 && short(record, 6) == 0 && short(record, 8) == end.entries;
        match whole && end.entries != u16::MAX && end.directory + u64::from(long(record, 12)) == end.at {
            true => Ok(end),
            false => refuse("the zip archive is one of several parts, larger than 4 GiB, or has bytes in between"),
        }
    }
}

struct Central {
    made_by: u8,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    attributes: u32,
    offset: u64,
    name: Vec<u8>,
    length: u64,
}

impl Central {
    fn read(file: &mut File, at: u64) -> Walked<Central> {
        let fixed: [u8; 46] = read_at(file, at)?;
        if long(&fixed, 0) != CENTRAL {
            return damaged("the zip directory is malformed");
        }
        let (name, extra, comment) = (short(&fixed, 28), short(&fixed, 30), short(&fixed, 32));
        let central = Central {
            made_by: fixed[5],
            flags: short(&fixed, 8),
            method: short(&fixed, 10),
            crc: long(&fixed, 16),
            packed: long(&fixed, 20),
            size: long(&fixed, 24),
            attributes: long(&fixed, 38),
            offset: u64::from(long(&fixed, 42)),
            name: read_vec(file, name)?,
            length: 46 + u64::from(name) + u64::from(extra) + u64::from(comment),
        };
        check_extra(&read_vec(file, extra)?)?;
        central.check()?;
        Ok(central)
    }

    fn check(&self) -> Walked<()> {
        let name = self.name.escape_ascii();
        if self.flags & !0b1000_0000_1110 != 0 {
            return refuse(format!("`{name}` is encrypted or patched (flags {:#06x})", self.flags));
        }
        if self.method != 0 && self.method != 8 {
            return refuse(format!("`{name}` is packed with method {}; stored and deflated are read", self.method));
        }
        if self.method == 0 && self.packed != self.size {
            return refuse(format!("`{name}` has two sizes"));
        }
        match self.name.contains(&b'\\') && self.made_by != 3 {
            true => refuse(format!("`{name}` may be a path or a name with a backslash")),
            false => Ok(()),
        }
    }

    /// Compares the local header; gives the place of the bytes behind it.
    fn check_local(&self, file: &mut File, expected: u64) -> Walked<u64> {
        let name = self.name.escape_ascii();
        if self.offset != expected {
            return refuse(format!("`{name}` does not lie behind the entry before it"));
        }
        let fixed: [u8; 30] = read_at(file, self.offset)?;
        let (length, extra) = (short(&fixed, 26), short(&fixed, 28));
        let local_name = read_vec(file, length)?;
        check_extra(&read_vec(file, extra)?)?;
        let said = (long(&fixed, 14), long(&fixed, 18), long(&fixed, 22));
        let known = (self.crc, self.packed, self.size);
        // With a descriptor behind the bytes, what was not known before them is zero.
        let sizes =
            said == known || self.has_descriptor() && said.0 == 0 && said.1 == 0 && [0, known.2].contains(&said.2);
        let same = long(&fixed, 0) == LOCAL
            && (short(&fixed, 6), short(&fixed, 8)) == (self.flags, self.method)
            && local_name == self.name;
        match same && sizes {
            true => Ok(self.offset + 30 + u64::from(length) + u64::from(extra)),
            false => refuse(format!("the two headers of `{name}` differ")),
        }
    }

    fn has_descriptor(&self) -> bool {
        self.flags & 8 != 0
    }

    /// The size of the descriptor behind the bytes: its signature may be left out.
    fn descriptor(&self, file: &mut File, start: u64) -> Walked<u64> {
        if !self.has_descriptor() {
            return Ok(0);
        }
        let bytes: [u8; 12] = read_at(file, start + u64::from(self.packed))?;
        let signed = long(&bytes, 0) == 0x0807_4b50 && long(&bytes, 4) == self.crc;
        let bytes: [u8; 12] = read_at(file, start + u64::from(self.packed) + if signed { 4 } else { 0 })?;
        match (long(&bytes, 0), long(&bytes, 4), long(&bytes, 8)) == (self.crc, self.packed, self.size) {
            true => Ok(if signed { 16 } else { 12 }),
            false => refuse(format!("the descriptor of `{}` differs from its header", self.name.escape_ascii())),
        }
    }

    /// On Unix the upper half of the attributes is the mode of stat(2).
    fn show(&self, file: &File, counted: &mut Counted) -> Walked<()> {
        let unix = if self.made_by == 3 { self.attributes >> 16 } else { 0 };
        let packed = BufReader::new(file.take(u64::from(self.packed)));
        let unpacked: Box<dyn Read> = match self.method {
            0 => Box::new(packed),
            _ => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
        };
        let crc = crc32fast::Hasher::new();
        let left = u64::from(self.size);
        let mut body = Checked { inner: Bounded { inner: unpacked, left }, crc, pinned: self.crc, left };
        let kind = match unix & 0o170_000 {
            _ if self.name.ends_with(b"/") => Kind::Directory,
            0 | 0o100_000 => Kind::File,
            0o040_000 => Kind::Directory,
            0o120_000 => {
                let mut path = Vec::new();
                (&mut body).take(4096).read_to_end(&mut path)?;
                Kind::Symlink(target(&path)?)
            }
            _ => Kind::Other("device, FIFO or socket"),
        };
        if kind == Kind::Directory && self.size != 0 {
            return refuse(format!("`{}` is a directory and has bytes", self.name.escape_ascii()));
        }
        counted.show(&self.name, kind, unix, More::default(), &mut body)
    }
}

/// Checks size and CRC-32 at the end.
struct Checked<R> {
    inner: R,
    crc: crc32fast::Hasher,
    pinned: u32,
    left: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.crc.update(&buffer[..count]);
        self.left = self.left.saturating_sub(count as u64);
        if count == 0 && !buffer.is_empty() && (self.left != 0 || self.crc.clone().finalize() != self.pinned) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "size or CRC-32 is wrong"));
        }
        Ok(count)
    }
}

/// Extra fields that would change a size or a name: zip64 and Info-ZIP's Unicode path.
fn check_extra(mut bytes: &[u8]) -> Walked<()> {
    while bytes.len() >= 4 {
        let (id, length) = (short(bytes, 0), usize::from(short(bytes, 2)));
        if matches!(id, 0x0001 | 0x7075) {
            return refuse(format!("an extra field of a zip entry ({id:#06x}) gives another size or name"));
        }
        bytes = bytes.get(4 + length..).unwrap_or_default();
    }
    Ok(())
}

fn read_at<const N: usize>(file: &mut File, at: u64) -> Walked<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_vec(file: &mut File, length: u16) -> Walked<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

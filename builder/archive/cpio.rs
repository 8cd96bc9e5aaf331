//! newc cpio: 110 bytes of hexadecimal numbers, a name, contents
//! (Documentation/driver-api/early-userspace/buffer-format.rst; cpio(5)).
//!
//! The `cpio` crate lays out the header; we take nothing else of it, for its `finish` flushes the writer below and
//! says nothing of contents that are too short (`docs/decisions/cpio-writer.md`).

use std::io::Write as _;

use ::cpio::newc::Builder;

use super::header::{Header, HeaderKind, Parsed};
use super::limits::TRAILER;
use crate::error::{Error, Result};
use crate::tree::TreePath;

/// The header without the name.
pub(super) const HEADER: usize = 110;
/// What the whole archive is padded to.
pub(super) const RECORD: u64 = 512;
/// The longest name with its NUL; the kernel skips a longer one (`PATH_MAX`).
const LONGEST_NAME: u32 = 4096;
const MAGIC: &[u8] = b"070701";
/// `S_IFMT`, and the types that we write (inode(7)).
const TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// The header and name as bytes; of a symlink the target too. All padded to 4.
///
/// `number` is the inode: unique, for the kernel makes one file of two that share it and have more than one link. We say
/// one link, so no entry can become a hard link to one of another archive either.
pub(super) fn encode(header: &Header, number: u32) -> Result<Vec<u8>> {
    let (kind, size) = match &header.kind {
        HeaderKind::Directory => (DIRECTORY, 0),
        HeaderKind::File { size } => (FILE, *size),
        HeaderKind::Symlink { target } => (SYMLINK, target.len() as u64),
    };
    let narrow = |value: u64| {
        u32::try_from(value).map_err(|_| Error::bug(format!("{value} of {} does not fit cpio", header.path)))
    };
    let builder = Builder::new(header.path.as_str())
        .ino(number)
        .mode(kind | header.mode)
        .uid(header.uid)
        .gid(header.gid)
        .mtime(narrow(header.mtime)?);
    let mut bytes = lay_out(builder, narrow(size)?)?;
    if let HeaderKind::Symlink { target } = &header.kind {
        bytes.extend_from_slice(target.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ok(bytes)
}

/// The end of an archive that has `length` bytes so far.
pub(super) fn end(length: u64) -> Result<Vec<u8>> {
    let mut bytes = lay_out(Builder::new(TRAILER), 0)?;
    let total = length + bytes.len() as u64;
    bytes.resize(bytes.len() + (total.next_multiple_of(RECORD) - total) as usize, 0);
    Ok(bytes)
}

/// The crate writes a header before the first byte of contents; an empty write brings out the header alone. Upper-case
/// digits are what GNU cpio writes.
fn lay_out(builder: Builder, size: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let written = builder.nlink(1).write(&mut bytes, size).write(&[]);
    if !matches!(written, Ok(0)) || bytes.len() < HEADER {
        return Err(Error::bug("the cpio crate wrote no header"));
    }
    bytes[..HEADER].make_ascii_uppercase();
    Ok(bytes)
}

/// The thirteen numbers of a header, in their order.
#[derive(Clone, Copy)]
pub(super) struct Numbers([u32; 13]);

impl Numbers {
    /// Reads them. Lower-case digits are found when all is encoded once more.
    pub fn parse(bytes: &[u8; HEADER]) -> Parsed<Numbers> {
        if !bytes.starts_with(MAGIC) {
            return Err("a header is not newc (070701)".into());
        }
        let mut numbers = [0; 13];
        for (index, number) in numbers.iter_mut().enumerate() {
            let start = MAGIC.len() + 8 * index;
            let digits = std::str::from_utf8(&bytes[start..start + 8]).ok().filter(|d| !d.starts_with('+'));
            let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            *number = value.ok_or_else(|| format!("{} is not a hexadecimal number", field_at(start)))?;
        }
        Ok(Numbers(numbers))
    }

    /// How many bytes name and padding have.
    pub fn name_length(&self) -> Parsed<usize> {
        match self.0[11] {
            size @ 2..=LONGEST_NAME => Ok((HEADER + size as usize).next_multiple_of(4) - HEADER),
            size => Err(format!("a name has {size} bytes; 2 to {LONGEST_NAME} are possible")),
        }
    }

    /// How many bytes a symlink's target and padding have; none if this is no symlink.
    pub fn target_length(&self) -> Parsed<Option<usize>> {
        match self.0[6] {
            _ if self.0[1] & TYPE != SYMLINK => Ok(None),
            size @ 1..LONGEST_NAME => Ok(Some((size as usize).next_multiple_of(4))),
            size => Err(format!("a symlink's target has {size} bytes; 1 to {} are possible", LONGEST_NAME - 1)),
        }
    }

    /// What a header says. It is not yet certain that it says so in our way: encode it and compare. `name` and
    /// `target` still have their padding.
    pub fn decode(&self, name: &[u8], target: Option<&[u8]>) -> Parsed<Header> {
        let path = TreePath::from_relative(text(name, self.0[11] as usize - 1)?).map_err(|error| error.to_string())?;
        let [_, mode, uid, gid, _, mtime, size, ..] = self.0;
        let kind = match (mode & TYPE, target) {
            (DIRECTORY, None) => HeaderKind::Directory,
            (FILE, None) => HeaderKind::File { size: size.into() },
            (SYMLINK, Some(target)) => HeaderKind::Symlink { target: text(target, size as usize)?.to_owned() },
            (other, _) => return Err(format!("{path} has the type {other:o}")),
        };
        Ok(Header { path, kind, mode: mode & !TYPE, uid, gid, mtime: mtime.into() })
    }
}

/// The first `length` bytes as text.
fn text(bytes: &[u8], length: usize) -> Parsed<&str> {
    let bytes = bytes.get(..length).ok_or("a name is shorter than its size")?;
    std::str::from_utf8(bytes).map_err(|_| "a name is not UTF-8".into())
}

/// Whether these are the header and name of the end.
pub(super) fn is_end(name: &[u8]) -> bool {
    name.strip_prefix(TRAILER.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
}

/// The field that a byte of an encoded header is in, for messages.
pub(super) fn field_at(offset: usize) -> &'static str {
    const FIELDS: [&str; 13] = [
        "ino",
        "mode",
        "uid",
        "gid",
        "nlink",
        "mtime",
        "filesize",
        "devmajor",
        "devminor",
        "rdevmajor",
        "rdevminor",
        "namesize",
        "check",
    ];
    match offset.checked_sub(MAGIC.len()) {
        None => "magic",
        Some(offset) => FIELDS.get(offset / 8).copied().unwrap_or("name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        let path = TreePath::from_relative("etc/hosts").unwrap();
        let header =
            Header { path, kind: HeaderKind::File { size: 0xabcdef }, mode: 0o640, uid: 10, gid: 11, mtime: 1 };
        let expected = [
            "070701",
            "0000001F",
            "000081A0",
            "0000000A",
            "0000000B",
            "00000001",
            "00000001",
            "00ABCDEF",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000A",
            "00000000",
            "etc/hosts\0",
        ];
        assert_eq!(String::from_utf8(encode(&header, 31).unwrap()).unwrap(), expected.concat());
    }

    #[test]
    fn the_end_fills_a_record() {
        for length in [0u64, 4, 388, 392, 508, 512, 1 << 40] {
            assert_eq!((length + end(length).unwrap().len() as u64) % RECORD, 0);
            assert!(end(length).unwrap().len() >= 124);
        }
    }
}

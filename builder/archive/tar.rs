//! tar: ustar headers, and a pax record before those that do not fit (IEEE Std 1003.1-2017, `pax`, "ustar Interchange
//! Format" and "pax Extended Header").
//!
//! The `tar` crate fills in the 512 bytes. Its traps are closed here: every field is set, paths and targets that do not
//! fit become our own pax record (the crate's has an empty name, which BusyBox refuses; its other way out is GNU's `L`
//! and `K`), and nothing of its reading or file system side is used.

use std::path::Path;

use ::tar::{EntryType, Header as Block};

use super::header::{Header, HeaderKind, Parsed};
use crate::error::{Error, Result};
use crate::tree::TreePath;

/// The size of a header, and what contents are padded to.
pub(super) const BLOCK: usize = 512;
/// How long a name or a target in a ustar header can be.
const NAME: usize = 100;
/// The most bytes that our pax records have: a path and a target, each at most 4096 with its slash, and their keys.
const PAX_LIMIT: u64 = 2 * (4096 + 32);

/// The end: two blocks of zeros.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The header as bytes, with its pax record if it needs one.
pub(super) fn encode(header: &Header) -> Result<Vec<u8>> {
    let mut block = blank(header);
    let mut records = String::new();
    let path = match header.kind {
        HeaderKind::Directory => format!("{}/", header.path.as_str()),
        HeaderKind::File { .. } | HeaderKind::Symlink { .. } => header.path.as_str().to_owned(),
    };
    if block.set_path(Path::new(&path)).is_err() {
        records += &record("path", &path);
        // The attempt may have left a prefix behind. What a reader without pax sees is a name that is cut short.
        block = blank(header);
        field(block.set_path(Path::new(prefix(header.path.name(), NAME))), header)?;
    }
    if let HeaderKind::Symlink { target } = &header.kind {
        if target.len() > NAME {
            records += &record("linkpath", target);
        }
        // The crate's other setter rewrites `a//b` and `./a`.
        field(block.set_link_name_literal(prefix(target, NAME)), header)?;
    }
    block.set_cksum();
    let mut bytes = if records.is_empty() { Vec::new() } else { pax(header, &records)? };
    bytes.extend_from_slice(block.as_bytes());
    Ok(bytes)
}

/// A header without path and target. What the crate leaves alone would stay NUL instead of the number zero.
fn blank(header: &Header) -> Block {
    let kind = match header.kind {
        HeaderKind::Directory => EntryType::Directory,
        HeaderKind::File { .. } => EntryType::Regular,
        HeaderKind::Symlink { .. } => EntryType::Symlink,
    };
    let mut block = Block::new_ustar();
    block.set_entry_type(kind);
    block.set_mode(header.mode);
    block.set_uid(header.uid.into());
    block.set_gid(header.gid.into());
    block.set_size(header.size());
    block.set_mtime(header.mtime);
    if let Some(ustar) = block.as_ustar_mut() {
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    block
}

/// An extended header of type `x` with these records, padded.
fn pax(header: &Header, records: &str) -> Result<Vec<u8>> {
    let size = records.len() as u64;
    let of_record = Header { kind: HeaderKind::File { size }, mode: 0o644, uid: 0, gid: 0, ..header.clone() };
    let mut block = blank(&of_record);
    block.set_entry_type(EntryType::XHeader);
    let name = format!("PaxHeaders/{}", header.path.name());
    field(block.set_path(Path::new(prefix(&name, NAME))), header)?;
    block.set_cksum();
    let mut bytes = block.as_bytes().to_vec();
    bytes.extend_from_slice(records.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(bytes)
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// The longest beginning with at most `limit` bytes that cuts no character.
fn prefix(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn field(set: std::io::Result<()>, header: &Header) -> Result<()> {
    set.map_err(|error| Error::bug(format!("writing the tar header of {}: {error}", header.path)))
}

/// What a pax record says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    path: Option<String>,
    target: Option<String>,
}

/// If this block announces a pax record: how many bytes it has.
pub(super) fn announces_pax(block: &[u8; BLOCK]) -> Parsed<Option<u64>> {
    if block[156] != b'x' {
        return Ok(None);
    }
    let size = octal(&block[124..136], "size")?;
    if size == 0 || size > PAX_LIMIT {
        return Err(format!("a pax record has {size} bytes; 1 to {PAX_LIMIT} are possible"));
    }
    Ok(Some(size))
}

impl Pax {
    /// Reads records. Their order, spelling and number are checked later, when all is encoded once more.
    pub fn parse(bytes: &[u8]) -> Parsed<Pax> {
        let mut rest = std::str::from_utf8(bytes).map_err(|_| "a pax record is not UTF-8")?;
        let mut pax = Pax::default();
        while !rest.is_empty() {
            let (digits, _) = rest.split_once(' ').ok_or("a pax record has no length")?;
            let length: usize = digits.parse().map_err(|_| "a pax record's length is not a number")?;
            let (record, after) = rest.split_at_checked(length).ok_or("a pax record is shorter than its length")?;
            let pair = record.get(digits.len() + 1..).and_then(|pair| pair.strip_suffix('\n')?.split_once('='));
            match pair {
                Some(("path", value)) => pax.path = Some(value.to_owned()),
                Some(("linkpath", value)) => pax.target = Some(value.to_owned()),
                _ => return Err("a pax record holds something else than a path or a target".into()),
            }
            rest = after;
        }
        Ok(pax)
    }
}

/// What a header says. It is not yet certain that it says so in our way: encode it and compare.
pub(super) fn decode(block: &[u8; BLOCK], pax: Pax) -> Parsed<Header> {
    if &block[257..265] != b"ustar\x0000" {
        return Err("a header is not ustar".into());
    }
    let path = match pax.path {
        Some(path) => path,
        None => match (text(&block[345..500])?, text(&block[..NAME])?) {
            ("", name) => name.to_owned(),
            (prefix, name) => format!("{prefix}/{name}"),
        },
    };
    let size = octal(&block[124..136], "size")?;
    let kind = match block[156] {
        b'0' => HeaderKind::File { size },
        b'5' => HeaderKind::Directory,
        b'2' => HeaderKind::Symlink {
            target: match pax.target {
                Some(target) => target,
                None => text(&block[157..257])?.to_owned(),
            },
        },
        other => return Err(format!("`{path}` has the type {:?}", char::from(other))),
    };
    let name = if kind == HeaderKind::Directory { path.strip_suffix('/').unwrap_or_default() } else { &path };
    let path = TreePath::from_relative(name).map_err(|error| error.to_string())?;
    let number = |range: std::ops::Range<usize>, what| {
        let number = octal(&block[range], what).map_err(|why| format!("{path}: {why}"))?;
        u32::try_from(number).map_err(|_| format!("{path}: {what} is too large"))
    };
    let (mode, uid, gid) = (number(100..108, "mode")?, number(108..116, "owner")?, number(116..124, "group")?);
    Ok(Header { kind, mode, uid, gid, mtime: octal(&block[136..148], "mtime")?, path })
}

/// Digits up to the closing NUL.
fn octal(field: &[u8], what: &str) -> Parsed<u64> {
    let digits = field.strip_suffix(b"\0").filter(|digits| digits.iter().all(|d| matches!(d, b'0'..=b'7')));
    let digits = digits.ok_or_else(|| format!("{what} is not an octal number"))?;
    Ok(digits.iter().fold(0, |number, digit| number << 3 | u64::from(digit - b'0')))
}

/// The text before the first NUL.
fn text(field: &[u8]) -> Parsed<&str> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).map_err(|_| "a name is not UTF-8".into())
}

/// The field that a byte of a header block is in, for messages.
pub(super) fn field_at(offset: usize) -> &'static str {
    const FIELDS: [(usize, &str); 16] = [
        (0, "name"),
        (100, "mode"),
        (108, "uid"),
        (116, "gid"),
        (124, "size"),
        (136, "mtime"),
        (148, "checksum"),
        (156, "type"),
        (157, "link name"),
        (257, "magic"),
        (265, "owner name"),
        (297, "group name"),
        (329, "device"),
        (345, "prefix"),
        (500, "padding"),
        (BLOCK, "pax record"),
    ];
    FIELDS.iter().rev().find(|(start, _)| *start <= offset).map_or("name", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Header {
        let path = TreePath::from_relative(path).unwrap();
        Header { path, kind: HeaderKind::File { size: 3 }, mode: 0o4755, uid: 1, gid: 2, mtime: 0 }
    }

    #[test]
    fn a_record_counts_its_own_digits() {
        assert_eq!(record("path", "x"), "9 path=x\n");
        for length in 1..3000 {
            let record = record("path", &"x".repeat(length));
            assert_eq!(record.split_once(' ').unwrap().0, record.len().to_string());
        }
    }

    /// Lengths at which the ways of writing a path change.
    #[test]
    fn ustar_as_long_as_it_fits_and_pax_beyond() {
        let joined = |a: usize, b: usize| format!("{}/{}", "a".repeat(a), "b".repeat(b));
        for (path, blocks) in [
            ("x".repeat(100), 1),
            ("x".repeat(101), 3),
            (joined(155, 100), 1),
            (joined(156, 99), 3),
            (joined(154, 101), 3),
            ("ä".repeat(50), 1),
            ("ä".repeat(51), 3),
            // The slash at a directory's end counts too.
            ("x".repeat(99) + "/", 1),
            ("x".repeat(100) + "/", 3),
            (joined(155, 99) + "/", 1),
            (joined(155, 100) + "/", 3),
        ] {
            let header = match path.strip_suffix('/') {
                Some(path) => Header { kind: HeaderKind::Directory, ..file(path) },
                None => file(&path),
            };
            assert_eq!(encode(&header).unwrap().len(), blocks * BLOCK, "{path}");
        }
    }

    #[test]
    fn no_device_no_name_no_rounding() {
        let bytes = encode(&file("etc/x")).unwrap();
        assert_eq!(&bytes[100..108], b"0004755\0");
        assert_eq!(&bytes[108..124], b"0000001\x000000002\0");
        assert_eq!(&bytes[124..148], b"00000000003\x0000000000000\0");
        assert_eq!(&bytes[257..265], b"ustar\x0000");
        assert_eq!(bytes[265..329], [0; 64]);
        assert_eq!(&bytes[329..345], b"0000000\x000000000\0");
    }
}

//! tar: POSIX ustar and pax (IEEE Std 1003.1-2024, pax), and GNU's long names (GNU tar manual, "Standard").
//!
//! The tar crate gives the layout of a header. The loop is ours, because its iterator follows a pax size that differs
//! from the header's, bounds no extension record, and does not look behind the end marker.

use std::io::{self, Read};

use ::tar::Header;

use super::pax::{Extension, Scope};
use super::{Counted, Kind, More, Walked, damaged, refuse, target};

const BLOCK: usize = 512;
/// Where a header says its dialect, and where the first part of a long name is.
const MAGIC: usize = 257;
const PREFIX: usize = 345;
/// The most that a record of names and attributes may have.
const LONGEST_RECORD: u64 = 1 << 20;

/// Shows every entry and reads to the end of the stream: the archive ends with two blocks of zeros, behind which there
/// is nothing but zeros.
pub(super) fn walk(reader: &mut dyn Read, counted: &mut Counted) -> Walked<()> {
    let mut pending = Extension::default();
    let (mut first, mut at) = (true, 0);
    while let Some(header) = next_header(reader, first)? {
        first = false;
        at += BLOCK as u64;
        check_dialect(&header)?;
        let size = octal(&header.as_old().size, "size")?;
        let mut body = (&mut *reader).take(size);
        match header.entry_type().as_byte() {
            b'x' => pending.add_pax(&record(&mut body)?, Scope::Next)?,
            b'g' => Extension::default().add_pax(&record(&mut body)?, Scope::Global)?,
            b'L' => pending.add_long_path(record(&mut body)?)?,
            b'K' => pending.add_long_target(record(&mut body)?)?,
            kind => entry(kind, &header, std::mem::take(&mut pending), &mut body, at, counted)?,
        }
        finish_body(body, size)?;
        at += size.next_multiple_of(BLOCK as u64);
    }
    match pending == Extension::default() {
        true => Ok(()),
        false => refuse("it ends with the attributes of an entry that does not come"),
    }
}

/// The next header; none after the end marker and the zeros behind it.
fn next_header(reader: &mut dyn Read, first: bool) -> Walked<Option<Header>> {
    let mut block = [0; BLOCK];
    match fill(reader, &mut block)? {
        0 if first => return damaged("it is empty, not an archive"),
        BLOCK => {}
        _ => return damaged("not a tar archive, or one that was cut: it has no end marker"),
    }
    if block == [0; BLOCK] {
        return end(reader).map(|()| None);
    }
    let header = Header::from_byte_slice(&block);
    // Of all bytes, those of the sum itself taken as spaces.
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let sum = sum(&block) - sum(&header.as_old().cksum) + 8 * u64::from(b' ');
    let said = octal(&header.as_old().cksum, "checksum");
    match said {
        Ok(said) if said == sum => Ok(Some(header.clone())),
        _ if first => damaged("it is no archive of a known format (tar, gzip, zstd, xz, zip, deb)"),
        _ => damaged("the checksum of a tar header is wrong"),
    }
}

/// That a header is of a dialect that has what is in it: readers disagree whether records of names count in a header
/// that says neither `ustar` 00 nor GNU's `ustar  `, and whether its name has a second part.
fn check_dialect(header: &Header) -> Walked<()> {
    if header.as_ustar().is_some() || header.as_gnu().is_some() {
        return Ok(());
    }
    let prefix = header.as_bytes()[PREFIX] != 0 && header.as_bytes()[MAGIC..].starts_with(b"ustar");
    match header.entry_type().as_byte() {
        b'x' | b'g' | b'L' | b'K' => refuse("a record of names and attributes is in a header of an unknown dialect"),
        _ if prefix => refuse("a name in two parts is in a header of an unknown dialect"),
        _ => Ok(()),
    }
}

fn end(reader: &mut dyn Read) -> Walked<()> {
    let mut block = [0; BLOCK];
    if fill(reader, &mut block)? != BLOCK {
        return damaged("it was cut within its end marker");
    }
    loop {
        if block.iter().any(|byte| *byte != 0) {
            return refuse("there is something behind its end marker");
        }
        if fill(reader, &mut block)? == 0 {
            return Ok(());
        }
    }
}

/// Shows an entry. A link, directory or device that has bytes is refused: readers disagree whether to skip them.
fn entry(
    kind: u8,
    header: &Header,
    names: Extension,
    body: &mut dyn Read,
    at: u64,
    counted: &mut Counted,
) -> Walked<()> {
    let size = octal(&header.as_old().size, "size")?;
    let mode = octal(&header.as_old().mode, "mode")? as u32;
    let path = names.path.map_or_else(|| header.path_bytes().into_owned(), Vec::from);
    let link = || target(names.target.as_deref().unwrap_or(until_nul(&header.as_old().linkname)));
    let kind = match kind {
        // In the oldest format a directory is a file whose name ends with a slash.
        b'\0' | b'0' if path.ends_with(b"/") => Kind::Directory,
        b'\0' | b'0' | b'7' => Kind::File,
        b'1' => Kind::Hardlink(link()?),
        b'2' => Kind::Symlink(link()?),
        b'3' => Kind::Other("character device"),
        b'4' => Kind::Other("block device"),
        b'5' => Kind::Directory,
        b'6' => Kind::Other("FIFO"),
        b'S' => return refuse(format!("`{}` is a sparse file", path.escape_ascii())),
        kind => return refuse(format!("`{}` has the unknown type `{}`", path.escape_ascii(), kind.escape_ascii())),
    };
    if size != 0 && kind != Kind::File {
        return refuse(format!("`{}` is no file and has {size} bytes", path.escape_ascii()));
    }
    if names.size.is_some_and(|said| said != size) {
        return refuse(format!("`{}` has two sizes", path.escape_ascii()));
    }
    // Most archives are taken for their bytes: an owner that cannot be read matters only to who asks for it.
    let id = |field: &[u8]| octal(field, "owner").ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(u32::MAX);
    let (uid, gid) = (id(&header.as_old().uid), id(&header.as_old().gid));
    counted.show(&path, kind, mode, More { uid, gid, at }, body)
}

/// Reads what was left of an entry, and the zeros to the next block.
fn finish_body<R: Read>(mut body: io::Take<R>, size: u64) -> Walked<()> {
    io::copy(&mut body, &mut io::sink())?;
    if body.limit() != 0 {
        return damaged("it was cut within an entry");
    }
    let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    let mut zeros = [0; BLOCK];
    match fill(&mut body.into_inner(), &mut zeros[..padding as usize])? as u64 == padding {
        true => Ok(()),
        false => damaged("it was cut behind an entry"),
    }
}

fn record<R: Read>(body: &mut io::Take<R>) -> Walked<Vec<u8>> {
    if body.limit() > LONGEST_RECORD {
        return refuse(format!("a record of names and attributes has {} bytes", body.limit()));
    }
    let mut bytes = Vec::new();
    let size = body.limit();
    match body.read_to_end(&mut bytes)? as u64 == size {
        true => Ok(bytes),
        false => damaged("it was cut within a record of names and attributes"),
    }
}

/// A number as every reader reads it: octal digits, with spaces before and a space or NUL behind. GNU's base-256 and
/// negative numbers are refused.
fn octal(field: &[u8], what: &str) -> Walked<u64> {
    let digits = until_nul(field).trim_ascii();
    let rest = &field[until_nul(field).len()..];
    let plain = !digits.is_empty() && digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    if !plain || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return refuse(format!("the {what} of a tar header is not an octal number (`{}`)", field.escape_ascii()));
    }
    Ok(digits.iter().fold(0, |number, digit| number * 8 + u64::from(digit - b'0')))
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// As much as there is.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, number) in
            [(&b"0000644\0"[..], 0o644), (b"   644 \0", 0o644), (b"00000000017 ", 15), (b"77777777", 0o77777777)]
        {
            assert_eq!(octal(field, "size").unwrap(), number);
        }
        for field in
            [&b"\0\0\0\0"[..], b"        ", b"-000644\0", b"0000648\0", b"0x00644\0", b"\x80\0\0\x01", b"064\x00044"]
        {
            assert!(octal(field, "size").is_err(), "{field:?}");
        }
    }
}

//! Debian packages (deb(5)): an ar archive of `debian-binary`, `control.tar*` and `data.tar*`, in this order.
//!
//! Only the data is unpacked; the control scripts are never looked at.

use std::io::{self, Read};

use super::{Counted, Walked, damaged, refuse, walk_tar};

const MAGIC: &[u8] = b"!<arch>\n";

/// Whether this begins an ar archive.
pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Shows every entry of the package's data.
pub(super) fn walk(reader: &mut dyn Read, allowed: u64, counted: &mut Counted) -> Walked<()> {
    io::copy(&mut reader.take(MAGIC.len() as u64), &mut io::sink())?;
    let mut expected = ["debian-binary", "control.tar", "data.tar"].into_iter();
    while let Some(Header { name, size }) = next_header(reader)? {
        let mut body = reader.take(size);
        // Reserved for later use; every reader passes over them.
        if !name.starts_with('_') {
            match expected.next() {
                Some("debian-binary") if name == "debian-binary" => check_version(&mut body)?,
                Some("control.tar") if is_tar(&name, "control.tar") => {}
                Some("data.tar") if is_tar(&name, "data.tar") => walk_tar(&mut body, allowed, counted)?,
                _ => return refuse(format!("`{name}` is not what comes here in a Debian package")),
            }
        }
        io::copy(&mut body, &mut io::sink())?;
        if body.limit() != 0 {
            return damaged(format!("it was cut within `{name}`"));
        }
        check_padding(body.into_inner(), size)?;
    }
    match expected.next() {
        None => Ok(()),
        Some(missing) => damaged(format!("it is no Debian package: it has no {missing}")),
    }
}

struct Header {
    name: String,
    size: u64,
}

/// ar(5): name 16, date 12, owner 6, group 6, mode 8, size 10, and a fixed end; padded with spaces.
fn next_header(reader: &mut dyn Read) -> Walked<Option<Header>> {
    let mut bytes = Vec::new();
    match reader.take(60).read_to_end(&mut bytes)? {
        0 => return Ok(None),
        60 if bytes.ends_with(b"`\n") => {}
        _ => return damaged("an ar header is malformed or cut"),
    }
    let text = |field: &[u8]| String::from_utf8_lossy(field.trim_ascii_end()).into_owned();
    let name = text(&bytes[..16]);
    let name = name.strip_suffix('/').unwrap_or(&name).to_owned();
    let digits = text(&bytes[48..58]);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(size) if plain && !name.contains('/') => Ok(Some(Header { name, size })),
        _ => refuse(format!("the ar header of `{name}` has a strange name or size")),
    }
}

fn is_tar(name: &str, stem: &str) -> bool {
    matches!(name.strip_prefix(stem), Some("" | ".gz" | ".xz" | ".zst"))
}

fn check_version(body: &mut dyn Read) -> Walked<()> {
    let mut text = Vec::new();
    body.take(64).read_to_end(&mut text)?;
    match text.starts_with(b"2.") && text.ends_with(b"\n") {
        true => Ok(()),
        false => refuse(format!("the format of the Debian package is `{}`, not 2.0", text.escape_ascii())),
    }
}

/// Members start at even places.
fn check_padding(reader: &mut dyn Read, size: u64) -> Walked<()> {
    let mut byte = Vec::new();
    if size % 2 == 1 {
        reader.take(1).read_to_end(&mut byte)?;
    }
    match &byte[..] {
        [] | b"\n" => Ok(()),
        byte => refuse(format!("an ar member is padded with `{}`", byte.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str) -> Vec<u8> {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes()
    }

    #[test]
    fn headers() {
        let read = |bytes: &[u8]| next_header(&mut &bytes[..]);
        let found = read(&header("data.tar.xz/", "12")).unwrap().map(|found| (found.name, found.size));
        assert_eq!(found, Some(("data.tar.xz".to_owned(), 12)));
        assert!(read(b"").unwrap().is_none());
        for bad in [
            &header("x", "12")[..59],
            &header("a/b", "12"),
            &header("#1/20", "12"),
            &header("x", "-1"),
            &header("x", ""),
        ] {
            assert!(read(bad).is_err(), "{:?}", bad.escape_ascii());
        }
    }
}

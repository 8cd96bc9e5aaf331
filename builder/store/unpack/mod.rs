//! Archives that came from outside, read strictly: tar (plain, gzip, zstd, xz), zip, Debian packages.
//!
//! What readers of the world disagree about is refused, not interpreted: an archive must have one meaning. The format
//! is recognised by content. Nothing is written here, no path is opened, no script is run: entries are only shown.

mod ar;
mod pax;
mod tar;
mod zip;

use std::io::{self, BufReader, Cursor, Read};

use super::{Pin, Store};
use crate::digest::PinnedReader;
use crate::error::{Error, Result};

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after decompression, in all.
    pub unpacked: u64,
    /// Bytes after decompression for each byte of the archive; the first 64 MiB are free.
    pub ratio: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of all names together.
    pub names: u64,
}

impl Default for Limits {
    /// 16 GiB, 200:1, a million entries, 32 MiB of names.
    fn default() -> Limits {
        Limits { unpacked: 16 << 30, ratio: 200, entries: 1_000_000, names: 32 << 20 }
    }
}

/// The unpacked bytes that no ratio forbids.
const FREE: u64 = 64 << 20;
/// The memory that a decoder may take for its window: zstd -22 and xz -9 stay below.
const WINDOW_LOG: u32 = 27;
const XZ_MEMORY: u64 = 128 << 20;

/// What an entry of an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink and its target.
    Symlink(Box<str>),
    /// Another name of a file in the archive.
    Hardlink(Box<str>),
    /// A device, FIFO or socket, by its name.
    Other(&'static str),
}

/// One entry: its path is relative, without `.`, `..` and empty components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path.
    pub path: Box<str>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// The owner's number, in a tar archive.
    pub uid: u32,
    /// The group's number, in a tar archive.
    pub gid: u32,
    /// Where its bytes begin, in a tar archive without its compression.
    pub at: u64,
}

/// Is shown each entry with its bytes, which it need not read.
pub(super) type Visit<'a> = dyn FnMut(Entry, &mut dyn Read) -> Result<()> + 'a;

/// Shows `visit` every entry of an archive in the store, in the archive's order; the archive is hashed on the way, so
/// what was shown is to be trusted only once this returns well. `name` is what errors call the archive.
pub(super) fn walk(store: &Store, pin: &Pin, name: &str, limits: &Limits, visit: &mut Visit) -> Result<()> {
    let file = store.file(&pin.digest)?;
    let mut archive = PinnedReader::new(file, pin.digest, pin.size, "the stored archive");
    let allowed = limits.unpacked.min(pin.size.saturating_mul(limits.ratio).max(FREE));
    let mut counted = Counted::new(limits, visit);
    let walked = match head(&mut archive).map_err(|error| broken(error).context(name))? {
        head if ar::is(&head) => ar::walk(&mut Cursor::new(head).chain(archive), allowed, &mut counted),
        head if zip::is(&head) => {
            io::copy(&mut archive, &mut io::sink()).map_err(|error| broken(error).context(name))?;
            zip::walk(archive.into_inner(), pin.size, allowed, &mut counted)
        }
        head => walk_tar(&mut Cursor::new(head).chain(archive), allowed, &mut counted),
    };
    walked.map_err(|error| match error {
        Trouble::Ours(error) => error.context(name),
        Trouble::Stream(error) => broken(error).context(name),
    })
}

/// Why a walk stopped: an error with its class, or one of a stream, to be judged by [`broken`].
#[derive(Debug)]
pub(super) enum Trouble {
    Ours(Error),
    Stream(io::Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Ours(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Stream(error)
    }
}

type Walked<T> = std::result::Result<T, Trouble>;

/// Content that means different things to different readers, or that nobody needs.
fn refuse<T>(why: impl Into<String>) -> Walked<T> {
    Err(Trouble::Ours(Error::policy(why)))
}

/// Bytes that are no archive, or one that was cut or damaged.
fn damaged<T>(why: impl Into<String>) -> Walked<T> {
    Err(Trouble::Ours(Error::integrity(why)))
}

/// The class of a stream's error: ours as it is, the host's disk is environment, a decoder's is integrity, unless it
/// asks for more memory than it may have.
pub(super) fn broken(error: io::Error) -> Error {
    if error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return Error::io("reading", "the store", error);
    }
    let text = error.to_string();
    match text.contains("memory") {
        true => Error::policy(format!("it takes too much memory to unpack ({text})")),
        false => Error::integrity(format!("a damaged or cut archive ({text})")),
    }
}

/// The first bytes, enough to recognise any format; the rest stays.
fn head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    reader.take(512).read_to_end(&mut head)?;
    Ok(head)
}

/// A tar archive, compressed once or not at all, to its last byte.
fn walk_tar(reader: &mut dyn Read, allowed: u64, counted: &mut Counted) -> Walked<()> {
    let head = head(reader)?;
    let kind = Packing::of(&head);
    let unpacked = decoder(&kind, Cursor::new(head).chain(reader))?;
    tar::walk(&mut Bounded { inner: unpacked, left: allowed }, counted)
}

/// A tar archive in the store without its compression, hashed on the way; none if it is not compressed.
pub(super) fn unpacked(store: &Store, pin: &Pin, limits: &Limits) -> Result<Option<impl Read>> {
    let file = store.file(&pin.digest)?;
    let mut archive = PinnedReader::new(file, pin.digest, pin.size, "the stored archive");
    let allowed = limits.unpacked.min(pin.size.saturating_mul(limits.ratio).max(FREE));
    let head = head(&mut archive).map_err(broken)?;
    if ar::is(&head) || zip::is(&head) {
        return Err(Error::usage("it is no tar archive"));
    }
    let kind = Packing::of(&head);
    if matches!(kind, Packing::Plain) {
        return Ok(None);
    }
    let unpacked = decoder(&kind, Cursor::new(head).chain(archive)).map_err(broken)?;
    Ok(Some(Bounded { inner: unpacked, left: allowed }))
}

fn decoder<'a>(kind: &Packing, packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let packed = BufReader::with_capacity(64 << 10, packed);
    Ok(match kind {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
        Packing::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED);
            Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream.map_err(io::Error::from)?))
        }
        Packing::Plain => Box::new(packed),
    })
}

enum Packing {
    Plain,
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    /// RFC 1952; RFC 8878 (a skippable frame may come first); the .xz file format 1.2.
    fn of(head: &[u8]) -> Packing {
        match head {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            _ => Packing::Plain,
        }
    }
}

/// Stops a bomb.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(Error::policy("it unpacks to more than is allowed for its size").into_io()),
        }
        Ok(count)
    }
}

/// What only a tar archive says of an entry.
#[derive(Clone, Copy, Default)]
struct More {
    uid: u32,
    gid: u32,
    at: u64,
}

/// The visitor, behind the limits and the rules for names.
struct Counted<'a, 'b> {
    visit: &'a mut Visit<'b>,
    entries: u64,
    names: u64,
}

impl<'a, 'b> Counted<'a, 'b> {
    fn new(limits: &Limits, visit: &'a mut Visit<'b>) -> Counted<'a, 'b> {
        Counted { visit, entries: limits.entries, names: limits.names }
    }

    /// Shows an entry; the archive's own root directory is none.
    fn show(&mut self, path: &[u8], kind: Kind, mode: u32, more: More, body: &mut dyn Read) -> Walked<()> {
        let Some(left) = self.entries.checked_sub(1) else { return refuse("it has too many entries") };
        self.entries = left;
        let target = match &kind {
            Kind::Symlink(target) | Kind::Hardlink(target) => target.len(),
            _ => 0,
        };
        let Some(left) = self.names.checked_sub((path.len() + target) as u64) else {
            return refuse("its names are too long in all");
        };
        self.names = left;
        match clean(path, kind == Kind::Directory)? {
            None => Ok(()),
            Some(path) => {
                let More { uid, gid, at } = more;
                Ok((self.visit)(Entry { path, kind, mode: mode & 0o7777, uid, gid, at }, body)?)
            }
        }
    }
}

/// A name that leads nowhere else, without a leading `./`; none for the root itself.
fn clean(path: &[u8], directory: bool) -> Walked<Option<Box<str>>> {
    let Ok(text) = std::str::from_utf8(path) else {
        return refuse(format!("the name `{}` is not UTF-8", path.escape_ascii()));
    };
    let mut rest = text;
    while let Some(below) = rest.strip_prefix("./") {
        rest = below;
    }
    if directory {
        rest = rest.strip_suffix('/').unwrap_or(rest);
        if matches!(rest, "." | "") && text.starts_with('.') {
            return Ok(None);
        }
    }
    let drive = matches!(rest.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    match crate::tree::TreePath::from_relative(rest) {
        Ok(_) if !drive => Ok(Some(rest.into())),
        _ => refuse(format!("the name `{text}` is unsafe")),
    }
}

/// The text of a link's target.
fn target(bytes: &[u8]) -> Walked<Box<str>> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && !text.contains('\0') => Ok(text.into()),
        _ => refuse(format!("the link target `{}` is not a path", bytes.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let good = |path: &str, directory| clean(path.as_bytes(), directory).unwrap().map(String::from);
        assert_eq!(good("././a/b", false).as_deref(), Some("a/b"));
        assert_eq!(good("a/b/", true).as_deref(), Some("a/b"));
        assert_eq!((good("./", true), good(".", true)), (None, None));
        for bad in ["", "/", "/x", "../x", "a/../../x", "a//b", "a/./b", "a/", ".", "./", "C:\\x", "c:/x", "a\nb"] {
            assert!(clean(bad.as_bytes(), false).is_err(), "{bad}");
        }
        assert!(clean(b"/", true).is_err() && clean(b"", true).is_err() && clean(b"..", true).is_err());
        assert!(clean(b"\xff", false).is_err());
    }
}

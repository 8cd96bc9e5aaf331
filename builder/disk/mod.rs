//! Files. This folder is the only place that uses `std::fs`, so that the rules below hold everywhere:
//!
//! - A name that we promise holds whole contents: files are written beside their place, synced, and renamed
//!   ([`staged`]).
//! - Modes are set, never inherited from the umask; what is private is 0600 from its first byte.
//! - Of a host file we look at its bytes, its type and its owner's x-bit. Our own cache alone is looked at more
//!   closely ([`look()`]), to find what we did not put there.
//! - Reading is bounded, and a FIFO or a device is refused, not waited for.
//! - What several processes may do at once is done under a lock ([`guard()`]).

#![expect(clippy::disallowed_methods, reason = "the one home of std::fs")]

pub mod guard;
pub mod lay;
pub mod look;
pub mod share;
pub mod staged;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result};

pub use guard::{Guard, guard};
pub use look::{Look, create_private, look, look_open, open_plain, open_private};
pub use share::share;
pub use staged::{Staged, StagedDirectory, abandon, sweep, write, write_new};

/// How many bytes are compared at a time.
const PIECE: usize = 256 << 10;

/// Who may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Files 0644, directories 0755.
    Public,
    /// Files 0600, directories 0700.
    Private,
}

impl Access {
    /// The mode of a file.
    pub fn file_mode(self) -> u32 {
        match self {
            Access::Public => 0o644,
            Access::Private => 0o600,
        }
    }

    /// The mode of a directory.
    pub fn directory_mode(self) -> u32 {
        match self {
            Access::Public => 0o755,
            Access::Private => 0o700,
        }
    }
}

/// Opens a regular file for reading; a symlink is followed, anything that is not a regular file is refused at once.
pub fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    regular(file.map_err(|error| Error::io("opening", path, error))?, path)
}

/// Opens `path`, relative to `root`, for reading. The whole way stays below `root` (openat2(2), `RESOLVE_BENEATH`): a
/// symlink that leads out is refused by the kernel, not by a comparison of strings.
pub fn open_beneath(root: &Path, path: &Path) -> Result<File> {
    let file = open_by(root, path, ResolveFlags::BENEATH).map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::XDEV.raw_os_error() => {
            Error::usage(format!("{} leads out of {}", path.display(), root.display()))
        }
        _ => Error::io("opening", root.join(path), error),
    })?;
    regular(file, path)
}

/// As [`open_beneath`], for a place where nothing but directories and regular files belong: no symlink is followed, and
/// one is [`Error::policy`], as a FIFO or a device is.
pub fn open_plain_beneath(root: &Path, path: &Path) -> Result<File> {
    let link = || Error::policy(format!("{} is a symlink or lies behind one", root.join(path).display()));
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = open_by(root, path, resolve).map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => link(),
        _ => Error::io("opening", root.join(path), error),
    })?;
    let not_regular = || Error::policy(format!("{} is not a regular file", root.join(path).display()));
    regular(file, path).map_err(|_| not_regular())
}

fn open_by(root: &Path, path: &Path, resolve: ResolveFlags) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    Ok(File::from(rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve)?))
}

fn regular(file: File, path: &Path) -> Result<File> {
    let kind = file.metadata().map_err(|error| Error::io("opening", path, error))?.file_type();
    match kind.is_file() {
        true => Ok(file),
        false => Err(Error::usage(format!("{} is not a regular file", path.display()))),
    }
}

/// The size of an open file in bytes.
pub fn size(file: &File) -> Result<u64> {
    Ok(file.metadata().map_err(|error| Error::io("reading", "an open file", error))?.len())
}

/// Whether two open files have the same bytes from where they are.
pub fn same_bytes(a: File, b: File) -> Result<bool> {
    if size(&a)? != size(&b)? {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::with_capacity(PIECE, a), BufReader::with_capacity(PIECE, b));
    let failed = |error| Error::io("reading", "an open file", error);
    loop {
        let (left, right) = (a.fill_buf().map_err(failed)?, b.fill_buf().map_err(failed)?);
        let count = left.len().min(right.len());
        if count == 0 {
            return Ok(left.len() == right.len());
        }
        if left[..count] != right[..count] {
            return Ok(false);
        }
        a.consume(count);
        b.consume(count);
    }
}

/// All bytes of a regular file, of which there may be at most `limit`.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_all(open(path)?, path, limit)
}

/// As [`read`], with the rule of [`open_beneath`].
pub fn read_beneath(root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_all(open_beneath(root, path)?, path, limit)
}

fn read_all(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io("reading", path, error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::usage(format!("{} has more than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

/// All bytes of a regular file that only its owner may read: a secret. A file that group or others may read is
/// refused: whoever could read it may have.
pub fn read_private(path: &Path, limit: u64) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    read_secret(path, limit, 0o077)
}

/// As [`read_private`], for a file of systemd's `$CREDENTIALS_DIRECTORY`. The user of the service reads it by an access
/// control list, whose mask stat(2) shows as the group's bits: a group that may read is nobody else there.
pub fn read_credential(path: &Path, limit: u64) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    read_secret(path, limit, 0o037)
}

fn read_secret(path: &Path, limit: u64, refused: u32) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    use std::os::unix::fs::PermissionsExt;
    let file = open(path)?;
    let mode = file.metadata().map_err(|error| Error::io("reading", path, error))?.permissions().mode();
    if mode & refused != 0 {
        let message = format!("{} is a secret, and others may read it (mode {:04o})", path.display(), mode & 0o7777);
        return Err(
            Error::trust(message).advise(format!("replace it if it leaked, then `chmod 600 {}`", path.display()))
        );
    }
    let over = || format!("{} has more than {limit} bytes", path.display());
    read_wiped(file, path, limit, over)
}

/// All bytes, in memory that is wiped and never moved, which would leave a copy.
fn read_wiped(file: File, path: &Path, limit: u64, over: impl Fn() -> String) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(limit as usize + 1));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io("reading", path, error))?;
    match bytes.len() as u64 > limit {
        true => Err(Error::usage(over())),
        false => Ok(bytes),
    }
}

/// All bytes that an open file descriptor of this process gives.
pub fn read_descriptor(number: u32, limit: u64) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    let path = PathBuf::from(format!("/dev/fd/{number}"));
    let file = File::open(&path).map_err(|error| Error::io("opening", &path, error))?;
    read_wiped(file, &path, limit, || format!("file descriptor {number} gives more than {limit} bytes"))
}

/// Text that must be UTF-8, of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| Error::usage(format!("{} is not UTF-8", path.display())))
}

/// What lies at a path, a final symlink not followed; nothing if nothing does.
pub fn kind(path: &Path) -> Result<Option<Kind>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(kind_of(&metadata))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("looking at", path, error)),
    }
}

/// Whether a file or directory lies at `path`, symlinks followed.
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// The type of something on the host's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, and whether its owner may execute it.
    File {
        /// The owner's x-bit, the only part of a mode that we look at.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

pub(in crate::disk) fn kind_of(metadata: &fs::Metadata) -> Kind {
    use std::os::unix::fs::PermissionsExt;
    match metadata.file_type() {
        kind if kind.is_file() => Kind::File { executable: metadata.permissions().mode() & 0o100 != 0 },
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Symlink,
        _ => Kind::Other,
    }
}

/// Everything below `root`, as paths relative to it, sorted bytewise; symlinks are listed and not followed.
pub fn walk(root: &Path) -> Result<Vec<(PathBuf, Kind)>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let at = root.join(&directory);
        for entry in fs::read_dir(&at).map_err(|error| Error::io("listing", &at, error))? {
            let entry = entry.map_err(|error| Error::io("listing", &at, error))?;
            let path = directory.join(entry.file_name());
            let metadata = entry.metadata().map_err(|error| Error::io("looking at", entry.path(), error))?;
            let kind = kind_of(&metadata);
            if kind == Kind::Directory {
                open.push(path.clone());
            }
            found.push((path, kind));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    Ok(found)
}

/// The names in one directory, sorted bytewise; none if it does not exist.
pub fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("listing", directory, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| Error::io("listing", directory, error))?.file_name();
        names.push(name.into_string().map_err(|name| Error::usage(format!("{name:?} is not UTF-8")))?);
    }
    names.sort();
    Ok(names)
}

/// Where a symlink points.
pub fn read_link(path: &Path) -> Result<PathBuf> {
    fs::read_link(path).map_err(|error| Error::io("reading the symlink", path, error))
}

/// The absolute path, every symlink resolved.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| Error::io("finding", path, error))
}

/// Makes a directory and those above it, with the modes of `access`; one that exists is left as it is.
pub fn create_directories(path: &Path, access: Access) -> Result<()> {
    let _open = staged::open_unfinished();
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    for directory in path.ancestors().take_while(missing).collect::<Vec<_>>().into_iter().rev() {
        match fs::DirBuilder::new().mode(access.directory_mode()).create(directory) {
            Ok(()) => set_mode(directory, access.directory_mode())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("making", directory, error)),
        }
    }
    Ok(())
}

pub(in crate::disk) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let set = rustix::fs::chmod(path, Mode::from_raw_mode(mode));
    set.map_err(|error| Error::io("setting the mode of", path, error.into()))
}

/// Gives a directory and all that is in it the modes of [`Access::Private`], whatever they were.
pub fn make_private(root: &Path) -> Result<()> {
    set_mode(root, Access::Private.directory_mode())?;
    for (path, kind) in walk(root)? {
        match kind {
            Kind::Directory => set_mode(&root.join(path), Access::Private.directory_mode())?,
            Kind::File { .. } => set_mode(&root.join(path), Access::Private.file_mode())?,
            Kind::Symlink | Kind::Other => {}
        }
    }
    Ok(())
}

/// Removes a file; that there is none is no error.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("removing", path, error)),
        _ => Ok(()),
    }
}

/// Removes a directory with all that it holds; that there is none is no error.
pub fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("removing", path, error)),
        _ => Ok(()),
    }
}

/// Renames, and syncs the directory, so that the new name survives a power cut.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    rename_unsynced(from, to)?;
    sync_directory(parent(to))
}

/// Renames; a power cut may undo it, or leave the name to a file without its bytes. For what can be made again and is
/// known by its digest.
pub fn rename_unsynced(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| Error::io("renaming to", to, error))
}

/// Exchanges two names in one step (renameat2(2), `RENAME_EXCHANGE`): at every moment both exist.
pub fn exchange(a: &Path, b: &Path) -> Result<()> {
    rustix::fs::renameat_with(CWD, a, CWD, b, rustix::fs::RenameFlags::EXCHANGE)
        .map_err(|error| Error::io("replacing", b, error.into()))?;
    sync_directory(parent(b))
}

pub(in crate::disk) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(in crate::disk) fn sync_directory(path: &Path) -> Result<()> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| Error::io("syncing", path, error))
}

/// A new file for writing, refused if anything has its name; which nobody has synced yet.
pub fn create(path: &Path, access: Access) -> Result<File> {
    let _open = staged::open_unfinished();
    let file = OpenOptions::new().write(true).create_new(true).mode(access.file_mode()).open(path);
    let file = file.map_err(|error| Error::io("creating", path, error))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(access.file_mode()))
        .map_err(|error| Error::io("setting the mode of", path, error.into()))?;
    Ok(file)
}

/// Flushes a file's bytes to the disk.
pub fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(|error| Error::io("syncing", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_file_is_behind_no_symlink() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", root.join("way")).unwrap();
        std::os::unix::fs::symlink("file", root.join("real/link")).unwrap();
        let code = |path: &str| open_plain_beneath(root, Path::new(path)).map_err(|error| error.class().code()).err();
        assert_eq!(["real/file", "real/link", "way/file", "real"].map(code), [None, Some(8), Some(8), Some(8)]);
        assert_eq!(["real/none", "../x", "/etc/passwd"].map(code), [Some(5); 3]);
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(directory.path().join("outside"), "x").unwrap();
        fs::write(root.join("inside"), "x").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("out")).unwrap();
        std::os::unix::fs::symlink("inside", root.join("in")).unwrap();
        let read = |path: &str| read_beneath(&root, Path::new(path), 9);
        assert!(read("inside").is_ok() && read("in").is_ok());
        for path in ["out", "../outside", "/etc/passwd", "."] {
            assert!(read(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(read(&path, 1).unwrap_err().class().code(), 2);
        assert!(read(Path::new("/dev/zero"), 1).is_err());
    }

    #[test]
    fn reading_is_bounded_and_secrets_must_be_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"abc", Access::Public).unwrap();
        assert!(read(&path, 3).is_ok() && read(&path, 2).is_err());
        assert_eq!(read_private(&path, 3).unwrap_err().class().code(), 4);
        write(&path, b"abc", Access::Private).unwrap();
        assert!(read_private(&path, 3).is_ok() && read_private(&path, 2).is_err());
    }
}

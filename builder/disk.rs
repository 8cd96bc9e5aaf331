//! Files. This is the only file that uses `std::fs`, so that the rules below hold everywhere:
//!
//! - A name that we promise holds whole contents: files are written beside their place, synced, and renamed.
//! - Modes are set, never inherited from the umask; what is private is 0600 from its first byte.
//! - Of a host file we look at its bytes, its type and its owner's x-bit, at nothing else.
//! - Reading is bounded, and a FIFO or a device is refused, not waited for.

#![expect(clippy::disallowed_methods, reason = "the one home of std::fs")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result};

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
    let open = || -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(File::from(rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve)?))
    };
    let file = open().map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::XDEV.raw_os_error() => {
            Error::usage(format!("{} leads out of {}", path.display(), root.display()))
        }
        _ => Error::io("opening", root.join(path), error),
    })?;
    regular(file, path)
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
    use std::os::unix::fs::PermissionsExt;
    let file = open(path)?;
    let mode = file.metadata().map_err(|error| Error::io("reading", path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("{} is a secret, and others may read it (mode {:04o})", path.display(), mode & 0o7777);
        return Err(
            Error::trust(message).advise(format!("replace it if it leaked, then `chmod 600 {}`", path.display()))
        );
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(limit as usize + 1));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io("reading", path, error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::usage(format!("{} has more than {limit} bytes", path.display())));
    }
    Ok(bytes)
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

fn kind_of(metadata: &fs::Metadata) -> Kind {
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

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let set = rustix::fs::chmod(path, Mode::from_raw_mode(mode));
    set.map_err(|error| Error::io("setting the mode of", path, error.into()))
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
    fs::rename(from, to).map_err(|error| Error::io("renaming to", to, error))?;
    sync_directory(parent(to))
}

/// Exchanges two names in one step (renameat2(2), `RENAME_EXCHANGE`): at every moment both exist.
pub fn exchange(a: &Path, b: &Path) -> Result<()> {
    rustix::fs::renameat_with(CWD, a, CWD, b, rustix::fs::RenameFlags::EXCHANGE)
        .map_err(|error| Error::io("replacing", b, error.into()))?;
    sync_directory(parent(b))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_directory(path: &Path) -> Result<()> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| Error::io("syncing", path, error))
}

/// Replaces `path` by a file with these bytes. A reader sees the old file or the new one; a symlink at `path` is
/// replaced, not followed.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    let mut staged = Staged::beside(path, access)?;
    staged.write_all(bytes).map_err(|error| Error::io("writing", path, error))?;
    staged.persist(path)
}

/// Makes a new file with these bytes, and refuses if anything is at `path` already. For keys and seeds, which must
/// never be overwritten.
pub fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    let exists = || Error::usage(format!("{} exists; it is not overwritten", path.display()));
    let mut staged = Staged::beside(path, access)?;
    staged.write_all(bytes).map_err(|error| Error::io("writing", path, error))?;
    staged.finish()?;
    // link(2) refuses an existing name, which rename(2) would replace.
    match fs::hard_link(&staged.path, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
        linked => linked.map_err(|error| Error::io("writing", path, error))?,
    }
    sync_directory(parent(path))
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The start of the name of every unfinished file and directory of ours.
pub const UNFINISHED: &str = ".mastermold-";

fn unfinished_name() -> String {
    format!("{UNFINISHED}{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// A file that is being written beside its place; dropped without [`Staged::persist`], it is removed.
#[derive(Debug)]
pub struct Staged {
    file: File,
    path: PathBuf,
}

impl Staged {
    /// A new, empty file in the directory of `path`.
    pub fn beside(path: &Path, access: Access) -> Result<Staged> {
        Staged::in_directory(parent(path), access)
    }

    /// A new, empty file in `directory`.
    pub fn in_directory(directory: &Path, access: Access) -> Result<Staged> {
        let path = directory.join(unfinished_name());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(access.file_mode());
        let file = match options.open(&path) {
            // Left by a killed process that had our number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_file(&path)?;
                options.open(&path)
            }
            opened => opened,
        };
        let file = file.map_err(|error| Error::io("creating a file in", directory, error))?;
        let staged = Staged { file, path };
        rustix::fs::fchmod(&staged.file, Mode::from_raw_mode(access.file_mode()))
            .map_err(|error| Error::io("setting the mode of", &staged.path, error.into()))?;
        Ok(staged)
    }

    /// The open file, for reading back what was written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Flushes the bytes to the disk.
    fn finish(&mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::io("syncing", &self.path, error))
    }

    /// Gives the file its name, replacing what had it, once its bytes are on the disk.
    pub fn persist(mut self, path: &Path) -> Result<()> {
        self.finish()?;
        rename(&self.path, path)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After persist there is nothing at this name any more; a failure here only leaves a private temporary file.
        let _ = fs::remove_file(&self.path);
    }
}

impl Read for Staged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Staged {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// A directory that is being filled beside its place; dropped without [`StagedDirectory::persist`], it is removed.
/// What a killed process left is swept by the next one in the same place.
#[derive(Debug)]
pub struct StagedDirectory {
    path: PathBuf,
    // Held while we live: a sweeper takes only directories whose lock it can have.
    _lock: File,
}

impl StagedDirectory {
    /// A new, empty directory (0700 until it is persisted) in `parent`, which must exist.
    pub fn in_directory(parent: &Path) -> Result<StagedDirectory> {
        sweep(parent)?;
        let path = parent.join(unfinished_name());
        remove_directory(&path)?;
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| Error::io("making", &path, error))?;
        let lock = File::open(&path).map_err(|error| Error::io("opening", &path, error))?;
        let locked = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|error| Error::io("locking", &path, error.into()))?;
        Ok(StagedDirectory { path, _lock: lock })
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs everything in it and gives it its name in one step; a directory that has the name is exchanged with this
    /// one and then removed.
    pub fn persist(self, path: &Path, access: Access) -> Result<()> {
        for (found, kind) in walk(&self.path)? {
            if kind == Kind::Directory {
                sync_directory(&self.path.join(found))?;
            }
        }
        set_mode(&self.path, access.directory_mode())?;
        sync_directory(&self.path)?;
        match kind(path)? {
            None => rename(&self.path, path),
            Some(_) => exchange(&self.path, path), // Drop removes the old one.
        }
    }
}

impl Drop for StagedDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed processes left in `directory`: unfinished files and directories that nobody holds.
pub fn sweep(directory: &Path) -> Result<()> {
    for name in names(directory)?.into_iter().filter(|name| name.starts_with(UNFINISHED)) {
        let path = directory.join(&name);
        let owner = name[UNFINISHED.len()..].split('-').next().unwrap_or_default();
        match kind(&path)? {
            Some(Kind::Directory) if free(&path) => remove_directory(&path)?,
            Some(Kind::File { .. }) if !Path::new("/proc").join(owner).exists() => remove_file(&path)?,
            _ => {}
        }
    }
    Ok(())
}

fn free(directory: &Path) -> bool {
    let Ok(file) = File::open(directory) else { return false };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// An exclusive lock (flock(2)) on a file; it ends with the value, and with the process however it ends.
#[derive(Debug)]
pub struct Guard(#[expect(dead_code, reason = "held for its lock")] File);

/// Takes the lock on `path`, made if missing; waits up to `patience`, then it is [`Error::busy`].
pub fn guard(path: &Path, patience: Duration) -> Result<Guard> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let file = options.open(path).map_err(|error| Error::io("opening", path, error))?;
    let deadline = Instant::now() + patience;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Guard(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::busy(format!("{} is held by another mastermold", path.display()))
                    .advise("try again when it has ended"));
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::io("locking", path, error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_write_replaces_a_symlink_and_tightens_the_mode() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("key"), directory.path().join("target"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        write(&path, b"new", Access::Private).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(names(directory.path()).unwrap(), ["key", "target"]);
    }

    #[test]
    fn write_new_never_overwrites() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seed");
        write_new(&path, b"one", Access::Private).unwrap();
        assert_eq!(write_new(&path, b"two", Access::Private).unwrap_err().class().code(), 2);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(directory.path()).unwrap(), ["seed"]);
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

    #[test]
    fn a_staged_directory_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.0");
        drop(StagedDirectory::in_directory(directory.path()).unwrap());
        assert!(names(directory.path()).unwrap().is_empty());
        for content in ["first", "second"] {
            let staged = StagedDirectory::in_directory(directory.path()).unwrap();
            write(&staged.path().join("file"), content.as_bytes(), Access::Public).unwrap();
            staged.persist(&path, Access::Public).unwrap();
            assert_eq!(fs::read_to_string(path.join("file")).unwrap(), content);
        }
        assert_eq!(names(directory.path()).unwrap(), ["1.0"]);
    }

    #[test]
    fn leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let alive = StagedDirectory::in_directory(directory.path()).unwrap();
        fs::create_dir(directory.path().join(".mastermold-1-0")).unwrap();
        fs::write(directory.path().join(".mastermold-4294967295-0"), "x").unwrap();
        fs::write(directory.path().join(format!(".mastermold-{}-77", std::process::id())), "x").unwrap();
        sweep(directory.path()).unwrap();
        assert_eq!(names(directory.path()).unwrap().len(), 2);
        assert!(alive.path().exists());
    }

    #[test]
    fn a_guard_is_exclusive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = guard(&path, Duration::ZERO).unwrap();
        assert_eq!(guard(&path, Duration::from_millis(30)).unwrap_err().class().code(), 6);
        drop(held);
        guard(&path, Duration::ZERO).unwrap();
    }
}

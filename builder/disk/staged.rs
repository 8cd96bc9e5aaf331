//! Files and directories that are being written: beside their place, under a name of their own, until they are whole.
//!
//! Each is locked (flock(2)) while its process lives, wherever that process is: a lock is seen from another container,
//! where a process number means nothing. What a killed process left has no lock, and the next one sweeps it.

#![expect(clippy::disallowed_methods, reason = "a part of the one home of std::fs")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::{
    Access, Kind, exchange, kind, look_open, parent, remove_directory, remove_file, rename, set_mode, sync,
    sync_directory, walk,
};
use crate::error::{Error, Result};

/// The start of the name of every unfinished file and directory of ours.
pub const UNFINISHED: &str = ".mastermold-";

/// The bit of a directory's mode that lets only its owner remove a file in it (inode(7), S_ISVTX).
const STICKY: u32 = 0o1000;

/// With more files than this the whole file system is synced at once, others' files too (syncfs(2)): one by one each waits for
/// the journal.
const MANY: usize = 256;

/// How many names are tried before something must be wrong.
const ATTEMPTS: u32 = 1000;

/// Every unfinished file and directory of this process, for [`abandon`].
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Held by whoever makes something new, gives something its name, or takes everything away.
pub(in crate::disk) fn open_unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished file and directory of this process, which is about to end by a signal. Afterwards nothing
/// can be made or named any more: whoever tries waits for the end.
pub fn abandon() {
    let open = open_unfinished();
    for path in open.iter() {
        // What cannot be removed is swept by the next run.
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
    }
    std::mem::forget(open);
}

/// Makes something new in `directory` under an unfinished name and locks it. A name that is taken is another's: the
/// next is tried. So it is when a sweeper came between the making and the locking.
fn begin(directory: &Path, make: impl Fn(&Path) -> io::Result<File>) -> Result<(PathBuf, File)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let failed = |error| Error::io("making a file in", directory, error);
    for _ in 0..ATTEMPTS {
        let mut open = open_unfinished();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        let file = match make(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            // Or between the making and the opening of a directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory.exists() => continue,
            made => made.map_err(failed)?,
        };
        open.insert(path.clone());
        match lock(&file) {
            Ok(true) if file.metadata().is_ok_and(|found| found.nlink() > 0) && path.exists() => {
                return Ok((path, file));
            }
            // A sweeper was here.
            Ok(_) => open.remove(&path),
            Err(error) => {
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
                open.remove(&path);
                return Err(Error::io("locking", path, error));
            }
        };
    }
    Err(Error::environment(format!("{} is full of unfinished files", directory.display()))
        .advise("look why, and remove them"))
}

/// Locks a file for this process, unless another one has it.
fn lock(file: &File) -> io::Result<bool> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes what killed processes left in `directory`: unfinished files and directories that nobody has locked.
///
/// The directory may be everybody's (`TMPDIR`), and then a name of ours says nothing: a FIFO is not waited for, a symlink
/// not followed, and neither is removed, as we make none; in a sticky directory, what is somebody else's is let alone. Anywhere
/// else it is removed if it can be: who signs a release sweeps what another signer left in it.
pub fn sweep(directory: &Path) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let is_sticky = fs::metadata(directory).is_ok_and(|found| found.mode() & STICKY != 0);
    for path in unfinished(directory)? {
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32;
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&path) else { continue };
        let Ok(found) = look_open(&file) else { continue };
        let is_ours = found.owner == user;
        if (is_sticky && !is_ours) || !lock(&file).is_ok_and(|locked| locked) {
            continue;
        }
        let removed = match found.kind {
            Kind::Directory => remove_directory(&path),
            Kind::File { .. } => remove_file(&path),
            Kind::Symlink | Kind::Other => continue,
        };
        if is_ours {
            removed?;
        }
    }
    Ok(())
}

/// What has an unfinished name in `directory`; nothing if there is no such directory.
fn unfinished(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io("listing", directory, error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let entries = entries.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    // What else lies there may have any name.
    let is_unfinished = |entry: &fs::DirEntry| entry.file_name().as_bytes().starts_with(UNFINISHED.as_bytes());
    Ok(entries.iter().filter(|entry| is_unfinished(entry)).map(fs::DirEntry::path).collect())
}

/// Replaces `path` by a file with these bytes. A reader sees the old file or the new one; a symlink at `path` is
/// replaced, not followed. A device, a socket or a FIFO is nobody's to replace: with root's rights /dev/null would be gone.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
        return Err(Error::usage(format!("{} is no file; it is not replaced", path.display())));
    }
    sweep(parent(path))?;
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
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(access.file_mode());
        let (path, file) = begin(directory, |path| options.open(path))?;
        let staged = Staged { file, path };
        rustix::fs::fchmod(&staged.file, Mode::from_raw_mode(access.file_mode()))
            .map_err(|error| Error::io("setting the mode of", &staged.path, error.into()))?;
        Ok(staged)
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
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
        let _open = open_unfinished();
        rename(&self.path, path)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After persist there is nothing at this name any more; a failure here only leaves a private temporary file.
        let _ = fs::remove_file(&self.path);
        open_unfinished().remove(&self.path);
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
    lock: File,
}

impl StagedDirectory {
    /// A new, empty directory (0700 until it is persisted) in `parent`, which must exist.
    pub fn in_directory(parent: &Path) -> Result<StagedDirectory> {
        sweep(parent)?;
        let (path, lock) = begin(parent, |path| {
            fs::DirBuilder::new().mode(0o700).create(path)?;
            File::open(path).inspect_err(|_| drop(fs::remove_dir(path)))
        })?;
        Ok(StagedDirectory { path, lock })
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs everything in it and gives it its name in one step; a directory that has the name is exchanged with this
    /// one and then removed.
    pub fn persist(self, path: &Path, access: Access) -> Result<()> {
        let (directories, files): (Vec<_>, Vec<_>) =
            walk(&self.path)?.into_iter().partition(|(_, kind)| *kind == Kind::Directory);
        if files.len() > MANY {
            let synced = rustix::fs::syncfs(&self.lock);
            synced.map_err(|error| Error::io("syncing the file system of", &self.path, error.into()))?;
        } else {
            for (file, _) in files.iter().filter(|(_, kind)| matches!(kind, Kind::File { .. })) {
                let file = self.path.join(file);
                sync(&super::open(&file)?, &file)?;
            }
        }
        let mut open = open_unfinished();
        for (directory, _) in directories {
            sync_directory(&self.path.join(directory))?;
        }
        set_mode(&self.path, access.directory_mode())?;
        sync_directory(&self.path)?;
        match kind(path)? {
            None => rename(&self.path, path)?,
            Some(_) => exchange(&self.path, path)?, // Drop removes the old one.
        }
        open.remove(&self.path);
        Ok(())
    }
}

impl Drop for StagedDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        open_unfinished().remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;
    use rustix::fs::{CWD, FileType};
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
    fn what_is_no_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(write(&path, b"new", Access::Public).unwrap_err().class().code(), 2);
        assert!(!fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(names(directory.path()).unwrap(), ["socket"]);
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

    /// A sweeper may come before what is new is locked, which takes a moment.
    #[test]
    fn what_a_sweeper_takes_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let _ = sweep(directory.path());
                    }
                });
            }
            let made = (0..3000).try_for_each(|_| StagedDirectory::in_directory(directory.path()).map(drop));
            done.store(true, Ordering::Relaxed);
            made.unwrap();
        });
        assert!(StagedDirectory::in_directory(&directory.path().join("nowhere")).is_err());
    }

    #[test]
    fn leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let alive = StagedDirectory::in_directory(directory.path()).unwrap();
        fs::create_dir(directory.path().join(".mastermold-1-0")).unwrap();
        fs::write(directory.path().join(".mastermold-1-1"), "x").unwrap();
        let file = Staged::in_directory(directory.path(), Access::Public).unwrap();
        sweep(directory.path()).unwrap();
        assert_eq!(names(directory.path()).unwrap().len(), 2);
        assert!(alive.path().exists() && file.path.exists());
    }

    /// In a directory of everybody's, such as TMPDIR, anybody may put anything under a name of ours.
    #[test]
    fn what_is_none_of_ours_neither_stops_a_sweep_nor_is_swept() {
        use std::os::unix::ffi::OsStringExt;
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(format!("{UNFINISHED}{name}"));
        rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
        std::os::unix::fs::symlink(directory.path(), at("link")).unwrap();
        fs::write(directory.path().join(std::ffi::OsString::from_vec(b"\xff".to_vec())), "x").unwrap();
        fs::write(at("ours"), "x").unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        let path = directory.path().to_owned();
        std::thread::spawn(move || said.send(sweep(&path)));
        heard.recv_timeout(std::time::Duration::from_secs(20)).expect("it waits for the FIFO").unwrap();
        assert!(kind(&at("fifo")).unwrap() == Some(Kind::Other) && kind(&at("link")).unwrap() == Some(Kind::Symlink));
        assert_eq!(kind(&at("ours")).unwrap(), None);
    }

    /// Only root can make what is another's; as another user `tests/e2e/rebuild` meets root's.
    #[test]
    fn what_is_anothers_is_swept_but_where_only_its_owner_may() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for (mode, is_swept) in [(0o777, true), (0o1777, false)] {
            let directory = tempfile::tempdir().unwrap();
            set_mode(directory.path(), mode).unwrap();
            let path = directory.path().join(".mastermold-1-0");
            fs::create_dir(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(12345), Some(12345)).unwrap();
            sweep(directory.path()).unwrap();
            assert_eq!(kind(&path).unwrap().is_none(), is_swept, "{mode:o}");
        }
    }
}

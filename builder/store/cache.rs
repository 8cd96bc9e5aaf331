//! [`Store`]: a directory of blobs, each named by its SHA-256.
//!
//! `DIR/blobs/ab/abcdef...` holds whole blobs, `DIR/temp/` what is being written, `DIR/partial/` unfinished downloads,
//! `DIR/apt/` apt's private state, `DIR/pieces/` and `DIR/notes/` what can be made again ([`super::spare`]). Every living [`Store`] shares the lock on `DIR/lock`; whoever can have it alone is
//! the only one there, so what lies in `DIR/temp` then was left by the killed.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, Mode};

use super::Pin;
use crate::digest::{Digest, HashWriter, Hasher, PinnedReader, copy};
use crate::disk::{self, Access, Kind};
use crate::epoch;
use crate::error::{Class, Error, Result};
use crate::tree::Blobs;

/// A content-addressed cache. Any number of them, in any number of processes, may use one directory at once.
#[derive(Debug)]
pub struct Store {
    pub(super) directory: PathBuf,
    // Held shared as long as we live.
    _alive: File,
    counter: AtomicU64,
}

/// `$XDG_CACHE_HOME/mastermold`, else `~/.cache/mastermold` (XDG Base Directory Specification 0.8).
///
/// # Errors
/// A variable that is not an absolute path, or neither of them set: usage.
pub fn default_directory() -> Result<PathBuf> {
    let (name, below) = match epoch::variable("XDG_CACHE_HOME") {
        Some(_) => ("XDG_CACHE_HOME", "mastermold"),
        None => ("HOME", ".cache/mastermold"),
    };
    let unset = || Error::usage("neither XDG_CACHE_HOME nor HOME is set").advise("set XDG_CACHE_HOME");
    let base = PathBuf::from(epoch::variable(name).ok_or_else(unset)?);
    match base.is_absolute() {
        true => Ok(base.join(below)),
        false => Err(Error::usage(format!("{name} is {}: it takes an absolute path", base.display()))),
    }
}

impl Store {
    /// Opens the store in `directory`, made if missing, and sweeps what killed processes left in it.
    ///
    /// # Errors
    /// A directory that is another user's, or that others may write to: policy.
    pub fn open(directory: &Path) -> Result<Store> {
        disk::create_directories(directory, Access::Private)?;
        let directory = disk::canonical(directory)?;
        require_own(&directory)?;
        for part in ["blobs", "partial", "temp", "apt", "pieces", "notes"] {
            let part = directory.join(part);
            disk::create_directories(&part, Access::Private)?;
            require_own(&part)?;
        }
        let alive = enter(&directory)?;
        Ok(Store { directory, _alive: alive, counter: AtomicU64::new(0) })
    }

    /// Where the store is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether there is a blob of this digest and size. A look, not a hash: see [`Store::check`].
    ///
    /// # Errors
    /// Something that is not a regular file has the blob's name: policy.
    pub fn has(&self, digest: &Digest, size: u64) -> Result<bool> {
        is_there(&self.path(digest), size)
    }

    /// Stores all of `source`, of which there may be at most `limit` bytes.
    pub fn add(&self, source: &mut dyn Read, limit: u64) -> Result<(Digest, u64)> {
        let mut temp = self.temp()?;
        let (digest, size) = temp.fill(source, limit)?;
        self.keep(&temp.file, &temp.path, &digest)?;
        Ok((digest, size))
    }

    /// Stores what `write` writes; with a pin only if it is that.
    pub fn derive(&self, pin: Option<&Pin>, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Pin> {
        let temp = self.temp()?;
        let mut hashed = HashWriter::new(&temp.file);
        write(&mut hashed)?;
        let (_, digest, size) = hashed.finish();
        let derived = Pin { digest, size };
        if let Some(pin) = pin.filter(|pin| **pin != derived) {
            let Pin { digest: pinned, size: pinned_size } = pin;
            let message =
                format!("it became sha256 {digest} ({size} bytes), but {pinned} ({pinned_size} bytes) is pinned");
            return Err(Error::integrity(message));
        }
        self.keep(&temp.file, &temp.path, &digest)?;
        Ok(derived)
    }

    /// Stores `source` if it is what was pinned; otherwise nothing changes.
    pub(super) fn add_pinned(&self, source: impl Read, name: &str, pin: &Pin) -> Result<()> {
        let mut temp = self.temp()?;
        let mut source = PinnedReader::new(source, pin.digest, pin.size, name);
        temp.fill(&mut source, pin.size)?;
        self.keep(&temp.file, &temp.path, &pin.digest)
    }

    /// Hashes the blob. One that is damaged is removed, and is as one that is not there: false.
    pub fn check(&self, digest: &Digest, size: u64) -> Result<bool> {
        match self.open_pinned(digest, size).map(|mut reader| copy(&mut reader, &mut io::sink())) {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => match Error::io("reading", self.path(digest), error) {
                error if error.class() == Class::Integrity => {
                    disk::remove_file(&self.path(digest))?;
                    Ok(false)
                }
                error => Err(error),
            },
            Err(_) if !self.has(digest, size)? => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a finished, hashed file of this store its name.
    pub(super) fn keep(&self, file: &File, from: &Path, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        file.sync_all().map_err(|error| Error::io("storing", &path, error))?;
        self.claim(file, &path)?;
        disk::rename(from, &path)
    }

    /// Makes a finished file ready for the name that it is to have.
    pub(super) fn claim(&self, file: &File, path: &Path) -> Result<()> {
        let protected = rustix::fs::fchmod(file, Mode::from_raw_mode(0o400));
        protected.map_err(|error| Error::io("storing", path, error.into()))?;
        is_there(path, 0)?;
        disk::create_directories(path.parent().unwrap_or(&self.directory), Access::Private)
    }

    /// The open blob, which is a regular file but may be damaged: read it through a [`PinnedReader`].
    pub(super) fn file(&self, digest: &Digest) -> Result<File> {
        let missing = || Error::environment(format!("blob {digest} is not in the store {}", self.directory.display()));
        disk::open_plain(&self.path(digest))?.ok_or_else(|| missing().advise("run `mastermold fetch`"))
    }

    /// The blob as a file, of which parts are read; what is read is to be hashed by who reads.
    pub fn plain_file(&self, pin: &Pin) -> Result<File> {
        self.file(&pin.digest)
    }

    pub(super) fn open_pinned(&self, digest: &Digest, size: u64) -> Result<PinnedReader<File>> {
        let name = format!("the stored blob {}", self.path(digest).display());
        Ok(PinnedReader::new(self.file(digest)?, *digest, size, name))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.directory.join("blobs").join(&name[..2]).join(name)
    }

    /// A new private file. The name is ours alone because it is created, never opened; other processes may have our
    /// number (containers), so a taken name is left alone and the next one tried.
    pub(super) fn temp(&self) -> Result<Temp> {
        loop {
            let count = self.counter.fetch_add(1, Ordering::Relaxed);
            let path = self.directory.join("temp").join(format!("{}-{count}", std::process::id()));
            if let Some(file) = disk::create_private(&path)? {
                return Ok(Temp { file, path });
            }
        }
    }
}

impl Blobs for Store {
    fn open(&self, digest: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Advised(self.open_pinned(digest, size)?)))
    }
}

/// Tells what to do about a damaged blob.
struct Advised(PinnedReader<File>);

impl Read for Advised {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let advise = |error| Error::io("reading", "a stored blob", error).advise("`mastermold fetch` repairs it");
        self.0.read(buffer).map_err(|error| match error.kind() {
            // Nothing is wrong: whoever reads tries again.
            io::ErrorKind::Interrupted => error,
            _ => advise(error).into_io(),
        })
    }
}

/// A file that has no blob's name yet; removed when dropped.
pub(super) struct Temp {
    pub file: File,
    pub path: PathBuf,
}

impl Temp {
    fn fill(&mut self, source: &mut dyn Read, limit: u64) -> Result<(Digest, u64)> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("reading", "what is to be stored", error)),
            };
            hasher.update(&buffer[..count]);
            if hasher.size() > limit {
                return Err(Error::policy(format!("it has more than {limit} bytes")));
            }
            self.file.write_all(&buffer[..count]).map_err(|error| Error::io("writing", &self.path, error))?;
        }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // Kept, it has another name by now; a failure leaves a private file for the next sweep.
        let _ = disk::remove_file(&self.path);
    }
}

/// Whether there is a file of this size at a place where nothing else may be.
pub(super) fn is_there(path: &Path, size: u64) -> Result<bool> {
    match disk::look(path)? {
        None => Ok(false),
        Some(look) if matches!(look.kind, Kind::File { .. }) => Ok(look.size == size),
        Some(_) => Err(Error::policy(format!("{} is not a regular file", path.display())).advise("remove it")),
    }
}

/// The digest and size of an open file, from its start.
pub(super) fn hash(file: &mut File, path: &Path) -> Result<Pin> {
    let failed = |error| Error::io("reading", path, error);
    file.rewind().map_err(failed)?;
    let mut hashed = crate::digest::HashWriter::new(io::sink());
    copy(file, &mut hashed).map_err(failed)?;
    let (_, digest, size) = hashed.finish();
    Ok(Pin { digest, size })
}

/// A directory of ours, and nobody else's to write: partial downloads and apt's configuration are trusted by place.
fn require_own(directory: &Path) -> Result<()> {
    let bad = |why: &str| Error::policy(format!("the cache directory {} {why}", directory.display()));
    let own = rustix::process::geteuid().as_raw();
    match disk::look(directory)? {
        Some(look) if look.kind != Kind::Directory => Err(bad("is not a directory").advise("remove it")),
        Some(look) if look.owner != own => {
            Err(bad(&format!("belongs to user {}, not to {own}", look.owner)).advise("set XDG_CACHE_HOME"))
        }
        Some(look) if look.mode & 0o022 != 0 => Err(bad(&format!("may be written by others ({:04o})", look.mode))
            .advise(format!("`chmod 700 {}`, if you trust what is in it", directory.display()))),
        Some(_) => Ok(()),
        None => Err(Error::environment(format!("the cache directory {} went away", directory.display()))),
    }
}

/// Takes our share of the lock, after sweeping if nobody else is there.
fn enter(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = disk::open_private(&path)?;
    let lock = |how| rustix::io::retry_on_intr(|| rustix::fs::flock(&file, how));
    if lock(FlockOperation::NonBlockingLockExclusive).is_ok() {
        let temp = directory.join("temp");
        for name in disk::names(&temp)? {
            disk::remove_file(&temp.join(name))?;
        }
    }
    // Waits only for a sweep: nobody else holds it alone.
    lock(FlockOperation::LockShared).map_err(|error| Error::io("locking", &path, error.into()))?;
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        (directory, store)
    }

    #[test]
    fn added_and_read_back() {
        let (_directory, store) = store();
        let (digest, size) = store.add(&mut &b"abc"[..], 3).unwrap();
        assert_eq!((digest, size), (Digest::of(b"abc"), 3));
        assert!(store.has(&digest, 3).unwrap() && !store.has(&digest, 2).unwrap());
        let mut bytes = Vec::new();
        Blobs::open(&store, &digest, 3).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"abc");
        assert_eq!(store.add(&mut &b"abcd"[..], 3).unwrap_err().class(), Class::Policy);
        assert!(disk::names(&store.directory.join("temp")).unwrap().is_empty());
        let mode = std::fs::metadata(store.path(&digest)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o400);
    }

    fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
        out.write_all(bytes).map_err(|error| Error::io("writing", "x", error))
    }

    #[test]
    fn what_is_derived_is_kept_by_its_digest() {
        let (_directory, store) = store();
        let pin = store.derive(None, |out| put(out, b"a").and_then(|()| put(out, b"bc"))).unwrap();
        assert_eq!(pin, Pin { digest: Digest::of(b"abc"), size: 3 });
        assert!(store.check(&pin.digest, 3).unwrap());
        assert_eq!(store.derive(Some(&pin), |out| put(out, b"abc")).unwrap(), pin);
        store.derive(None, |_| Err(Error::usage("no"))).unwrap_err();
        assert!(disk::names(&store.directory.join("temp")).unwrap().is_empty());
    }

    #[test]
    fn only_the_pinned_gets_a_name() {
        let (_directory, store) = store();
        let pin = Pin { digest: Digest::of(b"abc"), size: 3 };
        for wrong in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert_eq!(store.add_pinned(wrong, "x", &pin).unwrap_err().class(), Class::Integrity);
        }
        assert_eq!(disk::walk(&store.directory.join("blobs")).unwrap().len(), 0);
        assert_eq!(store.derive(Some(&pin), |out| put(out, b"abd")).unwrap_err().class(), Class::Integrity);
        assert_eq!(disk::walk(&store.directory.join("blobs")).unwrap().len(), 0);
        store.add_pinned(&b"abc"[..], "x", &pin).unwrap();
        assert!(store.check(&pin.digest, 3).unwrap());
    }
}

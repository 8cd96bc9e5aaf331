//! Looking closely at files of our own cache, which others may have touched.

#![expect(clippy::disallowed_methods, reason = "a part of the one home of std::fs")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::{Kind, kind, kind_of};
use crate::error::{Error, Result};

/// What stat(2) says of a path, a final symlink not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its owner's number.
    pub owner: u32,
    /// Its group's number.
    pub group: u32,
    /// Its permission bits, at most 0o7777.
    pub mode: u32,
    /// Device and inode: which file it is, whatever its name.
    pub identity: (u64, u64),
}

fn look_of(metadata: &fs::Metadata) -> Look {
    use std::os::unix::fs::MetadataExt;
    Look {
        kind: kind_of(metadata),
        size: metadata.len(),
        owner: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode() & 0o7777,
        identity: (metadata.dev(), metadata.ino()),
    }
}

/// Looks at what lies at `path`, a final symlink not followed; nothing if nothing does.
pub fn look(path: &Path) -> Result<Option<Look>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(look_of(&metadata))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("looking at", path, error)),
    }
}

/// Looks at an open file.
pub fn look_open(file: &File) -> Result<Look> {
    Ok(look_of(&file.metadata().map_err(|error| Error::io("looking at", "an open file", error))?))
}

/// Opens a regular file for reading; nothing if there is none. A symlink, FIFO, device or directory is not what we
/// put there: it is refused, not followed and not waited for.
pub fn open_plain(path: &Path) -> Result<Option<File>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32;
    plain(OpenOptions::new().read(true).custom_flags(flags).open(path), path)
}

/// Opens a private file (0600) to read and write, made if missing, with the rule of [`open_plain`].
pub fn open_private(path: &Path) -> Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let missing = || Error::environment(format!("opening {}: its directory is gone", path.display()));
    plain(options.open(path), path)?.ok_or_else(missing)
}

/// A new private file (0600) to read and write; nothing if the name is taken.
pub fn create_private(path: &Path) -> Result<Option<File>> {
    match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(Error::io("creating", path, error)),
    }
}

fn plain(opened: io::Result<File>, path: &Path) -> Result<Option<File>> {
    let strange = || Error::policy(format!("{} is not a regular file", path.display())).advise("remove it");
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if matches!(kind(path)?, Some(kind) if !matches!(kind, Kind::File { .. })) => return Err(strange()),
        Err(error) => return Err(Error::io("opening", path, error)),
    };
    match look_open(&file)?.kind {
        Kind::File { .. } => Ok(Some(file)),
        _ => Err(strange()),
    }
}

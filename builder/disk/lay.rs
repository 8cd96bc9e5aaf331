//! Laying a tree of files in a directory of ours, entry by entry. Nothing is followed and nothing is written over: a name that is
//! taken is an error.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::set_mode;
use crate::error::{Error, Result};

/// Permission bits that count here: what sets a user or a group is not wanted in a directory of ours.
const BITS: u32 = 0o777;

/// Makes a directory, into which we can write whatever its mode.
pub fn directory(path: &Path, mode: u32) -> Result<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| Error::io("making", path, error))?;
    set_mode(path, (mode & BITS) | 0o700)
}

/// Makes a file, open for writing.
pub fn file(path: &Path, mode: u32) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let file = options.open(path).map_err(|error| Error::io("creating", path, error))?;
    let set = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & BITS));
    set.map_err(|error| Error::io("setting the mode of", path, error.into()))?;
    Ok(file)
}

/// Makes a symbolic link.
pub fn symlink(target: &str, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).map_err(|error| Error::io("making", path, error))
}

/// Gives a file one more name.
pub fn link(from: &Path, path: &Path) -> Result<()> {
    fs::hard_link(from, path).map_err(|error| Error::io("making", path, error))
}

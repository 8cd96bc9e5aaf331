//! Disks of a machine: files of the host, which keep what the machine writes.

use std::path::PathBuf;

use crate::boot::Watcher;
use crate::disk::{self, Kind};
use crate::error::{Error, Result};

/// A disk that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its serial number, by which the machine finds it: /dev/disk/by-id/virtio-SERIAL.
    pub serial: String,
    /// The file.
    pub path: PathBuf,
    /// How large it is made if it is not there.
    pub size: Option<u64>,
}

/// A disk whose file is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The file.
    pub path: PathBuf,
    /// Its serial number.
    pub serial: String,
}

impl Disk {
    /// Makes the file if it is not there: empty, private, and taking no room until it is written to. One that is there
    /// is taken as it is.
    pub fn prepare(&self, watcher: &dyn Watcher) -> Result<Attached> {
        let path = self.path.clone();
        let shown = path.display();
        match (disk::kind(&path)?, self.size) {
            (Some(Kind::File { .. } | Kind::Symlink), _) => {
                watcher.note(&format!("disk {}: {shown}, as it is", self.serial))
            }
            (Some(_), _) => return Err(Error::usage(format!("{shown} is no file, so it can be no disk"))),
            (None, None) => {
                let message = format!("{shown} is not there, and its size is not given");
                return Err(Error::usage(message).advise(format!("write --disk {shown}:4GiB")));
            }
            (None, Some(size)) => {
                let file = disk::create(&path, disk::Access::Private)?;
                file.set_len(size).map_err(|error| Error::io("making", &path, error))?;
                watcher.note(&format!("disk {}: {shown}, new, {} MiB", self.serial, size >> 20));
            }
        }
        Ok(Attached { path, serial: self.serial.clone() })
    }
}

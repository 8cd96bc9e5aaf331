//! Locks between processes.

#![expect(clippy::disallowed_methods, reason = "a part of the one home of std::fs")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags};

use crate::error::{Error, Result};

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

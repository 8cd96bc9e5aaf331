//! [`Flusher`]: what is written goes to the disk while more is written, so that at the end there is little left to wait for.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::disk;
use crate::error::Result;

/// So many bytes of a file are written between two times that it is flushed; a smaller file is left to the end.
const STRIDE: u64 = 8 << 20;

type Running = (Sender<(File, PathBuf)>, JoinHandle<Result<()>>);

/// A thread that flushes files; begun when it has something to do.
#[derive(Debug, Default)]
pub struct Flusher(Mutex<Option<Running>>);

impl Flusher {
    /// A writer of this file.
    pub fn writer<'a>(&'a self, file: File, path: &'a Path) -> Flushing<'a> {
        Flushing { flusher: self, file, path, since: 0 }
    }

    /// Has a file flushed. Where that cannot be, the end takes longer, and nothing else is lost.
    fn flush(&self, file: &File, path: &Path) {
        let Ok(file) = file.try_clone() else { return };
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            let (sender, incoming) = channel::<(File, PathBuf)>();
            let work = move || incoming.iter().try_for_each(|(file, path)| disk::sync(&file, &path));
            *running = thread::Builder::new().spawn(work).ok().map(|thread| (sender, thread));
        }
        if let Some((sender, _)) = &*running {
            // It has ended by an error, which is told at the end.
            let _ = sender.send((file, path.to_owned()));
        }
    }

    /// Waits for what was begun.
    ///
    /// # Errors
    /// What a flush met: the kernel tells it once, so who syncs the file again does not learn of it.
    pub fn finish(&self) -> Result<()> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((sender, thread)) = running else { return Ok(()) };
        drop(sender);
        thread.join().unwrap_or(Ok(()))
    }
}

/// A file that is flushed as it grows.
pub struct Flushing<'a> {
    flusher: &'a Flusher,
    file: File,
    path: &'a Path,
    since: u64,
}

impl Write for Flushing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.since += count as u64;
        if self.since >= STRIDE {
            self.since = 0;
            self.flusher.flush(&self.file, self.path);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
    use super::*;

    #[test]
    fn large_files_are_flushed_and_nothing_of_them_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let flusher = Flusher::default();
        let mut writer = flusher.writer(File::create(&path).unwrap(), &path);
        let piece = vec![7; STRIDE as usize - 1];
        writer.write_all(&piece).unwrap();
        assert!(flusher.0.lock().unwrap().is_none(), "a small file begins no thread");
        writer.write_all(&piece).unwrap();
        assert!(flusher.0.lock().unwrap().is_some());
        drop(writer);
        flusher.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [piece.clone(), piece].concat());
    }

    #[test]
    fn an_error_is_told_at_the_end() {
        let flusher = Flusher::default();
        // What cannot be synced (fsync(2), EINVAL).
        let null = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        let mut writer = flusher.writer(null, Path::new("/dev/null"));
        writer.write_all(&vec![0; STRIDE as usize]).unwrap();
        drop(writer);
        assert!(flusher.finish().unwrap_err().to_string().contains("/dev/null"));
    }
}

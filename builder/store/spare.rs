//! What a [`Store`] keeps beside blobs and can do without: compressed pieces of archives, and notes of what was found out.
//!
//! Neither is synced. A power cut may take it away or leave a name without its bytes; both have sums that were noted, and what is
//! not what it should be counts as not there. `DIR/pieces` and `DIR/notes` may be removed at any time that nobody builds.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Pin;
use super::cache::{Store, is_there};
use crate::digest::{Check, CheckWriter, CheckedReader, Digest, HashWriter, copy};
use crate::disk::{self, Access};
use crate::error::{Class, Error, Result};

/// What was written once, and how it is seen that it is still that: each build reads all of it, and SHA-256 would take most of
/// the time. Who can change a piece can change the note that says what it is, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// What it is.
    pub pin: Pin,
    /// Computed when it was written.
    pub check: Check,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:016x}", self.pin, self.check.0)
    }
}

impl FromStr for Written {
    type Err = Error;

    fn from_str(text: &str) -> Result<Written> {
        let bad = || Error::usage(format!("`{text}` is not a digest, a size and a check"));
        let (pin, check) = text.rsplit_once(' ').ok_or_else(bad)?;
        let check = u64::from_str_radix(check, 16).map_err(|_| bad())?;
        Ok(Written { pin: pin.parse()?, check: Check(check) })
    }
}

impl Store {
    /// Keeps what `write` writes as a piece. Gives back what `write` did.
    pub fn add_piece<T>(&self, write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T>) -> Result<(Written, T)> {
        let temp = self.temp()?;
        let mut checked = CheckWriter::new(HashWriter::new(&temp.file));
        let made = write(&mut checked)?;
        let (hashed, check) = checked.finish();
        let (_, digest, size) = hashed.finish();
        let path = self.piece_path(&digest);
        self.claim(&temp.file, &path)?;
        disk::rename_unsynced(&temp.path, &path)?;
        Ok((Written { pin: Pin { digest, size }, check }, made))
    }

    /// Whether there is a piece of this digest and size. A look, not a hash.
    pub fn has_piece(&self, pin: &Pin) -> Result<bool> {
        is_there(&self.piece_path(&pin.digest), pin.size)
    }

    /// A piece; the reader fails at its end if it is damaged.
    pub fn piece(&self, kept: &Written) -> Result<Box<dyn Read + Send>> {
        let path = self.piece_path(&kept.pin.digest);
        let gone = || Error::integrity(format!("the compressed piece {} is gone", path.display()));
        let file = disk::open_plain(&path)?.ok_or_else(gone)?;
        let name = format!("the compressed piece {}", path.display());
        Ok(Box::new(CheckedReader::new(file, kept.check, name)))
    }

    /// Removes a piece if it is damaged.
    pub fn check_piece(&self, kept: &Written) -> Result<()> {
        let path = self.piece_path(&kept.pin.digest);
        let read = self.piece(kept).and_then(|mut piece| {
            copy(&mut piece, &mut io::sink()).map_err(|error| Error::io("reading", &path, error))
        });
        match read {
            Err(error) if error.class() == Class::Integrity => disk::remove_file(&path),
            read => read.map(drop),
        }
    }

    fn piece_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.directory.join("pieces").join(&name[..2]).join(name)
    }

    /// What `make` finds in a blob, and what depends on nothing but its bytes: made once and kept, since every build asks.
    /// `name` is what is asked, with the version of how it is answered. The blob is hashed before it is looked into.
    ///
    /// What is kept has its own digest before it; a note that was damaged is made anew.
    pub fn note(&self, name: &str, pin: &Pin, make: impl FnOnce(File) -> Result<String>) -> Result<String> {
        if let Some(kept) = self.recall(name, &pin.digest)? {
            return Ok(kept);
        }
        let mut reader = self.open_pinned(&pin.digest, pin.size)?;
        let hashed = copy(&mut reader, &mut io::sink());
        hashed.map_err(|error| Error::io("reading", "a stored blob", error).advise("`mastermold fetch` repairs it"))?;
        let text = make(reader.into_inner())?;
        self.remember(name, &pin.digest, &text)?;
        Ok(text)
    }

    /// What was remembered of `key` under `name`; none if it was damaged.
    pub fn recall(&self, name: &str, key: &Digest) -> Result<Option<String>> {
        read_note(&self.note_path(name, key))
    }

    /// Remembers what depends on nothing but the name and the key, for [`Store::recall`]. A power cut may take it away.
    pub fn remember(&self, name: &str, key: &Digest, text: &str) -> Result<()> {
        let (temp, path) = (self.temp()?, self.note_path(name, key));
        disk::create_directories(path.parent().unwrap_or(&self.directory), Access::Private)?;
        let written = write!(&temp.file, "{}\n{text}", Digest::of(text.as_bytes()));
        written.map_err(|error| Error::io("writing", &temp.path, error))?;
        disk::rename_unsynced(&temp.path, &path)
    }

    fn note_path(&self, name: &str, key: &Digest) -> PathBuf {
        self.directory.join("notes").join(name).join(key.to_string())
    }
}

/// The longest note, in bytes.
const LONGEST_NOTE: u64 = 16 << 20;

/// A note that was kept, if it is whole.
fn read_note(path: &Path) -> Result<Option<String>> {
    let Some(file) = disk::open_plain(path)? else { return Ok(None) };
    let mut text = String::new();
    let read = file.take(LONGEST_NOTE).read_to_string(&mut text);
    let whole = |text: &str| {
        let (digest, note) = text.split_once('\n')?;
        (digest == Digest::of(note.as_bytes()).to_string()).then(|| note.to_owned())
    };
    match read {
        Ok(_) => Ok(whole(&text)),
        // Not text: damaged.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(Error::io("reading", path, error)),
    }
}

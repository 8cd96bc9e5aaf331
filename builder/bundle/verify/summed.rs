//! [`Summed`]: a directory with its SHA256SUMS: exactly the files of the list, each with its digest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::findings::Findings;
use super::{Part, signatures};
use crate::bundle::{CMS, ENVELOPES, SUMS, Sums};
use crate::digest::{Digest, Hasher};
use crate::disk::{self, Kind};
use crate::error::{Error, Result};

/// The most bytes that SHA256SUMS, or a manifest, has.
const LONGEST: u64 = 64 << 20;
/// How many bytes are read at once. Not more, for what passes may be secret and is wiped, byte by byte.
pub(in crate::bundle) const PIECE: usize = 64 << 10;

/// A directory of a release, and what messages call it.
#[derive(Debug)]
pub(in crate::bundle) struct Directory {
    path: PathBuf,
    name: String,
    part: Part,
}

impl Directory {
    pub fn new(path: PathBuf, name: impl Into<String>, part: Part) -> Directory {
        Directory { path, name: name.into(), part }
    }

    /// Whether a file of this name is proof of the others, and so in no list. Of those below [`CMS`] others tell whether
    /// they belong there.
    fn is_proof(&self, file: &str) -> bool {
        let public = self.part == Part::Public;
        file == SUMS || signatures::of_name(file).is_some() || (public && (file == ENVELOPES || is_of_boot(file)))
    }

    /// All that lies below a directory in it, sorted.
    pub fn below(&self, directory: &str) -> Result<Vec<(String, Kind)>> {
        let found = disk::walk(&self.path.join(directory))?.into_iter();
        Ok(found.map(|(path, kind)| (path.to_string_lossy().into_owned(), kind)).collect())
    }

    /// What a message calls a file in it.
    pub fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.name)
    }

    /// What has this name, if anything has.
    pub fn kind(&self, file: &str) -> Result<Option<Kind>> {
        disk::kind(&self.path.join(file))
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        disk::names(&self.path)
    }

    /// All bytes of a file that vouches for the others, and that no list has.
    pub fn read(&self, file: &str, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let opened = disk::open_plain_beneath(&self.path, Path::new(file))?;
        let read = opened.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("reading", self.path.join(file), error))?;
        match bytes.len() as u64 > limit {
            true => Err(Error::integrity(format!("{} has more than {limit} bytes", self.name(file)))),
            false => Ok(bytes),
        }
    }

    /// The exact bytes of SHA256SUMS.
    pub fn list(&self) -> Result<Vec<u8>> {
        if self.kind(SUMS)?.is_none() {
            return Err(Error::integrity(format!("{} is missing", self.name(SUMS))).advise(AGAIN));
        }
        self.read(SUMS, LONGEST)
    }

    /// With the list, read strictly.
    pub fn with_sums(self, list: &[u8]) -> Result<Summed> {
        let name = self.name(SUMS);
        let text = std::str::from_utf8(list).map_err(|_| Error::integrity(format!("{name} is not UTF-8")))?;
        let sums = Sums::parse(text).map_err(|error| error.context(&self.name))?;
        // It cannot hold its own digest, and its signatures come after it.
        if let Some((path, _)) = sums.iter().find(|(path, _)| path.starts_with(SUMS)) {
            return Err(Error::integrity(format!("{name} lists {path}")));
        }
        Ok(Summed { directory: self, sums })
    }
}

/// What to do about a release that is not whole.
const AGAIN: &str = "get the release again from its source";

/// A directory and the list of its files.
#[derive(Debug)]
pub(in crate::bundle) struct Summed {
    directory: Directory,
    pub sums: Sums,
}

impl Summed {
    /// What a message calls a file in it.
    pub fn name(&self, file: &str) -> String {
        self.directory.name(file)
    }

    /// The directory itself, for what no list has.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Compares what lies in the directory with the list; gives the listed files that are there.
    pub fn present(&self, findings: &mut Findings) -> Result<BTreeSet<String>> {
        let directories: BTreeSet<&str> = self.sums.iter().flat_map(|(path, _)| ancestors(path)).collect();
        let (mut present, mut told) = (BTreeSet::new(), BTreeSet::new());
        for (path, kind) in disk::walk(&self.directory.path)? {
            let text = path.to_string_lossy();
            let name = self.name(&text);
            let listed = path.to_str().is_some_and(|path| self.sums.get(path).is_some());
            match kind {
                Kind::Symlink | Kind::Other => {
                    let what = if kind == Kind::Symlink { "symlink" } else { "FIFO, socket or device" };
                    findings.note(Error::policy(format!("{name} is a {what}")).advise("a release holds only files"));
                    told.insert(text.into_owned());
                }
                Kind::File { .. } if listed => {
                    present.insert(text.into_owned());
                }
                Kind::File { .. } if self.directory.is_proof(&text) => {}
                Kind::Directory if directories.contains(&*text) || self.directory.is_proof(&format!("{text}/")) => {}
                Kind::File { .. } => findings.note(unsigned(&name)),
                Kind::Directory => findings.note(unsigned(&format!("{name}/"))),
            }
        }
        // What should lie behind a symlink is not missing as well.
        let known =
            |path: &str| present.contains(path) || told.contains(path) || ancestors(path).any(|at| told.contains(at));
        for (path, _) in self.sums.iter().filter(|(path, _)| !known(path)) {
            findings.note(Error::integrity(format!("{} is missing", self.name(path))).advise(AGAIN));
        }
        Ok(present)
    }

    /// Reads a listed file to its end, and gives its size.
    pub fn check(&self, file: &str) -> Result<u64> {
        self.hashed(file)?.finish()
    }

    /// All bytes of a listed file; they are what the list says.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut hashed = self.hashed(file)?;
        let read = (&mut hashed).take(LONGEST).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("reading", self.name(file), error))?;
        match hashed.finish()? > LONGEST {
            true => Err(Error::integrity(format!("{} has more than {LONGEST} bytes", self.name(file)))),
            false => Ok(bytes),
        }
    }

    /// A file, to be read by who hashes it and then asks [`Summed::is_listed`].
    pub fn open(&self, file: &str) -> Result<File> {
        disk::open_plain_beneath(&self.directory.path, Path::new(file))
    }

    /// That the list has this file with this digest.
    pub fn is_listed(&self, file: &str, digest: Digest) -> Result<()> {
        match self.sums.get(file) == Some(&digest) {
            true => Ok(()),
            false => Err(self.differs(&self.name(file), digest)),
        }
    }

    /// That the file of this name has another digest than the list says.
    fn differs(&self, name: &str, digest: Digest) -> Error {
        // Renamed or swapped: these bytes are signed, but for another place.
        let error = match self.sums.iter().find(|(_, other)| **other == digest) {
            Some((other, _)) => Error::trust(format!("{name} is signed as {}", self.name(other))),
            None => Error::integrity(format!("{name} is not the file that {SUMS} lists")),
        };
        error.advise(AGAIN)
    }

    /// A listed file, hashed as it is read.
    pub(super) fn hashed(&self, file: &str) -> Result<Hashed<'_>> {
        let name = self.name(file);
        let listed = self.sums.get(file).copied();
        let digest = listed.ok_or_else(|| Error::integrity(format!("{name} is not in {SUMS}")))?;
        let file = disk::open_plain_beneath(&self.directory.path, Path::new(file))?;
        Ok(Hashed { file, hasher: Hasher::new(), digest, name, summed: self })
    }
}

/// Whether this is below the directory of the boot files' signatures; a directory's own name ends in a slash.
fn is_of_boot(file: &str) -> bool {
    file.strip_prefix(CMS).is_some_and(|rest| rest.starts_with('/'))
}

/// That nobody signed this.
pub(super) fn unsigned(name: &str) -> Error {
    Error::trust(format!("{name} is not in {SUMS}: nobody signed it")).advise("remove it if it does not belong there")
}

/// The directories that a path lies in.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// A file that is hashed as it is read. Nothing that was read is to be trusted before [`Hashed::finish`].
pub(super) struct Hashed<'a> {
    file: File,
    hasher: Hasher,
    digest: Digest,
    name: String,
    summed: &'a Summed,
}

impl Hashed<'_> {
    /// Reads what is left; the size, if all is what the list says.
    pub fn finish(mut self) -> Result<u64> {
        let room = disk::size(&self.file)?.clamp(1, PIECE as u64) as usize;
        let mut room = Zeroizing::new(vec![0; room]);
        loop {
            match self.read(&mut room) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &self.name, error)),
            }
        }
        let (digest, size) = self.hasher.finish();
        match digest == self.digest {
            true => Ok(size),
            false => Err(self.summed.differs(&self.name, digest)),
        }
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(room)?;
        self.hasher.update(&room[..count]);
        Ok(count)
    }
}

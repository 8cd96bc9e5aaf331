//! [`Listing`]: what an archive or a directory holds, streamed: every entry, and of files the digest. And the second
//! reading, which takes the contents of the few that are looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{listed, programs};
use crate::archive::{self, Format, Header, HeaderKind};
use crate::digest::{Digest, Hasher};
use crate::disk::{self, Kind};
use crate::error::{Error, Result};
use crate::program::{self, Program};

/// Files above this size are compared by digest alone.
pub const LARGEST: u64 = 1 << 20;
/// The most entries of an archive or a directory.
const MOST: usize = 1 << 20;
/// The most bytes of a layer's list of entries.
const LONGEST_LIST: usize = 64 << 20;
/// How many bytes are hashed at a time.
const PIECE: usize = 128 << 10;

/// Where entries are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An archive, below a directory.
    Archive {
        /// The directory, behind which no symlink is followed.
        root: PathBuf,
        /// Its path in that.
        path: PathBuf,
        /// Its format.
        format: Format,
    },
    /// A directory on the disk.
    Directory(PathBuf),
    /// A single file, listed as `/`.
    File(PathBuf),
    /// Some files of a part of a release, listed as `PART/PATH`. Their modes and owners are the host's, and not looked
    /// at.
    Files {
        /// The part's directory.
        root: PathBuf,
        /// The part's name.
        part: &'static str,
        /// Their paths below it.
        names: Vec<String>,
    },
}

/// An entry. The digest is for comparing: whether it may be shown is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// directory, file, symlink or other.
    pub kind: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// A file's size in bytes.
    pub size: Option<u64>,
    /// Where a symlink points.
    pub target: Option<String>,
    /// SHA-256 of a file's bytes.
    pub digest: Option<Digest>,
}

/// All entries by their absolute path.
#[derive(Debug, Default)]
pub struct Listing {
    /// The entries.
    pub items: BTreeMap<String, Item>,
    /// The modification times that an archive's entries have, the least and the greatest.
    pub mtime: Option<(u64, u64)>,
    /// The paths that lists in it say to be secret, and those lists.
    pub secrets: BTreeSet<String>,
}

/// What is read once more.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Files whose contents are looked into, each with at most [`LARGEST`] bytes.
    pub contents: BTreeSet<String>,
    /// Larger ones, which may be programs. None is a secret.
    pub programs: BTreeSet<String>,
}

/// What was read once more, by path.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Contents.
    pub contents: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// What the programs say of themselves.
    pub programs: BTreeMap<String, Program>,
}

impl Place {
    /// Lists what is there.
    pub fn list(&self) -> Result<Listing> {
        let mut scan = Scan { listing: Listing::default(), room: Zeroizing::new(vec![0; PIECE]) };
        match self {
            Place::Archive { root, path, format } => {
                let mut file = disk::open_plain_beneath(root, path)?;
                let read = archive::read(&mut file, *format, &mut |header, contents| scan.entry(header, contents));
                read.map_err(|error| error.context(root.join(path).display()).advise(UNPACK))?;
            }
            Place::Directory(root) => {
                for (path, kind) in disk::walk(root)? {
                    scan.found(root, &path, kind)?;
                }
            }
            Place::File(path) => scan.file(path)?,
            Place::Files { root, part, names } => {
                for name in names {
                    scan.delivered(root, part, name)?;
                }
            }
        }
        let Listing { items, secrets, .. } = &mut scan.listing;
        secrets.extend(items.keys().filter(|path| listed::is_list(path, |beside| items.contains_key(beside))).cloned());
        Ok(scan.listing)
    }

    /// Reads these entries.
    pub fn fetch(&self, wanted: &Wanted) -> Result<Fetched> {
        let mut fetched = Fetched::default();
        match self {
            Place::Archive { root, path, format } => {
                let mut file = disk::open_plain_beneath(root, path)?;
                let read = archive::read(&mut file, *format, &mut |header, contents| {
                    let path = header.path.to_string();
                    if wanted.contents.contains(&path) {
                        let bytes = whole(contents, header.size(), &path)?;
                        fetched.contents.insert(path, bytes);
                    } else if wanted.programs.contains(&path) {
                        fetched
                            .programs
                            .extend(programs::read(contents, header.size(), &path)?.map(|program| (path, program)));
                    }
                    Ok(())
                });
                read.map_err(|error| error.context(root.join(path).display()))?;
            }
            Place::Directory(root) => {
                let opened = |path: &str| disk::open_plain_beneath(root, Path::new(path.trim_start_matches('/')));
                fetched.take_files(wanted, opened)?;
            }
            Place::File(path) => fetched.take_files(wanted, |_| disk::open(path))?,
            Place::Files { root, .. } => {
                let below = |path: &str| path.split_once('/').map_or(path.to_owned(), |(_, below)| below.to_owned());
                fetched.take_files(wanted, |path| disk::open_plain_beneath(root, Path::new(&below(path))))?;
            }
        }
        Ok(fetched)
    }
}

impl Fetched {
    fn take_files(&mut self, wanted: &Wanted, open: impl Fn(&str) -> Result<File>) -> Result<()> {
        for path in &wanted.contents {
            let mut file = open(path)?;
            let size = disk::size(&file)?;
            self.contents.insert(path.clone(), whole(&mut file, size, path)?);
        }
        for path in &wanted.programs {
            self.programs.extend(program::identify(open(path)?)?.map(|program| (path.clone(), program)));
        }
        Ok(())
    }
}

/// A path as text: one that is none has no spelling that no other has too.
pub fn text_of(path: &Path) -> Result<&str> {
    let refused = || {
        let message = format!("the name {} is not UTF-8", path.as_os_str().as_bytes().escape_ascii());
        Error::policy(message).advise("rename it; mastermold writes no such names")
    };
    path.to_str().ok_or_else(refused)
}

/// What to do about an archive of another program.
const UNPACK: &str = "mastermold reads archives that it wrote; unpack others and compare the directories";

/// All of a small file: with its room from the start, for what grows leaves copies behind.
fn whole(contents: &mut dyn Read, size: u64, name: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.min(LARGEST) as usize + 1));
    let read = contents.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("reading", name, error))?;
    match bytes.len() as u64 > LARGEST {
        true => Err(Error::environment(format!("{name} grew while it was read")).advise("compare again")),
        false => Ok(bytes),
    }
}

struct Scan {
    listing: Listing,
    room: Zeroizing<Vec<u8>>,
}

impl Scan {
    fn entry(&mut self, header: &Header, contents: &mut dyn Read) -> Result<()> {
        let path = header.path.to_string();
        let (kind, size, target) = match &header.kind {
            HeaderKind::Directory => ("directory", None, None),
            HeaderKind::File { size } => ("file", Some(*size), None),
            HeaderKind::Symlink { target } => ("symlink", None, Some(target.clone())),
        };
        let (least, most) = self.listing.mtime.unwrap_or((header.mtime, header.mtime));
        self.listing.mtime = Some((least.min(header.mtime), most.max(header.mtime)));
        let digest = size.map(|_| self.hash(&path, contents)).transpose()?;
        let Header { mode, uid, gid, .. } = *header;
        self.insert(path, Item { kind, mode, uid, gid, size, target, digest })
    }

    fn found(&mut self, root: &Path, below: &Path, kind: Kind) -> Result<()> {
        let path = format!("/{}", text_of(below)?);
        let at = root.join(below);
        let gone = || Error::environment(format!("{} went away while it was read", at.display()));
        let look = disk::look(&at)?.ok_or_else(gone)?;
        let (kind, size, target, digest) = match kind {
            Kind::Directory => ("directory", None, None, None),
            Kind::Symlink => {
                let target = disk::read_link(&at)?;
                let target = text_of(&target).map_err(|error| error.context(format!("the symlink {path}")))?;
                ("symlink", None, Some(target.to_owned()), None)
            }
            Kind::Other => ("other", None, None, None),
            Kind::File { .. } => {
                let mut file = disk::open_plain_beneath(root, below)?;
                let size = disk::size(&file)?;
                ("file", Some(size), None, Some(self.hash(&path, &mut file)?))
            }
        };
        self.insert(path, Item { kind, mode: look.mode, uid: look.owner, gid: look.group, size, target, digest })
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let mut file = disk::open(path)?;
        let look = disk::look_open(&file)?;
        let digest = Some(self.hash("/", &mut file)?);
        let (mode, uid, gid, size) = (look.mode, look.owner, look.group, Some(look.size));
        self.listing.secrets.extend(listed::is_list_on_disk(path).then(|| "/".to_owned()));
        self.insert("/".to_owned(), Item { kind: "file", mode, uid, gid, size, target: None, digest })
    }

    fn delivered(&mut self, root: &Path, part: &str, name: &str) -> Result<()> {
        let path = format!("{part}/{name}");
        let mut file = disk::open_plain_beneath(root, Path::new(name))?;
        let size = Some(disk::size(&file)?);
        let digest = Some(self.hash(&path, &mut file)?);
        self.insert(path, Item { kind: "file", mode: 0o644, uid: 0, gid: 0, size, target: None, digest })
    }

    fn insert(&mut self, path: String, item: Item) -> Result<()> {
        self.listing.items.insert(path, item);
        match self.listing.items.len() > MOST {
            true => Err(Error::policy(format!("there are more than {MOST} entries"))),
            false => Ok(()),
        }
    }

    /// The digest of all that comes. A secrets layer's list is read on the way.
    fn hash(&mut self, path: &str, contents: &mut dyn Read) -> Result<Digest> {
        let root = listed::root_of(path);
        let (mut hasher, mut list) = (Hasher::new(), Zeroizing::new(Vec::new()));
        loop {
            match contents.read(&mut self.room) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&self.room[..count]);
                    if root.is_some() && list.len() > LONGEST_LIST {
                        return Err(Error::policy(format!("{path} has more than {LONGEST_LIST} bytes")));
                    } else if root.is_some() {
                        list.extend_from_slice(&self.room[..count]);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", path, error)),
            }
        }
        self.listing.secrets.extend(root.map(|root| listed::paths(&list, root)).into_iter().flatten());
        Ok(hasher.finish().0)
    }
}

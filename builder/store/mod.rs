//! Outside inputs: fetched, kept by digest, and their members taken out.
//!
//! ```text
//! Request ──gather──► fetched (http, file, apt) ──compared with its Pin──► Store ──members──► one blob per member
//! ```
//!
//! Nothing that was fetched gets a name in the [`Store`] before it is known to be what was pinned, and nothing leaves
//! it without being hashed again. This engine knows requests and pins; it has never heard of a profile or a lock.

mod apt;
mod cache;
mod checksum;
mod debian;
mod download;
mod gather;
mod http;
mod images;
mod list;
mod members;
mod spare;
mod unpack;
mod url;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::digest::Digest;
use crate::error::{Error, Result};

pub use apt::Offered;
pub use cache::{Store, default_directory};
pub use checksum::parse_checksum;
pub use gather::{gather, text};
pub use images::{entries, plain};
pub use members::members;
pub use spare::Written;
pub use unpack::{Entry, Kind, Limits};
pub use url::{Scheme, Url};

/// Where an input is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// `http`, `https` or `file`.
    Url(String),
    /// A file of this host, absolute.
    Path(PathBuf),
    /// A Debian package, resolved and fetched by the system's apt.
    Deb {
        /// Its name.
        package: String,
        /// Its version as Debian writes it; without one, apt's candidate.
        version: Option<String>,
        /// Its architecture as Debian names it: `amd64`, `arm64`.
        arch: String,
    },
    /// A Debian system, made by mmdebstrap of packages that the system's apt has.
    Debian {
        /// Its suite's code name.
        suite: String,
        /// Packages beside those that every system has, sorted.
        packages: Vec<String>,
        /// Its architecture as Debian names it.
        arch: String,
        /// The time of every file that is made.
        epoch: crate::epoch::Epoch,
        /// The packages that it had before, which it is made of again; none: apt's candidates.
        versions: Vec<Package>,
    },
}

/// A package of a Debian system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub arch: String,
}

/// What bytes must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// Their SHA-256.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// `DIGEST SIZE`, as notes have it.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.digest, self.size)
    }
}

impl FromStr for Pin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Pin> {
        let bad = || Error::usage(format!("`{text}` is not a digest and a size"));
        let (digest, size) = text.split_once(' ').ok_or_else(bad)?;
        Ok(Pin { digest: digest.parse()?, size: size.parse().map_err(|_| bad())? })
    }
}

/// One input that is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// What errors and progress call it.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// What it must be; only `lock` asks without.
    pub pin: Option<Pin>,
    /// Which members of the archive are wanted, as globs; none: the file itself.
    pub members: Vec<String>,
    /// At most this many bytes are fetched where there is no pin.
    pub limit: u64,
}

/// One file taken out of an archive; it is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The glob that asked for it.
    pub pattern: String,
    /// Its path in the archive, without a leading `./`.
    pub path: String,
    /// Its bytes.
    pub pin: Pin,
    /// Its owner's x-bit in the archive.
    pub executable: bool,
}

/// What became of a [`Request`]. All of it is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The input itself.
    pub pin: Pin,
    /// Of a Debian package: the version that it is. Known only if it was fetched now, not if it was in the store.
    pub version: Option<String>,
    /// Of a Debian package: its file's name in the mirror's pool; known as `version` is.
    pub resolved: Option<String>,
    /// The members, by path.
    pub members: Vec<Member>,
    /// Of a Debian system: what it is made of; known as `version` is.
    pub packages: Vec<Package>,
}

/// How to gather.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// No network: what is neither in the store nor a file of this host is an error.
    pub offline: bool,
    /// How many inputs are fetched at once; 0 counts as 1.
    pub jobs: usize,
    /// How often a server is asked for one input before giving up; 0 counts as 1.
    pub attempts: u32,
    /// How long to wait for a connection, for an answer, and for further bytes of it; each on its own.
    pub timeout: Duration,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// Who is told how the fetching goes. Printing is the command line's business.
pub trait Progress: Sync {
    /// Fetching `name` begins, or begins anew.
    fn begin(&self, name: &str, size: Option<u64>);
    /// So many more bytes are there.
    fn advance(&self, name: &str, bytes: u64);
    /// It is over, well or not.
    fn end(&self, name: &str);
    /// Something worth a line.
    fn note(&self, _text: &str) {}
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: &str, _: u64) {}
    fn end(&self, _: &str) {}
}

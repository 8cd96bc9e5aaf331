//! [`assemble`]: a whole release out of its parts, which were built on several machines from one lock and one seed
//! (`build --node`), the same byte for byte as one build of all machines writes.
//!
//! ```text
//! PART... --open--> lists, manifests --Whole::of--> what the whole has, and where it comes from --copy--> Draft
//!           part                       whole                              described               copy
//! ```
//!
//! Most files of a release are of one machine, or the same wherever they are: these are copied, and hashed on the way.
//! What names all machines is made of what the parts say: the manifest, the inventories, the provenance, and the menus of
//! boot loaders. Nothing has its name before all of it is there.

mod copy;
mod described;
mod part;
mod whole;

use std::path::{Path, PathBuf};

use self::whole::Whole;
use super::verify::Findings;
use super::verify::each;
use super::{Existing, Manifest, NodeRecord, Outcome};
use crate::error::Result;

/// The menus of boot loaders, which name all machines, as `(path in public/, text)`: of these machines, of the release of
/// this manifest, with the settings of the menu whose text is given.
pub type Menus<'a> = dyn Fn(&Manifest, &[NodeRecord], &str) -> Result<Vec<(String, String)>> + Sync + 'a;

/// What is assembled beside the parts. None of it reaches an output.
pub struct Assembling<'a> {
    /// Where releases are.
    pub out: &'a Path,
    /// Whether a release with other contents may be replaced.
    pub existing: Existing,
    /// How many threads.
    pub jobs: usize,
    /// How the menus of boot loaders are made.
    pub menus: &'a Menus<'a>,
    /// The program's name and version, which must be those that the parts were written by.
    pub tool: &'a str,
}

/// A release that was assembled.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The release's directory.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
    /// Its manifest.
    pub manifest: Manifest,
    /// How many files it has, but for its sums.
    pub files: usize,
    /// How many of the parts were signed; no signature of a part is one of the whole.
    pub signed: usize,
}

/// Assembles the parts at these places. Their order changes nothing, and they may have machines in common.
///
/// # Errors
/// Usage: a part is no release, or without its secrets; parts of different releases, or of another mastermold; a machine that
/// no part has; a release with other contents is there. Integrity: a file is not the one that its part lists, or is another one in
/// another part. Trust: a file that no list has. Policy: a symlink, FIFO or device. Environment: reading or writing failed.
pub fn assemble(parts: &[PathBuf], assembling: &Assembling<'_>) -> Result<Assembled> {
    let mut findings = Findings::default();
    let opened = each(assembling.jobs, parts, |path| part::open(path))?;
    let opened: Vec<_> = opened.into_iter().filter_map(|part| findings.take(part)).collect();
    findings.finish(())?;
    let whole = Whole::of(&opened, assembling)?;
    let files = whole.files();
    let signed = opened.iter().filter(|part| part.signed).count();
    let (path, outcome) = copy::write(&opened, &whole, assembling)?;
    Ok(Assembled { path, outcome, manifest: whole.manifest, files, signed })
}

//! From a release to a machine that runs: the scripts of boot loaders, a lab's server for what is in it, and a machine in
//! QEMU that gets what a node gets.

pub mod run;
pub mod scripts;
pub mod serve;

use std::path::Path;

use crate::bundle::{MANIFEST, Manifest, PUBLIC};
use crate::disk;
use crate::error::Result;

/// The most bytes that a release's manifest has.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// Who is told what happens.
pub trait Watcher: Sync {
    /// What is worth knowing, a line.
    fn note(&self, text: &str);
    /// What only somebody who asks for more wants to know, a line.
    fn detail(&self, text: &str);
    /// What a machine wrote on its console, as it wrote it.
    fn console(&self, text: &str) -> Result<()>;
}

/// The manifest of a release. What it says is not checked here: that is what `verify` does.
pub fn manifest(release: &Path) -> Result<Manifest> {
    let path = Path::new(PUBLIC).join(MANIFEST);
    Manifest::parse(&disk::read_beneath(release, &path, LARGEST_MANIFEST)?)
}

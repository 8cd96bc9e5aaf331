//! What a node is started with: the files that its record names, as they are in the release.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::boot::manifest;
use crate::bundle::{BootRecord, PUBLIC, SECRETS, sums};
use crate::digest::Digest;
use crate::disk::{self, Access};
use crate::error::{Error, Result};

/// What initrds are filled up to: a kernel looks for the next one at such an offset.
const ALIGNMENT: u64 = 4;

/// Whether a machine gets its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// It does, as in the record.
    Given,
    /// It does not: a way to see what it then does.
    Withheld,
}

/// A node of a release.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its cluster's name.
    pub cluster: String,
    /// What it starts from.
    pub record: BootRecord,
    release: PathBuf,
    initrds: Vec<String>,
}

impl Node {
    /// Reads a node's record. The files that it names are not checked: that is what `verify` does before, and the
    /// machine itself after.
    pub fn open(release: &Path, name: &str, secrets: Secrets) -> Result<Node> {
        let release = disk::canonical(release)?;
        let manifest = manifest(&release)?;
        let names: Vec<_> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
        let Some(node) = manifest.nodes.iter().find(|node| node.name == name) else {
            let message = format!("{} has no node `{name}`", release.display());
            return Err(Error::usage(message).advise(format!("it has {}", names.join(", "))));
        };
        let none = || Error::usage(format!("the release says nothing of how {name} starts"));
        let record = node.boot.clone().ok_or_else(none);
        let record = record.map_err(|error| error.advise("give its profile a [base] and build it again"))?;
        let given = |path: &&String| secrets == Secrets::Given || !is_in(path, SECRETS);
        let initrds: Vec<String> = record.initrds.iter().filter(given).cloned().collect();
        for path in initrds.iter().chain([&record.kernel]) {
            if !sums::is_plain(path) || !(is_in(path, PUBLIC) || is_in(path, SECRETS)) {
                return Err(Error::policy(format!("the manifest names `{path}`, which is no path in a release")));
            }
        }
        Ok(Node { name: name.to_owned(), cluster: manifest.cluster, record, release, initrds })
    }

    /// What its firmware says that it is: the same at every start, and no other machine's. Without one QEMU's machines have
    /// none, and what tells machines apart by it (kubeadm asks for that) refuses them.
    pub fn uuid(&self) -> String {
        uuid(&format!("{} {} uuid", self.cluster, self.name))
    }

    /// Where the release is.
    pub fn release(&self) -> &Path {
        &self.release
    }

    /// Copies the kernel to a file in `directory`.
    pub fn write_kernel(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join("kernel");
        self.append(&self.record.kernel, &mut disk::create(&path, Access::Private)?)?;
        Ok(path)
    }

    /// Joins the initrds to one file in `directory`, each filled up with NULs.
    pub fn write_initrd(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join("initrd");
        let mut file = disk::create(&path, Access::Private)?;
        for initrd in &self.initrds {
            self.append(initrd, &mut file)?;
            let end = file.stream_position().map_err(|error| Error::io("writing", &path, error))?;
            let fill = [0; ALIGNMENT as usize];
            let length = (end.next_multiple_of(ALIGNMENT) - end) as usize;
            file.write_all(&fill[..length]).map_err(|error| Error::io("writing", &path, error))?;
        }
        Ok(path)
    }

    fn append(&self, path: &str, to: &mut File) -> Result<()> {
        let mut file =
            disk::open_plain_beneath(&self.release, Path::new(path)).map_err(|error| match is_in(path, SECRETS) {
                true => error.advise("see what the node does without its secrets: --without-secrets"),
                false => error,
            })?;
        io::copy(&mut file, to).map_err(|error| Error::io("copying", self.release.join(path), error))?;
        Ok(())
    }
}

fn is_in(path: &str, part: &str) -> bool {
    path.split_once('/').is_some_and(|(first, _)| first == part)
}

/// A UUID of somebody's own making (RFC 9562, version 8).
fn uuid(of: &str) -> String {
    let mut bytes = *Digest::of(of.as_bytes()).as_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = Digest::from(bytes).to_string();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_machine_is_itself() {
        // By coreutils: printf 'prod m0 uuid' | sha256sum, with the digit of the version and the variant's bits put in.
        assert_eq!(super::uuid("prod m0 uuid"), "15c3e3df-68b9-8522-bfb0-2b47f4c8a06b");
    }
}

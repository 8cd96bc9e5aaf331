//! The signatures of the files that iPXE fetches: one for each, and nothing else beside them.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::Findings;
use super::summed::{Summed, unsigned};
use super::{Asked, as_trust};
use crate::bundle::{CMS, Manifest, fetched};
use crate::digest::Digest;
use crate::disk::Kind;
use crate::error::{Error, Result};
use crate::pki::{Certificate, Term, cms};

/// The most bytes that such a signature has.
const LONGEST: u64 = 64 << 10;

/// What was done about the signatures of boot files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Boot {
    /// There are none.
    #[default]
    Unsigned,
    /// There are so many, and nobody said by which authority they should be.
    Unchecked(usize),
    /// So many hold; by whom.
    Checked(usize, BTreeSet<String>),
}

/// Checks them; by the authorities that were asked for, if any were.
pub(super) fn check(public: &Summed, manifest: &Manifest, asked: &Asked) -> Result<Boot> {
    let directory = public.directory();
    let files = fetched(manifest, &public.sums)?;
    match directory.kind(CMS)? {
        Some(Kind::Directory) => {}
        // Told by whoever looks at all files.
        Some(_) => return Ok(Boot::Unsigned),
        None if asked.boot.is_empty() => return Ok(Boot::Unsigned),
        None => {
            let message = format!("{} is missing: no boot file is signed", directory.name(CMS));
            return Err(Error::trust(message).advise(match files.is_empty() {
                true => "no machine starts from this release: leave out --boot-authority",
                false => "sign them: mastermold sign RELEASE --boot-key K --boot-certificate CHAIN",
            }));
        }
    }
    let mut findings = Findings::default();
    let present = present(public, &files, &mut findings)?;
    if asked.boot.is_empty() {
        return findings.finish(Boot::Unchecked(files.len()));
    }
    let term = asked.term.ok_or_else(|| Error::bug("boot files are judged at no time"))?;
    let mut signers = BTreeSet::new();
    for (path, digest) in files.iter().filter(|(path, _)| present.contains(*path)) {
        let name = format!("{CMS}/{path}");
        let read = directory.read(&name, LONGEST).map_err(as_trust);
        let checked =
            read.and_then(|der| signer(&der, digest, &asked.boot, &term).map_err(|e| e.context(public.name(&name))));
        signers.extend(findings.take(checked));
    }
    findings.finish(Boot::Checked(files.len(), signers))
}

/// Who made a signature.
fn signer(der: &[u8], digest: &Digest, authorities: &[Certificate], term: &Term) -> Result<String> {
    Ok(cms::verify(der, digest, authorities, term)?.subject())
}

/// The signatures that are there; each that is missing, and each thing too many, is told.
fn present(public: &Summed, files: &BTreeMap<String, Digest>, findings: &mut Findings) -> Result<BTreeSet<String>> {
    let directories: BTreeSet<&str> =
        files.keys().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at])).collect();
    let mut present = BTreeSet::new();
    for (path, kind) in public.directory().below(CMS)? {
        let name = public.name(&format!("{CMS}/{path}"));
        match kind {
            Kind::File { .. } if files.contains_key(&path) => {
                present.insert(path);
            }
            Kind::Directory if directories.contains(path.as_str()) => {}
            // Told by whoever looks at all files.
            Kind::Symlink | Kind::Other => {}
            Kind::File { .. } | Kind::Directory => findings.note(unsigned(&name)),
        }
    }
    for path in files.keys().filter(|path| !present.contains(*path)) {
        let message = format!("{} is missing", public.name(&format!("{CMS}/{path}")));
        findings.note(Error::trust(message).advise("sign the boot files again"));
    }
    Ok(present)
}

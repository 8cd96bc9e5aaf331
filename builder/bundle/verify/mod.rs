//! [`verify`]: the check that a release is what was signed, and is the release that was asked for.
//!
//! ```text
//! SHA256SUMS.minisig, .sshsig --keys--> SHA256SUMS --digests--> every file --archives--> every entry    signatures, summed, entries
//!            statement  ==  manifest.json  ==  what was asked       --records-->                        artifacts, layers, contents
//! ```
//!
//! Nothing is believed before what vouches for it was checked, with one exception: an archive is decoded and hashed in
//! one pass, so that the bytes that were checked are the bytes that were read; what was found in it counts only once its
//! digest is right. The decoder's memory is bounded.

pub(in crate::bundle) mod artifacts;
mod boot;
pub(in crate::bundle) mod boot_signatures;
mod contents;
mod entries;
pub(in crate::bundle) mod envelopes;
mod findings;
mod judged;
mod layers;
pub(in crate::bundle) mod signatures;
pub(in crate::bundle) mod summed;

use std::collections::BTreeSet;
use std::path::Path;

pub use self::boot_signatures::Boot;
use self::contents::{Release, Tally};
pub(in crate::bundle) use self::findings::Findings;
pub(crate) use self::findings::each;
use self::signatures::Signers;
use self::summed::{Directory, Summed};
use super::{MANIFEST, Manifest, PUBLIC, SECRETS, Sums};
use crate::disk::{self, Kind};
use crate::error::{Class, Error, Result};
use crate::pki::{Certificate, Term};
use crate::sign::{KeyId, TrustedKey};
use crate::version::Version;

/// How many threads [`check_sums`] hashes with.
const HASHERS: usize = 4;

/// Which release is wanted, and how hard to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The cluster that it must be for.
    pub cluster: Option<String>,
    /// A machine that it must have.
    pub node: Option<String>,
    /// The version that it must be.
    pub version: Option<String>,
    /// The oldest version that it may be.
    pub min_version: Option<Version>,
    /// When the certificates in it must be valid; none is not asked.
    pub term: Option<Term>,
    /// How many different keys of those that are trusted must have signed; at least one.
    pub threshold: usize,
    /// The authorities at which the signatures of boot files must end; none is not asked.
    pub boot: Vec<Certificate>,
    /// Whether files are only hashed, and archives and certificates not looked into.
    pub sums: bool,
    /// How many threads; at least one works.
    pub jobs: usize,
}

/// A release that is what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its manifest.
    pub manifest: Manifest,
    /// Which of the trusted keys signed its public part, each once.
    pub keys: Vec<TrustedKey>,
    /// Which of the trusted keys signed its provenance, each once.
    pub sealers: Vec<KeyId>,
    /// What became of the signatures of its boot files.
    pub boot: Boot,
    /// How many files were hashed.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many archives were compared with their manifests.
    pub archives: usize,
    /// How many entries these have.
    pub entries: u64,
    /// How many certificates were judged, each wherever it lies.
    pub certificates: usize,
    /// Whether its secrets were there.
    pub secrets: Secrets,
}

/// What was done about a release's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They were there, and checked.
    Checked,
    /// They are elsewhere, as where a release is served.
    Absent,
}

/// A part of a release, with its own list and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What may be served to anyone.
    Public,
    /// What only its owner may read.
    Secrets,
}

impl Part {
    /// The name of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Part::Public => PUBLIC,
            Part::Secrets => SECRETS,
        }
    }
}

/// What a part's signature says: minisign's in its trusted comment, OpenSSH's in its namespace.
pub fn identity_comment(manifest: &Manifest, part: Part) -> String {
    match part {
        Part::Public => manifest.identity(),
        Part::Secrets => format!("{} part=secrets", manifest.identity()),
    }
}

/// Checks that a directory holds exactly the files of its SHA256SUMS, each with its digest; gives the list and its exact
/// bytes. No signature is looked at: this is what a signer asks before.
///
/// # Errors
/// Integrity: a file differs or is missing. Trust: one is not in the list. Policy: a symlink, FIFO or device. Environment:
/// reading failed.
pub fn check_sums(directory: &Path, part: Part) -> Result<(Sums, Vec<u8>)> {
    let name = directory.to_string_lossy().trim_end_matches('/').to_owned();
    let directory = Directory::new(directory.to_owned(), name, part);
    let list = directory.list()?;
    let summed = directory.with_sums(&list)?;
    let mut findings = Findings::default();
    let present: Vec<_> = summed.present(&mut findings)?.into_iter().collect();
    for checked in each(HASHERS, &present, |file| summed.check(file))? {
        findings.take(checked);
    }
    findings.finish((summed.sums, list))
}

/// Whether a file of this name, beside a list of digests, is a signature of that list.
pub fn is_signature(name: &str) -> bool {
    signatures::of_name(name).is_some()
}

/// Checks a release: its signatures by `keys`, its identity, the digest of every file, and every entry of every
/// archive against the manifests.
///
/// # Errors
/// Trust: the signature, or that this is not what was asked for, or a file that nobody signed, or a certificate's dates. Integrity: files or
/// entries that are not what was signed. Usage: no release, or of a newer format. Policy: a symlink, FIFO or device.
/// Environment: reading failed. Up to 20 faults are told together.
pub fn verify(release: &Path, keys: &[TrustedKey], asked: &Asked) -> Result<Verified> {
    let mut findings = Findings::default();
    let has_secrets = parts(release, &mut findings)?;
    let (public, signers) = open(release, Part::Public, keys, asked)?;
    let manifest = public.read(MANIFEST);
    let manifest = match manifest {
        Ok(bytes) => Manifest::parse(&bytes)?,
        // It has changed; and perhaps other files with it.
        Err(error) => {
            findings.note(error);
            let present = public.present(&mut findings)?;
            return hash_only(&public, present, asked.jobs, findings);
        }
    };
    signers.say(Part::Public, &identity_comment(&manifest, Part::Public))?;
    is_asked(&manifest, asked)?;
    let secrets = match has_secrets {
        true => Some(open(release, Part::Secrets, keys, asked)?),
        false => None,
    };
    if let Some((_, signers)) = &secrets {
        signers.say(Part::Secrets, &identity_comment(&manifest, Part::Secrets))?;
    }
    let secrets = secrets.map(|(summed, _)| summed);
    let sealers = findings.take(envelopes::check(&public, keys)).unwrap_or_default();
    let boot = findings.take(boot_signatures::check(&public, &manifest, asked)).unwrap_or_default();
    let term = asked.term.as_ref();
    let whole = Release { manifest: &manifest, public: &public, secrets: secrets.as_ref(), term, sums: asked.sums };
    let Tally { files, bytes, archives, entries, certificates } = whole.check(asked.jobs, findings)?;
    let secrets = secrets.map_or(Secrets::Absent, |_| Secrets::Checked);
    Ok(Verified { manifest, keys: signers.keys, sealers, boot, files, bytes, archives, entries, certificates, secrets })
}

/// Looks at what lies at the release's root: the public part, perhaps the secrets, and nothing else. Says whether the
/// secrets are there.
pub(in crate::bundle) fn parts(release: &Path, findings: &mut Findings) -> Result<bool> {
    if disk::kind(&release.join(PUBLIC))?.is_none() {
        let message = format!("{} is no release: it has no {PUBLIC}/", release.display());
        return Err(Error::usage(message).advise(format!("give the directory that {PUBLIC}/ is in")));
    }
    let mut has_secrets = false;
    for name in disk::names(release).map_err(as_trust)? {
        let kind = disk::kind(&release.join(&name))?;
        match (name.as_str(), kind) {
            (PUBLIC, Some(Kind::Directory)) => {}
            (SECRETS, Some(Kind::Directory)) => has_secrets = true,
            (PUBLIC | SECRETS, _) => return Err(Error::policy(format!("{name} in the release is no directory"))),
            _ => findings.note(summed::unsigned(&name)),
        }
    }
    Ok(has_secrets)
}

/// A part whose list was signed by the keys.
fn open(release: &Path, part: Part, keys: &[TrustedKey], asked: &Asked) -> Result<(Summed, Signers)> {
    let directory = Directory::new(release.join(part.name()), part.name(), part);
    let list = directory.list()?;
    let signers = signatures::check(&directory, &list, keys, asked.threshold)?;
    Ok((directory.with_sums(&list)?, signers))
}

/// A signature that is too long is none, and a name that is no text was never signed.
fn as_trust(error: Error) -> Error {
    match error.class() {
        Class::Integrity | Class::Usage => Error::trust(error.to_string()),
        _ => error,
    }
}

/// That this is the release that was asked for.
fn is_asked(manifest: &Manifest, asked: &Asked) -> Result<()> {
    let mut findings = Findings::default();
    let Manifest { cluster, version, nodes, .. } = manifest;
    if let Some(wanted) = asked.cluster.as_ref().filter(|wanted| *wanted != cluster) {
        findings.note(Error::trust(format!("the release is for cluster `{cluster}`, not for `{wanted}`")));
    }
    if let Some(wanted) = asked.version.as_ref().filter(|wanted| *wanted != version) {
        findings.note(Error::trust(format!("the release is version {version}, not {wanted}")));
    }
    if let Some(oldest) = &asked.min_version
        && version.parse::<Version>()? < *oldest
    {
        findings.note(Error::trust(format!("the release is version {version}, and {oldest} is the oldest allowed")));
    }
    if let Some(wanted) = asked.node.as_ref().filter(|wanted| nodes.iter().all(|node| node.name != **wanted)) {
        let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        findings.note(Error::trust(format!("the release has no node `{wanted}`, but {}", names.join(", "))));
    }
    findings.finish(())
}

/// Tells which other files have changed, where it is known that one has.
fn hash_only(part: &Summed, present: BTreeSet<String>, jobs: usize, mut findings: Findings) -> Result<Verified> {
    let present: Vec<_> = present.into_iter().collect();
    for checked in each(jobs, &present, |file| part.check(file))? {
        findings.take(checked);
    }
    findings.finish(())?;
    Err(Error::bug("a changed file was found, and then not"))
}

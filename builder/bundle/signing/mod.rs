//! Signing a release: what is signed, and where the signatures go.
//!
//! ```text
//! Subject   the lists of a release and what they are of; out of a release or out of a request
//! request   Request, Answer: what goes to a key that never meets the build host, and what comes back
//! place     the signature files take their names, when all of them are made
//! ```

mod place;
mod request;

use std::collections::BTreeMap;
use std::path::Path;

use super::provenance::statement;
use super::verify::{Part, check_sums, identity_comment, signatures};
use super::{MANIFEST, Manifest, PROVENANCE, PUBLIC, SECRETS, Sums, fetched};
use crate::digest::Digest;
use crate::disk::{self, Kind};
use crate::error::{Error, Result};
use crate::pki::CodeSigner;
use crate::sign::{Detached, Scheme, Signature, Signer, TrustedKey, dsse};

pub use place::{Keep, Placed, place};
pub use request::{Answer, Request};

/// The largest manifest, in bytes.
const LARGEST: u64 = 64 << 20;

/// What is signed of a release.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the release says it is.
    pub manifest: Manifest,
    /// The exact bytes that say it.
    pub manifest_text: Vec<u8>,
    /// How it was built, if it says so.
    pub provenance: Option<Vec<u8>>,
    /// The list of each part that is there.
    pub lists: Vec<List>,
}

/// The list of a part.
#[derive(Clone, Debug)]
pub struct List {
    /// Of which part.
    pub part: Part,
    /// The exact bytes of its SHA256SUMS.
    pub text: Vec<u8>,
    /// What they say.
    pub sums: Sums,
    /// What a signature of it says.
    pub statement: String,
}

/// A signature of a part's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Of which part.
    pub part: Part,
    /// The signature.
    pub signature: Signature,
}

/// Everything that was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// The lists.
    pub lists: Vec<Made>,
    /// The provenance: envelopes, each a line with its LF. Only keys of minisign seal any.
    pub envelopes: Vec<String>,
    /// The boot files, by the path from which iPXE fetches them, if they were signed: CMS in DER.
    pub boot: BTreeMap<String, Vec<u8>>,
}

impl Subject {
    /// Of a release that is whole: what is signed is what is there, so a damaged one gets no signature.
    pub fn of_release(release: &Path) -> Result<Subject> {
        let public = release.join(PUBLIC);
        if disk::kind(&public)? != Some(Kind::Directory) {
            let message = format!("{} is no release: it has no {PUBLIC}/", release.display());
            return Err(Error::usage(message).advise(format!("give the directory that {PUBLIC}/ is in")));
        }
        let mut lists = Vec::new();
        for part in [Part::Public, Part::Secrets] {
            let directory = release.join(part.name());
            // A release may be signed where its secrets never come.
            match disk::kind(&directory)? {
                Some(Kind::Directory) => {}
                None => continue,
                Some(_) => return Err(Error::policy(format!("{} is no directory", directory.display()))),
            }
            // What a killed signer left is none of the release's files.
            disk::sweep(&directory)?;
            lists.push((part, check_sums(&directory, part)?));
        }
        let read = |name| disk::read(&public.join(name), LARGEST);
        let provenance = disk::kind(&public.join(PROVENANCE))?.map(|_| read(PROVENANCE)).transpose()?;
        Subject::new(read(MANIFEST)?, provenance, lists)
    }

    /// The manifest and the provenance must be those of the public list.
    fn new(
        manifest_text: Vec<u8>,
        provenance: Option<Vec<u8>>,
        lists: Vec<(Part, (Sums, Vec<u8>))>,
    ) -> Result<Subject> {
        let listed = |name: &str, bytes: Option<&[u8]>| {
            let public = lists.iter().find(|(part, _)| *part == Part::Public);
            let digest = public.and_then(|(_, (sums, _))| sums.get(name)).copied();
            match digest == bytes.map(Digest::of) {
                true => Ok(()),
                false => Err(Error::integrity(format!("{name} is not the file that {PUBLIC}/{} lists", super::SUMS))),
            }
        };
        listed(MANIFEST, Some(&manifest_text))?;
        listed(PROVENANCE, provenance.as_deref())?;
        let manifest = Manifest::parse(&manifest_text)?;
        let list = |(part, (sums, text))| List { part, text, sums, statement: identity_comment(&manifest, part) };
        let lists = lists.into_iter().map(list).collect();
        Ok(Subject { manifest, manifest_text, provenance, lists })
    }

    /// What a person should see before this is signed: which release, and how much of it.
    pub fn summary(&self) -> String {
        let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let files = |list: &List| format!(", {} in {}/", counted(list.sums.iter().len(), "file"), list.part.name());
        let files: String = self.lists.iter().map(files).collect();
        format!("{} ({}{files})", self.manifest.identity(), counted(self.manifest.nodes.len(), "node"))
    }

    /// Signs every list, by every signer; the provenance, by those of minisign; and the boot files, if somebody does.
    pub fn sign(&self, signers: &[Signer], boot: Option<&CodeSigner>) -> Result<Signed> {
        let mut signed = Signed::default();
        // What needs nobody's hand first.
        if let Some(boot) = boot {
            for (path, digest) in self.boot_files()? {
                let signature = boot.sign(&digest).map_err(|error| error.context(&path))?;
                signed.boot.insert(path, signature);
            }
        }
        let statement = self.statement()?;
        for signer in signers {
            if let (Signer::Minisign(key), Some(statement)) = (signer, &statement) {
                let envelope = dsse::seal(&[key], statement)?;
                if !signed.envelopes.contains(&envelope) {
                    signed.envelopes.push(envelope);
                }
            }
        }
        for list in &self.lists {
            for signer in signers {
                let signature = signer.sign(&list.text, &list.statement)?;
                signed.lists.push(Made { part: list.part, signature });
            }
        }
        Ok(signed)
    }

    /// The files that iPXE fetches, of which there must be some.
    fn boot_files(&self) -> Result<BTreeMap<String, Digest>> {
        let public = self.list(Part::Public).ok_or_else(|| Error::bug("a release without a public list"))?;
        let files = fetched(&self.manifest, &public.sums)?;
        match files.is_empty() {
            false => Ok(files),
            true => {
                Err(Error::usage("no machine of this release starts from it, so it has no boot files to be signed")
                    .advise("leave out --boot-key"))
            }
        }
    }

    /// What an envelope holds, if the release says how it was built.
    fn statement(&self) -> Result<Option<Vec<u8>>> {
        match (self.list(Part::Public), &self.provenance) {
            (Some(public), Some(provenance)) => statement(&public.sums, provenance).map(Some),
            _ => Ok(None),
        }
    }

    /// A signature file that somebody made with minisign or `ssh-keygen`: for which list it is, it says itself. By a
    /// key out of `keys`, or by the one that it brings along.
    pub fn adopt(&self, bytes: &[u8], keys: &[TrustedKey]) -> Result<Made> {
        let scheme = match bytes.starts_with(b"-----BEGIN SSH") {
            true => Scheme::Ssh,
            false => Scheme::Minisign,
        };
        let detached = Detached::parse(scheme, bytes)?;
        let (statement, id) = (detached.statement(), detached.id());
        let list = self.lists.iter().find(|list| list.statement == statement);
        let list = list.ok_or_else(|| {
            let ours: Vec<_> = self.lists.iter().map(|list| format!("`{}`", list.statement)).collect();
            Error::trust(format!("the signature says `{statement}`, and should say {}", ours.join(" or ")))
                .advise("sign again, with that as trusted comment or namespace")
        })?;
        let own = match &detached {
            Detached::Ssh(signature) if keys.is_empty() => vec![signature.key().clone().into()],
            _ => Vec::new(),
        };
        let by = detached.verify(if keys.is_empty() { &own } else { keys }, &list.text)?.cloned();
        let key = by.ok_or_else(|| {
            Error::trust(format!("the signature is by key {}, which is not given", detached.signer()))
                .advise("give its public key: --key PUB")
        })?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| Error::trust("the signature is not UTF-8"))?;
        Ok(Made { part: list.part, signature: Signature { scheme, id, key, text } })
    }

    fn list(&self, part: Part) -> Option<&List> {
        self.lists.iter().find(|list| list.part == part)
    }
}

/// Whether a directory of a release has a signature of a list, of any format.
pub fn is_signed(part: &Path) -> Result<bool> {
    Ok(disk::names(part)?.iter().any(|name| signatures::of_name(name).is_some()))
}

/// The directory of a part that the manifest's own words call so.
fn part_of(name: &str) -> Option<Part> {
    match name {
        PUBLIC => Some(Part::Public),
        SECRETS => Some(Part::Secrets),
        _ => None,
    }
}

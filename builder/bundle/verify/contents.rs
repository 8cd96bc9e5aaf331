//! [`Release`]: everything that is in a release, looked at file by file.

use std::collections::{BTreeMap, BTreeSet};

use super::artifacts::{self, node_manifest, shared_layer};
use super::boot;
use super::findings::{Findings, each};
use super::judged::Judged;
use super::summed::Summed;
use super::{entries, layers};
use crate::archive::Format;
use crate::bundle::{Artifact, Manifest, PUBLIC, SECRETS};
use crate::error::{Error, Result};
use crate::pki::Term;

/// A release whose lists are signed and whose manifest is of them.
pub(super) struct Release<'a> {
    pub manifest: &'a Manifest,
    pub public: &'a Summed,
    pub secrets: Option<&'a Summed>,
    pub term: Option<&'a Term>,
    /// Whether files are only hashed.
    pub sums: bool,
}

/// What is looked at in one go.
enum Item<'a> {
    /// A file of which only the digest counts.
    File(&'a Summed, String),
    /// A node's manifest, by the node's name.
    Node(&'a str),
    /// A common layer's manifest, by its path in `public/`.
    Common(String),
    /// An archive and its path in its part.
    Archive(&'a Summed, String, &'a Artifact),
}

/// How much was looked at.
#[derive(Default)]
pub(super) struct Tally {
    pub files: usize,
    pub bytes: u64,
    pub archives: usize,
    pub entries: u64,
    pub certificates: usize,
}

impl Release<'_> {
    /// Looks at everything with up to `jobs` threads, and adds to what was found already.
    pub fn check(&self, jobs: usize, mut findings: Findings) -> Result<Tally> {
        let public = self.public.present(&mut findings)?;
        let secrets = self.secrets.map(|secrets| secrets.present(&mut findings)).transpose()?.unwrap_or_default();
        let incoherent = artifacts::check(self.manifest, self.public, self.secrets);
        let items = self.items(public, secrets, incoherent.is_empty());
        findings.append(incoherent);
        let mut tally = Tally::default();
        for (more, found) in each(jobs, &items, |item| self.look(item))? {
            findings.append(found);
            tally.files += more.files;
            tally.bytes += more.bytes;
            tally.archives += more.archives;
            tally.entries += more.entries;
            tally.certificates += more.certificates;
        }
        findings.finish(tally)
    }

    /// What there is to look at. If the manifest is not `coherent`, archives are only hashed.
    fn items(&self, public: BTreeSet<String>, secrets: BTreeSet<String>, coherent: bool) -> Vec<Item<'_>> {
        let artifacts: BTreeMap<&str, &Artifact> =
            self.manifest.artifacts.iter().map(|artifact| (artifact.path.as_str(), artifact)).collect();
        let nodes: BTreeMap<String, &str> =
            self.manifest.nodes.iter().map(|node| (node_manifest(&node.name), node.name.as_str())).collect();
        let mut items = Vec::new();
        let parts = [(PUBLIC, Some(self.public), public), (SECRETS, self.secrets, secrets)];
        for (name, part, files) in parts.into_iter().filter_map(|(name, part, files)| Some((name, part?, files))) {
            for file in files {
                let path = format!("{name}/{file}");
                items.push(match (artifacts.get(path.as_str()), nodes.get(&file)) {
                    (Some(artifact), _) if coherent => Item::Archive(part, file, artifact),
                    (Some(_), _) => Item::File(part, file),
                    (_, Some(node)) if name == PUBLIC => Item::Node(node),
                    _ if name == PUBLIC && shared_layer(&file).is_some() => Item::Common(file),
                    _ => Item::File(part, file),
                });
            }
        }
        items
    }

    fn look(&self, item: &Item<'_>) -> (Tally, Findings) {
        let mut findings = Findings::default();
        let (part, file) = match item {
            Item::File(part, file) | Item::Archive(part, file, _) if self.sums => (*part, file.clone()),
            Item::File(part, file) => return plain(part, file, self.term),
            Item::Node(node) => {
                let manifest = findings.take(layers::node(self, node));
                let layers = manifest.and_then(|manifest| findings.take(layers::public(self, &manifest)));
                let record = self.manifest.nodes.iter().find(|record| record.name == **node);
                if let (Some(layers), Some(record)) = (layers, record) {
                    findings.append(boot::check(self, record, &layers));
                }
                (self.public, node_manifest(node))
            }
            Item::Common(file) => {
                findings.take(layers::shared(self.public, file));
                (self.public, file.clone())
            }
            Item::Archive(part, file, artifact) => match layers::of(self, artifact) {
                Ok(layers) => return archive(part, file, artifact, &layers, self.term),
                // Without its manifests only its digest can be checked.
                Err(error) => {
                    findings.note(error);
                    (*part, file.clone())
                }
            },
        };
        let bytes = findings.take(part.check(&file)).unwrap_or_default();
        (Tally { files: 1, bytes, ..Tally::default() }, findings)
    }
}

/// Hashes a file that is no archive, and judges the certificates in it: people's kubeconfigs are such files.
fn plain(part: &Summed, file: &str, term: Option<&Term>) -> (Tally, Findings) {
    let mut findings = Findings::default();
    let mut held = Judged::new(term);
    let read = part.hashed(file).and_then(|mut hashed| {
        held.read(&mut hashed, &part.name(file))?;
        hashed.finish()
    });
    let Some(bytes) = findings.take(read) else { return (Tally::default(), findings) };
    let certificates = held.judge(|error| findings.note(error.context(part.name(file))));
    (Tally { files: 1, bytes, certificates, ..Tally::default() }, findings)
}

/// Decodes an archive and hashes it, in one pass.
fn archive(
    part: &Summed,
    file: &str,
    artifact: &Artifact,
    layers: &[layers::Records],
    term: Option<&Term>,
) -> (Tally, Findings) {
    let mut findings = Findings::default();
    let name = part.name(file);
    let opened = artifact.format.parse::<Format>().and_then(|format| Ok((format, part.hashed(file)?)));
    let Some((format, mut hashed)) = findings.take(opened) else { return (Tally::default(), findings) };
    let compared = entries::compare(&mut hashed, &name, format, layers, term);
    let Some(bytes) = findings.take(hashed.finish()) else { return (Tally::default(), findings) };
    if bytes != artifact.size {
        let message = format!("{name} has {bytes} bytes, and the release's manifest says {}", artifact.size);
        findings.note(Error::integrity(message));
    }
    let (entries, certificates) = compared.unwrap_or_else(|found| {
        findings.append(found);
        (0, 0)
    });
    (Tally { files: 1, bytes, archives: 1, entries, certificates }, findings)
}

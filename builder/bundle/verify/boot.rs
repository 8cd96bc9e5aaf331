//! What a machine starts from: that its kernel and initrds are this release's and its own, and that its command line has
//! the digests of the lists of its layers, by which it checks them itself.

use super::artifacts::split;
use super::contents::Release;
use super::findings::Findings;
use super::layers::Records;
use crate::bundle::{Artifact, BootRecord, NodeRecord, PUBLIC, cmdline, lists};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::tree::Audience;

/// Everything about a node's start that contradicts the lists, the manifests of its layers or its own file.
pub(super) fn check(release: &Release<'_>, node: &NodeRecord, layers: &[Records]) -> Findings {
    let mut findings = Findings::default();
    let Some(boot) = &node.boot else { return findings };
    findings.take(kernel(release, node, boot));
    for path in &boot.initrds {
        findings.take(initrd(release, node, path));
    }
    let file = format!("{}/boot/cmdline", node.name);
    if let Some(line) = findings.take(release.public.read(&file))
        && line != format!("{}\n", boot.cmdline).into_bytes()
    {
        let name = release.public.name(&file);
        findings.note(Error::integrity(format!("{name} is not the command line of the release's manifest")));
    }
    for records in layers.iter().filter(|records| records.layer != Audience::Secrets) {
        if cmdline::digest_of(&boot.cmdline, records.layer) != list_digest(records) {
            findings.note(wrong_digest(&node.name, records.layer));
        }
    }
    findings
}

/// That a command line has another digest than that of a layer's list.
pub(super) fn wrong_digest(node: &str, layer: Audience) -> Error {
    let layer = layer.name();
    Error::integrity(format!("the command line of {node} has not the digest of its {layer} layer's list"))
}

fn kernel(release: &Release<'_>, node: &NodeRecord, boot: &BootRecord) -> Result<()> {
    let listed = |path: &str| split(path).is_some_and(|(part, _)| part == PUBLIC) && is_listed(release, path);
    match listed(&boot.kernel) {
        true => Ok(()),
        false => Err(Error::integrity(format!("{} starts {}, which no list has", node.name, boot.kernel))),
    }
}

/// An initrd is an archive of the node, of none, or one that came as it is.
fn initrd(release: &Release<'_>, node: &NodeRecord, path: &str) -> Result<()> {
    match release.manifest.artifact(path) {
        Some(Artifact { node: Some(owner), .. }) if *owner != node.name => {
            Err(Error::trust(format!("{} starts with {path} of another node", node.name)))
        }
        Some(_) => Ok(()),
        None if path.starts_with("public/boot/initrd-") && is_listed(release, path) => Ok(()),
        None => Err(Error::integrity(format!("{} starts with {path}, which is no archive of it", node.name))),
    }
}

fn is_listed(release: &Release<'_>, path: &str) -> bool {
    split(path).is_some_and(|(_, below)| release.public.sums.get(below).is_some())
}

/// The digest of a public layer's list.
fn list_digest(records: &Records) -> Option<Digest> {
    let path = lists::sums_path(records.layer);
    records.files.iter().find(|file| file.path.to_string() == path)?.sha256
}

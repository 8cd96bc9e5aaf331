//! Whether a release's manifest says one coherent thing: of its nodes, its archives, and the lists of files.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::Findings;
use super::summed::Summed;
use crate::archive::Format;
use crate::bundle::sums::is_plain;
use crate::bundle::{Artifact, MANIFEST, Manifest, NodeRecord, PUBLIC, SECRETS};
use crate::error::Error;
use crate::tree::Audience;

/// The layer of an archive that holds several layers.
pub(super) const MERGED: &str = "merged";
/// Where common layers lie, with the start of their names.
const COMMON: &str = "layers/common-";
/// Where bases lie that were made of a root file system, with the start of their names.
const BASE: &str = "boot/base-";

/// The part of a release that a path from its root is in, and the path below that.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.split_once('/').filter(|(part, _)| [PUBLIC, SECRETS].contains(part))
}

/// The path of the node's manifest, in `public/`.
pub(super) fn node_manifest(node: &str) -> String {
    format!("{node}/{MANIFEST}")
}

/// The path of the manifest of a common layer's or a base's archive, in `public/`.
pub(super) fn shared_manifest(artifact: &Artifact) -> Option<String> {
    let (_, below) = split(&artifact.path)?;
    Some(format!("{}.json", below.strip_suffix(&artifact.format)?.strip_suffix('.')?))
}

/// Of which layer this is the manifest by its name, in `public/`, if of one that several nodes share.
pub(super) fn shared_layer(path: &str) -> Option<Audience> {
    let id = |start: &str| path.strip_prefix(start).and_then(|rest| rest.strip_suffix(".json"));
    let is_id = |id: &str| id.len() == 12 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let layers = [(COMMON, Audience::Common), (BASE, Audience::Base)];
    layers.into_iter().find(|(start, _)| id(start).is_some_and(is_id)).map(|(_, layer)| layer)
}

/// Everything in the manifest that contradicts itself or the lists.
pub(in crate::bundle) fn check(manifest: &Manifest, public: &Summed, secrets: Option<&Summed>) -> Findings {
    let mut findings = names(manifest);
    if !findings.is_empty() {
        // With names that mean two things, or lead out, nothing else can be said well.
        return findings;
    }
    let nodes = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
    for artifact in &manifest.artifacts {
        findings.take(place(artifact, &nodes));
        findings.take(listed(artifact, public, secrets));
    }
    let artifacts = manifest.artifacts.iter().map(|artifact| (artifact.path.as_str(), artifact)).collect();
    let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for artifact in &manifest.artifacts {
        owned.entry(artifact.node.as_deref().unwrap_or_default()).or_default().push(&artifact.path);
    }
    for node in &manifest.nodes {
        let owned = owned.get(node.name.as_str()).map_or(&[][..], Vec::as_slice);
        applied(node, owned, &artifacts, &mut findings);
    }
    files(&artifacts, &nodes, public, PUBLIC, &mut findings);
    if let Some(secrets) = secrets {
        files(&artifacts, &nodes, secrets, SECRETS, &mut findings);
    }
    unused(manifest, &mut findings);
    findings
}

/// That nodes and archives have plain names, each its own.
fn names(manifest: &Manifest) -> Findings {
    let mut findings = Findings::default();
    let mut wrong = |what: String| findings.note(Error::policy(format!("the release's manifest has {what}")));
    let mut nodes = BTreeSet::new();
    for name in manifest.nodes.iter().map(|node| &node.name) {
        if !is_plain(name) || name.contains('/') {
            wrong(format!("a node named `{name}`"));
        }
        if !nodes.insert(name) {
            wrong(format!("the node {name} twice"));
        }
    }
    let mut last = None;
    for path in manifest.artifacts.iter().map(|artifact| &artifact.path) {
        if !is_plain(path) || split(path).is_none() {
            wrong(format!("an archive at `{path}`"));
        }
        if last.replace(path).is_some_and(|last| last >= path) {
            wrong(format!("{path} twice or out of order"));
        }
    }
    findings
}

/// That an archive lies where one of its kind and node lies: a node is bound by its path.
fn place(artifact: &Artifact, nodes: &BTreeSet<&str>) -> Result<(), Error> {
    let Artifact { path, node, layer, format, secret, .. } = artifact;
    if format.parse::<Format>().is_err() {
        return Err(Error::integrity(format!("{path} has the format `{format}` in the release's manifest")));
    }
    let expected = match (layer.as_str(), node, secret) {
        ("guard", Some(node), false) => format!("{PUBLIC}/{node}/guard.{format}"),
        ("node", Some(node), false) => format!("{PUBLIC}/{node}/node.{format}"),
        ("secrets", Some(node), true) => format!("{SECRETS}/{node}/secrets.{format}"),
        (MERGED, Some(node), false) => format!("{PUBLIC}/{node}/rootfs.{format}"),
        (MERGED, Some(node), true) => format!("{SECRETS}/{node}/rootfs.{format}"),
        ("common" | "base", None, false) => {
            let manifest = shared_manifest(artifact).filter(|_| split(path).is_some_and(|(part, _)| part == PUBLIC));
            let found = manifest.and_then(|manifest| shared_layer(&manifest));
            return match found.is_some_and(|found| found.name() == layer) {
                true => Ok(()),
                false => Err(Error::trust(format!("{path} is declared as a {layer} layer, which lies elsewhere"))),
            };
        }
        _ => {
            let message = format!("{path} is declared as a layer `{layer}` that there is not");
            return Err(Error::integrity(message));
        }
    };
    let declared = node.as_deref().unwrap_or_default();
    if *path != expected {
        let message = format!("{path} is declared as the {layer} archive of node `{declared}`, which is {expected}");
        return Err(Error::trust(message));
    }
    match nodes.contains(declared) {
        true => Ok(()),
        false => Err(Error::trust(format!("{path} is for node `{declared}`, which the release does not have"))),
    }
}

/// That the list of its part has an archive with the same digest. The secrets may be elsewhere.
fn listed(artifact: &Artifact, public: &Summed, secrets: Option<&Summed>) -> Result<(), Error> {
    let Artifact { path, sha256, .. } = artifact;
    let summed = match split(path) {
        Some((PUBLIC, below)) => public.sums.get(below),
        Some((_, below)) => match secrets {
            Some(secrets) => secrets.sums.get(below),
            None => return Ok(()),
        },
        None => return Err(Error::policy(format!("{path} is in no part of a release"))),
    };
    match summed {
        Some(digest) if digest == sha256 => Ok(()),
        Some(_) => Err(Error::integrity(format!("{path} has one digest in its list and another in the manifest"))),
        None => Err(Error::integrity(format!("{path} is in the release's manifest, and not in its list"))),
    }
}

/// That a node's archives are its own, which are `owned`, and its common layer's, once, and in the order in which layers are
/// applied.
fn applied(node: &NodeRecord, owned: &[&str], artifacts: &BTreeMap<&str, &Artifact>, findings: &mut Findings) {
    let (mut seen, mut ranks) = (BTreeSet::new(), BTreeMap::new());
    for path in &node.artifacts {
        let Some(artifact) = artifacts.get(path.as_str()) else {
            findings.note(Error::integrity(format!("node {} has {path}, which is no archive", node.name)));
            continue;
        };
        if artifact.node.as_ref().is_some_and(|owner| *owner != node.name) {
            findings.note(Error::trust(format!("node {} has {path} of another node", node.name)));
        }
        if !seen.insert(path.as_str()) {
            findings.note(Error::policy(format!("node {} has {path} twice", node.name)));
        }
        let rank = ["base", "guard", "common", "node", "secrets"].iter().position(|layer| *layer == artifact.layer);
        if rank.is_some() && ranks.insert(&artifact.format, rank).is_some_and(|before| before > rank) {
            findings.note(Error::integrity(format!("node {} has {path} out of order", node.name)));
        }
    }
    for path in owned.iter().filter(|path| !seen.contains(**path)) {
        findings.note(Error::integrity(format!("node {} does not have its {path}", node.name)));
    }
}

/// That a part lists no archive and no node's manifest that the release's manifest does not know, and that each node
/// has a manifest.
fn files(
    artifacts: &BTreeMap<&str, &Artifact>,
    nodes: &BTreeSet<&str>,
    part: &Summed,
    name: &str,
    findings: &mut Findings,
) {
    let unknown = |path: &str| Error::integrity(format!("{name}/{path} is not in the release's manifest"));
    for (path, _) in part.sums.iter() {
        let of_node = path.strip_suffix(MANIFEST).and_then(|rest| rest.strip_suffix('/'));
        let foreign = of_node.is_some_and(|node| !node.contains('/') && !nodes.contains(node));
        let archive = Format::of_name(path).is_some() && !artifacts.contains_key(format!("{name}/{path}").as_str());
        if foreign || archive {
            findings.note(unknown(path));
        }
    }
    if name == PUBLIC {
        for node in nodes.iter().filter(|node| part.sums.get(&node_manifest(node)).is_none()) {
            findings.note(Error::integrity(format!("node {node} has no manifest")));
        }
    }
}

/// That each common layer is some node's.
fn unused(manifest: &Manifest, findings: &mut Findings) {
    let applied = manifest.nodes.iter().flat_map(|node| &node.artifacts);
    let started = manifest.nodes.iter().filter_map(|node| node.boot.as_ref()).flat_map(|boot| &boot.initrds);
    let used: BTreeSet<&String> = applied.chain(started).collect();
    for artifact in manifest.artifacts.iter().filter(|artifact| !used.contains(&artifact.path)) {
        findings.note(Error::integrity(format!("{} is no node's", artifact.path)));
    }
}

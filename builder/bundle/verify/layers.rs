//! What each archive should hold: the records of its layers, out of manifests that are checked first.

use super::artifacts::{MERGED, node_manifest, shared_layer, shared_manifest};
use super::contents::Release;
use super::findings::Findings;
use super::summed::Summed;

use crate::bundle::{Artifact, CommonManifest, FileRecord, FileType, Manifest, NodeManifest, cmdline};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::tree::Audience;

/// The records of one layer.
pub(super) struct Records {
    pub layer: Audience,
    /// Whose command line has a digest of the layer's list, and which.
    pub pinned: Option<(String, Digest)>,
    pub mtime: u64,
    pub files: Vec<FileRecord>,
}

/// Reads the manifest of a common layer or of a base from `public/`.
pub(super) fn shared(public: &Summed, path: &str) -> Result<Records> {
    let name = public.name(path);
    let layer = shared_layer(path);
    let layer = layer.ok_or_else(|| Error::integrity(format!("{name} is no common layer's manifest")))?;
    let manifest = CommonManifest::parse(&public.read(path)?).map_err(|error| error.context(&name))?;
    records(&name, &manifest.files, &[layer])?;
    if !path.ends_with(&format!("-{}.json", manifest.id())) {
        let message = format!("{name} holds another layer than its name says: {}", manifest.id());
        return Err(Error::integrity(message));
    }
    Ok(Records { layer, pinned: None, mtime: manifest.mtime, files: manifest.files })
}

/// Reads a node's manifest, and checks that it is of this release and this node.
pub(super) fn node(release: &Release<'_>, node: &str) -> Result<NodeManifest> {
    let path = node_manifest(node);
    let name = release.public.name(&path);
    let found = NodeManifest::parse(&release.public.read(&path)?).map_err(|error| error.context(&name))?;
    let Manifest { cluster, version, nodes, .. } = release.manifest;
    let other = (&found.cluster, &found.version) != (cluster, version);
    if other || found.node != node {
        let NodeManifest { cluster, version, node, .. } = &found;
        return Err(Error::trust(format!("{name} is of node `{node}` of cluster `{cluster}` version {version}")));
    }
    records(&name, &found.files, &[Audience::Guard, Audience::Node, Audience::Secrets])?;
    if let Some(common) = &found.common
        && (shared_layer(common) != Some(Audience::Common) || release.public.sums.get(common).is_none())
    {
        return Err(Error::integrity(format!("{name} names the common layer `{common}`, which is not there")));
    }
    let applied = nodes.iter().filter(|record| record.name == node).flat_map(|record| &record.artifacts);
    let artifacts = applied.filter_map(|path| release.manifest.artifact(path));
    for artifact in artifacts.filter(|artifact| artifact.layer == Audience::Common.name()) {
        if shared_manifest(artifact) != found.common {
            return Err(Error::integrity(format!("{} is not the common layer that {name} names", artifact.path)));
        }
    }
    Ok(found)
}

/// The layers that an archive holds, in the order in which they are applied.
pub(super) fn of(release: &Release<'_>, artifact: &Artifact) -> Result<Vec<Records>> {
    let Some(node_name) = &artifact.node else {
        let manifest = shared_manifest(artifact).unwrap_or_default();
        return Ok(vec![shared(release.public, &manifest)?]);
    };
    let manifest = node(release, node_name)?;
    let mut layers = Vec::new();
    if let (MERGED, Some(path)) = (artifact.layer.as_str(), &manifest.common) {
        layers.push(shared(release.public, path)?);
    }
    let guarded = manifest.files.iter().any(|file| file.layer == Audience::Guard.name());
    let wanted = |layer: &Audience| match (artifact.layer.as_str(), layer) {
        // The kernel gets the guard as an archive of its own.
        (MERGED, Audience::Guard) => guarded && !artifact.is_cpio(),
        (MERGED, Audience::Secrets) => artifact.secret,
        (MERGED, _) => true,
        (name, layer) => layer.name() == name,
    };
    for layer in [Audience::Guard, Audience::Node, Audience::Secrets].into_iter().filter(wanted) {
        let files = manifest.files.iter().filter(|file| file.layer == layer.name()).cloned().collect();
        let pinned = pinned(release, node_name, layer);
        layers.push(Records { layer, pinned, mtime: manifest.mtime, files });
    }
    Ok(layers)
}

/// Which digest of a layer's list the node's command line has.
fn pinned(release: &Release<'_>, node: &str, layer: Audience) -> Option<(String, Digest)> {
    let boot = release.manifest.nodes.iter().find(|record| record.name == node)?.boot.as_ref()?;
    Some((node.to_owned(), cmdline::digest_of(&boot.cmdline, layer)?))
}

/// All public layers of a node, by its manifest and that of its common layer.
pub(super) fn public(release: &Release<'_>, manifest: &NodeManifest) -> Result<Vec<Records>> {
    let common = manifest.common.as_ref().map(|path| shared(release.public, path)).transpose()?;
    let own = [Audience::Guard, Audience::Node].map(|layer| {
        let files = manifest.files.iter().filter(|file| file.layer == layer.name()).cloned().collect();
        Records { layer, pinned: None, mtime: manifest.mtime, files }
    });
    Ok(common.into_iter().chain(own).filter(|records| !records.files.is_empty()).collect())
}

/// That records are as mastermold writes them: of these layers, sorted, each once, with the fields of its type.
fn records(name: &str, files: &[FileRecord], layers: &[Audience]) -> Result<()> {
    let mut findings = Findings::default();
    let mut last = None;
    for file in files {
        let key = (&file.layer, &file.path);
        if last.replace(key).is_some_and(|last| last >= key) {
            findings.note(Error::integrity(format!("{name} has {} twice or out of order", file.path)));
        }
        if !layers.iter().any(|layer| layer.name() == file.layer) {
            findings.note(Error::integrity(format!("{name} has {} in the layer `{}`", file.path, file.layer)));
        }
        if !is_sound(file) {
            findings.note(Error::integrity(format!("{name} does not describe {} as mastermold does", file.path)));
        }
    }
    findings.finish(())
}

fn is_sound(file: &FileRecord) -> bool {
    let mode = file.mode.len() == 4 && file.mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let given = (file.size.is_some(), file.sha256.is_some(), file.target.is_some());
    let public = file.layer != Audience::Secrets.name();
    mode && match file.kind {
        FileType::Directory => given == (false, false, false),
        FileType::File => given == (true, public, false),
        FileType::Symlink => given == (false, false, true),
    }
}

//! [`Side`]: one of the two things that are compared, and where its entries are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::scan::{Place, text_of};
use crate::archive::Format;
use crate::bundle::certificates::chosen;
use crate::bundle::verify::is_signature;
use crate::bundle::{
    Artifact, CMS, CommonManifest, ENVELOPES, MANIFEST, Manifest, NodeManifest, PUBLIC, SECRETS, SUMS,
};
use crate::digest::Digest;
use crate::disk::{self, Kind};
use crate::error::{Error, Result};

/// The most bytes that a manifest has.
const LONGEST: u64 = 64 << 20;

/// What a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SideKind {
    /// A release, or its public part alone.
    Release,
    /// A node of a release.
    Node,
    /// An archive.
    Archive,
    /// Any other directory.
    Directory,
    /// Any other file.
    File,
}

impl SideKind {
    /// In a message.
    pub fn name(self) -> &'static str {
        match self {
            SideKind::Release => "release",
            SideKind::Node => "node of a release",
            SideKind::Archive => "archive",
            SideKind::Directory => "directory",
            SideKind::File => "file",
        }
    }
}

/// What may be shown of the files of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// All of it: it is public.
    Public,
    /// None of it: it is secret.
    Secret,
    /// What public manifests have the digest of. The rest is secret.
    Known(BTreeMap<String, Digest>),
    /// What others may read too, and does not look like a secret.
    Unknown,
}

/// Where entries are, and what may be shown of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where.
    pub place: Place,
    /// What may be shown.
    pub trust: Trust,
    /// The digest that a manifest says it has: where two say the same, it is worth looking whether the bytes are.
    pub declared: Option<Digest>,
}

/// What is compared as one: a machine's layers in the order in which they are applied, or some files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The machine's name; empty for what is of none.
    pub node: String,
    /// Indices of the sources.
    pub sources: Vec<usize>,
}

/// One of the two.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its path, as it was given.
    pub path: String,
    /// What it is.
    pub kind: SideKind,
    /// Its release's manifest, if it is of one.
    pub manifest: Option<Manifest>,
    /// Whether secrets are there, if it is of a release.
    pub secrets: bool,
    /// Where entries are.
    pub sources: Vec<Source>,
    /// The machines, or the one thing that it is.
    pub views: Vec<View>,
    /// The release's files that are no archives and no manifests.
    pub files: View,
}

/// Where the parts of a release are.
struct Parts {
    public: PathBuf,
    secrets: Option<PathBuf>,
}

impl Parts {
    /// The directory of a path from the release's root, and the path in it; none if that part is not there.
    fn of<'a>(&self, path: &'a str) -> Result<Option<(PathBuf, &'a str)>> {
        match path.split_once('/') {
            Some((PUBLIC, below)) => Ok(Some((self.public.clone(), below))),
            Some((SECRETS, below)) => Ok(self.secrets.clone().map(|secrets| (secrets, below))),
            _ => Err(Error::integrity(format!("the release's manifest has `{path}`, which is in no part of it"))),
        }
    }
}

impl Side {
    /// Looks at what is at `path`.
    pub fn open(path: &Path) -> Result<Side> {
        let at = disk::canonical(path)?;
        let shown = path.display().to_string();
        if disk::kind(&at)? != Some(Kind::Directory) {
            return Side::of_file(shown, &at);
        }
        let secrets_beside = |public: &Path| -> Result<Option<PathBuf>> {
            let beside = public.parent().unwrap_or(public).join(SECRETS);
            Ok((disk::kind(&beside)? == Some(Kind::Directory)).then_some(beside))
        };
        if disk::kind(&at.join(PUBLIC).join(MANIFEST))?.is_some() {
            let parts = Parts { public: at.join(PUBLIC), secrets: secrets_beside(&at.join(PUBLIC))? };
            return Side::of_release(shown, parts, None);
        }
        if let Some(members) = members(&at)? {
            if members.contains_key("nodes") {
                return Side::of_release(shown, Parts { public: at, secrets: None }, None);
            }
            let above = at.parent().unwrap_or(&at).to_owned();
            if let (Some(node), true) = (members.get("node"), members_have_nodes(&above)?) {
                let node = node.as_str().unwrap_or_default().to_owned();
                let secrets = secrets_beside(&above)?;
                return Side::of_release(shown, Parts { public: above, secrets }, Some(&node));
            }
        }
        Ok(Side::single(shown, SideKind::Directory, Place::Directory(at), Trust::Unknown))
    }

    /// Leaves out the secrets of a release, which are not on both sides.
    pub fn leave_out_secrets(&mut self) {
        let sources = &self.sources;
        let public = |at: &usize| matches!(sources[*at].trust, Trust::Public | Trust::Unknown);
        if self.manifest.is_some() {
            self.views.iter_mut().chain([&mut self.files]).for_each(|view| view.sources.retain(public));
        }
    }

    fn single(path: String, kind: SideKind, place: Place, trust: Trust) -> Side {
        let sources = vec![Source { place, trust, declared: None }];
        let view = |sources| View { node: String::new(), sources };
        Side { path, kind, manifest: None, secrets: false, sources, views: vec![view(vec![0])], files: view(vec![]) }
    }

    fn of_file(shown: String, at: &Path) -> Result<Side> {
        let name = at.file_name().unwrap_or_default();
        let Some(format) = Format::of_name(&name.to_string_lossy()) else {
            return Ok(Side::single(shown, SideKind::File, Place::File(at.to_owned()), Trust::Unknown));
        };
        let root = at.parent().unwrap_or(at);
        let place = Place::Archive { root: root.to_owned(), path: name.into(), format };
        Ok(Side::single(shown, SideKind::Archive, place, trust_of_archive(at)?))
    }

    fn of_release(path: String, parts: Parts, only: Option<&str>) -> Result<Side> {
        let read = disk::read_beneath(&parts.public, Path::new(MANIFEST), LONGEST);
        let manifest = Manifest::parse(&read?).map_err(|error| error.context(&path))?;
        let (mut sources, mut index) = (Vec::new(), BTreeMap::new());
        let wanted = |artifact: &&Artifact| match (&artifact.node, only) {
            (Some(node), Some(only)) => node == only,
            _ => true,
        };
        for artifact in chosen(&manifest).into_iter().filter(wanted) {
            let Some((root, below)) = parts.of(&artifact.path)? else { continue };
            let place = Place::Archive { root, path: below.into(), format: artifact.format.parse()? };
            let trust = match (artifact.secret, artifact.layer.as_str()) {
                (false, _) => Trust::Public,
                (true, "merged") => Trust::Known(public_records(&parts.public, artifact.node.as_deref())?),
                (true, _) => Trust::Secret,
            };
            index.insert(artifact.path.as_str(), sources.len());
            sources.push(Source { place, trust, declared: Some(artifact.sha256) });
        }
        let named = manifest.nodes.iter().filter(|node| only.is_none_or(|only| node.name == only));
        let views = named.map(|node| {
            let started = node.boot.iter().flat_map(|boot| &boot.initrds).filter(|path| !node.artifacts.contains(path));
            let paths = started.chain(&node.artifacts);
            let sources = paths.filter_map(|path| index.get(path.as_str()).copied()).collect();
            View { node: node.name.clone(), sources }
        });
        let views = views.collect();
        let files = files(&parts, &manifest, only, &mut sources)?;
        let kind = if only.is_some() { SideKind::Node } else { SideKind::Release };
        Ok(Side { path, kind, secrets: parts.secrets.is_some(), manifest: Some(manifest), sources, views, files })
    }
}

/// The members of a manifest in a directory; none if there is none that is one.
fn members(directory: &Path) -> Result<Option<serde_json::Map<String, serde_json::Value>>> {
    let path = directory.join(MANIFEST);
    match disk::kind(&path)? {
        Some(Kind::File { .. }) => Ok(serde_json::from_slice(&disk::read(&path, LONGEST)?).ok()),
        _ => Ok(None),
    }
}

fn members_have_nodes(directory: &Path) -> Result<bool> {
    Ok(members(directory)?.is_some_and(|members| members.contains_key("nodes")))
}

/// An archive that lies in its release is what the manifest says.
fn trust_of_archive(at: &Path) -> Result<Trust> {
    for root in at.ancestors().skip(1).take(4) {
        if disk::kind(&root.join(PUBLIC).join(MANIFEST))?.is_none() {
            continue;
        }
        let manifest = Manifest::parse(&disk::read_beneath(root, &Path::new(PUBLIC).join(MANIFEST), LONGEST)?);
        let Ok(manifest) = manifest else { continue };
        let path = at.strip_prefix(root).unwrap_or(at).to_string_lossy().into_owned();
        let artifact = manifest.artifacts.iter().find(|artifact| artifact.path == path);
        return Ok(match artifact {
            Some(artifact) if !artifact.secret => Trust::Public,
            Some(artifact) if artifact.layer == "merged" => {
                Trust::Known(public_records(&root.join(PUBLIC), artifact.node.as_deref())?)
            }
            Some(_) => Trust::Secret,
            None => Trust::Unknown,
        });
    }
    Ok(Trust::Unknown)
}

/// The digests of a node's public files, by its manifest and that of its common layer.
fn public_records(public: &Path, node: Option<&str>) -> Result<BTreeMap<String, Digest>> {
    let path = Path::new(node.unwrap_or_default()).join(MANIFEST);
    let manifest = NodeManifest::parse(&disk::read_beneath(public, &path, LONGEST)?)?;
    let common = manifest.common.as_ref().map(|path| disk::read_beneath(public, Path::new(path), LONGEST));
    let common = common.transpose()?.map(|bytes| CommonManifest::parse(&bytes)).transpose()?;
    let records = common.into_iter().flat_map(|common| common.files).chain(manifest.files);
    Ok(records.filter_map(|record| Some((record.path.to_string(), record.sha256?))).collect())
}

/// The files of a release that are nothing that is compared otherwise, or nothing but lists and signatures of the rest.
fn files(parts: &Parts, manifest: &Manifest, only: Option<&str>, sources: &mut Vec<Source>) -> Result<View> {
    let mut view = View { node: String::new(), sources: Vec::new() };
    let dirs = [(PUBLIC, Some(&parts.public), Trust::Public), (SECRETS, parts.secrets.as_ref(), Trust::Secret)];
    let archives: BTreeSet<String> =
        manifest.artifacts.iter().flat_map(|one| [Some(one.path.clone()), manifest_of(one)]).flatten().collect();
    let nodes: BTreeSet<&str> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
    let is_manifest = |name: &str| match name.strip_suffix(MANIFEST) {
        Some(above) => above.is_empty() || above.strip_suffix('/').is_some_and(|node| nodes.contains(node)),
        None => false,
    };
    for (part, root, trust) in dirs.into_iter().filter_map(|(part, root, trust)| Some((part, root?, trust))) {
        let mut names = Vec::new();
        for (path, kind) in disk::walk(root)? {
            if kind == Kind::Directory {
                continue;
            }
            let name = text_of(&path)?;
            let of_node = |node: &str| name.strip_prefix(node).is_some_and(|rest| rest.starts_with('/'));
            let is_known = archives.contains(&format!("{part}/{name}")) || is_manifest(name);
            if !is_known && !is_proof(part, name) && only.is_none_or(of_node) {
                names.push(name.to_owned());
            }
        }
        view.sources.push(sources.len());
        sources.push(Source { place: Place::Files { root: root.clone(), part, names }, trust, declared: None });
    }
    Ok(view)
}

/// Whether a file of a part is proof of the others: their list, or a signature.
fn is_proof(part: &str, name: &str) -> bool {
    let of_boot = || name.strip_prefix(CMS).is_some_and(|rest| rest.starts_with('/'));
    name == SUMS || is_signature(name) || (part == PUBLIC && (name == ENVELOPES || of_boot()))
}

/// The manifest of a layer that no machine has alone: it lies beside the archive.
fn manifest_of(artifact: &Artifact) -> Option<String> {
    let stem = artifact.path.strip_suffix(&artifact.format).filter(|_| artifact.node.is_none())?;
    Some(format!("{stem}json"))
}

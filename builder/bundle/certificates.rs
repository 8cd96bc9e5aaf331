//! [`certificates`]: every certificate in a release. It lists, and vouches for nothing: that is what verify does.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Artifact, MANIFEST, Manifest, PUBLIC, SECRETS};
use crate::archive::{self, Format};
use crate::disk::{self, Kind};
use crate::error::{Error, Result};
use crate::pki::{Held, LARGEST_SEARCHED};

/// The most bytes that a manifest has.
const LONGEST: u64 = 64 << 20;
/// Where files for people are, in the secrets.
const ADMIN: &str = "admin";

/// Whether a directory is a release.
pub fn is_release(path: &Path) -> Result<bool> {
    Ok(disk::kind(&path.join(PUBLIC).join(MANIFEST))?.is_some())
}

/// The certificates on every node of a release, and in the files for people if its secrets are there. A layer that is
/// there in several formats is read once.
pub fn certificates(release: &Path) -> Result<Vec<Held>> {
    let manifest = Manifest::parse(&disk::read_beneath(release, &Path::new(PUBLIC).join(MANIFEST), LONGEST)?)?;
    let secrets = disk::kind(&release.join(SECRETS))? == Some(Kind::Directory);
    let mut held = Vec::new();
    for artifact in chosen(&manifest).into_iter().filter(|artifact| secrets || !artifact.secret) {
        let found = of_archive(release, artifact).map_err(|error| error.context(&artifact.path))?;
        for node in manifest.nodes.iter().filter(|node| node.artifacts.contains(&artifact.path)) {
            held.extend(found.iter().cloned().map(|one| Held { node: Some(node.name.clone()), ..one }));
        }
    }
    // A machine's file may come in two merged archives, of which one has its secrets too.
    held.sort_by(|a, b| (&a.node, &a.file).cmp(&(&b.node, &b.file)));
    held.dedup();
    let admin = release.join(SECRETS).join(ADMIN);
    if disk::kind(&admin)? == Some(Kind::Directory) {
        held.extend(below(&admin, ADMIN)?);
    }
    Ok(held)
}

/// Of each layer the smallest archive; merged ones only of nodes that have no others.
pub fn chosen(manifest: &Manifest) -> Vec<&Artifact> {
    // A common layer has no node: its name is all that two of them differ in.
    let stem = |artifact: &Artifact| artifact.path.strip_suffix(&artifact.format).unwrap_or(&artifact.path).to_owned();
    let mut chosen: BTreeMap<_, &Artifact> = BTreeMap::new();
    for artifact in &manifest.artifacts {
        let best = chosen.entry((&artifact.node, &artifact.layer, stem(artifact))).or_insert(artifact);
        if artifact.size < best.size {
            *best = artifact;
        }
    }
    let apart = |artifact: &Artifact| chosen.keys().any(|(node, layer, _)| **node == artifact.node && *layer == "node");
    chosen.values().filter(|artifact| artifact.layer != "merged" || !apart(artifact)).copied().collect()
}

/// The certificates in an archive, on no node yet.
fn of_archive(release: &Path, artifact: &Artifact) -> Result<Vec<Held>> {
    let format: Format = artifact.format.parse()?;
    let mut file = disk::open_plain_beneath(release, Path::new(&artifact.path))?;
    let mut held = Vec::new();
    archive::read(&mut file, format, &mut |header, contents| {
        if header.size() <= LARGEST_SEARCHED {
            held.extend(Held::all(None, &header.path.to_string(), &bytes(contents, header.size(), &artifact.path)?));
        }
        Ok(())
    })?;
    Ok(held)
}

/// The certificates in a file, or in all files below a directory; `name` stands for that in their paths. What cannot be
/// read is told among them.
pub fn below(path: &Path, name: &str) -> Result<Vec<Held>> {
    if disk::kind(&disk::canonical(path)?)? != Some(Kind::Directory) {
        return Ok(of_file(path, name));
    }
    let files = disk::walk(path)?.into_iter().filter(|(_, kind)| matches!(kind, Kind::File { .. }));
    let named = |below: &Path| Path::new(name).join(below).to_string_lossy().into_owned();
    Ok(files.flat_map(|(below, _)| of_file(&path.join(&below), &named(&below))).collect())
}

fn of_file(path: &Path, name: &str) -> Vec<Held> {
    let read = || -> Result<Zeroizing<Vec<u8>>> {
        let file = disk::open(path)?;
        let size = disk::size(&file)?;
        match size > LARGEST_SEARCHED {
            true => Ok(Zeroizing::default()),
            false => bytes(&mut file.take(LARGEST_SEARCHED + 1), size, name),
        }
    };
    match read() {
        Ok(bytes) => Held::all(None, name, &bytes),
        Err(error) => vec![Held { node: None, file: name.to_owned(), certificate: Err(error) }],
    }
}

/// All of a small file, which may hold a key: with its room from the start, for what grows leaves copies behind.
fn bytes(contents: &mut dyn Read, size: u64, name: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(size as usize + 1));
    contents.read_to_end(&mut bytes).map_err(|error| Error::io("reading", name, error))?;
    Ok(bytes)
}

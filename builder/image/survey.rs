//! [`Survey`]: what an archive with images holds, and whether one of them is whole. Entries are shown to it once, in any
//! order; it keeps digests, and the bytes of what may be a JSON document, all within bounds.
//!
//! It reads as containerd does: what has `oci-layout` is an image layout, whatever else is in it; what has only
//! `manifest.json` was written by `docker save`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};

use serde::de::DeserializeOwned;

use super::documents::{self, Config, Descriptor, Index, Layout, Manifest, Platform, Saved};
use super::{BLOBS, LAYOUT_VERSION, OS, REF_NAME, WHOLE_NAME, name};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Faults, Result};

/// The most bytes that one document may have, and all together; registries take 4 MiB for a manifest.
const DOCUMENT: usize = 4 << 20;
const DOCUMENTS: usize = 32 << 20;
/// The most entries.
const ENTRIES: usize = 1 << 16;
/// How deep indexes may refer to indexes, and links to links.
const DEPTH: usize = 4;

/// The entries of an archive.
#[derive(Debug, Default)]
pub struct Survey {
    files: BTreeMap<String, Found>,
    links: BTreeMap<String, String>,
    kept: usize,
}

/// A file of the archive.
#[derive(Debug)]
struct Found {
    digest: Digest,
    size: u64,
    compressed: bool,
    /// The bytes, if it may be a document.
    document: Option<Vec<u8>>,
}

/// An image for one platform.
struct Image {
    id: Digest,
    manifest: Manifest,
    config: Config,
}

impl Survey {
    /// Nothing seen yet.
    pub fn new() -> Survey {
        Survey::default()
    }

    /// Looks at a file.
    ///
    /// # Errors
    /// Policy: a path that is there twice, too many entries, too much that may be JSON.
    pub fn file(&mut self, path: &str, body: &mut dyn Read) -> Result<()> {
        self.check_new(path)?;
        let found = look(body).map_err(|error| Error::io("reading", path, error))?;
        self.kept += found.document.as_ref().map_or(0, Vec::len);
        if self.kept > DOCUMENTS {
            return Err(Error::policy(format!("it holds more than {DOCUMENTS} bytes of JSON")));
        }
        self.files.insert(path.to_owned(), found);
        Ok(())
    }

    /// Notes a symlink; `docker save` has them in the place of layers that it has already.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.check_new(path)?;
        self.links.insert(path.to_owned(), target.to_owned());
        Ok(())
    }

    fn check_new(&self, path: &str) -> Result<()> {
        if self.files.contains_key(path) || self.links.contains_key(path) {
            return Err(Error::policy(format!("`{path}` is there twice")));
        }
        match self.files.len() + self.links.len() < ENTRIES {
            true => Ok(()),
            false => Err(Error::policy(format!("it has more than {ENTRIES} entries"))),
        }
    }

    /// The ID of the image of this name for this architecture, if all of it is here and is what it says.
    ///
    /// # Errors
    /// Integrity: something is missing or is not what its digest says. Usage: no image of the name or for the
    /// architecture. Policy: it can be read in two ways.
    pub fn judge(&self, name: &str, arch: &str) -> Result<Digest> {
        let mut faults = Faults::new();
        self.check_blobs(&mut faults);
        let found = match (self.files.contains_key("oci-layout"), self.files.contains_key("manifest.json")) {
            (true, _) => self.layout(name, arch),
            (false, true) => self.saved(name, arch),
            (false, false) => Err(Error::usage("it holds neither `oci-layout` nor `manifest.json`: it is no image")
                .advise("if an image is to be made of it, say `files` or `binary` in `image`")),
        };
        let id = faults.note(found);
        faults.finish(())?;
        id.ok_or_else(|| Error::bug("an image without an ID and without a fault"))
    }

    /// Every blob has its digest as its name, used or not.
    fn check_blobs(&self, faults: &mut Faults) {
        for (path, found) in &self.files {
            let named = path.strip_prefix(BLOBS).and_then(|rest| rest.strip_prefix('/'));
            if named.is_some_and(|named| named != found.digest.to_string()) {
                faults.push(Error::integrity(format!("`{path}` is sha256 {}", found.digest)));
            }
        }
    }

    fn layout(&self, name: &str, arch: &str) -> Result<Digest> {
        let layout: Layout = self.document("oci-layout")?;
        if layout.image_layout_version != LAYOUT_VERSION {
            let message =
                format!("its image layout has version `{}`, not {LAYOUT_VERSION}", layout.image_layout_version);
            return Err(Error::policy(message));
        }
        let index: Index = self.document("index.json")?;
        let named: Vec<(String, &Descriptor)> = index.manifests.iter().map(|one| (said(one), one)).collect();
        let mut of_name = named.iter().filter(|(said, _)| said == name).map(|(_, descriptor)| *descriptor);
        let names = named.iter().map(|(said, _)| said.clone());
        let descriptor = of_name.next().ok_or_else(|| unnamed(name, names.collect()))?;
        if of_name.any(|other| other.digest != descriptor.digest) {
            return Err(Error::policy(format!("it has two images `{name}`")));
        }
        let mut images = Vec::new();
        let mut platforms = BTreeSet::new();
        let mut seen = BTreeSet::new();
        self.images(descriptor, arch, DEPTH, &mut seen, &mut platforms, &mut images)?;
        let image = images.first().ok_or_else(|| elsewhere(name, arch, &platforms))?;
        let mut faults = Faults::new();
        images.iter().for_each(|image| self.check_whole(image, &mut faults));
        faults.finish(image.id)
    }

    /// The images for an architecture below a descriptor, and the platforms of all others.
    fn images(
        &self,
        descriptor: &Descriptor,
        arch: &str,
        depth: usize,
        seen: &mut BTreeSet<String>,
        platforms: &mut BTreeSet<String>,
        images: &mut Vec<Image>,
    ) -> Result<()> {
        // What is for another platform need not be there.
        if let Some(platform) = descriptor.platform.as_ref().filter(|platform| !is_for(platform, arch)) {
            platforms.insert(format!("{}/{}", platform.os, platform.architecture));
            return Ok(());
        }
        if !seen.insert(descriptor.digest.clone()) {
            return Ok(());
        }
        match descriptor.media_type.as_str() {
            documents::INDEX | documents::DOCKER_LIST => {
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(Error::policy("its indexes refer to indexes too deep"));
                };
                let index: Index = self.blob_document(descriptor)?;
                let mut below = index.manifests.iter();
                below.try_for_each(|one| self.images(one, arch, depth, seen, platforms, images))
            }
            documents::MANIFEST | documents::DOCKER_MANIFEST => {
                let manifest: Manifest = self.blob_document(descriptor)?;
                let config: Config = self.blob_document(&manifest.config)?;
                let id = digest_of(&manifest.config)?;
                let platform = Platform { architecture: config.architecture.clone(), os: config.os.clone() };
                match is_for(&platform, arch) {
                    true => images.push(Image { id, manifest, config }),
                    false => drop(platforms.insert(format!("{}/{}", platform.os, platform.architecture))),
                }
                Ok(())
            }
            other => Err(Error::policy(format!("`{}` is of the unknown kind `{other}`", descriptor.digest))),
        }
    }

    fn check_whole(&self, image: &Image, faults: &mut Faults) {
        let (layers, ids) = (&image.manifest.layers, &image.config.rootfs.diff_ids);
        if layers.len() != ids.len() {
            let message = format!("the image has {} layers, and its configuration names {}", layers.len(), ids.len());
            faults.push(Error::integrity(message));
        }
        for layer in layers {
            faults.note(self.blob(layer));
        }
    }

    fn saved(&self, name: &str, arch: &str) -> Result<Digest> {
        let all: Vec<Saved> = self.document("manifest.json")?;
        let tags = |one: &Saved| one.repo_tags.iter().flatten().map(|tag| name::whole(tag)).collect::<Vec<_>>();
        let mut of_name = all.iter().filter(|one| tags(one).iter().any(|tag| tag == name));
        let saved = of_name.next().ok_or_else(|| unnamed(name, all.iter().flat_map(tags).collect()))?;
        if of_name.next().is_some() {
            return Err(Error::policy(format!("it has two images `{name}`")));
        }
        let (path, found) = self.follow(&saved.config)?;
        let config: Config = self.document(path)?;
        if !is_for(&Platform { architecture: config.architecture.clone(), os: config.os.clone() }, arch) {
            let platform = format!("{}/{}", config.os, config.architecture);
            return Err(elsewhere(name, arch, &BTreeSet::from([platform])));
        }
        let mut faults = Faults::new();
        let stem = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        if stem.parse::<Digest>().is_ok_and(|named| named != found.digest) {
            faults.push(Error::integrity(format!("`{path}` is sha256 {}", found.digest)));
        }
        let (layers, ids) = (&saved.layers, &config.rootfs.diff_ids);
        if layers.len() != ids.len() {
            let message = format!("the image has {} layers, and its configuration names {}", layers.len(), ids.len());
            faults.push(Error::integrity(message));
        }
        for (layer, id) in layers.iter().zip(ids) {
            let Some((path, layer)) = faults.note(self.follow(layer)) else { continue };
            // The ID is of the layer without compression.
            if !layer.compressed && *id != format!("sha256:{}", layer.digest) {
                faults.push(Error::integrity(format!("the layer `{path}` is sha256:{}, not {id}", layer.digest)));
            }
        }
        faults.finish(found.digest)
    }

    /// The file at a path, symlinks within the archive followed.
    fn follow<'a>(&'a self, path: &'a str) -> Result<(&'a str, &'a Found)> {
        let mut at = path.to_owned();
        for _ in 0..=DEPTH {
            if let Some((path, found)) = self.files.get_key_value(&at) {
                return Ok((path, found));
            }
            let Some(target) = self.links.get(&at) else { break };
            let Some(next) = beside(&at, target) else { break };
            at = next;
        }
        Err(Error::integrity(format!("`{path}` is named and is not there")))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<String> {
        let digest = digest_of(descriptor)?;
        let path = format!("{BLOBS}/{digest}");
        match self.files.get(&path) {
            None => Err(Error::integrity(format!("`{path}` is named and is not there"))),
            Some(found) if found.size != descriptor.size => {
                let (has, said) = (found.size, descriptor.size);
                Err(Error::integrity(format!("`{path}` has {has} bytes, and {said} are named")))
            }
            Some(_) => Ok(path),
        }
    }

    fn blob_document<T: DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T> {
        self.document(&self.blob(descriptor)?)
    }

    fn document<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let Some(found) = self.files.get(path) else {
            return Err(Error::integrity(format!("`{path}` is named and is not there")));
        };
        match &found.document {
            None if found.size > DOCUMENT as u64 => {
                Err(Error::policy(format!("`{path}` has more than {DOCUMENT} bytes, too many for a document")))
            }
            None => Err(Error::integrity(format!("`{path}` is not JSON"))),
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|error| Error::integrity(format!("`{path}` is not what it should be: {error}"))),
        }
    }
}

/// The digest and size of a file, and its bytes if it may be a document.
fn look(body: &mut dyn Read) -> std::io::Result<Found> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut document = Some(Vec::new());
    let mut head = Vec::new();
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..count];
        hasher.update(bytes);
        head.extend(bytes.iter().take(4 - head.len().min(4)));
        document = document.filter(|kept: &Vec<u8>| kept.len() + count <= DOCUMENT).map(|mut kept| {
            kept.extend_from_slice(bytes);
            kept
        });
        let begins = document.as_ref().and_then(|kept| kept.trim_ascii_start().first().copied());
        if begins.is_some_and(|byte| !matches!(byte, b'{' | b'[')) {
            document = None;
        }
    }
    let (digest, size) = hasher.finish();
    let compressed = matches!(head[..], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]);
    Ok(Found { digest, size, compressed, document })
}

/// The name under which containerd imports a manifest; a tag alone is none.
fn said(descriptor: &Descriptor) -> String {
    let annotation = |key: &str| descriptor.annotations.iter().flatten().find(|(name, _)| *name == key);
    let whole = annotation(WHOLE_NAME).filter(|(_, value)| !value.is_empty()).or_else(|| annotation(REF_NAME));
    whole.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn is_for(platform: &Platform, arch: &str) -> bool {
    platform.os == OS && platform.architecture == arch
}

fn digest_of(descriptor: &Descriptor) -> Result<Digest> {
    let hex = descriptor.digest.strip_prefix("sha256:");
    let digest = hex.and_then(|hex| hex.parse().ok());
    digest.ok_or_else(|| Error::policy(format!("`{}` is not a SHA-256 digest", descriptor.digest)))
}

/// A relative link's target, from the archive's root; none if it leads out.
fn beside(link: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!target.starts_with('/')).then(|| parts.join("/"))
}

fn unnamed(name: &str, names: Vec<String>) -> Error {
    let names: BTreeSet<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let error = Error::usage(format!("it has no image `{name}`"));
    match names.is_empty() {
        true => error.advise(format!("none of its images has a name: save it with `{name}`")),
        false => {
            let shown: Vec<String> = names.into_iter().take(20).collect();
            error.advise(format!("it has: {}", shown.join(", ")))
        }
    }
}

fn elsewhere(name: &str, arch: &str, platforms: &BTreeSet<String>) -> Error {
    let platforms: Vec<&str> = platforms.iter().map(String::as_str).take(20).collect();
    let message = format!("the image `{name}` is for {}, not for {OS}/{arch}", platforms.join(", "));
    Error::usage(message).advise(format!("save it for the node's platform, {OS}/{arch}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        assert_eq!(beside("a/layer.tar", "../b/layer.tar").as_deref(), Some("b/layer.tar"));
        assert_eq!(beside("a/b/c", ".././d").as_deref(), Some("a/d"));
        for (link, target) in [("a", "../b"), ("a/b", "../../c"), ("a", "/b")] {
            assert_eq!(beside(link, target), None, "{link} {target}");
        }
    }

    #[test]
    fn a_round_of_links_ends() {
        let mut survey = Survey::new();
        survey.symlink("a", "b").unwrap();
        survey.symlink("b", "a").unwrap();
        assert_eq!(survey.follow("a").unwrap_err().class().code(), 3);
    }
}

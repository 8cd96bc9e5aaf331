//! The lock: the SHA-256 and size of every source, and of every member taken from it. Only `lock` writes one; `build`
//! takes nothing that is not in it.
//!
//! ```toml
//! version = 1
//! seed = "..."                  # the seed's fingerprint, if a seed was given
//! imports = "..."               # the fingerprint of all private files that the profile imports
//!
//! [[files]]                     # public files that the profile imports
//! path = "pki/ca.crt"
//! sha256 = "..."
//!
//! [[overlays]]                  # overlays that came from inside the program
//! name = "etcd"
//! sha256 = "..."
//!
//! [[sources]]
//! name = "etcd"
//! from = "url https://example.org/etcd.tar.gz"
//! sha256 = "..."
//! size = 17
//!
//! [[sources.members]]
//! pattern = "*/etcd"
//! path = "etcd-v3.6.5/etcd"
//! sha256 = "..."
//! size = 17
//! executable = true
//!
//! [[sources.images]]            # archives of images that the source gives
//! name = "registry.example/etcd:3.6.5"
//! arch = "amd64"
//! recipe = "..."                # over all that is declared of it
//! id = "..."                    # what runtimes call it: the digest of its configuration
//! layer = "..."                 # of an image that is made here
//! sha256 = "..."
//! size = 17
//!
//! [[sources.packages]]          # what a Debian system is made of
//! name = "base-files"
//! version = "12.4"
//! arch = "amd64"
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::digest::Digest;
use crate::disk::{self, Access};
use crate::document::{self, Placed, Value};
use crate::error::{Error, Faults, Result};

/// The format's version; another one is refused.
const VERSION: i64 = 1;
/// The largest lock, in bytes: some ten thousand sources.
const LARGEST: u64 = 64 << 20;

/// A lock's contents, sorted by source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// The fingerprint of the seed that keys come from.
    pub seed: Option<String>,
    /// What is pinned, by what was wanted.
    pub sources: BTreeMap<Wanted, Locked>,
    /// What is imported.
    pub imported: Imported,
    /// The digests of the overlays that came from inside the program: those of the project are under version control.
    pub overlays: BTreeMap<String, Digest>,
    /// SHA-256 of the lock's bytes.
    pub digest: Option<Digest>,
}

/// What a profile imports, as a lock pins it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// SHA-256 of each public file, by its path as the profile names it.
    pub files: BTreeMap<String, Digest>,
    /// The fingerprint of all that is private, if a seed was given.
    pub fingerprint: Option<String>,
}

/// A source as a profile wants it: its name, and where it comes from with everything rendered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The source's name.
    pub name: String,
    /// `url URL`, `path FILE` or `deb PACKAGE[=VERSION] ARCH`.
    pub from: String,
}

/// What is pinned of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The resolved version, for a package.
    pub version: Option<String>,
    /// Its members, sorted by pattern and path.
    pub members: Vec<LockedMember>,
    /// The images that it gives, sorted.
    pub images: Vec<LockedImage>,
    /// Of a Debian system: what it is made of, sorted.
    pub packages: Vec<LockedPackage>,
}

/// A package of a Debian system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub arch: String,
}

/// What is pinned of an image: the archive that goes on nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedImage {
    /// Its whole name.
    pub name: String,
    /// The architecture that it was made or looked into for.
    pub arch: String,
    /// The digest of all that is declared of it.
    pub recipe: Digest,
    /// The digest of its configuration.
    pub id: Digest,
    /// The digest of its layer, if it is made here.
    pub layer: Option<Digest>,
    /// SHA-256 of the archive.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What is wanted of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The globs of its members, sorted.
    pub members: Vec<String>,
    /// Its images: the recipe, and the name for a person.
    pub images: BTreeMap<Digest, String>,
}

/// What is pinned of one member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedMember {
    /// The glob that took it.
    pub pattern: String,
    /// Its name in the archive.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is executable in the archive.
    pub executable: bool,
}

/// Why a lock does not serve a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// There is no lock.
    NoLock,
    /// A source is not in it.
    Missing(String),
    /// A source is in it from elsewhere.
    Moved {
        /// The source.
        name: String,
        /// Where the lock has it from.
        locked: String,
        /// Where the profile wants it from.
        wanted: String,
    },
    /// A source's members are other ones.
    Members {
        /// The source.
        name: String,
        /// A glob that is wanted and not locked, or locked and not wanted.
        pattern: String,
    },
    /// A source's images are other ones.
    Images {
        /// The source.
        name: String,
        /// An image that is wanted and not locked so, or locked and not wanted.
        image: String,
    },
    /// It has a source that the profile does not.
    Extra(String),
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Staleness::NoLock => write!(f, "there is no lock"),
            Staleness::Missing(name) => write!(f, "the lock is stale: source `{name}` is not in it"),
            Staleness::Moved { name, locked, wanted } => {
                write!(f, "the lock is stale: source `{name}` is locked from `{locked}`, the profile wants `{wanted}`")
            }
            Staleness::Members { name, pattern } => {
                write!(f, "the lock is stale: source `{name}` is locked with other members: `{pattern}` differs")
            }
            Staleness::Images { name, image } => {
                write!(f, "the lock is stale: source `{name}` is locked with other images: `{image}` differs")
            }
            Staleness::Extra(name) => {
                write!(f, "the lock is stale: source `{name}` is in it, and the profile has none")
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockDocument {
    version: Placed<i64>,
    seed: Option<String>,
    imports: Option<String>,
    #[serde(default)]
    files: Vec<Placed<FileDocument>>,
    #[serde(default)]
    overlays: Vec<Placed<OverlayDocument>>,
    #[serde(default)]
    sources: Vec<Placed<SourceDocument>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDocument {
    path: String,
    sha256: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverlayDocument {
    name: String,
    sha256: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceDocument {
    name: String,
    from: String,
    sha256: Digest,
    size: u64,
    version: Option<String>,
    #[serde(default)]
    members: Vec<MemberDocument>,
    #[serde(default)]
    images: Vec<ImageDocument>,
    #[serde(default)]
    packages: Vec<LockedPackage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberDocument {
    pattern: String,
    path: String,
    sha256: Digest,
    size: u64,
    executable: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageDocument {
    name: String,
    arch: String,
    recipe: Digest,
    id: Digest,
    layer: Option<Digest>,
    sha256: Digest,
    size: u64,
}

impl Lock {
    /// Reads a lock's text; `file` is how errors name it.
    pub fn parse(text: &str, file: &str) -> Result<Lock> {
        let remedy = format!("take it from version control, or write it anew with `mastermold lock`: {file}");
        let document = Value::parse(text, file).map_err(|error| error.advise(remedy.clone()))?;
        if let Some(version) =
            document.get("version").filter(|version| version.data != document::Data::Integer(VERSION))
        {
            let message =
                format!("this lock has format version {}, and this mastermold reads {VERSION}", version.to_json());
            return Err(Error::usage(message).at(&version.place));
        }
        let read: LockDocument = document::read(&document).map_err(|error| error.advise(remedy))?;
        debug_assert_eq!(read.version.value, VERSION);
        let mut faults = Faults::new();
        let imported = Imported { files: BTreeMap::new(), fingerprint: read.imports };
        let digest = Some(Digest::of(text.as_bytes()));
        let mut lock = Lock { seed: read.seed, imported, digest, ..Lock::default() };
        for Placed { place, value: FileDocument { path, sha256 } } in read.files {
            if lock.imported.files.insert(path.clone(), sha256).is_some() {
                faults.push(Error::usage(format!("the file `{path}` is locked twice")).at(&place));
            }
        }
        for Placed { place, value: OverlayDocument { name, sha256 } } in read.overlays {
            if lock.overlays.insert(name.clone(), sha256).is_some() {
                faults.push(Error::usage(format!("the overlay `{name}` is locked twice")).at(&place));
            }
        }
        for source in read.sources {
            let Placed { place, value } = source;
            let wanted = Wanted { name: value.name, from: value.from };
            let mut members: Vec<_> = value.members.into_iter().map(MemberDocument::locked).collect();
            members.sort();
            let mut images: Vec<_> = value.images.into_iter().map(ImageDocument::locked).collect();
            images.sort();
            let mut packages = value.packages;
            packages.sort();
            let SourceDocument { sha256, size, version, .. } = value;
            let locked = Locked { sha256, size, version, members, images, packages };
            let name = wanted.name.clone();
            if lock.sources.insert(wanted, locked).is_some() {
                faults.push(Error::usage(format!("source `{name}` is locked twice")).at(&place));
            }
        }
        faults.finish(lock)
    }

    /// Reads a lock; none if there is no file.
    pub fn load(path: &Path, shown: &str) -> Result<Option<Lock>> {
        match disk::kind(path)? {
            None => Ok(None),
            Some(_) => Lock::parse(&disk::read_text(path, LARGEST)?, shown).map(Some),
        }
    }

    /// Writes the lock in the place of what is at `path`.
    pub fn save(&self, path: &Path) -> Result<()> {
        disk::write(path, self.to_text().as_bytes(), Access::Public)
    }

    /// The lock's text: the same for the same lock.
    pub fn to_text(&self) -> String {
        let mut text =
            String::from("# Written by `mastermold lock`. Review it, keep it under version control, do not edit it.\n");
        text += &format!("version = {VERSION}\n");
        if let Some(seed) = &self.seed {
            text += &format!("seed = {}\n", quote(seed));
        }
        if let Some(fingerprint) = &self.imported.fingerprint {
            text += &format!("imports = {}\n", quote(fingerprint));
        }
        for (path, sha256) in &self.imported.files {
            text += &format!("\n[[files]]\npath = {}\nsha256 = \"{sha256}\"\n", quote(path));
        }
        for (name, sha256) in &self.overlays {
            text += &format!("\n[[overlays]]\nname = {}\nsha256 = \"{sha256}\"\n", quote(name));
        }
        for (wanted, locked) in &self.sources {
            text += &format!("\n[[sources]]\nname = {}\nfrom = {}\n", quote(&wanted.name), quote(&wanted.from));
            text += &format!("sha256 = \"{}\"\nsize = {}\n", locked.sha256, locked.size);
            if let Some(version) = &locked.version {
                text += &format!("version = {}\n", quote(version));
            }
            locked.members.iter().for_each(|member| text += &member.to_text());
            locked.images.iter().for_each(|image| text += &image.to_text());
            locked.packages.iter().for_each(|package| text += &package.to_text());
        }
        text
    }

    /// Every reason why this lock does not serve what is wanted.
    pub fn staleness(&self, wanted: &BTreeMap<Wanted, Parts>) -> Vec<Staleness> {
        let mut reasons = Vec::new();
        for (want, Parts { members: patterns, images }) in wanted {
            let Some(locked) = self.sources.get(want) else {
                reasons.push(self.moved(want));
                continue;
            };
            let mut have: Vec<&str> = locked.members.iter().map(|member| member.pattern.as_str()).collect();
            have.dedup();
            let differs = patterns.iter().map(String::as_str).find(|pattern| !have.contains(pattern));
            let differs =
                differs.or_else(|| have.into_iter().find(|pattern| !patterns.iter().any(|want| want == pattern)));
            if let Some(pattern) = differs {
                reasons.push(Staleness::Members { name: want.name.clone(), pattern: pattern.to_owned() });
            }
            if let Some(image) = other_image(&locked.images, images) {
                reasons.push(Staleness::Images { name: want.name.clone(), image: image.to_owned() });
            }
        }
        let unwanted = self.sources.keys().filter(|locked| !wanted.keys().any(|want| want.name == locked.name));
        reasons.extend(unwanted.map(|locked| Staleness::Extra(locked.name.clone())));
        reasons
    }

    fn moved(&self, want: &Wanted) -> Staleness {
        match self.sources.keys().find(|locked| locked.name == want.name) {
            None => Staleness::Missing(want.name.clone()),
            Some(locked) => {
                Staleness::Moved { name: want.name.clone(), locked: locked.from.clone(), wanted: want.from.clone() }
            }
        }
    }
}

impl LockedMember {
    fn to_text(&self) -> String {
        let LockedMember { pattern, path, sha256, size, executable } = self;
        let names = format!("pattern = {}\npath = {}\n", quote(pattern), quote(path));
        format!("\n[[sources.members]]\n{names}sha256 = \"{sha256}\"\nsize = {size}\nexecutable = {executable}\n")
    }
}

impl LockedPackage {
    fn to_text(&self) -> String {
        let LockedPackage { name, version, arch } = self;
        let (name, version, arch) = (quote(name), quote(version), quote(arch));
        format!("\n[[sources.packages]]\nname = {name}\nversion = {version}\narch = {arch}\n")
    }
}

impl LockedImage {
    fn to_text(&self) -> String {
        let LockedImage { name, arch, recipe, id, layer, sha256, size } = self;
        let layer = layer.map_or_else(String::new, |layer| format!("layer = \"{layer}\"\n"));
        let what = format!("name = {}\narch = {}\n", quote(name), quote(arch));
        let made = format!("recipe = \"{recipe}\"\nid = \"{id}\"\n{layer}");
        format!("\n[[sources.images]]\n{what}{made}sha256 = \"{sha256}\"\nsize = {size}\n")
    }
}

/// An image that is wanted and not locked, or locked and not wanted.
fn other_image<'a>(locked: &'a [LockedImage], wanted: &'a BTreeMap<Digest, String>) -> Option<&'a str> {
    let missing = wanted.iter().find(|(recipe, _)| !locked.iter().any(|image| image.recipe == **recipe));
    let extra = || locked.iter().find(|image| !wanted.contains_key(&image.recipe)).map(|image| image.name.as_str());
    missing.map(|(_, name)| name.as_str()).or_else(extra)
}

impl ImageDocument {
    fn locked(self) -> LockedImage {
        let ImageDocument { name, arch, recipe, id, layer, sha256, size } = self;
        LockedImage { name, arch, recipe, id, layer, sha256, size }
    }
}

impl MemberDocument {
    fn locked(self) -> LockedMember {
        let MemberDocument { pattern, path, sha256, size, executable } = self;
        LockedMember { pattern, path, sha256, size, executable }
    }
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Lock {
        let member = |pattern: &str, path: &str| LockedMember {
            pattern: pattern.into(),
            path: path.into(),
            sha256: Digest::of(path.as_bytes()),
            size: 3,
            executable: true,
        };
        let image = |name: &str, layer| LockedImage {
            name: name.into(),
            arch: "amd64".into(),
            recipe: Digest::of(name.as_bytes()),
            id: Digest::of(b"id"),
            layer,
            sha256: Digest::of(b"archive"),
            size: 5,
        };
        let locked = Locked {
            sha256: Digest::of(b"x"),
            size: 17,
            version: Some("1.0-\"x\"".into()),
            members: vec![member("*/a", "v/a"), member("*/b*", "v/b1"), member("*/b*", "v/b2")],
            images: vec![image("a.b/c:1", None), image("a.b/d:1", Some(Digest::of(b"layer")))],
            packages: vec![LockedPackage { name: "a".into(), version: "1:2".into(), arch: "all".into() }],
        };
        let wanted = Wanted { name: "etcd".into(), from: "url https://example.org/x".into() };
        let files = BTreeMap::from([("pki/\"ca\".crt".to_owned(), Digest::of(b"y"))]);
        let imported = Imported { files, fingerprint: Some("cd".into()) };
        let overlays = BTreeMap::from([("base".to_owned(), Digest::of(b"z"))]);
        Lock { seed: Some("ab".into()), sources: BTreeMap::from([(wanted, locked)]), imported, overlays, digest: None }
    }

    #[test]
    fn written_and_read() {
        let text = sample().to_text();
        let read = Lock::parse(&text, "x.lock").unwrap();
        assert_eq!(Lock { digest: None, ..read.clone() }, sample());
        assert_eq!(read.digest, Some(Digest::of(text.as_bytes())));
        assert_eq!(read.to_text(), text);
    }

    #[test]
    fn a_damaged_lock_is_refused_with_a_place_and_a_remedy() {
        let text = sample().to_text();
        let digest = Digest::of(b"x").to_string();
        let source = text.split_once("\n[[sources]]").unwrap().1;
        let cases = [
            text.replace(&digest, &digest.to_uppercase()),
            text.replace(&digest, &digest[1..]),
            text.replace("size = 17", "size = -1"),
            text.replace("version = 1\n", "version = 2\n"),
            text.replace("version = 1\n", ""),
            text.replace("name = ", "nmae = "),
            text.replace("seed = ", "<<<<<<< HEAD\nseed = "),
            text.replace("size = 17", "size = 17\nsize = 17"),
            format!("{text}\n[[sources]]{source}"),
            format!("{text}\n[[overlays]]\nname = \"base\"\nsha256 = \"{digest}\"\n"),
            text[..text.len() - 20].to_owned(),
            String::new(),
        ];
        for (index, text) in cases.iter().enumerate() {
            let error = Lock::parse(text, "x.lock").expect_err(&format!("case {index}"));
            assert_eq!(error.class().code(), 2);
            assert!(error.to_string().starts_with("x.lock:"), "case {index}: {error}");
        }
    }

    #[test]
    fn stale_for_a_named_reason() {
        let lock = sample();
        let want = |name: &str, from: &str, patterns: &[&str]| {
            let wanted = Wanted { name: name.into(), from: from.into() };
            let images = ["a.b/c:1", "a.b/d:1"].map(|name| (Digest::of(name.as_bytes()), name.to_owned()));
            let members = patterns.iter().map(|p| p.to_string()).collect();
            BTreeMap::from([(wanted, Parts { members, images: images.into() })])
        };
        let here = "url https://example.org/x";
        assert_eq!(lock.staleness(&want("etcd", here, &["*/a", "*/b*"])), []);
        assert_eq!(
            lock.staleness(&want("etcd", here, &["*/a"])),
            [Staleness::Members { name: "etcd".into(), pattern: "*/b*".into() }]
        );
        let mut others = want("etcd", here, &["*/a", "*/b*"]);
        others.values_mut().for_each(|parts| drop(parts.images.pop_first()));
        assert!(matches!(lock.staleness(&others)[..], [Staleness::Images { .. }]));
        others.values_mut().for_each(|parts| drop(parts.images.insert(Digest::of(b"new"), "a.b/new:1".into())));
        let new = Staleness::Images { name: "etcd".into(), image: "a.b/new:1".into() };
        assert_eq!(lock.staleness(&others), [new]);
        assert!(matches!(
            lock.staleness(&want("etcd", "url https://example.org/y", &[]))[..],
            [Staleness::Moved { .. }]
        ));
        assert_eq!(
            lock.staleness(&want("runc", here, &[])),
            [Staleness::Missing("runc".into()), Staleness::Extra("etcd".into())]
        );
    }
}

//! Sources as a node wants them, and where what they bring goes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::images::{self, Recipes};
use crate::bundle::manifest::FROM_SOURCE;
use crate::digest::Digest;
use crate::disk;
use crate::document::{Data, Placed, Value};
use crate::error::{Error, Place, Result};
use crate::overlay::declare::{Destination, Installation, License, SourceDeclaration};
use crate::profile::lock::{Locked, LockedImage, Parts, Wanted};
use crate::profile::{Arch, Profile};
use crate::store::Location;
use crate::tree::{Content, Entry, Node, TreePath};

/// What may come from one source if it does not say, in bytes.
pub const DEFAULT_LIMIT: u64 = 2 << 30;

/// A source that at least one node wants.
#[derive(Clone, Debug)]
pub struct PlannedSource {
    /// Where it comes from.
    pub location: Location,
    /// Globs of the members that are taken; none if the file itself is.
    pub patterns: BTreeSet<String>,
    /// The images that it gives, by the digests of their recipes.
    pub images: Recipes,
    /// What its publisher says of it.
    pub stated: Stated,
    /// The most bytes that may come.
    pub limit: u64,
    /// Whether someone gave a reason for that nothing in it is a secret.
    pub vouched: bool,
    /// Its license, if that is said.
    pub license: Option<License>,
    /// Where it is declared.
    pub place: Place,
}

/// What a publisher says of a file; `lock` compares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// A digest in the declaration.
    pub sha256: Option<String>,
    /// Where a document with the digest is.
    pub checksum_url: Option<String>,
}

/// Something of a source that goes to a place on a node.
#[derive(Clone, Debug)]
pub struct Installed {
    /// What it is.
    pub taken: Taken,
    /// Where it goes.
    pub to: Installation,
    /// Where that is written.
    pub place: Place,
}

impl Installed {
    /// Whether it is an image.
    pub fn is_image(&self) -> bool {
        matches!(self.taken, Taken::Image(_))
    }
}

/// What of a source is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The file itself.
    Itself,
    /// The members that a glob matches.
    Member(String),
    /// The archive of an image, by the digest of its recipe.
    Image(Digest),
}

impl Taken {
    /// The glob, if it is one.
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Taken::Member(pattern) => Some(pattern),
            _ => None,
        }
    }
}

impl PlannedSource {
    /// Takes up what another node wants of the same source.
    pub fn join(&mut self, other: PlannedSource) {
        self.patterns.extend(other.patterns);
        self.images.extend(other.images);
        self.vouched &= other.vouched;
        self.license = self.license.take().or(other.license);
    }

    /// What a lock must have of it.
    pub fn parts(&self) -> Parts {
        let images = self.images.iter().map(|(digest, recipe)| (*digest, recipe.name.clone()));
        Parts { members: self.patterns.iter().cloned().collect(), images: images.collect() }
    }
}

/// The overlays' sources of a node with those of the profile laid over them; what the profile has `false` is gone. One that
/// says only where an overlay's source comes from (`elsewhere` knows them all) is nothing on a node without that overlay.
pub fn merge(
    overlays: &BTreeMap<String, Value>,
    profile: Option<&Value>,
    elsewhere: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, Value> {
    let goes = |value: &Value| ["install", "members", "image"].iter().any(|key| value.get(key).is_some());
    let mut merged = overlays.clone();
    for (name, field) in profile.and_then(Value::as_table).into_iter().flatten() {
        match (&field.value.data, merged.get(name)) {
            (Data::Boolean(false), _) => drop(merged.remove(name)),
            (_, Some(base)) => drop(merged.insert(name.to_owned(), crate::profile::merge_source(base, &field.value))),
            (_, None) if !goes(&field.value) && elsewhere(name) => {}
            (_, None) => drop(merged.insert(name.to_owned(), field.value.clone())),
        }
    }
    merged
}

/// A rendered source, checked.
pub fn plan(
    profile: &Profile,
    name: &str,
    declared: &Placed<SourceDeclaration>,
    arch: Arch,
) -> Result<(Wanted, PlannedSource, Vec<Installed>)> {
    let at = |error: Error| error.at(&declared.place);
    let place = (&declared.url, &declared.path, &declared.deb);
    let (from, location) = locate(profile, name, place, arch).map_err(at)?;
    let image = images::plan(name, declared, arch)?;
    let (recipe, archive) = image.unzip();
    let installed = installations(name, declared, archive)?;
    installed.iter().try_for_each(check_installed)?;
    let made_of = recipe.iter().flat_map(|recipe| recipe.patterns()).map(str::to_owned);
    let patterns = declared.members.keys().cloned().chain(made_of).collect();
    let images = recipe.into_iter().map(|recipe| (recipe.digest(), recipe)).collect();
    let limit = match &declared.limit {
        None => DEFAULT_LIMIT,
        Some(text) => parse_size(text).map_err(at)?,
    };
    super::files::check_not_secret(name, declared.not_secret.as_deref(), false, &declared.place)?;
    let vouched = declared.not_secret.is_some();
    let stated = Stated { sha256: declared.sha256.clone(), checksum_url: declared.checksum_url.clone() };
    let (license, place) = (declared.license.clone(), declared.place.clone());
    let planned = PlannedSource { location, patterns, images, stated, limit, vouched, license, place };
    check_stated(name, &planned).map_err(at)?;
    Ok((Wanted { name: name.to_owned(), from }, planned, installed))
}

/// What is wrong with what a publisher is said to state.
pub fn check_stated(name: &str, source: &PlannedSource) -> Result<()> {
    match (&source.stated.sha256, &source.stated.checksum_url) {
        (Some(_), Some(_)) => {
            Err(Error::usage(format!("source `{name}` has `sha256` and `checksum-url`; one of them says it")))
        }
        (Some(sha256), None) => sha256.parse::<Digest>().map(drop),
        _ => Ok(()),
    }
}

/// Where a source comes from by its `url`, `path` and `deb`, of which one is given.
pub fn locate(
    profile: &Profile,
    name: &str,
    given: (&Option<String>, &Option<String>, &Option<String>),
    arch: Arch,
) -> Result<(String, Location)> {
    match given {
        (Some(url), None, None) => {
            if !["https://", "http://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(Error::usage(format!("`{url}` is not an http, https or file URL")));
            }
            Ok((format!("url {url}"), Location::Url(url.clone())))
        }
        (None, Some(path), None) => {
            // Opened once here, so that a path that leads out of the project is told before anything is done. A file that is
            // not there yet is `lock`'s business: a plan needs no source.
            let file = profile.project.join(path);
            match disk::open_beneath(&profile.project, path.as_ref()) {
                Err(_) if disk::kind(&file).is_ok_and(|kind| kind.is_none()) && !leads_out(path) => {}
                opened => drop(opened?),
            }
            Ok((format!("path {path}"), Location::Path(file)))
        }
        (None, None, Some(deb)) => {
            let (package, version) = match deb.split_once('=') {
                Some((package, version)) => (package, Some(version.to_owned())),
                None => (deb.as_str(), None),
            };
            let arch = arch.debian().to_owned();
            check_package(package, version.as_deref())?;
            Ok((format!("deb {deb} {arch}"), Location::Deb { package: package.to_owned(), version, arch }))
        }
        _ => Err(Error::usage(format!("source `{name}` takes exactly one of `url`, `path` and `deb`"))),
    }
}

/// Whether a path, by its words alone, is not below where it starts.
fn leads_out(path: &str) -> bool {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    !Path::new(path).components().all(plain)
}

/// Package names and versions by Debian's policy (5.6.1, 5.6.12): they become words of apt's command line.
pub fn check_package(package: &str, version: Option<&str>) -> Result<()> {
    let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    if package.len() < 2 || !package.starts_with(|c: char| c.is_ascii_alphanumeric()) || !package.chars().all(name) {
        return Err(Error::usage(format!("`{package}` is not the name of a Debian package")));
    }
    let part = |c: char| c.is_ascii_alphanumeric() || ".+-:~".contains(c);
    match version {
        Some(text) if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(part) => {
            Err(Error::usage(format!("`{text}` is not the version of a Debian package")))
        }
        _ => Ok(()),
    }
}

fn installations(name: &str, declared: &Placed<SourceDeclaration>, image: Option<Installed>) -> Result<Vec<Installed>> {
    let member = |(pattern, to): (&String, &Placed<Destination>)| Installed {
        taken: Taken::Member(pattern.clone()),
        to: full(&to.value),
        place: to.place.clone(),
    };
    match (&declared.install, declared.members.is_empty(), image) {
        (Some(to), true, None) => {
            Ok(vec![Installed { taken: Taken::Itself, to: to.value.clone(), place: to.place.clone() }])
        }
        (None, false, None) => Ok(declared.members.iter().map(member).collect()),
        (None, true, Some(image)) => Ok(vec![image]),
        _ => {
            let message = format!(
                "source `{name}` takes either `install` (the file itself) or `members` (of an archive) or `image`"
            );
            Err(Error::usage(message).at(&declared.place))
        }
    }
}

/// What is wrong with a destination whatever will go there.
pub fn check_installed(installed: &Installed) -> Result<()> {
    let at = |error: Error| error.at(&installed.place);
    let to = &installed.to;
    let directory = to.path.strip_suffix('/').unwrap_or(&to.path);
    let path: TreePath = directory.parse().map_err(at)?;
    if to.path.ends_with('/') && installed.taken.pattern().is_none() {
        return Err(at(Error::usage(format!("{} is a directory; this takes the path of the file", to.path))));
    }
    match to.mode {
        Some(mode) if mode.0 & 0o7002 != 0 => {
            let message =
                format!("mode {:04o} for {path}: nothing from outside is set-uid, set-gid or writable by all", mode.0);
            Err(at(Error::policy(message)))
        }
        _ => Ok(()),
    }
}

/// A destination with mode and owner.
pub fn full(destination: &Destination) -> Installation {
    match destination {
        Destination::Full(installation) => installation.clone(),
        Destination::Path(path) => Installation { path: path.clone(), mode: None, uid: 0, gid: 0 },
    }
}

/// The entries that a locked source gives a node.
pub fn entries(name: &str, installed: &Installed, locked: &Locked) -> Result<Vec<(TreePath, Entry)>> {
    let at = |error: Error| error.at(&installed.place);
    let entry = |path: &str, of: &str, sha256, size, executable: bool| -> Result<(TreePath, Entry)> {
        let target = match path.ends_with('/') {
            true => format!("{path}{}", of.rsplit('/').next().unwrap_or(of)),
            false => path.to_owned(),
        };
        let mode = match installed.to.mode {
            Some(mode) => mode.0,
            None if executable => 0o755,
            None => 0o644,
        };
        let origin = format!("{FROM_SOURCE}{name}: {of}");
        let (uid, gid) = (installed.to.uid, installed.to.gid);
        let node = Node::File(Content::Blob { digest: sha256, size });
        Ok((target.parse().map_err(at)?, Entry { mode, uid, gid, ..Entry::new(node, origin) }))
    };
    let to = &installed.to.path;
    let pattern = match &installed.taken {
        Taken::Itself => return Ok(vec![entry(to, "the file itself", locked.sha256, locked.size, false)?]),
        Taken::Image(recipe) => {
            let mut images = locked.images.iter().filter(|image| image.recipe == *recipe);
            let found =
                |image: &LockedImage| entry(to, &format!("image {}", image.name), image.sha256, image.size, false);
            return images.next().map(found).into_iter().collect();
        }
        Taken::Member(pattern) => pattern,
    };
    let taken: Vec<_> = locked.members.iter().filter(|member| member.pattern == *pattern).collect();
    if taken.len() > 1 && !to.ends_with('/') {
        let names: Vec<_> = taken.iter().map(|member| member.path.as_str()).collect();
        let message =
            format!("`{pattern}` takes {} members ({}), which cannot all be {to}", taken.len(), names.join(", "));
        return Err(at(Error::usage(message).advise("end the path with `/`, or write a narrower glob")));
    }
    taken.into_iter().map(|member| entry(to, &member.path, member.sha256, member.size, member.executable)).collect()
}

/// Bytes, as `512 KiB`, `256MiB`, `2GiB` or a bare number.
pub fn parse_size(text: &str) -> Result<u64> {
    let bad = || Error::usage(format!("`{text}` is not a size like 256MiB"));
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let parsed: Vec<_> = ["17", "1KiB", "2 MiB", "3G"].iter().map(|text| parse_size(text).unwrap()).collect();
        assert_eq!(parsed, [17, 1024, 2 << 20, 3 << 30]);
        for wrong in ["", "MiB", "1.5G", "-1", "1TB", "99999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}

//! Sources as a node wants them, and where what they bring goes.

use std::collections::BTreeMap;

use crate::bundle::manifest::FROM_SOURCE;
use crate::disk;
use crate::document::{Data, Placed, Value};
use crate::error::{Error, Place, Result};
use crate::overlay::declare::{Destination, Installation, SourceDeclaration};
use crate::profile::lock::{Locked, Wanted};
use crate::profile::{Arch, Profile};
use crate::store::Location;
use crate::tree::{Content, Entry, Node, TreePath};

/// What may come from one source if it does not say, in bytes.
const DEFAULT_LIMIT: u64 = 2 << 30;

/// A source that at least one node wants.
#[derive(Clone, Debug)]
pub struct PlannedSource {
    /// Where it comes from.
    pub location: Location,
    /// Globs of the members that are taken, sorted; none if the file itself is installed.
    pub patterns: Vec<String>,
    /// What its publisher says of it.
    pub stated: Stated,
    /// The most bytes that may come.
    pub limit: u64,
    /// Whether someone gave a reason for that nothing in it is a secret.
    pub vouched: bool,
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
    /// The glob, or none for the file itself.
    pub pattern: Option<String>,
    /// Where it goes.
    pub to: Installation,
    /// Where that is written.
    pub place: Place,
}

/// The overlays' sources of a node with those of the profile laid over them; what the profile has `false` is gone.
pub fn merge(overlays: &BTreeMap<String, Value>, profile: Option<&Value>) -> BTreeMap<String, Value> {
    let mut merged = overlays.clone();
    for (name, field) in profile.and_then(Value::as_table).into_iter().flatten() {
        match (&field.value.data, merged.get(name)) {
            (Data::Boolean(false), _) => drop(merged.remove(name)),
            (_, Some(base)) => drop(merged.insert(name.clone(), crate::profile::merge_source(base, &field.value))),
            (_, None) => drop(merged.insert(name.clone(), field.value.clone())),
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
    let (from, location) = locate(profile, name, &declared.value, arch).map_err(at)?;
    let installed = installations(name, declared)?;
    installed.iter().try_for_each(check_installed)?;
    if let Some(sha256) = &declared.sha256 {
        sha256.parse::<crate::digest::Digest>().map_err(at)?;
    }
    let patterns: Vec<String> = declared.members.keys().cloned().collect();
    let limit = match &declared.limit {
        None => DEFAULT_LIMIT,
        Some(text) => parse_size(text).map_err(at)?,
    };
    if declared.sha256.is_some() && declared.checksum_url.is_some() {
        return Err(at(Error::usage(format!("source `{name}` has `sha256` and `checksum-url`; one of them says it"))));
    }
    super::files::check_not_secret(name, declared.not_secret.as_deref(), false, &declared.place)?;
    let vouched = declared.not_secret.is_some();
    let stated = Stated { sha256: declared.sha256.clone(), checksum_url: declared.checksum_url.clone() };
    let planned = PlannedSource { location, patterns, stated, limit, vouched, place: declared.place.clone() };
    Ok((Wanted { name: name.to_owned(), from }, planned, installed))
}

fn locate(profile: &Profile, name: &str, declared: &SourceDeclaration, arch: Arch) -> Result<(String, Location)> {
    match (&declared.url, &declared.path, &declared.deb) {
        (Some(url), None, None) => {
            if !["https://", "http://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(Error::usage(format!("`{url}` is not an http, https or file URL")));
            }
            Ok((format!("url {url}"), Location::Url(url.clone())))
        }
        (None, Some(path), None) => {
            // Opened once here, so that a path that leads out of the project is told before anything is done.
            disk::open_beneath(&profile.project, path.as_ref())?;
            Ok((format!("path {path}"), Location::Path(profile.project.join(path))))
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

/// Package names and versions by Debian's policy (5.6.1, 5.6.12): they become words of apt's command line.
fn check_package(package: &str, version: Option<&str>) -> Result<()> {
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

fn installations(name: &str, declared: &Placed<SourceDeclaration>) -> Result<Vec<Installed>> {
    match (&declared.install, declared.members.is_empty()) {
        (Some(_), false) | (None, true) => {
            let message =
                format!("source `{name}` takes either `install` (the file itself) or `members` (of an archive)");
            Err(Error::usage(message).at(&declared.place))
        }
        (Some(to), true) => Ok(vec![Installed { pattern: None, to: to.value.clone(), place: to.place.clone() }]),
        (None, false) => Ok(declared
            .members
            .iter()
            .map(|(pattern, to)| Installed {
                pattern: Some(pattern.clone()),
                to: full(&to.value),
                place: to.place.clone(),
            })
            .collect()),
    }
}

/// What is wrong with a destination whatever will go there.
fn check_installed(installed: &Installed) -> Result<()> {
    let at = |error: Error| error.at(&installed.place);
    let to = &installed.to;
    let directory = to.path.strip_suffix('/').unwrap_or(&to.path);
    let path: TreePath = directory.parse().map_err(at)?;
    if to.path.ends_with('/') && installed.pattern.is_none() {
        return Err(at(Error::usage(format!("{} is a directory; `install` takes the path of the file", to.path))));
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

fn full(destination: &Destination) -> Installation {
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
    let Some(pattern) = &installed.pattern else {
        return Ok(vec![entry(to, "the file itself", locked.sha256, locked.size, false)?]);
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

//! [`members`]: the files of an archive that globs name, each as a blob.
//!
//! The archive is read twice: once for its list, from which everything is decided, and once for the bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use globset::{GlobBuilder, GlobMatcher};

use super::list::{Found, List};
use super::unpack::{self, Limits};
use super::{Member, Pin, Store};
use crate::error::{Error, Faults, Result};

/// Takes members out of an archive in the store and stores each; sorted by path, then by glob. In a glob `*` and `?`
/// do not match `/`. A glob with a wildcard passes over directories; a link to a file of the archive is as the file.
///
/// # Errors
/// A glob that nothing matches: integrity. What is matched and is not a plain file, is there twice or is setuid, and
/// an archive that is unsafe, ambiguous or too large: policy. All globs' faults are told.
pub fn members(store: &Store, pin: &Pin, name: &str, globs: &[String], limits: &Limits) -> Result<Vec<Member>> {
    let patterns = globs.iter().map(|glob| Pattern::new(glob)).collect::<Result<Vec<_>>>()?;
    let list = List::read(store, pin, name, limits)?;
    let mut faults = Faults::new();
    let mut wanted = Vec::new();
    for pattern in &patterns {
        if let Some(found) = faults.note(list.select(pattern).map_err(|error| error.context(name))) {
            wanted.extend(found);
        }
    }
    let wanted = faults.finish(wanted)?;
    let bodies: BTreeSet<usize> = wanted.iter().map(|found| found.body).collect();
    let pins = extract(store, pin, name, limits, &bodies)?;
    let mut members = Vec::new();
    for Found { pattern, path, body } in wanted {
        let pin = *pins.get(&body).ok_or_else(|| Error::bug("an entry was listed and is not there"))?;
        let executable = list.entries[body].mode & 0o100 != 0;
        members.push(Member { pattern: pattern.to_owned(), path: path.to_owned(), pin, executable });
    }
    members.sort_by(|a, b| (&a.path, &a.pattern).cmp(&(&b.path, &b.pattern)));
    members.dedup();
    Ok(members)
}

fn extract(
    store: &Store,
    pin: &Pin,
    name: &str,
    limits: &Limits,
    bodies: &BTreeSet<usize>,
) -> Result<BTreeMap<usize, Pin>> {
    let mut pins = BTreeMap::new();
    let mut index = 0;
    unpack::walk(store, pin, name, limits, &mut |entry, body| {
        if bodies.contains(&index) {
            let added = store.add(&mut Described(body), limits.unpacked);
            let added = added.map_err(|error| error.context(&entry.path));
            let (digest, size) = added?;
            pins.insert(index, Pin { digest, size });
        }
        index += 1;
        Ok(())
    })?;
    Ok(pins)
}

/// Gives a decoder's error its class, before it is taken for one of the disk.
pub(super) struct Described<'a>(pub &'a mut dyn Read);

impl Read for Described<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => unpack::broken(error).into_io(),
        })
    }
}

/// A glob over the paths of an archive.
pub(super) struct Pattern<'a> {
    pub text: &'a str,
    pub matcher: GlobMatcher,
    /// Whether it is a path without a wildcard.
    pub literal: bool,
}

impl<'a> Pattern<'a> {
    pub fn new(text: &'a str) -> Result<Pattern<'a>> {
        let bad = |why: &str| Error::usage(format!("`{text}` cannot name a member of an archive: {why}"));
        let mut bare = text;
        while let Some(rest) = bare.strip_prefix("./") {
            bare = rest;
        }
        if bare.starts_with('/') || bare.is_empty() {
            return Err(bad("it is relative to the archive's root, without a leading `/`"));
        }
        let glob = GlobBuilder::new(bare).literal_separator(true).backslash_escape(true).build();
        let matcher = glob.map_err(|error| bad(&error.kind().to_string()))?.compile_matcher();
        Ok(Pattern { text, matcher, literal: !bare.contains(['*', '?', '[', '{', '\\']) })
    }
}

//! Both sides while they are read: first every entry, then the contents of those that are looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Options;
use super::report::Facts;
use super::scan::{Fetched, Item, LARGEST, Listing, Place, Wanted};
use super::side::{Side, Source, Trust, View};
use crate::bundle::verify::each;
use crate::disk;
use crate::error::Result;
use crate::program::Program;

/// How many bytes of contents are looked into on one side. What is beyond is compared by its digest alone.
const ROOM: u64 = 64 << 20;

/// A side whose entries are listed.
pub(super) struct Read<'a> {
    pub(super) side: &'a Side,
    pub(super) listings: Vec<Arc<Listing>>,
}

/// Where an entry is, and what it is.
pub(super) type Found<'a> = (usize, &'a str, &'a Item);

impl<'a> Read<'a> {
    fn new(side: &'a Side) -> Read<'a> {
        Read { side, listings: vec![Arc::default(); side.sources.len()] }
    }

    /// The entries of a view: what a later source has is applied later.
    pub(super) fn view(&self, view: &View) -> BTreeMap<&str, Found<'_>> {
        let items = view.sources.iter().flat_map(|source| {
            self.listings[*source].items.iter().map(|(path, item)| (path.as_str(), (*source, path.as_str(), item)))
        });
        items.collect()
    }

    /// Reads the contents of these entries, as long as there is room; each source once more. Of larger ones, what
    /// programs say of themselves.
    pub(super) fn look_into<'b>(&'b self, found: impl Iterator<Item = Found<'b>>, jobs: usize) -> Result<Look<'b>> {
        let (mut wanted, mut room): (BTreeMap<usize, Wanted>, u64) = (BTreeMap::new(), ROOM);
        for (source, path, item) in found {
            let size = item.size.unwrap_or(u64::MAX);
            let of = wanted.entry(source).or_default();
            let public = match self.side.sources[source].trust {
                Trust::Public => true,
                Trust::Secret | Trust::Known(_) => false,
                Trust::Unknown => item.mode & 0o077 != 0,
            };
            if size <= LARGEST.min(room) {
                room -= if of.contents.insert(path.to_owned()) { size } else { 0 };
            } else if size > LARGEST && public {
                of.programs.insert(path.to_owned());
            }
        }
        wanted.retain(|_, of| !of.contents.is_empty() || !of.programs.is_empty());
        let wanted: Vec<_> = wanted.into_iter().collect();
        let fetched = each(jobs, &wanted, |(source, wanted)| self.side.sources[*source].place.fetch(wanted))?;
        let fetched = wanted.iter().zip(fetched).map(|((source, _), fetched)| Ok((*source, fetched?)));
        Ok(Look { read: self, fetched: fetched.collect::<Result<_>>()? })
    }
}

/// A side whose contents are read, as far as they are looked into.
pub(super) struct Look<'a> {
    pub(super) read: &'a Read<'a>,
    fetched: BTreeMap<usize, Fetched>,
}

impl Look<'_> {
    pub(super) fn bytes(&self, (source, path, _): Found<'_>) -> Option<&[u8]> {
        self.fetched.get(&source)?.contents.get(path).map(|bytes| &bytes[..])
    }

    pub(super) fn program(&self, (source, path, _): Found<'_>) -> Option<&Program> {
        self.fetched.get(&source)?.programs.get(path)
    }

    /// Whether nothing of an entry's contents may be shown.
    pub(super) fn is_secret(&self, found: Found<'_>, options: &Options<'_>) -> bool {
        let (source, path, item) = found;
        let secret = match &self.read.side.sources[source].trust {
            Trust::Public => false,
            Trust::Secret => true,
            Trust::Known(public) => public.get(path) != item.digest.as_ref(),
            Trust::Unknown => {
                let private = item.mode & 0o077 == 0 || self.read.listings[source].secrets.contains(path);
                private || self.bytes(found).is_some_and(|bytes| (options.is_secret)(bytes))
            }
        };
        secret && item.kind == "file"
    }

    pub(super) fn facts(&self, found: Found<'_>, secret: bool) -> Facts {
        let (source, _, item) = found;
        // Of a file that nobody vouches for and that was not looked at, the digest may be one of a secret: so of a large
        // one too, unless it is a program.
        let looked_at = self.bytes(found).is_some() || self.program(found).is_some();
        let shown = !secret && (self.read.side.sources[source].trust != Trust::Unknown || looked_at);
        Facts {
            kind: item.kind,
            mode: format!("{:04o}", item.mode),
            uid: item.uid,
            gid: item.gid,
            size: item.size,
            target: item.target.clone(),
            sha256: item.digest.filter(|_| shown),
        }
    }
}

/// Lists all sources of both sides with all threads. One whose bytes are the same on both sides is listed once.
pub(super) fn scan<'a>(before: &'a Side, after: &'a Side, jobs: usize) -> Result<(Read<'a>, Read<'a>)> {
    let (mut a, mut b) = (Read::new(before), Read::new(after));
    let used = |side: &Side| -> Vec<usize> {
        let all: BTreeSet<usize> =
            side.views.iter().chain([&side.files]).flat_map(|view| view.sources.clone()).collect();
        all.into_iter().collect()
    };
    let (left, right) = (used(before), used(after));
    let twins = each(jobs, &right, |at| twin(before, &left, &after.sources[*at]))?;
    let twins: Vec<Option<usize>> = twins.into_iter().collect::<Result<_>>()?;
    let alone = right.iter().zip(&twins).filter(|(_, twin)| twin.is_none()).map(|(at, _)| (true, *at));
    let mut work: Vec<(bool, usize)> = left.iter().map(|at| (false, *at)).chain(alone).collect();
    let place =
        |(later, at): &(bool, usize)| if *later { &after.sources[*at].place } else { &before.sources[*at].place };
    // The largest first, so that no thread is left with it at the end.
    work.sort_by_key(|item| std::cmp::Reverse(size(place(item))));
    let listed = each(jobs, &work, |item| place(item).list().map(Arc::new))?;
    for ((later, at), listing) in work.iter().zip(listed) {
        match later {
            true => b.listings[*at] = listing?,
            false => a.listings[*at] = listing?,
        }
    }
    for (at, twin) in right.iter().zip(twins) {
        if let Some(twin) = twin {
            b.listings[*at] = Arc::clone(&a.listings[twin]);
        }
    }
    Ok((a, b))
}

fn size(place: &Place) -> u64 {
    match place {
        Place::Archive { root, path, .. } => disk::look(&root.join(path)).ok().flatten().map_or(0, |look| look.size),
        Place::Directory(_) | Place::File(_) | Place::Files { .. } => u64::MAX,
    }
}

/// The archive on the other side that has the same bytes. Only those are compared of which manifests say so.
fn twin(side: &Side, used: &[usize], source: &Source) -> Result<Option<usize>> {
    let Place::Archive { root, path, format } = &source.place else { return Ok(None) };
    for at in used.iter().filter(|at| side.sources[**at].declared == source.declared) {
        let Place::Archive { root: other_root, path: other, format: other_format } = &side.sources[*at].place else {
            continue;
        };
        if source.declared.is_some()
            && format == other_format
            && disk::same_bytes(disk::open_plain_beneath(root, path)?, disk::open_plain_beneath(other_root, other)?)?
        {
            return Ok(Some(*at));
        }
    }
    Ok(None)
}

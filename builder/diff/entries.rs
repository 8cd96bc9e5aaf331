//! What entries differ, on which machines, and what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Options;
use super::detail::Details;
use super::inside::Inside;
use super::programs;
use super::report::{Change, Facts, Kind};
use super::scan::{Fetched, Item, LARGEST, Listing, Place, Wanted};
use super::side::{Side, Source, Trust, View};
use super::words;
use crate::bundle::verify::each;
use crate::disk;
use crate::error::Result;
use crate::program::Program;

/// How many bytes of contents are looked into on one side. What is beyond is compared by its digest alone.
const ROOM: u64 = 64 << 20;

/// The changes of one machine, or of what is of none.
pub struct Viewed {
    /// The machine's names on both sides, which mostly are one; empty for what is of none.
    pub names: (String, String),
    /// Its changes, sorted by path.
    pub changes: Vec<Change>,
}

/// All that changed.
pub struct Entries {
    /// On machines, or in the one thing that is compared.
    pub views: Vec<Viewed>,
    /// In the release's other files.
    pub files: Vec<Change>,
}

/// Compares the entries of two sides.
pub fn compare(before: &Side, after: &Side, options: &Options<'_>) -> Result<Entries> {
    let (a, b) = scan(before, after, options.jobs)?;
    let pairs = paired(before, after);
    let changed: Vec<_> = pairs.iter().map(|(x, y)| different(&a, x, &b, y)).collect();
    let files = different(&a, &before.files, &b, &after.files);
    let wanted: Vec<&Different<'_>> = changed.iter().flatten().chain(&files).filter(|d| d.looked_into()).collect();
    let a = a.look_into(wanted.iter().filter_map(|d| d.before), options.jobs)?;
    let b = b.look_into(wanted.iter().filter_map(|d| d.after), options.jobs)?;
    let mut seen = Seen::new();
    let views = pairs.iter().zip(&changed).map(|((x, y), different)| {
        let mut changes: Vec<Change> = times(a.read, x, b.read, y).into_iter().collect();
        changes.extend(boot(before, x, after, y));
        changes.extend(different.iter().map(|d| d.change(&a, &b, options, &mut seen)));
        Viewed { names: (x.node.clone(), y.node.clone()), changes }
    });
    let views = views.collect();
    let files = files.iter().map(|d| d.change(&a, &b, options, &mut seen)).collect();
    Ok(Entries { views, files })
}

/// What was found inside, by both places: the same change of a common layer is on many machines.
type Seen = BTreeMap<(String, Option<usize>, Option<usize>), Change>;

/// A side whose entries are listed.
struct Read<'a> {
    side: &'a Side,
    listings: Vec<Arc<Listing>>,
}

/// Where an entry is, and what it is.
type Found<'a> = (usize, &'a str, &'a Item);

impl<'a> Read<'a> {
    fn new(side: &'a Side) -> Read<'a> {
        Read { side, listings: vec![Arc::default(); side.sources.len()] }
    }

    /// The entries of a view: what a later source has is applied later.
    fn view(&self, view: &View) -> BTreeMap<&str, Found<'_>> {
        let items = view.sources.iter().flat_map(|source| {
            self.listings[*source].items.iter().map(|(path, item)| (path.as_str(), (*source, path.as_str(), item)))
        });
        items.collect()
    }

    /// Reads the contents of these entries, as long as there is room; each source once more. Of larger ones, what
    /// programs say of themselves.
    fn look_into<'b>(&'b self, found: impl Iterator<Item = Found<'b>>, jobs: usize) -> Result<Look<'b>> {
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
        let wanted: Vec<_> = wanted.into_iter().collect();
        let fetched = each(jobs, &wanted, |(source, wanted)| self.side.sources[*source].place.fetch(wanted))?;
        let fetched = wanted.iter().zip(fetched).map(|((source, _), fetched)| Ok((*source, fetched?)));
        Ok(Look { read: self, fetched: fetched.collect::<Result<_>>()? })
    }
}

/// A side whose contents are read, as far as they are looked into.
struct Look<'a> {
    read: &'a Read<'a>,
    fetched: BTreeMap<usize, Fetched>,
}

impl Look<'_> {
    fn bytes(&self, (source, path, _): Found<'_>) -> Option<&[u8]> {
        self.fetched.get(&source)?.contents.get(path).map(|bytes| &bytes[..])
    }

    fn program(&self, (source, path, _): Found<'_>) -> Option<&Program> {
        self.fetched.get(&source)?.programs.get(path)
    }

    /// Whether nothing of an entry's contents may be shown.
    fn is_secret(&self, found: Found<'_>, options: &Options<'_>) -> bool {
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

    fn facts(&self, found: Found<'_>, secret: bool) -> Facts {
        let (source, _, item) = found;
        // Of a file that nobody vouches for and that was not looked at, the digest may be one of a secret.
        let looked_at = self.bytes(found).is_some() || item.size.is_some_and(|size| size > LARGEST);
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
fn scan<'a>(before: &'a Side, after: &'a Side, jobs: usize) -> Result<(Read<'a>, Read<'a>)> {
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

/// The machines that are on both sides; of two nodes and of what is no machine, the one and the other.
fn paired<'a>(before: &'a Side, after: &'a Side) -> Vec<(&'a View, &'a View)> {
    if let ([a], [b]) = (&before.views[..], &after.views[..])
        && before.kind != super::SideKind::Release
    {
        return vec![(a, b)];
    }
    let other = |a: &'a View| after.views.iter().find(|b| a.node == b.node).map(|b| (a, b));
    before.views.iter().filter_map(other).collect()
}

/// An entry that is not the same on both sides.
struct Different<'a> {
    path: &'a str,
    before: Option<Found<'a>>,
    after: Option<Found<'a>>,
}

fn different<'a>(a: &'a Read<'_>, x: &View, b: &'a Read<'_>, y: &View) -> Vec<Different<'a>> {
    let same = |(i, j): (&usize, &usize)| Arc::ptr_eq(&a.listings[*i], &b.listings[*j]);
    if x.sources.len() == y.sources.len() && x.sources.iter().zip(&y.sources).all(same) {
        return Vec::new();
    }
    let (left, right) = (a.view(x), b.view(y));
    let paths: BTreeSet<&str> = left.keys().chain(right.keys()).copied().collect();
    let pairs = paths.into_iter().map(|path| Different {
        path,
        before: left.get(path).copied(),
        after: right.get(path).copied(),
    });
    let secret = |side: &Side, (at, ..): Found<'_>| side.sources[at].trust == Trust::Secret;
    pairs
        .filter(|pair| match (pair.before, pair.after) {
            (Some(before), Some(after)) => {
                before.2 != after.2 || (before.2.kind == "file" && secret(a.side, before) != secret(b.side, after))
            }
            _ => true,
        })
        .collect()
}

impl Different<'_> {
    /// Whether contents are of interest: of a file that changed, and of one that is new.
    fn looked_into(&self) -> bool {
        let file = |found: Option<Found<'_>>| found.is_some_and(|(.., item)| item.kind == "file");
        match (self.before, self.after) {
            (Some(a), Some(b)) => file(self.before) && file(self.after) && a.2.digest != b.2.digest,
            _ => file(self.after) || file(self.before),
        }
    }

    fn change(&self, a: &Look<'_>, b: &Look<'_>, options: &Options<'_>, seen: &mut Seen) -> Change {
        let key = (self.path.to_owned(), self.before.map(|found| found.0), self.after.map(|found| found.0));
        seen.entry(key).or_insert_with(|| self.look(a, b, options)).clone()
    }

    fn look(&self, a: &Look<'_>, b: &Look<'_>, options: &Options<'_>) -> Change {
        let secrets = (
            self.before.is_some_and(|found| a.is_secret(found, options)),
            self.after.is_some_and(|found| b.is_secret(found, options)),
        );
        let secret = secrets.0 || secrets.1;
        let before = self.before.map(|found| a.facts(found, secret));
        let after = self.after.map(|found| b.facts(found, secret));
        let bytes = (self.before.and_then(|found| a.bytes(found)), self.after.and_then(|found| b.bytes(found)));
        let is_file = |found: &Option<Found<'_>>| found.is_some_and(|(.., item)| item.kind == "file");
        let contents = match (self.before, self.after) {
            (Some(a), Some(b)) => is_file(&self.before) && is_file(&self.after) && a.2.digest != b.2.digest,
            _ => false,
        };
        let inside = match (bytes, secret) {
            _ if !self.looked_into() => None,
            ((before, after), true) => Some(Inside::secret(before.unwrap_or_default(), after.unwrap_or_default())),
            ((Some(before), Some(after)), false) => Some(Inside::changed(self.path, before, after)),
            ((_, Some(after)), false) if self.before.is_none() => Some(Inside::added(after)),
            _ => match (self.before.map(|found| a.program(found)), self.after.map(|found| b.program(found))) {
                (Some(Some(before)), Some(Some(after))) => Some(programs::changed(before, after)),
                (None, Some(Some(after))) => Some(programs::added(after)),
                _ => contents.then(|| Inside::plain("large")),
            },
        };
        let mut change = Change::new(self.path, secret, before, after, inside);
        if contents {
            change.fields.push("contents");
        }
        // Where nobody says what is secret, a mode may be all that changed.
        let said = |look: &Look<'_>, found: Option<Found<'_>>| {
            found.is_some_and(|(source, ..)| look.read.side.sources[source].trust != Trust::Unknown)
        };
        if said(a, self.before) && said(b, self.after) && secrets.0 != secrets.1 {
            change.fields.push("secret");
        }
        change
    }
}

/// The modification times of all entries, which a profile sets at once.
fn times(a: &Read<'_>, x: &View, b: &Read<'_>, y: &View) -> Option<Change> {
    let times = |read: &Read<'_>, view: &View| {
        let all: BTreeSet<_> = view.sources.iter().filter_map(|at| read.listings[*at].mtime).collect();
        all.into_iter().flat_map(|(least, most)| [least, most]).collect::<BTreeSet<_>>()
    };
    let (old, new) = (times(a, x), times(b, y));
    if old == new || old.is_empty() || new.is_empty() {
        return None;
    }
    let text = |times: BTreeSet<u64>| {
        let shown = times.into_iter().map(|seconds| {
            crate::epoch::Epoch::from_seconds(seconds).map_or(seconds.to_string(), |epoch| epoch.to_string())
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let mut details = Details::default();
    details.push("modification time of every entry", Some(&text(old)), Some(&text(new)));
    Some(Change::about("times", details))
}

/// How a machine starts.
fn boot(before: &Side, x: &View, after: &Side, y: &View) -> Option<Change> {
    let record = |side: &Side, view: &View| {
        side.manifest.as_ref()?.nodes.iter().find(|node| node.name == view.node)?.boot.clone()
    };
    let (old, new) = (record(before, x), record(after, y));
    let mut details = Details::default();
    match (&old, &new) {
        (Some(a), Some(b)) => {
            let one = |name, a: &str, b: &str, details: &mut Details| {
                if a != b {
                    details.push(name, Some(a), Some(b));
                }
            };
            one("arch", &a.arch, &b.arch, &mut details);
            one("mac", a.mac.as_deref().unwrap_or("none"), b.mac.as_deref().unwrap_or("none"), &mut details);
            one("kernel", &a.kernel, &b.kernel, &mut details);
            one("initrds", &a.initrds.join(" "), &b.initrds.join(" "), &mut details);
            one("memory", &a.memory.to_string(), &b.memory.to_string(), &mut details);
            words::compare("cmdline", &words::split(&a.cmdline), &words::split(&b.cmdline), &mut details);
        }
        (None, Some(b)) => details.push("boot", None, Some(&format!("{} {}", b.kernel, b.cmdline))),
        (Some(a), None) => details.push("boot", Some(&format!("{} {}", a.kernel, a.cmdline)), None),
        (None, None) => {}
    }
    (!details.is_empty()).then(|| Change::about("boot", details))
}

impl Kind {
    /// What happened to something that is there before, after, or both.
    pub fn of(before: bool, after: bool) -> Kind {
        match (before, after) {
            (false, _) => Kind::Added,
            (true, false) => Kind::Removed,
            (true, true) => Kind::Changed,
        }
    }
}

//! What entries differ, on which machines, and what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Options;
use super::inside::Inside;
use super::machine::{boot, times};
use super::programs;
use super::reading::{Found, Look, Read, scan};
use super::report::Change;
use super::side::{Side, Trust, View};
use crate::error::Result;

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

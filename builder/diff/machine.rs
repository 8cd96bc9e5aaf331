//! What a machine has beside its entries: their one time, and how it starts.

use std::collections::BTreeSet;

use super::detail::Details;
use super::reading::Read;
use super::report::Change;
use super::side::{Side, View};
use super::words;
use crate::epoch::Epoch;

/// The modification times of all entries, which a profile sets at once.
pub(super) fn times(a: &Read<'_>, x: &View, b: &Read<'_>, y: &View) -> Option<Change> {
    let times = |read: &Read<'_>, view: &View| {
        let all: BTreeSet<_> = view.sources.iter().filter_map(|at| read.listings[*at].mtime).collect();
        all.into_iter().flat_map(|(least, most)| [least, most]).collect::<BTreeSet<_>>()
    };
    let (old, new) = (times(a, x), times(b, y));
    if old == new || old.is_empty() || new.is_empty() {
        return None;
    }
    let text = |times: BTreeSet<u64>| {
        let shown = times
            .into_iter()
            .map(|seconds| Epoch::from_seconds(seconds).map_or(seconds.to_string(), |epoch| epoch.to_string()));
        shown.collect::<Vec<_>>().join(", ")
    };
    let mut details = Details::default();
    details.push("modification time of every entry", Some(&text(old)), Some(&text(new)));
    Some(Change::about("times", details))
}

/// How a machine starts.
pub(super) fn boot(before: &Side, x: &View, after: &Side, y: &View) -> Option<Change> {
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

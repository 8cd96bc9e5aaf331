//! [`compare`]: what two releases, nodes of releases, archives, directories or files differ in, entry by entry, and inside
//! the changed files in the words of their formats. It compares, and vouches for nothing: that is what verify does.
//!
//! ```text
//! path --side--> sources (archives, directories) --scan--> listings: every entry, of files the digest
//!                                                             |
//!                     views (machines) of both sides --entries--> what differs
//!                                                             |
//!        sources --scan: contents of the changed small ones--> inside: units, flags, YAML, certificates, ...
//!                                                             |
//!                                        report: equal changes once, with the machines' names --page--> text
//! ```
//!
//! No byte of what is known to be a secret and no digest of it leaves this module: of secrets it says that they changed,
//! and what the certificates in them say. Of releases it is known; of other trees by mode, list and looks
//! (`listed`). Memory is bounded: archives are streamed twice, the second time only for what is looked into.

mod align;
mod certificates;
mod detail;
pub mod documents;
mod entries;
mod inside;
mod lines;
mod listed;
mod machine;
mod page;
mod programs;
mod reading;
mod release;
mod report;
mod scan;
mod settings;
mod side;
mod units;
mod value;
mod words;

use std::path::Path;

use crate::error::{Error, Result};

pub use detail::Detail;
pub use inside::Inside;
pub use report::{Change, Comparison, Facts, Group, Kind, Named};
pub use side::SideKind;

use side::Side;

/// How to compare.
pub struct Options<'a> {
    /// How many threads; at least one works.
    pub jobs: usize,
    /// Whether these bytes look like a secret: asked of what no manifest says to be public.
    pub is_secret: &'a (dyn Fn(&[u8]) -> bool + Sync),
}

/// Compares what is at two paths.
///
/// # Errors
/// Usage: they cannot be compared with each other. Integrity: a damaged manifest or archive, or an archive of another
/// program. Policy: too many entries, a symlink in a release. Environment: reading failed.
pub fn compare(a: &Path, b: &Path, options: &Options<'_>) -> Result<Comparison> {
    let (mut before, mut after) = (Side::open(a)?, Side::open(b)?);
    let tree = |kind| matches!(kind, SideKind::Archive | SideKind::Directory);
    if before.kind != after.kind && !(tree(before.kind) && tree(after.kind)) {
        let what = |side: &Side| format!("{} is a {}", side.path, side.kind.name());
        return Err(Error::usage(format!("{}, and {}", what(&before), what(&after)))
            .advise("compare two releases, two nodes, two archives or directories, or two files"));
    }
    if !(before.secrets && after.secrets) {
        before.leave_out_secrets();
        after.leave_out_secrets();
    }
    let entries = entries::compare(&before, &after, options)?;
    let release = release::compare(&before, &after);
    Ok(report::report(&before, &after, release, entries))
}

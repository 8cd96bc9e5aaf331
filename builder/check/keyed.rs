//! Whether there was anything to look at: without a seed certificates are empty.

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::Cluster;

/// Nothing was said of certificates.
pub const KEYS_NOT_SEEN: Rule = Rule {
    id: "keys-not-seen",
    severity: Severity::Note,
    finds: "a profile that imports keys, looked at without its seed",
    fate: "what is wrong with certificates and keys was not looked for",
    remedy: "give the seed with --seed, where the imported files are",
};

/// Tells that certificates are empty.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    if !cluster.keyed {
        findings.note(Finding::of(&KEYS_NOT_SEEN, "the profile imports keys, and there is no seed here".to_owned()));
    }
}

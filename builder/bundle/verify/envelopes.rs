//! The envelopes of provenance: each holds the statement that the sums and `provenance.json` make, and nothing else.

use super::as_trust;
use super::summed::{Directory, Summed};
use crate::bundle::provenance::statement;
use crate::bundle::{ENVELOPES, PROVENANCE};
use crate::error::{Error, Result};
use crate::sign::{KeyId, PublicKey, TrustedKey, dsse};

/// The most bytes of all envelopes.
const LONGEST: u64 = 128 << 20;
/// The most envelopes.
pub(in crate::bundle) const MOST: usize = 64;

/// Which of `keys` signed the provenance. That nobody did is no fault: not everybody has a key of minisign.
pub(super) fn check(public: &Summed, keys: &[TrustedKey]) -> Result<Vec<KeyId>> {
    let directory = public.directory();
    let lines = read(directory)?;
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let named = |error: Error| error.context(directory.name(ENVELOPES));
    if public.sums.get(PROVENANCE).is_none() {
        return Err(named(Error::trust(format!("the release has no {PROVENANCE} that it could be about"))));
    }
    let expected = statement(&public.sums, &public.read(PROVENANCE)?)?;
    let keys: Vec<PublicKey> = keys.iter().filter_map(|key| key.minisign().cloned()).collect();
    let mut signers = Vec::new();
    for line in &lines {
        for key in open(&keys, line, &expected).map_err(named)? {
            if !signers.contains(&key) {
                signers.push(key);
            }
        }
    }
    Ok(signers)
}

/// The envelopes, each a line with its LF; none if there is no file.
pub(in crate::bundle) fn read(directory: &Directory) -> Result<Vec<String>> {
    if directory.kind(ENVELOPES)?.is_none() {
        return Ok(Vec::new());
    }
    let bad = |what: &str| Error::trust(format!("{} {what}", directory.name(ENVELOPES)));
    let bytes = directory.read(ENVELOPES, LONGEST).map_err(as_trust)?;
    let text = String::from_utf8(bytes).map_err(|_| bad("is not UTF-8"))?;
    let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let twice = lines.iter().enumerate().any(|(at, line)| lines[..at].contains(line));
    match (1..=MOST).contains(&lines.len()) && !twice {
        true => Ok(lines),
        false => Err(bad(&format!("has not 1 to {MOST} different envelopes"))),
    }
}

/// Who signed an envelope, which must hold this statement.
pub(in crate::bundle) fn open(keys: &[PublicKey], envelope: &str, statement: &[u8]) -> Result<Vec<KeyId>> {
    let (payload, signers) = dsse::open(keys, envelope)?;
    match payload == statement {
        true => Ok(signers),
        false => Err(Error::trust("the envelope holds another statement than that of this release")
            .advise("get the release again from its source")),
    }
}

//! The signatures that lie beside a part's SHA256SUMS: read strictly, and counted by who made them.

use super::findings::Findings;
use super::summed::Directory;
use super::{Part, as_trust};
use crate::bundle::SUMS;
use crate::error::{Error, Result};
use crate::sign::{self, Detached, Scheme, TrustedKey};

/// The most bytes that a signature file has.
const LONGEST: u64 = 16 << 10;
/// The most signature files that a part has, so that strangers' ones cannot keep a verifier busy.
pub(in crate::bundle) const MOST: usize = 64;

/// The name of a signature file: the first one of its scheme has no id.
pub(in crate::bundle) fn name(scheme: Scheme, id: Option<&str>) -> String {
    let extension = scheme.extension();
    id.map_or_else(|| format!("{SUMS}.{extension}"), |id| format!("{SUMS}.{id}.{extension}"))
}

/// The scheme of a signature file, and the key's id if it is not the first one; nothing if the name is none of one.
pub(in crate::bundle) fn of_name(name: &str) -> Option<(Scheme, Option<&str>)> {
    let rest = name.strip_prefix(SUMS)?.strip_prefix('.')?;
    Scheme::ALL.into_iter().find_map(|scheme| match rest.strip_suffix(scheme.extension())? {
        "" => Some((scheme, None)),
        id => Some((scheme, Some(id.strip_suffix('.').filter(|id| is_id(id))?))),
    })
}

fn is_id(id: &str) -> bool {
    (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A signature file that is well-formed, and lies where one by the key that it names lies.
pub(in crate::bundle) struct Found {
    pub name: String,
    pub scheme: Scheme,
    pub signature: Detached,
}

/// Reads all signature files of a part, sorted by name.
pub(in crate::bundle) fn read(directory: &Directory) -> Result<Vec<Found>> {
    let names = directory.names().map_err(as_trust)?;
    let files: Vec<_> = names.iter().filter_map(|name| of_name(name).map(|(scheme, id)| (name, scheme, id))).collect();
    if files.len() > MOST {
        let message = format!("{} has {} signatures, more than {MOST}", directory.name(SUMS), files.len());
        return Err(Error::trust(message).advise("remove those of keys that nobody trusts"));
    }
    let (mut findings, mut found) = (Findings::default(), Vec::new());
    for (name, scheme, id) in files {
        let read = directory.read(name, LONGEST).map_err(as_trust);
        let read = read.and_then(|bytes| {
            let parsed = Detached::parse(scheme, &bytes).and_then(|signature| is_named(signature, id));
            parsed.map_err(|error| error.context(directory.name(name)))
        });
        found.extend(findings.take(read).map(|signature| Found { name: name.clone(), scheme, signature }));
    }
    findings.finish(found)
}

fn is_named(signature: Detached, id: Option<&str>) -> Result<Detached> {
    match id {
        Some(id) if id != signature.id() => {
            let message = format!("the signature is by key {}, and its file's name is of another", signature.signer());
            Err(Error::trust(message).advise("get it again from its source"))
        }
        _ => Ok(signature),
    }
}

/// Who signed a list.
pub(super) struct Signers {
    /// The keys, of those that are trusted, each once.
    pub keys: Vec<TrustedKey>,
    /// What each said, by its file.
    statements: Vec<(String, String)>,
}

/// Checks every signature of a list by one of `keys`, of which at least `threshold` different ones must have signed.
/// One by another key counts for nothing, and is no fault.
pub(super) fn check(directory: &Directory, list: &[u8], keys: &[TrustedKey], threshold: usize) -> Result<Signers> {
    let found = read(directory)?;
    let list_name = directory.name(SUMS);
    if found.is_empty() {
        let message = format!("{list_name} is not signed: there is no signature beside it");
        return Err(Error::trust(message).advise("get its signature, or sign it with `mastermold sign`"));
    }
    let (mut findings, mut signers) = (Findings::default(), Signers { keys: Vec::new(), statements: Vec::new() });
    for Found { name, signature, .. } in &found {
        let by = signature.verify(keys, list).map_err(|error| error.context(directory.name(name)));
        if let Some(Some(key)) = findings.take(by) {
            if signers.keys.iter().all(|known| !known.is(key)) {
                signers.keys.push(key.clone());
            }
            signers.statements.push((name.clone(), signature.statement().to_owned()));
        }
    }
    if findings.is_empty() && signers.keys.len() < threshold.max(1) {
        findings.note(too_few(&list_name, &found, &signers.keys, keys, threshold));
    }
    findings.finish(signers)
}

fn too_few(list: &str, found: &[Found], signers: &[TrustedKey], keys: &[TrustedKey], threshold: usize) -> Error {
    let names = |names: Vec<String>| {
        let mut names = names;
        names.sort();
        names.dedup();
        names.join(", ")
    };
    let trusted = names(keys.iter().map(ToString::to_string).collect());
    match (sign::count(keys), signers.len()) {
        (0, _) => Error::trust("no public key is given to verify the signature with").advise("give one with --key"),
        (_, 0) => {
            let by = names(found.iter().map(|found| found.signature.signer()).collect());
            Error::trust(format!("{list} is signed by key {by}, and trusted is {trusted}"))
        }
        (given, signed) => {
            let by = names(signers.iter().map(ToString::to_string).collect());
            Error::trust(format!(
                "{list} is signed by {signed} of the {given} keys that are trusted ({by}), and {threshold} are asked for"
            ))
        }
    }
}

impl Signers {
    /// That each signature was given to this part of this release.
    pub fn say(&self, part: Part, expected: &str) -> Result<()> {
        let mut findings = Findings::default();
        for (name, statement) in self.statements.iter().filter(|(_, statement)| statement != expected) {
            let part = part.name();
            findings.note(Error::trust(format!(
                "{part}/{SUMS} is signed as `{statement}` by {part}/{name}, and should be as `{expected}`"
            )));
        }
        findings.finish(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_signatures_and_of_nothing_else() {
        for (scheme, id, text) in [
            (Scheme::Minisign, None, "SHA256SUMS.minisig"),
            (Scheme::Minisign, Some("8CF4828F0DA5E786"), "SHA256SUMS.8CF4828F0DA5E786.minisig"),
            (Scheme::Ssh, None, "SHA256SUMS.sshsig"),
            (Scheme::Ssh, Some("0123456789abcdef"), "SHA256SUMS.0123456789abcdef.sshsig"),
        ] {
            assert_eq!((name(scheme, id).as_str(), of_name(text)), (text, Some((scheme, id))));
        }
        for text in [
            "SHA256SUMS",
            "SHA256SUMS.",
            "SHA256SUMS.sig",
            "SHA256SUMS..sshsig",
            "SHA256SUMSminisig",
            "SHA256SUMS.minisig.bak",
            "SHA256SUMS.xyz.minisig",
            "SHA256SUMS.0123456789abcdef0.sshsig",
            "SHA256SUMS.1.2.minisig",
            "a/SHA256SUMS.minisig",
            "sha256sums.minisig",
        ] {
            assert_eq!(of_name(text), None, "{text}");
        }
    }
}

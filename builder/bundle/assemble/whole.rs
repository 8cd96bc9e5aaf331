//! [`Whole`]: what the whole release has, and which part has it, before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use super::part::Opened;
use super::{Assembling, described};
use crate::bundle::manifest::to_text;
use crate::bundle::verify::Findings;
use crate::bundle::{Artifact, CYCLONEDX, MANIFEST, MENU, Manifest, NodeRecord, PROVENANCE, Part, SPDX};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A whole release, as its parts make it.
#[derive(Debug)]
pub(super) struct Whole {
    pub manifest: Manifest,
    /// What is copied: its digest, and the number of the part that it is copied from.
    pub copied: BTreeMap<(Part, String), (Digest, usize)>,
    /// What names all machines, and is made here, with its path in `public/`.
    pub made: Vec<(String, Vec<u8>)>,
}

/// What to do about parts that do not fit together.
const SAME: &str = "build all parts from one profile, its overlays, its lock and one seed";

impl Whole {
    /// What these parts make together.
    pub fn of(parts: &[Opened], assembling: &Assembling<'_>) -> Result<Whole> {
        let first = parts.first().ok_or_else(|| Error::usage("there is no part to assemble"))?;
        are_of_one_release(first, parts, assembling.tool)?;
        let mut findings = Findings::default();
        let nodes = nodes(parts, &mut findings);
        let artifacts = artifacts(parts, &mut findings);
        let manifest = Manifest { part: None, nodes, artifacts, ..first.manifest.clone() };
        let menus = match manifest.nodes.iter().any(|node| node.boot.is_some()) {
            true => findings.take(menus(parts, &manifest, assembling)).unwrap_or_default(),
            false => Vec::new(),
        };
        let mut made: BTreeSet<&str> = menus.iter().map(|(path, _)| path.as_str()).collect();
        made.extend([MANIFEST, SPDX, CYCLONEDX, PROVENANCE]);
        let copied = copied(parts, &made, &mut findings);
        findings.finish(())?;
        let names: Vec<&str> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
        let mut made = described::described(parts, &names, assembling.jobs)?;
        made.extend(menus.into_iter().map(|(path, text)| (path, text.into_bytes())));
        made.push((MANIFEST.to_owned(), to_text(&manifest)?));
        Ok(Whole { manifest, copied, made })
    }

    /// How many files it has, but for its sums.
    pub fn files(&self) -> usize {
        self.copied.len() + self.made.len()
    }
}

/// That all are parts of one release, written by this program.
fn are_of_one_release(first: &Opened, parts: &[Opened], tool: &str) -> Result<()> {
    let said = |manifest: &Manifest| {
        let Manifest { tool, cluster, version, epoch, profile, overlays, lock, .. } = manifest;
        let digests = [("profile", profile), ("overlays", overlays), ("lock", lock)];
        let texts = [("cluster", cluster), ("version", version), ("epoch", epoch), ("mastermold", tool)];
        let texts = texts.map(|(name, text)| (name, text.clone()));
        let digests = digests.map(|(name, digest)| (name, format!("of SHA-256 {}", digest.short())));
        let machines = ("number of machines", manifest.machines().to_string());
        texts.into_iter().chain(digests).chain([machines])
    };
    let mut findings = Findings::default();
    for part in parts {
        for ((name, wanted), (_, is)) in said(&first.manifest).zip(said(&part.manifest)).filter(|(a, b)| a != b) {
            let message = format!("{}: its {name} is {is}, and that of {} is {wanted}", part.name, first.name);
            findings.note(Error::usage(message).advise(SAME));
        }
    }
    let Manifest { tool: by, .. } = &first.manifest;
    if by != tool {
        let message = format!("{}: it was written by {by}, and this is {tool}", first.name);
        findings.note(Error::usage(message).advise("assemble with the mastermold that built the parts"));
    }
    findings.finish(())
}

/// All machines in the order of the profile.
fn nodes(parts: &[Opened], findings: &mut Findings) -> Vec<NodeRecord> {
    let mut found: BTreeMap<usize, (&NodeRecord, &Opened)> = BTreeMap::new();
    for part in parts {
        for (place, node) in part.manifest.places().into_iter().zip(&part.manifest.nodes) {
            let (known, other) = *found.entry(place).or_insert((node, part));
            if known != node {
                let (name, number) = (&node.name, place + 1);
                let message = format!("{}: machine {number}, {name}, is another one in {}", part.name, other.name);
                findings.note(Error::integrity(message).advise(SAME));
            }
        }
    }
    let mut names = BTreeSet::new();
    for (node, part) in found.values().filter(|(node, _)| !names.insert(&node.name)) {
        findings.note(Error::integrity(format!("{}: machine {} is two of the profile's", part.name, node.name)));
    }
    let of = parts.first().map_or(0, |part| part.manifest.machines());
    missing(&found, of, findings);
    found.into_values().map(|(node, _)| node.clone()).collect()
}

/// That every machine of the profile is there. Of those that are not, only the places are known.
fn missing(found: &BTreeMap<usize, (&NodeRecord, &Opened)>, of: usize, findings: &mut Findings) {
    let mut next = 0;
    for place in found.keys().copied().chain([of]) {
        if next < place {
            let which = match place - next {
                1 => format!("machine {place}"),
                _ => format!("machines {} to {place}", next + 1),
            };
            let behind = next.checked_sub(1).and_then(|before| found.get(&before));
            let behind = behind.map_or_else(String::new, |(node, _)| format!(", behind {}", node.name));
            let message = format!("no part has {which} of the profile's {of}{behind}");
            findings.note(Error::usage(message).advise("build them with `mastermold build --node`, and give them too"));
        }
        next = place + 1;
    }
}

/// All archives, sorted by path.
fn artifacts(parts: &[Opened], findings: &mut Findings) -> Vec<Artifact> {
    let mut found: BTreeMap<&str, (&Artifact, &Opened)> = BTreeMap::new();
    for part in parts {
        for artifact in &part.manifest.artifacts {
            let (known, other) = *found.entry(&artifact.path).or_insert((artifact, part));
            // Other bytes are told where files are compared.
            if known != artifact && known.sha256 == artifact.sha256 {
                let message = format!("{}: {} is described otherwise in {}", part.name, artifact.path, other.name);
                findings.note(Error::integrity(message));
            }
        }
    }
    found.into_values().map(|(artifact, _)| artifact.clone()).collect()
}

/// All files that are copied: those of all parts but what is `made` here.
fn copied(
    parts: &[Opened],
    made: &BTreeSet<&str>,
    findings: &mut Findings,
) -> BTreeMap<(Part, String), (Digest, usize)> {
    let mut found = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        for directory in [Part::Public, Part::Secrets] {
            let sums = part.directory(directory).sums.iter();
            for (path, digest) in sums.filter(|(path, _)| directory == Part::Secrets || !made.contains(path)) {
                let (known, other) = *found.entry((directory, path.to_owned())).or_insert((*digest, number));
                if known != *digest {
                    let (name, other) = (directory.name(), &parts[other].name);
                    let message = format!("{}: {name}/{path} is another file than in {other}", part.name);
                    findings.note(Error::integrity(message).advise(SAME));
                }
            }
        }
    }
    found
}

/// The menus of boot loaders for all machines. Their settings are those of a part's menu; that with these all parts' menus come
/// out as they are shows that the settings were read right, and are everywhere the same.
fn menus(parts: &[Opened], whole: &Manifest, assembling: &Assembling<'_>) -> Result<Vec<(String, String)>> {
    let first = parts.first().ok_or_else(|| Error::bug("no part"))?;
    let like = String::from_utf8(first.read(MENU)?);
    let like = like.map_err(|_| Error::integrity(format!("{}: {MENU} is not UTF-8", first.name)))?;
    for part in parts {
        let expected = (assembling.menus)(&part.manifest, &part.manifest.nodes, &like);
        for (path, text) in expected.map_err(|error| error.context(&part.name))? {
            if part.read(&path)? != text.into_bytes() {
                let message = format!("{}: public/{path} is not that of its machines", part.name);
                return Err(Error::integrity(message).advise(SAME));
            }
        }
    }
    (assembling.menus)(whole, &whole.nodes, &like)
}

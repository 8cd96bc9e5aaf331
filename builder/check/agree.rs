//! What must be the same wherever it is said, by `[[agree]]` of overlays.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::credentials::{KEY_UNREADABLE, public_half};
use super::ends::items;
use super::finding::{Finding, Findings};
use super::subject::{Cluster, Machine};
use crate::document::Placed;
use crate::error::Place;
use crate::overlay::declare::{AgreeDeclaration, AgreeScope};
use crate::pki::{Certificate, PublicKey};
use crate::tree::TreePath;

/// Something that is said on a machine, and what it comes to.
struct Said<'a> {
    machine: &'a Machine<'a>,
    place: &'a Place,
    // What is compared; of a file it may be secret, and is not told.
    what: What,
}

enum What {
    Value(String),
    Items(BTreeSet<String>),
    File(TreePath, Zeroizing<Vec<u8>>),
}

impl What {
    fn is_like(&self, other: &What) -> bool {
        match (self, other) {
            (What::Value(own), What::Value(other)) => own == other,
            (What::Items(own), What::Items(other)) => own == other,
            (What::File(_, own), What::File(_, other)) => own == other,
            _ => false,
        }
    }

    /// As it may be told.
    fn shown(&self) -> String {
        match self {
            What::Value(value) => format!("`{value}`"),
            What::Items(items) => format!("`{}`", items.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
            What::File(path, _) => format!("another {path}"),
        }
    }
}

/// One declaration and its machine.
type Entry<'a> = (&'a Machine<'a>, &'a Placed<AgreeDeclaration>);

/// Compares the entries of each name, in the whole cluster or on each machine.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<Entry<'_>>> = BTreeMap::new();
    for machine in &cluster.machines {
        for declared in &machine.plan.agree {
            let own = (declared.scope == AgreeScope::Node).then_some(machine.name);
            groups.entry((&declared.id, own)).or_default().push((machine, declared));
        }
    }
    for entries in groups.values() {
        type Take = fn(&Entry<'_>) -> Option<What>;
        let takes: [Take; 3] = [
            |(_, declared)| declared.value.value.as_ref().map(|value| What::Value(value.value.clone())),
            |(_, declared)| declared.items.as_ref().map(|list| What::Items(items(list).map(str::to_owned).collect())),
            |(machine, declared)| {
                let path = declared.file.as_ref()?;
                Some(What::File(path.value.clone(), machine.bytes(path)?))
            },
        ];
        for take in takes {
            compare(entries, take, findings);
        }
        if cluster.has_keys() {
            known(entries, findings);
        }
    }
}

/// Those that most say count as right; of as many, what comes first.
fn compare(entries: &[Entry<'_>], take: fn(&Entry<'_>) -> Option<What>, findings: &mut Findings) {
    let said: Vec<(Said<'_>, &AgreeDeclaration)> = entries
        .iter()
        .filter_map(|entry| {
            let (machine, declared) = entry;
            let what = take(entry)?;
            Some((Said { machine, place: place(declared), what }, &declared.value))
        })
        .collect();
    let count = |one: &What| said.iter().filter(|(other, _)| other.what.is_like(one)).count();
    // Of as many, the last that max_by_key meets is the first.
    let Some((right, _)) = said.iter().rev().max_by_key(|(one, _)| count(&one.what)) else { return };
    let mut wrong: BTreeMap<&Place, Vec<&(Said<'_>, &AgreeDeclaration)>> = BTreeMap::new();
    for one in said.iter().filter(|(one, _)| !one.what.is_like(&right.what)) {
        wrong.entry(one.0.place).or_default().push(one);
    }
    let Some((place, those)) = wrong.iter().find(|(place, _)| !findings.is_told(place)) else { return };
    let Some((one, declared)) = those.first() else { return };
    let says = format!(
        "{}: {} on {}, {} on {}",
        declared.says,
        one.what.shown(),
        one.machine.name,
        right.what.shown().replacen("another ", "", 1),
        right.machine.name
    );
    let on = wrong.values().flatten().map(|(one, _)| one.machine.name.to_owned()).collect();
    findings.note(finding(declared, says, place, on));
}

/// That whatever one entry signs, all know.
fn known(entries: &[Entry<'_>], findings: &mut Findings) {
    let signing = entries.iter().filter_map(|(machine, declared)| {
        let path = declared.signs.as_ref()?;
        match public_half(&machine.bytes(path)?) {
            Ok(key) => Some((*machine, path, key?)),
            Err(wrong) => {
                if !findings.is_told(&path.place) {
                    let mut finding = Finding::of(&KEY_UNREADABLE, format!("{} {wrong}, and is to sign", path.value));
                    finding.place = Some(path.place.clone());
                    finding.on.insert(machine.name.to_owned());
                    findings.note(finding);
                }
                None
            }
        }
    });
    let signing: Vec<_> = signing.collect();
    for (machine, declared) in entries.iter().filter(|(_, declared)| !declared.knows.is_empty()) {
        let files: Vec<&str> = declared.knows.iter().flat_map(|files| items(files)).collect();
        let read: Option<Vec<_>> = files.iter().map(|file| machine.bytes(&file.parse().ok()?)).collect();
        // What is not in the bundle may know it.
        let Some(read) = read else { continue };
        let keys: BTreeSet<Vec<u8>> = read.iter().flat_map(|bytes| publics(bytes)).collect();
        let strange = signing.iter().filter(|(_, _, key)| !keys.is_empty() && !keys.contains(key));
        let strange: Vec<_> = strange.collect();
        let Some((signer, path, _)) = strange.first() else { continue };
        // One that knows nobody is wrong itself.
        let (place, on) = match strange.len() > 1 && strange.len() == signing.len() {
            true => (place(declared), machine.name),
            false => (&path.place, signer.name),
        };
        if !findings.is_told(place) {
            let says = format!("{}: what {} signs is not known by {}", declared.says, path.value, files.join(", "));
            findings.note(finding(declared, says, place, [on.to_owned()].into()));
        }
        return;
    }
}

/// The public keys in a file: of certificates, of public keys, and of a private one.
fn publics(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> =
        Certificate::find(bytes).iter().map(|certificate| certificate.public_key().to_vec()).collect();
    found.extend(PublicKey::parse_all(bytes).iter().map(|key| key.der().to_vec()));
    found.extend(public_half(bytes).ok().flatten());
    found
}

/// Where an entry says it.
fn place(declared: &Placed<AgreeDeclaration>) -> &Place {
    let AgreeDeclaration { value, items, file, knows, .. } = &declared.value;
    let text = value.as_ref().or(items.as_ref()).or(knows.first()).map(|text| &text.place);
    text.or(file.as_ref().map(|file| &file.place)).unwrap_or(&declared.place)
}

fn finding(declared: &AgreeDeclaration, says: String, place: &Place, on: BTreeSet<String>) -> Finding {
    Finding {
        id: declared.id.clone(),
        severity: declared.severity,
        says,
        fate: declared.fate.clone(),
        remedy: declared.remedy.clone(),
        place: Some(place.clone()),
        file: None,
        on,
    }
}

//! What must be the same wherever it is said, by `[[agree]]` of overlays.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

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
    what: What<'a>,
}

/// Of a file its bytes are compared, and not its path.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What<'a> {
    Value(&'a str),
    Items(BTreeSet<&'a str>),
    File(&'a [u8]),
}

impl What<'_> {
    /// As it may be told of a file at a path.
    fn shown(&self, path: Option<&TreePath>) -> String {
        match self {
            What::Value(value) => format!("`{value}`"),
            What::Items(items) => format!("`{}`", items.iter().copied().collect::<Vec<_>>().join(",")),
            What::File(_) => format!("another {}", path.map(TreePath::to_string).unwrap_or_default()),
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
    // Most machines have the same key.
    let mut publics = Publics::default();
    for entries in groups.values() {
        let takes: [Take; 3] = [
            |(_, declared)| declared.value.value.as_ref().map(|value| What::Value(&value.value)),
            |(_, declared)| declared.items.as_ref().map(|list| What::Items(items(list).collect())),
            |(machine, declared)| machine.bytes(declared.file.as_ref()?).map(What::File),
        ];
        for take in takes {
            compare(entries, take, findings);
        }
        if cluster.has_keys() {
            known(entries, &mut publics, findings);
        }
    }
}

/// What an entry says of one kind.
type Take = for<'a> fn(&Entry<'a>) -> Option<What<'a>>;

/// Those that most say count as right; of as many, what comes first.
fn compare(entries: &[Entry<'_>], take: Take, findings: &mut Findings) {
    let said: Vec<(Said<'_>, &AgreeDeclaration)> = entries
        .iter()
        .filter_map(|entry| {
            let (machine, declared) = entry;
            let what = take(entry)?;
            Some((Said { machine, place: place(declared), what }, &declared.value))
        })
        .collect();
    let mut counts: BTreeMap<&What<'_>, usize> = BTreeMap::new();
    said.iter().for_each(|(one, _)| *counts.entry(&one.what).or_default() += 1);
    // Of as many, the last that max_by_key meets is the first.
    let Some((right, of_file)) = said.iter().rev().max_by_key(|(one, _)| counts.get(&one.what)) else { return };
    let mut wrong: BTreeMap<&Place, Vec<&(Said<'_>, &AgreeDeclaration)>> = BTreeMap::new();
    for one in said.iter().filter(|(one, _)| one.what != right.what) {
        wrong.entry(one.0.place).or_default().push(one);
    }
    let Some((place, those)) = wrong.iter().find(|(place, _)| !findings.is_told(place)) else { return };
    let Some((one, declared)) = those.first() else { return };
    let says = format!(
        "{}: {} on {}, {} on {}",
        declared.says,
        one.what.shown(file(declared)),
        one.machine.name,
        right.what.shown(file(of_file)).replacen("another ", "", 1),
        right.machine.name
    );
    let on = wrong.values().flatten().map(|(one, _)| one.machine.name.to_owned()).collect();
    findings.note(finding(declared, says, place, on));
}

/// That whatever one entry signs, all know.
fn known<'a>(entries: &[Entry<'a>], publics: &mut Publics<'a>, findings: &mut Findings) {
    let signing = entries.iter().filter_map(|(machine, declared)| {
        let path = declared.signs.as_ref()?;
        match publics.half(machine.bytes(path)?) {
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
    let all: BTreeSet<&[u8]> = signing.iter().map(|(_, _, key)| &key[..]).collect();
    for (machine, declared) in entries.iter().filter(|(_, declared)| !declared.knows.is_empty()) {
        let files: Vec<&str> = declared.knows.iter().flat_map(|files| items(files)).collect();
        let read: Option<Vec<_>> = files.iter().map(|file| machine.bytes(&file.parse().ok()?)).collect();
        // What is not in the bundle may know it.
        let Some(read) = read else { continue };
        let keys: Vec<Rc<BTreeSet<Vec<u8>>>> = read.iter().map(|bytes| publics.all(bytes)).collect();
        let is_strange = |key: &[u8]| !keys.iter().any(|keys| keys.contains(key));
        if keys.iter().all(|keys| keys.is_empty()) || !all.iter().any(|key| is_strange(key)) {
            continue;
        }
        let strange = signing.iter().filter(|(_, _, key)| is_strange(key));
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

/// The public keys in files, by what is in them.
#[derive(Default)]
struct Publics<'a> {
    halves: BTreeMap<&'a [u8], Half>,
    all: BTreeMap<&'a [u8], Rc<BTreeSet<Vec<u8>>>>,
}

/// See [`public_half`].
type Half = Result<Option<Rc<[u8]>>, &'static str>;

impl<'a> Publics<'a> {
    /// That of a private one.
    fn half(&mut self, bytes: &'a [u8]) -> Half {
        let half = || public_half(bytes).map(|key| key.map(Rc::from));
        self.halves.entry(bytes).or_insert_with(half).clone()
    }

    /// Those of certificates, of public keys, and of a private one.
    fn all(&mut self, bytes: &'a [u8]) -> Rc<BTreeSet<Vec<u8>>> {
        let find = || {
            let certificates = Certificate::find(bytes);
            let certified = certificates.iter().map(|certificate| certificate.public_key().to_vec());
            let keys = PublicKey::parse_all(bytes);
            let public = keys.iter().map(|key| key.der().to_vec());
            Rc::new(certified.chain(public).chain(public_half(bytes).ok().flatten()).collect())
        };
        self.all.entry(bytes).or_insert_with(find).clone()
    }
}

/// The file that an entry compares.
fn file(declared: &AgreeDeclaration) -> Option<&TreePath> {
    declared.file.as_ref().map(|path| &path.value)
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

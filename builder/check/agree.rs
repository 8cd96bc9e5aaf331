//! What must be the same wherever it is said, by `[[agree]]` of overlays.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::credentials::{KEY_UNREADABLE, public_half};
use super::ends::items;
use super::finding::{Finding, Findings};
use super::subject::{Cluster, Machine};
use crate::build::{Nodes, Plan};
use crate::digest::Digest;
use crate::document::Placed;
use crate::error::{self, Place};
use crate::overlay::declare::{AgreeDeclaration, AgreeScope};
use crate::pki::{Certificate, PublicKey};
use crate::tree::TreePath;

/// What is compared; a file's bytes, and not its path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What<'a> {
    Value(&'a str),
    Items(BTreeSet<&'a str>),
    // It may be secret, and is not told.
    File(Digest),
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

/// A declaration, the number of its machine, and which it is of all of its name.
#[derive(Clone, Copy)]
struct Entry<'a> {
    order: usize,
    machine: usize,
    declared: &'a Placed<AgreeDeclaration>,
    // On so many machines behind that one it is the same.
    more: usize,
}

/// The entries of each name, in the whole cluster or on each machine.
pub struct Agreements<'a> {
    plan: &'a Plan,
    // Whether keys can be compared.
    has_keys: bool,
    groups: BTreeMap<(&'a str, Option<&'a str>), Agreement<'a>>,
    // Most machines have the same key.
    publics: Publics,
}

impl<'a> Agreements<'a> {
    /// None yet.
    pub fn new(cluster: Cluster<'a>) -> Agreements<'a> {
        let (plan, has_keys) = (cluster.plan(), cluster.has_keys());
        Agreements { plan, has_keys, groups: BTreeMap::new(), publics: Publics::default() }
    }

    /// Takes up what is said on a machine.
    pub fn hear(&mut self, machine: &Machine<'_>) -> error::Result<()> {
        let outline = self.plan.nodes.outline(machine.at)?;
        let mut alone = BTreeSet::new();
        for declared in &outline.agree {
            let own = (declared.scope == AgreeScope::Node).then_some(outline.name.as_str());
            let key = (declared.id.as_str(), own);
            alone.extend(own.map(|_| key));
            let group = self.groups.entry(key).or_default();
            group.hear(machine, declared, self.has_keys.then_some(&mut self.publics));
        }
        // What is to agree on this machine alone, and does, is done with.
        for key in alone {
            let mut found = Findings::default();
            self.groups.get(&key).into_iter().for_each(|group| group.judge(&self.plan.nodes, &mut found));
            if found.is_empty() {
                self.groups.remove(&key);
            }
        }
        Ok(())
    }

    /// Compares them.
    pub fn judge(self, findings: &mut Findings) {
        self.groups.values().for_each(|group| group.judge(&self.plan.nodes, findings));
    }
}

/// The entries of a name.
#[derive(Default)]
struct Agreement<'a> {
    count: usize,
    // What is said, as a value, as items or as a file, and by whom.
    said: BTreeMap<What<'a>, Vec<Entry<'a>>>,
    // Who signs, and the public half of the key, or why there is none.
    signing: Vec<Signing<'a>>,
    // Who knows keys, and which, file by file.
    knowing: Vec<(Entry<'a>, Vec<Rc<Keys>>)>,
}

type Keys = BTreeSet<Vec<u8>>;

type Signing<'a> = (Entry<'a>, &'a Placed<TreePath>, Result<Rc<[u8]>, &'static str>);

impl<'a> Agreement<'a> {
    fn hear(&mut self, machine: &Machine<'_>, declared: &'a Placed<AgreeDeclaration>, publics: Option<&mut Publics>) {
        self.count += 1;
        let entry = Entry { order: self.count, machine: machine.at, declared, more: 0 };
        let AgreeDeclaration { value, items: list, file, signs, knows, .. } = &declared.value;
        let file = file.as_ref().filter(|path| machine.bytes(path).is_some()).and_then(|path| machine.digest(path));
        let value = value.as_ref().map(|value| What::Value(&value.value));
        let list = list.as_ref().map(|list| What::Items(items(list).collect()));
        for what in [value, list, file.map(What::File)].into_iter().flatten() {
            let said = self.said.entry(what).or_default();
            let is_same = |last: &Entry<'_>| {
                std::ptr::eq(last.declared, declared) && last.machine + last.more + 1 == entry.machine
            };
            match said.last_mut().filter(|last| is_same(last)) {
                Some(last) => last.more += 1,
                None => said.push(entry),
            }
        }
        let Some(publics) = publics else { return };
        if let Some((path, bytes)) = signs.as_ref().and_then(|path| Some((path, machine.bytes(path)?))) {
            let half = publics.half(bytes).transpose();
            self.signing.extend(half.map(|half| (entry, path, half)));
        }
        let files = knows.iter().flat_map(|files| items(files));
        let read: Option<Vec<_>> = files.map(|file| machine.bytes(&file.parse().ok()?)).collect();
        // What is not in the bundle may know it.
        if let Some(read) = read.filter(|read| !read.is_empty()) {
            self.knowing.push((entry, read.into_iter().map(|bytes| publics.all(bytes)).collect()));
        }
    }

    fn judge(&self, nodes: &Nodes, findings: &mut Findings) {
        let kinds: [fn(&What<'_>) -> bool; 3] = [
            |what| matches!(what, What::Value(_)),
            |what| matches!(what, What::Items(_)),
            |what| matches!(what, What::File(_)),
        ];
        for is_of_kind in kinds {
            self.compare(is_of_kind, nodes, findings);
        }
        self.known(nodes, findings);
    }

    /// What most say counts as right; of as many, what comes first.
    fn compare(&self, is_of_kind: fn(&What<'_>) -> bool, nodes: &Nodes, findings: &mut Findings) {
        let said = || self.said.iter().filter(|(what, _)| is_of_kind(what));
        let first = |entries: &[Entry<'_>]| entries.first().map_or(0, |entry| entry.order);
        let count = |entries: &[Entry<'_>]| entries.iter().map(|entry| entry.more + 1).sum::<usize>();
        let right = said().max_by_key(|(_, entries)| (count(entries), Reverse(first(entries))));
        let Some((right, [of_right, ..])) = right.map(|(what, entries)| (what, entries.as_slice())) else { return };
        let mut wrong: BTreeMap<&Place, Vec<(&What<'_>, &Entry<'_>)>> = BTreeMap::new();
        for (what, entries) in said().filter(|(what, _)| *what != right) {
            entries.iter().for_each(|entry| wrong.entry(place(entry.declared)).or_default().push((what, entry)));
        }
        let Some((place, those)) = wrong.iter().find(|(place, _)| !findings.is_told(place)) else { return };
        let Some((what, entry)) = those.iter().min_by_key(|(_, entry)| entry.order) else { return };
        let says = format!(
            "{}: {} on {}, {} on {}",
            entry.declared.says,
            what.shown(file(entry.declared)),
            name(nodes, entry),
            right.shown(file(of_right.declared)).replacen("another ", "", 1),
            name(nodes, of_right)
        );
        let on = wrong.values().flatten().flat_map(|(_, entry)| names(nodes, entry)).collect();
        findings.note(finding(entry.declared, says, place, on));
    }

    /// That whatever one entry signs, all know.
    fn known(&self, nodes: &Nodes, findings: &mut Findings) {
        let mut signing = Vec::new();
        for (entry, path, half) in &self.signing {
            match half {
                Ok(key) => signing.push((entry, path, &key[..])),
                Err(_) if findings.is_told(&path.place) => {}
                Err(wrong) => {
                    let mut finding = Finding::of(&KEY_UNREADABLE, format!("{} {wrong}, and is to sign", path.value));
                    finding.place = Some(path.place.clone());
                    finding.on.insert(name(nodes, entry).to_owned());
                    findings.note(finding);
                }
            }
        }
        let all: BTreeSet<&[u8]> = signing.iter().map(|(_, _, key)| *key).collect();
        for (entry, keys) in &self.knowing {
            let is_strange = |key: &[u8]| !keys.iter().any(|keys| keys.contains(key));
            if keys.iter().all(|keys| keys.is_empty()) || !all.iter().any(|key| is_strange(key)) {
                continue;
            }
            let strange: Vec<_> = signing.iter().filter(|(_, _, key)| is_strange(key)).collect();
            let Some((signer, path, _)) = strange.first() else { continue };
            // One that knows nobody is wrong itself.
            let (place, on) = match strange.len() > 1 && strange.len() == signing.len() {
                true => (place(entry.declared), name(nodes, entry)),
                false => (&path.place, name(nodes, signer)),
            };
            if !findings.is_told(place) {
                let declared = entry.declared;
                let files: Vec<&str> = declared.knows.iter().flat_map(|files| items(files)).collect();
                let says = format!("{}: what {} signs is not known by {}", declared.says, path.value, files.join(", "));
                findings.note(finding(declared, says, place, [on.to_owned()].into()));
            }
            return;
        }
    }
}

fn name<'n>(nodes: &'n Nodes, entry: &Entry<'_>) -> &'n str {
    nodes.outline(entry.machine).map_or("", |node| &node.name)
}

/// Of all machines on which it is the same.
fn names(nodes: &Nodes, entry: &Entry<'_>) -> impl Iterator<Item = String> {
    let machines = entry.machine..=entry.machine + entry.more;
    machines.filter_map(|machine| nodes.outline(machine).ok().map(|node| node.name.clone()))
}

/// The public keys in files, by the SHA-256 of what is in them.
#[derive(Default)]
struct Publics {
    halves: BTreeMap<Digest, Half>,
    all: BTreeMap<Digest, Rc<Keys>>,
}

/// See [`public_half`].
type Half = Result<Option<Rc<[u8]>>, &'static str>;

impl Publics {
    /// That of a private one.
    fn half(&mut self, bytes: &[u8]) -> Half {
        let half = || public_half(bytes).map(|key| key.map(Rc::from));
        self.halves.entry(Digest::of(bytes)).or_insert_with(half).clone()
    }

    /// Those of certificates, of public keys, and of a private one.
    fn all(&mut self, bytes: &[u8]) -> Rc<Keys> {
        let find = || {
            let certificates = Certificate::find(bytes);
            let certified = certificates.iter().map(|certificate| certificate.public_key().to_vec());
            let keys = PublicKey::parse_all(bytes);
            let public = keys.iter().map(|key| key.der().to_vec());
            Rc::new(certified.chain(public).chain(public_half(bytes).ok().flatten()).collect())
        };
        self.all.entry(Digest::of(bytes)).or_insert_with(find).clone()
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

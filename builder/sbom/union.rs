//! [`Spdx`] and [`CycloneDx`]: the inventories of a release's parts, joined to that of the whole.
//!
//! What an inventory says of a component depends on the component alone, never on what else is there. So the whole has
//! what the parts have, each once, in the same order and with the same bytes; only the document's own name is made anew.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{to_text as text_of, uuid};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// Components by their names, as they are written.
type Components = BTreeMap<String, Box<RawValue>>;

/// An inventory of a release's part, or of several.
pub trait Union: Sized {
    /// What messages call it.
    const NAME: &'static str;

    /// Reads a document, without asking whether it is written as it would be written here.
    fn read(text: &str) -> serde_json::Result<Self>;

    /// Takes over what another one has; that it says something else of what both have: its name.
    fn add(&mut self, other: Self) -> std::result::Result<(), String>;

    /// The document's text.
    fn to_text(&self) -> Result<String>;

    /// Reads a document, and only as it is written here.
    ///
    /// # Errors
    /// Integrity: it is no such document.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::integrity(format!("{} {why}", Self::NAME));
        let text = std::str::from_utf8(bytes).map_err(|_| bad("is not UTF-8".into()))?;
        let read = Self::read(text).map_err(|error| bad(format!("cannot be read: {error}")))?;
        match read.to_text()? == text {
            true => Ok(read),
            false => Err(bad("is not written as mastermold writes it".into())),
        }
    }

    /// Takes over what the inventory of another part of the same release has.
    ///
    /// # Errors
    /// Integrity: the two say different things of the release or of a component.
    fn join(&mut self, other: Self) -> Result<()> {
        let differ = |what| Error::integrity(format!("{} says other things of {what} than another part's", Self::NAME));
        self.add(other).map_err(differ)
    }
}

/// Takes components over; the name of one that is another here.
fn add(to: &mut Components, from: Components) -> std::result::Result<(), String> {
    for (id, component) in from {
        match to.entry(id) {
            Entry::Vacant(free) => drop(free.insert(component)),
            Entry::Occupied(known) if known.get().get() == component.get() => {}
            Entry::Occupied(known) => return Err(known.key().clone()),
        }
    }
    Ok(())
}

/// Components by the name that `id` finds in them.
fn by_name<'a, T: Deserialize<'a>>(
    components: &'a [Box<RawValue>],
    id: impl Fn(T) -> String,
) -> serde_json::Result<Components> {
    components.iter().map(|raw| Ok((id(serde_json::from_str(raw.get())?), raw.clone()))).collect()
}

/// An inventory in the form of SPDX.
#[derive(Debug)]
pub struct Spdx {
    head: SpdxDocument<(), ()>,
    packages: Components,
    relationships: BTreeSet<Relationship>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpdxDocument<P, R> {
    #[serde(rename = "SPDXID")]
    id: String,
    spdx_version: String,
    data_license: String,
    name: String,
    document_namespace: String,
    creation_info: Box<RawValue>,
    packages: P,
    relationships: R,
}

impl<P, R> SpdxDocument<P, R> {
    /// With other contents, and without the document's own name.
    fn with<P2, R2>(&self, packages: P2, relationships: R2) -> SpdxDocument<P2, R2> {
        let SpdxDocument { id, spdx_version, data_license, name, creation_info, .. } = self;
        let (id, spdx_version) = (id.clone(), spdx_version.clone());
        let (data_license, name, creation_info) = (data_license.clone(), name.clone(), creation_info.clone());
        let document_namespace = String::new();
        SpdxDocument {
            id,
            spdx_version,
            data_license,
            name,
            document_namespace,
            creation_info,
            packages,
            relationships,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Relationship {
    spdx_element_id: String,
    relationship_type: String,
    related_spdx_element: String,
}

impl Relationship {
    /// What is described comes first; then all by component, by what is said of it, by the other component.
    fn rank(&self) -> (bool, &str, usize, &str) {
        let types = ["DESCRIBES", "CONTAINS", "DEPENDS_ON", "GENERATED_FROM"];
        let kind = types.iter().position(|kind| *kind == self.relationship_type).unwrap_or(types.len());
        (kind != 0, &self.spdx_element_id, kind, &self.related_spdx_element)
    }
}

impl Ord for Relationship {
    fn cmp(&self, other: &Relationship) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.relationship_type.cmp(&other.relationship_type))
    }
}

impl PartialOrd for Relationship {
    fn partial_cmp(&self, other: &Relationship) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Union for Spdx {
    const NAME: &'static str = "the SPDX inventory";

    fn read(text: &str) -> serde_json::Result<Spdx> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "SPDXID")]
            id: String,
        }
        let document: SpdxDocument<Vec<Box<RawValue>>, BTreeSet<Relationship>> = serde_json::from_str(text)?;
        let packages = by_name(&document.packages, |named: Named| named.id)?;
        Ok(Spdx { head: document.with((), ()), packages, relationships: document.relationships })
    }

    fn add(&mut self, other: Spdx) -> std::result::Result<(), String> {
        if text_of(&self.head).ok() != text_of(&other.head).ok() {
            return Err("the release".into());
        }
        self.relationships.extend(other.relationships);
        add(&mut self.packages, other.packages)
    }

    fn to_text(&self) -> Result<String> {
        let packages: Vec<&RawValue> = self.packages.values().map(Box::as_ref).collect();
        let mut document = self.head.with(packages, &self.relationships);
        document.document_namespace = uuid(&Digest::of(text_of(&document)?.as_bytes()));
        text_of(&document)
    }
}

/// An inventory in the form of CycloneDX.
#[derive(Debug)]
pub struct CycloneDx {
    head: CycloneDocument<(), ()>,
    components: Components,
    dependencies: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CycloneDocument<C, D> {
    bom_format: String,
    spec_version: String,
    serial_number: String,
    version: u32,
    metadata: Box<RawValue>,
    components: C,
    dependencies: D,
}

impl<C, D> CycloneDocument<C, D> {
    /// With other contents, and without the document's own name.
    fn with<C2, D2>(&self, components: C2, dependencies: D2) -> CycloneDocument<C2, D2> {
        let CycloneDocument { bom_format, spec_version, version, metadata, .. } = self;
        let (bom_format, spec_version) = (bom_format.clone(), spec_version.clone());
        let (serial_number, version, metadata) = (String::new(), *version, metadata.clone());
        CycloneDocument { bom_format, spec_version, serial_number, version, metadata, components, dependencies }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Dependency<I, S> {
    r#ref: I,
    depends_on: S,
}

impl Union for CycloneDx {
    const NAME: &'static str = "the CycloneDX inventory";

    fn read(text: &str) -> serde_json::Result<CycloneDx> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "bom-ref")]
            id: String,
        }
        type Read = CycloneDocument<Vec<Box<RawValue>>, Vec<Dependency<String, BTreeSet<String>>>>;
        let document: Read = serde_json::from_str(text)?;
        let components = by_name(&document.components, |named: Named| named.id)?;
        let head = document.with((), ());
        let dependencies = document.dependencies.into_iter().map(|one| (one.r#ref, one.depends_on)).collect();
        Ok(CycloneDx { head, components, dependencies })
    }

    fn add(&mut self, other: CycloneDx) -> std::result::Result<(), String> {
        if text_of(&self.head).ok() != text_of(&other.head).ok() {
            return Err("the release".into());
        }
        for (id, more) in other.dependencies {
            self.dependencies.entry(id).or_default().extend(more);
        }
        add(&mut self.components, other.components)
    }

    fn to_text(&self) -> Result<String> {
        let components: Vec<&RawValue> = self.components.values().map(Box::as_ref).collect();
        let dependencies = self.dependencies.iter().map(|(id, on)| Dependency { r#ref: id, depends_on: on });
        let mut document = self.head.with(components, dependencies.collect::<Vec<_>>());
        document.serial_number = uuid(&Digest::of(text_of(&document)?.as_bytes()));
        text_of(&document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;
    use crate::sbom::{Component, Id, Inventory, Kind, Relation};

    fn spdx(inventory: &Inventory) -> Result<String> {
        let mut text = Vec::new();
        crate::sbom::spdx(inventory, &mut text)?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn cyclonedx(inventory: &Inventory) -> Result<String> {
        let mut text = Vec::new();
        crate::sbom::cyclonedx(inventory, &mut text)?;
        Ok(String::from_utf8(text).unwrap())
    }

    /// The inventory of a release with these machines: each with a part that all have, and one of its own.
    fn inventory(machines: &[&str]) -> Inventory {
        let release = Component { version: Some("1.0".into()), ..Component::new(Kind::Release, "prod") };
        let mut inventory = Inventory::new(release, Epoch::from_seconds(0).unwrap(), ("mastermold", "0"));
        let root = inventory.root.clone();
        for machine in machines {
            let [id, shared, own] = [("machine", *machine), ("part", "shared"), ("part", *machine)]
                .map(|(kind, name)| Id::of(kind, &[name]));
            inventory.add(&id, Component::new(Kind::Machine, *machine));
            inventory
                .add(&shared, Component { license: Some("MIT".into()), ..Component::new(Kind::Program, "shared") });
            let facts = BTreeMap::from([("source", (*machine).to_owned())]);
            inventory.add(&own, Component { facts, ..Component::new(Kind::File, *machine) });
            inventory.relate(&root, Relation::Contains, &id);
            inventory.relate(&id, Relation::Contains, &shared);
            inventory.relate(&id, Relation::Contains, &own);
            inventory.relate(&shared, Relation::DependsOn, &own);
            inventory.relate(&root, Relation::MadeOf, &own);
        }
        inventory
    }

    fn joined<T: Union>(texts: &[String]) -> Result<String> {
        let mut read = texts.iter().map(|text| T::parse(text.as_bytes()));
        let mut all = read.next().unwrap()?;
        read.try_for_each(|other| all.join(other?))?;
        all.to_text()
    }

    #[test]
    fn parts_make_the_whole() {
        let whole = inventory(&["b", "a", "c"]);
        for parts in [&[&["b", "a", "c"][..]][..], &[&["c"], &["b"], &["a"]], &[&["a", "c"], &["b", "c"]]] {
            let of = |text: fn(&Inventory) -> Result<String>| -> Vec<String> {
                parts.iter().map(|part| text(&inventory(part)).unwrap()).collect()
            };
            assert_eq!(joined::<Spdx>(&of(spdx)).unwrap(), spdx(&whole).unwrap(), "{parts:?}");
            assert_eq!(joined::<CycloneDx>(&of(cyclonedx)).unwrap(), cyclonedx(&whole).unwrap(), "{parts:?}");
        }
    }

    #[test]
    fn only_our_own_texts_that_agree() {
        let [a, b] = [&["a"][..], &["b"]].map(inventory);
        let refused = |texts: &[String]| {
            let both = [joined::<Spdx>(texts), joined::<CycloneDx>(texts)];
            both.into_iter().all(|one| one.is_err_and(|error| error.class().code() == 3))
        };
        let mut other = inventory(&["b"]);
        other.add(&Id::of("part", &["shared"]), Component::new(Kind::Program, "shared"));
        let mut later = inventory(&["b"]);
        later.epoch = Epoch::from_seconds(1).unwrap();
        for other in [other, later] {
            for text in [spdx, cyclonedx] {
                assert!(refused(&[text(&a).unwrap(), text(&other).unwrap()]));
            }
        }
        for text in [spdx(&b).unwrap(), cyclonedx(&b).unwrap()] {
            for wrong in [
                text.replace("urn:uuid:", "urn:uuid:0"),
                text.replace("\"name\":\"b\"", "\"name\": \"b\""),
                text.replacen("{", "{\"extra\":1,", 1),
                text.trim().to_owned(),
                String::new(),
            ] {
                assert!(refused(&[wrong]));
            }
        }
    }
}

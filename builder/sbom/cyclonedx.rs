//! CycloneDX 1.6 as JSON (ECMA-424; the JSON schema of bom-1.6). Components are one list; how they belong together stands
//! in `dependencies`, for a part as for a library, since a part may be in several machines and has one place in a tree.

use std::io::Write;

use serde::Serialize;

use super::inventory::{Component, Id, Inventory, Kind, Relation};
use super::{Each, digest, uuid};
use crate::error::Result;

/// What comes before the names of properties that are ours.
const PROPERTY: &str = "mastermold";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, C, D> {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata<'a>,
    components: C,
    dependencies: D,
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: String,
    tools: Tools<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Entry<'a>>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: [Tool<'a>; 1],
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    id: &'a Id,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Expression<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property<'a>>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Expression<'a> {
    expression: &'a str,
}

#[derive(Serialize)]
struct Reference<'a> {
    r#type: &'static str,
    url: &'a str,
}

#[derive(Serialize)]
struct Property<'a> {
    name: String,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency<'a> {
    r#ref: &'a Id,
    depends_on: Vec<&'a Id>,
}

/// Writes the document of an inventory.
pub fn write(inventory: &Inventory, out: &mut dyn Write) -> Result<()> {
    let (name, version) = &inventory.tool;
    let others = || inventory.components.iter().filter(|(id, _)| **id != inventory.root);
    let root = inventory.components.get(&inventory.root);
    let mut document = Document {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: Metadata {
            timestamp: inventory.epoch.to_string(),
            tools: Tools { components: [Tool { r#type: "application", name, version }] },
            component: root.map(|component| entry(&inventory.root, component)),
        },
        components: Each(|| others().map(|(id, component)| entry(id, component))),
        dependencies: Each(|| inventory.components.keys().filter_map(|id| dependency(inventory, id))),
    };
    // Named by all that it says.
    document.serial_number = uuid(&digest(&document)?);
    super::write(&document, out)
}

fn entry<'a>(id: &'a Id, component: &'a Component) -> Entry<'a> {
    let Component { kind, name, version, sha256, url, purl, license, facts } = component;
    let property = |(name, value): (&&str, &'a String)| Property { name: format!("{PROPERTY}:{name}"), value };
    Entry {
        kind: type_of(*kind),
        id,
        name,
        version: version.as_deref(),
        hashes: sha256.iter().map(|digest| Hash { alg: "SHA-256", content: digest.to_string() }).collect(),
        licenses: license.iter().map(|expression| Expression { expression }).collect(),
        purl: purl.as_deref(),
        external_references: url.iter().map(|url| Reference { r#type: "distribution", url }).collect(),
        properties: facts.iter().map(property).collect(),
    }
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Release | Kind::Program => "application",
        Kind::Machine => "device",
        Kind::Archive | Kind::File | Kind::Overlay => "file",
        Kind::System => "operating-system",
        Kind::Image => "container",
        Kind::Package | Kind::Module => "library",
    }
}

fn dependency<'a>(inventory: &'a Inventory, id: &'a Id) -> Option<Dependency<'a>> {
    let relations = [Relation::Contains, Relation::DependsOn, Relation::MadeOf];
    let mut depends_on: Vec<&Id> = relations.iter().flat_map(|relation| inventory.related(id, *relation)).collect();
    depends_on.sort();
    depends_on.dedup();
    (!depends_on.is_empty()).then_some(Dependency { r#ref: id, depends_on })
}

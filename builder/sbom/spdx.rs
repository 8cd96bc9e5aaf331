//! SPDX 2.3 as JSON (the SPDX specification, version 2.3, and its JSON schema). Every component is a package whose files
//! are not listed: SPDX wants a SHA-1 of each file, and nothing here knows one.

use std::io::Write;

use serde::Serialize;

use super::inventory::{Component, Id, Inventory, Kind, Relation};
use super::{Each, digest, uuid};
use crate::digest::Digest;
use crate::error::Result;

const UNKNOWN: &str = "NOASSERTION";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<P, R> {
    #[serde(rename = "SPDXID")]
    id: &'static str,
    spdx_version: &'static str,
    data_license: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: P,
    relationships: R,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// Writes the document of an inventory.
pub fn write(inventory: &Inventory, out: &mut dyn Write) -> Result<()> {
    let mut document = Document {
        id: "SPDXRef-DOCUMENT",
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        name: inventory.root.to_string(),
        document_namespace: String::new(),
        creation_info: CreationInfo {
            created: inventory.epoch.to_string(),
            creators: vec![format!("Tool: {}-{}", inventory.tool.0, inventory.tool.1)],
        },
        packages: Each(|| inventory.components.iter().map(|(id, component)| package(id, component))),
        relationships: Each(|| relationships(inventory)),
    };
    // Named by all that it says.
    document.document_namespace = uuid(&digest(&document)?);
    super::write(&document, out)
}

fn reference(id: &Id) -> String {
    format!("SPDXRef-{id}")
}

fn package(id: &Id, component: &Component) -> Package {
    let Component { kind, name, version, sha256, url, purl, license, facts } = component;
    let checksum = |digest: &Digest| Checksum { algorithm: "SHA256", checksum_value: digest.to_string() };
    let external = |purl: &String| ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl.clone(),
    };
    let comment: Vec<String> = facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Package {
        id: reference(id),
        name: name.clone(),
        version_info: version.clone(),
        download_location: url.clone().filter(|url| has_known_host(url)).unwrap_or_else(|| UNKNOWN.into()),
        files_analyzed: false,
        checksums: sha256.iter().map(checksum).collect(),
        license_concluded: UNKNOWN,
        license_declared: license.clone().unwrap_or_else(|| UNKNOWN.into()),
        copyright_text: UNKNOWN,
        primary_package_purpose: purpose(*kind),
        external_refs: purl.iter().map(external).collect(),
        comment: (!comment.is_empty()).then(|| comment.join("\n")),
    }
}

/// Whether SPDX's own validators take it for where something is downloaded: the host is a name whose last label has two to
/// five letters (`url_pattern` of spdx-tools). A mirror at an address or below `.internal` is none to them; it stands in the
/// comment and in the package URL alone.
fn has_known_host(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    let fine =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let last = |label: &str| (2..=5).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_lowercase());
    host.split(['.', '-']).all(fine) && host.rsplit_once('.').is_some_and(|(_, label)| last(label))
}

fn purpose(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Machine => Some("DEVICE"),
        Kind::Archive => Some("ARCHIVE"),
        Kind::System => Some("OPERATING-SYSTEM"),
        Kind::Release | Kind::Program => Some("APPLICATION"),
        Kind::File => Some("FILE"),
        Kind::Image => Some("CONTAINER"),
        Kind::Module => Some("LIBRARY"),
        Kind::Overlay => Some("SOURCE"),
        // A package may be any of them.
        Kind::Package => None,
    }
}

fn relationships(inventory: &Inventory) -> impl Iterator<Item = Relationship> {
    let described = Relationship {
        spdx_element_id: "SPDXRef-DOCUMENT".into(),
        relationship_type: "DESCRIBES",
        related_spdx_element: reference(&inventory.root),
    };
    let name = |relation: Relation| match relation {
        Relation::Contains => "CONTAINS",
        Relation::DependsOn => "DEPENDS_ON",
        Relation::MadeOf => "GENERATED_FROM",
    };
    let others = inventory.relations.iter().map(move |(from, relation, to)| Relationship {
        spdx_element_id: reference(from),
        relationship_type: name(*relation),
        related_spdx_element: reference(to),
    });
    std::iter::once(described).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_location_is_one_that_validators_take() {
        for url in ["https://dl.k8s.io/v1/x", "http://my-mirror.example.com:8080/a?b", "https://a.io"] {
            assert!(has_known_host(url), "{url}");
        }
        for url in
            ["http://127.0.0.1:80/x", "https://mirror.corp.internal/x", "https://mirror/x", "https://a_b.io", "x", ""]
        {
            assert!(!has_known_host(url), "{url}");
        }
    }
}

//! What a release was made of and by what, in the form that others check: the SLSA provenance predicate, version 1
//! (slsa.dev/spec/v1.0/provenance), without a clock, a host and an invocation: the same inputs give the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::plan::Plan;
use crate::bundle::manifest::{FORMAT, to_text};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::profile::lock::{Locked, Wanted};
use crate::profile::{Lock, Profile};
use crate::sbom::purl;
use crate::store::Location;

/// How the parameters and what is written are to be understood: docs/reference/sbom.md.
const BUILD_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/build/v1");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: &'static str,
    external_parameters: External,
    internal_parameters: Internal,
    resolved_dependencies: Vec<Resource>,
}

/// What who builds decides.
#[derive(Serialize)]
struct External {
    cluster: String,
    version: String,
    epoch: String,
    profile: Sha256,
    nodes: Vec<String>,
}

/// What follows from the profile and from the program.
#[derive(Serialize)]
struct Internal {
    lock: Sha256,
    overlays: BTreeMap<String, Sha256>,
    format: u32,
}

/// A `DigestSet` of in-toto/attestation.
#[derive(Serialize)]
struct Sha256 {
    sha256: Digest,
}

/// A `ResourceDescriptor` of in-toto/attestation.
#[derive(Serialize)]
struct Resource {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    digest: Sha256,
}

#[derive(Serialize)]
struct RunDetails {
    builder: Builder,
}

#[derive(Serialize)]
struct Builder {
    id: &'static str,
    version: BTreeMap<&'static str, &'static str>,
}

/// The predicate of a release of these machines.
pub fn predicate(profile: &Profile, lock: &Lock, plan: &Plan, nodes: &[&str]) -> Result<Vec<u8>> {
    let cluster = &profile.declared.cluster;
    let external = External {
        cluster: cluster.name.value.clone(),
        version: cluster.version.value.to_string(),
        epoch: profile.epoch.to_string(),
        profile: Sha256 { sha256: profile.digest },
        nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
    };
    let digest = lock.digest.ok_or_else(|| Error::bug("a lock that was not read from a file"))?;
    let overlays = plan.overlays.iter();
    let overlays = overlays.map(|overlay| (overlay.name.clone(), Sha256 { sha256: overlay.digest })).collect();
    to_text(&Predicate {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE,
            external_parameters: external,
            internal_parameters: Internal { lock: Sha256 { sha256: digest }, overlays, format: FORMAT },
            resolved_dependencies: dependencies(lock, plan),
        },
        run_details: RunDetails {
            builder: Builder {
                id: env!("CARGO_PKG_REPOSITORY"),
                version: BTreeMap::from([(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))]),
            },
        },
    })
}

/// Everything that a lock pins and that is no part of something else in it.
fn dependencies(lock: &Lock, plan: &Plan) -> Vec<Resource> {
    let source = |(wanted, locked): (&Wanted, &Locked)| Resource {
        name: wanted.name.clone(),
        uri: plan.sources.get(wanted).and_then(|planned| uri(wanted, &planned.location, locked)),
        digest: Sha256 { sha256: locked.sha256 },
    };
    let file = |(path, sha256): (&String, &Digest)| Resource {
        name: last(path).to_owned(),
        uri: Some(file_uri(path)),
        digest: Sha256 { sha256: *sha256 },
    };
    let sources = lock.sources.iter().map(source);
    sources.chain(lock.imported.files.iter().map(file)).collect()
}

/// Where a source is from, in a form that everybody may see: no query, which may hold a token, and no path of a host. A
/// system that was made of packages is from no one place.
pub fn uri(wanted: &Wanted, location: &Location, locked: &Locked) -> Option<String> {
    match location {
        Location::Url(url) => {
            let plain = url.split(['?', '#']).next().unwrap_or_default();
            Some(if plain.starts_with("file:") { file_uri(&format!("/{plain}")) } else { plain.to_owned() })
        }
        Location::Path(_) => wanted.from.strip_prefix("path ").map(file_uri),
        Location::Deb { package, arch, .. } => {
            Some(purl::debian(package, locked.version.as_deref().unwrap_or_default(), arch, None))
        }
        Location::Debian { .. } => None,
    }
}

/// A file of the project by its path there (RFC 3986: a relative path behind `file:`); of one elsewhere only the name.
fn file_uri(path: &str) -> String {
    let shown = if path.starts_with(['/', '~']) { last(path) } else { path.trim_start_matches("./") };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("file:{}", shown.bytes().map(one).collect::<String>())
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_host_and_no_token_is_shown() {
        let locked = Locked {
            sha256: Digest::of(b"x"),
            size: 1,
            version: Some("1:2.3+x".into()),
            members: Vec::new(),
            images: Vec::new(),
            packages: Vec::new(),
        };
        let shown = |from: &str, location: &Location| {
            uri(&Wanted { name: "x".into(), from: from.into() }, location, &locked).unwrap()
        };
        let url = |url: &str| shown(&format!("url {url}"), &Location::Url(url.into()));
        assert_eq!(url("https://example.org/a/b?token=secret#c"), "https://example.org/a/b");
        assert_eq!(url("file:///home/me/private/b"), "file:b");
        let path = Location::Path("/home/me/project/vendor/a b".into());
        assert_eq!(shown("path ./vendor/a b", &path), "file:vendor/a%20b");
        let deb = Location::Deb { package: "g++".into(), version: None, arch: "amd64".into() };
        assert_eq!(shown("deb g++ amd64", &deb), "pkg:deb/debian/g%2B%2B@1:2.3%2Bx?arch=amd64");
        assert_eq!(file_uri("/root/ca.crt"), "file:ca.crt");
    }
}

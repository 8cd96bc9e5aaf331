//! [`described`]: what the parts say of how they were built and of what they are made, as the whole says it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::part::Opened;
use crate::bundle::manifest::to_text;
use crate::bundle::verify::each;
use crate::bundle::{CYCLONEDX, PROVENANCE, SPDX};
use crate::error::{Error, Result};
use crate::sbom::{CycloneDx, Spdx, Union};

/// What describes the whole, each with its path in `public/`; `nodes` are the names of all machines.
pub(super) fn described(parts: &[Opened], nodes: &[&str], jobs: usize) -> Result<Vec<(String, Vec<u8>)>> {
    let spdx = inventory::<Spdx>(parts, SPDX, jobs)?;
    let cyclonedx = inventory::<CycloneDx>(parts, CYCLONEDX, jobs)?;
    let provenance = provenance(parts, nodes)?;
    Ok(vec![(SPDX.into(), spdx), (CYCLONEDX.into(), cyclonedx), (PROVENANCE.into(), provenance)])
}

/// The inventory of all parts. Each thread joins some parts, so that it has what these have once, and no more.
fn inventory<T: Union + Send>(parts: &[Opened], file: &str, jobs: usize) -> Result<Vec<u8>> {
    let some: Vec<&[Opened]> = parts.chunks(parts.len().div_ceil(jobs.max(1)).max(1)).collect();
    let joined = each(jobs, &some, |some| {
        let mut all: Option<T> = None;
        for part in *some {
            let read = part.read(file).and_then(|bytes| T::parse(&bytes).map_err(|error| error.context(&part.name)))?;
            match &mut all {
                Some(all) => all.join(read).map_err(|error| error.context(&part.name))?,
                None => all = Some(read),
            }
        }
        all.ok_or_else(|| Error::bug("an inventory of no part"))
    })?;
    let mut joined = joined.into_iter();
    let mut all = joined.next().ok_or_else(|| Error::bug("no part"))??;
    joined.try_for_each(|more| all.join(more?))?;
    Ok(all.to_text()?.into_bytes())
}

/// A predicate of provenance: of all that is in it only the machines are of the part.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BuildDefinition {
    build_type: String,
    external_parameters: External,
    internal_parameters: Box<RawValue>,
    resolved_dependencies: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct External {
    cluster: String,
    version: String,
    epoch: String,
    profile: Box<RawValue>,
    nodes: Vec<String>,
}

/// The predicate of all parts, which say the same but for their machines.
fn provenance(parts: &[Opened], nodes: &[&str]) -> Result<Vec<u8>> {
    let mut first: Option<(Predicate, Vec<u8>)> = None;
    for part in parts {
        let own: Vec<_> = part.manifest.nodes.iter().map(|node| node.name.as_str()).collect();
        let read = part.read(PROVENANCE)?;
        let read = without_machines(&read, &own).map_err(|error| error.context(&part.name))?;
        let text = to_text(&read)?;
        if first.get_or_insert_with(|| (read, text.clone())).1 != text {
            let message = format!("{}: {PROVENANCE} says other things of the release than another part's", part.name);
            return Err(Error::integrity(message));
        }
    }
    let (mut predicate, _) = first.ok_or_else(|| Error::bug("no part"))?;
    predicate.build_definition.external_parameters.nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
    to_text(&predicate)
}

/// A part's predicate, which names its own machines, without them.
fn without_machines(bytes: &[u8], own: &[&str]) -> Result<Predicate> {
    let bad = |why: String| Error::integrity(format!("{PROVENANCE} {why}"));
    let read = serde_json::from_slice(bytes).map_err(|error| bad(format!("cannot be read: {error}")));
    let mut predicate: Predicate = read?;
    if to_text(&predicate)? != bytes {
        return Err(bad("is not written as mastermold writes it".into()));
    }
    match std::mem::take(&mut predicate.build_definition.external_parameters.nodes) == own {
        true => Ok(predicate),
        false => Err(bad("names other machines than the manifest".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_are_others() {
        let text = |nodes: &str| {
            format!(
                "{{\"buildDefinition\":{{\"buildType\":\"x\",\"externalParameters\":{{\"cluster\":\"c\",\"version\":\"1\",\
                 \"epoch\":\"e\",\"profile\":{{\"sha256\":\"0\"}},\"nodes\":[{nodes}]}},\"internalParameters\":{{\"a\":[1]}},\
                 \"resolvedDependencies\":[{{}}]}},\"runDetails\":{{\"builder\":{{}}}}}}\n"
            )
        };
        let part = text("\"b\"");
        let bare = without_machines(part.as_bytes(), &["b"]).unwrap();
        assert_eq!(String::from_utf8(to_text(&bare).unwrap()).unwrap(), text(""));
        let refused = |text: &str, own: &[&str]| {
            without_machines(text.as_bytes(), own).is_err_and(|error| error.class().code() == 3)
        };
        assert!(refused(&part, &["a"]) && refused(&part, &[]));
        assert!(refused(part.trim(), &["b"]) && refused("", &["b"]));
        assert!(refused(&part.replace("\"version\":", "\"more\":1,\"version\":"), &["b"]));
        assert!(refused(&part.replace("\"version\":", "\"version\": "), &["b"]));
    }
}

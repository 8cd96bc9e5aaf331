//! What two manifests of releases differ in.

use std::collections::{BTreeMap, BTreeSet};

use super::detail::Details;
use super::side::{Side, SideKind};
use crate::bundle::{Artifact, Manifest};

/// Identity, what they were made from, machines and archives. Nothing of what are no releases.
pub fn compare(before: &Side, after: &Side) -> Details {
    let mut details = Details::default();
    let (Some(a), Some(b)) = (&before.manifest, &after.manifest) else { return details };
    for (name, old, new) in identity(a, b) {
        if old != new {
            details.push(name, Some(&old), Some(&new));
        }
    }
    if before.kind == SideKind::Release {
        machines(a, b, &mut details);
        artifacts(a, b, &mut details);
    }
    details
}

fn identity(a: &Manifest, b: &Manifest) -> [(&'static str, String, String); 7] {
    [
        ("cluster", a.cluster.clone(), b.cluster.clone()),
        ("version", a.version.clone(), b.version.clone()),
        ("epoch", a.epoch.clone(), b.epoch.clone()),
        ("tool", a.tool.clone(), b.tool.clone()),
        ("profile", a.profile.to_string(), b.profile.to_string()),
        ("overlays", a.overlays.to_string(), b.overlays.to_string()),
        ("lock", a.lock.to_string(), b.lock.to_string()),
    ]
}

fn machines(a: &Manifest, b: &Manifest, details: &mut Details) {
    let names = |manifest: &Manifest| manifest.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    let (old, new) = (names(a), names(b));
    for name in old.iter().filter(|name| !new.contains(name)) {
        details.push(&format!("node {name}"), Some("there"), None);
    }
    for name in new.iter().filter(|name| !old.contains(name)) {
        details.push(&format!("node {name}"), None, Some("there"));
    }
}

fn artifacts(a: &Manifest, b: &Manifest, details: &mut Details) {
    let by_path = |manifest: &Manifest| -> BTreeMap<String, Artifact> {
        manifest.artifacts.iter().map(|artifact| (artifact.path.clone(), artifact.clone())).collect()
    };
    let (old, new) = (by_path(a), by_path(b));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (a, b) = (old.get(path), new.get(path));
        if a != b {
            let said = |artifact: &Artifact| format!("{} bytes, SHA-256 {}", artifact.size, artifact.sha256);
            details.push(&format!("archive {path}"), a.map(said).as_deref(), b.map(said).as_deref());
        }
    }
}

//! What a release says it is made of, of programs that are made here; real ones and validators of others are in
//! `tests/e2e/sbom`.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

#[path = "program/made.rs"]
mod made;
mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::Project;

const PROFILE: &str = r#"
overlays = ["tools"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
[[nodes]]
name = "b"
"#;
const TOOLS: &str = r#"
[sources.one]
path = "files/one"
license = "MIT OR Apache-2.0"
install = { path = "/usr/bin/one", mode = "0755" }
[sources.two]
path = "files/two"
install = { path = "/usr/bin/two" }
when = "node.name == 'b'"
[sources.image]
path = "files/three"
image = { name = "registry.example:5000/three:v3", binary = "/three" }
"#;

/// A project whose sources are programs of one module each, and a text.
fn project() -> Project {
    let project = Project::new(&[("profiles/p.toml", PROFILE), ("overlays/tools/overlay.toml", TOOLS)]);
    let form = made::Form { wide: true, big: false, inline: true, stripped: false };
    std::fs::create_dir_all(project.root().join("files")).unwrap();
    for (name, lines) in [
        ("one", "mod\texample.org/one\t(devel)\t\ndep\texample.org/X\tv1.0.0\th1:AA=\n"),
        ("three", "mod\texample.org/three\tv3.0.0\th1:BB=\ndep\texample.org/gone\tv1\n=>\t/home/me/gone\t(devel)\t\n"),
    ] {
        let bytes = form.program("go1.22.3 X:some", &made::framed(lines));
        std::fs::write(project.root().join("files").join(name), bytes).unwrap();
    }
    project.write("files/two", "a text\n");
    project.must(&["pki", "init", "profiles/p.toml", "--seed", "../seed"]);
    project.must(&["lock", "profiles/p.toml", "--seed", "../seed"]);
    project
}

/// A public file of a build.
fn built(project: &Project, words: &[&str], file: &str) -> (Value, String) {
    let build = ["build", "profiles/p.toml", "--seed", "../seed", "--force"];
    project.must(&[&build[..], words].concat());
    let text = std::fs::read_to_string(project.root().join("out/prod/1.0/public").join(file)).unwrap();
    (serde_json::from_str(&text).unwrap(), text)
}

/// `MACHINE > COMPONENT > COMPONENT`, each with its version, of every way through the CycloneDX graph from a machine.
fn ways(document: &Value) -> BTreeSet<String> {
    let name = |id: &Value| {
        let all = document["components"].as_array().unwrap();
        let one = all.iter().find(|one| one["bom-ref"] == *id).unwrap();
        let version = one["version"].as_str().map_or_else(String::new, |version| format!("@{version}"));
        format!("{}{version}", one["name"].as_str().unwrap())
    };
    let below = |id: &Value| {
        let all = document["dependencies"].as_array().unwrap();
        let found = all.iter().find(|one| one["ref"] == *id);
        found.map_or_else(Vec::new, |one| one["dependsOn"].as_array().unwrap().clone())
    };
    let machines = document["components"].as_array().unwrap().iter().filter(|one| one["type"] == "device");
    let mut open: Vec<(String, Value)> =
        machines.map(|one| (one["name"].as_str().unwrap().to_owned(), one["bom-ref"].clone())).collect();
    let mut found = BTreeSet::new();
    while let Some((way, id)) = open.pop() {
        let next = below(&id);
        if next.is_empty() {
            found.insert(way);
        } else {
            open.extend(next.into_iter().map(|id| (format!("{way} > {}", name(&id)), id)));
        }
    }
    found
}

#[test]
fn every_machine_has_its_programs_and_their_modules() {
    let project = project();
    let (all, text) = built(&project, &[], "sbom.cdx.json");
    let expected = |machine: &str| {
        [
            format!("{machine} > one > example.org/X@v1.0.0"),
            format!("{machine} > one > example.org/one"),
            format!("{machine} > one > stdlib@1.22.3"),
            format!("{machine} > registry.example:5000/three@v3 > image > example.org/gone"),
            format!("{machine} > registry.example:5000/three@v3 > image > example.org/three@v3.0.0"),
            format!("{machine} > registry.example:5000/three@v3 > image > stdlib@1.22.3"),
        ]
    };
    let mut both: BTreeSet<String> = [expected("a"), expected("b")].concat().into_iter().collect();
    both.insert("b > two".into());
    assert_eq!(ways(&all), both);
    assert!(text.contains(r#""licenses":[{"expression":"MIT OR Apache-2.0"}]"#), "{text}");
    assert!(text.contains(r#""purl":"pkg:golang/example.org/x@v1.0.0""#), "{text}");
    assert!(!text.contains("/home/me") && !text.contains(project.root().to_str().unwrap()), "{text}");
    let (some, _) = built(&project, &["--node", "a"], "sbom.cdx.json");
    assert_eq!(ways(&some), expected("a").into_iter().collect());
}

#[test]
fn the_two_inventories_are_the_same() {
    let project = project();
    let (spdx, _) = built(&project, &[], "sbom.spdx.json");
    let (cyclonedx, _) = built(&project, &[], "sbom.cdx.json");
    let names = |list: &Value, key: &str| -> BTreeSet<String> {
        let names = list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap());
        names.map(|name| name.trim_start_matches("SPDXRef-").to_owned()).collect()
    };
    let mut of_cyclonedx = names(&cyclonedx["components"], "bom-ref");
    of_cyclonedx.insert(cyclonedx["metadata"]["component"]["bom-ref"].as_str().unwrap().into());
    assert_eq!(names(&spdx["packages"], "SPDXID"), of_cyclonedx);
    assert_eq!(spdx["creationInfo"]["created"], "2026-01-01T00:00:00Z");
    assert_eq!(cyclonedx["metadata"]["timestamp"], "2026-01-01T00:00:00Z");
    assert_ne!(spdx["documentNamespace"], cyclonedx["serialNumber"]);
}

#[test]
fn the_provenance_names_what_went_in_and_nothing_of_the_host() {
    let project = project();
    let (all, text) = built(&project, &[], "provenance.json");
    let definition = &all["buildDefinition"];
    let resolved: Vec<_> = definition["resolvedDependencies"].as_array().unwrap().iter().collect();
    let named: Vec<_> =
        resolved.iter().map(|one| (one["name"].as_str().unwrap(), one["uri"].as_str().unwrap())).collect();
    assert_eq!(named, [("image", "file:files/three"), ("one", "file:files/one"), ("two", "file:files/two")]);
    let digest = mastermold::digest::Digest::of(b"a text\n").to_string();
    assert_eq!(resolved[2]["digest"]["sha256"], digest);
    assert_eq!(definition["externalParameters"]["nodes"], serde_json::json!(["a", "b"]));
    assert!(!text.contains(project.root().to_str().unwrap()), "{text}");
    let (one, _) = built(&project, &["--node", "b"], "provenance.json");
    assert_eq!(one["buildDefinition"]["externalParameters"]["nodes"], serde_json::json!(["b"]));
}

#[test]
fn a_license_is_one_that_others_know() {
    let project = project();
    project.write("overlays/tools/overlay.toml", &TOOLS.replace("MIT OR Apache-2.0", "Apache 2"));
    let said = project.fails(2, &["plan", "profiles/p.toml"]);
    assert!(said.starts_with("overlays/tools/overlay.toml:4:") && said.contains("`Apache 2` is no license"), "{said}");
}

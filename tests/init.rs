//! An installed program is complete: `init` starts a project, and overlays that the project does not have are those that
//! the program carries, pinned by the lock.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at the disk, and panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::Project;

const PROFILE: &str = r#"
overlays = ["sysctl", "modules", "hosts", "kubernetes-host"]
[cluster]
name = "prod"
version = "1"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
address = "10.0.0.1"
"#;

fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::new(files);
    for folder in ["overlays", "profiles"] {
        let _ = std::fs::remove_dir(project.root().join(folder));
    }
    project
}

/// Every file below a directory with its bytes.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    found.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

#[test]
fn a_new_project_has_a_profile_and_three_next_commands() {
    let project = project(&[]);
    project.must(&["init", "new"]);
    let root = project.root().join("new");
    assert_eq!(
        files(&root).keys().collect::<Vec<_>>(),
        [".gitignore", "README.md", "profiles/base/production.toml", "profiles/ha.toml"]
    );
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let block = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let verbs: Vec<_> =
        block.lines().map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(verbs, ["mastermold pki init", "mastermold lock profiles/ha.toml", "mastermold build profiles/ha.toml"]);
    let plan = project.must(&["plan", "new/profiles/ha.toml"]);
    assert!(plan.contains("/etc/hosts  [overlay hosts: overlays/hosts/root/etc/hosts.j2]"), "{plan}");
    // Once more changes nothing; an edited profile is never written over.
    assert!(project.must(&["init", "new", "--profile", "ha"]).starts_with("0 files"));
    project.write("new/profiles/ha.toml", "# mine\n");
    let text = project.fails(2, &["init", "new", "--profile", "ha", "--overlay", "hosts"]);
    assert!(text.contains("new/profiles/ha.toml is there, and it is another one"), "{text}");
    assert!(!root.join("overlays").exists(), "nothing is written beside a refusal");
}

#[test]
fn every_profile_that_is_carried_can_be_started_from() {
    let start = project(&[]);
    let listed: serde_json::Value = serde_json::from_str(&start.must(&["init", "--list", "--format", "json"])).unwrap();
    let names = |key: &str| -> Vec<String> {
        let items = listed[key].as_array().unwrap().iter();
        items
            .map(|item| {
                assert_ne!(item["summary"], "", "{item}");
                item["name"].as_str().unwrap().to_owned()
            })
            .collect()
    };
    assert!(names("profiles").contains(&"single".to_owned()) && names("overlays").contains(&"hosts".to_owned()));
    for name in names("profiles") {
        start.must(&["init", &format!("for/{name}"), "--profile", &name]);
        assert!(start.root().join(format!("for/{name}/profiles/{name}.toml")).exists());
    }
}

#[test]
fn what_it_does_not_carry_is_refused_with_the_nearest_name() {
    let project = project(&[]);
    let text = project.fails(2, &["init", "new", "--profile", "singel", "--overlay", "host"]);
    assert_eq!(
        text,
        "mastermold carries no profile `singel`; did you mean `single`?\nmastermold carries no overlay `host`; did you mean `hosts`?"
    );
    assert!(!project.root().join("new").exists());
}

#[test]
fn overlays_are_the_projects_first_and_then_the_programs() {
    let inside = project(&[("profiles/p.toml", PROFILE)]);
    inside.must(&["pki", "init", "profiles/p.toml"]);
    inside.must(&["lock", "profiles/p.toml"]);
    inside.must(&["build", "profiles/p.toml"]);
    let lock = std::fs::read_to_string(inside.root().join("profiles/p.lock")).unwrap();
    assert_eq!(lock.matches("[[overlays]]").count(), 4, "{lock}");

    // The same overlays in the project are the same machines, and no business of the lock.
    let own = project(&[("profiles/p.toml", PROFILE)]);
    own.must(&[
        "init",
        ".",
        "--overlay",
        "sysctl",
        "--overlay",
        "modules",
        "--overlay",
        "hosts",
        "--overlay",
        "kubernetes-host",
    ]);
    let seed = inside.beside("home/.local/share/mastermold/prod.seed");
    let seed = ["--seed", seed.to_str().unwrap()];
    own.must(&[&["lock", "profiles/p.toml"][..], &seed].concat());
    own.must(&[&["build", "profiles/p.toml"][..], &seed].concat());
    let lock = std::fs::read_to_string(own.root().join("profiles/p.lock")).unwrap();
    assert!(!lock.contains("[[overlays]]"), "{lock}");
    let release = |project: &Project| {
        let mut files = files(&project.root().join("out/prod/1"));
        // The release's manifest and its provenance have the lock's digest.
        let has_lock = |name: &str| ["public/manifest.json", "public/provenance.json"].contains(&name);
        files.retain(|name, _| !name.ends_with("SHA256SUMS") && !has_lock(name));
        files
    };
    assert_eq!(release(&inside), release(&own));

    // What is changed in the project counts.
    own.write("overlays/hosts/root/etc/hostname", "changed\n");
    std::fs::remove_file(own.root().join("overlays/hosts/root/etc/hostname.j2")).unwrap();
    own.must(&[&["build", "profiles/p.toml", "--force"][..], &seed].concat());
    assert_ne!(release(&inside), release(&own));
}

#[test]
fn a_lock_knows_the_overlays_of_the_program_that_it_was_made_with() {
    let project = project(&[("profiles/p.toml", PROFILE)]);
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    let lock = std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap();
    let digest = lock.split("name = \"hosts\"\nsha256 = \"").nth(1).unwrap()[..64].to_owned();
    let entry = format!("\n[[overlays]]\nname = \"hosts\"\nsha256 = \"{digest}\"\n");
    let cases = [
        (
            lock.replace(&digest, &digest.chars().rev().collect::<String>()),
            "overlay hosts inside this mastermold is another one",
        ),
        (lock.replace(&entry, ""), "overlay hosts, which is inside mastermold, is not in it"),
        (format!("{lock}{}", entry.replace("hosts", "gone")), "overlay gone is in it, and does not come from inside"),
    ];
    for (changed, says) in cases {
        assert_ne!(changed, lock);
        project.write("profiles/p.lock", &changed);
        let text = project.fails(2, &["build", "profiles/p.toml"]);
        assert!(text.contains(says) && text.contains("run `mastermold lock profiles/p.toml`"), "{text}");
        project.must(&["lock", "profiles/p.toml"]);
        assert_eq!(std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap(), lock);
    }
}

#[test]
fn a_fault_in_an_overlay_of_the_program_says_where_it_is() {
    let profile = PROFILE.replace("address = \"10.0.0.1\"", "");
    let profile = profile.replace("[[nodes]]", "[vars.hosts]\nextra = [{ address = \"10.0.0.9\" }]\n[[nodes]]");
    let text = project(&[("profiles/p.toml", &profile)]).fails(2, &["plan", "profiles/p.toml"]);
    assert!(text.contains("mastermold:overlays/hosts/root/etc/hosts.j2"), "{text}");
}

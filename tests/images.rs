//! Container images as sources, through the program itself: archives that are whole are taken, others are refused with
//! their class and what is wrong; what is made here is the same bytes wherever it is made.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test looks at the disk, and panics"
)]

mod support;

#[path = "images/archives.rs"]
mod archives;
#[path = "images/hostile.rs"]
mod hostile;
#[path = "images/made.rs"]
mod made;

use support::Project;

const HEAD: &str = r#"
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
address = "10.0.0.1"
roles = ["x"]
[[outputs]]
format = "tar"
layers = "merged"
"#;

/// A project with this profile, whose keys at the top level come first, and a seed.
fn project(top: &str, rest: &str) -> Project {
    let project = Project::new(&[("profiles/p.toml", &format!("{top}{HEAD}{rest}"))]);
    std::fs::create_dir(project.root().join("files")).unwrap();
    project.must(&["pki", "init", "profiles/p.toml", "--seed", "../seed"]);
    project
}

/// A project with the bytes of an archive as the source of an image.
fn with_archive(bytes: &[u8], image: &str) -> Project {
    let source = format!("[sources.thing]\npath = \"files/i.tar\"\nimage = {{ name = \"{image}\" }}\n");
    let project = project("overlays = []\n", &source);
    std::fs::write(project.root().join("files/i.tar"), bytes).unwrap();
    project
}

fn lock(project: &Project) -> Result<String, (i32, String)> {
    project.run(&["lock", "profiles/p.toml", "--seed", "../seed"])
}

/// What a build puts at a path on the node.
fn built(project: &Project, path: &str) -> Vec<u8> {
    project.must(&["build", "profiles/p.toml", "--seed", "../seed", "--force"]);
    let archive = std::fs::read(project.root().join("out/prod/1.0/public/a/rootfs.tar")).unwrap();
    let mut archive = tar::Archive::new(&archive[..]);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().to_str() == Some(path.trim_start_matches('/')) {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            return bytes;
        }
    }
    panic!("the release has no {path}");
}

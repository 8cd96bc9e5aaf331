//! What people write: profiles, overlays, and the plan that they make. They are read from a project on disk, as they
//! are by the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::from_utf8;

use mastermold::build::Plan;
use mastermold::document::Value;
use mastermold::error::Class;
use mastermold::overlay::Overlay;
use mastermold::profile::Profile;

use crate::scratch;

fn project(name: &str) -> PathBuf {
    let project = scratch::directory(name);
    fs::create_dir_all(project.join("overlays")).unwrap();
    project
}

fn usual(class: Class) -> bool {
    matches!(class, Class::Usage | Class::Integrity | Class::Policy)
}

/// A profile: it loads to the same, or is refused as one.
pub fn profile(data: &[u8]) {
    let project = project("profile");
    let file = project.join("profiles/p.toml");
    scratch::write(&file, data);
    if let Ok(text) = from_utf8(data) {
        let _ = Value::parse(text, "p.toml").map(|value| value.to_json());
    }
    match Profile::load(&file, None) {
        Err(error) => assert!(usual(error.class()) || error.class() == Class::Environment, "{error}"),
        Ok((profile, _)) => {
            let plain = |name: &str| {
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            };
            assert!(profile.nodes.iter().all(|node| plain(&node.name)) && plain(&profile.declared.cluster.name));
        }
    }
}

/// An overlay's declarations.
pub fn overlay(data: &[u8]) {
    let project = project("overlay");
    scratch::write(&project.join("overlays/o/overlay.toml"), data);
    match Overlay::load(&project, "o") {
        Err(error) => assert!(usual(error.class()), "{error}"),
        Ok(overlay) => assert_eq!(Overlay::load(&project, "o").unwrap().digest, overlay.digest),
    }
}

/// A whole project: `PATH LF CONTENTS` with NUL between the files; the profile is `profiles/p.toml`. What is planned
/// once is planned again.
pub fn plan(data: &[u8]) {
    let project = scratch::directory("plan");
    fs::remove_dir_all(&project).unwrap();
    fs::create_dir_all(project.join("overlays")).unwrap();
    for file in data.split(|byte| *byte == 0).take(16) {
        let at = file.iter().position(|byte| *byte == b'\n').unwrap_or(file.len());
        let Ok(path) = from_utf8(&file[..at]) else { continue };
        let safe = |part: &str| (1..64).contains(&part.len()) && !matches!(part, "." | "..");
        if !path.split('/').all(safe)
            || path.len() > 256
            || !(path.starts_with("profiles/") || path.starts_with("overlays/"))
        {
            continue;
        }
        let path = project.join(path);
        // A path through a file is no project that anybody can have.
        let _ = fs::create_dir_all(path.parent().unwrap_or(Path::new("/")));
        let _ = fs::write(&path, file.get(at + 1..).unwrap_or_default());
    }
    let load = || Profile::load(&project.join("profiles/p.toml"), None);
    if load().is_err() {
        return;
    }
    let planned = || load().and_then(|(profile, seen)| Plan::resolve(&profile, seen, None, None));
    match (planned(), planned()) {
        (Ok(first), Ok(second)) => {
            let all = |plan: &Plan| {
                plan.nodes.iter().map(|node| format!("{:?}", node.map(|node| node.tree))).collect::<Vec<_>>()
            };
            assert_eq!(all(&first), all(&second));
        }
        (Err(first), Err(second)) => {
            assert_eq!(first.to_string(), second.to_string());
            assert!(usual(first.class()) || first.class() == Class::Environment, "{first}");
        }
        _ => panic!("a plan that is there only sometimes"),
    }
}

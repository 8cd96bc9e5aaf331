//! The floors of the program: a file imports lower floors or its own folder, never upwards, and engines never each
//! other. And the program knows no distribution and no component: those are data.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at the disk, and panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every module and its floor.
const FLOORS: [(&str, u8); 31] = [
    ("bounded", 0),
    ("error", 0),
    ("digest", 0),
    ("epoch", 0),
    ("label", 0),
    ("version", 0),
    ("disk", 0),
    ("shipped", 0),
    ("process", 0),
    ("sandbox", 0),
    ("terminal", 0),
    ("document", 1),
    ("tree", 1),
    ("archive", 2),
    ("image", 2),
    ("overlay", 2),
    ("pki", 2),
    ("probe", 2),
    ("program", 2),
    ("sbom", 2),
    ("sign", 2),
    ("store", 2),
    ("profile", 3),
    ("bundle", 3),
    ("build", 5),
    ("boot", 4),
    ("diff", 4),
    ("check", 6),
    ("cli", 7),
    ("main", 7),
    ("lib", 7),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

fn program() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("builder");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let below = path.strip_prefix(&root).unwrap();
        let module = below.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        // What is behind `mod tests` is no part of the program.
        let program = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        // Neither are comments: documentation names what is above and gives examples.
        let program: String = program
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |all, line| all + line + "\n");
        (below.display().to_string(), module.to_owned(), program)
    };
    found.iter().map(read).collect()
}

/// The first names of what follows `crate::`: one, or those of a list, in which lists may stand.
fn first_names(rest: &str) -> Vec<&str> {
    let Some(list) = rest.strip_prefix('{') else {
        return vec![rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()];
    };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(list[start..at].trim().split("::").next().unwrap());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

#[test]
fn imports_go_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.into_iter().collect();
    let mut wrong = Vec::new();
    for (file, module, text) in program() {
        let floor = *floors.get(module.as_str()).unwrap_or_else(|| panic!("{file}: `{module}` has no floor"));
        // `crate::name` anywhere: in `use` lines, braces and full paths.
        for (at, _) in text.match_indices("crate::") {
            let rest = &text[at + "crate::".len()..];
            let names = first_names(rest);
            for name in names.into_iter().filter(|name| !name.is_empty() && *name != module) {
                let allowed = match floors.get(name) {
                    // The base may use the base: an error, a digest.
                    Some(other) => *other < floor || (floor == 0 && *other == 0),
                    None => panic!("{file}: `crate::{name}` has no floor"),
                };
                if !allowed {
                    wrong.push(format!("{file} (floor {floor}) uses crate::{name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_component_is_known_to_the_program() {
    let mut wrong = Vec::new();
    for (file, _, text) in program() {
        for line in text.lines() {
            for known in ["/etc/kubernetes", "kube-", "kubelet", "etcd", "containerd", "kubeadm"] {
                // The annotation that archives of images carry is a name of their format.
                if line.replace("io.containerd.image.name", "").contains(known) {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

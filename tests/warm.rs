//! A warm build: what was compressed before is not compressed again, and what comes out is what a cold build writes, byte
//! for byte, whatever changed and whatever happened to the cache and to the release that is in place.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "nothing fails here")]
mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use support::Project;

/// Every file below a directory, by its path.
fn walk(root: &Path) -> BTreeMap<String, PathBuf> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => drop(found.insert(path.strip_prefix(root).unwrap().display().to_string(), path)),
            }
        }
    }
    found
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    walk(root).into_iter().map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

const PROFILE: &str = r#"
overlays = ["base", "sysctl"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
address = "10.0.0.1"
[[nodes]]
name = "b"
address = "10.0.0.2"
[sysctl]
"vm.max_map_count" = "1"
[sources.large]
path = "files/large"
install = { path = "/usr/bin/large" }
[sources.middle]
path = "files/middle"
install = { path = "/usr/bin/middle" }
[[outputs]]
format = "cpio.zst"
[[outputs]]
format = "tar.zst"
layers = "merged"
[[outputs]]
format = "tar.gz"
layers = "merged"
secrets = "include"
"#;

const BASE: &str = "[[secrets]]\nname = \"token\"\nshape = \"base64\"\nscope = \"node\"\n[[files]]\npath = \"/etc/token\"\nsecret = true\n";

/// Text that is somewhat compressible, of so many bytes.
fn text(seed: u32, size: usize) -> String {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 27) as u8 % 26)
    };
    (0..size).map(|_| next()).collect()
}

fn project() -> Project {
    let project = Project::new(&[
        ("profiles/p.toml", PROFILE),
        ("overlays/base/overlay.toml", BASE),
        ("overlays/base/root/etc/token.j2", "{{ secrets.token }}\n"),
        ("overlays/base/root/etc/name.j2", "{{ node.name }}\n"),
        ("files/large", &text(1, 9_000_000)),
        ("files/middle", &text(2, 2_000_000)),
    ]);
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    project
}

fn build(project: &Project, out: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let out = project.beside(out);
    project.must(&[&["build", "profiles/p.toml", "--force", "-o", out.to_str().unwrap()], more].concat());
    files(&out.join("prod/1.0"))
}

/// With an empty cache and no release in place.
fn cold(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let out = project.beside("cold");
    let words = ["build", "profiles/p.toml", "-o", out.to_str().unwrap()];
    let built = project.command(&words).env("XDG_CACHE_HOME", project.beside("cold-cache")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let found = files(&out.join("prod/1.0"));
    std::fs::remove_dir_all(project.beside("cold")).unwrap();
    std::fs::remove_dir_all(project.beside("cold-cache")).unwrap();
    found
}

fn change(project: &Project, path: &str, from: &str, to: &str) {
    let path = project.root().join(path);
    let before = std::fs::read_to_string(&path).unwrap();
    assert!(before.contains(from), "{from}");
    std::fs::write(path, before.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_warm_build_writes_what_a_cold_one_does() {
    let project = project();
    let first = build(&project, "out", &[]);
    assert!(first == cold(&project), "the first build");
    assert!(build(&project, "out", &["-j", "1"]) == first && build(&project, "other", &["--memory", "80MiB"]) == first);
    let changes: [(&str, &dyn Fn()); 4] = [
        ("a sysctl", &|| change(&project, "profiles/p.toml", "\"1\"", "\"2\"")),
        ("a binary", &|| project.write("files/large", &text(3, 9_000_001))),
        ("a machine", &|| {
            let more = "[[nodes]]\nname = \"c\"\naddress = \"10.0.0.3\"\n[sysctl]";
            change(&project, "profiles/p.toml", "[sysctl]", more);
        }),
        ("a mode", &|| {
            let with_mode = "install = { path = \"/usr/bin/large\", mode = \"0750\" }";
            change(&project, "profiles/p.toml", "install = { path = \"/usr/bin/large\" }", with_mode);
        }),
    ];
    let mut before = first;
    for (what, change) in changes {
        change();
        project.must(&["lock", "profiles/p.toml", "--update"]);
        let warm = build(&project, "out", &[]);
        assert!(warm == cold(&project) && warm != before, "{what}");
        before = warm;
    }
}

#[test]
fn what_did_not_change_is_not_written() {
    let project = project();
    build(&project, "out", &[]);
    let release = project.beside("out/prod/1.0");
    let inodes = || -> BTreeMap<String, u64> {
        walk(&release).into_iter().map(|(name, path)| (name, std::fs::metadata(path).unwrap().ino())).collect()
    };
    let before = inodes();
    build(&project, "out", &[]);
    assert!(inodes() == before, "nothing changed");
    // Only a's own files, what names them, and what is private.
    change(&project, "profiles/p.toml", "address = \"10.0.0.1\"", "address = \"10.0.0.9\"");
    project.write("overlays/base/root/etc/address.j2", "{{ node.address }}\n");
    project.must(&["lock", "profiles/p.toml"]);
    build(&project, "out", &[]);
    let large: Vec<String> =
        before.iter().filter(|(name, inode)| inodes()[*name] == **inode).map(|(n, _)| n.clone()).collect();
    assert!(
        large.len() == 1 && large[0].starts_with("public/layers/common-") && large[0].ends_with(".cpio.zst"),
        "{large:?}"
    );
    let links = |name: &str| std::fs::metadata(release.join(name)).unwrap().nlink();
    assert!(walk(&release).keys().all(|name| links(name) == 1), "the release that was replaced is gone");
}

/// A secret is in no cache, not even as a part of what is compressed.
#[test]
fn nothing_private_is_kept() {
    let project = project();
    let release = build(&project, "out", &[]);
    assert!(release.keys().any(|name| name.starts_with("secrets/a/rootfs")));
    let kept = files(&project.beside("cache/mastermold/notes"));
    let names: Vec<&str> = kept.keys().filter_map(|name| name.split('/').next()).collect();
    for wanted in ["piece-zstd-9-3", "piece-gzip-6-3", "sum-zstd-3", "archive-cpio.zst-9-3", "archive-tar.zst-9-3"] {
        assert!(names.contains(&wanted), "{wanted}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with("archive-tar.gz")), "of an archive with secrets: {names:?}");
    // Of the archive with secrets only the two large files are: 4 MiB is what makes one.
    assert_eq!(names.iter().filter(|name| **name == "piece-gzip-6-3").count(), 1);
    assert_eq!(names.iter().filter(|name| **name == "sum-gzip-3").count(), 1);
}

/// `verify --rebuild` asks whether a release is what its profile makes: what this cache says of it is no answer.
#[test]
fn a_rebuild_does_not_believe_the_cache() {
    let project = project();
    build(&project, "out", &[]);
    let (key, release) = (project.beside("sign.key"), project.beside("out/prod/1.0"));
    let (key, release) = (key.to_str().unwrap(), release.to_str().unwrap());
    project.must(&["key", "new", key]);
    project.must(&["sign", release, "--key", key]);
    let notes = walk(&project.beside("cache/mastermold/notes/piece-zstd-9-3"));
    let [first, second, ..] = &notes.values().collect::<Vec<_>>()[..] else { panic!("{notes:?}") };
    let (one, two) = (std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    std::fs::write(first, two).unwrap();
    std::fs::write(second, one).unwrap();
    let public = key.replace("sign.key", "sign.pub");
    let verify = ["verify", release, "--key", &public, "--at", "2026-01-01T00:00:00Z", "--rebuild", "profiles/p.toml"];
    project.must(&verify);
}

#[test]
fn damage_is_mended_and_never_passed_on() {
    let project = project();
    let first = build(&project, "out", &[]);
    // The release in place.
    for name in first.keys().filter(|name| name.ends_with(".zst")) {
        let path = project.beside("out/prod/1.0").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(build(&project, "out", &[]) == first, "the release in place was damaged");
    // What is kept: each file of the cache in turn, sources left out.
    let sources = [std::fs::read(project.root().join("files/large")).unwrap()];
    let cache = project.beside("cache/mastermold");
    let mut damaged = 0;
    for part in ["blobs", "pieces", "notes"] {
        for path in walk(&cache.join(part)).into_values() {
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.is_empty() || sources.contains(&bytes) || bytes.len() == 2_000_000 {
                continue;
            }
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 8, "{damaged}");
    assert!(build(&project, "new", &[]) == first, "what was kept was damaged");
    assert!(build(&project, "newer", &[]) == first, "and mended");
}

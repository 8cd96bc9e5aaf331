//! A release that is assembled of parts: the same as one that was built at once, whatever the parts are; and what is refused
//! before anything is written.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

#[path = "base/made.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod made;
#[path = "program/made.rs"]
mod program;
mod support;

#[path = "assemble/refused.rs"]
mod refused;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use made::{Member, tar};
use support::Project;

/// Two groups of two machines, each with a common layer; every kind of output; a base system, with a guard.
const PROFILE: &str = r#"
overlays = ["guard", "pki", "base", "tools", "leader"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[boot]
url = "http://10.0.0.9/prod/"
imgverify = true
[base]
rootfs = { path = "files/rootfs.tar" }
cmdline = "quiet"
[[nodes]]
name = "z"
address = "10.0.0.1"
mac = "52:54:00:00:00:01"
roles = ["x"]
[[nodes]]
name = "b"
address = "10.0.0.2"
mac = "52:54:00:00:00:02"
roles = ["leader"]
[[nodes]]
name = "c"
address = "10.0.0.3"
roles = ["x"]
[[nodes]]
name = "a"
address = "10.0.0.4"
roles = ["leader"]
[[outputs]]
format = "cpio.zst"
[[outputs]]
format = "tar"
[[outputs]]
format = "tar.gz"
layers = "merged"
[[outputs]]
format = "tar.zst"
layers = "merged"
secrets = "include"
"#;

const PKI: &str = r#"
[[authorities]]
name = "ca"
subject = { cn = "ca" }
cert = ["/etc/pki/ca.crt"]
[[certificates]]
name = "server"
authority = "ca"
subject = { cn = "{{ node.name }}" }
usages = ["server-auth"]
dns = ["{{ node.name }}"]
cert = "/etc/pki/server.crt"
key = "/etc/pki/server.key"
[[kubeconfigs]]
name = "admin"
admin = "admin.conf"
authority = "ca"
server = "https://10.0.0.1:6443"
subject = { cn = "admin", o = ["masters"] }
"#;

const TOOLS: &str = r#"
[sources.one]
path = "files/one"
license = "MIT"
install = { path = "/usr/bin/one", mode = "0755" }
[sources.two]
path = "files/two"
install = { path = "/usr/bin/two", mode = "0755" }
when = "node.name == 'a' or node.name == 'z'"
"#;

/// In the order of the profile.
const NODES: [&str; 4] = ["z", "b", "c", "a"];
const BUILD: [&str; 4] = ["build", "profiles/p.toml", "--seed", "../seed"];

fn project() -> Project {
    let project = Project::new(&[
        ("profiles/p.toml", PROFILE),
        (
            "overlays/guard/overlay.toml",
            "summary = \"x\"\nguard = true\n[[files]]\npath = \"/init\"\nmode = \"0755\"\n",
        ),
        ("overlays/guard/root/init", "#!/bin/sh\n"),
        ("overlays/pki/overlay.toml", PKI),
        ("overlays/base/root/etc/same", "same\n"),
        ("overlays/base/overlay.toml", "summary = \"x\"\n"),
        ("overlays/base/root/etc/name.j2", "{{ node.name }}\n"),
        ("overlays/tools/overlay.toml", TOOLS),
        ("overlays/leader/overlay.toml", "when = \"'leader' in node.roles\"\n"),
        ("overlays/leader/root/etc/leader", "yes\n"),
    ]);
    let files = project.root().join("files");
    std::fs::create_dir(&files).unwrap();
    let system = [
        ("bin", Member::symlink("usr/bin")),
        ("boot", Member::directory(0o755)),
        ("boot/vmlinuz-6", Member::file("a kernel")),
        ("etc", Member::directory(0o755)),
        ("usr", Member::directory(0o755)),
        ("usr/bin", Member::directory(0o755)),
        ("usr/bin/sh", Member { mode: 0o755, ..Member::file("#!sh") }),
    ];
    std::fs::write(files.join("rootfs.tar"), tar(&system)).unwrap();
    let form = program::Form { wide: true, big: false, inline: true, stripped: false };
    for (name, module) in [("one", "x"), ("two", "y")] {
        let lines = format!("mod\texample.org/{name}\tv1.0.0\th1:AA=\ndep\texample.org/{module}\tv1.0.0\th1:BB=\n");
        let bytes = form.program("go1.22.3", &program::framed(&lines));
        std::fs::write(files.join(name), bytes).unwrap();
    }
    project.must(&["pki", "init", "profiles/p.toml", "--seed", "../seed"]);
    project.must(&["lock", "profiles/p.toml", "--seed", "../seed"]);
    project
}

/// Builds these machines; the release's directory from the project's root.
fn built(project: &Project, nodes: &[&str]) -> String {
    let out = format!("parts/{}", nodes.join("-"));
    let asked: Vec<&str> = nodes.iter().flat_map(|node| ["--node", node]).collect();
    project.must(&[&BUILD[..], &asked, &["-o", &out]].concat());
    format!("{out}/prod/1.0")
}

/// Everything below a directory: its mode, and the bytes of files.
fn tree(root: &Path) -> BTreeMap<String, (u32, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let bytes = path.is_file().then(|| std::fs::read(&path).unwrap());
        if bytes.is_none() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(name, (mode, bytes));
    }
    found
}

/// Asserts that two directories have the same files with the same modes and bytes.
fn same(project: &Project, one: &str, other: &str, what: &str) {
    let [one, other] = [one, other].map(|path| tree(&project.root().join(path)));
    let names = |tree: &BTreeMap<String, _>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other), "{what}");
    for (name, (mode, bytes)) in &one {
        assert_eq!((mode, bytes), (&other[name].0, &other[name].1), "{what}: {name}");
    }
}

/// All ways to part `0..count`, each a list of sets of bits.
fn partitions(count: u32) -> Vec<Vec<u32>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for partition in partitions(last) {
        for index in 0..=partition.len() {
            let mut more = partition.clone();
            match more.get_mut(index) {
                Some(set) => *set |= 1 << last,
                None => more.push(1 << last),
            }
            all.push(more);
        }
    }
    all
}

#[test]
fn any_parts_make_what_one_build_makes() {
    let project = project();
    project.must(&BUILD);
    let whole = "out/prod/1.0";
    let names = |set: u32| -> Vec<&str> { (0..4).filter(|bit| set >> bit & 1 == 1).map(|bit| NODES[bit]).collect() };
    let parts: Vec<String> = (1..16).map(|set| built(&project, &names(set))).collect();
    let part = |set: u32| parts[set as usize - 1].as_str();
    same(&project, whole, part(15), "a build of all machines by name");
    let all = partitions(4);
    assert_eq!(all.len(), 15);
    let overlapping = [vec![0b0111, 0b1110], vec![0b1111, 0b0100], vec![0b0011, 0b0110, 0b1100, 0b0110]];
    for (number, sets) in all.into_iter().chain(overlapping).enumerate() {
        let out = format!("assembled/{number}");
        let of: Vec<&str> = sets.iter().map(|set| part(*set)).collect();
        let said = project.must(&[&["assemble", "-o", &out][..], &of].concat());
        let expected = format!("assembled {out}/prod/1.0\n  4 machines, ");
        assert!(said.starts_with(&expected) && said.ends_with(&format!("from {} parts\n", of.len())), "{said}");
        same(&project, whole, &format!("{out}/prod/1.0"), &format!("{of:?}"));
        let turned: Vec<&str> = of.into_iter().rev().collect();
        let said = project.must(&[&["assemble", "-o", &out, "-j", "1"][..], &turned].concat());
        assert!(said.starts_with("unchanged "), "{said}");
    }
}

#[test]
fn a_part_is_a_release_that_says_so() {
    let project = project();
    let part = built(&project, &["c", "b"]);
    let manifest = std::fs::read_to_string(project.root().join(&part).join("public/manifest.json")).unwrap();
    assert!(manifest.contains(r#""part":{"of":4,"places":[1,2]},"nodes":[{"name":"b","#), "{manifest}");
    assert!(project.must(&["inspect", &part]).contains("a part: 2 of 4 machines\n"));
    project.must(&["key", "new", "sign.key"]);
    project.must(&["sign", &part, "--key", "sign.key"]);
    let verify = ["verify", &part, "--key", "sign.pub", "--at", "2026-01-02T00:00:00Z", "--node", "c"];
    assert!(project.must(&verify).contains("it is a part, with 2 of 4 machines\n"));
    project.must(&[&verify[..], &["--rebuild", "profiles/p.toml", "--seed", "../seed"]].concat());
    let json: serde_json::Value =
        serde_json::from_str(&project.must(&[&verify[..], &["--format", "json"]].concat())).unwrap();
    assert_eq!(json["part"], serde_json::json!({ "of": 4, "places": [1, 2] }));
    // Its signatures are not those of the whole.
    let rest = built(&project, &["z", "a"]);
    let said = project.must(&["assemble", &part, &rest]);
    assert!(said.contains("no signature of a part is one of the whole: `mastermold sign out/prod/1.0`"), "{said}");
    let unsigned = |path: &str| {
        std::fs::read_dir(project.root().join(path)).unwrap().all(|entry| {
            let name = entry.unwrap().file_name();
            name == "SHA256SUMS" || !name.to_str().unwrap().starts_with("SHA256SUMS")
        })
    };
    assert!(
        unsigned("out/prod/1.0/public") && unsigned("out/prod/1.0/secrets") && !unsigned(&format!("{part}/public"))
    );
    project.must(&["sign", "out/prod/1.0", "--key", "sign.key"]);
    let whole = ["verify", "out/prod/1.0", "--key", "sign.pub", "--at", "2026-01-02T00:00:00Z"];
    assert!(!project.must(&whole).contains("part"));
    project.must(&[&whole[..], &["--rebuild", "profiles/p.toml", "--seed", "../seed"]].concat());
    // Assembled once more it is the same, and keeps its signatures.
    assert!(project.must(&["assemble", &rest, &part]).starts_with("unchanged "));
    project.must(&whole);
    // A part does not take the place of the whole, nor the whole that of a part, but by force.
    assert!(project.fails(2, &[&BUILD[..], &["--node", "a"]].concat()).contains("exists with other contents"));
    project.must(&[&BUILD[..], &["--node", "a", "--force"]].concat());
    let said = project.fails(2, &["assemble", &part, &rest]);
    assert!(said.contains("out/prod/1.0 exists with other contents"), "{said}");
    assert!(project.must(&["assemble", "out/prod/1.0", &part, &rest, "--force"]).starts_with("replaced "));
}

/// Whatever carries files from machine to machine may lose their modes.
#[test]
fn modes_of_parts_do_not_matter() {
    let project = project();
    project.must(&BUILD);
    let parts = [built(&project, &["a", "b"]), built(&project, &["c", "z"])];
    let run = |program: &str, words: &[&str]| {
        assert!(Command::new(program).args(words).current_dir(project.root()).status().unwrap().success());
    };
    run("chmod", &["-R", "a+rwx", &parts[0]]);
    run("chmod", &["-R", "u+rwX,go=", &parts[1]]);
    let masked =
        format!("umask 0077 && {} assemble {} {} -o loose", env!("CARGO_BIN_EXE_mastermold"), parts[0], parts[1]);
    run("sh", &["-c", &masked]);
    same(&project, "out/prod/1.0", "loose/prod/1.0", "parts that everybody may read");
}

//! Base systems, through the program itself: what becomes of a root file system and of the initrds of others, what is laid
//! on them, and what is refused before a byte is written.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

mod support;

#[path = "base/made.rs"]
mod made;

use std::collections::BTreeMap;
use std::io::Read as _;

use made::{Member, cpio, tar};
use support::Project;

const PROFILE: &str = r#"
overlays = ["guard", "one"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
address = "10.0.0.1"
mac = "52:54:00:00:00:0a"
[[nodes]]
name = "b"
address = "10.0.0.2"
[[outputs]]
format = "tar"
layers = "merged"
[[outputs]]
format = "cpio"
"#;
const ROOTFS: &str = "[base]\nrootfs = { path = \"files/rootfs.tar\" }\ncmdline = \"quiet node={{ node.name }}\"\n";
const ONE: &str = "summary = \"x\"\n[[files]]\npath = \"/etc/tool/name\"\nuid = { expr = \"base.users.tool\" }\n\
                   gid = { expr = \"base.groups.tools\" }\n";

/// What a small system has.
fn system() -> Vec<(&'static str, Member)> {
    vec![
        ("bin", Member::symlink("usr/bin")),
        ("etc", Member::directory(0o755)),
        ("etc/group", Member::file("root:x:0:\ntools:x:8:\n")),
        ("etc/passwd", Member::file("root:x:0:0::/:/bin/sh\ntool:x:7:8::/:/bin/sh\n")),
        ("etc/tool", Member { uid: 7, gid: 8, ..Member::directory(0o750) }),
        ("lib", Member::symlink("usr/lib")),
        ("usr", Member::directory(0o755)),
        ("usr/bin", Member::directory(0o755)),
        ("usr/bin/sh", Member { mode: 0o4755, ..Member::file("#!sh") }),
        ("usr/bin/zsh", Member::hard_link("usr/bin/sh")),
        ("boot", Member::directory(0o755)),
        ("boot/vmlinuz-6", Member::file("a kernel")),
        ("dev", Member::directory(0o755)),
        ("dev/null", Member::device()),
        ("run", Member::directory(0o755)),
        ("run/pid", Member::file("1")),
        ("tmp", Member::directory(0o1777)),
    ]
}

/// A project whose base is an archive of these members, with a change of the profile.
fn project(system: &[(&str, Member)], base: &str) -> Project {
    let project = Project::new(&[
        ("profiles/p.toml", &format!("{PROFILE}{base}")),
        (
            "overlays/guard/overlay.toml",
            "summary = \"x\"\nguard = true\n[[files]]\npath = \"/init\"\nmode = \"0755\"\n",
        ),
        ("overlays/guard/root/init", "#!/bin/sh\n"),
        ("overlays/one/overlay.toml", ONE),
        ("overlays/one/root/etc/tool/name.j2", "{{ node.name }}\n"),
    ]);
    std::fs::create_dir(project.root().join("files")).unwrap();
    std::fs::write(project.root().join("files/rootfs.tar"), tar(system)).unwrap();
    std::fs::write(project.root().join("files/a.img"), cpio(system)).unwrap();
    std::fs::write(project.root().join("files/vmlinuz"), "another kernel").unwrap();
    project.must(&["pki", "init", "profiles/p.toml", "--seed", "../seed"]);
    project
}

fn lock(project: &Project) {
    project.must(&["lock", "profiles/p.toml", "--seed", "../seed"]);
}

const BUILD: [&str; 4] = ["build", "profiles/p.toml", "--seed", "../seed"];

fn manifest(project: &Project) -> serde_json::Value {
    let path = project.root().join("out/prod/1.0/public/manifest.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What people are called is not always UTF-8, and their numbers are known all the same.
#[test]
fn a_name_of_another_encoding_is_read_over() {
    let project = project(&system(), ROOTFS);
    let path = project.root().join("files/rootfs.tar");
    let mut tar = std::fs::read(&path).unwrap();
    let at = tar.windows(9).position(|bytes| bytes == b"0:0::/:/b").unwrap();
    tar[at + 1] = 0xe9;
    std::fs::write(&path, tar).unwrap();
    lock(&project);
    project.must(&BUILD);
}

/// The entries of an uncompressed archive of a release, as GNU cpio names them.
fn listed(project: &Project, path: &str) -> Vec<String> {
    let archive = std::fs::File::open(project.root().join("out/prod/1.0").join(path)).unwrap();
    let output =
        std::process::Command::new("cpio").args(["-itv", "--numeric-uid-gid", "--quiet"]).stdin(archive).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [&[words[0], words[2], words[3]][..], &words[8..]].concat().join(" ")
    };
    text.lines().map(line).collect()
}

fn built(base: &str) -> Project {
    let project = project(&system(), base);
    lock(&project);
    project.must(&BUILD);
    project
}

#[test]
fn a_root_file_system_becomes_an_initrd() {
    let project = built(ROOTFS);
    let manifest = manifest(&project);
    let boot = &manifest["nodes"][0]["boot"];
    let base = boot["initrds"][0].as_str().unwrap();
    assert_eq!(
        listed(&project, base),
        [
            "lrwxrwxrwx 0 0 bin -> usr/bin",
            "drwxr-xr-x 0 0 boot",
            "drwxr-xr-x 0 0 dev",
            "drwxr-xr-x 0 0 etc",
            "-rw-r--r-- 0 0 etc/group",
            "-rw-r--r-- 0 0 etc/passwd",
            "drwxr-x--- 7 8 etc/tool",
            "lrwxrwxrwx 0 0 lib -> usr/lib",
            "drwxr-xr-x 0 0 run",
            "drwxrwxrwt 0 0 tmp",
            "drwxr-xr-x 0 0 usr",
            "drwxr-xr-x 0 0 usr/bin",
            "-rwsr-xr-x 0 0 usr/bin/sh",
            "-rwsr-xr-x 0 0 usr/bin/zsh",
        ]
    );
    let read = |path: &str| std::fs::read(project.root().join("out/prod/1.0").join(path)).unwrap();
    assert_eq!(read(boot["kernel"].as_str().unwrap()), b"a kernel");
    assert_eq!(boot["mac"], "52:54:00:00:00:0a");
    let line = boot["cmdline"].as_str().unwrap();
    assert_eq!(read("public/a/boot/cmdline"), format!("{line}\n").into_bytes());
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[..4], ["quiet", "node=a", "init=/init", "mastermold.name=a"]);
    let paths: Vec<&str> = boot["initrds"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths[1..], ["public/a/guard.cpio", "public/a/node.cpio", "secrets/a/secrets.cpio"]);
    // By coreutils: the digest of each layer's list, as cpio takes it out.
    for (path, layer) in paths[1..].iter().zip(["guard", "node", "secrets"]) {
        let list = format!("usr/lib/mastermold/{layer}.sha256");
        let script = format!("cpio -i --quiet --to-stdout {list} <out/prod/1.0/{path} | sha256sum | cut -c-64");
        let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(project.root()).output();
        let digest = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(line.contains(&format!(" mastermold.{layer}={}", digest.trim())), "{layer}: {line}");
    }
    // Both machines start from the same files of the base.
    assert_eq!(manifest["nodes"][1]["boot"]["initrds"][0], base);
    assert!(manifest["nodes"][1]["boot"]["mac"].is_null());
}

#[test]
fn layers_lie_on_the_base_as_it_is() {
    let project = built(ROOTFS);
    let node = listed(&project, "public/a/node.cpio");
    // The base's directory keeps its owner and mode; names of its users are their numbers.
    assert!(node.contains(&"drwxr-x--- 7 8 etc/tool".to_owned()), "{node:?}");
    assert!(node.contains(&"-rw-r--r-- 7 8 etc/tool/name".to_owned()), "{node:?}");
    // What is put below /lib goes where the base's link leads, and no directory takes the link's place.
    assert!(!node.iter().any(|line| line.ends_with(" lib")), "{node:?}");
    let plan = project.must(&["plan", "profiles/p.toml", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["nodes"][0]["base"], "known");
    let name = plan["nodes"][0]["files"].as_array().unwrap().iter().find(|file| file["path"] == "/etc/tool/name");
    assert_eq!((&name.unwrap()["uid"], &name.unwrap()["gid"]), (&7.into(), &8.into()));
}

/// Before it is locked a base is not known, and a plan can be made all the same.
#[test]
fn a_base_that_is_not_known() {
    let project = project(&system(), ROOTFS);
    let plan = project.must(&["plan", "profiles/p.toml"]);
    assert!(plan.contains("base: not locked or not in the store"), "{plan}");
    assert!(project.fails(2, &BUILD).contains("mastermold lock"));
}

/// The guard is the first archive for a kernel, and in a tar archive with the rest; `verify` knows both.
#[test]
fn the_guard_comes_first() {
    let merged = "[[outputs]]\nformat = \"cpio.gz\"\nlayers = \"merged\"\nsecrets = \"include\"\n\
                  [boot]\noutput = \"cpio.gz\"\n";
    let project = built(&format!("{merged}{ROOTFS}"));
    let boot = &manifest(&project)["nodes"][0]["boot"]["initrds"];
    let paths: Vec<&str> = boot.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert!(paths[0].starts_with("public/boot/base-") && paths[0].ends_with(".cpio.gz"), "{paths:?}");
    assert_eq!(paths[1..], ["public/a/guard.cpio.gz", "secrets/a/rootfs.cpio.gz"]);
    let tar = std::fs::read(project.root().join("out/prod/1.0/public/a/rootfs.tar")).unwrap();
    let mut tar = ::tar::Archive::new(&tar[..]);
    let names: Vec<_> =
        tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert!(names.contains(&"init".to_owned()) && names.iter().any(|name| name.ends_with("guard.sha256")), "{names:?}");
    let key = project.beside("key");
    project.must(&["key", "new", key.to_str().unwrap()]);
    project.must(&["sign", "out/prod/1.0", "--key", key.to_str().unwrap()]);
    let public = format!("{}.pub", key.display());
    project.must(&["verify", "out/prod/1.0", "--key", &public]);
}

/// The initrds of others stay as they are, byte for byte, but for what pads them; what they hold is known.
#[test]
fn initrds_of_others() {
    let base = "[base]\nkernel = { path = \"files/vmlinuz\" }\n\
                initrd = [{ path = \"files/a.img\" }, { path = \"files/odd.img\" }]\n";
    let project = project(&system(), base);
    let odd = [made::gzip(&cpio(&[("etc/odd", Member::file("x"))])), vec![]].concat();
    let odd = if odd.len() % 4 == 0 { [odd, vec![0]].concat() } else { odd };
    std::fs::write(project.root().join("files/odd.img"), &odd).unwrap();
    lock(&project);
    project.must(&BUILD);
    let boot = &manifest(&project)["nodes"][0]["boot"];
    let read = |path: &serde_json::Value| {
        std::fs::read(project.root().join("out/prod/1.0").join(path.as_str().unwrap())).unwrap()
    };
    assert_eq!(read(&boot["initrds"][0]), cpio(&system()));
    let padded = read(&boot["initrds"][1]);
    assert_eq!((&padded[..odd.len()], padded.len() % 4), (&odd[..], 0));
    assert!(padded[odd.len()..].iter().all(|byte| *byte == 0) && padded.len() < odd.len() + 4);
    assert_eq!(read(&boot["kernel"]), b"another kernel");
    let node = listed(&project, "public/a/node.cpio");
    assert!(node.contains(&"-rw-r--r-- 7 8 etc/tool/name".to_owned()), "{node:?}");
}

/// What a kernel would drop or destroy without a word is refused with its line, whatever the base is made of.
#[test]
fn what_cannot_be_laid_on_a_base() {
    let initrd = "[base]\nkernel = { path = \"files/vmlinuz\" }\ninitrd = [{ path = \"files/a.img\" }]\n";
    let cases: BTreeMap<&str, &str> = BTreeMap::from([
        ("[[directories]]\npath = \"/etc/passwd\"\n", "/etc/passwd"),
        ("[[symlinks]]\npath = \"/usr/bin\"\ntarget = \"x\"\n", "/usr/bin"),
        ("[[symlinks]]\npath = \"/etc/passwd/x\"\ntarget = \"x\"\n", "/etc/passwd"),
        ("[[symlinks]]\npath = \"/odd/x\"\ntarget = \"x\"\n", "a symlink to usr in the base"),
    ]);
    for base in [ROOTFS, initrd] {
        for (declared, words) in &cases {
            let mut system = system();
            system.push(("odd", Member::symlink("usr")));
            let project = project(&system, base);
            project.write("overlays/one/overlay.toml", &format!("{ONE}{declared}"));
            lock(&project);
            let said = project.fails(8, &BUILD);
            assert!(said.contains(words) && said.contains("overlays/one/overlay.toml:"), "{declared}: {said}");
            assert!(!project.root().join("out/prod").exists(), "{declared}");
        }
    }
}

#[test]
fn what_a_base_must_have() {
    let mut without: Vec<_> = system();
    without.retain(|(path, _)| !path.starts_with("boot"));
    let mut two = system();
    two.push(("boot/vmlinuz-7", Member::file("one more")));
    let cases = [
        (system(), "[base]\ncmdline = \"x\"\n".to_owned(), "exactly one of"),
        (system(), ROOTFS.replace("rootfs =", "initrd = [{ path = \"files/a.img\" }]\nrootfs ="), "exactly one of"),
        (system(), "[base]\ninitrd = [{ path = \"files/a.img\" }]\n".to_owned(), "has no `kernel`"),
        (without, ROOTFS.to_owned(), "no kernel"),
        (two, ROOTFS.to_owned(), "/boot/vmlinuz-6, /boot/vmlinuz-7"),
        (system(), format!("{ROOTFS}[boot]\noutput = \"cpio.gz\"\n"), "none of the [[outputs]]"),
        (system(), format!("{ROOTFS}[boot]\nmemory = \"64MiB\"\n"), "needs 12"),
        (system(), "[boot]\noutput = \"cpio\"\n".to_owned(), "machines that have a [base]"),
        (system(), ROOTFS.replace("quiet", &"x".repeat(2000)), "2047"),
        (system(), ROOTFS.replace("rootfs =", "rootsf ="), "did you mean"),
    ];
    for (system, base, words) in cases {
        let project = project(&system, &base);
        let _ = project.run(&["lock", "profiles/p.toml", "--seed", "../seed"]);
        let (_, said) = project.run(&BUILD).unwrap_err();
        assert!(said.contains(words), "{base}: {said}");
        assert!(!project.root().join("out/prod/1.0").exists(), "{base}");
    }
    let project = project(&system(), ROOTFS);
    project.write("overlays/guard/overlay.toml", "summary = \"x\"\n");
    std::fs::remove_file(project.root().join("overlays/guard/root/init")).unwrap();
    lock(&project);
    assert!(project.fails(2, &BUILD).contains("neither its base nor its layers have /init"));
}

/// A later profile's base replaces the system of an earlier one, and keeps what it does not say.
#[test]
fn a_base_is_laid_on_a_base() {
    let project = built(ROOTFS);
    let over =
        "extends = \"p.toml\"\n[base]\ninitrd = [{ path = \"files/a.img\" }]\nkernel = { path = \"files/vmlinuz\" }\n";
    project.write("profiles/q.toml", over);
    project.must(&["lock", "profiles/q.toml", "--seed", "../seed"]);
    project.must(&["build", "profiles/q.toml", "--seed", "../seed", "--force"]);
    let boot = &manifest(&project)["nodes"][0]["boot"];
    assert!(boot["initrds"][0].as_str().unwrap().starts_with("public/boot/initrd-"));
    assert!(boot["cmdline"].as_str().unwrap().starts_with("quiet node=a "));
}

/// A key in a root file system would be in a public layer; compression does not hide it.
#[test]
fn a_secret_in_a_root_file_system() {
    let key =
        concat!("-----BEGIN EC PRIVATE KEY-----\n", "MHcCAQEEIJdPWqwxGDNmFr0RtqZ6cRd0FEgRZhuRYXqX6VTxo0oAoGCCqGSM49\n");
    let mut system = system();
    system.push(("etc/host.key", Member { mode: 0o600, ..Member::file(key) }));
    let project = project(&system, ROOTFS);
    for bytes in [tar(&system), made::gzip(&tar(&system))] {
        std::fs::write(project.root().join("files/rootfs.tar"), bytes).unwrap();
        let said = project.fails(8, &["lock", "profiles/p.toml", "--seed", "../seed"]);
        assert!(said.contains("base.rootfs") && said.contains("private key"), "{said}");
    }
    let vouched = PROFILE.to_owned() + &ROOTFS.replace("tar\" }", "tar\", not-secret = \"a key of a test\" }");
    project.write("profiles/p.toml", &vouched);
    lock(&project);
}

/// Damaged archives and initrds are integrity, an unsafe name is policy; nothing of a release is left.
#[test]
fn damaged_bases() {
    let whole = tar(&system());
    let cut = whole[..whole.len() / 2].to_vec();
    let unsafe_name = tar(&[("../x", Member::file("x"))]);
    for (bytes, code) in [(cut, 3), (unsafe_name, 8), (b"no archive".to_vec(), 3)] {
        let project = project(&system(), ROOTFS);
        std::fs::write(project.root().join("files/rootfs.tar"), bytes).unwrap();
        let locked = project.run(&["lock", "profiles/p.toml", "--seed", "../seed"]);
        let (found, said) = locked.and_then(|_| project.run(&BUILD)).unwrap_err();
        assert_eq!(found, code, "{said}");
        assert!(!project.root().join("out/prod/1.0").exists());
    }
}

/// A release that starts another node's layers, or with other digests, is told by `verify`.
#[test]
fn a_manifest_that_starts_something_else() {
    let project = built(ROOTFS);
    let key = project.beside("key");
    project.must(&["key", "new", key.to_str().unwrap()]);
    let path = project.root().join("out/prod/1.0/public/manifest.json");
    let mut text = String::new();
    std::fs::File::open(&path).unwrap().read_to_string(&mut text).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let line = line["nodes"][0]["boot"]["cmdline"].as_str().unwrap();
    let digest = line.split("mastermold.node=").nth(1).unwrap()[..64].to_owned();
    let secret = line.split("mastermold.secrets=").nth(1).unwrap()[..64].to_owned();
    let other = "0".repeat(64);
    let changes = [
        (text.replace(&digest, &other), "node layer's list"),
        (text.replace(&secret, &other), "secrets layer's list"),
        (text.replace("initrds\":[\"public/boot", "initrds\":[\"public/b/node.cpio\",\"public/boot"), "another node"),
        (text.replace("\"kernel\":\"public/boot/vmlinuz-", "\"kernel\":\"public/boot/vmlinux-"), "which no list has"),
    ];
    for (changed, words) in changes {
        assert_ne!(changed, text, "{words}");
        std::fs::write(&path, &changed).unwrap();
        let script = "cd out/prod/1.0/public && find . -type f ! -name 'SHA256SUMS*' -printf '%P\\n' | LC_ALL=C sort \
                      | xargs sha256sum >SHA256SUMS";
        std::process::Command::new("sh").args(["-c", script]).current_dir(project.root()).status().unwrap();
        project.must(&["sign", "out/prod/1.0", "--key", key.to_str().unwrap()]);
        let (_, said) =
            project.run(&["verify", "out/prod/1.0", "--key", &format!("{}.pub", key.display())]).unwrap_err();
        assert!(said.contains(words), "{words}: {said}");
    }
}

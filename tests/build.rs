//! Building a small release with the program itself: the same bytes whatever is around it, what goes into which layer,
//! what happens when sources, lock or seed are not what they were, and where secrets are.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Project, finished};

/// Every file below a directory with its bytes.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => drop(
                    found.insert(path.strip_prefix(root).unwrap().display().to_string(), std::fs::read(&path).unwrap()),
                ),
            }
        }
    }
    found
}

const PROFILE: &str = r#"
overlays = ["pki", "base", "leader"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
address = "10.0.0.1"
roles = ["x"]
[[nodes]]
name = "b"
address = "10.0.0.2"
roles = ["x"]
[[nodes]]
name = "c"
address = "10.0.0.3"
roles = ["leader"]
[sources.tool]
path = "files/tool.tar"
members = { "*/bin/*" = "/usr/bin/" }
[[outputs]]
format = "cpio.zst"
[[outputs]]
format = "tar.gz"
layers = "merged"
[[outputs]]
format = "tar"
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
subject = { cn = "{{ node.name }}", o = ["one", "two"] }
usages = ["server-auth"]
dns = ["{{ node.name }}"]
ip = ["{{ node.address }}"]
cert = "/etc/pki/server.crt"
key = "/etc/pki/server.key"
[[keypairs]]
name = "tokens"
scope = "cluster"
private = "/etc/pki/tokens.key"
public = "/etc/pki/tokens.pub"
[[secrets]]
name = "encryption"
shape = "base64"
scope = "cluster"
[[kubeconfigs]]
name = "client"
path = "/etc/client.conf"
authority = "ca"
server = "https://{{ node.address }}:6443"
subject = { cn = "client" }
[[kubeconfigs]]
name = "admin"
admin = "admin.conf"
authority = "ca"
server = "https://10.0.0.1:6443"
subject = { cn = "admin", o = ["masters"] }
"#;

const BASE: &str = r#"
requires = ["pki"]
[[files]]
path = "/etc/encryption.yaml"
secret = true
[[directories]]
path = "/var/lib/x"
mode = "0700"
uid = 7
gid = 8
[[units]]
enable = ["x.service"]
"#;

fn project() -> Project {
    let project = Project::new(&[
        ("profiles/p.toml", PROFILE),
        ("overlays/pki/overlay.toml", PKI),
        ("overlays/base/overlay.toml", BASE),
        ("overlays/base/root/etc/encryption.yaml.j2", "secret: {{ secrets.encryption }}\n"),
        ("overlays/base/root/etc/same", "same\n"),
        ("overlays/base/root/etc/name.j2", "{{ node.name }}\n"),
        (
            "overlays/base/root/lib/systemd/system/x.service",
            "[Service]\nExecStart=/usr/bin/one\n[Install]\nWantedBy=multi-user.target\n",
        ),
        ("overlays/leader/overlay.toml", "when = \"'leader' in node.roles\"\n"),
        ("overlays/leader/root/etc/leader", "yes\n"),
        ("tool/v1/bin/one", "#!/bin/sh\necho one\n"),
        ("tool/v1/bin/two", "two\n"),
        ("tool/v1/share/doc", "not taken\n"),
    ]);
    let root = project.root();
    std::fs::set_permissions(root.join("tool/v1/bin/one"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(root.join("files")).unwrap();
    let tar = Command::new("tar").args(["-C", "tool", "-cf", "files/tool.tar", "v1"]).current_dir(&root).status();
    assert!(tar.unwrap().success());
    project
}

/// A project with seed and lock.
fn ready() -> Project {
    let project = project();
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    project
}

fn build(project: &Project, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let out = project.beside("out");
    let _ = std::fs::remove_dir_all(&out);
    project.must(&[&["build", "profiles/p.toml", "-o", out.to_str().unwrap()], more].concat());
    files(&out.join("prod/1.0"))
}

#[test]
fn the_same_bytes_whatever_is_around() {
    let project = ready();
    let first = build(&project, &[]);
    for jobs in ["1", "2", "64"] {
        assert!(build(&project, &["-j", jobs]) == first, "with -j {jobs}");
    }
    assert!(build(&project, &["--memory", "64MiB", "--offline"]) == first);
    // Another place, umask, zone, locale, time stamps, an empty cache, and a listing in another order.
    let other = self::project();
    for (path, bytes) in files(&project.root()) {
        let target = other.root().join(&path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(&target, bytes).unwrap();
    }
    std::fs::remove_dir_all(other.root().join("overlays/base/root/etc")).unwrap();
    std::fs::create_dir(other.root().join("overlays/base/root/etc")).unwrap();
    for file in ["same", "name.j2", "encryption.yaml.j2"] {
        std::fs::copy(
            project.root().join("overlays/base/root/etc").join(file),
            other.root().join("overlays/base/root/etc").join(file),
        )
        .unwrap();
        std::fs::set_permissions(
            other.root().join("overlays/base/root/etc").join(file),
            PermissionsExt::from_mode(0o600),
        )
        .unwrap();
    }
    let out = other.beside("out");
    let seed = project.beside("home/.local/share/mastermold/prod.seed");
    let words = ["build", "profiles/p.toml", "-o", out.to_str().unwrap(), "--seed", seed.to_str().unwrap()];
    let program = other.command(&words);
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    shell
        .current_dir(other.root())
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("XDG_CACHE_HOME", other.beside("elsewhere"));
    shell
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("RAYON_NUM_THREADS", "3")
        .env("PATH", "/usr/bin:/bin");
    finished(&shell.output().unwrap()).unwrap_or_else(|(code, text)| panic!("{code}: {text}"));
    assert!(files(&out.join("prod/1.0")) == first, "another place");
    for (path, mode) in
        [("public", 0o755), ("public/SHA256SUMS", 0o644), ("secrets", 0o700), ("secrets/a/secrets.cpio.zst", 0o600)]
    {
        let found = std::fs::metadata(out.join("prod/1.0").join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{path} under umask 077");
    }
}

#[test]
fn what_is_in_which_layer() {
    let project = ready();
    let release = build(&project, &[]);
    let names: Vec<&str> =
        release.keys().map(String::as_str).filter(|name| !name.starts_with("public/layers/")).collect();
    assert_eq!(
        names,
        [
            "public/SHA256SUMS",
            "public/a/manifest.json",
            "public/a/node.cpio.zst",
            "public/a/rootfs.tar.gz",
            "public/b/manifest.json",
            "public/b/node.cpio.zst",
            "public/b/rootfs.tar.gz",
            "public/c/manifest.json",
            "public/c/node.cpio.zst",
            "public/c/rootfs.tar.gz",
            "public/manifest.json",
            "public/provenance.json",
            "public/sbom.cdx.json",
            "public/sbom.spdx.json",
            "public/verify.sh",
            "secrets/SHA256SUMS",
            "secrets/a/rootfs.tar",
            "secrets/a/secrets.cpio.zst",
            "secrets/admin/admin.conf",
            "secrets/b/rootfs.tar",
            "secrets/b/secrets.cpio.zst",
            "secrets/c/rootfs.tar",
            "secrets/c/secrets.cpio.zst",
        ]
    );
}

#[test]
fn what_each_layer_holds() {
    let project = ready();
    let release = build(&project, &[]);
    let json = |name: &str| -> serde_json::Value { serde_json::from_slice(&release[name]).unwrap() };
    let paths = |manifest: &serde_json::Value, layer: &str| -> Vec<String> {
        let files = manifest["files"].as_array().unwrap().iter();
        let files = files.filter(|file| file["layer"] == layer && file["type"] != "directory");
        files.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    let common = json("public/a/manifest.json")["common"].as_str().unwrap().to_owned();
    let common = json(&format!("public/{common}"));
    assert_eq!(
        paths(&common, "common"),
        [
            "/etc/pki/ca.crt",
            "/etc/pki/tokens.pub",
            "/etc/same",
            "/etc/systemd/system/multi-user.target.wants/x.service",
            "/usr/bin/one",
            "/usr/bin/two",
            "/usr/lib/mastermold/common.entries",
            "/usr/lib/mastermold/common.sha256",
            "/usr/lib/systemd/system/x.service"
        ]
    );
    assert_eq!(
        paths(&json("public/a/manifest.json"), "node"),
        ["/etc/name", "/etc/pki/server.crt", "/usr/lib/mastermold/node.entries", "/usr/lib/mastermold/node.sha256"]
    );
    assert_eq!(
        paths(&json("public/a/manifest.json"), "secrets"),
        [
            "/etc/client.conf",
            "/etc/encryption.yaml",
            "/etc/pki/server.key",
            "/etc/pki/tokens.key",
            "/usr/lib/mastermold/secrets.entries",
            "/usr/lib/mastermold/secrets.salt",
            "/usr/lib/mastermold/secrets.sha256"
        ]
    );
    // A group of one has no common layer.
    assert!(json("public/c/manifest.json").get("common").is_none());
    assert!(paths(&json("public/c/manifest.json"), "node").contains(&"/etc/leader".to_owned()));
    let one = common["files"].as_array().unwrap().iter().find(|file| file["path"] == "/usr/bin/one").unwrap();
    let two = common["files"].as_array().unwrap().iter().find(|file| file["path"] == "/usr/bin/two").unwrap();
    assert_eq!((&one["mode"], &two["mode"]), (&"0755".into(), &"0644".into()));
}

/// What two groups have in common may be the same, and be asked for by others.
#[test]
fn groups_that_differ_in_who_asked_alone() {
    let mut profile = String::from("overlays = [\"one\", \"two\"]\n[cluster]\nname = \"prod\"\nversion = \"1.0\"\n");
    profile += "epoch = 2026-01-01T00:00:00Z\n";
    for (name, role) in [("a", "one"), ("b", "one"), ("c", "two"), ("d", "two")] {
        profile += &format!("[[nodes]]\nname = \"{name}\"\nroles = [\"{role}\"]\n");
    }
    let project = Project::new(&[
        ("profiles/p.toml", &profile),
        ("overlays/one/overlay.toml", "when = \"'one' in node.roles\"\n"),
        ("overlays/one/root/etc/same", "same\n"),
        ("overlays/two/overlay.toml", "when = \"'two' in node.roles\"\n"),
        ("overlays/two/root/etc/same", "same\n"),
    ]);
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    let release = build(&project, &[]);
    let manifest: serde_json::Value = serde_json::from_slice(&release["public/manifest.json"]).unwrap();
    let common = &manifest["nodes"][0]["artifacts"][0];
    assert!(common.as_str().unwrap().starts_with("public/layers/common-"), "{manifest}");
    for node in manifest["nodes"].as_array().unwrap() {
        assert_eq!(&node["artifacts"][0], common, "{node}");
    }
    let layer: serde_json::Value =
        serde_json::from_slice(&release[&common.as_str().unwrap().replace(".cpio.zst", ".json")]).unwrap();
    let same = layer["files"].as_array().unwrap().iter().find(|file| file["path"] == "/etc/same").unwrap();
    assert_eq!(same["origin"], "overlay one: overlays/one/root/etc/same");
}

#[test]
fn building_one_node_gives_what_building_all_gives() {
    let project = ready();
    let release = build(&project, &[]);
    let part = build(&project, &["--node", "b"]);
    for name in part.keys().filter(|name| name.contains("/b/") || name.contains("layers/")) {
        assert!(part[name] == release[name], "{name}");
    }
    assert!(!part.keys().any(|name| name.contains("/a/")));
}

#[test]
fn a_new_version_alone_changes_no_byte_of_a_common_layer() {
    let project = ready();
    let old = build(&project, &[]);
    project.write(
        "profiles/p.toml",
        &format!("# a comment that moves every line\n{}", PROFILE.replace("\"1.0\"", "\"1.1\"")),
    );
    project.must(&["build", "profiles/p.toml", "-o", project.beside("out").to_str().unwrap()]);
    let new = files(&project.beside("out/prod/1.1"));
    let layers = |release: &BTreeMap<String, Vec<u8>>| {
        let layers = release.iter().filter(|(name, _)| {
            name.contains("layers/") || name.contains("node.cpio") || name.contains("secrets.cpio")
        });
        layers.map(|(name, bytes)| (name.clone(), bytes.clone())).collect::<Vec<_>>()
    };
    assert!(layers(&old) == layers(&new));
}

#[test]
fn a_lock_is_needed_and_must_serve() {
    let project = project();
    project.must(&["pki", "init", "profiles/p.toml"]);
    let words = ["build", "profiles/p.toml"];
    assert_eq!(project.fails(2, &words), "there is no lock; run `mastermold lock profiles/p.toml`");
    assert!(!project.root().join("profiles/p.lock").exists());
    project.must(&["lock", "profiles/p.toml"]);
    assert!(project.must(&["lock", "profiles/p.toml"]).contains("unchanged"));
    let lock = std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap();
    for (from, to, reason) in [
        ("\"*/bin/*\"", "\"*/bin/o*\"", "source `tool` is locked with other members: `*/bin/o*` differs"),
        (
            "files/tool.tar",
            "files/../files/tool.tar",
            "source `tool` is locked from `path files/tool.tar`, the profile wants `path files/../files/tool.tar`",
        ),
        (
            "[sources.tool]",
            "[sources.more]\npath = \"tool/v1/share/doc\"\ninstall = { path = \"/doc\" }\n[sources.tool]",
            "source `more` is not in it",
        ),
        (
            "[sources.tool]\npath = \"files/tool.tar\"\nmembers = { \"*/bin/*\" = \"/usr/bin/\" }\n",
            "",
            "source `tool` is in it, and the profile has none",
        ),
    ] {
        project.write("profiles/p.toml", &PROFILE.replace(from, to));
        let error = project.fails(2, &words);
        assert_eq!(error, format!("the lock is stale: {reason}; run `mastermold lock profiles/p.toml`"));
        assert_eq!(
            std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap(),
            lock,
            "build never writes a lock"
        );
    }
    // Only what is stale is pinned anew.
    project.must(&["lock", "profiles/p.toml"]);
    assert!(!project.must(&["plan", "profiles/p.toml"]).contains("not locked"));
}

#[test]
fn bytes_that_are_not_what_is_locked() {
    let project = ready();
    let words = ["build", "profiles/p.toml"];
    // A file that changed, whether or not the store still has what was locked.
    project.must(&words);
    project.write("tool/v1/bin/one", "#!/bin/sh\necho other\n");
    Command::new("tar")
        .args(["-C", "tool", "-cf", "files/tool.tar", "v1"])
        .current_dir(project.root())
        .status()
        .unwrap();
    let error = project.fails(3, &words);
    assert!(error.contains("path files/tool.tar was changed; run `mastermold lock --update tool`"), "{error}");
    std::fs::remove_dir_all(project.beside("cache")).unwrap();
    let error = project.fails(3, &["build", "profiles/p.toml", "--force"]);
    assert!(error.contains("tool") && error.contains("pinned"), "{error}");
    project.must(&["lock", "profiles/p.toml"]);
    project.fails(3, &["fetch", "profiles/p.toml"]);
    assert!(project.fails(2, &["lock", "profiles/p.toml", "--update", "toll"]).contains("did you mean `tool`?"));
    project.must(&["lock", "profiles/p.toml", "--update", "tool"]);
    let error = project.fails(2, &words);
    assert!(error.contains("exists with other contents"), "{error}");
    project.must(&["build", "profiles/p.toml", "--force"]);
    // A damaged blob is never used, and fetch repairs it.
    let blobs = files(&project.beside("cache/mastermold/blobs"));
    let (name, _) = blobs.iter().find(|(_, bytes)| bytes.starts_with(b"#!/bin/sh")).unwrap();
    let path = project.beside("cache/mastermold/blobs").join(name);
    let damaged = std::fs::read(&path).unwrap().to_ascii_uppercase();
    let _ = std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600));
    std::fs::write(&path, damaged).unwrap();
    let before = files(&project.root().join("out"));
    let error = project.fails(3, &["build", "profiles/p.toml", "--force"]);
    assert!(error.contains("mastermold fetch"), "{error}");
    assert!(files(&project.root().join("out")) == before, "the release that was there stays");
    project.must(&["fetch", "profiles/p.toml"]);
    project.must(&["build", "profiles/p.toml"]);
}

#[test]
fn what_a_publisher_states_is_compared() {
    let project = ready();
    let right = project.must(&["lock", "profiles/p.toml", "--format", "json"]);
    assert!(right.contains("unchanged"), "{right}");
    let stated =
        |line: &str| PROFILE.replace("path = \"files/tool.tar\"", &format!("path = \"files/tool.tar\"\n{line}"));
    let sums = Command::new("sha256sum").arg("files/tool.tar").current_dir(project.root()).output().unwrap().stdout;
    let sums = String::from_utf8(sums).unwrap();
    let (hex, file) = (sums[..64].to_owned(), project.root().join("SUMS"));
    let url = format!("checksum-url = \"file://{}\"", file.display());
    std::fs::write(&file, sums.replace("files/", "")).unwrap();
    for (line, code) in [
        (format!("sha256 = \"{hex}\""), 0),
        (format!("sha256 = \"{}\"", "0".repeat(64)), 3),
        (url.clone(), 0),
        (url.replace("SUMS", "GONE"), 5),
    ] {
        project.write("profiles/p.toml", &stated(&line));
        let found = project
            .run(&["lock", "profiles/p.toml", "--update"])
            .map_or_else(|(code, text)| (code, text), |text| (0, text));
        assert!(found.0 == code || (code == 5 && found.0 == 7), "{line}: {found:?}");
    }
    std::fs::write(&file, format!("{}  tool.tar\n", "0".repeat(64))).unwrap();
    project.write("profiles/p.toml", &stated(&url));
    assert!(project.fails(3, &["lock", "profiles/p.toml", "--update"]).contains("its publisher states 0000"));
}

#[test]
fn the_seed_may_come_in_three_ways() {
    let project = ready();
    let seed = project.beside("home/.local/share/mastermold/prod.seed");
    assert_eq!(std::fs::metadata(&seed).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(project.fails(2, &["pki", "init", "profiles/p.toml"]).contains("it is not overwritten"));
    let release = build(&project, &[]);
    // Through a file descriptor and as a credential: the same.
    let out = project.beside("out");
    for (shell, name) in [("exec \"$0\" \"$@\" --seed-fd 5 5<\"$SEED\"", "fd"), ("exec \"$0\" \"$@\"", "credential")] {
        std::fs::remove_dir_all(&out).unwrap();
        let program = project.command(&["build", "profiles/p.toml", "-o", out.to_str().unwrap()]);
        let mut command = Command::new("sh");
        command
            .args(["-c", shell])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(project.root())
            .env_clear();
        command.env("XDG_CACHE_HOME", project.beside("cache")).env("SEED", &seed).env("HOME", "/nonexistent");
        if name == "credential" {
            std::fs::create_dir_all(project.beside("credentials")).unwrap();
            std::fs::copy(&seed, project.beside("credentials/mastermold.seed")).unwrap();
            command.env("CREDENTIALS_DIRECTORY", project.beside("credentials"));
        }
        finished(&command.output().unwrap()).unwrap_or_else(|(code, text)| panic!("{name}: {code}: {text}"));
        assert!(files(&out.join("prod/1.0")) == release, "{name}");
    }
}

#[test]
fn nothing_of_the_seed_or_of_a_key_is_in_public_files_lock_cache_or_output() {
    let project = ready();
    build(&project, &[]);
    let out = project.beside("out");
    let text = std::fs::read_to_string(project.beside("home/.local/share/mastermold/prod.seed")).unwrap();
    let mut secret: Vec<Vec<u8>> = vec![text.trim().rsplit(':').next().unwrap().as_bytes().to_vec()];
    for node in ["a", "b", "c"] {
        let tar = out.join(format!("prod/1.0/secrets/{node}/rootfs.tar"));
        for name in ["etc/pki/server.key", "etc/pki/tokens.key", "etc/client.conf", "etc/encryption.yaml"] {
            let text = Command::new("tar").arg("-xOf").arg(&tar).arg(name).output().unwrap();
            assert!(text.status.success());
            let lines = text.stdout.split(|byte| *byte == b'\n').filter(|line| line.len() > 40);
            // A certificate in a kubeconfig is public.
            secret.extend(
                lines.filter(|line| !line.windows(11).any(|window| window == b"certificate")).map(<[u8]>::to_vec),
            );
        }
    }
    assert!(secret.len() > 12);
    let said =
        project.command(&["build", "profiles/p.toml", "-vv", "--force", "-o", out.to_str().unwrap()]).output().unwrap();
    let mut public: Vec<(String, Vec<u8>)> = files(&out.join("prod/1.0/public")).into_iter().collect();
    public.extend(files(&project.beside("cache")));
    public.push(("lock".into(), std::fs::read(project.root().join("profiles/p.lock")).unwrap()));
    public.push(("said".into(), [said.stdout, said.stderr].concat()));
    for (name, bytes) in &public {
        for key in &secret {
            assert!(
                !bytes.windows(key.len()).any(|window| window == &key[..]),
                "{name} holds {}",
                String::from_utf8_lossy(key)
            );
        }
    }
}

#[test]
fn another_seed_one_that_others_can_read_one_that_is_damaged_and_none() {
    let project = ready();
    let seed = project.beside("home/.local/share/mastermold/prod.seed");
    let text = std::fs::read_to_string(&seed).unwrap();
    let with = |bytes: &str, mode: u32| {
        std::fs::write(&seed, bytes).unwrap();
        std::fs::set_permissions(&seed, PermissionsExt::from_mode(mode)).unwrap();
    };
    let last = if text.ends_with("0\n") { "1\n" } else { "0\n" };
    with(&[&text[..text.len() - 2], last].concat(), 0o600);
    assert!(
        project
            .fails(4, &["build", "profiles/p.toml"])
            .contains("the seed is another one than profiles/p.lock was made with")
    );
    with(&text, 0o644);
    assert!(project.fails(4, &["build", "profiles/p.toml"]).contains("others may read it"));
    for damaged in [&text[..30], "", "x\n", &text.replace("seed-1", "seed-9")] {
        with(damaged, 0o600);
        let error = project.fails(2, &["build", "profiles/p.toml"]);
        assert!(error.lines().count() == 1 && !error.contains(&text[20..40]), "{error}");
    }
    std::fs::remove_file(&seed).unwrap();
    assert!(project.fails(2, &["build", "profiles/p.toml"]).contains("there is no seed at"));
    assert_eq!(project.fails(8, &["pki", "init", "profiles/p.toml", "--seed", "x.seed"]).lines().count(), 1);
}

#[test]
fn what_a_container_cannot_hold_is_told_before_a_byte_is_written() {
    let project = ready();
    let cases = [("uid = 7", "uid = 4294967295", "4294967295"), ("uid = 7", "uid = 2097152", "2097152")];
    for (from, to, expected) in cases {
        project.write("overlays/base/overlay.toml", &BASE.replace(from, to));
        let error = project.fails(8, &["build", "profiles/p.toml"]);
        assert!(error.contains(expected), "{error}");
        assert!(!project.root().join("out/prod").exists());
    }
}

#[test]
fn explained() {
    let project = ready();
    let explain = |path: &str| project.must(&["explain", "profiles/p.toml", "a", path]);
    let text = explain("/etc/pki/server.key");
    assert!(
        text.contains("certificate server")
            && text.contains("0600")
            && text.contains("secrets")
            && text.contains("overlays/pki/overlay.toml:14:7"),
        "{text}"
    );
    let text = explain("/usr/bin/one");
    assert!(
        text.contains("source tool: v1/bin/one") && text.contains("common") && text.contains("profiles/p.toml:21:25"),
        "{text}"
    );
    assert!(explain("/etc/name").contains("overlays/base/root/etc/name.j2"));
    assert!(project.fails(2, &["explain", "profiles/p.toml", "a", "/etc/nmae"]).contains("did you mean `/etc/name`?"));
    assert!(project.fails(2, &["explain", "profiles/p.toml", "d", "/etc/name"]).contains("has no node `d`"));
}

#[test]
fn reports_that_nobody_reads() {
    let project = ready();
    for (shell, code) in [
        ("\"$0\" \"$@\" | head -c 1", 0),
        ("\"$0\" \"$@\" >/dev/full", 5),
        ("\"$0\" \"$@\" >&-", -1),
        ("\"$0\" \"$@\" 2>&-", 0),
    ] {
        let program = project.command(&["plan", "profiles/p.toml"]);
        let mut command = Command::new("bash");
        command.args(["-o", "pipefail", "-c", shell]).arg(program.get_program()).args(program.get_args());
        let output = command.current_dir(project.root()).output().unwrap();
        let found = output.status.code().unwrap();
        assert!(
            found == code || (code == -1 && [0, 5].contains(&found)),
            "{shell}: {found} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn schemas_completions_and_manual() {
    let project = project();
    for of in ["profile", "overlay"] {
        let schema: serde_json::Value = serde_json::from_str(&project.must(&["schema", of])).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{of}");
    }
    assert!(project.must(&["completions", "bash"]).contains("mastermold"));
    assert!(project.must(&["man"]).contains(".TH mastermold"));
}

//! Images that are made here.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use mastermold::digest::Digest;
use serde_json::Value;

use super::{built, lock, project};
use crate::support::{Project, finished};

const ARCHIVE: &str = "/usr/lib/mastermold/images/tool.tar";
const TOOL: &str = r#"
[sources.tool]
path = "files/tool"
image = { name = "registry.example/tool:1", binary = "/usr/bin/tool", cmd = ["serve"], env = { A = "b" } }
"#;

fn tool() -> Project {
    let project = project("overlays = []\n", TOOL);
    project.write("files/tool", "a program\n");
    project
}

fn change(project: &Project, from: &str, to: &str) {
    let profile = std::fs::read_to_string(project.root().join("profiles/p.toml")).unwrap();
    assert!(profile.contains(from));
    project.write("profiles/p.toml", &profile.replace(from, to));
}

const BUILD: [&str; 4] = ["build", "profiles/p.toml", "--seed", "../seed"];

#[test]
fn the_same_bytes_wherever_it_is_made() {
    let one = tool();
    lock(&one).unwrap();
    let bytes = built(&one, ARCHIVE);
    // Another directory, another store, an executable of another time, another umask and time zone.
    let other = tool();
    std::fs::copy(one.beside("seed"), other.beside("seed")).unwrap();
    std::fs::set_permissions(other.root().join("files/tool"), PermissionsExt::from_mode(0o750)).unwrap();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_mastermold");
    let script = format!("umask 077; TZ=Asia/Tokyo {program} lock profiles/p.toml --seed ../seed");
    command.args(["-c", &script]).current_dir(other.root()).env_clear().env("XDG_CACHE_HOME", other.beside("cache"));
    finished(&command.env("PATH", "/usr/bin:/bin").env("HOME", other.beside("home")).output().unwrap()).unwrap();
    assert!(built(&other, ARCHIVE) == bytes);
    let locks = [&one, &other].map(|project| std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap());
    assert_eq!(locks[0], locks[1]);
    // And from a store that has nothing any more.
    std::fs::remove_dir_all(one.beside("cache")).unwrap();
    assert!(built(&one, ARCHIVE) == bytes);
    assert!(locks[0].contains(&format!("sha256 = \"{}\"", Digest::of(&bytes))));
    assert_eq!(one.must(&["lock", "profiles/p.toml", "--seed", "../seed"]).matches("unchanged").count(), 1);
}

#[test]
fn what_is_not_as_locked_is_refused() {
    let project = tool();
    lock(&project).unwrap();
    let first = built(&project, ARCHIVE);
    project.write("files/tool", "another program\n");
    assert!(project.fails(3, &BUILD).contains("files/tool was changed"));
    project.must(&["lock", "profiles/p.toml", "--seed", "../seed", "--update", "tool"]);
    assert!(built(&project, ARCHIVE) != first);
    for (from, to) in [
        ("cmd = [\"serve\"]", "cmd = [\"run\"]"),
        ("tool:1", "tool:2"),
        ("/usr/bin/tool", "/bin/tool"),
        ("A = ", "B = "),
    ] {
        change(&project, from, to);
        let text = project.fails(2, &BUILD);
        assert!(text.contains("source `tool` is locked with other images: `registry.example/tool:"), "{text}");
        lock(&project).unwrap();
        project.must(&["build", "profiles/p.toml", "--seed", "../seed", "--force"]);
    }
}

#[test]
fn a_lock_that_was_changed_by_hand_is_refused() {
    for (field, code) in [("sha256", 3), ("layer", 3), ("size", 3), ("recipe", 2)] {
        let project = tool();
        lock(&project).unwrap();
        let path = project.root().join("profiles/p.lock");
        let text = std::fs::read_to_string(&path).unwrap();
        let (source, image) = text.split_once("[[sources.images]]").unwrap();
        let line = image.lines().find(|line| line.starts_with(field)).unwrap();
        let wrong = match field {
            "size" => "size = 1024".to_owned(),
            _ => format!("{field} = \"{}\"", "0".repeat(64)),
        };
        std::fs::write(&path, format!("{source}[[sources.images]]{}", image.replace(line, &wrong))).unwrap();
        std::fs::remove_dir_all(project.beside("cache")).unwrap();
        let text = project.fails(code, &BUILD);
        assert!(text.contains("registry.example/tool:1"), "{field}: {text}");
        assert!(!project.root().join("out/prod/1.0").exists());
    }
}

#[test]
fn a_damaged_store_is_told_and_repaired() {
    let project = tool();
    lock(&project).unwrap();
    let bytes = built(&project, ARCHIVE);
    let digest = Digest::of(&bytes).to_string();
    let blob = project.beside("cache/mastermold/blobs").join(&digest[..2]).join(&digest);
    std::fs::set_permissions(&blob, PermissionsExt::from_mode(0o600)).unwrap();
    let mut damaged = bytes.clone();
    damaged[600] ^= 1;
    std::fs::write(&blob, damaged).unwrap();
    assert!(project.fails(3, &["build", "profiles/p.toml", "--seed", "../seed", "--force"]).contains("fetch"));
    project.must(&["fetch", "profiles/p.toml"]);
    assert!(built(&project, ARCHIVE) == bytes);
    // The archive is all that a build takes: the program itself may be gone.
    let digest = Digest::of(b"a program\n").to_string();
    std::fs::remove_file(project.beside("cache/mastermold/blobs").join(&digest[..2]).join(&digest)).unwrap();
    assert!(built(&project, ARCHIVE) == bytes);
}

#[test]
fn one_file_for_two_architectures_is_two_images() {
    let project = tool();
    change(
        &project,
        "[[outputs]]",
        "[[nodes]]\nname = \"b\"\naddress = \"10.0.0.2\"\nroles = [\"x\"]\narch = \"arm64\"\n[[outputs]]",
    );
    lock(&project).unwrap();
    let text = std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap();
    assert_eq!(text.matches("[[sources]]").count(), 1);
    assert!(text.contains("arch = \"amd64\"") && text.contains("arch = \"arm64\""), "{text}");
    let _ = built(&project, ARCHIVE);
    let sizes = ["a", "b"]
        .map(|node| std::fs::read(project.root().join(format!("out/prod/1.0/public/{node}/rootfs.tar"))).unwrap());
    assert!(sizes[0] != sizes[1]);
}

#[test]
fn what_may_be_said_of_an_image() {
    let cases = [
        ("binary = \"/usr/bin/tool\"", "binary = \"usr/bin/tool\"", 2, "a path starts with `/`"),
        ("binary = \"/usr/bin/tool\"", "binary = \"/usr/bin/\"", 2, "is a directory"),
        ("binary = \"/usr/bin/tool\"", "binary = \"/../tool\"", 2, "cannot be a file"),
        ("binary = \"/usr/bin/tool\", ", "", 2, "takes `entrypoint`, `cmd`"),
        ("binary = ", "files = { \"*/x\" = \"/x\" }, binary = ", 2, "not of both"),
        ("binary = ", "mode = \"4755\", binary = ", 8, "set-uid"),
        ("binary = ", "path = \"/images/\", binary = ", 2, "is a directory"),
        ("binary = ", "user = \"nobody\", binary = ", 2, "is not a number"),
        ("binary = ", "user = \"1:2:3\", binary = ", 2, "is not a number"),
        ("binary = ", "user = \"\", binary = ", 2, "is not a number"),
        ("binary = ", "workdir = \"x\", binary = ", 2, "is not an absolute path"),
        ("A = \"b\"", "\"A=\" = \"b\"", 2, "no name of an environment variable"),
        ("\"serve\"", "\"\\u0000\"", 2, "control character"),
        ("registry.example/tool:1", "tool:1", 2, "is `docker.io/library/tool:1` meant?"),
        ("registry.example/tool:1", "registry.example/tool", 2, "it has no tag"),
        ("registry.example/tool:1", "registry.example/tool@sha256:0", 2, "it has a digest"),
        ("image = ", "install = { path = \"/x\" }\nimage = ", 2, "takes either `install`"),
        ("image = ", "members = { \"*\" = \"/x/\" }\nimage = ", 2, "takes either `install`"),
        ("binary = ", "bniary = ", 2, "did you mean `binary`?"),
    ];
    for (from, to, code, says) in cases {
        let project = tool();
        change(&project, from, to);
        let text = project.fails(code, &["plan", "profiles/p.toml"]);
        assert!(text.contains(says), "{to}: {text}");
        assert!(text.contains("profiles/p.toml:"), "{to} has no place: {text}");
    }
}

#[test]
fn members_of_an_archive_become_one_layer() {
    let source = r#"
[sources.tool]
path = "files/tool.tar"
[sources.tool.image]
name = "registry.example/tool:1"
path = "/opt/tool.tar"
mode = "0640"
gid = 7
files = { "*/bin/*" = "/usr/bin/", "v1/doc" = { path = "/doc", uid = 9, mode = "0600" } }
"#;
    let project = project("overlays = []\n", source);
    for (path, text) in [("v1/bin/one", "one"), ("v1/bin/two", "two"), ("v1/doc", "doc"), ("v1/other", "other")] {
        project.write(&format!("tool/{path}"), text);
    }
    std::fs::set_permissions(project.root().join("tool/v1/bin/one"), PermissionsExt::from_mode(0o755)).unwrap();
    let tar =
        Command::new("tar").args(["-C", "tool", "-cf", "files/tool.tar", "v1"]).current_dir(project.root()).status();
    assert!(tar.unwrap().success());
    lock(&project).unwrap();
    let archive = built(&project, "/opt/tool.tar");
    let plan: Value = serde_json::from_str(&project.must(&["plan", "--format", "json", "profiles/p.toml"])).unwrap();
    let files = plan["nodes"][0]["files"].as_array().unwrap();
    let on_node = files.iter().find(|file| file["path"] == "/opt/tool.tar").unwrap();
    assert_eq!((&on_node["mode"], &on_node["gid"]), (&Value::from("0640"), &Value::from(7)));
    assert_eq!(on_node["origin"], "source tool: image registry.example/tool:1");
    let said = project.must(&["explain", "profiles/p.toml", "a", "/opt/tool.tar"]);
    assert!(said.contains("source tool: image registry.example/tool:1") && said.contains("profiles/p.toml:"), "{said}");
    let listed = list(&layer_of(&archive));
    let expected = [
        ("doc", 0o600, 9),
        ("usr/", 0o755, 0),
        ("usr/bin/", 0o755, 0),
        ("usr/bin/one", 0o755, 0),
        ("usr/bin/two", 0o644, 0),
    ];
    let expected: Vec<_> = expected.map(|(path, mode, uid)| (path.to_owned(), mode, uid, 315_532_800)).into();
    assert_eq!(listed, expected);
    change(&project, "\"v1/doc\" = { path = \"/doc\"", "\"v1/doc\" = { path = \"/usr/bin/one\"");
    let (code, text) = lock(&project).unwrap_err();
    assert!(code == 2 && text.contains("/usr/bin/one is given twice"), "{text}");
    change(&project, "\"/usr/bin/one\"", "\"/usr/bin/one/doc\"");
    assert_eq!(lock(&project).unwrap_err().0, 8);
    change(&project, "\"*/bin/*\"", "\"*/nothing/*\"");
    assert_eq!(lock(&project).unwrap_err().0, 3);
}

/// The largest file of an archive.
fn layer_of(archive: &[u8]) -> Vec<u8> {
    let mut archive = tar::Archive::new(archive);
    let files = archive.entries().unwrap().map(|entry| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry.unwrap(), &mut bytes).unwrap();
        bytes
    });
    files.max_by_key(Vec::len).unwrap()
}

fn list(layer: &[u8]) -> Vec<(String, u32, u64, u64)> {
    let mut archive = tar::Archive::new(layer);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().display().to_string();
        (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap())
    });
    entries.collect()
}

const IMPORTS: &str = r#"
[[provides]]
by = "a registry"
images = ["registry.example/tool:1", "registry.example/other:1"]
[[provides]]
by = "another registry"
images = ["registry.example/tool:1"]
"#;

#[test]
fn the_plan_says_which_images_are_in_the_bundle_and_templates_see_them() {
    let project = tool();
    change(&project, "overlays = []", "overlays = [\"imports\"]");
    project.write("overlays/imports/overlay.toml", IMPORTS);
    project.write(
        "overlays/imports/root/etc/images.j2",
        "{% for image in images %}\n{{ image.name }} {{ image.path }}\n{% endfor %}\n",
    );
    // Before anything is locked and after.
    let plan =
        || serde_json::from_str::<Value>(&project.must(&["plan", "--format", "json", "profiles/p.toml"])).unwrap();
    let before = plan();
    assert_eq!(before["nodes"][0]["pending"][0]["path"], ARCHIVE);
    lock(&project).unwrap();
    for plan in [before, plan()] {
        let node = &plan["nodes"][0];
        let image = serde_json::json!([{ "name": "registry.example/tool:1", "path": ARCHIVE, "source": "tool" }]);
        assert_eq!(node["images"], image);
        assert_eq!(node["provides"].as_array().unwrap().len(), 1, "{}", node["provides"]);
        assert_eq!(node["provides"][0]["images"], serde_json::json!(["registry.example/other:1"]));
    }
    assert_eq!(built(&project, "/etc/images"), format!("registry.example/tool:1 {ARCHIVE}\n").into_bytes());
    let text = project.must(&["plan", "profiles/p.toml"]);
    assert!(
        text.contains("image registry.example/tool:1 in the bundle")
            && text.contains("not in the bundle: registry.example/other:1"),
        "{text}"
    );
    // A second source with the same image.
    let profile = std::fs::read_to_string(project.root().join("profiles/p.toml")).unwrap();
    project.write("profiles/p.toml", &format!("{profile}{}", TOOL.replace("sources.tool", "sources.twin")));
    assert!(project.fails(2, &["plan", "profiles/p.toml"]).contains("`tool` and `twin` both bring the image"));
}

#[test]
fn a_key_in_a_program_is_refused() {
    let project = tool();
    let body = "MHcCAQEEIJdPWqwxGDNmFr0RtqZ6cRd0FEgRZhuRYXqX6VTxo0oAoGCCqGSM49\n";
    project.write("files/tool", &format!("program -----BEGIN {0}-----\n{body}-----END {0}-----\n", "EC PRIVATE KEY"));
    let (code, text) = lock(&project).unwrap_err();
    assert!(code == 8 && text.contains("would be in a public layer"), "{text}");
}

#[test]
fn the_schema_has_it() {
    let schema = tool().must(&["schema", "overlay"]);
    assert!(["entrypoint", "workdir", "binary"].iter().all(|word| schema.contains(word)));
}

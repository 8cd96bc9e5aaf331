//! What two releases, archives or directories differ in: every kind of change is told, equal ones once, and of a secret
//! nothing but that it changed.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "verify/draft.rs"]
mod draft;
#[path = "diff/formats.rs"]
mod formats;
#[path = "diff/hidden.rs"]
mod hidden;
#[path = "program/made.rs"]
mod made;
#[path = "support/maker.rs"]
#[expect(dead_code, reason = "it makes more kinds of keys")]
mod maker;
#[path = "diff/programs.rs"]
mod programs;
#[path = "diff/secrets.rs"]
mod secrets;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use draft::{Draft, Outputs, file};
use mastermold::archive::{Format, NoPieces, Packing, pack};
use mastermold::build::leak;
use mastermold::diff::{Comparison, Options, compare};
use mastermold::epoch::Epoch;
use mastermold::sign::SecretKey;
use mastermold::tree::{Content, Entry, NoBlobs, Node, Secrecy, Tree};

fn options(jobs: usize) -> Options<'static> {
    Options { jobs, is_secret: &|bytes| leak::recognise(bytes).is_some() }
}

fn compared(a: &Path, b: &Path) -> Comparison {
    compare(a, b, &options(2)).unwrap()
}

/// The page without its head.
fn page(a: &Path, b: &Path) -> Vec<String> {
    let lines = compared(a, b).lines();
    assert_eq!((&lines[0], &lines[1]), (&format!("--- {}", a.display()), &format!("+++ {}", b.display())));
    lines.into_iter().skip(2).filter(|line| !line.is_empty()).collect()
}

fn text(content: &str) -> Entry {
    file(content, 0o644, Secrecy::Public)
}

fn tree(entries: Vec<(&str, Entry)>) -> Tree {
    let mut tree: Tree = entries.into_iter().map(|(path, entry)| (path.parse().unwrap(), entry)).collect();
    tree.add_parents(|_| Entry::new(Node::Directory, "parent")).unwrap();
    tree
}

fn archive(path: &Path, format: Format, tree: &Tree) {
    let packing = Packing { format, level: format.default_level(), mtime: Epoch::FILES, workers: 1, memory: 256 << 20 };
    let mut bytes = Vec::new();
    pack(tree, &NoBlobs, &NoPieces, &packing, &mut bytes).unwrap();
    fs::write(path, bytes).unwrap();
}

fn mastermold(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mastermold")).args(words).output().unwrap()
}

fn before() -> Tree {
    let of = |uid, gid, mode| Entry { uid, gid, mode, ..text("same\n") };
    tree(vec![
        ("/etc/same", text("same\n")),
        ("/etc/mode", of(0, 0, 0o644)),
        ("/etc/owner", of(1, 0, 0o644)),
        ("/etc/group", of(0, 2, 0o644)),
        ("/etc/size", text("one\n")),
        ("/etc/link", Entry::new(Node::Symlink("here".into()), "test")),
        ("/etc/type", text("x")),
        ("/etc/gone/file", text("old\n")),
    ])
}

fn after() -> Tree {
    let of = |uid, gid, mode| Entry { uid, gid, mode, ..text("same\n") };
    tree(vec![
        ("/etc/same", text("same\n")),
        ("/etc/mode", of(0, 0, 0o4755)),
        ("/etc/owner", of(10, 0, 0o644)),
        ("/etc/group", of(0, 20, 0o644)),
        ("/etc/size", text("three\n")),
        ("/etc/link", Entry::new(Node::Symlink("there".into()), "test")),
        ("/etc/type", Entry::new(Node::Directory, "test")),
        ("/etc/new", text("first\nsecond\n")),
    ])
}

#[test]
fn every_kind_of_change_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    let expected = [
        "entries",
        "  - /etc/gone: directory 0755 0:0",
        "  - /etc/gone/file: file 0644 0:0 4 bytes",
        "  ~ /etc/group: group 2 -> 20",
        "  ~ /etc/link: -> here is -> there",
        "  ~ /etc/mode: mode 0644 -> 4755",
        "  + /etc/new: file 0644 0:0 13 bytes",
        "      +first",
        "      +second",
        "  ~ /etc/owner: owner 1 -> 10",
        "  ~ /etc/size",
        "      @@ -1 +1 @@",
        "      -one",
        "      +three",
        "       ",
        "  ~ /etc/type: file -> directory, mode 0644 -> 0755",
    ];
    for format in Format::ALL {
        let (a, b) = (directory.path().join(format!("a.{format}")), directory.path().join(format!("b.{format}")));
        archive(&a, format, &before());
        archive(&b, format, &after());
        assert_eq!(page(&a, &b), expected, "{format}");
        assert_eq!(page(&a, &a), ["no difference"]);
        // Whatever they are packed in, they are the same.
        let other = directory.path().join("a.tar");
        archive(&other, "tar".parse().unwrap(), &before());
        assert!(compared(&a, &other).same);
    }
}

#[test]
fn directories_and_what_they_hold() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for side in ["a", "b"] {
        fs::create_dir_all(at(side).join("sub")).unwrap();
        fs::write(at(side).join("sub/file"), format!("{side}\n")).unwrap();
        fs::write(at(side).join("same"), "x").unwrap();
        symlink(side, at(side).join("link")).unwrap();
    }
    fs::set_permissions(at("b").join("sub"), PermissionsExt::from_mode(0o750)).unwrap();
    let made = Command::new("mkfifo").arg(at("b").join("pipe")).status().unwrap();
    assert!(made.success());
    let lines = page(&at("a"), &at("b"));
    let shown: Vec<_> =
        lines.iter().map(|line| line.split_once(" 0644 ").map_or(line.as_str(), |(head, _)| head)).collect();
    assert!(shown.contains(&"  ~ /link: -> a is -> b"), "{lines:?}");
    assert!(shown.contains(&"  + /pipe: other"), "{lines:?}");
    assert!(shown.contains(&"  ~ /sub: mode 0755 -> 0750"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("  ~") || line.starts_with("  +")).count(), 4, "{lines:?}");
    // Two files.
    assert_eq!(
        page(&at("a/sub/file"), &at("b/sub/file")),
        ["entries", "  ~ /", "      @@ -1 +1 @@", "      -a", "      +b", "       "]
    );
}

fn release(root: &Path, draft: &Draft) {
    draft.write(root, &SecretKey::generate().unwrap());
}

/// Changes a file of every archive of this name.
fn edited(archive: &'static str, path: &'static str, content: &'static str) -> draft::ByPath<Tree> {
    Box::new(move |name, tree| {
        if name.contains(archive)
            && let Some(entry) = tree.get_mut(&path.parse().unwrap())
        {
            entry.node = Node::File(Content::inline(content));
        }
    })
}

/// A file that no two machines have alike.
fn own_settings(name: &str, tree: &mut Tree, level: u32) {
    if let Some(node) = name.split('/').nth(1).filter(|_| name.contains("node.")) {
        tree.insert("/etc/tool.conf".parse().unwrap(), text(&format!("name = {node}\nlevel = {level}\n"))).unwrap();
    }
}

#[test]
fn equal_changes_are_told_once_and_machines_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let packed: draft::ByPath<Tree> = Box::new(|name, tree| own_settings(name, tree, 1));
    release(&at("a"), &Draft { formats: Format::ALL.to_vec(), outputs: Outputs::ALL, packed, ..Draft::default() });
    let packed = |name: &str, tree: &mut Tree| {
        edited("", "/var/lib/tool/conf", "x=2\n")(name, tree);
        edited("master-1", "/etc/hostname", "other\n")(name, tree);
        edited("", "/bin/tool", "#!/bin/sh\ntrue\n")(name, tree);
        own_settings(name, tree, 22);
    };
    let manifest = |manifest: &mut mastermold::bundle::Manifest| manifest.lock = mastermold::digest::Digest::of(b"new");
    let b = Draft {
        version: "2026.11.2",
        formats: vec!["tar.zst".parse().unwrap()],
        packed: Box::new(packed),
        manifest: Box::new(manifest),
        ..Draft::default()
    };
    release(&at("b"), &b);
    let lines = page(&at("a"), &at("b"));
    let lock = mastermold::digest::Digest::of;
    let expected = [
        "release".to_owned(),
        "  version: 2026.11.1 -> 2026.11.2".into(),
        format!("  lock: {} -> {}", lock(b"lock"), lock(b"new")),
        "  archives: 3 changed, 49 removed".into(),
        "every node (master-0, master-1)".into(),
        "  ~ /bin/tool".into(),
        "      @@ -1 +1 @@".into(),
        "       #!/bin/sh".into(),
        "      +true".into(),
        "       ".into(),
        "  ~ /etc/tool.conf".into(),
        "      level: 1 -> 22".into(),
        "  ~ /var/lib/tool/conf".into(),
        "      x: 1 -> 2".into(),
        "node master-1".into(),
        "  ~ /etc/hostname".into(),
        "      @@ -1 +1 @@".into(),
        "      -master-1".into(),
        "      +other".into(),
        "       ".into(),
    ];
    assert_eq!(lines, expected);
    let json = serde_json::to_value(compared(&at("a"), &at("b"))).unwrap();
    assert_eq!(json["groups"][0]["nodes"], serde_json::json!(["master-0", "master-1"]));
    assert_eq!((&json["groups"][0]["every"], &json["groups"][1]["every"]), (&true.into(), &false.into()));
    assert_eq!(
        json["groups"][0]["changes"][2]["inside"]["details"][0],
        serde_json::json!({"at": "x", "before": "1", "after": "2"})
    );

    let settings = &json["groups"][0]["changes"][1];
    assert_eq!((&settings["path"], settings["before"].get("sha256")), (&"/etc/tool.conf".into(), None), "{settings}");
    assert_eq!(
        (&settings["before"]["size"], &settings["fields"]),
        (&26.into(), &serde_json::json!(["size", "contents"]))
    );
}

#[test]
fn a_machine_alone_and_one_beside_another() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    release(&at("a"), &Draft::default());
    let packed = |name: &str, tree: &mut Tree| {
        edited("", "/var/lib/tool/conf", "x=2\n")(name, tree);
        edited("master-1", "/etc/hostname", "other\n")(name, tree);
    };
    release(&at("b"), &Draft { packed: Box::new(packed), ..Draft::default() });
    let node = |side: &str, node: &str| at(side).join("public").join(node);
    let lines = page(&node("a", "master-0"), &node("b", "master-0"));
    assert!(lines.iter().any(|line| line == "      x: 1 -> 2") && !lines.iter().any(|line| line.contains("hostname")));
    let lines = page(&node("a", "master-0"), &node("a", "master-1"));
    assert_eq!(lines[0], "node master-0 -> master-1");
    assert!(lines.contains(&"  ~ /etc/tool/key: other contents, secret".to_owned()), "{lines:?}");
}

#[test]
fn secrets_that_are_elsewhere_are_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    release(&at("a"), &Draft::default());
    release(&at("b"), &Draft::default());
    assert_eq!(page(&at("a"), &at("b")), ["no difference"]);
    fs::remove_dir_all(at("b/secrets")).unwrap();
    let lines = page(&at("a"), &at("b"));
    assert_eq!(lines[0], format!("secrets are not in {}: not compared", at("b").display()));
    assert_eq!(lines[1], "no difference");
    assert!(page(&at("b"), &at("a/public")).contains(&"no difference".to_owned()));
}

#[test]
fn threads_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    release(&at("a"), &Draft { formats: Format::ALL.to_vec(), ..Draft::default() });
    release(&at("b"), &Draft { packed: edited("", "/bin/tool", "x\n"), ..Draft::default() });
    let one = compare(&at("a"), &at("b"), &options(1)).unwrap();
    for jobs in [0, 2, 7] {
        assert_eq!(compare(&at("a"), &at("b"), &options(jobs)).unwrap(), one);
    }
}

#[test]
fn hostile_names_and_contents_are_one_line_each() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (side, content) in [("a", "plain\n"), ("b", "\u{1b}]0;title\u{7}\u{1b}[2Jx\u{202e}y\r\nkey: \u{9b}31m\n")] {
        fs::create_dir(at(side)).unwrap();
        for name in ["t", "t.yaml", "t.json", "t.toml", "t.service", "t.conf", "\u{1b}[31m\nred", "\u{202e}gnp"] {
            fs::write(at(side).join(name), format!("{content}{name}\n")).unwrap();
        }
        fs::write(at(side).join("v.yaml"), format!("\"\\e[1m{side}\": \"\\e[2J{side}\\n\\e[0m\"\n")).unwrap();
        symlink(format!("\u{1b}c{side}\n"), at(side).join("link")).unwrap();
    }
    let done = mastermold(&["diff", at("a").to_str().unwrap(), at("b").to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1));
    let shown = String::from_utf8(done.stdout).unwrap();
    let bad = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
    assert_eq!(shown.chars().find(bad), None, "{shown}");
    // Whatever stands there, nothing but this program begins a line.
    let begins =
        |line: &str| line.is_empty() || ["--- ", "+++ ", "entries", "  "].iter().any(|head| line.starts_with(head));
    assert!(shown.lines().all(begins), "{shown}");
    assert!(shown.contains("\\u{1b}[31m\\nred") && shown.contains("\\u{1b}[2Ja"), "{shown}");
}

#[test]
fn what_is_large_or_many_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let bomb = |seed: &str| {
        let mut bomb = format!("a0: &a0 [{seed}, x, x, x, x, x, x, x, x, x]\n");
        (1..20).for_each(|n| bomb += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
        bomb
    };
    for (side, seed) in [("a", 'a'), ("b", 'b')] {
        fs::create_dir(at(side)).unwrap();
        fs::write(at(side).join("large.txt"), vec![seed as u8; 3 << 20]).unwrap();
        fs::write(at(side).join("line.txt"), vec![seed as u8; 1 << 20]).unwrap();
        fs::write(at(side).join("lines.txt"), format!("{seed}\n").repeat(300_000)).unwrap();
        fs::write(at(side).join("bomb.yaml"), bomb(&seed.to_string())).unwrap();
        fs::write(at(side).join("deep.json"), "[".repeat(400_000) + &seed.to_string()).unwrap();
        fs::write(at(side).join("deep.yaml"), "[".repeat(400_000) + &seed.to_string()).unwrap();
        fs::write(at(side).join("deep.toml"), format!("a = {}{seed}", "[".repeat(400_000))).unwrap();
    }
    let comparison = compared(&at("a"), &at("b"));
    let json = serde_json::to_string(&comparison).unwrap();
    assert!(json.len() < 1 << 20, "{}", json.len());
    let formats: Vec<_> =
        comparison.groups[0].changes.iter().map(|change| change.inside.as_ref().unwrap().format).collect();
    assert_eq!(formats, ["text", "text", "text", "text", "large", "text", "text"]);
    assert!(comparison.lines().iter().any(|line| line.contains("more lines: --format json has them")));
}

#[test]
fn exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    release(Path::new(&at("r")), &Draft::default());
    archive(Path::new(&at("a.tar")), "tar".parse().unwrap(), &before());
    archive(Path::new(&at("b.tar")), "tar".parse().unwrap(), &after());
    fs::write(at("cut.tar"), &fs::read(at("a.tar")).unwrap()[..1000]).unwrap();
    let run = |a: &str, b: &str, code| {
        let done = mastermold(&["diff", &at(a), &at(b)]);
        assert_eq!(done.status.code(), Some(code), "{a} {b}: {}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.stderr.is_empty(), code < 2, "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.stdout.is_empty(), code > 1);
    };
    run("a.tar", "a.tar", 0);
    run("a.tar", "b.tar", 1);
    run("r", "r", 0);
    run("r", "a.tar", 2);
    run("a.tar", "nothing", 5);
    run("a.tar", "cut.tar", 3);
    run("cut.tar", "a.tar", 3);
    assert_eq!(mastermold(&["diff", &at("a.tar")]).status.code(), Some(2));
    fs::write(at("r/public/manifest.json"), "{\"nodes\":1}").unwrap();
    run("r", "r", 3);
}

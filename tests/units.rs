//! What `units` says, against what the real `systemctl --root=DIR` does: path and text of every symlink.
#![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use mastermold::error::Class;
use mastermold::overlay::units::{self, Link};
use mastermold::tree::TreePath;
use proptest::prelude::*;

const CONFIG: &str = "/etc/systemd/system";
const VENDOR: &str = "/usr/lib/systemd/system";

/// Unit files by absolute path.
type Files = Vec<(String, String)>;

/// Links as (path, text), both absolute.
type Links = BTreeSet<(String, String)>;

/// `== PATH` lines, each followed by the file's text.
fn files(spec: &str) -> Files {
    let parts = spec.split("== ").filter(|part| !part.trim().is_empty());
    parts.map(|part| part.split_once('\n').map(|(path, text)| (path.into(), text.into())).unwrap()).collect()
}

fn find(files: &Files, name: &str) -> Option<(TreePath, String)> {
    let (path, text) = [CONFIG, VENDOR]
        .iter()
        .find_map(|directory| files.iter().find(|(path, _)| *path == format!("{directory}/{name}")))?;
    Some((path.parse().unwrap(), text.clone()))
}

fn ours(files: &Files, unit: &str) -> mastermold::error::Result<Links> {
    let template = unit.split_once('@').map(|(prefix, rest)| format!("{prefix}@.{}", rest.rsplit_once('.').unwrap().1));
    let (path, text) = find(files, unit).or_else(|| find(files, &template?)).unwrap();
    Ok(set(units::enable(unit, &text, &path, &|name| find(files, name))?))
}

fn set(links: Vec<Link>) -> Links {
    links.into_iter().map(|link| (link.path.to_string(), link.target)).collect()
}

/// What systemctl does to a root with these files: its links, and what it complained of.
fn theirs(files: &Files, verb: &[&str]) -> (Links, String) {
    let root = tempfile::tempdir().unwrap();
    for directory in [CONFIG, VENDOR] {
        fs::create_dir_all(root.path().join(&directory[1..])).unwrap();
    }
    for (path, text) in files {
        fs::write(root.path().join(&path[1..]), text).unwrap();
    }
    let flag = format!("--root={}", root.path().display());
    let output = Command::new("systemctl").arg(flag).args(verb).output().expect("systemctl is needed here");
    let said = String::from_utf8_lossy(&output.stderr).replace(root.path().to_str().unwrap(), "");
    let noise = |line: &str| line.starts_with("Created symlink") || line.contains("non-existent unit");
    let complaint =
        said.lines().filter(|line| !noise(line) && !line.contains("UpheldBy")).collect::<Vec<_>>().join("\n");
    let mut links = Links::new();
    walk(root.path(), root.path(), &mut links);
    (links, complaint)
}

fn walk(root: &Path, directory: &Path, links: &mut Links) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if let Ok(target) = fs::read_link(&path) {
            let inside = format!("/{}", path.strip_prefix(root).unwrap().display());
            links.insert((inside, target.display().to_string()));
        } else if path.is_dir() {
            walk(root, &path, links);
        }
    }
}

/// `UpheldBy=` came with systemd 254.
fn knows_upheld() -> bool {
    let output = Command::new("systemctl").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap() >= 254
}

fn known(links: Links) -> Links {
    let upheld = knows_upheld();
    links.into_iter().filter(|(path, _)| upheld || !path.contains(".upholds/")).collect()
}

#[track_caller]
fn same(unit: &str, spec: &str) {
    let files = files(spec);
    let (theirs, complaint) = theirs(&files, &["enable", unit]);
    assert!(!theirs.is_empty() && !complaint.contains("ailed"), "{complaint}");
    assert_eq!(known(ours(&files, unit).unwrap()), theirs);
}

#[test]
fn keys_lists_and_lines() {
    same(
        "a.service",
        "== /usr/lib/systemd/system/a.service
# WantedBy=no.target
[Unit]
WantedBy=no.target
[Install]
  WantedBy = multi-user.target   graphical.target \t
WantedBy=x.target \\
# a comment does not end the line
 ; nor does this
  y.target \\\n\nRequiredBy=old.target
RequiredBy=
RequiredBy=r@foo.service r@.service \"quoted.target\" 'single.target' mid\"dle.tar\"get a\\x2db.target
UpheldBy=u.target
Alias=b.service a.service c.service multi-user.target.wants/a.service
wantedby=no.target
no equals sign
[install]
WantedBy=no.target
[X-Foo]
WantedBy=no.target
[Install]
WantedBy=last.target
DefaultInstance=ignored
",
    );
}

#[test]
fn also_goes_on_and_ends() {
    same(
        "a.service",
        "== /usr/lib/systemd/system/a.service
[Install]
WantedBy=a.target
Also=b.socket q@foo.service
Also=
== /etc/systemd/system/b.socket
[Install]
WantedBy=sockets.target
Also=a.service c.service
== /etc/systemd/system/q@.service
[Install]
WantedBy=%i-%p.target
== /etc/systemd/system/c.service
[Unit]
",
    );
}

#[test]
fn templates_and_instances() {
    let file = "== /etc/systemd/system/t@.service
[Install]
DefaultInstance=def
WantedBy=multi-user.target %p@%i.target
Alias=al@%i.service al2@.service
RequiredBy=dev-%i.device %n.target %N.target
";
    same("t@.service", file);
    same("t@x.service", file);
    same("t@a@b.service", file);
    let bare = "== /usr/lib/systemd/system/t-u@.service
[Install]
DefaultInstance=gone
DefaultInstance=
WantedBy=x@.target y@i.target %j@z.target
Alias=v@.service w@other.service
";
    same("t-u@.service", bare);
    same(
        "t@x.service",
        "== /etc/systemd/system/t@.service\n[Install]\nWantedBy=old.target\n== /etc/systemd/system/t@x.service\n[Install]\nWantedBy=new.target\n",
    );
    same(
        "t@.service",
        "== /etc/systemd/system/t@.service\n[Install]\nDefaultInstance=y\nAlias=m.target.wants/t@y.service\n",
    );
}

#[test]
fn every_type_that_can_be_enabled() {
    for kind in ["socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice"] {
        let alias = if ["mount", "automount", "swap", "slice"].contains(&kind) { "" } else { "Alias=%p-2.TYPE\n" };
        let text =
            format!("== /etc/systemd/system/a.TYPE\n[Install]\nWantedBy=%p.target\n{alias}").replace("TYPE", kind);
        same(&format!("a.{kind}"), &text);
    }
    same("a.service", "== /etc/systemd/system/a.service\n\u{feff}[Install]\r\nWantedBy=a.target\r\n");
}

#[test]
fn added_wants_and_masks() {
    let files = files(
        "== /usr/lib/systemd/system/a@.service\n[Service]\n== /usr/lib/systemd/system/a.service\n[Unit]\n== /usr/lib/systemd/system/b.target\n[Unit]\n",
    );
    for (unit, file) in [("a.service", "a.service"), ("a@x.service", "a@.service")] {
        let path: TreePath = format!("{VENDOR}/{file}").parse().unwrap();
        let links = units::wanted_by(unit, &path, &["b.target".into()]).unwrap();
        assert_eq!(set(links), theirs(&files, &["add-wants", "b.target", unit]).0);
        let masked = [(units::mask(unit).unwrap().to_string(), "/dev/null".to_owned())];
        assert_eq!(Links::from(masked), theirs(&files, &["mask", unit]).0);
    }
}

/// Each of these systemctl refuses, or does with a warning; here all are errors that say what to do.
#[test]
fn refused_with_a_reason() {
    let cases = [
        ("a.service", "[Unit]\n", "wanted-by"),
        ("a.service", "[Install]\n", "wanted-by"),
        ("a.service", "[Install]\nAlso=gone.service\n", "gone.service"),
        ("a.service", "[Install]\nAlso=\"b.service\"\n", "`\"b.service\"`"),
        ("a.service", "[Install]\nWantedBy=bad\n", "`bad`"),
        ("a.service", "[Install]\nWantedBy=a.target \"b.target\n", "never closed"),
        ("a.service", "[Install]\nWantedBy=%%.target\n", "it holds `%`"),
        ("a.service", "[Install]\nWantedBy=%H.target\n", "`%H`"),
        ("a.service", "[Install]\nWantedBy=%q.target\n", "`%q`"),
        ("a.service", "[Install]\nWantedBy=a.target%\n", "`%`"),
        ("a.service", "[Install]\nAlias=b.socket\n", "types differ"),
        ("a.service", "[Install]\nAlias=b@.service\n", "template"),
        ("a.service", "[Install]\nAlias=x.target.requires/b.service\n", "slash"),
        ("a.service", "[Install]\nAlias=../../x/a.service\n", "slash"),
        ("a.service", "[Install\nWantedBy=a.target\n", "header"),
        ("a.mount", "[Install]\nAlias=b.mount\n", "one name"),
        ("a@.service", "[Install]\nWantedBy=a.target\n", "a@NAME.service"),
        ("a@.service", "[Install]\nDefaultInstance=x y\nWantedBy=a.target\n", "DefaultInstance="),
        ("a@x.service", "[Install]\nAlias=b@y.service\n", "instance"),
        ("a@x.service", "[Install]\nAlias=k.service\n", "instance"),
    ];
    for (unit, text, word) in cases {
        let files = files(&format!("== {CONFIG}/{unit}\n{text}"));
        let error = ours(&files, unit).unwrap_err();
        assert_eq!(error.class(), Class::Usage);
        assert!(error.to_string().contains(word) && error.to_string().lines().count() == 1, "{error}");
        let (links, complaint) = theirs(&files, &["enable", unit]);
        let reads_it = ["`%q`", "`%H`"].contains(&word) || (word == "`%`" && links.is_empty());
        assert!(reads_it || !complaint.is_empty(), "systemctl has nothing against {text:?}: {links:?}");
    }
}

#[test]
fn names() {
    let long = format!("{}.service", "x".repeat(248));
    for wrong in
        ["", "a", ".service", "a.Service", "a.foo", "a/b.service", "a b.service", "@x.service", "é.service", &long]
    {
        assert!(units::mask(wrong).is_err(), "{wrong}");
        let path = "/etc/systemd/system/a.service".parse().unwrap();
        assert!(units::wanted_by("a.service", &path, &[wrong.to_owned()]).is_err(), "{wrong}");
        // Not as an argument: systemctl completes those until they are names.
        let file = files(&format!("== {CONFIG}/a.service\n[Install]\nWantedBy=\"{wrong}\"\n"));
        assert!(theirs(&file, &["enable", "a.service"]).0.is_empty(), "{wrong}");
    }
    for right in ["-x.service", "a@b@c.service", "a..target", "a\\x20b.mount", "a:b_c.timer", &long[1..]] {
        let expected = (format!("{CONFIG}/{right}"), "/dev/null".to_owned());
        assert_eq!(units::mask(right).unwrap().to_string(), expected.0);
        assert_eq!(theirs(&Files::new(), &["mask", "--", right]).0, Links::from([expected]));
    }
    let outside: TreePath = "/opt/a.service".parse().unwrap();
    assert!(units::wanted_by("a.service", &outside, &["b.target".into()]).unwrap_err().to_string().contains("/opt/"));
    let path: TreePath = "/usr/lib/systemd/system/a@.service".parse().unwrap();
    assert!(units::wanted_by("a@.service", &path, &["b.target".into()]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any mixture of lines: where we give links, systemctl gives the same; where we refuse, it complains.
    #[test]
    fn any_install_section(
        unit in prop::sample::select(vec!["a.service", "t@.service", "t@x.service", "t-u@y.service"]),
        lines in prop::collection::vec(
            (
                prop::sample::select(vec!["WantedBy=", "RequiredBy =", " Alias= ", "Also=", "DefaultInstance=", "#", "[Unit]\n", "[Install]\n", ""]),
                prop::collection::vec(
                    prop::sample::select(vec![
                        "a.target", "b@.target", "b@c.target", "%p.target", "c@%i.service", "\\\n", "# x\n", "\"d.target\"", "'", "x",
                        "a.service", "k@.service", "%n", "a.target.wants/a.service", "e\\", "",
                    ]),
                    0..3,
                ),
            ),
            0..6,
        ),
    ) {
        let body: String = lines.iter().map(|(key, words)| format!("{key}{}\n", words.join(" "))).collect();
        let file = unit.split_once('@').map_or(unit.to_owned(), |(prefix, _)| format!("{prefix}@.service"));
        let files = files(&format!("== {CONFIG}/{file}\n[Install]\n{body}"));
        let (theirs, complaint) = theirs(&files, &["enable", unit]);
        match ours(&files, unit) {
            Ok(links) => prop_assert_eq!(links, theirs, "{}", body),
            Err(error) => prop_assert!(!complaint.is_empty(), "{body:?}: {error}, but systemctl made {theirs:?}"),
        }
    }
}

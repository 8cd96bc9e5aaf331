//! Profiles and overlays that were made to hang, to exhaust or to break out: rows 83, 84 and 88 of the quality goals.
//! Each runs in bounded time and memory, and ends with a class and a place, not with a signal.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::support::Project;
use super::{GOOD, OVERLAY, TEMPLATE, project};

/// Runs `plan` in 20 seconds and 1 GiB of address space; the exit code and what was said.
fn plan(project: &Project) -> (i32, String) {
    let program = project.command(&["plan", "profiles/p.toml"]);
    let mut bounded = Command::new("timeout");
    bounded.args(["-k", "1", "20", "sh", "-c", "ulimit -v 1048576; exec \"$0\" \"$@\""]);
    bounded.arg(program.get_program()).args(program.get_args()).current_dir(project.root());
    match super::support::finished(&bounded.output().unwrap()) {
        Ok(text) => (0, text),
        Err(failed) => failed,
    }
}

fn sparse(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What is at a path of the project, the codes that may come of it, and what is said.
type Planted = (&'static str, fn(&Path), &'static [i32], &'static str);

#[test]
fn what_is_read_is_a_file_of_the_project_and_bounded() {
    let planted: &[Planted] = &[
        ("profiles/q.toml", |path| sparse(path, 1 << 30), &[2], "q.toml"),
        ("profiles/q.toml", |path| sparse(path, (4 << 20) + 1), &[2], "q.toml"),
        ("profiles/q.toml", |path| symlink("/dev/zero", path).unwrap(), &[2], "leads out of"),
        ("profiles/q.toml", |path| symlink("/etc/passwd", path).unwrap(), &[2], "leads out of"),
        ("profiles/q.toml", |path| symlink("q.toml", path).unwrap(), &[2, 5], "q.toml"),
        ("profiles/q.toml", |path| std::fs::create_dir(path).unwrap(), &[2, 5], "q.toml"),
        ("profiles/q.toml", fifo, &[2, 5], "not a regular file"),
        ("overlays/base/overlay.toml", |path| sparse(path, 1 << 30), &[2], "overlay.toml"),
        ("overlays/base/overlay.toml", |path| symlink("/dev/zero", path).unwrap(), &[2], "leads out of"),
        ("overlays/base/overlay.toml", fifo, &[2, 5], "not a regular file"),
        ("overlays/base/root/etc/x", |path| sparse(path, 1 << 30), &[2], "/etc/x"),
        ("overlays/base/root/etc/x", fifo, &[8], "is a device, FIFO or socket"),
        (
            "overlays/base/root/etc/x",
            |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
            &[8],
            "socket",
        ),
        ("overlays/base/root", |path| symlink("/etc", path).unwrap(), &[2, 5], "root"),
    ];
    for (index, (at, make, codes, says)) in planted.iter().enumerate() {
        let project = Project::new(&[
            ("profiles/p.toml", if at.ends_with("q.toml") { "extends = \"q.toml\"\n" } else { GOOD }),
            ("overlays/base/overlay.toml", OVERLAY),
            ("overlays/base/root/etc/server.conf.j2", TEMPLATE),
        ]);
        let path = project.root().join(at);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        make(&path);
        let (code, said) = plan(&project);
        assert!(codes.contains(&code) && said.contains(says), "{index}, {at}: {code} {said}");
        assert!(!said.contains("root:x:0:0"), "{at}: {said}");
    }
}

#[test]
fn profiles_extend_each_other_so_often_and_no_more() {
    let chain = |length: usize| {
        let project = Project::new(&[
            ("overlays/base/overlay.toml", OVERLAY),
            ("overlays/base/root/etc/server.conf.j2", TEMPLATE),
            ("profiles/last.toml", GOOD),
        ]);
        for n in 0..length {
            let next = if n + 1 == length { "last".to_owned() } else { format!("n{}", n + 1) };
            let name = if n == 0 { "p".to_owned() } else { format!("n{n}") };
            project.write(&format!("profiles/{name}.toml"), &format!("extends = \"{next}.toml\"\n"));
        }
        plan(&project)
    };
    assert_eq!(chain(15).0, 0);
    for length in [16, 10_000] {
        let (code, said) = chain(length);
        assert!(code == 2 && said.contains("more than 16 profiles extend each other"), "{length}: {code} {said}");
    }
    // Itself, by another name for itself.
    let own = Project::new(&[("profiles/p.toml", "extends = \"../profiles/./p.toml\"\n")]);
    let (code, said) = plan(&own);
    assert!(code == 2 && said.contains("extend each other"), "{said}");
}

#[test]
fn text_that_is_no_profile_is_refused_with_its_line_and_column() {
    let more = |text: &str| format!("{GOOD}{text}");
    let cases = [
        (more("[cluster]\n"), "profiles/p.toml:19:"),
        (GOOD.replacen("domain =", "name = \"x\"\ndomain =", 1), "profiles/p.toml:7:1"),
        (GOOD.replacen("[network]", "domain.x = 1\n[network]", 1), "profiles/p.toml:8:1"),
        (more("[cluster.name.x]\n"), "profiles/p.toml:19:"),
        (format!("\u{feff}{GOOD}"), "profiles/p.toml:1:1"),
        (GOOD.replacen("prod", "pr\0od", 1), "profiles/p.toml:4:"),
        (GOOD.replacen("\ndomain", "\rdomain", 1), "profiles/p.toml:6:"),
        (more("x = 99999999999999999999\n"), "profiles/p.toml:19:"),
        (more("x = 0x8000000000000000\n"), "profiles/p.toml:19:"),
        (more("x = 0600\n"), "profiles/p.toml:19:"),
        (more("x = \"\u{202e}\"\n"), "profiles/p.toml:19:1"),
        (more("rolse = []\n"), "profiles/p.toml:19:1: `rolse` is not a key here; did you mean `roles`?"),
        // The parser stops where it is too deep, and may not know the line.
        (more(&format!("x = {}{}\n", "[".repeat(100_000), "]".repeat(100_000))), "profiles/p.toml:"),
        (more(&format!("x = {}\n", "{a=".repeat(100_000))), "profiles/p.toml:"),
        (more(&format!("[{}b]\n", "a.".repeat(100_000))), "profiles/p.toml:"),
        (more(&format!("{}b = 1\n", "a.".repeat(100_000))), "profiles/p.toml:"),
        (more(&format!("{} = 1\n", "k".repeat(100_000))), "profiles/p.toml:19:1"),
        (more(&"[[nodes]]\n".repeat(1_000)), "profiles/p.toml:19:"),
    ];
    for (text, begin) in cases {
        let (code, said) = plan(&project(&text, OVERLAY, TEMPLATE));
        let shown: String = said.chars().take(400).collect();
        assert!(code == 2 && said.lines().any(|line| line.contains(begin)), "{begin}: {code} {shown}");
    }
    let latin = Project::new(&[("overlays/base/overlay.toml", OVERLAY)]);
    std::fs::write(latin.root().join("profiles/p.toml"), b"a = \"\xff\"\n").unwrap();
    let (code, said) = plan(&latin);
    assert!(code == 2 && said.contains("is not UTF-8"), "{said}");
}

#[test]
fn names_that_are_none() {
    let (long, longer) = ("a".repeat(64), "a".repeat(300));
    for name in ["", ".", "..", "-", "-rf", "a-", "a/b", "a b", "a.b", "A", "ä", "a\\nb", "*", &long, &longer] {
        for (what, was) in [("a node's name is", "name = \"a\""), ("a cluster's name is", "name = \"prod\"")] {
            let (code, said) = plan(&project(&GOOD.replacen(was, &format!("name = \"{name}\""), 1), OVERLAY, TEMPLATE));
            assert!(code == 2 && (said.contains(what) || said.contains("control character")), "{name}: {code} {said}");
        }
    }
    for reserved in ["admin", "boot", "layers", "secrets"] {
        let text = GOOD.replacen("name = \"a\"", &format!("name = \"{reserved}\""), 1);
        let (code, said) = plan(&project(&text, OVERLAY, TEMPLATE));
        assert!(code == 2 && said.contains("is a directory of every release"), "{reserved}: {code} {said}");
    }
    // 63 are a label.
    assert_eq!(
        plan(&project(&GOOD.replacen("name = \"a\"", &format!("name = \"{}\"", "a".repeat(63)), 1), OVERLAY, TEMPLATE))
            .0,
        0
    );
}

#[test]
fn a_version_is_what_is_written() {
    for version in ["1.30", "1.3", "2026.011", "0"] {
        let text = GOOD.replacen("version = \"1.0\"", &format!("version = \"{version}\""), 1);
        let project = project(&text, OVERLAY, TEMPLATE);
        match project.run(&["plan", "profiles/p.toml", "--format", "json"]) {
            Ok(plan) => {
                let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
                assert_eq!(plan["version"], version);
            }
            // A number with a zero before it would be written twice.
            Err((code, said)) => assert!(code == 2 && version == "2026.011", "{version}: {said}"),
        }
    }
    for version in ["", ".", "1.", ".1", "1..2", "-1", "1.a", "v1", "1/2", "../1", "1 ", &"1.".repeat(1000)] {
        let text = GOOD.replacen("version = \"1.0\"", &format!("version = \"{version}\""), 1);
        let (code, said) = plan(&project(&text, OVERLAY, TEMPLATE));
        assert!(code == 2 && said.contains("is not a version"), "{version}: {code} {said}");
    }
}

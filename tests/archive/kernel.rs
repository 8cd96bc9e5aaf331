//! The last judge of a cpio: Linux unpacks it, and a shell in it says what is there.
//!
//! ```text
//! KERNEL=/boot/vmlinuz-... cargo test --test archive kernel -- --ignored
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use super::judges::{output, run, scratch};
use super::*;

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo
cd /judged
/bin/busybox find . -mindepth 1 -exec /bin/busybox stat -c 'J %f %u %g %s %Y %n' {} +
/bin/busybox find . -type f -exec /bin/busybox sha256sum {} + | /bin/busybox sed 's/^/S /'
/bin/busybox find . -type l | while IFS= read -r l; do echo "L $l -> $(/bin/busybox readlink "$l")"; done
/bin/busybox dmesg | /bin/busybox grep -i 'initramfs unpacking'
echo JUDGED
/bin/busybox poweroff -f
"#;

/// The part that runs.
fn base() -> Tree {
    let program = |bytes: Vec<u8>| Entry { mode: 0o755, ..file(bytes) };
    let directory = || Entry::new(Node::Directory, "test");
    tree([
        ("/bin/busybox".into(), program(std::fs::read("/bin/busybox").expect("install busybox-static"))),
        ("/init".into(), program(INIT.into())),
        ("/judged".into(), directory()),
        ("/proc".into(), directory()),
    ])
}

/// A tree moved below a directory, with a file that makes the stream's length what it is.
fn moved(whole: &Tree, below: &str, extra: usize) -> Tree {
    let entries = whole.iter().map(|(path, entry)| (format!("/judged/{below}{path}"), entry.clone()));
    tree(entries.chain([(format!("/judged/{below}/extra"), file(noise(extra)))]))
}

/// What the guest must print.
fn lines(tree: &Tree) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (path, entry) in tree.iter().filter(|(path, _)| path.as_str() != "judged") {
        let name = path.as_str().replacen("judged/", "./", 1);
        let (kind, size) = match &entry.node {
            Node::Directory => (0o040_000, None),
            Node::File(content) => {
                lines.insert(format!("S {}  {name}", content.digest()));
                (0o100_000, Some(content.size()))
            }
            Node::Symlink(target) => {
                lines.insert(format!("L {name} -> {target}"));
                (0o120_000, Some(target.len() as u64))
            }
        };
        let size = size.map_or("dir".into(), |size| size.to_string());
        let Entry { mode, uid, gid, .. } = entry;
        lines.insert(format!("J {:x} {uid} {gid} {size} {} {name}", kind | mode, Epoch::FILES));
    }
    lines
}

/// A directory's size is the file system's affair; times are compared as instants.
fn normal(line: &str) -> String {
    let words: Vec<_> = line.splitn(7, ' ').collect();
    let [tag @ "J", mode, uid, gid, size, seconds, name] = words[..] else { return line.to_owned() };
    let size = if mode.starts_with('4') { "dir" } else { size };
    let mtime = Epoch::from_seconds(seconds.parse().unwrap()).unwrap();
    format!("{tag} {mode} {uid} {gid} {size} {mtime} {name}")
}

/// Base and overlays, one behind the other without anything between, as iPXE 1.0.0 joins them: every codec, with every
/// number of empty blocks; and archives of many parts, put together of frames and blocks.
fn image() -> (Vec<u8>, Tree) {
    let mut bytes = packed(&base(), format("cpio"));
    let mut all = Tree::new();
    let mut seen = BTreeMap::new();
    for name in ["cpio.zst", "cpio.gz", "cpio"] {
        for extra in 0..40 {
            let tree = moved(&sample(), &format!("{name}-{extra}"), extra);
            let part = packed(&tree, format(name));
            let blocks = bytes::empty_blocks(&part, format(name));
            if seen.insert((name, blocks), ()).is_none() {
                bytes.extend(part);
                tree.iter().for_each(|(path, entry)| drop(all.replace(path.clone(), entry.clone())));
            }
        }
    }
    for name in ["cpio.zst", "cpio.gz"] {
        let tree = moved(&super::pieces::large(), &format!("{name}-parts"), 1);
        bytes.extend(packed(&tree, format(name)));
        tree.iter().for_each(|(path, entry)| drop(all.replace(path.clone(), entry.clone())));
    }
    let wanted = ["cpio.zst", "cpio.gz"].map(|name| (0..4).all(|blocks| seen.contains_key(&(name, blocks))));
    assert_eq!(wanted, [true; 2], "{seen:?}");
    (bytes, all)
}

#[test]
#[ignore = "boots a kernel: set KERNEL"]
fn linux() {
    let kernel = std::env::var("KERNEL").expect("KERNEL is the path of a vmlinuz");
    let folder = scratch();
    let (bytes, tree) = image();
    std::fs::write(folder.path().join("initrd"), bytes).unwrap();
    let mut qemu = Command::new("timeout");
    qemu.args(["-k", "5", "120", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,-cx16", "-m", "512"]);
    qemu.args(["-nographic", "-no-reboot", "-net", "none", "-append", "console=ttyS0 panic=-1 quiet", "-kernel"]);
    qemu.arg(kernel).arg("-initrd").arg(folder.path().join("initrd")).stdin(Stdio::null());
    let console = output(run(&mut qemu, "qemu-system-x86"));
    let console = String::from_utf8_lossy(&console).into_owned();
    assert!(console.contains("JUDGED") && !console.contains("npacking failed"), "{console}");
    let told = console.lines().map(|line| line.trim_end_matches('\r'));
    let told: BTreeSet<_> =
        told.filter(|line| ["J ", "S ", "L "].iter().any(|tag| line.starts_with(tag))).map(normal).collect();
    let expected = lines(&tree);
    let missing: Vec<_> = expected.difference(&told).take(5).collect();
    let foreign: Vec<_> = told.difference(&expected).take(5).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "missing {missing:#?} foreign {foreign:#?}");
    println!("{} lines agree", told.len());
}

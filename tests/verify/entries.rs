//! Archives whose digests are signed, and whose entries are not what the manifests say: only the entries tell.

use std::fs;

use mastermold::archive::Format;
use mastermold::bundle::{NodeManifest, Secrets};
use mastermold::digest::Digest;
use mastermold::error::Class;
use mastermold::tree::{Content, Entry, Node, Secrecy, Tree};

use crate::draft::{self, Draft, Outputs, file, list_of};
use crate::release::{Release, edit, path, put};

type Change = fn(&mut Tree);

/// Entries that are not what the manifests say, in archives whose digests are signed: only the entries tell.
#[test]
fn entries_that_differ() {
    let changes: [(Change, &str); 13] = [
        (|tree| edit(tree, "/etc/hostname", |entry| entry.mode = 0o666), "/etc/hostname with mode 0666, and its"),
        (|tree| edit(tree, "/etc/hostname", |entry| entry.mode |= 0o4000), "/etc/hostname with mode 4644"),
        (|tree| edit(tree, "/srv", |entry| entry.mode = 0o755), "/srv with mode 0755, and its manifest says 0700"),
        (|tree| edit(tree, "/etc/hostname", |entry| entry.uid = 0), "/etc/hostname with owner 0"),
        (|tree| edit(tree, "/etc/hostname", |entry| entry.gid = 0), "/etc/hostname with group 0"),
        (|tree| put(tree, "/etc/hostname", file("master-9\n", 0o644, Secrecy::Public)), "other contents than its man"),
        (|tree| put(tree, "/etc/hostname", file("master\n", 0o644, Secrecy::Public)), "/etc/hostname with size 7"),
        (|tree| put(tree, "/etc/hostname", Entry::new(Node::Symlink("x".into()), "")), "with type symlink"),
        (|tree| put(tree, "/srv", file("", 0o700, Secrecy::Public)), "/srv with type file"),
        (|tree| put(tree, "/etc/extra", file("x", 0o644, Secrecy::Public)), "/etc/extra, which its manifest does not"),
        (|tree| put(tree, "/etc/new", Entry::new(Node::Directory, "")), "/etc/new, which its manifest does not have"),
        (|tree| drop(tree.remove(&path("/etc/hostname"))), "does not hold /etc/hostname"),
        (|tree| drop(tree.remove(&path("/usr/lib/mastermold/node.sha256"))), "has no list"),
    ];
    let formats = ["tar".parse().unwrap(), "cpio.zst".parse().unwrap()];
    for (change, words) in changes {
        for file in ["node.", "public/master-0/rootfs."] {
            let packed = move |path: &str, tree: &mut Tree| {
                if path.contains(file) {
                    change(tree)
                }
            };
            let draft = Draft {
                outputs: Outputs::ALL,
                formats: formats.to_vec(),
                packed: Box::new(packed),
                ..Draft::default()
            };
            let release = draft.release();
            release.refused(Class::Integrity, words);
            release.refused(Class::Integrity, file);
        }
    }
    let link = |tree: &mut Tree| put(tree, "/bin/link", Entry::new(Node::Symlink("tool\u{202e}".into()), ""));
    let packed = move |path: &str, tree: &mut Tree| {
        if path.contains("common-") {
            link(tree)
        }
    };
    Draft { packed: Box::new(packed), ..Draft::default() }
        .release()
        .refused(Class::Integrity, "/bin/link with target `tool\\u{202e}`, and its manifest says `tool`");
    let mtime = "1980-01-01T00:00:01Z".parse().unwrap();
    Draft { mtime, ..Draft::default() }.release().refused(Class::Integrity, "with modification time 315532801");
}

/// No digest of a secret is public: its contents are held by its layer's own list.
#[test]
fn secret_entries_that_differ() {
    let changes: [(Change, &str); 6] = [
        (
            |tree| put(tree, "/var/lib/token", file("tokem\n", 0o400, Secrecy::Secret)),
            "/var/lib/token with other contents",
        ),
        (|tree| put(tree, "/var/lib/token", file("token\n", 0o644, Secrecy::Secret)), "/var/lib/token with mode 0644"),
        (|tree| put(tree, "/root", file("token\n", 0o600, Secrecy::Secret)), "/root, which its manifest does not have"),
        (|tree| drop(tree.remove(&path("/var/lib/token"))), "does not hold /var/lib/token"),
        (
            |tree| {
                let list = "/usr/lib/mastermold/secrets.sha256";
                let Node::File(Content::Inline(old)) = &tree.get(&path(list)).unwrap().node else { return };
                let text = String::from_utf8(old.to_vec()).unwrap() + "more\n";
                put(tree, list, file(&text, 0o600, Secrecy::Secret));
            },
            "/usr/lib/mastermold/secrets.sha256 with size",
        ),
        (
            |tree| {
                let mut text = list_of(tree).lines().filter(|line| line.contains("token")).collect::<String>();
                text += "\n";
                let list = "/usr/lib/mastermold/secrets.sha256";
                put(tree, list, file(&text, 0o600, Secrecy::Secret));
            },
            "/usr/lib/mastermold/secrets.sha256",
        ),
    ];
    for (change, words) in changes {
        for name in ["secrets.", "secrets/master-1/rootfs."] {
            let packed = move |path: &str, tree: &mut Tree| {
                if path.contains(name) {
                    change(tree)
                }
            };
            let release = Draft { outputs: Outputs::ALL, packed: Box::new(packed), ..Draft::default() }.release();
            release.refused(Class::Integrity, words);
            release.refused(Class::Integrity, name);
            let error = release.verify().unwrap_err().to_string();
            assert!(!error.contains(&Digest::of(b"tokem\n").to_string()[..8]), "{error}");
            // Served without them, they are nobody's to check.
            fs::remove_dir_all(release.at("secrets")).unwrap();
            assert_eq!(release.verify().unwrap().secrets, Secrets::Absent);
        }
    }
}

/// A public list that lies, with the record of the list as it is: what is checked on the machine would be wrong.
#[test]
fn a_list_that_lies() {
    let other = |text: String| text.replace(&Digest::of(b"x=1\n").to_string(), &Digest::of(b"x=2\n").to_string());
    lists(other).refused(Class::Integrity, "/var/lib/tool/conf with other contents than the list");
    lists(|text| text + "more\n").refused(Class::Integrity, "has more in its list /usr/lib/mastermold/node.sha256");
    lists(|_| String::new()).refused(Class::Integrity, "/etc/hostname with other contents than the list");
}

/// A release whose node layers have changed lists, and whose manifests agree with them.
fn lists(lie: fn(String) -> String) -> Release {
    let list = "/usr/lib/mastermold/node.sha256";
    let lied = move |node: &str| {
        let mut tree = draft::own(node);
        tree.remove(&path(list));
        file(&lie(list_of(&tree)), 0o644, Secrecy::Public)
    };
    let packed = move |at: &str, tree: &mut Tree| {
        if let Some((node, _)) = at.strip_prefix("public/").and_then(|at| at.split_once("/node.")) {
            put(tree, list, lied(node));
        }
    };
    let node_manifest = move |manifest: &mut NodeManifest| {
        let Node::File(content) = lied(&manifest.node).node else { return };
        let record = manifest.files.iter_mut().find(|record| record.path == path(list)).unwrap();
        (record.sha256, record.size) = (Some(content.digest()), Some(content.size()));
    };
    Draft { packed: Box::new(packed), node_manifest: Box::new(node_manifest), ..Draft::default() }.release()
}

/// Archives with bytes that no archive of ours has, and signed.
#[test]
fn archives_that_are_none() {
    type OfBytes = fn(&mut Vec<u8>);
    let changes: [(OfBytes, &str); 4] = [
        (|bytes| bytes.extend([0; 4]), "bytes behind its end"),
        (|bytes| bytes.truncate(bytes.len() / 2), "the archive is damaged"),
        (|bytes| bytes.clear(), "the archive is damaged"),
        (|bytes| bytes[0] ^= 1, "the archive is damaged"),
    ];
    for (change, words) in changes {
        for format in Format::ALL {
            let bytes = move |path: &str, bytes: &mut Vec<u8>| {
                if path.contains("master-1/node.") {
                    change(bytes)
                }
            };
            let release = Draft { formats: vec![format], bytes: Box::new(bytes), ..Draft::default() }.release();
            release.refused(Class::Integrity, words);
            release.refused(Class::Integrity, &format!("public/master-1/node.{format}: "));
        }
    }
}

/// The archive of an entry that comes twice, which no tree can hold: tar members put one after another by hand.
#[test]
fn an_entry_that_comes_twice() {
    let bytes = |path: &str, bytes: &mut Vec<u8>| {
        if path == "public/master-0/node.tar" {
            let hostname = bytes.windows(13).position(|window| window == b"etc/hostname\0").unwrap();
            let member = bytes[hostname..hostname + 1024].to_vec();
            bytes.splice(hostname..hostname, member);
        }
    };
    let release = Draft { formats: vec!["tar".parse().unwrap()], bytes: Box::new(bytes), ..Draft::default() }.release();
    release.refused(Class::Integrity, "/etc/hostname comes twice");
}

/// Much that no manifest speaks of is not read on and on.
#[test]
fn a_bomb() {
    let packed = |path: &str, tree: &mut Tree| {
        if path.contains("master-0/node.") {
            let zeros = Content::inline(vec![0; 200 << 20]);
            put(tree, "/a", Entry::new(Node::File(zeros), ""));
        }
    };
    let draft = Draft { formats: vec!["tar.zst".parse().unwrap()], packed: Box::new(packed), ..Draft::default() };
    let release = draft.release();
    release.refused(Class::Integrity, "is too much to read on");
    release.refused(Class::Integrity, "holds /a, which its manifest does not have");
}

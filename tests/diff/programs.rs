//! Programs by what they say of themselves, small and large, on a disk and in an archive.

use std::fs;

use mastermold::archive::Format;
use mastermold::digest::Digest;
use mastermold::tree::{Content, Entry, Node};

use super::{archive, compared, page, tree};
use crate::made::{Form, framed};

fn program(go: &str, version: &str, dependency: &str, size: usize) -> Vec<u8> {
    let modules = format!(
        "path\texample.org/tool\nmod\texample.org/tool\t{version}\t\ndep\texample.org/a\t{dependency}\th1:AA=\nbuild\tvcs.revision={version}\n"
    );
    let form = Form { wide: true, big: false, inline: true, stripped: false };
    let mut bytes = form.program(go, &framed(&modules));
    bytes.resize(bytes.len().max(size), 0);
    bytes
}

#[test]
fn what_go_wrote_into_them() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let sides = |size| [program("go1.22.1", "v1.0.0", "v0.1.0", size), program("go1.23.0", "v1.1.0", "v0.2.0", size)];
    for size in [0, 3 << 20] {
        let [old, new] = sides(size);
        let details = [
            "      Go: go1.22.1 -> go1.23.0",
            "      main module: example.org/tool v1.0.0 -> example.org/tool v1.1.0",
            "      setting vcs.revision: v1.0.0 -> v1.1.0",
            "      module example.org/a: v0.1.0 (h1:AA=) -> v0.2.0 (h1:AA=)",
        ];
        let first = format!(
            "  ~ /bin/tool: {} bytes, SHA-256 {} -> {}",
            old.len(),
            Digest::of(&old).short(),
            Digest::of(&new).short()
        );
        let expected: Vec<&str> = ["entries", &first].into_iter().chain(details).collect();
        for format in ["tar.zst", "cpio"].map(|name| name.parse::<Format>().unwrap()) {
            for (side, bytes) in [("a", &old), ("b", &new)] {
                let entry = Entry { mode: 0o755, ..Entry::new(Node::File(Content::inline(bytes.clone())), "test") };
                archive(&at(&format!("{side}.{format}")), format, &tree(vec![("/bin/tool", entry)]));
            }
            assert_eq!(page(&at(&format!("a.{format}")), &at(&format!("b.{format}"))), expected, "{size} {format}");
        }
        for (side, bytes) in [("a", &old), ("b", &new)] {
            fs::create_dir_all(at(side).join("bin")).unwrap();
            fs::write(at(side).join("bin/tool"), bytes).unwrap();
        }
        assert_eq!(page(&at("a"), &at("b")), expected, "{size}");
    }
    // One that is new, and one that is no program any more.
    fs::remove_file(at("a/bin/tool")).unwrap();
    let lines = page(&at("a"), &at("b"));
    assert!(lines.iter().any(|line| line == "      + main module: example.org/tool v1.1.0"), "{lines:?}");
    fs::write(at("a/bin/tool"), "#!/bin/sh\n").unwrap();
    let inside = compared(&at("a"), &at("b")).groups[0].changes[0].inside.clone().unwrap();
    assert_eq!((inside.format, inside.details.len()), ("large", 0));
}

//! Archives before strangers: what other programs see in them, what our reader refuses, and what memory they take.

#![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "archive/bytes.rs"]
mod bytes;
#[path = "archive/damage.rs"]
mod damage;
#[path = "archive/judges.rs"]
mod judges;
#[path = "archive/kernel.rs"]
mod kernel;
#[path = "archive/large.rs"]
mod large;
#[path = "archive/measure.rs"]
mod measure;
#[path = "archive/pieces.rs"]
mod pieces;

use std::io::{Read, Write};

use mastermold::archive::{Format, Header, HeaderKind, NoPieces, Packing, pack, read};
use mastermold::digest::Digest;
use mastermold::epoch::Epoch;
use mastermold::error::Result;
use mastermold::tree::{Blobs, Content, Entry, NoBlobs, Node, Tree, TreePath};

/// Bytes that do not compress (xorshift64*).
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let bytes = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(buffer.len())
    }
}

fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Noise(1).read_exact(&mut bytes).unwrap();
    bytes
}

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

fn format(text: &str) -> Format {
    text.parse().unwrap()
}

fn file(bytes: impl Into<Vec<u8>>) -> Entry {
    Entry::new(Node::File(Content::inline(bytes)), "test")
}

fn link(target: &str) -> Entry {
    Entry::new(Node::Symlink(target.into()), "test")
}

fn tree(entries: impl IntoIterator<Item = (String, Entry)>) -> Tree {
    let mut tree: Tree = entries.into_iter().map(|(name, entry)| (path(&name), entry)).collect();
    tree.add_parents(|_| Entry { mode: 0o755, ..Entry::new(Node::Directory, "test") }).unwrap();
    tree
}

/// At the default level.
fn packing(format: Format) -> Packing {
    Packing { format, level: format.default_level(), mtime: Epoch::FILES, workers: 2, memory: 256 << 20 }
}

fn packed(tree: &Tree, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    pack(tree, &NoBlobs, &NoPieces, &packing(format), &mut out).unwrap();
    out
}

type Visited = Vec<(Header, Vec<u8>)>;

fn visited(mut bytes: &[u8], format: Format) -> Result<Visited> {
    let mut all = Vec::new();
    read(&mut bytes, format, &mut |header, contents| {
        let mut bytes = Vec::new();
        contents.read_to_end(&mut bytes).map_err(|error| mastermold::error::Error::io("reading", "x", error))?;
        all.push((header.clone(), bytes));
        Ok(())
    })?;
    Ok(all)
}

/// What reading the tree's archive must show.
fn expected(tree: &Tree) -> Visited {
    let row = |(path, entry): (&TreePath, &Entry)| {
        let (kind, bytes) = match &entry.node {
            Node::Directory => (HeaderKind::Directory, Vec::new()),
            Node::Symlink(target) => (HeaderKind::Symlink { target: target.clone() }, Vec::new()),
            Node::File(Content::Inline(bytes)) => (HeaderKind::File { size: bytes.len() as u64 }, bytes.to_vec()),
            Node::File(Content::Blob { .. }) => panic!("a blob"),
        };
        let Entry { mode, uid, gid, .. } = *entry;
        (Header { path: path.clone(), kind, mode, uid, gid, mtime: Epoch::FILES.seconds() }, bytes)
    };
    tree.iter().map(row).collect()
}

/// Something of everything, at the lengths where its writing changes.
fn sample() -> Tree {
    let long = |letter: &str, count| letter.repeat(count);
    let odd = |name: &str| (format!("/odd/{name}"), file(name));
    let mut entries = vec![
        ("/bin/tool".into(), Entry { mode: 0o4755, ..file(noise(70_000)) }),
        ("/etc/empty".into(), file("")),
        ("/etc/key".into(), Entry { mode: 0o600, uid: 100, gid: 101, ..file("secret") }),
        ("/etc/last-owner".into(), Entry { uid: 2_097_151, gid: 2_097_151, ..file("x") }),
        ("/etc/twin-a".into(), file("twin")),
        ("/etc/twin-b".into(), file("twin")),
        ("/etc/a".into(), Entry { mode: 0o700, ..Entry::new(Node::Directory, "test") }),
        ("/etc/a-b".into(), file("sorts between a and a/x")),
        ("/etc/a/x".into(), file("x")),
        ("/tmp".into(), Entry { mode: 0o1777, ..Entry::new(Node::Directory, "test") }),
        ("/links/absolute".into(), link("/abs//t/./x/../y")),
        ("/links/relative".into(), link("../../etc/key")),
        ("/links/dangling".into(), link("nowhere at all")),
        ("/links/100".into(), link(&long("t", 100))),
        ("/links/101".into(), link(&long("t", 101))),
        ("/links/4095".into(), link(&format!("{}t", "t/".repeat(2047)))),
        (format!("/long/{}/{}", long("p", 150), long("n", 100)), file("ustar's prefix")),
        (format!("/long/{}/{}", long("p", 151), long("n", 100)), file("one too long")),
        (format!("/long/{}/{}", long("d", 255), long("e", 255)), Entry::new(Node::Directory, "test")),
        (format!("/long/{}/{}/link", long("d", 255), long("f", 255)), link(&long("g", 300))),
        ("/odd/TRAILER!!!".into(), file("not the end")),
    ];
    for length in [1, 99, 100, 101, 155, 156, 254, 255] {
        entries.push((format!("/{}", long("n", length)), file(noise(length))));
    }
    entries.extend(["-rf", " space ", "back\\slash", "ünïcödé", "\u{202e}rtl", "a*?[b]", "=", "100%"].map(odd));
    entries.extend((508..=517).map(|size| (format!("/sizes/{size}"), file(noise(size)))));
    tree(entries)
}

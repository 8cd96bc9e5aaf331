//! The bytes: the same for the same tree, and as promised.

use std::io::Read;

use proptest::prelude::*;

use super::*;
use mastermold::archive::{Codec, Container};
use mastermold::error::{Class, Error};

/// A change here is a new format version (docs/decisions/archive-bytes.md), never a test to be adapted in passing; and what
/// older programs have kept must not be used any more: GENERATION of builder/build/pieces.rs grows too.
#[test]
fn golden() {
    let tree = sample();
    let found = Format::ALL.map(|format| format!("{format} {}", Digest::of(&packed(&tree, format))));
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 6] = [
    "tar b46be5096553056726bf63f5902e6e6e6b0f72b199ce671fbba6719196ba4ff3",
    "tar.gz 3e5d92731a69493f661664993d7084816c50a321c0d18be68e599e9fb4cd920e",
    "tar.zst e2144296d6bad1fa6d119b16b80c82b254e59010afbba9c218c3bd41d8ecb023",
    "cpio 5d0baeaf82ba3d55e0309f0e2f2aa07782e353faaa8367dd2837926aecc63dc9",
    "cpio.gz 414ef5673ecc3951e0bf4abca93c8ef5dfa19d66420edd2c7860dbfb06a8379b",
    "cpio.zst 3fffbec72dbe70fdd735f6f7997297423bd1f2d219d3e14f85c4719942a933d9",
];

#[test]
fn nothing_at_all_is_an_archive() {
    for format in Format::ALL {
        let bytes = packed(&Tree::new(), format);
        assert_eq!(visited(&bytes, format).unwrap(), []);
    }
}

/// Big enough for several jobs of both codecs.
#[test]
fn workers_change_nothing() {
    let mut bytes = noise(6 << 20);
    bytes.extend(b"the same again and again ".repeat(300_000));
    bytes.extend(noise(1 << 20));
    let tree = tree([("/big".into(), file(bytes)), ("/small".into(), file("x"))]);
    for format in [format("tar.gz"), format("cpio.zst")] {
        for level in [*format.levels().start(), format.default_level()] {
            let digest = |workers| {
                let mut out = Vec::new();
                let packing = Packing { workers, level, memory: 4 << 30, ..packing(format) };
                pack(&tree, &NoBlobs, &NoPieces, &packing, &mut out).unwrap();
                (Digest::of(&out), out.len())
            };
            let one = digest(1);
            for workers in [0, 2, 3, 8] {
                assert_eq!(digest(workers), one, "{format} level {level}, {workers} workers");
            }
        }
    }
}

/// libzstd cuts what is over 128 MiB into jobs.
#[test]
fn neither_do_they_in_a_body_that_several_share() {
    struct Words;
    impl Blobs for Words {
        fn open(&self, _: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(Noise(7).take(1 << 20).chain(std::io::repeat(b'x')).take(size)))
        }
    }
    let size = (128 << 20) + 5;
    let content = Content::Blob { digest: Digest::of(b"words"), size };
    let tree = tree([("/big".into(), Entry::new(Node::File(content), "test"))]);
    for level in [1, 9, 13] {
        let pack = |workers| {
            let mut out = Vec::new();
            let packing = Packing { workers, level, memory: 4 << 30, ..packing(format("cpio.zst")) };
            assert!(packing.splits(size));
            pack(&tree, &Words, &NoPieces, &packing, &mut out).unwrap();
            out
        };
        let one = pack(1);
        assert!([2, 5].into_iter().all(|workers| pack(workers) == one), "level {level}");
        assert_eq!(visited(&one, format("cpio.zst")).unwrap().len(), 1);
    }
}

/// Contents that come as they like.
struct Odd {
    bytes: Vec<u8>,
    step: usize,
}

struct OddReader<'a>(&'a [u8], usize, bool);

impl Read for OddReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.2 = !self.2;
        if self.2 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let limit = buffer.len().min(self.1);
        self.0.read(&mut buffer[..limit])
    }
}

impl Blobs for Odd {
    fn open(&self, _: &Digest, _: u64) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(OddReader(&self.bytes, self.step, false)))
    }
}

#[test]
fn neither_does_the_way_contents_come() {
    let bytes = noise((2 << 20) + 77);
    let content = Content::Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
    let by_name = tree([("/a/b".into(), Entry::new(Node::File(content), "test"))]);
    let in_memory = tree([("/a/b".into(), file(bytes.clone()))]);
    for format in Format::ALL {
        let whole = packed(&in_memory, format);
        for step in [997, 65_536, usize::MAX] {
            let mut out = Vec::new();
            pack(&by_name, &Odd { bytes: bytes.clone(), step }, &NoPieces, &packing(format), &mut out).unwrap();
            assert!(out == whole, "{format}, {step} bytes at a time");
        }
    }
}

/// Writers may take little at a time, and are never flushed half-way.
#[test]
fn neither_does_the_writer() {
    struct Stingy(Vec<u8>);
    impl Write for Stingy {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend(bytes.first());
            Ok(bytes.len().min(1))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            panic!("flushed")
        }
    }
    let tree = sample();
    for format in Format::ALL {
        let mut out = Stingy(Vec::new());
        pack(&tree, &NoBlobs, &NoPieces, &packing(format), &mut out).unwrap();
        assert!(out.0 == packed(&tree, format), "{format}");
    }
}

#[test]
fn every_length_is_a_multiple_of_four() {
    let mut remainders = std::collections::BTreeSet::new();
    for size in (0..40).chain([131_000, 1 << 20, (1 << 20) + 1]) {
        let tree = tree([("/x".into(), file(noise(size)))]);
        for format in Format::ALL {
            let bytes = packed(&tree, format);
            assert_eq!(bytes.len() % 4, 0, "{format} of {size} bytes");
            assert!(visited(&bytes, format).unwrap() == expected(&tree));
            remainders.insert((format, empty_blocks(&bytes, format)));
        }
    }
    for format in Format::ALL.into_iter().filter(|format| format.codec != Codec::Plain) {
        let counts = remainders.iter().filter(|(of, _)| *of == format).count();
        assert!(counts >= 4, "{remainders:?}");
    }
}

/// How many empty blocks stand before the last. The flush before them may end in one that looks the same.
pub fn empty_blocks(bytes: &[u8], format: Format) -> usize {
    let (tail, block) = match format.to_string().rsplit_once('.') {
        Some((_, "gz")) => (13, &[0, 0, 0, 0xff, 0xff][..]),
        Some((_, "zst")) => (7, &[0, 0, 0][..]),
        _ => return 0,
    };
    bytes[..bytes.len() - tail].rchunks(block.len()).take_while(|chunk| *chunk == block).count()
}

/// An error that says what and where; what was asked for does not silently become something else.
#[test]
fn contents_are_what_the_tree_says_or_nothing() {
    let blob = |size| Content::Blob { digest: Digest::of(b"abc"), size };
    let cases: [(u64, &[u8], &str); 4] =
        [(3, b"abcd", "more than"), (3, b"ab", "fewer than"), (1, b"", "fewer than"), (0, b"x", "more than")];
    for format in Format::ALL {
        for (size, bytes, what) in cases {
            let tree = tree([("/etc/x".into(), Entry::new(Node::File(blob(size)), "test"))]);
            let blobs = Odd { bytes: bytes.to_vec(), step: 1 };
            let error = pack(&tree, &blobs, &NoPieces, &packing(format), &mut Vec::new()).unwrap_err();
            assert_eq!(error.class(), Class::Integrity);
            assert!(error.to_string().contains("/etc/x") && error.to_string().contains(what), "{error}");
        }
    }
}

/// A reader like the store's, which knows only at its end that the digest is wrong.
struct Pinned(&'static [u8]);

impl Blobs for Pinned {
    fn open(&self, digest: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(mastermold::digest::PinnedReader::new(self.0, *digest, size, "the blob")))
    }
}

#[test]
fn contents_are_read_to_the_end_where_the_digest_is_checked() {
    let content = Content::Blob { digest: Digest::of(b"abc"), size: 3 };
    let tree = tree([("/x".into(), Entry::new(Node::File(content), "test"))]);
    for format in Format::ALL {
        pack(&tree, &Pinned(b"abc"), &NoPieces, &packing(format), &mut Vec::new()).unwrap();
        let error = pack(&tree, &Pinned(b"abd"), &NoPieces, &packing(format), &mut Vec::new()).unwrap_err();
        assert_eq!(error.class(), Class::Integrity, "{error}");
        assert!(error.to_string().contains("is pinned"), "{error}");
        let error = pack(&tree, &NoBlobs, &NoPieces, &packing(format), &mut Vec::new()).unwrap_err();
        assert_eq!(error.class(), Class::Bug, "{error}");
    }
}

#[test]
fn a_full_disk_is_told_as_it_is() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            if count == 0 { Err(std::io::Error::from_raw_os_error(28)) } else { Ok(count) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let tree = tree([("/x".into(), file(noise(30 << 20)))]);
    for format in Format::ALL {
        for room in [0, 5, 1 << 20, 29 << 20] {
            let error = pack(&tree, &NoBlobs, &NoPieces, &packing(format), &mut Full(room)).unwrap_err();
            assert_eq!(error.class(), Class::Environment, "{error}");
            assert!(error.to_string().contains("No space left"), "{format} {room}: {error}");
        }
    }
}

/// Nothing is written if something cannot be written.
#[test]
fn refused_before_the_first_byte() {
    let mut tree = sample();
    tree.replace(path("/TRAILER!!!"), file("x"));
    tree.replace(path("/owner"), Entry { uid: u32::MAX, ..file("x") });
    for format in Format::ALL {
        let mut out = Vec::new();
        let wrong_level = Packing { level: 77, ..packing(format) };
        assert_eq!(pack(&sample(), &NoBlobs, &NoPieces, &wrong_level, &mut out).unwrap_err().class(), Class::Usage);
        let error = pack(&tree, &NoBlobs, &NoPieces, &packing(format), &mut out).unwrap_err();
        assert_eq!((error.class(), out.len()), (Class::Policy, 0), "{error}");
        let faults = if format.container == Container::Cpio { 2 } else { 1 };
        assert_eq!(error.faults().len(), faults, "{error}");
    }
}

#[test]
fn what_is_written_is_read() {
    let tree = sample();
    for format in Format::ALL {
        assert!(visited(&packed(&tree, format), format).unwrap() == expected(&tree), "{format}");
    }
}

#[test]
fn visitors_may_leave_contents_and_may_object() {
    let tree = sample();
    for format in Format::ALL {
        let bytes = packed(&tree, format);
        let mut count = 0;
        read(&mut &bytes[..], format, &mut |_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, tree.len());
        let error = read(&mut &bytes[..], format, &mut |_, _| Err(Error::trust("no"))).unwrap_err();
        assert_eq!(error, Error::trust("no"));
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let node = prop_oneof![
        Just(Node::Directory),
        proptest::collection::vec(any::<u8>(), 0..1500).prop_map(|bytes| Node::File(Content::inline(bytes))),
        "[a-zé/. ]{1,130}".prop_map(Node::Symlink),
    ];
    (node, 0u32..=0o7777, 0u32..2_097_152, 0u32..2_097_152).prop_map(|(node, mode, uid, gid)| {
        let mode = if matches!(node, Node::Symlink(_)) { 0o777 } else { mode };
        Entry { mode, uid, gid, ..Entry::new(node, "test") }
    })
}

/// Trees whose names meet each other: few letters, among them those before and after `/`.
fn any_tree() -> impl Strategy<Value = Tree> {
    let name = prop_oneof![8 => "[a\\-0é ]{1,3}", 1 => "[ab]{90,140}", 1 => "[ab]{240,255}"];
    let place = proptest::collection::vec(name, 1..5).prop_map(|names| format!("/{}", names.join("/")));
    proptest::collection::vec((place, any_entry()), 0..12).prop_map(|entries| {
        let mut tree = Tree::new();
        for (name, entry) in entries {
            let before = tree.clone();
            tree.replace(path(&name), entry);
            if tree.add_parents(|_| Entry { mode: 0o750, ..Entry::new(Node::Directory, "test") }).is_err() {
                tree = before;
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back(tree in any_tree()) {
        for format in Format::ALL {
            let bytes = packed(&tree, format);
            prop_assert!(visited(&bytes, format).unwrap() == expected(&tree));
        }
    }
}

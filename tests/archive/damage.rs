//! What the reader refuses: every damage, and everything that is not ours.

use std::collections::BTreeMap;
use std::process::Command;

use super::judges::{output, run, scratch};
use super::*;
use mastermold::archive::Codec;
use mastermold::error::Class;

/// A small tree that has every kind of header.
fn small() -> Tree {
    tree([
        ("/d/file".into(), Entry { mode: 0o600, uid: 7, gid: 8, ..file("contents, contents, contents") }),
        ("/d/link".into(), link("target")),
        (format!("/{}", "n".repeat(120)), file("pax")),
    ])
}

fn assert_refused(bytes: &[u8], format: Format, what: &str) {
    let error = visited(bytes, format).map(|_| ()).expect_err(&format!("{format}: {what}"));
    assert_eq!(error.class(), Class::Integrity, "{format}: {what}: {error}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}

#[test]
fn every_truncation() {
    for format in Format::ALL {
        let bytes = packed(&small(), format);
        for length in 0..bytes.len() {
            assert_refused(&bytes[..length], format, &format!("{length} of {} bytes", bytes.len()));
        }
    }
}

/// Without a codec's sum a flip of contents, a name, an owner or a mode makes another archive that we could have
/// written: it is read, and what is visited differs. Within a codec some flips decode to the same bytes. All others
/// are refused.
#[test]
fn every_flip_is_refused_or_seen() {
    for format in Format::ALL {
        let bytes = packed(&small(), format);
        let original = visited(&bytes, format).unwrap();
        let mut unnoticed = BTreeMap::new();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                match visited(&flipped, format) {
                    Err(error) => assert_eq!(error.class(), Class::Integrity, "{format} {at}.{bit}: {error}"),
                    Ok(other) if other == original => *unnoticed.entry(at).or_insert(0u8) |= 1 << bit,
                    Ok(_) => assert_eq!(format.codec, Codec::Plain, "{format} {at}.{bit}: passed the codec's sum"),
                }
            }
        }
        assert_eq!(unnoticed, unnoticeable(format), "{format}, {} bytes", bytes.len());
    }
}
/// The bits of the small archive whose flip decodes to the same bytes, by their byte: the bits that fill up a byte
/// before a stored block, and codes with the same meaning (RFC 1951); the type of an empty block, and codes with the same
/// meaning (RFC 8878). Only a digest over the file notices them. None are in the containers, the codecs' headers, sums
/// and sizes.
fn unnoticeable(format: Format) -> BTreeMap<usize, u8> {
    let bits = UNNOTICEABLE.iter().filter(|(of, _)| *of == format.extension());
    bits.flat_map(|(_, bits)| bits.iter().copied()).collect()
}

const UNNOTICEABLE: [(&str, &[(usize, u8)]); 4] = [
    (
        "tar.gz",
        &[
            (82, 6),
            (91, 32),
            (92, 56),
            (125, 9),
            (133, 8),
            (134, 14),
            (155, 248),
            (203, 2),
            (223, 136),
            (224, 1),
            (244, 62),
            (246, 128),
            (247, 1),
            (249, 58),
            (275, 6),
            (278, 28),
            (279, 128),
            (287, 192),
            (289, 24),
            (291, 3),
            (294, 14),
            (295, 192),
            (300, 248),
            (305, 248),
            (310, 248),
            (315, 248),
        ],
    ),
    (
        "tar.zst",
        &[
            (16, 128),
            (92, 248),
            (94, 1),
            (122, 2),
            (146, 4),
            (169, 128),
            (170, 115),
            (237, 240),
            (273, 4),
            (299, 4),
            (302, 4),
            (305, 4),
        ],
    ),
    (
        "cpio.gz",
        &[
            (39, 112),
            (92, 128),
            (93, 1),
            (99, 2),
            (122, 224),
            (138, 12),
            (144, 96),
            (158, 12),
            (161, 128),
            (162, 2),
            (172, 224),
            (190, 3),
            (192, 224),
            (207, 128),
            (208, 7),
            (209, 224),
            (214, 248),
            (219, 248),
        ],
    ),
    (
        "cpio.zst",
        &[
            (16, 128),
            (102, 64),
            (109, 24),
            (121, 4),
            (173, 128),
            (178, 96),
            (182, 192),
            (188, 4),
            (232, 3),
            (240, 4),
            (243, 4),
            (246, 4),
            (249, 4),
        ],
    ),
];

#[test]
fn nothing_behind_the_end() {
    for format in Format::ALL {
        let bytes = packed(&small(), format);
        let after = |more: &[u8]| [&bytes[..], more].concat();
        for more in [&b"\0"[..], b"\0\0\0\0", b"junk", &[0; 512], &[0; 1024], &bytes] {
            assert_refused(&after(more), format, &format!("{} bytes behind the end", more.len()));
        }
        // A skippable frame and an empty one (RFC 8878, 3.1.2), an empty member (RFC 1952).
        assert_refused(&after(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]), format, "a skippable frame");
        assert_refused(&after(&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]), format, "an empty frame");
        let member = [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_refused(&after(&member), format, "an empty member");
    }
}

#[test]
fn not_another_format() {
    for written in Format::ALL {
        for asked in Format::ALL.into_iter().filter(|asked| *asked != written) {
            assert_refused(&packed(&small(), written), asked, &written.to_string());
        }
    }
}

/// Entries of two archives one behind the other, each in order.
fn spliced(first: &Tree, second: &Tree, format: Format) -> Vec<u8> {
    let (a, b) = (packed(first, format), packed(second, format));
    if format.to_string() == "tar" {
        return [&a[..a.len() - 1024], &b].concat();
    }
    let end = a.windows(10).rposition(|window| window == b"TRAILER!!!").unwrap() - 110;
    let mut joined = a[..end].to_vec();
    // Inodes go on counting.
    let mut rest = &b[..];
    let mut number = first.len();
    while let Some(at) = rest[1..].windows(6).position(|window| window == b"070701").map(|at| at + 1) {
        number += 1;
        joined.extend_from_slice(b"070701");
        joined.extend_from_slice(format!("{number:08X}").as_bytes());
        joined.extend_from_slice(&rest[14..at]);
        rest = &rest[at..];
    }
    joined.extend_from_slice(&rest[..124]);
    joined.resize(joined.len().next_multiple_of(512), 0);
    joined
}

#[test]
fn order_and_parents() {
    let of = |names: &[&str]| -> Tree {
        let entry = |name: &&str| match name.strip_suffix('/') {
            Some(name) => (path(name), Entry::new(Node::Directory, "test")),
            None => (path(name), file("x")),
        };
        names.iter().map(entry).collect()
    };
    for format in [format("tar"), format("cpio")] {
        let join = |a: &[&str], b: &[&str]| spliced(&of(a), &of(b), format);
        let good = join(&["/a"], &["/b/", "/b/c"]);
        assert_eq!(visited(&good, format).unwrap().len(), 3, "the splice itself is good");
        for (a, b, what) in [
            (&["/a"][..], &["/a"][..], "comes twice"),
            (&["/b"], &["/a"], "out of order"),
            (&["/a/"], &["/a/"], "comes twice"),
            (&["/a", "/b"], &["/a"], "out of order"),
        ] {
            let error = visited(&join(a, b), format).unwrap_err();
            assert!(error.to_string().contains(what), "{format} {a:?} {b:?}: {error}");
        }
        // A file whose directory was cut out.
        let mut bytes = packed(&of(&["/d/", "/d/x"]), format);
        let header = if format == super::format("tar") { 512 } else { 112 };
        bytes.drain(..header);
        if header == 112 {
            bytes[6..14].copy_from_slice(b"00000001");
            bytes.extend([0; 112]);
        }
        let error = visited(&bytes, format).unwrap_err();
        assert!(error.to_string().contains("/d/x comes without its directory"), "{format}: {error}");
    }
}

/// What other programs write is for the store's reader, not for this.
#[test]
fn other_dialects() {
    let folder = scratch();
    std::fs::write(folder.path().join("x"), "x").unwrap();
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        output(run(command.args(["-c", line]).current_dir(folder.path()), "dash"))
    };
    for (container, line) in [
        ("tar", "tar --format=ustar --owner=0 --group=0 -cf - x"),
        ("tar", "tar --format=gnu -b2 -cf - x"),
        ("tar", "tar --format=pax -b2 -cf - x"),
        ("tar", "bsdtar --format=ustar -cf - x"),
        ("cpio", "echo x | cpio -o -H newc --quiet"),
        ("cpio", "echo x | cpio -o -H crc --quiet"),
        ("cpio", "echo x | cpio -o -H odc --quiet"),
        ("cpio", "echo x | bsdcpio -o -H newc --quiet"),
    ] {
        assert_refused(&shell(line), format(container), line);
    }
    std::fs::write(folder.path().join("tar"), packed(&small(), format("tar"))).unwrap();
    for (codec, line) in [
        ("gz", "gzip -n < tar"),
        ("gz", "gzip -N tar -c"),
        ("zst", "zstd -q --no-check < tar"),
        ("zst", "zstd -q < tar"),
        ("zst", "zstd -q --long=27 --ultra -22 < tar"),
    ] {
        assert_refused(&shell(line), format(&format!("tar.{codec}")), line);
    }
}

/// Numbers that ask for memory.
#[test]
fn sizes_are_not_believed() {
    let tar = packed(&small(), format("tar"));
    let pax = tar.chunks(512).position(|block| block[156] == b'x').unwrap() * 512;
    for size in ["77777777777", "00000000000", "00000040000"] {
        let mut bytes = tar.clone();
        bytes[pax + 124..pax + 135].copy_from_slice(size.as_bytes());
        assert_refused(&bytes, format("tar"), "a pax record's size");
    }
    let cpio = packed(&small(), format("cpio"));
    for size in ["FFFFFFFF", "00001001", "00000001", "00000000"] {
        let mut bytes = cpio.clone();
        bytes[94..102].copy_from_slice(size.as_bytes());
        assert_refused(&bytes, format("cpio"), "a name's size");
    }
}

#[test]
fn a_source_that_cannot_be_read_is_not_damage() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::from_raw_os_error(5)),
                count => Ok(count),
            }
        }
    }
    for format in Format::ALL {
        let bytes = packed(&small(), format);
        for length in 0..bytes.len() {
            let error = read(&mut Broken(&bytes[..length]), format, &mut |_, _| Ok(())).unwrap_err();
            assert_eq!(error.class(), Class::Environment, "{format} {length}: {error}");
        }
    }
}

//! What was compressed before serves as what is compressed now: the same bytes, whoever made them and whenever.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use mastermold::archive::{self, Codec, Part, Piece, Pieces, press, sums};

use super::judges::{output, run, scratch};
use super::*;

/// A tree with parts of every kind: runs before, between and behind large files, some of whose sizes need padding.
pub fn large() -> Tree {
    let text = |line: &str, count| file(line.repeat(count));
    let mut entries = vec![
        ("/a/small".into(), file("x")),
        ("/b/noise".into(), file(noise((4 << 20) + 1))),
        ("/b/of-one-part".into(), text("four", 1 << 20)),
        ("/c/behind".into(), link("../a/small")),
        ("/d/words".into(), text("the same again and again\n", 300_000)),
        ("/e/last".into(), file("")),
    ];
    entries.extend((0..40).map(|index| (format!("/f/{index:02}"), text("run\n", 60_000 + index))));
    tree(entries)
}

/// Pieces in memory, and how many of them were asked for and not there.
#[derive(Default)]
struct Kept {
    pieces: BTreeMap<(Digest, Codec), Vec<u8>>,
    sums: BTreeMap<(Digest, Codec), u64>,
    missed: Mutex<usize>,
}

impl Kept {
    fn press(&mut self, alike: &[Part<'_>], packing: &Packing) {
        let (first, codec) = (&alike[0], packing.format.codec);
        let mut bytes = Vec::new();
        let found = press(alike, &NoBlobs, packing, &mut bytes).unwrap();
        assert_eq!(sums(alike, &NoBlobs, codec).unwrap(), found);
        self.pieces.insert((first.body_digest(), codec), bytes);
        self.sums.extend(alike.iter().map(|part| (part.digest(), codec)).zip(found));
    }
}

impl Pieces for Kept {
    fn find(&self, part: &Part<'_>, packing: &Packing) -> Result<Option<Piece<'_>>> {
        let codec = packing.format.codec;
        let piece = self.pieces.get(&(part.body_digest(), codec)).zip(self.sums.get(&(part.digest(), codec)));
        *self.missed.lock().unwrap() += usize::from(piece.is_none());
        Ok(piece.map(|(bytes, &sum)| Piece { blocks: Box::new(&bytes[..]), sum }))
    }
}

#[test]
fn pieces_change_nothing() {
    let tree = large();
    for codec in ["gz", "zst"] {
        let mut kept = Kept::default();
        let mut alike: BTreeMap<Digest, Vec<Part<'_>>> = BTreeMap::new();
        for container in ["tar", "cpio"] {
            let of = format(&format!("{container}.{codec}"));
            for part in archive::parts(&tree, of.container, Epoch::FILES) {
                let part = part.unwrap();
                alike.entry(part.body_digest()).or_default().push(part);
            }
        }
        // Large files are one piece for both containers, and nothing else is.
        assert_eq!(alike.values().filter(|parts| parts.len() == 2).count(), 3);
        for (index, parts) in alike.values().enumerate() {
            let workers = 1 + index % 3;
            kept.press(parts, &Packing { workers, ..packing(format(&format!("tar.{codec}"))) });
        }
        for container in ["tar", "cpio"] {
            let of = format(&format!("{container}.{codec}"));
            let mut out = Vec::new();
            pack(&tree, &NoBlobs, &kept, &packing(of), &mut out).unwrap();
            assert!(out == packed(&tree, of), "{of}");
            assert_eq!(*kept.missed.lock().unwrap(), 0);
            assert!(visited(&out, of).unwrap() == expected(&tree), "{of}");
        }
        // Without some of them it is the same again.
        kept.pieces.retain(|(body, _), _| alike[body].len() < 2);
        let of = format(&format!("cpio.{codec}"));
        let mut out = Vec::new();
        pack(&tree, &NoBlobs, &kept, &packing(of), &mut out).unwrap();
        assert!(*kept.missed.lock().unwrap() > 0 && out == packed(&tree, of));
    }
}

/// Other programs see one stream, check the sums over it, and find nothing behind.
#[test]
fn strangers_read_what_is_put_together() {
    let (directory, tree) = (scratch(), large());
    for of in Format::ALL.into_iter().filter(|of| of.codec != Codec::Plain) {
        let plain = packed(&tree, Format { codec: Codec::Plain, ..of });
        let path = directory.path().join(format!("x.{of}"));
        std::fs::write(&path, packed(&tree, of)).unwrap();
        let program = if of.codec == Codec::Gzip { "gzip" } else { "zstd" };
        run(Command::new(program).arg("-tq").arg(&path), program);
        let unpacked = output(run(Command::new(program).arg("-dcq").arg(&path), program));
        assert!(unpacked == plain, "{of}");
    }
}

/// A frame for each part, which ends where an entry does; one that ends elsewhere is refused.
#[test]
fn frames_end_where_parts_do() {
    let tree = large();
    let of = format("cpio.zst");
    let plain = packed(&tree, format("cpio"));
    let count = archive::parts(&tree, of.container, Epoch::FILES).count();
    assert_eq!(count, 10);
    let cut = |at: &[usize]| {
        let mut rest = &plain[..];
        let mut frames: Vec<Vec<u8>> = Vec::new();
        for length in at {
            let (frame, behind) = rest.split_at(*length);
            frames.push(frame_of(frame));
            rest = behind;
        }
        frames.push(frame_of(rest));
        frames.concat()
    };
    let lengths: Vec<usize> =
        archive::parts(&tree, of.container, Epoch::FILES).map(|part| part.unwrap().plain() as usize).collect();
    let (last, right) = lengths.split_last().unwrap();
    assert_eq!(plain.len(), right.iter().sum::<usize>() + last);
    for wrong in [&right[1..], &[1000, 2000], &[right[0], right[1] + right[2]]] {
        let error = visited(&cut(wrong), of).unwrap_err().to_string();
        assert!(error.contains("a frame ends where"), "{error}");
    }
    // At the right places there is nothing to say but of the length, which need not be a multiple of 4 here.
    match visited(&cut(right), of) {
        Ok(found) => assert!(found == expected(&tree)),
        Err(error) => assert!(error.to_string().contains("multiple of 4"), "{error}"),
    }
}

fn frame_of(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::bulk::Compressor::new(1).unwrap();
    encoder.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
    encoder.compress(plain).unwrap()
}

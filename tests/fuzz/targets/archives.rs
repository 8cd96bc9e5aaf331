//! The strict reader of our own archives: what it takes is, byte for byte, what our writer writes of it.

use std::io::Read;

use mastermold::archive::{Codec, Container, Format, Header, HeaderKind, NoPieces, Packing, pack, read};
use mastermold::epoch::Epoch;
use mastermold::error::{Class, Result};
use mastermold::tree::{Content, Entry, NoBlobs, Node, Tree};

use crate::targets::foreign::with_right_sums;

/// A tar archive. Sums of headers are made right first, or hardly any change would get past them; the first byte says
/// whether.
pub fn tar(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let fixed = if mode & 1 == 0 { rest.to_vec() } else { with_right_sums(rest) };
    check(&fixed, Format { container: Container::Tar, codec: Codec::Plain });
}

/// A cpio archive.
pub fn cpio(data: &[u8]) {
    check(data, Format { container: Container::Cpio, codec: Codec::Plain });
}

/// A compressed one; the first byte says which.
pub fn compressed(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let formats: Vec<Format> = Format::ALL.into_iter().filter(|format| format.codec != Codec::Plain).collect();
    check(rest, formats[usize::from(*mode) % formats.len()]);
}

fn check(bytes: &[u8], format: Format) {
    let mut entries = Vec::new();
    let mut keep = |header: &Header, body: &mut dyn Read| -> Result<()> {
        let mut contents = Vec::new();
        body.read_to_end(&mut contents).map_err(|error| mastermold::error::Error::io("reading", "it", error))?;
        entries.push((header.clone(), contents));
        Ok(())
    };
    match read(&mut &bytes[..], format, &mut keep) {
        // Contents that are not looked at are passed over, to the same end.
        Ok(()) => assert!(read(&mut &bytes[..], format, &mut |_, _| Ok(())).is_ok()),
        Err(error) => {
            assert_eq!(error.class(), Class::Integrity, "{error}");
            assert!(read(&mut &bytes[..], format, &mut |_, _| Ok(())).is_err());
            return;
        }
    }
    let mtime = entries.first().map_or(Epoch::FILES, |(header, _)| Epoch::from_seconds(header.mtime).unwrap());
    let mut tree = Tree::new();
    for (header, contents) in entries {
        let node = match header.kind {
            HeaderKind::Directory => Node::Directory,
            HeaderKind::File { size } => {
                assert_eq!(size, contents.len() as u64);
                Node::File(Content::inline(contents))
            }
            HeaderKind::Symlink { target } => Node::Symlink(target),
        };
        let Header { mode, uid, gid, .. } = header;
        tree.insert(header.path, Entry { mode, uid, gid, ..Entry::new(node, "fuzz") }).unwrap();
    }
    let plain = Format { codec: Codec::Plain, ..format };
    let packing = Packing { format: plain, level: plain.default_level(), mtime, workers: 1, memory: 1 << 30 };
    let mut written = Vec::new();
    pack(&tree, &NoBlobs, &NoPieces, &packing, &mut written).unwrap();
    let expected = match format.codec {
        Codec::Plain => bytes.to_vec(),
        Codec::Gzip => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
            plain
        }
        Codec::Zstd => zstd::decode_all(bytes).unwrap(),
    };
    assert!(written == expected, "what was read is written in other bytes");
}

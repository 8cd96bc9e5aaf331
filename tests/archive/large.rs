//! Large files and many: exact at the limits, and in bounded memory.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::process::Command;

use super::judges::{output, run, scratch};
use super::*;
use mastermold::archive::check;
use mastermold::error::Class;

/// Files of zeros, of any size, with one byte that is none at the end.
struct Zeros;

impl Blobs for Zeros {
    fn open(&self, _: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(std::io::repeat(0).take(size - 1).chain(&b"!"[..])))
    }
}

fn giant(size: u64) -> Tree {
    let content = Content::Blob { digest: Digest::of(b"not looked at"), size };
    tree([("/giant".into(), Entry::new(Node::File(content), "test")), ("/last".into(), file("comes after it"))])
}

/// Leaves holes where zeros come.
struct Sparse(File, u64);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
        let bytes = &bytes[..bytes.len().min(ZEROS.len())];
        self.1 += bytes.len() as u64;
        if *bytes == ZEROS[..bytes.len()] {
            self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
            self.0.set_len(self.1)?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn judged(size: u64, name: &str, judges: &[(&str, &str)]) {
    let folder = scratch();
    let archive = folder.path().join("archive");
    let mut out = Sparse(File::create(&archive).unwrap(), 0);
    pack(&giant(size), &Zeros, &NoPieces, &packing(format(name)), &mut out).unwrap();
    for (line, package) in judges {
        let line = format!("{line} < {}", archive.display());
        let text = output(run(Command::new("sh").args(["-c", &line]), package));
        let text = String::from_utf8(text).unwrap();
        let rows: Vec<_> = text.lines().collect();
        let whole = rows.len() == 2
            && rows[0].contains(&format!(" {size} "))
            && rows[0].ends_with(" giant")
            && rows[1].contains(" 14 ")
            && rows[1].ends_with(" last");
        assert!(whole, "{line}: {text}");
    }
    let mut sizes = Vec::new();
    read(&mut File::open(&archive).unwrap(), format(name), &mut |header, _| {
        sizes.push(header.size());
        Ok(())
    })
    .unwrap();
    assert_eq!(sizes, [size, 14]);
}

#[test]
fn the_largest_file_of_a_cpio() {
    let last = (1 << 32) - 1;
    judged(last, "cpio", &[("bsdcpio -itv --quiet", "libarchive-tools"), ("cpio -itv --quiet", "cpio")]);
    for size in [last + 1, last + 2] {
        let error = check(&giant(size), format("cpio").container, Epoch::FILES).unwrap_err();
        assert_eq!(error.class(), Class::Policy);
        let mut out = Vec::new();
        assert_eq!(pack(&giant(size), &Zeros, &NoPieces, &packing(format("cpio.zst")), &mut out).unwrap_err(), error);
        assert!(out.is_empty());
    }
}

#[test]
fn the_largest_file_of_a_tar() {
    let last = (1 << 33) - 1;
    let judges =
        [("tar -tvf -", "tar"), ("bsdtar -tvf -", "libarchive-tools"), ("busybox tar -tvf -", "busybox-static")];
    judged(last, "tar", &judges);
    let mut out = Vec::new();
    let error = pack(&giant(last + 1), &Zeros, &NoPieces, &packing(format("tar")), &mut out).unwrap_err();
    assert_eq!((error.class(), out.len()), (Class::Policy, 0));
}

#[test]
fn many_files() {
    let count = 200_000;
    let tree = tree((0..count).map(|index| (format!("/many/{:03}/{index}", index % 500), file("x"))));
    for name in ["tar.zst", "cpio.gz"] {
        let bytes = packed(&tree, Format { ..format(name) });
        let mut seen = 0;
        read(&mut &bytes[..], format(name), &mut |_, _| {
            seen += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, tree.len());
    }
}

//! Small files that would become large ones: what they take is measured (`tests/store/bombs.rs`).

use std::io::{Read, Write, repeat};

use super::{Vector, ar, entry, gzip, header, tar, zip};

const GIB: u64 = 1 << 30;
/// Four times what no ratio forbids.
const LARGE: u64 = 256 << 20;

/// What is written, and then so many zeros, all compressed.
fn packed(parts: &[&[u8]], zeros: u64) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    parts.iter().for_each(|part| encoder.write_all(part).unwrap());
    std::io::copy(&mut repeat(0).take(zeros), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

/// A pattern so often, compressed.
fn repeated(pattern: &[u8], times: u64) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    (0..times).for_each(|_| encoder.write_all(pattern).unwrap());
    encoder.finish().unwrap()
}

/// An xz stream whose first block wants a dictionary of 4 GiB (the .xz file format 1.2, 3.1 and 5.3.1).
fn xz_dictionary() -> Vec<u8> {
    let mut bytes = super::xz(&tar(&[entry("want", b'0', b"good", "")]));
    let header = (usize::from(bytes[12]) + 1) * 4;
    let at = 12 + bytes[12..12 + header].windows(2).position(|two| two == [0x21, 1]).unwrap() + 2;
    bytes[at] = 40;
    let sum = crc32fast::hash(&bytes[12..12 + header - 4]).to_le_bytes();
    bytes[12 + header - 4..12 + header].copy_from_slice(&sum);
    bytes
}

/// Directories in directories, each with its whole path, deeper than any path may be.
fn deep() -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let mut path = String::new();
    for _ in 0..3_000 {
        path.push_str("d/");
        encoder.write_all(&entry("L", b'L', format!("{path}\0").as_bytes(), "")).unwrap();
        encoder.write_all(&entry("d/", b'5', b"", "")).unwrap();
    }
    encoder.finish().unwrap()
}

/// 65,000 names for one file.
fn overlapping() -> Vec<u8> {
    let one = zip(&[("want", 0o100_755, &vec![0; 60_000], None)]);
    let directory = one.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let end = one.windows(4).position(|four| four == b"PK\x05\x06").unwrap();
    let mut bytes = one[..directory].to_vec();
    (0..65_000).for_each(|_| bytes.extend_from_slice(&one[directory..end]));
    let size = (bytes.len() - directory) as u32;
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([65_000_u16.to_le_bytes(), 65_000_u16.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), (directory as u32).to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

/// Archives, of which `want` is asked for. A few are taken: what is in them is not unpacked.
pub fn archives() -> Vec<Vector> {
    let want = entry("want", b'0', b"good", "");
    let large = packed(&[&header(b"want", b'0', GIB, b"")], GIB + 1024);
    let control = packed(&[&header(b"x", b'0', LARGE, b"")], LARGE);
    let pax: Vec<u8> = b"9 a=bbbb\n".repeat(100_000);
    let vector = |name, bytes, code| Vector { name, bytes, code };
    vec![
        vector("32 KB of zstd that are 1 GiB", large.clone(), 8),
        vector("the same twice", [&large[..], &large].concat(), 8),
        vector("the same in gzip", gzip(&large), 3),
        vector("zeros for 256 MiB", packed(&[], LARGE), 8),
        vector("zeros for 256 MiB behind the end", packed(&[&tar(std::slice::from_ref(&want))], LARGE), 8),
        vector("a pax header of 256 MiB", packed(&[&header(b"p", b'x', LARGE, b"")], LARGE), 8),
        vector("a long name of 256 MiB", packed(&[&header(b"L", b'L', LARGE, b"")], LARGE), 8),
        vector("100,000 pax records", tar(&[entry("p", b'x', &pax, ""), want.clone()]), 8),
        vector("a sparse file of 10,000,000 holes", repeated(&header(b"want", b'S', 0, b""), 10_000_000 / 21), 8),
        vector("1,000,000 entries", repeated(&entry("d/", b'5', b"", ""), 1_000_000), 8),
        vector("3,000 directories in each other", deep(), 8),
        vector("xz with a dictionary of 4 GiB", xz_dictionary(), 8),
        vector("zip of 65,000 names for one file", overlapping(), 8),
        vector(
            "deb whose control is 256 MiB",
            ar(&[
                ("debian-binary", b"2.0\n"),
                ("control.tar.zst", &control),
                ("data.tar", &tar(std::slice::from_ref(&want))),
            ]),
            0,
        ),
        vector(
            "deb whose data is 1 GiB",
            ar(&[("debian-binary", b"2.0\n"), ("control.tar", b""), ("data.tar.zst", &large)]),
            8,
        ),
        vector(
            "deb with a member of 9 GB, declared",
            [
                b"!<arch>\n".to_vec(),
                format!("{:<16}{:<32}{:<10}`\n", "debian-binary", 0, 9_999_999_999_u64).into_bytes(),
            ]
            .concat(),
            8,
        ),
    ]
}

/// An entry of a newc archive with nothing in it, or that says so.
fn newc(name: &[u8], mode: u32, size: u32) -> Vec<u8> {
    let fields = [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let mut bytes = b"070701".to_vec();
    fields.iter().for_each(|field| write!(bytes, "{field:08X}").unwrap());
    bytes.extend_from_slice(name);
    bytes.resize((bytes.len() + 1).next_multiple_of(4), 0);
    bytes
}

/// Initrds of others.
pub fn initrds() -> Vec<Vector> {
    let vector = |name, bytes, code| Vector { name, bytes, code };
    let file = packed(&[&newc(b"x", 0o100_644, GIB as u32)], GIB);
    vec![
        vector("an initrd with a file of 1 GiB", file.clone(), 8),
        vector("the same a hundred times", file.repeat(100), 8),
        vector("zeros for 256 MiB", packed(&[&newc(b"x", 0o100_644, 0)], LARGE), 8),
        vector("a link to 4 MiB", packed(&[&newc(b"x", 0o120_777, 4 << 20)], 4 << 20), 3),
        vector(
            "10,000 names of 4,000 bytes",
            repeated(&newc(&[&b"d/".repeat(1999)[..], b"x"].concat(), 0o100_644, 0), 10_000),
            8,
        ),
        vector("a file of 4 GiB, declared", newc(b"x", 0o100_644, u32::MAX), 8),
        vector("an entry of no cpio behind one", [newc(b"x", 0o100_644, 0), vec![b'0'; 512]].concat(), 3),
    ]
}

//! Hostile archives, each made here byte by byte, with the class that must refuse it.

pub mod bombs;

use std::io::Write;

/// One archive that must be refused.
pub struct Vector {
    /// What is wrong with it.
    pub name: &'static str,
    /// The archive.
    pub bytes: Vec<u8>,
    /// Exit code of the class: 3 integrity, 8 policy.
    pub code: u8,
}

fn octal(field: &mut [u8], number: u64) {
    let text = format!("{number:0width$o}\0", width = field.len() - 1);
    field.copy_from_slice(text.as_bytes());
}

/// A ustar header with a right checksum.
pub fn header(name: &[u8], kind: u8, size: u64, link: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    octal(&mut block[100..108], 0o755);
    octal(&mut block[108..116], 0);
    octal(&mut block[116..124], 0);
    octal(&mut block[124..136], size);
    octal(&mut block[136..148], 0);
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u64 = block[..512].iter().map(|byte| u64::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// An entry with its bytes, padded.
pub fn entry(name: &str, kind: u8, body: &[u8], link: &str) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), kind, body.len() as u64, link.as_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, body: &str) -> Vec<u8> {
    entry(name, b'0', body.as_bytes(), "")
}

fn pax(kind: u8, records: &[u8]) -> Vec<u8> {
    entry("PaxHeaders/x", kind, records, "")
}

/// Parts joined, with an end marker.
pub fn tar(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An ar archive.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, body) in members {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, body.len()).unwrap();
        bytes.extend_from_slice(body);
        if body.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// A zip of stored entries: name, mode of stat(2), bytes; and a name for the local header, if it shall differ.
pub fn zip(entries: &[(&str, u32, &[u8], Option<&str>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, mode, body, local) in entries {
        let at = bytes.len() as u32;
        let mut fixed = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        fixed.extend(crc32fast::hash(body).to_le_bytes());
        fixed.extend((body.len() as u32).to_le_bytes());
        fixed.extend((body.len() as u32).to_le_bytes());
        let local = local.unwrap_or(name);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&fixed);
        bytes.extend((local.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(local.as_bytes());
        bytes.extend(*body);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&fixed);
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((mode << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, at) = ((entries.len() as u16).to_le_bytes(), bytes.len() as u32);
    let size = directory.len() as u32;
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(size.to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn good() -> Vec<u8> {
    file("want", "good")
}

fn names() -> Vec<Vector> {
    let named = |name: &'static str, path: &str| Vector { name, bytes: tar(&[good(), file(path, "evil")]), code: 8 };
    vec![
        named("parent", "../x"),
        named("absolute", "/x"),
        named("deep parent", "a/../../x"),
        named("drive letter", "C:\\x"),
        named("drive letter with slash", "c:/x"),
        named("empty name", ""),
        named("dot", "."),
        named("double slash", "a//b"),
        named("inner dot", "a/./b"),
        named("line break", "a\nb"),
        named("escape", "a\u{1b}[2J"),
        Vector { name: "not UTF-8", bytes: tar(&[good(), header(b"\xff\xfe", b'0', 0, b"")]), code: 8 },
        named("long component", &"x".repeat(100).replace("xx", "x/").replace("x/x/", "../")),
    ]
}

fn links() -> Vec<Vector> {
    let linked = |name, kind, link: &str| Vector { name, bytes: tar(&[entry("want", kind, b"", link)]), code: 8 };
    let parts = |name, parts: &[Vec<u8>]| Vector { name, bytes: tar(parts), code: 8 };
    vec![
        linked("symlink to /etc/passwd", b'2', "/etc/passwd"),
        linked("symlink out", b'2', "../../../etc/passwd"),
        linked("symlink to itself", b'2', "want"),
        linked("symlink to nothing", b'2', "gone"),
        linked("symlink with NUL only", b'2', ""),
        linked("hard link to /etc/passwd", b'1', "/etc/passwd"),
        linked("hard link out", b'1', "../etc/passwd"),
        linked("hard link to itself", b'1', "want"),
        parts("symlink then file through it", &[entry("d", b'2', b"", "/etc"), file("d/passwd", "evil"), good()]),
        parts("symlink then directory over it", &[entry("want", b'2', b"", "/etc"), entry("want/", b'5', b"", "")]),
        parts("hard link through a symlink", &[entry("d", b'2', b"", "/etc"), entry("want", b'1', b"", "d/passwd")]),
        parts("hard link to a symlink", &[entry("s", b'2', b"", "/etc/passwd"), entry("want", b'1', b"", "s")]),
        parts("link loop", &[entry("want", b'2', b"", "b"), entry("b", b'2', b"", "want")]),
        parts("file below a file", &[file("a", "x"), file("a/b", "y"), good()]),
        parts("character device", &[entry("want", b'3', b"", "")]),
        parts("block device", &[entry("want", b'4', b"", "")]),
        parts("FIFO", &[entry("want", b'6', b"", "")]),
        parts("directory", &[entry("want/", b'5', b"", "")]),
        parts("twice", &[good(), file("want", "other")]),
        parts("twice, once with ./", &[good(), file("./want", "other")]),
        parts("sparse", &[entry("want", b'S', b"x", "")]),
        parts("unknown type", &[entry("want", b'Z', b"x", "")]),
        parts("multi-volume", &[entry("want", b'M', b"x", "")]),
        parts("link with bytes", &[good(), entry("l", b'2', b"smuggled", "want")]),
        parts("directory with bytes", &[good(), entry("d/", b'5', b"smuggled", "")]),
        parts("setuid", &[altered(good(), 100, b"0004755\0")]),
        parts("setgid", &[altered(good(), 100, b"0002755\0")]),
    ]
}

fn altered(mut bytes: Vec<u8>, at: usize, field: &[u8]) -> Vec<u8> {
    bytes[at..at + field.len()].copy_from_slice(field);
    seal(&mut bytes);
    bytes
}

fn records() -> Vec<Vector> {
    let with = |name, record: Vec<u8>| Vector { name, bytes: tar(&[record, good()]), code: 8 };
    vec![
        with("pax size above the header's", pax(b'x', b"13 size=1536\n")),
        with("pax size below the header's", pax(b'x', b"10 size=0\n")),
        with("pax size, global", pax(b'g', b"10 size=4\n")),
        with("pax path, global", pax(b'g', b"13 path=evil\n")),
        with("pax key repeated", pax(b'x', b"13 path=want\n13 path=evil\n")),
        with("pax path with NUL", pax(b'x', b"15 path=want\0x\n")),
        with("pax path out", pax(b'x', b"13 path=../x\n")),
        with("pax length too long", pax(b'x', b"99 path=want\n")),
        with("pax length too short", pax(b'x', b"5 path=want\n")),
        with("pax length zero", pax(b'x', b"0 path=want\n")),
        with("pax length huge", pax(b'x', b"99999999999999999999999 path=want\n")),
        with("pax without equals", pax(b'x', b"12 pathwant\n")),
        with("pax twice", [pax(b'x', b"13 path=want\n"), pax(b'x', b"11 mtime=1\n")].concat()),
        with("pax before L", [pax(b'x', b"13 path=want\n"), entry("L", b'L', b"evil\0", "")].concat()),
        with("L before pax", [entry("L", b'L', b"evil\0", ""), pax(b'x', b"13 path=want\n")].concat()),
        with("L twice", [entry("L", b'L', b"evil\0", ""), entry("L", b'L', b"want\0", "")].concat()),
        with("L with NUL inside", entry("L", b'L', b"want\0evil\0", "")),
        with("pax in a header of no dialect", altered(pax(b'x', b"13 path=evil\n"), 257, b"ostar")),
        with("pax in a header of another version", altered(pax(b'x', b"13 path=evil\n"), 263, b"01")),
        with("L in an old header", altered(entry("L", b'L', b"evil\0", ""), 257, &[0; 8])),
        with(
            "a second part of a name in another version",
            altered(altered(file("x", "x"), 345, b"evil"), 263, b"\0\0"),
        ),
        with("GNU sparse by pax", pax(b'x', b"22 GNU.sparse.major=1\n")),
        with("pax record of 2 MiB", pax(b'x', &vec![b'x'; 2 << 20])),
        with("L of 2 MiB", entry("L", b'L', &vec![b'x'; 2 << 20], "")),
        with("L of 8 GiB, declared", header(b"L", b'L', (8 << 30) - 1, b"")),
        Vector { name: "pax at the end", bytes: tar(&[good(), pax(b'x', b"13 path=want\n")]), code: 8 },
    ]
}

fn fields() -> Vec<Vector> {
    let size = |name, field: &[u8]| Vector { name, bytes: tar(&[altered(good(), 124, field)]), code: 8 };
    let mut bad_sum = good();
    bad_sum[0] = b'W';
    let raw = |name, bytes, code| Vector { name, bytes, code };
    let whole = tar(&[good()]);
    let behind = |junk: &[u8]| [&whole[..], junk].concat();
    vec![
        size("negative size", b"-0000000004\0"),
        size("base-256 size", b"\x80\0\0\0\0\0\0\0\0\0\0\x04"),
        size("base-256 negative size", &[0xff; 12]),
        size("decimal size", b"00000000008\0"),
        size("empty size", &[0; 12]),
        size("size with junk behind NUL", b"000000004\x0011"),
        raw("wrong checksum", [good(), tar(&[bad_sum])].concat(), 3),
        raw("no end marker", good(), 3),
        raw("one zero block", whole[..whole.len() - 512].to_vec(), 3),
        raw("cut in a body", whole[..514].to_vec(), 3),
        raw("cut in a header", whole[..300].to_vec(), 3),
        raw("a zero block between", [vec![0; 512], tar(&[good()])].concat(), 8),
        raw("an archive behind the end", behind(&tar(&[file("want", "evil")])), 8),
        raw("a byte behind the end", behind(b"x"), 8),
        raw("nothing", Vec::new(), 3),
        raw("an HTML page", b"<!DOCTYPE html><html><body>not found</body></html>".repeat(20), 3),
        raw("an ELF file", [b"\x7fELF".to_vec(), vec![1; 4096]].concat(), 3),
    ]
}

fn streams() -> Vec<Vector> {
    let whole = tar(&[good()]);
    let mut vectors = Vec::new();
    type Pack = fn(&[u8]) -> Vec<u8>;
    for (kind, pack) in [("gzip", gzip as Pack), ("zstd", zstd), ("xz", xz)] {
        let packed = pack(&whole);
        for cut in 1..=8 {
            vectors.push((format!("{kind} cut by {cut}"), packed[..packed.len() - cut].to_vec(), 3));
        }
        vectors.push((format!("{kind} with junk"), [&packed[..], b"junk!"].concat(), 3));
        vectors.push((format!("{kind} with another archive behind"), [&packed[..], &pack(&whole)].concat(), 8));
        vectors.push((format!("{kind} in {kind}"), pack(&packed), 3));
        // In the CRC of gzip and in the footer of xz; zstd has no checksum unless asked.
        if kind != "zstd" {
            let mut flipped = packed.clone();
            let at = flipped.len() - 6;
            flipped[at] ^= 0x40;
            vectors.push((format!("{kind} with a bit flipped"), flipped, 3));
        }
    }
    vectors.push(("zip in gzip".into(), gzip(&zip(&[("want", 0o100_755, b"good", None)])), 3));
    let leak = |(name, bytes, code): (String, Vec<u8>, u8)| Vector { name: name.leak(), bytes, code };
    vectors.into_iter().map(leak).collect()
}

fn bombs() -> Vec<Vector> {
    // Above the 64 MiB that no ratio forbids.
    let zeros = vec![0; 66 << 20];
    let bomb = tar(&[header(b"want", b'0', zeros.len() as u64, b""), zeros]);
    let mut window = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8]; // RFC 8878: a window of 2 GiB.
    window.extend([1, 0, 0, 0, 0, 0]);
    vec![
        Vector { name: "gzip bomb", bytes: gzip(&bomb), code: 8 },
        Vector { name: "zstd bomb", bytes: zstd(&bomb), code: 8 },
        Vector { name: "xz bomb", bytes: xz(&bomb), code: 8 },
        Vector { name: "zstd with a huge window", bytes: window, code: 8 },
    ]
}

fn debs() -> Vec<Vector> {
    let (control, data) = (gzip(&tar(&[file("postinst", "#!/bin/sh\ntouch /canary\n")])), gzip(&tar(&[good()])));
    let evil = gzip(&tar(&[file("want", "evil")]));
    let version: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let deb = |name, members: &[(&str, &[u8])], code| Vector { name, bytes: ar(members), code };
    let (control, data) = (("control.tar.gz", &control[..]), ("data.tar.gz", &data[..]));
    let mut padding = ar(&[version, ("control.tar.gz", b"odd"), data]);
    let at = padding.windows(4).position(|four| four == b"odd\n").unwrap();
    padding[at + 3] = b'x';
    let cut = ar(&[version, control, data]);
    vec![
        deb("deb with two data.tar", &[version, control, data, ("data.tar.gz", &evil)], 8),
        deb("deb with data before control", &[version, data, control], 8),
        deb("deb without data", &[version, control], 3),
        deb("deb of version 3", &[("debian-binary", b"3.0\n"), control, data], 8),
        deb("deb with a path", &[version, control, ("../data.tar.gz", data.1)], 8),
        deb("deb with an unknown member", &[version, control, ("x", b"x"), data], 8),
        deb("deb with data.tar.lzma", &[version, control, ("data.tar.lzma", data.1)], 8),
        deb("static library", &[("a.o/", b"\x7fELF")], 8),
        Vector { name: "deb with odd padding", bytes: padding, code: 8 },
        Vector { name: "deb cut", bytes: cut[..cut.len() - 9].to_vec(), code: 3 },
    ]
}

fn zips() -> Vec<Vector> {
    let good = ("want", 0o100_755, &b"good"[..], None);
    let one = |name, path, mode, body: &[u8]| Vector { name, bytes: zip(&[good, (path, mode, body, None)]), code: 8 };
    let whole = zip(&[good]);
    let changed = |name, at: usize, byte: u8, code| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        Vector { name, bytes, code }
    };
    vec![
        one("zip: parent", "../x", 0o100_644, b"evil"),
        one("zip: absolute", "/x", 0o100_644, b"evil"),
        one("zip: twice", "want", 0o100_644, b"evil"),
        one("zip: directory with bytes", "d/", 0o040_755, b"evil"),
        Vector { name: "zip: symlink out", bytes: zip(&[("want", 0o120_777, b"/etc/passwd", None)]), code: 8 },
        Vector { name: "zip: device", bytes: zip(&[("want", 0o020_666, b"", None)]), code: 8 },
        Vector { name: "zip: setuid", bytes: zip(&[("want", 0o104_755, b"x", None)]), code: 8 },
        Vector { name: "zip: two names", bytes: zip(&[("want", 0o100_755, b"x", Some("evil"))]), code: 8 },
        Vector { name: "zip: nothing", bytes: zip(&[]), code: 3 },
        Vector { name: "zip: something before", bytes: [&gzip(b"x")[..], &whole].concat(), code: 3 },
        Vector { name: "zip: something behind", bytes: [&whole[..], b"x"].concat(), code: 3 },
        Vector { name: "zip: two in one", bytes: [&whole[..], &whole].concat(), code: 8 },
        Vector { name: "zip: cut", bytes: whole[..whole.len() - 3].to_vec(), code: 3 },
        changed("zip: other bytes", 34, b'G', 3),
        changed("zip: encrypted", 6, 1, 8),
        changed("zip: other method", 8, 12, 8),
        changed("zip: other local size", 22, 5, 8),
    ]
}

/// All of them. The member that is asked for is `want`.
pub fn vectors() -> Vec<Vector> {
    [names(), links(), records(), fields(), streams(), bombs(), debs(), zips()].into_iter().flatten().collect()
}

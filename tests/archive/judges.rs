//! Other programs list and unpack our archives; all must see the tree, whatever their exit codes say.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::*;

/// A directory for one test.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Runs a program in a fixed locale and zone; if it is missing, says what to install.
pub fn run(command: &mut Command, package: &str) -> Output {
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("TAR_OPTIONS", "");
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{:?}: {error}; install {package}", command.get_program()),
    }
}

/// What it printed; it must have succeeded.
pub fn output(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn shell(line: &str, folder: &Path, package: &str) -> Vec<u8> {
    output(run(Command::new("sh").args(["-c", line]).current_dir(folder), package))
}

/// A line of a listing: mode as `ls` writes it, owner, group, size, name, target.
type Row = (String, u32, u32, u64, String, Option<String>);

fn rows(tree: &Tree, container: &str) -> Vec<Row> {
    let row = |(path, entry): (&TreePath, &Entry)| {
        let (letter, size, target) = match &entry.node {
            Node::Directory => ('d', 0, None),
            Node::File(content) => ('-', content.size(), None),
            // cpio has the target as contents.
            Node::Symlink(target) if container == "cpio" => ('l', target.len() as u64, Some(target.clone())),
            Node::Symlink(target) => ('l', 0, Some(target.clone())),
        };
        (letters(letter, entry.mode), entry.uid, entry.gid, size, path.as_str().to_owned(), target)
    };
    tree.iter().map(row).collect()
}

/// `-rwsr-xr-t`, as `ls` writes it.
fn letters(kind: char, mode: u32) -> String {
    let mut text: Vec<char> = "rwxrwxrwx".chars().collect();
    for (index, letter) in text.iter_mut().enumerate() {
        if mode >> (8 - index) & 1 == 0 {
            *letter = '-';
        }
    }
    for (bit, at, letter) in [(0o4000, 2, 's'), (0o2000, 5, 's'), (0o1000, 8, 't')] {
        if mode & bit != 0 {
            text[at] = if text[at] == '-' { letter.to_ascii_uppercase() } else { letter };
        }
    }
    std::iter::once(kind).chain(text).collect()
}

/// Where a listing has owner, group and size, and after how many words the name.
struct Columns {
    owner: usize,
    group: usize,
    size: usize,
    name: usize,
}

fn listed(text: &[u8], columns: &Columns) -> Vec<Row> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines().map(|line| row(line, columns)).collect()
}

fn row(line: &str, columns: &Columns) -> Row {
    let mut words = Vec::new();
    let mut rest = line;
    while words.len() < columns.name {
        let start = rest.trim_start_matches(' ');
        let end = start.find(' ').unwrap_or(start.len());
        words.push(&start[..end]);
        rest = &start[end..];
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (name, target) = match rest.split_once(" -> ") {
        Some((name, target)) if words[0].starts_with('l') => (name, Some(target.to_owned())),
        _ => (rest, None),
    };
    let name = if words[0].starts_with('d') { name.trim_end_matches('/') } else { name };
    let number = |at: usize, part: usize| words[at].split('/').nth(part).unwrap().parse().unwrap();
    let group = number(columns.group, usize::from(columns.group == columns.owner));
    let size = words[columns.size].parse().unwrap();
    (words[0].to_owned(), number(columns.owner, 0), group, size, name.to_owned(), target)
}

/// `MODE UID/GID SIZE DATE TIME NAME`
const TAR: Columns = Columns { owner: 1, group: 1, size: 2, name: 5 };
/// `MODE LINKS UID GID SIZE MONTH DAY YEAR NAME`
const LS: Columns = Columns { owner: 2, group: 3, size: 4, name: 8 };

/// What is on the disk below a folder: name to contents, target or nothing.
fn on_disk(folder: &Path) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            let value = if kind.is_symlink() {
                Some(format!("-> {}", std::fs::read_link(&path).unwrap().to_str().unwrap()))
            } else if kind.is_file() {
                Some(Digest::of(&std::fs::read(&path).unwrap()).to_string())
            } else {
                left.push(path);
                None
            };
            found.insert(name, value);
        }
    }
    found
}

fn in_tree(tree: &Tree) -> BTreeMap<String, Option<String>> {
    let value = |entry: &Entry| match &entry.node {
        Node::Directory => None,
        Node::File(content) => Some(content.digest().to_string()),
        Node::Symlink(target) => Some(format!("-> {target}")),
    };
    tree.iter().map(|(path, entry)| (path.as_str().to_owned(), value(entry))).collect()
}

/// Directories that cannot be entered by others than root would stop an unpacking that is not root's: none here.
fn unpacked(line: &str, archive: &Path, package: &str) -> BTreeMap<String, Option<String>> {
    let folder = scratch();
    let line = line.replace("ARCHIVE", archive.to_str().unwrap());
    shell(&line, folder.path(), package);
    on_disk(folder.path())
}

fn on_file(folder: &tempfile::TempDir, tree: &Tree, format: Format) -> std::path::PathBuf {
    let name = folder.path().join(format!("a.{format}"));
    std::fs::write(&name, packed(tree, format)).unwrap();
    name
}

#[test]
fn tars() {
    let (folder, tree) = (scratch(), sample());
    let archive = on_file(&folder, &tree, format("tar"));
    let list = |line: &str, package| shell(&format!("{line} < {}", archive.display()), folder.path(), package);
    let expected = rows(&tree, "tar");
    let gnu = list("tar --numeric-owner --quoting-style=literal --full-time -tvf -", "tar");
    assert_eq!(listed(&gnu, &TAR), expected);
    assert!(String::from_utf8_lossy(&gnu).lines().all(|line| line.contains(" 1980-01-01 00:00:00 ")));
    assert_eq!(listed(&list("bsdtar --numeric-owner -tvf -", "libarchive-tools"), &LS), escaped(&expected));
    assert_eq!(listed(&list("busybox tar -tvf -", "busybox-static"), &TAR), expected);
    for (line, package) in [
        ("tar -xf ARCHIVE", "tar"),
        ("bsdtar -xf ARCHIVE", "libarchive-tools"),
        ("busybox tar -xf ARCHIVE", "busybox-static"),
    ] {
        assert_eq!(unpacked(line, &archive, package), in_tree(&tree), "{line}");
    }
}

/// bsdtar escapes a backslash when it lists.
fn escaped(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    for (.., name, target) in &mut rows {
        *name = name.replace('\\', "\\\\");
        *target = target.as_ref().map(|target| target.replace('\\', "\\\\"));
    }
    rows
}

#[test]
fn cpios() {
    let (folder, tree) = (scratch(), sample());
    let archive = on_file(&folder, &tree, format("cpio"));
    let list = |line: &str, package| shell(&format!("{line} < {}", archive.display()), folder.path(), package);
    let expected = rows(&tree, "cpio");
    assert_eq!(listed(&list("cpio -itvn --quiet", "cpio"), &LS), expected);
    assert_eq!(listed(&list("bsdcpio -itvn --quiet", "libarchive-tools"), &LS), expected);
    for (line, package) in [
        ("cpio -id --quiet --no-absolute-filenames < ARCHIVE", "cpio"),
        ("bsdcpio -id --quiet < ARCHIVE", "libarchive-tools"),
        ("busybox cpio -id < ARCHIVE", "busybox-static"),
    ] {
        assert_eq!(unpacked(line, &archive, package), in_tree(&tree), "{line}");
    }
}

/// All that Python's tarfile knows of each member, with nothing unexpected in its other fields.
#[test]
fn python() {
    let script = r#"
import hashlib, sys, tarfile
with tarfile.open(sys.argv[1], "r:" + sys.argv[2]) as archive:
    for m in archive:
        kind = "d" if m.isdir() else "-" if m.isreg() else "l" if m.issym() else "?"
        value = hashlib.sha256(archive.extractfile(m).read()).hexdigest() if m.isreg() else m.linkname
        assert (m.uname, m.gname, m.devmajor, m.devminor, m.mtime) == ("", "", 0, 0, 315532800), m
        assert set(m.pax_headers) <= {"path", "linkpath"}, m.pax_headers
        print(kind, m.mode, m.uid, m.gid, m.size, repr(m.name), repr(value))
"#;
    let (folder, tree) = (scratch(), sample());
    let expected: Vec<String> = rows(&tree, "tar")
        .into_iter()
        .zip(tree.iter())
        .map(|((mode, uid, gid, size, name, target), (_, entry))| {
            let value = match &entry.node {
                Node::File(content) => content.digest().to_string(),
                _ => target.unwrap_or_default(),
            };
            format!("{} {} {uid} {gid} {size} {} {}", &mode[..1], entry.mode, repr(&name), repr(&value))
        })
        .collect();
    for codec in ["", "gz"] {
        let archive = on_file(&folder, &tree, format(if codec.is_empty() { "tar" } else { "tar.gz" }));
        let mut command = Command::new("python3");
        command.env("PYTHONUTF8", "1").args(["-c", script]).arg(archive).arg(codec);
        let text = String::from_utf8(output(run(&mut command, "python3"))).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}

/// As Python writes a string that has no quotes in it.
fn repr(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\u{202e}', "\\u202e"))
}

/// One clean stream (of zstd a frame for each part), which is the plain archive, whatever the number of empty blocks before its end.
#[test]
fn codecs() {
    let folder = scratch();
    let mut seen = 0;
    for extra in 0..12 {
        let mut tree = sample();
        tree.replace(path("/extra"), file(noise(extra)));
        for container in ["tar", "cpio"] {
            let parts = mastermold::archive::parts(&tree, format(container).container, Epoch::FILES).count();
            let plain = on_file(&folder, &tree, format(container));
            let plain = plain.display();
            let gz = on_file(&folder, &tree, format(&format!("{container}.gz")));
            let zst = on_file(&folder, &tree, format(&format!("{container}.zst")));
            let (gz, zst) = (gz.display(), zst.display());
            for (line, package) in [
                (format!("gzip -t {gz} && gzip -dc {gz} | cmp - {plain}"), "gzip"),
                (format!("busybox gunzip -c {gz} | cmp - {plain}"), "busybox-static"),
                (format!("zstd -q -t {zst} && zstd -q -dc {zst} | cmp - {plain}"), "zstd"),
                (format!("zstd -lv {zst} | grep -q '^# Zstandard Frames: {parts}$'"), "zstd"),
                (format!("zstd -lv {zst} | grep -q '^Check: XXH64'"), "zstd"),
            ] {
                shell(&line, folder.path(), package);
                seen += 1;
            }
            let listed = |archive| shell(&format!("bsdtar -tf {archive}"), folder.path(), "libarchive-tools");
            assert!(listed(&plain) == listed(&gz) && listed(&gz) == listed(&zst));
            python_gzip(&gz.to_string(), &plain.to_string());
        }
    }
    assert_eq!(seen, 12 * 2 * 5);
}

fn python_gzip(archive: &str, plain: &str) {
    let script = r#"
import gzip, sys, zlib
raw, plain = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
d = zlib.decompressobj(31)
assert d.decompress(raw) == plain and d.eof and d.unused_data == b"" and d.unconsumed_tail == b""
assert gzip.decompress(raw) == plain
assert raw[:10] == bytes([31, 139, 8, 0, 0, 0, 0, 0, 0, 255])
"#;
    output(run(Command::new("python3").args(["-c", script, archive, plain]), "python3"));
}

/// The crates that the owner named read what we wrote.
#[test]
fn crates() {
    let tree = sample();
    let bytes = packed(&tree, format("tar"));
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut seen = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let name = name.trim_end_matches('/').to_owned();
        let expected = tree.get(&TreePath::from_relative(&name).unwrap()).unwrap();
        let header = entry.header();
        let numbers = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        assert_eq!(numbers, (expected.mode, expected.uid.into(), expected.gid.into()), "{name}");
        let target = entry.link_name_bytes().map(|target| format!("-> {}", String::from_utf8_lossy(&target)));
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        let sum = entry.header().entry_type().is_file().then(|| Digest::of(&contents).to_string());
        seen.insert(name, target.or(sum));
    }
    assert_eq!(seen, in_tree(&tree));

    let bytes = packed(&tree, format("cpio"));
    let mut rest = &bytes[..];
    let mut seen = BTreeMap::new();
    loop {
        let mut reader = cpio::newc::Reader::new(rest).unwrap();
        let entry = reader.entry().clone();
        let mut contents = Vec::new();
        reader.read_to_end(&mut contents).unwrap();
        rest = reader.finish().unwrap();
        if entry.is_trailer() {
            break;
        }
        assert_eq!((entry.nlink(), entry.ino() as usize), (1, seen.len() + 1));
        let value = match entry.mode() & 0o170_000 {
            0o040_000 => None,
            0o120_000 => Some(format!("-> {}", String::from_utf8(contents).unwrap())),
            _ => Some(Digest::of(&contents).to_string()),
        };
        seen.insert(entry.name().to_owned(), value);
    }
    assert_eq!(seen, in_tree(&tree));
    assert!(rest.iter().all(|&byte| byte == 0) && bytes.len().is_multiple_of(512));
}

/// A judge that accepts anything is none: a changed byte must show.
#[test]
fn judges_can_fail() {
    let (folder, tree) = (scratch(), sample());
    let name = on_file(&folder, &tree, format("tar"));
    let mut bytes = std::fs::read(&name).unwrap();
    let at = bytes.windows(6).position(|window| window == b"secret").unwrap();
    bytes[at] = b'S';
    std::fs::File::create(&name).unwrap().write_all(&bytes).unwrap();
    assert_ne!(unpacked("tar -xf ARCHIVE", &name, "tar"), in_tree(&tree));
    let none = Command::new("mastermold-has-no-such-program").stdout(Stdio::null()).status();
    assert!(none.is_err());
}

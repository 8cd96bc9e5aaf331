//! What is read of programs: made ones in every form, the host's own beside binutils, and damaged ones.
#![expect(clippy::unwrap_used, reason = "a test panics")]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::process::Command;

use mastermold::program::{GoBuild, Kind, Module, Program, identify};
use proptest::prelude::*;

#[path = "program/made.rs"]
mod made;

/// Every form.
fn forms() -> impl Iterator<Item = made::Form> {
    (0..16).map(|bits| made::Form {
        wide: bits & 1 != 0,
        big: bits & 2 != 0,
        inline: bits & 4 != 0,
        stripped: bits & 8 != 0,
    })
}

fn identified(bytes: &[u8]) -> Option<Program> {
    identify(Cursor::new(bytes)).unwrap()
}

const MODULES: &str = "path\texample.org/a/cmd/b\nmod\texample.org/a\t(devel)\t\ndep\texample.org/c\tv1.2.0\th1:AA=\n\
                       dep\texample.org/d\tv0.1.0\n=>\texample.org/e\tv0.3.0\th1:BB=\n\
                       build\t-ldflags=\"-X main.v=\\u0022\\x41\\102\\n\"\nbuild\tvcs.revision=abc=d\n\
                       build\t`a=b`=c\nnew\tsomething\n";

fn expected() -> GoBuild {
    let module = |path: &str, version: &str, sum: &str| Module {
        path: path.into(),
        version: version.into(),
        sum: (!sum.is_empty()).then(|| sum.into()),
        replacement: None,
    };
    let replaced = Module {
        replacement: Some(Box::new(module("example.org/e", "v0.3.0", "h1:BB="))),
        ..module("example.org/d", "v0.1.0", "")
    };
    let settings = [("-ldflags", "-X main.v=\"AB\n"), ("vcs.revision", "abc=d"), ("a=b", "c")];
    GoBuild {
        go: "go1.99.1 X:odd".into(),
        path: "example.org/a/cmd/b".into(),
        main: Some(module("example.org/a", "(devel)", "")),
        modules: vec![module("example.org/c", "v1.2.0", "h1:AA="), replaced],
        settings: settings.map(|(key, value)| (key.into(), value.into())).into(),
    }
}

#[test]
fn every_form_of_build_information_is_read() {
    for form in forms() {
        let program = identified(&form.program("go1.99.1 X:odd", &made::framed(MODULES))).unwrap();
        assert_eq!(program.go, Some(expected()), "{form:?}");
        assert_eq!((program.bits, program.big_endian), (if form.wide { 64 } else { 32 }, form.big));
        assert_eq!((program.machine.to_string(), program.kind), ("x86_64".to_owned(), Kind::Executable));
        assert_eq!((program.interpreter, program.needed), (None, Vec::new()));
        let bare = identified(&form.program("go1.5", b"")).unwrap();
        assert_eq!(bare.go, Some(GoBuild { go: "go1.5".into(), ..GoBuild::default() }), "{form:?}");
    }
}

#[test]
fn lines_that_go_would_refuse_are_no_build_information() {
    for wrong in [
        "dep\ta\n",
        "dep\ta\tb\tc\td\n",
        "mod\t\tv1\n",
        "=>\ta\tv1\n",
        "dep\ta\tv1\n=>\tb\tv1\n=>\tc\tv1\n",
        "build\tnothing\n",
        "build\t=x\n",
        "build\ta=\"x\n",
        "build\ta=\"\\q\"\n",
        "build\ta=\"\\x+1\"\n",
        "build\ta=\"\\777\"\n",
        "build\ta=\"x\"y\n",
        "dep\tan\u{1b}[31m\tv1\n",
    ] {
        for form in forms() {
            let program = identified(&form.program("go1.99", &made::framed(wrong))).unwrap();
            assert_eq!(program.go, None, "{wrong:?} {form:?}");
        }
    }
}

/// Never more memory than bounded pieces, whatever the tables promise.
struct Endless {
    start: Vec<u8>,
    at: u64,
    read: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let from = usize::try_from(self.at).unwrap_or(usize::MAX).min(self.start.len());
        let count = (self.start.len() - from).min(buffer.len());
        buffer[..count].copy_from_slice(&self.start[from..from + count]);
        buffer[count..].fill(b'x');
        self.at += buffer.len() as u64;
        self.read += buffer.len() as u64;
        Ok(buffer.len())
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(_) => 1 << 60,
            SeekFrom::Current(_) => self.at,
        };
        Ok(self.at)
    }
}

#[test]
fn what_tables_promise_is_bounded() {
    for form in forms() {
        let start = form.program("go1.99", &made::framed(MODULES));
        for at in 16..start.len() {
            let mut start = start.clone();
            let end = (at + 8).min(start.len());
            start[at..end].fill(if form.big { 0x0f } else { 0xf0 });
            let mut file = Endless { start, at: 0, read: 0 };
            identify(&mut file).unwrap();
            assert!(file.read < 32 << 20, "byte {at}: {} bytes were read", file.read);
        }
    }
}

/// A reader that fails in the middle.
struct Failing<'a>(Cursor<&'a [u8]>, u64);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.position() >= self.1 {
            true => Err(std::io::Error::other("the disk is gone")),
            false => self.0.read(buffer),
        }
    }
}

impl Seek for Failing<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_disk_that_fails_is_told() {
    let form = made::Form { wide: true, big: false, inline: true, stripped: false };
    let bytes = form.program("go1.99", &made::framed(MODULES));
    for at in [0, 60, 0x200, bytes.len() as u64 - 64 * 3] {
        let error = identify(Failing(Cursor::new(&bytes), at)).unwrap_err();
        assert_eq!(error.class().code(), 5, "{error}");
    }
}

#[test]
fn what_is_no_program_is_none() {
    let form = made::Form { wide: true, big: false, inline: true, stripped: false };
    let whole = form.program("go1.99", &made::framed(MODULES));
    assert_eq!(identified(b""), None);
    assert_eq!(identified(b"#!/bin/sh\n"), None);
    assert_eq!(identified(&whole[..64 + 55]), None, "without its segments it cannot run");
    let stripped = identified(&whole[..0x200]).unwrap();
    assert_eq!(stripped.go, None);
}

/// binutils says the same of what this machine runs.
#[test]
fn the_hosts_own_programs_are_read_as_readelf_reads_them() {
    let own = std::env::current_exe().unwrap();
    let mut compared = 0;
    for path in ["/bin/sh", "/bin/ls", "/lib/x86_64-linux-gnu/libc.so.6", own.to_str().unwrap()] {
        let Ok(file) = disk_open(path) else { continue };
        let output = Command::new("readelf").args(["-hldW", path]).output().unwrap();
        compared += 1;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let program = identify(file).unwrap().unwrap();
        let field = |name: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        assert_eq!(field("Class"), format!("ELF{}", program.bits), "{path}");
        assert_eq!(field("Type").starts_with("DYN"), program.kind == Kind::Shared, "{path}");
        assert!(field("Machine").to_lowercase().replace('-', "_").contains(&program.machine.to_string()), "{path}");
        let interpreter = text.split_once("program interpreter: ").map(|(_, rest)| rest.split(']').next().unwrap());
        assert_eq!(interpreter, program.interpreter.as_deref(), "{path}");
        let needed = text.lines().filter(|line| line.contains("(NEEDED)"));
        let needed: Vec<_> = needed.map(|line| line.split(['[', ']']).nth(1).unwrap()).collect();
        assert_eq!(needed, program.needed, "{path}");
    }
    assert!(compared > 1);
}

#[expect(clippy::disallowed_methods, reason = "tests look at the disk")]
fn disk_open(path: &str) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Damage anywhere: never a panic, and never an error.
    #[test]
    fn damage_is_survived(
        bits in 0..16_usize,
        cut in 0.0..1.0_f64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let form = forms().nth(bits).unwrap();
        let mut bytes = form.program("go1.99", &made::framed(MODULES));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut > 0.5 {
            bytes.truncate((bytes.len() as f64 * cut) as usize);
        }
        identify(Cursor::new(&bytes)).unwrap();
    }
}

//! What the good profiles are made of that is no text: a small base system, and programs as the loader sees them.

#[path = "../base/made.rs"]
#[expect(dead_code, reason = "other tests make more of it")]
mod archives;

use archives::{Member, tar};

/// The machine of x86_64, and that of aarch64 (elf(5), e_machine).
pub const X86_64: u16 = 62;
pub const AARCH64: u16 = 183;
/// What starts a program of x86_64 (ld.so(8)).
pub const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A root file system, as an archive.
pub fn base() -> Vec<u8> {
    let directories =
        ["etc", "usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/lib/systemd", "usr/lib/systemd/system"];
    let mut members: Vec<(&str, Member)> = directories.iter().map(|path| (*path, Member::directory(0o755))).collect();
    let links = [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];
    members.extend(links.iter().map(|(path, target)| (*path, Member::symlink(target))));
    let programs =
        ["usr/bin/sh", "usr/bin/true", "usr/sbin/init", "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/libc.so.6"];
    members.extend(programs.iter().map(|path| (*path, Member { mode: 0o755, ..Member::file("a program") })));
    members.extend([("boot", Member::directory(0o755)), ("boot/vmlinuz-6", Member::file("a kernel"))]);
    members.push(("etc/passwd", Member::file("root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n")));
    members.push(("etc/group", Member::file("root:x:0:\ndaemon:x:1:\n")));
    members.push(("usr/lib/systemd/system/base.service", Member::file("[Service]\nExecStart=/usr/bin/true\n")));
    members.push(("usr/lib/systemd/system/base@.service", Member::file("[Service]\nExecStart=/usr/bin/true\n")));
    for kind in ["multi-user", "timers", "local-fs"] {
        let path: &str = Box::leak(format!("usr/lib/systemd/system/{kind}.target").into_boxed_str());
        members.push((path, Member::file("[Unit]\n")));
    }
    tar(&members)
}

/// A program of 64 bits, little-endian, with what the loader reads of it: header, the segments LOAD, INTERP and DYNAMIC
/// (System V ABI, "Object Files", "Program Loading and Dynamic Linking").
pub fn program(machine: u16, loader: &str, needed: &[&str]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let (loader_at, loader_size) = (64 + 3 * 56, loader.len() as u64 + 1);
    let strings_at = loader_at + loader_size;
    let mut strings = vec![0];
    let mut dynamic = Vec::new();
    for library in needed {
        dynamic.push((1, strings.len() as u64));
        strings.extend(library.bytes().chain([0]));
    }
    dynamic.extend([(5, BASE + strings_at), (10, strings.len() as u64), (0, 0)]);
    let dynamic_at = (strings_at + strings.len() as u64).next_multiple_of(8);
    let end = dynamic_at + 16 * dynamic.len() as u64;

    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    [2, machine].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    bytes.extend(1u32.to_le_bytes());
    [BASE, 64, 0].iter().for_each(|word: &u64| bytes.extend(word.to_le_bytes()));
    bytes.extend(0u32.to_le_bytes());
    [64u16, 56, 3, 64, 0, 0].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    for (kind, at, size) in [(1u32, 0, end), (3, loader_at, loader_size), (2, dynamic_at, end - dynamic_at)] {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        [at, BASE + at, BASE + at, size, size, 8].iter().for_each(|word: &u64| bytes.extend(word.to_le_bytes()));
    }
    bytes.extend(loader.bytes().chain([0]));
    bytes.extend(strings);
    bytes.resize(dynamic_at as usize, 0);
    dynamic.iter().for_each(|(tag, value): &(u64, u64)| {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    });
    bytes
}

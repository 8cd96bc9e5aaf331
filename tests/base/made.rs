//! Archives as others write them: tar with the tar crate, newc by hand (with hard links, and more than one of them).
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::Write as _;

/// What a member of an archive is.
#[derive(Clone)]
pub struct Member {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub kind: u8,
    pub bytes: &'static str,
}

impl Member {
    pub fn file(bytes: &'static str) -> Member {
        Member { mode: 0o644, uid: 0, gid: 0, kind: b'0', bytes }
    }

    pub fn hard_link(to: &'static str) -> Member {
        Member { kind: b'1', ..Member::file(to) }
    }

    pub fn symlink(target: &'static str) -> Member {
        Member { mode: 0o777, kind: b'2', ..Member::file(target) }
    }

    pub fn device() -> Member {
        Member { kind: b'3', ..Member::file("") }
    }

    pub fn directory(mode: u32) -> Member {
        Member { mode, kind: b'5', ..Member::file("") }
    }
}

pub fn tar(members: &[(&str, Member)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, member) in members {
        let mut header = tar::Header::new_ustar();
        let contents = if member.kind == b'0' { member.bytes.as_bytes() } else { b"" };
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::new(member.kind));
        if [b'1', b'2'].contains(&member.kind) {
            header.set_link_name(member.bytes).unwrap();
        }
        header.set_mode(member.mode);
        header.set_uid(member.uid.into());
        header.set_gid(member.gid.into());
        header.set_mtime(1);
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, contents).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An archive in the format of the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
pub fn cpio(members: &[(&str, Member)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut entry = |name: &str, mode: u32, links: u32, (uid, gid): (u32, u32), bytes: &[u8]| {
        let fields = [1, mode, uid, gid, links, 1, bytes.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        out.extend_from_slice(b"070701");
        fields.iter().for_each(|field| write!(out, "{field:08x}").unwrap());
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    for (path, member) in members {
        let kind = match member.kind {
            b'0' | b'1' => 0o100_000,
            b'2' => 0o120_000,
            b'3' => 0o020_000,
            _ => 0o040_000,
        };
        let links = if member.kind == b'1' { 2 } else { 1 };
        let bytes = if member.kind == b'1' { "" } else { member.bytes };
        entry(path, kind | member.mode, links, (member.uid, member.gid), bytes.as_bytes());
    }
    entry("TRAILER!!!", 0, 1, (0, 0), b"");
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

//! tar as image layers and archives have it: ustar (IEEE Std 1003.1-2017), in one way only.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use ::tar::{EntryType, Header};

use crate::epoch::Epoch;
use crate::error::{Error, Result};

/// The size of a header, and what contents are padded to.
const BLOCK: u64 = 512;
/// The two blocks of zeros at the end.
pub(super) const END: u64 = 2 * BLOCK;
/// What the eleven octal digits of a size can say, and one more.
const TOO_LARGE: u64 = 1 << 33;

/// The room that a file takes.
pub(super) fn room(size: u64) -> u64 {
    BLOCK + size.next_multiple_of(BLOCK)
}

/// What a header says. All have one time, and names of owners are left out.
pub(super) struct Head<'a> {
    pub path: &'a str,
    /// None is a directory.
    pub size: Option<u64>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Head<'_> {
    /// A file of root's that anyone may read.
    pub fn plain(path: &str, size: u64) -> Head<'_> {
        Head { path, size: Some(size), mode: 0o644, uid: 0, gid: 0 }
    }
}

/// The 512 bytes.
pub(super) fn header(head: &Head<'_>) -> Result<[u8; BLOCK as usize]> {
    let mut header = Header::new_ustar();
    let refused = |why: &str| Error::policy(format!("/{} cannot be in an image: {why}", head.path));
    if head.size.is_some_and(|size| size >= TOO_LARGE) {
        return Err(refused("it has 8 GiB or more"));
    }
    if head.uid >= 1 << 21 || head.gid >= 1 << 21 {
        return Err(refused("its owner's or group's number is too large for a tar header"));
    }
    header.set_entry_type(if head.size.is_some() { EntryType::Regular } else { EntryType::Directory });
    let path = if head.size.is_some() { head.path.to_owned() } else { format!("{}/", head.path) };
    header.set_path(Path::new(&path)).map_err(|_| refused("its path is too long"))?;
    header.set_mode(head.mode);
    header.set_uid(head.uid.into());
    header.set_gid(head.gid.into());
    header.set_size(head.size.unwrap_or(0));
    header.set_mtime(Epoch::FILES.seconds());
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Zeros up to the next block, after `size` bytes.
pub(super) fn pad(size: u64, out: &mut dyn Write) -> io::Result<()> {
    let zeros = [0; BLOCK as usize];
    out.write_all(&zeros[..(size.next_multiple_of(BLOCK) - size) as usize])
}

/// The end of an archive.
pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; END as usize])
}

/// Copies all contents in large pieces; how many bytes there were. Reads to the very end, where a pinned reader says
/// whether they are what they should be.
pub(super) fn copy(contents: &mut dyn Read, out: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut copied = 0;
    loop {
        match contents.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                out.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

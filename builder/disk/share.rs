//! One file under two names.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, linkat};

use super::{Access, look_open, staged};

/// Gives an open file another name, `path`, and the mode of `access` (linkat(2) by the file's descriptor: it is the file
/// that was opened, whatever has its name now). False if the system refuses: another file system, another's file.
pub fn share(file: &File, path: &Path, access: Access) -> bool {
    let _open = staged::open_unfinished();
    let mode = access.file_mode();
    let has_mode = look_open(file).is_ok_and(|found| found.mode == mode);
    if !has_mode && rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).is_err() {
        return false;
    }
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn it_is_the_file_that_was_opened() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "first").unwrap();
        let file = File::open(at("a")).unwrap();
        fs::rename(at("a"), at("b")).unwrap();
        fs::write(at("a"), "second").unwrap();
        assert!(share(&file, &at("c"), Access::Private));
        assert_eq!(fs::read(at("c")).unwrap(), b"first");
        let found = fs::metadata(at("c")).unwrap();
        assert_eq!((found.mode() & 0o7777, found.ino()), (0o600, fs::metadata(at("b")).unwrap().ino()));
        assert!(!share(&file, &at("a"), Access::Private), "a name that is taken stays");
        assert_eq!(fs::read(at("a")).unwrap(), b"second");
    }
}

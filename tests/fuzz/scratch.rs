//! Where a target writes what it can only read from a file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mastermold::store::{Pin, Store};

static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = std::env::var_os("FUZZ_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = base.join(format!("fuzz-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
});

static STORE: LazyLock<Store> = LazyLock::new(|| Store::open(&directory("store")).unwrap());

/// A directory of this process.
pub fn directory(name: &str) -> PathBuf {
    let directory = SCRATCH.join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Writes a file and the directories above it.
pub fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Runs it with a store that has these bytes, and nothing else before and afterwards.
pub fn stored(bytes: &[u8], run: impl FnOnce(&Store, &Pin)) {
    let (digest, size) = STORE.add(&mut &bytes[..], u64::MAX).unwrap();
    run(&STORE, &Pin { digest, size });
    let blobs = STORE.directory().join("blobs");
    for below in fs::read_dir(&blobs).unwrap() {
        fs::remove_dir_all(below.unwrap().path()).unwrap();
    }
}

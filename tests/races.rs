//! Row 35 of the quality goals: another process exchanges a directory for a symlink that leads out, all the time. What
//! is read below a root is the root's, or nothing.
#![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
#![expect(clippy::unwrap_used, reason = "this is how a test fails")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mastermold::disk;
use mastermold::overlay::{Overlay, OverlayContent};

const TRIES: usize = 10_000;
const INSIDE: &[u8] = b"inside";
const OUTSIDE: &[u8] = b"outside: nobody may read this";

/// How often the file was the root's, was somebody else's, was not there, and was neither.
#[derive(Debug, Default)]
struct Seen {
    inside: usize,
    outside: usize,
    refused: usize,
    torn: usize,
}

/// Reads so often while `at`, a directory with `f`, is exchanged for a symlink to a directory beside the root.
fn raced(root: &Path, at: &str, tries: usize, read: impl Fn() -> Option<Vec<u8>>) -> Seen {
    let (directory, link) = (root.join(at), root.join("link"));
    let outside = root.parent().unwrap().join("outside");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("f"), INSIDE).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("f"), OUTSIDE).unwrap();
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let done = AtomicBool::new(false);
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (cwd, exchange) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
                rustix::fs::renameat_with(cwd, &directory, cwd, &link, exchange).unwrap();
            }
        });
        // Until both have been met, but not for ever.
        for _ in 0..tries * 10 {
            match read() {
                Some(bytes) if bytes == OUTSIDE => seen.outside += 1,
                Some(bytes) if bytes == INSIDE => seen.inside += 1,
                Some(_) => seen.torn += 1,
                None => seen.refused += 1,
            }
            if seen.inside + seen.refused + seen.outside >= tries && seen.inside > 0 && seen.inside < tries {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    // Not before: the other thread would go on for ever.
    assert_eq!(seen.torn, 0);
    seen
}

#[test]
fn who_follows_links_is_led_out() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    let seen = raced(&root, "d", TRIES, || std::fs::read(root.join("d/f")).ok());
    assert!(seen.outside > 0 && seen.inside > 0, "the control: {seen:?}");
}

#[test]
fn what_is_read_below_a_root_is_never_somebody_elses() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    let seen = raced(&root, "d", TRIES, || disk::read_beneath(&root, Path::new("d/f"), 1 << 20).ok());
    assert!(seen.outside == 0 && seen.inside > 0 && seen.refused > 0, "{seen:?}");
}

#[test]
fn what_is_served_is_never_somebody_elses() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    let seen = raced(&root, "d", TRIES, || {
        let mut bytes = Vec::new();
        let file = disk::open_plain_beneath(&root, Path::new("d/f")).ok()?;
        std::io::Read::read_to_end(&mut &file, &mut bytes).ok()?;
        Some(bytes)
    });
    assert!(seen.outside == 0 && seen.inside > 0 && seen.refused > 0, "{seen:?}");
}

#[test]
fn an_overlay_has_nothing_of_somebody_elses() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    std::fs::create_dir_all(root.join("overlays/o/root")).unwrap();
    std::fs::write(root.join("overlays/o/overlay.toml"), "summary = \"o\"\n").unwrap();
    let seen = raced(&root, "overlays/o/root/d", 2000, || {
        let overlay = Overlay::load(&root, "o").ok()?;
        overlay.files.into_iter().find_map(|file| match file.content {
            OverlayContent::File { bytes, .. } => Some(bytes),
            _ => None,
        })
    });
    assert!(seen.outside == 0 && seen.inside > 0 && seen.refused > 0, "{seen:?}");
}

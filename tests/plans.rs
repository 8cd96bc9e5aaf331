//! The plan of every shipped profile, without a lock and without a seed, as it is kept in `tests/plans/`. A profile
//! without a kept plan fails. After a change that is meant: `UPDATE_PLANS=1 cargo test --test plans`, and review.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn profiles(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => profiles(&path, found),
            // Folders named `base` hold what profiles extend.
            false if path.extension().is_some_and(|end| end == "toml") && folder.file_name().unwrap() != "base" => {
                found.push(path)
            }
            false => {}
        }
    }
    found.sort();
}

#[test]
fn every_shipped_profile_has_the_plan_that_is_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shipped = Vec::new();
    profiles(&root.join("profiles"), &mut shipped);
    assert!(!shipped.is_empty());
    let copy = tempfile::tempdir().unwrap();
    // Without the lock that a demo may have left: the plan must not depend on it.
    let copied =
        Command::new("cp").args(["-r", "overlays", "profiles"]).arg(copy.path()).current_dir(root).status().unwrap();
    assert!(copied.success());
    let mut differing = Vec::new();
    for profile in shipped {
        let below = profile.strip_prefix(root).unwrap();
        let _ = std::fs::remove_file(copy.path().join(below).with_extension("lock"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_mastermold"));
        let output = command
            .args(["plan", "--format", "json"])
            .arg(below)
            .current_dir(copy.path())
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {}", below.display(), String::from_utf8_lossy(&output.stderr));
        let kept = root.join("tests/plans").join(below.strip_prefix("profiles").unwrap()).with_extension("json");
        if std::env::var_os("UPDATE_PLANS").is_some() {
            std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
            std::fs::write(&kept, &output.stdout).unwrap();
        }
        if std::fs::read(&kept).unwrap_or_default() != output.stdout {
            differing.push(below.display().to_string());
        }
    }
    assert!(differing.is_empty(), "the plans of {differing:?} are not those in tests/plans; see the head of this file");
}

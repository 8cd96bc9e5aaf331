//! Lists the shipped overlays and profiles for `builder/shipped.rs`, which carries them inside the program.
#![expect(clippy::disallowed_methods, reason = "this runs at the build of the program, not in it")]

use std::error::Error;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    for folder in ["overlays", "profiles"] {
        println!("cargo::rerun-if-changed={folder}");
        list(&root.join(folder), &mut files)?;
    }
    let mut text = String::from("static FILES: &[Shipped] = &[\n");
    for file in files {
        let below = file.strip_prefix(&root)?;
        if fs::metadata(&file)?.permissions().mode() & 0o111 != 0 {
            return Err(format!("{}: no mode travels with the program; say it in [[files]]", below.display()).into());
        }
        writeln!(text, "Shipped {{ path: {below:?}, bytes: include_bytes!({file:?}) }},")?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shipped.rs"), text + "];\n")?;
    Ok(())
}

/// Every file below a folder but locks, which are a user's own, sorted.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    for path in paths {
        if path.is_symlink() {
            return Err(format!("{} is a symlink: declare it with [[symlinks]]", path.display()).into());
        } else if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_none_or(|end| end != "lock") {
            files.push(path);
        }
    }
    Ok(())
}

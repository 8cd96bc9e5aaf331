//! What the program carries inside itself: the shipped overlays and profiles, so that an installed binary is complete.

/// A file of `overlays/` or `profiles/`. None is executable: what must be on a machine says so in its `[[files]]`.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its path in the repository.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

// `FILES`, sorted by path; build.rs lists them.
include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The file of this path.
pub fn file(path: &str) -> Option<&'static Shipped> {
    FILES.iter().find(|file| file.path == path)
}

/// The files of a folder, however deep, each with its path from there.
pub fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static Shipped)> {
    FILES.iter().filter_map(move |file| Some((file.path.strip_prefix(folder)?.strip_prefix('/')?, file)))
}

/// The names of the overlays.
pub fn overlays() -> impl Iterator<Item = &'static str> {
    below("overlays").filter_map(|(path, _)| path.strip_suffix("/overlay.toml"))
}

/// The names of the profiles: their paths below `profiles/` without the ending. A folder `base` holds what profiles
/// extend, and no profile.
pub fn profiles() -> impl Iterator<Item = &'static str> {
    let names = below("profiles").filter_map(|(path, _)| path.strip_suffix(".toml"));
    names.filter(|name| !name.split('/').any(|folder| folder == "base"))
}

//! Overlays: folders of files and declarations, the unit of composition.
//!
//! ```text
//! overlays/NAME/overlay.toml   declarations, rendered for each node that the overlay is active on
//! overlays/NAME/root/...       a mirror of `/`: files as they are, `*.j2` rendered
//! ```

pub mod args;
pub mod credentials;
pub mod declare;
pub mod escape;
pub mod scope;
pub mod template;
pub mod units;

use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::disk::{self, Kind};
use crate::document::{self, Value};
use crate::error::{Error, Faults, Result};
use crate::tree::TreePath;

pub use declare::{Declarations, Mode};
pub use scope::{Global, Scope};
pub use template::Engine;

/// The largest file of an overlay. Overlays hold text; what is larger is a source.
const LARGEST_FILE: u64 = 16 << 20;
/// The end of a template's name.
const TEMPLATE: &str = ".j2";

/// A loaded overlay, nothing rendered yet.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Its folder's name.
    pub name: String,
    /// `overlay.toml`.
    pub declarations: Value,
    /// What is in `root/`, sorted by path.
    pub files: Vec<OverlayFile>,
    /// SHA-256 over everything that the overlay is.
    pub digest: Digest,
}

/// Something in an overlay's `root/`.
#[derive(Clone, Debug)]
pub struct OverlayFile {
    /// Where it goes.
    pub path: TreePath,
    /// What it is.
    pub content: OverlayContent,
    /// The file in the project, for errors and `explain`.
    pub file: String,
}

/// What something in an overlay's `root/` is.
#[derive(Clone, Debug)]
pub enum OverlayContent {
    /// A file that is taken as it is.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether its owner may execute it, the one bit of a mode that git keeps.
        executable: bool,
    },
    /// A template (`NAME.j2`).
    Template {
        /// Its source.
        source: String,
        /// As for a file.
        executable: bool,
    },
    /// A symlink and its target.
    Symlink(String),
    /// An empty directory is not kept by git, and says nothing; a directory is here only to be checked.
    Directory,
}

impl Overlay {
    /// Loads `overlays/NAME` of a project.
    pub fn load(project: &Path, name: &str) -> Result<Overlay> {
        let folder = PathBuf::from("overlays").join(name);
        let declared = folder.join("overlay.toml");
        let bytes = disk::read_beneath(project, &declared, LARGEST_FILE)?;
        let file = declared.display().to_string();
        let text = String::from_utf8(bytes).map_err(|_| Error::usage(format!("{file} is not UTF-8")))?;
        let mut faults = Faults::new();
        let declarations = Value::parse(&text, &file)?;
        faults.note(document::unknown_keys::<Declarations>(&declarations));
        let files = faults.note(load_root(project, &folder.join("root"))).unwrap_or_default();
        let digest = digest(&text, &files);
        faults.finish(Overlay { name: name.to_owned(), declarations, files, digest })
    }

    /// Whether a value that differs from an earlier overlay's is meant.
    pub fn overrides(&self) -> bool {
        self.declarations.get("override").is_some_and(|value| value.data == document::Data::Boolean(true))
    }
}

/// The names of all overlays of a project.
pub fn names(project: &Path) -> Result<Vec<String>> {
    let folder = project.join("overlays");
    let names = disk::names(&folder)?;
    Ok(names.into_iter().filter(|name| disk::exists(&folder.join(name).join("overlay.toml"))).collect())
}

fn load_root(project: &Path, root: &Path) -> Result<Vec<OverlayFile>> {
    let at = project.join(root);
    if disk::kind(&at)?.is_none() {
        return Ok(Vec::new());
    }
    let mut faults = Faults::new();
    let mut files: Vec<OverlayFile> = Vec::new();
    for (path, kind) in disk::walk(&at)? {
        let Some(file) = faults.note(load_file(project, &root.join(&path), &path, kind)) else { continue };
        if let Some(twin) = files.iter().find(|other| other.path == file.path) {
            faults.push(
                Error::usage(format!("{} and {} are both {}", twin.file, file.file, file.path)).advise("remove one"),
            );
        }
        files.push(file);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.retain(|file| !matches!(file.content, OverlayContent::Directory));
    faults.finish(files)
}

fn load_file(project: &Path, file: &Path, path: &Path, kind: Kind) -> Result<OverlayFile> {
    let shown = file.display().to_string();
    let named = path.to_str().ok_or_else(|| Error::usage(format!("the name of {shown} is not UTF-8")))?;
    let (path, is_template) = match named.strip_suffix(TEMPLATE) {
        Some(stripped) if matches!(kind, Kind::File { .. }) => (stripped, true),
        _ => (named, false),
    };
    let path = TreePath::from_relative(path).map_err(|error| error.context(&shown))?;
    let content = match kind {
        Kind::Directory => OverlayContent::Directory,
        Kind::Other => return Err(Error::policy(format!("{shown} is a device, FIFO or socket")).advise("remove it")),
        Kind::Symlink => {
            let target = disk::read_link(&project.join(file))?;
            let target = target.to_str().ok_or_else(|| Error::usage(format!("the target of {shown} is not UTF-8")))?;
            OverlayContent::Symlink(target.to_owned())
        }
        Kind::File { executable } => {
            let bytes = disk::read_beneath(project, file, LARGEST_FILE)?;
            match is_template {
                false => OverlayContent::File { bytes, executable },
                true => OverlayContent::Template {
                    source: String::from_utf8(bytes).map_err(|_| Error::usage(format!("{shown} is not UTF-8")))?,
                    executable,
                },
            }
        }
    };
    Ok(OverlayFile { path, content, file: shown })
}

/// Every field is preceded by its length, so that no two overlays give the same stream.
fn digest(declarations: &str, files: &[OverlayFile]) -> Digest {
    let mut hasher = Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(declarations.as_bytes());
    for file in files {
        field(file.path.as_str().as_bytes());
        match &file.content {
            OverlayContent::File { bytes, executable } => {
                field(if *executable { b"executable" } else { b"file" });
                field(bytes);
            }
            OverlayContent::Template { source, executable } => {
                field(if *executable { b"executable template" } else { b"template" });
                field(source.as_bytes());
            }
            OverlayContent::Symlink(target) => {
                field(b"symlink");
                field(target.as_bytes());
            }
            OverlayContent::Directory => {}
        }
    }
    hasher.finish().0
}
